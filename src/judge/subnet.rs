//! Which route table serves a subnet.

use crate::model::{
    AssociatedWith, AssociationKind, AssociationState, Gap, Missing, RouteTable, SubnetId, VpcFacts, VpcId,
};

/// The subnet's explicitly associated table, else its VPC's main table. An edge table, which is associated with a
/// gateway, serves no subnet. <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html>
///
/// # Errors
/// The fact that is missing: the tables were not read, an association is changing, or there is no main table.
pub(super) fn table_of<'f>(
    facts: &'f VpcFacts,
    vpc: &VpcId,
    subnet: &SubnetId,
) -> Result<(&'f RouteTable, AssociationKind), Missing> {
    let tables = facts.route_tables.get().map_err(|gap| Missing::new(format!("the route tables of {vpc}"), gap))?;
    let of_vpc = || tables.iter().filter(|table| table.vpc == *vpc);

    let own = AssociatedWith::Subnet(subnet.clone());
    if let Some(table) = only_one(of_vpc(), &own, &format!("the route table of {subnet}"))? {
        return Ok((table, AssociationKind::Explicit));
    }
    let what = format!("the main route table of {vpc}");
    match only_one(of_vpc(), &AssociatedWith::Main, &what)? {
        Some(table) => Ok((table, AssociationKind::Main)),
        None => Err(Missing::new(what, &Gap::NotFound { detail: "no table of the VPC is its main one".into() })),
    }
}

/// The one table associated with `with`, if any is.
fn only_one<'f>(
    tables: impl Iterator<Item = &'f RouteTable>,
    with: &AssociatedWith,
    what: &str,
) -> Result<Option<&'f RouteTable>, Missing> {
    let mut found: Option<&RouteTable> = None;
    for table in tables {
        for association in table.associations.iter().filter(|a| a.with == *with) {
            match &association.state {
                AssociationState::Associated => {}
                AssociationState::Gone => continue,
                AssociationState::Changing | AssociationState::Other(_) => {
                    let detail = format!("the association with {} is changing", table.id);
                    return Err(Missing::new(what, &Gap::NotFound { detail }));
                }
            }
            match found {
                Some(other) if other != table => {
                    let detail = format!("both {} and {} say they are", other.id, table.id);
                    return Err(Missing::new(what, &Gap::Malformed { detail }));
                }
                Some(_) | None => found = Some(table),
            }
        }
    }
    Ok(found)
}
