//! What can be said of one address or range: the way it takes, or why there is none.

use super::Missing;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

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
    /// Every kind.
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
