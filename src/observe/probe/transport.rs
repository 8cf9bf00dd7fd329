//! The SDK's connection to the network for one probe: one connection to one address, each phase on the clock.

use super::{
    Prober, bare_host,
    failure::Failure,
    timeline::{Clock, Watched},
};
use crate::{
    model::{Phase, ProbeResult, ServiceName},
    observe::{
        aws::root_cause,
        limits::{INTERIM_ANSWERS, PROBE_ANSWER},
    },
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{Request, Response, header::HOST};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Notify,
    time::Instant,
};
use tokio_rustls::TlsConnector;

/// What became of the one request, kept beside what the SDK makes of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// The socket's own address, once connected.
    pub(super) local: Option<SocketAddr>,
    /// The whole answer, or why there is none; `None` if the SDK never sent anything.
    pub(super) outcome: Option<Result<Response<Bytes>, Failure>>,
    /// The certificates that the server showed, its own first; none unless [`Transport::keeping_certificates`].
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

impl Record {
    /// The whole answer, where `sdk` is what the SDK makes of it.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn answer<T>(&self, sdk: &Result<T, impl Error + 'static>) -> Result<&Response<Bytes>, Failure> {
        match &self.outcome {
            Some(Ok(raw)) => Ok(raw),
            Some(Err(failure)) => Err(failure.clone()),
            None => {
                let detail = sdk.as_ref().map_or_else(|error| root_cause(error), |_| "nothing was sent".to_owned());
                Err(Failure { result: ProbeResult::ConnectFailed, phase: None, detail })
            }
        }
    }
}

/// Sends one request to one address.
#[derive(Clone)]
pub(super) struct Transport {
    address: SocketAddr,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    clock: Clock,
    deadline: Instant,
    keeps_certificates: bool,
    record: Arc<Mutex<Record>>,
}

/// Shows nothing of the record: it holds a body.
impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Transport {
    /// To `address`, as if the name had resolved to it.
    pub(super) fn new(
        prober: &Prober,
        name: &ServiceName,
        address: IpAddr,
        clock: Clock,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let tls = if name.tls {
            let server = ServerName::try_from(bare_host(name).to_owned()).map_err(|error| Failure {
                result: ProbeResult::TlsFailed,
                phase: None,
                detail: format!("{} cannot be the name on a certificate: {error}", name.hostname),
            })?;
            Some((TlsConnector::from(Arc::clone(&prober.tls)), server))
        } else {
            None
        };
        let address = SocketAddr::new(address, name.port);
        Ok(Self { address, tls, clock, deadline, keeps_certificates: false, record: Arc::default() })
    }

    /// One whose record has the certificates that the server showed. A timed request does without.
    pub(super) fn keeping_certificates(self) -> Self {
        Self { keeps_certificates: true, ..self }
    }

    /// What became of the request so far.
    pub(super) fn record(&self) -> Record {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, note: impl FnOnce(&mut Record)) {
        note(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn send(&self, request: Request<SdkBody>) -> Result<Response<Bytes>, Failure> {
        let outcome = match self.clock.within(Phase::Connect, self.deadline, self.exchange(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Failure::new(self.clock.phase(), &*error)),
            Err(phase) => Err(Failure::timed_out(phase)),
        };
        self.clock.stop();
        self.note(|record| record.outcome = Some(outcome.clone()));
        outcome
    }

    async fn exchange(&self, request: Request<SdkBody>) -> Result<Response<Bytes>, BoxError> {
        let request = on_the_wire(request)?;
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        self.note(|record| record.local = Some(local));
        match &self.tls {
            None => self.converse(stream, request).await,
            Some((connector, server)) => {
                self.clock.enter(Phase::Tls);
                let stream = connector.connect(server.clone(), stream).await?;
                if self.keeps_certificates {
                    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
                    self.note(|record| record.certificates = shown);
                }
                self.converse(stream, request).await
            }
        }
    }

    /// One request and its answer over a connection that is ready.
    async fn converse<S>(&self, stream: S, mut request: Request<Full<Bytes>>) -> Result<Response<Bytes>, BoxError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let interim = Arc::new(Interim::default());
        let counted = Arc::clone(&interim);
        hyper::ext::on_informational(&mut request, move |_| counted.count());
        self.clock.enter(Phase::Send);
        let io = TokioIo::new(Watched::new(stream, self.clock.clone()));
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        let answer = async move {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, PROBE_ANSWER).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        let (mut answer, mut connection) = (pin!(answer), pin!(connection));
        // The connection does the reading and writing. Its own errors reach the answer, so they are not lost here;
        // and it may end well before the last of a buffered answer has been taken.
        tokio::select! {
            biased;
            () = interim.too_many.notified() => Err(TooManyInterim.into()),
            answer = &mut answer => answer,
            _ = &mut connection => answer.await,
        }
    }
}

/// The interim answers so far.
#[derive(Default)]
struct Interim {
    count: AtomicUsize,
    too_many: Notify,
}

impl Interim {
    fn count(&self) {
        if self.count.fetch_add(1, Ordering::Relaxed) >= INTERIM_ANSWERS {
            self.too_many.notify_one();
        }
    }
}

/// hyper leaves interim answers out, however many come.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("more than {INTERIM_ANSWERS} interim answers (1xx)")]
pub(super) struct TooManyInterim;

type BoxError = Box<dyn Error + Send + Sync>;

/// The request as HTTP/1.1 sends it: the authority in the Host header, which the signature covers, and not in the URI.
fn on_the_wire(request: Request<SdkBody>) -> Result<Request<Full<Bytes>>, BoxError> {
    let (mut head, body) = request.into_parts();
    let authority = head.uri.authority().ok_or("the request names no host")?.as_str().to_owned();
    head.headers.insert(HOST, authority.parse()?);
    head.uri = head.uri.path_and_query().map_or("/", |path| path.as_str()).parse()?;
    let body = body.bytes().ok_or("the request's body is a stream")?;
    Ok(Request::from_parts(head, Full::new(Bytes::copy_from_slice(body))))
}

impl HttpConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let transport = self.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let answer = transport.send(request).await.map_err(|failure| ConnectorError::io(failure.detail.into()))?;
            HttpResponse::try_from(answer.map(SdkBody::from)).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
