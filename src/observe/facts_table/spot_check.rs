//! Spot checks: now and then one reader of each VPC asks EC2 itself, and compares what the publisher observes after that.
//!
//! A fact that the publisher shares otherwise may have changed meanwhile. So EC2 is asked once more; what it says both times, before and
//! after the publisher asked, and the publisher otherwise, is a contradiction, and lasts until facts are shared that EC2's answers agree
//! with.

use super::{
    FactsTable, Failing, Known, Look,
    items::{SpotCheckItem, Written},
    publish::{has_tables, incomplete},
    read::DATE,
};
use crate::{
    import::{
        facts_table::Head,
        spot_check::{Comparison, Ec2Answer, leave_out},
    },
    model::{Ec2Request, FactPath, Gap, SubnetId, Timestamp, VpcFacts, VpcId},
    observe::{
        ec2,
        seen::{Stopwatch, within},
    },
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
    /// Since before it was asked.
    pub(super) watch: &'a Stopwatch,
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
        // Another account may see less: the endpoints of a shared VPC are its owner's.
        let is_comparable = look.asker.accounts.contains(&read.head.account);
        if let Some(every) = self.settings.spot_check_every
            && is_comparable
        {
            let is_settled = known.check(look, read, every, &mut requests, facts).await;
            if is_settled {
                known.spot_check = None;
            }
        }
        if let Some(check) = &known.spot_check {
            leave_out(&check.disputed, &read.head.publisher, facts);
        }
        requests
    }
}

impl Known {
    /// Whether facts are in dispute.
    pub(super) fn has_dispute(&self) -> bool {
        self.spot_check.as_ref().is_some_and(|check| !check.disputed.is_empty())
    }

    /// Begins a spot check or goes on with one. Whether it is settled: all facts are as EC2 says.
    async fn check(
        &mut self,
        look: Look<'_>,
        read: ReadHead<'_>,
        every: Duration,
        requests: &mut Vec<Ec2Request>,
        facts: &VpcFacts,
    ) -> bool {
        match &mut self.spot_check {
            None => {
                self.take(look, read, every, requests).await;
                false
            }
            Some(check) if check.subnets != look.asker.subnets => {
                let again = ask(look, read, requests).await;
                if let Some(again) = noted(&mut self.no_spot_check, look.vpc, again) {
                    *check = SpotCheck { disputed: std::mem::take(&mut check.disputed), ..again };
                }
                false
            }
            Some(check) if read.head.observed_at > check.after => {
                let (failing, vpc) = (&mut self.no_spot_check, look.vpc);
                let comparison = check.answer.compare(facts);
                if comparison.contradicted.is_empty() && comparison.missing.is_empty() {
                    tracing::info!(%vpc, publisher = read.head.publisher, "shared facts are what EC2 says");
                    return true;
                }
                if comparison.contradicted.is_empty() {
                    check.disputed.retain(|at| !comparison.agreed.contains(at));
                } else {
                    let again = ask(look, read, requests).await;
                    if let Some(again) = noted(failing, vpc, again) {
                        check.dispute(look, read, again, &comparison, facts);
                    }
                }
                false
            }
            Some(_) => false,
        }
    }

    /// Begins a spot check of the VPC, if it is time for one and this reader's to make.
    async fn take(&mut self, look: Look<'_>, read: ReadHead<'_>, every: Duration, requests: &mut Vec<Ec2Request>) {
        if self.spot_check_due.is_some_and(|due| Instant::now() < due) {
            return;
        }
        let Look { items, asker, vpc, patience, .. } = look;
        let now = read.now.since_epoch();
        let number = now.as_millis() / every.as_millis().max(1);
        let item = SpotCheckItem { vpc, every, number: number.try_into().unwrap_or(u64::MAX), reader: &asker.name };
        // In each period once, and not always as the first one.
        let rest = 1.0 - (now.as_secs_f64() / every.as_secs_f64()).fract();
        self.spot_check_due = Some(Instant::now() + every.mul_f64(rest + fastrand::f64() / 2.0));
        let taken = items.take_spot_check(&item, now.saturating_add(KEPT).as_secs());
        let taken = match within(patience.deadline, taken).await.into_result() {
            Ok(Written::Lost) => return,
            Ok(Written::Yes) => ask(look, read, requests).await,
            Err(gap) => Err(gap),
        };
        let is_taken = taken.is_ok();
        self.spot_check = noted(&mut self.no_spot_check, vpc, taken);
        if !is_taken {
            // Another one may be able to.
            self.spot_check_due = Some(Instant::now() + every * 4);
            let _ = within(patience.deadline, items.give_back_spot_check(&item)).await; // the first reason was logged
        }
    }
}

impl SpotCheck {
    /// What both answers of EC2 say, before and after the publisher asked, and the publisher otherwise, is in dispute from now on. What
    /// changed between the two may have changed before the publisher asked, or after.
    fn dispute(&mut self, look: Look<'_>, read: ReadHead<'_>, again: Self, comparison: &Comparison, facts: &VpcFacts) {
        let found = self.answer.and(&again.answer).compare(facts).contradicted;
        if !found.is_subset(&self.disputed) {
            let facts = found.iter().map(FactPath::to_string).collect::<Vec<_>>().join(", ");
            let publisher = &read.head.publisher;
            tracing::warn!(vpc = %look.vpc, publisher, facts, "shared facts are not what EC2 says");
        }
        let still = self.disputed.difference(&comparison.agreed).cloned();
        let disputed = still.chain(found).collect();
        *self = Self { disputed, ..again };
    }
}

/// What EC2 says now. All of it: what is missing could not be compared.
async fn ask(look: Look<'_>, read: ReadHead<'_>, requests: &mut Vec<Ec2Request>) -> Result<SpotCheck, Gap> {
    let Look { config, asker, vpc, patience, .. } = look;
    let (said, more) = ec2::vpc_facts(config, vpc, &asker.region, patience).await;
    requests.extend(more);
    has_tables(&said, vpc, &asker.region)?;
    if let [first, ..] = &incomplete(&said)[..] {
        return Err(Gap::Failed { detail: format!("EC2 did not say all: {first}") });
    }
    let answer = Ec2Answer::new(&said, read.head, &asker.subnets, &asker.accounts)?;
    let after = read.now.plus(read.watch.took().as_duration() + DATE);
    Ok(SpotCheck { subnets: asker.subnets.clone(), answer, after, disputed: BTreeSet::new() })
}

/// What was made, if it was. That spot checks fail is logged when it begins and ends.
fn noted(failing: &mut Failing, vpc: &VpcId, made: Result<SpotCheck, Gap>) -> Option<SpotCheck> {
    let words = ["no spot check of the shared facts", "a spot check of the shared facts is made again"];
    failing.note(vpc, &made, words);
    made.ok()
}
