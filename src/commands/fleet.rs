//! `onnet fleet`: what the instances that share a table report of themselves.

use super::{Answer, Output, block_on};
use crate::cli::{ReportFormat, TimeoutArgs, region, table, vpc};
use clap::Args;
use onnet::{
    judge,
    model::{Fleet, VpcId, region_of_arn},
    observe::{
        aws::{Aws, AwsError},
        facts_table::{Statuses, statuses},
    },
    present,
};
use tokio::time::Instant;

#[derive(Debug, Args)]
pub(crate) struct FleetArgs {
    /// The table of DynamoDB that the instances report to (`onnet run --facts-table`).
    #[arg(long, env = "ONNET_FACTS_TABLE", value_name = "NAME|ARN", hide_env_values = true, value_parser = table)]
    facts_table: String,

    /// Only instances of this VPC; may be repeated [default: all].
    #[arg(
        long = "vpc",
        alias = "vpcs",
        env = "ONNET_VPC",
        value_name = "ID",
        value_delimiter = ',',
        hide_env_values = true,
        value_parser = vpc
    )]
    vpc: Vec<VpcId>,

    /// The Region [default: the SDK's choice].
    #[arg(long, env = "ONNET_REGION", value_name = "REGION", hide_env_values = true, value_parser = region)]
    region: Option<String>,

    /// How to print the fleet.
    #[arg(long, env = "ONNET_FORMAT", default_value = "text", value_name = "FORMAT", hide_env_values = true)]
    format: ReportFormat,

    #[command(flatten)]
    timeout: TimeoutArgs,
}

/// The table cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot ask AWS")]
struct AskError(#[from] AwsError);

pub(crate) fn run(args: &FleetArgs) -> Answer {
    let fleet = block_on(read(args))??;
    let text = match args.format {
        ReportFormat::Text => present::fleet(&fleet),
        ReportFormat::Json => present::json(&fleet),
        ReportFormat::Nagios => present::fleet_nagios(&fleet),
    };
    Ok(Output { text, code: fleet.outcome.exit_code() })
}

async fn read(args: &FleetArgs) -> Result<Fleet, AskError> {
    let deadline = Instant::now() + args.timeout.timeout;
    let aws = Aws::load(args.region.clone()).await?;
    let region = match region_of_arn(&args.facts_table) {
        Some(region) => region.to_owned(),
        None => aws.region().await.map_err(AwsError::NoRegion)?,
    };
    let config = aws.sdk_config(&region);
    let Statuses { statuses, read_at, problems } = statuses(&config, &args.facts_table, &args.vpc, deadline).await;
    Ok(judge::fleet(args.facts_table.clone(), read_at, statuses, problems))
}
