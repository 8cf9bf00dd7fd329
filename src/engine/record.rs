//! A recording: every fact as it arrives and every report that is made, one JSON object on each line.
//!
//! Lines are numbered, so that one that is missing is noticed. The first has the settings, the last says that the daemon
//! ended. There is nothing secret in a recording: facts have no field a credential could sit in.

use super::{
    clock::{Moment, Reading},
    collections::Answer,
    facts::Scope,
};
use crate::{
    import::input::trusted_link,
    model::{BySource, IgnoredSetting, Outcome, ProxyVariable, SCHEMA, Seconds, Timestamp},
    observe::seen::chain,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// 0 for the first, then one more for each.
    pub seq: u64,
    /// How long the machine was up.
    pub uptime: Seconds,
    /// What the wall clock showed.
    pub wall: Timestamp,
    /// What happened.
    pub event: Event,
}

/// What is recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The recording begins.
    Recording(Box<Header>),
    /// A collection brought facts, or the reasons why they are missing.
    Facts(Box<Answer>),
    /// A report was made of what was known.
    Report(Reported),
    /// The daemon ended.
    End,
}

/// The settings of the daemon, as far as its reports depend on them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`SCHEMA`] when it was written.
    pub schema: u32,
    /// The onnet that wrote it.
    pub version: String,
    /// What facts are wanted, and how long they count.
    pub scope: Scope,
    /// How often each source is collected from.
    pub periods: BySource<Seconds>,
}

impl Header {
    /// Of a recording that this onnet writes.
    pub(super) fn new(scope: Scope, periods: BySource<Seconds>) -> Self {
        Self { schema: SCHEMA, version: env!("CARGO_PKG_VERSION").to_owned(), scope, periods }
    }
}

/// A report, as far as it does not follow from the facts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reported {
    /// When its round began.
    pub taken_at: Timestamp,
    /// How long the round took.
    pub took: Seconds,
    /// The proxies that the environment named.
    pub proxies: Vec<ProxyVariable>,
    /// The settings of the AWS SDKs that were not used as they stood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored_settings: Vec<IgnoredSetting>,
    /// What it came to.
    pub outcome: Outcome,
}

/// Writes a recording until that fails. A failure ends the recording, not the daemon.
#[derive(Debug)]
pub struct Recorder {
    file: Option<File>,
    seq: u64,
}

impl Recorder {
    /// Begins a recording in `file`, which only its owner may read. A file that is there is overwritten.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn create(file: &Path) -> io::Result<Self> {
        trusted_link(file)?;
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
        if file.metadata()?.is_file() {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        Ok(Self { file: Some(file), seq: 0 })
    }

    /// Records `event`.
    pub(super) fn write(&mut self, at: Reading, event: Event) {
        let Some(file) = &mut self.file else { return };
        let line = Line { seq: self.seq, uptime: at.moment.uptime().into(), wall: at.wall, event };
        let written = serde_json::to_vec(&line).map_err(io::Error::from).and_then(|mut json| {
            json.push(b'\n');
            file.write_all(&json)
        });
        match written {
            Ok(()) => self.seq += 1,
            Err(error) => {
                tracing::error!(error = chain(&error), "the recording cannot be written; it ends here");
                self.file = None;
            }
        }
    }
}

impl Line {
    /// The clocks when it was written.
    pub(super) fn reading(&self) -> Reading {
        Reading { moment: Moment::after_boot(self.uptime.as_duration()), wall: self.wall }
    }
}
