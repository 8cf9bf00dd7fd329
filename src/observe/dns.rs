//! What the system's name servers say of a name: no cache, no search list, `/etc/hosts` apart.
//!
//! hickory's servers and transports are used, but not its resolver: that one follows CNAME chains with queries of its
//! own and treats a loop and an empty answer alike. glibc asks once per family and takes what the answer holds; so do we.

mod c_library;
mod hosts;
mod servers;

use super::{
    limits::{ADDRESSES, CNAMES, RECORDS_A_TURN, RESOLV_CONF},
    seen::{Stopwatch, chain},
};
use crate::model::{AddressRecord, Gap, Observed, Resolution, Seconds};
pub use c_library::{CLibrary, COMMAND, Resolver, answer};
use futures_util::StreamExt;
use hickory_resolver::{
    NameServerPool, PoolContext, TlsConfig,
    config::{ConnectionConfig, NameServerConfig, ResolverOpts},
    net::{DnsError as Negative, DnsHandle, NetError, NoRecords, runtime::TokioRuntimeProvider},
    proto::{
        op::{DnsRequestOptions, Query, ResponseCode},
        rr::{Name, RData, Record, RecordType},
    },
};
pub use hosts::HostsFile;
use hosts::Pinned;
use std::{
    collections::HashSet,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{task::yield_now, time::timeout};

/// How long one server may take over one query, a second one by TCP included where the first answer was cut off.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// The name servers to ask, in order, and `/etc/hosts`.
pub struct Dns {
    servers: Vec<Server>,
    hosts: HostsFile,
    patience: Duration,
}

struct Server {
    address: SocketAddr,
    pool: NameServerPool<TokioRuntimeProvider>,
}

/// Why a name's addresses are not known.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// No name server can be asked.
    #[error("no name server can be asked")]
    System(#[source] NetError),
    /// `/etc/resolv.conf` cannot be read.
    #[error("/etc/resolv.conf cannot be read")]
    ResolvConf(#[source] io::Error),
    /// `/etc/resolv.conf` is longer than any should be.
    #[error("/etc/resolv.conf is longer than {RESOLV_CONF} bytes")]
    ResolvConfTooLong,
    /// A name that cannot be asked for.
    #[error("{name:?} is not a hostname")]
    NotAName {
        /// The name.
        name: String,
    },
    /// NXDOMAIN.
    #[error("the name {name} does not exist, says {server}")]
    NoSuchName {
        /// The name, or the one its CNAME chain ends at.
        name: String,
        /// Who says so.
        server: SocketAddr,
    },
    /// An error code: SERVFAIL, REFUSED, …
    #[error("{server} answered: {code}")]
    Code {
        /// The server.
        server: SocketAddr,
        /// Its words.
        code: String,
    },
    /// No answer.
    #[error("{server} did not answer")]
    Silent {
        /// The server.
        server: SocketAddr,
    },
    /// The query could not be sent, or was refused on the way.
    #[error("{server} cannot be reached")]
    Unreachable {
        /// The server.
        server: SocketAddr,
        /// How it failed.
        #[source]
        cause: NetError,
    },
    /// An answer that is no DNS message.
    #[error("{server} answered with something that is not a DNS message")]
    Malformed {
        /// The server.
        server: SocketAddr,
        /// What is wrong with it.
        #[source]
        cause: NetError,
    },
    /// A chain of CNAMEs that comes back to itself.
    #[error("{server} answered with a CNAME chain that comes back to {name}")]
    Loop {
        /// The server.
        server: SocketAddr,
        /// Where it closes.
        name: String,
    },
    /// A chain of CNAMEs that is longer than any should be.
    #[error("{server} answered with more than {CNAMES} CNAMEs for {name}")]
    TooManyCnames {
        /// The server.
        server: SocketAddr,
        /// The name that was asked for.
        name: String,
    },
}

impl DnsError {
    /// The error as the reason for a missing fact.
    pub fn gap(&self, after: Seconds) -> Gap {
        let detail = chain(self);
        match self {
            Self::NoSuchName { .. } => Gap::NotFound { detail },
            Self::Silent { .. } => Gap::TimedOut { after },
            Self::Unreachable { .. } => Gap::Unreachable { detail },
            Self::Malformed { .. } | Self::Loop { .. } | Self::NotAName { .. } => Gap::Malformed { detail },
            Self::TooManyCnames { name, .. } => over(format!("CNAMEs for {name}"), CNAMES, CNAMES + 1),
            Self::ResolvConfTooLong => Gap::OverLimit {
                limit: "bytes in /etc/resolv.conf".to_owned(),
                allowed: RESOLV_CONF,
                found: RESOLV_CONF + 1,
            },
            Self::System(_) | Self::ResolvConf(_) | Self::Code { .. } => Gap::Failed { detail },
        }
    }

    /// What hickory's error means. NODATA is no error: the name exists and has no such record.
    #[expect(clippy::wildcard_enum_match_arm, reason = "hickory's errors are open to more")]
    fn new(server: SocketAddr, name: &Name, cause: NetError) -> Result<Answer, Self> {
        match cause {
            NetError::Dns(Negative::NoRecordsFound(NoRecords { response_code: ResponseCode::NoError, .. })) => {
                Ok(Answer::default())
            }
            NetError::Dns(Negative::NoRecordsFound(NoRecords { response_code: ResponseCode::NXDomain, .. })) => {
                Err(Self::NoSuchName { name: plain(name), server })
            }
            NetError::Dns(error) => Err(Self::Code { server, code: error.to_string() }),
            NetError::Timeout => Err(Self::Silent { server }),
            cause @ (NetError::Io(_) | NetError::NoConnections | NetError::Busy) => {
                Err(Self::Unreachable { server, cause })
            }
            cause => Err(Self::Malformed { server, cause }),
        }
    }

    /// Whether the next server may do better. A name that does not exist, does not exist; so glibc has it.
    fn is_the_servers(&self) -> bool {
        !matches!(self, Self::NoSuchName { .. } | Self::NotAName { .. })
    }
}

/// What one query brought.
#[derive(Debug, Default)]
struct Answer {
    addresses: Vec<AddressRecord>,
    cnames: Vec<String>,
}

impl Dns {
    /// Asks the servers of `/etc/resolv.conf`, or `resolver` in their place.
    pub fn from_system(resolver: Option<SocketAddr>) -> Result<Self, DnsError> {
        let servers = match resolver {
            Some(server) => vec![server],
            None => servers::of_the_system()?,
        };
        Self::new(&servers, PATIENCE, HostsFile::of_the_system())
    }

    /// Asks `servers`, in order, each for as long as `patience`.
    pub fn new(servers: &[SocketAddr], patience: Duration, hosts: HostsFile) -> Result<Self, DnsError> {
        let mut options = ResolverOpts::default();
        options.timeout = patience;
        let tls = TlsConfig::new().map_err(DnsError::System)?;
        let context = Arc::new(PoolContext::new(options, tls));
        let server = |&address: &SocketAddr| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = address.port();
                connection
            });
            let config = NameServerConfig::new(address.ip(), true, connections.into());
            // A pool for each: in one pool hickory would ask two servers at once, where applications ask the first.
            let pool = NameServerPool::from_config([config], context.clone(), TokioRuntimeProvider::default());
            Server { address, pool }
        };
        Ok(Self { servers: servers.iter().map(server).collect(), hosts, patience })
    }

    /// The addresses of `hostname`, both families at once, and how long the slower one took.
    pub async fn resolve(&self, hostname: &str) -> (Resolution, Seconds) {
        let watch = Stopwatch::start();
        if let Ok(address) = hostname.parse::<IpAddr>() {
            return (literal(watch, address), watch.took());
        }
        let (ipv4, ipv6, pinned) = tokio::join!(
            self.records(hostname, RecordType::A),
            self.records(hostname, RecordType::AAAA),
            self.hosts.addresses(hostname)
        );
        let cnames = [&ipv4, &ipv6].into_iter().flatten().map(|(answer, _)| &answer.cnames);
        let cnames = cnames.max_by_key(|chain| chain.len()).cloned().unwrap_or_default();
        let (mut ipv4, mut ipv6) = (addresses(ipv4), addresses(ipv6));
        let left_out = left_out(hostname, &mut ipv4, &mut ipv6);
        let (hosts_file, left_out) = match pinned {
            Ok(Pinned { addresses, left_out: of_file }) => (Ok(addresses), of_file.or(left_out)),
            Err(gap) => (Err(gap), left_out),
        };
        let servers = self.servers.iter().map(|server| server.address).collect();
        let hosts_file = watch.observed(hosts_file);
        (Resolution { ipv4, ipv6, cnames, servers, hosts_file, c_library: None, left_out }, watch.took())
    }

    /// The records of one family, from the first server that knows.
    async fn records(&self, hostname: &str, family: RecordType) -> Result<(Answer, Stopwatch), Gap> {
        let watch = Stopwatch::start();
        let mut result = Err(DnsError::System(NetError::NoConnections));
        for server in &self.servers {
            result = server.ask(hostname, family, self.patience).await;
            if !result.as_ref().is_err_and(DnsError::is_the_servers) {
                break;
            }
        }
        result.map(|answer| (answer, watch)).map_err(|error| {
            tracing::debug!(hostname, %family, error = chain(&error), "not resolved");
            error.gap(watch.took())
        })
    }
}

impl Server {
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other response code is a failure")]
    async fn ask(&self, hostname: &str, family: RecordType, patience: Duration) -> Result<Answer, DnsError> {
        let mut name = Name::from_ascii(hostname)
            .ok()
            .filter(|name| name.num_labels() > 0)
            .ok_or_else(|| DnsError::NotAName { name: hostname.to_owned() })?;
        // Absolute: the search list is for people who type, and would send our name to somebody else's domain.
        name.set_fqdn(true);

        let query = Query::query(name.clone(), family);
        let mut answers = self.pool.lookup(query, DnsRequestOptions::default());
        match timeout(patience, answers.next()).await {
            Err(_) | Ok(None) => Err(DnsError::Silent { server: self.address }),
            Ok(Some(Err(cause))) => DnsError::new(self.address, &name, cause),
            Ok(Some(Ok(response))) => {
                let answer = follow(self.address, &name, family, &response.answers).await?;
                match response.response_code {
                    // The chain leads to a name that does not exist.
                    ResponseCode::NXDomain if answer.addresses.is_empty() => {
                        let name = answer.cnames.last().cloned().unwrap_or_else(|| plain(&name));
                        Err(DnsError::NoSuchName { name, server: self.address })
                    }
                    ResponseCode::NoError | ResponseCode::NXDomain => Ok(answer),
                    code => Err(DnsError::Code { server: self.address, code: code.to_string() }),
                }
            }
        }
    }
}

/// The records of `family` at the end of the CNAME chain that begins at `name`.
async fn follow(server: SocketAddr, name: &Name, family: RecordType, records: &[Record]) -> Result<Answer, DnsError> {
    let mut chain = vec![name.clone()];
    loop {
        let Step { addresses, target } = step(&chain[chain.len() - 1], family, records).await;
        match target {
            Some(target) if addresses.is_empty() => {
                if chain.contains(&target) {
                    return Err(DnsError::Loop { server, name: plain(&target) });
                }
                if chain.len() > CNAMES {
                    return Err(DnsError::TooManyCnames { server, name: plain(name) });
                }
                chain.push(target);
            }
            Some(_) | None => return Ok(Answer { addresses, cnames: chain[1..].iter().map(plain).collect() }),
        }
    }
}

/// What an answer holds of one name.
#[derive(Default)]
struct Step {
    addresses: Vec<AddressRecord>,
    /// The first CNAME's.
    target: Option<Name>,
}

/// Goes over all records once, in turns: an answer can have thousands.
async fn step(name: &Name, family: RecordType, records: &[Record]) -> Step {
    let (mut step, mut known) = (Step::default(), HashSet::new());
    let in_turns = records.len() > RECORDS_A_TURN;
    for records in records.chunks(RECORDS_A_TURN) {
        if in_turns {
            yield_now().await;
        }
        for record in records.iter().filter(|record| record.name == *name) {
            if let RData::CNAME(cname) = &record.data {
                step.target.get_or_insert_with(|| cname.0.clone());
            } else if record.record_type() == family {
                let new = record.data.ip_addr().filter(|address| known.insert(*address));
                step.addresses.extend(new.map(|address| AddressRecord { address, ttl: record.ttl }));
            }
        }
    }
    step
}

/// A name as people write it, without the dot at its end.
fn plain(name: &Name) -> String {
    name.to_string().trim_end_matches('.').to_owned()
}

fn addresses(result: Result<(Answer, Stopwatch), Gap>) -> Observed<Vec<AddressRecord>> {
    match result {
        Ok((answer, watch)) => watch.seen(answer.addresses),
        Err(gap) => Observed::Unseen(gap),
    }
}

/// Cuts both families together down to what is judged of one name; why, if there is more.
fn left_out(
    name: &str,
    ipv4: &mut Observed<Vec<AddressRecord>>,
    ipv6: &mut Observed<Vec<AddressRecord>>,
) -> Option<Gap> {
    let (mut found, mut left) = (0, ADDRESSES);
    for records in [ipv4, ipv6] {
        if let Observed::Seen { value, .. } = records {
            found += value.len();
            value.truncate(left);
            left -= value.len();
        }
    }
    (found > ADDRESSES).then(|| over(format!("addresses of {name}"), ADDRESSES, found))
}

fn over(limit: String, allowed: usize, found: usize) -> Gap {
    let count = |count| u64::try_from(count).unwrap_or(u64::MAX);
    Gap::OverLimit { limit, allowed: count(allowed), found: count(found) }
}

/// An address in the place of a name: it resolves to itself, for ever, and no server is asked.
fn literal(watch: Stopwatch, address: IpAddr) -> Resolution {
    let record = vec![AddressRecord { address, ttl: u32::MAX }];
    let (ipv4, ipv6) = if address.is_ipv4() { (record, Vec::new()) } else { (Vec::new(), record) };
    Resolution {
        ipv4: watch.seen(ipv4),
        ipv6: watch.seen(ipv6),
        cnames: Vec::new(),
        servers: Vec::new(),
        hosts_file: watch.seen(Vec::new()),
        c_library: None,
        left_out: None,
    }
}
