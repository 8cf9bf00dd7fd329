//! The kernel's tables, as far as they were dumped, for rules that it cannot be asked about.

use super::{
    answer::Decision,
    cut::Range,
    route::{RawRoute, kind, word},
    rules::{Action, Rule},
    wire,
};
use std::{cmp::Reverse, collections::BTreeMap, net::IpAddr};

/// Routes by table, family, prefix: those that hold any address of the lists.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    routes: BTreeMap<(u32, u8), Vec<RawRoute>>,
    count: usize,
}

impl Tables {
    /// Keeps a route.
    pub(super) fn keep(&mut self, route: RawRoute) {
        self.routes.entry((route.table, route.family)).or_default().push(route);
        self.count += 1;
    }

    /// How many are kept.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Every route kept, to fill in what the dump left out.
    pub(super) fn routes_mut(&mut self) -> impl Iterator<Item = &mut RawRoute> {
        self.routes.values_mut().flatten()
    }

    /// The values of the type of service that routes are for.
    pub(super) fn tos(&self) -> impl Iterator<Item = u8> {
        self.routes.values().flatten().map(|route| route.tos).filter(|tos| *tos != 0)
    }

    /// The routes of the same table, prefix and metric as one that was matched: IPv6 takes turns among the routers that
    /// advertise themselves, and answers with one of them.
    pub(super) fn beside(&self, matched: &RawRoute) -> Vec<RawRoute> {
        let same = |route: &&RawRoute| {
            route.priority == matched.priority
                && route.prefix_length == matched.prefix_length
                && route.destination == matched.destination
                && route.kind == kind::UNICAST
                && !route.is_dead
        };
        if matched.family != wire::INET6 {
            return Vec::new();
        }
        self.routes.get(&(matched.table, matched.family)).into_iter().flatten().filter(same).cloned().collect()
    }

    /// What a table decides for a range that no route cuts. `None`: the next rule is asked.
    pub(super) fn decide(
        &self,
        table: u32,
        family: u8,
        to: IpAddr,
        suppressed_length: Option<u32>,
    ) -> Option<Decision> {
        let routes = self.routes.get(&(table, family))?;
        let holds = |route: &&RawRoute| {
            !route.is_dead && route.tos == 0 && prefix(route).is_some_and(|prefix| prefix.contains(to))
        };
        let mut holding: Vec<&RawRoute> = routes.iter().filter(holds).collect();
        holding.sort_by_key(|route| (Reverse(route.prefix_length), route.priority));
        // Before the first that is for any source address come those that are for some.
        let any = holding.iter().position(|route| !route.is_for_sources);
        let last = any.map_or(holding.len(), |any| any + 1);
        let mut decisions = holding[..last].iter().map(|route| self.follow(route, suppressed_length));
        let first = decisions.next()?;
        let is_same = decisions.all(|decision| decision == first) && (any.is_some() || first.is_none());
        if is_same { first } else { Some(Decision::None(BY_SOURCE)) }
    }

    /// What a route decides.
    fn follow(&self, route: &RawRoute, suppressed_length: Option<u32>) -> Option<Decision> {
        if suppressed_length.is_some_and(|length| u32::from(route.prefix_length) <= length) {
            return None;
        }
        match route.kind {
            kind::THROW => None,
            kind::LOCAL => Some(Decision::Local),
            kind::UNICAST => {
                let beside = self.beside(route);
                let routes = std::iter::once(route).chain(&beside);
                let hops = routes.flat_map(|route| route.hops.iter().map(|hop| (hop.clone(), route.protocol)));
                let hops: Vec<_> = hops.collect();
                Some(match hops.as_slice() {
                    // A next-hop object that discards.
                    [] => Decision::None(word(kind::BLACKHOLE)),
                    _ => Decision::Via { hops, source: route.source, table: route.table },
                })
            }
            other => Some(Decision::None(word(other))),
        }
    }
}

/// Which of several routes that decide differently a packet takes depends on its source address, which is not known.
const BY_SOURCE: &str = "the routes differ by the source address";

/// What a route holds; `None` if the kernel's message makes no sense.
pub(super) fn prefix(route: &RawRoute) -> Option<Range> {
    let unspecified = if route.family == wire::INET { IpAddr::from([0; 4]) } else { IpAddr::from([0_u8; 16]) };
    let destination = route.destination.unwrap_or(unspecified);
    ipnet::IpNet::new(destination, route.prefix_length).ok().map(|prefix| Range::of(&prefix))
}

/// Decides for one address what tables say, each table once.
pub(super) struct Decider<'t> {
    tables: &'t Tables,
    to: IpAddr,
    decided: BTreeMap<(u32, Option<u32>), Option<Decision>>,
}

impl<'t> Decider<'t> {
    pub(super) fn new(tables: &'t Tables, to: IpAddr) -> Self {
        Self { tables, to, decided: BTreeMap::new() }
    }

    fn table(&mut self, id: u32, suppressed_length: Option<u32>) -> Option<Decision> {
        let family = if self.to.is_ipv4() { wire::INET } else { wire::INET6 };
        let decide = || self.tables.decide(id, family, self.to, suppressed_length);
        self.decided.entry((id, suppressed_length)).or_insert_with(decide).clone()
    }
}

/// How a rule treats packets that the kernel cannot be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// It matches all of them.
    All,
    /// It matches none of them.
    None,
    /// It may match some, by what the kernel can be asked for: their source address, mark, type of service, port or user.
    Some,
    /// It may match some, by what the kernel cannot be asked for; whether it may match onnet's own packets.
    Open { own: bool },
}

/// What may become of packets that the kernel cannot be asked for: every decision that rests on a rule that is open, with
/// that rule, and whether they come to it by passing the rule.
///
/// `rules` are those of one family, in order.
pub(super) fn possible<'r>(
    rules: &'r [Rule],
    decider: &mut Decider<'_>,
    matches: impl Fn(&Rule) -> Match,
) -> Vec<(&'r Rule, bool, Decision)> {
    let mut decisions = Vec::new();
    // Which rules the packets may come to; `goto` only leads onwards.
    let mut reached = vec![false; rules.len() + 1];
    // The first rule that treats the packets differently from onnet's own, and sends them to other rules.
    let mut passed: Option<&Rule> = None;
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for (at, rule) in rules.iter().enumerate() {
        let how = matches(rule);
        if !reached[at] || how == Match::None {
            reached[at + 1] |= reached[at];
            continue;
        }
        let (is_open, may_pass) = (matches!(how, Match::Open { .. }), how != Match::All);
        let decision = match rule.action {
            Action::Table { id, suppressed_length } => decider.table(id, suppressed_length),
            Action::Refuse(kind) => Some(Decision::None(word(kind))),
            Action::Nothing => None,
            Action::Goto(priority) => {
                let target = rules.partition_point(|rule| rule.priority < priority).max(at + 1);
                reached[target] = true;
                reached[at + 1] |= may_pass;
                passed = passed.or(is_open.then_some(rule));
                continue;
            }
        };
        reached[at + 1] |= may_pass || decision.is_none();
        if let Some((decision, rule)) = decision.zip(if is_open { Some(rule) } else { passed }) {
            decisions.push((rule, !is_open, decision));
        }
        passed = passed.or((how == Match::Open { own: true }).then_some(rule));
    }
    if let Some(rule) = passed.filter(|_| reached.last() == Some(&true)) {
        decisions.push((rule, true, Decision::None("no route")));
    }
    decisions
}
