//! What became of onnet's own requests, against the configuration: the route, and the policy of the endpoint that they are routed to.

use super::{
    address::{Judged, is_testified, may_precede_endpoint, probes_of},
    endpoint_policy::{Asked, DESCRIBE_TABLE, LIST_TABLES, Policy, denied_by},
    round::reader,
    testimony::attempts,
};
use crate::model::{
    AddressReport, PolicyDecision, Probe, ProbeKind, ProbeResult, Reply, Snapshot, Statement, Testimony, Verdict,
};
use std::cell::LazyCell;

/// A request that onnet made itself, and whether the policies on its way let it through; the service said so.
struct Request<'a> {
    /// In words.
    what: String,
    action: &'a str,
    table: Option<String>,
    passed: bool,
}

/// What packets or the service say against the configuration's verdict.
pub(super) fn contradiction(snapshot: &Snapshot, judged: &Judged<'_>) -> Option<String> {
    let report = &judged.report;
    let address = report.address;
    let answered = probes_of(snapshot, address).find(|probe| probe.result.reached_service());
    if matches!(report.verdict, Verdict::Dropped(_)) && answered.is_some() {
        return Some(format!("according to its route, packets to {address} are dropped, but a probe was answered"));
    }
    let off_net = report.verdict.path().filter(|path| !path.is_dynamodb_endpoint);
    if is_testified(snapshot, address) && off_net.is_some_and(|path| !may_precede_endpoint(path.kind())) {
        return Some(format!("{}, but DynamoDB says the request came through a VPC endpoint", report.reason));
    }
    if let Some(against) = against_policy(snapshot, judged) {
        return Some(against);
    }
    let source = report.trace.kernel_source()?;
    let local = probes_of(snapshot, address).filter_map(|probe| probe.local).find(|local| local.ip() != source)?;
    Some(format!("the kernel would send from {source} to {address}, but a probe went out from {}", local.ip()))
}

/// What the policy of the endpoint that an address is routed to says against what became of onnet's own requests there. A policy that
/// depends on who asks, or that cannot be read, contradicts nothing.
fn against_policy(snapshot: &Snapshot, judged: &Judged<'_>) -> Option<String> {
    let path = judged.report.verdict.path().filter(|path| path.is_dynamodb_endpoint)?;
    let reader = reader(snapshot);
    let (region, endpoints) = (reader.region.ok()?, reader.facts.vpc_endpoints.seen()?);
    let endpoint = endpoints.iter().find(|endpoint| endpoint.id.as_str() == path.target.as_str())?;
    let document = endpoint.policy.as_deref()?;
    let policy = LazyCell::new(|| Policy::read(document));
    let (id, address) = (&endpoint.id, judged.report.address);
    own_requests(snapshot, judged).find_map(|Request { what, action, table, passed }| {
        match policy.decide(&Asked { action, table: table.as_deref(), region }) {
            PolicyDecision::Denied { statement } if passed => Some(format!(
                "the policy of {id} lets no one use {what} ({}), but DynamoDB at {address} answered {what}: the request came \
                 another way, or the policy was changed: a change takes effect after some minutes",
                denied_by(statement.as_deref())
            )),
            PolicyDecision::Allowed if !passed => Some(format!(
                "the policy of {id} allows {what} to everyone, but DynamoDB says that the policy of an endpoint denied it: the \
                 request to {address} came through another endpoint, or the policy was changed a moment ago"
            )),
            PolicyDecision::Allowed
            | PolicyDecision::Denied { .. }
            | PolicyDecision::Conditional { .. }
            | PolicyDecision::Unknown { .. } => None,
        }
    })
}

/// onnet's own requests to an address of which it is known whether an endpoint's policy let them through. An unsigned one shows nothing:
/// policies are about signed ones.
fn own_requests(snapshot: &Snapshot, judged: &Judged<'_>) -> impl Iterator<Item = Request<'static>> {
    let AddressReport { address, hostname, .. } = &judged.report;
    let of_probe = |probe: &Probe| {
        let passed = match (probe.result, &probe.testimony) {
            (_, Some(Testimony::VpcEndpointPolicy { .. })) => false,
            (ProbeResult::Ok, None) if probe.kind == ProbeKind::ListTables => true,
            (_, None) => return None,
        };
        Some(Request { what: "ListTables".to_owned(), action: LIST_TABLES, table: None, passed })
    };
    let interface = judged.egress.as_ref().map(|egress| egress.interface);
    let sent_here = move |one: &&Statement| {
        one.local.is_some_and(|local| interface.is_some_and(|own| own.addresses.contains(&local.ip())))
    };
    let of_statement = |statement: &Statement| {
        let passed = match statement.reply {
            Reply::Yes | Reply::TableExists => true,
            Reply::EndpointPolicy => false,
            // Of several policies that deny, one is named.
            Reply::No | Reply::OtherPolicy { .. } | Reply::Failed { .. } => return None,
        };
        let table = statement.question.table(statement.subject.as_deref());
        Some(Request { what: format!("DescribeTable on {table}"), action: DESCRIBE_TABLE, table: Some(table), passed })
    };
    let statements = attempts(snapshot, hostname, *address).filter_map(|attempt| attempt.statement.seen());
    let of_statements = statements.filter(sent_here).filter_map(of_statement);
    probes_of(snapshot, *address).filter_map(of_probe).chain(of_statements)
}
