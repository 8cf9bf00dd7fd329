//! Every network interface of the instance, judged by the route table of its subnet: pods and programs that bind an address may
//! leave by another one than onnet's own requests.

use super::{
    audit::outcome_of,
    coverage::{Coverage, cover},
    explain::undetermined,
    path::Reader,
    round::Named,
    subnet::whole_table_of,
};
use crate::model::{
    Instance, Interface, InterfaceReport, Missing, Outcome, RouteTable, RouteTableId, Snapshot, Verdict,
};
use ipnet::IpNet;
use std::{collections::BTreeMap, net::IpAddr};

/// A report for each network interface; more than one where some of its addresses are public and others are not, and that matters.
pub(super) fn interfaces(
    reader: &Reader<'_>,
    snapshot: &Snapshot,
    names: &[Named<'_>],
    usable: impl Fn(&IpNet) -> bool,
) -> Vec<InterfaceReport> {
    let Some(Instance { interfaces, .. }) = snapshot.instance.seen() else { return Vec::new() };
    let mut covered: BTreeMap<RouteTableId, Result<Coverage<'_>, Missing>> = BTreeMap::new();
    let mut reports = Vec::new();
    for interface in interfaces {
        let judged = whole_table_of(reader.facts, &interface.vpc, &interface.subnet);
        let leaves = names.iter().flat_map(Named::in_use).filter_map(|judged| judged.egress.as_ref());
        let sources: Vec<_> =
            leaves.filter(|egress| egress.interface.id == interface.id).map(|egress| egress.source).collect();
        let in_use = |own: &[IpAddr]| sources.iter().any(|source| source.is_none_or(|source| own.contains(&source)));
        let report = |addresses: Vec<IpAddr>, outcome, reason, table: Option<&RouteTable>| InterfaceReport {
            interface: interface.id.clone(),
            subnet: interface.subnet.clone(),
            vpc: interface.vpc.clone(),
            in_use: in_use(&addresses),
            addresses,
            route_table: table.map(|table| table.id.clone()),
            outcome,
            reason,
        };
        let (table, _) = match judged {
            Ok(found) => found,
            Err(missing) => {
                let reason = undetermined(&[missing]);
                reports.push(report(interface.addresses.clone(), Outcome::Undetermined, reason, None));
                continue;
            }
        };
        let coverage = covered
            .entry(table.id.clone())
            .or_insert_with(|| cover(reader, table).and_then(|coverage| coverage.only(reader, &usable)));
        let coverage = match coverage {
            Ok(coverage) => coverage,
            Err(missing) => {
                let reason = undetermined(std::slice::from_ref(missing));
                reports.push(report(interface.addresses.clone(), Outcome::Undetermined, reason, Some(table)));
                continue;
            }
        };
        for (addresses, outcome, reason) in by_source(reader, interface, coverage) {
            reports.push(report(addresses, outcome, reason, Some(table)));
        }
    }
    reports
}

/// The addresses of a network interface by what becomes of packets from them.
fn by_source(
    reader: &Reader<'_>,
    interface: &Interface,
    coverage: &Coverage<'_>,
) -> Vec<(Vec<IpAddr>, Outcome, String)> {
    let mut groups: Vec<(Vec<IpAddr>, Outcome, String)> = Vec::new();
    for address in &interface.addresses {
        let mut of_source = coverage.clone();
        of_source.ranges.retain(|range| range.cidr.addr().is_ipv4() == address.is_ipv4());
        if of_source.ranges.is_empty() {
            // DynamoDB's list has nothing of this family.
            continue;
        }
        of_source.take_out_subnet_of(reader, interface);
        of_source.require_public_ipv4(reader.facts, interface, Some(*address));
        let outcome = outcome_of(&of_source.report(), &[]);
        let reason = ways(&of_source);
        match groups.iter_mut().find(|(_, other, why)| (*other, why) == (outcome, &reason)) {
            Some((addresses, ..)) => addresses.push(*address),
            None => groups.push((vec![*address], outcome, reason)),
        }
    }
    groups
}

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
    ways.join("; ")
}
