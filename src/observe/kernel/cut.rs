//! The prefix lists, split at every prefix that the kernel's rules and routes have: all addresses of a part have the same
//! route.

use ipnet::IpNet;
use std::{collections::BTreeSet, net::IpAddr};

/// A range of addresses of one family, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Range {
    pub(super) first: IpAddr,
    pub(super) last: IpAddr,
}

impl Range {
    pub(super) fn of(prefix: &IpNet) -> Self {
        Self { first: prefix.network(), last: prefix.broadcast() }
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.first <= address && address <= self.last
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Ranges, and where they are cut.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// Disjoint and in order; IPv4 comes before IPv6, as [`IpAddr`] orders.
    ranges: Vec<Range>,
    /// The first addresses of parts that do not begin a range.
    starts: BTreeSet<IpAddr>,
}

impl Cut {
    /// The ranges of a list and single addresses, not cut yet.
    pub(super) fn new(list: &[IpNet], addresses: impl Iterator<Item = IpAddr>) -> Self {
        let mut all: Vec<Range> = list.iter().map(Range::of).collect();
        all.extend(addresses.map(|address| Range { first: address, last: address }));
        // What contains another comes before it.
        all.sort_by_key(|range| (range.first, std::cmp::Reverse(range.last)));
        let mut ranges: Vec<Range> = Vec::new();
        for range in all {
            match ranges.last_mut() {
                Some(before) if range.first <= before.last => before.last = before.last.max(range.last),
                _ => ranges.push(range),
            }
        }
        Self { ranges, starts: BTreeSet::new() }
    }

    /// Whether a prefix holds any of the addresses.
    pub(super) fn overlaps(&self, prefix: &Range) -> bool {
        let next = self.ranges.partition_point(|range| range.last < prefix.first);
        self.ranges.get(next).is_some_and(|range| range.overlaps(prefix))
    }

    /// Whether there is any address of a family.
    pub(super) fn has_family(&self, is_ipv6: bool) -> bool {
        self.ranges.iter().any(|range| range.first.is_ipv6() == is_ipv6)
    }

    /// Cuts the ranges where a prefix begins and where it ends.
    pub(super) fn at(&mut self, prefix: &Range) {
        for start in [Some(prefix.first), after(prefix.last)].into_iter().flatten() {
            let next = self.ranges.partition_point(|range| range.last < start);
            if self.ranges.get(next).is_some_and(|range| range.first < start) {
                self.starts.insert(start);
            }
        }
    }

    /// How many parts there are.
    pub(super) fn count(&self) -> usize {
        self.ranges.len() + self.starts.len()
    }

    /// The parts, in order.
    pub(super) fn parts(&self) -> Vec<Range> {
        let mut parts = Vec::with_capacity(self.count());
        for range in &self.ranges {
            let mut first = range.first;
            for start in self.starts.range(range.first..=range.last) {
                // A start is never the first address there is.
                parts.push(Range { first, last: before(*start).unwrap_or(first) });
                first = *start;
            }
            parts.push(Range { first, last: range.last });
        }
        parts
    }
}

/// The next address of the family, if there is one.
pub(super) fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => u32::from(address).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(address) => u128::from(address).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}

fn before(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => u32::from(address).checked_sub(1).map(|previous| IpAddr::V4(previous.into())),
        IpAddr::V6(address) => u128::from(address).checked_sub(1).map(|previous| IpAddr::V6(previous.into())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn cut(list: &[&str], at: &[&str]) -> Vec<String> {
        let list: Vec<IpNet> = list.iter().map(|text| prefix(text)).collect();
        let mut cut = Cut::new(&list, std::iter::empty());
        at.iter().for_each(|text| cut.at(&Range::of(&prefix(text))));
        assert_eq!(cut.count(), cut.parts().len());
        cut.parts().iter().map(|part| format!("{}-{}", part.first, part.last)).collect()
    }

    #[test]
    fn a_list_is_cut_where_a_prefix_begins_and_ends() {
        let list = ["52.94.0.0/22", "3.218.180.0/23"];
        assert_eq!(cut(&list, &[]), ["3.218.180.0-3.218.181.255", "52.94.0.0-52.94.3.255"]);
        assert_eq!(cut(&list, &["0.0.0.0/0", "52.94.0.0/22", "52.0.0.0/8", "10.0.0.0/8", "::/0"]), cut(&list, &[]));
        assert_eq!(
            cut(&list, &["52.94.1.0/24", "52.94.3.0/24", "52.94.1.0/24"]),
            [
                "3.218.180.0-3.218.181.255",
                "52.94.0.0-52.94.0.255",
                "52.94.1.0-52.94.1.255",
                "52.94.2.0-52.94.2.255",
                "52.94.3.0-52.94.3.255"
            ]
        );
        assert_eq!(
            cut(&["255.255.255.0/24"], &["255.255.255.255/32"]).len(),
            2,
            "nothing comes after the last address"
        );
        assert_eq!(cut(&["2001:db8::/32", "10.0.0.0/8"], &["2001:db8:1::/48"]).len(), 4);
    }

    #[test]
    fn what_overlaps_is_one_range() {
        assert_eq!(cut(&["52.94.0.0/22", "52.94.1.0/24", "52.94.0.0/23"], &[]), ["52.94.0.0-52.94.3.255"]);
    }

    proptest! {
        #[test]
        fn parts_are_disjoint_complete_and_uniform(
            list in prop::collection::vec((0_u8..64, 24_u8..=32), 1..6),
            mentioned in prop::collection::vec((0_u8..64, 24_u8..=32), 0..12),
        ) {
            let prefix = |(host, length): &(u8, u8)| {
                IpNet::new(IpAddr::from([10, 0, 0, *host]), *length).unwrap().trunc()
            };
            let (list, mentioned): (Vec<IpNet>, Vec<IpNet>) =
                (list.iter().map(prefix).collect(), mentioned.iter().map(prefix).collect());
            let mut cut = Cut::new(&list, std::iter::empty());
            mentioned.iter().for_each(|prefix| cut.at(&Range::of(prefix)));
            let parts = cut.parts();
            for host in 0..=255_u8 {
                let address = IpAddr::from([10, 0, 0, host]);
                let holding: Vec<_> = parts.iter().filter(|part| part.contains(address)).collect();
                prop_assert_eq!(holding.len(), usize::from(list.iter().any(|entry| entry.contains(&address))));
                let matched = |address: IpAddr| mentioned.iter().map(move |prefix| prefix.contains(&address));
                for part in holding {
                    prop_assert!(matched(part.first).eq(matched(address)), "{part:?} is not uniform at {address}");
                }
            }
        }
    }
}
