//! The evidence: the whole prefix list, and every address step by step.

use super::html::{Tone, code, outcome_tone, safe, sentence, side_by_side};
use crate::{
    model::{
        CoverageRange, EndpointInterfaceStep, GateState, Outcome, ProxyStep, Report, RoutingStep, Trace, Verdict,
        addresses_in, grouped,
    },
    present::{text, words},
};
use maud::{Markup, html};

/// More ranges than this are counted, not listed.
const MOST_RANGES: usize = 12;

pub(super) fn coverage(report: &Report) -> Markup {
    let Some(summary) = report.coverage_summary else { return html! {} };
    let by = text::targets(&report.coverage);
    let elsewhere: Vec<&CoverageRange> = report.coverage.iter().filter(|range| !range.verdict.is_on_net()).collect();
    html! {
        section aria-labelledby="coverage" {
            h2 #coverage { "All of DynamoDB's addresses in this Region" }
            p {
                "DynamoDB's hostname resolves to a few addresses that change; its prefix list holds all of them. Of the list, "
                strong { (grouped(summary.cidrs_on_net)) " of " (grouped(summary.cidrs)) " ranges" }
                @if let Some((on_net, all)) = summary.counted() {
                    ", " strong { (grouped(on_net)) " of " (grouped(all)) " addresses" }
                }
                ", are routed through "
                @if by.is_empty() { "a DynamoDB endpoint" } @else { @for (n, id) in by.iter().enumerate() { @if n > 0 { ", " } (code(id)) } }
                "."
            }
            (bar(&report.coverage))
            @if !elsewhere.is_empty() {
                table {
                    thead { tr { th scope="col" { "Range" } th scope="col" { "Verdict" } th scope="col" { "Path" } } }
                    tbody {
                        @for range in elsewhere.iter().take(MOST_RANGES) {
                            tr {
                                td { (code(range.cidr)) }
                                td { (word(&range.verdict)) }
                                td { (safe(words::brief(&range.verdict))) }
                            }
                        }
                    }
                }
                @if elsewhere.len() > MOST_RANGES {
                    p { "and " (grouped((elsewhere.len() - MOST_RANGES) as u64)) " more ranges, all of them in "
                        a href="/report.json" { "report.json" } }
                }
            }
        }
    }
}

/// Every name, where there are several or a setting chose one.
pub(super) fn names(report: &Report) -> Markup {
    if report.names.len() < 2 && report.names.iter().all(|name| name.chosen_by.is_empty()) {
        return html! {};
    }
    html! {
        section aria-labelledby="names" {
            h2 #names { "Names" }
            table {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Outcome" } th scope="col" { "Path" } } }
                tbody {
                    @for name in &report.names {
                        tr {
                            th scope="row" { (code(&name.hostname)) " (" (words::name(name)) ")" }
                            td { (outcome_word(name.outcome)) }
                            td { @for (n, path) in name.paths.iter().enumerate() { @if n > 0 { ", " } (safe(path)) } }
                        }
                    }
                }
            }
        }
    }
}

/// Every network interface of the instance, where there are several or their addresses differ.
pub(super) fn interfaces(report: &Report) -> Markup {
    if report.interfaces.len() < 2 {
        return html! {};
    }
    html! {
        section aria-labelledby="interfaces" {
            h2 #interfaces { "Network interfaces of the instance" }
            p { "What the route tables of their subnets do with DynamoDB's prefix list. The outcome is that of the one in use." }
            p { (words::BRANCHES) }
            table {
                thead {
                    tr {
                        th scope="col" { "Network interface" } th scope="col" { "Addresses" } th scope="col" { "Outcome" }
                        th scope="col" { "Path" }
                    }
                }
                tbody {
                    @for one in &report.interfaces {
                        tr {
                            th scope="row" { (code(&one.interface)) @if one.in_use { " in use" } }
                            td { (code(words::some_addresses(one))) }
                            td { (outcome_word(one.outcome)) }
                            td {
                                (code(&one.subnet)) @if let Some(table) = &one.route_table { " → " (code(table)) } ": "
                                (safe(&one.reason))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What lets requests through or stops them beside the routes, where it was asked for.
pub(super) fn gates(report: &Report) -> Markup {
    if report.gates.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="gates" {
            h2 #gates { "Gates on the way" }
            p { "What else lets requests through or stops them. The outcome is about routes, and does not depend on it." }
            table {
                thead { tr { th scope="col" { "Gate" } th scope="col" { "State" } th scope="col" { "Reason" } } }
                tbody {
                    @for gate in &report.gates {
                        tr {
                            th scope="row" { (gate.gate.title()) " " (safe(&gate.of)) }
                            td { span class={ "word " (gate_tone(gate.state).class()) } { (gate.state) } }
                            td { (safe(sentence(&gate.reason))) }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn gate_tone(state: GateState) -> Tone {
    match state {
        GateState::Open => Tone::Good,
        GateState::Unknown => Tone::Unknown,
        GateState::Closed => Tone::Bad,
    }
}

fn outcome_word(outcome: Outcome) -> Markup {
    html! { span class={ "word " (outcome_tone(outcome).class()) } { (words::outcome(outcome)) } }
}

/// The list as a bar: one part for each verdict, as wide as its share of the addresses.
fn bar(ranges: &[CoverageRange]) -> Markup {
    let mut parts: Vec<(Tone, &'static str, u64)> = Vec::new();
    for range in ranges {
        let (tone, word, size) = (tone(&range.verdict), words::verdict(&range.verdict), addresses_in([&range.cidr]));
        match parts.iter_mut().find(|(_, known, _)| *known == word) {
            Some((_, _, sum)) => *sum = sum.saturating_add(size),
            None => parts.push((tone, word, size)),
        }
    }
    let total: f64 = parts.iter().map(|(_, _, size)| *size as f64).sum();
    let label: Vec<String> = parts.iter().map(|(_, word, size)| format!("{} {word}", grouped(*size))).collect();
    // A part too small to be visible is drawn as a sliver.
    let widths = parts.iter().map(|(_, _, size)| (1000.0 * *size as f64 / total.max(1.0)).max(4.0));
    html! {
        svg.bar viewBox="0 0 1000 22" preserveAspectRatio="none" role="img" aria-label={ "Addresses: " (label.join(", ")) } {
            @for ((tone, _, _), (left, width)) in parts.iter().zip(side_by_side(widths)) {
                rect class=(tone.class()) x=(left) y="0" width=(width) height="22" {}
            }
        }
        p.under { (label.join(" · ")) }
    }
}

fn tone(verdict: &Verdict) -> Tone {
    match verdict {
        Verdict::Via(path) if path.is_dynamodb_endpoint => Tone::Good,
        Verdict::Via(_) | Verdict::Dropped(_) => Tone::Bad,
        Verdict::Ambiguous(_) | Verdict::Undetermined(_) => Tone::Unknown,
    }
}

fn word(verdict: &Verdict) -> Markup {
    html! { span class={ "word " (tone(verdict).class()) } { (words::verdict(verdict)) } }
}

pub(super) fn addresses(report: &Report) -> Markup {
    if report.addresses.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="addresses" {
            h2 #addresses { "Evidence for each address" }
            @for group in text::groups(&report.addresses) {
                @let first = group[0];
                details {
                    summary {
                        (word(&first.verdict)) " "
                        @for (n, address) in group.iter().take(4).enumerate() { @if n > 0 { ", " } (code(address.address)) }
                        @if group.len() > 4 { " and " (group.len() - 4) " more" }
                        " of " (code(&first.hostname))
                        @if !first.in_use { " (not the hostname that applications here would use)" }
                    }
                    p { (safe(sentence(&first.reason))) }
                    ol.steps {
                        @let hops = text::way(&first.trace);
                        @if !hops.is_empty() { li { "path: " @for (n, hop) in hops.iter().enumerate() { @if n > 0 { " → " } (code(hop)) } } }
                        (steps(&first.trace))
                    }
                }
            }
        }
    }
}

/// The steps after those that lead to the routes.
fn steps(trace: &Trace) -> Markup {
    html! {
        @if let Some(RoutingStep::SameSubnet(cidr)) = &trace.routing {
            li { "within its own subnet " (code(cidr)) ": no route table applies" }
        }
        @if let Some(route) = trace.winner() { li { "wins: " (code(words::matched(route))) } }
        @for loser in trace.losers() {
            li.lost { "over: " (code(words::matched(&loser.matched))) " (" (words::lost_by(loser.lost_by)) ")" }
        }
        @if let Some(EndpointInterfaceStep { interface, endpoint }) = &trace.endpoint {
            li { (code(interface)) " of interface endpoint " (code(endpoint)) }
        }
        @if let Some(ProxyStep { variable, proxy }) = &trace.proxy {
            li { (code(variable)) " sends requests to " (code(proxy)) }
        }
        @for message in trace.testimony() { li { "reported by the service: " (safe(message)) } }
        @if let Some(statements) = words::statements(trace) {
            li { "DynamoDB says of the request: " (safe(&statements)) }
        }
    }
}
