//! What is known, source by source, between the looks: the facts a [`Snapshot`] is put together from.
//!
//! A look that failed for a while (no answer, throttled, broken off) leaves the facts it would have replaced, with their
//! age; the judge takes them for what they are until they are too old. A refusal and a "there is none" are answers, and
//! replace what was known at once.

use super::clock::Step;
use crate::{
    model::{
        Gap, Instance, Interface, KernelRoute, MaxAge, Observed, PrefixListId, ProbeAttempt, Resolution, SCHEMA,
        Seconds, ServiceName, Snapshot, Timestamp, VpcFacts,
    },
    observe::{
        ProbeChoice, Settings, addresses, nothing,
        sources::{Identity, KernelRoutes, Resolved, Target, proxies},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// What is known.
#[derive(Clone, Debug)]
pub struct Known {
    identity: Identity,
    resolved: BTreeMap<String, Resolved>,
    kernel: KernelRoutes,
    vpc: VpcFacts,
    health: Vec<ProbeAttempt>,
    list_tables: Vec<ProbeAttempt>,
}

impl Default for Known {
    /// Nothing yet.
    fn default() -> Self {
        let gap = not_yet();
        Self {
            identity: Identity {
                instance: Observed::Unseen(gap.clone()),
                region: Observed::Unseen(gap.clone()),
                names: Observed::Unseen(gap.clone()),
                account_name: Observed::Unseen(gap.clone()),
            },
            resolved: BTreeMap::new(),
            kernel: KernelRoutes { routes: BTreeMap::new(), host_routes: Observed::Unseen(gap.clone()) },
            vpc: nothing(&gap),
            health: Vec::new(),
            list_tables: Vec::new(),
        }
    }
}

fn not_yet() -> Gap {
    Gap::NotTried { because: "not looked at yet".to_owned() }
}

/// What changed with a look, as far as other sources may know more of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// The instance, its interfaces, or the Region.
    pub instance: bool,
    /// The names to judge.
    pub names: bool,
    /// The addresses in use.
    pub addresses: bool,
    /// An address came that none of DynamoDB's prefix lists holds, as far as these are known.
    pub strangers: bool,
    /// What the kernel does with an address, or its other routes.
    pub routes: bool,
    /// A probe was not answered.
    pub probe_failed: bool,
}

impl Known {
    /// Takes in what instance metadata said.
    pub fn identity(&mut self, mut seen: Identity) -> Changed {
        let before = self.identity.clone();
        if let (Observed::Seen { value: now, .. }, Some(known)) = (&mut seen.instance, before.instance.seen()) {
            keep_within(known, now);
        }
        keep(&mut self.identity.instance, seen.instance);
        keep(&mut self.identity.region, seen.region);
        keep_dependent(&mut self.identity.names, seen.names);
        // The account-based name of another Region is not this one's.
        let same_region = self.identity.region.seen() == before.region.seen();
        let no_credentials = matches!(seen.account_name, Observed::Unseen(Gap::Credentials { .. }));
        let account_name = &mut self.identity.account_name;
        if !same_region {
            *account_name = seen.account_name;
        } else if !(no_credentials && account_name.seen().is_some()) {
            keep_dependent(account_name, seen.account_name);
        }
        if let Some(names) = self.names() {
            self.resolved.retain(|hostname, _| names.iter().any(|name| name.hostname == *hostname));
        }
        let now = &self.identity;
        let names = !now.all_names().eq(before.all_names());
        let same_instance = match (before.instance.seen(), now.instance.seen()) {
            (Some(before), Some(now)) => is_same(before, now) && same_region,
            (None, _) => true,
            (Some(_), None) => false,
        };
        Changed { instance: !same_instance, names, ..Changed::default() }
    }

    /// Takes in what the name servers said.
    pub fn addresses(&mut self, seen: BTreeMap<String, Resolved>) -> Changed {
        let before: BTreeSet<IpAddr> = self.destinations().into_iter().map(|(address, _)| address).collect();
        for (hostname, (resolution, took)) in seen {
            match self.resolved.get_mut(&hostname) {
                Some((known, known_took)) => {
                    keep_resolution(known, resolution);
                    *known_took = took.or(*known_took);
                }
                None => {
                    self.resolved.insert(hostname, (resolution, took));
                }
            }
        }
        let now: BTreeSet<IpAddr> = self.destinations().into_iter().map(|(address, _)| address).collect();
        self.kernel.routes.retain(|address, _| now.contains(address));
        let of_now = |attempt: &ProbeAttempt| now.contains(&attempt.address);
        self.health.retain(of_now);
        self.list_tables.retain(of_now);
        let strangers = !before.is_empty() && now.difference(&before).any(|address| self.is_stranger(*address));
        Changed { addresses: !now.is_subset(&before), strangers, ..Changed::default() }
    }

    /// Takes in what the kernel said.
    pub fn kernel(&mut self, seen: KernelRoutes) -> Changed {
        let mut routes = false;
        for (address, route) in seen.routes {
            if let Some(known) = self.kernel.routes.get_mut(&address) {
                routes |= route.seen().is_some() && known.seen().is_some() && route.seen() != known.seen();
                keep(known, route);
            } else {
                self.kernel.routes.insert(address, route);
            }
        }
        let (known, now) = (&mut self.kernel.host_routes, seen.host_routes);
        routes |= now.seen().is_some() && known.seen().is_some() && now.seen() != known.seen();
        keep(known, now);
        Changed { routes, ..Changed::default() }
    }

    /// Takes in the unsigned probes.
    pub fn health(&mut self, seen: Vec<ProbeAttempt>) -> Changed {
        let probe_failed = seen.iter().any(failed);
        self.health = self.current(seen);
        Changed { probe_failed, ..Changed::default() }
    }

    /// Takes in the signed probes.
    pub fn list_tables(&mut self, seen: Vec<ProbeAttempt>) -> Changed {
        let probe_failed = seen.iter().any(failed);
        self.list_tables = self.current(seen);
        Changed { probe_failed, ..Changed::default() }
    }

    /// Those of addresses that are still in use: the names may have changed while the probes were under way.
    fn current(&self, mut seen: Vec<ProbeAttempt>) -> Vec<ProbeAttempt> {
        let addresses: BTreeSet<IpAddr> = self.destinations().into_iter().map(|(address, _)| address).collect();
        seen.retain(|attempt| addresses.contains(&attempt.address));
        seen
    }

    /// Takes in what EC2 said.
    pub fn vpc(&mut self, seen: VpcFacts) {
        let VpcFacts { route_tables, vpc_endpoints, endpoint_interfaces, service_prefix_lists, prefix_lists } = seen;
        // A list that is named no more is dropped only where it is known which are named.
        let complete = route_tables.seen().is_some() && service_prefix_lists.seen().is_some();
        let known = &mut self.vpc;
        known.prefix_lists.retain(|id, _| !complete || prefix_lists.contains_key(id));
        keep(&mut known.route_tables, route_tables);
        keep(&mut known.vpc_endpoints, vpc_endpoints);
        keep_dependent(&mut known.endpoint_interfaces, endpoint_interfaces);
        keep(&mut known.service_prefix_lists, service_prefix_lists);
        for (id, list) in prefix_lists {
            match known.prefix_lists.get_mut(&id) {
                Some(known) => keep(known, list),
                None => {
                    known.prefix_lists.insert(id, list);
                }
            }
        }
    }

    /// The names to resolve, if those that depend on no account are known.
    pub fn names(&self) -> Option<Vec<ServiceName>> {
        self.identity.names.seen().map(|_| self.identity.all_names().cloned().collect())
    }

    /// The Region the names were made for.
    pub fn region(&self) -> Option<&str> {
        self.identity.region.seen().map(String::as_str)
    }

    /// What instance metadata said.
    pub fn instance(&self) -> Option<&Instance> {
        self.identity.instance.seen()
    }

    /// What EC2 said.
    pub fn vpc_facts(&self) -> &VpcFacts {
        &self.vpc
    }

    /// Every address of every name, and the port that is used there.
    pub fn destinations(&self) -> BTreeSet<(IpAddr, u16)> {
        self.targets().into_iter().map(|target| (target.address, target.name.port)).collect()
    }

    /// What to send probes to.
    pub fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        for name in self.identity.all_names() {
            let Some((resolution, resolve)) = self.resolved.get(&name.hostname) else { continue };
            targets.extend(addresses(resolution).into_iter().map(|address| Target {
                name: name.clone(),
                address,
                resolve: *resolve,
            }));
        }
        targets
    }

    /// Whether the service testified to the way of an address, and nothing but its testimony says which way that is.
    pub fn rests_on_testimony(&self) -> bool {
        self.vpc.route_tables.seen().is_none()
            && self.list_tables.iter().any(|attempt| attempt.probe.seen().is_some_and(|p| p.testimony.is_some()))
    }

    fn is_stranger(&self, address: IpAddr) -> bool {
        let lists = self.vpc.service_prefix_lists.seen().into_iter().flatten();
        let mut known = lists.filter_map(|id: &PrefixListId| self.vpc.prefix_lists.get(id)?.seen()).peekable();
        known.peek().is_some() && !known.any(|list| list.entries.iter().any(|entry| entry.contains(&address)))
    }

    /// Everything that is known, as one round would have seen it that began then and took so long.
    pub fn snapshot(&self, taken_at: Timestamp, took: Seconds, max_age: MaxAge, settings: &Settings) -> Snapshot {
        let mut probes: Vec<ProbeAttempt> = self.list_tables.iter().chain(&self.health).cloned().collect();
        if settings.probe == ProbeChoice::None {
            probes.extend(self.targets().iter().map(Target::switched_off));
        }
        Snapshot {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            taken_at,
            took,
            instance: self.identity.instance.clone(),
            region: self.identity.region.clone(),
            proxies: proxies(&self.identity.all_names().cloned().collect::<Vec<_>>()),
            names: self.identity.names.clone(),
            account_name: self.identity.account_name.clone(),
            resolutions: self.resolutions(),
            assumed_interface: settings.interface.clone(),
            kernel_routes: self.kernel_routes(),
            host_routes: self.kernel.host_routes.clone(),
            vpc: self.vpc.clone(),
            probes,
            max_age,
        }
    }

    /// Of each name, though it was not asked for yet.
    fn resolutions(&self) -> BTreeMap<String, Resolution> {
        let unresolved = || Resolution {
            ipv4: Observed::Unseen(not_yet()),
            ipv6: Observed::Unseen(not_yet()),
            cnames: Vec::new(),
            servers: Vec::new(),
            hosts_file: Observed::Unseen(not_yet()),
        };
        let names = self.identity.all_names().map(|name| name.hostname.clone());
        let known = |hostname: &String| self.resolved.get(hostname).map(|(resolution, _)| resolution.clone());
        names
            .map(|hostname| (known(&hostname), hostname))
            .map(|(known, hostname)| (hostname, known.unwrap_or_else(unresolved)))
            .collect()
    }

    /// Of each address, though it was not asked for yet.
    fn kernel_routes(&self) -> BTreeMap<IpAddr, Observed<KernelRoute>> {
        let route = |address| self.kernel.routes.get(&address).cloned().unwrap_or_else(|| Observed::Unseen(not_yet()));
        self.destinations().into_iter().map(|(address, _)| (address, route(address))).collect()
    }

    /// The wall clock was set: every fact keeps its age.
    pub fn restamp(&mut self, step: Step) {
        let Self { identity, resolved, kernel, vpc, health, list_tables } = self;
        restamp(&mut identity.instance, step);
        if let Observed::Seen { value: instance, .. } = &mut identity.instance {
            restamp(&mut instance.availability_zone, step);
            for interface in &mut instance.interfaces {
                restamp(&mut interface.subnet_cidrs, step);
                restamp(&mut interface.public_addresses, step);
            }
        }
        restamp(&mut identity.region, step);
        restamp(&mut identity.names, step);
        restamp(&mut identity.account_name, step);
        for (resolution, _) in resolved.values_mut() {
            restamp(&mut resolution.ipv4, step);
            restamp(&mut resolution.ipv6, step);
            restamp(&mut resolution.hosts_file, step);
        }
        for route in kernel.routes.values_mut() {
            restamp(route, step);
        }
        restamp(&mut kernel.host_routes, step);
        restamp(&mut vpc.route_tables, step);
        restamp(&mut vpc.vpc_endpoints, step);
        restamp(&mut vpc.endpoint_interfaces, step);
        restamp(&mut vpc.service_prefix_lists, step);
        for list in vpc.prefix_lists.values_mut() {
            restamp(list, step);
        }
        for attempt in health.iter_mut().chain(list_tables) {
            restamp(&mut attempt.probe, step);
        }
    }
}

fn failed(attempt: &ProbeAttempt) -> bool {
    attempt.probe.seen().is_some_and(|probe| !probe.result.reached_service())
}

/// Whether a look that ended so says nothing of what was known before.
pub(super) fn is_passing(gap: &Gap) -> bool {
    match gap {
        Gap::TimedOut { .. }
        | Gap::Unreachable { .. }
        | Gap::Throttled { .. }
        | Gap::Malformed { .. }
        | Gap::Truncated { .. }
        | Gap::OverLimit { .. }
        | Gap::Failed { .. }
        | Gap::Redirected { .. } => true,
        Gap::Denied { .. }
        | Gap::Credentials { .. }
        | Gap::Settings { .. }
        | Gap::Disabled { .. }
        | Gap::NotFound { .. }
        | Gap::NotVisible { .. }
        | Gap::Changing { .. }
        | Gap::UndocumentedValue { .. }
        | Gap::Conflicting { .. }
        | Gap::SpoofedSource { .. }
        | Gap::OtherHost { .. }
        | Gap::NotTried { .. }
        | Gap::Stale { .. } => false,
    }
}

fn keep<T>(known: &mut Observed<T>, seen: Observed<T>) {
    let passing = seen.gap().is_some_and(is_passing);
    if !(passing && known.seen().is_some()) {
        *known = seen;
    }
}

/// The same for a fact that is not even asked for where another one is missing.
fn keep_dependent<T>(known: &mut Observed<T>, seen: Observed<T>) {
    if !matches!(seen, Observed::Unseen(Gap::NotTried { .. })) || known.seen().is_none() {
        keep(known, seen);
    }
}

/// The same for the facts within an instance that was described again: each has a reason of its own to be missing.
fn keep_within(known: &Instance, now: &mut Instance) {
    fn keep_one<T: Clone>(known: &Observed<T>, now: &mut Observed<T>) {
        let mut kept = known.clone();
        keep(&mut kept, now.clone());
        *now = kept;
    }
    keep_one(&known.availability_zone, &mut now.availability_zone);
    for interface in &mut now.interfaces {
        let same = |known: &&Interface| known.id == interface.id && known.subnet == interface.subnet;
        if let Some(known) = known.interfaces.iter().find(same) {
            keep_one(&known.subnet_cidrs, &mut interface.subnet_cidrs);
            keep_one(&known.public_addresses, &mut interface.public_addresses);
        }
    }
}

/// Whether an instance is described as before, whenever each fact of it was observed.
fn is_same(before: &Instance, now: &Instance) -> bool {
    let Instance { id, region, availability_zone, interfaces } = before;
    *id == now.id
        && *region == now.region
        && availability_zone.seen() == now.availability_zone.seen()
        && interfaces.len() == now.interfaces.len()
        && interfaces.iter().zip(&now.interfaces).all(|(before, now)| is_same_interface(before, now))
}

fn is_same_interface(before: &Interface, now: &Interface) -> bool {
    let Interface { id, mac, device_number, subnet, vpc, addresses, subnet_cidrs, public_addresses } = before;
    (id, mac, device_number, subnet, vpc, addresses)
        == (&now.id, &now.mac, &now.device_number, &now.subnet, &now.vpc, &now.addresses)
        && subnet_cidrs.seen() == now.subnet_cidrs.seen()
        && public_addresses.seen() == now.public_addresses.seen()
}

fn keep_resolution(known: &mut Resolution, seen: Resolution) {
    if seen.ipv4.seen().is_some() || seen.ipv6.seen().is_some() {
        known.cnames = seen.cnames;
        known.servers = seen.servers;
    }
    keep(&mut known.ipv4, seen.ipv4);
    keep(&mut known.ipv6, seen.ipv6);
    keep(&mut known.hosts_file, seen.hosts_file);
}

fn restamp<T>(fact: &mut Observed<T>, step: Step) {
    if let Observed::Seen { at, .. } = fact {
        *at = step.applied_to(*at);
    }
}
