//! The daemon's loop: what is due is looked at, what was seen is judged, what was concluded is published.
//!
//! ```text
//! schedule ──due──► observe ──facts──► known ──Snapshot──► judge ──Report──► published ──► whoever asks by HTTP
//!     ▲                                  │
//!     └────────────── changes ───────────┘
//! ```
//!
//! Each source has a schedule of its own, and at most one look under way: a slow one delays no other.

mod clock;
mod facts;
pub mod metrics;
mod published;
mod run;
mod schedule;
mod systemd;

pub use clock::{Moment, Reading, Step, now};
pub use facts::{Changed, Known};
pub use published::{Published, Publisher, publishing};
pub use run::{Daemon, Settings};
pub use schedule::{Periods, Schedule, due};
