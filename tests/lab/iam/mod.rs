//! An IAM engine for the requests that the lab's DynamoDB knows: which policies apply to a request, and what they decide.
//!
//! Written from AWS's documentation of the policy elements and of the evaluation logic:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>. The end-to-end run compares it
//! with a third-party evaluator. An element or operator that this engine does not know is an error when the policy is read.

mod document;
pub mod matrix;
mod pattern;

pub use document::Policy;

use document::Effect;
use std::{collections::BTreeMap, fmt};

/// The context of a request. Keys are in lower case: IAM ignores their case.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Context(BTreeMap<String, Value>);

/// The value of a context key.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Value {
    One(String),
    /// A multivalued key, as `dynamodb:LeadingKeys`; it may be empty.
    Many(Vec<String>),
}

impl Context {
    /// With one more key, or another value for it.
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.insert(key.to_lowercase(), Value::One(value.into()));
        self
    }

    /// With one more multivalued key.
    pub fn with_many(mut self, key: &str, values: &[impl AsRef<str>]) -> Self {
        let values = values.iter().map(|value| value.as_ref().to_owned()).collect();
        self.0.insert(key.to_lowercase(), Value::Many(values));
        self
    }

    /// The key's value. A key with an empty list is absent.
    fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(&key.to_lowercase()).filter(|value| !matches!(value, Value::Many(values) if values.is_empty()))
    }

    /// The value of a policy variable with this key. A multivalued key has none.
    fn variable(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::One(value) => Some(value),
            Value::Many(_) => None,
        }
    }
}

/// A request to authorize.
#[derive(Clone, Debug)]
pub struct Request {
    /// The session: `arn:aws:sts::111122223333:assumed-role/NAME/SESSION`.
    pub principal: String,
    pub action: String,
    pub resource: String,
    pub context: Context,
}

impl Request {
    /// Whether principal and resource belong to different accounts.
    fn crosses_accounts(&self) -> bool {
        account(&self.principal) != account(&self.resource)
    }
}

/// The account in an ARN.
fn account(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

/// The types of policies. A denial names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    ServiceControl,
    ResourceControl,
    Endpoint,
    Identity,
    /// Of the table that is asked for.
    Resource,
    Boundary,
    Session,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::ServiceControl => "service control policy",
            Self::ResourceControl => "resource control policy",
            Self::Endpoint => "VPC endpoint policy",
            Self::Identity => "identity-based policy",
            Self::Resource => "resource-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
        }
    }

    fn article(self) -> &'static str {
        match self {
            Self::Identity => "an",
            Self::ServiceControl
            | Self::ResourceControl
            | Self::Endpoint
            | Self::Resource
            | Self::Boundary
            | Self::Session => "a",
        }
    }
}

/// Whether a request may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    Denied(Denial),
}

/// Which type of policy denies a request. If several do, one is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    pub by: Kind,
    /// A `Deny` statement matches; otherwise no `Allow` statement does.
    pub explicit: bool,
    /// The ARN of the policy with the `Deny` statement, where the policy has one. Inline policies have none.
    pub policy: Option<String>,
}

impl Denial {
    /// The end of DynamoDB's message, in the format that
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html> documents.
    pub fn because(&self, action: &str) -> String {
        let (article, kind) = (self.by.article(), self.by.name());
        match (self.explicit, &self.policy) {
            (true, None) => format!("with an explicit deny in {article} {kind}"),
            (true, Some(arn)) => format!("with an explicit deny in {article} {kind}: {arn}"),
            (false, _) => format!("because no {kind} allows the {action} action"),
        }
    }

    /// The whole message.
    pub fn message(&self, request: &Request) -> String {
        refusal(request, &self.because(&request.action))
    }
}

/// DynamoDB's message for a request that is denied for this reason.
pub fn refusal(request: &Request, because: &str) -> String {
    let Request { principal, action, resource, .. } = request;
    format!("User: {principal} is not authorized to perform: {action} on resource: {resource} {because}")
}

/// The policies that apply to the instance's requests.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// Those of the role, inline and managed.
    pub identity: Vec<Policy>,
    /// By the endpoint's id. An endpoint without one allows everything, as the default policy does.
    pub endpoint: BTreeMap<String, Policy>,
    /// By the table's ARN. They are about its indexes too.
    pub resource: BTreeMap<String, Policy>,
    pub boundary: Option<Policy>,
    /// Of each level of the organization, from the root to the account: each has to allow the request. No level: no
    /// organization.
    pub service_control: Vec<Vec<Policy>>,
    /// `RCPFullAWSAccess` is attached at every level and cannot be detached: these only deny.
    pub resource_control: Vec<Policy>,
    pub session: Option<Policy>,
}

impl Policies {
    /// Decides a request, which came through this endpoint or through none.
    ///
    /// A `Deny` in any policy decides. Otherwise each type that applies must allow the request. If several types deny it, AWS
    /// names one and does not document which; this engine names the first in the order of [`Kind`].
    ///
    /// Within one account the table's policy can allow what no identity-based policy does, if it names the principal. Between two
    /// accounts both have to allow it.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html>
    pub fn decide(&self, request: &Request, endpoint: Option<&str>) -> Decision {
        let of_resource = request.resource.split("/index/").next().and_then(|table| self.resource.get(table));
        let levels: Vec<(Kind, &[Policy])> = self.applicable(endpoint, of_resource);
        for (kind, policies) in &levels {
            let denies = |policy: &&Policy| policy.has(Effect::Deny, request);
            if let Some(policy) = policies.iter().find(denies) {
                return denied(*kind, true, policy.arn.clone());
            }
        }
        for (kind, policies) in levels {
            let allowed = policies.iter().any(|policy| policy.has(Effect::Allow, request));
            let passes = match kind {
                Kind::ResourceControl => true,
                Kind::Resource => allowed || !request.crosses_accounts(),
                Kind::Identity if !request.crosses_accounts() => {
                    allowed || of_resource.is_some_and(|policy| policy.allows_by_name(request))
                }
                Kind::Identity | Kind::ServiceControl | Kind::Endpoint | Kind::Boundary | Kind::Session => allowed,
            };
            if !passes {
                return denied(kind, false, None);
            }
        }
        Decision::Allowed
    }

    fn applicable<'a>(&'a self, endpoint: Option<&str>, of_resource: Option<&'a Policy>) -> Vec<(Kind, &'a [Policy])> {
        let mut levels: Vec<(Kind, &[Policy])> =
            self.service_control.iter().map(|level| (Kind::ServiceControl, level.as_slice())).collect();
        levels.push((Kind::ResourceControl, &self.resource_control));
        let at_endpoint = endpoint.and_then(|id| self.endpoint.get(id));
        levels.extend(at_endpoint.map(|policy| (Kind::Endpoint, std::slice::from_ref(policy))));
        levels.push((Kind::Identity, &self.identity));
        levels.push((Kind::Resource, of_resource.map(std::slice::from_ref).unwrap_or_default()));
        levels.extend(self.boundary.as_ref().map(|policy| (Kind::Boundary, std::slice::from_ref(policy))));
        levels.extend(self.session.as_ref().map(|policy| (Kind::Session, std::slice::from_ref(policy))));
        levels
    }
}

fn denied(by: Kind, explicit: bool, policy: Option<String>) -> Decision {
    Decision::Denied(Denial { by, explicit, policy })
}

/// Why a policy cannot be read.
#[derive(Debug)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}
