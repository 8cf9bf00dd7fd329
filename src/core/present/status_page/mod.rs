//! The status page: the answer, the path drawn, what to do, and the evidence. HTML and SVG from the server, nothing loaded
//! from elsewhere, no scripts.

mod drawing;
mod evidence;
mod html;
mod latency;
mod picture;
mod sections;
mod timings;

use crate::{
    model::{Outcome, Report, Status, Timestamp},
    present::words,
};
use drawing::drawing;
use html::{length, mark, moment, outcome_tone, safe, sentence};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::time::Duration;

const STYLE: &str = include_str!("style.css");

/// How often the page asks to be loaded again, in seconds.
const REFRESH: u32 = 15;

/// A report of this age says so in large letters: a new one is due several times in this time.
const OLD: Duration = Duration::from_secs(60);

/// The page.
pub fn status_page(status: &Status, now: Timestamp) -> String {
    let outcome = status.report.as_ref().map(|report| report.outcome);
    let word = outcome.map_or("starting", words::outcome);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="refresh" content=(REFRESH);
                title { (word) " · onnet" @if let Some(id) = instance(status) { " · " (safe(id)) } }
                link rel="icon" href=(icon(outcome));
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the answer" }
                header {
                    p.brand { strong { "onnet" } " does this instance's DynamoDB traffic take a VPC endpoint?" }
                }
                main #main {
                    @match &status.report {
                        Some(report) => (of_report(status, report, now)),
                        None => (starting(status)),
                    }
                    (sections::sources(status, now))
                }
                footer {
                    p {
                        "onnet " (env!("CARGO_PKG_VERSION")) " · started " (moment(status.started_at)) " · "
                        a href="/report.json" { "report.json" } " · " a href="/metrics" { "metrics" }
                    }
                    p { "This page loads itself again every " (REFRESH) " seconds." }
                }
            }
        }
    };
    page.into_string()
}

fn instance(status: &Status) -> Option<&str> {
    Some(status.report.as_ref()?.instance.as_ref()?.id.as_str())
}

fn of_report(status: &Status, report: &Report, now: Timestamp) -> Markup {
    let age = now.since(report.taken_at);
    html! {
        (answer(report, age))
        section aria-labelledby="path" {
            h2 #path { "Network path" }
            (drawing(&picture::picture(report)))
        }
        (sections::findings(report))
        (timings::timings(report))
        (latency::latency(&status.history, now))
        (sections::changes(&status.history))
        (evidence::coverage(report))
        (evidence::names(report))
        (evidence::addresses(report))
        (evidence::interfaces(report))
        (evidence::gates(report))
    }
}

fn answer(report: &Report, age: Duration) -> Markup {
    let outcome = report.outcome;
    html! {
        section class={ "answer " (outcome_tone(outcome).class()) } aria-labelledby="answer" {
            h1 #answer { (mark(Some(outcome))) (words::outcome(outcome)) }
            p.summary { (safe(sentence(&report.summary))) }
            p.means { (means(outcome)) }
            @if age > OLD {
                p.old role="alert" {
                    strong { "This is " (length(age)) " old. " }
                    "The daemon makes a report several times a minute; it may hang, or the machine may have been suspended."
                }
            }
            dl.facts {
                div { dt { "Evidence" } dd { (words::proof(report)) } }
                div { dt { "Observed" } dd { (moment(report.taken_at)) ", in " (report.snapshot.took) } }
                @if let Some(answer) = &report.without_endpoint {
                    div { dt { "If the endpoint were deleted" } dd { (safe(words::without_endpoint(answer))) } }
                }
                @if let Some(shared) = &report.snapshot.vpc.shared {
                    div { dt { "Shared facts" } dd { (safe(sentence(&words::shared_facts(shared, report.taken_at)))) } }
                }
                @if let Some(cost) = &report.nat_cost {
                    div { dt { "NAT cost" } dd { (safe(sentence(&words::nat_cost(cost)))) } }
                }
                @for policy in &report.endpoint_policies {
                    div { dt { "Endpoint policy" } dd { (safe(words::endpoint_policy(policy))) } }
                }
                @if let Some(instance) = &report.instance {
                    div { dt { "Instance" } dd { (html::code(&instance.id)) " in " (safe(&instance.region)) } }
                }
            }
        }
    }
}

/// What an outcome means for the traffic.
fn means(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::OnNet => {
            "Every address that DynamoDB's hostname has here, and every address it could have in this Region, is routed \
             through a DynamoDB VPC endpoint."
        }
        Outcome::AtRisk => {
            "The addresses in use are routed through a DynamoDB VPC endpoint, but a warning applies: see What to do."
        }
        Outcome::Undetermined => {
            "Whether the traffic goes through a VPC endpoint is not known: facts are missing, too old, or not documented by \
             AWS. The traffic itself may work."
        }
        Outcome::Dropped => "No DynamoDB address in use can be reached from here. Requests time out or fail.",
        Outcome::OffNet => {
            "The traffic reaches DynamoDB, but not through a DynamoDB VPC endpoint: endpoint policies do not apply to it, \
             and a NAT gateway on the path charges for each gigabyte."
        }
    }
}

fn starting(status: &Status) -> Markup {
    let waiting: Vec<&str> =
        status.sources.present().filter(|(_, source)| source.up.is_none()).map(|(source, _)| source.title()).collect();
    html! {
        section.answer.unknown aria-labelledby="answer" {
            h1 #answer { (mark(None)) "starting" }
            p.summary { "onnet is collecting facts for the first time." }
            p.means {
                @if waiting.is_empty() { "The first report follows shortly." }
                @else { "Waiting for: " (waiting.join(", ")) "." }
            }
        }
    }
}

/// The outcome's mark, as the page's icon: distinguished by shape as well as by colour.
fn icon(outcome: Option<Outcome>) -> String {
    let (outline, inner) = html::shape(outcome);
    let colour = match outcome {
        Some(Outcome::OnNet) => "1a7f4b",
        Some(Outcome::AtRisk) => "9a6700",
        Some(Outcome::OffNet | Outcome::Dropped) => "c4292e",
        Some(Outcome::Undetermined) | None => "5b6472",
    };
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'><path d='{outline}' fill='%23{colour}'/><path d='{inner}' \
         fill='none' stroke='white' stroke-width='2.4'/></svg>"
    );
    format!("data:image/svg+xml,{}", svg.replace('<', "%3C").replace('>', "%3E").replace(' ', "%20"))
}
