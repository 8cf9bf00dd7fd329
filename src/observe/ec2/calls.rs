//! The calls, each paginated to the end: half a list is no list.

use super::{convert, gap, whole::Whole};
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
    types::Filter,
};
use aws_smithy_async::future::pagination_stream::PaginationStream;
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
        let pages = self.client.describe_route_tables().set_filters(of_vpcs(vpcs)).into_paginator().page_size(100);
        let found = self.all("ec2:DescribeRouteTables", pages.send(), |page| page.route_tables).await?;
        found.iter().map(convert::route_table).collect()
    }

    /// Of every service and type: a route to a firewall's endpoint must be told from one to DynamoDB's.
    pub(super) async fn vpc_endpoints(&self, vpcs: &[VpcId]) -> Result<Vec<VpcEndpoint>, Gap> {
        let pages = self.client.describe_vpc_endpoints().set_filters(of_vpcs(vpcs)).into_paginator().page_size(1000);
        let found = self.all("ec2:DescribeVpcEndpoints", pages.send(), |page| page.vpc_endpoints).await?;
        found.iter().map(convert::vpc_endpoint).collect()
    }

    /// The lists of AWS services that have gateway endpoints. One without entries is one whose entries were not given.
    pub(super) async fn service_prefix_lists(&self) -> Result<Vec<PrefixList>, Gap> {
        let pages = self.client.describe_prefix_lists().into_paginator();
        let found = self.all("ec2:DescribePrefixLists", pages.send(), |page| page.prefix_lists).await?;
        found.iter().map(convert::prefix_list).collect()
    }

    /// The same for DynamoDB's lists alone, by the other API; it gives no entries.
    pub(super) async fn managed_dynamodb_lists(&self, region: &str) -> Result<Vec<PrefixList>, Gap> {
        let names =
            [format!("com.amazonaws.{region}.dynamodb"), format!("com.amazonaws.{region}.ipv6.dynamodb")].to_vec();
        let filter = filter("prefix-list-name", names);
        let pages = self.client.describe_managed_prefix_lists().filters(filter).into_paginator().page_size(100);
        let found = self.all("ec2:DescribeManagedPrefixLists", pages.send(), |page| page.prefix_lists).await?;
        found.iter().map(convert::managed_prefix_list).collect()
    }

    pub(super) async fn prefix_list_entries(&self, id: &PrefixListId) -> Result<Vec<IpNet>, Gap> {
        let pages = self.client.get_managed_prefix_list_entries().prefix_list_id(id.as_str()).into_paginator();
        let found =
            self.all("ec2:GetManagedPrefixListEntries", pages.page_size(100).send(), |page| page.entries).await?;
        found.iter().map(|entry| convert::entry(entry, id)).collect()
    }

    pub(super) async fn network_interfaces(&self, ids: &BTreeSet<&InterfaceId>) -> Result<Vec<EndpointInterface>, Gap> {
        // As a filter: as a parameter, one id that is gone would be an error for all.
        let filter = filter("network-interface-id", ids.iter().map(ToString::to_string).collect());
        let pages = self.client.describe_network_interfaces().filters(filter).into_paginator().page_size(1000);
        let found = self.all("ec2:DescribeNetworkInterfaces", pages.send(), |page| page.network_interfaces).await?;
        found.iter().map(convert::endpoint_interface).collect()
    }

    pub(crate) async fn subnets(&self, vpcs: &[VpcId]) -> Result<Vec<Subnet>, Gap> {
        let pages = self.client.describe_subnets().set_filters(of_vpcs(vpcs)).into_paginator().page_size(1000);
        let found = self.all("ec2:DescribeSubnets", pages.send(), |page| page.subnets).await?;
        found.iter().map(convert::subnet).collect()
    }

    /// The items of all pages. `action` is the IAM action that allows the call.
    async fn all<P, T, E>(
        &self,
        action: &'static str,
        mut pages: PaginationStream<Result<P, SdkError<E, HttpResponse>>>,
        items: impl Fn(P) -> Option<Vec<T>>,
    ) -> Result<Vec<T>, Gap>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let began = Instant::now();
        let mut all = Vec::new();
        loop {
            let gap = match timeout_at(self.deadline, pages.next()).await {
                Ok(None) => return Ok(all),
                // An empty list is an empty element; none at all is another kind of answer.
                Ok(Some(Ok(page))) => match items(page) {
                    Some(items) => {
                        self.count(action, Ec2Result::Ok);
                        all.extend(items);
                        continue;
                    }
                    None => Gap::Malformed { detail: format!("{action}: the answer has no list") },
                },
                Ok(Some(Err(error))) => gap::of(action, &error, began.elapsed()),
                Err(_) => Gap::TimedOut { after: Seconds::from(began.elapsed()) },
            };
            self.count(action, Ec2Result::from(&gap));
            return Err(gap);
        }
    }
}

fn of_vpcs(vpcs: &[VpcId]) -> Option<Vec<Filter>> {
    (!vpcs.is_empty()).then(|| vec![filter("vpc-id", vpcs.iter().map(ToString::to_string).collect())])
}

fn filter(name: &str, values: Vec<String>) -> Filter {
    Filter::builder().name(name).set_values(Some(values)).build()
}
