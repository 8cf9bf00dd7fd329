//! What the process's environment says of proxies and of instance metadata.

use super::url::Url;
use crate::model::{ProxyVariable, ServiceName};
use hyper_util::client::proxy::matcher::Matcher;

/// The variables that send requests to a proxy. The first two are for one scheme, the last for any.
///
/// Programs differ in which case they read first, so each that is set is reported.
const HTTPS: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const HTTP: [&str; 2] = ["HTTP_PROXY", "http_proxy"];
const ANY: [&str; 2] = ["ALL_PROXY", "all_proxy"];
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The proxies that the environment names, each with those of `names` it applies to.
pub fn proxies(names: &[ServiceName]) -> Vec<ProxyVariable> {
    proxies_from(names, variable)
}

/// Whether `AWS_EC2_METADATA_DISABLED` says to leave the instance metadata service alone.
///
/// The SDK's Region and credentials providers heed it; the bare metadata client does not.
pub fn metadata_disabled() -> bool {
    variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// What a variable holds, if anything. What is not UTF-8 is kept as far as it is: it is set, and so not to be taken for absent.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}

fn proxies_from(names: &[ServiceName], lookup: impl Fn(&str) -> Option<String>) -> Vec<ProxyVariable> {
    // Programs differ in which one they read: where both are set, a name is exempt only by both. Without any, none is.
    let mut no_proxies: Vec<String> = NO_PROXY.into_iter().filter_map(&lookup).collect();
    if no_proxies.is_empty() {
        no_proxies.push(String::new());
    }
    let is_set = |variables: [&str; 2]| variables.into_iter().any(|variable| lookup(variable).is_some());
    let of_scheme = |name: &ServiceName| if name.tls { HTTPS } else { HTTP };

    let heeds = |variable: &str, name: &ServiceName| {
        of_scheme(name).contains(&variable) || ANY.contains(&variable) && !is_set(of_scheme(name))
    };
    // HTTP_PROXY concerns DynamoDB only where a custom endpoint URL is plain http.
    let plain_http = names.iter().any(|name| !name.tls);
    let variables = HTTPS.into_iter().chain(HTTP.into_iter().filter(|_| plain_http)).chain(ANY);

    variables
        .filter_map(|variable| {
            let value = lookup(variable)?;
            // A value that is not understood here may be by a client: it is never taken for no proxy.
            let proxy = Url::parse(&value).map(|url| url.host_and_port().to_owned());
            let matchers: Vec<_> = no_proxies
                .iter()
                .map(|no| Matcher::builder().all("http://proxy.invalid").no(no.as_str()).build())
                .collect();
            let applies_to = names
                .iter()
                .filter(|name| heeds(variable, name))
                .filter(|name| {
                    let proxied = |uri: http::Uri| matchers.iter().any(|matcher| matcher.intercept(&uri).is_some());
                    destination(name).is_some_and(proxied)
                })
                .map(|name| name.hostname.clone())
                .collect();
            Some(ProxyVariable { variable: variable.to_owned(), proxy, applies_to })
        })
        .collect()
}

fn destination(name: &ServiceName) -> Option<http::Uri> {
    let scheme = if name.tls { "https" } else { "http" };
    let host = match name.hostname.parse() {
        Ok(std::net::IpAddr::V6(address)) => format!("[{address}]"),
        Ok(std::net::IpAddr::V4(_)) | Err(_) => name.hostname.clone(),
    };
    http::Uri::builder().scheme(scheme).authority(format!("{host}:{}", name.port)).path_and_query("/").build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NameKind;

    fn name(hostname: &str, tls: bool) -> ServiceName {
        ServiceName { hostname: hostname.into(), port: 443, tls, kind: NameKind::Regional, in_use: true }
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
    fn where_both_exceptions_are_set_a_name_is_free_only_by_both() {
        let proxy = ("HTTPS_PROXY", "proxy.example:3128");
        let (free, other) = ((".amazonaws.com"), "localhost");
        let applies =
            |environment: &[(&str, &str)]| !found(&[name(DYNAMODB, true)], environment)[0].applies_to.is_empty();
        assert!(!applies(&[proxy, ("no_proxy", free)]));
        assert!(!applies(&[proxy, ("NO_PROXY", free), ("no_proxy", free)]));
        assert!(applies(&[proxy, ("NO_PROXY", free), ("no_proxy", other)]));
    }

    #[test]
    fn a_suffix_in_no_proxy_frees_the_name_and_only_it() {
        let names = [name(DYNAMODB, true), name("dynamodb.example", true)];
        let seen = found(&names, &[("HTTPS_PROXY", "proxy.example:3128"), ("NO_PROXY", "localhost, .amazonaws.com")]);
        assert_eq!(seen[0].applies_to, ["dynamodb.example"]);
    }

    #[test]
    fn a_range_in_no_proxy_frees_an_endpoint_given_as_an_address() {
        let names = [name("10.0.0.7", true), name("2001:db8::7", true)];
        let seen = found(&names, &[("ALL_PROXY", "socks5://proxy.example:1080"), ("no_proxy", "10.0.0.0/8")]);
        assert_eq!(seen[0].proxy.as_deref(), Some("proxy.example:1080"));
        assert_eq!(seen[0].applies_to, ["2001:db8::7"]);
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
