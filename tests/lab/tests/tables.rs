//! The lab's DynamoDB tables: they behave as the documentation of DynamoDB says, to the AWS SDK's client.

mod items;

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
    },
    primitives::{DateTime, DateTimeFormat},
    types::AttributeValue,
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
    fmt::Debug,
    net::Ipv4Addr,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::SystemTime,
};

pub(super) fn trials(namespaces: bool) -> Vec<Trial> {
    let on_loopback: [(&'static str, Test); 11] = [
        ("tables::one_of_fifty_conditional_writes_wins", items::race),
        ("tables::an_eventually_consistent_read_may_be_late", items::consistency),
        ("tables::a_query_has_pages_of_a_megabyte", items::pages),
        ("tables::a_query_of_the_index_finds_what_has_its_attributes", items::index),
        ("tables::an_item_has_at_most_400_kilobytes", items::sizes),
        ("tables::a_key_has_to_match_the_schema", items::keys),
        ("tables::updates_and_conditions_do_what_they_say", items::expressions),
        ("tables::an_expression_that_dynamodb_refuses_is_refused", items::refused),
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

fn item(value: Value) -> serde_json::Map<String, Value> {
    value.as_object().cloned().unwrap()
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
