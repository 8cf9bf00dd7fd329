//! The live collectors: async, with deadlines. The types of the AWS SDK end here.
//!
//! Each collector has its own error type, which becomes a [`Gap`](crate::model::Gap) in one place. When which of them runs
//! is for [`engine`](crate::engine) to say.

pub mod aws;
mod destination;
pub mod dns;
pub mod ec2;
pub mod environment;
pub mod facts_table;
pub mod files;
pub mod imds;
pub mod inventory;
pub mod kernel;
pub mod limits;
pub mod names;
mod no_proxy;
pub mod probe;
pub mod seen;
pub mod tls;
mod url;
