//! One round of looking: what is independent runs at once, and nothing waits for what it does not need.
//!
//! ```text
//!  metadata ─┬──────────────► VPC ───┬─► EC2 (its name looked up meanwhile)
//!  Region  ──┼─► regional name ──────┼──► DNS ─► kernel route, probe, of each address
//!  credentials ► account-based name ─┴──► DNS ─► kernel route, probe, of each address
//! ```
//!
//! Every part ends by itself at the deadline, so that a late fact becomes a gap and the rest is kept.

use super::{
    aws::Aws,
    dns::Dns,
    ec2::{self, vpc_facts},
    environment,
    imds::{self, ImdsError},
    kernel::Kernel,
    seen::{Stopwatch, chain, seen, within},
    services::{Services, host_routes},
};
use crate::model::{
    Ec2Request, Gap, Instance, InterfaceId, MaxAge, Observed, SCHEMA, ServiceName, Snapshot, VpcFacts, VpcId, all_names,
};
use aws_credential_types::Credentials;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, join_all},
};
use std::{collections::BTreeMap, convert::Infallible, net::SocketAddr, time::Duration};
use tokio::time::{Instant, sleep};

/// What to look at, and for how long.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long the whole round may take.
    pub timeout: Duration,
    /// Which request to time.
    pub probe: ProbeChoice,
    /// Judge as if traffic left by this network interface.
    pub interface: Option<InterfaceId>,
    /// The name server to ask in place of the system's.
    pub resolver: Option<SocketAddr>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), probe: ProbeChoice::ListTables, interface: None, resolver: None }
    }
}

/// Which request to time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeChoice {
    /// A signed `ListTables`; without credentials a `GET /`.
    ListTables,
    /// An unsigned `GET /`.
    Health,
    /// None.
    None,
}

/// What EC2 and the probes leave of the round's time, so that they can still say how far they came.
pub(super) const MARGIN: Duration = Duration::from_millis(200);

/// How much longer the credentials may take once instance metadata turned out silent.
///
/// Most likely they are waiting for the same silence. Off EC2 a round must end within two seconds.
const GRACE: Duration = Duration::from_millis(300);

/// Looks at everything once. Comes back within the timeout, whatever failed.
pub async fn observe(settings: &Settings) -> Snapshot {
    let watch = Stopwatch::start();
    let deadline = watch.started() + settings.timeout;
    let aws = load(deadline).await;
    Round { settings, watch, deadline, aws: aws.as_ref().map_err(Clone::clone) }.run().await
}

/// What every call to AWS shares, or why nothing can be asked of AWS.
pub(super) async fn load(deadline: Instant) -> Result<Aws, Gap> {
    within(deadline, async {
        Aws::load(None).await.map_err(|error| {
            tracing::debug!(error = chain(&error), "no AWS configuration");
            error.gap()
        })
    })
    .await
    .into_result()
}

/// What the looks of one round, or of one source, share.
pub(super) struct Round<'a> {
    pub(super) settings: &'a Settings,
    pub(super) watch: Stopwatch,
    pub(super) deadline: Instant,
    pub(super) aws: Result<&'a Aws, Gap>,
}

/// A fact several parts wait for; it is looked for once, when the first of them asks.
pub(super) type Awaited<'a, T> = Shared<BoxFuture<'a, T>>;

impl Round<'_> {
    async fn run(&self) -> Snapshot {
        let instance = self.instance().boxed().shared();
        let region = self.region(instance.clone()).boxed().shared();
        let credentials = self.credentials(instance.clone()).boxed().shared();
        let (kernel, dns) = (Kernel::open(), Dns::from_system(self.settings.resolver));
        let services = Services {
            aws: self.aws.clone(),
            kernel: kernel.as_ref(),
            dns: dns.as_ref(),
            probe: self.settings.probe,
            deadline: self.deadline,
            margin: MARGIN,
        };
        let parts = async {
            tokio::join!(
                instance.clone(),
                region.clone(),
                services.look(region.clone(), credentials.clone()),
                self.vpc(instance.clone(), credentials.clone()),
                host_routes(kernel.as_ref(), self.deadline),
            )
        };
        // Fetched from the start, for they are on the longest path; but where nobody needs them, nobody waits for them.
        let fetch = async {
            let _ = tokio::join!(credentials.clone(), self.look_up_ec2(region.clone()));
            std::future::pending::<Infallible>().await
        };
        let (instance, region, services, vpc, host_routes) = tokio::select! {
            parts = parts => parts,
            never = fetch => match never {},
        };
        let (names, account_name) = (services.names, services.account_name);
        let all_names: Vec<ServiceName> = all_names(&names, &account_name).cloned().collect();
        Snapshot {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            taken_at: self.watch.at(),
            took: self.watch.took(),
            instance,
            region,
            proxies: environment::proxies(&all_names),
            names,
            account_name,
            resolutions: services.resolutions,
            assumed_interface: self.settings.interface.clone(),
            kernel_routes: services.kernel_routes,
            host_routes,
            vpc,
            probes: services.probes,
            max_age: MaxAge::default(),
        }
    }

    pub(super) async fn instance(&self) -> Observed<Instance> {
        match &self.aws {
            Err(gap) => Observed::Unseen(gap.clone()),
            Ok(_) if environment::metadata_disabled() => {
                Observed::Unseen(Gap::Disabled { detail: "AWS_EC2_METADATA_DISABLED is set".to_owned() })
            }
            Ok(aws) => seen("instance", self.deadline, imds::instance(aws.imds()), ImdsError::gap).await,
        }
    }

    /// The SDK's Region. Where that comes from instance metadata and these are silent, they are not waited for twice.
    pub(super) async fn region(&self, instance: Awaited<'_, Observed<Instance>>) -> Observed<String> {
        let aws = match &self.aws {
            Ok(aws) => *aws,
            Err(gap) => return Observed::Unseen(gap.clone()),
        };
        tokio::select! {
            biased;
            region = within(self.deadline, aws.region()) => region,
            gap = silence(instance) => Observed::Unseen(gap),
        }
    }

    pub(super) async fn credentials(&self, instance: Awaited<'_, Observed<Instance>>) -> Result<Credentials, Gap> {
        let aws = (*self.aws.as_ref().map_err(|gap| (*gap).clone())?).credentials();
        let credentials = tokio::select! {
            biased;
            credentials = within(self.deadline, aws) => credentials,
            () = async { silence(instance).await; sleep(GRACE).await } => {
                let detail = "none found before instance metadata turned out silent".to_owned();
                Observed::Unseen(Gap::Credentials { detail })
            }
        };
        credentials.get().cloned().map_err(Clone::clone)
    }

    /// Looks up the name of EC2's API while the VPC and the credentials for it are still awaited.
    async fn look_up_ec2(&self, region: Awaited<'_, Observed<String>>) {
        if let (Ok(aws), Some(region)) = (&self.aws, region.await.seen())
            && let Some(host) = ec2::host(&aws.sdk_config(region)).await
        {
            aws.look_up(&host).await;
        }
    }

    /// What EC2 knows of the VPC, or VPCs, that traffic may leave from.
    async fn vpc(
        &self,
        instance: Awaited<'_, Observed<Instance>>,
        credentials: Awaited<'_, Result<Credentials, Gap>>,
    ) -> VpcFacts {
        let instance = instance.await;
        let Some(instance) = instance.seen() else {
            return nothing(&Gap::NotTried { because: "the VPC is not known".to_owned() });
        };
        match credentials.await {
            Ok(_) => self.vpc_of(instance).await.0,
            Err(gap) => nothing(&gap),
        }
    }

    /// The same of an instance that is known, and what was asked for it.
    pub(super) async fn vpc_of(&self, instance: &Instance) -> (VpcFacts, Vec<Ec2Request>) {
        let aws = match &self.aws {
            Ok(aws) => *aws,
            Err(gap) => return (nothing(gap), Vec::new()),
        };
        let config = aws.sdk_config(&instance.region);
        let deadline = self.deadline - MARGIN;
        let vpcs = vpcs(instance, self.settings.interface.as_ref());
        let looks = join_all(vpcs.iter().map(|vpc| vpc_facts(&config, vpc, &instance.region, deadline))).await;
        let (facts, requests): (Vec<_>, Vec<_>) = looks.into_iter().unzip();
        let none = || nothing(&Gap::NotTried { because: "the instance has no network interface".to_owned() });
        (facts.into_iter().reduce(merge).unwrap_or_else(none), requests.concat())
    }
}

/// Resolves when instance metadata turn out not to answer at all, and never otherwise.
async fn silence(instance: Awaited<'_, Observed<Instance>>) -> Gap {
    match instance.await {
        Observed::Unseen(gap @ (Gap::TimedOut { .. } | Gap::Unreachable { .. })) => gap,
        Observed::Unseen(_) | Observed::Seen { .. } => std::future::pending().await,
    }
}

/// The VPC of the interface to judge by; else that of every interface, the primary one's first.
fn vpcs(instance: &Instance, chosen: Option<&InterfaceId>) -> Vec<VpcId> {
    let is_chosen = |id: &InterfaceId| chosen == Some(id);
    if let Some(interface) = instance.interfaces.iter().find(|interface| is_chosen(&interface.id)) {
        return vec![interface.vpc.clone()];
    }
    let mut vpcs = Vec::new();
    for interface in &instance.interfaces {
        if !vpcs.contains(&interface.vpc) {
            vpcs.push(interface.vpc.clone());
        }
    }
    vpcs
}

/// Nothing is known of the VPC, for one reason.
pub fn nothing(gap: &Gap) -> VpcFacts {
    VpcFacts {
        route_tables: Observed::Unseen(gap.clone()),
        vpc_endpoints: Observed::Unseen(gap.clone()),
        endpoint_interfaces: Observed::Unseen(gap.clone()),
        service_prefix_lists: Observed::Unseen(gap.clone()),
        prefix_lists: BTreeMap::new(),
    }
}

/// The facts of two VPCs of one Region as one. What is missing of either is missing.
fn merge(mut one: VpcFacts, other: VpcFacts) -> VpcFacts {
    for (id, list) in other.prefix_lists {
        let slot = one.prefix_lists.entry(id).or_insert_with(|| list.clone());
        if slot.seen().is_none() {
            *slot = list;
        }
    }
    VpcFacts {
        route_tables: both(one.route_tables, other.route_tables),
        vpc_endpoints: both(one.vpc_endpoints, other.vpc_endpoints),
        endpoint_interfaces: both(one.endpoint_interfaces, other.endpoint_interfaces),
        service_prefix_lists: both(one.service_prefix_lists, other.service_prefix_lists),
        prefix_lists: one.prefix_lists,
    }
}

fn both<T: PartialEq>(one: Observed<Vec<T>>, other: Observed<Vec<T>>) -> Observed<Vec<T>> {
    match (one, other) {
        (Observed::Seen { mut value, at, took }, Observed::Seen { value: more, at: then, took: long }) => {
            for item in more {
                if !value.contains(&item) {
                    value.push(item);
                }
            }
            Observed::Seen { value, at: at.min(then), took: took.max(long) }
        }
        (Observed::Unseen(gap), _) | (_, Observed::Unseen(gap)) => Observed::Unseen(gap),
    }
}
