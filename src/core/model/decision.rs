//! What decided the outcome of a round, and the endpoint beside it.

use super::{EndpointType, Gap, LostBy, Missing, ProxyStep, VpcEndpointId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What decided the outcome: the worst address, proxy or name in use.
///
/// From worst to best: off-net, not known, dropped, on-net. Among equals the first
/// in the order in which the SDK uses names and addresses; a name that is not fully resolved comes before its
/// addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Decision {
    /// An address in use.
    Address {
        /// The name of the address.
        hostname: String,
        /// The address.
        address: IpAddr,
    },
    /// A proxy for requests to a name in use.
    Proxy {
        /// The name.
        hostname: String,
        /// Its first address in use; null if it has none.
        address: Option<IpAddr>,
        /// The proxy.
        #[serde(flatten)]
        proxy: ProxyStep,
    },
    /// A name in use without an address in use, or one whose addresses are not all known.
    Name {
        /// The name.
        hostname: String,
        /// The missing facts of its resolution; empty if it resolves, but to no address in use.
        missing: Vec<Missing>,
    },
}

impl Decision {
    /// The name it is about.
    pub fn hostname(&self) -> &str {
        match self {
            Self::Address { hostname, .. } | Self::Proxy { hostname, .. } | Self::Name { hostname, .. } => hostname,
        }
    }

    /// The address it is about.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address { address, .. } => Some(*address),
            Self::Proxy { address, .. } => *address,
            Self::Name { .. } => None,
        }
    }
}

/// The DynamoDB endpoint of the VPC, where the deciding path does not use one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum IdleEndpoint {
    /// Whether the VPC has an endpoint is not known.
    NotKnown {
        /// Why.
        why: Gap,
    },
    /// The VPC has no endpoint.
    Absent,
    /// The VPC has this endpoint.
    Idle {
        /// The endpoint.
        id: VpcEndpointId,
        /// Its type.
        #[serde(rename = "type")]
        kind: EndpointType,
        /// Why traffic does not take it.
        reason: IdleReason,
    },
}

/// Why traffic does not take a DynamoDB endpoint of the VPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdleReason {
    /// Another route than the one to the endpoint wins.
    Lost(LostBy),
    /// It is a gateway endpoint that is not associated with the route table.
    NotAssociated,
    /// It is an interface endpoint, and the address is not one of its own.
    OtherAddress,
    /// Requests go to a proxy.
    Proxy,
    /// Traffic takes another path.
    NotTaken,
}
