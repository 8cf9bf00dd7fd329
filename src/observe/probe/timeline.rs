//! Phases that never overlap: closing one and opening the next is one reading of the clock.

use super::PHASE_LIMIT;
use crate::model::{Phase, Phases, Seconds};
use std::{
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, timeout_at},
};

/// When each phase began, in order, and when the last one ended.
#[derive(Debug, Default)]
struct Timeline {
    began: Vec<(Phase, Instant)>,
    ended: Option<Instant>,
}

impl Timeline {
    fn enter(&mut self, phase: Phase, now: Instant) {
        if self.ended.is_none() && self.began.last().is_none_or(|(last, _)| *last < phase) {
            self.began.push((phase, now));
        }
    }

    /// More of the request was sent, so what was counted as waiting for the answer was still sending.
    fn sending(&mut self) {
        if self.phase() == Some(Phase::Wait) && self.ended.is_none() {
            self.began.pop();
        }
    }

    /// The first byte of the answer, which a server may send before it has read the whole request.
    fn received(&mut self, now: Instant) {
        self.enter(Phase::Wait, now);
        self.enter(Phase::Receive, now);
    }

    fn stop(&mut self, now: Instant) {
        self.ended = self.ended.or(Some(now));
    }

    fn phase(&self) -> Option<Phase> {
        self.began.last().map(|(phase, _)| *phase)
    }

    fn phases(&self, now: Instant) -> Phases {
        let mut phases = Phases::default();
        let ends = self.began.iter().skip(1).map(|(_, began)| *began).chain([self.ended.unwrap_or(now)]);
        for ((phase, began), end) in self.began.iter().zip(ends) {
            *phases.slot(*phase) = Some(Seconds::from(end - *began));
        }
        phases
    }
}

/// The timeline of one probe, written by the code that observes a phase begin.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    timeline: Arc<Mutex<Timeline>>,
    /// For each phase.
    limit: Duration,
}

impl Clock {
    /// One that has not started.
    pub(super) fn new() -> Self {
        Self { timeline: Arc::default(), limit: PHASE_LIMIT }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Timeline) -> T) -> T {
        act(&mut self.timeline.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the running phase and begins `phase`; does nothing if that, or a later one, has begun.
    pub(super) fn enter(&self, phase: Phase) {
        self.with(|timeline| timeline.enter(phase, Instant::now()));
    }

    /// Ends the running phase, for good.
    pub(super) fn stop(&self) {
        self.with(|timeline| timeline.stop(Instant::now()));
    }

    /// The running phase, or the last.
    pub(super) fn phase(&self) -> Option<Phase> {
        self.with(|timeline| timeline.phase())
    }

    /// How long each phase took.
    pub(super) fn phases(&self) -> Phases {
        self.with(|timeline| timeline.phases(timeline.ended.unwrap_or_else(Instant::now)))
    }

    /// When the running phase will have had its time.
    fn until(&self) -> Option<Instant> {
        self.with(|timeline| timeline.began.last().map(|(_, began)| *began + self.limit))
    }

    /// Begins `first` and does `work`, unless one of the phases it goes through exceeds its limit, or all the deadline.
    ///
    /// `Err` is the phase that did; the clock then stands still.
    pub(super) async fn within<T>(
        &self,
        first: Phase,
        deadline: Instant,
        work: impl Future<Output = T>,
    ) -> Result<T, Option<Phase>> {
        self.enter(first);
        let mut work = pin!(work);
        loop {
            let until = self.until().map_or(deadline, |limit| limit.min(deadline));
            match timeout_at(until, &mut work).await {
                Ok(done) => return Ok(done),
                // Another phase has begun since, with a time of its own.
                Err(_) if until < deadline && self.until().is_some_and(|limit| until < limit) => {}
                Err(_) => {
                    self.stop();
                    return Err(self.phase());
                }
            }
        }
    }
}

/// A connection that notes when the last byte of the request has gone and the first byte of the answer is there.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    clock: Clock,
    unflushed: bool,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, clock: Clock) -> Self {
        Self { stream, clock, unflushed: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.clock.with(|timeline| timeline.received(Instant::now()));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        if written > 0 {
            self.unflushed = true;
            self.clock.with(Timeline::sending);
        }
        Poll::Ready(Ok(written))
    }

    /// Over TLS, a write may only have filled a buffer; once flushed, the socket has taken it all.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if std::mem::take(&mut self.unflushed) {
            self.clock.enter(Phase::Wait);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::sleep,
    };

    const STEP: Duration = Duration::from_millis(10);

    #[test]
    fn phases_add_up_exactly_and_a_phase_not_reached_is_absent() {
        let start = Instant::now();
        let mut timeline = Timeline::default();
        timeline.enter(Phase::Connect, start);
        timeline.enter(Phase::Send, start + STEP);
        timeline.stop(start + STEP * 3);
        timeline.enter(Phase::Wait, start + STEP * 4);

        let phases = timeline.phases(start + STEP * 5);
        assert_eq!(phases.connect, Some(Seconds::from(STEP)));
        assert_eq!(phases.send, Some(Seconds::from(STEP * 2)));
        assert_eq!((phases.tls, phases.wait, phases.receive), (None, None, None));
        assert_eq!(phases.sum(), STEP * 3);
    }

    #[test]
    fn a_request_sent_in_two_parts_waits_only_after_the_second() {
        let start = Instant::now();
        let mut timeline = Timeline::default();
        timeline.enter(Phase::Send, start);
        timeline.enter(Phase::Wait, start + STEP);
        timeline.sending();
        timeline.enter(Phase::Wait, start + STEP * 3);
        timeline.received(start + STEP * 7);
        timeline.stop(start + STEP * 7);

        let phases = timeline.phases(start + STEP * 9);
        assert_eq!(phases.send, Some(Seconds::from(STEP * 3)));
        assert_eq!(phases.wait, Some(Seconds::from(STEP * 4)));
        assert_eq!(phases.receive, Some(Seconds::from(Duration::ZERO)));
    }

    #[tokio::test]
    async fn a_connection_marks_the_last_byte_out_and_the_first_byte_in() {
        let (near, mut far) = duplex(64);
        let clock = Clock::new();
        let mut near = Watched::new(near, clock.clone());
        clock.enter(Phase::Send);
        near.write_all(b"request").await.unwrap();
        assert_eq!(clock.phase(), Some(Phase::Send), "not flushed yet");
        near.flush().await.unwrap();
        assert_eq!(clock.phase(), Some(Phase::Wait));
        near.write_all(b"more").await.unwrap();
        assert_eq!(clock.phase(), Some(Phase::Send));
        near.flush().await.unwrap();
        far.write_all(b"answer").await.unwrap();
        near.read_exact(&mut [0; 6]).await.unwrap();
        assert_eq!(clock.phase(), Some(Phase::Receive));
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_stalls_the_send_phase() {
        let (near, _far) = duplex(4);
        let clock = Clock::new();
        let mut near = Watched::new(near, clock.clone());
        let stalled = clock.within(Phase::Send, Instant::now() + STEP, near.write_all(b"more than four")).await;
        assert_eq!(stalled.unwrap_err(), Some(Phase::Send));
        assert!(clock.phases().send.unwrap().as_duration() >= STEP);
    }

    #[tokio::test]
    async fn a_phase_has_the_same_limit_however_long_those_before_it_took() {
        let clock = Clock { limit: STEP * 10, ..Clock::new() };
        let inner = clock.clone();
        let work = async move {
            sleep(STEP * 6).await;
            inner.enter(Phase::Tls);
            sleep(STEP * 6).await;
            inner.enter(Phase::Wait);
            std::future::pending::<()>().await;
        };
        assert_eq!(
            clock.within(Phase::Connect, Instant::now() + STEP * 1000, work).await.unwrap_err(),
            Some(Phase::Wait)
        );
        let phases = clock.phases();
        assert!(phases.wait.unwrap().as_duration() >= STEP * 9, "{phases:?}");
        assert!((STEP * 21..STEP * 500).contains(&phases.sum()), "{phases:?}");
    }
}
