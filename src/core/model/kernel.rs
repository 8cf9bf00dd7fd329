//! What the instance's kernel does with packets.

use super::{DeviceName, MacAddress};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

/// The address of the instance metadata service.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>
pub const METADATA_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// The kernel's route for a TCP connection to one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "decision")]
pub enum KernelRoute {
    /// It sends packets through a device.
    Via {
        /// The next hop, the first of several.
        #[serde(flatten)]
        hop: NextHop,
        /// The source address the packets would carry.
        source: Option<IpAddr>,
        /// The other next hops of a multipath route: which of them a connection takes depends on its ports.
        #[serde(default)]
        others: Vec<NextHop>,
        /// The kernel's routing table the route stands in: 254 is the main one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        table: Option<u32>,
    },
    /// The address is one of this host.
    Local,
    /// It rejects packets: there is no route, or it is an unreachable, prohibit or blackhole route.
    NoRoute {
        /// The kernel's reason.
        detail: String,
    },
}

impl KernelRoute {
    /// Every next hop of the route.
    pub fn hops(&self) -> impl Iterator<Item = &NextHop> {
        let (hop, others) = match self {
            Self::Via { hop, others, .. } => (Some(hop), others.as_slice()),
            Self::Local | Self::NoRoute { .. } => (None, [].as_slice()),
        };
        hop.into_iter().chain(others)
    }
}

/// Where a route sends packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NextHop {
    /// The device.
    pub device: Device,
    /// The next hop; `None` where the destination is on the link of the device.
    #[serde(default)]
    pub gateway: Option<IpAddr>,
    /// How the packets are wrapped before they are sent (`mpls`, `seg6`, …); `None` where they are sent as they are.
    #[serde(default)]
    pub encapsulation: Option<String>,
    /// Where the route came from, as ip-route(8) names it: `kernel`, `static`, `ra`. `None` where that was not collected.
    #[serde(default)]
    pub protocol: Option<String>,
}

impl fmt::Display for NextHop {
    /// `device wg0`, `next hop 172.31.16.99 on device ens5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(gateway) = self.gateway {
            write!(f, "next hop {gateway} on ")?;
        }
        write!(f, "device {}", self.device.name)?;
        if let Some(encapsulation) = &self.encapsulation {
            write!(f, " with encapsulation {encapsulation}")?;
        }
        Ok(())
    }
}

/// A network device of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// The kernel's name: `ens5`.
    pub name: DeviceName,
    /// Its hardware address; a tunnel has none.
    pub mac: Option<MacAddress>,
    /// The kind of a virtual device: `tun`, `wireguard`, `veth`, … `None` for a physical one.
    pub kind: Option<String>,
    /// The other devices with this hardware address that may also be the network interface: physical ones,
    /// and for a virtual device also those of the same kind.
    #[serde(default)]
    pub same_mac: Vec<String>,
}

/// A route of the kernel that may apply to only some addresses: one more specific than a default route, one of several
/// hops, or the route of a rule by destination. Only in snapshots of schema 1; see [`KernelPaths`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostRoute {
    /// The destination.
    #[schemars(with = "String")]
    pub destination: IpNet,
    /// The device it leads to; `None` for an unreachable, prohibit or blackhole route.
    pub device: Option<Device>,
    /// The next hop; `None` on-link.
    #[serde(default)]
    pub gateway: Option<IpAddr>,
    /// The kernel's routing table it stands in: 254 is the main one.
    pub table: u32,
}

/// The kernel's routes for all addresses of DynamoDB's prefix lists.
///
/// The lists are split at every prefix that one of the kernel's rules or routes has, and the kernel is asked for one address of
/// each range: all addresses of a range have the same route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KernelPaths {
    /// The ranges, in order, and the kernel's answers.
    pub ranges: Vec<KernelRange>,
    /// Where rules send the packets of other programs, if that differs.
    pub policies: Vec<PolicyPath>,
    /// Whether a table of the kernel has a route to IPv6 addresses beyond this host and its links, whatever may use it.
    /// Absent where an older version did not collect it.
    #[serde(default)]
    pub has_ipv6_route: Option<bool>,
}

/// A range of addresses, and the kernel's route for connections to one port of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KernelRange {
    /// The first address.
    pub first: IpAddr,
    /// The last address.
    pub last: IpAddr,
    /// The port.
    pub port: u16,
    /// The kernel's route.
    pub route: KernelRoute,
}

impl fmt::Display for KernelRange {
    /// `52.94.0.0/22`, `52.94.0.7`, or `52.94.0.0-52.94.2.255` where the range is not one prefix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.first, self.last);
        if first == last {
            return write!(f, "{first}");
        }
        let bits = |address| match address {
            IpAddr::V4(address) => u128::from(u32::from(address)),
            IpAddr::V6(address) => u128::from(address),
        };
        let host = 128 - (bits(first) ^ bits(last)).leading_zeros();
        let length = u8::try_from(if first.is_ipv4() { 32_u32 } else { 128 }.saturating_sub(host)).ok();
        match length.and_then(|length| IpNet::new(first, length).ok()) {
            Some(prefix) if prefix.network() == first && prefix.broadcast() == last => write!(f, "{prefix}"),
            Some(_) | None => write!(f, "{first}-{last}"),
        }
    }
}

/// Where rules of the kernel send packets that differ from onnet's own: those of another user, or with a mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyPath {
    /// The rules, as ip-rule(8) writes them: `1000: from all uidrange 1001-1001 lookup 100`.
    pub rules: Vec<String>,
    /// The packets.
    pub packets: Packets,
    /// Their routes, where these differ from [`KernelPaths::ranges`].
    pub ranges: Vec<KernelRange>,
}

impl PolicyPath {
    /// Whether it is not known whose packets these are.
    pub fn is_hidden(&self) -> bool {
        self.packets.user == Some(PacketUser::Hidden)
    }
}

/// Packets that a rule distinguishes from onnet's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Packets {
    /// Packets of programs of this user.
    #[serde(default)]
    pub user: Option<PacketUser>,
    /// Packets with this firewall mark (`SO_MARK`).
    #[serde(default)]
    pub mark: Option<u32>,
    /// Packets with this type of service.
    #[serde(default)]
    pub tos: Option<u8>,
    /// Packets from this source port.
    #[serde(default)]
    pub source_port: Option<u16>,
    /// Packets that this host forwards for others, from any device.
    #[serde(default)]
    pub forwarded: bool,
    /// Packets that arrive through this device and are forwarded.
    #[serde(default)]
    pub input: Option<String>,
    /// Packets of a socket that is bound to this device.
    #[serde(default)]
    pub output: Option<String>,
    /// The rule has a selector that this version of onnet does not know, or whose value cannot be known.
    #[serde(default)]
    pub unknown: bool,
}

/// A user, as onnet's user namespace shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PacketUser {
    /// The user with this number.
    Uid(u32),
    /// A user whose number the kernel does not show in onnet's user namespace (`PrivateUsers=`).
    Hidden,
}

impl fmt::Display for Packets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, mark, tos, source_port, forwarded, input, output, unknown } = self;
        let mut parts = Vec::new();
        match user {
            Some(PacketUser::Uid(uid)) => parts.push(format!("of user {uid}")),
            Some(PacketUser::Hidden) => {
                parts.push("of users whose numbers onnet's user namespace hides (PrivateUsers=)".to_owned());
            }
            None => {}
        }
        parts.extend(mark.map(|mark| format!("with firewall mark {mark:#x}")));
        parts.extend(tos.map(|tos| format!("with type of service {tos:#04x}")));
        parts.extend(source_port.map(|port| format!("from source port {port}")));
        if *forwarded {
            parts.push("forwarded for other hosts".to_owned());
        }
        parts.extend(input.as_ref().map(|device| format!("forwarded from device {device}")));
        parts.extend(output.as_ref().map(|device| format!("of sockets bound to device {device}")));
        if *unknown {
            parts.push("chosen by a selector that onnet cannot evaluate".to_owned());
        }
        write!(f, "packets {}", parts.join(" "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_range_is_written_as_a_prefix_where_it_is_one() {
        for (first, last, expected) in [
            ("52.94.0.0", "52.94.3.255", "52.94.0.0/22"),
            ("52.94.0.7", "52.94.0.7", "52.94.0.7"),
            ("52.94.0.0", "52.94.2.255", "52.94.0.0-52.94.2.255"),
            ("52.94.1.0", "52.94.2.255", "52.94.1.0-52.94.2.255"),
            ("0.0.0.0", "255.255.255.255", "0.0.0.0/0"),
            ("2001:db8::", "2001:db8::ffff", "2001:db8::/112"),
            ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"),
        ] {
            let (first, last) = (first.parse().unwrap(), last.parse().unwrap());
            let range = KernelRange { first, last, port: 443, route: KernelRoute::Local };
            assert_eq!(range.to_string(), expected);
        }
    }
}
