//! The collectors that talk to AWS, against real servers that misbehave: each failure ends in one named reason.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod ec2;
mod fake_ec2;
mod fixtures;
mod health;
mod list_tables;
mod pages;
mod server;
