//! A fact, or the reason there is none. Never `""`, `0` or an empty list for "not known".

use super::{InterfaceId, Seconds, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};
use strum::{IntoStaticStr, VariantNames};

/// A requested fact: observed, or missing with a reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", bound(deserialize = "T: Deserialize<'de>"))]
pub enum Observed<T> {
    /// The fact was observed.
    Seen {
        /// The value: `null` where it is an optional one, and never left out.
        #[serde(deserialize_with = "T::deserialize")]
        value: T,
        /// The time of the observation.
        at: Timestamp,
        /// The duration of the collection.
        took: Seconds,
    },
    /// The fact is missing.
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

    /// The fact, if it was observed, to be changed.
    pub fn seen_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Seen { value, .. } => Some(value),
            Self::Unseen(_) => None,
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

/// Why a fact is missing. The reasons are a closed set, for metric labels; the fields are for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, IntoStaticStr, VariantNames)]
#[serde(rename_all = "snake_case", tag = "reason")]
#[strum(serialize_all = "snake_case")]
pub enum Gap {
    /// Access was denied. `action` is the missing IAM action, or the request that was denied.
    Denied {
        /// `ec2:DescribeRouteTables`, or the path that the instance metadata service denied.
        action: String,
    },
    /// No answer within the deadline.
    TimedOut {
        /// The time waited.
        after: Seconds,
    },
    /// There was no connection, or it broke.
    Unreachable {
        /// The request and its error.
        detail: String,
    },
    /// The service throttled the request.
    Throttled {
        /// The service's error code.
        detail: String,
    },
    /// The answer cannot be parsed.
    Malformed {
        /// The expected and the received content.
        detail: String,
    },
    /// A list or an answer is not complete: it states so, it is truncated, or another fact names what is missing.
    Truncated {
        /// What is not complete, and why that is known.
        detail: String,
    },
    /// A limit of onnet was exceeded.
    OverLimit {
        /// What the limit counts: `pages of ec2:DescribeRouteTables`.
        limit: String,
        /// The accepted number.
        allowed: u64,
        /// The number found, at least.
        found: u64,
    },
    /// The service answered with another error.
    Failed {
        /// The service's error code and message.
        detail: String,
    },
    /// The answer redirects to another host. It is not followed, because another host cannot answer for the service.
    Redirected {
        /// The request.
        request: String,
        /// The HTTP status.
        status: u16,
    },
    /// There are no credentials, or the service does not accept them.
    Credentials {
        /// The error, without secrets.
        detail: String,
    },
    /// A setting of the AWS SDKs, or a related one, cannot be used.
    Settings {
        /// The setting, where it is set, and the expected value. Without secrets.
        detail: String,
    },
    /// The source is disabled, on the instance or by a setting.
    Disabled {
        /// What disabled it.
        detail: String,
    },
    /// The fact was requested and does not exist.
    NotFound {
        /// The request.
        detail: String,
    },
    /// The fact exists, but the API does not show it to this account.
    NotVisible {
        /// What is not shown, and which account can see it.
        detail: String,
    },
    /// The configuration is in transition, and its old and new states would lead to different verdicts.
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
        /// The first fact.
        one: String,
        /// The second fact.
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
    /// Packets go to another host first, which decides where to send them.
    OtherHost {
        /// The host.
        host: IpAddr,
        /// The expected host: `the router of subnet-0a`.
        expected: String,
    },
    /// Facts that others share are not accepted: they are unsigned, altered, of another VPC, or older than those before.
    Untrusted {
        /// Why not.
        detail: String,
    },
    /// The fact was not requested.
    NotTried {
        /// Why not.
        because: String,
    },
    /// The fact was observed too long ago to support a verdict.
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
                write!(f, "undocumented value: {field} is {value:?}, and what that means is not known here")
            }
            Self::Conflicting { one, other } => write!(f, "conflicting facts: {one}, but {other}"),
            Self::SpoofedSource { source, interface } => {
                write!(f, "spoofed source address: {source} is not an address of {interface}")
            }
            Self::OtherHost { host, expected } => write!(f, "another host: {host} is not {expected}"),
            Self::Untrusted { detail } => write!(f, "not trusted: {detail}"),
            Self::NotTried { because } => write!(f, "not tried: {because}"),
            Self::Stale { age } => write!(f, "too old: observed {age} ago"),
        }
    }
}

/// A missing fact of a verdict, and why it is missing.
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

    /// Without its value, an optional one would count as none.
    #[test]
    fn what_was_observed_has_its_value() {
        let read = |value: &str| {
            let json = format!(r#"{{"seen": {{{value}"at": "2026-11-29T00:00:00Z", "took": 0.1}}}}"#);
            serde_json::from_str::<Observed<Option<u8>>>(&json).map(|read| read.seen().copied().unwrap())
        };
        assert_eq!(read(r#""value": 7, "#).unwrap(), Some(7));
        assert_eq!(read(r#""value": null, "#).unwrap(), None);
        assert!(read("").unwrap_err().to_string().contains("missing field `value`"));
    }

    #[test]
    fn a_reason_this_build_does_not_know_is_refused() {
        assert!(serde_json::from_str::<Gap>(r#"{"reason": "on_holiday", "detail": "x"}"#).is_err());
        assert!(serde_json::from_str::<Gap>(r#"{"detail": "x"}"#).is_err());
    }
}
