//! Which route of a VPC route table wins: longest prefix, precedence, ties, and what an unread list leaves open.
//!
//! The rules, with AWS's page for each:
//!
//! 1. The longest matching prefix wins, whatever the kind of route.
//!    <https://docs.aws.amazon.com/vpc/latest/userguide/route-tables-priority.html>
//! 2. At equal length a static route outranks a prefix list's entry, which outranks a propagated route (same page;
//!    for the endpoint's own list also <https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html>).
//! 3. A propagated route never beats the local route, not even with a longer prefix.
//!    <https://docs.aws.amazon.com/vpn/latest/s2svpn/vpn-route-priority.html>
//! 4. Entries of two prefix lists that are equal and lead to different targets: AWS picks one at random (page of 1).
//! 5. A blackhole wins like any other route; it does not fall through. `path.rs` says what it means.
//! 6. IPv4 and IPv6 never compete: a prefix contains addresses of its own family only.

use crate::model::{
    Destination, Gap, ListFamily, LostBy, Observed, Origin, PrefixList, PrefixListId, Route, RouteTable, Target,
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::{
    cmp::Reverse,
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::LazyLock,
};

/// The range of IPv6 addresses in which RFC 6052 puts IPv4 addresses: what a resolver with DNS64 answers with.
pub const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Whether DNS64 makes such an address of one of IPv4.
pub fn is_nat64(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if NAT64.contains(&address))
}

/// The address that packets carry behind the NAT64 of a NAT gateway.
pub(super) fn behind_nat64(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if NAT64.contains(&v6) => {
            let [.., a, b, c, d] = v6.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}

/// The prefix lists, as far as they could be read.
pub type PrefixLists = BTreeMap<PrefixListId, Observed<PrefixList>>;

/// A route and one prefix by which it matches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match<'t> {
    /// The route's own range, or an entry of its prefix list.
    pub prefix: IpNet,
    /// The route.
    pub route: &'t Route,
}

/// What competes for a prefix of equal length. Ordered: the greater wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Propagated,
    PrefixList,
    Static,
}

impl Match<'_> {
    fn rank(&self) -> Rank {
        match (&self.route.destination, self.route.origin.is_propagated()) {
            (Destination::PrefixList(_), _) => Rank::PrefixList,
            (Destination::Cidr(_), true) => Rank::Propagated,
            (Destination::Cidr(_), false) => Rank::Static,
        }
    }

    /// Why it is not known whether it is static or propagated; `None` where it is. A virtual private gateway propagates routes to
    /// itself only: what is said to be propagated and leads elsewhere contradicts itself.
    pub(super) fn unknown_origin(&self) -> Option<Gap> {
        let Destination::Cidr(_) = self.route.destination else { return None };
        match (&self.route.origin, &self.route.target) {
            (Origin::Absent | Origin::Other(_), Target::Local) => None,
            (Origin::Absent, _) => Some(Gap::NotFound { detail: "the answer has no Origin".to_owned() }),
            (Origin::Other(word), _) => {
                Some(Gap::UndocumentedValue { field: "Origin".to_owned(), value: word.clone() })
            }
            (Origin::EnableVgwRoutePropagation, Target::VirtualPrivateGateway(_)) => None,
            (Origin::EnableVgwRoutePropagation, target) => Some(Gap::Conflicting {
                one: "its Origin is EnableVgwRoutePropagation".to_owned(),
                other: format!("its target is {}, which is not a virtual private gateway", target.id()),
            }),
            (Origin::Advertisement, target) if !may_be_peer(target) => Some(Gap::Conflicting {
                one: "its Origin is Advertisement".to_owned(),
                other: format!("its target is {}, which is not a peer of a route server", target.id()),
            }),
            (Origin::CreateRouteTable | Origin::CreateRoute | Origin::Advertisement, _) => None,
        }
    }

    fn order(&self) -> (u8, Rank) {
        (self.prefix.prefix_len(), self.rank())
    }

    /// Whether it makes no difference which of the two wins.
    fn leads_where(&self, route: &Route) -> bool {
        self.route.target == route.target && self.route.state == route.state
    }
}

/// Whether a route server may have learnt a route to it: its peers are network interfaces of appliances.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/route-server-how-it-works.html>
fn may_be_peer(target: &Target) -> bool {
    match target {
        Target::NetworkInterface(_) | Target::Instance(_) | Target::Other { .. } => true,
        Target::Local
        | Target::VpcEndpoint(_)
        | Target::InternetGateway(_)
        | Target::EgressOnlyInternetGateway(_)
        | Target::NatGateway(_)
        | Target::TransitGateway(_)
        | Target::VirtualPrivateGateway(_)
        | Target::PeeringConnection(_)
        | Target::LocalGateway(_)
        | Target::CarrierGateway(_)
        | Target::CoreNetwork(_) => false,
    }
}

/// A route whose prefix list could not be read: it may match anything.
#[derive(Clone, Copy, Debug)]
struct UnreadRoute<'t> {
    list: &'t PrefixListId,
    gap: &'t Gap,
    route: &'t Route,
}

/// A route table with its prefix lists expanded.
#[derive(Clone, Debug)]
pub struct Expanded<'t> {
    matches: Vec<Match<'t>>,
    unread: Vec<UnreadRoute<'t>>,
}

/// What a table does with one address.
#[derive(Clone, Debug, PartialEq)]
pub enum Selection<'t> {
    /// Nothing matches.
    NoRoute,
    /// One route wins over the others.
    One {
        /// The winner.
        winner: Match<'t>,
        /// The others, best first, and why each lost.
        losers: Vec<(Match<'t>, LostBy)>,
    },
    /// These tie and lead to different targets.
    Tied {
        /// The winners.
        tied: Vec<Match<'t>>,
        /// The others, best first.
        losers: Vec<(Match<'t>, LostBy)>,
    },
    /// These lists were not read, and one of them could change the answer.
    NeedsLists(Vec<(&'t PrefixListId, &'t Gap)>),
}

static NOT_ASKED_FOR: LazyLock<Gap> =
    LazyLock::new(|| Gap::NotTried { because: "its entries were not asked for".into() });

static OTHER_LIST: LazyLock<Gap> = LazyLock::new(|| Gap::Conflicting {
    one: "it was asked for by this id".into(),
    other: "what was read gives another id".into(),
});

/// A prefix list as it was read. If its own id differs from the id by which it is stored, it counts as neither.
///
/// # Errors
/// Why its entries are not known.
pub fn read<'t>(lists: &'t PrefixLists, id: &PrefixListId) -> Result<&'t PrefixList, &'t Gap> {
    match lists.get(id).map(Observed::get) {
        Some(Ok(read)) if read.id == *id => Ok(read),
        Some(Ok(_)) => Err(&OTHER_LIST),
        Some(Err(gap)) => Err(gap),
        None => Err(&NOT_ASKED_FOR),
    }
}

/// The ranges that a route matches; a route of a prefix list that was not read matches an unknown set.
fn ranges<'t>(route: &'t Route, lists: &'t PrefixLists) -> Result<&'t [IpNet], UnreadRoute<'t>> {
    match &route.destination {
        Destination::Cidr(cidr) => Ok(std::slice::from_ref(cidr)),
        Destination::PrefixList(list) => match read(lists, list) {
            Ok(read) => Ok(&read.entries),
            Err(gap) => Err(UnreadRoute { list, gap, route }),
        },
    }
}

/// What the table does with `dest`. Every prefix list counts, customer-managed ones too.
pub fn select<'t>(table: &'t RouteTable, lists: &'t PrefixLists, dest: IpAddr) -> Selection<'t> {
    let dest = IpNet::from(dest);
    let is_ipv4 = dest.addr().is_ipv4();
    let mut unread = Vec::new();
    let mut matches = Vec::new();
    for route in &table.routes {
        match ranges(route, lists) {
            Ok(ranges) => {
                let matching = ranges.iter().filter(|range| covers(range, &dest));
                matches.extend(matching.map(|range| Match { prefix: range.trunc(), route }));
            }
            Err(route) => unread.push(route),
        }
    }
    select_among(matches.into_iter(), &unread, is_ipv4)
}

/// A selection of `table` for a range, if the routes that are `removed` were not there. All addresses of the range match the same
/// routes.
pub fn without<'t>(
    selection: &Selection<'t>,
    table: &'t RouteTable,
    lists: &'t PrefixLists,
    range: IpNet,
    removed: impl Fn(&Route) -> bool,
) -> Selection<'t> {
    let (first, others): (&[Match<'t>], &[(Match<'t>, LostBy)]) = match selection {
        Selection::One { winner, losers } => (std::slice::from_ref(winner), losers),
        Selection::Tied { tied, losers } => (tied, losers),
        Selection::NoRoute | Selection::NeedsLists(_) => return selection.clone(),
    };
    // Most routes name no list.
    let of_lists = table.routes.iter().filter(|route| matches!(route.destination, Destination::PrefixList(_)));
    let unread = of_lists.filter_map(|route| ranges(route, lists).err());
    let unread: Vec<_> = unread.filter(|unread| !removed(unread.route)).collect();
    let matching = first.iter().chain(others.iter().map(|(m, _)| m)).copied();
    select_among(matching.filter(|m| !removed(m.route)), &unread, range.addr().is_ipv4())
}

/// Expands every prefix list of the table.
pub fn expand<'t>(table: &'t RouteTable, lists: &'t PrefixLists) -> Expanded<'t> {
    let mut expanded = Expanded { matches: Vec::new(), unread: Vec::new() };
    for route in &table.routes {
        match ranges(route, lists) {
            Ok(ranges) => expanded.matches.extend(ranges.iter().map(|range| Match { prefix: range.trunc(), route })),
            Err(route) => expanded.unread.push(route),
        }
    }
    expanded
}

impl<'t> Expanded<'t> {
    /// Splits `range` into the largest parts whose addresses all match the same routes, in address order.
    ///
    /// The parts are disjoint and add up to the range.
    pub fn carve(&self, range: IpNet) -> Vec<(IpNet, Selection<'t>)> {
        let mut parts = Vec::new();
        // What neither contains the range nor lies in it can never matter.
        let (around, inside): (Vec<_>, Vec<_>) = self
            .matches
            .iter()
            .copied()
            .filter(|m| covers(&m.prefix, &range) || covers(&range, &m.prefix))
            .partition(|m| covers(&m.prefix, &range));
        self.carve_into(&mut parts, range.trunc(), around, inside);
        parts
    }

    fn carve_into(
        &self,
        parts: &mut Vec<(IpNet, Selection<'t>)>,
        range: IpNet,
        around: Vec<Match<'t>>,
        inside: Vec<Match<'t>>,
    ) {
        let halves = halves(range).filter(|_| !inside.is_empty());
        let Some(halves) = halves else {
            parts.push((range, select_among(around.into_iter(), &self.unread, range.addr().is_ipv4())));
            return;
        };
        for half in halves {
            let mut around = around.clone();
            let mut still_inside = Vec::new();
            for m in inside.iter().filter(|m| covers(&half, &m.prefix)) {
                if m.prefix == half { around.push(*m) } else { still_inside.push(*m) }
            }
            self.carve_into(parts, half, around, still_inside);
        }
    }
}

/// Whether `outer` contains all of `inner`: in a tenth of the time of [`IpNet::contains`] in a program that is built for size.
/// A table may have tens of thousands of ranges.
#[inline(always)]
pub fn covers(outer: &IpNet, inner: &IpNet) -> bool {
    outer.prefix_len() <= inner.prefix_len()
        && match (outer, inner) {
            (IpNet::V4(outer), IpNet::V4(inner)) => has_v4(outer, inner.addr().into()),
            (IpNet::V6(outer), IpNet::V6(inner)) => has_v6(outer, inner.addr().into()),
            (IpNet::V4(_), IpNet::V6(_)) | (IpNet::V6(_), IpNet::V4(_)) => false,
        }
}

/// Whether the bits of the prefix are those of the address.
#[inline(always)]
fn has_v4(range: &Ipv4Net, address: u32) -> bool {
    let differ = u32::from(range.addr()) ^ address;
    // Shifted out of the lower half: as many bits as the prefix has.
    (u64::from(differ) << range.prefix_len()) >> 32 == 0
}

/// The same for IPv6.
#[inline(always)]
fn has_v6(range: &Ipv6Net, address: u128) -> bool {
    let differ = u128::from(range.addr()) ^ address;
    // Of a prefix of no bits there is nothing to differ.
    differ.checked_shr(128 - u32::from(range.prefix_len())).unwrap_or(0) == 0
}

pub(super) fn halves(range: IpNet) -> Option<[IpNet; 2]> {
    let mut halves = range.subnets(range.prefix_len() + 1).ok()?;
    Some([halves.next()?, halves.next()?])
}

/// Ranks the routes that match one address.
fn select_among<'t>(
    matching: impl Iterator<Item = Match<'t>>,
    unread: &[UnreadRoute<'t>],
    is_ipv4: bool,
) -> Selection<'t> {
    let (mut contenders, beaten_by_local) = longest_of_each_route(matching);
    contenders.sort_by_key(|m| Reverse(m.order()));

    let best = contenders.first().map(Match::order);
    let longest = best.map(|(length, _)| length);
    // A route whose origin is not known may rank first or last among those of its length.
    let is_open =
        contenders.iter().take_while(|m| Some(m.prefix.prefix_len()) == longest).any(|m| m.unknown_origin().is_some());
    let is_top =
        |m: &&Match<'_>| if is_open { Some(m.prefix.prefix_len()) == longest } else { Some(m.order()) == best };
    let at_top = contenders.iter().take_while(is_top).count();
    let mut rest = contenders.split_off(at_top);
    let mut tied = contenders;
    // If it is propagated, it does not beat the local route either, whatever its length.
    if is_open && let Some(local) = rest.iter().position(|m| m.route.target == Target::Local) {
        tied.push(rest.remove(local));
    }
    let winner = tied.first().copied();
    let distinct = winner.is_some_and(|winner| tied.iter().any(|m| !m.leads_where(winner.route)));

    let open: Vec<_> = unread
        .iter()
        // An egress-only internet gateway carries IPv6 alone, so its list has no range of IPv4.
        .filter(|unread| !(is_ipv4 && matches!(unread.route.target, Target::EgressOnlyInternetGateway(_))))
        .filter(|unread| unread.route.family.is_none_or(|family| is_ipv4 == (family == ListFamily::Ipv4)))
        .filter(|unread| open_to_change(if distinct { None } else { winner.as_ref() }, best, unread.route))
        .map(|unread| (unread.list, unread.gap))
        .collect();
    if !open.is_empty() {
        return Selection::NeedsLists(open);
    }
    let Some(winner) = winner else { return Selection::NoRoute };

    let duplicates = if distinct { Vec::new() } else { tied.split_off(1) };
    let losers = duplicates.into_iter().map(|m| (m, LostBy::Duplicate));
    let losers = losers.chain(rest.into_iter().map(|m| (m, why_lost(&m, &winner))));
    let losers = losers.chain(beaten_by_local.into_iter().map(|m| (m, LostBy::LocalBeatsPropagated))).collect();
    if distinct { Selection::Tied { tied, losers } } else { Selection::One { winner, losers } }
}

/// One match for each route, by the longest of its prefixes; and apart, the propagated ones that `local` beats.
fn longest_of_each_route<'t>(matching: impl Iterator<Item = Match<'t>>) -> (Vec<Match<'t>>, Vec<Match<'t>>) {
    let mut longest: Vec<Match<'t>> = Vec::new();
    for m in matching {
        match longest.iter_mut().find(|seen| std::ptr::eq(seen.route, m.route)) {
            Some(seen) if seen.prefix.prefix_len() < m.prefix.prefix_len() => *seen = m,
            Some(_) => {}
            None => longest.push(m),
        }
    }
    let local_matches = longest.iter().any(|m| m.route.target == Target::Local);
    longest.into_iter().partition(|m| !(local_matches && m.rank() == Rank::Propagated && m.unknown_origin().is_none()))
}

fn why_lost(loser: &Match<'_>, winner: &Match<'_>) -> LostBy {
    if loser.prefix.prefix_len() < winner.prefix.prefix_len() {
        return LostBy::ShorterPrefix;
    }
    match loser.rank() {
        Rank::PrefixList => LostBy::StaticOutranksPrefixList,
        Rank::Propagated | Rank::Static => LostBy::PropagatedRanksLast,
    }
}

/// Whether a list that was not read could still change the winner.
///
/// It could hold a prefix as long as the address itself. Only a static host route is safe, for nothing is longer and
/// AWS ranks static routes above prefix lists of equal length; or a winner that leads where the list leads.
/// `winner` is `None` where nothing matches and where several tie: either way, anything changes the answer.
fn open_to_change(winner: Option<&Match<'_>>, best: Option<(u8, Rank)>, unread: &Route) -> bool {
    if winner.is_some_and(|winner| winner.leads_where(unread)) {
        return false;
    }
    let is_host = winner.is_some_and(|m| m.prefix.prefix_len() == m.prefix.max_prefix_len());
    !(is_host && best.is_some_and(|(_, rank)| rank == Rank::Static))
}
