//! The name servers of `/etc/resolv.conf`, as glibc reads the file.

use super::DnsError;
use crate::{
    import::input,
    observe::limits::{NAME_SERVERS, RESOLV_CONF},
};
use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

/// The port of name servers; `/etc/resolv.conf` gives none.
const PORT: u16 = 53;

/// The servers that programs on this system ask, in order.
pub(super) fn of_the_system() -> Result<Vec<SocketAddr>, DnsError> {
    of_file(Path::new("/etc/resolv.conf"))
}

/// Without the file, or without a server in it, programs ask one on this host.
fn of_file(path: &Path) -> Result<Vec<SocketAddr>, DnsError> {
    match input::read(path, RESOLV_CONF) {
        Ok((text, _)) => Ok(named(&text)),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => Err(DnsError::ResolvConfTooLong),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(named(b"")),
        Err(error) => Err(DnsError::ResolvConf(error)),
    }
}

fn named(text: &[u8]) -> Vec<SocketAddr> {
    let lines = text.split(|byte| *byte == b'\n');
    let mut servers: Vec<IpAddr> = lines.filter_map(server).take(NAME_SERVERS).collect();
    if servers.is_empty() {
        servers.push(Ipv4Addr::LOCALHOST.into());
    }
    servers.into_iter().map(|address| SocketAddr::new(address, PORT)).collect()
}

/// The keyword begins the line; the address ends at a space or at a comment.
fn server(line: &[u8]) -> Option<IpAddr> {
    let rest = line.strip_prefix(b"nameserver")?.strip_prefix(b" ").or_else(|| line.strip_prefix(b"nameserver\t"))?;
    let rest = rest.trim_ascii_start();
    let end = rest.iter().position(|byte| b";# \t\r%".contains(byte)).unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::model::Gap;

    #[test]
    fn three_servers_are_asked_as_by_glibc() {
        for (text, expected) in [
            ("", &["127.0.0.1"][..]),
            ("search example\noptions ndots:5\n", &["127.0.0.1"]),
            ("nameserver 10.0.0.2\n", &["10.0.0.2"]),
            ("nameserver\t 10.0.0.2 # first\n", &["10.0.0.2"]),
            ("nameserver 10.0.0.2#x\n#nameserver 10.0.0.3\n;nameserver 10.0.0.4\n", &["10.0.0.2"]),
            (" nameserver 10.0.0.2\nnameserver10.0.0.3\nnameserver ten\n", &["127.0.0.1"]),
            ("nameserver fe80::1%eth0\nnameserver 2001:db8::2\n", &["fe80::1", "2001:db8::2"]),
            (
                "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n",
                &["10.0.0.1", "10.0.0.2", "10.0.0.3"],
            ),
        ] {
            let servers: Vec<String> = named(text.as_bytes()).iter().map(|server| server.ip().to_string()).collect();
            assert_eq!(servers, expected, "{text:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_names_none_and_what_is_not_a_file_is_an_error() {
        assert!(of_file(Path::new("/nowhere/resolv.conf")).is_ok_and(|servers| servers.len() == 1));
        for path in ["/dev/zero", "/"] {
            assert!(matches!(of_file(Path::new(path)), Err(DnsError::ResolvConf(_))), "{path}");
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("resolv.conf");
        let mut text = b"nameserver 10.0.0.2\n".to_vec();
        text.resize(usize::try_from(RESOLV_CONF).unwrap(), b'#');
        std::fs::write(&file, &text).unwrap();
        assert_eq!(of_file(&file).unwrap(), ["10.0.0.2:53".parse().unwrap()]);
        text.push(b'#');
        std::fs::write(&file, &text).unwrap();
        let error = of_file(&file).unwrap_err();
        let gap = error.gap(std::time::Duration::ZERO.into());
        assert!(matches!(gap, Gap::OverLimit { allowed: RESOLV_CONF, .. }), "{gap}");
    }
}
