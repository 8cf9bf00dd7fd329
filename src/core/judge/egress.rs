//! How a packet to one address leaves the instance: which device, hence which network interface.

use super::path::undetermined;
use crate::model::{
    Device, DeviceName, Drop, EgressStep, Gap, Instance, Interface, InterfaceId, InterfaceStep, KernelRoute, Missing,
    Observed, Path, PathTarget, Snapshot, Verdict,
};
use std::net::IpAddr;

/// The network interface a packet leaves by.
pub(super) struct Egress<'s> {
    pub(super) interface: &'s Interface,
    /// The address the packet carries, if it is known.
    pub(super) source: Option<IpAddr>,
    /// The next hop, if the kernel named one.
    gateway: Option<IpAddr>,
}

/// What a next hop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextHop<'s> {
    /// The VPC's router, by which the subnet's route table applies.
    Router,
    /// Another host, and no route table says where that sends a packet.
    AnotherHost,
    /// Either: the subnet's ranges, which would show it, are missing.
    Unknown(&'s Gap),
}

impl<'s> Egress<'s> {
    /// The fact that is missing where the next hop is not known to be the VPC's router.
    pub(super) fn not_by_the_router(&self) -> Option<Missing> {
        let gateway = self.gateway?;
        let subnet = &self.interface.subnet;
        match self.next_hop(gateway) {
            NextHop::Router => None,
            NextHop::AnotherHost => {
                let expected = format!("the router of {subnet}, the first address of its range");
                let why = Gap::OtherHost { host: gateway, expected };
                Some(Missing { what: format!("where {gateway}, the next hop, sends packets"), why })
            }
            NextHop::Unknown(gap) => {
                Some(Missing::new(format!("whether {gateway}, the next hop, is the router of {subnet}"), gap))
            }
        }
    }

    /// What a next hop is.
    ///
    /// The router has the first address of a subnet's IPv4 range; in IPv6 it goes by a link-local one that nothing names.
    /// <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>
    pub(super) fn next_hop(&self, gateway: IpAddr) -> NextHop<'s> {
        if gateway.is_ipv6() {
            return NextHop::Router;
        }
        match self.interface.subnet_cidrs.get() {
            Err(gap) => NextHop::Unknown(gap),
            Ok(cidrs) if cidrs.iter().any(|cidr| cidr.hosts().next() == Some(gateway)) => NextHop::Router,
            Ok(_) => NextHop::AnotherHost,
        }
    }
}

/// Kinds of virtual devices that wrap packets and send them elsewhere.
const TUNNELS: [&str; 18] = [
    "tun",
    "wireguard",
    "ovpn",
    "ipip",
    "gre",
    "gretap",
    "erspan",
    "sit",
    "vxlan",
    "geneve",
    "ip6tnl",
    "ip6gre",
    "ip6gretap",
    "ip6erspan",
    "vti",
    "vti6",
    "xfrm",
    "ppp",
];

/// Kinds of virtual devices that may be a network interface of the instance. A physical device has none; the lab's are one end
/// of a pair. Any other kind stacks on another device and may have its hardware address: VLAN, MACsec, macvlan, bond, …
const INTERFACE_KINDS: [&str; 1] = ["veth"];

/// The kind of a device that cannot be a network interface of the instance, whatever its hardware address.
pub(super) fn stacked_kind(device: &Device) -> Option<&str> {
    device.kind.as_deref().filter(|kind| !INTERFACE_KINDS.contains(kind))
}

/// How packets to `address` leave the instance, and through which of its network interfaces.
///
/// # Errors
/// The verdict where they reach no network interface, or where that is not known.
pub(super) fn egress(snapshot: &Snapshot, address: IpAddr) -> (Option<EgressStep>, Result<Egress<'_>, Verdict>) {
    if let Some(id) = &snapshot.assumed_interface {
        let interface = assumed(snapshot, id);
        let step = interface.as_ref().ok().map(|interface| EgressStep::Assumed(step_of(interface)));
        let through = |interface| Egress { interface, source: primary_address(interface, address), gateway: None };
        return (step, interface.map(through));
    }
    let not_asked = Gap::NotTried { because: "the kernel was not asked".into() };
    let route = snapshot.kernel_routes.get(&address).map_or(Err(&not_asked), Observed::get);
    match route {
        Err(gap) => (None, Err(undetermined(format!("the kernel's route to {address}"), gap))),
        Ok(KernelRoute::Local) => (None, Err(by_device(DeviceName::loopback()))),
        Ok(KernelRoute::NoRoute { detail }) => {
            (None, Err(Verdict::Dropped(Drop::NoKernelRoute { detail: detail.clone() })))
        }
        Ok(KernelRoute::Via { device, source, gateway }) => {
            let interface = interface_of(snapshot.instance.get(), device);
            let step = EgressStep::Kernel {
                device: device.name.clone(),
                source: *source,
                gateway: *gateway,
                interface: interface.as_ref().ok().map(|interface| step_of(interface)),
            };
            let through = |interface| through(interface, *source, *gateway);
            (Some(step), interface.and_then(through))
        }
    }
}

/// The network interface that `--interface` names.
fn assumed<'s>(snapshot: &'s Snapshot, id: &InterfaceId) -> Result<&'s Interface, Verdict> {
    let instance = snapshot.instance.get().map_err(|gap| undetermined("the instance's network interfaces", gap))?;
    instance.interfaces.iter().find(|interface| interface.id == *id).ok_or_else(|| {
        let known: Vec<_> = instance.interfaces.iter().map(|interface| interface.id.as_str()).collect();
        let detail = format!("this instance has {}", known.join(", "));
        undetermined(format!("network interface {id}"), &Gap::NotFound { detail })
    })
}

/// Out through `interface`, if the source address is its own.
///
/// AWS drops what a network interface sends from another address, unless its source/destination check is off.
fn through(interface: &Interface, source: Option<IpAddr>, gateway: Option<IpAddr>) -> Result<Egress<'_>, Verdict> {
    match source.filter(|source| !interface.addresses.contains(source)) {
        Some(source) => {
            let gap = Gap::SpoofedSource { source, interface: interface.id.clone() };
            Err(undetermined(format!("whether {} may send from {source}", interface.id), &gap))
        }
        None => Ok(Egress { interface, source, gateway }),
    }
}

/// The instance's network interface behind a device of the kernel, tied by the hardware address.
fn interface_of<'s>(instance: Result<&'s Instance, &Gap>, device: &Device) -> Result<&'s Interface, Verdict> {
    let tunnel = device.kind.as_deref().is_some_and(|kind| TUNNELS.contains(&kind));
    let Some(mac) = device.mac.as_ref().filter(|_| !tunnel) else {
        return Err(by_device(device.name.clone()));
    };
    let what = format!("the network interface behind device {}", device.name);
    let instance = instance.map_err(|gap| undetermined(&what, gap))?;
    let mut having = instance.interfaces.iter().filter(|interface| interface.mac == *mac);
    let Some(interface) = having.next() else {
        let detail = format!("no network interface of the instance has its hardware address {mac}");
        return Err(undetermined(&what, &Gap::NotFound { detail }));
    };
    let conflicting = |one: String, other: String| undetermined(&what, &Gap::Conflicting { one, other });
    if let Some(another) = having.next() {
        let one = format!("{} has the hardware address {mac}", interface.id);
        return Err(conflicting(one, format!("{} has it too", another.id)));
    }
    match stacked_kind(device) {
        Some(kind) => {
            let one = format!("{} has the hardware address of {}", device.name, interface.id);
            Err(conflicting(one, format!("it is a device of kind {kind}, which is not a network interface")))
        }
        None => Ok(interface),
    }
}

fn by_device(device: DeviceName) -> Verdict {
    Verdict::Via(PathTarget::HostDevice(device).into())
}

fn step_of(interface: &Interface) -> InterfaceStep {
    InterfaceStep { interface: interface.id.clone(), subnet: interface.subnet.clone() }
}

/// The first address of the destination's family: what the kernel uses unless it is told otherwise.
fn primary_address(interface: &Interface, destination: IpAddr) -> Option<IpAddr> {
    interface.addresses.iter().copied().find(|address| address.is_ipv4() == destination.is_ipv4())
}

/// An internet gateway carries IPv4 only from an address that has a public one.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Internet_Gateway.html>
pub(super) fn require_public_ipv4(verdict: Verdict, interface: &Interface, source: Option<IpAddr>) -> Verdict {
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
        Ok(_) => Verdict::Dropped(Drop::NoPublicAddress { target: target.clone() }),
    }
}
