//! One round: every address, the whole prefix list, the findings, and what it all comes to.

use super::{
    address::{Judged, addresses_of, judge_address, proxy_for},
    audit::missing_of,
    coverage::{Coverage, cover},
    doubtful::without_doubtful,
    egress::{require_public_ipv4, require_public_ipv4_for},
    endpoint_policy::endpoint_policies,
    findings::{self, Beside, Table, World},
    fresh::without_stale,
    gates::gates,
    idle::idle_endpoint,
    interfaces::interfaces,
    kernel_paths::{Elsewhere, Families, kernel_paths, may_route_ipv4, may_route_ipv6, may_route_unknown_ipv6},
    outcome::{About, Subject, deciding, of_name, outcome, subjects},
    path::{Reader, SeenBy},
    proof::proof,
    subnet::whole_table_of,
    summary::summary,
    without_endpoint::{Counterfactual, answer, of_path},
};
use crate::model::{
    CoverageSummary, EndpointPolicy, Finding, Gap, Gate, Instance, InstanceSummary, Interface, InterfaceReport,
    KernelRoute, Missing, NatCost, Observed, PathKind, Report, Resolution, RouteTableId, SCHEMA, ServiceName, Snapshot,
    Verdict, WithoutEndpoint,
};
use ipnet::IpNet;
use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

/// Judges one round.
pub fn judge(snapshot: Snapshot) -> Report {
    let fresh = without_stale(without_doubtful(snapshot.clone()));
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
        names: round.names.iter().map(|named| of_name(&round, named, outcome)).collect(),
        nat_cost: nat_cost(&round),
        addresses: round.judged().map(|judged| judged.report.clone()).collect(),
        coverage: round.coverages.iter().flat_map(Coverage::report).collect(),
        coverage_summary: round.coverage_summary(),
        interfaces: round.interfaces,
        probes: fresh.probes.iter().filter_map(|attempt| attempt.probe.seen().cloned()).collect(),
        idle_endpoint: decided.and_then(|subject| idle_endpoint(&reader(&fresh), subject)),
        without_endpoint: round.without_endpoint,
        endpoint_policies: round.endpoint_policies,
        gates: round.gates,
        decided_by,
        findings: round.findings,
        snapshot,
    }
}

/// What NAT gateways charge for the addresses in use and the rest of the prefix list, or would without the endpoint.
fn nat_cost(round: &Round<'_>) -> Option<NatCost> {
    let of_addresses = round.in_use().filter_map(|judged| judged.report.verdict.path());
    let ranges = round.coverages.iter().flat_map(|coverage| &coverage.ranges);
    let now = of_addresses.chain(ranges.filter_map(|range| range.verdict.path()));
    let afterwards = round.without_endpoint.iter().flat_map(WithoutEndpoint::paths);
    NatCost::of(round.snapshot.nat_rates, now, afterwards)
}

/// A name of DynamoDB, and its addresses judged.
pub(super) struct Named<'s> {
    pub(super) name: &'s ServiceName,
    pub(super) addresses: Vec<Judged<'s>>,
    /// What of its resolution is missing.
    pub(super) missing: Vec<Missing>,
}

impl<'s> Named<'s> {
    fn judge(reader: &Reader<'s>, snapshot: &'s Snapshot, name: &'s ServiceName, families: Families) -> Self {
        let may_use_ipv6 = families.ipv6 || may_route_unknown_ipv6(snapshot);
        let (addresses, missing) = addresses_of(snapshot, &name.hostname, may_use_ipv6);
        let uses_ipv6 = families.ipv6 && addresses.iter().any(IpAddr::is_ipv6);
        let judge = |address: IpAddr| {
            // Where both are useless, the IPv4 address stands for what becomes of requests.
            let stands_for_both = address.is_ipv4() && !(uses_ipv6 && is_refused(snapshot, address));
            let is_used = families.have(address) || stands_for_both;
            judge_address(reader, snapshot, &name.hostname, address, name.is_used() && is_used)
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
    /// Every network interface of the instance.
    interfaces: Vec<InterfaceReport>,
    /// Worst first.
    pub(super) findings: Vec<Finding>,
    /// What would become of the traffic that endpoints carry if they were deleted.
    without_endpoint: Option<WithoutEndpoint>,
    /// What the policies of the endpoints in use say.
    endpoint_policies: Vec<EndpointPolicy>,
    /// What else lets requests through or stops them.
    gates: Vec<Gate>,
}

impl<'s> Round<'s> {
    fn of(snapshot: &'s Snapshot) -> Self {
        let reader = reader(snapshot);
        let families = Families { ipv4: may_use_ipv4(snapshot), ipv6: may_use_ipv6(snapshot) };
        let names: Vec<Named<'s>> =
            snapshot.all_names().map(|name| Named::judge(&reader, snapshot, name, families)).collect();
        let needs_coverage = needs_coverage(&names);
        let usable = |entry: &IpNet| families.have(entry.addr()) || may_have_host_route(snapshot, entry);
        let covered = if needs_coverage { cover_tables(&reader, &names, usable) } else { Vec::new() };
        let coverage_of = |id: &RouteTableId| covered.iter().find(|covered| covered.id == id)?.coverage.as_ref().ok();
        let elsewhere = kernel_paths(snapshot, &names, coverage_of, families);
        // Where DynamoDB's word stands for the tables, what was not seen of the list is a finding of its own.
        let needs_list = !in_use(&names).any(Judged::is_testified_endpoint);
        let mut missing = missing(snapshot, &names, &covered, &elsewhere, needs_list);
        missing.extend(own_subnets_table(&reader, &names).filter(|_| needs_coverage && needs_list));
        let rest = rest_of_list(snapshot, &names).filter(|_| needs_coverage);
        let lacking: Vec<Missing> = missing.iter().cloned().chain(rest).collect();
        let interfaces = interfaces(&reader, snapshot, &names);
        let endpoint_policies = endpoint_policies(&reader, snapshot, &names);
        let gates = gates(&reader, snapshot, &names, needs_coverage);
        let beside = Beside { interfaces: &interfaces, policies: &endpoint_policies, gates: &gates };
        let findings = find_all(&reader, snapshot, &names, &covered, &elsewhere, &lacking, beside);
        let without_endpoint = without_endpoint(&reader, snapshot, &names, &covered);
        let coverages = covered.into_iter().filter_map(|covered| covered.coverage.ok()).collect();
        Self {
            snapshot,
            names,
            needs_coverage,
            coverages,
            missing,
            interfaces,
            findings,
            without_endpoint,
            endpoint_policies,
            gates,
        }
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
            route_table: judged
                .filter(|judged| !judged.is_in_own_subnet())
                .and_then(|judged| judged.table)
                .map(|(table, _)| table.id.clone()),
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
    names.iter().any(|named| named.name.is_used() && named.name.kind.is_of_region())
        || in_use(names).any(through_gateway)
}

/// A route table that an address in use goes by, and what it does with the whole list.
struct Covered<'n, 's> {
    interface: &'s Interface,
    /// The address that packets carry, if it is known.
    source: Option<IpAddr>,
    id: &'n RouteTableId,
    coverage: Result<Coverage<'s>, Missing>,
}

impl Covered<'_, '_> {
    /// The table for the rules, if its coverage is known.
    fn table<'a>(&'a self, reader: &Reader<'_>, in_use: &'a [IpAddr]) -> Option<Table<'a>> {
        let coverage = self.coverage.as_ref().ok()?;
        Some(Table::new(reader, coverage, &self.interface.vpc, &self.interface.subnet, in_use))
    }
}

/// The whole list against each route table that addresses in use go by.
fn cover_tables<'n, 's>(
    reader: &Reader<'s>,
    names: &'n [Named<'s>],
    usable: impl Fn(&IpNet) -> bool,
) -> Vec<Covered<'n, 's>> {
    let mut all: Vec<Covered<'n, 's>> = Vec::new();
    for judged in in_use(names) {
        let Some(((table, _), egress)) = judged.table.zip(judged.egress.as_ref()) else { continue };
        if all.iter().any(|covered| *covered.id == table.id) {
            continue;
        }
        let coverage = cover(reader, table).and_then(|coverage| coverage.only(reader, &usable)).map(|mut coverage| {
            coverage.take_out_subnet_of(reader, egress.interface);
            coverage.require_public_ipv4(reader.facts, egress.interface, egress.source);
            coverage
        });
        all.push(Covered { interface: egress.interface, source: egress.source, id: &table.id, coverage });
    }
    all
}

/// What would become of what endpoints carry if they were deleted: the rest of each route table decides. Requests that go to a proxy do
/// not count.
fn without_endpoint(
    reader: &Reader<'_>,
    snapshot: &Snapshot,
    names: &[Named<'_>],
    covered: &[Covered<'_, '_>],
) -> Option<WithoutEndpoint> {
    let direct = |named: &&Named<'_>| proxy_for(snapshot, &named.name.hostname).is_none();
    let judged: Vec<&Judged<'_>> = names.iter().filter(direct).flat_map(Named::in_use).collect();
    let counterfactual = Counterfactual::of(reader);
    let (mut carried, mut open) = (Vec::new(), Vec::new());
    for judged in &judged {
        carried.extend(of_path(reader, &judged.report.verdict));
        let through_gateway = judged
            .report
            .verdict
            .path()
            .is_some_and(|p| p.kind() == PathKind::GatewayEndpoint && p.is_dynamodb_endpoint);
        if let (true, Some((table, _)), Some(egress)) = (through_gateway, judged.table, &judged.egress) {
            let verdict = counterfactual.of_address(reader, table, judged.report.address);
            carried.push(require_public_ipv4(reader.facts, verdict, egress.interface, egress.source));
        }
        if let Verdict::Undetermined(missing) = &judged.report.verdict {
            open.push(Verdict::Undetermined(missing.clone()));
        }
        if let Some(against) = judged.against.as_ref().or(judged.overruled.as_ref()) {
            let gap = Gap::Conflicting { one: "the configuration says otherwise".to_owned(), other: against.clone() };
            open.push(Verdict::Undetermined(vec![Missing::new("which way traffic takes now", &gap)]));
        }
    }
    let uses = |covered: &&Covered<'_, '_>| {
        judged.iter().any(|judged| judged.table.is_some_and(|(table, _)| table.id == *covered.id))
    };
    for covered in covered.iter().filter(uses) {
        match &covered.coverage {
            Ok(coverage) => {
                let finish = |(range, verdict)| {
                    require_public_ipv4_for(reader.facts, verdict, range, covered.interface, covered.source)
                };
                let afterwards = counterfactual.verdicts(reader, coverage);
                carried.extend(afterwards.carried.into_iter().map(finish));
                open.extend(afterwards.open.into_iter().map(finish));
            }
            Err(missing) => open.push(Verdict::Undetermined(vec![missing.clone()])),
        }
    }
    answer(carried, open)
}

/// Whether the kernel's own routes, as snapshots of schema 1 have them, may lead to part of it.
fn may_have_host_route(snapshot: &Snapshot, entry: &IpNet) -> bool {
    let Some(routes) = &snapshot.host_routes else { return false };
    let overlaps = |to: &IpNet| to.contains(entry) || entry.contains(to);
    routes.seen().is_none_or(|routes| routes.iter().any(|route| overlaps(&route.destination)))
}

/// The route table of a subnet that has an address in use itself, where it is not known: the rest of the list obeys it.
fn own_subnets_table(reader: &Reader<'_>, names: &[Named<'_>]) -> Option<Missing> {
    in_use(names).filter(|judged| judged.is_in_own_subnet()).find_map(|judged| {
        let interface = judged.egress.as_ref()?.interface;
        whole_table_of(reader.facts, interface).err()
    })
}

/// Where every address in use lies in the own subnet, the kernel may send the rest of the list by another device. Where it
/// was not asked about the whole list, that is a warning, for what is in use is known.
fn rest_of_list(snapshot: &Snapshot, names: &[Named<'_>]) -> Option<Missing> {
    let own = in_use(names).find(|judged| judged.may_be_in_own_subnet())?;
    let was_asked = snapshot.assumed_interface.is_some() || snapshot.kernel_paths.seen().is_some();
    if was_asked || !in_use(names).all(Judged::may_be_in_own_subnet) {
        return None;
    }
    let (subnet, known) = (&own.egress.as_ref()?.interface.subnet, own.is_in_own_subnet());
    let lies = if known { "lies" } else { "may lie" };
    let gap = Gap::NotTried { because: format!("every address in use {lies} in {subnet} itself") };
    Some(Missing::new("how the kernel routes the rest of DynamoDB's prefix list", &gap))
}

/// The instance's Region, where its zone is another's.
fn zone_of_another_region(snapshot: &Snapshot) -> Option<Missing> {
    let instance = snapshot.instance.seen()?;
    contradicts_region(instance).map(|gap| Missing::new(format!("where {} is", instance.id), gap))
}

fn contradicts_region(instance: &Instance) -> Option<&Gap> {
    instance.availability_zone.gap().filter(|gap| matches!(gap, Gap::Conflicting { .. }))
}

/// Facts other than names and addresses without which the outcome cannot be on-net.
fn missing(
    snapshot: &Snapshot,
    names: &[Named<'_>],
    covered: &[Covered<'_, '_>],
    elsewhere: &Elsewhere,
    needs_list: bool,
) -> Vec<Missing> {
    let of_tables = covered.iter().filter(|_| needs_list).flat_map(|covered| match &covered.coverage {
        Ok(coverage) => missing_of(&coverage.report()),
        Err(missing) => vec![missing.clone()],
    });
    let of_kernel = elsewhere.missing.iter().filter(|_| needs_list).cloned();
    let of_a_region = |named: &Named<'_>| named.name.is_used() && named.name.kind.is_of_region();
    let region = snapshot.region.gap().filter(|_| names.iter().any(of_a_region));
    let region = region.map(|gap| Missing::new("the Region whose names SDKs here use", gap));
    let region = region.into_iter().chain(zone_of_another_region(snapshot));
    let of_addresses = in_use(names).flat_map(|judged| match &judged.report.verdict {
        Verdict::Undetermined(missing) => missing.clone(),
        Verdict::Via(_) | Verdict::Dropped(_) | Verdict::Ambiguous(_) => Vec::new(),
    });
    let mut missing = Vec::new();
    for fact in of_tables.chain(of_kernel).chain(region).chain(of_addresses) {
        if !missing.contains(&fact) {
            missing.push(fact);
        }
    }
    missing
}

fn find_all(
    reader: &Reader<'_>,
    snapshot: &Snapshot,
    names: &[Named<'_>],
    covered: &[Covered<'_, '_>],
    elsewhere: &Elsewhere,
    missing: &[Missing],
    beside: Beside<'_>,
) -> Vec<Finding> {
    let addresses: Vec<IpAddr> = in_use(names).map(|judged| judged.report.address).collect();
    let tables: Vec<Table<'_>> = covered.iter().filter_map(|covered| covered.table(reader, &addresses)).collect();
    let of_names = names.iter().filter(|named| named.name.is_used()).flat_map(|named| &named.missing);
    let missing: Vec<Missing> = hostname_missing(snapshot).iter().chain(of_names).chain(missing).cloned().collect();
    findings::find(&World::of_round(reader, snapshot, names, &tables, elsewhere, &missing).with(beside))
}

/// Why the names in use are not all known.
pub(super) fn hostname_missing(snapshot: &Snapshot) -> Option<Missing> {
    let of_account = |gap| Missing::new("the account-based hostname that SDKs here may use", gap);
    let hostname = snapshot.names.gap().map(|gap| Missing::new("DynamoDB's hostname", gap));
    hostname.or_else(|| snapshot.account_name.gap().map(of_account))
}

/// Reads the VPC's facts for the Region whose prefix list and service count: the one the instance runs in.
pub(super) fn reader(snapshot: &Snapshot) -> Reader<'_> {
    let region = match snapshot.instance.seen() {
        Some(instance) => contradicts_region(instance).map_or(Ok(instance.region.as_str()), Err),
        None => snapshot.region.get().map(String::as_str),
    };
    Reader { facts: &snapshot.vpc, region, seen_by: SeenBy::Instance(&snapshot.instance) }
}

/// Whether a network interface may have an IPv4 address: those of a subnet of IPv6 alone have none.
fn may_have_ipv4(snapshot: &Snapshot) -> bool {
    let Some(instance) = snapshot.instance.seen() else { return true };
    let addresses = || instance.interfaces.iter().flat_map(|interface| &interface.addresses);
    let has_ipv4 = addresses().any(IpAddr::is_ipv4);
    // Of an interface that is assumed nothing is asked of the kernel.
    has_ipv4 || addresses().next().is_none() || snapshot.assumed_interface.is_some()
}

/// Whether the kernel has no route to the address.
fn is_refused(snapshot: &Snapshot, address: IpAddr) -> bool {
    let route = snapshot.kernel_routes.get(&address).and_then(Observed::seen);
    matches!(route, Some(KernelRoute::NoRoute { .. }))
}

/// Whether a program here could use an IPv4 address of DynamoDB's prefix lists: unless it is known that no interface has one and that
/// the kernel has no route to any, whatever its rules distinguish, it could.
fn may_use_ipv4(snapshot: &Snapshot) -> bool {
    may_have_ipv4(snapshot) || may_route_ipv4(snapshot)
}

/// Whether an application here could use an AAAA record: unless it is known that no interface has an IPv6 address and
/// the kernel has no route, it could.
fn may_use_ipv6(snapshot: &Snapshot) -> bool {
    let Some(instance) = snapshot.instance.seen() else { return true };
    let assumed = snapshot.assumed_interface.as_ref();
    let may_be_used = |interface: &&Interface| assumed.is_none_or(|id| interface.id == *id);
    let mut addresses = instance.interfaces.iter().filter(may_be_used).flat_map(|interface| &interface.addresses);
    let addressed = addresses.any(IpAddr::is_ipv6);
    let refused = |route: Option<&KernelRoute>| matches!(route, Some(KernelRoute::NoRoute { .. }));
    let resolved = snapshot.resolutions.values().flat_map(Resolution::addresses);
    // Those that were asked for count though the records are missing now. A name server's address is no endpoint's.
    let servers: BTreeSet<IpAddr> =
        snapshot.resolutions.values().flat_map(|resolution| &resolution.servers).map(SocketAddr::ip).collect();
    let asked = snapshot.kernel_routes.keys().filter(|address| !servers.contains(address));
    let mut routed = resolved
        .chain(asked.copied())
        .filter(IpAddr::is_ipv6)
        .map(|address| snapshot.kernel_routes.get(&address).and_then(Observed::seen));
    addressed || routed.any(|route| !refused(route)) || may_route_ipv6(snapshot)
}
