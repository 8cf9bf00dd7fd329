//! `onnet run` in the lab, with its log and its notifications to systemd.

use super::Lab;
use serde_json::Value;
use std::{
    error::Error,
    io::{self, BufRead, BufReader},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The longest time that a test waits. Only a failing test reaches it, so it is much longer than everything that is expected,
/// including pauses of the schedule of up to 30 s and a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// A running daemon. Dropping it kills it.
pub struct Daemon {
    child: Child,
    log: Arc<Growing<Value>>,
    notices: Arc<Growing<String>>,
    socket: PathBuf,
}

/// A list to which one thread adds items and for which others wait.
struct Growing<T> {
    items: Mutex<Vec<T>>,
    grown: Condvar,
}

impl<T> Default for Growing<T> {
    fn default() -> Self {
        Self { items: Mutex::default(), grown: Condvar::new() }
    }
}

impl<T: Clone> Growing<T> {
    fn items(&self) -> MutexGuard<'_, Vec<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, item: T) {
        self.items().push(item);
        self.grown.notify_all();
    }

    /// The first item after the first `skip` that `wanted` accepts, and the number of items up to it.
    fn find(&self, skip: usize, wanted: impl Fn(&T) -> bool) -> Option<(T, usize)> {
        let until = Instant::now() + PATIENCE;
        let mut items = self.items();
        loop {
            if let Some(at) = items.iter().skip(skip).position(&wanted) {
                return Some((items[skip + at].clone(), skip + at + 1));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            items = self.grown.wait_timeout(items, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Daemon {
    /// Starts it in the instance, with short periods; `arguments` may set others.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(lab: &Lab, binary: &Path, arguments: &[&str]) -> io::Result<Self> {
        Self::start_with(lab, binary, arguments, &[])
    }

    /// The same with further environment variables.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start_with(lab: &Lab, binary: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> io::Result<Self> {
        let socket = lab.directory().join("notify");
        let notices = UnixDatagram::bind(&socket)?;
        let mut command = lab.command(binary)?;
        command.args(["run", "--log-format", "json", "--splay", "0s"]);
        for (variable, period) in [
            ("ONNET_IMDS_EVERY", "500ms"),
            ("ONNET_DNS_EVERY", "300ms"),
            ("ONNET_KERNEL_EVERY", "300ms"),
            ("ONNET_HEALTH_EVERY", "300ms"),
            ("ONNET_LIST_TABLES_EVERY", "500ms"),
            ("ONNET_EC2_EVERY", "500ms"),
        ] {
            command.env(variable, period);
        }
        command
            .args(arguments)
            .envs(environment.iter().copied())
            .env("NOTIFY_SOCKET", &socket)
            .env("WATCHDOG_USEC", "1000000");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().ok_or_else(|| io::Error::other("no standard error"))?;
        let (log, notified) = (Arc::<Growing<Value>>::default(), Arc::<Growing<String>>::default());
        let (events, messages) = (Arc::clone(&log), Arc::clone(&notified));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                events.push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        // Read at once, as systemd does: the queue is short, and a sender waits while it is full. An empty message is
        // the end.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = notices.recv(&mut buffer)
                && length > 0
            {
                messages.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            }
        });
        Ok(Self { child, log, notices: notified, socket })
    }

    /// Every event that was logged so far.
    pub fn events(&self) -> Vec<Value> {
        self.log.items().clone()
    }

    /// The first event after the first `skip` that `wanted` accepts, and the number of events up to it.
    ///
    /// # Errors
    /// If there is none in time.
    pub fn event(
        &self,
        skip: usize,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<(Value, usize), Box<dyn Error>> {
        let missing = || format!("no event: {what}; there are {:#}", Value::Array(self.events()));
        Ok(self.log.find(skip, wanted).ok_or_else(missing)?)
    }

    /// Waits for a change of the outcome to `outcome`, after the first `skip` events.
    ///
    /// # Errors
    /// If that does not happen in time.
    pub fn outcome(&self, skip: usize, outcome: &str) -> Result<(Value, usize), Box<dyn Error>> {
        self.event(skip, outcome, |event| event["message"] == "outcome changed" && event["to"] == outcome)
    }

    /// Every outcome so far, in order.
    pub fn outcomes(&self) -> Vec<String> {
        let events = self.log.items();
        let changes = events.iter().filter(|event| event["message"] == "outcome changed");
        changes.filter_map(|event| Some(event["to"].as_str()?.to_owned())).collect()
    }

    /// The first notification to systemd that `wanted` accepts.
    ///
    /// # Errors
    /// If that does not happen in time.
    pub fn notice(&self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<String, Box<dyn Error>> {
        let missing = || format!("systemd was not notified: {what}; its notifications are {:?}", self.notices());
        Ok(self.notices.find(0, |notice| wanted(notice)).ok_or_else(missing)?.0)
    }

    /// The notifications to systemd so far.
    pub fn notices(&self) -> Vec<String> {
        self.notices.items().clone()
    }

    pub fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"))
    }

    /// # Errors
    /// If the process has ended.
    pub fn signal(&self, signal: impl Into<Option<nix::sys::signal::Signal>>) -> nix::Result<()> {
        nix::sys::signal::kill(self.pid(), signal)
    }

    /// Whether all its threads are stopped, which takes a moment after the signal.
    pub fn is_stopped(&self) -> bool {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", self.child.id())) else { return false };
        let state = |thread: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).ok()?;
            stat.rsplit_once(") ").map(|(_, rest)| rest.starts_with('T'))
        };
        threads.flatten().all(|thread| state(thread) == Some(true))
    }

    /// Resident memory in bytes, as the kernel counts it.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn resident(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        kibibytes.map(|k| k * 1024).ok_or_else(|| io::Error::other("no VmRSS"))
    }

    /// Its exit status, and the time until it ended.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn end(&mut self) -> Result<(ExitStatus, Duration), Box<dyn Error>> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Ok((status, began.elapsed()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err("the daemon does not end".into())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = UnixDatagram::unbound().and_then(|ours| ours.send_to(&[], &self.socket));
        let _ = std::fs::remove_file(&self.socket);
    }
}
