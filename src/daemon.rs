//! `onnet run`: the loop, the server, and the signals.

use crate::{cli, live};
use onnet::{
    metrics::{Counters, exposition},
    model::{History, SettingsStatus, Status},
    observe::seen::chain,
    present,
    serve::{Limits, Listeners, Pages, ServeError, WebConfig, WebConfigError, serve},
    watch::{self, Daemon, Periods, publishing},
};
use std::{collections::BTreeMap, io};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch::channel as watch_channel},
};

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    #[error("cannot set up the metrics")]
    Metrics(#[from] prometheus::Error),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    WebConfig(#[from] WebConfigError),
}

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn run(run: &cli::Run) -> Result<(), RunError> {
    let on = |kind| signal(kind).map_err(RunError::Signals);
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    let mut hang_up = on(SignalKind::hangup())?;

    let web = run.web_config.as_deref().map_or_else(|| Ok(WebConfig::none()), WebConfig::load)?;
    let listeners = match Listeners::from_systemd()? {
        Some(listeners) => listeners,
        None => Listeners::bind(&run.listen)?,
    };
    let settings = settings(run);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), ?settings, "started");

    let counters = Counters::new()?;
    let (publisher, published) = publishing(not_yet());
    let (stop, mut stopping) = watch_channel(false);
    let server = serve(listeners, pages(&web, &counters), published, web.clone(), Limits::default(), async move {
        let _ = stopping.wait_for(|stop| *stop).await; // a sender that is gone means the same
    });

    let (reread, rereading) = mpsc::channel(1);
    let rereads = async {
        while hang_up.recv().await.is_some() {
            let read = web.reload().await;
            if let Err(error) = &read {
                let error = chain(error);
                tracing::error!(error, "the web configuration is wrong; the last good one stays in force");
            }
            // One that is not taken up yet will read what this one would have read.
            let _ = reread.try_send(read.is_ok());
        }
        std::future::pending::<()>().await
    };
    let work = async {
        let stop_signal = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        tokio::select! {
            () = async { Daemon::new(settings, publisher, counters).await.run(rereading, stop_signal).await } => {}
            () = rereads => {}
        }
    };
    let mut server = std::pin::pin!(server);
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

/// Who renders what the server answers with.
fn pages(web: &WebConfig, counters: &Counters) -> Pages {
    let (web, counters) = (web.clone(), counters.clone());
    Pages {
        page: Box::new(|status| present::status_page(status, watch::now().wall)),
        metrics: Box::new(move |status| Ok(exposition(status, web.status(), &counters)?)),
    }
}

fn settings(run: &cli::Run) -> watch::Settings {
    watch::Settings {
        look: live::settings(&run.look, run.timeout),
        periods: Periods {
            imds: run.imds_every,
            dns: run.dns_every,
            kernel: run.kernel_every,
            health: run.health_every,
            list_tables: run.list_tables_every,
            ec2: run.ec2_every,
        },
        splay: run.splay,
    }
}

/// What there is to say before the loop said anything.
fn not_yet() -> Status {
    let started_at = watch::now().wall;
    Status {
        started_at,
        report: None,
        ready: false,
        sources: BTreeMap::new(),
        history: History::default(),
        settings: SettingsStatus { successful: true, read_at: started_at },
    }
}
