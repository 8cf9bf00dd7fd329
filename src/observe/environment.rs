//! What the process's environment says of proxies and of instance metadata.

use super::{
    no_proxy::{CLIENTS, Destination},
    url::Url,
};
use crate::model::{ProxyVariable, ServiceName};
use std::collections::BTreeMap;

/// The variables that send requests to a proxy. The first two are for one scheme, the last for any.
///
/// Programs differ in which case they read first, so each that is set is reported.
const HTTPS: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const HTTP: [&str; 2] = ["HTTP_PROXY", "http_proxy"];
const ANY: [&str; 2] = ["ALL_PROXY", "all_proxy"];

/// The proxies that the environment names, each with those of `names` it applies to.
pub fn proxies(names: &[ServiceName]) -> Vec<ProxyVariable> {
    proxies_from(names, variable)
}

/// Whether `AWS_EC2_METADATA_DISABLED` says to leave the instance metadata service alone.
///
/// The SDK's Region and credentials providers use it; the bare metadata client does not.
pub fn metadata_disabled() -> bool {
    variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The Region that the environment names for the AWS CLI, in which people run the commands that fix something.
pub fn region() -> Option<String> {
    ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(variable)
}

/// The value of a variable that is set and not empty. Bytes that are not UTF-8 are replaced, so that the variable still counts as set.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}

fn proxies_from(names: &[ServiceName], lookup: impl Fn(&str) -> Option<String>) -> Vec<ProxyVariable> {
    let is_set = |variables: [&str; 2]| variables.into_iter().any(|variable| lookup(variable).is_some());
    let of_scheme = |name: &ServiceName| if name.tls { HTTPS } else { HTTP };

    let applies = |variable: &str, name: &ServiceName| {
        of_scheme(name).contains(&variable) || ANY.contains(&variable) && !is_set(of_scheme(name))
    };
    // HTTP_PROXY concerns DynamoDB only where a custom endpoint URL is plain http.
    let plain_http = names.iter().any(|name| !name.tls);
    let variables = HTTPS.into_iter().chain(HTTP.into_iter().filter(|_| plain_http)).chain(ANY);

    variables
        .filter_map(|variable| {
            let value = lookup(variable)?;
            // A client may be able to read a value that onnet cannot: it never counts as no proxy.
            let proxy = Url::parse(&value).map(|url| url.host_and_port().to_owned());
            let (mut applies_to, mut applies_for) = (Vec::new(), BTreeMap::new());
            for name in names.iter().filter(|name| applies(variable, name)) {
                let clients = proxied_clients(name, &lookup);
                if clients.len() == CLIENTS.len() {
                    applies_to.push(name.hostname.clone());
                } else if !clients.is_empty() {
                    applies_for.insert(name.hostname.clone(), clients);
                }
            }
            Some(ProxyVariable { variable: variable.to_owned(), proxy, applies_to, applies_for })
        })
        .collect()
}

/// The clients for which `NO_PROXY` does not exempt the name.
fn proxied_clients(name: &ServiceName, lookup: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let host = name.hostname.to_ascii_lowercase();
    let destination = Destination { host: &host, port: name.port };
    let proxied = CLIENTS.iter().filter(|client| !client.exempts(&destination, &lookup));
    proxied.map(|client| client.name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NameKind;

    fn name(hostname: &str, tls: bool) -> ServiceName {
        ServiceName {
            hostname: hostname.into(),
            port: 443,
            tls,
            kind: NameKind::Regional,
            in_use: true,
            chosen_by: Vec::new(),
        }
    }

    fn found(names: &[ServiceName], environment: &[(&str, &str)]) -> Vec<ProxyVariable> {
        proxies_from(names, |wanted| {
            environment.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
        })
    }

    const DYNAMODB: &str = "dynamodb.us-east-1.amazonaws.com";

    #[test]
    fn no_variable_is_no_proxy() {
        assert_eq!(found(&[name(DYNAMODB, true)], &[]), []);
    }

    #[test]
    fn user_and_password_are_never_kept() {
        let seen = found(&[name(DYNAMODB, true)], &[("https_proxy", "http://alice:s3cret@proxy.example:3128/")]);
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].variable, "https_proxy");
        assert_eq!(seen[0].proxy.as_deref(), Some("proxy.example:3128"));
        assert_eq!(seen[0].applies_to, [DYNAMODB]);
        assert!(!format!("{seen:?}").contains("s3cret"), "{seen:?}");
        assert!(!format!("{seen:?}").contains("alice"), "{seen:?}");
    }

    #[test]
    fn a_name_is_exempt_only_where_every_client_agrees() {
        let seen = |environment: &[(&str, &str)]| {
            let proxy = ("HTTPS_PROXY", "proxy.example:3128");
            let environment: Vec<_> = [proxy].iter().chain(environment).copied().collect();
            let mut seen = found(&[name(DYNAMODB, true)], &environment);
            let seen = seen.remove(0);
            (!seen.applies_to.is_empty(), seen.applies_for.get(DYNAMODB).map_or(0, Vec::len))
        };
        assert_eq!(seen(&[]), (true, 0));
        assert_eq!(seen(&[("NO_PROXY", "localhost")]), (true, 0));
        assert_eq!(seen(&[("no_proxy", DYNAMODB)]), (false, 0));
        assert_eq!(seen(&[("no_proxy", ".amazonaws.com")]), (false, 1));
        // Clients differ in which variable counts first.
        assert_eq!(seen(&[("NO_PROXY", DYNAMODB), ("no_proxy", "localhost")]), (false, 4));
        assert_eq!(seen(&[("NO_PROXY", "localhost"), ("no_proxy", DYNAMODB)]), (false, 1));
    }

    #[test]
    fn who_uses_the_proxy_is_named() {
        let names = [name(DYNAMODB, true), name("dynamodb.example", true)];
        let seen = found(&names, &[("HTTPS_PROXY", "proxy.example:3128"), ("NO_PROXY", "localhost,.amazonaws.com")]);
        assert_eq!(seen[0].applies_to, ["dynamodb.example"]);
        assert_eq!(seen[0].applies_for[DYNAMODB], ["AWS SDK for Java 2.x"]);
    }

    #[test]
    fn all_proxy_gives_way_to_the_variable_of_the_scheme() {
        let environment = [("ALL_PROXY", "any.example:1"), ("HTTPS_PROXY", "https.example:2")];
        let seen = found(&[name(DYNAMODB, true), name("plain.example", false)], &environment);
        let applies: Vec<_> =
            seen.iter().map(|p| (p.proxy.as_deref().unwrap_or_default(), p.applies_to.clone())).collect();
        assert_eq!(
            applies,
            [("https.example:2", vec![DYNAMODB.to_owned()]), ("any.example:1", vec!["plain.example".to_owned()])]
        );
    }

    #[test]
    fn http_proxy_concerns_only_a_plain_http_endpoint() {
        let environment = [("http_proxy", "proxy.example:3128")];
        assert_eq!(found(&[name(DYNAMODB, true)], &environment), []);
        let seen = found(&[name("plain.example", false)], &environment);
        assert_eq!(seen[0].applies_to, ["plain.example"]);
    }

    #[test]
    fn a_value_that_is_not_understood_is_a_proxy_that_is_not_named() {
        for value in
            ["::not a proxy::", "http://alice:S3cr/tPass@proxy.example:3128", "http://alice:S3cr#t@proxy.example"]
        {
            let seen = found(&[name(DYNAMODB, true)], &[("HTTPS_PROXY", value)]);
            assert_eq!(seen.len(), 1, "{value}");
            assert_eq!(
                (seen[0].proxy.as_deref(), seen[0].applies_to.as_slice()),
                (None, [DYNAMODB.to_owned()].as_slice())
            );
        }
    }

    #[test]
    fn what_curl_and_python_take_is_a_proxy() {
        for value in
            ["socks://proxy.example:1080", " http://proxy.example:1080", "http://alice:S3cr@tPass@proxy.example:1080"]
        {
            let seen = found(&[name(DYNAMODB, true)], &[("https_proxy", value)]);
            assert_eq!(seen[0].proxy.as_deref(), Some("proxy.example:1080"), "{value}");
        }
    }
}
