//! Text output: the one place that adds colour and escapes control characters.

use anstyle::Style;
use std::fmt::Write;
use std::{borrow::Cow, fmt::Display};

/// The columns of a terminal. Longer lines are broken between words; a command or an id never is.
pub(super) const WIDTH: usize = 80;

/// Where the second column begins.
pub(super) const INDENT: usize = 14;

/// `text` with everything escaped that could control a terminal: control characters and those that reorder text.
///
/// File names, error messages of services and all other text from outside pass through here.
pub fn sanitized(text: &str) -> Cow<'_, str> {
    replaced(text, steers, |c, clean| clean.extend(c.escape_unicode()))
}

/// The same for JSON text, which keeps its meaning. JSON itself escapes characters below U+0020.
pub fn sanitized_json(json: &str) -> Cow<'_, str> {
    let steers = |c: char| c >= '\u{7f}' && steers(c);
    replaced(json, steers, |c, clean| {
        let _ = write!(clean, "\\u{:04x}", u32::from(c)); // writing to a String does not fail
    })
}

fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn replaced(text: &str, is_wanted: impl Fn(char) -> bool, replace: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.contains(&is_wanted) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if is_wanted(c) { replace(c, &mut clean) } else { clean.push(c) }
    }
    Cow::Owned(clean)
}

/// A text that grows line by line.
#[derive(Default)]
pub(super) struct Page {
    out: String,
    column: usize,
}

impl Page {
    pub(super) fn put(&mut self, text: impl Display) -> &mut Self {
        self.styled(Style::new(), text)
    }

    pub(super) fn styled(&mut self, style: Style, text: impl Display) -> &mut Self {
        let text = text.to_string();
        let text = sanitized(&text);
        self.column += text.chars().count();
        let _ = write!(self.out, "{style}{text}{style:#}"); // writing to a String does not fail
        self
    }

    /// Pads to `column`, with at least one blank after other text.
    pub(super) fn to(&mut self, column: usize) -> &mut Self {
        let least = usize::from(self.column > 0);
        let blanks = column.saturating_sub(self.column).max(least);
        self.out.extend(std::iter::repeat_n(' ', blanks));
        self.column += blanks;
        self
    }

    /// Begins a line: `label` in the first column, then text in the second.
    pub(super) fn label(&mut self, label: &str) -> &mut Self {
        self.styled(Style::new().dimmed(), label).to(INDENT)
    }

    /// A remark behind what stands in the line, or below `column` where it does not fit; does not end the line.
    pub(super) fn note(&mut self, column: usize, text: impl Display) -> &mut Self {
        let text = text.to_string();
        if self.column + 2 + text.chars().count() > WIDTH { self.end().to(column) } else { self.put("  ") }
            .styled(Style::new().dimmed(), text)
    }

    /// A space, or a new line from `column` on where what follows does not fit.
    pub(super) fn space_for(&mut self, column: usize, width: usize) -> &mut Self {
        if self.column + 1 + width > WIDTH { self.end().to(column) } else { self.put(" ") }
    }

    pub(super) fn end(&mut self) -> &mut Self {
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push('\n');
        self.column = 0;
        self
    }

    /// An empty line.
    pub(super) fn gap(&mut self) -> &mut Self {
        self.end()
    }

    /// `text` from here on, broken between words and continued below `column`; ends the line.
    pub(super) fn wrapped(&mut self, column: usize, text: &str) -> &mut Self {
        self.flowed(column, " ", text.split_whitespace())
    }

    /// `items` from here on, broken after a separator and continued below `column`; ends the line.
    pub(super) fn flowed<T: Display>(
        &mut self,
        column: usize,
        separator: &str,
        items: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        let mut first = true;
        for item in items {
            let item = item.to_string();
            if !first {
                let room = self.column + separator.len() + item.chars().count() <= WIDTH;
                self.put(if room { separator } else { separator.trim_end() });
                if !room {
                    self.end().to(column);
                }
            }
            self.put(item);
            first = false;
        }
        self.end()
    }

    pub(super) fn finish(self) -> String {
        self.out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        assert_eq!(sanitized("igw-1 → ok"), "igw-1 → ok");
        assert_eq!(sanitized("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(sanitized("two\nlines\r"), "two\\u{a}lines\\u{d}");
        assert_eq!(sanitized("\u{9b}31m \u{202e}txet"), "\\u{9b}31m \\u{202e}txet");
        let json = serde_json::json!({"a": "\u{1b}[31m\u{7f}\u{9b}\n\r\u{2028}\u{202e}\u{2069}é"});
        let clean = sanitized_json(&json.to_string()).into_owned();
        assert!(!clean.contains(steers), "{clean}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&clean).unwrap(), json);
    }

    #[test]
    fn long_text_is_broken_between_words_and_words_never() {
        let mut page = Page::default();
        let long = "x".repeat(120);
        page.label("finding").wrapped(INDENT, &format!("{} {long} end", "word ".repeat(30)));
        let text = anstream::adapter::strip_str(&page.finish()).to_string();
        assert!(text.lines().any(|line| line.trim() == long), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH || line.trim() == long), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with(&" ".repeat(INDENT))), "{text}");
    }
}
