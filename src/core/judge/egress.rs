//! How a packet to one address leaves the instance: which device, hence which network interface.

use super::path::plain;
use crate::model::{
    Device, Drop, Evidence, Gap, Instance, Interface, KernelRoute, Missing, Path, PathKind, Snapshot, Verdict,
};
use std::net::IpAddr;

/// The network interface a packet leaves by.
pub(super) struct Egress<'s> {
    pub(super) interface: &'s Interface,
    /// The address the packet carries, if it is known.
    pub(super) source: Option<IpAddr>,
    /// The next hop, if the kernel named one.
    gateway: Option<IpAddr>,
    pub(super) evidence: Vec<Evidence>,
}

impl Egress<'_> {
    /// Where the next hop is another host than the VPC's router, no route table says where that sends the packet.
    pub(super) fn hands_to_another_host(&self) -> Option<Missing> {
        let gateway = self.gateway.filter(|gateway| self.is_another_host(*gateway))?;
        let detail = format!("the router of {} is the first address of its range", self.interface.subnet);
        Some(Missing::new(format!("where {gateway}, the next hop, sends packets"), &Gap::NotFound { detail }))
    }

    /// Whether a next hop is known not to be the VPC's router.
    ///
    /// The router has the first address of a subnet's IPv4 range; in IPv6 it goes by a link-local one that nothing names.
    /// <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>
    pub(super) fn is_another_host(&self, gateway: IpAddr) -> bool {
        let cidrs = self.interface.subnet_cidrs.seen();
        gateway.is_ipv4() && cidrs.is_some_and(|cidrs| !cidrs.iter().any(|cidr| cidr.hosts().next() == Some(gateway)))
    }
}

/// A packet that never reaches a network interface, or whose interface is not known.
pub(super) struct Elsewhere {
    pub(super) verdict: Verdict,
    pub(super) evidence: Vec<Evidence>,
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

/// Follows the kernel's decision for `address` to a network interface of the instance.
pub(super) fn egress(snapshot: &Snapshot, address: IpAddr) -> Result<Egress<'_>, Elsewhere> {
    let missing = |what: &str, gap: &Gap| Elsewhere {
        verdict: Verdict::Undetermined(vec![Missing::new(what, gap)]),
        evidence: Vec::new(),
    };
    if let Some(id) = &snapshot.assumed_interface {
        let instance = snapshot.instance.get().map_err(|gap| missing("the instance's network interfaces", gap))?;
        let known: Vec<_> = instance.interfaces.iter().map(|i| i.id.as_str()).collect();
        let interface = instance.interfaces.iter().find(|i| i.id == *id).ok_or_else(|| {
            let detail = format!("this instance has {}", known.join(", "));
            missing(&format!("network interface {id}"), &Gap::NotFound { detail })
        })?;
        let assumed = Evidence::AssumedInterface { interface: id.clone() };
        return Ok(Egress {
            interface,
            source: primary_address(interface, address),
            gateway: None,
            evidence: vec![assumed, is(interface)],
        });
    }

    let not_asked = Gap::NotTried { because: "nobody asked the kernel".into() };
    let what = format!("the kernel's route to {address}");
    let route = match snapshot.kernel_routes.get(&address) {
        Some(route) => route.get().map_err(|gap| missing(&what, gap))?,
        None => return Err(missing(&what, &not_asked)),
    };
    match route {
        KernelRoute::Local => Err(Elsewhere { verdict: Verdict::Via(by_device("lo")), evidence: Vec::new() }),
        KernelRoute::NoRoute { detail } => Err(Elsewhere {
            verdict: Verdict::Dropped(Drop::NoKernelRoute { detail: detail.clone() }),
            evidence: Vec::new(),
        }),
        KernelRoute::Via { device, source, gateway } => {
            let step = Evidence::LeavesBy { device: device.name.clone(), source: *source, gateway: *gateway };
            match interface_of(snapshot.instance.get(), device) {
                // AWS drops what a network interface sends from an address that is not its own, unless it is told not to.
                Ok(interface) if source.is_some_and(|source| !interface.addresses.contains(&source)) => {
                    let what = format!(
                        "whether {} may send from {}",
                        interface.id,
                        source.map_or_else(String::new, |s| s.to_string())
                    );
                    let gap = Gap::NotFound { detail: "instance metadata does not list it among its addresses".into() };
                    Err(Elsewhere { evidence: vec![step, is(interface)], ..missing(&what, &gap) })
                }
                Ok(interface) => {
                    Ok(Egress { interface, source: *source, gateway: *gateway, evidence: vec![step, is(interface)] })
                }
                Err(verdict) => Err(Elsewhere { verdict, evidence: vec![step] }),
            }
        }
    }
}

/// The instance's network interface behind a device of the kernel, tied by the hardware address.
fn interface_of<'s>(instance: Result<&'s Instance, &Gap>, device: &Device) -> Result<&'s Interface, Verdict> {
    let tunnel = device.kind.as_deref().is_some_and(|kind| TUNNELS.contains(&kind));
    let Some(mac) = device.mac.as_ref().filter(|_| !tunnel) else {
        return Err(Verdict::Via(by_device(&device.name)));
    };
    let what = format!("the network interface behind device {}", device.name);
    let instance = instance.map_err(|gap| Verdict::Undetermined(vec![Missing::new(&what, gap)]))?;
    instance.interfaces.iter().find(|interface| interface.mac == *mac).ok_or_else(|| {
        let detail = format!("no network interface of the instance has its hardware address {mac}");
        Verdict::Undetermined(vec![Missing::new(&what, &Gap::NotFound { detail })])
    })
}

/// A path that is a device of the host: a tunnel, or the host itself.
fn by_device(name: &str) -> Path {
    plain(PathKind::Other, name, Some("device"))
}

fn is(interface: &Interface) -> Evidence {
    Evidence::DeviceIs { interface: interface.id.clone(), subnet: interface.subnet.clone() }
}

/// The first address of the destination's family: what the kernel uses unless it is told otherwise.
fn primary_address(interface: &Interface, destination: IpAddr) -> Option<IpAddr> {
    interface.addresses.iter().copied().find(|address| address.is_ipv4() == destination.is_ipv4())
}

/// Heeds that an internet gateway carries IPv4 only from an address that has a public one.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Internet_Gateway.html>
pub(super) fn heed_public_address(verdict: Verdict, interface: &Interface, source: Option<IpAddr>) -> Verdict {
    let Verdict::Via(Path { kind: PathKind::InternetGateway, target, .. }) = &verdict else { return verdict };
    if source.is_some_and(|source| source.is_ipv6()) {
        return verdict;
    }
    match interface.public_addresses.get() {
        Err(gap) => {
            let what = format!("whether {} has a public address, which internet gateway {target} needs", interface.id);
            Verdict::Undetermined(vec![Missing::new(what, gap)])
        }
        Ok(public) if public.iter().any(|p| source.is_none_or(|source| p.private == source)) => verdict,
        Ok(_) => Verdict::Dropped(Drop::NoPublicAddress { target: target.clone() }),
    }
}
