//! `onnet status`: what the daemon says, as far as it still holds.

use crate::{
    Answer, ERROR, blocking,
    cli::{self, ReportFormat},
    report,
};
use onnet::{
    judge,
    observe::{
        daemon::{self, Access, Answered},
        seen::chain,
    },
    present, watch,
};
use std::error::Error;

/// What to print, and the exit code.
pub(crate) fn status(what: &cli::Status) -> Answer {
    match (ask(what), what.format) {
        (Ok(answered), format) => Ok(told(answered, format)),
        // Monitoring systems show the standard output alone.
        (Err(error), ReportFormat::Nagios) => Ok((present::nagios_unknown(&chain(&*error)), ERROR)),
        (Err(error), ReportFormat::Text | ReportFormat::Json) => Err(error),
    }
}

fn ask(what: &cli::Status) -> Result<Answered, Box<dyn Error>> {
    let access = Access {
        url: Access::url(&what.url)?,
        timeout: what.timeout,
        ca_file: what.ca_file.clone(),
        certificate: what.cert_file.clone().zip(what.key_file.clone()),
        user: what.user.clone().zip(what.password_file.clone()),
    };
    Ok(blocking(daemon::report(&access))??)
}

fn told(answered: Answered, format: ReportFormat) -> (String, u8) {
    let Answered { report: given, json } = answered;
    let holds = judge::as_of(given.clone(), watch::now().wall);
    match format {
        // As it was given: it may say more than this onnet knows.
        ReportFormat::Json if holds == given => (json, holds.outcome.exit_code()),
        ReportFormat::Json | ReportFormat::Text | ReportFormat::Nagios => report(&holds, format),
    }
}
