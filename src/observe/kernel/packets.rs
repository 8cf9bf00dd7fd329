//! The kinds of packets that rules distinguish: one of each, for the kernel to be asked about.

use super::{
    KernelError,
    answer::PacketKind,
    rules::{Rule, Span, Users},
};
use crate::observe::limits::KernelLimits;
use std::collections::{BTreeMap, BTreeSet};

const WHAT: &str = "kinds of packets that rules distinguish";

/// One packet of each kind, beside onnet's own, that is user `own`, unmarked.
///
/// # Errors
/// If there are too many.
pub(super) fn kinds(
    rules: &[Rule],
    tos_of_routes: impl Iterator<Item = u8>,
    own: u32,
    limits: &KernelLimits,
) -> Result<Vec<PacketKind>, KernelError> {
    let rules = || rules.iter().filter(|rule| rule.distinguishes_packets());
    let users = rules().filter_map(|rule| match rule.users {
        Some(Users::Known(users)) => Some(users),
        Some(Users::Shown(_) | Users::Hidden) | None => None,
    });
    let users = samples(&users.collect::<Vec<_>>(), own, u32::MAX, limits, |user| user.checked_add(1))?;
    let ports: Vec<_> = rules().filter_map(|rule| rule.source_ports).collect();
    let ports = samples(&ports, 0, 0, limits, |port| port.checked_add(1))?;
    let marks = marks(rules().filter_map(|rule| rule.mark), limits)?;
    let tos: BTreeSet<u8> = rules().map(|rule| rule.tos).chain(tos_of_routes).chain([0]).collect();

    let count = [users.len(), ports.len(), marks.len(), tos.len()].into_iter().fold(1, usize::saturating_mul);
    KernelError::limit(WHAT, limits.packets, count)?;
    let mut kinds = Vec::with_capacity(count);
    for &user in &users {
        for &source_port in &ports {
            for &mark in &marks {
                kinds.extend(tos.iter().map(|&tos| PacketKind { user, mark, tos, source_port }));
            }
        }
    }
    kinds.retain(|kind| *kind != PacketKind::default());
    Ok(kinds)
}

/// One value of each combination of spans that hold it. `None` stands for `own` and all that are in the same spans.
fn samples<T: Copy + Ord>(
    spans: &[Span<T>],
    own: T,
    none: T,
    limits: &KernelLimits,
    after: impl Fn(T) -> Option<T>,
) -> Result<BTreeSet<Option<T>>, KernelError> {
    let edges: BTreeSet<T> = spans.iter().flat_map(|span| [Some(span.first), after(span.last)]).flatten().collect();
    KernelError::limit(WHAT, limits.packets, edges.len())?;
    let holding = |value: T| -> Vec<bool> { spans.iter().map(|span| span.contains(value)).collect() };
    let mut known = BTreeSet::from([holding(own)]);
    let mut samples = BTreeSet::from([None]);
    samples.extend(edges.into_iter().filter(|edge| *edge != none && known.insert(holding(*edge))).map(Some));
    Ok(samples)
}

/// Firewall marks: one of each combination of rules that match it.
///
/// From no mark on, a mark is made to match a rule, or one bit of it is changed; of the bits that the same masks have, one
/// stands for all.
fn marks(rules: impl Iterator<Item = (u32, u32)>, limits: &KernelLimits) -> Result<BTreeSet<u32>, KernelError> {
    let rules: BTreeSet<(u32, u32)> = rules.map(|(mark, mask)| (mark & mask, mask)).collect();
    KernelError::limit("firewall marks of rules", limits.marks.min(64), rules.len())?;
    let matching = |mark: u32| rules.iter().fold(0_u64, |all, (m, mask)| all << 1 | u64::from(mark & mask == *m));
    let masks = |bit: &u32| rules.iter().fold(0_u64, |all, (_, mask)| all << 1 | u64::from(mask & bit != 0));
    let bits: BTreeMap<u64, u32> = (0..32).rev().map(|shift| 1 << shift).map(|bit| (masks(&bit), bit)).collect();

    let mut known = BTreeSet::from([matching(0)]);
    let mut marks = vec![0];
    let mut next = 0;
    while let Some(&mark) = marks.get(next) {
        let forced = rules.iter().map(|(matched, mask)| mark & !mask | matched);
        let changed = bits.values().map(|bit| mark ^ bit);
        marks.extend(forced.chain(changed).filter(|mark| known.insert(matching(*mark))).collect::<Vec<_>>());
        KernelError::limit(WHAT, limits.packets, marks.len())?;
        next += 1;
    }
    Ok(marks.into_iter().collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const LIMITS: &KernelLimits = &KernelLimits::DEFAULT;

    #[test]
    fn marks_are_of_each_combination_of_rules() {
        let combinations = |rules: &[(u32, u32)]| {
            let marks = marks(rules.iter().copied(), LIMITS).unwrap();
            let matched = |mark: &u32| -> Vec<bool> { rules.iter().map(|(m, mask)| (mark ^ m) & mask == 0).collect() };
            (marks.len(), marks.iter().map(matched).collect::<BTreeSet<_>>().len())
        };
        assert_eq!(combinations(&[]), (1, 1));
        assert_eq!(combinations(&[(0x80000, 0xff0000)]), (2, 2));
        assert_eq!(combinations(&[(1, u32::MAX), (2, u32::MAX), (3, u32::MAX)]), (4, 4), "only one of them at a time");
        assert_eq!(combinations(&[(1, 1), (2, 2), (4, 4)]), (8, 8));
        assert_eq!(combinations(&[(3, 3), (1, 1)]), (3, 3), "never the first without the second");
        assert_eq!(combinations(&[(2, u32::MAX), (2, 2)]), (3, 3), "3 is the second's alone");
        assert_eq!(combinations(&[(0, 0xff)]), (2, 2), "a mark of its own that no rule names");
        assert!(marks((0..65).map(|mark| (mark, u32::MAX)), LIMITS).is_err());
        assert!(marks((0..11).map(|bit| (1 << bit, 1 << bit)), LIMITS).is_err(), "2,048 combinations");
    }

    #[test]
    fn users_are_of_each_combination_of_ranges() {
        let span = |first, last| Span { first, last };
        let users = |spans: &[Span<u32>], own| -> Vec<Option<u32>> {
            samples(spans, own, u32::MAX, LIMITS, |user| user.checked_add(1)).unwrap().into_iter().collect()
        };
        assert_eq!(users(&[], 0), [None]);
        assert_eq!(users(&[span(1001, 1001)], 0), [None, Some(1001)]);
        assert_eq!(users(&[span(0, 0)], 0), [None, Some(1)], "onnet itself is in the range");
        assert_eq!(users(&[span(1000, 2000), span(1500, 1500)], 0), [None, Some(1000), Some(1500)]);
        assert_eq!(users(&[span(0, u32::MAX)], 0), [None]);
        assert!(
            samples(&(0..2_000).map(|u| span(2 * u, 2 * u)).collect::<Vec<_>>(), 0, u32::MAX, LIMITS, |u| u
                .checked_add(1))
            .is_err()
        );
    }
}
