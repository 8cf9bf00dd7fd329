//! Stub: the branch `cloud` has the real one.

use super::aws::{Aws, AwsError};
use crate::model::{Phases, Probe, ProbeKind, ProbeResult, Seconds, ServiceName};
use aws_credential_types::Credentials;
use std::net::IpAddr;
use tokio::time::Instant;

/// Stub.
pub struct Prober;

impl Prober {
    /// Stub.
    pub fn new(_aws: &Aws, _region: &str) -> Result<Self, AwsError> {
        Ok(Self)
    }

    /// Stub.
    pub async fn list_tables(
        &self,
        _credentials: &Credentials,
        name: &ServiceName,
        address: IpAddr,
        resolve: Option<Seconds>,
        _deadline: Instant,
    ) -> Probe {
        stub(ProbeKind::ListTables, name, address, resolve)
    }

    /// Stub.
    pub async fn health(
        &self,
        name: &ServiceName,
        address: IpAddr,
        resolve: Option<Seconds>,
        _deadline: Instant,
    ) -> Probe {
        stub(ProbeKind::Health, name, address, resolve)
    }
}

fn stub(kind: ProbeKind, name: &ServiceName, address: IpAddr, resolve: Option<Seconds>) -> Probe {
    Probe {
        kind,
        hostname: name.hostname.clone(),
        address,
        local: None,
        result: ProbeResult::ConnectFailed,
        failed_in: None,
        detail: Some("stub".into()),
        testimony: None,
        request_id: None,
        phases: Phases { resolve, ..Phases::default() },
        total: Seconds::default(),
    }
}
