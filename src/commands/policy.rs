//! `onnet policy`: the IAM policies by which DynamoDB can say how requests come.

use super::{Answer, Output, block_on};
use clap::{Args, ValueEnum};
use onnet::{
    model::Gap,
    observe::{aws::Aws, environment, imds},
    present::{PolicyKind, policy_json, policy_terraform},
};

#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    /// Print the denies for roles that allow dynamodb:*, in place of what the role is allowed.
    #[arg(long, env = "ONNET_GUARD", conflicts_with = "endpoint_policy", hide_env_values = true)]
    guard: bool,

    /// Print what the policy of a VPC endpoint has to allow, if it does not allow everything.
    #[arg(long, env = "ONNET_ENDPOINT_POLICY", hide_env_values = true)]
    endpoint_policy: bool,

    /// The partition of the ARNs, such as aws or aws-cn [default: the instance's, from instance metadata].
    #[arg(long, env = "ONNET_PARTITION", value_name = "PARTITION", hide_env_values = true, value_parser = partition)]
    partition: Option<String>,

    /// How to print the policy.
    #[arg(long, env = "ONNET_FORMAT", default_value = "json", value_name = "FORMAT", hide_env_values = true)]
    format: PolicyFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PolicyFormat {
    /// A policy document for the AWS CLI.
    Json,
    /// A data source of Terraform's AWS provider.
    Terraform,
}

#[derive(Debug, thiserror::Error)]
#[error("the partition is not known: {0}; give --partition aws, aws-cn or aws-us-gov")]
struct NoPartition(Gap);

pub(crate) fn run(args: &PolicyArgs) -> Answer {
    let kind = match (args.guard, args.endpoint_policy) {
        (true, _) => PolicyKind::Guard,
        (false, true) => PolicyKind::Endpoint,
        (false, false) => PolicyKind::Role,
    };
    let partition = match &args.partition {
        Some(partition) => partition.clone(),
        None => block_on(of_instance())?.map_err(NoPartition)?,
    };
    Ok(Output::success(match args.format {
        PolicyFormat::Json => policy_json(kind, &partition),
        PolicyFormat::Terraform => policy_terraform(kind, &partition),
    }))
}

async fn of_instance() -> Result<String, Gap> {
    if environment::metadata_disabled() {
        return Err(Gap::Disabled { detail: "AWS_EC2_METADATA_DISABLED is set".to_owned() });
    }
    let aws = Aws::load(None).await.map_err(|error| error.gap())?;
    let found = imds::partition(aws.imds()).await.map_err(|error| error.gap())?;
    partition(&found).map_err(|detail| Gap::Malformed { detail })
}

/// It becomes part of ARNs.
fn partition(text: &str) -> Result<String, String> {
    let is_partition = text.starts_with("aws") && text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    if is_partition { Ok(text.to_owned()) } else { Err("expected a partition, such as aws or aws-cn".to_owned()) }
}
