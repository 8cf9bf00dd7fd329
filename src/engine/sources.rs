//! The state of each source, and the log events when it changes.

use super::{
    clock::{Reading, Step},
    schedule::{Periods, Schedule},
};
use crate::model::{BySource, Gap, Seconds, Source, SourceStatus};

/// The state of each source that is collected.
pub(super) struct Sources(BySource<Option<SourceStatus>>);

impl Sources {
    pub(super) fn new(schedule: &Schedule, periods: &Periods) -> Self {
        let status = |source| SourceStatus {
            every: Seconds::from(periods.of(source)),
            up: None,
            last_seen: None,
            gaps: Vec::new(),
            backing_off_until: None,
        };
        Self(schedule.sources().map(|source| (source, status(source))).collect())
    }

    pub(super) fn status(&self) -> BySource<Option<SourceStatus>> {
        self.0.clone()
    }

    /// Whether each was collected from since the start.
    pub(super) fn all_collected(&self) -> bool {
        self.0.present().all(|(_, status)| status.up.is_some())
    }

    /// The wall clock was set.
    pub(super) fn restamp(&mut self, step: Step) {
        for status in self.0.present_mut() {
            status.last_seen = status.last_seen.map(|at| step.applied_to(at));
        }
    }

    /// A batch of `source` ended that began then and lacked facts for these reasons.
    pub(super) fn ended(&mut self, source: Source, began: Reading, now: Reading, gaps: Vec<Gap>, schedule: &Schedule) {
        let Some(status) = self.0[source].as_mut() else { return };
        let was = status.up.replace(gaps.is_empty());
        if gaps.is_empty() {
            status.last_seen = Some(began.wall);
        }
        match (was, gaps.first()) {
            (Some(true) | None, Some(gap)) => tracing::warn!(%source, %gap, "source degraded"),
            (Some(false), None) => tracing::info!(%source, "source recovered"),
            (Some(false), Some(gap)) if status.gaps.first().map(Gap::reason) != Some(gap.reason()) => {
                tracing::warn!(%source, %gap, "source degraded for another reason");
            }
            (Some(true) | None, None) | (Some(false), Some(_)) => {}
        }
        let until = schedule.backing_off_until(now.moment, source).map(|until| now.wall_at(until));
        if let (None, Some(until)) = (status.backing_off_until, until) {
            tracing::warn!(%source, %until, "source throttled; backing off");
        }
        status.backing_off_until = until;
        status.gaps = gaps;
    }
}
