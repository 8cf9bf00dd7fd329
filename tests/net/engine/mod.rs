//! The engine without a network: the facts that are kept between collections, and recordings.

mod facts;
mod recordings;
