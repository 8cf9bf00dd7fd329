//! The load of a fleet on an account's EC2 API: many instances with the daemon's own schedule, and EC2's token bucket. Here each
//! instance asks EC2 itself; those in `fleet/` share facts.

mod agents;
mod cloud;
mod log;
mod sample;
mod shared;

use crate::{Bench, Row, Rows, Spread};
use onnet::{
    engine::{Moment, Periods, Schedule},
    model::{BySource, Source},
};
use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

/// The token bucket of an account for each call: <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>
const BUCKET: f64 = 100.0;
const REFILL_A_SECOND: f64 = 20.0;

/// Such a bucket.
struct Bucket {
    tokens: f64,
    filled: Duration,
}

impl Bucket {
    fn full(now: Duration) -> Self {
        Self { tokens: BUCKET, filled: now }
    }

    /// Takes a token, if there is one.
    fn take(&mut self, now: Duration) -> bool {
        let refilled = now.saturating_sub(self.filled).as_secs_f64() * REFILL_A_SECOND;
        self.tokens = (self.tokens + refilled).min(BUCKET);
        self.filled = now;
        let is_there = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(is_there));
        is_there
    }
}

/// The time after the simultaneous boot that is not measured, and the time that is.
const SETTLED: Duration = Duration::from_secs(2 * 3600);
const OBSERVED: Duration = Duration::from_secs(6 * 3600);

/// The SDK retries once within a second.
const AGAIN: Duration = Duration::from_secs(1);

struct Instance {
    schedule: Schedule,
    /// When EC2 last answered.
    seen: Option<Moment>,
    /// Whether the SDK's first attempt was throttled.
    second_attempt: bool,
}

/// The totals of a fleet after it settled.
#[derive(Default)]
struct Totals {
    requests: u32,
    throttled: u32,
    /// Instances times seconds: all, and those with evidence that is too old to count.
    seconds: f64,
    stale: f64,
    /// The time from the boot to the first answer of each instance, in seconds.
    first: Vec<f64>,
}

fn simulate(count: usize, every: Duration) -> Totals {
    let mut random = fastrand::Rng::with_seed(7);
    let periods = Periods(BySource { ec2: every, ..Periods::default().0 });
    let kept = every * 3;
    let boot = Moment::after_boot(Duration::from_secs(1));
    let splay = Duration::from_secs(60);
    let mut fleet: Vec<Instance> = (0..count)
        .map(|_| Instance {
            schedule: Schedule::new([Source::Ec2], &periods, boot, random.f64(), splay),
            seen: None,
            second_attempt: false,
        })
        .collect();
    let mut events: BinaryHeap<Reverse<(Duration, usize)>> = fleet
        .iter()
        .enumerate()
        .filter_map(|(at, instance)| Some(Reverse((instance.schedule.due_at(boot, Source::Ec2)?.uptime(), at))))
        .collect();
    let (from, until) = (boot + SETTLED, boot + SETTLED + OBSERVED);
    let mut bucket = Bucket::full(boot.uptime());
    let mut totals = Totals { seconds: count as f64 * OBSERVED.as_secs_f64(), ..Totals::default() };
    while let Some(Reverse((at, who))) = events.pop() {
        let now = Moment::after_boot(at);
        if now >= until {
            break;
        }
        let instance = &mut fleet[who];
        if !instance.second_attempt {
            instance.schedule.begin(now, Source::Ec2);
        }
        let answered = bucket.take(at);
        if now >= from {
            totals.requests += 1;
            totals.throttled += u32::from(!answered);
        }
        if answered {
            totals.stale += stale(instance.seen, now, kept, from).as_secs_f64();
            if instance.seen.replace(now).is_none() {
                totals.first.push(now.since(boot).as_secs_f64());
            }
            instance.second_attempt = false;
            instance.schedule.answered(Source::Ec2);
        } else if !instance.second_attempt {
            instance.second_attempt = true;
            events.push(Reverse((at + AGAIN.mul_f64(random.f64()), who)));
            continue;
        } else {
            instance.second_attempt = false;
            instance.schedule.throttled(now, Source::Ec2, random.f64());
        }
        if let Some(due) = instance.schedule.due_at(now, Source::Ec2) {
            events.push(Reverse((due.uptime().max(at), who)));
        }
    }
    totals.stale += fleet.iter().map(|instance| stale(instance.seen, until, kept, from).as_secs_f64()).sum::<f64>();
    totals
}

/// The time until `now`, not before `from`, in which the evidence was too old or did not exist.
fn stale(seen: Option<Moment>, now: Moment, kept: Duration, from: Moment) -> Duration {
    let since = seen.map_or(from, |seen| seen + kept).max(from);
    now.since(since)
}

/// Fleets whose instances each ask EC2, and those that share facts.
pub(crate) fn fleet(bench: &mut Bench) -> Rows {
    let mut rows = alone(bench)?;
    // The largest one at default settings.
    let largest = rows[2].onnet.split(';').next().unwrap_or_default();
    let beside = format!("each asks EC2 itself: {largest}");
    rows.extend(shared::fleets(bench, &beside)?);
    rows.extend(sample::sample(bench)?);
    Ok(rows)
}

/// Fleets at the default period, and the largest one at the period that the README advises.
fn alone(bench: &mut Bench) -> Rows {
    let default = Periods::default().of(Source::Ec2);
    let advised = Duration::from_secs(10_000 / 4);
    let fleets = [
        ("EC2 API, 1 instance at default settings", 1, default),
        ("… 1,000 instances", 1_000, default),
        ("… 10,000 instances", 10_000, default),
        ("… 10,000 instances, `ONNET_EC2_EVERY` as advised (2,500 s)", 10_000, advised),
    ];
    let mut rows = Vec::new();
    for (what, count, every) in fleets {
        let totals = simulate(count, every);
        let an_hour = f64::from(totals.requests) / (OBSERVED.as_secs_f64() / 3600.0);
        let share = an_hour / 3600.0 / REFILL_A_SECOND;
        let throttled = f64::from(totals.throttled) / f64::from(totals.requests);
        let stale = totals.stale / totals.seconds;
        bench.keep("fleet", &format!("{count} instances every {} s", every.as_secs()), "calls an hour", &[an_hour])?;
        rows.push(Row {
            what,
            budget: "≤ 25 % of 20 a second, of each call".into(),
            onnet: format!(
                "{an_hour:.0} an hour, {:.2} a second: {:.1} %; {:.1} % throttled; evidence too old for {:.2} % of the time; all booted at once: {}",
                an_hour / 3600.0,
                share * 100.0,
                throttled * 100.0,
                stale * 100.0,
                Spread::of(&totals.first).shown("s", 0)
            ),
            met: share <= 0.25,
            beside: "–".into(),
        });
    }
    Ok(rows)
}
