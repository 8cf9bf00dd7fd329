//! A VPC (or several) as `audit` and `explain` see it: no instance, no probe.

use super::{AccountId, Gap, Observed, RouteTableId, SubnetId, VpcFacts, VpcId};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Everything `audit` and `explain` go by, from the live API or from files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inventory {
    /// The Region; every prefix-list id holds within one Region only.
    pub region: String,
    /// The subnets that were found.
    pub subnets: Observed<Vec<Subnet>>,
    /// Tables, endpoints and prefix lists.
    pub facts: VpcFacts,
    /// The VPCs of which not all route tables are known, with the reason: an association with a subnet counts there, and
    /// nothing follows from there being none.
    #[serde(default)]
    pub partial: BTreeMap<VpcId, Gap>,
    /// The tables of which not all routes are known, with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub selected_routes: BTreeMap<RouteTableId, Gap>,
    /// The subnets of which not all ranges are known, with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown_ranges: BTreeMap<SubnetId, Gap>,
    /// The VPCs of which the listings contradict each other: nothing follows for their subnets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contradictory: BTreeMap<VpcId, Gap>,
    /// The ranges of VPCs and of their subnets, except private ones, which no prefix list of AWS's has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_ranges: Vec<OwnRange>,
    /// What shows subnets that are not among [`Self::subnets`], by VPC: these are a part of the answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unlisted_subnets: BTreeMap<VpcId, Gap>,
    /// The accounts that own VPCs, where the VPCs themselves were listed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vpc_owners: BTreeMap<VpcId, BTreeSet<AccountId>>,
    /// The VPCs of a folder that are not judged, for they are of other Regions.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub left_out: BTreeSet<VpcId>,
    /// What was not read of a folder, and why: it holds nothing that onnet recognises.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_read: Vec<String>,
    /// The accounts that asked, as far as the network interfaces show. EC2 lists endpoints to the account that owns them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub accounts: BTreeSet<AccountId>,
}

/// A range of a VPC's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OwnRange {
    /// The VPC.
    pub vpc: VpcId,
    /// The VPC or the subnet that has it.
    pub of: String,
    /// The range.
    #[schemars(with = "String")]
    pub range: IpNet,
}

impl OwnRange {
    /// Those of subnets, except private ones.
    pub fn of_subnets<'s>(subnets: impl IntoIterator<Item = &'s Subnet>) -> impl Iterator<Item = Self> {
        subnets.into_iter().flat_map(|subnet| {
            let ranges = subnet.cidrs.iter().filter(|range| !is_private(range));
            ranges.map(|range| Self { vpc: subnet.vpc.clone(), of: subnet.id.to_string(), range: *range })
        })
    }
}

/// Whether a range is private by RFC 1918 or RFC 4193.
pub fn is_private(range: &IpNet) -> bool {
    match range {
        IpNet::V4(range) => range.addr().is_private(),
        IpNet::V6(range) => range.addr().is_unique_local(),
    }
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subnet {
    /// `subnet-…`
    pub id: SubnetId,
    /// The VPC it belongs to.
    pub vpc: VpcId,
    /// `us-east-1a`; `None` where the answer did not say.
    pub availability_zone: Option<String>,
    /// The account that owns its VPC; `None` if the answer does not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AccountId>,
    /// Its ranges: no route table applies to traffic within them. IPv6 ranges that the answer leaves out change nothing: where the VPC's
    /// local route and a prefix list both match, it is not known which counts.
    #[schemars(with = "Vec<String>")]
    pub cidrs: Vec<IpNet>,
    /// Whether it is IPv6-only: nothing in it has an IPv4 address. Where the answer does not say, the ranges of both families count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ipv6_native: bool,
    /// Whether the answer shows that nothing in it has an IPv6 address: it has the list of the subnet's IPv6 ranges, and that is empty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_ipv6: bool,
    /// Whether the VPC's resolver answers for names that have IPv4 addresses alone with addresses in `64:ff9b::/96`; `None` where the answer
    /// does not say and the subnet may have IPv6 addresses.
    /// <https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-nat64-dns64.html>
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns64: Option<bool>,
}
