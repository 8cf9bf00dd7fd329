//! NAT gateways: which subnets they are in.

use serde_json::Value;

/// A NAT gateway, as far as it shows that there is a subnet.
pub(in super::super) struct ListedNatGateway {
    pub(in super::super) id: String,
    pub(in super::super) subnet: String,
    pub(in super::super) vpc: Option<String>,
}

impl ListedNatGateway {
    /// Those of a list that are in a subnet. Another tool's list may hold anything.
    pub(in super::super) fn all(list: &Value) -> Vec<Self> {
        // Those that are gone are listed for an hour, and their subnets may be gone, too.
        const GONE: [&str; 2] = ["deleted", "failed"];
        let read = |row: &Value| {
            let text = |key: &str| row.get(key)?.as_str().map(str::trim).map(str::to_owned);
            let is_gone = text("State").is_some_and(|state| GONE.iter().any(|gone| state.eq_ignore_ascii_case(gone)));
            let subnet = text("SubnetId").filter(|id| id.starts_with("subnet-") && !is_gone)?;
            Some(Self { id: text("NatGatewayId")?, subnet, vpc: text("VpcId") })
        };
        list.as_array().into_iter().flatten().filter_map(read).collect()
    }
}
