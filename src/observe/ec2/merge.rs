//! The facts of several VPCs as one: an instance may have network interfaces in more than one.

use crate::model::{Gap, Observed, VpcFacts};

/// The facts of two VPCs of one Region as one. What is missing of either is missing.
pub(super) fn merge(mut one: VpcFacts, other: VpcFacts) -> VpcFacts {
    for (id, list) in other.prefix_lists {
        let slot = one.prefix_lists.entry(id).or_insert_with(|| list.clone());
        *slot = match (slot.seen(), list.seen()) {
            (Some(known), Some(other)) if !known.agrees_with(other) => Observed::Unseen(Gap::Conflicting {
                one: format!("one answer has {} entries of it", known.entries.len()),
                other: format!("another has {}, and not the same", other.entries.len()),
            }),
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
        (Observed::Unseen(gap), _) | (_, Observed::Unseen(gap)) => Observed::Unseen(gap),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PrefixList, PrefixListId, Seconds};
    use std::{collections::BTreeMap, time::SystemTime};

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
}
