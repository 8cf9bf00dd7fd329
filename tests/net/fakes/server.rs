//! A server on port 0 that does to its connections what it is told, over TCP or TLS.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// The delay that is put into one phase and looked for there.
pub(crate) const DELAY: Duration = Duration::from_millis(600);

/// What is done to a connection, step by step; after the last step it serves the next request.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Write(String),
    Delay,
    Hang,
    Close,
}

/// A whole answer of this status, type and body.
pub(crate) fn answer(status: u16, kind: &str, body: &str) -> Vec<Step> {
    vec![Step::Write(head(status, kind, body.len())), Step::Write(body.to_owned())]
}

/// The head of an answer whose body is to be `length` bytes.
pub(crate) fn head(status: u16, kind: &str, length: usize) -> String {
    format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: {kind}\r\nx-amzn-requestid: REQ1\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub head: String,
    pub body: String,
}

type Script = Arc<dyn Fn(&Request) -> Vec<Step> + Send + Sync>;

/// Serves until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<Mutex<Vec<Request>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers as `script` says.
    pub(crate) async fn plain(script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::start(None, Vec::new(), Arc::new(script)).await
    }

    /// The same over TLS, after `before` is done to the bare connection.
    pub(crate) async fn tls(
        identity: ServerConfig,
        before: Vec<Step>,
        script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(TlsAcceptor::from(Arc::new(identity))), before, Arc::new(script)).await
    }

    async fn start(tls: Option<TlsAcceptor>, before: Vec<Step>, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                connections.spawn(connection(stream, tls.clone(), before.clone(), script.clone(), seen.clone()));
            }
        });
        Self { address, requests, _tasks: tasks }
    }
}

async fn connection(
    mut stream: TcpStream,
    tls: Option<TlsAcceptor>,
    before: Vec<Step>,
    script: Script,
    seen: Arc<Mutex<Vec<Request>>>,
) {
    if !perform(&mut stream, before).await {
        return;
    }
    match tls {
        None => serve(stream, script, seen).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, script, seen).await;
            }
        }
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, script: Script, seen: Arc<Mutex<Vec<Request>>>) {
    while let Some(request) = read_request(&mut stream).await {
        seen.lock().unwrap().push(request.clone());
        if !perform(&mut stream, script(&request)).await {
            return;
        }
    }
}

/// Whether the connection is to go on.
async fn perform(stream: &mut (impl AsyncWrite + Unpin), steps: Vec<Step>) -> bool {
    for step in steps {
        match step {
            Step::Write(text) => {
                if stream.write_all(text.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                    return false;
                }
            }
            Step::Delay => tokio::time::sleep(DELAY).await,
            Step::Hang => std::future::pending().await,
            Step::Close => return false,
        }
    }
    true
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut headers);
        if let Ok(httparse::Status::Complete(start)) = parsed.parse(&bytes) {
            let length = parsed.headers.iter().find(|h| h.name.eq_ignore_ascii_case("content-length"));
            let length = length.map_or(0, |h| std::str::from_utf8(h.value).unwrap().parse().unwrap());
            while bytes.len() < start + length {
                read_more(stream, &mut bytes).await?;
            }
            let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
            return Some(Request { head: text(&bytes[..start]), body: text(&bytes[start..]) });
        }
        read_more(stream, &mut bytes).await?;
    }
}

async fn read_more(stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> Option<()> {
    (stream.read_buf(bytes).await.ok()? > 0).then_some(())
}

/// A certificate authority of one test's own.
pub(crate) struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// A server's identity under `name`.
    pub(crate) fn identity(&self, name: &str) -> ServerConfig {
        self.issue(CertificateParams::new([name.to_owned()]).unwrap())
    }

    /// One whose time is over.
    pub(crate) fn expired_identity(&self, name: &str) -> ServerConfig {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.issue(params)
    }

    fn issue(&self, params: CertificateParams) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap()
    }
}

/// An address of this host where nothing listens.
pub(crate) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
