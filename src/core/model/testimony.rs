//! What DynamoDB itself says of the way that a request came: answers to questions that IAM policies turn into denials.
//!
//! IAM evaluates `aws:SourceVpc`, `aws:SourceVpce` and `aws:VpcSourceIp` for requests through a VPC endpoint only. The role
//! policy that `onnet policy` prints allows `DescribeTable` on tables that are named after these, and need not exist: "does not
//! exist" is a yes, a denial is a no.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>

use super::{Observed, ProbeResult};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use strum::{IntoStaticStr, VariantArray};

/// What the names of all these tables begin with.
pub const WITNESS_TABLE: &str = "onnet-witness";

/// Answers that were given further apart are not of one path: it may have changed in between.
pub const TOGETHER: Duration = Duration::from_secs(60);

/// What DynamoDB is asked about the request itself.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Question {
    /// Did it come through an endpoint of this VPC?
    Vpc,
    /// Did it come through an endpoint, from this address?
    From,
    /// Did it come through this endpoint?
    Endpoint,
    /// Did it come through no endpoint? Where the way is known, this is the control: a role that may do everything says yes
    /// to all.
    Direct,
}

impl Question {
    /// Every question.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The question as a label.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The table that is asked for.
    pub fn table(self, subject: Option<&str>) -> String {
        match subject {
            Some(subject) => format!("{WITNESS_TABLE}.{}.{subject}", self.name()),
            None => format!("{WITNESS_TABLE}.{}", self.name()),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How DynamoDB answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Reply {
    /// The policy let the request through: the table does not exist.
    Yes,
    /// Identity-based policies denied it: none allows it, or one denies it.
    No,
    /// A VPC endpoint policy denied it, so the request came through some endpoint.
    EndpointPolicy,
    /// A policy of another kind denied it, or one that the message does not name.
    OtherPolicy {
        /// The kind of policy, in IAM's words; `None` where the message names none.
        policy: Option<String>,
    },
    /// There is a table of this name.
    TableExists,
    /// It was not answered, or in another way.
    Failed {
        /// As of a probe.
        result: ProbeResult,
    },
}

impl Reply {
    /// Every label that [`Self::name`] returns.
    pub const NAMES: [&'static str; 6] = ["yes", "no", "endpoint_policy", "other_policy", "table_exists", "failed"];

    /// The reply as a label.
    pub fn name(&self) -> &'static str {
        let [yes, no, endpoint_policy, other_policy, table_exists, failed] = Self::NAMES;
        match self {
            Self::Yes => yes,
            Self::No => no,
            Self::EndpointPolicy => endpoint_policy,
            Self::OtherPolicy { .. } => other_policy,
            Self::TableExists => table_exists,
            Self::Failed { .. } => failed,
        }
    }
}

/// The certificate of an authority by which a server was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrustAnchor {
    /// The SHA-256 of its public key, in hexadecimal: of the content of its SubjectPublicKeyInfo.
    pub key_sha256: String,
    /// The file it is from, with the setting that names the file; `None` for the system's trust store.
    #[serde(default)]
    pub outside_system_store: Option<String>,
}

/// One answer of DynamoDB to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Statement {
    /// What was asked.
    pub question: Question,
    /// The VPC, address or endpoint that it was asked about; `None` for [`Question::Direct`].
    #[serde(default)]
    pub subject: Option<String>,
    /// The answer.
    pub reply: Reply,
    /// DynamoDB's words, or what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The connection's own address.
    #[serde(default)]
    pub local: Option<SocketAddr>,
    /// What verified the server; `None` without TLS.
    #[serde(default)]
    pub anchor: Option<TrustAnchor>,
    /// Which credentials signed it: the first 16 digits of the SHA-256 of the access key id. Statements support each other only
    /// where these are equal.
    pub credentials: String,
    /// Whether this is the control: [`Question::Direct`] was denied, and [`Question::Vpc`] at the same address, with the same
    /// credentials, was not. A role that may do nothing is denied everything.
    #[serde(default)]
    pub is_control: bool,
    /// The service's request id, to find the call in CloudTrail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// A question that was asked over a connection of its own, or the reason it was not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WitnessAttempt {
    /// What was, or would have been, asked.
    pub question: Question,
    /// The address it was for.
    pub address: IpAddr,
    /// The name it was for.
    pub hostname: String,
    /// The answer.
    pub statement: Observed<Statement>,
}
