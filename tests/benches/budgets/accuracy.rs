//! Accuracy of the reported phases: each is compared with the delay that the lab added to it.

use crate::{
    Bench, Row, Rows, Spread,
    clients::{CONNECT, DETOUR, PROBES, RUN},
    lab::{Lab, Pace, World},
    process::{Running, part},
    rows::{BLACKBOX_PORT, Blackbox, NAME, PROBE_PATH, number, wait_for},
};
use serde_json::Value;
use std::{error::Error, time::Duration};

/// The address of the lab's DynamoDB.
const ADDRESS: &str = "52.94.0.10";

const PHASES: [&str; 5] = ["resolve", "connect", "tls", "wait", "receive"];

/// The phases of one request and its total, in milliseconds, as a prober reports them; NaN if it does not report one.
type Run = [f64; 6];

/// Runs a prober once and returns its figures.
type Probe<'b> = dyn Fn(&Lab) -> Result<Run, Box<dyn Error>> + 'b;

struct Prober<'b> {
    name: &'static str,
    run: Box<Probe<'b>>,
}

/// onnet's two kinds of probe, and the other programs.
fn probers(bench: &Bench) -> [Prober<'_>; 5] {
    let check_http = bench.peer("usr/lib/nagios/plugins/check_http");
    [
        Prober { name: "GET", run: Box::new(|lab| by_onnet(lab, bench.onnet(), "health")) },
        Prober { name: "ListTables", run: Box::new(|lab| by_onnet(lab, bench.onnet(), "list-tables")) },
        Prober { name: "blackbox_exporter", run: Box::new(by_blackbox) },
        Prober { name: "curl", run: Box::new(by_curl) },
        Prober { name: "check_http", run: Box::new(move |lab| by_check_http(lab, &check_http)) },
    ]
}

/// The medians of each prober. The probers run alternately.
fn medians(lab: &Lab, probers: &[Prober<'_>], runs: usize) -> Result<Vec<Run>, Box<dyn Error>> {
    let mut all = vec![Vec::new(); probers.len()];
    for _ in 0..runs {
        for (prober, runs) in probers.iter().zip(&mut all) {
            runs.push((prober.run)(lab)?);
        }
    }
    let median = |runs: &Vec<Run>, at: usize| Spread::of(&runs.iter().map(|run| run[at]).collect::<Vec<_>>()).median;
    Ok(all.iter().map(|runs| std::array::from_fn(|at| median(runs, at))).collect())
}

fn by_onnet(lab: &Lab, onnet: &str, probe: &str) -> Result<Run, Box<dyn Error>> {
    let ran = part(lab, true, &[RUN, onnet, "check", "--probe", probe, "--format", "json"])?;
    let report: Value = serde_json::from_str(ran["output"].as_str().unwrap_or_default())?;
    let probe = &report["probes"][0];
    let mut run = [0.0; 6];
    for (figure, phase) in run.iter_mut().zip(PHASES) {
        *figure = number(&probe["phases"][phase])? * 1e3;
    }
    run[5] = number(&probe["total"])? * 1e3;
    Ok(run)
}

fn by_blackbox(lab: &Lab) -> Result<Run, Box<dyn Error>> {
    let reported = part(lab, false, &[PROBES, BLACKBOX_PORT, PROBE_PATH, "1", "1"])?;
    let mut run = [0.0; 6];
    for (figure, name) in run.iter_mut().zip(["resolve", "connect", "tls", "processing", "transfer", "total"]) {
        *figure = number(&reported[name][0])?;
    }
    Ok(run)
}

fn by_curl(lab: &Lab) -> Result<Run, Box<dyn Error>> {
    let format = "%{time_namelookup} %{time_connect} %{time_appconnect} %{time_starttransfer} %{time_total}";
    let url = format!("https://{NAME}/");
    let ran = part(lab, true, &[RUN, "curl", "-s", "--http1.1", "-o", "/dev/null", "-w", format, &url])?;
    let times: Vec<f64> =
        ran["output"].as_str().unwrap_or_default().split(' ').filter_map(|t| t.parse().ok()).collect();
    let [resolved, connected, secured, answered, ended] = times[..] else {
        return Err(format!("curl: {ran}").into());
    };
    let phases = [resolved, connected - resolved, secured - connected, answered - secured, ended - answered, ended];
    Ok(phases.map(|seconds| seconds * 1e3))
}

/// check_http includes the resolution of the name in the connection, and reports everything after the head as transfer.
fn by_check_http(lab: &Lab, check_http: &str) -> Result<Run, Box<dyn Error>> {
    let ran = part(lab, true, &[RUN, check_http, "-H", NAME, "-S", "-E", "-u", "/"])?;
    let output = ran["output"].as_str().unwrap_or_default();
    let of = |name: &str| {
        let figure = output.split([' ', '|']).find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        let figure = figure.and_then(|figure| figure.split('s').next()).and_then(|seconds| seconds.parse::<f64>().ok());
        figure.map(|seconds| seconds * 1e3).ok_or_else(|| format!("check_http does not report {name}: {output}"))
    };
    Ok([
        f64::NAN,
        of("time_connect")?,
        of("time_ssl")?,
        of("time_firstbyte")?,
        of("time_transfer")? - of("time_firstbyte")?,
        of("time")?,
    ])
}

fn connects(lab: &Lab, runs: usize) -> Result<f64, Box<dyn Error>> {
    let figures = part(lab, true, &[CONNECT, ADDRESS, &runs.to_string()])?;
    let figures: Vec<f64> = figures.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    Ok(Spread::of(&figures).median)
}

/// All phases are delayed at once. Each program's figures without delays are subtracted.
pub(crate) fn accuracy(bench: &mut Bench) -> Rows {
    let lab = bench.lab(World::on_net())?;
    let running = Running::start(&lab, &Blackbox::new(bench, &lab)?.words())?;
    wait_for(&lab, BLACKBOX_PORT, "/metrics")?;
    let runs = bench.times(20);
    let probers = probers(bench);
    let names: Vec<&str> = probers.iter().map(|prober| prober.name).collect();
    let (without, raw) = (medians(&lab, &probers, runs)?, connects(&lab, runs)?);

    let [resolve, tls, wait, receive] = [30, 25, 40, 50].map(Duration::from_millis);
    lab.set_pace(Pace { resolve, tls, wait, receive });
    let detour = Running::play(&lab, &[DETOUR, "52.94.0.0/22", "10"])?;
    let way = connects(&lab, runs)? - raw;
    let with = medians(&lab, &probers, runs)?;
    drop((detour, running, probers));

    // The delays that the lab's own timers measured, not the measured program.
    let lingered = lab.lingered();
    let put = |phase: &str| {
        let took = lingered.get(phase).into_iter().flatten().map(|took| took.as_secs_f64() * 1e3);
        // Connections to other services are not delayed.
        Spread::of(&took.filter(|took| *took > 20.0).collect::<Vec<_>>()).median
    };
    // The first flight of the handshake and the request also take the longer path.
    let mut truth = [put("resolve"), way, put("tls") + way, put("wait") + way, put("receive"), 0.0];
    truth[5] = truth.iter().sum();
    let error = |prober: usize, at: usize| with[prober][at] - without[prober][at] - truth[at];
    let shown = |probers: std::ops::Range<usize>, at: usize| {
        let shown = probers.filter(|&prober| !error(prober, at).is_nan());
        let shown = shown.map(|prober| format!("{} {:+.2} ms", names[prober], error(prober, at)));
        shown.collect::<Vec<_>>().join(", ")
    };
    let whats = [
        "accuracy: resolve delayed by 30 ms",
        "… connect, over a path that is 10 ms longer",
        "… tls, delayed by another 25 ms",
        "… wait, delayed by another 40 ms",
        "… receive, delayed by 50 ms",
        "… the total, with all of these delays",
    ];
    let mut rows = Vec::new();
    for (at, what) in whats.into_iter().enumerate() {
        let allowed = if at < PHASES.len() { f64::max(1.0, truth[at] * 0.02) } else { truth[at] * 0.01 };
        for (prober, who) in names.iter().enumerate() {
            let row = format!("accuracy {}", PHASES.get(at).unwrap_or(&"total"));
            bench.keep(&row, who, "ms", &[without[prober][at], with[prober][at], truth[at]])?;
        }
        rows.push(Row {
            what,
            budget: format!("{:.2} ms, within {allowed:.1}", truth[at]),
            onnet: shown(0..2, at),
            met: (0..2).all(|prober| error(prober, at).abs() <= allowed),
            beside: shown(2..names.len(), at),
        });
    }
    Ok(rows)
}
