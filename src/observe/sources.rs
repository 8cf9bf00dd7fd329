//! One source at a time, for the daemon: the looks that [`observe`](super::observe) makes in one round, each by itself.

use super::{
    aws::Aws,
    dns::Dns,
    environment,
    kernel::Kernel,
    names::{NamesError, account_name_beside, names},
    probe::Prober,
    round::{MARGIN, Round, Settings, load, nothing},
    seen::{Stopwatch, chain, seen, within},
    services::{Turns, host_routes, kernel_route, resolve},
};
use crate::model::{
    Ec2Request, Gap, HostRoute, Instance, KernelRoute, Observed, Probe, ProbeAttempt, ProxyVariable, Resolution,
    Seconds, ServiceName, VpcFacts, all_names,
};
use futures_util::{FutureExt, future::join_all};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};
use tokio::time::Instant;

/// The sources, and the settings they are looked at with.
#[derive(Debug)]
pub struct Sources {
    settings: Settings,
    aws: Result<Aws, Gap>,
    /// Of all probes, whatever kind and look they are of.
    turns: Arc<Turns>,
}

/// What instance metadata and the configuration of the SDK say.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// The instance.
    pub instance: Observed<Instance>,
    /// The Region the names were made for.
    pub region: Observed<String>,
    /// The names to judge that depend on no account.
    pub names: Observed<Vec<ServiceName>>,
    /// The account-based name.
    pub account_name: Observed<Option<ServiceName>>,
}

impl Identity {
    /// Every name that is known, the one an SDK would use first.
    pub fn all_names(&self) -> impl Iterator<Item = &ServiceName> {
        all_names(&self.names, &self.account_name)
    }
}

/// What a name resolves to, and how long that took where a name server was asked.
pub type Resolved = (Resolution, Option<Seconds>);

/// What the kernel says.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelRoutes {
    /// What it would do with each address.
    pub routes: BTreeMap<IpAddr, Observed<KernelRoute>>,
    /// Its routes that are more specific than a default route.
    pub host_routes: Observed<Vec<HostRoute>>,
}

/// What a probe is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name it carries.
    pub name: ServiceName,
    /// The address it goes to.
    pub address: IpAddr,
    /// How long the name took to resolve, for the first phase.
    pub resolve: Option<Seconds>,
}

impl Sources {
    /// Reads the SDK's settings. They are read again by [`Sources::reopened`].
    pub async fn open(settings: Settings) -> Self {
        let aws = load(Instant::now() + settings.timeout).await;
        Self { settings, aws, turns: Arc::default() }
    }

    /// The same with the SDK's settings read anew; an error where they cannot be used.
    pub async fn reopened(&self) -> Result<Self, Gap> {
        let aws = load(Instant::now() + self.settings.timeout).await?;
        Ok(Self { settings: self.settings.clone(), aws: Ok(aws), turns: Arc::clone(&self.turns) })
    }

    /// Why nothing can be asked of AWS at all, if so.
    pub fn broken(&self) -> Option<&Gap> {
        self.aws.as_ref().err()
    }

    /// What they are looked at with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Who we are, and which names are DynamoDB's.
    pub async fn identity(&self) -> Identity {
        let round = self.round();
        let instance = round.instance().boxed().shared();
        let region = round.region(instance.clone()).boxed().shared();
        let names = async {
            let region = region.clone().await;
            let (region, aws) = match (region.get(), &self.aws) {
                (Ok(region), Ok(aws)) => (region, aws),
                (_, Err(gap)) => return unnamed(gap),
                (Err(_), Ok(_)) => return unnamed(&Gap::NotTried { because: "the Region is not known".to_owned() }),
            };
            let config = aws.sdk_config(region);
            let names = seen("names", round.deadline, names(&config), NamesError::gap).await;
            let credentials = round.credentials(instance.clone());
            let account_name = account_name_beside(&names, &config, credentials, round.deadline).await;
            (names.map(|known| known.names), account_name)
        };
        let (instance, region, (names, account_name)) = tokio::join!(instance.clone(), region.clone(), names);
        Identity { instance, region, names, account_name }
    }

    /// What each name resolves to.
    pub async fn addresses(&self, names: &[ServiceName]) -> BTreeMap<String, Resolved> {
        let deadline = self.deadline();
        let dns = Dns::from_system(self.settings.resolver);
        let looks = names.iter().map(|name| {
            let dns = dns.as_ref();
            async move { (name.hostname.clone(), resolve(dns, &name.hostname, deadline).await) }
        });
        join_all(looks).await.into_iter().collect()
    }

    /// What the kernel would do with a connection to each of these.
    pub async fn kernel_routes(&self, destinations: &BTreeSet<(IpAddr, u16)>) -> KernelRoutes {
        let deadline = self.deadline();
        let kernel = Kernel::open();
        let kernel = kernel.as_ref();
        let routes = destinations
            .iter()
            .map(|&destination| async move { (destination.0, kernel_route(kernel, destination, deadline).await) });
        let (routes, host_routes) = tokio::join!(join_all(routes), host_routes(kernel, deadline));
        KernelRoutes { routes: routes.into_iter().collect(), host_routes }
    }

    /// An unsigned `GET /` to each target.
    pub async fn health(&self, region: &str, targets: &[Target]) -> Vec<ProbeAttempt> {
        let probe = |prober: Prober, target: Target, until| async move {
            prober.health(&target.name, target.address, target.resolve, until).await
        };
        self.probed(region, targets, probe).await
    }

    /// A signed `ListTables` to each target, or the reason there is none.
    pub async fn list_tables(&self, region: &str, targets: &[Target]) -> Vec<ProbeAttempt> {
        let credentials = match &self.aws {
            Ok(aws) => within(self.deadline(), aws.credentials()).await.into_result(),
            Err(gap) => Err(gap.clone()),
        };
        match credentials {
            Ok(credentials) => {
                let probe = |prober: Prober, target: Target, until| {
                    let credentials = credentials.clone();
                    async move {
                        prober.list_tables(&credentials, &target.name, target.address, target.resolve, until).await
                    }
                };
                self.probed(region, targets, probe).await
            }
            Err(gap) => targets.iter().map(|target| target.attempt(Observed::Unseen(gap.clone()))).collect(),
        }
    }

    async fn probed<F>(
        &self,
        region: &str,
        targets: &[Target],
        probe: impl Fn(Prober, Target, Instant) -> F,
    ) -> Vec<ProbeAttempt>
    where
        F: Future<Output = Probe>,
    {
        let deadline = self.deadline();
        let prober = match &self.aws {
            Ok(aws) => Prober::new(aws, region).map_err(|error| Gap::Failed { detail: chain(&error) }),
            Err(gap) => Err(gap.clone()),
        };
        let probes = targets.iter().map(|target| async {
            let probe = match &prober {
                Ok(prober) => {
                    self.turns.timed(deadline, probe(prober.clone(), target.clone(), deadline - MARGIN)).await
                }
                Err(gap) => Observed::Unseen(gap.clone()),
            };
            target.attempt(probe)
        });
        join_all(probes).await
    }

    /// What EC2 knows of the VPCs of `instance`, and what was asked for it.
    pub async fn vpc(&self, instance: &Instance) -> (VpcFacts, Vec<Ec2Request>) {
        let round = self.round();
        let aws = match &self.aws {
            Ok(aws) => aws,
            Err(gap) => return (nothing(gap), Vec::new()),
        };
        match within(round.deadline, aws.credentials()).await.into_result() {
            Ok(_) => round.vpc_of(instance).await,
            Err(gap) => (nothing(&gap), Vec::new()),
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.settings.timeout
    }

    fn round(&self) -> Round<'_> {
        let watch = Stopwatch::start();
        let deadline = watch.started() + self.settings.timeout;
        Round { settings: &self.settings, watch, deadline, aws: self.aws.as_ref().map_err(Clone::clone) }
    }
}

impl Target {
    /// What there is instead of a probe where none is to be made.
    pub fn switched_off(&self) -> ProbeAttempt {
        self.attempt(Observed::Unseen(Gap::NotTried { because: "probes are switched off".to_owned() }))
    }

    fn attempt(&self, probe: Observed<Probe>) -> ProbeAttempt {
        ProbeAttempt { address: self.address, hostname: self.name.hostname.clone(), kind: None, probe }
    }
}

/// No name is known, for one reason.
fn unnamed(gap: &Gap) -> (Observed<Vec<ServiceName>>, Observed<Option<ServiceName>>) {
    (Observed::Unseen(gap.clone()), Observed::Unseen(gap.clone()))
}

/// The proxies that the environment names for these names.
pub fn proxies(names: &[ServiceName]) -> Vec<ProxyVariable> {
    environment::proxies(names)
}
