//! Tests in the lab, and with third-party programs: Prometheus, promtool, OpenSSL.
//!
//! Tests that cannot run here are listed as ignored, and the reason is printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/dashboard.rs"]
mod dashboard;
#[path = "mod.rs"]
mod lab;
#[path = "../common/page.rs"]
mod page;
#[path = "../common/faces.rs"]
mod shown;
mod tests;
#[path = "../common/web.rs"]
mod web;

use lab::{client, rights};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::{self, Command, ExitCode};

const ONNET: &str = env!("CARGO_BIN_EXE_onnet");

type Done = Result<(), Failed>;
type Test = fn() -> Done;

fn main() -> ExitCode {
    if let Some(done) = client::run_if_asked().or_else(tests::scrape_if_asked) {
        return done;
    }
    let mut arguments = Arguments::from_args();
    // They mostly wait for deadlines and periods, not for the processor.
    arguments.test_threads = arguments.test_threads.or(Some(4));
    go_first();
    // Before libtest-mimic starts threads.
    let namespaces = rights::gain();
    if let Err(why) = &namespaces {
        eprintln!("no network namespaces, so the tests that need them are ignored: {why}");
    }
    libtest_mimic::run(&arguments, tests::trials(namespaces.is_ok())).exit_code()
}

/// Tests by name, all of them ignored where they cannot run.
fn named(tests: impl IntoIterator<Item = (&'static str, Test)>, can_run: bool) -> Vec<Trial> {
    tests.into_iter().map(|(name, test)| Trial::test(name, test).with_ignored_flag(!can_run)).collect()
}

/// Whether a program is installed. Prints a line if it is not.
fn is_installed(program: &str) -> bool {
    let is_installed = Command::new(program).arg("--version").output().is_ok();
    if !is_installed {
        eprintln!("no {program}, so the tests that need it are ignored");
    }
    is_installed
}

/// Raises the priority of this process and its children, where that is allowed: the tests have deadlines, and a build on the same
/// machine must not delay them.
fn go_first() {
    let this = process::id().to_string();
    let _ = Command::new("renice").args(["-n", "-10", "-p", &this]).output();
}
