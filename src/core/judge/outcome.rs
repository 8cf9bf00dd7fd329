//! What a round comes to, and what decided it.

use super::{
    address::{Judged, may_be_remote_endpoint, proxy_for},
    round::{Named, Round, hostname_missing, reader},
    testimony::Said,
};
use crate::model::{
    Decision, NameKind, NameReport, Outcome, Path, PathKind, ProxyStep, ServiceName, Severity, Snapshot, Verdict,
};
use std::cmp::Reverse;

/// How one subject counts towards the outcome. The greatest, which is the worst, decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// A DynamoDB endpoint carries it.
    OnNet,
    /// It cannot be reached.
    Dropped,
    /// Not known.
    Unknown,
    /// Something else carries it.
    OffNet,
}

/// What the outcome is made of.
pub(super) struct Subject<'r, 's> {
    pub(super) standing: Standing,
    pub(super) about: About<'r, 's>,
}

pub(super) enum About<'r, 's> {
    /// An address in use.
    Address(&'r Judged<'s>),
    /// A name in use whose requests go to a proxy.
    Proxied(&'r Named<'s>, ProxyStep),
    /// A name in use without an address in use, or one whose addresses are not all known.
    Unresolved(&'r Named<'s>),
}

/// All that the outcome is made of, in the order in which the SDK uses it. Empty where no name in use is known.
pub(super) fn subjects<'r, 's>(snapshot: &Snapshot, names: &'r [Named<'s>]) -> Vec<Subject<'r, 's>> {
    let mut subjects = Vec::new();
    for named in names.iter().filter(|named| named.name.is_used()) {
        if let Some(proxy) = proxy_for(snapshot, &named.name.hostname) {
            subjects.push(Subject { standing: Standing::OffNet, about: About::Proxied(named, proxy) });
            continue;
        }
        if !named.missing.is_empty() || named.in_use().next().is_none() {
            subjects.push(Subject { standing: Standing::Unknown, about: About::Unresolved(named) });
        }
        let of_address = |judged| Subject { standing: standing(snapshot, judged), about: About::Address(judged) };
        subjects.extend(named.in_use().map(of_address));
    }
    subjects
}

/// What becomes of requests to a name, whether or not it is in use. It is no better than the round, whose prefix list and findings count
/// for every name.
pub(super) fn of_name(round: &Round<'_>, named: &Named<'_>, of_round: Outcome) -> NameReport {
    let snapshot = round.snapshot;
    let ServiceName { hostname, kind, chosen_by, .. } = named.name;
    let in_use = named.name.is_used();
    let judged: Vec<&Judged<'_>> = if in_use { named.in_use().collect() } else { named.addresses.iter().collect() };
    let mut paths: Vec<Path> = Vec::new();
    for path in judged.iter().filter_map(|judged| judged.report.verdict.path()) {
        if !paths.contains(path) {
            paths.push(path.clone());
        }
    }
    let of_address = |judged: &&Judged<'_>| match judged.report.verdict.path() {
        Some(path) if !kind.takes_table_requests() => of_another_service(*kind, path),
        Some(_) | None => standing(snapshot, judged),
    };
    let standings: Vec<Standing> = judged.iter().map(of_address).collect();
    let all = |standing| standings.iter().all(|one| *one == standing);
    let outcome = if proxy_for(snapshot, hostname).is_some() || standings.contains(&Standing::OffNet) {
        Outcome::OffNet
    } else if standings.is_empty() || !named.missing.is_empty() || standings.contains(&Standing::Unknown) {
        Outcome::Undetermined
    } else if all(Standing::Dropped) {
        Outcome::Dropped
    } else if !all(Standing::OnNet) {
        Outcome::AtRisk
    } else {
        match of_round {
            Outcome::OnNet => Outcome::OnNet,
            Outcome::Undetermined => Outcome::Undetermined,
            Outcome::AtRisk | Outcome::OffNet | Outcome::Dropped => Outcome::AtRisk,
        }
    };
    NameReport { hostname: hostname.clone(), kind: *kind, chosen_by: chosen_by.clone(), in_use, outcome, paths }
}

/// The same of a name of Streams or vector search. A gateway endpoint of DynamoDB may not serve it, though its addresses are in the list;
/// and interface endpoints of Streams are not listed, so an address within the VPC may be one's.
fn of_another_service(kind: NameKind, path: &Path) -> Standing {
    let is_of_streams = path.service.as_deref().is_some_and(|service| service.ends_with(".dynamodb-streams"));
    let is_within = [PathKind::InterfaceEndpoint, PathKind::Local].contains(&path.kind());
    if is_of_streams && is_within && kind == NameKind::Streams {
        Standing::OnNet
    } else if path.is_dynamodb_endpoint || is_within {
        Standing::Unknown
    } else {
        Standing::OffNet
    }
}

fn standing(snapshot: &Snapshot, judged: &Judged<'_>) -> Standing {
    let report = &judged.report;
    // Packets or the service contradict the configuration. What the service says of an endpoint is no more than that: a NAT
    // gateway may stand before it.
    if judged.against.is_some() {
        return Standing::Unknown;
    }
    match &report.verdict {
        Verdict::Via(path) if path.is_dynamodb_endpoint => Standing::OnNet,
        Verdict::Via(_) if judged.said != Said::NoEndpoint && may_be_remote_endpoint(&reader(snapshot), report) => {
            Standing::Unknown
        }
        Verdict::Via(_) => Standing::OffNet,
        Verdict::Dropped(_) => Standing::Dropped,
        Verdict::Ambiguous(_) | Verdict::Undetermined(_) => Standing::Unknown,
    }
}

/// The subject that decides: the first of those that stand worst. None does where a name that is not known may stand
/// worse than all of them.
pub(super) fn deciding<'a, 'r, 's>(
    snapshot: &Snapshot,
    subjects: &'a [Subject<'r, 's>],
) -> Option<&'a Subject<'r, 's>> {
    let worst = subjects.iter().min_by_key(|subject| Reverse(subject.standing))?;
    (worst.standing >= Standing::Unknown || hostname_missing(snapshot).is_none()).then_some(worst)
}

/// What the round comes to.
pub(super) fn outcome(round: &Round<'_>, subjects: &[Subject<'_, '_>], decided: Option<&Subject<'_, '_>>) -> Outcome {
    let all = |standing| subjects.iter().all(|subject| subject.standing == standing);
    match decided.map(|subject| subject.standing) {
        Some(Standing::OffNet) => Outcome::OffNet,
        None | Some(Standing::Unknown) => Outcome::Undetermined,
        Some(Standing::Dropped) if all(Standing::Dropped) => Outcome::Dropped,
        Some(Standing::Dropped | Standing::OnNet) => {
            if !round.missing.is_empty() {
                return Outcome::Undetermined;
            }
            let warned = round.findings.iter().any(|finding| finding.severity >= Severity::Warning);
            // Findings name what is not covered; the ranges themselves have the last word.
            let mut ranges = round.coverages.iter().flat_map(|coverage| &coverage.ranges);
            let covered = ranges.all(|range| range.verdict.is_on_net());
            if warned || !covered || !all(Standing::OnNet) {
                Outcome::AtRisk
            } else if round.needs_coverage && round.coverages.is_empty() {
                Outcome::Undetermined
            } else {
                Outcome::OnNet
            }
        }
    }
}

impl Subject<'_, '_> {
    /// The name it is about.
    pub(super) fn hostname(&self) -> &str {
        match &self.about {
            About::Address(judged) => &judged.report.hostname,
            About::Proxied(named, _) | About::Unresolved(named) => &named.name.hostname,
        }
    }

    /// The decision, where this decides.
    pub(super) fn decision(&self) -> Decision {
        let hostname = self.hostname().to_owned();
        match &self.about {
            About::Address(judged) => Decision::Address { hostname, address: judged.report.address },
            About::Proxied(named, proxy) => {
                let address = named.in_use().next().map(|judged| judged.report.address);
                Decision::Proxy { hostname, address, proxy: proxy.clone() }
            }
            About::Unresolved(named) => Decision::Name { hostname, missing: named.missing.clone() },
        }
    }
}
