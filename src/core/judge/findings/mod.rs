//! What is wrong: one rule for each finding code, in the file of its family.

mod endpoint;
mod gate;
mod host;
mod missing;
mod name;
mod probe;
mod route;
mod world;

pub(super) use world::{Beside, Table, World};

use crate::model::{Finding, FindingCode, Severity, finding_catalogue};
use std::cmp::Reverse;

/// Finds what is wrong in one respect. There is one rule for each code: the compiler refuses a second, and misses none.
trait Rule {
    fn find(world: &World<'_>) -> Vec<Draft>;
}

/// A finding but for its code, which only [`find`] gives.
struct Draft {
    /// `None`: the catalogue's.
    severity: Option<Severity>,
    message: String,
    fix: Option<String>,
    caution: Option<String>,
}

impl Draft {
    fn new(message: impl Into<String>) -> Self {
        Self { severity: None, message: message.into(), fix: None, caution: None }
    }

    /// Less than the catalogue's, which is the highest.
    fn severity(self, severity: Severity) -> Self {
        Self { severity: Some(severity), ..self }
    }

    /// A command, with what it does besides.
    fn fix(self, fix: impl Into<String>, caution: Option<String>) -> Self {
        Self { fix: Some(fix.into()), caution, ..self }
    }

    /// With reasons after the message.
    fn explained(self, reasons: &[String]) -> Self {
        let message = reasons.iter().fold(self.message, |message, reason| format!("{message}; {reason}"));
        Self { message, ..self }
    }

    #[expect(clippy::disallowed_methods, reason = "this is where findings are made")]
    fn into_finding(self, code: FindingCode) -> Finding {
        let Self { severity, message, fix, caution } = self;
        let mut finding = Finding::by_rule(code, severity.unwrap_or(code.entry().severity), message);
        (finding.fix, finding.caution) = (fix, caution);
        finding
    }
}

macro_rules! rules {
    ($($code:ident = $name:literal $severity:ident { $($text:tt)* })*) => {
        /// A type for each code, for its rule.
        mod code {
            $(pub(super) enum $code {})*
        }

        /// Everything that is wrong: worst first, and among equals in the catalogue's order.
        pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
            let mut findings = Vec::new();
            $(add(&mut findings, FindingCode::$code, <code::$code as Rule>::find(world));)*
            findings.sort_by_key(|finding| Reverse(finding.severity));
            findings
        }
    };
}
finding_catalogue!(rules);

/// Adds the findings of one code, each once.
fn add(findings: &mut Vec<Finding>, code: FindingCode, drafts: Vec<Draft>) {
    for finding in drafts.into_iter().map(|draft| draft.into_finding(code)) {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
}
