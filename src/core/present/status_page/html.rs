//! Small pieces of the page: escaped text, times and ages, marks.

use crate::{
    model::{Outcome, Timestamp, grouped},
    present::sanitized,
};
use maud::{Markup, Render, html};
use std::{fmt::Display, time::Duration};

/// Text that may come from outside: characters that control or reorder text are escaped here, markup by maud.
pub(super) struct Safe<T>(T);

impl<T: Display> Render for Safe<T> {
    fn render_to(&self, out: &mut String) {
        sanitized(&self.0.to_string()).as_ref().render_to(out);
    }
}

pub(super) fn safe<T: Display>(text: T) -> Safe<T> {
    Safe(text)
}

/// An id, an address or a route, in a face of its own.
pub(super) fn code(text: impl Display) -> Markup {
    html! { code { (safe(text)) } }
}

/// A command or an error message of several lines.
pub(super) fn lines(text: &str) -> String {
    text.lines().map(sanitized).collect::<Vec<_>>().join("\n")
}

/// A message with a capital and a full stop. A name at its beginning stays as it is written.
pub(super) fn sentence(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or(text);
    let is_name = first.contains(|c: char| !c.is_ascii_lowercase() && c != '\'');
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    let mut chars = text.chars();
    match chars.next() {
        Some(initial) if !is_name => format!("{}{}{end}", initial.to_uppercase(), chars.as_str()),
        Some(_) | None => format!("{text}{end}"),
    }
}

/// `2026-11-22 09:00:00 UTC`.
pub(super) fn moment(at: Timestamp) -> Markup {
    let exact = at.to_string();
    let shown = exact.get(..19).unwrap_or(&exact).replace('T', " ");
    html! { time datetime=(exact) { (shown) " UTC" } }
}

/// `14 s`, `3 min`, `2 h 5 min`, `3 d 1 h`.
pub(super) fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{minutes} min"),
        7_200..172_800 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// `one probe`, `2,040 probes`.
pub(super) fn counted(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {many}", grouped(number as u64)) }
}

/// The left edges and widths of parts placed side by side, with one decimal each.
pub(super) fn side_by_side(widths: impl Iterator<Item = f64>) -> impl Iterator<Item = (String, String)> {
    widths.scan(0.0, |left, width| {
        let begins = *left;
        *left += width;
        Some((format!("{begins:.1}"), format!("{width:.1}")))
    })
}

/// How a thing is coloured. Always beside a word or a shape that says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Warn,
    Bad,
    Unknown,
    Faint,
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
            Self::Faint => "faint",
        }
    }
}

pub(super) fn outcome_tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::OnNet => Tone::Good,
        Outcome::AtRisk => Tone::Warn,
        Outcome::Undetermined => Tone::Unknown,
        Outcome::Dropped | Outcome::OffNet => Tone::Bad,
    }
}

/// The outcome as a shape in a square of 24: the outline, and the sign in it.
pub(super) fn shape(outcome: Option<Outcome>) -> (&'static str, &'static str) {
    const CIRCLE: &str = "M12 1.5a10.5 10.5 0 1 0 0 21a10.5 10.5 0 1 0 0-21z";
    match outcome {
        Some(Outcome::OnNet) => (CIRCLE, "M7 12.5l3.5 3.5 6.5-7.5"),
        Some(Outcome::AtRisk) => ("M12 1.5L23 21.5H1z", "M12 8.5v6M12 17.6v.6"),
        Some(Outcome::Undetermined) => (CIRCLE, "M8.8 9.3a3.2 3.2 0 1 1 4.6 2.9c-1 .5-1.4 1-1.4 2.1M12 17.3v.6"),
        Some(Outcome::Dropped) => ("M7.5 1.5h9l6 6v9l-6 6h-9l-6-6v-9z", "M8 8l8 8M16 8l-8 8"),
        Some(Outcome::OffNet) => ("M12 1L23 12 12 23 1 12z", "M9 15.2l6-6.4M10 8.6h5.2v5.2"),
        None => (CIRCLE, "M12 6.5V12l3.5 2.5"),
    }
}

pub(super) fn mark(outcome: Option<Outcome>) -> Markup {
    let (outline, inner) = shape(outcome);
    html! {
        svg.mark viewBox="0 0 24 24" aria-hidden="true" {
            path.outline d=(outline) {}
            path.inner d=(inner) {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_begins_with_a_capital_and_a_name_as_it_is() {
        assert_eq!(sentence("cannot say"), "Cannot say.");
        assert_eq!(sentence("the VPC's endpoint"), "The VPC's endpoint.");
        assert_eq!(sentence("dynamodb.us-east-1.amazonaws.com leaves"), "dynamodb.us-east-1.amazonaws.com leaves.");
        assert_eq!(sentence("rtb-0a is gone"), "rtb-0a is gone.");
        assert_eq!(sentence("is this an EC2 instance?"), "Is this an EC2 instance?");
    }

    #[test]
    fn lengths_of_time_as_people_say_them() {
        let said = [0, 119, 120, 7_199, 7_260, 180_000].map(|s| length(Duration::from_secs(s)));
        assert_eq!(said, ["0 s", "119 s", "2 min", "119 min", "2 h 1 min", "2 d 2 h"]);
    }

    #[test]
    fn foreign_text_neither_marks_up_nor_reorders() {
        let written = html! { (safe("<b>\"x\"\u{202e}\n")) }.into_string();
        assert_eq!(written, "&lt;b&gt;&quot;x&quot;\\u{202e}\\u{a}");
    }
}
