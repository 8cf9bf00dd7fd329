//! `--web-config FILE`: TLS and authentication in the format of Prometheus' exporter-toolkit, read again when the file,
//! or one it names, has changed. The last good state stays in force while a new one is wrong.

mod file;
mod password;
mod tls;
mod users;

pub(super) use users::{Admission, HashQueue};

use crate::model::{SettingsStatus, Timestamp};
use http::{HeaderMap, HeaderValue};
use rustls::ServerConfig;
use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::{
    sync::watch,
    task,
    time::{Instant, timeout},
};
use users::Users;

/// How often files are checked, at most.
const EVERY: Duration = Duration::from_secs(1);

/// How long a request waits for that, at most: files may stand on a server that is gone.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is wrong with the file, or with those it names. Holds nothing that stands in them but names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebConfigError {
    problems: Vec<String>,
}

impl fmt::Display for WebConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for WebConfigError {}

/// All that is wrong, each with its line.
struct Problems {
    file: String,
    found: Vec<String>,
}

impl Problems {
    fn add(&mut self, line: Option<u64>, problem: impl fmt::Display) {
        let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
        self.found.push(format!("{}{line}: {problem}", self.file));
    }

    fn count(&self) -> usize {
        self.found.len()
    }
}

/// What the file came to.
pub(super) struct Loaded {
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) headers: HeaderMap,
    users: Users,
    rate: Option<Mutex<Bucket>>,
    /// Whether clients' certificates are verified.
    verifies_clients: bool,
}

impl Loaded {
    /// Whether the value of an `Authorization` header is a user's, or none is needed.
    pub(super) async fn admit(
        &self,
        authorization: Option<&HeaderValue>,
        peer: IpAddr,
        queue: &HashQueue,
    ) -> Admission {
        self.users.admit(authorization, peer, queue).await
    }

    /// Whether one more request is answered by `rate_limit`.
    pub(super) fn has_token(&self) -> bool {
        self.rate.as_ref().is_none_or(|bucket| locked(bucket).take(Instant::now()))
    }

    /// What of `self` would no longer be protected by `next`.
    fn lost_by(&self, next: &Self) -> Option<&'static str> {
        if self.tls.is_some() && next.tls.is_none() {
            Some("TLS")
        } else if self.verifies_clients && !next.verifies_clients {
            Some("the verification of clients' certificates")
        } else if !self.users.is_empty() && next.users.is_empty() {
            Some("authentication")
        } else {
            None
        }
    }
}

/// A token bucket, as Go's `rate.Limiter` is.
struct Bucket {
    rate: file::Rate,
    tokens: f64,
    at: Option<Instant>,
}

impl Bucket {
    fn new(rate: file::Rate) -> Self {
        Self { rate, tokens: rate.burst.into(), at: None }
    }

    fn take(&mut self, now: Instant) -> bool {
        if let Some(at) = self.at {
            let gained = now.saturating_duration_since(at).as_secs_f64() / self.rate.every.as_secs_f64();
            self.tokens = (self.tokens + gained).min(self.rate.burst.into());
        }
        self.at = Some(now);
        let has_one = self.tokens >= 1.0;
        if has_one {
            self.tokens -= 1.0;
        }
        has_one
    }
}

/// The settings of the server, and where they come from. Cheap to clone.
#[derive(Clone)]
pub struct WebConfig(Arc<Inner>);

struct Inner {
    /// `None` where there is no file, and nothing ever changes.
    file: Option<PathBuf>,
    hasher: RandomState,
    current: watch::Sender<Arc<Loaded>>,
    looking: Mutex<Looking>,
}

struct Looking {
    /// When the files were last checked.
    last: Option<Instant>,
    busy: bool,
    /// A hash of all that was read last, good or not.
    seen: u64,
    status: SettingsStatus,
}

impl fmt::Debug for WebConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WebConfig").field(&self.0.file).finish()
    }
}

/// The result of reading the file.
struct Reading {
    seen: u64,
    loaded: Result<Loaded, WebConfigError>,
    warnings: Vec<String>,
}

impl WebConfig {
    /// Plain HTTP for everyone.
    pub fn none() -> Self {
        let hasher = RandomState::new();
        let open = Loaded {
            tls: None,
            headers: HeaderMap::new(),
            users: Users::everyone(),
            rate: None,
            verifies_clients: false,
        };
        Self::new(None, hasher, 0, open)
    }

    /// Reads `file` and those it names. Blocks: for the start.
    ///
    /// # Errors
    /// If anything in them is wrong; all of it is reported.
    pub fn load(file: &Path) -> Result<Self, WebConfigError> {
        let hasher = RandomState::new();
        let Reading { seen, loaded, warnings } = read(file, &hasher);
        let loaded = loaded?;
        warn(&warnings);
        Ok(Self::new(Some(file.to_owned()), hasher, seen, loaded))
    }

    fn new(file: Option<PathBuf>, hasher: RandomState, seen: u64, loaded: Loaded) -> Self {
        let status = SettingsStatus { successful: true, read_at: now() };
        let looking = Mutex::new(Looking { last: None, busy: false, seen, status });
        let (current, _) = watch::channel(Arc::new(loaded));
        Self(Arc::new(Inner { file, hasher, current, looking }))
    }

    /// Reads the files again, whenever that was done last.
    ///
    /// # Errors
    /// If anything in them is wrong: then what was in force stays so.
    pub async fn reload(&self) -> Result<(), WebConfigError> {
        let Some(reading) = self.look().await else { return Ok(()) };
        self.take(reading)
    }

    /// Whether the files were last read without an error, and when those in force were.
    pub fn status(&self) -> SettingsStatus {
        locked(&self.0.looking).status
    }

    /// Whether anything keeps strangers out or from reading along.
    pub(super) fn protects(&self) -> bool {
        let loaded = self.0.current.borrow();
        loaded.tls.is_some() || !loaded.users.is_empty()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Loaded>> {
        self.0.current.subscribe()
    }

    /// What is in force, after a check of the files if the last one is over a second ago.
    pub(super) async fn fresh(&self) -> Arc<Loaded> {
        if self.begins_looking() {
            let this = self.clone();
            // A task of its own: it goes on, and says when it is done, though no request waits any longer.
            let look = task::spawn(async move {
                let reading = this.look().await;
                let changed = reading.filter(|reading| locked(&this.0.looking).seen != reading.seen);
                let taken = changed.map(|reading| this.take(reading));
                locked(&this.0.looking).busy = false;
                match taken {
                    None => {}
                    Some(Ok(())) => tracing::info!("the web configuration has changed and is in force"),
                    Some(Err(error)) => {
                        let error = error.to_string();
                        tracing::error!(error, "the web configuration is wrong; the last good one stays in force");
                    }
                }
            });
            let _ = timeout(PATIENCE, look).await; // what is in force will do
        }
        Arc::clone(&self.0.current.borrow())
    }

    fn begins_looking(&self) -> bool {
        let mut looking = locked(&self.0.looking);
        let is_due = self.0.file.is_some() && !looking.busy && looking.last.is_none_or(|last| last.elapsed() >= EVERY);
        if is_due {
            looking.busy = true;
            looking.last = Some(Instant::now());
        }
        is_due
    }

    /// Reads the files, off this thread.
    async fn look(&self) -> Option<Reading> {
        let inner = Arc::clone(&self.0);
        let look = task::spawn_blocking(move || inner.file.as_deref().map(|file| read(file, &inner.hasher)));
        look.await.ok().flatten()
    }

    /// Puts what was read in force, if it is right.
    fn take(&self, reading: Reading) -> Result<(), WebConfigError> {
        let Reading { seen, loaded, warnings } = reading;
        let mut looking = locked(&self.0.looking);
        let is_new = looking.seen != seen;
        looking.seen = seen;
        let before = Arc::clone(&self.0.current.borrow());
        let loaded = loaded.and_then(|loaded| match before.lost_by(&loaded) {
            None => Ok(loaded),
            // A file that is being written is empty for a moment.
            Some(what) => {
                let file = self.0.file.as_deref().unwrap_or(Path::new("")).display();
                let advice = "that takes a restart, so that no half-written file does it";
                Err(WebConfigError { problems: vec![format!("{file} no longer asks for {what}: {advice}")] })
            }
        });
        looking.status.successful = loaded.is_ok();
        let loaded = loaded?;
        looking.status.read_at = now();
        if is_new {
            warn(&warnings);
            self.0.current.send_replace(Arc::new(loaded));
        }
        Ok(())
    }
}

fn read(file: &Path, hasher: &RandomState) -> Reading {
    let mut reader = tls::Reader { seen: hasher.build_hasher(), warnings: Vec::new() };
    let mut problems = Problems { file: file.display().to_string(), found: Vec::new() };
    let loaded = match reader.read(file) {
        Err(why) => {
            problems.found.push(format!("cannot read {}: {why}", file.display()));
            None
        }
        Ok(content) => match String::from_utf8(content) {
            Err(_) => {
                problems.add(None, "this is not UTF-8 text");
                None
            }
            Ok(text) => {
                let folder = file.parent().unwrap_or(Path::new(""));
                file::parse(&text, folder, &mut problems)
                    .and_then(|settings| load(settings, &mut reader, &mut problems))
            }
        },
    };
    let loaded = loaded.filter(|_| problems.found.is_empty()).ok_or(WebConfigError { problems: problems.found });
    Reading { seen: reader.seen.finish(), loaded, warnings: reader.warnings }
}

fn load(settings: file::WebSettings, reader: &mut tls::Reader<impl Hasher>, problems: &mut Problems) -> Option<Loaded> {
    let file::WebSettings { tls, headers, users, rate } = settings;
    let verifies_clients = tls.as_ref().is_some_and(|tls| matches!(tls.clients, file::Clients::Verified { .. }));
    let tls = match tls {
        Some(tls) => Some(reader.server(tls, problems)?),
        None => None,
    };
    let Some(users) = Users::new(users) else {
        problems.add(None, "the system gives no random numbers");
        return None;
    };
    Some(Loaded { tls, headers, users, rate: rate.map(|rate| Mutex::new(Bucket::new(rate))), verifies_clients })
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

#[expect(clippy::disallowed_methods, reason = "dates what was read, and nothing is judged by it")]
fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Nothing that is done under these locks can leave them half done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_of_two_gains_one_each_second() {
        let mut bucket = Bucket::new(file::Rate { every: Duration::from_secs(1), burst: 2 });
        let start = Instant::now();
        let taken: Vec<bool> = [0, 0, 0, 1_500, 1_600, 9_000, 9_000, 9_000]
            .map(|at| bucket.take(start + Duration::from_millis(at)))
            .to_vec();
        assert_eq!(taken, [true, true, false, true, false, true, true, false]);
    }
}
