//! The loop that accepts connections, the loop that answers the requests of a connection, and a server on a free port that
//! answers as a script says, over TCP or TLS.

use super::http::{self, Request, Response};
use rustls::ServerConfig;
use std::{
    future::pending,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Barrier,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// What is done to a connection, step by step; after the last step it serves the next request.
#[derive(Clone, Debug)]
pub enum Step {
    Write(Vec<u8>),
    /// Writes the text again and again, with a pause after each 4 KiB, or 64 KiB where there is none.
    Repeat(&'static str, Duration),
    Wait(Duration),
    /// Waits until as many connections as the barrier names are at this step.
    Meet(Arc<Barrier>),
    Hang,
    /// Closes the connection in order: over TLS, with a `close_notify`.
    End,
    /// Closes the connection at once: over TLS, without a `close_notify`.
    Close,
}

impl Step {
    pub fn write(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Write(bytes.into())
    }
}

/// A complete answer with this status, type and body, and a request ID as AWS services send it.
pub fn answer(status: u16, kind: &'static str, body: &str) -> Vec<Step> {
    vec![Step::Write(of_aws(status, kind, body).bytes())]
}

/// The head of such an answer, which announces a body of `length` bytes.
pub fn head(status: u16, kind: &'static str, length: usize) -> String {
    of_aws(status, kind, "").head(length)
}

fn of_aws(status: u16, kind: &'static str, body: &str) -> Response {
    Response::new(status, kind, body).with("x-amzn-requestid", "REQ1")
}

/// Accepts connections, without end.
pub async fn accept(listener: &TcpListener, mut serve: impl FnMut(TcpStream, SocketAddr)) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else { continue };
        // An error here means that the client has closed the connection: the next read reports it.
        let _ = stream.set_nodelay(true);
        serve(stream, peer);
    }
}

/// What answers the requests of a connection.
pub trait Service: Sync {
    /// Answers a request, and returns whether the connection can be used again.
    fn answer(
        &self,
        request: &Request,
        stream: &mut (impl AsyncWrite + Unpin + Send),
    ) -> impl Future<Output = io::Result<bool>> + Send;
}

/// Answers the requests of one connection, one after the other, until the connection ends, or `ended` completes between two
/// requests.
pub async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    service: &impl Service,
    ended: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut ended = pin!(ended);
    loop {
        let request = tokio::select! {
            request = http::read(&mut stream) => request?,
            () = &mut ended => None,
        };
        let Some(request) = request else { return Ok(()) };
        if !service.answer(&request, &mut stream).await? {
            return Ok(());
        }
        if request.header("connection").is_some_and(|says| says.eq_ignore_ascii_case("close")) {
            return stream.shutdown().await;
        }
    }
}

/// Does each step, and returns whether the connection can be used again.
pub async fn perform<S: AsyncWrite + Unpin>(stream: &mut S, steps: Vec<Step>) -> io::Result<bool> {
    for step in steps {
        match step {
            Step::Write(bytes) => {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
            }
            Step::Repeat(text, pause) => {
                let size = if pause.is_zero() { 65_536 } else { 4_096 };
                let text = text.repeat(size / text.len());
                loop {
                    stream.write_all(text.as_bytes()).await?;
                    stream.flush().await?;
                    if pause.is_zero() {
                        tokio::task::yield_now().await;
                    } else {
                        tokio::time::sleep(pause).await;
                    }
                }
            }
            Step::Wait(time) => tokio::time::sleep(time).await,
            Step::Meet(barrier) => {
                barrier.wait().await;
            }
            Step::Hang => pending().await,
            Step::End => {
                stream.shutdown().await?;
                return Ok(false);
            }
            Step::Close => return Ok(false),
        }
    }
    Ok(true)
}

/// The steps for a request.
type Steps = dyn Fn(&Request) -> Vec<Step> + Send + Sync;

/// The steps for each request, and the requests so far.
struct Script {
    steps: Box<Steps>,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Service for Script {
    async fn answer(&self, request: &Request, stream: &mut (impl AsyncWrite + Unpin + Send)) -> io::Result<bool> {
        self.seen.lock().unwrap().push(request.clone());
        perform(stream, (self.steps)(request)).await
    }
}

/// Serves until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub requests: Arc<Mutex<Vec<Request>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers as `script` says.
    pub async fn plain(script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::at(listen().await, script)
    }

    /// The same with an existing listener.
    pub fn at(listener: TcpListener, script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::start(listener, None, Vec::new(), script)
    }

    /// The same over TLS, after the steps `before` on the TCP connection.
    pub async fn tls(
        identity: Arc<ServerConfig>,
        before: Vec<Step>,
        script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Self::start(listen().await, Some(identity.into()), before, script)
    }

    /// Answers as `script` says, on a separate thread that ends with the process.
    pub fn on_a_thread(script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> SocketAddr {
        let (ready, address) = mpsc::channel();
        std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let server = Self::plain(script).await;
                ready.send(server.address).unwrap();
                pending::<()>().await;
            });
        });
        address.recv().unwrap()
    }

    fn start(
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        before: Vec<Step>,
        steps: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(Script { steps: Box::new(steps), seen: requests.clone() });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            let serve = |stream, _| {
                connections.spawn(serve(stream, tls.clone(), before.clone(), script.clone()));
            };
            accept(&listener, serve).await;
        });
        Self { address, requests, _tasks: tasks }
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn serve(
    mut stream: TcpStream,
    tls: Option<TlsAcceptor>,
    before: Vec<Step>,
    script: Arc<Script>,
) -> io::Result<()> {
    if !perform(&mut stream, before).await? {
        return Ok(());
    }
    match tls {
        None => converse(stream, &*script, pending()).await,
        Some(acceptor) => converse(acceptor.accept(stream).await?, &*script, pending()).await,
    }
}

/// An address of this host on which no program listens.
pub fn closed_port() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
