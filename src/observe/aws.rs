//! What every call to AWS shares: the settings of the environment, one metadata client, one set of credentials.

mod credentials;
mod http;
mod imds;
mod lookups;
mod process;
mod settings;

use super::{
    limits::{CREDENTIALS_ANSWER, EC2_ANSWER},
    names::ChosenBy,
    seen::chain,
    tls::{Roots, TlsError},
};
use crate::model::{Gap, IgnoredSetting};
use aws_config::{
    BehaviorVersion, Region, SdkConfig, imds::region::ImdsRegionProvider, provider_config::ProviderConfig,
    retry::RetryConfig,
};
use aws_credential_types::{
    Credentials,
    provider::{error::TokenError, future, token::ProvideToken},
};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::client::result::ConnectorError;
use credentials::SharedCredentials;
pub use http::TooLong;
pub use http::{Proxies, control_plane};
use http::{clients, limited};
use imds::Metadata;
pub use lookups::Lookups;
pub use settings::SettingsError;
use settings::{Profile, Settings};
use std::{error::Error, io};
use tokio::sync::OnceCell;

/// What onnet was tested with: a later version of the SDK's defaults is a change to check first.
pub(crate) fn behavior_version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// Why nothing can be asked of AWS.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// A value that no SDK takes.
    #[error("the AWS settings cannot be used")]
    Settings(#[from] SettingsError),
    /// There is nothing to verify a server with.
    #[error("cannot verify servers")]
    Tls(#[from] TlsError),
    /// The HTTP client refused its settings: our bug.
    #[error("cannot set up the AWS client")]
    Setup(#[source] Box<dyn Error + Send + Sync>),
    /// No Region is known, so there is no API to ask.
    #[error("no Region: {0}. Give --region, set AWS_REGION or the profile's region, or read files with --from DIR")]
    NoRegion(Gap),
}

impl AwsError {
    /// The error as the reason for a missing fact.
    pub fn gap(&self) -> Gap {
        match self {
            Self::Settings(error) => Gap::Settings { detail: error.to_string() },
            Self::Tls(error) => Gap::Settings { detail: chain(error) },
            Self::Setup(_) => Gap::Failed { detail: chain(self) },
            Self::NoRegion(gap) => gap.clone(),
        }
    }
}

/// What every call to AWS shares.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    metadata: Metadata,
    metadata_region: ImdsRegionProvider,
    region_from_metadata: OnceCell<String>,
    credentials: SharedCredentials,
    lookups: Lookups,
    roots: Roots,
    ignored_settings: Vec<IgnoredSetting>,
    names_chosen_by: ChosenBy,
    accounts: Vec<(String, String)>,
}

impl Aws {
    /// Reads the environment and the profile files as every AWS SDK does. Touches no network.
    ///
    /// `region` overrules them all.
    pub async fn load(region: Option<String>) -> Result<Self, AwsError> {
        let settings = Settings::read(region).await?;
        let roots = Roots::load(settings.profile.ca_bundle())?;
        let lookups = Lookups::default();
        let clients = clients(&roots, Proxies::OfTheEnvironment, lookups.clone())?;
        let metadata = Metadata::new(&settings.metadata)?;
        // Nothing is left for the SDK to read that it could stumble over: it does not search for what is set here.
        let providers = ProviderConfig::empty()
            .with_behavior_version(Some(behavior_version()))
            .with_http_client(limited(&clients, CREDENTIALS_ANSWER))
            .with_sleep_impl(sleep())
            .with_retry_config(RetryConfig::standard())
            .with_region(settings.region.clone())
            .with_use_fips(Some(settings.use_fips.unwrap_or(false)))
            .with_use_dual_stack(Some(settings.use_dual_stack.unwrap_or(false)));
        let credentials = SharedCredentials::new(&providers, metadata.client().clone(), &settings.profile);
        let mut loader = aws_config::defaults(behavior_version())
            .http_client(limited(&clients, EC2_ANSWER))
            .sleep_impl(sleep())
            .retry_config(RetryConfig::standard())
            .region(settings.region)
            .use_fips(settings.use_fips.unwrap_or(false))
            .use_dual_stack(settings.use_dual_stack.unwrap_or(false))
            .profile_files(settings.profile.files())
            .credentials_provider(credentials.clone())
            // Set so that there is none: building the default one asks the metadata service for the Region, now.
            .token_provider(NoTokens);
        if let Some(name) = Profile::instead() {
            loader = loader.profile_name(name);
        }
        if let Some(mode) = settings.account_id_endpoint_mode.and_then(|mode| mode.parse().ok()) {
            loader = loader.account_id_endpoint_mode(mode);
        }
        let mut config = loader.load().await.into_builder().service_config(settings.endpoints);
        config.set_endpoint_url(None);
        let config = config.build();
        let metadata_region =
            ImdsRegionProvider::builder().configure(&providers).imds_client(metadata.client().clone()).build();
        Ok(Self {
            config,
            metadata,
            metadata_region,
            region_from_metadata: OnceCell::new(),
            credentials,
            lookups,
            roots,
            ignored_settings: settings.ignored,
            names_chosen_by: settings.names_chosen_by,
            accounts: settings.accounts,
        })
    }

    /// The one client of the instance metadata service: one session token, one attempt, at most a second or so.
    pub fn imds(&self) -> &aws_config::imds::Client {
        self.metadata.client()
    }

    /// The Region: as it was given, or the environment or the profile has it, else the instance's own.
    pub async fn region(&self) -> Result<String, Gap> {
        if let Some(region) = self.config.region() {
            return checked_region("the environment or the profile", region.as_ref());
        }
        let from_metadata = || async {
            let region = self.metadata_region.region().await.ok_or_else(|| match self.metadata.silence() {
                Some(detail) => Gap::Unreachable { detail: format!("the instance metadata service: {detail}") },
                None => Gap::NotFound {
                    detail: "neither the environment nor the profile nor the instance metadata service names one"
                        .into(),
                },
            })?;
            checked_region("the instance metadata service", region.as_ref())
        };
        self.region_from_metadata.get_or_try_init(from_metadata).await.cloned()
    }

    /// The credentials an SDK would find here, fetched once and again before they expire.
    pub async fn credentials(&self) -> Result<Credentials, Gap> {
        self.credentials.get().await
    }

    /// The settings for a client of one of AWS's services.
    pub fn sdk_config(&self, region: &str) -> SdkConfig {
        self.config.to_builder().region(Region::new(region.to_owned())).build()
    }

    /// Resolves `name` for the connections that will follow within seconds. They report it themselves if that fails.
    pub(crate) async fn look_up(&self, name: &str) {
        let _ = self.lookups.of(name).await;
    }

    /// The settings that are not used as they stand.
    pub fn ignored_settings(&self) -> &[IgnoredSetting] {
        &self.ignored_settings
    }

    /// The accounts that profiles name, and where: programs with these profiles use their names.
    pub fn accounts(&self) -> &[(String, String)] {
        &self.accounts
    }

    /// Where the settings stand that choose DynamoDB's names.
    pub fn names_chosen_by(&self) -> &ChosenBy {
        &self.names_chosen_by
    }

    /// What servers are verified with.
    pub(crate) fn roots(&self) -> &Roots {
        &self.roots
    }
}

/// No bearer tokens: nothing that is asked here takes any.
#[derive(Debug)]
struct NoTokens;

impl ProvideToken for NoTokens {
    fn provide_token<'a>(&'a self) -> future::ProvideToken<'a>
    where
        Self: 'a,
    {
        future::ProvideToken::ready(Err(TokenError::not_loaded("no bearer tokens here")))
    }
}

/// Whether a text can be a Region: nothing cannot, nor what a captive portal answers.
fn is_region(text: &str) -> bool {
    let plausible = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= 32 && text.chars().all(plausible)
}

fn checked_region(source: &str, answer: &str) -> Result<String, Gap> {
    if is_region(answer) {
        return Ok(answer.to_owned());
    }
    let start: String = answer.chars().take(32).collect();
    Err(Gap::Malformed { detail: format!("{source} gives {start:?} for the Region") })
}

/// The SDK finds Tokio's timer by itself only with features that we leave out.
pub(crate) fn sleep() -> SharedAsyncSleep {
    SharedAsyncSleep::new(TokioSleep::new())
}

/// The first error of type `E` in the chain of causes.
pub fn find_cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The chain of causes. `io::Error` hides what it wraps from `source()`, and rustls' errors come wrapped in it.
pub(crate) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    })
}

/// The last cause in the chain, in its own words: `Connection refused (os error 111)`.
pub fn root_cause(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Whether it is that nothing came in time.
pub(crate) fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        cause.downcast_ref().is_some_and(reqwest::Error::is_timeout)
            || cause.downcast_ref().is_some_and(|cause: &io::Error| cause.kind() == io::ErrorKind::TimedOut)
    })
}

/// An error that carries nothing but a sentence.
pub(crate) fn sentence(words: &str) -> ConnectorError {
    ConnectorError::io(words.to_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_region_is_not_taken_for_one() {
        assert_eq!(checked_region("a test", "us-gov-east-1").as_deref(), Ok("us-gov-east-1"));
        for answer in ["", "<html>Sign in</html>", "us-east-1\n", "US-EAST-1"] {
            let gap = checked_region("a test", answer).err();
            assert_eq!(gap.map(|gap| gap.reason()), Some("malformed"), "{answer:?}");
        }
    }

    #[test]
    fn what_an_io_error_wraps_is_found() {
        let inner = rustls::Error::HandshakeNotComplete;
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, inner.clone()));
        assert_eq!(find_cause::<rustls::Error>(&wrapped), Some(&inner));
        assert_eq!(root_cause(&wrapped), inner.to_string());
    }
}
