//! The flags of `onnet run` that say how often each source is collected. They follow from the table of the sources, and so does the
//! flag of a new one.

use crate::cli::period;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use onnet::model::{BySource, Source};
use std::{fmt, time::Duration};

/// How often each source is collected.
#[derive(Clone, Copy)]
pub(crate) struct PeriodArgs(pub(crate) BySource<Duration>);

impl Args for PeriodArgs {
    fn augment_args(command: Command) -> Command {
        command.args(Source::ALL.iter().copied().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(source: Source) -> Arg {
    let id = id(source);
    Arg::new(&id)
        .long(id.replace('_', "-"))
        .env(format!("ONNET_{}", id.to_uppercase()))
        .default_value(humantime::format_duration(source.period()).to_string())
        .help(source.period_help())
        .value_name("PERIOD")
        .value_parser(period)
        .hide_env_values(true)
}

/// What clap knows the flag by.
fn id(source: Source) -> String {
    format!("{source}_every")
}

impl FromArgMatches for PeriodArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        // The default is the same: clap gives it where nothing else is given.
        let period = |source: Source| matches.get_one(&id(source)).copied().unwrap_or_else(|| source.period());
        Ok(Self(BySource::from_fn(period)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// As in `imds 1m, dns 15s`.
impl fmt::Debug for PeriodArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (source, period)) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            write!(f, "{separator}{source} {}", humantime::format_duration(*period))?;
        }
        Ok(())
    }
}
