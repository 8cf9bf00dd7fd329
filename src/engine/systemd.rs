//! What is reported to systemd, where systemd started us.

use super::clock::Moment;
use crate::present::sanitized;
use sd_notify::NotifyState;
use std::time::Duration;

/// The line to systemd: `READY=1`, `STATUS=`, and the watchdog's food. Silent where nothing listens.
#[derive(Debug)]
pub(super) struct Supervisor {
    watchdog: Option<Duration>,
    fed: Option<Moment>,
    ready: bool,
    status: String,
}

impl Supervisor {
    /// As the environment has it: `NOTIFY_SOCKET`, `WATCHDOG_USEC`.
    pub(super) fn from_environment() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled(), fed: None, ready: false, status: String::new() }
    }

    /// The loop goes round. Called by the loop alone: anything else that fed the watchdog would hide that it hangs.
    pub(super) fn alive(&mut self, now: Moment) {
        let Some(watchdog) = self.watchdog else { return };
        if self.fed.is_none_or(|fed| now.since(fed) >= watchdog / 4) {
            self.fed = Some(now);
            tell(&[NotifyState::Watchdog]);
        }
    }

    /// What there is to say in one line, and, once, that we are ready.
    pub(super) fn status(&mut self, ready: bool, line: &str) {
        // A line of its own is what the protocol takes for the next assignment.
        let line = sanitized(line).into_owned();
        if ready && !self.ready {
            tell(&[NotifyState::Ready, NotifyState::Status(&line)]);
            self.ready = true;
        } else if line != self.status {
            tell(&[NotifyState::Status(&line)]);
        }
        self.status = line;
    }

    /// We are about to end.
    pub(super) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not notified");
    }
}
