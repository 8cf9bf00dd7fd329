//! Routes, as the kernel's messages have them.

use super::wire::{self, Attributes, Malformed, Message};
use std::net::IpAddr;

/// Attributes of routes: `RTA_DST`, `RTA_SRC`, …
pub(super) mod rta {
    pub(in super::super) const DESTINATION: u16 = 1;
    pub(in super::super) const SOURCE: u16 = 2;
    pub(in super::super) const OUTPUT: u16 = 4;
    pub(in super::super) const GATEWAY: u16 = 5;
    pub(in super::super) const PRIORITY: u16 = 6;
    pub(in super::super) const PREFERRED_SOURCE: u16 = 7;
    pub(in super::super) const MULTIPATH: u16 = 9;
    pub(in super::super) const TABLE: u16 = 15;
    pub(in super::super) const MARK: u16 = 16;
    pub(in super::super) const VIA: u16 = 18;
    pub(in super::super) const ENCAPSULATION_TYPE: u16 = 21;
    pub(in super::super) const USER: u16 = 25;
    pub(in super::super) const PROTOCOL: u16 = 27;
    pub(in super::super) const SOURCE_PORT: u16 = 28;
    pub(in super::super) const DESTINATION_PORT: u16 = 29;
    pub(in super::super) const NEXT_HOP: u16 = 30;
}

/// `RTM_F_CLONED`: not a route of a table.
const CLONED: u32 = 0x200;

/// `RTNH_F_DEAD`: no packet goes there.
pub(super) const DEAD: u32 = 1;

/// The types of routes: `RTN_UNICAST`, …
pub(super) mod kind {
    pub(in super::super) const UNICAST: u8 = 1;
    pub(in super::super) const LOCAL: u8 = 2;
    pub(in super::super) const BROADCAST: u8 = 3;
    pub(in super::super) const ANYCAST: u8 = 4;
    pub(in super::super) const MULTICAST: u8 = 5;
    pub(in super::super) const BLACKHOLE: u8 = 6;
    pub(in super::super) const UNREACHABLE: u8 = 7;
    pub(in super::super) const PROHIBIT: u8 = 8;
    pub(in super::super) const THROW: u8 = 9;
}

/// A next hop, its device by index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawHop {
    pub(super) device: u32,
    pub(super) gateway: Option<IpAddr>,
    pub(super) encapsulation: Option<u16>,
}

/// A route, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawRoute {
    pub(super) family: u8,
    pub(super) kind: u8,
    pub(super) tos: u8,
    /// `RTPROT_…`: where it came from.
    pub(super) protocol: u8,
    pub(super) table: u32,
    pub(super) priority: u32,
    pub(super) prefix_length: u8,
    /// Only for packets from some addresses; IPv6 has such routes.
    pub(super) is_for_sources: bool,
    pub(super) destination: Option<IpAddr>,
    pub(super) source: Option<IpAddr>,
    /// Those that are alive.
    pub(super) hops: Vec<RawHop>,
    /// The next-hop object, where the message names it and not the hops.
    pub(super) next_hop: Option<u32>,
    /// Whether it is what becomes of one packet, and not the route that was matched.
    pub(super) is_of_packet: bool,
    /// Whether every hop is dead: the route is not in effect.
    pub(super) is_dead: bool,
}

impl RawRoute {
    /// Reads a message about a route.
    pub(super) fn read(message: &Message<'_>) -> Result<Self, Malformed> {
        let (fixed, attributes) = message.split::<12>()?;
        let [family, prefix_length, source_length, tos, table, protocol, _, kind, ..] = *fixed;
        let mut route = Self {
            family,
            kind,
            tos,
            protocol,
            table: table.into(),
            priority: 0,
            prefix_length,
            is_for_sources: source_length != 0,
            destination: None,
            source: None,
            hops: Vec::new(),
            next_hop: None,
            is_of_packet: wire::u32_at(fixed, 8) & CLONED != 0,
            is_dead: false,
        };
        let mut single = Hop::default();
        for attribute in attributes {
            let (attribute, value) = attribute?;
            match attribute {
                rta::DESTINATION => route.destination = Some(wire::address(value)?),
                rta::PREFERRED_SOURCE => route.source = Some(wire::address(value)?),
                rta::TABLE => route.table = wire::number(value)?,
                rta::PRIORITY => route.priority = wire::number(value)?,
                rta::NEXT_HOP => route.next_hop = Some(wire::number(value)?),
                rta::MULTIPATH => route.hops = hops(value)?,
                _ => single.take(attribute, value)?,
            }
        }
        let is_alive = wire::u32_at(fixed, 8) & DEAD == 0;
        route.hops.extend(single.hop().filter(|_| is_alive));
        let has_hops = !route.hops.is_empty() || route.next_hop.is_some();
        route.is_dead = kind == self::kind::UNICAST && !(is_alive && has_hops);
        Ok(route)
    }
}

/// What attributes say of one next hop.
#[derive(Default)]
pub(super) struct Hop {
    device: Option<u32>,
    gateway: Option<IpAddr>,
    encapsulation: Option<u16>,
}

impl Hop {
    pub(super) fn take(&mut self, attribute: u16, value: &[u8]) -> Result<(), Malformed> {
        match attribute {
            rta::OUTPUT => self.device = Some(wire::number(value)?),
            rta::GATEWAY => self.gateway = Some(wire::address(value)?),
            // A gateway of another family, after its number of two bytes.
            rta::VIA => self.gateway = Some(wire::address(value.get(2..).unwrap_or_default())?),
            rta::ENCAPSULATION_TYPE => self.encapsulation = Some(wire::short(value)?),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn hop(self) -> Option<RawHop> {
        let Self { device, gateway, encapsulation } = self;
        Some(RawHop { device: device?, gateway, encapsulation })
    }
}

/// The living next hops of a multipath route: each a `struct rtnexthop` and its attributes.
fn hops(mut value: &[u8]) -> Result<Vec<RawHop>, Malformed> {
    let mut hops = Vec::new();
    while !value.is_empty() {
        let head = value.first_chunk::<8>().ok_or(Malformed("a whole next hop"))?;
        let length = usize::from(wire::u16_at(head, 0));
        let attributes = value.get(8..length).ok_or(Malformed("a whole next hop"))?;
        let mut hop = Hop { device: Some(wire::u32_at(head, 4)), ..Hop::default() };
        for attribute in Attributes(attributes) {
            let (attribute, value) = attribute?;
            hop.take(attribute, value)?;
        }
        if u32::from(head[2]) & DEAD == 0 {
            hops.extend(hop.hop());
        }
        value = value.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(hops)
}

/// A type of route in a word.
pub(super) fn word(kind: u8) -> &'static str {
    match kind {
        kind::BROADCAST => "broadcast",
        kind::ANYCAST => "anycast",
        kind::MULTICAST => "multicast",
        kind::BLACKHOLE => "blackhole",
        kind::UNREACHABLE => "unreachable",
        kind::PROHIBIT => "prohibited",
        _ => "a route of an unknown type",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::observe::kernel::wire::{Messages, NEW_ROUTE, Question};

    /// What a kernel says that does not know `RTM_F_FIB_MATCH` has one next hop of several, and this flag.
    #[test]
    fn what_becomes_of_one_packet_is_not_taken_for_the_route_that_was_matched() {
        for (flags, is_of_packet) in [(CLONED, true), (CLONED | 0x1000, true), (0x1000, false), (0, false)] {
            let mut fixed = [wire::INET, 32, 0, 0, 254, 4, 0, kind::UNICAST, 0, 0, 0, 0];
            fixed[8..].copy_from_slice(&flags.to_ne_bytes());
            let bytes = Question::new(NEW_ROUTE, 0, &fixed).with_u32(rta::OUTPUT, 2).numbered(1).to_vec();
            let message = Messages(&bytes).next().unwrap().unwrap();
            let route = RawRoute::read(&message).unwrap();
            assert_eq!((route.is_of_packet, route.hops.len()), (is_of_packet, 1), "{flags:#x}");
        }
    }
}
