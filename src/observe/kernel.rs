//! What the kernel would do with a packet, asked by rtnetlink without any privilege.
//!
//! Devices too come from rtnetlink, never from `/sys`: that shows the network namespace it was mounted in, which need
//! not be ours.

use super::seen::chain;
use crate::model::Gap;

#[cfg(target_os = "linux")]
mod changes;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use {changes::Changes, linux::Kernel};

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Changes, Kernel};

/// Why the kernel's routes are not known.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// No netlink socket: another operating system's emulation, or a seccomp filter.
    #[error("cannot open a netlink socket")]
    Open(#[source] std::io::Error),
    /// The kernel refused, or the connection ended.
    #[error("cannot read the kernel's {what}")]
    Request {
        /// What was asked for.
        what: &'static str,
        /// How it failed.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An answer without what it must hold.
    #[error("the kernel's answer lacks {what}")]
    Malformed {
        /// What is missing.
        what: String,
    },
    /// Not Linux.
    #[error("kernel routes are read on Linux only")]
    NotLinux,
}

impl KernelError {
    /// The error as the reason for a missing fact.
    pub fn gap(&self) -> Gap {
        let detail = chain(self);
        match self {
            Self::Open(_) | Self::Request { .. } => Gap::Failed { detail },
            Self::Malformed { .. } => Gap::Malformed { detail },
            Self::NotLinux => Gap::Disabled { detail },
        }
    }
}
