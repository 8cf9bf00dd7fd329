//! A recording replayed: the same facts, at the same readings of the clocks, judged where the daemon judged them.
//!
//! A line that is missing or breaks off may have had the fact that mattered. So nothing is concluded from there on: what follows is
//! undetermined. So is a report that the same onnet concluded less from. Facts that came after the last report count at the end: they may
//! make the outcome worse, and never better.

use super::{
    clock::Reading,
    facts::Facts,
    record::{Event, Header, Line, Reported},
};
use crate::{
    import::complete::missing_key,
    judge::judge,
    model::{Gap, Observed, Outcome, OutcomeChange, Report, SCHEMA, Seconds, Snapshot, Timestamp},
};
use serde::Deserialize;
use std::time::Duration;

/// What a recording comes to.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The settings it was made with.
    pub header: Header,
    /// The changes of the outcome.
    pub changes: Vec<OutcomeChange>,
    /// The last report: the daemon's, or of the facts that came after it.
    pub last: Report,
    /// The reports that this onnet judges differently, with the outcome that the daemon recorded.
    pub differing: Vec<(Timestamp, Outcome)>,
    /// Whether the recording was ended by the daemon. Otherwise it breaks off.
    pub is_complete: bool,
}

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A line is not one of a recording.
    #[error("line {line} of {file} is not a line of a recording")]
    Line {
        /// The file.
        file: String,
        /// Counted from 1.
        line: usize,
        #[source]
        /// What is wrong with it.
        cause: serde_json::Error,
    },
    /// A line lacks a key that onnet writes in every case.
    #[error("line {line} of {file} has no `{key}`, which onnet always writes: it was changed")]
    Incomplete {
        /// The file.
        file: String,
        /// Counted from 1.
        line: usize,
        /// Where the key is missing.
        key: String,
    },
    /// The first line does not begin a recording.
    #[error("{file} does not begin with the settings of a recording")]
    NoHeader {
        /// The file.
        file: String,
    },
    /// A newer onnet wrote it.
    #[error("{file} has schema {found}, and this onnet knows {SCHEMA} and older: judge it with a newer onnet")]
    Newer {
        /// The file.
        file: String,
        /// Its schema.
        found: u64,
    },
}

/// What distinguishes a recording from other files, and an old one from a new one, before the rest is read.
#[derive(Deserialize)]
struct FirstLine {
    event: FirstEvent,
}

#[derive(Deserialize)]
struct FirstEvent {
    recording: Head,
}

#[derive(Deserialize)]
struct Head {
    schema: u64,
}

fn head(bytes: &[u8]) -> Option<Head> {
    let first: FirstLine = serde_json::from_slice(bytes.split(|byte| *byte == b'\n').next()?).ok()?;
    Some(first.event.recording)
}

/// Whether the content of a file is a recording.
pub fn is_recording(bytes: &[u8]) -> bool {
    head(bytes).is_some()
}

/// Replays the recording in `file`.
///
/// # Errors
/// If another line cannot be read or lacks a key, or a newer onnet wrote the recording.
pub fn replay(file: &str, bytes: &[u8]) -> Result<Replay, ReplayError> {
    let no_header = || ReplayError::NoHeader { file: file.to_owned() };
    let found = head(bytes).ok_or_else(no_header)?.schema;
    if found > u64::from(SCHEMA) {
        return Err(ReplayError::Newer { file: file.to_owned(), found });
    }
    let mut lines = lines(bytes).map(|(line, json, is_whole)| match read(json) {
        Ok((read, None)) => Ok(Some(read)),
        Ok((_, Some(key))) => Err(ReplayError::Incomplete { file: file.to_owned(), line, key }),
        Err(_) if !is_whole => Ok(None),
        Err(cause) => Err(ReplayError::Line { file: file.to_owned(), line, cause }),
    });
    let Some(Some(first)) = lines.next().transpose()? else { return Err(no_header()) };
    let mut player = Player::new(first).ok_or_else(no_header)?;
    for line in lines {
        match line? {
            Some(line) => player.play(line),
            None => player.breaks_off(),
        }
    }
    Ok(player.end())
}

/// A line, and a key that it lacks.
fn read(json: &[u8]) -> Result<(Line, Option<String>), serde_json::Error> {
    let line: Line = serde_json::from_slice(json)?;
    let missing = missing_key(&line, &serde_json::from_slice(json)?)?;
    Ok((line, missing))
}

/// The lines with their numbers, and whether each is whole.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8], bool)> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').zip(1..);
    lines.map(|(line, number)| match line.strip_suffix(b"\n") {
        Some(json) => (number, json, true),
        None => (number, line, false),
    })
}

/// The engine's memory and clocks, as the lines have them.
struct Player {
    header: Header,
    facts: Facts,
    /// The reading since which the wall clock was not set.
    clock: Reading,
    /// The last reading.
    now: Reading,
    /// The number that the next line has.
    next: u64,
    /// Since a line is missing.
    lost: Option<Gap>,
    last: Option<Report>,
    /// Whether facts came after the last report.
    has_further: bool,
    changes: Vec<OutcomeChange>,
    differing: Vec<(Timestamp, Outcome)>,
    is_complete: bool,
}

impl Player {
    fn new(first: Line) -> Option<Self> {
        let clock = first.reading();
        let Event::Recording(header) = first.event else { return None };
        Some(Self {
            facts: Facts::new(header.scope.clone()),
            header: *header,
            clock,
            now: clock,
            next: first.seq + 1,
            lost: (first.seq != 0).then(|| missing(0, first.seq)),
            last: None,
            has_further: false,
            changes: Vec::new(),
            differing: Vec::new(),
            is_complete: false,
        })
    }

    fn play(&mut self, line: Line) {
        if line.seq != self.next && self.lost.is_none() {
            // The missing line came after the last one: from then on it may have made a difference.
            self.lost = Some(missing(self.next, line.seq));
            self.report(judge(self.snapshot_now(self.last.as_ref())), None);
        }
        self.next = line.seq.saturating_add(1);
        self.now = line.reading();
        if let Some(step) = self.now.step_since(&self.clock) {
            self.facts.restamp(step);
            self.clock = self.now;
        }
        match line.event {
            Event::Recording(_) => {}
            Event::Facts(answer) => {
                self.facts.take(*answer);
                self.has_further = true;
            }
            Event::Report(Reported { taken_at, took, proxies, ignored_settings, outcome }) => {
                self.facts.set_ignored_settings(ignored_settings);
                self.has_further = false;
                let report = judge(self.facts.snapshot(taken_at, took, proxies));
                if report.outcome != outcome && self.lost.is_none() {
                    self.differing.push((self.now.wall, outcome));
                }
                let doubt = self.doubt(&report, outcome);
                self.report(report, doubt);
            }
            Event::End => self.is_complete = true,
        }
    }

    /// The last line is cut off, and with it what it said.
    fn breaks_off(&mut self) {
        let detail = "the last line of the recording breaks off".to_owned();
        self.lost.get_or_insert(Gap::Truncated { detail });
        self.has_further = false;
        self.report(judge(self.snapshot_now(self.last.as_ref())), None);
    }

    /// Why a report of the daemon's does not count as it is replayed.
    fn doubt(&self, Report { snapshot, outcome: replayed, .. }: &Report, recorded: Outcome) -> Option<Gap> {
        let ended = snapshot.taken_at.plus(snapshot.took.as_duration());
        if ended.since(self.now.wall).max(self.now.wall.since(ended)) > SAME_MOMENT {
            let one = format!("the report ended at {ended}");
            return Some(Gap::Conflicting { one, other: format!("its line was written at {}", self.now.wall) });
        }
        // The same rules had a fact that is not in the file.
        let is_same_onnet = self.header.version == env!("CARGO_PKG_VERSION");
        (is_same_onnet && improves(*replayed, Some(recorded))).then(|| Gap::Conflicting {
            one: format!("{} was recorded", recorded.name()),
            other: format!("the recorded facts come to {}", replayed.name()),
        })
    }

    fn report(&mut self, report: Report, doubt: Option<Gap>) {
        let from = self.last.as_ref().map(|last| last.outcome);
        self.last = Some(self.concluded(report, doubt, from));
    }

    /// The report, or one that concludes nothing of its facts where a line is missing or there is a doubt.
    fn concluded(&mut self, report: Report, doubt: Option<Gap>, from: Option<Outcome>) -> Report {
        let report = match self.lost.clone().or(doubt) {
            Some(why) => judge(without_names(report.snapshot, &why)),
            None => report,
        };
        if from != Some(report.outcome) {
            let (to, summary) = (report.outcome, report.summary.clone());
            self.changes.push(OutcomeChange { at: self.now.wall, from, to, summary });
        }
        report
    }

    /// What is known now. The proxies are those of the last report: no other line has them.
    fn snapshot_now(&self, last: Option<&Report>) -> Snapshot {
        let proxies = last.map_or_else(Vec::new, |last| last.snapshot.proxies.clone());
        self.facts.snapshot(self.now.wall, Seconds::default(), proxies)
    }

    /// The report on facts that came after the `recorded` one. The daemon made none of them: they may have come one by one.
    fn closing(&mut self, recorded: Option<&Report>) -> Report {
        let report = judge(self.snapshot_now(recorded));
        let from = recorded.map(|recorded| recorded.outcome);
        let doubt = || Gap::Truncated { detail: "the recording has no report of its last facts".to_owned() };
        let doubt = improves(report.outcome, from).then(doubt);
        self.concluded(report, doubt, from)
    }

    fn end(mut self) -> Replay {
        let last = match self.last.take() {
            Some(last) if !self.has_further => last,
            recorded => self.closing(recorded.as_ref()),
        };
        let Self { header, changes, differing, is_complete, .. } = self;
        Replay { header, changes, last, differing, is_complete }
    }
}

/// How far apart the end of a report and the line that has it may be: times are written in microseconds.
const SAME_MOMENT: Duration = Duration::from_millis(1);

/// Without a name nothing is concluded, for this reason.
fn without_names(mut snapshot: Snapshot, why: &Gap) -> Snapshot {
    snapshot.names = Observed::Unseen(why.clone());
    snapshot.account_name = Observed::Unseen(why.clone());
    snapshot
}

/// Whether an outcome is better than the one before.
fn improves(now: Outcome, before: Option<Outcome>) -> bool {
    match (now, before) {
        (Outcome::Undetermined, _) => false,
        (_, None | Some(Outcome::Undetermined)) => true,
        (now, Some(before)) => now < before,
    }
}

fn missing(from: u64, to: u64) -> Gap {
    Gap::Truncated { detail: format!("of the recording, lines are missing between numbers {from} and {to}") }
}
