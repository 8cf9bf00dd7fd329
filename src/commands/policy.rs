//! `onnet policy`: the IAM policies by which DynamoDB can say how requests come, and those of a table of shared facts.

use super::{Answer, Output, block_on};
use crate::cli::{account, is_number, table, vpc};
use clap::{Args, ValueEnum};
use onnet::{
    model::{AccountId, Gap, VpcId},
    observe::{aws::Aws, environment, imds},
    present::{
        FactsPiece, FactsRights, PolicyKind, TableHome, facts_json, facts_pieces, facts_terraform, policy_json,
        policy_terraform,
    },
};

#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    /// Print the denies for roles that allow dynamodb:*, in place of what the role is allowed.
    #[arg(long, env = "ONNET_GUARD", conflicts_with = "endpoint_policy", hide_env_values = true)]
    guard: bool,

    /// Print what the policy of a VPC endpoint has to allow, if it does not allow everything.
    #[arg(long, env = "ONNET_ENDPOINT_POLICY", hide_env_values = true)]
    endpoint_policy: bool,

    /// Print instead what makes this table of shared facts, and the policies of those who use it.
    #[arg(long, env = "ONNET_FACTS_TABLE", value_name = "NAME|ARN", hide_env_values = true, value_parser = facts_table, conflicts_with_all = ["guard", "endpoint_policy"])]
    facts_table: Option<TableOfFacts>,

    /// With --facts-table: print one of these alone.
    #[arg(long, env = "ONNET_FACTS_ROLE", value_name = "ROLE", hide_env_values = true, requires = "facts_table")]
    facts_role: Option<FactsRole>,

    /// With --facts-table: facts of this VPC, for credentials that name none, as of ECS, IRSA or CI; may be repeated [default: the VPC that an instance's credentials name].
    #[arg(long = "vpc", alias = "vpcs", env = "ONNET_VPC", value_name = "ID", value_delimiter = ',', hide_env_values = true, value_parser = vpc, requires = "facts_table")]
    vpc: Vec<VpcId>,

    /// With --facts-table: the status of this instance, for the same credentials; may be repeated [default: the instance that its credentials name].
    #[arg(long = "instance", alias = "instances", env = "ONNET_INSTANCE", value_name = "ARN", value_delimiter = ',', hide_env_values = true, value_parser = instance, requires = "facts_table")]
    instance: Vec<InstanceArn>,

    /// With the ARN of the table: the account of roles that use it; may be repeated. Where it is another one than the table's, the table needs a policy of its own.
    #[arg(long = "account", alias = "accounts", env = "ONNET_ACCOUNT", value_name = "ID", value_delimiter = ',', hide_env_values = true, value_parser = account, requires = "facts_table")]
    account: Vec<AccountId>,

    /// The partition of the ARNs, such as aws or aws-cn [default: the instance's, from instance metadata].
    #[arg(long, env = "ONNET_PARTITION", value_name = "PARTITION", hide_env_values = true, value_parser = partition)]
    partition: Option<String>,

    /// How to print the policy.
    #[arg(long, env = "ONNET_FORMAT", default_value = "json", value_name = "FORMAT", hide_env_values = true)]
    format: PolicyFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PolicyFormat {
    /// A policy document for the AWS CLI; of a table, the AWS CLI's commands.
    Json,
    /// A data source of Terraform's AWS provider; of a table, a resource.
    Terraform,
}

/// A [`FactsPiece`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FactsRole {
    /// The policy of an instance's role that reads facts.
    Reader,
    /// The policy of an instance's role that makes spot checks of facts.
    SpotCheck,
    /// The policy of a role that publishes facts.
    Publisher,
    /// The policy of a role that reads the status of all instances.
    Fleet,
    /// What the policy of a VPC endpoint has to allow, if it does not allow everything.
    Endpoint,
    /// What makes the table.
    Table,
    /// The table's own policy, for roles of other accounts.
    TablePolicy,
}

impl FactsRole {
    fn piece(self) -> FactsPiece {
        match self {
            Self::Reader => FactsPiece::Reader,
            Self::SpotCheck => FactsPiece::SpotCheck,
            Self::Publisher => FactsPiece::Publisher,
            Self::Fleet => FactsPiece::Fleet,
            Self::Endpoint => FactsPiece::Endpoint,
            Self::Table => FactsPiece::Table,
            Self::TablePolicy => FactsPiece::TablePolicy,
        }
    }
}

/// The name or ARN of the table.
#[derive(Clone, Debug)]
struct TableOfFacts {
    name: String,
    /// Of its ARN: the partition, and where it is.
    of_arn: Option<(String, TableHome)>,
}

/// The ARN of an instance.
#[derive(Clone, Debug)]
struct InstanceArn {
    arn: String,
    partition: String,
    account: AccountId,
}

#[derive(Debug, thiserror::Error)]
enum PolicyError {
    #[error("the partition is not known: {0}; give --partition aws, aws-cn or aws-us-gov")]
    NoPartition(Gap),
    #[error("{0} and {1} are partitions of their own: the table, --instance and --partition have to be of the same")]
    Partitions(String, String),
    #[error(
        "--account needs the ARN of the table, which says whose it is, such as --facts-table arn:aws:dynamodb:us-east-1:111122223333:table/{0}"
    )]
    WhoseTable(String),
    #[error("no role of another account uses the table: give its ARN, and their account with --account")]
    NoOtherAccount,
}

pub(crate) fn run(args: &PolicyArgs) -> Answer {
    if let Some(table) = &args.facts_table {
        return facts(args, table);
    }
    let kind = match (args.guard, args.endpoint_policy) {
        (true, _) => PolicyKind::Guard,
        (false, true) => PolicyKind::Endpoint,
        (false, false) => PolicyKind::Role,
    };
    let partition = match &args.partition {
        Some(partition) => partition.clone(),
        None => block_on(of_instance())?.map_err(PolicyError::NoPartition)?,
    };
    Ok(Output::success(match args.format {
        PolicyFormat::Json => policy_json(kind, &partition),
        PolicyFormat::Terraform => policy_terraform(kind, &partition),
    }))
}

fn facts(args: &PolicyArgs, table: &TableOfFacts) -> Answer {
    if table.of_arn.is_none() && !args.account.is_empty() {
        return Err(PolicyError::WhoseTable(table.name.clone()).into());
    }
    let of_table = table.of_arn.iter().map(|(partition, _)| partition.as_str());
    let of_instances = args.instance.iter().map(|instance| instance.partition.as_str());
    let mut partitions = of_table.chain(of_instances).chain(args.partition.as_deref());
    let partition = match partitions.next() {
        Some(first) => match partitions.find(|other| *other != first) {
            Some(other) => return Err(PolicyError::Partitions(first.to_owned(), other.to_owned()).into()),
            None => first.to_owned(),
        },
        // What makes the table has no ARN.
        None if matches!(args.facts_role, Some(FactsRole::Table)) => "aws".to_owned(),
        None => block_on(of_instance())?.map_err(PolicyError::NoPartition)?,
    };
    let of_instances = args.instance.iter().map(|instance| &instance.account);
    let rights = FactsRights {
        partition,
        table: table.name.clone(),
        home: table.of_arn.as_ref().map(|(_, home)| home.clone()),
        vpcs: args.vpc.iter().cloned().collect(),
        instances: args.instance.iter().map(|instance| instance.arn.clone()).collect(),
        accounts: args.account.iter().chain(of_instances).cloned().collect(),
    };
    let print = match args.format {
        PolicyFormat::Json => facts_json,
        PolicyFormat::Terraform => facts_terraform,
    };
    Ok(Output::success(match args.facts_role {
        None => facts_pieces(&rights, print),
        Some(FactsRole::TablePolicy) if rights.other_accounts().is_empty() => {
            return Err(PolicyError::NoOtherAccount.into());
        }
        Some(role) => print(&rights, role.piece()),
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

fn facts_table(text: &str) -> Result<TableOfFacts, String> {
    let text = table(text)?;
    let parts: Vec<&str> = text.split(':').collect();
    let [_, of, _, region, owner, resource] = parts[..] else { return Ok(TableOfFacts { name: text, of_arn: None }) };
    let home = TableHome { region: region.to_owned(), account: owner.into() };
    let name = resource.trim_start_matches("table/").to_owned();
    Ok(TableOfFacts { name, of_arn: Some((partition(of)?, home)) })
}

fn instance(text: &str) -> Result<InstanceArn, String> {
    let read = || match text.split(':').collect::<Vec<_>>()[..] {
        ["arn", of, "ec2", region, owner, id] => {
            let is_instance = id.strip_prefix("instance/i-").is_some_and(is_number);
            let fits = is_instance && crate::cli::region(region).is_ok();
            let (of, owner) = (partition(of).ok()?, account(owner).ok()?);
            fits.then(|| InstanceArn { arn: text.to_owned(), partition: of, account: owner })
        }
        _ => None,
    };
    read().ok_or_else(|| {
        "expected an instance's ARN, such as arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0".to_owned()
    })
}
