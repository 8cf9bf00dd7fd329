//! Whether shared facts are what EC2 says, asked by a reader itself: once before the publisher asked, and where it was told otherwise,
//! once after. What EC2 says alike both times, and the publisher otherwise, is in dispute.

use super::facts_table::{Digest, Head, contents};
use crate::model::{AccountId, Fact, FactPath, FactVisitor, Gap, Observed, SubnetId, VpcFacts};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What EC2 told a reader, fact by fact, as far as its own subnets need it. Lists are sorted: EC2 gives them in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ec2Answer(BTreeMap<FactPath, String>);

impl Ec2Answer {
    /// Of all that EC2 says of a VPC, what is comparable with facts that the publisher of `head` shares.
    ///
    /// # Errors
    /// It is not about this VPC.
    pub fn new(
        facts: &VpcFacts,
        head: &Head,
        subnets: &BTreeSet<SubnetId>,
        own: &BTreeSet<AccountId>,
    ) -> Result<Self, Gap> {
        let mut chunks = BTreeMap::<Digest, Vec<u8>>::new();
        let contents = contents(facts, |bytes| {
            let name = chunks.len().to_string();
            chunks.insert(name.clone(), bytes);
            Ok(name)
        });
        let chunk = |name: &Digest| chunks.get(name).map(Vec::as_slice).ok_or_else(Gap::not_yet);
        // As if it had been published and read: that leaves what other subnets need out of both.
        let read = Head { contents, ..head.clone() }.facts(subnets, own, (head.observed_at, Default::default()), chunk);
        Ok(Self::of(read?))
    }

    fn of(mut facts: VpcFacts) -> Self {
        let mut all = Self::default();
        facts.visit_facts(&mut all);
        all
    }

    /// What both answers say alike.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let is_in_other = |(at, text): &(&FactPath, &String)| other.0.get(*at) == Some(*text);
        Self(self.0.iter().filter(is_in_other).map(|(at, text)| (at.clone(), text.clone())).collect())
    }

    /// What is shared, beside this.
    pub fn compare(&self, shared: &VpcFacts) -> Comparison {
        let shared = Self::of(shared.clone());
        let mut comparison = Comparison::default();
        for (at, text) in &self.0 {
            let found = match shared.0.get(at) {
                Some(other) if other == text => &mut comparison.agreed,
                Some(_) => &mut comparison.contradicted,
                None => &mut comparison.missing,
            };
            found.insert(at.clone());
        }
        comparison
    }
}

/// Which facts are shared as EC2 says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// As EC2 says.
    pub agreed: BTreeSet<FactPath>,
    /// Otherwise.
    pub contradicted: BTreeSet<FactPath>,
    /// Not at all: nothing is known of these.
    pub missing: BTreeSet<FactPath>,
}

/// Leaves `disputed` out of shared facts: they are known no more.
pub fn leave_out(disputed: &BTreeSet<FactPath>, publisher: &str, shared: &mut VpcFacts) {
    shared.visit_facts(&mut LeaveOut { disputed, publisher });
}

impl FactVisitor for Ec2Answer {
    fn fact<T: Fact>(&mut self, at: FactPath, fact: &mut Observed<T>) {
        if let Some(value) = fact.seen() {
            let text = sorted(&at, value);
            self.0.insert(at, text);
        }
    }
}

struct LeaveOut<'a> {
    disputed: &'a BTreeSet<FactPath>,
    publisher: &'a str,
}

impl FactVisitor for LeaveOut<'_> {
    fn fact<T: Fact>(&mut self, at: FactPath, fact: &mut Observed<T>) {
        if self.disputed.contains(&at) && fact.seen().is_some() {
            let one = format!("{} shared it one way", self.publisher);
            let other = "EC2 described it otherwise to this instance, before and after".to_owned();
            *fact = Observed::Unseen(Gap::Conflicting { one, other });
        }
    }
}

/// The value as JSON, its lists sorted.
fn sorted(at: &FactPath, value: &impl Fact) -> String {
    fn sort(value: &mut Value) {
        match value {
            Value::Array(all) => {
                all.iter_mut().for_each(sort);
                all.sort_by_cached_key(Value::to_string);
            }
            Value::Object(all) => all.values_mut().for_each(sort),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    // What is no JSON is compared as it is.
    let Ok(mut json) = serde_json::to_value(value) else { return format!("{value:?}") };
    // Its name is not known to all who may read its entries.
    if let (FactPath::PrefixList(_), Some(list)) = (at, json.as_object_mut()) {
        list.remove("name");
    }
    sort(&mut json);
    json.to_string()
}
