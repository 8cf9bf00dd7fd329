//! Where the facts of a VPC come from, if this instance did not ask EC2 itself.

use super::{
    AccountId, Fact, FactPath, FactVisitor, Gap, MaxAge, Observed, PERIODS_KEPT, RouteTable, Seconds, Source, SubnetId,
    Timestamp, VpcFacts, VpcId, unique::unique,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The facts of the VPC are those that another process observed and shared in a table of DynamoDB (`--facts-table`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SharedFacts {
    /// The table: its name, or its ARN.
    pub table: String,
    /// Who observed the facts of each VPC that are used here.
    #[serde(deserialize_with = "unique")]
    pub observers: BTreeMap<VpcId, Observer>,
    /// The subnets whose route tables were read. Of others nothing is known: their own tables were left out.
    #[serde(default)]
    pub subnets: BTreeSet<SubnetId>,
    /// Whether the facts that are used are this instance's own, from when it published them itself.
    #[serde(default)]
    pub own: bool,
    /// Why what the table has now is not used, where that is so: facts that were read before are kept while they are not too old.
    #[serde(default)]
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
    #[serde(default)]
    pub signed_by: Option<String>,
}

impl Observer {
    /// Whether a key that is trusted signed the facts.
    pub fn is_signed(&self) -> bool {
        self.signed_by.as_ref().is_some_and(|key| !key.trim().is_empty())
    }
}

impl SharedFacts {
    /// Nothing of the table is used, for this reason.
    pub fn refused(table: &str, why: &Gap) -> Self {
        let (observers, subnets) = (BTreeMap::new(), BTreeSet::new());
        Self { table: table.to_owned(), observers, subnets, own: false, refused: Some(why.clone()) }
    }
}

impl VpcFacts {
    /// How old facts may be: no older than three periods of those who observed them, if that is less. Of an observer that is not
    /// known neither the period is, and they support nothing.
    pub fn max_age(&self, mut own: MaxAge) -> MaxAge {
        let Some(shared) = &self.shared else { return own };
        let periods = shared.observers.values().map(|observer| observer.period.as_duration() * PERIODS_KEPT);
        let has_observer = |table: &RouteTable| shared.own || shared.observers.contains_key(&table.vpc);
        let are_known = self.route_tables.seen().into_iter().flatten().all(has_observer);
        if let Some(shortest) = if are_known { periods.min() } else { Some(Duration::ZERO) } {
            own.0[Source::Ec2] = own.0[Source::Ec2].min(shortest.into());
        }
        own
    }

    /// Whether the facts of every VPC are this instance's own, or signed by a key that is trusted. Facts without an observer are not.
    pub fn are_signed(&self) -> bool {
        let Some(shared) = &self.shared else { return true };
        let of_tables = || self.route_tables.seen().into_iter().flatten().map(|table| shared.observers.get(&table.vpc));
        shared.own
            || !shared.observers.is_empty()
                && shared.observers.values().all(Observer::is_signed)
                && of_tables().all(|observer| observer.is_some_and(Observer::is_signed))
    }

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
        let mut lacks = Lacks(false);
        self.visit_facts(&mut lacks);
        let Lacks(lacks_some) = lacks;
        match &mut self.shared {
            None if lacks_some => self.shared = Some(before.clone()),
            None => {}
            Some(_) if !lacks_some => {}
            Some(now) => {
                if self.route_tables.gap().is_some() {
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

/// Whether a fact is missing. Gates are not shared.
struct Lacks(bool);

impl FactVisitor for Lacks {
    fn fact<T: Fact>(&mut self, at: FactPath, fact: &mut Observed<T>) {
        self.0 |= fact.gap().is_some() && !at.is_of_gates();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::model::RouteTable;
    use std::time::{Duration, SystemTime};

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from(SystemTime::UNIX_EPOCH).plus(Duration::from_secs(seconds))
    }

    fn observer(seconds: u64, period: u64, signed: bool) -> Observer {
        Observer {
            publisher: "i-0p".to_owned(),
            account: "111122223333".into(),
            observed_at: at(seconds),
            period: Duration::from_secs(period).into(),
            signed_by: signed.then(|| "a key".to_owned()),
        }
    }

    /// Facts of `vpc-0a`, all of them or all but the route tables, and their observer.
    fn facts(is_complete: bool, shared: Option<(&str, Observer)>) -> VpcFacts {
        fn seen<T>(value: Vec<T>) -> Observed<Vec<T>> {
            Observed::Seen { value, at: at(0), took: Seconds::default() }
        }
        let gap = Gap::Unreachable { detail: "the table".to_owned() };
        let shared = shared.map(|(subnet, observer)| {
            let (observers, subnets) = (BTreeMap::from([("vpc-0a".into(), observer)]), BTreeSet::from([subnet.into()]));
            Box::new(SharedFacts { table: "t".to_owned(), observers, subnets, own: false, refused: None })
        });
        VpcFacts {
            route_tables: if is_complete { seen(Vec::new()) } else { Observed::Unseen(gap.clone()) },
            vpc_endpoints: seen(Vec::new()),
            endpoint_interfaces: seen(Vec::new()),
            service_prefix_lists: seen(Vec::new()),
            shared,
            ..VpcFacts::unseen(&gap)
        }
    }

    #[test]
    fn facts_that_stay_are_no_younger_and_no_more_trusted_than_they_were() {
        let before = facts(true, Some(("subnet-0a", observer(10, 60, false))));
        let mut now = facts(false, Some(("subnet-0b", observer(99, 300, true))));
        now.keep_observers_of(&before);
        assert!(!now.are_signed());
        let shared = now.shared.unwrap();
        assert_eq!(shared.subnets, BTreeSet::from(["subnet-0a".into()]));
        let kept = &shared.observers[&VpcId::from("vpc-0a")];
        assert_eq!((kept.observed_at, kept.period), (at(10), Duration::from_secs(60).into()));
    }

    #[test]
    fn where_nothing_stays_nothing_of_the_facts_before_counts() {
        let before = facts(true, Some(("subnet-0a", observer(10, 1, false))));
        let mut now = facts(true, Some(("subnet-0b", observer(99, 300, true))));
        let expected = now.clone();
        now.keep_observers_of(&before);
        assert_eq!(now, expected);
        let mut own = facts(true, None);
        own.keep_observers_of(&before);
        assert_eq!(own.shared, None);
    }

    /// Signed for another VPC, they are not for this one.
    #[test]
    fn facts_of_a_vpc_that_no_observer_is_named_for_are_not_signed() {
        let table = |vpc: &str| RouteTable {
            id: "rtb-1".into(),
            vpc: vpc.into(),
            associations: Vec::new(),
            owner: None,
            routes: Vec::new().into(),
            firewalled: Vec::new(),
        };
        let mut shared = facts(true, Some(("subnet-0a", observer(10, 60, true))));
        for (vpc, expected) in [("vpc-0a", true), ("vpc-0b", false)] {
            *shared.route_tables.seen_mut().unwrap() = vec![table(vpc)];
            assert_eq!(shared.are_signed(), expected, "{vpc}");
        }
    }

    #[test]
    fn own_facts_that_stay_are_own_and_shared_ones_beside_them_are_not() {
        let mut now = VpcFacts::not_shared("t", &Gap::Untrusted { detail: "they are not signed".to_owned() });
        now.keep_observers_of(&facts(true, None));
        assert!(now.are_signed());
        let shared = now.shared.unwrap();
        assert!(shared.own && shared.refused.is_some());
        let mut own = facts(false, None);
        own.keep_observers_of(&facts(true, Some(("subnet-0a", observer(10, 60, false)))));
        assert!(!own.are_signed());
    }
}
