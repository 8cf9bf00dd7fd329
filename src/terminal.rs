//! Standard output and standard error: answers, errors, usage errors and panics.

use crate::cli::Cli;
use clap::{
    CommandFactory,
    error::{ContextKind, ContextValue, ErrorKind},
};
use onnet::present;
use std::{
    any::Any,
    io::{self, Write},
    process::ExitCode,
};

/// The exit code of an error: UNKNOWN in the Nagios plugin guidelines.
pub(crate) const ERROR: u8 = 3;

/// Makes a panic, a library's included, an error with the exit code [`ERROR`].
///
/// By itself it ends in another code or in a signal, which monitoring systems do not know. A message that was put together
/// when it happened may hold anything, a secret too; it is left out, and the place where it happened says what it was about.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        print_error(&format!("this is a defect, please report it: panicked at {place}{}", message(panic.payload())));
        #[expect(
            clippy::disallowed_methods,
            reason = "a panic does not return to main, and aborts in a release build"
        )]
        std::process::exit(ERROR.into());
    }));
}

/// A literal. What was put together when it happened comes as a `String`.
fn message(payload: &dyn Any) -> String {
    payload.downcast_ref::<&'static str>().map_or(String::new(), |text| format!(": {text}"))
}

/// Prints to standard output, with colour if it is a terminal. A closed pipe is not an error.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => {
            done.map_err(|error| io::Error::new(error.kind(), format!("cannot write to the standard output: {error}")))
        }
    }
}

/// Prints an error to standard error on one line, without control characters.
pub(crate) fn print_error(problem: &str) {
    let _ = writeln!(anstream::stderr(), "onnet: {}", present::sanitized(problem)); // a failure cannot be reported anywhere
}

/// Prints an error of several lines. Each after the first is indented, so that none can pass for a message of its own.
pub(crate) fn print_errors(problem: &str) {
    let _ = writeln!(anstream::stderr(), "onnet: {}", indented(problem)); // a failure cannot be reported anywhere
}

fn indented(problem: &str) -> String {
    let lines = problem.split('\n').enumerate().map(|(number, line)| {
        let indent = if number == 0 || line.starts_with("  ") { "" } else { "  " };
        format!("{indent}{}", present::sanitized(line))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Prints what clap returns instead of a command: help and version (exit code 0), or a usage error.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return match print(&error.render().ansi().to_string()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(ERROR),
        };
    }
    let text = error.render().ansi().to_string().replacen("error:", "onnet:", 1) + &variable_of(error);
    let _ = anstream::stderr().write_all(text.as_bytes()); // a failure cannot be reported anywhere
    ExitCode::from(ERROR)
}

/// Names the variable that may hold the rejected value, which clap does not.
fn variable_of(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::UnknownArgument {
        return String::new();
    }
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) if flag.starts_with("--") => {
            let name = flag.trim_start_matches("--").split(' ').next().unwrap_or(flag);
            let variable = variable(name)
                .map(|name| format!("The variable {name} sets it too, where the command line does not.\n"));
            variable.unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// The variable of a flag, of whichever command.
fn variable(flag: &str) -> Option<String> {
    let onnet = Cli::command();
    let arguments = onnet.get_subcommands().chain([&onnet]).flat_map(|command| command.get_arguments());
    let of_flag = arguments.filter(|argument| argument.get_long() == Some(flag));
    of_flag.filter_map(|argument| Some(argument.get_env()?.to_str()?.to_owned())).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flags_variable_is_found_whatever_it_is_called() {
        assert_eq!(variable("timeout").as_deref(), Some("ONNET_TIMEOUT"));
        assert_eq!(variable("allowed-host").as_deref(), Some("ONNET_ALLOWED_HOSTS"));
        assert_eq!(variable("nowhere"), None);
    }

    #[test]
    fn a_panic_says_nothing_that_is_not_in_the_program() {
        assert_eq!(message(&"never"), ": never");
        assert_eq!(message(&format!("the key is {}", "PLANTED")), "");
        assert_eq!(message(&1), "");
    }

    #[test]
    fn no_line_after_the_first_begins_where_a_message_does() {
        let forged = "the API said \"no\nonnet: on-net\r\u{1b}[2K\u{2028}ok\u{202e}\"\n  a command";
        let lines = "the API said \"no\n  onnet: on-net\\u{d}\\u{1b}[2K\\u{2028}ok\\u{202e}\"\n  a command";
        assert_eq!(indented(forged), lines);
    }
}
