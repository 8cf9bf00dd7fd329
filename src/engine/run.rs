//! The daemon's loop: collects what is due, judges what is known, publishes the report.

use super::{
    batch::{Arrival, Batch, Batches},
    clock::{Moment, Reading, now},
    collections::{Answer, can_begin, is_wanted},
    collectors::{CollectSettings, Collectors},
    facts::{Changed, Facts, Scope},
    metrics::Counters,
    paths::PathsPlan,
    published::Publisher,
    record::{Event, Header, Recorder, Reported},
    reports::Reports,
    schedule::{Periods, Schedule},
    self_report::SelfReport,
    sources::Sources,
    systemd::Supervisor,
};
use crate::{
    judge::judge,
    model::{
        BySource, Gap, InstanceStatus, Observed, ProbeAttempt, ProbeSample, SettingsStatus, Source, Status,
        WitnessAttempt,
    },
    observe::{environment, kernel::Changes, limits::ANSWERS_COMING, seen::chain},
};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, OptionFuture},
    stream::FuturesUnordered,
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};

/// The settings of the daemon.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// What is collected.
    pub collect: CollectSettings,
    /// How often each source is collected from.
    pub periods: Periods,
    /// How long the first collection of what a fleet shares waits at most, where the machine has just booted.
    pub splay: Duration,
}

/// Instances that start together have been up for no longer than this.
const JUST_BOOTED: Duration = Duration::from_secs(300);

/// How long the kernel's routes and the probes wait for the name servers' answer, in order to go by its addresses.
const STAGGER: Duration = Duration::from_millis(250);

/// The loop goes round this often at least: for the watchdog, and to notice that the machine slept.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// The loop and all it knows.
pub struct Daemon {
    settings: RunSettings,
    collectors: Arc<Collectors>,
    /// What this instance reports of itself to a table, where it is to.
    self_report: SelfReport,
    writes: FuturesUnordered<BoxFuture<'static, (InstanceStatus, Result<(), Gap>)>>,
    /// The settings of the SDK, read again.
    rereads: FuturesUnordered<BoxFuture<'static, Result<Collectors, Gap>>>,
    batches: Batches,
    facts: Facts,
    schedule: Schedule,
    sources: Sources,
    reports: Reports,
    counters: Counters,
    publisher: Publisher,
    recorder: Option<Recorder>,
    supervisor: Supervisor,
    read: SettingsStatus,
    started: Reading,
    /// The last reading of the clocks before which the wall clock was set.
    clock: Reading,
    /// Every source was collected from since the start, and the instance was known.
    ready: bool,
    paths: PathsPlan,
}

impl Daemon {
    /// Ready to [`run`](Self::run).
    pub async fn new(
        settings: RunSettings,
        publisher: Publisher,
        counters: Counters,
        mut recorder: Option<Recorder>,
    ) -> Self {
        let started = now();
        let RunSettings { collect, periods, splay } = &settings;
        let just_booted = started.moment.uptime() < JUST_BOOTED;
        let splay = if just_booted { *splay } else { Duration::ZERO };
        let sources = Source::ALL.iter().copied().filter(|source| is_wanted(*source, collect));
        let schedule = Schedule::new(sources, periods, started.moment, fastrand::f64(), splay);
        let scope = Scope {
            probe: collect.probe,
            both_probes: true,
            interface: collect.interface.clone(),
            actions: collect.actions.clone(),
            tables: collect.tables.clone(),
            nat_rates: collect.nat_rates,
            c_library: collect.c_library.is_some(),
            gates: collect.gates,
            witness: collect.witness,
            witness_every: periods.of(Source::Witness).into(),
            max_age: periods.max_age(collect.timeout),
        };
        if let Some(recorder) = &mut recorder {
            let periods = BySource::from_fn(|source| periods.of(source).into());
            recorder.write(started, Event::Recording(Box::new(Header::new(scope.clone(), periods))));
        }
        let collectors = Collectors::open(collect.clone(), Instant::now() + collect.timeout).await;
        Self {
            collectors: Arc::new(collectors),
            self_report: SelfReport::default(),
            writes: FuturesUnordered::new(),
            rereads: FuturesUnordered::new(),
            batches: Batches::default(),
            facts: Facts::new(scope),
            sources: Sources::new(&schedule, periods),
            schedule,
            reports: Reports::new(collect.timeout, periods),
            counters,
            publisher,
            recorder,
            supervisor: Supervisor::from_environment(),
            read: SettingsStatus { successful: true, read_at: started.wall },
            started,
            clock: started,
            ready: false,
            paths: PathsPlan::default(),
            settings,
        }
    }

    /// Goes round until `stop`. Each message on `reread` says whether the other settings files could be read.
    pub async fn run(mut self, mut reread: mpsc::Receiver<bool>, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut changes = Changes::open()
            .map_err(|error| {
                let error = chain(&error);
                tracing::warn!(error, "the kernel reports no changes; they are noticed by collecting only");
            })
            .ok();
        if changes.is_none() {
            self.paths.unnoticed();
        }
        self.publish_status();
        loop {
            let now = self.read_clock();
            self.supervisor.alive(now.moment);
            self.facts.set_now(now.wall);
            self.begin_due(now);
            self.report(now);
            let wait = self.next_wake(now.moment).since(now.moment);
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(arrival) = self.batches.next(), if !self.batches.is_empty() => {
                    self.take_in(arrival);
                    while let Some(Some(arrival)) = self.batches.next().now_or_never() {
                        self.take_in(arrival);
                    }
                }
                Some((status, written)) = self.writes.next(), if !self.writes.is_empty() => {
                    self.self_report.ended(status, written);
                }
                Some(read) = self.rereads.next(), if !self.rereads.is_empty() => self.settings_read(read),
                Some(others) = reread.recv() => self.reread(others),
                Some(notice) = OptionFuture::from(changes.as_mut().map(Changes::next)) => match notice {
                    Some(()) => self.changed_locally(),
                    None => {
                        tracing::warn!("the kernel reports no more changes; they are noticed by collecting only");
                        changes = None;
                        self.paths.unnoticed();
                    }
                },
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.supervisor.stopping();
        let now = self.read_clock();
        self.record(now, || Event::End);
    }

    /// Reads the clocks. Where the wall's was set, every fact keeps its age.
    fn read_clock(&mut self) -> Reading {
        let now = now();
        if let Some(step) = now.step_since(&self.clock) {
            tracing::info!(?step, "the clock was set");
            self.facts.restamp(step);
            self.sources.restamp(step);
            self.clock = now;
        }
        now
    }

    fn next_wake(&self, now: Moment) -> Moment {
        let ready = self.schedule.sources().filter(|source| can_begin(*source, &self.facts));
        let next = ready.filter_map(|source| self.starts_at(now, source)).min();
        [next, self.reports.settled_at()].into_iter().flatten().fold(now + HEARTBEAT, Moment::min)
    }

    /// When the next batch of `source` begins; `None` while one is under way.
    fn starts_at(&self, now: Moment, source: Source) -> Option<Moment> {
        let due = self.schedule.due_at(now, source)?;
        let waits = source.goes_by_addresses() && self.schedule.is_in_flight(Source::Dns);
        Some(if waits { due + STAGGER } else { due })
    }

    fn begin_due(&mut self, now: Reading) {
        for &source in Source::ALL {
            let is_due = self.starts_at(now.moment, source).is_some_and(|starts| starts <= now.moment);
            if is_due && can_begin(source, &self.facts) {
                self.schedule.begin(now.moment, source);
                if source == Source::Kernel {
                    let is_due = self.paths.begin(now.moment, self.facts.wanted_paths()).is_some();
                    self.facts.set_paths_due(is_due);
                }
                let session = self.collectors.session(Instant::now() + self.settings.collect.timeout, ANSWERS_COMING);
                let only = BySource::from_fn(|other| other == source);
                self.batches.begin(only, Arc::new(session), now, &self.facts);
                if source == Source::Witness {
                    self.facts.questions_begun();
                }
            }
        }
    }

    /// Takes in what a collection brought, and what follows from it for the schedule.
    fn take_in(&mut self, mut arrival: Arrival) {
        let now = self.read_clock();
        let Some(began) = self.batches.began(&arrival) else { return };
        // The clock was set meanwhile: the answer is dated by neither the old nor the new time.
        let is_void = now.step_since(&began).is_some();
        if let Answer::KernelPaths { paths, .. } = &arrival.answer {
            self.paths.ended(!is_void && paths.seen().is_some());
        }
        let ended = if is_void {
            self.batches.discard(&arrival)
        } else {
            self.facts.complete(&mut arrival.answer);
            self.count(&arrival.answer);
            self.record(now, || Event::Facts(Box::new(arrival.answer.clone())));
            let is_of_ec2 = matches!(arrival.answer, Answer::Vpc { .. });
            let (changed, ended) = self.batches.take(arrival, &mut self.facts);
            self.follow(changed, now.moment);
            // The list may be another one now.
            if is_of_ec2 && self.paths.is_due(now.moment, &self.facts.wanted_paths()) {
                self.schedule.at_once(now.moment, Source::Kernel);
            }
            self.reports.changed(began, now);
            ended
        };
        if let Some(batch) = ended {
            self.ended(batch, now);
        }
    }

    fn count(&mut self, answer: &Answer) {
        if let Answer::Probe(ProbeAttempt { probe: Observed::Seen { value: probe, at, .. }, .. }) = answer {
            self.counters.probe(probe);
            let (kind, result, total) = (probe.kind, probe.result, probe.total);
            self.reports.history.probed(ProbeSample { at: *at, kind, result, total });
        }
        if let Answer::Statement(WitnessAttempt { question, statement: Observed::Seen { value, .. }, .. }) = answer {
            self.counters.statement(*question, &value.reply);
        }
        if let Answer::Vpc { requests, .. } = answer {
            requests.iter().for_each(|request| self.counters.ec2_request(request));
        }
    }

    /// What one change means for the other sources.
    fn follow(&mut self, changed: Changed, now: Moment) {
        let Changed { instance, names, addresses, strangers, routes, probe_failed, vpc, credentials } = changed;
        if names {
            self.schedule.at_once(now, Source::Dns);
        }
        if addresses {
            self.schedule.at_once(now, Source::Kernel);
            self.schedule.at_once(now, Source::Health);
            if self.facts.rests_on_testimony() {
                self.schedule.bring_forward(now, Source::ListTables);
            }
        }
        if instance {
            self.paths.changed();
            self.schedule.at_once(now, Source::Kernel);
        }
        if instance || strangers || routes || probe_failed {
            self.schedule.bring_forward(now, Source::Ec2);
        }
        if instance || routes || vpc {
            self.facts.forget_statements();
            self.schedule.bring_forward(now, Source::Witness);
        }
        if credentials {
            self.facts.ask_all();
            self.schedule.bring_forward(now, Source::Witness);
        }
        // What is under way may bring them.
        if !self.schedule.is_in_flight(Source::Witness) && self.facts.lacks_statements() {
            self.schedule.at_once(now, Source::Witness);
        }
    }

    /// The kernel reported a change. Whatever it was, the sources that know more are asked.
    fn changed_locally(&mut self) {
        let now = now().moment;
        tracing::debug!("an address, a link, a route or a rule changed");
        self.paths.changed();
        self.facts.ask_all();
        for source in [Source::Imds, Source::Kernel, Source::Ec2, Source::Witness] {
            self.schedule.bring_forward(now, source);
        }
    }

    /// A batch ended: sets when the next one of its source starts, and the state of the source.
    fn ended(&mut self, batch: Batch, now: Reading) {
        let Batch { sources, began, gaps, is_void, .. } = batch;
        for (source, _) in sources.iter().filter(|(_, is_in)| **is_in) {
            if is_void {
                self.schedule.answered(source);
                self.schedule.at_once(now.moment, source);
                continue;
            }
            let gaps = worth_reporting(gaps.clone());
            gaps.iter().for_each(|gap| self.counters.gap(source, gap));
            self.schedule.ended(now.moment, source, &gaps, fastrand::f64());
            self.sources.ended(source, began, now, gaps, &self.schedule);
            if source == Source::Imds && self.collectors.broken().is_some() {
                self.reread(true);
            }
        }
    }

    /// Judges what is known, where something is new and nothing is under way that may belong to it.
    fn report(&mut self, now: Reading) {
        let Some(began) = self.reports.due(now, self.schedule.is_busy()) else { return };
        let proxies = environment::proxies(&self.facts.all_names());
        let (taken_at, took) = (now.wall_at(began), now.moment.since(began).into());
        let ignored_settings = self.collectors.ignored_settings();
        self.facts.set_ignored_settings(ignored_settings.clone());
        let report = judge(self.facts.snapshot(taken_at, took, proxies.clone()));
        let outcome = report.outcome;
        let disagreed = self.reports.last.as_ref().is_some_and(|last| last.has_contradiction());
        // What EC2 said may be older than the last change.
        if report.has_contradiction() && !disagreed {
            self.schedule.bring_forward(now.moment, Source::Ec2);
        }
        self.record(now, || Event::Report(Reported { taken_at, took, proxies, ignored_settings, outcome }));
        self.reports.publish(report, now, &self.counters);
        self.publish_status();
        self.report_to_table(now);
    }

    /// Writes what the last report says of this instance into the table of shared facts, where that is due.
    fn report_to_table(&mut self, now: Reading) {
        if self.settings.collect.facts.is_none() {
            return;
        }
        let Some(report) = self.reports.last.as_deref() else { return };
        let since = self.reports.history.changes.back().map_or(self.started.wall, |change| change.at);
        let Some(status) = self.self_report.due(report, since, (now.moment, now.wall)) else { return };
        let collectors = Arc::clone(&self.collectors);
        let deadline = Instant::now() + self.settings.collect.timeout;
        self.writes.push(async move { (status.clone(), collectors.report(&status, deadline).await) }.boxed());
    }

    fn record(&mut self, now: Reading, event: impl FnOnce() -> Event) {
        if let Some(recorder) = &mut self.recorder {
            recorder.write(now, event());
        }
    }

    fn publish_status(&mut self) {
        self.ready |= self.reports.last.is_some() && self.facts.instance().is_some() && self.sources.all_collected();
        self.supervisor.status(self.ready, &self.reports.line());
        let status = Status {
            started_at: self.started.wall,
            report: self.reports.last.clone(),
            ready: self.ready,
            sources: self.sources.status(),
            history: self.reports.history.clone(),
            settings: self.read,
        };
        self.publisher.publish_until(status, self.reports.expires);
    }

    /// Reads the settings of the SDK again; `others` says whether the other settings files could be read.
    fn reread(&mut self, others: bool) {
        let collectors = Arc::clone(&self.collectors);
        self.read.successful = others;
        self.rereads.push(async move { collectors.reopened().await }.boxed());
    }

    fn settings_read(&mut self, result: Result<Collectors, Gap>) {
        let now = self.read_clock();
        match result {
            Ok(collectors) => {
                self.collectors = Arc::new(collectors);
                if self.read.successful {
                    self.read.read_at = now.wall;
                    tracing::info!("the settings files were read again");
                }
                for &source in Source::ALL {
                    self.schedule.bring_forward(now.moment, source);
                }
            }
            Err(gap) => {
                self.read.successful = false;
                if self.collectors.broken() != Some(&gap) {
                    tracing::error!(%gap, "the SDK's settings cannot be used; the last good ones are kept");
                }
            }
        }
        self.publish_status();
    }
}

/// Why facts are missing; those that were not even asked for count only if that is all.
fn worth_reporting(mut gaps: Vec<Gap>) -> Vec<Gap> {
    let tried = |gap: &Gap| !matches!(gap, Gap::NotTried { .. });
    if gaps.iter().any(tried) {
        gaps.retain(tried);
    }
    gaps
}
