//! What happened since the start, counted as it happens, and the text of `/metrics`.
//!
//! A scrape reads the counters and the core's samples and changes neither, so any number of scrapers get the same.

use crate::{
    model::{
        EC2_OPERATIONS, Ec2Request, Ec2Result, Gap, Phase, Probe, ProbeKind, ProbeResult, Question, Reply,
        SettingsStatus, Source, Status,
    },
    present::metrics::{
        CHANGES, DURATION, EC2, FAILURES, GAPS, Metric, PHASE, PROBES, ROUNDS, STARTED_AT, Samples, Series, TESTIMONY,
        samples,
    },
};
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder,
    core::{Collector, Desc},
    process_collector::ProcessCollector,
    proto::{self, LabelPair, MetricFamily, MetricType},
};

/// From half a millisecond, within a VPC, to the longest probe there is.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The commit a package was built from, where its builder says so.
const REVISION: Option<&str> = option_env!("ONNET_REVISION");

fn opts(metric: &Metric) -> Opts {
    Opts::new(metric.name, metric.help)
}

/// A family as it is, for it is read once: what a registry does for a gauge that changes takes most of a scrape.
fn family(samples: Samples<'_>) -> MetricFamily {
    let Samples { metric, series } = samples;
    let series = series.into_iter().map(|Series { labels, value }| {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(value);
        let mut series = proto::Metric::from_gauge(gauge);
        series.set_label(labels.into_iter().map(|(name, value)| label(name, value)).collect());
        series
    });
    let mut family = MetricFamily::default();
    family.set_name(metric.name.to_owned());
    family.set_help(metric.help.to_owned());
    family.set_field_type(MetricType::GAUGE);
    family.set_metric(series.collect());
    family
}

fn counter(metric: &Metric, registry: &Registry) -> Result<IntCounter, prometheus::Error> {
    let counter = IntCounter::with_opts(opts(metric))?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn counters(metric: &Metric, registry: &Registry) -> Result<IntCounterVec, prometheus::Error> {
    let counters = IntCounterVec::new(opts(metric), metric.labels)?;
    registry.register(Box::new(counters.clone()))?;
    Ok(counters)
}

fn histograms(metric: &Metric, registry: &Registry) -> Result<HistogramVec, prometheus::Error> {
    let options = HistogramOpts { common_opts: opts(metric), buckets: BUCKETS.to_vec() };
    let histograms = HistogramVec::new(options, metric.labels)?;
    registry.register(Box::new(histograms.clone()))?;
    Ok(histograms)
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
    testimony: IntCounterVec,
    changes: IntCounter,
    reports: IntCounter,
}

impl Counters {
    /// All at zero, and all there: a counter that appears with its first event hides that event from `rate()`.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = Self {
            probes: counters(&PROBES, &registry)?,
            failures: counters(&FAILURES, &registry)?,
            duration: histograms(&DURATION, &registry)?,
            phases: histograms(&PHASE, &registry)?,
            gaps: counters(&GAPS, &registry)?,
            ec2: counters(&EC2, &registry)?,
            testimony: counters(&TESTIMONY, &registry)?,
            changes: counter(&CHANGES, &registry)?,
            reports: counter(&ROUNDS, &registry)?,
            registry,
        };
        counters.registry.register(Box::new(Process(ProcessCollector::for_self())))?;
        for probe in ProbeKind::ALL.iter().map(|probe| probe.name()) {
            counters.probes.get_metric_with_label_values(&[probe])?;
            counters.duration.get_metric_with_label_values(&[probe])?;
            for phase in Phase::ALL.iter().map(|phase| phase.name()) {
                counters.phases.get_metric_with_label_values(&[probe, phase])?;
            }
            for reason in ProbeResult::ALL.iter().filter(|result| result.is_failure()).map(|result| result.name()) {
                counters.failures.get_metric_with_label_values(&[probe, reason])?;
            }
        }
        for source in Source::ALL.iter().map(|source| source.name()) {
            for reason in Gap::REASONS.iter().filter(|reason| !Gap::CONCLUDED.contains(reason)) {
                counters.gaps.get_metric_with_label_values(&[source, reason])?;
            }
        }
        for question in Question::ALL.iter().map(|question| question.name()) {
            for answer in Reply::NAMES {
                counters.testimony.get_metric_with_label_values(&[question, answer])?;
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

    /// A collection lacked a fact.
    pub fn gap(&self, source: Source, gap: &Gap) {
        self.gaps.with_label_values(&[source.name(), gap.reason()]).inc();
    }

    /// EC2 was asked.
    pub fn ec2_request(&self, request: &Ec2Request) {
        self.ec2.with_label_values(&[request.operation, request.result.name()]).inc();
    }

    /// DynamoDB answered a question.
    pub fn statement(&self, question: Question, reply: &Reply) {
        self.testimony.with_label_values(&[question.name(), reply.name()]).inc();
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
    let build = (env!("CARGO_PKG_VERSION"), REVISION);
    families.extend(samples(status, status.settings.and(web), build).into_iter().map(family));
    families.sort_by(|a, b| a.name().cmp(b.name()));
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text)?;
    String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
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
