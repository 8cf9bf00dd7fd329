//! One file for each command: its flags, and `run`, which returns what to print and the exit code.

pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod explain;
pub(crate) mod explain_finding;
pub(crate) mod fleet;
pub(crate) mod generate;
mod inventory;
pub(crate) mod judge;
mod periods;
pub(crate) mod plugin;
pub(crate) mod policy;
pub(crate) mod publish;
pub(crate) mod resolve_names;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod status;
mod supervise;

use crate::cli::ReportFormat;
use onnet::{model::Report, present};
use std::{error::Error, io};

/// What a command prints on standard output, and its exit code.
pub(crate) struct Output {
    pub(crate) text: String,
    pub(crate) code: u8,
}

/// A command's output, or the error to print instead.
pub(crate) type Answer = Result<Output, Box<dyn Error>>;

impl Output {
    /// For a command that is not a question about a path.
    fn success(text: String) -> Self {
        Self { text, code: 0 }
    }

    /// A report; the exit code is its outcome's.
    fn report(report: &Report, format: ReportFormat) -> Self {
        let text = match format {
            ReportFormat::Text => present::text(report),
            ReportFormat::Json => present::json(report),
            ReportFormat::Nagios => present::nagios(report),
        };
        Self { text, code: report.outcome.exit_code() }
    }
}

/// Runs a future to its end on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let value = runtime.block_on(future);
    // A name lookup by the C library blocks a thread and cannot be cancelled: do not wait for it.
    runtime.shutdown_background();
    Ok(value)
}
