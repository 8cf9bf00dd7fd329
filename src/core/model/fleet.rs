//! What the instances of a fleet report of themselves, and what that comes to.

use super::{Outcome, Report, RouteTableId, SCHEMA, SubnetId, Timestamp, VpcId, partition_of};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// How often an instance reports although nothing changed.
pub const STATUS_EVERY: Duration = Duration::from_secs(15 * 60);

/// The shortest time between two reports of an instance.
pub const STATUS_GAP: Duration = Duration::from_secs(60);

/// After so long without a report, what an instance reported counts no more.
pub const STATUS_COUNTS: Duration = Duration::from_secs(3 * 15 * 60);

/// For so long it is kept.
pub const STATUS_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// What an instance reports of itself. Its ARN is the key under which it may write; the rest is its own word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceStatus {
    /// `arn:aws:ec2:us-east-1:111122223333:instance/i-0a`
    pub instance: String,
    /// The outcome that it reported.
    pub outcome: Outcome,
    /// The same in a sentence.
    pub summary: String,
    /// The name that decided, and its address.
    pub decided_by: Option<String>,
    /// The VPC that it reported.
    pub vpc: VpcId,
    /// The subnet that it reported.
    pub subnet: Option<SubnetId>,
    /// The route table that it reported.
    pub route_table: Option<RouteTableId>,
    /// Since when the outcome is the same, by its own clock.
    pub since: Timestamp,
    /// When it reported, by its own clock.
    pub reported_at: Timestamp,
    /// Its version of onnet.
    pub version: String,
}

impl InstanceStatus {
    /// What `report` says; `None` where it does not say which instance in which VPC it is.
    pub fn of(report: &Report, since: Timestamp, reported_at: Timestamp) -> Option<Self> {
        let instance = report.snapshot.instance.seen()?;
        let primary = instance.interfaces.first()?;
        let account = primary.owner.seen()?;
        let partition = partition_of(&instance.region)?;
        let summary = report.instance.as_ref();
        let decided_by = report.decided_by.as_ref().map(|decision| match decision.address() {
            Some(address) => format!("{address} of {}", decision.hostname()),
            None => decision.hostname().to_owned(),
        });
        Some(Self {
            instance: format!("arn:{partition}:ec2:{}:{account}:instance/{}", instance.region, instance.id),
            outcome: report.outcome,
            summary: report.summary.clone(),
            decided_by,
            vpc: summary.and_then(|summary| summary.vpc.clone()).unwrap_or_else(|| primary.vpc.clone()),
            subnet: summary.and_then(|summary| summary.subnet.clone()).or_else(|| Some(primary.subnet.clone())),
            route_table: summary.and_then(|summary| summary.route_table.clone()),
            since,
            reported_at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    /// Whether it says the same as `other`, at whatever time.
    pub fn says_the_same(&self, other: &Self) -> bool {
        *self == Self { since: self.since, reported_at: self.reported_at, ..other.clone() }
    }
}

/// One instance of a fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FleetInstance {
    /// What counts: what it reported, or undetermined where that is too old.
    pub counts_as: Outcome,
    /// Why something else counts than it reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// What it reported last.
    pub reported: InstanceStatus,
}

/// Instances that report the same account, VPC, subnet and route table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FleetGroup {
    /// The account and Region of the instances' ARNs.
    pub account: String,
    /// The VPC that they reported.
    pub vpc: VpcId,
    /// The subnet that they reported.
    pub subnet: Option<SubnetId>,
    /// The route table that they reported.
    pub route_table: Option<RouteTableId>,
    /// How many count as what.
    pub outcomes: BTreeMap<String, u64>,
}

/// A fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fleet {
    /// The schema version, [`SCHEMA`].
    pub schema: u32,
    /// The worst of all instances; undetermined without any.
    pub outcome: Outcome,
    /// The table.
    pub table: String,
    /// When it was read, by DynamoDB's clock.
    pub read_at: Option<Timestamp>,
    /// How many count as what.
    pub outcomes: BTreeMap<String, u64>,
    /// What could not be read of the table, and items that are no status.
    pub problems: Vec<String>,
    /// Worst first.
    pub groups: Vec<FleetGroup>,
    /// Off-net first, then those that count no more, then the rest.
    pub instances: Vec<FleetInstance>,
}

impl Fleet {
    /// Of no instance.
    pub(crate) fn empty(table: String, read_at: Option<Timestamp>, problems: Vec<String>) -> Self {
        Self {
            schema: SCHEMA,
            outcome: Outcome::Undetermined,
            table,
            read_at,
            outcomes: BTreeMap::new(),
            problems,
            groups: Vec::new(),
            instances: Vec::new(),
        }
    }
}
