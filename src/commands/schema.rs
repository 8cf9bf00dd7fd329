//! `onnet schema`: the JSON Schemas of the documents.

use super::{Answer, Output};
use crate::cli::Document;
use clap::Args;
use onnet::present;

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Which document.
    #[arg(value_name = "DOCUMENT", default_value = "report")]
    contract: Document,
}

pub(crate) fn run(args: &SchemaArgs) -> Answer {
    let Document(contract) = args.contract;
    Ok(Output::success(present::schema(contract)))
}
