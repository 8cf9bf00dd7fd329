//! What was concluded. The only way into `present`.

use super::{
    AssociationKind, Decision, Destination, EndpointPolicy, EndpointState, Finding, FindingCode, Gate, IdleEndpoint,
    InstanceId, InterfaceId, Loser, NameKind, NatCost, NatRates, Origin, Outcome, Path, PrefixListId, Probe,
    ProofLevel, RouteState, RouteTableId, Severity, Snapshot, SubnetId, Timestamp, Trace, Verdict, VpcId,
    WithoutEndpoint, destination_as_text,
};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The verdict on one address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AddressReport {
    /// The address.
    pub address: IpAddr,
    /// The name of the address.
    pub hostname: String,
    /// Whether applications on this host would use it.
    pub in_use: bool,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The result in one sentence.
    pub reason: String,
    /// The steps of the reasoning.
    #[serde(rename = "evidence")]
    pub trace: Trace,
}

/// The verdict on one range of the prefix list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CoverageRange {
    /// The range.
    #[schemars(with = "String")]
    pub cidr: IpNet,
    /// The prefix list that has the range.
    pub prefix_list: PrefixListId,
    /// The route table that decides.
    pub route_table: RouteTableId,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// A summary of the instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceSummary {
    /// `i-…`
    pub id: InstanceId,
    /// The Region it runs in.
    pub region: String,
    /// The network interface that DynamoDB traffic goes through, if known.
    pub interface: Option<InterfaceId>,
    /// Its subnet.
    pub subnet: Option<SubnetId>,
    /// Its VPC.
    pub vpc: Option<VpcId>,
    /// The route table that subnet uses.
    pub route_table: Option<RouteTableId>,
}

/// A name of DynamoDB, and what becomes of requests to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NameReport {
    /// The name.
    pub hostname: String,
    /// How it was chosen.
    pub kind: NameKind,
    /// The settings of the AWS SDKs that chose it: variables, and keys of a profile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chosen_by: Vec<String>,
    /// Whether it counts towards the outcome: an SDK here, or a program that a user named, uses it.
    pub in_use: bool,
    /// The worst outcome of its addresses; undetermined where they are not all known.
    pub outcome: Outcome,
    /// The paths of its addresses, each once.
    pub paths: Vec<Path>,
}

/// A network interface of the instance, or some of its addresses, judged by the route table of its subnet: what becomes of DynamoDB
/// traffic from these addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InterfaceReport {
    /// `eni-…`
    pub interface: InterfaceId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Its VPC.
    pub vpc: VpcId,
    /// The addresses: all of them, or those that differ from the others.
    pub addresses: Vec<IpAddr>,
    /// The prefixes that are assigned to it, if they do not differ from the addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub prefixes: Vec<IpNet>,
    /// Whether the kernel sends traffic to an address of DynamoDB in use from one of them.
    pub in_use: bool,
    /// The route table of the subnet; `None` if it is not known.
    pub route_table: Option<RouteTableId>,
    /// The outcome for the whole prefix list.
    pub outcome: Outcome,
    /// How much of the list a DynamoDB endpoint carries; `None` if it is not known.
    pub coverage_summary: Option<CoverageSummary>,
    /// Where the list goes, in words.
    pub reason: String,
}

/// The part of the prefix list that is on-net, in CIDRs and in addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CoverageSummary {
    /// Entries of the list.
    pub cidrs: u64,
    /// Entries that are completely on-net.
    pub cidrs_on_net: u64,
    /// Addresses of the list, `u64::MAX` at most: an IPv6 range may hold more.
    pub addresses: u64,
    /// Addresses that are on-net.
    pub addresses_on_net: u64,
}

impl CoverageSummary {
    /// How many addresses are on-net, and how many there are, where they can be counted.
    pub fn counted(&self) -> Option<(u64, u64)> {
        (self.addresses < u64::MAX).then_some((self.addresses_on_net, self.addresses))
    }

    /// The part of the list that is on-net, and the whole: in addresses, or in entries where those are too many to count.
    pub fn share(&self) -> (u64, u64) {
        self.counted().unwrap_or((self.cidrs_on_net, self.cidrs))
    }
}

/// All results of one round. The outcome determines the exit code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The schema version, [`crate::model::SCHEMA`], when it was written.
    pub schema: u32,
    /// The outcome.
    pub outcome: Outcome,
    /// How strong the evidence is.
    pub proof: ProofLevel,
    /// The answer in one sentence.
    pub summary: String,
    /// The start of the round.
    pub taken_at: Timestamp,
    /// What decided the outcome; `None` if an unknown name in use may have decided it.
    pub decided_by: Option<Decision>,
    /// The DynamoDB endpoint of the VPC that the deciding path does not use; `None` if it uses one, or is not known.
    pub idle_endpoint: Option<IdleEndpoint>,
    /// What would become of the traffic if the DynamoDB endpoints that carry it were deleted; `None` if none carries any.
    #[serde(default)]
    pub without_endpoint: Option<WithoutEndpoint>,
    /// What NAT gateways charge for the traffic, or would if the endpoint were deleted; `None` if none would carry any.
    #[serde(default)]
    pub nat_cost: Option<NatCost>,
    /// What else lets requests through or stops them, where it was asked for (`--gates`). Apart from the verdicts, which are about routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// What the policies of the endpoints in use say of the actions that programs here use.
    #[serde(default)]
    pub endpoint_policies: Vec<EndpointPolicy>,
    /// The name that decided the outcome, else the one that an SDK would use; `None` if it is not known.
    pub hostname: Option<String>,
    /// The instance; `None` if it is not known.
    pub instance: Option<InstanceSummary>,
    /// The findings, worst first.
    pub findings: Vec<Finding>,
    /// Every name, in the order in which SDKs here use them.
    #[serde(default)]
    pub names: Vec<NameReport>,
    /// The verdict on every address.
    pub addresses: Vec<AddressReport>,
    /// The verdict on every range of the prefix list.
    pub coverage: Vec<CoverageRange>,
    /// The coverage in numbers; `None` if the list is not known.
    pub coverage_summary: Option<CoverageSummary>,
    /// Every network interface of the instance. The outcome is that of the one in use.
    #[serde(default)]
    pub interfaces: Vec<InterfaceReport>,
    /// The probes that were made.
    pub probes: Vec<Probe>,
    /// The facts of the round.
    pub snapshot: Snapshot,
}

impl Report {
    /// Whether two readings of configuration contradict each other. EC2 is eventually consistent: another reading may settle it.
    pub fn has_facts_that_disagree(&self) -> bool {
        self.findings.iter().any(|finding| finding.code == FindingCode::FactsDisagree)
    }

    /// Whether anything contradicts anything else.
    pub fn has_contradiction(&self) -> bool {
        let is_one = |code| matches!(code, FindingCode::FactsDisagree | FindingCode::EvidenceDisagrees);
        self.findings.iter().any(|finding| is_one(finding.code))
    }

    /// Whether DynamoDB traffic is carried by VPC endpoints; `None` where that is not known of all of it.
    ///
    /// At risk it is known where the warnings are about what was observed: of a part of the prefix list that goes elsewhere,
    /// say. Where a fact is missing, or contradicts another, nothing is claimed of all traffic.
    pub fn is_on_net(&self) -> Option<bool> {
        match self.outcome {
            Outcome::OnNet => Some(true),
            Outcome::OffNet | Outcome::Dropped => Some(false),
            Outcome::Undetermined => None,
            Outcome::AtRisk => {
                let is_open = |range: &CoverageRange| match range.verdict {
                    Verdict::Undetermined(_) | Verdict::Ambiguous(_) => true,
                    Verdict::Via(_) | Verdict::Dropped(_) => false,
                };
                let is_gap = |finding: &Finding| finding.severity >= Severity::Warning && finding.code.is_gap();
                let is_known = !self.coverage.iter().any(is_open) && !self.findings.iter().any(is_gap);
                is_known.then_some(true)
            }
        }
    }

    /// The address that decided the outcome, if one did.
    pub fn deciding_address(&self) -> Option<&AddressReport> {
        let decided = self.decided_by.as_ref()?;
        let address = decided.address()?;
        self.addresses.iter().find(|report| report.address == address && report.hostname == decided.hostname())
    }
}

/// `explain`: the VPC's route to one address, and why it wins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// The address.
    pub address: IpAddr,
    /// The subnet of the source.
    pub subnet: SubnetId,
    /// The route table of the subnet; `None` if that is not known.
    pub route_table: Option<RouteTableId>,
    /// Why the subnet uses that table.
    pub association: Option<AssociationKind>,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The winning route as flat fields; null if there is none.
    pub route: Option<WinningRoute>,
    /// The routes that matched and lost, best first.
    pub losers: Vec<Loser>,
    /// The state of the DynamoDB endpoint that it leads to; null if it leads to none.
    #[serde(default)]
    pub endpoint_state: Option<EndpointState>,
    /// Whether it leads into another network, where an interface endpoint may have the address: the outcome is undetermined.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_remote: bool,
    /// The result in one sentence.
    pub reason: String,
}

/// The winning route in the form of `explain`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WinningRoute {
    /// A CIDR or a prefix list's id.
    #[serde(with = "destination_as_text")]
    #[schemars(with = "String")]
    pub destination: Destination,
    /// The range that matched.
    #[schemars(with = "String")]
    pub prefix: IpNet,
    /// The origin, in the API's words.
    pub origin: Origin,
    /// The state.
    pub state: RouteState,
}

/// `audit`: every subnet, judged by its route table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// The schema version, [`crate::model::SCHEMA`], when it was written.
    pub schema: u32,
    /// The Region.
    pub region: String,
    /// The service's name for endpoints: `com.amazonaws.us-east-1.dynamodb`.
    pub service: String,
    /// The worst outcome of all subnets; undetermined if there is none.
    pub outcome: Outcome,
    /// What NAT gateways charge for the traffic of the subnets, or would if the endpoints were deleted; `None` if none would carry any.
    #[serde(default)]
    pub nat_cost: Option<NatCost>,
    /// Findings about the whole audit, such as a missing permission.
    pub findings: Vec<Finding>,
    /// Every subnet.
    pub subnets: Vec<SubnetAudit>,
}

impl Audit {
    /// With an estimate of what NAT gateways cost at these rates.
    #[must_use]
    pub fn with_nat_cost(mut self, rates: NatRates) -> Self {
        let now = self.subnets.iter().flat_map(|subnet| &subnet.coverage).filter_map(|range| range.verdict.path());
        let afterwards = self.subnets.iter().filter_map(|subnet| subnet.without_endpoint.as_ref());
        self.nat_cost = NatCost::of(rates, now, afterwards.flat_map(WithoutEndpoint::paths));
        self
    }

    /// With its Region in every command that fixes a finding, for those whose AWS CLI has another one by default.
    #[must_use]
    pub fn with_region_in_fixes(mut self) -> Self {
        let is_plain = !self.region.is_empty() && self.region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let flag = format!(" --region {}", self.region);
        let of_subnets = self.subnets.iter_mut().flat_map(|subnet| &mut subnet.findings);
        for finding in self.findings.iter_mut().chain(of_subnets).filter(|_| is_plain) {
            if let Some(fix) = finding.fix.as_mut().filter(|fix| fix.starts_with("aws ") && !fix.contains(" --region "))
            {
                fix.push_str(&flag);
            }
        }
        self
    }
}

/// The verdict on one subnet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubnetAudit {
    /// Its VPC.
    pub vpc: VpcId,
    /// The subnet.
    pub subnet: SubnetId,
    /// The route table that the subnet uses; `None` if that is not known.
    pub route_table: Option<RouteTableId>,
    /// Why the subnet uses that table.
    pub association: Option<AssociationKind>,
    /// The outcome.
    pub outcome: Outcome,
    /// The verdict on every range of the prefix list.
    pub coverage: Vec<CoverageRange>,
    /// What would become of the traffic if the DynamoDB endpoints that carry it were deleted; `None` if none carries any.
    #[serde(default)]
    pub without_endpoint: Option<WithoutEndpoint>,
    /// The findings, worst first.
    pub findings: Vec<Finding>,
}
