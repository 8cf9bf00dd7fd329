//! What NAT gateways cost: where any carries traffic, or would.

use crate::{
    common::scenario,
    folders::{LOCAL, MAIN, NAT, read, table, tables},
};
use onnet_core::{
    judge::{audit, judge},
    model::{NatCost, NatRates, Report},
    present,
};

const RATES: NatRates = NatRates { usd_per_gb: 0.059, usd_per_hour: 0.1 };

fn judged(name: &str, rates: NatRates) -> Report {
    let mut world = scenario(name).snapshot;
    world.nat_rates = rates;
    judge(world)
}

fn cost(now: &[&str], if_deleted: &[&str], rates: NatRates) -> Option<NatCost> {
    let [now, if_deleted] = [now, if_deleted].map(|ids| ids.iter().map(|id| (*id).into()).collect());
    Some(NatCost { now, if_deleted, rates })
}

#[test]
fn an_estimate_is_given_where_a_nat_gateway_carries_traffic_or_would() {
    for (name, expected) in [
        ("fails_open_to_a_nat_gateway", cost(&[], &["nat-0a"], RATES)),
        ("fails_open_in_part_to_another_way", cost(&[], &["nat-0a"], RATES)),
        ("static_slash_23_takes_half_of_an_entry", cost(&["nat-0b"], &[], RATES)),
        ("fails_open_to_an_internet_gateway", None),
        ("fails_closed_without_a_default_route", None),
    ] {
        assert_eq!(judged(name, RATES).nat_cost, expected, "{name}");
    }
}

#[test]
fn the_estimate_is_labelled_and_says_what_it_is_made_of() {
    let said = |report: &Report| {
        let text = anstream::adapter::strip_str(&present::text(report)).to_string();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let now = said(&judged("static_slash_23_takes_half_of_an_entry", RATES));
    for part in [
        "NAT cost about 0.059 USD for each gigabyte (59.00 USD for 1,000) through nat-0b; besides",
        "0.1 USD for each hour of a NAT gateway (73.00 USD a month)",
        "estimates by --nat-usd-per-gb and --nat-usd-per-hour",
    ] {
        assert!(now.contains(part), "{part:?}: {now}");
    }
    let later = said(&judged("fails_open_to_a_nat_gateway", NatRates::LIST_PRICES));
    assert!(later.contains("about 0.045 USD for each gigabyte (45.00 USD for 1,000) through nat-0a, if the endpoint were deleted; besides"), "{later}");
    let none = said(&judged("fails_open_to_an_internet_gateway", RATES));
    assert!(!none.contains("USD"), "{none}");
}

#[test]
fn an_audit_estimates_for_all_its_subnets() {
    let folder = read(&[("route-tables.json", &tables(&[&table("rtb-1", MAIN, &[LOCAL, NAT])]))]).unwrap();
    let audit = audit(&folder, None);
    // The endpoint says that it has this table: what would win is not known.
    assert_eq!(audit.nat_cost, None, "{audit:#?}");
    let endpoints = r#"{"VpcEndpoints": []}"#;
    let files = [
        ("route-tables.json", tables(&[&table("rtb-1", MAIN, &[LOCAL, NAT])])),
        ("vpc-endpoints.json", endpoints.to_owned()),
    ];
    let folder = read(&files.each_ref().map(|(name, text)| (*name, text.as_str()))).unwrap();
    let audit = onnet_core::judge::audit(&folder, None).with_nat_cost(RATES);
    assert_eq!(audit.nat_cost, cost(&["nat-1"], &[], RATES));
    assert!(present::audit(&audit).contains("0.059 USD"));
}
