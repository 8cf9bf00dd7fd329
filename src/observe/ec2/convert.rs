//! From the SDK's types, where everything is optional, to the model's. What does not fit is named, never dropped.

use crate::model::{
    AssociatedWith, Association, AssociationState, Destination, EndpointInterface, EndpointState, EndpointType, Gap,
    InterfaceId, Origin, PrefixList, PrefixListId, Route, RouteState, RouteTable, Subnet, Target, VpcEndpoint,
    VpcEndpointId,
};
use aws_sdk_ec2::types;
use ipnet::IpNet;
use std::net::IpAddr;

pub(super) fn route_table(table: &types::RouteTable) -> Result<RouteTable, Gap> {
    let id = required(table.route_table_id(), "a route table", "RouteTableId")?;
    let place = format!("route table {id}");
    Ok(RouteTable {
        id: id.into(),
        vpc: required(table.vpc_id(), &place, "VpcId")?.into(),
        associations: table.associations().iter().map(|a| association(a, &place)).collect::<Result<_, _>>()?,
        routes: table.routes().iter().map(|r| route(r, &place)).collect::<Result<_, _>>()?,
    })
}

fn association(from: &types::RouteTableAssociation, place: &str) -> Result<Association, Gap> {
    let with = if from.main() == Some(true) {
        AssociatedWith::Main
    } else if let Some(subnet) = given(from.subnet_id()) {
        AssociatedWith::Subnet(subnet.into())
    } else if let Some(edge) = given(from.gateway_id()).or_else(|| given(from.public_ipv4_pool())) {
        // A pool of public addresses is an edge as a gateway is: its table is for what comes in.
        AssociatedWith::Gateway(edge.to_owned())
    } else {
        return Err(malformed(place, "an association with neither Main, SubnetId nor GatewayId"));
    };
    let state = from.association_state().and_then(|state| state.state()).map(|state| state.as_str());
    let state = match state.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "associated") => AssociationState::Associated,
        Some("associating" | "disassociating") => AssociationState::Changing,
        Some("disassociated" | "failed") => AssociationState::Gone,
        Some(other) => AssociationState::Other(other.to_owned()),
    };
    Ok(Association { with, state })
}

fn route(from: &types::Route, place: &str) -> Result<Route, Gap> {
    let origin = match from.origin().map(|origin| origin.as_str()) {
        Some("CreateRouteTable") => Origin::CreateRouteTable,
        Some("CreateRoute") => Origin::CreateRoute,
        Some("EnableVgwRoutePropagation") => Origin::EnableVgwRoutePropagation,
        Some("Advertisement") => Origin::Advertisement,
        Some(other) => Origin::Other(other.to_owned()),
        None => Origin::Other(ABSENT.to_owned()),
    };
    let state = from.state().map(|state| state.as_str());
    let state = match state.map(str::to_ascii_lowercase).as_deref() {
        Some("active") => RouteState::Active,
        Some("blackhole") => RouteState::Blackhole,
        Some(other) => RouteState::Other(other.to_owned()),
        None => RouteState::Other(ABSENT.to_owned()),
    };
    Ok(Route { destination: destination(from, place)?, target: target(from), origin, state })
}

fn destination(from: &types::Route, place: &str) -> Result<Destination, Gap> {
    let ipv4 = given(from.destination_cidr_block()).map(|c| cidr(c, place, "DestinationCidrBlock"));
    let ipv6 = given(from.destination_ipv6_cidr_block()).map(|c| cidr(c, place, "DestinationIpv6CidrBlock"));
    let list = given(from.destination_prefix_list_id()).map(|id| Ok(Destination::PrefixList(id.into())));
    let cidrs = [ipv4, ipv6].into_iter().flatten().map(|cidr| cidr.map(Destination::Cidr));
    let mut all = cidrs.chain(list);
    match (all.next(), all.next()) {
        (Some(only), None) => only,
        (None, _) => Err(malformed(place, "a route without a destination")),
        (Some(_), Some(_)) => Err(malformed(place, "a route with two destinations")),
    }
}

/// The one field that says where a route leads; the API has over ten. The fields come in the order of the more telling.
fn target(from: &types::Route) -> Target {
    if let Some(id) = given(from.gateway_id()) {
        return gateway(id);
    }
    type Kind = fn(String) -> Target;
    let fields: [(_, Kind); 9] = [
        (from.nat_gateway_id(), Target::NatGateway),
        (from.transit_gateway_id(), Target::TransitGateway),
        (from.egress_only_internet_gateway_id(), Target::EgressOnlyInternetGateway),
        (from.vpc_peering_connection_id(), Target::PeeringConnection),
        // With the interface it is attached by; the instance says more.
        (from.instance_id(), Target::Instance),
        (from.network_interface_id(), |id| Target::NetworkInterface(InterfaceId::from(id))),
        (from.local_gateway_id(), Target::LocalGateway),
        (from.carrier_gateway_id(), Target::CarrierGateway),
        (from.core_network_arn(), Target::CoreNetwork),
    ];
    if let Some((id, kind)) = fields.into_iter().find_map(|(id, kind)| Some((given(id)?, kind))) {
        return kind(id.to_owned());
    }
    let unknown = |field: &str, value: &str| Target::Other { field: field.to_owned(), value: value.to_owned() };
    match (given(from.odb_network_arn()), given(from.ip_address())) {
        (Some(arn), _) => unknown("OdbNetworkArn", arn),
        (None, Some(address)) => unknown("IpAddress", address),
        // A blackhole may have lost its target altogether.
        (None, None) => unknown("none", "none"),
    }
}

/// `GatewayId` holds ids of many kinds, among them endpoints of every type.
fn gateway(id: &str) -> Target {
    let owned = || id.to_owned();
    match id.split_once('-').map_or(id, |(kind, _)| kind) {
        "local" => Target::Local,
        "vpce" => Target::VpcEndpoint(VpcEndpointId::from(id)),
        "igw" => Target::InternetGateway(owned()),
        "eigw" => Target::EgressOnlyInternetGateway(owned()),
        "vgw" => Target::VirtualPrivateGateway(owned()),
        "nat" => Target::NatGateway(owned()),
        "tgw" => Target::TransitGateway(owned()),
        "pcx" => Target::PeeringConnection(owned()),
        "eni" => Target::NetworkInterface(InterfaceId::from(id)),
        "i" => Target::Instance(owned()),
        "lgw" => Target::LocalGateway(owned()),
        "cagw" => Target::CarrierGateway(owned()),
        _ => Target::Other { field: "GatewayId".to_owned(), value: owned() },
    }
}

pub(super) fn vpc_endpoint(from: &types::VpcEndpoint) -> Result<VpcEndpoint, Gap> {
    let id = required(from.vpc_endpoint_id(), "a VPC endpoint", "VpcEndpointId")?;
    let place = format!("VPC endpoint {id}");
    let kind = match from.vpc_endpoint_type().map(|kind| kind.as_str()) {
        Some(word) if word.eq_ignore_ascii_case("Gateway") => EndpointType::Gateway,
        Some(word) if word.eq_ignore_ascii_case("Interface") => EndpointType::Interface,
        Some(word) if word.eq_ignore_ascii_case("GatewayLoadBalancer") => EndpointType::GatewayLoadBalancer,
        Some(other) => EndpointType::Other(other.to_owned()),
        None => EndpointType::Other(ABSENT.to_owned()),
    };
    // Endpoints of resources and of service networks have an ARN instead of a service.
    let service = [from.service_name(), from.resource_configuration_arn(), from.service_network_arn()]
        .into_iter()
        .find_map(given)
        .unwrap_or(ABSENT);
    Ok(VpcEndpoint {
        vpc: required(from.vpc_id(), &place, "VpcId")?.into(),
        service: service.to_owned(),
        state: EndpointState::parse(from.state().map_or(ABSENT, |state| state.as_str())),
        route_tables: from.route_table_ids().iter().map(|id| id.as_str().into()).collect(),
        interfaces: from.network_interface_ids().iter().map(|id| id.as_str().into()).collect(),
        id: id.into(),
        kind,
    })
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
    Ok(PrefixList { id: id.into(), name, entries: Vec::new() })
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
        let state = a.ipv6_cidr_block_state().and_then(|state| state.state()).map(|state| state.as_str());
        state.is_none_or(|state| state.eq_ignore_ascii_case("associated"))
    });
    let ipv6 = ipv6.filter_map(|a| given(a.ipv6_cidr_block()));
    Ok(Subnet {
        vpc: required(from.vpc_id(), &place, "VpcId")?.into(),
        cidrs: given(from.cidr_block())
            .into_iter()
            .chain(ipv6)
            .map(|c| cidr(c, &place, "CidrBlock"))
            .collect::<Result<_, _>>()?,
        id: id.into(),
    })
}

/// What stands for a word that the API left out.
const ABSENT: &str = "absent";

/// A field that is there; XML may have it as an empty element.
fn given(field: Option<&str>) -> Option<&str> {
    field.filter(|text| !text.is_empty())
}

fn required<'a>(field: Option<&'a str>, place: &str, name: &str) -> Result<&'a str, Gap> {
    given(field).ok_or_else(|| malformed(place, &format!("no {name}")))
}

fn cidr(text: &str, place: &str, name: &str) -> Result<IpNet, Gap> {
    let parsed: Result<IpNet, _> = text.parse();
    parsed.map(|net| net.trunc()).map_err(|_| malformed(place, &format!("{text:?} for {name}")))
}

fn malformed(place: &str, what: &str) -> Gap {
    Gap::Malformed { detail: format!("{place}: {what}") }
}
