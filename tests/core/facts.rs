//! What holds for every fact of every scenario: without it, or with it too old or dated ahead, no outcome is better.

use crate::common::scenarios;
use onnet_core::{
    judge::judge,
    model::{Fact, FactPath, FactVisitor, Gap, Observed, Outcome, Snapshot},
};
use std::{collections::BTreeSet, time::Duration};

const DAY: Duration = Duration::from_secs(86_400);

/// What is done to a fact.
#[derive(Clone, Debug)]
enum Edit {
    Hide(Gap),
    Age,
    PostDate,
}

impl Edit {
    /// Every kind of edit; the gaps are those that collectors produce.
    fn all() -> Vec<Self> {
        let detail = || "hidden by the test".to_owned();
        let gaps = [
            Gap::Denied { action: "ec2:DescribeSomething".to_owned() },
            Gap::TimedOut { after: Duration::from_secs(3).into() },
            Gap::Unreachable { detail: detail() },
            Gap::Throttled { detail: detail() },
            Gap::Malformed { detail: detail() },
            Gap::Failed { detail: detail() },
            Gap::Credentials { detail: detail() },
            Gap::Disabled { detail: detail() },
            Gap::NotTried { because: detail() },
        ];
        gaps.into_iter().map(Self::Hide).chain([Self::Age, Self::PostDate]).collect()
    }
}

/// Does `edit` to the facts that `only` names.
struct Editor<'a> {
    only: &'a BTreeSet<FactPath>,
    edit: &'a Edit,
}

impl FactVisitor for Editor<'_> {
    fn fact<T: Fact>(&mut self, path: FactPath, fact: &mut Observed<T>) {
        if !self.only.contains(&path) {
            return;
        }
        match (self.edit, fact) {
            // A probe that was not asked for is another world, not a missing fact.
            (Edit::Hide(Gap::NotTried { .. }), _) if matches!(path, FactPath::Probe { .. }) => {}
            (Edit::Hide(gap), fact) => *fact = Observed::Unseen(gap.clone()),
            (Edit::Age, Observed::Seen { at, .. }) => *at = at.minus(DAY),
            (Edit::PostDate, Observed::Seen { at, .. }) => *at = at.plus(DAY),
            (Edit::Age | Edit::PostDate, Observed::Unseen(_)) => {}
        }
    }
}

/// The facts that are there.
#[derive(Default)]
struct Seen(Vec<FactPath>);

impl FactVisitor for Seen {
    fn fact<T: Fact>(&mut self, path: FactPath, fact: &mut Observed<T>) {
        self.0.extend(fact.seen().map(|_| path));
    }
}

fn facts_of(world: &Snapshot) -> Vec<FactPath> {
    let mut seen = Seen::default();
    world.clone().visit_facts(&mut seen);
    seen.0
}

fn edited(world: &Snapshot, only: &BTreeSet<FactPath>, edit: &Edit) -> Snapshot {
    let mut world = world.clone();
    world.visit_facts(&mut Editor { only, edit });
    world
}

fn worlds() -> impl Iterator<Item = (&'static str, Snapshot)> {
    assert!(DISAGREE.iter().all(|name| scenarios::all().contains_key(*name)));
    let worlds = scenarios::all().iter().map(|(name, scenario)| (name.as_str(), scenario.world.clone()));
    worlds.filter(|(name, _)| !DISAGREE.contains(name))
}

/// Scenarios in which two facts disagree: the one that remains may speak alone.
const DISAGREE: [&str; 4] = [
    "answer_through_a_dropped_route_contradicts_it",
    "probe_from_another_source_contradicts_the_kernel",
    "endpoint_lists_a_table_that_has_no_route_to_it",
    "testimony_against_an_internet_gateway_is_a_contradiction",
];

/// Whether `with` could be concluded of less than what `without` was concluded of.
fn is_no_better(without: Outcome, with: Outcome) -> bool {
    without == Outcome::Undetermined || (with != Outcome::Undetermined && without >= with)
}

#[test]
fn without_a_fact_no_outcome_is_better() {
    let (mut better, mut edits) = (Vec::new(), 0);
    for (name, world) in worlds() {
        let with = judge(world.clone());
        for path in facts_of(&world) {
            for edit in Edit::all() {
                let without = judge(edited(&world, &BTreeSet::from([path.clone()]), &edit));
                edits += 1;
                if !is_no_better(without.outcome, with.outcome) {
                    better.push(format!("{name}: {} became {} by {edit:?} of {path}", with.outcome, without.outcome));
                }
            }
        }
    }
    assert!(better.is_empty(), "{} of {edits} edits\n{}", better.len(), better.join("\n"));
}

#[test]
fn without_several_facts_no_outcome_is_better() {
    let mut random = fastrand::Rng::with_seed(2026);
    let (mut better, mut edits) = (Vec::new(), 0);
    for (name, world) in worlds() {
        let with = judge(world.clone());
        let facts = facts_of(&world);
        for edit in Edit::all() {
            for _ in 0..20 {
                let share = random.f64();
                let only: BTreeSet<FactPath> = facts.iter().filter(|_| random.f64() < share).cloned().collect();
                let without = judge(edited(&world, &only, &edit));
                edits += 1;
                if !is_no_better(without.outcome, with.outcome) {
                    let only: Vec<_> = only.iter().map(ToString::to_string).collect();
                    better.push(format!(
                        "{name}: {} became {} by {edit:?} of {}",
                        with.outcome,
                        without.outcome,
                        only.join(", ")
                    ));
                }
            }
        }
    }
    assert!(better.is_empty(), "{} of {edits} edits\n{}", better.len(), better.join("\n"));
}
