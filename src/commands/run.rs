//! `onnet run`: the daemon's loop, its HTTP server and the signals.

use super::{Answer, Output, block_on, periods::PeriodArgs, publish::SignArgs};
use crate::cli::{CollectArgs, check_period, duration, host, published_period, socket, time};
use clap::{Args, ValueEnum};
use onnet::{
    engine::{self, Daemon, Periods, Recorder, metrics::Counters, publishing},
    model::{BySource, History, SettingsStatus, Source, Status},
    observe::{
        facts_table::{FactsSettings, KeyError, Role, TrustedKey},
        seen::chain,
    },
    serve::{Limits, Listeners, ServeError, ServeSettings, WebConfig, WebConfigError, serve},
};
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot, watch::channel as watch_channel},
};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Address and port to serve HTTP on; may be repeated. Sockets passed by systemd replace it.
    #[arg(long, env = "ONNET_LISTEN", default_value = "127.0.0.1:10953", value_name = "ADDR:PORT", value_delimiter = ',', hide_env_values = true, value_parser = socket)]
    listen: Vec<SocketAddr>,

    /// TLS and users for HTTP: a file in the format of the Prometheus exporters.
    #[arg(long, env = "ONNET_WEB_CONFIG", value_name = "FILE", hide_env_values = true)]
    web_config: Option<PathBuf>,

    /// Also accept requests for this host name, such as one that a scraper uses; may be repeated. Addresses and localhost are always accepted.
    #[arg(long = "allowed-host", alias = "allowed-hosts", env = "ONNET_ALLOWED_HOSTS", value_name = "NAME", value_delimiter = ',', hide_env_values = true, value_parser = host)]
    allowed_hosts: Vec<String>,

    #[command(flatten)]
    collect: CollectArgs,

    /// With --facts-table: only read it; keep the VPC's facts there current wherever no other instance does (publish); or only where they are overdue (auto).
    #[arg(long, env = "ONNET_FACTS", default_value = "read", value_name = "ROLE", hide_env_values = true)]
    facts: FactsRole,

    #[command(flatten)]
    key: SignArgs,

    /// With --facts-table: one reader of each VPC compares its facts with what the EC2 API says, once in this time. Needs the permissions of a spot check (`onnet policy --facts-table`). Never by default.
    #[arg(long, env = "ONNET_FACTS_SPOT_CHECK_EVERY", value_name = "PERIOD", hide_env_values = true, value_parser = published_period, requires = "facts_table")]
    facts_spot_check_every: Option<Duration>,

    /// Deadline of one collection of one source; what is not collected by then is missing.
    #[arg(long, env = "ONNET_TIMEOUT", default_value = "10s", value_parser = duration, hide_env_values = true, allow_negative_numbers = true)]
    timeout: Duration,

    #[command(flatten)]
    every: PeriodArgs,

    /// On a machine that has just booted, wait up to this long, at random, before the first EC2 and ListTables request.
    #[arg(long, env = "ONNET_SPLAY", default_value = "60s", value_name = "TIME", value_parser = time, hide_env_values = true)]
    splay: Duration,

    /// Record every fact as it arrives in this file, for `onnet judge`; a file that exists is overwritten.
    #[arg(long, env = "ONNET_RECORD", value_name = "FILE", hide_env_values = true)]
    record: Option<PathBuf>,
}

/// What the daemon does with the table of shared facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FactsRole {
    /// It reads it.
    Read,
    /// It asks EC2 and writes it, unless another instance does.
    Publish,
    /// It reads it, and asks EC2 and writes it where the facts are overdue.
    Auto,
}

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    #[error("cannot start the thread that answers HTTP requests")]
    Thread(#[source] io::Error),
    #[error("cannot set up the metrics")]
    Metrics(#[from] prometheus::Error),
    #[error("cannot record to {}", .file.display())]
    Record {
        file: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot use the key")]
    Key(#[from] KeyError),
    #[error("--facts publish and --facts auto need --facts-table")]
    NoTable,
    #[error("--facts-sign-key is for --facts publish and --facts auto")]
    NotPublishing,
    #[error(
        "--facts-trust does not have the key of --facts-sign-key, so other readers like this one would not accept what is published; its public key is {0}"
    )]
    NotTrusted(TrustedKey),
    #[error("--facts-trust accepts signed facts only: --facts publish and --facts auto need --facts-sign-key")]
    Unsigned,
    #[error("--ec2-every: {0}, to publish facts")]
    Period(String),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    WebConfig(#[from] WebConfigError),
}

pub(crate) fn run(args: &RunArgs) -> Answer {
    block_on(daemon(args))??;
    Ok(Output::success(String::new()))
}

/// Runs until SIGTERM or SIGINT.
async fn daemon(args: &RunArgs) -> Result<(), RunError> {
    let on = |kind| signal(kind).map_err(RunError::Signals);
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    let hang_up = on(SignalKind::hangup())?;

    let web = args.web_config.as_deref().map_or_else(|| Ok(WebConfig::none()), WebConfig::load)?;
    let listeners = match Listeners::from_systemd()? {
        Some(listeners) => listeners,
        None => Listeners::bind(&args.listen)?,
    };
    let recorder = args.record.as_deref().map(recorder).transpose()?;
    let settings = settings(args)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        probe = ?args.collect.probe,
        interface = args.collect.interface.as_ref().map(tracing::field::display),
        resolver = args.collect.resolver.map(tracing::field::display),
        timeout = ?args.timeout,
        gates = args.collect.gates,
        witness = args.collect.witness,
        facts_table = args.collect.shared.facts_table.as_deref(),
        facts = ?args.facts,
        every = ?args.every,
        splay = ?args.splay,
        "started"
    );

    let counters = Counters::new()?;
    let (publisher, published) = publishing(initial_status());
    let (stop, mut stopping) = watch_channel(false);
    let serving = ServeSettings { limits: Limits::within_quota(), allowed_hosts: args.allowed_hosts.clone() };
    let (counted, configured) = (counters.clone(), web.clone());
    let server = on_its_own_thread(move || {
        serve(listeners, published, counted, configured, serving, async move {
            let _ = stopping.wait_for(|stop| *stop).await; // a closed channel ends the server too
        })
    })?;

    let (reread, rereading) = mpsc::channel(1);
    let stop_signal = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let daemon = Daemon::new(settings, publisher, counters, recorder);
    let work = async {
        tokio::select! {
            () = async { daemon.await.run(rereading, stop_signal).await } => {}
            () = reload_on(hang_up, &web, reread) => {}
        }
    };
    let mut server = std::pin::pin!(async { server.await.unwrap_or(Ok(())) });
    tokio::select! {
        served = &mut server => served?,
        () = work => {
            stop.send_replace(true);
            server.await?;
        }
    }
    tracing::info!("stopped");
    Ok(())
}

/// Serves on a thread that does nothing else.
fn on_its_own_thread<F>(server: impl FnOnce() -> F + Send + 'static) -> Result<Served, RunError>
where
    F: Future<Output = Result<(), ServeError>>,
{
    let (ended, served) = oneshot::channel();
    let thread = thread::Builder::new().name("http".to_owned());
    let serve = move || {
        let served = block_on(async { server().await }).map_err(ServeError::Runtime).flatten();
        let _ = ended.send(served); // no request comes any more where the process ends
    };
    thread.spawn(serve).map_err(RunError::Thread)?;
    Ok(served)
}

/// How serving ended.
type Served = oneshot::Receiver<Result<(), ServeError>>;

/// Reads the web configuration again on each SIGHUP, and has the daemon read its own settings files. Never ends.
async fn reload_on(mut hang_up: Signal, web: &WebConfig, reread: mpsc::Sender<bool>) {
    while hang_up.recv().await.is_some() {
        let read = web.reload().await;
        if let Err(error) = &read {
            let error = chain(error);
            tracing::error!(error, "the web configuration is wrong; the last good one stays in force");
        }
        // If the channel is full, a reload that has not begun yet reads the same files.
        let _ = reread.try_send(read.is_ok());
    }
    std::future::pending().await
}

fn recorder(file: &Path) -> Result<Recorder, RunError> {
    Recorder::create(file).map_err(|cause| RunError::Record { file: file.to_owned(), cause })
}

fn settings(args: &RunArgs) -> Result<engine::RunSettings, RunError> {
    let key = args.key.key()?;
    let trust = &args.collect.shared.facts_trust;
    match (args.facts, &key) {
        (FactsRole::Read, Some(_)) => return Err(RunError::NotPublishing),
        (FactsRole::Read, None) => {}
        (FactsRole::Publish | FactsRole::Auto, key) => {
            check_period(args.every.0[Source::Ec2]).map_err(RunError::Period)?;
            match key.as_ref().map(|key| key.public()) {
                None if !trust.is_empty() => return Err(RunError::Unsigned),
                Some(public) if !trust.is_empty() && !trust.contains(&public) => {
                    return Err(RunError::NotTrusted(public));
                }
                Some(_) | None => {}
            }
        }
    }
    let role = match args.facts {
        FactsRole::Read => Role::Read,
        FactsRole::Publish => Role::Publish(key),
        FactsRole::Auto => Role::Auto(key),
    };
    let periods = Periods(args.every.0);
    let facts = args.collect.shared.settings(periods.of(Source::Ec2)).map(|facts| FactsSettings {
        role,
        spot_check_every: args.facts_spot_check_every,
        ..facts
    });
    if facts.is_none() && args.facts != FactsRole::Read {
        return Err(RunError::NoTable);
    }
    let collect = engine::CollectSettings { facts, ..args.collect.settings(args.timeout) };
    Ok(engine::RunSettings { collect, periods, splay: args.splay })
}

/// The status before the first round.
fn initial_status() -> Status {
    let started_at = engine::now().wall;
    Status {
        started_at,
        report: None,
        ready: false,
        sources: BySource::default(),
        history: History::default(),
        settings: SettingsStatus { successful: true, read_at: started_at },
    }
}
