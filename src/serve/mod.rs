//! The HTTP server: the status page, the metrics and the last report.
//!
//! It has a thread of its own, so that the daemon's loop and its probes never wait for a handshake. Files are read and passwords
//! verified on other threads, and [`Limits`] bounds what clients can use, processor time included.

mod admission;
mod budget;
mod connection;
mod limits;
mod listen;
mod names;
mod pace;
mod quota;
mod routes;
mod streamed;
mod web_config;

pub use limits::Limits;
pub use listen::{Listeners, ServeError};
pub use web_config::{WebConfig, WebConfigError};

use crate::engine::{Published, metrics::Counters};
use admission::Connections;
use budget::{Budget, used};
use connection::Host;
use names::Names;
use routes::Served;
use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};

/// What the server keeps to.
#[derive(Clone, Debug)]
pub struct ServeSettings {
    /// How much clients may take.
    pub limits: Limits,
    /// The names that are answered to, besides those of this host for itself and every address.
    pub allowed_hosts: Vec<String>,
}

impl From<Limits> for ServeSettings {
    fn from(limits: Limits) -> Self {
        Self { limits, allowed_hosts: Vec::new() }
    }
}

/// After an error of `accept`, which is mostly a lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers requests from what `published` and `counters` hold, until `stop`. Answers under way may then take
/// [`Limits::linger`] to end.
///
/// # Errors
/// If the runtime does not take the sockets.
pub async fn serve(
    listeners: Listeners,
    published: Published,
    counters: Counters,
    web: WebConfig,
    settings: impl Into<ServeSettings>,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let ServeSettings { limits, allowed_hosts } = settings.into();
    for address in listeners.addresses() {
        tracing::info!(%address, protected = web.protects(), "listening");
        if !address.ip().to_canonical().is_loopback() && !web.protects() {
            tracing::warn!(%address, "open to the network, without TLS and authentication; see --web-config");
        }
    }
    let listeners: Result<Vec<TcpListener>, io::Error> = listeners.0.into_iter().map(TcpListener::from_std).collect();
    let mut listeners = listeners.map_err(ServeError::Runtime)?;
    let (ends, ending) = watch::channel(false);
    let budget = Arc::new(Budget::new(limits.processor));
    let served = Arc::new(Served::new(published, counters, web, &budget, limits.answer));
    let (router, names) = (routes::router(&served), Arc::new(Names::new(&allowed_hosts)));
    let host = Host { router, served, limits, budget: Arc::clone(&budget), names, ending };
    let mut connections = Connections::new(host);
    let (mut stop, mut turns) = (std::pin::pin!(stop), std::pin::pin!(budget.give_turns()));
    let mut failing = false;
    loop {
        tokio::select! {
            () = &mut stop => break,
            () = connections.ended() => {}
            () = &mut turns => {}
            accepted = accept(&mut listeners, &budget), if connections.has_room() => match accepted {
                Ok((stream, peer)) => {
                    failing = false;
                    let began = used();
                    connections.admit(stream, peer.ip());
                    budget.charge(used().saturating_sub(began));
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "cannot accept a connection; retrying");
                        failing = true;
                    }
                    sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listeners);
    ends.send_replace(true);
    tokio::select! {
        _ = timeout(limits.linger, connections.all_ended()) => {} // open connections are closed
        () = &mut turns => {}
    }
    Ok(())
}

/// The next connection of any of them; none of them first always. Until there is processor time for it, the kernel keeps it.
async fn accept(listeners: &mut [TcpListener], budget: &Budget) -> io::Result<(TcpStream, SocketAddr)> {
    budget.available().await;
    poll_fn(|cx| {
        for n in 0..listeners.len() {
            if let Poll::Ready(accepted) = listeners[n].poll_accept(cx) {
                listeners.rotate_left(n + 1);
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    })
    .await
}
