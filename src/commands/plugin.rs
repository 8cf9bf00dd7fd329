//! `check_onnet`: the name by which a monitoring system calls `onnet check --format nagios`.
//!
//! It follows the [guidelines](https://www.monitoring-plugins.org/doc/guidelines.html): all output on standard output, one
//! line without `-v`; the flags `-t`, `-v`, `-h` and `-V`; and the exit code UNKNOWN where nothing was checked, help and
//! version included.

use super::{Output, block_on, check::check};
use crate::{
    cli::{CollectArgs, duration},
    terminal::{ERROR, print},
};
use clap::Parser;
use onnet::{observe::seen::chain, present};
use std::{ffi::OsStr, path::Path, process::ExitCode, time::Duration};

/// The file name of the plugin: a link to `onnet`.
const NAME: &str = "check_onnet";

/// Reports to a monitoring system whether this EC2 instance's DynamoDB traffic takes a VPC endpoint.
#[derive(Debug, Parser)]
#[command(name = NAME, version, after_help = CODES)]
pub(crate) struct Plugin {
    /// Deadline of the whole command, in seconds or as 500ms; less than the 10 s that check_nrpe waits.
    #[arg(short, long, env = "ONNET_TIMEOUT", default_value = "9", value_name = "SECONDS", value_parser = seconds, hide_env_values = true, allow_negative_numbers = true)]
    timeout: Duration,

    #[command(flatten)]
    collect: CollectArgs,

    /// Print the report for people below the line.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

const CODES: &str = "\
Exit codes: 0 OK (on-net), 1 WARNING (at risk), 2 CRITICAL (off-net or dropped),
3 UNKNOWN (undetermined, a usage error, or this help).";

/// Whether a program with this path is the plugin.
pub(crate) fn is_called(path: Option<&OsStr>) -> bool {
    path.is_some_and(|path| Path::new(path).file_name() == Some(OsStr::new(NAME)))
}

/// Runs one check and prints the plugin's output.
pub(crate) fn main() -> ExitCode {
    let Output { text, code } = Plugin::try_parse().map_or_else(|error| usage(&error), |plugin| plugin.run());
    match print(&text) {
        Ok(()) => ExitCode::from(code),
        Err(_) => ExitCode::from(ERROR),
    }
}

/// Help and version are not a state of the path, so their exit code is UNKNOWN too.
fn usage(error: &clap::Error) -> Output {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return Output { text, code: ERROR };
    }
    let problem = text.lines().next().unwrap_or(&text).trim_start_matches("error: ");
    unknown(&format!("{problem}; see {NAME} --help"))
}

fn unknown(problem: &str) -> Output {
    Output { text: present::nagios_unknown(problem), code: ERROR }
}

impl Plugin {
    fn run(&self) -> Output {
        match block_on(check(&self.collect, self.timeout, Duration::ZERO, |_| ())) {
            Ok(report) => {
                let mut text = present::nagios(&report);
                if self.verbose > 0 {
                    // In the lines after the first, a `|` begins performance data.
                    text += &present::text(&report).replace('|', "/");
                }
                Output { text, code: report.outcome.exit_code() }
            }
            Err(error) => unknown(&chain(&error)),
        }
    }
}

/// A length of time; a number without a unit is in seconds, as for every plugin.
fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || "expected seconds, such as 9, or a length of time such as 500ms".to_owned();
    match text.parse::<u32>() {
        Ok(0) => Err(wrong()),
        Ok(seconds) => Ok(Duration::from_secs(seconds.into())),
        Err(_) => duration(text).map_err(|_| wrong()),
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
