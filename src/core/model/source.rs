//! Where facts come from: each source is looked at on a schedule of its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A source of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
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
}

impl Source {
    /// In the order in which one rests on another.
    pub const ALL: [Self; 6] = [Self::Imds, Self::Dns, Self::Kernel, Self::Health, Self::ListTables, Self::Ec2];

    /// The source as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Imds => "imds",
            Self::Dns => "dns",
            Self::Kernel => "kernel",
            Self::Health => "health",
            Self::ListTables => "list_tables",
            Self::Ec2 => "ec2",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
