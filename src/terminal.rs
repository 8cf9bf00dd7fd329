//! Standard output and standard error: answers, errors, usage errors and panics.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use onnet::present;
use std::{
    io::{self, Write},
    process::ExitCode,
};

/// The exit code of an error: UNKNOWN in the Nagios plugin guidelines.
pub(crate) const ERROR: u8 = 3;

/// Makes a panic, a library's included, an error with the exit code [`ERROR`].
///
/// By itself it ends in another code or in a signal, which monitoring systems do not know.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        print_error(&format!("this is a defect, please report it: {panic}"));
        #[expect(
            clippy::disallowed_methods,
            reason = "a panic does not return to main, and aborts in a release build"
        )]
        std::process::exit(ERROR.into());
    }));
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

/// Prints an error to standard error, without control characters.
pub(crate) fn print_error(problem: &str) {
    let lines: Vec<_> = problem.lines().map(present::sanitized).collect();
    let _ = writeln!(anstream::stderr(), "onnet: {}", lines.join("\n")); // a failure cannot be reported anywhere
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
            let name = flag.trim_start_matches("--").split(' ').next().unwrap_or(flag).to_uppercase().replace('-', "_");
            format!("The variable ONNET_{name} sets it too, where the command line does not.\n")
        }
        _ => String::new(),
    }
}
