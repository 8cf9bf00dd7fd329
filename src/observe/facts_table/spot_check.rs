//! Spot checks: now and then one reader of each VPC asks EC2 itself, and compares what the publisher observes after that.
//!
//! A fact that the publisher shares otherwise may have changed meanwhile. So EC2 is asked once more; what it says both times, before and
//! after the publisher asked, and the publisher otherwise, is a contradiction, and lasts until facts are shared that EC2's answers agree
//! with.

use super::{FactsTable, Known, Look, items::Written, read::DATE};
use crate::{
    import::{
        facts_table::Head,
        spot_check::{Ec2Answer, leave_out},
    },
    model::{Ec2Request, FactPath, Gap, SubnetId, Timestamp, VpcFacts, VpcId},
    observe::{ec2, seen::within},
};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;

/// After so long DynamoDB may delete the item by which one reader takes a spot check.
const KEPT: Duration = Duration::from_secs(2 * 86_400);

/// A spot check that is under way.
#[derive(Debug)]
pub(super) struct SpotCheck {
    /// The subnets that the answer is about.
    subnets: BTreeSet<SubnetId>,
    /// What EC2 said last.
    answer: Ec2Answer,
    /// DynamoDB's clock after that, or later: a publisher that asked then had no older answer.
    after: Timestamp,
    /// The facts that EC2 contradicts. They stay so until a comparison says otherwise.
    disputed: BTreeSet<FactPath>,
}

/// The head that was read.
#[derive(Clone, Copy)]
pub(super) struct ReadHead<'a> {
    pub(super) head: &'a Head,
    /// DynamoDB's clock when it answered.
    pub(super) now: Timestamp,
    /// The own clock before that.
    pub(super) asked: Instant,
}

impl FactsTable {
    /// Leaves out of `facts` those that EC2 contradicts. Returns the requests that it took to know.
    pub(super) async fn spot_check(
        &self,
        look: Look<'_>,
        known: &mut Known,
        read: ReadHead<'_>,
        facts: &mut VpcFacts,
    ) -> Vec<Ec2Request> {
        let mut requests = Vec::new();
        let Some(every) = self.settings.spot_check_every else { return requests };
        // Another account may see less: the endpoints of a shared VPC are its owner's.
        if !look.asker.accounts.contains(&read.head.account) {
            return requests;
        }
        if known.spot_check.is_none() && known.takes_spot_check(look, read.now, every).await {
            known.spot_check = begin(look, read, &mut requests).await;
        }
        let Some(check) = &mut known.spot_check else { return requests };
        if check.subnets != look.asker.subnets
            && let Some(again) = begin(look, read, &mut requests).await
        {
            *check = SpotCheck { disputed: std::mem::take(&mut check.disputed), ..again };
        }
        let is_comparable = check.subnets == look.asker.subnets && read.head.observed_at > check.after;
        let is_settled = is_comparable && check.compare(look, read, &mut requests, facts).await;
        leave_out(&check.disputed, &read.head.publisher, facts);
        if is_settled {
            known.spot_check = None;
        }
        requests
    }
}

impl Known {
    /// Whether it is time for a spot check of the VPC, and this reader's to make.
    async fn takes_spot_check(&mut self, look: Look<'_>, now: Timestamp, every: Duration) -> bool {
        if self.spot_check_due.is_some_and(|due| Instant::now() < due) {
            return false;
        }
        // At another time, for the same reader is not to take it again and again.
        self.spot_check_due = Some(Instant::now() + every.mul_f64(0.5 + fastrand::f64()));
        let Look { items, asker, vpc, patience, .. } = look;
        let number = now.since_epoch().as_secs() / every.as_secs().max(1);
        let expires = now.since_epoch().saturating_add(KEPT).as_secs();
        let take = items.take_spot_check(vpc, number, &asker.name, expires);
        let taken = within(patience.deadline, take).await.into_result();
        taken.inspect_err(|gap| not_made(vpc, gap)).is_ok_and(|written| written == Written::Yes)
    }
}

impl SpotCheck {
    /// Compares what was observed after EC2's last answer. Whether that is settled, with nothing in dispute.
    async fn compare(
        &mut self,
        look: Look<'_>,
        read: ReadHead<'_>,
        requests: &mut Vec<Ec2Request>,
        facts: &VpcFacts,
    ) -> bool {
        let (vpc, publisher) = (look.vpc, &read.head.publisher);
        let contradicted = self.answer.contradicted(facts);
        if contradicted.is_empty() {
            tracing::info!(%vpc, %publisher, "shared facts are what EC2 says");
            self.disputed.clear();
            return true;
        }
        let Some(now) = begin(look, read, requests).await else { return false };
        // What changed between EC2's two answers may have changed before the publisher asked, or after.
        let found = self.answer.and(&now.answer).contradicted(facts);
        if !found.is_subset(&self.disputed) {
            let facts = found.iter().map(FactPath::to_string).collect::<Vec<_>>().join(", ");
            tracing::warn!(%vpc, %publisher, facts, "shared facts are not what EC2 says");
        }
        let still = self.disputed.intersection(&contradicted).cloned();
        let disputed = still.chain(found).collect();
        *self = Self { disputed, ..now };
        false
    }
}

/// What EC2 says now.
async fn begin(look: Look<'_>, read: ReadHead<'_>, requests: &mut Vec<Ec2Request>) -> Option<SpotCheck> {
    let Look { config, asker, vpc, patience, .. } = look;
    let (said, more) = ec2::vpc_facts(config, vpc, &asker.region, patience).await;
    requests.extend(more);
    let answer = match said.route_tables.get() {
        Ok(_) => Ec2Answer::new(&said, read.head, &asker.subnets, &asker.accounts),
        Err(gap) => Err(gap.clone()),
    };
    let answer = answer.inspect_err(|gap| not_made(vpc, gap)).ok()?;
    let after = read.now.plus(read.asked.elapsed() + DATE);
    Some(SpotCheck { subnets: asker.subnets.clone(), answer, after, disputed: BTreeSet::new() })
}

fn not_made(vpc: &VpcId, gap: &Gap) {
    tracing::warn!(%vpc, %gap, "no spot check of the shared facts");
}
