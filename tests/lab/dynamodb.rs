//! DynamoDB: `ListTables`, `DescribeTable` and the operations on items, authorized by the IAM engine, and `GET /`.

mod items;

use super::{
    fakes::http::{Request, Response},
    faults::{DateField, Fault},
    iam::{self, Context, Decision},
    imds,
    services::{Call, Shared},
    tables::{Failure, Item, Table, Tables},
    world::{Arrival, World},
};
use aws_smithy_types::{DateTime, date_time::Format};
use serde_json::{Value, json};
use std::time::SystemTime;

const ERRORS: &str = "com.amazonaws.dynamodb.v20120810#";

pub fn answer(shared: &Shared, call: Call, request: &Request, fault: Option<Fault>) -> Response {
    dated(undated(shared, call, request, fault), shared.switchboard.date_field())
}

fn undated(shared: &Shared, call: Call, request: &Request, fault: Option<Fault>) -> Response {
    let target = request.header("x-amz-target");
    let health = request.method == "GET" && (request.path == "/" || request.path == "/ping");
    match (target, fault) {
        (None, Some(Fault::InternalError)) if health => Response::page(500),
        (None, Some(Fault::Validation)) if health => Response::page(400),
        // Unsigned requests know neither permissions nor quotas of an account.
        (None, _) if health => {
            let host = request.header("host").unwrap_or_default();
            let host = host.split(':').next().unwrap_or_default();
            signed(Response::new(200, "text/plain;charset=utf-8", format!("healthy: {host} ")))
        }
        (None, _) => Response::page(404),
        (Some(_), Some(Fault::Garbage)) => {
            signed(Response::new(200, "application/x-amz-json-1.0", "{\"TableNames\":["))
        }
        (Some(_), Some(Fault::Throttle)) => {
            error("ThrottlingException", "Rate of requests exceeds the allowed throughput.")
        }
        (Some(_), Some(Fault::InternalError)) => {
            let answer = error("InternalServerError", "The request could not be processed.");
            Response { status: 500, ..answer }
        }
        (Some(_), Some(Fault::Validation)) => error("ValidationException", "Limit is out of range."),
        (Some(_), Some(Fault::BadCredentials)) => {
            error("UnrecognizedClientException", "The security token included in the request is invalid.")
        }
        (Some(target), fault) => operation(shared, call, request, target, fault),
    }
}

fn operation(shared: &Shared, call: Call, request: &Request, target: &str, fault: Option<Fault>) -> Response {
    let Some(authorization) = request.header("authorization") else {
        return error_of(
            "com.amazon.coral.service#",
            "MissingAuthenticationTokenException",
            "Request is missing Authentication Token",
        );
    };
    let Some((_, name)) = target.split_once("DynamoDB_20120810.") else { return unknown_operation() };
    let body: Option<Item> = serde_json::from_str(&request.body).ok();
    let body = body.unwrap_or_default();
    let is_about_items = items::OPERATIONS.contains(&name);
    let world = shared.world();
    let world = world.seen_by(call.from);
    let mut tables = shared.tables();
    let table = match name {
        "ListTables" => "*".to_owned(),
        _ if is_about_items || name == "DescribeTable" => match table_name(&request.body) {
            Some(table) => table,
            None => return error("ValidationException", INVALID_TABLE_NAME),
        },
        _ => return unknown_operation(),
    };
    let arn = tables.arn(body.get("TableName").and_then(Value::as_str).unwrap_or(&table));
    let resource = match body.get("IndexName").and_then(Value::as_str) {
        Some(index) => format!("{arn}/index/{index}"),
        None => arn.clone(),
    };
    let arrival = arrival(&world, call);
    let mut context = context(&world, &arrival, is_of_instance(authorization));
    if let Some(owner) = arn.split(':').nth(4) {
        context = context.with("aws:ResourceAccount", owner);
    }
    let leading = tables.find(&arn).filter(|_| is_about_items);
    if let Some(leading) = leading.and_then(|table| items::leading_key(table, name, &body)) {
        context = context.with_many("dynamodb:LeadingKeys", &[leading]);
    }
    let asked = iam::Request {
        principal: format!("arn:aws:sts::{}:assumed-role/{}/{}", world.account, world.role, world.instance),
        action: format!("dynamodb:{name}"),
        resource,
        context,
    };
    let because = match (fault, &arrival.endpoint) {
        (Some(Fault::Denied), _) => {
            Some(format!("because no identity-based policy allows the {} action", asked.action))
        }
        // The policy of an endpoint applies only to requests through it.
        (Some(Fault::EndpointPolicy), Some(_)) => {
            Some(format!("because no VPC endpoint policy allows the {} action", asked.action))
        }
        _ => match world.policies.decide(&asked, arrival.endpoint.as_ref().map(|endpoint| endpoint.id.as_str())) {
            Decision::Allowed => None,
            Decision::Denied(denial) => Some(denial.because(&asked.action)),
        },
    };
    if let Some(because) = because {
        return error("AccessDeniedException", &iam::refusal(&asked, &because));
    }
    match (name, tables.find(&arn)) {
        ("ListTables", _) => success(&json!({ "TableNames": names(&world, &tables) })),
        ("DescribeTable", Some(found)) => success(&json!({ "Table": found.description(&arn) })),
        ("DescribeTable", None) if world.tables.contains(&table) => {
            success(&json!({ "Table": description(&arn, &table) }))
        }
        ("DescribeTable", None) => {
            let message = format!("Requested resource not found: Table: {table} not found");
            error("ResourceNotFoundException", &message)
        }
        (_, None) => error("ResourceNotFoundException", "Requested resource not found"),
        (_, Some(found)) => performed(found, name, &body),
    }
}

/// Answers a request about items that is allowed.
pub fn performed(table: &mut Table, operation: &str, request: &Item) -> Response {
    items::perform(table, operation, request).map_or_else(failed, |answer| success(&answer))
}

fn names(world: &World, tables: &Tables) -> Vec<String> {
    let mut names: Vec<String> = world.tables.iter().chain(tables.names()).cloned().collect();
    names.sort();
    names
}

const INVALID_TABLE_NAME: &str = "Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may \
                                  contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'";

/// The table a request is about, given by its name or ARN.
pub fn table_name(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    let given = body["TableName"].as_str()?;
    let name = given.rsplit_once(":table/").map_or(given, |(_, name)| name);
    let is_valid = (3..=255).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    is_valid.then(|| name.to_owned())
}

fn description(arn: &str, table: &str) -> Value {
    json!({
        "AttributeDefinitions": [{ "AttributeName": "Artist", "AttributeType": "S" }],
        "CreationDateTime": 1_767_225_600.5,
        "DeletionProtectionEnabled": false,
        "ItemCount": 0,
        "KeySchema": [{ "AttributeName": "Artist", "KeyType": "HASH" }],
        "ProvisionedThroughput": { "NumberOfDecreasesToday": 0, "ReadCapacityUnits": 5, "WriteCapacityUnits": 5 },
        "TableArn": arn,
        "TableId": "01234567-89ab-cdef-0123-456789abcdef",
        "TableName": table,
        "TableSizeBytes": 0,
        "TableStatus": "ACTIVE",
    })
}

/// How a call arrived. Its destination address selects the route, its source address the network interface.
fn arrival(world: &World, call: Call) -> Arrival {
    match world.interfaces.iter().find(|interface| interface.has(call.from)) {
        Some(sender) => world.arrival(sender, call.from, call.to),
        // On loopback the source address is not an address of an interface: use the one with the default route.
        None => {
            let sender = &world.interfaces[world.default_interface];
            world.arrival(sender, sender.first_address().unwrap_or(call.from), call.to)
        }
    }
}

/// Whether a request is signed with the credentials of the instance metadata.
fn is_of_instance(authorization: &str) -> bool {
    authorization.contains(&format!("Credential={}/", imds::ACCESS_KEY_ID))
}

/// The request context: the keys that depend on the path, on the instance and on the principal.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>
fn context(world: &World, arrival: &Arrival, of_instance: bool) -> Context {
    let mut context = Context::default()
        .with("aws:PrincipalAccount", &world.account)
        .with("aws:PrincipalArn", format!("arn:aws:iam::{}:role/{}", world.account, world.role))
        .with("aws:RequestedRegion", &world.region)
        .with("aws:SecureTransport", "true");
    if let Some(endpoint) = &arrival.endpoint {
        context = context
            .with("aws:SourceVpce", &endpoint.id)
            .with("aws:SourceVpc", &endpoint.vpc)
            .with("aws:VpcSourceIp", arrival.source.to_string());
    }
    if of_instance {
        let instance = format!("arn:aws:ec2:{}:{}:instance/{}", world.region, world.account, world.instance);
        context = context.with("aws:Ec2InstanceSourceVpc", &world.vpc).with("ec2:SourceInstanceARN", instance);
        if let Some(address) = world.interfaces[0].address {
            context = context.with("aws:Ec2InstanceSourcePrivateIPv4", address.to_string());
        }
    }
    context
}

fn unknown_operation() -> Response {
    error_of("com.amazon.coral.service#", "UnknownOperationException", "the lab does not know this operation")
}

fn success(body: &Value) -> Response {
    signed(Response::new(200, "application/x-amz-json-1.0", body.to_string()))
}

fn error(code: &str, message: &str) -> Response {
    let namespace = if matches!(code, "AccessDeniedException" | "UnrecognizedClientException") {
        "com.amazon.coral.service#"
    } else {
        ERRORS
    };
    error_of(namespace, code, message)
}

/// An error of the operations on items.
fn failed(failure: Failure) -> Response {
    let mut body = json!({ "__type": format!("{ERRORS}{}", failure.code), "message": failure.message });
    // Where a request is not valid, the framework answers, not DynamoDB.
    if failure.code == "ValidationException" {
        body["__type"] = format!("com.amazon.coral.validate#{}", failure.code).into();
    }
    if let Some(item) = failure.item {
        body["Item"] = item.into();
    }
    signed(Response::new(400, "application/x-amz-json-1.0", body.to_string()))
}

fn error_of(namespace: &str, code: &str, message: &str) -> Response {
    // The two namespaces spell the key differently, as the service does.
    let key = if namespace == ERRORS { "message" } else { "Message" };
    let body = json!({ "__type": format!("{namespace}{code}"), key: message });
    signed(Response::new(400, "application/x-amz-json-1.0", body.to_string()))
}

/// The headers DynamoDB puts on every answer: a request id of 52 characters and the body's CRC-32.
fn signed(response: Response) -> Response {
    let checksum = crc32(&response.body);
    let id = format!("{:0>10}ONNETLABVV4KQNSO5AEMVJF66Q9ASUAAJGSIMULATION", checksum);
    response
        .with("server", "Server")
        .with("x-amzn-requestid", id[id.len() - 52..].to_owned())
        .with("x-amz-crc32", checksum.to_string())
}

/// With the time of the answer, as the lab is told to give it.
fn dated(response: Response, date: DateField) -> Response {
    let DateField::Skewed(seconds) = date else { return response };
    #[expect(clippy::disallowed_methods, reason = "servers give the time of the wall clock")]
    let now = DateTime::from(SystemTime::now()).secs();
    let date = DateTime::from_secs(now.saturating_add(seconds)).fmt(Format::HttpDate);
    response.with("date", date.expect("a time of this millennium"))
}

/// CRC-32 as in zlib. A page of a query has a megabyte, so bytes are looked up.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0_u32;
        while byte < 256 {
            let (mut crc, mut bit) = (byte, 0);
            while bit < 8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
                bit += 1;
            }
            table[byte as usize] = crc;
            byte += 1;
        }
        table
    };
    !bytes.iter().fold(u32::MAX, |crc, byte| TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)] ^ crc >> 8)
}
