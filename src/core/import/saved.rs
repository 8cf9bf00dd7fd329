//! A round that was saved: what `check --save` writes and `judge` reads.

use super::json::{self, JsonError};
use crate::model::{Observed, SCHEMA, Snapshot};
use serde::{Deserialize, de::IgnoredAny};
use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// Why a saved round cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The file cannot be read.
    #[error("cannot read {file}")]
    Read {
        /// The file.
        file: String,
        #[source]
        /// Why.
        cause: io::Error,
    },
    /// The file is not what it should be.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The file is JSON, but neither a snapshot nor a report.
    #[error("{file} is neither a saved snapshot nor a report: it has no `schema`, as what `onnet check` writes has")]
    NoSchema {
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
    /// The file cannot be written.
    #[error("cannot write {}", .file.display())]
    Write {
        /// The file.
        file: PathBuf,
        #[source]
        /// Why.
        cause: io::Error,
    },
}

/// Reads a snapshot, or the snapshot of a report, from `file`; `-` is the standard input.
///
/// # Errors
/// If it cannot be read, is neither, or was written by a newer onnet.
pub fn read(file: &Path) -> Result<Snapshot, SavedError> {
    let (name, bytes) = content(file)?;
    parse(&name, &bytes)
}

/// The name and the content of `file`; `-` is the standard input.
///
/// # Errors
/// If it cannot be read.
pub fn content(file: &Path) -> Result<(String, Vec<u8>), SavedError> {
    let from_stdin = file == Path::new("-");
    let name = if from_stdin { "standard input".to_owned() } else { file.display().to_string() };
    let mut bytes = Vec::new();
    let read = if from_stdin {
        io::stdin().lock().read_to_end(&mut bytes)
    } else {
        fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    match read {
        Ok(_) => Ok((name, bytes)),
        Err(cause) => Err(SavedError::Read { file: name, cause }),
    }
}

/// What tells a snapshot from a report, and an old one from a new one, before the rest is looked at.
#[derive(Deserialize)]
struct Head {
    schema: Option<u64>,
    account_name: Option<IgnoredAny>,
    snapshot: Option<SnapshotHead>,
}

#[derive(Deserialize)]
struct SnapshotHead {
    schema: Option<u64>,
    account_name: Option<IgnoredAny>,
}

/// The part of a report that was seen; the rest follows from it.
#[derive(Deserialize)]
struct Report {
    snapshot: Snapshot,
}

/// Reads a snapshot, or the snapshot of a report, from the content of `file`. One of an older schema comes back as this
/// version writes it.
///
/// # Errors
/// If it is neither, or was written by a newer onnet.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Snapshot, SavedError> {
    let expected = "a saved snapshot or report (an object)";
    let head: Head = json::parse(file, bytes, expected)?;
    let inner = head.snapshot.as_ref().and_then(|snapshot| snapshot.schema);
    let (schema, snapshot) = match head.schema.max(inner) {
        None => return Err(SavedError::NoSchema { file: file.to_owned() }),
        Some(found) if found > u64::from(SCHEMA) => return Err(SavedError::Newer { file: file.to_owned(), found }),
        Some(schema) if head.snapshot.is_some() => (schema, json::parse::<Report>(file, bytes, expected)?.snapshot),
        Some(schema) => (schema, json::parse::<Snapshot>(file, bytes, expected)?),
    };
    let recorded = head.account_name.or(head.snapshot.and_then(|snapshot| snapshot.account_name));
    let apart = recorded.is_some() || schema > LAST_WITH_ALL_NAMES_TOGETHER;
    let snapshot = if apart { snapshot } else { with_names_apart(snapshot) };
    // Schema 1 has fewer reasons for a missing fact. Each is one of today's, so a fact that was missing stays missing; which of
    // them a `not_found` or `malformed` would be today is not known, and nothing hangs on it.
    Ok(Snapshot { schema: SCHEMA, ..snapshot })
}

/// The last schema in which a snapshot may have the account-based name among its other names.
const LAST_WITH_ALL_NAMES_TOGETHER: u64 = 1;

/// A snapshot of an onnet that recorded all names together: no account-based name is missing beside them.
fn with_names_apart(mut snapshot: Snapshot) -> Snapshot {
    if let Observed::Seen { at, took, .. } = snapshot.names {
        snapshot.account_name = Observed::Seen { value: None, at, took };
    }
    snapshot
}

/// Writes `snapshot` to `file`: whole, or not at all, if that is a regular file. A device or a pipe is written to.
///
/// # Errors
/// If it cannot be written.
pub fn write(file: &Path, snapshot: &Snapshot) -> Result<(), SavedError> {
    let written = match fs::metadata(file) {
        // Renaming a file over it would do away with /dev/null itself, which root may.
        Ok(known) if !known.is_file() => {
            fs::OpenOptions::new().write(true).open(file).and_then(|file| put(file, snapshot))
        }
        // What a link leads to is what its owner wants written.
        Ok(_) => fs::canonicalize(file).and_then(|file| replace(&file, snapshot)),
        Err(_) => replace(file, snapshot),
    };
    written.map_err(|cause| SavedError::Write { file: file.to_owned(), cause })
}

fn replace(file: &Path, snapshot: &Snapshot) -> io::Result<()> {
    let beside = beside(file);
    let written = fs::File::create(&beside).and_then(|mut new| {
        put(&mut new, snapshot)?;
        new.sync_all()
    });
    written.and_then(|()| fs::rename(&beside, file)).inspect_err(|_| {
        // The error to report is the one that came first.
        let _ = fs::remove_file(&beside);
    })
}

/// A name in the same directory, so that the rename is one step of the same file system.
fn beside(file: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(file.file_name().unwrap_or(file.as_os_str()));
    name.push(format!(".{}.tmp", std::process::id()));
    file.with_file_name(name)
}

fn put(mut file: impl Write, snapshot: &Snapshot) -> io::Result<()> {
    let mut json = serde_json::to_vec_pretty(snapshot)?;
    json.push(b'\n');
    file.write_all(&json)
}
