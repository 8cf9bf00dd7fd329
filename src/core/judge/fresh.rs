//! Facts that are too old support no verdict: they become gaps before anything is judged.

use crate::model::{
    Fact, FactPath, FactVisitor, Gap, MaxAge, Observed, ProbeAttempt, Report, Seconds, Snapshot, Timestamp,
};
use std::time::Duration;

/// How far ahead of the round's end a fact may be dated: clocks are slewed while a round runs.
const AHEAD: Duration = Duration::from_secs(5);

/// A report as it holds at `now`.
///
/// A daemon judges again long before a fact is too old. So a report that is older than any fact may be comes from one that
/// hangs, and a report from the future from another clock: its facts are judged again by their age `now`.
pub fn as_of(report: Report, now: Timestamp) -> Report {
    let ended = report.taken_at.plus(report.snapshot.took.as_duration());
    let is_old = now.since(ended) > max_age_of(&report.snapshot).shortest().as_duration();
    if is_old || ended.since(now) > AHEAD {
        super::judge(Snapshot { taken_at: now, took: Seconds::default(), ..report.snapshot })
    } else {
        report
    }
}

/// How old facts may be: shared ones no older than three periods of those who observed them.
fn max_age_of(snapshot: &Snapshot) -> MaxAge {
    snapshot.vpc.max_age(snapshot.max_age)
}

/// When the first of the facts that `report` rests on is too old; `None` if it rests on none.
pub fn expires(report: &mut Report) -> Option<Timestamp> {
    let snapshot = &mut report.snapshot;
    let now = snapshot.taken_at.plus(snapshot.took.as_duration());
    let mut expiry = Expiry { now, max_age: max_age_of(snapshot), first: None };
    snapshot.visit_facts(&mut expiry);
    expiry.first
}

/// Finds the earliest moment after `now` at which a fact is too old.
struct Expiry {
    now: Timestamp,
    max_age: MaxAge,
    first: Option<Timestamp>,
}

impl FactVisitor for Expiry {
    fn fact<T: Fact>(&mut self, at: FactPath, fact: &mut Observed<T>) {
        let Observed::Seen { at: dated, .. } = fact else { return };
        let expires = dated.plus(self.max_age.of_fact(&at).as_duration());
        if expires >= self.now {
            self.first = Some(self.first.map_or(expires, |first| first.min(expires)));
        }
    }
}

/// The snapshot with every fact that was too old at its end replaced by [`Gap::Stale`].
pub(super) fn without_stale(mut snapshot: Snapshot) -> Snapshot {
    let now = snapshot.taken_at.plus(snapshot.took.as_duration());
    let max_age = max_age_of(&snapshot);
    for attempt in &mut snapshot.probes {
        keep_failure(attempt, now, max_age);
    }
    let before_1970 = snapshot.taken_at.is_before_1970();
    snapshot.visit_facts(&mut Expire { now, max_age, before_1970 });
    snapshot
}

/// A failed probe that is too old does not become less of a failure: it says so until another one is made.
fn keep_failure(attempt: &mut ProbeAttempt, now: Timestamp, max_age: MaxAge) {
    if let Observed::Seen { value: probe, at, .. } = &attempt.probe {
        let age = Seconds::from(now.since(*at));
        if age > max_age.of(attempt.kind().source()) && !probe.result.reached_service() {
            let detail = format!("the last one was made {age} ago and failed: {}", probe.result);
            attempt.probe = Observed::Unseen(Gap::Failed { detail });
        }
    }
}

/// Replaces facts that are too old, or dated later than the snapshot, by the reason.
struct Expire {
    now: Timestamp,
    max_age: MaxAge,
    /// The clock showed no time that facts can be dated by.
    before_1970: bool,
}

impl FactVisitor for Expire {
    fn fact<T: Fact>(&mut self, at: FactPath, fact: &mut Observed<T>) {
        let Observed::Seen { at: dated, .. } = fact else { return };
        let age = self.now.since(*dated);
        if self.before_1970 {
            // Every moment before it is the same one: no fact would ever be old.
            *fact =
                Observed::Unseen(Gap::Failed { detail: "the clock of this host shows a time before 1970".to_owned() });
        } else if age > self.max_age.of_fact(&at).as_duration() {
            *fact = Observed::Unseen(Gap::Stale { age: age.into() });
        } else if dated.since(self.now) > AHEAD {
            // The clock was set back since, and the fact would count as fresh until the clock is there again.
            let other = format!("that is after the round, which ended at {}", self.now);
            *fact = Observed::Unseen(Gap::Conflicting { one: format!("it is dated {dated}"), other });
        }
    }
}
