//! Questions to the kernel about one packet, and its answers.

use super::{
    KernelError,
    objects::next_hops,
    route::{RawHop, RawRoute, kind, rta, word},
    socket::{Failure, Socket, is_unsupported},
    wire::{self, Question},
};
use rustix::io::Errno;
use std::net::IpAddr;

/// A packet that a program sends: what the kernel's rules and routes can choose by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) to: IpAddr,
    pub(super) port: u16,
    /// The address the program chose; else the kernel chooses.
    pub(super) source: Option<IpAddr>,
    pub(super) kind: PacketKind,
}

/// What of a packet rules can choose by, beside addresses and the destination's port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PacketKind {
    /// The user; `None`: onnet's own.
    pub(super) user: Option<u32>,
    pub(super) mark: u32,
    pub(super) tos: u8,
    /// The source port; `None`: not chosen yet.
    pub(super) source_port: Option<u16>,
}

/// `RTM_F_LOOKUP_TABLE`: say which table; `RTM_F_FIB_MATCH`: answer with the route itself, with every next hop of it.
const LOOKUP_TABLE: u32 = 0x1000;
const FIB_MATCH: u32 = 0x2000;

/// `IPPROTO_TCP`
const TCP: u8 = 6;

fn question(packet: &Packet, source: Option<IpAddr>, flags: u32) -> Question {
    let (family, everything) = if packet.to.is_ipv4() { (wire::INET, 32) } else { (wire::INET6, 128) };
    let source_length = if source.is_some() { everything } else { 0 };
    let mut fixed = [family, everything, source_length, packet.kind.tos, 0, 0, 0, 0, 0, 0, 0, 0];
    fixed[8..].copy_from_slice(&flags.to_ne_bytes());
    let mut question = Question::new(wire::GET_ROUTE, 0, &fixed)
        .with_address(rta::DESTINATION, packet.to)
        .with(rta::PROTOCOL, &[TCP])
        .with(rta::DESTINATION_PORT, &packet.port.to_be_bytes());
    if let Some(source) = source {
        question = question.with_address(rta::SOURCE, source);
    }
    if let Some(user) = packet.kind.user {
        question = question.with_u32(rta::USER, user);
    }
    if packet.kind.mark != 0 {
        question = question.with_u32(rta::MARK, packet.kind.mark);
    }
    if let Some(port) = packet.kind.source_port {
        question = question.with(rta::SOURCE_PORT, &port.to_be_bytes());
    }
    question
}

/// What the kernel answers: a route, or its word for there being none.
type Answer = Result<RawRoute, &'static str>;

async fn ask(socket: &mut Socket, packet: &Packet, source: Option<IpAddr>, flags: u32) -> Result<Answer, KernelError> {
    match socket.ask(question(packet, source, flags), |message| RawRoute::read(&message)).await {
        // IPv6 has some of these as answers, IPv4 as errors.
        Ok(route) => Ok(match route.kind {
            kind::UNICAST | kind::LOCAL => Ok(route),
            other => Err(word(other)),
        }),
        Err(Failure::Refused(number)) => match refusal(packet.to, number) {
            Some(word) => Ok(Err(word)),
            None => Err(Failure::Refused(number).error("route")),
        },
        Err(failure) => Err(failure.error("route")),
    }
}

/// That there is no route is what was asked for, not a failure to ask.
fn refusal(to: IpAddr, number: i32) -> Option<&'static str> {
    match Errno::from_raw_os_error(number) {
        Errno::NETUNREACH => Some("no route"),
        Errno::HOSTUNREACH => Some("unreachable"),
        Errno::ACCESS => Some("prohibited"),
        Errno::INVAL => Some("blackhole"),
        _ if to.is_ipv6() && is_unsupported(number) => Some("no IPv6 in this kernel"),
        _ => None,
    }
}

impl Decision {
    /// Whether packets have the same route as those of `other`: same next hops and source address, or both are dropped. An
    /// unknown source address counts as the same.
    pub(super) fn has_route_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Local, Self::Local) | (Self::None(_), Self::None(_)) => true,
            (Self::Via { hops: one, source, .. }, Self::Via { hops: two, source: other, .. }) => {
                let within = |one: &[(RawHop, u8)], two: &[(RawHop, u8)]| {
                    one.iter().all(|(hop, _)| two.iter().any(|(other, _)| hop == other))
                };
                within(one, two) && within(two, one) && (source.is_none() || source == other)
            }
            (Self::Local | Self::None(_) | Self::Via { .. }, _) => false,
        }
    }
}

/// What the kernel does with a connection, its devices by index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Via { hops: Vec<(RawHop, u8)>, source: Option<IpAddr>, table: u32 },
    Local,
    None(&'static str),
}

/// Asks what becomes of a connection, as `connect` asks: once for the source address, and again with it, for a rule may
/// choose by that; and for the route itself, for of a multipath route an answer shows one next hop only.
///
/// `others` names further next hops of the route that was matched, which the kernel does not count to it.
pub(super) async fn decide(
    socket: &mut Socket,
    packet: &Packet,
    most_hops: usize,
    others: impl Fn(&RawRoute) -> Vec<RawRoute>,
) -> Result<Decision, KernelError> {
    let mut sources = vec![packet.source];
    let first = match ask(socket, packet, packet.source, LOOKUP_TABLE).await? {
        Ok(first) => first,
        Err(word) => return without_first(socket, packet, word, most_hops, others).await,
    };
    if first.kind == kind::LOCAL {
        return Ok(Decision::Local);
    }
    let source = packet.source.or(first.source);
    if packet.source.is_none() && source.is_some() {
        // IPv4 goes by the second answer. An IPv6 socket goes by the first, and by the second as soon as any route changes.
        if packet.to.is_ipv4() {
            sources.clear();
        }
        sources.push(source);
    }
    matched(socket, packet, (source, &sources), most_hops, others).await
}

/// The hops of every route that is matched with one of these sources.
async fn matched(
    socket: &mut Socket,
    packet: &Packet,
    (source, sources): (Option<IpAddr>, &[Option<IpAddr>]),
    most_hops: usize,
    others: impl Fn(&RawRoute) -> Vec<RawRoute>,
) -> Result<Decision, KernelError> {
    let (mut hops, mut table) = (Vec::new(), 0);
    for asked in sources {
        let answer = match ask(socket, packet, *asked, LOOKUP_TABLE).await? {
            Ok(answer) if answer.kind == kind::LOCAL => return Ok(Decision::Local),
            Ok(answer) => answer,
            Err(word) => return Ok(Decision::None(word)),
        };
        let route = ask(socket, packet, *asked, LOOKUP_TABLE | FIB_MATCH)
            .await?
            .map_err(|_| KernelError::Changing { what: "routes" })?;
        if route.is_of_packet {
            return Err(KernelError::Malformed {
                what: "the route that was matched (RTM_F_FIB_MATCH, Linux 4.13)".into(),
            });
        }
        table = route.table;
        let mut routes = others(&route);
        routes.push(route);
        for route in &mut routes {
            resolve(socket, route, most_hops).await?;
            add(&mut hops, &route.hops, route.protocol);
        }
        // What it would do now may be another hop: an ICMP redirect was heard.
        let protocol = routes.last().map_or(0, |route| route.protocol);
        add(&mut hops, &answer.hops, protocol);
    }
    if hops.is_empty() {
        Err(KernelError::Changing { what: "routes" })
    } else {
        Ok(Decision::Via { hops, source, table })
    }
}

fn add(hops: &mut Vec<(RawHop, u8)>, more: &[RawHop], protocol: u8) {
    for hop in more {
        if !hops.iter().any(|(known, _)| known == hop) {
            hops.push((hop.clone(), protocol));
        }
    }
}

/// The first answer was that there is no route. IPv4's `connect` ends there; IPv6's chooses a source address all the same
/// and asks again with it.
async fn without_first(
    socket: &mut Socket,
    packet: &Packet,
    word: &'static str,
    most_hops: usize,
    others: impl Fn(&RawRoute) -> Vec<RawRoute>,
) -> Result<Decision, KernelError> {
    let source = match packet.source.is_none().then(|| chosen_source(packet)).flatten() {
        Some(source) => source,
        None => return Ok(Decision::None(word)),
    };
    match ask(socket, packet, Some(source), LOOKUP_TABLE).await? {
        Ok(route) if route.kind == kind::LOCAL => Ok(Decision::Local),
        Ok(_) => matched(socket, packet, (Some(source), &[Some(source)]), most_hops, others).await,
        Err(_) => Ok(Decision::None(word)),
    }
}

/// The IPv6 source address that the kernel chooses where it has no route without one: what a datagram socket gets, which
/// sends nothing by being connected.
fn chosen_source(packet: &Packet) -> Option<IpAddr> {
    let IpAddr::V6(to) = packet.to else { return None };
    let socket = std::net::UdpSocket::bind((std::net::Ipv6Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((to, packet.port)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// Puts the hops of a next-hop object in its place, where the message only names it (`net.ipv4.nexthop_compat_mode=0`).
async fn resolve(socket: &mut Socket, route: &mut RawRoute, most_hops: usize) -> Result<(), KernelError> {
    if let Some(id) = route.next_hop.filter(|_| route.hops.is_empty()) {
        route.hops = next_hops(socket, id, most_hops).await?;
    }
    Ok(())
}
