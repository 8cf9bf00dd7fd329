//! IPv6: DynamoDB's AAAA records and IPv6 list, endpoints by address family, DNS64 and NAT64, subnets of IPv6 alone.

use super::worlds::{Expected, agrees, expect, ip, report_with};
use crate::{
    Done, Test,
    lab::{
        Lab, Mode, World,
        iam::Policy,
        world::{Carrier, DYNAMODB_IPV6, MAIN_TABLE, Target, by_nat64},
    },
    named,
};
use libtest_mimic::Trial;
use onnet::model::{AddressReport, Report};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) fn trials(namespaces: bool) -> Vec<Trial> {
    let tests: [(&str, Test); 4] = [
        ("ipv6::a_tunnel_gives_a_subnet_of_ipv6_alone_ipv4", tunnel),
        ("ipv6::the_command_of_the_finding_makes_the_endpoint_carry_both_families", both_families),
        ("ipv6::an_audit_judges_what_a_subnets_programs_can_use", audited),
        ("ipv6::dynamodb_sees_the_endpoint_and_the_source_address", arrivals),
    ];
    let cases = cases().into_iter().map(|case| {
        let name = format!("ipv6::{}", case.name);
        Trial::test(name, move || check(&case)).with_ignored_flag(!namespaces)
    });
    cases.chain(named(tests, namespaces)).collect()
}

/// SDKs then use names that have AAAA records.
const DUAL_STACK: (&str, &str) = ("AWS_USE_DUALSTACK_ENDPOINT", "true");

/// Instance metadata at its IPv6 address.
const METADATA: (&str, &str) = ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6");

const NAT: &str = "nat-0a1b2c3d";

/// A world, onnet's environment in it, and the required result.
struct Case {
    name: &'static str,
    world: fn() -> World,
    environment: &'static [(&'static str, &'static str)],
    expected: Expected,
    /// Each address in use, and where it goes.
    addresses: &'static [&'static str],
    /// The commands of all findings.
    fixes: &'static [&'static str],
}

const SERVE_IPV6: &[&str] =
    &["aws ec2 modify-vpc-endpoint --vpc-endpoint-id vpce-9b15e2f2 --ip-address-type dualstack"];

/// The addresses of a name with both records, which the endpoint carries.
const BOTH_ON_NET: &[&str] =
    &["52.94.0.10 gateway endpoint vpce-9b15e2f2", "2600:1f70::a gateway endpoint vpce-9b15e2f2"];

/// IPv6 leaves by an egress-only internet gateway, where no other route takes it.
fn with_way_out(world: World) -> World {
    world.with_route("::/0", Target::egress_only("eigw-0a1b2c3d"), "active")
}

/// The resolver translates for the instance, and a NAT gateway in the second subnet carries it.
fn with_nat64(world: World) -> World {
    let subnet = world.subnets[1].id.clone();
    let world = world.with_dns64().with_nat_gateway(NAT, &subnet, Ipv4Addr::new(172, 31, 32, 5));
    world.with_route("64:ff9b::/96", Target::nat(NAT), "active")
}

fn cases() -> Vec<Case> {
    let case = |name, world, environment, expected, addresses| {
        let fixes: &[&str] = &[];
        Case { name, world, environment, expected, addresses, fixes }
    };
    vec![
        case(
            "an_endpoint_of_both_families_and_a_name_with_both_records",
            || World::on_net().with_ipv6().with_address_type("dualstack"),
            &[DUAL_STACK],
            expect("on_net", 0, "consistent", &[]),
            BOTH_ON_NET,
        ),
        case(
            "an_endpoint_of_both_families_that_gives_the_regional_name_both_records",
            || World::on_net().with_ipv6().with_address_type("dualstack").with_record_type("dualstack"),
            &[],
            expect("on_net", 0, "consistent", &[]),
            BOTH_ON_NET,
        ),
        case(
            "an_endpoint_of_both_families_that_gives_ipv6_records_alone",
            || World::on_net().with_ipv6().with_address_type("dualstack").with_record_type("ipv6"),
            &[DUAL_STACK],
            expect("on_net", 0, "consistent", &[]),
            &["2600:1f70::a gateway endpoint vpce-9b15e2f2"],
        ),
        case(
            "an_endpoint_of_ipv4_alone_and_a_name_without_ipv6_records",
            || World::on_net().with_ipv6(),
            &[],
            expect("at_risk", 1, "consistent", &["no-route"]),
            &["52.94.0.10 gateway endpoint vpce-9b15e2f2"],
        ),
        Case {
            fixes: SERVE_IPV6,
            ..case(
                "an_endpoint_of_ipv4_alone_beside_an_egress_only_internet_gateway",
                || with_way_out(World::on_net().with_ipv6().with_address_type("ipv4")),
                &[DUAL_STACK],
                expect("off_net", 2, "consistent", &["partly-diverted"]),
                &[
                    "52.94.0.10 gateway endpoint vpce-9b15e2f2",
                    "2600:1f70::a egress-only internet gateway eigw-0a1b2c3d",
                ],
            )
        },
        Case {
            fixes: SERVE_IPV6,
            ..case(
                "an_endpoint_of_ipv4_alone_without_a_way_out",
                || World::on_net().with_ipv6().with_address_type("ipv4"),
                &[DUAL_STACK],
                expect("at_risk", 1, "inferred", &["no-route", "probe-failed"]),
                &["52.94.0.10 gateway endpoint vpce-9b15e2f2", "2600:1f70::a dropped"],
            )
        },
        Case {
            fixes: SERVE_IPV6,
            ..case(
                "an_endpoint_of_ipv4_alone_without_a_way_out_and_a_name_with_ipv6_records_alone",
                || World::on_net().with_ipv6().with_address_type("ipv4").with_addresses(&["2600:1f70::a"]),
                &[DUAL_STACK],
                expect("dropped", 2, "inferred", &["no-route", "probe-failed"]),
                &["2600:1f70::a dropped"],
            )
        },
        case(
            "nat64_beside_an_endpoint_of_both_families",
            || with_nat64(World::on_net().with_ipv6().with_address_type("dualstack")),
            &[],
            expect("off_net", 2, "consistent", &["address-not-in-prefix-list"]),
            &["52.94.0.10 gateway endpoint vpce-9b15e2f2", "64:ff9b::345e:a NAT gateway nat-0a1b2c3d"],
        ),
        case(
            "dns64_of_a_name_with_ipv6_records_translates_nothing",
            || with_nat64(World::on_net().with_ipv6().with_address_type("dualstack")),
            &[DUAL_STACK],
            expect("on_net", 0, "consistent", &[]),
            BOTH_ON_NET,
        ),
        case(
            "dns64_without_a_route_for_nat64",
            || World::on_net().with_ipv6().with_address_type("dualstack").with_dns64(),
            &[],
            expect("at_risk", 1, "inferred", &["address-not-in-prefix-list", "no-route", "probe-failed"]),
            &["52.94.0.10 gateway endpoint vpce-9b15e2f2", "64:ff9b::345e:a dropped"],
        ),
        case(
            "an_endpoints_policy_denies_what_comes_by_ipv6",
            || {
                let policy = Policy::inline(r#"{"Statement": []}"#).expect("a literal policy");
                let world = World::on_net().with_ipv6().with_address_type("dualstack").with_record_type("ipv6");
                world.with_endpoint_policy(policy)
            },
            &[DUAL_STACK],
            expect("on_net", 0, "proved", &["access-denied"]),
            &["2600:1f70::a gateway endpoint vpce-9b15e2f2"],
        ),
        case(
            "a_subnet_of_ipv6_alone_with_an_endpoint_of_both_families",
            || with_way_out(World::on_net().with_ipv6().without_ipv4().with_address_type("dualstack")),
            &[DUAL_STACK, METADATA],
            expect("on_net", 0, "consistent", &[]),
            &["2600:1f70::a gateway endpoint vpce-9b15e2f2"],
        ),
        Case {
            fixes: &["aws ec2 create-vpc-endpoint --vpc-id vpc-0bbc736e --vpc-endpoint-type Gateway --service-name \
                 com.amazonaws.us-east-1.dynamodb --route-table-ids rtb-0a1b2c3d"],
            ..case(
                "a_subnet_of_ipv6_alone_without_an_endpoint",
                || with_way_out(World::tutorial().with_ipv6().without_ipv4()),
                &[DUAL_STACK, METADATA],
                expect("off_net", 2, "consistent", &["no-endpoint"]),
                &["2600:1f70::a egress-only internet gateway eigw-0a1b2c3d"],
            )
        },
        case(
            "a_subnet_of_ipv6_alone_with_nat64",
            || with_nat64(World::on_net().with_ipv6().without_ipv4().with_address_type("dualstack")),
            &[METADATA],
            expect("off_net", 2, "consistent", &["address-not-in-prefix-list"]),
            &["64:ff9b::345e:a NAT gateway nat-0a1b2c3d"],
        ),
    ]
}

/// Where packets to an address go.
fn said(AddressReport { address, verdict, .. }: &AddressReport) -> String {
    verdict.path().map_or_else(|| format!("{address} {}", verdict.name()), |path| format!("{address} {path}"))
}

fn in_use(report: &Report) -> Vec<String> {
    report.addresses.iter().filter(|address| address.in_use).map(said).collect()
}

fn fixes(report: &Report) -> Vec<&str> {
    report.findings.iter().filter_map(|finding| finding.fix.as_deref()).collect()
}

fn check(Case { world, environment, expected, addresses, fixes: commands, .. }: &Case) -> Done {
    let lab = Lab::start(world(), Mode::Namespaces)?;
    let (report, exit) = report_with(&lab, &["check", "--timeout", "6s"], environment)?;
    let report = agrees(&report, exit, expected)?;
    assert_eq!(
        (in_use(&report), fixes(&report).as_slice()),
        (addresses.iter().map(ToString::to_string).collect(), *commands),
        "{}",
        report.summary
    );
    Ok(())
}

/// The command that the finding has makes the endpoint carry what it did not carry.
fn both_families() -> Done {
    let lab = Lab::start(with_way_out(World::on_net().with_ipv6().with_address_type("ipv4")), Mode::Namespaces)?;
    let arguments = ["check", "--timeout", "6s"];
    let (json, exit) = report_with(&lab, &arguments, &[DUAL_STACK])?;
    let report = agrees(&json, exit, &expect("off_net", 2, "consistent", &["partly-diverted"]))?;
    assert_eq!(fixes(&report), SERVE_IPV6);
    lab.edit(|world| {
        let id = world.endpoints[0].id.clone();
        world.set_address_type(&id, "dualstack")
    })
    .map_err(|refused| refused.message)?;
    let (json, exit) = report_with(&lab, &arguments, &[DUAL_STACK])?;
    let report = agrees(&json, exit, &expect("on_net", 0, "consistent", &[]))?;
    assert_eq!(in_use(&report), BOTH_ON_NET);
    Ok(())
}

/// A records count where the kernel has a route for any program.
fn tunnel() -> Done {
    let prepare = || with_way_out(World::on_net().with_ipv6().without_ipv4().with_address_type("dualstack"));
    let device = ["tuntap add dev tun0 mode tun", "link set tun0 up", "addr add 100.64.0.1/32 dev tun0"];
    let for_all: (&[&str], Expected) = (
        &["route add default dev tun0"],
        expect("off_net", 2, "inferred", &["host-route-diverts", "leaves-by-tunnel", "probe-failed"]),
    );
    let for_one: (&[&str], Expected) = (
        &["route add default dev tun0 table 52", "rule add pref 5270 uidrange 1001-1001 lookup 52"],
        expect("at_risk", 1, "inferred", &["host-route-diverts", "no-route", "probe-failed"]),
    );
    for (lines, expected) in [for_all, for_one] {
        let lab = Lab::start(prepare(), Mode::Namespaces)?;
        for line in device.iter().chain(lines) {
            ip(&lab, line)?;
        }
        let (json, exit) = report_with(&lab, &["check", "--timeout", "6s"], &[DUAL_STACK, METADATA])?;
        agrees(&json, exit, &expected)?;
    }
    Ok(())
}

/// A first subnet of IPv6 alone with DNS64, and a second one with both families.
fn audited() -> Done {
    let world = with_nat64(World::on_net().with_ipv6().without_ipv4().with_address_type("dualstack"));
    let lab = Lab::start(world, Mode::Namespaces)?;
    let (audit, exit) = report_with(&lab, &["audit"], &[METADATA])?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let subnets = audit["subnets"].as_array().into_iter().flatten().map(|subnet| {
        let ranges = subnet["coverage"].as_array().into_iter().flatten();
        let mut ranges: Vec<_> =
            ranges.map(|range| format!("{} {}", text(&range["cidr"]), text(&range["target"]))).collect();
        ranges.truncate(2);
        let codes = subnet["findings"].as_array().into_iter().flatten().map(|finding| text(&finding["code"]));
        (text(&subnet["outcome"]), codes.collect::<Vec<_>>(), ranges)
    });
    let expected = [
        (
            "at_risk".to_owned(),
            vec!["partly-diverted".to_owned()],
            vec!["2600:1f70::/40 vpce-9b15e2f2".to_owned(), format!("64:ff9b::3da:b400/119 {NAT}")],
        ),
        (
            "on_net".to_owned(),
            Vec::new(),
            vec!["3.218.180.0/23 vpce-9b15e2f2".to_owned(), "3.218.182.0/24 vpce-9b15e2f2".to_owned()],
        ),
    ];
    assert_eq!((subnets.collect::<Vec<_>>().as_slice(), exit), (&expected[..], Some(1)), "{audit:#}");

    // Both subnets have IPv6, and the table that leads to the NAT gateway.
    lab.edit(|world| world.omits = &["enableDns64"]);
    let (audit, exit) = report_with(&lab, &["audit"], &[METADATA])?;
    let outcomes = audit["subnets"].as_array().into_iter().flatten().map(|subnet| text(&subnet["outcome"]));
    let (outcomes, said) = (outcomes.collect::<Vec<_>>(), audit["subnets"][0]["findings"].to_string());
    assert_eq!((outcomes, exit), (vec!["undetermined".to_owned(); 2], Some(3)), "{audit:#}");
    assert!(said.contains("missing-fact") && said.contains("the answer has no EnableDns64"), "{said}");
    Ok(())
}

/// The lab's own word: behind NAT64 the NAT gateway's subnet decides, with the gateway's address.
fn arrivals() -> Done {
    let dual_stack = || World::on_net().with_ipv6().with_address_type("dualstack");
    let own = Ipv6Addr::new(0x2600, 0x1f18, 0x1234, 0x5610, 0, 0, 0, 0x10);
    let nat = IpAddr::from([172, 31, 32, 5]);
    let translated = by_nat64(Ipv4Addr::new(52, 94, 0, 10));
    let dissociated = |mut world: World| {
        let id = world.endpoints[0].id.clone();
        world.modify_endpoint(&id, &[], &[MAIN_TABLE.to_owned()]).expect("it is associated");
        world
    };
    for (what, world, to, endpoint, source) in [
        ("an endpoint of both families", dual_stack(), DYNAMODB_IPV6, true, own.into()),
        ("an endpoint of IPv4 alone", with_way_out(World::on_net().with_ipv6()), DYNAMODB_IPV6, false, own.into()),
        ("a NAT gateway whose subnet has the endpoint", with_nat64(dual_stack()), translated, true, nat),
        ("a NAT gateway whose subnet has none", dissociated(with_nat64(dual_stack())), translated, false, nat),
    ] {
        let arrival = world.arrival(&world.interfaces[0], own.into(), to.into());
        assert_eq!((arrival.endpoint.is_some(), arrival.source), (endpoint, source), "{what}");
    }
    for (what, world, to) in [
        ("no route for IPv6", World::on_net().with_ipv6(), DYNAMODB_IPV6),
        ("no route for NAT64", with_way_out(dual_stack().with_dns64()), translated),
        (
            "a NAT gateway and an address that it does not translate",
            World::on_net().with_ipv6().with_route("::/0", Target::nat(NAT), "active"),
            DYNAMODB_IPV6,
        ),
    ] {
        assert_eq!(world.carrier(&world.interfaces[0], to.into()), Carrier::Nothing, "{what}");
    }
    Ok(())
}
