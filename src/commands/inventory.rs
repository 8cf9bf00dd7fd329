//! The VPCs that `explain` and `audit` judge: from AWS CLI files, or from the EC2 API.

use crate::{cli::InventoryArgs, terminal};
use onnet::{
    import::files::{self, FilesError},
    model::Inventory,
    observe::{
        aws::{Aws, AwsError},
        inventory::{self, Scope},
    },
};
use std::{net::IpAddr, path::Path};

/// The EC2 API cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot ask AWS")]
pub(super) struct AskError(#[from] AwsError);

/// Reads the files of `--from`, as far as they matter to DynamoDB or to `address`; `None` without the flag.
pub(super) fn read_files(args: &InventoryArgs, address: Option<IpAddr>) -> Result<Option<Inventory>, FilesError> {
    let region = args.region.as_deref();
    let read = |directory: &Path| match address {
        Some(address) => files::read_about(directory, region, address),
        None => files::read(directory, region),
    };
    let inventory = args.from.as_deref().map(read).transpose()?;
    if let Some(inventory) = &inventory {
        for what in &inventory.not_read {
            terminal::print_error(&format!("not read: {what}"));
        }
        if let Some(left_out) = left_out(inventory) {
            terminal::print_error(&left_out);
        }
    }
    Ok(inventory)
}

/// Which VPCs of the folder are not judged: the first few, and how many more there are.
fn left_out(inventory: &Inventory) -> Option<String> {
    const NAMED: usize = 5;
    let vpcs: Vec<&str> = inventory.left_out.iter().map(|vpc| vpc.as_str()).collect();
    let named = vpcs.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let region = &inventory.region;
    match (vpcs.len(), vpcs.len().saturating_sub(NAMED)) {
        (0, _) => None,
        (1, _) => Some(format!("left out: {named} is not in {region}")),
        (_, 0) => Some(format!("left out: {named} are not in {region}")),
        (_, more) => Some(format!("left out: {named} and {more} more are not in {region}")),
    }
}

/// The AWS configuration, with the Region of `--region`.
pub(super) async fn aws(args: &InventoryArgs) -> Result<Aws, AskError> {
    Ok(Aws::load(args.region.clone()).await?)
}

/// Asks the EC2 API.
pub(super) async fn describe(aws: &Aws, scope: &Scope, args: &InventoryArgs) -> Result<Inventory, AskError> {
    Ok(inventory::inventory(aws, scope, args.timeout.timeout).await?)
}
