//! Text, Nagios line, JSON, picture, metrics and log event name the same name, address and path.

use crate::{
    common::scenarios::{self, Scenario, scenario},
    shown::{disagreements, picture},
};
use onnet_core::{
    judge::judge,
    model::{Decision, EndpointType, IdleEndpoint, IdleReason, LostBy, Observed, Outcome, Snapshot},
    present,
};

/// Every scenario, also with its names and its addresses in the opposite order.
fn worlds() -> Vec<(String, Snapshot)> {
    let worlds = |(name, scenario): (&String, &Scenario)| {
        [(name.clone(), scenario.world.clone()), (format!("{name}, reversed"), reversed(&scenario.world))]
    };
    scenarios::all().iter().flat_map(worlds).collect()
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

/// The decision and the summary of a scenario, and of the same scenario in the opposite order.
fn decided(name: &str) -> [(Option<Decision>, String); 2] {
    let world = Scenario::read(name).world;
    [world.clone(), reversed(&world)].map(|world| {
        let report = judge(world);
        (report.decided_by, report.summary)
    })
}

#[test]
fn the_worst_standing_decides_whatever_the_order() {
    for (name, sentence) in [
        (
            "two_addresses_through_two_gateways",
            " leaves the VPC through internet gateway igw-0a, not through a VPC endpoint",
        ),
        ("two_addresses_one_of_them_off_net", " leaves the VPC through NAT gateway nat-0b, not through a VPC endpoint"),
        ("two_addresses_one_of_them_dropped", " eni-gone is gone; others go through gateway endpoint vpce-0d"),
        ("tunnel_for_one_of_two_addresses", " wg0, which is not a network interface of the instance"),
        ("proxy_variable_sends_the_second_name_elsewhere", " by HTTPS_PROXY, not to a VPC endpoint"),
        ("name_in_use_without_addresses_beside_one_that_is_on_net", ": it has no addresses"),
    ] {
        let [one, other] = decided(name);
        assert_eq!(one, other, "{name}");
        assert!(one.1.ends_with(sentence), "{name}: {}", one.1);
    }
    let [one, other] = decided("two_addresses_alike");
    assert_ne!(one, other, "among equals the order decides");
}

#[test]
fn a_path_that_leaves_no_subnet_is_not_placed_in_the_subnet_of_another_address() {
    let instance = scenario("tunnel_for_one_of_two_addresses").instance.unwrap();
    assert_eq!((instance.subnet, instance.route_table), (None, None));
}

#[test]
fn where_no_name_is_known_nothing_decides() {
    let report = scenario("not_on_ec2");
    assert_eq!((report.outcome, &report.decided_by), (Outcome::Undetermined, &None));
}

#[test]
fn the_endpoint_beside_the_path_is_named_with_the_reason_why_traffic_does_not_take_it() {
    let idle = |reason| Some(IdleEndpoint::Idle { id: "vpce-0d".into(), kind: EndpointType::Gateway, reason });
    for (name, expected) in [
        ("gateway_endpoint_carries_the_whole_list", None),
        ("denied_route_tables_leave_everything_open", None),
        ("no_endpoint_and_a_default_route_to_an_internet_gateway", Some(IdleEndpoint::Absent)),
        ("endpoint_without_route_tables_carries_nothing", idle(IdleReason::NotAssociated)),
        ("two_addresses_one_of_them_off_net", idle(IdleReason::Lost(LostBy::ShorterPrefix))),
        ("kernel_without_a_route", idle(IdleReason::NotTaken)),
        ("proxy_variable_sends_the_name_elsewhere", idle(IdleReason::Proxy)),
    ] {
        let report = scenario(name);
        assert_eq!(report.idle_endpoint, expected, "{}", report.summary);
        let (status, now) = crate::page::status(Some(report));
        let picture = picture(&present::status_page(&status, now));
        let drawn = picture.contains("vpce-0d") || picture.contains("the VPC has none for DynamoDB");
        assert!(drawn || expected.is_none(), "{picture}");
    }
}
