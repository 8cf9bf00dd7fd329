//! Subnets and what EC2 knows of their VPCs, live: for `audit` and `explain`.

use super::{
    aws::{Aws, AwsError},
    ec2::{self, Ec2, Interfaces, observed},
    limits::OF_REGION,
};
use crate::model::{Gap, Inventory, Observed, OwnRange, Subnet, SubnetId, VpcId};
use aws_config::SdkConfig;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::Instant;

/// What to collect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every VPC of the Region.
    Everything,
    /// One VPC.
    Vpc(VpcId),
    /// The VPC of one subnet; every VPC if there is no such subnet, so that the known ones can be named.
    Subnet(SubnetId),
}

/// The live equivalent of `--from DIR`. Each missing part is a gap; only without a Region there is no API to ask.
pub async fn inventory(aws: &Aws, scope: &Scope, timeout: Duration) -> Result<Inventory, AwsError> {
    let deadline = Instant::now() + timeout;
    let region = aws.region().await.map_err(AwsError::NoRegion)?;
    Ok(inventory_of(&aws.sdk_config(&region), scope, region, deadline).await)
}

/// The same by the settings for EC2 alone.
pub async fn inventory_of(config: &SdkConfig, scope: &Scope, region: String, deadline: Instant) -> Inventory {
    let ec2 = Ec2::new(config, OF_REGION, deadline);
    let (subnets, facts) = match scope {
        Scope::Everything => together(&ec2, &[], &region).await,
        Scope::Vpc(vpc) => together(&ec2, std::slice::from_ref(vpc), &region).await,
        Scope::Subnet(id) => {
            let subnets = observed(ec2.subnets(&[])).await;
            match vpc_of(&subnets, id) {
                Some(vpc) => {
                    let facts = ec2::facts(&ec2, std::slice::from_ref(&vpc), &region, Interfaces::OfAnyService).await;
                    (only(subnets, &vpc), facts)
                }
                None => (subnets, ec2::facts(&ec2, &[], &region, Interfaces::OfAnyService).await),
            }
        }
    };
    Inventory {
        region,
        own_ranges: OwnRange::of_subnets(subnets.seen().into_iter().flatten()).collect(),
        unlisted_subnets: BTreeMap::new(),
        unknown_ranges: unknown_ranges(&subnets),
        subnets,
        facts,
        partial: BTreeMap::new(),
        selected_routes: BTreeMap::new(),
        contradictory: BTreeMap::new(),
        vpc_owners: BTreeMap::new(),
        left_out: BTreeSet::new(),
        not_read: Vec::new(),
        accounts: BTreeSet::new(),
    }
}

/// The subnets without a range of IPv4 that EC2 does not call IPv6-only: such a range may be missing.
fn unknown_ranges(subnets: &Observed<Vec<Subnet>>) -> BTreeMap<SubnetId, Gap> {
    let lacks_ipv4 = |subnet: &&Subnet| !subnet.ipv6_native && !subnet.cidrs.iter().any(|own| own.addr().is_ipv4());
    let gap = || Gap::NotFound { detail: "EC2's answer has no CidrBlock".to_owned() };
    subnets.seen().into_iter().flatten().filter(lacks_ipv4).map(|subnet| (subnet.id.clone(), gap())).collect()
}

async fn together(ec2: &Ec2, vpcs: &[VpcId], region: &str) -> (Observed<Vec<Subnet>>, crate::model::VpcFacts) {
    tokio::join!(observed(ec2.subnets(vpcs)), ec2::facts(ec2, vpcs, region, Interfaces::OfAnyService))
}

fn vpc_of(subnets: &Observed<Vec<Subnet>>, id: &SubnetId) -> Option<VpcId> {
    subnets.seen()?.iter().find(|subnet| subnet.id == *id).map(|subnet| subnet.vpc.clone())
}

fn only(mut subnets: Observed<Vec<Subnet>>, vpc: &VpcId) -> Observed<Vec<Subnet>> {
    if let Observed::Seen { value, .. } = &mut subnets {
        value.retain(|subnet| subnet.vpc == *vpc);
    }
    subnets
}
