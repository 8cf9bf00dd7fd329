//! The collectors that send requests to AWS, with real servers that misbehave: each failure has one named reason.

mod ec2;
mod gates;
mod health;
mod list_tables;
mod pages;
mod witness;

pub(crate) use gates::gates;

use crate::fakes::{authority::Authority, server::Server};
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
use std::{net::SocketAddr, time::Duration};
use tokio::time::Instant;

/// The delay that is put into one phase and looked for there.
const DELAY: Duration = Duration::from_millis(600);

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

async fn facts_within(address: SocketAddr, time: Duration) -> VpcFacts {
    let config = config(&format!("http://{address}"), &Authority::new(), keys());
    vpc_facts(&config, &"vpc-1".into(), "us-east-1", Instant::now() + time).await.0
}

async fn facts(server: &Server) -> VpcFacts {
    facts_within(server.address, Duration::from_secs(10)).await
}
