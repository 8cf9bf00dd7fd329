//! What can be collected: which source each collection belongs to, which answers it needs, how it is made, and what it brings.

use super::{
    collectors::{CollectSettings, Session},
    facts::{Changed, Facts, ProbeChoice},
};
use crate::{
    model::{
        Ec2Request, Fact, FactPath, FactVisitor, Gap, Instance, InterfaceId, KernelPaths, KernelRoute, Observed, Probe,
        ProbeAttempt, ProbeKind, ProbeResult, Question, Reply, Resolution, Seconds, ServiceName, SharedFacts, Snapshot,
        Source, Statement, VpcFacts, VpcId, WitnessAttempt, visit_instance,
    },
    observe::{
        ec2::{self, GateQuery},
        facts_table::Asker,
        kernel::{KernelError, Wanted},
        names::{self, Names, NamesError},
        seen::{Stopwatch, seen},
    },
};
use serde::{Deserialize, Serialize};
use std::{mem, net::IpAddr, sync::Arc};
use tokio::time::timeout_at;

/// A kind of collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The instance and its network interfaces.
    Instance,
    /// The Region that SDKs use here.
    Region,
    /// The names that depend on no account.
    Names,
    /// The name that SDKs make of the account id.
    AccountName,
    /// What one name resolves to.
    Resolution,
    /// What the C library resolves one name to.
    CLibrary,
    /// The kernel's route to one address.
    KernelRoute,
    /// A signed `ListTables` to one address.
    ListTables,
    /// An unsigned `GET /` to one address.
    Health,
    /// What EC2 knows of the VPC.
    Vpc,
    /// What the kernel does with the whole prefix list.
    KernelPaths,
    /// What DynamoDB says of requests to one address.
    Statement,
    /// Whether DynamoDB says that they come through no endpoint: asked where that is open after the other questions.
    FollowUp,
}

impl Kind {
    pub(super) const ALL: [Self; 13] = [
        Self::Instance,
        Self::Region,
        Self::Names,
        Self::AccountName,
        Self::Resolution,
        Self::CLibrary,
        Self::KernelRoute,
        Self::ListTables,
        Self::Health,
        Self::Vpc,
        Self::KernelPaths,
        Self::Statement,
        Self::FollowUp,
    ];

    /// The source it belongs to, and the kinds whose answers it goes by.
    const fn rule(self) -> (Source, &'static [Self]) {
        match self {
            Self::Instance => (Source::Imds, &[]),
            Self::Region => (Source::Imds, &[]),
            Self::Names => (Source::Imds, &[Self::Region]),
            Self::AccountName => (Source::Imds, &[Self::Names]),
            Self::Resolution => (Source::Dns, &[Self::Names, Self::AccountName]),
            Self::CLibrary => (Source::Dns, &[Self::Names, Self::AccountName]),
            Self::KernelRoute => (Source::Kernel, &[Self::Resolution, Self::CLibrary]),
            Self::ListTables => (Source::ListTables, &[Self::Resolution, Self::CLibrary]),
            Self::Health => (Source::Health, &[Self::Resolution, Self::CLibrary, Self::ListTables]),
            Self::Vpc => (Source::Ec2, &[Self::Instance]),
            // Addresses outside the list count, too.
            Self::KernelPaths => (
                Source::Kernel,
                &[Self::Names, Self::AccountName, Self::Resolution, Self::CLibrary, Self::KernelRoute, Self::Vpc],
            ),
            // After the timed request, which has the process to itself.
            Self::Statement => (
                Source::Witness,
                &[Self::Instance, Self::Resolution, Self::CLibrary, Self::KernelRoute, Self::ListTables, Self::Vpc],
            ),
            Self::FollowUp => (Source::Witness, &[Self::Statement]),
        }
    }

    pub(super) fn source(self) -> Source {
        self.rule().0
    }

    /// Whether it goes by answers of `other`.
    pub(super) fn needs(self, other: Self) -> bool {
        self.rule().1.contains(&other)
    }

    /// Whether it needs no answer of its own source.
    fn is_first(self) -> bool {
        !self.rule().1.iter().any(|needed| needed.source() == self.source())
    }

    /// What of this kind can be collected with what is known.
    pub(super) fn collections(self, facts: &Facts) -> Vec<Collection> {
        let of_region = |make: fn(String) -> Collection| {
            facts.region().map(|region| make(region.to_owned())).into_iter().collect::<Vec<_>>()
        };
        match self {
            Self::Instance => vec![Collection::Instance],
            Self::Region => vec![Collection::Region],
            Self::Names => of_region(Collection::Names),
            Self::AccountName if facts.uses_account() => of_region(Collection::AccountName),
            Self::AccountName => Vec::new(),
            Self::Resolution => facts.names().map(|name| Collection::Resolution(name.hostname.clone())).collect(),
            Self::CLibrary if facts.asks_c_library() => {
                facts.names().map(|name| Collection::CLibrary(name.hostname.clone())).collect()
            }
            Self::CLibrary => Vec::new(),
            Self::KernelRoute => {
                let destinations = facts.kernel_destinations().into_iter();
                destinations.map(|(address, port)| Collection::KernelRoute(address, port)).collect()
            }
            Self::KernelPaths => facts.due_paths().map(Collection::KernelPaths).into_iter().collect(),
            Self::Statement => statements(facts, facts.questions()),
            Self::FollowUp => statements(facts, facts.follow_ups()),
            Self::ListTables => probes(facts, ProbeKind::ListTables),
            Self::Health => probes(facts, ProbeKind::Health),
            Self::Vpc => {
                let vpc = |instance| vpc(instance, facts.assumed_interface(), facts.asks_for_gates());
                facts.instance().map(vpc).into_iter().collect()
            }
        }
    }
}

fn statements(facts: &Facts, questions: Vec<Asked>) -> Vec<Collection> {
    let Some(region) = facts.region() else { return Vec::new() };
    let statement = |asked| Collection::Statement { region: region.to_owned(), asked };
    questions.into_iter().map(statement).collect()
}

fn probes(facts: &Facts, kind: ProbeKind) -> Vec<Collection> {
    let Some(region) = facts.region() else { return Vec::new() };
    let targets = facts.targets().into_iter().filter(|target| facts.wants_probe(kind, target));
    targets.map(|target| Collection::Probe { kind, region: region.to_owned(), target }).collect()
}

/// The VPC of the interface to judge by; else that of every interface, the primary one's first.
fn vpc(instance: &Instance, assumed: Option<&InterfaceId>, asks_for_gates: bool) -> Collection {
    let mut vpcs: Vec<VpcId> = Vec::new();
    let assumed = instance.interfaces.iter().find(|interface| assumed == Some(&interface.id));
    let interfaces = assumed.map_or(&instance.interfaces[..], std::slice::from_ref);
    for interface in interfaces {
        if !vpcs.contains(&interface.vpc) {
            vpcs.push(interface.vpc.clone());
        }
    }
    let gates = asks_for_gates.then(|| GateQuery::of(interfaces));
    Collection::Vpc { asker: Asker::of(instance, &vpcs), gates }
}

/// Whether `source` is collected from at all.
pub(super) fn is_wanted(source: Source, settings: &CollectSettings) -> bool {
    match source {
        Source::Health => settings.probe != ProbeChoice::None,
        Source::ListTables => settings.probe == ProbeChoice::ListTables,
        Source::Witness => settings.witness,
        Source::Imds | Source::Dns | Source::Kernel | Source::Ec2 => true,
    }
}

/// Whether a collection of `source` can begin: one of its kinds that come first has something to collect.
pub(super) fn can_begin(source: Source, facts: &Facts) -> bool {
    let mut first = Kind::ALL.into_iter().filter(|kind| kind.source() == source && kind.is_first());
    first.any(|kind| !kind.collections(facts).is_empty())
}

/// One collection, with what it is made with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Collection {
    Instance,
    Region,
    Names(String),
    AccountName(String),
    Resolution(String),
    CLibrary(String),
    KernelRoute(IpAddr, u16),
    KernelPaths(Wanted),
    Probe { kind: ProbeKind, region: String, target: Target },
    Statement { region: String, asked: Asked },
    Vpc { asker: Asker, gates: Option<GateQuery> },
}

impl Collection {
    /// Makes the collection. Ends at the session's deadline: what is late is missing.
    pub(super) async fn collect(self, session: &Session) -> Answer {
        match self {
            Self::Instance => Answer::Instance(session.instance().await),
            Self::Region => Answer::Region(session.region().await),
            Self::Names(region) => {
                let names = base_names(session, &region).await;
                let by_account = names.seen().is_some_and(|names| names.by_account);
                Answer::Names { names: names.map(|names| names.names), by_account }
            }
            Self::AccountName(region) => Answer::AccountName(account_name(session, &region).await),
            Self::Resolution(hostname) => {
                let (resolution, took) = resolution(session, &hostname).await;
                Answer::Resolution { hostname, resolution, took }
            }
            Self::CLibrary(hostname) => {
                let addresses = match session.c_library() {
                    Ok(library) => library.resolve(&hostname, session.deadline()).await,
                    Err(gap) => Observed::Unseen(gap),
                };
                Answer::CLibrary { hostname, addresses }
            }
            Self::KernelPaths(wanted) => {
                let paths = match session.kernel() {
                    Ok(kernel) => {
                        seen("kernel paths", session.deadline(), kernel.paths(&wanted), KernelError::gap).await
                    }
                    Err(gap) => Observed::Unseen(gap),
                };
                Answer::KernelPaths { wanted, paths }
            }
            Self::KernelRoute(address, port) => {
                let route = match session.kernel() {
                    Ok(kernel) => {
                        let route = kernel.route(address, port);
                        seen("kernel route", session.deadline(), route, KernelError::gap).await
                    }
                    Err(gap) => Observed::Unseen(gap),
                };
                Answer::KernelRoute(address, route)
            }
            Self::Probe { kind, region, target } => {
                let probe = match kind {
                    ProbeKind::ListTables => list_tables(session, &region, &target).await,
                    ProbeKind::Health => health(session, &region, &target).await,
                };
                Answer::Probe(target.attempt(Some(kind), probe))
            }
            Self::Statement { region, asked } => {
                let statement = statement(session, &region, &asked).await;
                let Asked { name, address, question, subject: _ } = asked;
                Answer::Statement(WitnessAttempt { question, address, hostname: name.hostname, statement })
            }
            Self::Vpc { asker, gates } => {
                let table = session.facts_table();
                let (facts, requests) = match session.authenticated().await {
                    Ok((aws, _)) => {
                        let (config, patience) = (aws.sdk_config(&asker.region), session.patience());
                        match table {
                            Some(table) => Arc::clone(table).facts(&config, asker, gates.is_some(), patience).await,
                            None => ec2::vpcs_facts(&config, &asker.vpcs, &asker.region, gates, patience).await,
                        }
                    }
                    Err(gap) => {
                        let shared = table.map(|table| Box::new(SharedFacts::refused(table.name(), &gap)));
                        (VpcFacts { shared, ..ec2::unseen(&gap, gates.is_some()) }, Vec::new())
                    }
                };
                Answer::Vpc { facts: Box::new(facts), requests }
            }
        }
    }
}

async fn base_names(session: &Session, region: &str) -> Observed<Names> {
    match session.aws() {
        Ok(aws) => {
            let config = aws.sdk_config(region);
            let names = async {
                let mut names = names::names(&config).await?;
                names.names.iter_mut().for_each(|name| aws.names_chosen_by().note(name));
                names::with_accounts(&config, names, aws.accounts()).await
            };
            let names = seen("names", session.deadline(), names, NamesError::gap).await;
            names.map(|names| names.and(session.hostnames()))
        }
        Err(gap) => Observed::Unseen(gap.clone()),
    }
}

async fn account_name(session: &Session, region: &str) -> Observed<Option<ServiceName>> {
    match session.authenticated().await {
        Ok((aws, credentials)) => {
            let config = aws.sdk_config(region);
            let name = names::account_name(&config, &credentials);
            let name = seen("account-based name", session.deadline(), name, NamesError::gap).await;
            name.map(|mut name| {
                name.iter_mut().for_each(|name| aws.names_chosen_by().note(name));
                name
            })
        }
        Err(gap) => Observed::Unseen(gap),
    }
}

async fn resolution(session: &Session, hostname: &str) -> (Resolution, Option<Seconds>) {
    let watch = Stopwatch::start();
    let gap = match session.dns() {
        Ok(dns) => match timeout_at(session.deadline(), dns.resolve(hostname)).await {
            Ok((resolution, took)) => {
                let asked = !resolution.servers.is_empty();
                return (resolution, asked.then_some(took));
            }
            Err(_) => Gap::TimedOut { after: watch.took() },
        },
        Err(error) => error.gap(watch.took()),
    };
    (Resolution::unseen(&gap), None)
}

async fn list_tables(session: &Session, region: &str, Target { name, address }: &Target) -> Observed<Probe> {
    match session.signing(region).await {
        Ok((prober, credentials)) => {
            let deadline = session.patience().deadline;
            session.in_turn(prober.list_tables(&credentials, name, *address, deadline)).await
        }
        Err(gap) => Observed::Unseen(gap),
    }
}

async fn health(session: &Session, region: &str, Target { name, address }: &Target) -> Observed<Probe> {
    match session.prober(region) {
        Ok(prober) => {
            let deadline = session.patience().deadline;
            session.in_turn(prober.health(name, *address, deadline)).await
        }
        Err(gap) => Observed::Unseen(gap.clone()),
    }
}

/// DynamoDB's answer to one question, over a connection of its own.
async fn statement(session: &Session, region: &str, asked: &Asked) -> Observed<Statement> {
    match session.signing(region).await {
        Ok((prober, credentials)) => {
            let Asked { name, address, question, subject } = asked;
            let watch = Stopwatch::start();
            let about = (*question, subject.as_deref());
            let deadline = session.patience().deadline;
            watch.seen(prober.witness(&credentials, name, *address, about, deadline).await)
        }
        Err(gap) => Observed::Unseen(gap),
    }
}

/// What a probe is sent to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    /// The name it carries.
    pub(super) name: ServiceName,
    /// The address it goes to.
    pub(super) address: IpAddr,
}

impl Target {
    pub(super) fn attempt(&self, kind: Option<ProbeKind>, probe: Observed<Probe>) -> ProbeAttempt {
        ProbeAttempt { address: self.address, hostname: self.name.hostname.clone(), kind, probe }
    }
}

/// A question for DynamoDB.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    /// The name that the request carries.
    pub(super) name: ServiceName,
    /// The address it goes to.
    pub(super) address: IpAddr,
    /// The question.
    pub(super) question: Question,
    /// What it is about.
    pub(super) subject: Option<String>,
}

/// What a collection brought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The instance.
    Instance(Observed<Instance>),
    /// The Region that SDKs use here.
    Region(Observed<String>),
    /// The names that depend on no account.
    Names {
        /// The names.
        names: Observed<Vec<ServiceName>>,
        /// Whether SDKs here make another name of the account id.
        by_account: bool,
    },
    /// The name that SDKs make of the account id, if they make one.
    AccountName(Observed<Option<ServiceName>>),
    /// What a name resolves to.
    Resolution {
        /// The name.
        hostname: String,
        /// Its addresses.
        resolution: Resolution,
        /// How long that took, where a name server was asked.
        took: Option<Seconds>,
    },
    /// What the C library resolves a name to.
    CLibrary {
        /// The name.
        hostname: String,
        /// Its addresses.
        addresses: Observed<Vec<IpAddr>>,
    },
    /// What the kernel does with the whole prefix list.
    KernelPaths {
        /// What was wanted.
        wanted: Wanted,
        /// What it does.
        paths: Observed<KernelPaths>,
    },
    /// The kernel's route to an address.
    KernelRoute(IpAddr, Observed<KernelRoute>),
    /// A probe, or the reason there is none.
    Probe(ProbeAttempt),
    /// What DynamoDB said of a request, or the reason it was not asked.
    Statement(WitnessAttempt),
    /// What EC2 knows of the VPC.
    Vpc {
        /// The facts.
        facts: Box<VpcFacts>,
        /// The requests that were made for them.
        #[serde(skip)]
        requests: Vec<Ec2Request>,
    },
}

impl Answer {
    /// Takes it into `facts`.
    pub(super) fn taken_into(self, facts: &mut Facts) -> Changed {
        match self.kind().source() {
            Source::Imds => facts.take_identity(self),
            Source::Dns => facts.take_resolution(self),
            Source::Kernel => facts.take_route(self),
            Source::Health | Source::ListTables => facts.take_probe(self),
            Source::Ec2 => facts.take_vpc(self),
            Source::Witness => facts.take_statement(self),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Instance(_) => Kind::Instance,
            Self::Region(_) => Kind::Region,
            Self::Names { .. } => Kind::Names,
            Self::AccountName(_) => Kind::AccountName,
            Self::Resolution { .. } => Kind::Resolution,
            Self::CLibrary { .. } => Kind::CLibrary,
            Self::KernelPaths { .. } => Kind::KernelPaths,
            Self::KernelRoute(..) => Kind::KernelRoute,
            Self::Probe(attempt) => match attempt.kind() {
                ProbeKind::ListTables => Kind::ListTables,
                ProbeKind::Health => Kind::Health,
            },
            Self::Statement(attempt) if attempt.question == Question::Direct => Kind::FollowUp,
            Self::Statement(_) => Kind::Statement,
            Self::Vpc { .. } => Kind::Vpc,
        }
    }

    /// Every fact in it.
    pub(super) fn visit_facts(&mut self, visitor: &mut impl FactVisitor) {
        match self {
            Self::Instance(instance) => visit_instance(instance, visitor),
            Self::Region(region) => visitor.fact(FactPath::Region, region),
            Self::Names { names, by_account: _ } => visitor.fact(FactPath::Names, names),
            Self::AccountName(name) => visitor.fact(FactPath::AccountName, name),
            Self::Resolution { hostname, resolution, took: _ } => resolution.visit_facts(hostname, visitor),
            Self::CLibrary { hostname, addresses } => visitor.fact(FactPath::CLibrary(hostname.clone()), addresses),
            Self::KernelPaths { wanted: _, paths } => visitor.fact(FactPath::KernelPaths, paths),
            Self::KernelRoute(address, route) => visitor.fact(FactPath::KernelRoute(*address), route),
            Self::Probe(attempt) => attempt.visit_facts(visitor),
            Self::Statement(attempt) => attempt.visit_facts(visitor),
            Self::Vpc { facts, requests: _ } => facts.visit_facts(visitor),
        }
    }

    /// Exchanges what was collected and what `known` has of it.
    pub(super) fn swap(&mut self, known: &mut Snapshot) {
        match self {
            Self::Instance(instance) => mem::swap(&mut known.instance, instance),
            Self::Region(region) => mem::swap(&mut known.region, region),
            Self::Names { names, by_account: _ } => mem::swap(&mut known.names, names),
            Self::AccountName(name) => mem::swap(&mut known.account_name, name),
            Self::Resolution { hostname, resolution, took: _ } => {
                let known = resolution_of(known, hostname);
                // It comes by itself.
                resolution.c_library.clone_from(&known.c_library);
                if resolution.ipv4.seen().is_none() && resolution.ipv6.seen().is_none() {
                    resolution.cnames.clone_from(&known.cnames);
                    // Those that were asked count though they kept silent.
                    if resolution.servers.is_empty() {
                        resolution.servers.clone_from(&known.servers);
                    }
                }
                if resolution.is_missing_addresses() {
                    // What is kept of the addresses may be what others were left out of.
                    resolution.left_out = resolution.left_out.take().or_else(|| known.left_out.clone());
                }
                mem::swap(known, resolution);
            }
            Self::CLibrary { hostname, addresses } => {
                let known = &mut resolution_of(known, hostname).c_library;
                mem::swap(known.get_or_insert(Observed::Unseen(Gap::not_yet())), addresses);
            }
            Self::KernelPaths { wanted: _, paths } => mem::swap(&mut known.kernel_paths, paths),
            Self::KernelRoute(address, route) => {
                mem::swap(known.kernel_routes.entry(*address).or_insert(Observed::Unseen(Gap::not_yet())), route);
            }
            // Each probe and each statement is an event of its own.
            Self::Probe(_) | Self::Statement(_) => {}
            Self::Vpc { facts, requests: _ } => mem::swap(&mut known.vpc, facts),
        }
    }

    /// The different reasons for which facts are missing.
    pub fn gaps(&mut self) -> Vec<Gap> {
        let mut gaps = Gaps::default();
        self.visit_facts(&mut gaps);
        if let Self::Statement(WitnessAttempt { statement: Observed::Seen { value, .. }, .. }) = self
            && let Reply::Failed { result } = value.reply
        {
            let detail = value.message.clone().unwrap_or_else(|| result.to_string());
            let is_throttled = result == ProbeResult::Throttled;
            gaps.0.push(if is_throttled { Gap::Throttled { detail } } else { Gap::Failed { detail } });
        }
        gaps.0
    }
}

fn resolution_of<'k>(known: &'k mut Snapshot, hostname: &str) -> &'k mut Resolution {
    known.resolutions.entry(hostname.to_owned()).or_insert_with(|| Resolution::unseen(&Gap::not_yet()))
}

#[derive(Default)]
struct Gaps(Vec<Gap>);

impl FactVisitor for Gaps {
    fn fact<T: Fact>(&mut self, at: FactPath, fact: &mut Observed<T>) {
        // What is missing of gates neither holds the source back nor makes its collection incomplete: they say it themselves.
        if let Some(gap) = fact.gap().filter(|gap| !at.is_of_gates() && !self.0.contains(gap)) {
            self.0.push(gap.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::facts::Scope,
        model::{AddressRecord, MaxAge, NameKind, NatRates, Phases, Timestamp},
    };
    use std::{collections::BTreeSet, time::Duration};

    fn scope() -> Scope {
        Scope {
            probe: ProbeChoice::ListTables,
            both_probes: false,
            interface: None,
            actions: Vec::new(),
            tables: Vec::new(),
            nat_rates: NatRates::default(),
            c_library: true,
            gates: false,
            witness: false,
            witness_every: Seconds::default(),
            max_age: MaxAge::default(),
        }
    }

    #[test]
    fn what_a_kind_needs_comes_before_it() {
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            assert!(Kind::ALL[at..].iter().all(|later| !kind.needs(*later)), "{kind:?}");
        }
    }

    #[test]
    fn every_source_has_a_kind_that_comes_first() {
        for &source in Source::ALL {
            assert!(Kind::ALL.iter().any(|kind| kind.source() == source && kind.is_first()), "{source}");
        }
    }

    #[test]
    fn an_address_is_probed_once_whichever_resolver_names_it_first() {
        const NAME: &str = "dynamodb.us-east-1.amazonaws.com";
        let address = IpAddr::from([52, 94, 0, 10]);
        let seen = |millis| Seconds::from(Duration::from_millis(millis));
        let at = Timestamp::from(std::time::UNIX_EPOCH);
        let name = ServiceName {
            hostname: NAME.to_owned(),
            port: 443,
            tls: true,
            kind: NameKind::Regional,
            in_use: true,
            chosen_by: Vec::new(),
        };
        let by_dns = Resolution {
            ipv4: Observed::Seen { value: vec![AddressRecord { address, ttl: 5 }], at, took: seen(7) },
            ..Resolution::unseen(&Gap::not_yet())
        };
        let c_library = || Answer::CLibrary {
            hostname: NAME.to_owned(),
            addresses: Observed::Seen { value: vec![address], at, took: seen(1) },
        };
        let dns = || Answer::Resolution { hostname: NAME.to_owned(), resolution: by_dns.clone(), took: Some(seen(7)) };
        for answers in [[c_library(), dns()], [dns(), c_library()]] {
            let mut facts = Facts::new(scope());
            facts.take(Answer::Region(Observed::Seen { value: "us-east-1".to_owned(), at, took: seen(0) }));
            facts.take(Answer::Names {
                names: Observed::Seen { value: vec![name.clone()], at, took: seen(0) },
                by_account: false,
            });
            let begun: BTreeSet<Collection> = answers
                .into_iter()
                .flat_map(|answer| {
                    facts.take(answer);
                    Kind::ListTables.collections(&facts)
                })
                .collect();
            assert_eq!(begun.len(), 1, "{begun:#?}");

            let Some(Collection::Probe { target, .. }) = begun.first() else { panic!("{begun:#?}") };
            let probe = Probe {
                kind: ProbeKind::ListTables,
                hostname: NAME.to_owned(),
                address,
                local: None,
                result: ProbeResult::Ok,
                failed_in: None,
                detail: None,
                testimony: None,
                request_id: None,
                credentials: None,
                phases: Phases { connect: Some(seen(3)), ..Phases::default() },
                total: seen(3),
            };
            let mut answer = Answer::Probe(target.attempt(None, Observed::Seen { value: probe, at, took: seen(3) }));
            facts.complete(&mut answer);
            let Answer::Probe(ProbeAttempt { probe: Observed::Seen { value: probe, .. }, .. }) = answer else {
                panic!("{answer:#?}")
            };
            assert_eq!((probe.phases.resolve, probe.total), (Some(seen(7)), seen(10)));
        }
    }
}
