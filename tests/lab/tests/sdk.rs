//! DynamoDB's client of the AWS SDK, for a lab on loopback.

use crate::lab::{Lab, SECRET_KEY, SESSION_TOKEN};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Config, Region, retry::RetryConfig},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use libtest_mimic::Failed;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use std::{net::SocketAddr, sync::Arc};

/// A client with the instance's credentials.
pub(super) fn client(lab: &Lab) -> Result<Client, Failed> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(lab.ca_bundle())? {
        roots.add(certificate?)?;
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let world = lab.world().clone();
    let (host, address) = (world.dynamodb_host(), world.dynamodb_addresses[0]);
    // A connection each: the lab closes those that are open when a fault changes.
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().pool_max_idle_per_host(0);
    let client = client.resolve(&host, SocketAddr::from((address, lab.dynamodb_port()))).build()?;
    let connector = SharedHttpConnector::new(Connector(client));
    let access_key = "ASIAEXAMPLEONNETLAB0";
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(world.region))
        .credentials_provider(Credentials::new(access_key, SECRET_KEY, Some(SESSION_TOKEN.to_owned()), None, "lab"))
        .endpoint_url(format!("https://{host}:{}", lab.dynamodb_port()))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .retry_config(RetryConfig::disabled())
        .build();
    Ok(Client::from_conf(config))
}

#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let request = request.map(|body| body.bytes().map(<[u8]>::to_vec).unwrap_or_default());
            let request = reqwest::Request::try_from(request).map_err(|error| ConnectorError::user(error.into()))?;
            let io = |error: reqwest::Error| ConnectorError::io(error.into());
            let answer = client.execute(request).await.map_err(io)?;
            let mut whole = http::Response::new(SdkBody::empty());
            *whole.status_mut() = answer.status();
            *whole.headers_mut() = answer.headers().clone();
            *whole.body_mut() = SdkBody::from(answer.bytes().await.map_err(io)?);
            HttpResponse::try_from(whole).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
