//! A world, and the changes that a scenario makes to it.

use super::{
    dns::{self, AccountName, Dns, NameText},
    gates::GatesChange,
    host::{self, DeviceChange, InstanceChange, InterfaceChange, KernelText, ProbeChange, ProxyChange},
    paths::{self, PathsChange, PolicyChange},
    statements::{self, StatementText},
    vpc::{self, EndpointChange, ListChange, TableChange},
    words::{Fact, InterfaceText, Moment, RouteChange, id, observed, parse, taken_at, word},
};
use ipnet::IpNet;
use onnet_core::model::{
    Device, Gap, Instance, MaxAge, NatRates, Observed, Observer, SCHEMA, SharedFacts, Snapshot, Source, Timestamp,
    VpcFacts,
};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    net::IpAddr,
    time::Duration,
};

/// A world that is being built.
#[derive(Clone)]
pub(super) struct World {
    pub(super) snapshot: Snapshot,
    /// The devices that a kernel route may name.
    pub(super) devices: BTreeMap<String, Device>,
    /// The route of an address that DNS returns and `kernel` does not list.
    pub(super) default_routes: BTreeMap<IpNet, Fact<KernelText>>,
    /// Addresses that `kernel` lists.
    pub(super) asked: BTreeSet<IpAddr>,
    /// Addresses that `kernel` removes.
    pub(super) not_asked: BTreeSet<IpAddr>,
    /// The kernel's paths for the whole list, built after everything else.
    pub(super) kernel_paths: Option<Fact<PathsChange>>,
    pub(super) policies: Vec<PolicyChange>,
    observed: BTreeMap<String, Moment>,
    merge: Option<Value>,
}

impl World {
    /// A world without any known fact.
    pub(super) fn unknown() -> Self {
        fn nothing<T>() -> Observed<T> {
            Observed::Unseen(Gap::NotTried { because: "no scenario says".to_owned() })
        }
        let snapshot = Snapshot {
            schema: SCHEMA,
            version: "0.1.0".to_owned(),
            taken_at: taken_at(),
            took: Duration::from_millis(200).into(),
            instance: nothing(),
            region: nothing(),
            names: nothing(),
            account_name: nothing(),
            resolutions: BTreeMap::new(),
            proxies: Vec::new(),
            ignored_settings: Vec::new(),
            assumed_interface: None,
            actions: Vec::new(),
            tables: Vec::new(),
            nat_rates: NatRates::LIST_PRICES,
            kernel_routes: BTreeMap::new(),
            kernel_paths: nothing(),
            host_routes: None,
            vpc: VpcFacts {
                route_tables: nothing(),
                vpc_endpoints: nothing(),
                endpoint_interfaces: nothing(),
                service_prefix_lists: nothing(),
                prefix_lists: BTreeMap::new(),
                gates: None,
                shared: None,
            },
            probes: Vec::new(),
            statements: Vec::new(),
            max_age: MaxAge::default(),
        };
        Self {
            snapshot,
            devices: BTreeMap::new(),
            default_routes: BTreeMap::new(),
            asked: BTreeSet::new(),
            not_asked: BTreeSet::new(),
            kernel_paths: None,
            policies: Vec::new(),
            observed: BTreeMap::new(),
            merge: None,
        }
    }

    /// The snapshot after all changes.
    pub(super) fn finish(mut self) -> Result<Snapshot, String> {
        dns::check(&self.snapshot).map_err(|error| format!("dns: {error}"))?;
        host::route_the_rest(&mut self).map_err(|error| format!("kernel: {error}"))?;
        paths::kernel_paths(&mut self).map_err(|error| format!("kernel_paths: {error}"))?;
        for (what, moment) in std::mem::take(&mut self.observed) {
            let dated = super::from_value::<Dated>(Value::from(what.as_str()));
            let dated = dated.and_then(|dated| dated.date(&mut self.snapshot, moment.0));
            at("observed", dated.map_err(|error| format!("{what}: {error}")))?;
        }
        let Some(patch) = self.merge else { return Ok(self.snapshot) };
        let mut json = serde_json::to_value(&self.snapshot).map_err(|error| error.to_string())?;
        merge(&mut json, patch);
        let snapshot: Snapshot = super::from_value(json.clone()).map_err(|error| format!("merge: {error}"))?;
        let back = serde_json::to_value(&snapshot).map_err(|error| error.to_string())?;
        if is_kept(&json, &back) { Ok(snapshot) } else { Err("merge: sets what a snapshot does not have".to_owned()) }
    }
}

/// A JSON merge patch (RFC 7396), except that a fact replaces a fact whole: merging `unseen` into `seen` would leave
/// both. The `mac` and `kind` of a device are null where it has none.
fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() && key != "mac" && key != "kind" {
                    target.remove(&key);
                } else if value.get("seen").is_some() || value.get("unseen").is_some() {
                    target.insert(key, value);
                } else {
                    merge(target.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (target, patch) => *target = patch,
    }
}

/// Whether everything in `written` is in `read`, which is not so for a key that a snapshot does not have.
fn is_kept(written: &Value, read: &Value) -> bool {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            written.iter().all(|(key, value)| read.get(key).is_some_and(|read| is_kept(value, read)))
        }
        (Value::Array(written), Value::Array(read)) => {
            written.len() == read.len() && written.iter().zip(read).all(|(written, read)| is_kept(written, read))
        }
        (Value::Number(written), Value::Number(read)) => written.as_f64() == read.as_f64(),
        (written, read) => written == read,
    }
}

/// A map whose null entries remove what the base world has.
pub(super) type Entries<K, V> = BTreeMap<K, Option<V>>;

/// The changes of a scenario.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Changes {
    instance: Option<Fact<InstanceChange>>,
    interfaces: Option<Vec<InterfaceChange>>,
    region: Option<Fact<String>>,
    names: Option<Fact<Vec<NameText>>>,
    account_name: Option<Fact<AccountName>>,
    dns: Entries<String, Dns>,
    devices: BTreeMap<String, DeviceChange>,
    kernel: Entries<IpOrDefault, Fact<KernelText>>,
    kernel_paths: Option<Fact<PathsChange>>,
    policies: Vec<PolicyChange>,
    host_routes: Option<Fact<Vec<String>>>,
    proxies: BTreeMap<String, ProxyChange>,
    assumed_interface: Option<String>,
    actions: Option<Vec<String>>,
    tables_used: Option<Vec<String>>,
    routes: Vec<RouteChange>,
    tables: Option<Fact<Vec<TableChange>>>,
    endpoints: Option<Fact<Vec<EndpointChange>>>,
    endpoint_interfaces: Option<Fact<Vec<InterfaceText>>>,
    dynamodb_lists: Option<Fact<Vec<String>>>,
    prefix_lists: Entries<String, Fact<ListChange>>,
    gates: Option<GatesChange>,
    shared: Option<SharedChange>,
    probes: Option<Vec<ProbeChange>>,
    statements: Vec<StatementText>,
    observed: BTreeMap<String, Moment>,
    merge: Option<Value>,
}

/// Where the facts of the VPC come from: `vpc-0a` is observed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SharedChange {
    publisher: Option<String>,
    account: Option<String>,
    #[serde(default)]
    signed: bool,
    /// In seconds.
    period: Option<u64>,
    /// By default those of the instance's network interfaces.
    subnets: Option<BTreeSet<String>>,
    refused: Option<Fact<String>>,
}

impl SharedChange {
    fn facts(self, instance: &Observed<Instance>) -> Result<SharedFacts, String> {
        let period = self.period.map_or(Source::Ec2.period(), Duration::from_secs);
        let interfaces = instance.seen().into_iter().flat_map(|instance| &instance.interfaces);
        let own = || interfaces.map(|interface| interface.subnet.clone()).collect();
        let named = self.subnets.as_ref().map(|named| named.iter().map(|subnet| subnet.as_str().into()).collect());
        let subnets = named.unwrap_or_else(own);
        let observer = |publisher| Observer {
            publisher,
            account: self.account.clone().unwrap_or_else(|| "111122223333".to_owned()).into(),
            observed_at: taken_at(),
            period: period.into(),
            signed_by: self.signed.then(|| "a key".to_owned()),
        };
        let observers = self.publisher.map(|publisher| ("vpc-0a".into(), observer(publisher)));
        let refused = self.refused.map(|fact| fact.observed(Ok)).transpose()?;
        let refused = refused.and_then(|refused| refused.gap().cloned());
        let (table, observers) = ("onnet-facts".to_owned(), observers.into_iter().collect());
        Ok(SharedFacts { table, observers, subnets, own: false, refused })
    }
}

/// An address, or `0.0.0.0/0` or `::/0`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum IpOrDefault {
    Address(IpAddr),
    Default(IpNet),
}

impl TryFrom<String> for IpOrDefault {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let default = text.parse().ok().filter(|range: &IpNet| range.prefix_len() == 0);
        default.map_or_else(|| parse(&text).map(Self::Address), |range| Ok(Self::Default(range)))
    }
}

/// Adds the key to an error.
fn at<T>(key: &'static str, result: Result<T, String>) -> Result<T, String> {
    result.map_err(|error| format!("{key}: {error}"))
}

impl Changes {
    /// Applies the changes to `world`. An error starts with the key.
    pub(super) fn apply(self, mut world: World) -> Result<World, String> {
        world.observed = self.change_host(&mut world)?.change_vpc(&mut world)?;
        Ok(world)
    }

    fn change_host(mut self, world: &mut World) -> Result<Self, String> {
        world.asked.clear();
        let snapshot = &mut world.snapshot;
        if let Some(instance) = self.instance.take() {
            at("instance", host::instance(&mut snapshot.instance, instance))?;
        }
        if let Some(interfaces) = self.interfaces.take() {
            at("interfaces", host::interfaces(&mut snapshot.instance, interfaces))?;
        }
        if let Some(region) = self.region.take() {
            snapshot.region = at("region", region.observed(word))?;
        }
        if let Some(names) = self.names.take() {
            snapshot.names = names.observed(|names| Ok(names.into_iter().map(|name| name.0).collect()))?;
        }
        if let Some(name) = self.account_name.take() {
            snapshot.account_name = name.observed(|name| Ok(name.0))?;
        }
        at("dns", dns::resolutions(&mut snapshot.resolutions, mem::take(&mut self.dns)))?;
        host::devices(&mut world.devices, mem::take(&mut self.devices));
        if let Some(routes) = self.host_routes.take() {
            let routes = routes.observed(|routes| host::host_routes(&world.devices, &routes));
            snapshot.host_routes = Some(at("host_routes", routes)?);
            // Snapshots of schema 1 have this instead.
            world.kernel_paths = None;
        }
        world.kernel_paths = self.kernel_paths.take().or(world.kernel_paths.take());
        world.policies.append(&mut self.policies);
        let proxies = mem::take(&mut self.proxies).into_iter();
        snapshot.proxies.extend(proxies.map(|(variable, proxy)| proxy.of(variable)));
        if let Some(actions) = self.actions.take() {
            snapshot.actions = actions;
        }
        if let Some(tables) = self.tables_used.take() {
            snapshot.tables = tables;
        }
        if let Some(interface) = self.assumed_interface.take() {
            snapshot.assumed_interface = Some(at("assumed_interface", id("eni-", interface))?);
        }
        if let Some(probes) = self.probes.take() {
            at("probes", host::probes(&mut snapshot.probes, probes))?;
        }
        at("statements", statements::statements(snapshot, &self.statements))?;
        at("kernel", host::kernel(world, mem::take(&mut self.kernel)))?;
        world.merge = self.merge.take();
        Ok(self)
    }

    /// Returns `observed`, which is applied last.
    fn change_vpc(self, world: &mut World) -> Result<BTreeMap<String, Moment>, String> {
        let vpc = &mut world.snapshot.vpc;
        if self.tables.is_some() && !self.routes.is_empty() {
            return Err("routes: `tables` is given, so they belong to one of its tables".to_owned());
        }
        at("routes", vpc::routes(vpc, self.routes))?;
        if let Some(tables) = self.tables {
            at("tables", vpc::tables(vpc, tables))?;
        }
        if let Some(endpoints) = self.endpoints {
            at("endpoints", vpc::endpoints(vpc, endpoints))?;
        }
        if let Some(interfaces) = self.endpoint_interfaces {
            vpc.endpoint_interfaces = interfaces.observed(|all| Ok(all.into_iter().map(|one| one.0).collect()))?;
        }
        if let Some(lists) = self.dynamodb_lists {
            let ids = lists.observed(|lists| lists.into_iter().map(|list| id("pl-", list)).collect());
            vpc.service_prefix_lists = at("dynamodb_lists", ids)?;
        }
        at("prefix_lists", vpc::prefix_lists(vpc, self.prefix_lists))?;
        if let Some(gates) = self.gates {
            vpc.gates = Some(Box::new(at("gates", gates.gates())?));
        }
        if let Some(shared) = self.shared {
            vpc.shared = Some(Box::new(shared.facts(&world.snapshot.instance)?));
        }
        Ok(self.observed)
    }
}

/// A group of facts whose time `observed` sets.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Dated {
    Instance,
    Zone,
    SubnetRanges,
    Public,
    Region,
    Names,
    AccountName,
    Dns,
    HostsFile,
    Kernel,
    KernelPaths,
    HostRoutes,
    Tables,
    Endpoints,
    EndpointInterfaces,
    DynamodbLists,
    PrefixLists,
    Probes,
    Statements,
}

impl Dated {
    /// Sets the time of every fact of the group.
    fn date(self, snapshot: &mut Snapshot, moment: Timestamp) -> Result<(), String> {
        let mut dated = 0;
        let mut count = |observed: bool| dated += usize::from(observed);
        let Snapshot {
            instance,
            region,
            names,
            account_name,
            resolutions,
            kernel_routes,
            kernel_paths,
            host_routes,
            vpc,
            probes,
            statements,
            ..
        } = snapshot;
        match self {
            Self::Instance => count(date(instance, moment)),
            Self::Zone => each(instance, |instance| count(date(&mut instance.availability_zone, moment))),
            Self::SubnetRanges => each(instance, |instance| {
                instance.interfaces.iter_mut().for_each(|interface| count(date(&mut interface.subnet_cidrs, moment)));
            }),
            Self::Public => each(instance, |instance| {
                instance
                    .interfaces
                    .iter_mut()
                    .for_each(|interface| count(date(&mut interface.public_addresses, moment)));
            }),
            Self::Region => count(date(region, moment)),
            Self::Names => count(date(names, moment)),
            Self::AccountName => count(date(account_name, moment)),
            Self::Dns => resolutions.values_mut().for_each(|name| {
                count(date(&mut name.ipv4, moment));
                count(date(&mut name.ipv6, moment));
            }),
            Self::HostsFile => resolutions.values_mut().for_each(|name| count(date(&mut name.hosts_file, moment))),
            Self::Kernel => kernel_routes.values_mut().for_each(|route| count(date(route, moment))),
            Self::KernelPaths => count(date(kernel_paths, moment)),
            Self::HostRoutes => host_routes.iter_mut().for_each(|routes| count(date(routes, moment))),
            Self::Tables => count(date(&mut vpc.route_tables, moment)),
            Self::Endpoints => count(date(&mut vpc.vpc_endpoints, moment)),
            Self::EndpointInterfaces => count(date(&mut vpc.endpoint_interfaces, moment)),
            Self::DynamodbLists => count(date(&mut vpc.service_prefix_lists, moment)),
            Self::PrefixLists => vpc.prefix_lists.values_mut().for_each(|list| count(date(list, moment))),
            Self::Probes => probes.iter_mut().for_each(|attempt| count(date(&mut attempt.probe, moment))),
            Self::Statements => statements.iter_mut().for_each(|attempt| count(date(&mut attempt.statement, moment))),
        }
        if dated == 0 { Err("no such fact is observed in this world".to_owned()) } else { Ok(()) }
    }
}

fn date<T>(fact: &mut Observed<T>, moment: Timestamp) -> bool {
    match fact {
        Observed::Seen { at, .. } => *at = moment,
        Observed::Unseen(_) => return false,
    }
    true
}

fn each<T>(fact: &mut Observed<T>, edit: impl FnOnce(&mut T)) {
    match fact {
        Observed::Seen { value, .. } => edit(value),
        Observed::Unseen(_) => {}
    }
}

/// The value of a fact that a change starts from; empty where the base world has none.
pub(super) fn value_of<T: Default>(fact: &mut Observed<T>) -> &mut T {
    if fact.seen().is_none() {
        *fact = observed(T::default());
    }
    match fact {
        Observed::Seen { value, .. } => value,
        Observed::Unseen(gap) => panic!("{gap}"),
    }
}
