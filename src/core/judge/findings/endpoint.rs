//! DynamoDB's endpoints: there, associated, available, visible.

use super::{
    Draft, Rule, code,
    route::ROUTE_CHANGE,
    world::{Table, World, is_dynamodb_gateway},
};
use crate::{
    judge::{address::may_be_remote_endpoint, endpoint_policy::denied_by, path::service_name},
    model::{
        EndpointState, EndpointType, Path, PathKind, PathTarget, PolicyAction, PolicyDecision, RouteTableId, Severity,
        Verdict, VpcEndpoint, VpcEndpointId, VpcId, shell_word,
    },
};

impl Rule for code::NoEndpoint {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let without = without_endpoint(world).filter(|(_, endpoint)| endpoint.is_none());
        let region = world.reader.region.ok();
        let draft = |table: &Table<'_>| {
            let service = service_name(world.reader.facts, region?);
            let vpc = table.vpc;
            let fix = format!(
                "aws ec2 create-vpc-endpoint --vpc-id {} --vpc-endpoint-type Gateway --service-name {} \
                 --route-table-ids {}",
                shell_word(vpc.as_str()),
                shell_word(&service),
                shell_word(table.id().as_str()),
            );
            let message = format!("{vpc} has no DynamoDB gateway endpoint");
            // Where another endpoint may be one, or is not visible, no command of this account's would help.
            Some(match (world.reader.hidden(vpc), perhaps_one(world, vpc)) {
                (Some(hidden), _) => unused(table, &format!("{message} that shows here: {}", hidden.why)),
                (None, Some(id)) => {
                    unused(table, &format!("{message} that is known to be one: the type or service of {id} is not"))
                }
                (None, None) => fixed(unused(table, &message), fix),
            })
        };
        without.filter_map(|(table, _)| draft(table)).collect()
    }
}

impl Rule for code::EndpointNotAssociated {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let draft = |table: &Table<'_>, endpoint: &VpcEndpoint| {
            let (endpoint_id, id) = (&endpoint.id, table.id());
            let fix = format!(
                "aws ec2 modify-vpc-endpoint --vpc-endpoint-id {} --add-route-table-ids {}",
                shell_word(endpoint_id.as_str()),
                shell_word(id.as_str())
            );
            fixed(unused(table, &not_associated(endpoint, id)), fix)
        };
        // One that says it is associated contradicts the table: that is a missing fact, not a command to run.
        let apart = |(table, endpoint): (&Table<'_>, Option<&VpcEndpoint>)| {
            let endpoint = endpoint.filter(|endpoint| !endpoint.route_tables.contains(table.id()))?;
            Some(draft(table, endpoint))
        };
        without_endpoint(world).filter_map(apart).collect()
    }
}

impl Rule for code::EndpointPolicyDenies {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let Some(snapshot) = world.snapshot else { return Vec::new() };
        let denied = world
            .beside
            .policies
            .iter()
            .flat_map(|policy| policy.actions.iter().map(move |action| (&policy.endpoint, action)));
        let draft = |(endpoint, asked): (&VpcEndpointId, &PolicyAction)| {
            let PolicyDecision::Denied { statement } = &asked.decision else { return None };
            let why = denied_by(statement.as_deref());
            let is_used = snapshot.actions.contains(&asked.action);
            is_used.then(|| Draft::new(format!("the policy of {endpoint} would deny {asked}: {why}")))
        };
        denied.filter_map(draft).collect()
    }
}

impl Rule for code::EndpointNotAvailable {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let endpoints = || world.reader.facts.vpc_endpoints.seen().into_iter().flatten();
        let unavailable = |id: &str, what: &str| {
            let endpoint = endpoints().find(|endpoint| endpoint.id.as_str() == id)?;
            let message = format!("{id}, which {what}, is {}, not available", endpoint.state);
            (endpoint.state != EndpointState::Available).then(|| Draft::new(message))
        };
        let routed = world.tables.iter().filter_map(|table| table.endpoint);
        let routed = routed.filter_map(|id| unavailable(id.as_str(), "DynamoDB's prefix list leads to"));
        let of_address = world.addresses().filter_map(|report| match &report.verdict {
            Verdict::Via(Path { target: PathTarget::InterfaceEndpoint(id), .. }) => {
                unavailable(id.as_str(), &format!("has {}", report.address))
            }
            Verdict::Via(_) | Verdict::Dropped(_) | Verdict::Ambiguous(_) | Verdict::Undetermined(_) => None,
        });
        routed.chain(of_address).collect()
    }
}

impl Rule for code::EndpointNotVisible {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let endpoints = world.reader.facts.vpc_endpoints.seen();
        let routed = endpoints.into_iter().flat_map(|endpoints| {
            let ids = world.tables.iter().filter_map(|table| table.endpoint);
            ids.filter(|id| !endpoints.iter().any(|endpoint| endpoint.id == **id))
        });
        let routed = routed.map(|id| {
            Draft::new(format!(
                "{id}, which DynamoDB's prefix list leads to, is not visible to this account; in a shared VPC only the \
                 owner's account can say what it is"
            ))
        });
        let remote = world.addresses().filter(|report| may_be_remote_endpoint(world.reader, report));
        let remote = remote.filter_map(|report| {
            Some(Draft::new(format!(
                "{} is reached by {}; an interface endpoint in another VPC may be behind it, which \
                 is not visible from here",
                report.address,
                report.verdict.path()?,
            )))
        });
        routed.chain(remote).collect()
    }
}

/// The tables in use that lead none of the list to an endpoint, each with the endpoint that it could be associated with.
fn without_endpoint<'w>(world: &'w World<'_>) -> impl Iterator<Item = (&'w Table<'w>, Option<&'w VpcEndpoint>)> {
    let endpoints = world.reader.facts.vpc_endpoints.seen();
    let uncovered =
        |table: &&Table<'_>| table.endpoint.is_none() && !table.coverage.ranges.iter().all(|r| r.verdict.is_on_net());
    endpoints.into_iter().flat_map(move |endpoints| {
        world.tables.iter().filter(uncovered).map(move |table| (table, usable(world, table, endpoints)))
    })
}

fn usable<'e>(world: &World<'_>, table: &Table<'_>, endpoints: &'e [VpcEndpoint]) -> Option<&'e VpcEndpoint> {
    let here = endpoints.iter().filter(|e| e.vpc == *table.vpc && is_dynamodb_gateway(world.reader, e) == Ok(true));
    let usable = here.filter(|e| e.state != EndpointState::Deleted && e.state != EndpointState::Deleting);
    usable.min_by_key(|e| (e.state != EndpointState::Available, &e.id))
}

/// An endpoint that may be a gateway endpoint for DynamoDB.
fn perhaps_one<'w>(world: &World<'w>, vpc: &VpcId) -> Option<&'w VpcEndpointId> {
    let is_unknown = |e: &&VpcEndpoint| match (&e.kind, world.reader.is_dynamodb(e)) {
        (EndpointType::Absent | EndpointType::Other(_), Ok(true) | Err(_)) | (EndpointType::Gateway, Err(_)) => true,
        (_, _) => false,
    };
    let endpoints = world.reader.facts.vpc_endpoints.seen();
    endpoints.into_iter().flatten().filter(|e| e.vpc == *vpc).find(is_unknown).map(|endpoint| &endpoint.id)
}

/// An endpoint that none of the list is led to. Where the addresses in use are an interface endpoint's, the list waits for
/// DNS to answer otherwise.
fn unused(table: &Table<'_>, message: &str) -> Draft {
    let severity = if table.is_in_use() { Severity::Critical } else { Severity::Warning };
    Draft::new(format!("{message}. {}", table_and_path(table))).severity(severity)
}

fn fixed(draft: Draft, command: String) -> Draft {
    draft.fix(command, Some(format!("this {ROUTE_CHANGE}")))
}

fn not_associated(endpoint: &VpcEndpoint, table: &RouteTableId) -> String {
    let id = &endpoint.id;
    let tables: Vec<_> = endpoint.route_tables.iter().map(RouteTableId::as_str).collect();
    match tables.as_slice() {
        [] => format!("the VPC's DynamoDB gateway endpoint {id} is associated with no route table"),
        others => format!(
            "the VPC's DynamoDB gateway endpoint {id} is associated with {}, not with {table}",
            others.join(", ")
        ),
    }
}

/// Which table the subnet uses, and where it sends the list, if it sends all of it through one path.
fn table_and_path(table: &Table<'_>) -> String {
    let (subnet, id) = (table.subnet, table.id());
    let paths: Vec<_> = table.coverage.ranges.iter().map(|range| range.verdict.path()).collect();
    match paths.first() {
        Some(Some(path)) if paths.iter().all(|other| *other == Some(*path)) => {
            // A check knows the source address; an audit has none.
            let open = table.in_use.is_empty() && path.kind() == PathKind::InternetGateway;
            let condition = if open { ", if the source has a public address" } else { "" };
            format!("{subnet} uses {id}, which sends all of DynamoDB's prefix list to {path}{condition}")
        }
        _ => format!("{subnet} uses {id}"),
    }
}
