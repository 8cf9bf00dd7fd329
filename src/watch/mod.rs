//! The daemon's loop: what is due is looked at, what was seen is judged, what was concluded is published.

mod published;

pub use published::{Published, Publisher, publishing};
