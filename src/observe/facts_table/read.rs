//! Reading: the head, and the chunks that the reader's own subnets need.

use super::{
    CHUNKS_AT_A_TIME, FactsTable, Known, Look,
    items::{HeadItem, Items},
    seal::{digest_of, unpacked},
    spot_check::ReadHead,
};
use crate::{
    import::facts_table::{Expected, Head},
    model::{Ec2Request, Gap, SharedFacts, Timestamp, VpcFacts, VpcId},
    observe::{
        limits::{FACTS_CHUNK, FACTS_HEAD, OF_VPC, over},
        seen::{Stopwatch, within},
    },
};
use futures_util::{StreamExt, stream};
use std::{collections::BTreeMap, time::Duration};

/// What the `Date` of an answer leaves out: it has whole seconds.
pub(super) const DATE: Duration = Duration::from_secs(1);

/// A head that may be used.
pub(super) struct Accepted {
    pub(super) head: Head,
    pub(super) signed_by: Option<String>,
    /// How old its facts were when DynamoDB answered.
    pub(super) age: Duration,
    /// DynamoDB's clock then.
    now: Timestamp,
}

impl FactsTable {
    /// The facts of `vpc`, as far as the asker's subnets need them, and the requests to EC2 of a spot check.
    pub(super) async fn read(&self, look: Look<'_>, known: &mut Known) -> (VpcFacts, Vec<Ec2Request>) {
        let watch = Stopwatch::start();
        match within(look.patience.deadline, self.try_read(look, known, &watch)).await.into_result() {
            Ok((mut facts, head, now)) => {
                let read = ReadHead { head: &head, now, watch: &watch };
                let requests = self.spot_check(look, known, read, &mut facts).await;
                (facts, requests)
            }
            Err(gap) => (VpcFacts::not_shared(self.name(), &gap), Vec::new()),
        }
    }

    async fn try_read(
        &self,
        look: Look<'_>,
        known: &mut Known,
        watch: &Stopwatch,
    ) -> Result<(VpcFacts, Head, Timestamp), Gap> {
        let Look { items, asker, vpc, .. } = look;
        let Accepted { head, signed_by, age, now } = self.accepted(look, known).await?;
        let wanted: Vec<String> = head.wanted(&asker.subnets).into_iter().cloned().collect();
        known.chunks.retain(|digest, _| wanted.contains(digest));
        let lacking = wanted.iter().filter(|digest| !known.chunks.contains_key(*digest));
        let fetched =
            stream::iter(lacking.map(|digest| async move { (digest.clone(), chunk(items, vpc, digest).await) }));
        let fetched: BTreeMap<_, _> = fetched.buffer_unordered(CHUNKS_AT_A_TIME).collect().await;
        let mut failed = BTreeMap::new();
        let mut held: usize = known.chunks.values().map(Vec::len).sum();
        for (digest, chunk) in fetched {
            match chunk {
                Ok(bytes) if held.saturating_add(bytes.len()) > OF_VPC.bytes => {
                    let limit = "bytes of shared facts".to_owned();
                    failed.insert(digest, over(limit, OF_VPC.bytes, held.saturating_add(bytes.len())));
                }
                Ok(bytes) => {
                    held += bytes.len();
                    known.chunks.insert(digest, bytes);
                }
                Err(gap) => {
                    failed.insert(digest, gap);
                }
            }
        }
        // A chunk that is not what the head says was changed.
        let altered = failed.values().find(|gap| matches!(gap, Gap::Untrusted { .. })).cloned();
        let bytes_of = |digest: &String| {
            let gap = || failed.get(digest).cloned().unwrap_or_else(Gap::not_yet);
            known.chunks.get(digest).map(Vec::as_slice).ok_or_else(gap)
        };
        // Dated by the own clock, and as old as DynamoDB's clock says: the publisher's may show another time.
        let dated = (watch.at().minus(age + DATE), watch.took());
        let facts = head.facts(&asker.subnets, &asker.accounts, dated, bytes_of)?;
        known.newest = Some(head.observed_at);
        let observers = BTreeMap::from([(vpc.clone(), head.observer(signed_by))]);
        let subnets = asker.subnets.clone();
        let shared = SharedFacts { table: self.name().to_owned(), observers, subnets, own: false, refused: altered };
        Ok((VpcFacts { shared: Some(Box::new(shared)), ..facts }, head, now))
    }

    /// The head, which is asked for once more where it is missing, too old, or older than before: not every copy of the table is
    /// as new as the newest.
    async fn accepted(&self, look: Look<'_>, known: &mut Known) -> Result<Accepted, Gap> {
        let (item, now) = look.items.head(look.vpc, false).await?;
        match self.accept(item, now, look, known) {
            Err(Gap::NotFound { .. } | Gap::Stale { .. } | Gap::Untrusted { .. }) => {
                let (item, now) = look.items.head(look.vpc, true).await?;
                self.accept(item, now, look, known)
            }
            accepted => accepted,
        }
    }

    pub(super) fn accept(
        &self,
        item: HeadItem,
        now: Timestamp,
        Look { asker, vpc, .. }: Look<'_>,
        known: &mut Known,
    ) -> Result<Accepted, Gap> {
        let none = || Gap::NotFound { detail: format!("facts of {vpc} in the table {}", self.name()) };
        let document = item.document.ok_or_else(none)?;
        let signed_by = self.signer(&document, item.signature.as_deref())?;
        let head = match known.head.take() {
            Some((bytes, head)) if bytes == document => head,
            Some(_) | None => Head::read(&unpacked(&document, FACTS_HEAD)?)?,
        };
        known.head = Some((document, head.clone()));
        let (newest, period) = (known.newest, self.settings.period);
        let age = head.age(&Expected { vpc, region: &asker.region, now, period, newest })?;
        Ok(Accepted { head, signed_by, age, now })
    }

    /// The key that signed, if it is one that is trusted. Without any that is, nothing is looked at.
    fn signer(&self, document: &[u8], signature: Option<&[u8]>) -> Result<Option<String>, Gap> {
        let trust = &self.settings.trust;
        if trust.is_empty() {
            return Ok(None);
        }
        let untrusted = |detail: &str| Gap::Untrusted { detail: detail.to_owned() };
        let signature = signature.ok_or_else(|| untrusted("they are not signed"))?;
        let signer = trust.iter().find(|key| key.has_signed(document, signature));
        let unknown = || untrusted("no key of --facts-trust has signed them as they are");
        signer.map(|key| Some(key.to_string())).ok_or_else(unknown)
    }
}

/// The content of a chunk, which its name vouches for.
async fn chunk(items: &Items, vpc: &VpcId, digest: &str) -> Result<Vec<u8>, Gap> {
    let found = match items.chunk(vpc, digest, false).await? {
        Some(bytes) => Some(bytes),
        None => items.chunk(vpc, digest, true).await?,
    };
    let missing = || Gap::NotFound { detail: format!("a chunk of the facts of {vpc}, which the head names") };
    let bytes = found.ok_or_else(missing)?;
    if digest_of(&bytes) != digest {
        return Err(Gap::Untrusted { detail: format!("a chunk of the facts of {vpc} is not what the head says") });
    }
    unpacked(&bytes, FACTS_CHUNK)
}
