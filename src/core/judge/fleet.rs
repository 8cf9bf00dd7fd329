//! What the instances of a fleet come to. An instance that stopped reporting counts as undetermined, and so does what cannot be read.

use crate::model::{Fleet, FleetGroup, FleetInstance, InstanceStatus, Outcome, STATUS_COUNTS, Timestamp};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

/// How far ahead of DynamoDB's clock that of an instance may be.
const AHEAD: Duration = Duration::from_secs(60);

/// The fleet that `statuses` come from, which the table had at `read_at`. `problems` are what could not be read: nothing is known
/// of what that would have said.
pub fn fleet(
    table: String,
    read_at: Option<Timestamp>,
    statuses: impl IntoIterator<Item = InstanceStatus>,
    problems: Vec<String>,
) -> Fleet {
    let mut latest: BTreeMap<String, InstanceStatus> = BTreeMap::new();
    for status in statuses {
        match latest.entry(status.instance.clone()) {
            Entry::Vacant(slot) => {
                slot.insert(status);
            }
            Entry::Occupied(mut slot) if slot.get().reported_at < status.reported_at => {
                slot.insert(status);
            }
            Entry::Occupied(_) => {}
        }
    }
    let mut fleet = Fleet::empty(table, read_at, problems);
    fleet.instances = latest.into_values().map(|status| counted(status, read_at)).collect();
    // The sort is stable: by ARN among equals.
    fleet.instances.sort_by_key(|instance| (Reverse(instance.counts_as), instance.because.is_none()));
    let worst = fleet.instances.iter().map(|instance| instance.counts_as).max();
    let unread = (!fleet.problems.is_empty()).then_some(Outcome::Undetermined);
    fleet.outcome = worst.max(unread).unwrap_or(Outcome::Undetermined);
    let mut groups: BTreeMap<_, FleetGroup> = BTreeMap::new();
    for instance in &fleet.instances {
        let outcome = instance.counts_as.name().to_owned();
        *fleet.outcomes.entry(outcome.clone()).or_default() += 1;
        let InstanceStatus { vpc, subnet, route_table, .. } = &instance.reported;
        let account = account_of(&instance.reported.instance);
        let key = (account.clone(), vpc.clone(), subnet.clone(), route_table.clone());
        let group = groups.entry(key).or_insert_with(|| FleetGroup {
            account,
            vpc: vpc.clone(),
            subnet: subnet.clone(),
            route_table: route_table.clone(),
            outcomes: BTreeMap::new(),
        });
        *group.outcomes.entry(outcome).or_default() += 1;
    }
    fleet.groups = groups.into_values().collect();
    fleet.groups.sort_by_key(|group| Reverse(worst_of(&group.outcomes)));
    fleet
}

/// Account and Region of an instance's ARN.
fn account_of(arn: &str) -> String {
    match arn.split(':').collect::<Vec<_>>()[..] {
        [_, _, _, region, account, ..] => format!("{account} in {region}"),
        _ => arn.to_owned(),
    }
}

fn worst_of(outcomes: &BTreeMap<String, u64>) -> Option<Outcome> {
    Outcome::ALL.iter().rev().copied().find(|outcome| outcomes.contains_key(outcome.name()))
}

fn counted(reported: InstanceStatus, read_at: Option<Timestamp>) -> FleetInstance {
    let because = match read_at {
        None => Some("DynamoDB's time is not known".to_owned()),
        Some(now) if now.since(reported.reported_at) > STATUS_COUNTS => {
            Some(format!("it has not reported since {}", reported.reported_at))
        }
        Some(now) if reported.reported_at.since(now) > AHEAD => {
            Some(format!("its report is dated {}, which is after {now}, DynamoDB's time", reported.reported_at))
        }
        Some(_) => None,
    };
    // What was bad when it was last heard of is not better for that.
    let counts_as = match &because {
        Some(_) => reported.outcome.max(Outcome::Undetermined),
        None => reported.outcome,
    };
    FleetInstance { counts_as, because, reported }
}
