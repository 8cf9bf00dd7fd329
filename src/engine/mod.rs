//! One engine for `check` and `run`: collects facts, keeps what is known, has it judged.
//!
//! ```text
//! schedule ──due──► batch of collections ──answers──► facts ──Snapshot──► judge ──Report──► published ──► HTTP server
//!     ▲                       ▲                         │
//!     │                       └── what can be collected ┤
//!     └─────────────────── changes ─────────────────────┘
//! ```
//!
//! - `collections`: what can be collected, and which answers each collection needs, as data.
//! - `collectors`: what collections are made with. `batch`: collections that run together, each as soon as it can begin.
//! - [`facts`](Facts): what is known between collections. `schedule`: when each source is collected from. `clock`: both clocks.
//! - [`once`]: everything once, for `check`. [`run`](Daemon): on the schedule, for the daemon; `reports`, `sources`,
//!   `metrics`, `published` and `systemd` are what it says about it.
//! - `record`: what the daemon collects, line by line. [`replay`]: the same facts and clocks again, judged at the same moments.

mod batch;
mod clock;
mod collections;
mod collectors;
mod facts;
mod keep;
pub mod metrics;
mod once;
mod paths;
mod published;
mod record;
mod replay;
mod reports;
mod run;
mod schedule;
mod self_report;
mod sources;
mod statements;
mod systemd;

pub use clock::{Moment, Reading, Step, now};
pub use collections::Answer;
pub use collectors::CollectSettings;
pub use facts::{Changed, Facts, ProbeChoice, Scope};
pub use once::once;
pub use published::{Published, Publisher, publishing};
pub use record::{Event, Header, Line, Recorder, Reported};
pub use replay::{Replay, ReplayError, is_recording, replay};
pub use run::{Daemon, RunSettings};
pub use schedule::{Periods, Schedule, due};
