//! A document too large to be rendered at once: written piece by piece on a thread of its own, as fast as the client reads and
//! HTTP's budget of processor time allows.

use super::budget::{Budget, used};
use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use serde::Serialize;
use std::{
    io::{self, Write},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc},
    task,
    time::Instant,
};

/// The largest document that is rendered at once, and reused within a second.
pub(super) const AT_ONCE: usize = 512 << 10;

/// Bytes of one piece. Of each document at most four are there at a time.
const PIECE: usize = 64 << 10;

/// Documents that are written at a time: each has a thread.
const WRITTEN_AT_A_TIME: usize = 2;

/// What writes documents in pieces.
pub(super) struct Streams {
    permits: Arc<Semaphore>,
    longest: Duration,
    budget: Arc<Budget>,
}

impl Streams {
    /// A document is written for so long at most.
    pub(super) fn new(longest: Duration, budget: Arc<Budget>) -> Self {
        Self { permits: Arc::new(Semaphore::new(WRITTEN_AT_A_TIME)), longest, budget }
    }

    /// The document as a body; none while as many as there may be are being written. It ends with the connection.
    pub(super) fn body(&self, document: Arc<impl Serialize + Send + Sync + 'static>) -> Option<Body> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        let (sender, pieces) = mpsc::channel(2);
        let budget = Arc::clone(&self.budget);
        task::spawn_blocking(move || {
            budget.wait();
            let mut to = Pieces { piece: Vec::with_capacity(PIECE), sender, budget, charged: used() };
            // An error means that the client has gone.
            let _ = crate::present::write_json(&*document, &mut to).and_then(|()| to.flush());
            // To free the last one of a large document takes time, too.
            drop(document);
            drop(permit);
        });
        Some(Body::new(Received { pieces, until: Instant::now() + self.longest }))
    }
}

struct Pieces {
    piece: Vec<u8>,
    sender: mpsc::Sender<Bytes>,
    budget: Arc<Budget>,
    /// The processor time of this thread that is counted.
    charged: Duration,
}

impl Pieces {
    /// Counts what was used since the last time.
    fn charge(&mut self) {
        let used = used();
        self.budget.charge(used.saturating_sub(self.charged));
        self.charged = used;
    }
}

/// What was used since the last piece.
impl Drop for Pieces {
    fn drop(&mut self) {
        self.charge();
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        let fits = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.sender.blocking_send(piece.into()).map_err(io::Error::other)?;
        self.charge();
        self.budget.wait();
        Ok(())
    }
}

struct Received {
    pieces: mpsc::Receiver<Bytes>,
    until: Instant,
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if Instant::now() > self.until {
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        }
        self.pieces.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use http_body_util::BodyExt;

    fn streams(longest: Duration, part: f64) -> Streams {
        Streams::new(longest, Arc::new(Budget::new(part)))
    }

    #[tokio::test]
    async fn writing_a_document_takes_no_more_than_the_budget() {
        const PART: f64 = 0.01;
        let document = Arc::new(vec!["a text of some length"; 16_000]);
        let began = used();
        let expected = crate::present::json(&*document);
        let work = used().saturating_sub(began);
        let streams = streams(Duration::from_secs(3_600), PART);
        let began = Instant::now();
        let written = streams.body(Arc::clone(&document)).unwrap().collect().await.unwrap().to_bytes();
        assert_eq!(written, expected.as_bytes());
        // The same work takes another thread half as long at least; the last piece is not waited for.
        let least = work.div_f64(4.0 * PART);
        assert!(began.elapsed() > least, "{:?} for {work:?} of work", began.elapsed());
    }

    #[tokio::test]
    async fn a_document_is_the_same_in_pieces_and_few_are_written_at_a_time() {
        let streams = streams(Duration::from_secs(3_600), 1.0);
        let document = Arc::new(vec!["a text of some length"; 100_000]);
        let bodies: Vec<Body> = (0..WRITTEN_AT_A_TIME).map(|_| streams.body(Arc::clone(&document)).unwrap()).collect();
        assert!(streams.body(Arc::clone(&document)).is_none());
        let mut whole = Vec::new();
        for mut body in bodies {
            whole.clear();
            while let Some(piece) = body.frame().await {
                let piece = piece.unwrap().into_data().unwrap();
                assert!(piece.len() <= PIECE);
                whole.extend_from_slice(&piece);
            }
            assert_eq!(String::from_utf8_lossy(&whole), crate::present::json(&*document));
        }
        let late = self::streams(Duration::ZERO, 1.0);
        let mut body = late.body(Arc::clone(&document)).unwrap();
        std::thread::sleep(Duration::from_millis(1));
        assert!(body.frame().await.unwrap().is_err());
        // The thread ends where the client has gone.
        while streams.body(Arc::clone(&document)).is_none() {
            tokio::task::yield_now().await;
        }
        while streams.permits.available_permits() < WRITTEN_AT_A_TIME {
            tokio::task::yield_now().await;
        }
    }
}
