//! Which route table serves a subnet.

use crate::model::{
    AssociatedWith, AssociationKind, AssociationState, Gap, Missing, RouteTable, SubnetId, VpcFacts, VpcId,
};
use std::collections::BTreeMap;

/// The route tables by what they serve: a VPC, and one of its subnets or all that have no table of their own.
pub(super) struct Associations<'f>(BTreeMap<(&'f VpcId, Option<&'f SubnetId>), Vec<Associated<'f>>>);

type Associated<'f> = (&'f RouteTable, &'f AssociationState);

impl<'f> Associations<'f> {
    /// Those that are `wanted`, of every table. An edge table, which is associated with a gateway, serves no subnet.
    ///
    /// # Errors
    /// Why the tables are not known.
    pub(super) fn of(facts: &'f VpcFacts, wanted: impl Fn(&VpcId, Option<&SubnetId>) -> bool) -> Result<Self, &'f Gap> {
        let mut all: BTreeMap<_, Vec<Associated<'f>>> = BTreeMap::new();
        for table in facts.route_tables.get()? {
            for association in &table.associations {
                let subnet = match &association.with {
                    AssociatedWith::Main => None,
                    AssociatedWith::Subnet(subnet) => Some(subnet),
                    AssociatedWith::Gateway(_) => continue,
                };
                if wanted(&table.vpc, subnet) {
                    all.entry((&table.vpc, subnet)).or_default().push((table, &association.state));
                }
            }
        }
        Ok(Self(all))
    }

    /// The subnet's explicitly associated table, else its VPC's main table.
    /// <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html>
    ///
    /// # Errors
    /// The fact that is missing: an association is changing, or there is no main table.
    pub(super) fn table_of(
        &self,
        vpc: &VpcId,
        subnet: &SubnetId,
    ) -> Result<(&'f RouteTable, AssociationKind), Missing> {
        if let Some(table) = only_one(self.0.get(&(vpc, Some(subnet))), format!("the route table of {subnet}"))? {
            return Ok((table, AssociationKind::Explicit));
        }
        let what = format!("the main route table of {vpc}");
        match only_one(self.0.get(&(vpc, None)), what.clone())? {
            Some(table) => Ok((table, AssociationKind::Main)),
            None => Err(Missing::new(what, &Gap::NotFound { detail: "no table of the VPC is its main one".into() })),
        }
    }
}

/// The table that serves one subnet.
///
/// # Errors
/// The fact that is missing: the tables were not read, an association is changing, or there is no main table.
pub(super) fn table_of<'f>(
    facts: &'f VpcFacts,
    vpc: &VpcId,
    subnet: &SubnetId,
) -> Result<(&'f RouteTable, AssociationKind), Missing> {
    let unread = |gap| Missing::new(format!("the route tables of {vpc}"), gap);
    let ours = |of: &VpcId, serves: Option<&SubnetId>| of == vpc && serves.is_none_or(|serves| serves == subnet);
    Associations::of(facts, ours).map_err(unread)?.table_of(vpc, subnet)
}

/// What is known of a subnet's table in a VPC of which not all are: an explicit association decides, whichever other tables
/// are missing.
///
/// # Errors
/// The fact that is missing.
pub(super) fn despite_gaps<T>(
    partial: &BTreeMap<VpcId, Gap>,
    vpc: &VpcId,
    found: Result<(T, AssociationKind), Missing>,
) -> Result<(T, AssociationKind), Missing> {
    match (partial.get(vpc), &found) {
        (Some(gap), Ok((_, AssociationKind::Main)) | Err(_)) => {
            Err(Missing::new(format!("the route tables of {vpc}"), gap))
        }
        (Some(_), Ok((_, AssociationKind::Explicit))) | (None, _) => found,
    }
}

/// The one table among these associations, if there is any.
fn only_one<'f>(associations: Option<&Vec<Associated<'f>>>, what: String) -> Result<Option<&'f RouteTable>, Missing> {
    let mut found: Option<&RouteTable> = None;
    for &(table, state) in associations.into_iter().flatten() {
        match state {
            AssociationState::Associated => {}
            AssociationState::Gone => continue,
            AssociationState::Changing => {
                return Err(Missing {
                    what,
                    why: Gap::Changing { what: format!("the association with {}", table.id) },
                });
            }
            AssociationState::Other(state) => {
                let field = format!("the state of the association with {}", table.id);
                return Err(Missing { what, why: Gap::UndocumentedValue { field, value: state.clone() } });
            }
        }
        match found {
            Some(other) if other != table => {
                let (one, other) = if other.id == table.id {
                    (format!("{} is listed twice", table.id), "with different contents".to_owned())
                } else {
                    (format!("by one association it is {}", other.id), format!("by another it is {}", table.id))
                };
                return Err(Missing { what, why: Gap::Conflicting { one, other } });
            }
            Some(_) | None => found = Some(table),
        }
    }
    Ok(found)
}
