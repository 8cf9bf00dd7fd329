//! Route tables, endpoints, prefix lists.

use super::{
    words::{AssociationText, Fact, InterfaceText, RouteChange, StateText, TypeText, id, observed},
    world::{Entries, value_of},
};
use ipnet::IpNet;
use onnet_core::model::{
    AddressType, Association, Destination, EndpointInterface, EndpointState, Observed, PrefixList, PrefixListId, Route,
    RouteTable, VpcEndpoint, VpcFacts,
};
use serde::Deserialize;

const VPC: &str = "vpc-0a";
const MAIN_TABLE: &str = "rtb-main";
const DYNAMODB: &str = "com.amazonaws.us-east-1.dynamodb";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableChange {
    id: String,
    vpc: Option<String>,
    owner: Option<String>,
    #[serde(default)]
    firewalled: Vec<String>,
    associations: Option<Vec<AssociationText>>,
    #[serde(default)]
    routes: Vec<RouteChange>,
}

impl TableChange {
    fn of(self, base: Option<&RouteTable>) -> Result<RouteTable, String> {
        id::<String>("rtb-", self.id.clone())?;
        let mut table = base.cloned().unwrap_or_else(|| RouteTable {
            firewalled: Vec::new(),
            id: self.id.as_str().into(),
            vpc: VPC.into(),
            owner: None,
            associations: Vec::new(),
            routes: Vec::new().into(),
        });
        if let Some(vpc) = self.vpc {
            table.vpc = id("vpc-", vpc)?;
        }
        table.firewalled = self.firewalled.into_iter().map(|igw| id("igw-", igw)).collect::<Result<_, _>>()?;
        table.owner = self.owner.map(Into::into).or(table.owner);
        if let Some(associations) = self.associations {
            table.associations = associations.into_iter().map(|text| text.0).collect::<Vec<Association>>();
        }
        change_routes(&mut table.routes, self.routes).map_err(|error| format!("{}: {error}", table.id))?;
        Ok(table)
    }
}

/// A route replaces the one of the base world that has the same destination, once; every other is added at the end.
fn change_routes(routes: &mut Vec<Route>, changes: Vec<RouteChange>) -> Result<(), String> {
    let mut replaceable: Vec<Destination> = routes.iter().map(|route| route.destination.clone()).collect();
    for change in changes {
        let destination = match &change {
            RouteChange::Set(route) => &route.destination,
            RouteChange::Remove(destination) => destination,
        };
        let old = routes.iter().position(|old| old.destination == *destination);
        let old = old.filter(|_| replaceable.contains(destination));
        replaceable.retain(|other| other != destination);
        match (change, old) {
            (RouteChange::Set(route), Some(old)) if routes[old] == route => {
                return Err(format!("{}: the base world has this route", route.destination));
            }
            (RouteChange::Set(route), Some(old)) => routes[old] = route,
            (RouteChange::Set(route), None) => routes.push(route),
            (RouteChange::Remove(_), Some(old)) => drop(routes.remove(old)),
            (RouteChange::Remove(gone), None) => return Err(format!("{gone}: there is no such route to remove")),
        }
    }
    Ok(())
}

pub(super) fn routes(vpc: &mut VpcFacts, changes: Vec<RouteChange>) -> Result<(), String> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut tables = value_of(&mut vpc.route_tables).iter_mut();
    let main = tables.find(|table| table.id.as_str() == MAIN_TABLE).ok_or("no table rtb-main")?;
    change_routes(&mut main.routes, changes)
}

pub(super) fn tables(vpc: &mut VpcFacts, changes: Fact<Vec<TableChange>>) -> Result<(), String> {
    let base = vpc.route_tables.seen().cloned().unwrap_or_default();
    let of = |change: TableChange| {
        let base = base.iter().find(|table| table.id.as_str() == change.id);
        change.of(base)
    };
    vpc.route_tables = changes.observed(|changes| changes.into_iter().map(of).collect())?;
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndpointChange {
    id: String,
    #[serde(rename = "type")]
    kind: Option<TypeText>,
    vpc: Option<String>,
    service: Option<String>,
    service_region: Option<String>,
    state: Option<StateText>,
    owner: Option<String>,
    address_type: Option<String>,
    failure: Option<String>,
    /// The document, or a text that is none.
    policy: Option<serde_json::Value>,
    route_tables: Option<Vec<String>>,
    interfaces: Option<Vec<InterfaceText>>,
}

impl EndpointChange {
    fn of(self, base: Option<&VpcEndpoint>, interfaces: &mut Vec<EndpointInterface>) -> Result<VpcEndpoint, String> {
        let mut endpoint = match (base, self.kind) {
            (Some(base), None) => base.clone(),
            (Some(base), Some(kind)) => VpcEndpoint { kind: kind.0, ..base.clone() },
            (None, Some(kind)) => VpcEndpoint {
                id: id("vpce-", self.id)?,
                kind: kind.0,
                vpc: VPC.into(),
                owner: None,
                service: Some(DYNAMODB.to_owned()),
                state: EndpointState::Available,
                route_tables: Vec::new(),
                interfaces: Vec::new(),
                service_region: None,
                address_type: None,
                failure: None,
                policy: None,
            },
            (None, None) => return Err(format!("{}: the base world has no such endpoint: it needs a type", self.id)),
        };
        if let Some(vpc) = self.vpc {
            endpoint.vpc = id("vpc-", vpc)?;
        }
        if let Some(service) = self.service {
            endpoint.service = (service != "absent").then_some(service);
        }
        if let Some(owner) = self.owner {
            endpoint.owner = Some(owner.into());
        }
        if let Some(state) = self.state {
            endpoint.state = state.0;
        }
        if let Some(word) = self.address_type {
            endpoint.address_type = Some(AddressType::parse(&word));
        }
        if self.service_region.is_some() {
            endpoint.service_region = self.service_region;
        }
        if self.failure.is_some() {
            endpoint.failure = self.failure;
        }
        if let Some(policy) = self.policy {
            endpoint.policy = Some(policy.as_str().map_or_else(|| policy.to_string(), str::to_owned));
        }
        if let Some(tables) = self.route_tables {
            endpoint.route_tables = tables.into_iter().map(|table| id("rtb-", table)).collect::<Result<_, _>>()?;
        }
        if let Some(own) = self.interfaces {
            endpoint.interfaces = own.iter().map(|own| own.0.id.clone()).collect();
            interfaces.extend(own.into_iter().map(|own| own.0));
        }
        Ok(endpoint)
    }
}

/// The endpoints, and the network interfaces that they name.
pub(super) fn endpoints(vpc: &mut VpcFacts, changes: Fact<Vec<EndpointChange>>) -> Result<(), String> {
    let base = vpc.vpc_endpoints.seen().cloned().unwrap_or_default();
    let mut interfaces = Vec::new();
    let mut of = |change: EndpointChange| {
        let base = base.iter().find(|endpoint| endpoint.id.as_str() == change.id);
        change.of(base, &mut interfaces)
    };
    vpc.vpc_endpoints = changes.observed(|changes| changes.into_iter().map(&mut of).collect())?;
    if vpc.vpc_endpoints.seen().is_some() {
        value_of(&mut vpc.endpoint_interfaces).extend(interfaces);
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListChange {
    name: Option<String>,
    entries: Vec<IpNet>,
}

pub(super) fn prefix_lists(vpc: &mut VpcFacts, changes: Entries<String, Fact<ListChange>>) -> Result<(), String> {
    for (list, change) in changes {
        let id: PrefixListId = id("pl-", list)?;
        let Some(change) = change else {
            vpc.prefix_lists.remove(&id).ok_or_else(|| format!("{id}: the base world has no such list"))?;
            continue;
        };
        let list = match change {
            Fact::Is(ListChange { name, entries }) => {
                observed(PrefixList { id: id.clone(), name, entries: entries.into() })
            }
            Fact::Gap(gap) => Observed::Unseen(gap),
        };
        vpc.prefix_lists.insert(id, list);
    }
    Ok(())
}
