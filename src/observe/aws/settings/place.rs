//! A value, and the variable or the file it stands in.

use std::fmt;

/// A value, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) text: String,
}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Variable(String),
    Key { key: String, section: String, file: String },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::Key { key, section, file } => write!(f, "{key} of {section} in {file}"),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {:?}", self.place, self.shown())
    }
}

impl Found {
    /// As much of the value as a message has.
    pub(super) fn shown(&self) -> String {
        self.text.chars().take(60).collect()
    }

    /// A variable that is set, be it to nothing.
    pub(super) fn in_environment(name: &str) -> Option<Self> {
        let text = std::env::var_os(name)?.to_string_lossy().into_owned();
        Some(Self { place: Place::Variable(name.to_owned()), text })
    }
}

/// Whether a variable is set, and not to nothing.
pub(in super::super) fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}
