//! Files that settings name: regular ones, of a limited size, or they are refused by name before anyone reads them.

use crate::import::input;
use std::{
    env,
    fmt::{self, Display},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// A file, and the setting that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsFile {
    path: PathBuf,
    /// None where it is the default.
    setting: Option<String>,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {cause}")]
pub struct FileError {
    file: SettingsFile,
    cause: io::Error,
}

impl SettingsFile {
    /// The file that a setting names.
    pub fn new(path: impl Into<PathBuf>, setting: impl Display) -> Self {
        Self { path: path.into(), setting: Some(setting.to_string()) }
    }

    /// A file that is read where no setting names another one.
    pub(super) fn of_default(path: PathBuf) -> Self {
        Self { path, setting: None }
    }

    /// The file that a variable names, if it is set, and not to nothing.
    pub fn in_environment(variable: &'static str) -> Option<Self> {
        let path = env::var_os(variable).filter(|path| !path.is_empty())?;
        Some(Self::new(path, variable))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its content.
    ///
    /// # Errors
    /// If it cannot be read, is not a regular file, or is larger than `limit` bytes.
    pub(super) fn read(&self, limit: u64) -> Result<Vec<u8>, FileError> {
        input::read(&self.path, limit).map(|(bytes, _)| bytes).map_err(|cause| self.error(cause))
    }

    /// Whether the SDK can be let read it. It is read here first: of what is not a regular file it would wait for the end.
    ///
    /// # Errors
    /// As of [`Self::read`], but for a file that is not there or is another user's: the SDK has its own words for that.
    pub(super) fn check(&self, limit: u64) -> Result<(), FileError> {
        match self.read(limit) {
            Err(error) if !error.is_absent() => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    pub(super) fn error(&self, cause: io::Error) -> FileError {
        FileError { file: self.clone(), cause }
    }
}

impl FileError {
    /// Whether the file is not there, or another user's.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self.cause.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied)
    }

    /// Whether it is not a regular file, or too large.
    pub(super) fn is_refusal(&self) -> bool {
        input::is_refusal(&self.cause)
    }

    /// How reading it failed.
    pub(super) fn cause(&self) -> &io::Error {
        &self.cause
    }
}

impl Display for SettingsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.setting.iter().try_for_each(|setting| write!(f, ", which {setting} names"))
    }
}
