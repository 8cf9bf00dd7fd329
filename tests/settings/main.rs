//! Settings that the AWS SDK for Rust cannot stand, and secrets in every place they can be, on the binary as it is built.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

#[path = "../lab/mod.rs"]
mod lab;
mod secrets;
mod table;

use lab::{Lab, Mode, Ran, World, daemon::Daemon};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{fs, path::Path, process::Stdio, time::Duration};
use table::{Bad, Expected, HEADLINE, TABLE};

const ONNET: &str = env!("CARGO_BIN_EXE_onnet");
const PATIENCE: Duration = Duration::from_secs(60);

/// `onnet check`, with its probe to the Region's own name: on loopback nobody listens at its port.
fn check(lab: &Lab, bad: &Bad) -> Ran {
    let (config, credentials) = (lab.directory().join("config"), lab.directory().join("credentials"));
    fs::write(&config, bad.config).unwrap();
    fs::write(&credentials, bad.credentials).unwrap();
    let mut command = lab.command(Path::new(ONNET)).unwrap();
    command.args(["check", "-v", "--timeout", "5s", "--format", "json"]).args(lab.options());
    // So that what the profile says of endpoints counts.
    command.env_remove("AWS_ENDPOINT_URL_DYNAMODB").env_remove("AWS_ENDPOINT_URL_STS");
    command.env("AWS_CONFIG_FILE", config).env("AWS_SHARED_CREDENTIALS_FILE", credentials);
    command.envs(bad.variables.iter().map(|variable| variable.split_once('=').unwrap()));
    lab::run(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()), PATIENCE).unwrap()
}

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ran.stdout, ran.stderr))
}

/// What is wrong with how it ended, if anything.
fn wrong(bad: &Bad, ran: &Ran, usual: &Value) -> Option<String> {
    if ran.stderr.contains("defect") || ran.code.is_none() {
        return Some("it panics".to_owned());
    }
    let report = report(ran);
    let summary = report["summary"].as_str().unwrap();
    let findings = report["findings"].to_string();
    let is_usual = report["outcome"] == usual["outcome"] && report["names"] == usual["names"];
    let fine = match bad.expected {
        Expected::Used(named) => is_usual && ran.stderr.contains(named),
        Expected::Ignored => is_usual,
        Expected::Refused(named) => {
            ran.code == Some(3) && summary.contains(HEADLINE) && named.iter().all(|name| summary.contains(name))
        }
        Expected::Undetermined(why) => ran.code == Some(3) && findings.contains(why),
    };
    (!fine).then(|| format!("{summary}\n{findings}"))
}

#[test]
fn settings_of_other_sdks_are_used_or_refused_by_name() {
    let lab = Lab::start(World::on_net(), Mode::Loopback).unwrap();
    let nothing = Bad { variables: &[], config: "", credentials: "", expected: Expected::Ignored };
    let usual = report(&check(&lab, &nothing));
    assert_ne!(usual["outcome"], "undetermined", "{usual:#}");
    let mut failed = Vec::new();
    for bad in TABLE {
        let ran = check(&lab, bad);
        if let Some(wrong) = wrong(bad, &ran, &usual) {
            let Bad { variables, config, expected, .. } = bad;
            failed.push(format!("{variables:?} {config:?}: expected {expected:?}\n{wrong}\n{}", ran.stderr));
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n\n{}", failed.len(), TABLE.len(), failed.join("\n\n"));
}

/// What an answer of instance metadata holds goes into a path of the SDK's.
#[test]
fn a_role_whose_name_is_none_is_no_role() {
    let mut world = World::on_net();
    "<html> Sign in".clone_into(&mut world.role);
    let lab = Lab::start(world, Mode::Loopback).unwrap();
    let ran = check(&lab, &Bad { variables: &[], config: "", credentials: "", expected: Expected::Ignored });
    assert!(!ran.stderr.contains("defect"), "{}", ran.stderr);
    let findings = report(&ran)["findings"].to_string();
    assert!(findings.contains("no-credentials") && findings.contains("a role that cannot be one"), "{findings}");
}

const KEPT: &str = "the SDK's settings cannot be used; the last good ones are kept";
const READ: &str = "the settings files were read again";

#[test]
fn the_daemon_outlives_every_profile() {
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
        // So that what the profile says of endpoints counts.
        ("AWS_ENDPOINT_URL_DYNAMODB", ""),
    ];
    let options = lab.options();
    let options: Vec<&str> =
        ["--listen", "127.0.0.1:0"].into_iter().chain(options.iter().map(String::as_str)).collect();

    // At the start: it waits for better ones.
    let nothing = Bad { variables: &[], config: "", credentials: "", expected: Expected::Ignored };
    write(&Bad { config: "[default]\nretry_mode = sometimes\n", ..nothing });
    let mut daemon = Daemon::start_with(&lab, Path::new(ONNET), &options, &environment).unwrap();
    let refused = |event: &Value| event["gap"].as_str().is_some_and(|gap| gap.contains(HEADLINE));
    daemon.event(0, "the settings are refused", refused).unwrap();
    write(&nothing);
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
    let log = Value::Array(daemon.events()).to_string();
    assert!(!log.contains("defect"), "{log}");
    daemon.signal(Signal::SIGTERM).unwrap();
    assert!(daemon.end().unwrap().0.success());
}
