//! Why no whole answer came, determined by the types of the errors and never by their texts.

use super::transport::TooManyInterim;
use crate::{
    model::{Phase, ProbeResult},
    observe::aws::{find_cause, root_cause},
};
use std::{error::Error, io};

/// Why no whole answer came.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) result: ProbeResult,
    /// `None` if not even the first phase began.
    pub(super) phase: Option<Phase>,
    /// For people.
    pub(super) detail: String,
}

impl Failure {
    /// Nothing came of `phase` in time.
    pub(super) fn timed_out(phase: Option<Phase>) -> Self {
        let result = match phase {
            // The deadline had passed before the first phase.
            None | Some(Phase::Resolve | Phase::Connect) => ProbeResult::ConnectTimeout,
            Some(Phase::Tls) => ProbeResult::TlsTimeout,
            Some(Phase::Send) => ProbeResult::SendTimeout,
            Some(Phase::Wait) => ProbeResult::WaitTimeout,
            Some(Phase::Receive) => ProbeResult::ReceiveTimeout,
        };
        Self { result, phase, detail: "no progress in time".into() }
    }

    /// `phase` ended in `error`.
    pub(super) fn new(phase: Option<Phase>, error: &(dyn Error + 'static)) -> Self {
        let result = match phase {
            None | Some(Phase::Resolve | Phase::Connect) => connecting(error),
            Some(Phase::Tls) => handshake(error),
            Some(Phase::Send | Phase::Wait | Phase::Receive) => exchanging(error),
        };
        Self { result, phase, detail: root_cause(error) }
    }
}

fn connecting(error: &(dyn Error + 'static)) -> ProbeResult {
    match find_cause::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => ProbeResult::ConnectRefused,
        Some(io::ErrorKind::TimedOut) => ProbeResult::ConnectTimeout,
        // EACCES is what a `prohibit` route of this host gives.
        Some(io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable | io::ErrorKind::PermissionDenied) => {
            ProbeResult::ConnectUnreachable
        }
        Some(_) | None => ProbeResult::ConnectFailed,
    }
}

fn handshake(error: &(dyn Error + 'static)) -> ProbeResult {
    match find_cause::<rustls::Error>(error) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            ProbeResult::TlsCertificate
        }
        Some(_) => ProbeResult::TlsFailed,
        None if is_broken_connection(error) => ProbeResult::ConnectionClosed,
        None => ProbeResult::TlsFailed,
    }
}

fn exchanging(error: &(dyn Error + 'static)) -> ProbeResult {
    if find_cause::<http_body_util::LengthLimitError>(error).is_some() || find_cause::<TooManyInterim>(error).is_some()
    {
        return ProbeResult::UnexpectedAnswer;
    }
    if find_cause::<rustls::Error>(error).is_some() {
        return ProbeResult::TlsFailed;
    }
    let not_http = find_cause::<hyper::Error>(error).is_some_and(hyper::Error::is_parse);
    // How hyper reports a chunk that is no chunk.
    let bad_body = find_cause::<io::Error>(error)
        .is_some_and(|io| matches!(io.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData));
    if not_http || bad_body { ProbeResult::Malformed } else { ProbeResult::ConnectionClosed }
}

fn is_broken_connection(error: &(dyn Error + 'static)) -> bool {
    find_cause::<io::Error>(error).is_some_and(|io| {
        matches!(
            io.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
        )
    })
}
