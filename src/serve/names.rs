//! The names by which this server is asked. A page of another site can have its own name lead to this address (DNS
//! rebinding), and would then read what is answered here: so a name that is not known is refused. An address leads nowhere
//! else, whatever a name server says.

use super::routes::text;
use axum::response::Response;
use http::{HeaderValue, Request, StatusCode, Version, header::HOST, uri::Authority};
use std::{collections::BTreeSet, net::IpAddr};

/// Names of this host for itself. Those below `localhost` are, too (RFC 6761).
const LOOPBACK: [&str; 4] = ["localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"];

/// The names that are answered to, besides those of the loopback and every address.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    pub(super) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| normal(name)).collect())
    }

    /// The answer to a request that is not for this server, or does not say which one it is for.
    pub(super) fn refusal<B>(&self, request: &Request<B>) -> Option<Response> {
        let bad = |what: &str| Some(text(StatusCode::BAD_REQUEST, what));
        let mut hosts = request.headers().get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (_, Some(_)) => return bad("a request has one Host header; this one has several\n"),
            (None, None) if request.version() >= Version::HTTP_11 => {
                return bad("a request by HTTP/1.1 has a Host header; this one has none\n");
            }
            (host, None) => host,
        };
        let host = match host.map(authority) {
            Some(None) => return bad("the Host header is not a name or an address\n"),
            Some(Some(host)) => Some(host),
            None => None,
        };
        let asked = [request.uri().authority().cloned(), host];
        let stranger = asked.iter().flatten().find(|authority| !self.has(authority.host()))?;
        let line = format!(
            "onnet does not answer to the name {}; to have it do so, start it with --allowed-host\n",
            stranger.host()
        );
        Some(text(StatusCode::MISDIRECTED_REQUEST, &line))
    }

    fn has(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = normal(host);
        bare.parse::<IpAddr>().is_ok()
            || LOOPBACK.contains(&name.as_str())
            || name.ends_with(".localhost")
            || self.0.contains(&name)
    }
}

/// A name and perhaps a port; without a user, which no client sends there.
fn authority(host: &HeaderValue) -> Option<Authority> {
    let text = host.to_str().ok().filter(|text| !text.is_empty() && !text.contains('@'))?;
    text.parse().ok()
}

/// Lower case, without the dot at the end.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn status(version: Version, uri: &str, hosts: &[&str]) -> Option<u16> {
        let mut request = Request::get(uri).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let names = Names::new(&["Onnet.example.com.".to_owned()]);
        names.refusal(&request.body(()).unwrap()).map(|answer| answer.status().as_u16())
    }

    #[test]
    fn addresses_names_of_this_host_and_those_that_are_allowed_are_answered_to() {
        for host in [
            "127.0.0.1:10953",
            "10.1.2.3",
            "[::1]:10953",
            "[fd00::1]",
            "localhost:10953",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "ip6-localhost",
            "onnet.example.com:10953",
            "ONNET.example.com.",
        ] {
            assert_eq!(status(Version::HTTP_11, "/metrics", &[host]), None, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:10953",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "notlocalhost",
            "0x7f.1",
        ] {
            assert_eq!(status(Version::HTTP_11, "/metrics", &[host]), Some(421), "{host}");
            assert_eq!(status(Version::HTTP_10, "/metrics", &[host]), Some(421), "{host}");
        }
    }

    #[test]
    fn a_request_says_once_and_clearly_whom_it_is_for() {
        for (version, uri, hosts, expected) in [
            (Version::HTTP_11, "/", &[][..], Some(400)),
            (Version::HTTP_10, "/", &[], None),
            (Version::HTTP_11, "/", &["localhost", "localhost"], Some(400)),
            (Version::HTTP_11, "/", &["localhost", "evil.example"], Some(400)),
            (Version::HTTP_11, "/", &[""], Some(400)),
            (Version::HTTP_11, "/", &["a b"], Some(400)),
            (Version::HTTP_11, "/", &["evil.example@localhost"], Some(400)),
            (Version::HTTP_11, "http://localhost/", &["localhost"], None),
            (Version::HTTP_11, "http://evil.example/", &["localhost"], Some(421)),
            (Version::HTTP_11, "http://localhost/", &["evil.example"], Some(421)),
        ] {
            assert_eq!(status(version, uri, hosts), expected, "{version:?} {uri} {hosts:?}");
        }
    }
}
