//! `onnet resolve-names`: what onnet starts to ask the C library, in a process that can be killed.

use super::{Answer, Output};
use onnet::observe::dns;
use std::io;

pub(crate) fn run() -> Answer {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    dns::answer(io::stdin().lock(), io::stdout())?;
    Ok(Output::success(String::new()))
}
