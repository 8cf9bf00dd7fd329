//! What the tests of the command line, the texts and the schemas share.
#![allow(dead_code, reason = "not every test uses all of it")]
#![allow(clippy::panic, reason = "a test may panic")]

use onnet_core::{
    judge::judge,
    model::{Report, Snapshot},
    present,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A path below `tests`.
pub(crate) fn below_tests(path: &str) -> PathBuf {
    // The tests of both packages share this file.
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest.ancestors().find(|folder| folder.join("Cargo.lock").exists()).expect("the workspace");
    root.join("tests").join(path)
}

/// A scenario of `tests/scenarios`: a world, and what must be concluded of it.
pub(crate) struct Scenario {
    pub(crate) world: Snapshot,
    pub(crate) expect: Value,
}

impl Scenario {
    /// Reads `tests/scenarios/{name}.json`: a change to `base.json`, which is a snapshot as `check --save` writes it.
    pub(crate) fn read(name: &str) -> Self {
        let read = |name: &str| -> Value {
            let path = below_tests("scenarios").join(format!("{name}.json"));
            let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let (mut world, mut scenario) = (read("base"), read(name));
        merge(&mut world, scenario["change"].take());
        let world = serde_json::from_value(world).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { world, expect: scenario["expect"].take() }
    }
}

/// The report on one of the scenarios.
pub(crate) fn scenario(name: &str) -> Report {
    judge(Scenario::read(name).world)
}

/// A JSON merge patch (RFC 7396), except that a fact replaces a fact whole: merging `unseen` into `seen` would leave
/// both. And the `mac` and `kind` of a device are null where it has none.
fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() && key != "mac" && key != "kind" {
                    target.remove(&key);
                } else if value.get("seen").is_some() || value.get("unseen").is_some() {
                    target.insert(key, value);
                } else {
                    merge(target.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (target, patch) => *target = patch,
    }
}

/// The JSON documents onnet can write, by contract, one of every scenario.
pub(crate) fn report_json(report: &Report) -> Value {
    serde_json::from_str(&present::json(report)).expect("our own JSON")
}

/// Holds `actual` against the file `path` below `tests`; `ONNET_BLESS=1` writes it instead.
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
