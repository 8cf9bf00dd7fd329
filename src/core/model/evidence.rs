//! The steps from an address to its verdict, each naming what it rests on.

use super::{InterfaceId, ProbeResult, Route, RouteTableId, SubnetId, VpcEndpointId};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Why a subnet uses its route table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssociationKind {
    /// The table names the subnet.
    Explicit,
    /// It has none of its own, so the VPC's main table serves it.
    Main,
}

impl AssociationKind {
    /// The kind as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Explicit => "explicit",
            Self::Main => "main",
        }
    }
}

/// Why a route that matches did not win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LostBy {
    /// A longer prefix matched.
    ShorterPrefix,
    /// At equal length a static route outranks a prefix list.
    StaticOutranksPrefixList,
    /// At equal length a static route or a prefix list outranks a propagated route.
    PropagatedRanksLast,
    /// A propagated route never beats the local route, not even with a longer prefix.
    LocalBeatsPropagated,
    /// It leads to the same target by the same prefix.
    Duplicate,
}

/// A route and the prefix by which it matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Matched {
    /// The matching range: the route's own, or the prefix list's entry.
    #[schemars(with = "String")]
    pub prefix: IpNet,
    /// The route.
    pub route: Route,
}

/// A route that matched and lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Loser {
    /// The route.
    #[serde(flatten)]
    pub matched: Matched,
    /// Why it lost.
    pub lost_by: LostBy,
}

/// One step of the reasoning, naming what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Evidence {
    /// The kernel would send it out by this device.
    LeavesBy {
        /// The device.
        device: String,
        /// The source address.
        source: Option<IpAddr>,
        /// The next hop.
        gateway: Option<IpAddr>,
    },
    /// The network interface was given by `--interface`, not by the kernel.
    AssumedInterface {
        /// The network interface.
        interface: InterfaceId,
    },
    /// That device is this network interface.
    DeviceIs {
        /// The network interface.
        interface: InterfaceId,
        /// Its subnet.
        subnet: SubnetId,
    },
    /// The address lies in the interface's own subnet: no route table applies.
    SameSubnet {
        /// The subnet's range.
        #[schemars(with = "String")]
        cidr: IpNet,
    },
    /// The subnet uses this route table.
    UsesTable {
        /// The table.
        table: RouteTableId,
        /// Why.
        association: AssociationKind,
    },
    /// This route won.
    Won(Matched),
    /// This route matched and lost.
    Lost(Loser),
    /// The address belongs to this network interface of an interface endpoint.
    BelongsTo {
        /// The network interface.
        interface: InterfaceId,
        /// The endpoint.
        endpoint: VpcEndpointId,
    },
    /// An environment variable sends the name to a proxy.
    Proxied {
        /// The variable.
        variable: String,
        /// The proxy.
        proxy: String,
    },
    /// A probe was answered over a socket with this local address.
    Answered {
        /// The socket's own address.
        local: IpAddr,
        /// The result.
        result: ProbeResult,
    },
    /// The service itself said how the request came.
    Testified {
        /// The service's sentence.
        message: String,
    },
}
