//! The probes of the last report, phase by phase.

use super::html::{code, safe, side_by_side};
use crate::{
    model::{Phase, Probe, Report},
    present::{text, words},
};
use maud::{Markup, html};

/// More probes than this are in the report only.
const MOST: usize = 8;

pub(super) fn timings(report: &Report) -> Markup {
    let not_made = text::not_made(report);
    if report.probes.is_empty() && not_made.is_empty() {
        return html! {};
    }
    let longest = report.probes.iter().map(|probe| probe.total.as_secs_f64()).fold(0.0, f64::max);
    html! {
        section aria-labelledby="timings" {
            h2 #timings { "How long requests take" }
            @if !report.probes.is_empty() {
                ul.legend.phases aria-label="Phases" {
                    @for phase in Phase::ALL { li { span class={ "swatch " (phase.name()) } {} (phase.name()) } }
                }
            }
            @for probe in report.probes.iter().take(MOST) { (self::probe(probe, longest)) }
            @if report.probes.len() > MOST {
                p { "and " (report.probes.len() - MOST) " more probes, all of them in " a href="/report.json" { "report.json" } }
            }
            @for (addresses, gap) in not_made {
                p { "No probe of "
                    @for (n, address) in addresses.iter().enumerate() { @if n > 0 { ", " } (code(address)) }
                    ": " (safe(gap)) "." }
            }
        }
    }
}

fn probe(probe: &Probe, longest: f64) -> Markup {
    let good = probe.result.reached_service();
    let label: Vec<String> = probe.phases.reached().map(|(phase, took)| format!("{phase} {took}")).collect();
    let scale = |took: f64| 1000.0 * took / longest.max(f64::MIN_POSITIVE);
    let widths = probe.phases.reached().map(|(_, took)| scale(took.as_secs_f64()));
    html! {
        div.probe {
            h3 {
                (words::probe(probe.kind)) " to " (code(probe.address)) ": "
                span class={ "word " (if good { "good" } else { "bad" }) } { (probe.result) } " in " (probe.total)
                @if let Some(phase) = probe.failed_in { ", in phase " (phase) }
            }
            svg.bar.phases viewBox="0 0 1000 22" preserveAspectRatio="none" role="img" aria-label=(label.join(", ")) {
                @for ((phase, took), (left, width)) in probe.phases.reached().zip(side_by_side(widths)) {
                    rect class=(phase.name()) x=(left) y="0" width=(width) height="22" { title { (phase) " " (took) } }
                }
            }
            p.under { (label.join(" · ")) }
            @if let Some(detail) = &probe.detail { p.detail { (safe(detail)) } }
        }
    }
}
