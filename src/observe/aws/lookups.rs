//! The addresses of AWS's API names, asked for ahead of the first connection and once for all of them.

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// For how long an answer serves: for the connections of one round, not for the next one's.
const REMEMBERED: Duration = Duration::from_secs(5);

type Lookup = Shared<BoxFuture<'static, Result<Vec<IpAddr>, Arc<io::Error>>>>;

/// Asks the system's resolver, as every SDK does, but once for all who ask at about the same time.
#[derive(Clone, Debug, Default)]
pub struct Lookups {
    begun: Arc<Mutex<HashMap<String, (Instant, Lookup)>>>,
}

impl Lookups {
    /// The lookup of `name` that is under way or was answered a moment ago, else a new one.
    pub(super) fn of(&self, name: &str) -> Lookup {
        self.at(Instant::now(), name)
    }

    fn at(&self, now: Instant, name: &str) -> Lookup {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.retain(|_, (at, lookup)| now.duration_since(*at) < REMEMBERED && lookup.peek().is_none_or(Result::is_ok));
        let begin = || (now, addresses(name.to_owned()).boxed().shared());
        begun.entry(name.to_owned()).or_insert_with(begin).1.clone()
    }
}

async fn addresses(name: String) -> Result<Vec<IpAddr>, Arc<io::Error>> {
    let found = tokio::net::lookup_host((name, 0)).await.map_err(Arc::new)?;
    Ok(found.map(|address| address.ip()).collect())
}

impl Resolve for Lookups {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = self.of(name.as_str());
        Box::pin(async move {
            let found: Addrs = Box::new(lookup.await?.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_while_a_lookup_is_under_way_shares_it() {
        let lookups = Lookups::default();
        let (first, second, other) = (lookups.of("localhost"), lookups.of("localhost"), lookups.of("127.0.0.1"));
        assert!(first.await.is_ok_and(|addresses| addresses.iter().all(IpAddr::is_loopback)));
        assert!(second.peek().is_some());
        assert!(other.peek().is_none());
    }

    #[tokio::test]
    async fn a_failure_is_asked_again() {
        let lookups = Lookups::default();
        assert!(lookups.of("no such name").await.is_err());
        assert!(lookups.of("no such name").peek().is_none());
    }

    #[tokio::test]
    async fn an_answer_serves_one_round_only() {
        let lookups = Lookups::default();
        let now = Instant::now();
        assert!(lookups.at(now, "127.0.0.1").await.is_ok());
        assert!(lookups.at(now, "127.0.0.1").peek().is_some());
        assert!(lookups.at(now + REMEMBERED, "127.0.0.1").peek().is_none());
    }
}
