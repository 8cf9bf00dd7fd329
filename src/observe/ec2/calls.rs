//! The calls, each with all of its pages: half a list is no list.

use super::{
    convert, gap,
    listing::{Listed, Listing},
    whole::Whole,
};
use crate::{
    model::{
        Ec2Request, Ec2Result, EndpointInterface, Gap, InterfaceId, PrefixList, PrefixListId, RouteTable, Seconds,
        Subnet, VpcEndpoint, VpcId,
    },
    observe::destination::{Destination, anonymous},
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
    sync::{Arc, Mutex, PoisonError},
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

/// EC2, for as long as one round lasts.
#[derive(Clone, Debug)]
pub(crate) struct Ec2 {
    client: Client,
    deadline: Instant,
    requests: Arc<Mutex<Vec<Ec2Request>>>,
}

impl Ec2 {
    pub(crate) fn new(config: &SdkConfig, deadline: Instant) -> Self {
        let limits =
            TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_LIMIT).operation_timeout(PAGE_LIMIT).build();
        let mut ec2 = aws_sdk_ec2::config::Builder::from(config)
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .timeout_config(limits);
        if let Some(http) = config.http_client() {
            ec2 = ec2.http_client(Whole(http));
        }
        Self { client: Client::from_conf(ec2.build()), deadline, requests: Arc::default() }
    }

    /// What was asked so far, and how each request ended. A page is a request; the SDK's second attempt at one is not
    /// told apart from the first.
    pub(crate) fn requests(&self) -> Vec<Ec2Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, action: &'static str, result: Ec2Result) {
        let operation = action.strip_prefix("ec2:").unwrap_or(action);
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(Ec2Request { operation, result });
    }

    pub(super) async fn route_tables(&self, vpcs: &[VpcId]) -> Result<Vec<RouteTable>, Gap> {
        let ask = |token| {
            let call = self.client.describe_route_tables().set_filters(of_vpcs(vpcs)).max_results(100);
            call.set_next_token(token).send()
        };
        let parts = |page: DescribeRouteTablesOutput| (page.route_tables, page.next_token);
        self.all("ec2:DescribeRouteTables", ask, parts, convert::route_table).await
    }

    /// Of every service and type: a route to a firewall's endpoint must be distinguished from one to DynamoDB's.
    pub(super) async fn vpc_endpoints(&self, vpcs: &[VpcId]) -> Result<Vec<VpcEndpoint>, Gap> {
        let ask = |token| {
            let call = self.client.describe_vpc_endpoints().set_filters(of_vpcs(vpcs)).max_results(1000);
            call.set_next_token(token).send()
        };
        let parts = |page: DescribeVpcEndpointsOutput| (page.vpc_endpoints, page.next_token);
        self.all("ec2:DescribeVpcEndpoints", ask, parts, convert::vpc_endpoint).await
    }

    /// The lists of AWS services that have gateway endpoints. One without entries is one whose entries were not given.
    pub(super) async fn service_prefix_lists(&self) -> Result<Vec<PrefixList>, Gap> {
        let ask = |token| self.client.describe_prefix_lists().set_next_token(token).send();
        let parts = |page: DescribePrefixListsOutput| (page.prefix_lists, page.next_token);
        self.all("ec2:DescribePrefixLists", ask, parts, convert::prefix_list).await
    }

    /// The same for DynamoDB's lists alone, by the other API; it gives no entries.
    pub(super) async fn managed_dynamodb_lists(&self, region: &str) -> Result<Vec<PrefixList>, Gap> {
        let names =
            [format!("com.amazonaws.{region}.dynamodb"), format!("com.amazonaws.{region}.ipv6.dynamodb")].to_vec();
        let filter = filter("prefix-list-name", names);
        let ask = |token| {
            let call = self.client.describe_managed_prefix_lists().filters(filter.clone()).max_results(100);
            call.set_next_token(token).send()
        };
        let parts = |page: DescribeManagedPrefixListsOutput| (page.prefix_lists, page.next_token);
        self.all("ec2:DescribeManagedPrefixLists", ask, parts, convert::managed_prefix_list).await
    }

    pub(super) async fn prefix_list_entries(&self, id: &PrefixListId) -> Result<Vec<IpNet>, Gap> {
        let ask = |token| {
            let call = self.client.get_managed_prefix_list_entries().prefix_list_id(id.as_str()).max_results(100);
            call.set_next_token(token).send()
        };
        let parts = |page: GetManagedPrefixListEntriesOutput| (page.entries, page.next_token);
        self.all("ec2:GetManagedPrefixListEntries", ask, parts, |entry| convert::entry(entry, id)).await
    }

    pub(super) async fn network_interfaces(&self, ids: &BTreeSet<&InterfaceId>) -> Result<Vec<EndpointInterface>, Gap> {
        // As a filter: as a parameter, one id that is gone would be an error for all.
        let filter = filter("network-interface-id", ids.iter().map(ToString::to_string).collect());
        let ask = |token| {
            let call = self.client.describe_network_interfaces().filters(filter.clone()).max_results(1000);
            call.set_next_token(token).send()
        };
        let parts = |page: DescribeNetworkInterfacesOutput| (page.network_interfaces, page.next_token);
        self.all("ec2:DescribeNetworkInterfaces", ask, parts, convert::endpoint_interface).await
    }

    pub(crate) async fn subnets(&self, vpcs: &[VpcId]) -> Result<Vec<Subnet>, Gap> {
        let ask = |token| {
            let call = self.client.describe_subnets().set_filters(of_vpcs(vpcs)).max_results(1000);
            call.set_next_token(token).send()
        };
        let parts = |page: DescribeSubnetsOutput| (page.subnets, page.next_token);
        self.all("ec2:DescribeSubnets", ask, parts, convert::subnet).await
    }

    /// The items of all pages. `action` is the IAM action that allows the call; `ask` sends the request for the page of a
    /// token; `parts` takes list and next token out of an answer.
    async fn all<P, R, T, E, F>(
        &self,
        action: &'static str,
        ask: impl Fn(Option<String>) -> F,
        parts: impl Fn(P) -> (Option<Vec<R>>, Option<String>),
        convert: impl Fn(&R) -> Result<T, Gap>,
    ) -> Result<Vec<T>, Gap>
    where
        T: Listed,
        E: ProvideErrorMetadata + Error + 'static,
        F: Future<Output = Result<P, SdkError<E, HttpResponse>>>,
    {
        let began = Instant::now();
        let mut listing = Listing::new();
        let mut token = None;
        loop {
            // Boxed: the SDK's futures take kilobytes each.
            let next = match timeout_at(self.deadline, Box::pin(ask(token))).await {
                Ok(Ok(page)) => page_of(action, parts(page), &convert)
                    .and_then(|(items, next)| listing.add(items, next).map_err(|error| error.gap(action))),
                Ok(Err(error)) => Err(gap::of(action, &error, began.elapsed())),
                Err(_) => Err(Gap::TimedOut { after: Seconds::from(began.elapsed()) }),
            };
            self.count(action, next.as_ref().map_or_else(Ec2Result::from, |_| Ec2Result::Ok));
            token = next?;
            if token.is_none() {
                return Ok(listing.into_items());
            }
        }
    }
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

fn of_vpcs(vpcs: &[VpcId]) -> Option<Vec<Filter>> {
    (!vpcs.is_empty()).then(|| vec![filter("vpc-id", vpcs.iter().map(ToString::to_string).collect())])
}

fn filter(name: &str, values: Vec<String>) -> Filter {
    Filter::builder().name(name).set_values(Some(values)).build()
}
