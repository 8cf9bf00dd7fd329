//! The SDK's way to the network: reqwest's, so that one HTTP client and one set of certificates serve all of onnet.

use super::{AwsError, Lookups};
use crate::observe::tls::Roots;
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use http::Response;
use http_body_util::BodyExt;
use reqwest::{Client, ClientBuilder, Request, redirect::Policy};
use rustls::client::Resumption;

/// How many servers' sessions are kept. Three of AWS's services are asked, in one Region.
const SESSIONS: usize = 8;

/// Which proxies are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxies {
    /// Those that the environment names, as in every SDK.
    OfTheEnvironment,
    /// None.
    None,
}

/// How the AWS APIs are reached. Probes never go this way.
pub fn control_plane(roots: &Roots, proxies: Proxies, lookups: Lookups) -> Result<SharedHttpClient, AwsError> {
    let mut tls = roots.client_config()?.as_ref().clone();
    tls.resumption = Resumption::in_memory_sessions(SESSIONS);
    let builder = Client::builder().tls_backend_preconfigured(tls).dns_resolver(lookups);
    let builder = if proxies == Proxies::None { builder.no_proxy() } else { builder };
    let connector = connector(builder)?;
    Ok(http_client_fn(move |_, _| connector.clone()))
}

/// A connector that leaves it to the SDK to follow redirects and to try again.
pub(super) fn connector(builder: ClientBuilder) -> Result<SharedHttpConnector, AwsError> {
    let client = builder
        .http1_only()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .build()
        .map_err(|error| AwsError::Setup(error.into()))?;
    Ok(SharedHttpConnector::new(Connector(client)))
}

#[derive(Debug)]
struct Connector(Client);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = sent(request)?;
            let (head, body) =
                Response::<reqwest::Body>::from(client.execute(request).await.map_err(failed)?).into_parts();
            let body = body.collect().await.map_err(failed)?.to_bytes();
            HttpResponse::try_from(Response::from_parts(head, SdkBody::from(body)))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// The request as reqwest has it.
fn sent(request: HttpRequest) -> Result<Request, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (head, body) = request.into_parts();
    let body = body.bytes().ok_or_else(|| ConnectorError::user("the request's body is a stream".into()))?.to_vec();
    Request::try_from(http::Request::from_parts(head, body)).map_err(|error| ConnectorError::user(error.into()))
}

/// By what the SDK decides whether to try again.
fn failed(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_builder() {
        ConnectorError::user(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}
