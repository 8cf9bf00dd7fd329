//! The Linux kernel as the oracle: random tables are loaded into a temporary network namespace, and our longest-prefix
//! answer is compared with the kernel's.
//!
//! The kernel has no prefix lists, so an entry becomes a route of a larger metric than a static route of the same
//! prefix, and a propagated route one of a still larger metric: that is AWS's precedence. A blackhole is a blackhole.

use super::in_scratch_network;
use futures_util::TryStreamExt;
use ipnet::{IpNet, Ipv4Net};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use onnet::{
    judge::lookup::{PrefixLists, Selection, select},
    model::{Destination, Observed, Origin, PrefixList, PrefixListId, Route, RouteState, RouteTable, Seconds, Target},
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder};
use std::{collections::BTreeSet, net::Ipv4Addr, time::SystemTime};

const TABLES: usize = 300;
const LOOKUPS: u32 = 100;

pub(super) fn longest_prefix_match_agrees_with_the_kernel() {
    in_scratch_network(|handle| async move {
        let device = set_up_device(&handle).await;

        let mut runner = TestRunner::new(Config::default());
        let (mut asked, mut reached) = (0, BTreeSet::new());
        for _ in 0..TABLES {
            let (table, lists) = world().new_tree(&mut runner).unwrap().current();
            let loaded = load(&handle, device, &table, &lists).await;
            for _ in 0..LOOKUPS {
                let host: u8 = (0_u8..64).new_tree(&mut runner).unwrap().current();
                let dest = Ipv4Addr::new(10, 9, 0, host);
                let kernel = ask(&handle, dest).await;
                let ours = match select(&table, &lists, dest.into()) {
                    Selection::NoRoute => None,
                    Selection::One { winner, .. } if winner.route.state == RouteState::Blackhole => None,
                    Selection::One { winner, .. } => Some(number(&winner.route.target)),
                    Selection::Tied { .. } | Selection::NeedsLists(_) => {
                        panic!("no two routes of these tables tie, and every list was read")
                    }
                };
                assert_eq!(ours, kernel, "{dest}: ours, and the kernel's\n{table:#?}");
                asked += 1;
                reached.insert(kernel);
            }
            for route in loaded {
                handle.route().del(route).execute().await.unwrap();
            }
        }
        assert!(reached.len() > 8, "{asked} lookups reached only {reached:?}");
    });
}

/// The target of the n-th route is `nat-n`, or `vgw-n` if it is propagated; its next hop in the kernel is 10.8.0.n.
fn number(target: &Target) -> u8 {
    target.id().split_once('-').unwrap().1.parse().unwrap()
}

type World = (RouteTable, PrefixLists);

/// Tables of static, propagated and prefix-list routes, none of which ties with another.
fn world() -> impl Strategy<Value = World> {
    let prefix = (0_u8..64, 22_u8..=32)
        .prop_map(|(host, len)| Ipv4Net::new(Ipv4Addr::new(10, 9, 0, host), len).unwrap().trunc());
    let route = (prefix, 0_u8..3, prop::bool::weighted(0.2));
    prop::collection::vec(route, 1..24).prop_map(|routes| {
        let (mut table, mut lists, mut taken) = (Vec::new(), PrefixLists::new(), BTreeSet::new());
        for (n, (prefix, kind, blackhole)) in (1_u8..).zip(routes) {
            if !taken.insert((prefix, kind)) {
                continue;
            }
            let destination = if kind == 1 {
                let id = PrefixListId::from(format!("pl-{n}"));
                let list = PrefixList { id: id.clone(), name: None, entries: vec![IpNet::V4(prefix)].into() };
                let (at, took) = (SystemTime::UNIX_EPOCH.into(), Seconds::default());
                lists.insert(id.clone(), Observed::Seen { value: list, at, took });
                Destination::PrefixList(id)
            } else {
                Destination::Cidr(IpNet::V4(prefix))
            };
            let (target, origin) = if kind == 2 {
                (Target::VirtualPrivateGateway(format!("vgw-{n}").into()), Origin::EnableVgwRoutePropagation)
            } else {
                (Target::NatGateway(format!("nat-{n}").into()), Origin::CreateRoute)
            };
            table.push(Route {
                destination,
                target,
                origin,
                state: if blackhole { RouteState::Blackhole } else { RouteState::Active },
                family: None,
            });
        }
        let (id, vpc, associations) = ("rtb-1".into(), "vpc-1".into(), Vec::new());
        (RouteTable { id, vpc, owner: None, associations, routes: table.into(), firewalled: Vec::new() }, lists)
    })
}

async fn set_up_device(handle: &Handle) -> u32 {
    handle.link().add(LinkVeth::new("oracle0", "oracle1").build()).execute().await.unwrap();
    let mut index = 0;
    for name in ["oracle1", "oracle0"] {
        let link = handle.link().get().match_name(name).execute().try_next().await.unwrap().unwrap();
        index = link.header.index;
        handle.link().set(LinkUnspec::new_with_index(index).up().build()).execute().await.unwrap();
    }
    handle.address().add(index, Ipv4Addr::new(10, 8, 0, 254).into(), 24).execute().await.unwrap();
    index
}

/// Loads the table into the kernel; static before prefix list before propagated, by metric.
async fn load(handle: &Handle, device: u32, table: &RouteTable, lists: &PrefixLists) -> Vec<RouteMessage> {
    let mut loaded = Vec::new();
    for route in &table.routes {
        let (prefix, metric) = match &route.destination {
            Destination::Cidr(prefix) if route.origin.is_propagated() => (*prefix, 30),
            Destination::Cidr(prefix) => (*prefix, 10),
            Destination::PrefixList(id) => (lists[id].seen().unwrap().entries[0], 20),
        };
        let IpNet::V4(prefix) = prefix else { panic!("{prefix} is no IPv4 range") };
        let message = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(prefix.network(), prefix.prefix_len())
            .priority(metric);
        let message = if route.state == RouteState::Blackhole {
            message.kind(RouteType::BlackHole).build()
        } else {
            message.gateway(Ipv4Addr::new(10, 8, 0, number(&route.target))).output_interface(device).build()
        };
        handle.route().add(message.clone()).execute().await.unwrap_or_else(|error| panic!("{route:?}: {error}"));
        loaded.push(message);
    }
    loaded
}

/// The last octet of the next hop the kernel would use; `None` where it would drop the packet.
async fn ask(handle: &Handle, dest: Ipv4Addr) -> Option<u8> {
    let message = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(dest, 32).build();
    let answer = handle.route().get(message).execute().try_next().await.ok()??;
    answer.attributes.iter().find_map(|attribute| {
        let RouteAttribute::Gateway(RouteAddress::Inet(gateway)) = attribute else { return None };
        Some(gateway.octets()[3])
    })
}
