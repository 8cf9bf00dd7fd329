//! Looking: async, with deadlines. The types of the AWS SDK end here.
//!
//! Each collector has its own error type, which becomes a [`Gap`](crate::model::Gap) in one place; [`observe`] runs
//! them all and always comes back with a [`Snapshot`](crate::model::Snapshot), whatever failed.

pub mod aws;
mod destination;
pub mod dns;
pub mod ec2;
pub mod environment;
pub mod imds;
pub mod inventory;
pub mod kernel;
mod limits;
pub mod names;
pub mod probe;
mod round;
pub mod seen;
mod services;
pub mod sources;
pub mod tls;
mod url;

pub use round::{ProbeChoice, Settings, nothing, observe};
pub use services::addresses;
