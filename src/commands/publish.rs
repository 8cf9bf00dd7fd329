//! `onnet publish`: the facts of VPCs, put into a table once. For a timer, a job or a function where the EC2 API can be reached.

use super::{Answer, Output, block_on};
use crate::cli::{TimeoutArgs, account, published_period, region, table, vpc};
use clap::Args;
use onnet::{
    model::{AccountId, Gap, VpcId},
    observe::{
        aws::{Aws, AwsError},
        facts_table::{Asker, FactsSettings, FactsTable, KeyError, Once, Role, SigningKey, TrustedKey, vpcs_of},
        imds,
    },
};
use std::{
    collections::BTreeSet,
    fmt::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// The table of DynamoDB to put the facts into.
    #[arg(long, env = "ONNET_FACTS_TABLE", value_name = "NAME|ARN", hide_env_values = true, value_parser = table, required = true)]
    facts_table: String,

    /// Publish this VPC; may be repeated.
    #[arg(
        long = "vpc",
        alias = "vpcs",
        env = "ONNET_VPC",
        value_name = "ID",
        value_delimiter = ',',
        hide_env_values = true,
        value_parser = vpc,
        required_unless_present = "all"
    )]
    vpc: Vec<VpcId>,

    /// Publish every VPC of the account in the Region.
    #[arg(long, env = "ONNET_ALL", hide_env_values = true, conflicts_with = "vpc")]
    all: bool,

    #[command(flatten)]
    key: SignArgs,

    /// How often this command is run: readers use its facts for three times as long, at most.
    #[arg(long, env = "ONNET_EVERY", default_value = "5m", value_parser = published_period, value_name = "PERIOD", hide_env_values = true)]
    every: Duration,

    /// The account whose credentials are used [default: what the credentials or instance metadata say].
    #[arg(long, env = "ONNET_ACCOUNT", value_name = "ID", hide_env_values = true, value_parser = account)]
    account: Option<AccountId>,

    /// What readers call this publisher in their reports [default: the host name].
    #[arg(long, env = "ONNET_PUBLISHER", value_name = "NAME", hide_env_values = true)]
    publisher: Option<String>,

    /// The Region [default: the SDK's choice].
    #[arg(long, env = "ONNET_REGION", value_name = "REGION", hide_env_values = true, value_parser = region)]
    region: Option<String>,

    #[command(flatten)]
    timeout: TimeoutArgs,
}

/// The key of a publisher.
#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// Sign the facts with this ed25519 key, a file in PEM that no one else may read (mode 600, or systemd's LoadCredential).
    #[arg(long, env = "ONNET_FACTS_SIGN_KEY", value_name = "FILE", hide_env_values = true)]
    facts_sign_key: Option<PathBuf>,
}

impl SignArgs {
    /// The key, if there is one.
    pub(crate) fn key(&self) -> Result<Option<Arc<SigningKey>>, KeyError> {
        self.facts_sign_key.as_deref().map(|path: &Path| SigningKey::read(path).map(Arc::new)).transpose()
    }
}

/// Why nothing can be published.
#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error("cannot ask AWS")]
    Aws(#[from] AwsError),
    #[error("cannot use the key")]
    Key(#[from] KeyError),
    #[error("no credentials: {0}")]
    Credentials(Gap),
    #[error("the account of the credentials is not known: give it with --account")]
    NoAccount,
    #[error("the VPCs of the Region cannot be listed: {0}")]
    NoVpcs(Gap),
}

pub(crate) fn run(args: &PublishArgs) -> Answer {
    Ok(block_on(publish(args))??)
}

async fn publish(args: &PublishArgs) -> Result<Output, PublishError> {
    let deadline = Instant::now() + args.timeout.timeout;
    let key = args.key.key()?;
    let public = key.as_ref().map(|key| key.public());
    let aws = Aws::load(args.region.clone()).await?;
    let region = aws.region().await.map_err(AwsError::NoRegion)?;
    let account = account_of(args, &aws).await?;
    let config = aws.sdk_config(&region);
    let vpcs = if args.all {
        vpcs_of(&config, &account, deadline).await.map_err(PublishError::NoVpcs)?
    } else {
        args.vpc.clone()
    };
    let name = args.publisher.clone().unwrap_or_else(host_name);
    let asker = Asker { name, accounts: BTreeSet::from([account]), vpcs, subnets: BTreeSet::new(), region };
    let settings = FactsSettings {
        table: args.facts_table.clone(),
        role: Role::Publish(key),
        // What others published counts only if it is signed as this is.
        trust: public.into_iter().collect(),
        period: args.every,
        spot_check_every: None,
    };
    let published = FactsTable::new(settings).publish_once(&config, &asker, deadline.into()).await;
    let failed = published.iter().any(|(_, published)| published.is_err());
    Ok(Output {
        text: text(&args.facts_table, &published, public),
        code: if failed { crate::terminal::ERROR } else { 0 },
    })
}

/// A line for each VPC.
fn text(table: &str, published: &[(VpcId, Result<Once, Gap>)], key: Option<TrustedKey>) -> String {
    let mut text = String::new();
    for (vpc, published) in published {
        // Writing to a String does not fail.
        let _ = match published {
            Ok(Once::Published { tables, incomplete, items }) => {
                let incomplete = match &incomplete[..] {
                    [] => String::new(),
                    gaps => format!(", without {}", gaps.join(", ")),
                };
                writeln!(text, "{vpc}: published, {tables} route tables{incomplete} ({items} items written)")
            }
            Ok(Once::Others { publisher }) => {
                writeln!(text, "{vpc}: {publisher} published it less than half a period ago")
            }
            Err(gap) => writeln!(text, "{vpc}: NOT published: {gap}"),
        };
    }
    if published.is_empty() {
        text.push_str("no VPC of the account in the Region\n");
    }
    let _ = match key {
        Some(key) => writeln!(text, "table {table}; readers trust it with: --facts-trust {key}"),
        None => writeln!(text, "table {table}; not signed: --facts-sign-key signs"),
    };
    text
}

async fn account_of(args: &PublishArgs, aws: &Aws) -> Result<AccountId, PublishError> {
    if let Some(account) = &args.account {
        return Ok(account.clone());
    }
    let credentials = aws.credentials().await.map_err(PublishError::Credentials)?;
    if let Some(account) = credentials.account_id() {
        return Ok(account.as_str().into());
    }
    let instance = imds::instance(aws.imds(), false).await.ok();
    let owner = instance.and_then(|instance| instance.interfaces.first()?.owner.seen().cloned());
    owner.ok_or(PublishError::NoAccount)
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "onnet publish".to_owned() } else { name }
}
