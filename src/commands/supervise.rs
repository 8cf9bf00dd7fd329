//! `onnet check --wait`: a small process that stays, and starts the check again if something kills it.
//!
//! A gate must go on waiting: `Restart=` of a oneshot unit fails the units that wait for it, and `RestartMode=direct` is newer
//! than the systemd of Debian 12.

use super::{Answer, Output};
use crate::terminal::print_error;
use std::{
    env, io,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, ExitStatus, id},
    thread::sleep,
    time::Duration,
};
use tokio::time::Instant;

/// The pause before the check is started again: the first one, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// The flag by which the check knows that it is not to start another one.
pub(super) const FLAG: &str = "--supervised-by";

/// The program that is run again: this one, even if its file was replaced since.
const PROGRAM: &str = "/proc/self/exe";

/// Runs the check with the arguments of this process until it ends by itself, or `wait` is over.
pub(super) fn run(wait: Duration) -> Answer {
    let started = Instant::now();
    let [mut pause, longest] = PAUSES;
    loop {
        let left = wait.saturating_sub(started.elapsed());
        let problem = match check(wait, left) {
            Ok(ended) => match ended.code() {
                Some(code) => return Ok(Output { text: String::new(), code: u8::try_from(code)? }),
                None => format!("the check was killed by signal {}", ended.signal().unwrap_or(0)),
            },
            Err(error) => format!("the check cannot be started: {error}"),
        };
        let left = wait.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(problem.into());
        }
        print_error(&format!("{problem}; starting it again"));
        sleep(pause.min(left));
        pause = (pause * 2).min(longest);
    }
}

fn check(wait: Duration, left: Duration) -> io::Result<ExitStatus> {
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_else(|| "onnet".into());
    let mut command = Command::new(PROGRAM);
    command.arg0(name).args(arguments).args([FLAG, &id().to_string()]);
    if wait != Duration::MAX {
        command.args(["--wait", &humantime::format_duration(left).to_string()]);
    }
    command.status()
}

/// Called by the check: it ends with the process that started it.
pub(super) fn end_with(parent: u32) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, getppid, set_parent_process_death_signal};
        set_parent_process_death_signal(Some(Signal::TERM))?;
        // It may have ended before.
        let has_ended = getppid().is_none_or(|now| now.as_raw_pid().cast_unsigned() != parent);
        if has_ended {
            return Err(io::Error::other("the process that started this check has ended"));
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = parent;
    Ok(())
}
