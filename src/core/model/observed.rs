//! A fact, or the reason there is none. Never `""`, `0` or an empty list for "not known".

use super::{InterfaceId, Seconds, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};
use strum::{IntoStaticStr, VariantNames};

/// A fact we asked for: observed, or missing for a stated reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Observed<T> {
    /// It was there.
    Seen {
        /// What was observed.
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

    /// The same with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Observed<U> {
        match self {
            Self::Seen { value, at, took } => Observed::Seen { value: change(value), at, took },
            Self::Unseen(gap) => Observed::Unseen(gap),
        }
    }

    /// The fact, if it was observed.
    pub fn seen(&self) -> Option<&T> {
        self.get().ok()
    }

    /// The reason, if it was not observed.
    pub fn gap(&self) -> Option<&Gap> {
        self.get().err()
    }
}

/// Why a fact is missing. A closed set of reasons, fit to label a metric; the fields are for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, IntoStaticStr, VariantNames)]
#[serde(rename_all = "snake_case", tag = "reason")]
#[strum(serialize_all = "snake_case")]
pub enum Gap {
    /// Access was refused. `action` is the IAM action that would help, or what was refused.
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
    /// A list or an answer that is not complete: it says so itself, it breaks off, or another fact names what it lacks.
    Truncated {
        /// What is not complete, and how that shows.
        detail: String,
    },
    /// One of onnet's own limits was exceeded.
    OverLimit {
        /// What is limited: `pages of ec2:DescribeRouteTables`.
        limit: String,
        /// How many are accepted.
        allowed: u64,
        /// How many there are, at least.
        found: u64,
    },
    /// The service answered with an error that is none of the others.
    Failed {
        /// The service's own code and message.
        detail: String,
    },
    /// The answer sends us to another host. It is not followed: what that host says is not what was asked for.
    Redirected {
        /// What was asked for.
        request: String,
        /// The HTTP status.
        status: u16,
    },
    /// There are no credentials, or the service does not accept them.
    Credentials {
        /// Which, without anything secret.
        detail: String,
    },
    /// A setting of the AWS SDKs, or of what stands beside them, cannot be used.
    Settings {
        /// Which setting, where it is set and what it should hold. Nothing secret.
        detail: String,
    },
    /// Switched off, on the instance or by a setting.
    Disabled {
        /// Which switch.
        detail: String,
    },
    /// Asked for, and absent.
    NotFound {
        /// What was asked for.
        detail: String,
    },
    /// It exists, but the API does not show it to this account.
    NotVisible {
        /// What is not shown, and to whom it would be.
        detail: String,
    },
    /// In transition: its state before and after would lead to different answers.
    Changing {
        /// What is changing: `the association with rtb-2`.
        what: String,
    },
    /// A field has a value whose meaning is not documented, or that this version of onnet does not know.
    UndocumentedValue {
        /// The API's field: `State`.
        field: String,
        /// Its value: `filtered`.
        value: String,
    },
    /// Two facts contradict each other.
    Conflicting {
        /// One of them.
        one: String,
        /// The other.
        other: String,
    },
    /// Packets would carry a source address that is not the network interface's own. AWS drops them, unless the
    /// source/destination check is off.
    SpoofedSource {
        /// The address.
        source: IpAddr,
        /// The network interface.
        interface: InterfaceId,
    },
    /// Packets go to another host first, and only that one knows where it sends them.
    OtherHost {
        /// That host.
        host: IpAddr,
        /// Which host it should be: `the router of subnet-0a`.
        expected: String,
    },
    /// Not asked for.
    NotTried {
        /// Why not.
        because: String,
    },
    /// Observed too long ago to support a verdict.
    Stale {
        /// Its age.
        age: Seconds,
    },
}

/// Between the reason of a gap and the command that closes it.
const RUN: &str = "; run: ";

impl Gap {
    /// For what has not been collected yet.
    pub fn not_yet() -> Self {
        Self::NotTried { because: "not collected yet".to_owned() }
    }

    /// Every reason, as [`Gap::reason`] gives it.
    pub const REASONS: &'static [&'static str] = Self::VARIANTS;

    /// The reasons that follow from several facts: the judge gives them, no collection ends with one.
    pub const CONCLUDED: [&'static str; 6] =
        ["not_visible", "changing", "undocumented_value", "spoofed_source", "other_host", "stale"];

    /// The reason as a label: one of a closed set.
    pub fn reason(&self) -> &'static str {
        self.into()
    }

    /// A reason of which the last part is the command that closes the gap.
    pub(crate) fn with_command(why: &str, command: &str) -> String {
        format!("{why}{RUN}{command}")
    }

    /// The command that would close the gap, where one would.
    pub fn command(&self) -> Option<&str> {
        let (Self::NotTried { because: text } | Self::Truncated { detail: text } | Self::NotFound { detail: text }) =
            self
        else {
            return None;
        };
        Some(text.rsplit_once(RUN)?.1)
    }

    /// The reason without the command: that stands on a line of its own.
    pub fn without_command(&self) -> String {
        let text = self.to_string();
        match self.command().and_then(|command| text.strip_suffix(command)?.strip_suffix(RUN)) {
            Some(why) => why.to_owned(),
            None => text,
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
            Self::Truncated { detail } => write!(f, "not complete: {detail}"),
            Self::OverLimit { limit, allowed, found } => {
                write!(f, "over a limit of onnet's: {found} {limit}, at most {allowed} are accepted")
            }
            Self::Failed { detail } => write!(f, "failed: {detail}"),
            Self::Redirected { request, status } => {
                write!(f, "redirected: {request} is answered with HTTP {status}, which is not followed")
            }
            Self::Credentials { detail } => write!(f, "credentials: {detail}"),
            Self::Settings { detail } => write!(f, "the AWS settings cannot be used: {detail}"),
            Self::Disabled { detail } => write!(f, "disabled: {detail}"),
            Self::NotFound { detail } => write!(f, "not found: {detail}"),
            Self::NotVisible { detail } => write!(f, "not visible to this account: {detail}"),
            Self::Changing { what } => write!(f, "{what} is changing"),
            Self::UndocumentedValue { field, value } => {
                write!(f, "undocumented value: {field} is {value:?}, which this version of onnet does not know")
            }
            Self::Conflicting { one, other } => write!(f, "conflicting facts: {one}, but {other}"),
            Self::SpoofedSource { source, interface } => {
                write!(f, "spoofed source address: {source} is not an address of {interface}")
            }
            Self::OtherHost { host, expected } => write!(f, "another host: {host} is not {expected}"),
            Self::NotTried { because } => write!(f, "not tried: {because}"),
            Self::Stale { age } => write!(f, "too old: observed {age} ago"),
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
        write!(f, "{} ({})", self.what, self.why.without_command())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_label_of_a_reason_is_its_name_in_json() {
        let schema = serde_json::to_value(schemars::schema_for!(Gap)).unwrap();
        let tag = |variant: &Value| variant["properties"]["reason"]["const"].as_str().unwrap().to_owned();
        let tags: Vec<String> = schema["oneOf"].as_array().unwrap().iter().map(tag).collect();
        assert_eq!(tags, Gap::REASONS);
        assert!(Gap::CONCLUDED.iter().all(|reason| Gap::REASONS.contains(reason)));
    }

    #[test]
    fn a_command_is_apart_from_the_reason() {
        let because = Gap::with_command("no Subnets in DIR", "aws ec2 describe-subnets > DIR/s.json");
        let gap = Gap::NotTried { because };
        assert_eq!(gap.command(), Some("aws ec2 describe-subnets > DIR/s.json"));
        assert_eq!(gap.without_command(), "not tried: no Subnets in DIR");
        assert_eq!(Missing::new("the subnets", &gap).to_string(), "the subnets (not tried: no Subnets in DIR)");
        let none = Gap::NotFound { detail: "no main table".to_owned() };
        assert_eq!((none.command(), none.without_command().as_str()), (None, "not found: no main table"));
    }

    #[test]
    fn a_reason_this_build_does_not_know_is_refused() {
        assert!(serde_json::from_str::<Gap>(r#"{"reason": "on_holiday", "detail": "x"}"#).is_err());
        assert!(serde_json::from_str::<Gap>(r#"{"detail": "x"}"#).is_err());
    }
}
