//! Looking at the live world, for `check`, `explain` and `audit`: the only commands that need a network.

use crate::cli::{Check, ProbeChoice};
use onnet::model::{Inventory, Snapshot, SubnetId, VpcId};
use std::time::Duration;

/// Why the live world cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[error("this build cannot look at the live world yet; use --from DIR, or judge FILE")]
pub(crate) struct LiveError;

/// One round.
pub(crate) async fn round(check: &Check) -> Result<Snapshot, LiveError> {
    let _settings = (&check.timeout.timeout, &check.interface, &check.resolver);
    match check.probe {
        ProbeChoice::ListTables | ProbeChoice::Health | ProbeChoice::None => Err(LiveError),
    }
}

/// The Region's route tables, or one VPC's.
pub(crate) async fn inventory(
    _region: Option<&str>,
    _vpc: Option<&VpcId>,
    _timeout: Duration,
) -> Result<Inventory, LiveError> {
    Err(LiveError)
}

/// The subnet `explain` is asked from, this instance's own unless it was named, and its VPC's inventory.
pub(crate) async fn subnet_and_inventory(
    _region: Option<&str>,
    _subnet: Option<&SubnetId>,
    _timeout: Duration,
) -> Result<(SubnetId, Inventory), LiveError> {
    Err(LiveError)
}
