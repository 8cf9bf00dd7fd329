//! Routes and devices by rtnetlink.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kernel's attributes are many, open to more, and mostly not ours"
)]

use super::KernelError;
use crate::model::{Device, HostRoute, KernelRoute, MacAddress};
use futures_util::TryStreamExt;
use ipnet::IpNet;
use netlink_packet_route::{
    AddressFamily,
    link::{LinkAttribute, LinkInfo, LinkMessage},
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia},
    rule::RuleAttribute,
};
use rtnetlink::{Error, Handle, IpVersion, RouteMessageBuilder};
use std::{
    collections::HashMap,
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};
use tokio::{
    sync::{Mutex, OnceCell},
    task::JoinHandle,
};

/// The kernel of the network namespace we are in, for one round: its devices are read once.
pub struct Kernel {
    handle: Handle,
    connection: JoinHandle<()>,
    devices: OnceCell<HashMap<u32, Device>>,
    /// Held while a dump runs: a netlink socket has room for one, and answers a second with EBUSY.
    dumping: Mutex<()>,
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// The table of addresses that are the host's own, kept by the kernel.
const LOCAL_TABLE: u32 = 255;

/// What rules may choose by, besides the address.
const HTTPS: u16 = 443;

/// ENODEV, as netlink gives it.
const NO_SUCH_DEVICE: i32 = -19;

impl Kernel {
    /// Opens a netlink socket. Its connection ends with the value.
    pub fn open() -> Result<Self, KernelError> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(KernelError::Open)?;
        Ok(Self { handle, connection: tokio::spawn(connection), devices: OnceCell::new(), dumping: Mutex::new(()) })
    }

    /// What the kernel would do with a TCP connection to `port` of `to`.
    ///
    /// Asked as `connect` asks: once for the source address, and again with it, for a rule may choose by that.
    pub async fn route(&self, to: IpAddr, port: u16) -> Result<KernelRoute, KernelError> {
        let first = self.route_from(None, to, port).await?;
        match first {
            KernelRoute::Via { source: Some(source), .. } => self.route_from(Some(source), to, port).await,
            KernelRoute::Via { source: None, .. } | KernelRoute::Local | KernelRoute::NoRoute { .. } => Ok(first),
        }
    }

    async fn route_from(&self, source: Option<IpAddr>, to: IpAddr, port: u16) -> Result<KernelRoute, KernelError> {
        const TCP: u8 = 6;
        let everything = if to.is_ipv4() { 32 } else { 128 };
        let mut question = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(to, everything)
            .map_err(request("route"))?
            .ip_protocol(TCP)
            .dport(port);
        if let Some(source) = source {
            question = question.source_prefix(source, everything).map_err(request("route"))?;
        }
        let question = question.build();
        let answer = self.handle.route().get(question).execute().try_next().await;
        let message = match answer {
            Ok(message) => message.ok_or_else(|| malformed("a route"))?,
            Err(error) => return no_route(to, error),
        };
        match message.header.kind {
            RouteType::Local => Ok(KernelRoute::Local),
            // IPv6 has these as answers, IPv4 as errors.
            RouteType::Unreachable => Ok(KernelRoute::NoRoute { detail: "unreachable".into() }),
            RouteType::BlackHole => Ok(KernelRoute::NoRoute { detail: "blackhole".into() }),
            RouteType::Prohibit => Ok(KernelRoute::NoRoute { detail: "prohibited".into() }),
            _ => self.via(&message, source).await,
        }
    }

    async fn via(&self, message: &RouteMessage, source: Option<IpAddr>) -> Result<KernelRoute, KernelError> {
        let index = output(&message.attributes).ok_or_else(|| malformed("an output device"))?;
        Ok(KernelRoute::Via {
            device: self.device(index).await?.ok_or_else(|| malformed(format!("the device {index} of a route")))?,
            source: source.or_else(|| {
                message.attributes.iter().find_map(|attribute| match attribute {
                    RouteAttribute::PrefSource(source) => address(source),
                    _ => None,
                })
            }),
            gateway: next_hop(&message.attributes),
        })
    }

    /// What of the kernel's routing could treat one address unlike another: the routes of both families and all tables
    /// but the local one that are more specific than a default route; default routes with several next hops; and rules
    /// that choose by destination, each as the route to the first address of its range.
    ///
    /// A route with several next hops is given once for each of them.
    pub async fn host_routes(&self) -> Result<Vec<HostRoute>, KernelError> {
        let mut routes = self.specific_routes().await?;
        for (destination, table) in self.rules_by_destination().await? {
            let (device, gateway) = match self.route(destination.addr(), HTTPS).await? {
                KernelRoute::Via { device, gateway, .. } => (Some(device), gateway),
                KernelRoute::Local | KernelRoute::NoRoute { .. } => (None, None),
            };
            routes.push(HostRoute { destination, device, gateway, table });
        }
        Ok(routes)
    }

    async fn rules_by_destination(&self) -> Result<Vec<(IpNet, u32)>, KernelError> {
        let mut rules = Vec::new();
        for family in [IpVersion::V4, IpVersion::V6] {
            let _dumping = self.dumping.lock().await;
            let dumped: Result<Vec<_>, Error> = self.handle.rule().get(family).execute().try_collect().await;
            match dumped {
                Ok(dumped) => rules.extend(dumped),
                Err(error) if is_unsupported(&error) => {}
                Err(error) => return Err(request("rules")(error)),
            }
        }
        let by_destination = rules.iter().filter_map(|rule| {
            let to = rule.attributes.iter().find_map(|attribute| match attribute {
                RuleAttribute::Destination(to) => Some(*to),
                _ => None,
            })?;
            let table = rule.attributes.iter().find_map(|attribute| match attribute {
                RuleAttribute::Table(table) => Some(*table),
                _ => None,
            });
            Some((IpNet::new(to, rule.header.dst_len).ok()?, table.unwrap_or_else(|| rule.header.table.into())))
        });
        Ok(by_destination.collect())
    }

    async fn specific_routes(&self) -> Result<Vec<HostRoute>, KernelError> {
        let mut messages = self.dump(AddressFamily::Inet).await?;
        messages.extend(self.dump(AddressFamily::Inet6).await?);
        let mut routes = Vec::new();
        for message in &messages {
            let table = table(message);
            let drops = match message.header.kind {
                RouteType::Unicast => false,
                RouteType::Unreachable | RouteType::BlackHole | RouteType::Prohibit => true,
                _ => continue,
            };
            let is_default = message.header.destination_prefix_length == 0;
            if table == LOCAL_TABLE || is_default && (drops || outputs(message)?.len() < 2) {
                continue;
            }
            let destination = destination(message)?;
            if drops {
                routes.push(HostRoute { destination, device: None, gateway: None, table });
            }
            for (index, gateway) in if drops { Vec::new() } else { outputs(message)? } {
                // A device that has gone took its routes with it.
                if let Some(device) = self.device(index).await? {
                    routes.push(HostRoute { destination, device: Some(device), gateway, table });
                }
            }
        }
        Ok(routes)
    }

    /// Every route of one family. A kernel without that family answers with other families' routes, or refuses.
    async fn dump(&self, family: AddressFamily) -> Result<Vec<RouteMessage>, KernelError> {
        let mut question = RouteMessage::default();
        question.header.address_family = family;
        let _dumping = self.dumping.lock().await;
        let answer: Result<Vec<_>, Error> = self.handle.route().get(question).execute().try_collect().await;
        match answer {
            Ok(mut routes) => {
                routes.retain(|route| route.header.address_family == family);
                Ok(routes)
            }
            Err(error) if is_unsupported(&error) => Ok(Vec::new()),
            Err(error) => Err(request("routes")(error)),
        }
    }

    /// The device of a route. One that came after the dump is asked for by itself; `None` for one that has gone since.
    async fn device(&self, index: u32) -> Result<Option<Device>, KernelError> {
        let devices = self
            .devices
            .get_or_try_init(|| async {
                let _dumping = self.dumping.lock().await;
                let links: Result<Vec<_>, Error> = self.handle.link().get().execute().try_collect().await;
                links.map_err(request("devices"))?.iter().map(device).collect()
            })
            .await?;
        if let Some(known) = devices.get(&index) {
            return Ok(Some(known.clone()));
        }
        match self.handle.link().get().match_index(index).execute().try_next().await {
            Ok(link) => Ok(link.as_ref().map(device).transpose()?.map(|(_, device)| device)),
            Err(Error::NetlinkError(answer)) if answer.raw_code() == NO_SUCH_DEVICE => Ok(None),
            Err(error) => Err(request("device")(error)),
        }
    }
}

fn device(link: &LinkMessage) -> Result<(u32, Device), KernelError> {
    let (mut name, mut mac, mut kind) = (None, None, None);
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(given) => name = Some(given.as_str()),
            // An IPv4 tunnel has an address of 4 bytes here, a loopback device one of zeros.
            LinkAttribute::Address(bytes) => {
                mac =
                    <[u8; 6]>::try_from(bytes.as_slice()).ok().filter(|mac| *mac != [0; 6]).map(MacAddress::from_bytes);
            }
            LinkAttribute::LinkInfo(infos) => {
                kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    let index = link.header.index;
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| malformed(format!("the name of device {index}")))?;
    Ok((index, Device { name: name.into(), mac, kind }))
}

/// That there is no route is what was asked for, not a failure to ask.
fn no_route(to: IpAddr, error: Error) -> Result<KernelRoute, KernelError> {
    let answer = match &error {
        Error::NetlinkError(message) => message.to_io(),
        _ => return Err(request("route")(error)),
    };
    let detail = match answer.kind() {
        ErrorKind::NetworkUnreachable => "no route",
        ErrorKind::HostUnreachable => "unreachable",
        ErrorKind::PermissionDenied => "prohibited",
        ErrorKind::InvalidInput => "blackhole",
        _ if to.is_ipv6() && is_unsupported(&error) => "no IPv6 in this kernel",
        _ => return Err(request("route")(error)),
    };
    Ok(KernelRoute::NoRoute { detail: detail.to_owned() })
}

/// EAFNOSUPPORT and EOPNOTSUPP: the kernel was built or started without this family.
fn is_unsupported(error: &Error) -> bool {
    matches!(error, Error::NetlinkError(message) if matches!(message.raw_code(), -97 | -95))
}

fn output(attributes: &[RouteAttribute]) -> Option<u32> {
    attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    })
}

fn next_hop(attributes: &[RouteAttribute]) -> Option<IpAddr> {
    attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(gateway) => address(gateway),
        RouteAttribute::Via(RouteVia::Inet(gateway)) => Some((*gateway).into()),
        RouteAttribute::Via(RouteVia::Inet6(gateway)) => Some((*gateway).into()),
        _ => None,
    })
}

/// The devices of a route, each with its next hop.
fn outputs(message: &RouteMessage) -> Result<Vec<(u32, Option<IpAddr>)>, KernelError> {
    let hops = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::MultiPath(hops) => {
            Some(hops.iter().map(|hop| (hop.interface_index, next_hop(&hop.attributes))).collect())
        }
        _ => None,
    });
    hops.or_else(|| output(&message.attributes).map(|index| vec![(index, next_hop(&message.attributes))]))
        .ok_or_else(|| malformed("an output device"))
}

fn table(message: &RouteMessage) -> u32 {
    let long = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    long.unwrap_or_else(|| message.header.table.into())
}

fn destination(message: &RouteMessage) -> Result<IpNet, KernelError> {
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(destination) => address(destination),
        _ => None,
    });
    // A default route has none.
    let address = address.or_else(|| match (message.header.destination_prefix_length, message.header.address_family) {
        (0, AddressFamily::Inet) => Some(Ipv4Addr::UNSPECIFIED.into()),
        (0, AddressFamily::Inet6) => Some(Ipv6Addr::UNSPECIFIED.into()),
        _ => None,
    });
    address
        .and_then(|address| IpNet::new(address, message.header.destination_prefix_length).ok())
        .ok_or_else(|| malformed("a route's destination"))
}

fn address(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

fn malformed(what: impl Into<String>) -> KernelError {
    KernelError::Malformed { what: what.into() }
}

fn request<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl Fn(E) -> KernelError {
    move |cause| KernelError::Request { what, cause: Box::new(cause) }
}
