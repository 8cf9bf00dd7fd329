//! Probes begin one after the other: two at the same moment would time each other's work along with the network.

use crate::{
    model::{Gap, Observed},
    observe::seen::Stopwatch,
};
use std::{pin::pin, time::Duration};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};

/// How many probes may be under way: a name may have any number of addresses.
const PROBES: usize = 32;

/// How long a probe has the process to itself. A connection, a handshake and an answer within a Region take less.
const TURN: Duration = Duration::from_millis(20);

/// Lets probes begin one after the other.
///
/// A probe that takes longer than [`TURN`] waits for the network and disturbs no other: the next begins meanwhile. The time
/// that a probe waits for its turn is not part of it.
#[derive(Debug)]
pub(crate) struct Turns {
    turn: Semaphore,
    in_flight: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self { turn: Semaphore::new(1), in_flight: Semaphore::new(PROBES) }
    }
}

impl Turns {
    /// Makes a probe when it is its turn.
    pub(crate) async fn timed<T>(&self, deadline: Instant, probe: impl Future<Output = T>) -> Observed<T> {
        let waiting = Stopwatch::start();
        let probe = async {
            let _in_flight = self.in_flight.acquire().await;
            let turn = self.turn.acquire().await;
            let watch = Stopwatch::start();
            let mut probe = pin!(probe);
            if let Ok(done) = timeout(TURN, &mut probe).await {
                return watch.seen(done);
            }
            drop(turn);
            watch.seen(probe.await)
        };
        match timeout_at(deadline, probe).await {
            Ok(probe) => probe,
            Err(_) => Observed::Unseen(Gap::TimedOut { after: waiting.took() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use tokio::time::sleep;

    /// When each of these probes began and ended, in milliseconds.
    async fn times(took: &[u64]) -> Vec<(u128, u128)> {
        let (turns, began) = (Turns::default(), Instant::now());
        let deadline = began + Duration::from_secs(10);
        let probes = took.iter().map(|&took| {
            turns.timed(deadline, async move {
                let start = began.elapsed().as_millis();
                sleep(Duration::from_millis(took)).await;
                (start, began.elapsed().as_millis())
            })
        });
        join_all(probes).await.into_iter().filter_map(|probe| probe.seen().copied()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn quick_probes_do_not_overlap() {
        assert_eq!(times(&[5, 4, 3]).await, [(0, 5), (5, 9), (9, 12)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_waits_for_the_network_delays_no_other() {
        assert_eq!(times(&[3000, 3000, 5]).await, [(0, 3000), (20, 3020), (40, 45)]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_under_way_than_may_be() {
        let times = times(&[1000; PROBES + 1]).await;
        assert_eq!(times[PROBES - 1].0, 20 * (PROBES as u128 - 1));
        assert_eq!(times[PROBES].0, 1000, "it begins when the first has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_whose_turn_does_not_come_is_missing() {
        let turns = Turns::default();
        let soon = Instant::now() + Duration::from_millis(10);
        let (first, second) =
            tokio::join!(turns.timed(soon, std::future::pending::<()>()), turns.timed(soon, async {}));
        assert!(first.seen().is_none() && second.seen().is_none());
    }
}
