//! Notifications: the kernel reports every change of addresses, links, routes, rules and next hops.

use super::{KernelError, socket::Socket};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What a packet's path may depend on, as bits: `RTNLGRP_LINK`, `RTNLGRP_IPV4_IFADDR`, `RTNLGRP_IPV4_ROUTE`,
/// `RTNLGRP_IPV4_RULE`, `RTNLGRP_IPV6_IFADDR`, `RTNLGRP_IPV6_ROUTE`, `RTNLGRP_IPV6_RULE` and `RTNLGRP_NEXTHOP`.
const GROUPS: u32 = bit(1) | bit(5) | bit(7) | bit(8) | bit(9) | bit(11) | bit(19) | bit(32);

/// How long notifications are collected to be one.
///
/// A router changes hundreds of routes a second. Meanwhile they are left to the kernel, which discards them when the
/// socket's buffer is full.
const QUIET: Duration = Duration::from_secs(1);

/// How many datagrams are read at most before the loop gets its turn.
const BURST: usize = 64;

const fn bit(group: u32) -> u32 {
    1 << (group - 1)
}

/// Notifications of the kernel of the network namespace we are in.
#[derive(Debug)]
pub struct Changes {
    socket: Socket,
    quiet_until: Option<Instant>,
}

impl Changes {
    /// Begins to listen.
    ///
    /// # Errors
    /// If there is no netlink socket to be opened.
    pub fn open() -> Result<Self, KernelError> {
        Ok(Self { socket: Socket::open(GROUPS).map_err(KernelError::Open)?, quiet_until: None })
    }

    /// Waits until something changed; several changes within a second are one. `None`: the kernel reports no more.
    ///
    /// What changed is not read. May be given up and called again at any time.
    pub async fn next(&mut self) -> Option<()> {
        if let Some(until) = self.quiet_until {
            sleep_until(until).await;
        }
        match self.socket.receive().await {
            Ok(_) => {}
            // The buffer was full: notifications are lost, so there were some.
            Err(error) if is_overrun(&error) => {}
            Err(error) => {
                tracing::debug!(%error, "no more notifications of the kernel");
                return None;
            }
        }
        self.quiet_until = Some(Instant::now() + QUIET);
        for _ in 0..BURST {
            match self.socket.receive_now() {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        Some(())
    }
}

fn is_overrun(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error())
}
