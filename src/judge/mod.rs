//! What follows from what was seen. Pure: no clock, no client, never `async`.

use crate::model::{Audit, Explanation, Inventory, Report, Snapshot, SubnetId, VpcId};
use std::net::IpAddr;

/// Judges one round.
pub fn judge(_snapshot: Snapshot) -> Report {
    unimplemented!()
}

/// What the VPC would do with a packet from `subnet` to `address`, and why.
///
/// `endpoints_of_any_service`: the answer names any service's endpoint; only DynamoDB's makes on-net.
///
/// # Errors
/// The ids of the subnets that are known, if `subnet` is not one of them.
pub fn explain(_inventory: &Inventory, _subnet: &SubnetId, _address: IpAddr) -> Result<Explanation, UnknownSubnet> {
    unimplemented!()
}

/// Judges every subnet of the inventory, or of one VPC.
pub fn audit(_inventory: &Inventory, _vpc: Option<&VpcId>) -> Audit {
    unimplemented!()
}

/// A subnet that is not in the inventory.
#[derive(Debug, thiserror::Error)]
#[error("{subnet} is not known here; known are: {}", .known.iter().map(SubnetId::as_str).collect::<Vec<_>>().join(", "))]
pub struct UnknownSubnet {
    /// The one asked for.
    pub subnet: SubnetId,
    /// The ones that are known.
    pub known: Vec<SubnetId>,
}
