//! Helpers of the tests of the command line, the texts and the schemas.
#![allow(dead_code, unused_imports, reason = "not every test uses all of it")]
#![allow(clippy::panic, reason = "a test may panic")]

use onnet_core::{model::Report, present};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) mod edits;

#[path = "../core/scenarios/mod.rs"]
pub(crate) mod scenarios;

pub(crate) use scenarios::{Scenario, scenario};

/// A path below `tests`.
pub(crate) fn below_tests(path: &str) -> PathBuf {
    // The tests of both packages use this file.
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest.ancestors().find(|folder| folder.join("Cargo.lock").exists()).expect("the workspace");
    root.join("tests").join(path)
}

/// The JSON documents that onnet can write, by schema, one for every scenario.
pub(crate) fn report_json(report: &Report) -> Value {
    serde_json::from_str(&present::json(report)).expect("our own JSON")
}

/// Compares `actual` with the file `path` below `tests`; `ONNET_BLESS=1` writes the file instead.
pub(crate) fn golden(path: &str, actual: &str) -> Result<(), String> {
    let file = below_tests(path);
    #[expect(clippy::disallowed_methods, reason = "the one setting of the tests")]
    if std::env::var("ONNET_BLESS").is_ok_and(|bless| bless == "1") {
        fs::create_dir_all(file.parent().expect("a directory")).expect("a directory to write to");
        fs::write(&file, actual).expect("a golden to write");
        return Ok(());
    }
    match fs::read_to_string(&file) {
        Ok(expected) if expected == actual => Ok(()),
        Ok(expected) => Err(format!("{path} differs\n--- expected\n{expected}\n--- actual\n{actual}")),
        Err(error) => Err(format!("{path}: {error}; ONNET_BLESS=1 writes it\n--- actual\n{actual}")),
    }
}
