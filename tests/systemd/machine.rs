//! A machine whose PID 1 is a real systemd, in the lab's instance.

use super::lab::{self, Lab, Ran};
use serde_json::Value;
use std::{
    error::Error,
    fs, io,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::Instant;

/// The longest time that a test waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A booted machine. Dropping it kills all its processes.
pub(crate) struct Machine {
    boot: Child,
    init: u32,
    cgroup: String,
    /// The longest time to wait.
    pub(crate) patience: Duration,
    _directory: TempDir,
}

impl Machine {
    /// Boots a machine with the shipped units and these files below `/etc`.
    pub(crate) fn boot(lab: &Lab, onnet: &Path, files: &[(&str, &str)]) -> Result<Self, Box<dyn Error>> {
        let directory = tempfile::Builder::new().prefix("onnet-systemd-").tempdir()?;
        let etc = directory.path().join("etc");
        let units = etc.join("systemd/system");
        fs::create_dir_all(&units)?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for unit in fs::read_dir(root.join("systemd"))? {
            let unit = unit?.path();
            let name = unit.file_name().ok_or("a file has a name")?;
            if unit.extension().is_some_and(|extension| extension == "service" || extension == "socket") {
                fs::copy(&unit, units.join(name))?;
            }
        }
        for (name, text) in files {
            let file = etc.join(name);
            fs::create_dir_all(file.parent().ok_or("a file has a directory")?)?;
            fs::write(file, text)?;
        }
        Self::start(lab, directory, onnet)
    }

    /// Boots a machine with its own root, which it may change.
    pub(crate) fn boot_root(lab: &Lab, root: &Path) -> Result<Self, Box<dyn Error>> {
        let directory = tempfile::Builder::new().prefix("onnet-systemd-").tempdir()?;
        fs::create_dir(directory.path().join("etc"))?;
        Self::start(lab, directory, root)
    }

    fn start(lab: &Lab, directory: TempDir, onnet_or_root: &Path) -> Result<Self, Box<dyn Error>> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let cgroup = format!("onnet-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let console = fs::File::create(directory.path().join("console"))?;
        let mut command = lab.command(Path::new("bash"))?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/systemd/boot.sh");
        command.arg(script).arg(directory.path()).arg(onnet_or_root).arg(&cgroup);
        let boot = command.stdin(Stdio::null()).stdout(console.try_clone()?).stderr(console).spawn()?;
        let mut machine = Self { init: 0, boot, cgroup, patience: PATIENCE, _directory: directory };
        machine.wait_until("systemd runs", |machine| {
            machine.init = machine.child_of_boot()?;
            let said = machine.systemctl(&["is-system-running"]).ok()?.stdout;
            said.starts_with("running").then_some(())
        })?;
        Ok(machine)
    }

    /// The PID of systemd, the only child of `unshare`.
    fn child_of_boot(&self) -> Option<u32> {
        let boot = self.boot.id();
        let child = fs::read_to_string(format!("/proc/{boot}/task/{boot}/children")).ok()?.trim().parse().ok()?;
        let name = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
        (name.trim() == "systemd").then_some(child)
    }

    /// Runs a program in the machine.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> io::Result<Ran> {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--all", "--root", "--wd", program]).args(arguments);
        command.env_clear().env("PATH", "/usr/bin:/usr/sbin");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        lab::run(&mut command, PATIENCE)
    }

    pub(crate) fn systemctl(&self, arguments: &[&str]) -> io::Result<Ran> {
        self.run("systemctl", arguments)
    }

    /// Runs `systemctl`, which must succeed.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
        let ran = self.systemctl(arguments)?;
        if ran.code == Some(0) {
            Ok(())
        } else {
            Err(format!("systemctl {arguments:?}: {}{}", ran.stdout, ran.stderr).into())
        }
    }

    /// One property of a unit.
    pub(crate) fn property(&self, unit: &str, property: &str) -> Result<String, Box<dyn Error>> {
        let ran = self.systemctl(&["show", unit, "--property", property, "--value"])?;
        Ok(ran.stdout.trim().to_owned())
    }

    /// The peak memory of a unit, in bytes.
    pub(crate) fn peak(&self, unit: &str) -> Result<u64, Box<dyn Error>> {
        let group = self.property(unit, "ControlGroup")?;
        // Version 2 of cgroups, or 1.
        let files = [
            format!("/sys/fs/cgroup{group}/memory.peak"),
            format!("/sys/fs/cgroup/memory{group}/memory.max_usage_in_bytes"),
        ];
        let read = files.iter().find_map(|file| self.run("cat", &[file]).ok()?.stdout.trim().parse().ok());
        Ok(read.ok_or("the cgroup does not say what memory it had")?)
    }

    /// Waits until a property of a unit has the wanted value.
    pub(crate) fn wait_for(
        &mut self,
        unit: &str,
        property: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String, Box<dyn Error>> {
        let mut last = String::new();
        let found = self.wait_until(property, |machine| {
            last = machine.property(unit, property).ok()?;
            wanted(&last).then(|| last.clone())
        });
        found.map_err(|error| format!("{error}; {property} of {unit} is {last:?}").into())
    }

    /// Waits until `look` finds something.
    pub(crate) fn wait_until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&mut Self) -> Option<T>,
    ) -> Result<T, Box<dyn Error>> {
        let until = Instant::now() + self.patience;
        loop {
            if let Some(found) = look(self) {
                return Ok(found);
            }
            if Instant::now() > until {
                return Err(format!("not within {:?}: {what}\n{}", self.patience, self.state()).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Details for the message of a failed test.
    fn state(&self) -> String {
        let console = fs::read_to_string(self._directory.path().join("console")).unwrap_or_else(|e| e.to_string());
        let journal = self.run("journalctl", &["--no-pager", "--output=short-precise"]).map(|ran| ran.stdout);
        format!("console:\n{console}\njournal:\n{}", journal.unwrap_or_else(|error| error.to_string()))
    }

    /// The journal of a unit.
    pub(crate) fn journal(&self, unit: &str) -> Result<Vec<Value>, Box<dyn Error>> {
        let ran = self.run("journalctl", &["--unit", unit, "--output=json", "--no-pager"])?;
        Ok(ran.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    }

    /// Waits for a line of a unit's journal.
    pub(crate) fn wait_for_line(&mut self, unit: &str, part: &str) -> Result<Value, Box<dyn Error>> {
        self.wait_until(part, |machine| {
            let lines = machine.journal(unit).ok()?;
            lines.into_iter().find(|line| line["MESSAGE"].as_str().is_some_and(|message| message.contains(part)))
        })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(self.init.cast_signed()),
            nix::sys::signal::Signal::SIGKILL,
        );
        let _ = self.boot.kill();
        let _ = self.boot.wait();
        // The cgroup is empty only after the kernel removed the last process.
        let until = Instant::now() + PATIENCE;
        for name in [".", "systemd", "unified", "memory", "cpu", "cpuacct", "pids"] {
            let cgroup = Path::new("/sys/fs/cgroup").join(name).join(&self.cgroup);
            while cgroup.exists() && Instant::now() < until {
                remove(&cgroup);
            }
        }
    }
}

/// Removes a cgroup and those below it. Only the directories are removed; the kernel owns the files.
fn remove(cgroup: &Path) {
    for child in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if child.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&child.path());
        }
    }
    let _ = fs::remove_dir(cgroup); // may be busy for a moment
}
