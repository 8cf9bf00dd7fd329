//! onnet answers one question on an EC2 instance: does its DynamoDB traffic take a VPC endpoint?
//!
//! ```text
//!             observe/                    judge/                     present/
//!   IMDS ─┐                                                       ┌─ text, Nagios line
//!   EC2  ─┤   async, I/O,              pure, sync,                ├─ JSON
//!   DNS  ─┼─► deadlines  ──Snapshot──► no clock      ──Report───► ├─ metrics
//! kernel ─┤   SDK types end here       no SDK types               └─ status page
//!  probe ─┘
//!                    └──────────────► model/ ◄──────────────┘
//!                     (plain serialisable types; imports nothing of ours)
//! ```
//!
//! [`observe`], [`judge`] and [`present`] import [`model`] and not one another: `tests/architecture.rs` holds them to it.
//! [`watch`] is the daemon's loop over the three; [`serve`] answers by HTTP with what it publishes.
//! A [`Snapshot`](model::Snapshot) is the only way into the judge, a [`Report`](model::Report) the only way out, and both
//! survive JSON, so that a saved round is bug report, demo and regression test in one file.

#![warn(clippy::wildcard_enum_match_arm)] // here only: tests may match as loosely as they like

pub mod judge;
pub mod model;
pub mod observe;
pub mod present;
pub mod serve;
pub mod watch;
