//! What requests about items do: conditions and updates, pages, sizes, keys.

use super::{facts, get, item, number, refusal, text, with_client};
use crate::{Done, lab::Table};
use aws_sdk_dynamodb::{
    operation::{get_item::GetItemOutput, update_item::UpdateItemError},
    primitives::Blob,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use serde_json::json;
use std::collections::BTreeMap;

pub(super) fn race() -> Done {
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

pub(super) fn consistency() -> Done {
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

pub(super) fn pages() -> Done {
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

pub(super) fn index() -> Done {
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

pub(super) fn sizes() -> Done {
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

pub(super) fn keys() -> Done {
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
pub(super) fn expressions() -> Done {
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

pub(super) fn refused() -> Done {
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
