//! The verdicts of one route table on the whole prefix list. DNS answers with only some of its addresses.

use super::{
    address::could_hold,
    egress::require_public_ipv4_for,
    lookup::{NAT64, Selection, covers, expand, halves, read},
    path::Reader,
};
use crate::model::{
    CoverageRange, CoverageSummary, Gap, Interface, Missing, PathTarget, PrefixListId, RouteTable, SubnetId, Verdict,
    VpcFacts, VpcId, addresses_in,
};
use ipnet::{IpNet, Ipv6Net};
use std::net::{IpAddr, Ipv6Addr};

/// One range of a prefix list whose addresses all have the same verdict.
#[derive(Clone, Debug)]
pub(super) struct Range<'t> {
    pub(super) list: &'t PrefixListId,
    pub(super) cidr: IpNet,
    /// The route that wins; none within the subnet itself.
    pub(super) selection: Selection<'t>,
    pub(super) verdict: Verdict,
}

/// The Region's DynamoDB prefix lists against one table.
#[derive(Clone, Debug)]
pub(super) struct Coverage<'t> {
    pub(super) table: &'t RouteTable,
    pub(super) entries: Vec<IpNet>,
    pub(super) ranges: Vec<Range<'t>>,
}

/// Cuts the Region's DynamoDB prefix lists into the ranges the table's other routes leave them.
///
/// # Errors
/// The fact that is missing: which lists are DynamoDB's, or what is in them.
pub(super) fn cover<'t>(reader: &Reader<'t>, table: &'t RouteTable) -> Result<Coverage<'t>, Missing> {
    let facts = reader.facts;
    let lists = facts.service_prefix_lists.get().map_err(|gap| Missing::new(reader.list_words(), gap))?;
    let expanded = expand(table, &facts.prefix_lists);
    let mut coverage = Coverage { table, entries: Vec::new(), ranges: Vec::new() };
    for list in lists {
        let what = format!("the entries of DynamoDB's prefix list {list}");
        let read = read(&facts.prefix_lists, list).map_err(|gap| Missing::new(&what, gap))?;
        if let Some(why) = reader.named_otherwise(read) {
            return Err(Missing { what, why });
        }
        for entry in without_nested(&read.entries) {
            coverage.entries.push(entry);
            coverage.ranges.extend(expanded.carve(entry).into_iter().map(|(cidr, selection)| Range {
                list: &read.id,
                cidr,
                verdict: reader.verdict(table, &selection, cidr),
                selection,
            }));
        }
    }
    match coverage.entries.iter().any(|entry| entry.addr().is_ipv4()) {
        true => Ok(coverage),
        false if coverage.entries.is_empty() => Err(empty(reader)),
        false => Err(Missing { what: reader.list_words(), why: Gap::NotFound { detail: WITHOUT_IPV4.into() } }),
    }
}

/// Every Region's list has IPv4 ranges: what is listed is not all of it.
const WITHOUT_IPV4: &str = "of what is listed, nothing is an IPv4 range, and every Region's list has some";

fn empty(reader: &Reader<'_>) -> Missing {
    Missing { what: reader.list_words(), why: Gap::NotFound { detail: "there is none, or it is empty".into() } }
}

/// The entries, each once, without those that lie within another: the ranges must be disjoint.
fn without_nested(entries: &[IpNet]) -> Vec<IpNet> {
    let mut sorted: Vec<IpNet> = entries.iter().map(IpNet::trunc).collect();
    // A range sorts before what lies within it.
    sorted.sort_by_key(|net| (net.network(), net.prefix_len()));
    let mut kept: Vec<IpNet> = Vec::new();
    for entry in sorted {
        if !kept.last().is_some_and(|outer| outer.contains(&entry)) {
            kept.push(entry);
        }
    }
    kept
}

/// The IPv6 range by which clients reach an IPv4 range through NAT64.
fn by_nat64(range: &IpNet) -> Option<IpNet> {
    let IpNet::V4(range) = range else { return None };
    let address = Ipv6Addr::from(u128::from(NAT64.addr()) | u128::from(u32::from(range.network())));
    Ipv6Net::new(address, 96 + range.prefix_len()).ok().map(IpNet::from)
}

impl Range<'_> {
    /// Whether it is what DNS64 makes of a range of the list.
    pub(super) fn is_by_nat64(&self) -> bool {
        matches!(self.cidr, IpNet::V6(range) if NAT64.contains(&range))
    }

    /// Whether it lies in the subnet itself, so that no route table applies.
    pub(super) fn is_in_subnet(&self) -> bool {
        self.selection == Selection::NoRoute
            && self.verdict.path().is_some_and(|path| matches!(path.target, PathTarget::Local))
    }
}

/// Cuts `range` at the ranges of a subnet, in address order: each part, and whether it lies in the subnet.
fn cut(range: IpNet, own: &[IpNet], parts: &mut Vec<(IpNet, bool)>) {
    if own.iter().any(|own| covers(own, &range)) {
        return parts.push((range, true));
    }
    let halves = halves(range).filter(|_| own.iter().any(|own| covers(&range, own)));
    match halves {
        Some(halves) => halves.into_iter().for_each(|half| cut(half, own, parts)),
        None => parts.push((range, false)),
    }
}

impl<'t> Coverage<'t> {
    /// Whether any of these ranges overlaps the list.
    pub(super) fn overlaps(&self, own: &[IpNet]) -> bool {
        self.entries.iter().any(|entry| own.iter().any(|own| covers(own, entry) || covers(entry, own)))
    }

    /// Whether the list has a range of IPv6.
    pub(super) fn has_ipv6_range(&self) -> bool {
        self.ranges.iter().any(|range| range.cidr.addr().is_ipv6())
    }

    /// Whether the table has a route for a range of IPv6, as every table of a VPC with IPv6 has its local route.
    pub(super) fn has_ipv6_route(&self) -> bool {
        self.table.routes.iter().any(|route| route.ipv6().is_some())
    }

    /// Whether no packet to a range that is `usable` takes an endpoint, and some take another path.
    pub(super) fn is_off_net(&self, usable: impl Fn(&IpNet) -> bool) -> bool {
        let verdicts = || self.ranges.iter().filter(|range| usable(&range.cidr)).map(|range| &range.verdict);
        verdicts().any(Verdict::is_off_net)
            && verdicts().all(|verdict| verdict.is_off_net() || matches!(verdict, Verdict::Dropped(_)))
    }

    /// Adds what DNS64 makes of the list: the resolver answers with addresses in `64:ff9b::/96`, for which routes of their own decide.
    /// Where it is not known whether it does, these are open.
    pub(super) fn add_nat64(&mut self, reader: &Reader<'t>, unknown: Option<Missing>) {
        let expanded = expand(self.table, &reader.facts.prefix_lists);
        let (mut entries, mut ranges) = (Vec::new(), Vec::new());
        for entry in &self.entries {
            let Some(mapped) = by_nat64(entry) else { continue };
            let Some(list) = self.ranges.iter().find(|range| entry.contains(&range.cidr)).map(|range| range.list)
            else {
                continue;
            };
            entries.push(mapped);
            ranges.extend(expanded.carve(mapped).into_iter().map(|(cidr, selection)| Range {
                list,
                cidr,
                verdict: reader.verdict(self.table, &selection, cidr),
                selection,
            }));
        }
        if let Some(unknown) = unknown {
            let open = Verdict::Undetermined(vec![unknown]);
            ranges.iter_mut().for_each(|range| range.verdict = open.clone());
        }
        self.entries.extend(entries);
        self.ranges.extend(ranges);
    }

    /// Takes out what lies in the subnet itself: no route table applies to it.
    pub(super) fn take_out_subnet(&mut self, reader: &Reader<'_>, vpc: &VpcId, own: &[IpNet]) {
        if !self.overlaps(own) {
            return;
        }
        for range in std::mem::take(&mut self.ranges) {
            let mut parts = Vec::new();
            cut(range.cidr, own, &mut parts);
            self.ranges.extend(parts.into_iter().map(|(cidr, in_subnet)| {
                if in_subnet {
                    let (selection, verdict) = (Selection::NoRoute, reader.within_vpc(vpc, cidr));
                    Range { cidr, selection, verdict, list: range.list }
                } else {
                    Range { cidr, ..range.clone() }
                }
            }));
        }
    }

    /// Takes out what lies, or may lie, in the subnet of the network interface.
    pub(super) fn take_out_subnet_of(&mut self, reader: &Reader<'_>, interface: &Interface) {
        if let Some(own) = interface.subnet_cidrs.seen() {
            return self.take_out_subnet(reader, &interface.vpc, own);
        }
        if let Some(gap) = interface.subnet_cidrs.gap() {
            self.open_where_subnet_could_hold(&interface.subnet, gap);
        }
    }

    /// Leaves open what may lie in the subnet, of which not all ranges are known.
    pub(super) fn open_where_subnet_could_hold(&mut self, subnet: &SubnetId, gap: &Gap) {
        for range in &mut self.ranges {
            if let Some(open) = could_hold(subnet, gap, &range.selection, range.cidr) {
                range.verdict = Verdict::Undetermined(vec![open]);
            }
        }
    }

    /// Without the entries that no program here can use, such as those of IPv6 on a host that has none.
    ///
    /// # Errors
    /// If no entry is left.
    pub(super) fn only(mut self, reader: &Reader<'_>, usable: impl Fn(&IpNet) -> bool) -> Result<Self, Missing> {
        self.entries.retain(&usable);
        let entries = &self.entries;
        self.ranges.retain(|range| entries.iter().any(|entry| entry.contains(&range.cidr)));
        if self.entries.is_empty() { Err(empty(reader)) } else { Ok(self) }
    }

    /// See [`require_public_ipv4_for`].
    pub(super) fn require_public_ipv4(&mut self, facts: &VpcFacts, interface: &Interface, source: Option<IpAddr>) {
        for range in &mut self.ranges {
            range.verdict = require_public_ipv4_for(facts, range.verdict.clone(), range.cidr, interface, source);
        }
    }

    /// The ranges as the report has them.
    pub(super) fn report(&self) -> Vec<CoverageRange> {
        let range = |range: &Range<'_>| CoverageRange {
            cidr: range.cidr,
            prefix_list: range.list.clone(),
            route_table: self.table.id.clone(),
            verdict: range.verdict.clone(),
        };
        self.ranges.iter().map(range).collect()
    }

    /// How much of the list is on-net.
    pub(super) fn summary(&self) -> CoverageSummary {
        let on_net = || self.ranges.iter().filter(|range| range.verdict.is_on_net());
        let off =
            |entry: &IpNet| self.ranges.iter().any(|range| entry.contains(&range.cidr) && !range.verdict.is_on_net());
        CoverageSummary {
            cidrs: self.entries.len() as u64,
            cidrs_on_net: self.entries.iter().filter(|entry| !off(entry)).count() as u64,
            addresses: addresses_in(&self.entries),
            addresses_on_net: addresses_in(on_net().map(|range| &range.cidr)),
        }
    }
}
