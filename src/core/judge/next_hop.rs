//! Whether the next hops of a kernel route lead to the VPC's router through one of the instance's network interfaces.

use super::path::undetermined;
use crate::model::{Device, DeviceName, Gap, Instance, Interface, KernelRoute, Missing, NextHop, PathTarget, Verdict};
use ipnet::IpNet;
use std::{collections::BTreeSet, net::IpAddr};

/// Kinds of virtual devices that wrap packets, or hand them to a program, and send them elsewhere.
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

/// The kind of one end of a virtual Ethernet cable.
const CABLE: &str = "veth";

/// The network interface that every next hop of `route` goes out by.
///
/// # Errors
/// The verdict on packets that do not reach a network interface, or not provably.
pub(super) fn interface_of<'s>(
    instance: Result<&'s Instance, &Gap>,
    route: &KernelRoute,
) -> Result<&'s Interface, Verdict> {
    let mut interfaces: Vec<&Interface> = Vec::new();
    let mut missing = Vec::new();
    for hop in route.hops() {
        match interface_behind(instance, &hop.device) {
            Ok(interface) if interfaces.iter().any(|known| known.id == interface.id) => {}
            Ok(interface) => interfaces.push(interface),
            Err(Verdict::Undetermined(more)) => missing.extend(more),
            // Some of the connections take it.
            Err(elsewhere) => return Err(elsewhere),
        }
    }
    match (interfaces.as_slice(), missing.is_empty()) {
        ([interface], true) => Ok(interface),
        (_, false) => Err(Verdict::Undetermined(missing)),
        (several, true) => {
            let ids: Vec<_> = several.iter().map(|interface| interface.id.as_str()).collect();
            let detail = format!("the kernel's route has next hops on {}", ids.join(" and "));
            let what = "which network interface a connection goes out by";
            Err(undetermined(what, &Gap::NotFound { detail }))
        }
    }
}

/// The instance's network interface behind a device of the kernel, identified by kind and hardware address.
///
/// A network interface of EC2 is a physical device. Virtual devices inherit the hardware address of the one they stand
/// on (VLAN, MACsec, ipvlan, bond, team, bridge, macvlan in passthru mode) or can be given any (dummy, macvlan, ifb, vrf,
/// netkit): what goes out through them is tagged, encrypted, spread over several devices, handed to another network namespace
/// or discarded, so the address proves nothing. The exception is veth: it joins a network namespace that was handed the
/// interface's addresses to the host, and counts as the interface where no other device here has its address.
fn interface_behind<'s>(instance: Result<&'s Instance, &Gap>, device: &Device) -> Result<&'s Interface, Verdict> {
    let kind = device.kind.as_deref();
    let tunnel = kind.is_some_and(|kind| TUNNELS.contains(&kind));
    let what = format!("the network interface behind device {}", device.name);
    let Some(mac) = device.mac.as_ref().filter(|_| !tunnel) else {
        // A tunnel says what it is; a physical device has a hardware address.
        return Err(match kind {
            Some(_) => by_device(device.name.clone()),
            None => {
                undetermined(&what, &Gap::NotFound { detail: "it has neither a kind nor a hardware address".into() })
            }
        });
    };
    let instance = instance.map_err(|gap| undetermined(&what, gap))?;
    let mut having = instance.interfaces.iter().filter(|interface| interface.mac == *mac);
    let Some(interface) = having.next() else {
        let detail = format!("no network interface of the instance has its hardware address {mac}");
        return Err(undetermined(&what, &Gap::NotFound { detail }));
    };
    let conflicting = |one: String, other: String| Err(undetermined(&what, &Gap::Conflicting { one, other }));
    if let Some(another) = having.next() {
        let one = format!("{} has the hardware address {mac}", interface.id);
        return conflicting(one, format!("{} has it too", another.id));
    }
    if let Some(gap) = contradicted(instance, interface) {
        return Err(undetermined(&what, &gap));
    }
    let has_address = format!("{} has the hardware address of {}", device.name, interface.id);
    if let Some(kind) = other_kind(device) {
        return conflicting(has_address, format!("it is a device of kind {kind}, which is not a network interface"));
    }
    if !device.same_mac.is_empty() {
        return conflicting(has_address, format!("{} has it too", device.same_mac.join(" and ")));
    }
    Ok(interface)
}

/// What the metadata of the instance have against one of its network interfaces: those of another one, or its own.
pub(super) fn contradicted(instance: &Instance, interface: &Interface) -> Option<Gap> {
    let conflicting = |one: String, other: String| Some(Gap::Conflicting { one, other });
    let others = || instance.interfaces.iter().filter(|other| *other != interface);
    if others().any(|other| other.id == interface.id) {
        return conflicting(format!("{} is listed twice", interface.id), "with different contents".to_owned());
    }
    let shares = |other: &&Interface| other.addresses.iter().any(|address| interface.addresses.contains(address));
    if let Some(other) = others().find(shares) {
        return conflicting(
            format!("{} has an address of {}", interface.id, other.id),
            "an address is one interface's".to_owned(),
        );
    }
    let differs = |other: &&Interface| {
        let ranges = other.subnet_cidrs.seen().zip(interface.subnet_cidrs.seen());
        other.subnet == interface.subnet
            && (other.vpc != interface.vpc || ranges.is_some_and(|(one, other)| !same_ranges(one, other)))
    };
    if let Some(other) = others().find(differs) {
        let one = format!("{} and {} are in {}", interface.id, other.id, interface.subnet);
        return conflicting(one, "they say different things of its VPC or of its ranges".to_owned());
    }
    if let Some(address) = outside_its_subnet(interface) {
        let one = format!("{} of {} has {address}", interface.id, interface.subnet);
        return conflicting(one, "the subnet has no range with that address".to_owned());
    }
    None
}

/// Whether two readings of a subnet's ranges agree. The metadata of an interface without IPv6 addresses has no IPv6 ranges.
fn same_ranges(one: &[IpNet], other: &[IpNet]) -> bool {
    [true, false].into_iter().all(|is_ipv4| {
        let of_family = |ranges: &[IpNet]| -> BTreeSet<IpNet> {
            ranges.iter().filter(|range| range.addr().is_ipv4() == is_ipv4).copied().collect()
        };
        let (one, other) = (of_family(one), of_family(other));
        one.is_empty() || other.is_empty() || one == other
    })
}

/// An address that the subnet, whose ranges of that family are known, cannot give.
fn outside_its_subnet(interface: &Interface) -> Option<IpAddr> {
    let ranges = interface.subnet_cidrs.seen()?;
    let is_outside = |address: &&IpAddr| {
        let mut of_family = ranges.iter().filter(|range| range.addr().is_ipv4() == address.is_ipv4()).peekable();
        of_family.peek().is_some() && !of_family.any(|range| range.contains(*address))
    };
    interface.addresses.iter().find(is_outside).copied()
}

/// The kind of a virtual device that is not a network interface.
pub(super) fn other_kind(device: &Device) -> Option<&str> {
    device.kind.as_deref().filter(|kind| *kind != CABLE)
}

/// Out of the host by a device that is not a network interface: a tunnel, or the host itself.
pub(super) fn by_device(device: DeviceName) -> Verdict {
    Verdict::Via(PathTarget::HostDevice(device).into())
}

/// Whether the source address is the network interface's own.
///
/// AWS drops what a network interface sends from another address, unless its source/destination check is off.
pub(super) fn may_send_from(interface: &Interface, source: IpAddr) -> Result<(), Verdict> {
    if interface.addresses.contains(&source) {
        return Ok(());
    }
    let gap = Gap::SpoofedSource { source, interface: interface.id.clone() };
    Err(undetermined(format!("whether {} may send from {source}", interface.id), &gap))
}

/// Whether every next hop of a route to the addresses from `first` to `last` is the VPC's router, or the addresses are in
/// the subnet itself.
///
/// The router has the first address of a subnet's IPv4 range. In IPv6 it has a link-local address that no API names; it
/// is the only host of a VPC whose router advertisements arrive.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>
///
/// # Errors
/// What is not known.
pub(super) fn leads_to_router(
    interface: &Interface,
    route: &KernelRoute,
    (first, last): (IpAddr, IpAddr),
) -> Result<(), Missing> {
    route.hops().try_for_each(|hop| hop_leads_to_router(interface, hop, (first, last)))
}

fn hop_leads_to_router(interface: &Interface, hop: &NextHop, (first, last): (IpAddr, IpAddr)) -> Result<(), Missing> {
    let subnet = &interface.subnet;
    if let Some(encapsulation) = &hop.encapsulation {
        let what = format!("where the {encapsulation} encapsulation of a route through {} sends packets", interface.id);
        let detail = "they are not addressed to DynamoDB until it is removed".into();
        return Err(Missing::new(what, &Gap::NotFound { detail }));
    }
    let Some(gateway) = hop.gateway else {
        let cidrs = interface.subnet_cidrs.get().map_err(|gap| {
            Missing::new(format!("whether {first} is in {subnet} itself, as the kernel's route says"), gap)
        })?;
        if cidrs.iter().any(|cidr| cidr.contains(&first) && cidr.contains(&last)) {
            return Ok(());
        }
        let what = format!("who answers for {first} on the link of {}", interface.id);
        let detail = format!("the kernel's route has no next hop, and the address is not in {subnet}");
        return Err(Missing::new(what, &Gap::NotFound { detail }));
    };
    let what = || format!("where {gateway}, the next hop, sends packets");
    let other = |expected: &str| {
        let expected = format!("the router of {subnet}, {expected}");
        Err(Missing { what: what(), why: Gap::OtherHost { host: gateway, expected } })
    };
    match (gateway, first) {
        (IpAddr::V4(_), _) => {
            let what = || format!("whether {gateway}, the next hop, is the router of {subnet}");
            let cidrs = interface.subnet_cidrs.get().map_err(|gap| Missing::new(what(), gap))?;
            let is_router = cidrs.iter().any(|cidr| cidr.hosts().next() == Some(gateway));
            if is_router { Ok(()) } else { other("the first address of its range") }
        }
        (IpAddr::V6(_), IpAddr::V4(_)) => other("which has an IPv4 address for IPv4"),
        (IpAddr::V6(v6), IpAddr::V6(_)) if !v6.is_unicast_link_local() => other("which has a link-local address"),
        (IpAddr::V6(_), IpAddr::V6(_)) => match hop.protocol.as_deref() {
            Some("ra") => Ok(()),
            // Snapshots of schema 1 do not say where a route came from.
            other => {
                let of = other.map_or("not known which protocol's".to_owned(), |other| format!("of protocol {other}"));
                let detail = format!("the router of {subnet} advertises itself, and the route is {of}");
                Err(Missing::new(what(), &Gap::NotFound { detail }))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::model::{Device, KernelRoute, NextHop, Observed, Timestamp};
    use std::time::SystemTime;

    fn interface() -> Interface {
        let at = Timestamp::from(SystemTime::UNIX_EPOCH);
        let ranges = ["172.31.16.0/20", "2001:db8:16::/64"].map(|range| range.parse().unwrap()).to_vec();
        Interface {
            id: "eni-0a".into(),
            mac: "06:00:00:00:00:10".into(),
            device_number: 0,
            subnet: "subnet-0a".into(),
            vpc: "vpc-0a".into(),
            addresses: Vec::new(),
            owner: Observed::Unseen(Gap::not_yet()),
            security_groups: Observed::Unseen(Gap::not_yet()),
            prefixes: Observed::Unseen(Gap::not_yet()),
            subnet_cidrs: Observed::Seen { value: ranges, at, took: Default::default() },
            public_addresses: Observed::Seen { value: Vec::new(), at, took: Default::default() },
        }
    }

    fn hop(gateway: &str, protocol: Option<&str>) -> NextHop {
        let device = Device { name: "ens5".into(), mac: None, kind: None, same_mac: Vec::new() };
        let gateway = gateway.parse().ok();
        NextHop { device, gateway, encapsulation: None, protocol: protocol.map(str::to_owned) }
    }

    fn leads(hops: &[NextHop], first: &str, last: &str) -> bool {
        let [hop, others @ ..] = hops else { panic!("a hop") };
        let route = KernelRoute::Via { hop: hop.clone(), source: None, others: others.to_vec(), table: None };
        leads_to_router(&interface(), &route, (first.parse().unwrap(), last.parse().unwrap())).is_ok()
    }

    #[test]
    fn the_router_has_the_first_address_of_the_subnet_or_advertises_itself() {
        for (gateway, protocol, first, expected) in [
            ("172.31.16.1", None, "52.94.0.1", true),
            ("172.31.16.2", None, "52.94.0.1", false),
            ("172.31.0.1", None, "52.94.0.1", false),
            ("fe80::1", Some("ra"), "52.94.0.1", false),
            ("fe80::1", Some("ra"), "2600:1f70::1", true),
            ("fe80::1", None, "2600:1f70::1", false),
            ("fe80::1", Some("static"), "2600:1f70::1", false),
            ("2001:db8:16::1", Some("ra"), "2600:1f70::1", false),
            ("", None, "172.31.17.9", true),
            ("", None, "52.94.0.1", false),
            ("", None, "2001:db8:16::9", true),
            ("", None, "2600:1f70::1", false),
        ] {
            assert_eq!(leads(&[hop(gateway, protocol)], first, first), expected, "{gateway:?} {protocol:?} {first}");
        }
    }

    #[test]
    fn every_next_hop_and_every_address_counts() {
        let (router, other) = (hop("172.31.16.1", None), hop("172.31.16.99", None));
        assert!(leads(&[router.clone(), router.clone()], "52.94.0.1", "52.94.0.1"));
        assert!(!leads(&[router.clone(), other.clone()], "52.94.0.1", "52.94.0.1"));
        assert!(!leads(&[other, router], "52.94.0.1", "52.94.0.1"));
        assert!(leads(&[hop("", None)], "172.31.16.2", "172.31.31.254"));
        assert!(!leads(&[hop("", None)], "172.31.16.2", "172.31.32.0"), "its end is not in the subnet");
        assert!(!leads(&[hop("", None)], "172.31.15.255", "172.31.16.5"), "its start is not in the subnet");
    }
}
