//! Basic authentication: bcrypt off the thread, one at a time, and never twice for the same right password.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderValue;
use ring::{hmac, rand::SystemRandom};
use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Semaphore, task, time::timeout};

/// How many requests of one peer wait at most while passwords are verified.
const WAITING_PER_PEER: usize = 4;

/// How long a request waits for that at most.
const PATIENCE: Duration = Duration::from_secs(8);

/// Who is let in, by one state of the file.
pub(super) struct Users {
    /// Name and bcrypt hash.
    hashes: BTreeMap<String, String>,
    /// Verified for unknown users, so that their answer takes as long.
    dummy_hash: String,
    /// Lives as long as this state of the file.
    key: hmac::Key,
    /// What was found right, by user: no password, and nothing that helps to guess one without the key.
    right: Mutex<BTreeMap<String, hmac::Tag>>,
}

/// The requests whose passwords are to be verified, one at a time and few of each peer.
#[derive(Debug)]
pub(in super::super) struct HashQueue {
    one: Arc<Semaphore>,
    waiting: Mutex<BTreeMap<IpAddr, usize>>,
}

/// What is answered to credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Admission {
    /// Come in.
    Admitted,
    /// Not with these, or none were given.
    Refused,
    /// Too many are being verified; come again.
    Busy,
}

impl Users {
    /// `None` if the system gives no random numbers.
    pub(super) fn new(hashes: BTreeMap<String, String>) -> Option<Self> {
        let cost = hashes.values().filter_map(|hash| hash.get(4..6)).max().unwrap_or("10");
        Some(Self {
            dummy_hash: format!("$2b${cost}${}", "a".repeat(21) + "e" + &"a".repeat(30) + "e"),
            key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok()?,
            right: Mutex::default(),
            hashes,
        })
    }

    /// Nobody, so that everyone is let in.
    pub(super) fn everyone() -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[]); // nothing is ever signed with it
        Self { hashes: BTreeMap::new(), dummy_hash: String::new(), key, right: Mutex::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether the value of an `Authorization` header is a user's.
    pub(super) async fn admit(
        &self,
        authorization: Option<&HeaderValue>,
        peer: IpAddr,
        queue: &HashQueue,
    ) -> Admission {
        if self.is_empty() {
            return Admission::Admitted;
        }
        let Some((user, password)) = authorization.and_then(credentials) else { return Admission::Refused };
        let known = self.hashes.get(&user);
        let hash = known.unwrap_or(&self.dummy_hash);
        let message = [hash.as_bytes(), b":", password.as_slice()].concat();
        let is_right = |tag: &hmac::Tag| hmac::verify(&self.key, &message, tag.as_ref()).is_ok();
        if known.is_some() && locked(&self.right).get(&user).is_some_and(is_right) {
            return Admission::Admitted;
        }
        match queue.verify(password, hash.clone(), peer).await {
            None => Admission::Busy,
            Some(true) if known.is_some() => {
                locked(&self.right).insert(user, hmac::sign(&self.key, &message));
                Admission::Admitted
            }
            Some(_) => Admission::Refused,
        }
    }
}

impl HashQueue {
    pub(in super::super) fn new() -> Self {
        Self { one: Arc::new(Semaphore::new(1)), waiting: Mutex::default() }
    }

    /// Whether the password matches the hash; `None` if its turn did not come in time.
    async fn verify(&self, password: Vec<u8>, hash: String, peer: IpAddr) -> Option<bool> {
        let _waiting = Waiting::enter(self, peer)?;
        let turn = timeout(PATIENCE, Arc::clone(&self.one).acquire_owned()).await.ok()?.ok()?;
        let verified = task::spawn_blocking(move || {
            let _turn = turn; // until it is done, be the client gone or not
            bcrypt::verify(password, &hash)
        });
        // A hash that cannot be verified lets nobody in.
        Some(verified.await.is_ok_and(|verified| verified.unwrap_or(false)))
    }
}

/// A request in the queue.
struct Waiting<'a>(&'a HashQueue, IpAddr);

impl<'a> Waiting<'a> {
    fn enter(queue: &'a HashQueue, peer: IpAddr) -> Option<Self> {
        let mut waiting = locked(&queue.waiting);
        let mine = waiting.entry(peer).or_insert(0);
        (*mine < WAITING_PER_PEER).then(|| {
            *mine += 1;
            Self(queue, peer)
        })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = locked(&self.0.waiting);
        match waiting.get_mut(&self.1) {
            Some(mine) if *mine > 1 => *mine -= 1,
            Some(_) | None => {
                waiting.remove(&self.1);
            }
        }
    }
}

fn credentials(authorization: &HeaderValue) -> Option<(String, Vec<u8>)> {
    let text = authorization.to_str().ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let user = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((user, decoded[colon + 1..].to_vec()))
}

/// Nothing that is done under these locks can leave them half done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use tokio::time::Instant;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn header(user: &str, password: &str) -> HeaderValue {
        HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))).unwrap()
    }

    fn users(cost: u32) -> Users {
        Users::new(BTreeMap::from([("alice".to_owned(), bcrypt::hash("secret", cost).unwrap())])).unwrap()
    }

    #[tokio::test]
    async fn right_wrong_and_unknown() {
        let (users, queue) = (users(4), HashQueue::new());
        let cases = [
            (Some(header("alice", "secret")), Admission::Admitted),
            (Some(header("alice", "secret")), Admission::Admitted),
            (Some(header("alice", "secret2")), Admission::Refused),
            (Some(header("alice", "")), Admission::Refused),
            (Some(header("mallory", "secret")), Admission::Refused),
            (Some(HeaderValue::from_static("Basic %%%")), Admission::Refused),
            (Some(HeaderValue::from_static("Basic YWxpY2U=")), Admission::Refused),
            (Some(HeaderValue::from_static("Bearer secret")), Admission::Refused),
            (None, Admission::Refused),
        ];
        for (authorization, expected) in cases {
            assert_eq!(users.admit(authorization.as_ref(), PEER, &queue).await, expected, "{authorization:?}");
        }
        assert_eq!(locked(&users.right).keys().collect::<Vec<_>>(), ["alice"]);
        assert!(locked(&queue.waiting).is_empty());
    }

    #[test]
    fn the_dummy_hash_has_the_highest_cost() {
        let parts: bcrypt::HashParts = users(6).dummy_hash.parse().unwrap();
        assert_eq!(parts.get_cost(), 6);
        assert!(!bcrypt::verify("secret", &users(4).dummy_hash).unwrap());
    }

    #[tokio::test]
    async fn an_unknown_user_is_verified_as_long_as_a_known_one() {
        let (users, queue) = (users(9), HashQueue::new());
        let mut took = Vec::new();
        for user in ["alice", "mallory"] {
            let started = Instant::now();
            for _ in 0..3 {
                let wrong = header(user, "wrong");
                assert_eq!(users.admit(Some(&wrong), PEER, &queue).await, Admission::Refused);
            }
            took.push(started.elapsed());
        }
        // Without a hash to verify it would be a thousandth.
        assert!(took[1] * 5 > took[0] && took[0] * 5 > took[1], "{took:?}");
    }

    #[tokio::test]
    async fn a_peer_that_tries_many_passwords_keeps_no_other_waiting() {
        let (users, queue) = (users(9), HashQueue::new());
        let stranger: IpAddr = "198.51.100.7".parse().unwrap();
        let wrong = header("alice", "wrong");
        let flood = futures_util::future::join_all((0..50).map(|_| users.admit(Some(&wrong), stranger, &queue)));
        let right = header("alice", "secret");
        let (flood, admitted) = tokio::join!(flood, users.admit(Some(&right), PEER, &queue));
        assert_eq!(admitted, Admission::Admitted);
        assert_eq!(flood.iter().filter(|answer| **answer == Admission::Busy).count(), 50 - WAITING_PER_PEER);
    }
}
