//! Names: which one SDKs use, and what it resolves to.

use super::{Draft, Rule, code, world::World};
use crate::model::{AddressReport, Gap, NameKind, Resolution};
use std::net::IpAddr;

impl Rule for code::AddressNotInPrefixList {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let reachable_by_none =
            |report: &&AddressReport| report.trace.endpoint.is_none() && world.is_outside_lists(report.address);
        let draft = |report: &AddressReport| {
            let AddressReport { address, hostname, .. } = report;
            let name = if *hostname == address.to_string() { String::new() } else { format!("{hostname}: ") };
            Draft::new(format!(
                "{name}{address} is neither in DynamoDB's prefix list nor an interface endpoint's: no gateway endpoint \
                 carries it"
            ))
        };
        world.addresses().filter(reachable_by_none).map(draft).collect()
    }
}

impl Rule for code::HostsFileOverride {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let draft = |(host, resolution): (&str, &Resolution)| {
            let pinned: Vec<_> = pinned(resolution)?.iter().map(IpAddr::to_string).collect();
            let pinned = pinned.join(", ");
            Some(Draft::new(format!("/etc/hosts pins {host} to {pinned}, whatever DNS says: take the name out of it")))
        };
        resolutions(world).filter_map(draft).collect()
    }
}

impl Rule for code::CustomEndpoint {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let custom = world.names_in_use().filter(|named| named.name.kind == NameKind::Custom);
        let draft = |host: &str| {
            Draft::new(format!(
                "an endpoint URL from the environment or the profile makes SDKs here use {host}, not the regional name"
            ))
        };
        custom.map(|named| draft(&named.name.hostname)).collect()
    }
}

impl Rule for code::OtherRegion {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let regional = world.names_in_use().any(|named| named.name.kind != NameKind::Custom);
        let regions = world.snapshot.filter(|_| regional).and_then(|snapshot| {
            let (instance, region) = (snapshot.instance.seen()?, snapshot.region.seen()?);
            (instance.region != *region).then_some((region, &instance.region))
        });
        let draft = |(region, own)| {
            Draft::new(format!(
                "SDKs here use DynamoDB in {region}, while the instance runs in {own}: an endpoint serves its own Region only"
            ))
        };
        regions.map(draft).into_iter().collect()
    }
}

impl Rule for code::NameNotResolved {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let draft = |(host, resolution): (&str, &Resolution)| {
            let has_address = world.addresses().any(|report| report.hostname == host);
            let why = unresolved(resolution, has_address).filter(|_| pinned(resolution).is_none())?;
            Some(Draft::new(format!("{host} does not resolve: {why}")))
        };
        resolutions(world).filter_map(draft).collect()
    }
}

/// The names in use, with what they resolve to.
fn resolutions<'a>(world: &World<'a>) -> impl Iterator<Item = (&'a str, &'a Resolution)> {
    let snapshot = world.snapshot;
    world.names_in_use().filter_map(move |named| {
        let hostname = &named.name.hostname;
        Some((hostname.as_str(), snapshot?.resolutions.get(hostname)?))
    })
}

/// The addresses that the hosts file has, if any.
fn pinned(resolution: &Resolution) -> Option<&[IpAddr]> {
    resolution.hosts_file.seen().map(Vec::as_slice).filter(|pinned| !pinned.is_empty())
}

/// Why a name has no address to use: the name servers say so, and not merely keep silent.
fn unresolved(resolution: &Resolution, has_address: bool) -> Option<String> {
    match (resolution.ipv4.get(), resolution.ipv6.get()) {
        (Err(gap @ Gap::NotFound { .. }), _) => Some(gap.to_string()),
        (Ok(v4), Ok(v6)) if v4.is_empty() && v6.is_empty() => Some("it has neither A nor AAAA records".into()),
        (Ok(v4), _) if v4.is_empty() && !has_address => {
            Some("it has no A records, and no AAAA records that this instance is known to use".into())
        }
        _ => None,
    }
}
