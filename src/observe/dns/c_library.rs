//! What the C library resolves names to: what most programs get, by the order of nsswitch, the search list and its options.
//!
//! A lookup by the C library blocks its thread and cannot be cancelled. It is made by a child, which can be killed: onnet
//! itself, by a hidden command that reads names and writes addresses. `RES_OPTIONS` and `LOCALDOMAIN` are those of onnet's
//! own environment; another program's may differ.

use super::over;
use crate::{
    model::{Gap, Observed},
    observe::{
        limits::{ADDRESSES, RESOLVED_LINE},
        seen::{Stopwatch, chain},
    },
};
use std::{
    collections::BTreeSet,
    env,
    io::{self, BufRead, Write},
    net::{IpAddr, ToSocketAddrs},
    path::PathBuf,
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Mutex,
    time::{Instant, timeout_at},
};

/// The hidden command of onnet's.
pub const COMMAND: &str = "resolve-names";

/// What of the environment a lookup depends on. Nothing else is passed on.
const VARIABLES: [&str; 7] =
    ["RES_OPTIONS", "LOCALDOMAIN", "HOSTALIASES", "RESOLV_MULTI", "RESOLV_HOST_CONF", "LD_LIBRARY_PATH", "LD_PRELOAD"];

/// The C library of this host, asked by a child: at most one is alive, and none beyond this value.
#[derive(Debug)]
pub struct CLibrary {
    program: PathBuf,
    child: Mutex<Option<Asked>>,
}

/// What the C library has for a name.
#[derive(Debug)]
pub struct Resolved {
    /// The addresses.
    pub addresses: Observed<Vec<IpAddr>>,
    /// Why there are more than these.
    pub left_out: Option<Gap>,
}

/// A child. It is killed when this is dropped.
#[derive(Debug)]
struct Asked {
    _child: Child,
    names: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl CLibrary {
    /// By this program, which is onnet.
    pub fn new(program: PathBuf) -> Self {
        Self { program, child: Mutex::new(None) }
    }

    /// Starts the child ahead of the first name. A failure shows with that name.
    pub fn start(&self) {
        if let Ok(mut child) = self.child.try_lock()
            && child.is_none()
        {
            *child = self.spawn().ok();
        }
    }

    /// The addresses of `hostname`. A child that has not answered by `deadline` is killed.
    pub async fn resolve(&self, hostname: &str, deadline: Instant) -> Resolved {
        let watch = Stopwatch::start();
        let answer = match timeout_at(deadline, self.ask(hostname)).await {
            Ok(Ok(line)) => read(hostname, &line),
            Ok(Err(error)) => Err(Gap::Failed { detail: format!("the C library was not asked: {}", chain(&error)) }),
            Err(_) => Err(Gap::TimedOut { after: watch.took() }),
        };
        match answer {
            Ok(mut addresses) => {
                let found = addresses.len();
                addresses.truncate(ADDRESSES);
                let left_out = (found > ADDRESSES).then(|| over(format!("addresses of {hostname}"), ADDRESSES, found));
                Resolved { addresses: watch.seen(addresses), left_out }
            }
            Err(gap) => Resolved { addresses: Observed::Unseen(gap), left_out: None },
        }
    }

    async fn ask(&self, hostname: &str) -> io::Result<String> {
        if hostname.contains(char::is_whitespace) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a hostname"));
        }
        let mut child = self.child.lock().await;
        // Taken out while it is asked: where that does not end well it is dropped, and so killed.
        let mut asked = match child.take() {
            Some(asked) => asked,
            None => self.spawn()?,
        };
        asked.names.write_all(format!("{hostname}\n").as_bytes()).await?;
        let mut line = String::new();
        (&mut asked.answers).take(RESOLVED_LINE).read_line(&mut line).await?;
        if !line.ends_with('\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        *child = Some(asked);
        Ok(line)
    }

    fn spawn(&self) -> io::Result<Asked> {
        let mut command = Command::new(&self.program);
        command.arg0("onnet").arg(COMMAND).env_clear();
        command.envs(VARIABLES.into_iter().filter_map(|name| Some((name, env::var_os(name)?))));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (names, answers) = child.stdin.take().zip(child.stdout.take()).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Asked { _child: child, names, answers: BufReader::new(answers) })
    }
}

/// The child's answer: addresses, or `!` and the C library's words.
fn read(hostname: &str, line: &str) -> Result<Vec<IpAddr>, Gap> {
    if let Some(words) = line.strip_prefix('!') {
        let detail = format!("{hostname}: {}", words.trim());
        // `EAI_NONAME` and `EAI_NODATA`; others, such as `EAI_AGAIN`, say nothing about the name.
        let absent = ["Name or service not known", "No address associated", "Name does not resolve"];
        return Err(if absent.iter().any(|absent| words.contains(absent)) {
            Gap::NotFound { detail }
        } else {
            Gap::Failed { detail }
        });
    }
    let addresses: Result<Vec<IpAddr>, _> = line.split_whitespace().map(str::parse).collect();
    addresses.map_err(|_| Gap::Malformed { detail: format!("what the C library has for {hostname}") })
}

/// The child's work: a name on each line, its addresses on each line of the answer.
///
/// # Errors
/// If nothing can be read or written.
pub fn answer(names: impl BufRead, mut answers: impl Write) -> io::Result<()> {
    for name in names.lines() {
        let line = match (name?.as_str(), 0).to_socket_addrs() {
            Ok(found) => {
                let found: BTreeSet<IpAddr> = found.map(|address| address.ip().to_canonical()).collect();
                let shown = found.iter().take(ADDRESSES + 1).map(IpAddr::to_string);
                shown.collect::<Vec<_>>().join(" ")
            }
            Err(error) => format!("!{}", error.to_string().replace('\n', " ")),
        };
        writeln!(answers, "{line}")?;
        answers.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

    /// A program that does what `script` says, in onnet's place.
    fn program(directory: &tempfile::TempDir, script: &str) -> CLibrary {
        let path = directory.path().join("onnet");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        CLibrary::new(path)
    }

    fn later(time: Duration) -> Instant {
        Instant::now() + time
    }

    #[test]
    fn the_child_answers_each_name_on_a_line() {
        let mut answers = Vec::new();
        answer(&b"127.0.0.1\nno such name\n::ffff:10.0.0.1\n"[..], &mut answers).unwrap();
        let answers = String::from_utf8(answers).unwrap();
        let lines: Vec<&str> = answers.lines().collect();
        assert_eq!((lines.len(), lines[0], lines[2]), (3, "127.0.0.1", "10.0.0.1"));
        assert!(lines[1].starts_with('!'), "{}", lines[1]);
    }

    #[tokio::test]
    async fn one_child_answers_name_after_name() {
        let directory = tempfile::tempdir().unwrap();
        let library = program(
            &directory,
            &format!(
                "echo $$ >> {}/pids; while read name; do echo 10.0.0.7 10.0.0.8; done",
                directory.path().display()
            ),
        );
        library.start();
        for name in ["a.example", "b.example"] {
            let resolved = library.resolve(name, later(Duration::from_secs(60))).await;
            assert_eq!(resolved.addresses.seen().unwrap().len(), 2);
            assert_eq!(resolved.left_out, None);
        }
        assert_eq!(fs::read_to_string(directory.path().join("pids")).unwrap().lines().count(), 1);
    }

    #[tokio::test]
    async fn a_child_that_hangs_is_killed_and_another_one_asked() {
        let directory = tempfile::tempdir().unwrap();
        let pids = directory.path().join("pids");
        let library = program(
            &directory,
            &format!(
                "echo $$ >> {0}; [ $(wc -l < {0}) = 1 ] && exec sleep 600; read name; echo 10.0.0.7",
                pids.display()
            ),
        );
        // Waits for the child's own sign before the deadline is allowed to pass.
        library.start();
        while fs::read_to_string(&pids).unwrap_or_default().is_empty() {
            tokio::task::yield_now().await;
        }
        let resolved = library.resolve("a.example", later(Duration::from_millis(10))).await;
        assert_eq!(resolved.addresses.gap().unwrap().reason(), "timed_out");
        let first = fs::read_to_string(&pids).unwrap().trim().to_owned();
        let resolved = library.resolve("a.example", later(Duration::from_secs(60))).await;
        assert_eq!(resolved.addresses.seen().unwrap().len(), 1);
        while fs::read_to_string(format!("/proc/{first}/stat")).is_ok_and(|stat| !stat.contains(") Z")) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_is_no_answer_is_a_gap() {
        let directory = tempfile::tempdir().unwrap();
        for (script, reason) in [
            ("exit 1", "failed"),
            ("read name; printf 10.0.0.7", "failed"),
            ("read name; echo nonsense", "malformed"),
            ("read name; echo '!failed: Name or service not known'", "not_found"),
            ("read name; echo '!failed: Temporary failure in name resolution'", "failed"),
            ("exec cat /dev/zero", "failed"),
        ] {
            let library = program(&directory, script);
            let resolved = library.resolve("a.example", later(Duration::from_secs(60))).await;
            assert_eq!(resolved.addresses.gap().map(Gap::reason), Some(reason), "{script}");
        }
        let library = CLibrary::new("/nowhere/onnet".into());
        library.start();
        let resolved = library.resolve("a.example", later(Duration::from_secs(60))).await;
        assert_eq!(resolved.addresses.gap().map(Gap::reason), Some("failed"));
    }

    #[tokio::test]
    async fn more_addresses_than_are_judged_are_left_out() {
        let directory = tempfile::tempdir().unwrap();
        for (count, left_out) in [(256, None), (257, Some("over_limit"))] {
            let script = format!(
                "read name; i=0; while [ $i -lt {count} ]; do printf '10.0.%d.%d ' $((i / 256)) $((i % 256)); i=$((i + 1)); done; echo"
            );
            let resolved = program(&directory, &script).resolve("a.example", later(Duration::from_secs(60))).await;
            assert_eq!(resolved.addresses.seen().unwrap().len(), 256);
            assert_eq!(resolved.left_out.as_ref().map(Gap::reason), left_out);
        }
    }
}
