//! The facts of several VPCs as one: an instance may have network interfaces in more than one.

use crate::{
    import::facts_table::merge_shared,
    model::{Gap, Observed, VpcFacts},
};

/// The facts of two VPCs of one Region as one. What is missing of either is missing.
pub(in crate::observe) fn merge(mut one: VpcFacts, other: VpcFacts) -> VpcFacts {
    for (id, list) in other.prefix_lists {
        let slot = one.prefix_lists.entry(id).or_insert_with(|| list.clone());
        *slot = match (slot.seen(), list.seen()) {
            (Some(known), Some(other)) if !known.agrees_with(other) => Observed::Unseen(Gap::Conflicting {
                one: format!("one answer has {} entries of it", known.entries.len()),
                other: format!("another has {}, and not the same", other.entries.len()),
            }),
            // What contradicts itself of one of them is not known by the other.
            (Some(_), None) if is_contradictory(&list) => list,
            (None, _) if is_contradictory(slot) => continue,
            (Some(_), _) => continue,
            (None, _) => list,
        };
    }
    VpcFacts {
        route_tables: both(one.route_tables, other.route_tables),
        vpc_endpoints: both(one.vpc_endpoints, other.vpc_endpoints),
        endpoint_interfaces: both(one.endpoint_interfaces, other.endpoint_interfaces),
        service_prefix_lists: both(one.service_prefix_lists, other.service_prefix_lists),
        prefix_lists: one.prefix_lists,
        // Asked for of all VPCs together.
        gates: None,
        shared: merge_shared(one.shared, other.shared),
    }
}

fn both<T: PartialEq>(one: Observed<Vec<T>>, other: Observed<Vec<T>>) -> Observed<Vec<T>> {
    match (one, other) {
        (Observed::Seen { mut value, at, took }, Observed::Seen { value: more, at: then, took: long }) => {
            for item in more {
                if !value.contains(&item) {
                    value.push(item);
                }
            }
            Observed::Seen { value, at: at.min(then), took: took.max(long) }
        }
        // A reason that leaves nothing of what was known before goes before one that does.
        (one @ Observed::Unseen(_), other) if !is_contradictory(&other) => one,
        (one, other @ Observed::Unseen(_)) if !is_contradictory(&one) => other,
        (one, _) => one,
    }
}

fn is_contradictory<T>(fact: &Observed<T>) -> bool {
    matches!(fact, Observed::Unseen(Gap::Conflicting { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PrefixList, PrefixListId, Seconds, Timestamp};
    use std::{
        collections::BTreeMap,
        time::{Duration, SystemTime},
    };

    fn facts(entries: &[&str]) -> VpcFacts {
        let id = PrefixListId::from("pl-1");
        let entries = entries.iter().filter_map(|entry| entry.parse().ok()).collect();
        let value = PrefixList { id: id.clone(), name: None, entries };
        let list = Observed::Seen { value, at: SystemTime::UNIX_EPOCH.into(), took: Seconds::default() };
        let gap = Gap::NotTried { because: "it is not needed".into() };
        VpcFacts { prefix_lists: BTreeMap::from([(id, list)]), ..VpcFacts::unseen(&gap) }
    }

    fn merged(one: &[&str], other: &[&str]) -> Option<&'static str> {
        merge(facts(one), facts(other)).prefix_lists.values().find_map(Observed::gap).map(Gap::reason)
    }

    #[test]
    fn two_answers_about_one_list_that_differ_support_nothing() {
        assert_eq!(merged(&["10.1.0.0/16", "10.2.0.0/16"], &["10.2.0.0/16", "10.1.0.0/16"]), None);
        assert_eq!(merged(&["10.1.0.0/16", "10.2.0.0/16"], &["10.1.0.0/16"]), Some("conflicting"));
    }

    fn ids(ids: &[&str], seconds: u64) -> Observed<Vec<PrefixListId>> {
        let seconds = Duration::from_secs(seconds);
        let value = ids.iter().map(|id| PrefixListId::from(*id)).collect();
        Observed::Seen { value, at: Timestamp::from(SystemTime::UNIX_EPOCH).plus(seconds), took: seconds.into() }
    }

    #[test]
    fn two_answers_are_as_old_as_the_older_and_each_thing_is_there_once() {
        let (old, new) = (ids(&["pl-1", "pl-2"], 30), ids(&["pl-2", "pl-3"], 60));
        for (one, other, expected) in [(&old, &new, ["pl-1", "pl-2", "pl-3"]), (&new, &old, ["pl-2", "pl-3", "pl-1"])] {
            let Observed::Seen { value, at, took } = both(one.clone(), other.clone()) else { panic!("both are seen") };
            assert_eq!(value, expected.map(PrefixListId::from));
            let [shorter, longer] = [30, 60].map(Duration::from_secs);
            assert_eq!((at, took), (Timestamp::from(SystemTime::UNIX_EPOCH).plus(shorter), longer.into()));
        }
        let gap = Gap::NotTried { because: "it is not needed".into() };
        for (one, other) in [(ids(&[], 0), Observed::Unseen(gap.clone())), (Observed::Unseen(gap.clone()), ids(&[], 0))]
        {
            assert_eq!(both(one, other), Observed::Unseen(gap.clone()));
        }
    }

    /// A list is the Region's, whichever VPC's tables name it.
    #[test]
    fn a_list_that_one_of_two_answers_has_is_known() {
        let unseen = || {
            let mut facts = facts(&[]);
            facts.prefix_lists.values_mut().for_each(|list| {
                *list = Observed::Unseen(Gap::NotTried { because: "it is not needed".into() });
            });
            facts
        };
        for merged in [merge(facts(&["10.1.0.0/16"]), unseen()), merge(unseen(), facts(&["10.1.0.0/16"]))] {
            assert!(merged.prefix_lists.values().all(|list| list.seen().is_some_and(|list| list.entries.len() == 1)));
        }
    }
}
