//! What a fleet does, in the order of its clock: requests, leases and heads, and what instances hold.

use super::cloud::{Clock, operation};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient as _, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
    },
    orchestrator::HttpRequest,
};
use serde_json::Value;
use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

/// The requests of publishers and readers.
const OPERATIONS: [&str; 8] = [
    "GetItem",
    "PutItem",
    "UpdateItem",
    "DescribeRouteTables",
    "DescribeVpcEndpoints",
    "DescribePrefixLists",
    "GetManagedPrefixListEntries",
    "DescribeNetworkInterfaces",
];

/// A request that was answered, and whether it was refused because there are too many.
pub(super) struct Request {
    pub(super) at: Duration,
    pub(super) operation: &'static str,
    pub(super) throttled: bool,
}

impl Request {
    pub(super) fn is_to_ec2(&self) -> bool {
        !self.operation.ends_with("Item")
    }
}

/// A lease that was taken, or a head that came into the table.
#[derive(Clone)]
pub(super) struct Written {
    pub(super) at: Duration,
    pub(super) vpc: String,
    pub(super) publisher: String,
    pub(super) is_head: bool,
}

/// The first facts of an instance after it started.
pub(super) struct Started {
    pub(super) who: usize,
    pub(super) at: Duration,
    pub(super) took: Duration,
}

/// An instance whose facts were too old to count, or gone.
struct Stale {
    who: usize,
    during: Range<Duration>,
}

/// What an instance knows after a round.
pub(super) struct Known {
    /// When the facts that came were observed, if all came.
    pub(super) observed: Option<Duration>,
    /// Whether all facts are known: these, or others from before.
    pub(super) is_complete: bool,
    /// Whether one of them is about an endpoint.
    pub(super) has_endpoint: bool,
}

/// What an instance holds.
#[derive(Clone, Default)]
struct Held {
    is_running: bool,
    started: Duration,
    /// Until when the facts count, once there were any.
    until: Option<Duration>,
    /// Until when it is noted in [`Log::stale`].
    noted: Duration,
    /// Since when no fact is about an endpoint.
    without_endpoint: Option<Duration>,
}

/// The log of one fleet.
pub(super) struct Log {
    /// For how long facts count.
    kept: Duration,
    held: Vec<Held>,
    stale: Vec<Stale>,
    pub(super) requests: Vec<Request>,
    pub(super) written: Vec<Written>,
    pub(super) started: Vec<Started>,
}

/// The same for all that write it.
#[derive(Clone)]
pub(super) struct SharedLog(Arc<Mutex<Log>>);

impl SharedLog {
    pub(super) fn new(instances: usize, kept: Duration) -> Self {
        let held = vec![Held::default(); instances];
        let log = Log { kept, held, stale: vec![], requests: vec![], written: vec![], started: vec![] };
        Self(Arc::new(Mutex::new(log)))
    }

    pub(super) fn open(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap()
    }

    /// The client, with every request noted.
    pub(super) fn of(&self, client: SharedHttpClient, clock: Clock) -> SharedHttpClient {
        let log = self.clone();
        http_client_fn(move |settings, components| {
            let inner = client.http_connector(settings, components);
            SharedHttpConnector::new(Noted { inner, clock, log: log.clone() })
        })
    }
}

impl Log {
    /// The instance starts and knows nothing.
    pub(super) fn started(&mut self, who: usize, now: Duration) {
        self.held[who] = Held { is_running: true, started: now, ..Held::default() };
    }

    /// It stops: it misses nothing any more.
    pub(super) fn stopped(&mut self, who: usize, now: Duration) {
        self.note(who, now);
        self.held[who].is_running = false;
    }

    /// A round ends.
    pub(super) fn arrived(&mut self, who: usize, now: Duration, known: &Known) {
        self.note(who, now);
        let held = &mut self.held[who];
        if held.until.is_none() && known.observed.is_some() {
            self.started.push(Started { who, at: held.started, took: now - held.started });
        }
        held.until = match known.observed {
            Some(at) => Some(at + self.kept),
            None if known.is_complete => held.until,
            None => held.until.map(|until| until.min(now)),
        };
        held.without_endpoint = match known.is_complete && !known.has_endpoint {
            true => held.without_endpoint.or(Some(now)),
            false => None,
        };
    }

    /// Notes for how long the instance has had no facts that count.
    fn note(&mut self, who: usize, now: Duration) {
        let held = &mut self.held[who];
        let from = held.until.unwrap_or(held.started).max(held.noted);
        if held.is_running && from < now {
            self.stale.push(Stale { who, during: from..now });
        }
        held.noted = now;
    }

    /// Instances times seconds without facts that count, of these instances.
    pub(super) fn stale(&mut self, during: &Range<Duration>, of: impl Fn(usize) -> bool) -> f64 {
        for who in 0..self.held.len() {
            self.note(who, during.end);
        }
        let within = |stale: &Range<Duration>| stale.end.min(during.end).saturating_sub(stale.start.max(during.start));
        let stale = self.stale.iter().filter(|stale| of(stale.who));
        stale.fold(0.0, |sum, stale| sum + within(&stale.during).as_secs_f64())
    }

    /// Who runs.
    pub(super) fn running(&self) -> Vec<usize> {
        (0..self.held.len()).filter(|who| self.held[*who].is_running).collect()
    }

    /// Since when none of these instances has had a fact about an endpoint; `None` while one has.
    pub(super) fn without_endpoint(&self, instances: impl IntoIterator<Item = usize>) -> Option<Duration> {
        instances
            .into_iter()
            .map(|who| self.held[who].without_endpoint)
            .max_by_key(|since| (since.is_none(), *since))?
    }

    /// The requests of a time.
    pub(super) fn during(&self, during: &Range<Duration>) -> impl Iterator<Item = &Request> + Clone {
        self.requests.iter().filter(move |request| during.contains(&request.at))
    }
}

/// Notes requests as they are answered.
#[derive(Debug)]
struct Noted {
    inner: SharedHttpConnector,
    clock: Clock,
    log: SharedLog,
}

impl std::fmt::Debug for SharedLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedLog")
    }
}

impl HttpConnector for Noted {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (clock, log) = (self.clock, self.log.clone());
        let (operation, written) = noted(&request, clock);
        let answer = self.inner.call(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await?;
            let at = clock.now();
            let mut log = log.open();
            log.requests.push(Request { at, operation, throttled: answer.status().as_u16() == 503 });
            if answer.status().is_success() {
                log.written.extend(written.map(|written| Written { at, ..written }));
            }
            drop(log);
            Ok(answer)
        })
    }
}

/// The operation, and what is to be written of a head.
fn noted(request: &HttpRequest, clock: Clock) -> (&'static str, Option<Written>) {
    let body = request.body().bytes().unwrap_or_default();
    let of_ec2 = || str::from_utf8(body).ok()?.strip_prefix("Action=")?.split('&').next();
    let operation = operation(request).or_else(of_ec2).unwrap_or_default();
    let written = (operation == "UpdateItem").then(|| {
        let body: Value = serde_json::from_slice(body).unwrap();
        let values = &body["ExpressionAttributeValues"];
        let text = |value: &Value| value["S"].as_str().map(str::to_owned);
        let (vpc, publisher) = text(&body["Key"]["pk"]).zip(text(&values[":publisher"]))?;
        Some(Written { at: clock.now(), vpc, publisher, is_head: values[":document"].is_object() })
    });
    let known = OPERATIONS.into_iter().find(|known| *known == operation);
    (known.unwrap_or_else(|| panic!("the fleet asks for {operation}")), written.flatten())
}
