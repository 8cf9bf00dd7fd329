//! Whether what is told is true: each phase against the delay that was put into it, each failure against its cause.

use crate::{
    Bench, Row, Rows, Spread,
    clients::{CONNECT, PROBES, RUN},
    lab::{Fault, Lab, Pace, Service, World, world::Target},
    process::{Running, part},
    rows::{BLACKBOX_PORT, Blackbox, NAME, PROBE_PATH, number, wait_for, with_addresses},
};
use serde_json::Value;
use std::{error::Error, path::Path, process::Stdio, time::Duration};

/// Where the lab's DynamoDB is.
const ADDRESS: &str = "52.94.0.10";

/// Loses what matches, in the instance's kernel.
fn firewall(lab: &Lab, rule: Option<&str>) -> Result<(), Box<dyn Error>> {
    let chain = rule.map(|rule| format!("chain out {{\ntype filter hook output priority 0;\n{rule}\n}}\n"));
    let table = chain.map(|chain| format!("table ip onnet {{\n{chain}}}\n")).unwrap_or_default();
    let rules = format!("table ip onnet\ndelete table ip onnet\n{table}");
    let file = lab.directory().join("firewall");
    std::fs::write(&file, rules)?;
    let output = lab.command(Path::new("nft"))?.arg("-f").arg(&file).stderr(Stdio::piped()).output()?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}

const PHASES: [&str; 5] = ["resolve", "connect", "tls", "wait", "receive"];

/// Medians of the phases, in milliseconds, and of the whole, by three probers.
struct Told {
    phases: [f64; 5],
    total: f64,
}

fn medians(runs: &[[f64; 6]]) -> Told {
    let of = |at: usize| Spread::of(&runs.iter().map(|run| run[at]).collect::<Vec<_>>()).median;
    Told { phases: [of(0), of(1), of(2), of(3), of(4)], total: of(5) }
}

fn by_onnet(lab: &Lab, onnet: &str, runs: usize) -> Result<Told, Box<dyn Error>> {
    let mut all = Vec::new();
    for _ in 0..runs {
        let ran = part(lab, true, &[RUN, onnet, "check", "--probe", "health", "--format", "json"])?;
        let report: Value = serde_json::from_str(ran["output"].as_str().unwrap_or_default())?;
        let probe = &report["probes"][0];
        let mut run = [0.0; 6];
        for (figure, phase) in run.iter_mut().zip(PHASES) {
            *figure = number(&probe["phases"][phase])? * 1e3;
        }
        run[5] = number(&probe["total"])? * 1e3;
        all.push(run);
    }
    Ok(medians(&all))
}

fn by_blackbox(lab: &Lab, runs: usize) -> Result<Told, Box<dyn Error>> {
    let told = part(lab, false, &[PROBES, BLACKBOX_PORT, PROBE_PATH, "1", &runs.to_string()])?;
    let of = |name: &str| {
        let figures: Vec<f64> = told[name].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        Spread::of(&figures).median
    };
    let phases = ["resolve", "connect", "tls", "processing", "transfer"].map(of);
    Ok(Told { phases, total: of("total") })
}

fn by_curl(lab: &Lab, runs: usize) -> Result<Told, Box<dyn Error>> {
    let format = "%{time_namelookup} %{time_connect} %{time_appconnect} %{time_starttransfer} %{time_total}";
    let url = format!("https://{NAME}/");
    let mut all = Vec::new();
    for _ in 0..runs {
        let ran = part(lab, true, &[RUN, "curl", "-s", "--http1.1", "-o", "/dev/null", "-w", format, &url])?;
        let times: Vec<f64> =
            ran["output"].as_str().unwrap_or_default().split(' ').filter_map(|t| t.parse().ok()).collect();
        let [resolved, connected, secured, answered, ended] = times[..] else {
            return Err(format!("curl: {ran}").into());
        };
        let ends = [0.0, resolved, connected, secured, answered, ended];
        let mut run = [0.0; 6];
        for at in 0..5 {
            run[at] = (ends[at + 1] - ends[at]) * 1e3;
        }
        run[5] = ended * 1e3;
        all.push(run);
    }
    Ok(medians(&all))
}

fn connects(lab: &Lab, runs: usize) -> Result<f64, Box<dyn Error>> {
    let figures = part(lab, true, &[CONNECT, ADDRESS, &runs.to_string()])?;
    let figures: Vec<f64> = figures.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    Ok(Spread::of(&figures).median)
}

/// Delays are put into every phase at once, and each tool's own figures without them are taken off.
pub(crate) fn accuracy(bench: &mut Bench) -> Rows {
    let lab = bench.lab(World::on_net())?;
    let blackbox = Blackbox::new(bench, &lab)?;
    let running = Running::start(&lab, &blackbox.words())?;
    wait_for(&lab, BLACKBOX_PORT, "/metrics")?;
    let onnet = bench.onnet().to_owned();
    let runs = bench.times(20);
    let tools = |lab: &Lab| -> Result<[Told; 3], Box<dyn Error>> {
        Ok([by_onnet(lab, &onnet, runs)?, by_blackbox(lab, runs)?, by_curl(lab, runs)?])
    };
    let (without, raw) = (tools(&lab)?, connects(&lab, runs)?);
    let [resolve, tls, wait, receive] = [30, 25, 40, 50].map(Duration::from_millis);
    lab.set_pace(Pace { resolve, tls, wait, receive });
    // Every other SYN is lost, so that each connection waits for the kernel to send another.
    firewall(&lab, Some("ip daddr 52.94.0.0/22 tcp flags & (syn | ack) == syn numgen inc mod 2 == 0 drop"))?;
    let raw = connects(&lab, runs)? - raw;
    let with = tools(&lab)?;
    drop(running);
    // What the lab's timers made of it; its clock is not the one that is measured.
    let lingered = lab.lingered();
    let put = |phase: &str| {
        let took = lingered.get(phase).into_iter().flatten().map(|took| took.as_secs_f64() * 1e3);
        // Connections to others are not kept waiting.
        Spread::of(&took.filter(|took| *took > 20.0).collect::<Vec<_>>()).median
    };
    let truth = [put("resolve"), raw, put("tls"), put("wait"), put("receive")];
    let mut rows = Vec::new();
    let error = |tool: usize, at: usize| with[tool].phases[at] - without[tool].phases[at] - truth[at];
    for (at, phase) in PHASES.iter().enumerate() {
        let allowed = f64::max(1.0, truth[at] * 0.02);
        for (tool, who) in ["onnet", "blackbox_exporter", "curl"].into_iter().enumerate() {
            bench.keep(&format!("accuracy {phase}"), who, "ms", &[without[tool].phases[at], with[tool].phases[at]])?;
        }
        rows.push(Row {
            what: [
                "accuracy: 30 ms put into resolve",
                "… a lost SYN into connect",
                "… 25 ms into tls",
                "… 40 ms into wait",
                "… 50 ms into receive",
            ][at],
            budget: format!("{:.2} ms, within {allowed:.1}", truth[at]),
            onnet: format!("{:+.2} ms", error(0, at)),
            met: error(0, at).abs() <= allowed,
            beside: format!("blackbox_exporter {:+.2} ms, curl {:+.2} ms", error(1, at), error(2, at)),
        });
    }
    let off = |told: &Told| (told.phases.iter().sum::<f64>() / told.total - 1.0) * 100.0;
    rows.push(Row {
        what: "… the phases' sum against the total",
        budget: "within 1 %".into(),
        onnet: format!("{:+.2} %", off(&with[0])),
        met: off(&with[0]).abs() <= 1.0,
        beside: format!("blackbox_exporter {:+.2} %, curl {:+.2} %", off(&with[1]), off(&with[2])),
    });
    Ok(rows)
}

/// How a failure is brought about.
enum Cause {
    Fault(Service, Fault),
    Firewall(&'static str),
    /// One of eight addresses is dropped.
    OneOfEight,
}

/// A cause, the reason it must be given, and the phase.
type Truth = (&'static str, Cause, &'static str, Option<&'static str>);

fn truths() -> Vec<Truth> {
    use Cause::{Fault as F, Firewall, OneOfEight};
    let dynamodb = |fault| F(Service::DynamoDb, fault);
    let dns = |fault| F(Service::Dns, fault);
    vec![
        ("refused", dynamodb(Fault::Refuse), "connect_refused", Some("connect")),
        (
            "RST to the SYN",
            Firewall("ip daddr 52.94.0.0/22 tcp dport 443 reject with tcp reset"),
            "connect_refused",
            Some("connect"),
        ),
        ("SYN dropped", Firewall("ip daddr 52.94.0.0/22 drop"), "connect_timeout", Some("connect")),
        ("TLS silent", dynamodb(Fault::TlsSilence), "tls_timeout", Some("tls")),
        ("certificate of nobody trusted", dynamodb(Fault::UntrustedAuthority), "tls_certificate", Some("tls")),
        ("certificate for another name", dynamodb(Fault::WrongCertificate), "tls_certificate", Some("tls")),
        ("certificate expired", dynamodb(Fault::ExpiredCertificate), "tls_certificate", Some("tls")),
        ("HTTP 500", dynamodb(Fault::InternalError), "http_5xx", None),
        ("HTTP 400", dynamodb(Fault::Validation), "http_4xx", None),
        ("no answer", dynamodb(Fault::Silence), "wait_timeout", Some("wait")),
        ("body stalls", dynamodb(Fault::SlowBody), "receive_timeout", Some("receive")),
        ("answer truncated", dynamodb(Fault::Truncate), "connection_closed", Some("receive")),
        ("NXDOMAIN", dns(Fault::Nxdomain), "not_found", Some("resolve")),
        ("SERVFAIL", dns(Fault::Servfail), "failed", Some("resolve")),
        ("DNS silent", dns(Fault::Silence), "timed_out", Some("resolve")),
        ("DNS answer malformed", dns(Fault::Malformed), "malformed", Some("resolve")),
        ("one of 8 addresses dead", OneOfEight, "connect_timeout", Some("connect")),
    ]
}

/// The reason and phase that onnet tells: of the probe that failed, or of the name that was not resolved.
fn told(report: &Value) -> (String, Option<String>) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let probes = report["probes"].as_array().map_or(&[][..], Vec::as_slice);
    let failed: Vec<&Value> = probes.iter().filter(|probe| probe["result"] != "ok").collect();
    match failed.as_slice() {
        [] => {
            let ipv4 = &report["snapshot"]["resolutions"][NAME]["ipv4"]["unseen"]["reason"];
            (text(ipv4).unwrap_or_else(|| "nothing".into()), Some("resolve".into()))
        }
        [one] => (text(&one["result"]).unwrap_or_default(), text(&one["failed_in"])),
        several => (format!("{} failed", several.len()), None),
    }
}

pub(crate) fn failures(bench: &mut Bench) -> Rows {
    let onnet = bench.onnet().to_owned();
    let mut rows = Vec::new();
    for (what, cause, reason, phase) in truths() {
        let world = match cause {
            Cause::OneOfEight => {
                with_addresses(8).with_route("52.94.0.13/32", Target::nat("nat-0a1b2c3d"), "blackhole")
            }
            Cause::Fault(..) | Cause::Firewall(_) => World::on_net(),
        };
        let lab = bench.lab(world)?;
        match cause {
            Cause::Fault(service, fault) => lab.set_fault(service, Some(fault)),
            Cause::Firewall(rule) => firewall(&lab, Some(rule))?,
            Cause::OneOfEight => {}
        }
        let ran = part(&lab, true, &[RUN, &onnet, "check", "--format", "json", "--timeout", "5s"])?;
        let report: Value = serde_json::from_str(ran["output"].as_str().unwrap_or_default())?;
        let (said, said_phase) = told(&report);
        let blackbox = Blackbox::new(bench, &lab)?;
        let running = Running::start(&lab, &blackbox.words())?;
        wait_for(&lab, BLACKBOX_PORT, "/metrics")?;
        let beside = part(&lab, false, &[PROBES, BLACKBOX_PORT, PROBE_PATH, "1", "1"])?;
        drop(running);
        let first = |name: &str| beside[name][0].as_f64().unwrap_or(f64::NAN);
        let phases = ["resolve", "connect", "tls", "processing", "transfer"]
            .map(|name| format!("{name} {:.0}", first(name)))
            .join(", ");
        let shown = |reason: &str, phase: Option<&str>| match phase {
            Some(phase) => format!("`{reason}` in {phase}"),
            None => format!("`{reason}`"),
        };
        rows.push(Row {
            what,
            budget: shown(reason, phase),
            onnet: shown(&said, said_phase.as_deref()),
            met: said == reason && said_phase.as_deref() == phase,
            beside: format!(
                "blackbox_exporter: success {:.0}; ms: {phases}, total {:.0}",
                first("success"),
                first("total")
            ),
        });
    }
    Ok(rows)
}
