//! Tests with real sockets on loopback, and of the built binary. They need only this machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod cli;
mod cloud_collectors;
#[path = "../common/mod.rs"]
mod common;
mod engine;
mod host_collectors;
#[path = "../hostile/mod.rs"]
mod hostile;
mod http;
#[path = "../lab/mod.rs"]
mod lab;
#[path = "../common/over_limit.rs"]
mod over_limit;
mod settings;
mod status;
#[path = "../common/web.rs"]
mod web;

use lab::fakes;

const ONNET: &str = env!("CARGO_BIN_EXE_onnet");
