//! `onnet check`: everything is collected once, each fact as soon as what it needs is known.
//!
//! ```text
//!  metadata ─┬──────────────► VPC ───┬─► EC2 (its name is looked up meanwhile)
//!  Region  ──┼─► regional name ──────┼──► DNS ─► kernel route, probe, of each address
//!  credentials ► account-based name ─┴──► DNS ─► kernel route, probe, of each address
//! ```

use super::{
    batch::Batches,
    clock::now,
    collectors::{CollectSettings, Collectors},
    facts::{Facts, Scope},
};
use crate::{
    model::{BySource, MaxAge, Snapshot},
    observe::{environment, seen::Stopwatch},
};
use std::{convert::Infallible, sync::Arc};

/// Collects everything once. Ends within the timeout, whatever failed.
pub async fn once(settings: &CollectSettings) -> Snapshot {
    let watch = Stopwatch::start();
    let deadline = watch.started() + settings.timeout;
    let collectors = Collectors::open(settings.clone(), deadline).await;
    let session = Arc::new(Arc::new(collectors).session(deadline));
    let mut facts = Facts::new(Scope {
        probe: settings.probe,
        both_probes: false,
        interface: settings.interface.clone(),
        max_age: MaxAge::default(),
    });
    let mut batches = Batches::default();
    batches.begin(BySource::from_fn(|_| true), Arc::clone(&session), now(), &facts);
    let collect = async {
        while let Some(arrival) = batches.next().await {
            batches.take(arrival, &mut facts);
        }
    };
    // Fetched from the start, for it is on the longest path; but where nothing needs it, nothing waits for it.
    let prefetch = async {
        session.prefetch().await;
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        () = collect => {}
        never = prefetch => match never {},
    }
    let proxies = environment::proxies(&facts.all_names());
    facts.snapshot(watch.at(), watch.took(), proxies)
}
