//! What lets packets through or stops them beside the routes: security groups, network ACLs, Block Public Access, NAT gateways, the DNS
//! attributes of a VPC. Judged apart: no gate changes a verdict about a route, except that the firewall's treatment of a subnet says whether an
//! internet gateway needs a public address.

use super::{Gap, NatGatewayId, NetworkAclId, Observed, PrefixListId, SecurityGroupId, SubnetId, VpcId};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use strum::{IntoStaticStr, VariantArray};

/// What EC2 says of the gates of the instance's network interfaces and subnets, where it is asked (`--gates`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateFacts {
    /// The security groups of the network interfaces.
    pub security_groups: Observed<Vec<SecurityGroup>>,
    /// The network ACLs of the subnets.
    pub network_acls: Observed<Vec<NetworkAcl>>,
    /// What the subnets have beside their ranges.
    pub subnets: Observed<Vec<SubnetGates>>,
    /// The exclusions from Block Public Access in this account and Region.
    pub exclusions: Observed<Vec<PublicAccessExclusion>>,
    /// The NAT gateways of the VPCs.
    pub nat_gateways: Observed<Vec<NatGateway>>,
    /// The DNS attributes of the VPCs.
    pub dns: Observed<Vec<VpcDns>>,
}

impl GateFacts {
    /// Nothing is known of them where they are asked for, and nothing is to be said where they are not.
    pub fn unseen_if(asked: bool, gap: &Gap) -> Option<Box<Self>> {
        asked.then(|| Box::new(Self::unseen(gap)))
    }

    /// Nothing is known of the gates, for one reason.
    pub fn unseen(gap: &Gap) -> Self {
        Self {
            security_groups: Observed::Unseen(gap.clone()),
            network_acls: Observed::Unseen(gap.clone()),
            subnets: Observed::Unseen(gap.clone()),
            exclusions: Observed::Unseen(gap.clone()),
            nat_gateways: Observed::Unseen(gap.clone()),
            dns: Observed::Unseen(gap.clone()),
        }
    }
}

/// Ports of TCP, the first and the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ports {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl Ports {
    /// Every port.
    pub const ALL: Self = Self { first: 0, last: u16::MAX };

    /// Whether all of `other` are among them.
    pub fn contains(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// Those that both have.
    pub fn common(self, other: Self) -> Option<Self> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        (first <= last).then_some(Self { first, last })
    }
}

/// A security group: what it lets out by TCP. What comes back is let in whatever its rules say.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html>
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecurityGroup {
    /// `sg-…`
    pub id: SecurityGroupId,
    /// Its rules for what goes out, those of other protocols than TCP left out.
    pub egress: Vec<EgressRule>,
}

/// What a rule of a security group lets out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EgressRule {
    /// To these ports.
    pub ports: Ports,
    /// To these addresses.
    #[schemars(with = "Vec<String>")]
    pub ranges: Vec<IpNet>,
    /// To the addresses of these prefix lists.
    pub prefix_lists: Vec<PrefixListId>,
    /// To the network interfaces of these security groups.
    pub groups: Vec<SecurityGroupId>,
}

/// A network ACL: the first rule that matches decides, in each direction; none matches: denied.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/nacl-rules.html>
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkAcl {
    /// `acl-…`
    pub id: NetworkAclId,
    /// The subnets that it is associated with.
    pub subnets: Vec<SubnetId>,
    /// What goes out, in the order of the rules' numbers; rules of other protocols than TCP left out.
    pub egress: Vec<AclRule>,
    /// What comes in, likewise.
    pub ingress: Vec<AclRule>,
}

/// A rule of a network ACL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AclRule {
    /// The lowest number is tried first.
    pub number: u32,
    /// Whether it allows what it matches; it denies it otherwise.
    pub allows: bool,
    /// The addresses of the other end.
    #[schemars(with = "String")]
    pub range: IpNet,
    /// The destination's ports.
    pub ports: Ports,
}

/// What a subnet has beside its ranges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubnetGates {
    /// `subnet-…`
    pub id: SubnetId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its zone, where the answer has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// `BlockPublicAccessStates.InternetGatewayBlockMode`, where the answer has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_access: Option<PublicAccess>,
    /// `NetworkFirewallConnectivityType`: how an Automated Internet Firewall of its VPC treats it; `None` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firewall: Option<String>,
}

/// What Block Public Access stops on the way through an internet gateway.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/security-vpc-bpa.html>
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PublicAccess {
    /// Nothing.
    Off,
    /// Everything, in both directions.
    BlockBidirectional,
    /// Everything but what NAT gateways and egress-only internet gateways send.
    BlockIngress,
    /// Any other value, as the API returned it.
    #[serde(untagged)]
    Other(String),
}

/// A subnet or VPC that is excluded from Block Public Access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublicAccessExclusion {
    /// `vpcbpa-exclude-…`
    pub id: String,
    /// The ARN of the subnet or VPC.
    pub resource: String,
    /// What is let through: `allow-bidirectional`, `allow-egress`.
    pub mode: String,
    /// Whether it is in effect: `create-complete` and so on.
    pub state: String,
}

/// A NAT gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NatGateway {
    /// `nat-…`
    pub id: NatGatewayId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its subnet; a regional one has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<SubnetId>,
    /// Its zone, where its address has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// `available`, `pending`, `failed`, `deleting`, `deleted`.
    pub state: String,
    /// `public` or `private`, where the answer has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connectivity: Option<String>,
    /// Whether it serves every zone (`AvailabilityMode` `regional`).
    pub is_regional: bool,
    /// The kinds of the appliances attached to it, such as `network-firewall-proxy`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub appliances: Vec<String>,
}

/// The DNS attributes of a VPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VpcDns {
    /// `vpc-…`
    pub vpc: VpcId,
    /// `enableDnsSupport`: whether Amazon's name servers answer in it.
    pub support: bool,
    /// `enableDnsHostnames`: whether private names of interface endpoints can be used, too.
    pub hostnames: bool,
}

/// A kind of gate.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum GateKind {
    /// The security groups of the network interface.
    SecurityGroup,
    /// The network ACL of the subnet.
    NetworkAcl,
    /// Block Public Access of the subnet.
    PublicAccess,
    /// The NAT gateway that the route leads to.
    NatGateway,
    /// The Automated Internet Firewall at the internet gateway that the route leads to.
    InternetFirewall,
    /// Whether Amazon's name servers answer in the VPC.
    DnsSupport,
}

impl GateKind {
    /// Every kind, in the order in which they are reported.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The kind as a label.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What it is, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::SecurityGroup => "security group",
            Self::NetworkAcl => "network ACL",
            Self::PublicAccess => "Block Public Access",
            Self::NatGateway => "NAT gateway",
            Self::InternetFirewall => "internet firewall",
            Self::DnsSupport => "DNS support",
        }
    }
}

/// Whether a gate lets requests through.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum GateState {
    /// It lets them through.
    Open,
    /// A fact is missing that could change the answer.
    Unknown,
    /// It stops them, or some of them.
    Closed,
}

impl GateState {
    /// Every state.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The state as a label.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for GateState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One gate on the way of requests to DynamoDB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// The kind.
    pub gate: GateKind,
    /// Whether it lets requests through.
    pub state: GateState,
    /// What was judged: the ids.
    pub of: String,
    /// The rule that decides, or what is missing.
    pub reason: String,
    /// A command that opens it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// Which one, and why it is in its state.
impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gate, of, reason, .. } = self;
        write!(f, "{} {of}: {reason}", gate.title())
    }
}
