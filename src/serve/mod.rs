//! The HTTP server: the status page, the metrics and the last report.
//!
//! It shares one thread with the daemon's loop, so nothing here blocks: files are read and passwords verified on other
//! threads, and [`Limits`] bounds what clients can use.

mod admission;
mod connection;
mod limits;
mod listen;
mod pace;
mod routes;
mod web_config;

pub use limits::Limits;
pub use listen::{Listeners, ServeError};
pub use web_config::{WebConfig, WebConfigError};

use crate::engine::{Published, metrics::Counters};
use admission::Connections;
use connection::Host;
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
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    for address in listeners.addresses() {
        tracing::info!(%address, protected = web.protects(), "listening");
        if !address.ip().to_canonical().is_loopback() && !web.protects() {
            tracing::warn!(%address, "open to the network, without TLS and authentication; see --web-config");
        }
    }
    let listeners: Result<Vec<TcpListener>, io::Error> = listeners.0.into_iter().map(TcpListener::from_std).collect();
    let mut listeners = listeners.map_err(ServeError::Runtime)?;
    let (ends, ending) = watch::channel(false);
    let served = Arc::new(Served::new(published, counters, web));
    let host = Host { router: routes::router(&served), served, limits, ending };
    let mut connections = Connections::new(host);
    let mut stop = std::pin::pin!(stop);
    let mut failing = false;
    loop {
        tokio::select! {
            () = &mut stop => break,
            () = connections.ended() => {}
            accepted = accept(&mut listeners) => match accepted {
                Ok((stream, peer)) => {
                    failing = false;
                    connections.admit(stream, peer.ip());
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "cannot accept a connection; trying on");
                        failing = true;
                    }
                    sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listeners);
    ends.send_replace(true);
    let _ = timeout(limits.linger, connections.all_ended()).await; // open connections are closed
    Ok(())
}

/// The next connection of any of them; none of them first always.
async fn accept(listeners: &mut [TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
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
