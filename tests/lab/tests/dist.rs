//! The shipped alert rules, their tests, the scrape configuration and the dashboard, checked with the existing metrics and with
//! `promtool`.

use crate::{
    Done, Test,
    dashboard::{dist, queries},
    is_installed, named,
};
use libtest_mimic::Trial;
use onnet::{
    model::{EC2_OPERATIONS, Ec2Result, Outcome, PathKind, Phase, ProbeKind, ProbeResult, Question, Reply, Source},
    present::metrics::Metric,
};
use std::{collections::BTreeSet, path::Path, process::Command};

pub(crate) fn trials() -> Vec<Trial> {
    let with_promtool: [(&str, Test); 3] = [
        ("the_rules_are_sound_and_do_as_their_tests_say", rules),
        ("the_scrape_configuration_is_sound", scrape),
        ("every_query_of_the_dashboard_parses", parses),
    ];
    let tests: [(&str, Test); 3] = [
        ("every_alert_is_tested_both_ways", every_alert),
        ("rules_and_dashboard_ask_for_metrics_and_labels_that_there_are", names),
        ("the_dashboard_shows_every_metric", every_metric),
    ];
    [named(with_promtool, is_installed("promtool")), named(tests, true)].into_iter().flatten().collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(dist(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn promtool(arguments: &[&str], file: &Path) -> Done {
    let ran = Command::new("promtool").args(arguments).arg(file).output()?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    if ran.status.success() { Ok(()) } else { Err(said.into()) }
}

fn rules() -> Done {
    promtool(&["check", "rules"], &dist("prometheus/onnet.rules.yml"))?;
    promtool(&["test", "rules"], &dist("prometheus/onnet.rules.test.yml"))
}

/// For each alert there is a time at which it fires and another at which it does not; for each record, a value.
fn every_alert() -> Done {
    let (rules, tests) = (read("prometheus/onnet.rules.yml"), read("prometheus/onnet.rules.test.yml"));
    let of = |kind: &str| -> Vec<String> {
        let mark = format!("- {kind}: ");
        rules.lines().filter_map(|line| Some(line.trim().strip_prefix(&mark)?.to_owned())).collect()
    };
    let alerts = of("alert");
    assert!(alerts.len() >= 10, "{alerts:?}");
    for alert in alerts {
        assert!(tests.contains(&format!("alertname: {alert}\n")), "{alert} never fires in a test");
        let silent = tests.contains(&format!("alertname: {alert}, eval_time"));
        assert!(silent || alert == "OnnetProbesFail", "{alert} is never silent in a test");
    }
    for record in of("record") {
        assert!(tests.contains(&format!("expr: {record}\n")), "{record} is not tested");
    }
    Ok(())
}

fn scrape() -> Done {
    promtool(&["check", "config"], &dist("prometheus/scrape.yml"))
}

fn rule_expressions() -> Vec<String> {
    let rules = read("prometheus/onnet.rules.yml");
    let mut found = Vec::new();
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(expression) = line.trim().strip_prefix("expr: ") else { continue };
        let mut expression = expression.to_owned();
        if expression == "|" {
            while let Some(more) = lines.next_if(|line| line.starts_with("          ")) {
                expression.push_str(more);
            }
        }
        found.push(expression);
    }
    found
}

/// The names of onnet's metrics in an expression, each with its label matchers.
fn metrics(expression: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = rest.find("onnet_") {
        rest = &rest[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let braces = after.strip_prefix('{').and_then(|inside| inside.split_once('}')).map_or("", |(inside, _)| inside);
        found.push((name.to_owned(), braces.to_owned()));
        rest = after;
    }
    found
}

/// Whether a label's value or pattern matches a possible value.
fn is_possible(label: &str, value: &str) -> bool {
    let all: Vec<&str> = match label {
        "outcome" => Outcome::ALL.iter().map(|outcome| outcome.name()).collect(),
        "path" => PathKind::ALL.iter().map(|kind| kind.name()).collect(),
        "probe" => ProbeKind::ALL.iter().map(|kind| kind.name()).collect(),
        "phase" => Phase::ALL.iter().map(|phase| phase.name()).collect(),
        "source" => Source::ALL.iter().map(|source| source.name()).collect(),
        "reason" => ProbeResult::ALL.iter().map(|result| result.name()).collect(),
        "operation" => EC2_OPERATIONS.into(),
        "question" => Question::ALL.iter().map(|question| question.name()).collect(),
        "answer" => Reply::NAMES.into(),
        "result" => Ec2Result::ALL.map(Ec2Result::name).into(),
        _ => return true,
    };
    value.split('|').all(|value| all.contains(&value))
}

fn names() -> Done {
    for expression in queries().into_iter().chain(rule_expressions()) {
        for (name, braces) in metrics(&expression) {
            let plain = name.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count");
            let metric = Metric::ALL.iter().find(|metric| metric.name == name || metric.name == plain);
            let metric = metric.ok_or_else(|| format!("there is no metric {name}, in {expression}"))?;
            for matcher in braces.split(',').filter(|matcher| !matcher.trim().is_empty()) {
                let (label, value) = matcher.trim().split_once(['=', '!']).ok_or("a matcher compares")?;
                let value = value.trim_start_matches(['=', '~']).trim_matches('"');
                let of_target = matches!(label, "job" | "instance");
                assert!(of_target || metric.labels.contains(&label), "{name} has no label {label}, in {expression}");
                assert!(is_possible(label, value), "{label} is never {value}, in {expression}");
            }
        }
        let known: BTreeSet<&str> = Metric::ALL.iter().flat_map(|metric| metric.labels).copied().collect();
        for by in expression.split("by (").skip(1) {
            for label in by.split_once(')').unwrap().0.split(',').map(str::trim) {
                let of_target = matches!(label, "job" | "instance" | "le");
                assert!(of_target || known.contains(label), "nothing has the label {label}, in {expression}");
            }
        }
    }
    Ok(())
}

fn parses() -> Done {
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    for (n, query) in queries().into_iter().enumerate() {
        rules.push_str(&format!("      - record: query:{n}\n        expr: {}\n", serde_json::to_string(&query)?));
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("queries.yml");
    std::fs::write(&file, rules)?;
    promtool(&["check", "rules", "--lint=none"], &file)
}

fn every_metric() -> Done {
    let shown: BTreeSet<String> = queries().iter().flat_map(|query| metrics(query)).map(|(name, _)| name).collect();
    for metric in Metric::ALL.iter().filter(|metric| metric.name.starts_with("onnet_")) {
        let bucket = format!("{}_bucket", metric.name);
        let is_shown = shown.contains(metric.name) || shown.contains(&bucket);
        // The time at which settings were read matters only if they could not be read, which the alert reports.
        let is_told = metric.name == "onnet_config_last_reload_success_timestamp_seconds";
        assert!(is_shown || is_told, "no panel shows {}", metric.name);
    }
    Ok(())
}
