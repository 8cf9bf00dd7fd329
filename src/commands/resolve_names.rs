//! `onnet resolve-names`: what onnet starts to ask the C library, in a process that can be killed. `check` waits for it, and parsing the
//! command line of all other commands takes a third of the time that it needs to start.

use super::{Answer, Output};
use onnet::observe::dns;
use std::{env::ArgsOs, io};

/// Whether these are the arguments with which onnet starts itself.
pub(crate) fn is_called(mut arguments: ArgsOs) -> bool {
    arguments.len() == 2 && arguments.nth(1).is_some_and(|command| command == dns::COMMAND)
}

pub(crate) fn run() -> Answer {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    dns::answer(io::stdin().lock(), io::stdout())?;
    Ok(Output::success(String::new()))
}
