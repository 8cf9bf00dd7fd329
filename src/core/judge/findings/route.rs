//! The routes of the VPC: what diverts, drops or leaves open part of the prefix list.

use super::{
    Draft, Rule, code,
    world::{Table, World, is_dynamodb_gateway},
};
use crate::{
    judge::{
        coverage::Range,
        lookup::{Match, Selection},
    },
    model::{
        AddressReport, AddressType, Destination, Drop, Origin, PathKind, RouteState, RouteTableId, Target, Verdict,
        VpcEndpointId, addresses_in, grouped, shell_word,
    },
};
use ipnet::IpNet;
use std::collections::BTreeSet;

/// What a change of DynamoDB's route does besides.
/// <https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-ddb.html>
pub(super) const ROUTE_CHANGE: &str = "drops open DynamoDB connections, so clients must reconnect; requests then come from a \
     private address, so policies must use aws:SourceVpce instead of aws:SourceIp";

impl Rule for code::PartlyDiverted {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let of_list = world.tables.iter().flat_map(|table| diverted(world, table));
        let of_endpoint = world.addresses().filter(|report| report.verdict.is_off_net()).filter_map(|report| {
            let endpoint = &report.trace.endpoint.as_ref()?.endpoint;
            let AddressReport { address, reason, .. } = report;
            Some(Draft::new(format!("{reason}, although {address} belongs to interface endpoint {endpoint}")))
        });
        of_list.chain(world.tables.iter().filter_map(in_subnet)).chain(of_endpoint).collect()
    }
}

impl Rule for code::Blackhole {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let is_blackhole = |verdict: &Verdict| matches!(verdict, Verdict::Dropped(Drop::Blackhole { .. }));
        let of_list = world.tables.iter().flat_map(|table| {
            let ranges = table.by_winner(|range| is_blackhole(&range.verdict));
            ranges.into_iter().map(|(winner, ranges)| blackhole(table, &winner, &ranges))
        });
        let others = world.addresses().filter(|report| is_blackhole(&report.verdict));
        let others = others.filter(|report| world.is_outside_lists(report.address));
        of_list.chain(others.map(|report| Draft::new(&report.reason))).collect()
    }
}

impl Rule for code::NoRoute {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let others = world.addresses().filter(|report| match &report.verdict {
            Verdict::Dropped(Drop::NoKernelRoute { .. }) => true,
            Verdict::Dropped(Drop::NoRoute) => world.is_outside_lists(report.address),
            Verdict::Dropped(Drop::Blackhole { .. } | Drop::NoPublicAddress { .. })
            | Verdict::Via(_)
            | Verdict::Ambiguous(_)
            | Verdict::Undetermined(_) => false,
        });
        let of_list = world.tables.iter().filter_map(|table| no_route(world, table));
        of_list.chain(others.map(|report| Draft::new(&report.reason))).collect()
    }
}

impl Rule for code::NoPublicAddress {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let lacking =
            |report: &&AddressReport| matches!(report.verdict, Verdict::Dropped(Drop::NoPublicAddress { .. }));
        world.addresses().filter(lacking).map(|report| Draft::new(&report.reason)).collect()
    }
}

impl Rule for code::OverlappingPrefixLists {
    /// AWS says it picks one at random where they overlap, and elsewhere that the longer prefix always wins: for entries of
    /// different length we go by length, and warn.
    fn find(world: &World<'_>) -> Vec<Draft> {
        let draft = |table: &Table<'_>| {
            let lists = overlapping(table);
            let (id, listed) = (table.id(), Vec::from_iter(lists).join(", "));
            (!listed.is_empty()).then(|| {
                Draft::new(format!(
                    "prefix lists with different targets overlap in {id}: {listed}; where entries are equal AWS picks one at \
                     random"
                ))
            })
        };
        world.tables.iter().filter_map(draft).collect()
    }
}

impl Rule for code::UnknownRouteState {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let unknown = |range: &Range<'_>| {
            matches!(&range.selection, Selection::One { winner, .. }
                if matches!(winner.route.state, RouteState::Filtered | RouteState::Absent | RouteState::Other(_)))
        };
        let draft = |table: &Table<'_>, winner: &Match<'_>| {
            Draft::new(format!(
                "the route {} → {} in {} is in a state AWS does not document, neither active nor blackhole",
                winner.route.destination,
                winner.route.target.id(),
                table.id(),
            ))
        };
        let of_table =
            |table| Table::by_winner(table, unknown).into_iter().map(move |(winner, _)| draft(table, &winner));
        world.tables.iter().flat_map(of_table).collect()
    }
}

/// Ranges that another route takes from the endpoint, one draft for each such route.
fn diverted(world: &World<'_>, table: &Table<'_>) -> Vec<Draft> {
    let Some(endpoint) = table.endpoint else { return Vec::new() };
    let ranges = table.by_winner(|range| range.verdict.is_off_net() && !leads_to(range, endpoint));
    let draft = |(winner, ranges): (Match<'_>, Vec<&Range<'_>>)| {
        if ranges.iter().all(|range| range.is_by_nat64()) {
            let (id, route, target) = (table.id(), &winner.route.destination, winner.route.target.id());
            let message = format!(
                "the resolver of {} answers programs with addresses in 64:ff9b::/96 (EnableDns64), which the route {route} → \
                 {target} in {id} takes; {endpoint} carries IPv4 addresses alone",
                table.subnet,
            );
            return Draft::new(message).severity(table.severity(&ranges));
        }
        let (taken, of_list) = (addresses_of(&ranges), grouped(addresses_in(&table.coverage.entries)));
        let (id, route, target) = (table.id(), &winner.route.destination, winner.route.target.id());
        let cidrs = some_cidrs(&ranges);
        let draft = Draft::new(format!(
            "the route {route} → {target} in {id} takes {taken} of {of_list} addresses of DynamoDB's prefix list from \
             {endpoint}: {cidrs}"
        ));
        let draft = draft.severity(table.severity(&ranges));
        if let Some(fix) = serve_ipv6(world, table, &ranges) {
            return draft.fix(fix, Some(ALSO_IPV6.to_owned()));
        }
        match remove_route(&winner, &ranges, id) {
            Some(fix) => {
                draft.fix(fix, Some(format!("this removes the route for other traffic too, and {ROUTE_CHANGE}")))
            }
            None => draft,
        }
    };
    ranges.into_iter().map(draft).collect()
}

/// Ranges to which no route applies, for the subnet itself has them.
fn in_subnet(table: &Table<'_>) -> Option<Draft> {
    let ranges: Vec<_> = table.coverage.ranges.iter().filter(|range| range.is_in_subnet()).collect();
    let (lying, of_list) = (addresses_of(&ranges), grouped(addresses_in(&table.coverage.entries)));
    let (subnet, cidrs) = (table.subnet, some_cidrs(&ranges));
    let message = format!(
        "{lying} of {of_list} addresses of DynamoDB's prefix list lie in {subnet} itself, and no route table applies to \
         them: {cidrs}"
    );
    (!ranges.is_empty()).then(|| Draft::new(message).severity(table.severity(&ranges)))
}

fn leads_to(range: &Range<'_>, endpoint: &VpcEndpointId) -> bool {
    matches!(&range.selection, Selection::One { winner, .. } if winner.route.target == Target::VpcEndpoint(endpoint.clone()))
}

fn blackhole(table: &Table<'_>, winner: &Match<'_>, ranges: &[&Range<'_>]) -> Draft {
    let (route, target, id) = (&winner.route.destination, winner.route.target.id(), table.id());
    let draft = Draft::new(format!(
        "{} addresses of DynamoDB's prefix list match the route {route} → {target} in {id}, a blackhole: packets are \
         dropped and no other route is tried",
        addresses_of(ranges),
    ));
    let draft = draft.severity(table.severity(ranges));
    match remove_route(winner, ranges, id) {
        Some(fix) => {
            let caution = "these addresses then use the next matching route: onnet explain shows which";
            draft.fix(fix, Some(caution.to_owned()))
        }
        None => draft,
    }
}

fn no_route(world: &World<'_>, table: &Table<'_>) -> Option<Draft> {
    let ranges = table.coverage.ranges.iter();
    let ranges: Vec<_> = ranges.filter(|range| matches!(range.verdict, Verdict::Dropped(Drop::NoRoute))).collect();
    let (id, addresses, cidrs) = (table.id(), addresses_of(&ranges), some_cidrs(&ranges));
    let message = format!("no route of {id} matches {addresses} addresses of DynamoDB's prefix list: {cidrs}");
    let draft = (!ranges.is_empty()).then(|| Draft::new(message).severity(table.severity(&ranges)))?;
    Some(match serve_ipv6(world, table, &ranges) {
        Some(fix) => draft.fix(fix, Some(ALSO_IPV6.to_owned())),
        None => draft,
    })
}

/// What [`serve_ipv6`] does besides.
const ALSO_IPV6: &str = "this drops open DynamoDB connections over IPv6, so clients must reconnect; their requests then come \
     through the endpoint, so policies must use aws:SourceVpce instead of aws:SourceIp";

/// The command by which the table's endpoint, which serves IPv4 alone, serves IPv6 too: AWS then adds the route for the IPv6 list. `None`
/// where that is not all that the ranges lack.
/// <https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html>
fn serve_ipv6(world: &World<'_>, table: &Table<'_>, ranges: &[&Range<'_>]) -> Option<String> {
    let lacks_family = ranges.iter().all(|range| range.cidr.addr().is_ipv6() && !range.is_by_nat64());
    let endpoints = world.reader.facts.vpc_endpoints.seen()?;
    let endpoint = endpoints.iter().find(|endpoint| Some(&endpoint.id) == table.endpoint)?;
    let is_ipv4 =
        endpoint.address_type == Some(AddressType::Ipv4) && is_dynamodb_gateway(world.reader, endpoint) == Ok(true);
    (lacks_family && is_ipv4).then(|| {
        let id = shell_word(endpoint.id.as_str());
        format!("aws ec2 modify-vpc-endpoint --vpc-endpoint-id {id} --ip-address-type dualstack")
    })
}

/// The prefix lists that share addresses with DynamoDB's and have another target, with their targets.
fn overlapping(table: &Table<'_>) -> BTreeSet<String> {
    let mut lists = BTreeSet::new();
    for range in &table.coverage.ranges {
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
    lists
}

/// The command that takes a route out of a table, where a command can and little else would go with it.
fn remove_route(m: &Match<'_>, ranges: &[&Range<'_>], table: &RouteTableId) -> Option<String> {
    let is_gateway_endpoint =
        ranges.iter().any(|range| range.verdict.path().is_some_and(|path| path.kind() == PathKind::GatewayEndpoint));
    let table = shell_word(table.as_str());
    match (&m.route.origin, &m.route.destination, &m.route.target) {
        (Origin::EnableVgwRoutePropagation, _, Target::VirtualPrivateGateway(gateway)) => {
            let gateway = shell_word(gateway.as_str());
            Some(format!("aws ec2 disable-vgw-route-propagation --route-table-id {table} --gateway-id {gateway}"))
        }
        // Only the gateway endpoint itself adds and removes its route.
        (_, Destination::PrefixList(_), Target::VpcEndpoint(id)) if is_gateway_endpoint => {
            let id = shell_word(id.as_str());
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
            let list = shell_word(list.as_str());
            Some(format!("aws ec2 delete-route --route-table-id {table} --destination-prefix-list-id {list}"))
        }
        _ => None,
    }
}

/// How many addresses the ranges have.
fn addresses_of(ranges: &[&Range<'_>]) -> String {
    grouped(addresses_in(ranges.iter().map(|range| &range.cidr)))
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
