//! Findings for facts that are missing.

use crate::model::{Finding, FindingCode, Gap, Severity};

/// What to tell of a missing fact.
pub(super) fn finding_of_gap(what: &str, gap: &Gap, severity: Severity) -> Finding {
    let (code, message) = match gap {
        Gap::Denied { action } => match gap.iam_action() {
            Some(action) => (
                FindingCode::MissingPermission,
                format!("{what} may not be read: allow {action} to the role that onnet runs with"),
            ),
            None => (FindingCode::MissingPermission, format!("{what} may not be read: {action}")),
        },
        Gap::Credentials { .. } => {
            (FindingCode::NoCredentials, format!("{what} cannot be read without credentials that are accepted ({gap})"))
        }
        Gap::Stale { .. } => {
            (FindingCode::StaleEvidence, format!("what was seen of {what} supports nothing any more: {gap}"))
        }
        // The same for every fact: it is reported once.
        Gap::Settings { .. } => (FindingCode::SettingsInvalid, gap.to_string()),
        Gap::TimedOut { .. }
        | Gap::Unreachable { .. }
        | Gap::Throttled { .. }
        | Gap::Malformed { .. }
        | Gap::Truncated { .. }
        | Gap::OverLimit { .. }
        | Gap::Failed { .. }
        | Gap::Redirected { .. }
        | Gap::Disabled { .. }
        | Gap::NotFound { .. }
        | Gap::NotVisible { .. }
        | Gap::Changing { .. }
        | Gap::UndocumentedValue { .. }
        | Gap::Conflicting { .. }
        | Gap::SpoofedSource { .. }
        | Gap::OtherHost { .. }
        | Gap::NotTried { .. } => (FindingCode::MissingFact, format!("{what} could not be seen: {gap}")),
    };
    Finding { code, severity, message, fix: None, caution: None }
}
