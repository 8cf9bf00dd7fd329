//! Names and what they resolve to.

use super::{
    words::{Fact, observed, parse},
    world::Entries,
};
use onnet_core::model::{AddressRecord, Gap, NameKind, Observed, Resolution, ServiceName, Snapshot};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// `regional HOST`, `account_based HOST`, `custom URL`, then `(not in use)`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct NameText(pub(super) ServiceName);

impl TryFrom<String> for NameText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (name, in_use) = text.strip_suffix(" (not in use)").map_or((text.as_str(), true), |name| (name, false));
        let (kind, url) = name.split_once(' ').ok_or_else(|| format!("{text:?}: expected `regional HOST`"))?;
        let kind: NameKind = serde_json::from_value(Value::from(kind)).map_err(|error| error.to_string())?;
        let plain = url.strip_prefix("http://");
        let host = plain.or_else(|| url.strip_prefix("https://")).unwrap_or(url);
        let (hostname, port) = match host.rsplit_once(':') {
            Some((hostname, port)) => (hostname, parse(port)?),
            None => (host, if plain.is_some() { 80 } else { 443 }),
        };
        if hostname.contains(' ') {
            return Err(format!("{text:?}: {hostname:?} is not a host"));
        }
        // Streams and vector search are reported apart.
        let in_use = in_use && kind.takes_table_requests();
        Ok(Self(ServiceName {
            hostname: hostname.to_owned(),
            port,
            tls: plain.is_none(),
            kind,
            in_use,
            chosen_by: Vec::new(),
        }))
    }
}

/// `account_based HOST`, or `none`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct AccountName(pub(super) Option<ServiceName>);

impl TryFrom<String> for AccountName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "none" { Ok(Self(None)) } else { NameText::try_from(text).map(|name| Self(Some(name.0))) }
    }
}

/// The resolution of a name: its addresses, a reason for both families, or each part.
pub(super) enum Dns {
    Addresses(Vec<IpAddr>),
    Parts(Box<Fact<Parts>>),
}

impl<'de> Deserialize<'de> for Dns {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        let read = if value.is_array() {
            super::from_value(value).map(Self::Addresses)
        } else {
            super::from_value(value).map(|parts| Self::Parts(Box::new(parts)))
        };
        read.map_err(serde::de::Error::custom)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parts {
    ipv4: Option<Fact<Vec<Ipv4Addr>>>,
    ipv6: Option<Fact<Vec<Ipv6Addr>>>,
    hosts_file: Option<Fact<Vec<IpAddr>>>,
    c_library: Option<Fact<Vec<IpAddr>>>,
    cnames: Option<Vec<String>>,
    servers: Option<Vec<SocketAddr>>,
}

fn records<A: Into<IpAddr>>(addresses: Vec<A>) -> Result<Vec<AddressRecord>, String> {
    Ok(addresses.into_iter().map(|address| AddressRecord { address: address.into(), ttl: 5 }).collect())
}

impl Dns {
    fn apply(self, to: &mut Resolution) -> Result<(), String> {
        let mut of_c_library = None;
        match self {
            Self::Addresses(addresses) => {
                let (ipv4, ipv6) = addresses.into_iter().partition(IpAddr::is_ipv4);
                (to.ipv4, to.ipv6) = (observed(records::<IpAddr>(ipv4)?), observed(records::<IpAddr>(ipv6)?));
            }
            Self::Parts(parts) => match *parts {
                Fact::Gap(gap) => (to.ipv4, to.ipv6) = (Observed::Unseen(gap.clone()), Observed::Unseen(gap)),
                Fact::Is(parts) => of_c_library = parts.apply(to)?,
            },
        }
        to.c_library = Some(of_c_library.unwrap_or_else(|| usual(to)));
        Ok(())
    }
}

impl Parts {
    /// Returns the addresses of the C library if they are given.
    fn apply(self, to: &mut Resolution) -> Result<Option<Observed<Vec<IpAddr>>>, String> {
        if let Some(ipv4) = self.ipv4 {
            to.ipv4 = ipv4.observed(records)?;
        }
        if let Some(ipv6) = self.ipv6 {
            to.ipv6 = ipv6.observed(records)?;
        }
        if let Some(addresses) = self.hosts_file {
            to.hosts_file = addresses.observed(Ok)?;
        }
        if let Some(cnames) = self.cnames {
            to.cnames = cnames;
        }
        if let Some(servers) = self.servers {
            to.servers = servers;
        }
        self.c_library.map(|addresses| addresses.observed(Ok)).transpose()
    }
}

/// The default for the C library: the addresses of the hosts file, else those of the name servers.
fn usual(resolution: &Resolution) -> Observed<Vec<IpAddr>> {
    let pinned = resolution.hosts_file.seen().filter(|pinned| !pinned.is_empty());
    let records = [&resolution.ipv4, &resolution.ipv6];
    let addresses = records.iter().filter_map(|records| records.seen()).flatten().map(|record| record.address);
    let addresses = pinned.cloned().unwrap_or_else(|| addresses.collect());
    match records.iter().find_map(|records| records.gap()).filter(|_| addresses.is_empty()) {
        Some(gap) => Observed::Unseen(gap.clone()),
        None if addresses.is_empty() => {
            Observed::Unseen(Gap::NotFound { detail: "No address associated with hostname".into() })
        }
        None => observed(addresses),
    }
}

/// Every address of every name.
pub(super) fn addresses(resolutions: &BTreeMap<String, Resolution>) -> BTreeSet<IpAddr> {
    resolutions.values().flat_map(Resolution::addresses).collect()
}

/// A typing error in a hostname must not count as a name that is not judged.
pub(super) fn check(world: &Snapshot) -> Result<(), String> {
    if world.names.seen().is_none() {
        return Ok(());
    }
    let unused = world.resolutions.keys().find(|name| world.all_names().all(|other| other.hostname != **name));
    unused.map_or(Ok(()), |name| Err(format!("{name}: not one of `names`")))
}

pub(super) fn resolutions(to: &mut BTreeMap<String, Resolution>, changes: Entries<String, Dns>) -> Result<(), String> {
    for (name, change) in changes {
        let Some(change) = change else {
            to.remove(&name).ok_or_else(|| format!("{name}: the base world has no such name"))?;
            continue;
        };
        let servers = vec![SocketAddr::from(([172, 31, 0, 2], 53))];
        let resolution = to.entry(name.clone()).or_insert_with(|| Resolution {
            ipv4: observed(Vec::new()),
            ipv6: observed(Vec::new()),
            cnames: Vec::new(),
            servers,
            hosts_file: observed(Vec::new()),
            c_library: None,
            left_out: None,
        });
        change.apply(resolution).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}
