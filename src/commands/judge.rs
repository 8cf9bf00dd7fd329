//! `onnet judge`: the report on a saved snapshot.

use super::{Answer, Output};
use crate::cli::ReportFormat;
use clap::Args;
use onnet::{import::saved, judge};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct JudgeArgs {
    /// A saved snapshot, or a report in JSON; `-` is the standard input.
    file: PathBuf,

    /// How to print the report.
    #[arg(long, env = "ONNET_FORMAT", default_value = "text", value_name = "FORMAT", hide_env_values = true)]
    format: ReportFormat,
}

pub(crate) fn run(args: &JudgeArgs) -> Answer {
    Ok(Output::report(&judge::judge(saved::read(&args.file)?), args.format))
}
