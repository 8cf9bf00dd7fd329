//! What the kernel does with every address of the prefix lists, and rules with other programs' packets.
//!
//! Rules and routes are dumped only to learn which prefixes they mention; what they do, the kernel is asked.

use super::{
    KernelError, Wanted,
    answer::{Decision, Packet, PacketKind, decide},
    cut::{Cut, Range},
    devices::Devices,
    named::named,
    objects::next_hops,
    packets,
    route::{RawRoute, kind},
    rules::{Rule, Users},
    socket::Socket,
    tables::{Decider, Match, Tables, possible, prefix},
    wire::{self, Question},
};
use crate::{
    model::{KernelPaths, KernelRange, PacketUser, Packets, PolicyPath},
    observe::limits::KernelLimits,
};
use std::net::IpAddr;

/// How often a collection begins again because the kernel's rules or routes changed meanwhile.
const ATTEMPTS: usize = 3;

/// A collection in progress.
pub(super) struct Collection<'w> {
    wanted: &'w Wanted,
    limits: &'w KernelLimits,
    shows_users: bool,
    socket: Socket,
    /// The parts of the list, as far as they are known.
    cut: Cut,
    /// Of IPv4 and of IPv6, in the kernel's order: those that concern us.
    rules: [Vec<Rule>; 2],
    tables: Tables,
    devices: Devices,
    /// Whether any table has an IPv6 route beyond this host and its links.
    has_ipv6_route: bool,
    questions: usize,
    own_user: u32,
}

/// A part of the list, the port, and what the kernel does with onnet's own packets.
struct Base {
    part: Range,
    port: u16,
    decision: Decision,
}

/// Collects, again where the kernel changed meanwhile. `shows_users`: our user namespace has all users.
pub(super) async fn paths(
    wanted: &Wanted,
    limits: &KernelLimits,
    shows_users: bool,
) -> Result<KernelPaths, KernelError> {
    let mut attempts = 1..;
    loop {
        match Collection::new(wanted, limits, shows_users)?.run().await {
            Err(KernelError::Changing { .. }) if attempts.next().is_some_and(|attempt| attempt < ATTEMPTS) => {}
            result => return result,
        }
    }
}

impl<'w> Collection<'w> {
    fn new(wanted: &'w Wanted, limits: &'w KernelLimits, shows_users: bool) -> Result<Self, KernelError> {
        Ok(Self {
            wanted,
            limits,
            shows_users,
            socket: Socket::open(0).map_err(KernelError::Open)?,
            cut: Cut::new(&wanted.list, wanted.addresses.iter().copied()),
            rules: [Vec::new(), Vec::new()],
            tables: Tables::default(),
            devices: Devices::default(),
            has_ipv6_route: false,
            questions: 0,
            own_user: rustix::process::getuid().as_raw(),
        })
    }

    async fn run(mut self) -> Result<KernelPaths, KernelError> {
        for family in [wire::INET, wire::INET6] {
            let is_wanted = self.cut.has_family(family == wire::INET6);
            if is_wanted {
                self.read_rules(family).await?;
                self.resolve_vrfs(family).await?;
            }
            // Whether there is IPv6 at all matters where the list has none.
            if is_wanted || family == wire::INET6 {
                self.read_routes(family).await?;
            }
        }
        KernelError::limit("ranges of the prefix list", self.limits.ranges, self.cut.count())?;
        self.resolve_next_hops().await?;
        let base = self.ask().await?;
        let asked = self.ask_for_others(&base).await?;
        let evaluated = self.evaluate_for_others(&base).await;
        self.devices = Devices::read(self.limits.devices).await?;
        let (ranges, has_ipv6_route) = (self.ranges(&base)?, Some(self.has_ipv6_route));
        let mut paths = KernelPaths { ranges, policies: Vec::new(), has_ipv6_route };
        let mut count = 0;
        for (rules, packets, base) in asked.into_iter().chain(evaluated) {
            let ranges = self.ranges(&base)?;
            count += ranges.len();
            KernelError::limit("ranges that rules divert for other programs", self.limits.policy_ranges, count)?;
            let rules = rules.into_iter().map(|(_, rule)| rule).collect();
            paths.policies.push(PolicyPath { rules, packets, ranges });
        }
        Ok(paths)
    }

    async fn read_rules(&mut self, family: u8) -> Result<(), KernelError> {
        let mut fixed = [0; 12];
        fixed[0] = family;
        let (cut, wanted, limits, shows_users) = (&mut self.cut, self.wanted, self.limits, self.shows_users);
        let rules = &mut self.rules[usize::from(family == wire::INET6)];
        Socket::dump(Question::new(wire::GET_RULE, wire::DUMP, &fixed), "rules", |message| {
            if message.kind != wire::NEW_RULE {
                return Ok(());
            }
            let rule = Rule::read(&message, shows_users).map_err(|error| KernelError::malformed(error, "rules"))?;
            // A kernel without a family answers with others'.
            if rule.family != family {
                return Ok(());
            }
            cut_at(cut, rule.to.as_ref().map(Range::of), limits)?;
            let concerns =
                rule.concerns(|to| cut.overlaps(to), |ports| wanted.ports.iter().any(|port| ports.contains(*port)));
            if concerns {
                rules.push(rule);
            }
            KernelError::limit("rules", limits.rules, rules.len())
        })
        .await
    }

    /// Puts a rule for each VRF in the place of one for all.
    async fn resolve_vrfs(&mut self, family: u8) -> Result<(), KernelError> {
        let rules = &mut self.rules[usize::from(family == wire::INET6)];
        if rules.iter().any(|rule| rule.by_vrf) {
            let devices = Devices::read(self.limits.devices).await?;
            *rules = std::mem::take(rules).into_iter().flat_map(|rule| rule.of_each(devices.vrfs())).collect();
            KernelError::limit("rules", self.limits.rules, rules.len())?;
        }
        Ok(())
    }

    /// Reads the routes as they come. Of a full BGP table few mention the list; these are kept only where a rule may choose
    /// their table for other programs, or IPv6 take turns among them.
    async fn read_routes(&mut self, family: u8) -> Result<(), KernelError> {
        let mut fixed = [0; 12];
        fixed[0] = family;
        let is_ipv6 = family == wire::INET6;
        let keeps = is_ipv6 || self.rules[0].iter().any(|rule| !rule.can_be_asked());
        let (cut, tables, limits) = (&mut self.cut, &mut self.tables, self.limits);
        let has_ipv6_route = &mut self.has_ipv6_route;
        Socket::dump(Question::new(wire::GET_ROUTE, wire::DUMP, &fixed), "routes", |message| {
            if message.kind != wire::NEW_ROUTE {
                return Ok(());
            }
            let route = RawRoute::read(&message).map_err(|error| KernelError::malformed(error, "routes"))?;
            if route.family != family {
                return Ok(());
            }
            let destination = prefix(&route).ok_or(KernelError::Malformed { what: "a route's destination".into() })?;
            *has_ipv6_route |= leads_beyond_links(&route, &destination);
            if !cut.overlaps(&destination) {
                return Ok(());
            }
            cut_at(cut, Some(destination), limits)?;
            if keeps || route.tos != 0 {
                tables.keep(route);
            }
            KernelError::limit("routes that hold part of the prefix list", limits.routes, tables.count())
        })
        .await
    }

    /// Next-hop objects that the dump only names.
    async fn resolve_next_hops(&mut self) -> Result<(), KernelError> {
        for route in self.tables.routes_mut() {
            if let Some(id) = route.next_hop.filter(|_| route.hops.is_empty()) {
                route.hops = next_hops(&mut self.socket, id, self.limits.next_hops).await?;
                self.questions += 1;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn ask_one(&mut self, packet: &Packet) -> Result<Decision, KernelError> {
        // As many as there are at most: once without and once with a source, each with the route itself.
        self.questions += 5;
        KernelError::limit("questions to the kernel about its routes", self.limits.questions, self.questions)?;
        tokio::task::yield_now().await;
        let tables = &self.tables;
        decide(&mut self.socket, packet, self.limits.next_hops, |route| tables.beside(route)).await
    }

    /// What becomes of onnet's own packets.
    async fn ask(&mut self) -> Result<Vec<Base>, KernelError> {
        let mut base = Vec::new();
        for port in &self.wanted.ports {
            for part in self.cut.parts() {
                let packet = Packet { to: part.first, port: *port, source: None, kind: PacketKind::default() };
                let decision = self.ask_one(&packet).await?;
                base.push(Base { part, port: *port, decision });
            }
        }
        Ok(base)
    }

    /// What becomes of the packets of other programs that the kernel can be asked for, where rules treat them unlike ours.
    async fn ask_for_others(&mut self, base: &[Base]) -> Result<Vec<Policy>, KernelError> {
        let all: Vec<Rule> = self.rules.iter().flatten().cloned().collect();
        let tos: Vec<u8> = self.tables.tos().collect();
        let mut policies = Vec::new();
        for kind in packets::kinds(&all, tos.iter().copied(), self.own_user, self.limits)? {
            let (mut responsible, mut elsewhere) = (Vec::new(), Vec::new());
            for own in base {
                let rules = self.distinguishing(own, &kind);
                if rules.is_empty() && !tos.contains(&kind.tos) {
                    continue;
                }
                let to = own.part.first;
                let mut decision = self.ask_one(&Packet { to, port: own.port, source: None, kind }).await?;
                let source = own.decision.source();
                if matches!(decision, Decision::None(_)) && to.is_ipv6() && source.is_some() {
                    // IPv6's `connect` asks again with the source address it chooses.
                    decision = self.ask_one(&Packet { to, port: own.port, source, kind }).await?;
                }
                if !decision.has_route_of(&own.decision) {
                    elsewhere.push(Base { part: own.part, port: own.port, decision });
                    responsible.extend(rules);
                }
            }
            if !elsewhere.is_empty() {
                responsible.sort_unstable();
                responsible.dedup();
                policies.push((responsible, packets_of(&kind), elsewhere));
            }
        }
        Ok(policies)
    }

    /// The rules that match packets of a kind and not ours, or the other way round.
    fn distinguishing(&self, own: &Base, kind: &PacketKind) -> Vec<(u32, String)> {
        let (to, source) = ((own.part.first, own.port), own.decision.source());
        let matches = |rule: &Rule, kind: &PacketKind| rule.matches(to, source, self.own_user, kind);
        let differs = |rule: &&Rule| matches(rule, kind) != matches(rule, &PacketKind::default());
        let rules = &self.rules[usize::from(own.part.first.is_ipv6())];
        rules.iter().filter(differs).map(|rule| (rule.priority, rule.to_string())).collect()
    }

    /// What may become of packets that the kernel cannot be asked for, by the tables that were dumped.
    async fn evaluate_for_others(&self, base: &[Base]) -> Vec<Policy> {
        let mut policies: Vec<Policy> = Vec::new();
        for own in base {
            let rules = &self.rules[usize::from(own.part.first.is_ipv6())];
            if rules.iter().all(Rule::can_be_asked) {
                continue;
            }
            let (to, source) = (own.part.first, own.decision.source());
            let does = |rule: &Rule| rule.matches((to, own.port), source, self.own_user, &PacketKind::default());
            let matches = |rule: &Rule| match (rule.may_match((to, own.port)), rule.can_be_asked()) {
                (true, false) => Match::Open { own: rule.may_match_own(source, self.own_user) },
                (true, true) if rule.is_conditional() => Match::Some,
                (true | false, _) if does(rule) => Match::All,
                (true | false, _) => Match::None,
            };
            for (rule, is_passed, decision) in possible(rules, &mut Decider::new(&self.tables, to), matches) {
                if decision.has_route_of(&own.decision) {
                    continue;
                }
                let text = (rule.priority, rule.to_string());
                let elsewhere = Base { part: own.part, port: own.port, decision };
                let packets = if is_passed { packets_passing(rule) } else { packets_of_rule(rule) };
                let same = |(rules, known, _): &&mut Policy| rules.as_slice() == [text.clone()] && *known == packets;
                match policies.iter_mut().find(same) {
                    Some((_, _, ranges)) => ranges.push(elsewhere),
                    None => policies.push((vec![text], packets, vec![elsewhere])),
                }
            }
            tokio::task::yield_now().await;
        }
        policies
    }

    /// The ranges. Adjacent ranges with the same route are joined.
    fn ranges(&self, base: &[Base]) -> Result<Vec<KernelRange>, KernelError> {
        let mut ranges: Vec<KernelRange> = Vec::new();
        for Base { part, port, decision } in base {
            let route = named(decision, &self.devices)?;
            match ranges.last_mut() {
                Some(last)
                    if last.port == *port
                        && super::cut::after(last.last) == Some(part.first)
                        && last.route == route =>
                {
                    last.last = part.last;
                }
                _ => ranges.push(KernelRange { first: part.first, last: part.last, port: *port, route }),
            }
        }
        Ok(ranges)
    }
}

/// Whether a route may carry packets to an IPv6 address of another network. What this host has itself, what is link-local
/// and multicast is no such address.
fn leads_beyond_links(route: &RawRoute, destination: &Range) -> bool {
    let (IpAddr::V6(first), IpAddr::V6(last)) = (destination.first, destination.last) else { return false };
    let is_refused = matches!(route.kind, kind::BLACKHOLE | kind::UNREACHABLE | kind::PROHIBIT | kind::THROW);
    let is_own =
        first == last && matches!(route.kind, kind::LOCAL | kind::ANYCAST) || first.is_loopback() && last.is_loopback();
    let is_near = first.is_unicast_link_local() && last.is_unicast_link_local() || first.is_multicast();
    !(route.is_dead || is_refused || is_own || is_near)
}

/// Rules by priority, the packets, and where these go.
type Policy = (Vec<(u32, String)>, Packets, Vec<Base>);

fn cut_at(cut: &mut Cut, prefix: Option<Range>, limits: &KernelLimits) -> Result<(), KernelError> {
    if let Some(prefix) = prefix {
        cut.at(&prefix);
    }
    KernelError::limit("ranges of the prefix list", limits.ranges, cut.count())
}

fn packets_of(kind: &PacketKind) -> Packets {
    Packets {
        user: kind.user.map(PacketUser::Uid),
        mark: (kind.mark != 0).then_some(kind.mark),
        tos: (kind.tos != 0).then_some(kind.tos),
        source_port: kind.source_port,
        ..Packets::default()
    }
}

fn packets_of_rule(rule: &Rule) -> Packets {
    Packets {
        user: rule.users.map(|users| match users {
            Users::Known(users) | Users::Shown(users) => PacketUser::Uid(users.first),
            Users::Hidden => PacketUser::Hidden,
        }),
        mark: rule.mark.map(|(mark, _)| mark),
        tos: (rule.tos != 0).then_some(rule.tos),
        source_port: rule.source_ports.map(|ports| ports.first),
        forwarded: rule.is_local,
        input: rule.input.clone(),
        output: rule.output.clone(),
        unknown: rule.unknown || rule.inverted,
    }
}

/// Packets that a rule sends to the rules after it, unlike onnet's own.
fn packets_passing(rule: &Rule) -> Packets {
    Packets { forwarded: rule.is_local, unknown: !rule.is_local, ..Packets::default() }
}

impl Decision {
    fn source(&self) -> Option<IpAddr> {
        match self {
            Self::Via { source, .. } => *source,
            Self::Local | Self::None(_) => None,
        }
    }
}
