//! The hostnames to judge, taken from the SDK's own endpoint resolution.

use super::{
    destination::{Destination, anonymous},
    seen::chain,
};
use crate::model::{Gap, NameKind, ServiceName};
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{
    Client,
    config::{Builder, retry::RetryConfig},
};
use aws_smithy_runtime_api::box_error::BoxError;

/// Why there is no name to judge.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    /// The SDK found no endpoint with these settings: an account id that is required and missing, an invalid URL, …
    #[error("the SDK finds no DynamoDB endpoint with these settings")]
    NoEndpoint(#[source] BoxError),
    /// The SDK chose a URL without a host.
    #[error("the SDK's DynamoDB endpoint {0} names no host")]
    NoHost(http::Uri),
}

impl NamesError {
    /// The error as the reason for a missing fact.
    pub fn gap(&self) -> Gap {
        Gap::Failed { detail: chain(self) }
    }
}

/// The names an SDK with this configuration uses, its first choice first, and the plain regional one in any case.
///
/// Beside an account-based name the regional one counts as in use too: older SDKs, the AWS CLI and other languages'
/// SDKs on the same instance still choose it. Beside a custom endpoint it does not.
pub async fn names(config: &SdkConfig, credentials: Option<&Credentials>) -> Result<Vec<ServiceName>, NamesError> {
    let credentials = credentials.cloned().unwrap_or_else(anonymous);
    let configured = Builder::from(config).credentials_provider(credentials.clone());

    let mut uncustomised = configured.clone();
    uncustomised.set_endpoint_url(None);
    let mut regional = uncustomised.clone().credentials_provider(anonymous());
    regional.set_account_id_endpoint_mode(None);

    let (chosen, uncustomised, regional) =
        tokio::join!(endpoint(configured), endpoint(uncustomised), endpoint(regional));
    let (chosen, regional) = (chosen?, regional?);

    // A required account id may be missing where a custom endpoint needs none.
    let kind = match uncustomised {
        Ok(uncustomised) if chosen.host() != uncustomised.host() => NameKind::Custom,
        Ok(_) if chosen.host() != regional.host() => NameKind::AccountBased,
        Ok(_) => NameKind::Regional,
        Err(_) => NameKind::Custom,
    };
    let first = name(&chosen, kind, true)?;
    let regional = name(&regional, NameKind::Regional, kind != NameKind::Custom)?;
    Ok(if first.hostname == regional.hostname { vec![first] } else { vec![first, regional] })
}

fn name(uri: &http::Uri, kind: NameKind, in_use: bool) -> Result<ServiceName, NamesError> {
    let host = uri.host().ok_or_else(|| NamesError::NoHost(uri.clone()))?;
    let tls = uri.scheme_str() != Some("http");
    Ok(ServiceName {
        hostname: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
        tls,
        kind,
        in_use,
    })
}

/// Where a `ListTables` of a client of this configuration would go. It is stopped before it is signed.
async fn endpoint(config: Builder) -> Result<http::Uri, NamesError> {
    let destination = Destination::default();
    let config = config.retry_config(RetryConfig::disabled()).interceptor(destination.clone()).build();
    // Boxed: the SDK's futures take kilobytes each, and three of them are joined.
    let stopped = Box::pin(Client::from_conf(config).list_tables().send()).await;
    match (destination.get(), stopped) {
        (Some(uri), _) => Ok(uri.clone()),
        (None, Err(error)) => Err(NamesError::NoEndpoint(error.into())),
        (None, Ok(_)) => Err(NamesError::NoEndpoint("the request was not seen".into())),
    }
}
