//! A fact, or the reason there is none. Never `""`, `0` or an empty list for "not known".

use super::{Seconds, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A fact we looked for: seen, or not seen for a stated reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Observed<T> {
    /// It was there.
    Seen {
        /// What was seen.
        value: T,
        /// When.
        at: Timestamp,
        /// How long the looking took.
        took: Seconds,
    },
    /// It was not to be had.
    Unseen(Gap),
}

impl<T> Observed<T> {
    /// The fact, or why there is none.
    pub fn get(&self) -> Result<&T, &Gap> {
        match self {
            Self::Seen { value, .. } => Ok(value),
            Self::Unseen(gap) => Err(gap),
        }
    }

    /// The fact itself, or why there is none.
    pub fn into_result(self) -> Result<T, Gap> {
        match self {
            Self::Seen { value, .. } => Ok(value),
            Self::Unseen(gap) => Err(gap),
        }
    }

    /// The fact, if it was seen.
    pub fn seen(&self) -> Option<&T> {
        self.get().ok()
    }

    /// The reason, if it was not seen.
    pub fn gap(&self) -> Option<&Gap> {
        self.get().err()
    }
}

/// Why a fact is missing. A closed set, so that the reason can label a metric; the details are for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Gap {
    /// Somebody said no. `action` is the IAM action that would help, or what was refused.
    Denied {
        /// `ec2:DescribeRouteTables`, or the path an instance metadata service refused.
        action: String,
    },
    /// No answer within the deadline.
    TimedOut {
        /// How long we waited.
        after: Seconds,
    },
    /// No connection, or one that broke.
    Unreachable {
        /// What was tried and how it failed.
        detail: String,
    },
    /// The service asked us to come back later.
    Throttled {
        /// The service's own code.
        detail: String,
    },
    /// An answer that cannot be understood.
    Malformed {
        /// What was expected and what came.
        detail: String,
    },
    /// The service answered with an error that is none of the others.
    Failed {
        /// The service's own code and message.
        detail: String,
    },
    /// There are no credentials, or the service does not accept them.
    Credentials {
        /// Which, without anything secret.
        detail: String,
    },
    /// Switched off, on the instance or by a setting.
    Disabled {
        /// Which switch.
        detail: String,
    },
    /// Asked for, and not there.
    NotFound {
        /// What was asked for.
        detail: String,
    },
    /// Not asked for.
    NotTried {
        /// Why not.
        because: String,
    },
    /// Seen, but too long ago to support a verdict.
    Stale {
        /// Its age.
        age: Seconds,
    },
}

impl Gap {
    /// Every reason, as [`Gap::reason`] gives it.
    pub const REASONS: [&'static str; 11] = [
        "denied",
        "timed_out",
        "unreachable",
        "throttled",
        "malformed",
        "failed",
        "credentials",
        "disabled",
        "not_found",
        "not_tried",
        "stale",
    ];

    /// The reason as a label: one of a closed set.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Denied { .. } => "denied",
            Self::TimedOut { .. } => "timed_out",
            Self::Unreachable { .. } => "unreachable",
            Self::Throttled { .. } => "throttled",
            Self::Malformed { .. } => "malformed",
            Self::Failed { .. } => "failed",
            Self::Credentials { .. } => "credentials",
            Self::Disabled { .. } => "disabled",
            Self::NotFound { .. } => "not_found",
            Self::NotTried { .. } => "not_tried",
            Self::Stale { .. } => "stale",
        }
    }

    /// The IAM action that would close the gap, where one would.
    pub fn iam_action(&self) -> Option<&str> {
        let Self::Denied { action } = self else { return None };
        action.contains(':').then_some(action)
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied { action } => write!(f, "denied: {action}"),
            Self::TimedOut { after } => write!(f, "no answer in {after}"),
            Self::Unreachable { detail } => write!(f, "unreachable: {detail}"),
            Self::Throttled { detail } => write!(f, "throttled: {detail}"),
            Self::Malformed { detail } => write!(f, "malformed answer: {detail}"),
            Self::Failed { detail } => write!(f, "failed: {detail}"),
            Self::Credentials { detail } => write!(f, "credentials: {detail}"),
            Self::Disabled { detail } => write!(f, "disabled: {detail}"),
            Self::NotFound { detail } => write!(f, "not found: {detail}"),
            Self::NotTried { because } => write!(f, "not tried: {because}"),
            Self::Stale { age } => write!(f, "too old: seen {age} ago"),
        }
    }
}

/// A fact a verdict lacks: which one, and why it is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Missing {
    /// The fact, in words: `the entries of prefix list pl-02cd2c6b`.
    pub what: String,
    /// Why it is missing.
    pub why: Gap,
}

impl Missing {
    /// Names the fact and keeps the reason.
    pub fn new(what: impl Into<String>, why: &Gap) -> Self {
        Self { what: what.into(), why: why.clone() }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.why)
    }
}
