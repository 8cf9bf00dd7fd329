//! Where everything of the picture stands: side by side on a wide screen, one below the other on a narrow one.
//!
//! The server does not know the reader's fonts, so every character is given the room of a wide one, text is broken into
//! lines here, and what is still too long is cut and stands whole in the card's tooltip.

use super::{
    html::{Tone, safe},
    picture::{Card, End, Line, Mark, Picture, Row, Way},
};
use maud::{Markup, html};

/// How one picture is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Wide,
    Narrow,
}

impl Layout {
    fn name(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Narrow => "narrow",
        }
    }
}

const LINE: i32 = 17;
const PADDING: i32 = 12;
/// Of a character of an id, of a word and of a label, in tenths of a pixel at the size they are drawn in.
const ID: i32 = 75;
const WORD: i32 = 68;
const LABEL: i32 = 86;
/// Lines of one row of a card.
const MOST_LINES: usize = 3;

/// A card and where it stands.
struct Placed<'p> {
    card: &'p Card,
    x: i32,
    y: i32,
    width: i32,
    height: i32,
}

impl<'p> Placed<'p> {
    fn new(card: &'p Card, x: i32, y: i32, width: i32) -> Self {
        let rows: usize = card.rows.iter().map(|row| lines_of(row, width).len()).sum();
        let lines = i32::try_from(rows + broken(&card.label, LABEL, width).len()).unwrap_or(i32::MAX / LINE);
        Self { card, x, y, width, height: PADDING * 2 + 1 + lines * LINE }
    }

    /// With its middle at that height, or below `top` if it is too high for that.
    fn centered(self, middle: i32, top: i32) -> Self {
        Self { y: (middle - self.height / 2).max(top), ..self }
    }

    fn right(&self) -> i32 {
        self.x + self.width
    }

    fn bottom(&self) -> i32 {
        self.y + self.height
    }

    fn middle(&self) -> (i32, i32) {
        (self.x + self.width / 2, self.y + self.height / 2)
    }
}

/// The lines of a row, for a card of that width.
fn lines_of(row: &Row, width: i32) -> Vec<String> {
    match row {
        Row::Id(text) | Row::Strong(text) => broken(text, ID, width),
        Row::Words(text) => broken(text, WORD, width),
    }
}

/// Text in lines, where a character takes `each` tenths of a pixel.
fn broken(text: &str, each: i32, width: i32) -> Vec<String> {
    let room = usize::try_from((width - PADDING * 2) * 10 / each).unwrap_or(0).max(8);
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let line = lines.last_mut().map_or(0, |line| line.chars().count());
            let gap = usize::from(line > 0);
            if line + gap + word.len() <= room {
                let last = lines.len() - 1;
                if gap > 0 {
                    lines[last].push(' ');
                }
                lines[last].extend(word);
                break;
            }
            if line > 0 {
                lines.push(String::new());
                continue;
            }
            // Longer than a line: cut after a dot or the like, else where the line ends.
            let joint = word[..room].iter().rposition(|c| matches!(c, '.' | '-' | '/' | ':'));
            let rest = word.split_off(joint.map_or(room, |joint| joint + 1));
            let last = lines.len() - 1;
            lines[last].extend(word);
            lines.push(String::new());
            word = rest;
        }
    }
    if lines.len() > MOST_LINES {
        lines.truncate(MOST_LINES);
        if let Some(last) = lines.last_mut() {
            *last = last.chars().take(room - 1).chain(['…']).collect();
        }
    }
    lines
}

/// A straight or bent line from one point to another, with its end.
struct Stroke {
    points: Vec<(i32, i32)>,
    line: Line,
}

/// What is drawn, in the order in which it is.
struct Sheet<'p> {
    width: i32,
    height: i32,
    frames: Vec<Frame>,
    strokes: Vec<Stroke>,
    cards: Vec<Placed<'p>>,
}

/// A Region, a VPC, a subnet.
struct Frame {
    kind: &'static str,
    id: Option<String>,
    x: i32,
    y: i32,
    width: i32,
    height: i32,
}

/// The picture as SVG. `told` is what it shows, in words.
pub(super) fn drawing(picture: &Picture, layout: Layout) -> Markup {
    let sheet = match layout {
        Layout::Wide => wide(picture),
        Layout::Narrow => narrow(picture),
    };
    let name = layout.name();
    html! {
        svg class={ "picture " (name) } viewBox={ "0 0 " (sheet.width) " " (sheet.height) } role="img"
            aria-labelledby={ "way-" (name) " text-" (name) } {
            title id={ "way-" (name) } { "The way to DynamoDB" }
            desc id={ "text-" (name) } { (safe(picture.told())) }
            @for frame in &sheet.frames { (self::frame(frame)) }
            @for stroke in &sheet.strokes { (self::stroke(stroke)) }
            @for card in &sheet.cards { (self::card(card)) }
        }
    }
}

fn frame(frame: &Frame) -> Markup {
    let Frame { kind, id, x, y, width, height } = frame;
    let room = usize::try_from((width - 24) * 10 / ID).unwrap_or(0);
    let text = match id {
        Some(id) => format!("{kind} {id}"),
        None => (*kind).to_owned(),
    };
    let text: String =
        if text.chars().count() > room { text.chars().take(room.max(2) - 1).chain(['…']).collect() } else { text };
    html! {
        g class={ "frame " (kind.to_lowercase()) } {
            rect x=(x) y=(y) width=(width) height=(height) rx="10" {}
            text x=(x + 12) y=(y + 20) { (safe(text)) }
        }
    }
}

fn card(placed: &Placed<'_>) -> Markup {
    let Placed { card, x, y, width, height } = placed;
    let mut top = y + PADDING - 5;
    let mut rows = Vec::new();
    for line in broken(&card.label, LABEL, *width) {
        top += LINE;
        rows.push(("label", top, line));
    }
    top += 2;
    for row in &card.rows {
        let class = match row {
            Row::Id(_) => "id",
            Row::Strong(_) => "id strong",
            Row::Words(_) => "words",
        };
        for line in lines_of(row, *width) {
            top += LINE;
            rows.push((class, top, line));
        }
    }
    let whole: Vec<&str> = card.rows.iter().map(Row::text).collect();
    html! {
        g class={ "card " (card.tone.class()) } {
            title { (safe(&card.label)) ": " (safe(whole.join(", "))) }
            rect x=(x) y=(y) width=(width) height=(height) rx="8" {}
            @for (class, top, line) in rows {
                text class=(class) x=(x + PADDING) y=(top) { (safe(line)) }
            }
            @if let Some(mark) = card.mark { (self::mark(mark, card.tone, x + width - 3, y + 3)) }
        }
    }
}

fn mark(mark: Mark, tone: Tone, x: i32, y: i32) -> Markup {
    let (class, path) = match mark {
        Mark::Taken if tone == Tone::Good => ("taken", format!("M{} {}l3 3.5 6-7", x - 5, y + 1)),
        Mark::Taken => ("taken", format!("M{} {y}h9M{} {}l4 4-4 4", x - 5, x, y - 4)),
        Mark::Warning => ("warning", format!("M{x} {}v6M{x} {}v.5", y - 5, y + 5)),
        Mark::Question => {
            ("question", format!("M{} {}a3 3 0 1 1 4.2 2.6c-1 .5-1.2 .9-1.2 1.8M{x} {}v.5", x - 3, y - 2, y + 5))
        }
        Mark::Dropped => ("dropped", format!("M{} {}l7 7M{} {}l-7 7", x - 3, y - 3, x + 4, y - 3)),
    };
    html! {
        g class={ "sign " (class) } { circle cx=(x) cy=(y) r="9" {} path d=(path) {} }
    }
}

fn stroke(stroke: &Stroke) -> Markup {
    let Stroke { points, line } = stroke;
    let mut path = String::new();
    for (n, (x, y)) in points.iter().enumerate() {
        path.push_str(&format!("{}{x} {y}", if n == 0 { "M" } else { "L" }));
    }
    let (Some(&(x, y)), Some(&(from_x, from_y))) = (points.last(), points.iter().rev().nth(1)) else { return html! {} };
    let dashed = if line.dashed { " dashed" } else { "" };
    html! {
        g class={ "line " (line.tone.class()) (dashed) } {
            path d=(path) {}
            @match line.end {
                End::Arrow => { path.head d=(head((from_x, from_y), (x, y))) {} },
                End::Cross => {
                    circle.cross cx=(x) cy=(y) r="9" {}
                    path.cross d={ "M" (x - 4) " " (y - 4) "l8 8M" (x + 4) " " (y - 4) "l-8 8" } {}
                },
            }
        }
    }
}

/// The triangle at the end of a line that comes from a side or from above.
fn head((from_x, from_y): (i32, i32), (x, y): (i32, i32)) -> String {
    if from_y == y {
        let back = if from_x < x { x - 9 } else { x + 9 };
        format!("M{x} {y}L{back} {}L{back} {}z", y - 5, y + 5)
    } else {
        let back = if from_y < y { y - 9 } else { y + 9 };
        format!("M{x} {y}L{} {back}L{} {back}z", x - 5, x + 5)
    }
}

/// Instance, route table, ways and DynamoDB from left to right, as AWS draws them: the endpoint, or a gateway, on the
/// VPC's border, DynamoDB outside.
fn wide(picture: &Picture) -> Sheet<'_> {
    const TOP: i32 = 84;
    let columns = [(&picture.instance, 52, 218), (&picture.middle, 336, 226), (&picture.service, 888, 196)];
    let columns = columns.map(|(card, x, width)| Placed::new(card, x, TOP + 20, width));
    let mut ways: Vec<(&Way, Option<Placed<'_>>)> = Vec::new();
    let mut top = TOP;
    for way in &picture.ways {
        let placed = way.card.as_ref().map(|card| Placed::new(card, 630, top, 196));
        top = placed.as_ref().map_or(top + 26, |placed| placed.bottom() + 26);
        ways.push((way, placed));
    }
    // A way on which nothing is known to stand passes below what stands on the other.
    let beside = ways.iter().filter_map(|(_, placed)| placed.as_ref()).map(Placed::bottom).max();
    let lowest = columns.iter().map(Placed::bottom).max().unwrap_or(TOP);
    let bottom = lowest.max(top - 26) + 18;
    let center = (TOP + bottom) / 2;
    let [instance, middle, service] = columns.map(|column| column.centered(center, TOP + 20));
    if let [(_, only)] = ways.as_mut_slice() {
        *only = only.take().map(|only| only.centered(center, TOP));
    }

    let mut strokes = Vec::new();
    let from = (instance.right(), instance.middle().1);
    let end = if picture.first.end == End::Cross { from.0 + 33 } else { middle.x - 2 };
    let to = (end, from.1);
    strokes.push(Stroke { points: vec![from, to], line: picture.first });
    let count = i32::try_from(ways.len()).unwrap_or(1);
    for (n, (way, placed)) in ways.iter().enumerate() {
        let n = i32::try_from(n).unwrap_or(0);
        let lane = |placed: &Placed<'_>| placed.y + placed.height * (n + 1) / (count + 1);
        let (out_y, in_y) = (lane(&middle), lane(&service));
        let y = placed.as_ref().map_or(beside.map_or(out_y, |bottom| bottom + 14), |placed| placed.middle().1);
        let between = middle.right() + 24 + 14 * n;
        if let Some(line) = way.into {
            let end = placed.as_ref().map_or(middle.right() + 60, |placed| placed.x - 2);
            let end = if line.end == End::Cross { end - 12 } else { end };
            strokes.push(Stroke { points: bent((middle.right(), out_y), between, (end, y)), line });
        }
        if let Some(line) = way.out {
            let start = placed.as_ref().map_or((middle.right(), out_y), |placed| (placed.right(), y));
            let bend = service.x - 38 + 14 * n;
            let end = if line.end == End::Cross { (start.0 + 34, start.1) } else { (service.x - 2, in_y) };
            let points = match (line.end, placed) {
                (End::Cross, _) => vec![start, end],
                (End::Arrow, Some(_)) => bent(start, bend, end),
                (End::Arrow, None) => {
                    let mut points = bent(start, between, (bend, y));
                    points.extend(bent((bend, y), bend, end).into_iter().skip(1));
                    points
                }
            };
            strokes.push(Stroke { points, line });
        }
    }
    let frames = vec![
        Frame { kind: "Region", id: picture.region.clone(), x: 4, y: 4, width: 1092, height: bottom + 40 },
        Frame { kind: "VPC", id: picture.vpc.clone(), x: 20, y: 36, width: 704, height: bottom - 8 },
        Frame {
            kind: "Subnet",
            id: picture.subnet.clone(),
            x: 36,
            y: instance.y - 32,
            width: 250,
            height: instance.height + 48,
        },
    ];
    let mut cards: Vec<Placed<'_>> = ways.into_iter().filter_map(|(_, placed)| placed).collect();
    cards.extend([instance, middle, service]);
    Sheet { width: 1100, height: bottom + 50, frames, strokes, cards }
}

/// Across, then up or down, then across.
fn bent(from: (i32, i32), at: i32, to: (i32, i32)) -> Vec<(i32, i32)> {
    if from.1 == to.1 { vec![from, to] } else { vec![from, (at, from.1), (at, to.1), to] }
}

/// The same from top to bottom.
fn narrow(picture: &Picture) -> Sheet<'_> {
    const WIDTH: i32 = 340;
    const GAP: i32 = 44;
    let instance = Placed::new(&picture.instance, 34, 92, 272);
    let subnet_bottom = instance.bottom() + 14;
    let middle = Placed::new(&picture.middle, 34, subnet_bottom + GAP, 272);
    let is_split = picture.ways.len() > 1;
    let width = if is_split { 148 } else { 272 };
    let mut ways: Vec<(&Way, Option<Placed<'_>>)> = Vec::new();
    let mut x = if is_split { 18 } else { 34 };
    let ways_y = middle.bottom() + GAP;
    for way in &picture.ways {
        ways.push((way, way.card.as_ref().map(|card| Placed::new(card, x, ways_y, width))));
        x += width + 8;
    }
    let ways_bottom = ways.iter().filter_map(|(_, placed)| placed.as_ref().map(Placed::bottom)).max().unwrap_or(ways_y);
    let vpc_bottom = ways_bottom - 20;
    let service = Placed::new(&picture.service, 34, ways_bottom + GAP + 12, 272);

    let mut strokes = Vec::new();
    let first_x = instance.middle().0;
    let first_end = if picture.first.end == End::Cross { middle.y - 22 } else { middle.y - 2 };
    strokes.push(Stroke { points: vec![(first_x, instance.bottom()), (first_x, first_end)], line: picture.first });
    let count = i32::try_from(ways.len()).unwrap_or(1).max(1);
    for (n, (way, placed)) in ways.iter().enumerate() {
        let n = i32::try_from(n).unwrap_or(0);
        let lane = 34 + 272 * (n + 1) / (count + 1) + if is_split { (2 * n - 1) * 24 } else { 0 };
        let x = placed.as_ref().map_or(lane, |placed| lane.clamp(placed.x + 16, placed.right() - 16));
        if let Some(line) = way.into {
            let end = placed.as_ref().map_or(middle.bottom() + 26, |placed| placed.y - 2);
            let end = if line.end == End::Cross { end - 12 } else { end };
            strokes.push(Stroke { points: vec![(x, middle.bottom()), (x, end)], line });
        }
        if let Some(line) = way.out {
            let start = placed.as_ref().map_or(middle.bottom(), Placed::bottom);
            let end = if line.end == End::Cross { start + 26 } else { service.y - 2 };
            strokes.push(Stroke { points: vec![(x, start), (x, end)], line });
        }
    }
    let height = service.bottom() + 20;
    let frames = vec![
        Frame { kind: "Region", id: picture.region.clone(), x: 2, y: 2, width: WIDTH - 4, height: height - 4 },
        Frame { kind: "VPC", id: picture.vpc.clone(), x: 10, y: 30, width: WIDTH - 20, height: vpc_bottom - 30 },
        Frame {
            kind: "Subnet",
            id: picture.subnet.clone(),
            x: 20,
            y: 58,
            width: WIDTH - 40,
            height: subnet_bottom - 58,
        },
    ];
    let mut cards: Vec<Placed<'_>> = ways.into_iter().filter_map(|(_, placed)| placed).collect();
    cards.extend([instance, middle, service]);
    Sheet { width: WIDTH, height, frames, strokes, cards }
}

/// What the colours and lines mean.
pub(super) fn legend() -> Markup {
    let sample = |tone: Tone, dashed: bool, text: &str| {
        let dashes = if dashed { " dashed" } else { "" };
        html! {
            li {
                svg.sample viewBox="0 0 34 12" aria-hidden="true" {
                    g class={ "line " (tone.class()) (dashes) } { path d="M1 6L32 6" {} path.head d="M33 6L24 1L24 11z" {} }
                }
                (text)
            }
        }
    };
    html! {
        ul.legend aria-label="Legend" {
            (sample(Tone::Good, false, "taken, by a DynamoDB endpoint"))
            (sample(Tone::Bad, false, "taken, by something else"))
            (sample(Tone::Unknown, true, "not known"))
            (sample(Tone::Faint, true, "there, and not taken"))
        }
    }
}
