//! What EC2 knows: route tables, prefix lists, endpoints. One enum where the API has many optional fields.

use super::{
    AccountId, Gap, GateFacts, InterfaceId, InternetGatewayId, Observed, PrefixListId, RouteTableId, Shared,
    SharedFacts, SubnetId, Target, VpcEndpointId, VpcId, unique::unique,
};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
};

/// The facts about a VPC that the judge needs, from the live API or from files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VpcFacts {
    /// Every route table of the VPC (or of all VPCs of the inventory).
    pub route_tables: Observed<Vec<RouteTable>>,
    /// Every VPC endpoint of the VPC, of whatever service and type.
    pub vpc_endpoints: Observed<Vec<VpcEndpoint>>,
    /// The network interfaces of the interface endpoints: DynamoDB's in a check, every service's in an inventory.
    pub endpoint_interfaces: Observed<Vec<EndpointInterface>>,
    /// The ids of the Region's DynamoDB prefix lists: one today, and more if AWS adds an IPv6 list.
    pub service_prefix_lists: Observed<Vec<PrefixListId>>,
    /// The prefix lists that the route tables name, and the DynamoDB ones.
    #[serde(deserialize_with = "unique")]
    pub prefix_lists: BTreeMap<PrefixListId, Observed<PrefixList>>,
    /// What the gates beside the routes are judged from, where they are asked for (`--gates`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gates: Option<Box<GateFacts>>,
    /// Who observed these facts, where that is not this instance itself (`--facts-table`).
    #[serde(default)]
    pub shared: Option<Box<SharedFacts>>,
}

impl VpcFacts {
    /// Nothing is known of the VPC, for one reason.
    pub fn unseen(gap: &Gap) -> Self {
        Self {
            route_tables: Observed::Unseen(gap.clone()),
            vpc_endpoints: Observed::Unseen(gap.clone()),
            endpoint_interfaces: Observed::Unseen(gap.clone()),
            service_prefix_lists: Observed::Unseen(gap.clone()),
            prefix_lists: BTreeMap::new(),
            gates: None,
            shared: None,
        }
    }
}

/// The destination of a route: one of two kinds. The EC2 API has three optional fields for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// One range of addresses.
    Cidr(#[schemars(with = "String")] IpNet),
    /// Every entry of a prefix list.
    PrefixList(PrefixListId),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cidr(cidr) => cidr.fmt(f),
            Self::PrefixList(id) => id.fmt(f),
        }
    }
}

/// A destination in JSON as its text alone.
pub(super) mod destination_as_text {
    use super::Destination;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in super::super) fn serialize<S: Serializer>(destination: &Destination, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(destination)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Destination, D::Error> {
        let text = String::deserialize(from)?;
        if text.starts_with("pl-") {
            return Ok(Destination::PrefixList(text.into()));
        }
        text.parse().map(Destination::Cidr).map_err(D::Error::custom)
    }
}

/// The origin of a route, in the API's words.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Origin {
    /// Created with the table: the local route.
    CreateRouteTable,
    /// Created by a user, or by AWS for a gateway endpoint: the API does not distinguish them.
    CreateRoute,
    /// Propagated by a virtual private gateway.
    EnableVgwRoutePropagation,
    /// Advertised by a VPC Route Server.
    Advertisement,
    /// The API names no origin.
    #[serde(rename = "absent")]
    Absent,
    /// Any other value, as the API returned it.
    #[serde(untagged)]
    Other(String),
}

impl Origin {
    /// Whether the route was learned rather than set: it ranks below a set route, and never beats `local`.
    pub fn is_propagated(&self) -> bool {
        match self {
            Self::EnableVgwRoutePropagation | Self::Advertisement => true,
            Self::CreateRouteTable | Self::CreateRoute | Self::Absent | Self::Other(_) => false,
        }
    }
}

/// The state of a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RouteState {
    /// The route is active.
    Active,
    /// The target does not exist any more: matching packets are dropped.
    Blackhole,
    /// EC2's model has it, and AWS does not say what it means. It is judged as active and as absent.
    Filtered,
    /// The API names no state.
    Absent,
    /// Any other value, as the API returned it.
    #[serde(untagged)]
    Other(String),
}

/// One row of a route table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// The destination.
    pub destination: Destination,
    /// The target.
    pub target: Target,
    /// The origin.
    pub origin: Origin,
    /// The state.
    pub state: RouteState,
    /// The address family of its prefix list, if known. The list itself may be unread.
    #[serde(default)]
    pub family: Option<ListFamily>,
}

/// `AddressFamily`: a prefix list has ranges of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListFamily {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl AssociatedWith {
    /// The subnet, if it is one.
    pub fn subnet(&self) -> Option<&SubnetId> {
        match self {
            Self::Subnet(subnet) => Some(subnet),
            Self::Main | Self::Gateway(_) | Self::PublicIpv4Pool(_) => None,
        }
    }
}

/// What a route table is associated with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssociatedWith {
    /// Every subnet of the VPC without an explicit association.
    Main,
    /// One subnet.
    Subnet(SubnetId),
    /// An internet or virtual private gateway: an edge table, for inbound traffic.
    Gateway(String),
    /// A pool of the account's own public addresses: inbound traffic, too.
    PublicIpv4Pool(String),
}

/// The state of an association.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssociationState {
    /// In effect.
    Associated,
    /// Not in the answer, as in older ones: in effect, unless other associations have a state.
    Absent,
    /// In transition, so that either table may serve the subnet: `associating`, `disassociating`.
    Changing,
    /// Not in effect: `disassociated`.
    Gone,
    /// `failed`: of an association, so that the main table serves the subnet, or of a disassociation, so that this one does.
    Failed,
    /// Any other value, as the API returned it.
    #[serde(untagged)]
    Other(String),
}

/// One association of a route table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Association {
    /// The subnet or gateway.
    pub with: AssociatedWith,
    /// The state.
    pub state: AssociationState,
}

/// A route table, as EC2 returns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RouteTable {
    /// `rtb-…`
    pub id: RouteTableId,
    /// The VPC it belongs to.
    pub vpc: VpcId,
    /// Its associations.
    pub associations: Vec<Association>,
    /// The account that owns its VPC; `None` if the answer does not have it.
    #[serde(default)]
    pub owner: Option<AccountId>,
    /// Its rows, in the API's order.
    pub routes: Shared<Vec<Route>>,
    /// The internet gateways of its rows at which an Automated Internet Firewall inspects traffic (`IgwFirewall`): it may let out
    /// a network interface without a public address.
    #[serde(default)]
    pub firewalled: Vec<InternetGatewayId>,
}

impl RouteTable {
    /// Whether it has a local route, as every table has for each range of its VPC: it cannot be deleted. Its target can be replaced by
    /// an appliance's; where it came from stays. Without one, the routes are a selection.
    /// <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html>
    pub fn has_local_route(&self) -> bool {
        self.routes.iter().any(Route::is_local)
    }
}

impl Route {
    /// Whether it is the local route of a range of the VPC, or what became of it where its target was replaced.
    pub fn is_local(&self) -> bool {
        self.target == Target::Local || self.origin == Origin::CreateRouteTable
    }

    /// Its range, where that is one of IPv6.
    pub fn ipv6(&self) -> Option<IpNet> {
        match self.destination {
            Destination::Cidr(range @ IpNet::V6(_)) => Some(range),
            Destination::Cidr(IpNet::V4(_)) | Destination::PrefixList(_) => None,
        }
    }
}

/// A named set of ranges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PrefixList {
    /// `pl-…`
    pub id: PrefixListId,
    /// `com.amazonaws.us-east-1.dynamodb`; `None` where only the entries could be read.
    pub name: Option<String>,
    /// Its ranges.
    #[schemars(with = "Vec<String>")]
    pub entries: Shared<Vec<IpNet>>,
}

impl PrefixList {
    /// Whether two answers about one list say the same: EC2 promises no order, and one API gives no name.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let entries = |list: &Self| list.entries.iter().map(IpNet::trunc).collect::<BTreeSet<_>>();
        let names = self.name.as_ref().zip(other.name.as_ref());
        self.id == other.id && names.is_none_or(|(one, other)| one == other) && entries(self) == entries(other)
    }
}

/// The type of a VPC endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndpointType {
    /// A prefix-list route to `vpce-…`.
    Gateway,
    /// Network interfaces with private addresses.
    Interface,
    /// An appliance or firewall that inspects traffic.
    GatewayLoadBalancer,
    /// Network interfaces for a resource of VPC Lattice.
    Resource,
    /// Network interfaces for a service network of VPC Lattice.
    ServiceNetwork,
    /// The end of a tunnel that starts at a host: no route leads to it.
    Tunnel,
    /// The API names no type.
    Absent,
    /// Any other value, as the API returned it.
    #[serde(untagged)]
    Other(String),
}

impl VpcEndpoint {
    /// A route table that it names and that `is_listed` does not have: what is listed is not all of the VPC's. One that was deleted may
    /// name what was deleted, too.
    pub fn unlisted_table(&self, is_listed: impl Fn(&RouteTableId) -> bool) -> Option<&RouteTableId> {
        if self.state == EndpointState::Deleted {
            return None;
        }
        self.route_tables.iter().find(|table| !is_listed(table))
    }

    /// Whether it is an interface endpoint, or may be one: its type is not known, and it is not in route tables alone.
    pub fn may_have_addresses(&self) -> bool {
        match &self.kind {
            EndpointType::Interface => true,
            EndpointType::Absent | EndpointType::Other(_) => {
                self.route_tables.is_empty() || !self.interfaces.is_empty()
            }
            EndpointType::Gateway
            | EndpointType::GatewayLoadBalancer
            | EndpointType::Resource
            | EndpointType::ServiceNetwork
            | EndpointType::Tunnel => false,
        }
    }
}

/// The state of a VPC endpoint, whatever its case on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndpointState {
    /// Traffic can use it.
    Available,
    /// It is being created.
    Pending,
    /// It waits for acceptance by the owner of the service.
    PendingAcceptance,
    /// It is being deleted.
    Deleting,
    /// It was deleted.
    Deleted,
    /// The owner of the service rejected it.
    Rejected,
    /// Its creation failed.
    Failed,
    /// It was not accepted in time.
    Expired,
    /// Only part of it is available.
    Partial,
    /// The API names no state.
    Absent,
    /// Any other value, as the API returned it.
    #[serde(untagged)]
    Other(String),
}

impl EndpointState {
    /// Reads the API's word in any case: the wire says `available` where the API's model says `Available`.
    pub fn parse(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "available" => Self::Available,
            "pending" => Self::Pending,
            "pendingacceptance" => Self::PendingAcceptance,
            "deleting" => Self::Deleting,
            "deleted" => Self::Deleted,
            "rejected" => Self::Rejected,
            "failed" => Self::Failed,
            "expired" => Self::Expired,
            "partial" => Self::Partial,
            _ => Self::Other(word.to_owned()),
        }
    }
}

impl fmt::Display for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Available => "available",
            Self::Pending => "pending",
            Self::PendingAcceptance => "pending acceptance",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Partial => "partial",
            Self::Absent => "without a state",
            Self::Other(word) => word,
        })
    }
}

/// A VPC endpoint, as EC2 returns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VpcEndpoint {
    /// `vpce-…`
    pub id: VpcEndpointId,
    /// Its type, which alone distinguishes a gateway endpoint from a firewall's.
    #[serde(rename = "type")]
    pub kind: EndpointType,
    /// The VPC it belongs to.
    pub vpc: VpcId,
    /// The account that owns it; `None` if the answer does not have it.
    #[serde(default)]
    pub owner: Option<AccountId>,
    /// `com.amazonaws.us-east-1.dynamodb`; `None` where the answer has none, as for a VPC Lattice endpoint.
    #[serde(default, deserialize_with = "absent_as_none")]
    pub service: Option<String>,
    /// `ServiceRegion`: the Region of the service, where the answer has it. Endpoints of some services may be of another Region.
    #[serde(default)]
    pub service_region: Option<String>,
    /// The state.
    pub state: EndpointState,
    /// The tables it is associated with, for a gateway endpoint.
    pub route_tables: Vec<RouteTableId>,
    /// Its network interfaces, for an interface endpoint.
    pub interfaces: Vec<InterfaceId>,
    /// The address families that it serves; `None` if the answer does not have them, as older answers.
    #[serde(default)]
    pub address_type: Option<AddressType>,
    /// Its last failure according to EC2, `LastError` or `FailureReason`.
    #[serde(default)]
    pub failure: Option<String>,
    /// `PolicyDocument`, of DynamoDB's endpoints; `None` if the answer does not have it.
    #[serde(default)]
    pub policy: Option<String>,
}

/// `IpAddressType`: the address families that a VPC endpoint serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AddressType {
    /// IPv4 only.
    Ipv4,
    /// Both.
    Dualstack,
    /// IPv6 only.
    Ipv6,
    /// Any other value, as the API returned it.
    #[serde(untagged)]
    Other(String),
}

impl AddressType {
    /// Reads the API's word in any case.
    pub fn parse(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "ipv4" => Self::Ipv4,
            "dualstack" => Self::Dualstack,
            "ipv6" => Self::Ipv6,
            _ => Self::Other(word.to_owned()),
        }
    }
}

/// A network interface of an interface endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointInterface {
    /// `eni-…`
    pub id: InterfaceId,
    /// Its private addresses.
    pub addresses: Vec<IpAddr>,
}

/// Whether a VPC endpoint service name is DynamoDB's in `region`: `com.amazonaws.us-east-1.dynamodb`.
///
/// What comes first differs by partition (`com.amazonaws`, `cn.com.amazonaws`), so only its end is compared: a prefix
/// list of a customer's may be named anything that does not begin with `com.amazonaws`.
/// `…dynamodb-streams` and `…dynamodb-fips` are other services: the gateway endpoint serves neither, see
/// [`is_dynamodb_endpoint_service`].
pub fn is_dynamodb_service(name: &str, region: &str) -> bool {
    partition_of_dynamodbs(name, region).is_some_and(is_known_partition)
}

/// Whether a service is called as DynamoDB's endpoint services in `region` are, after a partition of AWS whose name for services is not
/// known here.
pub fn is_dynamodbs_of_an_unknown_partition(name: &str, region: &str) -> bool {
    let partition = partition_of_dynamodbs(name.strip_suffix("-fips").unwrap_or(name), region);
    partition.is_some_and(|partition| {
        !is_known_partition(partition) && partition.split('.').any(|label| label.starts_with("amazonaws"))
    })
}

/// What stands before Region and service: `com.amazonaws.`
fn partition_of_dynamodbs<'n>(name: &'n str, region: &str) -> Option<&'n str> {
    name.strip_suffix(".dynamodb")?.strip_suffix(region)
}

fn is_known_partition(partition: &str) -> bool {
    partition == "com.amazonaws." || partition.ends_with(".com.amazonaws.")
}

/// Schema 1 says `absent`.
fn absent_as_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::deserialize(from)?.filter(|service: &String| service != "absent"))
}

/// Whether a VPC endpoint may carry DynamoDB in `region`: its service is DynamoDB's, or not known.
pub fn may_be_dynamodbs(service: Option<&str>, region: &str) -> bool {
    service.is_none_or(|service| is_dynamodb_endpoint_service(service, region))
}

/// Whether a VPC endpoint of this service carries DynamoDB in `region`. Interface endpoints have a service for FIPS too.
/// <https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html>
pub fn is_dynamodb_endpoint_service(name: &str, region: &str) -> bool {
    is_dynamodb_service(name.strip_suffix("-fips").unwrap_or(name), region)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The API's model says `Available`, its answers say `available`: compared as they stand, no endpoint ever works.
    #[test]
    fn an_endpoints_state_is_read_in_any_case() {
        assert_eq!(EndpointState::parse("available"), EndpointState::Available);
        assert_eq!(EndpointState::parse("Available"), EndpointState::Available);
        assert_eq!(EndpointState::parse("pendingAcceptance"), EndpointState::PendingAcceptance);
        assert_eq!(EndpointState::parse("hibernating"), EndpointState::Other("hibernating".into()));
    }

    #[test]
    fn dynamodbs_service_is_known_in_its_region_alone() {
        let is = |name| is_dynamodb_service(name, "us-east-1");
        assert!(is("com.amazonaws.us-east-1.dynamodb"));
        assert!(is_dynamodb_service("cn.com.amazonaws.cn-north-1.dynamodb", "cn-north-1"));
        for other in [
            "com.amazonaws.us-west-2.dynamodb",
            "com.amazonaws.us-east-1.dynamodb-streams",
            "com.amazonaws.us-east-1.s3",
            "acme.us-east-1.dynamodb",
            "us-east-1.dynamodb",
        ] {
            assert!(!is(other), "{other}");
        }
    }
}
