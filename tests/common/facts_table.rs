//! A table of shared facts, as `onnet policy` has it, and the settings of an SDK that uses it and EC2 in other places than AWS's.

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
        ScalarAttributeType,
    },
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use std::{error::Error, time::Duration};
use tokio::time::Instant;

/// For a table to become active.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where each service is.
#[derive(Debug)]
struct Endpoints {
    dynamodb: String,
    ec2: String,
}

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        match (key.env(), key.service_id()) {
            ("AWS_ENDPOINT_URL", "DynamoDB") => Some(self.dynamodb.clone()),
            ("AWS_ENDPOINT_URL", "EC2") => Some(self.ec2.clone()),
            _ => None,
        }
    }
}

/// The settings of an SDK in us-east-1, for services at these URLs.
pub(crate) fn config(client: SharedHttpClient, dynamodb: &str, ec2: &str) -> SdkConfig {
    let credentials = Credentials::new("AKIDEXAMPLE", "not-a-secret", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .service_config(Endpoints { dynamodb: dynamodb.to_owned(), ec2: ec2.to_owned() })
        .http_client(client)
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .retry_config(RetryConfig::standard())
        .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(20)).build())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// Makes the table as `onnet policy` has it; by its own commands it is made in the test of the documentation.
pub(crate) async fn create(client: &Client, table: &str) -> Result<(), Box<dyn Error>> {
    let attribute = |name: &str| {
        let kind = ScalarAttributeType::S;
        AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
    };
    let keys = |names: [&str; 2]| -> Vec<KeySchemaElement> {
        let names = names.into_iter().zip([KeyType::Hash, KeyType::Range]);
        names
            .map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap())
            .collect()
    };
    let all = Projection::builder().projection_type(ProjectionType::All).build();
    let index = GlobalSecondaryIndex::builder().index_name("by-vpc").set_key_schema(Some(keys(["vpc", "instance"])));
    let request = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    request
        .set_attribute_definitions(Some(["pk", "sk", "vpc", "instance"].map(attribute).to_vec()))
        .set_key_schema(Some(keys(["pk", "sk"])))
        .global_secondary_indexes(index.projection(all).build()?)
        .send()
        .await?;
    let until = Instant::now() + PATIENCE;
    while !format!("{:?}", client.describe_table().table_name(table).send().await?)
        .contains("table_status: Some(Active)")
    {
        assert!(Instant::now() < until, "the table is not active");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
