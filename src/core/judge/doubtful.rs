//! Facts that contradict themselves or each other in what they are about support no verdict: they become gaps before anything is judged.

use crate::model::{Gap, Instance, Observed, ProbeAttempt, Snapshot, VpcFacts, region_of_zone};

/// The snapshot with each such fact replaced by the reason.
pub(super) fn without_doubtful(mut snapshot: Snapshot) -> Snapshot {
    let Snapshot { instance, kernel_paths, host_routes, vpc, probes, .. } = &mut snapshot;
    instance.seen_mut().into_iter().for_each(without_zone_of_another_region);
    if host_routes.is_some() && kernel_paths.seen().is_some() {
        let other = "so do routes of the host, which only a snapshot of schema 1 has".to_owned();
        let one = "the kernel's routes are given for the whole prefix list".to_owned();
        *kernel_paths = Observed::Unseen(Gap::Conflicting { one, other });
        *host_routes = None;
    }
    without_empty_lists(vpc);
    for attempt in probes {
        without_anothers(attempt);
    }
    snapshot
}

/// Every prefix list, and each service's name, is of one Region.
fn without_zone_of_another_region(instance: &mut Instance) {
    let Some(zone) = instance.availability_zone.seen() else { return };
    let Some(other) = region_of_zone(zone).filter(|region| *region != instance.region) else { return };
    let one = format!("its Region is {}", instance.region);
    let gap = Gap::Conflicting { one, other: format!("its zone {zone} is of {other}") };
    instance.availability_zone = Observed::Unseen(gap);
}

/// A customer's list may be empty; those of AWS are not.
fn without_empty_lists(vpc: &mut VpcFacts) {
    for id in vpc.service_prefix_lists.seen().into_iter().flatten() {
        if let Some(list) = vpc.prefix_lists.get_mut(id)
            && list.seen().is_some_and(|list| list.entries.is_empty())
        {
            *list = Observed::Unseen(Gap::Malformed { detail: format!("prefix list {id} without entries") });
        }
    }
}

/// A probe of something else than it was made for is evidence of neither, and the one that was asked for did not come back. Nor did one
/// of which only its age is told: whether it failed is not known.
fn without_anothers(attempt: &mut ProbeAttempt) {
    match &attempt.probe {
        Observed::Seen { value: probe, .. }
            if (probe.address, &probe.hostname) != (attempt.address, &attempt.hostname) =>
        {
            let one = format!("it was to be of {} at {}", attempt.hostname, attempt.address);
            let other = format!("it is of {} at {}", probe.hostname, probe.address);
            attempt.probe = Observed::Unseen(Gap::Conflicting { one, other });
        }
        Observed::Unseen(gap @ Gap::Stale { .. }) => {
            attempt.probe = Observed::Unseen(Gap::Failed { detail: gap.to_string() });
        }
        Observed::Seen { .. } | Observed::Unseen(_) => {}
    }
}
