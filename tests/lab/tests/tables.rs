//! The lab's DynamoDB tables: they behave as the documentation of DynamoDB says, to the AWS SDK's client.

use super::sdk;
use crate::{
    Done, ONNET, Test,
    lab::{DateField, Fault, Lab, Mode, Service, Table, World, daemon::PATIENCE, iam::Policy, run},
    named,
};
use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        RequestId as _,
        get_item::{GetItemError, GetItemOutput},
        update_item::UpdateItemError,
    },
    primitives::{Blob, DateTime, DateTimeFormat},
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeDeserializationInterceptorContextRef},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt::Debug,
    net::Ipv4Addr,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::SystemTime,
};

pub(super) fn trials(namespaces: bool) -> Vec<Trial> {
    let on_loopback: [(&'static str, Test); 11] = [
        ("tables::one_of_fifty_conditional_writes_wins", race),
        ("tables::an_eventually_consistent_read_may_be_late", consistency),
        ("tables::a_query_has_pages_of_a_megabyte", pages),
        ("tables::a_query_of_the_index_finds_what_has_its_attributes", index),
        ("tables::an_item_has_at_most_400_kilobytes", sizes),
        ("tables::a_key_has_to_match_the_schema", keys),
        ("tables::updates_and_conditions_do_what_they_say", expressions),
        ("tables::an_expression_that_dynamodb_refuses_is_refused", refused),
        ("tables::a_table_of_another_account_needs_its_arn_and_both_policies", arns),
        ("tables::the_date_of_an_answer_can_be_wrong_or_absent", date),
        ("tables::the_faults_of_dynamodb_are_those_of_items_too", faults),
    ];
    let in_namespaces: [(&'static str, Test); 2] = [
        ("tables::rights_are_by_leading_key", rights),
        ("tables::elsewhere_in_the_vpc_a_host_has_its_own_way", elsewhere),
    ];
    named(on_loopback, true).into_iter().chain(named(in_namespaces, namespaces)).collect()
}

const EVERYTHING: &str =
    r#"{ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*" } }"#;
const OTHER_ACCOUNT: &str = "444455556666";

fn policy(text: &str) -> Policy {
    Policy::inline(text).unwrap()
}

/// A lab on loopback with the table `onnet-facts`, whose role may do everything, and the SDK's client.
fn with_client(table: Table, asks: impl AsyncFn(&Lab, &Client) -> Done) -> Done {
    let lab = Lab::start(World::on_net().with_role_policies([policy(EVERYTHING)]), Mode::Loopback)?;
    lab.create_table(table);
    let client = sdk::client(&lab)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(asks(&lab, &client))
}

fn facts() -> Table {
    Table::new("onnet-facts")
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The code and the message of a refusal.
fn refusal<T: Debug, E: ProvideErrorMetadata + Debug>(answer: Result<T, SdkError<E>>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => match error.as_service_error() {
            Some(said) => {
                format!("{}: {}", said.code().unwrap_or_default(), said.message().unwrap_or_default())
            }
            None => format!("{error:?}"),
        },
    }
}

type Got = Result<GetItemOutput, SdkError<GetItemError>>;

async fn get(client: &Client, table: &str, pk: &str, sk: &str, consistent: bool) -> Got {
    let get = client.get_item().table_name(table).key("pk", text(pk)).key("sk", text(sk));
    get.consistent_read(consistent).send().await
}

fn race() -> Done {
    with_client(facts(), async |lab, client| {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..50 {
            let update =
                client.update_item().table_name("onnet-facts").key("pk", text("vpc-1")).key("sk", text("head"));
            let update = update
                .update_expression("SET lease = if_not_exists(lease, :none) + :one, publisher = :writer")
                .condition_expression("attribute_not_exists(lease) OR lease = :seen")
                .expression_attribute_values(":none", number(0))
                .expression_attribute_values(":seen", number(0))
                .expression_attribute_values(":one", number(1))
                .expression_attribute_values(":writer", number(writer));
            writers.spawn(async move { refusal(update.send().await) });
        }
        let mut answers: BTreeMap<bool, Vec<String>> = BTreeMap::new();
        for answer in writers.join_all().await {
            answers.entry(answer.starts_with("UpdateItemOutput")).or_default().push(answer);
        }
        assert_eq!(answers[&true].len(), 1, "{answers:?}");
        let lost = "ConditionalCheckFailedException: The conditional request failed";
        assert_eq!(answers[&false], vec![lost; 49]);
        assert_eq!(
            lab.tables().named("onnet-facts").item("vpc-1", "head").ok_or("an item")?["lease"],
            json!({ "N": "1" })
        );
        assert_eq!(lab.requests_to_table("onnet-facts")["UpdateItem"], 50);
        Ok(())
    })
}

fn consistency() -> Done {
    with_client(facts(), async |lab, client| {
        let put = |version: i64| {
            let put = client.put_item().table_name("onnet-facts").item("pk", text("vpc-1")).item("sk", text("head"));
            put.item("version", number(version)).send()
        };
        let version = |got: GetItemOutput| got.item.map(|item| item["version"].as_n().unwrap().clone());
        put(1).await?;
        assert_eq!(version(get(client, "onnet-facts", "vpc-1", "head", false).await?), Some("1".to_owned()));
        lab.tables().named("onnet-facts").lags = true;
        assert_eq!(version(get(client, "onnet-facts", "vpc-1", "head", false).await?), None, "it was not there before");
        put(2).await?;
        assert_eq!(version(get(client, "onnet-facts", "vpc-1", "head", false).await?), Some("1".to_owned()));
        assert_eq!(version(get(client, "onnet-facts", "vpc-1", "head", true).await?), Some("2".to_owned()));
        // Behind DynamoDB's back.
        let changed = Some(json!({ "N": "3" }));
        lab.tables().named("onnet-facts").set("vpc-1", "head", "version", changed);
        assert_eq!(version(get(client, "onnet-facts", "vpc-1", "head", true).await?), Some("3".to_owned()));
        lab.tables().named("onnet-facts").remove("vpc-1", "head");
        assert_eq!(version(get(client, "onnet-facts", "vpc-1", "head", false).await?), Some("3".to_owned()));
        assert_eq!(version(get(client, "onnet-facts", "vpc-1", "head", true).await?), None);
        Ok(())
    })
}

fn item(value: Value) -> serde_json::Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn pages() -> Done {
    with_client(facts(), async |lab, client| {
        let large = "a".repeat(300 * 1024);
        for number in 0..8 {
            let chunk =
                json!({ "pk": { "S": "vpc-1" }, "sk": { "S": format!("rtb#{number}") }, "chunk": { "S": large } });
            lab.tables().named("onnet-facts").put(item(chunk));
        }
        lab.tables().named("onnet-facts").put(item(json!({ "pk": { "S": "vpc-1" }, "sk": { "S": "head" } })));
        let query = || {
            let query = client.query().table_name("onnet-facts");
            let query = query.key_condition_expression("pk = :vpc AND begins_with(sk, :start)");
            query.expression_attribute_values(":vpc", text("vpc-1")).expression_attribute_values(":start", text("rtb#"))
        };
        // Three items of 300 KB are below a megabyte, four are not.
        let (mut counts, mut start) = (Vec::new(), None);
        loop {
            let page = query().set_exclusive_start_key(start).send().await?;
            counts.push(page.count());
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        assert_eq!(counts, [3, 3, 2]);
        let all = query().into_paginator().items().send().collect::<Result<Vec<_>, _>>().await?;
        let found: Vec<&str> = all.iter().map(|item| item["sk"].as_s().unwrap().as_str()).collect();
        assert_eq!(found, (0..8).map(|number| format!("rtb#{number}")).collect::<Vec<_>>());
        let two = query().limit(2).scan_index_forward(false).projection_expression("sk").send().await?;
        assert_eq!(two.items()[1]["sk"], text("rtb#6"));
        assert_eq!(
            (two.items()[1].len(), two.last_evaluated_key().map(|key| key["sk"].clone())),
            (1, Some(text("rtb#6")))
        );
        Ok(())
    })
}

fn index() -> Done {
    with_client(facts(), async |lab, client| {
        for (number, vpc) in ["vpc-1", "vpc-1", "vpc-2", "vpc-1"].into_iter().enumerate() {
            let instance = format!("i-{number}");
            let status = json!({ "pk": { "S": format!("arn:{number}") }, "sk": { "S": "status" }, "vpc": { "S": vpc },
                "instance": { "S": instance } });
            lab.tables().named("onnet-facts").put(item(status));
        }
        lab.tables().named("onnet-facts").put(item(json!({ "pk": { "S": "vpc-1" }, "sk": { "S": "head" } })));
        let query = || {
            let query = client.query().table_name("onnet-facts").index_name("by-vpc");
            query.key_condition_expression("vpc = :vpc").expression_attribute_values(":vpc", text("vpc-1"))
        };
        let all = query().limit(1).into_paginator().items().send().collect::<Result<Vec<_>, _>>().await?;
        let found: Vec<&str> = all.iter().map(|item| item["instance"].as_s().unwrap().as_str()).collect();
        assert_eq!(found, ["i-0", "i-1", "i-3"]);
        let first = query().limit(1).send().await?;
        let mut key: Vec<&String> = first.last_evaluated_key().ok_or("there is more")?.keys().collect();
        key.sort();
        assert_eq!(key, ["instance", "pk", "sk", "vpc"]);
        assert_eq!(
            refusal(query().consistent_read(true).send().await),
            "ValidationException: Consistent reads are not supported on global secondary indexes"
        );
        assert_eq!(
            refusal(query().index_name("by-subnet").send().await),
            "ValidationException: The table does not have the specified index: by-subnet"
        );
        let described = client.describe_table().table_name("onnet-facts").send().await?;
        let described = described.table().ok_or("a table")?;
        assert_eq!(described.global_secondary_indexes()[0].index_name(), Some("by-vpc"));
        assert_eq!((described.item_count(), described.key_schema().len()), (Some(5), 2));
        Ok(())
    })
}

fn sizes() -> Done {
    with_client(facts(), async |_, client| {
        let put = |bytes: usize| {
            let put = client.put_item().table_name("onnet-facts").item("pk", text("vpc-1")).item("sk", text("chunk"));
            put.item("b", AttributeValue::B(Blob::new(vec![7; bytes]))).send()
        };
        // The names and values of the key count, and the attribute's name.
        let key = "pk".len() + "vpc-1".len() + "sk".len() + "chunk".len() + "b".len();
        put(400 * 1024 - key).await?;
        let got = get(client, "onnet-facts", "vpc-1", "chunk", true).await?;
        assert_eq!(got.item().map(|item| item["b"].as_b().unwrap().as_ref().len()), Some(400 * 1024 - key));
        assert_eq!(
            refusal(put(400 * 1024 - key + 1).await),
            "ValidationException: Item size has exceeded the maximum allowed size"
        );
        let update = client.update_item().table_name("onnet-facts").key("pk", text("vpc-1")).key("sk", text("chunk"));
        let update = update.update_expression("SET c = :one").expression_attribute_values(":one", number(1));
        assert_eq!(
            refusal(update.send().await),
            "ValidationException: Item size to update has exceeded the maximum allowed size"
        );
        Ok(())
    })
}

fn keys() -> Done {
    with_client(facts(), async |lab, client| {
        let mismatch = "ValidationException: The provided key element does not match the schema";
        let get_item = || client.get_item().table_name("onnet-facts");
        assert_eq!(refusal(get_item().key("pk", text("vpc-1")).send().await), mismatch);
        assert_eq!(refusal(get_item().key("pk", text("vpc-1")).key("sk", number(1)).send().await), mismatch);
        let more = get_item().key("pk", text("vpc-1")).key("sk", text("head")).key("more", text("a"));
        assert_eq!(refusal(more.send().await), mismatch);
        let empty = "ValidationException: One or more parameter values are not valid. The AttributeValue for a key attribute \
                     cannot contain an empty string value. Key: sk";
        assert_eq!(refusal(get(client, "onnet-facts", "vpc-1", "", true).await), empty);
        let put = || client.put_item().table_name("onnet-facts").item("pk", text("vpc-1"));
        let invalid = "ValidationException: One or more parameter values were invalid: ";
        assert_eq!(refusal(put().send().await), format!("{invalid}Missing the key sk in the item"));
        assert_eq!(
            refusal(put().item("sk", number(1)).send().await),
            format!("{invalid}Type mismatch for key sk expected: S actual: N")
        );
        assert_eq!(
            refusal(put().item("sk", text("status")).item("vpc", number(1)).send().await),
            format!("{invalid}Type mismatch for Index Key vpc Expected: S Actual: N IndexName: by-vpc")
        );
        let update = client.update_item().table_name("onnet-facts").key("pk", text("vpc-1")).key("sk", text("head"));
        let update = update.update_expression("SET sk = :sk").expression_attribute_values(":sk", text("other"));
        assert_eq!(
            refusal(update.send().await),
            format!("{invalid}Cannot update attribute sk. This attribute is part of the key")
        );
        assert_eq!(
            refusal(get(client, "no-such-table", "vpc-1", "head", true).await),
            "ResourceNotFoundException: Requested resource not found"
        );
        assert_eq!(lab.tables().named("onnet-facts").items().count(), 0);

        lab.create_table(Table::new("settings").with_key("name", None).without_index());
        client.put_item().table_name("settings").item("name", text("period")).item("s", number(300)).send().await?;
        let got = client.get_item().table_name("settings").key("name", text("period")).send().await?;
        assert_eq!(got.item().map(|item| item["s"].clone()), Some(number(300)));
        assert_eq!(refusal(get(client, "settings", "vpc-1", "head", true).await), mismatch);
        Ok(())
    })
}

/// One update after the other of one item: its condition, what it does, what it returns.
fn expressions() -> Done {
    with_client(facts(), async |_, client| {
        let update = async |condition: Option<&str>, change: &str, returns: ReturnValue| {
            let update =
                client.update_item().table_name("onnet-facts").key("pk", text("vpc-1")).key("sk", text("head"));
            let mut update = update
                .set_condition_expression(condition.map(str::to_owned))
                .update_expression(change)
                .return_values(returns)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            let used = format!("{change} {}", condition.unwrap_or_default());
            for (name, value) in [(":nine", number(9)), (":ten", number(10)), (":a", text("a")), (":b", text("b"))] {
                if used.contains(name) {
                    update = update.expression_attribute_values(name, value);
                }
            }
            if used.contains("#counter") {
                update = update.expression_attribute_names("#counter", "counter");
            }
            match update.send().await {
                Ok(answer) => shown(answer.attributes.unwrap_or_default()),
                Err(error) => match error.into_service_error() {
                    UpdateItemError::ConditionalCheckFailedException(failed) => {
                        format!("failed: {}", shown(failed.item.unwrap_or_default()))
                    }
                    other => format!("{other:?}"),
                },
            }
        };
        use ReturnValue::{AllNew, AllOld, None as Nothing, UpdatedNew};
        let key = "pk=vpc-1 sk=head";
        let steps: Vec<(Option<&str>, &str, ReturnValue, String)> = vec![
            (Some("attribute_exists(pk)"), "SET x = :a", AllNew, "failed: ".to_owned()),
            (Some("attribute_not_exists(pk)"), "SET #counter = :nine, x = :a", AllOld, String::new()),
            (None, "SET #counter = #counter + :ten", UpdatedNew, "counter=19".to_owned()),
            (None, "SET #counter = #counter - :nine REMOVE x", AllNew, format!("counter=10 {key}")),
            (Some("#counter = :ten"), "SET y = if_not_exists(y, :a)", UpdatedNew, "y=a".to_owned()),
            (None, "SET y = if_not_exists(y, :b), z = y", UpdatedNew, "y=a z=a".to_owned()),
            // As text, 9 would be above 10.
            (Some("#counter > :nine"), "SET x = :a", Nothing, String::new()),
            (Some("#counter < :nine"), "SET x = :b", Nothing, format!("failed: counter=10 {key} x=a y=a z=a")),
            (
                Some("NOT (#counter <> :ten OR x = :b) AND begins_with(sk, :a)"),
                "SET x = :b",
                Nothing,
                format!("failed: counter=10 {key} x=a y=a z=a"),
            ),
            (
                Some("x = :b OR y = :a AND z = :b"),
                "SET x = :b",
                Nothing,
                format!("failed: counter=10 {key} x=a y=a z=a"),
            ),
            (Some("(x = :b OR y = :a) AND z <> :b"), "REMOVE x, y", AllNew, format!("counter=10 {key} z=a")),
            (Some("absent <> :a"), "SET #counter = :nine", AllOld, format!("counter=10 {key} z=a")),
        ];
        for (condition, change, returns, expected) in steps {
            assert_eq!(update(condition, change, returns).await, expected, "{change} if {condition:?}");
        }
        Ok(())
    })
}

fn shown(item: impl IntoIterator<Item = (String, AttributeValue)>) -> String {
    let text = |value: AttributeValue| match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text,
        other => format!("{other:?}"),
    };
    let mut shown: Vec<String> = item.into_iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
    shown.sort();
    shown.join(" ")
}

fn refused() -> Done {
    with_client(facts(), async |_, client| {
        for (change, message) in [
            ("SET owner = :a", "Attribute name is a reserved keyword; reserved keyword: owner"),
            ("SET a = :b", "An expression attribute value used in expression is not defined; attribute value: :b"),
            (
                "SET #a = :a",
                "An expression attribute name used in the document path is not defined; attribute name: #a",
            ),
            ("SET a := :a", "Syntax error; token: \":\", near: \"a : =\""),
            ("SET a = :a, a = :a", "Two document paths overlap"),
            ("SET a = b, c = :a", "refers to an attribute that does not exist in the item"),
            ("SET a = :a + :a", "An operand in the update expression has an incorrect data type"),
            ("REMOVE a", "unused in expressions: keys: {:a}"),
        ] {
            let update =
                client.update_item().table_name("onnet-facts").key("pk", text("vpc-1")).key("sk", text("head"));
            let update = update.update_expression(change).expression_attribute_values(":a", text("a"));
            let said = refusal(update.send().await);
            assert!(said.starts_with("ValidationException: ") && said.contains(message), "{change}: {said}");
        }
        let query = client.query().table_name("onnet-facts").key_condition_expression("sk = :a");
        let said = refusal(query.expression_attribute_values(":a", text("a")).send().await);
        assert_eq!(said, "ValidationException: Query condition missed key schema element: pk");
        Ok(())
    })
}

fn arns() -> Done {
    let reads = r#"{ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "dynamodb:GetItem",
        "Principal": { "AWS": "arn:aws:iam::111122223333:role/onnet" }, "Resource": "*" } }"#;
    with_client(facts(), async |lab, client| {
        let other = lab.create_table(Table::new("shared").owned_by(OTHER_ACCOUNT).with_policy(reads));
        assert_eq!(other, "arn:aws:dynamodb:us-east-1:444455556666:table/shared");
        let own = lab.tables().arn("onnet-facts");
        for table in [&*own, "onnet-facts", &*other] {
            let head = json!({ "pk": { "S": "vpc-1" }, "sk": { "S": "head" } });
            lab.tables().named(table).put(item(head));
            assert!(get(client, table, "vpc-1", "head", true).await?.item.is_some(), "{table}");
        }
        let not_found = "ResourceNotFoundException: Requested resource not found";
        assert_eq!(refusal(get(client, "shared", "vpc-1", "head", true).await), not_found);
        let put = client.put_item().table_name(&other).item("pk", text("vpc-1")).item("sk", text("head"));
        let said = refusal(put.send().await);
        let because = "because no resource-based policy allows the dynamodb:PutItem action";
        assert!(said.starts_with("AccessDeniedException: ") && said.ends_with(because), "{said}");
        lab.world().policies.identity.truncate(1);
        let said = refusal(get(client, &other, "vpc-1", "head", true).await);
        assert!(said.ends_with("because no identity-based policy allows the dynamodb:GetItem action"), "{said}");
        Ok(())
    })
}

fn faults() -> Done {
    with_client(facts(), async |lab, client| {
        for (fault, said) in [
            (Fault::Throttle, "ThrottlingException: "),
            (Fault::Denied, "AccessDeniedException: User: "),
            (Fault::InternalError, "InternalServerError: "),
            // An answer that does not parse has neither code nor message.
            (Fault::Garbage, ": "),
        ] {
            lab.set_fault(Service::DynamoDb, Some(fault));
            let answer = refusal(get(client, "onnet-facts", "vpc-1", "head", true).await);
            assert!(answer.starts_with(said), "{fault:?}: {answer}");
        }
        lab.set_fault(Service::DynamoDb, None);
        let got = get(client, "onnet-facts", "vpc-1", "head", true).await?;
        assert!(got.request_id().is_some_and(|id| id.len() == 52), "{got:?}");
        Ok(())
    })
}

/// What DynamoDB answers: the body, or the error's name and message.
fn said(answer: Result<String, String>) -> Result<String, Failed> {
    let Err(body) = answer else { return Ok(answer.unwrap_or_default()) };
    let body: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
    let name = body["__type"].as_str().and_then(|name| name.rsplit('#').next()).unwrap_or_default();
    Ok(format!("{name}: {}", body["message"].as_str().or(body["Message"].as_str()).unwrap_or_default()))
}

fn key(pk: &str, sk: &str) -> String {
    json!({ "TableName": "onnet-facts", "Key": { "pk": { "S": pk }, "sk": { "S": sk } } }).to_string()
}

fn put(pk: &str, sk: &str) -> String {
    json!({ "TableName": "onnet-facts", "Item": { "pk": { "S": pk }, "sk": { "S": sk } } }).to_string()
}

fn by_key(action: &str, key: &str) -> Policy {
    policy(&format!(
        r#"{{ "Version": "2012-10-17", "Statement": {{ "Effect": "Allow", "Action": "dynamodb:{action}",
            "Resource": "arn:aws:dynamodb:*:*:table/onnet-facts",
            "Condition": {{ "ForAllValues:StringEquals": {{ "dynamodb:LeadingKeys": "{key}" }},
                            "Null": {{ "dynamodb:LeadingKeys": "false" }} }} }} }}"#
    ))
}

fn rights() -> Done {
    let own = "arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0";
    let world = World::on_net().with_role_policies([
        by_key("GetItem", "${aws:Ec2InstanceSourceVpc}"),
        by_key("PutItem", "${ec2:SourceInstanceARN}"),
    ]);
    let endpoint = world.endpoints[0].id.clone();
    let lab = Lab::start(world, Mode::Namespaces)?;
    lab.create_table(facts());
    let denied = |action: &str| {
        format!(
            "AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/onnet/i-0123456789abcdef0 is not authorized \
             to perform: dynamodb:{action} on resource: arn:aws:dynamodb:us-east-1:111122223333:table/onnet-facts because no \
             identity-based policy allows the dynamodb:{action} action"
        )
    };
    assert_eq!(said(lab.ask_dynamodb("GetItem", &key("vpc-0bbc736e", "head"))?)?, "{}");
    assert_eq!(said(lab.ask_dynamodb("GetItem", &key("vpc-00000000", "head"))?)?, denied("GetItem"));
    assert_eq!(said(lab.ask_dynamodb("PutItem", &put(own, "status"))?)?, "{}");
    assert_eq!(said(lab.ask_dynamodb("PutItem", &put("vpc-0bbc736e", "head"))?)?, denied("PutItem"));
    let query = json!({ "TableName": "onnet-facts", "IndexName": "by-vpc", "KeyConditionExpression": "vpc = :vpc",
        "ExpressionAttributeValues": { ":vpc": { "S": "vpc-0bbc736e" } } });
    let of_index = denied("Query").replace("onnet-facts because", "onnet-facts/index/by-vpc because");
    assert_eq!(said(lab.ask_dynamodb("Query", &query.to_string())?)?, of_index);

    let only_reads =
        EVERYTHING.replace("\"Action\": \"dynamodb:*\"", "\"Principal\": \"*\", \"Action\": \"dynamodb:GetItem\"");
    lab.world().policies.endpoint.insert(endpoint, policy(&only_reads));
    let by_endpoint = denied("PutItem").replace("identity-based", "VPC endpoint");
    assert_eq!(said(lab.ask_dynamodb("PutItem", &put(own, "status"))?)?, by_endpoint);
    Ok(())
}

/// The `Date` field of an answer, in seconds after the present.
fn date() -> Done {
    with_client(facts(), async |lab, client| {
        #[expect(clippy::disallowed_methods, reason = "the answer's time is compared with the wall clock")]
        let now = || DateTime::from(SystemTime::now()).secs();
        let dated = async || {
            let dates = Dates::default();
            let get = client.get_item().table_name("onnet-facts").key("pk", text("a")).key("sk", text("b"));
            get.customize().interceptor(dates.clone()).send().await?;
            let text = dates.0.lock().unwrap().take();
            Ok::<Option<String>, Failed>(text)
        };
        for skew in [0, -600, 86_400] {
            lab.set_date_field(DateField::Skewed(skew));
            let before = now();
            let text = dated().await?.ok_or("a Date field")?;
            assert!(text.ends_with(" GMT") && text.len() == "Sun, 29 Nov 2026 10:00:00 GMT".len(), "{text}");
            let said = DateTime::from_str(&text, DateTimeFormat::HttpDate)?.secs();
            assert!((before + skew..=now() + skew).contains(&said), "{skew}: {text}");
        }
        lab.set_date_field(DateField::Absent);
        assert_eq!(dated().await?, None);
        Ok(())
    })
}

/// Keeps the `Date` field of an answer.
#[derive(Clone, Debug, Default)]
struct Dates(Arc<Mutex<Option<String>>>);

impl Intercept for Dates {
    fn name(&self) -> &'static str {
        "dates"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        *self.0.lock().unwrap() = context.response().headers().get("date").map(str::to_owned);
        Ok(())
    }
}

fn elsewhere() -> Done {
    let world = World::endpoint_only().with_role_policies([by_key("GetItem", "${aws:Ec2InstanceSourceVpc}")]);
    let through = r#"{ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "dynamodb:PutItem",
        "Resource": "*", "Condition": { "StringEquals": { "aws:SourceVpc": "${aws:Ec2InstanceSourceVpc}" } } } }"#;
    let world = world.with_elsewhere().with_elsewhere_policies([policy(through)]);
    let lab = Lab::start(world, Mode::Namespaces)?;
    lab.create_table(facts());
    let from = Ipv4Addr::new(172, 31, 48, 10);

    let by_internet = said(lab.ask_dynamodb_elsewhere("PutItem", &put("vpc-0bbc736e", "head"))?)?;
    let who =
        "AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/onnet-elsewhere/i-0fedcba9876543210 ";
    assert!(by_internet.starts_with(who), "{by_internet}");
    lab.edit(|world| *world = world.clone().elsewhere_through_endpoint());
    assert_eq!(said(lab.ask_dynamodb_elsewhere("PutItem", &put("vpc-0bbc736e", "head"))?)?, "{}");
    let read = said(lab.ask_dynamodb("GetItem", &key("vpc-0bbc736e", "head"))?)?;
    assert!(read.contains("\"Item\""), "{read}");
    let seen = lab.requests();
    let putters = seen.iter().filter(|seen| seen.what == "PutItem onnet-facts").map(|seen| seen.from);
    assert_eq!(putters.collect::<Vec<_>>(), [Some(from.into()); 2]);

    // onnet runs there too, with the metadata, the addresses and the routes of that host, and reads EC2; the instance cannot.
    let check = |mut command: Command| -> Result<Value, Failed> {
        command.args(["check", "--format", "json", "--timeout", "6s"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let ran = run(command.stderr(Stdio::piped()), PATIENCE)?;
        Ok(serde_json::from_str(&ran.stdout).map_err(|error| format!("{error}: {ran:?}"))?)
    };
    let report = check(lab.elsewhere(Path::new(ONNET))?)?;
    assert_eq!(report["outcome"], "on_net", "{report:#}");
    let report = check(lab.command(Path::new(ONNET))?)?;
    let findings = report["findings"].as_array().ok_or("findings")?;
    assert!(findings.iter().any(|finding| finding["code"] == "ec2-unreachable"), "{report:#}");
    Ok(())
}
