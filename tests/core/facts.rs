//! For every fact of every scenario: without it, or with it too old or dated in the future, the outcome is the same or undetermined.

use crate::common::{
    edits::{self, improvements},
    scenarios::{self, Scenario},
};
use onnet_core::{
    judge::judge,
    model::{
        CONTROL_AGE, Destination, Fact, FactPath, FactVisitor, Gap, KernelRoute, ListFamily, NameKind, Observed,
        Outcome, Packets, PolicyPath, Probe, Question, Route, ServiceName, Snapshot, Timestamp, VpcFacts,
        WitnessAttempt,
    },
};

fn worlds() -> impl Iterator<Item = (&'static str, Snapshot)> {
    assert!(DISAGREE.iter().all(|name| scenarios::all().contains_key(*name)));
    let worlds = scenarios::all().iter().map(|(name, scenario)| (name.as_str(), scenario.world.clone()));
    worlds.filter(|(name, _)| !DISAGREE.contains(name))
}

/// Scenarios in which two facts disagree: the one that remains may speak alone.
const DISAGREE: [&str; 42] = [
    "name_resolves_to_an_address_of_the_instance_itself",
    "endpoint_names_a_table_that_is_not_listed",
    "endpoint_that_is_being_deleted_names_a_table_that_is_not_listed",
    "blackhole_route_to_an_endpoint_that_is_available",
    "another_interface_of_the_instance_has_an_address_of_the_list",
    "another_services_endpoint_has_an_address_of_the_list",
    "no_endpoint_overrules_shared_facts",
    "testimony_from_another_source_does_not_confirm_unsigned_facts",
    "an_answer_that_the_endpoints_policy_denies",
    "an_answer_that_a_statement_of_the_interface_endpoints_policy_denies",
    "an_answer_to_a_question_that_the_endpoints_policy_denies",
    "a_question_denied_by_the_policy_of_another_endpoint",
    "answers_contradict_an_internet_gateway_without_a_public_address",
    "control_alone_that_is_allowed_is_unclear",
    "source_behind_an_ipv6_address_of_the_interface",
    "control_that_is_allowed_here_and_denied_elsewhere_decides_nothing",
    "no_endpoint_contradicts_the_tables_without_the_question_about_the_source",
    "own_endpoint_against_an_internet_gateway_is_a_contradiction_for_ipv6_too",
    "two_interfaces_in_one_subnet_with_two_ranges",
    "not_closed_where_packets_contradict_the_configuration",
    "part_of_the_list_lies_in_a_subnet_and_the_table_has_no_local_route_for_it",
    "instance_in_a_zone_of_another_region",
    "kernel_answers_two_ways_about_an_address_in_use",
    "a_denial_by_the_policy_of_another_endpoint",
    "answer_through_a_dropped_route_contradicts_it",
    "probe_from_another_source_contradicts_the_kernel",
    "endpoint_lists_a_table_that_has_no_route_to_it",
    "endpoint_lists_a_table_without_its_route_and_the_list_is_unread",
    "testimony_against_an_internet_gateway_is_a_contradiction",
    "another_endpoint_than_the_routes_is_a_contradiction",
    "another_source_against_the_endpoints_route_is_a_contradiction",
    "no_endpoint_overrules_the_tables",
    "no_endpoint_is_off_net_whatever_the_public_address",
    "own_endpoint_against_a_nat_gateway_is_a_contradiction",
    "own_endpoint_against_an_internet_gateway_is_a_contradiction",
    "own_endpoint_does_not_settle_a_tie",
    "readings_that_contradict_each_other_are_not_settled",
    "appliance_before_an_endpoint_that_is_not_listed_is_a_contradiction",
    "transit_gateway_before_an_endpoint_is_a_contradiction",
    "an_endpoint_and_none_at_once_is_unclear",
    "no_endpoint_against_an_endpoints_ipv6_route",
    "two_answers_to_one_question_are_unclear",
];

/// A policy of an endpoint cannot deny what comes through none.
#[test]
fn no_endpoint_and_a_denial_by_an_endpoints_policy_decide_nothing() {
    let world = Scenario::read("no_endpoint_overrules_the_tables").world;
    assert_eq!(judge(world.clone()).outcome, Outcome::OffNet);
    let denied = Scenario::read("a_denial_by_the_policy_of_another_endpoint").world.probes;
    assert_eq!(judge(Snapshot { probes: denied, ..world }).outcome, Outcome::Undetermined);
}

/// The route and a denied probe: without the probe the route speaks alone, and without the endpoint nothing does.
#[test]
fn a_denial_that_contradicts_the_endpoints_policy_is_worth_no_more_without_it() {
    let world = Scenario::read("a_denial_by_the_policy_of_another_endpoint").world;
    assert_eq!(judge(world.clone()).outcome, Outcome::Undetermined);
    let mut random = fastrand::Rng::with_seed(2026);
    let mut alone = 0;
    for (edit, without) in edits::outcomes(&world, &mut random) {
        let route_alone = edit.contains("probes[") && !edit.contains("vpc.");
        alone += usize::from(route_alone);
        let may_be_on_net = route_alone && matches!(without, Outcome::OnNet | Outcome::AtRisk);
        assert!(without == Outcome::Undetermined || may_be_on_net, "{without} by {edit}");
    }
    assert!(alone > 5, "{alone}");
}

/// What remains of two facts that disagree may say what it would have said without the other, and nothing better.
#[test]
fn tables_and_testimony_that_disagree_speak_as_if_alone() {
    let mut tried = 0;
    for name in DISAGREE {
        let world = Scenario::read(name).world;
        if world.statements.is_empty() {
            continue;
        }
        let tables = judge(Snapshot { statements: Vec::new(), ..world.clone() }).outcome;
        let unseen = VpcFacts::unseen(&Gap::Failed { detail: "hidden by the test".to_owned() });
        let testimony = judge(Snapshot { vpc: unseen, ..world.clone() }).outcome;
        assert_ne!(testimony, Outcome::OnNet, "{name}");
        let with = judge(world.clone()).outcome;
        let mut random = fastrand::Rng::with_seed(2026);
        for (edit, without) in edits::outcomes(&world, &mut random) {
            tried += 1;
            // A question that was not answered is a warning.
            let as_tables = without == tables || (tables == Outcome::OnNet && without == Outcome::AtRisk);
            let as_before = [Outcome::Undetermined, with].contains(&without);
            assert!(as_tables || without == testimony || as_before, "{name}: {without} by {edit}");
        }
    }
    assert!(tried > 1_000, "{tried}");
}

/// It is evidence of neither, and the probe that was asked for did not come back.
#[test]
fn a_probe_of_something_else_counts_like_one_that_did_not_come_back() {
    let world = scenarios::base();
    assert_eq!(judge(world.clone()).outcome, Outcome::OnNet);
    let with = |change: fn(&mut Probe)| {
        let mut world = world.clone();
        world.probes.iter_mut().filter_map(|attempt| attempt.probe.seen_mut()).for_each(change);
        judge(world)
    };
    assert_eq!(with(|_| {}).outcome, Outcome::OnNet);
    let mut without = world.clone();
    let failed = || Gap::Failed { detail: "nothing came back".to_owned() };
    without.probes.iter_mut().for_each(|attempt| attempt.probe = Observed::Unseen(failed()));
    let without = judge(without).outcome;
    for change in [(|probe| probe.address = "52.94.0.99".parse().unwrap()) as fn(&mut Probe), |probe| {
        probe.hostname = "dynamodb.us-west-2.amazonaws.com".to_owned()
    }] {
        let report = with(change);
        assert_eq!(report.outcome, without);
        assert_ne!(report.outcome, Outcome::OnNet);
    }
}

#[test]
fn without_facts_an_outcome_stays_or_becomes_undetermined() {
    let worlds: Vec<_> = worlds().collect();
    // The longest test of the crate: on two processors.
    let (one, two) = worlds.split_at(worlds.len() / 2);
    let halves = std::thread::scope(|scope| {
        [one, two].map(|half| scope.spawn(|| all_improvements(half))).map(|half| half.join().unwrap())
    });
    let edits: usize = halves.iter().map(|(_, edits)| edits).sum();
    let better: Vec<String> = halves.into_iter().flat_map(|(better, _)| better).collect();
    assert!(better.is_empty(), "{} of {edits} edits\n{}", better.len(), better.join("\n"));
    assert!(edits > 50_000, "{edits}");
}

fn all_improvements(worlds: &[(&'static str, Snapshot)]) -> (Vec<String>, usize) {
    let mut random = fastrand::Rng::with_seed(2026);
    let (mut better, mut edits) = (Vec::new(), 0);
    for (name, world) in worlds {
        let (found, made) = improvements(name, world, &mut random);
        better.extend(found);
        edits += made;
    }
    (better, edits)
}

#[test]
fn a_control_is_good_for_an_hour_and_no_other_answer_is_one() {
    let world = Scenario::read("control_alone_that_is_denied_says_nothing").world;
    let controls = |world: &Snapshot, after| onnet_core::judge::controls(world, world.taken_at.plus(after)).len();
    assert_eq!(controls(&world, CONTROL_AGE - std::time::Duration::from_secs(1)), 1);
    assert_eq!(controls(&world, CONTROL_AGE), 0);
    let changed = |change: fn(&mut WitnessAttempt)| {
        let mut world = world.clone();
        world.statements.iter_mut().for_each(change);
        controls(&world, std::time::Duration::ZERO)
    };
    assert_eq!(changed(|attempt| attempt.question = Question::Endpoint), 0);
    assert_eq!(changed(|attempt| attempt.statement = Observed::Unseen(Gap::not_yet())), 0);
    let unpaired = |attempt: &mut WitnessAttempt| {
        if let Observed::Seen { value, .. } = &mut attempt.statement {
            value.is_control = false;
        }
    };
    assert_eq!(changed(unpaired), 0);
}

/// With such a clock every moment is the same, and no fact would expire.
#[test]
fn a_clock_before_1970_supports_nothing() {
    for (name, scenario) in scenarios::all() {
        let mut world = scenario.world.clone();
        world.taken_at = (std::time::UNIX_EPOCH - std::time::Duration::from_secs(3600)).into();
        let mut dated_alike = world.clone();
        dated_alike.visit_facts(&mut Dated(world.taken_at));
        for world in [world, dated_alike] {
            let report = onnet_core::judge::judge(world);
            assert_ne!(report.outcome, onnet_core::model::Outcome::OnNet, "{name}: {}", report.summary);
            assert!(onnet_core::present::text(&report).ends_with('\n'), "{name}");
        }
    }
}

/// Gives every fact this date.
struct Dated(Timestamp);

impl FactVisitor for Dated {
    fn fact<T: Fact>(&mut self, _: FactPath, fact: &mut Observed<T>) {
        if let Observed::Seen { at, .. } = fact {
            *at = self.0;
        }
    }
}

/// Where an older version did not collect whether the kernel has IPv6 routes, it may have some.
#[test]
fn without_ipv6_routes_collected_an_outcome_stays_or_becomes_undetermined() {
    let mut undetermined = Vec::new();
    for (name, mut world) in worlds() {
        let before = judge(world.clone()).outcome;
        if let Observed::Seen { value: paths, .. } = &mut world.kernel_paths {
            paths.has_ipv6_route = None;
        }
        let after = judge(world).outcome;
        assert!(after == before || after == Outcome::Undetermined, "{name}: {before} became {after}");
        undetermined.extend((after != before).then_some(name));
    }
    assert!(undetermined.contains(&"unanswered_aaaa_query_is_harmless_without_ipv6"), "{undetermined:?}");
}

/// What contradicts itself supports neither what it says nor the opposite.
#[test]
fn facts_that_contradict_themselves_support_nothing() {
    type Change = fn(&mut Snapshot);
    let world = scenarios::base();
    assert_eq!(judge(world.clone()).outcome, Outcome::OnNet);
    let changes: [(&str, Change); 11] = [
        ("the Region of the instance is not its zone's", |world| {
            world.instance.seen_mut().unwrap().region = "eu-west-1".to_owned();
        }),
        ("DynamoDB's prefix list has no entries", |world| {
            for list in world.vpc.prefix_lists.values_mut() {
                list.seen_mut().unwrap().entries = Vec::new().into();
            }
        }),
        ("the route's address family is not its list's", |world| {
            for table in world.vpc.route_tables.seen_mut().unwrap() {
                let ipv6 = |route: &Route| Route { family: Some(ListFamily::Ipv6), ..route.clone() };
                table.routes = table.routes.iter().map(ipv6).collect::<Vec<_>>().into();
            }
        }),
        ("another list has DynamoDB's name", |world| {
            let mut list = world.vpc.prefix_lists.values().next().unwrap().clone();
            list.seen_mut().unwrap().id = "pl-0c".into();
            world.vpc.prefix_lists.insert("pl-0c".into(), list);
        }),
        ("another list leads to DynamoDB's endpoint", |world| {
            for table in world.vpc.route_tables.seen_mut().unwrap() {
                let is_lists = |route: &&Route| matches!(route.destination, Destination::PrefixList(_));
                let lists = table.routes.iter().find(is_lists).unwrap().clone();
                let other = Route { destination: Destination::PrefixList("pl-0c".into()), ..lists };
                table.routes = [table.routes.to_vec(), vec![other]].concat().into();
            }
        }),
        ("an endpoint's service is an empty text", |world| {
            world.vpc.vpc_endpoints.seen_mut().unwrap()[0].service = Some(String::new());
        }),
        ("an endpoint's service is DynamoDB's of a partition that is not known", |world| {
            let service = Some("eu.amazonaws.us-east-1.dynamodb".to_owned());
            world.vpc.vpc_endpoints.seen_mut().unwrap()[0].service = service;
        }),
        ("a device has neither a kind nor a hardware address", |world| {
            for route in world.kernel_routes.values_mut() {
                if let Some(KernelRoute::Via { hop, .. }) = route.seen_mut() {
                    hop.device.mac = None;
                }
            }
        }),
        ("rules send packets elsewhere, and no range says which", |world| {
            let packets = Packets { mark: Some(7), ..Packets::default() };
            let policy =
                PolicyPath { rules: vec!["100: from all fwmark 0x7 lookup 7".to_owned()], packets, ranges: vec![] };
            world.kernel_paths.seen_mut().unwrap().policies.push(policy);
        }),
        ("DynamoDB's lists are none", |world| world.vpc.service_prefix_lists.seen_mut().unwrap().clear()),
        ("the kernel's routes are there twice, in the form of two schemas", |world| {
            let Observed::Seen { at, took, .. } = world.kernel_paths else { panic!("no routes of the kernel") };
            world.host_routes = Some(Observed::Seen { value: Vec::new(), at, took });
        }),
    ];
    for (what, change) in changes {
        let mut changed = world.clone();
        change(&mut changed);
        assert_eq!(judge(changed).outcome, Outcome::Undetermined, "{what}");
    }
}

#[test]
fn an_empty_key_signs_nothing() {
    let mut world = Scenario::read("signed_facts_are_inferred").world;
    assert_eq!(judge(world.clone()).outcome, Outcome::OnNet);
    let shared = world.vpc.shared.as_mut().unwrap();
    shared.observers.values_mut().for_each(|observer| observer.signed_by = Some(" ".to_owned()));
    assert_eq!(judge(world).outcome, Outcome::AtRisk);
}

/// The same name twice, once in use: it is not known which counts.
#[test]
fn an_account_based_name_that_is_another_name_too_hides_none_in_use() {
    let mut tried = 0;
    for (name, scenario) in scenarios::all() {
        let Some(names) = scenario.world.names.seen() else { continue };
        let Some(first) = names.first().filter(|first| first.in_use) else { continue };
        if scenario.world.account_name.seen().is_none_or(Option::is_some) {
            continue;
        }
        let with = judge(scenario.world.clone()).outcome;
        let changes: [fn(&mut ServiceName); 3] =
            [|name| name.in_use = false, |name| name.kind = NameKind::Streams, |name| name.port = 8443];
        for change in changes {
            let mut twice = scenario.world.clone();
            let mut other = first.clone();
            change(&mut other);
            *twice.account_name.seen_mut().unwrap() = Some(other);
            let without = judge(twice).outcome;
            assert!(edits::may_follow(with, without, false, false), "{name}: {with} became {without}");
            tried += 1;
        }
    }
    assert!(tried > 300, "{tried}");
}
