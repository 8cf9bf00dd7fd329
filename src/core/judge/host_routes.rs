//! The kernel's own routes for parts of the prefix list, besides its routes to the addresses in use.

use super::{
    address::Judged,
    coverage::Coverage,
    egress::{Egress, NextHop},
};
use crate::model::{HostRoute, Missing, RouteTableId, Snapshot};

/// The kernel's own routes for parts of the covered list, each with where an address in use leaves.
pub(super) fn host_routes<'a, 's: 'a>(
    snapshot: &'a Snapshot,
    judged: impl Iterator<Item = &'a Judged<'s>>,
    coverage_of: impl Fn(&RouteTableId) -> Option<&'a Coverage<'a>>,
) -> Vec<(&'a Egress<'s>, &'a HostRoute)> {
    let routes = snapshot.host_routes.seen().filter(|_| snapshot.assumed_interface.is_none());
    let mut within = Vec::new();
    for judged in judged {
        let Some((egress, (table, _))) = judged.egress.as_ref().zip(judged.table) else { continue };
        let Some(coverage) = coverage_of(&table.id) else { continue };
        let overlaps = |route: &HostRoute| {
            let mut ranges = coverage.ranges.iter().map(|range| range.cidr);
            ranges.any(|cidr| route.destination.contains(&cidr) || cidr.contains(&route.destination))
        };
        within.extend(routes.into_iter().flatten().filter(|route| overlaps(route)).map(|route| (egress, route)));
    }
    within
}

/// Why it is not known whether the next hop of such a route is the VPC's router, where it is not.
pub(super) fn unknown_next_hop((egress, route): (&Egress<'_>, &HostRoute)) -> Option<Missing> {
    let gateway = route.gateway?;
    let NextHop::Unknown(gap) = egress.next_hop(gateway) else { return None };
    let (destination, subnet) = (&route.destination, &egress.interface.subnet);
    let what = format!("whether {gateway}, where the kernel's route {destination} leads, is the router of {subnet}");
    Some(Missing::new(what, gap))
}
