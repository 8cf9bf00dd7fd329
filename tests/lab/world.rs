//! The state of the simulated account: one VPC, what is in it, and what its route tables do with an address.
//!
//! Nothing here comes from onnet. The route lookup is a naive one on purpose: the lab is an independent witness.

use super::{
    gates::{Gates, NatGateway},
    iam::{Policies, Policy},
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// What a route matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    Cidr(IpNet),
    List(String),
}

/// What a route points at: the API's own field and the id in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub field: &'static str,
    pub id: String,
}

impl Target {
    /// `local`, `igw-…`, `vgw-…` and every `vpce-…` stand in this one field.
    pub fn gateway(id: &str) -> Self {
        Self { field: "gatewayId", id: id.to_owned() }
    }

    pub fn nat(id: &str) -> Self {
        Self { field: "natGatewayId", id: id.to_owned() }
    }

    /// `eni-…`, of an appliance.
    pub fn appliance(id: &str) -> Self {
        Self { field: "networkInterfaceId", id: id.to_owned() }
    }

    /// An ODB network, by its ARN.
    pub fn odb_network(arn: &str) -> Self {
        Self { field: "odbNetworkArn", id: arn.to_owned() }
    }

    /// `eigw-…`, for IPv6 alone.
    pub fn egress_only(id: &str) -> Self {
        Self { field: "egressOnlyInternetGatewayId", id: id.to_owned() }
    }
}

#[derive(Clone, Debug)]
pub struct Route {
    pub destination: Destination,
    pub target: Target,
    pub origin: &'static str,
    /// `active`, `blackhole` or `filtered`.
    pub state: &'static str,
}

impl Route {
    /// Which of two routes of equal length wins: the greater. <https://docs.aws.amazon.com/vpc/latest/userguide/route-tables-priority.html>
    fn rank(&self) -> u8 {
        match (&self.destination, self.origin) {
            (Destination::Cidr(_), "Advertisement") => 0,
            (Destination::List(_), _) => 1,
            (Destination::Cidr(_), _) => 2,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssociatedWith {
    Main,
    Subnet(String),
}

#[derive(Clone, Debug)]
pub struct Association {
    pub id: String,
    pub with: AssociatedWith,
}

#[derive(Clone, Debug)]
pub struct RouteTable {
    pub id: String,
    pub associations: Vec<Association>,
    pub routes: Vec<Route>,
}

/// A network interface of an interface endpoint.
#[derive(Clone, Debug)]
pub struct EndpointInterface {
    pub id: String,
    pub subnet: String,
    pub address: Ipv4Addr,
}

#[derive(Clone, Debug)]
pub struct Endpoint {
    pub id: String,
    /// `Gateway`, `Interface`, `GatewayLoadBalancer`.
    pub kind: String,
    pub service: String,
    /// As on the wire: `available`, in lower case.
    pub state: String,
    pub route_tables: Vec<String>,
    pub interfaces: Vec<EndpointInterface>,
    /// `ipv4`, `ipv6` or `dualstack`: the address families that it serves. `None`: the answers do not say, and it is IPv4.
    pub address_type: Option<String>,
    /// `DnsRecordIpType`: the records that the resolver gives of its service's names. `None`: as of `service-defined`.
    pub record_type: Option<String>,
}

#[derive(Clone, Debug)]
pub struct PrefixList {
    pub id: String,
    pub name: String,
    /// `AWS`, or the account.
    pub owner: String,
    pub cidrs: Vec<IpNet>,
}

#[derive(Clone, Debug)]
pub struct Subnet {
    pub id: String,
    /// `None` in a subnet of IPv6 alone.
    pub cidr: Option<Ipv4Net>,
    pub ipv6: Option<Ipv6Net>,
    /// Whether the resolver answers programs in it with addresses in `64:ff9b::/96`, where a name has no IPv6 address.
    pub dns64: bool,
    /// The last letter of its zone. The instance is in zone `a`.
    pub zone: char,
}

impl Subnet {
    /// With a range of IPv4 alone, in zone `a`.
    pub fn new(id: &str, cidr: Ipv4Net) -> Self {
        Self { id: id.to_owned(), cidr: Some(cidr), ipv6: None, dns64: false, zone: 'a' }
    }

    /// The first address of a subnet is its router's, which for IPv6 has [`IPV6_ROUTER`] besides.
    pub fn routers(&self) -> Vec<IpNet> {
        let ipv4 =
            self.cidr.map(|range| (IpAddr::from(Ipv4Addr::from(u32::from(range.network()) + 1)), range.prefix_len()));
        let ipv6 =
            self.ipv6.map(|range| (IpAddr::from(Ipv6Addr::from(u128::from(range.network()) + 1)), range.prefix_len()));
        let of_range = |(address, length)| IpNet::new(address, length).expect("the length is that of the range");
        ipv4.into_iter().chain(ipv6).map(of_range).collect()
    }
}

/// A network interface of the instance.
#[derive(Clone, Debug)]
pub struct Interface {
    pub id: String,
    pub mac: [u8; 6],
    pub subnet: String,
    /// `None` in a subnet of IPv6 alone.
    pub address: Option<Ipv4Addr>,
    /// How many more it has, those after the first.
    pub more_addresses: u8,
    pub ipv6: Option<Ipv6Addr>,
    /// A prefix that is assigned to it, whose addresses pods have.
    pub prefix: Option<IpNet>,
    pub public: Option<Ipv4Addr>,
}

impl Interface {
    /// All of its IPv4 addresses, the first one first.
    pub fn addresses(&self) -> Vec<Ipv4Addr> {
        let after = |first: Ipv4Addr| (0..=u32::from(self.more_addresses)).map(move |n| (u32::from(first) + n).into());
        self.address.into_iter().flat_map(after).collect()
    }

    /// Whether it has the address, of either family.
    pub fn has(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.addresses().contains(&address),
            IpAddr::V6(address) => self.ipv6 == Some(address),
        }
    }

    /// Its first address: of IPv4, where it has one.
    pub fn first_address(&self) -> Option<IpAddr> {
        self.address.map(IpAddr::V4).or_else(|| self.ipv6.map(IpAddr::V6))
    }

    pub fn mac_text(&self) -> String {
        self.mac.map(|byte| format!("{byte:02x}")).join(":")
    }
}

/// Another instance of the VPC, in a subnet of its own.
#[derive(Clone, Debug)]
pub struct Host {
    pub instance: String,
    pub role: String,
    pub interface: Interface,
    /// The policies of its role.
    pub identity: Vec<Policy>,
}

/// What carries a packet of the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A gateway endpoint.
    Endpoint(String),
    /// Something else that gets it there.
    Other(String),
    /// Nothing: it is dropped.
    Nothing,
}

/// A route's target that forwards packets: a NAT gateway, an appliance, a firewall endpoint, a transit gateway or a peering
/// connection.
#[derive(Clone, Debug)]
pub struct Hop {
    /// The target's id.
    pub id: String,
    /// The source address after it. `None`: it does not change.
    pub source: Option<Ipv4Addr>,
    pub next: Next,
}

/// Where a hop sends packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// To the target in the route table of this subnet.
    Subnet(String),
    /// An endpoint of another VPC.
    Endpoint(VpcEndpoint),
}

/// An endpoint and its VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpcEndpoint {
    pub id: String,
    pub vpc: String,
}

/// How a request reaches DynamoDB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// `None`: through no endpoint.
    pub endpoint: Option<VpcEndpoint>,
    /// The source address at the endpoint.
    pub source: IpAddr,
}

fn is_nat(id: &str) -> bool {
    id.starts_with("nat-")
}

/// Whether an endpoint of this `IpAddressType` may have this `DnsRecordIpType`.
fn may_give(address_type: &str, record_type: &str) -> Result<(), Refused> {
    match (address_type, record_type) {
        (_, "service-defined") | ("dualstack", "ipv4" | "ipv6" | "dualstack") | ("ipv4", "ipv4") | ("ipv6", "ipv6") => {
            Ok(())
        }
        _ => refused(
            "InvalidParameter",
            format!("DNS record IP type {record_type} is not supported by IP address type {address_type}"),
        ),
    }
}

/// The limit of hops for one packet: more are a loop.
const MOST_HOPS: usize = 4;

/// Why the EC2 API refuses a call: its own code, and a sentence.
#[derive(Clone, Debug)]
pub struct Refused {
    pub code: &'static str,
    pub message: String,
}

fn refused<T>(code: &'static str, message: String) -> Result<T, Refused> {
    Err(Refused { code, message })
}

/// The simulated account.
#[derive(Clone, Debug)]
pub struct World {
    pub region: String,
    pub account: String,
    pub instance: String,
    pub role: String,
    pub vpc: String,
    pub vpc_cidr: Ipv4Net,
    pub vpc_ipv6: Option<Ipv6Net>,
    pub subnets: Vec<Subnet>,
    /// The instance's interfaces, primary first: `ens5`, `ens6`, …
    pub interfaces: Vec<Interface>,
    /// Which interface the instance's default route goes out by.
    pub default_interface: usize,
    /// Another instance, which has its own way to the services.
    pub elsewhere: Option<Host>,
    pub route_tables: Vec<RouteTable>,
    pub endpoints: Vec<Endpoint>,
    /// The targets of routes that forward packets. Other NAT gateways and the like deliver to DynamoDB, not through an endpoint.
    pub hops: Vec<Hop>,
    /// How requests arrive, where EC2's answers say something else: `Some(None)` is through no endpoint.
    pub unlike_the_tables: Option<Option<VpcEndpoint>>,
    /// Whether an Automated Internet Firewall is at the internet gateway.
    pub internet_firewall: bool,
    /// What stands beside the routes.
    pub gates: Gates,
    /// They authorize the instance's requests to DynamoDB.
    pub policies: Policies,
    pub prefix_lists: Vec<PrefixList>,
    pub tables: Vec<String>,
    /// What DynamoDB's names resolve to.
    pub dynamodb_addresses: Vec<IpAddr>,
    /// Whether the resolver answers with one of them in turn, as the real one does, or with all at once.
    pub rotate: bool,
    /// What resolv.conf says beside the name server.
    pub resolver_options: &'static str,
    /// A domain whose names all have this address.
    pub wildcard: Option<(&'static str, Ipv4Addr)>,
    /// Further names of DynamoDB's, and the address of the interface endpoint that they are of, if they are one's.
    pub further_names: Vec<(String, Option<Ipv4Addr>)>,
    /// `ServiceRegion`, by the endpoint's id, where the answers have it.
    pub service_regions: BTreeMap<String, &'static str>,
    /// Whether the credentials carry the account id, so that SDKs use the account-based name.
    pub account_in_credentials: bool,
    pub ec2_address: Ipv4Addr,
    pub sts_address: Ipv4Addr,
    /// Results per page of the EC2 API where the caller asks for no fewer: small, so that paging is exercised.
    pub page_size: usize,
    /// Elements that the EC2 API's answers leave out.
    pub omits: &'static [&'static str],
    /// Answers of DescribeRouteTables that still have no route to an endpoint: the API is eventually consistent.
    pub lagging_answers: u32,
    /// Counts the edits, so that the kernel's forwarding can follow.
    pub generation: u64,
    next_id: u32,
}

pub const MAIN_TABLE: &str = "rtb-0a1b2c3d";
pub const INTERNET_GATEWAY: &str = "igw-0c3f5a7e";
pub const DYNAMODB_LIST: &str = "pl-02cd2c6b";
/// Where the other instance is.
pub const ELSEWHERE_SUBNET: &str = "subnet-0e7c9a5b";
pub const ELSEWHERE_TABLE: &str = "rtb-0e7c9a5b";
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(172, 31, 0, 2);
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// The same for IPv6. <https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html>
pub const IPV6_RESOLVER: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253);
pub const IPV6_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
/// The link-local address that the router of every subnet advertises itself by.
pub const IPV6_ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
pub const DYNAMODB_IPV6_LIST: &str = "pl-06d81a3e";
pub const DYNAMODB_IPV6: Ipv6Addr = Ipv6Addr::new(0x2600, 0x1f70, 0, 0, 0, 0, 0, 10);
/// Where the other services' dual-stack names lead.
pub const EC2_IPV6: Ipv6Addr = Ipv6Addr::new(0x2600, 0x1f60, 0, 0, 0, 0, 0, 0xec2);
pub const STS_IPV6: Ipv6Addr = Ipv6Addr::new(0x2600, 0x1f60, 0, 0, 0, 0, 0, 0x575);
/// What DNS64 and NAT64 put an IPv4 address into.
const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

fn nets(cidrs: &[&str]) -> Vec<IpNet> {
    cidrs.iter().map(|cidr| cidr.parse().expect("a literal CIDR")).collect()
}

/// The IPv6 address by which clients reach an IPv4 address through NAT64.
pub fn by_nat64(address: Ipv4Addr) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(NAT64.network()) | u128::from(u32::from(address)))
}

/// The IPv6 range by which clients reach an IPv4 range through NAT64.
fn range_by_nat64(range: &Ipv4Net) -> IpNet {
    let length = NAT64.prefix_len() + range.prefix_len();
    IpNet::V6(Ipv6Net::new(by_nat64(range.network()), length).expect("96 and at most 32 are at most 128"))
}

/// What of a range is behind a NAT gateway: IPv4 as it is, and of IPv6 what NAT64 translates.
fn beyond_nat(range: IpNet) -> Option<IpNet> {
    let IpNet::V6(v6) = range else { return Some(range) };
    let [.., a, b, c, d] = v6.network().octets();
    let v4 = Ipv4Net::new(Ipv4Addr::new(a, b, c, d), v6.prefix_len().checked_sub(NAT64.prefix_len())?);
    NAT64.contains(&v6).then(|| v4.expect("128 less 96 is 32")).map(IpNet::V4)
}

/// The permission that the role has in every world.
fn list_tables_only() -> Policy {
    let text = r#"{ "Version": "2012-10-17", "Statement":
        { "Effect": "Allow", "Action": "dynamodb:ListTables", "Resource": "*" } }"#;
    Policy::inline(text).expect("a literal policy")
}

impl World {
    /// Where AWS's tutorial starts: the default VPC of us-east-1, one main route table, an internet gateway, no endpoint.
    ///
    /// The prefix list is the real one of a public capture.
    pub fn tutorial() -> Self {
        let aws_list = |id: &str, service: &str, cidrs: &[&str]| PrefixList {
            id: id.into(),
            name: format!("com.amazonaws.us-east-1.{service}"),
            owner: "AWS".into(),
            cidrs: nets(cidrs),
        };
        let subnet = |id: &str, cidr: &str| Subnet::new(id, cidr.parse().expect("a literal CIDR"));
        let dynamodb =
            ["52.94.0.0/22", "3.218.180.0/23", "3.218.182.0/24", "35.71.68.0/23", "35.71.70.0/24", "52.119.224.0/20"];
        let mut world = Self {
            region: "us-east-1".into(),
            account: "111122223333".into(),
            instance: "i-0123456789abcdef0".into(),
            role: "onnet".into(),
            vpc: "vpc-0bbc736e".into(),
            vpc_cidr: "172.31.0.0/16".parse().expect("a literal CIDR"),
            vpc_ipv6: None,
            subnets: vec![subnet("subnet-0f1e2d3c", "172.31.16.0/20"), subnet("subnet-0f4b5a69", "172.31.32.0/20")],
            interfaces: vec![Interface {
                id: "eni-0d2f4e6a".into(),
                mac: [6, 0, 0, 0, 0, 1],
                subnet: "subnet-0f1e2d3c".into(),
                address: Some(Ipv4Addr::new(172, 31, 16, 10)),
                more_addresses: 0,
                ipv6: None,
                prefix: None,
                public: Some(Ipv4Addr::new(203, 0, 113, 25)),
            }],
            default_interface: 0,
            elsewhere: None,
            route_tables: vec![RouteTable {
                id: MAIN_TABLE.into(),
                associations: vec![Association { id: "rtbassoc-0a1b2c3d".into(), with: AssociatedWith::Main }],
                routes: Vec::new(),
            }],
            endpoints: Vec::new(),
            hops: Vec::new(),
            unlike_the_tables: None,
            internet_firewall: false,
            gates: Gates::open(),
            policies: Policies { identity: vec![list_tables_only()], ..Policies::default() },
            prefix_lists: vec![
                aws_list("pl-63a5400a", "s3", &["52.216.0.0/15", "54.231.0.0/16", "3.5.0.0/19"]),
                aws_list(DYNAMODB_LIST, "dynamodb", &dynamodb),
            ],
            tables: vec!["Music".into()],
            dynamodb_addresses: vec![IpAddr::from([52, 94, 0, 10])],
            rotate: true,
            resolver_options: "search ec2.internal\n",
            wildcard: None,
            further_names: Vec::new(),
            service_regions: BTreeMap::new(),
            account_in_credentials: false,
            ec2_address: Ipv4Addr::new(52, 46, 140, 52),
            sts_address: Ipv4Addr::new(209, 54, 177, 164),
            page_size: 5,
            omits: &[],
            lagging_answers: 0,
            generation: 0,
            next_id: 0x9b15_e2f2,
        };
        let local = Destination::Cidr(IpNet::V4(world.vpc_cidr));
        world.push_route(MAIN_TABLE, local, Target::gateway("local"), "CreateRouteTable");
        let everywhere = Destination::Cidr("0.0.0.0/0".parse().expect("a literal CIDR"));
        world.push_route(MAIN_TABLE, everywhere, Target::gateway(INTERNET_GATEWAY), "CreateRoute");
        world
    }

    /// The tutorial done right: a DynamoDB gateway endpoint, associated with the main table.
    pub fn on_net() -> Self {
        let mut world = Self::tutorial();
        let service = world.dynamodb_service();
        world.create_endpoint("Gateway", &service, &[MAIN_TABLE.to_owned()]).expect("the tutorial's own call");
        world
    }

    /// A private subnet whose only way out is the endpoint: nothing in it reaches EC2's API.
    pub fn endpoint_only() -> Self {
        Self::on_net().private().isolated()
    }

    // Variants, for tests: each changes one thing and chains.

    /// Another instance, in a public subnet with a route table of its own: it reaches everything by the internet gateway. Its role
    /// is `onnet-elsewhere`, which may call `ListTables`.
    pub fn with_elsewhere(mut self) -> Self {
        let range: Ipv4Net = "172.31.48.0/20".parse().expect("a literal CIDR");
        self.subnets.push(Subnet::new(ELSEWHERE_SUBNET, range));
        let association =
            Association { id: self.new_id("rtbassoc-"), with: AssociatedWith::Subnet(ELSEWHERE_SUBNET.into()) };
        self.route_tables.push(RouteTable {
            id: ELSEWHERE_TABLE.into(),
            associations: vec![association],
            routes: Vec::new(),
        });
        let local = Destination::Cidr(IpNet::V4(self.vpc_cidr));
        self.push_route(ELSEWHERE_TABLE, local, Target::gateway("local"), "CreateRouteTable");
        let everywhere = Destination::Cidr("0.0.0.0/0".parse().expect("a literal CIDR"));
        self.push_route(ELSEWHERE_TABLE, everywhere, Target::gateway(INTERNET_GATEWAY), "CreateRoute");
        self.elsewhere = Some(Host {
            instance: "i-0fedcba9876543210".into(),
            role: "onnet-elsewhere".into(),
            interface: Interface {
                id: "eni-0c5e7a91".into(),
                mac: [6, 0, 0, 0, 0, 0x30],
                subnet: ELSEWHERE_SUBNET.into(),
                address: Some(Ipv4Addr::new(172, 31, 48, 10)),
                more_addresses: 0,
                ipv6: None,
                prefix: None,
                public: Some(Ipv4Addr::new(203, 0, 113, 48)),
            },
            identity: vec![list_tables_only()],
        });
        self
    }

    /// The other instance's subnet goes through the first endpoint too.
    pub fn elsewhere_through_endpoint(mut self) -> Self {
        let id = self.endpoints[0].id.clone();
        self.modify_endpoint(&id, &[ELSEWHERE_TABLE.to_owned()], &[]).expect("its table has no such route");
        self
    }

    /// More policies for the role of the other instance.
    pub fn with_elsewhere_policies(mut self, policies: impl IntoIterator<Item = Policy>) -> Self {
        self.elsewhere.as_mut().expect("a world with another instance").identity.extend(policies);
        self
    }

    /// A private subnet: no public address.
    pub fn private(mut self) -> Self {
        for interface in &mut self.interfaces {
            interface.public = None;
        }
        self
    }

    /// So many answers of DescribeRouteTables have no route to an endpoint yet.
    pub fn lagging(mut self, answers: u32) -> Self {
        self.lagging_answers = answers;
        self
    }

    /// No default route.
    pub fn isolated(mut self) -> Self {
        let everywhere = Destination::Cidr("0.0.0.0/0".parse().expect("a literal CIDR"));
        self.table_mut(MAIN_TABLE).expect("it is never deleted").routes.retain(|route| route.destination != everywhere);
        self
    }

    /// One more route in the main table.
    pub fn with_route(mut self, cidr: &str, target: Target, state: &'static str) -> Self {
        let destination = Destination::Cidr(cidr.parse().expect("a literal CIDR"));
        let table = self.table_mut(MAIN_TABLE).expect("it is never deleted");
        table.routes.retain(|route| route.destination != destination);
        table.routes.push(Route { destination, target, origin: "CreateRoute", state });
        self
    }

    /// One more route in the main table, which a route server advertises.
    pub fn with_advertised_route(mut self, cidr: &str, target: Target) -> Self {
        let destination = Destination::Cidr(cidr.parse().expect("a literal CIDR"));
        self.push_route(MAIN_TABLE, destination, target, "Advertisement");
        self
    }

    /// A table of its own for the first interface's subnet, with the main table's routes except those of endpoints.
    pub fn with_explicit_table(mut self, id: &str) -> Self {
        let subnet = self.interfaces[0].subnet.clone();
        let mut routes = self.route_tables[0].routes.clone();
        routes.retain(|route| matches!(route.destination, Destination::Cidr(_)));
        let association = Association { id: self.new_id("rtbassoc-"), with: AssociatedWith::Subnet(subnet) };
        self.route_tables.push(RouteTable { id: id.into(), associations: vec![association], routes });
        self
    }

    /// A customer-managed prefix list and a route of the main table for it.
    pub fn with_list(mut self, id: &str, cidrs: &[&str], target: Target) -> Self {
        let owner = self.account.clone();
        self.prefix_lists.push(PrefixList { id: id.into(), name: "on-premises".into(), owner, cidrs: nets(cidrs) });
        self.push_route(MAIN_TABLE, Destination::List(id.into()), target, "CreateRoute");
        self
    }

    /// A second interface, `ens6`, in the second subnet, with a prefix.
    pub fn with_second_interface(mut self) -> Self {
        self.interfaces.push(Interface {
            id: "eni-0b8d6f42".into(),
            mac: [6, 0, 0, 0, 0, 2],
            subnet: self.subnets[1].id.clone(),
            address: Some(Ipv4Addr::new(172, 31, 32, 10)),
            more_addresses: 0,
            ipv6: None,
            prefix: Some("172.31.32.16/28".parse().expect("a literal CIDR")),
            public: None,
        });
        self
    }

    /// A DynamoDB interface endpoint with one network interface in the second subnet, at this address.
    pub fn with_interface_endpoint(mut self, address: Ipv4Addr) -> Self {
        let subnet = self.subnets[1].id.clone();
        let interface = EndpointInterface { id: self.new_id("eni-"), subnet, address };
        let id = self.new_id("vpce-");
        let service = self.dynamodb_service();
        self.endpoints.push(Endpoint {
            id,
            kind: "Interface".into(),
            service,
            state: "available".into(),
            route_tables: Vec::new(),
            interfaces: vec![interface],
            address_type: None,
            record_type: None,
        });
        self
    }

    /// A NAT gateway with this private address in a subnet. No route is added.
    pub fn with_nat_gateway(mut self, id: &str, subnet: &str, address: Ipv4Addr) -> Self {
        self.gates.nat_gateways.push(NatGateway::public(id, subnet, address));
        self.with_hop(Hop { id: id.into(), source: Some(address), next: Next::Subnet(subnet.into()) })
    }

    /// A hop. No route is added.
    pub fn with_hop(mut self, hop: Hop) -> Self {
        self.hops.push(hop);
        self
    }

    /// Requests arrive through this endpoint, or through none, whatever the route tables say.
    pub fn unlike_the_tables(mut self, endpoint: Option<VpcEndpoint>) -> Self {
        self.unlike_the_tables = Some(endpoint);
        self
    }

    /// More policies for the role, in addition to the one for `ListTables`.
    pub fn with_role_policies(mut self, policies: impl IntoIterator<Item = Policy>) -> Self {
        self.policies.identity.extend(policies);
        self
    }

    /// A policy for the first endpoint, in place of the default one.
    pub fn with_endpoint_policy(mut self, policy: Policy) -> Self {
        let endpoint = self.endpoints.first().map(|endpoint| endpoint.id.clone());
        self.policies.endpoint.extend(endpoint.map(|endpoint| (endpoint, policy)));
        self
    }

    /// A Gateway Load Balancer endpoint, for a firewall.
    pub fn with_firewall_endpoint(mut self, id: &str) -> Self {
        self.endpoints.push(Endpoint {
            id: id.into(),
            kind: "GatewayLoadBalancer".into(),
            service: "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0".into(),
            state: "available".into(),
            route_tables: Vec::new(),
            interfaces: Vec::new(),
            address_type: None,
            record_type: None,
        });
        self
    }

    /// What DynamoDB's names resolve to: all of these at once.
    pub fn with_addresses(mut self, addresses: &[&str]) -> Self {
        self.dynamodb_addresses = addresses.iter().map(|text| text.parse().expect("a literal address")).collect();
        self.rotate = false;
        self
    }

    // IPv6, which no world has without these.

    /// A range of IPv6 for the VPC and each subnet, an address for each interface, and DynamoDB's IPv6 list and address. No
    /// route but the local one, and nothing changes about endpoints.
    pub fn with_ipv6(mut self) -> Self {
        let range = |text: &str| text.parse::<Ipv6Net>().expect("a literal CIDR");
        let vpc = range("2600:1f18:1234:5600::/56");
        self.vpc_ipv6 = Some(vpc);
        for (subnet, ipv6) in self.subnets.iter_mut().zip(["2600:1f18:1234:5610::/64", "2600:1f18:1234:5620::/64"]) {
            subnet.ipv6 = Some(range(ipv6));
        }
        for at in 0..self.interfaces.len() {
            let ipv6 = self.subnet(&self.interfaces[at].subnet).and_then(|subnet| subnet.ipv6);
            self.interfaces[at].ipv6 = ipv6.map(|range| Ipv6Addr::from(u128::from(range.network()) + 0x10));
        }
        for at in 0..self.route_tables.len() {
            let id = self.route_tables[at].id.clone();
            self.push_route(&id, Destination::Cidr(vpc.into()), Target::gateway("local"), "CreateRouteTable");
        }
        self.gates.open_for_ipv6();
        let (id, name) = (DYNAMODB_IPV6_LIST.to_owned(), self.ipv6_list_name(&self.dynamodb_service()));
        self.prefix_lists.push(PrefixList { id, name, owner: "AWS".to_owned(), cidrs: nets(&["2600:1f70::/40"]) });
        self.dynamodb_addresses.push(DYNAMODB_IPV6.into());
        self.rotate = false;
        self
    }

    /// A first subnet of IPv6 alone.
    pub fn without_ipv4(mut self) -> Self {
        let first = self.subnets[0].id.clone();
        self.subnets[0].cidr = None;
        for interface in self.interfaces.iter_mut().filter(|interface| interface.subnet == first) {
            (interface.address, interface.public, interface.prefix) = (None, None, None);
        }
        self
    }

    /// DNS64 in the first subnet.
    pub fn with_dns64(mut self) -> Self {
        self.subnets[0].dns64 = true;
        self
    }

    /// The `IpAddressType` of the first endpoint, with the routes that come with it.
    pub fn with_address_type(mut self, kind: &str) -> Self {
        let id = self.endpoints[0].id.clone();
        self.set_address_type(&id, kind).expect("a type that EC2 accepts");
        self
    }

    /// The `DnsRecordIpType` of the first endpoint.
    pub fn with_record_type(mut self, kind: &str) -> Self {
        let id = self.endpoints[0].id.clone();
        self.set_record_type(&id, kind).expect("a type that EC2 accepts");
        self
    }

    /// As much as AWS's quotas allow of everything, in pages as large as the API's: 200 route tables of 500 routes, customer's
    /// prefix lists of 1,000 entries, 100 endpoints, and 64 network interfaces with 50 addresses each.
    pub fn largest(mut self) -> Self {
        self.page_size = 1_000;
        let id = |kind: &str, number: usize| format!("{kind}-{number:017x}");
        let cidr = |number: usize| {
            let first = u32::try_from(number * 16).expect("a few hundred thousand");
            IpNet::V4(Ipv4Net::new(Ipv4Addr::from((10 << 24) + first), 28).expect("28 is the length of a prefix"))
        };
        for list in 0..20 {
            let cidrs = (0..1_000).map(|n| cidr(200_000 + list * 1_000 + n)).collect();
            let (id, owner, name) = (id("pl", list), self.account.clone(), format!("list-{list}"));
            self.prefix_lists.push(PrefixList { id, name, owner, cidrs });
        }
        for table in 1..200 {
            let association =
                Association { id: id("rtbassoc", table), with: AssociatedWith::Subnet(id("subnet", 500 + table)) };
            let route = |destination, target| Route { destination, target, origin: "CreateRoute", state: "active" };
            let routes = vec![route(Destination::List(id("pl", table % 20)), Target::gateway(&id("tgw", table)))];
            self.route_tables.push(RouteTable { id: id("rtb", table), associations: vec![association], routes });
        }
        for (number, table) in self.route_tables.iter_mut().enumerate() {
            for n in table.routes.len()..500 {
                let target = Target::nat(&id("nat", number * 8 + n % 8));
                let destination = Destination::Cidr(cidr(number * 500 + n));
                table.routes.push(Route { destination, target, origin: "CreateRoute", state: "active" });
            }
        }
        for number in self.endpoints.len()..100 {
            let address = |n| {
                Ipv4Addr::from(u32::from(Ipv4Addr::new(172, 31, 33, 0)) + u32::try_from(number * 3 + n).expect("300"))
            };
            let interface = |n| EndpointInterface {
                id: id("eni", number * 3 + n),
                subnet: self.subnets[1].id.clone(),
                address: address(n),
            };
            self.endpoints.push(Endpoint {
                id: id("vpce", number),
                kind: "Interface".into(),
                service: format!("com.amazonaws.{}.service-{number}", self.region),
                state: "available".into(),
                route_tables: Vec::new(),
                interfaces: (0..3).map(interface).collect(),
                address_type: None,
                record_type: None,
            });
        }
        self.interfaces[0].more_addresses = 49;
        for number in 1..64 {
            let octet = u8::try_from(number).expect("64");
            let network = Ipv4Addr::new(172, 31, 100 + octet, 0);
            let cidr = Ipv4Net::new(network, 24).expect("24 is the length of a prefix");
            self.subnets.push(Subnet::new(&id("subnet", number), cidr));
            self.interfaces.push(Interface {
                id: id("eni", 10_000 + number),
                mac: [6, 0, 0, 0, 1, octet],
                subnet: id("subnet", number),
                address: Some(Ipv4Addr::from(u32::from(network) + 10)),
                more_addresses: 49,
                ipv6: None,
                prefix: None,
                public: None,
            });
        }
        self
    }

    /// `search` with a domain of the company's, whose names all have `address`, and `ndots:5`, as in Kubernetes.
    pub fn with_search_list(mut self, address: Ipv4Addr) -> Self {
        self.resolver_options = "search ec2.internal apps.corp.example\noptions ndots:5\n";
        self.wildcard = Some(("apps.corp.example", address));
        self
    }

    // Names.

    /// Names of FIPS, of another account, of vector search, and of the interface endpoint that has this address.
    pub fn with_further_names(mut self, endpoint: Ipv4Addr) -> Self {
        let (region, account) = (&self.region, &self.account);
        let of_dynamodb = [
            format!("dynamodb-fips.{region}.amazonaws.com"),
            format!("dynamodb-fips.{region}.api.aws"),
            format!("{account}.ddb-fips.{region}.amazonaws.com"),
            format!("{account}.ddb-fips.{region}.api.aws"),
            format!("444455556666.ddb.{region}.amazonaws.com"),
            format!("search-dynamodb.{region}.api.aws"),
        ];
        let of_endpoint = [
            format!("vpce-9b15e2f2-0a1b2c3d.dynamodb.{region}.vpce.amazonaws.com"),
            format!("vpce-9b15e2f2-0a1b2c3d-{region}a.dynamodb.{region}.vpce.amazonaws.com"),
        ];
        let of_dynamodb = of_dynamodb.map(|name| (name, None)).into_iter();
        self.further_names = of_dynamodb.chain(of_endpoint.map(|name| (name, Some(endpoint)))).collect();
        self
    }

    pub fn dynamodb_service(&self) -> String {
        format!("com.amazonaws.{}.dynamodb", self.region)
    }

    pub fn dynamodb_host(&self) -> String {
        format!("dynamodb.{}.amazonaws.com", self.region)
    }

    pub fn streams_host(&self) -> String {
        format!("streams.{}", self.dynamodb_host())
    }

    pub fn account_host(&self) -> String {
        format!("{}.ddb.{}.amazonaws.com", self.account, self.region)
    }

    /// The name that SDKs use with `AWS_USE_DUALSTACK_ENDPOINT`; other services have such names too.
    pub fn dual_stack_host(&self) -> String {
        format!("dynamodb.{}.api.aws", self.region)
    }

    pub fn dual_stack_account_host(&self) -> String {
        format!("{}.ddb.{}.api.aws", self.account, self.region)
    }

    fn ipv6_list_name(&self, service: &str) -> String {
        let of_region = format!("com.amazonaws.{}.", self.region);
        service.replacen(&of_region, &format!("{of_region}ipv6."), 1)
    }

    pub fn has_ipv6(&self) -> bool {
        self.interfaces.iter().any(|interface| interface.ipv6.is_some())
    }

    /// Whether the instance has no IPv4 address.
    pub fn has_ipv6_alone(&self) -> bool {
        self.interfaces.iter().all(|interface| interface.address.is_none())
    }

    /// Whether the resolver translates for the instance.
    pub fn dns64(&self) -> bool {
        self.subnet(&self.interfaces[self.default_interface].subnet).is_some_and(|subnet| subnet.dns64)
    }

    /// Whether the resolver gives A records of a name of DynamoDB's, and AAAA records.
    pub fn records(&self, is_dual_stack: bool) -> [bool; 2] {
        let service = self.dynamodb_service();
        let mut endpoints = self.endpoints.iter();
        let gateway = endpoints.find(|one| one.kind == "Gateway" && one.service == service && one.state == "available");
        match gateway.and_then(|endpoint| endpoint.record_type.as_deref()) {
            Some("ipv4") => [true, false],
            Some("ipv6") => [false, true],
            Some("dualstack") => [true, true],
            Some(_) | None => [true, is_dual_stack],
        }
    }

    pub fn subnet(&self, id: &str) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.id == id)
    }

    /// The world of the instance that has this address, where it is the other one: with its name, its role and its interface.
    pub fn seen_by(&self, address: IpAddr) -> Cow<'_, Self> {
        match &self.elsewhere {
            Some(host) if host.interface.has(address) => {
                let mut world = self.clone();
                world.instance.clone_from(&host.instance);
                world.role.clone_from(&host.role);
                world.interfaces = vec![host.interface.clone()];
                world.default_interface = 0;
                world.policies.identity.clone_from(&host.identity);
                Cow::Owned(world)
            }
            Some(_) | None => Cow::Borrowed(self),
        }
    }

    /// The interfaces of both instances, those of the first one first.
    pub fn all_interfaces(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces.iter().chain(self.elsewhere.as_ref().map(|host| &host.interface))
    }

    // What the VPC does with an address.

    /// The subnet's own table, else the main one.
    pub fn table_of(&self, subnet: &str) -> Option<&RouteTable> {
        let with = |wanted: AssociatedWith| {
            self.route_tables
                .iter()
                .find(|table| table.associations.iter().any(|association| association.with == wanted))
        };
        with(AssociatedWith::Subnet(subnet.to_owned())).or_else(|| with(AssociatedWith::Main))
    }

    pub fn ranges(&self, destination: &Destination) -> Vec<IpNet> {
        match destination {
            Destination::Cidr(cidr) => vec![*cidr],
            Destination::List(id) => {
                self.prefix_lists.iter().filter(|list| list.id == *id).flat_map(|list| list.cidrs.clone()).collect()
            }
        }
    }

    /// What carries a packet from an interface to an address: the longest prefix; of equal ones a CIDR before a prefix list, and that
    /// before a CIDR that a route server advertises.
    pub fn carrier(&self, interface: &Interface, address: IpAddr) -> Carrier {
        self.carrier_from(&interface.subnet, interface.public.is_some(), IpNet::from(address), MOST_HOPS)
    }

    /// The same for a range within which all addresses have the same routes.
    fn carrier_from(&self, subnet: &str, public: bool, range: IpNet, hops: usize) -> Carrier {
        let local_endpoint = self.endpoints.iter().find(|endpoint| {
            endpoint.state == "available"
                && endpoint.interfaces.iter().any(|eni| IpNet::from(IpAddr::V4(eni.address)) == range)
        });
        if let Some(endpoint) = local_endpoint {
            return Carrier::Endpoint(endpoint.id.clone());
        }
        let routes = self.table_of(subnet).map(|table| table.routes.as_slice()).unwrap_or_default();
        let winner = routes
            .iter()
            // AWS does not say what `filtered` means; here such a route is not in effect.
            .filter(|route| route.state != "filtered")
            .flat_map(|route| self.ranges(&route.destination).into_iter().map(move |of_route| (of_route, route)))
            .filter(|(of_route, _)| of_route.contains(&range))
            .max_by_key(|(of_route, route)| (of_route.prefix_len(), route.rank()));
        let Some((_, route)) = winner else { return Carrier::Nothing };
        let carrier = self.carried_by(public, route, range);
        match (&carrier, self.hop(&route.target.id)) {
            (Carrier::Other(id), Some(Hop { next: Next::Subnet(next), .. })) => {
                let range = if is_nat(id) { beyond_nat(range).unwrap_or(range) } else { range };
                let beyond =
                    hops.checked_sub(1).map_or(Carrier::Nothing, |hops| self.carrier_from(next, true, range, hops));
                if beyond == Carrier::Nothing { beyond } else { carrier }
            }
            _ => carrier,
        }
    }

    fn hop(&self, id: &str) -> Option<&Hop> {
        self.hops.iter().find(|hop| hop.id == id)
    }

    fn carried_by(&self, public: bool, route: &Route, range: IpNet) -> Carrier {
        let id = &route.target.id;
        if route.state == "blackhole" {
            return Carrier::Nothing;
        }
        let is_ipv6 = matches!(range, IpNet::V6(_));
        match id.split('-').next() {
            // The internet has no such addresses.
            Some("igw" | "eigw") if is_ipv6 && beyond_nat(range).is_some() => Carrier::Nothing,
            // Every IPv6 address is public.
            Some("igw") if is_ipv6 || public || (self.internet_firewall && self.gates.firewall_lets_out()) => {
                Carrier::Other(id.clone())
            }
            Some("eigw") if is_ipv6 => Carrier::Other(id.clone()),
            Some("eigw") => Carrier::Nothing,
            Some("nat") if beyond_nat(range).is_none() => Carrier::Nothing,
            Some("nat" | "tgw" | "eni") => Carrier::Other(id.clone()),
            Some("vpce") => match self.endpoints.iter().find(|endpoint| endpoint.id == *id) {
                Some(endpoint) if endpoint.state != "available" => Carrier::Nothing,
                Some(endpoint) if endpoint.kind == "Gateway" => Carrier::Endpoint(id.clone()),
                Some(_) => Carrier::Other(id.clone()),
                None => Carrier::Nothing,
            },
            _ if self.hop(id).is_some() => Carrier::Other(id.clone()),
            // `local` (nothing else lives in this VPC), an internet gateway without a public address, a peering
            // connection or a virtual private gateway without a hop: DynamoDB is not behind them.
            _ => Carrier::Nothing,
        }
    }

    /// The endpoint through which a packet of an interface arrives, if any, and its source address there.
    pub fn arrival(&self, interface: &Interface, source: IpAddr, address: IpAddr) -> Arrival {
        if let Some(endpoint) = &self.unlike_the_tables {
            return Arrival { endpoint: endpoint.clone(), source };
        }
        let mut arrival = Arrival { endpoint: None, source };
        let mut subnet = interface.subnet.as_str();
        let mut public = interface.public.is_some();
        let mut range = IpNet::from(address);
        for left in (0..=MOST_HOPS).rev() {
            let hop = match self.carrier_from(subnet, public, range, left) {
                Carrier::Endpoint(id) => {
                    arrival.endpoint = Some(VpcEndpoint { id, vpc: self.vpc.clone() });
                    return arrival;
                }
                Carrier::Other(id) => self.hop(&id),
                Carrier::Nothing => None,
            };
            let Some(hop) = hop else { return arrival };
            arrival.source = hop.source.map_or(arrival.source, IpAddr::V4);
            range = if is_nat(&hop.id) { beyond_nat(range).unwrap_or(range) } else { range };
            match &hop.next {
                Next::Subnet(next) => (subnet, public) = (next, true),
                Next::Endpoint(endpoint) => {
                    arrival.endpoint = Some(endpoint.clone());
                    return arrival;
                }
            }
        }
        arrival
    }

    /// Every range the interface's route table distinguishes, and whether packets to it arrive.
    pub fn forwarding(&self, interface: &Interface) -> Vec<(IpNet, bool)> {
        let beyond = self.hops.iter().filter_map(|hop| match &hop.next {
            Next::Subnet(subnet) => Some(subnet),
            Next::Endpoint(_) => None,
        });
        let tables = std::iter::once(&interface.subnet).chain(beyond).filter_map(|subnet| self.table_of(subnet));
        let routes = tables.flat_map(|table| &table.routes);
        let mut ranges: Vec<IpNet> = routes.flat_map(|route| self.ranges(&route.destination)).collect();
        let endpoints = self.endpoints.iter().flat_map(|endpoint| &endpoint.interfaces);
        ranges.extend(endpoints.map(|eni| IpNet::from(IpAddr::V4(eni.address))));
        if self.has_ipv6() {
            let translated =
                |range: &IpNet| if let IpNet::V4(range) = range { Some(range_by_nat64(range)) } else { None };
            let translated: Vec<IpNet> = ranges.iter().filter_map(translated).collect();
            ranges.extend(translated);
        }
        ranges.sort();
        ranges.dedup();
        // Longer ranges have an entry of their own, so none of these is divided.
        let arrives = |range: &IpNet| {
            let carrier = self.carrier_from(&interface.subnet, interface.public.is_some(), *range, MOST_HOPS);
            carrier != Carrier::Nothing
        };
        ranges.iter().map(|range| (*range, arrives(range))).collect()
    }

    // Edits, as the EC2 API makes them.

    pub fn create_endpoint(&mut self, kind: &str, service: &str, tables: &[String]) -> Result<String, Refused> {
        if kind != "Gateway" {
            return refused("InvalidParameter", format!("the lab creates gateway endpoints only, not {kind}"));
        }
        if self.list_of(service).is_none() {
            let message = format!("The Vpc Endpoint Service '{service}' does not exist");
            return refused("InvalidServiceName", message);
        }
        let id = self.new_id("vpce-");
        self.endpoints.push(Endpoint {
            id: id.clone(),
            kind: kind.into(),
            service: service.into(),
            state: "available".into(),
            route_tables: Vec::new(),
            interfaces: Vec::new(),
            address_type: None,
            record_type: None,
        });
        if let Err(refusal) = self.modify_endpoint(&id, tables, &[]) {
            self.endpoints.pop();
            return Err(refusal);
        }
        Ok(id)
    }

    /// Associates and dissociates route tables: the route for the prefix list comes and goes with it.
    pub fn modify_endpoint(&mut self, id: &str, add: &[String], remove: &[String]) -> Result<(), Refused> {
        let destinations = self.destinations(self.endpoint(id)?);
        for table in add.iter().chain(remove) {
            self.table(table)?;
        }
        for table in add {
            if self.table(table)?.routes.iter().any(|route| destinations.contains(&route.destination)) {
                let message = format!("route table {table} already has a route with destination-prefix-list-id");
                return refused("RouteAlreadyExists", message);
            }
            for destination in &destinations {
                self.push_route(table, destination.clone(), Target::gateway(id), "CreateRoute");
            }
        }
        for table in remove {
            let target = Target::gateway(id);
            self.table_mut(table)?.routes.retain(|route| route.target != target);
        }
        self.generation += 1;
        let endpoint = self.endpoint_mut(id)?;
        endpoint.route_tables.retain(|table| !remove.contains(table));
        endpoint.route_tables.extend(add.iter().cloned());
        Ok(())
    }

    /// Changes which address families an endpoint serves: in its tables the routes for the families' lists come and go.
    pub fn set_address_type(&mut self, id: &str, kind: &str) -> Result<(), Refused> {
        let before = self.endpoint(id)?.clone();
        let after = Endpoint { address_type: Some(kind.to_owned()), ..before.clone() };
        let families = if kind == "dualstack" { 2 } else { 1 };
        let records = before.record_type.as_deref().unwrap_or("service-defined");
        if !matches!(kind, "ipv4" | "ipv6" | "dualstack") || self.destinations(&after).len() != families {
            return refused("InvalidParameter", format!("{} does not support IP address type {kind}", before.service));
        }
        may_give(kind, records)?;
        self.modify_endpoint(id, &[], &before.route_tables)?;
        self.endpoint_mut(id)?.address_type = after.address_type;
        self.modify_endpoint(id, &before.route_tables, &[])
    }

    /// Changes which records the resolver gives of an endpoint's service.
    pub fn set_record_type(&mut self, id: &str, kind: &str) -> Result<(), Refused> {
        may_give(self.endpoint(id)?.address_type.as_deref().unwrap_or("ipv4"), kind)?;
        self.endpoint_mut(id)?.record_type = Some(kind.to_owned());
        self.generation += 1;
        Ok(())
    }

    pub fn delete_endpoint(&mut self, id: &str) -> Result<(), Refused> {
        let tables = self.endpoint(id)?.route_tables.clone();
        self.modify_endpoint(id, &[], &tables)?;
        self.endpoints.retain(|endpoint| endpoint.id != id);
        Ok(())
    }

    pub fn create_route(&mut self, table: &str, destination: Destination, target: Target) -> Result<(), Refused> {
        if self.table(table)?.routes.iter().any(|route| route.destination == destination) {
            return refused("RouteAlreadyExists", format!("The route identified by {destination:?} already exists."));
        }
        self.push_route(table, destination, target, "CreateRoute");
        Ok(())
    }

    pub fn delete_route(&mut self, table: &str, destination: &Destination) -> Result<(), Refused> {
        let routes = &mut self.table_mut(table)?.routes;
        let Some(at) = routes.iter().position(|route| route.destination == *destination) else {
            return refused("InvalidRoute.NotFound", format!("no route with destination {destination:?} in {table}"));
        };
        if routes[at].target.id.starts_with("vpce-") && matches!(destination, Destination::List(_)) {
            let message = format!("cannot remove VPC endpoint route {} in {table}", routes[at].target.id);
            return refused("InvalidParameterValue", message);
        }
        routes.remove(at);
        self.generation += 1;
        Ok(())
    }

    pub fn associate(&mut self, table: &str, subnet: &str) -> Result<String, Refused> {
        self.table(table)?;
        if self.subnet(subnet).is_none() {
            return refused("InvalidSubnetID.NotFound", format!("The subnet ID '{subnet}' does not exist"));
        }
        let with = AssociatedWith::Subnet(subnet.to_owned());
        for other in &mut self.route_tables {
            other.associations.retain(|association| association.with != with);
        }
        let id = self.new_id("rtbassoc-");
        self.table_mut(table)?.associations.push(Association { id: id.clone(), with });
        self.generation += 1;
        Ok(id)
    }

    pub fn disassociate(&mut self, association: &str) -> Result<(), Refused> {
        for table in &mut self.route_tables {
            let found =
                table.associations.iter().position(|one| one.id == association && one.with != AssociatedWith::Main);
            if let Some(at) = found {
                table.associations.remove(at);
                self.generation += 1;
                return Ok(());
            }
        }
        refused("InvalidAssociationID.NotFound", format!("The association ID '{association}' does not exist"))
    }

    // Looking things up.

    pub fn endpoint(&self, id: &str) -> Result<&Endpoint, Refused> {
        let missing = || Refused {
            code: "InvalidVpcEndpointId.NotFound",
            message: format!("The Vpc Endpoint Id '{id}' does not exist"),
        };
        self.endpoints.iter().find(|endpoint| endpoint.id == id).ok_or_else(missing)
    }

    fn endpoint_mut(&mut self, id: &str) -> Result<&mut Endpoint, Refused> {
        self.endpoint(id)?;
        Ok(self.endpoints.iter_mut().find(|endpoint| endpoint.id == id).expect("found just above"))
    }

    pub fn table(&self, id: &str) -> Result<&RouteTable, Refused> {
        let missing = || Refused {
            code: "InvalidRouteTableID.NotFound",
            message: format!("The routeTable ID '{id}' does not exist"),
        };
        self.route_tables.iter().find(|table| table.id == id).ok_or_else(missing)
    }

    fn table_mut(&mut self, id: &str) -> Result<&mut RouteTable, Refused> {
        self.table(id)?;
        Ok(self.route_tables.iter_mut().find(|table| table.id == id).expect("found just above"))
    }

    fn list_of(&self, service: &str) -> Option<String> {
        self.prefix_lists.iter().find(|list| list.name == service).map(|list| list.id.clone())
    }

    /// What the routes to a gateway endpoint match: its service's lists, of the families that it serves.
    fn destinations(&self, endpoint: &Endpoint) -> Vec<Destination> {
        let (ipv4, ipv6) = (endpoint.service.clone(), self.ipv6_list_name(&endpoint.service));
        let names = match endpoint.address_type.as_deref() {
            Some("dualstack") => vec![ipv4, ipv6],
            Some("ipv6") => vec![ipv6],
            Some(_) | None => vec![ipv4],
        };
        names.iter().filter_map(|name| self.list_of(name)).map(Destination::List).collect()
    }

    fn push_route(&mut self, table: &str, destination: Destination, target: Target, origin: &'static str) {
        if let Ok(table) = self.table_mut(table) {
            table.routes.push(Route { destination, target, origin, state: "active" });
        }
        self.generation += 1;
    }

    fn new_id(&mut self, prefix: &str) -> String {
        self.next_id += 1;
        format!("{prefix}{:08x}", self.next_id - 1)
    }
}
