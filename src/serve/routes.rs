//! The routes. A request only renders the last status, and each document is rendered once a second at most.

use super::{
    budget::Budget,
    streamed::{AT_ONCE, Streams},
    web_config::{Admission, HashQueue, WebConfig},
};
use crate::{
    engine::{
        self, Published,
        metrics::{Counters, exposition},
    },
    model::Status,
    present,
};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use http::{
    HeaderValue, StatusCode,
    header::{
        AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER,
        WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    },
};
use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long a rendering is reused: a thousand requests a second cost no more than one, in work and in memory.
const REUSED_FOR: Duration = Duration::from_secs(1);

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The page brings all it needs: styles, and pictures in it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// The address a request came from.
#[derive(Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// What requests share.
pub(super) struct Served {
    published: Published,
    counters: Counters,
    pub(super) web: WebConfig,
    hash_queue: HashQueue,
    page: Rendered,
    metrics: Rendered,
    report: Rendered,
    streams: Streams,
}

impl Served {
    /// A large answer is written for as long as `answer`.
    pub(super) fn new(
        published: Published,
        counters: Counters,
        web: WebConfig,
        budget: &Arc<Budget>,
        answer: Duration,
    ) -> Self {
        let [page, metrics, report] = [const { Rendered::new() }; 3];
        let (hash_queue, streams) = (HashQueue::new(Arc::clone(budget)), Streams::new(answer, Arc::clone(budget)));
        Self { published, counters, web, hash_queue, page, metrics, report, streams }
    }
}

type Rendering = Result<Bytes, prometheus::Error>;

/// The last rendering of a document, shared by the clients that are still reading it.
struct Rendered(Mutex<Option<(Arc<Status>, Instant, Bytes)>>);

impl Rendered {
    const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// That of `status`, if it was made `within` this time.
    fn of(&self, status: &Arc<Status>, within: Duration, render: impl FnOnce() -> Rendering) -> Rendering {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, at, bytes)) = &*last
            && Arc::ptr_eq(of, status)
            && at.elapsed() < within
        {
            return Ok(bytes.clone());
        }
        let bytes = render()?;
        *last = Some((Arc::clone(status), Instant::now(), bytes.clone()));
        Ok(bytes)
    }
}

const PATHS: &str = "/  /metrics  /report.json  /-/healthy  /-/ready";

pub(super) fn router(served: &Arc<Served>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/metrics", get(metrics))
        .route("/report.json", get(report))
        .route("/-/healthy", get(|| async { text(StatusCode::OK, "onnet is healthy\n") }))
        .route("/-/ready", get(ready))
        .method_not_allowed_fallback(|| async {
            text(StatusCode::METHOD_NOT_ALLOWED, "there is nothing here but to read: GET and HEAD\n")
        })
        .fallback(|| async { text(StatusCode::NOT_FOUND, &format!("there is nothing here; there is\n{PATHS}\n")) })
        .layer(middleware::from_fn_with_state(Arc::clone(served), guard))
        .with_state(Arc::clone(served))
}

/// Lets in whom the web configuration lets in, and sets the headers that every answer has.
async fn guard(State(served): State<Arc<Served>>, request: Request, next: Next) -> Response {
    let web = served.web.fresh().await;
    let peer = request.extensions().get().map_or(IpAddr::from([0, 0, 0, 0]), |Peer(address)| *address);
    let mut response = if !web.has_token() {
        text(StatusCode::TOO_MANY_REQUESTS, "too many requests, by rate_limit of the web configuration\n")
    } else {
        match web.admit(request.headers().get(AUTHORIZATION), peer, &served.hash_queue).await {
            Admission::Admitted => next.run(request).await,
            Admission::Refused => with(
                text(StatusCode::UNAUTHORIZED, "a user name and a password are needed (basic authentication)\n"),
                WWW_AUTHENTICATE,
                "Basic realm=\"onnet\"",
            ),
            Admission::Busy => {
                with(text(StatusCode::SERVICE_UNAVAILABLE, "too many passwords are being verified\n"), RETRY_AFTER, "1")
            }
        }
    };
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    for (name, value) in &web.headers {
        headers.insert(name, value.clone());
    }
    response
}

async fn page(State(served): State<Arc<Served>>) -> Response {
    let status = served.published.status();
    let render = || Ok(present::status_page(&status, engine::now().wall).into());
    rendered(served.page.of(&status, REUSED_FOR, render), HTML)
}

async fn metrics(State(served): State<Arc<Served>>) -> Response {
    let status = served.published.status();
    let render = || exposition(&status, served.web.status(), &served.counters).map(Bytes::from);
    rendered(served.metrics.of(&status, REUSED_FOR, render), METRICS)
}

async fn report(State(served): State<Arc<Served>>) -> Response {
    let status = served.published.status();
    let Some(report) = &status.report else { return answer(StatusCode::SERVICE_UNAVAILABLE, JSON, NOT_YET) };
    // Of a large VPC it takes more than the unit has. An empty rendering stands for such a one.
    let whole = || Ok(present::json_within(&**report, AT_ONCE).unwrap_or_default().into());
    // The same for as long as the report is.
    match served.report.of(&status, Duration::MAX, whole) {
        Ok(bytes) if bytes.is_empty() => match served.streams.body(Arc::clone(report)) {
            Some(body) => answer(StatusCode::OK, JSON, body),
            None => with(answer(StatusCode::SERVICE_UNAVAILABLE, JSON, BUSY), RETRY_AFTER, "5"),
        },
        rendering => rendered(rendering, JSON),
    }
}

const NOT_YET: &str =
    "{\n  \"error\": \"not ready\",\n  \"message\": \"onnet has not finished its first round yet\"\n}\n";

const BUSY: &str = "{\n  \"error\": \"busy\",\n  \"message\": \"the report is large, and others are reading it\"\n}\n";

async fn ready(State(served): State<Arc<Served>>) -> Response {
    let status = served.published.status();
    if status.ready {
        return text(StatusCode::OK, "onnet is ready\n");
    }
    let waiting = status.sources.present().filter(|(_, source)| source.up.is_none());
    let waiting: Vec<&str> = waiting.map(|(source, _)| source.name()).collect();
    let waiting = if waiting.is_empty() { String::new() } else { format!(": {}", waiting.join(", ")) };
    let sentence = format!("onnet is not ready: not every source has been collected since it started{waiting}\n");
    text(StatusCode::SERVICE_UNAVAILABLE, &sentence)
}

fn rendered(rendering: Rendering, content_type: &'static str) -> Response {
    match rendering {
        Ok(bytes) => answer(StatusCode::OK, content_type, bytes),
        Err(error) => {
            tracing::error!(%error, "cannot render an answer; please report this defect");
            text(StatusCode::INTERNAL_SERVER_ERROR, "onnet cannot render this; its log says why\n")
        }
    }
}

pub(super) fn text(status: StatusCode, text: &str) -> Response {
    answer(status, TEXT, text.to_owned())
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    (status, [(CONTENT_TYPE, content_type)], body.into()).into_response()
}

fn with(mut response: Response, name: http::HeaderName, value: &'static str) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_document_that_cannot_be_rendered_is_an_error_without_its_details() {
        let response = rendered(Err(prometheus::Error::Msg("inconsistent label cardinality".to_owned())), METRICS);
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8_lossy(&body);
        assert!(body.contains("its log says why") && !body.contains("cardinality"), "{body}");
    }
}
