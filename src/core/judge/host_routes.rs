//! The kernel's more specific routes, as snapshots of schema 1 have them in place of [`crate::model::KernelPaths`].

use super::{
    coverage::Coverage,
    egress::follow,
    kernel_paths::{Elsewhere, is_concluded, push},
    round::Named,
};
use crate::model::{HostRoute, Interface, KernelRoute, Missing, NextHop, RouteTableId, Snapshot, Verdict};

/// Routes that lead part of the covered list elsewhere than to the VPC's router through the judged network interface.
pub(super) fn host_routes<'a>(
    snapshot: &Snapshot,
    routes: &[HostRoute],
    names: &[Named<'_>],
    coverage_of: impl Fn(&RouteTableId) -> Option<&'a Coverage<'a>>,
) -> Elsewhere {
    let mut found = Elsewhere::default();
    for judged in names.iter().flat_map(Named::in_use) {
        let Some((egress, (table, _))) = judged.egress.as_ref().zip(judged.table) else { continue };
        let Some(coverage) = coverage_of(&table.id) else { continue };
        let overlaps = |route: &&HostRoute| {
            let mut ranges = coverage.ranges.iter().map(|range| range.cidr);
            ranges.any(|cidr| route.destination.contains(&cidr) || cidr.contains(&route.destination))
        };
        for route in routes.iter().filter(overlaps) {
            match leads_there(snapshot, route, egress.interface) {
                Ok(true) => {}
                Ok(false) => {
                    let to = hop(route).map_or_else(|| "nowhere".to_owned(), |hop| hop.to_string());
                    let message = format!(
                        "the kernel's own route {} leads part of DynamoDB's prefix list to {to}, not to the VPC's \
                         router through {}",
                        route.destination, egress.interface.id
                    );
                    push(&mut found.diverted, message);
                }
                Err(missing) => missing.into_iter().for_each(|m| push(&mut found.missing, m)),
            }
        }
    }
    found
}

fn hop(route: &HostRoute) -> Option<NextHop> {
    let device = route.device.clone()?;
    Some(NextHop { device, gateway: route.gateway, encapsulation: None, protocol: None })
}

/// Whether a route leads to the VPC's router through `interface`.
///
/// # Errors
/// What is not known of that.
fn leads_there(snapshot: &Snapshot, route: &HostRoute, interface: &Interface) -> Result<bool, Vec<Missing>> {
    let Some(hop) = hop(route) else { return Ok(false) };
    let via = KernelRoute::Via { hop, source: None, others: Vec::new(), table: None };
    let range = (route.destination.network(), route.destination.broadcast());
    let is_open = |missing: &[Missing]| !missing.iter().all(is_concluded);
    match follow(snapshot.instance.get(), &via, range).1 {
        Ok(egress) if egress.interface.id != interface.id => Ok(false),
        Ok(egress) => match egress.astray {
            Some(missing) if is_open(std::slice::from_ref(&missing)) => Err(vec![missing]),
            astray => Ok(astray.is_none()),
        },
        Err(Verdict::Undetermined(missing)) if is_open(&missing) => Err(missing),
        Err(Verdict::Undetermined(_) | Verdict::Via(_) | Verdict::Dropped(_) | Verdict::Ambiguous(_)) => Ok(false),
    }
}
