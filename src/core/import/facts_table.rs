//! The facts of a VPC as a table of DynamoDB has them: a head, and a chunk for each route table and listing.
//!
//! The head says who observed the facts and when, and which chunk has what; a chunk is named by the digest of its bytes. A
//! reader fetches the chunks that its own subnets need. What a publisher could not read is missing in the head, with the
//! reason.

use crate::model::{
    AccountId, AssociatedWith, Association, AssociationState, Destination, Gap, Observed, Observer, PERIODS_KEPT,
    PrefixList, PrefixListId, RouteTable, RouteTableId, Seconds, SharedFacts, SubnetId, Timestamp, VpcEndpoint,
    VpcFacts, VpcId, unique,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The version of what is written. It counts up where an older reader could take a fact for another.
pub const FACTS_SCHEMA: u32 = 1;

/// How far ahead of DynamoDB's clock a publisher's may be.
const AHEAD: Duration = Duration::from_secs(5);

/// The shortest and the longest period that a publisher may have.
pub const PERIODS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(86_400)];

/// The name of a chunk: the digest of its bytes.
pub type Digest = String;

/// What the table says of all facts of one VPC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// [`FACTS_SCHEMA`] of the version that wrote it.
    pub schema: u32,
    /// That version of onnet.
    pub version: String,
    /// The VPC.
    pub vpc: VpcId,
    /// Its Region.
    pub region: String,
    /// The account that asked EC2.
    pub account: AccountId,
    /// Who asked.
    pub publisher: String,
    /// When, before the first answer.
    pub observed_at: Timestamp,
    /// How often it asks.
    pub period: Seconds,
    /// Which chunk has what.
    pub contents: Contents,
}

/// Which chunk has what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// The VPC's route tables.
    pub route_tables: Listed<Vec<TableEntry>>,
    /// Its endpoints.
    pub vpc_endpoints: Listed<Digest>,
    /// The network interfaces of DynamoDB's interface endpoints.
    pub endpoint_interfaces: Listed<Digest>,
    /// The ids of DynamoDB's prefix lists.
    pub service_prefix_lists: Listed<Vec<PrefixListId>>,
    /// The prefix lists that route tables name, and DynamoDB's.
    #[serde(deserialize_with = "unique")]
    pub prefix_lists: BTreeMap<PrefixListId, Listed<Digest>>,
}

/// What a publisher has of a listing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listed<T> {
    /// All of it.
    Complete(T),
    /// It could not read it, or not all of it.
    Missing(Gap),
}

/// A route table, without its routes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableEntry {
    /// `rtb-…`
    pub id: RouteTableId,
    /// What it is associated with: which subnets need it.
    pub associations: Vec<Association>,
    /// The prefix lists that its routes name.
    pub lists: BTreeSet<PrefixListId>,
    /// The chunk that has it.
    pub chunk: Digest,
}

impl<T> Listed<T> {
    fn get(&self, publisher: &str) -> Result<&T, Gap> {
        match self {
            Self::Complete(value) => Ok(value),
            Self::Missing(gap) => Err(Gap::Failed { detail: format!("{publisher} could not read it ({gap})") }),
        }
    }
}

/// What `facts` come to in a table. `put` takes the bytes of a chunk and gives its name.
pub fn contents(facts: &VpcFacts, mut put: impl FnMut(Vec<u8>) -> Result<Digest, Gap>) -> Contents {
    let mut chunk = |bytes: Result<Vec<u8>, serde_json::Error>| {
        bytes.map_err(|error| Gap::Failed { detail: error.to_string() }).and_then(&mut put)
    };
    let route_tables = facts.route_tables.get().map_err(Clone::clone).and_then(|tables| {
        tables
            .iter()
            .map(|table| {
                let lists = table.routes.iter().filter_map(|route| match &route.destination {
                    Destination::PrefixList(id) => Some(id.clone()),
                    Destination::Cidr(_) => None,
                });
                Ok(TableEntry {
                    id: table.id.clone(),
                    associations: table.associations.clone(),
                    lists: lists.collect(),
                    chunk: chunk(serde_json::to_vec(table))?,
                })
            })
            .collect()
    });
    let vpc_endpoints = facts.vpc_endpoints.get().map_err(Clone::clone).map(serde_json::to_vec);
    let endpoint_interfaces = facts.endpoint_interfaces.get().map_err(Clone::clone).map(serde_json::to_vec);
    let mut prefix_lists = BTreeMap::new();
    for (id, list) in &facts.prefix_lists {
        let list = list.get().map_err(Clone::clone).map(serde_json::to_vec);
        prefix_lists.insert(id.clone(), Listed::of(list.and_then(&mut chunk)));
    }
    Contents {
        route_tables: Listed::of(route_tables),
        vpc_endpoints: Listed::of(vpc_endpoints.and_then(&mut chunk)),
        endpoint_interfaces: Listed::of(endpoint_interfaces.and_then(&mut chunk)),
        service_prefix_lists: Listed::of(facts.service_prefix_lists.get().cloned().map_err(Clone::clone)),
        prefix_lists,
    }
}

impl Contents {
    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        let Self { route_tables, vpc_endpoints, endpoint_interfaces, service_prefix_lists, prefix_lists } = self;
        let is_listed = |listed: &Listed<Digest>| matches!(listed, Listed::Complete(_));
        matches!(route_tables, Listed::Complete(_))
            && matches!(service_prefix_lists, Listed::Complete(_))
            && is_listed(vpc_endpoints)
            && is_listed(endpoint_interfaces)
            && prefix_lists.values().all(is_listed)
    }
}

impl<T> Listed<T> {
    fn of(result: Result<T, Gap>) -> Self {
        result.map_or_else(Self::Missing, Self::Complete)
    }
}

/// What a reader knows for itself of the facts that it asks for.
#[derive(Clone, Debug)]
pub struct Expected<'a> {
    /// The VPC.
    pub vpc: &'a VpcId,
    /// The Region of the instance.
    pub region: &'a str,
    /// DynamoDB's clock when it answered.
    pub now: Timestamp,
    /// The reader's own period.
    pub period: Duration,
    /// When the facts were observed that were read before.
    pub newest: Option<Timestamp>,
}

impl Head {
    /// Reads what the table has.
    ///
    /// # Errors
    /// It is not what a version wrote that this one knows.
    pub fn read(document: &[u8]) -> Result<Self, Gap> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let malformed =
            |error: serde_json::Error| Gap::Malformed { detail: format!("the head of the shared facts: {error}") };
        let Version { schema } = serde_json::from_slice(document).map_err(malformed)?;
        if schema != FACTS_SCHEMA {
            let detail =
                format!("the shared facts have schema {schema}, and this version of onnet reads {FACTS_SCHEMA}");
            return Err(Gap::Malformed { detail });
        }
        serde_json::from_slice(document).map_err(malformed)
    }

    /// How old the facts are by DynamoDB's clock, if they are what is expected.
    ///
    /// # Errors
    /// They are of something else, or of no time at which they can count.
    pub fn age(&self, expected: &Expected<'_>) -> Result<Duration, Gap> {
        let untrusted = |detail: String| Err(Gap::Untrusted { detail });
        if self.vpc != *expected.vpc {
            return untrusted(format!("the facts of {} are under {}", self.vpc, expected.vpc));
        }
        if self.region != expected.region {
            return untrusted(format!("the facts of {} are of {}, not of {}", self.vpc, self.region, expected.region));
        }
        let period = self.period.as_duration();
        let [shortest, longest] = PERIODS;
        if period < shortest || period > longest {
            return Err(Gap::Malformed { detail: format!("the shared facts have a period of {}", self.period) });
        }
        if self.observed_at.since(expected.now) > AHEAD {
            let detail =
                format!("they are dated {}, which is after {}, DynamoDB's time", self.observed_at, expected.now);
            return untrusted(detail);
        }
        if let Some(newest) = expected.newest.filter(|newest| *newest > self.observed_at) {
            let detail = format!("they are dated {}, and some dated {newest} were read before", self.observed_at);
            return untrusted(detail);
        }
        let age = expected.now.since(self.observed_at);
        if age > period.min(expected.period) * PERIODS_KEPT {
            return Err(Gap::Stale { age: age.into() });
        }
        Ok(age)
    }

    /// A table that an endpoint names and the publisher's listing has not: it may serve any subnet, and a reader has a part of the listing.
    fn unlisted_table(&self, endpoints: &[VpcEndpoint]) -> Option<Gap> {
        let entries = self.contents.route_tables.get(&self.publisher).ok()?;
        endpoints.iter().find_map(|endpoint| {
            let table = endpoint.unlisted_table(|table| entries.iter().any(|entry| entry.id == *table))?;
            Some(Gap::Conflicting {
                one: format!("{} names {table} among its route tables", endpoint.id),
                other: "it is not among the route tables that are shared".to_owned(),
            })
        })
    }

    /// The tables that may serve one of `subnets`: those that are associated with one, the main one, and all of them where some
    /// associations have a state and others none.
    fn tables_for(&self, subnets: &BTreeSet<SubnetId>) -> Result<Vec<&TableEntry>, Gap> {
        let entries = self.contents.route_tables.get(&self.publisher)?;
        let states = || entries.iter().flat_map(|entry| &entry.associations).map(|association| &association.state);
        let is_mixed = states().any(|state| *state == AssociationState::Absent)
            && states().any(|state| *state != AssociationState::Absent);
        let may_serve = |association: &Association| match &association.with {
            AssociatedWith::Main => true,
            AssociatedWith::Subnet(subnet) => subnets.contains(subnet),
            AssociatedWith::Gateway(_) | AssociatedWith::PublicIpv4Pool(_) => false,
        };
        let serves = |entry: &&TableEntry| is_mixed || entry.associations.iter().any(may_serve);
        // A table that is listed twice is needed twice: the two contradict each other.
        let needed: BTreeSet<&RouteTableId> = entries.iter().filter(serves).map(|entry| &entry.id).collect();
        Ok(entries.iter().filter(|entry| needed.contains(&entry.id)).collect())
    }

    /// The prefix lists that these tables name, and DynamoDB's.
    fn lists_for(&self, subnets: &BTreeSet<SubnetId>) -> BTreeSet<&PrefixListId> {
        let of_tables = self.tables_for(subnets).unwrap_or_default().into_iter().flat_map(|entry| &entry.lists);
        of_tables.chain(self.contents.service_prefix_lists.get(&self.publisher).into_iter().flatten()).collect()
    }

    /// The chunks that `subnets` need.
    pub fn wanted(&self, subnets: &BTreeSet<SubnetId>) -> BTreeSet<&Digest> {
        let Contents { vpc_endpoints, endpoint_interfaces, prefix_lists, .. } = &self.contents;
        let publisher = &self.publisher;
        let tables = self.tables_for(subnets).unwrap_or_default().into_iter().map(|entry| &entry.chunk);
        let lists = self.lists_for(subnets).into_iter().filter_map(|id| prefix_lists.get(id)?.get(publisher).ok());
        let others = [vpc_endpoints, endpoint_interfaces].into_iter().filter_map(|listed| listed.get(publisher).ok());
        tables.chain(lists).chain(others).collect()
    }

    /// The facts that `subnets` need, dated `at`. `chunk` gives the bytes of each.
    ///
    /// `own` are the accounts of the reader's network interfaces: the facts are another account's only where that one owns the VPC.
    pub fn facts<'c>(
        &self,
        subnets: &BTreeSet<SubnetId>,
        own: &BTreeSet<AccountId>,
        dated: (Timestamp, Seconds),
        chunk: impl Fn(&Digest) -> Result<&'c [u8], Gap>,
    ) -> Result<VpcFacts, Gap> {
        let (contents, publisher) = (&self.contents, self.publisher.as_str());
        let tables = self.tables_for(subnets).and_then(|entries| {
            let tables = entries.into_iter().map(|entry| self.table(entry, &chunk));
            tables.collect::<Result<Vec<RouteTable>, Gap>>()
        });
        if let Ok(tables) = &tables {
            self.check_account(tables, own)?;
        }
        let endpoints = contents.vpc_endpoints.get(publisher).and_then(|digest| {
            let endpoints: Vec<VpcEndpoint> = parsed(chunk(digest)?)?;
            let other = endpoints.iter().find(|endpoint| endpoint.vpc != self.vpc);
            other.map_or(Ok(()), |other| Err(foreign(other.id.as_str(), other.vpc.as_str(), &self.vpc)))?;
            Ok(endpoints)
        });
        let tables =
            tables.and_then(|tables| match endpoints.as_deref().ok().and_then(|all| self.unlisted_table(all)) {
                Some(gap) => Err(gap),
                None => Ok(tables),
            });
        let interfaces = contents.endpoint_interfaces.get(publisher).and_then(|digest| parsed(chunk(digest)?));
        let prefix_lists = self.lists_for(subnets).into_iter().map(|id| {
            let not_listed = || Gap::Malformed { detail: format!("the shared facts do not have the prefix list {id}") };
            let list = contents.prefix_lists.get(id).ok_or_else(not_listed);
            let list = list.and_then(|listed| self.list(id, listed.get(publisher)?, &chunk));
            (id.clone(), observed(list, dated))
        });
        Ok(VpcFacts {
            route_tables: observed(tables, dated),
            vpc_endpoints: observed(endpoints, dated),
            endpoint_interfaces: observed(interfaces, dated),
            service_prefix_lists: observed(contents.service_prefix_lists.get(publisher).cloned(), dated),
            prefix_lists: prefix_lists.collect(),
            gates: None,
            shared: None,
        })
    }

    fn table<'c>(
        &self,
        entry: &TableEntry,
        chunk: impl Fn(&Digest) -> Result<&'c [u8], Gap>,
    ) -> Result<RouteTable, Gap> {
        let table: RouteTable = parsed(chunk(&entry.chunk)?)?;
        if table.id != entry.id || table.associations != entry.associations {
            return Err(Gap::Untrusted { detail: format!("the chunk of {} has {}", entry.id, table.id) });
        }
        if table.vpc != self.vpc {
            return Err(foreign(table.id.as_str(), table.vpc.as_str(), &self.vpc));
        }
        Ok(table)
    }

    fn list<'c>(
        &self,
        id: &PrefixListId,
        digest: &Digest,
        chunk: impl Fn(&Digest) -> Result<&'c [u8], Gap>,
    ) -> Result<PrefixList, Gap> {
        let list: PrefixList = parsed(chunk(digest)?)?;
        if list.id != *id {
            return Err(Gap::Untrusted { detail: format!("the chunk of {id} has {}", list.id) });
        }
        let is_dynamodbs =
            self.contents.service_prefix_lists.get(&self.publisher).is_ok_and(|lists| lists.contains(id));
        if is_dynamodbs && list.entries.is_empty() {
            return Err(Gap::Malformed { detail: format!("prefix list {id} without entries") });
        }
        Ok(list)
    }

    /// EC2 shows all of a VPC to the account that owns it.
    fn check_account(&self, tables: &[RouteTable], own: &BTreeSet<AccountId>) -> Result<(), Gap> {
        let owns = tables.iter().any(|table| table.owner.as_ref() == Some(&self.account));
        if owns || own.contains(&self.account) {
            return Ok(());
        }
        let detail =
            format!("{} observed {} as account {}, which does not own it", self.publisher, self.vpc, self.account);
        Err(Gap::Untrusted { detail })
    }

    /// Who observed the facts, for a report.
    pub fn observer(&self, signed_by: Option<String>) -> Observer {
        Observer {
            publisher: self.publisher.clone(),
            account: self.account.clone(),
            observed_at: self.observed_at,
            period: self.period,
            signed_by,
        }
    }
}

fn observed<T>(result: Result<T, Gap>, (at, took): (Timestamp, Seconds)) -> Observed<T> {
    result.map_or_else(Observed::Unseen, |value| Observed::Seen { value, at, took })
}

fn foreign(what: &str, of: &str, vpc: &VpcId) -> Gap {
    Gap::Untrusted { detail: format!("the facts of {vpc} have {what}, which is of {of}") }
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Gap> {
    let malformed =
        |error: serde_json::Error| Gap::Malformed { detail: format!("a chunk of the shared facts: {error}") };
    serde_json::from_slice(bytes).map_err(malformed)
}

/// The facts of two VPCs come from two heads of one table.
pub fn merge_shared(one: Option<Box<SharedFacts>>, other: Option<Box<SharedFacts>>) -> Option<Box<SharedFacts>> {
    match (one, other) {
        (Some(mut one), Some(other)) => {
            one.observers.extend(other.observers);
            one.subnets.extend(other.subnets);
            one.refused = one.refused.or(other.refused);
            Some(one)
        }
        (one, other) => one.or(other),
    }
}
