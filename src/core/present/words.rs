//! The words for what the types say, the same in every text.

use crate::model::{
    Destination, Drop, EndpointPolicy, GateState, InterfaceReport, LostBy, Matched, NameReport, NatCost, NatGatewayId,
    NatRates, Observer, Outcome, PolicyDecision, ProbeKind, ProofLevel, Reply, Report, RouteState, Severity,
    SharedFacts, Timestamp, Trace, Verdict, VpcId, WITNESS_TABLE, WithoutEndpoint,
};
use anstyle::{AnsiColor, Style};
use std::time::Duration;

pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const WARN: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const FAINT: Style = Style::new().dimmed();

pub(super) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::OnNet => "on-net",
        Outcome::AtRisk => "at risk",
        Outcome::Undetermined => "undetermined",
        Outcome::Dropped => "dropped",
        Outcome::OffNet => "off-net",
    }
}

pub(super) fn outcome_style(outcome: Outcome) -> Style {
    match outcome {
        Outcome::OnNet => GOOD,
        Outcome::AtRisk | Outcome::Undetermined => WARN,
        Outcome::Dropped | Outcome::OffNet => BAD,
    }
}

pub(super) fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Info => FAINT,
        Severity::Warning => WARN,
        Severity::Critical => BAD,
    }
}

/// One verdict in the words of the outcomes.
pub(super) fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Via(path) if path.is_dynamodb_endpoint => "on-net",
        Verdict::Via(_) => "off-net",
        Verdict::Dropped(_) => "dropped",
        Verdict::Ambiguous(_) => "ambiguous",
        Verdict::Undetermined(_) => "undetermined",
    }
}

pub(super) fn verdict_style(verdict: &Verdict) -> Style {
    match verdict {
        Verdict::Via(path) if path.is_dynamodb_endpoint => GOOD,
        Verdict::Via(_) | Verdict::Dropped(_) => BAD,
        Verdict::Ambiguous(_) | Verdict::Undetermined(_) => WARN,
    }
}

pub(super) fn proof(report: &Report) -> &'static str {
    match report.proof {
        ProofLevel::Inferred if report.snapshot.vpc.shared.as_ref().is_some_and(|shared| !shared.own) => {
            "inferred: from facts that others share; the service itself has not confirmed the path"
        }
        ProofLevel::Inferred => "inferred: from the configuration alone, no probe confirms it",
        ProofLevel::Consistent => "consistent: a probe through the judged network interface was answered",
        ProofLevel::Proved => "proved: DynamoDB itself said how the request came",
    }
}

pub(super) fn probe(kind: ProbeKind) -> &'static str {
    match kind {
        ProbeKind::ListTables => "ListTables",
        ProbeKind::Health => "GET /",
    }
}

/// The path as a label where a proxy carries the traffic.
pub(super) const PROXY: &str = "proxy";
pub(super) const DROPPED: &str = "dropped";
pub(super) const AMBIGUOUS: &str = "ambiguous";
pub(super) const UNDETERMINED: &str = "undetermined";

/// The verdict as a label: the path, or why there is none.
pub(super) fn path_label(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Via(path) => path.kind().name(),
        Verdict::Dropped(_) => DROPPED,
        Verdict::Ambiguous(_) => AMBIGUOUS,
        Verdict::Undetermined(_) => UNDETERMINED,
    }
}

/// A verdict in few words, for a line of a list.
pub(super) fn brief(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Via(path) => path.to_string(),
        Verdict::Dropped(why) => dropped(why),
        Verdict::Ambiguous(tied) => {
            let tied: Vec<String> = tied.iter().map(ToString::to_string).collect();
            format!("{}: AWS does not say which", tied.join(" or "))
        }
        Verdict::Undetermined(missing) => {
            let missing: Vec<&str> = missing.iter().map(|fact| fact.what.as_str()).collect();
            format!("not known: {}", missing.join(", "))
        }
    }
}

fn dropped(why: &Drop) -> String {
    match why {
        Drop::NoRoute => "no route".to_owned(),
        Drop::Blackhole { target } => format!("blackhole: {target} is gone"),
        Drop::NoPublicAddress { target } => format!("{target}, but no public address"),
        Drop::NoKernelRoute { detail } => format!("no route on this host: {detail}"),
    }
}

/// What would become of the traffic if its endpoints were deleted.
pub(super) fn without_endpoint(answer: &WithoutEndpoint) -> String {
    match answer {
        WithoutEndpoint::Open { paths } => {
            let ways: Vec<String> = paths.iter().map(ToString::to_string).collect();
            format!("fails open: traffic would go through {}", ways.join(", "))
        }
        WithoutEndpoint::Closed => "fails closed: what the endpoint carries would be dropped".to_owned(),
        WithoutEndpoint::Unknown { missing } => {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            format!("not known: {}", missing.join(", "))
        }
    }
}

/// What NAT gateways charge for the traffic.
/// Who observed the facts of the VPC, and when.
pub(super) fn shared_facts(shared: &SharedFacts, now: Timestamp) -> String {
    let SharedFacts { table, observers, own, refused, subnets: _ } = shared;
    let observer = |(vpc, observer): (&VpcId, &Observer)| {
        let age = Duration::from_secs(now.since(observer.observed_at).as_secs());
        let signed = if observer.is_signed() { "signed" } else { "signature not checked" };
        format!("{vpc} by {}, {} before this report, {signed}", observer.publisher, humantime::format_duration(age))
    };
    let observed: Vec<String> = observers.iter().map(observer).collect();
    let what = match (observed.is_empty(), own) {
        (false, _) => format!("observed by others and read from the table {table}: {}", observed.join("; ")),
        (true, true) => format!("this instance's own; the table {table} could not be read"),
        (true, false) => format!("none from the table {table}"),
    };
    match refused {
        Some(gap) => format!("{what} (what is there now is not used: {})", gap.without_command()),
        None => what,
    }
}

pub(super) fn nat_cost(cost: &NatCost) -> String {
    /// In the mean of a year.
    const HOURS_A_MONTH: f64 = 730.0;
    let NatCost { now, if_deleted, rates: NatRates { usd_per_gb, usd_per_hour } } = cost;
    let through = |gateways: &[NatGatewayId]| match gateways {
        [one] => one.to_string(),
        several => format!("{} NAT gateways", several.len()),
    };
    let when = match (now.as_slice(), if_deleted.as_slice()) {
        ([], gateways) => format!("through {}, if the endpoint were deleted", through(gateways)),
        (gateways, []) => format!("through {}", through(gateways)),
        (gateways, later) => {
            format!("through {}, and through {} if the endpoint were deleted", through(gateways), through(later))
        }
    };
    format!(
        "about {usd_per_gb} USD for each gigabyte ({:.2} USD for 1,000) {when}; besides {usd_per_hour} USD for each hour of a NAT \
         gateway ({:.2} USD a month), whatever goes through it; estimates by --nat-usd-per-gb and --nat-usd-per-hour; a gateway \
         endpoint is free of charge",
        usd_per_gb * 1_000.0,
        usd_per_hour * HOURS_A_MONTH,
    )
}

pub(super) fn gate_state(state: GateState) -> &'static str {
    match state {
        GateState::Open => "open",
        GateState::Unknown => "unknown",
        GateState::Closed => "CLOSED",
    }
}

pub(super) fn gate_style(state: GateState) -> Style {
    match state {
        GateState::Open => GOOD,
        GateState::Unknown => WARN,
        GateState::Closed => BAD,
    }
}

/// What the policy of an endpoint says: the actions by what is said of them.
pub(super) fn endpoint_policy(policy: &EndpointPolicy) -> String {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for asked in &policy.actions {
        let said = match &asked.decision {
            PolicyDecision::Allowed => "allowed".to_owned(),
            PolicyDecision::Denied { statement: Some(statement) } => format!("denied by {statement}"),
            PolicyDecision::Denied { statement: None } => "denied, as no statement allows it".to_owned(),
            PolicyDecision::Conditional { statements } => {
                let statements: Vec<String> = statements.iter().map(ToString::to_string).collect();
                format!("conditional: {}", statements.join("; "))
            }
            PolicyDecision::Unknown { because } => format!("not known: {because}"),
        };
        let action = asked.to_string();
        let action = action.strip_prefix("dynamodb:").map_or(action.clone(), str::to_owned);
        match groups.iter_mut().find(|(known, _)| *known == said) {
            Some((_, actions)) => actions.push(action),
            None => groups.push((said, vec![action])),
        }
    }
    let text = match groups.as_slice() {
        [(said, actions)] if actions.len() > 1 => format!("all {} actions {said}", actions.len()),
        _ => {
            let groups: Vec<String> =
                groups.iter().map(|(said, actions)| format!("{} {said}", actions.join(", "))).collect();
            groups.join("; ")
        }
    };
    format!("{}: {text}", policy.endpoint)
}

/// What a table of the instance's network interfaces cannot show.
pub(super) const BRANCHES: &str = "Branch network interfaces, as pods with security groups of their own have, are not visible here: instance \
     metadata does not list them.";

/// Addresses and prefixes, of which an interface may have dozens.
pub(super) fn some_addresses(of: &InterfaceReport) -> String {
    const MOST: usize = 4;
    let addresses = of.addresses.iter().map(ToString::to_string);
    let all = addresses.chain(of.prefixes.iter().map(ToString::to_string));
    let some: Vec<String> = all.take(MOST).collect();
    match (of.addresses.len() + of.prefixes.len()).saturating_sub(MOST) {
        0 => some.join(", "),
        more => format!("{} and {more} more", some.join(", ")),
    }
}

/// How a name was chosen, and whether it counts.
pub(super) fn name(name: &NameReport) -> String {
    let counts = match (name.in_use, name.kind.takes_table_requests()) {
        (true, _) => "in use",
        (false, true) => "not the name applications here would use",
        (false, false) => "reported apart",
    };
    let by = if name.chosen_by.is_empty() { String::new() } else { format!(" by {}", name.chosen_by.join(", ")) };
    format!("{}{by}, {counts}", name.kind.words())
}

/// A route as it matched: `pl-02cd2c6b 52.94.0.0/22 → vpce-0a1b`.
pub(super) fn matched(matched: &Matched) -> String {
    let (from, to) = matched_parts(matched);
    format!("{from} → {to}")
}

/// What a route matched by, and where it leads: the two sides of its arrow.
pub(super) fn matched_parts(matched: &Matched) -> (String, String) {
    let route = &matched.route;
    let list = match &route.destination {
        Destination::Cidr(_) => String::new(),
        Destination::PrefixList(id) => format!("{id} "),
    };
    let propagated = if route.origin.is_propagated() { ", propagated" } else { "" };
    let state = match &route.state {
        RouteState::Active => String::new(),
        RouteState::Blackhole => ", blackhole".to_owned(),
        RouteState::Filtered => ", filtered".to_owned(),
        RouteState::Absent => ", without a state".to_owned(),
        RouteState::Other(word) => format!(", state {word}"),
    };
    (format!("{list}{}", matched.prefix), format!("{}{propagated}{state}", route.target.id()))
}

pub(super) fn lost_by(why: LostBy) -> &'static str {
    match why {
        LostBy::ShorterPrefix => "shorter prefix",
        LostBy::StaticOutranksPrefixList => "same length; a static route outranks a prefix list",
        LostBy::PropagatedRanksLast => "same length; a propagated route ranks last",
        LostBy::LocalBeatsPropagated => "a propagated route never beats the local route",
        LostBy::Duplicate => "same prefix, same target",
    }
}

/// What DynamoDB answered about the request, in words; `None` where it was not asked.
pub(super) fn statements(trace: &Trace) -> Option<String> {
    let what = |table: &str| {
        let about = table.strip_prefix(WITNESS_TABLE).unwrap_or(table).trim_start_matches('.');
        match about.split_once('.') {
            Some(("vpc", vpc)) => format!("through an endpoint of {vpc}"),
            Some(("from", address)) => format!("from {address} through an endpoint"),
            Some(("endpoint", endpoint)) => format!("through {endpoint}"),
            Some(_) | None => "through no endpoint".to_owned(),
        }
    };
    let replied = |wanted: &Reply| -> Vec<String> {
        trace.statements().filter(|(_, reply)| *reply == wanted).map(|(table, _)| what(table)).collect()
    };
    let mut said = Vec::new();
    for (word, statements) in [("it came", replied(&Reply::Yes)), ("it did not come", replied(&Reply::No))] {
        if !statements.is_empty() {
            said.push(format!("{word} {}", statements.join(", ")));
        }
    }
    for (table, reply) in trace.statements() {
        let unclear = match reply {
            Reply::Yes | Reply::No => continue,
            Reply::EndpointPolicy => "denied by a VPC endpoint policy".to_owned(),
            Reply::OtherPolicy { policy: Some(policy) } => format!("denied by a {policy}"),
            Reply::OtherPolicy { policy: None } => "denied by a policy that is not named".to_owned(),
            Reply::TableExists => "a table of this name exists".to_owned(),
            Reply::Failed { result } => result.to_string(),
        };
        said.push(format!("whether it came {} is not known ({unclear})", what(table)));
    }
    (!said.is_empty()).then(|| said.join("; "))
}
