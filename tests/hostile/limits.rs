//! The table of limits: input exactly at a limit is accepted; one more is a gap that names the limit and the excess in the text, in
//! JSON and in the metrics. The limits of names, hosts files and the kernel are tested beside their collectors, those of answers of
//! other services in `answers`. The table in `registry` names the test of each limit.

use crate::{
    cloud_collectors::{config, gates, keys},
    common::scenario,
    fakes::{
        authority::Authority,
        ec2::{Ec2, XML, document, good, parameter},
        imds::{self, FakeImds, MAC},
        server::{Server, answer},
    },
    host_collectors::imds::look_at,
    over_limit::{is_reported, is_reported_of_name},
};
use onnet::{
    judge::judge,
    model::{Gap, GateKind, GateState, Observed, Outcome, Resolution, Snapshot, Source, VpcFacts, VpcId},
    observe::{
        dns::{CLibrary, DnsError, Resolver},
        ec2::vpcs_facts,
        limits::OF_VPC,
    },
};
use std::{fmt::Write as _, fs, os::unix::fs::PermissionsExt as _, time::Duration};
use tokio::time::Instant;

/// A limit: what it counts, and the accepted number.
#[derive(Clone, Copy, Debug)]
enum Limit {
    Vpcs,
    Pages,
    RouteTables,
    PrefixLists,
    EntriesOfOwnList,
    EntriesOfServiceList,
    /// Bytes.
    Answer,
    NetworkInterfaces,
    Addresses,
}

use Limit::{
    Addresses, Answer, EntriesOfOwnList, EntriesOfServiceList, NetworkInterfaces, Pages, PrefixLists, RouteTables, Vpcs,
};

const TABLE: [(Limit, usize, &str); 9] = [
    (Vpcs, 8, "9 VPCs that the instance has network interfaces in, at most 8"),
    (Pages, 1_000, "1001 pages of ec2:DescribeRouteTables, at most 1000"),
    (RouteTables, 10_000, "10001 items of ec2:DescribeRouteTables, at most 10000"),
    (PrefixLists, 200, "201 prefix lists that route tables name, at most 200"),
    (EntriesOfOwnList, 2_000, "2001 items of ec2:GetManagedPrefixListEntries for pl-mine, at most 2000"),
    (EntriesOfServiceList, 2_000, "2001 entries of pl-ddb in ec2:DescribePrefixLists, at most 2000"),
    (Answer, 2 << 20, "2097153 bytes in the answer to ec2:DescribeRouteTables, at most 2097152"),
    (NetworkInterfaces, 128, "129 values in the answer to /latest/meta-data/network/interfaces/macs/, at most 128"),
    (
        Addresses,
        256,
        "257 values in the answer to /latest/meta-data/network/interfaces/macs/06:00:00:00:00:01/local-ipv4s",
    ),
];

/// This number of items, numbered from 0.
fn items(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut all, number| {
        write!(all, "<item>{}</item>", item(number)).unwrap();
        all
    })
}

fn table(number: usize, routes: &str) -> String {
    format!("<routeTableId>rtb-{number}</routeTableId><vpcId>vpc-1</vpcId><routeSet>{routes}</routeSet>")
}

fn cidr(number: usize) -> String {
    format!("10.{}.{}.0/24", number / 256, number % 256)
}

/// A page with one table and the token of the next page, up to this number of pages.
async fn pages(count: usize) -> Server {
    let ec2 = Ec2::new();
    Server::plain(move |request| {
        if parameter(request, "Action").as_deref() != Some("DescribeRouteTables") {
            return ec2.answer(request);
        }
        let page: usize = parameter(request, "NextToken").map_or(1, |token| token.parse().unwrap());
        let next = if page < count { format!("<nextToken>{}</nextToken>", page + 1) } else { String::new() };
        let set = format!("<routeTableSet><item>{}</item></routeTableSet>{next}", table(page, ""));
        good("DescribeRouteTables", &set)
    })
    .await
}

async fn serve(limit: Limit, count: usize) -> Server {
    let ec2 = Ec2::new();
    let set = |name: &str, items: String| format!("<{name}>{items}</{name}>");
    let (action, set) = match limit {
        Pages => return pages(count).await,
        Vpcs | NetworkInterfaces | Addresses => return ec2.start().await,
        Answer => {
            let whole = document("DescribeRouteTables", &set("routeTableSet", items(1, |number| table(number, ""))));
            return ec2
                .with("DescribeRouteTables", answer(200, XML, &(whole.clone() + &" ".repeat(count - whole.len()))))
                .start()
                .await;
        }
        RouteTables => ("DescribeRouteTables", set("routeTableSet", items(count, |number| table(number, "")))),
        PrefixLists => {
            let route = |number| {
                format!(
                    "<destinationPrefixListId>pl-{number}</destinationPrefixListId><natGatewayId>nat-1</natGatewayId>"
                )
            };
            ("DescribeRouteTables", set("routeTableSet", format!("<item>{}</item>", table(0, &items(count, route)))))
        }
        EntriesOfOwnList => {
            let entry = |number| format!("<cidr>{}</cidr>", cidr(number));
            ("GetManagedPrefixListEntries", set("entrySet", items(count, entry)))
        }
        EntriesOfServiceList => {
            let name = "<prefixListName>com.amazonaws.us-east-1.dynamodb</prefixListName>";
            let list = format!("<prefixListId>pl-ddb</prefixListId>{name}{}", set("cidrSet", items(count, cidr)));
            ("DescribePrefixLists", set("prefixListSet", format!("<item>{list}</item>")))
        }
    };
    ec2.with_set(action, &set).start().await
}

async fn vpc(limit: Limit, count: usize) -> VpcFacts {
    let server = serve(limit, count).await;
    let config = config(&format!("http://{}", server.address), &Authority::new(), keys());
    let vpcs: Vec<VpcId> =
        (1..=if matches!(limit, Vpcs) { count } else { 1 }).map(|n| format!("vpc-{n}").into()).collect();
    vpcs_facts(&config, &vpcs, "us-east-1", None, Instant::now() + Duration::from_secs(60)).await.0
}

/// Instance metadata with this number of network interfaces, or of addresses of the only one.
async fn instance(limit: Limit, count: usize) -> Observed<onnet::model::Instance> {
    let mut script = imds::plain();
    if let NetworkInterfaces = limit {
        let mac = |number: usize| format!("06:00:00:00:{:02x}:{:02x}", number / 256, number % 256);
        let macs: Vec<String> = (1..=count).map(mac).collect();
        for (number, mac) in macs.iter().enumerate() {
            script.extend(imds::interface(mac, u32::try_from(number).unwrap(), "172.31.16.10"));
        }
        script.insert(imds::meta("network/interfaces/macs/"), imds::text(&macs.join("\n")));
    } else {
        let addresses: Vec<String> =
            (0..count).map(|number| format!("10.0.{}.{}", number / 256, number % 256)).collect();
        script.extend(imds::interface(MAC, 0, &addresses.join("\n")));
    }
    match look_at(FakeImds::start(script).await.address).await {
        Ok(instance) => Observed::Seen { value: instance, at: crate::web::now(), took: Duration::ZERO.into() },
        Err(error) => Observed::Unseen(error.gap()),
    }
}

/// The gap for this number, if there is one, and the snapshot of an on-net world with the collected value.
async fn collected(limit: Limit, count: usize) -> (Option<Gap>, Source, Snapshot) {
    let mut world = scenario("gateway_endpoint_carries_the_whole_list").snapshot;
    let gap = |gap: Option<&Gap>| gap.cloned();
    if let NetworkInterfaces | Addresses = limit {
        world.instance = instance(limit, count).await;
        return (gap(world.instance.gap()), Source::Imds, world);
    }
    let facts = vpc(limit, count).await;
    let missing = match limit {
        Vpcs | Pages | RouteTables | Answer => gap(facts.route_tables.gap()),
        PrefixLists | EntriesOfOwnList | EntriesOfServiceList => {
            facts.prefix_lists.values().find_map(|list| gap(list.gap()))
        }
        NetworkInterfaces | Addresses => None,
    };
    if let Some(missing) = &missing {
        match limit {
            Vpcs | Pages | RouteTables | Answer => world.vpc.route_tables = Observed::Unseen(missing.clone()),
            PrefixLists | EntriesOfOwnList | EntriesOfServiceList => {
                world.vpc.prefix_lists.values_mut().for_each(|list| *list = Observed::Unseen(missing.clone()));
            }
            NetworkInterfaces | Addresses => {}
        }
    }
    (missing, Source::Ec2, world)
}

#[tokio::test]
async fn what_exceeds_a_limit_is_a_gap_in_every_format_and_never_on_net() {
    for (limit, allowed, words) in TABLE {
        let (gap, ..) = collected(limit, allowed).await;
        assert_eq!(gap, None, "{limit:?} at the limit");

        let (gap, source, world) = collected(limit, allowed + 1).await;
        let gap = gap.unwrap_or_else(|| panic!("{limit:?}: nothing is missing"));
        assert!(gap.to_string().contains(words), "{limit:?}: {gap}");
        is_reported(world, source, &gap);
    }
    assert_eq!((OF_VPC.pages, OF_VPC.items), (TABLE[1].1, TABLE[2].1));
}

/// No verdict depends on gates: what is too much leaves the gate unknown.
#[tokio::test]
async fn more_security_groups_than_are_accepted_leave_the_gate_unknown() {
    let gates = async |count: usize| {
        let group = |number| format!("<groupId>sg-{number}</groupId><ipPermissionsEgress/>");
        let set = format!("<securityGroupInfo>{}</securityGroupInfo>", items(count, group));
        gates(&Ec2::new().with_set("DescribeSecurityGroups", &set).start().await).await
    };
    assert_eq!(gates(10_000).await.security_groups.gap(), None);

    let mut world = scenario("gateway_endpoint_carries_the_whole_list").snapshot;
    world.vpc.gates = Some(Box::new(gates(10_001).await));
    let report = judge(world);
    assert_eq!(report.outcome, Outcome::OnNet);
    let gate = report.gates.iter().find(|gate| gate.gate == GateKind::SecurityGroup).unwrap();
    let words = "10001 items of ec2:DescribeSecurityGroups, at most 10000";
    assert!(gate.state == GateState::Unknown && gate.reason.contains(words), "{gate:?}");
}

const NAME: &str = "dynamodb.us-east-1.amazonaws.com";

/// The resolution of the name in an on-net world.
fn resolution() -> Resolution {
    scenario("gateway_endpoint_carries_the_whole_list").snapshot.resolutions[NAME].clone()
}

#[tokio::test]
async fn more_addresses_by_the_c_library_are_a_gap_in_every_format() {
    let directory = tempfile::tempdir().unwrap();
    let (program, answer) = (directory.path().join("onnet"), directory.path().join("answer"));
    fs::write(&program, format!("#!/bin/sh\nread name; cat {}; read end\n", answer.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let resolve = async |count: usize| {
        let addresses: Vec<String> = (0..count).map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect();
        fs::write(&answer, format!("{NAME}\t{}\n", addresses.join(" "))).unwrap();
        CLibrary::new(Resolver::new(program.clone())).resolve(NAME, Instant::now() + Duration::from_secs(60)).await
    };
    assert_eq!(resolve(256).await.gap(), None);
    let resolved = resolve(257).await;
    let gap = resolved.gap().cloned().unwrap();
    is_reported_of_name(NAME, Resolution { c_library: Some(resolved), ..resolution() }, &gap);
}

#[test]
fn a_resolv_conf_that_is_too_long_is_a_gap_in_every_format() {
    let gap = DnsError::ResolvConfTooLong.gap(Duration::ZERO.into());
    is_reported_of_name(NAME, Resolution::unseen(&gap), &gap);
}
