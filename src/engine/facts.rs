//! What is known between collections: the facts of the next [`Snapshot`].
//!
//! A collection that failed for a passing reason (no answer, throttled, broken off) leaves the facts it would have
//! replaced, with their age, and the judge accounts for that. A refusal and "there is none" are answers: they replace what
//! was known at once.

use super::{
    clock::Step,
    collections::{Answer, Asked, Target},
    keep::{Kept, Passing, Restamp, Restore},
    statements::{Leaving, Statements},
};
use crate::model::{
    Fact, FactPath, FactVisitor, Gap, GateFacts, IgnoredSetting, Instance, InterfaceId, KernelRoute, METADATA_V4,
    MaxAge, NatRates, Observed, PrefixListId, ProbeAttempt, ProbeKind, ProxyVariable, Resolution, Seconds, ServiceName,
    Snapshot, Timestamp, VpcEndpoint, VpcEndpointId, VpcFacts, VpcId, WitnessAttempt, may_be_dynamodbs, visit_instance,
};
use crate::observe::kernel::Wanted;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Which request is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeChoice {
    /// A signed `ListTables`; without credentials a `GET /`.
    ListTables,
    /// An unsigned `GET /`.
    Health,
    /// None.
    None,
}

/// What facts are wanted, and how long they count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scope {
    /// Which request is timed.
    pub probe: ProbeChoice,
    /// Whether the unsigned request is made beside the signed one, not only in its place.
    pub both_probes: bool,
    /// Judge as if traffic left through this network interface.
    pub interface: Option<InterfaceId>,
    /// The actions that programs here use.
    #[serde(default)]
    pub actions: Vec<String>,
    /// The tables that programs here use.
    #[serde(default)]
    pub tables: Vec<String>,
    /// What NAT gateways cost.
    #[serde(default)]
    pub nat_rates: NatRates,
    /// Whether the C library is asked beside the name servers.
    #[serde(default)]
    pub c_library: bool,
    /// Whether EC2 is asked about the gates beside the routes.
    #[serde(default)]
    pub gates: bool,
    /// Whether DynamoDB is asked how requests come.
    #[serde(default)]
    pub witness: bool,
    /// How often: an answer is not asked for again before.
    #[serde(default)]
    pub witness_every: Seconds,
    /// How old a fact may be before it supports no verdict.
    pub max_age: MaxAge,
}

/// What is known.
#[derive(Clone, Debug)]
pub struct Facts {
    scope: Scope,
    /// The facts but the probes. What is about the snapshot itself is filled in by [`Facts::snapshot`].
    known: Snapshot,
    probes: BTreeMap<ProbeKey, ProbeAttempt>,
    statements: Statements,
    /// Whether SDKs make a name of the account id, as the last names said that were known.
    uses_account: bool,
    /// How long each name took to resolve.
    took: BTreeMap<String, Seconds>,
    /// What the kernel was asked for when it last said what it does with the whole prefix list.
    paths_of: Option<Wanted>,
    /// Whether it is to be asked.
    paths_due: bool,
}

/// One attempt is kept for each.
type ProbeKey = (ProbeKind, IpAddr, String);

fn key(attempt: &ProbeAttempt) -> ProbeKey {
    (attempt.kind(), attempt.address, attempt.hostname.clone())
}

/// What changed with an answer, as far as other sources may know more about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// The instance, its interfaces, or the Region.
    pub instance: bool,
    /// The names to judge.
    pub names: bool,
    /// Addresses came that were not in use before.
    pub addresses: bool,
    /// An address came that none of DynamoDB's prefix lists holds, as far as these are known.
    pub strangers: bool,
    /// What the kernel does with an address, or its other routes.
    pub routes: bool,
    /// A probe was not answered.
    pub probe_failed: bool,
    /// The route tables or the endpoints.
    pub vpc: bool,
    /// The credentials, since DynamoDB was asked how requests come.
    pub credentials: bool,
}

impl Facts {
    /// Nothing is known yet.
    pub fn new(scope: Scope) -> Self {
        let mut known = Snapshot {
            actions: scope.actions.clone(),
            tables: scope.tables.clone(),
            nat_rates: scope.nat_rates,
            ..Snapshot::unknown(scope.interface.clone(), scope.max_age)
        };
        known.vpc.gates = GateFacts::unseen_if(scope.gates, &Gap::not_yet());
        let every = scope.witness_every.as_duration();
        Self {
            scope,
            known,
            probes: BTreeMap::new(),
            statements: Statements::new(every),
            uses_account: false,
            took: BTreeMap::new(),
            paths_of: None,
            paths_due: true,
        }
    }

    /// The control was asked by another process, with these answers.
    #[must_use]
    pub fn with_controls(self, controls: &[WitnessAttempt]) -> Self {
        Self { statements: self.statements.with_controls(controls), ..self }
    }

    /// Takes in what a collection brought.
    pub fn take(&mut self, mut answer: Answer) -> Changed {
        self.complete(&mut answer);
        answer.taken_into(self)
    }

    /// Adds to a probe the phase that is not its own: how long its name took to resolve, as far as that is known by now.
    ///
    /// A probe does not wait for it. The C library may have named the address before the name servers answered.
    pub(super) fn complete(&self, answer: &mut Answer) {
        if let Answer::Probe(ProbeAttempt { hostname, probe, .. }) = answer
            && let (Some(probe), Some(resolve)) = (probe.seen_mut(), self.took.get(hostname))
        {
            probe.phases.resolve = Some(*resolve);
            probe.total = probe.phases.sum().into();
        }
    }

    pub(super) fn take_identity(&mut self, answer: Answer) -> Changed {
        let before = (undated(&self.known.instance), self.known.region.seen().cloned(), self.all_names());
        if let Answer::Names { names: names @ Observed::Seen { .. }, by_account } = &answer {
            self.uses_account = *by_account;
            if !by_account {
                self.known.account_name = names.clone().map(|_| None);
            }
        }
        self.replace(answer);
        let (instance, region) = (undated(&self.known.instance), self.known.region.seen().cloned());
        if before.1 != region {
            // The account-based name of another Region is not this one's.
            self.known.account_name = Observed::Unseen(Gap::not_yet());
        }
        self.forget_unused();
        let changed = before.0.is_some() && (before.0, before.1) != (instance, region);
        Changed { instance: changed, names: self.all_names() != before.2, ..Changed::default() }
    }

    pub(super) fn take_route(&mut self, answer: Answer) -> Changed {
        if let Answer::KernelPaths { wanted, .. } = &answer {
            let current = self.wanted_paths();
            if *wanted != current && self.paths_of.as_ref() == Some(&current) {
                // It was begun for less than what is known already.
                return Changed::default();
            }
            self.paths_of = Some(wanted.clone());
        }
        let address = if let Answer::KernelRoute(address, _) = &answer { Some(*address) } else { None };
        let routes = |known: &Snapshot| {
            let to_address = address.and_then(|address| known.kernel_routes.get(&address)?.seen().cloned());
            (to_address, known.kernel_paths.seen().cloned())
        };
        let before = routes(&self.known);
        self.replace(answer);
        let now = routes(&self.known);
        let routes = differs(before.0, now.0) || differs(before.1, now.1);
        Changed { routes, ..Changed::default() }
    }

    pub(super) fn take_resolution(&mut self, answer: Answer) -> Changed {
        if let Answer::Resolution { hostname, took: Some(took), .. } = &answer {
            self.took.insert(hostname.clone(), *took);
        }
        let is_apart = matches!(&answer, Answer::Resolution { hostname, .. }
            if self.names().any(|name| name.hostname == *hostname && !name.kind.takes_table_requests()));
        let before = self.addresses();
        self.replace(answer);
        self.forget_unused();
        let now = self.addresses();
        let strangers =
            !is_apart && !before.is_empty() && now.difference(&before).any(|address| self.is_stranger(*address));
        Changed { addresses: !now.is_subset(&before), strangers, ..Changed::default() }
    }

    pub(super) fn take_probe(&mut self, answer: Answer) -> Changed {
        let Answer::Probe(attempt) = answer else { return Changed::default() };
        let probe_failed = attempt.probe.seen().is_some_and(|probe| !probe.result.reached_service());
        let signed_with = attempt.probe.seen().and_then(|probe| probe.credentials.as_deref());
        let is_new = |credentials: &str| self.statements.are_of_others(credentials, &self.addresses());
        let credentials = self.scope.witness && signed_with.is_some_and(is_new);
        // The names may have changed while the probe was under way.
        if self.is_in_use(attempt.address) {
            self.probes.insert(key(&attempt), attempt);
        }
        Changed { probe_failed, credentials, ..Changed::default() }
    }

    pub(super) fn take_vpc(&mut self, mut answer: Answer) -> Changed {
        if let Answer::Vpc { facts, .. } = &mut answer {
            if facts.route_tables.seen().is_none() || facts.service_prefix_lists.seen().is_none() {
                // A list that is no longer named is dropped only where it is known which lists are named.
                for (id, list) in &self.known.vpc.prefix_lists {
                    facts.prefix_lists.entry(id.clone()).or_insert_with(|| list.clone());
                }
            }
            facts.keep_observers_of(&self.known.vpc);
            // Lists that only a route shows stay, where the routes or endpoints that show it do.
            let lacks = facts.route_tables.seen().is_none() || facts.vpc_endpoints.seen().is_none();
            let before = self.known.vpc.service_prefix_lists.seen().filter(|_| lacks);
            if let (Some(before), Some(lists)) = (before, facts.service_prefix_lists.seen_mut()) {
                lists.extend(before.iter().filter(|id| !lists.contains(id)).cloned().collect::<Vec<_>>());
            }
        }
        let Answer::Vpc { facts, .. } = &answer else { return Changed::default() };
        let vpc = &self.known.vpc;
        // Large tables are compared only where someone wants to know.
        let vpc = self.scope.witness
            && (differ(&vpc.route_tables, &facts.route_tables) || differ(&vpc.vpc_endpoints, &facts.vpc_endpoints));
        self.replace(answer);
        Changed { vpc, ..Changed::default() }
    }

    pub(super) fn take_statement(&mut self, answer: Answer) -> Changed {
        if let Answer::Statement(attempt) = answer {
            self.statements.take(attempt, &self.addresses());
        }
        Changed::default()
    }

    /// How requests to each address in use leave, as far as the kernel and instance metadata say, once they were timed.
    fn leaving(&self) -> Vec<Leaving> {
        let Some(instance) = self.instance().filter(|_| self.scope.witness) else { return Vec::new() };
        let timed = |target: &Target| {
            let kind = ProbeKind::ListTables;
            !self.wants_probe(kind, target) || self.attempt(kind, target).is_some()
        };
        let leaving = |target: Target| {
            let Some(KernelRoute::Via { source: Some(source), .. }) =
                self.known.kernel_routes.get(&target.address)?.seen()
            else {
                return None;
            };
            let interface = instance.interfaces.iter().find(|interface| interface.addresses.contains(source))?;
            let (vpc, source) = (interface.vpc.clone(), *source);
            Some(Leaving { target, endpoint: self.only_endpoint(&vpc, &instance.region), vpc, source })
        };
        self.targets().into_iter().filter(|target| target.name.in_use && timed(target)).filter_map(leaving).collect()
    }

    /// The endpoint of `vpc` that carries DynamoDB, where no other one may.
    fn only_endpoint(&self, vpc: &VpcId, region: &str) -> Option<VpcEndpointId> {
        let is_one =
            |endpoint: &&VpcEndpoint| endpoint.vpc == *vpc && may_be_dynamodbs(endpoint.service.as_deref(), region);
        let mut endpoints = self.known.vpc.vpc_endpoints.seen()?.iter().filter(is_one);
        endpoints.next().filter(|_| endpoints.next().is_none()).map(|endpoint| endpoint.id.clone())
    }

    /// What DynamoDB is to be asked in one go.
    pub(super) fn questions(&self) -> Vec<Asked> {
        self.statements.questions(&self.leaving())
    }

    /// What it is to be asked after that.
    pub(super) fn follow_ups(&self) -> Vec<Asked> {
        self.statements.follow_ups(&self.leaving())
    }

    /// Whether something was not asked yet of an address in use.
    pub(super) fn lacks_statements(&self) -> bool {
        self.statements.lacks(&self.leaving())
    }

    /// The time, by which DynamoDB's answers grow old.
    pub(super) fn set_now(&mut self, now: Timestamp) {
        self.statements.set_now(now);
    }

    /// Something that DynamoDB's answers depend on changed.
    pub(super) fn forget_statements(&mut self) {
        self.statements.forget();
    }

    /// Something may have changed: DynamoDB is asked everything again.
    pub(super) fn ask_all(&mut self) {
        self.statements.ask_all();
    }

    /// A round of questions begins.
    pub(super) fn questions_begun(&mut self) {
        self.statements.begun();
    }

    /// Puts what was collected in the place of what was known, except for facts that are missing for a passing reason.
    fn replace(&mut self, mut answer: Answer) {
        let mut passing = Passing::default();
        answer.visit_facts(&mut passing);
        answer.swap(&mut self.known);
        if !passing.0.is_empty() {
            let mut kept = Kept::of(passing);
            answer.visit_facts(&mut kept);
            self.known.visit_facts(&mut Restore(kept.facts));
        }
    }

    /// Drops what is known of names and addresses that are no longer in use.
    fn forget_unused(&mut self) {
        let hostnames: BTreeSet<String> = self.names().map(|name| name.hostname.clone()).collect();
        self.known.resolutions.retain(|hostname, _| hostnames.contains(hostname));
        self.took.retain(|hostname, _| hostnames.contains(hostname));
        let addresses = self.addresses();
        let asked: BTreeSet<IpAddr> = self.kernel_destinations().into_iter().map(|(address, _)| address).collect();
        self.known.kernel_routes.retain(|address, _| asked.contains(address));
        self.probes.retain(|(_, address, _), _| addresses.contains(address));
    }

    /// The names to resolve, the one an SDK would use first.
    pub fn names(&self) -> impl Iterator<Item = &ServiceName> {
        self.known.all_names()
    }

    /// The same, to keep.
    pub fn all_names(&self) -> Vec<ServiceName> {
        self.names().cloned().collect()
    }

    /// Whether SDKs make a name of the account id.
    pub(super) fn uses_account(&self) -> bool {
        self.uses_account
    }

    /// Whether the C library is asked beside the name servers.
    pub(super) fn asks_c_library(&self) -> bool {
        self.scope.c_library
    }

    /// The Region the names are made for.
    pub fn region(&self) -> Option<&str> {
        self.known.region.seen().map(String::as_str)
    }

    /// The instance.
    pub fn instance(&self) -> Option<&Instance> {
        self.known.instance.seen()
    }

    /// What EC2 knows of the VPC.
    pub fn vpc(&self) -> &VpcFacts {
        &self.known.vpc
    }

    /// Whether EC2 is asked about the gates beside the routes.
    pub fn asks_for_gates(&self) -> bool {
        self.scope.gates
    }

    /// The network interface to judge by, whatever the kernel's routes say.
    pub fn assumed_interface(&self) -> Option<&InterfaceId> {
        self.scope.interface.as_ref()
    }

    /// Every address of every name, and the port that is used there.
    pub fn destinations(&self) -> BTreeSet<(IpAddr, u16)> {
        self.targets().into_iter().map(|target| (target.address, target.name.port)).collect()
    }

    /// Where the kernel is asked for its route: the addresses in use, and where onnet itself sends requests, which are
    /// instance metadata and the name servers.
    pub(super) fn kernel_destinations(&self) -> BTreeSet<(IpAddr, u16)> {
        let servers = self.known.resolutions.values().flat_map(|resolution| &resolution.servers);
        let servers = servers.map(|server| (server.ip(), server.port()));
        self.destinations().into_iter().chain(servers).chain([(METADATA_V4.into(), 80)]).collect()
    }

    /// What is wanted of the kernel for the whole prefix list.
    pub(super) fn wanted_paths(&self) -> Wanted {
        Wanted::new(self.vpc(), self.names(), &self.addresses())
    }

    /// The same, if it is to be collected and there is anything.
    pub(super) fn due_paths(&self) -> Option<Wanted> {
        let wanted = self.wanted_paths();
        let is_empty = wanted.list.is_empty() && wanted.addresses.is_empty();
        (self.paths_due && !is_empty).then_some(wanted)
    }

    /// Whether the kernel is to be asked about the whole prefix list, and not only about the addresses in use.
    pub(super) fn set_paths_due(&mut self, paths_due: bool) {
        self.paths_due = paths_due;
    }

    /// Which settings of the AWS SDKs are not used as they stand.
    pub fn set_ignored_settings(&mut self, ignored: Vec<IgnoredSetting>) {
        self.known.ignored_settings = ignored;
    }

    fn addresses(&self) -> BTreeSet<IpAddr> {
        self.targets().into_iter().map(|target| target.address).collect()
    }

    fn is_in_use(&self, address: IpAddr) -> bool {
        let resolutions = self.names().filter_map(|name| self.known.resolutions.get(&name.hostname));
        resolutions.flat_map(Resolution::addresses).any(|known| known == address)
    }

    /// What to send probes to.
    pub(super) fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        for name in self.names() {
            let Some(resolution) = self.known.resolutions.get(&name.hostname) else { continue };
            let target = |address| Target { name: name.clone(), address };
            targets.extend(resolution.addresses().collect::<BTreeSet<_>>().into_iter().map(target));
        }
        targets
    }

    /// Whether a probe of this kind is to be sent there.
    pub(super) fn wants_probe(&self, kind: ProbeKind, target: &Target) -> bool {
        // Streams and vector search know no ListTables, and their failures are no alarm of DynamoDB's.
        if !target.name.kind.takes_table_requests() {
            return false;
        }
        match (self.scope.probe, kind) {
            (ProbeChoice::None, _) | (ProbeChoice::Health, ProbeKind::ListTables) => false,
            (ProbeChoice::Health, ProbeKind::Health) | (ProbeChoice::ListTables, ProbeKind::ListTables) => true,
            (ProbeChoice::ListTables, ProbeKind::Health) => {
                let signed = self.attempt(ProbeKind::ListTables, target);
                self.scope.both_probes || signed.is_some_and(|attempt| attempt.probe.seen().is_none())
            }
        }
    }

    fn attempt(&self, kind: ProbeKind, target: &Target) -> Option<&ProbeAttempt> {
        self.probes.get(&(kind, target.address, target.name.hostname.clone()))
    }

    /// Whether the service testified to the path of an address, and nothing but its testimony says which path that is.
    pub fn rests_on_testimony(&self) -> bool {
        self.known.vpc.route_tables.seen().is_none()
            && self.probes.values().any(|attempt| attempt.probe.seen().is_some_and(|p| p.testimony.is_some()))
    }

    fn is_stranger(&self, address: IpAddr) -> bool {
        let vpc = &self.known.vpc;
        let lists = vpc.service_prefix_lists.seen().into_iter().flatten();
        let mut known = lists.filter_map(|id: &PrefixListId| vpc.prefix_lists.get(id)?.seen()).peekable();
        known.peek().is_some() && !known.any(|list| list.entries.iter().any(|entry| entry.contains(&address)))
    }

    /// Everything that is known, as a round that began then and took so long.
    pub fn snapshot(&self, taken_at: Timestamp, took: Seconds, proxies: Vec<ProxyVariable>) -> Snapshot {
        let targets = self.targets();
        let mut probes: Vec<ProbeAttempt> = ProbeKind::ALL
            .iter()
            .flat_map(|&kind| targets.iter().filter_map(move |target| self.attempt(kind, target).cloned()))
            .collect();
        if self.scope.probe == ProbeChoice::None {
            let switched_off = || Observed::Unseen(Gap::NotTried { because: "probes are disabled".to_owned() });
            probes.extend(targets.iter().map(|target| target.attempt(None, switched_off())));
        }
        // A name that has not been resolved, and an address whose route is not known, are in it as well.
        let mut resolutions = self.known.resolutions.clone();
        for name in self.names() {
            resolutions.entry(name.hostname.clone()).or_insert_with(|| Resolution::unseen(&Gap::not_yet()));
        }
        if self.scope.c_library {
            for resolution in resolutions.values_mut() {
                resolution.c_library.get_or_insert(Observed::Unseen(Gap::not_yet()));
            }
        }
        let mut kernel_routes = self.known.kernel_routes.clone();
        for target in &targets {
            kernel_routes.entry(target.address).or_insert(Observed::Unseen(Gap::not_yet()));
        }
        let statements = self.statements.of(&targets);
        Snapshot { taken_at, took, proxies, resolutions, kernel_routes, probes, statements, ..self.known.clone() }
    }

    /// The wall clock was set: every fact keeps its age.
    pub fn restamp(&mut self, step: Step) {
        let mut restamp = Restamp(step);
        self.known.visit_facts(&mut restamp);
        self.probes.values_mut().for_each(|attempt| attempt.visit_facts(&mut restamp));
        self.statements.visit_facts(&mut restamp);
        self.statements.restamp(step);
    }
}

/// Whether both were observed, and are different.
fn differs<T: PartialEq>(before: Option<T>, now: Option<T>) -> bool {
    before.zip(now).is_some_and(|(before, now)| before != now)
}

/// The same of facts.
fn differ<T: PartialEq>(before: &Observed<T>, now: &Observed<T>) -> bool {
    differs(before.seen(), now.seen())
}

/// The instance without the times of the facts within it, which are new with each collection.
fn undated(instance: &Observed<Instance>) -> Option<Instance> {
    struct Undate;

    impl FactVisitor for Undate {
        fn fact<T: Fact>(&mut self, _: FactPath, fact: &mut Observed<T>) {
            if let Observed::Seen { at, took, .. } = fact {
                (*at, *took) = (Timestamp::from(std::time::UNIX_EPOCH), Seconds::default());
            }
        }
    }

    let mut instance = instance.clone();
    visit_instance(&mut instance, &mut Undate);
    instance.into_result().ok()
}
