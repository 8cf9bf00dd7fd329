//! What would take over if DynamoDB's gateway endpoints went away: the same judgement of the VPC without them.

use super::{
    coverage::Coverage,
    lookup::{select, without},
    path::Reader,
};
use crate::model::{
    Drop, EndpointType, Gap, Missing, Path, PathKind, PathTarget, Route, RouteTable, Target, Verdict, VpcEndpoint,
    VpcEndpointId, VpcFacts, WithoutEndpoint,
};
use ipnet::IpNet;
use std::net::IpAddr;

/// The facts of a VPC, and the same without DynamoDB's gateway endpoints.
pub(super) struct Counterfactual {
    facts: VpcFacts,
    removed: Vec<VpcEndpointId>,
}

impl Counterfactual {
    /// Of what the reader reads. A route to an endpoint that is not listed stays, and is unknown.
    pub(super) fn of(reader: &Reader<'_>) -> Self {
        let mut facts = reader.facts.clone();
        let mut removed = Vec::new();
        if let Some(endpoints) = facts.vpc_endpoints.seen_mut() {
            let goes = |endpoint: &mut VpcEndpoint| {
                endpoint.kind == EndpointType::Gateway && reader.is_dynamodb(endpoint) == Ok(true)
            };
            removed = endpoints.extract_if(.., goes).map(|endpoint| endpoint.id).collect();
        }
        Self { facts, removed }
    }

    fn is_removed(&self, route: &Route) -> bool {
        matches!(&route.target, Target::VpcEndpoint(id) if self.removed.contains(id))
    }

    /// What the other routes of a table do with each range that an endpoint carries now, or may carry: the first are carried for certain.
    pub(super) fn verdicts(&self, reader: &Reader<'_>, coverage: &Coverage<'_>) -> Afterwards {
        let reader = Reader { facts: &self.facts, ..*reader };
        let mut afterwards = Afterwards::default();
        for range in &coverage.ranges {
            let carried = range.verdict.is_on_net();
            // The addresses of NAT64 are in no list of AWS's: no endpoint carries them.
            if range.is_by_nat64() {
                continue;
            }
            if carried || matches!(range.verdict, Verdict::Undetermined(_) | Verdict::Ambiguous(_)) {
                let selection =
                    without(&range.selection, coverage.table, &self.facts.prefix_lists, range.cidr, |route| {
                        self.is_removed(route)
                    });
                let verdict = reader.verdict(coverage.table, &selection, range.cidr);
                let part = if carried { &mut afterwards.carried } else { &mut afterwards.open };
                part.push((range.cidr, verdict));
            }
        }
        afterwards
    }

    /// The same of one address that a gateway endpoint carries, by a list that is not DynamoDB's own for example.
    pub(super) fn of_address(&self, reader: &Reader<'_>, table: &RouteTable, address: IpAddr) -> Verdict {
        let reader = Reader { facts: &self.facts, ..*reader };
        let selection = select(table, &self.facts.prefix_lists, address);
        let range = IpNet::from(address);
        let selection = without(&selection, table, &self.facts.prefix_lists, range, |route| self.is_removed(route));
        reader.verdict(table, &selection, range)
    }
}

/// The verdicts in the VPC without its endpoints.
#[derive(Default)]
pub(super) struct Afterwards {
    /// On what endpoints carry now.
    pub(super) carried: Vec<(IpNet, Verdict)>,
    /// On what they may carry.
    pub(super) open: Vec<(IpNet, Verdict)>,
}

/// What becomes of traffic to an address in use that does not go by a route to an endpoint: `None` where no endpoint carries it.
/// The address of an interface endpoint goes away with the endpoint.
pub(super) fn of_path(reader: &Reader<'_>, verdict: &Verdict) -> Option<Verdict> {
    let kind = verdict.path()?.kind();
    if kind == PathKind::VpcEndpointTestified {
        let because = "which route leads to the endpoint is not known".to_owned();
        let gap = reader.facts.route_tables.gap().cloned().unwrap_or(Gap::NotTried { because });
        return Some(Verdict::Undetermined(vec![Missing::new("the route that would take over", &gap)]));
    }
    (kind == PathKind::InterfaceEndpoint && verdict.is_on_net()).then_some(Verdict::Dropped(Drop::NoRoute))
}

/// The answer; `None` where no endpoint carries anything. What endpoints may carry, and what is not known, forbid *closed*.
pub(super) fn answer(
    carried: impl IntoIterator<Item = Verdict>,
    open: impl IntoIterator<Item = Verdict>,
) -> Option<WithoutEndpoint> {
    let mut found = Found::default();
    let mut any = false;
    for verdict in carried {
        any = true;
        found.add(verdict);
    }
    for verdict in open {
        found.add(verdict);
    }
    let Found { paths, missing } = found;
    any.then_some(match (paths.is_empty(), missing.is_empty()) {
        (false, _) => WithoutEndpoint::Open { paths },
        (true, false) => WithoutEndpoint::Unknown { missing },
        (true, true) => WithoutEndpoint::Closed,
    })
}

/// The paths that would take over, and the facts that are missing, each once.
#[derive(Default)]
struct Found {
    paths: Vec<Path>,
    missing: Vec<Missing>,
}

impl Found {
    fn add(&mut self, verdict: Verdict) {
        let (paths, missing) = match verdict {
            Verdict::Via(path) => (vec![path], Vec::new()),
            Verdict::Ambiguous(paths) => (paths, Vec::new()),
            Verdict::Undetermined(missing) => (Vec::new(), missing),
            Verdict::Dropped(_) => return,
        };
        let leads = |path: &Path| !matches!(path.target, PathTarget::Blackhole(_));
        for path in paths.into_iter().filter(leads) {
            if !self.paths.contains(&path) {
                self.paths.push(path);
            }
        }
        for fact in missing {
            if !self.missing.contains(&fact) {
                self.missing.push(fact);
            }
        }
    }
}
