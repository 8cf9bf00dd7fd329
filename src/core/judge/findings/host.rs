//! What the host does to packets before they reach the VPC.

use super::{Draft, Rule, code, world::World};
use crate::{
    judge::{
        egress::{Egress, NextHop, stacked_kind},
        host_routes::host_routes,
    },
    model::{AddressReport, HostRoute, Path, PathTarget, ProxyVariable, Severity, Verdict},
};

impl Rule for code::ProxyConfigured {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let draft = |(variable, proxy, reach): Variable<'_>| {
            let draft = match (proxy?, reach) {
                (proxy, Reach::Every(host)) => Draft::new(format!(
                    "{variable} sends {host} to the proxy {proxy}: SDKs that heed it never reach a VPC endpoint, whatever \
                     the routes say"
                ))
                .fix(exempt(host), None),
                (proxy, Reach::Some(host, clients)) => Draft::new(format!(
                    "{variable} names the proxy {proxy}; NO_PROXY exempts {host} for some clients, but not for {}",
                    joined(clients)
                ))
                .severity(Severity::Warning)
                .fix(exempt(host), None),
                (proxy, Reach::None) => {
                    Draft::new(format!("{variable} names the proxy {proxy}; DynamoDB's name is exempt from it"))
                        .severity(Severity::Info)
                }
            };
            Some(draft)
        };
        proxies(world).filter_map(draft).collect()
    }
}

impl Rule for code::ProxyUnreadable {
    /// The value is not repeated: it may hold a password.
    fn find(world: &World<'_>) -> Vec<Draft> {
        let draft = |(variable, _, reach): Variable<'_>| {
            let unreadable = format!("{variable} holds no URL of a proxy that onnet can read");
            match reach {
                Reach::Every(host) => {
                    let message = format!("{unreadable}: some programs may send {host} to a proxy, others fail");
                    Draft::new(message).fix(exempt(host), None)
                }
                Reach::Some(host, clients) => {
                    let message = format!(
                        "{unreadable}; NO_PROXY exempts {host} for some clients, but not for {}",
                        joined(clients)
                    );
                    Draft::new(message).fix(exempt(host), None)
                }
                Reach::None => {
                    let message = format!("{unreadable}; DynamoDB's name is exempt from it");
                    Draft::new(message).severity(Severity::Info)
                }
            }
        };
        proxies(world).filter(|(_, proxy, _)| proxy.is_none()).map(draft).collect()
    }
}

/// A variable that names a proxy, the proxy where it can be read, and what it applies to.
type Variable<'a> = (&'a str, Option<&'a str>, Reach<'a>);

/// What of the names in use a proxy variable applies to.
enum Reach<'a> {
    /// A name, for every client.
    Every(&'a str),
    /// A name, for these clients.
    Some(&'a str, &'a [String]),
    None,
}

fn proxies<'a>(world: &'a World<'_>) -> impl Iterator<Item = Variable<'a>> {
    let in_use = |host: &str| world.names_in_use().any(|named| named.name.hostname == host);
    world.snapshot.iter().flat_map(|snapshot| &snapshot.proxies).map(move |variable| {
        let ProxyVariable { variable, proxy, applies_to, applies_for } = variable;
        let every = applies_to.iter().find(|host| in_use(host)).map(|host| Reach::Every(host));
        let some = applies_for.iter().find(|(host, _)| in_use(host)).map(|(host, clients)| Reach::Some(host, clients));
        (variable.as_str(), proxy.as_deref(), every.or(some).unwrap_or(Reach::None))
    })
}

/// `curl, Go and Python`
fn joined(clients: &[String]) -> String {
    match clients {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        clients => clients.concat(),
    }
}

fn exempt(host: &str) -> String {
    format!("export NO_PROXY=\"${{NO_PROXY:+$NO_PROXY,}}{host}\"")
}

impl Rule for code::LeavesByTunnel {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let by_device = |report: &&AddressReport| match &report.verdict {
            Verdict::Via(Path { target: PathTarget::HostDevice(_), .. }) => true,
            Verdict::Via(_) | Verdict::Dropped(_) | Verdict::Ambiguous(_) | Verdict::Undetermined(_) => false,
        };
        world.addresses().filter(by_device).map(|report| Draft::new(&report.reason)).collect()
    }
}

impl Rule for code::HostRouteDiverts {
    /// Routes that lead part of the covered list to another device than the one that was judged, or to another host.
    fn find(world: &World<'_>) -> Vec<Draft> {
        let coverage_of = |id: &_| world.tables.iter().find(|table| table.id() == id).map(|table| table.coverage);
        let routes = world.snapshot.into_iter().flat_map(|snapshot| host_routes(snapshot, world.judged(), coverage_of));
        routes.filter_map(diverting).collect()
    }
}

fn diverting((egress, route): (&Egress<'_>, &HostRoute)) -> Option<Draft> {
    let to = match (&route.device, route.gateway) {
        (None, _) => "nowhere".to_owned(),
        (Some(device), Some(gateway)) if egress.next_hop(gateway) == NextHop::AnotherHost => {
            format!("next hop {gateway} by device {}", device.name)
        }
        (Some(device), _) if device.mac.as_ref() == Some(&egress.interface.mac) && stacked_kind(device).is_none() => {
            return None;
        }
        (Some(device), None) => format!("device {}", device.name),
        (Some(device), Some(gateway)) => format!("next hop {gateway} by device {}", device.name),
    };
    Some(Draft::new(format!(
        "the kernel's own route {} leads part of DynamoDB's prefix list to {to}, not to the VPC's router by {}",
        route.destination, egress.interface.id
    )))
}
