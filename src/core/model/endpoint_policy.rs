//! What the policy of a VPC endpoint says of requests: a gate beside the route.

use super::VpcEndpointId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the policy of one endpoint says, action by action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointPolicy {
    /// The endpoint.
    pub endpoint: VpcEndpointId,
    /// The actions, in the order in which they were asked for.
    pub actions: Vec<PolicyAction>,
}

/// What an endpoint's policy says of one action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyAction {
    /// `dynamodb:ListTables`
    pub action: String,
    /// The table of `--table` that it is about; `None` for any table, and for an action on none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// What it says.
    #[serde(flatten)]
    pub decision: PolicyDecision,
}

impl fmt::Display for PolicyAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.table {
            Some(table) => write!(f, "{} on {table}", self.action),
            None => f.write_str(&self.action),
        }
    }
}

/// What an endpoint's policy says of an action, for any caller, and any table or the one that is named. That a request is allowed here does not allow it: the
/// policies of the caller and of the table decide too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "decision")]
pub enum PolicyDecision {
    /// For every caller, and every such table.
    Allowed,
    /// For no caller, and no such table.
    Denied {
        /// The statement that denies it; `None` where no statement allows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        statement: Option<String>,
    },
    /// It depends on the request.
    Conditional {
        /// The statements that it depends on, each with what of the request decides.
        statements: Vec<PolicyCondition>,
    },
    /// The policy cannot be read.
    Unknown {
        /// Why.
        because: String,
    },
}

/// A statement that applies to some requests only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyCondition {
    /// Its `Sid`, or its number.
    pub statement: String,
    /// Whether it denies.
    pub denies: bool,
    /// What decides whether it applies: `principal`, `resource`, or the keys of its conditions.
    pub on: Vec<String>,
}

impl fmt::Display for PolicyCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { statement, denies, on } = self;
        let effect = if *denies { "denies" } else { "allows" };
        write!(f, "{statement} {effect} by {}", on.join(", "))
    }
}
