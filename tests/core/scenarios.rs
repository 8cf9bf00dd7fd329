//! Every file of `tests/scenarios` is a world and what must be concluded of it.
//!
//! A scenario is a change (a JSON merge patch, RFC 7396) to `base.json`, which is a snapshot as `onnet check --save`
//! writes it, and an expectation: the outcome, exactly these finding codes, and any fields of the report.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;

use common::{Scenario, below_tests};
use onnet_core::{
    judge::judge,
    model::{Report, Severity},
};
use serde_json::Value;
use std::{collections::BTreeMap, fs};

/// Every scenario by name: the report, and what was expected.
fn scenarios() -> BTreeMap<String, (Report, Value)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(below_tests("scenarios")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name != "base" {
            let scenario = Scenario::read(&name);
            all.insert(name, (judge(scenario.world), scenario.expect));
        }
    }
    assert!(all.len() > 100, "only {} scenarios found", all.len());
    all
}

/// Whether `actual` has everything `expected` has. Lists of objects are compared item by item, in order.
fn differences(expected: &Value, actual: &Value, at: &str, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (key, value) in expected {
                differences(value, actual.get(key).unwrap_or(&Value::Null), &format!("{at}.{key}"), found);
            }
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            for (i, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                differences(expected, actual, &format!("{at}[{i}]"), found);
            }
        }
        (expected, actual) if expected == actual => {}
        (expected, actual) => found.push(format!("{at}: expected {expected}, found {actual}")),
    }
}

#[test]
fn every_scenario_is_judged_as_expected() {
    let mut failures = Vec::new();
    for (name, (report, mut expect)) in scenarios() {
        let mut found = Vec::new();
        let expect_map = expect.as_object_mut().unwrap();

        let mut codes: Vec<&str> = report.findings.iter().map(|finding| finding.code.name()).collect();
        codes.sort_unstable();
        codes.dedup();
        let expected_codes = expect_map.remove("findings").expect("every scenario says which findings it has");
        differences(&expected_codes, &serde_json::to_value(&codes).unwrap(), "finding codes", &mut found);
        for fix in expect_map.remove("fixes").iter().flat_map(|fixes| fixes.as_array().unwrap()) {
            if !report.findings.iter().any(|finding| finding.fix.as_deref() == fix.as_str()) {
                let fixes: Vec<_> = report.findings.iter().filter_map(|finding| finding.fix.clone()).collect();
                found.push(format!("expected the fix {fix}, found {fixes:?}"));
            }
        }
        for word in expect_map.remove("mentions").iter().flat_map(|words| words.as_array().unwrap()) {
            let messages: Vec<_> = report.findings.iter().map(|finding| finding.message.as_str()).collect();
            if !messages.iter().any(|message| message.contains(word.as_str().unwrap())) {
                found.push(format!("expected a finding that mentions {word}, found {messages:?}"));
            }
        }
        differences(&expect, &serde_json::to_value(&report).unwrap(), "report", &mut found);
        if !found.is_empty() {
            failures.push(format!("{name}:\n    {}\n    {}", found.join("\n    "), report.summary));
        }
    }
    assert!(failures.is_empty(), "{} scenarios failed\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_report_and_its_snapshot_survive_json() {
    for (name, (report, _)) in scenarios() {
        let text = serde_json::to_string(&report).unwrap();
        let back: Report = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(back, report, "{name}");
        assert_eq!(judge(back.snapshot), report, "{name}: judged again");
    }
}

#[test]
fn on_net_is_said_only_where_every_address_and_range_is_on_net_and_nothing_warns() {
    let mut on_net = 0;
    for (name, (report, _)) in scenarios() {
        if report.outcome.exit_code() != 0 {
            continue;
        }
        on_net += 1;
        assert!(report.addresses.iter().any(|address| address.in_use), "{name}");
        assert!(report.addresses.iter().filter(|a| a.in_use).all(|a| a.verdict.is_on_net()), "{name}");
        assert!(report.coverage.iter().all(|range| range.verdict.is_on_net()), "{name}");
        assert!(report.findings.iter().all(|finding| finding.severity == Severity::Info), "{name}");
    }
    assert!(on_net > 5, "only {on_net} scenarios are on-net");
}

#[test]
fn whatever_is_not_on_net_has_a_finding_that_says_why() {
    for (name, (report, _)) in scenarios() {
        let worst = report.findings.iter().map(|finding| finding.severity).max();
        let explained = worst >= Some(Severity::Warning);
        assert!(explained || report.outcome.exit_code() == 0, "{name}: {}", report.summary);
    }
}

/// Creating or associating an endpoint drops open connections: nobody is to learn that from the outage.
#[test]
fn every_fix_that_changes_dynamodbs_route_says_what_it_does_to_open_connections() {
    let mut fixes = 0;
    for (name, (report, _)) in scenarios() {
        let changes = |fix: &str| fix.contains("vpc-endpoint") || fix.contains("delete-route");
        for finding in report.findings.iter().filter(|f| f.fix.as_deref().is_some_and(changes)) {
            fixes += 1;
            assert!(finding.caution.is_some(), "{name}: {finding:?}");
            let by_endpoint = finding.fix.as_deref().is_some_and(|fix| fix.contains("vpc-endpoint"));
            let told = finding.caution.as_deref().is_some_and(|caution| caution.contains("open DynamoDB connections"));
            assert!(told || !by_endpoint, "{name}: {finding:?}");
        }
    }
    assert!(fixes > 10, "only {fixes} such fixes");
}

/// Words that say more than is known: AWS states that traffic by an internet or NAT gateway stays on its network.
#[test]
fn no_sentence_claims_that_traffic_crosses_the_internet() {
    for (name, (report, _)) in scenarios() {
        let sentences = report.findings.iter().map(|finding| &finding.message);
        let sentences = sentences.chain(report.addresses.iter().map(|address| &address.reason));
        for sentence in sentences.chain([&report.summary]) {
            let without = sentence.replace("internet gateway", "");
            assert!(!without.contains("internet"), "{name}: {sentence}");
        }
    }
}
