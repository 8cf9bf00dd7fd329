//! The report for people: the answer, what it rests on, how long it took, what to do.

use super::{
    findings,
    page::{INDENT, Page},
    words,
};
use crate::model::{
    AddressReport, CoverageRange, EgressStep, EndpointInterfaceStep, Gap, InstanceSummary, InterfaceId,
    InterfaceReport, Observed, Probe, ProxyStep, Report, RouteTableId, RoutingStep, Seconds, SubnetId, Trace, VpcId,
    grouped,
};
use std::net::IpAddr;

/// More diverted ranges than this are counted, not listed.
const MOST_RANGES: usize = 12;

/// The report for people. Answer first.
pub fn text(report: &Report) -> String {
    let page = &mut Page::default();
    answer(page, report);
    names(page, report);
    if !report.addresses.is_empty() {
        page.gap();
    }
    let groups = groups(&report.addresses);
    let in_use = groups.iter().filter(|group| group[0].in_use).count();
    let decided = report.deciding_address().filter(|_| in_use > 1);
    for group in &groups {
        address(page, group, decided.is_some_and(|decided| group.contains(&decided)));
    }
    coverage(page, report);
    without_endpoint(page, report);
    if let Some(shared) = &report.snapshot.vpc.shared {
        page.label("facts").wrapped(INDENT, &words::shared_facts(shared, report.taken_at));
    }
    if let Some(cost) = &report.nat_cost {
        page.label("NAT cost").wrapped(INDENT, &words::nat_cost(cost));
    }
    for policy in &report.endpoint_policies {
        page.label("policy").wrapped(INDENT, &words::endpoint_policy(policy));
    }
    gates(page, report);
    probes(page, report);
    if !report.findings.is_empty() {
        page.gap().put("findings").end();
        for finding in &report.findings {
            findings::finding(page, finding, &[]);
        }
    }
    findings::more(page, report.findings.first());
    if report.findings.iter().any(|finding| finding.fix.is_some()) {
        page.label("verify").put("onnet check").end();
    }
    std::mem::take(page).finish()
}

fn answer(page: &mut Page, report: &Report) {
    let word = words::outcome(report.outcome);
    page.styled(words::outcome_style(report.outcome), word).to(INDENT).wrapped(INDENT, &report.summary);
    page.label("proof").wrapped(INDENT, words::proof(report));
    if let Some(instance) = &report.instance {
        page.label("instance").flowed(INDENT, " · ", place(instance));
    }
    page.label("collected").put(report.taken_at).put(" in ").put(report.snapshot.took).end();
    if let Some(age) = control(report) {
        let asked =
            if age == Seconds::default() { "now".to_owned() } else { format!("{age} ago, and not asked again") };
        page.label("control").wrapped(INDENT, &format!("denied by DynamoDB as it should be: asked {asked}"));
    }
}

/// The names, where there are several or a setting chose one.
fn names(page: &mut Page, report: &Report) {
    if report.names.len() < 2 && report.names.iter().all(|name| name.chosen_by.is_empty()) {
        return;
    }
    page.gap();
    let width = report.names.iter().map(|name| words::outcome(name.outcome).len()).max().unwrap_or(0);
    for (n, name) in report.names.iter().enumerate() {
        page.label(if n == 0 { "names" } else { "" });
        page.styled(words::outcome_style(name.outcome), words::outcome(name.outcome)).to(INDENT + width + 2);
        page.put(&name.hostname).note(INDENT + width + 2, format_args!("({})", words::name(name))).end();
    }
}

/// How long before the round the control was asked; nothing if in the round itself.
fn control(report: &Report) -> Option<Seconds> {
    let mut controls = report.snapshot.statements.iter().filter_map(|attempt| match &attempt.statement {
        Observed::Seen { value, at, .. } if value.is_control => Some(*at),
        Observed::Seen { .. } | Observed::Unseen(_) => None,
    });
    controls.next().map(|at| report.taken_at.since(at).into())
}

/// Where the instance stands, as far as it is known.
fn place(instance: &InstanceSummary) -> Vec<&str> {
    let InstanceSummary { id, region, interface, subnet, vpc, route_table } = instance;
    let known = [
        interface.as_ref().map(InterfaceId::as_str),
        subnet.as_ref().map(SubnetId::as_str),
        vpc.as_ref().map(VpcId::as_str),
        route_table.as_ref().map(RouteTableId::as_str),
    ];
    [id.as_str(), region.as_str()].into_iter().chain(known.into_iter().flatten()).collect()
}

/// Addresses with the same verdict, reported together: DNS may answer with dozens.
pub(super) fn groups(addresses: &[AddressReport]) -> Vec<Vec<&AddressReport>> {
    let mut groups: Vec<Vec<&AddressReport>> = Vec::new();
    for address in addresses {
        match groups.iter_mut().find(|group| alike(group[0], address)) {
            Some(group) => group.push(address),
            None => groups.push(vec![address]),
        }
    }
    groups
}

fn alike(a: &AddressReport, b: &AddressReport) -> bool {
    (&a.hostname, a.in_use, &a.verdict) == (&b.hostname, b.in_use, &b.verdict) && a.trace.has_steps_of(&b.trace)
}

fn address(page: &mut Page, group: &[&AddressReport], decides: bool) {
    let first = group[0];
    let word = words::verdict(&first.verdict);
    page.label("address").flowed(INDENT, ", ", group.iter().map(|report| report.address));
    page.to(INDENT).styled(words::verdict_style(&first.verdict), word).put("  ").put(&first.hostname);
    if !first.in_use {
        page.note(INDENT, "(not the name applications here would use)");
    }
    if decides {
        page.note(INDENT, "(decides the outcome)");
    }
    page.end();
    let reason = first.reason.as_str();
    page.to(INDENT).wrapped(INDENT, reason);
    let mut way = way(&first.trace);
    if !way.is_empty() {
        way.extend(first.verdict.path().map(|path| path.target.as_str().to_owned()));
        page.label("  path").flowed(INDENT, " → ", way);
    }
    steps(page, &first.trace);
}

/// Device, network interface, subnet, table: the steps that lead to the routes.
pub(super) fn way(trace: &Trace) -> Vec<String> {
    let first = trace.egress.as_ref().map(|egress| match egress {
        EgressStep::Kernel { device, source: Some(source), .. } => format!("{device} ({source})"),
        EgressStep::Kernel { device, source: None, .. } => device.to_string(),
        EgressStep::Assumed(step) => format!("--interface {}", step.interface),
    });
    let interface = trace.interface().map(|step| [step.interface.to_string(), step.subnet.to_string()]);
    let table = trace.table().map(|(table, association)| format!("{table} ({})", association.name()));
    first.into_iter().chain(interface.into_iter().flatten()).chain(table).collect()
}

/// The steps that have a line of their own.
fn steps(page: &mut Page, trace: &Trace) {
    if let Some(RoutingStep::SameSubnet(cidr)) = &trace.routing {
        page.label("  local").wrapped(INDENT, &format!("within its own subnet {cidr}: no route table applies"));
    }
    if let Some(route) = trace.winner() {
        page.label("  wins").put(words::matched(route)).end();
    }
    for loser in trace.losers() {
        page.label("  over").put(words::matched(&loser.matched));
        page.note(INDENT, format_args!("({})", words::lost_by(loser.lost_by))).end();
    }
    if let Some(EndpointInterfaceStep { interface, endpoint }) = &trace.endpoint {
        page.label("  owner").wrapped(INDENT, &format!("{interface} of interface endpoint {endpoint}"));
    }
    if let Some(ProxyStep { variable, proxy }) = &trace.proxy {
        page.label("  proxy").wrapped(INDENT, &format!("{variable} sends it to {proxy}"));
    }
    for message in trace.testimony() {
        page.label("  answer").wrapped(INDENT, &format!("from DynamoDB: {message}"));
    }
    if let Some(statements) = words::statements(trace) {
        page.label("  witness").wrapped(INDENT, &format!("DynamoDB says of the request: {statements}"));
    }
}

fn coverage(page: &mut Page, report: &Report) {
    let Some(summary) = report.coverage_summary else { return };
    let of = |part, all, what| format!("{} of {} {what}", grouped(part), grouped(all));
    let addresses = summary.counted().map(|(on_net, all)| format!(", {}", of(on_net, all, "addresses")));
    let cidrs = of(summary.cidrs_on_net, summary.cidrs, "CIDRs");
    let covered = format!("{cidrs}{} through", addresses.unwrap_or_default());
    let by = targets(&report.coverage);
    let by = if by.is_empty() { "a DynamoDB endpoint".to_owned() } else { by.join(", ") };
    page.gap().label("coverage").wrapped(INDENT, &format!("{covered} {by}"));
    let elsewhere: Vec<&CoverageRange> = report.coverage.iter().filter(|range| !range.verdict.is_on_net()).collect();
    if let [first, rest @ ..] = elsewhere.as_slice()
        && !rest.is_empty()
        && elsewhere.len() == report.coverage.len()
        && rest.iter().all(|range| range.verdict == first.verdict)
    {
        page.to(INDENT).styled(words::verdict_style(&first.verdict), words::verdict(&first.verdict));
        page.put("  all: ").wrapped(INDENT, &words::brief(&first.verdict));
        return;
    }
    let width = elsewhere.iter().map(|range| range.cidr.to_string().len()).max().unwrap_or(0);
    for range in elsewhere.iter().take(MOST_RANGES) {
        page.to(INDENT).put(range.cidr).to(INDENT + width + 2);
        page.styled(words::verdict_style(&range.verdict), words::verdict(&range.verdict)).put("  ");
        page.wrapped(INDENT + width + 2, &words::brief(&range.verdict));
    }
    let unlisted = elsewhere.len().saturating_sub(MOST_RANGES);
    if unlisted > 0 {
        page.to(INDENT).put(format_args!("and {} more ranges (all in --format json)", grouped(unlisted as u64)));
        page.end();
    }
}

/// What else lets requests through or stops them.
fn gates(page: &mut Page, report: &Report) {
    let width = report.gates.iter().map(|gate| words::gate_state(gate.state).len()).max().unwrap_or(0);
    for (place, gate) in report.gates.iter().enumerate() {
        page.label(if place == 0 { "gates" } else { "" });
        let second = INDENT + width + 2;
        page.styled(words::gate_style(gate.state), words::gate_state(gate.state)).to(second);
        page.wrapped(second, &gate.to_string());
    }
}

/// What would happen if the endpoint were deleted.
fn without_endpoint(page: &mut Page, report: &Report) {
    let Some(answer) = &report.without_endpoint else { return };
    if report.coverage_summary.is_none() {
        page.gap();
    }
    page.label("if deleted").wrapped(INDENT, &words::without_endpoint(answer));
}

/// Every network interface of the instance: `onnet check --all-interfaces`.
pub fn interfaces(report: &Report) -> String {
    let page = &mut Page::default();
    page.gap().put("network interfaces").end();
    if report.interfaces.is_empty() {
        page.put("  not known").end();
    }
    let words = |one: &InterfaceReport| words::outcome(one.outcome);
    let width = report.interfaces.iter().map(|one| words(one).len()).max().unwrap_or(0);
    let second = 2 + width + 2;
    for one in &report.interfaces {
        page.put("  ").styled(words::outcome_style(one.outcome), words(one)).to(second);
        page.put(&one.interface).put(if one.in_use { " (in use)  " } else { "  " });
        page.wrapped(second, &words::some_addresses(one));
        let table = one.route_table.as_ref().map_or("table not known", RouteTableId::as_str);
        page.to(second).wrapped(second, &format!("{} → {table}: {}", one.subnet, one.reason));
    }
    page.put("  ").wrapped(2, words::BRANCHES);
    std::mem::take(page).finish()
}

/// The DynamoDB endpoints that carry some of the list.
pub(super) fn targets(coverage: &[CoverageRange]) -> Vec<&str> {
    let mut targets: Vec<&str> = Vec::new();
    for path in coverage.iter().filter_map(|range| range.verdict.path()).filter(|path| path.is_dynamodb_endpoint) {
        if !targets.contains(&path.target.as_str()) {
            targets.push(path.target.as_str());
        }
    }
    targets
}

fn probes(page: &mut Page, report: &Report) {
    if !report.snapshot.probes.is_empty() || !report.probes.is_empty() {
        page.gap();
    }
    for probe in &report.probes {
        self::probe(page, probe);
    }
    for (addresses, gap) in not_made(report) {
        page.label("probe").flowed(INDENT, ", ", addresses);
        page.to(INDENT).wrapped(INDENT, &gap.to_string());
    }
}

/// The probes that were not made, by the reason.
pub(super) fn not_made(report: &Report) -> Vec<(Vec<IpAddr>, &Gap)> {
    let not_made = report.snapshot.probes.iter().filter_map(|attempt| match &attempt.probe {
        Observed::Seen { .. } => None,
        Observed::Unseen(gap) => Some((attempt.address, gap)),
    });
    let mut gaps: Vec<(Vec<IpAddr>, &Gap)> = Vec::new();
    for (address, gap) in not_made {
        match gaps.iter_mut().find(|(_, known)| *known == gap) {
            Some((addresses, _)) => addresses.push(address),
            None => gaps.push((vec![address], gap)),
        }
    }
    gaps
}

fn probe(page: &mut Page, probe: &Probe) {
    let Probe { kind, address, local, result, failed_in, detail, phases, total, request_id, .. } = probe;
    let style = if result.reached_service() { words::GOOD } else { words::BAD };
    page.label("probe").put(format_args!("{} to {address}", words::probe(*kind)));
    if let Some(local) = local {
        page.put(format_args!(" from {}", local.ip()));
    }
    let took = format!(" in {total}");
    page.put(":").space_for(INDENT, result.name().len() + took.chars().count()).styled(style, result).put(took);
    if let Some(phase) = failed_in {
        page.note(INDENT, format_args!("in phase {phase}"));
    }
    page.end();
    let phases: Vec<String> = phases.reached().map(|(phase, took)| format!("{phase} {took}")).collect();
    if !phases.is_empty() {
        page.to(INDENT).flowed(INDENT, " · ", phases);
    }
    if let Some(detail) = detail {
        page.to(INDENT).wrapped(INDENT, detail);
    }
    if let (Some(id), false) = (request_id, *result == crate::model::ProbeResult::Ok) {
        page.to(INDENT).put(format_args!("request id {id}")).end();
    }
}
