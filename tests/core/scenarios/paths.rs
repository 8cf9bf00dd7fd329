//! The kernel's paths for the whole prefix list.

use super::{
    host::KernelText,
    world::{Entries, World},
};
use ipnet::IpNet;
use onnet_core::model::{KernelPaths, KernelRange, KernelRoute, Observed, Packets, PolicyPath};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// The routes of prefixes that differ from the one that `kernel` has for all other addresses; null where the kernel was not asked.
pub(super) type PathsChange = Entries<IpNet, KernelText>;

/// Where rules send other programs' packets.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyChange {
    rules: Vec<String>,
    packets: Packets,
    ranges: BTreeMap<IpNet, KernelText>,
}

/// The whole list has the route that `kernel` has for all other addresses, except these prefixes.
pub(super) fn kernel_paths(world: &mut World) -> Result<(), String> {
    let World { snapshot, devices, default_routes, kernel_paths, policies, .. } = world;
    let Some(paths) = kernel_paths.take() else { return Ok(()) };
    let ports: BTreeSet<u16> = snapshot.all_names().map(|name| name.port).collect();
    let ports = if ports.is_empty() { [443].into() } else { ports };
    snapshot.host_routes = None;
    // As in the collector: the known entries of the lists, and the addresses in use.
    let lists = snapshot.vpc.service_prefix_lists.seen().into_iter().flatten();
    let lists = lists.filter_map(|id| snapshot.vpc.prefix_lists.get(id)?.seen());
    let mut wanted: BTreeSet<IpNet> = lists.flat_map(|list| &list.entries).map(IpNet::trunc).collect();
    wanted.extend(snapshot.kernel_routes.keys().map(|address| IpNet::from(*address)));
    snapshot.kernel_paths = paths.observed(|paths| {
        let mut routes: Vec<(IpNet, KernelRoute)> = Vec::new();
        for (range, route) in default_routes.iter() {
            if let Observed::Seen { value, .. } = route.clone().observed(|text| text.route(devices))? {
                routes.push((*range, value));
            }
        }
        // The addresses in use.
        for (address, route) in &snapshot.kernel_routes {
            routes.extend(route.seen().map(|route| (IpNet::from(*address), route.clone())));
        }
        for (prefix, route) in paths {
            match route {
                Some(text) => routes.push((prefix, text.route(devices)?)),
                // The kernel was not asked.
                None => routes.push((prefix, KernelRoute::NoRoute { detail: NOT_ASKED.to_owned() })),
            }
        }
        // A table has the route of an IPv6 address.
        let is_route = |(prefix, route): &(IpNet, KernelRoute)| {
            prefix.addr().is_ipv6() && matches!(route, KernelRoute::Via { .. })
        };
        let has_ipv6_route = Some(routes.iter().any(is_route));
        let ranges = ports.iter().flat_map(|port| overlaid(&wanted, &routes, *port)).collect();
        let of = |policy: &PolicyChange| {
            let range = |(prefix, text): (&IpNet, &KernelText)| Ok((*prefix, text.route(devices)?));
            let routes = policy.ranges.iter().map(range).collect::<Result<Vec<_>, String>>()?;
            let ranges = ports.iter().flat_map(|port| overlaid(&wanted, &routes, *port)).collect();
            Ok(PolicyPath { rules: policy.rules.clone(), packets: policy.packets.clone(), ranges })
        };
        let policies = policies.iter().map(of).collect::<Result<_, String>>()?;
        Ok(KernelPaths { ranges, policies, has_ipv6_route })
    })?;
    Ok(())
}

const NOT_ASKED: &str = "not asked";

/// Disjoint ranges of the wanted ones, each with the route of the longest prefix.
fn overlaid(wanted: &BTreeSet<IpNet>, routes: &[(IpNet, KernelRoute)], port: u16) -> Vec<KernelRange> {
    let prefixes = || wanted.iter().chain(routes.iter().map(|(prefix, _)| prefix));
    let mut starts: BTreeSet<IpAddr> = prefixes().map(IpNet::network).collect();
    starts.extend(prefixes().filter_map(|prefix| after(prefix.broadcast())));
    let mut ranges: Vec<KernelRange> = Vec::new();
    for (first, next) in starts.iter().zip(starts.iter().skip(1).map(Some).chain([None])) {
        let longest =
            routes.iter().filter(|(prefix, _)| prefix.contains(first)).max_by_key(|(prefix, _)| prefix.prefix_len());
        let Some((prefix, route)) = longest.filter(|_| wanted.iter().any(|prefix| prefix.contains(first))) else {
            continue;
        };
        let last =
            next.and_then(|next| before(*next)).filter(|last| prefix.contains(last)).unwrap_or(prefix.broadcast());
        match ranges.last_mut() {
            _ if *route == (KernelRoute::NoRoute { detail: NOT_ASKED.to_owned() }) => {}
            Some(range) if after(range.last) == Some(*first) && range.route == *route => range.last = last,
            _ => ranges.push(KernelRange { first: *first, last, port, route: route.clone() }),
        }
    }
    ranges
}

fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => u32::from(address).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(address) => u128::from(address).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}

fn before(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => u32::from(address).checked_sub(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(address) => u128::from(address).checked_sub(1).map(|next| IpAddr::V6(next.into())),
    }
}
