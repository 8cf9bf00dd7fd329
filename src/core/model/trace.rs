//! The record of how one address was judged. The JSON list `evidence` is derived from it, step by step.

use super::{
    AssociationKind, DeviceName, Evidence, InterfaceId, Loser, Matched, ProbeResult, Reply, RouteTableId, SubnetId,
    VpcEndpointId,
};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What the verdict about one address rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<Evidence>", into = "Vec<Evidence>")]
#[schemars(with = "Vec<Evidence>", inline)]
pub struct Trace {
    /// How packets leave the instance; `None` if that is not known, or if they do not leave it.
    pub egress: Option<EgressStep>,
    /// What the VPC does with them; `None` if they do not reach it, or if the route table is not known.
    pub routing: Option<RoutingStep>,
    /// The network interface of an interface endpoint that has the address.
    pub endpoint: Option<EndpointInterfaceStep>,
    /// The proxy that the environment sends the name to.
    pub proxy: Option<ProxyStep>,
    /// What probes showed, in the order of the probes.
    pub witnesses: Vec<Witness>,
}

/// How packets leave the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EgressStep {
    /// As the kernel decides.
    Kernel {
        /// The device.
        device: DeviceName,
        /// The source address.
        source: Option<IpAddr>,
        /// The next hop.
        gateway: Option<IpAddr>,
        /// The network interface behind the device; `None` if there is none, or if it is not known.
        interface: Option<InterfaceStep>,
    },
    /// Through the network interface given by `--interface`.
    Assumed(InterfaceStep),
}

/// A network interface and its subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceStep {
    /// The network interface.
    pub interface: InterfaceId,
    /// Its subnet.
    pub subnet: SubnetId,
}

/// What the VPC does with packets to the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoutingStep {
    /// The address lies in this range of the interface's own subnet: no route table applies.
    SameSubnet(IpNet),
    /// The subnet's route table decides.
    Table {
        /// The table.
        table: RouteTableId,
        /// Why the subnet uses it.
        association: AssociationKind,
        /// The route that wins; `None` if none does, or if that is not known.
        winner: Option<Matched>,
        /// The routes that match and lose, best first.
        losers: Vec<Loser>,
    },
}

/// A network interface of an interface endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointInterfaceStep {
    /// The network interface.
    pub interface: InterfaceId,
    /// The endpoint.
    pub endpoint: VpcEndpointId,
}

/// A proxy, and the variable of the environment that names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProxyStep {
    /// The variable.
    pub variable: String,
    /// The proxy.
    pub proxy: String,
}

/// What a probe showed of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Witness {
    /// The service answered over a socket with this local address.
    Answered {
        /// The socket's local address.
        local: IpAddr,
        /// The result.
        result: ProbeResult,
    },
    /// The service itself stated how the request arrived.
    Testified {
        /// The service's sentence.
        message: String,
    },
    /// The service was asked how the request came.
    Stated {
        /// The table that it was asked about: `onnet-witness.vpc.vpc-0a`.
        table: String,
        /// Its answer.
        reply: Reply,
    },
}

impl EgressStep {
    /// The network interface, if there is one and it is known.
    pub fn interface(&self) -> Option<&InterfaceStep> {
        match self {
            Self::Kernel { interface, .. } => interface.as_ref(),
            Self::Assumed(interface) => Some(interface),
        }
    }
}

impl Trace {
    /// The network interface that packets leave through, if it is known.
    pub fn interface(&self) -> Option<&InterfaceStep> {
        self.egress.as_ref()?.interface()
    }

    /// The source address that the kernel would use.
    pub fn kernel_source(&self) -> Option<IpAddr> {
        match self.egress.as_ref()? {
            EgressStep::Kernel { source, .. } => *source,
            EgressStep::Assumed(_) => None,
        }
    }

    /// The route table that decides, and why the subnet uses it.
    pub fn table(&self) -> Option<(&RouteTableId, AssociationKind)> {
        match self.routing.as_ref()? {
            RoutingStep::Table { table, association, .. } => Some((table, *association)),
            RoutingStep::SameSubnet(_) => None,
        }
    }

    /// The route that wins.
    pub fn winner(&self) -> Option<&Matched> {
        match self.routing.as_ref()? {
            RoutingStep::Table { winner, .. } => winner.as_ref(),
            RoutingStep::SameSubnet(_) => None,
        }
    }

    /// The routes that match and lose, best first.
    pub fn losers(&self) -> &[Loser] {
        match &self.routing {
            Some(RoutingStep::Table { losers, .. }) => losers,
            Some(RoutingStep::SameSubnet(_)) | None => &[],
        }
    }

    /// What the service itself said.
    pub fn testimony(&self) -> impl Iterator<Item = &str> {
        self.witnesses.iter().filter_map(|witness| match witness {
            Witness::Testified { message } => Some(message.as_str()),
            Witness::Answered { .. } | Witness::Stated { .. } => None,
        })
    }

    /// What the service answered to questions about the request itself.
    pub fn statements(&self) -> impl Iterator<Item = (&str, &Reply)> {
        self.witnesses.iter().filter_map(|witness| match witness {
            Witness::Stated { table, reply } => Some((table.as_str(), reply)),
            Witness::Answered { .. } | Witness::Testified { .. } => None,
        })
    }

    /// Whether the verdict rests on the same steps. Which socket a probe used is not one of them.
    pub fn has_steps_of(&self, other: &Self) -> bool {
        let Self { egress, routing, endpoint, proxy, witnesses: _ } = self;
        (egress, routing, endpoint, proxy) == (&other.egress, &other.routing, &other.endpoint, &other.proxy)
            && self.testimony().eq(other.testimony())
            && self.statements().eq(other.statements())
    }
}
