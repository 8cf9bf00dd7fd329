//! Which prefix lists are DynamoDB's beside those that have its name: AWS has not published what its IPv6 list is called.

use super::convert::is_dynamodb_prefix_list;
use crate::model::{
    Destination, EndpointType, Origin, PrefixList, PrefixListId, Route, RouteState, RouteTable, Target, VpcEndpoint,
    is_dynamodb_service,
};
use std::collections::BTreeSet;

/// The lists beside those found by name, `by_name`, that a route leads to a DynamoDB gateway endpoint: AWS adds routes to one for the prefix
/// lists of its service, and no other route can lead to one. Whatever state and origin the route has, and whatever the list is called:
/// where these do not fit, the judge says that facts disagree, and what is left out here would not be judged at all.
/// <https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html>
pub fn lists_by_route<'f>(
    tables: impl IntoIterator<Item = &'f RouteTable>,
    endpoints: impl IntoIterator<Item = &'f VpcEndpoint>,
    by_name: &[PrefixListId],
    region: &str,
) -> Vec<PrefixListId> {
    let ours: Vec<&VpcEndpoint> =
        endpoints.into_iter().filter(|endpoint| is_dynamodbs_gateway(endpoint, region)).collect();
    let routes = tables.into_iter().flat_map(|table| &table.routes);
    let led = routes.filter_map(|route| match (&route.destination, &route.target) {
        (Destination::PrefixList(list), Target::VpcEndpoint(target)) => {
            ours.iter().any(|endpoint| endpoint.id == *target).then_some(list)
        }
        _ => None,
    });
    let led: BTreeSet<&PrefixListId> = led.collect();
    led.into_iter().filter(|id| !by_name.contains(id)).cloned().collect()
}

fn is_dynamodbs_gateway(endpoint: &VpcEndpoint, region: &str) -> bool {
    let service = endpoint.service.as_deref();
    endpoint.kind == EndpointType::Gateway && service.is_some_and(|service| is_dynamodb_service(service, region))
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
    let ours: Vec<&VpcEndpoint> =
        endpoints.into_iter().filter(|endpoint| is_dynamodbs_gateway(endpoint, region)).collect();
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

/// Whether the list has no name, or one of DynamoDB's in this Region.
fn may_be_dynamodbs_list(list: &PrefixList, region: &str) -> bool {
    list.name.as_deref().is_none_or(|name| is_dynamodb_prefix_list(name, region))
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
