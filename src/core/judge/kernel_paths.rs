//! What the kernel does with the whole prefix list, beside the addresses in use that were judged.

use super::{
    coverage::Coverage,
    egress::{follow, without_source},
    host_routes::host_routes,
    lookup::read,
    round::Named,
};
use crate::model::{
    Gap, Interface, KernelPaths, KernelRange, KernelRoute, Missing, Observed, PolicyPath, RouteTableId, Snapshot,
    Verdict,
};
use ipnet::IpNet;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// How many ranges one finding names.
const MOST_NAMED: usize = 4;

/// What the kernel does elsewhere than with the addresses in use, in sentences, and the facts that are missing.
#[derive(Default)]
pub(super) struct Elsewhere {
    /// What it does with onnet's own packets to part of the list.
    pub(super) diverted: Vec<String>,
    /// What its rules do with other programs' packets.
    pub(super) by_policy: Vec<String>,
    pub(super) missing: Vec<Missing>,
}

/// The address families that programs here may use.
#[derive(Clone, Copy)]
pub(super) struct Families {
    pub(super) ipv4: bool,
    pub(super) ipv6: bool,
}

impl Families {
    pub(super) fn have(self, address: IpAddr) -> bool {
        if address.is_ipv4() { self.ipv4 } else { self.ipv6 }
    }
}

/// Compares every range of the covered lists, of IPv4 and of IPv6 where programs here can use them, with the egress that was judged.
pub(super) fn kernel_paths<'a>(
    snapshot: &Snapshot,
    names: &[Named<'_>],
    coverage_of: impl Fn(&RouteTableId) -> Option<&'a Coverage<'a>>,
    families: Families,
) -> Elsewhere {
    let mut found = Elsewhere::default();
    if snapshot.assumed_interface.is_some() {
        return found;
    }
    match (&snapshot.kernel_paths, &snapshot.host_routes) {
        (Observed::Seen { value: paths, .. }, _) => {
            for covered in Covered::all(names, coverage_of, families) {
                Comparison::new(snapshot, paths, &covered).run(&mut found);
            }
        }
        (Observed::Unseen(_), Some(Observed::Seen { value: routes, .. })) => {
            found = host_routes(snapshot, routes, names, coverage_of);
        }
        (Observed::Unseen(_), Some(Observed::Unseen(gap))) | (Observed::Unseen(gap), None) => {
            found.missing.push(Missing::new("the kernel's own routes", gap));
        }
    }
    found
}

/// The judged addresses that go out by one network interface to one port, and the prefix lists that their route table
/// covers.
struct Covered<'s> {
    interface: &'s Interface,
    port: u16,
    addresses: Vec<IpAddr>,
    entries: Vec<IpNet>,
}

impl<'s> Covered<'s> {
    fn all<'a>(
        names: &[Named<'s>],
        coverage_of: impl Fn(&RouteTableId) -> Option<&'a Coverage<'a>>,
        families: Families,
    ) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        let judged = names.iter().flat_map(|named| named.in_use().map(|judged| (named.name.port, judged)));
        for (port, judged) in judged {
            let Some(egress) = judged.egress.as_ref().filter(|egress| egress.astray.is_none()) else { continue };
            let interface = egress.interface;
            let same = |covered: &&mut Self| covered.port == port && covered.interface.id == interface.id;
            if let Some(known) = all.iter_mut().find(same) {
                known.addresses.push(judged.report.address);
                continue;
            }
            let coverage = judged.table.and_then(|(table, _)| coverage_of(&table.id));
            let entries = coverage.into_iter().flat_map(|coverage| &coverage.entries);
            // Programs use no IPv6 address on a host without IPv6, and no IPv4 address on one without IPv4.
            let entries = entries.filter(|entry| families.have(entry.addr())).copied().collect();
            all.push(Self { interface, port, addresses: vec![judged.report.address], entries });
        }
        all
    }

    fn overlaps(&self, range: &KernelRange) -> bool {
        let within = |first, last| range.first <= last && first <= range.last;
        self.addresses.iter().any(|address| within(*address, *address))
            || self.entries.iter().any(|entry| within(entry.network(), entry.broadcast()))
    }
}

struct Comparison<'a, 's> {
    snapshot: &'s Snapshot,
    paths: &'s KernelPaths,
    covered: &'a Covered<'s>,
    /// The ranges that matter, in order, and where they go if not where the judged addresses do.
    own: Vec<(&'s KernelRange, Option<Stray>)>,
}

impl<'a, 's> Comparison<'a, 's> {
    fn new(snapshot: &'s Snapshot, paths: &'s KernelPaths, covered: &'a Covered<'s>) -> Self {
        let mut comparison = Self { snapshot, paths, covered, own: Vec::new() };
        let own = comparison.relevant(&paths.ranges).map(|range| {
            let unknown = || without_source(&range.route).map(|missing| Stray::Unknown(vec![missing]));
            (range, comparison.stray(range).or_else(unknown))
        });
        comparison.own = own.collect();
        comparison.own.sort_by_key(|(range, _)| range.first);
        comparison
    }

    fn relevant(&self, ranges: &'s [KernelRange]) -> impl Iterator<Item = &'s KernelRange> {
        let covered = self.covered;
        ranges.iter().filter(move |range| range.port == covered.port && covered.overlaps(range))
    }

    fn run(&self, found: &mut Elsewhere) {
        let mut diverted: BTreeMap<&str, Vec<&KernelRange>> = BTreeMap::new();
        for (range, stray) in &self.own {
            match stray {
                None => {}
                Some(Stray::To(place)) => {
                    diverted.entry(place).or_default().push(range);
                    self.contradicted(range, place).into_iter().for_each(|missing| push(&mut found.missing, missing));
                }
                Some(Stray::Unknown(missing)) => missing.iter().for_each(|m| push(&mut found.missing, m.clone())),
            }
        }
        for (place, ranges) in diverted {
            let message = format!(
                "the kernel sends {} of DynamoDB's prefix list {place}, not to the VPC's router through {}",
                in_words(&ranges),
                self.covered.interface.id
            );
            push(&mut found.diverted, message);
        }
        for entry in &self.covered.entries {
            if let Some(address) = self.not_asked(entry) {
                let because = "the kernel was not asked for this part of the prefix list".into();
                let what = format!("the kernel's route to {address} (in {entry})");
                push(&mut found.missing, Missing { what, why: Gap::NotTried { because } });
            }
        }
        for address in &self.covered.addresses {
            if !self.own.iter().any(|(range, _)| range.first <= *address && *address <= range.last) {
                let because = "the kernel was not asked what its rules do with other programs' packets".into();
                let what = format!("the kernel's routes to {address}");
                push(&mut found.missing, Missing { what, why: Gap::NotTried { because } });
            }
        }
        for policy in &self.paths.policies {
            self.policy(policy, found);
        }
    }

    /// An address in use that the kernel, asked for it alone, sends another way than the range that it is in.
    fn contradicted(&self, range: &KernelRange, place: &str) -> Option<Missing> {
        let mut addresses = self.covered.addresses.iter();
        let address = addresses.find(|address| range.first <= **address && **address <= range.last)?;
        let one = format!("asked for it alone, the kernel sends it through {}", self.covered.interface.id);
        let why = Gap::Conflicting { one, other: format!("asked for the prefix list, it sends it {place}") };
        Some(Missing { what: format!("the kernel's route to {address}"), why })
    }

    /// Where a range goes if not to the VPC's router through the judged network interface.
    fn stray(&self, range: &KernelRange) -> Option<Stray> {
        let interface = self.covered.interface;
        let elsewhere = || Some(Stray::To(place(&range.route, interface)));
        match follow(self.snapshot.instance.get(), &range.route, (range.first, range.last)).1 {
            Ok(egress) if egress.interface.id != interface.id => elsewhere(),
            Ok(egress) => match egress.astray {
                None => None,
                // What is missing of the subnet itself, for whatever reason, concludes nothing of the route.
                Some(missing)
                    if is_concluded(&missing) && egress.interface.subnet_cidrs.gap() != Some(&missing.why) =>
                {
                    elsewhere()
                }
                Some(missing) => Some(Stray::Unknown(vec![missing])),
            },
            Err(Verdict::Undetermined(missing)) if !missing.iter().all(is_concluded) => Some(Stray::Unknown(missing)),
            Err(Verdict::Undetermined(_) | Verdict::Via(_) | Verdict::Dropped(_) | Verdict::Ambiguous(_)) => {
                elsewhere()
            }
        }
    }

    /// The first address of an entry of the list that no range holds.
    fn not_asked(&self, entry: &IpNet) -> Option<IpAddr> {
        first_outside(entry, self.own.iter().map(|(range, _)| *range))
    }

    /// Whether onnet's own packets go right to any address of a range. Where they go elsewhere too, that is another finding.
    fn goes_right(&self, range: &KernelRange) -> bool {
        let first = self.own.partition_point(|(own, _)| own.last < range.first);
        let mut own = self.own.iter().skip(first).take_while(|(own, _)| own.first <= range.last).peekable();
        own.peek().is_none() || own.any(|(_, stray)| stray.is_none())
    }

    fn policy(&self, policy: &PolicyPath, found: &mut Elsewhere) {
        let mut is_named = false;
        for range in self.relevant(&policy.ranges).filter(|range| self.goes_right(range)) {
            match self.stray(range) {
                None => {}
                Some(Stray::To(_)) if is_named => {}
                Some(Stray::Unknown(missing)) => missing.into_iter().for_each(|m| push(&mut found.missing, m)),
                Some(Stray::To(place)) => {
                    let message = format!(
                        "{} {} {} to {range} {place}, not to the VPC's router through {}",
                        rules_in_words(&policy.rules),
                        if policy.packets.unknown || policy.is_hidden() { "may send" } else { "sends" },
                        policy.packets,
                        self.covered.interface.id
                    );
                    push(&mut found.by_policy, message);
                    is_named = true;
                }
            }
        }
    }
}

/// Where a range goes that does not go where the judged address does.
enum Stray {
    To(String),
    Unknown(Vec<Missing>),
}

/// Whether what is missing follows from what was observed: the packets take another path.
pub(super) fn is_concluded(missing: &Missing) -> bool {
    matches!(
        missing.why,
        Gap::NotFound { .. } | Gap::Conflicting { .. } | Gap::OtherHost { .. } | Gap::SpoofedSource { .. }
    )
}

fn place(route: &KernelRoute, interface: &Interface) -> String {
    match route {
        KernelRoute::Local => "to this host itself".to_owned(),
        KernelRoute::NoRoute { detail } => format!("nowhere ({detail})"),
        KernelRoute::Via { source, table, .. } => {
            let hops: Vec<String> = route.hops().map(ToString::to_string).collect();
            let table = table.map_or_else(String::new, |table| format!(" by its table {table}"));
            match source.filter(|source| !interface.addresses.contains(source)) {
                Some(source) => format!("through {}{table} from {source}", hops.join(" or ")),
                None => format!("through {}{table}", hops.join(" or ")),
            }
        }
    }
}

fn in_words(ranges: &[&KernelRange]) -> String {
    let named: Vec<String> = ranges.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    match ranges.len().saturating_sub(MOST_NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more ranges", named.join(", ")),
    }
}

fn rules_in_words(rules: &[String]) -> String {
    let named: Vec<String> = rules.iter().take(MOST_NAMED).map(|rule| format!("\"{rule}\"")).collect();
    let more = rules.len().saturating_sub(MOST_NAMED);
    match (rules.len(), more) {
        (1, _) => format!("the kernel's rule {}", named.join(", ")),
        (_, 0) => format!("the kernel's rules {} together:", named.join(", ")),
        (_, more) => format!("the kernel's rules {} and {more} more together:", named.join(", ")),
    }
}

/// The first address of `entry` that none of the ranges holds, which are in order.
fn first_outside<'r>(entry: &IpNet, ranges: impl Iterator<Item = &'r KernelRange>) -> Option<IpAddr> {
    let mut next = entry.network();
    for range in ranges {
        if range.first <= next && next <= range.last {
            if range.last >= entry.broadcast() {
                return None;
            }
            next = after(range.last)?;
        }
    }
    Some(next)
}

/// Whether the kernel may have a route to an IPv6 address of DynamoDB's prefix lists: it has not refused all of them.
pub(super) fn may_route_ipv6(snapshot: &Snapshot) -> bool {
    let facts = &snapshot.vpc;
    let lists = facts.service_prefix_lists.seen().into_iter().flatten();
    let entries = lists.filter_map(|id| read(&facts.prefix_lists, id).ok()).flat_map(|list| &list.entries);
    let mut entries = entries.filter(|entry| entry.addr().is_ipv6()).peekable();
    let paths = match (&snapshot.kernel_paths, &snapshot.host_routes) {
        (Observed::Seen { value, .. }, _) => value,
        // Snapshots of schema 1 know only of the addresses in use.
        (Observed::Unseen(_), host_routes) => return entries.peek().is_some() && host_routes.is_none(),
    };
    // Rules may give other programs a route that onnet itself does not have.
    let mut of_others = paths.policies.iter().flat_map(|policy| &policy.ranges);
    of_others.any(|range| range.first.is_ipv6() && !is_refused(range))
        || is_any_beyond_refused(snapshot, paths, &entries.collect::<Vec<_>>())
}

fn is_refused(range: &KernelRange) -> bool {
    matches!(range.route, KernelRoute::NoRoute { .. })
}

/// Whether the kernel has not refused all of the entries, for each port that names in use have. A refusal for another port says
/// nothing: rules may be about ports.
fn is_any_beyond_refused(snapshot: &Snapshot, paths: &KernelPaths, entries: &[&IpNet]) -> bool {
    let ports: BTreeSet<u16> = snapshot.all_names().filter(|name| name.is_used()).map(|name| name.port).collect();
    let is_beyond = |port: &u16| {
        let of_port = paths.ranges.iter().filter(|range| range.port == *port && is_refused(range));
        let mut refused: Vec<&KernelRange> = of_port.collect();
        refused.sort_by_key(|range| range.first);
        entries.iter().any(|entry| first_outside(entry, refused.iter().copied()).is_some())
    };
    if ports.is_empty() { !entries.is_empty() } else { ports.iter().any(is_beyond) }
}

/// Whether the kernel may have a route to an IPv4 address of DynamoDB's prefix lists, for any program: it has not refused all of them.
pub(super) fn may_route_ipv4(snapshot: &Snapshot) -> bool {
    let facts = &snapshot.vpc;
    let (Some(lists), Some(paths)) = (facts.service_prefix_lists.seen(), snapshot.kernel_paths.seen()) else {
        return true;
    };
    let of_others = paths.policies.iter().flat_map(|policy| &policy.ranges);
    let mut ranges = paths.ranges.iter().chain(of_others);
    let is_routed = ranges.any(|range| range.first.is_ipv4() && !is_refused(range));
    let read: Option<Vec<_>> = lists.iter().map(|id| read(&facts.prefix_lists, id).ok()).collect();
    let Some(read) = read else { return true };
    let entries = read.iter().flat_map(|list| &list.entries).filter(|entry| entry.addr().is_ipv4());
    is_routed || is_any_beyond_refused(snapshot, paths, &entries.collect::<Vec<_>>())
}

/// Whether a program here may reach an IPv6 address that is not known: the kernel is not known to have no route at all.
/// Snapshots of schema 1 say nothing of that.
pub(super) fn may_route_unknown_ipv6(snapshot: &Snapshot) -> bool {
    let is_asked_for = snapshot.assumed_interface.is_none() && snapshot.host_routes.is_none();
    let paths = snapshot.kernel_paths.seen();
    is_asked_for && paths.is_none_or(|paths| paths.has_ipv6_route != Some(false))
}

fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => u32::from(address).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(address) => u128::from(address).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}

/// Adds what is not there already.
pub(super) fn push<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}
