//! Who may stay where there is room for so many connections: no client's idle ones keep others out.

use super::{
    connection::{Host, hold},
    pace::{Pace, Stage},
};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};
use tokio::{
    net::TcpStream,
    task::{AbortHandle, Id, JoinSet},
    time::Instant,
};

/// The connections there are.
pub(super) struct Connections {
    host: Host,
    tasks: JoinSet<()>,
    open: HashMap<Id, Open>,
    /// A client was turned away, and none has been let in since.
    refusing: bool,
}

struct Open {
    peer: IpAddr,
    pace: Arc<Pace>,
    task: AbortHandle,
}

impl Connections {
    pub(super) fn new(host: Host) -> Self {
        Self { host, tasks: JoinSet::new(), open: HashMap::new(), refusing: false }
    }

    /// When one has ended; never where there is none.
    pub(super) async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                self.open.remove(&id);
            }
            None => std::future::pending().await,
        }
    }

    /// Whether there is room for one more socket. One that is closed for another counts until it is closed.
    pub(super) fn has_room(&self) -> bool {
        self.tasks.len() < self.host.limits.connections + CLOSING
    }

    pub(super) async fn all_ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Lets it in, in the place of another if need be, or turns it away by closing it.
    pub(super) fn admit(&mut self, stream: TcpStream, peer: IpAddr) {
        let neighbour = neighbourhood(peer);
        if self.open.len() >= self.host.limits.connections {
            let open = self.open.iter().map(|(id, open)| {
                (*id, Candidate { peer: open.peer, stage: open.pace.stage(), since: open.pace.since() })
            });
            let Some(id) = eviction_candidate(&open.collect::<Vec<_>>(), neighbour) else {
                if !self.refusing {
                    tracing::warn!(%peer, open = self.open.len(), "too many open connections; one was refused");
                    self.refusing = true;
                }
                return;
            };
            if let Some(open) = self.open.remove(&id) {
                tracing::debug!(peer = %open.peer, "a connection was closed for the next one");
                open.task.abort();
            }
        }
        self.refusing = false;
        let pace = Arc::new(Pace::new(self.host.limits));
        let task = self.tasks.spawn(hold(self.host.clone(), stream, (peer, neighbour), Arc::clone(&pace)));
        self.open.insert(task.id(), Open { peer: neighbour, pace, task });
    }
}

/// Sockets that are about to be closed for others, at most.
const CLOSING: usize = 16;

/// A connection that can be closed to admit another.
#[derive(Clone, Copy)]
struct Candidate {
    peer: IpAddr,
    stage: Stage,
    since: Instant,
}

/// The connection to close for one more of `newcomer`, if any. The first of these: the longest idle one of the peer with
/// the most connections; one of that peer's, if it has more than one connection more than the newcomer; the longest idle one.
fn eviction_candidate<T: Copy>(open: &[(T, Candidate)], newcomer: IpAddr) -> Option<T> {
    let count = |peer: IpAddr| open.iter().filter(|(_, candidate)| candidate.peer == peer).count();
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for (_, candidate) in open {
        *counts.entry(candidate.peer).or_default() += 1;
    }
    let (&heaviest, &most) = counts.iter().max_by_key(|(_, count)| **count)?;
    let longest = |wanted: &dyn Fn(&Candidate) -> bool| {
        let wanted = open.iter().filter(|(_, candidate)| wanted(candidate));
        wanted.min_by_key(|(_, candidate)| (candidate.stage == Stage::Answer, candidate.since)).map(|(id, _)| *id)
    };
    let idle = |candidate: &Candidate| candidate.stage != Stage::Answer;
    longest(&|candidate| candidate.peer == heaviest && idle(candidate))
        .or_else(|| (most > count(newcomer) + 1).then(|| longest(&|candidate| candidate.peer == heaviest)).flatten())
        .or_else(|| longest(&idle))
}

/// One client has a whole /64 of IPv6 addresses.
pub(super) fn neighbourhood(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use std::time::Duration;

    const FLOOD: &str = "198.51.100.7";
    const OTHER: &str = "192.0.2.1";

    fn candidates(of: &[(&str, Stage)]) -> Vec<(usize, Candidate)> {
        let start = Instant::now();
        let candidate = |(n, (peer, stage)): (usize, &(&str, Stage))| {
            let since = start + Duration::from_secs(n as u64);
            (n, Candidate { peer: peer.parse().unwrap(), stage: *stage, since })
        };
        of.iter().enumerate().map(candidate).collect()
    }

    #[test]
    fn the_peer_with_most_connections_loses_its_oldest_idle_one() {
        use Stage::{Answer, Handshake, Head, Idle};
        let cases = [
            (vec![(OTHER, Idle), (FLOOD, Answer), (FLOOD, Head), (FLOOD, Idle)], OTHER, Some(2)),
            (vec![(OTHER, Idle), (FLOOD, Handshake), (FLOOD, Idle)], FLOOD, Some(1)),
            // All of the flood is being answered: it has clearly more than the newcomer.
            (vec![(FLOOD, Answer), (FLOOD, Answer), (FLOOD, Answer)], OTHER, Some(0)),
            // Its own flood does not help it.
            (vec![(FLOOD, Answer), (FLOOD, Answer), (OTHER, Idle)], FLOOD, Some(2)),
            (vec![(FLOOD, Answer), (FLOOD, Answer)], FLOOD, None),
        ];
        for (open, newcomer, expected) in cases {
            assert_eq!(
                eviction_candidate(&candidates(&open), newcomer.parse().unwrap()),
                expected,
                "{open:?} {newcomer}"
            );
        }
    }

    #[test]
    fn a_whole_slash_64_is_one_client() {
        let of = |text: &str| neighbourhood(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
