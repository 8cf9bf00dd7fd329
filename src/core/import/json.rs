//! JSON from people and their tools: borrowed where it can be, and errors that say file, line, column and field.

use serde::Deserialize;
use std::borrow::Cow;

/// What is wrong in a JSON file, and where.
#[derive(Debug, thiserror::Error)]
#[error("{file}, line {line}, column {column}: {}{problem}", .path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default())]
pub struct JsonError {
    /// The file's name as the user gave it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In bytes, from 1.
    pub column: usize,
    /// The field, such as `RouteTables[3].Routes[0].DestinationCidrBlock`, if it is inside one.
    pub path: Option<String>,
    /// What was found and what was expected.
    pub problem: String,
}

/// A string that borrows from the file unless it holds an escape.
///
/// A newtype because serde copies the string of a plain `Option<Cow<str>>`: its `borrow` does not reach inside.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Reads `bytes`, the content of `file`; `expected` says in words what should be there.
pub fn parse<'a, T: Deserialize<'a>>(file: &str, bytes: &'a [u8], expected: &str) -> Result<T, JsonError> {
    let bytes = text(file, bytes)?;
    first_byte(file, bytes, 0, expected)?;
    serde_json::from_slice(bytes).map_err(|error| locate(file, bytes, (0, 0), &error))
}

/// Reads every document of a file, such as one that commands appended their answers to.
/// Where `lists`, a document may be a list as well as an object.
pub(super) fn parse_all<'a, T: Deserialize<'a>>(
    file: &str,
    bytes: &'a [u8],
    expected: &str,
    lists: bool,
) -> Result<Vec<T>, JsonError> {
    let bytes = text(file, bytes)?;
    let mut stream = serde_json::Deserializer::from_slice(bytes).into_iter::<T>();
    let mut documents = Vec::new();
    let mut base = 0;
    loop {
        let mut at = base + stream.byte_offset();
        let rest = bytes.get(at..).unwrap_or_default().trim_ascii_start();
        if let Some(after_mark) = rest.strip_prefix(MARK) {
            (base, at) = (bytes.len() - after_mark.len(), bytes.len() - after_mark.len());
            stream = serde_json::Deserializer::from_slice(after_mark).into_iter::<T>();
        }
        if !documents.is_empty() && bytes.get(at..).unwrap_or_default().trim_ascii().is_empty() {
            return Ok(documents);
        }
        let list = bytes.get(at..).unwrap_or_default().trim_ascii_start().first() == Some(&b'[');
        if !(lists && list) {
            first_byte(file, bytes, at, expected)?;
        }
        match stream.next() {
            Some(read) => documents.push(read.map_err(|error| locate(file, bytes, (base, at), &error))?),
            None => return Ok(documents),
        }
    }
}

/// The byte order mark of UTF-8. A file to which commands append has one before each document.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether a file begins as one in UTF-16 does: with its byte order mark, or with a zero beside a byte of ASCII.
pub(super) fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) || matches!(bytes, [0, b, ..] | [b, 0, ..] if *b != 0)
}

/// The text of a file, without its byte order mark.
fn text<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a [u8], JsonError> {
    let start = |problem: String| JsonError { file: file.to_owned(), line: 1, column: 1, path: None, problem };
    if is_utf16(bytes) {
        return Err(start("this is UTF-16, as PowerShell's `>` writes it; save it as UTF-8".to_owned()));
    }
    Ok(bytes.strip_prefix(MARK).unwrap_or(bytes))
}

/// Whether the document that begins at `at` is an object.
fn first_byte(file: &str, bytes: &[u8], at: usize, expected: &str) -> Result<(), JsonError> {
    let (before, rest) = bytes.split_at(at.min(bytes.len()));
    let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let problem = match rest.get(blank) {
        Some(b'{') => return Ok(()),
        None => format!("the file is empty, expected {expected}"),
        // Not left to serde: it would take a list for an object whose fields are given in order.
        Some(b'[') => format!("this is a list, expected {expected}"),
        Some(_) => format!("this is not a JSON object, expected {expected}"),
    };
    if before.is_empty() {
        return Err(JsonError { file: file.to_owned(), line: 1, column: 1, path: None, problem });
    }
    let read: Vec<&[u8]> = bytes[..at + blank].split(|byte| *byte == b'\n').collect();
    let column = read.last().map_or(0, |line| line.len()) + 1;
    Err(JsonError { file: file.to_owned(), line: read.len(), column, path: None, problem })
}

/// Says where `error` is, in the document that begins at `start`. Its line and column are of what was read from `base` on.
fn locate(file: &str, bytes: &[u8], (base, start): (usize, usize), error: &serde_json::Error) -> JsonError {
    let (skipped, read) = bytes.split_at(base);
    let lines = read.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    let end = base + lines.map(<[u8]>::len).sum::<usize>() + error.column();
    let path = path_to(bytes.get(start..end).unwrap_or_default());
    let message = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    JsonError {
        file: file.to_owned(),
        line: skipped.iter().filter(|byte| **byte == b'\n').count() + error.line(),
        column: error.column(),
        path: Some(path).filter(|path| !path.is_empty()),
        problem: message.strip_suffix(&position).unwrap_or(&message).to_owned(),
    }
}

/// Where in its objects and lists a document ends that was read so far.
enum Inside<'j> {
    Object { key: Option<&'j [u8]> },
    List { index: usize },
}

/// Lists and objects within each other that a path names: rows of the AWS CLI have six.
const DEEPEST: usize = 32;

/// The path of what stands at the end of `read`, the part of a document that was read until an error: `RouteTables[3].Routes[0]`. An object
/// or a list that ends there is what the error is about.
///
/// Not by reading again with serde_path_to_error: its code for every type that is read is 4 % of the program.
fn path_to(read: &[u8]) -> String {
    // What is wrong with an item is noticed after the comma behind it.
    let read = read.trim_ascii_end();
    let read = read.strip_suffix(b",").unwrap_or(read);
    let mut inside: Vec<Inside<'_>> = Vec::new();
    // How many there are within the deepest one that counts.
    let mut deeper = 0_usize;
    let mut rest = read;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'"' => {
                let Some(length) = string(after) else { break };
                if let (0, Some(Inside::Object { key: key @ None })) = (deeper, inside.last_mut()) {
                    *key = Some(&after[..length]);
                }
                rest = &after[length + 1..];
            }
            b'{' | b'[' if inside.len() == DEEPEST => deeper += 1,
            b'}' | b']' if deeper > 0 => deeper -= 1,
            b',' if deeper > 0 => {}
            b'{' => inside.push(Inside::Object { key: None }),
            b'[' => inside.push(Inside::List { index: 0 }),
            b',' => match inside.last_mut() {
                Some(Inside::Object { key }) => *key = None,
                Some(Inside::List { index }) => *index += 1,
                None => {}
            },
            b'}' | b']' if !after.is_empty() => drop(inside.pop()),
            _ => {}
        }
    }
    if let [.., b'}'] = read
        && let Some(Inside::Object { key }) = inside.last_mut()
    {
        *key = None;
    }
    let mut path = String::new();
    for step in inside {
        match step {
            Inside::Object { key: None } => {}
            Inside::Object { key: Some(key) } => {
                let dot = if path.is_empty() { "" } else { "." };
                path.push_str(dot);
                path.push_str(&String::from_utf8_lossy(key));
            }
            Inside::List { index } => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

/// The length of the string that begins here, without its quotes; `None` where it does not end.
fn string(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::{DEEPEST, path_to};

    #[test]
    fn the_path_is_that_of_what_was_read_last() {
        for (read, path) in [
            ("", ""),
            ("{", ""),
            (r#"{"A"#, ""),
            (r#"{"A": "#, "A"),
            (r#"{"A": [7"#, "A[0]"),
            (r#"{"A": [7, 8, "x""#, "A[2]"),
            (r#"{"A": {"B": 1, "C": [{"D": 7"#, "A.C[0].D"),
            (r#"{"A": [{"B": 1}"#, "A[0]"),
            (r#"{"A": [{"B": 1}, "#, "A[0]"),
            (r#"{"A": [{"B": 1}, {"B": [], "C": "]}\"," , "D": "#, "A[1].D"),
            (r#"{"A": [[1, 2], [3"#, "A[1][0]"),
            (r#"{"A": [1, 2]"#, "A[1]"),
            (r#"{"A": 1}"#, ""),
            (&format!(r#"{{"A": {}[7"#, "[".repeat(100)), &format!("A{}", "[0]".repeat(DEEPEST - 1))),
            (&format!(r#"{{"A": {}7, 8{}, {{"B": "#, "[".repeat(100), "]".repeat(99)), "A[1].B"),
        ] {
            assert_eq!(path_to(read.as_bytes()), path, "{read}");
        }
    }
}
