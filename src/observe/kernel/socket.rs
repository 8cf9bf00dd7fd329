//! Netlink sockets: one question and its answer, and dumps that are read as they come.

use super::wire::{Message, Messages, Question};
use super::{KernelError, wire};
use rustix::{
    io::{Errno, retry_on_intr},
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink::SocketAddrNetlink, recv, send,
        socket_with,
    },
};
use std::io;
use tokio::{io::Interest, net::UnixDatagram};

/// The kernel never writes a longer datagram than this, given so much room.
const ROOM: usize = 32 << 10;

/// A netlink socket of the network namespace the thread is in.
#[derive(Debug)]
pub(super) struct Socket {
    /// To Tokio it is a datagram socket like any other; what is sent and received goes by system calls of our own.
    socket: UnixDatagram,
    sequence: u32,
    room: Box<[u8]>,
}

impl Socket {
    /// Opens one that listens to these multicast groups, by bit.
    pub(super) fn open(groups: u32) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Without a protocol it is NETLINK_ROUTE, whose number is 0.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        let socket = UnixDatagram::from_std(socket.into())?;
        Ok(Self { socket, sequence: 0, room: vec![0; ROOM].into() })
    }

    /// Waits for a datagram, and returns how long it is.
    pub(super) async fn receive(&mut self) -> io::Result<usize> {
        loop {
            // An answer to a question is there as soon as the question is sent.
            if let Some(length) = self.receive_now()? {
                return Ok(length);
            }
            self.socket.readable().await?;
            let room = &mut *self.room;
            match self.socket.try_io(Interest::READABLE, || receive(&self.socket, room)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received,
            }
        }
    }

    /// A datagram that is there already.
    pub(super) fn receive_now(&mut self) -> io::Result<Option<usize>> {
        match receive(&self.socket, &mut self.room) {
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks, and reads the one answer.
    ///
    /// # Errors
    /// An [`io::Error`] with the kernel's error number where it refuses.
    pub(super) async fn ask<T>(
        &mut self,
        mut question: Question,
        read: impl FnOnce(Message<'_>) -> Result<T, wire::Malformed>,
    ) -> Result<T, Failure> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        send(&self.socket, question.numbered(sequence), SendFlags::empty()).map_err(io::Error::from)?;
        loop {
            let length = self.receive().await?;
            for message in Messages(&self.room[..length]) {
                let message = message?;
                // An answer to a question whose asker has gone.
                if message.sequence != sequence {
                    continue;
                }
                if message.kind == wire::ERROR {
                    return Err(Failure::Refused(message.error()?));
                }
                return Ok(read(message)?);
            }
        }
    }

    /// Dumps, and gives each message to `each` as it comes; the loop gets its turn after each datagram.
    ///
    /// A socket of its own, for it has room for one dump at a time, and a dump that is given up would go on.
    pub(super) async fn dump(
        mut question: Question,
        what: &'static str,
        mut each: impl FnMut(Message<'_>) -> Result<(), KernelError>,
    ) -> Result<(), KernelError> {
        let failed = |failure: Failure| failure.error(what);
        let mut socket = Self::open(0).map_err(KernelError::Open)?;
        send(&socket.socket, question.numbered(1), SendFlags::empty())
            .map_err(|errno| failed(Failure::Io(errno.into())))?;
        let mut interrupted = false;
        loop {
            let length = socket.receive().await.map_err(|error| failed(error.into()))?;
            for message in Messages(&socket.room[..length]) {
                let message = message.map_err(|error| failed(error.into()))?;
                interrupted |= message.flags & wire::INTERRUPTED != 0;
                match message.kind {
                    wire::DONE | wire::ERROR => {
                        return match message.error().map_err(|error| failed(error.into()))? {
                            0 if interrupted => Err(KernelError::Changing { what }),
                            0 => Ok(()),
                            // A kernel without this family, or without rules, has none.
                            number if is_unsupported(number) => Ok(()),
                            number => Err(failed(Failure::Refused(number))),
                        };
                    }
                    _ => each(message)?,
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

fn receive(socket: &UnixDatagram, room: &mut [u8]) -> io::Result<usize> {
    let (_, length) = retry_on_intr(|| recv(socket, &mut *room, RecvFlags::TRUNC | RecvFlags::DONTWAIT))?;
    if length > room.len() {
        return Err(io::Error::other("a longer datagram than there is room for"));
    }
    Ok(length)
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The kernel refused, with this error number.
    Refused(i32),
    /// The socket failed.
    Io(io::Error),
    /// The answer cannot be read.
    Malformed(wire::Malformed),
}

impl Failure {
    /// The same as an error.
    pub(super) fn error(self, what: &'static str) -> KernelError {
        match self {
            Self::Refused(number) => {
                KernelError::Request { what, cause: Box::new(io::Error::from_raw_os_error(number)) }
            }
            Self::Io(error) => KernelError::Request { what, cause: Box::new(error) },
            Self::Malformed(wire::Malformed(lacks)) => KernelError::Malformed { what: format!("{lacks} ({what})") },
        }
    }
}

/// Whether the kernel was built or started without what was asked for.
pub(super) fn is_unsupported(number: i32) -> bool {
    [Errno::AFNOSUPPORT, Errno::OPNOTSUPP].map(Errno::raw_os_error).contains(&number)
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<wire::Malformed> for Failure {
    fn from(error: wire::Malformed) -> Self {
        Self::Malformed(error)
    }
}
