//! Speaking: strings out, nothing else.
//!
//! The texts carry colours as ANSI sequences; whoever prints them strips these where they are not wanted.

mod audit;
mod catalogue;
mod changes;
mod event;
mod explanation;
mod findings;
pub mod metrics;
mod nagios;
mod page;
mod schema;
mod status_page;
mod text;
mod words;

pub use audit::audit;
pub use catalogue::{finding_help, finding_table};
pub use changes::outcome_changes;
pub use event::{OutcomeChanged, outcome_changed};
pub use explanation::explanation;
pub use nagios::{nagios, nagios_unknown};
pub use page::{sanitized, sanitized_json};
pub use schema::{Contract, schema};
pub use status_page::status_page;
pub use text::text;

use serde::Serialize;
use std::borrow::Cow;

/// Any of the JSON contracts, for people to read as well.
pub fn json(document: &impl Serialize) -> String {
    #[expect(clippy::expect_used, reason = "our types have string keys and serializers that cannot fail")]
    let mut json = serde_json::to_string_pretty(document).expect("a document of our own types");
    if let Cow::Owned(clean) = sanitized_json(&json) {
        json = clean;
    }
    json.push('\n');
    json
}
