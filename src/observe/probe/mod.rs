//! One timed request to one address, over a new connection, by no proxy, without a second try.

mod failure;
mod health;
mod list_tables;
mod timeline;
mod transport;
mod turns;
mod witness;

use super::{
    aws::{Aws, AwsError},
    tls::Roots,
};
use crate::model::{Phase, Probe, ProbeKind, ProbeResult, Seconds, ServiceName, Testimony};
use aws_credential_types::Credentials;
use http::HeaderMap;
pub(super) use list_tables::denied_by_endpoint_policy;
use rustls::ClientConfig;
use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use timeline::Clock;
use tokio::time::Instant;
pub(crate) use turns::Turns;

/// For each phase; the deadline may leave less.
const PHASE_LIMIT: Duration = Duration::from_secs(3);

/// Makes probes.
#[derive(Clone, Debug)]
pub struct Prober {
    tls: Arc<ClientConfig>,
    roots: Roots,
    region: String,
}

impl Prober {
    /// One that verifies servers as all of onnet does.
    pub fn new(aws: &Aws, region: &str) -> Result<Self, AwsError> {
        Self::trusting(aws.roots(), region)
    }

    /// One that verifies servers by `roots`.
    pub fn trusting(roots: &Roots, region: &str) -> Result<Self, AwsError> {
        Ok(Self { tls: roots.client_config()?, roots: roots.clone(), region: region.to_owned() })
    }

    /// Sends a signed `ListTables`. The name is resolved already: there is no such phase.
    pub async fn list_tables(
        &self,
        credentials: &Credentials,
        name: &ServiceName,
        address: IpAddr,
        deadline: Instant,
    ) -> Probe {
        let clock = Clock::new();
        let ending = list_tables::probe(self, credentials, name, address, &clock, deadline).await;
        let probe = ending.into_probe(ProbeKind::ListTables, name, address, &clock);
        Probe { credentials: Some(fingerprint(credentials)), ..probe }
    }

    /// Sends an unsigned `GET /`.
    pub async fn health(&self, name: &ServiceName, address: IpAddr, deadline: Instant) -> Probe {
        let clock = Clock::new();
        let ending = health::probe(self, name, address, &clock, deadline).await;
        ending.into_probe(ProbeKind::Health, name, address, &clock)
    }
}

/// How a probe ended, as far as it is not a matter of time.
#[derive(Debug)]
struct Ending {
    result: ProbeResult,
    failed_in: Option<Phase>,
    detail: Option<String>,
    local: Option<SocketAddr>,
    request_id: Option<String>,
    testimony: Option<Testimony>,
}

impl Ending {
    /// With an answer that came whole, whatever it says.
    fn answered(result: ProbeResult, detail: Option<String>) -> Self {
        Self { result, detail, failed_in: None, local: None, request_id: None, testimony: None }
    }

    /// Without one.
    fn failed(failure: failure::Failure) -> Self {
        Self { failed_in: failure.phase, ..Self::answered(failure.result, Some(failure.detail)) }
    }

    fn into_probe(self, kind: ProbeKind, name: &ServiceName, address: IpAddr, clock: &Clock) -> Probe {
        let phases = clock.phases();
        Probe {
            kind,
            hostname: name.hostname.clone(),
            address,
            local: self.local,
            result: self.result,
            failed_in: self.failed_in,
            detail: self.detail,
            testimony: self.testimony,
            request_id: self.request_id,
            credentials: None,
            total: Seconds::from(phases.sum()),
            phases,
        }
    }
}

/// The name's own URL: whichever address is dialled, the Host header and the TLS name stay what clients send.
fn url(name: &ServiceName) -> String {
    let (scheme, default_port) = if name.tls { ("https", 443) } else { ("http", 80) };
    let host = match bare_host(name).parse::<Ipv6Addr>() {
        Ok(literal) => format!("[{literal}]"),
        Err(_) => name.hostname.clone(),
    };
    // A default port is left out of the Host header by every client, and so out of the signature.
    if name.port == default_port { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{}", name.port) }
}

/// The host without the brackets that an IPv6 literal has in a URL.
fn bare_host(name: &ServiceName) -> &str {
    name.hostname.trim_start_matches('[').trim_end_matches(']')
}

/// Which credentials these are, without the access key id.
fn fingerprint(credentials: &Credentials) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, credentials.access_key_id().as_bytes());
    digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The service's id of a request.
fn request_id(headers: &HeaderMap) -> Option<String> {
    headers.get("x-amzn-requestid").and_then(|id| id.to_str().ok()).map(str::to_owned)
}
