//! onnet answers one question on an EC2 instance: does its DynamoDB traffic take a VPC endpoint?
//!
//! ```text
//!             observe/                   onnet-core              onnet-core
//!   IMDS ─┐                                                       ┌─ text, Nagios line
//!   EC2  ─┤   async, I/O,                judge:                   ├─ JSON
//!   DNS  ─┼─► deadlines  ──Snapshot──► pure, sync, ──Report──►    ├─ metrics
//! kernel ─┤   SDK types end here       no clock          present: └─ status page
//!  probe ─┘
//! ```
//!
//! The crate `onnet-core` holds what has no network, no clock and no SDK: model, judge, import, present. Here is the rest:
//! [`observe`] collects, [`engine`] is the daemon's loop, [`serve`] answers HTTP requests with what it publishes.

#![warn(clippy::wildcard_enum_match_arm)] // here only: tests may match as loosely as they like

pub mod engine;
pub mod observe;
pub mod serve;
pub use onnet_core::{import, judge, model, present};
