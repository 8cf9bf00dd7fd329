//! The facts of several VPCs as one: an instance may have network interfaces in more than one.

use crate::model::{Observed, VpcFacts};

/// The facts of two VPCs of one Region as one. What is missing of either is missing.
pub(super) fn merge(mut one: VpcFacts, other: VpcFacts) -> VpcFacts {
    for (id, list) in other.prefix_lists {
        let slot = one.prefix_lists.entry(id).or_insert_with(|| list.clone());
        if slot.seen().is_none() {
            *slot = list;
        }
    }
    VpcFacts {
        route_tables: both(one.route_tables, other.route_tables),
        vpc_endpoints: both(one.vpc_endpoints, other.vpc_endpoints),
        endpoint_interfaces: both(one.endpoint_interfaces, other.endpoint_interfaces),
        service_prefix_lists: both(one.service_prefix_lists, other.service_prefix_lists),
        prefix_lists: one.prefix_lists,
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
