//! `onnet explain-finding`: what finding codes mean, from the catalogue of the judge.

use super::{Answer, Output};
use crate::cli::{Format, finding_code};
use clap::Args;
use onnet::{
    judge::{CatalogueEntry, catalogue},
    model::{FindingCode, SCHEMA},
    present,
};
use serde::Serialize;

#[derive(Debug, Args)]
pub(crate) struct ExplainFindingArgs {
    /// The code of a finding, such as endpoint-not-associated [default: all, as a table].
    #[arg(value_parser = finding_code(), hide_possible_values = true)]
    code: Option<FindingCode>,

    /// How to print the explanation.
    #[arg(long, env = "ONNET_FORMAT", default_value = "text", value_name = "FORMAT", hide_env_values = true)]
    format: Format,
}

/// The JSON document, the same for one code and for all.
#[derive(Serialize)]
struct Document {
    schema: u32,
    findings: Vec<&'static CatalogueEntry>,
}

pub(crate) fn run(args: &ExplainFindingArgs) -> Answer {
    let is_wanted = |entry: &&CatalogueEntry| args.code.is_none_or(|code| entry.code == code);
    let findings: Vec<_> = catalogue().iter().filter(is_wanted).collect();
    let text = match (args.format, args.code) {
        (Format::Json, _) => present::json(&Document { schema: SCHEMA, findings }),
        (Format::Text, None) => findings.into_iter().map(row).collect(),
        (Format::Text, Some(_)) => findings.into_iter().map(detail).collect(),
    };
    Ok(Output::success(text))
}

/// The columns of the table: the longest code and the longest severity, with two blanks after each.
const CODE: usize = 28;
const SEVERITY: usize = 10;

/// Longer lines of an explanation are broken between words.
const WIDTH: usize = 100;

/// The labels of an explanation: the longest one, with two blanks after it.
const LABEL: usize = 10;

/// One line, however long, for `grep`.
fn row(entry: &CatalogueEntry) -> String {
    format!("{:<CODE$}{:<SEVERITY$}{}\n", entry.code, entry.severity.name(), entry.meaning)
}

fn detail(entry: &CatalogueEntry) -> String {
    let parts = [
        ("code", entry.code.name()),
        ("severity", entry.severity.name()),
        ("meaning", entry.meaning),
        ("evidence", entry.evidence),
        ("fix", entry.fix),
    ];
    parts.iter().map(|(label, text)| wrapped(&format!("{label:<LABEL$}"), text)).collect()
}

/// `label`, then `text` in a column of its own beside it.
fn wrapped(label: &str, text: &str) -> String {
    let indent = label.len();
    let mut out = label.to_owned();
    let mut column = indent;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > indent && column + 1 + length > WIDTH {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        }
        if column > indent {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_hold_every_code_and_severity() {
        for entry in catalogue() {
            assert!(entry.code.name().len() + 2 <= CODE, "{}", entry.code);
            assert!(entry.severity.name().len() + 2 <= SEVERITY, "{}", entry.code);
        }
    }

    #[test]
    fn long_text_stays_in_its_column() {
        let text = wrapped("label     ", &"word ".repeat(40));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].starts_with("label     word word"), "{text}");
        assert!(lines[1..].iter().all(|line| line.starts_with("          word")), "{text}");
        assert!(lines.iter().all(|line| line.len() <= WIDTH && !line.ends_with(' ')), "{text}");
    }
}
