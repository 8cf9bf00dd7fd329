//! The gates beside the routes: whether security groups, network ACLs, Block Public Access and what else stands on the way let requests
//! through.

use super::{
    address::proxy_for,
    egress::has_firewall,
    lookup::{Selection, behind_nat64, covers, halves, read, select},
    path::Reader,
    round::Named,
    subnet::table_of,
};
use crate::model::{
    AclRule, EgressRule, Gap, Gate, GateFacts, GateKind, GateState, Interface, NatGateway, NatGatewayId, NetworkAcl,
    NetworkAclId, Observed, PathTarget, Ports, PrefixListId, Probe, PublicAccess, PublicAccessExclusion, SecurityGroup,
    SecurityGroupId, Snapshot, SubnetGates, SubnetId, Target, VpcId, shell_word,
};
use ipnet::IpNet;
use std::{collections::BTreeSet, net::IpAddr};

/// The gates on the way of requests to DynamoDB; none where they were not asked for.
pub(super) fn gates(reader: &Reader<'_>, snapshot: &Snapshot, names: &[Named<'_>], needs_list: bool) -> Vec<Gate> {
    let Some(facts) = reader.facts.gates.as_deref() else { return Vec::new() };
    let ways = ways(reader, snapshot, names, needs_list);
    let mut all: Vec<Gate> = dns(snapshot, facts);
    if ways.is_empty() {
        let why = || Err(Fault::Unknown("it is not known which network interface requests leave through".to_owned()));
        all.push(gate(GateKind::SecurityGroup, "of the network interface", why()));
        all.push(gate(GateKind::NetworkAcl, "of its subnet", why()));
    }
    let zone = snapshot.instance.seen().and_then(|instance| instance.availability_zone.seen());
    all.extend(ways.into_iter().flat_map(|way| Judge { reader, facts, zone, way }.all()));
    all.sort_by_key(|gate| gate.gate);
    all
}

/// Requests that leave through one network interface.
struct Way<'s> {
    interface: &'s Interface,
    /// The addresses in use, each with its port.
    in_use: Vec<(IpNet, u16)>,
    /// The entries of DynamoDB's prefix lists, where names may have any of their addresses, each with each port.
    list: Result<Vec<(IpNet, u16)>, String>,
    /// The addresses that answered.
    answered: Vec<IpAddr>,
    /// What carries the addresses in use.
    paths: Vec<(PathTarget, Vec<IpAddr>)>,
}

/// The ways that requests of programs here take. Those to a proxy are the proxy's.
fn ways<'s>(reader: &Reader<'_>, snapshot: &Snapshot, names: &[Named<'s>], needs_list: bool) -> Vec<Way<'s>> {
    let direct = names.iter().filter(|named| proxy_for(snapshot, &named.name.hostname).is_none());
    let leaving = direct.flat_map(|named| named.in_use().map(move |judged| (named.name.port, judged)));
    let leaving: Vec<_> =
        leaving.filter_map(|(port, judged)| Some((judged.egress.as_ref()?.interface, port, &judged.report))).collect();
    let mut interfaces: Vec<&'s Interface> = leaving.iter().map(|(interface, ..)| *interface).collect();
    interfaces.sort_by_key(|interface| &interface.id);
    interfaces.dedup_by_key(|interface| &interface.id);
    let way = |interface: &'s Interface| {
        let through = || leaving.iter().filter(move |(by, ..)| by.id == interface.id);
        let in_use: Vec<_> = through().map(|(_, port, report)| (IpNet::from(report.address), *port)).collect();
        let list = if needs_list { list(reader, &in_use) } else { Ok(Vec::new()) };
        let from_here = |probe: &&Probe| probe.local.is_some_and(|local| interface.addresses.contains(&local.ip()));
        let probes = snapshot.probes.iter().filter_map(|attempt| attempt.probe.seen());
        let answered = probes.filter(from_here).filter(|probe| probe.result.reached_service());
        let mut paths: Vec<(PathTarget, Vec<IpAddr>)> = Vec::new();
        for (path, address) in through().filter_map(|(.., report)| Some((report.verdict.path()?, report.address))) {
            match paths.iter_mut().find(|(known, _)| *known == path.target) {
                Some((_, addresses)) => addresses.push(address),
                None => paths.push((path.target.clone(), vec![address])),
            }
        }
        Way { interface, in_use, list, answered: answered.map(|probe| probe.address).collect(), paths }
    };
    interfaces.into_iter().map(way).collect()
}

/// The entries of DynamoDB's prefix lists of the families in use, each with every port in use.
///
/// # Errors
/// What of them is not known.
fn list(reader: &Reader<'_>, in_use: &[(IpNet, u16)]) -> Result<Vec<(IpNet, u16)>, String> {
    let facts = reader.facts;
    let lists = facts.service_prefix_lists.get().map_err(|gap| without("DynamoDB's prefix list", gap))?;
    let ports: BTreeSet<u16> = in_use.iter().map(|(_, port)| *port).collect();
    let is_used = |entry: &IpNet| in_use.iter().any(|(range, _)| range.addr().is_ipv4() == entry.addr().is_ipv4());
    let mut targets = Vec::new();
    for id in lists {
        let list = read(&facts.prefix_lists, id).map_err(|gap| without(&format!("the entries of {id}"), gap))?;
        let entries = list.entries.iter().filter(|entry| is_used(entry));
        targets.extend(entries.flat_map(|entry| ports.iter().map(move |port| (entry.trunc(), *port))));
    }
    Ok(targets)
}

/// Whether Amazon's name servers answer in each VPC of the instance. <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-dns.html>
fn dns(snapshot: &Snapshot, facts: &GateFacts) -> Vec<Gate> {
    let interfaces = snapshot.instance.seen().map_or(&[][..], |instance| &instance.interfaces);
    let vpcs: BTreeSet<&VpcId> = interfaces.iter().map(|interface| &interface.vpc).collect();
    let is_resolved = snapshot.resolutions.values().any(|resolution| resolution.addresses().next().is_some());
    let of_vpc = |id: &VpcId| {
        let known = seen(&facts.dns, "the DNS attributes")?;
        let vpc = find(known, |vpc| vpc.vpc == *id, "DNS attributes of", id.as_str())?;
        let off = "enableDnsSupport is off: Amazon's name servers do not answer";
        match (vpc.support, is_resolved) {
            (false, true) => Err(Fault::Unknown(format!("{off}; names are resolved here all the same"))),
            (false, false) => {
                let id = shell_word(id.as_str());
                let fix =
                    format!("aws ec2 modify-vpc-attribute --vpc-id {id} --enable-dns-support '{{\"Value\":true}}'");
                Err(Fault::Stops(off.to_owned(), Some(fix)))
            }
            (true, _) => {
                let off = "off: private names of interface endpoints are not resolved";
                let hostnames = if vpc.hostnames { "on" } else { off };
                Ok(format!("enableDnsSupport is on, enableDnsHostnames is {hostnames}"))
            }
        }
    };
    vpcs.into_iter().map(|id| gate(GateKind::DnsSupport, format!("of {id}"), of_vpc(id))).collect()
}

/// What is wrong with a gate.
enum Fault {
    /// It stops requests; and what opens it.
    Stops(String, Option<String>),
    /// It is not known whether it does.
    Unknown(String),
}

/// Why requests get through, or why they do not.
type Answer = Result<String, Fault>;

/// What is missing, and why.
fn without(what: &str, gap: &Gap) -> String {
    format!("{what}: {}", gap.without_command())
}

fn seen<'o, T>(fact: &'o Observed<T>, what: &str) -> Result<&'o T, Fault> {
    fact.get().map_err(|gap| Fault::Unknown(without(what, gap)))
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
        let of_paths = self.way.paths.iter().flat_map(|(path, addresses)| self.beyond(path, addresses));
        let groups = interface.security_groups.seen().map(|groups| listed(groups)).unwrap_or_default();
        let groups =
            if groups.is_empty() { format!("of {}", interface.id) } else { format!("{groups} of {}", interface.id) };
        [
            gate(GateKind::SecurityGroup, groups, self.security_groups()),
            gate(GateKind::NetworkAcl, format!("of {}", interface.subnet), self.network_acl()),
        ]
        .into_iter()
        .chain(of_paths)
        .collect()
    }

    /// What requests may go to: the addresses in use first.
    fn targets(&self) -> impl Iterator<Item = (IpNet, u16)> {
        self.way.in_use.iter().chain(self.way.list.iter().flatten()).copied()
    }

    /// An answer for every target; unknown where these are not all known.
    fn of_all_targets(&self, answer: String) -> Answer {
        match &self.way.list {
            Ok(_) => Ok(answer),
            Err(why) => Err(Fault::Unknown(format!("for the addresses in use {answer}; {why}"))),
        }
    }

    /// <https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html>
    fn security_groups(&self) -> Answer {
        let ids = seen(&self.way.interface.security_groups, "the security groups of the network interface")?;
        let known = seen(&self.facts.security_groups, "the rules of the security groups")?;
        let groups = ids.iter().map(|id| find(known, |group| group.id == *id, "security group", id.as_str()));
        let groups: Vec<&SecurityGroup> = groups.collect::<Result<_, _>>()?;
        let rules: Vec<&EgressRule> = groups.iter().flat_map(|group| &group.egress).collect();
        for (range, port) in self.targets() {
            self.lets_out(&rules, range, port, ids)?;
        }
        self.of_all_targets("rules let requests out".to_owned())
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
                    unread = unread.or(Some(without(&format!("the entries of {list}, which a rule names"), gap)))
                }
            }
        }
        let Some(closed) = uncovered(&allowed, range) else { return Ok(()) };
        if let Some(unread) = unread {
            return Err(Fault::Unknown(unread));
        }
        let list = self.list_of(closed);
        // What is in no list may be an address of a network interface.
        if list.is_none() && rules.iter().any(|rule| !rule.groups.is_empty()) {
            return Err(Fault::Unknown(
                "a rule lets out to network interfaces of a security group, which are not read".into(),
            ));
        }
        let fix = ids.first().map(|id| authorize(id, closed, port, list));
        let what = format!("no rule lets TCP to {} port {port} out", short(closed));
        Err(self.stops(|address| range == IpNet::from(address), what, fix))
    }

    /// A gate that stops requests to some addresses, unless one of these answered.
    fn stops(&self, concerns: impl Fn(IpAddr) -> bool, what: String, fix: Option<String>) -> Fault {
        match self.way.answered.iter().find(|address| concerns(**address)) {
            Some(address) => Fault::Unknown(format!("{what}, but a probe of {address} was answered")),
            None => Fault::Stops(what, fix),
        }
    }

    /// DynamoDB's prefix list that has the range.
    fn list_of(&self, range: IpNet) -> Option<&PrefixListId> {
        let facts = self.reader.facts;
        let holds = |id: &&PrefixListId| {
            read(&facts.prefix_lists, id).is_ok_and(|list| list.entries.iter().any(|entry| covers(entry, &range)))
        };
        facts.service_prefix_lists.seen()?.iter().find(holds)
    }

    /// The widest target that has the range: what a rule is to let through.
    fn target_of(&self, range: IpNet) -> IpNet {
        let targets = self.targets().map(|(target, _)| target);
        targets.filter(|target| covers(target, &range)).min_by_key(IpNet::prefix_len).unwrap_or(range)
    }

    /// <https://docs.aws.amazon.com/vpc/latest/userguide/nacl-rules.html>
    fn network_acl(&self) -> Answer {
        let interface = self.way.interface;
        let acls = seen(&self.facts.network_acls, "the network ACLs")?;
        let of_subnet = |acl: &NetworkAcl| acl.subnets.contains(&interface.subnet);
        let NetworkAcl { id, egress, ingress, .. } =
            find(acls, of_subnet, "network ACL of", interface.subnet.as_str())?;
        let (egress, ingress) = (in_order(egress)?, in_order(ingress)?);
        // Between two addresses of a subnet none applies.
        let own = seen(&interface.subnet_cidrs, "the ranges of the subnet")?;
        for (range, port) in self.targets().filter(|(range, _)| !own.iter().any(|own| covers(own, range))) {
            let concerns = |address| range == IpNet::from(address);
            if let Some(denial) = denied(&egress, range, Ports { first: port, last: port }) {
                let fix = denial.opened_by(id, &egress, self.target_of(denial.range), "egress");
                let what = format!("{id} denies TCP to {} port {port}: {denial}", short(denial.range));
                return Err(self.stops(concerns, what, fix));
            }
            if let Some(denial) = denied(&ingress, range, EPHEMERAL) {
                let fix = denial.opened_by(id, &ingress, self.target_of(denial.range), "ingress");
                let (Ports { first, last }, from) = (denial.ports, short(denial.range));
                let what = format!("{id} denies answers from {from} to ports {first}-{last}: {denial}");
                return Err(self.stops(concerns, what, fix));
            }
        }
        let Ports { first, last } = EPHEMERAL;
        let ports = format!("answers to ports {first}-{last}, which Linux uses by default");
        self.of_all_targets(format!("{id} allows requests, and {ports}"))
    }

    /// What stands behind the subnet where requests to these addresses take this path.
    fn beyond(&self, path: &PathTarget, addresses: &[IpAddr]) -> Vec<Gate> {
        let subnet = &self.way.interface.subnet;
        let public = |answer| gate(GateKind::PublicAccess, format!("of {subnet}, for {path}"), answer);
        match path {
            PathTarget::NatGateway(id) => vec![
                public(self.public_access_by_nat(id, addresses)),
                gate(GateKind::NatGateway, id.to_string(), self.nat_gateway(id, addresses)),
            ],
            PathTarget::InternetGateway(id) => {
                let is_inspected = has_firewall(self.reader.facts, id);
                let firewall = is_inspected.then(|| gate(GateKind::InternetFirewall, id.to_string(), self.firewall()));
                [Some(public(self.public_access(subnet, false, addresses))), firewall].into_iter().flatten().collect()
            }
            PathTarget::EgressOnlyInternetGateway(_) => vec![public(self.public_access(subnet, true, addresses))],
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

    /// A subnet of the network interface's VPC.
    fn subnet(&self, id: &SubnetId) -> Result<&SubnetGates, Fault> {
        let subnet = find(seen(&self.facts.subnets, "the subnets")?, |subnet| subnet.id == *id, "subnet", id.as_str())?;
        self.in_own_vpc(id.as_str(), &subnet.vpc)?;
        Ok(subnet)
    }

    fn in_own_vpc(&self, id: &str, listed: &VpcId) -> Result<(), Fault> {
        let vpc = &self.way.interface.vpc;
        let differs = listed != vpc;
        if differs {
            Err(Fault::Unknown(format!("{id} is in {vpc}, and in {listed} according to EC2")))
        } else {
            Ok(())
        }
    }

    /// Whether Block Public Access lets through what a subnet sends by an internet gateway; `sends_only`: by one that lets nothing in.
    /// <https://docs.aws.amazon.com/vpc/latest/userguide/security-vpc-bpa-basics.html>
    fn public_access(&self, id: &SubnetId, sends_only: bool, addresses: &[IpAddr]) -> Answer {
        let subnet = self.subnet(id)?;
        let (mode, allow_egress) = match &subnet.public_access {
            Some(PublicAccess::Off) => return Ok("it is off".to_owned()),
            Some(PublicAccess::BlockIngress) if sends_only => {
                return Ok("it blocks only what comes in, and this path only sends".to_owned());
            }
            // An exclusion for what goes out exempts from the other mode only.
            // <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpcBlockPublicAccessExclusion.html>
            Some(PublicAccess::BlockIngress) => ("block-ingress", false),
            Some(PublicAccess::BlockBidirectional) => ("block-bidirectional", true),
            Some(PublicAccess::Other(mode)) => {
                return Err(Fault::Unknown(format!("onnet does not know the mode {mode}")));
            }
            None => return Err(Fault::Unknown("the answer about the subnet has no mode".to_owned())),
        };
        let exclusions = seen(&self.facts.exclusions, "the exclusions")?;
        let excludes = |exclusion: &&PublicAccessExclusion| {
            let resource = exclusion.resource.rsplit('/').next().unwrap_or_default();
            (resource == subnet.vpc.as_str() || resource == subnet.id.as_str()) && !exclusion.is_gone()
        };
        let words = |exclusion: &PublicAccessExclusion| {
            format!("exclusion {} ({}, {})", exclusion.id, exclusion.mode, exclusion.state)
        };
        let (mut may, mut is) = (None, None);
        for exclusion in exclusions.iter().filter(excludes) {
            match exclusion.mode.as_str() {
                "allow-egress" if !allow_egress => {}
                "allow-egress" | "allow-bidirectional" if exclusion.is_in_effect() => is = Some(words(exclusion)),
                _ => may = Some(words(exclusion)),
            }
        }
        match (is, may) {
            (Some(exclusion), _) => Ok(format!("it is in mode {mode}, with {exclusion}")),
            (None, Some(exclusion)) => {
                Err(Fault::Unknown(format!("it is in mode {mode}; {exclusion} may let requests through")))
            }
            (None, None) if self.is_shared() => Err(Fault::Unknown(format!(
                "it is in mode {mode}, and exclusions of the account that owns the subnet are not visible"
            ))),
            (None, None) => Err(self.stops(
                |address| addresses.contains(&address),
                format!("it is in mode {mode}, and no exclusion exempts {id} or its VPC"),
                Some(exclude(id, sends_only && allow_egress)),
            )),
        }
    }

    /// Whether another account owns the VPC.
    fn is_shared(&self) -> bool {
        let interface = self.way.interface;
        let tables = self.reader.facts.route_tables.seen().into_iter().flatten();
        let mut owners = tables.filter(|table| table.vpc == interface.vpc).filter_map(|table| table.owner.as_ref());
        owners.any(|owner| interface.owner.seen().is_none_or(|own| own != owner))
    }

    /// The same through a NAT gateway, which sends from its own subnet. Whose mode and exclusion count where they differ, AWS does not say.
    fn public_access_by_nat(&self, id: &NatGatewayId, addresses: &[IpAddr]) -> Answer {
        let own = self.public_access(&self.way.interface.subnet, true, addresses);
        let of_nat = match self.nat(id).map(|nat| nat.subnet.as_ref()) {
            Ok(Some(subnet)) => self.public_access(subnet, true, addresses),
            // A regional one has none.
            Ok(None) => return own,
            Err(fault) => Err(fault),
        };
        match (own, of_nat) {
            (Ok(own), Ok(_)) => Ok(own),
            (Err(Fault::Stops(own, Some(fix))), Err(Fault::Stops(_, Some(other)))) if fix != other => {
                Err(Fault::Stops(own, Some(format!("{fix} && {other}"))))
            }
            (Err(Fault::Stops(own, fix)), Err(Fault::Stops(..))) => Err(Fault::Stops(own, fix)),
            (Err(Fault::Unknown(why)), _) | (_, Err(Fault::Unknown(why))) => Err(Fault::Unknown(why)),
            (Err(Fault::Stops(why, _)), Ok(_)) | (Ok(_), Err(Fault::Stops(why, _))) => Err(Fault::Unknown(format!(
                "the subnet and that of {id} differ: {why}, and the other lets requests through"
            ))),
        }
    }

    /// A NAT gateway of the network interface's VPC: of no other can one be the target of a route.
    fn nat(&self, id: &NatGatewayId) -> Result<&NatGateway, Fault> {
        let nat =
            find(seen(&self.facts.nat_gateways, "the NAT gateways")?, |nat| nat.id == *id, "NAT gateway", id.as_str())?;
        self.in_own_vpc(id.as_str(), &nat.vpc)?;
        Ok(nat)
    }

    /// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-nat-gateway.html>
    fn nat_gateway(&self, id: &NatGatewayId, addresses: &[IpAddr]) -> Answer {
        let nat = self.nat(id)?;
        let NatGateway { state, connectivity, appliances, is_regional, .. } = nat;
        let stops = |what: String| self.stops(|address| addresses.contains(&address), what, None);
        match state.as_str() {
            "available" => {}
            "failed" | "deleted" => return Err(stops(format!("its state is {state}"))),
            state => return Err(Fault::Unknown(format!("its state is {state}"))),
        }
        match connectivity.as_deref() {
            Some("public") => {}
            Some("private") => {
                let why = "it is private: it has no public address";
                return Err(match self.leads_to_internet_gateway(nat, addresses) {
                    true => stops(format!("{why}, and the internet gateway behind it drops what it sends")),
                    false => Fault::Unknown(format!("{why}; the route table of its subnet decides")),
                });
            }
            other => {
                return Err(Fault::Unknown(format!("its connectivity is {}", other.unwrap_or("not in the answer"))));
            }
        }
        if !appliances.is_empty() {
            return Err(Fault::Unknown(format!("its appliance decides: {}", appliances.join(", "))));
        }
        let zone_of = |id: &SubnetId| self.subnet(id).ok()?.availability_zone.as_ref();
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

    /// Whether the route table of its subnet leads all of these addresses to an internet gateway. What it translates goes on by IPv4.
    fn leads_to_internet_gateway(&self, nat: &NatGateway, addresses: &[IpAddr]) -> bool {
        let Some(subnet) = &nat.subnet else { return false };
        let facts = self.reader.facts;
        let Ok((table, _)) = table_of(facts, &nat.vpc, subnet) else { return false };
        addresses.iter().all(|address| match select(table, &facts.prefix_lists, behind_nat64(*address)) {
            Selection::One { winner, .. } => matches!(winner.route.target, Target::InternetGateway(_)),
            Selection::NoRoute | Selection::Tied { .. } | Selection::NeedsLists(_) => false,
        })
    }

    /// The firewall's rules cannot be read.
    fn firewall(&self) -> Answer {
        match self.subnet(&self.way.interface.subnet)?.firewall.as_deref() {
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

fn gate(kind: GateKind, of: impl Into<String>, answer: Answer) -> Gate {
    let (state, reason, fix) = match answer {
        Ok(reason) => (GateState::Open, reason, None),
        Err(Fault::Stops(reason, fix)) => (GateState::Closed, reason, fix),
        Err(Fault::Unknown(reason)) => (GateState::Unknown, reason, None),
    };
    Gate { gate: kind, state, of: of.into(), reason, fix }
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

/// The most rules of one direction that are judged. The quota is 20, and 40 at most.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>
const MOST_RULES: usize = 200;

/// In the order in which they are tried.
fn in_order(rules: &[AclRule]) -> Result<Vec<AclRule>, Fault> {
    if rules.len() > MOST_RULES {
        return Err(Fault::Unknown(format!("it has {} rules, of which onnet judges {MOST_RULES}", rules.len())));
    }
    let mut rules = rules.to_vec();
    rules.sort_by_key(|rule| rule.number);
    Ok(rules)
}

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
        let Some(halves) = halves(range) else { return Some(Denial { rule: Some(rule), range, ports }) };
        return halves.into_iter().find_map(|half| denied(rest, half, ports));
    }
    let Some(common) = rule.ports.common(ports) else { return Some(Denial { rule: Some(rule), range, ports }) };
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
            "aws ec2 create-network-acl-entry --network-acl-id {} --{direction} --rule-number {number} --protocol 6 \
             --port-range From={first},To={last} {range} --rule-action allow",
            shell_word(acl.as_str())
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

/// The command that exempts a subnet from Block Public Access, for no more than is needed.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/security-vpc-bpa-basics.html>
fn exclude(subnet: &SubnetId, egress_is_enough: bool) -> String {
    let mode = if egress_is_enough { "allow-egress" } else { "allow-bidirectional" };
    let subnet = shell_word(subnet.as_str());
    format!(
        "aws ec2 create-vpc-block-public-access-exclusion --subnet-id {subnet} --internet-gateway-exclusion-mode {mode}"
    )
}

/// The command that lets requests out, to the whole prefix list where the range is of one.
fn authorize(group: &SecurityGroupId, range: IpNet, port: u16, list: Option<&PrefixListId>) -> String {
    let to = match (list, range) {
        (Some(list), _) => format!("PrefixListIds=[{{PrefixListId={list}}}]"),
        (None, IpNet::V4(range)) => format!("IpRanges=[{{CidrIp={range}}}]"),
        (None, IpNet::V6(range)) => format!("Ipv6Ranges=[{{CidrIpv6={range}}}]"),
    };
    let rule = format!("IpProtocol=tcp,FromPort={port},ToPort={port},{to}");
    let (group, rule) = (shell_word(group.as_str()), shell_word(&rule));
    format!("aws ec2 authorize-security-group-egress --group-id {group} --ip-permissions {rule}")
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
