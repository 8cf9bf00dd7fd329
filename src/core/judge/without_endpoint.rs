//! What would take over if DynamoDB's gateway endpoints went away: the same judgement of the VPC without them.

use super::{coverage::Coverage, lookup::without, path::Reader};
use crate::model::{
    Drop, EndpointType, Gap, Missing, Path, PathKind, PathTarget, Route, Target, Verdict, VpcEndpoint, VpcEndpointId,
    VpcFacts, WithoutEndpoint,
};

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

    /// What the other routes of a table do with each range that an endpoint carries now.
    pub(super) fn verdicts(&self, reader: &Reader<'_>, coverage: &Coverage<'_>) -> Vec<Verdict> {
        let reader = Reader { facts: &self.facts, ..*reader };
        let carried = coverage.ranges.iter().filter(|range| range.verdict.is_on_net());
        let verdicts = carried.map(|range| {
            let lists = &self.facts.prefix_lists;
            let selection =
                without(&range.selection, coverage.table, lists, range.cidr, |route| self.is_removed(route));
            reader.verdict(coverage.table, &selection, range.cidr)
        });
        verdicts.collect()
    }
}

/// What becomes of traffic to an address in use that does not go by the list: `None` where no endpoint carries it. The address
/// of an interface endpoint goes away with the endpoint.
pub(super) fn of_address(reader: &Reader<'_>, verdict: &Verdict) -> Option<Verdict> {
    let kind = verdict.path()?.kind();
    if kind == PathKind::VpcEndpointTestified {
        let because = "which route leads to the endpoint is not known".to_owned();
        let gap = reader.facts.route_tables.gap().cloned().unwrap_or(Gap::NotTried { because });
        return Some(Verdict::Undetermined(vec![Missing::new("the route that would take over", &gap)]));
    }
    (kind == PathKind::InterfaceEndpoint && verdict.is_on_net()).then_some(Verdict::Dropped(Drop::NoRoute))
}

/// The answer of all of these; `None` where no endpoint carries anything.
pub(super) fn answer(verdicts: impl IntoIterator<Item = Verdict>) -> Option<WithoutEndpoint> {
    let (mut open, mut lacking): (Vec<Path>, Vec<Missing>) = (Vec::new(), Vec::new());
    let mut any = false;
    for verdict in verdicts {
        any = true;
        let (paths, missing) = match verdict {
            Verdict::Via(path) => (vec![path], Vec::new()),
            Verdict::Ambiguous(paths) => (paths, Vec::new()),
            Verdict::Undetermined(missing) => (Vec::new(), missing),
            Verdict::Dropped(_) => continue,
        };
        let leads = |path: &Path| !matches!(path.target, PathTarget::Blackhole(_));
        for path in paths.into_iter().filter(leads) {
            if !open.contains(&path) {
                open.push(path);
            }
        }
        for fact in missing {
            if !lacking.contains(&fact) {
                lacking.push(fact);
            }
        }
    }
    any.then_some(match (open.is_empty(), lacking.is_empty()) {
        (false, _) => WithoutEndpoint::Open { paths: open },
        (true, false) => WithoutEndpoint::Unknown { missing: lacking },
        (true, true) => WithoutEndpoint::Closed,
    })
}
