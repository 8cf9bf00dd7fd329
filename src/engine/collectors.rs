//! What collections share: the collectors of [`observe`](crate::observe), their settings and deadlines, credentials.

use super::facts::ProbeChoice;
use crate::{
    model::{
        Gap, IgnoredSetting, Instance, InstanceStatus, InterfaceId, NatRates, Observed, Probe, WitnessAttempt,
        region_of_arn,
    },
    observe::{
        aws::Aws,
        dns::{CLibrary, Dns, DnsError, Resolver},
        ec2::{self, Patience},
        environment,
        facts_table::{FactsSettings, FactsTable, Role},
        imds::{self, ImdsError},
        kernel::{Kernel, KernelError},
        probe::{Prober, Turns},
        seen::{chain, seen, within},
    },
};
use aws_credential_types::Credentials;
use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

/// What EC2 and the probes leave of the time, so that they can still say how far they came.
const MARGIN: Duration = Duration::from_millis(200);

/// How much longer the credentials may take once instance metadata turned out silent.
///
/// Most likely they are waiting for the same silence. Off EC2 a check must end within two seconds.
const GRACE: Duration = Duration::from_millis(300);

/// What is collected, and within which time.
#[derive(Clone, Debug)]
pub struct CollectSettings {
    /// How long collections that run together may take.
    pub timeout: Duration,
    /// Which request to time.
    pub probe: ProbeChoice,
    /// Judge as if traffic left through this network interface.
    pub interface: Option<InterfaceId>,
    /// The name server to ask in place of the system's.
    pub resolver: Option<SocketAddr>,
    /// Names that programs here use, beside those of the SDK.
    pub hostnames: Vec<String>,
    /// The actions that programs here use.
    pub actions: Vec<String>,
    /// The tables that programs here use.
    pub tables: Vec<String>,
    /// What NAT gateways cost.
    pub nat_rates: NatRates,
    /// Whether EC2 is asked about the gates beside the routes.
    pub gates: bool,
    /// Whether DynamoDB is asked how requests come.
    pub witness: bool,
    /// Where the facts of the VPC are shared, if they are.
    pub facts: Option<FactsSettings>,
    /// Answers to the control that are known already: the local daemon's.
    pub controls: Vec<WitnessAttempt>,
    /// What asks the C library beside the name servers; `None` where it is not to be asked.
    pub c_library: Option<Resolver>,
}

/// What collections are made with, for as long as the settings of the SDK are the same.
#[derive(Debug)]
pub(super) struct Collectors {
    settings: CollectSettings,
    aws: Result<Aws, Gap>,
    /// What is known of shared facts, if there are any.
    facts: Option<Arc<FactsTable>>,
    /// Of all probes, whatever kind they are of.
    turns: Arc<Turns>,
}

impl Collectors {
    /// Reads the settings of the SDK. They are read again by [`Collectors::reopened`].
    pub(super) async fn open(settings: CollectSettings, deadline: Instant) -> Self {
        let aws = load(deadline).await;
        let facts = settings.facts.clone().map(FactsTable::new).map(Arc::new);
        Self { settings, aws, facts, turns: Arc::default() }
    }

    /// The same with the settings of the SDK read again; an error where they cannot be used.
    pub(super) async fn reopened(&self) -> Result<Self, Gap> {
        let aws = load(Instant::now() + self.settings.timeout).await?;
        let (settings, facts, turns) = (self.settings.clone(), self.facts.clone(), Arc::clone(&self.turns));
        Ok(Self { settings, aws: Ok(aws), facts, turns })
    }

    /// Why no request can be made to AWS at all, if so.
    pub(super) fn broken(&self) -> Option<&Gap> {
        self.aws.as_ref().err()
    }

    /// Writes what this instance reports of itself into the table of shared facts.
    pub(super) async fn report(&self, status: &InstanceStatus, deadline: Instant) -> Result<(), Gap> {
        let (Some(table), Ok(aws)) = (&self.facts, &self.aws) else { return Ok(()) };
        // The instance's own Region, as where its facts are read.
        let region = region_of_arn(&status.instance).unwrap_or_default();
        table.report(&aws.sdk_config(region), status, deadline).await
    }

    /// The settings that are not used as they stand, where the others can be used.
    pub(super) fn ignored_settings(&self) -> Vec<IgnoredSetting> {
        self.aws.as_ref().map(|aws| aws.ignored_settings().to_vec()).unwrap_or_default()
    }

    /// For collections that run together, until `deadline`; `more` is what a source may take on top of that as long as its
    /// answers keep coming.
    pub(super) fn session(self: &Arc<Self>, deadline: Instant, more: Duration) -> Session {
        Session {
            collectors: Arc::clone(self),
            deadline,
            longest: deadline + more,
            silence: watch::Sender::new(None),
            dns: OnceLock::new(),
            c_library: self.settings.c_library.clone().map(CLibrary::new),
            kernel: OnceLock::new(),
            prober: OnceLock::new(),
        }
    }
}

async fn load(deadline: Instant) -> Result<Aws, Gap> {
    within(deadline, async {
        Aws::load(None).await.map_err(|error| {
            tracing::debug!(error = chain(&error), "no AWS configuration");
            error.gap()
        })
    })
    .await
    .into_result()
}

/// What collections that run together share.
pub(super) struct Session {
    collectors: Arc<Collectors>,
    deadline: Instant,
    longest: Instant,
    /// Why instance metadata turned out not to answer at all.
    silence: watch::Sender<Option<Gap>>,
    dns: OnceLock<Result<Dns, DnsError>>,
    c_library: Option<CLibrary>,
    kernel: OnceLock<Result<Kernel, KernelError>>,
    prober: OnceLock<Result<Prober, Gap>>,
}

impl Session {
    /// Starts what takes a while to be ready.
    pub(super) fn start(&self) {
        if let Some(library) = &self.c_library {
            library.start();
        }
    }

    /// Fetches what is on the longest path before it is asked for: the credentials, and the address of EC2's API.
    pub(super) async fn prefetch(&self) {
        let _ = tokio::join!(self.credentials(), async {
            let asks_ec2 =
                self.collectors.settings.facts.as_ref().is_none_or(|facts| !matches!(facts.role, Role::Read));
            if asks_ec2
                && let (Ok(aws), Some(region)) = (self.aws(), self.region().await.seen())
                && let Some(host) = ec2::host(&aws.sdk_config(region)).await
            {
                aws.look_up(&host).await;
            }
        });
    }

    /// Until when what is collected may take.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The same for requests that can still say how far they came.
    pub(super) fn patience(&self) -> Patience {
        Patience { deadline: self.deadline - MARGIN, longest: self.longest - MARGIN }
    }

    /// Names that programs here use, beside those of the SDK.
    pub(super) fn hostnames(&self) -> &[String] {
        &self.collectors.settings.hostnames
    }

    pub(super) fn aws(&self) -> Result<&Aws, &Gap> {
        self.collectors.aws.as_ref()
    }

    /// What a request to AWS takes that is signed.
    pub(super) async fn authenticated(&self) -> Result<(&Aws, Credentials), Gap> {
        let aws = self.aws().map_err(Clone::clone)?;
        Ok((aws, self.credentials().await?))
    }

    pub(super) async fn instance(&self) -> Observed<Instance> {
        let instance = match self.aws() {
            Ok(_) if environment::metadata_disabled() => {
                Observed::Unseen(Gap::Disabled { detail: "AWS_EC2_METADATA_DISABLED is set".to_owned() })
            }
            Ok(aws) => {
                let instance = imds::instance(aws.imds(), self.collectors.settings.gates);
                seen("instance", self.longest, instance, ImdsError::gap).await
            }
            Err(gap) => Observed::Unseen(gap.clone()),
        };
        if let Observed::Unseen(gap @ (Gap::TimedOut { .. } | Gap::Unreachable { .. })) = &instance {
            self.silence.send_replace(Some(gap.clone()));
        }
        instance
    }

    /// Ends when instance metadata turn out not to answer at all, and never otherwise.
    async fn silence(&self) -> Gap {
        let mut silence = self.silence.subscribe();
        let answers = silence.wait_for(Option::is_some).await.map(|gap| gap.clone());
        match answers {
            Ok(Some(gap)) => gap,
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// The SDK's Region. Where that comes from instance metadata and these are silent, they are not waited for twice.
    pub(super) async fn region(&self) -> Observed<String> {
        let aws = match self.aws() {
            Ok(aws) => aws,
            Err(gap) => return Observed::Unseen(gap.clone()),
        };
        tokio::select! {
            biased;
            region = within(self.deadline, aws.region()) => region,
            gap = self.silence() => Observed::Unseen(gap),
        }
    }

    /// The SDK's credentials, which are fetched once for all that ask for them.
    async fn credentials(&self) -> Result<Credentials, Gap> {
        let aws = self.aws().map_err(Clone::clone)?;
        let credentials = tokio::select! {
            biased;
            credentials = within(self.deadline, aws.credentials()) => credentials,
            () = async { self.silence().await; sleep(GRACE).await } => {
                let detail = "none found before instance metadata turned out silent".to_owned();
                Observed::Unseen(Gap::Credentials { detail })
            }
        };
        credentials.into_result()
    }

    /// The table with the facts of the VPC, where they are shared.
    pub(super) fn facts_table(&self) -> Option<&Arc<FactsTable>> {
        self.collectors.facts.as_ref()
    }

    /// What asks the name servers.
    pub(super) fn dns(&self) -> Result<&Dns, &DnsError> {
        self.dns.get_or_init(|| Dns::from_system(self.collectors.settings.resolver)).as_ref()
    }

    /// What asks the C library.
    pub(super) fn c_library(&self) -> Result<&CLibrary, Gap> {
        self.c_library.as_ref().ok_or_else(|| Gap::NotTried { because: "the C library is not asked".to_owned() })
    }

    pub(super) fn kernel(&self) -> Result<&Kernel, Gap> {
        self.kernel.get_or_init(Kernel::open).as_ref().map_err(KernelError::gap)
    }

    pub(super) fn prober(&self, region: &str) -> Result<&Prober, &Gap> {
        let open = || {
            let aws = self.aws().map_err(Clone::clone)?;
            Prober::new(aws, region).map_err(|error| {
                tracing::debug!(error = chain(&error), "no probe");
                Gap::Failed { detail: chain(&error) }
            })
        };
        self.prober.get_or_init(open).as_ref()
    }

    /// What a signed request to DynamoDB takes.
    pub(super) async fn signing(&self, region: &str) -> Result<(&Prober, Credentials), Gap> {
        match (self.prober(region), self.credentials().await) {
            (Ok(prober), Ok(credentials)) => Ok((prober, credentials)),
            (Err(gap), _) => Err(gap.clone()),
            (Ok(_), Err(gap @ Gap::Credentials { .. })) => Err(gap),
            // The request was not sent: that says nothing about its path.
            (Ok(_), Err(gap)) => Err(Gap::Credentials { detail: gap.to_string() }),
        }
    }

    /// The probe that `probe` makes, with no other one beside it.
    pub(super) async fn in_turn(&self, probe: impl Future<Output = Probe>) -> Observed<Probe> {
        self.collectors.turns.timed(self.deadline, probe).await
    }
}
