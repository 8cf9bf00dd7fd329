//! What NAT gateways cost: estimates, by rates that a user may set.

use super::{NatGatewayId, Path, PathTarget};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The rates of a NAT gateway. By default AWS's list prices in us-east-1; other Regions and agreements have others.
/// <https://aws.amazon.com/vpc/pricing/>
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NatRates {
    /// USD for each gigabyte that it processes, in either direction.
    pub usd_per_gb: f64,
    /// USD for each hour that it exists.
    pub usd_per_hour: f64,
}

impl NatRates {
    /// AWS's list prices in us-east-1.
    pub const LIST_PRICES: Self = Self { usd_per_gb: 0.045, usd_per_hour: 0.045 };

    /// Whether they are the defaults.
    pub fn are_list_prices(&self) -> bool {
        *self == Self::LIST_PRICES
    }
}

impl Default for NatRates {
    fn default() -> Self {
        Self::LIST_PRICES
    }
}

/// An estimate of what NAT gateways charge for DynamoDB traffic. What the traffic amounts to is not known; a gateway endpoint has
/// no charge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NatCost {
    /// The NAT gateways that carry traffic, or a part of it, each once.
    pub now: Vec<NatGatewayId>,
    /// Those that would if the endpoints that carry the rest were deleted.
    pub if_deleted: Vec<NatGatewayId>,
    /// The rates.
    #[serde(flatten)]
    pub rates: NatRates,
}

impl NatCost {
    /// That of the paths that traffic takes now, and of those that would take over. `None` where none has a NAT gateway.
    pub fn of<'p>(
        rates: NatRates,
        now: impl IntoIterator<Item = &'p Path>,
        afterwards: impl IntoIterator<Item = &'p Path>,
    ) -> Option<Self> {
        let (now, if_deleted) = (gateways(now), gateways(afterwards));
        (!now.is_empty() || !if_deleted.is_empty()).then_some(Self { now, if_deleted, rates })
    }
}

/// Each once, in the order of the paths.
fn gateways<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Vec<NatGatewayId> {
    let mut known = BTreeSet::new();
    let gateways = paths.into_iter().filter_map(|path| {
        let PathTarget::NatGateway(id) = &path.target else { return None };
        Some(id)
    });
    gateways.filter(|id| known.insert(*id)).cloned().collect()
}
