//! Runs an onnet with each line of the table. Shared with the test of the packages.

use super::table::{Bad, Expected, HEADLINE, TABLE};
use crate::lab::{self, Lab, Mode, Ran, World, daemon::Daemon};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{fs, path::Path, process::Stdio, time::Duration};

const PATIENCE: Duration = Duration::from_secs(60);

/// No wrong setting.
pub(crate) const NOTHING: Bad = Bad { variables: &[], config: "", credentials: "", expected: Expected::Ignored };

/// `onnet check`, with its probe to the Region's own name: on loopback its port has no listener.
pub(crate) fn check(lab: &Lab, onnet: &Path, bad: &Bad) -> Ran {
    let (config, credentials) = (lab.directory().join("config"), lab.directory().join("credentials"));
    fs::write(&config, bad.config).unwrap();
    fs::write(&credentials, bad.credentials).unwrap();
    let mut command = lab.command(onnet).unwrap();
    command.args(["check", "-v", "--timeout", "5s", "--format", "json"]).args(lab.options());
    // Otherwise these variables would override the endpoint URLs of the profile.
    command.env_remove("AWS_ENDPOINT_URL_DYNAMODB").env_remove("AWS_ENDPOINT_URL_STS");
    command.env("AWS_CONFIG_FILE", config).env("AWS_SHARED_CREDENTIALS_FILE", credentials);
    command.envs(bad.variables.iter().map(|variable| variable.split_once('=').unwrap()));
    lab::run(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()), PATIENCE).unwrap()
}

pub(crate) fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ran.stdout, ran.stderr))
}

/// The messages of the findings of one code.
fn findings_of<'r>(report: &'r Value, code: &str) -> impl Iterator<Item = &'r str> {
    let findings = report["findings"].as_array().into_iter().flatten();
    findings.filter(move |finding| finding["code"] == code).filter_map(|finding| finding["message"].as_str())
}

/// The difference from the expected end, if there is one.
fn wrong(bad: &Bad, ran: &Ran, usual: &Value) -> Option<String> {
    if ran.stderr.contains("defect") || ran.code.is_none() {
        return Some("it panics".to_owned());
    }
    let report = report(ran);
    let summary = report["summary"].as_str().unwrap();
    let findings = report["findings"].to_string();
    let is_usual = report["outcome"] == usual["outcome"] && report["names"] == usual["names"];
    let fine = match bad.expected {
        Expected::Used(named) => {
            is_usual
                && ran.stderr.contains(named)
                && findings_of(&report, "setting-ignored").any(|said| said.contains(named))
        }
        Expected::Ignored => is_usual,
        Expected::Refused(named) => {
            ran.code == Some(3) && summary.contains(HEADLINE) && named.iter().all(|name| summary.contains(name))
        }
        Expected::Undetermined(why) => ran.code == Some(3) && findings.contains(why),
    };
    (!fine).then(|| format!("{summary}\n{findings}"))
}

/// Every line of the table, at the start of a check.
pub(crate) fn at_the_start(onnet: &Path) {
    let lab = Lab::start(World::on_net(), Mode::Loopback).unwrap();
    let usual = report(&check(&lab, onnet, &NOTHING));
    assert_ne!(usual["outcome"], "undetermined", "{usual:#}");
    let mut failed = Vec::new();
    for bad in TABLE {
        let ran = check(&lab, onnet, bad);
        if let Some(wrong) = wrong(bad, &ran, &usual) {
            let Bad { variables, config, expected, .. } = bad;
            failed.push(format!("{variables:?} {config:?}: expected {expected:?}\n{wrong}\n{}", ran.stderr));
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n\n{}", failed.len(), TABLE.len(), failed.join("\n\n"));
}

const KEPT: &str = "the SDK's settings cannot be used; the last good ones are kept";
const READ: &str = "the settings files were read again";

/// Every profile of the table on SIGHUP, and a wrong one at the start.
pub(crate) fn on_sighup(onnet: &Path) {
    let lab = Lab::start(World::on_net(), Mode::Loopback).unwrap();
    let files = ["config", "credentials"].map(|name| lab.directory().join(name));
    let write = |bad: &Bad| {
        fs::write(&files[0], bad.config).unwrap();
        fs::write(&files[1], bad.credentials).unwrap();
    };
    let [config, credentials] = files.each_ref().map(|file| file.to_str().unwrap());
    let environment = [
        ("AWS_CONFIG_FILE", config),
        ("AWS_SHARED_CREDENTIALS_FILE", credentials),
        // Otherwise these variables would override the endpoint URLs of the profile.
        ("AWS_ENDPOINT_URL_DYNAMODB", ""),
    ];
    let options = lab.options();
    let options: Vec<&str> =
        ["--listen", "127.0.0.1:0"].into_iter().chain(options.iter().map(String::as_str)).collect();

    // At the start: the daemon waits for correct settings.
    write(&Bad { config: "[default]\nretry_mode = sometimes\n", ..NOTHING });
    let mut daemon = Daemon::start_with(&lab, onnet, &options, &environment).unwrap();
    let refused = |event: &Value| event["gap"].as_str().is_some_and(|gap| gap.contains(HEADLINE));
    daemon.event(0, "the settings are refused", refused).unwrap();
    write(&NOTHING);
    let (_, mut skip) = daemon.outcome(0, "at_risk").unwrap();

    // On SIGHUP.
    for bad in TABLE.iter().filter(|bad| bad.variables.is_empty()) {
        write(bad);
        daemon.signal(Signal::SIGHUP).unwrap();
        let done = |event: &Value| event["message"] == KEPT || event["message"] == READ;
        let (event, seen) = daemon.event(skip, bad.config, done).unwrap();
        skip = seen;
        let named = match bad.expected {
            Expected::Refused(named) => named,
            Expected::Used(_) | Expected::Ignored | Expected::Undetermined(_) => &[],
        };
        let message = if named.is_empty() { READ } else { KEPT };
        assert_eq!(event["message"], message, "{:?}: {event}", bad.config);
        let gap = event["gap"].as_str().unwrap_or_default();
        assert!(named.iter().all(|name| gap.contains(name)), "{:?}: {event}", bad.config);
    }
    write(&NOTHING);
    let bundle = lab.ca_bundle();
    let certificates = fs::read(bundle).unwrap();
    for (content, message) in [(&b"no certificate"[..], KEPT), (&certificates, READ)] {
        fs::write(bundle, content).unwrap();
        daemon.signal(Signal::SIGHUP).unwrap();
        let done = |event: &Value| event["message"] == KEPT || event["message"] == READ;
        let (event, seen) = daemon.event(skip, "the certificates are read again", done).unwrap();
        skip = seen;
        assert_eq!(event["message"], message, "{event}");
        let gap = event["gap"].as_str().unwrap_or_default();
        assert!(message == READ || gap.contains("AWS_CA_BUNDLE") && gap.contains(HEADLINE), "{event}");
    }
    let log = Value::Array(daemon.events()).to_string();
    assert!(!log.contains("defect"), "{log}");
    daemon.signal(Signal::SIGTERM).unwrap();
    assert!(daemon.end().unwrap().0.success());
}
