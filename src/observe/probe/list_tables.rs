//! `ListTables`, limit 1: the smallest signed request there is, and what its answers say.

use super::{Ending, Prober, request_id, timeline::Clock, transport::Transport, url};
use crate::{
    model::{ProbeResult, ServiceName, Testimony},
    observe::aws::{behavior_version, sleep},
};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{
    Client,
    config::{
        Config, Region,
        endpoint::{Endpoint, EndpointFuture, Params, ResolveEndpoint},
        retry::RetryConfig,
        timeout::TimeoutConfig,
    },
    error::{ProvideErrorMetadata, SdkError},
    operation::list_tables::{ListTablesError, ListTablesOutput},
};
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use bytes::Bytes;
use http::Response;
use std::net::IpAddr;
use tokio::time::Instant;

/// Sends it. Everything that is not the request itself is done before the clock starts.
pub(super) async fn probe(
    prober: &Prober,
    credentials: &Credentials,
    name: &ServiceName,
    address: IpAddr,
    clock: &Clock,
    deadline: Instant,
) -> Ending {
    let transport = match Transport::new(prober, name, address, clock.clone(), deadline) {
        Ok(transport) => transport,
        Err(failure) => return Ending::failed(failure),
    };
    let answer = client(prober, credentials, name, &transport).list_tables().limit(1).send().await;

    let record = transport.record();
    let mut ending = match record.answer(&answer) {
        Ok(raw) => judge_answer(raw, &answer, name),
        Err(failure) => Ending::failed(failure),
    };
    ending.local = record.local;
    ending
}

/// A client whose requests go through `transport`, once each.
pub(super) fn client(prober: &Prober, credentials: &Credentials, name: &ServiceName, transport: &Transport) -> Client {
    let connector = SharedHttpConnector::new(transport.clone());
    let config = Config::builder()
        .behavior_version(behavior_version())
        .region(Region::new(prober.region.clone()))
        .credentials_provider(credentials.clone())
        .endpoint_resolver(TheName(url(name)))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .sleep_impl(sleep())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .build();
    Client::from_conf(config)
}

/// Sends the request to the name as it is. The SDK's own rules refuse some endpoint URLs, such as the dual-stack name.
#[derive(Debug)]
struct TheName(String);

impl ResolveEndpoint for TheName {
    fn resolve_endpoint<'a>(&'a self, _: &'a Params) -> EndpointFuture<'a> {
        EndpointFuture::ready(Ok(Endpoint::builder().url(self.0.clone()).build()))
    }
}

type Answer = Result<ListTablesOutput, SdkError<ListTablesError>>;

/// What a whole answer says: the SDK's reading of it first, and the raw one where the SDK finds no error code.
fn judge_answer(raw: &Response<Bytes>, answer: &Answer, name: &ServiceName) -> Ending {
    let status = raw.status();
    let metadata = answer.as_ref().err().map(ProvideErrorMetadata::meta);
    let body = String::from_utf8_lossy(raw.body());
    // moto refuses in XML, whatever the protocol of the request.
    let code = metadata.and_then(|m| m.code()).or_else(|| element(&body, "Code"));
    let message = metadata.and_then(|m| m.message()).or_else(|| element(&body, "Message"));
    let said = || match (code, message) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(word), None) | (None, Some(word)) => word.to_owned(),
        (None, None) => format!("HTTP {status}"),
    };

    let listed = answer.as_ref().is_ok_and(|tables| tables.table_names.is_some());
    let request_id = request_id(raw.headers());
    // An error page with neither is some proxy's or load balancer's.
    let is_dynamodbs = code.is_some() || request_id.is_some();
    let mut ending = if status.is_success() && listed {
        Ending::answered(ProbeResult::Ok, None)
    } else if is_dynamodbs && (status.is_client_error() || status.is_server_error()) {
        let by_code = code.and_then(|code| by_code(code, status.is_client_error()));
        let by_status = if status.is_server_error() { ProbeResult::Http5xx } else { ProbeResult::Http4xx };
        Ending::answered(by_code.unwrap_or(by_status), Some(said()))
    } else {
        Ending::answered(ProbeResult::UnexpectedAnswer, Some(format!("HTTP {status}, not an answer of DynamoDB's")))
    };
    ending.request_id = request_id;
    // Who has not proved to be DynamoDB testifies nothing.
    if ending.result == ProbeResult::AccessDenied && name.tls {
        ending.testimony = message.and_then(testimony);
    }
    ending
}

pub(super) fn by_code(code: &str, client_error: bool) -> Option<ProbeResult> {
    match code {
        "AccessDeniedException" | "AccessDenied" if client_error => Some(ProbeResult::AccessDenied),
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
            if client_error =>
        {
            Some(ProbeResult::Credentials)
        }
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "ProvisionedThroughputExceededException" => Some(ProbeResult::Throttled),
        _ => None,
    }
}

/// The two ways in which IAM says that a VPC endpoint's policy refused. Refusals by other policies prove no path.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>
fn testimony(message: &str) -> Option<Testimony> {
    denied_by_endpoint_policy(message).then(|| Testimony::VpcEndpointPolicy { message: message.to_owned() })
}

/// Whether a refusal says that a VPC endpoint's policy refused.
pub(in crate::observe) fn denied_by_endpoint_policy(message: &str) -> bool {
    let lower = message.to_ascii_lowercase();
    ["because no vpc endpoint policy allows", "with an explicit deny in a vpc endpoint policy"]
        .iter()
        .any(|words| lower.contains(words))
}

/// The text of an XML element.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text)
}
