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
use table::Bad;

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

#[test]
fn a_setting_that_chooses_a_name_is_named() {
    const URL: &str = "AWS_ENDPOINT_URL_DYNAMODB=http://localhost:8000";
    let lab = Lab::start(World::on_net(), Mode::Loopback).unwrap();
    let cases: [(&'static [&'static str], &'static str, &str); 5] = [
        (&["AWS_USE_FIPS_ENDPOINT=true"], "", "AWS_USE_FIPS_ENDPOINT"),
        (&[], "[default]\nuse_dualstack_endpoint = true\n", "use_dualstack_endpoint of profile default in "),
        (&["AWS_USE_DUALSTACK_ENDPOINT=false"], "[default]\nuse_dualstack_endpoint = true\n", ""),
        (&[URL], "", "AWS_ENDPOINT_URL_DYNAMODB"),
        (&[URL, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true"], "", ""),
    ];
    for (variables, config, expected) in cases {
        let report = report(&check(&lab, Path::new(ONNET), &Bad { variables, config, ..NOTHING }));
        let of_name = report["names"][0]["chosen_by"].as_array().into_iter().flatten();
        let chosen: Vec<&str> = of_name.filter_map(|one| one.as_str()).filter(|one| *one != "AWS_REGION").collect();
        let is_right =
            if expected.is_empty() { chosen.is_empty() } else { chosen.iter().any(|one| one.starts_with(expected)) };
        assert!(is_right, "{variables:?} {config:?}: {}", report["names"]);
    }
}
