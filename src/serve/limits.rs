//! How much one client, and all of them together, may take.

use super::quota;
use std::time::Duration;

/// How much one client, and all of them together, may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// For the TLS handshake, and for the first byte before it.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// Between two requests, and before the first one.
    pub idle: Duration,
    /// From the end of a request's head to the last byte of its answer.
    pub answer: Duration,
    /// The head of a request.
    pub head_bytes: usize,
    /// Header fields of a request.
    pub headers: usize,
    /// For open answers, when the server ends.
    pub linger: Duration,
    /// Seconds of processor time in each second.
    pub processor: f64,
}

/// HTTP's part of the processor time that the unit has. The rest is for the loop, which judges and probes.
const PART: f64 = 0.4;

impl Limits {
    /// The defaults, within the CPU quota of this process.
    pub fn within_quota() -> Self {
        Self { processor: PART * quota::processors(), ..Self::default() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            // Longer than the usual intervals of scrapes, so that their connections are kept.
            idle: Duration::from_secs(120),
            answer: Duration::from_secs(30),
            head_bytes: 16 * 1024,
            headers: 64,
            linger: Duration::from_millis(700),
            processor: PART,
        }
    }
}
