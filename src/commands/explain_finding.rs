//! `onnet explain-finding`: what finding codes mean, from the catalogue of the judge.

use super::{Answer, Output};
use crate::cli::{Format, finding_code};
use clap::Args;
use onnet::{
    judge::{CatalogueEntry, catalogue},
    model::{FindingCatalogue, FindingCode, SCHEMA},
    present,
};

#[derive(Debug, Args)]
pub(crate) struct ExplainFindingArgs {
    /// The code of a finding, such as endpoint-not-associated [default: all, as a table].
    #[arg(value_parser = finding_code(), hide_possible_values = true)]
    code: Option<FindingCode>,

    /// How to print the explanation.
    #[arg(long, env = "ONNET_FORMAT", default_value = "text", value_name = "FORMAT", hide_env_values = true)]
    format: Format,
}

pub(crate) fn run(args: &ExplainFindingArgs) -> Answer {
    let is_wanted = |entry: &&CatalogueEntry| args.code.is_none_or(|code| entry.code == code);
    let findings: Vec<_> = catalogue().iter().filter(is_wanted).collect();
    let text = match (args.format, args.code) {
        (Format::Json, _) => {
            present::json(&FindingCatalogue { schema: SCHEMA, findings: findings.into_iter().copied().collect() })
        }
        (Format::Text, None) => present::finding_table(findings),
        (Format::Text, Some(_)) => findings.into_iter().map(present::finding_help).collect(),
    };
    Ok(Output::success(text))
}
