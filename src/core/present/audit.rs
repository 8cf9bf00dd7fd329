//! Every subnet of every VPC in a table, then what stands in the way.

use super::{
    findings,
    page::{INDENT, Page},
    words::{self, BOLD},
};
use crate::model::{
    Audit, Finding, FindingCode, Outcome, Path, PathKind, RouteTableId, SubnetAudit, VpcId, WithoutEndpoint,
    addresses_in, grouped,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// The audit for people: worst VPC first, worst subnet first.
pub fn audit(audit: &Audit) -> String {
    let page = &mut Page::default();
    let on_net = audit.subnets.iter().filter(|subnet| subnet.outcome == Outcome::OnNet).count();
    page.styled(words::outcome_style(audit.outcome), words::outcome(audit.outcome)).to(INDENT);
    let answer = match audit.subnets.len() {
        0 => format!("no subnet could be judged for {}", audit.service),
        all => format!("{on_net} of {all} subnets are on-net for {}", audit.service),
    };
    page.wrapped(INDENT, &answer);
    let widths = Widths::of(&audit.subnets);
    for (vpc, subnets) in by_vpc(&audit.subnets) {
        page.gap().styled(BOLD, vpc);
        table(page, &subnets, &widths);
    }
    if let Some(cost) = &audit.nat_cost {
        page.gap().label("NAT cost").wrapped(INDENT, &words::nat_cost(cost));
    }
    let shared = shared_findings(audit);
    if !audit.findings.is_empty() || !shared.is_empty() {
        page.gap().put("findings").end();
    }
    for finding in &audit.findings {
        findings::finding(page, finding, &[]);
    }
    for (finding, subnets) in &shared {
        findings::finding(page, finding, subnets);
    }
    findings::more(page, audit.findings.first().or_else(|| shared.first().map(|(finding, _)| *finding)));
    std::mem::take(page).finish()
}

fn by_vpc(subnets: &[SubnetAudit]) -> Vec<(&VpcId, Vec<&SubnetAudit>)> {
    let mut vpcs: BTreeMap<&VpcId, Vec<&SubnetAudit>> = BTreeMap::new();
    for subnet in subnets {
        vpcs.entry(&subnet.vpc).or_default().push(subnet);
    }
    let mut vpcs: Vec<_> = vpcs.into_iter().collect();
    for (_, subnets) in &mut vpcs {
        subnets.sort_by_key(|subnet| (Reverse(subnet.outcome), &subnet.subnet));
    }
    vpcs.sort_by_key(|(id, subnets)| (Reverse(subnets.iter().map(|subnet| subnet.outcome).max()), *id));
    vpcs
}

/// How wide the columns are, the same for every VPC.
struct Widths {
    subnet: usize,
    table: usize,
    covered: usize,
}

impl Widths {
    fn of(subnets: &[SubnetAudit]) -> Self {
        let widest = |text: fn(&SubnetAudit) -> String| {
            subnets.iter().map(|subnet| text(subnet).chars().count()).max().unwrap_or(0)
        };
        Self { subnet: widest(|subnet| subnet.subnet.to_string()), table: widest(table_of), covered: widest(covered) }
    }
}

/// The rest of the VPC's line, which heads the columns, and a row for each subnet.
fn table(page: &mut Page, subnets: &[&SubnetAudit], widths: &Widths) {
    let second = 2 + "undetermined".len() + 2;
    let third = second + widths.subnet + 2;
    let fourth = third + widths.table + 2;
    let fifth = fourth + widths.covered + 2;
    page.to(second).put("subnet").to(third).put("route table").to(fourth).put("on-net").to(fifth).put("through").end();
    for subnet in subnets {
        page.put("  ").styled(words::outcome_style(subnet.outcome), words::outcome(subnet.outcome));
        page.to(second).put(&subnet.subnet).to(third).put(table_of(subnet));
        page.to(fourth).put(covered(subnet)).to(fifth).put(ways(subnet));
        if let Some(answer) = &subnet.without_endpoint {
            page.put("; ").put(fails(answer));
        }
        page.end();
    }
}

fn table_of(subnet: &SubnetAudit) -> String {
    match (&subnet.route_table, subnet.association) {
        (Some(table), Some(association)) => format!("{table} ({})", association.name()),
        (Some(table), None) => table.to_string(),
        (None, _) => "table not known".to_owned(),
    }
}

/// `6,144 of 6,144`: the addresses of the prefix list that a DynamoDB endpoint carries.
fn covered(subnet: &SubnetAudit) -> String {
    let count = |on_net: bool| {
        let ranges = subnet.coverage.iter().filter(|range| !on_net || range.verdict.is_on_net());
        grouped(addresses_in(ranges.map(|range| &range.cidr)))
    };
    match subnet.coverage.as_slice() {
        [] => "coverage not known".to_owned(),
        _ => format!("{} of {}", count(true), count(false)),
    }
}

/// Where the list goes, each path once, the one that takes most first.
fn ways(subnet: &SubnetAudit) -> String {
    const MOST: usize = 3;
    let mut ways: BTreeMap<String, u64> = BTreeMap::new();
    for range in &subnet.coverage {
        let way = range.verdict.path().map_or_else(|| words::brief(&range.verdict), |path| path.target.to_string());
        let sum = ways.entry(way).or_default();
        *sum = sum.saturating_add(addresses_in([&range.cidr]));
    }
    let mut ways: Vec<(String, u64)> = ways.into_iter().collect();
    ways.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let more = ways.len().saturating_sub(MOST);
    let named: Vec<String> = ways.into_iter().take(MOST).map(|(way, _)| way).collect();
    if more > 0 { format!("{} and {more} more", named.join(", ")) } else { named.join(", ") }
}

/// What would take over if the endpoint were deleted, in a few words.
fn fails(answer: &WithoutEndpoint) -> String {
    match answer {
        WithoutEndpoint::Open { paths } => {
            let way = |path: &Path| {
                let needs_public = path.kind() == PathKind::InternetGateway;
                format!("{}{}", path.target, if needs_public { " where the source has a public address" } else { "" })
            };
            format!("fails open to {}", paths.iter().map(way).collect::<Vec<_>>().join(", "))
        }
        WithoutEndpoint::Closed => "fails closed".to_owned(),
        WithoutEndpoint::Unknown { .. } => "if deleted: not known".to_owned(),
    }
}

/// One finding of a route table, and the subnets that have it. Subnets of one table share their findings and their fix. A missing
/// fact is reported once, and not for a subnet if the whole audit lacks it.
fn shared_findings(audit: &Audit) -> Vec<(&Finding, Vec<String>)> {
    let of_audit: BTreeSet<Key<'_>> = audit.findings.iter().filter_map(lack).collect();
    let mut order: Vec<(&Finding, Vec<String>)> = Vec::new();
    let mut at: BTreeMap<Key<'_>, usize> = BTreeMap::new();
    for subnet in &audit.subnets {
        for finding in &subnet.findings {
            let fault = || Key::Fault(finding.code, &subnet.vpc, subnet.route_table.as_ref(), finding.fix.as_deref());
            let key = lack(finding).unwrap_or_else(fault);
            if of_audit.contains(&key) {
                continue;
            }
            let index = *at.entry(key).or_insert(order.len());
            if index == order.len() {
                order.push((finding, Vec::new()));
            }
            order[index].1.push(subnet.subnet.to_string());
        }
    }
    order.sort_by_key(|(finding, _)| Reverse(finding.severity));
    order
}

/// What makes two findings the same to people.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Fault(FindingCode, &'a VpcId, Option<&'a RouteTableId>, Option<&'a str>),
    /// By the command that gets the fact, or by why it is missing.
    Lack(FindingCode, &'a str),
}

/// The key of a fact that is missing; `None` of another finding.
fn lack(finding: &Finding) -> Option<Key<'_>> {
    const LACKS: [FindingCode; 6] = [
        FindingCode::MissingFact,
        FindingCode::MissingPermission,
        FindingCode::NoCredentials,
        FindingCode::FactsDisagree,
        FindingCode::StaleEvidence,
        FindingCode::SettingsInvalid,
    ];
    let why = || finding.message.split_once(": ").map_or(finding.message.as_str(), |(_, why)| why);
    let key = || Key::Lack(finding.code, finding.fix.as_deref().unwrap_or_else(why));
    LACKS.contains(&finding.code).then(key)
}
