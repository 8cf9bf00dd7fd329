//! Names: which one SDKs use, and what it resolves to.

use super::{Draft, Rule, code, world::World};
use crate::{
    judge::round::Named,
    model::{AddressReport, Gap, NameKind, Resolution, ServiceName, Severity, is_name_of_aws},
};
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
            Some(Draft::new(format!("/etc/hosts pins {host} to {pinned}, whatever DNS says: remove the name from it")))
        };
        resolutions(world).filter_map(draft).collect()
    }
}

impl Rule for code::CustomEndpoint {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let custom = world.names_in_use().filter(|named| named.name.kind == NameKind::Custom);
        let draft = |host: &str| {
            let message = format!(
                "an endpoint URL from the environment or the profile makes SDKs here use {host}, not the regional name"
            );
            match world.reader.region {
                Ok(region) if is_another_name_of_aws(host, region) => {
                    let message = format!("{message}; no gateway endpoint is known to serve that name in {region}");
                    Draft::new(message).severity(Severity::Warning)
                }
                Ok(_) | Err(_) => Draft::new(message).severity(Severity::Info),
            }
        };
        custom.map(|named| draft(&named.name.hostname)).collect()
    }
}

impl Rule for code::NameNotServed {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let apart = world.names.iter().filter(|named| !named.name.kind.takes_table_requests());
        let draft = |named: &Named<'_>| {
            let ServiceName { hostname, kind, .. } = named.name;
            let mut ways: Vec<String> = Vec::new();
            for judged in &named.addresses {
                let way = match judged.report.verdict.path() {
                    Some(path) => format!("go through {path}"),
                    None => format!("are {}", judged.report.verdict.name()),
                };
                if !ways.contains(&way) {
                    ways.push(way);
                }
            }
            let ways = if ways.is_empty() { "have no known path".to_owned() } else { ways.join(" and ") };
            Draft::new(format!(
                "no gateway endpoint is known to serve {hostname} ({}): requests to it {ways}",
                kind.words()
            ))
        };
        apart.map(draft).collect()
    }
}

impl Rule for code::OtherRegion {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let regional = world.names_in_use().any(|named| named.name.kind.is_of_region());
        let regions = world.snapshot.filter(|_| regional).and_then(|snapshot| {
            let (instance, region) = (snapshot.instance.seen()?, snapshot.region.seen()?);
            (instance.region != *region).then_some((region, &instance.region))
        });
        let draft = |(region, own)| {
            Draft::new(format!(
                "SDKs here use DynamoDB in {region}, while the instance runs in {own}: an endpoint serves its own Region only"
            ))
        };
        let regions = regions.map(draft);
        let of_names = world.names_in_use().filter(|named| named.name.kind.is_of_region());
        let elsewhere = of_names.filter_map(|named| {
            let (host, region) = (&named.name.hostname, world.reader.region.ok()?);
            let is_elsewhere = regions.is_none() && is_another_name_of_aws(host, region);
            is_elsewhere
                .then(|| Draft::new(format!("{host} is not a DynamoDB name of {region}, where the instance runs")))
        });
        let elsewhere: Vec<_> = elsewhere.collect();
        regions.into_iter().chain(elsewhere).collect()
    }
}

/// Whether AWS has this name for another service or another Region than DynamoDB in `region`.
/// <https://docs.aws.amazon.com/general/latest/gr/ddb.html>
fn is_another_name_of_aws(host: &str, region: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let labels: Vec<&str> = host.split('.').collect();
    let is_dynamodb = match labels.as_slice() {
        ["dynamodb" | "dynamodb-fips", of, ..] => *of == region,
        [_, "ddb" | "ddb-fips", of, ..] => *of == region,
        [_, "streams", ..] => false,
        // Of interface endpoints, in every partition.
        names => {
            names.windows(3).any(|part| matches!(part, ["dynamodb" | "dynamodb-fips", of, "vpce"] if *of == region))
        }
    };
    is_name_of_aws(&host) && !is_dynamodb
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

impl Rule for code::ResolutionDiffers {
    /// DynamoDB's names change their address with each answer: other addresses of its prefix lists are no difference.
    fn find(world: &World<'_>) -> Vec<Draft> {
        let draft = |(host, resolution): (&str, &Resolution)| {
            let what = match resolution.c_library.as_ref()?.get() {
                Ok(found) => Some(other_addresses(world, host, resolution, found)?),
                Err(gap @ Gap::NotFound { .. }) => has_addresses(resolution).then(|| format!("no address ({gap})")),
                Err(_) => None,
            }?;
            Some(Draft::new(format!(
                "the C library resolves {host} to {what}, unlike the name servers and /etc/hosts: that is what programs \
                 here get. RES_OPTIONS and LOCALDOMAIN are those of onnet's own environment; a program's may differ"
            )))
        };
        resolutions(world).filter_map(draft).collect()
    }
}

/// Whether the name servers or the hosts file have an address.
fn has_addresses(resolution: &Resolution) -> bool {
    resolution.addresses().next().is_some()
}

/// The addresses in use of the C library's that neither the name servers nor the hosts file have, outside DynamoDB's lists;
/// or all of them, where it passes over the hosts file.
fn other_addresses(world: &World<'_>, host: &str, resolution: &Resolution, found: &[IpAddr]) -> Option<String> {
    let is_in_use =
        |address: &IpAddr| world.addresses().any(|report| report.hostname == host && report.address == *address);
    let passed_over = pinned(resolution).is_some_and(|pinned| !pinned.iter().any(|address| found.contains(address)));
    let elsewhere = Resolution { c_library: None, ..resolution.clone() };
    let is_other = |address: &&IpAddr| {
        passed_over || (world.is_outside_lists(**address) && !elsewhere.addresses().any(|known| known == **address))
    };
    let other: Vec<String> =
        found.iter().filter(|address| is_in_use(address)).filter(is_other).map(IpAddr::to_string).collect();
    (!other.is_empty()).then(|| other.join(", "))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_dynamodb_in_a_region_are_known_by_their_labels() {
        for (host, region, is_another) in [
            ("dynamodb.us-east-1.amazonaws.com", "us-east-1", false),
            ("dynamodb-fips.us-east-1.amazonaws.com", "us-east-1", false),
            ("dynamodb.us-east-1.api.aws", "us-east-1", false),
            ("111122223333.ddb-fips.us-east-1.api.aws", "us-east-1", false),
            ("vpce-0e-1.dynamodb.us-east-1.vpce.amazonaws.com", "us-east-1", false),
            ("vpce-0e-1-us-east-1a.dynamodb-fips.us-east-1.vpce.amazonaws.com.", "us-east-1", false),
            ("111122223333.vpce-0e-1.dynamodb.us-east-1.vpce.amazonaws.com", "us-east-1", false),
            ("vpce-0e-1.dynamodb.cn-north-1.vpce.amazonaws.com.cn", "cn-north-1", false),
            ("ddb.example", "us-east-1", false),
            ("dynamodb.eu-west-1.amazonaws.com", "us-east-1", true),
            ("vpce-0e-1.dynamodb-fips.eu-west-1.vpce.amazonaws.com", "us-east-1", true),
            ("vpce-0e-1.streams.dynamodb.us-east-1.vpce.amazonaws.com", "us-east-1", true),
            ("streams.dynamodb.us-east-1.amazonaws.com", "us-east-1", true),
            ("vpce-0e-1.sqs.us-east-1.vpce.amazonaws.com", "us-east-1", true),
        ] {
            assert_eq!(is_another_name_of_aws(host, region), is_another, "{host} in {region}");
        }
    }
}
