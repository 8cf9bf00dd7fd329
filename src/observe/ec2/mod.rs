//! What EC2 knows of a VPC: two waves of calls, each in parallel, and a gap for each one that fails.

mod calls;
mod convert;
pub(super) mod gap;
mod gates;
mod listing;
mod merge;
mod thread;
mod truncated;
mod unmodelled;

use crate::model::{
    Ec2Request, EndpointInterface, EndpointType, Gap, GateFacts, InterfaceId, Observed, PrefixList, PrefixListId,
    RouteTable, VpcEndpoint, VpcFacts, VpcId, may_be_dynamodbs,
};
use crate::{
    import::{
        convert::{are_all_dynamodb_lists, is_dynamodb_prefix_list},
        lists::lists_by_route,
    },
    observe::{
        limits::{ENTRIES, OF_GATES, OF_VPC, PREFIX_LISTS, PREFIX_LISTS_AT_A_TIME, VPCS, over},
        seen::Stopwatch,
    },
};
use aws_config::SdkConfig;
pub use calls::Patience;
pub(crate) use calls::{Ec2, host};
use futures_util::{
    StreamExt,
    future::{Either, join, join_all, select},
    stream,
};
pub use gates::GateQuery;
pub use listing::ListingLimits;
pub(super) use merge::merge;
use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    time::Duration,
};
pub(super) use thread::on_own_thread;
use tokio::time::timeout;

/// What EC2 knows of `vpc`, and the requests that were made for it. What is not available in time is a gap.
pub async fn vpc_facts(
    config: &SdkConfig,
    vpc: &VpcId,
    region: &str,
    patience: impl Into<Patience>,
) -> (VpcFacts, Vec<Ec2Request>) {
    facts_of_one(config, vpc, region, OF_VPC, patience.into()).await
}

async fn facts_of_one(
    config: &SdkConfig,
    vpc: &VpcId,
    region: &str,
    limits: ListingLimits,
    patience: Patience,
) -> (VpcFacts, Vec<Ec2Request>) {
    let ec2 = Ec2::new(config, limits, patience);
    let facts = facts(&ec2, std::slice::from_ref(vpc), region, Interfaces::OfDynamoDb).await;
    (facts, ec2.requests())
}

/// The same of several VPCs, on a thread of its own: the answers are large, and to parse one takes longer than anything else
/// on the calling thread may wait. With the gates that are asked for.
pub async fn vpcs_facts(
    config: &SdkConfig,
    vpcs: &[VpcId],
    region: &str,
    gates: Option<GateQuery>,
    patience: impl Into<Patience>,
) -> (VpcFacts, Vec<Ec2Request>) {
    if let Some(gap) = too_many(vpcs) {
        return (unseen(&gap, gates.is_some()), Vec::new());
    }
    let asks_for_gates = gates.is_some();
    let (config, vpcs, region, patience) = (config.clone(), vpcs.to_vec(), region.to_owned(), patience.into());
    let facts =
        on_own_thread(move || async move { facts_of_all(&config, &vpcs, &region, gates.as_ref(), patience).await });
    facts.await.unwrap_or_else(|error| {
        (unseen(&Gap::Failed { detail: format!("EC2 is not asked: {error}") }, asks_for_gates), Vec::new())
    })
}

/// Why nothing is asked of so many VPCs, if so.
pub(super) fn too_many(vpcs: &[VpcId]) -> Option<Gap> {
    let limit = || "VPCs that the instance has network interfaces in".to_owned();
    (vpcs.len() > VPCS).then(|| over(limit(), VPCS, vpcs.len()))
}

/// Why nothing is known of no VPC at all.
pub(super) fn without_interface() -> Gap {
    Gap::NotTried { because: "the instance has no network interface".to_owned() }
}

/// Nothing is known, for one reason; of the gates either, where they are asked for.
pub fn unseen(gap: &Gap, asks_for_gates: bool) -> VpcFacts {
    VpcFacts { gates: GateFacts::unseen_if(asks_for_gates, gap), ..VpcFacts::unseen(gap) }
}

async fn facts_of_all(
    config: &SdkConfig,
    vpcs: &[VpcId],
    region: &str,
    gates: Option<&GateQuery>,
    patience: Patience,
) -> (VpcFacts, Vec<Ec2Request>) {
    // What is kept of all of them is bounded by the limit for one.
    let limits = ListingLimits { bytes: OF_VPC.bytes / vpcs.len().max(1), ..OF_VPC };
    let each = join_all(vpcs.iter().map(|vpc| facts_of_one(config, vpc, region, limits, patience)));
    let (each, gates) = (pin!(each), pin!(gates_of(config, gates, patience)));
    let (each, gates) = match select(each, gates).await {
        // The routes do not wait for gates.
        Either::Left((each, rest)) => match timeout(WITH_GATES, rest).await {
            Ok(gates) => (each, gates),
            Err(_) => (each, Some((GateFacts::unseen(&Gap::TimedOut { after: WITH_GATES.into() }), Vec::new()))),
        },
        Either::Right((gates, rest)) => (rest.await, gates),
    };
    let (facts, requests): (Vec<_>, Vec<_>) = each.into_iter().unzip();
    let (gates, of_gates) = gates.unzip();
    let facts = facts.into_iter().reduce(merge).unwrap_or_else(|| VpcFacts::unseen(&without_interface()));
    let requests = requests.into_iter().chain(of_gates).flatten().collect();
    (VpcFacts { gates: gates.map(Box::new), ..facts }, requests)
}

/// How much longer than the routes the gates may take.
const WITH_GATES: Duration = Duration::from_secs(1);

async fn gates_of(
    config: &SdkConfig,
    query: Option<&GateQuery>,
    patience: Patience,
) -> Option<(GateFacts, Vec<Ec2Request>)> {
    let query = query?;
    let ec2 = Ec2::new(config, OF_GATES, patience);
    let gates = gates::gates(&ec2, query).await;
    Some((gates, ec2.requests()))
}

/// Whose endpoints' network interfaces to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interfaces {
    /// DynamoDB's, which is all a check needs.
    OfDynamoDb,
    /// Every service's: `explain` takes any address.
    OfAnyService,
}

/// What EC2 knows of `vpcs`; of all of them if none is named.
pub(crate) async fn facts(ec2: &Ec2, vpcs: &[VpcId], region: &str, interfaces: Interfaces) -> VpcFacts {
    let (route_tables, vpc_endpoints, listed) = tokio::join!(
        observed(ec2.route_tables(vpcs)),
        observed(ec2.vpc_endpoints(vpcs)),
        observed(ec2.service_prefix_lists()),
    );
    let (endpoint_interfaces, (mut service_prefix_lists, prefix_lists)) = join(
        endpoint_interfaces(ec2, &vpc_endpoints, region, interfaces),
        prefix_lists(ec2, &route_tables, &listed, region),
    )
    .await;
    if let (Some(tables), Some(endpoints), Some(known)) =
        (route_tables.seen(), vpc_endpoints.seen(), service_prefix_lists.seen_mut())
    {
        // AWS has not published what its IPv6 list is called: the routes show it.
        let further = lists_by_route(tables, endpoints, known, region);
        known.extend(further);
    }
    VpcFacts {
        route_tables,
        vpc_endpoints,
        endpoint_interfaces,
        service_prefix_lists,
        prefix_lists,
        gates: None,
        shared: None,
    }
}

/// Makes an observation of an attempt: when it began and how long it took.
pub(crate) async fn observed<T>(attempt: impl Future<Output = Result<T, Gap>>) -> Observed<T> {
    let watch = Stopwatch::start();
    watch.observed(attempt.await)
}

/// The network interfaces of the interface endpoints; no call where there are none.
async fn endpoint_interfaces(
    ec2: &Ec2,
    endpoints: &Observed<Vec<VpcEndpoint>>,
    region: &str,
    interfaces: Interfaces,
) -> Observed<Vec<EndpointInterface>> {
    let Some(endpoints) = endpoints.seen() else {
        let because = "the VPC's endpoints are not known".into();
        return Observed::Unseen(Gap::NotTried { because });
    };
    let is_wanted = |endpoint: &&VpcEndpoint| match interfaces {
        Interfaces::OfDynamoDb => may_be_dynamodbs(endpoint.service.as_deref(), region),
        Interfaces::OfAnyService => true,
    };
    let wanted: BTreeSet<&InterfaceId> = endpoints
        .iter()
        .filter(|endpoint| endpoint.kind == EndpointType::Interface)
        .filter(is_wanted)
        .flat_map(|endpoint| &endpoint.interfaces)
        .collect();
    observed(async {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let found = ec2.network_interfaces(&wanted).await?;
        // Half of them would make an address appear unassigned.
        match wanted.iter().find(|id| !found.iter().any(|interface| interface.id == ***id)) {
            None => Ok(found),
            Some(id) => Err(Gap::NotFound { detail: format!("{id}, an interface of an endpoint") }),
        }
    })
    .await
}

type Lists = BTreeMap<PrefixListId, Observed<PrefixList>>;

/// Which lists are DynamoDB's, and the entries of these and of all that the tables name.
async fn prefix_lists(
    ec2: &Ec2,
    tables: &Observed<Vec<RouteTable>>,
    listed: &Observed<Vec<PrefixList>>,
    region: &str,
) -> (Observed<Vec<PrefixListId>>, Lists) {
    let named = tables.seen().map(|tables| lists_named_by(tables)).unwrap_or_default();
    let of_tables = entries_of_all(ec2, &named, listed);
    let of_service = async {
        let ids = service_lists(ec2, listed, region).await;
        let more: BTreeSet<PrefixListId> =
            ids.seen().into_iter().flatten().filter(|id| !named.contains(*id)).cloned().collect();
        let lists = entries_of_all(ec2, &more, listed).await;
        (ids, lists)
    };
    let (mut lists, (ids, more)) = join(of_tables, of_service).await;
    lists.extend(more);
    for id in ids.seen().into_iter().flatten() {
        refuse_empty(&mut lists, id);
    }
    (ids, lists)
}

fn lists_named_by(tables: &[RouteTable]) -> BTreeSet<PrefixListId> {
    let routes = tables.iter().flat_map(|table| &table.routes);
    routes
        .filter_map(|route| match &route.destination {
            crate::model::Destination::PrefixList(id) => Some(id.clone()),
            crate::model::Destination::Cidr(_) => None,
        })
        .collect()
}

/// The ids of DynamoDB's lists, found by name: an id names another service's list in another Region.
async fn service_lists(ec2: &Ec2, listed: &Observed<Vec<PrefixList>>, region: &str) -> Observed<Vec<PrefixListId>> {
    match listed {
        Observed::Seen { value, at, took } => match dynamodb_lists(value, region) {
            Ok(value) => Observed::Seen { value, at: *at, took: *took },
            Err(gap) => Observed::Unseen(gap),
        },
        // Another permission may be there; a service that does not answer would not answer this either.
        Observed::Unseen(
            gap @ (Gap::Denied { .. }
            | Gap::Failed { .. }
            | Gap::Malformed { .. }
            | Gap::Truncated { .. }
            | Gap::Redirected { .. }),
        ) => {
            let second = observed(async { dynamodb_lists(&ec2.managed_dynamodb_lists(region).await?, region) }).await;
            if second.seen().is_some() { second } else { Observed::Unseen(gap.clone()) }
        }
        Observed::Unseen(gap) => Observed::Unseen(gap.clone()),
    }
}

fn dynamodb_lists(lists: &[PrefixList], region: &str) -> Result<Vec<PrefixListId>, Gap> {
    let is_ours = |list: &&PrefixList| list.name.as_deref().is_some_and(|name| is_dynamodb_prefix_list(name, region));
    let ids: Vec<_> = lists.iter().filter(is_ours).map(|list| list.id.clone()).collect();
    if !are_all_dynamodb_lists(lists.iter().filter_map(|list| list.name.as_deref()), region) {
        // Every Region has this one, so neither "none" nor "that of IPv6 alone" is a fact to build on.
        return Err(Gap::NotFound { detail: format!("a prefix list named com.amazonaws.{region}.dynamodb") });
    }
    Ok(ids)
}

/// The entries of each list: as listed, or asked for a few lists at a time. Those of the lists beyond the limit are missing.
async fn entries_of_all(ec2: &Ec2, ids: &BTreeSet<PrefixListId>, listed: &Observed<Vec<PrefixList>>) -> Lists {
    let asked = ids.iter().take(PREFIX_LISTS).cloned();
    let asked = asked.map(|id| async move { (id.clone(), entries_of(ec2, &id, listed).await) });
    let mut lists: Lists = stream::iter(asked).buffer_unordered(PREFIX_LISTS_AT_A_TIME).collect().await;
    let too_many = || over("prefix lists that route tables name".to_owned(), PREFIX_LISTS, ids.len());
    lists.extend(ids.iter().skip(PREFIX_LISTS).map(|id| (id.clone(), Observed::Unseen(too_many()))));
    lists
}

async fn entries_of(ec2: &Ec2, id: &PrefixListId, listed: &Observed<Vec<PrefixList>>) -> Observed<PrefixList> {
    let known = listed.seen().and_then(|lists| lists.iter().find(|list| list.id == *id));
    if let (Observed::Seen { at, took, .. }, Some(list)) = (listed, known)
        && !list.entries.is_empty()
    {
        let (found, allowed) = (list.entries.len(), ENTRIES.items);
        if found > allowed {
            return Observed::Unseen(over(format!("entries of {id} in ec2:DescribePrefixLists"), allowed, found));
        }
        return Observed::Seen { value: list.clone(), at: *at, took: *took };
    }
    let found = observed(ec2.prefix_list_entries(id)).await;
    match found {
        // Only a customer's list may be empty, and only the list of AWS's own says which are not.
        Observed::Seen { value, .. } if value.is_empty() && (known.is_some() || listed.seen().is_none()) => {
            Observed::Unseen(no_entries(id))
        }
        Observed::Seen { value: entries, at, took } => {
            let name = known.and_then(|list| list.name.clone());
            Observed::Seen { value: PrefixList { id: id.clone(), name, entries: entries.into() }, at, took }
        }
        Observed::Unseen(gap) => Observed::Unseen(gap),
    }
}

fn refuse_empty(lists: &mut Lists, id: &PrefixListId) {
    if lists.get(id).and_then(Observed::seen).is_some_and(|list| list.entries.is_empty()) {
        lists.insert(id.clone(), Observed::Unseen(no_entries(id)));
    }
}

fn no_entries(id: &PrefixListId) -> Gap {
    Gap::Malformed { detail: format!("prefix list {id} without entries") }
}
