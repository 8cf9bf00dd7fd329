//! What one round found besides the state of the route table.

use super::{
    address::{Judged, is_testified, probes_of},
    coverage::Coverage,
    egress::{Egress, NextHop},
    gaps::finding_of_gap,
};
use crate::model::{
    AddressReport, Device, Drop, EndpointState, Finding, FindingCode, Gap, HostRoute, Missing, NameKind, Path,
    PathKind, PathTarget, Probe, ProbeResult, ProxyVariable, ServiceName, Severity, Snapshot, Verdict,
};
use std::net::IpAddr;

/// Adds a finding unless it is there already.
pub(super) fn push(findings: &mut Vec<Finding>, finding: Finding) {
    if !findings.contains(&finding) {
        findings.push(finding);
    }
}

/// Adds a missing fact unless it is there already.
pub(super) fn add_missing(all: &mut Vec<Missing>, missing: Missing) {
    if !all.contains(&missing) {
        all.push(missing);
    }
}

fn finding(code: FindingCode, severity: Severity, message: String) -> Finding {
    Finding { code, severity, message, fix: None, caution: None }
}

/// Everything but the route table's own state: names, host, probes, and the facts that are missing.
pub(super) fn of_round(
    snapshot: &Snapshot,
    names: &[&ServiceName],
    reports: &[&AddressReport],
    missing: &[Missing],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(of_missing(snapshot, missing));
    findings.extend(of_names(snapshot, names, reports));
    findings.extend(of_proxies(snapshot, names));
    for report in reports.iter().filter(|report| report.in_use) {
        findings.extend(of_address(snapshot, report));
        findings.extend(of_probes(snapshot, report));
        findings.extend(
            contradiction(snapshot, report)
                .map(|message| finding(FindingCode::EvidenceDisagrees, Severity::Warning, message)),
        );
    }
    findings
}

/// One finding for each reason, not one for each fact: a silent API makes many facts missing.
fn of_missing(snapshot: &Snapshot, missing: &[Missing]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut explained: Vec<&Gap> = Vec::new();
    let instance = snapshot.instance.gap();
    if let Some(gap @ Gap::Settings { .. }) = instance {
        findings.push(finding_of_gap("the instance", gap, Severity::Warning));
    } else if let Some(gap) = instance {
        explained.push(gap);
        findings.push(finding(
            FindingCode::MetadataUnavailable,
            Severity::Warning,
            format!(
                "the instance metadata service could not be read ({gap}). Is this an EC2 instance? Then enable IMDSv2, with \
                 hop limit 2 for containers. If it is none: onnet explain --from DIR and onnet audit --from DIR need no \
                 instance"
            ),
        ));
    }
    if let Some(gap @ (Gap::TimedOut { .. } | Gap::Unreachable { .. })) = snapshot.vpc.route_tables.gap() {
        explained.push(gap);
        findings.push(finding(
            FindingCode::Ec2Unreachable,
            Severity::Warning,
            format!(
                "the EC2 API could not be reached ({gap}), so the route tables are not known. A subnet whose only way \
                 out is the DynamoDB gateway endpoint looks just like this and may be right: an interface endpoint for \
                 EC2 would let onnet read the routes"
            ),
        ));
    }
    // Told by `of_names`: the name servers say there is nothing.
    for resolution in snapshot.resolutions.values() {
        let absent = |gap: &&Gap| matches!(gap, Gap::NotFound { .. });
        explained.extend(resolution.ipv4.gap().into_iter().chain(resolution.ipv6.gap()).filter(absent));
    }
    for Missing { what, why } in missing {
        let reasons = findings.len();
        if explained.contains(&why) {
            continue;
        }
        // A gap that only says "because of another gap" adds nothing to the finding of that other gap.
        if matches!(why, Gap::NotTried { .. }) && reasons > 0 {
            continue;
        }
        push(&mut findings, finding_of_gap(what, why, Severity::Warning));
    }
    let facts = &snapshot.vpc;
    let others = [
        ("the route tables", facts.route_tables.gap()),
        ("the VPC endpoints", facts.vpc_endpoints.gap()),
        ("the network interfaces of interface endpoints", facts.endpoint_interfaces.gap()),
        ("DynamoDB's prefix list", facts.service_prefix_lists.gap()),
    ];
    for (what, gap) in others {
        if let Some(gap) = gap.filter(|gap| gap.iam_action().is_some())
            && !findings.iter().any(|f: &Finding| gap.iam_action().is_some_and(|action| f.message.contains(action)))
        {
            push(&mut findings, finding_of_gap(what, gap, Severity::Info));
        }
    }
    findings
}

fn of_names(snapshot: &Snapshot, names: &[&ServiceName], reports: &[&AddressReport]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in names.iter().filter(|name| name.in_use) {
        let host = &name.hostname;
        if name.kind == NameKind::Custom {
            let message = format!(
                "an endpoint URL from the environment or the profile makes SDKs here use {host}, not the regional name"
            );
            findings.push(finding(FindingCode::CustomEndpoint, Severity::Info, message));
        }
        let Some(resolution) = snapshot.resolutions.get(host) else { continue };
        if let Some(pinned) = resolution.hosts_file.seen().filter(|pinned| !pinned.is_empty()) {
            let addresses: Vec<_> = pinned.iter().map(IpAddr::to_string).collect();
            findings.push(finding(
                FindingCode::HostsFileOverride,
                Severity::Warning,
                format!(
                    "/etc/hosts pins {host} to {}, whatever DNS says: take the name out of it",
                    addresses.join(", ")
                ),
            ));
        } else if let Some(why) = unresolved(resolution, reports.iter().any(|r| r.in_use && r.hostname == *host)) {
            let message = format!("{host} does not resolve: {why}");
            findings.push(finding(FindingCode::NameNotResolved, Severity::Critical, message));
        }
    }
    if let (Some(instance), Some(region)) = (snapshot.instance.seen(), snapshot.region.seen())
        && instance.region != *region
        && names.iter().any(|name| name.in_use && name.kind != NameKind::Custom)
    {
        findings.push(finding(
            FindingCode::OtherRegion,
            Severity::Warning,
            format!(
                "SDKs here use DynamoDB in {region}, while the instance runs in {}: an endpoint serves its own Region only",
                instance.region
            ),
        ));
    }
    findings
}

/// Why a name has no address to use: the name servers say so, and not merely keep silent.
fn unresolved(resolution: &crate::model::Resolution, has_address: bool) -> Option<String> {
    match (resolution.ipv4.get(), resolution.ipv6.get()) {
        (Err(gap @ Gap::NotFound { .. }), _) => Some(gap.to_string()),
        (Ok(v4), Ok(v6)) if v4.is_empty() && v6.is_empty() => Some("it has neither A nor AAAA records".into()),
        (Ok(v4), _) if v4.is_empty() && !has_address => {
            Some("it has no A records, and no AAAA records that this instance is known to use".into())
        }
        _ => None,
    }
}

fn of_proxies(snapshot: &Snapshot, names: &[&ServiceName]) -> Vec<Finding> {
    let in_use = |host: &&String| names.iter().any(|name| name.in_use && name.hostname == **host);
    let of = |variable: &ProxyVariable| {
        let host = variable.applies_to.iter().find(in_use);
        match &variable.proxy {
            Some(proxy) => proxy_configured(&variable.variable, proxy, host),
            None => proxy_unreadable(&variable.variable, host),
        }
    };
    snapshot.proxies.iter().map(of).collect()
}

fn proxy_configured(variable: &str, proxy: &str, host: Option<&String>) -> Finding {
    let Some(host) = host else {
        let message = format!("{variable} names the proxy {proxy}; DynamoDB's name is exempt from it");
        return finding(FindingCode::ProxyConfigured, Severity::Info, message);
    };
    let message = format!(
        "{variable} sends {host} to the proxy {proxy}: SDKs that heed it never reach a VPC endpoint, whatever the routes say"
    );
    Finding { fix: Some(exempt(host)), ..finding(FindingCode::ProxyConfigured, Severity::Critical, message) }
}

/// The value is not repeated: it may hold a password.
fn proxy_unreadable(variable: &str, host: Option<&String>) -> Finding {
    let Some(host) = host else {
        let message =
            format!("{variable} holds no URL of a proxy that onnet can read; DynamoDB's name is exempt from it");
        return finding(FindingCode::ProxyUnreadable, Severity::Info, message);
    };
    let message = format!(
        "{variable} holds no URL of a proxy that onnet can read: some programs may send {host} to a proxy, others fail"
    );
    Finding { fix: Some(exempt(host)), ..finding(FindingCode::ProxyUnreadable, Severity::Warning, message) }
}

fn exempt(host: &str) -> String {
    format!("export NO_PROXY=\"${{NO_PROXY:+$NO_PROXY,}}{host}\"")
}

fn of_address(snapshot: &Snapshot, report: &AddressReport) -> Vec<Finding> {
    let mut findings = Vec::new();
    let address = report.address;
    match &report.verdict {
        Verdict::Via(Path { target: PathTarget::HostDevice(_), .. }) => {
            findings.push(finding(FindingCode::LeavesByTunnel, Severity::Critical, report.reason.clone()));
        }
        Verdict::Via(path) if may_be_remote_endpoint(report) => findings.push(finding(
            FindingCode::EndpointNotVisible,
            Severity::Warning,
            format!(
                "{address} is a private address reached by {path}; an interface endpoint in another VPC may stand behind \
                 it, which cannot be seen from here"
            ),
        )),
        Verdict::Via(Path { target: PathTarget::InterfaceEndpoint(id), .. }) => {
            let endpoints = snapshot.vpc.vpc_endpoints.seen();
            let endpoint = endpoints.and_then(|endpoints| endpoints.iter().find(|e| e.id == *id));
            if let Some(endpoint) = endpoint.filter(|e| e.state != EndpointState::Available) {
                let message = format!("{id}, which has {address}, is {}, not available", endpoint.state);
                findings.push(finding(FindingCode::EndpointNotAvailable, Severity::Warning, message));
            }
        }
        Verdict::Dropped(Drop::NoPublicAddress { .. }) => {
            findings.push(finding(FindingCode::NoPublicAddress, Severity::Critical, report.reason.clone()));
        }
        Verdict::Dropped(Drop::NoKernelRoute { .. }) => {
            findings.push(finding(FindingCode::NoRoute, Severity::Critical, report.reason.clone()));
        }
        Verdict::Dropped(Drop::NoRoute) if outside_lists(snapshot, address) => {
            findings.push(finding(FindingCode::NoRoute, Severity::Critical, report.reason.clone()));
        }
        Verdict::Dropped(Drop::Blackhole { .. }) if outside_lists(snapshot, address) => {
            findings.push(finding(FindingCode::Blackhole, Severity::Critical, report.reason.clone()));
        }
        Verdict::Via(_) | Verdict::Dropped(_) | Verdict::Ambiguous(_) | Verdict::Undetermined(_) => {}
    }
    let at_endpoint = report.trace.endpoint.as_ref().map(|step| &step.endpoint);
    if let Some(endpoint) = at_endpoint.filter(|_| report.verdict.is_off_net()) {
        let message = format!("{}, although {address} belongs to interface endpoint {endpoint}", report.reason);
        findings.push(finding(FindingCode::PartlyDiverted, Severity::Critical, message));
    }
    if at_endpoint.is_none() && outside_lists(snapshot, address) {
        findings.push(finding(
            FindingCode::AddressNotInPrefixList,
            Severity::Warning,
            format!(
                "{}{address} is neither in DynamoDB's prefix list nor an interface endpoint's: no gateway endpoint carries \
                 it",
                if report.hostname == address.to_string() { String::new() } else { format!("{}: ", report.hostname) },
            ),
        ));
    }
    findings
}

/// Whether DynamoDB's prefix lists are known and the address is in none of them.
fn outside_lists(snapshot: &Snapshot, address: IpAddr) -> bool {
    let Some(lists) = snapshot.vpc.service_prefix_lists.seen() else { return false };
    let read: Option<Vec<_>> =
        lists.iter().map(|id| snapshot.vpc.prefix_lists.get(id).and_then(|list| list.seen())).collect();
    read.is_some_and(|lists| !lists.iter().any(|list| list.entries.iter().any(|entry| entry.contains(&address))))
}

/// A private address that leaves the VPC for another network of the customer's.
pub(super) fn may_be_remote_endpoint(report: &AddressReport) -> bool {
    let private = match report.address {
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64),
        IpAddr::V6(v6) => v6.is_unique_local(),
    };
    let elsewhere =
        [PathKind::TransitGateway, PathKind::PeeringConnection, PathKind::VirtualPrivateGateway, PathKind::CoreNetwork];
    private && report.verdict.path().is_some_and(|path| elsewhere.contains(&path.kind()))
}

fn of_probes(snapshot: &Snapshot, report: &AddressReport) -> Vec<Finding> {
    let expected_to_fail = matches!(report.verdict, Verdict::Dropped(_));
    let mut findings: Vec<Finding> =
        probes_of(snapshot, report.address).filter_map(|probe| of_probe(probe, expected_to_fail)).collect();
    for attempt in snapshot.probes.iter().filter(|attempt| attempt.address == report.address) {
        // One that was not asked for is not missed.
        if let Some(gap) = attempt.probe.gap().filter(|gap| !matches!(gap, Gap::NotTried { .. })) {
            let what = format!("a probe of {}", report.address);
            findings.push(finding_of_gap(&what, gap, Severity::Info));
        }
    }
    findings
}

fn of_probe(probe: &Probe, expected_to_fail: bool) -> Option<Finding> {
    let Probe { address, result, .. } = probe;
    let detail = probe.detail.as_deref().map_or(String::new(), |detail| format!(" ({detail})"));
    if !result.reached_service() {
        let severity = if expected_to_fail { Severity::Info } else { Severity::Warning };
        let phase = probe.failed_in.map_or(String::new(), |phase| format!(" in phase {phase}"));
        let message = format!("the probe of {address} failed{phase}: {result}{detail}");
        return Some(finding(FindingCode::ProbeFailed, severity, message));
    }
    let (code, said) = if *result == ProbeResult::Ok {
        return None;
    } else if *result == ProbeResult::AccessDenied {
        (FindingCode::AccessDenied, "denied the call".to_owned())
    } else if *result == ProbeResult::Credentials {
        (FindingCode::NoCredentials, "does not accept the credentials".to_owned())
    } else {
        (FindingCode::ProbeFailed, format!("said {result}"))
    };
    let message = format!("DynamoDB at {address} answered and {said}: the path works{detail}");
    Some(finding(code, Severity::Info, message))
}

/// What packets or the service say against the configuration's verdict.
pub(super) fn contradiction(snapshot: &Snapshot, report: &AddressReport) -> Option<String> {
    let address = report.address;
    let answered = probes_of(snapshot, address).find(|probe| probe.result.reached_service());
    if matches!(report.verdict, Verdict::Dropped(_)) && answered.is_some() {
        return Some(format!("by its route packets to {address} are dropped, and yet a probe was answered"));
    }
    if is_testified(snapshot, address) && report.verdict.is_off_net() {
        return Some(format!(
            "{}, and yet DynamoDB says the request came through a VPC endpoint: a NAT gateway whose own subnet uses one \
             would explain it",
            report.reason
        ));
    }
    let source = report.trace.kernel_source()?;
    let local = probes_of(snapshot, address).filter_map(|probe| probe.local).find(|local| local.ip() != source)?;
    Some(format!("the kernel would send from {source} to {address}, but a probe went out from {}", local.ip()))
}

/// Routes of the kernel that lead part of the covered list to another device than the one that was judged, or to another
/// host.
pub(super) fn host_routes(snapshot: &Snapshot, coverages: &[Coverage<'_>], judged: &[&Judged<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (egress, route) in routes_within(snapshot, coverages, judged) {
        let to = match (&route.device, route.gateway) {
            (None, _) => "nowhere".to_owned(),
            (Some(device), Some(gateway)) if egress.next_hop(gateway) == NextHop::AnotherHost => {
                format!("next hop {gateway} by device {}", device.name)
            }
            (Some(device), _) if is_of(device, egress) => continue,
            (Some(device), None) => format!("device {}", device.name),
            (Some(device), Some(gateway)) => format!("next hop {gateway} by device {}", device.name),
        };
        let message = format!(
            "the kernel's own route {} leads part of DynamoDB's prefix list to {to}, not to the VPC's router by {}",
            route.destination, egress.interface.id
        );
        push(&mut findings, finding(FindingCode::HostRouteDiverts, Severity::Warning, message));
    }
    findings
}

/// Next hops of the kernel's own routes for parts of the covered list that may be other hosts than the VPC's router.
pub(super) fn unknown_next_hops(
    snapshot: &Snapshot,
    coverages: &[Coverage<'_>],
    judged: &[&Judged<'_>],
) -> Vec<Missing> {
    let unknown = |(egress, route): (&Egress<'_>, &HostRoute)| {
        let gateway = route.gateway?;
        let NextHop::Unknown(gap) = egress.next_hop(gateway) else { return None };
        let (destination, subnet) = (&route.destination, &egress.interface.subnet);
        let what =
            format!("whether {gateway}, where the kernel's route {destination} leads, is the router of {subnet}");
        Some(Missing::new(what, gap))
    };
    routes_within(snapshot, coverages, judged).into_iter().filter_map(unknown).collect()
}

/// The kernel's own routes for parts of the covered list, each with where an address in use leaves.
fn routes_within<'a, 's>(
    snapshot: &'a Snapshot,
    coverages: &[Coverage<'s>],
    judged: &[&'a Judged<'s>],
) -> Vec<(&'a Egress<'s>, &'a HostRoute)> {
    let routes = snapshot.host_routes.seen().filter(|_| snapshot.assumed_interface.is_none());
    let mut within = Vec::new();
    for judged in judged.iter().filter(|judged| judged.report.in_use) {
        let Some((egress, (table, _))) = judged.egress.as_ref().zip(judged.table) else { continue };
        let Some(coverage) = coverages.iter().find(|coverage| coverage.table.id == table.id) else { continue };
        let overlaps = |route: &HostRoute| {
            let mut ranges = coverage.ranges.iter().map(|range| range.cidr);
            ranges.any(|cidr| route.destination.contains(&cidr) || cidr.contains(&route.destination))
        };
        within.extend(routes.into_iter().flatten().filter(|route| overlaps(route)).map(|route| (egress, route)));
    }
    within
}

fn is_of(device: &Device, egress: &Egress<'_>) -> bool {
    device.mac.as_ref() == Some(&egress.interface.mac)
}
