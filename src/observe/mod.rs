//! Looking: async, with deadlines. The types of the AWS SDK end here.

pub mod aws;
pub mod ec2;
pub mod inventory;
pub mod probe;
pub mod tls;
