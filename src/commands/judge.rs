//! `onnet judge`: the report on a saved snapshot, or on a recording of the daemon.

use super::{Answer, Output};
use crate::{cli::ReportFormat, terminal::print_error};
use clap::Args;
use onnet::{
    engine::{Replay, is_recording, replay},
    import::saved,
    judge, present,
};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct JudgeArgs {
    /// A saved snapshot, a report in JSON, or what `run --record` wrote; `-` is the standard input.
    file: PathBuf,

    /// How to print the report.
    #[arg(long, env = "ONNET_FORMAT", default_value = "text", value_name = "FORMAT", hide_env_values = true)]
    format: ReportFormat,
}

pub(crate) fn run(args: &JudgeArgs) -> Answer {
    let (file, content) = saved::content(&args.file)?;
    if !is_recording(&content) {
        return Ok(Output::report(&judge::judge(saved::parse(&file, &content)?), args.format));
    }
    let replay = replay(&file, &content)?;
    remarks(&file, &replay).iter().for_each(|remark| print_error(remark));
    let report = Output::report(&replay.last, args.format);
    let changes = present::outcome_changes(&replay.changes);
    match args.format {
        ReportFormat::Text => Ok(Output { text: changes + "\n" + &report.text, ..report }),
        ReportFormat::Json | ReportFormat::Nagios => {
            changes.lines().for_each(print_error);
            Ok(report)
        }
    }
}

/// What a reader of a recording must know besides its reports.
fn remarks(file: &str, replay: &Replay) -> Vec<String> {
    let breaks_off = format!("{file} breaks off: the daemon did not end it");
    let differs = replay.differing.first().map(|(at, outcome)| {
        let (count, version) = (replay.differing.len(), &replay.header.version);
        format!("{count} reports differ from those of onnet {version}, which recorded {file}; the first, of {at}, was {outcome}")
    });
    (!replay.is_complete).then_some(breaks_off).into_iter().chain(differs).collect()
}
