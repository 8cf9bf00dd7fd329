//! An unsigned `GET /`, for instances without credentials.
//!
//! reqwest has no hooks for phases, so they are determined by what it passes through: rustls asks its session store for a
//! ticket when the handshake begins, and a connector layer sees the connection ready. A bodiless GET leaves in one
//! piece then; its sending cannot be distinguished, so there is no send phase here, and the answer's headers, not their
//! first byte, end the wait.

use super::{Ending, Prober, bare_host, failure::Failure, request_id, timeline::Clock, url};
use crate::{
    model::{Phase, ProbeResult, ServiceName},
    observe::limits::PROBE_ANSWER,
};
use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::{Client, Response, redirect::Policy};
use rustls::{
    ClientConfig, NamedGroup,
    client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue},
    pki_types::ServerName,
};
use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::time::Instant;
use tower_layer::{Layer, layer_fn};
use tower_service::Service;

/// Sends it.
pub(super) async fn probe(
    prober: &Prober,
    name: &ServiceName,
    address: IpAddr,
    clock: &Clock,
    deadline: Instant,
) -> Ending {
    let request = match client(prober, name, address, clock).map(|client| client.get(url(name))) {
        Ok(request) => request,
        Err(error) => {
            let detail = error.to_string();
            return Ending::failed(Failure { result: ProbeResult::ConnectFailed, phase: None, detail });
        }
    };
    let exchange = async {
        let response = request.send().await?;
        clock.enter(Phase::Receive);
        whole(response).await
    };
    let ended = clock.within(Phase::Connect, deadline, exchange).await;
    clock.stop();
    match ended {
        Ok(Ok(answer)) => answer.judge(),
        Ok(Err(error)) => Ending::failed(Failure::new(clock.phase(), &error)),
        Err(phase) => Ending::failed(Failure::timed_out(phase)),
    }
}

fn client(prober: &Prober, name: &ServiceName, address: IpAddr, clock: &Clock) -> Result<Client, reqwest::Error> {
    Client::builder()
        .tls_backend_preconfigured(on_the_clock(&prober.tls, clock))
        .connector_layer(ready_layer(clock))
        .resolve(bare_host(name), SocketAddr::new(address, name.port))
        .no_proxy()
        .http1_only()
        .pool_max_idle_per_host(0)
        .tcp_keepalive(None)
        .tcp_user_timeout(None)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .build()
}

struct Answer {
    status: http::StatusCode,
    local: Option<SocketAddr>,
    request_id: Option<String>,
    /// `None` if it was longer than [`PROBE_ANSWER`].
    body: Option<Vec<u8>>,
}

async fn whole(mut response: Response) -> Result<Answer, reqwest::Error> {
    let mut answer = Answer {
        status: response.status(),
        local: response.extensions().get::<HttpInfo>().map(HttpInfo::local_addr),
        request_id: request_id(response.headers()),
        body: None,
    };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > PROBE_ANSWER {
            return Ok(answer);
        }
        body.extend_from_slice(&chunk);
    }
    answer.body = Some(body);
    Ok(answer)
}

impl Answer {
    fn judge(self) -> Ending {
        let status = self.status;
        // The name that follows differs between DynamoDB's own names, so it is not compared.
        let healthy = self.body.is_some_and(|body| body.starts_with(b"healthy: "));
        let ending = match status.as_u16() {
            200 if healthy => Ending::answered(ProbeResult::Ok, None),
            400..=499 => Ending::answered(ProbeResult::Http4xx, Some(format!("HTTP {status}"))),
            500..=599 => Ending::answered(ProbeResult::Http5xx, Some(format!("HTTP {status}"))),
            _ => {
                let detail = format!("HTTP {status}, not DynamoDB's \"healthy: …\"");
                Ending::answered(ProbeResult::UnexpectedAnswer, Some(detail))
            }
        };
        Ending { local: self.local, request_id: self.request_id, ..ending }
    }
}

/// `tls` with a session store that keeps nothing and notes when a handshake begins.
fn on_the_clock(tls: &ClientConfig, clock: &Clock) -> ClientConfig {
    let mut tls = tls.clone();
    tls.resumption = Resumption::store(Arc::new(HandshakeBegins(clock.clone())));
    tls
}

#[derive(Debug)]
struct HandshakeBegins(Clock);

impl ClientSessionStore for HandshakeBegins {
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.enter(Phase::Tls);
        None
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.enter(Phase::Tls);
        None
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {}
}

/// A layer around reqwest's connector that notes when a connection is ready.
fn ready_layer<S>(clock: &Clock) -> impl Layer<S, Service = ReadyOnTheClock<S>> + Clone + Send + Sync + 'static {
    let clock = clock.clone();
    layer_fn(move |connector| ReadyOnTheClock { connector, clock: clock.clone() })
}

#[derive(Clone)]
struct ReadyOnTheClock<S> {
    connector: S,
    clock: Clock,
}

impl<S, R> Service<R> for ReadyOnTheClock<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connection = self.connector.call(request);
        let clock = self.clock.clone();
        Box::pin(async move {
            let connection = connection.await?;
            clock.enter(Phase::Wait);
            Ok(connection)
        })
    }
}
