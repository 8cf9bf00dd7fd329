//! Servers that treat each connection as a script says, with the only implementation of HTTP, of DNS over UDP and TCP, and of
//! certificate authorities in the tests. The lab's services use them too. Nothing here uses onnet's own code.

pub mod authority;
pub mod dns;
pub mod ec2;
pub mod fixtures;
pub mod http;
pub mod imds;
pub mod server;
