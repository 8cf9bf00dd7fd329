//! What the kernel does with packets, asked by rtnetlink without any privilege.

use super::seen::chain;
use crate::{
    judge::lookup::read,
    model::{Gap, ServiceName, VpcFacts},
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, net::IpAddr};

#[cfg(target_os = "linux")]
mod answer;
#[cfg(target_os = "linux")]
mod changes;
mod cut;
#[cfg(target_os = "linux")]
mod devices;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod named;
#[cfg(target_os = "linux")]
mod objects;
#[cfg(target_os = "linux")]
mod packets;
#[cfg(target_os = "linux")]
mod paths;
#[cfg(target_os = "linux")]
mod route;
#[cfg(target_os = "linux")]
mod rules;
#[cfg(target_os = "linux")]
mod socket;
#[cfg(target_os = "linux")]
mod tables;
#[cfg(target_os = "linux")]
mod wire;
#[cfg(target_os = "linux")]
pub use {changes::Changes, linux::Kernel};

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Changes, Kernel};

/// What is to be known of the kernel: what it does with connections to these ports of these addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Wanted {
    /// The entries of DynamoDB's prefix lists, as far as they are known.
    pub list: Vec<IpNet>,
    /// The addresses in use.
    pub addresses: BTreeSet<IpAddr>,
    /// The ports in use.
    pub ports: BTreeSet<u16>,
}

impl Wanted {
    /// What is wanted where this is known of the prefix lists, the names and their addresses.
    pub fn new<'a>(
        facts: &VpcFacts,
        names: impl IntoIterator<Item = &'a ServiceName>,
        addresses: impl IntoIterator<Item = &'a IpAddr>,
    ) -> Self {
        let lists = facts.service_prefix_lists.seen().into_iter().flatten();
        let read = lists.filter_map(|id| read(&facts.prefix_lists, id).ok());
        let list: Vec<IpNet> = read.flat_map(|list| &list.entries).copied().collect();
        // Those of the list change with every answer of the name servers, and are asked for in any case.
        let is_listed = |address: &&IpAddr| list.iter().any(|entry| entry.contains(*address));
        let addresses = addresses.into_iter().filter(|address| !is_listed(address)).copied().collect();
        Self { list, addresses, ports: names.into_iter().map(|name| name.port).collect() }
    }
}

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
    /// It changed while it was read.
    #[error("the kernel's {what} changed while onnet read them")]
    Changing {
        /// What changed.
        what: &'static str,
    },
    /// More than onnet reads.
    #[error("{found} {what}, at most {allowed} are accepted")]
    OverLimit {
        /// What there is too much of.
        what: &'static str,
        /// How many are accepted.
        allowed: usize,
        /// How many there are, at least.
        found: usize,
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
            Self::Open(_) | Self::Request { .. } | Self::Changing { .. } => Gap::Failed { detail },
            Self::OverLimit { what, allowed, found } => {
                Gap::OverLimit { limit: (*what).to_owned(), allowed: *allowed as u64, found: *found as u64 }
            }
            Self::Malformed { .. } => Gap::Malformed { detail },
            Self::NotLinux => Gap::Disabled { detail },
        }
    }

    /// Too many, where there are.
    #[cfg(target_os = "linux")]
    fn limit(what: &'static str, allowed: usize, found: usize) -> Result<(), Self> {
        if found > allowed { Err(Self::OverLimit { what, allowed, found }) } else { Ok(()) }
    }

    #[cfg(target_os = "linux")]
    fn malformed(wire::Malformed(lacks): wire::Malformed, what: &'static str) -> Self {
        Self::Malformed { what: format!("{lacks} ({what})") }
    }
}
