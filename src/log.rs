//! Log events to standard error: text or JSON, and with priorities where the journal reads them.

use crate::cli::{Cli, Command, LogFormat};
use anstyle::{AnsiColor, Style};
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
        FmtContext, FormatEvent, FormatFields, MakeWriter,
        format::{self, Writer},
        time::{FormatTime, SystemTime},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

/// What the daemon logs by default: its changes, and the errors of the libraries.
pub(crate) const DAEMON: &str = "onnet=info,error";

/// Whether an event or a span may be logged at all, whatever the filter asks for.
///
/// The AWS SDK writes settings, requests and answers into its events, at every level: credentials, session tokens, the
/// password of a URL. Only how it retries is let through. Of the other libraries `trace` is left out, where they write what
/// they send and receive, and so is hyper's pool, which names each connection by its URL, with user and password.
fn may_be_logged(event: &Metadata<'_>) -> bool {
    let is_of = |module: &str| {
        event.target().strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    if ["onnet", "onnet_core"].into_iter().any(is_of) {
        return true;
    }
    let of_the_sdk = event.target().starts_with("aws_");
    *event.level() <= Level::DEBUG
        && (!of_the_sdk || is_of("aws_smithy_runtime::client::retries"))
        && !is_of("hyper_util::client::legacy::pool")
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
    let shape = match (cli.log_format, journal) {
        (LogFormat::Json, journal) => Shape::Json { journal },
        (LogFormat::Text, true) => Shape::Journal,
        (LogFormat::Text, false) if io::stderr().is_terminal() => Shape::Terminal,
        (LogFormat::Text, false) => Shape::Plain,
    };
    if matches!(shape, Shape::Json { .. }) {
        json(io::stderr, shape).with(filter).with(cap).init();
    } else {
        text(io::stderr, shape).with(filter).with(cap).init();
    }
    Ok(())
}

/// A subscriber that writes text.
fn text<W>(writer: W, shape: Shape) -> impl Subscriber + for<'s> LookupSpan<'s> + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Time, level and colour are put in around what is sanitized.
    let inner = format::format().with_target(false).with_ansi(false).with_level(false).without_time();
    let log = tracing_subscriber::fmt().with_max_level(Level::TRACE).with_writer(writer).with_ansi(false);
    // It would complain of a full disk on the same disk, and panic.
    log.log_internal_errors(false).event_format(Line { inner, shape }).finish()
}

/// A subscriber that writes JSON.
fn json<W>(writer: W, shape: Shape) -> impl Subscriber + for<'s> LookupSpan<'s> + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let inner = format::format().with_target(false).json().flatten_event(true);
    let log = tracing_subscriber::fmt().with_max_level(Level::TRACE).with_writer(writer).with_ansi(false);
    log.log_internal_errors(false).fmt_fields(format::JsonFields::new()).event_format(Line { inner, shape }).finish()
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

/// What goes around an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// The priority, which the journal takes off again; it has the time and the unit.
    Journal,
    /// Time and level.
    Plain,
    /// Time and level in colour.
    Terminal,
    /// An object, which has them.
    Json { journal: bool },
}

/// One event, one line, without anything that could steer a terminal, whatever a server put into an error.
struct Line<F> {
    inner: F,
    shape: Shape,
}

impl<S, N, F> FormatEvent<S, N> for Line<F>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end_matches('\n');
        let level = *event.metadata().level();
        match self.shape {
            Shape::Journal | Shape::Json { journal: true } => write!(out, "<{}>", priority(level))?,
            Shape::Plain | Shape::Terminal | Shape::Json { journal: false } => {}
        }
        match self.shape {
            Shape::Json { .. } => return writeln!(out, "{}", present::sanitized_json(line)),
            Shape::Journal => write!(out, "{level:>5} ")?,
            Shape::Plain => {
                SystemTime.format_time(&mut out)?;
                write!(out, " {level:>5} ")?;
            }
            Shape::Terminal => {
                let (dim, style) = (Style::new().dimmed(), style(level));
                write!(out, "{dim}")?;
                SystemTime.format_time(&mut out)?;
                write!(out, "{dim:#} {style}{level:>5}{style:#} ")?;
            }
        }
        writeln!(out, "{}", present::sanitized(line))
    }
}

fn style(level: Level) -> Style {
    let colour = match level {
        Level::ERROR => AnsiColor::Red,
        Level::WARN => AnsiColor::Yellow,
        Level::INFO => AnsiColor::Green,
        Level::DEBUG | Level::TRACE => AnsiColor::Blue,
    };
    colour.on_default()
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

    /// What is logged while `events` runs.
    fn logged(shape: Shape, events: impl FnOnce()) -> String {
        logged_through(FilterFn::new(|_| true), shape, events)
    }

    fn logged_through(cap: FilterFn, shape: Shape, events: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let written = buffer.clone();
        if matches!(shape, Shape::Json { .. }) {
            tracing::subscriber::with_default(json(move || buffer.clone(), shape).with(cap), events);
        } else {
            tracing::subscriber::with_default(text(move || buffer.clone(), shape).with(cap), events);
        }
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn the_journal_gets_priorities() {
        let log = logged(Shape::Journal, || {
            tracing::error!("act");
            tracing::warn!("less");
            tracing::info!("changed");
            tracing::debug!("round");
        });
        assert_eq!(log, "<3>ERROR act\n<4> WARN less\n<6> INFO changed\n<7>DEBUG round\n");
        let log = logged(Shape::Json { journal: true }, || tracing::warn!("less"));
        assert!(log.starts_with("<4>{\"timestamp\":"), "{log}");
        for (shape, end) in
            [(Shape::Plain, "Z  INFO changed\n"), (Shape::Terminal, "Z\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m changed\n")]
        {
            let log = logged(shape, || tracing::info!("changed"));
            assert!(log.ends_with(end), "{log:?}");
        }
    }

    #[test]
    fn what_libraries_send_and_receive_is_never_logged() {
        let log = logged_through(FilterFn::new(may_be_logged), Shape::Plain, || {
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
            tracing::debug!(target: "hyper_util::client::legacy::pool", "secret");
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
        let said = "half\n<0>an \u{1b}[31manswer\r\u{85}\u{9b}2J\u{2028}\u{2029}\u{202e}\u{2066}";
        let event = || {
            let _span = tracing::info_span!("round", of = said).entered();
            tracing::warn!(gap = %said, debug = ?said, text = said, "not collected: {said}");
        };
        for shape in [
            Shape::Journal,
            Shape::Plain,
            Shape::Terminal,
            Shape::Json { journal: true },
            Shape::Json { journal: false },
        ] {
            let log = logged(shape, event);
            let ours = anstream::adapter::strip_str(&log).to_string();
            let line = ours.strip_suffix('\n').unwrap();
            let steers = |c: char| c.is_control() || "\u{2028}\u{2029}\u{202e}\u{2066}".contains(c);
            assert!(!line.contains(steers) && log.matches("[31m").count() >= 4, "{shape:?}: {log:?}");
            // Nothing is coloured but by us.
            let escapes = if shape == Shape::Terminal { 4 } else { 0 };
            assert_eq!(log.matches('\u{1b}').count(), escapes, "{shape:?}: {log:?}");
            if let Shape::Json { journal } = shape {
                let json = if journal { line.strip_prefix("<4>").unwrap() } else { line };
                let json: serde_json::Value = serde_json::from_str(json).unwrap();
                assert_eq!(json["gap"], said, "{json}");
            }
        }
    }
}
