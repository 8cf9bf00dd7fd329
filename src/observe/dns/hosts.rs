//! The addresses that `/etc/hosts` has for a name, as glibc reads the file.
//!
//! The file is scanned for the name, not loaded: lists of blocked names have hundreds of thousands of lines. It is bytes, not
//! text; a comment begins at `#` and a C string ends at NUL; names are compared without case and dots at their ends count.
//! Of several lines for a name the first counts, unless `/etc/host.conf` says `multi on`.
//! <https://sourceware.org/git/?p=glibc.git;a=blob;f=nss/nss_files/files-hosts.c>

use super::over;
use crate::{
    import::input,
    model::Gap,
    observe::{
        limits::{ADDRESSES, HOST_CONF, HOSTS_FILE, HOSTS_LINE},
        seen::chain,
    },
};
use std::{
    fs::File,
    io::{self, Read},
    net::IpAddr,
    path::{Path, PathBuf},
};
use tokio::task::yield_now;

/// The addresses of a name.
#[derive(Debug, Default)]
pub(super) struct Pinned {
    pub(super) addresses: Vec<IpAddr>,
    /// Why there are more than these.
    pub(super) left_out: Option<Gap>,
}

/// `/etc/hosts`, and `/etc/host.conf` beside it.
#[derive(Clone, Debug)]
pub struct HostsFile {
    file: PathBuf,
    conf: PathBuf,
}

impl HostsFile {
    /// The files of this system.
    pub fn of_the_system() -> Self {
        Self::at(Path::new("/etc/hosts"), Path::new("/etc/host.conf"))
    }

    /// Files elsewhere.
    pub fn at(file: &Path, conf: &Path) -> Self {
        Self { file: file.to_owned(), conf: conf.to_owned() }
    }

    /// The addresses of `hostname`. A system without the file has none; a file that cannot be read may have any.
    pub(super) async fn addresses(&self, hostname: &str) -> Result<Pinned, Gap> {
        let failed = |error: io::Error| self.gap(&error);
        let Some(file) = self.open().map_err(failed)? else { return Ok(Pinned::default()) };
        let mut scan = Scan { hostname: hostname.as_bytes(), multi: self.multi(), found: Vec::new() };
        let mut lines = Lines::new(file);
        while !scan.is_done() {
            let Some(block) = lines.next().map_err(failed)? else { break };
            match block {
                Block::Lines(bytes) => bytes.split(|byte| *byte == b'\n').for_each(|line| scan.line(line)),
                Block::LineTooLong => return Err(self.over("bytes in a line of", HOSTS_LINE)),
                Block::FileTooLong => return Err(self.over("bytes in", HOSTS_FILE)),
            }
            // A block is a turn: others on this thread may run.
            yield_now().await;
        }
        let left_out =
            (scan.found.len() > ADDRESSES).then(|| self.over(&format!("addresses of {hostname} in"), ADDRESSES));
        scan.found.truncate(ADDRESSES);
        Ok(Pinned { addresses: scan.found, left_out })
    }

    fn open(&self) -> io::Result<Option<File>> {
        // Its size is counted as it is read.
        match input::open(&self.file, u64::MAX) {
            Ok((file, _)) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether every line for a name counts. Where that is not known, it is taken to be so: that gives more addresses.
    fn multi(&self) -> bool {
        match input::read(&self.conf, HOST_CONF) {
            Ok((text, _)) => multi_of(&text),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    fn gap(&self, error: &io::Error) -> Gap {
        let file = self.file.display();
        if error.kind() == io::ErrorKind::PermissionDenied {
            // A refusal: what was read before says nothing about what is there now.
            Gap::Denied { action: file.to_string() }
        } else {
            Gap::Failed { detail: format!("{file}: {}", chain(error)) }
        }
    }

    fn over(&self, what: &str, allowed: usize) -> Gap {
        over(format!("{what} {}", self.file.display()), allowed, allowed + 1)
    }
}

/// The last `multi` counts; without one, only the first line for a name does.
fn multi_of(conf: &[u8]) -> bool {
    let value = |line: &[u8]| {
        let mut words = words(line);
        (words.next()?.eq_ignore_ascii_case(b"multi"))
            .then(|| words.next().is_some_and(|w| w.eq_ignore_ascii_case(b"on")))
    };
    conf.split(|byte| *byte == b'\n').filter_map(value).next_back().unwrap_or(false)
}

/// The lines for one name.
struct Scan<'n> {
    hostname: &'n [u8],
    multi: bool,
    found: Vec<IpAddr>,
}

impl Scan<'_> {
    fn line(&mut self, line: &[u8]) {
        let mut words = words(line);
        let Some(address) = words.next() else { return };
        if self.found.len() <= ADDRESSES
            && words.any(|name| name.eq_ignore_ascii_case(self.hostname))
            && let Some(address) = std::str::from_utf8(address).ok().and_then(|text| text.parse::<IpAddr>().ok())
            && self.counts(address.to_canonical())
        {
            self.found.push(address.to_canonical());
        }
    }

    /// A program that asks for one family gets the first line of that family, one that asks for both the first line.
    fn counts(&self, address: IpAddr) -> bool {
        if self.multi { !self.found.contains(&address) } else { !self.has(address.is_ipv4()) }
    }

    fn has(&self, ipv4: bool) -> bool {
        self.found.iter().any(|found| found.is_ipv4() == ipv4)
    }

    /// Whether further lines cannot count, or there are too many.
    fn is_done(&self) -> bool {
        self.found.len() > ADDRESSES || (!self.multi && self.has(true) && self.has(false))
    }
}

/// The words of a line before a comment.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = line.iter().position(|byte| matches!(byte, b'#' | 0)).unwrap_or(line.len());
    line[..end].split(|byte| is_space(*byte)).filter(|word| !word.is_empty())
}

/// As C's `isspace`: unlike Rust's, with the vertical tab.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// What is scanned at once.
enum Block<'b> {
    /// Whole lines.
    Lines(&'b [u8]),
    LineTooLong,
    FileTooLong,
}

/// A file in blocks of whole lines.
struct Lines {
    file: File,
    buffer: Vec<u8>,
    /// The bytes of the buffer that hold the beginning of a line.
    kept: usize,
    /// The bytes of the buffer that were scanned.
    scanned: usize,
    read: usize,
}

impl Lines {
    fn new(file: File) -> Self {
        Self { file, buffer: vec![0; HOSTS_LINE], kept: 0, scanned: 0, read: 0 }
    }

    /// The next block; `None` at the end of the file.
    fn next(&mut self) -> io::Result<Option<Block<'_>>> {
        self.buffer.copy_within(self.scanned..self.scanned + self.kept, 0);
        let mut filled = self.kept;
        while filled < self.buffer.len() {
            let read = match self.file.read(&mut self.buffer[filled..]) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if read == 0 {
                (self.kept, self.scanned) = (0, filled);
                return Ok((filled > 0).then_some(Block::Lines(&self.buffer[..filled])));
            }
            filled += read;
            self.read += read;
        }
        if self.read > HOSTS_FILE {
            return Ok(Some(Block::FileTooLong));
        }
        match self.buffer.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => {
                (self.scanned, self.kept) = (end + 1, filled - end - 1);
                Ok(Some(Block::Lines(&self.buffer[..end])))
            }
            None => Ok(Some(Block::LineTooLong)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn found(hostname: &str, multi: bool, lines: &[&[u8]]) -> Vec<String> {
        let mut scan = Scan { hostname: hostname.as_bytes(), multi, found: Vec::new() };
        lines.iter().for_each(|line| scan.line(line));
        scan.found.iter().map(ToString::to_string).collect()
    }

    const LINES: &[&[u8]] = &[
        b"# caf\xe9",
        b"10.0.0.1 one.example. alias.example#x",
        b"10.0.0.2 One.Example \xff",
        b"10.0.0.3 one.example",
        b"::1 six.example",
        b"::ffff:10.0.0.9 six.example",
        b"010.0.0.4 oct.example",
        b"10.0.0.5%1 scope.example",
        b"fe80::1%eth0 scope.example",
        b"\t10.0.0.6 \x0b tab.example\r",
        b"10.0.0.8 dot.example.",
        b"10.0.0.7 nul.example\0 after.example",
        b"10.0.0.11",
        b"10.0.0.12 10.0.0.12",
    ];

    /// What glibc 2.36 answers for the same file.
    #[test]
    fn lines_are_read_as_glibc_reads_them() {
        for (hostname, first, multi) in [
            ("one.example", &["10.0.0.2"][..], &["10.0.0.2", "10.0.0.3"][..]),
            ("ONE.example", &["10.0.0.2"], &["10.0.0.2", "10.0.0.3"]),
            ("one.example.", &["10.0.0.1"], &["10.0.0.1"]),
            ("alias.example", &["10.0.0.1"], &["10.0.0.1"]),
            ("six.example", &["::1", "10.0.0.9"], &["::1", "10.0.0.9"]),
            ("tab.example", &["10.0.0.6"], &["10.0.0.6"]),
            ("dot.example.", &["10.0.0.8"], &["10.0.0.8"]),
            ("nul.example", &["10.0.0.7"], &["10.0.0.7"]),
            ("alias.example#x", &[], &[]),
            ("oct.example", &[], &[]),
            ("scope.example", &[], &[]),
            ("dot.example", &[], &[]),
            ("after.example", &[], &[]),
            ("10.0.0.11", &[], &[]),
            ("", &[], &[]),
        ] {
            assert_eq!(found(hostname, false, LINES), first, "{hostname}");
            assert_eq!(found(hostname, true, LINES), multi, "{hostname}, multi");
        }
    }

    #[test]
    fn every_line_counts_where_host_conf_says_so() {
        for (conf, multi) in [
            ("", false),
            ("multi on", true),
            ("order hosts,bind\nMulti  ON # comment\n", true),
            ("multi off\n", false),
            ("multi on\nmulti off\n", false),
            ("# multi on\n", false),
            ("multi\n", false),
        ] {
            assert_eq!(multi_of(conf.as_bytes()), multi, "{conf:?}");
        }
    }

    #[test]
    fn only_a_hosts_file_that_is_not_there_pins_nothing() {
        let hosts = HostsFile::at(Path::new("/nowhere/hosts"), Path::new("/nowhere/host.conf"));
        assert!(hosts.open().unwrap().is_none());
        for (kind, reason) in [(io::ErrorKind::PermissionDenied, "denied"), (io::ErrorKind::InvalidData, "failed")] {
            assert_eq!(hosts.gap(&io::Error::from(kind)).reason(), reason, "{kind}");
        }
        for other in ["/", "/dev/zero"] {
            let hosts = HostsFile::at(Path::new(other), Path::new(other));
            assert!(hosts.open().is_err(), "{other}");
            assert!(hosts.multi(), "{other}");
        }
    }

    #[test]
    fn a_host_conf_that_is_too_long_leaves_open_which_lines_count() {
        let folder = tempfile::tempdir().unwrap();
        let conf = folder.path().join("host.conf");
        let hosts = HostsFile::at(Path::new("/nowhere/hosts"), &conf);
        for (length, multi) in [(HOST_CONF, false), (HOST_CONF + 1, true)] {
            std::fs::write(&conf, "#".repeat(length.try_into().unwrap())).unwrap();
            assert_eq!(hosts.multi(), multi, "{length}");
        }
    }

    /// The pipe has no writer: opening it would block.
    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        let hosts = HostsFile::at(&pipe, &pipe);
        let error = hosts.open().unwrap_err();
        assert_eq!(error.to_string(), "this is a pipe, not a regular file");
        assert!(hosts.multi());
    }
}
