//! Each fact that is missing says why, and each reason is one of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;

use common::Scenario;
use onnet_core::{
    judge::judge,
    model::{AssociationState, EndpointType, Missing, Observed, Report, RouteTable, Snapshot, Verdict},
};

/// What the addresses in use lack.
fn missing(report: &Report) -> Vec<Missing> {
    let in_use = report.addresses.iter().filter(|address| address.in_use);
    in_use
        .flat_map(|address| if let Verdict::Undetermined(missing) = &address.verdict { &missing[..] } else { &[] })
        .cloned()
        .collect()
}

fn reason_of(name: &str, change: impl FnOnce(&mut Snapshot)) -> (&'static str, String) {
    let mut world = Scenario::read(name).world;
    change(&mut world);
    let missing = missing(&judge(world));
    let [missing] = missing.as_slice() else { panic!("{name}: {missing:#?}") };
    (missing.why.reason(), missing.to_string())
}

fn seen<T>(fact: &mut Observed<T>) -> &mut T {
    match fact {
        Observed::Seen { value, .. } => value,
        Observed::Unseen(gap) => panic!("{gap}"),
    }
}

#[test]
fn what_the_judge_cannot_know_has_a_reason_of_its_own() {
    for (scenario, reason, words) in [
        ("association_that_is_changing_leaves_it_open", "changing", "(the association with rtb-own is changing)"),
        ("route_in_an_undocumented_state", "undocumented_value", "State is \"filtered\""),
        ("endpoint_in_an_unknown_state_is_not_on_net", "undocumented_value", "State is \"hibernating\""),
        ("route_to_a_deleted_endpoint_is_not_on_net", "conflicting", "its state is deleted, but"),
        (
            "gateway_endpoint_of_another_vpc_is_a_contradiction",
            "conflicting",
            "lists it in vpc-0b, but a route table of vpc-0a",
        ),
        ("one_table_listed_twice_with_different_routes", "conflicting", "rtb-main is listed twice, but"),
        ("fact_dated_after_the_round_supports_nothing", "conflicting", "after the round"),
        ("endpoint_that_is_not_visible_in_a_shared_vpc", "not_visible", "not visible to this account"),
        ("next_hop_that_is_not_the_vpcs_router", "other_host", "is not the router of subnet-0a"),
        ("source_that_is_not_the_interfaces_own", "spoofed_source", "is not an address of eni-0a"),
        ("stale_route_tables_support_nothing", "stale", "too old"),
        ("device_that_is_not_a_network_interface_of_the_instance", "not_found", "hardware address"),
        ("kernel_not_asked", "disabled", "Linux only"),
    ] {
        let (found, text) = reason_of(scenario, |_| ());
        assert_eq!(found, reason, "{scenario}: {text}");
        assert!(text.contains(words), "{scenario}: {text}");
    }
}

#[test]
fn two_tables_of_one_subnet_are_both_named() {
    let (reason, text) = reason_of("endpoint_on_the_subnets_own_table", |world| {
        let tables = seen(&mut world.vpc.route_tables);
        let own = tables.iter().position(|table| table.id.as_str() == "rtb-own").unwrap();
        let twin = RouteTable { id: "rtb-twin".into(), ..tables[own].clone() };
        tables.push(twin);
    });
    assert_eq!(reason, "conflicting");
    assert!(text.contains("by one association it is rtb-own, but by another it is rtb-twin"), "{text}");
}

#[test]
fn a_value_of_the_api_that_is_not_known_is_named_with_its_field() {
    let (reason, text) = reason_of("association_that_is_changing_leaves_it_open", |world| {
        let associations = seen(&mut world.vpc.route_tables).iter_mut().flat_map(|table| &mut table.associations);
        for association in associations.filter(|association| association.state == AssociationState::Changing) {
            association.state = AssociationState::Other("resting".into());
        }
    });
    assert_eq!(reason, "undocumented_value");
    assert!(text.contains("the state of the association with rtb-own is \"resting\""), "{text}");

    let (reason, text) = reason_of("gateway_endpoint_carries_the_whole_list", |world| {
        seen(&mut world.vpc.vpc_endpoints)[0].kind = EndpointType::Other("Tunnel".into());
    });
    assert_eq!(reason, "undocumented_value");
    assert!(text.contains("VpcEndpointType is \"Tunnel\""), "{text}");
}
