//! `onnet schema`: the JSON Schemas of the documents, as they are in the files beside this one.

use super::{Answer, Output};
use crate::cli::Document;
use clap::Args;
use flate2::read::ZlibDecoder;
use onnet::present::Contract;
use std::io::Read;

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Which document.
    #[arg(value_name = "DOCUMENT", default_value = "report")]
    contract: Document,
}

pub(crate) fn run(args: &SchemaArgs) -> Answer {
    let Document(contract) = args.contract;
    let mut schema = String::new();
    ZlibDecoder::new(packed(contract)).read_to_string(&mut schema)?;
    Ok(Output::success(schema))
}

/// What the build script made of the file.
macro_rules! packed {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".z"))
    };
}

fn packed(contract: Contract) -> &'static [u8] {
    match contract {
        Contract::Report => packed!("report"),
        Contract::Snapshot => packed!("snapshot"),
        Contract::Explain => packed!("explain"),
        Contract::Audit => packed!("audit"),
        Contract::ExplainFinding => packed!("explain-finding"),
        Contract::Fleet => packed!("fleet"),
    }
}
