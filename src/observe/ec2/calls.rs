//! The calls, each with all of its pages: half a list is no list.

use super::{
    convert, gap,
    listing::{Listed, Listing, ListingLimits},
    truncated::RejectTruncated,
    unmodelled::Unmodelled,
};
use crate::{
    model::{
        Ec2Request, Ec2Result, EndpointInterface, Gap, InterfaceId, PrefixList, PrefixListId, RouteTable, Seconds,
        Subnet, VpcEndpoint, VpcId,
    },
    observe::{
        aws::{TooLong, find_cause},
        destination::{Destination, anonymous},
        limits::{ENTRIES, LARGE_PAGE_SIZES, PAGE_SIZES, VALUES_OF_A_FILTER},
    },
};
use aws_config::SdkConfig;
use aws_sdk_ec2::{
    Client,
    config::{http::HttpResponse, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        describe_managed_prefix_lists::DescribeManagedPrefixListsOutput,
        describe_network_interfaces::DescribeNetworkInterfacesOutput, describe_prefix_lists::DescribePrefixListsOutput,
        describe_route_tables::DescribeRouteTablesOutput, describe_subnets::DescribeSubnetsOutput,
        describe_vpc_endpoints::DescribeVpcEndpointsOutput,
        get_managed_prefix_list_entries::GetManagedPrefixListEntriesOutput,
    },
    types::Filter,
};
use ipnet::IpNet;
use std::{
    collections::BTreeSet,
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// For one attempt at one page.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(3);

/// For one page with its second attempt: two silences in a row still leave time to report within the default deadline.
const PAGE_LIMIT: Duration = Duration::from_secs(5);

/// The host that EC2's API is asked at with this configuration.
pub(crate) async fn host(config: &SdkConfig) -> Option<String> {
    let destination = Destination::default();
    let config = aws_sdk_ec2::config::Builder::from(config)
        .credentials_provider(anonymous())
        .retry_config(RetryConfig::disabled())
        .interceptor(destination.clone())
        .build();
    // Boxed: the SDK's futures take kilobytes each. Stopped in any case, which is an error.
    let _ = Box::pin(Client::from_conf(config).describe_prefix_lists().send()).await;
    destination.get()?.host().map(str::to_owned)
}

/// Until when answers are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until then in any case.
    pub deadline: Instant,
    /// And until then at most, as long as answers keep coming.
    pub longest: Instant,
}

impl From<Instant> for Patience {
    fn from(deadline: Instant) -> Self {
        Self { deadline, longest: deadline }
    }
}

/// EC2, for as long as one round lasts.
#[derive(Clone, Debug)]
pub(crate) struct Ec2 {
    client: Client,
    unmodelled: Unmodelled,
    patience: Patience,
    limits: ListingLimits,
    progress: Arc<Mutex<Progress>>,
}

/// The results of the requests so far.
#[derive(Debug, Default)]
struct Progress {
    requests: Vec<Ec2Request>,
    /// When the last page came.
    last: Option<Instant>,
}

/// An operation that gives its items in pages.
#[derive(Clone, Copy)]
pub(super) struct Operation {
    /// The IAM action that allows it.
    action: &'static str,
    /// How many items to ask for on one page, the largest number first.
    sizes: [i32; 3],
    limits: ListingLimits,
}

/// Why a page is missing.
enum PageError {
    /// A page with fewer items may be short enough.
    TooLong(Gap),
    Other(Gap),
}

impl PageError {
    fn gap(&self) -> &Gap {
        match self {
            Self::TooLong(gap) | Self::Other(gap) => gap,
        }
    }
}

impl Ec2 {
    /// Listings within these limits.
    pub(crate) fn new(config: &SdkConfig, limits: ListingLimits, patience: impl Into<Patience>) -> Self {
        let unmodelled = Unmodelled::default();
        let timeouts =
            TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_LIMIT).operation_timeout(PAGE_LIMIT).build();
        let mut ec2 = aws_sdk_ec2::config::Builder::from(config)
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .timeout_config(timeouts);
        if let Some(http) = config.http_client() {
            ec2 = ec2.http_client(RejectTruncated(http, unmodelled.clone()));
        }
        let client = Client::from_conf(ec2.build());
        Self { client, unmodelled, patience: patience.into(), limits, progress: Arc::default() }
    }

    /// What was asked so far, and how each request ended. A page is a request; the SDK's second attempt at one does not
    /// count as another.
    pub(crate) fn requests(&self) -> Vec<Ec2Request> {
        self.progress().requests.clone()
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, action: &'static str, result: Ec2Result) {
        let operation = action.strip_prefix("ec2:").unwrap_or(action);
        self.progress().requests.push(Ec2Request { operation, result });
    }

    /// Until when the next page is waited for.
    fn until(&self) -> Instant {
        let Patience { deadline, longest } = self.patience;
        let while_pages_come = self.progress().last.map(|last| (last + PAGE_LIMIT).min(longest));
        while_pages_come.map_or(deadline, |until| until.max(deadline))
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn unmodelled(&self) -> &Unmodelled {
        &self.unmodelled
    }

    pub(super) fn operation(&self, action: &'static str, sizes: [i32; 3]) -> Operation {
        Operation { action, sizes, limits: self.limits }
    }

    pub(super) async fn route_tables(&self, vpcs: &[VpcId]) -> Result<Vec<RouteTable>, Gap> {
        let ask = |token, size| {
            let call = self.client.describe_route_tables().set_filters(of_vpcs(vpcs)).max_results(size);
            call.set_next_token(token).send()
        };
        let parts = |page: DescribeRouteTablesOutput| (page.route_tables, page.next_token);
        self.all(self.operation("ec2:DescribeRouteTables", PAGE_SIZES), ask, parts, |table| {
            convert::route_table(table, &self.unmodelled)
        })
        .await
    }

    /// Of every service and type: a route to a firewall's endpoint must be distinguished from one to DynamoDB's.
    pub(super) async fn vpc_endpoints(&self, vpcs: &[VpcId]) -> Result<Vec<VpcEndpoint>, Gap> {
        let ask = |token, size| {
            let call = self.client.describe_vpc_endpoints().set_filters(of_vpcs(vpcs)).max_results(size);
            call.set_next_token(token).send()
        };
        let parts = |page: DescribeVpcEndpointsOutput| (page.vpc_endpoints, page.next_token);
        self.all(self.operation("ec2:DescribeVpcEndpoints", LARGE_PAGE_SIZES), ask, parts, convert::vpc_endpoint).await
    }

    /// The lists of AWS services that have gateway endpoints. One without entries is one whose entries were not given.
    pub(super) async fn service_prefix_lists(&self) -> Result<Vec<PrefixList>, Gap> {
        let ask = |token, size| {
            // All of them at first: there are a handful.
            let size = (size < PAGE_SIZES[0]).then_some(size);
            self.client.describe_prefix_lists().set_max_results(size).set_next_token(token).send()
        };
        let parts = |page: DescribePrefixListsOutput| (page.prefix_lists, page.next_token);
        self.all(self.operation("ec2:DescribePrefixLists", PAGE_SIZES), ask, parts, convert::prefix_list).await
    }

    /// The same for DynamoDB's lists alone, by the other API; it gives no entries.
    pub(super) async fn managed_dynamodb_lists(&self, region: &str) -> Result<Vec<PrefixList>, Gap> {
        let names =
            [format!("com.amazonaws.{region}.dynamodb"), format!("com.amazonaws.{region}.ipv6.dynamodb")].to_vec();
        let filter = filter("prefix-list-name", names);
        let ask = |token, size| {
            let call = self.client.describe_managed_prefix_lists().filters(filter.clone()).max_results(size);
            call.set_next_token(token).send()
        };
        let parts = |page: DescribeManagedPrefixListsOutput| (page.prefix_lists, page.next_token);
        self.all(self.operation("ec2:DescribeManagedPrefixLists", PAGE_SIZES), ask, parts, convert::managed_prefix_list)
            .await
    }

    pub(super) async fn prefix_list_entries(&self, id: &PrefixListId) -> Result<Vec<IpNet>, Gap> {
        let ask = |token, size| {
            let call = self.client.get_managed_prefix_list_entries().prefix_list_id(id.as_str()).max_results(size);
            call.set_next_token(token).send()
        };
        let parts = |page: GetManagedPrefixListEntriesOutput| (page.entries, page.next_token);
        let action = "ec2:GetManagedPrefixListEntries";
        let operation = Operation { action, sizes: PAGE_SIZES, limits: ENTRIES };
        let entries = self.all(operation, ask, parts, |entry| convert::entry(entry, id)).await;
        entries.map_err(|gap| of_list(gap, id))
    }

    pub(super) async fn network_interfaces(&self, ids: &BTreeSet<&InterfaceId>) -> Result<Vec<EndpointInterface>, Gap> {
        // As a filter: as a parameter, one id that is gone would be an error for all.
        by_filters("network-interface-id", ids, async |filter| self.some_network_interfaces(filter).await).await
    }

    async fn some_network_interfaces(&self, filter: Filter) -> Result<Vec<EndpointInterface>, Gap> {
        let ask = |token, size| {
            let call = self.client.describe_network_interfaces().filters(filter.clone()).max_results(size);
            call.set_next_token(token).send()
        };
        let parts = |page: DescribeNetworkInterfacesOutput| (page.network_interfaces, page.next_token);
        let operation = self.operation("ec2:DescribeNetworkInterfaces", LARGE_PAGE_SIZES);
        self.all(operation, ask, parts, convert::endpoint_interface).await
    }

    pub(crate) async fn subnets(&self, vpcs: &[VpcId]) -> Result<Vec<Subnet>, Gap> {
        let ask = |token, size| {
            let call = self.client.describe_subnets().set_filters(of_vpcs(vpcs)).max_results(size);
            call.set_next_token(token).send()
        };
        let parts = |page: DescribeSubnetsOutput| (page.subnets, page.next_token);
        self.all(self.operation("ec2:DescribeSubnets", LARGE_PAGE_SIZES), ask, parts, convert::subnet).await
    }

    /// An answer without pages.
    pub(super) async fn one<T, E>(
        &self,
        action: &'static str,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Gap>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let began = Instant::now();
        // Boxed: the SDK's futures take kilobytes each.
        let answer = match timeout_at(self.until(), Box::pin(request)).await {
            Ok(answer) => answer.map_err(|error| gap::of(action, &error, began.elapsed())),
            Err(_) => Err(Gap::TimedOut { after: Seconds::from(began.elapsed()) }),
        };
        self.count(action, answer.as_ref().map_or_else(Ec2Result::from, |_| Ec2Result::Ok));
        if answer.is_ok() {
            self.progress().last = Some(Instant::now());
        }
        answer
    }

    /// The items of all pages. `ask` sends the request for the page of a token with so many items; `parts` takes list and
    /// next token out of an answer.
    pub(super) async fn all<P, R, T, E, F>(
        &self,
        operation: Operation,
        ask: impl Fn(Option<String>, i32) -> F,
        parts: impl Fn(P) -> (Option<Vec<R>>, Option<String>),
        convert: impl Fn(&R) -> Result<T, Gap>,
    ) -> Result<Vec<T>, Gap>
    where
        T: Listed,
        E: ProvideErrorMetadata + Error + 'static,
        F: Future<Output = Result<P, SdkError<E, HttpResponse>>>,
    {
        let [first, second, last] = operation.sizes;
        for size in [first, second] {
            match self.pages(operation, |token| ask(token, size), &parts, &convert).await {
                // All again: a token may belong to the size it was given for.
                Err(PageError::TooLong(_)) => {}
                result => return result.map_err(|error| error.gap().clone()),
            }
        }
        let pages = self.pages(operation, |token| ask(token, last), &parts, &convert).await;
        pages.map_err(|error| error.gap().clone())
    }

    /// The items of all pages of one size.
    async fn pages<P, R, T, E, F>(
        &self,
        Operation { action, limits, .. }: Operation,
        ask: impl Fn(Option<String>) -> F,
        parts: impl Fn(P) -> (Option<Vec<R>>, Option<String>),
        convert: impl Fn(&R) -> Result<T, Gap>,
    ) -> Result<Vec<T>, PageError>
    where
        T: Listed,
        E: ProvideErrorMetadata + Error + 'static,
        F: Future<Output = Result<P, SdkError<E, HttpResponse>>>,
    {
        let began = Instant::now();
        let mut listing = Listing::new(limits);
        let mut token = None;
        loop {
            // Boxed: the SDK's futures take kilobytes each.
            let next = match timeout_at(self.until(), Box::pin(ask(token))).await {
                Ok(Ok(page)) => page_of(action, parts(page), &convert)
                    .and_then(|(items, next)| listing.add(items, next).map_err(|error| error.gap(action)))
                    .map_err(PageError::Other),
                Ok(Err(error)) => Err(page_error(gap::of(action, &error, began.elapsed()), &error)),
                Err(_) => Err(PageError::Other(Gap::TimedOut { after: Seconds::from(began.elapsed()) })),
            };
            self.count(action, next.as_ref().map_or_else(|error| Ec2Result::from(error.gap()), |_| Ec2Result::Ok));
            token = next?;
            self.progress().last = Some(Instant::now());
            if token.is_none() {
                return Ok(listing.into_items());
            }
        }
    }
}

fn page_error(gap: Gap, error: &(dyn Error + 'static)) -> PageError {
    if find_cause::<TooLong>(error).is_some() { PageError::TooLong(gap) } else { PageError::Other(gap) }
}

/// What is too much of one list among several names the list.
fn of_list(gap: Gap, id: &PrefixListId) -> Gap {
    let Gap::OverLimit { limit, allowed, found } = gap else { return gap };
    Gap::OverLimit { limit: format!("{limit} for {id}"), allowed, found }
}

/// A page's items as the model has them, and the token of the next.
fn page_of<R, T>(
    action: &str,
    (items, next): (Option<Vec<R>>, Option<String>),
    convert: impl Fn(&R) -> Result<T, Gap>,
) -> Result<(Vec<T>, Option<String>), Gap> {
    // An empty list is an empty element; none at all is another kind of answer.
    let items = items.ok_or_else(|| Gap::Malformed { detail: format!("{action}: the answer has no list") })?;
    Ok((items.iter().map(convert).collect::<Result<_, _>>()?, next))
}

pub(super) fn of_vpcs(vpcs: &[VpcId]) -> Option<Vec<Filter>> {
    (!vpcs.is_empty()).then(|| vec![filter("vpc-id", vpcs.iter().map(ToString::to_string).collect())])
}

/// What is asked for by as many filters as it takes to name all ids.
pub(super) async fn by_filters<T>(
    name: &str,
    ids: impl IntoIterator<Item: ToString>,
    ask: impl AsyncFn(Filter) -> Result<Vec<T>, Gap>,
) -> Result<Vec<T>, Gap> {
    let ids: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
    let mut found = Vec::new();
    for ids in ids.chunks(VALUES_OF_A_FILTER) {
        found.extend(ask(filter(name, ids.to_vec())).await?);
    }
    Ok(found)
}

pub(super) fn filter(name: &str, values: Vec<String>) -> Filter {
    Filter::builder().name(name).set_values(Some(values)).build()
}
