//! The loop: looks at what is due, judges what is known, publishes what was concluded.

use super::{
    clock::{Moment, Reading, now},
    facts::{Changed, Known, is_passing},
    metrics::Counters,
    published::Publisher,
    schedule::{Periods, Schedule},
    systemd::Supervisor,
};
use crate::{
    judge::judge,
    model::{
        BySource, Ec2Request, Fact, FactPath, FactVisitor, Gap, History, Observed, Outcome, OutcomeChange,
        ProbeAttempt, ProbeSample, Report, Seconds, SettingsStatus, Source, SourceStatus, Status, VpcFacts,
        visit_instance,
    },
    observe::{
        self, ProbeChoice,
        kernel::Changes,
        sources::{Identity, KernelRoutes, Resolved, Sources},
    },
    present::{OutcomeChanged, outcome_changed},
};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, OptionFuture},
    stream::FuturesUnordered,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// What the daemon is told.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How each source is looked at.
    pub look: observe::Settings,
    /// How often each source is looked at.
    pub periods: Periods,
    /// How long the first looks at what a fleet shares wait at most, where the machine has just started.
    pub splay: Duration,
}

/// Instances that start together have been up for no longer than this.
const JUST_BOOTED: Duration = Duration::from_secs(300);

/// How long a conclusion waits for the looks under way, so that facts that change together are judged together.
const SETTLE: Duration = Duration::from_secs(1);

/// How long the kernel's routes and the probes wait for the name servers' answer, in order to go by its addresses.
const STAGGER: Duration = Duration::from_millis(250);

/// The loop goes round this often at least: for the watchdog, and to notice that the machine slept.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What a look brought.
enum Seen {
    Imds(Box<Identity>),
    Dns(BTreeMap<String, Resolved>),
    Kernel(KernelRoutes),
    Health(Vec<ProbeAttempt>),
    ListTables(Vec<ProbeAttempt>),
    Ec2(Box<VpcFacts>, Vec<Ec2Request>),
    /// The settings of the SDK were read again.
    Settings(Box<Result<Sources, Gap>>),
}

struct Look {
    began: Reading,
    /// `None`: the settings.
    source: Option<Source>,
    seen: Seen,
}

/// The loop and all it knows.
pub struct Daemon {
    settings: Settings,
    sources: Arc<Sources>,
    looks: FuturesUnordered<BoxFuture<'static, Look>>,
    known: Known,
    schedule: Schedule,
    status: BySource<Option<SourceStatus>>,
    history: History,
    counters: Counters,
    publisher: Publisher,
    supervisor: Supervisor,
    read: SettingsStatus,
    started: Reading,
    /// The last reading of the clocks.
    clock: Reading,
    /// When the earliest look began that is not judged yet, and when the first of these ended.
    unjudged: Option<(Reading, Moment)>,
    judged: Option<Moment>,
    report: Option<Arc<Report>>,
    /// Every source was looked at since the start, and the instance was known.
    ready: bool,
}

impl Daemon {
    /// Ready to [`run`](Self::run). `status` is what was published meanwhile.
    pub async fn new(settings: Settings, publisher: Publisher, counters: Counters) -> Self {
        let started = now();
        let enabled = |source: &Source| match source {
            Source::Health => settings.look.probe != ProbeChoice::None,
            Source::ListTables => settings.look.probe == ProbeChoice::ListTables,
            Source::Imds | Source::Dns | Source::Kernel | Source::Ec2 => true,
        };
        let sources = Source::ALL.into_iter().filter(enabled);
        let just_booted = started.moment.uptime() < JUST_BOOTED;
        let splay = if just_booted { settings.splay } else { Duration::ZERO };
        let schedule = Schedule::new(sources, &settings.periods, started.moment, fastrand::f64(), splay);
        let status = schedule.sources().map(|source| (source, unseen(settings.periods.of(source)))).collect();
        Self {
            sources: Arc::new(Sources::open(settings.look.clone()).await),
            looks: FuturesUnordered::new(),
            known: Known::default(),
            schedule,
            status,
            history: History::default(),
            counters,
            publisher,
            supervisor: Supervisor::from_environment(),
            read: SettingsStatus { successful: true, read_at: started.wall },
            started,
            clock: started,
            unjudged: None,
            judged: None,
            report: None,
            ready: false,
            settings,
        }
    }

    /// Goes round until `stop`. Whoever sends to `reread` says whether the other settings files could be read.
    pub async fn run(mut self, mut reread: mpsc::Receiver<bool>, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut changes = Changes::open()
            .map_err(|error| {
                let error = observe::seen::chain(&error);
                tracing::warn!(error, "changes of addresses, links and routes are noticed by looking only");
            })
            .ok();
        self.publish_status();
        loop {
            let now = self.read_clock();
            self.supervisor.alive(now.moment);
            self.begin_looks(now);
            self.conclude(now);
            let wait = self.next_wake(now.moment).since(now.moment);
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(look) = self.looks.next(), if !self.looks.is_empty() => {
                    self.take_in(look);
                    while let Some(Some(look)) = self.looks.next().now_or_never() {
                        self.take_in(look);
                    }
                }
                Some(others) = reread.recv() => self.reread(others),
                Some(notice) = OptionFuture::from(changes.as_mut().map(Changes::next)) => match notice {
                    Some(()) => self.changed_locally(),
                    None => {
                        tracing::warn!("the kernel tells of no more changes; they are noticed by looking only");
                        changes = None;
                    }
                },
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.supervisor.stopping();
    }

    /// Reads the clocks. Where the wall's was set, every fact keeps its age.
    fn read_clock(&mut self) -> Reading {
        let now = now();
        if let Some(step) = now.step_since(&self.clock) {
            tracing::info!(?step, "the clock was set");
            self.known.restamp(step);
            for status in self.status.present_mut() {
                status.last_seen = status.last_seen.map(|at| step.applied_to(at));
            }
            self.clock = now;
        }
        now
    }

    fn next_wake(&self, now: Moment) -> Moment {
        let due = self.schedule.sources().filter(|source| self.can_look(*source));
        let next = due.filter_map(|source| self.starts_at(now, source)).min();
        let settled = self.unjudged.map(|(_, since)| since + self.patience());
        [next, settled].into_iter().flatten().fold(now + HEARTBEAT, Moment::min)
    }

    /// How long a conclusion waits for the looks under way. The first one waits for all.
    fn patience(&self) -> Duration {
        if self.report.is_some() { SETTLE } else { self.settings.look.timeout }
    }

    /// Whether there is something to look at.
    fn can_look(&self, source: Source) -> bool {
        match source {
            Source::Imds => true,
            Source::Dns => self.known.names().is_some(),
            Source::Kernel => !self.known.destinations().is_empty(),
            Source::Health | Source::ListTables => {
                self.known.region().is_some() && !self.known.destinations().is_empty()
            }
            Source::Ec2 => self.known.instance().is_some(),
        }
    }

    /// When the next look at `source` begins; `None` while one is under way.
    fn starts_at(&self, now: Moment, source: Source) -> Option<Moment> {
        let due = self.schedule.due_at(now, source)?;
        let goes_by_addresses = matches!(source, Source::Kernel | Source::Health | Source::ListTables);
        let stagger =
            if goes_by_addresses && self.schedule.is_in_flight(Source::Dns) { STAGGER } else { Duration::ZERO };
        Some(due + stagger)
    }

    fn begin_looks(&mut self, now: Reading) {
        for source in Source::ALL {
            let starts = self.starts_at(now.moment, source);
            if self.can_look(source) && starts.is_some_and(|starts| starts <= now.moment) {
                self.schedule.begin(now.moment, source);
                let seen = self.look(source);
                self.looks.push(async move { Look { began: now, source: Some(source), seen: seen.await } }.boxed());
            }
        }
    }

    fn look(&self, source: Source) -> BoxFuture<'static, Seen> {
        let sources = Arc::clone(&self.sources);
        let region = self.known.region().unwrap_or("unknown").to_owned();
        match source {
            Source::Imds => async move { Seen::Imds(Box::new(sources.identity().await)) }.boxed(),
            Source::Dns => {
                let names = self.known.names().unwrap_or_default();
                async move { Seen::Dns(sources.addresses(&names).await) }.boxed()
            }
            Source::Kernel => {
                let destinations = self.known.destinations();
                async move { Seen::Kernel(sources.kernel_routes(&destinations).await) }.boxed()
            }
            Source::Health => {
                let targets = self.known.targets();
                async move { Seen::Health(sources.health(&region, &targets).await) }.boxed()
            }
            Source::ListTables => {
                let targets = self.known.targets();
                async move { Seen::ListTables(sources.list_tables(&region, &targets).await) }.boxed()
            }
            Source::Ec2 => {
                let instance = self.known.instance().cloned();
                async move {
                    let (facts, requests) = match instance {
                        Some(instance) => sources.vpc(&instance).await,
                        None => {
                            (observe::nothing(&Gap::NotTried { because: "the VPC is not known".into() }), Vec::new())
                        }
                    };
                    Seen::Ec2(Box::new(facts), requests)
                }
                .boxed()
            }
        }
    }

    /// Takes in what a look brought, and what follows from it for the schedule.
    fn take_in(&mut self, look: Look) {
        let Look { began, source, mut seen } = look;
        let now = self.read_clock();
        if let (Some(source), Some(_)) = (source, now.step_since(&began)) {
            // The clock was set while we looked: what was seen carries a time that is neither the old nor the new one.
            self.schedule.answered(source);
            self.schedule.at_once(now.moment, source);
            return;
        }
        let gaps = gaps_of(&mut seen);
        let changed = match seen {
            Seen::Settings(result) => return self.settings_read(*result, now),
            Seen::Imds(identity) => self.known.identity(*identity),
            Seen::Dns(resolved) => self.known.addresses(resolved),
            Seen::Kernel(routes) => self.known.kernel(routes),
            Seen::Health(probes) => {
                self.count(&probes);
                self.known.health(probes)
            }
            Seen::ListTables(probes) => {
                self.count(&probes);
                self.known.list_tables(probes)
            }
            Seen::Ec2(facts, requests) => {
                requests.iter().for_each(|request| self.counters.ec2_request(request));
                self.known.vpc(*facts);
                Changed::default()
            }
        };
        if let Some(source) = source {
            self.ended(source, began, now, gaps);
        }
        if source == Some(Source::Imds) && self.sources.broken().is_some() {
            self.reread(true);
        }
        self.follow(changed, now.moment);
        let (earliest, since) = self.unjudged.unwrap_or((began, now.moment));
        self.unjudged = Some((if began.moment < earliest.moment { began } else { earliest }, since));
    }

    /// What one change means for the other sources.
    fn follow(&mut self, changed: Changed, now: Moment) {
        let Changed { instance, names, addresses, strangers, routes, probe_failed } = changed;
        if names {
            self.schedule.at_once(now, Source::Dns);
        }
        if addresses {
            self.schedule.at_once(now, Source::Kernel);
            self.schedule.at_once(now, Source::Health);
            if self.known.rests_on_testimony() {
                self.schedule.bring_forward(now, Source::ListTables);
            }
        }
        if instance {
            self.schedule.at_once(now, Source::Kernel);
        }
        if instance || strangers || routes || probe_failed {
            self.schedule.bring_forward(now, Source::Ec2);
        }
    }

    /// The kernel told of a change. Whatever it was, those who know more are asked.
    fn changed_locally(&mut self) {
        let now = now().moment;
        tracing::debug!("an address, a link or a route changed");
        for source in [Source::Imds, Source::Kernel, Source::Ec2] {
            self.schedule.bring_forward(now, source);
        }
    }

    fn count(&mut self, probes: &[ProbeAttempt]) {
        for attempt in probes {
            if let Observed::Seen { value: probe, at, .. } = &attempt.probe {
                self.counters.probe(probe);
                self.history.probed(ProbeSample {
                    at: *at,
                    kind: probe.kind,
                    result: probe.result,
                    total: probe.total,
                });
            }
        }
    }

    /// A look at `source` ended: when is the next, and how does the source fare?
    fn ended(&mut self, source: Source, began: Reading, now: Reading, gaps: Vec<Gap>) {
        gaps.iter().for_each(|gap| self.counters.gap(source, gap));
        let chance = fastrand::f64();
        if gaps.iter().any(|gap| matches!(gap, Gap::Throttled { .. })) {
            self.schedule.throttled(now.moment, source, chance);
        } else if gaps.iter().any(is_passing) {
            self.schedule.failed(now.moment, source, chance);
        } else {
            self.schedule.answered(source);
        }
        let backing_off = self.schedule.backing_off_until(now.moment, source);
        let Some(status) = self.status[source].as_mut() else { return };
        let was = status.up.replace(gaps.is_empty());
        let backed_off = status.backing_off_until.is_some();
        status.backing_off_until = backing_off.map(|until| now.wall_at(until));
        if gaps.is_empty() {
            status.last_seen = Some(began.wall);
        }
        match (was, gaps.first()) {
            (Some(true) | None, Some(gap)) => tracing::warn!(%source, %gap, "not all was seen of a source"),
            (Some(false), None) => tracing::info!(%source, "all is seen of a source again"),
            (Some(false), Some(gap)) if status.gaps.first().map(Gap::reason) != Some(gap.reason()) => {
                tracing::warn!(%source, %gap, "not all is seen of a source, for another reason");
            }
            (Some(true) | None, None) | (Some(false), Some(_)) => {}
        }
        if let (false, Some(until)) = (backed_off, status.backing_off_until) {
            tracing::warn!(%source, %until, "throttled: looked at less often until it bears more; what was seen is kept, and its age told");
        }
        status.gaps = gaps;
    }

    /// Judges what is known, where something is new, nothing is under way that may belong to it, and now and then in any
    /// case, for facts grow old by themselves.
    fn conclude(&mut self, now: Reading) {
        let max_age = self.settings.periods.max_age(self.settings.look.timeout);
        let is_old = self.judged.is_some_and(|judged| now.moment.since(judged) > self.settings.periods.of(Source::Dns));
        if is_old && self.unjudged.is_none() {
            self.unjudged = Some((now, now.moment));
        }
        let is_settled = self
            .unjudged
            .is_some_and(|(_, since)| !self.schedule.is_busy() || now.moment.since(since) >= self.patience());
        if !is_settled {
            return;
        }
        let began = self.unjudged.take().map_or(now.moment, |(began, _)| began.moment);
        let took = now.moment.since(began);
        let snapshot = self.known.snapshot(now.wall_at(began), took.into(), max_age, &self.settings.look);
        let report = judge(snapshot);
        self.judged = Some(now.moment);
        self.counters.reported();
        self.notice(&report, now);
        self.report = Some(Arc::new(report));
        self.publish_status();
    }

    /// Tells of the outcome if it changed.
    fn notice(&mut self, report: &Report, now: Reading) {
        let from = self.report.as_ref().map(|report| report.outcome);
        if from == Some(report.outcome) {
            return;
        }
        if from.is_some() {
            self.counters.outcome_changed();
        }
        tell(from, report);
        self.history.changed(OutcomeChange { at: now.wall, from, to: report.outcome, summary: report.summary.clone() });
    }

    fn publish_status(&mut self) {
        self.ready |= self.report.is_some()
            && self.known.instance().is_some()
            && self.status.present().all(|(_, status)| status.up.is_some());
        let ready = self.ready;
        let line = match &self.report {
            Some(report) => format!("{}: {}", report.outcome, report.summary),
            None => "looking for the first time".to_owned(),
        };
        self.supervisor.status(ready, &line);
        self.publisher.publish(Status {
            started_at: self.started.wall,
            report: self.report.clone(),
            ready,
            sources: self.status.clone(),
            history: self.history.clone(),
            settings: self.read,
        });
    }

    /// Reads the SDK's settings again; `others` says whether the other settings files could be read.
    fn reread(&mut self, others: bool) {
        let sources = Arc::clone(&self.sources);
        self.read.successful = others;
        self.looks.push(
            async move {
                let began = now();
                Look { began, source: None, seen: Seen::Settings(Box::new(sources.reopened().await)) }
            }
            .boxed(),
        );
    }

    fn settings_read(&mut self, result: Result<Sources, Gap>, now: Reading) {
        match result {
            Ok(sources) => {
                self.sources = Arc::new(sources);
                if self.read.successful {
                    self.read.read_at = now.wall;
                    tracing::info!("the settings files were read again");
                }
                for source in Source::ALL {
                    self.schedule.bring_forward(now.moment, source);
                }
            }
            Err(gap) => {
                self.read.successful = false;
                if self.sources.broken() != Some(&gap) {
                    tracing::error!(%gap, "the SDK's settings cannot be used; the last good ones are kept");
                }
            }
        }
        self.publish_status();
    }
}

fn unseen(every: Duration) -> SourceStatus {
    SourceStatus { every: Seconds::from(every), up: None, last_seen: None, gaps: Vec::new(), backing_off_until: None }
}

/// The one event of a changed outcome.
fn tell(from: Option<Outcome>, report: &Report) {
    let OutcomeChanged { from, to, why, proof, hostname, address, subnet, route_table, path, target } =
        outcome_changed(from, report);
    let address = address.map(tracing::field::display);
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(
                from, %to, why, proof, hostname, address, subnet, route_table, path, target, "outcome changed"
            )
        };
    }
    match to {
        Outcome::OffNet | Outcome::Dropped => event!(error),
        Outcome::AtRisk | Outcome::Undetermined => event!(warn),
        Outcome::OnNet => event!(info),
    }
}

/// What a look lacked; what it did not even ask for only if that is all.
fn gaps_of(seen: &mut Seen) -> Vec<Gap> {
    let mut all = Gaps::default();
    match seen {
        Seen::Imds(identity) => {
            let Identity { instance, region, names, account_name } = &mut **identity;
            visit_instance(instance, &mut all);
            all.fact(FactPath::Region, region);
            all.fact(FactPath::Names, names);
            all.fact(FactPath::AccountName, account_name);
        }
        Seen::Dns(resolved) => {
            resolved.iter_mut().for_each(|(name, (resolution, _))| resolution.visit_facts(name, &mut all));
        }
        Seen::Kernel(KernelRoutes { routes, host_routes }) => {
            routes.iter_mut().for_each(|(address, route)| all.fact(FactPath::KernelRoute(*address), route));
            all.fact(FactPath::HostRoutes, host_routes);
        }
        Seen::Health(probes) | Seen::ListTables(probes) => {
            probes.iter_mut().for_each(|attempt| attempt.visit_facts(&mut all));
        }
        Seen::Ec2(facts, _) => facts.visit_facts(&mut all),
        Seen::Settings(_) => {}
    }
    let tried = |gap: &Gap| !matches!(gap, Gap::NotTried { .. });
    if all.0.iter().any(tried) {
        all.0.retain(tried);
    }
    all.0
}

/// The different reasons for which facts are missing.
#[derive(Default)]
struct Gaps(Vec<Gap>);

impl FactVisitor for Gaps {
    fn fact<T: Fact>(&mut self, _: FactPath, fact: &mut Observed<T>) {
        if let Some(gap) = fact.gap().filter(|gap| !self.0.contains(gap)) {
            self.0.push(gap.clone());
        }
    }
}
