//! Facts that contradict themselves or each other in what they are about support no verdict: they become gaps before anything is judged.

use crate::{
    import::{convert::is_dynamodb_prefix_list, lists::lists_by_route},
    model::{Gap, Instance, Observed, PrefixListId, ProbeAttempt, ServiceName, Snapshot, VpcFacts, region_of_zone},
};

/// The snapshot with each such fact replaced by the reason.
pub(super) fn without_doubtful(mut snapshot: Snapshot) -> Snapshot {
    let Snapshot { instance, region, names, account_name, kernel_paths, host_routes, vpc, probes, .. } = &mut snapshot;
    if let Some(gap) = account_name.seen().and_then(Option::as_ref).and_then(|first| contradicted(first, names)) {
        *account_name = Observed::Unseen(gap);
    }
    if kernel_paths.seen().is_some_and(|paths| paths.policies.iter().any(|policy| policy.ranges.is_empty())) {
        let detail = "rules that send packets elsewhere, and no range that they send there".to_owned();
        *kernel_paths = Observed::Unseen(Gap::Malformed { detail });
    }
    instance.seen_mut().into_iter().for_each(without_zone_of_another_region);
    if let Some(region) = instance.seen().map(|instance| &instance.region).or(region.seen()) {
        without_lists_that_are_not_whole(vpc, region);
    }
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

/// What the other names say otherwise of the account-based one, which comes before them and in their place.
fn contradicted(first: &ServiceName, names: &Observed<Vec<ServiceName>>) -> Option<Gap> {
    let mut same = names.seen().into_iter().flatten().filter(|name| name.hostname == first.hostname);
    let what = |name: &ServiceName| (name.port, name.tls, name.kind, name.in_use);
    same.find(|name| what(name) != what(first))?;
    let one = format!("{} is the account-based name", first.hostname);
    Some(Gap::Conflicting { one, other: "it is among the other names, with another port, kind or use".to_owned() })
}

/// Every prefix list, and each service's name, is of one Region.
fn without_zone_of_another_region(instance: &mut Instance) {
    let Some(zone) = instance.availability_zone.seen() else { return };
    let Some(other) = region_of_zone(zone).filter(|region| *region != instance.region) else { return };
    let one = format!("its Region is {}", instance.region);
    let gap = Gap::Conflicting { one, other: format!("its zone {zone} is of {other}") };
    instance.availability_zone = Observed::Unseen(gap);
}

/// DynamoDB's lists are those that have its name, which EC2 gives to no customer's, and those that a route leads to its gateway endpoint.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateManagedPrefixList.html>
fn without_lists_that_are_not_whole(vpc: &mut VpcFacts, region: &str) {
    let Some(listed) = vpc.service_prefix_lists.seen() else { return };
    let has_name = |id: &&PrefixListId| {
        let list = vpc.prefix_lists.get(*id).and_then(Observed::seen);
        list.and_then(|list| list.name.as_deref()).is_some_and(|name| is_dynamodb_prefix_list(name, region))
    };
    let by_name = vpc.prefix_lists.keys().find(|id| has_name(id) && !listed.contains(id)).cloned();
    let by_name = by_name.map(|id| format!("{id} has its name"));
    let (tables, endpoints) = (vpc.route_tables.seen(), vpc.vpc_endpoints.seen());
    let (tables, endpoints) = (tables.into_iter().flatten(), endpoints.into_iter().flatten());
    let by_route = lists_by_route(tables, endpoints, listed, region).into_iter().next();
    let by_route = by_route.map(|id| format!("a route leads {id} to its gateway endpoint"));
    if let Some(other) = by_name.or(by_route) {
        let listed: Vec<&str> = listed.iter().map(|id| id.as_str()).collect();
        let listed = if listed.is_empty() { "none".to_owned() } else { listed.join(", ") };
        let one = format!("DynamoDB's prefix lists are {listed}");
        vpc.service_prefix_lists = Observed::Unseen(Gap::Conflicting { one, other });
    }
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

/// A probe of something else than it was made for is evidence of neither, and the one that was asked for did not come back. Of one of
/// which only the age is known it is not known whether it failed.
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
