//! The file as it is written: YAML in the format of Prometheus' exporter-toolkit, checked as far as no other file is
//! needed. All mistakes are reported together, each with its line, and none repeats a value: any could be a secret.
//!
//! <https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>

use super::{Problems, password};
use http::{HeaderMap, HeaderName, HeaderValue};
use rustls::{
    SupportedCipherSuite, SupportedProtocolVersion,
    crypto::SupportedKxGroup,
    crypto::ring,
    version::{TLS12, TLS13},
};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

/// More than this many rounds (2 to the power of it) make one request cost seconds.
const HIGHEST_COST: u32 = 16;

/// The content of the file.
pub(super) struct WebSettings {
    pub(super) tls: Option<Tls>,
    pub(super) headers: HeaderMap,
    /// Name and bcrypt hash.
    pub(super) users: BTreeMap<String, String>,
    pub(super) rate: Option<Rate>,
}

/// How TLS is spoken.
pub(super) struct Tls {
    pub(super) certificate: PemSource,
    pub(super) key: PemSource,
    pub(super) clients: Clients,
    pub(super) versions: Vec<&'static SupportedProtocolVersion>,
    pub(super) suites: Vec<SupportedCipherSuite>,
    pub(super) groups: Vec<&'static dyn SupportedKxGroup>,
    pub(super) prefer_own_order: bool,
}

/// A setting in PEM.
pub(super) struct PemSource {
    /// The setting: `cert_file`.
    pub(super) setting: &'static str,
    pub(super) line: u64,
    pub(super) location: PemLocation,
}

pub(super) enum PemLocation {
    File(PathBuf),
    Inline(String),
}

/// Which client certificates are asked for.
pub(super) enum Clients {
    NotAsked,
    VerifiedIfGiven(PemSource),
    Verified {
        authority: PemSource,
        /// One of these must be among the certificate's alternative names; any will do where there are none.
        allowed_names: Vec<String>,
    },
}

/// How many requests are answered.
#[derive(Clone, Copy)]
pub(super) struct Rate {
    pub(super) every: Duration,
    pub(super) burst: u32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    tls_server_config: Option<WrittenTls>,
    http_server_config: Option<WrittenHttp>,
    basic_auth_users: Option<BTreeMap<String, Option<Spanned<String>>>>,
    rate_limit: Option<WrittenRate>,
}

type Text = Option<Spanned<String>>;
type Texts = Option<Vec<Spanned<String>>>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct WrittenTls {
    cert: Text,
    cert_file: Text,
    key: Text,
    key_file: Text,
    client_ca: Text,
    client_ca_file: Text,
    client_auth_type: Text,
    client_allowed_sans: Texts,
    min_version: Text,
    max_version: Text,
    cipher_suites: Texts,
    curve_preferences: Texts,
    prefer_server_cipher_suites: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WrittenHttp {
    http2: Option<Spanned<bool>>,
    headers: Option<BTreeMap<String, Option<Spanned<String>>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WrittenRate {
    interval: Text,
    burst: Option<Spanned<u32>>,
}

/// The settings of each section; those of the first are the sections.
const KNOWN: [(&str, &[&str]); 4] = [
    ("", &["tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"]),
    (
        "tls_server_config",
        &[
            "cert",
            "cert_file",
            "key",
            "key_file",
            "client_ca",
            "client_ca_file",
            "client_auth_type",
            "client_allowed_sans",
            "min_version",
            "max_version",
            "cipher_suites",
            "curve_preferences",
            "prefer_server_cipher_suites",
        ],
    ),
    ("http_server_config", &["http2", "headers"]),
    ("rate_limit", &["interval", "burst"]),
];

/// Those a header may be set for, and to what, as the exporter-toolkit has it.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// What `text` says; paths are relative to `folder`. `None` where there are problems.
pub(super) fn parse(text: &str, folder: &Path, problems: &mut Problems) -> Option<WebSettings> {
    let keys: Option<Keys> = match serde_saphyr::from_str_with_options(text, options()) {
        Ok(keys) => keys,
        Err(error) => {
            problems.add(line_of(&error), explained(&error, "this is not readable YAML"));
            return None;
        }
    };
    // An empty file asks for nothing.
    let keys = keys.unwrap_or_default();
    let before = problems.count();
    unknown(&keys, "", problems);
    for (key, below) in &keys.0 {
        unknown(below, &key.value, problems);
    }
    let written: Option<Written> = match serde_saphyr::from_str_with_options(text, options()) {
        Ok(written) => written,
        Err(error) => {
            let line = line_of(&error);
            let what = format!("{} cannot be this", keys.at(line).unwrap_or("the setting"));
            problems.add(line, explained(&error, &what));
            return None;
        }
    };
    let settings = written.unwrap_or_default().check(folder, problems);
    (problems.count() == before).then_some(settings)
}

/// No excerpts of the file in errors: secrets stand in it.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! { with_snippet: false }
}

fn line_of(error: &serde_saphyr::Error) -> Option<u64> {
    error.location().map(|location| location.line()).filter(|line| *line > 0)
}

/// What is wrong, without what stands there.
fn explained(error: &serde_saphyr::Error, otherwise: &str) -> String {
    use serde_saphyr::Error;
    #[expect(clippy::wildcard_enum_match_arm, reason = "not ours, and open-ended")]
    match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("{key} is set twice"),
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            format!("{otherwise}: expected {expected}")
        }
        Error::Unexpected { expected, .. } => format!("{otherwise}: expected {expected}"),
        Error::InvalidScalar { ty, .. } => format!("{otherwise}: expected {ty}"),
        Error::InvalidBooleanStrict { .. } => format!("{otherwise}: expected true or false"),
        Error::MultipleDocuments { .. } => "a second YAML document begins here, and one is read".to_owned(),
        _ => otherwise.to_owned(),
    }
}

/// The keys of the file and nothing else, to find unknown ones.
#[derive(Default)]
struct Keys(Vec<(Spanned<String>, Self)>);

impl Keys {
    /// The last key that begins on this line or above.
    fn at(&self, line: Option<u64>) -> Option<&str> {
        let line = line?;
        let (key, below) = self.0.iter().rev().find(|(key, _)| key.referenced.line() <= line)?;
        below.at(Some(line)).or(Some(&key.value))
    }
}

fn unknown(keys: &Keys, section: &str, problems: &mut Problems) {
    let Some((_, known)) = KNOWN.iter().find(|(name, _)| *name == section) else { return };
    for (key, _) in keys.0.iter().filter(|(key, _)| !known.contains(&key.value.as_str())) {
        let place = if section.is_empty() { "the file" } else { section };
        let known = known.join(", ");
        problems.add(Some(key.referenced.line()), format!("{place} has no setting {:?}; it has {known}", key.value));
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("settings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    keys.push(entry);
                }
                Ok(Keys(keys))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Keys, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Keys::default())
            }

            fn visit_str<E>(self, _: &str) -> Result<Keys, E> {
                Ok(Keys::default())
            }

            fn visit_bool<E>(self, _: bool) -> Result<Keys, E> {
                Ok(Keys::default())
            }

            fn visit_i64<E>(self, _: i64) -> Result<Keys, E> {
                Ok(Keys::default())
            }

            fn visit_u64<E>(self, _: u64) -> Result<Keys, E> {
                Ok(Keys::default())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Keys, E> {
                Ok(Keys::default())
            }

            fn visit_unit<E>(self) -> Result<Keys, E> {
                Ok(Keys::default())
            }

            fn visit_none<E>(self) -> Result<Keys, E> {
                Ok(Keys::default())
            }
        }
        from.deserialize_any(Reader)
    }
}

impl Written {
    fn check(self, folder: &Path, problems: &mut Problems) -> WebSettings {
        let http = self.http_server_config.unwrap_or_default();
        if let Some(http2) = http.http2.filter(|http2| http2.value) {
            let line = Some(http2.referenced.line());
            problems.add(line, "http2: onnet speaks HTTP/1.1 alone; set it to false or leave it out");
        }
        WebSettings {
            tls: self.tls_server_config.unwrap_or_default().check(folder, problems),
            headers: headers(http.headers.unwrap_or_default(), problems),
            users: users(self.basic_auth_users.unwrap_or_default(), problems),
            rate: self.rate_limit.and_then(|rate| rate.check(problems)),
        }
    }
}

fn headers(written: BTreeMap<String, Option<Spanned<String>>>, problems: &mut Problems) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in written {
        let Some((_, allowed)) = HEADERS.iter().find(|(known, _)| *known == name) else {
            let line = value.map(|value| value.referenced.line());
            let known = HEADERS.map(|(known, _)| known).join(", ");
            problems.add(line, format!("the header {name:?} cannot be set; these can: {known}"));
            continue;
        };
        let Some(value) = value.filter(|value| !value.value.is_empty()) else { continue };
        let line = Some(value.referenced.line());
        if !allowed.is_empty() && !allowed.contains(&value.value.as_str()) {
            problems.add(line, format!("{name} can be set to {}", allowed.join(" or ")));
        } else if let (Ok(name), Ok(value)) = (HeaderName::try_from(&name), HeaderValue::try_from(&value.value)) {
            headers.insert(name, value);
        } else {
            problems.add(line, format!("{name}: a header cannot have this value"));
        }
    }
    headers
}

fn users(written: BTreeMap<String, Option<Spanned<String>>>, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut users = BTreeMap::new();
    for (name, hash) in written {
        let line = hash.as_ref().map(|hash| hash.referenced.line());
        let hash = hash.map(|hash| hash.value).unwrap_or_default();
        if name.contains(':') {
            problems.add(line, format!("the user {name:?}: a name with a colon cannot be sent"));
        }
        match hash.parse::<bcrypt::HashParts>().map(|parts| parts.get_cost()) {
            Err(_) => problems.add(
                line,
                format!("the user {name:?} has no bcrypt hash, such as `htpasswd -nBC 10 NAME` prints after the colon"),
            ),
            Ok(cost) if !(4..=HIGHEST_COST).contains(&cost) => problems
                .add(line, format!("the user {name:?}: a cost of {cost} is not from 4 to {HIGHEST_COST}; 10 is usual")),
            Ok(cost) => {
                if let Some(why) = password::takes_too_long(cost) {
                    problems.add(line, format!("the user {name:?}: {why}"));
                }
                users.insert(name, hash);
            }
        }
    }
    users
}

impl WrittenRate {
    fn check(self, problems: &mut Problems) -> Option<Rate> {
        let interval = self.interval.filter(|interval| interval.value != "0");
        let interval = interval.and_then(|interval| match humantime::parse_duration(&interval.value) {
            Ok(every) => Some(every),
            Err(_) => {
                problems.add(Some(interval.referenced.line()), "interval: expected a length of time such as 100ms");
                None
            }
        });
        let every = interval.filter(|every| !every.is_zero())?;
        match self.burst {
            Some(burst) if burst.value > 0 => Some(Rate { every, burst: burst.value }),
            burst => {
                let line = burst.map(|burst| burst.referenced.line());
                problems.add(line, "rate_limit needs a burst of at least 1: with none no request is answered");
                None
            }
        }
    }
}

/// An empty text is none, as in Go.
fn given(text: Text) -> Text {
    text.filter(|text| !text.value.is_empty())
}

impl WrittenTls {
    fn check(self, folder: &Path, problems: &mut Problems) -> Option<Tls> {
        let Self { cert, cert_file, key, key_file, client_ca, client_ca_file, client_auth_type, .. } = self;
        let certificate = source(("cert", cert), ("cert_file", cert_file), folder, problems);
        let key = source(("key", key), ("key_file", key_file), folder, problems);
        let authority = source(("client_ca", client_ca), ("client_ca_file", client_ca_file), folder, problems);
        let has_settings = certificate.is_some()
            || key.is_some()
            || authority.is_some()
            || given(client_auth_type.clone()).is_some()
            || self.client_allowed_sans.is_some()
            || self.min_version.is_some()
            || self.max_version.is_some()
            || self.cipher_suites.is_some()
            || self.curve_preferences.is_some()
            || self.prefer_server_cipher_suites.is_some();
        if !has_settings {
            return None;
        }
        let clients = clients(given(client_auth_type), authority, self.client_allowed_sans, problems);
        let versions = versions(self.min_version, self.max_version, problems);
        let suites = suites(self.cipher_suites.unwrap_or_default(), &versions, problems);
        let groups = groups(self.curve_preferences.unwrap_or_default(), problems);
        if certificate.is_none() {
            problems.add(None, "tls_server_config lacks cert_file, the server's certificate");
        }
        if key.is_none() {
            problems.add(None, "tls_server_config lacks key_file, the certificate's private key");
        }
        Some(Tls {
            certificate: certificate?,
            key: key?,
            clients,
            versions,
            suites,
            groups,
            prefer_own_order: self.prefer_server_cipher_suites.unwrap_or(true),
        })
    }
}

fn source(
    (inline_setting, inline): (&'static str, Text),
    (file_setting, file): (&'static str, Text),
    folder: &Path,
    problems: &mut Problems,
) -> Option<PemSource> {
    match (given(inline), given(file)) {
        (None, None) => None,
        (Some(inline), Some(_)) => {
            let line = inline.referenced.line();
            problems.add(Some(line), format!("{inline_setting} and {file_setting} exclude one another"));
            None
        }
        (Some(inline), None) => {
            let line = inline.referenced.line();
            Some(PemSource { setting: inline_setting, line, location: PemLocation::Inline(inline.value) })
        }
        (None, Some(file)) => {
            let line = file.referenced.line();
            Some(PemSource { setting: file_setting, line, location: PemLocation::File(folder.join(file.value)) })
        }
    }
}

fn clients(kind: Text, authority: Option<PemSource>, names: Texts, problems: &mut Problems) -> Clients {
    let line = kind.as_ref().map(|kind| kind.referenced.line());
    let names_line = names.as_ref().and_then(|names| names.first()).map(|name| name.referenced.line());
    let kind = kind.map_or("NoClientCert".to_owned(), |kind| kind.value);
    let has_names = names.is_some();
    let names: Vec<String> = names.unwrap_or_default().into_iter().map(|name| name.value).collect();
    if let Some(mail) = names.iter().find(|name| name.contains('@') && !name.contains("://")) {
        problems.add(names_line, format!("client_allowed_sans: {mail:?} is an e-mail address, which onnet cannot compare; use a DNS name, an IP address or a URI"));
    }
    if has_names && names.is_empty() {
        problems.add(names_line, "client_allowed_sans is empty, so that no client would be let in");
    }
    if has_names && kind != "RequireAndVerifyClientCert" {
        problems.add(names_line, "client_allowed_sans needs client_auth_type: RequireAndVerifyClientCert");
    }
    match (kind.as_str(), authority) {
        ("NoClientCert", None) => Clients::NotAsked,
        ("NoClientCert", Some(authority)) => {
            let advice = "does nothing without client_auth_type: RequireAndVerifyClientCert";
            problems.add(Some(authority.line), format!("{} {advice}", authority.setting));
            Clients::NotAsked
        }
        ("VerifyClientCertIfGiven", Some(authority)) => Clients::VerifiedIfGiven(authority),
        ("RequireAndVerifyClientCert", Some(authority)) => Clients::Verified { authority, allowed_names: names },
        ("VerifyClientCertIfGiven" | "RequireAndVerifyClientCert", None) => {
            problems
                .add(line, format!("{kind} needs client_ca_file, the authority that clients' certificates are from"));
            Clients::NotAsked
        }
        ("RequestClientCert" | "RequireAnyClientCert" | "RequireClientCert", _) => {
            let advice = "accepts any certificate, even a self-signed one, and so authenticates no one";
            problems.add(line, format!("client_auth_type: {kind} {advice}; use RequireAndVerifyClientCert"));
            Clients::NotAsked
        }
        _ => {
            let known = "NoClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert";
            problems.add(line, format!("client_auth_type: expected {known}"));
            Clients::NotAsked
        }
    }
}

fn versions(min: Text, max: Text, problems: &mut Problems) -> Vec<&'static SupportedProtocolVersion> {
    let mut number = |setting, text: Text, default| match given(text) {
        None => default,
        Some(text) => match text.value.as_str() {
            "TLS12" => 2,
            "TLS13" => 3,
            old => {
                let why = if matches!(old, "TLS10" | "TLS11") {
                    "is no longer secure, and onnet does not support it; "
                } else {
                    ""
                };
                let what = if why.is_empty() { String::new() } else { format!("{old} ") };
                problems.add(Some(text.referenced.line()), format!("{setting}: {what}{why}expected TLS12 or TLS13"));
                default
            }
        },
    };
    let (min, max) = (number("min_version", min, 2), number("max_version", max, 3));
    if min > max {
        problems.add(None, "min_version is above max_version");
    }
    [(2, &TLS12), (3, &TLS13)]
        .into_iter()
        .filter(|(n, _)| (min..=max).contains(n))
        .map(|(_, version)| version)
        .collect()
}

/// As Go names a cipher suite.
fn name_of(suite: SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
}

/// As in Go, those of TLS 1.3 are all offered where none of them is named.
fn suites(
    named: Vec<Spanned<String>>,
    versions: &[&'static SupportedProtocolVersion],
    problems: &mut Problems,
) -> Vec<SupportedCipherSuite> {
    let all = ring::ALL_CIPHER_SUITES;
    if named.is_empty() {
        return all.to_vec();
    }
    let mut suites: Vec<SupportedCipherSuite> = Vec::new();
    for name in &named {
        match all.iter().find(|suite| name_of(**suite) == name.value) {
            Some(suite) => suites.push(*suite),
            None => {
                let known: Vec<String> = all.iter().copied().map(name_of).collect();
                let line = Some(name.referenced.line());
                let known = known.join(", ");
                problems.add(line, format!("cipher_suites: onnet has no {:?}; it has {known}", name.value));
            }
        }
    }
    let is_new = |suite: &SupportedCipherSuite| suite.tls13().is_some();
    if !suites.iter().any(is_new) {
        suites.extend(all.iter().copied().filter(is_new));
    }
    let usable = suites.iter().any(|suite| versions.iter().any(|version| suite.version() == *version));
    if !usable && !versions.is_empty() {
        problems.add(
            named.first().map(|name| name.referenced.line()),
            "cipher_suites: none is of a version that is spoken",
        );
    }
    suites
}

fn groups(named: Vec<Spanned<String>>, problems: &mut Problems) -> Vec<&'static dyn SupportedKxGroup> {
    use ring::kx_group::{SECP256R1, SECP384R1, X25519};
    if named.is_empty() {
        return ring::ALL_KX_GROUPS.to_vec();
    }
    let mut groups = Vec::new();
    for name in named {
        groups.push(match name.value.as_str() {
            "X25519" => X25519,
            "CurveP256" => SECP256R1,
            "CurveP384" => SECP384R1,
            _ => {
                let line = Some(name.referenced.line());
                let known = "X25519, CurveP256, CurveP384";
                problems.add(line, format!("curve_preferences: onnet has no {:?}; it has {known}", name.value));
                continue;
            }
        });
    }
    groups
}
