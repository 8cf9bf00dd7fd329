//! Publishing: the lease first, then EC2, then the chunks, and the head at last.

use super::{
    Asker, CHUNKS_AT_A_TIME, FactsTable, Items, Known, Look, Patience, Role,
    items::{HeadItem, NewHead, Written},
    seal::{digest_of, packed},
};
use crate::{
    import::facts_table::{Contents, Digest, FACTS_SCHEMA, Head, contents},
    model::{AccountId, Ec2Request, Gap, Timestamp, VpcFacts, VpcId},
    observe::{
        ec2,
        limits::{FACTS_ITEM, OF_REGION, over},
        seen::within,
    },
};
use aws_config::SdkConfig;
use futures_util::{StreamExt, stream};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// After so long DynamoDB may delete what is not written again. A chunk is written again at half of it.
const KEPT: Duration = Duration::from_secs(2 * 86_400);

/// How often who holds the lease says that it is still at work, and after how long a silence it has died.
const AT_WORK: Duration = Duration::from_secs(15);
const DIED: Duration = AT_WORK.saturating_mul(3);

/// Why a publisher without a key does not publish.
const SIGNED: &str = "the facts in the table are signed: publish them with --facts-sign-key, or delete them first";

/// What came of publishing a VPC once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Once {
    /// It is in the table.
    Published {
        /// How many route tables it has.
        tables: usize,
        /// What could not be read, with the reasons.
        incomplete: Vec<String>,
        /// How many items were written.
        items: usize,
    },
    /// Another one has just published it.
    Others {
        /// Who.
        publisher: String,
    },
}

/// The VPCs that `account` owns in the Region of `config`: those with a subnet.
///
/// # Errors
/// EC2 does not list them.
pub async fn vpcs_of(config: &SdkConfig, account: &AccountId, deadline: Instant) -> Result<Vec<VpcId>, Gap> {
    let subnets = ec2::Ec2::new(config, OF_REGION, deadline).subnets(&[]).await?;
    let owned = subnets.into_iter().filter(|subnet| subnet.owner.as_ref().is_none_or(|owner| owner == account));
    Ok(owned.map(|subnet| subnet.vpc).collect::<BTreeSet<_>>().into_iter().collect())
}

/// What came of a turn.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// The facts that this process observed; `None` where another one publishes.
    pub(super) facts: Option<VpcFacts>,
    pub(super) requests: Vec<Ec2Request>,
}

/// Whose turn it is.
enum Lease {
    /// This process's.
    Mine(Mine),
    Others,
}

/// A lease that this process holds.
#[derive(Clone, Copy)]
struct Mine {
    /// The counter that it wrote.
    counter: u64,
    /// DynamoDB's clock before: what EC2 says from now on is not older.
    taken_at: Timestamp,
    /// Whether the table has all facts, and they are not overdue.
    is_current: bool,
}

impl FactsTable {
    /// Observes and publishes where it is this process's turn. What cannot be published is logged when that begins and ends.
    pub(super) async fn publish_in_turn(&self, look: Look<'_>, known: &mut Known) -> Turn {
        let (turn, published) = match self.lease(look, known).await {
            Ok(Lease::Mine(lease)) => self.turn(look, lease, known).await,
            Ok(Lease::Others) => (Turn::default(), Ok(())),
            Err(gap) => (Turn::default(), Err(gap)),
        };
        known.not_published.note(look.vpc, &published, ["facts not published", "facts published again"]);
        turn
    }

    /// Observes and publishes under a lease with this counter, and says now and then that it is at work.
    async fn turn(&self, look: Look<'_>, lease: Mine, known: &mut Known) -> (Turn, Result<(), Gap>) {
        tokio::select! {
            biased;
            turn = self.work(look, lease, known) => turn,
            never = stay_at_work(look, lease) => match never {},
        }
    }

    /// What comes to nothing gives the lease back.
    async fn work(&self, look: Look<'_>, lease: Mine, known: &mut Known) -> (Turn, Result<(), Gap>) {
        let Mine { counter, taken_at, is_current } = lease;
        let Look { config, items, asker, vpc, patience } = look;
        // Not on another thread: this is one of its own already, or one where nothing else waits.
        let (facts, requests) = ec2::vpc_facts(config, vpc, &asker.region, patience).await;
        let (facts, published) = match has_tables(&facts, vpc, &asker.region) {
            Err(gap) => (None, Err(gap)),
            Ok(()) => {
                // What the table has is older than what this process knows, whether or not that can be written.
                known.newest = known.newest.max(Some(taken_at));
                let lacks = incomplete(&facts);
                let published = if lacks.is_empty() || !is_current {
                    self.publish(look, counter, &facts, taken_at, known).await
                } else {
                    let lacks = lacks.join(", ");
                    Err(failed(format!("others have published all of it, and this process lacks {lacks}")))
                };
                if published.is_err() {
                    // Another one may be able to, if this one does not take the lease again at once.
                    known.held_off = Some(Instant::now() + self.settings.period * 2);
                }
                (Some(facts), published)
            }
        };
        if published.is_err() {
            let _ = items.give_lease_back(vpc, counter).await; // the reason to report is the first one
        }
        (Turn { facts, requests }, published)
    }

    /// Publishes each of the asker's VPCs, unless another one did so less than half a period ago.
    pub async fn publish_once(
        &self,
        config: &SdkConfig,
        asker: &Asker,
        patience: Patience,
    ) -> Vec<(VpcId, Result<Once, Gap>)> {
        let items = Items::new(config, &self.settings.table);
        let mut all = Vec::new();
        for vpc in &asker.vpcs {
            let look = Look { config, items: &items, asker, vpc, patience };
            let published = match self.is_elsewhere(&asker.region) {
                Some(gap) => Err(gap),
                None => within(patience.deadline, self.once(look)).await.into_result(),
            };
            all.push((vpc.clone(), published));
        }
        all
    }

    async fn once(&self, look: Look<'_>) -> Result<Once, Gap> {
        let Look { items, vpc, .. } = look;
        let mut known = Known::default();
        let (item, now) = items.head(vpc, true).await?;
        let (counter, is_signed) = (item.counter, item.signature.is_some());
        if let Some(publisher) = self.just_published(item, now, look, &mut known) {
            return Ok(Once::Others { publisher });
        }
        self.may_replace(is_signed)?;
        let Some(counter) = take(look, counter, now).await? else { return Err(lost(vpc)) };
        let lease = Mine { counter, taken_at: now, is_current: false };
        let (turn, published) = self.turn(look, lease, &mut known).await;
        published?;
        let facts = turn.facts.as_ref();
        Ok(Once::Published {
            tables: facts.and_then(|facts| facts.route_tables.seen()).map_or(0, Vec::len),
            incomplete: facts.map(incomplete).unwrap_or_default(),
            items: known.written.len().saturating_add(1),
        })
    }

    /// Whether this process may replace a head: it signs, or the head is not signed either.
    fn may_replace(&self, is_signed: bool) -> Result<(), Gap> {
        let is_refused = is_signed && self.settings.role.key().is_none();
        if is_refused { Err(Gap::Settings { detail: SIGNED.to_owned() }) } else { Ok(()) }
    }

    /// Who published the VPC less than half a period ago, if that was another one: not who holds the lease, which may have been taken
    /// since by one that died.
    fn just_published(&self, item: HeadItem, now: Timestamp, look: Look<'_>, known: &mut Known) -> Option<String> {
        let half = self.settings.period / 2;
        let (holder, observed_at) = (item.publisher.clone(), item.observed_at);
        let publisher = match self.accept(item, now, look, known) {
            Ok(accepted) => (accepted.age < half).then_some(accepted.head.publisher),
            // A newer version's, which is not to be overwritten as long as it goes on.
            Err(Gap::Malformed { .. }) => observed_at
                .filter(|at| now.since(*at) < half && at.since(now) < half)
                .map(|_| holder.unwrap_or_else(|| "another version of onnet".to_owned())),
            Err(_) => None,
        };
        publisher.filter(|name| *name != look.asker.name)
    }

    /// Takes the lease where it is free, or stood still for a period by this process's own clock.
    async fn lease(&self, look: Look<'_>, known: &mut Known) -> Result<Lease, Gap> {
        let Look { items, asker, vpc, .. } = look;
        let (item, now) = items.head(vpc, true).await?;
        let counter = item.counter;
        let since = match known.watched {
            Some((watched, since)) if watched == counter => since,
            Some(_) | None => {
                // Another one wrote meanwhile, or the table is another one: what this process wrote may be gone.
                known.written.clear();
                Instant::now()
            }
        };
        known.watched = Some((counter, since));
        let (is_mine, is_signed) = (item.publisher.as_deref() == Some(&asker.name), item.signature.is_some());
        let is_held_by_other = item.publisher.is_some() && !is_mine;
        let is_at_work = |at: &Timestamp| item.observed_at.is_none_or(|published| *at >= published);
        let has_died = item.leased_at.filter(is_at_work).is_some_and(|at| now.since(at) > DIED);
        let accepted = self.accept(item, now, look, known);
        let is_foreign = matches!(accepted, Err(Gap::Untrusted { .. }));
        known.foreign_since = known.foreign_since.filter(|_| is_foreign).or_else(|| is_foreign.then(Instant::now));
        // Looks are a period apart, but for what answers take.
        let period = self.settings.period.mul_f64(0.9);
        let stands_still = since.elapsed() >= period || has_died;
        // Nor does a lease count under which facts are published that are not trusted.
        let is_useless = known.foreign_since.is_some_and(|since| since.elapsed() >= period);
        if is_held_by_other && !stands_still && !is_useless {
            return Ok(Lease::Others);
        }
        self.may_replace(is_signed)?;
        if known.held_off.is_some_and(|until| Instant::now() < until) {
            return Ok(Lease::Others);
        }
        let (age, is_complete) = match &accepted {
            Ok(accepted) => (Some(accepted.age), accepted.head.contents.is_complete()),
            Err(_) => (None, false),
        };
        let is_overdue = age.is_none_or(|age| age > self.settings.period);
        if matches!(self.settings.role, Role::Auto(_)) && !is_mine && !is_overdue {
            return Ok(Lease::Others);
        }
        let is_current = is_complete && age.is_some_and(|age| age <= self.settings.period * 2);
        let taken = take(look, counter, now).await?;
        Ok(taken.map_or(Lease::Others, |counter| Lease::Mine(Mine { counter, taken_at: now, is_current })))
    }

    /// Writes the chunks that are not in the table yet, or not for long any more, and then the head.
    async fn publish(
        &self,
        Look { items, asker, vpc, .. }: Look<'_>,
        counter: u64,
        facts: &VpcFacts,
        observed_at: Timestamp,
        known: &mut Known,
    ) -> Result<(), Gap> {
        let (contents, chunks) = chunks_of(facts);
        let account = asker.accounts.first().ok_or_else(|| Gap::NotFound { detail: "the own account".to_owned() })?;
        let now = observed_at.since_epoch();
        let half = now.saturating_add(KEPT / 2).as_secs();
        let expires = now.saturating_add(KEPT).as_secs();
        known.written.retain(|digest, expires| chunks.contains_key(digest) && *expires > half);
        let lacking = chunks.into_iter().filter(|(digest, _)| !known.written.contains_key(digest)).collect::<Vec<_>>();
        let put = lacking
            .into_iter()
            .map(|(digest, data)| async move { items.put_chunk(vpc, &digest, data, expires).await.map(|()| digest) });
        let mut put = stream::iter(put).buffer_unordered(CHUNKS_AT_A_TIME);
        while let Some(written) = put.next().await {
            known.written.insert(written?, expires);
        }
        let head = Head {
            schema: FACTS_SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            vpc: vpc.clone(),
            region: asker.region.clone(),
            account: account.clone(),
            publisher: asker.name.clone(),
            observed_at,
            period: self.settings.period.into(),
            contents,
        };
        let document = serde_json::to_vec(&head).map_err(|error| failed(error.to_string()))?;
        let document = packed(&document).map_err(|error| failed(error.to_string()))?;
        let document = fitting(document, || format!("bytes in the head of {vpc}, compressed"))?;
        let signature = self.settings.role.key().map(|key| key.sign(&document));
        let head = NewHead { document, signature, observed_at, publisher: &asker.name, expires };
        match items.publish(vpc, counter, head).await? {
            Written::Yes => {
                known.watched = Some((Some(counter.saturating_add(1)), Instant::now()));
                Ok(())
            }
            Written::Lost => Err(lost(vpc)),
        }
    }
}

/// Renews the lease now and then, until it is dropped.
async fn stay_at_work(Look { items, vpc, .. }: Look<'_>, Mine { counter, taken_at, .. }: Mine) -> Infallible {
    let began = Instant::now();
    loop {
        sleep(AT_WORK).await;
        let _ = items.renew_lease(vpc, counter, taken_at.plus(began.elapsed())).await; // it may be lost
    }
}

/// Takes the lease of a head that still has this counter: the counter since, or `None` where another one wrote it.
async fn take(Look { items, asker, vpc, .. }: Look<'_>, seen: Option<u64>, now: Timestamp) -> Result<Option<u64>, Gap> {
    let written = items.take_lease(vpc, seen, &asker.name, now).await?;
    Ok((written == Written::Yes).then(|| seen.unwrap_or_default().saturating_add(1)))
}

fn failed(detail: String) -> Gap {
    Gap::Failed { detail }
}

fn lost(vpc: &VpcId) -> Gap {
    failed(format!("another publisher took over {vpc} meanwhile"))
}

/// Every VPC has a main route table: without any there is nothing to publish.
pub(super) fn has_tables(facts: &VpcFacts, vpc: &VpcId, region: &str) -> Result<(), Gap> {
    match facts.route_tables.get().map_err(Clone::clone)?.is_empty() {
        true => Err(Gap::NotFound { detail: format!("route tables of {vpc} in {region}") }),
        false => Ok(()),
    }
}

/// Bytes that fit into an item.
fn fitting(bytes: Vec<u8>, what: impl Fn() -> String) -> Result<Vec<u8>, Gap> {
    if bytes.len() > FACTS_ITEM { Err(over(what(), FACTS_ITEM, bytes.len())) } else { Ok(bytes) }
}

/// What is missing of the facts, with the reasons.
pub(super) fn incomplete(facts: &VpcFacts) -> Vec<String> {
    let listings = [
        ("the VPC endpoints", facts.vpc_endpoints.gap()),
        ("the network interfaces of interface endpoints", facts.endpoint_interfaces.gap()),
        ("DynamoDB's prefix list", facts.service_prefix_lists.gap()),
    ];
    let lists = facts.prefix_lists.iter().map(|(id, list)| (id.as_str(), list.gap()));
    listings.into_iter().chain(lists).filter_map(|(what, gap)| Some(format!("{what} ({})", gap?))).collect()
}

/// The chunks of `facts`, compressed, and which has what.
fn chunks_of(facts: &VpcFacts) -> (Contents, BTreeMap<Digest, Vec<u8>>) {
    let mut chunks = BTreeMap::new();
    let contents = contents(facts, |bytes| {
        let data = packed(&bytes).map_err(|error| failed(error.to_string()))?;
        let data = fitting(data, || "bytes in one listing, compressed".to_owned())?;
        let digest = digest_of(&data);
        chunks.insert(digest.clone(), data);
        Ok(digest)
    });
    (contents, chunks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_has_a_limit() {
        let fits = |length| fitting(vec![0; length], || "bytes".to_owned()).is_ok();
        assert!(fits(FACTS_ITEM) && !fits(FACTS_ITEM + 1));
    }
}
