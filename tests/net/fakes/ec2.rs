//! EC2 as it answers when all is well, and a configuration for asking it.

use crate::fakes::{
    fixtures::{ENDPOINTS, ENTRIES, INTERFACES, LISTS, SUBNETS, TABLES},
    server::{Authority, Request, Server, Step, answer},
};
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider},
};
use onnet::{
    model::VpcFacts,
    observe::{
        aws::{Lookups, Proxies, control_plane},
        ec2::vpc_facts,
        tls::Roots,
    },
};
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};
use tokio::time::Instant;

pub(crate) const XML: &str = "text/xml;charset=UTF-8";

/// EC2 as it answers when all is well, except for what a test replaces.
#[derive(Clone)]
pub(crate) struct Ec2 {
    answers: BTreeMap<&'static str, Vec<Step>>,
}

pub(crate) fn good(action: &str, set: &str) -> Vec<Step> {
    answer(200, XML, &document(action, set))
}

pub(crate) fn document(action: &str, set: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response \
         xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>R</requestId>{set}</{action}Response>"
    )
}

pub(crate) fn refusal(status: u16, code: &str) -> Vec<Step> {
    let body = format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>because</Message></Error></Errors>\
         <RequestID>R</RequestID></Response>"
    );
    answer(status, XML, &body)
}

impl Ec2 {
    pub(crate) fn new() -> Self {
        let sets = [
            ("DescribeRouteTables", TABLES),
            ("DescribeVpcEndpoints", ENDPOINTS),
            ("DescribePrefixLists", LISTS),
            ("GetManagedPrefixListEntries", ENTRIES),
            ("DescribeNetworkInterfaces", INTERFACES),
            ("DescribeSubnets", SUBNETS),
        ];
        Self { answers: sets.map(|(action, set)| (action, good(action, set))).into() }
    }

    pub(crate) fn with(mut self, action: &'static str, steps: Vec<Step>) -> Self {
        self.answers.insert(action, steps);
        self
    }

    pub(crate) fn with_set(self, action: &'static str, set: &str) -> Self {
        self.with(action, good(action, set))
    }

    pub(crate) async fn start(self) -> Server {
        Server::plain(move |request| self.answer(request)).await
    }

    pub(crate) fn answer(&self, request: &Request) -> Vec<Step> {
        let action = parameter(request, "Action").unwrap();
        self.answers.get(action.as_str()).cloned().unwrap_or_else(|| refusal(400, "InvalidAction"))
    }
}

pub(crate) fn parameter(request: &Request, name: &str) -> Option<String> {
    url::form_urlencoded::parse(request.body.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into())
}

pub(crate) fn config(url: &str, roots: &Authority, credentials: impl ProvideCredentials + 'static) -> SdkConfig {
    let roots = Roots::usable(vec![roots.certificate()]).unwrap();
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .http_client(control_plane(&roots, Proxies::None, Lookups::default()).unwrap())
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .retry_config(RetryConfig::standard())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

pub(crate) fn keys() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", None, None, "test")
}

pub(crate) async fn facts_within(address: SocketAddr, time: Duration) -> VpcFacts {
    let config = config(&format!("http://{address}"), &Authority::new(), keys());
    vpc_facts(&config, &"vpc-1".into(), "us-east-1", Instant::now() + time).await.0
}

pub(crate) async fn facts(server: &Server) -> VpcFacts {
    facts_within(server.address, Duration::from_secs(10)).await
}
