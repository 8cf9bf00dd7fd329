//! Problems: their severity, what they are about, and their fix.

use super::FindingCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; changes nothing.
    Info,
    /// Forbids on-net.
    Warning,
    /// Why traffic is off-net or dropped.
    Critical,
}

impl Severity {
    /// The severity as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// A problem, with its fix where there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Its stable code.
    pub code: FindingCode,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence with the ids in it.
    pub message: String,
    /// The AWS CLI command (or setting) that mends it, with this instance's own ids.
    pub fix: Option<String>,
    /// What the fix does besides, such as dropping open connections.
    pub caution: Option<String>,
}
