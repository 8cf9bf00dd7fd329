//! What stands in the way, and what to do about it.

use super::{
    page::Page,
    words::{BOLD, severity_style},
};
use crate::model::Finding;

/// The sentence, then the command on a line of its own, unbroken, then what it does besides.
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

const INDENT: usize = super::page::INDENT + 1;
