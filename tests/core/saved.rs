//! Saved rounds of older versions. `saved-1` has reports that onnet d122e8c wrote, the last commit of schema 1. They and
//! their snapshots must lead to the same outcome as then.

use crate::common::{below_tests, edits, scenarios};
use onnet_core::{
    import::saved::{self, SavedError},
    judge::judge,
    model::{Gap, Outcome, SCHEMA},
    present,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

/// Every report of schema 1, by name.
fn reports() -> Vec<(String, Value)> {
    let files = fs::read_dir(below_tests("core/saved-1")).unwrap();
    let read = |path: std::path::PathBuf| {
        let report: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!((&report["schema"], &report["snapshot"]["schema"]), (&json!(1), &json!(1)));
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), report)
    };
    let reports: Vec<_> = files.map(|file| read(file.unwrap().path())).collect();
    assert_eq!(reports.len(), 6);
    reports
}

/// The reasons of missing facts in a document.
fn reasons(document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    match document {
        Value::Object(fields) => {
            let is_gap = fields.len() == 2 && fields.contains_key("reason");
            found.extend(fields.get("reason").filter(|_| is_gap).and_then(Value::as_str).map(str::to_owned));
            found.extend(fields.values().flat_map(reasons));
        }
        Value::Array(items) => found.extend(items.iter().flat_map(reasons)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found
}

/// Which of two values counts is not known, and an id that AWS cannot have written matches nothing.
#[test]
fn a_key_that_is_there_twice_and_an_impossible_id_are_refused() {
    let snapshot = serde_json::to_string(&scenarios::base()).unwrap();
    let twice = |key: &str| {
        let at = snapshot.find(key).unwrap();
        let (before, after) = snapshot.split_at(at);
        let mut rest = serde_json::Deserializer::from_str(&after[key.len()..]).into_iter::<Value>();
        let value = rest.next().unwrap().unwrap();
        format!("{before}{key}{value}, {after}")
    };
    let cases = [
        (twice(r#""52.94.0.10":"#), "52.94.0.10 is there twice"),
        (twice(r#""dynamodb.us-east-1.amazonaws.com":"#), "dynamodb.us-east-1.amazonaws.com is there twice"),
        (twice(r#""pl-02cd2c6b":"#), "pl-02cd2c6b is there twice"),
        (snapshot.replacen(r#""subnet-0a""#, r#""subnet-0a ""#, 1), "is not an id of AWS"),
        (snapshot.replacen(r#""subnet-0a""#, r#""""#, 1), "is not an id of AWS"),
        (snapshot.replacen(r#""subnet-0a""#, r#""subnet-0A""#, 1), "which are in lower case"),
        (snapshot.replacen(r#""subnet-0a""#, r#""SUBNET-0a""#, 1), "which are in lower case"),
        (snapshot.replacen(r#""rtb-main""#, "\"rtb-main\u{200b}\"", 1), "is not an id of AWS"),
    ];
    for (text, expected) in cases {
        let error = saved::parse("saved.json", text.as_bytes()).expect_err(expected).to_string();
        assert!(error.contains("saved.json") && error.contains(expected), "{error}");
    }
}

/// The routes of the host stand for the kernel's answer in schema 1 alone, where it was not asked for the whole list.
#[test]
fn routes_of_the_host_do_not_stand_for_an_answer_that_the_kernel_did_not_give() {
    let read = |schema: u64, kernel_paths: &str| {
        let mut snapshot = serde_json::to_value(scenarios::base()).unwrap();
        snapshot["schema"] = schema.into();
        snapshot["host_routes"] = json!({"seen": {"value": [], "at": snapshot["taken_at"], "took": 0.01}});
        match kernel_paths {
            "absent" => drop(snapshot.as_object_mut().unwrap().remove("kernel_paths")),
            detail => snapshot["kernel_paths"] = json!({"unseen": {"reason": "failed", "detail": detail}}),
        }
        saved::parse("saved.json", snapshot.to_string().as_bytes()).map(|snapshot| judge(snapshot).outcome)
    };
    assert_eq!(read(1, "absent").unwrap(), Outcome::OnNet);
    assert!(matches!(read(2, "absent"), Err(SavedError::Incomplete { key, .. }) if key == "kernel_paths"));
    assert_ne!(read(2, "the socket was closed").unwrap(), Outcome::OnNet);
}

#[test]
fn a_report_of_schema_1_and_its_snapshot_come_to_the_outcome_it_had() {
    for (name, report) in reports() {
        for saved in [&report, &report["snapshot"]] {
            let snapshot = saved::parse(&name, saved.to_string().as_bytes()).unwrap();
            assert_eq!(snapshot.schema, SCHEMA, "{name}: it is written again as a snapshot of this version");
            let judged = judge(snapshot);
            assert_eq!(json!(judged.outcome), report["outcome"], "{name}: {}", judged.summary);
            assert_eq!(json!(judged.proof), report["proof"], "{name}");
            let verdicts = |report: &Value| {
                let addresses = report["addresses"].as_array().unwrap().iter();
                addresses.map(|address| (address["address"].clone(), address["verdict"].clone())).collect::<Vec<_>>()
            };
            assert_eq!(verdicts(&json!(judged)), verdicts(&report), "{name}");
        }
    }
}

#[test]
fn every_reason_of_schema_1_is_still_a_missing_fact() {
    let all: BTreeSet<String> = reports().iter().flat_map(|(_, report)| reasons(report)).collect();
    let of_schema_1 = [
        "credentials",
        "denied",
        "disabled",
        "failed",
        "malformed",
        "not_found",
        "not_tried",
        "stale",
        "throttled",
        "timed_out",
        "unreachable",
    ];
    assert_eq!(all.iter().map(String::as_str).collect::<Vec<_>>(), of_schema_1, "the files have each of them");
    for (name, report) in reports() {
        let mut snapshot = json!(saved::parse(&name, report.to_string().as_bytes()).unwrap());
        // Facts that schema 1 does not have; `host_routes` is judged instead of the first.
        snapshot.as_object_mut().unwrap().remove("kernel_paths");
        let interfaces = snapshot.pointer_mut("/instance/seen/value/interfaces").and_then(Value::as_array_mut);
        for interface in interfaces.into_iter().flatten() {
            let interface = interface.as_object_mut().unwrap();
            interface.remove("owner");
            interface.remove("security_groups");
            interface.remove("prefixes");
        }
        assert_eq!(reasons(&snapshot), reasons(&report["snapshot"]), "{name}");
    }
    assert!(of_schema_1.iter().all(|reason| Gap::REASONS.contains(reason)));
}

#[test]
fn what_is_read_is_written_as_this_version_writes_it() {
    for (name, report) in reports() {
        let snapshot = saved::parse(&name, report.to_string().as_bytes()).unwrap();
        let written = present::json(&snapshot);
        assert_eq!(saved::parse(&name, written.as_bytes()).unwrap(), snapshot, "{name}");
    }
}

#[test]
fn a_path_through_a_host_device_has_a_kind_of_its_own_now() {
    let (_, report) = reports().into_iter().find(|(name, _)| name == "tunnel_on_the_host").unwrap();
    let path = |report: &Value| {
        let address = &report["addresses"][0];
        [&address["path"], &address["target"], &address["field"]].map(Clone::clone)
    };
    assert_eq!(path(&report), [json!("other"), json!("wg0"), json!("device")]);
    let snapshot = saved::parse("tunnel", report.to_string().as_bytes()).unwrap();
    assert_eq!(path(&json!(judge(snapshot))), [json!("host_device"), json!("wg0"), Value::Null]);
}

#[test]
fn a_newer_schema_and_a_reason_that_is_not_known_are_refused() {
    let (_, report) = reports().into_iter().find(|(name, _)| name == "every_reason").unwrap();
    let newer = SCHEMA + 1;
    for change in [json!({"schema": newer}), json!({"snapshot": {"schema": newer}})] {
        let mut report = report.clone();
        for (key, value) in change.as_object().unwrap() {
            match value {
                Value::Object(inner) => report[key]["schema"] = inner["schema"].clone(),
                value => report[key] = value.clone(),
            }
        }
        let error = saved::parse("newer.json", report.to_string().as_bytes()).unwrap_err();
        assert!(matches!(error, SavedError::Newer { found, .. } if found == u64::from(newer)), "{error}");
    }
    let mut unknown = report;
    unknown["snapshot"]["vpc"]["route_tables"]["unseen"]["reason"] = json!("on_holiday");
    let error = saved::parse("unknown.json", unknown.to_string().as_bytes()).unwrap_err().to_string();
    assert!(error.contains("on_holiday") && error.contains("snapshot.vpc.route_tables"), "{error}");
}

/// Every key of a document, as JSON pointers.
fn keys(of: &Value, pointer: &str, found: &mut Vec<String>) {
    match of {
        Value::Object(fields) => {
            for (key, value) in fields {
                let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                keys(value, &pointer, found);
                found.push(pointer);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                keys(item, &format!("{pointer}/{at}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The same key in any world: names, ids, addresses and places in lists are `*`.
fn kind_of(pointer: &str) -> String {
    let is_field = |part: &str| part.bytes().all(|byte| byte.is_ascii_lowercase() || b"_46".contains(&byte));
    let kinds = pointer.split('/').map(|part| if is_field(part) && part != "4" { part } else { "*" });
    kinds.collect::<Vec<_>>().join("/")
}

/// What a document does not have says nothing: onnet writes each key whose absence would.
#[test]
fn a_key_that_is_missing_is_refused_or_improves_nothing() {
    let (mut refused, mut optional, mut better) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (name, scenario) in scenarios::all() {
        let with = judge(scenario.world.clone()).outcome;
        let snapshot = serde_json::to_value(&scenario.world).unwrap();
        let mut pointers = Vec::new();
        keys(&snapshot, "", &mut pointers);
        for pointer in pointers {
            let kind = kind_of(&pointer);
            // What a map has for a name is a list of its own, which may be shorter.
            if refused.contains(&kind) || kind == "/proxies/*/applies_for/*" {
                continue;
            }
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let key = key.replace("~1", "/").replace("~0", "~");
            let mut without = snapshot.clone();
            without.pointer_mut(parent).and_then(Value::as_object_mut).unwrap().remove(&key).unwrap();
            // A key that may be missing once may be so always.
            let is_optional = optional.contains(&kind);
            if !is_optional && saved::parse("a snapshot", without.to_string().as_bytes()).is_err() {
                refused.insert(kind);
                continue;
            }
            let without = judge(serde_json::from_value(without).unwrap()).outcome;
            // Where the tables and the service disagree, each may be what remains.
            let testified = !scenario.world.statements.is_empty();
            let alone = testified && kind == "/vpc/prefix_lists/*" && without == Outcome::AtRisk;
            if !edits::may_follow(with, without, false, testified) && !alone {
                better.push(format!("{name}: {with} became {without} without {pointer}"));
            }
            optional.insert(kind);
        }
    }
    assert!(better.is_empty(), "{better:#?}");
    assert!(refused.len() > 500 && optional.len() > 20, "{}, {optional:#?}", refused.len());
}
