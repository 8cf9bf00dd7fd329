//! AWS's tutorial on DynamoDB endpoints: at every step `list-tables` answers, and `onnet check` says what is so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

#[path = "lab/mod.rs"]
mod lab;

use lab::{
    Lab, Mode, World, client, rights,
    tutorial::{STEPS, Step, association, offers},
    world::MAIN_TABLE,
};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::{path::Path, process::ExitCode};

const ONNET: &str = env!("CARGO_BIN_EXE_onnet");

fn main() -> ExitCode {
    if let Some(done) = client::run_if_asked() {
        return done;
    }
    let arguments = Arguments::from_args();
    // Before libtest-mimic starts threads.
    let rights = rights::gain();
    if let Err(reason) = &rights {
        eprintln!("tests that need network namespaces are ignored: {reason}");
    }
    let walk = |mode: Mode| {
        Trial::test(format!("onnet_tells_the_steps_of_the_tutorial_apart::{}", mode.name()), move || walk(mode))
            .with_ignored_flag(mode == Mode::Namespaces && rights.is_err())
    };
    libtest_mimic::run(&arguments, Mode::ALL.map(walk).into()).exit_code()
}

fn walk(mode: Mode) -> Result<(), Failed> {
    let lab = Lab::start(World::tutorial(), mode)?;
    let mut fix_offered = false;
    for (step, number) in STEPS.iter().zip(1..) {
        let command = Step::perform(number, &lab).map_err(|refused| refused.message)?;
        if number == 3 {
            assert!(fix_offered, "step 2 does not offer {command:?}");
        }
        let tables = lab.list_tables()?;
        assert!(tables.contains("Music"), "list-tables answers at step {number}: {tables}");
        let ran = lab.onnet(Path::new(ONNET), &["check", "--format", "json"])?;
        let report: Value = serde_json::from_str(&ran.stdout).map_err(|error| format!("{error}: {ran:?}"))?;
        let differences = step.differences(ran.code, &report);
        assert!(differences.is_empty(), "step {number}: {differences:?}\n{report:#}");
        let endpoint = lab.world().endpoints.first().map(|endpoint| endpoint.id.clone());
        fix_offered = endpoint.is_some_and(|endpoint| offers(&report, &association(&endpoint, MAIN_TABLE)));
    }
    Ok(())
}
