//! DynamoDB's names, and of each name: its addresses, and of each address: the kernel's route and the probes.

use super::{
    aws::Aws,
    dns::{Dns, DnsError},
    kernel::{Kernel, KernelError},
    names::{NamesError, account_name_beside, names},
    probe::Prober,
    round::{Awaited, ProbeChoice},
    seen::{Stopwatch, chain, seen},
};
use crate::model::{Gap, HostRoute, KernelRoute, Observed, ProbeAttempt, Resolution, Seconds, ServiceName};
use aws_credential_types::Credentials;
use futures_util::future::join_all;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    pin::pin,
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};

/// How many probes may be under way: a name may have any number of addresses.
const PROBES: usize = 32;

/// How long a probe has the process to itself. A connection, a handshake and an answer within a Region take less.
const TURN: Duration = Duration::from_millis(20);

/// What the looks at DynamoDB's names need.
pub(super) struct Services<'a> {
    pub(super) aws: Result<&'a Aws, Gap>,
    pub(super) kernel: Result<&'a Kernel, &'a KernelError>,
    pub(super) dns: Result<&'a Dns, &'a DnsError>,
    pub(super) probe: ProbeChoice,
    pub(super) deadline: Instant,
    /// What a probe leaves of the time, so that it can still say in which phase it ended.
    pub(super) margin: Duration,
}

/// What was seen of DynamoDB's names.
pub(super) struct Seen {
    pub(super) names: Observed<Vec<ServiceName>>,
    pub(super) account_name: Observed<Option<ServiceName>>,
    pub(super) resolutions: BTreeMap<String, Resolution>,
    pub(super) kernel_routes: BTreeMap<IpAddr, Observed<KernelRoute>>,
    pub(super) probes: Vec<ProbeAttempt>,
}

/// What was seen of one name.
struct Look {
    hostname: String,
    resolution: Resolution,
    kernel_routes: Vec<(IpAddr, Observed<KernelRoute>)>,
    probes: Vec<ProbeAttempt>,
}

type AwaitedCredentials<'a> = Awaited<'a, Result<Credentials, Gap>>;

impl Services<'_> {
    /// Looks at every name, those that need no credentials without waiting for any.
    pub(super) async fn look(
        &self,
        region: Awaited<'_, Observed<String>>,
        credentials: AwaitedCredentials<'_>,
    ) -> Seen {
        let region = region.await;
        let (region, aws) = match (region.get(), &self.aws) {
            (Ok(region), Ok(aws)) => (region, *aws),
            (_, Err(gap)) => return Seen::nothing(gap),
            (Err(_), Ok(_)) => return Seen::nothing(&Gap::NotTried { because: "the Region is not known".to_owned() }),
        };
        let prober = Prober::new(aws, region).map_err(|error| {
            tracing::debug!(error = chain(&error), "no probe");
            Gap::Failed { detail: chain(&error) }
        });
        let work = Work { services: self, prober, turns: Turns::default(), credentials };

        let config = aws.sdk_config(region);
        let names = seen("names", self.deadline, names(&config), NamesError::gap).await;
        let looks = work.look_at(names.seen().into_iter().flat_map(|known| &known.names));
        let more = async {
            let account_name = account_name_beside(&names, &config, work.credentials.clone(), self.deadline).await;
            let looks = work.look_at(account_name.seen().into_iter().flatten()).await;
            (account_name, looks)
        };
        let (looks, (account_name, more)) = tokio::join!(looks, more);
        let looks = looks.into_iter().chain(more).collect();
        Seen::new(names.map(|known| known.names), account_name, looks)
    }
}

impl Seen {
    fn nothing(gap: &Gap) -> Self {
        Self::new(Observed::Unseen(gap.clone()), Observed::Unseen(gap.clone()), Vec::new())
    }

    fn new(names: Observed<Vec<ServiceName>>, account_name: Observed<Option<ServiceName>>, looks: Vec<Look>) -> Self {
        let mut seen = Self {
            names,
            account_name,
            resolutions: BTreeMap::new(),
            kernel_routes: BTreeMap::new(),
            probes: Vec::new(),
        };
        for look in looks {
            seen.resolutions.insert(look.hostname, look.resolution);
            seen.kernel_routes.extend(look.kernel_routes);
            seen.probes.extend(look.probes);
        }
        seen
    }
}

/// The looks of one round, with what they share.
struct Work<'a, 'c> {
    services: &'a Services<'a>,
    prober: Result<Prober, Gap>,
    turns: Turns,
    credentials: AwaitedCredentials<'c>,
}

impl Work<'_, '_> {
    async fn look_at<'n>(&self, names: impl Iterator<Item = &'n ServiceName>) -> Vec<Look> {
        join_all(names.map(|name| self.look_at_one(name))).await
    }

    async fn look_at_one(&self, name: &ServiceName) -> Look {
        let (resolution, took) = resolve(self.services.dns, &name.hostname, self.services.deadline).await;
        let addresses = addresses(&resolution);
        let (kernel_routes, probes) = tokio::join!(
            join_all(addresses.iter().map(|&address| async move {
                let route = kernel_route(self.services.kernel, (address, name.port), self.services.deadline).await;
                (address, route)
            })),
            join_all(addresses.iter().map(|&address| self.probes(name, address, took))),
        );
        let probes = probes.into_iter().flatten().collect();
        Look { hostname: name.hostname.clone(), resolution, kernel_routes, probes }
    }

    /// The probes of one address: the one asked for, or the reason there is none and the next best.
    async fn probes(&self, name: &ServiceName, address: IpAddr, resolve: Option<Seconds>) -> Vec<ProbeAttempt> {
        let attempt = |probe| ProbeAttempt { address, hostname: name.hostname.clone(), kind: None, probe };
        let prober = match &self.prober {
            Ok(prober) => prober,
            Err(gap) => return vec![attempt(Observed::Unseen(gap.clone()))],
        };
        let until = self.services.deadline - self.services.margin;
        let health = || self.turns.timed(self.services.deadline, prober.health(name, address, resolve, until));
        match self.services.probe {
            ProbeChoice::None => {
                let because = "probes are switched off".to_owned();
                vec![attempt(Observed::Unseen(Gap::NotTried { because }))]
            }
            ProbeChoice::Health => vec![attempt(health().await)],
            ProbeChoice::ListTables => match self.credentials.clone().await {
                Ok(credentials) => {
                    let probe = prober.list_tables(&credentials, name, address, resolve, until);
                    vec![attempt(self.turns.timed(self.services.deadline, probe).await)]
                }
                Err(gap) => vec![attempt(Observed::Unseen(gap)), attempt(health().await)],
            },
        }
    }
}

/// What a name resolves to, and how long that took where a name server was asked.
pub(super) async fn resolve(
    dns: Result<&Dns, &DnsError>,
    hostname: &str,
    deadline: Instant,
) -> (Resolution, Option<Seconds>) {
    let watch = Stopwatch::start();
    let gap = match dns {
        Ok(dns) => match timeout_at(deadline, dns.resolve(hostname)).await {
            Ok((resolution, took)) => {
                let asked = !resolution.servers.is_empty();
                return (resolution, asked.then_some(took));
            }
            Err(_) => Gap::TimedOut { after: watch.took() },
        },
        Err(error) => error.gap(watch.took()),
    };
    let unresolved = Resolution {
        ipv4: Observed::Unseen(gap.clone()),
        hosts_file: Observed::Unseen(gap.clone()),
        ipv6: Observed::Unseen(gap),
        cnames: Vec::new(),
        servers: Vec::new(),
    };
    (unresolved, None)
}

/// What the kernel would do with a connection to `port` of `address`.
pub(super) async fn kernel_route(
    kernel: Result<&Kernel, &KernelError>,
    (address, port): (IpAddr, u16),
    deadline: Instant,
) -> Observed<KernelRoute> {
    match kernel {
        Ok(kernel) => seen("kernel route", deadline, kernel.route(address, port), KernelError::gap).await,
        Err(error) => Observed::Unseen(error.gap()),
    }
}

/// What of the kernel's routing treats some addresses unlike others.
pub(super) async fn host_routes(kernel: Result<&Kernel, &KernelError>, deadline: Instant) -> Observed<Vec<HostRoute>> {
    match kernel {
        Ok(kernel) => seen("host routes", deadline, kernel.host_routes(), KernelError::gap).await,
        Err(error) => Observed::Unseen(error.gap()),
    }
}

/// Lets probes begin one after the other: two at the same moment would time each other's work along with the network.
///
/// A probe that takes longer than [`TURN`] waits for the network, and disturbs nobody: the next begins meanwhile. What a
/// probe waits for its turn is no part of it.
#[derive(Debug)]
pub(super) struct Turns {
    turn: Semaphore,
    in_flight: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self { turn: Semaphore::new(1), in_flight: Semaphore::new(PROBES) }
    }
}

impl Turns {
    /// Makes a probe when it is its turn.
    pub(super) async fn timed<T>(&self, deadline: Instant, probe: impl Future<Output = T>) -> Observed<T> {
        let waiting = Stopwatch::start();
        let look = async {
            let _in_flight = self.in_flight.acquire().await;
            let turn = self.turn.acquire().await;
            let watch = Stopwatch::start();
            let mut probe = pin!(probe);
            if let Ok(done) = timeout(TURN, &mut probe).await {
                return watch.seen(done);
            }
            drop(turn);
            watch.seen(probe.await)
        };
        match timeout_at(deadline, look).await {
            Ok(probe) => probe,
            Err(_) => Observed::Unseen(Gap::TimedOut { after: waiting.took() }),
        }
    }
}

/// Every address an application may meet under the name, each once.
pub fn addresses(resolution: &Resolution) -> BTreeSet<IpAddr> {
    let records = [&resolution.ipv4, &resolution.ipv6].into_iter().filter_map(Observed::seen).flatten();
    records.map(|record| record.address).chain(resolution.hosts_file.seen().into_iter().flatten().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    /// When each of these probes began and ended, in milliseconds.
    async fn times(took: &[u64]) -> Vec<(u128, u128)> {
        let (turns, began) = (Turns::default(), Instant::now());
        let deadline = began + Duration::from_secs(10);
        let probes = took.iter().map(|&took| {
            turns.timed(deadline, async move {
                let start = began.elapsed().as_millis();
                sleep(Duration::from_millis(took)).await;
                (start, began.elapsed().as_millis())
            })
        });
        join_all(probes).await.into_iter().filter_map(|probe| probe.seen().copied()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn quick_probes_do_not_overlap() {
        assert_eq!(times(&[5, 4, 3]).await, [(0, 5), (5, 9), (9, 12)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_waits_for_the_network_holds_nobody_up() {
        assert_eq!(times(&[3000, 3000, 5]).await, [(0, 3000), (20, 3020), (40, 45)]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_under_way_than_may_be() {
        let times = times(&[1000; PROBES + 1]).await;
        assert_eq!(times[PROBES - 1].0, 20 * (PROBES as u128 - 1));
        assert_eq!(times[PROBES].0, 1000, "it begins when the first has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_whose_turn_does_not_come_is_missing() {
        let turns = Turns::default();
        let soon = Instant::now() + Duration::from_millis(10);
        let (first, second) =
            tokio::join!(turns.timed(soon, std::future::pending::<()>()), turns.timed(soon, async {}));
        assert!(first.seen().is_none() && second.seen().is_none());
    }
}
