//! `onnet explain`: `ip route get` for a VPC.

use super::{
    UnknownSubnet,
    address::{could_hold, leads_on, may_be_remote},
    lookup::{Match, Selection, select},
    path::Reader,
    subnet::{despite_gaps, lacking_local_route, table_of},
};
use crate::model::{
    Destination, EndpointState, Explanation, Gap, Inventory, Loser, LostBy, Matched, Missing, Outcome, Path, PathKind,
    PrefixListId, RouteTable, SubnetId, Verdict, VpcEndpoint, VpcFacts, VpcId, WinningRoute,
};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};

/// What the VPC would do with a packet from `subnet` to `address`, and why. Names the endpoint of any service; only
/// DynamoDB's makes on-net.
///
/// # Errors
/// The ids of the subnets that are known, if `subnet` is not one of them.
pub fn explain(inventory: &Inventory, subnet: &SubnetId, address: IpAddr) -> Result<Explanation, UnknownSubnet> {
    let Located { vpc, cidrs, unknown_ranges, ipv6_native } = locate(inventory, subnet)?;
    let reader = Reader::of_inventory(inventory);
    let found = agreed(inventory, &vpc).and_then(|()| table_of(&inventory.facts, &vpc, subnet));
    let (table, association) = match despite_gaps(inventory, &vpc, found) {
        Ok(found) => found,
        Err(missing) => {
            return Ok(Explanation {
                address,
                subnet: subnet.clone(),
                route_table: None,
                association: None,
                reason: undetermined(std::slice::from_ref(&missing)),
                verdict: Verdict::Undetermined(vec![missing]),
                route: None,
                losers: Vec::new(),
                endpoint_state: None,
                may_be_remote: false,
            });
        }
    };
    let explanation = |verdict, route, losers, reason| Explanation {
        address,
        subnet: subnet.clone(),
        route_table: Some(table.id.clone()),
        association: Some(association),
        endpoint_state: endpoint_of(&inventory.facts, &verdict).map(|endpoint| endpoint.state.clone()),
        may_be_remote: may_be_remote(&reader, address, &verdict),
        verdict,
        route,
        losers,
        reason,
    };
    if cidrs.iter().any(|cidr| cidr.contains(&address)) {
        let verdict = reader.within_vpc(&vpc, address.into());
        let reason = match &verdict {
            Verdict::Undetermined(missing) => undetermined(missing),
            Verdict::Via(_) | Verdict::Dropped(_) | Verdict::Ambiguous(_) => {
                format!("{address} lies in {subnet} itself: no route table applies")
            }
        };
        let reason = match endpoint_of(&inventory.facts, &verdict) {
            Some(endpoint) => format!("{reason}; it is {}'s{}", endpoint.id, state_of(&inventory.facts, &verdict)),
            None => reason,
        };
        return Ok(explanation(verdict, None, Vec::new(), reason));
    }
    let selection = select(table, &inventory.facts.prefix_lists, address);
    let open = lacking_local_route(table, subnet.as_str(), &cidrs)
        .or_else(|| (ipv6_native && address.is_ipv4()).then(|| without_ipv4(subnet, address)))
        .or_else(|| unknown_ranges.and_then(|gap| could_hold(subnet, gap, &selection, address)));
    if let Some(open) = open {
        let reason = undetermined(std::slice::from_ref(&open));
        return Ok(explanation(Verdict::Undetermined(vec![open]), None, Vec::new(), reason));
    }
    let verdict = perhaps_remote(&reader, address, reader.verdict(table, &selection, address.into()));
    let route = winner(&selection).map(winning_route);
    let reason = reason(address, subnet, table, &verdict, route.as_ref())
        + &state_of(&inventory.facts, &verdict)
        + &beyond(&reader, address, &verdict);
    let mut explanation = explanation(verdict, route, losers(&selection), reason);
    if let Some(list) = another_list(&explanation) {
        let overlap =
            format!("; {list} has the address too and leads elsewhere: where lists overlap, AWS may pick either");
        explanation.reason.push_str(&overlap);
    }
    Ok(explanation)
}

/// Nothing in an IPv6-only subnet sends to an IPv4 address.
fn without_ipv4(subnet: &SubnetId, address: IpAddr) -> Missing {
    let detail = format!("{subnet} is IPv6-only: nothing in it has an IPv4 address");
    Missing { what: format!("how packets to {address} leave it"), why: Gap::NotFound { detail } }
}

/// Why no route table applies to an address: what it is instead.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html>
pub fn not_routed(address: IpAddr) -> Option<&'static str> {
    let (is_ec2s, is_link_local) = match address {
        IpAddr::V4(address) => (address == Ipv4Addr::new(169, 254, 169, 254), address.is_link_local()),
        IpAddr::V6(address) => (address.segments()[..2] == [0xfd00, 0x0ec2], address.is_unicast_link_local()),
    };
    [
        (is_ec2s, "an address of EC2's own services on the instance"),
        (address.is_unspecified(), "the unspecified address"),
        (address.is_loopback(), "a loopback address"),
        (is_link_local, "a link-local address"),
        (address.is_multicast(), "a multicast address"),
        (address == IpAddr::V4(Ipv4Addr::BROADCAST), "the broadcast address"),
    ]
    .into_iter()
    .find_map(|(is, what)| is.then_some(what))
}

/// Whether the listings agree about a VPC.
///
/// # Errors
/// Why nothing follows for its subnets.
pub(super) fn agreed(inventory: &Inventory, vpc: &VpcId) -> Result<(), Missing> {
    let disagreement = inventory.contradictory.get(vpc);
    disagreement.map_or(Ok(()), |gap| Err(Missing::new(format!("the identity of {vpc}"), gap)))
}

/// A subnet's VPC and ranges.
struct Located<'i> {
    vpc: VpcId,
    cidrs: Vec<IpNet>,
    /// Why there may be further ranges.
    unknown_ranges: Option<&'i Gap>,
    ipv6_native: bool,
}

/// The subnet's VPC and ranges. Without a list of subnets, a table that names the subnet has the VPC.
fn locate<'i>(inventory: &'i Inventory, subnet: &SubnetId) -> Result<Located<'i>, UnknownSubnet> {
    if let Some(subnets) = inventory.subnets.seen() {
        return match subnets.iter().find(|known| known.id == *subnet) {
            Some(known) => Ok(Located {
                vpc: known.vpc.clone(),
                cidrs: known.cidrs.clone(),
                unknown_ranges: inventory.unknown_ranges.get(subnet),
                ipv6_native: known.ipv6_native,
            }),
            None => Err(UnknownSubnet {
                subnet: subnet.clone(),
                known: subnets.iter().map(|known| known.id.clone()).collect(),
            }),
        };
    }
    let tables = inventory.facts.route_tables.seen().map_or(&[][..], Vec::as_slice);
    let named = |table: &RouteTable| -> Vec<SubnetId> {
        table.associations.iter().filter_map(|association| association.with.subnet().cloned()).collect()
    };
    match tables.iter().find(|table| named(table).contains(subnet)) {
        Some(table) => {
            let unknown_ranges = inventory.subnets.gap();
            Ok(Located { vpc: table.vpc.clone(), cidrs: Vec::new(), unknown_ranges, ipv6_native: false })
        }
        None => {
            let known = tables.iter().flat_map(named).collect();
            Err(UnknownSubnet { subnet: subnet.clone(), known })
        }
    }
}

pub(super) fn winner<'s, 't>(selection: &'s Selection<'t>) -> Option<&'s Match<'t>> {
    match selection {
        Selection::One { winner, .. } => Some(winner),
        Selection::NoRoute | Selection::Tied { .. } | Selection::NeedsLists(_) => None,
    }
}

pub(super) fn losers(selection: &Selection<'_>) -> Vec<Loser> {
    match selection {
        Selection::One { losers, .. } | Selection::Tied { losers, .. } => losers.iter().map(loser).collect(),
        Selection::NoRoute | Selection::NeedsLists(_) => Vec::new(),
    }
}

fn loser((m, lost_by): &(Match<'_>, LostBy)) -> Loser {
    Loser { matched: matched(m), lost_by: *lost_by }
}

pub(super) fn matched(m: &Match<'_>) -> Matched {
    Matched { prefix: m.prefix, route: m.route.clone() }
}

fn winning_route(m: &Match<'_>) -> WinningRoute {
    WinningRoute {
        destination: m.route.destination.clone(),
        prefix: m.prefix,
        origin: m.route.origin.clone(),
        state: m.route.state.clone(),
    }
}

fn reason(
    address: IpAddr,
    subnet: &SubnetId,
    table: &RouteTable,
    verdict: &Verdict,
    route: Option<&WinningRoute>,
) -> String {
    let table = &table.id;
    match verdict {
        Verdict::Via(path) => {
            let condition = condition(address, path);
            match route {
                Some(WinningRoute { prefix, destination, .. }) => {
                    let of_list = match destination {
                        Destination::Cidr(_) => String::new(),
                        Destination::PrefixList(list) => format!(" of {list}"),
                    };
                    format!(
                        "{prefix}{of_list} is the longest match for {address} in {table}, and leads to {path}{condition}"
                    )
                }
                None => format!("{address} is reached from {subnet} by {path}{condition}"),
            }
        }
        Verdict::Dropped(drop) => format!("packets from {subnet} to {address} are dropped: {drop}"),
        Verdict::Ambiguous(paths) => {
            let paths: Vec<_> = paths.iter().map(ToString::to_string).collect();
            format!("routes tie for {address} in {table}, and AWS does not say which wins: {}", paths.join(" or "))
        }
        Verdict::Undetermined(missing) => undetermined(missing),
    }
}

/// The DynamoDB endpoint that the path leads to.
fn endpoint_of<'f>(facts: &'f VpcFacts, verdict: &Verdict) -> Option<&'f VpcEndpoint> {
    let path = verdict.path().filter(|path| path.is_dynamodb_endpoint)?;
    facts.vpc_endpoints.seen()?.iter().find(|endpoint| endpoint.id.as_str() == path.target.as_str())
}

/// Its state, unless it is available.
fn state_of(facts: &VpcFacts, verdict: &Verdict) -> String {
    match endpoint_of(facts, verdict).map(|endpoint| &endpoint.state) {
        None | Some(EndpointState::Available) => String::new(),
        Some(state) => format!(", whose state is {state}"),
    }
}

/// What an explanation comes to: on-net only through a DynamoDB endpoint that is available; another service's does not count. What has the
/// address of an interface in another network is not known.
pub fn explained_outcome(explanation: &Explanation) -> Outcome {
    match &explanation.verdict {
        Verdict::Via(path) if path.is_dynamodb_endpoint => match explanation.endpoint_state {
            Some(EndpointState::Available) if another_list(explanation).is_some() => Outcome::AtRisk,
            Some(EndpointState::Available) => Outcome::OnNet,
            Some(_) | None => Outcome::AtRisk,
        },
        Verdict::Via(_) if explanation.may_be_remote => Outcome::Undetermined,
        Verdict::Via(_) => Outcome::OffNet,
        Verdict::Dropped(_) => Outcome::Dropped,
        Verdict::Ambiguous(_) | Verdict::Undetermined(_) => Outcome::Undetermined,
    }
}

/// Another prefix list that has the address and leads elsewhere. AWS picks one of two at random where they overlap, and elsewhere says that
/// the longer prefix wins. <https://docs.aws.amazon.com/vpc/latest/userguide/route-tables-priority.html>
fn another_list(explanation: &Explanation) -> Option<&PrefixListId> {
    let Destination::PrefixList(list) = &explanation.route.as_ref()?.destination else { return None };
    let target = explanation.verdict.path()?.target.as_str();
    explanation.losers.iter().find_map(|Loser { matched, .. }| match &matched.route.destination {
        Destination::PrefixList(other) => (other != list && matched.route.target.id() != target).then_some(other),
        Destination::Cidr(_) => None,
    })
}

/// Which interface endpoint may have the address in another network.
fn beyond(reader: &Reader<'_>, address: IpAddr, verdict: &Verdict) -> String {
    if !may_be_remote(reader, address, verdict) {
        return String::new();
    }
    match endpoint_with(reader.facts, address) {
        Some(endpoint) => format!(
            "; {} of {} has the address, and whether it is what answers behind that is not known",
            endpoint.id, endpoint.vpc
        ),
        None => "; an interface endpoint in another VPC or network may have the address".to_owned(),
    }
}

/// The verdict on an address that is not private and that an interface endpoint of another VPC has: ranges of VPCs need not be private.
fn perhaps_remote(reader: &Reader<'_>, address: IpAddr, verdict: Verdict) -> Verdict {
    if may_be_remote(reader, address, &verdict) || !leads_on(&verdict) {
        return verdict;
    }
    match endpoint_with(reader.facts, address) {
        Some(endpoint) => {
            let detail = format!("{} of {} has the address", endpoint.id, endpoint.vpc);
            let what = format!("what answers for {address} in the network that it is routed to");
            Verdict::Undetermined(vec![Missing::new(what, &Gap::NotVisible { detail })])
        }
        None => verdict,
    }
}

/// The endpoint of any VPC that has the address.
fn endpoint_with(facts: &VpcFacts, address: IpAddr) -> Option<&VpcEndpoint> {
    let interfaces = facts.endpoint_interfaces.seen().into_iter().flatten();
    let mut having = interfaces.filter(|interface| interface.addresses.contains(&address));
    let endpoints = || facts.vpc_endpoints.seen().into_iter().flatten();
    having.find_map(|having| endpoints().find(|endpoint| endpoint.interfaces.contains(&having.id)))
}

/// What a subnet alone does not show.
fn condition(address: IpAddr, path: &Path) -> &'static str {
    let by_gateway = path.kind() == PathKind::InternetGateway;
    if by_gateway && address.is_ipv4() { ", if the source has a public address" } else { "" }
}

/// One sentence for what is missing.
pub(super) fn undetermined(missing: &[Missing]) -> String {
    let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
    match missing.as_slice() {
        [] => "nothing was collected".into(),
        missing => format!("not known: {}", missing.join("; ")),
    }
}
