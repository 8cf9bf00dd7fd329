//! `--witness` in the lab: DynamoDB decides the questions by the policies that `onnet policy` prints.

use crate::{
    Done, ONNET, Test,
    lab::{
        Fault, Lab, Mode, Service, World,
        daemon::Daemon,
        iam::{
            Policy,
            matrix::{GUARD, ROLE},
        },
        run,
        world::{Destination, Hop, MAIN_TABLE, Next, Target, VpcEndpoint},
    },
    named,
};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::{fs, net::Ipv4Addr, path::Path, process::Stdio, time::Duration};
use tokio::time::Instant;

pub(super) fn trials(namespaces: bool) -> Vec<Trial> {
    let tests: [(&'static str, Test); 6] = [
        ("witness::policy_prints_what_the_lab_evaluates", prints),
        ("witness::a_check_asks_as_often_as_it_must_and_uses_the_daemons_control", asks),
        ("witness::an_endpoint_that_is_removed_is_noticed_by_its_own_period", removed),
        ("witness::a_local_change_brings_the_questions_forward", local_change),
        ("witness::behind_a_proxy_that_inspects_tls_the_proof_has_a_warning", inspected),
        ("witness::while_all_is_well_only_the_control_is_denied", noise),
    ];
    let worlds = worlds().into_iter().map(|world| {
        let name = format!("witness::{}", world.name);
        Trial::test(name, move || check(world)).with_ignored_flag(!namespaces)
    });
    worlds.chain(named(tests, namespaces)).collect()
}

/// A world, and what `onnet check --witness` has to say of it.
struct Expected {
    name: &'static str,
    world: fn() -> World,
    disturb: fn(&Lab),
    outcome: &'static str,
    exit: i32,
    proof: &'static str,
    path: &'static str,
    /// Exactly these codes, in alphabetical order.
    findings: &'static [&'static str],
}

fn policy(text: &str) -> Policy {
    Policy::inline(text).unwrap()
}

fn with_policy(world: World) -> World {
    world.with_role_policies([policy(ROLE)])
}

/// The instance's subnet has a table of its own that sends everything through `target`.
fn through(world: World, target: Target) -> World {
    let mut world = world.with_explicit_table("rtb-0e5b1a2c");
    world.route_tables[1].routes.retain(|route| route.target.id == "local");
    world.create_route("rtb-0e5b1a2c", Destination::Cidr("0.0.0.0/0".parse().unwrap()), target).unwrap();
    world
}

/// The table of the NAT gateway's subnet leads to an endpoint, where the VPC has one.
pub(super) fn behind_nat(world: World) -> World {
    let subnet = world.subnets[1].id.clone();
    through(world, Target::nat("nat-0a1b2c3d")).with_nat_gateway("nat-0a1b2c3d", &subnet, Ipv4Addr::new(172, 31, 32, 5))
}

fn endpoint_only() -> World {
    with_policy(World::endpoint_only())
}

const ALL: &str =
    r#"{ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*" } }"#;

/// The same policy with literal variables.
fn of_2008() -> Policy {
    policy(&ROLE.replace("2012-10-17", "2008-10-17"))
}

fn worlds() -> Vec<Expected> {
    let calm: fn(&Lab) = |_| {};
    let world = |name, world, outcome, exit, proof, path, findings| Expected {
        name,
        world,
        disturb: calm,
        outcome,
        exit,
        proof,
        path,
        findings,
    };
    vec![
        world("endpoint_and_tables", || with_policy(World::on_net()), "on_net", 0, "proved", "gateway_endpoint", &[]),
        world(
            "endpoint_only_subnet",
            endpoint_only,
            "at_risk",
            1,
            "proved",
            "vpc_endpoint_testified",
            &["coverage-unknown", "ec2-unreachable"],
        ),
        world(
            "no_endpoint",
            || with_policy(World::tutorial()),
            "off_net",
            2,
            "proved",
            "internet_gateway",
            &["no-endpoint"],
        ),
        world(
            "nat_gateway_before_an_endpoint",
            || behind_nat(with_policy(World::on_net())),
            "off_net",
            2,
            "consistent",
            "nat_gateway",
            &["endpoint-not-associated"],
        ),
        world(
            "nat_gateway_before_no_endpoint",
            || behind_nat(with_policy(World::tutorial())),
            "off_net",
            2,
            "proved",
            "nat_gateway",
            &["no-endpoint"],
        ),
        Expected {
            disturb: |lab| lab.deny("DescribeRouteTables"),
            ..world(
                "nat_gateway_before_an_endpoint_without_tables",
                || behind_nat(with_policy(World::on_net())),
                "undetermined",
                3,
                "consistent",
                "undetermined",
                &["missing-fact", "missing-permission"],
            )
        },
        world(
            "another_vpcs_endpoint",
            || {
                let other = VpcEndpoint { id: "vpce-0e".to_owned(), vpc: "vpc-0e".to_owned() };
                through(with_policy(World::on_net()), Target::gateway("tgw-0a")).with_hop(Hop {
                    id: "tgw-0a".to_owned(),
                    source: None,
                    next: Next::Endpoint(other),
                })
            },
            "off_net",
            2,
            "consistent",
            "transit_gateway",
            &["endpoint-not-associated", "testimony-unclear"],
        ),
        world(
            "appliance_before_an_endpoint",
            || {
                let world = with_policy(World::on_net());
                let subnet = world.subnets[1].id.clone();
                through(world, Target::gateway("eni-0f")).with_hop(Hop {
                    id: "eni-0f".to_owned(),
                    source: None,
                    next: Next::Subnet(subnet),
                })
            },
            "at_risk",
            1,
            "proved",
            "vpc_endpoint_testified",
            &["coverage-unknown", "endpoint-not-associated", "hop-before-endpoint"],
        ),
        world(
            "endpoint_in_the_tables_and_requests_through_none",
            || with_policy(World::on_net()).unlike_the_tables(None),
            "off_net",
            2,
            "proved",
            "no_endpoint_testified",
            &["evidence-disagrees"],
        ),
        world(
            "no_endpoint_in_the_tables_and_requests_through_one",
            || {
                let world = with_policy(World::tutorial());
                let own = VpcEndpoint { id: "vpce-0e".to_owned(), vpc: world.vpc.clone() };
                world.unlike_the_tables(Some(own))
            },
            "undetermined",
            3,
            "inferred",
            "internet_gateway",
            &["evidence-disagrees", "no-endpoint"],
        ),
        world(
            "interface_endpoint",
            || {
                with_policy(World::tutorial().with_interface_endpoint(Ipv4Addr::new(172, 31, 32, 9)))
                    .with_addresses(&["172.31.32.9"])
            },
            "at_risk",
            1,
            "proved",
            "interface_endpoint",
            &["no-endpoint"],
        ),
        world(
            "policy_not_attached",
            World::on_net,
            "at_risk",
            1,
            "consistent",
            "gateway_endpoint",
            &["testimony-unclear"],
        ),
        world(
            "literal_variables",
            || World::on_net().with_role_policies([of_2008()]),
            "at_risk",
            1,
            "consistent",
            "gateway_endpoint",
            &["testimony-unclear"],
        ),
        world(
            "role_that_allows_everything",
            || World::on_net().with_role_policies([policy(ALL)]),
            "at_risk",
            1,
            "consistent",
            "gateway_endpoint",
            &["testimony-unclear"],
        ),
        world(
            "role_that_allows_everything_with_the_guard",
            || World::on_net().with_role_policies([policy(ALL), policy(GUARD)]),
            "on_net",
            0,
            "proved",
            "gateway_endpoint",
            &[],
        ),
        world(
            "role_that_allows_everything_with_the_guard_and_no_endpoint",
            || World::tutorial().with_role_policies([policy(ALL), policy(GUARD)]),
            "off_net",
            2,
            "proved",
            "internet_gateway",
            &["no-endpoint"],
        ),
        Expected {
            disturb: |lab| lab.world().tables.push("onnet-witness.direct".to_owned()),
            ..world(
                "table_of_that_name",
                || World::tutorial().with_role_policies([policy(ROLE)]),
                "off_net",
                2,
                "consistent",
                "internet_gateway",
                &["no-endpoint", "testimony-unclear"],
            )
        },
        Expected {
            disturb: |lab| lab.set_fault(Service::DynamoDb, Some(Fault::Throttle)),
            ..world(
                "throttled",
                || with_policy(World::on_net()),
                "at_risk",
                1,
                "consistent",
                "gateway_endpoint",
                &["probe-failed", "testimony-unclear"],
            )
        },
        Expected {
            disturb: |lab| {
                lab.world().policies.boundary = Some(policy(&ALL.replace("dynamodb:*", "dynamodb:ListTables")))
            },
            ..world(
                "permissions_boundary",
                || with_policy(World::on_net()),
                "at_risk",
                1,
                "consistent",
                "gateway_endpoint",
                &["testimony-unclear"],
            )
        },
    ]
}

fn report(lab: &Lab, arguments: &[&str]) -> Result<(Value, Option<i32>), Failed> {
    let ran = lab.onnet(Path::new(ONNET), &[arguments, &["--format", "json"]].concat())?;
    let report = serde_json::from_str(&ran.stdout).map_err(|error| format!("{error}: {ran:?}"))?;
    Ok((report, ran.code))
}

fn check(expected: Expected) -> Done {
    let lab = Lab::start((expected.world)(), Mode::Namespaces)?;
    (expected.disturb)(&lab);
    let (report, exit) = report(&lab, &["check", "--witness", "--timeout", "6s"])?;
    let mut codes: Vec<&str> =
        report["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    codes.dedup();
    let address = &report["addresses"][0];
    let path = address["path"].as_str().or(address["verdict"].as_str());
    let found = (report["outcome"].as_str(), exit, report["proof"].as_str(), path, codes.as_slice());
    let Expected { outcome, exit, proof, path, findings, .. } = expected;
    assert_eq!(found, (Some(outcome), Some(exit), Some(proof), Some(path), findings), "{report:#}");
    Ok(())
}

fn prints() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    for (arguments, expected) in [(vec!["policy"], ROLE), (vec!["policy", "--guard"], GUARD)] {
        let ran = lab.onnet(Path::new(ONNET), &arguments)?;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), expected), "{ran:?}");
    }
    let ran = lab.onnet(Path::new(ONNET), &["policy", "--partition", "aws-cn", "--format", "terraform"])?;
    assert!(ran.stdout.contains("arn:aws-cn:dynamodb:*:*:table/onnet-witness.vpc.&{aws:SourceVpc}"), "{ran:?}");
    lab.set_fault(Service::Imds, Some(Fault::Silence));
    let ran = lab.onnet(Path::new(ONNET), &["policy"])?;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{ran:?}");
    assert!(ran.stderr.contains("give --partition aws, aws-cn or aws-us-gov"), "{ran:?}");
    Ok(())
}

/// The proxy's authority is in `AWS_CA_BUNDLE`, as companies do it. Without the bundle there is no connection at all.
fn inspected() -> Done {
    let lab = Lab::start(with_policy(World::on_net()), Mode::Namespaces)?;
    lab.set_fault(Service::DynamoDb, Some(Fault::UntrustedAuthority));
    let (untold, _) = report(&lab, &["check", "--witness"])?;
    assert_eq!(untold["probes"][0]["result"], "tls_certificate", "{untold:#}");

    let bundle = lab.directory().join("bundle.pem");
    let authorities = [lab.ca_bundle().to_owned(), lab.directory().join("stranger.pem")].map(fs::read_to_string);
    fs::write(&bundle, authorities.into_iter().collect::<Result<String, _>>()?)?;
    let mut command = lab.command(Path::new(ONNET))?;
    command.args(["check", "--witness"]).env("AWS_CA_BUNDLE", &bundle).stdin(Stdio::null()).stdout(Stdio::piped());
    let ran = run(&mut command, crate::lab::daemon::PATIENCE)?;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let text = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in
        ["trust-anchor", "bundle.pem, which AWS_CA_BUNDLE names", "a proxy that inspects TLS could answer", "proved"]
    {
        assert!(text.contains(expected), "{expected}: {}", ran.stdout);
    }
    Ok(())
}

/// Waits for something, for as long as a busy machine may take.
pub(super) fn until(what: &str, is: impl Fn() -> bool) {
    let end = Instant::now() + crate::lab::daemon::PATIENCE;
    while !is() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The tables that DynamoDB was asked for.
fn asked(lab: &Lab) -> Vec<String> {
    let requests = lab.requests().into_iter().filter(|seen| seen.service == Service::DynamoDb);
    let tables = requests.filter_map(|seen| Some(seen.what.strip_prefix("DescribeTable onnet-witness.")?.to_owned()));
    let mut tables: Vec<String> = tables.collect();
    tables.sort();
    tables
}

fn asks() -> Done {
    let lab = Lab::start(with_policy(World::on_net()), Mode::Namespaces)?;
    let endpoint = lab.world().endpoints[0].id.clone();
    let good = [
        "direct".to_owned(),
        format!("endpoint.{endpoint}"),
        "from.172.31.16.10".to_owned(),
        "vpc.vpc-0bbc736e".to_owned(),
    ];
    report(&lab, &["check"])?;
    assert!(asked(&lab).is_empty(), "nothing is asked without --witness");
    report(&lab, &["check", "--witness"])?;
    assert_eq!(asked(&lab), good);

    let _daemon = Daemon::start(&lab, Path::new(ONNET), &["--witness"])?;
    until("the daemon's report is proved", || {
        let status = lab.onnet(Path::new(ONNET), &["status", "--format", "json"]).unwrap();
        status.stdout.contains(r#""proof": "proved""#)
    });
    let before = asked(&lab);
    let (report, exit) = report(&lab, &["check", "--witness"])?;
    assert_eq!((exit, report["proof"].as_str()), (Some(0), Some("proved")), "{report:#}");
    let after = asked(&lab);
    let directs = |asked: &[String]| asked.iter().filter(|table| *table == "direct").count();
    assert_eq!(directs(&after), directs(&before), "the daemon's control is used: {after:?}");
    assert_eq!(after.len(), before.len() + 3, "{after:?}");
    let ran = lab.onnet(Path::new(ONNET), &["check", "--witness"])?;
    let text: Vec<&str> = ran.stdout.split_whitespace().collect();
    assert!(text.join(" ").contains(" ago, and not asked again"), "{}", ran.stdout);
    Ok(())
}

/// EC2 cannot be reached, so nothing but DynamoDB can say that the endpoint is gone.
fn removed() -> Done {
    let lab = Lab::start(endpoint_only(), Mode::Namespaces)?;
    let arguments = ["--witness", "--witness-every", "500ms", "--timeout", "2s"];
    let daemon = Daemon::start(&lab, Path::new(ONNET), &arguments)?;
    let (_, seen) = daemon.outcome(0, "at_risk")?;
    // Another way out, and no endpoint.
    lab.edit(|world| {
        let endpoint = world.endpoints[0].id.clone();
        *world = world.clone().with_route("0.0.0.0/0", Target::nat("nat-0a1b2c3d"), "active");
        world.modify_endpoint(&endpoint, &[], &[MAIN_TABLE.to_owned()]).unwrap();
    });
    lab.deny("DescribeRouteTables");
    let (event, _) = daemon.outcome(seen, "off_net")?;
    assert_eq!(event["path"], "no_endpoint_testified", "{event}");
    Ok(())
}

fn local_change() -> Done {
    let lab = Lab::start(with_policy(World::on_net()), Mode::Namespaces)?;
    // The regular questions come every hour.
    let arguments = ["--witness", "--witness-every", "1h", "--ec2-every", "1h", "--timeout", "2s"];
    let daemon = Daemon::start(&lab, Path::new(ONNET), &arguments)?;
    let (_, seen) = daemon.outcome(0, "on_net")?;
    until("all is asked", || asked(&lab).len() >= 4);
    lab.edit(|world| {
        let endpoint = world.endpoints[0].id.clone();
        world.modify_endpoint(&endpoint, &[], &[MAIN_TABLE.to_owned()]).unwrap();
    });
    lab.deny("DescribeRouteTables");
    let mut command = lab.command(Path::new("ip"))?;
    assert!(command.args(["route", "add", "192.0.2.0/24", "via", "172.31.16.1"]).status()?.success());
    let (event, _) = daemon.outcome(seen, "off_net")?;
    assert_eq!(event["proof"], "proved", "{event}");
    Ok(())
}

/// A day of the default periods, a thousand times as fast, would ask the control 24 times; here it is not due again.
fn noise() -> Done {
    let lab = Lab::start(with_policy(World::on_net()), Mode::Namespaces)?;
    let daemon = Daemon::start(&lab, Path::new(ONNET), &["--witness", "--witness-every", "200ms"])?;
    daemon.outcome(0, "on_net")?;
    let rounds = || asked(&lab).iter().filter(|table| table.starts_with("vpc.")).count();
    until("there are ten rounds", || rounds() >= 10);
    let all = asked(&lab);
    // More than one only where a busy machine let a question fail.
    assert!((1..4).contains(&all.iter().filter(|table| *table == "direct").count()), "{all:?}");
    Ok(())
}
