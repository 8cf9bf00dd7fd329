//! The daemon's two clocks: one that counts on while the machine sleeps and is never set, and the wall's.

use crate::model::Timestamp;
use std::{ops::Add, time::Duration};

/// How far the wall clock may drift from the other before that counts as a step.
const STEP: Duration = Duration::from_secs(1);

/// A moment since the machine started, the time it was suspended included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// So long after the machine started.
    pub fn after_boot(uptime: Duration) -> Self {
        Self(uptime)
    }

    /// How long the machine has been up.
    pub fn uptime(self) -> Duration {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }
}

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The clock that is never set.
    pub moment: Moment,
    /// The wall's.
    pub wall: Timestamp,
}

impl Reading {
    /// What the wall clock shows at `moment`, by this reading.
    pub fn wall_at(&self, moment: Moment) -> Timestamp {
        match moment.0.checked_sub(self.moment.0) {
            Some(later) => self.wall.plus(later),
            None => self.wall.minus(self.moment.0.saturating_sub(moment.0)),
        }
    }

    /// How the wall clock was set between `earlier` and this reading, if it was.
    pub fn step_since(&self, earlier: &Self) -> Option<Step> {
        // It stands still there, and nothing that is dated by it counts.
        if self.wall.is_before_1970() {
            return None;
        }
        let expected = earlier.wall_at(self.moment);
        let (ahead, back) = (self.wall.since(expected), expected.since(self.wall));
        if ahead > STEP {
            Some(Step::Ahead(ahead))
        } else if back > STEP {
            Some(Step::Back(back))
        } else {
            None
        }
    }
}

/// How the wall clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To a later time.
    Ahead(Duration),
    /// To an earlier time.
    Back(Duration),
}

impl Step {
    /// What the clock would have shown, had it been set before.
    pub fn applied_to(self, at: Timestamp) -> Timestamp {
        match self {
            Self::Ahead(by) => at.plus(by),
            Self::Back(by) => at.minus(by),
        }
    }
}

/// Reads both.
#[expect(clippy::disallowed_methods, reason = "the daemon's loop is where the clock is read")]
pub fn now() -> Reading {
    Reading { moment: Moment(since_boot()), wall: std::time::SystemTime::now().into() }
}

#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Without Linux's clock the process's own: a suspended machine does not age its facts.
#[cfg(not(target_os = "linux"))]
fn since_boot() -> Duration {
    use std::sync::LazyLock;
    use tokio::time::Instant;
    static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
    STARTED.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(uptime: u64, wall: u64) -> Reading {
        let wall = Timestamp::from(std::time::UNIX_EPOCH + Duration::from_secs(wall));
        Reading { moment: Moment(Duration::from_secs(uptime)), wall }
    }

    #[test]
    fn a_clock_that_was_set_is_noticed_and_one_that_drifts_is_not() {
        let hour = Duration::from_secs(3600);
        let cases = [
            (at(100, 10_000), at(160, 10_060), None),
            (at(100, 10_000), at(160, 10_061), None),
            (at(100, 10_000), at(160, 13_660), Some(Step::Ahead(hour))),
            (at(100, 10_000), at(160, 6_460), Some(Step::Back(hour))),
            // Suspended for a day: both clocks went on.
            (at(100, 10_000), at(86_500, 96_400), None),
            // Before 1970, and back again.
            (at(100, 10_000), at(160, 0), None),
            (at(100, 10_000), at(220, 10_120), None),
        ];
        for (earlier, later, expected) in cases {
            assert_eq!(later.step_since(&earlier), expected, "{earlier:?} to {later:?}");
        }
    }

    #[test]
    fn a_fact_keeps_its_age_through_a_step() {
        let (before, after) = (at(100, 10_000), at(160, 6_460));
        let seen = before.wall;
        let moved = after.step_since(&before).map(|step| step.applied_to(seen));
        assert_eq!(moved.map(|at| after.wall.since(at)), Some(Duration::from_secs(60)));
    }

    #[test]
    fn the_clocks_go() {
        let first = now();
        assert!(now().moment >= first.moment);
        assert!(first.moment.uptime() > Duration::ZERO);
    }
}
