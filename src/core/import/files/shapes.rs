//! The AWS CLI's JSON, as far as we use it. Everything is checked while it is read, so that an error has a place.

use super::super::{
    convert::{self, ConvertError, RawAssociation, RawEndpoint, RawRoute},
    json::Text,
};
use crate::model::{
    AccountId, Association, EndpointInterface, EndpointState, EndpointType, Gap, ListFamily, PrefixListId, Route,
    RouteTable, Subnet, VpcEndpoint, partition_of, region_of_zone, regions,
};
use ipnet::IpNet;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::Value;
use std::{
    borrow::Cow,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    net::IpAddr,
};

/// A list, or `null`: what Go, jq and .NET write for an empty one, and for an item that is none.
fn null_as_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    let items: Option<Vec<Option<T>>> = Option::deserialize(from)?;
    Ok(items.into_iter().flatten().flatten().collect())
}

/// A list, where there is one.
pub(super) fn items<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Vec<T>>, D::Error> {
    let items: Option<Vec<Option<T>>> = Option::deserialize(from)?;
    Ok(items.map(|items| items.into_iter().flatten().collect()))
}

/// A list, where there is the key.
fn null_as_no_items<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Vec<T>>, D::Error> {
    null_as_empty(from).map(Some)
}

fn null_as_false<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(false))
}

/// A text, unless it is empty: as some tools write what is absent.
fn any_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Text<'de>>, D::Error> {
    Ok(Option::<Text<'de>>::deserialize(from)?.filter(|text| !text.is_empty()))
}

/// The same of an id or a word of the API. EC2 writes none with a space at an end, and one that somebody added matches nothing:
/// the association of `"subnet-0a "` would leave `subnet-0a` to the main route table.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Text<'de>>, D::Error> {
    any_text(from)?.map(unpadded).transpose()
}

fn unpadded<E: Error>(text: Text<'_>) -> Result<Text<'_>, E> {
    if text.trim() == &*text {
        return Ok(text);
    }
    let spaces = format!("{:?}, where EC2 writes {:?}: remove the spaces", &*text, text.trim());
    Err(E::custom(spaces))
}

/// A list of ids.
fn ids<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Text<'de>>>, D::Error> {
    let ids: Option<Vec<Text<'de>>> = null_as_no_items(from)?;
    ids.map(|ids| ids.into_iter().map(unpadded).collect()).transpose()
}

/// What a file says of prefix lists alone.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Lists {
    prefix_lists: Option<Vec<Checked<ListedPrefixList>>>,
    entries: Option<Vec<Checked<IpNet>>>,
}

impl Lists {
    /// Every range of every list.
    pub(super) fn ranges(self) -> impl Iterator<Item = IpNet> {
        let of_lists = self.prefix_lists.into_iter().flatten().filter_map(|Checked(list)| list.cidrs).flatten();
        of_lists.chain(self.entries.into_iter().flatten().map(|Checked(range)| range))
    }
}

/// A row of a listing.
pub(super) trait Row: PartialEq {
    /// Its id.
    fn id(&self) -> &str;

    /// Under what it is known: its id, where that is the only one of its kind.
    fn key(&self) -> String {
        self.id().to_owned()
    }

    /// What a listing may be limited to: the row's VPC, or its Region where it is of none.
    fn scope(&self) -> Option<&str>;

    /// Takes in what another file has of the same thing. Two files that differ cannot both be right.
    ///
    /// # Errors
    /// The field that differs.
    fn merge(&mut self, other: &Self) -> Result<(), &'static str>;
}

/// Whether two lists have the same items: EC2 promises no order.
fn same_items<T: PartialEq>(one: &[T], other: &[T]) -> bool {
    let count = |items: &[T], item: &T| items.iter().filter(|other| *other == item).count();
    one == other || (one.len() == other.len() && one.iter().all(|item| count(one, item) == count(other, item)))
}

/// Whether a field that some answers leave out does not differ. The first takes it from the other.
fn same_or_absent<T: Clone + PartialEq>(one: &mut Option<T>, other: &Option<T>) -> bool {
    let agree = one.as_ref().zip(other.as_ref()).is_none_or(|(one, other)| one == other);
    *one = one.take().or_else(|| other.clone());
    agree
}

/// The same of a field that has a value of its own for what is left out.
fn same_unless<T: Clone + PartialEq>(one: &mut T, other: &T, is_absent: fn(&T) -> bool) -> bool {
    if is_absent(one) {
        one.clone_from(other);
    }
    is_absent(other) || one == other
}

/// The same of a list, in any order, and of whether it is there.
fn same_list<T: Clone + PartialEq>(has_one: &mut bool, one: &mut Vec<T>, has_other: bool, other: &[T]) -> bool {
    if !*has_one && has_other {
        *one = other.to_vec();
    }
    let agree = !(*has_one && has_other) || same_items(one, other);
    *has_one |= has_other;
    agree
}

/// The first field that differs, of fields with whether they are equal.
fn all_equal<const N: usize>(fields: [(&'static str, bool); N]) -> Result<(), &'static str> {
    fields.into_iter().find(|(_, equal)| !equal).map_or(Ok(()), |(field, _)| Err(field))
}

/// A route table without the routes that can matter to no question that is asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListedTable {
    pub(super) table: RouteTable,
    /// What of its associations is not known.
    pub(super) unclear: Option<Unclear>,
    /// Whether it has a local route. Every table has: without one, the routes are a selection.
    pub(super) has_local: bool,
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
    pub(super) fn new(read: ReadTable, matters: impl Fn(&Route) -> bool) -> Self {
        let ReadTable { mut table, unclear } = read;
        let has_local = table.has_local_route();
        let mut left_out = LeftOut::default();
        let (kept, others): (Vec<&Route>, Vec<&Route>) = table.routes.iter().partition(|route| matters(route));
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
        let associations = other.unclear == Some(Unclear::Absent) || same_items(&one.associations, &two.associations);
        all_equal([
            ("VpcId", one.vpc == two.vpc),
            ("OwnerId", same_or_absent(&mut one.owner, &two.owner)),
            ("Associations", associations),
            ("Routes", self.left_out == other.left_out && same_items(&one.routes, &two.routes)),
        ])
    }
}

/// A subnet, and whether its range of IPv4 addresses is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListedSubnet {
    pub(super) subnet: Subnet,
    pub(super) whole: bool,
    /// The Region it is in, by its zone or its ARN.
    pub(super) region: Option<String>,
}

/// The Region of an ARN: `arn:aws:ec2:us-east-1:111122223333:subnet/subnet-0a`.
fn region_of_arn(arn: &str) -> Option<&str> {
    arn.split(':').nth(3).filter(|region| !region.is_empty())
}

/// Compares the partition of an ARN with that of the Region in it, where that is known.
fn same_partition(field: &'static str, arn: Option<&str>) -> Result<(), ConvertError> {
    let partition = arn.and_then(|arn| arn.split(':').nth(1));
    let of_region = arn.and_then(region_of_arn).and_then(partition_of);
    convert::same((field, partition), ("that of the Region in it", of_region))
}

/// The account of an ARN; `aws` for what AWS owns.
fn owner_of_arn(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}

/// Whether it is the id of an account: twelve digits.
fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The id at the end of an ARN.
fn id_of_arn(arn: &str) -> Option<&str> {
    arn.rsplit_once('/').map(|(_, id)| id)
}

impl Row for ListedSubnet {
    fn id(&self) -> &str {
        self.subnet.id.as_str()
    }

    fn scope(&self) -> Option<&str> {
        Some(self.subnet.vpc.as_str())
    }

    fn merge(&mut self, other: &Self) -> Result<(), &'static str> {
        let (one, two) = (&mut self.subnet, &other.subnet);
        if !self.whole && other.whole {
            one.cidrs.clone_from(&two.cidrs);
        }
        let cidrs = !other.whole || same_items(&one.cidrs, &two.cidrs);
        self.whole |= other.whole;
        all_equal([
            ("VpcId", one.vpc == two.vpc),
            ("OwnerId", same_or_absent(&mut one.owner, &two.owner)),
            ("AvailabilityZone", same_or_absent(&mut one.availability_zone, &two.availability_zone)),
            ("AvailabilityZone", same_or_absent(&mut self.region, &other.region)),
            ("CidrBlock and Ipv6CidrBlockAssociationSet", cidrs),
        ])
    }
}

/// An endpoint, and which of its lists the file has.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListedEndpoint {
    pub(super) endpoint: VpcEndpoint,
    has_tables: bool,
    has_interfaces: bool,
}

impl Row for ListedEndpoint {
    fn id(&self) -> &str {
        self.endpoint.id.as_str()
    }

    fn scope(&self) -> Option<&str> {
        Some(self.endpoint.vpc.as_str())
    }

    fn merge(&mut self, other: &Self) -> Result<(), &'static str> {
        let (one, two) = (&mut self.endpoint, &other.endpoint);
        let kind = same_unless(&mut one.kind, &two.kind, |kind| *kind == EndpointType::Absent);
        let state = same_unless(&mut one.state, &two.state, |state| *state == EndpointState::Absent);
        all_equal([
            ("VpcId", one.vpc == two.vpc),
            ("OwnerId", same_or_absent(&mut one.owner, &two.owner)),
            ("VpcEndpointType", kind),
            ("ServiceName", same_or_absent(&mut one.service, &two.service)),
            ("State", state),
            (
                "RouteTableIds",
                same_list(&mut self.has_tables, &mut one.route_tables, other.has_tables, &two.route_tables),
            ),
            (
                "NetworkInterfaceIds",
                same_list(&mut self.has_interfaces, &mut one.interfaces, other.has_interfaces, &two.interfaces),
            ),
            ("ServiceRegion", same_or_absent(&mut one.service_region, &two.service_region)),
            ("IpAddressType", same_or_absent(&mut one.address_type, &two.address_type)),
            ("LastError and FailureReason", same_or_absent(&mut one.failure, &two.failure)),
        ])?;
        // Which of two is newer is not known.
        one.policy = one.policy.take().filter(|policy| two.policy.as_ref().is_none_or(|other| other == policy));
        Ok(())
    }
}

/// A prefix list of either API: `DescribePrefixLists` has the ranges, `DescribeManagedPrefixLists` has not.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListedPrefixList {
    pub(super) id: PrefixListId,
    pub(super) name: Option<String>,
    pub(super) cidrs: Option<Vec<IpNet>>,
    /// `AWS`, or a customer's account; one of the two APIs has it.
    pub(super) owner: Option<String>,
    pub(super) region: Option<String>,
    /// `IPv4` or `IPv6`.
    family: Option<String>,
    /// `create-complete`, `modify-in-progress`, …
    state: Option<String>,
    /// A customer's list has another with each change.
    version: Option<u64>,
}

impl ListedPrefixList {
    /// Whether AWS owns it, as far as that is known.
    pub(super) fn is_of_aws(&self) -> bool {
        self.owner.as_deref().is_none_or(|owner| owner.eq_ignore_ascii_case("AWS"))
    }

    /// Its address family, where it is one that is known.
    pub(super) fn family(&self) -> Option<ListFamily> {
        let is = |word: &str| self.family.as_deref().is_some_and(|family| family.eq_ignore_ascii_case(word));
        is("IPv4").then_some(ListFamily::Ipv4).or_else(|| is("IPv6").then_some(ListFamily::Ipv6))
    }

    /// Why its entries may be others in a moment.
    pub(super) fn changing(&self) -> Option<Gap> {
        let state = self.state.as_deref().filter(|state| state.ends_with("-in-progress"))?;
        Some(Gap::Changing { what: format!("{}, whose state is {state}", self.id) })
    }

    /// Why these cannot be its ranges: a list has those of one family, and it may say which.
    pub(super) fn of_another_family(&self, ranges: &[IpNet]) -> Option<Gap> {
        let id = &self.id;
        let ipv6 = match self.family.as_deref() {
            Some(family) if family.eq_ignore_ascii_case("IPv4") => Some(false),
            Some(family) if family.eq_ignore_ascii_case("IPv6") => Some(true),
            Some(other) => {
                let field = format!("the AddressFamily of {id}");
                return Some(Gap::UndocumentedValue { field, value: other.to_owned() });
            }
            None => None,
        };
        let is_ipv6 = |range: &IpNet| matches!(range, IpNet::V6(_));
        let first = ranges.first()?;
        if let Some(ipv6) = ipv6.filter(|ipv6| is_ipv6(first) != *ipv6) {
            let one = format!("the AddressFamily of {id} is {}", if ipv6 { "IPv6" } else { "IPv4" });
            return Some(Gap::Conflicting { one, other: format!("it has the range {first}") });
        }
        let other = ranges.iter().find(|range| is_ipv6(range) != is_ipv6(first))?;
        let one = format!("{id} has the range {first}");
        Some(Gap::Conflicting { one, other: format!("it has {other}, and a list is of one address family") })
    }
}

impl Row for ListedPrefixList {
    fn id(&self) -> &str {
        self.id.as_str()
    }

    /// AWS gives one id to lists of different services in different Regions.
    fn key(&self) -> String {
        self.region.as_ref().map_or_else(|| self.id.to_string(), |region| format!("{} of {region}", self.id))
    }

    fn scope(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The two APIs give different facts of one prefix list: one its ranges, the other only its name.
    fn merge(&mut self, other: &Self) -> Result<(), &'static str> {
        let names = self.name.as_ref().zip(other.name.as_ref());
        let cidrs = self.cidrs.as_ref().zip(other.cidrs.as_ref());
        let owners = self.owner.as_ref().zip(other.owner.as_ref());
        let regions = self.region.as_ref().zip(other.region.as_ref());
        all_equal([
            ("PrefixListName", names.is_none_or(|(one, other)| one == other)),
            ("Cidrs", cidrs.is_none_or(|(one, other)| same_items(one, other))),
            ("OwnerId", owners.is_none_or(|(one, other)| one.eq_ignore_ascii_case(other))),
            ("Region", regions.is_none_or(|(one, other)| one == other)),
            ("AddressFamily", same_or_absent(&mut self.family, &other.family)),
            ("State", same_or_absent(&mut self.state, &other.state)),
            ("Version", same_or_absent(&mut self.version, &other.version)),
        ])?;
        self.name = self.name.take().or_else(|| other.name.clone());
        self.cidrs = self.cidrs.take().or_else(|| other.cidrs.clone());
        self.owner = self.owner.take().or_else(|| other.owner.clone());
        self.region = self.region.take().or_else(|| other.region.clone());
        Ok(())
    }
}

/// A network interface, and what it says of itself besides.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListedInterface {
    pub(super) interface: EndpointInterface,
    pub(super) owner: Option<AccountId>,
    pub(super) vpc: Option<String>,
    pub(super) subnet: Option<String>,
    /// The Region of its zone.
    pub(super) region: Option<String>,
    /// The endpoint that it is of, as EC2 describes it.
    pub(super) endpoint: Option<String>,
    /// `InterfaceType`
    pub(super) kind: Option<String>,
    /// The instance that it is attached to.
    pub(super) instance: Option<String>,
    has_addresses: bool,
}

impl Row for ListedInterface {
    fn id(&self) -> &str {
        self.interface.id.as_str()
    }

    fn scope(&self) -> Option<&str> {
        self.vpc.as_deref()
    }

    fn merge(&mut self, other: &Self) -> Result<(), &'static str> {
        let addresses = same_list(
            &mut self.has_addresses,
            &mut self.interface.addresses,
            other.has_addresses,
            &other.interface.addresses,
        );
        all_equal([
            ("VpcId", same_or_absent(&mut self.vpc, &other.vpc)),
            ("SubnetId", same_or_absent(&mut self.subnet, &other.subnet)),
            ("OwnerId", same_or_absent(&mut self.owner, &other.owner)),
            ("AvailabilityZone", same_or_absent(&mut self.region, &other.region)),
            ("Description", same_or_absent(&mut self.endpoint, &other.endpoint)),
            ("InterfaceType", same_or_absent(&mut self.kind, &other.kind)),
            ("Attachment", same_or_absent(&mut self.instance, &other.instance)),
            ("PrivateIpAddresses and Ipv6Addresses", addresses),
        ])
    }
}

/// One of our types, read from the CLI's shape of it.
pub(super) struct Checked<T>(pub(super) T);

/// Reads `$raw`, turns it into `$ours` by `$convert`, and gives an error the place it was found at.
macro_rules! checked {
    ($ours:ty, $raw:ty, $convert:expr) => {
        impl<'de> Deserialize<'de> for Checked<$ours> {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let convert: fn($raw) -> Result<$ours, ConvertError> = $convert;
                convert(<$raw>::deserialize(from)?).map(Self).map_err(D::Error::custom)
            }
        }
    };
}

fn unwrapped<T>(checked: Vec<Checked<T>>) -> Vec<T> {
    checked.into_iter().map(|Checked(value)| value).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a route table (an object)")]
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

/// A route table, and what of its associations is not known.
pub(super) struct ReadTable {
    table: RouteTable,
    unclear: Option<Unclear>,
}

/// Why the associations of a table may not be all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// There is no such key.
    Absent,
    /// One names nothing that the table serves.
    Nameless,
}

checked!(ReadTable, RouteTableJson<'_>, |json| {
    let id = convert::required("RouteTableId", json.route_table_id.as_deref())?;
    let associations = json.associations.as_deref().unwrap_or_default();
    if let Some(other) = associations.iter().filter_map(|one| one.route_table_id.as_deref()).find(|other| *other != id)
    {
        return Err(ConvertError::AnotherTables { table: id.to_owned(), other: other.to_owned() });
    }
    let unclear = match &json.associations {
        None => Some(Unclear::Absent),
        Some(_) => associations.iter().any(AssociationJson::is_nameless).then_some(Unclear::Nameless),
    };
    let table = RouteTable {
        id: id.into(),
        vpc: convert::required("VpcId", json.vpc_id.as_deref())?.into(),
        owner: json.owner_id.as_deref().map(Into::into),
        associations: associations.iter().filter_map(|one| one.convert().transpose()).collect::<Result<_, _>>()?,
        routes: unwrapped(json.routes.ok_or(ConvertError::Missing { field: "Routes" })?).into(),
        // Matters only to a network interface, and files are judged by subnet.
        firewalled: Vec::new(),
    };
    Ok(ReadTable { table, unclear })
});

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an association (an object)")]
struct AssociationJson<'a> {
    #[serde(default, deserialize_with = "null_as_false")]
    main: bool,
    #[serde(borrow, default, deserialize_with = "given")]
    route_table_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    subnet_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    gateway_id: Option<Text<'a>>,
    public_ipv4_pool: Option<IgnoredAny>,
    #[serde(borrow)]
    association_state: Option<StateJson<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a state (an object)")]
struct StateJson<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    state: Option<Text<'a>>,
}

impl AssociationJson<'_> {
    /// Whether it does not say what the table serves: a subnet, a gateway, a pool of public addresses or the VPC.
    fn is_nameless(&self) -> bool {
        !self.main && self.subnet_id.is_none() && self.gateway_id.is_none() && self.public_ipv4_pool.is_none()
    }

    fn convert(&self) -> Result<Option<Association>, ConvertError> {
        RawAssociation {
            main: self.main,
            subnet_id: self.subnet_id.as_deref(),
            gateway_id: self.gateway_id.as_deref(),
            state: self.association_state.as_ref().and_then(|state| state.state.as_deref()),
        }
        .convert()
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

            /// As the CLI writes a key that is known, where `key` is the same in another case.
            fn known(key: &str) -> Option<&'static str> {
                [$($key),*].into_iter().find(|known| known.eq_ignore_ascii_case(key))
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
        while let Some(key) = object.next_key::<Cow<'de, str>>()? {
            if RouteJson::read(&mut route, &key, &mut object)? {
                continue;
            }
            if let Some(known) = RouteJson::known(&key) {
                return Err(A::Error::custom(format_args!("{key}, where the AWS CLI writes {known}")));
            }
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

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a subnet (an object)")]
struct SubnetJson<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    subnet_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    vpc_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    availability_zone: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    subnet_arn: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    owner_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    cidr_block: Option<Text<'a>>,
    #[serde(default, deserialize_with = "null_as_false")]
    ipv6_native: bool,
    #[serde(borrow, default, deserialize_with = "null_as_empty")]
    ipv6_cidr_block_association_set: Vec<Ipv6Json<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an IPv6 range's association (an object)")]
struct Ipv6Json<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    ipv6_cidr_block: Option<Text<'a>>,
    ipv6_cidr_block_state: Option<StateJson<'a>>,
}

impl Ipv6Json<'_> {
    /// Ranges that were given back stay listed for a while.
    fn in_force(&self) -> Option<&str> {
        let state = self.ipv6_cidr_block_state.as_ref().and_then(|state| state.state.as_deref());
        self.ipv6_cidr_block.as_deref().filter(|_| state.is_none_or(|word| word.eq_ignore_ascii_case("associated")))
    }
}

checked!(ListedSubnet, SubnetJson<'_>, |json| {
    let whole = json.cidr_block.is_some() || json.ipv6_native;
    let of_zone = json.availability_zone.as_deref().and_then(region_of_zone);
    let of_arn = json.subnet_arn.as_deref().and_then(region_of_arn);
    same_partition("the partition of SubnetArn", json.subnet_arn.as_deref())?;
    convert::same(("the Region of SubnetArn", of_arn), ("that of AvailabilityZone", of_zone))?;
    let id_of_arn = json.subnet_arn.as_deref().and_then(id_of_arn);
    convert::same(("the id in SubnetArn", id_of_arn), ("SubnetId", json.subnet_id.as_deref()))?;
    let owner_of_arn = json.subnet_arn.as_deref().and_then(owner_of_arn);
    // AWS's own examples have an OwnerId of 13 digits, which is no account.
    let owner = json.owner_id.as_deref().filter(|owner| is_account(owner));
    convert::same(("the account of SubnetArn", owner_of_arn), ("OwnerId", owner))?;
    let region = of_zone.or(of_arn).map(str::to_owned);
    let ipv4 = json.cidr_block.as_deref().map(|block| convert::cidr("CidrBlock", block));
    let ipv6 = json.ipv6_cidr_block_association_set.iter().filter_map(Ipv6Json::in_force);
    let subnet = Subnet {
        id: convert::required("SubnetId", json.subnet_id.as_deref())?.into(),
        vpc: convert::required("VpcId", json.vpc_id.as_deref())?.into(),
        availability_zone: json.availability_zone.as_deref().map(str::to_owned),
        owner: json.owner_id.as_deref().or(owner_of_arn).map(Into::into),
        cidrs: ipv4
            .into_iter()
            .chain(ipv6.map(|block| convert::cidr("Ipv6CidrBlock", block)))
            .collect::<Result<_, _>>()?,
    };
    Ok(ListedSubnet { subnet, whole, region })
});

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a VPC endpoint (an object)")]
struct VpcEndpointJson<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    vpc_endpoint_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    vpc_endpoint_type: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    vpc_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    owner_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    service_name: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    service_region: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    state: Option<Text<'a>>,
    /// `None` without the key; `null` is an empty list.
    #[serde(borrow, default, deserialize_with = "ids")]
    route_table_ids: Option<Vec<Text<'a>>>,
    #[serde(borrow, default, deserialize_with = "ids")]
    network_interface_ids: Option<Vec<Text<'a>>>,
    #[serde(borrow, default, deserialize_with = "given")]
    ip_address_type: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "any_text")]
    failure_reason: Option<Text<'a>>,
    #[serde(borrow)]
    last_error: Option<LastErrorJson<'a>>,
    /// Judged in a check alone: whatever it is here, the folder is read.
    #[serde(default)]
    policy_document: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an error (an object)")]
struct LastErrorJson<'a> {
    #[serde(borrow, default, deserialize_with = "any_text")]
    message: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "any_text")]
    code: Option<Text<'a>>,
}

/// A policy without the blanks in it: the CLI writes a text, some tools the document itself.
fn policy_text(policy: &Value) -> Option<String> {
    match policy {
        Value::String(text) => {
            serde_json::from_str(text).map_or_else(|_| Some(text.clone()), |document: Value| Some(document.to_string()))
        }
        Value::Object(_) => Some(policy.to_string()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

checked!(ListedEndpoint, VpcEndpointJson<'_>, |json| {
    let of_name = json.service_name.as_deref().and_then(region_of_name);
    convert::same(("ServiceRegion", json.service_region.as_deref()), ("the Region of ServiceName", of_name))?;
    let ids = |list: &Option<Vec<Text<'_>>>| list.iter().flatten().map(|id| id.0.to_string()).collect::<Vec<_>>();
    let (tables, interfaces) = (ids(&json.route_table_ids), ids(&json.network_interface_ids));
    let policy = json.policy_document.as_ref().and_then(policy_text);
    let raw = RawEndpoint {
        vpc_endpoint_id: json.vpc_endpoint_id.as_deref(),
        vpc_endpoint_type: json.vpc_endpoint_type.as_deref(),
        vpc_id: json.vpc_id.as_deref(),
        owner_id: json.owner_id.as_deref(),
        service_name: json.service_name.as_deref(),
        service_region: json.service_region.as_deref(),
        state: json.state.as_deref(),
        route_table_ids: tables.iter().map(String::as_str).collect(),
        network_interface_ids: interfaces.iter().map(String::as_str).collect(),
        ip_address_type: json.ip_address_type.as_deref(),
        failure_reason: json.failure_reason.as_deref(),
        last_error: json.last_error.as_ref().and_then(|error| error.message.as_deref().or(error.code.as_deref())),
        policy_document: policy.as_deref(),
    };
    let endpoint = raw.convert()?;
    let of_another_type = match &endpoint.kind {
        EndpointType::Gateway => interfaces.first().map(|id| ("NetworkInterfaceIds", id)),
        EndpointType::Interface => tables.first().map(|id| ("RouteTableIds", id)),
        EndpointType::GatewayLoadBalancer
        | EndpointType::Resource
        | EndpointType::ServiceNetwork
        | EndpointType::Tunnel
        | EndpointType::Absent
        | EndpointType::Other(_) => None,
    };
    if let Some((other, id)) = of_another_type {
        let value = json.vpc_endpoint_type.as_deref().unwrap_or_default().to_owned();
        return Err(ConvertError::Contradiction { one: "VpcEndpointType", value, other, against: id.clone() });
    }
    Ok(ListedEndpoint {
        endpoint,
        has_tables: json.route_table_ids.is_some(),
        has_interfaces: json.network_interface_ids.is_some(),
    })
});

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a prefix list (an object)")]
struct PrefixListJson<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    prefix_list_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "any_text")]
    prefix_list_name: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    prefix_list_arn: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    owner_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    address_family: Option<Text<'a>>,
    cidrs: Option<Vec<CidrJson>>,
    #[serde(borrow, default, deserialize_with = "given")]
    state: Option<Text<'a>>,
    #[serde(default)]
    version: Option<Value>,
}

impl PrefixListJson<'_> {
    /// The Region, by the ARN (`arn:aws:ec2:us-east-1:aws:prefix-list/pl-…`) and by the name.
    fn region(&self) -> Result<Option<String>, ConvertError> {
        let of_arn = self.prefix_list_arn.as_deref().and_then(region_of_arn);
        let of_name = self.prefix_list_name.as_deref().and_then(region_of_name);
        same_partition("the partition of PrefixListArn", self.prefix_list_arn.as_deref())?;
        convert::same(("the Region of PrefixListArn", of_arn), ("that of PrefixListName", of_name))?;
        let id_of_arn = self.prefix_list_arn.as_deref().and_then(id_of_arn);
        convert::same(("the id in PrefixListArn", id_of_arn), ("PrefixListId", self.prefix_list_id.as_deref()))?;
        Ok(of_arn.or(of_name).map(str::to_owned))
    }
}

impl PrefixListJson<'_> {
    /// The owner, by `OwnerId` and by the ARN, which has it in lower case.
    fn owner(&self) -> Result<Option<String>, ConvertError> {
        let of_arn = self.prefix_list_arn.as_deref().and_then(owner_of_arn).map(str::to_ascii_lowercase);
        let owner = self.owner_id.as_deref().map(str::to_ascii_lowercase);
        convert::same(("the account of PrefixListArn", of_arn.as_deref()), ("OwnerId", owner.as_deref()))?;
        Ok(self.owner_id.as_deref().map(str::to_owned).or(of_arn))
    }
}

/// The Region that a name holds.
fn region_of_name(name: &str) -> Option<&str> {
    regions(std::iter::once(name)).into_keys().next()
}

checked!(ListedPrefixList, PrefixListJson<'_>, |json| {
    Ok(ListedPrefixList {
        region: json.region()?,
        family: json.address_family.as_deref().map(str::to_owned),
        state: json.state.as_deref().map(str::to_owned),
        version: json.version.as_ref().and_then(|version| version.as_u64().or_else(|| version.as_str()?.parse().ok())),
        owner: json.owner()?,
        id: convert::required("PrefixListId", json.prefix_list_id.as_deref())?.into(),
        name: json.prefix_list_name.as_deref().map(str::to_owned),
        // None at all are none that were given: every list of AWS's has some.
        cidrs: json
            .cidrs
            .filter(|cidrs| !cidrs.is_empty())
            .map(|cidrs| cidrs.into_iter().map(|CidrJson(cidr)| cidr).collect()),
    })
});

/// A bare range, as `DescribePrefixLists` has them.
struct CidrJson(IpNet);

impl<'de> Deserialize<'de> for CidrJson {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(from)?;
        convert::cidr("Cidrs", &text).map(Self).map_err(D::Error::custom)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a prefix list's entry (an object)")]
struct EntryJson<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    cidr: Option<Text<'a>>,
}

checked!(IpNet, EntryJson<'_>, |json| convert::cidr("Cidr", convert::required("Cidr", json.cidr.as_deref())?));

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a network interface (an object)")]
struct NetworkInterfaceJson<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    network_interface_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    vpc_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    owner_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    subnet_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    availability_zone: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "any_text")]
    description: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    interface_type: Option<Text<'a>>,
    #[serde(borrow)]
    attachment: Option<AttachmentJson<'a>>,
    private_ip_address: Option<IpAddr>,
    #[serde(default, deserialize_with = "null_as_empty")]
    private_ip_addresses: Vec<PrivateAddressJson>,
    #[serde(default, deserialize_with = "null_as_empty")]
    ipv6_addresses: Vec<Ipv6AddressJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an attachment (an object)")]
struct AttachmentJson<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    instance_id: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a private address (an object)")]
struct PrivateAddressJson {
    private_ip_address: Option<IpAddr>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an IPv6 address (an object)")]
struct Ipv6AddressJson {
    ipv6_address: Option<IpAddr>,
}

checked!(ListedInterface, NetworkInterfaceJson<'_>, |json| {
    let ipv4 = json.private_ip_addresses.iter().filter_map(|address| address.private_ip_address);
    let ipv6 = json.ipv6_addresses.iter().filter_map(|address| address.ipv6_address);
    let mut addresses: Vec<IpAddr> = ipv4.collect();
    if let Some((primary, first)) = json.private_ip_address.zip(addresses.first())
        && !addresses.contains(&primary)
    {
        let (value, against) = (primary.to_string(), first.to_string());
        let (one, other) = ("PrivateIpAddress", "that in PrivateIpAddresses");
        return Err(ConvertError::Contradiction { one, value, other, against });
    }
    // The first of them, where somebody left the list out.
    addresses.extend(json.private_ip_address.filter(|primary| !addresses.contains(primary)));
    addresses.extend(ipv6);
    let of_endpoint = |text: &Text<'_>| text.strip_prefix("VPC Endpoint Interface ").map(str::to_owned);
    let owned = |text: &Option<Text<'_>>| text.as_deref().map(str::to_owned);
    Ok(ListedInterface {
        has_addresses: !addresses.is_empty(),
        interface: EndpointInterface {
            id: convert::required("NetworkInterfaceId", json.network_interface_id.as_deref())?.into(),
            addresses,
        },
        endpoint: json.description.as_ref().and_then(of_endpoint),
        region: json.availability_zone.as_deref().and_then(region_of_zone).map(str::to_owned),
        instance: json.attachment.as_ref().and_then(|attachment| owned(&attachment.instance_id)),
        kind: owned(&json.interface_type),
        subnet: owned(&json.subnet_id),
        vpc: owned(&json.vpc_id),
        owner: json.owner_id.as_deref().map(Into::into),
    })
});
