//! Compares the README and the pages of `dist/doc` with the code.

use onnet_core::{
    judge::{CatalogueEntry, catalogue},
    model::{EndpointState, FindingCode, Gap, Outcome, ProbeResult, ProofLevel},
    present,
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The directory of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

const README: &str = "README.md";
const VERDICTS: &str = "dist/doc/verdicts.md";
const WITNESS: &str = "dist/doc/witness.md";

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The rows of the table that follows `heading`, without the table's head.
fn rows(page_name: &str, heading: &str) -> Vec<String> {
    let text = page(page_name);
    let (_, section) = text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2).map(str::to_owned).collect()
}

/// Their first cells, without backticks.
fn first_cells(page_name: &str, heading: &str) -> Vec<String> {
    let cell = |row: String| row.split('|').nth(1).unwrap().trim().trim_matches('`').to_owned();
    rows(page_name, heading).into_iter().map(cell).collect()
}

#[test]
fn the_findings_of_the_readme_are_those_of_the_catalogue() {
    let row = |entry: &CatalogueEntry| format!("| `{}` | {} | {} |", entry.code, entry.severity.name(), entry.meaning);
    let catalogue: Vec<String> = catalogue().iter().map(row).collect();
    let shown = rows(README, "## Findings");
    assert!(shown.len() >= 8, "{shown:?}");
    for row in shown {
        assert!(catalogue.contains(&row), "the catalogue has no such finding: {row}");
    }
}

#[test]
fn the_catalogue_has_every_code_once_and_says_something_of_each() {
    let codes: Vec<FindingCode> = catalogue().iter().map(|entry| entry.code).collect();
    assert_eq!(codes, FindingCode::ALL);
    for entry in catalogue() {
        assert_eq!(entry.code.entry(), *entry);
        for text in [entry.meaning, entry.evidence, entry.fix] {
            assert!((5..=140).contains(&text.chars().count()), "{}: {text}", entry.code);
            assert!(!text.ends_with('.') && !text.contains("  "), "{}: {text}", entry.code);
        }
    }
}

#[test]
fn the_table_of_reasons_lists_every_reason_once_and_no_other() {
    let listed = first_cells(VERDICTS, "## Missing facts");
    assert_eq!(listed.iter().map(String::as_str).collect::<BTreeSet<_>>(), Gap::REASONS.iter().copied().collect());
    assert_eq!(listed.len(), Gap::REASONS.len());
}

/// Each state and type of an endpoint that AWS documents, in the words of EC2's answers.
#[test]
fn the_tables_of_endpoints_have_every_state_and_type() {
    let text = page(VERDICTS);
    let (_, section) = text.split_once("\n## Endpoints\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let words: BTreeSet<&str> = cells.flat_map(|cell| cell.split(", ")).map(|word| word.trim_matches('`')).collect();
    let states = [
        "available",
        "pending",
        "pendingAcceptance",
        "partial",
        "deleting",
        "deleted",
        "rejected",
        "failed",
        "expired",
    ];
    let types = ["Gateway", "Interface", "GatewayLoadBalancer", "Resource", "ServiceNetwork", "Tunnel"];
    for state in states {
        assert!(!matches!(EndpointState::parse(state), EndpointState::Other(_)), "{state}");
    }
    assert_eq!(words, states.into_iter().chain(types).collect());
}

/// The lines of the table link to sections that exist, and name findings and options that exist.
#[test]
fn the_table_of_odd_networks_names_what_there_is() {
    let verdicts = page(VERDICTS).to_lowercase();
    let sources = sources();
    let rows = rows(README, "## Odd networks");
    assert!(rows.len() >= 8, "{rows:?}");
    for row in rows {
        let (_, link) = row.split_once("dist/doc/verdicts.md#").unwrap_or_else(|| panic!("no link: {row}"));
        let (anchor, _) = link.split_once(')').unwrap();
        let heading = format!("\n## {}\n", anchor.replace('-', " "));
        assert!(verdicts.replace('\'', "").contains(&heading), "{heading:?}");
        let named = row.rsplit('|').nth(1).unwrap().split(", ").map(|name| name.trim().trim_matches('`'));
        for name in named {
            let is_finding = FindingCode::ALL.iter().any(|code| code.to_string() == name);
            let name = name.trim_start_matches("--").replace('-', "_");
            assert!(is_finding || sources.contains(&name), "{name}");
        }
    }
}

#[test]
fn the_exit_code_table_is_that_of_the_outcomes() {
    let text = page(README);
    for outcome in Outcome::ALL {
        let row = format!("| {} | `{outcome}` |", outcome.exit_code());
        assert!(text.contains(&row), "the README lacks {row}");
    }
}

#[test]
fn every_proof_level_is_documented() {
    let text = page(README);
    for level in ProofLevel::ALL {
        assert!(text.contains(&format!("| `{}` |", level.name())), "{}", level.name());
    }
}

#[test]
fn the_policy_and_the_table_of_permissions_name_the_same_actions() {
    let listed: BTreeSet<String> = first_cells(README, "## Permissions").into_iter().collect();
    let text = page(README);
    let (_, policy) = text.split_once("```json").unwrap();
    let (policy, _) = policy.split_once("```").unwrap();
    let policy: serde_json::Value = serde_json::from_str(policy).unwrap();
    let actions = policy["Statement"].as_array().unwrap().iter().flat_map(|statement| match &statement["Action"] {
        serde_json::Value::Array(actions) => actions.clone(),
        one => vec![one.clone()],
    });
    let actions: BTreeSet<String> = actions.map(|action| action.as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, actions);
}

/// The page on the witness explains the tables that the policy allows, and no others.
#[test]
fn the_tables_of_the_policy_are_those_that_are_explained() {
    let policy: serde_json::Value =
        serde_json::from_str(&present::policy_json(present::PolicyKind::Role, "aws")).unwrap();
    let table = |statement: &serde_json::Value| {
        let resource = statement["Resource"].as_str().unwrap().to_owned();
        resource.rsplit_once("table/").unwrap().1.to_owned()
    };
    let allowed: BTreeSet<String> = policy["Statement"].as_array().unwrap().iter().map(table).collect();
    let explained: BTreeSet<String> = first_cells(WITNESS, "## How it is asked").into_iter().collect();
    assert_eq!(explained, allowed);
    for statement in policy["Statement"].as_array().unwrap() {
        assert_eq!(statement["Action"], "dynamodb:DescribeTable", "the README's Permissions name this action alone");
    }
}

/// Every source file as one text, with wrapped string literals joined.
fn sources() -> String {
    let mut text = String::new();
    let mut open: Vec<PathBuf> = vec![root().join("src")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for line in fs::read_to_string(&path).unwrap().lines() {
                match line.strip_suffix('\\') {
                    Some(wrapped) => text.push_str(wrapped.trim_start()),
                    None => text.extend([line.trim_start(), "\n"]),
                }
            }
        }
    }
    text
}

#[test]
fn the_readme_has_the_rust_version_of_the_manifest() {
    let version = concat!("Rust ", env!("CARGO_PKG_RUST_VERSION"), " or newer");
    assert!(page(README).contains(version), "the README lacks {version:?}");
}

#[test]
fn every_message_of_the_troubleshooting_table_is_one_onnet_can_print() {
    let sources = sources();
    let messages = first_cells(VERDICTS, "## Troubleshooting, by message");
    assert!(messages.len() > 5, "{messages:?}");
    for message in messages {
        for part in message.split('…').map(str::trim).filter(|part| part.len() > 1) {
            let is_name = ProbeResult::ALL.iter().any(|result| result.name() == part);
            assert!(is_name || sources.contains(part), "{message:?}: no source file says {part:?}");
        }
    }
}
