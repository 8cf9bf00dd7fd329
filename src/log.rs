//! Log events to standard error: text or JSON, and with priorities where the journal reads them.

use crate::cli::{Cli, Command, LogFormat};
use onnet::present;
use std::{
    error::Error,
    fmt,
    io::{self, IsTerminal},
    str::FromStr,
};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::{
    filter::{FilterFn, Targets},
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{self, Writer},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

/// What the daemon logs unless told otherwise: its changes, and the errors of the libraries.
pub(crate) const DAEMON: &str = "onnet=info,error";

/// Whether an event or a span may be logged at all, whatever the filter asks for.
///
/// The AWS SDK writes settings, requests and answers into its events, at every level: credentials, session tokens, the
/// password of a URL. Only how it retries is let through. Of the other libraries `trace` is left out, where they write what
/// they send and receive.
fn may_be_logged(event: &Metadata<'_>) -> bool {
    let is_of = |module: &str| {
        event.target().strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    if ["onnet", "onnet_core"].into_iter().any(is_of) {
        return true;
    }
    let of_the_sdk = event.target().starts_with("aws_");
    *event.level() <= Level::DEBUG && (!of_the_sdk || is_of("aws_smithy_runtime::client::retries"))
}

/// One-shot commands log nothing unless asked: the report itself carries the gaps.
pub(crate) fn start(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let filter = match (&cli.log, cli.verbose) {
        (_, 1) => "onnet=info,warn",
        (_, 2) => "onnet=debug,info",
        (_, 3..) => "trace",
        (Some(filter), 0) => filter,
        (None, 0) if matches!(cli.command, Command::Run(_)) => DAEMON,
        (None, 0) => return Ok(()),
    };
    let filter = Targets::from_str(filter)
        .map_err(|error| format!("--log {filter}: {error}; expected a filter such as onnet=debug"))?;
    let cap = FilterFn::new(may_be_logged);
    let journal = is_journal();
    let colour = !journal && io::stderr().is_terminal() && cli.log_format == LogFormat::Text;
    let log = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_writer(io::stderr)
        .with_ansi(colour)
        // It would complain of a full disk on the same disk, and panic.
        .log_internal_errors(false);
    match (cli.log_format, journal) {
        // The journal has the time and the unit.
        (LogFormat::Text, true) => log
            .event_format(Line {
                inner: format::format().with_target(false).with_ansi(false).without_time(),
                journal,
                colour,
            })
            .finish()
            .with(filter)
            .with(cap)
            .init(),
        (LogFormat::Text, false) => log
            .event_format(Line { inner: format::format().with_target(false).with_ansi(colour), journal, colour })
            .finish()
            .with(filter)
            .with(cap)
            .init(),
        (LogFormat::Json, _) => {
            let inner = format::format().with_target(false).json().flatten_event(true);
            let log = log.fmt_fields(format::JsonFields::new()).event_format(Line { inner, journal, colour });
            log.finish().with(filter).with(cap).init();
        }
    }
    Ok(())
}

/// Whether standard error is what systemd connected to the journal, and not something it was redirected to since.
///
/// <https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#%24JOURNAL_STREAM>
#[cfg(target_os = "linux")]
fn is_journal() -> bool {
    use std::os::unix::fs::MetadataExt;
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else { return false };
    std::fs::metadata("/proc/self/fd/2")
        .is_ok_and(|stderr| stream.to_str() == Some(&format!("{}:{}", stderr.dev(), stderr.ino())))
}

#[cfg(not(target_os = "linux"))]
fn is_journal() -> bool {
    false
}

/// One event, one line, whatever a server put into an error; with the priority in front that the journal takes off again.
struct Line<F> {
    inner: F,
    journal: bool,
    colour: bool,
}

impl<S, N, F> FormatEvent<S, N> for Line<F>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if self.journal {
            write!(out, "<{}>", priority(*event.metadata().level()))?;
        }
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end_matches('\n');
        if self.colour { writeln!(out, "{line}") } else { writeln!(out, "{}", present::sanitized(line)) }
    }
}

/// As syslog numbers them: error, warning, informational, debug.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use std::sync::{Arc, Mutex};

    /// What is logged in `journal` fashion while `events` runs.
    fn logged(journal: bool, events: impl FnOnce()) -> String {
        logged_through(FilterFn::new(|_| true), journal, events)
    }

    fn logged_through(cap: FilterFn, journal: bool, events: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Buffer(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Buffer {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let buffer = Buffer::default();
        let written = buffer.clone();
        let inner = format::format().with_target(false).with_ansi(false).without_time();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_writer(move || buffer.clone())
            .event_format(Line { inner, journal, colour: false })
            .finish()
            .with(cap);
        tracing::subscriber::with_default(subscriber, events);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn the_journal_gets_priorities() {
        let log = logged(true, || {
            tracing::error!("act");
            tracing::warn!("less");
            tracing::info!("changed");
            tracing::debug!("round");
        });
        assert_eq!(log, "<3>ERROR act\n<4> WARN less\n<6> INFO changed\n<7>DEBUG round\n");
        assert_eq!(logged(false, || tracing::info!("changed")), " INFO changed\n");
    }

    #[test]
    fn what_libraries_send_and_receive_is_never_logged() {
        let log = logged_through(FilterFn::new(may_be_logged), false, || {
            tracing::trace!(target: "onnet::observe", "1");
            tracing::trace!(target: "onnet_core", "2");
            tracing::debug!(target: "aws_smithy_runtime::client::retries::strategy::standard", "3");
            tracing::debug!(target: "hyper_util::client", "4");
            tracing::error!(target: "aws_config::profile", "secret");
            tracing::info!(target: "aws_runtime::env_config", "secret");
            tracing::debug!(target: "aws_smithy_runtime::client::orchestrator", "secret");
            tracing::debug!(target: "aws_sdk_sts", "secret");
            tracing::trace!(target: "aws_smithy_runtime::client::retries", "secret");
            tracing::trace!(target: "hyper", "secret");
            tracing::trace!(target: "onnetwork", "secret");
            let _span = tracing::debug_span!(target: "aws_config::profile", "load", external_id = "secret").entered();
            tracing::info!(target: "onnet", "5");
        });
        let said: Vec<&str> = log.lines().filter_map(|line| line.split_whitespace().next_back()).collect();
        assert_eq!(said, ["1", "2", "3", "4", "5"], "{log}");
        assert!(!log.contains("secret"), "{log}");
    }

    #[test]
    fn one_event_is_one_line_whatever_a_server_says() {
        let log = logged(true, || tracing::warn!(gap = %"half\n<0>an \u{1b}[31manswer\u{202e}", "not seen"));
        assert_eq!(log.lines().count(), 1, "{log:?}");
        assert!(
            log.starts_with("<4> WARN not seen") && !log.contains('\u{1b}') && !log.contains('\u{202e}'),
            "{log:?}"
        );
    }
}
