//! How far a connection is, and until when it must be further. It is determined by the bytes that pass, below TLS, so that a
//! client which sends or reads a byte a second is as late as one that does nothing.

use super::Limits;
use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Notify,
    time::{Instant, sleep_until},
};

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// No request can be sent yet.
    Handshake,
    /// Nothing of the next request has come.
    Idle,
    /// Part of its head has come.
    Head,
    /// It is answered.
    Answer,
}

/// The pace of one connection.
#[derive(Debug)]
pub(super) struct Pace {
    limits: Limits,
    now: Mutex<Now>,
    changed: Notify,
}

#[derive(Debug)]
struct Now {
    stage: Stage,
    since: Instant,
    /// Part of the answer was written.
    written: bool,
}

impl Pace {
    pub(super) fn new(limits: Limits) -> Self {
        let now = Now { stage: Stage::Handshake, since: Instant::now(), written: false };
        Self { limits, now: Mutex::new(now), changed: Notify::new() }
    }

    pub(super) fn enter(&self, stage: Stage) {
        *self.now() = Now { stage, since: Instant::now(), written: false };
        self.changed.notify_one();
    }

    pub(super) fn stage(&self) -> Stage {
        self.now().stage
    }

    pub(super) fn since(&self) -> Instant {
        self.now().since
    }

    /// When the connection is late.
    pub(super) async fn late(&self) -> Stage {
        loop {
            let (stage, since) = (self.stage(), self.since());
            let limit = match stage {
                Stage::Handshake => self.limits.handshake,
                Stage::Idle => self.limits.idle,
                Stage::Head => self.limits.head,
                Stage::Answer => self.limits.answer,
            };
            tokio::select! {
                () = sleep_until(since + limit) => return stage,
                () = self.changed.notified() => {}
            }
        }
    }

    fn read(&self) {
        if self.stage() == Stage::Idle {
            self.enter(Stage::Head);
        }
    }

    fn writing(&self) {
        match self.stage() {
            Stage::Handshake => {}
            // What is written without a request that was understood: a refusal, or TLS itself.
            Stage::Idle | Stage::Head => {
                self.enter(Stage::Answer);
                self.now().written = true;
            }
            Stage::Answer => self.now().written = true,
        }
    }

    /// All that was to be written is written.
    fn flushed(&self) {
        let done = {
            let now = self.now();
            now.stage == Stage::Answer && now.written
        };
        if done {
            self.enter(Stage::Idle);
        }
    }

    /// Nothing that is done under this lock can leave it half done.
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that reports its pace.
pub(super) struct Paced {
    pub(super) stream: TcpStream,
    pub(super) pace: Arc<Pace>,
}

impl AsyncRead for Paced {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        if into.filled().len() > before {
            self.pace.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Paced {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.pace.writing();
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.pace.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pace.writing();
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
