//! What a scenario expects of its report.

use onnet_core::model::{
    AddressReport, CoverageRange, CoverageSummary, Decision, Drop, FindingCode, Gate, GateState, InterfaceReport,
    NameReport, Outcome, Path, PathTarget, PolicyAction, PolicyDecision, ProofLevel, Report, Severity, Verdict,
    WithoutEndpoint,
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// What the report must have.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    outcome: Outcome,
    /// Exactly these, in any order, each once.
    findings: BTreeSet<FindingText>,
    proof: Option<ProofLevel>,
    decided_by: Option<String>,
    /// Every address, in the report's order.
    addresses: Vec<String>,
    coverage: Option<String>,
    /// Every name: `streams.dynamodb.us-east-1.amazonaws.com streams off_net (apart)`.
    names: Option<Vec<String>>,
    /// Every network interface: `eni-0a 172.31.16.10 on_net (in use)`.
    interfaces: Option<Vec<String>>,
    /// `closed`, `open nat_gateway nat-0a, …`, `unknown timed_out`.
    without_endpoint: Option<String>,
    /// Some gates, among them every one that is not open: `closed dns_support of vpc-0a: enableDnsSupport is off …`.
    gates: Option<Vec<String>>,
    /// What endpoints' policies say, in the report's order: `vpce-0d dynamodb:PutItem denied`.
    policies: Option<Vec<String>>,
    /// Some of the ranges of the coverage.
    #[serde(default)]
    ranges: Vec<String>,
    /// Complete commands, each of one of the findings.
    #[serde(default)]
    fixes: Vec<String>,
    /// Parts of messages, each of one of the findings.
    #[serde(default)]
    mentions: Vec<String>,
}

/// `critical no-endpoint`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct FindingText(Severity, FindingCode);

impl TryFrom<String> for FindingText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (severity, code) =
            text.split_once(' ').ok_or_else(|| format!("{text:?}: expected `critical no-endpoint`"))?;
        let severity = serde_json::from_value(Value::from(severity)).map_err(|error| error.to_string())?;
        let code = serde_json::from_value(Value::from(code)).map_err(|error| error.to_string())?;
        Ok(Self(severity, code))
    }
}

impl Expect {
    /// The differences between `report` and the expectation.
    pub(crate) fn differences(&self, report: &Report) -> Vec<String> {
        let mut found = Vec::new();
        let mut differ = |what: &str, expected: String, is: String| {
            if expected != is {
                found.push(format!("{what}: expected {expected}\n      found {is}"));
            }
        };
        differ("outcome", self.outcome.to_string(), report.outcome.to_string());
        let findings = |all: Vec<(Severity, FindingCode)>| {
            let words: BTreeSet<String> =
                all.iter().map(|(severity, code)| format!("{} {code}", severity.name())).collect();
            list(words)
        };
        let expected = self.findings.iter().map(|FindingText(severity, code)| (*severity, *code)).collect();
        let is = report.findings.iter().map(|finding| (finding.severity, finding.code)).collect();
        differ("findings", findings(expected), findings(is));
        if let Some(proof) = self.proof {
            differ("proof", proof.name().to_owned(), report.proof.name().to_owned());
        }
        if let Some(expected) = &self.decided_by {
            differ("decided_by", expected.clone(), report.decided_by.as_ref().map_or("nothing".to_owned(), decision));
        }
        differ("addresses", list(&self.addresses), list(report.addresses.iter().map(address)));
        if let Some(expected) = &self.coverage {
            differ("coverage", expected.clone(), report.coverage_summary.as_ref().map_or("none".to_owned(), coverage));
        }
        if let Some(expected) = &self.names {
            differ("names", list(expected), list(report.names.iter().map(name)));
        }
        if let Some(expected) = &self.interfaces {
            differ("interfaces", list(expected), list(report.interfaces.iter().map(interface)));
        }
        if let Some(expected) = &self.without_endpoint {
            differ("without_endpoint", expected.clone(), without_endpoint(report.without_endpoint.as_ref()));
        }
        if let Some(expected) = &self.gates {
            let words = |gate: &Gate| format!("{} {} {}: {}", gate.state, gate.gate.name(), gate.of, gate.reason);
            let is_listed = |gate: &&Gate| gate.state != GateState::Open || expected.contains(&words(gate));
            differ("gates", list(expected), list(report.gates.iter().filter(is_listed).map(words)));
        }
        if let Some(expected) = &self.policies {
            let actions = report.endpoint_policies.iter().flat_map(|policy| {
                policy.actions.iter().map(move |action| format!("{} {}", policy.endpoint, decision_on(action)))
            });
            differ("policies", list(expected), list(actions));
        }
        let mut lacks = |what: &str, expected: &[String], is: Vec<String>, holds: fn(&str, &str) -> bool| {
            for expected in expected {
                if !is.iter().any(|is| holds(is, expected)) {
                    found.push(format!("{what}: expected {expected}\n      found {}", list(&is)));
                }
            }
        };
        lacks("ranges", &self.ranges, report.coverage.iter().map(range).collect(), |is, expected| is == expected);
        let fixes = report.findings.iter().filter_map(|finding| finding.fix.clone()).collect();
        lacks("fixes", &self.fixes, fixes, |is, expected| is == expected);
        let messages = report.findings.iter().map(|finding| finding.message.clone()).collect();
        lacks("mentions", &self.mentions, messages, |is, expected| is.contains(expected));
        found
    }
}

fn list(items: impl IntoIterator<Item: AsRef<str>>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.as_ref().to_owned()).collect();
    format!("[{}]", items.join(", "))
}

/// `52.94.0.10 off-net via nat_gateway nat-0b`.
fn address(report: &AddressReport) -> String {
    let in_use = if report.in_use { "" } else { " (not in use)" };
    format!("{} {}{in_use}", report.address, verdict(&report.verdict))
}

/// `dynamodb:PutItem denied`.
fn decision_on(action: &PolicyAction) -> String {
    let decision = match action.decision {
        PolicyDecision::Allowed => "allowed",
        PolicyDecision::Denied { .. } => "denied",
        PolicyDecision::Conditional { .. } => "conditional",
        PolicyDecision::Unknown { .. } => "unknown",
    };
    format!("{action} {decision}")
}

/// `52.94.0.10 of HOST`, `the proxy of HOST`, `the name HOST`.
fn decision(decision: &Decision) -> String {
    match decision {
        Decision::Address { hostname, address } => format!("{address} of {hostname}"),
        Decision::Proxy { hostname, .. } => format!("the proxy of {hostname}"),
        Decision::Name { hostname, .. } => format!("the name {hostname}"),
    }
}

/// `HOST regional on_net`, `HOST streams off_net (apart)`.
fn name(name: &NameReport) -> String {
    let kind = serde_json::to_value(name.kind).unwrap();
    let apart = if name.kind.takes_table_requests() { "" } else { " (apart)" };
    format!("{} {} {}{apart}", name.hostname, kind.as_str().unwrap(), name.outcome.name())
}

/// `eni-0a 172.31.16.10 on_net (in use)`.
fn interface(one: &InterfaceReport) -> String {
    let addresses = one.addresses.iter().map(ToString::to_string);
    let addresses: Vec<String> = addresses.chain(one.prefixes.iter().map(ToString::to_string)).collect();
    let in_use = if one.in_use { " (in use)" } else { "" };
    format!("{} {} {}{in_use}", one.interface, addresses.join(","), one.outcome.name())
}

fn without_endpoint(answer: Option<&WithoutEndpoint>) -> String {
    match answer {
        None => "none".to_owned(),
        Some(WithoutEndpoint::Closed) => "closed".to_owned(),
        Some(WithoutEndpoint::Open { paths }) => {
            format!("open {}", paths.iter().map(words).collect::<Vec<_>>().join(", "))
        }
        Some(WithoutEndpoint::Unknown { missing }) => {
            let reasons: BTreeSet<&str> = missing.iter().map(|missing| missing.why.reason()).collect();
            format!("unknown {}", reasons.into_iter().collect::<Vec<_>>().join(" "))
        }
    }
}

/// `52.94.2.0/23 off-net via nat_gateway nat-0b`.
fn range(range: &CoverageRange) -> String {
    format!("{} {}", range.cidr, verdict(&range.verdict))
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Via(path) if path.is_dynamodb_endpoint => format!("on-net via {}", words(path)),
        Verdict::Via(path) => format!("off-net via {}", words(path)),
        Verdict::Dropped(Drop::NoRoute) => "dropped no_route".to_owned(),
        Verdict::Dropped(Drop::Blackhole { target }) => format!("dropped blackhole {target}"),
        Verdict::Dropped(Drop::NoPublicAddress { target }) => format!("dropped no_public_address {target}"),
        Verdict::Dropped(Drop::NoKernelRoute { .. }) => "dropped no_kernel_route".to_owned(),
        Verdict::Ambiguous(tied) => format!("ambiguous {}", tied.iter().map(words).collect::<Vec<_>>().join(" or ")),
        Verdict::Undetermined(missing) => {
            let reasons: BTreeSet<&str> = missing.iter().map(|missing| missing.why.reason()).collect();
            format!("undetermined {}", reasons.into_iter().collect::<Vec<_>>().join(" and "))
        }
    }
}

fn words(path: &Path) -> String {
    match &path.target {
        PathTarget::Local => path.kind().to_string(),
        PathTarget::Other { field, value } => format!("{} {field} {value}", path.kind()),
        target => format!("{} {target}", path.kind()),
    }
}

/// `5 of 6 CIDRs, 6144 of 6656 addresses`.
fn coverage(all: &CoverageSummary) -> String {
    let CoverageSummary { cidrs, cidrs_on_net, addresses, addresses_on_net } = all;
    format!("{cidrs_on_net} of {cidrs} CIDRs, {addresses_on_net} of {addresses} addresses")
}
