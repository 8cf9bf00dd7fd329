//! When the kernel is asked about the whole prefix list, and not only about the addresses in use.

use super::clock::Moment;
use crate::observe::kernel::Wanted;
use std::time::Duration;

/// How often the kernel is asked though it reports no change. [`crate::model::MaxAge::of_fact`] has three times as much.
const KERNEL_PATHS: Duration = Duration::from_secs(300);

/// The last collection, and whether what it was for still holds.
#[derive(Clone, Debug, Default)]
pub(super) struct PathsPlan {
    /// What was asked last, when, and after how many changes.
    last: Option<(Wanted, Moment, u64)>,
    changes: u64,
    /// The kernel does not report changes.
    unnoticed: bool,
}

impl PathsPlan {
    /// The kernel reported a change.
    pub(super) fn changed(&mut self) {
        self.changes += 1;
    }

    /// The kernel reports no changes: it is asked each time.
    pub(super) fn unnoticed(&mut self) {
        self.unnoticed = true;
    }

    /// Whether the kernel is to be asked.
    pub(super) fn is_due(&self, now: Moment, wanted: &Wanted) -> bool {
        let holds = |(asked, at, changes): &(Wanted, Moment, u64)| {
            asked == wanted && *changes == self.changes && now.since(*at) < KERNEL_PATHS
        };
        self.unnoticed || !self.last.as_ref().is_some_and(holds)
    }

    /// What to ask for, if it is due. A change from now on makes it due again.
    pub(super) fn begin(&mut self, now: Moment, wanted: Wanted) -> Option<Wanted> {
        let is_due = self.is_due(now, &wanted);
        if is_due {
            self.last = Some((wanted.clone(), now, self.changes));
        }
        is_due.then_some(wanted)
    }

    /// The collection ended. One that failed is tried again.
    pub(super) fn ended(&mut self, is_known: bool) {
        if !is_known {
            self.last = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> Moment {
        Moment::after_boot(Duration::from_secs(1000 + seconds))
    }

    fn wanted(entries: &[&str]) -> Wanted {
        Wanted { list: entries.iter().filter_map(|entry| entry.parse().ok()).collect(), ..Wanted::default() }
    }

    /// Whether the whole list is asked for then, with no failure.
    fn asked(plan: &mut PathsPlan, second: u64, wanted: &Wanted) -> bool {
        let asked = plan.begin(at(second), wanted.clone()).is_some();
        plan.ended(true);
        asked
    }

    #[test]
    fn the_whole_list_is_asked_for_at_the_start_when_something_changes_and_every_five_minutes() {
        let (mut plan, list) = (PathsPlan::default(), wanted(&["52.94.0.0/22"]));
        let asked_at: Vec<u64> = (0..700).step_by(15).filter(|second| asked(&mut plan, *second, &list)).collect();
        assert_eq!(asked_at, [0, 300, 600]);
        plan.changed();
        assert!(asked(&mut plan, 701, &list) && !asked(&mut plan, 702, &list));
        assert!(asked(&mut plan, 703, &wanted(&["52.94.0.0/22", "3.218.180.0/23"])), "the list has changed");
        plan.unnoticed();
        assert!(asked(&mut plan, 704, &list) && asked(&mut plan, 705, &list));
    }

    #[test]
    fn a_change_during_a_collection_is_not_lost_and_a_failed_one_is_made_again() {
        let (mut plan, list) = (PathsPlan::default(), wanted(&["52.94.0.0/22"]));
        assert!(plan.begin(at(0), list.clone()).is_some());
        plan.changed();
        plan.ended(true);
        assert!(plan.begin(at(1), list.clone()).is_some());
        plan.ended(false);
        assert!(plan.begin(at(2), list).is_some());
    }
}
