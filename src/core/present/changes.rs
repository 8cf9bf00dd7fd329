//! Changes of the outcome, a line for each.

use super::{page::sanitized, words};
use crate::model::OutcomeChange;

/// The changes of the outcome, the first one first.
pub fn outcome_changes(changes: &[OutcomeChange]) -> String {
    let line = |OutcomeChange { at, from, to, summary }: &OutcomeChange| {
        let from = from.map_or(String::new(), |from| format!("{} → ", words::outcome(from)));
        format!("{at}  {from}{}: {}\n", words::outcome(*to), sanitized(summary))
    };
    changes.iter().map(line).collect()
}
