//! Which names `NO_PROXY` exempts. Clients differ, and so a name is exempt only where all of them agree.

use ipnet::IpNet;
use std::net::IpAddr;

/// A request's destination.
pub(super) struct Destination<'h> {
    /// A name in lower case, or an address.
    pub(super) host: &'h str,
    pub(super) port: u16,
}

impl Destination<'_> {
    fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether the host is `domain` or below it.
    fn is_at_or_below(&self, domain: &str) -> bool {
        self.host == domain || self.host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
    }
}

/// How a client reads `NO_PROXY`.
pub(super) struct Client {
    pub(super) name: &'static str,
    /// The variables, the one that counts first.
    variables: [&'static str; 2],
    exempts: fn(&str, &Destination<'_>) -> bool,
}

const LOWER: [&str; 2] = ["no_proxy", "NO_PROXY"];
const UPPER: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The clients, each with the source of its rule beside the rule.
pub(super) const CLIENTS: [Client; 5] = [
    Client { name: "curl", variables: LOWER, exempts: curl },
    Client { name: "Python", variables: LOWER, exempts: python },
    Client { name: "Go", variables: UPPER, exempts: go },
    Client { name: "AWS SDK for Java 2.x", variables: LOWER, exempts: java },
    Client { name: "JavaScript", variables: LOWER, exempts: javascript },
];

impl Client {
    /// Whether the client sends a request to `destination` directly, whatever proxy there is.
    pub(super) fn exempts(&self, destination: &Destination<'_>, lookup: impl Fn(&str) -> Option<String>) -> bool {
        let value = self.variables.into_iter().find_map(lookup);
        value.is_some_and(|value| (self.exempts)(&value.to_ascii_lowercase(), destination))
    }
}

/// Commas or blanks separate; a dot at the beginning or the end does not count; ranges since 7.86; no wildcards.
/// <https://github.com/curl/curl/blob/master/lib/noproxy.c>
fn curl(value: &str, destination: &Destination<'_>) -> bool {
    let of_name = |entry: &str| {
        let domain = entry.strip_prefix('.').unwrap_or(entry).trim_end_matches('.');
        !domain.is_empty() && destination.is_at_or_below(domain)
    };
    let of_address = |entry: &str, address| match entry.parse::<IpNet>() {
        Ok(range) => range.contains(&address),
        Err(_) => entry.trim_matches(['[', ']']).parse() == Ok(address),
    };
    let mut entries = value.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
    value == "*" || entries.any(|entry| destination.address().map_or_else(|| of_name(entry), |a| of_address(entry, a)))
}

/// Commas separate; dots at the beginning do not count; neither wildcards nor ranges. So have botocore and urllib; requests
/// has ranges besides. <https://github.com/python/cpython/blob/main/Lib/urllib/request.py> (`proxy_bypass_environment`)
fn python(value: &str, destination: &Destination<'_>) -> bool {
    let with_port = format!("{}:{}", destination.host, destination.port);
    let exempts = |entry: &str| {
        let domain = entry.trim().trim_start_matches('.');
        !domain.is_empty() && (destination.is_at_or_below(domain) || with_port == domain)
    };
    value == "*" || value.split(',').any(exempts)
}

/// Commas separate; a dot or `*.` at the beginning leaves out the domain itself; ranges, and ports.
/// <https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config>
fn go(value: &str, destination: &Destination<'_>) -> bool {
    let exempts = |entry: &str| {
        let entry = entry.trim();
        if let (Ok(range), Some(address)) = (entry.parse::<IpNet>(), destination.address()) {
            return range.contains(&address);
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if entry.parse::<IpAddr>().is_err() => (host, Some(port)),
            Some(_) | None => (entry, None),
        };
        if port.is_some_and(|port| port != destination.port.to_string()) {
            return false;
        }
        match (host.trim_matches(['[', ']']).parse::<IpAddr>(), destination.address()) {
            (Ok(exempt), Some(address)) => exempt == address,
            (Ok(_), None) | (Err(_), Some(_)) => false,
            (Err(_), None) => {
                let host = host.strip_prefix('*').filter(|host| host.starts_with('.')).unwrap_or(host);
                let below = host.starts_with('.') && destination.host.ends_with(host) && destination.host != host;
                below || (!host.is_empty() && destination.is_at_or_below(host))
            }
        }
    };
    value.split(',').any(|entry| entry.trim() == "*" || exempts(entry))
}

/// Commas separate, and blanks beside them count before August 2026; an entry is the whole name, where `*` is any text.
/// <https://github.com/aws/aws-sdk-java-v2/pull/4735>, <https://github.com/aws/aws-sdk-java-v2/pull/7267>
fn java(value: &str, destination: &Destination<'_>) -> bool {
    value.split(',').any(|entry| matches_whole(entry, destination.host))
}

/// Whether a text is the pattern, in which `*` is any text.
fn matches_whole(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    (0..=text.len()).filter_map(|at| text.get(at..)).any(|text| matches_whole(rest, text))
}

/// Commas or blanks separate; without a dot or `*` at the beginning an entry is the whole name; ports, no ranges. The AWS SDK
/// for JavaScript uses a proxy through an agent only. <https://github.com/Rob--W/proxy-from-env/blob/master/index.js>
fn javascript(value: &str, destination: &Destination<'_>) -> bool {
    let exempts = |entry: &str| {
        let with_port = entry.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        let (host, port) = with_port.map_or((entry, destination.port), |(host, port)| (host, port));
        let suffix = host.strip_prefix('*').or_else(|| host.starts_with('.').then_some(host));
        port == destination.port
            && match suffix {
                Some(suffix) => destination.host.ends_with(suffix),
                None => destination.host == host,
            }
    };
    value == "*" || value.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).any(exempts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first letters of the clients that go directly: c, P, G, A, J.
    fn direct(value: &str, host: &str) -> String {
        let destination = Destination { host, port: 443 };
        let lookup = |variable: &str| (variable == "NO_PROXY").then(|| value.to_owned());
        let exempt = CLIENTS.iter().filter(|client| client.exempts(&destination, lookup));
        exempt.filter_map(|client| client.name.chars().next()).collect()
    }

    #[test]
    fn clients_differ_over_what_is_exempt() {
        const NAME: &str = "dynamodb.us-east-1.amazonaws.com";
        for (value, expected) in [
            ("", ""),
            ("localhost", ""),
            (NAME, "cPGAJ"),
            ("localhost,dynamodb.us-east-1.amazonaws.com,10.0.0.0/8", "cPGAJ"),
            ("DynamoDB.us-east-1.amazonaws.com", "cPGAJ"),
            (".amazonaws.com", "cPGJ"),
            ("amazonaws.com", "cPG"),
            ("*.amazonaws.com", "GAJ"),
            ("localhost, dynamodb.us-east-1.amazonaws.com", "cPGJ"),
            ("localhost dynamodb.us-east-1.amazonaws.com", "cJ"),
            ("dynamodb.us-east-1.amazonaws.com:443", "PGJ"),
            ("dynamodb.us-east-1.amazonaws.com:8000", ""),
            (".dynamodb.us-east-1.amazonaws.com", "cP"),
            ("dynamodb.us-east-1.amazonaws.com.", "c"),
            ("*", "cPGAJ"),
            ("localhost,*", "GAJ"),
            ("dynamodb.*", "A"),
            ("dynamodb.*.amazonaws.com", "A"),
            ("mazonaws.com", ""),
            ("52.94.0.0/22", ""),
        ] {
            assert_eq!(direct(value, NAME), expected, "{value:?}");
        }
        for (value, host, expected) in [
            ("10.0.0.0/8", "10.0.0.7", "cG"),
            ("10.0.0.7", "10.0.0.7", "cPGAJ"),
            ("2001:db8::7", "2001:db8::7", "cPGA"),
            ("2001:db8::/32", "2001:db8::7", "cG"),
        ] {
            assert_eq!(direct(value, host), expected, "{value:?} for {host}");
        }
    }
}
