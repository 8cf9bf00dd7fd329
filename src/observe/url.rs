//! URLs of settings, and what of them may be repeated: they may hold a password.

use std::net::Ipv6Addr;

/// A message of a library's, whose URLs are cut to scheme, host and port.
pub(super) fn with_short_urls(message: &str) -> String {
    let short = |word: &str| match word.split_once("://") {
        Some(_) => Url::parse(word.trim_matches(['`', '"', '\'', '(', ')', ',', ';']))
            .map_or_else(|| "(a URL)".to_owned(), |url| url.origin()),
        None => word.to_owned(),
    };
    message.split(' ').map(short).collect::<Vec<_>>().join(" ")
}

/// A URL whose parts are not in doubt.
///
/// A password may hold `@`, `/`, `?` and `#` without being escaped. User and password end at the last `@` of the authority;
/// where an `@` stands behind the authority, that may have been cut from a password, and the whole is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Url<'t> {
    scheme: Option<&'t str>,
    host_and_port: &'t str,
    /// Path, query and fragment.
    rest: &'t str,
    has_user: bool,
}

impl<'t> Url<'t> {
    /// `None` if the text is no URL and no `host:port`, or if it is in doubt what of it is a password.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let text = text.trim();
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return None;
        }
        let (scheme, hierarchical) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(Some(scheme).filter(|scheme| is_scheme(scheme))?), rest),
            None => (None, text),
        };
        let end = hierarchical.find(['/', '\\', '?', '#']).unwrap_or(hierarchical.len());
        let (authority, rest) = hierarchical.split_at(end);
        if rest.contains('@') {
            return None;
        }
        let (has_user, host_and_port) = match authority.rsplit_once('@') {
            Some((_, host_and_port)) => (true, host_and_port),
            None => (false, authority),
        };
        is_host_and_port(host_and_port).then_some(Self { scheme, host_and_port, rest, has_user })
    }

    /// The scheme, if there is one.
    pub(super) fn scheme(&self) -> Option<&'t str> {
        self.scheme
    }

    /// `proxy.example:3128`
    pub(super) fn host_and_port(&self) -> &'t str {
        self.host_and_port
    }

    /// Whether there is a user, or a password.
    pub(super) fn has_user(&self) -> bool {
        self.has_user
    }

    /// The same without user and password.
    pub(super) fn without_user(&self) -> String {
        self.origin() + self.rest
    }

    /// Scheme, host and port.
    fn origin(&self) -> String {
        let scheme = self.scheme.map(|scheme| format!("{scheme}://")).unwrap_or_default();
        scheme + self.host_and_port
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn is_host_and_port(text: &str) -> bool {
    let (is_host, after) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((literal, after)) => (literal.parse::<Ipv6Addr>().is_ok(), after),
        None => {
            let (host, after) = text.split_at(text.find(':').unwrap_or(text.len()));
            let is_host = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
            (is_host && !host.is_empty(), after)
        }
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    is_host && (after.is_empty() || after.strip_prefix(':').is_some_and(is_port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        Url::parse(text).map(|url| url.without_user())
    }

    #[test]
    fn user_and_password_end_at_the_last_at_sign() {
        for (text, expected) in [
            ("http://proxy:3128", "http://proxy:3128"),
            (" http://proxy:3128 ", "http://proxy:3128"),
            ("proxy:3128", "proxy:3128"),
            ("socks://proxy.example:1080/", "socks://proxy.example:1080/"),
            ("http://alice:S3cr3t@proxy:3128/path?query", "http://proxy:3128/path?query"),
            ("http://alice:S3cr@tPass@proxy:3128", "http://proxy:3128"),
            ("alice:S3cr@tPass@proxy:3128", "proxy:3128"),
            ("http://alice@[2001:db8::1]:3128", "http://[2001:db8::1]:3128"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_message_shows_where_and_nothing_else_of_a_url() {
        let message = "cannot reach `http://alice:S3cr@t@host:1/S3cret?S3cret` (http://alice:S3cr#t@host), nor host:2";
        assert_eq!(with_short_urls(message), "cannot reach http://host:1 (a URL) nor host:2");
    }

    #[test]
    fn what_is_in_doubt_is_not_repeated() {
        for text in [
            "",
            "http://",
            "http://alice:S3cr/tPass@proxy:3128",
            "http://alice:80/tPass@proxy:3128",
            "http://alice:S3cr#tPass@proxy:3128",
            "http://alice:S3cr?tPass@proxy:3128",
            "http://alice:S3cr\\tPass@proxy:3128",
            "http://alice:S3cr tPass@proxy:3128",
            "http://alice:S3cr://tPass@proxy:3128",
            "alice:S3cr://tPass@proxy:3128",
            "http://alice:S3crtPass",
            "http://proxy:65536",
            "http://proxy:",
            "http://[2001:db8::1",
            "http://pr\u{f6}xy:3128",
            "::not a proxy::",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
