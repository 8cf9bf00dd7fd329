//! Basic authentication: bcrypt off the thread, one at a time, and never twice for the same password while that is remembered.

use super::{
    super::{admission::neighbourhood, budget::Budget},
    password,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderValue;
use ring::{hmac, rand::SystemRandom};
use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, oneshot},
    task,
    time::timeout,
};

/// How many requests of one neighbourhood wait at most while passwords are verified.
const WAITING: usize = 4;

/// How many wrong passwords are remembered.
const WRONG: usize = 64;

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
    /// What was found wrong, the last one last: a client that goes on with a wrong password costs others nothing.
    wrong: Mutex<VecDeque<hmac::Tag>>,
}

/// The requests whose passwords are to be verified, one at a time and few of each neighbourhood.
pub(in super::super) struct HashQueue {
    budget: Arc<Budget>,
    one: Arc<Semaphore>,
    waiting: Mutex<BTreeMap<IpAddr, VecDeque<oneshot::Sender<()>>>>,
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
            wrong: Mutex::default(),
            hashes,
        })
    }

    /// No users, so that everyone is let in.
    pub(super) fn everyone() -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[]); // nothing is ever signed with it
        Self {
            hashes: BTreeMap::new(),
            dummy_hash: String::new(),
            key,
            right: Mutex::default(),
            wrong: Mutex::default(),
        }
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
        // With the user: another one's wrong password is another one, also where neither user exists.
        let message = [hash.as_bytes(), b":", user.as_bytes(), b":", password.as_slice()].concat();
        let is_this = |tag: &hmac::Tag| hmac::verify(&self.key, &message, tag.as_ref()).is_ok();
        if known.is_some() && locked(&self.right).get(&user).is_some_and(is_this) {
            return Admission::Admitted;
        }
        if locked(&self.wrong).iter().any(is_this) {
            return Admission::Refused;
        }
        match queue.verify(password, hash.clone(), neighbourhood(peer)).await {
            None => Admission::Busy,
            Some(true) if known.is_some() => {
                locked(&self.right).insert(user, hmac::sign(&self.key, &message));
                Admission::Admitted
            }
            Some(_) => {
                let mut wrong = locked(&self.wrong);
                if wrong.len() == WRONG {
                    wrong.pop_front();
                }
                wrong.push_back(hmac::sign(&self.key, &message));
                Admission::Refused
            }
        }
    }
}

impl HashQueue {
    pub(in super::super) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, one: Arc::new(Semaphore::new(1)), waiting: Mutex::default() }
    }

    /// Whether the password matches the hash; `None` if its turn did not come in time, or later requests of the same
    /// neighbourhood took its place. None is refused at once: those that came first may be of a client that guesses.
    async fn verify(&self, password: Vec<u8>, hash: String, neighbour: IpAddr) -> Option<bool> {
        let replaced = self.wait(neighbour);
        let turn = tokio::select! {
            biased;
            turn = timeout(PATIENCE, Arc::clone(&self.one).acquire_owned()) => turn.ok()?.ok()?,
            _ = replaced => return None,
        };
        let budget = Arc::clone(&self.budget);
        let verified = task::spawn_blocking(move || {
            let _turn = turn; // until it is done, be the client gone or not
            password::verify(&password, &hash, &budget)
        });
        // A hash that cannot be verified lets no one in.
        Some(verified.await.unwrap_or(false))
    }

    /// Ends once as many later ones wait as may.
    fn wait(&self, neighbour: IpAddr) -> oneshot::Receiver<()> {
        let (place, replaced) = oneshot::channel();
        let mut waiting = locked(&self.waiting);
        // Those that are no longer waiting have dropped their end.
        waiting.retain(|_, places| {
            places.retain(|place| !place.is_closed());
            !places.is_empty()
        });
        let places = waiting.entry(neighbour).or_default();
        places.push_back(place);
        if places.len() > WAITING {
            places.pop_front();
        }
        replaced
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

    fn queue() -> HashQueue {
        HashQueue::new(Arc::new(Budget::new(1.0)))
    }

    fn header(user: &str, password: &str) -> HeaderValue {
        HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))).unwrap()
    }

    fn users(cost: u32) -> Users {
        Users::new(BTreeMap::from([("alice".to_owned(), bcrypt::hash("secret", cost).unwrap())])).unwrap()
    }

    #[tokio::test]
    async fn right_wrong_and_unknown() {
        let (users, queue) = (users(4), queue());
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
        assert!(locked(&queue.waiting).values().flatten().all(oneshot::Sender::is_closed));
    }

    #[test]
    fn the_dummy_hash_has_the_highest_cost() {
        let parts: bcrypt::HashParts = users(6).dummy_hash.parse().unwrap();
        assert_eq!(parts.get_cost(), 6);
        assert!(!bcrypt::verify("secret", &users(4).dummy_hash).unwrap());
    }

    #[tokio::test]
    async fn an_unknown_user_is_verified_as_long_as_a_known_one() {
        let (users, queue) = (users(9), queue());
        let mut took = Vec::new();
        for user in ["alice", "mallory"] {
            let started = Instant::now();
            for n in 0..3 {
                let wrong = header(user, &format!("wrong{n}"));
                assert_eq!(users.admit(Some(&wrong), PEER, &queue).await, Admission::Refused);
            }
            took.push(started.elapsed());
        }
        // Without a hash to verify it would be a thousandth.
        assert!(took[1] * 5 > took[0] && took[0] * 5 > took[1], "{took:?}");
    }

    #[tokio::test]
    async fn a_neighbourhood_that_tries_many_passwords_keeps_no_other_waiting() {
        let (users, queue) = (users(9), queue());
        let wrong = |n: usize| header("alice", &format!("wrong{n}"));
        // All of one /64.
        let peer = |n: usize| -> IpAddr { format!("2001:db8::{n:x}").parse().unwrap() };
        let attempts: Vec<_> = (0..50).map(|n| (wrong(n), peer(n))).collect();
        let flood = attempts.iter().map(|(wrong, peer)| users.admit(Some(wrong), *peer, &queue));
        let right = header("alice", "secret");
        let (flood, admitted) =
            tokio::join!(futures_util::future::join_all(flood), users.admit(Some(&right), PEER, &queue));
        assert_eq!(admitted, Admission::Admitted);
        // One was verified at once, and the last ones waited.
        assert_eq!(flood.iter().filter(|answer| **answer == Admission::Busy).count(), 50 - WAITING - 1);
        assert!(flood[..1].iter().chain(&flood[46..]).all(|answer| *answer == Admission::Refused), "{flood:?}");
    }

    #[tokio::test]
    async fn wrong_passwords_of_one_client_refuse_no_other_at_its_address() {
        let (users, queue) = (users(9), queue());
        let attempts: Vec<_> = (0..50).map(|n| header("alice", &format!("wrong{n}"))).collect();
        let flood = attempts.iter().map(|wrong| users.admit(Some(wrong), PEER, &queue));
        let right = header("alice", "secret");
        let (_, admitted) =
            tokio::join!(futures_util::future::join_all(flood), users.admit(Some(&right), PEER, &queue));
        assert_eq!(admitted, Admission::Admitted);
    }

    #[tokio::test]
    async fn the_same_wrong_password_is_verified_once() {
        let (users, queue) = (users(4), queue());
        let wrong = header("alice", "wrong");
        assert_eq!(users.admit(Some(&wrong), PEER, &queue).await, Admission::Refused);
        queue.one.close(); // nothing is verified any more
        assert_eq!(users.admit(Some(&wrong), PEER, &queue).await, Admission::Refused);
        assert_eq!(users.admit(Some(&header("bob", "wrong")), PEER, &queue).await, Admission::Busy);
        assert_eq!(users.admit(Some(&header("alice", "secret")), PEER, &queue).await, Admission::Busy);
    }
}
