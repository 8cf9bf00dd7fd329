//! Facts that are too old support no verdict: they become gaps before anything is judged.

use crate::model::{Gap, Observed, Report, Seconds, Snapshot, Source, Timestamp};
use std::time::Duration;

/// How far ahead of the round's end a fact may be dated: clocks are slewed while a round runs.
const AHEAD: Duration = Duration::from_secs(5);

/// A report as it holds at `now`.
///
/// A daemon judges anew long before a fact is too old. So a report that is older than any fact may be comes from one that
/// hangs, and a report from the future from another clock: its facts are judged again by their age `now`.
pub fn as_of(report: Report, now: Timestamp) -> Report {
    let ended = report.taken_at.plus(report.snapshot.took.as_duration());
    let shortest = Source::ALL.iter().map(|source| report.snapshot.max_age.of(*source)).min();
    let is_old = shortest.is_none_or(|shortest| now.since(ended) > shortest.as_duration());
    if is_old || ended.since(now) > AHEAD {
        super::judge(Snapshot { taken_at: now, took: Seconds::default(), ..report.snapshot })
    } else {
        report
    }
}

/// The snapshot with every fact that was too old at its end replaced by [`Gap::Stale`].
pub(super) fn without_stale(mut snapshot: Snapshot) -> Snapshot {
    let now = snapshot.taken_at.plus(snapshot.took.as_duration());
    let max = snapshot.max_age;

    expire(&mut snapshot.instance, now, max.imds);
    if let Observed::Seen { value: instance, .. } = &mut snapshot.instance {
        expire(&mut instance.availability_zone, now, max.imds);
        for interface in &mut instance.interfaces {
            expire(&mut interface.subnet_cidrs, now, max.imds);
            expire(&mut interface.public_addresses, now, max.imds);
        }
    }
    expire(&mut snapshot.names, now, max.imds);
    expire(&mut snapshot.account_name, now, max.imds);
    expire(&mut snapshot.region, now, max.imds);
    for resolution in snapshot.resolutions.values_mut() {
        expire(&mut resolution.ipv4, now, max.dns);
        expire(&mut resolution.ipv6, now, max.dns);
        expire(&mut resolution.hosts_file, now, max.dns);
    }
    for route in snapshot.kernel_routes.values_mut() {
        expire(route, now, max.kernel);
    }
    expire(&mut snapshot.host_routes, now, max.kernel);
    for attempt in &mut snapshot.probes {
        if let Some(kind) = attempt.probe.seen().map(|probe| probe.kind) {
            expire(&mut attempt.probe, now, max.of_probe(kind));
        }
    }
    let vpc = &mut snapshot.vpc;
    expire(&mut vpc.route_tables, now, max.ec2);
    expire(&mut vpc.vpc_endpoints, now, max.ec2);
    expire(&mut vpc.endpoint_interfaces, now, max.ec2);
    expire(&mut vpc.service_prefix_lists, now, max.ec2);
    for list in vpc.prefix_lists.values_mut() {
        expire(list, now, max.ec2);
    }
    snapshot
}

fn expire<T>(fact: &mut Observed<T>, now: Timestamp, max_age: Seconds) {
    if let Observed::Seen { at, .. } = fact {
        let age: Duration = now.since(*at);
        if age > max_age.as_duration() {
            *fact = Observed::Unseen(Gap::Stale { age: age.into() });
        } else if at.since(now) > AHEAD {
            // The clock was set back since, and the fact would look fresh until the clock is there again.
            let other = format!("that is after the round, which ended at {now}");
            *fact = Observed::Unseen(Gap::Conflicting { one: format!("it is dated {at}"), other });
        }
    }
}
