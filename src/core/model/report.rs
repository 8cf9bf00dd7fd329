//! What was concluded. The only way into `present`.

use super::{
    AssociationKind, Decision, Destination, Finding, FindingCode, IdleEndpoint, InstanceId, InterfaceId, Loser, Origin,
    Outcome, PrefixListId, Probe, ProofLevel, RouteState, RouteTableId, Severity, Snapshot, SubnetId, Timestamp, Trace,
    Verdict, VpcId, destination_as_text,
};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

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
    #[serde(rename = "evidence")]
    pub trace: Trace,
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

/// The instance in few words.
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
    /// What decided the outcome; `None` if a name in use that is not known might have.
    pub decided_by: Option<Decision>,
    /// The DynamoDB endpoint beside the path that decided; `None` if that path leads through one, or is not known.
    pub idle_endpoint: Option<IdleEndpoint>,
    /// The name that decided the outcome, else the one an SDK would use; `None` if it could not be known.
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

impl Report {
    /// Whether two readings of configuration contradict each other. EC2 is eventually consistent: another reading may settle it.
    pub fn has_facts_that_disagree(&self) -> bool {
        self.findings.iter().any(|finding| finding.code == FindingCode::FactsDisagree)
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
    #[serde(with = "destination_as_text")]
    #[schemars(with = "String")]
    pub destination: Destination,
    /// The range by which it matched.
    #[schemars(with = "String")]
    pub prefix: IpNet,
    /// Where it came from, in the API's word.
    pub origin: Origin,
    /// Whether it works.
    pub state: RouteState,
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

impl Audit {
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

/// One subnet, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubnetAudit {
    /// Its VPC.
    pub vpc: VpcId,
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
