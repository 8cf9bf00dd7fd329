//! One timed request to one address: phases that never overlap and add up to the total.

use super::{Seconds, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use strum::{IntoStaticStr, VariantArray};

/// The kind of a request.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ProbeKind {
    /// A signed `ListTables`, limit 1.
    ListTables,
    /// An unsigned `GET /`, which answers `healthy: …`.
    Health,
}

impl ProbeKind {
    /// Both.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The kind as a label.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The source that such probes are.
    pub fn source(self) -> Source {
        match self {
            Self::ListTables => Source::ListTables,
            Self::Health => Source::Health,
        }
    }
}

/// A phase of a request. Phases are in sequence and never overlap.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Phase {
    /// The name, to addresses. Shared by the probes of one name.
    Resolve,
    /// SYN to SYN-ACK.
    Connect,
    /// ClientHello to the end of the handshake.
    Tls,
    /// First to last byte of the request.
    Send,
    /// Last byte of the request to first byte of the answer.
    Wait,
    /// First to last byte of the answer.
    Receive,
}

impl Phase {
    /// In the order they happen.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The phase as a label.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How long each phase took. One that was not reached is absent, never 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Phases {
    /// See [`Phase::Resolve`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve: Option<Seconds>,
    /// See [`Phase::Connect`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<Seconds>,
    /// See [`Phase::Tls`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Seconds>,
    /// See [`Phase::Send`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<Seconds>,
    /// See [`Phase::Wait`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Seconds>,
    /// See [`Phase::Receive`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive: Option<Seconds>,
}

impl Phases {
    /// The phase's duration, if it was reached.
    pub fn get(&self, phase: Phase) -> Option<Seconds> {
        match phase {
            Phase::Resolve => self.resolve,
            Phase::Connect => self.connect,
            Phase::Tls => self.tls,
            Phase::Send => self.send,
            Phase::Wait => self.wait,
            Phase::Receive => self.receive,
        }
    }

    /// Where the phase's duration is kept.
    pub fn slot(&mut self, phase: Phase) -> &mut Option<Seconds> {
        match phase {
            Phase::Resolve => &mut self.resolve,
            Phase::Connect => &mut self.connect,
            Phase::Tls => &mut self.tls,
            Phase::Send => &mut self.send,
            Phase::Wait => &mut self.wait,
            Phase::Receive => &mut self.receive,
        }
    }

    /// The phases that were reached, in order.
    pub fn reached(&self) -> impl Iterator<Item = (Phase, Seconds)> + '_ {
        Phase::ALL.iter().filter_map(|&phase| Some((phase, self.get(phase)?)))
    }

    /// What the phases add up to.
    pub fn sum(&self) -> Duration {
        self.reached().map(|(_, took)| took.as_duration()).sum()
    }
}

/// The result of a probe. A closed set, for metric labels.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ProbeResult {
    /// Answered as expected.
    Ok,
    /// Answered with a denial: the path works, a permission is missing.
    AccessDenied,
    /// The service does not accept the credentials, their signature or their age.
    Credentials,
    /// Throttled by the service.
    Throttled,
    /// Answered with another 4xx status.
    #[serde(rename = "http_4xx")]
    #[strum(serialize = "http_4xx")]
    Http4xx,
    /// Answered with a 5xx status.
    #[serde(rename = "http_5xx")]
    #[strum(serialize = "http_5xx")]
    Http5xx,
    /// Answered, but not by DynamoDB.
    UnexpectedAnswer,
    /// The name does not exist.
    DnsNxdomain,
    /// No name server answered in time.
    DnsTimeout,
    /// The name servers failed, or returned no address.
    DnsFailed,
    /// The connection was refused.
    ConnectRefused,
    /// No answer to the SYN in time.
    ConnectTimeout,
    /// No route to the address, from this host or from a router on the path.
    ConnectUnreachable,
    /// The connection could not be made for another reason.
    ConnectFailed,
    /// The handshake stalled.
    TlsTimeout,
    /// The certificate is for another name, expired, not yet valid, or of an authority that is not trusted.
    TlsCertificate,
    /// The handshake failed for another reason.
    TlsFailed,
    /// The request could not be sent in time.
    SendTimeout,
    /// No first byte of the answer in time.
    WaitTimeout,
    /// The answer stalled.
    ReceiveTimeout,
    /// The connection broke before the answer was complete.
    ConnectionClosed,
    /// The answer is not HTTP.
    Malformed,
}

impl ProbeResult {
    /// Every one.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The result as a label.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether it counts as a failure: everything but the answer that was asked for, and but a denial, which is what a
    /// role without the permission is to get.
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Ok | Self::AccessDenied)
    }

    /// Whether DynamoDB itself answered, so that the path works whatever it said.
    pub fn reached_service(self) -> bool {
        match self {
            Self::Ok | Self::AccessDenied | Self::Credentials | Self::Throttled | Self::Http4xx | Self::Http5xx => true,
            Self::UnexpectedAnswer
            | Self::DnsNxdomain
            | Self::DnsTimeout
            | Self::DnsFailed
            | Self::ConnectRefused
            | Self::ConnectTimeout
            | Self::ConnectUnreachable
            | Self::ConnectFailed
            | Self::TlsTimeout
            | Self::TlsCertificate
            | Self::TlsFailed
            | Self::SendTimeout
            | Self::WaitTimeout
            | Self::ReceiveTimeout
            | Self::ConnectionClosed
            | Self::Malformed => false,
        }
    }
}

impl fmt::Display for ProbeResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A statement of the service about the path of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "says")]
pub enum Testimony {
    /// A VPC endpoint policy denied the request, so it came through a VPC endpoint, which is not named.
    VpcEndpointPolicy {
        /// The service's sentence.
        message: String,
    },
}

/// One timed request to one address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Probe {
    /// The kind of request.
    pub kind: ProbeKind,
    /// The name it carried as SNI and Host.
    pub hostname: String,
    /// The address.
    pub address: IpAddr,
    /// The socket's own address, once connected.
    pub local: Option<SocketAddr>,
    /// The result.
    pub result: ProbeResult,
    /// The phase in which it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_in: Option<Phase>,
    /// The error, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The service's statement about the path of the request.
    #[serde(default)]
    pub testimony: Option<Testimony>,
    /// The service's request id, which identifies the call in CloudTrail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Which credentials signed it, as [`super::Statement::credentials`] has them.
    #[serde(default)]
    pub credentials: Option<String>,
    /// How long each phase took.
    pub phases: Phases,
    /// The time from the start of the first phase to the end of the last.
    pub total: Seconds,
}
