//! The picture as HTML: one grid of cards, frames and arrows. The style sheet places them for wide and narrow screens; the
//! order here is the order in which they are read.

use super::{
    evidence::gate_tone,
    html::{Tone, mark, safe},
    picture::{Branch, Card, End, Line, Picture, Row},
};
use maud::{Markup, html};

pub(super) fn drawing(picture: &Picture) -> Markup {
    let fork = if picture.branches.len() > 1 { "fork" } else { "" };
    html! {
        figure.picture aria-label="The path to DynamoDB" {
            div class={ "map " (fork) } {
                // Each behind the next.
                @for kind in ["region", "vpc", "subnet"] { div class={ "frame " (kind) } {} }
                (card("instance", &picture.instance))
                (name("Subnet", picture.subnet.as_deref()))
                (name("VPC", picture.vpc.as_deref()))
                (name("Region", picture.region.as_deref()))
                (arrow("first", Some(picture.first), None))
                (card("table", &picture.table))
                @for branch in &picture.branches { (self::branch(branch)) }
                (card("service", &picture.service))
            }
            figcaption { (legend()) }
        }
    }
}

fn name(kind: &str, id: Option<&str>) -> Markup {
    html! {
        p class={ "name " (kind.to_lowercase()) } { (kind) @if let Some(id) = id { " " span { (safe(id)) } } }
    }
}

fn card(place: &str, card: &Card) -> Markup {
    html! {
        div class={ "card " (place) " " (card.tone.class()) } {
            p.label { (safe(&card.label)) }
            @for row in &card.rows {
                @match row {
                    Row::Id(text) => { p { code { (safe(text)) } } },
                    // A line may end after each label of a name.
                    Row::Name(text) => { p { code { @for label in text.split_inclusive('.') { (safe(label)) wbr; } } } },
                    Row::Strong(text) => { p { code { strong { (safe(text)) } } } },
                    Row::Words(text) => { p.words { (safe(text)) } },
                    Row::Gate(gate, state) => {
                        p.words { (gate.title()) " " span class={ "word " (gate_tone(*state).class()) } { (state) } }
                    },
                }
            }
            @if card.mark.is_some() { (mark(card.mark)) }
        }
    }
}

fn branch(branch: &Branch) -> Markup {
    html! {
        div.branch {
            @match (&branch.card, branch.into.or(branch.out)) {
                (Some(card), _) => { (arrow("", branch.into, None)) (self::card("hop", card)) (arrow("", branch.out, None)) },
                (None, line) => { (arrow(if branch.into.is_some() { "ends" } else { "through" }, line, Some("not observed"))) },
            }
        }
    }
}

/// A line with its head. `label` is what an arrow says that no card follows; where packets end, the line says so.
fn arrow(place: &str, line: Option<Line>, label: Option<&str>) -> Markup {
    let Some(Line { tone, end, dashed }) = line else { return html! { div.arrow {} } };
    let class = ["arrow", place, tone.class(), if dashed { "dashed" } else { "" }].join(" ");
    html! {
        div class=(class) {
            @match end {
                End::Arrow => {
                    (head())
                    @if let Some(label) = label { p { (label) } }
                },
                End::Cross => {
                    svg.cross viewBox="0 0 20 20" aria-hidden="true" { circle cx="10" cy="10" r="8.5" {} path d="M6 6l8 8M14 6l-8 8" {} }
                    p { "dropped" }
                },
            }
        }
    }
}

fn head() -> Markup {
    html! { svg.head viewBox="0 0 12 12" aria-hidden="true" { path d="M0 0L12 6L0 12z" {} } }
}

/// What the lines mean.
fn legend() -> Markup {
    let sample = |tone: Tone, dashed: &str, text: &str| {
        html! { li { span class={ "arrow sample " (tone.class()) " " (dashed) } { (head()) } (text) } }
    };
    html! {
        ul.legend aria-label="Legend" {
            (sample(Tone::Good, "", "through a DynamoDB endpoint"))
            (sample(Tone::Bad, "", "not through one"))
            (sample(Tone::Unknown, "dashed", "not known"))
            (sample(Tone::Faint, "dashed", "not taken"))
        }
    }
}
