//! What follows from what was observed. Pure: no clock, no client, never `async`.
//!
//! [`judge`] follows each address from the kernel's route (`egress`) to network interface, subnet and route table (`subnet`),
//! winning route ([`lookup`]) and what its target is (`path`), and cuts the whole prefix list into the ranges that the
//! table's routes leave it (`coverage`). `findings` says what is wrong, `outcome` what decides, `proof` how strong the evidence
//! is, `summary` all that in one sentence. [`audit`] and [`explain`] do the VPC's half alone.

mod address;
mod audit;
mod coverage;
mod doubtful;
mod egress;
mod endpoint_policy;
mod explain;
mod findings;
mod fleet;
mod fresh;
mod gates;
mod host_routes;
mod idle;
mod interfaces;
mod kernel_paths;
pub mod lookup;
mod next_hop;
mod outcome;
mod own_requests;
mod path;
mod proof;
mod round;
mod subnet;
mod summary;
mod testimony;
mod without_endpoint;

use crate::model::SubnetId;
pub use crate::model::{CatalogueEntry, catalogue};
pub use audit::audit;
pub use explain::{explain, explained_outcome, not_routed};
pub use fleet::fleet;
pub use fresh::{as_of, expires};
pub use round::judge;
pub use testimony::controls;

/// A subnet that is not in the inventory.
#[derive(Debug, thiserror::Error)]
#[error("{subnet} is not known here; {}", known_subnets(known))]
pub struct UnknownSubnet {
    /// The one asked for.
    pub subnet: SubnetId,
    /// The ones that are known.
    pub known: Vec<SubnetId>,
}

/// A Region may have thousands.
const MOST_NAMED: usize = 50;

/// The subnets to choose from, in a sentence.
pub fn known_subnets(known: &[SubnetId]) -> String {
    match known {
        [] => "no subnet is".into(),
        known => {
            let (named, more) = known.split_at(known.len().min(MOST_NAMED));
            let named = named.iter().map(SubnetId::as_str).collect::<Vec<_>>().join(", ");
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            format!("known are: {named}{more}")
        }
    }
}
