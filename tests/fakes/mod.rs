//! Servers that do to each connection what a script says, and the one implementation of what they speak: HTTP, DNS and TLS.
//! The services of the lab run on them too. Nothing in here uses onnet's own code.

pub mod authority;
pub mod dns;
pub mod ec2;
pub mod fixtures;
pub mod http;
pub mod imds;
pub mod server;
