//! Looking at the live world, for `check`, `explain` and `audit`: the only commands that need a network.

use crate::cli;
use onnet::{
    judge::judge,
    model::{Gap, Inventory, Outcome, Report, SubnetId, VpcId},
    observe::{
        self,
        aws::{Aws, AwsError},
        imds::{self, ImdsError},
        inventory::Scope,
    },
};
use std::time::Duration;
use tokio::time::{Instant, sleep};

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

/// How long after one round the next begins, where the path is waited for: at first, and at most.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// One round, or as many as it takes until the path is right, for as long as `wait` allows. `said` hears of each that
/// is not the last.
pub(crate) async fn check(look: &cli::Look, timeout: Duration, wait: Duration, said: impl Fn(&Report)) -> Report {
    let began = Instant::now();
    let [mut pause, longest] = PAUSES;
    loop {
        let report = judge(observe::observe(&settings(look, timeout)).await);
        let is_right = report.outcome <= Outcome::AtRisk;
        if is_right || began.elapsed() >= wait {
            return report;
        }
        said(&report);
        // Up to half as much again, at random: a fleet that waits for one route does not ask in step.
        let left = wait.saturating_sub(began.elapsed());
        sleep(pause.mul_f64(1.0 + fastrand::f64() / 2.0).min(left)).await;
        pause = (pause * 2).min(longest);
    }
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
