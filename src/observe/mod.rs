//! Looking: async, with deadlines. The types of the AWS SDK end here.

pub mod convert;
pub mod files;
pub mod json;
pub mod saved;
