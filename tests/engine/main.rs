//! The engine without a network: what is known between collections, and recordings replayed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;
mod facts;
mod recordings;
