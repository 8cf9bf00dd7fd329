//! Route tables, their associations and routes.

use super::{
    super::super::{
        convert::{self, ConvertError, RawAssociation, RawRoute},
        json::Text,
    },
    Checked, Row, StateJson, all_equal, checked, exact,
    exact::spelled_otherwise,
    given, items, null_as_false, null_as_no_items, same_items, same_or_absent, unpadded, unwrapped,
};
use crate::model::{AssociatedWith, Association, AssociationState, Route, RouteTable};
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::Value;
use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

/// A route table without the routes that can matter to no question that is asked.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct ListedTable {
    pub(in super::super) table: RouteTable,
    /// What of its associations is not known.
    pub(in super::super) unclear: Option<Unclear>,
    /// Whether it has a local route. Every table has: without one, the routes are a selection.
    pub(in super::super) has_local: bool,
    left_out: LeftOut,
}

/// What was left out of a table, so that two files that differ about it are still noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LeftOut {
    routes: u64,
    /// The sum of their hashes: in any order.
    hashes: u64,
}

impl ListedTable {
    /// Of `table`, the routes that `matters` accepts: copies, so that all memory of the others is free for the next file.
    pub(in super::super) fn new(read: ReadTable, matters: impl Fn(&Route) -> bool) -> Self {
        let ReadTable { mut table, unclear } = read;
        let has_local = table.has_local_route();
        let mut left_out = LeftOut::default();
        // One for IPv6 shows that the VPC may have addresses of it, whatever it is for: the same one in each listing of the table.
        let sign = table.routes.iter().filter_map(Route::ipv6).min();
        let is_sign = |route: &Route| sign.is_some() && route.ipv6() == sign;
        let (kept, others): (Vec<&Route>, Vec<&Route>) =
            table.routes.iter().partition(|route| matters(route) || is_sign(route));
        for route in &others {
            left_out.routes += 1;
            left_out.hashes = left_out.hashes.wrapping_add(hash(route));
        }
        if !others.is_empty() {
            table.routes = kept.into_iter().cloned().collect();
        }
        Self { table, unclear, has_local, left_out }
    }
}

fn hash(route: &Route) -> u64 {
    let mut hasher = DefaultHasher::new();
    route.hash(&mut hasher);
    hasher.finish()
}

impl Row for ListedTable {
    fn id(&self) -> &str {
        self.table.id.as_str()
    }

    fn scope(&self) -> Option<&str> {
        Some(self.table.vpc.as_str())
    }

    fn is_main(&self) -> bool {
        self.table.associations.iter().any(|association| association.with == AssociatedWith::Main)
    }

    fn merge(&mut self, other: &Self) -> Result<(), &'static str> {
        let (one, two) = (&mut self.table, &other.table);
        match (self.unclear, other.unclear) {
            (Some(Unclear::Absent), None | Some(Unclear::Nameless)) => {
                one.associations.clone_from(&two.associations);
                self.unclear = other.unclear;
            }
            (None | Some(Unclear::Nameless), None) => {}
            (_, Some(Unclear::Nameless)) => self.unclear = other.unclear,
            (_, Some(Unclear::Absent)) => {}
        }
        let associations =
            other.unclear == Some(Unclear::Absent) || same_associations(&mut one.associations, &two.associations);
        all_equal([
            ("VpcId", one.vpc == two.vpc),
            ("OwnerId", same_or_absent(&mut one.owner, &two.owner)),
            ("Associations", associations),
            ("Routes", self.left_out == other.left_out && same_items(&one.routes, &two.routes)),
        ])
    }
}

/// Whether two lists have the same associations, in any order, where an answer that leaves states out says nothing of them. The first
/// takes them from the other.
fn same_associations(one: &mut [Association], other: &[Association]) -> bool {
    let mut others: Vec<&Association> = other.iter().collect();
    let mut take = |is_it: &dyn Fn(&Association) -> bool| {
        let found = others.iter().position(|other| is_it(other))?;
        Some(others.swap_remove(found))
    };
    let (_, differing): (Vec<_>, Vec<_>) =
        one.iter_mut().partition(|association| take(&|other| *other == **association).is_some());
    let agree = differing.into_iter().all(|association| {
        let is_it = |other: &Association| {
            let without_state = [&association.state, &other.state].contains(&&AssociationState::Absent);
            without_state && other.with == association.with
        };
        let Some(other) = take(&is_it) else { return false };
        if association.state == AssociationState::Absent {
            association.state = other.state.clone();
        }
        true
    });
    agree && others.is_empty()
}

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "PascalCase", expecting = "a route table (an object)")]
struct RouteTableJson<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    route_table_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    vpc_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    owner_id: Option<Text<'a>>,
    /// `None` without the key; `null` is an empty list.
    #[serde(borrow, default, deserialize_with = "null_as_no_items")]
    associations: Option<Vec<AssociationJson<'a>>>,
    /// Every table has at least the local route: without the key this is no whole answer.
    #[serde(default, deserialize_with = "items")]
    routes: Option<Vec<Checked<Route>>>,
}
exact!(RouteTableJson borrows);

/// A route table, and what of its associations is not known.
pub(in super::super) struct ReadTable {
    table: RouteTable,
    unclear: Option<Unclear>,
}

/// Why the associations of a table may not be all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Unclear {
    /// There is no such key.
    Absent,
    /// One names nothing that the table serves.
    Nameless,
}

checked!(ReadTable, RouteTableJson<'_>, |json| {
    let id = convert::required("RouteTableId", json.route_table_id.as_deref())?;
    let mut unclear = json.associations.is_none().then_some(Unclear::Absent);
    let mut associations = Vec::new();
    for association in json.associations.iter().flatten() {
        match association.convert(id) {
            Ok(association) => associations.push(association),
            Err(ConvertError::NamesNothing) => unclear = Some(Unclear::Nameless),
            Err(error) => return Err(error),
        }
    }
    let table = RouteTable {
        id: id.into(),
        vpc: convert::required("VpcId", json.vpc_id.as_deref())?.into(),
        owner: json.owner_id.as_deref().map(Into::into),
        associations,
        routes: unwrapped(json.routes.ok_or(ConvertError::Missing { field: "Routes" })?).into(),
        // Matters only to a network interface, and files are judged by subnet.
        firewalled: Vec::new(),
    };
    Ok(ReadTable { table, unclear })
});

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "PascalCase", expecting = "an association (an object)")]
struct AssociationJson<'a> {
    #[serde(default, deserialize_with = "null_as_false")]
    main: bool,
    #[serde(borrow, default, deserialize_with = "given")]
    route_table_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    subnet_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    gateway_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    public_ipv4_pool: Option<Text<'a>>,
    #[serde(borrow)]
    association_state: Option<StateJson<'a>>,
}
exact!(AssociationJson borrows);

impl AssociationJson<'_> {
    fn convert(&self, table: &str) -> Result<Association, ConvertError> {
        RawAssociation {
            main: self.main,
            route_table_id: self.route_table_id.as_deref(),
            subnet_id: self.subnet_id.as_deref(),
            gateway_id: self.gateway_id.as_deref(),
            public_ipv4_pool: self.public_ipv4_pool.as_deref(),
            state: self.association_state.as_ref().map(StateJson::word),
        }
        .convert(table)
    }
}

/// A route, read key by key: a target under a key that is not known must not go unnoticed beside one that is.
macro_rules! route_json {
    ($($key:literal => $field:ident,)*) => {
        #[derive(Default)]
        struct RouteJson<'a> {
            $($field: Option<Text<'a>>,)*
            /// What may be another target, with its key.
            another: Option<(String, String)>,
        }

        impl RouteJson<'_> {
            /// The keys that are known.
            const KEYS: [&'static str; [$($key),*].len()] = [$($key),*];

            /// Reads the value of `key`; `false` where the key is not known.
            fn read<'de: 'a, 'a, A: MapAccess<'de>>(
                route: &mut RouteJson<'a>,
                key: &str,
                object: &mut A,
            ) -> Result<bool, A::Error> {
                match key {
                    $($key => read_text(&mut route.$field, $key, object)?,)*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }

        checked!(Route, RouteJson<'_>, |json| {
            let another = json.another.as_ref().map(|(key, value)| (key.as_str(), value.as_str()));
            RawRoute { $($field: json.$field.as_deref(),)* another }.convert()
        });
    };
}
route_json! {
    "DestinationCidrBlock" => destination_cidr_block,
    "DestinationIpv6CidrBlock" => destination_ipv6_cidr_block,
    "DestinationPrefixListId" => destination_prefix_list_id,
    "VpcEndpointId" => vpc_endpoint_id,
    "GatewayId" => gateway_id,
    "NatGatewayId" => nat_gateway_id,
    "EgressOnlyInternetGatewayId" => egress_only_internet_gateway_id,
    "TransitGatewayId" => transit_gateway_id,
    "InstanceId" => instance_id,
    "NetworkInterfaceId" => network_interface_id,
    "VpcPeeringConnectionId" => vpc_peering_connection_id,
    "LocalGatewayId" => local_gateway_id,
    "CarrierGatewayId" => carrier_gateway_id,
    "CoreNetworkArn" => core_network_arn,
    "OdbNetworkArn" => odb_network_arn,
    "IpAddress" => ip_address,
    "Origin" => origin,
    "State" => state,
}

/// Reads a text that must not come twice; `null` and an empty one are none.
fn read_text<'de, 'a, A: MapAccess<'de>>(
    field: &mut Option<Text<'a>>,
    key: &'static str,
    object: &mut A,
) -> Result<(), A::Error>
where
    'de: 'a,
{
    if field.is_some() {
        return Err(A::Error::duplicate_field(key));
    }
    let text = object.next_value::<Option<Text<'a>>>()?.filter(|text| !text.is_empty());
    *field = text.map(unpadded).transpose()?;
    Ok(())
}

impl<'de: 'a, 'a> Deserialize<'de> for RouteJson<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(RouteVisitor)
    }
}

struct RouteVisitor;

impl<'de> Visitor<'de> for RouteVisitor {
    type Value = RouteJson<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a route (an object)")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<RouteJson<'de>, A::Error> {
        /// Of other things that a route may name.
        const NO_TARGETS: [&str; 4] = ["InstanceOwnerId", "RouteTableId", "VpcId", "OwnerId"];
        let mut route = RouteJson::default();
        while let Some(Text(key)) = object.next_key()? {
            if RouteJson::read(&mut route, &key, &mut object)? {
                continue;
            }
            spelled_otherwise(&key, &RouteJson::KEYS)?;
            let may_be_target = (key.ends_with("Id") || key.ends_with("Arn")) && !NO_TARGETS.contains(&key.as_ref());
            if !may_be_target {
                object.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = match object.next_value::<Option<Value>>()? {
                Some(Value::String(text)) => text,
                Some(value) => value.to_string(),
                None => String::new(),
            };
            if !value.is_empty() {
                route.another = Some((key.into_owned(), value));
            }
        }
        Ok(route)
    }
}
