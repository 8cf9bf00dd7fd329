//! The findings: what is wrong, and how to fix it.

use super::{
    page::Page,
    words::{BOLD, severity_style},
};
use crate::model::Finding;

/// The sentence, then the command on a line of its own, unbroken, then its side effects.
pub(super) fn finding(page: &mut Page, finding: &Finding, where_: &[String]) {
    let Finding { code, severity, message, fix, caution, .. } = finding;
    page.put("  ").styled(severity_style(*severity), severity.name()).to(INDENT).styled(BOLD, code).end();
    page.to(INDENT).wrapped(INDENT, message);
    if !where_.is_empty() {
        page.to(INDENT).put("in ").flowed(INDENT, ", ", where_);
    }
    if let Some(fix) = fix {
        for line in fix.lines() {
            page.to(INDENT + 2).put(line).end();
        }
    }
    if let Some(caution) = caution {
        page.to(INDENT).put("caution: ").wrapped(INDENT, caution);
    }
}

/// The command that explains the first finding, the most severe one.
pub(super) fn more(page: &mut Page, first: Option<&Finding>) {
    if let Some(first) = first {
        page.gap().label("more").put(format_args!("onnet explain-finding {}", first.code)).end();
    }
}

/// After the longest severity.
const INDENT: usize = 12;
