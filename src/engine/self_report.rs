//! When the daemon writes what it reports of this instance into the table of shared facts: on change, though not more often than
//! once a minute, and every 15 minutes.

use super::clock::Moment;
use crate::model::{Gap, InstanceStatus, Report, STATUS_EVERY, STATUS_GAP, Timestamp};

/// What was reported last, and when.
#[derive(Debug, Default)]
pub(super) struct SelfReport {
    written: Option<InstanceStatus>,
    /// The last status that says who this is.
    identity: Option<InstanceStatus>,
    tried: Option<Moment>,
    is_under_way: bool,
    failing: Option<&'static str>,
}

impl SelfReport {
    /// What is to be written now, if anything. `since` is when the outcome changed last.
    pub(super) fn due(
        &mut self,
        report: &Report,
        since: Timestamp,
        now: (Moment, Timestamp),
    ) -> Option<InstanceStatus> {
        let (moment, wall) = now;
        let status = InstanceStatus::of(report, since, wall).or_else(|| self.without_identity(report, since, wall))?;
        let age = self.tried.map(|tried| moment.since(tried));
        let is_same = self.written.as_ref().is_some_and(|written| written.says_the_same(&status));
        let least = if is_same { STATUS_EVERY } else { STATUS_GAP };
        if self.is_under_way || age.is_some_and(|age| age < least) {
            return None;
        }
        (self.tried, self.is_under_way) = (Some(moment), true);
        self.identity = Some(status.clone());
        Some(status)
    }

    /// The same where instance metadata are gone meanwhile: that is worth a report, and who it is has not changed.
    fn without_identity(&self, report: &Report, since: Timestamp, reported_at: Timestamp) -> Option<InstanceStatus> {
        let (outcome, summary) = (report.outcome, report.summary.clone());
        self.identity.clone().map(|last| InstanceStatus { outcome, summary, since, reported_at, ..last })
    }

    /// It was written, or not. Logs when that begins and ends to fail.
    pub(super) fn ended(&mut self, status: InstanceStatus, result: Result<(), Gap>) {
        self.is_under_way = false;
        let failing = result.as_ref().err().map(Gap::reason);
        match (&result, self.failing) {
            (Err(gap), before) if before != failing => tracing::warn!(%gap, "status not reported to the table"),
            (Ok(()), Some(_)) => tracing::info!("status reported to the table again"),
            (Err(_) | Ok(()), _) => {}
        }
        self.failing = failing;
        self.written = result.is_ok().then_some(status);
    }
}
