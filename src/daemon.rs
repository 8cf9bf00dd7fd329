//! `onnet run`: the loop, the server, and the signals.

use crate::{cli, live};
use onnet::{
    model::{History, SettingsStatus, Status},
    present::Counters,
    watch::{self, Daemon, Periods, publishing},
};
use std::{collections::BTreeMap, io};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    #[error("cannot set up the metrics")]
    Metrics(#[from] prometheus::Error),
}

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn run(run: &cli::Run) -> Result<(), RunError> {
    let on = |kind| signal(kind).map_err(RunError::Signals);
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    let mut hang_up = on(SignalKind::hangup())?;

    let settings = settings(run);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), ?settings, "started");
    let counters = Counters::new()?;
    let (publisher, _published) = publishing(not_yet());
    let daemon = Daemon::new(settings, publisher, counters).await;

    let (reread, rereading) = mpsc::channel(1);
    let rereads = async {
        while hang_up.recv().await.is_some() {
            // One that is not taken up yet will read what this one would have read.
            let _ = reread.try_send(true);
        }
        std::future::pending::<()>().await
    };
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::select! {
        () = daemon.run(rereading, stop) => {}
        () = rereads => {}
    }
    tracing::info!("stopped");
    Ok(())
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
