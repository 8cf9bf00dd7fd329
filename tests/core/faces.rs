//! Text, Nagios line, JSON, picture, metrics and log event name the same name, address and path.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/page.rs"]
mod page;

use common::{Scenario, below_tests};
use onnet_core::{
    judge::judge,
    model::{
        AddressRecord, Decision, Destination, EndpointType, IdleEndpoint, IdleReason, KernelRoute, LostBy, NameKind,
        Observed, Origin, Outcome, ProxyVariable, Report, Route, RouteState, ServiceName, Snapshot, Target, Verdict,
    },
    present::{self, metrics::samples},
};
use std::fs;

const NAME: &str = "dynamodb.us-east-1.amazonaws.com";
const OTHER_NAME: &str = "111122223333.ddb.us-east-1.amazonaws.com";
const ADDRESS: &str = "52.94.0.10";

fn value<T>(fact: &mut Observed<T>) -> &mut T {
    match fact {
        Observed::Seen { value, .. } => value,
        Observed::Unseen(gap) => panic!("{gap}"),
    }
}

fn world(scenario: &str) -> Snapshot {
    Scenario::read(scenario).world
}

/// Another A record, for which the kernel has the route of [`ADDRESS`].
fn add_record(world: &mut Snapshot, name: &str, address: &str, first: bool) {
    let address = address.parse().unwrap();
    let records = value(&mut world.resolutions.get_mut(name).unwrap().ipv4);
    records.insert(if first { 0 } else { records.len() }, AddressRecord { address, ttl: 5 });
    let route = world.kernel_routes[&ADDRESS.parse().unwrap()].clone();
    world.kernel_routes.entry(address).or_insert(route);
}

fn add_route(world: &mut Snapshot, cidr: &str, target: Target, state: RouteState) {
    let destination = Destination::Cidr(cidr.parse().unwrap());
    value(&mut world.vpc.route_tables)[0].routes.push(Route {
        destination,
        target,
        origin: Origin::CreateRoute,
        state,
    });
}

/// A second name in use, with the addresses of the first.
fn add_name(world: &mut Snapshot) {
    let names = value(&mut world.names);
    let name = ServiceName { hostname: OTHER_NAME.into(), kind: NameKind::AccountBased, ..names[0].clone() };
    names.push(name);
    let resolution = world.resolutions[NAME].clone();
    world.resolutions.insert(OTHER_NAME.into(), resolution);
}

fn proxy(world: &mut Snapshot, name: &str) {
    let proxy = "http://proxy.corp:3128".to_owned();
    world.proxies.push(ProxyVariable { variable: "HTTPS_PROXY".into(), proxy, applies_to: vec![name.into()] });
}

/// A transit gateway may lead to an interface endpoint, so only the internet gateway is off-net for certain.
fn one_name_through_two_gateways() -> Snapshot {
    let mut world = world("no_endpoint_leaves_by_internet_gateway");
    add_record(&mut world, NAME, "10.1.2.3", true);
    add_route(&mut world, "10.0.0.0/8", Target::TransitGateway("tgw-0a".into()), RouteState::Active);
    world
}

fn one_of_two_dropped() -> Snapshot {
    let mut world = world("gateway_endpoint_carries_the_whole_list");
    add_record(&mut world, NAME, "52.94.0.99", true);
    add_route(&mut world, "52.94.0.99/32", Target::NatGateway("nat-gone".into()), RouteState::Blackhole);
    world
}

fn one_into_a_tunnel() -> Snapshot {
    let mut world = world("gateway_endpoint_carries_the_whole_list");
    add_record(&mut world, NAME, "52.94.0.99", false);
    let route = world.kernel_routes.get_mut(&"52.94.0.99".parse().unwrap()).unwrap();
    let KernelRoute::Via { device, .. } = value(route) else { panic!("{route:?}") };
    (device.name, device.mac, device.kind) = ("wg0".into(), None, Some("wireguard".into()));
    world
}

fn second_name_to_a_proxy() -> Snapshot {
    let mut world = world("gateway_endpoint_carries_the_whole_list");
    add_name(&mut world);
    proxy(&mut world, OTHER_NAME);
    world
}

fn name_for_a_proxy_alone() -> Snapshot {
    let mut world = world("name_without_addresses");
    proxy(&mut world, NAME);
    world
}

fn second_name_without_addresses() -> Snapshot {
    let mut world = world("gateway_endpoint_carries_the_whole_list");
    add_name(&mut world);
    value(&mut world.resolutions.get_mut(OTHER_NAME).unwrap().ipv4).clear();
    world
}

/// Every scenario and the worlds made here, each also with its names and its addresses in the opposite order.
fn worlds() -> Vec<(String, Snapshot)> {
    let mut worlds: Vec<(String, Snapshot)> = vec![
        ("two gateways".into(), one_name_through_two_gateways()),
        ("one dropped".into(), one_of_two_dropped()),
        ("one into a tunnel".into(), one_into_a_tunnel()),
        ("second name to a proxy".into(), second_name_to_a_proxy()),
        ("name for a proxy alone".into(), name_for_a_proxy_alone()),
        ("second name without addresses".into(), second_name_without_addresses()),
    ];
    for entry in fs::read_dir(below_tests("scenarios")).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        if name != "base" {
            worlds.push((name.clone(), world(&name)));
        }
    }
    assert!(worlds.len() > 100, "{}", worlds.len());
    let reversed: Vec<_> = worlds.iter().map(|(name, world)| (format!("{name}, reversed"), reversed(world))).collect();
    worlds.extend(reversed);
    worlds
}

fn reversed(world: &Snapshot) -> Snapshot {
    let mut world = world.clone();
    if let Observed::Seen { value, .. } = &mut world.names {
        value.reverse();
    }
    for resolution in world.resolutions.values_mut() {
        for records in [&mut resolution.ipv4, &mut resolution.ipv6] {
            if let Observed::Seen { value, .. } = records {
                value.reverse();
            }
        }
    }
    world
}

/// Text with each run of white space as one blank.
fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unescaped(html: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")];
    entities.iter().fold(html.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}

/// What the picture of the status page says to those who do not see it.
fn picture(page: &str) -> String {
    let (_, after) = page.split_once("<desc id=\"told-wide\">").unwrap();
    unescaped(after.split_once("</desc>").unwrap().0)
}

/// The labels of `onnet_route_info`, series by series.
fn route_info(report: &Report) -> Vec<[String; 4]> {
    let (status, _) = page::status(Some(report.clone()));
    let all = samples(&status, status.settings, ["version", "revision"]);
    let series = all.into_iter().filter(|samples| samples.metric.name == "onnet_route_info").flat_map(|s| s.series);
    series.map(|(labels, _)| <[&str; 4]>::try_from(labels).unwrap().map(str::to_owned)).collect()
}

/// What a person or a program reads of one report, held against what decided it.
fn disagreements(report: &Report) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut expect = |is: bool, what: String| {
        if !is {
            wrong.push(what);
        }
    };
    let (status, now) = page::status(Some(report.clone()));
    let picture = picture(&present::status_page(&status, now));
    let event = present::outcome_changed(None, report);
    let routes = route_info(report);
    let plain = anstream::adapter::strip_str(&present::text(report)).to_string();
    let text = flowing(&plain);
    let nagios = present::nagios(report);
    let decision = report.decided_by.as_ref();
    let address = decision.and_then(Decision::address);

    expect(text.contains(&flowing(&report.summary)), format!("the text lacks the summary:\n{text}"));
    expect(nagios.contains(&report.summary), format!("the Nagios line lacks the summary: {nagios}"));
    expect((event.to, event.why) == (report.outcome, report.summary.as_str()), format!("{event:?}"));
    expect(event.hostname == decision.map(Decision::hostname), format!("{event:?}"));
    expect(event.address == address, format!("{event:?}"));

    // The metric is the event's fields, and is absent without a subnet.
    let fields = event.subnet.zip(event.path).map(|(subnet, path)| {
        [subnet, event.route_table.unwrap_or(""), path, event.target.unwrap_or("")].map(str::to_owned)
    });
    expect(routes == Vec::from_iter(fields), format!("onnet_route_info is {routes:?}, the event {event:?}"));

    let Some(decision) = decision else { return wrong };
    let name = decision.hostname();
    expect(report.hostname.as_deref() == Some(name), format!("hostname is {:?}", report.hostname));
    expect(report.summary.contains(name), format!("the summary lacks {name}"));
    expect(picture.contains(name), format!("the picture lacks {name}: {picture}"));
    if let Some(address) = address {
        let word = address.to_string();
        let has_word = |text: &str| text.split([' ', ',']).any(|part| part.trim_end_matches('.') == word);
        expect(has_word(&picture), format!("the picture is not of {address}: {picture}"));
        let in_use = report.deciding_address().is_some_and(|address| address.in_use);
        expect(in_use, format!("{address} is not in use"));
    }
    match (decision, report.deciding_address()) {
        (Decision::Address { address, .. }, Some(decided)) => {
            let path = decided.verdict.path();
            expect(event.target == path.map(|path| path.target.as_str()), format!("{event:?}"));
            let interface = decided.trace.interface().map(|step| step.subnet.as_str());
            expect(event.subnet.is_none() || event.subnet == interface, format!("{event:?}, but {interface:?}"));
            let table = decided.trace.table().map(|(table, _)| table.as_str());
            expect(event.route_table == table, format!("{event:?}, but {table:?}"));
            if let Some(path) = path {
                // The host itself and the VPC's own route are named in words.
                let named = |face: &str| ["lo", "local"].contains(&path.target.as_str()) || face.contains(&path.target);
                expect(named(&picture), format!("the picture lacks {path}: {picture}"));
                let in_summary = matches!(report.outcome, Outcome::OnNet | Outcome::OffNet);
                expect(named(&report.summary) || !in_summary, format!("the summary lacks {path}"));
            }
            let as_outcome = match report.outcome {
                Outcome::OnNet => decided.verdict.is_on_net(),
                Outcome::OffNet => decided.verdict.is_off_net(),
                Outcome::Dropped => matches!(decided.verdict, Verdict::Dropped(_)),
                Outcome::AtRisk => !decided.verdict.is_off_net(),
                Outcome::Undetermined => true,
            };
            expect(as_outcome, format!("{} is decided by {:?}", report.outcome, decided.verdict));
            let groups =
                plain.split("\naddress ").skip(1).filter(|group| !group.contains("(not the name applications"));
            let groups: Vec<&str> = groups.collect();
            let marked: Vec<_> = groups.iter().filter(|group| group.contains("(decides the outcome)")).collect();
            expect(marked.len() == usize::from(groups.len() > 1), format!("{} are marked in\n{plain}", marked.len()));
            let right = marked.iter().all(|group| group.contains(&address.to_string()) && group.contains(name));
            expect(right, format!("the text marks {marked:?}"));
        }
        (Decision::Proxy { proxy, .. }, _) => {
            expect(report.outcome == Outcome::OffNet, format!("a proxy decides {}", report.outcome));
            for face in [&report.summary, &picture] {
                expect(face.contains(&proxy.proxy) && face.contains(&proxy.variable), format!("no proxy: {face}"));
            }
            expect(event.path == Some("proxy"), format!("{event:?}"));
        }
        (Decision::Name { .. }, _) => {
            expect(report.outcome == Outcome::Undetermined, format!("a name decides {}", report.outcome));
            expect(event.path.is_none() && event.target.is_none(), format!("{event:?}"));
        }
        (Decision::Address { .. }, None) => expect(false, format!("{decision:?} is not among the addresses")),
    }
    wrong
}

#[test]
fn no_face_disagrees_with_another() {
    let mut failures = Vec::new();
    for (name, world) in worlds() {
        let report = judge(world);
        let wrong = disagreements(&report);
        if !wrong.is_empty() {
            let decision = &report.decided_by;
            failures.push(format!("{name}: {}\n  {decision:?}\n  {}\n", report.summary, wrong.join("\n  ")));
        }
    }
    assert!(failures.is_empty(), "{} worlds\n{}", failures.len(), failures.join("\n"));
}

fn decided(world: Snapshot) -> (Outcome, Option<Decision>, String) {
    let report = judge(world);
    (report.outcome, report.decided_by, report.summary)
}

fn address(address: &str) -> Option<Decision> {
    Some(Decision::Address { hostname: NAME.into(), address: address.parse().unwrap() })
}

#[test]
fn the_worst_standing_decides_whatever_the_order() {
    for turn in [Snapshot::clone, reversed] {
        let (outcome, by, summary) = decided(turn(&one_name_through_two_gateways()));
        assert_eq!((outcome, by), (Outcome::OffNet, address(ADDRESS)));
        assert_eq!(summary, format!("{NAME} leaves the VPC by internet gateway igw-0a, not by a VPC endpoint"));

        let (outcome, by, summary) = decided(turn(&one_of_two_dropped()));
        assert_eq!((outcome, by), (Outcome::AtRisk, address("52.94.0.99")));
        assert!(summary.starts_with("packets to 52.94.0.99, "), "{summary}");
        assert!(summary.ends_with("; others leave by gateway endpoint vpce-0d"), "{summary}");

        let (outcome, by, _) = decided(turn(&one_into_a_tunnel()));
        assert_eq!((outcome, by), (Outcome::OffNet, address("52.94.0.99")));
        assert_eq!(judge(turn(&one_into_a_tunnel())).instance.unwrap().subnet, None, "the tunnel leaves no subnet");

        let (outcome, by, summary) = decided(turn(&second_name_to_a_proxy()));
        assert_eq!(outcome, Outcome::OffNet);
        assert!(matches!(by, Some(Decision::Proxy { hostname, .. }) if hostname == OTHER_NAME));
        assert!(summary.starts_with(&format!("{OTHER_NAME} is sent to the proxy ")), "{summary}");

        let (outcome, by, summary) = decided(turn(&second_name_without_addresses()));
        assert_eq!(
            (outcome, by),
            (Outcome::Undetermined, Some(Decision::Name { hostname: OTHER_NAME.into(), missing: Vec::new() }))
        );
        assert!(summary.contains(OTHER_NAME), "{summary}");
    }
}

#[test]
fn among_equals_the_first_in_the_sdks_order_decides() {
    let mut world = world("gateway_endpoint_carries_the_whole_list");
    add_record(&mut world, NAME, "52.94.0.99", false);
    assert_eq!(decided(world.clone()).1, address(ADDRESS));
    assert_eq!(decided(reversed(&world)).1, address("52.94.0.99"));
    add_name(&mut world);
    assert_eq!(decided(world.clone()).1, address(ADDRESS));
    assert_eq!(decided(reversed(&world)).1.unwrap().hostname(), OTHER_NAME);
}

#[test]
fn where_no_name_is_known_nothing_decides() {
    let report = judge(world("not_on_ec2"));
    assert_eq!((report.outcome, &report.decided_by), (Outcome::Undetermined, &None));
}

#[test]
fn the_endpoint_beside_the_path_is_named_with_the_reason_why_traffic_does_not_take_it() {
    let idle = |reason| Some(IdleEndpoint::Idle { id: "vpce-0d".into(), kind: EndpointType::Gateway, reason });
    for (world, expected) in [
        (world("gateway_endpoint_carries_the_whole_list"), None),
        (world("denied_route_tables_leave_everything_open"), None),
        (world("no_endpoint_leaves_by_internet_gateway"), Some(IdleEndpoint::Absent)),
        (world("endpoint_without_route_tables_carries_nothing"), idle(IdleReason::NotAssociated)),
        (world("two_addresses_one_of_them_off_net"), idle(IdleReason::Lost(LostBy::ShorterPrefix))),
        (world("kernel_without_a_route"), idle(IdleReason::NotTaken)),
        (world("proxy_variable_sends_the_name_elsewhere"), idle(IdleReason::Proxy)),
    ] {
        let report = judge(world);
        assert_eq!(report.idle_endpoint, expected, "{}", report.summary);
        let (status, now) = page::status(Some(report));
        let picture = picture(&present::status_page(&status, now));
        let drawn = picture.contains("vpce-0d") || picture.contains("the VPC has none for DynamoDB");
        assert!(drawn || expected.is_none(), "{picture}");
    }
}
