//! What a round comes to, and how strong its evidence is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use strum::{IntoStaticStr, VariantArray};

/// The outcome of one round. Ordered from best to worst: the worst wins.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// Every address in use, and every range of the prefix list, is carried by a DynamoDB VPC endpoint.
    OnNet,
    /// At least one address in use is on-net and none takes another path, but there is a warning.
    AtRisk,
    /// Facts are missing, too old or contradictory.
    Undetermined,
    /// No address in use can be reached.
    Dropped,
    /// Some address in use goes through something that is not a DynamoDB endpoint.
    OffNet,
}

impl Outcome {
    /// From best to worst.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The outcome as a label.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The exit code, as the Nagios plugin guidelines have it: 0 OK, 1 warning, 2 critical, 3 unknown.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::OnNet => 0,
            Self::AtRisk => 1,
            Self::Dropped | Self::OffNet => 2,
            Self::Undetermined => 3,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The strength of the evidence: configuration only, confirmed by packets, or stated by the service.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ProofLevel {
    /// Configuration only.
    Inferred,
    /// A probe sent from the judged network interface and address was answered.
    Consistent,
    /// The service itself stated the path.
    Proved,
}

impl ProofLevel {
    /// From weakest to strongest.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The level as a label.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
