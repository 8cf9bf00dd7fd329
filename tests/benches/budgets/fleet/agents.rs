//! The instances of a fleet that shares facts: each with the product's own schedule, table and facts.

use super::{
    cloud::{ACCOUNT, Clock, TABLE},
    log::{Known, SharedLog},
};
use aws_config::SdkConfig;
use fastrand::Rng;
use onnet::{
    engine::{Answer, Facts, Periods, ProbeChoice, Schedule, Scope},
    model::{BySource, NatRates, Source, Target, VpcFacts},
    observe::facts_table::{Asker, FactsSettings, FactsTable, Role},
};
use std::time::Duration;
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep},
};

/// The daemon's default for one collection.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What the daemon's dates of shared facts leave out: the `Date` header has whole seconds.
const DATE: Duration = Duration::from_secs(1);

/// The subnet of every instance, which is the lab's.
const SUBNET: &str = "subnet-0f1e2d3c";

/// Which instances there are.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) vpcs: usize,
    pub(super) in_each: usize,
    pub(super) roles: Roles,
    pub(super) period: Duration,
    pub(super) splay: Duration,
}

#[derive(Clone, Copy)]
pub(super) enum Roles {
    /// In each VPC one publishes, two take over from it, and the others read.
    OnePublisher,
    /// Each takes over from any other.
    AllAuto,
}

impl Shape {
    pub(super) fn instances(&self) -> usize {
        self.vpcs * self.in_each
    }

    pub(super) fn vpc_of(&self, who: usize) -> String {
        vpc(who / self.in_each)
    }

    pub(super) fn vpcs(&self) -> impl Iterator<Item = String> + use<> {
        (0..self.vpcs).map(vpc)
    }

    fn role_of(&self, who: usize) -> Role {
        match (self.roles, who % self.in_each) {
            (Roles::OnePublisher, 0) => Role::Publish(None),
            (Roles::OnePublisher, 3..) => Role::Read,
            (Roles::AllAuto, _) | (Roles::OnePublisher, _) => Role::Auto(None),
        }
    }
}

fn vpc(number: usize) -> String {
    format!("vpc-{number:04}")
}

/// What an instance calls itself.
pub(super) fn name(who: usize) -> String {
    format!("i-{who:017x}")
}

/// A fleet whose instances run.
pub(super) struct Fleet {
    pub(super) shape: Shape,
    pub(super) clock: Clock,
    pub(super) log: SharedLog,
    config: SdkConfig,
    random: Rng,
    tasks: Vec<AbortHandle>,
}

impl Fleet {
    /// All boot at once.
    pub(super) fn boot(shape: Shape, clock: Clock, config: SdkConfig, log: SharedLog) -> Self {
        let mut fleet = Self { shape, clock, log, config, random: Rng::with_seed(7), tasks: Vec::new() };
        for who in 0..shape.instances() {
            let task = fleet.start(who);
            fleet.tasks.push(task);
        }
        fleet
    }

    fn start(&mut self, who: usize) -> AbortHandle {
        self.log.open().started(who, self.clock.now());
        let (shape, clock, log, random) = (self.shape, self.clock, self.log.clone(), self.random.fork());
        tokio::task::spawn_local(run(who, shape, clock, self.config.clone(), log, random)).abort_handle()
    }

    /// Kills an instance in the middle of whatever it does.
    pub(super) fn kill(&mut self, who: usize) {
        self.tasks[who].abort();
        self.log.open().stopped(who, self.clock.now());
    }

    /// The same, and it boots.
    pub(super) fn restart(&mut self, who: usize) {
        self.kill(who);
        self.tasks[who] = self.start(who);
    }

    pub(super) fn kill_all(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// The daemon, as far as shared facts are concerned.
async fn run(who: usize, shape: Shape, clock: Clock, config: SdkConfig, log: SharedLog, mut random: Rng) {
    let Shape { period, splay, .. } = shape;
    let (table, role) = (TABLE.to_owned(), shape.role_of(who));
    let settings = FactsSettings { table, role, trust: Vec::new(), period, spot_check_every: None };
    let table = FactsTable::new(settings);
    let asker = Asker {
        name: name(who),
        accounts: [ACCOUNT.into()].into(),
        vpcs: vec![shape.vpc_of(who).into()],
        subnets: [SUBNET.into()].into(),
        region: "us-east-1".to_owned(),
    };
    let periods = Periods(BySource { ec2: period, ..Periods::default().0 });
    let mut schedule = Schedule::new([Source::Ec2], &periods, clock.moment(), random.f64(), splay);
    let mut facts = Facts::new(scope(&periods));
    while let Some(due) = schedule.due_at(clock.moment(), Source::Ec2) {
        sleep(due.since(clock.moment())).await;
        schedule.begin(clock.moment(), Source::Ec2);
        let began = clock.now();
        let (observed, requests) = table.facts_here(&config, &asker, (Instant::now() + TIMEOUT).into()).await;
        let observer = observed.shared.as_ref().and_then(|shared| shared.observers.values().next());
        let at = observer.map_or(began, |observer| clock.at(observer.observed_at).saturating_sub(DATE));
        let mut answer = Answer::Vpc { facts: Box::new(observed), requests };
        let gaps = answer.gaps();
        facts.take(answer);
        schedule.ended(clock.moment(), Source::Ec2, &gaps, random.f64());
        let known = facts.vpc();
        let known = Known {
            observed: gaps.is_empty().then_some(at),
            is_complete: is_complete(known),
            has_endpoint: has_endpoint(known),
        };
        log.open().arrived(who, clock.now(), &known);
    }
}

fn is_complete(facts: &VpcFacts) -> bool {
    let VpcFacts { route_tables, vpc_endpoints, endpoint_interfaces, service_prefix_lists, prefix_lists, .. } = facts;
    route_tables.seen().is_some()
        && vpc_endpoints.seen().is_some()
        && endpoint_interfaces.seen().is_some()
        && service_prefix_lists.seen().is_some()
        && prefix_lists.values().all(|list| list.seen().is_some())
}

fn has_endpoint(facts: &VpcFacts) -> bool {
    let mut routes = facts.route_tables.seen().into_iter().flatten().flat_map(|table| table.routes.iter());
    let is_listed = facts.vpc_endpoints.seen().is_some_and(|endpoints| !endpoints.is_empty());
    is_listed || routes.any(|route| matches!(route.target, Target::VpcEndpoint(_)))
}

/// What the daemon's facts are about where nothing but the VPC is known.
fn scope(periods: &Periods) -> Scope {
    Scope {
        probe: ProbeChoice::None,
        both_probes: false,
        interface: None,
        actions: Vec::new(),
        tables: Vec::new(),
        nat_rates: NatRates::default(),
        c_library: false,
        gates: false,
        witness: false,
        witness_every: periods.of(Source::Witness).into(),
        max_age: periods.max_age(TIMEOUT),
    }
}
