//! Whole worlds, end to end: the unmodified binary with default settings, in an instance's network namespace.

use crate::{
    ONNET, Test,
    common::edits::improvements,
    lab::{
        self, Fault, Lab, Mode, Service, World,
        iam::Policy,
        world::{AssociatedWith, Association, Destination, MAIN_TABLE, RouteTable, Target},
    },
    named,
    shown::disagreements,
};
use libtest_mimic::{Failed, Trial};
use onnet::model::Report;
use serde_json::{Value, json};
use std::{net::Ipv4Addr, path::Path, process::Stdio, time::Duration};

const PATIENCE: Duration = Duration::from_secs(60);

/// A second interface with a prefix, for pods, in a subnet whose way out is a NAT gateway.
fn pods_without_an_endpoint() -> World {
    let mut world = World::on_net().with_second_interface();
    let with = AssociatedWith::Subnet(world.subnets[1].id.clone());
    let association = Association { id: "rtbassoc-0e5b".to_owned(), with };
    let routes = world.route_tables[0].routes.iter().filter(|route| route.target.id == "local").cloned();
    let routes = routes.collect();
    world.route_tables.push(RouteTable { id: "rtb-0e5b".to_owned(), associations: vec![association], routes });
    let everywhere = Destination::Cidr("0.0.0.0/0".parse().unwrap());
    world.create_route("rtb-0e5b", everywhere, Target::nat("nat-0a1b2c3d")).unwrap();
    world
}

/// Pods have addresses of a prefix, which no listing of addresses has.
fn prefixes() -> Result<(), Failed> {
    let lab = Lab::start(pods_without_an_endpoint(), Mode::Namespaces)?;
    let ran = lab.onnet(Path::new(ONNET), &["check", "--all-interfaces"])?;
    let row = "eni-0b8d6f42  172.31.32.10, 172.31.32.16/28\n";
    assert!(ran.stdout.contains(row), "{}", ran.stdout);
    assert!(ran.stdout.contains("from 172.31.32.10 and 172.31.32.16/28 of"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n  Branch network interfaces, as pods"), "{}", ran.stdout);

    // The VPC has IPv6, and of the instance the pods alone: their subnet has no route for it.
    let mut world = pods_without_an_endpoint().with_ipv6();
    world.interfaces.iter_mut().for_each(|interface| interface.ipv6 = None);
    world.interfaces[1].prefix = Some("2600:1f18:1234:5620:1::/80".parse().unwrap());
    let lab = Lab::start(world, Mode::Namespaces)?;
    let ran = lab.onnet(Path::new(ONNET), &["check", "--all-interfaces"])?;
    let text = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let row = "dropped eni-0b8d6f42 2600:1f18:1234:5620:1::/80 subnet-0f4b5a69 → rtb-0e5b: dropped: no route";
    assert!(text.contains(row) && ran.code == Some(0), "{}", ran.stdout);
    Ok(())
}

/// Only the first address has a public one, and the internet gateway drops what the others send.
fn secondary_addresses() -> Result<(), Failed> {
    let mut world = World::tutorial();
    world.interfaces[0].more_addresses = 2;
    let lab = Lab::start(world, Mode::Namespaces)?;
    let (json, exit) = report(&lab, &["check", "--timeout", "6s"])?;
    agrees(&json, exit, &expect("off_net", 2, "consistent", &["no-endpoint"]))?;
    let rows: Vec<_> = json["interfaces"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| json!([row["addresses"], row["outcome"], row["in_use"]]))
        .collect();
    let expected = json!([[["172.31.16.10"], "off_net", true], [["172.31.16.11", "172.31.16.12"], "dropped", false],]);
    assert_eq!(Value::from(rows), expected, "{:#}", json["interfaces"]);
    Ok(())
}

/// The required output of `onnet check`.
pub(super) struct Expected {
    outcome: &'static str,
    exit: i32,
    proof: &'static str,
    /// Exactly these codes, in alphabetical order.
    findings: &'static [&'static str],
}

pub(super) const fn expect(
    outcome: &'static str,
    exit: i32,
    proof: &'static str,
    findings: &'static [&'static str],
) -> Expected {
    Expected { outcome, exit, proof, findings }
}

type Prepare = fn() -> World;
type Disturb = fn(&Lab);

/// A name, the world, the changes to it, and the required result.
fn worlds() -> Vec<(&'static str, Prepare, Disturb, Expected)> {
    let calm: Disturb = |_| {};
    vec![
        ("the_endpoint_on_the_main_table", World::on_net, calm, expect("on_net", 0, "consistent", &[])),
        (
            "a_private_subnet_with_the_endpoint_cannot_reach_the_ec2_api",
            || World::on_net().private().isolated(),
            calm,
            expect("undetermined", 3, "consistent", &["ec2-unreachable"]),
        ),
        (
            "there_the_endpoints_policy_testifies",
            || World::on_net().private().isolated(),
            |lab| lab.set_fault(Service::DynamoDb, Some(Fault::EndpointPolicy)),
            expect("undetermined", 3, "proved", &["access-denied", "ec2-unreachable"]),
        ),
        (
            "the_endpoints_policy_beside_readable_routes",
            || World::on_net().with_endpoint_policy(Policy::inline(r#"{"Statement": []}"#).expect("a literal policy")),
            calm,
            expect("on_net", 0, "proved", &["access-denied"]),
        ),
        (
            "the_policy_of_another_endpoint",
            World::on_net,
            |lab| lab.set_fault(Service::DynamoDb, Some(Fault::EndpointPolicy)),
            expect("undetermined", 3, "inferred", &["access-denied", "evidence-disagrees"]),
        ),
        (
            "the_endpoint_on_the_main_table_and_the_subnet_on_its_own",
            || World::on_net().with_explicit_table("rtb-0e5f6071"),
            calm,
            expect("off_net", 2, "consistent", &["endpoint-not-associated"]),
        ),
        (
            "a_nat_gateway_for_the_very_range",
            || World::on_net().with_route("52.94.0.0/22", Target::nat("nat-0a1b2c3d"), "active"),
            calm,
            expect("off_net", 2, "consistent", &["partly-diverted"]),
        ),
        (
            "a_blackhole_for_half_a_range_drops_and_the_probe_stalls",
            || World::on_net().with_route("52.94.0.0/23", Target::nat("nat-0a1b2c3d"), "blackhole"),
            calm,
            expect("dropped", 2, "inferred", &["blackhole", "probe-failed"]),
        ),
        (
            "one_of_two_addresses_is_dropped",
            || {
                World::on_net().with_addresses(&["52.94.0.10", "52.119.224.9"]).with_route(
                    "52.119.224.9/32",
                    Target::nat("nat-0a1b2c3d"),
                    "blackhole",
                )
            },
            calm,
            expect("at_risk", 1, "inferred", &["blackhole", "probe-failed"]),
        ),
        (
            "a_firewall_in_the_default_route",
            || {
                World::tutorial().with_firewall_endpoint("vpce-0f00f00f").with_route(
                    "0.0.0.0/0",
                    Target::gateway("vpce-0f00f00f"),
                    "active",
                )
            },
            calm,
            expect("off_net", 2, "consistent", &["no-endpoint"]),
        ),
        (
            "a_customer_managed_list_with_a_longer_entry",
            || World::on_net().with_list("pl-0123456789abcdef0", &["52.94.0.0/24"], Target::nat("nat-0a1b2c3d")),
            calm,
            expect("off_net", 2, "consistent", &["overlapping-prefix-lists", "partly-diverted"]),
        ),
        (
            "a_customer_managed_list_that_may_not_be_read",
            || World::on_net().with_list("pl-0123456789abcdef0", &["10.0.0.0/8"], Target::nat("nat-0a1b2c3d")),
            |lab| lab.deny("GetManagedPrefixListEntries"),
            expect("undetermined", 3, "consistent", &["missing-permission"]),
        ),
        (
            "route_tables_that_may_not_be_read",
            World::on_net,
            |lab| lab.deny("DescribeRouteTables"),
            expect("undetermined", 3, "consistent", &["missing-permission"]),
        ),
        (
            "endpoints_that_may_not_be_read",
            World::on_net,
            |lab| lab.deny("DescribeVpcEndpoints"),
            expect("undetermined", 3, "consistent", &["missing-permission"]),
        ),
        (
            "prefix_lists_that_may_not_be_read_by_one_api_are_read_by_the_other",
            World::on_net,
            |lab| lab.deny("DescribePrefixLists"),
            expect("on_net", 0, "consistent", &[]),
        ),
        (
            "an_ec2_api_that_leaves_out_what_it_may",
            || {
                let mut world = World::on_net();
                world.omits = &["cidrSet", "propagatingVgwSet", "requesterManaged", "tagSet"];
                world
            },
            calm,
            expect("on_net", 0, "consistent", &[]),
        ),
        (
            "an_endpoint_whose_type_is_left_out",
            || {
                let mut world = World::on_net();
                world.omits = &["vpcEndpointType"];
                world
            },
            calm,
            expect("undetermined", 3, "consistent", &["missing-fact"]),
        ),
        (
            "an_endpoint_associated_a_moment_ago_is_asked_for_once_more",
            || World::on_net().lagging(1),
            calm,
            expect("on_net", 0, "consistent", &[]),
        ),
        (
            "an_endpoint_that_lists_a_table_without_its_route",
            || World::on_net().lagging(u32::MAX),
            calm,
            expect("undetermined", 3, "consistent", &["facts-disagree"]),
        ),
        (
            "an_interface_endpoint_by_a_hosted_zone",
            || {
                World::on_net()
                    .with_interface_endpoint(Ipv4Addr::new(172, 31, 32, 77))
                    .with_addresses(&["172.31.32.77"])
            },
            calm,
            expect("on_net", 0, "consistent", &[]),
        ),
        (
            "a_second_interface_changes_nothing_while_the_kernel_uses_the_first",
            || World::on_net().with_second_interface(),
            calm,
            expect("on_net", 0, "consistent", &[]),
        ),
        (
            "a_second_interface_whose_subnet_has_no_endpoint",
            pods_without_an_endpoint,
            calm,
            expect("on_net", 0, "consistent", &["other-interface-off-net"]),
        ),
        (
            "an_internet_firewall_lets_out_an_interface_without_a_public_address",
            || {
                let mut world = World::tutorial().private();
                world.internet_firewall = true;
                world
            },
            calm,
            expect("undetermined", 3, "consistent", &["missing-fact", "no-endpoint"]),
        ),
        (
            "a_filtered_route_that_loses",
            || World::on_net().with_route("52.94.0.0/16", Target::nat("nat-0a1b2c3d"), "filtered"),
            calm,
            expect("on_net", 0, "consistent", &[]),
        ),
        (
            "credentials_with_an_account_id_bring_a_second_name",
            || {
                let mut world = World::on_net();
                world.account_in_credentials = true;
                world
            },
            calm,
            expect("on_net", 0, "consistent", &[]),
        ),
        (
            "a_search_list_with_a_wildcard_record",
            || World::on_net().with_search_list(Ipv4Addr::new(10, 99, 0, 5)),
            calm,
            expect("off_net", 2, "consistent", &["address-not-in-prefix-list", "resolution-differs"]),
        ),
        (
            "a_search_list_with_a_wildcard_record_for_a_name_that_has_dots_enough",
            || {
                let mut world = World::on_net().with_search_list(Ipv4Addr::new(10, 99, 0, 5));
                world.resolver_options = "search apps.corp.example\n";
                world
            },
            calm,
            expect("on_net", 0, "consistent", &[]),
        ),
        (
            "a_private_subnet_without_any_way_out",
            || World::tutorial().private().isolated(),
            calm,
            expect("undetermined", 3, "inferred", &["ec2-unreachable", "probe-failed"]),
        ),
    ]
}

pub(crate) fn trials(namespaces: bool) -> Vec<Trial> {
    let check = |(name, world, disturb, expected): (&str, Prepare, Disturb, Expected)| {
        Trial::test(format!("check::{name}"), move || check(world(), disturb, &expected)).with_ignored_flag(!namespaces)
    };
    let others: [(&str, Test); 10] = [
        ("check::all_interfaces_shows_the_prefixes_of_pods", prefixes),
        ("check::secondary_addresses_without_a_public_one_have_a_row", secondary_addresses),
        ("check::an_endpoints_policy_that_allows_reading_only", endpoint_policy),
        ("check::names_that_are_given_are_judged_too", given_names),
        ("check::a_gate_opens_where_traffic_is_known_to_be_on_net_and_nowhere_else", gates),
        ("check::a_search_list_in_the_environment", search_list_in_environment),
        ("check::an_exit_node_takes_metadata_the_name_server_or_dynamodb", exit_node),
        ("judge::a_saved_round_is_judged_as_it_was", saved_round),
        ("audit::agrees_with_check_and_explain", audit_and_explain),
        ("check::waits_until_the_path_is_right_or_for_as_long_as_it_may", waits),
    ];
    worlds().into_iter().map(check).chain(named(others, namespaces)).collect()
}

/// The account-based name counts. That of Streams is reported apart, and asked for no tables.
fn given_names() -> Result<(), Failed> {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let [regional, account, streams] = {
        let world = lab.world();
        [world.dynamodb_host(), world.account_host(), world.streams_host()]
    };
    let (report, exit) = report(&lab, &["check", "--hostname", &account, "--hostname", &streams])?;
    let text = |object: &Value, key: &str| object[key].as_str().unwrap_or_default().to_owned();
    let list = |key: &str| report[key].as_array().cloned().unwrap_or_default();
    let names: Vec<_> =
        list("names").iter().map(|name| ["hostname", "kind", "outcome"].map(|key| text(name, key))).collect();
    let expected = [
        [regional.as_str(), "regional", "on_net"],
        [account.as_str(), "account_based", "on_net"],
        // A gateway endpoint carries packets to the address, and is not known to serve the name.
        [streams.as_str(), "streams", "undetermined"],
    ];
    assert_eq!(names, expected, "{report:#}");
    let mut probes: Vec<_> =
        list("probes").iter().map(|probe| ["hostname", "kind"].map(|key| text(probe, key))).collect();
    probes.sort();
    let expected = [[&*account, "list_tables"], [&*regional, "list_tables"]];
    assert_eq!(probes, expected, "{report:#}");
    assert_eq!((exit, text(&report, "outcome").as_str()), (Some(0), "on_net"), "{report:#}");
    assert_eq!(report["findings"][0]["code"], "name-not-served", "{report:#}");

    let ran = lab.onnet(Path::new(ONNET), &["check", "--hostname", "https://dynamodb.example"])?;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("expected a name without a scheme or port"), "{ran:?}");
    Ok(())
}

/// The endpoint's policy allows reading only: that denies the probe and what a program writes, and changes nothing of the path.
fn endpoint_policy() -> Result<(), Failed> {
    const READ_ONLY: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
        "Action": ["dynamodb:GetItem", "dynamodb:Query"], "Resource": "*"}]}"#;
    let world = World::on_net().with_endpoint_policy(Policy::inline(READ_ONLY)?);
    let endpoint = world.endpoints[0].id.clone();
    let lab = Lab::start(world, Mode::Namespaces)?;
    let arguments = ["check", "--action", "dynamodb:PutItem", "--action", "dynamodb:Query"];
    let (report, exit) = report(&lab, &arguments)?;
    assert_eq!(
        (exit, &report["outcome"], &report["proof"]),
        (Some(0), &json!("on_net"), &json!("proved")),
        "{report:#}"
    );
    let said = json!([{ "endpoint": endpoint, "actions": [
        { "action": "dynamodb:ListTables", "decision": "denied" },
        { "action": "dynamodb:PutItem", "decision": "denied" },
        { "action": "dynamodb:Query", "decision": "allowed" },
    ] }]);
    assert_eq!(report["endpoint_policies"], said, "{report:#}");
    let message = |code: &str| {
        let findings = report["findings"].as_array().into_iter().flatten();
        let mut found = findings.filter(|finding| finding["code"] == code);
        found.next().and_then(|finding| finding["message"].as_str()).unwrap_or_default().to_owned()
    };
    let denied = message("endpoint-policy-denies");
    assert_eq!(denied, format!("the policy of {endpoint} would deny dynamodb:PutItem: no statement allows it"));
    let explained = format!("in the policy of {endpoint}, no statement allows it");
    assert!(message("access-denied").ends_with(&explained), "{report:#}");

    let ran = lab.onnet(Path::new(ONNET), &["check", "--action", "dynamodb:*"])?;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("expected an action of DynamoDB without wildcards"), "{ran:?}");
    Ok(())
}

pub(super) fn report(lab: &Lab, arguments: &[&str]) -> Result<(Value, Option<i32>), Failed> {
    report_with(lab, arguments, &[])
}

/// The same with further environment variables.
pub(super) fn report_with(
    lab: &Lab,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<(Value, Option<i32>), Failed> {
    let ran = lab.onnet_with(Path::new(ONNET), &[arguments, &["--format", "json"]].concat(), environment)?;
    let report = serde_json::from_str(&ran.stdout).map_err(|error| format!("{error}: {ran:?}"))?;
    Ok((report, ran.code))
}

fn check(world: World, disturb: Disturb, expected: &Expected) -> Result<(), Failed> {
    let lab = Lab::start(world, Mode::Namespaces)?;
    disturb(&lab);
    let (report, exit) = report(&lab, &["check", "--timeout", "6s"])?;
    agrees(&report, exit, expected).map(|_| ())
}

/// Compares a report with what is required; every output of it agrees, and no missing fact improves it.
pub(super) fn agrees(report: &Value, exit: Option<i32>, expected: &Expected) -> Result<Report, Failed> {
    let mut codes: Vec<&str> =
        report["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    codes.dedup();
    let said = (report["outcome"].as_str().unwrap(), exit, report["proof"].as_str().unwrap(), codes.as_slice());
    let wanted = (expected.outcome, Some(expected.exit), expected.proof, expected.findings);
    assert_eq!(said, wanted, "{}\n{:#}", report["summary"], report["findings"]);

    let typed: Report = serde_json::from_value(report.clone())?;
    assert_eq!(disagreements(&typed), Vec::<String>::new(), "faces");
    let may_improve = codes.contains(&"facts-disagree") || codes.contains(&"evidence-disagrees");
    let (better, edits) = improvements("lab", &typed.snapshot, &mut fastrand::Rng::with_seed(2026));
    assert!(may_improve || better.is_empty(), "{} of {edits} edits\n{}", better.len(), better.join("\n"));
    Ok(typed)
}

/// `ip` in the instance.
pub(super) fn ip(lab: &Lab, arguments: &str) -> Result<(), Failed> {
    let mut command = lab.command(Path::new("ip"))?;
    let ran = lab::run(command.args(arguments.split(' ')).stderr(Stdio::piped()), PATIENCE)?;
    assert_eq!(ran.code, Some(0), "ip {arguments}: {}", ran.stderr);
    Ok(())
}

/// The child process has `LOCALDOMAIN` and `RES_OPTIONS` of onnet's environment.
fn search_list_in_environment() -> Result<(), Failed> {
    let mut world = World::on_net().with_search_list(Ipv4Addr::new(10, 99, 0, 5));
    world.resolver_options = "";
    let lab = Lab::start(world, Mode::Namespaces)?;
    for (options, exit) in [("ndots:5", 2), ("ndots:1", 0)] {
        let mut command = lab.command(Path::new(ONNET))?;
        command.args(["check", "--timeout", "6s"]).env("LOCALDOMAIN", "apps.corp.example").env("RES_OPTIONS", options);
        let ran = lab::run(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()), PATIENCE)?;
        assert_eq!(ran.code, Some(exit), "{options}: {ran:?}");
        assert_eq!(ran.stdout.contains("resolution-differs"), exit == 2, "{options}: {ran:?}");
    }
    Ok(())
}

/// The rules of a Tailscale exit node: a rule before the main table, and a table with a default route into a tunnel.
fn exit_node() -> Result<(), Failed> {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    for line in [
        "tuntap add dev tun0 mode tun",
        "link set tun0 up",
        "addr add 100.64.0.1/32 dev tun0",
        "route add default dev tun0 table 52",
        "rule add pref 5270 lookup 52",
    ] {
        ip(&lab, line)?;
    }
    // Metadata does not answer here, so no second attempt is made.
    lab.set_fault(Service::Imds, Some(Fault::Silence));
    let said = |outcome: &str, parts: &[&str]| -> Result<(), Failed> {
        let (report, _) = report(&lab, &["check", "--timeout", "6s"])?;
        let text = format!("{}\n{:#}", report["summary"], report["findings"]);
        assert_eq!(report["outcome"], outcome, "{text}");
        assert!(parts.iter().all(|part| report["summary"].as_str().unwrap().contains(part)), "{parts:?} in {text}");
        assert!(!text.contains("hop limit") && !text.contains("is this an EC2"), "{text}");
        Ok(())
    };
    said("undetermined", &["instance metadata", "169.254.169.254 into device tun0"])?;

    lab.set_fault(Service::Imds, None);
    ip(&lab, "rule add pref 5260 to 169.254.169.254 lookup main")?;
    said("undetermined", &["name server 172.31.0.2 into device tun0"])?;

    ip(&lab, "rule add pref 5260 to 172.31.0.2 lookup main")?;
    said("off_net", &["device tun0, which is not a network interface"])
}

/// `--save`, then `judge`: the report is identical.
fn saved_round() -> Result<(), Failed> {
    let lab =
        Lab::start(World::on_net().with_route("52.94.2.0/23", Target::nat("nat-0a"), "active"), Mode::Namespaces)?;
    let file = lab.directory().join("round.json");
    let file = file.to_str().unwrap();
    let (seen, exit) = report(&lab, &["check", "--save", file])?;
    let (judged, again) = report(&lab, &["judge", file])?;
    assert_eq!(exit, Some(1), "{}", seen["summary"]);
    assert_eq!((judged, again), (seen, exit));
    Ok(())
}

/// `--wait`: checks again until the route exists, and at the deadline returns the last result.
fn waits() -> Result<(), Failed> {
    let lab = Lab::start(World::tutorial(), Mode::Namespaces)?;
    let gave_up = lab.onnet(Path::new(ONNET), &["check", "--format", "nagios", "--wait", "1500ms"])?;
    assert_eq!(gave_up.code, Some(2), "{gave_up:?}");
    assert_eq!(gave_up.stderr.matches("onnet: off_net, waiting: ").count(), 1, "a state is reported once: {gave_up:?}");

    let service = lab.world().dynamodb_service();
    let looked = || lab.requests().iter().filter(|seen| seen.service == Service::Ec2).count();
    let before = looked();
    let waited = std::thread::scope(|scope| {
        let waiting =
            scope.spawn(|| lab.onnet(Path::new(ONNET), &["check", "--format", "nagios", "--wait", "forever"]));
        while looked() < before + 3 {
            std::thread::yield_now();
        }
        lab.edit(|world| world.create_endpoint("Gateway", &service, &[MAIN_TABLE.to_owned()]))
            .map_err(|refused| refused.message)?;
        waiting.join().unwrap().map_err(|error| error.to_string())
    })?;
    assert_eq!(waited.code, Some(0), "{waited:?}");
    assert!(waited.stdout.contains("goes through gateway endpoint vpce-"), "{waited:?}");
    Ok(())
}

/// `--wait` ends at once in the worlds where it may, and waits in every other world.
fn gates() -> Result<(), Failed> {
    let nat = || Target::nat("nat-0a1b2c3d");
    let tie: Prepare = || {
        // An entry of equal length: AWS may choose either.
        World::on_net().with_list("pl-0123456789abcdef0", &["52.119.224.0/20"], Target::nat("nat-0a1b2c3d"))
    };
    let worlds: [(&str, World, i32, bool); 6] = [
        ("on-net", World::on_net(), 0, true),
        (
            "part of the list is known to go elsewhere",
            World::on_net().with_route("52.119.224.0/20", nat(), "active"),
            1,
            true,
        ),
        ("a tie for part of the list", tie(), 1, false),
        ("the endpoint and the table disagree", World::on_net().lagging(u32::MAX), 3, false),
        ("the address in use is dropped", World::on_net().with_route("52.94.0.0/23", nat(), "blackhole"), 2, false),
        ("the EC2 API is out of reach", World::on_net().private().isolated(), 3, false),
    ];
    for (name, world, code, opens) in worlds {
        let lab = Lab::start(world, Mode::Namespaces)?;
        let arguments = ["check", "--format", "nagios", "--timeout", "1500ms", "--wait", "3s"];
        let ran = lab.onnet(Path::new(ONNET), &arguments)?;
        assert_eq!((ran.code, !ran.stderr.contains("waiting: ")), (Some(code), opens), "{name}: {ran:?}");
    }
    Ok(())
}

/// Three commands have the same verdict.
fn audit_and_explain() -> Result<(), Failed> {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let (seen, _) = report(&lab, &["check"])?;
    let (audit, exit) = report(&lab, &["audit"])?;
    assert_eq!(exit, Some(0), "{audit:#}");
    let subnet = seen["instance"]["subnet"].as_str().unwrap();
    let audited = audit["subnets"].as_array().unwrap().iter().find(|audited| audited["subnet"] == subnet).unwrap();
    assert_eq!(audited["coverage"], seen["coverage"]);

    let (explained, exit) = report(&lab, &["explain", "52.94.0.10"])?;
    assert_eq!(exit, Some(0), "{explained:#}");
    assert_eq!(explained["subnet"], subnet, "this instance's own");
    assert_eq!(explained["target"], seen["addresses"][0]["target"]);

    lab.edit(|world| {
        world.create_route(
            MAIN_TABLE,
            "52.94.0.0/22".parse().map(crate::lab::world::Destination::Cidr).unwrap(),
            Target::nat("nat-0a"),
        )
    })
    .map_err(|refused| refused.message)?;
    for (arguments, code) in [(vec!["check"], 2), (vec!["audit"], 1), (vec!["explain", "52.94.0.10"], 2)] {
        let (answer, exit) = report(&lab, &arguments)?;
        assert_eq!(exit, Some(code), "{arguments:?}: {answer:#}");
    }
    Ok(())
}
