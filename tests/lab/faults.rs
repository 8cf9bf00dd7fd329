//! The named faults of the services, and the switchboard that has the present ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Condvar, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// A service of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    Imds,
    Dns,
    Ec2,
    Sts,
    DynamoDb,
}

impl Service {
    pub const ALL: [Self; 5] = [Self::Imds, Self::Dns, Self::Ec2, Self::Sts, Self::DynamoDb];

    pub fn name(self) -> &'static str {
        match self {
            Self::Imds => "imds",
            Self::Dns => "dns",
            Self::Ec2 => "ec2",
            Self::Sts => "sts",
            Self::DynamoDb => "dynamodb",
        }
    }

    /// Every fault of this service.
    pub fn faults(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().filter(move |fault| fault.services().contains(&self))
    }
}

macro_rules! faults {
    ($($variant:ident = $name:literal, $services:expr, $meaning:literal;)*) => {
        /// A fault of a service.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $($variant,)* }

        impl Fault {
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its effect, in one line.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// The services that can have this fault.
            pub fn services(self) -> &'static [Service] {
                match self { $(Self::$variant => $services,)* }
            }
        }
    };
}

const ALL: &[Service] = &Service::ALL;
const HTTP: &[Service] = &[Service::Imds, Service::Ec2, Service::Sts, Service::DynamoDb];
const TLS: &[Service] = &[Service::Ec2, Service::Sts, Service::DynamoDb];
const IMDS: &[Service] = &[Service::Imds];
const DNS: &[Service] = &[Service::Dns];

faults! {
    Silence = "silence", ALL, "takes the request and never answers";
    Refuse = "refuse", ALL, "is not there: the port is closed";
    Unauthorized = "http-401", HTTP, "answers 401, as a proxy or gateway would";
    Forbidden = "http-403", HTTP, "answers 403, as a proxy or gateway would";
    NotFound = "http-404", HTTP, "answers 404, as a proxy or gateway would";
    Unavailable = "http-503", HTTP, "answers 503, as a proxy or gateway would";
    Throttle = "throttle", TLS, "asks to come back later, by its own error code";
    Denied = "denied", TLS, "says that an IAM policy does not allow the call";
    BadCredentials = "bad-credentials", TLS, "does not know the access key";
    InternalError = "internal-error", &[Service::DynamoDb], "answers 500 with DynamoDB's own code";
    Validation = "validation", &[Service::DynamoDb], "answers 400 with DynamoDB's own code";
    EndpointPolicy = "endpoint-policy", &[Service::DynamoDb], "denies by the VPC endpoint's policy whatever comes through one";
    Truncate = "truncate", HTTP, "closes the connection in the middle of the answer";
    Html = "html", HTTP, "answers 200 with a web page";
    Garbage = "garbage", TLS, "answers 200 with a body that does not parse";
    WrongCertificate = "wrong-certificate", TLS, "shows a certificate for another name";
    ExpiredCertificate = "expired-certificate", TLS, "shows a certificate that has expired";
    UntrustedAuthority = "untrusted-authority", TLS, "shows a certificate of an authority nobody trusts";
    TlsSilence = "tls-silence", TLS, "takes the connection and never shakes hands";
    SlowTls = "slow-tls", TLS, "shakes hands too late";
    SlowAnswer = "slow-answer", ALL, "answers too late";
    SlowBody = "slow-body", HTTP, "sends the head of the answer at once and its body too late";
    EndlessHead = "endless-head", HTTP, "sends header fields without end";
    EndlessInterim = "endless-1xx", HTTP, "sends 100 Continue without end";
    EndlessBody = "endless-body", HTTP, "answers 200 with a body without end";
    EndlessExtension = "endless-chunk-extension", HTTP, "answers 200 with a chunk extension without end";
    Drip = "drip", HTTP, "sends one byte of the answer each tenth of a second";
    Servfail = "servfail", DNS, "answers SERVFAIL";
    Nxdomain = "nxdomain", DNS, "says that the name does not exist";
    Nodata = "nodata", DNS, "says that the name has no address";
    SixtyAddresses = "sixty-addresses", DNS, "answers with sixty addresses, too many for one datagram";
    CutOff = "cut-off", DNS, "cuts its answers off, for they are to be had by TCP";
    CutOffForGood = "cut-off-for-good", DNS, "cuts its answers off, and is silent by TCP";
    CnameLoop = "cname-loop", DNS, "answers with names that point at each other";
    Malformed = "malformed", DNS, "answers with bytes that are no DNS message";
    HopLimit = "hop-limit", IMDS, "loses the answers to token requests, as from a container with a hop limit of 1";
    Disabled = "disabled", IMDS, "answers 403: instance metadata is switched off";
}

/// What DynamoDB's answers say in their `Date` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateField {
    /// The time, and so many seconds more.
    Skewed(i64),
    Absent,
}

impl Default for DateField {
    fn default() -> Self {
        Self::Skewed(0)
    }
}

/// One request to a service.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    pub service: Service,
    /// Who asked. `None`: the resolver does not tell.
    pub from: Option<IpAddr>,
    /// The action, path or name.
    pub what: String,
}

/// The delay of each phase of a request to DynamoDB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    pub resolve: Duration,
    pub tls: Duration,
    pub wait: Duration,
    pub receive: Duration,
}

#[derive(Default)]
struct Settings {
    faults: BTreeMap<Service, Fault>,
    denied_actions: BTreeSet<String>,
    every_answer_late_by: Duration,
    pace: Pace,
    date_field: DateField,
    lingered: BTreeMap<&'static str, Vec<Duration>>,
    slowness: Option<Duration>,
    /// The number of open sockets of each service, so that `refuse` takes effect before the next request.
    open: BTreeMap<Service, usize>,
    seen: Vec<Seen>,
}

/// The present fault of each service, and the requests so far.
pub struct Switchboard {
    settings: Mutex<Settings>,
    socket_changed: Condvar,
    changed: watch::Sender<()>,
}

impl Switchboard {
    pub fn new() -> Self {
        Self { settings: Mutex::default(), socket_changed: Condvar::new(), changed: watch::Sender::new(()) }
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().expect("nothing panics while it holds the lock")
    }

    /// Sets or removes the fault of a service. Returns once its sockets are closed, or open again.
    pub fn set(&self, service: Service, fault: Option<Fault>) {
        let mut settings = self.settings();
        match fault {
            Some(fault) => settings.faults.insert(service, fault),
            None => settings.faults.remove(&service),
        };
        self.changed.send_replace(());
        let closed = fault == Some(Fault::Refuse);
        let unsettled = |settings: &mut Settings| (settings.open.get(&service).copied().unwrap_or(0) == 0) != closed;
        let patience = Duration::from_secs(5);
        let waited = self.socket_changed.wait_timeout_while(settings, patience, unsettled);
        assert!(!waited.expect("nothing panics while it holds the lock").1.timed_out(), "{service:?} did not settle");
    }

    pub fn get(&self, service: Service) -> Option<Fault> {
        self.settings().faults.get(&service).copied()
    }

    /// Counts a socket of a service as open or closed.
    pub fn count_socket(&self, service: Service, open: bool) {
        let mut settings = self.settings();
        let count = settings.open.entry(service).or_default();
        *count = if open { *count + 1 } else { *count - 1 };
        self.socket_changed.notify_all();
    }

    /// Is notified of every change.
    pub fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Makes the EC2 API deny one action, such as `DescribeRouteTables`.
    pub fn deny(&self, action: &str) {
        self.settings().denied_actions.insert(action.to_owned());
    }

    /// Allows it again.
    pub fn allow(&self, action: &str) {
        self.settings().denied_actions.remove(action);
    }

    pub fn is_denied(&self, action: &str) -> bool {
        self.settings().denied_actions.contains(action)
    }

    pub fn delay_every_answer(&self, by: Duration) {
        self.settings().every_answer_late_by = by;
    }

    pub fn answer_delay(&self) -> Duration {
        self.settings().every_answer_late_by
    }

    pub fn set_pace(&self, pace: Pace) {
        self.settings().pace = pace;
    }

    /// The pace of a service; only DynamoDB has one.
    pub fn pace(&self, service: Service) -> Pace {
        if service == Service::DynamoDb { self.settings().pace } else { Pace::default() }
    }

    pub fn set_date_field(&self, field: DateField) {
        self.settings().date_field = field;
    }

    pub fn date_field(&self) -> DateField {
        self.settings().date_field
    }

    /// Delays a phase, and records the real delay, because a timer rounds up.
    pub async fn linger(&self, phase: &'static str, by: Duration) {
        if by.is_zero() {
            return;
        }
        let began = Instant::now();
        tokio::time::sleep(by).await;
        self.lingered(phase, began.elapsed());
    }

    /// Records the delay of a phase.
    pub fn lingered(&self, phase: &'static str, took: Duration) {
        self.settings().lingered.entry(phase).or_default().push(took);
    }

    /// The recorded delays of each phase.
    pub fn all_lingered(&self) -> BTreeMap<&'static str, Vec<Duration>> {
        self.settings().lingered.clone()
    }

    /// The delay of the slow faults: much longer than any deadline unless set.
    pub fn slowness(&self) -> Duration {
        self.settings().slowness.unwrap_or(Duration::from_secs(60))
    }

    pub fn set_slowness(&self, slowness: Duration) {
        self.settings().slowness = Some(slowness);
    }

    pub fn log(&self, service: Service, from: Option<IpAddr>, what: impl Into<String>) {
        let seen = Seen { at: Instant::now(), service, from, what: what.into() };
        self.settings().seen.push(seen);
    }

    /// The requests to the services so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.settings().seen.clone()
    }
}
