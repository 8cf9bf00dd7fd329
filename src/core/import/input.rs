//! Files that people name: regular ones, of a limited size. What would never end, or keep us waiting, is refused.

use std::{
    fs::{File, FileType, Metadata, OpenOptions, metadata},
    io::{self, Read},
    path::Path,
};

/// Bytes of a saved round, a report, or a recording. A recording grows by about 50 MB a day.
pub const SAVED_FILE: u64 = 1 << 30;

/// Bytes of one file of AWS CLI output. A Region with 200 VPCs at the quota of routes has a fifth of it.
pub const LISTING_FILE: u64 = 1 << 30;

/// The content of the regular file `path`, and what is known of the file.
///
/// # Errors
/// If it cannot be read, is not a regular file, or is larger than `limit` bytes.
pub fn read(path: &Path, limit: u64) -> io::Result<(Vec<u8>, Metadata)> {
    let (file, about) = open(path, limit)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(about.len()).unwrap_or(0))?;
    read_limited(file, limit, &mut bytes)?;
    Ok((bytes, about))
}

/// The regular file `path`, opened, and what is known of it.
///
/// # Errors
/// If it cannot be opened, is not a regular file, or is larger than `limit` bytes.
pub fn open(path: &Path, limit: u64) -> io::Result<(File, Metadata)> {
    // Asked before it is opened: opening a device may do something.
    check(path, limit)?;
    let file = open_at_once(path)?;
    // And of what was opened: a name may lead to something else by now.
    let about = file.metadata()?;
    regular(&about, limit)?;
    Ok((file, about))
}

/// Whether `path` is a regular file of at most `limit` bytes, for those who read it by themselves.
///
/// # Errors
/// If it is not, or that cannot be said.
pub fn check(path: &Path, limit: u64) -> io::Result<()> {
    regular(&metadata(path)?, limit)
}

/// Whether an error of these functions is about what the file is, not about reaching it.
pub fn is_refusal(error: &io::Error) -> bool {
    error.raw_os_error().is_none()
}

/// Reads to the end, which must come within `limit` bytes: a file may grow while it is read.
///
/// # Errors
/// If it cannot be read, or is longer.
pub fn read_limited(from: impl Read, limit: u64, into: &mut Vec<u8>) -> io::Result<()> {
    from.take(limit.saturating_add(1)).read_to_end(into)?;
    if into.len() as u64 > limit { Err(too_large(limit)) } else { Ok(()) }
}

fn regular(about: &Metadata, limit: u64) -> io::Result<()> {
    if !about.is_file() {
        return Err(io::Error::other(format!("this is {}, not a regular file", kind(about.file_type()))));
    }
    if about.len() > limit { Err(too_large(limit)) } else { Ok(()) }
}

fn too_large(limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("this is larger than {limit} bytes, the limit for such a file"))
}

/// Whether a link at `path`, if there is one, is to be followed for writing: one of this user or of root. Another user's, in
/// a directory that everyone may write to, could lead to any file of ours.
///
/// # Errors
/// If it is another user's.
#[cfg(unix)]
pub fn trusted_link(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let ours = rustix::process::geteuid().as_raw();
    match std::fs::symlink_metadata(path) {
        Ok(link) if link.is_symlink() && ![0, ours].contains(&link.uid()) => {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "this is another user's symbolic link"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Every link is followed.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn trusted_link(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Opening a FIFO waits for a writer, unless it is asked not to.
#[cfg(unix)]
fn open_at_once(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(not(unix))]
fn open_at_once(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

#[cfg(unix)]
fn kind(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else if kind.is_dir() {
        "a directory"
    } else {
        "something else"
    }
}

#[cfg(not(unix))]
fn kind(kind: FileType) -> &'static str {
    if kind.is_dir() { "a directory" } else { "something else" }
}
