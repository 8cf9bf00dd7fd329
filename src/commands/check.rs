//! `onnet check`: one round, or with `--wait` as many as it takes.

use super::{Answer, Output, block_on, status::local_controls, supervise};
use crate::{
    cli::{CollectArgs, ReportFormat, TimeoutArgs, wait},
    terminal,
};
use clap::Args;
use onnet::{
    engine::{CollectSettings, once},
    import::saved,
    judge::{self, judge},
    model::Report,
    present,
};
use std::{path::PathBuf, time::Duration};
use tokio::time::{Instant, sleep};

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// How to print the report.
    #[arg(long, env = "ONNET_FORMAT", default_value = "text", value_name = "FORMAT", hide_env_values = true)]
    format: ReportFormat,

    /// Also print every network interface of the instance, judged by its subnet's route table (text; JSON always has them).
    #[arg(long, env = "ONNET_ALL_INTERFACES", hide_env_values = true)]
    all_interfaces: bool,

    /// Also write all collected facts to this file, for `onnet judge`.
    #[arg(long, env = "ONNET_SAVE", value_name = "FILE", hide_env_values = true)]
    save: Option<PathBuf>,

    /// Check again until DynamoDB traffic is known to be on-net (exit code 0, or 1 where no fact is missing), for up to this
    /// long; or `forever`.
    #[arg(long, env = "ONNET_WAIT", default_value = "0s", value_name = "TIME", value_parser = wait, hide_env_values = true, overrides_with = "wait")]
    wait: Duration,

    /// The process that started this check, to start it again where it is killed.
    #[arg(long, hide = true, value_name = "PID")]
    supervised_by: Option<u32>,

    #[command(flatten)]
    timeout: TimeoutArgs,

    #[command(flatten)]
    collect: CollectArgs,
}

pub(crate) fn run(args: &CheckArgs) -> Answer {
    match args.supervised_by {
        Some(parent) => supervise::end_with(parent)?,
        None if !args.wait.is_zero() && cfg!(target_os = "linux") => return supervise::run(args.wait),
        None => {}
    }
    let mut last = String::new();
    let print_change = |report: &Report| {
        let line = format!("{}, waiting: {}", report.outcome, report.summary);
        if last != line {
            terminal::print_error(&line);
            last = line;
        }
    };
    let report = block_on(check(&args.collect, args.timeout.timeout, args.wait, print_change))?;
    let saved = args.save.as_deref().map_or(Ok(()), |file| saved::write(file, &report.snapshot));
    let mut output = Output::report(&report, args.format);
    if args.all_interfaces && matches!(args.format, ReportFormat::Text) {
        output.text.push_str(&present::interfaces(&report));
    }
    if let Err(error) = saved {
        // The report is valid even though the file cannot be written.
        terminal::print(&output.text)?;
        return Err(error.into());
    }
    Ok(output)
}

/// The pause after a round that is not the last: the first one, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// Runs rounds until traffic is known to be on-net ([`Report::is_on_net`]), or `wait` is over; one round at least. `retry` gets the report
/// of each round that is not the last.
pub(super) async fn check(
    collect: &CollectArgs,
    timeout: Duration,
    wait: Duration,
    mut retry: impl FnMut(&Report),
) -> Report {
    let started = Instant::now();
    let [mut pause, longest] = PAUSES;
    let mut controls = if collect.witness { local_controls().await } else { Vec::new() };
    loop {
        let settings = CollectSettings { controls, ..collect.settings(timeout) };
        let report = judge(once(&settings).await);
        controls = judge::controls(&report.snapshot, report.taken_at);
        let is_right = report.is_on_net() == Some(true);
        if is_right || started.elapsed() >= wait {
            return report;
        }
        retry(&report);
        // Up to half as long again, at random: instances that wait for the same route do not poll in step.
        let left = wait.saturating_sub(started.elapsed());
        sleep(pause.mul_f64(1.0 + fastrand::f64() / 2.0).min(left)).await;
        pause = (pause * 2).min(longest);
    }
}
