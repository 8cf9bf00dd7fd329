//! The steps from an address to its verdict as the JSON contract has them: [`super::Trace`] as a list.

use super::{
    DeviceName, EgressStep, EndpointInterfaceStep, InterfaceId, InterfaceStep, ProbeResult, ProxyStep, Reply, Route,
    RouteTableId, RoutingStep, SubnetId, Trace, VpcEndpointId, Witness,
};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Why the subnet uses its route table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssociationKind {
    /// The table has an explicit association with the subnet.
    Explicit,
    /// The subnet has no explicit association, so the VPC's main table serves it.
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
    /// It has the same prefix and the same target.
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

/// One step of the reasoning, with its facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Evidence {
    /// The kernel would send packets through this device.
    LeavesBy {
        /// The device.
        device: DeviceName,
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
    /// The device is this network interface.
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

impl From<Trace> for Vec<Evidence> {
    fn from(trace: Trace) -> Self {
        let Trace { egress, routing, endpoint, proxy, witnesses } = trace;
        let mut steps = Self::new();
        let mut interface_is = None;
        match egress {
            Some(EgressStep::Kernel { device, source, gateway, interface }) => {
                steps.push(Evidence::LeavesBy { device, source, gateway });
                interface_is = interface;
            }
            Some(EgressStep::Assumed(step)) => {
                steps.push(Evidence::AssumedInterface { interface: step.interface.clone() });
                interface_is = Some(step);
            }
            None => {}
        }
        steps.extend(interface_is.map(|InterfaceStep { interface, subnet }| Evidence::DeviceIs { interface, subnet }));
        match routing {
            Some(RoutingStep::SameSubnet(cidr)) => steps.push(Evidence::SameSubnet { cidr }),
            Some(RoutingStep::Table { table, association, winner, losers }) => {
                steps.push(Evidence::UsesTable { table, association });
                steps.extend(winner.map(Evidence::Won));
                steps.extend(losers.into_iter().map(Evidence::Lost));
            }
            None => {}
        }
        let belongs = |EndpointInterfaceStep { interface, endpoint }| Evidence::BelongsTo { interface, endpoint };
        steps.extend(endpoint.map(belongs));
        steps.extend(proxy.map(|ProxyStep { variable, proxy }| Evidence::Proxied { variable, proxy }));
        steps.extend(witnesses.into_iter().map(|witness| match witness {
            Witness::Answered { local, result } => Evidence::Answered { local, result },
            Witness::Testified { message } => Evidence::Testified { message },
            Witness::Stated { table, reply } => Evidence::Stated { table, reply },
        }));
        steps
    }
}

/// A step of a list `evidence` that does not follow from the steps before it.
#[derive(Debug, thiserror::Error)]
#[error("evidence: step {number} does not follow from the steps before it")]
pub struct Misplaced {
    /// Its number, from 1.
    number: usize,
}

impl TryFrom<Vec<Evidence>> for Trace {
    type Error = Misplaced;

    fn try_from(steps: Vec<Evidence>) -> Result<Self, Misplaced> {
        let mut trace = Self::default();
        let mut assumed = None;
        for (index, step) in steps.into_iter().enumerate() {
            let misplaced = Misplaced { number: index + 1 };
            match step {
                Evidence::LeavesBy { device, source, gateway } if trace.egress.is_none() => {
                    trace.egress = Some(EgressStep::Kernel { device, source, gateway, interface: None });
                }
                Evidence::AssumedInterface { interface } if trace.egress.is_none() => {
                    assumed = Some((interface, misplaced));
                }
                Evidence::DeviceIs { interface, subnet } => {
                    let step = InterfaceStep { interface, subnet };
                    match &mut trace.egress {
                        Some(EgressStep::Kernel { interface: known @ None, .. }) => *known = Some(step),
                        None if assumed.as_ref().is_some_and(|(interface, _)| *interface == step.interface) => {
                            trace.egress = Some(EgressStep::Assumed(step));
                        }
                        Some(EgressStep::Kernel { .. } | EgressStep::Assumed(_)) | None => return Err(misplaced),
                    }
                }
                Evidence::SameSubnet { cidr } if trace.routing.is_none() => {
                    trace.routing = Some(RoutingStep::SameSubnet(cidr));
                }
                Evidence::UsesTable { table, association } if trace.routing.is_none() => {
                    trace.routing = Some(RoutingStep::Table { table, association, winner: None, losers: Vec::new() });
                }
                Evidence::Won(matched) => match &mut trace.routing {
                    Some(RoutingStep::Table { winner: winner @ None, .. }) => *winner = Some(matched),
                    Some(RoutingStep::Table { .. } | RoutingStep::SameSubnet(_)) | None => return Err(misplaced),
                },
                Evidence::Lost(loser) => match &mut trace.routing {
                    Some(RoutingStep::Table { losers, .. }) => losers.push(loser),
                    Some(RoutingStep::SameSubnet(_)) | None => return Err(misplaced),
                },
                Evidence::BelongsTo { interface, endpoint } if trace.endpoint.is_none() => {
                    trace.endpoint = Some(EndpointInterfaceStep { interface, endpoint });
                }
                Evidence::Proxied { variable, proxy } if trace.proxy.is_none() => {
                    trace.proxy = Some(ProxyStep { variable, proxy });
                }
                Evidence::Answered { local, result } => trace.witnesses.push(Witness::Answered { local, result }),
                Evidence::Testified { message } => trace.witnesses.push(Witness::Testified { message }),
                Evidence::Stated { table, reply } => trace.witnesses.push(Witness::Stated { table, reply }),
                Evidence::LeavesBy { .. }
                | Evidence::AssumedInterface { .. }
                | Evidence::SameSubnet { .. }
                | Evidence::UsesTable { .. }
                | Evidence::BelongsTo { .. }
                | Evidence::Proxied { .. } => return Err(misplaced),
            }
        }
        match (assumed, &trace.egress) {
            (Some((_, misplaced)), None) => Err(misplaced),
            (Some(_), Some(_)) | (None, _) => Ok(trace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> serde_json::Result<Trace> {
        serde_json::from_str(json)
    }

    #[test]
    fn a_list_of_steps_is_read_and_written_as_it_is() {
        let json = concat!(
            r#"[{"step":"leaves_by","device":"ens5","source":"172.31.16.10","gateway":null},"#,
            r#"{"step":"device_is","interface":"eni-0a","subnet":"subnet-0a"},"#,
            r#"{"step":"same_subnet","cidr":"172.31.16.0/20"},"#,
            r#"{"step":"belongs_to","interface":"eni-0e","endpoint":"vpce-0i"},"#,
            r#"{"step":"proxied","variable":"HTTPS_PROXY","proxy":"proxy.corp:3128"},"#,
            r#"{"step":"answered","local":"172.31.16.10","result":"access_denied"},"#,
            r#"{"step":"testified","message":"denied"},"#,
            r#"{"step":"answered","local":"172.31.16.10","result":"ok"}]"#
        );
        let written = read(json).and_then(|trace| serde_json::to_string(&trace));
        assert_eq!(written.ok().as_deref(), Some(json));
    }

    #[test]
    fn a_step_that_follows_from_nothing_is_refused() {
        let interface = r#"{"step":"device_is","interface":"eni-0a","subnet":"subnet-0a"}"#;
        let table = r#"{"step":"uses_table","table":"rtb-0a","association":"main"}"#;
        let assumed = r#"{"step":"assumed_interface","interface":"eni-0b"}"#;
        for (list, number) in [
            (format!("[{interface}]"), 1),
            (format!("[{table},{table}]"), 2),
            (format!("[{assumed}]"), 1),
            (format!("[{assumed},{interface}]"), 2),
        ] {
            let error = read(&list).map_or_else(|error| error.to_string(), |trace| format!("{trace:?}"));
            assert!(error.contains(&format!("step {number} ")), "{list}: {error}");
        }
    }
}
