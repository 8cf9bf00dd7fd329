//! The probes of the last hour as a plot: time from left to right, how long they took upwards, failures on a line of
//! their own.

use super::html::counted;
use crate::model::{History, ProbeKind, ProbeSample, Seconds, Timestamp};
use maud::{Markup, html};
use std::time::Duration;

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 160.0;
/// Failures are marked below the axis.
const BELOW: f64 = 26.0;

pub(super) fn latency(history: &History, now: Timestamp) -> Markup {
    let recent: Vec<&ProbeSample> =
        history.probes.iter().filter(|sample| now.since(sample.at) <= History::PROBES_KEPT).collect();
    if recent.is_empty() {
        return html! {};
    }
    let (good, failed): (Vec<&ProbeSample>, Vec<&ProbeSample>) =
        recent.iter().partition(|sample| sample.result.reached_service());
    let top = scale(good.iter().map(|sample| sample.total.as_secs_f64()).fold(0.0, f64::max));
    let x = |at: Timestamp| WIDTH * (1.0 - now.since(at).as_secs_f64() / History::PROBES_KEPT.as_secs_f64());
    let y = |took: f64| HEIGHT * (1.0 - took / top);
    let median = median(&good);
    let failures = counted(failed.len(), "failure", "failures");
    let label = format!("{} in the last hour, {failures}", counted(recent.len(), "probe", "probes"));
    html! {
        section aria-labelledby="latency" {
            h2 #latency { "The last hour" }
            p {
                (label)
                @if let Some(median) = median { "; half of them answered within " strong { (median) } }
                "."
            }
            figure.plot {
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT + BELOW) } preserveAspectRatio="none" role="img" aria-label=(label) {
                    @for part in [0.0, 0.5, 1.0] {
                        line.grid x1="0" x2=(WIDTH) y1=(y(top * part)) y2=(y(top * part)) {}
                    }
                    @for &kind in ProbeKind::ALL {
                        path class={ "points " (kind.name()) } d=(points(good.iter().filter(|sample| sample.kind == kind).map(|sample| (x(sample.at), y(sample.total.as_secs_f64()))))) {}
                    }
                    @for sample in &failed {
                        line.failure x1=(tenth(x(sample.at))) x2=(tenth(x(sample.at))) y1=(HEIGHT + 4.0) y2=(HEIGHT + BELOW) {}
                    }
                }
                div.scale aria-hidden="true" { span { (duration(top)) } span { (duration(top / 2.0)) } span { "0" } }
                div.times aria-hidden="true" { span { "1 h ago" } span { "30 min ago" } span { "now" } }
            }
            ul.legend aria-label="Legend" {
                li { span.dot.health {} "GET /" }
                li { span.dot.list_tables {} "ListTables" }
                li { span.dot.failure {} "failed" }
            }
        }
    }
}

/// Points as strokes of no length with round ends: dots, however the picture is stretched.
fn points(points: impl Iterator<Item = (f64, f64)>) -> String {
    points.map(|(x, y)| format!("M{} {}h0", tenth(x), tenth(y))).collect()
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// The next of 1, 2 and 5 with some zeros.
fn scale(longest: f64) -> f64 {
    let mut step = 0.0001;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if step * factor >= longest {
                return step * factor;
            }
        }
        step *= 10.0;
    }
}

fn duration(seconds: f64) -> String {
    Seconds::from(Duration::from_secs_f64(seconds)).to_string()
}

fn median(samples: &[&ProbeSample]) -> Option<Seconds> {
    let mut totals: Vec<Seconds> = samples.iter().map(|sample| sample.total).collect();
    totals.sort_unstable();
    totals.get(totals.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_a_round_number_above_the_longest() {
        for (longest, end) in [(0.0, 0.0001), (0.0113, 0.02), (0.2, 0.2), (0.21, 0.5), (9.0, 10.0)] {
            assert!((scale(longest) - end).abs() < end * 1e-6, "{longest}: {}", scale(longest));
        }
    }
}
