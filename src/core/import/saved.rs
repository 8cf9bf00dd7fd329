//! A round that was saved: what `check --save` writes and `judge` reads.

use super::{
    complete,
    input::{self, SAVED_FILE, read_limited},
    json::{self, JsonError},
};
use crate::model::{Observed, SCHEMA, Snapshot, not_collected};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use std::{
    fs::{self, Metadata},
    io::{self, Write},
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
    /// The file lacks a key that onnet writes in every case.
    #[error("{file} has no `{key}`, which onnet always writes: it is cut off or was changed; save it once more")]
    Incomplete {
        /// The file.
        file: String,
        /// Where the key is missing: `resolutions.dynamodb.us-east-1.amazonaws.com.c_library`.
        key: String,
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
/// If it cannot be read, is not a regular file, or is larger than [`SAVED_FILE`].
pub fn content(file: &Path) -> Result<(String, Vec<u8>), SavedError> {
    let from_stdin = file == Path::new("-");
    let name = if from_stdin { "standard input".to_owned() } else { file.display().to_string() };
    let read = if from_stdin {
        let mut bytes = Vec::new();
        read_limited(io::stdin().lock(), SAVED_FILE, &mut bytes).map(|()| bytes)
    } else {
        input::read(file, SAVED_FILE).map(|(bytes, _)| bytes)
    };
    match read {
        Ok(bytes) => Ok((name, bytes)),
        Err(cause) => Err(SavedError::Read { file: name, cause }),
    }
}

/// What distinguishes a snapshot from a report, and an old one from a new one, before the rest is read.
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

/// The collected part of a report; the rest follows from it.
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
    if schema > LAST_WITH_FEWER_KEYS
        && let Some(key) = missing_key(file, bytes, head.snapshot.is_some(), &snapshot)?
    {
        return Err(SavedError::Incomplete { file: file.to_owned(), key });
    }
    let recorded = head.snapshot.map_or(head.account_name, |inner| inner.account_name);
    let apart = recorded.is_some() || schema > LAST_WITH_ALL_NAMES_TOGETHER;
    let snapshot = if apart { snapshot } else { with_names_apart(snapshot) };
    // Schema 1 has fewer reasons for a missing fact. Each is one of today's, so a fact that was missing stays missing; which of
    // them a `not_found` or `malformed` would be today is not known, and nothing hangs on it.
    // Where the kernel was asked for the whole list and did not answer, its routes do not stand for the answer.
    let stands = schema <= LAST_WITH_HOST_ROUTES || snapshot.kernel_paths == not_collected();
    // Beside an answer they contradict it.
    let host_routes = snapshot.host_routes.filter(|_| stands || snapshot.kernel_paths.seen().is_some());
    Ok(Snapshot { schema: SCHEMA, host_routes, ..snapshot })
}

/// A key that this version writes of `snapshot`, and that the file it was read from does not have. Each such key is required: what
/// its absence would say (the C library was not asked, the service denied nothing) must not follow from a file that lost it.
fn missing_key(file: &str, bytes: &[u8], in_report: bool, snapshot: &Snapshot) -> Result<Option<String>, SavedError> {
    let mut read: Value = json::parse(file, bytes, "an object")?;
    let read = if in_report { read["snapshot"].take() } else { read };
    complete::missing_key(snapshot, &read)
        .map_err(|cause| SavedError::Read { file: file.to_owned(), cause: cause.into() })
}

/// The last schema whose snapshots need not have every key that this version writes.
const LAST_WITH_FEWER_KEYS: u64 = 1;

/// The last schema in which the routes of the host stand for what the kernel does with the prefix list.
const LAST_WITH_HOST_ROUTES: u64 = 1;

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
/// What a link of this user or of root leads to is what its owner wants written. Another user's link is refused.
///
/// # Errors
/// If it cannot be written.
pub fn write(file: &Path, snapshot: &Snapshot) -> Result<(), SavedError> {
    let written = input::trusted_link(file).and_then(|()| match fs::metadata(file) {
        // Renaming a file over it would do away with /dev/null itself, which root may.
        Ok(known) if !known.is_file() => {
            fs::OpenOptions::new().write(true).open(file).and_then(|file| put(file, snapshot))
        }
        Ok(known) => fs::canonicalize(file).and_then(|file| replace(&file, Some(&known), snapshot)),
        Err(_) => replace(file, None, snapshot),
    });
    written.map_err(|cause| SavedError::Write { file: file.to_owned(), cause })
}

/// Puts a file in the place of `known`, with its mode; else the owner alone may read it. It is made in the same directory, so that
/// the rename is one step of the same file system, under a name that no one can guess.
fn replace(file: &Path, known: Option<&Metadata>, snapshot: &Snapshot) -> io::Result<()> {
    // Of a bare file name the parent is empty.
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new().prefix(".onnet-").suffix(".tmp").tempfile_in(directory)?;
    put(&mut new, snapshot)?;
    if let Some(known) = known {
        new.as_file().set_permissions(known.permissions())?;
    }
    new.as_file().sync_all()?;
    new.persist(file).map(drop).map_err(|failed| failed.error)
}

fn put(mut file: impl Write, snapshot: &Snapshot) -> io::Result<()> {
    let mut json = serde_json::to_vec_pretty(snapshot)?;
    json.push(b'\n');
    file.write_all(&json)
}
