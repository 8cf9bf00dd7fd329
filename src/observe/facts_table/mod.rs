//! The facts of a VPC that one process observes and all others read, through a table of DynamoDB itself: by the very path that is
//! under test.
//!
//! A reader gets the head of its VPC once a period, and what its own subnets need where that changed. A publisher takes the lease
//! first, then asks EC2, then writes the chunks, and the head at last. Nothing that is missing, altered, older or signed by another
//! key is used: each is one [`Gap`].

mod items;
mod publish;
mod read;
mod seal;
mod spot_check;
mod statuses;

pub use publish::{Once, vpcs_of};
pub use seal::{KeyError, SigningKey, TrustedKey};
pub use statuses::{Statuses, statuses};

use crate::{
    import::facts_table::{Digest, Head},
    model::{AccountId, Ec2Request, Gap, GateFacts, Instance, SubnetId, Timestamp, VpcFacts, VpcId, region_of_arn},
    observe::ec2::{self, Patience},
};
use aws_config::SdkConfig;
use items::Items;
use spot_check::SpotCheck;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};

/// Items that are read or written at a time.
const CHUNKS_AT_A_TIME: usize = 8;

/// What is done with the table.
#[derive(Clone, Debug)]
pub enum Role {
    /// It is read.
    Read,
    /// It is kept current, unless another process does that.
    Publish(Option<Arc<SigningKey>>),
    /// It is read, and kept current where its facts are overdue.
    Auto(Option<Arc<SigningKey>>),
}

impl Role {
    fn key(&self) -> Option<&SigningKey> {
        match self {
            Self::Read => None,
            Self::Publish(key) | Self::Auto(key) => key.as_deref(),
        }
    }
}

/// The settings for shared facts.
#[derive(Clone, Debug)]
pub struct FactsSettings {
    /// The table: its name, or its ARN.
    pub table: String,
    /// What is done with it.
    pub role: Role,
    /// The keys one of which must have signed. Without any, signatures are not looked at.
    pub trust: Vec<TrustedKey>,
    /// How often this process looks.
    pub period: Duration,
    /// How often one of the readers of a VPC compares its facts with what EC2 says; never if there is no such time.
    pub spot_check_every: Option<Duration>,
}

/// Who asks, and for what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asker {
    /// What this process calls itself where it publishes.
    pub name: String,
    /// The accounts of its network interfaces.
    pub accounts: BTreeSet<AccountId>,
    /// The VPCs.
    pub vpcs: Vec<VpcId>,
    /// The subnets of its network interfaces.
    pub subnets: BTreeSet<SubnetId>,
    /// The Region.
    pub region: String,
}

impl Asker {
    /// The instance, for these of its VPCs.
    pub fn of(instance: &Instance, vpcs: &[VpcId]) -> Self {
        let interfaces = || instance.interfaces.iter();
        Self {
            name: instance.id.to_string(),
            accounts: interfaces().filter_map(|interface| interface.owner.seen().cloned()).collect(),
            vpcs: vpcs.to_vec(),
            subnets: interfaces().map(|interface| interface.subnet.clone()).collect(),
            region: instance.region.clone(),
        }
    }
}

/// The table, and what is known of it from round to round.
#[derive(Debug)]
pub struct FactsTable {
    settings: FactsSettings,
    known: Mutex<BTreeMap<VpcId, Known>>,
}

/// One look at one VPC.
#[derive(Clone, Copy)]
struct Look<'a> {
    config: &'a SdkConfig,
    items: &'a Items,
    asker: &'a Asker,
    vpc: &'a VpcId,
    patience: Patience,
}

/// What is known of one VPC.
#[derive(Debug, Default)]
struct Known {
    /// The head that was read last, by its bytes.
    head: Option<(Vec<u8>, Head)>,
    /// When the facts were observed that were used last.
    newest: Option<Timestamp>,
    /// The chunks that the subnets need.
    chunks: BTreeMap<Digest, Vec<u8>>,
    /// What the lease's counter was, and since when it is.
    watched: Option<(Option<u64>, Instant)>,
    /// The chunks that this process wrote, and when they expire, in seconds since 1970.
    written: BTreeMap<Digest, u64>,
    /// Since when the table has facts that are not trusted.
    foreign_since: Option<Instant>,
    /// Until when no lease is taken: the last turn came to nothing.
    held_off: Option<Instant>,
    /// Why nothing could be published at last.
    not_published: Failing,
    /// When this process tries to take the next spot check.
    spot_check_due: Option<Instant>,
    /// The one that is under way.
    spot_check: Option<SpotCheck>,
    /// Why none could be made at last.
    no_spot_check: Failing,
}

/// Why something failed at last, if it did: that is logged when it begins and when it ends.
#[derive(Debug, Default)]
struct Failing(Option<&'static str>);

impl Failing {
    /// `words` are for a failure, and for the first success after one.
    fn note<T>(&mut self, vpc: &VpcId, result: &Result<T, Gap>, [fails, again]: [&'static str; 2]) {
        let reason = result.as_ref().err().map(Gap::reason);
        match result {
            Err(gap) if self.0 != reason => tracing::warn!(%vpc, %gap, "{fails}"),
            Ok(_) if self.0.is_some() => tracing::info!(%vpc, "{again}"),
            Ok(_) | Err(_) => {}
        }
        self.0 = reason;
    }
}

impl FactsTable {
    /// Nothing is known yet.
    pub fn new(settings: FactsSettings) -> Self {
        Self { settings, known: Mutex::default() }
    }

    /// The table's name or ARN.
    pub fn name(&self) -> &str {
        &self.settings.table
    }

    /// The facts of the asker's VPCs: read, or where this process publishes them, its own. With the requests to EC2 that it took.
    pub async fn facts(
        self: Arc<Self>,
        config: &SdkConfig,
        asker: Asker,
        asks_for_gates: bool,
        patience: Patience,
    ) -> (VpcFacts, Vec<Ec2Request>) {
        let gates = |facts: VpcFacts| {
            let because = "shared facts have none of gates".to_owned();
            VpcFacts { gates: GateFacts::unseen_if(asks_for_gates, &Gap::NotTried { because }), ..facts }
        };
        if let Some(gap) = ec2::too_many(&asker.vpcs) {
            return (gates(VpcFacts::not_shared(self.name(), &gap)), Vec::new());
        }
        let (config, table) = (config.clone(), Arc::clone(&self));
        let work = move || async move { self.facts_here(&config, &asker, patience).await };
        let (facts, requests) = ec2::on_own_thread(work).await.unwrap_or_else(|error| {
            let gap = Gap::Failed { detail: format!("the table is not asked: {error}") };
            (VpcFacts::not_shared(table.name(), &gap), Vec::new())
        });
        (gates(facts), requests)
    }

    /// Why the table cannot be read from the asker's Region: a VPC endpoint leads to its own Region's DynamoDB.
    fn is_elsewhere(&self, region: &str) -> Option<Gap> {
        let other = region_of_arn(self.name())?;
        let detail = || {
            format!("the table {} is not in {region}, where its facts are shared (onnet publish --region)", self.name())
        };
        (other != region).then(|| Gap::Settings { detail: detail() })
    }

    /// The same on the calling thread, and without gates.
    pub async fn facts_here(
        &self,
        config: &SdkConfig,
        asker: &Asker,
        patience: Patience,
    ) -> (VpcFacts, Vec<Ec2Request>) {
        if let Some(gap) = self.is_elsewhere(&asker.region) {
            return (VpcFacts::not_shared(self.name(), &gap), Vec::new());
        }
        let items = Items::new(config, &self.settings.table);
        let mut known = self.known.lock().await;
        // A dispute outlasts a round in which the VPC is not known.
        known.retain(|vpc, known| asker.vpcs.contains(vpc) || known.has_dispute());
        let (mut all, mut requests) = (None, Vec::new());
        for vpc in &asker.vpcs {
            let known = known.entry(vpc.clone()).or_default();
            let (facts, more) = self.facts_of_one(Look { config, items: &items, asker, vpc, patience }, known).await;
            requests.extend(more);
            all = Some(match all {
                Some(before) => ec2::merge(before, facts),
                None => facts,
            });
        }
        let none = || VpcFacts::not_shared(self.name(), &ec2::without_interface());
        (all.unwrap_or_else(none), requests)
    }

    async fn facts_of_one(&self, look: Look<'_>, known: &mut Known) -> (VpcFacts, Vec<Ec2Request>) {
        let mut requests = Vec::new();
        if !matches!(self.settings.role, Role::Read) {
            let turn = self.publish_in_turn(look, known).await;
            requests = turn.requests;
            if let Some(facts) = turn.facts {
                return (facts, requests);
            }
        }
        let (facts, more) = self.read(look, known).await;
        requests.extend(more);
        (facts, requests)
    }
}
