//! One address judged: from the kernel's device to the winning route.

use super::{
    egress::{Egress, egress, require_public_ipv4},
    explain::{losers, matched, undetermined, winner},
    lookup::{Selection, is_nat64, select},
    own_requests::contradiction,
    path::Reader,
    subnet::whole_table_of,
    testimony::{self, Said, Weighed},
};
use crate::model::{
    AddressReport, AssociationKind, Beyond, Drop, EndpointInterfaceStep, Gap, Interface, LostBy, Missing, Observed,
    Path, PathKind, PathTarget, Probe, ProxyStep, ProxyVariable, RouteTable, RoutingStep, Snapshot, SubnetId, Target,
    Testimony, Trace, Verdict, Witness,
};
use std::{collections::HashSet, fmt, net::IpAddr};

/// An address judged, and where its packets leave.
pub(super) struct Judged<'s> {
    pub(super) report: AddressReport,
    pub(super) egress: Option<Egress<'s>>,
    /// The route table of the subnet it goes through: the address itself obeys none if it lies in that subnet.
    pub(super) table: Option<(&'s RouteTable, AssociationKind)>,
    /// What DynamoDB said of requests to it.
    pub(super) said: Said,
    /// What stands before the endpoint that DynamoDB testified to.
    pub(super) hop: Option<Path>,
    /// What packets or DynamoDB said against the configuration: the verdict cannot be relied on.
    pub(super) against: Option<String>,
    /// What the configuration said, where DynamoDB's word counts and contradicts it.
    pub(super) overruled: Option<String>,
}

impl Judged<'_> {
    /// Whether it lies in the subnet that it goes through, where no route table applies.
    pub(super) fn is_in_own_subnet(&self) -> bool {
        matches!(self.report.trace.routing, Some(RoutingStep::SameSubnet(_)))
    }

    /// Whether only DynamoDB's own word says that an endpoint carries it.
    pub(super) fn is_testified_endpoint(&self) -> bool {
        self.report.verdict.path().is_some_and(|path| path.kind() == PathKind::VpcEndpointTestified)
    }

    /// Whether it may: the ranges of that subnet may not be known.
    pub(super) fn may_be_in_own_subnet(&self) -> bool {
        let unknown = |egress: &Egress<'_>| egress.interface.subnet_cidrs.gap().is_some();
        self.is_in_own_subnet() || self.egress.as_ref().is_some_and(unknown)
    }
}

/// Judges `address`, which `hostname` resolves to.
pub(super) fn judge_address<'s>(
    reader: &Reader<'s>,
    snapshot: &'s Snapshot,
    hostname: &str,
    address: IpAddr,
    in_use: bool,
) -> Judged<'s> {
    let (step, egress) = egress(snapshot, address);
    let (egress, routed) = match egress {
        Ok(egress) => {
            let routed = route(reader, &egress, address);
            (Some(egress), routed)
        }
        Err(verdict) => (None, Routed::not(verdict)),
    };
    let Routed { verdict, table, step: routing, endpoint } = routed;
    // Where it is not known how packets reach the VPC's router, one answer says nothing of the next request.
    let known = egress.as_ref().filter(|egress| egress.astray.is_none());
    let said = known
        .map_or(Said::Nothing, |egress| testimony::said(snapshot, hostname, address, egress.interface, egress.source));
    let Weighed { verdict, hop, against, overruled } = match known {
        Some(egress) => testimony::weigh(reader, verdict, &said, address, egress.interface),
        None => Weighed::as_is(verdict),
    };
    let verdict = match &egress {
        // DynamoDB got the request, so it was sent.
        Some(egress) if said != Said::NoEndpoint => {
            let verdict = require_public_ipv4(reader.facts, verdict, egress.interface, egress.source);
            let is_answered = || testimony::has_reply(snapshot, hostname, address, egress.interface);
            if let Verdict::Dropped(Drop::NoPublicAddress { target }) = &verdict
                && is_answered()
            {
                let one =
                    format!("{} has no public address, which internet gateway {target} needs", egress.interface.id);
                let gap = Gap::Conflicting { one, other: format!("DynamoDB answered requests to {address}") };
                Verdict::Undetermined(vec![Missing::new(format!("whether packets to {address} are dropped"), &gap)])
            } else {
                verdict
            }
        }
        Some(_) | None => verdict,
    };
    let trace = Trace {
        egress: step,
        routing,
        endpoint,
        proxy: proxy_for(snapshot, hostname),
        witnesses: witnesses(snapshot, address).chain(testimony::statements(snapshot, hostname, address)).collect(),
    };
    let reason = reason(address, &verdict, then_an_endpoint(snapshot, address, &said));
    let report = AddressReport { address, hostname: hostname.to_owned(), in_use, verdict, reason, trace };
    let mut judged = Judged { report, egress, table, said, hop, against, overruled };
    if judged.against.is_none() {
        judged.against = contradiction(snapshot, &judged);
    }
    judged
}

/// What follows for an address from the network interface on.
struct Routed<'s> {
    verdict: Verdict,
    table: Option<(&'s RouteTable, AssociationKind)>,
    step: Option<RoutingStep>,
    endpoint: Option<EndpointInterfaceStep>,
}

impl Routed<'_> {
    /// No route table was consulted.
    fn not(verdict: Verdict) -> Self {
        Self { verdict, table: None, step: None, endpoint: None }
    }
}

/// From the network interface on: its subnet's table, the winning route, and what that means.
fn route<'s>(reader: &Reader<'s>, egress: &Egress<'s>, address: IpAddr) -> Routed<'s> {
    let interface = egress.interface;
    if let Some(missing) = &egress.astray {
        return Routed::not(Verdict::Undetermined(vec![missing.clone()]));
    }
    if let Some(own) = reader.own_interface(address) {
        let one = format!("it is an address of this instance's own {own}");
        let gap = Gap::Conflicting { one, other: format!("the kernel sends packets to it by {}", interface.id) };
        return Routed::not(Verdict::Undetermined(vec![Missing::new(format!("whose {address} is"), &gap)]));
    }
    let endpoint = || reader.endpoint_interface(&interface.vpc, address);
    if let Some(cidrs) = interface.subnet_cidrs.seen()
        && let Some(cidr) = cidrs.iter().find(|cidr| cidr.contains(&address))
    {
        let verdict = reader.within_vpc(&interface.vpc, address.into());
        let table = whole_table_of(reader.facts, interface).ok();
        return Routed { verdict, table, step: Some(RoutingStep::SameSubnet(*cidr)), endpoint: endpoint() };
    }
    let (table, association) = match whole_table_of(reader.facts, interface) {
        Ok(found) => found,
        Err(missing) => return Routed::not(Verdict::Undetermined(vec![missing])),
    };
    let step = |winner, losers| RoutingStep::Table { table: table.id.clone(), association, winner, losers };
    let selection = select(table, &reader.facts.prefix_lists, address);
    let routed = |verdict, step, endpoint| Routed { verdict, table: Some((table, association)), step, endpoint };
    if let Some(open) = subnet_could_hold(interface, &selection, address) {
        return routed(Verdict::Undetermined(vec![open]), Some(step(None, Vec::new())), None);
    }
    let verdict = reader.verdict(table, &selection, address.into());
    routed(verdict, Some(step(winner(&selection).map(matched), losers(&selection))), endpoint())
}

/// Where the subnet's own ranges are not known and another route beats `local`, the subnet itself could hold the
/// address, and then no route table applies.
pub(super) fn subnet_could_hold(
    interface: &Interface,
    selection: &Selection<'_>,
    what: impl fmt::Display,
) -> Option<Missing> {
    could_hold(&interface.subnet, interface.subnet_cidrs.gap()?, selection, what)
}

/// The same for a subnet of which not all ranges are known, for this reason.
pub(super) fn could_hold(
    subnet: &SubnetId,
    gap: &Gap,
    selection: &Selection<'_>,
    what: impl fmt::Display,
) -> Option<Missing> {
    let Selection::One { losers, .. } = selection else { return None };
    let local_lost =
        losers.iter().any(|(m, lost_by)| m.route.target == Target::Local && *lost_by == LostBy::ShorterPrefix);
    local_lost.then(|| Missing::new(format!("whether {what} lies in {subnet} itself"), gap))
}

/// The proxy that a variable of the environment sends this name to.
pub(super) fn proxy_for(snapshot: &Snapshot, hostname: &str) -> Option<ProxyStep> {
    let applies = |proxy: &&ProxyVariable| proxy.applies_to.iter().any(|name| name == hostname);
    let step = |of: &ProxyVariable| Some(ProxyStep { variable: of.variable.clone(), proxy: of.proxy.clone()? });
    snapshot.proxies.iter().filter(applies).find_map(step)
}

/// What probes and the service itself show of an address.
fn witnesses(snapshot: &Snapshot, address: IpAddr) -> impl Iterator<Item = Witness> {
    let of_probe = |probe: &Probe| {
        let local = probe.local.filter(|_| probe.result.reached_service());
        let answered = local.map(|local| Witness::Answered { local: local.ip(), result: probe.result });
        let testified = probe
            .testimony
            .as_ref()
            .map(|Testimony::VpcEndpointPolicy { message }| Witness::Testified { message: message.clone() });
        answered.into_iter().chain(testified)
    };
    probes_of(snapshot, address).flat_map(of_probe)
}

/// The probes of an address that were made.
pub(super) fn probes_of(snapshot: &Snapshot, address: IpAddr) -> impl Iterator<Item = &Probe> {
    let attempts = snapshot.probes.iter().filter(move |attempt| attempt.address == address);
    attempts.filter_map(|attempt| attempt.probe.seen())
}

/// Whether the service itself said that requests to this address come through a VPC endpoint.
pub(super) fn is_testified(snapshot: &Snapshot, address: IpAddr) -> bool {
    probes_of(snapshot, address).any(|probe| matches!(probe.testimony, Some(Testimony::VpcEndpointPolicy { .. })))
}

/// Whether DynamoDB said that requests come through a VPC endpoint behind the path that the configuration shows.
pub(super) fn then_an_endpoint(snapshot: &Snapshot, address: IpAddr, said: &Said) -> bool {
    is_testified(snapshot, address) || *said == Said::OtherSource
}

fn reason(address: IpAddr, verdict: &Verdict, testified: bool) -> String {
    match verdict {
        Verdict::Via(path) if path.is_dynamodb_endpoint => format!("{address} goes through {path}"),
        Verdict::Via(path) => off_net_words(&address.to_string(), path, testified),
        Verdict::Dropped(drop) => format!("packets to {address} are dropped: {drop}"),
        Verdict::Ambiguous(paths) => {
            let paths: Vec<_> = paths.iter().map(ToString::to_string).collect();
            format!("routes to {address} tie, and AWS does not say which wins: {}", paths.join(" or "))
        }
        Verdict::Undetermined(missing) => undetermined(missing),
    }
}

/// Names the path out, and says no more: AWS states that such traffic stays on its network, China aside.
///
/// `testified`: DynamoDB says that requests come through a VPC endpoint. Behind some paths another subnet's may stand.
pub(super) fn off_net_words(what: &str, path: &Path, testified: bool) -> String {
    if testified && may_precede_endpoint(path.kind()) {
        return format!("{what} goes through {path}, then through a VPC endpoint, as DynamoDB says");
    }
    if path.kind().leaves_vpc() {
        return format!("{what} leaves the VPC through {path}, not through a VPC endpoint");
    }
    match (&path.target, &path.service) {
        (PathTarget::HostDevice(device), _) if device.is_loopback() => {
            format!("{what} is kept by this host itself, not sent to a VPC endpoint")
        }
        (PathTarget::HostDevice(_), _) => {
            format!("{what} leaves the host through {path}, which is not a network interface of the instance")
        }
        (PathTarget::NoEndpointTestified, _) => format!("{what} goes through no VPC endpoint, as DynamoDB says"),
        (PathTarget::Local, _) => format!("{what} stays in the VPC, at no interface endpoint of DynamoDB"),
        (PathTarget::GatewayEndpoint(_) | PathTarget::InterfaceEndpoint(_), Some(service)) => {
            format!("{what} goes through {path}, which is an endpoint of {service}, not of DynamoDB")
        }
        (PathTarget::GatewayEndpoint(_) | PathTarget::InterfaceEndpoint(_), None) => {
            format!("{what} goes through {path}, which is not an endpoint of DynamoDB")
        }
        (_, _) => format!("{what} goes through {path}, not through a DynamoDB endpoint"),
    }
}

/// Whether packets may take a VPC endpoint after this: another subnet's route table decides behind it.
pub(super) fn may_precede_endpoint(kind: PathKind) -> bool {
    kind.beyond() == Beyond::AnotherTable
}

/// The addresses of a name in use, and what of its resolution is missing.
pub(super) fn addresses_of(snapshot: &Snapshot, hostname: &str, may_use_ipv6: bool) -> (Vec<IpAddr>, Vec<Missing>) {
    let Some(resolution) = snapshot.resolutions.get(hostname) else {
        let gap = Gap::NotTried { because: "the name was not resolved".into() };
        return (Vec::new(), vec![Missing::new(format!("the addresses of {hostname}"), &gap)]);
    };
    let further = |gap| Missing::new(format!("further addresses of {hostname}"), gap);
    let mut missing: Vec<Missing> = resolution.left_out.as_ref().map(further).into_iter().collect();
    let pinned = resolution.hosts_file.get().unwrap_or_else(|gap| {
        missing.push(Missing::new(format!("what /etc/hosts has for {hostname}"), gap));
        const { &Vec::new() }
    });
    // Applications ask the hosts file first, and the name servers only if it has nothing.
    let mut addresses = pinned.clone();
    if pinned.is_empty() {
        for (records, kind, matters) in [(&resolution.ipv4, "A", true), (&resolution.ipv6, "AAAA", may_use_ipv6)] {
            match records {
                Observed::Seen { value, .. } => addresses.extend(value.iter().map(|record| record.address)),
                Observed::Unseen(gap) if matters => {
                    missing.push(Missing::new(format!("the {kind} records of {hostname}"), gap));
                }
                Observed::Unseen(_) => {}
            }
        }
    }
    // What programs get besides, by the search list and the order of nsswitch.
    match resolution.c_library.as_ref().map(Observed::get) {
        Some(Ok(found)) if found.is_empty() && !addresses.is_empty() => {
            let gap = Gap::NotFound { detail: "it has no address, and no error".to_owned() };
            missing.push(Missing::new(format!("what the C library resolves {hostname} to"), &gap));
        }
        Some(Ok(found)) => addresses.extend(found),
        // There is no address at all.
        Some(Err(Gap::NotFound { .. })) if addresses.is_empty() => {}
        Some(Err(gap)) => missing.push(Missing::new(format!("what the C library resolves {hostname} to"), gap)),
        None => {}
    }
    let mut known = HashSet::new();
    addresses.retain(|address| known.insert(*address));
    (addresses, missing)
}

/// Whether an address leaves the VPC for another network, where an interface endpoint may have it.
pub(super) fn may_be_remote_endpoint(reader: &Reader<'_>, report: &AddressReport) -> bool {
    may_be_remote(reader, report.address, &report.verdict)
}

/// The same of an address and its verdict. An address of DynamoDB's own prefix lists is no interface endpoint's.
pub(super) fn may_be_remote(reader: &Reader<'_>, address: IpAddr, verdict: &Verdict) -> bool {
    // Behind a peering connection there is a VPC, and nothing else.
    let is_of_a_vpc = || verdict.path().is_some_and(|path| path.kind() == PathKind::PeeringConnection);
    leads_on(verdict)
        && (is_private_in_a_vpc(address)
            || ((address.is_ipv6() || is_of_a_vpc()) && may_be_interfaces(reader, address)))
}

/// Whether a network interface may have the address: it is not what DNS64 makes of an IPv4 one, and not known to be in DynamoDB's lists.
/// Network interfaces have global IPv6 addresses.
fn may_be_interfaces(reader: &Reader<'_>, address: IpAddr) -> bool {
    !reader.is_in_lists(address) && !is_nat64(address)
}

/// Whether it is of the ranges that AWS names for VPCs besides those that are routed on the internet.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html>
fn is_private_in_a_vpc(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private() || (first == 100 && second & 0xc0 == 64) || (first == 198 && second & 0xfe == 18)
        }
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

/// Whether a path leads into another network, whose routes are not judged.
pub(super) fn leads_on(verdict: &Verdict) -> bool {
    let is_open = |path: &Path| match path.kind().beyond() {
        Beyond::AnotherTable | Beyond::Unknown => true,
        Beyond::Outside | Beyond::Nothing => false,
    };
    verdict.path().is_some_and(|path| !path.is_dynamodb_endpoint && is_open(path))
}
