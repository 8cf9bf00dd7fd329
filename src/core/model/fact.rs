//! One visitor over all facts of a snapshot: what is kept, dated again, expired, counted or hidden goes through it.
//!
//! [`Snapshot::visit_facts`](super::Snapshot::visit_facts) calls it for each.

use super::{FactPath, Observed};
use serde::Serialize;
use std::fmt;

/// What a fact may be.
pub trait Fact: Clone + fmt::Debug + PartialEq + Serialize + 'static {}

impl<T: Clone + fmt::Debug + PartialEq + Serialize + 'static> Fact for T {}

/// What is done with each fact.
pub trait FactVisitor {
    /// Called once for each fact; what it makes of the fact is what is visited within it.
    fn fact<T: Fact>(&mut self, at: FactPath, fact: &mut Observed<T>);
}
