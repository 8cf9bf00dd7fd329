//! Everything on `/metrics`: one table of names, and what fills it.
//!
//! What a report says is built anew for each scrape; what happened since the start is counted as it happens. A scrape
//! reads both and changes neither, so any number of scrapers see the same. Probes run on a timer of the daemon's, not at
//! the scrape: the accepted exception for probers, which is why the moments are metrics too.

use crate::model::{
    CoverageRange, EC2_OPERATIONS, Ec2Request, Ec2Result, Gap, InstanceSummary, Outcome, PathKind, Phase, Probe,
    ProbeKind, ProbeResult, ProofLevel, Report, SettingsStatus, Source, Status, Timestamp, Verdict, addresses_in,
};
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder,
    core::{Collector, Desc},
    process_collector::ProcessCollector,
    proto::{self, LabelPair, MetricFamily, MetricType},
};
use std::collections::{BTreeMap, BTreeSet};

/// One family of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, with the unit it is in.
    pub name: &'static str,
    /// `gauge`, `counter` or `histogram`.
    pub kind: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident $kind:ident $name:literal [$($label:literal)*] $help:literal;)*) => {
        $(const $constant: Metric =
            Metric { name: $name, kind: stringify!($kind), labels: &[$($label),*], help: $help };)*

        impl Metric {
            /// Every one of onnet's own. The process's are the `prometheus` crate's.
            pub const ALL: &'static [Self] = &[$($constant),*];
        }
    };
}

metrics! {
    OUTCOME gauge "onnet_outcome" ["outcome"]
        "What the last report comes to: 1 for the outcome, 0 for the others. Absent before the first report.";
    ON_NET gauge "onnet_on_net" []
        "1 if all DynamoDB traffic is carried by a VPC endpoint (on_net, at_risk), 0 if not; absent if undetermined.";
    PROOF gauge "onnet_proof_level" ["level"]
        "How strong the evidence of the last report is: 1 for the level, 0 for the others.";
    ADDRESSES gauge "onnet_addresses" ["path"]
        "Addresses of DynamoDB in use, by the way they take: a path, dropped, ambiguous or undetermined.";
    LIST_ADDRESSES gauge "onnet_prefix_list_addresses" ["path"]
        "Addresses of DynamoDB's prefix list, by the way they would take. Absent if the list is not known.";
    COVERED gauge "onnet_prefix_list_covered_ratio" []
        "Part of DynamoDB's prefix list that a DynamoDB endpoint carries, 0 to 1. Absent if the list is not known.";
    FINDINGS gauge "onnet_findings" ["code" "severity"]
        "Findings of the last report. A code without findings is absent.";
    ROUTE gauge "onnet_route_info" ["subnet" "route_table" "path" "target"]
        "The way that addresses in use take, with its ids; always 1.";
    REPORT_AT gauge "onnet_report_timestamp_seconds" []
        "When the last report was made. Probes run on a timer, not at the scrape.";
    READY gauge "onnet_ready" []
        "1 once every source was looked at since the start.";
    UP gauge "onnet_observation_up" ["source"]
        "1 if the last look at the source saw all it looked for. Absent before the first one ended.";
    SEEN_AT gauge "onnet_observation_timestamp_seconds" ["source"]
        "When the last look began that saw all it looked for.";
    PERIOD gauge "onnet_observation_period_seconds" ["source"]
        "How often the source is looked at. What was seen counts for three periods.";
    BACKING_OFF gauge "onnet_observation_backing_off" ["source"]
        "1 while the source is left alone for longer than its period, for it throttled.";
    GAPS counter "onnet_observation_gaps_total" ["source" "reason"]
        "Facts that a look did not see, by the reason.";
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
        "Requests to the EC2 API; a page is a request, the SDK's second attempt at it is not told apart.";
    RELOADED gauge "onnet_config_last_reload_successful" []
        "1 if the settings files could be read the last time. Where not, the last good ones are in force.";
    RELOADED_AT gauge "onnet_config_last_reload_success_timestamp_seconds" []
        "When the settings files in force were read.";
    BUILD gauge "onnet_build_info" ["version" "revision"]
        "The running onnet; always 1.";
    STARTED_AT gauge "process_start_time_seconds" []
        "Start time of the process since unix epoch in seconds.";
}

/// From half a millisecond, within a VPC, to the longest probe there is.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The commit a package was built from, where its builder says so.
const REVISION: &str = match option_env!("ONNET_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

impl Metric {
    fn opts(&self) -> Opts {
        Opts::new(self.name, self.help)
    }

    fn gauge(&self, families: &mut Vec<MetricFamily>, value: f64) {
        self.gauges(families, [(Vec::new(), value)]);
    }

    /// A gauge with labels, each set of them with its value; no series, no family.
    ///
    /// Made as it is, for it is read once: what a registry does for a gauge that changes takes most of a scrape.
    fn gauges<'a>(&self, families: &mut Vec<MetricFamily>, series: impl IntoIterator<Item = (Vec<&'a str>, f64)>) {
        let metric = |(values, value): (Vec<&str>, f64)| {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(value);
            let mut metric = proto::Metric::from_gauge(gauge);
            metric.set_label(self.labels.iter().zip(values).map(|(name, value)| label(name, value)).collect());
            metric
        };
        let metrics: Vec<_> = series.into_iter().map(metric).collect();
        if metrics.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(MetricType::GAUGE);
        family.set_metric(metrics);
        families.push(family);
    }

    fn counter(&self, registry: &Registry) -> Result<IntCounter, prometheus::Error> {
        let counter = IntCounter::with_opts(self.opts())?;
        registry.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    fn counters(&self, registry: &Registry) -> Result<IntCounterVec, prometheus::Error> {
        let counters = IntCounterVec::new(self.opts(), self.labels)?;
        registry.register(Box::new(counters.clone()))?;
        Ok(counters)
    }

    fn histograms(&self, registry: &Registry) -> Result<HistogramVec, prometheus::Error> {
        let options = HistogramOpts { common_opts: self.opts(), buckets: BUCKETS.to_vec() };
        let histograms = HistogramVec::new(options, self.labels)?;
        registry.register(Box::new(histograms.clone()))?;
        Ok(histograms)
    }
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

/// What happened since the start. Cheap to clone: the clones count together.
#[derive(Clone, Debug)]
pub struct Counters {
    registry: Registry,
    probes: IntCounterVec,
    failures: IntCounterVec,
    duration: HistogramVec,
    phases: HistogramVec,
    gaps: IntCounterVec,
    ec2: IntCounterVec,
    changes: IntCounter,
    reports: IntCounter,
}

impl Counters {
    /// All at zero, and all there: a counter that appears with its first event hides that event from `rate()`.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = Self {
            probes: PROBES.counters(&registry)?,
            failures: FAILURES.counters(&registry)?,
            duration: DURATION.histograms(&registry)?,
            phases: PHASE.histograms(&registry)?,
            gaps: GAPS.counters(&registry)?,
            ec2: EC2.counters(&registry)?,
            changes: CHANGES.counter(&registry)?,
            reports: ROUNDS.counter(&registry)?,
            registry,
        };
        counters.registry.register(Box::new(Process(ProcessCollector::for_self())))?;
        for probe in ProbeKind::ALL.map(ProbeKind::name) {
            counters.probes.get_metric_with_label_values(&[probe])?;
            counters.duration.get_metric_with_label_values(&[probe])?;
            for phase in Phase::ALL.map(Phase::name) {
                counters.phases.get_metric_with_label_values(&[probe, phase])?;
            }
            for reason in ProbeResult::ALL.into_iter().filter(|result| result.is_failure()).map(ProbeResult::name) {
                counters.failures.get_metric_with_label_values(&[probe, reason])?;
            }
        }
        for source in Source::ALL.map(Source::name) {
            for reason in Gap::REASONS {
                counters.gaps.get_metric_with_label_values(&[source, reason])?;
            }
        }
        for operation in EC2_OPERATIONS {
            for result in Ec2Result::ALL.map(Ec2Result::name) {
                counters.ec2.get_metric_with_label_values(&[operation, result])?;
            }
        }
        Ok(counters)
    }

    /// A probe was made.
    pub fn probe(&self, probe: &Probe) {
        let kind = probe.kind.name();
        self.probes.with_label_values(&[kind]).inc();
        if probe.result.is_failure() {
            self.failures.with_label_values(&[kind, probe.result.name()]).inc();
        }
        self.duration.with_label_values(&[kind]).observe(probe.total.as_secs_f64());
        for (phase, took) in probe.phases.reached() {
            self.phases.with_label_values(&[kind, phase.name()]).observe(took.as_secs_f64());
        }
    }

    /// A look lacked a fact.
    pub fn gap(&self, source: Source, gap: &Gap) {
        self.gaps.with_label_values(&[source.name(), gap.reason()]).inc();
    }

    /// EC2 was asked.
    pub fn ec2_request(&self, request: &Ec2Request) {
        self.ec2.with_label_values(&[request.operation, request.result.name()]).inc();
    }

    /// A report was made.
    pub fn reported(&self) {
        self.reports.inc();
    }

    /// The outcome is another than before.
    pub fn outcome_changed(&self) {
        self.changes.inc();
    }
}

/// `/metrics`, in Prometheus' text format. `web` is how the reading of the server's own settings went.
pub fn exposition(status: &Status, web: SettingsStatus, counters: &Counters) -> Result<String, prometheus::Error> {
    let mut families = counters.registry.gather();
    BUILD.gauges(&mut families, [(vec![env!("CARGO_PKG_VERSION"), REVISION], 1.0)]);
    STARTED_AT.gauge(&mut families, seconds(status.started_at));
    READY.gauge(&mut families, f64::from(u8::from(status.ready)));
    let settings = status.settings.and(web);
    RELOADED.gauge(&mut families, f64::from(u8::from(settings.successful)));
    RELOADED_AT.gauge(&mut families, seconds(settings.read_at));
    sources(&mut families, status);
    if let Some(report) = &status.report {
        of_report(&mut families, report);
    }
    families.sort_by(|a, b| a.name().cmp(b.name()));
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text)?;
    String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
}

fn sources(families: &mut Vec<MetricFamily>, status: &Status) {
    let all = || status.sources.iter().map(|(source, status)| (vec![source.name()], status));
    let truth = |truth| f64::from(u8::from(truth));
    UP.gauges(families, all().filter_map(|(labels, status)| Some((labels, truth(status.up?)))));
    SEEN_AT.gauges(families, all().filter_map(|(labels, status)| Some((labels, seconds(status.last_seen?)))));
    PERIOD.gauges(families, all().map(|(labels, status)| (labels, status.every.as_secs_f64())));
    BACKING_OFF.gauges(families, all().map(|(labels, status)| (labels, truth(status.backing_off_until.is_some()))))
}

fn of_report(families: &mut Vec<MetricFamily>, report: &Report) {
    let is = |same| f64::from(u8::from(same));
    OUTCOME.gauges(families, Outcome::ALL.map(|outcome| (vec![outcome.name()], is(outcome == report.outcome))));
    PROOF.gauges(families, ProofLevel::ALL.map(|level| (vec![level.name()], is(level == report.proof))));
    REPORT_AT.gauge(families, seconds(report.taken_at));
    match report.outcome {
        Outcome::OnNet | Outcome::AtRisk => ON_NET.gauge(families, 1.0),
        Outcome::OffNet | Outcome::Dropped => ON_NET.gauge(families, 0.0),
        Outcome::Undetermined => {}
    }

    let in_use = || report.addresses.iter().filter(|address| address.in_use);
    if in_use().next().is_some() {
        ADDRESSES.gauges(families, by_way(in_use().map(|address| (&address.verdict, 1.0))));
    }
    if let Some(summary) = report.coverage_summary {
        let size = |range: &CoverageRange| addresses_in([&range.cidr]) as f64;
        LIST_ADDRESSES.gauges(families, by_way(report.coverage.iter().map(|range| (&range.verdict, size(range)))));
        if summary.addresses > 0 {
            COVERED.gauge(families, summary.addresses_on_net as f64 / summary.addresses as f64);
        }
    }

    let mut findings = BTreeMap::new();
    for finding in &report.findings {
        *findings.entry((finding.code.name(), finding.severity.name())).or_insert(0.0) += 1.0;
    }
    FINDINGS.gauges(families, findings.into_iter().map(|((code, severity), count)| (vec![code, severity], count)));

    if let Some(InstanceSummary { subnet: Some(subnet), route_table, .. }) = &report.instance {
        let table = route_table.as_deref().unwrap_or("");
        let ways: BTreeSet<(&str, &str)> = in_use()
            .map(|address| (way(&address.verdict), address.verdict.path().map_or("", |path| path.target.as_str())))
            .collect();
        let series = ways.into_iter().map(|(path, target)| (vec![subnet.as_str(), table, path, target], 1.0));
        ROUTE.gauges(families, series);
    }
}

/// The verdict as a label: the path, or why there is none.
fn way(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Via(path) => path.kind.name(),
        Verdict::Dropped(_) => DROPPED,
        Verdict::Ambiguous(_) => AMBIGUOUS,
        Verdict::Undetermined(_) => UNDETERMINED,
    }
}

const DROPPED: &str = "dropped";
const AMBIGUOUS: &str = "ambiguous";
const UNDETERMINED: &str = "undetermined";

/// What takes which way, and zero for every way that nothing takes.
fn by_way<'v>(verdicts: impl Iterator<Item = (&'v Verdict, f64)>) -> Vec<(Vec<&'static str>, f64)> {
    let ways = PathKind::ALL.map(PathKind::name).into_iter().chain([DROPPED, AMBIGUOUS, UNDETERMINED]);
    let mut counts: BTreeMap<&'static str, f64> = ways.map(|way| (way, 0.0)).collect();
    for (verdict, count) in verdicts {
        *counts.entry(way(verdict)).or_insert(0.0) += count;
    }
    counts.into_iter().map(|(way, count)| (vec![way], count)).collect()
}

fn seconds(at: Timestamp) -> f64 {
    at.since_epoch().as_secs_f64()
}

/// The `prometheus` crate's collector without its start time: that needs `/proc/stat`, which systemd's
/// `ProcSubset=pid` hides, and would then be 0.
struct Process(ProcessCollector);

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc().into_iter().filter(|desc| desc.fq_name != STARTED_AT.name).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.0.collect().into_iter().filter(|family| family.name() != STARTED_AT.name).collect()
    }
}
