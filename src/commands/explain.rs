//! `onnet explain`: which route of a subnet an address matches.

use super::{
    Answer, Output, block_on,
    inventory::{self, AskError},
};
use crate::cli::{Format, InventoryArgs, address};
use clap::Args;
use onnet::{
    judge,
    model::{Gap, Inventory, SubnetId},
    observe::{
        imds::{self, ImdsError},
        inventory::Scope,
    },
    present,
};
use std::{error::Error, net::IpAddr};

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The address packets go to, IPv4 or IPv6.
    #[arg(value_parser = address)]
    address: IpAddr,

    /// The subnet they come from [default: this instance's own; with --from, the only one there is].
    #[arg(long, env = "ONNET_SUBNET", value_name = "ID", hide_env_values = true)]
    subnet: Option<SubnetId>,

    #[command(flatten)]
    from: InventoryArgs,

    /// How to print the explanation.
    #[arg(long, env = "ONNET_FORMAT", default_value = "text", value_name = "FORMAT", hide_env_values = true)]
    format: Format,
}

/// Why the subnet and its VPC cannot be read from AWS.
#[derive(Debug, thiserror::Error)]
enum ExplainError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("this instance's own subnet is not known; say which one with --subnet ID, or read files with --from DIR")]
    OwnSubnet(#[source] ImdsError),
    #[error(
        "this instance's own subnet is not known, for its metadata lists no network interface; say which with --subnet ID"
    )]
    NoInterface,
    #[error("{subnet} cannot be looked up in {region} ({gap}); fix that, or read files with --from DIR")]
    Subnet { subnet: SubnetId, region: String, gap: Gap },
}

pub(crate) fn run(args: &ExplainArgs) -> Answer {
    if let Some(what) = judge::not_routed(args.address) {
        return Err(format!(
            "{} is {what}: no route table applies to it; name an address that is routed",
            args.address
        )
        .into());
    }
    let (subnet, inventory) = match inventory::read_files(&args.from, Some(args.address))? {
        Some(inventory) => (subnet_of_files(args.subnet.as_ref(), &inventory)?, inventory),
        None => block_on(describe(args))??,
    };
    let explanation = judge::explain(&inventory, &subnet, args.address)?;
    let text = match args.format {
        Format::Text => present::explanation(&explanation),
        Format::Json => present::json(&explanation),
    };
    Ok(Output { text, code: judge::explained_outcome(&explanation).exit_code() })
}

/// The subnet of `--subnet`, by default this instance's own, and its VPC, from the EC2 API.
async fn describe(args: &ExplainArgs) -> Result<(SubnetId, Inventory), ExplainError> {
    let aws = inventory::aws(&args.from).await?;
    let subnet = match &args.subnet {
        Some(subnet) => subnet.clone(),
        None => {
            let instance = imds::instance(aws.imds(), false).await.map_err(ExplainError::OwnSubnet)?;
            instance.interfaces.first().ok_or(ExplainError::NoInterface)?.subnet.clone()
        }
    };
    let inventory = inventory::describe(&aws, &Scope::Subnet(subnet.clone()), &args.from).await?;
    if let Some(gap) = inventory.subnets.gap() {
        return Err(ExplainError::Subnet { subnet, region: inventory.region, gap: gap.clone() });
    }
    Ok((subnet, inventory))
}

/// The subnet of `--subnet`, by default the only one in the files.
fn subnet_of_files(named: Option<&SubnetId>, inventory: &Inventory) -> Result<SubnetId, Box<dyn Error>> {
    if let Some(subnet) = named {
        return Ok(subnet.clone());
    }
    match inventory.subnets.get() {
        Ok(subnets) => match subnets.as_slice() {
            [only] => Ok(only.id.clone()),
            [] => Err("there is no subnet in the files; say which one with --subnet ID".into()),
            several => {
                let known: Vec<SubnetId> = several.iter().map(|subnet| subnet.id.clone()).collect();
                Err(format!("say which subnet with --subnet ID; {}", judge::known_subnets(&known)).into())
            }
        },
        Err(gap) => {
            let command = gap.command().map_or_else(String::new, |command| format!(":\n  {command}"));
            let why = gap.without_command();
            Err(format!("say which subnet with --subnet ID; the subnets are not known ({why}){command}").into())
        }
    }
}
