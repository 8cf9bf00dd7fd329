//! Which DynamoDB endpoint stands beside the path that decided, and why traffic does not take it.

use super::{
    outcome::{About, Subject},
    path::Reader,
};
use crate::model::{
    EndpointType, IdleEndpoint, IdleReason, Loser, Target, Trace, Verdict, VpcEndpoint, VpcId,
    is_dynamodb_endpoint_service,
};

/// The endpoint beside the path that decided. `None` where that path leads through one, or is not known.
pub(super) fn idle_endpoint(reader: &Reader<'_>, decided: &Subject<'_, '_>) -> Option<IdleEndpoint> {
    let (judged, otherwise) = match &decided.about {
        About::Address(judged) => match &judged.report.verdict {
            Verdict::Via(path) if path.is_dynamodb_endpoint => return None,
            Verdict::Via(_) | Verdict::Dropped(_) => (Some(*judged), IdleReason::NotTaken),
            Verdict::Ambiguous(_) | Verdict::Undetermined(_) => return None,
        },
        About::Proxied(named, _) => (named.in_use().next(), IdleReason::Proxy),
        About::Unresolved(_) => return None,
    };
    let endpoints = match reader.facts.vpc_endpoints.get() {
        Ok(endpoints) => endpoints,
        Err(gap) => return Some(IdleEndpoint::NotKnown { why: gap.clone() }),
    };
    let vpc = judged.and_then(|judged| Some(&judged.egress.as_ref()?.interface.vpc));
    let ours = match reader.region {
        Ok(region) => dynamodb_endpoints(region, endpoints, vpc),
        Err(gap) => return Some(IdleEndpoint::NotKnown { why: gap.clone() }),
    };
    let trace = judged.map(|judged| &judged.report.trace);
    let lost = trace.filter(|_| otherwise == IdleReason::NotTaken).and_then(|trace| lost(&ours, trace));
    let found = lost.or_else(|| {
        let endpoint = ours.first()?;
        Some((*endpoint, trace.and_then(|trace| apart(endpoint, trace)).unwrap_or(otherwise)))
    });
    Some(found.map_or(IdleEndpoint::Absent, |(endpoint, reason)| IdleEndpoint::Idle {
        id: endpoint.id.clone(),
        kind: endpoint.kind.clone(),
        reason,
    }))
}

/// DynamoDB's endpoints in the VPC, gateway endpoints first.
fn dynamodb_endpoints<'f>(region: &str, endpoints: &'f [VpcEndpoint], vpc: Option<&VpcId>) -> Vec<&'f VpcEndpoint> {
    let is_ours = |endpoint: &&VpcEndpoint| {
        endpoint.service.as_ref().is_some_and(|service| is_dynamodb_endpoint_service(service, region))
            && vpc.is_none_or(|vpc| endpoint.vpc == *vpc)
    };
    let mut ours: Vec<&VpcEndpoint> = endpoints.iter().filter(is_ours).collect();
    ours.sort_by_key(|endpoint| endpoint.kind != EndpointType::Gateway);
    ours
}

/// The endpoint that a route which lost leads to.
fn lost<'f>(ours: &[&'f VpcEndpoint], trace: &Trace) -> Option<(&'f VpcEndpoint, IdleReason)> {
    let leads =
        |loser: &Loser, endpoint: &VpcEndpoint| loser.matched.route.target == Target::VpcEndpoint(endpoint.id.clone());
    trace.losers().iter().find_map(|loser| {
        let endpoint = ours.iter().find(|endpoint| leads(loser, endpoint))?;
        Some((*endpoint, IdleReason::Lost(loser.lost_by)))
    })
}

/// Why no route leads to the endpoint, if that is known.
fn apart(endpoint: &VpcEndpoint, trace: &Trace) -> Option<IdleReason> {
    let (table, _) = trace.table()?;
    match endpoint.kind == EndpointType::Gateway {
        true => (!endpoint.route_tables.contains(table)).then_some(IdleReason::NotAssociated),
        false => Some(IdleReason::OtherAddress),
    }
}
