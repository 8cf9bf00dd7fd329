//! Tests of the pure part: scenarios, properties, files, texts, contracts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;
mod cost;
mod documentation;
mod endpoint_policy;
mod every_scenario;
mod faces;
mod facts;
mod facts_table;
mod files;
mod fleet;
mod folders;
mod gates;
mod golden;
mod hostile_text;
#[path = "../lab/iam/mod.rs"]
#[expect(dead_code, unreachable_pub, reason = "the lab uses the rest, and is a module of other tests")]
mod iam;
mod listings;
#[path = "../common/page.rs"]
mod page;
mod plain_words;
mod properties;
mod rows;
mod saved;
mod schema;
#[path = "../common/faces.rs"]
mod shown;
mod status_page;
