//! Which prefix lists are DynamoDB's beside those that have its name: AWS has not published what its IPv6 list is called.

use super::convert::is_dynamodb_prefix_list;
use crate::model::{
    Destination, EndpointType, Observed, Origin, PrefixList, PrefixListId, Route, RouteState, RouteTable, Target,
    VpcEndpoint, is_dynamodb_service,
};
use ipnet::IpNet;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The lists that are DynamoDB's by a route: AWS adds routes to a gateway endpoint for the prefix lists of its service, and no other
/// route can lead to one. Only a list of an address family that those found by name, `by_name`, do not have, and that is not named as
/// something else. One that is not read may be of that family.
/// <https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html>
pub fn lists_by_route<'f>(
    tables: impl IntoIterator<Item = &'f RouteTable>,
    endpoints: impl IntoIterator<Item = &'f VpcEndpoint>,
    lists: &BTreeMap<PrefixListId, Observed<PrefixList>>,
    by_name: &[PrefixListId],
    region: &str,
) -> Vec<PrefixListId> {
    let named: Option<Vec<&PrefixList>> = by_name.iter().map(|id| lists.get(id)?.seen()).collect();
    // Where one of them is not read, which families they have is not known.
    let Some(named) = named else { return Vec::new() };
    let has_family = |entry: &IpNet| {
        let same = |known: &IpNet| known.addr().is_ipv4() == entry.addr().is_ipv4();
        named.iter().any(|list| list.entries.iter().any(same))
    };
    let all_families = [IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED)];
    let is_family_missing = all_families.into_iter().any(|any| !has_family(&IpNet::from(any)));
    let is_one = |id: &PrefixListId| match lists.get(id).and_then(Observed::seen) {
        Some(list) => {
            may_be_dynamodbs_list(list, region) && !list.entries.is_empty() && !list.entries.iter().any(has_family)
        }
        None => is_family_missing,
    };
    let led: BTreeSet<&PrefixListId> = led_to_dynamodb(tables, endpoints, region).collect();
    led.into_iter().filter(|id| !by_name.contains(id) && is_one(id)).cloned().collect()
}

/// Whether a route leads the list to a gateway endpoint of DynamoDB's, and the list is not named as something else.
pub fn is_by_route(list: &PrefixList, tables: &[RouteTable], endpoints: &[VpcEndpoint], region: &str) -> bool {
    may_be_dynamodbs_list(list, region) && led_to_dynamodb(tables, endpoints, region).any(|led| *led == list.id)
}

/// The lists that routes lead to gateway endpoints of DynamoDB's, where the endpoints say the same.
fn led_to_dynamodb<'f>(
    tables: impl IntoIterator<Item = &'f RouteTable>,
    endpoints: impl IntoIterator<Item = &'f VpcEndpoint>,
    region: &str,
) -> impl Iterator<Item = &'f PrefixListId> {
    let is_ours = |endpoint: &&VpcEndpoint| {
        let service = endpoint.service.as_deref();
        endpoint.kind == EndpointType::Gateway && service.is_some_and(|service| is_dynamodb_service(service, region))
    };
    let ours: Vec<&VpcEndpoint> = endpoints.into_iter().filter(is_ours).collect();
    let routes = tables.into_iter().flat_map(|table| table.routes.iter().map(move |route| (table, route)));
    routes.filter_map(move |(table, route): (&RouteTable, &'f Route)| {
        let (Destination::PrefixList(list), Target::VpcEndpoint(target)) = (&route.destination, &route.target) else {
            return None;
        };
        let is_set_by_aws = route.origin == Origin::CreateRoute && route.state == RouteState::Active;
        let says_the_same = |endpoint: &&VpcEndpoint| {
            endpoint.id == *target && endpoint.vpc == table.vpc && endpoint.route_tables.contains(&table.id)
        };
        (is_set_by_aws && ours.iter().any(says_the_same)).then_some(list)
    })
}

/// Whether the list has no name, or one that DynamoDB's IPv6 list in this Region may have.
fn may_be_dynamodbs_list(list: &PrefixList, region: &str) -> bool {
    let Some(name) = list.name.as_deref() else { return true };
    let labels: Vec<&str> = name.split('.').collect();
    let is_service = |label: &&str| {
        let of_service = label.strip_suffix("v6").or_else(|| label.strip_prefix("ipv6-")).unwrap_or(label);
        of_service.trim_end_matches("ip").trim_end_matches('-') == "dynamodb"
    };
    is_dynamodb_prefix_list(name, region)
        || (labels.contains(&"amazonaws") && labels.contains(&region) && labels.iter().any(is_service))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_dynamodbs_ipv6_list_may_have() {
        for (name, expected) in [
            (Some("com.amazonaws.us-east-1.ipv6.dynamodb"), true),
            (Some("com.amazonaws.us-east-1.dynamodb.ipv6"), true),
            (Some("com.amazonaws.us-east-1.dynamodb-ipv6"), true),
            (Some("com.amazonaws.us-east-1.dynamodbv6"), true),
            (Some("com.amazonaws.us-east-1.ipv6-dynamodb"), true),
            (None, true),
            (Some("com.amazonaws.us-east-1.ipv6.s3"), false),
            (Some("com.amazonaws.us-west-2.dynamodb-ipv6"), false),
            (Some("com.amazonaws.us-east-1.dynamodb-streams"), false),
            (Some("dynamodb"), false),
        ] {
            let list = PrefixList { id: "pl-6".into(), name: name.map(str::to_owned), entries: Vec::new().into() };
            assert_eq!(may_be_dynamodbs_list(&list, "us-east-1"), expected, "{name:?}");
        }
    }
}
