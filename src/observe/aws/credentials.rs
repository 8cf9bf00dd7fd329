//! The SDK's default credentials, fetched once for all who need them.

use super::find_cause;
use crate::model::{Gap, Seconds};
use aws_config::{
    Region,
    default_provider::credentials::DefaultCredentialsChain,
    imds::{self, client::error::ImdsError},
    provider_config::ProviderConfig,
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};
use std::{
    error::Error,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

/// For the whole chain; a role to assume is two services away.
const PATIENCE: Duration = Duration::from_secs(5);

/// For how long a failure stands, so that the calls of one round do not each try again.
const FAILURE_REMEMBERED: Duration = Duration::from_secs(5);

/// New ones are fetched when the old ones have less than this left. The SDKs' own figure is near it.
const MARGIN: Duration = Duration::from_secs(300);

/// The default chain's credentials, kept until they are about to expire.
///
/// A profile that assumes a role needs a Region for STS; unlike in the SDK it has to come from the environment or the
/// profile, for waiting for the metadata service here would cost every instance a round trip.
#[derive(Clone, Debug)]
pub(super) struct SharedCredentials {
    chain: Arc<DefaultCredentialsChain>,
    last: Arc<Mutex<Option<Fetched>>>,
}

#[derive(Debug)]
struct Fetched {
    at: Instant,
    found: Result<Credentials, Gap>,
}

impl Fetched {
    fn still_good(&self) -> bool {
        match &self.found {
            Ok(credentials) => credentials.expiry().is_none_or(|expiry| now() + MARGIN < expiry),
            Err(_) => self.at.elapsed() < FAILURE_REMEMBERED,
        }
    }
}

impl SharedCredentials {
    pub(super) async fn new(providers: &ProviderConfig, metadata: imds::Client, region: Option<Region>) -> Self {
        let mut chain = DefaultCredentialsChain::builder().configure(providers.clone()).imds_client(metadata);
        // Set even when there is none: otherwise the chain would ask the metadata service, now.
        chain.set_region(Some(region));
        Self { chain: Arc::new(chain.build().await), last: Arc::default() }
    }

    pub(super) async fn get(&self) -> Result<Credentials, Gap> {
        let mut last = self.last.lock().await;
        if let Some(fetched) = last.as_ref().filter(|fetched| fetched.still_good()) {
            return fetched.found.clone();
        }
        let at = Instant::now();
        let found = match timeout(PATIENCE, self.chain.provide_credentials()).await {
            Ok(Ok(credentials)) => Ok(credentials),
            Ok(Err(error)) => Err(Gap::Credentials { detail: words(&error) }),
            Err(_) => Err(Gap::TimedOut { after: Seconds::from(at.elapsed()) }),
        };
        *last = Some(Fetched { at, found: found.clone() });
        found
    }
}

impl ProvideCredentials for SharedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.get().await.map_err(|gap| {
                let words = if let Gap::Credentials { detail } = gap { detail } else { gap.to_string() };
                CredentialsError::not_loaded(words)
            })
        })
    }
}

/// The error and its last cause. The metadata client's own words for an error answer would show the whole answer.
fn words(error: &CredentialsError) -> String {
    if let CredentialsError::CredentialsNotLoaded(_) = error
        && error.source().is_none_or(|source| source.source().is_none())
    {
        return "none in the environment, the profile, a container's or the instance's metadata".into();
    }
    match find_cause::<ImdsError>(error) {
        Some(ImdsError::ErrorResponse(answer)) => {
            format!("the instance metadata service answered {}", answer.response().status().as_u16())
        }
        _ => format!("{error}: {}", super::root_cause(error)),
    }
}

#[expect(clippy::disallowed_methods, reason = "credentials expire by the wall clock")]
fn now() -> SystemTime {
    SystemTime::now()
}
