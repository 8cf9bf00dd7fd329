//! The engine without a network: what is known between collections, and recordings replayed.

mod facts;
mod recordings;
