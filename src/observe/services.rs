//! DynamoDB's names, and of each name: its addresses, and of each address: the kernel's route and the probes.

use super::{
    aws::Aws,
    dns::{Dns, DnsError},
    kernel::{Kernel, KernelError},
    names::{NamesError, names},
    probe::Prober,
    round::{Awaited, ProbeChoice},
    seen::{Stopwatch, chain, seen},
};
use crate::model::{Gap, KernelRoute, Observed, Probe, ProbeAttempt, Resolution, Seconds, ServiceName};
use aws_credential_types::Credentials;
use futures_util::future::join_all;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

/// How many probes run at once: a name may have any number of addresses.
const PROBES: usize = 16;

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
            (_, Err(gap)) => return Seen::new(Observed::Unseen(gap.clone()), Vec::new()),
            (Err(_), Ok(_)) => {
                let because = "the Region is not known".to_owned();
                return Seen::new(Observed::Unseen(Gap::NotTried { because }), Vec::new());
            }
        };
        let prober = Prober::new(aws, region).map_err(|error| {
            tracing::warn!(error = chain(&error), "no probe");
            Gap::Failed { detail: chain(&error) }
        });
        let work = Work { services: self, prober, permits: Semaphore::new(PROBES), credentials };

        let config = aws.sdk_config(region);
        let early = seen("names", self.deadline, names(&config, None), NamesError::gap).await;
        let looks = work.look_at(early.seen().into_iter().flatten());
        let more = async {
            let with_account = match work.credentials.clone().await {
                Ok(credentials) => {
                    seen("names", self.deadline, names(&config, Some(&credentials)), NamesError::gap).await
                }
                Err(_) => early.clone(),
            };
            let is_new =
                |name: &&ServiceName| !early.seen().into_iter().flatten().any(|known| known.hostname == name.hostname);
            let looks = work.look_at(with_account.seen().into_iter().flatten().filter(is_new)).await;
            (with_account, looks)
        };
        let (looks, (names, more)) = tokio::join!(looks, more);
        Seen::new(names, looks.into_iter().chain(more).collect())
    }
}

impl Seen {
    fn new(names: Observed<Vec<ServiceName>>, looks: Vec<Look>) -> Self {
        let mut seen = Self { names, resolutions: BTreeMap::new(), kernel_routes: BTreeMap::new(), probes: Vec::new() };
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
    permits: Semaphore,
    credentials: AwaitedCredentials<'c>,
}

impl Work<'_, '_> {
    async fn look_at<'n>(&self, names: impl Iterator<Item = &'n ServiceName>) -> Vec<Look> {
        join_all(names.map(|name| self.look_at_one(name))).await
    }

    async fn look_at_one(&self, name: &ServiceName) -> Look {
        let (resolution, took) = self.resolve(&name.hostname).await;
        let addresses = addresses(&resolution);
        let (kernel_routes, probes) = tokio::join!(
            join_all(
                addresses.iter().map(|&address| async move { (address, self.kernel_route(address, name.port).await) })
            ),
            join_all(addresses.iter().map(|&address| self.probes(name, address, took))),
        );
        let probes = probes.into_iter().flatten().collect();
        Look { hostname: name.hostname.clone(), resolution, kernel_routes, probes }
    }

    async fn resolve(&self, hostname: &str) -> (Resolution, Option<Seconds>) {
        let watch = Stopwatch::start();
        let gap = match self.services.dns {
            Ok(dns) => match timeout_at(self.services.deadline, dns.resolve(hostname)).await {
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

    async fn kernel_route(&self, address: IpAddr, port: u16) -> Observed<KernelRoute> {
        match self.services.kernel {
            Ok(kernel) => {
                seen("kernel route", self.services.deadline, kernel.route(address, port), KernelError::gap).await
            }
            Err(error) => Observed::Unseen(error.gap()),
        }
    }

    /// The probes of one address: the one asked for, or the reason there is none and the next best.
    async fn probes(&self, name: &ServiceName, address: IpAddr, resolve: Option<Seconds>) -> Vec<ProbeAttempt> {
        let attempt = |probe| ProbeAttempt { address, hostname: name.hostname.clone(), probe };
        let prober = match &self.prober {
            Ok(prober) => prober,
            Err(gap) => return vec![attempt(Observed::Unseen(gap.clone()))],
        };
        let until = self.services.deadline - self.services.margin;
        let health = || self.timed(prober.health(name, address, resolve, until));
        match self.services.probe {
            ProbeChoice::None => {
                let because = "probes are switched off".to_owned();
                vec![attempt(Observed::Unseen(Gap::NotTried { because }))]
            }
            ProbeChoice::Health => vec![attempt(health().await)],
            ProbeChoice::ListTables => match self.credentials.clone().await {
                Ok(credentials) => {
                    let probe = prober.list_tables(&credentials, name, address, resolve, until);
                    vec![attempt(self.timed(probe).await)]
                }
                Err(gap) => vec![attempt(Observed::Unseen(gap)), attempt(health().await)],
            },
        }
    }

    /// One of at most [`PROBES`] at a time.
    async fn timed(&self, probe: impl Future<Output = Probe>) -> Observed<Probe> {
        let waiting = Stopwatch::start();
        let look = async {
            let _permit = self.permits.acquire().await;
            let watch = Stopwatch::start();
            watch.seen(probe.await)
        };
        match timeout_at(self.services.deadline, look).await {
            Ok(probe) => probe,
            Err(_) => Observed::Unseen(Gap::TimedOut { after: waiting.took() }),
        }
    }
}

/// Every address an application may meet under the name, each once.
fn addresses(resolution: &Resolution) -> BTreeSet<IpAddr> {
    let records = [&resolution.ipv4, &resolution.ipv6].into_iter().filter_map(Observed::seen).flatten();
    records.map(|record| record.address).chain(resolution.hosts_file.seen().into_iter().flatten().copied()).collect()
}
