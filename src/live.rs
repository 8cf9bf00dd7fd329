//! Looking at the live world, for `check`, `explain` and `audit`: the only commands that need a network.

use crate::cli;
use onnet::{
    model::{Gap, Inventory, Snapshot, SubnetId, VpcId},
    observe::{
        self,
        aws::{Aws, AwsError},
        imds::{self, ImdsError},
        inventory::Scope,
    },
};
use std::time::Duration;

/// Why the live world cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LiveError {
    #[error("cannot ask AWS")]
    Aws(#[from] AwsError),
    #[error("this instance's own subnet is not known; say which one with --subnet ID, or read files with --from DIR")]
    OwnSubnet(#[source] ImdsError),
    #[error(
        "this instance's own subnet is not known, for its metadata lists no network interface; say which with --subnet ID"
    )]
    NoInterface,
    #[error("{subnet} cannot be looked up in {region} ({gap}); mend that, or read files with --from DIR")]
    Subnet { subnet: SubnetId, region: String, gap: Gap },
}

/// One round.
pub(crate) async fn round(check: &cli::Check) -> Snapshot {
    observe::observe(&settings(&check.look, check.timeout.timeout)).await
}

/// The command line's settings, as the collectors take them.
pub(crate) fn settings(look: &cli::Look, timeout: Duration) -> observe::Settings {
    observe::Settings {
        timeout,
        probe: match look.probe {
            cli::ProbeChoice::ListTables => observe::ProbeChoice::ListTables,
            cli::ProbeChoice::Health => observe::ProbeChoice::Health,
            cli::ProbeChoice::None => observe::ProbeChoice::None,
        },
        interface: look.interface.clone(),
        resolver: look.resolver,
    }
}

/// The Region's VPCs, or one of them.
pub(crate) async fn inventory(
    region: Option<&str>,
    vpc: Option<&VpcId>,
    timeout: Duration,
) -> Result<Inventory, LiveError> {
    let aws = Aws::load(region.map(str::to_owned)).await?;
    let scope = vpc.map_or(Scope::Everything, |vpc| Scope::Vpc(vpc.clone()));
    Ok(observe::inventory::inventory(&aws, &scope, timeout).await?)
}

/// The subnet `explain` is asked from, this instance's own unless it was named, and its VPC's inventory.
pub(crate) async fn subnet_and_inventory(
    region: Option<&str>,
    subnet: Option<&SubnetId>,
    timeout: Duration,
) -> Result<(SubnetId, Inventory), LiveError> {
    let aws = Aws::load(region.map(str::to_owned)).await?;
    let subnet = match subnet {
        Some(subnet) => subnet.clone(),
        None => {
            let instance = imds::instance(aws.imds()).await.map_err(LiveError::OwnSubnet)?;
            instance.interfaces.first().ok_or(LiveError::NoInterface)?.subnet.clone()
        }
    };
    let inventory = observe::inventory::inventory(&aws, &Scope::Subnet(subnet.clone()), timeout).await?;
    if let Some(gap) = inventory.subnets.gap() {
        return Err(LiveError::Subnet { subnet, region: inventory.region, gap: gap.clone() });
    }
    Ok((subnet, inventory))
}
