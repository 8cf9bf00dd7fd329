//! DynamoDB's tables: items by their keys, one index, and what a test may do to them behind DynamoDB's back.
//!
//! Written from AWS's documentation. Keys are texts: a table with a key of numbers or bytes cannot be made.

mod expression;
mod number;
mod value;

pub use expression::{KeyCondition, Parser, Placeholders, Update};
pub use value::{Item, all_checked, size_of};

use super::iam::Policy;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The largest item, and the largest page of a query.
pub const LARGEST_ITEM: usize = 400 * 1024;
pub const LARGEST_PAGE: usize = 1024 * 1024;

/// Why DynamoDB refuses a request.
#[derive(Debug)]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
    /// What a condition did not hold for, where the request asks for it.
    pub item: Option<Item>,
}

impl Failure {
    pub fn validation(message: impl Into<String>) -> Self {
        Self { code: "ValidationException", message: message.into(), item: None }
    }
}

/// The attributes that are a key, of a table or an index.
#[derive(Clone, Debug)]
pub struct Schema {
    pub partition: String,
    pub sort: Option<String>,
}

/// The values of a key. Without a sort key the second one is empty.
pub type Key = (String, String);

impl Schema {
    pub fn new(partition: &str, sort: Option<&str>) -> Self {
        Self { partition: partition.to_owned(), sort: sort.map(str::to_owned) }
    }

    pub fn attributes(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.partition).chain(&self.sort)
    }

    /// An item's key. An index has only the items that have all of its attributes.
    pub fn key_of(&self, item: &Item) -> Option<Key> {
        let text = |name: &String| item.get(name).and_then(key_text);
        Some((text(&self.partition)?, self.sort.as_ref().map_or(Some(String::new()), text)?))
    }
}

/// The value of a key attribute, which is a text that is not empty.
fn key_text(value: &Value) -> Option<String> {
    value["S"].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// An item, and what it was before it was last written: `None` where there was none.
#[derive(Clone, Debug, Default)]
struct Versions {
    now: Option<Item>,
    before: Option<Item>,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub schema: Schema,
    /// A global secondary index with all attributes.
    pub index: Option<(String, Schema)>,
    /// Whether eventually consistent reads answer with what an item was before it was last written.
    pub lags: bool,
    account: Option<String>,
    policy: Option<Policy>,
    items: BTreeMap<Key, Versions>,
}

impl Table {
    /// A table of the instance's account with the key `pk` and `sk`, and an index `by-vpc` of the items that have `vpc` and
    /// `instance`.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            schema: Schema::new("pk", Some("sk")),
            index: Some(("by-vpc".to_owned(), Schema::new("vpc", Some("instance")))),
            lags: false,
            account: None,
            policy: None,
            items: BTreeMap::new(),
        }
    }

    pub fn with_key(self, partition: &str, sort: Option<&str>) -> Self {
        Self { schema: Schema::new(partition, sort), ..self }
    }

    pub fn with_index(self, name: &str, partition: &str, sort: Option<&str>) -> Self {
        Self { index: Some((name.to_owned(), Schema::new(partition, sort))), ..self }
    }

    pub fn without_index(self) -> Self {
        Self { index: None, ..self }
    }

    /// Of another account: requests find it by its ARN only.
    pub fn owned_by(self, account: &str) -> Self {
        Self { account: Some(account.to_owned()), ..self }
    }

    /// With a resource-based policy.
    ///
    /// # Panics
    /// If the lab cannot read the policy.
    pub fn with_policy(self, text: &str) -> Self {
        Self { policy: Some(Policy::of_resource(text).expect("a policy that the lab reads")), ..self }
    }

    // What tests do, without rights and conditions.

    pub fn item(&self, partition: &str, sort: &str) -> Option<&Item> {
        self.read(&(partition.to_owned(), sort.to_owned()), true)
    }

    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.values().filter_map(|versions| versions.now.as_ref())
    }

    /// Writes any item, also one that DynamoDB would not take.
    ///
    /// # Panics
    /// If it does not have the table's key.
    pub fn put(&mut self, item: Item) {
        let key = self.schema.key_of(&item).expect("an item with the table's key");
        self.write(key, Some(item));
    }

    pub fn remove(&mut self, partition: &str, sort: &str) {
        self.write((partition.to_owned(), sort.to_owned()), None);
    }

    /// Sets one attribute of an item that is there, or removes it.
    ///
    /// # Panics
    /// If there is no such item.
    pub fn set(&mut self, partition: &str, sort: &str, attribute: &str, value: Option<Value>) {
        let mut item = self.item(partition, sort).expect("an item with this key").clone();
        match value {
            Some(value) => item.insert(attribute.to_owned(), value),
            None => item.remove(attribute),
        };
        self.write((partition.to_owned(), sort.to_owned()), Some(item));
    }

    // What requests do.

    pub fn read(&self, key: &Key, consistent: bool) -> Option<&Item> {
        self.items.get(key).and_then(|versions| self.seen(versions, consistent))
    }

    fn seen<'a>(&self, versions: &'a Versions, consistent: bool) -> Option<&'a Item> {
        if self.lags && !consistent { versions.before.as_ref() } else { versions.now.as_ref() }
    }

    pub fn write(&mut self, key: Key, item: Option<Item>) {
        let versions = self.items.entry(key).or_default();
        versions.before = versions.now.take();
        versions.now = item;
    }

    /// The items with a partition key, or all, in the order of the keys; in an index, then in that of the table's key.
    pub fn partition(&self, schema: &Schema, partition: Option<&str>, consistent: bool) -> Vec<&Item> {
        let seen = self.items.iter().filter_map(|(key, versions)| Some((key, self.seen(versions, consistent)?)));
        let mut found: Vec<(Key, &Key, &Item)> = seen
            .filter_map(|(key, item)| Some((schema.key_of(item)?, key, item)))
            .filter(|((of_item, _), ..)| partition.is_none_or(|partition| of_item == partition))
            .collect();
        found.sort_by(|(sort, key, _), (other_sort, other_key, _)| (sort, key).cmp(&(other_sort, other_key)));
        found.into_iter().map(|(.., item)| item).collect()
    }

    /// The key schema that a query uses.
    pub fn queried(&self, index: Option<&str>) -> Result<&Schema, Failure> {
        match (index, &self.index) {
            (None, _) => Ok(&self.schema),
            (Some(asked), Some((name, schema))) if asked == name => Ok(schema),
            (Some(asked), _) => {
                Err(Failure::validation(format!("The table does not have the specified index: {asked}")))
            }
        }
    }

    /// What `DescribeTable` says of it.
    pub fn description(&self, arn: &str) -> Value {
        let schema = |schema: &Schema| -> Vec<Value> {
            let kinds = ["HASH", "RANGE"];
            let keys = schema.attributes().zip(kinds);
            keys.map(|(name, kind)| json!({ "AttributeName": name, "KeyType": kind })).collect()
        };
        let indexes = self.index.iter().map(|(_, schema)| schema);
        let attributes = std::iter::once(&self.schema).chain(indexes).flat_map(Schema::attributes);
        let attributes: BTreeSet<&String> = attributes.collect();
        let attributes = attributes.into_iter().map(|name| json!({ "AttributeName": name, "AttributeType": "S" }));
        let size = self.items().map(size_of).sum::<usize>();
        let mut description = json!({
            "AttributeDefinitions": attributes.collect::<Vec<_>>(),
            "BillingModeSummary": { "BillingMode": "PAY_PER_REQUEST" },
            "CreationDateTime": 1_767_225_600.5,
            "DeletionProtectionEnabled": false,
            "ItemCount": self.items().count(),
            "KeySchema": schema(&self.schema),
            "ProvisionedThroughput": { "NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0 },
            "TableArn": arn,
            "TableId": "01234567-89ab-cdef-0123-456789abcdef",
            "TableName": self.name,
            "TableSizeBytes": size,
            "TableStatus": "ACTIVE",
        });
        if let Some((name, of_index)) = &self.index {
            description["GlobalSecondaryIndexes"] = json!([{
                "IndexName": name,
                "IndexArn": format!("{arn}/index/{name}"),
                "IndexStatus": "ACTIVE",
                "KeySchema": schema(of_index),
                "Projection": { "ProjectionType": "ALL" },
            }]);
        }
        description
    }
}

/// All tables, of every account, by their ARNs.
#[derive(Debug)]
pub struct Tables {
    region: String,
    account: String,
    tables: BTreeMap<String, Table>,
}

impl Tables {
    pub fn new(region: &str, account: &str) -> Self {
        Self { region: region.to_owned(), account: account.to_owned(), tables: BTreeMap::new() }
    }

    /// The ARN that requests of the instance's account mean by a name, or by an ARN.
    pub fn arn(&self, given: &str) -> String {
        if given.starts_with("arn:") {
            return given.to_owned();
        }
        format!("arn:aws:dynamodb:{}:{}:table/{given}", self.region, self.account)
    }

    /// Adds a table: its ARN, and its policy.
    pub fn create(&mut self, mut table: Table) -> (String, Option<Policy>) {
        let account = table.account.as_ref().unwrap_or(&self.account);
        let arn = format!("arn:aws:dynamodb:{}:{account}:table/{}", self.region, table.name);
        let policy = table.policy.take();
        self.tables.insert(arn.clone(), table);
        (arn, policy)
    }

    /// The table with this name or ARN.
    ///
    /// # Panics
    /// If there is none.
    pub fn named(&mut self, given: &str) -> &mut Table {
        let arn = self.arn(given);
        self.find(&arn).expect("a table that was created before")
    }

    pub fn find(&mut self, arn: &str) -> Option<&mut Table> {
        self.tables.get_mut(arn)
    }

    /// The names of the tables of the instance's account.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        let own = |table: &&Table| table.account.as_ref().is_none_or(|account| *account == self.account);
        self.tables.values().filter(own).map(|table| &table.name)
    }
}
