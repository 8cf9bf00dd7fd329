//! `onnet resolve-names`: what onnet starts to ask the C library, in a process that can be killed.

use super::{Answer, Output};
use onnet::observe::dns;
use std::io;

pub(crate) fn run() -> Answer {
    dns::answer(io::stdin().lock(), io::stdout().lock())?;
    Ok(Output::success(String::new()))
}
