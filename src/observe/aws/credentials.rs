//! The SDK's default credentials, fetched once for all who need them.

use super::{
    find_cause,
    http::TooLong,
    process::CredentialProcess,
    settings::{self, CREDENTIAL_PROCESS, Profile},
};
use crate::{
    model::{Gap, Seconds},
    observe::{
        files::{FileError, SettingsFile},
        limits::SECRET_FILE,
        url::with_short_urls,
    },
};
use aws_config::{
    ecs::EcsCredentialsProvider,
    environment::EnvironmentVariableCredentialsProvider,
    imds::{self, client::error::ImdsError, credentials::ImdsCredentialsProvider},
    meta::credentials::CredentialsProviderChain,
    profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig,
    web_identity_token::WebIdentityTokenCredentialsProvider,
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};
use http::HeaderValue;
use std::{
    error::Error,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

/// Where a container's credentials are.
const CONTAINER: [&str; 2] = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];

/// The token that a role is assumed with.
const WEB_IDENTITY: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// The token that a container's agent asks for.
const CONTAINER_TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

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
    chain: Arc<CredentialsProviderChain>,
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
    /// From where the SDK's default chain takes them, in its order; a source whose variable is empty is not asked.
    pub(super) fn new(providers: &ProviderConfig, metadata: imds::Client, profile: &Profile) -> Self {
        let environment = || Sendable(EnvironmentVariableCredentialsProvider::new());
        let container = || {
            let provider = EcsCredentialsProvider::builder().configure(providers).build();
            Sendable(Reading { files: SettingsFile::in_environment(CONTAINER_TOKEN).into_iter().collect(), provider })
        };
        let instance = || {
            let provider = ImdsCredentialsProvider::builder().configure(providers).imds_client(metadata.clone());
            Sendable(provider.build())
        };

        let mut of_profile = ProfileFileCredentialsProvider::builder()
            .configure(providers)
            .profile_files(profile.files())
            // As sources of a role that is to be assumed: the SDK signs with them.
            .with_custom_provider("Environment", environment())
            .with_custom_provider("EcsContainer", container())
            .with_custom_provider("Ec2InstanceMetadata", instance());
        if let Some(command) = profile.credential_process() {
            of_profile = of_profile.with_custom_provider(CREDENTIAL_PROCESS, Sendable(CredentialProcess::new(command)));
        }
        if let Some(name) = Profile::instead() {
            of_profile = of_profile.profile_name(name);
        }
        let of_profile = Reading { files: profile.token_files(), provider: of_profile.build() };
        let mut chain =
            CredentialsProviderChain::first_try("Environment", environment()).or_else("Profile", of_profile);
        if let Some(file) = SettingsFile::in_environment(WEB_IDENTITY) {
            let provider = WebIdentityTokenCredentialsProvider::builder().configure(providers).build();
            chain = chain.or_else("WebIdentityToken", Reading { files: vec![file], provider });
        }
        if CONTAINER.into_iter().any(settings::is_set) {
            chain = chain.or_else("EcsContainer", container());
        }
        Self { chain: Arc::new(chain.or_else("Ec2InstanceMetadata", instance())), last: Arc::default() }
    }

    pub(super) async fn get(&self) -> Result<Credentials, Gap> {
        let mut last = self.last.lock().await;
        if let Some(fetched) = last.as_ref().filter(|fetched| fetched.still_good()) {
            return fetched.found.clone();
        }
        let at = Instant::now();
        let found = match timeout(PATIENCE, self.chain.provide_credentials()).await {
            Ok(Ok(credentials)) if can_be_sent(&credentials) => Ok(credentials),
            Ok(Ok(_)) => Err(Gap::Credentials { detail: UNSENDABLE.to_owned() }),
            Ok(Err(error)) => Err(gap(&error)),
            Err(_) => Err(Gap::TimedOut { after: Seconds::from(at.elapsed()) }),
        };
        *last = Some(Fetched { at, found: found.clone() });
        found
    }
}

/// A provider whose credentials can be sent. The SDK ends the process where it signs with others.
#[derive(Debug)]
struct Sendable<P>(P);

impl<P: ProvideCredentials> ProvideCredentials for Sendable<P> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let credentials = self.0.provide_credentials().await?;
            if can_be_sent(&credentials) { Ok(credentials) } else { Err(CredentialsError::provider_error(UNSENDABLE)) }
        })
    }
}

/// A provider of the SDK's that reads files by itself. They are checked before it does, each time: they change.
#[derive(Debug)]
struct Reading<P> {
    files: Vec<SettingsFile>,
    provider: P,
}

impl<P: ProvideCredentials> ProvideCredentials for Reading<P> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.files.iter().try_for_each(|file| file.check(SECRET_FILE)).map_err(CredentialsError::provider_error)?;
            self.provider.provide_credentials().await
        })
    }
}

const UNSENDABLE: &str = "the credentials contain a character that HTTP headers cannot carry";

/// Whether what goes into a header can stand there.
fn can_be_sent(credentials: &Credentials) -> bool {
    let in_headers = [Some(credentials.access_key_id()), credentials.session_token()];
    in_headers.into_iter().flatten().all(|text| HeaderValue::from_str(text).is_ok())
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

/// The error as the reason for missing credentials.
fn gap(error: &CredentialsError) -> Gap {
    if let Some(answer) = find_cause::<TooLong>(error) {
        answer.gap("the request for credentials")
    } else if let Some(file) = find_cause::<FileError>(error) {
        Gap::Settings { detail: file.to_string() }
    } else {
        Gap::Credentials { detail: words(error) }
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
        _ => {
            let words = format!("{error}: {}", super::root_cause(error));
            // What a credential process writes may hold a secret.
            with_short_urls(words.split(". Stderr: ").next().unwrap_or_default())
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "credentials expire by the wall clock")]
fn now() -> SystemTime {
    SystemTime::now()
}
