//! `/etc/hosts`: its cost, and its limits.

use super::allocated;
use crate::{
    fakes::dns::{FakeDns, bytes},
    over_limit::is_reported_of_name,
};
use onnet::{
    model::Resolution,
    observe::dns::{Dns, HostsFile},
};
use std::{fmt::Write, fs, path::PathBuf, time::Duration};
use tempfile::TempDir;

const NAME: &str = "dynamodb.us-east-1.amazonaws.com";

struct Files {
    directory: TempDir,
}

impl Files {
    fn new(hosts: &[u8], conf: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("hosts"), hosts).unwrap();
        fs::write(directory.path().join("host.conf"), conf).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The addresses of the name. The name server has none.
    async fn resolve(&self) -> Resolution {
        let server = FakeDns::start(|_, message| bytes(message)).await;
        let hosts = HostsFile::at(&self.path("hosts"), &self.path("host.conf"));
        Dns::new(&[server.address], Duration::from_secs(5), hosts).unwrap().resolve(NAME).await.0
    }
}

fn pinned(resolution: &Resolution) -> Vec<String> {
    resolution.hosts_file.seen().unwrap().iter().map(ToString::to_string).collect()
}

/// A file like the lists of blocked names.
fn blocked(lines: usize) -> String {
    (0..lines).fold(String::new(), |mut text, n| {
        writeln!(text, "0.0.0.0 advertisement-{n}.tracker.example").unwrap();
        text
    })
}

#[tokio::test]
async fn the_hosts_file_is_kept_apart_from_the_answers() {
    let file = format!("10.0.0.7 {} alias\n2001:db8::7 {NAME}\n", NAME.to_uppercase());
    let seen = Files::new(file.as_bytes(), "").resolve().await;
    assert_eq!(pinned(&seen), ["10.0.0.7", "2001:db8::7"]);
    assert_eq!(seen.ipv4.seen().unwrap(), &[]);
    assert_eq!(seen.ipv6.seen().unwrap(), &[]);
}

#[tokio::test]
async fn a_byte_that_is_not_utf_8_matters_to_its_own_word_only() {
    let file = [b"# caf\xe9 \xff\n10.0.0.7 caf\xe9.example ", NAME.as_bytes(), b"\n"].concat();
    assert_eq!(pinned(&Files::new(&file, "").resolve().await), ["10.0.0.7"]);
}

#[tokio::test]
async fn of_two_lines_the_first_counts_unless_all_do() {
    let file = format!("10.0.0.7 {NAME}\n10.0.0.8 {NAME}\n");
    assert_eq!(pinned(&Files::new(file.as_bytes(), "").resolve().await), ["10.0.0.7"]);
    assert_eq!(pinned(&Files::new(file.as_bytes(), "multi on\n").resolve().await), ["10.0.0.7", "10.0.0.8"]);
}

#[tokio::test]
async fn a_hundred_thousand_lines_cost_a_buffer_and_leave_the_thread_to_others() {
    let text = blocked(100_000) + "10.0.0.7 " + NAME;
    let files = Files::new(text.as_bytes(), "multi on\n");
    let turns = std::cell::Cell::new(0_usize);
    let others = async {
        loop {
            turns.set(turns.get() + 1);
            tokio::task::yield_now().await;
        }
    };
    let before = allocated::now();
    allocated::reset_peak();
    let seen = tokio::select! {
        biased;
        () = others => unreachable!(),
        seen = files.resolve() => seen,
    };
    let peak = allocated::peak() - before;
    assert_eq!(pinned(&seen), ["10.0.0.7"]);
    assert!(peak < 2 << 20, "{peak} bytes at once");
    // One turn reads 64 KiB.
    assert!(turns.get() >= text.len() >> 16, "{} turns for {} bytes", turns.get(), text.len());
}

#[tokio::test]
async fn what_exceeds_a_limit_is_a_gap_that_names_it() {
    let resolve = async |hosts: &[u8]| Files::new(hosts, "multi on\n").resolve().await;
    let line = |length: usize| format!("10.0.0.7 {NAME} {}\n", "x".repeat(length - 11 - NAME.len())).into_bytes();
    assert_eq!(resolve(&line(65_536)).await.hosts_file.gap(), None);
    let seen = resolve(&line(65_537)).await;
    let over = seen.hosts_file.gap().cloned().unwrap();
    assert!(over.to_string().contains("65537 bytes in a line of "), "{over}");
    is_reported_of_name(NAME, seen, &over);

    let many =
        |count: u8| (0..=count).fold(line(100), |text, n| [text, format!("10.0.1.{n} {NAME}\n").into_bytes()].concat());
    let seen = resolve(&many(254)).await;
    assert_eq!((pinned(&seen).len(), seen.left_out), (256, None));
    let seen = resolve(&many(255)).await;
    assert_eq!(pinned(&seen).len(), 256, "the first ones are judged");
    let over = seen.left_out.clone().unwrap();
    assert!(over.to_string().contains("257 addresses of dynamodb"), "{over}");
    is_reported_of_name(NAME, seen, &over);

    let files = Files::new(b"", "");
    let comment = format!("#{}\n", "x".repeat(1_022)).into_bytes();
    fs::write(files.path("hosts"), comment.repeat(32 << 10)).unwrap();
    assert_eq!(files.resolve().await.hosts_file.gap(), None);
    fs::write(files.path("hosts"), comment.repeat((32 << 10) + 64)).unwrap();
    let seen = files.resolve().await;
    let over = seen.hosts_file.gap().cloned().unwrap();
    assert!(over.to_string().contains("33554433 bytes in /"), "{over}");
    is_reported_of_name(NAME, seen, &over);
}

#[tokio::test]
async fn a_line_beyond_the_file_limit_is_not_read_where_the_first_counts() {
    let mut hosts = format!("10.0.0.7 {NAME}\n::7 {NAME}\n").into_bytes();
    hosts.resize(40 << 20, b'\n');
    assert_eq!(pinned(&Files::new(&hosts, "").resolve().await), ["10.0.0.7", "::7"]);
}
