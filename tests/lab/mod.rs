//! "EC2" on one Linux machine: an instance, its VPC, and the services it talks to, all in this process.
//!
//! See `cargo run --example lab`. Nothing in here uses onnet's own code: the lab is an independent witness, and
//! onnet a binary that it runs.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    reason = "shared by an example and several tests, none of which uses all of it"
)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the lab is test code: it may panic")]

pub mod client;
pub mod daemon;
mod dns;
pub mod dynamodb;
pub mod ec2;
#[path = "../fakes/mod.rs"]
pub mod fakes;
pub mod faults;
pub mod gates;
pub mod iam;
mod imds;
#[expect(clippy::module_inception, reason = "lab::lab is private; its items are re-exported here")]
mod lab;
pub mod loopback;
#[cfg(target_os = "linux")]
pub mod netns;
#[cfg(not(target_os = "linux"))]
#[path = "no_netns.rs"]
pub mod netns;
pub mod rights;
pub mod sealed;
mod services;
mod sts;
pub mod tables;
mod tls;
pub mod tutorial;
pub mod world;

pub use faults::{DateField, Fault, Pace, Service};
pub use imds::{METADATA_TOKEN, SECRET_KEY, SESSION_TOKEN};
pub use lab::{Lab, Mode, Ran, run};
pub use tables::Table;
pub use world::World;
