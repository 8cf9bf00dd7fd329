//! Why a route table does not carry the whole prefix list to a DynamoDB endpoint, and the command that mends it.

use super::{
    coverage::{Coverage, Range},
    lookup::{Match, Selection},
    path::{Reader, service_name},
};
use crate::model::{
    Destination, Drop, EndpointState, EndpointType, Finding, FindingCode, Gap, Origin, PathKind, RouteState,
    RouteTableId, Severity, SubnetId, Target, Verdict, VpcEndpoint, VpcEndpointId, VpcId, addresses_in, grouped,
};
use ipnet::IpNet;
use std::{collections::BTreeSet, net::IpAddr};

/// What a change of DynamoDB's route does besides.
/// <https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-ddb.html>
const ROUTE_CHANGE: &str = "drops open DynamoDB connections, which must be made anew; DynamoDB then sees a private \
     source address, so policies go by aws:SourceVpce, no longer by aws:SourceIp";

/// Where a table stands: whose traffic it carries, and which of it is in use now.
pub(super) struct Place<'a> {
    pub(super) vpc: &'a VpcId,
    pub(super) subnet: &'a SubnetId,
    /// Addresses that DNS gave; none in an audit.
    pub(super) in_use: &'a [IpAddr],
}

impl Place<'_> {
    /// Whether any of the list is in use, or nothing is known of what is.
    fn uses(&self, coverage: &Coverage<'_>) -> bool {
        let in_list = |address: &IpAddr| coverage.entries.iter().any(|entry| entry.contains(address));
        self.in_use.is_empty() || self.in_use.iter().any(in_list)
    }
}

/// Names what keeps the list's ranges off a DynamoDB endpoint.
pub(super) fn diagnose(reader: &Reader<'_>, coverage: &Coverage<'_>, place: &Place<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let endpoint_route = endpoint_route(reader, coverage);
    if endpoint_route.is_none() {
        findings.extend(no_endpoint_route(reader, coverage, place));
    }
    findings.extend(diverted(coverage, place, endpoint_route));
    findings.extend(dropped(coverage, place));
    findings.extend(overlapping(coverage));
    findings.extend(unknown_states(coverage));
    findings.extend(endpoint_route.and_then(|id| endpoint_state(reader, id)));
    findings
}

/// The endpoint that the table leads a DynamoDB prefix list to, unless it is known to be something else, such as a
/// firewall's.
fn endpoint_route<'t>(reader: &Reader<'_>, coverage: &Coverage<'t>) -> Option<&'t VpcEndpointId> {
    let lists: BTreeSet<_> = coverage.ranges.iter().map(|range| range.list).collect();
    let another = |id: &VpcEndpointId| {
        let endpoints = reader.facts.vpc_endpoints.seen().map_or(&[][..], Vec::as_slice);
        let known = |e: &VpcEndpoint| match e.kind {
            EndpointType::Gateway | EndpointType::Interface | EndpointType::GatewayLoadBalancer => true,
            EndpointType::Absent | EndpointType::Other(_) => false,
        };
        endpoints.iter().any(|e| e.id == *id && known(e) && is_dynamodb_gateway(reader, e) == Ok(false))
    };
    coverage.table.routes.iter().find_map(|route| match (&route.destination, &route.target) {
        (Destination::PrefixList(list), Target::VpcEndpoint(id)) if lists.contains(list) && !another(id) => Some(id),
        _ => None,
    })
}

/// Whether an endpoint is a gateway endpoint of DynamoDB's; an error where the Region is not known.
fn is_dynamodb_gateway<'a>(reader: &Reader<'a>, endpoint: &VpcEndpoint) -> Result<bool, &'a Gap> {
    if endpoint.kind == EndpointType::Gateway { reader.is_dynamodb(&endpoint.service) } else { Ok(false) }
}

/// No route of the table leads DynamoDB's list to an endpoint: either there is no endpoint, or it is not associated.
fn no_endpoint_route(reader: &Reader<'_>, coverage: &Coverage<'_>, place: &Place<'_>) -> Option<Finding> {
    if coverage.ranges.iter().all(|range| range.verdict.is_on_net()) {
        return None;
    }
    let (endpoints, region) = (reader.facts.vpc_endpoints.seen()?, reader.region.ok()?);
    let (vpc, table) = (place.vpc, &coverage.table.id);
    let mut usable: Vec<_> = endpoints
        .iter()
        .filter(|e| e.vpc == *vpc && is_dynamodb_gateway(reader, e) == Ok(true))
        .filter(|e| e.state != EndpointState::Deleted && e.state != EndpointState::Deleting)
        .collect();
    usable.sort_by_key(|e| (e.state != EndpointState::Available, e.id.clone()));

    let (code, message, fix) = match usable.first() {
        None => (
            FindingCode::NoEndpoint,
            format!("{vpc} has no DynamoDB gateway endpoint"),
            format!(
                "aws ec2 create-vpc-endpoint --vpc-id {vpc} --vpc-endpoint-type Gateway --service-name {} \
                 --route-table-ids {table}",
                service_name(reader.facts, region),
            ),
        ),
        Some(endpoint) => (
            FindingCode::EndpointNotAssociated,
            not_associated(endpoint, table),
            format!("aws ec2 modify-vpc-endpoint --vpc-endpoint-id {} --add-route-table-ids {table}", endpoint.id),
        ),
    };
    Some(Finding {
        code,
        // Where the addresses in use are an interface endpoint's, the list waits for DNS to answer otherwise.
        severity: if place.uses(coverage) { Severity::Critical } else { Severity::Warning },
        message: format!("{message}. {}", way_out(coverage, place)),
        fix: Some(fix),
        caution: Some(format!("it {ROUTE_CHANGE}")),
    })
}

fn not_associated(endpoint: &VpcEndpoint, table: &RouteTableId) -> String {
    let id = &endpoint.id;
    let tables: Vec<_> = endpoint.route_tables.iter().map(RouteTableId::as_str).collect();
    match tables.as_slice() {
        [] => format!("the VPC's DynamoDB gateway endpoint {id} is associated with no route table"),
        _ if endpoint.route_tables.contains(table) => {
            format!("the DynamoDB gateway endpoint {id} says it is associated with {table}, which has no route to it")
        }
        others => format!(
            "the VPC's DynamoDB gateway endpoint {id} is associated with {}, not with {table}",
            others.join(", ")
        ),
    }
}

/// Which table the subnet uses, and where the list goes by it, if all of it goes one way.
fn way_out(coverage: &Coverage<'_>, place: &Place<'_>) -> String {
    let (subnet, table) = (place.subnet, &coverage.table.id);
    let paths: Vec<_> = coverage.ranges.iter().map(|range| range.verdict.path()).collect();
    match paths.first() {
        Some(Some(path)) if paths.iter().all(|other| *other == Some(*path)) => {
            // A check has seen the source address; an audit has none.
            let to_be_seen = place.in_use.is_empty() && path.kind() == PathKind::InternetGateway;
            let condition = if to_be_seen { ", if the source has a public address" } else { "" };
            format!("{subnet} uses {table}, which sends all of DynamoDB's prefix list to {path}{condition}")
        }
        _ => format!("{subnet} uses {table}"),
    }
}

/// Ranges that another route takes from the endpoint, a finding for each such route.
fn diverted(coverage: &Coverage<'_>, place: &Place<'_>, endpoint: Option<&VpcEndpointId>) -> Vec<Finding> {
    let Some(endpoint) = endpoint else { return Vec::new() };
    let of_list = addresses_in(&coverage.entries);
    by_winner(coverage, |range| range.verdict.is_off_net() && !leads_to(range, endpoint))
        .into_iter()
        .map(|(winner, ranges)| {
            let taken = addresses_in(ranges.iter().map(|range| &range.cidr));
            let table = &coverage.table.id;
            let (route, target) = (&winner.route.destination, winner.route.target.id());
            let fix = remove_route(&winner, &ranges, table);
            Finding {
                code: FindingCode::PartlyDiverted,
                severity: severity(&ranges, coverage, place),
                message: format!(
                    "{} of {} addresses of DynamoDB's prefix list are taken from {endpoint} by the route {route} → \
                     {target} in {table}: {}",
                    grouped(taken),
                    grouped(of_list),
                    some_cidrs(&ranges),
                ),
                caution: fix
                    .is_some()
                    .then(|| format!("whatever else the route carries loses it, and it {ROUTE_CHANGE}")),
                fix,
            }
        })
        .collect()
}

fn leads_to(range: &Range<'_>, endpoint: &VpcEndpointId) -> bool {
    matches!(&range.selection, Selection::One { winner, .. } if winner.route.target == Target::VpcEndpoint(endpoint.clone()))
}

/// Ranges that go nowhere.
fn dropped(coverage: &Coverage<'_>, place: &Place<'_>) -> Vec<Finding> {
    let table = &coverage.table.id;
    let mut findings = Vec::new();
    let blackhole = |range: &Range<'_>| matches!(range.verdict, Verdict::Dropped(Drop::Blackhole { .. }));
    for (winner, ranges) in by_winner(coverage, blackhole) {
        let (route, target) = (&winner.route.destination, winner.route.target.id());
        let fix = remove_route(&winner, &ranges, table);
        findings.push(Finding {
            code: FindingCode::Blackhole,
            severity: severity(&ranges, coverage, place),
            message: format!(
                "{} addresses of DynamoDB's prefix list match the route {route} → {target} in {table}, a blackhole: \
                 packets are dropped and no other route is tried",
                grouped(addresses_in(ranges.iter().map(|range| &range.cidr))),
            ),
            caution: fix
                .is_some()
                .then(|| "without it the next route that matches carries them: onnet explain tells which".into()),
            fix,
        });
    }
    let nowhere: Vec<_> =
        coverage.ranges.iter().filter(|range| matches!(range.verdict, Verdict::Dropped(Drop::NoRoute))).collect();
    if !nowhere.is_empty() {
        findings.push(Finding {
            code: FindingCode::NoRoute,
            severity: severity(&nowhere, coverage, place),
            message: format!(
                "no route of {table} matches {} addresses of DynamoDB's prefix list: {}",
                grouped(addresses_in(nowhere.iter().map(|range| &range.cidr))),
                some_cidrs(&nowhere),
            ),
            fix: None,
            caution: None,
        });
    }
    findings
}

/// Prefix lists of different targets that share addresses with DynamoDB's.
///
/// AWS says it picks one at random where they overlap, and elsewhere that the longer prefix always wins: for entries of
/// different length we go by length, and warn.
fn overlapping(coverage: &Coverage<'_>) -> Option<Finding> {
    let mut lists = BTreeSet::new();
    for range in &coverage.ranges {
        let (winners, losers): (&[Match<'_>], &[_]) = match &range.selection {
            Selection::One { winner, losers } => (std::slice::from_ref(winner), losers),
            Selection::Tied { tied, losers } => (tied, losers),
            Selection::NoRoute | Selection::NeedsLists(_) => continue,
        };
        let in_lists: Vec<_> = winners
            .iter()
            .chain(losers.iter().map(|(m, _)| m))
            .filter_map(|m| match &m.route.destination {
                Destination::PrefixList(list) => Some((list, &m.route.target)),
                Destination::Cidr(_) => None,
            })
            .collect();
        if in_lists.iter().any(|(_, target)| in_lists.iter().any(|(_, other)| other != target)) {
            lists.extend(in_lists.iter().map(|(list, target)| format!("{list} → {}", target.id())));
        }
    }
    if lists.is_empty() {
        return None;
    }
    let lists: Vec<_> = lists.into_iter().collect();
    Some(Finding {
        code: FindingCode::OverlappingPrefixLists,
        severity: Severity::Warning,
        message: format!(
            "prefix lists with different targets overlap in {}: {}; where entries are equal AWS picks one at random",
            coverage.table.id,
            lists.join(", "),
        ),
        fix: None,
        caution: None,
    })
}

fn unknown_states(coverage: &Coverage<'_>) -> Vec<Finding> {
    by_winner(coverage, |range| {
        matches!(&range.selection, Selection::One { winner, .. }
            if matches!(winner.route.state, RouteState::Absent | RouteState::Other(_)))
    })
    .into_iter()
    .map(|(winner, _)| Finding {
        code: FindingCode::UnknownRouteState,
        severity: Severity::Warning,
        message: format!(
            "the route {} → {} in {} is in a state AWS does not document, neither active nor blackhole",
            winner.route.destination,
            winner.route.target.id(),
            coverage.table.id,
        ),
        fix: None,
        caution: None,
    })
    .collect()
}

/// The endpoint the table leads to is not in state `available`, or not to be seen.
fn endpoint_state(reader: &Reader<'_>, id: &VpcEndpointId) -> Option<Finding> {
    let endpoints = reader.facts.vpc_endpoints.seen()?;
    let Some(endpoint) = endpoints.iter().find(|e| e.id == *id) else {
        return Some(Finding {
            code: FindingCode::EndpointNotVisible,
            severity: Severity::Warning,
            message: format!(
                "{id}, which DynamoDB's prefix list leads to, is not visible to this account; in a shared VPC only the \
                 owner's account can tell what it is"
            ),
            fix: None,
            caution: None,
        });
    };
    (endpoint.state != EndpointState::Available).then(|| Finding {
        code: FindingCode::EndpointNotAvailable,
        severity: Severity::Warning,
        message: format!("{id}, which DynamoDB's prefix list leads to, is {}, not available", endpoint.state),
        fix: None,
        caution: None,
    })
}

/// The ranges that meet `condition`, by the route that wins them.
fn by_winner<'c, 't>(
    coverage: &'c Coverage<'t>,
    condition: impl Fn(&Range<'t>) -> bool,
) -> Vec<(Match<'t>, Vec<&'c Range<'t>>)> {
    let mut groups: Vec<(Match<'t>, Vec<&Range<'t>>)> = Vec::new();
    for range in coverage.ranges.iter().filter(|range| condition(range)) {
        let Selection::One { winner, .. } = &range.selection else { continue };
        match groups.iter_mut().find(|(other, _)| std::ptr::eq(other.route, winner.route)) {
            Some((_, ranges)) => ranges.push(range),
            None => groups.push((*winner, vec![range])),
        }
    }
    groups
}

/// Critical where it hits an address in use, or the whole list; a warning where it waits for DNS to answer otherwise.
fn severity(ranges: &[&Range<'_>], coverage: &Coverage<'_>, place: &Place<'_>) -> Severity {
    let in_use = place.in_use.iter().any(|address| ranges.iter().any(|range| range.cidr.contains(address)));
    let whole = addresses_in(ranges.iter().map(|range| &range.cidr)) == addresses_in(&coverage.entries);
    if in_use || whole { Severity::Critical } else { Severity::Warning }
}

/// The command that takes a route out of a table, where a command can and little else would go with it.
fn remove_route(m: &Match<'_>, ranges: &[&Range<'_>], table: &RouteTableId) -> Option<String> {
    let is_gateway_endpoint =
        ranges.iter().any(|range| range.verdict.path().is_some_and(|path| path.kind() == PathKind::GatewayEndpoint));
    match (&m.route.origin, &m.route.destination, &m.route.target) {
        (Origin::EnableVgwRoutePropagation, _, Target::VirtualPrivateGateway(gateway)) => {
            Some(format!("aws ec2 disable-vgw-route-propagation --route-table-id {table} --gateway-id {gateway}"))
        }
        // Only the gateway endpoint itself adds and removes its route.
        (_, Destination::PrefixList(_), Target::VpcEndpoint(id)) if is_gateway_endpoint => {
            Some(format!("aws ec2 modify-vpc-endpoint --vpc-endpoint-id {id} --remove-route-table-ids {table}"))
        }
        // A default route carries far more than DynamoDB: what to put in its place is for people to decide.
        (_, Destination::Cidr(cidr), _) if cidr.prefix_len() == 0 => None,
        (Origin::CreateRoute, Destination::Cidr(IpNet::V4(cidr)), _) => {
            Some(format!("aws ec2 delete-route --route-table-id {table} --destination-cidr-block {cidr}"))
        }
        (Origin::CreateRoute, Destination::Cidr(IpNet::V6(cidr)), _) => {
            Some(format!("aws ec2 delete-route --route-table-id {table} --destination-ipv6-cidr-block {cidr}"))
        }
        (Origin::CreateRoute, Destination::PrefixList(list), _) => {
            Some(format!("aws ec2 delete-route --route-table-id {table} --destination-prefix-list-id {list}"))
        }
        _ => None,
    }
}

/// The first few ranges, and how many more there are.
fn some_cidrs(ranges: &[&Range<'_>]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<_> = ranges.iter().take(SHOWN).map(|range| range.cidr.to_string()).collect();
    match ranges.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
