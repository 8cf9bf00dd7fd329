//! What the host does to packets before they reach the VPC.

use super::{Draft, Rule, code, world::World};
use crate::{
    judge::egress::silent_servers,
    model::{AddressReport, InterfaceReport, Outcome, Path, PathTarget, ProxyVariable, Severity, Snapshot, Verdict},
};
use std::{collections::BTreeSet, net::IpAddr};

impl Rule for code::ProxyConfigured {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let draft = |(variable, proxy, reach): Variable<'_>| {
            let draft = match (proxy?, reach) {
                (proxy, Reach::Every(host)) => Draft::new(format!(
                    "{variable} sends {host} to the proxy {proxy}: SDKs that use it never reach a VPC endpoint, \
                     regardless of the routes"
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

impl Rule for code::OtherInterfaceOffNet {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let is_off = |one: &&InterfaceReport| {
            // Not by addresses: one range of IPv6 has more than are counted.
            let is_part = one.coverage_summary.is_some_and(|summary| summary.cidrs_on_net < summary.cidrs);
            !one.in_use && is_part && matches!(one.outcome, Outcome::OffNet | Outcome::AtRisk)
        };
        let draft = |one: &InterfaceReport| {
            let addresses = one.addresses.iter().map(ToString::to_string);
            let all: Vec<String> = addresses.chain(one.prefixes.iter().map(ToString::to_string)).collect();
            let from = match all.as_slice() {
                [only] => only.clone(),
                [first, second] => format!("{first} and {second}"),
                [first, rest @ ..] if one.prefixes.is_empty() => format!("{first} and {} more addresses", rest.len()),
                [first, rest @ ..] => format!("{first} and {} more addresses and prefixes", rest.len()),
                [] => "it".to_owned(),
            };
            Draft::new(format!(
                "DynamoDB traffic from {from} of {} would not all be carried by an endpoint: {}",
                one.interface, one.reason
            ))
        };
        // Where it is not known which one is in use, none is another one.
        let is_known = world.beside.interfaces.iter().any(|one| one.in_use);
        world.beside.interfaces.iter().filter(|one| is_known && is_off(one)).map(draft).collect()
    }
}

impl Rule for code::ProxyUnreadable {
    /// The value is not repeated: it may hold a password.
    fn find(world: &World<'_>) -> Vec<Draft> {
        let draft = |(variable, _, reach): Variable<'_>| {
            let unreadable = format!("{variable} is not a proxy URL that onnet can read");
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
        let addresses = world.addresses().filter(by_device).map(|report| Draft::new(&report.reason));
        addresses.chain(world.snapshot.into_iter().flat_map(|snapshot| silent_name_servers(world, snapshot))).collect()
    }
}

fn silent_name_servers(world: &World<'_>, snapshot: &Snapshot) -> Vec<Draft> {
    let resolutions = world.names_in_use().filter_map(|named| snapshot.resolutions.get(&named.name.hostname));
    let servers: BTreeSet<_> = resolutions.flat_map(|resolution| silent_servers(snapshot, resolution)).collect();
    let draft = |(server, detour): (IpAddr, String)| {
        let message = format!("the kernel sends packets to the name server {server} {detour}, and no answer came");
        Draft::new(message).severity(Severity::Info)
    };
    servers.into_iter().map(draft).collect()
}

impl Rule for code::HostRouteDiverts {
    fn find(world: &World<'_>) -> Vec<Draft> {
        world.elsewhere.into_iter().flat_map(|elsewhere| &elsewhere.diverted).map(Draft::new).collect()
    }
}

impl Rule for code::PolicyRuleMayDivert {
    fn find(world: &World<'_>) -> Vec<Draft> {
        world.elsewhere.into_iter().flat_map(|elsewhere| &elsewhere.by_policy).map(Draft::new).collect()
    }
}
