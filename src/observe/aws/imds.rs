//! Access to the instance metadata service. Off EC2 there is no answer, and finding out is to cost a second once.

use super::{
    AwsError, TooLong, find_cause,
    http::{Clients, connector},
    sentence,
};
use crate::observe::{limits::METADATA_ANSWER, tls::empty_roots};
use aws_config::{imds, provider_config::ProviderConfig};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use reqwest::Client;
use std::{
    io::{self, ErrorKind},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// For a connection, and again for an answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// For how long one silence stands for all requests: longer than a round's first wave, shorter than two rounds.
const REMEMBERED: Duration = Duration::from_secs(5);

/// The metadata client that the Region, the credentials and the instance's description share.
#[derive(Debug)]
pub(super) struct Metadata {
    client: imds::Client,
    heard: Arc<Mutex<Heard>>,
}

impl Metadata {
    /// Of the service at this URL.
    pub(super) fn new(endpoint: &str) -> Result<Self, AwsError> {
        let heard = Arc::new(Mutex::new(Heard::Nothing));
        // No proxy: another machine's metadata would be worse than none.
        let roots = empty_roots()?;
        let clients = Clients::new(move || {
            let client = Client::builder().tls_backend_preconfigured(roots.clone()).no_proxy();
            client.connect_timeout(PATIENCE).read_timeout(PATIENCE)
        })?;
        let inner = connector(clients, METADATA_ANSWER);
        let connector = SharedHttpConnector::new(Listening { inner, heard: Arc::clone(&heard) });
        let http: SharedHttpClient = http_client_fn(move |_, _| connector.clone());
        let config = ProviderConfig::empty()
            .with_behavior_version(Some(super::behavior_version()))
            .with_http_client(http)
            .with_sleep_impl(super::sleep());
        let client = imds::Client::builder()
            .configure(&config)
            .endpoint(endpoint)
            .map_err(AwsError::Setup)?
            .max_attempts(1)
            .connect_timeout(PATIENCE)
            .read_timeout(PATIENCE)
            // Wider than its parts, so that the connector's verdict is there before this one cuts it off.
            .operation_attempt_timeout(PATIENCE * 3)
            .operation_timeout(PATIENCE * 3);
        Ok(Self { client: client.build(), heard })
    }

    pub(super) fn client(&self) -> &imds::Client {
        &self.client
    }

    /// How the service failed to answer, if it did so a moment ago and has never answered.
    pub(super) fn silence(&self) -> Option<String> {
        silence(&self.heard).map(|(detail, _)| detail)
    }
}

/// What has been heard of the service.
#[derive(Debug)]
enum Heard {
    Nothing,
    Silence { at: Instant, detail: String, timed_out: bool },
    Answer,
}

impl Heard {
    /// How the service failed to answer, and whether it said nothing at all.
    fn silence(&self) -> Option<(String, bool)> {
        match self {
            Self::Silence { at, detail, timed_out } if at.elapsed() < REMEMBERED => Some((detail.clone(), *timed_out)),
            Self::Silence { .. } | Self::Nothing | Self::Answer => None,
        }
    }
}

fn silence(heard: &Mutex<Heard>) -> Option<(String, bool)> {
    heard.lock().unwrap_or_else(PoisonError::into_inner).silence()
}

/// Hears whether the service answers at all, and spares later requests the wait for one that does not.
#[derive(Debug)]
struct Listening {
    inner: SharedHttpConnector,
    heard: Arc<Mutex<Heard>>,
}

impl HttpConnector for Listening {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let heard = Arc::clone(&self.heard);
        if let Some((detail, timed_out)) = silence(&heard) {
            let again = if timed_out { ErrorKind::TimedOut } else { ErrorKind::Other };
            let error = ConnectorError::io(io::Error::new(again, detail).into());
            return HttpConnectorFuture::ready(Err(error.never_connected()));
        }
        let asks_for_role = request.uri().ends_with(ROLES);
        let answer = self.inner.call(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await.and_then(|answer| if asks_for_role { named(answer) } else { Ok(answer) });
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            match &answer {
                Ok(_) => *heard = Heard::Answer,
                // An answer that is too long is not silence.
                Err(error) if find_cause::<TooLong>(error).is_some() => *heard = Heard::Answer,
                Err(_) if matches!(*heard, Heard::Answer) => {}
                Err(error) => {
                    let (detail, timed_out) = (super::root_cause(error), super::is_timeout(error));
                    *heard = Heard::Silence { at: Instant::now(), detail, timed_out };
                }
            }
            drop(heard);
            answer
        })
    }
}

/// Where the service lists the role of the instance.
const ROLES: &str = "/iam/security-credentials/";

/// The answer that names the role. The SDK makes a path of the name as it stands, and ends the process where that is none.
fn named(mut answer: HttpResponse) -> Result<HttpResponse, ConnectorError> {
    if answer.status().is_success() {
        let name = answer.body().bytes().and_then(role).map(str::to_owned);
        let name = name.ok_or_else(|| sentence("the instance metadata service names a role that cannot be one"))?;
        *answer.body_mut() = SdkBody::from(name);
    }
    Ok(answer)
}

/// The first line, where it is the name of a role: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html>
fn role(answer: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(answer).ok()?.lines().next()?.trim();
    let is_of_names = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    (!name.is_empty() && name.chars().all(is_of_names)).then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::{model::Gap, observe::imds::ImdsError};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    #[tokio::test]
    async fn a_silent_metadata_service_costs_its_patience_once() {
        // Accepts (the kernel does, from the backlog) and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", silent.local_addr().unwrap());
        let metadata = Metadata::new(&endpoint).unwrap();

        let began = Instant::now();
        assert!(metadata.client().get("/latest/meta-data/placement/region").await.is_err());
        let first = began.elapsed();
        assert!(metadata.client().get("/latest/meta-data/instance-id").await.is_err());
        let second = began.elapsed() - first;

        assert!(first >= PATIENCE && first < PATIENCE * 2, "the first wait: {first:?}");
        assert!(second < PATIENCE / 2, "the second wait: {second:?}");
        assert!(metadata.silence().is_some());
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_the_limit_and_no_further() {
        for (length, reason) in [(METADATA_ANSWER, None), (METADATA_ANSWER + 1, Some("over_limit"))] {
            let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let endpoint = format!("http://{}", service.local_addr().unwrap());
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = service.accept().await {
                    let mut asked = [0; 4096];
                    let _ = stream.read(&mut asked).await.unwrap();
                    let head =
                        "HTTP/1.1 200 OK\r\nconnection: close\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\n";
                    let body = if asked.starts_with(b"PUT") { "t".to_owned() } else { "x".repeat(length) };
                    let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
            let metadata = Metadata::new(&endpoint).unwrap();
            let path = "/latest/meta-data/instance-id";
            let answer = metadata.client().get(path).await;
            let gap = answer.map_err(|error| ImdsError::new(path, error).gap());
            assert_eq!(gap.as_ref().err().map(Gap::reason), reason, "{length}");
            assert!(gap.is_err() || gap.is_ok_and(|text| text.as_ref().len() == length));
        }
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_cut_off() {
        let endless = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", endless.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = endless.accept().await {
                let _ = stream.read(&mut [0; 4096]).await.unwrap();
                let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                while sent.is_ok() {
                    sent = stream.write_all(&[b'x'; 4096]).await;
                }
            }
        });
        let metadata = Metadata::new(&endpoint).unwrap();
        let gap = crate::observe::imds::instance(metadata.client(), false).await.unwrap_err().gap();
        assert_eq!(gap.reason(), "over_limit", "{gap}");
        assert!(gap.to_string().contains("65536"), "{gap}");
    }

    #[tokio::test]
    async fn whichever_limit_is_the_first_silence_is_named_so() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let metadata = Metadata::new(&format!("http://{}", silent.local_addr().unwrap())).unwrap();
        let path = "/latest/meta-data/instance-id";
        for request in ["the first", "another while the first one is remembered"] {
            let error = metadata.client().get(path).await.unwrap_err();
            assert_eq!(ImdsError::new(path, error).gap().reason(), "timed_out", "{request}");
        }
    }

    #[test]
    fn only_a_name_is_taken_for_a_role() {
        for answer in ["onnet", "onnet\n", " my+role=1,a.b@c-d_e \r\nother\n"] {
            assert!(role(answer.as_bytes()).is_some_and(|name| !name.contains(char::is_whitespace)), "{answer:?}");
        }
        for answer in ["", "\n", "a b", "<html>", "a/b", "r\u{f6}le", "\u{1}"] {
            assert_eq!(role(answer.as_bytes()), None, "{answer:?}");
        }
    }

    #[tokio::test]
    async fn a_refused_connection_is_remembered_in_the_kernels_words() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let metadata = Metadata::new(&format!("http://{closed}")).unwrap();
        assert!(metadata.client().get("/latest/meta-data/instance-id").await.is_err());
        let silence = metadata.silence().unwrap();
        assert!(silence.contains("refused"), "{silence}");
    }
}
