//! Which route table serves a subnet.

use super::lookup::covers;
use crate::model::{
    AssociatedWith, AssociationKind, AssociationState, Destination, Gap, Interface, Inventory, Missing, Route,
    RouteTable, RouteTableId, SubnetId, VpcEndpoint, VpcFacts, VpcId,
};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};

/// The route tables by what they serve: one subnet, or all of a VPC that have no table of their own.
pub(super) struct Associations<'f> {
    of_subnets: BTreeMap<&'f SubnetId, Vec<Associated<'f>>>,
    /// The subnets that the tables were read for, where that is not all of them.
    only: Option<&'f BTreeSet<SubnetId>>,
    main: BTreeMap<&'f VpcId, Vec<Associated<'f>>>,
    /// Whether an association has a state: what wrote that one would have written every other's.
    have_states: bool,
    /// Tables that are listed more than once, with different contents: which one is newer is not known.
    twice: BTreeSet<&'f RouteTableId>,
    /// A table of a VPC that an endpoint names and the listing has not: a subnet's own table may be missing.
    unlisted: BTreeMap<&'f VpcId, (&'f RouteTableId, &'f VpcEndpoint)>,
}

type Associated<'f> = (&'f RouteTable, &'f AssociationState);

impl<'f> Associations<'f> {
    /// Those of every table. An edge table, which is associated with a gateway, serves no subnet.
    ///
    /// # Errors
    /// Why the tables are not known.
    pub(super) fn of(facts: &'f VpcFacts) -> Result<Self, &'f Gap> {
        let mut all = Self {
            of_subnets: BTreeMap::new(),
            only: facts.shared.as_ref().filter(|shared| !shared.own).map(|shared| &shared.subnets),
            main: BTreeMap::new(),
            have_states: false,
            twice: BTreeSet::new(),
            unlisted: BTreeMap::new(),
        };
        let mut first: BTreeMap<&RouteTableId, &RouteTable> = BTreeMap::new();
        for table in facts.route_tables.get()? {
            if *first.entry(&table.id).or_insert(table) != table {
                all.twice.insert(&table.id);
            }
            for association in &table.associations {
                let associated = (table, &association.state);
                all.have_states |= association.state != AssociationState::Absent;
                match &association.with {
                    AssociatedWith::Main => all.main.entry(&table.vpc).or_default().push(associated),
                    AssociatedWith::Subnet(subnet) => all.of_subnets.entry(subnet).or_default().push(associated),
                    AssociatedWith::Gateway(_) | AssociatedWith::PublicIpv4Pool(_) => {}
                }
            }
        }
        // Of shared facts a reader has the tables that its own subnets may need.
        let endpoints = facts.vpc_endpoints.seen().into_iter().flatten().filter(|_| all.only.is_none());
        for endpoint in endpoints {
            if let Some(table) = endpoint.unlisted_table(|table| first.contains_key(table)) {
                all.unlisted.insert(&endpoint.vpc, (table, endpoint));
            }
        }
        Ok(all)
    }

    /// The subnet's explicitly associated table, else its VPC's main table.
    /// <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html>
    ///
    /// # Errors
    /// The fact that is missing: an association is changing, listings contradict each other, or there is no main table.
    pub(super) fn table_of(
        &self,
        vpc: &VpcId,
        subnet: &SubnetId,
    ) -> Result<(&'f RouteTable, AssociationKind), Missing> {
        let what = format!("the route table of {subnet}");
        if self.only.is_some_and(|only| !only.contains(subnet)) {
            let because = "the shared facts were read for other subnets".to_owned();
            return Err(Missing { what, why: Gap::NotTried { because } });
        }
        if let Some(table) = self.only_one(self.of_subnets.get(subnet), vpc, what.clone())? {
            return Ok((table, AssociationKind::Explicit));
        }
        if let Some((table, endpoint)) = self.unlisted.get(vpc) {
            let one = format!("{} names {table} among its route tables", endpoint.id);
            return Err(conflict(what, one, "it is not among the route tables that are listed".to_owned()));
        }
        let what = format!("the main route table of {vpc}");
        match self.only_one(self.main.get(vpc), vpc, what.clone())? {
            Some(table) => Ok((table, AssociationKind::Main)),
            None => Err(Missing::new(what, &Gap::NotFound { detail: "no table of the VPC is its main one".into() })),
        }
    }

    /// The one table among these associations, if there is any.
    fn only_one(
        &self,
        associations: Option<&Vec<Associated<'f>>>,
        vpc: &VpcId,
        what: String,
    ) -> Result<Option<&'f RouteTable>, Missing> {
        let mut found: Option<&RouteTable> = None;
        for &(table, state) in associations.into_iter().flatten() {
            match state {
                AssociationState::Absent if self.have_states => {
                    let detail = format!("an association with {} has no state, and others have one", table.id);
                    return Err(Missing { what, why: Gap::Truncated { detail } });
                }
                AssociationState::Associated | AssociationState::Absent => {}
                AssociationState::Gone => continue,
                AssociationState::Changing => {
                    let what_changes = format!("the association with {}", table.id);
                    return Err(Missing { what, why: Gap::Changing { what: what_changes } });
                }
                AssociationState::Failed => {
                    let detail = format!("the association with {} failed, or its end did", table.id);
                    return Err(Missing { what, why: Gap::NotFound { detail } });
                }
                AssociationState::Other(state) => {
                    let field = format!("the state of the association with {}", table.id);
                    return Err(Missing { what, why: Gap::UndocumentedValue { field, value: state.clone() } });
                }
            }
            if let Some(other) = found.replace(table).filter(|other| other.id != table.id) {
                let one = format!("by one association it is {}", other.id);
                return Err(conflict(what, one, format!("by another it is {}", table.id)));
            }
        }
        match found {
            Some(table) if self.twice.contains(&table.id) => {
                Err(conflict(what, format!("{} is listed twice", table.id), "with different contents".to_owned()))
            }
            Some(table) if table.vpc != *vpc => {
                let one = format!("it is associated with {} of {}", table.id, table.vpc);
                Err(conflict(what, one, format!("it is in {vpc}")))
            }
            found => Ok(found),
        }
    }
}

fn conflict(what: String, one: String, other: String) -> Missing {
    Missing { what, why: Gap::Conflicting { one, other } }
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
    Associations::of(facts).map_err(unread)?.table_of(vpc, subnet)
}

/// The same for the subnet of a network interface, and for what one collection of the whole table gave: one without a local route is a
/// part of its routes.
///
/// # Errors
/// The fact that is missing, as of [`table_of`]; or the rest of the table.
pub(super) fn whole_table_of<'f>(
    facts: &'f VpcFacts,
    interface: &Interface,
) -> Result<(&'f RouteTable, AssociationKind), Missing> {
    let (table, association) = table_of(facts, &interface.vpc, &interface.subnet)?;
    if !table.has_local_route() {
        let detail = "it has no local route, which every table has: its routes are a selection".to_owned();
        return Err(Missing { what: format!("all routes of {}", table.id), why: Gap::Truncated { detail } });
    }
    let ranges = interface.subnet_cidrs.seen().map_or(&[][..], Vec::as_slice);
    lacking_local_route(table, interface.subnet.as_str(), ranges).map_or(Ok((table, association)), Err)
}

/// The local route for a range of the VPC's own, which every table has: where a table has none, the range is newer than what was read of
/// the table. <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html>
pub(super) fn lacking_local_route(table: &RouteTable, of: &str, ranges: &[IpNet]) -> Option<Missing> {
    let is_its = |route: &Route, range: &IpNet| {
        route.is_local() && matches!(&route.destination, Destination::Cidr(cidr) if covers(cidr, range))
    };
    let range = ranges.iter().find(|range| !table.routes.iter().any(|route| is_its(route, range)))?;
    Some(no_local_route(table, of, range))
}

/// A table without a local route for a range that a VPC or a subnet has.
pub(super) fn no_local_route(table: &RouteTable, of: &str, range: &IpNet) -> Missing {
    let one = format!("{of} of {} has {range}", table.vpc);
    let why = Gap::Conflicting { one, other: format!("{} has no local route for it", table.id) };
    Missing { what: format!("all routes of {}", table.id), why }
}

/// What is known of a subnet's table in an inventory that may be a part of an answer: an explicit association decides, whichever
/// other tables of the VPC are missing. The table itself must be whole.
///
/// # Errors
/// The fact that is missing.
pub(super) fn despite_gaps<'f>(
    inventory: &Inventory,
    vpc: &VpcId,
    found: Result<(&'f RouteTable, AssociationKind), Missing>,
) -> Result<(&'f RouteTable, AssociationKind), Missing> {
    let found = match (inventory.partial.get(vpc), &found) {
        (Some(gap), Ok((_, AssociationKind::Main)) | Err(_)) => {
            return Err(Missing::new(format!("the route tables of {vpc}"), gap));
        }
        (Some(_), Ok((_, AssociationKind::Explicit))) | (None, _) => found,
    };
    let (table, association) = found?;
    match inventory.selected_routes.get(&table.id) {
        Some(gap) => Err(Missing::new(format!("all routes of {}", table.id), gap)),
        None => Ok((table, association)),
    }
}
