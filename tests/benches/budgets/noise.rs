//! Self-noise: whether the time of a probe includes the work of others.

use crate::{
    Bench, Row, Rows, Spread,
    clients::PROBES,
    lab::{Lab, World},
    process::{Running, part},
    rows::{BLACKBOX_PORT, Blackbox, ONNET_PORT, PROBE_PATH, wait_for, with_addresses},
};
use serde_json::Value;
use std::{collections::BTreeSet, error::Error, time::Duration};

const PHASES: [&str; 3] = ["connect", "tls", "wait"];

/// The figures of each phase, in milliseconds.
type Phases = [Vec<f64>; PHASES.len()];

/// Runs a daemon that probes, and collects the phases of each probe from its report.
fn by_onnet(bench: &Bench, lab: &Lab, every: &str, rounds: usize, into: &mut Phases) -> Result<(), Box<dyn Error>> {
    let _running = bench.probing(lab, every)?;
    wait_for(lab, ONNET_PORT, "/-/ready")?;
    let every = Duration::from_millis(every.trim_end_matches("ms").parse()?);
    let mut known = BTreeSet::new();
    for round in 0..=rounds {
        std::thread::sleep(every);
        let report: Value = serde_json::from_str(&wait_for(lab, ONNET_PORT, "/report.json")?)?;
        for probe in report["probes"].as_array().into_iter().flatten() {
            // The local port identifies a probe. The first probes are not counted, because the start disturbs them.
            if !known.insert(probe["local"].to_string()) || round == 0 {
                continue;
            }
            for (phase, figures) in PHASES.iter().zip(into.iter_mut()) {
                figures.extend(probe["phases"][phase].as_f64().map(|seconds| seconds * 1e3));
            }
        }
    }
    Ok(())
}

/// Requests `at_once` probes at once from blackbox_exporter.
fn by_blackbox(lab: &Lab, at_once: &str, rounds: &str, into: &mut Phases) -> Result<(), Box<dyn Error>> {
    let reported = part(lab, false, &[PROBES, BLACKBOX_PORT, PROBE_PATH, at_once, rounds])?;
    for (phase, figures) in ["connect", "tls", "processing"].into_iter().zip(into) {
        figures.extend(reported[phase].as_array().into_iter().flatten().filter_map(Value::as_f64));
    }
    Ok(())
}

/// One probe at a time, and 32 that are due at once, measured alternately.
pub(crate) fn noise(bench: &mut Bench) -> Rows {
    let (one, many) = (bench.lab(World::on_net())?, bench.lab(with_addresses(32))?);
    let blackbox = Blackbox::new(bench, &one)?;
    let [mut alone, mut among, mut theirs_alone, mut theirs_among] =
        [const { [const { Vec::new() }; PHASES.len()] }; 4];
    let rounds = bench.times(40);
    for _ in 0..5 {
        by_onnet(bench, &one, "100ms", rounds, &mut alone)?;
        by_onnet(bench, &many, "500ms", rounds / 8 + 1, &mut among)?;
        let _running = Running::start(&one, &blackbox.words())?;
        wait_for(&one, BLACKBOX_PORT, "/metrics")?;
        by_blackbox(&one, "1", &rounds.to_string(), &mut theirs_alone)?;
        by_blackbox(&one, "32", &(rounds / 8 + 1).to_string(), &mut theirs_among)?;
    }
    let mut rows = Vec::new();
    for (at, phase) in PHASES.iter().enumerate() {
        let sets = [&alone[at], &among[at], &theirs_alone[at], &theirs_among[at]];
        for (figures, who) in sets.iter().zip(["onnet", "onnet", "blackbox_exporter", "blackbox_exporter"]) {
            bench.keep(&format!("noise {phase}, {} probes", figures.len()), who, "ms", figures)?;
        }
        let [quiet, busy, beside, beside_busy] = sets.map(|figures| Spread::of(figures).median);
        let more =
            |quiet: f64, busy: f64| format!("{quiet:.3} → {busy:.3} ms ({:+.0} %)", (busy / quiet - 1.0) * 100.0);
        rows.push(Row {
            what: ["32 probes due at once against 1: connect, median", "… TLS", "… wait"][at],
            budget: "≤ 10 % more".into(),
            onnet: more(quiet, busy),
            met: busy / quiet <= 1.1,
            beside: format!("blackbox_exporter {}", more(beside, beside_busy)),
        });
    }
    Ok(rows)
}
