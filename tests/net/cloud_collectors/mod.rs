//! The collectors that send requests to AWS, with real servers that misbehave: each failure has one named reason.

mod ec2;
mod health;
mod list_tables;
mod pages;
