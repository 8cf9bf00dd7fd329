//! Sockets to listen on: bound here, or handed over by systemd.

use listenfd::ListenFd;
use socket2::{Domain, SockRef, Socket, Type};
use std::{
    io,
    net::{SocketAddr, TcpListener},
};

/// What one connection may take of the kernel's memory for an answer its client does not read. Connections inherit it.
const SEND_BUFFER: usize = 64 * 1024;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}{}", advice(.cause))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// systemd handed over something else than a TCP socket.
    #[error(
        "the socket number {index} that systemd passed is not a listening TCP socket; see ListenStream= of the .socket unit"
    )]
    Inherited {
        /// From 1.
        index: usize,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Tokio does not take a socket.
    #[error("cannot wait for connections")]
    Runtime(#[source] io::Error),
}

/// What to do about it.
fn advice(cause: &io::Error) -> &'static str {
    #[expect(clippy::wildcard_enum_match_arm, reason = "not ours, and open-ended")]
    match cause.kind() {
        io::ErrorKind::AddrInUse => {
            " (another process has it; is onnet running already? name another address with --listen)"
        }
        io::ErrorKind::PermissionDenied => {
            " (ports below 1024 take a capability; name a higher one with --listen, or let systemd open it)"
        }
        io::ErrorKind::AddrNotAvailable => " (no interface of this host has this address; see --listen)",
        _ => "",
    }
}

/// Sockets that listen.
#[derive(Debug)]
pub struct Listeners(pub(super) Vec<TcpListener>);

impl Listeners {
    /// Listens on each of these.
    ///
    /// # Errors
    /// If one of them cannot be had.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self, ServeError> {
        let listeners = addresses
            .iter()
            .map(|address| listen(*address).map_err(|cause| ServeError::Listen { address: *address, cause }));
        listeners.collect::<Result<_, _>>().map(Self)
    }

    /// The sockets systemd handed over, if it did; then they take the place of `--listen`. Unsets the variables that say
    /// so, and must therefore be called before there is a second thread.
    ///
    /// # Errors
    /// If one of them is no TCP socket.
    pub fn from_systemd() -> Result<Option<Self>, ServeError> {
        let mut handed_over = ListenFd::from_env();
        let mut listeners = Vec::new();
        for index in 0..handed_over.len() {
            let inherited = |cause| ServeError::Inherited { index: index + 1, cause };
            if let Some(listener) = handed_over.take_tcp_listener(index).map_err(inherited)? {
                SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER).map_err(inherited)?;
                // A socket that is connected, or of a datagram protocol, would fail at the first connection.
                let listens = SockRef::from(&listener).is_listener().map_err(inherited)?;
                if !listens {
                    return Err(inherited(io::Error::from(io::ErrorKind::InvalidInput)));
                }
                listener.set_nonblocking(true).map_err(inherited)?;
                listeners.push(listener);
            }
        }
        Ok((!listeners.is_empty()).then_some(Self(listeners)))
    }

    /// Where they listen; a port 0 is the one that was chosen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // Connections of a daemon that has just ended do not keep the next one from its port.
    socket.set_reuse_address(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
