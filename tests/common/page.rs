//! The daemon's status in every state that the status page shows.
#![allow(dead_code, reason = "not every test uses all of it")]

use super::common::scenario;
use onnet_core::model::{
    Gap, History, MaxAge, Outcome, OutcomeChange, ProbeKind, ProbeResult, ProbeSample, Report, Seconds, SettingsStatus,
    Source, SourceStatus, Status, Timestamp,
};
use std::time::Duration;

/// States, each with a scenario that has it; the last has no report yet.
pub(crate) const STATES: [(&str, Option<&str>); 16] = [
    ("on-net", Some("gateway_endpoint_carries_the_whole_list")),
    ("off-net", Some("endpoint_without_route_tables_carries_nothing")),
    ("off-net-without-endpoint", Some("no_endpoint_and_a_default_route_to_an_internet_gateway")),
    ("at-risk", Some("static_slash_23_takes_half_of_an_entry")),
    ("dropped", Some("blackhole_does_not_fall_through")),
    ("dropped-without-route", Some("no_route_drops")),
    ("dropped-on-the-host", Some("kernel_without_a_route")),
    ("undetermined", Some("denied_route_tables_leave_everything_open")),
    ("tie", Some("equal_entries_of_two_lists_tie")),
    ("interface-endpoint", Some("interface_endpoint_found_by_its_address")),
    ("proxy", Some("proxy_variable_sends_the_name_elsewhere")),
    ("interfaces", Some("other_interface_is_off_net")),
    ("names", Some("streams_are_reported_apart")),
    ("gates", Some("a_private_nat_gateway_is_no_way_to_public_addresses")),
    ("not-on-ec2", Some("not_on_ec2")),
    ("starting", None),
];

/// The daemon's status, and the time at which the page is read.
pub(crate) fn status(report: Option<Report>) -> (Status, Timestamp) {
    let now = match &report {
        Some(report) => report.taken_at.plus(Duration::from_secs(7)),
        None => serde_json::from_str("\"2026-11-22T09:53:49Z\"").expect("a time"),
    };
    let source = |source| {
        let missing =
            report.as_ref().is_some_and(|report| report.outcome == Outcome::Undetermined) && source == Source::Ec2;
        let gap = Gap::Denied { action: "ec2:DescribeRouteTables".to_owned() };
        let status = SourceStatus {
            every: Seconds::from(MaxAge::default().of(source).as_duration() / 3),
            up: report.as_ref().map(|_| !missing),
            last_seen: report.as_ref().filter(|_| !missing).map(|_| now.minus(Duration::from_secs(9))),
            gaps: if missing { vec![gap] } else { Vec::new() },
            backing_off_until: None,
        };
        (source, status)
    };
    let started_at = now.minus(Duration::from_secs(7_000));
    let status = Status {
        started_at,
        ready: report.is_some(),
        sources: Source::ALL.iter().copied().map(source).collect(),
        history: report.as_ref().map_or_else(History::default, |report| history(report, now)),
        settings: SettingsStatus { successful: true, read_at: started_at },
        report: report.map(Into::into),
    };
    (status, now)
}

/// An hour of probes, some of which failed, and three changes of the outcome.
fn history(report: &Report, now: Timestamp) -> History {
    let mut history = History::default();
    let change = |ago: u64, from, to, summary: &str| OutcomeChange {
        at: now.minus(Duration::from_secs(ago)),
        from,
        to,
        summary: summary.to_owned(),
    };
    let before = if report.outcome == Outcome::OnNet { Outcome::OffNet } else { Outcome::OnNet };
    history.changed(change(7_000, None, before, "dynamodb.us-east-1.amazonaws.com went through another path"));
    history.changed(change(2_400, Some(before), report.outcome, &report.summary));
    for step in 0..240_u64 {
        let kind = if step % 4 == 0 { ProbeKind::ListTables } else { ProbeKind::Health };
        let failed = (118..124).contains(&step);
        let micros = 6_000 + (step * 7_919 % 4_000) + if kind == ProbeKind::ListTables { 5_000 } else { 0 };
        history.probed(ProbeSample {
            at: now.minus(Duration::from_secs(3_590 - step * 15)),
            kind,
            result: if failed { ProbeResult::ConnectTimeout } else { ProbeResult::Ok },
            total: Seconds::from(Duration::from_micros(if failed { 3_000_000 } else { micros })),
        });
    }
    history
}

/// The page in each state, by name.
pub(crate) fn pages() -> Vec<(&'static str, String)> {
    let page = |(name, world): (&'static str, Option<&str>)| {
        let (status, now) = status(world.map(scenario));
        (name, onnet_core::present::status_page(&status, now))
    };
    STATES.into_iter().map(page).collect()
}
