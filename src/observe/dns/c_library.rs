//! What the C library resolves names to: what most programs get, by the order of nsswitch, the search list and its options.
//!
//! A lookup by the C library blocks its thread and cannot be cancelled. So a child makes it, which can be killed: onnet
//! itself, by a hidden command that reads names and writes addresses. It has onnet's environment: `RES_OPTIONS` and
//! `LOCALDOMAIN` of another program may differ.

use super::over;
use crate::{
    model::{Gap, Observed},
    observe::{
        limits::{ADDRESSES, RESOLVED_LINE},
        seen::{Stopwatch, chain},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufRead, Write},
    net::{IpAddr, ToSocketAddrs},
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex as Lock, OnceLock, PoisonError},
    thread,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, timeout_at},
};

/// The hidden command that answers.
pub const COMMAND: &str = "resolve-names";

/// The program to start as a child. At most one child is alive, whatever asks.
#[derive(Clone, Debug)]
pub struct Resolver {
    program: PathBuf,
    turn: Arc<Semaphore>,
}

impl Resolver {
    /// Starts this program, which is onnet.
    pub fn new(program: PathBuf) -> Self {
        Self { program, turn: Arc::new(Semaphore::new(1)) }
    }
}

/// The C library of this host, asked for several names at once by one child. The child ends with this value.
#[derive(Debug)]
pub struct CLibrary {
    resolver: Resolver,
    child: OnceLock<io::Result<Asked>>,
}

/// A child. It is killed when this is dropped.
#[derive(Debug)]
struct Asked {
    _child: Child,
    _turn: OwnedSemaphorePermit,
    names: Mutex<ChildStdin>,
    answers: watch::Sender<Answers>,
}

/// What a child has answered.
#[derive(Debug, Default)]
struct Answers {
    /// The names it was asked for and has not answered.
    awaited: BTreeSet<String>,
    lines: BTreeMap<String, String>,
    /// Why no more answers come. Those that came are not kept.
    ended: Option<&'static str>,
}

impl CLibrary {
    /// No child is started yet.
    pub fn new(resolver: Resolver) -> Self {
        Self { resolver, child: OnceLock::new() }
    }

    /// Starts the child ahead of the first name. A failure becomes each name's.
    pub fn start(&self) {
        let _ = self.child();
    }

    fn child(&self) -> &io::Result<Asked> {
        self.child.get_or_init(|| self.resolver.spawn())
    }

    /// The addresses of `hostname`, if they are known by `deadline`.
    pub async fn resolve(&self, hostname: &str, deadline: Instant) -> Observed<Vec<IpAddr>> {
        let watch = Stopwatch::start();
        let answer = match timeout_at(deadline, self.ask(hostname)).await {
            Ok(Ok(line)) => read(hostname, &line),
            Ok(Err(detail)) => Err(Gap::Failed { detail: format!("the C library was not asked: {detail}") }),
            Err(_) => Err(Gap::TimedOut { after: watch.took() }),
        };
        watch.observed(answer)
    }

    async fn ask(&self, hostname: &str) -> Result<String, String> {
        let child = self.child().as_ref().map_err(|error| chain(error))?;
        if hostname.is_empty() || hostname.contains(char::is_whitespace) {
            return Err(format!("{hostname:?} is not a hostname"));
        }
        let mut answers = child.answers.subscribe();
        child.answers.send_modify(|answers| _ = answers.awaited.insert(hostname.to_owned()));
        let line = format!("{hostname}\n");
        child.names.lock().await.write_all(line.as_bytes()).await.map_err(|error| chain(&error))?;
        let is_done = |answers: &Answers| answers.ended.is_some() || answers.lines.contains_key(hostname);
        let answers = answers.wait_for(is_done).await.map_err(|error| chain(&error))?;
        answers
            .ended
            .map_or_else(|| Ok(answers.lines.get(hostname).cloned().unwrap_or_default()), |why| Err(why.into()))
    }
}

impl Resolver {
    fn spawn(&self) -> io::Result<Asked> {
        let turn = Arc::clone(&self.turn).try_acquire_owned().map_err(io::Error::other)?;
        let mut command = Command::new(&self.program);
        // Not the name that onnet was called by, which may be the plugin's.
        command.arg0("onnet").arg(COMMAND).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let (names, output) = child.stdin.take().zip(child.stdout.take()).ok_or(io::ErrorKind::BrokenPipe)?;
        let answers = watch::Sender::new(Answers::default());
        tokio::spawn(take_in(output, answers.clone()));
        Ok(Asked { _child: child, _turn: turn, names: Mutex::new(names), answers })
    }
}

/// Takes in what a child writes, until it ends or writes what is not an answer: then none of its answers counts.
async fn take_in(output: ChildStdout, answers: watch::Sender<Answers>) {
    let mut output = BufReader::new(output);
    let why = loop {
        let mut line = String::new();
        match (&mut output).take(RESOLVED_LINE).read_line(&mut line).await {
            Ok(0) => break "its child ended",
            Ok(_) => {}
            Err(_) => break "its child cannot be read",
        }
        let Some((name, found)) = line.strip_suffix('\n').and_then(|line| line.split_once('\t')) else {
            break "its child wrote what is not an answer";
        };
        let is_answer = answers.send_if_modified(|answers| {
            let is_awaited = answers.awaited.remove(name);
            if is_awaited {
                answers.lines.insert(name.to_owned(), found.to_owned());
            }
            is_awaited
        });
        if !is_answer {
            break "its child answered what was not asked";
        }
    };
    answers.send_modify(|answers| answers.ended = Some(why));
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
    let malformed = || Gap::Malformed { detail: format!("what the C library has for {hostname}") };
    let addresses: Vec<IpAddr> = line.split(' ').map(str::parse).collect::<Result<_, _>>().map_err(|_| malformed())?;
    if addresses.len() > ADDRESSES {
        return Err(over(format!("addresses of {hostname} by the C library"), ADDRESSES, addresses.len()));
    }
    Ok(addresses)
}

/// The child's work: each line of `names` is a name, and each line of `answers` a name with its addresses. A name that is
/// slow does not hold up the others.
///
/// # Errors
/// If nothing can be read or written.
pub fn answer(names: impl BufRead, answers: impl Write + Send) -> io::Result<()> {
    let answers = Lock::new(answers);
    let write = |name: &str, found: &str| {
        let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(answers, "{name}\t{found}").and_then(|()| answers.flush())
    };
    let write = &write;
    thread::scope(|scope| {
        for name in names.lines() {
            let name = name?;
            let lookup = move || write(&name, &found(&name));
            thread::Builder::new().spawn_scoped(scope, lookup)?;
        }
        Ok(())
    })
}

fn found(name: &str) -> String {
    match (name, 0).to_socket_addrs() {
        Ok(found) => {
            let found: BTreeSet<IpAddr> = found.map(|address| address.ip().to_canonical()).collect();
            let shown = found.iter().take(ADDRESSES + 1).map(IpAddr::to_string);
            shown.collect::<Vec<_>>().join(" ")
        }
        Err(error) => format!("!{}", error.to_string().replace('\n', " ")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

    /// A program that does what `script` says, in onnet's place.
    fn program(directory: &tempfile::TempDir, script: &str) -> Resolver {
        let path = directory.path().join("onnet");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Resolver::new(path)
    }

    fn later(time: Duration) -> Instant {
        Instant::now() + time
    }

    fn in_a_minute() -> Instant {
        later(Duration::from_secs(60))
    }

    fn reason(resolved: &Observed<Vec<IpAddr>>) -> Option<&'static str> {
        resolved.gap().map(Gap::reason)
    }

    /// Whether the process that wrote its number to this file is there and is not merely waiting to be reaped.
    fn is_alive(pid: &std::path::Path) -> bool {
        let pid = fs::read_to_string(pid).unwrap();
        let status = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        status.is_ok_and(|status| !status.contains(") Z"))
    }

    #[test]
    fn the_child_answers_each_name_on_a_line() {
        let mut answers = Vec::new();
        answer(&b"127.0.0.1\n::ffff:10.0.0.1\n!\n"[..], &mut answers).unwrap();
        let answers = String::from_utf8(answers).unwrap();
        let lines: BTreeMap<&str, &str> = answers.lines().map(|line| line.split_once('\t').unwrap()).collect();
        assert_eq!((lines.len(), lines["127.0.0.1"], lines["::ffff:10.0.0.1"]), (3, "127.0.0.1", "10.0.0.1"));
        assert!(lines["!"].starts_with('!'), "{}", lines["!"]);
    }

    #[tokio::test]
    async fn one_child_answers_all_names_in_any_order() {
        let directory = tempfile::tempdir().unwrap();
        let resolver = program(
            &directory,
            &format!(
                "echo $$ >> {}/pids; read one; read two; printf '%s\\t10.0.0.2\\n%s\\t10.0.0.1 ::1\\n' $two $one; read end",
                directory.path().display()
            ),
        );
        let library = CLibrary::new(resolver);
        library.start();
        let (one, two) =
            tokio::join!(library.resolve("one.example", in_a_minute()), library.resolve("two.example", in_a_minute()));
        assert_eq!(one.seen().unwrap().len(), 2);
        assert_eq!(two.seen().unwrap(), &["10.0.0.2".parse::<IpAddr>().unwrap()]);
        assert_eq!(fs::read_to_string(directory.path().join("pids")).unwrap().lines().count(), 1);
    }

    #[tokio::test]
    async fn a_child_that_hangs_is_killed_and_the_next_one_begins_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let pid = directory.path().join("pid");
        let resolver =
            program(&directory, &format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 600", pid.display()));
        let library = CLibrary::new(resolver.clone());
        library.start();
        while !pid.exists() {
            tokio::task::yield_now().await;
        }
        assert_eq!(reason(&library.resolve("a.example", Instant::now()).await), Some("timed_out"));
        assert!(is_alive(&pid));
        let another = CLibrary::new(resolver.clone());
        assert_eq!(reason(&another.resolve("a.example", in_a_minute()).await), Some("failed"), "one at a time");
        drop(library);
        while is_alive(&pid) {
            tokio::task::yield_now().await;
        }
        let next = CLibrary::new(resolver);
        assert_eq!(reason(&next.resolve("a.example", Instant::now()).await), Some("timed_out"), "it is asked");
    }

    #[tokio::test]
    async fn what_is_not_an_answer_is_a_gap() {
        let directory = tempfile::tempdir().unwrap();
        for (script, expected) in [
            ("exit 1", "failed"),
            ("kill -KILL $$", "failed"),
            ("read name; printf '%s\\t10.0.0.7' $name", "failed"),
            ("echo nonsense", "failed"),
            ("printf 'b.example\\t10.0.0.7\\n'", "failed"),
            ("read name; printf '%s\\tnonsense\\n' $name; read end", "malformed"),
            ("read name; printf '%s\\t\\n' $name; read end", "malformed"),
            ("read name; printf '%s\\t10.0.0.7 nonsense\\n' $name; read end", "malformed"),
            ("read name; printf '%s\\t!failed: Name or service not known\\n' $name; read end", "not_found"),
            ("read name; printf '%s\\t!failed: Temporary failure in name resolution\\n' $name; read end", "failed"),
            ("exec cat /dev/zero", "failed"),
        ] {
            let library = CLibrary::new(program(&directory, script));
            let resolved = library.resolve("a.example", in_a_minute()).await;
            assert_eq!(reason(&resolved), Some(expected), "{script}: {resolved:?}");
        }
        let library = CLibrary::new(Resolver::new("/nowhere/onnet".into()));
        library.start();
        assert_eq!(reason(&library.resolve("a.example", in_a_minute()).await), Some("failed"));
    }

    #[tokio::test]
    async fn a_line_is_read_up_to_the_limit_and_no_further() {
        let directory = tempfile::tempdir().unwrap();
        let ends = ["a.example\t!", " Name or service not known\n"];
        let padding = usize::try_from(RESOLVED_LINE).unwrap() - ends.map(str::len).iter().sum::<usize>();
        for (padding, expected) in [(padding, "not_found"), (padding + 1, "failed")] {
            let line = directory.path().join("line");
            fs::write(&line, ends.join(&"x".repeat(padding))).unwrap();
            let script = format!("read name; cat {}; read end", line.display());
            let resolved = CLibrary::new(program(&directory, &script)).resolve("a.example", in_a_minute()).await;
            assert_eq!(reason(&resolved), Some(expected), "{padding}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_comes_twice_takes_the_first_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let resolver =
            program(&directory, "read name; printf '%s\\t10.0.0.7\\n%s\\t10.0.0.7\\n' $name $name; read end");
        let library = CLibrary::new(resolver);
        let _ = library.resolve("a.example", in_a_minute()).await;
        assert_eq!(reason(&library.resolve("b.example", in_a_minute()).await), Some("failed"));
    }

    #[tokio::test]
    async fn more_addresses_than_are_judged_are_a_gap() {
        let directory = tempfile::tempdir().unwrap();
        for (count, expected) in [(256, None), (257, Some("over_limit"))] {
            let script = format!(
                "read name; printf '%s\\t' $name; i=1; while [ $i -lt {count} ]; do printf '10.0.%d.%d ' $((i / 256)) $((i % 256)); \
                 i=$((i + 1)); done; echo 10.1.0.0; read end"
            );
            let library = CLibrary::new(program(&directory, &script));
            let resolved = library.resolve("a.example", in_a_minute()).await;
            assert_eq!(reason(&resolved), expected);
        }
    }
}
