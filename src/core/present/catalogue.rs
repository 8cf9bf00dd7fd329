//! What the finding codes mean.

use super::page::Page;
use crate::model::CatalogueEntry;

/// Where the second column of an explanation begins: after the longest label.
const LABEL: usize = 10;

/// One finding code explained.
pub fn finding_help(entry: &CatalogueEntry) -> String {
    let page = &mut Page::default();
    let CatalogueEntry { code, severity, meaning, evidence, fix } = entry;
    let parts = [
        ("code", code.name()),
        ("severity", severity.name()),
        ("meaning", meaning),
        ("evidence", evidence),
        ("fix", fix),
    ];
    for (label, text) in parts {
        page.put(label).to(LABEL).wrapped(LABEL, text);
    }
    std::mem::take(page).finish()
}

/// Finding codes as a table, one line each, however long, for `grep`.
pub fn finding_table<'e>(entries: impl IntoIterator<Item = &'e CatalogueEntry, IntoIter: Clone>) -> String {
    let entries = entries.into_iter();
    let longest = |text: fn(&CatalogueEntry) -> &str| entries.clone().map(|entry| text(entry).len()).max().unwrap_or(0);
    let severity = longest(|entry| entry.code.name()) + 2;
    let meaning = severity + longest(|entry| entry.severity.name()) + 2;
    let page = &mut Page::default();
    for entry in entries {
        page.put(entry.code).to(severity).put(entry.severity.name()).to(meaning).put(entry.meaning).end();
    }
    std::mem::take(page).finish()
}
