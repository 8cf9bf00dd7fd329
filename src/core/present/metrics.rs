//! Everything on `/metrics`: one table of names, and what a report and a status say as plain samples.
//!
//! What happened since the start is counted by the engine, which also encodes: no format and no registry here. Probes run
//! on a timer of the daemon's, not at the scrape: the accepted exception for probers, which is why the moments are
//! metrics too.

use super::{event::deciding_route, words};
use crate::model::{
    CoverageRange, InstanceSummary, Outcome, PathKind, ProofLevel, Report, RouteTableId, SettingsStatus, Status,
    Timestamp, Verdict, WithoutEndpoint, addresses_in,
};
use std::collections::BTreeMap;

/// One family of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, with the unit it is in.
    pub name: &'static str,
    /// `gauge`, `counter` or `histogram`.
    pub kind: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// The meaning.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident $kind:ident $name:literal [$($label:literal)*] $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: Metric =
            Metric { name: $name, kind: stringify!($kind), labels: &[$($label),*], help: $help };)*

        impl Metric {
            /// Every one of onnet's own. The process's are the `prometheus` crate's.
            pub const ALL: &'static [Self] = &[$($constant),*];
        }
    };
}

metrics! {
    OUTCOME gauge "onnet_outcome" ["outcome"]
        "The outcome of the last report: 1 for the outcome, 0 for the others. Absent before the first report.";
    ON_NET gauge "onnet_on_net" []
        "1 if all DynamoDB traffic is carried by a VPC endpoint (on_net, at_risk), 0 if not; absent if undetermined, or where a fact is missing.";
    PROOF gauge "onnet_proof_level" ["level"]
        "How strong the evidence of the last report is: 1 for the level, 0 for the others.";
    ADDRESSES gauge "onnet_addresses" ["path"]
        "Addresses of DynamoDB in use, by path: a path, dropped, ambiguous or undetermined.";
    LIST_ADDRESSES gauge "onnet_prefix_list_addresses" ["path"]
        "Addresses of DynamoDB's prefix list, by path. Absent if the list is not known.";
    COVERED gauge "onnet_prefix_list_covered_ratio" []
        "Part of DynamoDB's prefix list that a DynamoDB endpoint carries, 0 to 1. Absent if the list is not known.";
    FAILS_OPEN gauge "onnet_fails_open" []
        "Whether another path would take over if the DynamoDB endpoints were deleted: 1 if so, 0 if packets would be dropped. Absent if not known, or if none carries traffic.";
    FINDINGS gauge "onnet_findings" ["code" "severity"]
        "Findings of the last report. A code without findings is absent.";
    ROUTE gauge "onnet_route_info" ["subnet" "route_table" "path" "target"]
        "The path that decided the outcome, with its ids; always 1. Absent if no path decided.";
    SHARED_AT gauge "onnet_shared_facts_observed_timestamp_seconds" []
        "When the oldest of the shared facts were observed, by the clock of who did. Absent without --facts-table.";
    SHARED_SIGNED gauge "onnet_shared_facts_signed" []
        "Whether a key of --facts-trust signed all shared facts that are used. Absent without --facts-table.";
    SHARED_USABLE gauge "onnet_shared_facts_usable" []
        "Whether what the table of --facts-table has now is used. Absent without --facts-table.";
    REPORT_AT gauge "onnet_report_timestamp_seconds" []
        "When the last report was made. Probes run on a timer, not at the scrape.";
    READY gauge "onnet_ready" []
        "Whether every source was collected since the start.";
    UP gauge "onnet_observation_up" ["source"]
        "Whether the last collection of the source was complete. Absent before the first one ended.";
    SEEN_AT gauge "onnet_observation_timestamp_seconds" ["source"]
        "Start time of the last complete collection of the source.";
    PERIOD gauge "onnet_observation_period_seconds" ["source"]
        "The period at which the source is collected. Facts count for three periods.";
    BACKING_OFF gauge "onnet_observation_backing_off" ["source"]
        "Whether polling of the source is backed off because it throttled.";
    GAPS counter "onnet_observation_gaps_total" ["source" "reason"]
        "Facts that a collection did not get, by reason.";
    PROBES counter "onnet_probes_total" ["probe"]
        "Probes made.";
    FAILURES counter "onnet_probe_failures_total" ["probe" "reason"]
        "Probes that were not answered as they should be. A denial is an answer: the path works.";
    DURATION histogram "onnet_probe_duration_seconds" ["probe"]
        "How long probes took, name lookup included; failed ones up to their failure.";
    PHASE histogram "onnet_probe_phase_duration_seconds" ["probe" "phase"]
        "How long each phase of probes took. Phases do not overlap; one that was not reached is not counted.";
    ROUNDS counter "onnet_reports_total" []
        "Reports made.";
    CHANGES counter "onnet_outcome_changes_total" []
        "Changes of the outcome since the start.";
    EC2 counter "onnet_ec2_requests_total" ["operation" "result"]
        "Requests to the EC2 API; each page counts as a request, the SDK's retries do not.";
    TESTIMONY counter "onnet_testimony_total" ["question" "answer"]
        "What DynamoDB answered to questions about the request itself, with --witness.";
    RELOADED gauge "onnet_config_last_reload_successful" []
        "Whether the last reload of the settings files succeeded. If not, the last good ones stay in force.";
    RELOADED_AT gauge "onnet_config_last_reload_success_timestamp_seconds" []
        "When the settings files in force were loaded.";
    BUILD gauge "onnet_build_info" ["version" "revision"]
        "The running onnet; always 1.";
    STARTED_AT gauge "process_start_time_seconds" []
        "Start time of the process since unix epoch in seconds.";
}

/// One gauge with its series.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples<'a> {
    /// Which gauge.
    pub metric: Metric,
    /// Never empty.
    pub series: Vec<Series<'a>>,
}

/// One series of a gauge.
#[derive(Clone, Debug, PartialEq)]
pub struct Series<'a> {
    /// Its labels. One whose value is not known is absent.
    pub labels: Vec<(&'static str, &'a str)>,
    /// The gauge's value.
    pub value: f64,
}

/// The gauges of one scrape.
#[derive(Default)]
struct Gauges<'a>(Vec<Samples<'a>>);

impl<'a> Gauges<'a> {
    fn gauge(&mut self, metric: Metric, value: f64) {
        self.gauges(metric, [(Vec::<&str>::new(), value)]);
    }

    /// A gauge with the values of its labels, in the order of [`Metric::labels`]; no series, no gauge.
    fn gauges<L>(&mut self, metric: Metric, series: impl IntoIterator<Item = (Vec<L>, f64)>)
    where
        L: Into<Option<&'a str>>,
    {
        let labels = |values: Vec<L>| {
            metric.labels.iter().zip(values).filter_map(|(name, value)| Some((*name, value.into()?))).collect()
        };
        let series: Vec<_> =
            series.into_iter().map(|(values, value)| Series { labels: labels(values), value }).collect();
        if !series.is_empty() {
            self.0.push(Samples { metric, series });
        }
    }
}

/// The gauges for what is known now. `build` is the version, and the revision if it is known; `settings` is how the last
/// reading of all settings files went.
pub fn samples<'a>(
    status: &'a Status,
    settings: SettingsStatus,
    build: (&'a str, Option<&'a str>),
) -> Vec<Samples<'a>> {
    let mut gauges = Gauges::default();
    gauges.gauges(BUILD, [(vec![Some(build.0), build.1], 1.0)]);
    gauges.gauge(STARTED_AT, seconds(status.started_at));
    gauges.gauge(READY, truth(status.ready));
    gauges.gauge(RELOADED, truth(settings.successful));
    gauges.gauge(RELOADED_AT, seconds(settings.read_at));
    sources(&mut gauges, status);
    if let Some(report) = &status.report {
        of_report(&mut gauges, report);
    }
    gauges.0
}

fn truth(truth: bool) -> f64 {
    f64::from(u8::from(truth))
}

fn sources<'a>(gauges: &mut Gauges<'a>, status: &'a Status) {
    let all = || status.sources.present().map(|(source, status)| (vec![source.name()], status));
    gauges.gauges(UP, all().filter_map(|(labels, status)| Some((labels, truth(status.up?)))));
    gauges.gauges(SEEN_AT, all().filter_map(|(labels, status)| Some((labels, seconds(status.last_seen?)))));
    gauges.gauges(PERIOD, all().map(|(labels, status)| (labels, status.every.as_secs_f64())));
    gauges.gauges(BACKING_OFF, all().map(|(labels, status)| (labels, truth(status.backing_off_until.is_some()))))
}

fn of_report<'a>(gauges: &mut Gauges<'a>, report: &'a Report) {
    gauges
        .gauges(OUTCOME, Outcome::ALL.iter().map(|&outcome| (vec![outcome.name()], truth(outcome == report.outcome))));
    gauges.gauges(PROOF, ProofLevel::ALL.iter().map(|&level| (vec![level.name()], truth(level == report.proof))));
    gauges.gauge(REPORT_AT, seconds(report.taken_at));
    if let Some(is_on_net) = report.is_on_net() {
        gauges.gauge(ON_NET, truth(is_on_net));
    }

    let in_use = || report.addresses.iter().filter(|address| address.in_use);
    if in_use().next().is_some() {
        gauges.gauges(ADDRESSES, by_way(in_use().map(|address| (&address.verdict, 1.0))));
    }
    if let Some(summary) = report.coverage_summary {
        let size = |range: &CoverageRange| addresses_in([&range.cidr]) as f64;
        gauges.gauges(LIST_ADDRESSES, by_way(report.coverage.iter().map(|range| (&range.verdict, size(range)))));
        let (on_net, all) = summary.share();
        if all > 0 {
            gauges.gauge(COVERED, on_net as f64 / all as f64);
        }
    }

    if let Some(fails_open) = report.without_endpoint.as_ref().and_then(WithoutEndpoint::fails_open) {
        gauges.gauge(FAILS_OPEN, truth(fails_open));
    }

    if let Some(shared) = report.snapshot.vpc.shared.as_deref() {
        gauges.gauge(SHARED_USABLE, truth(shared.refused.is_none()));
        if let Some(at) = shared.observers.values().map(|observer| observer.observed_at).min() {
            gauges.gauge(SHARED_AT, seconds(at));
            gauges.gauge(SHARED_SIGNED, truth(report.snapshot.vpc.are_signed()));
        }
    }

    let mut findings = BTreeMap::new();
    for finding in &report.findings {
        *findings.entry((finding.code.name(), finding.severity.name())).or_insert(0.0) += 1.0;
    }
    gauges.gauges(FINDINGS, findings.into_iter().map(|((code, severity), count)| (vec![code, severity], count)));

    if let Some(InstanceSummary { subnet: Some(subnet), route_table, .. }) = &report.instance {
        let table = route_table.as_ref().map(RouteTableId::as_str);
        let series =
            deciding_route(report).map(|(path, target)| (vec![Some(subnet.as_str()), table, Some(path), target], 1.0));
        gauges.gauges(ROUTE, series);
    }
}

/// What takes which path, and zero for every path that nothing takes.
fn by_way<'v>(verdicts: impl Iterator<Item = (&'v Verdict, f64)>) -> Vec<(Vec<&'static str>, f64)> {
    let ways =
        PathKind::ALL.iter().map(|kind| kind.name()).chain([words::DROPPED, words::AMBIGUOUS, words::UNDETERMINED]);
    let mut counts: BTreeMap<&'static str, f64> = ways.map(|way| (way, 0.0)).collect();
    for (verdict, count) in verdicts {
        *counts.entry(words::path_label(verdict)).or_insert(0.0) += count;
    }
    counts.into_iter().map(|(way, count)| (vec![way], count)).collect()
}

fn seconds(at: Timestamp) -> f64 {
    at.since_epoch().as_secs_f64()
}
