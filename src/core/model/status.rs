//! The state of the daemon besides its last report: its sources, and the history.

use super::{BySource, Gap, Outcome, ProbeKind, ProbeResult, Report, Seconds, Timestamp};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// What the daemon knows at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// When the daemon started.
    pub started_at: Timestamp,
    /// The last report; `None` in the first moments.
    pub report: Option<Arc<Report>>,
    /// Whether every source that the answer rests on was collected since the start.
    pub ready: bool,
    /// The state of each source that is collected.
    pub sources: BySource<Option<SourceStatus>>,
    /// The history.
    pub history: History,
    /// When the settings files were last read without an error, and whether the last attempt was such a one.
    pub settings: SettingsStatus,
}

/// The state of one source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceStatus {
    /// How often it is collected.
    pub every: Seconds,
    /// Whether the last collection was complete; `None` before the first one ended.
    pub up: Option<bool>,
    /// Start time of the last complete collection of the source.
    pub last_seen: Option<Timestamp>,
    /// What the last collection lacked; empty if nothing.
    pub gaps: Vec<Gap>,
    /// It asked us to come back later, and until when we wait, longer than the period.
    pub backing_off_until: Option<Timestamp>,
}

/// How the reading of the settings files went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingsStatus {
    /// Whether the last attempt succeeded. Where not, the last good ones are in force.
    pub successful: bool,
    /// When the ones in force were read.
    pub read_at: Timestamp,
}

impl SettingsStatus {
    /// How the reading of all files went, of these and of others.
    pub fn and(self, other: Self) -> Self {
        Self { successful: self.successful && other.successful, read_at: self.read_at.min(other.read_at) }
    }
}

/// The history of outcomes and probes, as far as it is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The changes of the outcome, the last one last.
    pub changes: VecDeque<OutcomeChange>,
    /// The probes of the last hour, the last one last.
    pub probes: VecDeque<ProbeSample>,
}

/// A change of the outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeChange {
    /// When it was noticed.
    pub at: Timestamp,
    /// The outcome before; `None` at the start.
    pub from: Option<Outcome>,
    /// The outcome since.
    pub to: Outcome,
    /// The answer in one sentence.
    pub summary: String,
}

/// One probe, in few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeSample {
    /// When it began.
    pub at: Timestamp,
    /// The kind of request.
    pub kind: ProbeKind,
    /// The result.
    pub result: ProbeResult,
    /// The duration.
    pub total: Seconds,
}

impl History {
    /// For how long probes are kept.
    pub const PROBES_KEPT: Duration = Duration::from_secs(3600);

    /// How many probes are kept at most, whatever their age.
    const MOST_PROBES: usize = 2_000;

    /// How many changes are kept at most.
    const MOST_CHANGES: usize = 50;

    /// Adds a change, and forgets the oldest where there are too many.
    pub fn changed(&mut self, change: OutcomeChange) {
        if self.changes.len() == Self::MOST_CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }

    /// Adds a probe, and forgets those that are too old or too many.
    pub fn probed(&mut self, sample: ProbeSample) {
        while self.probes.len() >= Self::MOST_PROBES
            || self.probes.front().is_some_and(|oldest| sample.at.since(oldest.at) > Self::PROBES_KEPT)
        {
            self.probes.pop_front();
        }
        self.probes.push_back(sample);
    }
}

/// The operations of the EC2 API that a round may ask for.
pub const EC2_OPERATIONS: [&str; 6] = [
    "DescribeRouteTables",
    "DescribeVpcEndpoints",
    "DescribePrefixLists",
    "DescribeManagedPrefixLists",
    "GetManagedPrefixListEntries",
    "DescribeNetworkInterfaces",
];

/// The result of one request to the EC2 API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ec2Request {
    /// The operation: `DescribeRouteTables`.
    pub operation: &'static str,
    /// The result.
    pub result: Ec2Result,
}

/// How a request to the EC2 API ended. A closed set, fit for a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ec2Result {
    /// Answered.
    Ok,
    /// Not allowed, or not with these credentials.
    Denied,
    /// Asked to come back later.
    Throttled,
    /// No answer in time.
    TimedOut,
    /// There was no connection, or it broke.
    Unreachable,
    /// Anything else.
    Failed,
}

impl Ec2Result {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Ok, Self::Denied, Self::Throttled, Self::TimedOut, Self::Unreachable, Self::Failed];

    /// The result as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Denied => "denied",
            Self::Throttled => "throttled",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::Failed => "failed",
        }
    }
}

impl From<&Gap> for Ec2Result {
    fn from(gap: &Gap) -> Self {
        match gap {
            Gap::Denied { .. } | Gap::Credentials { .. } => Self::Denied,
            Gap::Throttled { .. } => Self::Throttled,
            Gap::TimedOut { .. } => Self::TimedOut,
            Gap::Unreachable { .. } => Self::Unreachable,
            Gap::Malformed { .. }
            | Gap::Truncated { .. }
            | Gap::OverLimit { .. }
            | Gap::Failed { .. }
            | Gap::Redirected { .. }
            | Gap::Settings { .. }
            | Gap::Disabled { .. }
            | Gap::NotFound { .. }
            | Gap::NotVisible { .. }
            | Gap::Changing { .. }
            | Gap::UndocumentedValue { .. }
            | Gap::Conflicting { .. }
            | Gap::SpoofedSource { .. }
            | Gap::OtherHost { .. }
            | Gap::Untrusted { .. }
            | Gap::NotTried { .. }
            | Gap::Stale { .. } => Self::Failed,
        }
    }
}
