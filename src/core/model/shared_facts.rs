//! Where the facts of a VPC come from, if this instance did not ask EC2 itself.

use super::{AccountId, Gap, MaxAge, Observed, PERIODS_KEPT, Seconds, Source, SubnetId, Timestamp, VpcFacts, VpcId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The facts of the VPC are those that another process observed and shared in a table of DynamoDB (`--facts-table`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SharedFacts {
    /// The table: its name, or its ARN.
    pub table: String,
    /// Who observed the facts of each VPC that are used here.
    pub observers: BTreeMap<VpcId, Observer>,
    /// The subnets whose route tables were read. Of others nothing is known: their own tables were left out.
    #[serde(default)]
    pub subnets: BTreeSet<SubnetId>,
    /// Whether the facts that are used are this instance's own, from when it published them itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
    /// Why what the table has now is not used, where that is so: facts that were read before are kept while they are not too old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Gap>,
}

/// Who observed shared facts, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Observer {
    /// What it calls itself: the id of an instance, or a host name.
    pub publisher: String,
    /// The account that asked EC2.
    pub account: AccountId,
    /// When, by its own clock.
    pub observed_at: Timestamp,
    /// How often it observes them.
    pub period: Seconds,
    /// The public key that signed them, in base64, if it is one of `--facts-trust`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
}

impl SharedFacts {
    /// Nothing of the table is used, for this reason.
    pub fn refused(table: &str, why: &Gap) -> Self {
        let (observers, subnets) = (BTreeMap::new(), BTreeSet::new());
        Self { table: table.to_owned(), observers, subnets, own: false, refused: Some(why.clone()) }
    }

    /// How old facts may be: no older than three periods of those who observed them, if that is less.
    pub fn max_age(&self, mut own: MaxAge) -> MaxAge {
        let shortest = self.observers.values().map(|observer| observer.period.as_duration() * PERIODS_KEPT).min();
        if let Some(shortest) = shortest {
            own.0[Source::Ec2] = own.0[Source::Ec2].min(shortest.into());
        }
        own
    }

    /// Whether the facts of every VPC are this instance's own, or signed by a key that is trusted.
    pub fn are_signed(&self) -> bool {
        self.own || !self.observers.is_empty() && self.observers.values().all(|observer| observer.signed_by.is_some())
    }
}

impl VpcFacts {
    /// Nothing is known of the VPC, for one reason, and that is shared facts that are not used.
    pub fn not_shared(table: &str, why: &Gap) -> Self {
        Self { shared: Some(Box::new(SharedFacts::refused(table, why))), ..Self::unseen(why) }
    }

    /// Facts of `known` may stay where these lack some: then these are no more trustworthy than those.
    pub fn keep_observers_of(&mut self, known: &Self) {
        let Some(before) = &known.shared else {
            // What this instance observed itself stays so, where nothing else takes its place.
            if let Some(now) = self.shared.as_mut().filter(|shared| shared.observers.is_empty()) {
                now.own = known.route_tables.seen().is_some();
            }
            return;
        };
        let lacks = |gap: Option<&Gap>| gap.is_some();
        let lacks_some = lacks(self.route_tables.gap())
            || lacks(self.vpc_endpoints.gap())
            || lacks(self.endpoint_interfaces.gap())
            || lacks(self.service_prefix_lists.gap())
            || self.prefix_lists.values().map(Observed::gap).any(lacks);
        match &mut self.shared {
            None if lacks_some => self.shared = Some(before.clone()),
            None => {}
            Some(_) if !lacks_some => {}
            Some(now) => {
                if lacks(self.route_tables.gap()) {
                    now.subnets.clone_from(&before.subnets);
                }
                now.own = before.own && now.observers.is_empty();
                for (vpc, observer) in &before.observers {
                    let slot = now.observers.entry(vpc.clone()).or_insert_with(|| observer.clone());
                    slot.observed_at = slot.observed_at.min(observer.observed_at);
                    slot.period = slot.period.min(observer.period);
                    if observer.signed_by.is_none() {
                        slot.signed_by = None;
                    }
                }
            }
        }
    }
}
