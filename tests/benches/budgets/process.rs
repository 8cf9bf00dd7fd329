//! A program that runs in the lab's instance, on its own processor, and its cost.

use crate::lab::Lab;
use serde_json::Value;
use std::{
    error::Error,
    fs,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

/// The processor of the measured program. The lab and the clients use the other.
pub(crate) const PROCESSOR: &str = "1";

/// The lab's authority among all authorities that a system trusts, because reading them is part of the cost of a start.
fn authorities(lab: &Lab) -> io::Result<PathBuf> {
    let file = lab.directory().join("authorities.pem");
    if !file.exists() {
        let (system, ours) = (fs::read("/etc/ssl/certs/ca-certificates.crt")?, fs::read(lab.ca_bundle())?);
        fs::write(&file, [ours, system].concat())?;
    }
    Ok(file)
}

/// The variables that name the file for onnet and the AWS CLI, Go, and curl.
fn trusting(lab: &Lab) -> io::Result<[(&'static str, PathBuf); 3]> {
    let file = authorities(lab)?;
    Ok(["AWS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"].map(|variable| (variable, file.clone())))
}

/// A running program. Dropping it kills it.
pub(crate) struct Running(Child);

impl Running {
    /// Starts this program in the instance in a role that runs until it is killed. Returns after its first line of output.
    pub(crate) fn play(lab: &Lab, words: &[&str]) -> Result<Self, Box<dyn Error>> {
        let mut command = lab.command(Path::new("/proc/self/exe"))?;
        let mut running = Self(command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
        let said = running.0.stdout.take().ok_or("no output")?;
        if BufReader::new(said).read_line(&mut String::new())? == 0 {
            return Err(format!("{words:?} did not start").into());
        }
        Ok(running)
    }

    pub(crate) fn start(lab: &Lab, program: &[&str]) -> io::Result<Self> {
        let mut command = lab.command(Path::new("taskset"))?;
        command.args(["-c", PROCESSOR]).args(program).envs(trusting(lab)?);
        Ok(Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }

    fn file(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(format!("/proc/{}/{name}", self.0.id()))
    }

    /// Processor time of all its threads so far, in seconds.
    pub(crate) fn processor(&self) -> Result<f64, Box<dyn Error>> {
        let mut nanoseconds = 0.0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let schedule = fs::read_to_string(thread?.path().join("schedstat"))?;
            nanoseconds += schedule.split(' ').next().ok_or("no time in schedstat")?.parse::<f64>()?;
        }
        Ok(nanoseconds / 1e9)
    }

    /// A line of `/proc/PID/status` in bytes: `VmRSS`, `RssAnon`, `VmHWM`.
    pub(crate) fn memory(&self, field: &str) -> Result<f64, Box<dyn Error>> {
        let status = self.file("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()).ok_or("no such line")?;
        Ok(kilobytes.parse::<f64>()? * 1024.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs this program in the instance in a role; with `pinned`, on the processor of the measured program.
pub(crate) fn part(lab: &Lab, pinned: bool, words: &[&str]) -> Result<Value, Box<dyn Error>> {
    let this = "/proc/self/exe";
    let mut command = lab.command(Path::new(if pinned { "taskset" } else { this }))?;
    if pinned {
        // By its path, because /proc/self would be taskset.
        command.args(["-c", PROCESSOR]).arg(std::env::current_exe()?);
    }
    command.args(words).envs(trusting(lab)?).stdin(Stdio::null()).stderr(Stdio::piped());
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
