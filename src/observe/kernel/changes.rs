//! Notice of changes: the kernel tells whoever listens of every address, link, route and rule.

use super::KernelError;
use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use rtnetlink::MulticastGroup;
use tokio::task::JoinHandle;

/// What a packet's way may depend on.
const GROUPS: [MulticastGroup; 7] = [
    MulticastGroup::Link,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
];

/// Notices of the kernel of the network namespace we are in.
pub struct Changes {
    notices: BoxStream<'static, ()>,
    connection: JoinHandle<()>,
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Changes {
    /// Begins to listen.
    pub fn open() -> Result<Self, KernelError> {
        let (connection, _, notices) = rtnetlink::new_multicast_connection(&GROUPS).map_err(KernelError::Open)?;
        // What changed is not read: whoever hears of a change looks for himself. A notice that was lost for want of room
        // comes as a notice too.
        Ok(Self { notices: notices.map(|_| ()).boxed(), connection: tokio::spawn(connection) })
    }

    /// Waits until something changed; several changes at about the same time are one. `None`: the kernel tells no more.
    pub async fn next(&mut self) -> Option<()> {
        self.notices.next().await?;
        while let Some(Some(())) = self.notices.next().now_or_never() {}
        Some(())
    }
}
