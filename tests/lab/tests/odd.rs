//! Odd networks through the binary: further names, endpoints of other types and Regions, routes of a route server and to an ODB network,
//! what takes over without the endpoint, what a NAT gateway costs, the tables of an endpoint's policy.

use super::{
    witness::behind_nat,
    worlds::{Expected, agrees, expect, report, report_with},
};
use crate::{
    Done, ONNET, Test,
    lab::{
        Lab, Mode, World,
        iam::Policy,
        world::{Destination, Endpoint, INTERNET_GATEWAY, MAIN_TABLE, RouteTable, Target},
    },
    named,
};
use libtest_mimic::{Failed, Trial};
use onnet::model::Report;
use serde_json::{Value, json};
use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

pub(super) fn trials(namespaces: bool) -> Vec<Trial> {
    let tests: [(&str, Test); 13] = [
        ("odd::each_further_name_is_judged_by_its_own_addresses", names),
        ("odd::settings_of_fips_choose_other_names", fips),
        ("odd::profiles_of_other_accounts_use_their_names", other_profiles),
        ("odd::ipv6_records_count_for_nothing_without_ipv6", without_ipv6),
        ("odd::an_ipv6_world_has_gates_too", gates),
        ("odd::the_ipv6_list_is_known_by_its_route_whatever_its_name", list_by_route),
        ("odd::endpoints_of_other_types_carry_nothing", types),
        ("odd::an_endpoint_that_says_another_region_is_a_contradiction", service_region),
        ("odd::a_route_server_advertises_a_route_to_an_appliance", advertised),
        ("odd::an_odb_network_takes_part_of_the_list", odb_network),
        ("odd::an_audit_says_which_subnets_fail_open", audited),
        ("odd::without_the_endpoint_traffic_fails_open_and_a_nat_gateway_has_a_price", fails_open),
        ("odd::the_policy_of_the_endpoint_is_read_for_each_table", tables),
    ];
    named(tests, namespaces)
}

const ENDPOINT: Ipv4Addr = Ipv4Addr::new(172, 31, 32, 9);

fn with_names() -> World {
    World::on_net().with_interface_endpoint(ENDPOINT).with_further_names(ENDPOINT)
}

fn names() -> Done {
    let lab = Lab::start(with_names(), Mode::Namespaces)?;
    let given = [
        ("444455556666.ddb.us-east-1.amazonaws.com", "account_based", "on_net"),
        ("dynamodb-fips.us-east-1.amazonaws.com", "regional", "on_net"),
        ("search-dynamodb.us-east-1.api.aws", "vector_search", "undetermined"),
        ("streams.dynamodb.us-east-1.amazonaws.com", "streams", "undetermined"),
        ("vpce-9b15e2f2-0a1b2c3d-us-east-1a.dynamodb.us-east-1.vpce.amazonaws.com", "interface_endpoint", "on_net"),
        ("vpce-9b15e2f2-0a1b2c3d.dynamodb.us-east-1.vpce.amazonaws.com", "interface_endpoint", "on_net"),
    ];
    let arguments: Vec<&str> = ["check", "--timeout", "6s"]
        .into_iter()
        .chain(given.iter().flat_map(|(name, ..)| ["--hostname", name]))
        .collect();
    let (json, exit) = report(&lab, &arguments)?;
    agrees(&json, exit, &expect("on_net", 0, "consistent", &["name-not-served"]))?;
    let said = |name: &str| {
        let names = json["names"].as_array().expect("names");
        let found = names.iter().find(|found| found["hostname"] == name).expect("the name");
        (found["kind"].clone(), found["outcome"].clone())
    };
    for (name, kind, outcome) in given {
        assert_eq!(said(name), (json!(kind), json!(outcome)), "{name}");
    }
    // The same from the variable.
    let all = given.map(|(name, ..)| name).join(",");
    let (by_variable, _) = report_with(&lab, &["check", "--timeout", "6s"], &[("ONNET_HOSTNAMES", &all)])?;
    assert_eq!(by_variable["names"], json["names"]);
    Ok(())
}

fn fips() -> Done {
    let lab = Lab::start(with_names(), Mode::Namespaces)?;
    let both = [("AWS_USE_FIPS_ENDPOINT", "true"), ("AWS_USE_DUALSTACK_ENDPOINT", "true")];
    for (environment, suffix) in [(&both[..1], "amazonaws.com"), (&both[..], "api.aws")] {
        let (json, exit) = report_with(&lab, &["check", "--timeout", "6s"], environment)?;
        agrees(&json, exit, &expect("on_net", 0, "consistent", &[]))?;
        let names = json["names"].as_array().ok_or("names")?;
        let regional = names.iter().find(|name| name["kind"] == "regional").ok_or("a regional name")?;
        assert_eq!(regional["hostname"], format!("dynamodb-fips.us-east-1.{suffix}"), "{names:#?}");
        let chosen_by = regional["chosen_by"].to_string();
        assert!(chosen_by.contains("AWS_USE_FIPS_ENDPOINT"), "{chosen_by}");
    }
    Ok(())
}

/// Programs with another profile use the name of its account.
fn other_profiles() -> Done {
    let lab = Lab::start(with_names(), Mode::Namespaces)?;
    let file = lab.directory().join("profiles");
    let profiles = "[default]\nregion = us-east-1\n[profile dev]\nsso_account_id = 444455556666\n\
                    [profile admin]\nrole_arn = arn:aws:iam::444455556666:role/admin\nsource_profile = default\n\
                    [profile unknown]\naws_account_id = 999988887777\n[profile odd]\naws_account_id = 12\n";
    std::fs::write(&file, profiles)?;
    let environment = [("AWS_CONFIG_FILE", file.to_str().ok_or("a path")?)];
    let (json, exit) = report_with(&lab, &["check", "--timeout", "6s"], &environment)?;
    agrees(&json, exit, &expect("on_net", 0, "consistent", &[]))?;
    let names = json["names"].as_array().ok_or("names")?;
    let by_account: Vec<(&Value, &Value, &Value)> = names
        .iter()
        .filter(|name| name["kind"] == "account_based")
        .map(|name| (&name["hostname"], &name["in_use"], &name["outcome"]))
        .collect();
    let other = json!("444455556666.ddb.us-east-1.amazonaws.com");
    // The lab's DNS does not have the second one, which programs here do not use.
    let unknown = json!("999988887777.ddb.us-east-1.amazonaws.com");
    let (no, on_net, undetermined) = (json!(false), json!("on_net"), json!("undetermined"));
    assert_eq!(by_account, [(&other, &no, &on_net), (&unknown, &no, &undetermined)], "{names:#?}");
    let places = names.iter().find(|name| name["hostname"] == other).ok_or("the name")?["chosen_by"].to_string();
    assert!(places.contains("of profile "), "{places}");
    Ok(())
}

const DUAL_STACK: (&str, &str) = ("AWS_USE_DUALSTACK_ENDPOINT", "true");

fn without_ipv6() -> Done {
    let lab = Lab::start(World::on_net().with_addresses(&["52.94.0.10", "2600:1f70::a"]), Mode::Namespaces)?;
    let (json, exit) = report_with(&lab, &["check", "--timeout", "6s"], &[DUAL_STACK])?;
    let report = agrees(&json, exit, &expect("on_net", 0, "consistent", &[]))?;
    let in_use: Vec<String> =
        report.addresses.iter().filter(|one| one.in_use).map(|one| one.address.to_string()).collect();
    assert_eq!(in_use, ["52.94.0.10"]);
    Ok(())
}

fn gates() -> Done {
    let world = World::on_net().with_ipv6().with_address_type("dualstack");
    let lab = Lab::start(world, Mode::Namespaces)?;
    let (json, exit) = report_with(&lab, &["check", "--gates", "--timeout", "6s"], &[DUAL_STACK])?;
    let report = agrees(&json, exit, &expect("on_net", 0, "consistent", &[]))?;
    assert!(report.gates.len() >= 3, "{:#?}", report.gates);
    Ok(())
}

fn list_by_route() -> Done {
    let world = World::on_net().with_ipv6().with_address_type("dualstack");
    let lab = Lab::start(world, Mode::Namespaces)?;
    let rename = |to: &str| {
        lab.edit(|world| {
            let list = world.prefix_lists.iter_mut().find(|list| list.name.contains(".ipv6.")).expect("an IPv6 list");
            list.name = to.to_owned();
        });
    };
    let check = |expected| {
        let (json, exit) = report_with(&lab, &["check", "--timeout", "6s"], &[DUAL_STACK])?;
        agrees(&json, exit, &expected).map(|report| report.coverage.len())
    };
    let ranges = check(expect("on_net", 0, "consistent", &[]))?;
    rename("com.amazonaws.us-east-1.dynamodb-ipv6");
    assert_eq!(check(expect("on_net", 0, "consistent", &[]))?, ranges, "by its route");
    Ok(())
}

fn types() -> Done {
    let mut world = World::on_net();
    for (number, kind) in ["Resource", "ServiceNetwork", "Tunnel"].into_iter().enumerate() {
        world.endpoints.push(Endpoint {
            id: format!("vpce-0{number}"),
            kind: kind.to_owned(),
            service: format!("com.amazonaws.vpce.us-east-1.vpce-svc-0{number}"),
            state: "available".to_owned(),
            route_tables: Vec::new(),
            interfaces: Vec::new(),
            address_type: None,
            record_type: None,
        });
    }
    let lab = Lab::start(world, Mode::Namespaces)?;
    let (json, exit) = report(&lab, &["check", "--timeout", "6s"])?;
    agrees(&json, exit, &expect("on_net", 0, "consistent", &[]))?;
    // Without DynamoDB's own, none of them carries anything.
    lab.edit(|world| {
        let id = world.endpoints[0].id.clone();
        world.delete_endpoint(&id)
    })
    .map_err(|refused| refused.message)?;
    let (json, exit) = report(&lab, &["check", "--timeout", "6s"])?;
    agrees(&json, exit, &expect("off_net", 2, "consistent", &["no-endpoint"]))?;
    Ok(())
}

fn service_region() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let id = lab.world().endpoints[0].id.clone();
    for (region, expected) in [
        ("us-east-1", expect("on_net", 0, "consistent", &[])),
        ("eu-west-1", expect("undetermined", 3, "consistent", &["facts-disagree"])),
    ] {
        lab.edit(|world| world.service_regions.insert(id.clone(), region));
        let (json, exit) = report(&lab, &["check", "--timeout", "6s"])?;
        agrees(&json, exit, &expected)?;
    }
    Ok(())
}

fn check(world: World, expected: &Expected) -> Result<Report, Failed> {
    let lab = Lab::start(world, Mode::Namespaces)?;
    let (json, exit) = report(&lab, &["check", "--timeout", "6s"])?;
    agrees(&json, exit, expected)
}

fn advertised() -> Done {
    let advertised = |cidr: &str| World::on_net().with_advertised_route(cidr, Target::appliance("eni-0f1e2d3c"));
    // The list's entry has this length too, and ranks above what is learnt.
    check(advertised("52.94.0.0/22"), &expect("on_net", 0, "consistent", &[]))?;
    let report = check(advertised("52.94.0.0/23"), &expect("off_net", 2, "consistent", &["partly-diverted"]))?;
    assert!(report.summary.contains("eni-0f1e2d3c"), "{}", report.summary);
    check(advertised("52.119.224.0/21"), &expect("at_risk", 1, "consistent", &["partly-diverted"]))?;
    // Route servers learn routes to appliances alone.
    let elsewhere = World::on_net().with_advertised_route("52.94.0.0/22", Target::nat("nat-0a1b2c3d"));
    check(elsewhere, &expect("undetermined", 3, "consistent", &["facts-disagree"]))?;
    let mut by_list = World::on_net();
    let to_endpoint = by_list.route_tables[0].routes.iter_mut().find(|route| route.target.id.starts_with("vpce-"));
    to_endpoint.expect("the endpoint's route").origin = "Advertisement";
    check(by_list, &expect("undetermined", 3, "consistent", &["facts-disagree"]))?;
    Ok(())
}

/// DynamoDB is not behind it, so what it takes does not arrive.
fn odb_network() -> Done {
    const ODB: &str = "arn:aws:odb:us-east-1:111122223333:odb-network/odbnet_0a1b2c3d";
    let to_odb = |cidr: &str| World::on_net().with_route(cidr, Target::odb_network(ODB), "active");
    let report = check(to_odb("52.119.224.0/21"), &expect("at_risk", 1, "consistent", &["partly-diverted"]))?;
    assert!(report.findings[0].message.contains(ODB), "{}", report.findings[0].message);
    check(to_odb("52.94.0.0/23"), &expect("off_net", 2, "inferred", &["partly-diverted", "probe-failed"]))?;
    Ok(())
}

/// A first subnet with the main table, a second one with a table of its own, which leads to the endpoint alone.
fn audited() -> Done {
    const OWN: &str = "rtb-0e5b";
    let mut world = World::on_net();
    let (subnet, endpoint) = (world.subnets[1].id.clone(), world.endpoints[0].id.clone());
    let local = world.route_tables[0].routes.iter().filter(|route| route.target.id == "local").cloned().collect();
    world.route_tables.push(RouteTable { id: OWN.to_owned(), associations: Vec::new(), routes: local });
    world.associate(OWN, &subnet).map_err(|refused| refused.message)?;
    world.modify_endpoint(&endpoint, &[OWN.to_owned()], &[]).map_err(|refused| refused.message)?;
    let lab = Lab::start(world, Mode::Namespaces)?;
    let fails = |expected: &[(&str, &str)]| -> Done {
        let (audit, exit) = report(&lab, &["audit"])?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let subnets = audit["subnets"].as_array().into_iter().flatten();
        let said: Vec<_> =
            subnets.map(|one| (text(&one["route_table"]), text(&one["without_endpoint"]["fails"]))).collect();
        let expected: Vec<_> =
            expected.iter().map(|(table, fails)| ((*table).to_owned(), (*fails).to_owned())).collect();
        assert_eq!((said, exit), (expected, Some(0)), "{audit:#}");
        Ok(())
    };
    fails(&[(MAIN_TABLE, "open"), (OWN, "closed")])?;
    let text = lab.onnet(Path::new(ONNET), &["audit"])?.stdout;
    let rows = [
        "vpce-9b15e2f2; fails open to igw-0c3f5a7e where the source has a public address",
        "vpce-9b15e2f2; fails closed",
    ];
    assert!(rows.iter().all(|row| text.contains(row)), "{text}");
    // The other way round. The EC2 API stays in reach.
    lab.edit(|world| {
        let everywhere = || Destination::Cidr("0.0.0.0/0".parse().expect("a literal CIDR"));
        let ec2 = Destination::Cidr(IpAddr::V4(world.ec2_address).into());
        world.delete_route(MAIN_TABLE, &everywhere())?;
        world.create_route(MAIN_TABLE, ec2, Target::gateway(INTERNET_GATEWAY))?;
        world.create_route(OWN, everywhere(), Target::nat("nat-0a1b2c3d"))
    })
    .map_err(|refused| refused.message)?;
    fails(&[(MAIN_TABLE, "closed"), (OWN, "open")])
}

fn fails_open() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let text = lab.onnet(Path::new(ONNET), &["check", "--timeout", "6s"])?.stdout;
    assert!(text.contains("fails open"), "{text}");
    lab.edit(|world| {
        let everywhere = Destination::Cidr("0.0.0.0/0".parse().expect("a literal CIDR"));
        world.delete_route(MAIN_TABLE, &everywhere)
    })
    .map_err(|refused| refused.message)?;
    let text = lab.onnet(Path::new(ONNET), &["check", "--timeout", "3s"])?.stdout;
    assert!(!text.contains("fails open"), "{text}");

    let lab = Lab::start(behind_nat(World::tutorial()), Mode::Namespaces)?;
    let arguments = ["check", "--timeout", "6s", "--nat-usd-per-gb", "0.09"];
    let text = lab.onnet(Path::new(ONNET), &arguments)?.stdout;
    assert!(text.contains("NAT cost") && text.contains("0.09"), "{text}");
    Ok(())
}

fn tables() -> Done {
    let policy = r#"{ "Version": "2012-10-17", "Statement": [
        { "Sid": "All", "Effect": "Allow", "Principal": "*", "Action": "dynamodb:*", "Resource": "*" },
        { "Sid": "NotAudit", "Effect": "Deny", "Principal": "*", "Action": "dynamodb:*",
          "Resource": "arn:aws:dynamodb:us-east-1:111122223333:table/audit" }] }"#;
    let world = World::on_net().with_endpoint_policy(Policy::inline(policy).expect("a literal policy"));
    let lab = Lab::start(world, Mode::Namespaces)?;
    let table = |name: &str| format!("arn:aws:dynamodb:us-east-1:111122223333:table/{name}");
    let (orders, audit) = (table("orders"), table("audit"));
    let arguments = ["check", "--timeout", "6s", "--action", "dynamodb:GetItem", "--table", &orders, "--table", &audit];
    let (json, exit) = report(&lab, &arguments)?;
    agrees(&json, exit, &expect("on_net", 0, "consistent", &["endpoint-policy-denies"]))?;
    let finding = json["findings"][0]["message"].as_str().ok_or("a message")?;
    assert!(finding.contains("table/audit") && !finding.contains("table/orders"), "{finding}");
    let decided: Vec<&Value> = json["endpoint_policies"][0]["actions"].as_array().ok_or("actions")?.iter().collect();
    assert!(decided.iter().any(|action| action["table"] == orders.as_str()), "{decided:#?}");
    Ok(())
}
