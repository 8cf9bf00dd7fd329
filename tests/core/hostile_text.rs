//! Text from a server, a resolver or a file must not control a terminal, forge a line, or be read as Nagios syntax.

use crate::common::scenarios;
use onnet_core::{
    judge::judge,
    model::{OutcomeChange, Report, Snapshot},
    present,
};
use serde_json::Value;

/// Colours, lines, a line of the plugin, and text in the opposite direction.
const HOSTILE: &str = "x\u{1b}[31m\u{1b}]0;t\u{7}\r\nONNET OK - on-net | covered=100%\u{b}\u{c}\u{85}\u{9b}2J\u{2028}\u{2029}\u{202e}\u{2066}\u{200f}\u{61c}";

fn steers(c: char) -> bool {
    c.is_control() || "\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}".contains(c)
}

/// Appends [`HOSTILE`] to text number `wanted` below `value`; returns the number of texts.
fn spoil(value: &mut Value, wanted: usize, mut found: usize) -> usize {
    match value {
        Value::String(text) => {
            if found == wanted {
                text.push_str(HOSTILE);
            }
            found + 1
        }
        Value::Array(items) => {
            for item in items {
                found = spoil(item, wanted, found);
            }
            found
        }
        Value::Object(fields) => {
            for field in fields.values_mut() {
                found = spoil(field, wanted, found);
            }
            found
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => found,
    }
}

/// All worlds with one of their texts changed so, if they can still be read.
fn spoiled(world: &Snapshot) -> Vec<Report> {
    let json = serde_json::to_value(world).unwrap();
    let texts = spoil(&mut json.clone(), usize::MAX, 0);
    let world = |wanted| {
        let mut json = json.clone();
        spoil(&mut json, wanted, 0);
        serde_json::from_value(json).ok().map(judge)
    };
    (0..texts).filter_map(world).collect()
}

fn text(styled: &str) -> String {
    anstream::adapter::strip_str(styled).to_string()
}

#[test]
fn no_text_of_a_fact_steers_a_terminal_or_forges_a_line() {
    let names = [
        "the_service_testifies_where_the_ec2_api_is_out_of_reach",
        "probe_that_times_out_forbids_on_net",
        "denied_route_tables_leave_everything_open",
        "proxy_variable_sends_the_name_elsewhere",
        "interface_endpoint_found_by_its_address",
        "settings_that_no_sdk_takes",
    ];
    let mut judged = 0;
    for name in names {
        for report in spoiled(&scenarios::all()[name].world) {
            judged += 1;
            let styled = present::text(&report);
            // Every escape sequence is one that onnet writes.
            assert!(!styled.contains("\u{1b}[31mx") && !styled.contains("\u{1b}]"), "{name}: {styled:?}");
            let plain = text(&styled);
            assert!(
                plain.lines().all(|line| !line.contains(steers) && !line.starts_with("ONNET")),
                "{name}: {plain:?}"
            );
            let nagios = present::nagios(&report);
            let line = nagios.strip_suffix('\n').unwrap();
            assert!(!line.contains(steers) && line.matches('|').count() <= 1, "{name}: {nagios:?}");
            let json = present::json(&report);
            assert!(json.lines().all(|line| !line.contains(steers)), "{name}: {json:?}");
            assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report, "{name}");
            let change =
                OutcomeChange { at: report.taken_at, from: None, to: report.outcome, summary: report.summary.clone() };
            let changes = present::outcome_changes(&[change]);
            assert!(!changes.strip_suffix('\n').unwrap().contains(steers), "{name}: {changes:?}");
        }
    }
    assert!(judged > 100, "{judged} worlds");
}

#[test]
fn a_problem_without_a_report_is_one_line_for_nagios_too() {
    let line = present::nagios_unknown(HOSTILE);
    assert!(!line.strip_suffix('\n').unwrap().contains(steers) && !line.contains('|'), "{line:?}");
}
