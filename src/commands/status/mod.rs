//! `onnet status`: the local daemon's latest report, judged again for its age.

mod client;

use super::{Answer, Output, block_on};
use crate::{
    cli::{ReportFormat, duration},
    terminal::ERROR,
};
use clap::Args;
use client::{Access, Fetched};
use onnet::{engine, judge, model::WitnessAttempt, observe::seen::chain, present};
use std::{error::Error, path::PathBuf, time::Duration};

const LOCAL_DAEMON: &str = "http://127.0.0.1:10953";

/// How long the local daemon may take to say what it asked DynamoDB.
const LOCAL_ANSWER: Duration = Duration::from_millis(250);

/// The control that the local daemon, at its default address, asked DynamoDB within the last hour, so that it need not be asked,
/// and denied, again.
pub(super) async fn local_controls() -> Vec<WitnessAttempt> {
    let access = Access::url(LOCAL_DAEMON).map(|url| Access {
        url,
        timeout: LOCAL_ANSWER,
        ca_file: None,
        certificate: None,
        user: None,
    });
    let fetched = match access {
        Ok(access) => client::fetch(&access).await,
        Err(error) => Err(error),
    };
    match fetched {
        Ok(Fetched { report, .. }) => judge::controls(&report.snapshot, engine::now().wall),
        Err(error) => {
            let error = chain(&error);
            tracing::info!(error, "the control is asked here, for the local daemon does not have it");
            Vec::new()
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// How to print the report.
    #[arg(long, env = "ONNET_FORMAT", default_value = "text", value_name = "FORMAT", hide_env_values = true)]
    format: ReportFormat,

    /// The daemon's URL.
    #[arg(
        long,
        env = "ONNET_URL",
        default_value = LOCAL_DAEMON,
        value_name = "URL",
        hide_env_values = true
    )]
    url: String,

    /// How long to wait for its answer.
    #[arg(long, env = "ONNET_TIMEOUT", default_value = "10s", value_parser = duration, hide_env_values = true, allow_negative_numbers = true)]
    timeout: Duration,

    /// CA certificates that its certificate is verified with, in PEM [default: AWS_CA_BUNDLE, or the system's].
    #[arg(long, env = "ONNET_CA_FILE", value_name = "FILE", hide_env_values = true)]
    ca_file: Option<PathBuf>,

    /// The client certificate, in PEM, where the daemon requires one.
    #[arg(long, env = "ONNET_CERT_FILE", value_name = "FILE", hide_env_values = true, requires = "key_file")]
    cert_file: Option<PathBuf>,

    /// The private key of the client certificate, in PEM.
    #[arg(long, env = "ONNET_KEY_FILE", value_name = "FILE", hide_env_values = true, requires = "cert_file")]
    key_file: Option<PathBuf>,

    /// The user name, where the daemon requires authentication.
    #[arg(long, env = "ONNET_USER", value_name = "NAME", hide_env_values = true, requires = "password_file")]
    user: Option<String>,

    /// The file with the user's password.
    #[arg(long, env = "ONNET_PASSWORD_FILE", value_name = "FILE", hide_env_values = true, requires = "user")]
    password_file: Option<PathBuf>,
}

pub(crate) fn run(args: &StatusArgs) -> Answer {
    match (fetch(args), args.format) {
        (Ok(fetched), format) => Ok(output(fetched, format)),
        // Monitoring systems show only standard output.
        (Err(error), ReportFormat::Nagios) => {
            Ok(Output { text: present::nagios_unknown(&chain(&*error)), code: ERROR })
        }
        (Err(error), ReportFormat::Text | ReportFormat::Json) => Err(error),
    }
}

fn fetch(args: &StatusArgs) -> Result<Fetched, Box<dyn Error>> {
    let access = Access {
        url: Access::url(&args.url)?,
        timeout: args.timeout,
        ca_file: args.ca_file.clone(),
        certificate: args.cert_file.clone().zip(args.key_file.clone()),
        user: args.user.clone().zip(args.password_file.clone()),
    };
    Ok(block_on(client::fetch(&access))??)
}

fn output(fetched: Fetched, format: ReportFormat) -> Output {
    let Fetched { report: given, json } = fetched;
    let current = judge::as_of(given.clone(), engine::now().wall);
    match format {
        // Unchanged, as the daemon wrote it: it may have fields that this version does not know.
        ReportFormat::Json if current == given => Output { text: json, code: current.outcome.exit_code() },
        ReportFormat::Json | ReportFormat::Text | ReportFormat::Nagios => Output::report(&current, format),
    }
}
