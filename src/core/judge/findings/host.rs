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
        let draft = |(variable, proxy, host): Variable<'_>| match (proxy?, host) {
            (proxy, Some(host)) => {
                let message = format!(
                    "{variable} sends {host} to the proxy {proxy}: SDKs that heed it never reach a VPC endpoint, whatever \
                     the routes say"
                );
                Some(Draft::new(message).fix(exempt(host), None))
            }
            (proxy, None) => {
                let message = format!("{variable} names the proxy {proxy}; DynamoDB's name is exempt from it");
                Some(Draft::new(message).severity(Severity::Info))
            }
        };
        proxies(world).filter_map(draft).collect()
    }
}

impl Rule for code::ProxyUnreadable {
    /// The value is not repeated: it may hold a password.
    fn find(world: &World<'_>) -> Vec<Draft> {
        let draft = |(variable, _, host): Variable<'_>| {
            let unreadable = format!("{variable} holds no URL of a proxy that onnet can read");
            match host {
                Some(host) => {
                    let message = format!("{unreadable}: some programs may send {host} to a proxy, others fail");
                    Draft::new(message).fix(exempt(host), None)
                }
                None => {
                    let message = format!("{unreadable}; DynamoDB's name is exempt from it");
                    Draft::new(message).severity(Severity::Info)
                }
            }
        };
        proxies(world).filter(|(_, proxy, _)| proxy.is_none()).map(draft).collect()
    }
}

/// A variable that names a proxy, the proxy where it can be read, and a name in use that it applies to.
type Variable<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

fn proxies<'a>(world: &'a World<'_>) -> impl Iterator<Item = Variable<'a>> {
    let in_use = |host: &&String| world.names_in_use().any(|named| named.name.hostname == **host);
    world.snapshot.iter().flat_map(|snapshot| &snapshot.proxies).map(move |variable| {
        let ProxyVariable { variable, proxy, applies_to } = variable;
        (variable.as_str(), proxy.as_deref(), applies_to.iter().find(in_use).map(String::as_str))
    })
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
