//! How a packet to one address leaves the instance: which device, hence which network interface.

use super::{
    next_hop::{by_device, contradicted, interface_of, leads_to_router, may_send_from, other_kind},
    path::undetermined,
};
use crate::model::{
    DeviceName, Drop, EgressStep, Gap, Instance, Interface, InterfaceId, InterfaceStep, InternetGatewayId, KernelRoute,
    Missing, Observed, Path, PathTarget, Resolution, Snapshot, Verdict, VpcFacts,
};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// The network interface a packet goes out by.
pub(super) struct Egress<'s> {
    pub(super) interface: &'s Interface,
    /// The address the packet carries, if it is known.
    pub(super) source: Option<IpAddr>,
    /// Why it is not known that the packet reaches the VPC's router, or a host of the subnet itself.
    pub(super) astray: Option<Missing>,
}

/// How packets to `address` leave the instance, and through which of its network interfaces.
///
/// # Errors
/// The verdict where they reach no network interface, or where that is not known.
pub(super) fn egress(snapshot: &Snapshot, address: IpAddr) -> (Option<EgressStep>, Result<Egress<'_>, Verdict>) {
    if let Some(id) = &snapshot.assumed_interface {
        let interface = assumed(snapshot, id);
        let step = interface.as_ref().ok().map(|interface| EgressStep::Assumed(step_of(interface)));
        let through = |interface| Ok(Egress { interface, source: Some(source_to(interface, address)?), astray: None });
        return (step, interface.and_then(through));
    }
    let not_asked = Gap::NotTried { because: "the kernel was not asked".into() };
    let route = snapshot.kernel_routes.get(&address).map_or(Err(&not_asked), Observed::get);
    match route {
        Err(gap) => (None, Err(undetermined(format!("the kernel's route to {address}"), gap))),
        Ok(route) => {
            let (step, egress) = follow(snapshot.instance.get(), route, (address, address));
            let egress = egress.and_then(|egress| match without_source(route) {
                None => Ok(egress),
                Some(missing) => Err(Verdict::Undetermined(vec![missing])),
            });
            (step, egress)
        }
    }
}

/// Follows a decision of the kernel for the addresses from `first` to `last`.
pub(super) fn follow<'s>(
    instance: Result<&'s Instance, &Gap>,
    route: &KernelRoute,
    (first, last): (IpAddr, IpAddr),
) -> (Option<EgressStep>, Result<Egress<'s>, Verdict>) {
    let (hop, source) = match route {
        KernelRoute::Local => return (None, Err(by_device(DeviceName::loopback()))),
        KernelRoute::NoRoute { detail } => {
            return (None, Err(Verdict::Dropped(Drop::NoKernelRoute { detail: detail.clone() })));
        }
        KernelRoute::Via { hop, source, .. } => (hop, *source),
    };
    let interface = interface_of(instance, route);
    let step = EgressStep::Kernel {
        device: hop.device.name.clone(),
        source,
        gateway: hop.gateway,
        interface: interface.as_ref().ok().map(|interface| step_of(interface)),
    };
    let through = |interface| {
        source.map_or(Ok(()), |source| may_send_from(interface, source))?;
        Ok(Egress { interface, source, astray: leads_to_router(interface, route, (first, last)).err() })
    };
    (Some(step), interface.and_then(through))
}

/// Where the kernel does not say which address it sends from, another one may be dropped by AWS.
pub(super) fn without_source(route: &KernelRoute) -> Option<Missing> {
    let KernelRoute::Via { hop, source: None, .. } = route else { return None };
    let what = format!("the source address of packets through {}", hop.device.name);
    Some(Missing { what, why: Gap::NotFound { detail: "the kernel named none".to_owned() } })
}

/// The device that is not a network interface, such as a tunnel, by which the kernel sends packets to `address`.
fn tunnel_to(snapshot: &Snapshot, address: IpAddr) -> Option<DeviceName> {
    let route = snapshot.kernel_routes.get(&address)?.seen()?;
    // What stays on this host, such as a query to a resolver here, goes into no tunnel.
    if *route == KernelRoute::Local {
        return None;
    }
    match follow(snapshot.instance.get(), route, (address, address)).1 {
        Err(Verdict::Via(Path { target: PathTarget::HostDevice(device), .. })) => Some(device),
        Ok(_) | Err(Verdict::Via(_) | Verdict::Dropped(_) | Verdict::Ambiguous(_) | Verdict::Undetermined(_)) => None,
    }
}

/// Where the kernel sends packets to `address`, in words, if that is not through a network interface.
pub(super) fn detour(snapshot: &Snapshot, address: IpAddr) -> Option<String> {
    if let Some(device) = tunnel_to(snapshot, address) {
        return Some(format!("into device {device}"));
    }
    let route = snapshot.kernel_routes.get(&address)?.seen()?;
    let (device, kind) = route.hops().find_map(|hop| Some((&hop.device.name, other_kind(&hop.device)?)))?;
    Some(format!("to device {device} of kind {kind}, which is not a network interface of the instance"))
}

/// The same of the instance metadata service, which is not on this host: nor does it answer where there is no route.
pub(super) fn detour_of_metadata(snapshot: &Snapshot, address: IpAddr) -> Option<String> {
    match snapshot.kernel_routes.get(&address)?.seen()? {
        KernelRoute::Local => Some("to this host itself".to_owned()),
        KernelRoute::NoRoute { detail } => Some(format!("nowhere ({detail})")),
        KernelRoute::Via { .. } => detour(snapshot, address),
    }
}

/// A name server that did not answer for a name, and where the kernel sends packets to it instead of a network interface.
/// Where it answers, that is how the host is meant.
pub(super) fn silent_servers<'s>(
    snapshot: &'s Snapshot,
    resolution: &'s Resolution,
) -> impl Iterator<Item = (IpAddr, String)> + use<'s> {
    let is_silent = |gap: Option<&Gap>| matches!(gap, Some(Gap::TimedOut { .. } | Gap::Unreachable { .. }));
    let is_silent = is_silent(resolution.ipv4.gap()) || is_silent(resolution.ipv6.gap());
    let servers = resolution.servers.iter().map(SocketAddr::ip).filter(move |_| is_silent);
    servers.filter_map(|server| Some((server, detour(snapshot, server)?)))
}

/// The network interface that `--interface` names.
fn assumed<'s>(snapshot: &'s Snapshot, id: &InterfaceId) -> Result<&'s Interface, Verdict> {
    let instance = snapshot.instance.get().map_err(|gap| undetermined("the instance's network interfaces", gap))?;
    let what = format!("network interface {id}");
    let interface = instance.interfaces.iter().find(|interface| interface.id == *id).ok_or_else(|| {
        let known: Vec<_> = instance.interfaces.iter().map(|interface| interface.id.as_str()).collect();
        let detail = format!("this instance has {}", known.join(", "));
        undetermined(&what, &Gap::NotFound { detail })
    })?;
    contradicted(instance, interface).map_or(Ok(interface), |gap| Err(undetermined(&what, &gap)))
}

fn step_of(interface: &Interface) -> InterfaceStep {
    InterfaceStep { interface: interface.id.clone(), subnet: interface.subnet.clone() }
}

/// The first address of the destination's family: what the kernel uses by default.
///
/// # Errors
/// The verdict where the network interface has none, or one that is none of its subnet's.
fn source_to(interface: &Interface, destination: IpAddr) -> Result<IpAddr, Verdict> {
    let what = || format!("the source address of packets from {} to {destination}", interface.id);
    let of_family = interface.addresses.iter().find(|address| address.is_ipv4() == destination.is_ipv4());
    let source = of_family.copied().ok_or_else(|| {
        let detail = format!("it has no {} address", if destination.is_ipv4() { "IPv4" } else { "IPv6" });
        undetermined(what(), &Gap::NotFound { detail })
    })?;
    let ranges = interface.subnet_cidrs.get().map_err(|gap| undetermined(what(), gap))?;
    if !ranges.iter().any(|range| range.contains(&source)) {
        let one = format!("{} of {} has {source}", interface.id, interface.subnet);
        let gap = Gap::Conflicting { one, other: "the subnet has no range with that address".to_owned() };
        return Err(undetermined(what(), &gap));
    }
    Ok(source)
}

/// An internet gateway carries IPv4 only from an address that has a public one.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Internet_Gateway.html>
/// An Automated Internet Firewall at the gateway may let others out too: the subnet's connectivity type decides
/// (`NetworkFirewallConnectivityType`, <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Subnet.html>).
pub(super) fn require_public_ipv4(
    facts: &VpcFacts,
    verdict: Verdict,
    interface: &Interface,
    source: Option<IpAddr>,
) -> Verdict {
    let Verdict::Via(Path { target: PathTarget::InternetGateway(target), .. }) = &verdict else { return verdict };
    if source.is_some_and(|source| source.is_ipv6()) {
        return verdict;
    }
    match interface.public_addresses.get() {
        Err(gap) => {
            let what = format!("whether {} has a public address, which internet gateway {target} needs", interface.id);
            undetermined(what, gap)
        }
        Ok(public) if public.iter().any(|p| source.is_none_or(|source| p.private == source)) => verdict,
        Ok(_) if has_firewall(facts, target) => match firewall_treatment(facts, interface) {
            Ok("flexible" | "outbound-only") => verdict,
            Ok("bidirectional" | "exclude" | "az-unsupported") => {
                Verdict::Dropped(Drop::NoPublicAddress { target: target.clone() })
            }
            other => {
                let what = format!(
                    "whether the Automated Internet Firewall at {target} lets {} out without a public address",
                    interface.id
                );
                let undocumented = |value: &str| Gap::UndocumentedValue {
                    field: "NetworkFirewallConnectivityType".to_owned(),
                    value: value.to_owned(),
                };
                undetermined(what, &other.map_or_else(|gap| gap, undocumented))
            }
        },
        Ok(_) => Verdict::Dropped(Drop::NoPublicAddress { target: target.clone() }),
    }
}

/// The same of a range, whose packets of IPv4 alone need a public address, and that of their own source.
pub(super) fn require_public_ipv4_for(
    facts: &VpcFacts,
    verdict: Verdict,
    range: IpNet,
    interface: &Interface,
    source: Option<IpAddr>,
) -> Verdict {
    match range {
        IpNet::V4(_) => require_public_ipv4(facts, verdict, interface, source.filter(IpAddr::is_ipv4)),
        IpNet::V6(_) => verdict,
    }
}

/// How an Automated Internet Firewall treats the subnet.
fn firewall_treatment<'f>(facts: &'f VpcFacts, interface: &Interface) -> Result<&'f str, Gap> {
    let id = &interface.subnet;
    let not_read = || Gap::NotTried { because: format!("the connectivity type of {id} was not read") };
    let subnets = facts.gates.as_ref().ok_or_else(not_read)?.subnets.get().map_err(Clone::clone)?;
    let mut named = subnets.iter().filter(|subnet| subnet.id == *id && subnet.vpc == interface.vpc);
    match (named.next(), named.next()) {
        (Some(subnet), None) => subnet.firewall.as_deref().ok_or_else(not_read),
        (None, _) | (Some(_), Some(_)) => Err(not_read()),
    }
}

/// Whether an Automated Internet Firewall inspects the traffic of a gateway.
pub(super) fn has_firewall(facts: &VpcFacts, gateway: &InternetGatewayId) -> bool {
    let tables = facts.route_tables.seen().into_iter().flatten();
    tables.into_iter().any(|table| table.firewalled.contains(gateway))
}
