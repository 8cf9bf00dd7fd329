//! Every network interface of the instance, judged by the route table of its subnet: pods and programs that bind an address may
//! leave by another one than onnet's own requests.

use super::{
    audit::of_coverage,
    coverage::{Coverage, cover},
    explain::undetermined,
    lookup::is_nat64,
    path::Reader,
    round::Named,
    subnet::whole_table_of,
};
use crate::model::{
    CoverageSummary, Instance, Interface, InterfaceReport, Missing, Outcome, RouteTable, RouteTableId, Snapshot,
    Verdict,
};
use ipnet::IpNet;
use std::{collections::BTreeMap, net::IpAddr};

/// A report for each network interface; more than one where some of its addresses are public and others are not, and that matters.
/// Each is judged by the ranges of the families that it has: pods with addresses of an IPv6 prefix use IPv6, also where the host does not.
pub(super) fn interfaces(reader: &Reader<'_>, snapshot: &Snapshot, names: &[Named<'_>]) -> Vec<InterfaceReport> {
    let Some(Instance { interfaces, .. }) = snapshot.instance.seen() else { return Vec::new() };
    // DNS64 answers all who ask it with addresses of NAT64, which routes of their own decide about.
    let answers = names.iter().filter(|named| named.name.is_used()).flat_map(|named| &named.addresses);
    let has_nat64 = answers.map(|judged| judged.report.address).any(is_nat64);
    let cover_with = |table| {
        cover(reader, table).map(|mut coverage| {
            if has_nat64 {
                coverage.add_nat64(reader, None);
            }
            coverage
        })
    };
    let mut covered: BTreeMap<RouteTableId, Result<Coverage<'_>, Missing>> = BTreeMap::new();
    let mut reports = Vec::new();
    for interface in interfaces {
        let judged = whole_table_of(reader.facts, interface);
        let leaves = names.iter().flat_map(Named::in_use).filter_map(|judged| judged.egress.as_ref());
        let sources: Vec<_> =
            leaves.filter(|egress| egress.interface.id == interface.id).map(|egress| egress.source).collect();
        let report = |from: Sources, judged: Judged, table: Option<&RouteTable>| InterfaceReport {
            interface: interface.id.clone(),
            subnet: interface.subnet.clone(),
            vpc: interface.vpc.clone(),
            in_use: sources.iter().any(|source| source.is_none_or(|source| from.has(source))),
            addresses: from.addresses,
            prefixes: from.prefixes,
            route_table: table.map(|table| table.id.clone()),
            outcome: judged.outcome,
            coverage_summary: judged.summary,
            reason: judged.reason,
        };
        let (table, _) = match judged {
            Ok(found) => found,
            Err(missing) => {
                reports.push(report(Sources::all(interface), Judged::not(undetermined(&[missing])), None));
                continue;
            }
        };
        let coverage = match covered.entry(table.id.clone()).or_insert_with(|| cover_with(table)) {
            Ok(coverage) => coverage,
            Err(missing) => {
                let judged = Judged::not(undetermined(std::slice::from_ref(missing)));
                reports.push(report(Sources::all(interface), judged, Some(table)));
                continue;
            }
        };
        let groups = by_source(reader, interface, coverage);
        if groups.is_empty() && interface.prefixes.seen().is_some() {
            let judged = Judged::not("it has no address and no prefix".to_owned());
            reports.push(report(Sources::default(), judged, Some(table)));
        }
        for (from, judged) in groups {
            reports.push(report(from, judged, Some(table)));
        }
        if let Err(gap) = interface.prefixes.get() {
            let missing = Missing::new(format!("the prefixes of {}", interface.id), gap);
            let unknown = report(Sources::default(), Judged::not(undetermined(&[missing])), Some(table));
            reports.push(InterfaceReport { in_use: false, ..unknown });
        }
    }
    reports
}

/// Where packets may come from.
#[derive(Default)]
struct Sources {
    addresses: Vec<IpAddr>,
    prefixes: Vec<IpNet>,
}

impl Sources {
    fn all(interface: &Interface) -> Self {
        let prefixes = interface.prefixes.seen().cloned().unwrap_or_default();
        Self { addresses: interface.addresses.clone(), prefixes }
    }

    fn has(&self, source: IpAddr) -> bool {
        self.addresses.contains(&source) || self.prefixes.iter().any(|prefix| prefix.contains(&source))
    }

    fn first(&self) -> Option<IpAddr> {
        self.addresses.first().copied().or_else(|| self.prefixes.first().map(IpNet::addr))
    }
}

/// What becomes of packets from some addresses.
#[derive(PartialEq)]
struct Judged {
    outcome: Outcome,
    summary: Option<CoverageSummary>,
    reason: String,
}

impl Judged {
    /// There is nothing of the family to judge by.
    fn without_range(is_ipv6: bool) -> Self {
        let family = if is_ipv6 { "IPv6" } else { "IPv4" };
        Self::not(format!("DynamoDB's prefix list has no {family} range"))
    }

    /// It is not known, for this reason.
    fn not(reason: String) -> Self {
        Self { outcome: Outcome::Undetermined, summary: None, reason }
    }
}

/// The addresses and prefixes of a network interface by what becomes of packets from them. It depends on the family and on whether the
/// address has a public one, which none of a prefix has: an interface has dozens of addresses, and at most four kinds.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-prefix-eni.html>
fn by_source(reader: &Reader<'_>, interface: &Interface, coverage: &Coverage<'_>) -> Vec<(Sources, Judged)> {
    let public = interface.public_addresses.seen();
    let is_public = |address: &IpAddr| public.is_some_and(|public| public.iter().any(|one| one.private == *address));
    let mut kinds: BTreeMap<(bool, bool), Sources> = BTreeMap::new();
    for address in &interface.addresses {
        kinds.entry((address.is_ipv6(), !is_public(address))).or_default().addresses.push(*address);
    }
    for prefix in interface.prefixes.seen().into_iter().flatten() {
        kinds.entry((prefix.addr().is_ipv6(), true)).or_default().prefixes.push(*prefix);
    }
    let mut groups: Vec<(Sources, Judged)> = Vec::new();
    for ((is_ipv6, _), from) in kinds {
        let mut of_source = coverage.clone();
        of_source.entries.retain(|entry| entry.addr().is_ipv6() == is_ipv6);
        of_source.ranges.retain(|range| range.cidr.addr().is_ipv6() == is_ipv6);
        let judged = if of_source.ranges.is_empty() {
            Judged::without_range(is_ipv6)
        } else {
            of_source.take_out_subnet_of(reader, interface);
            of_source.require_public_ipv4(reader.facts, interface, from.first());
            let (outcome, ..) = of_coverage(reader, &of_source, &interface.vpc, &interface.subnet);
            Judged { outcome, summary: Some(of_source.summary()), reason: ways(&of_source) }
        };
        match groups.iter_mut().find(|(_, other)| *other == judged) {
            Some((known, _)) => {
                known.addresses.extend(from.addresses);
                known.prefixes.extend(from.prefixes);
            }
            None => groups.push((from, judged)),
        }
    }
    groups
}

/// More ways than this are counted.
const MOST_WAYS: usize = 4;

/// Where the list goes: each way once.
fn ways(coverage: &Coverage<'_>) -> String {
    let mut ways: Vec<String> = Vec::new();
    for range in &coverage.ranges {
        let way = match &range.verdict {
            Verdict::Via(path) => format!("through {path}"),
            Verdict::Dropped(drop) => format!("dropped: {drop}"),
            Verdict::Ambiguous(paths) => {
                let paths: Vec<_> = paths.iter().map(ToString::to_string).collect();
                format!("through {}, and AWS does not say which", paths.join(" or "))
            }
            Verdict::Undetermined(missing) => undetermined(missing),
        };
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    let more = ways.len().saturating_sub(MOST_WAYS);
    ways.truncate(MOST_WAYS);
    if more > 0 { format!("{}; and {more} more", ways.join("; ")) } else { ways.join("; ") }
}
