//! Which values each setting takes.

use super::{place::Found, profile::Profile};
use crate::observe::url::Url;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    Good,
    /// Another SDK takes it; what is used here.
    Instead(&'static str),
    /// No SDK takes it; what was expected.
    Wrong(&'static str),
}

/// A setting: its variable and its key in a profile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) variable: &'static str,
    pub(super) key: Option<&'static str>,
    /// What it holds.
    pub(super) what: &'static str,
    pub(super) check: fn(&str) -> Checked,
}

impl Setting {
    const fn new(variable: &'static str, key: &'static str, check: fn(&str) -> Checked) -> Self {
        Self { variable, key: Some(key), what: "value", check }
    }

    const fn url(variable: &'static str, key: Option<&'static str>) -> Self {
        Self { variable, key, what: "http or https URL", check: |_| Checked::Good }
    }

    /// The values there are, the one that counts first.
    pub(super) fn candidates(&self, profile: &Profile) -> Vec<Found> {
        let of_profile = self.key.and_then(|key| profile.value(key));
        Found::in_environment(self.variable).into_iter().chain(of_profile).collect()
    }
}

/// Checked, and not used.
pub(super) const UNUSED: [Setting; 2] = [
    Setting::new("AWS_RETRY_MODE", "retry_mode", retry_mode),
    Setting::new("AWS_MAX_ATTEMPTS", "max_attempts", max_attempts),
];

pub(super) const BOOLEANS: [Setting; 3] = [
    Setting::new("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint", boolean),
    Setting::new("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint", boolean),
    Setting::new("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls", boolean),
];

pub(super) const ACCOUNT_ID_ENDPOINT_MODE: Setting =
    Setting::new("AWS_ACCOUNT_ID_ENDPOINT_MODE", "account_id_endpoint_mode", account_id_endpoint_mode);

pub(super) const METADATA_MODE: Setting =
    Setting::new("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode", metadata_mode);

pub(super) const ENDPOINT_URL: Setting = Setting::url("AWS_ENDPOINT_URL", Some("endpoint_url"));

pub(super) const METADATA_ENDPOINT: Setting =
    Setting::url("AWS_EC2_METADATA_SERVICE_ENDPOINT", Some("ec2_metadata_service_endpoint"));

pub(super) const CONTAINER: Setting = Setting::url("AWS_CONTAINER_CREDENTIALS_FULL_URI", None);

/// Where it is set, [`CONTAINER`] does not count.
pub(super) const CONTAINER_PATH: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";

pub(super) const WEB_IDENTITY: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// The service whose names are judged.
pub(super) const DYNAMODB: &str = "DynamoDB";

/// The services that the SDK asks for us, under the names it has for them.
pub(super) const SERVICES: [&str; 5] = [DYNAMODB, "EC2", "STS", "SSO", "SSO OIDC"];

/// `legacy` is the default of some SDKs.
fn retry_mode(text: &str) -> Checked {
    match text.trim().to_ascii_lowercase().as_str() {
        "standard" | "adaptive" => Checked::Good,
        "legacy" => Checked::Instead("standard is used"),
        _ => Checked::Wrong("standard, adaptive or legacy"),
    }
}

fn max_attempts(text: &str) -> Checked {
    match text.trim().parse::<i128>() {
        Ok(1..=0xffff_ffff) => Checked::Good,
        Ok(_) => Checked::Instead("the default is used"),
        Err(_) => Checked::Wrong("a number of 1 or more"),
    }
}

fn boolean(text: &str) -> Checked {
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        Checked::Good
    } else {
        Checked::Instead("true or false was expected, and the default is used")
    }
}

fn account_id_endpoint_mode(text: &str) -> Checked {
    if ["preferred", "disabled", "required"].iter().any(|mode| text.eq_ignore_ascii_case(mode)) {
        Checked::Good
    } else {
        Checked::Instead("preferred, disabled or required was expected, and the default is used")
    }
}

fn metadata_mode(text: &str) -> Checked {
    if ["IPv4", "IPv6"].iter().any(|mode| text.eq_ignore_ascii_case(mode)) {
        Checked::Good
    } else {
        Checked::Wrong("IPv4 or IPv6")
    }
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>
pub(super) fn metadata_of_mode(mode: Option<&str>) -> &'static str {
    match mode {
        Some(mode) if mode.eq_ignore_ascii_case("IPv6") => "http://[fd00:ec2::254]",
        Some(_) | None => "http://169.254.169.254",
    }
}

/// A URL of HTTP that the SDK's own parser takes, too.
pub(super) fn http_url(text: &str) -> Option<Url<'_>> {
    let url = Url::parse(text)?;
    let is_http = matches!(url.scheme(), Some("http" | "https"));
    let taken = url.without_user().parse::<http::Uri>().is_ok_and(|uri| uri.authority().is_some());
    (is_http && taken).then_some(url)
}

pub(super) fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.parse::<http::uri::PathAndQuery>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_sdks_take_is_no_error() {
        for (check, good, instead, wrong) in [
            (
                retry_mode as fn(&str) -> Checked,
                ["standard", "Adaptive", " standard "].as_slice(),
                ["legacy", "LEGACY"].as_slice(),
                ["sometimes", "standard,adaptive"].as_slice(),
            ),
            (max_attempts, &["1", "10", "4294967295"], &["0", "-1", "4294967296"], &["many", "1.5", "0x10"]),
            (boolean, &["true", "False"], &["yes", "1", "sometimes"], &[]),
            (account_id_endpoint_mode, &["preferred", "DISABLED"], &["sometimes"], &[]),
            (metadata_mode, &["IPv4", "ipv6"], &[], &["IPv5", "both"]),
        ] {
            assert!(good.iter().all(|text| check(text) == Checked::Good), "{good:?}");
            assert!(instead.iter().all(|text| matches!(check(text), Checked::Instead(_))), "{instead:?}");
            assert!(wrong.iter().all(|text| matches!(check(text), Checked::Wrong(_))), "{wrong:?}");
        }
    }

    #[test]
    fn only_urls_of_http_are_endpoints() {
        for good in [
            "https://dynamodb.example",
            "http://127.0.0.1:8000",
            "http://[::1]:8000/base/",
            "https://vpce-0d.dynamodb.us-east-1.vpce.amazonaws.com",
            "http://alice:S3cr@t@host:8000",
        ] {
            assert!(http_url(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "nonsense",
            "localhost:8000",
            "ftp://host",
            "http://",
            "http:///path",
            "http://host:port",
            "http://host:",
            "http://alice:S3cr#t@host",
            "http://a b",
            "//host",
        ] {
            assert!(http_url(bad).is_none(), "{bad}");
        }
    }
}
