//! DynamoDB: `ListTables` and `DescribeTable`, authorized by the IAM engine, and `GET /`.

use super::{
    fakes::http::{Request, Response},
    faults::Fault,
    iam::{self, Context, Decision},
    imds,
    services::Call,
    world::{Arrival, World},
};
use serde_json::{Value, json};

const ERRORS: &str = "com.amazonaws.dynamodb.v20120810#";

pub fn answer(world: &World, call: Call, request: &Request, fault: Option<Fault>) -> Response {
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
        (Some(target), fault) => operation(world, call, request, target, fault),
    }
}

fn operation(world: &World, call: Call, request: &Request, target: &str, fault: Option<Fault>) -> Response {
    let Some(authorization) = request.header("authorization") else {
        return error_of(
            "com.amazon.coral.service#",
            "MissingAuthenticationTokenException",
            "Request is missing Authentication Token",
        );
    };
    let Some((_, name)) = target.split_once("DynamoDB_20120810.") else { return unknown_operation() };
    let table = match name {
        "ListTables" => "*".to_owned(),
        "DescribeTable" => match table_name(&request.body) {
            Some(table) => table,
            None => return error("ValidationException", INVALID_TABLE_NAME),
        },
        _ => return unknown_operation(),
    };
    let arrival = arrival(world, call);
    let asked = iam::Request {
        principal: format!("arn:aws:sts::{}:assumed-role/{}/{}", world.account, world.role, world.instance),
        action: format!("dynamodb:{name}"),
        resource: format!("arn:aws:dynamodb:{}:{}:table/{table}", world.region, world.account),
        context: context(world, &arrival, is_of_instance(authorization)),
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
    match because {
        Some(because) => error("AccessDeniedException", &iam::refusal(&asked, &because)),
        None if name == "ListTables" => success(&json!({ "TableNames": world.tables })),
        None if world.tables.contains(&table) => success(&json!({ "Table": description(&asked.resource, &table) })),
        None => {
            let message = format!("Requested resource not found: Table: {table} not found");
            error("ResourceNotFoundException", &message)
        }
    }
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
    error_of("com.amazon.coral.service#", "UnknownOperationException", "the lab knows ListTables and DescribeTable")
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

/// CRC-32 as in zlib, bit by bit: the bodies are small.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc));
    !bytes.iter().fold(u32::MAX, byte)
}
