//! The instance: its interfaces, its kernel's routes, its proxies, its probes.

use super::{
    dns,
    words::{Fact, IpRoute, id, observed, parse, word},
    world::{Entries, IpOrDefault, World},
};
use ipnet::IpNet;
use onnet_core::model::{
    Device, Gap, HostRoute, Instance, Interface, KernelRoute, METADATA_V4, MacAddress, NextHop, Observed, Phase,
    Phases, Probe, ProbeAttempt, ProbeKind, ProbeResult, ProxyVariable, PublicAddress, Seconds, Testimony,
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstanceChange {
    id: Option<String>,
    region: Option<String>,
    zone: Option<Fact<String>>,
}

pub(super) fn instance(to: &mut Observed<Instance>, change: Fact<InstanceChange>) -> Result<(), String> {
    let base = to.seen().cloned();
    *to = change.observed(|change| {
        let own_id = change.id.map(|text| id("i-", text)).transpose()?;
        let region = change.region;
        let zone = change.zone.map(|zone| zone.observed(word)).transpose()?;
        Ok(match base {
            Some(base) => Instance {
                id: own_id.unwrap_or(base.id),
                region: region.unwrap_or(base.region),
                availability_zone: zone.unwrap_or(base.availability_zone),
                interfaces: base.interfaces,
            },
            None => Instance {
                id: needed(own_id, "id")?,
                region: needed(region, "region")?,
                availability_zone: needed(zone, "zone")?,
                interfaces: Vec::new(),
            },
        })
    })?;
    Ok(())
}

fn needed<T>(value: Option<T>, key: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("{key}: missing, and the base world has none"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InterfaceChange {
    id: String,
    mac: Option<String>,
    number: Option<u32>,
    subnet: Option<String>,
    vpc: Option<String>,
    addresses: Option<Vec<IpAddr>>,
    subnet_ranges: Option<Fact<Vec<IpNet>>>,
    owner: Option<Fact<String>>,
    groups: Option<Fact<Vec<String>>>,
    prefixes: Option<Fact<Vec<IpNet>>>,
    public: Option<Fact<BTreeMap<IpAddr, IpAddr>>>,
}

impl InterfaceChange {
    /// Without an owner, groups or prefixes it has those of the base world's first interface.
    fn of(self, base: Option<&Interface>, first: Option<&Interface>) -> Result<Interface, String> {
        let cidrs = self.subnet_ranges.map(|ranges| ranges.observed(Ok)).transpose()?;
        let owner = self.owner.map(|owner| owner.observed(|account| Ok(account.into()))).transpose()?;
        let public = self.public.map(|public| public.observed(|map| Ok(pairs(map)))).transpose()?;
        let groups = |all: Vec<String>| all.into_iter().map(|group| id("sg-", group)).collect();
        let groups = self.groups.map(|all| all.observed(groups)).transpose()?;
        let prefixes = self.prefixes.map(|prefixes| prefixes.observed(Ok)).transpose()?;
        let base = |key: &str| base.ok_or_else(|| format!("{}: {key}: missing", self.id));
        Ok(Interface {
            mac: self.mac.map_or_else(|| base("mac").map(|base| base.mac.clone()), |mac| Ok(mac.into()))?,
            device_number: self.number.map_or_else(|| base("number").map(|base| base.device_number), Ok)?,
            subnet: self
                .subnet
                .map_or_else(|| base("subnet").map(|base| base.subnet.clone()), |text| id("subnet-", text))?,
            vpc: self.vpc.map_or_else(|| base("vpc").map(|base| base.vpc.clone()), |text| id("vpc-", text))?,
            addresses: self.addresses.map_or_else(|| base("addresses").map(|base| base.addresses.clone()), Ok)?,
            subnet_cidrs: cidrs.map_or_else(|| base("subnet_ranges").map(|base| base.subnet_cidrs.clone()), Ok)?,
            owner: owner.unwrap_or_else(|| first.map_or(Observed::Unseen(Gap::not_yet()), |first| first.owner.clone())),
            security_groups: groups.unwrap_or_else(|| {
                first.map_or(Observed::Unseen(Gap::not_yet()), |first| first.security_groups.clone())
            }),
            prefixes: prefixes
                .unwrap_or_else(|| first.map_or(Observed::Unseen(Gap::not_yet()), |first| first.prefixes.clone())),
            public_addresses: public.map_or_else(|| base("public").map(|base| base.public_addresses.clone()), Ok)?,
            id: id("eni-", self.id.clone())?,
        })
    }
}

fn pairs(public: BTreeMap<IpAddr, IpAddr>) -> Vec<PublicAddress> {
    public.into_iter().map(|(private, public)| PublicAddress { public, private }).collect()
}

pub(super) fn interfaces(to: &mut Observed<Instance>, changes: Vec<InterfaceChange>) -> Result<(), String> {
    let Observed::Seen { value: instance, .. } = to else { return Err("the instance is not known".to_owned()) };
    let base = std::mem::take(&mut instance.interfaces);
    let of = |change: InterfaceChange| {
        let of_base = base.iter().find(|interface| interface.id.as_str() == change.id);
        change.of(of_base, base.first())
    };
    instance.interfaces = changes.into_iter().map(of).collect::<Result<_, _>>()?;
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceChange {
    mac: Option<MacAddress>,
    kind: Option<String>,
    #[serde(default)]
    same_mac: Vec<String>,
}

pub(super) fn devices(to: &mut BTreeMap<String, Device>, changes: BTreeMap<String, DeviceChange>) {
    for (name, DeviceChange { mac, kind, same_mac }) in changes {
        to.insert(name.clone(), Device { name: name.into(), mac, kind, same_mac });
    }
}

fn device(devices: &BTreeMap<String, Device>, name: &str) -> Result<Device, String> {
    devices.get(name).cloned().ok_or_else(|| format!("no device {name} in `devices`"))
}

/// The kernel's route to an address, as `ip route get` prints it.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct KernelText(String);

impl TryFrom<String> for KernelText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if no_route(&text).is_none() && text != "local" {
            text.split(" | ").try_for_each(|hop| IpRoute::read(hop).map(|_| ()))?;
        }
        Ok(Self(text))
    }
}

fn no_route(text: &str) -> Option<&str> {
    text.strip_prefix("no route (")?.strip_suffix(')')
}

impl KernelText {
    pub(super) fn route(&self, devices: &BTreeMap<String, Device>) -> Result<KernelRoute, String> {
        if let Some(detail) = no_route(&self.0) {
            return Ok(KernelRoute::NoRoute { detail: detail.to_owned() });
        }
        if self.0 == "local" {
            return Ok(KernelRoute::Local);
        }
        let first = IpRoute::read(self.0.split(" | ").next().unwrap_or_default())?;
        let hop = |text: &str| {
            let route = IpRoute::read(text)?;
            let name = route.dev.ok_or_else(|| format!("{:?}: by which device?", self.0))?;
            // The router of a subnet advertises itself by a link-local address.
            let advertised = matches!(route.via, Some(IpAddr::V6(via)) if via.is_unicast_link_local());
            let protocol = route.proto.or(advertised.then_some("ra")).map(str::to_owned);
            let encapsulation = route.encap.map(str::to_owned);
            Ok::<_, String>(NextHop { device: device(devices, name)?, gateway: route.via, encapsulation, protocol })
        };
        let mut hops = self.0.split(" | ").map(hop);
        let hop = hops.next().unwrap_or_else(|| Err("no next hop".to_owned()))?;
        let others = hops.collect::<Result<_, _>>()?;
        Ok(KernelRoute::Via { hop, source: first.src, others, table: first.table })
    }
}

pub(super) fn kernel(to: &mut World, changes: Entries<IpOrDefault, Fact<KernelText>>) -> Result<(), String> {
    for (what, change) in changes {
        match (what, change) {
            (IpOrDefault::Default(range), Some(route)) => {
                to.default_routes.insert(range, route);
            }
            (IpOrDefault::Default(range), None) => return Err(format!("{range}: cannot be removed")),
            (IpOrDefault::Address(address), Some(route)) => {
                to.asked.insert(address);
                let route = route.observed(|text| text.route(&to.devices));
                let route = route.map_err(|error| format!("{address}: {error}"))?;
                to.snapshot.kernel_routes.insert(address, route);
            }
            (IpOrDefault::Address(address), None) => {
                let known = to.snapshot.kernel_routes.remove(&address);
                known.ok_or_else(|| format!("{address}: the base world has no such route"))?;
                to.not_asked.insert(address);
            }
        }
    }
    Ok(())
}

/// Adds a route for each address of a name that `kernel` does not list.
pub(super) fn route_the_rest(world: &mut World) -> Result<(), String> {
    let World { snapshot, devices, default_routes, asked, not_asked, .. } = world;
    let addresses = dns::addresses(&snapshot.resolutions);
    // The addresses to which onnet itself sends requests.
    let servers = snapshot.resolutions.values().flat_map(|resolution| &resolution.servers);
    let own: BTreeSet<IpAddr> = servers.map(SocketAddr::ip).chain([METADATA_V4.into()]).collect();
    if let Some(unused) = asked.iter().find(|address| !addresses.contains(*address) && !own.contains(*address)) {
        return Err(format!("{unused}: no name has this address"));
    }
    for address in addresses {
        if snapshot.kernel_routes.contains_key(&address) || not_asked.contains(&address) {
            continue;
        }
        let default = default_routes.iter().find(|(range, _)| range.contains(&address));
        let (_, route) = default.ok_or_else(|| format!("{address}: no route, and there is no default"))?;
        snapshot.kernel_routes.insert(address, route.clone().observed(|text| text.route(devices))?);
    }
    Ok(())
}

const MAIN_TABLE: u32 = 254;

pub(super) fn host_routes(devices: &BTreeMap<String, Device>, routes: &[String]) -> Result<Vec<HostRoute>, String> {
    let read = |text: &String| {
        let dropped = text.strip_prefix("blackhole ");
        let (destination, rest) = dropped.unwrap_or(text).split_once(' ').unwrap_or((dropped.unwrap_or(text), ""));
        let route = IpRoute::read(rest)?;
        let device = route.dev.map(|name| device(devices, name)).transpose()?;
        if device.is_none() != dropped.is_some() || route.src.is_some() {
            return Err(format!("{text:?}: a route has a device and no src, a blackhole has neither"));
        }
        let table = route.table.unwrap_or(MAIN_TABLE);
        Ok(HostRoute { destination: parse(destination)?, device, gateway: route.via, table })
    };
    routes.iter().map(read).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProxyChange {
    proxy: Option<String>,
    applies_to: Vec<String>,
    #[serde(default)]
    applies_for: BTreeMap<String, Vec<String>>,
}

impl ProxyChange {
    pub(super) fn of(self, variable: String) -> ProxyVariable {
        ProxyVariable { variable, proxy: self.proxy, applies_to: self.applies_to, applies_for: self.applies_for }
    }
}

/// A probe; the messages of the service are the same in every scenario.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProbeChange {
    kind: Option<ProbeKind>,
    hostname: Option<String>,
    address: Option<IpAddr>,
    local: Option<Local>,
    result: Option<Fact<ProbeResult>>,
    phases: Option<BTreeMap<Phase, Seconds>>,
    failed_in: Option<Phase>,
    detail: Option<String>,
    testimony: Option<Says>,
    request_id: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Says {
    VpcEndpointPolicy,
}

impl From<Says> for Testimony {
    fn from(says: Says) -> Self {
        match says {
            Says::VpcEndpointPolicy => Self::VpcEndpointPolicy {
                message: "User: arn:aws:sts::111122223333:assumed-role/app/i-0a is not authorized to perform: \
                          dynamodb:ListTables on resource: * because no VPC endpoint policy allows the \
                          dynamodb:ListTables action"
                    .to_owned(),
            },
        }
    }
}

/// The local address of the socket, or `none` where it was not connected.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Local(Option<SocketAddr>);

impl TryFrom<String> for Local {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "none" { Ok(Self(None)) } else { parse(&text).map(|ip| Self(Some(SocketAddr::new(ip, 40_000)))) }
    }
}

impl ProbeChange {
    fn of(self, base: Option<&Probe>) -> Result<ProbeAttempt, String> {
        let hostname = needed(self.hostname.or_else(|| Some(base?.hostname.clone())), "hostname")?;
        let address = needed(self.address.or_else(|| Some(base?.address)), "address")?;
        let result = needed(self.result.or_else(|| Some(Fact::Is(base?.result))), "result")?;
        let phases = match self.phases {
            Some(took) => phases(took),
            None => needed(base.map(|base| base.phases.clone()), "phases")?,
        };
        let (kind, local) = (self.kind.or_else(|| Some(base?.kind)), self.local.or_else(|| Some(Local(base?.local))));
        let probe = Probe {
            kind: needed(kind, "kind")?,
            hostname: hostname.clone(),
            address,
            local: needed(local, "local")?.0,
            result: ProbeResult::Ok,
            failed_in: self.failed_in,
            detail: self.detail,
            testimony: self.testimony.map(Into::into),
            request_id: self.request_id,
            credentials: None,
            total: phases.sum().into(),
            phases,
        };
        let probe = match result {
            Fact::Is(result) => observed(Probe { result, ..probe }),
            Fact::Gap(gap) => Observed::Unseen(gap),
        };
        Ok(ProbeAttempt { address, hostname, kind: None, probe })
    }
}

fn phases(took: BTreeMap<Phase, Seconds>) -> Phases {
    let mut phases = Phases::default();
    for (phase, took) in took {
        *phases.slot(phase) = Some(took);
    }
    phases
}

pub(super) fn probes(to: &mut Vec<ProbeAttempt>, changes: Vec<ProbeChange>) -> Result<(), String> {
    let base = std::mem::take(to);
    let base = base.first().and_then(|attempt| attempt.probe.seen());
    *to = changes.into_iter().map(|change| change.of(base)).collect::<Result<_, _>>()?;
    Ok(())
}
