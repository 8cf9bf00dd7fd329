//! From the SDK's types, where everything is optional, to the model's. What does not fit is named, never dropped.

use super::unmodelled::Unmodelled;
use crate::{
    import::convert::{self, ConvertError, RawAssociation, RawEndpoint, RawRoute},
    model::{Association, EndpointInterface, Gap, PrefixList, PrefixListId, Route, RouteTable, Subnet, VpcEndpoint},
};
use aws_sdk_ec2::types;
use ipnet::IpNet;
use std::{collections::BTreeSet, net::IpAddr};

pub(super) fn route_table(table: &types::RouteTable, unmodelled: &Unmodelled) -> Result<RouteTable, Gap> {
    let id = required(table.route_table_id(), "a route table", "RouteTableId")?;
    let place = format!("route table {id}");
    let gateways: BTreeSet<&str> = table.routes().iter().filter_map(|route| given(route.gateway_id())).collect();
    Ok(RouteTable {
        firewalled: gateways.into_iter().filter(|id| unmodelled.is_firewalled(id)).map(Into::into).collect(),
        id: id.into(),
        vpc: required(table.vpc_id(), &place, "VpcId")?.into(),
        owner: given(table.owner_id()).map(Into::into),
        associations: table.associations().iter().map(|a| association(a, id, &place)).collect::<Result<_, _>>()?,
        routes: table.routes().iter().map(|r| route(r, &place)).collect::<Result<_, _>>()?,
    })
}

fn association(from: &types::RouteTableAssociation, table: &str, place: &str) -> Result<Association, Gap> {
    let state = from.association_state().and_then(|state| state.state());
    let raw = RawAssociation {
        main: from.main() == Some(true),
        route_table_id: given(from.route_table_id()),
        subnet_id: given(from.subnet_id()),
        gateway_id: given(from.gateway_id()),
        public_ipv4_pool: given(from.public_ipv4_pool()),
        state: given(state.map(|state| state.as_str())),
    };
    raw.convert(table).map_err(|error| malformed(place, &error.to_string()))
}

fn route(from: &types::Route, place: &str) -> Result<Route, Gap> {
    let raw = RawRoute {
        destination_cidr_block: given(from.destination_cidr_block()),
        destination_ipv6_cidr_block: given(from.destination_ipv6_cidr_block()),
        destination_prefix_list_id: given(from.destination_prefix_list_id()),
        vpc_endpoint_id: None,
        gateway_id: given(from.gateway_id()),
        nat_gateway_id: given(from.nat_gateway_id()),
        egress_only_internet_gateway_id: given(from.egress_only_internet_gateway_id()),
        transit_gateway_id: given(from.transit_gateway_id()),
        instance_id: given(from.instance_id()),
        network_interface_id: given(from.network_interface_id()),
        vpc_peering_connection_id: given(from.vpc_peering_connection_id()),
        local_gateway_id: given(from.local_gateway_id()),
        carrier_gateway_id: given(from.carrier_gateway_id()),
        core_network_arn: given(from.core_network_arn()),
        odb_network_arn: given(from.odb_network_arn()),
        ip_address: given(from.ip_address()),
        another: None,
        origin: given(from.origin().map(|origin| origin.as_str())),
        state: given(from.state().map(|state| state.as_str())),
    };
    raw.convert().map_err(|error| malformed(place, &error.to_string()))
}

pub(super) fn vpc_endpoint(from: &types::VpcEndpoint) -> Result<VpcEndpoint, Gap> {
    // Endpoints of resources and of service networks have an ARN instead of a service.
    let service = [from.service_name(), from.resource_configuration_arn(), from.service_network_arn()];
    let raw = RawEndpoint {
        vpc_endpoint_id: given(from.vpc_endpoint_id()),
        vpc_endpoint_type: given(from.vpc_endpoint_type().map(|kind| kind.as_str())),
        vpc_id: given(from.vpc_id()),
        owner_id: given(from.owner_id()),
        service_name: service.into_iter().find_map(given),
        service_region: given(from.service_region()),
        state: given(from.state().map(|state| state.as_str())),
        route_table_ids: from.route_table_ids().iter().map(String::as_str).collect(),
        network_interface_ids: from.network_interface_ids().iter().map(String::as_str).collect(),
        ip_address_type: given(from.ip_address_type().map(|kind| kind.as_str())),
        failure_reason: given(from.failure_reason()),
        last_error: from.last_error().and_then(|error| given(error.message()).or(given(error.code()))),
        policy_document: given(from.policy_document()),
    };
    raw.convert().map_err(|error| malformed("a VPC endpoint", &error.to_string()))
}

pub(super) fn prefix_list(from: &types::PrefixList) -> Result<PrefixList, Gap> {
    let id = required(from.prefix_list_id(), "a prefix list", "PrefixListId")?;
    let place = format!("prefix list {id}");
    Ok(PrefixList {
        id: id.into(),
        name: given(from.prefix_list_name()).map(str::to_owned),
        entries: from.cidrs().iter().map(|c| cidr(c, &place, "Cidrs")).collect::<Result<_, _>>()?,
    })
}

/// Its entries are for another call.
pub(super) fn managed_prefix_list(from: &types::ManagedPrefixList) -> Result<PrefixList, Gap> {
    let id = required(from.prefix_list_id(), "a managed prefix list", "PrefixListId")?;
    let name = given(from.prefix_list_name()).map(str::to_owned);
    // A customer may give a list any name.
    let name = name.filter(|_| given(from.owner_id()).is_none_or(|owner| owner == "AWS"));
    Ok(PrefixList { id: id.into(), name, entries: Vec::new().into() })
}

pub(super) fn entry(from: &types::PrefixListEntry, list: &PrefixListId) -> Result<IpNet, Gap> {
    let place = format!("prefix list {list}");
    cidr(required(from.cidr(), &place, "Cidr")?, &place, "Cidr")
}

pub(super) fn endpoint_interface(from: &types::NetworkInterface) -> Result<EndpointInterface, Gap> {
    let id = required(from.network_interface_id(), "a network interface", "NetworkInterfaceId")?;
    let place = format!("network interface {id}");
    let all = from.private_ip_addresses().iter().filter_map(|ip| given(ip.private_ip_address()));
    let primary = given(from.private_ip_address());
    let ipv6 = from.ipv6_addresses().iter().filter_map(|ip| given(ip.ipv6_address()));
    let mut addresses: Vec<IpAddr> = all
        .chain(primary)
        .chain(ipv6)
        .map(|text| text.parse().map_err(|_| malformed(&place, &format!("{text:?} for an address"))))
        .collect::<Result<_, _>>()?;
    addresses.sort_unstable();
    addresses.dedup();
    Ok(EndpointInterface { id: id.into(), addresses })
}

pub(super) fn subnet(from: &types::Subnet) -> Result<Subnet, Gap> {
    let id = required(from.subnet_id(), "a subnet", "SubnetId")?;
    let place = format!("subnet {id}");
    let ipv6 = from.ipv6_cidr_block_association_set().iter().filter(|a| {
        // One that has gone is still listed for a while.
        convert::in_effect(a.ipv6_cidr_block_state().and_then(|state| state.state()).map(|state| state.as_str()))
    });
    let ipv6 = ipv6.filter_map(|a| given(a.ipv6_cidr_block()));
    Ok(Subnet {
        vpc: required(from.vpc_id(), &place, "VpcId")?.into(),
        availability_zone: given(from.availability_zone()).map(str::to_owned),
        owner: given(from.owner_id()).map(Into::into),
        cidrs: given(from.cidr_block())
            .into_iter()
            .map(|block| cidr(block, &place, "CidrBlock"))
            .chain(ipv6.map(|block| cidr(block, &place, "Ipv6CidrBlock")))
            .collect::<Result<_, _>>()?,
        ipv6_native: from.ipv6_native() == Some(true),
        without_ipv6: from.ipv6_native() != Some(true)
            && from.ipv6_cidr_block_association_set.as_ref().is_some_and(Vec::is_empty),
        dns64: from.enable_dns64(),
        id: id.into(),
    })
}

/// A field that is there; XML may have it as an empty element.
pub(super) fn given(field: Option<&str>) -> Option<&str> {
    field.filter(|text| !text.is_empty())
}

pub(super) fn required<'a>(field: Option<&'a str>, place: &str, name: &'static str) -> Result<&'a str, Gap> {
    convert::required(name, given(field)).map_err(|error| malformed(place, &error.to_string()))
}

pub(super) fn cidr(text: &str, place: &str, name: &'static str) -> Result<IpNet, Gap> {
    match convert::cidr(name, text) {
        // The API's own answer, not a file that somebody changed: it means the network.
        Err(ConvertError::HostBits { network, .. }) => Ok(network),
        read => read.map_err(|error| malformed(place, &error.to_string())),
    }
}

pub(super) fn malformed(place: &str, what: &str) -> Gap {
    Gap::Malformed { detail: format!("{place}: {what}") }
}
