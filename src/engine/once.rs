//! `onnet check`: everything is collected once, each fact as soon as what it needs is known.
//!
//! ```text
//!  metadata ─┬──────────────► VPC ───┬─► EC2 (its name is resolved meanwhile)
//!  Region  ──┼─► regional name ──────┼──► DNS ─► kernel route, probe, of each address
//!  credentials ► account-based name ─┴──► DNS ─► kernel route, probe, of each address
//! ```

use super::{
    batch::Batches,
    clock::now,
    collectors::{CollectSettings, Collectors},
    facts::{Facts, Scope},
    schedule::Periods,
};
use crate::{
    judge::judge,
    model::{BySource, MaxAge, Seconds, Snapshot, Source},
    observe::{environment, seen::Stopwatch},
};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// How long after two readings that contradict each other EC2, which is eventually consistent, is asked once more; at most
/// half of what is left of the timeout.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Collects everything once. Ends within the timeout, whatever failed.
pub async fn once(settings: &CollectSettings) -> Snapshot {
    let watch = Stopwatch::start();
    let deadline = watch.started() + settings.timeout;
    let collectors = Collectors::open(settings.clone(), deadline).await;
    let ignored_settings = collectors.ignored_settings();
    let session = Arc::new(Arc::new(collectors).session(deadline, Duration::ZERO));
    session.start();
    let mut facts = Facts::new(Scope {
        probe: settings.probe,
        both_probes: false,
        interface: settings.interface.clone(),
        actions: settings.actions.clone(),
        tables: settings.tables.clone(),
        nat_rates: settings.nat_rates,
        c_library: settings.c_library.is_some(),
        gates: settings.gates,
        witness: settings.witness,
        witness_every: Seconds::from(Periods::default().of(Source::Witness)),
        max_age: MaxAge::default(),
    })
    .with_controls(&settings.controls);
    let mut batches = Batches::default();
    batches.begin(BySource::from_fn(|_| true), Arc::clone(&session), now(), &facts);
    let collect = async {
        take_all(&mut batches, &mut facts).await;
        let seen = facts.snapshot(watch.at(), watch.took(), Vec::new());
        let pause = ASK_AGAIN_AFTER.min((deadline - Instant::now()) / 2);
        if judge(seen).has_facts_that_disagree() && !pause.is_zero() {
            sleep(pause).await;
            batches.begin(BySource::from_fn(|source| source == Source::Ec2), Arc::clone(&session), now(), &facts);
            take_all(&mut batches, &mut facts).await;
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
    facts.set_ignored_settings(ignored_settings);
    facts.snapshot(watch.at(), watch.took(), proxies)
}

async fn take_all(batches: &mut Batches, facts: &mut Facts) {
    while let Some(arrival) = batches.next().await {
        batches.take(arrival, facts);
    }
}
