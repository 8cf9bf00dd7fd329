//! `--gates` in the lab: what EC2 says of the gates beside the routes, and that no outcome depends on a gate.

use super::{witness::behind_nat, worlds::report};
use crate::{
    Done, ONNET, Test,
    lab::{
        self, Lab, Mode, Service, World,
        gates::{AclRule, EgressRule, Exclusion, Gates, SecurityGroup, To},
        world::DYNAMODB_LIST,
    },
    named,
    shown::disagreements,
};
use libtest_mimic::{Failed, Trial};
use onnet::model::{FindingCode, GateKind, GateState, Report};
use std::{collections::BTreeMap, path::Path, process::Stdio, time::Duration};

pub(super) fn trials(namespaces: bool) -> Vec<Trial> {
    let tests: [(&'static str, Test); 6] = [
        ("gates::where_all_is_open_a_check_says_so", open),
        ("gates::of_a_closed_gate_that_lets_a_probe_through_nothing_is_known", answered),
        ("gates::each_missing_permission_leaves_its_gate_unknown_and_no_other", denied),
        ("gates::without_the_setting_nothing_more_is_asked", asked),
        ("gates::an_ec2_api_that_is_out_of_reach_leaves_each_gate_unknown", out_of_reach),
        ("gates::how_a_firewall_treats_the_subnet_decides_without_a_public_address", firewall),
    ];
    let cases = cases().into_iter().map(|case| {
        let name = format!("gates::{}", case.name);
        Trial::test(name, move || check(&case)).with_ignored_flag(!namespaces)
    });
    cases.chain(named(tests, namespaces)).collect()
}

type Prepare = fn() -> World;
type Set = fn(&mut World);

/// A world in which one gate is not as in the others, and what `onnet check --gates` says of it.
struct Case {
    name: &'static str,
    world: Prepare,
    set: Set,
    exit: i32,
    gate: (GateKind, GateState),
    reason: &'static str,
    fix: Option<&'static str>,
}

/// A rule that lets requests out.
fn to(to: To) -> EgressRule {
    EgressRule { protocol: "tcp", ports: Some((443, 443)), to }
}

fn only(gates: &mut Gates, egress: &[EgressRule]) {
    gates.security_groups[0].egress = egress.to_vec();
}

fn cases() -> Vec<Case> {
    use GateKind::{DnsSupport, InternetFirewall, NatGateway, NetworkAcl, PublicAccess, SecurityGroup as Group};
    use GateState::{Closed, Open, Unknown};
    let on_net: Prepare = World::on_net;
    let of_endpoint = |name, set: Set, gate, reason, fix| Case { name, world: on_net, set, exit: 0, gate, reason, fix };
    let to_gateway =
        |name, set: Set, gate, reason| Case { name, world: World::tutorial, set, exit: 2, gate, reason, fix: None };
    let fix = Some(
        "aws ec2 create-vpc-block-public-access-exclusion --subnet-id subnet-0f1e2d3c \
         --internet-gateway-exclusion-mode allow-bidirectional",
    );
    let excluding = |case: Case| Case { fix, ..case };
    let to_nat = |name, set: Set, gate, reason| {
        let world = || behind_nat(World::tutorial());
        Case { name, world, set, exit: 2, gate, reason, fix: None }
    };
    vec![
        of_endpoint(
            "a_security_group_without_rules",
            |world| only(&mut world.gates, &[]),
            (Group, Closed),
            "no rule lets TCP to 52.94.0.10 port 443 out",
            Some(
                "aws ec2 authorize-security-group-egress --group-id sg-0a1b2c3d --ip-permissions \
                 'IpProtocol=tcp,FromPort=443,ToPort=443,PrefixListIds=[{PrefixListId=pl-02cd2c6b}]'",
            ),
        ),
        of_endpoint(
            "a_security_group_that_lets_out_to_the_prefix_list",
            |world| only(&mut world.gates, &[to(To::List(DYNAMODB_LIST))]),
            (Group, Open),
            "rules let requests out",
            None,
        ),
        of_endpoint(
            "a_security_group_that_lets_out_to_a_part_of_the_prefix_list",
            |world| only(&mut world.gates, &[to(To::Cidr("52.94.0.0/22")), to(To::Ipv6("::/0"))]),
            (Group, Closed),
            "no rule lets TCP to 3.218.180.0/23 port 443 out",
            Some(
                "aws ec2 authorize-security-group-egress --group-id sg-0a1b2c3d --ip-permissions \
                 'IpProtocol=tcp,FromPort=443,ToPort=443,PrefixListIds=[{PrefixListId=pl-02cd2c6b}]'",
            ),
        ),
        of_endpoint(
            "a_second_security_group_lets_out_what_the_first_does_not",
            |world| {
                only(&mut world.gates, &[to(To::Group("sg-0a1b2c3d"))]);
                let egress = vec![to(To::Cidr("0.0.0.0/0"))];
                world.gates.security_groups.push(SecurityGroup { id: "sg-0b2c3d4e", egress });
            },
            (Group, Open),
            "rules let requests out",
            None,
        ),
        of_endpoint(
            "a_network_acl_that_denies_requests",
            |world| world.gates.acl.insert(0, AclRule::tcp(90, "deny", "52.94.0.0/22", (443, 443))),
            (NetworkAcl, Closed),
            "acl-0a1b2c3d denies TCP to 52.94.0.10 port 443: rule 90",
            Some(
                "aws ec2 create-network-acl-entry --network-acl-id acl-0a1b2c3d --egress --rule-number 89 --protocol 6 \
                 --port-range From=443,To=443 --cidr-block 52.94.0.0/22 --rule-action allow",
            ),
        ),
        of_endpoint(
            "a_network_acl_that_denies_answers",
            |world| world.gates.acl.push(AclRule::tcp(90, "deny", "0.0.0.0/0", (1024, 65_535)).ingress()),
            (NetworkAcl, Closed),
            "acl-0a1b2c3d denies answers from 52.94.0.10 to ports 32768-60999: rule 90",
            Some(
                "aws ec2 create-network-acl-entry --network-acl-id acl-0a1b2c3d --ingress --rule-number 89 --protocol 6 \
                 --port-range From=32768,To=60999 --cidr-block 52.94.0.0/22 --rule-action allow",
            ),
        ),
        of_endpoint(
            "a_network_acl_without_a_rule_that_allows",
            |world| world.gates.acl.retain(|rule| rule.action == "deny"),
            (NetworkAcl, Closed),
            "acl-0a1b2c3d denies TCP to 52.94.0.10 port 443: no other rule matches",
            Some(
                "aws ec2 create-network-acl-entry --network-acl-id acl-0a1b2c3d --egress --rule-number 32766 --protocol 6 \
                 --port-range From=443,To=443 --cidr-block 52.94.0.0/22 --rule-action allow",
            ),
        ),
        of_endpoint(
            "dns_support_that_is_off",
            |world| world.gates.dns_support = false,
            (DnsSupport, Unknown),
            "enableDnsSupport is off: Amazon's name servers do not answer; names are resolved here all the same",
            None,
        ),
        of_endpoint(
            "dns_hostnames_that_are_off",
            |world| world.gates.dns_hostnames = false,
            (DnsSupport, Open),
            "enableDnsSupport is on, enableDnsHostnames is off: private names of interface endpoints are not resolved",
            None,
        ),
        excluding(to_gateway(
            "public_access_that_is_blocked",
            |world| world.gates.public_access = "block-bidirectional",
            (PublicAccess, Closed),
            "it is in mode block-bidirectional, and no exclusion exempts subnet-0f1e2d3c or its VPC",
        )),
        to_gateway(
            "public_access_with_an_exclusion_of_the_vpc",
            |world| {
                world.gates.public_access = "block-bidirectional";
                let vpc = world.vpc.clone();
                exclude(world, vpc, "create-complete");
            },
            (PublicAccess, Open),
            "it is in mode block-bidirectional, with exclusion vpcbpa-exclude-0a1b2c3d (allow-egress, create-complete)",
        ),
        to_gateway(
            "public_access_with_an_exclusion_of_the_subnet_that_is_not_in_effect_yet",
            |world| {
                world.gates.public_access = "block-bidirectional";
                let subnet = world.subnets[0].id.clone();
                exclude(world, subnet, "create-in-progress");
            },
            (PublicAccess, Unknown),
            "it is in mode block-bidirectional; exclusion vpcbpa-exclude-0a1b2c3d (allow-egress, create-in-progress) may let \
             requests through",
        ),
        excluding(to_gateway(
            "public_access_with_an_exclusion_of_another_subnet",
            |world| {
                world.gates.public_access = "block-bidirectional";
                let subnet = world.subnets[1].id.clone();
                exclude(world, subnet, "create-complete");
            },
            (PublicAccess, Closed),
            "it is in mode block-bidirectional, and no exclusion exempts subnet-0f1e2d3c or its VPC",
        )),
        to_gateway(
            "a_firewall_that_inspects_the_subnets_traffic",
            |world| world.internet_firewall = true,
            (InternetFirewall, Unknown),
            "its rules decide, which onnet does not read (flexible)",
        ),
        to_gateway(
            "a_firewall_that_leaves_the_subnet_out",
            |world| {
                world.internet_firewall = true;
                world.gates.connectivity = "exclude";
            },
            (InternetFirewall, Open),
            "it does not inspect the subnet's traffic (exclude)",
        ),
        to_nat(
            "public_access_that_is_blocked_on_the_way_in",
            |world| world.gates.public_access = "block-ingress",
            (PublicAccess, Open),
            "it blocks only what comes in, and this path only sends",
        ),
        to_nat(
            "a_nat_gateway_in_another_zone",
            |world| world.subnets[1].zone = 'b',
            (NatGateway, Open),
            "public, in us-east-1b, and the instance is in us-east-1a: traffic between zones is charged too",
        ),
        to_nat(
            "a_regional_nat_gateway",
            |world| world.gates.nat_gateways[0].availability = "regional",
            (NatGateway, Open),
            "public, regional",
        ),
        to_nat(
            "a_private_nat_gateway",
            |world| world.gates.nat_gateways[0].connectivity = "private",
            (NatGateway, Closed),
            "it is private: it has no public address, and the internet gateway behind it drops what it sends",
        ),
        to_nat(
            "a_nat_gateway_that_has_failed",
            |world| world.gates.nat_gateways[0].state = "failed",
            (NatGateway, Closed),
            "its state is failed",
        ),
        to_nat(
            "a_nat_gateway_with_a_proxy",
            |world| world.gates.nat_gateways[0].has_proxy = true,
            (NatGateway, Unknown),
            "its appliance decides: network-firewall-proxy",
        ),
        to_nat(
            "a_nat_gateway_that_ec2_does_not_list",
            |world| world.gates.nat_gateways.clear(),
            (NatGateway, Unknown),
            "the answer has no NAT gateway nat-0a1b2c3d",
        ),
    ]
}

fn exclude(world: &mut World, resource: String, state: &'static str) {
    let id = "vpcbpa-exclude-0a1b2c3d";
    world.gates.exclusions.push(Exclusion { id, resource, mode: "allow-egress", state });
}

/// The report of a check, and its exit code.
fn seen(lab: &Lab, more: &[&str]) -> Result<(Report, Option<i32>), Failed> {
    let (json, exit) = report(lab, &[&["check", "--timeout", "6s"], more].concat())?;
    Ok((serde_json::from_value(json)?, exit))
}

/// What no gate may change.
fn said((report, exit): &(Report, Option<i32>)) -> String {
    let others = report.findings.iter().filter(|finding| finding.code != FindingCode::GateClosed);
    let findings: Vec<String> =
        others.map(|finding| format!("{} {}", finding.severity.name(), finding.message)).collect();
    let Report { outcome, proof, summary, .. } = report;
    format!("{outcome} {} {exit:?} {summary}\n{}", proof.name(), findings.join("\n"))
}

/// The gates that are not open.
fn shut(report: &Report) -> Vec<(GateKind, GateState, &str)> {
    let shut = report.gates.iter().filter(|gate| gate.state != GateState::Open);
    shut.map(|gate| (gate.gate, gate.state, gate.reason.as_str())).collect()
}

/// The messages about closed gates.
fn found(report: &Report) -> Vec<&str> {
    let of_gates = report.findings.iter().filter(|finding| finding.code == FindingCode::GateClosed);
    of_gates.map(|finding| finding.message.as_str()).collect()
}

/// Without a probe: the lab's packets pass every gate, and a probe that is answered would say so.
fn check(Case { world, set, exit, gate: (kind, state), reason, fix, .. }: &Case) -> Done {
    let lab = Lab::start(world(), Mode::Namespaces)?;
    lab.edit(set);
    let without = seen(&lab, &["--probe", "none"])?;
    assert_eq!((without.1, without.0.gates.len()), (Some(*exit), 0), "{}", without.0.summary);
    let with = seen(&lab, &["--probe", "none", "--gates"])?;
    assert_eq!(said(&with), said(&without));

    let (report, _) = with;
    let gate = report.gates.iter().find(|gate| gate.gate == *kind).ok_or("the gate is not in the report")?;
    assert_eq!((gate.state, gate.reason.as_str(), gate.fix.as_deref()), (*state, *reason, *fix), "{:#?}", report.gates);
    // What is not known of a NAT gateway leaves open what stands behind its subnet, too.
    let shut = shut(&report);
    assert_eq!(shut.is_empty(), *state == GateState::Open, "{:#?}", report.gates);
    assert!(shut.iter().all(|(other, _, why)| other == kind || why == reason), "{:#?}", report.gates);
    let messages =
        Vec::from_iter((*state == GateState::Closed).then(|| format!("{} {}: {reason}", kind.title(), gate.of)));
    assert_eq!(found(&report), messages);
    let commands: Vec<&str> = report
        .findings
        .iter()
        .filter(|finding| finding.code == FindingCode::GateClosed)
        .filter_map(|finding| finding.fix.as_deref())
        .collect();
    assert_eq!(commands, Vec::from_iter(*fix));
    assert_eq!(disagreements(&report), Vec::<String>::new(), "faces");
    Ok(())
}

fn open() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let without = seen(&lab, &[])?;
    let with = seen(&lab, &["--gates"])?;
    assert_eq!(said(&with), said(&without));
    let (report, exit) = with;
    assert_eq!((report.outcome.name(), exit, report.findings.len()), ("on_net", Some(0), 0));
    let gates: Vec<String> = report
        .gates
        .iter()
        .map(|gate| format!("{} {} {}: {}", gate.state, gate.gate.name(), gate.of, gate.reason))
        .collect();
    assert_eq!(
        gates,
        [
            "open security_group sg-0a1b2c3d of eni-0d2f4e6a: rules let requests out",
            "open network_acl of subnet-0f1e2d3c: acl-0a1b2c3d allows requests, and answers to ports 32768-60999, which Linux \
             uses by default",
            "open dns_support of vpc-0bbc736e: enableDnsSupport is on, enableDnsHostnames is on",
        ]
    );
    let ran = lab.onnet(Path::new(ONNET), &["check", "--gates"])?;
    let text = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("gates open security group sg-0a1b2c3d of eni-0d2f4e6a: rules let"), "{}", ran.stdout);
    Ok(())
}

fn answered() -> Done {
    let rule = |world: &mut World| only(&mut world.gates, &[]);
    let acl = |world: &mut World| world.gates.acl.retain(|rule| rule.action == "deny");
    let blocked = |world: &mut World| world.gates.public_access = "block-bidirectional";
    let private = |world: &mut World| world.gates.nat_gateways[0].connectivity = "private";
    let cases: [(World, Set, GateKind); 4] = [
        (World::on_net(), rule, GateKind::SecurityGroup),
        (World::on_net(), acl, GateKind::NetworkAcl),
        (World::tutorial(), blocked, GateKind::PublicAccess),
        (behind_nat(World::tutorial()), private, GateKind::NatGateway),
    ];
    for (world, set, kind) in cases {
        let lab = Lab::start(world, Mode::Namespaces)?;
        lab.edit(set);
        let without = seen(&lab, &[])?;
        let with = seen(&lab, &["--gates"])?;
        assert_eq!(said(&with), said(&without), "{kind:?}");
        let gates = shut(&with.0);
        let [(of, GateState::Unknown, reason)] = gates[..] else { return Err(format!("{gates:?}").into()) };
        assert_eq!(of, kind);
        assert!(reason.ends_with(", but a probe of 52.94.0.10 was answered"), "{reason}");
        assert!(found(&with.0).is_empty(), "{kind:?}");
    }
    Ok(())
}

fn denied() -> Done {
    let calm: Set = |_| {};
    let blocked: Set = |world| world.gates.public_access = "block-bidirectional";
    let gateway: Prepare = World::tutorial;
    let nat: Prepare = || behind_nat(World::tutorial());
    let cases: [(&str, Prepare, Set, GateKind); 6] = [
        ("DescribeSecurityGroups", gateway, calm, GateKind::SecurityGroup),
        ("DescribeNetworkAcls", gateway, calm, GateKind::NetworkAcl),
        ("DescribeVpcAttribute", gateway, calm, GateKind::DnsSupport),
        ("DescribeSubnets", gateway, calm, GateKind::PublicAccess),
        ("DescribeVpcBlockPublicAccessExclusions", gateway, blocked, GateKind::PublicAccess),
        ("DescribeNatGateways", nat, calm, GateKind::NatGateway),
    ];
    for (action, world, set, kind) in cases {
        let lab = Lab::start(world(), Mode::Namespaces)?;
        lab.edit(set);
        lab.deny(action);
        let without = seen(&lab, &["--probe", "none"])?;
        let with = seen(&lab, &["--probe", "none", "--gates"])?;
        assert_eq!(said(&with), said(&without), "{action}");
        let gates = shut(&with.0);
        // Block Public Access depends on the subnet of a NAT gateway, too.
        assert!(gates.iter().any(|(of, ..)| *of == kind), "{action}: {gates:?}");
        assert!(gates.iter().all(|(of, ..)| *of == kind || kind == GateKind::NatGateway), "{action}: {gates:?}");
        for (_, state, reason) in gates {
            assert_eq!(state, GateState::Unknown, "{action}");
            assert!(reason.ends_with(&format!("denied: ec2:{action}")), "{reason}");
        }
    }
    Ok(())
}

/// How often each action of the EC2 API was asked for since so many requests.
fn actions(lab: &Lab, before: usize) -> BTreeMap<String, usize> {
    let mut actions = BTreeMap::new();
    for seen in lab.requests().into_iter().skip(before).filter(|seen| seen.service == Service::Ec2) {
        *actions.entry(seen.what).or_default() += 1;
    }
    actions
}

fn asked() -> Done {
    let mut world = World::on_net();
    world.page_size = 1_000;
    let lab = Lab::start(world, Mode::Namespaces)?;
    let of_check = |arguments: &[&str], variable: Option<&str>| -> Result<(String, BTreeMap<String, usize>), Failed> {
        let before = lab.requests().len();
        let mut command = lab.command(Path::new(ONNET))?;
        command.args(["check", "--format", "json"]).args(arguments);
        command.envs(variable.map(|value| ("ONNET_GATES", value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let ran = lab::run(&mut command, Duration::from_secs(60))?;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        Ok((ran.stdout, actions(&lab, before)))
    };
    let (json, without) = of_check(&[], None)?;
    assert!(!json.contains("\"gates\""), "{json}");
    let more = [
        ("DescribeNatGateways", 1),
        ("DescribeNetworkAcls", 1),
        ("DescribeSecurityGroups", 1),
        ("DescribeSubnets", 1),
        ("DescribeVpcAttribute", 2),
        ("DescribeVpcBlockPublicAccessExclusions", 1),
    ];
    assert!(more.iter().all(|(action, _)| !without.contains_key(*action)), "{without:?}");
    let mut expected = without;
    expected.extend(more.map(|(action, count)| (action.to_owned(), count)));
    let asking: [(&[&str], Option<&str>); 3] =
        [(&["--gates"], None), (&[], Some("true")), (&["--gates=true"], Some("false"))];
    for (arguments, variable) in asking {
        let (json, with) = of_check(arguments, variable)?;
        assert!(json.contains("\"gates\""), "{json}");
        assert_eq!(with, expected, "{arguments:?} {variable:?}");
    }
    assert_eq!(of_check(&["--gates=false"], Some("true"))?.1.len(), expected.len() - more.len());
    Ok(())
}

fn out_of_reach() -> Done {
    let lab = Lab::start(World::on_net().private().isolated(), Mode::Namespaces)?;
    let without = seen(&lab, &[])?;
    let with = seen(&lab, &["--gates"])?;
    assert_eq!((with.0.outcome, with.1), (without.0.outcome, without.1));
    let unknown = |report: &Report| shut(report).into_iter().map(|(kind, state, _)| (kind, state)).collect::<Vec<_>>();
    let all =
        [GateKind::SecurityGroup, GateKind::NetworkAcl, GateKind::DnsSupport].map(|kind| (kind, GateState::Unknown));
    assert_eq!(unknown(&with.0), all, "{:#?}", with.0.gates);
    assert!(found(&with.0).is_empty());
    Ok(())
}

/// Without a public address: the one verdict that takes what `--gates` reads, for nothing else tells of it.
fn firewall() -> Done {
    for connectivity in ["flexible", "outbound-only"] {
        let mut world = World::tutorial().private();
        world.internet_firewall = true;
        world.gates.connectivity = connectivity;
        let lab = Lab::start(world, Mode::Namespaces)?;
        let (without, _) = seen(&lab, &["--probe", "none"])?;
        assert_eq!(without.outcome.name(), "undetermined", "{connectivity}: {}", without.summary);
        let (with, exit) = seen(&lab, &["--probe", "none", "--gates"])?;
        assert_eq!((with.outcome.name(), exit), ("off_net", Some(2)), "{connectivity}: {}", with.summary);
        let gates: Vec<_> = shut(&with).into_iter().map(|(kind, state, _)| (kind, state)).collect();
        assert_eq!(gates, [(GateKind::InternetFirewall, GateState::Unknown)], "{connectivity}");
    }
    Ok(())
}
