//! Facts from files, and the rules by which EC2's many optional fields become our few enums, live or from files.

pub mod complete;
pub mod convert;
pub(crate) mod distinct;
pub mod facts_table;
pub mod files;
pub mod input;
pub mod json;
pub mod lists;
pub mod saved;
pub mod spot_check;
