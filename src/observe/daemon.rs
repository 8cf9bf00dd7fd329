//! What the local daemon concluded last: its `/report.json`, for `onnet status`.

use super::{
    aws::{find_cause, root_cause},
    tls::{self, Roots, TlsError},
};
use crate::{
    import::json,
    model::{Report, SCHEMA},
};
use reqwest::{Client, Response, StatusCode, Url, redirect::Policy};
use rustls::{
    AlertDescription,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde::Deserialize;
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// No report is longer.
const LONGEST: usize = 32 << 20;

/// Where the daemon answers, and what it asks of those who ask.
#[derive(Clone, Debug)]
pub struct Access {
    /// `http://127.0.0.1:10953`
    pub url: Url,
    /// How long the whole may take.
    pub timeout: Duration,
    /// The authority its certificate is from; the system's where `None`.
    pub ca_file: Option<PathBuf>,
    /// The certificate to show, and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// The name to give, and the file that holds the password.
    pub user: Option<(String, PathBuf)>,
}

/// What the daemon answered.
#[derive(Debug)]
pub struct Answered {
    /// The report.
    pub report: Report,
    /// The same, as it was written.
    pub json: String,
}

impl Access {
    /// What `--url` says. It is not repeated where it is wrong: it may hold a password.
    ///
    /// # Errors
    /// If it is no URL of HTTP, or holds a password.
    pub fn url(text: &str) -> Result<Url, DaemonError> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let mut url = url.ok_or(DaemonError::NoUrl)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(DaemonError::PasswordInUrl);
        }
        url.set_query(None);
        url.set_fragment(None);
        Ok(url)
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Not where, nor how.
    #[error("--url holds no http or https URL; expected one such as http://127.0.0.1:10953")]
    NoUrl,
    /// A URL is seen by every user of the host.
    #[error("--url holds a user or a password; give --user NAME and --password-file FILE instead")]
    PasswordInUrl,
    /// A file of ours cannot be used.
    #[error("{flag} {}: {problem}", .file.display())]
    File {
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong, and nothing that stands in it.
        problem: String,
    },
    /// There is nothing to trust.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The HTTP client cannot be made.
    #[error("cannot set up HTTP")]
    Client(#[source] reqwest::Error),
    /// Nobody listens.
    #[error("no daemon answers at {url}: connection refused; is onnet.service running? (systemctl status onnet)")]
    Refused {
        /// Where.
        url: String,
    },
    /// No connection, or one that broke.
    #[error("no daemon answers at {url}: {problem}")]
    Unreachable {
        /// Where.
        url: String,
        /// How it failed, and what to do.
        problem: String,
    },
    /// No answer in time.
    #[error("no answer from {url} within {}; does the daemon hang? (systemctl status onnet)", humantime::format_duration(*.after))]
    TimedOut {
        /// Where.
        url: String,
        /// How long we waited.
        after: Duration,
    },
    /// It does not know us.
    #[error("the daemon at {url} {}", who(.user))]
    Unauthorized {
        /// Where.
        url: String,
        /// As whom we asked.
        user: Option<String>,
    },
    /// It has not concluded anything yet.
    #[error("the daemon at {url} is not ready: it has not finished its first round yet")]
    NotReady {
        /// Where.
        url: String,
    },
    /// It cannot answer.
    #[error("the daemon at {url} answers {status}: {advice}")]
    Status {
        /// Where.
        url: String,
        /// HTTP's.
        status: u16,
        /// What to do.
        advice: &'static str,
    },
    /// Somebody else answers.
    #[error("what answers at {url} is no onnet: {problem}")]
    Stranger {
        /// Where.
        url: String,
        /// What gave it away.
        problem: String,
    },
    /// The daemon is a newer onnet.
    #[error(
        "the daemon at {url} answers with schema {found}, and this onnet knows {SCHEMA} and older: ask with a newer onnet"
    )]
    Newer {
        /// Where.
        url: String,
        /// Its schema.
        found: u64,
    },
}

fn who(user: &Option<String>) -> String {
    match user {
        None => "asks for a user and a password: give --user NAME and --password-file FILE".to_owned(),
        Some(user) => format!("does not let in the user {user:?} with the password of --password-file"),
    }
}

/// Asks for the last report.
///
/// # Errors
/// If there is none to be had; the message says what to do.
pub async fn report(access: &Access) -> Result<Answered, DaemonError> {
    let base = access.url.to_string();
    let url = base.trim_end_matches('/').to_owned();
    let mut path = access.url.clone();
    path.set_path(&format!("{}/report.json", access.url.path().trim_end_matches('/')));
    let mut request = client(access)?.get(path);
    if let Some((user, file)) = &access.user {
        let password = fs::read_to_string(file).map_err(|error| unreadable("--password-file", file, &error))?;
        request = request.basic_auth(user, Some(password.trim_end_matches(['\r', '\n'])));
    }
    let failed = |error: reqwest::Error| explained(&error, url.clone(), access);
    let response = request.send().await.map_err(failed)?;
    let status = response.status();
    let body = whole(response).await.map_err(failed)?;
    let stranger = |problem: String| DaemonError::Stranger { url: url.clone(), problem };
    let Some(body) = body else { return Err(stranger("the answer has no end".to_owned())) };
    if status == StatusCode::OK {
        return parsed(&url, body);
    }
    Err(refused(url.clone(), status, &body, access))
}

/// The body, or `None` if it is too long.
async fn whole(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LONGEST {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// What tells a report from anything else, and an old one from a new one.
#[derive(Deserialize)]
struct Head {
    schema: Option<u64>,
}

fn parsed(url: &str, body: Vec<u8>) -> Result<Answered, DaemonError> {
    let stranger = |problem: String| DaemonError::Stranger { url: url.to_owned(), problem };
    let expected = "a report (an object)";
    let not_ours = |error: json::JsonError| stranger(format!("its report cannot be read ({error})"));
    let head: Head = json::parse("report.json", &body, expected).map_err(not_ours)?;
    match head.schema {
        None => return Err(stranger("its report has no `schema`".to_owned())),
        Some(found) if found > u64::from(SCHEMA) => return Err(DaemonError::Newer { url: url.to_owned(), found }),
        Some(_) => {}
    }
    let report = json::parse("report.json", &body, expected).map_err(not_ours)?;
    let json = String::from_utf8(body).map_err(|_| stranger("its report is no UTF-8".to_owned()))?;
    Ok(Answered { report, json })
}

/// What the daemon says before its first report.
#[derive(Deserialize)]
struct Excuse {
    error: String,
}

fn refused(url: String, status: StatusCode, body: &[u8], access: &Access) -> DaemonError {
    let user = access.user.as_ref().map(|(user, _)| user.clone());
    match status {
        StatusCode::UNAUTHORIZED => DaemonError::Unauthorized { url, user },
        StatusCode::SERVICE_UNAVAILABLE => match serde_json::from_slice(body) {
            Ok(Excuse { error }) if error == "not ready" => DaemonError::NotReady { url },
            Ok(_) | Err(_) => DaemonError::Status { url, status: 503, advice: "ask again in a moment" },
        },
        StatusCode::TOO_MANY_REQUESTS => {
            DaemonError::Status { url, status: 429, advice: "its rate_limit is reached; ask again in a moment" }
        }
        StatusCode::BAD_REQUEST if body.starts_with(b"this is HTTPS") => {
            let problem = "it speaks HTTPS; use https:// in --url".to_owned();
            DaemonError::Unreachable { url, problem }
        }
        other => DaemonError::Stranger { url, problem: format!("it answers HTTP {}", other.as_u16()) },
    }
}

fn explained(error: &reqwest::Error, url: String, access: &Access) -> DaemonError {
    if error.is_timeout() {
        return DaemonError::TimedOut { url, after: access.timeout };
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
        None if kind == Some(io::ErrorKind::ConnectionRefused) => return DaemonError::Refused { url },
        None if find_cause::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) => {
            return DaemonError::Stranger { url, problem: "it does not speak HTTP".to_owned() };
        }
        None => root_cause(error),
    };
    DaemonError::Unreachable { url, problem }
}

fn client(access: &Access) -> Result<Client, DaemonError> {
    let builder = Client::builder()
        .http1_only()
        .no_proxy()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .timeout(access.timeout);
    if access.url.scheme() != "https" {
        return builder.tls_backend_preconfigured(tls::distrustful()?).build().map_err(DaemonError::Client);
    }
    let roots = match &access.ca_file {
        None => Roots::load()?,
        Some(file) => {
            let none = || bad("--ca-file", file, "holds no certificate in PEM that can be used");
            Roots::usable(certificates("--ca-file", file)?).ok_or_else(none)?
        }
    };
    let shown = match &access.certificate {
        None => None,
        Some((certificate, key)) => {
            let chain = certificates("--cert-file", certificate)?;
            if chain.is_empty() {
                return Err(bad("--cert-file", certificate, "holds no certificate in PEM"));
            }
            let pem = fs::read(key).map_err(|error| unreadable("--key-file", key, &error))?;
            let none = |_| bad("--key-file", key, "holds no private key in PEM that is not encrypted");
            Some((chain, PrivateKeyDer::from_pem_slice(&pem).map_err(none)?))
        }
    };
    builder.tls_backend_preconfigured(roots.client_config_showing(shown)?).build().map_err(DaemonError::Client)
}

fn certificates(flag: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, DaemonError> {
    let pem = fs::read(file).map_err(|error| unreadable(flag, file, &error))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    certificates.map_err(|_| bad(flag, file, "holds no certificate in PEM"))
}

fn unreadable(flag: &'static str, file: &Path, error: &io::Error) -> DaemonError {
    bad(flag, file, &format!("cannot be read: {error}"))
}

fn bad(flag: &'static str, file: &Path, problem: &str) -> DaemonError {
    DaemonError::File { flag, file: file.to_owned(), problem: problem.to_owned() }
}
