//! What the daemon's loop hands to the HTTP server.

use super::clock::{Moment, now};
use crate::{
    judge::judge,
    model::{Report, Seconds, Snapshot, Status, Timestamp},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// How long a report that was judged again is used, while the loop is late.
const REUSED_FOR: Duration = Duration::from_secs(1);

/// Where the loop puts what it knows.
#[derive(Debug)]
pub struct Publisher(watch::Sender<Latest>);

/// What the loop put there last. Cheap to clone, and never waits for the loop.
#[derive(Clone, Debug)]
pub struct Published {
    latest: watch::Receiver<Latest>,
    again: Arc<Mutex<Option<Again>>>,
}

#[derive(Clone, Debug)]
struct Latest {
    status: Arc<Status>,
    /// When the first fact of its report is too old.
    expires: Option<Moment>,
}

/// A status whose report was judged again.
#[derive(Debug)]
struct Again {
    of: Arc<Status>,
    at: Instant,
    status: Arc<Status>,
}

/// Both ends. `status` is what is there before the first report.
pub fn publishing(status: Status) -> (Publisher, Published) {
    let (sender, latest) = watch::channel(Latest { status: Arc::new(status), expires: None });
    (Publisher(sender), Published { latest, again: Arc::default() })
}

impl Publisher {
    /// Replaces what is known.
    pub fn publish(&self, status: Status) {
        self.publish_until(status, None);
    }

    /// Replaces what is known, whose report is to be judged again after `expires`.
    pub fn publish_until(&self, status: Status, expires: Option<Moment>) {
        self.0.send_replace(Latest { status: Arc::new(status), expires });
    }
}

impl Published {
    /// What was published last. The loop judges again long before a fact is too old; where it is late, because the process
    /// was stopped or the machine suspended, the report is judged again here, by the age its facts have now.
    pub fn status(&self) -> Arc<Status> {
        let Latest { status, expires } = self.latest.borrow().clone();
        let now = now();
        match &status.report {
            Some(report) if expires.is_some_and(|expires| now.moment > expires) => {
                self.judged_again(&status, report, now.wall)
            }
            Some(_) | None => status,
        }
    }

    fn judged_again(&self, status: &Arc<Status>, report: &Report, now: Timestamp) -> Arc<Status> {
        let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) =
            again.as_ref().filter(|last| Arc::ptr_eq(&last.of, status) && last.at.elapsed() < REUSED_FOR)
        {
            return Arc::clone(&last.status);
        }
        let snapshot = Snapshot { taken_at: now, took: Seconds::default(), ..report.snapshot.clone() };
        let judged = Arc::new(Status { report: Some(Arc::new(judge(snapshot))), ..Status::clone(status) });
        *again = Some(Again { of: Arc::clone(status), at: Instant::now(), status: Arc::clone(&judged) });
        judged
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::model::{BySource, History, Outcome, SettingsStatus};

    const SAVED: &str = include_str!("../../tests/golden/report.json");

    fn status() -> Status {
        let report: Report = serde_json::from_str(SAVED).unwrap();
        let at = report.taken_at;
        Status {
            started_at: at,
            report: Some(Arc::new(report)),
            ready: true,
            sources: BySource::default(),
            history: History::default(),
            settings: SettingsStatus { successful: true, read_at: at },
        }
    }

    #[tokio::test]
    async fn what_has_expired_is_judged_again_and_only_then() {
        let (publisher, published) = publishing(status());
        let outcome = || published.status().report.as_ref().unwrap().outcome;
        let later = now().moment + Duration::from_secs(3600);
        for (expires, expected) in [
            (None, Outcome::OnNet),
            (Some(later), Outcome::OnNet),
            (Some(Moment::after_boot(Duration::ZERO)), Outcome::Undetermined),
        ] {
            publisher.publish_until(status(), expires);
            assert_eq!(outcome(), expected, "{expires:?}");
        }
        // Once a second at most.
        assert!(Arc::ptr_eq(&published.status(), &published.status()));
    }
}
