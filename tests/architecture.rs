//! The module rules of `src/lib.rs`, held against the source.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every `.rs` file below `src/{module}`, or `src/{module}.rs`.
fn sources(module: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut open = vec![root.join(module), root.join(format!("{module}.rs"))];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") && path.exists() {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path, text));
        }
    }
    assert!(!files.is_empty(), "src has no module {module}");
    files
}

/// The lines that are code: what stands before a `//`.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(n, line)| (n + 1, line.split("//").next().unwrap_or(line)))
}

fn assert_free_of(module: &str, words: &[&str]) {
    for (path, text) in sources(module) {
        for (n, line) in code(&text) {
            for word in words {
                assert!(!line.contains(word), "{}:{n}: {word:?} has no place in {module}: {line}", path.display());
            }
        }
    }
}

const IMPURE: [&str; 9] = ["async ", ".await", "tokio", "aws_", "hickory", "reqwest", "::now(", "std::env", "std::fs"];

#[test]
fn the_model_is_plain_data() {
    assert_free_of("model", &IMPURE);
    assert_free_of("model", &["crate::judge", "crate::observe", "crate::present", "tracing"]);
    let allowed = ["std", "super", "crate", "serde", "schemars", "ipnet"];
    for (path, text) in sources("model") {
        // Re-exports (`pub use`) are of the model's own files.
        for (n, line) in code(&text) {
            let Some(import) = line.trim_start().strip_prefix("use ") else { continue };
            let root = import.split(&[':', ';', ' '][..]).next().unwrap();
            let place = path.display();
            assert!(allowed.contains(&root), "{place}:{n}: the model imports {}, not {root}", allowed.join(", "));
        }
    }
}

#[test]
fn the_judge_is_pure_and_sees_only_the_model() {
    assert_free_of("judge", &IMPURE);
    assert_free_of("judge", &["crate::observe", "crate::present", "tracing", "println!", "eprintln!"]);
}

#[test]
fn presenting_makes_strings_and_sees_only_the_model() {
    assert_free_of("present", &IMPURE);
    assert_free_of("present", &["crate::observe", "crate::judge", "println!", "eprintln!", "print!"]);
}

#[test]
fn observing_sees_only_the_model() {
    assert_free_of("observe", &["crate::judge", "crate::present", "println!", "eprintln!"]);
}

#[test]
fn serving_sees_the_model_the_texts_and_what_is_published() {
    assert_free_of("serve", &["crate::judge", "crate::observe", "reqwest", "println!", "eprintln!"]);
}

#[test]
fn types_of_the_aws_sdk_end_in_observe() {
    for module in ["model", "judge", "present", "serve", "cli", "main", "lib"] {
        assert_free_of(module, &["aws_sdk_", "aws_smithy", "aws_config", "aws_types"]);
    }
}
