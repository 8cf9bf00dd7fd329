//! What a document of a file is: an answer of the AWS CLI, a list, or another tool's.

use super::{
    super::distinct::Distinct,
    json::Text,
    shapes::{
        Checked, ListedEndpoint, ListedInterface, ListedNatGateway, ListedPrefixList, ListedSubnet, ListedVpc,
        ReadTable,
    },
    unread::{Keys, Scan, Unread},
};
use ipnet::IpNet;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use std::fmt;

/// An object, with one or more of the CLI's own top-level keys if it is an answer.
#[derive(Default)]
pub(super) struct File {
    pub(super) route_tables: Option<Vec<Checked<ReadTable>>>,
    pub(super) subnets: Option<Vec<Checked<ListedSubnet>>>,
    pub(super) vpc_endpoints: Option<Vec<Checked<ListedEndpoint>>>,
    pub(super) prefix_lists: Option<Vec<Checked<ListedPrefixList>>>,
    pub(super) entries: Option<Vec<Checked<IpNet>>>,
    pub(super) network_interfaces: Option<Vec<Checked<ListedInterface>>>,
    pub(super) vpcs: Vec<ListedVpc>,
    pub(super) nat_gateways: Vec<ListedNatGateway>,
    /// The token for the next page, if there is more than the document holds.
    pub(super) next_page: Option<String>,
    /// A row under another key.
    pub(super) unread: Option<Unread>,
    /// Whether it could be an entry of a prefix list.
    pub(super) is_entry: bool,
    /// What it would be as a row of a list.
    row: RowKeys,
}

/// The keys by which a row of a list that --query made is recognised.
#[derive(Default)]
struct RowKeys {
    ours: Option<&'static str>,
    /// It is a part of another thing, which has an id of its own.
    another: bool,
}

impl RowKeys {
    fn add(&mut self, key: &str) {
        const WHOLE: [&str; 5] =
            ["RouteTableId", "VpcEndpointId", "PrefixListId", "DestinationCidrBlock", "DestinationPrefixListId"];
        const PARTS: [&str; 2] = ["SubnetId", "NetworkInterfaceId"];
        const BESIDE: [&str; 6] = ["VpcId", "OwnerId", "AvailabilityZoneId", "SubnetArn", "OutpostArn", "RequesterId"];
        if let Some(whole) = WHOLE.into_iter().find(|known| *known == key) {
            (self.ours, self.another) = (Some(whole), false);
        } else if let Some(part) = PARTS.into_iter().find(|known| *known == key) {
            self.ours = self.ours.or(Some(part));
        } else if (key.ends_with("Id") || key.ends_with("Arn")) && !BESIDE.contains(&key) {
            self.another |= !self.ours.is_some_and(|ours| WHOLE.contains(&ours));
        }
    }
}

impl File {
    /// The key that shows that the object is a row of a list; `None` for an answer, and for another tool's.
    pub(super) fn row_of_a_list(&self) -> Option<&'static str> {
        self.row.ours.filter(|_| !self.row.another)
    }
}

/// One document of a file.
pub(super) enum Document {
    Object(Box<File>),
    List(Vec<Document>),
    /// A text; the key of the id that it is.
    Id(&'static str),
    Other,
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AWS CLI output")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Document, E> {
        Ok(Document::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Document, E> {
        Ok(Document::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Document, E> {
        Ok(Document::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Document, E> {
        Ok(Document::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Document, E> {
        Ok(Document::Other)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Document, E> {
        let ids =
            [("rtb-", "RouteTableId"), ("vpce-", "VpcEndpointId"), ("subnet-", "SubnetId"), ("pl-", "PrefixListId")];
        let id = ids.into_iter().find(|(prefix, _)| text.starts_with(prefix));
        Ok(id.map_or(Document::Other, |(_, key)| Document::Id(key)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Document, A::Error> {
        let mut documents = Vec::new();
        while let Some(document) = list.next_element()? {
            documents.push(document);
        }
        Ok(Document::List(documents))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Document, A::Error> {
        file(object).map(|file| Document::Object(Box::new(file)))
    }
}

fn file<'de, A: MapAccess<'de>>(mut object: A) -> Result<File, A::Error> {
    let mut file = File::default();
    let mut keys = Keys::default();
    let mut pages = Pages::default();
    while let Some(Text(key)) = object.next_key()? {
        match &*key {
            "RouteTables" => once(&mut file.route_tables, "RouteTables", &mut object)?,
            "Subnets" => once(&mut file.subnets, "Subnets", &mut object)?,
            "VpcEndpoints" => once(&mut file.vpc_endpoints, "VpcEndpoints", &mut object)?,
            "PrefixLists" => once(&mut file.prefix_lists, "PrefixLists", &mut object)?,
            "Entries" => once(&mut file.entries, "Entries", &mut object)?,
            "NetworkInterfaces" => once(&mut file.network_interfaces, "NetworkInterfaces", &mut object)?,
            key if Pages::has(key) => pages.add(key, object.next_value()?),
            "Vpcs" => {
                let Distinct(vpcs) = object.next_value()?;
                ListedVpc::all(&vpcs, "Vpcs", &mut file.vpcs).map_err(A::Error::custom)?;
                let found = vpcs.deserialize_any(Scan).map_err(A::Error::custom)?.found;
                file.unread = file.unread.or(found.map(|found| found.under("Vpcs")));
            }
            "NatGateways" => {
                let gateways: Value = object.next_value()?;
                file.nat_gateways.extend(ListedNatGateway::all(&gateways));
                let found = gateways.deserialize_any(Scan).map_err(A::Error::custom)?.found;
                file.unread = file.unread.or(found.map(|found| found.under("NatGateways")));
            }
            key => {
                let value = object.next_value_seed(Scan)?;
                keys.add(key, &value);
                file.row.add(key);
                if plain(key) == "id" {
                    file.row.ours = file.row.ours.or(value.names_a_row());
                }
                file.is_entry |= key == "Cidr";
                let found = value.found.map(|found| found.under(key)).filter(|found| !found.is_created());
                file.unread = file.unread.or(found);
            }
        }
    }
    file.unread = keys.row().or(file.unread);
    file.next_page = pages.next();
    Ok(file)
}

/// Reads a list that must not come twice. `null` is none.
fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    list: &mut Option<Vec<T>>,
    key: &'static str,
    object: &mut A,
) -> Result<(), A::Error> {
    if list.is_some() {
        return Err(A::Error::duplicate_field(key));
    }
    *list = object.next_value()?;
    Ok(())
}

/// What an answer says of the page after it, under the keys that the CLI, the SDKs and scripts have for it.
#[derive(Default)]
struct Pages {
    token: Option<String>,
    truncated: Option<bool>,
}

impl Pages {
    fn has(key: &str) -> bool {
        const KEYS: [&str; 7] = [
            "nexttoken",
            "marker",
            "nextmarker",
            "nextpagetoken",
            "continuationtoken",
            "nextcontinuationtoken",
            "istruncated",
        ];
        KEYS.contains(&plain(key).as_str())
    }

    fn add(&mut self, key: &str, value: Value) {
        match (plain(key).as_str(), value) {
            ("istruncated", value) => self.truncated = Some(value != Value::Bool(false) && !value.is_null()),
            // An empty one ends a listing, as none does.
            (_, Value::Null) => {}
            (_, Value::String(token)) if token.is_empty() => {}
            (_, token) => self.token = Some(token.to_string()),
        }
    }

    /// The token for the next page, if there is one.
    fn next(self) -> Option<String> {
        match (self.token, self.truncated) {
            (None, Some(true)) => Some("IsTruncated".to_owned()),
            (token, _) => token,
        }
    }
}

/// A key without its case.
fn plain(key: &str) -> String {
    key.to_ascii_lowercase().replace(['_', '-'], "")
}
