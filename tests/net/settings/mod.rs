//! Settings that the AWS SDK for Rust does not accept, and secrets in every possible place, with the built binary.

mod run;
mod secrets;
mod table;

use crate::{
    ONNET,
    lab::{Lab, Mode, World},
};
use run::{NOTHING, check, report};
use std::path::Path;

#[test]
fn settings_of_other_sdks_are_used_or_refused_by_name() {
    run::at_the_start(Path::new(ONNET));
}

#[test]
fn the_daemon_outlives_every_profile() {
    run::on_sighup(Path::new(ONNET));
}

/// The SDK puts text from an answer of instance metadata into a path.
#[test]
fn a_role_whose_name_is_none_is_no_role() {
    let mut world = World::on_net();
    "<html> Sign in".clone_into(&mut world.role);
    let lab = Lab::start(world, Mode::Loopback).unwrap();
    let ran = check(&lab, Path::new(ONNET), &NOTHING);
    assert!(!ran.stderr.contains("defect"), "{}", ran.stderr);
    let findings = report(&ran)["findings"].to_string();
    assert!(findings.contains("no-credentials") && findings.contains("a role that cannot be one"), "{findings}");
}
