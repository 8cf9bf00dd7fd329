//! Which prefix lists are DynamoDB's beside those that have its name: AWS has not published what its IPv6 list is called.

use crate::model::{Destination, EndpointType, PrefixListId, RouteTable, Target, VpcEndpoint, is_dynamodb_service};
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
    let is_ours = |endpoint: &&VpcEndpoint| {
        let service = endpoint.service.as_deref();
        endpoint.kind == EndpointType::Gateway && service.is_some_and(|service| is_dynamodb_service(service, region))
    };
    let ours: Vec<&VpcEndpoint> = endpoints.into_iter().filter(is_ours).collect();
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
