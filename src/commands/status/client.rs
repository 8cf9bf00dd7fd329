//! The HTTP client of `onnet status`: it reads `/report.json` of a daemon.

use onnet::{
    import::{input, json, saved},
    judge,
    model::{Report, SCHEMA},
    observe::{
        aws::{find_cause, root_cause},
        limits::{CERTIFICATES_FILE, SECRET_FILE},
        tls::{self, Roots, TlsError},
    },
    present,
};
use reqwest::{Client, Response, StatusCode, Url, redirect::Policy};
use rustls::{
    AlertDescription,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde::Deserialize;
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// A longer answer is not a report. That of the largest VPC takes 45 MB.
const MAX_BODY: usize = 128 << 20;

/// The daemon's URL, and what its web configuration requires of clients.
#[derive(Clone, Debug)]
pub(super) struct Access {
    /// `http://127.0.0.1:10953`
    pub(super) url: Url,
    /// For the whole request.
    pub(super) timeout: Duration,
    /// The authority of the daemon's certificate; `None` for the system's.
    pub(super) ca_file: Option<PathBuf>,
    /// The client certificate and its key.
    pub(super) certificate: Option<(PathBuf, PathBuf)>,
    /// The user, and the file that holds the password.
    pub(super) user: Option<(String, PathBuf)>,
}

/// The daemon's report.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) report: Report,
    /// As the daemon wrote it.
    pub(super) json: String,
}

impl Access {
    /// Parses `--url`. The error does not repeat it, for it may hold a password.
    pub(super) fn url(text: &str) -> Result<Url, ClientError> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let mut url = url.ok_or(ClientError::NotUrl)?;
        // Behind a raw `/`, `?` or `#` it is part of a password, too, and would be shown.
        if text.contains('@') {
            return Err(ClientError::PasswordInUrl);
        }
        url.set_query(None);
        url.set_fragment(None);
        Ok(url)
    }
}

/// Why there is no report. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("--url is not an http or https URL; expected one such as http://127.0.0.1:10953")]
    NotUrl,
    /// Every user of the host can read a command line.
    #[error("--url contains a user or a password; give --user NAME and --password-file FILE instead")]
    PasswordInUrl,
    /// `problem` repeats nothing of the file's content.
    #[error("{flag} {}: {problem}", .file.display())]
    File { flag: &'static str, file: PathBuf, problem: String },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot set up HTTP")]
    Setup(#[source] reqwest::Error),
    #[error("no daemon answers at {url}: connection refused; is onnet.service running? (systemctl status onnet)")]
    Refused { url: String },
    #[error("no daemon answers at {url}: {problem}")]
    Unreachable { url: String, problem: String },
    #[error("no answer from {url} within {}; does the daemon hang? (systemctl status onnet)", humantime::format_duration(*.after))]
    TimedOut { url: String, after: Duration },
    #[error("the daemon at {url} {}", unauthorized(.user.as_deref()))]
    Unauthorized { url: String, user: Option<String> },
    #[error("the daemon at {url} is not ready: it has not finished its first round yet")]
    NotReady { url: String },
    #[error("the daemon at {url} answers {status}: {advice}")]
    Status { url: String, status: u16, advice: &'static str },
    #[error("what answers at {url} is not onnet: {problem}")]
    NotOnnet { url: String, problem: String },
    #[error(
        "the daemon at {url} answers with schema {found}, and this onnet knows {SCHEMA} and older: ask with a newer onnet"
    )]
    Newer { url: String, found: u64 },
}

fn unauthorized(user: Option<&str>) -> String {
    match user {
        None => "asks for a user and a password: give --user NAME and --password-file FILE".to_owned(),
        Some(user) => format!("does not let in the user {user:?} with the password of --password-file"),
    }
}

/// Fetches the latest report.
pub(super) async fn fetch(access: &Access) -> Result<Fetched, ClientError> {
    let base = access.url.to_string();
    let url = base.trim_end_matches('/').to_owned();
    let mut report = access.url.clone();
    report.set_path(&format!("{}/report.json", access.url.path().trim_end_matches('/')));
    let mut request = client(access)?.get(report);
    if let Some((user, file)) = &access.user {
        let password = String::from_utf8(read("--password-file", file, SECRET_FILE)?)
            .map_err(|_| file_error("--password-file", file, "is not UTF-8"))?;
        request = request.basic_auth(user, Some(password.trim_end_matches(['\r', '\n'])));
    }
    let failed = |error: reqwest::Error| transport_error(&error, url.clone(), access);
    let response = request.send().await.map_err(failed)?;
    let status = response.status();
    let Some(body) = read_body(response).await.map_err(failed)? else {
        return Err(ClientError::NotOnnet { url, problem: "the answer has no end".to_owned() });
    };
    if status == StatusCode::OK {
        return parse(&url, body);
    }
    Err(status_error(url, status, &body, access))
}

/// The body; `None` if it is longer than [`MAX_BODY`].
async fn read_body(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BODY {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Read before the rest: it distinguishes a report from other JSON, and a newer daemon's from a broken one.
#[derive(Deserialize)]
struct Head {
    schema: Option<u64>,
}

fn parse(url: &str, body: Vec<u8>) -> Result<Fetched, ClientError> {
    let not_onnet = |problem: String| ClientError::NotOnnet { url: url.to_owned(), problem };
    let expected = "a report (an object)";
    let unreadable = |error: json::JsonError| not_onnet(format!("its report cannot be read ({error})"));
    let head: Head = json::parse("report.json", &body, expected).map_err(unreadable)?;
    match head.schema {
        None => return Err(not_onnet("its report has no `schema`".to_owned())),
        Some(found) if found > u64::from(SCHEMA) => return Err(ClientError::Newer { url: url.to_owned(), found }),
        // An older daemon's: its facts are judged here, for its conclusions lack what this version adds.
        Some(found) if found < u64::from(SCHEMA) => {
            let snapshot = saved::parse("report.json", &body)
                .map_err(|error| not_onnet(format!("its report cannot be read ({error})")))?;
            let report = judge::judge(snapshot);
            return Ok(Fetched { json: present::json(&report), report });
        }
        Some(_) => {}
    }
    let report = json::parse("report.json", &body, expected).map_err(unreadable)?;
    let json = String::from_utf8(body).map_err(|_| not_onnet("its report is not UTF-8".to_owned()))?;
    Ok(Fetched { report, json })
}

/// The body of a 503 before the first report.
#[derive(Deserialize)]
struct Unready {
    error: String,
}

/// The error of an answer whose status is not 200.
fn status_error(url: String, status: StatusCode, body: &[u8], access: &Access) -> ClientError {
    match status {
        StatusCode::UNAUTHORIZED => {
            ClientError::Unauthorized { url, user: access.user.as_ref().map(|(user, _)| user.clone()) }
        }
        StatusCode::SERVICE_UNAVAILABLE => match serde_json::from_slice(body) {
            Ok(Unready { error }) if error == "not ready" => ClientError::NotReady { url },
            Ok(_) | Err(_) => ClientError::Status { url, status: 503, advice: "ask again in a moment" },
        },
        StatusCode::MISDIRECTED_REQUEST => {
            let advice = "it does not answer to this name: ask by its address, or start it with --allowed-host";
            ClientError::Status { url, status: 421, advice }
        }
        StatusCode::TOO_MANY_REQUESTS => {
            ClientError::Status { url, status: 429, advice: "its rate_limit is reached; ask again in a moment" }
        }
        StatusCode::BAD_REQUEST if body.starts_with(b"this is HTTPS") => {
            ClientError::Unreachable { url, problem: "it speaks HTTPS; use https:// in --url".to_owned() }
        }
        other => ClientError::NotOnnet { url, problem: format!("it answers HTTP {}", other.as_u16()) },
    }
}

/// The error of a request without a complete answer.
fn transport_error(error: &reqwest::Error, url: String, access: &Access) -> ClientError {
    if error.is_timeout() {
        return ClientError::TimedOut { url, after: access.timeout };
    }
    let kind = find_cause::<io::Error>(error).map(io::Error::kind);
    let problem = match find_cause::<rustls::Error>(error) {
        Some(rustls::Error::InvalidCertificate(why)) => {
            format!("its certificate is not trusted ({why}); name the authority it is from with --ca-file FILE")
        }
        Some(rustls::Error::InvalidMessage(_)) => "it speaks no TLS; use http:// in --url".to_owned(),
        Some(rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::HandshakeFailure,
        )) if access.certificate.is_none() => {
            "it asks for a certificate: give --cert-file FILE and --key-file FILE".to_owned()
        }
        Some(rustls::Error::AlertReceived(alert)) => format!("it ended the TLS handshake ({alert:?})"),
        Some(other) => other.to_string(),
        None if kind == Some(io::ErrorKind::ConnectionRefused) => return ClientError::Refused { url },
        None if find_cause::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) => {
            return ClientError::NotOnnet { url, problem: "it does not speak HTTP".to_owned() };
        }
        None => root_cause(error),
    };
    ClientError::Unreachable { url, problem }
}

/// Without proxies, redirects and retries: the daemon is on this host, or its URL is given.
fn client(access: &Access) -> Result<Client, ClientError> {
    let builder = Client::builder()
        .http1_only()
        .no_proxy()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .timeout(access.timeout);
    if access.url.scheme() != "https" {
        return builder.tls_backend_preconfigured(tls::empty_roots()?).build().map_err(ClientError::Setup);
    }
    let roots = match &access.ca_file {
        None => Roots::load(None)?,
        Some(file) => {
            let unusable = || file_error("--ca-file", file, "contains no usable PEM certificate");
            Roots::usable(certificates("--ca-file", file)?).ok_or_else(unusable)?
        }
    };
    let shown = match &access.certificate {
        None => None,
        Some((certificate, key)) => Some(client_certificate(certificate, key)?),
    };
    builder.tls_backend_preconfigured(roots.client_config_showing(shown)?).build().map_err(ClientError::Setup)
}

fn client_certificate(certificate: &Path, key: &Path) -> Result<tls::Shown, ClientError> {
    let chain = certificates("--cert-file", certificate)?;
    if chain.is_empty() {
        return Err(file_error("--cert-file", certificate, "contains no PEM certificate"));
    }
    let pem = read("--key-file", key, CERTIFICATES_FILE)?;
    let unusable = |_| file_error("--key-file", key, "contains no unencrypted PEM private key");
    Ok((chain, PrivateKeyDer::from_pem_slice(&pem).map_err(unusable)?))
}

fn certificates(flag: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let pem = read(flag, file, CERTIFICATES_FILE)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    certificates.map_err(|_| file_error(flag, file, "contains no PEM certificate"))
}

/// The content of a regular file of at most so many bytes.
fn read(flag: &'static str, file: &Path, limit: u64) -> Result<Vec<u8>, ClientError> {
    let unreadable = |error: io::Error| file_error(flag, file, &format!("cannot be read: {error}"));
    input::read(file, limit).map(|(bytes, _)| bytes).map_err(unreadable)
}

fn file_error(flag: &'static str, file: &Path, problem: &str) -> ClientError {
    ClientError::File { flag, file: file.to_owned(), problem: problem.to_owned() }
}
