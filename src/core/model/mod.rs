//! Plain, serialisable types: what was observed ([`Snapshot`], [`VpcFacts`]) and what was concluded ([`Report`]).
//!
//! Imports no other module of ours, holds no client, reads no clock and is never `async`.
//! Everything round-trips through JSON, and nothing here has a field a credential could sit in.

mod catalogue;
mod cost;
mod decision;
mod endpoint_policy;
mod evidence;
mod fact;
mod finding;
mod fleet;
mod gates;
mod host;
mod ids;
mod inventory;
mod kernel;
mod numbers;
mod observed;
mod outcome;
mod path;
mod probe;
mod region;
mod report;
mod shared;
mod shared_facts;
mod shell;
mod snapshot;
mod source;
mod status;
mod testimony;
mod time;
mod trace;
mod unique;
mod verdict;
mod vpc;
mod without_endpoint;

pub use catalogue::*;
pub use cost::*;
pub use decision::*;
pub use endpoint_policy::*;
pub use evidence::*;
pub use fact::*;
pub use finding::*;
pub use fleet::*;
pub use gates::*;
pub use host::*;
pub(crate) use ids::possible;
pub use ids::*;
pub use inventory::*;
pub use kernel::*;
pub use numbers::*;
pub use observed::*;
pub use outcome::*;
pub use path::*;
pub use probe::*;
pub use region::*;
pub use report::*;
pub use shared::*;
pub use shared_facts::*;
pub use shell::*;
pub(crate) use snapshot::not_collected;
pub use snapshot::*;
pub use source::*;
pub use status::*;
pub use testimony::*;
pub use time::*;
pub use trace::*;
pub(crate) use unique::unique;
pub use verdict::*;
pub use vpc::*;
pub use without_endpoint::*;

/// The version of every JSON document onnet writes. A reader refuses a newer one, and reads saved rounds of older ones.
pub const SCHEMA: u32 = 2;
