//! Fleets that share facts, on a simulated clock: their load on EC2 and DynamoDB, and what happens when publishers die, instances
//! restart and endpoints go.

use super::{
    REFILL_A_SECOND,
    agents::{Fleet, Roles, Shape, name},
    cloud::{Clock, Cloud},
    log::{Log, SharedLog, Written},
};
use crate::{Bench, Row, Rows, Spread};
use onnet::{
    engine::Periods,
    model::{PERIODS_KEPT, Source},
};
use std::{collections::BTreeMap, error::Error, ops::Range, time::Duration};
use tokio::{runtime::Builder, task::LocalSet, time::sleep};

/// The part of the account's bucket that a fleet may use.
const SHARE: f64 = 0.05;

/// The daemon's default.
const SPLAY: Duration = Duration::from_secs(60);

/// The time after the simultaneous boot that is not measured, and the time that is, both in periods. Every period is like the last one.
const SETTLED: u32 = 2;
const OBSERVED: u32 = 4;

/// How long the answers of a round may take.
const ROUND: Duration = Duration::from_secs(2);

/// The load of a fleet on both services.
pub(super) struct Load {
    /// For all actions of EC2, and for the one that is called most.
    pub(super) calls_an_hour: f64,
    share: f64,
    throttled: usize,
    reads_an_hour: f64,
    writes_an_hour: f64,
    most_calls_a_minute: usize,
    most_reads_a_second: usize,
}

impl Load {
    pub(super) fn of(log: &Log, during: &Range<Duration>) -> Self {
        let hours = (during.end - during.start).as_secs_f64() / 3600.0;
        let (of_ec2, of_dynamodb): (Vec<_>, Vec<_>) = log.during(during).partition(|request| request.is_to_ec2());
        let (reads, writes): (Vec<_>, Vec<_>) =
            of_dynamodb.into_iter().partition(|request| request.operation == "GetItem");
        let mut actions = BTreeMap::<&str, usize>::new();
        of_ec2.iter().for_each(|request| *actions.entry(request.operation).or_default() += 1);
        let fullest = actions.values().max().copied().unwrap_or_default() as f64 / hours;
        let busiest = |times: Vec<u64>| {
            let mut counts = BTreeMap::<u64, usize>::new();
            times.into_iter().for_each(|time| *counts.entry(time).or_default() += 1);
            counts.into_values().max().unwrap_or_default()
        };
        Self {
            calls_an_hour: of_ec2.len() as f64 / hours,
            share: fullest / 3600.0 / REFILL_A_SECOND,
            throttled: of_ec2.iter().filter(|request| request.throttled).count(),
            reads_an_hour: reads.len() as f64 / hours,
            writes_an_hour: writes.len() as f64 / hours,
            most_calls_a_minute: busiest(of_ec2.iter().map(|request| request.at.as_secs() / 60).collect()),
            most_reads_a_second: busiest(reads.iter().map(|request| request.at.as_secs()).collect()),
        }
    }
}

/// A fleet on a simulated clock.
struct Simulated {
    fleet: Fleet,
    cloud: Cloud,
}

impl Simulated {
    /// All boot at once, and settle.
    async fn settled(vpcs: usize, in_each: usize, roles: Roles) -> Self {
        let period = Periods::default().of(Source::Ec2);
        let simulated = Self::boot(Shape { vpcs, in_each, roles, period, splay: SPLAY });
        sleep(period * SETTLED).await;
        simulated
    }

    fn boot(shape: Shape) -> Self {
        let clock = Clock::start();
        let log = SharedLog::new(shape.instances(), shape.period * PERIODS_KEPT);
        let cloud = Cloud::new(shape.vpcs(), clock);
        let config = Cloud::config(log.of(cloud.client(), clock));
        Self { fleet: Fleet::boot(shape, clock, config, log), cloud }
    }

    fn period(&self) -> Duration {
        self.fleet.shape.period
    }

    /// Lets so many periods pass.
    async fn pass(&self, periods: u32) -> Range<Duration> {
        let from = self.fleet.clock.now();
        sleep(self.period() * periods).await;
        from..self.fleet.clock.now()
    }

    fn load(&self, during: &Range<Duration>) -> Load {
        Load::of(&self.fleet.log.open(), during)
    }

    /// Instances times seconds without facts that count.
    fn stale(&self, during: &Range<Duration>, of: impl Fn(usize) -> bool) -> f64 {
        self.fleet.log.open().stale(during, of)
    }

    /// The last of what was written of each VPC's head.
    fn last_written(&self, is_wanted: impl Fn(&Written) -> bool) -> BTreeMap<String, Written> {
        let log = self.fleet.log.open();
        let wanted = log.written.iter().filter(|written| is_wanted(written));
        wanted.map(|written| (written.vpc.clone(), written.clone())).collect()
    }

    /// Waits for the next lease or head of a VPC.
    async fn until_written(&self, vpc: &str, is_head: bool) {
        let is_it = |written: &&Written| written.vpc == vpc && written.is_head == is_head;
        let last = || self.fleet.log.open().written.iter().rev().find(is_it).map(|written| written.at);
        let before = last();
        while last() == before {
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Kills the publisher of every VPC as that of the first one has taken the lease. For each the time from when its next head was due
    /// until another one's came, in seconds: of those that held a lease, and of the others.
    async fn kill_publishers(&mut self) -> (Range<Duration>, [Vec<f64>; 2]) {
        self.until_written(&self.fleet.shape.vpc_of(0), false).await;
        let (last, heads) = (self.last_written(|_| true), self.last_written(|written| written.is_head));
        let running = self.fleet.log.open().running();
        let is_publisher = |who: &usize| last.values().any(|written| written.publisher == name(*who));
        running.into_iter().filter(is_publisher).for_each(|who| self.fleet.kill(who));
        let during = self.pass(PERIODS_KEPT).await;
        let log = self.fleet.log.open();
        let replaced = heads.iter().map(|(vpc, head)| {
            let dead = &last[vpc];
            let is_next = |next: &&Written| {
                next.is_head && next.vpc == *vpc && next.publisher != dead.publisher && next.at > dead.at
            };
            let next = log.written.iter().find(is_next);
            let late =
                next.map_or(f64::INFINITY, |next| next.at.as_secs_f64() - (head.at + self.period()).as_secs_f64());
            (late, !dead.is_head)
        });
        let (asking, others): (Vec<_>, Vec<_>) = replaced.partition(|(_, was_asking)| *was_asking);
        (during, [asking, others].map(|replaced| replaced.into_iter().map(|(late, _)| late).collect()))
    }

    /// Restarts a third of all that run. Who that is, and for each the time until it had facts, in seconds.
    async fn restart_a_third(&mut self) -> (Range<Duration>, Vec<usize>, Vec<f64>) {
        let running = self.fleet.log.open().running();
        let third: Vec<usize> = running.into_iter().filter(|_| fastrand::u8(..3) == 0).collect();
        let at = self.fleet.clock.now();
        third.iter().for_each(|who| self.fleet.restart(*who));
        let during = self.pass(2).await;
        let log = self.fleet.log.open();
        let took = third.iter().map(|who| {
            let started = log.started.iter().find(|started| started.who == *who && started.at >= at);
            started.map_or(f64::INFINITY, |started| started.took.as_secs_f64())
        });
        let took = took.collect();
        drop(log);
        (during, third, took)
    }

    /// Deletes every endpoint of the first VPC just after its publisher asked. The time until no instance knew of one, in seconds.
    async fn delete_endpoints(&self) -> (Range<Duration>, f64) {
        let shape = self.fleet.shape;
        let vpc = shape.vpc_of(0);
        self.until_written(&vpc, true).await;
        self.cloud.ec2.lock().unwrap().delete_endpoints(&vpc);
        let during = self.pass(2).await;
        sleep(ROUND).await;
        let log = self.fleet.log.open();
        let of_vpc = log.running().into_iter().filter(|who| shape.vpc_of(*who) == vpc);
        let took = log.without_endpoint(of_vpc).map_or(f64::INFINITY, |at| (at - during.start).as_secs_f64());
        (during, took)
    }
}

/// What a fleet that settled does in an hour, or longer.
struct Steady {
    load: Load,
    /// The part of the time without facts that count.
    stale: f64,
}

impl Steady {
    async fn observe(simulated: &Simulated) -> Self {
        let during = simulated.pass(OBSERVED).await;
        let seconds = (during.end - during.start).as_secs_f64() * simulated.fleet.shape.instances() as f64;
        Self { load: simulated.load(&during), stale: simulated.stale(&during, |_| true) / seconds }
    }

    fn row(
        &self,
        bench: &mut Bench,
        what: &'static str,
        among_fewer: Option<&Self>,
        beside: &str,
    ) -> Result<Row, Box<dyn Error>> {
        let Self { load: Load { calls_an_hour, share, throttled, reads_an_hour, writes_an_hour, .. }, stale } = self;
        let ratio = among_fewer.map(|fewer| calls_an_hour / fewer.load.calls_an_hour);
        bench.keep("fleet", what, "calls an hour", &[*calls_an_hour])?;
        bench.keep("fleet", what, "reads an hour", &[*reads_an_hour])?;
        bench.keep("fleet", what, "writes an hour", &[*writes_an_hour])?;
        let as_many = ratio.map(|ratio| format!(", {ratio:.3} × as many as 1,000")).unwrap_or_default();
        Ok(Row {
            what,
            budget: match ratio {
                Some(_) => "≤ 5 % of 20 a second, of each call; no more than 1,000 instances make, and 1 %; evidence never too old".into(),
                None => "≤ 5 % of 20 a second, of each call; evidence never too old".into(),
            },
            onnet: format!(
                "{calls_an_hour:.0} an hour{as_many}: {:.2} %; {throttled} throttled; evidence too old for {:.2} % of the time; \
                 {reads_an_hour:.0} reads and {writes_an_hour:.0} writes of DynamoDB an hour",
                share * 100.0,
                stale * 100.0,
            ),
            met: *share <= SHARE && *stale == 0.0 && ratio.is_none_or(|ratio| ratio <= 1.01),
            beside: beside.to_owned(),
        })
    }
}

/// Fleets that share facts. `alone` is what 10,000 instances do of which each asks EC2.
pub(super) fn fleets(bench: &mut Bench, alone: &str) -> Rows {
    let (vpcs, each) = (100, bench.times(100));
    let fewer = on_a_clock(async {
        let fleet = Simulated::settled(vpcs, bench.times(10), Roles::OnePublisher).await;
        Steady::observe(&fleet).await
    });
    let mut rows = vec![fewer.row(bench, "… 1,000 instances of 100 VPCs, shared facts", None, "–")?];
    rows.extend(on_a_clock(async {
        let mut fleet = Simulated::settled(vpcs, each, Roles::OnePublisher).await;
        let steady = Steady::observe(&fleet).await;
        let mut rows = vec![steady.row(bench, "… 10,000 instances of 100 VPCs, shared facts", Some(&fewer), alone)?];
        rows.push(publishers_die(bench, &mut fleet).await?);
        rows.push(a_third_restarts(bench, &mut fleet).await?);
        rows.push(endpoints_go(bench, &fleet, steady.load.calls_an_hour).await?);
        Rows::Ok(rows)
    })?);
    let of_equals = on_a_clock(async {
        let fleet = Simulated::settled(vpcs, each, Roles::AllAuto).await;
        Steady::observe(&fleet).await
    });
    rows.push(of_equals.row(
        bench,
        "… the same, each of which publishes where facts are overdue",
        Some(&fewer),
        alone,
    )?);
    Ok(rows)
}

async fn publishers_die(bench: &mut Bench, fleet: &mut Simulated) -> Result<Row, Box<dyn Error>> {
    let (during, [asking, replaced]) = fleet.kill_publishers().await;
    let stale = fleet.stale(&during, |_| true);
    bench.keep("fleet", "publisher replaced", "s", &replaced)?;
    bench.keep("fleet", "publisher replaced that held a lease", "s", &asking)?;
    let [asking, replaced] = [asking, replaced].map(|replaced| Spread::of(&replaced));
    let period = fleet.period().as_secs_f64();
    Ok(Row {
        what: "… every publisher killed at once: the next head, after it was due",
        budget: "≤ 1 period (300 s); evidence never too old".into(),
        onnet: format!(
            "{}; of one that was asking EC2 {}; evidence too old for {stale:.0} instance seconds",
            replaced.shown("s", 0),
            asking.shown("s", 0)
        ),
        met: replaced.most <= period && asking.most <= period && stale == 0.0,
        beside: "–".into(),
    })
}

async fn a_third_restarts(bench: &mut Bench, fleet: &mut Simulated) -> Result<Row, Box<dyn Error>> {
    let (during, third, took) = fleet.restart_a_third().await;
    let load = fleet.load(&during);
    let stale = fleet.stale(&during, |who| !third.contains(&who));
    bench.keep("fleet", "restarted", "s", &took)?;
    let took = Spread::of(&took);
    let budget = SPLAY + ROUND;
    Ok(Row {
        what: "… a third boots at once: until it has facts",
        budget: format!(
            "≤ {} s, the splay and a round; nothing throttled; evidence of the others never too old",
            budget.as_secs()
        ),
        onnet: format!(
            "{}; at most {} calls of EC2 a minute, {} throttled, {} reads of DynamoDB a second; evidence of the others too old \
             for {stale:.0} instance seconds",
            took.shown("s", 0),
            load.most_calls_a_minute,
            load.throttled,
            load.most_reads_a_second,
        ),
        met: took.most <= budget.as_secs_f64() && load.throttled == 0 && stale == 0.0,
        beside: "–".into(),
    })
}

async fn endpoints_go(bench: &mut Bench, fleet: &Simulated, before: f64) -> Result<Row, Box<dyn Error>> {
    let (during, took) = fleet.delete_endpoints().await;
    let calls = fleet.load(&during).calls_an_hour;
    bench.keep("fleet", "endpoints deleted", "s", &[took])?;
    Ok(Row {
        what: "… every endpoint of a VPC deleted just after its publisher asked: until no instance has one in its facts",
        budget: "≤ 2 periods (600 s); no more calls of EC2 than before, within 1 %".into(),
        onnet: format!("{took:.0} s; {calls:.0} calls an hour"),
        met: took <= 2.0 * fleet.period().as_secs_f64() && calls <= before * 1.01,
        beside: "–".into(),
    })
}

/// Runs it with tokio's clock paused: it goes on when all wait.
pub(super) fn on_a_clock<T>(work: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    fastrand::seed(7);
    LocalSet::new().block_on(&runtime, work)
}
