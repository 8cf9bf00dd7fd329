//! The collectors that talk to AWS, against real servers that misbehave: each failure ends in one named reason.

mod ec2;
mod health;
mod list_tables;
mod pages;
