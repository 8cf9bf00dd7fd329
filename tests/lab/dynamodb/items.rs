//! `GetItem`, `PutItem`, `UpdateItem`, `Query` and `Scan`.
//!
//! A parameter that the lab does not know is an error, so that no test relies on one that has no effect.

use super::super::tables::{
    Failure, Item, Key, KeyCondition, LARGEST_ITEM, LARGEST_PAGE, Parser, Placeholders, Schema, Table, all_checked,
    size_of,
};
use serde_json::{Value, json};

pub const OPERATIONS: [&str; 5] = ["GetItem", "PutItem", "UpdateItem", "Query", "Scan"];

const NAMES: &str = "ExpressionAttributeNames";
const VALUES: &str = "ExpressionAttributeValues";
const CONDITION: &str = "ConditionExpression";
const PROJECTION: &str = "ProjectionExpression";
const KEY_CONDITION: &str = "KeyConditionExpression";
const FILTER: &str = "FilterExpression";
const UPDATE: &str = "UpdateExpression";
const ON_FAILURE: &str = "ReturnValuesOnConditionCheckFailure";
const RETURN: &str = "ReturnValues";

fn parameters(operation: &str) -> &'static [&'static str] {
    match operation {
        "GetItem" => &["Key", "ConsistentRead", PROJECTION, NAMES],
        "PutItem" => &["Item", CONDITION, NAMES, VALUES, RETURN, ON_FAILURE],
        "Scan" => {
            &["IndexName", FILTER, PROJECTION, NAMES, VALUES, "ConsistentRead", "ExclusiveStartKey", "Limit", "Select"]
        }
        "UpdateItem" => &["Key", UPDATE, CONDITION, NAMES, VALUES, RETURN, ON_FAILURE],
        _ => &[
            "IndexName",
            KEY_CONDITION,
            FILTER,
            PROJECTION,
            NAMES,
            VALUES,
            "ConsistentRead",
            "ExclusiveStartKey",
            "Limit",
            "ScanIndexForward",
            "Select",
        ],
    }
}

/// A request about items of a table.
struct Asked<'a> {
    request: &'a Item,
    placeholders: Placeholders,
}

/// The partition key of the items that a request is about, for `dynamodb:LeadingKeys`. `None`: it does not say, and is not valid.
pub fn leading_key(table: &Table, operation: &str, request: &Item) -> Option<String> {
    let asked = Asked::new(request).ok()?;
    match operation {
        // The whole table or index has no leading key.
        "Scan" => None,
        "Query" => Some(asked.key_condition(table.queried(asked.text("IndexName")).ok()?).ok()?.partition),
        "PutItem" => text_of(request.get("Item")?, &table.schema.partition),
        _ => text_of(request.get("Key")?, &table.schema.partition),
    }
}

fn text_of(item: &Value, attribute: &str) -> Option<String> {
    item[attribute]["S"].as_str().map(str::to_owned)
}

/// Answers a request that is allowed.
pub fn perform(table: &mut Table, operation: &str, request: &Item) -> Result<Value, Failure> {
    let known = |name: &&String| *name == "TableName" || parameters(operation).contains(&name.as_str());
    if let Some(unknown) = request.keys().find(|name| !known(name)) {
        return Err(Failure::validation(format!("the lab does not know the parameter {unknown} of {operation}")));
    }
    let asked = Asked::new(request)?;
    match operation {
        "GetItem" => get(table, &asked),
        "PutItem" => put(table, &asked),
        "UpdateItem" => update(table, &asked),
        "Scan" => listed(table, &asked, None),
        _ => {
            let condition = asked.key_condition(table.queried(asked.text("IndexName"))?)?;
            listed(table, &asked, Some(condition))
        }
    }
}

impl<'a> Asked<'a> {
    fn new(request: &'a Item) -> Result<Self, Failure> {
        let object = |name: &str| request.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        Ok(Self { request, placeholders: Placeholders::new(object(NAMES), &object(VALUES))? })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.request.get(name).and_then(Value::as_str)
    }

    fn is(&self, name: &str, unless_given: bool) -> bool {
        self.request.get(name).and_then(Value::as_bool).unwrap_or(unless_given)
    }

    fn item(&self, name: &str) -> Result<Item, Failure> {
        let item = self.request.get(name).and_then(Value::as_object);
        let missing = || {
            let first = name[..1].to_lowercase() + &name[1..];
            Failure::validation(format!(
                "1 validation error detected: Value null at '{first}' failed to satisfy constraint: Member must not be null"
            ))
        };
        all_checked(item.ok_or_else(missing)?)
    }

    fn parser(&self, kind: &'static str) -> Result<Option<Parser<'_>>, Failure> {
        self.text(kind).map(|text| Parser::new(kind, text, &self.placeholders)).transpose()
    }

    fn key_condition(&self, schema: &Schema) -> Result<KeyCondition, Failure> {
        let missing = "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.";
        let parser = self.parser(KEY_CONDITION)?.ok_or_else(|| Failure::validation(missing))?;
        KeyCondition::of(parser.condition()?, schema)
    }

    /// The key in a request, which has the key's attributes and no others.
    fn key(&self, table: &Table) -> Result<(Key, Item), Failure> {
        let item = self.item("Key")?;
        let is_key = item.len() == table.schema.attributes().count()
            && table.schema.attributes().all(|name| item.get(name).is_some_and(|value| value["S"].is_string()));
        if !is_key {
            return Err(Failure::validation("The provided key element does not match the schema"));
        }
        Ok((checked_key(table, &item)?, item))
    }

    /// Refuses the request if its condition does not hold for the item as it is.
    fn require(&self, is: Option<&Item>) -> Result<(), Failure> {
        let condition = self.parser(CONDITION)?.map(Parser::condition).transpose()?;
        self.placeholders.all_used()?;
        if condition.is_none_or(|condition| condition.holds(is.unwrap_or(&Item::new()))) {
            return Ok(());
        }
        Err(Failure {
            code: "ConditionalCheckFailedException",
            message: "The conditional request failed".to_owned(),
            item: is.filter(|_| self.text(ON_FAILURE) == Some("ALL_OLD")).cloned(),
        })
    }
}

fn invalid(message: &str) -> Failure {
    Failure::validation(format!("One or more parameter values were invalid: {message}"))
}

/// The key of an item that is to be written or read. Its attributes are there.
fn checked_key(table: &Table, item: &Item) -> Result<Key, Failure> {
    let empty = |name: &&String| item.get(*name).is_some_and(|value| value["S"] == "");
    if let Some(name) = table.schema.attributes().find(empty) {
        return Err(Failure::validation(format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty \
             string value. Key: {name}"
        )));
    }
    let key = table.schema.key_of(item).expect("the attributes are there, are texts and are not empty");
    if key.0.len() > 2048 {
        return Err(invalid("Size of hashkey has exceeded the maximum size limit of2048 bytes"));
    }
    if key.1.len() > 1024 {
        return Err(invalid("Aggregated size of all range keys has exceeded the size limit of 1024 bytes"));
    }
    Ok(key)
}

/// Whether an index can have an item: what it has of the index's key is text.
fn check_index(table: &Table, item: &Item) -> Result<(), Failure> {
    let Some((index, schema)) = &table.index else { return Ok(()) };
    for name in schema.attributes() {
        match item.get(name).and_then(Value::as_object).and_then(|value| value.iter().next()) {
            Some((kind, inner)) if kind == "S" && inner == "" => {
                return Err(Failure::validation(format!(
                    "One or more parameter values are not valid. A value specified for a secondary index key is not \
                     supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: \
                     {index}, IndexKey: {name}"
                )));
            }
            Some((kind, _)) if kind != "S" => {
                let what = format!("Type mismatch for Index Key {name} Expected: S Actual: {kind} IndexName: {index}");
                return Err(invalid(&what));
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

fn projected(item: &Item, names: Option<&Vec<String>>) -> Item {
    let Some(names) = names else { return item.clone() };
    item.iter().filter(|(name, _)| names.contains(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn get(table: &Table, asked: &Asked<'_>) -> Result<Value, Failure> {
    let names = asked.parser(PROJECTION)?.map(Parser::names).transpose()?;
    asked.placeholders.all_used()?;
    let (key, _) = asked.key(table)?;
    let found = table.read(&key, asked.is("ConsistentRead", false));
    Ok(found.map_or_else(|| json!({}), |item| json!({ "Item": projected(item, names.as_ref()) })))
}

fn put(table: &mut Table, asked: &Asked<'_>) -> Result<Value, Failure> {
    let item = asked.item("Item")?;
    for name in table.schema.attributes() {
        match item.get(name).and_then(Value::as_object).and_then(|value| value.keys().next()) {
            None => return Err(invalid(&format!("Missing the key {name} in the item"))),
            Some(kind) if kind != "S" => {
                return Err(invalid(&format!("Type mismatch for key {name} expected: S actual: {kind}")));
            }
            Some(_) => {}
        }
    }
    let key = checked_key(table, &item)?;
    check_index(table, &item)?;
    if size_of(&item) > LARGEST_ITEM {
        return Err(Failure::validation("Item size has exceeded the maximum allowed size"));
    }
    let before = table.read(&key, true).cloned();
    asked.require(before.as_ref())?;
    let answer = match (asked.text(RETURN).unwrap_or("NONE"), before) {
        ("NONE", _) | ("ALL_OLD", None) => json!({}),
        ("ALL_OLD", Some(before)) => json!({ "Attributes": before }),
        _ => return Err(Failure::validation("ReturnValues can only be ALL_OLD or NONE")),
    };
    table.write(key, Some(item));
    Ok(answer)
}

fn update(table: &mut Table, asked: &Asked<'_>) -> Result<Value, Failure> {
    let (key, key_attributes) = asked.key(table)?;
    let update = asked.parser(UPDATE)?.map(Parser::update).transpose()?.unwrap_or_default();
    if let Some(name) = update.attributes().find(|name| key_attributes.contains_key(*name)) {
        return Err(invalid(&format!("Cannot update attribute {name}. This attribute is part of the key")));
    }
    let before = table.read(&key, true).cloned();
    asked.require(before.as_ref())?;
    let item = update.apply(before.as_ref().unwrap_or(&key_attributes))?;
    check_index(table, &item)?;
    if size_of(&item) > LARGEST_ITEM {
        return Err(Failure::validation("Item size to update has exceeded the maximum allowed size"));
    }
    let changed: Vec<String> = update.attributes().cloned().collect();
    let attributes = match asked.text(RETURN).unwrap_or("NONE") {
        "NONE" => None,
        "ALL_NEW" => Some(item.clone()),
        "UPDATED_NEW" => Some(projected(&item, Some(&changed))),
        "ALL_OLD" => before,
        "UPDATED_OLD" => before.map(|before| projected(&before, Some(&changed))),
        other => return Err(Failure::validation(format!("ReturnValues set to an invalid value: {other}"))),
    };
    table.write(key, Some(item));
    Ok(match attributes.filter(|attributes| !attributes.is_empty()) {
        Some(attributes) => json!({ "Attributes": attributes }),
        None => json!({}),
    })
}

/// The items of one partition, or all of them.
fn listed(table: &Table, asked: &Asked<'_>, condition: Option<KeyCondition>) -> Result<Value, Failure> {
    let index = asked.text("IndexName");
    let schema = table.queried(index)?;
    let filter = asked.parser(FILTER)?.map(Parser::condition).transpose()?;
    let names = asked.parser(PROJECTION)?.map(Parser::names).transpose()?;
    asked.placeholders.all_used()?;
    let consistent = asked.is("ConsistentRead", false);
    if consistent && index.is_some() {
        return Err(Failure::validation("Consistent reads are not supported on global secondary indexes"));
    }
    let limit = match asked.request.get("Limit").map(Value::as_u64) {
        None => usize::MAX,
        Some(Some(limit @ 1..)) => usize::try_from(limit).unwrap_or(usize::MAX),
        Some(_) => return Err(Failure::validation("Limit must be greater than or equal to 1")),
    };
    let key_attributes = || table.schema.attributes().chain(schema.attributes());
    let position = |item: &Item| Some((schema.key_of(item)?, table.schema.key_of(item)?));
    let start = match asked.request.get("ExclusiveStartKey") {
        None => None,
        Some(_) => {
            let start = asked.item("ExclusiveStartKey")?;
            let of_partition = |of: &Key| condition.as_ref().is_none_or(|condition| of.0 == condition.partition);
            let at = position(&start).filter(|(of, _)| of_partition(of));
            let is_key = start.keys().all(|name| key_attributes().any(|of_key| of_key == name));
            let invalid = || Failure::validation("The provided starting key is invalid");
            Some(at.filter(|_| is_key).ok_or_else(invalid)?)
        }
    };
    let partition = condition.as_ref().map(|condition| condition.partition.as_str());
    let mut found = table.partition(schema, partition, consistent);
    let forward = asked.is("ScanIndexForward", true);
    if !forward {
        found.reverse();
    }
    let is_after = |item: &Item| match (&start, position(item)) {
        (Some(start), Some(at)) => {
            if forward {
                at > *start
            } else {
                at < *start
            }
        }
        _ => true,
    };
    let sort = condition.as_ref().and_then(|condition| condition.sort.as_ref());
    let is_asked = |item: &Item| sort.is_none_or(|condition| condition.holds(item));
    let mut left = found.into_iter().filter(|item| is_asked(item) && is_after(item)).peekable();
    let (mut page, mut size) = (Vec::new(), 0);
    while let Some(item) =
        left.next_if(|item| page.len() < limit && (page.is_empty() || size + size_of(item) <= LARGEST_PAGE))
    {
        size += size_of(item);
        page.push(item);
    }
    // At the limit DynamoDB does not look whether there is more.
    let last = page.last().filter(|_| page.len() == limit || left.peek().is_some());
    let last = last.map(|item| projected(item, Some(&key_attributes().cloned().collect())));
    let is_kept = |item: &&&Item| filter.as_ref().is_none_or(|filter| filter.holds(item));
    let items: Vec<Item> = page.iter().filter(is_kept).map(|item| projected(item, names.as_ref())).collect();
    let mut answer = json!({ "Count": items.len(), "ScannedCount": page.len() });
    match asked.text("Select") {
        Some("COUNT") => {}
        None | Some("ALL_ATTRIBUTES" | "SPECIFIC_ATTRIBUTES" | "ALL_PROJECTED_ATTRIBUTES") => {
            answer["Items"] = json!(items)
        }
        Some(other) => return Err(Failure::validation(format!("Select has the invalid value {other}"))),
    }
    if let Some(last) = last {
        answer["LastEvaluatedKey"] = last.into();
    }
    Ok(answer)
}
