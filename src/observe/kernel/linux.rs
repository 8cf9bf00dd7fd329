//! The kernel of the network namespace we are in.

use super::{
    KernelError, Wanted,
    answer::{Packet, PacketKind, decide},
    devices::Devices,
    named::named,
    paths,
    socket::Socket,
};
use crate::{
    model::{KernelPaths, KernelRoute},
    observe::limits::KernelLimits,
};
use std::net::IpAddr;
use tokio::sync::{Mutex, OnceCell};

/// The kernel, for one round: its devices are read once.
#[derive(Debug)]
pub struct Kernel {
    socket: Mutex<Socket>,
    devices: OnceCell<Devices>,
}

impl Kernel {
    /// Opens a netlink socket.
    ///
    /// # Errors
    /// If there is none to be opened.
    pub fn open() -> Result<Self, KernelError> {
        let socket = Socket::open(0).map_err(KernelError::Open)?;
        Ok(Self { socket: Mutex::new(socket), devices: OnceCell::new() })
    }

    /// What the kernel would do with a TCP connection to `port` of `to`.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub async fn route(&self, to: IpAddr, port: u16) -> Result<KernelRoute, KernelError> {
        let packet = Packet { to, port, source: None, kind: PacketKind::default() };
        let KernelLimits { next_hops, devices, .. } = KernelLimits::DEFAULT;
        let decision = decide(&mut *self.socket.lock().await, &packet, next_hops, |_| Vec::new()).await?;
        match named(&decision, self.devices.get_or_try_init(|| Devices::read(devices)).await?) {
            // The device came after they were read.
            Err(KernelError::Changing { .. }) => named(&decision, &Devices::read(devices).await?),
            route => route,
        }
    }

    /// What it does with every address of the prefix lists and in use, and rules with other programs' packets.
    ///
    /// # Errors
    /// If it cannot be asked, has more than onnet reads, or changes all the time.
    pub async fn paths(&self, wanted: &Wanted) -> Result<KernelPaths, KernelError> {
        self.paths_within(wanted, &KernelLimits::DEFAULT, shows_users()).await
    }

    /// The same within other limits, and as in a user namespace that has all users, or not.
    ///
    /// # Errors
    /// As [`Self::paths`].
    pub async fn paths_within(
        &self,
        wanted: &Wanted,
        limits: &KernelLimits,
        shows_users: bool,
    ) -> Result<KernelPaths, KernelError> {
        paths::paths(wanted, limits, shows_users).await
    }
}

/// Whether our user namespace has all users: then the kernel shows every number, and can be asked for it.
fn shows_users() -> bool {
    // One line: the first user here, the first outside, and how many.
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}
