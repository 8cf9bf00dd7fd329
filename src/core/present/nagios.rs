//! One line for Nagios, Icinga, Sensu and the like, as the monitoring-plugins guidelines have it.

use super::page::sanitized;
use crate::model::{CoverageSummary, Decision, Outcome, ProofLevel, Report};
use std::fmt::Write;

/// `ONNET OK - … | covered=100%;100:;;0;100 …`
pub fn nagios(report: &Report) -> String {
    let mut line = format!("ONNET {} - {}", status(report.outcome), plain(&report.summary));
    if report.proof == ProofLevel::Proved && report.outcome != Outcome::Undetermined {
        line.push_str(" (proved)");
    }
    // The summary has the worst; the codes have all.
    let mut codes: Vec<&str> = report.findings.iter().map(|finding| finding.code.name()).collect();
    codes.dedup(); // they come sorted by severity, each kind together
    if !codes.is_empty() {
        let _ = write!(line, " [{}]", codes.join(" ")); // writing to a String does not fail
    }
    let data = performance(report);
    if !data.is_empty() {
        let _ = write!(line, " | {}", data.join(" "));
    }
    line.push('\n');
    line
}

/// The guidelines' word for an outcome.
pub(super) fn status(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::OnNet => "OK",
        Outcome::AtRisk => "WARNING",
        Outcome::Dropped | Outcome::OffNet => "CRITICAL",
        Outcome::Undetermined => "UNKNOWN",
    }
}

/// The line where there is no report.
pub fn nagios_unknown(problem: &str) -> String {
    format!("ONNET UNKNOWN - {}\n", plain(problem))
}

/// A `|` would begin the performance data.
pub(super) fn plain(text: &str) -> String {
    sanitized(text).replace('|', "/")
}

/// `label=value[unit];[warn];[crit];[min];[max]`. What is not known is left out, never 0.
fn performance(report: &Report) -> Vec<String> {
    let mut data = Vec::new();
    if let Some(summary) = report.coverage_summary.filter(|summary| summary.addresses > 0) {
        data.push(format!("covered={}%;100:;;0;100", percent(summary)));
    }
    let in_use: Vec<_> = report.addresses.iter().filter(|address| address.in_use).collect();
    if !in_use.is_empty() {
        let on_net = in_use.iter().filter(|address| address.verdict.is_on_net()).count();
        data.push(format!("addresses_on_net={on_net};{0}:;;0;{0}", in_use.len()));
    }
    // One series each, of the address that decided: the probe that was answered, else the first.
    let decided = report.decided_by.as_ref().and_then(Decision::address);
    let probes = || report.probes.iter().filter(|probe| decided.is_none_or(|address| probe.address == address));
    let answered = probes().find(|probe| probe.result.reached_service());
    if let Some(probe) = answered.or_else(|| probes().next()) {
        let phases = probe.phases.reached().map(|(phase, took)| (phase.name(), took));
        let timed = phases.chain([("total", probe.total)]);
        data.extend(timed.map(|(name, took)| format!("{name}={:.6}s;;;0", took.as_secs_f64())));
    }
    data
}

/// Rounded down: 100 means all of them.
fn percent(summary: CoverageSummary) -> String {
    let (on_net, all) = summary.share();
    let hundredths = u128::from(on_net) * 10_000 / u128::from(all.max(1));
    match (hundredths / 100, hundredths % 100) {
        (whole, 0) => whole.to_string(),
        (whole, part) => format!("{whole}.{part:02}"),
    }
}
