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
    serde_json::from_slice(bytes).map_err(|error| locate::<T>(file, bytes, 0, &error))
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
            Some(read) => documents.push(read.map_err(|error| locate::<T>(file, bytes, at, &error))?),
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

/// Says where `error` is, in the document that begins at `at`. The second reading keeps account of the path, which would
/// slow the first one down.
fn locate<'a, T: Deserialize<'a>>(file: &str, bytes: &'a [u8], at: usize, error: &serde_json::Error) -> JsonError {
    let document = bytes.get(at..).unwrap_or_default();
    let again = serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_slice(document));
    let path = again.err().map(|error| error.path().to_string());
    // A key that was not read to its end is `?`, and the whole file is `.`: neither says anything.
    let path = path.map(|path| path.trim_end_matches(['?', '.']).to_owned()).filter(|path| !path.is_empty());
    let message = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    JsonError {
        file: file.to_owned(),
        line: error.line(),
        column: error.column(),
        path,
        problem: message.strip_suffix(&position).unwrap_or(&message).to_owned(),
    }
}
