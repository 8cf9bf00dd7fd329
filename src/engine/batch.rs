//! Collections that run together, each from the moment that what it needs is known.
//!
//! The daemon has one batch for each source, a check has one for all. A batch ends when none of its collections is under
//! way: what its own answers make possible has begun by then.

use super::{
    clock::Reading,
    collections::{Answer, Collection, Kind},
    collectors::Session,
    facts::{Changed, Facts},
};
use crate::model::{BySource, Gap};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Collections of some sources.
pub(super) struct Batch {
    pub(super) sources: BySource<bool>,
    pub(super) began: Reading,
    /// The different reasons for which its answers lacked facts.
    pub(super) gaps: Vec<Gap>,
    /// An answer was discarded.
    pub(super) is_void: bool,
    session: Arc<Session>,
    begun: BTreeSet<Collection>,
    under_way: usize,
}

/// What a collection of a batch brought.
pub(super) struct Arrival {
    batch: u64,
    pub(super) answer: Answer,
}

/// The batches under way.
#[derive(Default)]
pub(super) struct Batches {
    last: u64,
    batches: BTreeMap<u64, Batch>,
    collections: FuturesUnordered<BoxFuture<'static, Arrival>>,
}

impl Batches {
    /// Begins what can be collected of `sources`.
    pub(super) fn begin(&mut self, sources: BySource<bool>, session: Arc<Session>, began: Reading, facts: &Facts) {
        self.last += 1;
        let batch =
            Batch { sources, began, gaps: Vec::new(), is_void: false, session, begun: BTreeSet::new(), under_way: 0 };
        self.batches.insert(self.last, batch);
        self.extend(self.last, |_| true, facts);
    }

    /// What the next collection brought; `None` if none is under way.
    pub(super) async fn next(&mut self) -> Option<Arrival> {
        self.collections.next().await
    }

    pub(super) fn is_empty(&self) -> bool {
        self.collections.is_empty()
    }

    /// When the batch began that `arrival` belongs to.
    pub(super) fn began(&self, arrival: &Arrival) -> Option<Reading> {
        self.batches.get(&arrival.batch).map(|batch| batch.began)
    }

    /// Takes what a collection brought into `facts`, and begins what this makes possible. The batch, if it has ended.
    pub(super) fn take(&mut self, arrival: Arrival, facts: &mut Facts) -> (Changed, Option<Batch>) {
        let Arrival { batch: id, mut answer } = arrival;
        let (kind, gaps) = (answer.kind(), answer.gaps());
        let changed = facts.take(answer);
        if let Some(batch) = self.batches.get_mut(&id) {
            let new: Vec<Gap> = gaps.into_iter().filter(|gap| !batch.gaps.contains(gap)).collect();
            batch.gaps.extend(new);
        }
        self.extend(id, |other| other.needs(kind), facts);
        (changed, self.ended(id))
    }

    /// Leaves what a collection brought. The batch, if it has ended.
    pub(super) fn discard(&mut self, arrival: &Arrival) -> Option<Batch> {
        self.batches.get_mut(&arrival.batch)?.is_void = true;
        self.ended(arrival.batch)
    }

    fn ended(&mut self, id: u64) -> Option<Batch> {
        let batch = self.batches.get_mut(&id)?;
        batch.under_way -= 1;
        if batch.under_way == 0 { self.batches.remove(&id) } else { None }
    }

    fn extend(&mut self, id: u64, which: impl Fn(Kind) -> bool, facts: &Facts) {
        let Some(batch) = self.batches.get_mut(&id) else { return };
        for kind in Kind::ALL.into_iter().filter(|kind| batch.sources[kind.source()] && which(*kind)) {
            for collection in kind.collections(facts) {
                if !batch.begun.insert(collection.clone()) {
                    continue;
                }
                batch.under_way += 1;
                let session = Arc::clone(&batch.session);
                let collect = async move { Arrival { batch: id, answer: collection.collect(&session).await } };
                self.collections.push(collect.boxed());
            }
        }
    }
}
