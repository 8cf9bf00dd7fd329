//! The JSON contracts as JSON Schemas, generated from the types that are written.

use crate::model::{Audit, Explanation, FindingCatalogue, Fleet, Report, Snapshot};
use schemars::generate::SchemaSettings;

/// A JSON document that onnet writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    /// Of `check` and `judge`.
    Report,
    /// Of `check --save`.
    Snapshot,
    /// Of `explain`.
    Explain,
    /// Of `audit`.
    Audit,
    /// Of `explain-finding`.
    ExplainFinding,
    /// Of `fleet`.
    Fleet,
}

impl Contract {
    /// Every document.
    pub const ALL: [Self; 6] =
        [Self::Report, Self::Snapshot, Self::Explain, Self::Audit, Self::ExplainFinding, Self::Fleet];

    /// Its name on the command line and of its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Snapshot => "snapshot",
            Self::Explain => "explain",
            Self::Audit => "audit",
            Self::ExplainFinding => "explain-finding",
            Self::Fleet => "fleet",
        }
    }
}

/// The JSON Schema of a document as onnet writes it. The keys that are always there are required.
pub fn schema(contract: Contract) -> String {
    let generator = || SchemaSettings::default().for_serialize().into_generator();
    super::json(&match contract {
        Contract::Report => generator().into_root_schema_for::<Report>(),
        Contract::Snapshot => generator().into_root_schema_for::<Snapshot>(),
        Contract::Explain => generator().into_root_schema_for::<Explanation>(),
        Contract::Audit => generator().into_root_schema_for::<Audit>(),
        Contract::ExplainFinding => generator().into_root_schema_for::<FindingCatalogue>(),
        Contract::Fleet => generator().into_root_schema_for::<Fleet>(),
    })
}
