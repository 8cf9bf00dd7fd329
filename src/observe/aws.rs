//! Stub: the branch `cloud` has the real one.

use crate::model::Gap;
use aws_config::{SdkConfig, imds::Client};
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_smithy_http_client::Builder as HttpBuilder;

/// Stub.
pub struct Aws {
    sdk: SdkConfig,
    imds: Client,
}

/// Stub.
#[derive(Debug, thiserror::Error)]
#[error("stub")]
pub struct AwsError;

impl Aws {
    /// Stub.
    pub async fn load(region: Option<String>) -> Result<Self, AwsError> {
        let region = region.map(aws_config::Region::new);
        let http = HttpBuilder::new().build_http();
        let sdk = aws_config::defaults(aws_config::BehaviorVersion::latest())
            .http_client(http)
            .region(
                aws_config::meta::region::RegionProviderChain::first_try(region)
                    .or_else(aws_config::environment::EnvironmentVariableRegionProvider::new()),
            )
            .load()
            .await;
        let imds = Client::builder()
            .configure(
                &aws_config::provider_config::ProviderConfig::default()
                    .with_http_client(HttpBuilder::new().build_http()),
            )
            .max_attempts(1)
            .build();
        Ok(Self { sdk, imds })
    }

    /// Stub.
    pub fn imds(&self) -> &Client {
        &self.imds
    }

    /// Stub.
    pub async fn region(&self) -> Result<String, Gap> {
        if let Some(region) = self.sdk.region() {
            return Ok(region.as_ref().to_owned());
        }
        let answer = self.imds.get("/latest/meta-data/placement/region").await;
        answer.map(String::from).map_err(|e| Gap::Failed { detail: e.to_string() })
    }

    /// Stub.
    pub async fn credentials(&self) -> Result<Credentials, Gap> {
        let none = || Gap::Credentials { detail: "none".into() };
        let provider = self.sdk.credentials_provider().ok_or_else(none)?;
        provider.provide_credentials().await.map_err(|_| none())
    }

    /// Stub.
    pub fn sdk_config(&self, region: &str) -> SdkConfig {
        self.sdk.clone().into_builder().region(aws_config::Region::new(region.to_owned())).build()
    }
}
