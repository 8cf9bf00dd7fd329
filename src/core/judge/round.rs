//! One round: every address, the whole prefix list, the findings, and what it all comes to.

use super::{
    address::{Judged, addresses_of, is_testified, judge_address, off_net_words, probes_of, proxy_for},
    audit::missing_of,
    coverage::{Coverage, cover},
    diagnosis::diagnose,
    findings::{self, push},
    fresh::without_stale,
    path::Reader,
};
use crate::model::{
    AddressReport, CoverageSummary, Finding, Instance, InstanceSummary, KernelRoute, Missing, NameKind, Outcome,
    PathKind, ProofLevel, Report, SCHEMA, ServiceName, Severity, Snapshot, Verdict,
};
use std::{cmp::Reverse, net::IpAddr};

/// Judges one round.
pub fn judge(snapshot: Snapshot) -> Report {
    let fresh = without_stale(snapshot.clone());
    let round = Round::look(&fresh);
    let outcome = round.outcome();
    let proof = round.proof();
    Report {
        schema: SCHEMA,
        outcome,
        proof,
        summary: round.summary(outcome),
        taken_at: snapshot.taken_at,
        hostname: round.names.first().map(|name| name.hostname.clone()),
        instance: round.instance(),
        addresses: round.judged.iter().map(|judged| judged.report.clone()).collect(),
        coverage: round.coverages.iter().flat_map(Coverage::report).collect(),
        coverage_summary: round.coverage_summary(),
        probes: fresh.probes.iter().filter_map(|attempt| attempt.probe.seen().cloned()).collect(),
        findings: round.findings,
        snapshot,
    }
}

/// How one address counts towards the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    OnNet,
    OffNet,
    Dropped,
    /// Not known from configuration, but the service said the request came through an endpoint.
    Testified,
    Unknown,
}

/// Everything that was concluded on the way.
struct Round<'s> {
    snapshot: &'s Snapshot,
    names: Vec<ServiceName>,
    judged: Vec<Judged<'s>>,
    /// One for each route table that addresses in use go by.
    coverages: Vec<Coverage<'s>>,
    /// Names and addresses in use that are not known.
    unresolved: Vec<Missing>,
    /// Other facts without which the outcome cannot be on-net.
    missing: Vec<Missing>,
    findings: Vec<Finding>,
}

impl<'s> Round<'s> {
    fn look(snapshot: &'s Snapshot) -> Self {
        let region = region(snapshot);
        let reader = Reader { facts: &snapshot.vpc, region };
        let mut round = Self {
            snapshot,
            names: Vec::new(),
            judged: Vec::new(),
            coverages: Vec::new(),
            unresolved: Vec::new(),
            missing: Vec::new(),
            findings: Vec::new(),
        };
        round.judge_addresses(&reader);
        round.cover_lists(&reader);
        round.find();
        round.findings.sort_by_key(|finding| Reverse(finding.severity));
        round
    }

    fn judge_addresses(&mut self, reader: &Reader<'s>) {
        match self.snapshot.names.get() {
            Ok(names) => self.names.clone_from(names),
            Err(gap) => self.unresolved.push(Missing::new("DynamoDB's hostname", gap)),
        }
        let has_ipv6 = may_use_ipv6(self.snapshot);
        for name in &self.names {
            let (addresses, missing) = addresses_of(self.snapshot, &name.hostname, has_ipv6);
            if name.in_use {
                self.unresolved.extend(missing);
            }
            for address in addresses {
                let in_use = name.in_use && (address.is_ipv4() || has_ipv6);
                self.judged.push(judge_address(reader, self.snapshot, &name.hostname, address, in_use));
            }
        }
    }

    fn cover_lists(&mut self, reader: &Reader<'s>) {
        if !self.needs_coverage() {
            return;
        }
        let in_use: Vec<IpAddr> = self.in_use().map(|judged| judged.report.address).collect();
        let mut covered = Vec::new();
        for judged in self.judged.iter().filter(|judged| judged.report.in_use) {
            let Some(((table, _), place)) = judged.table.zip(judged.place(&in_use)) else { continue };
            if covered.contains(&&table.id) {
                continue;
            }
            covered.push(&table.id);
            match cover(reader, table) {
                Ok(mut coverage) => {
                    if let Some(egress) = &judged.egress {
                        coverage.heed_public_address(egress.interface, egress.source);
                    }
                    for finding in diagnose(reader, &coverage, &place) {
                        push(&mut self.findings, finding);
                    }
                    for missing in missing_of(&coverage.report()) {
                        findings::add_missing(&mut self.missing, missing);
                    }
                    self.coverages.push(coverage);
                }
                Err(missing) => findings::add_missing(&mut self.missing, missing),
            }
        }
    }

    fn find(&mut self) {
        let mut missing = std::mem::take(&mut self.missing);
        if let Some(gap) = self.snapshot.host_routes.gap().filter(|_| self.snapshot.assumed_interface.is_none()) {
            findings::add_missing(&mut missing, Missing::new("the kernel's own routes", gap));
        }
        for judged in self.in_use() {
            if let Verdict::Undetermined(more) = &judged.report.verdict {
                for m in more {
                    findings::add_missing(&mut missing, m.clone());
                }
            }
        }
        let reports: Vec<&AddressReport> = self.judged.iter().map(|judged| &judged.report).collect();
        let all: Vec<Missing> = self.unresolved.iter().chain(&missing).cloned().collect();
        let found = findings::of_round(self.snapshot, &self.names, &reports, &all);
        let diverting = findings::host_routes(self.snapshot, &self.coverages, &self.judged);
        for finding in found.into_iter().chain(diverting) {
            push(&mut self.findings, finding);
        }
        self.missing = missing;
    }

    fn in_use(&self) -> impl Iterator<Item = &Judged<'s>> {
        self.judged.iter().filter(|judged| judged.report.in_use)
    }

    fn standing(&self, report: &AddressReport) -> Standing {
        if proxy_for(self.snapshot, &report.hostname).is_some() {
            return Standing::OffNet;
        }
        let testified = is_testified(self.snapshot, report.address);
        let unknown = if testified { Standing::Testified } else { Standing::Unknown };
        match &report.verdict {
            Verdict::Via(path) if path.is_dynamodb_endpoint => Standing::OnNet,
            Verdict::Via(_) if findings::may_be_remote_endpoint(report) => unknown,
            Verdict::Via(_) => Standing::OffNet,
            // A packet that came through refutes a table that says none can.
            Verdict::Dropped(_) if self.was_answered(report.address) => Standing::Unknown,
            Verdict::Dropped(_) => Standing::Dropped,
            Verdict::Ambiguous(_) | Verdict::Undetermined(_) => unknown,
        }
    }

    fn was_answered(&self, address: IpAddr) -> bool {
        probes_of(self.snapshot, address).any(|probe| probe.result.reached_service())
    }

    fn outcome(&self) -> Outcome {
        let standings: Vec<Standing> = self.in_use().map(|judged| self.standing(&judged.report)).collect();
        let any = |standing| standings.contains(&standing);
        if any(Standing::OffNet) || findings::is_proxied(self.snapshot, &self.names) {
            return Outcome::OffNet;
        }
        let names_complete = self.names_complete();
        if names_complete && standings.iter().all(|standing| *standing == Standing::Dropped) {
            return Outcome::Dropped;
        }
        if !names_complete || any(Standing::Unknown) {
            return Outcome::Undetermined;
        }
        // The service itself said how these came; what the route tables would add is a warning, not a doubt.
        if any(Standing::Testified) {
            return Outcome::AtRisk;
        }
        if !self.missing.is_empty() {
            return Outcome::Undetermined;
        }
        let warned = self.findings.iter().any(|finding| finding.severity >= Severity::Warning);
        // Findings name what is not covered; the ranges themselves have the last word.
        let covered = self.coverages.iter().all(|coverage| coverage.ranges.iter().all(|r| r.verdict.is_on_net()));
        let all_on_net = standings.iter().all(|standing| *standing == Standing::OnNet);
        if warned || !all_on_net || !covered {
            Outcome::AtRisk
        } else if self.needs_coverage() && self.coverages.is_empty() {
            Outcome::Undetermined
        } else {
            Outcome::OnNet
        }
    }

    /// A name of AWS's own can be answered from all of the prefix list. So can a custom endpoint's that a gateway
    /// endpoint carries: it is the regional name with a port, or an alias of it.
    fn needs_coverage(&self) -> bool {
        let by_gateway =
            |judged: &Judged<'_>| judged.report.verdict.path().is_some_and(|p| p.kind == PathKind::GatewayEndpoint);
        self.names.iter().any(|name| name.in_use && name.kind != NameKind::Custom) || self.in_use().any(by_gateway)
    }

    /// Whether every name in use has an address in use.
    fn names_complete(&self) -> bool {
        let has_address = |name: &ServiceName| self.in_use().any(|judged| judged.report.hostname == name.hostname);
        self.unresolved.is_empty()
            && self.names.iter().any(|name| name.in_use)
            && self.names.iter().filter(|name| name.in_use).all(has_address)
    }

    /// The strongest level that every address in use supports; nothing contradicted counts.
    fn proof(&self) -> ProofLevel {
        let level = |judged: &Judged<'_>| {
            let address = judged.report.address;
            if findings::contradiction(self.snapshot, &judged.report).is_some() {
                return ProofLevel::Inferred;
            }
            if is_testified(self.snapshot, address) {
                return ProofLevel::Proved;
            }
            let corroborates = probes_of(self.snapshot, address).any(|probe| {
                probe.result.reached_service()
                    && judged.egress.as_ref().is_some_and(|egress| {
                        probe.local.is_some_and(|local| {
                            egress.source == Some(local.ip()) && egress.interface.addresses.contains(&local.ip())
                        })
                    })
            });
            if corroborates { ProofLevel::Consistent } else { ProofLevel::Inferred }
        };
        self.in_use().map(level).min().unwrap_or(ProofLevel::Inferred)
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

    fn instance(&self) -> Option<InstanceSummary> {
        let instance: &Instance = self.snapshot.instance.seen()?;
        let judged = self.in_use().find(|judged| judged.egress.is_some());
        let interface = judged.and_then(|judged| Some(judged.egress.as_ref()?.interface));
        Some(InstanceSummary {
            id: instance.id.to_string(),
            region: instance.region.clone(),
            interface: interface.map(|i| i.id.to_string()),
            subnet: interface.map(|i| i.subnet.to_string()),
            vpc: interface.map(|i| i.vpc.to_string()),
            route_table: judged.and_then(|judged| judged.table).map(|(table, _)| table.id.to_string()),
        })
    }

    /// The answer in one sentence: the worst address speaks.
    fn summary(&self, outcome: Outcome) -> String {
        let name = self.names.first().map_or("DynamoDB", |name| name.hostname.as_str());
        let is = |standing| self.in_use().find(|judged| self.standing(&judged.report) == standing);
        match outcome {
            Outcome::OffNet => {
                if let Some(proxy) = proxy_for(self.snapshot, name) {
                    return format!(
                        "{name} is sent to the proxy {} by {}, not to a VPC endpoint",
                        proxy.proxy, proxy.variable
                    );
                }
                let off = is(Standing::OffNet).and_then(|judged| Some((judged, judged.report.verdict.path()?)));
                match off {
                    Some((judged, path)) => off_net_words(&judged.report.hostname, path),
                    None => format!("{name} does not leave by a VPC endpoint"),
                }
            }
            Outcome::Dropped => match self.in_use().next().map(|judged| &judged.report.verdict) {
                Some(Verdict::Dropped(drop)) => format!("{name} cannot be reached: {drop}"),
                _ => format!("{name} cannot be reached"),
            },
            Outcome::Undetermined => self.undetermined(name),
            Outcome::AtRisk | Outcome::OnNet => {
                let path = is(Standing::OnNet).and_then(|judged| judged.report.verdict.path());
                let by = match path {
                    Some(path) => format!("{name} leaves by {path}"),
                    None => format!(
                        "DynamoDB says that requests to {name} come through a VPC endpoint (by which route, perhaps a NAT \
                         gateway's, was not seen)"
                    ),
                };
                let warnings = self.findings.iter().filter(|finding| finding.severity >= Severity::Warning).count();
                match (outcome, warnings) {
                    (Outcome::AtRisk, 1) => format!("{by}, but there is 1 warning"),
                    (Outcome::AtRisk, n) => format!("{by}, but there are {n} warnings"),
                    _ => by,
                }
            }
        }
    }

    fn undetermined(&self, name: &str) -> String {
        if let Some(gap) = self.snapshot.instance.gap() {
            let why = gap.reason().replace('_', " ");
            return format!(
                "cannot say which way {name} leaves: instance metadata could not be read ({why}); is this an EC2 instance?"
            );
        }
        if let Some(missing) = self.unresolved.first().or(self.missing.first()) {
            return format!("cannot say which way {name} leaves without {missing}");
        }
        let unknown = self.in_use().find(|judged| self.standing(&judged.report) == Standing::Unknown);
        match unknown {
            Some(judged) => format!("cannot say which way {name} leaves: {}", judged.report.reason),
            None => format!("cannot say which way {name} leaves: it has no addresses"),
        }
    }
}

/// The Region whose prefix list and service count: the one the instance runs in.
fn region(snapshot: &Snapshot) -> &str {
    match (snapshot.instance.seen(), snapshot.region.seen()) {
        (Some(instance), _) => &instance.region,
        (None, Some(region)) => region,
        (None, None) => "an unknown Region",
    }
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
