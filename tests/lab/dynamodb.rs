//! DynamoDB: `ListTables`, `GET /`, and its own word on the way a request came.

use super::{
    faults::Fault,
    http::{Request, Response},
    services::Call,
    world::{Carrier, World},
};
use std::net::IpAddr;

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
        (Some(_), Some(Fault::Denied)) => {
            denied(world, "because no identity-based policy allows the dynamodb:ListTables action")
        }
        // A gateway endpoint's policy binds what comes through it, and nothing else.
        (Some(_), Some(Fault::EndpointPolicy)) if came_through_endpoint(world, call) => {
            denied(world, "because no VPC endpoint policy allows the dynamodb:ListTables action")
        }
        (Some(target), _) => operation(world, request, target),
    }
}

fn operation(world: &World, request: &Request, target: &str) -> Response {
    if request.header("authorization").is_none() {
        return error_of(
            "com.amazon.coral.service#",
            "MissingAuthenticationTokenException",
            "Request is missing Authentication Token",
        );
    }
    match target {
        "DynamoDB_20120810.ListTables" => {
            let body = serde_json::json!({ "TableNames": world.tables });
            signed(Response::new(200, "application/x-amz-json-1.0", body.to_string()))
        }
        _ => error_of("com.amazon.coral.service#", "UnknownOperationException", "the lab knows ListTables"),
    }
}

/// Whether an endpoint carried the call: the address it was made to tells the route it took.
fn came_through_endpoint(world: &World, call: Call) -> bool {
    let sender = world.interfaces.iter().find(|interface| IpAddr::V4(interface.address) == call.from);
    let sender = sender.unwrap_or(&world.interfaces[0]);
    matches!(world.carrier(sender, call.to), Carrier::Endpoint(_))
}

fn denied(world: &World, because: &str) -> Response {
    let (account, region) = (&world.account, &world.region);
    let message = format!(
        "User: arn:aws:sts::{account}:assumed-role/{}/{} is not authorized to perform: dynamodb:ListTables on resource: \
         arn:aws:dynamodb:{region}:{account}:table/* {because}",
        world.role, world.instance
    );
    error("AccessDeniedException", &message)
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
    let body = serde_json::json!({ "__type": format!("{namespace}{code}"), key: message });
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
