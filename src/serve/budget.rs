//! How much processor time HTTP uses. A unit's quota is for the whole of it: what HTTP takes, the loop and its probes lack.
//! So connections are polled, and passwords verified, only while HTTP has used less than its part; probes never wait.

use std::{
    collections::VecDeque,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

/// What may be used at once after a pause, in seconds of the part. So short that even with it, HTTP stays near its part in
/// each period of the quota.
const BURST: f64 = 0.1;

/// The processor time that HTTP may use.
pub(super) struct Budget {
    /// Seconds of processor time for each second.
    part: f64,
    state: Mutex<State>,
    /// Somebody waits, or the turn was given back.
    changed: Notify,
}

struct State {
    /// Seconds; below zero where a poll took longer than there was.
    left: f64,
    at: Instant,
    /// Those that wait, by neighbourhood; the first one has the next turn.
    waiting: VecDeque<(IpAddr, VecDeque<Waiting>)>,
    /// Whose turn it is.
    turn: Option<u64>,
    next: u64,
}

struct Waiting {
    number: u64,
    waker: Waker,
}

impl Budget {
    pub(super) fn new(part: f64) -> Self {
        let state = State { left: part * BURST, at: Instant::now(), waiting: VecDeque::new(), turn: None, next: 0 };
        Self { part, state: Mutex::new(state), changed: Notify::new() }
    }

    /// How long until something may be done; `None` if it may now.
    fn pause(&self) -> Option<Duration> {
        self.state().pause(self.part, Instant::now())
    }

    /// Waits until something may be done that takes no turn.
    pub(super) async fn available(&self) {
        while let Some(pause) = self.pause() {
            sleep(pause).await;
        }
    }

    /// Does `work` on this thread, which it may block: part after part, each about 5 ms of processor time, as there is time.
    pub(super) fn in_parts(&self, mut work: impl FnMut() -> bool) {
        loop {
            self.wait();
            let began = used();
            let mut is_done = work();
            while !is_done && used().saturating_sub(began) < PART {
                is_done = work();
            }
            self.charge(used().saturating_sub(began));
            if is_done {
                return;
            }
        }
    }

    /// Waits until something may be done, on this thread, which it blocks.
    pub(super) fn wait(&self) {
        while let Some(pause) = self.pause() {
            std::thread::sleep(pause);
        }
    }

    /// Counts what was used.
    pub(super) fn charge(&self, used: Duration) {
        let mut state = self.state();
        state.refill(self.part, Instant::now());
        state.left -= used.as_secs_f64();
    }

    /// Gives turns to those that wait, one neighbourhood after the other. Never ends.
    pub(super) async fn give_turns(&self) {
        loop {
            let changed = self.changed.notified();
            let pause = {
                let mut state = self.state();
                match (state.turn, state.waiting.is_empty(), state.pause(self.part, Instant::now())) {
                    (Some(_), _, _) | (None, true, _) => None,
                    (None, false, Some(pause)) => Some(pause),
                    (None, false, None) => {
                        state.give_turn();
                        None
                    }
                }
            };
            match pause {
                Some(pause) => sleep(pause).await,
                None => changed.await,
            }
        }
    }

    /// Nothing that is done under this lock can leave it half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread that works in parts does at once.
const PART: Duration = Duration::from_millis(5);

/// A pause that is shorter is not worth a timer.
const SHORTEST: Duration = Duration::from_millis(1);

impl State {
    fn refill(&mut self, part: f64, now: Instant) {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * part;
        self.at = now;
        self.left = (self.left + gained).min(part * BURST);
    }

    fn pause(&mut self, part: f64, now: Instant) -> Option<Duration> {
        self.refill(part, now);
        (self.left <= 0.0).then(|| Duration::from_secs_f64(-self.left / part).max(SHORTEST))
    }

    /// To the first one of the first neighbourhood, which goes to the end.
    fn give_turn(&mut self) {
        let Some((peer, mut waiting)) = self.waiting.pop_front() else { return };
        let first = waiting.pop_front();
        if !waiting.is_empty() {
            self.waiting.push_back((peer, waiting));
        }
        if let Some(Waiting { number, waker }) = first {
            self.turn = Some(number);
            waker.wake();
        }
    }

    fn wait(&mut self, peer: IpAddr, number: u64, waker: &Waker) {
        let of_peer = self.waiting.iter_mut().find(|(other, _)| *other == peer).map(|(_, waiting)| waiting);
        let new = || Waiting { number, waker: waker.clone() };
        match of_peer {
            Some(waiting) => match waiting.iter_mut().find(|waiting| waiting.number == number) {
                Some(known) => known.waker.clone_from(waker),
                None => waiting.push_back(new()),
            },
            None => self.waiting.push_back((peer, VecDeque::from([new()]))),
        }
    }

    fn forget(&mut self, number: u64) {
        for (_, waiting) in &mut self.waiting {
            waiting.retain(|waiting| waiting.number != number);
        }
        self.waiting.retain(|(_, waiting)| !waiting.is_empty());
        self.turn = self.turn.filter(|turn| *turn != number);
    }
}

/// A future that is polled only within the budget.
pub(super) struct Budgeted<F> {
    budget: Arc<Budget>,
    peer: IpAddr,
    number: u64,
    is_waiting: bool,
    work: Pin<Box<F>>,
}

impl<F: Future> Budgeted<F> {
    /// `work` for a client of the neighbourhood `peer`.
    pub(super) fn new(budget: Arc<Budget>, peer: IpAddr, work: F) -> Self {
        let number = {
            let mut state = budget.state();
            state.next = state.next.wrapping_add(1);
            state.next
        };
        Self { budget, peer, number, is_waiting: false, work: Box::pin(work) }
    }

    /// Whether it is its turn, or none waits and there is time; else it waits from now on.
    fn begins(&mut self, waker: &Waker) -> bool {
        let mut state = self.budget.state();
        let is_free = state.turn.is_none() && state.waiting.is_empty();
        let begins = if state.turn == Some(self.number) {
            true
        } else {
            is_free && state.pause(self.budget.part, Instant::now()).is_none()
        };
        if !begins {
            state.wait(self.peer, self.number, waker);
        }
        self.is_waiting = !begins;
        begins
    }

    fn end_turn(&mut self) {
        self.budget.state().forget(self.number);
        self.budget.changed.notify_one();
    }
}

impl<F: Future> Future for Budgeted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        // What waiting itself takes counts, too: a flood of connections is mostly that.
        let began = used();
        let polled = if this.begins(cx.waker()) {
            let polled = this.work.as_mut().poll(cx);
            this.end_turn();
            polled
        } else {
            this.budget.changed.notify_one();
            Poll::Pending
        };
        this.budget.charge(used().saturating_sub(began));
        polled
    }
}

impl<F> Drop for Budgeted<F> {
    fn drop(&mut self) {
        self.budget.state().forget(self.number);
        self.budget.changed.notify_one();
    }
}

/// The processor time of this thread.
#[cfg(unix)]
pub(super) fn used() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        net::Ipv4Addr,
        sync::atomic::{AtomicUsize, Ordering},
    };
    use tokio::task::{JoinSet, yield_now};

    fn peer(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    /// Uses about so much processor time.
    fn burn(time: Duration) {
        let began = used();
        while used().saturating_sub(began) < time {}
    }

    /// Clients that poll without end; counts the polls of each peer.
    async fn polls(part: f64, clients: &[u8], long: Duration) -> Vec<usize> {
        let budget = Arc::new(Budget::new(part));
        let counts: Vec<Arc<AtomicUsize>> = clients.iter().map(|_| Arc::default()).collect();
        let mut tasks = JoinSet::new();
        for (last, count) in clients.iter().zip(&counts) {
            let count = Arc::clone(count);
            let work = async move {
                loop {
                    count.fetch_add(1, Ordering::Relaxed);
                    burn(Duration::from_micros(200));
                    yield_now().await;
                }
            };
            tasks.spawn(Budgeted::new(Arc::clone(&budget), peer(*last), work));
        }
        tokio::select! {
            () = budget.give_turns() => {}
            () = sleep(long) => {}
        }
        tasks.shutdown().await;
        let state = budget.state();
        assert!(state.waiting.is_empty() && state.turn.is_none(), "{:?}", state.turn);
        counts.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// By the clock that is paused, which goes on only where no task works: so the machine is not measured.
    #[tokio::test(start_paused = true)]
    async fn no_more_is_used_than_the_part() {
        // In 10 s a hundredth are 0.1 s, and one is left over from the beginning: 500 polls of 0.2 ms, not 50,000.
        let polls = polls(0.01, &[1, 1, 2], Duration::from_secs(10)).await;
        let all: usize = polls.iter().sum();
        assert!((100..=520).contains(&all), "{polls:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn every_neighbourhood_has_the_same_turns() {
        let polls = polls(0.01, &[1, 1, 1, 1, 1, 1, 1, 2], Duration::from_secs(10)).await;
        let (flood, other): (usize, usize) = (polls[..7].iter().sum(), polls[7]);
        assert!(other * 10 > flood * 8, "{polls:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_ends_while_it_waits_delays_no_other() {
        let budget = Arc::new(Budget::new(0.01));
        budget.charge(Duration::from_millis(10));
        let mut first = Budgeted::new(Arc::clone(&budget), peer(1), async {});
        let second = Budgeted::new(Arc::clone(&budget), peer(1), async {});
        let turns = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.give_turns().await }
        });
        assert!(futures_util::poll!(&mut first).is_pending());
        let second = tokio::spawn(second);
        yield_now().await;
        // It has the turn when it is dropped.
        while budget.state().turn != Some(first.number) {
            sleep(Duration::from_millis(10)).await;
        }
        drop(first);
        assert!(second.await.is_ok());
        turns.abort();
    }
}
