//! When what is known is judged, and what is said of a change.

use super::{
    clock::{Moment, Reading},
    metrics::Counters,
    schedule::Periods,
};
use crate::{
    judge::expires,
    model::{History, Outcome, OutcomeChange, Report, Source},
    present::{OutcomeChanged, outcome_changed},
};
use std::{sync::Arc, time::Duration};

/// How long a report waits for the collections under way, so that facts that change together are judged together.
const SETTLE: Duration = Duration::from_secs(1);

/// The reports so far, and when the next one is due.
pub(super) struct Reports {
    /// How long the first report waits for the collections under way.
    timeout: Duration,
    /// A report is made this often at least: facts grow old by themselves.
    every: Duration,
    /// When the earliest batch began whose answers are not judged yet, and when the first of these came.
    unjudged: Option<(Reading, Moment)>,
    judged: Option<Moment>,
    pub(super) last: Option<Arc<Report>>,
    /// When the last one is to be judged again, by whatever component.
    pub(super) expires: Option<Moment>,
    pub(super) history: History,
}

impl Reports {
    pub(super) fn new(timeout: Duration, periods: &Periods) -> Self {
        let every = periods.of(Source::Dns);
        Self { timeout, every, unjudged: None, judged: None, last: None, expires: None, history: History::default() }
    }

    /// An answer was taken in, of a batch that began then.
    pub(super) fn changed(&mut self, began: Reading, now: Reading) {
        let (earliest, since) = self.unjudged.unwrap_or((began, now.moment));
        self.unjudged = Some((if began.moment < earliest.moment { began } else { earliest }, since));
    }

    /// When the next report is made whatever is under way, if there is anything to judge.
    pub(super) fn settled_at(&self) -> Option<Moment> {
        let patience = if self.last.is_some() { SETTLE } else { self.timeout };
        self.unjudged.map(|(_, since)| since + patience)
    }

    /// Whether a report is to be made now: when the round began that it is for.
    pub(super) fn due(&mut self, now: Reading, is_busy: bool) -> Option<Moment> {
        let is_old = self.judged.is_some_and(|judged| now.moment.since(judged) > self.every);
        if is_old && self.unjudged.is_none() {
            self.unjudged = Some((now, now.moment));
        }
        let settled_at = self.settled_at()?;
        if is_busy && now.moment < settled_at {
            return None;
        }
        self.judged = Some(now.moment);
        self.unjudged.take().map(|(began, _)| began.moment)
    }

    /// Keeps a report, and reports the outcome if it changed.
    pub(super) fn publish(&mut self, mut report: Report, now: Reading, counters: &Counters) {
        counters.reported();
        self.expires = expires(&mut report).map(|at| now.moment + at.since(now.wall));
        let from = self.last.as_ref().map(|report| report.outcome);
        if from != Some(report.outcome) {
            if from.is_some() {
                counters.outcome_changed();
            }
            log_change(from, &report);
            let summary = report.summary.clone();
            self.history.changed(OutcomeChange { at: now.wall, from, to: report.outcome, summary });
        }
        self.last = Some(Arc::new(report));
    }

    /// The answer in one line.
    pub(super) fn line(&self) -> String {
        match &self.last {
            Some(report) => format!("{}: {}", report.outcome, report.summary),
            None => "collecting for the first time".to_owned(),
        }
    }
}

/// The one event of a change: from, to, why, and which name, address and route decide.
fn log_change(from: Option<Outcome>, report: &Report) {
    let OutcomeChanged { from, to, why, proof, hostname, address, subnet, route_table, path, target } =
        outcome_changed(from, report);
    let address = address.map(tracing::field::display);
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(
                from, %to, why, proof, hostname, address, subnet, route_table, path, target, "outcome changed"
            )
        };
    }
    match to {
        Outcome::OffNet | Outcome::Dropped => event!(error),
        Outcome::AtRisk | Outcome::Undetermined => event!(warn),
        Outcome::OnNet => event!(info),
    }
}
