//! The gates beside the routes: whether security groups, network ACLs, Block Public Access and what else stands on the way let requests
//! through.

use super::{
    lookup::{covers, halves, read},
    path::Reader,
    round::Named,
};
use crate::{
    judge::address::proxy_for,
    model::{
        AclRule, EgressRule, Gap, Gate, GateFacts, GateKind, GateState, Interface, NatGateway, NatGatewayId,
        NetworkAcl, NetworkAclId, Observed, PathKind, PathTarget, Ports, PrefixListId, Probe, PublicAccess,
        PublicAccessExclusion, SecurityGroup, SecurityGroupId, Snapshot, SubnetGates, SubnetId, shell_word,
    },
};
use ipnet::IpNet;
use std::{collections::BTreeSet, net::IpAddr};

/// The gates on the way of requests to DynamoDB; none where they were not asked for.
pub(super) fn gates(
    reader: &Reader<'_>,
    snapshot: &Snapshot,
    names: &[Named<'_>],
    entries_for: impl Fn(&Interface) -> Vec<IpNet>,
) -> Vec<Gate> {
    let Some(facts) = reader.facts.gates.as_deref() else { return Vec::new() };
    let mut gates: Vec<Gate> = Vec::new();
    let mut add = |gate: Gate| {
        if !gates.contains(&gate) {
            gates.push(gate);
        }
    };
    for way in ways(snapshot, names, entries_for) {
        let judge =
            Judge { reader, facts, zone: snapshot.instance.seen().and_then(|i| i.availability_zone.seen()), way };
        judge.all().into_iter().for_each(&mut add);
    }
    gates.sort_by_key(|gate| gate.gate);
    gates
}

/// Requests that leave through one network interface.
struct Way<'s> {
    interface: &'s Interface,
    /// Where they go to, each with its port: the addresses in use, then the entries of prefix lists.
    targets: Vec<(IpNet, u16)>,
    /// The addresses that answered.
    answered: Vec<IpAddr>,
    /// What carries them, each once.
    paths: Vec<PathTarget>,
}

/// The ways that requests of programs here take. Those to a proxy are the proxy's.
fn ways<'s>(snapshot: &Snapshot, names: &[Named<'s>], entries_for: impl Fn(&Interface) -> Vec<IpNet>) -> Vec<Way<'s>> {
    let direct = names.iter().filter(|named| proxy_for(snapshot, &named.name.hostname).is_none());
    let leaving = direct.flat_map(|named| named.in_use().map(move |judged| (named.name.port, judged)));
    let leaving: Vec<_> =
        leaving.filter_map(|(port, judged)| Some((judged.egress.as_ref()?.interface, port, &judged.report))).collect();
    let mut interfaces: Vec<&'s Interface> = leaving.iter().map(|(interface, ..)| *interface).collect();
    interfaces.sort_by_key(|interface| &interface.id);
    interfaces.dedup_by_key(|interface| &interface.id);
    let way = |interface: &'s Interface| {
        let through = || leaving.iter().filter(move |(by, ..)| by.id == interface.id);
        let in_use = through().map(|(_, port, report)| (IpNet::from(report.address), *port));
        let list = entries_for(interface).into_iter().map(|entry| (entry, HTTPS));
        let from_here = |probe: &&Probe| probe.local.is_some_and(|local| interface.addresses.contains(&local.ip()));
        let probes = snapshot.probes.iter().filter_map(|attempt| attempt.probe.seen());
        let answered = probes.filter(from_here).filter(|probe| probe.result.reached_service());
        let mut paths: Vec<PathTarget> = Vec::new();
        for path in through().filter_map(|(.., report)| report.verdict.path()) {
            if !paths.contains(&path.target) {
                paths.push(path.target.clone());
            }
        }
        Way { interface, targets: in_use.chain(list).collect(), answered: answered.map(|p| p.address).collect(), paths }
    };
    interfaces.into_iter().map(way).collect()
}

const HTTPS: u16 = 443;

/// What is wrong with a gate.
enum Fault {
    /// It stops requests; and what opens it.
    Stops(String, Option<String>),
    /// It is not known whether it does.
    Unknown(String),
}

/// Why requests get through, or why they do not.
type Answer = Result<String, Fault>;

fn unknown(what: &str, gap: &Gap) -> Fault {
    Fault::Unknown(format!("{what}: {}", gap.without_command()))
}

fn seen<'o, T>(fact: &'o Observed<T>, what: &str) -> Result<&'o T, Fault> {
    fact.get().map_err(|gap| unknown(what, gap))
}

struct Judge<'a> {
    reader: &'a Reader<'a>,
    facts: &'a GateFacts,
    /// The instance's.
    zone: Option<&'a String>,
    way: Way<'a>,
}

impl Judge<'_> {
    fn all(&self) -> Vec<Gate> {
        let interface = self.way.interface;
        let of_paths = self.way.paths.iter().flat_map(|path| self.beyond(path));
        let groups = interface.security_groups.seen().map(|groups| listed(groups)).unwrap_or_default();
        let groups =
            if groups.is_empty() { format!("of {}", interface.id) } else { format!("{groups} of {}", interface.id) };
        [
            gate(GateKind::SecurityGroup, groups, self.security_groups()),
            gate(GateKind::NetworkAcl, format!("of {}", interface.subnet), self.network_acl()),
            gate(GateKind::DnsSupport, format!("of {}", interface.vpc), self.dns()),
        ]
        .into_iter()
        .chain(of_paths)
        .collect()
    }

    /// <https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html>
    fn security_groups(&self) -> Answer {
        let ids = seen(&self.way.interface.security_groups, "the security groups of the network interface")?;
        let known = seen(&self.facts.security_groups, "the rules of the security groups")?;
        let groups = ids.iter().map(|id| find(known, |group| group.id == *id, "security group", id.as_str()));
        let groups: Vec<&SecurityGroup> = groups.collect::<Result<_, _>>()?;
        let rules: Vec<&EgressRule> = groups.iter().flat_map(|group| &group.egress).collect();
        for (range, port) in &self.way.targets {
            self.lets_out(&rules, *range, *port, ids)?;
        }
        Ok("a rule lets requests out to every address".to_owned())
    }

    fn lets_out(&self, rules: &[&EgressRule], range: IpNet, port: u16, ids: &[SecurityGroupId]) -> Result<(), Fault> {
        let port_range = Ports { first: port, last: port };
        let rules: Vec<&&EgressRule> = rules.iter().filter(|rule| rule.ports.contains(port_range)).collect();
        let mut allowed: Vec<IpNet> = rules.iter().flat_map(|rule| &rule.ranges).copied().collect();
        let mut unread = None;
        for list in rules.iter().flat_map(|rule| &rule.prefix_lists) {
            match read(&self.reader.facts.prefix_lists, list) {
                Ok(list) => allowed.extend(list.entries.iter()),
                Err(gap) => {
                    unread = unread.or(Some(unknown(&format!("the entries of {list}, which a rule names"), gap)))
                }
            }
        }
        let Some(closed) = uncovered(&allowed, range) else { return Ok(()) };
        if let Some(unread) = unread {
            return Err(unread);
        }
        let within = |rule: &&&EgressRule| !rule.groups.is_empty();
        if self.is_private(range) && rules.iter().any(within) {
            return Err(Fault::Unknown(
                "a rule lets out to network interfaces of a security group, which are not read".into(),
            ));
        }
        let fix = ids.first().map(|id| authorize(id, closed, port, self.list_of(closed)));
        Err(self.stops(Some(range), format!("no rule lets TCP to {} port {port} out", short(closed)), fix))
    }

    /// A gate that stops requests to a range (or to any address), unless one of them was answered.
    fn stops(&self, range: Option<IpNet>, what: String, fix: Option<String>) -> Fault {
        let is_in = |address: &&IpAddr| range.is_none_or(|range| range == IpNet::from(**address));
        match self.way.answered.iter().find(is_in) {
            Some(address) => Fault::Unknown(format!("{what}, but a probe of {address} was answered")),
            None => Fault::Stops(what, fix),
        }
    }

    /// Whether it is an address of a network interface.
    fn is_private(&self, range: IpNet) -> bool {
        self.list_of(range).is_none()
    }

    /// DynamoDB's prefix list that has the range.
    fn list_of(&self, range: IpNet) -> Option<&PrefixListId> {
        let facts = self.reader.facts;
        let holds = |id: &&PrefixListId| {
            read(&facts.prefix_lists, id).is_ok_and(|list| list.entries.iter().any(|entry| covers(entry, &range)))
        };
        facts.service_prefix_lists.seen()?.iter().find(holds)
    }

    /// The entry of DynamoDB's prefix lists that has the range; the range itself where none has.
    fn entry_of(&self, range: IpNet) -> IpNet {
        let entries = self.way.targets.iter().map(|(target, _)| *target);
        entries.filter(|entry| covers(entry, &range)).min_by_key(IpNet::prefix_len).unwrap_or(range)
    }

    /// <https://docs.aws.amazon.com/vpc/latest/userguide/nacl-rules.html>
    fn network_acl(&self) -> Answer {
        let interface = self.way.interface;
        let acls = seen(&self.facts.network_acls, "the network ACLs")?;
        let of_subnet = |acl: &NetworkAcl| acl.subnets.contains(&interface.subnet);
        let acl = find(acls, of_subnet, "network ACL of", interface.subnet.as_str())?;
        // Between two addresses of a subnet none applies.
        let own = seen(&interface.subnet_cidrs, "the ranges of the subnet")?;
        let leaves = self.way.targets.iter().filter(|(range, _)| !own.iter().any(|own| covers(own, range)));
        for &(range, port) in leaves {
            let port_range = Ports { first: port, last: port };
            if let Some(denial) = denied(&acl.egress, range, port_range) {
                let fix = denial.opened_by(&acl.id, &acl.egress, self.entry_of(denial.range), "egress");
                let what = format!("{} denies TCP to {} port {port}: {denial}", acl.id, short(denial.range));
                return Err(self.stops(Some(range), what, fix));
            }
            if let Some(denial) = denied(&acl.ingress, range, EPHEMERAL) {
                let fix = denial.opened_by(&acl.id, &acl.ingress, self.entry_of(denial.range), "ingress");
                let Ports { first, last } = denial.ports;
                let from = short(denial.range);
                let what = format!("{} denies answers from {from} to ports {first}-{last}: {denial}", acl.id);
                return Err(self.stops(Some(range), what, fix));
            }
        }
        let Ports { first, last } = EPHEMERAL;
        Ok(format!("{} allows requests, and answers to ports {first}-{last}, which Linux uses by default", acl.id))
    }

    /// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-dns.html>
    fn dns(&self) -> Answer {
        let id = &self.way.interface.vpc;
        let vpc =
            find(seen(&self.facts.dns, "the DNS attributes")?, |vpc| vpc.vpc == *id, "DNS attributes of", id.as_str())?;
        if !vpc.support {
            let fix = format!("aws ec2 modify-vpc-attribute --vpc-id {id} --enable-dns-support '{{\"Value\":true}}'");
            return Err(Fault::Stops(
                "enableDnsSupport is off: Amazon's name servers do not answer".to_owned(),
                Some(fix),
            ));
        }
        let hostnames = if vpc.hostnames { "on" } else { "off: private names of interface endpoints are not resolved" };
        Ok(format!("enableDnsSupport is on, enableDnsHostnames is {hostnames}"))
    }

    /// What stands behind the subnet where requests take this path.
    fn beyond(&self, path: &PathTarget) -> Vec<Gate> {
        let kind = PathKind::from(path);
        let subnet = &self.way.interface.subnet;
        let public = || gate(GateKind::PublicAccess, format!("of {subnet}, for {path}"), self.public_access(kind));
        match path {
            PathTarget::NatGateway(id) => {
                vec![public(), gate(GateKind::NatGateway, id.to_string(), self.nat_gateway(id))]
            }
            PathTarget::InternetGateway(id) => {
                let inspected = self.reader.facts.route_tables.seen().into_iter().flatten();
                let inspected = inspected.into_iter().any(|table| table.firewalled.contains(id));
                let firewall = inspected.then(|| gate(GateKind::InternetFirewall, id.to_string(), self.firewall()));
                [Some(public()), firewall].into_iter().flatten().collect()
            }
            PathTarget::EgressOnlyInternetGateway(_) => vec![public()],
            PathTarget::GatewayEndpoint(_)
            | PathTarget::InterfaceEndpoint(_)
            | PathTarget::TransitGateway(_)
            | PathTarget::VirtualPrivateGateway(_)
            | PathTarget::PeeringConnection(_)
            | PathTarget::NetworkInterface(_)
            | PathTarget::Instance(_)
            | PathTarget::LocalGateway(_)
            | PathTarget::CarrierGateway(_)
            | PathTarget::CoreNetwork(_)
            | PathTarget::GatewayLoadBalancerEndpoint(_)
            | PathTarget::Local
            | PathTarget::HostDevice(_)
            | PathTarget::Blackhole(_)
            | PathTarget::VpcEndpointTestified(_)
            | PathTarget::NoEndpointTestified
            | PathTarget::Other { .. } => Vec::new(),
        }
    }

    fn subnet(&self) -> Result<&SubnetGates, Fault> {
        let id = &self.way.interface.subnet;
        find(seen(&self.facts.subnets, "the subnets")?, |subnet| subnet.id == *id, "subnet", id.as_str())
    }

    /// <https://docs.aws.amazon.com/vpc/latest/userguide/security-vpc-bpa-basics.html>
    fn public_access(&self, path: PathKind) -> Answer {
        let subnet = self.subnet()?;
        let sends_only = matches!(path, PathKind::NatGateway | PathKind::EgressOnlyInternetGateway);
        let mode = match &subnet.public_access {
            Some(PublicAccess::Off) => return Ok("it is off".to_owned()),
            Some(PublicAccess::BlockIngress) if sends_only => {
                return Ok("it blocks only what comes in, and this path only sends".to_owned());
            }
            Some(PublicAccess::BlockIngress) => "block-ingress",
            Some(PublicAccess::BlockBidirectional) => "block-bidirectional",
            Some(PublicAccess::Other(mode)) => {
                return Err(Fault::Unknown(format!("onnet does not know the mode {mode}")));
            }
            None => return Err(Fault::Unknown("the answer about the subnet has no mode".to_owned())),
        };
        let exclusions = seen(&self.facts.exclusions, "the exclusions")?;
        let excludes = |exclusion: &&PublicAccessExclusion| {
            let resource = exclusion.resource.rsplit('/').next().unwrap_or_default();
            resource == subnet.vpc.as_str() || resource == subnet.id.as_str()
        };
        let mut excluded = exclusions.iter().filter(excludes).filter(|exclusion| !exclusion.is_gone()).peekable();
        match excluded.peek() {
            None => Err(self.stops(
                None,
                format!("it is in mode {mode}, and no exclusion names the subnet or its VPC"),
                None,
            )),
            // Whose exclusion counts for packets that a NAT gateway in another subnet sends on, AWS does not say.
            Some(exclusion) if !exclusion.is_in_effect() || path == PathKind::NatGateway => {
                Err(Fault::Unknown(format!(
                    "it is in mode {mode}; exclusion {} ({}, {}) may let requests through",
                    exclusion.id, exclusion.mode, exclusion.state
                )))
            }
            Some(exclusion) => {
                Ok(format!("it is in mode {mode}, with exclusion {} ({})", exclusion.id, exclusion.mode))
            }
        }
    }

    /// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-nat-gateway.html>
    fn nat_gateway(&self, id: &NatGatewayId) -> Answer {
        let known = seen(&self.facts.nat_gateways, "the NAT gateways")?;
        let nat = find(known, |nat| nat.id == *id, "NAT gateway", id.as_str())?;
        let NatGateway { state, connectivity, appliances, is_regional, .. } = nat;
        match state.as_str() {
            "available" => {}
            "failed" | "deleted" => return Err(self.stops(None, format!("it is {state}"), None)),
            state => return Err(Fault::Unknown(format!("it is {state}"))),
        }
        match connectivity.as_deref() {
            Some("public") => {}
            Some("private") => {
                let why = "it is private: it has no public address, and an internet gateway drops what it sends";
                return Err(self.stops(None, why.to_owned(), None));
            }
            other => {
                return Err(Fault::Unknown(format!("its connectivity is {}", other.unwrap_or("not in the answer"))));
            }
        }
        if !appliances.is_empty() {
            return Err(Fault::Unknown(format!("its appliance decides: {}", appliances.join(", "))));
        }
        let zone_of = |id: &SubnetId| {
            let subnet = self.facts.subnets.seen()?.iter().find(|subnet| subnet.id == *id)?;
            subnet.availability_zone.as_ref()
        };
        let there = nat.availability_zone.as_ref().or_else(|| zone_of(nat.subnet.as_ref()?));
        let here = zone_of(&self.way.interface.subnet).or(self.zone);
        Ok(match (is_regional, there, here) {
            (true, ..) => "public, regional".to_owned(),
            (false, Some(there), Some(here)) if there != here => {
                format!("public, in {there}, and the instance is in {here}: traffic between zones is charged too")
            }
            (false, Some(zone), Some(_)) => format!("public, in {zone} like the instance"),
            (false, ..) => "public".to_owned(),
        })
    }

    /// The firewall's rules cannot be read.
    fn firewall(&self) -> Answer {
        match self.subnet()?.firewall.as_deref() {
            Some(treatment @ ("exclude" | "az-unsupported")) => {
                Ok(format!("it does not inspect the subnet's traffic ({treatment})"))
            }
            Some(treatment) => {
                Err(Fault::Unknown(format!("its rules decide, which onnet does not read ({treatment})")))
            }
            None => Err(Fault::Unknown("its rules decide, which onnet does not read".to_owned())),
        }
    }
}

fn gate(kind: GateKind, of: String, answer: Answer) -> Gate {
    let (state, reason, fix) = match answer {
        Ok(reason) => (GateState::Open, reason, None),
        Err(Fault::Stops(reason, fix)) => (GateState::Closed, reason, fix),
        Err(Fault::Unknown(reason)) => (GateState::Unknown, reason, None),
    };
    Gate { gate: kind, state, of, reason, fix }
}

fn listed(ids: &[SecurityGroupId]) -> String {
    ids.iter().map(SecurityGroupId::as_str).collect::<Vec<_>>().join(", ")
}

/// The one that the condition holds for.
fn find<'a, T>(all: &'a [T], is: impl Fn(&T) -> bool, what: &str, id: &str) -> Result<&'a T, Fault> {
    let mut found = all.iter().filter(|item| is(item));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Fault::Unknown(format!("the answer has no {what} {id}"))),
        (Some(_), Some(_)) => Err(Fault::Unknown(format!("the answer has {what} {id} twice"))),
    }
}

/// The first part of `range` that none of the allowed ranges holds.
fn uncovered(allowed: &[IpNet], range: IpNet) -> Option<IpNet> {
    if allowed.iter().any(|allowed| covers(allowed, &range)) {
        return None;
    }
    let within: Vec<IpNet> = allowed.iter().filter(|allowed| covers(&range, allowed)).copied().collect();
    if within.is_empty() {
        return Some(range);
    }
    halves(range).map_or(Some(range), |halves| halves.into_iter().find_map(|half| uncovered(&within, half)))
}

/// An address without the length of its prefix.
fn short(range: IpNet) -> String {
    if range.prefix_len() == range.max_prefix_len() { range.addr().to_string() } else { range.to_string() }
}

/// The ports that Linux gives to connections by default (`net.ipv4.ip_local_port_range`).
/// <https://docs.kernel.org/networking/ip-sysctl.html>
const EPHEMERAL: Ports = Ports { first: 32_768, last: 60_999 };

/// What a network ACL denies first.
struct Denial<'r> {
    /// The rule, unless none matches.
    rule: Option<&'r AclRule>,
    range: IpNet,
    ports: Ports,
}

/// The first part of what goes to (or comes from) `range` that the rules deny.
fn denied(rules: &[AclRule], range: IpNet, ports: Ports) -> Option<Denial<'_>> {
    let overlaps = |rule: &AclRule| covers(&rule.range, &range) || covers(&range, &rule.range);
    let first = rules.iter().position(|rule| overlaps(rule) && rule.ports.common(ports).is_some());
    let Some(first) = first else { return Some(Denial { rule: None, range, ports }) };
    let (rule, rest) = (&rules[first], &rules[first..]);
    if !covers(&rule.range, &range) {
        return halves(range)?.into_iter().find_map(|half| denied(rest, half, ports));
    }
    let common = rule.ports.common(ports)?;
    if !rule.allows {
        return Some(Denial { rule: Some(rule), range, ports: common });
    }
    let before = (ports.first < common.first).then(|| Ports { first: ports.first, last: common.first - 1 });
    let after = (common.last < ports.last).then(|| Ports { first: common.last + 1, last: ports.last });
    [before, after].into_iter().flatten().find_map(|ports| denied(rest, range, ports))
}

impl Denial<'_> {
    /// A rule before the one that denies; none where no number is free.
    fn opened_by(&self, acl: &NetworkAclId, rules: &[AclRule], range: IpNet, direction: &str) -> Option<String> {
        let taken: BTreeSet<u32> = rules.iter().map(|rule| rule.number).collect();
        let below = self.rule.map_or(LAST_NUMBER, |rule| rule.number);
        let number = (1..below.min(LAST_NUMBER + 1)).rev().find(|number| !taken.contains(number))?;
        let Ports { first, last } = self.ports;
        let range = match range {
            IpNet::V4(range) => format!("--cidr-block {range}"),
            IpNet::V6(range) => format!("--ipv6-cidr-block {range}"),
        };
        Some(format!(
            "aws ec2 create-network-acl-entry --network-acl-id {acl} --{direction} --rule-number {number} --protocol 6 \
             --port-range From={first},To={last} {range} --rule-action allow"
        ))
    }
}

/// The highest number that a rule may have.
const LAST_NUMBER: u32 = 32_766;

impl std::fmt::Display for Denial<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.rule {
            Some(rule) if rule.number > LAST_NUMBER => f.write_str("no other rule matches"),
            Some(rule) => write!(f, "rule {}", rule.number),
            None => f.write_str("no rule matches"),
        }
    }
}

/// The command that lets requests out, to the whole prefix list where the range is of one.
fn authorize(group: &SecurityGroupId, range: IpNet, port: u16, list: Option<&PrefixListId>) -> String {
    let to = match (list, range) {
        (Some(list), _) => format!("PrefixListIds=[{{PrefixListId={list}}}]"),
        (None, IpNet::V4(range)) => format!("IpRanges=[{{CidrIp={range}}}]"),
        (None, IpNet::V6(range)) => format!("Ipv6Ranges=[{{CidrIpv6={range}}}]"),
    };
    let rule = format!("IpProtocol=tcp,FromPort={port},ToPort={port},{to}");
    format!("aws ec2 authorize-security-group-egress --group-id {group} --ip-permissions {}", shell_word(&rule))
}

impl PublicAccessExclusion {
    /// Whether it does not count any more, or never did.
    fn is_gone(&self) -> bool {
        matches!(self.state.as_str(), "create-failed" | "delete-complete" | "disable-complete")
    }

    fn is_in_effect(&self) -> bool {
        matches!(self.state.as_str(), "create-complete" | "update-complete")
    }
}
