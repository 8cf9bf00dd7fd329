//! What to do, what changed, and the state of the sources.

use super::html::{Tone, counted, lines, mark, moment, outcome_tone, safe, sentence};
use crate::{
    model::{History, Report, Severity, Status, Timestamp},
    present::words,
};
use maud::{Markup, html};

pub(super) fn findings(report: &Report) -> Markup {
    html! {
        section aria-labelledby="do" {
            h2 #do { "What to do" }
            @if report.findings.is_empty() {
                p { "Nothing: there are no findings." }
            } @else {
                ol.findings {
                    @for finding in &report.findings {
                        li class={ "finding " (severity_tone(finding.severity).class()) } {
                            h3 {
                                span.severity { (finding.severity.name()) } " " code { (finding.code) }
                            }
                            p { (safe(sentence(&finding.message))) }
                            @if let Some(fix) = &finding.fix {
                                pre tabindex="0" aria-label="Fix" { code { (lines(fix)) } }
                            }
                            @if let Some(caution) = &finding.caution {
                                p.caution { strong { "Caution: " } (safe(caution)) "." }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn severity_tone(severity: Severity) -> Tone {
    match severity {
        Severity::Info => Tone::Plain,
        Severity::Warning => Tone::Warn,
        Severity::Critical => Tone::Bad,
    }
}

pub(super) fn changes(history: &History) -> Markup {
    html! {
        section aria-labelledby="changes" {
            h2 #changes { "Changes of the outcome" }
            @if history.changes.is_empty() {
                p { "None since the start." }
            } @else {
                table {
                    thead { tr { th scope="col" { "When" } th scope="col" { "Outcome" } th scope="col" { "Why" } } }
                    tbody {
                        @for change in history.changes.iter().rev() {
                            tr {
                                td { (moment(change.at)) }
                                td {
                                    span class={ "word " (outcome_tone(change.to).class()) } {
                                        (mark(Some(change.to))) (words::outcome(change.to))
                                    }
                                    @if let Some(from) = change.from { span.from { " after " (words::outcome(from)) } }
                                }
                                td { (safe(&change.summary)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn sources(status: &Status, now: Timestamp) -> Markup {
    html! {
        section aria-labelledby="sources" {
            h2 #sources { "Sources" }
            table {
                thead {
                    tr {
                        th scope="col" { "Source" } th scope="col" { "Last observed" } th scope="col" { "Every" }
                        th scope="col" { "State" }
                    }
                }
                tbody {
                    @for (source, status) in status.sources.present() {
                        tr {
                            th scope="row" { (source.title()) }
                            td {
                                @match status.last_seen {
                                    Some(at) => { (super::html::length(now.since(at))) " ago" },
                                    None => "never",
                                }
                            }
                            td { (super::html::length(status.every.as_duration())) }
                            td {
                                @match (status.up, status.gaps.as_slice()) {
                                    (None, _) => "not collected yet",
                                    (Some(_), [gap, more @ ..]) => {
                                        span.word.warn { "missing" } " " (safe(gap))
                                        @if !more.is_empty() { " and " (counted(more.len(), "more", "more")) }
                                    },
                                    (Some(true), []) => { span.word.good { "observed" } },
                                    (Some(false), []) => { span.word.warn { "missing" } },
                                }
                                @if let Some(until) = status.backing_off_until {
                                    " · throttled, backed off until " (moment(until))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
