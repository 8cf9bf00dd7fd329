//! What would take over if the DynamoDB endpoints that carry traffic went away.

use super::{Missing, Path};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What would become of the traffic that DynamoDB endpoints carry if they, and the routes to them, were deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "fails")]
pub enum WithoutEndpoint {
    /// It, or part of it, would take another path: nothing but onnet would notice.
    Open {
        /// The other paths, each once.
        paths: Vec<Path>,
    },
    /// No packet would reach DynamoDB.
    Closed,
    /// A fact is missing that decides which of the two.
    Unknown {
        /// The facts.
        missing: Vec<Missing>,
    },
}

impl WithoutEndpoint {
    /// Whether another path would take over; `None` where that is not known.
    pub fn fails_open(&self) -> Option<bool> {
        match self {
            Self::Open { .. } => Some(true),
            Self::Closed => Some(false),
            Self::Unknown { .. } => None,
        }
    }

    /// The other paths.
    pub fn paths(&self) -> &[Path] {
        match self {
            Self::Open { paths } => paths,
            Self::Closed | Self::Unknown { .. } => &[],
        }
    }
}
