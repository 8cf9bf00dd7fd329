//! Speaking: strings out, nothing else.
//!
//! The texts carry colours as ANSI sequences; the printer strips these where they are not wanted.

mod audit;
mod catalogue;
mod changes;
mod event;
mod explanation;
mod findings;
mod fleet;
pub mod metrics;
mod nagios;
mod page;
mod policy;
mod schema;
mod status_page;
mod text;
mod words;

pub use audit::audit;
pub use catalogue::{finding_help, finding_table};
pub use changes::outcome_changes;
pub use event::{OutcomeChanged, outcome_changed};
pub use explanation::explanation;
pub use fleet::{fleet, fleet_nagios};
pub use nagios::{nagios, nagios_unknown};
pub use page::{sanitized, sanitized_json};
pub use policy::{
    FactsPiece, FactsRights, PolicyKind, TableHome, facts_json, facts_pieces, facts_terraform, policy_json,
    policy_terraform,
};
pub use schema::{Contract, schema};
pub use status_page::status_page;
pub use text::{interfaces, text};

use serde::Serialize;
use std::{
    borrow::Cow,
    io::{self, Write},
};

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

/// The same, written as it is made.
///
/// # Errors
/// What `to` fails with.
pub fn write_json(document: &impl Serialize, mut to: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut to, document)?;
    to.write_all(b"\n")
}

/// The same; `None` if it is longer than `most` bytes. It uses no more memory than that.
pub fn json_within(document: &impl Serialize, most: usize) -> Option<String> {
    let mut bounded = Bounded { text: Vec::new(), most };
    write_json(document, &mut bounded).ok()?;
    String::from_utf8(bounded.text).ok()
}

struct Bounded {
    text: Vec<u8>,
    most: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > self.most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_rendered_up_to_the_limit_and_no_further() {
        let document = ["a text", "another"];
        let whole = json(&document);
        assert_eq!(json_within(&document, whole.len()).as_ref(), Some(&whole));
        assert_eq!(json_within(&document, whole.len() - 1), None);
    }
}
