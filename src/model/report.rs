//! What was concluded, and what it rests on. The only way into `present`.

use super::{
    InterfaceId, Missing, PrefixListId, Probe, Route, RouteTableId, Snapshot, SubnetId, Timestamp, VpcEndpointId,
};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};

/// What one round comes to. Ordered from best to worst: the worst wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every address in use, and every range of the prefix list, is carried by a DynamoDB VPC endpoint.
    OnNet,
    /// An address in use is on-net and none leaves otherwise, but a warning finding stands.
    AtRisk,
    /// Not enough seen to say, or what was seen is too old.
    Undetermined,
    /// No address in use can be reached.
    Dropped,
    /// Some address in use leaves by something that is not a DynamoDB endpoint.
    OffNet,
}

impl Outcome {
    /// From best to worst.
    pub const ALL: [Self; 5] = [Self::OnNet, Self::AtRisk, Self::Undetermined, Self::Dropped, Self::OffNet];

    /// The outcome as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::OnNet => "on_net",
            Self::AtRisk => "at_risk",
            Self::Undetermined => "undetermined",
            Self::Dropped => "dropped",
            Self::OffNet => "off_net",
        }
    }

    /// The exit code, as the Nagios plugin guidelines have it: 0 OK, 1 warning, 2 critical, 3 unknown.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::OnNet => 0,
            Self::AtRisk => 1,
            Self::Dropped | Self::OffNet => 2,
            Self::Undetermined => 3,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How strong the evidence is: configuration infers, packets corroborate, the service testifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProofLevel {
    /// Configuration only.
    Inferred,
    /// A probe went out by the very interface, address and route that were judged, and was answered.
    Consistent,
    /// The service itself testified.
    Proved,
}

impl ProofLevel {
    /// From weakest to strongest.
    pub const ALL: [Self; 3] = [Self::Inferred, Self::Consistent, Self::Proved];

    /// The level as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inferred => "inferred",
            Self::Consistent => "consistent",
            Self::Proved => "proved",
        }
    }
}

/// What a winning route's target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the names EC2 gives these things")]
pub enum PathKind {
    GatewayEndpoint,
    InterfaceEndpoint,
    InternetGateway,
    EgressOnlyInternetGateway,
    NatGateway,
    TransitGateway,
    VirtualPrivateGateway,
    PeeringConnection,
    NetworkInterface,
    Instance,
    LocalGateway,
    CarrierGateway,
    CoreNetwork,
    GatewayLoadBalancerEndpoint,
    Local,
    Other,
}

impl PathKind {
    /// Every kind, for tables that must be complete.
    pub const ALL: [Self; 16] = [
        Self::GatewayEndpoint,
        Self::InterfaceEndpoint,
        Self::InternetGateway,
        Self::EgressOnlyInternetGateway,
        Self::NatGateway,
        Self::TransitGateway,
        Self::VirtualPrivateGateway,
        Self::PeeringConnection,
        Self::NetworkInterface,
        Self::Instance,
        Self::LocalGateway,
        Self::CarrierGateway,
        Self::CoreNetwork,
        Self::GatewayLoadBalancerEndpoint,
        Self::Local,
        Self::Other,
    ];

    /// The kind as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::GatewayEndpoint => "gateway_endpoint",
            Self::InterfaceEndpoint => "interface_endpoint",
            Self::InternetGateway => "internet_gateway",
            Self::EgressOnlyInternetGateway => "egress_only_internet_gateway",
            Self::NatGateway => "nat_gateway",
            Self::TransitGateway => "transit_gateway",
            Self::VirtualPrivateGateway => "virtual_private_gateway",
            Self::PeeringConnection => "peering_connection",
            Self::NetworkInterface => "network_interface",
            Self::Instance => "instance",
            Self::LocalGateway => "local_gateway",
            Self::CarrierGateway => "carrier_gateway",
            Self::CoreNetwork => "core_network",
            Self::GatewayLoadBalancerEndpoint => "gateway_load_balancer_endpoint",
            Self::Local => "local",
            Self::Other => "other",
        }
    }
}

impl PathKind {
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
            Self::Other => "other target",
        }
    }
}

impl fmt::Display for PathKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The way traffic takes: the kind of the target, its id, and whether it is DynamoDB's own endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// What it is.
    pub kind: PathKind,
    /// Its id: the endpoint's, for an interface endpoint; `local` for the local route.
    pub target: String,
    /// The API's field, for [`PathKind::Other`].
    pub field: Option<String>,
    /// The service the endpoint is for; `None` where the path is no endpoint.
    pub service: Option<String>,
    /// Whether this is a VPC endpoint of the Region's DynamoDB service: the only thing that makes on-net.
    pub is_dynamodb_endpoint: bool,
}

impl fmt::Display for Path {
    /// `gateway endpoint vpce-…`, `device wg0`, `NAT gateway nat-…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, &self.field) {
            (PathKind::Local, _) => f.write_str(self.kind.words()),
            (_, Some(field)) => write!(f, "{field} {}", self.target),
            (_, None) => write!(f, "{} {}", self.kind.words(), self.target),
        }
    }
}

/// Why packets go nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Drop {
    /// No route of the VPC matches.
    NoRoute,
    /// The winning route's target is gone. It does not fall through to the next.
    Blackhole {
        /// What it pointed at.
        target: String,
    },
    /// An internet gateway is the way and the source address has no public one.
    NoPublicAddress {
        /// The gateway.
        target: String,
    },
    /// The instance's own kernel has no route.
    NoKernelRoute {
        /// The kernel's word.
        detail: String,
    },
}

/// What the evidence supports about one address or range. Never a guess.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "VerdictJson", into = "VerdictJson")]
#[schemars(with = "VerdictJson")]
pub enum Verdict {
    /// One route wins.
    Via(Path),
    /// Packets go nowhere.
    Dropped(Drop),
    /// Routes tie and AWS does not say which wins.
    Ambiguous(Vec<Path>),
    /// A fact is missing that could change the answer.
    Undetermined(Vec<Missing>),
}

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute => f.write_str("no route matches"),
            Self::Blackhole { target } => write!(f, "the winning route is a blackhole: {target} is gone"),
            Self::NoPublicAddress { target } => {
                write!(f, "internet gateway {target} is the way, and the source address has no public one")
            }
            Self::NoKernelRoute { detail } => write!(f, "the instance's own kernel has no route: {detail}"),
        }
    }
}

impl Verdict {
    /// The verdict as a label: `via`, `dropped`, `ambiguous`, `undetermined`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Via(_) => "via",
            Self::Dropped(_) => "dropped",
            Self::Ambiguous(_) => "ambiguous",
            Self::Undetermined(_) => "undetermined",
        }
    }

    /// The path, where one route wins.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Via(path) => Some(path),
            Self::Dropped(_) | Self::Ambiguous(_) | Self::Undetermined(_) => None,
        }
    }

    /// Whether traffic is carried by a DynamoDB VPC endpoint.
    pub fn is_on_net(&self) -> bool {
        self.path().is_some_and(|path| path.is_dynamodb_endpoint)
    }

    /// Whether traffic leaves by something that is not a DynamoDB VPC endpoint.
    pub fn is_off_net(&self) -> bool {
        self.path().is_some_and(|path| !path.is_dynamodb_endpoint)
    }
}

/// A verdict as the JSON contracts have it: flat, with the path and target beside it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Verdict")]
struct VerdictJson {
    /// What can be said.
    verdict: VerdictKind,
    /// What the winning route's target is; null unless `via`.
    path: Option<PathKind>,
    /// The id the winning route points at, also of a blackhole; null if none.
    target: Option<String>,
    /// Whether that is a VPC endpoint of the Region's DynamoDB service.
    #[serde(default)]
    is_dynamodb_endpoint: bool,
    /// The service of the endpoint, if the path is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    /// The API's field, for path `other`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Why packets go nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dropped: Option<Drop>,
    /// The paths that tie.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tied: Vec<Path>,
    /// The facts that are missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    missing: Vec<Missing>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum VerdictKind {
    Via,
    Dropped,
    Ambiguous,
    Undetermined,
}

impl From<Verdict> for VerdictJson {
    fn from(verdict: Verdict) -> Self {
        let blank = |kind| Self {
            verdict: kind,
            path: None,
            target: None,
            is_dynamodb_endpoint: false,
            service: None,
            field: None,
            dropped: None,
            tied: Vec::new(),
            missing: Vec::new(),
        };
        match verdict {
            Verdict::Via(path) => Self {
                path: Some(path.kind),
                target: Some(path.target),
                is_dynamodb_endpoint: path.is_dynamodb_endpoint,
                service: path.service,
                field: path.field,
                ..blank(VerdictKind::Via)
            },
            Verdict::Dropped(drop) => {
                let target = match &drop {
                    Drop::Blackhole { target } | Drop::NoPublicAddress { target } => Some(target.clone()),
                    Drop::NoRoute | Drop::NoKernelRoute { .. } => None,
                };
                Self { target, dropped: Some(drop), ..blank(VerdictKind::Dropped) }
            }
            Verdict::Ambiguous(tied) => Self { tied, ..blank(VerdictKind::Ambiguous) },
            Verdict::Undetermined(missing) => Self { missing, ..blank(VerdictKind::Undetermined) },
        }
    }
}

impl From<VerdictJson> for Verdict {
    fn from(json: VerdictJson) -> Self {
        match (json.verdict, json.path, json.target, json.dropped) {
            (VerdictKind::Via, Some(kind), Some(target), _) => Self::Via(Path {
                kind,
                target,
                field: json.field,
                service: json.service,
                is_dynamodb_endpoint: json.is_dynamodb_endpoint,
            }),
            (VerdictKind::Dropped, _, _, Some(drop)) => Self::Dropped(drop),
            (VerdictKind::Ambiguous, ..) => Self::Ambiguous(json.tied),
            // Also a `via` without a path and a `dropped` without a reason: fail closed.
            (VerdictKind::Via | VerdictKind::Dropped | VerdictKind::Undetermined, ..) => {
                Self::Undetermined(json.missing)
            }
        }
    }
}

/// Why a subnet uses its route table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssociationKind {
    /// The table names the subnet.
    Explicit,
    /// It has none of its own, so the VPC's main table serves it.
    Main,
}

impl AssociationKind {
    /// The kind as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Explicit => "explicit",
            Self::Main => "main",
        }
    }
}

/// Why a route that matches did not win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LostBy {
    /// A longer prefix matched.
    ShorterPrefix,
    /// At equal length a static route outranks a prefix list.
    StaticOutranksPrefixList,
    /// At equal length a static route or a prefix list outranks a propagated route.
    PropagatedRanksLast,
    /// A propagated route never beats the local route, not even with a longer prefix.
    LocalBeatsPropagated,
    /// It leads to the same target by the same prefix.
    Duplicate,
}

/// A route and the prefix by which it matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Matched {
    /// The matching range: the route's own, or the prefix list's entry.
    #[schemars(with = "String")]
    pub prefix: IpNet,
    /// The route.
    pub route: Route,
}

/// A route that matched and lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Loser {
    /// The route.
    #[serde(flatten)]
    pub matched: Matched,
    /// Why it lost.
    pub lost_by: LostBy,
}

/// One step of the reasoning, naming what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Evidence {
    /// The kernel would send it out by this device.
    LeavesBy {
        /// The device.
        device: String,
        /// The source address.
        source: Option<IpAddr>,
        /// The next hop.
        gateway: Option<IpAddr>,
    },
    /// The network interface was given by `--interface`, not by the kernel.
    AssumedInterface {
        /// The network interface.
        interface: InterfaceId,
    },
    /// That device is this network interface.
    DeviceIs {
        /// The network interface.
        interface: InterfaceId,
        /// Its subnet.
        subnet: SubnetId,
    },
    /// The address lies in the interface's own subnet: no route table applies.
    SameSubnet {
        /// The subnet's range.
        #[schemars(with = "String")]
        cidr: IpNet,
    },
    /// The subnet uses this route table.
    UsesTable {
        /// The table.
        table: RouteTableId,
        /// Why.
        association: AssociationKind,
    },
    /// This route won.
    Won(Matched),
    /// This route matched and lost.
    Lost(Loser),
    /// The address belongs to this network interface of an interface endpoint.
    BelongsTo {
        /// The network interface.
        interface: InterfaceId,
        /// The endpoint.
        endpoint: VpcEndpointId,
    },
    /// An environment variable sends the name to a proxy.
    Proxied {
        /// The variable.
        variable: String,
        /// The proxy.
        proxy: String,
    },
    /// A probe was answered over a socket with this local address.
    Answered {
        /// The socket's own address.
        local: IpAddr,
        /// The result.
        result: super::ProbeResult,
    },
    /// The service itself said how the request came.
    Testified {
        /// The service's sentence.
        message: String,
    },
}

/// One address judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AddressReport {
    /// The address.
    pub address: IpAddr,
    /// The name it belongs to.
    pub hostname: String,
    /// Whether applications on this host would use it.
    pub in_use: bool,
    /// What can be said.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// One sentence.
    pub reason: String,
    /// The steps of the reasoning.
    pub evidence: Vec<Evidence>,
}

/// How one range of the prefix list fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CoverageRange {
    /// The range.
    #[schemars(with = "String")]
    pub cidr: IpNet,
    /// The prefix list it is part of.
    pub prefix_list: PrefixListId,
    /// The table it was judged by.
    pub route_table: RouteTableId,
    /// What can be said.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; changes nothing.
    Info,
    /// Forbids on-net.
    Warning,
    /// Why traffic is off-net or dropped.
    Critical,
}

impl Severity {
    /// The severity as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

macro_rules! finding_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal,)*) => {
        /// The stable code of a finding: what alerts and scripts go by. The README's table is tested against it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum FindingCode {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)*
        }

        impl FindingCode {
            /// Every code, for tables that must be complete.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as text.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
        }
    };
}

finding_codes! {
    /// The VPC has no DynamoDB gateway endpoint.
    NoEndpoint = "no-endpoint",
    /// There is one, but the subnet's route table is not associated with it.
    EndpointNotAssociated = "endpoint-not-associated",
    /// The endpoint the route points at is not in state `available`.
    EndpointNotAvailable = "endpoint-not-available",
    /// The endpoint the route points at is not visible to this account, as in a shared VPC.
    EndpointNotVisible = "endpoint-not-visible",
    /// A more specific or equal route takes some or all of the prefix list away from the endpoint.
    PartlyDiverted = "partly-diverted",
    /// The winning route's target is gone.
    Blackhole = "blackhole",
    /// No route matches.
    NoRoute = "no-route",
    /// An internet gateway is the way and the source address has no public one.
    NoPublicAddress = "no-public-address",
    /// A name resolves to an address that is neither in DynamoDB's prefix list nor an endpoint's.
    AddressNotInPrefixList = "address-not-in-prefix-list",
    /// Two prefix lists in the table overlap and point at different targets.
    OverlappingPrefixLists = "overlapping-prefix-lists",
    /// A route is in a state whose meaning AWS does not document.
    UnknownRouteState = "unknown-route-state",
    /// The environment sends DynamoDB's name to a proxy.
    ProxyConfigured = "proxy-configured",
    /// The kernel sends the address into a tunnel, to itself, or out by a device that is no network interface.
    LeavesByTunnel = "leaves-by-tunnel",
    /// A route of the kernel takes part of the prefix list to another device.
    HostRouteDiverts = "host-route-diverts",
    /// `/etc/hosts` has its own addresses for the name.
    HostsFileOverride = "hosts-file-override",
    /// An endpoint URL from the environment or the profile replaces the regional name.
    CustomEndpoint = "custom-endpoint",
    /// The name is another Region's.
    OtherRegion = "other-region",
    /// The name does not resolve.
    NameNotResolved = "name-not-resolved",
    /// A fact was denied; the message names the IAM action.
    MissingPermission = "missing-permission",
    /// There are no credentials, or they are not accepted.
    NoCredentials = "no-credentials",
    /// The instance metadata service did not answer.
    MetadataUnavailable = "metadata-unavailable",
    /// The EC2 API did not answer, as in a subnet whose only way out is the gateway endpoint.
    Ec2Unreachable = "ec2-unreachable",
    /// Another fact is missing that could change the answer.
    MissingFact = "missing-fact",
    /// A fact is too old to support a verdict.
    StaleEvidence = "stale-evidence",
    /// A probe got no answer from DynamoDB.
    ProbeFailed = "probe-failed",
    /// DynamoDB answered, and denied the call: the path works.
    AccessDenied = "access-denied",
    /// Packets or the service contradict what the configuration says.
    EvidenceDisagrees = "evidence-disagrees",
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A problem, with its fix where there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Its stable code.
    pub code: FindingCode,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence with the ids in it.
    pub message: String,
    /// The AWS CLI command (or setting) that mends it, with this instance's own ids.
    pub fix: Option<String>,
    /// What the fix does besides, such as dropping open connections.
    pub caution: Option<String>,
}

/// The instance in few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceSummary {
    /// `i-…`
    pub id: String,
    /// The Region it runs in.
    pub region: String,
    /// The network interface DynamoDB traffic leaves by, if known.
    pub interface: Option<String>,
    /// Its subnet.
    pub subnet: Option<String>,
    /// Its VPC.
    pub vpc: Option<String>,
    /// The route table that subnet uses.
    pub route_table: Option<String>,
}

/// How much of the prefix list is on-net, in CIDRs and in addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CoverageSummary {
    /// Entries of the list.
    pub cidrs: u64,
    /// Entries that are wholly on-net.
    pub cidrs_on_net: u64,
    /// Addresses of the list, `u64::MAX` at most: an IPv6 range may hold more.
    pub addresses: u64,
    /// Addresses that are on-net.
    pub addresses_on_net: u64,
}

/// All findings of one round, and what they come to. Drives the exit code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// [`crate::model::SCHEMA`] when it was written.
    pub schema: u32,
    /// What it comes to.
    pub outcome: Outcome,
    /// How strong the evidence is.
    pub proof: ProofLevel,
    /// The answer in one sentence.
    pub summary: String,
    /// When the round began.
    pub taken_at: Timestamp,
    /// The name an SDK would use; `None` if it could not be known.
    pub hostname: Option<String>,
    /// The instance, if it is known.
    pub instance: Option<InstanceSummary>,
    /// What stands in the way, worst first.
    pub findings: Vec<Finding>,
    /// Every address, judged.
    pub addresses: Vec<AddressReport>,
    /// Every range of the prefix list, judged.
    pub coverage: Vec<CoverageRange>,
    /// The coverage in numbers; `None` if the list is not known.
    pub coverage_summary: Option<CoverageSummary>,
    /// The probes that were made.
    pub probes: Vec<Probe>,
    /// What it all rests on.
    pub snapshot: Snapshot,
}

/// `explain`: what the VPC would do with one address, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// The address.
    pub address: IpAddr,
    /// The subnet it is asked from.
    pub subnet: SubnetId,
    /// The table that subnet uses; `None` if that is not known.
    pub route_table: Option<RouteTableId>,
    /// Why it uses it.
    pub association: Option<AssociationKind>,
    /// What can be said.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The winning route, flat; null if none.
    pub route: Option<WinningRoute>,
    /// The routes that matched and lost, best first.
    pub losers: Vec<Loser>,
    /// One sentence.
    pub reason: String,
}

/// The winning route as `explain` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WinningRoute {
    /// A CIDR or a prefix list's id.
    pub destination: String,
    /// The range by which it matched.
    #[schemars(with = "String")]
    pub prefix: IpNet,
    /// Where it came from, in the API's word.
    pub origin: super::Origin,
    /// Whether it works.
    pub state: super::RouteState,
}

/// `audit`: every subnet, judged by its route table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// [`crate::model::SCHEMA`] when it was written.
    pub schema: u32,
    /// The Region.
    pub region: String,
    /// The service's name for endpoints: `com.amazonaws.us-east-1.dynamodb`.
    pub service: String,
    /// The worst outcome of all subnets; undetermined if there is none.
    pub outcome: Outcome,
    /// What stands in the way of an answer as a whole, such as a permission.
    pub findings: Vec<Finding>,
    /// Every subnet.
    pub subnets: Vec<SubnetAudit>,
}

/// One subnet, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubnetAudit {
    /// Its VPC.
    pub vpc: super::VpcId,
    /// The subnet.
    pub subnet: SubnetId,
    /// The table it uses; `None` if that is not known.
    pub route_table: Option<RouteTableId>,
    /// Why it uses it.
    pub association: Option<AssociationKind>,
    /// What it comes to.
    pub outcome: Outcome,
    /// Every range of the prefix list, judged.
    pub coverage: Vec<CoverageRange>,
    /// What stands in the way, worst first.
    pub findings: Vec<Finding>,
}
