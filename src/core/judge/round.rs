//! One round: every address, the whole prefix list, the findings, and what it all comes to.

use super::{
    address::{Judged, addresses_of, judge_address},
    audit::missing_of,
    coverage::{Coverage, cover},
    diagnosis::diagnose,
    findings::{self, add_missing, push},
    fresh::without_stale,
    idle::idle_endpoint,
    outcome::{About, Subject, deciding, outcome, subjects},
    path::Reader,
    proof::proof,
    summary::summary,
};
use crate::model::{
    AddressReport, CoverageSummary, Finding, InstanceSummary, KernelRoute, Missing, NameKind, PathKind, Report, SCHEMA,
    ServiceName, Snapshot, Verdict,
};
use std::{cmp::Reverse, net::IpAddr};

/// Judges one round.
pub fn judge(snapshot: Snapshot) -> Report {
    let fresh = without_stale(snapshot.clone());
    let round = Round::of(&fresh);
    let subjects = subjects(&fresh, &round.names);
    let decided = deciding(&fresh, &subjects);
    let outcome = outcome(&round, &subjects, decided);
    let decided_by = decided.map(Subject::decision);
    let sdk_name = || Some(round.names.first()?.name.hostname.clone());
    Report {
        schema: SCHEMA,
        outcome,
        proof: proof(&round),
        summary: summary(&round, outcome, decided),
        taken_at: snapshot.taken_at,
        hostname: decided_by.as_ref().map(|decision| decision.hostname().to_owned()).or_else(sdk_name),
        instance: round.instance(decided),
        addresses: round.judged().map(|judged| judged.report.clone()).collect(),
        coverage: round.coverages.iter().flat_map(Coverage::report).collect(),
        coverage_summary: round.coverage_summary(),
        probes: fresh.probes.iter().filter_map(|attempt| attempt.probe.seen().cloned()).collect(),
        idle_endpoint: decided.and_then(|subject| idle_endpoint(&reader(&fresh), subject)),
        decided_by,
        findings: round.findings,
        snapshot,
    }
}

/// A name of DynamoDB, and its addresses judged.
pub(super) struct Named<'s> {
    pub(super) name: &'s ServiceName,
    pub(super) addresses: Vec<Judged<'s>>,
    /// What of its resolution is missing.
    pub(super) missing: Vec<Missing>,
}

impl<'s> Named<'s> {
    fn judge(reader: &Reader<'s>, snapshot: &'s Snapshot, name: &'s ServiceName, has_ipv6: bool) -> Self {
        let (addresses, missing) = addresses_of(snapshot, &name.hostname, has_ipv6);
        let judge = |address: IpAddr| {
            let in_use = name.in_use && (address.is_ipv4() || has_ipv6);
            judge_address(reader, snapshot, &name.hostname, address, in_use)
        };
        Self { name, addresses: addresses.into_iter().map(judge).collect(), missing }
    }

    /// The addresses that applications here use.
    pub(super) fn in_use(&self) -> impl Iterator<Item = &Judged<'s>> {
        self.addresses.iter().filter(|judged| judged.report.in_use)
    }
}

/// Everything that follows from a snapshot before the outcome.
pub(super) struct Round<'s> {
    pub(super) snapshot: &'s Snapshot,
    /// In the order in which the SDK uses them.
    pub(super) names: Vec<Named<'s>>,
    /// Whether the whole prefix list counts.
    pub(super) needs_coverage: bool,
    /// One for each route table that addresses in use go by.
    pub(super) coverages: Vec<Coverage<'s>>,
    /// Facts other than names and addresses without which the outcome cannot be on-net.
    pub(super) missing: Vec<Missing>,
    /// Worst first.
    pub(super) findings: Vec<Finding>,
}

impl<'s> Round<'s> {
    fn of(snapshot: &'s Snapshot) -> Self {
        let reader = reader(snapshot);
        let has_ipv6 = may_use_ipv6(snapshot);
        let names: Vec<Named<'s>> =
            snapshot.all_names().map(|name| Named::judge(&reader, snapshot, name, has_ipv6)).collect();
        let needs_coverage = needs_coverage(&names);
        let mut findings = Vec::new();
        let mut missing = Vec::new();
        let coverages =
            if needs_coverage { cover_tables(&reader, &names, &mut findings, &mut missing) } else { Vec::new() };
        if let Some(gap) = snapshot.host_routes.gap().filter(|_| snapshot.assumed_interface.is_none()) {
            add_missing(&mut missing, Missing::new("the kernel's own routes", gap));
        }
        let of_a_region = |named: &Named<'_>| named.name.in_use && named.name.kind != NameKind::Custom;
        if let Some(gap) = snapshot.region.gap().filter(|_| names.iter().any(of_a_region)) {
            add_missing(&mut missing, Missing::new("the Region whose names SDKs here use", gap));
        }
        let judged: Vec<&Judged<'s>> = names.iter().flat_map(|named| &named.addresses).collect();
        let hops = findings::unknown_next_hops(snapshot, &coverages, &judged);
        hops.into_iter().for_each(|hop| add_missing(&mut missing, hop));
        for judged in in_use(&names) {
            if let Verdict::Undetermined(more) = &judged.report.verdict {
                more.iter().for_each(|m| add_missing(&mut missing, m.clone()));
            }
        }
        let reports: Vec<&AddressReport> = judged.iter().map(|judged| &judged.report).collect();
        let hostname = hostname_missing(snapshot);
        let of_names = names.iter().filter(|named| named.name.in_use).flat_map(|named| &named.missing);
        let all: Vec<Missing> = hostname.iter().chain(of_names).chain(&missing).cloned().collect();
        let service_names: Vec<&ServiceName> = names.iter().map(|named| named.name).collect();
        let found = findings::of_round(snapshot, &service_names, &reports, &all);
        let diverting = findings::host_routes(snapshot, &coverages, &judged);
        found.into_iter().chain(diverting).for_each(|finding| push(&mut findings, finding));
        findings.sort_by_key(|finding| Reverse(finding.severity));
        Self { snapshot, names, needs_coverage, coverages, missing, findings }
    }

    pub(super) fn judged(&self) -> impl Iterator<Item = &Judged<'s>> {
        self.names.iter().flat_map(|named| &named.addresses)
    }

    pub(super) fn in_use(&self) -> impl Iterator<Item = &Judged<'s>> {
        in_use(&self.names)
    }

    fn coverage_summary(&self) -> Option<CoverageSummary> {
        let add = |a: CoverageSummary, b: CoverageSummary| CoverageSummary {
            cidrs: a.cidrs + b.cidrs,
            cidrs_on_net: a.cidrs_on_net + b.cidrs_on_net,
            addresses: a.addresses.saturating_add(b.addresses),
            addresses_on_net: a.addresses_on_net.saturating_add(b.addresses_on_net),
        };
        self.coverages.iter().map(Coverage::summary).reduce(add)
    }

    /// The instance, and where the deciding address leaves it. Where no address decides, the first in use stands for all.
    fn instance(&self, decided: Option<&Subject<'_, '_>>) -> Option<InstanceSummary> {
        let instance = self.snapshot.instance.seen()?;
        let leaves = |judged: &&Judged<'_>| judged.egress.is_some();
        let judged = match decided.map(|subject| &subject.about) {
            Some(About::Address(judged)) => Some(*judged),
            Some(About::Proxied(named, _)) => named.in_use().find(leaves).or_else(|| self.in_use().find(leaves)),
            Some(About::Unresolved(_)) | None => self.in_use().find(leaves),
        };
        let interface = judged.and_then(|judged| Some(judged.egress.as_ref()?.interface));
        Some(InstanceSummary {
            id: instance.id.clone(),
            region: instance.region.clone(),
            interface: interface.map(|i| i.id.clone()),
            subnet: interface.map(|i| i.subnet.clone()),
            vpc: interface.map(|i| i.vpc.clone()),
            route_table: judged.and_then(|judged| judged.table).map(|(table, _)| table.id.clone()),
        })
    }
}

fn in_use<'n, 's>(names: &'n [Named<'s>]) -> impl Iterator<Item = &'n Judged<'s>> {
    names.iter().flat_map(Named::in_use)
}

/// Whether a name in use can be answered from all of the prefix list.
///
/// A name of AWS's own can. So can a custom endpoint's that a gateway endpoint carries: it is the regional name with a port,
/// or an alias of it.
fn needs_coverage(names: &[Named<'_>]) -> bool {
    let through_gateway =
        |judged: &Judged<'_>| judged.report.verdict.path().is_some_and(|p| p.kind() == PathKind::GatewayEndpoint);
    names.iter().any(|named| named.name.in_use && named.name.kind != NameKind::Custom)
        || in_use(names).any(through_gateway)
}

/// The whole list against each route table that addresses in use go by, with what is found and what is missing on the way.
fn cover_tables<'s>(
    reader: &Reader<'s>,
    names: &[Named<'s>],
    findings: &mut Vec<Finding>,
    missing: &mut Vec<Missing>,
) -> Vec<Coverage<'s>> {
    let addresses: Vec<IpAddr> = in_use(names).map(|judged| judged.report.address).collect();
    let mut coverages = Vec::new();
    let mut covered = Vec::new();
    for judged in in_use(names) {
        let Some(((table, _), place)) = judged.table.zip(judged.place(&addresses)) else { continue };
        if covered.contains(&&table.id) {
            continue;
        }
        covered.push(&table.id);
        match cover(reader, table) {
            Ok(mut coverage) => {
                if let Some(egress) = &judged.egress {
                    coverage.heed_public_address(egress.interface, egress.source);
                }
                diagnose(reader, &coverage, &place).into_iter().for_each(|finding| push(findings, finding));
                missing_of(&coverage.report()).into_iter().for_each(|m| add_missing(missing, m));
                coverages.push(coverage);
            }
            Err(m) => add_missing(missing, m),
        }
    }
    coverages
}

/// Why the names in use are not all known.
pub(super) fn hostname_missing(snapshot: &Snapshot) -> Option<Missing> {
    let of_account = |gap| Missing::new("the account-based hostname that SDKs here may use", gap);
    let hostname = snapshot.names.gap().map(|gap| Missing::new("DynamoDB's hostname", gap));
    hostname.or_else(|| snapshot.account_name.gap().map(of_account))
}

/// Reads the VPC's facts for the Region whose prefix list and service count: the one the instance runs in.
fn reader(snapshot: &Snapshot) -> Reader<'_> {
    let region = match snapshot.instance.seen() {
        Some(instance) => Ok(instance.region.as_str()),
        None => snapshot.region.get().map(String::as_str),
    };
    Reader { facts: &snapshot.vpc, region }
}

/// Whether an application here could use an AAAA record: unless it is known that no interface has an IPv6 address and
/// the kernel has no route, it could.
fn may_use_ipv6(snapshot: &Snapshot) -> bool {
    let Some(instance) = snapshot.instance.seen() else { return true };
    let addressed = instance.interfaces.iter().any(|i| i.addresses.iter().any(IpAddr::is_ipv6));
    let routed = snapshot
        .kernel_routes
        .iter()
        .any(|(address, route)| address.is_ipv6() && !matches!(route.seen(), Some(KernelRoute::NoRoute { .. })));
    addressed || routed
}
