//! Servers that answer by a script, whatever it says: instance metadata, DNS, HTTP and EC2. The lab's are the ones that behave.

pub(crate) mod dns;
pub(crate) mod ec2;
pub(crate) mod fixtures;
pub(crate) mod imds;
pub(crate) mod server;
