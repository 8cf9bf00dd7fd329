//! What a route points at, and the path of traffic: through which kind of thing, and which one.

use super::{
    CarrierGatewayId, CoreNetworkArn, DeviceName, EgressOnlyInternetGatewayId, InstanceId, InterfaceId,
    InternetGatewayId, LocalGatewayId, NatGatewayId, PeeringConnectionId, TargetId, TransitGatewayId,
    VirtualPrivateGatewayId, VpcEndpointId, VpcId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use strum::{EnumDiscriminants, IntoStaticStr, VariantArray};

/// The target of a route. The EC2 API has more than ten optional fields for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind", content = "id")]
pub enum Target {
    /// Within the VPC.
    Local,
    /// An endpoint of any type: a gateway endpoint and a Gateway Load Balancer endpoint cannot be distinguished here.
    VpcEndpoint(VpcEndpointId),
    /// `igw-…`
    InternetGateway(InternetGatewayId),
    /// `eigw-…`
    EgressOnlyInternetGateway(EgressOnlyInternetGatewayId),
    /// `nat-…`
    NatGateway(NatGatewayId),
    /// `tgw-…`
    TransitGateway(TransitGatewayId),
    /// `vgw-…`
    VirtualPrivateGateway(VirtualPrivateGatewayId),
    /// `pcx-…`
    PeeringConnection(PeeringConnectionId),
    /// `eni-…`, where the API names no instance.
    NetworkInterface(InterfaceId),
    /// `i-…`, where the API names the instance.
    Instance(InstanceId),
    /// `lgw-…`
    LocalGateway(LocalGatewayId),
    /// `cagw-…`
    CarrierGateway(CarrierGatewayId),
    /// The ARN of a Cloud WAN core network.
    CoreNetwork(CoreNetworkArn),
    /// A kind that this version does not know, as the API returned it.
    Other {
        /// The API's field, such as `OdbNetworkArn`.
        field: String,
        /// Its value.
        value: String,
    },
}

impl Target {
    /// The id (or ARN) the route points at; `local` for the local route.
    pub fn id(&self) -> &str {
        match self {
            Self::Local => "local",
            Self::VpcEndpoint(id) => id.as_str(),
            Self::NetworkInterface(id) => id.as_str(),
            Self::InternetGateway(id) => id.as_str(),
            Self::EgressOnlyInternetGateway(id) => id.as_str(),
            Self::NatGateway(id) => id.as_str(),
            Self::TransitGateway(id) => id.as_str(),
            Self::VirtualPrivateGateway(id) => id.as_str(),
            Self::PeeringConnection(id) => id.as_str(),
            Self::Instance(id) => id.as_str(),
            Self::LocalGateway(id) => id.as_str(),
            Self::CarrierGateway(id) => id.as_str(),
            Self::CoreNetwork(arn) => arn.as_str(),
            Self::Other { value, .. } => value,
        }
    }

    /// What a route points at, in words, as far as the route itself says: not whose endpoint it is.
    pub fn words(&self) -> &'static str {
        match self.leads() {
            Leads::WithinVpc => PathKind::Local.words(),
            Leads::ToEndpoint(_) => "VPC endpoint",
            Leads::Through(target) => PathKind::from(&target).words(),
            Leads::ToUnknown { .. } => PathKind::Other.words(),
        }
    }

    /// Where it leads, as far as the route itself says.
    pub fn leads(&self) -> Leads {
        Leads::Through(match self.clone() {
            Self::Local => return Leads::WithinVpc,
            Self::InternetGateway(id) => PathTarget::InternetGateway(id),
            Self::EgressOnlyInternetGateway(id) => PathTarget::EgressOnlyInternetGateway(id),
            Self::NatGateway(id) => PathTarget::NatGateway(id),
            Self::TransitGateway(id) => PathTarget::TransitGateway(id),
            Self::VirtualPrivateGateway(id) => PathTarget::VirtualPrivateGateway(id),
            Self::PeeringConnection(id) => PathTarget::PeeringConnection(id),
            Self::NetworkInterface(id) => PathTarget::NetworkInterface(id),
            Self::Instance(id) => PathTarget::Instance(id),
            Self::LocalGateway(id) => PathTarget::LocalGateway(id),
            Self::CarrierGateway(id) => PathTarget::CarrierGateway(id),
            Self::CoreNetwork(arn) => PathTarget::CoreNetwork(arn),
            Self::VpcEndpoint(id) => return Leads::ToEndpoint(id),
            Self::Other { field, value } => return Leads::ToUnknown { field, value },
        })
    }
}

/// Where a route's target leads, as far as the route itself says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leads {
    /// Through this, whatever else is known.
    Through(PathTarget),
    /// To an address within the VPC.
    WithinVpc,
    /// To an endpoint; `DescribeVpcEndpoints` says of which type and service.
    ToEndpoint(VpcEndpointId),
    /// To a target of a kind this build does not know.
    ToUnknown {
        /// The API's field.
        field: String,
        /// Its value.
        value: String,
    },
}

/// What a path goes through. In JSON two strings, the kind and the id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EnumDiscriminants)]
#[strum_discriminants(
    name(PathKind),
    doc = "The kind of a path.",
    derive(PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, IntoStaticStr, VariantArray),
    serde(rename_all = "snake_case"),
    strum(serialize_all = "snake_case"),
    expect(missing_docs, reason = "the variants are the names EC2 gives these things")
)]
#[expect(missing_docs, reason = "the variants are the names EC2 gives these things")]
pub enum PathTarget {
    GatewayEndpoint(VpcEndpointId),
    InterfaceEndpoint(VpcEndpointId),
    InternetGateway(InternetGatewayId),
    EgressOnlyInternetGateway(EgressOnlyInternetGatewayId),
    NatGateway(NatGatewayId),
    TransitGateway(TransitGatewayId),
    VirtualPrivateGateway(VirtualPrivateGatewayId),
    PeeringConnection(PeeringConnectionId),
    NetworkInterface(InterfaceId),
    Instance(InstanceId),
    LocalGateway(LocalGatewayId),
    CarrierGateway(CarrierGatewayId),
    CoreNetwork(CoreNetworkArn),
    GatewayLoadBalancerEndpoint(VpcEndpointId),
    /// The VPC's local route.
    Local,
    /// A device of the host that is not a network interface of the instance: a tunnel, or the host itself.
    HostDevice(DeviceName),
    /// A route whose target does not exist any more: it drops packets. Only beside another path, in a tie.
    Blackhole(TargetId),
    /// A DynamoDB endpoint of this VPC, as DynamoDB itself says; what stands before it is not known.
    VpcEndpointTestified(VpcId),
    /// No VPC endpoint, as DynamoDB itself says.
    NoEndpointTestified,
    /// A kind this build does not know.
    Other {
        /// The API's field, such as `OdbNetworkArn`.
        field: String,
        /// Its value.
        value: String,
    },
}

/// What decides about packets after a path of some kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// Nothing in the VPC or on the host: it leads out, or to the service.
    Outside,
    /// Another subnet's route table, or another network's: it may lead to a VPC endpoint.
    AnotherTable,
    /// That is not known.
    Unknown,
    /// They go nowhere else.
    Nothing,
}

impl PathKind {
    /// What decides about packets behind it.
    pub fn beyond(self) -> Beyond {
        match self {
            Self::GatewayEndpoint
            | Self::InterfaceEndpoint
            | Self::InternetGateway
            | Self::EgressOnlyInternetGateway
            | Self::CarrierGateway
            | Self::VpcEndpointTestified
            | Self::NoEndpointTestified => Beyond::Outside,
            Self::NatGateway
            | Self::TransitGateway
            | Self::VirtualPrivateGateway
            | Self::PeeringConnection
            | Self::NetworkInterface
            | Self::Instance
            | Self::CoreNetwork
            | Self::GatewayLoadBalancerEndpoint => Beyond::AnotherTable,
            Self::LocalGateway | Self::Other => Beyond::Unknown,
            Self::Local | Self::HostDevice | Self::Blackhole => Beyond::Nothing,
        }
    }

    /// Whether it leads out of the VPC: not an endpoint, not within the VPC, not on the host.
    pub fn leaves_vpc(self) -> bool {
        match self {
            Self::InternetGateway
            | Self::EgressOnlyInternetGateway
            | Self::NatGateway
            | Self::TransitGateway
            | Self::VirtualPrivateGateway
            | Self::PeeringConnection
            | Self::NetworkInterface
            | Self::Instance
            | Self::LocalGateway
            | Self::CarrierGateway
            | Self::CoreNetwork => true,
            Self::GatewayEndpoint
            | Self::InterfaceEndpoint
            | Self::GatewayLoadBalancerEndpoint
            | Self::Local
            | Self::HostDevice
            | Self::Blackhole
            | Self::VpcEndpointTestified
            | Self::NoEndpointTestified
            | Self::Other => false,
        }
    }

    /// Every kind.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The kind as a label.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The kind in a sentence, spelled as EC2's guides do: `NAT gateway`.
    pub fn words(self) -> &'static str {
        match self {
            Self::GatewayEndpoint => "gateway endpoint",
            Self::InterfaceEndpoint => "interface endpoint",
            Self::InternetGateway => "internet gateway",
            Self::EgressOnlyInternetGateway => "egress-only internet gateway",
            Self::NatGateway => "NAT gateway",
            Self::TransitGateway => "transit gateway",
            Self::VirtualPrivateGateway => "virtual private gateway",
            Self::PeeringConnection => "peering connection",
            Self::NetworkInterface => "network interface",
            Self::Instance => "instance",
            Self::LocalGateway => "local gateway",
            Self::CarrierGateway => "carrier gateway",
            Self::CoreNetwork => "core network",
            Self::GatewayLoadBalancerEndpoint => "Gateway Load Balancer endpoint",
            Self::Local => "the VPC's local route",
            Self::HostDevice => "device",
            Self::Blackhole => "blackhole",
            Self::VpcEndpointTestified => "VPC endpoint",
            Self::NoEndpointTestified => "no VPC endpoint",
            Self::Other => "other target",
        }
    }

    /// The target of this kind with this id; `None` where the kind takes a field, and there is none.
    pub(super) fn target(self, id: String, field: Option<String>) -> Option<PathTarget> {
        Some(match self {
            Self::GatewayEndpoint => PathTarget::GatewayEndpoint(id.into()),
            Self::InterfaceEndpoint => PathTarget::InterfaceEndpoint(id.into()),
            Self::InternetGateway => PathTarget::InternetGateway(id.into()),
            Self::EgressOnlyInternetGateway => PathTarget::EgressOnlyInternetGateway(id.into()),
            Self::NatGateway => PathTarget::NatGateway(id.into()),
            Self::TransitGateway => PathTarget::TransitGateway(id.into()),
            Self::VirtualPrivateGateway => PathTarget::VirtualPrivateGateway(id.into()),
            Self::PeeringConnection => PathTarget::PeeringConnection(id.into()),
            Self::NetworkInterface => PathTarget::NetworkInterface(id.into()),
            Self::Instance => PathTarget::Instance(id.into()),
            Self::LocalGateway => PathTarget::LocalGateway(id.into()),
            Self::CarrierGateway => PathTarget::CarrierGateway(id.into()),
            Self::CoreNetwork => PathTarget::CoreNetwork(id.into()),
            Self::GatewayLoadBalancerEndpoint => PathTarget::GatewayLoadBalancerEndpoint(id.into()),
            Self::Local => PathTarget::Local,
            Self::HostDevice => PathTarget::HostDevice(id.into()),
            Self::Blackhole => PathTarget::Blackhole(id.into()),
            Self::VpcEndpointTestified => PathTarget::VpcEndpointTestified(id.into()),
            Self::NoEndpointTestified => PathTarget::NoEndpointTestified,
            Self::Other => PathTarget::Other { field: field?, value: id },
        })
    }
}

impl fmt::Display for PathKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl PathTarget {
    /// Its id, ARN or name; `local` for the local route.
    pub fn as_str(&self) -> &str {
        match self {
            Self::GatewayEndpoint(id) | Self::InterfaceEndpoint(id) | Self::GatewayLoadBalancerEndpoint(id) => {
                id.as_str()
            }
            Self::InternetGateway(id) => id.as_str(),
            Self::EgressOnlyInternetGateway(id) => id.as_str(),
            Self::NatGateway(id) => id.as_str(),
            Self::TransitGateway(id) => id.as_str(),
            Self::VirtualPrivateGateway(id) => id.as_str(),
            Self::PeeringConnection(id) => id.as_str(),
            Self::NetworkInterface(id) => id.as_str(),
            Self::Instance(id) => id.as_str(),
            Self::LocalGateway(id) => id.as_str(),
            Self::CarrierGateway(id) => id.as_str(),
            Self::CoreNetwork(arn) => arn.as_str(),
            Self::Local => "local",
            Self::HostDevice(name) => name.as_str(),
            Self::Blackhole(target) => target.as_str(),
            Self::VpcEndpointTestified(vpc) => vpc.as_str(),
            Self::NoEndpointTestified => "none",
            Self::Other { value, .. } => value,
        }
    }

    /// The API's field, for a kind this build does not know.
    pub fn field(&self) -> Option<&str> {
        if let Self::Other { field, .. } = self { Some(field) } else { None }
    }
}

impl fmt::Display for PathTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The path of traffic, and whether it is a DynamoDB endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "PathJson", into = "PathJson")]
#[schemars(with = "PathJson")]
pub struct Path {
    /// The kind of the path.
    pub target: PathTarget,
    /// The service the endpoint is for; `None` where the path is not an endpoint.
    pub service: Option<String>,
    /// Whether this is a VPC endpoint of the Region's DynamoDB service. Only such a path is on-net.
    pub is_dynamodb_endpoint: bool,
}

impl Path {
    /// What kind of thing it goes through.
    pub fn kind(&self) -> PathKind {
        PathKind::from(&self.target)
    }
}

impl From<PathTarget> for Path {
    /// A path that is not an endpoint of any service.
    fn from(target: PathTarget) -> Self {
        Self { target, service: None, is_dynamodb_endpoint: false }
    }
}

impl fmt::Display for Path {
    /// `gateway endpoint vpce-…`, `device wg0`, `NAT gateway nat-…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind(), self.target.field()) {
            (PathKind::Local | PathKind::NoEndpointTestified, _) => f.write_str(self.kind().words()),
            (PathKind::VpcEndpointTestified, _) => write!(f, "a VPC endpoint of {}", self.target),
            (_, Some(field)) => write!(f, "{field} {}", self.target),
            (kind, None) => write!(f, "{} {}", kind.words(), self.target),
        }
    }
}

/// A path as the JSON contracts have it: kind and id side by side, as strings.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Path")]
struct PathJson {
    /// The kind of the path.
    kind: PathKind,
    /// Its id: the endpoint's, for an interface endpoint; the device's name, for a device of the host; `local` for the
    /// local route.
    target: String,
    /// The API's field, for kind `other`.
    field: Option<String>,
    /// The service the endpoint is for; null where the path is not an endpoint.
    service: Option<String>,
    /// Whether this is a VPC endpoint of the Region's DynamoDB service. Only such a path is on-net.
    is_dynamodb_endpoint: bool,
}

impl From<Path> for PathJson {
    fn from(path: Path) -> Self {
        Self {
            kind: path.kind(),
            field: path.target.field().map(str::to_owned),
            target: path.target.to_string(),
            service: path.service,
            is_dynamodb_endpoint: path.is_dynamodb_endpoint,
        }
    }
}

impl TryFrom<PathJson> for Path {
    type Error = &'static str;

    fn try_from(json: PathJson) -> Result<Self, Self::Error> {
        let target = json.kind.target(json.target, json.field).ok_or("a path of kind `other` without a field")?;
        Ok(Self { target, service: json.service, is_dynamodb_endpoint: json.is_dynamodb_endpoint })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn every_kind_is_two_strings_in_json_and_reads_back() {
        for &kind in PathKind::ALL {
            let target = kind.target("x-1".to_owned(), Some("OdbNetworkArn".to_owned())).unwrap();
            let path = Path { service: Some("s".to_owned()), is_dynamodb_endpoint: true, ..target.into() };
            let json = serde_json::to_value(&path).unwrap();
            assert_eq!(json["kind"], Value::from(kind.name()), "the label is the name in JSON");
            let of_its_own = [(PathKind::Local, "local"), (PathKind::NoEndpointTestified, "none")];
            let id = of_its_own.iter().find(|(of, _)| *of == kind).map_or("x-1", |(_, id)| id);
            assert_eq!(json["target"], id);
            assert_eq!(json["field"].is_string(), kind == PathKind::Other);
            assert_eq!(serde_json::from_value::<Path>(json).unwrap(), path);
        }
    }

    #[test]
    fn a_kind_this_build_does_not_know_is_refused() {
        let path = |kind: &str| json!({"kind": kind, "target": "x-1", "field": null, "service": null, "is_dynamodb_endpoint": true});
        assert!(serde_json::from_value::<Path>(path("wormhole")).is_err());
        assert!(serde_json::from_value::<Path>(path("other")).is_err(), "without a field");
    }
}
