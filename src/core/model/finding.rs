//! Problems: their severity, what they are about, and their fix.

use super::FindingCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Severity {
    /// For information; does not change the outcome.
    Info,
    /// Prevents on-net.
    Warning,
    /// Why traffic is off-net or dropped.
    Critical,
}

impl Severity {
    /// The severity as a label.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A problem, with its fix where there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Its stable code.
    pub code: FindingCode,
    /// The severity.
    pub severity: Severity,
    /// One sentence with the ids in it.
    pub message: String,
    /// The AWS CLI command (or setting) that fixes it, with the ids of this instance.
    pub fix: Option<String>,
    /// Side effects of the fix, such as dropping open connections.
    pub caution: Option<String>,
    /// No literal of this type exists outside this file.
    #[serde(skip)]
    made: Made,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Made;

impl Finding {
    /// For `judge::findings` alone: every finding is made by the rule of its code. `clippy.toml` holds everything else to that.
    pub(crate) fn by_rule(code: FindingCode, severity: Severity, message: String) -> Self {
        Self { code, severity, message, fix: None, caution: None, made: Made }
    }
}
