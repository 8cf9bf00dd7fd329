//! Accuracy of reported failures: reason and phase are compared with the cause.

use crate::{
    Bench, Row, Rows,
    clients::{PROBES, RUN},
    lab::{Fault, Lab, Service, World, world::Target},
    process::{Running, part},
    rows::{BLACKBOX_PORT, Blackbox, NAME, PROBE_PATH, wait_for, with_addresses},
};
use serde_json::Value;
use std::{error::Error, path::Path, process::Stdio};

/// Adds a firewall rule in the instance's kernel; `None` removes it.
fn firewall(lab: &Lab, rule: Option<&str>) -> Result<(), Box<dyn Error>> {
    let chain = rule.map(|rule| format!("chain out {{\ntype filter hook output priority 0;\n{rule}\n}}\n"));
    let table = chain.map(|chain| format!("table ip onnet {{\n{chain}}}\n")).unwrap_or_default();
    let rules = format!("table ip onnet\ndelete table ip onnet\n{table}");
    let file = lab.directory().join("firewall");
    std::fs::write(&file, rules)?;
    let output = lab.command(Path::new("nft"))?.arg("-f").arg(&file).stderr(Stdio::piped()).output()?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}

/// What causes the failure.
enum Cause {
    Fault(Service, Fault),
    Firewall(&'static str),
    /// One of eight addresses is dropped.
    OneOfEight,
}

/// A name, its cause, and the reason and the phase that must be reported.
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
        ("certificate of an untrusted authority", dynamodb(Fault::UntrustedAuthority), "tls_certificate", Some("tls")),
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
        ("DNS answer truncated, complete by TCP", dns(Fault::CutOff), "ok", None),
        ("DNS answer truncated, TCP silent", dns(Fault::CutOffForGood), "timed_out", Some("resolve")),
        ("DNS answer empty", dns(Fault::Nodata), "name-not-resolved", Some("resolve")),
        ("DNS answer malformed", dns(Fault::Malformed), "malformed", Some("resolve")),
        ("one of 8 addresses dead", OneOfEight, "connect_timeout, 7 others ok", Some("connect")),
    ]
}

/// The reason and phase that onnet reports: of the probe that failed, or of the name that was not resolved.
fn reported(report: &Value) -> (String, Option<String>) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let probes = report["probes"].as_array().map_or(&[][..], Vec::as_slice);
    let (well, failed): (Vec<&Value>, Vec<&Value>) = probes.iter().partition(|probe| probe["result"] == "ok");
    let unresolved = &report["snapshot"]["resolutions"][NAME]["ipv4"]["unseen"]["reason"];
    let found = |code: &str| report["findings"].as_array().into_iter().flatten().any(|finding| finding["code"] == code);
    match (failed.as_slice(), &well.len()) {
        ([], 0) if unresolved.is_string() => (text(unresolved).unwrap_or_default(), Some("resolve".into())),
        ([], 0) if found("name-not-resolved") => ("name-not-resolved".into(), Some("resolve".into())),
        ([], 0) => ("nothing".into(), None),
        ([], _) => ("ok".into(), None),
        ([one], well) => {
            let (reason, phase) = (text(&one["result"]).unwrap_or_default(), text(&one["failed_in"]));
            let others = if *well > 0 { format!(", {well} others ok") } else { String::new() };
            let beyond = phase.as_deref().map(|phase| reported_beyond(one, phase)).unwrap_or_default();
            (format!("{reason}{others}{beyond}"), phase)
        }
        (several, _) => (format!("{} failed", several.len()), None),
    }
}

/// The phases after the one that failed that have a time. There must be none, because they were not reached.
fn reported_beyond(probe: &Value, failed_in: &str) -> String {
    let phases = ["resolve", "connect", "tls", "send", "wait", "receive"];
    let beyond = phases.into_iter().skip_while(|phase| *phase != failed_in).skip(1);
    beyond.filter(|phase| !probe["phases"][phase].is_null()).map(|phase| format!(", and a time of {phase}")).collect()
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
        let (said, said_phase) = reported(&report);
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
            None => format!("`{reason}`, every phase ended"),
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
