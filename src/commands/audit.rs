//! `onnet audit`: the egress path of every subnet of the VPCs.

use super::{
    Answer, Output, block_on,
    inventory::{self, AskError},
};
use crate::cli::{Format, InventoryArgs, RateArgs};
use clap::Args;
use onnet::{
    judge,
    model::{Inventory, VpcId},
    observe::{environment, inventory::Scope},
    present,
};

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Only this VPC [default: all].
    #[arg(long, env = "ONNET_VPC", value_name = "ID", hide_env_values = true)]
    vpc: Option<VpcId>,

    #[command(flatten)]
    from: InventoryArgs,

    #[command(flatten)]
    rates: RateArgs,

    /// How to print the audit.
    #[arg(long, env = "ONNET_FORMAT", default_value = "text", value_name = "FORMAT", hide_env_values = true)]
    format: Format,
}

pub(crate) fn run(args: &AuditArgs) -> Answer {
    let inventory = match inventory::read_files(&args.from, None)? {
        Some(inventory) => inventory,
        None => block_on(describe(args))??,
    };
    let audit = judge::audit(&inventory, args.vpc.as_ref()).with_nat_cost(args.rates.rates());
    // The Region of a folder need not be that of the shell in which a fix is pasted.
    let is_another = environment::region().is_some_and(|region| region != audit.region);
    let audit = if args.from.region.is_some() || is_another { audit.with_region_in_fixes() } else { audit };
    let text = match args.format {
        Format::Text => present::audit(&audit),
        Format::Json => present::json(&audit),
    };
    Ok(Output { text, code: audit.outcome.exit_code() })
}

/// The Region's VPCs, or the one that `--vpc` names.
async fn describe(args: &AuditArgs) -> Result<Inventory, AskError> {
    let scope = args.vpc.clone().map_or(Scope::Everything, Scope::Vpc);
    let aws = inventory::aws(&args.from).await?;
    inventory::describe(&aws, &scope, &args.from).await
}
