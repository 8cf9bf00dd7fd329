//! Which facts stay known where a collection fails, and how they keep their age.

use super::clock::Step;
use crate::model::{Fact, FactPath, FactVisitor, Gap, Observed};
use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    mem,
};

/// Whether a collection that ended so says nothing about what was known before.
pub(super) fn is_passing(gap: &Gap) -> bool {
    match gap {
        Gap::TimedOut { .. }
        | Gap::Unreachable { .. }
        | Gap::Throttled { .. }
        | Gap::Malformed { .. }
        | Gap::Truncated { .. }
        | Gap::OverLimit { .. }
        | Gap::Failed { .. }
        | Gap::Redirected { .. }
        | Gap::Untrusted { .. } => true,
        Gap::Denied { .. }
        | Gap::Credentials { .. }
        | Gap::Settings { .. }
        | Gap::Disabled { .. }
        | Gap::NotFound { .. }
        | Gap::NotVisible { .. }
        | Gap::Changing { .. }
        | Gap::UndocumentedValue { .. }
        | Gap::Conflicting { .. }
        | Gap::SpoofedSource { .. }
        | Gap::OtherHost { .. }
        | Gap::NotTried { .. }
        | Gap::Stale { .. } => false,
    }
}

/// Whether the fact that was known stays where a collection ended so.
fn leaves_known(path: &FactPath, gap: &Gap) -> bool {
    // Collected when something changed: what was known before does not stand in for it.
    if matches!(path, FactPath::KernelPaths) {
        return false;
    }
    // Not even asked for where another fact is missing.
    let depends = matches!(path, FactPath::Names | FactPath::AccountName | FactPath::EndpointInterfaces);
    // Credentials that are missing now say nothing about the account.
    let of_account = matches!(path, FactPath::AccountName);
    is_passing(gap)
        || depends && matches!(gap, Gap::NotTried { .. })
        || of_account && matches!(gap, Gap::Credentials { .. })
}

/// The facts that are missing for a reason that leaves what was known.
#[derive(Default)]
pub(super) struct Passing(pub(super) BTreeSet<FactPath>);

impl FactVisitor for Passing {
    fn fact<T: Fact>(&mut self, at: FactPath, fact: &mut Observed<T>) {
        if fact.gap().is_some_and(|gap| leaves_known(&at, gap)) {
            self.0.insert(at);
        }
    }
}

/// Takes the facts that stay known out of what is replaced.
pub(super) struct Kept {
    paths: BTreeSet<FactPath>,
    pub(super) facts: BTreeMap<FactPath, Box<dyn Any>>,
}

impl Kept {
    pub(super) fn of(Passing(paths): Passing) -> Self {
        Self { paths, facts: BTreeMap::new() }
    }
}

impl FactVisitor for Kept {
    fn fact<T: Fact>(&mut self, at: FactPath, fact: &mut Observed<T>) {
        if self.paths.contains(&at) && fact.seen().is_some() {
            let taken = Gap::NotTried { because: "replaced".to_owned() };
            let kept = mem::replace(fact, Observed::Unseen(taken));
            self.facts.insert(at, Box::new(kept));
        }
    }
}

/// Puts them where they are missing.
pub(super) struct Restore(pub(super) BTreeMap<FactPath, Box<dyn Any>>);

impl FactVisitor for Restore {
    fn fact<T: Fact>(&mut self, at: FactPath, fact: &mut Observed<T>) {
        if let Some(kept) = self.0.remove(&at).and_then(|kept| kept.downcast().ok()) {
            *fact = *kept;
        }
    }
}

/// Dates every fact again, so that it keeps its age on a clock that was set.
pub(super) struct Restamp(pub(super) Step);

impl FactVisitor for Restamp {
    fn fact<T: Fact>(&mut self, _: FactPath, fact: &mut Observed<T>) {
        if let Observed::Seen { at, .. } = fact {
            *at = self.0.applied_to(*at);
        }
    }
}
