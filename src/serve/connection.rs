//! One connection, from its first byte to its last.

use super::{
    Limits,
    budget::{Budget, Budgeted},
    names::Names,
    pace::{Pace, Paced, Stage},
    routes::{Peer, Served},
    web_config::Loaded,
};
use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{net::IpAddr, pin::pin, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

/// The first byte of a TLS handshake, which begins no HTTP request.
const TLS_HANDSHAKE: u8 = 0x16;

/// What is answered to HTTP where TLS is spoken. Ends with the connection.
const SPEAK_TLS: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\
                         \r\nthis is HTTPS: ask again with https://\n";

/// What a connection needs.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) served: Arc<Served>,
    pub(super) router: Router,
    pub(super) limits: Limits,
    pub(super) budget: Arc<Budget>,
    pub(super) names: Arc<Names>,
    /// Turns true when the server ends.
    pub(super) ending: watch::Receiver<bool>,
}

/// Answers requests until the client, an address and its neighbourhood, has done, is late, or the server ends.
pub(super) async fn hold(host: Host, stream: TcpStream, client: (IpAddr, IpAddr), pace: Arc<Pace>) {
    let (peer, neighbour) = client;
    let budget = Arc::clone(&host.budget);
    let ended = tokio::select! {
        ended = Budgeted::new(budget, neighbour, answer(host, stream, peer, &pace)) => ended,
        stage = pace.late() => Err(format!("too slow: {stage:?}")),
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, error, "a connection ended early");
    }
}

type Ended = Result<(), String>;

async fn answer(host: Host, mut stream: TcpStream, peer: IpAddr, pace: &Arc<Pace>) -> Ended {
    let mut web = host.served.web.subscribe();
    host.served.web.fresh().await;
    let loaded = Arc::clone(&web.borrow_and_update());
    let _ = stream.set_nodelay(true); // slower without, and no more
    match &loaded.tls {
        None => {
            pace.enter(Stage::Idle);
            http(host, Paced { stream, pace: Arc::clone(pace) }, peer, pace, web).await
        }
        Some(tls) => {
            let mut first = [0];
            if stream.peek(&mut first).await.map_err(said)? == 1 && first != [TLS_HANDSHAKE] {
                // Closing with bytes unread would take the answer from the client.
                stream.read(&mut [0; 4096]).await.map_err(said)?;
                stream.write_all(SPEAK_TLS.as_bytes()).await.map_err(said)?;
                return Err("HTTP where TLS is spoken".to_owned());
            }
            let paced = Paced { stream, pace: Arc::clone(pace) };
            let stream = TlsAcceptor::from(Arc::clone(tls)).accept(paced).await.map_err(said)?;
            pace.enter(Stage::Idle);
            http(host, stream, peer, pace, web).await
        }
    }
}

async fn http(
    mut host: Host,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: IpAddr,
    pace: &Arc<Pace>,
    mut web: watch::Receiver<Arc<Loaded>>,
) -> Ended {
    let (router, ours, names) = (host.router, Arc::clone(pace), host.names);
    let service = service_fn(move |mut request: Request<Incoming>| {
        ours.enter(Stage::Answer);
        let refusal = names.refusal(&request);
        request.extensions_mut().insert(Peer(peer));
        let mut router = router.clone();
        async move {
            match refusal {
                Some(refusal) => Ok(refusal),
                None => router.call(request).await,
            }
        }
    });
    let limits = &host.limits;
    let mut connection = pin!(
        http1::Builder::new()
            .header_read_timeout(None) // the pace has its own, which knows waiting from sending slowly
            .max_buf_size(limits.head_bytes.max(8192))
            .max_header_size(limits.head_bytes)
            .max_headers(limits.headers)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut closes = false;
    loop {
        tokio::select! {
            done = connection.as_mut() => return done.map_err(said),
            // Who was let in by settings that are gone has to come in again.
            _ = web.changed(), if !closes => closes = true,
            _ = host.ending.wait_for(|ending| *ending), if !closes => closes = true,
        }
        connection.as_mut().graceful_shutdown();
    }
}

fn said(error: impl std::error::Error) -> String {
    error.to_string()
}
