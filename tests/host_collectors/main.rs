//! The collectors of the host, each against a real socket that misbehaves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod dns;
mod fake_dns;
mod fake_imds;
mod imds;
mod names;
mod round;
