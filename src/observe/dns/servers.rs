//! The name servers of `/etc/resolv.conf`, as glibc reads the file.

use super::DnsError;
use crate::observe::limits::{NAME_SERVERS, RESOLV_CONF};
use std::{
    fs::File,
    io::{self, Read},
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
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(RESOLV_CONF + 1).read_to_end(&mut text));
    match read {
        Ok(length) if u64::try_from(length).is_ok_and(|length| length > RESOLV_CONF) => {
            Err(DnsError::ResolvConfTooLong)
        }
        Ok(_) => Ok(named(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(named(b"")),
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
    use super::*;

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
    fn a_file_that_is_not_there_names_none_and_one_that_is_too_long_is_an_error() {
        assert!(of_file(Path::new("/nowhere/resolv.conf")).is_ok_and(|servers| servers.len() == 1));
        assert!(matches!(of_file(Path::new("/dev/zero")), Err(DnsError::ResolvConfTooLong)));
        assert!(matches!(of_file(Path::new("/")), Err(DnsError::ResolvConf(_))));
    }
}
