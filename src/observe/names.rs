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

/// Where the settings stand that choose names: variables, and keys of profiles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChosenBy {
    /// The Region, FIPS and dual-stack, which AWS's own names have.
    pub variant: Vec<String>,
    /// Whether a name is made of the account id, and the id itself.
    pub account: Vec<String>,
    /// The endpoint URL.
    pub url: Option<String>,
}

impl ChosenBy {
    /// Notes of a name which of them chose it.
    pub fn note(&self, name: &mut ServiceName) {
        name.chosen_by = match name.kind {
            // A URL may be the regional name's, with a port of its own.
            NameKind::Regional if name.in_use => self.variant.iter().chain(&self.url).cloned().collect(),
            NameKind::Regional => self.variant.clone(),
            NameKind::AccountBased => self.variant.iter().chain(&self.account).cloned().collect(),
            NameKind::Custom => self.url.iter().cloned().collect(),
            NameKind::InterfaceEndpoint | NameKind::Streams | NameKind::VectorSearch | NameKind::Given => Vec::new(),
        };
    }
}

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

/// The names that depend on no account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The SDK's first choice first.
    pub names: Vec<ServiceName>,
    /// Whether the SDK would choose another name by the account id of the credentials.
    pub by_account: bool,
}

impl Names {
    /// With the names that were given in addition, each once.
    #[must_use]
    pub fn and(mut self, given: &[String]) -> Self {
        for name in given.iter().map(|name| ServiceName::given(name)) {
            match self.names.iter_mut().find(|known| known.hostname.eq_ignore_ascii_case(&name.hostname)) {
                Some(known) => known.in_use |= name.in_use,
                None => self.names.push(name),
            }
        }
        self
    }
}

/// The names an SDK with this configuration uses whatever its credentials are, its first choice first, and the plain
/// regional one in any case.
///
/// Beside an account-based name the regional one counts as in use too: older SDKs, the AWS CLI and other languages'
/// SDKs on the same instance still choose it. Beside a custom endpoint it does not.
pub async fn names(config: &SdkConfig) -> Result<Names, NamesError> {
    // Some account's: whether there would be a name of its own does not depend on which.
    let configured = Builder::from(config).credentials_provider(of_account("000000000000"));
    let mut uncustomised = configured.clone();
    uncustomised.set_endpoint_url(None);
    let (chosen, uncustomised, regional) =
        tokio::join!(endpoint(configured), endpoint(uncustomised), endpoint(regional(config)));
    let (chosen, regional) = (chosen?, regional?);

    if chosen.host() == regional.host() {
        return Ok(Names { names: vec![name(&chosen, NameKind::Regional, true)?], by_account: false });
    }
    if uncustomised.is_ok_and(|uncustomised| chosen.host() == uncustomised.host()) {
        return Ok(Names { names: vec![name(&regional, NameKind::Regional, true)?], by_account: true });
    }
    let custom = name(&chosen, NameKind::Custom, true)?;
    Ok(Names { names: vec![custom, name(&regional, NameKind::Regional, false)?], by_account: false })
}

/// The name an SDK with this configuration makes of the account id of these credentials, if it makes one.
pub async fn account_name(config: &SdkConfig, credentials: &Credentials) -> Result<Option<ServiceName>, NamesError> {
    let configured = Builder::from(config).credentials_provider(credentials.clone());
    let (chosen, regional) = tokio::join!(endpoint(configured), endpoint(regional(config)));
    let (chosen, regional) = (chosen?, regional?);
    let differs = chosen.host() != regional.host();
    differs.then(|| name(&chosen, NameKind::AccountBased, true)).transpose()
}

/// The names that an SDK with this configuration makes of these accounts, where `names` has them by account. Programs with another profile
/// use them: they are not in use here.
pub async fn with_accounts(
    config: &SdkConfig,
    mut names: Names,
    accounts: &[(String, String)],
) -> Result<Names, NamesError> {
    for (account, place) in accounts.iter().filter(|_| names.by_account) {
        if let Some(name) = account_name(config, &of_account(account)).await? {
            names.names.push(ServiceName { in_use: false, chosen_by: vec![place.clone()], ..name });
        }
    }
    Ok(names)
}

/// Without a custom endpoint and without any account.
fn regional(config: &SdkConfig) -> Builder {
    let mut regional = Builder::from(config).credentials_provider(anonymous());
    regional.set_endpoint_url(None);
    regional.set_account_id_endpoint_mode(None);
    regional
}

fn of_account(id: &str) -> Credentials {
    Credentials::builder().access_key_id("").secret_access_key("").account_id(id).provider_name("onnet").build()
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
        chosen_by: Vec::new(),
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
        (None, Ok(_)) => Err(NamesError::NoEndpoint("the request was not observed".into())),
    }
}
