//! `check_onnet`: the name by which a monitoring system calls `onnet check --format nagios`.
//!
//! As its [guidelines](https://www.monitoring-plugins.org/doc/guidelines.html) have it: all on the standard output, one
//! line unless more is asked for; `-t`, `-v`, `-h` and `-V`; and a code that says unknown where nothing was looked at,
//! help and version included.

use crate::{ERROR, cli, live, print};
use clap::Parser;
use onnet::{observe::seen::chain, present};
use std::{ffi::OsStr, path::Path, process::ExitCode, time::Duration};

/// By which file name the plugin is called: a link to `onnet`.
const NAME: &str = "check_onnet";

/// Tells a monitoring system whether this EC2 instance's DynamoDB traffic takes a VPC endpoint.
#[derive(Debug, Parser)]
#[command(name = NAME, version, after_help = CODES)]
pub(crate) struct Plugin {
    /// How long the whole may take, in seconds or as 500ms; less than the 10 s that check_nrpe waits.
    #[arg(short, long, env = "ONNET_TIMEOUT", default_value = "9", value_name = "SECONDS", value_parser = seconds, hide_env_values = true, allow_negative_numbers = true)]
    timeout: Duration,

    #[command(flatten)]
    look: cli::Look,

    /// Print the report for people below the line.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

const CODES: &str = "\
Exit codes: 0 OK (on-net), 1 WARNING (at risk), 2 CRITICAL (off-net or dropped),
3 UNKNOWN (undetermined, a usage error, or this help).";

/// Whether a program called by this path is the plugin.
pub(crate) fn is_called(path: Option<&OsStr>) -> bool {
    path.is_some_and(|path| Path::new(path).file_name() == Some(OsStr::new(NAME)))
}

/// Looks once, and answers a monitoring system.
pub(crate) fn main() -> ExitCode {
    let (text, code) = Plugin::try_parse().map_or_else(|error| usage(&error), |plugin| plugin.answer());
    match print(&text) {
        Ok(()) => ExitCode::from(code),
        Err(_) => ExitCode::from(ERROR),
    }
}

/// What to print, and the exit code. Help and version are no state of anything.
fn usage(error: &clap::Error) -> (String, u8) {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return (text, ERROR);
    }
    let problem = text.lines().next().unwrap_or(&text).trim_start_matches("error: ");
    (present::nagios_unknown(&format!("{problem}; see {NAME} --help")), ERROR)
}

impl Plugin {
    fn answer(&self) -> (String, u8) {
        match crate::blocking(live::check(&self.look, self.timeout, Duration::ZERO, |_| ())) {
            Ok(report) => {
                let mut text = present::nagios(&report);
                if self.verbose > 0 {
                    // Lines after the first are for people, up to a `|`.
                    text += &present::text(&report).replace('|', "/");
                }
                (text, report.outcome.exit_code())
            }
            Err(error) => (present::nagios_unknown(&chain(&error)), ERROR),
        }
    }
}

/// A length of time; a number alone counts seconds, as for every plugin.
fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || "expected seconds, such as 9, or a length of time such as 500ms".to_owned();
    match text.parse::<u32>() {
        Ok(0) => Err(wrong()),
        Ok(seconds) => Ok(Duration::from_secs(seconds.into())),
        Err(_) => cli::duration(text).map_err(|_| wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Plugin::command().debug_assert();
    }

    #[test]
    fn the_plugin_is_called_by_its_own_name_alone() {
        for path in ["check_onnet", "/usr/lib/nagios/plugins/check_onnet"] {
            assert!(is_called(Some(OsStr::new(path))), "{path}");
        }
        for path in ["onnet", "/usr/bin/onnet", "/opt/check_onnet/onnet", "check_onnet.sh", ""] {
            assert!(!is_called(Some(OsStr::new(path))), "{path}");
        }
        assert!(!is_called(None));
    }

    #[test]
    fn a_number_alone_counts_seconds() {
        assert_eq!(seconds("9"), Ok(Duration::from_secs(9)));
        assert_eq!(seconds("1500ms"), Ok(Duration::from_millis(1500)));
        for wrong in ["0", "0s", "-1", "soon", ""] {
            assert!(seconds(wrong).is_err(), "{wrong:?}");
        }
    }
}
