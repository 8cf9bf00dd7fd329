//! Where a collection becomes an [`Observed`]: timed, stamped, ended by its deadline, its failure logged once.

use crate::model::{Gap, Observed, Seconds, Timestamp};
use std::{error::Error, future::Future, time::SystemTime};
use tokio::time::{Instant, timeout_at};

/// When a collection began, by the wall clock and by the one that never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    at: Timestamp,
    started: Instant,
}

impl Stopwatch {
    /// Begins a collection.
    #[expect(clippy::disallowed_methods, reason = "the one place where observations are stamped")]
    pub fn start() -> Self {
        Self { at: SystemTime::now().into(), started: Instant::now() }
    }

    /// When the collection began, by the wall clock.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// When the collection began, as deadlines are counted.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// How long the collection has taken so far.
    pub fn took(&self) -> Seconds {
        self.started.elapsed().into()
    }

    /// The collection ended with a fact. It is dated by its beginning: a fact may be older than its answer, never younger.
    pub fn seen<T>(&self, value: T) -> Observed<T> {
        Observed::Seen { value, at: self.at, took: self.took() }
    }

    /// The collection ended with a fact, or with the reason there is none.
    pub fn observed<T>(&self, result: Result<T, Gap>) -> Observed<T> {
        result.map_or_else(Observed::Unseen, |value| self.seen(value))
    }
}

/// Collects until `deadline`. The error becomes a gap here, and the log keeps its whole chain.
pub async fn seen<T, E>(
    what: &str,
    deadline: Instant,
    look: impl Future<Output = Result<T, E>>,
    gap: impl Fn(&E) -> Gap,
) -> Observed<T>
where
    E: Error + 'static,
{
    within(deadline, async {
        look.await.map_err(|error| {
            tracing::debug!(what, error = chain(&error), "not collected");
            gap(&error)
        })
    })
    .await
}

/// Collects until `deadline`, where the reason for a failure is already known as a gap.
pub async fn within<T>(deadline: Instant, look: impl Future<Output = Result<T, Gap>>) -> Observed<T> {
    let watch = Stopwatch::start();
    match timeout_at(deadline, look).await {
        Ok(result) => watch.observed(result),
        Err(_) => Observed::Unseen(Gap::TimedOut { after: watch.took() }),
    }
}

/// What went wrong and each cause below it, without those that only repeat the one above.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        source = error.source();
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
