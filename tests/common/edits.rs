//! Facts of a world removed, made too old, or dated in the future. No outcome may improve.

use onnet_core::{
    judge::judge,
    model::{Fact, FactPath, FactVisitor, Gap, Observed, Outcome, Snapshot},
};
use std::{collections::BTreeSet, time::Duration};

const DAY: Duration = Duration::from_secs(86_400);

/// A change to a fact.
#[derive(Clone, Debug)]
enum Edit {
    Hide(Gap),
    Age,
    PostDate,
}

impl Edit {
    /// Every kind of change; the gaps are those that collectors return.
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
            Gap::Stale { age: DAY.into() },
        ];
        gaps.into_iter().map(Self::Hide).chain([Self::Age, Self::PostDate]).collect()
    }
}

/// Applies `edit` to the facts that `only` selects.
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
            (Edit::Hide(Gap::NotTried { .. }), _)
                if matches!(path, FactPath::Probe { .. } | FactPath::Statement { .. }) => {}
            (Edit::Hide(gap), fact) => *fact = Observed::Unseen(gap.clone()),
            (Edit::Age, Observed::Seen { at, .. }) => *at = at.minus(DAY),
            (Edit::PostDate, Observed::Seen { at, .. }) => *at = at.plus(DAY),
            (Edit::Age | Edit::PostDate, Observed::Unseen(_)) => {}
        }
    }
}

/// The facts that are known.
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

/// Whether an outcome may follow from `with` when facts are taken away: the same, or none. A probe that never came back
/// counts like one that failed, which is a warning. Where DynamoDB says how requests come, what it says is left without the
/// tables, and the tables without it: that is no better.
pub(crate) fn may_follow(with: Outcome, without: Outcome, lost_probe: bool, testified: bool) -> bool {
    let warned = lost_probe && (with, without) == (Outcome::OnNet, Outcome::AtRisk);
    let alone = testified && with <= Outcome::AtRisk && without >= with;
    without == Outcome::Undetermined || without == with || warned || alone
}

/// The number of random sets of facts, each with one random change.
const SETS: usize = 40;

/// Every change to every fact alone, and random changes to random sets of facts.
fn edits(world: &Snapshot, random: &mut fastrand::Rng) -> Vec<(BTreeSet<FactPath>, Edit)> {
    let (facts, changes) = (facts_of(world), Edit::all());
    let alone = facts.iter().flat_map(|path| {
        let edit = |change: &Edit| (BTreeSet::from([path.clone()]), change.clone());
        changes.iter().map(edit)
    });
    let mut edits: Vec<_> = alone.collect();
    for _ in 0..SETS {
        let share = random.f64();
        let set = facts.iter().filter(|_| random.f64() < share).cloned().collect();
        edits.push((set, changes[random.usize(..changes.len())].clone()));
    }
    edits
}

/// What each edit, in words, comes to.
pub(crate) fn outcomes(world: &Snapshot, random: &mut fastrand::Rng) -> Vec<(String, Outcome)> {
    let outcome = |(only, edit): (BTreeSet<FactPath>, Edit)| {
        let words: Vec<_> = only.iter().map(ToString::to_string).collect();
        (format!("{edit:?} of {}", words.join(", ")), judge(edited(world, &only, &edit)).outcome)
    };
    edits(world, random).into_iter().map(outcome).collect()
}

/// Does every edit to every fact of a world, one at a time and in random sets. What came of it that must not, in words, and
/// the number of edits.
pub(crate) fn improvements(name: &str, world: &Snapshot, random: &mut fastrand::Rng) -> (Vec<String>, usize) {
    let with = judge(world.clone()).outcome;
    let edits = edits(world, random);
    let mut better = Vec::new();
    for (only, edit) in &edits {
        let without = judge(edited(world, only, edit)).outcome;
        let lost_probe = only.iter().any(|path| matches!(path, FactPath::Probe { .. } | FactPath::Statement { .. }));
        if !may_follow(with, without, lost_probe, !world.statements.is_empty()) {
            let only: Vec<_> = only.iter().map(ToString::to_string).collect();
            better.push(format!("{name}: {with} became {without} by {edit:?} of {}", only.join(", ")));
        }
    }
    (better, edits.len())
}
