//! `ip route get` for a VPC: the winner, every loser, and why it lost.

use super::{
    page::{INDENT, Page},
    words,
};
use crate::model::{Destination, Drop, Explanation, Origin, RouteState, Verdict};

/// The explanation for people. Answer first.
pub fn explanation(explanation: &Explanation) -> String {
    let Explanation {
        address,
        subnet,
        route_table,
        association,
        verdict,
        route,
        losers,
        reason,
        endpoint_state: _,
        may_be_remote: _,
    } = explanation;
    let page = &mut Page::default();
    let word = match verdict {
        Verdict::Via(_) => "via",
        Verdict::Dropped(_) | Verdict::Ambiguous(_) | Verdict::Undetermined(_) => words::verdict(verdict),
    };
    page.styled(words::verdict_style(verdict), word).to(INDENT).wrapped(INDENT, reason);
    page.label("packet").put(format_args!("from {subnet} to {address}")).end();
    if let (Some(table), Some(association)) = (route_table, association) {
        page.label("table").put(format_args!("{table} ({})", association.name())).end();
    }
    if let Some(route) = route {
        page.label("wins");
        if let Destination::PrefixList(list) = &route.destination {
            page.put(list).put(" ");
        }
        page.put(route.prefix).put(" → ").put(target(verdict));
        page.note(INDENT, format_args!("({}, {})", origin(&route.origin), state(&route.state))).end();
    }
    for loser in losers {
        page.label("loses").put(words::matched(&loser.matched));
        page.note(INDENT, format_args!("({})", words::lost_by(loser.lost_by))).end();
    }
    match verdict {
        Verdict::Ambiguous(tied) => {
            for path in tied {
                page.label("tied").put(path).end();
            }
        }
        Verdict::Undetermined(missing) => {
            for (at, fact) in missing.iter().enumerate() {
                page.label("missing").wrapped(INDENT, &fact.to_string());
                let command = fact.why.command();
                let is_last = missing[at + 1..].iter().all(|other| other.why.command() != command);
                if let Some(command) = command.filter(|_| is_last) {
                    page.to(INDENT + 2).put(command).end();
                }
            }
        }
        Verdict::Via(path) => {
            if let Some(service) = &path.service {
                page.label("service").put(service).end();
            }
        }
        Verdict::Dropped(_) => {}
    }
    std::mem::take(page).finish()
}

fn target(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Via(path) => path.target.to_string(),
        Verdict::Dropped(Drop::Blackhole { target }) => target.to_string(),
        Verdict::Dropped(Drop::NoPublicAddress { target }) => target.to_string(),
        Verdict::Dropped(Drop::NoRoute | Drop::NoKernelRoute { .. })
        | Verdict::Ambiguous(_)
        | Verdict::Undetermined(_) => words::brief(verdict),
    }
}

/// What made the route, in words.
fn origin(origin: &Origin) -> &str {
    match origin {
        Origin::CreateRouteTable => "came with the table",
        Origin::CreateRoute => "static",
        Origin::EnableVgwRoutePropagation => "propagated by a virtual private gateway",
        Origin::Advertisement => "advertised by a route server",
        Origin::Absent => "of unknown origin",
        Origin::Other(word) => word,
    }
}

fn state(state: &RouteState) -> &str {
    match state {
        RouteState::Active => "active",
        RouteState::Blackhole => "blackhole",
        RouteState::Filtered => "filtered",
        RouteState::Absent => "without a state",
        RouteState::Other(word) => word,
    }
}
