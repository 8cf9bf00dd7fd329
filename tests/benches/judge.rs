//! `cargo bench --bench judge`: the time of a decision, a round and a scrape, with all data in memory.
//!
//! Uses criterion. `tests/benches/run judge` prints those with a budget in the table of budgets.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a benchmark may panic")]

#[path = "../common/mod.rs"]
mod common;

use common::scenarios;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ipnet::{IpNet, Ipv4Net};
use onnet_core::{
    judge,
    model::{
        AssociatedWith, Association, AssociationState, Destination, EndpointState, EndpointType, History, Inventory,
        Observed, Origin, PrefixList, PrefixListId, Report, Route, RouteState, RouteTable, Seconds, SettingsStatus,
        Source, SourceStatus, Status, Subnet, Target, VpcEndpoint, VpcFacts,
    },
    present::{self, metrics::samples},
};
use prefix_trie::PrefixMap;
use std::{
    collections::{BTreeMap, BTreeSet},
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    time::{Duration, SystemTime},
};

const SUBNET: &str = "subnet-0a";
const DYNAMODB: &str = "pl-00";

fn seen<T>(value: T) -> Observed<T> {
    Observed::Seen { value, at: SystemTime::UNIX_EPOCH.into(), took: Duration::ZERO.into() }
}

/// A random range with a prefix of 16 to 28 bits: longer prefixes often lie within shorter ones.
fn range(random: &mut fastrand::Rng) -> IpNet {
    let net =
        Ipv4Net::new(Ipv4Addr::from(random.u32(..)), random.u8(16..=28)).expect("that many bits are no more than 32");
    net.trunc().into()
}

fn route(destination: Destination, target: Target) -> Route {
    Route { destination, target, origin: Origin::CreateRoute, state: RouteState::Active, family: None }
}

/// How large a table is.
#[derive(Clone, Copy)]
struct Extent {
    /// Including those of prefix lists.
    routes: usize,
    lists: usize,
    entries: usize,
}

/// As large as EC2 allows: <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>
const LARGEST: Extent = Extent { routes: 1000, lists: 20, entries: 1000 };

/// A VPC of one table; the first of its prefix lists is DynamoDB's, and goes to an endpoint.
fn vpc(extent: Extent) -> Inventory {
    let mut random = fastrand::Rng::with_seed(7);
    let mut lists: BTreeMap<PrefixListId, Observed<PrefixList>> = BTreeMap::new();
    let mut routes = vec![route(Destination::Cidr("172.31.0.0/16".parse().unwrap()), Target::Local)];
    for number in 0..extent.lists {
        let id = PrefixListId::from(format!("pl-{number:02}"));
        let target = if number == 0 {
            Target::VpcEndpoint("vpce-0d".into())
        } else {
            Target::TransitGateway(format!("tgw-{number:02}").into())
        };
        let entries = (0..extent.entries).map(|_| range(&mut random)).collect();
        let name = (number == 0).then(|| "com.amazonaws.us-east-1.dynamodb".to_owned());
        lists.insert(id.clone(), seen(PrefixList { id: id.clone(), name, entries }));
        routes.push(route(Destination::PrefixList(id), target));
    }
    while routes.len() < extent.routes {
        routes.push(route(
            Destination::Cidr(range(&mut random)),
            Target::NatGateway(format!("nat-{}", routes.len()).into()),
        ));
    }
    let association = Association { with: AssociatedWith::Subnet(SUBNET.into()), state: AssociationState::Associated };
    let table = RouteTable {
        firewalled: Vec::new(),
        id: "rtb-0a".into(),
        vpc: "vpc-0a".into(),
        owner: None,
        associations: vec![association],
        routes: routes.into(),
    };
    let endpoint = VpcEndpoint {
        id: "vpce-0d".into(),
        kind: EndpointType::Gateway,
        vpc: "vpc-0a".into(),
        owner: None,
        service: Some("com.amazonaws.us-east-1.dynamodb".into()),
        state: EndpointState::Available,
        route_tables: vec!["rtb-0a".into()],
        interfaces: Vec::new(),
        service_region: None,
        address_type: None,
        failure: None,
        policy: None,
    };
    let cidrs = vec!["172.31.16.0/20".parse().unwrap()];
    let subnet = Subnet {
        id: SUBNET.into(),
        vpc: "vpc-0a".into(),
        availability_zone: None,
        owner: None,
        cidrs,
        ipv6_native: false,
        without_ipv6: false,
        dns64: Some(false),
    };
    Inventory {
        region: "us-east-1".into(),
        subnets: seen(vec![subnet]),
        facts: VpcFacts {
            route_tables: seen(vec![table]),
            vpc_endpoints: seen(vec![endpoint]),
            endpoint_interfaces: seen(Vec::new()),
            service_prefix_lists: seen(vec![DYNAMODB.into()]),
            prefix_lists: lists,
            gates: None,
            shared: None,
        },
        partial: BTreeMap::new(),
        selected_routes: BTreeMap::new(),
        unknown_ranges: BTreeMap::new(),
        contradictory: BTreeMap::new(),
        own_ranges: Vec::new(),
        unlisted_subnets: BTreeMap::new(),
        vpc_owners: BTreeMap::new(),
        left_out: BTreeSet::new(),
        not_read: Vec::new(),
        accounts: BTreeSet::new(),
    }
}

fn table(inventory: &Inventory) -> &RouteTable {
    &inventory.facts.route_tables.seen().unwrap()[0]
}

/// Every range of the table with its target.
fn ranges(inventory: &Inventory) -> Vec<(Ipv4Net, &Target)> {
    let mut ranges = Vec::new();
    for route in &table(inventory).routes {
        let of_route = match &route.destination {
            Destination::Cidr(cidr) => std::slice::from_ref(cidr),
            Destination::PrefixList(id) => &inventory.facts.prefix_lists[id].seen().unwrap().entries,
        };
        ranges.extend(of_route.iter().filter_map(|range| match range {
            IpNet::V4(range) => Some((*range, &route.target)),
            IpNet::V6(_) => None,
        }));
    }
    ranges
}

/// Addresses in ranges throughout the table.
fn addresses(inventory: &Inventory) -> Vec<Ipv4Addr> {
    let ranges = ranges(inventory);
    (0..256).map(|n| ranges[n * ranges.len() / 256].0.addr()).collect()
}

/// One decision, from the inventory to the explanation; and the time of a look-up alone.
fn explain(c: &mut Criterion) {
    let mut group = c.benchmark_group("explain");
    let extents = [
        ("10 routes", Extent { routes: 10, lists: 1, entries: 6 }),
        ("100 routes", Extent { routes: 100, lists: 2, entries: 100 }),
        ("largest", LARGEST),
    ];
    for (name, extent) in extents {
        let inventory = vpc(extent);
        let subnet = SUBNET.into();
        let mut addresses = addresses(&inventory).into_iter().map(IpAddr::from).cycle();
        group.bench_function(BenchmarkId::new("onnet", name), |b| {
            b.iter_batched(
                || addresses.next().unwrap(),
                |address| judge::explain(black_box(&inventory), &subnet, address).unwrap(),
                criterion::BatchSize::SmallInput,
            );
        });
    }
    let inventory = vpc(LARGEST);
    let trie: PrefixMap<Ipv4Net, &Target> = ranges(&inventory).into_iter().collect();
    let mut addresses = addresses(&inventory).into_iter().map(Ipv4Net::from).cycle();
    group.bench_function(BenchmarkId::new("prefix-trie", "largest"), |b| {
        b.iter_batched(
            || addresses.next().unwrap(),
            |address| trie.get_lpm(black_box(&address)).map(|(range, target)| (range, *target)),
            criterion::BatchSize::SmallInput,
        );
    });
    group.bench_function(BenchmarkId::new("prefix-trie is built", "largest"), |b| {
        b.iter(|| ranges(black_box(&inventory)).into_iter().collect::<PrefixMap<Ipv4Net, &Target>>());
    });
    group.finish();
}

/// The whole of DynamoDB's list against the largest table.
fn audit(c: &mut Criterion) {
    let inventory = vpc(LARGEST);
    c.bench_function("audit/largest", |b| b.iter(|| judge::audit(black_box(&inventory), None)));
}

/// A round with one address, as the daemon judges it.
fn judged(c: &mut Criterion) {
    let snapshot = scenarios::base();
    c.bench_function("judge/one address", |b| {
        b.iter_batched(|| snapshot.clone(), judge::judge, criterion::BatchSize::SmallInput);
    });
}

fn status(report: Report) -> Status {
    let at = report.taken_at;
    let source = |source| {
        let every = Seconds::from(Duration::from_secs(15));
        (source, SourceStatus { every, up: Some(true), last_seen: Some(at), gaps: Vec::new(), backing_off_until: None })
    };
    Status {
        started_at: at,
        ready: true,
        sources: Source::ALL.iter().copied().map(source).collect(),
        history: History::default(),
        settings: SettingsStatus { successful: true, read_at: at },
        report: Some(report.into()),
    }
}

/// What a scrape renders if nothing was rendered within the last second.
fn render(c: &mut Criterion) {
    let status = status(judge::judge(scenarios::base()));
    c.bench_function("render/samples", |b| {
        b.iter(|| samples(black_box(&status), status.settings, ("0.0.0", None)));
    });
    c.bench_function("render/page", |b| b.iter(|| present::status_page(black_box(&status), status.started_at)));
    let report: &Report = status.report.as_ref().unwrap();
    c.bench_function("render/json", |b| b.iter(|| present::json(black_box(report))));
}

criterion_group!(benches, explain, audit, judged, render);
criterion_main!(benches);
