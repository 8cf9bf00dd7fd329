//! What follows from what was observed: pure, synchronous, without network, clock or SDK.
//!
//! ```text
//!   import/                    judge/                     present/
//!   saved rounds ─┐                                      ┌─ text, Nagios line
//!   AWS CLI files ┼─ Snapshot ─► pure, sync ── Report ──►┼─ JSON, metric samples
//!   (live) observe┘  Inventory   no clock                └─ status page
//!                └──────────► model/ ◄───────────────┘
//!                   (plain serialisable types)
//! ```
//!
//! - [`model`]: plain types. A missing fact carries its reason ([`model::Observed`], [`model::Gap`]).
//! - [`import`]: facts from files: AWS CLI output, saved rounds. EC2's optional fields become our enums here.
//! - [`judge`]: a [`model::Snapshot`] to a [`model::Report`]; an [`model::Inventory`] to an audit or an explanation.
//! - [`present`]: what was concluded as text, JSON, metric samples or a page.
//!
//! A [`model::Snapshot`] is the only input of the judge, a [`model::Report`] the only input of the presenters, and both
//! survive JSON: a saved round is bug report, demo and regression test in one file. So this is all of `onnet judge`:
//!
//! ```
//! use onnet_core::{import::saved, judge, present};
//!
//! # fn main() -> Result<(), saved::SavedError> {
//! # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/report.json");
//! let report = judge::judge(saved::read(file.as_ref())?);
//! assert!(present::nagios(&report).starts_with("ONNET OK"));
//! # Ok(())
//! # }
//! ```

#![warn(clippy::wildcard_enum_match_arm)] // here only: tests may match as loosely as they like

pub mod import;
pub mod judge;
pub mod model;
pub mod present;
