//! The items of the table, and the requests for them: `GetItem`, `PutItem` and `UpdateItem` of one item each; `Query` and `Scan` of the
//! index for a fleet reader.
//!
//! | `pk` | `sk` | attributes |
//! |---|---|---|
//! | VPC id | `head` | `counter`, `publisher`, `leased_at` (the lease), `document`, `signature`, `observed_at`, `expires` |
//! | VPC id | `chunk.<digest>` | `data`, `expires` |
//! | `spot-check.` and VPC id | `every.` and the period in milliseconds | `number`, `reader`, `expires` |
//! | an instance's ARN | `status` | those of [`InstanceStatus`], `expires`; `vpc` and `instance` are the key of the index `by-vpc` |

use super::super::{aws::TooLong, ec2::gap, probe::denied_by_endpoint_policy};
use crate::{
    model::{Gap, InstanceStatus, Timestamp, VpcId},
    observe::aws::find_cause,
};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::{
    Client,
    config::{http::HttpResponse, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::AttributeValue,
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeDeserializationInterceptorContextRef},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{DateTime, config_bag::ConfigBag, date_time::Format};
use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// For one attempt at one request, and for all attempts.
const LIMITS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(5)];

const PK: &str = "pk";
const SK: &str = "sk";
const HEAD: &str = "head";
const STATUS: &str = "status";
const BY_VPC: &str = "by-vpc";
const VPC: &str = "vpc";
const COUNTER: &str = "counter";
const PUBLISHER: &str = "publisher";
const LEASED_AT: &str = "leased_at";
const DOCUMENT: &str = "document";
const SIGNATURE: &str = "signature";
const OBSERVED_AT: &str = "observed_at";
const DATA: &str = "data";
const SPOT_CHECK: &str = "spot-check";
const NUMBER: &str = "number";
const READER: &str = "reader";
/// By which DynamoDB deletes items of itself, days later: no reader goes by it.
const EXPIRES: &str = "expires";

/// The table, for as long as one round lasts.
#[derive(Clone, Debug)]
pub(super) struct Items {
    client: Client,
    table: String,
}

/// The head of a VPC, as the table has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HeadItem {
    /// Counts up with every change. Where there is none, the item was never written.
    pub(super) counter: Option<u64>,
    /// Who holds the lease.
    pub(super) publisher: Option<String>,
    /// Since when its holder is at work, by DynamoDB's clock: from when it took the lease until it publishes.
    pub(super) leased_at: Option<Timestamp>,
    pub(super) document: Option<Vec<u8>>,
    pub(super) signature: Option<Vec<u8>>,
    /// What is said of `document` beside it, for those who cannot read it.
    pub(super) observed_at: Option<Timestamp>,
}

/// A spot check of a VPC, of those that are made in this period.
#[derive(Clone, Copy)]
pub(super) struct SpotCheckItem<'a> {
    pub(super) vpc: &'a VpcId,
    pub(super) every: Duration,
    /// How many periods there were before it since 1970.
    pub(super) number: u64,
    pub(super) reader: &'a str,
}

impl SpotCheckItem<'_> {
    /// Each period has an item of its own: their numbers say nothing of each other.
    fn key(&self) -> (String, String) {
        (format!("{SPOT_CHECK}.{}", self.vpc), format!("every.{}", self.every.as_millis()))
    }
}

/// A head that is to be published.
pub(super) struct NewHead<'a> {
    pub(super) document: Vec<u8>,
    pub(super) signature: Option<Vec<u8>>,
    pub(super) observed_at: Timestamp,
    pub(super) publisher: &'a str,
    pub(super) expires: u64,
}

/// How a conditional write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is in the table.
    Yes,
    /// The item is not as it was any more: another one wrote it.
    Lost,
}

pub(super) type Item = HashMap<String, AttributeValue>;

/// A page of items.
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    /// DynamoDB's clock when it answered.
    pub(super) at: Timestamp,
    /// Where the next one begins, if there is one.
    pub(super) last: Option<Item>,
}

impl Items {
    pub(super) fn new(config: &SdkConfig, table: &str) -> Self {
        let [attempt, all] = LIMITS;
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(attempt).operation_timeout(all).build();
        let config = aws_sdk_dynamodb::config::Builder::from(config)
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .timeout_config(timeouts)
            .build();
        Self { client: Client::from_conf(config), table: table.to_owned() }
    }

    /// The head, and DynamoDB's clock when it answered.
    pub(super) async fn head(&self, vpc: &VpcId, is_consistent: bool) -> Result<(HeadItem, Timestamp), Gap> {
        let (item, at) = self.get(vpc.as_str(), HEAD, is_consistent).await?;
        let item = item.unwrap_or_default();
        Ok((HeadItem::read(&item)?, at))
    }

    /// The bytes of a chunk, if it is there.
    pub(super) async fn chunk(&self, vpc: &VpcId, digest: &str, is_consistent: bool) -> Result<Option<Vec<u8>>, Gap> {
        let (item, _) = self.get(vpc.as_str(), &chunk_key(digest), is_consistent).await?;
        item.map(|item| bytes(&item, DATA)?.ok_or_else(|| malformed(DATA))).transpose()
    }

    async fn get(&self, pk: &str, sk: &str, is_consistent: bool) -> Result<(Option<Item>, Timestamp), Gap> {
        let (date, began) = (ServerDate::default(), Instant::now());
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(pk, sk)))
            .consistent_read(is_consistent)
            .customize()
            .interceptor(date.clone());
        // Boxed: the SDK's futures take kilobytes each.
        let answer = Box::pin(request.send()).await.map_err(|error| self.gap("dynamodb:GetItem", &error, began))?;
        let no_date = || Gap::Malformed { detail: "dynamodb:GetItem: the answer has no Date header".to_owned() };
        Ok((answer.item, date.get().ok_or_else(no_date)?))
    }

    /// Writes a chunk. Another process that writes it writes the same bytes.
    pub(super) async fn put_chunk(&self, vpc: &VpcId, digest: &str, data: Vec<u8>, expires: u64) -> Result<(), Gap> {
        let began = Instant::now();
        let mut item = key(vpc.as_str(), &chunk_key(digest));
        item.insert(DATA.to_owned(), AttributeValue::B(Blob::new(data)));
        item.insert(EXPIRES.to_owned(), number(expires));
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        Box::pin(request.send()).await.map_err(|error| self.gap("dynamodb:PutItem", &error, began))?;
        Ok(())
    }

    /// Takes a VPC's spot check for one reader, who may have it already. Where it is another's, that takes half a read unit.
    pub(super) async fn take_spot_check(&self, check: &SpotCheckItem<'_>, expires: u64) -> Result<Written, Gap> {
        let (pk, sk) = check.key();
        let (item, _) = self.get(&pk, &sk, false).await?;
        let [number, reader] = [number(check.number), AttributeValue::S(check.reader.to_owned())];
        if item.is_some_and(|item| item.get(NUMBER) == Some(&number) && item.get(READER) != Some(&reader)) {
            return Ok(Written::Lost);
        }
        let set = "SET #number = :number, #reader = :reader, #expires = :expires";
        // Whatever else is there, a later one included, does not keep spot checks from being made.
        let condition = "attribute_not_exists(#number) OR #number <> :number OR #reader = :reader";
        let names = [("#number", NUMBER), ("#reader", READER), ("#expires", EXPIRES)];
        let values = vec![(":number", number), (":reader", reader), (":expires", self::number(expires))];
        self.change((&pk, &sk), (set, condition), &names, values).await
    }

    /// Leaves a spot check that was taken to others.
    pub(super) async fn give_back_spot_check(&self, check: &SpotCheckItem<'_>) -> Result<Written, Gap> {
        let (pk, sk) = check.key();
        let names = [("#number", NUMBER), ("#reader", READER)];
        let reader = vec![(":reader", AttributeValue::S(check.reader.to_owned()))];
        self.change((&pk, &sk), ("REMOVE #number", "#reader = :reader"), &names, reader).await
    }

    /// Writes what an instance reports of itself.
    pub(super) async fn put_status(&self, status: &InstanceStatus, expires: u64) -> Result<(), Gap> {
        let began = Instant::now();
        let mut item = key(&status.instance, STATUS);
        let fields = serde_json::to_value(status).map_err(|error| Gap::Failed { detail: error.to_string() })?;
        for (name, value) in fields.as_object().into_iter().flatten() {
            if let Some(text) = value.as_str() {
                item.insert(name.clone(), AttributeValue::S(text.to_owned()));
            }
        }
        item.insert(EXPIRES.to_owned(), number(expires));
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        Box::pin(request.send()).await.map_err(|error| self.gap("dynamodb:PutItem", &error, began))?;
        Ok(())
    }

    /// A page of what instances report: those of one VPC, or all.
    pub(super) async fn statuses(&self, vpc: Option<&VpcId>, from: Option<Item>) -> Result<Page, Gap> {
        let (date, began) = (ServerDate::default(), Instant::now());
        let (items, last) = match vpc {
            Some(vpc) => {
                let request = self
                    .client
                    .query()
                    .table_name(&self.table)
                    .index_name(BY_VPC)
                    .key_condition_expression("#vpc = :vpc")
                    .expression_attribute_names("#vpc", VPC)
                    .expression_attribute_values(":vpc", AttributeValue::S(vpc.to_string()))
                    .set_exclusive_start_key(from)
                    .customize()
                    .interceptor(date.clone());
                let answer =
                    Box::pin(request.send()).await.map_err(|error| self.gap("dynamodb:Query", &error, began))?;
                (answer.items, answer.last_evaluated_key)
            }
            None => {
                let request = self
                    .client
                    .scan()
                    .table_name(&self.table)
                    .index_name(BY_VPC)
                    .set_exclusive_start_key(from)
                    .customize()
                    .interceptor(date.clone());
                let answer =
                    Box::pin(request.send()).await.map_err(|error| self.gap("dynamodb:Scan", &error, began))?;
                (answer.items, answer.last_evaluated_key)
            }
        };
        let at = date.get().ok_or_else(|| Gap::Malformed { detail: "the answer has no Date header".to_owned() })?;
        let items = items.ok_or_else(|| Gap::Malformed { detail: "the answer has no items".to_owned() })?;
        Ok(Page { items, at, last: last.filter(|last| !last.is_empty()) })
    }

    /// Takes the lease of a head that still has this counter, at this time by DynamoDB's clock.
    pub(super) async fn take_lease(
        &self,
        vpc: &VpcId,
        seen: Option<u64>,
        publisher: &str,
        at: Timestamp,
    ) -> Result<Written, Gap> {
        let set = "SET #counter = :next, #publisher = :publisher, #leased = :leased";
        let text = |text: String| AttributeValue::S(text);
        let values = vec![(":publisher", text(publisher.to_owned())), (":leased", text(at.to_string()))];
        self.update(vpc, seen, set, &[("#publisher", PUBLISHER), ("#leased", LEASED_AT)], values).await
    }

    /// Says that the holder of the lease is at work, without counting up: others may still take it.
    pub(super) async fn renew_lease(&self, vpc: &VpcId, seen: u64, at: Timestamp) -> Result<Written, Gap> {
        let condition = "#counter = :seen AND attribute_exists(#leased)";
        let values = vec![(":leased", AttributeValue::S(at.to_string())), (":seen", number(seen))];
        let names = [("#leased", LEASED_AT), ("#counter", COUNTER)];
        self.change((vpc.as_str(), HEAD), ("SET #leased = :leased", condition), &names, values).await
    }

    /// Gives the lease back of a head that still has this counter.
    pub(super) async fn give_lease_back(&self, vpc: &VpcId, seen: u64) -> Result<Written, Gap> {
        let set = "SET #counter = :next REMOVE #publisher, #leased";
        let names = [("#publisher", PUBLISHER), ("#leased", LEASED_AT)];
        self.update(vpc, Some(seen), set, &names, Vec::new()).await
    }

    /// Publishes a head in place of one that still has this counter.
    pub(super) async fn publish(&self, vpc: &VpcId, seen: u64, head: NewHead<'_>) -> Result<Written, Gap> {
        let mut values = vec![
            (":publisher", AttributeValue::S(head.publisher.to_owned())),
            (":document", AttributeValue::B(Blob::new(head.document))),
            (":at", AttributeValue::S(head.observed_at.to_string())),
            (":expires", number(head.expires)),
        ];
        let mut set =
            "SET #counter = :next, #publisher = :publisher, #document = :document, #at = :at, #expires = :expires"
                .to_owned();
        let mut remove = " REMOVE #leased".to_owned();
        match head.signature {
            Some(signature) => {
                set += ", #signature = :signature";
                values.push((":signature", AttributeValue::B(Blob::new(signature))));
            }
            None => remove += ", #signature",
        }
        set += &remove;
        let names = [
            ("#publisher", PUBLISHER),
            ("#document", DOCUMENT),
            ("#signature", SIGNATURE),
            ("#leased", LEASED_AT),
            ("#at", OBSERVED_AT),
            ("#expires", EXPIRES),
        ];
        self.update(vpc, Some(seen), &set, &names, values).await
    }

    /// Changes the head where its counter is the one that was seen, and counts it up.
    async fn update(
        &self,
        vpc: &VpcId,
        seen: Option<u64>,
        set: &str,
        names: &[(&str, &str)],
        values: Vec<(&str, AttributeValue)>,
    ) -> Result<Written, Gap> {
        let condition = if seen.is_some() { "#counter = :seen" } else { "attribute_not_exists(#counter)" };
        let next = seen.unwrap_or_default().saturating_add(1);
        let seen = seen.map(|seen| (":seen", number(seen)));
        let names = [names, &[("#counter", COUNTER)]].concat();
        let values = values.into_iter().chain([(":next", number(next))]).chain(seen).collect();
        self.change((vpc.as_str(), HEAD), (set, condition), &names, values).await
    }

    /// Changes an item where a condition holds.
    async fn change(
        &self,
        (pk, sk): (&str, &str),
        (change, condition): (&str, &str),
        names: &[(&str, &str)],
        values: Vec<(&str, AttributeValue)>,
    ) -> Result<Written, Gap> {
        let began = Instant::now();
        let request = self.client.update_item().table_name(&self.table).set_key(Some(key(pk, sk)));
        let mut request = request.update_expression(change).condition_expression(condition);
        for (name, attribute) in names {
            request = request.expression_attribute_names(*name, *attribute);
        }
        for (name, value) in values {
            request = request.expression_attribute_values(name, value);
        }
        match Box::pin(request.send()).await {
            Ok(_) => Ok(Written::Yes),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(Written::Lost),
            Err(error) => Err(self.gap("dynamodb:UpdateItem", &error, began)),
        }
    }

    /// Why a request gave nothing.
    fn gap<E>(&self, action: &str, error: &SdkError<E, HttpResponse>, began: Instant) -> Gap
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let message = error.message().unwrap_or_default();
        match error.code() {
            Some("ResourceNotFoundException") => Gap::NotFound {
                detail: format!(
                    "the table {} of the shared facts: onnet policy --facts-table has the command",
                    self.table
                ),
            },
            Some("ValidationException") if message.contains("key element") => Gap::Failed {
                detail: format!("the table {} has another key than pk and sk (both strings): {message}", self.table),
            },
            Some("AccessDeniedException") if denied_by_endpoint_policy(message) => Gap::Denied {
                action: format!("the policy of the VPC endpoint denies {} on the table {}", verb(action), self.table),
            },
            Some(
                code @ ("ProvisionedThroughputExceededException" | "ThrottlingException" | "RequestLimitExceeded"),
            ) => Gap::Throttled { detail: format!("{code}: {message}") },
            _ => match find_cause::<TooLong>(error) {
                Some(answer) => answer.gap(action),
                None => gap::of(action, error, began.elapsed()),
            },
        }
    }
}

/// The name of an operation: an action has a colon, by which it is taken for one to grant.
fn verb(action: &str) -> &str {
    action.rsplit(':').next().unwrap_or(action)
}

impl HeadItem {
    fn read(item: &Item) -> Result<Self, Gap> {
        let text = |name| match item.get(name) {
            None => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text.clone())),
            Some(_) => Err(malformed(name)),
        };
        let counter = match item.get(COUNTER) {
            None => None,
            Some(AttributeValue::N(number)) => Some(number.parse().map_err(|_| malformed(COUNTER))?),
            Some(_) => return Err(malformed(COUNTER)),
        };
        let (document, signature) = (bytes(item, DOCUMENT)?, bytes(item, SIGNATURE)?);
        let time = |name| item.get(name).and_then(|at| serde_json::from_value(at.as_s().ok()?.as_str().into()).ok());
        let (observed_at, leased_at) = (time(OBSERVED_AT), time(LEASED_AT));
        Ok(Self { counter, publisher: text(PUBLISHER)?, leased_at, document, signature, observed_at })
    }
}

/// What an instance reported of itself. It is named by the key under which it may write.
///
/// # Errors
/// Why it is not a status, with its key.
pub(super) fn status(item: &Item) -> Result<InstanceStatus, String> {
    let text = |name: &str| match item.get(name) {
        Some(AttributeValue::S(text)) => Some(text.as_str()),
        Some(_) | None => None,
    };
    let Some(key) = text(PK) else { return Err("an item without a key".to_owned()) };
    let is_instance = key.starts_with("arn:") && key.contains(":instance/i-") && text(SK) == Some(STATUS);
    if !is_instance {
        return Err(format!("the item of {key} is not the status of an instance"));
    }
    let fields = item.iter().filter_map(|(name, value)| Some((name.clone(), value.as_s().ok()?.clone().into())));
    let mut fields: serde_json::Map<String, serde_json::Value> = fields.collect();
    fields.insert("instance".to_owned(), key.into());
    let status: Result<InstanceStatus, _> = serde_json::from_value(fields.into());
    status.map_err(|error| format!("the item of {key} is not the status of an instance: {error}"))
}

fn bytes(item: &Item, name: &str) -> Result<Option<Vec<u8>>, Gap> {
    match item.get(name) {
        None => Ok(None),
        Some(AttributeValue::B(bytes)) => Ok(Some(bytes.as_ref().to_vec())),
        Some(_) => Err(malformed(name)),
    }
}

fn malformed(name: &str) -> Gap {
    Gap::Malformed { detail: format!("an item of the shared facts without a usable attribute `{name}`") }
}

fn chunk_key(digest: &str) -> String {
    format!("chunk.{digest}")
}

fn key(pk: &str, sk: &str) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    HashMap::from([(PK.to_owned(), text(pk)), (SK.to_owned(), text(sk))])
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Notes DynamoDB's clock: the `Date` header of an answer.
#[derive(Clone, Debug, Default)]
struct ServerDate(Arc<OnceLock<Timestamp>>);

impl ServerDate {
    fn get(&self) -> Option<Timestamp> {
        self.0.get().copied()
    }
}

impl Intercept for ServerDate {
    fn name(&self) -> &'static str {
        "onnet::server_date"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        if let Some(at) = date.and_then(|date| SystemTime::try_from(date).ok()) {
            self.0.get_or_init(|| at.into());
        }
        Ok(())
    }
}
