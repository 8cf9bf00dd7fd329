//! Properties of every world: more facts overturn nothing, `select` agrees with a simple reference, and the ranges of
//! the coverage are disjoint and together are the whole list.

use ipnet::{IpNet, Ipv4Net};
use onnet_core::{
    judge::{
        judge,
        lookup::{Match, PrefixLists, Selection, covers, expand, select},
    },
    model::{
        BySource, Destination, Gap, KernelRange, MaxAge, Observed, Origin, Outcome, PrefixList, PrefixListId, Report,
        Route, RouteState, RouteTable, Snapshot, Target, Verdict,
    },
};
use proptest::prelude::*;
use std::{collections::BTreeSet, net::IpAddr, time::SystemTime};

fn seen<T>(value: T) -> Observed<T> {
    Observed::Seen { value, at: SystemTime::UNIX_EPOCH.into(), took: std::time::Duration::ZERO.into() }
}

fn denied<T>() -> Observed<T> {
    Observed::Unseen(Gap::Denied { action: "ec2:Something".into() })
}

fn cidr_route(cidr: &str, target: Target, state: RouteState) -> Route {
    Route {
        destination: Destination::Cidr(cidr.parse().unwrap()),
        target,
        origin: Origin::CreateRoute,
        state,
        family: None,
    }
}

// ── Learning more overturns nothing ─────────────────────────────────────────────────────────────────────────────────

/// A fact of the small worlds that can be hidden.
type Hide = fn(&mut Snapshot);

const FACTS: [Hide; 7] = [
    |world| world.vpc.route_tables = denied(),
    |world| world.vpc.vpc_endpoints = denied(),
    |world| world.vpc.service_prefix_lists = denied(),
    |world| {
        world.vpc.prefix_lists.insert("pl-02cd2c6b".into(), denied());
    },
    |world| {
        world.vpc.prefix_lists.insert("pl-0c".into(), denied());
    },
    |world| edit_interface(world, |interface| interface.public_addresses = denied()),
    |world| world.kernel_routes.values_mut().for_each(|route| *route = denied()),
];

fn edit_interface(world: &mut Snapshot, edit: fn(&mut onnet_core::model::Interface)) {
    if let Observed::Seen { value, .. } = &mut world.instance {
        value.interfaces.iter_mut().for_each(edit);
    }
}

fn route_tables(world: &mut Snapshot) -> &mut Vec<RouteTable> {
    match &mut world.vpc.route_tables {
        Observed::Seen { value, .. } => value,
        Observed::Unseen(gap) => panic!("{gap}"),
    }
}

/// Every combination of a default route, a static route, a customer-managed list, an endpoint, and public addresses.
fn small_worlds() -> Vec<Snapshot> {
    let base = crate::common::scenarios::base();
    let nat = || Target::NatGateway("nat-0a".into());
    let active = || RouteState::Active;

    let defaults = [
        None,
        Some(cidr_route("0.0.0.0/0", Target::InternetGateway("igw-0a".into()), active())),
        Some(cidr_route("0.0.0.0/0", nat(), RouteState::Blackhole)),
    ];
    let statics = [
        None,
        Some(cidr_route("52.94.0.0/16", nat(), active())),
        Some(cidr_route("52.94.0.0/22", nat(), active())),
        Some(cidr_route("52.94.0.8/30", nat(), RouteState::Blackhole)),
        Some(cidr_route("52.94.0.10/32", nat(), active())),
        Some(cidr_route("52.94.2.0/24", Target::TransitGateway("tgw-0a".into()), RouteState::Other("filtered".into()))),
    ];
    let lists = [
        None,
        Some((vec!["10.0.0.0/8"], nat())),
        Some((vec!["52.94.0.0/22"], nat())),
        Some((vec!["52.94.0.0/22", "52.94.0.10/32"], Target::TransitGateway("tgw-0b".into()))),
        Some((vec!["52.94.0.10/32"], nat())),
    ];
    let endpoints = ["gateway", "gateway_load_balancer", "deleting", "deleted", "none"];

    let mut worlds = Vec::new();
    for default in &defaults {
        for fixed in &statics {
            for list in &lists {
                for kind in endpoints {
                    for public in [true, false] {
                        let mut world = base.clone();
                        let table = &mut route_tables(&mut world)[0];
                        table
                            .routes
                            .retain(|route| route.destination != Destination::Cidr("0.0.0.0/0".parse().unwrap()));
                        table.routes.extend(default.iter().chain(fixed).cloned());
                        if let Some((entries, target)) = list {
                            table.routes.push(Route {
                                destination: Destination::PrefixList("pl-0c".into()),
                                target: target.clone(),
                                origin: Origin::CreateRoute,
                                state: RouteState::Active,
                                family: None,
                            });
                            let entries = entries.iter().map(|entry| entry.parse().unwrap()).collect();
                            let list = PrefixList { id: "pl-0c".into(), name: None, entries };
                            world.vpc.prefix_lists.insert("pl-0c".into(), seen(list));
                        }
                        if let Observed::Seen { value, .. } = &mut world.vpc.vpc_endpoints {
                            match kind {
                                "none" => value.clear(),
                                "gateway_load_balancer" => {
                                    value[0].kind = onnet_core::model::EndpointType::GatewayLoadBalancer;
                                }
                                "gateway" => {}
                                state => value[0].state = onnet_core::model::EndpointState::parse(state),
                            }
                        }
                        if !public {
                            edit_interface(&mut world, |interface| interface.public_addresses = seen(Vec::new()));
                        }
                        world.probes.clear();
                        worlds.push(refresh(world));
                    }
                }
            }
        }
    }
    worlds
}

/// Facts made here have the epoch as their time; none must count as stale.
fn refresh(mut world: Snapshot) -> Snapshot {
    let century = std::time::Duration::from_secs(100 * 365 * 86_400).into();
    world.max_age = MaxAge(BySource::from_fn(|_| century));
    world
}

/// The conclusions of `less` that `more`, which has more facts, overturns.
fn overturned(less: &Report, more: &Report) -> Option<String> {
    for (was, is) in less.addresses.iter().zip(&more.addresses) {
        if !matches!(was.verdict, Verdict::Undetermined(_)) && was.verdict != is.verdict {
            return Some(format!("{}: {:?} became {:?}", was.address, was.verdict, is.verdict));
        }
    }
    for was in &less.coverage {
        if matches!(was.verdict, Verdict::Undetermined(_)) {
            continue;
        }
        let overlapping = more.coverage.iter().filter(|is| was.cidr.contains(&is.cidr) || is.cidr.contains(&was.cidr));
        for is in overlapping {
            if was.verdict != is.verdict {
                return Some(format!("{}: {:?} became {:?}", was.cidr, was.verdict, is.verdict));
            }
        }
    }
    let settled = less.outcome != Outcome::Undetermined;
    (settled && less.outcome != more.outcome).then(|| format!("{} became {}", less.outcome, more.outcome))
}

/// A list whose id is not the requested one does not count as the requested list.
#[test]
fn a_prefix_list_that_gives_another_id_supports_nothing() {
    let mut world = crate::common::scenarios::base();
    assert_eq!(judge(world.clone()).outcome, Outcome::OnNet);
    for list in world.vpc.prefix_lists.values_mut() {
        if let Observed::Seen { value, .. } = list {
            value.id = "pl-other".into();
        }
    }
    let report = judge(world);
    assert_eq!(report.outcome, Outcome::Undetermined, "{}", report.summary);
}

#[test]
fn learning_more_overturns_no_verdict_and_no_outcome() {
    let worlds = small_worlds();
    assert!(worlds.len() > 800, "{}", worlds.len());
    let mut outcomes = BTreeSet::new();
    for world in worlds {
        let reports: Vec<Report> = (0..1_usize << FACTS.len())
            .map(|hidden| {
                let mut partial = world.clone();
                let hide = FACTS.iter().enumerate().filter(|(bit, _)| hidden >> bit & 1 == 1);
                hide.for_each(|(_, hide)| hide(&mut partial));
                judge(partial)
            })
            .collect();
        outcomes.extend(reports.iter().map(|report| report.outcome));
        for (hidden, less) in reports.iter().enumerate() {
            for bit in (0..FACTS.len()).filter(|bit| hidden >> bit & 1 == 1) {
                let more = &reports[hidden & !(1 << bit)];
                if let Some(what) = overturned(less, more) {
                    panic!("{what}, on learning fact {bit} of hidden {hidden:#b}\n{:#?}", world.vpc);
                }
            }
        }
    }
    assert_eq!(outcomes.len(), Outcome::ALL.len(), "the worlds reach only {outcomes:?}");
}

/// Facts of the host and of its names. Hidden one at a time: all combinations with [`FACTS`] would take minutes.
const FACTS_OF_THE_HOST: [Hide; 10] = [
    |world| world.instance = denied(),
    |world| edit_interface(world, |interface| interface.subnet_cidrs = denied()),
    |world| world.region = denied(),
    |world| world.names = denied(),
    |world| world.account_name = denied(),
    |world| world.resolutions.values_mut().for_each(|resolution| resolution.ipv4 = denied()),
    |world| world.resolutions.values_mut().for_each(|resolution| resolution.hosts_file = denied()),
    |world| world.resolutions.clear(),
    |world| world.kernel_paths = denied(),
    |world| world.vpc.endpoint_interfaces = denied(),
];

#[test]
fn learning_a_fact_of_the_host_overturns_nothing() {
    for world in small_worlds() {
        let more = judge(world.clone());
        for (bit, hide) in FACTS_OF_THE_HOST.iter().enumerate() {
            let mut partial = world.clone();
            hide(&mut partial);
            let less = judge(partial);
            if let Some(what) = overturned(&less, &more) {
                panic!("{what}, on learning fact {bit}\n{:#?}", world.vpc);
            }
            assert!(less.outcome != Outcome::OnNet || bit == 9, "on-net without fact {bit}\n{:#?}", world.vpc);
        }
    }
}

/// Removes one part of the kernel's answer.
type Lessen = fn(&mut Vec<KernelRange>, usize);

const LESSENED: [Lessen; 4] = [
    |ranges, at| drop(ranges.remove(at)),
    |ranges, at| ranges[at].port += 1,
    |ranges, at| ranges[at].first = ranges[at].last,
    |ranges, at| ranges[at].last = ranges[at].first,
];

#[test]
fn without_a_part_of_the_kernels_answer_nothing_improves() {
    let mut compared = 0;
    for (name, scenario) in crate::common::scenarios::all() {
        let Some(paths) = scenario.world.kernel_paths.seen() else { continue };
        let more = judge(scenario.world.clone());
        for (lessen, at) in LESSENED.iter().flat_map(|lessen| (0..paths.ranges.len()).map(move |at| (lessen, at))) {
            let mut world = scenario.world.clone();
            let Observed::Seen { value, .. } = &mut world.kernel_paths else { panic!("it is seen") };
            lessen(&mut value.ranges, at);
            let less = judge(world);
            let outcomes = [more.outcome, Outcome::Undetermined];
            assert!(
                outcomes.contains(&less.outcome),
                "{name}: {} became {} without range {at}",
                more.outcome,
                less.outcome
            );
            compared += 1;
        }
    }
    assert!(compared > 2_000, "only {compared}");
}

// ── select and carve ────────────────────────────────────────────────────────────────────────────────────────────────

/// All prefixes lie in 10.0.0.0/26, so that they meet often.
fn prefix() -> impl Strategy<Value = IpNet> {
    (0_u8..64, 24_u8..=32)
        .prop_map(|(host, len)| IpNet::V4(Ipv4Net::new([10, 0, 0, host].into(), len).unwrap().trunc()))
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        Just(Target::NatGateway("nat-1".into())),
        Just(Target::NatGateway("nat-2".into())),
        Just(Target::VpcEndpoint("vpce-1".into())),
        Just(Target::VirtualPrivateGateway("vgw-1".into())),
        Just(Target::Local),
    ]
}

fn route() -> impl Strategy<Value = Route> {
    let destination = prop_oneof![
        3 => prefix().prop_map(Destination::Cidr),
        1 => (0..3).prop_map(|n| Destination::PrefixList(format!("pl-{n}").into())),
    ];
    let state = prop_oneof![4 => Just(RouteState::Active), 1 => Just(RouteState::Blackhole)];
    (destination, target(), any::<bool>(), state).prop_map(|(destination, target, static_, state)| {
        // Only a virtual private gateway propagates, and only routes to itself.
        let origin = match target {
            Target::VirtualPrivateGateway(_) if !static_ => Origin::EnableVgwRoutePropagation,
            _ => Origin::CreateRoute,
        };
        Route { destination, target, origin, state, family: None }
    })
}

fn table() -> impl Strategy<Value = RouteTable> {
    prop::collection::vec(route(), 0..12).prop_map(|routes| RouteTable {
        firewalled: Vec::new(),
        id: "rtb-1".into(),
        vpc: "vpc-1".into(),
        owner: None,
        associations: Vec::new(),
        routes: routes.into(),
    })
}

fn lists() -> impl Strategy<Value = PrefixLists> {
    prop::collection::vec(prop::collection::vec(prefix(), 0..5), 3).prop_map(|lists| {
        let list = |(n, entries): (usize, Vec<IpNet>)| {
            let id = PrefixListId::from(format!("pl-{n}"));
            (id.clone(), seen(PrefixList { id, name: None, entries: entries.into() }))
        };
        lists.into_iter().enumerate().map(list).collect()
    })
}

/// The rules again, as AWS's pages state them: every prefix length from the longest to the shortest, and for each length every
/// kind of route in order of priority.
fn naive(table: &RouteTable, lists: &PrefixLists, dest: IpAddr) -> Vec<(Target, RouteState)> {
    let matches_at = |route: &Route, len: u8| match &route.destination {
        Destination::Cidr(cidr) => cidr.prefix_len() == len && cidr.contains(&dest),
        Destination::PrefixList(id) => {
            let entries = &lists[id].seen().unwrap().entries;
            entries.iter().any(|entry| entry.prefix_len() == len && entry.contains(&dest))
        }
    };
    let is_list = |route: &Route| matches!(route.destination, Destination::PrefixList(_));
    let is_propagated = |route: &Route| !is_list(route) && route.origin == Origin::EnableVgwRoutePropagation;
    let local =
        table.routes.iter().any(|route| route.target == Target::Local && (0..=32).any(|len| matches_at(route, len)));
    for len in (0..=32).rev() {
        let kinds: [&dyn Fn(&Route) -> bool; 3] =
            [&|route| !is_list(route) && !is_propagated(route), &is_list, &|route| is_propagated(route) && !local];
        for kind in kinds {
            let mut found: Vec<_> = table
                .routes
                .iter()
                .filter(|route| kind(route) && matches_at(route, len))
                .map(|route| (route.target.clone(), route.state.clone()))
                .collect();
            if !found.is_empty() {
                found.dedup();
                return found;
            }
        }
    }
    Vec::new()
}

fn winners(selection: &Selection<'_>) -> Vec<(Target, RouteState)> {
    let leads = |m: &Match<'_>| (m.route.target.clone(), m.route.state.clone());
    match selection {
        Selection::NoRoute => Vec::new(),
        Selection::One { winner, .. } => vec![leads(winner)],
        Selection::Tied { tied, .. } => tied.iter().map(leads).collect(),
        Selection::NeedsLists(lists) => panic!("every list was read, and yet {lists:?}"),
    }
}

fn same_set(a: &[(Target, RouteState)], b: &[(Target, RouteState)]) -> bool {
    a.iter().all(|x| b.contains(x)) && b.iter().all(|x| a.contains(x))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn select_agrees_with_the_naive_reference(table in table(), lists in lists(), host in 0_u8..64) {
        let dest = IpAddr::from([10, 0, 0, host]);
        let selected = winners(&select(&table, &lists, dest));
        let expected = naive(&table, &lists, dest);
        prop_assert!(same_set(&selected, &expected), "{dest}: {selected:?}, expected {expected:?}");
    }

    #[test]
    fn one_range_covers_another_where_ipnet_says_that_it_contains_it(outer in any_range(), bits in 0_u8..=32, other in any_range()) {
        let within = IpNet::new(outer.addr(), outer.prefix_len().saturating_add(bits).min(outer.max_prefix_len())).unwrap();
        for inner in [within, other, outer.supernet().unwrap_or(outer), outer.addr().into()] {
            prop_assert_eq!(covers(&outer, &inner), outer.contains(&inner), "{} {}", outer, inner);
        }
    }

    #[test]
    fn carved_ranges_are_disjoint_add_up_and_are_uniform(table in table(), lists in lists(), range in prefix()) {
        let expanded = expand(&table, &lists);
        let parts = expanded.carve(range);
        let mut next = u32::from(first(range));
        for (part, selection) in &parts {
            prop_assert_eq!(u32::from(first(*part)), next, "the parts follow one another");
            next = u32::from(last(*part)).wrapping_add(1);
            for host in u32::from(first(*part))..=u32::from(last(*part)) {
                let here = winners(&select(&table, &lists, IpAddr::from(host.to_be_bytes())));
                prop_assert!(same_set(&here, &winners(selection)), "{part}: {here:?}, carved as {selection:?}");
            }
        }
        prop_assert_eq!(next, u32::from(last(range)).wrapping_add(1), "the parts end where the range ends");
    }

    #[test]
    fn an_unread_list_never_yields_an_answer_that_reading_it_overturns(
        table in table(), lists in lists(), host in 0_u8..64, unread in 0..3,
    ) {
        let dest = IpAddr::from([10, 0, 0, host]);
        let mut partial = lists.clone();
        partial.insert(format!("pl-{unread}").into(), denied());
        let less = select(&table, &partial, dest);
        if !matches!(less, Selection::NeedsLists(_)) {
            let more = winners(&select(&table, &lists, dest));
            prop_assert!(same_set(&winners(&less), &more), "{dest}: {less:?} became {more:?}");
        }
    }
}

/// A range of either family, with or without host bits.
fn any_range() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<u32>(), 0_u8..=32).prop_map(|(address, length)| (IpAddr::from(address.to_be_bytes()), length));
    let v6 = (any::<u128>(), 0_u8..=128).prop_map(|(address, length)| (IpAddr::from(address.to_be_bytes()), length));
    prop_oneof![v4, v6].prop_map(|(address, length)| IpNet::new(address, length).unwrap())
}

fn first(range: IpNet) -> std::net::Ipv4Addr {
    let IpNet::V4(range) = range else { panic!("{range} is no IPv4 range") };
    range.network()
}

fn last(range: IpNet) -> std::net::Ipv4Addr {
    let IpNet::V4(range) = range else { panic!("{range} is no IPv4 range") };
    range.broadcast()
}

/// As a static route it outranks a list of equal length; as a propagated route it loses, and it loses to `local` at any length.
#[test]
fn a_route_of_unknown_origin_ties_with_what_it_may_lose_to() {
    let route =
        |cidr: &str, target: Target, origin: Origin| Route { origin, ..cidr_route(cidr, target, RouteState::Active) };
    let nat = || Target::NatGateway("nat-0a".into());
    let list = Route {
        destination: Destination::PrefixList("pl-1".into()),
        ..cidr_route("10.0.0.0/8", Target::VpcEndpoint("vpce-1".into()), RouteState::Active)
    };
    let entries = PrefixList { id: "pl-1".into(), name: None, entries: vec!["10.0.0.0/24".parse().unwrap()].into() };
    let lists = PrefixLists::from([("pl-1".into(), seen(entries))]);
    let select_with = |other: Route| {
        let (id, vpc) = ("rtb-1".into(), "vpc-1".into());
        let table = RouteTable {
            id,
            vpc,
            owner: None,
            associations: Vec::new(),
            routes: vec![list.clone(), other].into(),
            firewalled: Vec::new(),
        };
        winners(&select(&table, &lists, "10.0.0.9".parse().unwrap())).len()
    };
    assert_eq!(select_with(route("10.0.0.0/24", nat(), Origin::CreateRoute)), 1);
    let gateway = || Target::VirtualPrivateGateway("vgw-0a".into());
    assert_eq!(select_with(route("10.0.0.0/24", gateway(), Origin::EnableVgwRoutePropagation)), 1);
    assert_eq!(select_with(route("10.0.0.0/24", nat(), Origin::EnableVgwRoutePropagation)), 2, "it contradicts itself");
    assert_eq!(select_with(route("10.0.0.0/24", nat(), Origin::Absent)), 2);
    assert_eq!(select_with(route("10.0.0.0/24", nat(), Origin::Other("Guess".into()))), 2);
    assert_eq!(select_with(route("10.0.0.0/25", nat(), Origin::Absent)), 1, "longer");
}
