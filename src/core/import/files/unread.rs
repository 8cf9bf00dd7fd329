//! Rows of ours in a place where the AWS CLI does not write them. Such a row is never skipped: the table or the endpoint that
//! it is would be missing without a trace. What has no such row is another tool's.

use super::{PREFIX_LISTS, ROUTE_TABLES, SUBNETS, Source, VPC_ENDPOINTS, json::Text};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A kind of row: the key of its id, what the id begins with, the keys that such a row has beside it, and the command that
/// lists such rows. Elsewhere the id alone is a reference to one.
struct Kind {
    id: &'static str,
    prefix: &'static str,
    beside: &'static [&'static str],
    source: Source,
}

const KINDS: [Kind; 4] = [
    Kind { id: "RouteTableId", prefix: "rtb-", beside: &["routes", "associations", "vpcid"], source: ROUTE_TABLES },
    Kind { id: "SubnetId", prefix: "subnet-", beside: &["cidrblock"], source: SUBNETS },
    Kind {
        id: "VpcEndpointId",
        prefix: "vpce-",
        beside: &["vpcid", "servicename", "vpcendpointtype", "routetableids"],
        source: VPC_ENDPOINTS,
    },
    Kind { id: "PrefixListId", prefix: "pl-", beside: &["prefixlistname", "cidrs", "entries"], source: PREFIX_LISTS },
];

/// A row that was found, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The key of its id, as the AWS CLI writes it.
    pub(super) id: &'static str,
    /// Where such rows come from.
    pub(super) source: Source,
    /// Where it is: `result.RouteTables[0]`; empty where the document itself is the row.
    pub(super) path: String,
    /// Whether it is a table with associations.
    associated: bool,
}

impl Unread {
    pub(super) fn under(mut self, key: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{key}{separator}{}", self.path);
        self
    }

    /// Whether it is the answer to the creation of one thing. That is older than any listing, and a table in it serves nothing.
    pub(super) fn is_created(&self) -> bool {
        !self.associated && ["RouteTable", "Subnet", "VpcEndpoint", "PrefixList"].contains(&self.path.as_str())
    }

    /// The shape of the document, as far as it can be concluded.
    pub(super) fn shape(&self) -> String {
        let path = &self.path;
        let first = path.split(['.', '[']).next().unwrap_or_default();
        match first {
            "" if path.is_empty() => format!("as a single object, as --query '{}[0]' writes it", self.list()),
            "" => format!("in {path} of a list, as --query and jq -s write it"),
            "value" => "in {\"value\": […], \"Count\": …}, as ConvertTo-Json of PowerShell writes a list".to_owned(),
            _ if first.eq_ignore_ascii_case(self.list())
                || first.replace('_', "").eq_ignore_ascii_case(self.list()) =>
            {
                format!("in {path}, with keys as SDKs and scripts write them")
            }
            _ => format!("in {path}"),
        }
    }

    fn list(&self) -> &'static str {
        match self.id {
            "RouteTableId" => "RouteTables",
            "SubnetId" => "Subnets",
            "VpcEndpointId" => "VpcEndpoints",
            _ => "PrefixLists",
        }
    }
}

/// What a value holds.
#[derive(Default)]
pub(super) struct Scanned {
    /// The kind that a text is an id of.
    id_of: Option<usize>,
    /// A list or an object with nothing in it, or null.
    empty: bool,
    pub(super) found: Option<Unread>,
}

impl Scanned {
    /// The key of the id that a text is, of things that only EC2 has.
    pub(super) fn names_a_row(&self) -> Option<&'static str> {
        self.id_of.map(|number| KINDS[number].id).filter(|id| ["RouteTableId", "VpcEndpointId"].contains(id))
    }
}

/// The keys of one object, as far as they show what it is.
#[derive(Default)]
pub(super) struct Keys {
    id: Option<usize>,
    beside: [bool; KINDS.len()],
    associated: bool,
    /// It is a thing of another kind that has these keys, too.
    another: bool,
}

impl Keys {
    pub(super) fn add(&mut self, key: &str, value: &Scanned) {
        let lower = key.to_ascii_lowercase();
        let plain = lower.replace(['_', '-'], "");
        for (number, kind) in KINDS.iter().enumerate() {
            if value.id_of == Some(number) && plain == kind.id.to_ascii_lowercase() {
                self.id = self.id.or(Some(number));
            }
            // Terraform's association of a main table has a vpc_id beside a route_table_id.
            let beside = |known: &&str| if *known == "vpcid" { lower == **known } else { plain == **known };
            self.beside[number] |= kind.beside.iter().any(beside);
        }
        // A regional NAT gateway has a VpcId, and a RouteTableId of its own.
        self.another |= plain == "natgatewayid";
        self.associated |= plain == "associations" && !value.empty;
    }

    /// Whether the object is a row of ours.
    pub(super) fn row(&self) -> Option<Unread> {
        let number = self.id.filter(|number| self.beside[*number] && !self.another)?;
        let Kind { id, source, .. } = KINDS[number];
        Some(Unread { id, source, path: String::new(), associated: self.associated })
    }
}

/// Reads any value and keeps nothing of it but the first row of ours.
pub(super) struct Scan;

impl<'de> DeserializeSeed<'de> for Scan {
    type Value = Scanned;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Scanned, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scan {
    type Value = Scanned;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Scanned, E> {
        Ok(Scanned::default())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Scanned, E> {
        Ok(Scanned::default())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Scanned, E> {
        Ok(Scanned::default())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Scanned, E> {
        Ok(Scanned::default())
    }

    fn visit_unit<E: Error>(self) -> Result<Scanned, E> {
        Ok(Scanned { empty: true, ..Scanned::default() })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scanned, E> {
        Ok(Scanned { id_of: KINDS.iter().position(|kind| text.starts_with(kind.prefix)), ..Scanned::default() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scanned, A::Error> {
        let mut scanned = Scanned { empty: true, ..Scanned::default() };
        let mut number = 0;
        while let Some(item) = list.next_element_seed(Scan)? {
            scanned.empty = false;
            if scanned.found.is_none() {
                scanned.found = item.found.map(|found| found.under(&format!("[{number}]")));
            }
            number += 1;
        }
        Ok(scanned)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Scanned, A::Error> {
        let mut scanned = Scanned { empty: true, ..Scanned::default() };
        let mut keys = Keys::default();
        while let Some(Text(key)) = object.next_key()? {
            let value = object.next_value_seed(Scan)?;
            scanned.empty = false;
            keys.add(&key, &value);
            if scanned.found.is_none() {
                scanned.found = value.found.map(|found| found.under(&key));
            }
        }
        scanned.found = keys.row().or(scanned.found);
        Ok(scanned)
    }
}
