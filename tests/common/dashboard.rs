//! The queries of the shipped dashboard.

use serde_json::Value;
use std::path::{Path, PathBuf};

/// The text of a shipped file.
pub(crate) fn dist(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dist").join(path)
}

/// Every expression of the dashboard, with its variables replaced.
pub(crate) fn queries() -> Vec<String> {
    fn collect(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    match value.as_str() {
                        Some(expression) if key == "expr" => into.push(expression.to_owned()),
                        _ => collect(value, into),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let text = std::fs::read_to_string(dist("grafana/onnet.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("valid JSON");
    let mut found = Vec::new();
    collect(&dashboard, &mut found);
    assert!(found.len() > 20, "{found:?}");
    let fill = |expression: String| {
        let filled = expression.replace("$__rate_interval", "5m").replace("$job", "onnet");
        filled.replace("$instance", ".*").replace("$probe", "list_tables")
    };
    found.into_iter().map(fill).collect()
}
