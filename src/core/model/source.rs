//! Where facts come from: each source is collected on a schedule of its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use strum::{IntoStaticStr, VariantArray};

/// A source of facts.
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
pub enum Source {
    /// The instance metadata service: the instance, its network interfaces, the Region, and the names made for it.
    Imds,
    /// The name servers.
    Dns,
    /// The kernel's routes.
    Kernel,
    /// The unsigned `GET /`.
    Health,
    /// The signed `ListTables`.
    ListTables,
    /// The EC2 API: route tables, endpoints, prefix lists.
    Ec2,
    /// What DynamoDB says of the way that requests come, where it is asked (`--witness`).
    Witness,
}

impl Source {
    /// In the order in which one rests on another.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The source as a label.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
