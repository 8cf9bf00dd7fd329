//! The SDK's connection to the network: reqwest's, so that one HTTP client and one set of certificates serve all of onnet.

use super::{AwsError, Lookups};
use crate::{
    model::Gap,
    observe::{limits::EC2_ANSWER, tls::Roots},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use http::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use reqwest::{Client, ClientBuilder, Request, redirect::Policy};
use rustls::client::Resumption;
use std::{
    collections::VecDeque,
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::runtime;

/// How many servers' sessions are kept. Three of AWS's services are asked, in one Region.
const SESSIONS: usize = 8;

/// How many runtimes' clients are kept: the loop's, and that of the thread that asks EC2 beside one that ends.
const RUNTIMES: usize = 4;

/// Which proxies are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxies {
    /// Those that the environment names, as in every SDK.
    OfTheEnvironment,
    /// None.
    None,
}

/// How the AWS APIs are reached. Probes never use this.
pub fn control_plane(roots: &Roots, proxies: Proxies, lookups: Lookups) -> Result<SharedHttpClient, AwsError> {
    Ok(limited(&clients(roots, proxies, lookups)?, EC2_ANSWER))
}

/// The same, whatever the length of an answer.
pub(super) fn clients(roots: &Roots, proxies: Proxies, lookups: Lookups) -> Result<Clients, AwsError> {
    let mut tls = roots.client_config()?.as_ref().clone();
    tls.resumption = Resumption::in_memory_sessions(SESSIONS);
    Clients::new(move || {
        let builder = Client::builder().tls_backend_preconfigured(tls.clone()).dns_resolver(lookups.clone());
        if proxies == Proxies::None { builder.no_proxy() } else { builder }
    })
}

/// Clients with the same settings, one for each runtime: a connection ends with the runtime that it was made on, so that no
/// other may take it from a pool.
#[derive(Clone)]
pub(super) struct Clients {
    settings: Arc<dyn Fn() -> ClientBuilder + Send + Sync>,
    made: Arc<Mutex<VecDeque<(runtime::Id, Client)>>>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl Clients {
    /// Those with these settings. They leave it to the SDK to follow redirects and to try again.
    pub(super) fn new(settings: impl Fn() -> ClientBuilder + Send + Sync + 'static) -> Result<Self, AwsError> {
        let clients = Self { settings: Arc::new(settings), made: Arc::default() };
        // What cannot be built is an error now, and not that of a request.
        clients.build().map_err(|error| AwsError::Setup(error.into()))?;
        Ok(clients)
    }

    fn build(&self) -> reqwest::Result<Client> {
        (self.settings)().http1_only().redirect(Policy::none()).retry(reqwest::retry::never()).build()
    }

    /// That of the runtime that this is called on.
    fn here(&self) -> reqwest::Result<Client> {
        let id = runtime::Handle::current().id();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made.iter().position(|(of, _)| *of == id).and_then(|at| made.remove(at));
        let (_, client) = if let Some(known) = known { known } else { (id, self.build()?) };
        made.truncate(RUNTIMES - 1);
        made.push_front((id, client.clone()));
        Ok(client)
    }
}

/// The clients as the SDK takes them, for answers of at most so many bytes.
pub(super) fn limited(clients: &Clients, longest: usize) -> SharedHttpClient {
    let connector = connector(clients.clone(), longest);
    http_client_fn(move |_, _| connector.clone())
}

pub(super) fn connector(clients: Clients, longest: usize) -> SharedHttpConnector {
    SharedHttpConnector::new(Connector { clients, longest })
}

/// An answer that is longer than any should be. It is not read on.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the answer is longer than {0} bytes")]
pub struct TooLong(usize);

impl TooLong {
    pub(super) fn new(longest: usize) -> Self {
        Self(longest)
    }

    /// The error as the reason for a missing fact. `request` is what was answered so.
    pub(crate) fn gap(self, request: &str) -> Gap {
        let allowed = u64::try_from(self.0).unwrap_or(u64::MAX);
        Gap::OverLimit { limit: format!("bytes in the answer to {request}"), allowed, found: allowed.saturating_add(1) }
    }
}

#[derive(Debug)]
struct Connector {
    clients: Clients,
    longest: usize,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (clients, longest) = (self.clients.clone(), self.longest);
        HttpConnectorFuture::new(async move {
            let request = sent(request)?;
            let answer = clients.here().map_err(failed)?.execute(request).await.map_err(failed)?;
            let (head, body) = Response::<reqwest::Body>::from(answer).into_parts();
            let body = Limited::new(body, longest).collect().await;
            let body = body.map_err(|error| not_whole(error, longest))?.to_bytes();
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

fn not_whole(error: Box<dyn Error + Send + Sync>, longest: usize) -> ConnectorError {
    match error.downcast::<reqwest::Error>() {
        Ok(error) => failed(*error),
        Err(error) if error.is::<LengthLimitError>() => ConnectorError::other(TooLong(longest).into(), None),
        Err(error) => ConnectorError::io(error),
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::observe::{aws::find_cause, tls::empty_roots};
    use std::{net::SocketAddr, time::Duration};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        time::timeout,
    };

    const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

    /// Answers every request by `start`, and then by `tail` again and again, if there is one.
    async fn serve(start: String, tail: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = answer(&mut stream, &start, tail).await;
            }
        });
        address
    }

    async fn answer(stream: &mut TcpStream, start: &str, tail: &str) -> std::io::Result<()> {
        let _ = stream.read(&mut [0; 4096]).await?;
        stream.write_all(start.as_bytes()).await?;
        while !tail.is_empty() {
            stream.write_all(tail.as_bytes()).await?;
        }
        Ok(())
    }

    /// How many bytes the answer has, or the error.
    async fn asked(address: SocketAddr, longest: usize) -> Result<usize, ConnectorError> {
        let answer = connector(without_tls(), longest).call(get(address)).await?;
        Ok(answer.body().bytes().unwrap().len())
    }

    fn without_tls() -> Clients {
        Clients::new(|| Client::builder().tls_backend_preconfigured(empty_roots().unwrap()).no_proxy()).unwrap()
    }

    fn get(address: SocketAddr) -> HttpRequest {
        let request = http::Request::get(format!("http://{address}/")).body(SdkBody::empty()).unwrap();
        HttpRequest::try_from(request).unwrap()
    }

    /// Each runtime stays, and nothing drives the connections of the one before it: who takes one of them waits in vain.
    #[test]
    fn a_runtime_uses_its_own_connections_alone() {
        let runtime = || runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in server.incoming() {
                std::thread::spawn(move || keep_alive(&stream.unwrap()));
            }
        });
        let connector = connector(without_tls(), 100);
        let kept: Vec<_> = (0..RUNTIMES + 2)
            .map(|_| {
                let runtime = runtime();
                for request in ["first", "second"] {
                    let number = runtime.block_on(async {
                        let answer = timeout(Duration::from_secs(20), connector.call(get(address))).await;
                        answer.unwrap().unwrap().body().bytes().unwrap().to_vec()
                    });
                    assert_eq!(String::from_utf8(number).unwrap(), request);
                }
                runtime
            })
            .collect();
        drop(kept);
    }

    /// Answers which request on this connection it is.
    fn keep_alive(mut stream: &std::net::TcpStream) {
        use std::io::{Read, Write};
        for number in ["first", "second", "third"] {
            let read = stream.read(&mut [0; 4096]).unwrap();
            if read == 0 {
                return;
            }
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{number}", number.len()).unwrap();
        }
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_the_limit_and_no_further() {
        let ten = format!("{HEAD}5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n");
        assert_eq!(asked(serve(ten.clone(), "").await, 10).await.unwrap(), 10);
        for (start, tail) in [(ten, ""), (HEAD.to_owned(), "5\r\n01234\r\n")] {
            let error = asked(serve(start, tail).await, 9).await.unwrap_err();
            let gap = find_cause::<TooLong>(&error).unwrap().gap("ec2:DescribeRouteTables");
            assert_eq!(gap.reason(), "over_limit", "{gap}");
        }
    }

    /// These limits are hyper's own.
    #[tokio::test]
    async fn heads_chunk_extensions_and_trailers_end_too() {
        for (start, tail) in [
            ("HTTP/1.1 200 OK\r\n", "x: y\r\n"),
            ("HTTP/1.1 200 OK\r\nx: ", "y"),
            ("HTTP/1.1 200 ", "OK"),
            (&format!("{HEAD}5;"), "extension"),
            (&format!("{HEAD}0\r\n"), "x: y\r\n"),
        ] {
            assert!(asked(serve(start.to_owned(), tail).await, 1 << 20).await.is_err(), "{start:?} {tail:?}");
        }
    }
}
