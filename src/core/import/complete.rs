//! Whether a document that onnet wrote still has each key.

use serde::Serialize;
use serde_json::Value;

/// The first key that this version writes of `value`, and that the document it was read from does not have: where it is missing, as
/// `probes.0.probe`.
///
/// # Errors
/// If it cannot be written, and so cannot be compared.
pub fn missing_key(value: &impl Serialize, document: &Value) -> Result<Option<String>, serde_json::Error> {
    Ok(first_missing(&serde_json::to_value(value)?, document))
}

fn first_missing(written: &Value, read: &Value) -> Option<String> {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => written.iter().find_map(|(key, written)| {
            let Some(read) = read.get(key) else { return Some(key.clone()) };
            first_missing(written, read).map(|below| format!("{key}.{below}"))
        }),
        (Value::Array(written), Value::Array(read)) => {
            let mut items = written.iter().zip(read).enumerate();
            items.find_map(|(at, (written, read))| first_missing(written, read).map(|below| format!("{at}.{below}")))
        }
        (_, _) => None,
    }
}
