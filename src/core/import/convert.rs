//! From EC2's many optional fields to our few enums: the rules alone, for the live API and for files alike.
//!
//! Field by field these are the API's shapes, borrowed; the SDK's types and the CLI's JSON both lend themselves.

use crate::model::{
    AddressType, AssociatedWith, Association, AssociationState, Destination, EndpointState, EndpointType, Origin,
    Route, RouteState, Target, VpcEndpoint, is_dynamodb_service,
};
use ipnet::IpNet;

/// Why an answer of the EC2 API cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// A field without which the thing has no meaning is absent.
    #[error("{field} is missing")]
    Missing {
        /// The API's field.
        field: &'static str,
    },
    /// A field that holds no range of addresses.
    #[error("{field} is {value:?}, expected a range such as {example}")]
    NotACidr {
        /// The API's field.
        field: &'static str,
        /// What it holds.
        value: String,
        /// The format it should have.
        example: &'static str,
    },
    /// A range with bits set that its prefix leaves out.
    #[error("{field} is {value:?}, which has bits set beyond its prefix; EC2 writes {network}")]
    HostBits {
        /// The API's field.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What EC2 makes of it.
        network: IpNet,
    },
    /// Fields of one thing of which it has one at most.
    #[error("both {one} and {other} are set; EC2 sets one of them")]
    Both {
        /// One field.
        one: &'static str,
        /// The other field.
        other: &'static str,
    },
    /// An association of which it is not known what the table serves by it.
    #[error("the association names no subnet, gateway or public IPv4 pool by its id, and is not the main one")]
    NamesNothing,
    /// An association that is another table's.
    #[error("an association of {other} stands in {table}")]
    AnotherTables {
        /// The table it stands in.
        table: String,
        /// The table it names.
        other: String,
    },
    /// Two fields of one thing that contradict each other.
    #[error("{one} is {value}, but {other} is {against}")]
    Contradiction {
        /// One field.
        one: &'static str,
        /// What it holds.
        value: String,
        /// The other field.
        other: &'static str,
        /// What that holds.
        against: String,
    },
    /// A route without a destination, or with several.
    #[error(
        "expected one of DestinationCidrBlock, DestinationIpv6CidrBlock and DestinationPrefixListId, found {found} of them"
    )]
    Destinations {
        /// How many there are.
        found: usize,
    },
}

/// A field that must be there.
///
/// # Errors
/// [`ConvertError::Missing`] if it is not.
pub fn required<'a>(field: &'static str, value: Option<&'a str>) -> Result<&'a str, ConvertError> {
    value.ok_or(ConvertError::Missing { field })
}

/// Compares what two fields say of one thing, where both do.
///
/// # Errors
/// [`ConvertError::Contradiction`] if they differ.
pub fn same(one: (&'static str, Option<&str>), other: (&'static str, Option<&str>)) -> Result<(), ConvertError> {
    match (one.1.filter(|value| !value.is_empty()), other.1.filter(|value| !value.is_empty())) {
        (Some(value), Some(against)) if value != against => Err(ConvertError::Contradiction {
            one: one.0,
            value: value.to_owned(),
            other: other.0,
            against: against.to_owned(),
        }),
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

/// A range of addresses, of the family that the field is for. EC2 stores `10.0.0.1/16` as `10.0.0.0/16`: the first was never
/// its answer, and which of address and length is wrong is not known.
///
/// # Errors
/// [`ConvertError::NotACidr`] if the field holds something else, [`ConvertError::HostBits`] if it is no network.
pub fn cidr(field: &'static str, value: &str) -> Result<IpNet, ConvertError> {
    let (of_family, example): (fn(&IpNet) -> bool, _) = match field {
        "DestinationIpv6CidrBlock" | "Ipv6CidrBlock" => (|net| matches!(net, IpNet::V6(_)), "2001:db8::/56"),
        "DestinationCidrBlock" | "CidrBlock" => (|net| matches!(net, IpNet::V4(_)), "10.0.0.0/16"),
        _ => (|_| true, "10.0.0.0/16"),
    };
    let net = value.parse::<IpNet>().ok().filter(of_family);
    let net = net.ok_or_else(|| ConvertError::NotACidr { field, value: value.to_owned(), example })?;
    match net.trunc() {
        network if network == net => Ok(net),
        network => Err(ConvertError::HostBits { field, value: value.to_owned(), network }),
    }
}

/// Whether a range of a VPC or a subnet in this state is in effect. In a state that AWS does not document, it may be.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpcCidrBlockState.html>
pub fn in_effect(state: Option<&str>) -> bool {
    const CHANGING: [&str; 2] = ["associating", "disassociating"];
    may_be_in_effect(state) && state.is_none_or(|word| !is_one_of(word, &CHANGING))
}

/// Whether a range is in effect, or changing.
pub(super) fn may_be_in_effect(state: Option<&str>) -> bool {
    state.is_none_or(|word| !is_one_of(word, &["disassociated", "failing", "failed"]))
}

fn is_one_of(word: &str, known: &[&str]) -> bool {
    known.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Whether a prefix list is DynamoDB's in `region`: its one list today, and an IPv6 one should AWS add it.
///
/// Other services' IPv6 lists are named `com.amazonaws.<region>.ipv6.<service>`.
pub fn is_dynamodb_prefix_list(name: &str, region: &str) -> bool {
    is_dynamodb_service(name, region)
        || is_dynamodb_service(name, &format!("{region}.ipv6"))
        || may_name_the_ipv6_list(name, region)
}

/// Whether it is a name that AWS may have given to DynamoDB's IPv6 list: the name of the list is not published.
fn may_name_the_ipv6_list(name: &str, region: &str) -> bool {
    let labels: Vec<&str> = name.split('.').collect();
    let is_service = |label: &&str| {
        let of_service = label.strip_suffix("v6").or_else(|| label.strip_prefix("ipv6-")).unwrap_or(label);
        of_service.trim_end_matches("ip").trim_end_matches('-') == "dynamodb"
    };
    let is_of_aws = labels.contains(&"com") && labels.contains(&"amazonaws");
    is_of_aws && labels.contains(&region) && labels.iter().any(is_service)
}

/// Whether prefix lists of these names can be all of DynamoDB's in `region`: every Region has the one that is named as the service, with
/// the IPv4 ranges. Beside it there may be one of IPv6.
pub fn are_all_dynamodb_lists<'n>(names: impl IntoIterator<Item = &'n str>, region: &str) -> bool {
    names.into_iter().any(|name| is_dynamodb_service(name, region))
}

/// A route as `DescribeRouteTables` has it.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "the fields are the API's own")]
pub struct RawRoute<'a> {
    pub destination_cidr_block: Option<&'a str>,
    pub destination_ipv6_cidr_block: Option<&'a str>,
    pub destination_prefix_list_id: Option<&'a str>,
    /// Of no route in the API's model. A file may have it.
    pub vpc_endpoint_id: Option<&'a str>,
    pub gateway_id: Option<&'a str>,
    pub nat_gateway_id: Option<&'a str>,
    pub egress_only_internet_gateway_id: Option<&'a str>,
    pub transit_gateway_id: Option<&'a str>,
    pub instance_id: Option<&'a str>,
    pub network_interface_id: Option<&'a str>,
    pub vpc_peering_connection_id: Option<&'a str>,
    pub local_gateway_id: Option<&'a str>,
    pub carrier_gateway_id: Option<&'a str>,
    pub core_network_arn: Option<&'a str>,
    pub odb_network_arn: Option<&'a str>,
    pub ip_address: Option<&'a str>,
    /// A field that is not known and may be a target, with its name.
    pub another: Option<(&'a str, &'a str)>,
    pub origin: Option<&'a str>,
    pub state: Option<&'a str>,
}

impl RawRoute<'_> {
    /// The route in our types.
    ///
    /// # Errors
    /// If it has no destination, several, or one that is no range of addresses.
    pub fn convert(&self) -> Result<Route, ConvertError> {
        Ok(Route {
            destination: self.destination()?,
            target: self.target(),
            origin: origin(self.origin),
            state: route_state(self.state),
            family: None,
        })
    }

    fn destination(&self) -> Result<Destination, ConvertError> {
        match (self.destination_cidr_block, self.destination_ipv6_cidr_block, self.destination_prefix_list_id) {
            (Some(v4), None, None) => cidr("DestinationCidrBlock", v4).map(Destination::Cidr),
            (None, Some(v6), None) => cidr("DestinationIpv6CidrBlock", v6).map(Destination::Cidr),
            (None, None, Some(list)) => Ok(Destination::PrefixList(list.into())),
            (v4, v6, list) => {
                let found = [v4, v6, list].iter().flatten().count();
                Err(ConvertError::Destinations { found })
            }
        }
    }

    /// The field that is set. Only an instance comes with a second one, its network interface, and a route of
    /// VPC Route Server may name the interface beside its `IpAddress`. Any other two leave open where the route leads.
    fn target(&self) -> Target {
        type Field<'a> = (Option<&'a str>, fn(String) -> Target);
        let fields: [Field<'_>; 13] = [
            (self.vpc_endpoint_id, |value| other("VpcEndpointId", value)),
            (self.gateway_id, gateway),
            (self.nat_gateway_id, |id| Target::NatGateway(id.into())),
            (self.egress_only_internet_gateway_id, |id| Target::EgressOnlyInternetGateway(id.into())),
            (self.transit_gateway_id, |id| Target::TransitGateway(id.into())),
            (self.vpc_peering_connection_id, |id| Target::PeeringConnection(id.into())),
            (self.local_gateway_id, |id| Target::LocalGateway(id.into())),
            (self.carrier_gateway_id, |id| Target::CarrierGateway(id.into())),
            (self.core_network_arn, |arn| Target::CoreNetwork(arn.into())),
            (self.odb_network_arn, |value| other("OdbNetworkArn", value)),
            (self.instance_id, |id| Target::Instance(id.into())),
            (self.network_interface_id, |id| Target::NetworkInterface(id.into())),
            (self.ip_address, |value| other("IpAddress", value)),
        ];
        let another = self.another.map(|(field, value)| other(field, value.to_owned()));
        let given = |(id, target): &Field<'_>| {
            let id = id.filter(|id| !id.is_empty())?;
            Some(of_its_kind(target(id.to_owned())))
        };
        let mut targets = fields.iter().filter_map(given).chain(another);
        let Some(first) = targets.next() else { return other("none", "none".to_owned()) };
        match targets.next() {
            Some(second) if !one_device(&first, &second) => {
                other("the target", format!("{} and {}", first.id(), second.id()))
            }
            Some(_) | None => first,
        }
    }
}

/// A target whose id is not one of another kind than its field's.
fn of_its_kind(target: Target) -> Target {
    let (field, kind) = match &target {
        Target::NatGateway(_) => ("NatGatewayId", "nat"),
        Target::EgressOnlyInternetGateway(_) => ("EgressOnlyInternetGatewayId", "eigw"),
        Target::TransitGateway(_) => ("TransitGatewayId", "tgw"),
        Target::PeeringConnection(_) => ("VpcPeeringConnectionId", "pcx"),
        Target::LocalGateway(_) => ("LocalGatewayId", "lgw"),
        Target::CarrierGateway(_) => ("CarrierGatewayId", "cagw"),
        Target::CoreNetwork(_) => ("CoreNetworkArn", "arn"),
        Target::Instance(_) => ("InstanceId", "i"),
        Target::NetworkInterface(_) => ("NetworkInterfaceId", "eni"),
        // The rest is by its prefix already, or of no kind.
        Target::Local
        | Target::VpcEndpoint(_)
        | Target::InternetGateway(_)
        | Target::VirtualPrivateGateway(_)
        | Target::Other { .. } => return target,
    };
    let another = |prefix| prefix != kind && KINDS.contains(&prefix);
    match prefix_of(target.id()) {
        prefix if another(prefix) => other(field, target.id().to_owned()),
        _ => target,
    }
}

/// What ids of targets begin with.
const KINDS: [&str; 13] =
    ["local", "vpce", "igw", "vgw", "lgw", "cagw", "nat", "tgw", "eigw", "pcx", "eni", "i", "arn"];

fn prefix_of(id: &str) -> &str {
    id.split(['-', ':']).next().unwrap_or(id)
}

/// Whether two fields of a route are of one thing.
fn one_device(first: &Target, second: &Target) -> bool {
    match (first, second) {
        (Target::Instance(_), Target::NetworkInterface(_)) => true,
        (Target::NetworkInterface(_), Target::Other { field, .. }) => field == "IpAddress",
        (first, second) => first.id() == second.id(),
    }
}

fn other(field: &str, value: String) -> Target {
    Target::Other { field: field.to_owned(), value }
}

/// `GatewayId` holds many kinds of target, endpoints of every type among them; only the id's prefix says which.
fn gateway(id: String) -> Target {
    match prefix_of(&id) {
        "local" => Target::Local,
        "vpce" => Target::VpcEndpoint(id.into()),
        "igw" => Target::InternetGateway(id.into()),
        "vgw" => Target::VirtualPrivateGateway(id.into()),
        "lgw" => Target::LocalGateway(id.into()),
        "cagw" => Target::CarrierGateway(id.into()),
        "nat" => Target::NatGateway(id.into()),
        "tgw" => Target::TransitGateway(id.into()),
        "eigw" => Target::EgressOnlyInternetGateway(id.into()),
        "pcx" => Target::PeeringConnection(id.into()),
        "eni" => Target::NetworkInterface(id.into()),
        "i" => Target::Instance(id.into()),
        _ => other("GatewayId", id),
    }
}

/// Reads `Origin`.
pub fn origin(word: Option<&str>) -> Origin {
    match word {
        Some("CreateRouteTable") => Origin::CreateRouteTable,
        Some("CreateRoute") => Origin::CreateRoute,
        Some("EnableVgwRoutePropagation") => Origin::EnableVgwRoutePropagation,
        Some("Advertisement") => Origin::Advertisement,
        Some(word) => Origin::Other(word.to_owned()),
        None => Origin::Absent,
    }
}

/// Reads a route's `State` in any case.
pub fn route_state(word: Option<&str>) -> RouteState {
    match word.map(str::to_ascii_lowercase).as_deref() {
        Some("active") => RouteState::Active,
        Some("blackhole") => RouteState::Blackhole,
        Some("filtered") => RouteState::Filtered,
        Some(word) => RouteState::Other(word.to_owned()),
        None => RouteState::Absent,
    }
}

/// An association of a route table as `DescribeRouteTables` has it.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "the fields are the API's own")]
pub struct RawAssociation<'a> {
    pub main: bool,
    pub route_table_id: Option<&'a str>,
    pub subnet_id: Option<&'a str>,
    pub gateway_id: Option<&'a str>,
    pub public_ipv4_pool: Option<&'a str>,
    /// `AssociationState.State`
    pub state: Option<&'a str>,
}

impl RawAssociation<'_> {
    /// The association of `table` in our types.
    ///
    /// # Errors
    /// [`ConvertError::Both`] if it names several things that the table would serve, [`ConvertError::NamesNothing`] if it names none or
    /// by a text that is no id of such a thing (`null` would leave a subnet to the main table), [`ConvertError::AnotherTables`] if it is
    /// another table's.
    pub fn convert(&self, table: &str) -> Result<Association, ConvertError> {
        if let Some(other) = self.route_table_id.filter(|other| *other != table) {
            return Err(ConvertError::AnotherTables { table: table.to_owned(), other: other.to_owned() });
        }
        let id_of = |kinds: &[&str], id: &str| is_id_of(id, kinds).then(|| id.to_owned());
        let given = [
            ("GatewayId", self.gateway_id.map(|id| id_of(&["igw-", "vgw-"], id).map(AssociatedWith::Gateway))),
            ("SubnetId", self.subnet_id.map(|id| id_of(&["subnet-"], id).map(|id| AssociatedWith::Subnet(id.into())))),
            (
                "PublicIpv4Pool",
                self.public_ipv4_pool.map(|id| id_of(&["ipv4pool-"], id).map(AssociatedWith::PublicIpv4Pool)),
            ),
            ("Main", self.main.then_some(Some(AssociatedWith::Main))),
        ];
        let mut given = given.into_iter().filter_map(|(field, with)| Some((field, with?)));
        let (one, with) = given.next().ok_or(ConvertError::NamesNothing)?;
        if let Some((other, _)) = given.next() {
            return Err(ConvertError::Both { one, other });
        }
        Ok(Association { with: with.ok_or(ConvertError::NamesNothing)?, state: association_state(self.state) })
    }
}

fn is_id_of(text: &str, kinds: &[&str]) -> bool {
    let rest = kinds.iter().find_map(|kind| text.strip_prefix(kind));
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
}

fn association_state(word: Option<&str>) -> AssociationState {
    match word.map(str::to_ascii_lowercase).as_deref() {
        // Older answers, and the CLI's own examples, leave it out.
        None => AssociationState::Absent,
        Some("associated") => AssociationState::Associated,
        Some("associating" | "disassociating") => AssociationState::Changing,
        Some("disassociated") => AssociationState::Gone,
        Some("failed") => AssociationState::Failed,
        // Words of snapshots, which EC2 does not write.
        Some(word @ ("absent" | "changing" | "gone")) => AssociationState::Other(format!("{word:?}")),
        Some(word) => AssociationState::Other(word.to_owned()),
    }
}

/// A VPC endpoint as `DescribeVpcEndpoints` has it.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the fields are the API's own")]
pub struct RawEndpoint<'a> {
    pub vpc_endpoint_id: Option<&'a str>,
    pub vpc_endpoint_type: Option<&'a str>,
    pub vpc_id: Option<&'a str>,
    pub owner_id: Option<&'a str>,
    pub service_name: Option<&'a str>,
    pub service_region: Option<&'a str>,
    pub state: Option<&'a str>,
    pub route_table_ids: Vec<&'a str>,
    pub network_interface_ids: Vec<&'a str>,
    pub ip_address_type: Option<&'a str>,
    pub failure_reason: Option<&'a str>,
    /// `LastError.Message`, else its `Code`.
    pub last_error: Option<&'a str>,
    pub policy_document: Option<&'a str>,
}

/// The longest policy that is kept: AWS allows 20,480 characters.
/// <https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-limits-endpoints.html>
const LONGEST_POLICY: usize = 4 * 20_480;

impl RawEndpoint<'_> {
    /// The endpoint in our types.
    ///
    /// # Errors
    /// If its id or its VPC is missing. A VPC Lattice endpoint has no service name: that is no error.
    pub fn convert(&self) -> Result<VpcEndpoint, ConvertError> {
        Ok(VpcEndpoint {
            id: required("VpcEndpointId", self.vpc_endpoint_id)?.into(),
            kind: endpoint_type(self.vpc_endpoint_type),
            vpc: required("VpcId", self.vpc_id)?.into(),
            owner: self.owner_id.map(Into::into),
            service: self.service_name.map(str::to_owned),
            service_region: self.service_region.map(str::to_owned),
            state: self.state.map_or(EndpointState::Absent, EndpointState::parse),
            route_tables: self.route_table_ids.iter().copied().map(Into::into).collect(),
            interfaces: self.network_interface_ids.iter().copied().map(Into::into).collect(),
            address_type: self.ip_address_type.map(AddressType::parse),
            failure: self.failure_reason.or(self.last_error).map(str::to_owned),
            policy: self.policy().map(str::to_owned),
        })
    }

    /// The policy of an endpoint of DynamoDB's: others are not judged, and a VPC may have a hundred.
    fn policy(&self) -> Option<&str> {
        let is_dynamodbs = self.service_name.is_none_or(|name| name.contains(".dynamodb"));
        self.policy_document.filter(|policy| is_dynamodbs && policy.len() <= LONGEST_POLICY)
    }
}

/// Reads `VpcEndpointType`; new types keep coming and are kept as they are.
fn endpoint_type(word: Option<&str>) -> EndpointType {
    let Some(word) = word else { return EndpointType::Absent };
    match word.to_ascii_lowercase().as_str() {
        "gateway" => EndpointType::Gateway,
        "interface" => EndpointType::Interface,
        "gatewayloadbalancer" => EndpointType::GatewayLoadBalancer,
        "resource" => EndpointType::Resource,
        "servicenetwork" => EndpointType::ServiceNetwork,
        "tunnel" => EndpointType::Tunnel,
        _ => EndpointType::Other(word.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn target_of(set: impl FnOnce(&mut RawRoute<'static>)) -> Target {
        let mut raw = RawRoute { destination_cidr_block: Some("0.0.0.0/0"), ..RawRoute::default() };
        set(&mut raw);
        raw.convert().unwrap().target
    }

    #[test]
    fn gateway_id_is_distinguished_by_its_prefix() {
        let kind = |id| target_of(|r| r.gateway_id = Some(id));
        assert_eq!(kind("local"), Target::Local);
        assert_eq!(kind("vpce-1"), Target::VpcEndpoint("vpce-1".into()));
        assert_eq!(kind("igw-1"), Target::InternetGateway("igw-1".into()));
        assert_eq!(kind("vgw-1"), Target::VirtualPrivateGateway("vgw-1".into()));
        assert_eq!(kind("lgw-1"), Target::LocalGateway("lgw-1".into()));
        assert_eq!(kind("cagw-1"), Target::CarrierGateway("cagw-1".into()));
        assert_eq!(kind("new-1"), other("GatewayId", "new-1".into()));
    }

    #[test]
    fn every_other_target_field_is_its_own_kind() {
        assert_eq!(target_of(|r| r.nat_gateway_id = Some("nat-1")), Target::NatGateway("nat-1".into()));
        assert_eq!(
            target_of(|r| r.egress_only_internet_gateway_id = Some("eigw-1")),
            Target::EgressOnlyInternetGateway("eigw-1".into())
        );
        assert_eq!(target_of(|r| r.transit_gateway_id = Some("tgw-1")), Target::TransitGateway("tgw-1".into()));
        assert_eq!(
            target_of(|r| r.vpc_peering_connection_id = Some("pcx-1")),
            Target::PeeringConnection("pcx-1".into())
        );
        assert_eq!(target_of(|r| r.local_gateway_id = Some("lgw-1")), Target::LocalGateway("lgw-1".into()));
        assert_eq!(target_of(|r| r.carrier_gateway_id = Some("cagw-1")), Target::CarrierGateway("cagw-1".into()));
        assert_eq!(target_of(|r| r.core_network_arn = Some("arn:c")), Target::CoreNetwork("arn:c".into()));
        assert_eq!(target_of(|r| r.odb_network_arn = Some("arn:o")), other("OdbNetworkArn", "arn:o".into()));
        assert_eq!(target_of(|r| r.ip_address = Some("10.0.0.9")), other("IpAddress", "10.0.0.9".into()));
        assert_eq!(target_of(|_| ()), other("none", "none".into()));
    }

    #[test]
    fn an_id_of_another_kind_than_its_field_is_no_target() {
        type Set = fn(&mut RawRoute<'static>, &'static str);
        let fields: [(&str, Set); 9] = [
            ("NatGatewayId", |r, id| r.nat_gateway_id = Some(id)),
            ("EgressOnlyInternetGatewayId", |r, id| r.egress_only_internet_gateway_id = Some(id)),
            ("TransitGatewayId", |r, id| r.transit_gateway_id = Some(id)),
            ("VpcPeeringConnectionId", |r, id| r.vpc_peering_connection_id = Some(id)),
            ("LocalGatewayId", |r, id| r.local_gateway_id = Some(id)),
            ("CarrierGatewayId", |r, id| r.carrier_gateway_id = Some(id)),
            ("CoreNetworkArn", |r, id| r.core_network_arn = Some(id)),
            ("InstanceId", |r, id| r.instance_id = Some(id)),
            ("NetworkInterfaceId", |r, id| r.network_interface_id = Some(id)),
        ];
        for (field, set) in fields {
            for id in ["vpce-1", "igw-1", "local", "vgw-1"] {
                assert_eq!(target_of(|r| set(r, id)), other(field, id.into()));
            }
        }
    }

    #[test]
    fn an_interface_with_an_instance_is_the_instance() {
        let nat_instance = target_of(|r| {
            r.network_interface_id = Some("eni-1");
            r.instance_id = Some("i-1");
        });
        assert_eq!(nat_instance, Target::Instance("i-1".into()));
        assert_eq!(target_of(|r| r.network_interface_id = Some("eni-1")), Target::NetworkInterface("eni-1".into()));
        for (field, expected) in [
            ("IpAddress", Target::NetworkInterface("eni-1".into())),
            ("NewGatewayId", other("the target", "eni-1 and new-1".to_owned())),
        ] {
            let two = target_of(|r| {
                r.network_interface_id = Some("eni-1");
                r.another = Some((field, "new-1"));
            });
            assert_eq!(two, expected);
        }
    }

    #[test]
    fn a_route_has_exactly_one_destination() {
        let none = RawRoute::default().convert();
        assert_eq!(none, Err(ConvertError::Destinations { found: 0 }));
        let two = RawRoute {
            destination_cidr_block: Some("0.0.0.0/0"),
            destination_prefix_list_id: Some("pl-1"),
            ..RawRoute::default()
        };
        assert_eq!(two.convert(), Err(ConvertError::Destinations { found: 2 }));
    }

    #[test]
    fn words_we_do_not_know_are_kept_and_missing_ones_said() {
        assert_eq!(route_state(Some("filtered")), RouteState::Filtered);
        assert_eq!(route_state(Some("asleep")), RouteState::Other("asleep".into()));
        assert_eq!(route_state(None), RouteState::Absent);
        assert_eq!(origin(Some("Advertisement")), Origin::Advertisement);
        assert_eq!(origin(None), Origin::Absent);
        assert_eq!(origin(Some("Teleportation")), Origin::Other("Teleportation".into()));
        assert_eq!(endpoint_type(None), EndpointType::Absent);
        assert_eq!(endpoint_type(Some("Tunnel")), EndpointType::Tunnel);
        assert_eq!(endpoint_type(Some("Wormhole")), EndpointType::Other("Wormhole".into()));
    }

    #[test]
    fn an_association_names_one_thing_that_its_table_serves() {
        let with = |raw: RawAssociation<'_>| Ok(raw.convert("rtb-1")?.with);
        let none = RawAssociation { route_table_id: Some("rtb-1"), ..RawAssociation::default() };
        let main = RawAssociation { main: true, ..none };
        let edge = RawAssociation { gateway_id: Some("igw-1"), ..none };
        let subnet = RawAssociation { subnet_id: Some("subnet-1"), ..none };
        let pool = RawAssociation { public_ipv4_pool: Some("ipv4pool-ec2-1"), ..none };
        assert_eq!(with(main), Ok(AssociatedWith::Main));
        assert_eq!(with(edge), Ok(AssociatedWith::Gateway("igw-1".into())));
        assert_eq!(with(subnet), Ok(AssociatedWith::Subnet("subnet-1".into())));
        assert_eq!(with(pool), Ok(AssociatedWith::PublicIpv4Pool("ipv4pool-ec2-1".into())));
        let subnet_text = |text| RawAssociation { subnet_id: Some(text), ..none };
        for raw in [none, subnet_text("null"), subnet_text("subnet-"), subnet_text("igw-1"), subnet_text("subnet-1,")] {
            assert_eq!(with(raw), Err(ConvertError::NamesNothing), "{raw:?}");
        }
        for (raw, one, other) in [
            (RawAssociation { main: true, ..edge }, "GatewayId", "Main"),
            (RawAssociation { main: true, ..subnet }, "SubnetId", "Main"),
            (RawAssociation { main: true, ..pool }, "PublicIpv4Pool", "Main"),
            (RawAssociation { subnet_id: Some("subnet-1"), ..edge }, "GatewayId", "SubnetId"),
            (RawAssociation { subnet_id: Some("null"), ..edge }, "GatewayId", "SubnetId"),
        ] {
            assert_eq!(with(raw), Err(ConvertError::Both { one, other }));
        }
        let others = subnet.convert("rtb-2");
        assert_eq!(others, Err(ConvertError::AnotherTables { table: "rtb-2".into(), other: "rtb-1".into() }));
    }

    #[test]
    fn a_range_is_a_network_of_its_fields_family() {
        let network = |field, text| cidr(field, text).map_err(|error| matches!(error, ConvertError::HostBits { .. }));
        for (field, text) in [
            ("DestinationCidrBlock", "10.0.0.0/16"),
            ("DestinationCidrBlock", "0.0.0.0/0"),
            ("CidrBlock", "10.0.0.1/32"),
            ("DestinationIpv6CidrBlock", "::/0"),
            ("Ipv6CidrBlock", "2001:db8::/56"),
            ("Cidrs", "10.0.0.0/16"),
            ("Cidrs", "2001:db8::/56"),
            ("Cidr", "2001:db8::/56"),
        ] {
            assert_eq!(network(field, text), Ok(text.parse().unwrap()), "{field} {text}");
        }
        for (field, text, host_bits) in [
            ("DestinationCidrBlock", "10.0.0.1/16", true),
            ("Cidrs", "52.94.1.7/22", true),
            ("Cidr", "2001:db8::1/56", true),
            ("DestinationCidrBlock", "::/0", false),
            ("CidrBlock", "2001:db8::/56", false),
            ("DestinationIpv6CidrBlock", "0.0.0.0/0", false),
            ("Ipv6CidrBlock", "10.0.0.0/16", false),
            ("Cidrs", "10.0.0.1", false),
        ] {
            assert_eq!(network(field, text), Err(host_bits), "{field} {text}");
        }
    }

    #[test]
    fn an_association_counts_only_while_it_is_in_force() {
        let state = |word| association_state(Some(word));
        assert_eq!(association_state(None), AssociationState::Absent);
        assert_eq!(state("associated"), AssociationState::Associated);
        assert_eq!(state("associating"), AssociationState::Changing);
        assert_eq!(state("disassociating"), AssociationState::Changing);
        assert_eq!(state("disassociated"), AssociationState::Gone);
        assert_eq!(state("failed"), AssociationState::Failed);
        for word in ["absent", "changing", "gone"] {
            let read = state(word);
            let saved = serde_json::to_value(&read).unwrap();
            assert_eq!(serde_json::from_value::<AssociationState>(saved).unwrap(), read);
            assert!(matches!(read, AssociationState::Other(_)), "{word}");
        }
        assert_eq!(state("parked"), AssociationState::Other("parked".into()));
    }

    #[test]
    fn a_policy_is_kept_of_dynamodbs_endpoints_and_up_to_a_length() {
        let kept = |service, length: usize| {
            let policy = "x".repeat(length);
            let raw = RawEndpoint {
                vpc_endpoint_id: Some("vpce-1"),
                vpc_id: Some("vpc-1"),
                service_name: service,
                policy_document: Some(&policy),
                ..RawEndpoint::default()
            };
            raw.convert().unwrap().policy.is_some()
        };
        assert!(kept(Some("com.amazonaws.us-east-1.dynamodb"), LONGEST_POLICY));
        assert!(kept(None, 1));
        assert!(!kept(Some("com.amazonaws.us-east-1.dynamodb"), LONGEST_POLICY + 1));
        assert!(!kept(Some("com.amazonaws.us-east-1.s3"), 1));
    }

    #[test]
    fn a_range_is_in_effect_unless_its_state_says_that_it_is_not() {
        for state in [None, Some("associated"), Some("Associated"), Some("hibernating")] {
            assert!(in_effect(state), "{state:?}");
        }
        for state in ["associating", "disassociating", "Disassociated", "failing", "failed"] {
            assert!(!in_effect(Some(state)), "{state}");
        }
    }

    #[test]
    fn dynamodbs_prefix_lists_are_known_by_name_in_their_region_alone() {
        let is = |name| is_dynamodb_prefix_list(name, "us-east-1");
        assert!(is("com.amazonaws.us-east-1.dynamodb"));
        assert!(is("com.amazonaws.us-east-1.ipv6.dynamodb"));
        assert!(!is("com.amazonaws.eu-west-1.dynamodb"));
        assert!(!is("com.amazonaws.us-east-1.s3"));
        assert!(!is("com.amazonaws.us-east-1.dynamodb-streams"));
    }

    #[test]
    fn names_that_dynamodbs_ipv6_list_may_have() {
        for (name, expected) in [
            ("com.amazonaws.us-east-1.ipv6.dynamodb", true),
            ("com.amazonaws.us-east-1.dynamodb.ipv6", true),
            ("com.amazonaws.us-east-1.dynamodb-ipv6", true),
            ("com.amazonaws.us-east-1.dynamodbv6", true),
            ("com.amazonaws.us-east-1.ipv6-dynamodb", true),
            ("com.amazonaws.us-east-1.ipv6.s3", false),
            ("com.amazonaws.us-west-2.dynamodb-ipv6", false),
            ("com.amazonaws.us-east-1.dynamodb-streams", false),
            ("dynamodb", false),
        ] {
            assert_eq!(is_dynamodb_prefix_list(name, "us-east-1"), expected, "{name:?}");
        }
    }
}
