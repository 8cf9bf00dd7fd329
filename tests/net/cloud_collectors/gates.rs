//! EC2, asked for the gates beside the routes: the facts of good answers, and the gap of each bad one.

use super::{config, keys};
use crate::{
    common::scenario,
    fakes::{
        authority::Authority,
        ec2::{Ec2, good, parameter, refusal},
        fixtures::{ACLS, DNS_HOSTNAMES, DNS_SUPPORT, EXCLUSIONS, GROUPS, NAT_GATEWAYS, SUBNETS},
        server::{Server, Step},
    },
};
use ipnet::IpNet;
use onnet::{
    model::{
        AclRule, Ec2Request, Ec2Result, EgressRule, Gap, GateFacts, Interface, NatGateway, NetworkAcl, Observed, Ports,
        PublicAccess, PublicAccessExclusion, SecurityGroup, SubnetGates, VpcDns, VpcFacts, VpcId,
    },
    observe::ec2::{GateQuery, vpcs_facts},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Barrier, time::Instant};

/// A network interface with these security groups.
fn interface(groups: &[String]) -> Interface {
    let snapshot = scenario("gateway_endpoint_carries_the_whole_list").snapshot;
    let mut interface = snapshot.instance.get().unwrap().interfaces[0].clone();
    (interface.subnet, interface.vpc) = ("subnet-1".into(), "vpc-1".into());
    let value = groups.iter().map(|group| group.as_str().into()).collect();
    interface.security_groups = Observed::Seen { value, at: crate::web::now(), took: Duration::ZERO.into() };
    interface
}

fn query() -> GateQuery {
    GateQuery::of(&[interface(&["sg-1".to_owned(), "sg-2".to_owned()])])
}

async fn facts(server: &Server, query: Option<GateQuery>) -> (VpcFacts, Vec<Ec2Request>) {
    let config = config(&format!("http://{}", server.address), &Authority::new(), keys());
    vpcs_facts(&config, &["vpc-1".into()], "us-east-1", query, Instant::now() + Duration::from_secs(10)).await
}

pub(crate) async fn gates(server: &Server) -> GateFacts {
    *facts(server, Some(query())).await.0.gates.unwrap()
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[tokio::test]
async fn good_answers_become_facts_of_gates() {
    let gates = gates(&Ec2::new().start().await).await;

    let ports = |first, last| Ports { first, last };
    let rules = [
        EgressRule {
            ports: ports(443, 8443),
            ranges: nets(&["10.0.0.0/16", "2001:db8::/32"]),
            prefix_lists: vec!["pl-ddb".into()],
            groups: vec!["sg-2".into()],
        },
        EgressRule { ports: Ports::ALL, ranges: nets(&["0.0.0.0/0"]), prefix_lists: vec![], groups: vec![] },
    ];
    let groups = [
        SecurityGroup { id: "sg-1".into(), egress: rules.to_vec() },
        SecurityGroup { id: "sg-2".into(), egress: Vec::new() },
    ];
    assert_eq!(gates.security_groups.get().unwrap(), &groups, "the rules for UDP and ICMP are left out");

    let rule = |number, allows, range: &str, ports| AclRule { number, allows, range: range.parse().unwrap(), ports };
    let acl = NetworkAcl {
        id: "acl-1".into(),
        subnets: vec!["subnet-1".into(), "subnet-3".into()],
        egress: vec![rule(100, true, "52.94.0.0/16", ports(443, 444)), rule(32_767, false, "0.0.0.0/0", Ports::ALL)],
        ingress: vec![rule(100, true, "0.0.0.0/0", Ports::ALL)],
    };
    assert_eq!(gates.network_acls.get().unwrap(), &[acl], "in the order of their numbers, and not protocol 17");

    let subnets = [
        SubnetGates {
            id: "subnet-1".into(),
            vpc: "vpc-1".into(),
            availability_zone: Some("us-east-1a".into()),
            public_access: Some(PublicAccess::BlockIngress),
            firewall: Some("flexible".into()),
        },
        SubnetGates {
            id: "subnet-2".into(),
            vpc: "vpc-2".into(),
            availability_zone: None,
            public_access: None,
            firewall: None,
        },
    ];
    assert_eq!(gates.subnets.get().unwrap(), &subnets);

    let exclusion = PublicAccessExclusion {
        id: "vpcbpa-exclude-1".into(),
        resource: "arn:aws:ec2:us-east-1:111122223333:subnet/subnet-1".into(),
        mode: "allow-egress".into(),
        state: "create-complete".into(),
    };
    assert_eq!(gates.exclusions.get().unwrap(), &[exclusion]);

    let dns = VpcDns { vpc: "vpc-1".into(), support: true, hostnames: false };
    assert_eq!(gates.dns.get().unwrap(), &[dns]);
}

#[tokio::test]
async fn a_nat_gateway_in_one_zone_has_the_zone_that_its_address_has() {
    let known = gates(&Ec2::new().start().await).await.nat_gateways;
    let nat_gateways = [
        NatGateway {
            id: "nat-1".into(),
            vpc: "vpc-1".into(),
            subnet: Some("subnet-1".into()),
            availability_zone: None,
            state: "available".into(),
            connectivity: Some("public".into()),
            is_regional: false,
            appliances: Vec::new(),
        },
        NatGateway {
            id: "nat-2".into(),
            vpc: "vpc-1".into(),
            subnet: None,
            availability_zone: None,
            state: "pending".into(),
            connectivity: Some("public".into()),
            is_regional: true,
            appliances: vec!["network-firewall-proxy".into()],
        },
    ];
    assert_eq!(known.get().unwrap(), &nat_gateways, "a regional one is in no zone");

    let zone = "<isPrimary>true</isPrimary><availabilityZone>us-east-1b</availabilityZone>";
    let set = NAT_GATEWAYS.replace("<isPrimary>true</isPrimary>", zone);
    let known = gates(&Ec2::new().with_set(NAT_ASKED, &set).start().await).await.nat_gateways;
    assert_eq!(known.get().unwrap()[0].availability_zone.as_deref(), Some("us-east-1b"));
}

/// The requests for the gates, each with what it asks for.
fn asked(server: &Server) -> Vec<String> {
    let of_routes = [
        "DescribeRouteTables",
        "DescribeVpcEndpoints",
        "DescribePrefixLists",
        "DescribeNetworkInterfaces",
        "GetManagedPrefixListEntries",
    ];
    let requests = server.requests.lock().unwrap();
    let mut asked: Vec<String> = requests
        .iter()
        .filter_map(|request| {
            let action = parameter(request, "Action").filter(|action| !of_routes.contains(&action.as_str()))?;
            let names = ["Attribute", "VpcId", "Filter.1.Name", "Filter.1.Value.1", "Filter.1.Value.2", "MaxResults"];
            let given = names.iter().filter_map(|name| parameter(request, name));
            Some(given.fold(action, |text, value| format!("{text} {value}")))
        })
        .collect();
    asked.sort();
    asked
}

#[tokio::test]
async fn each_operation_is_asked_for_what_concerns_the_instance_and_once() {
    let server = Ec2::new().start().await;
    let (_, requests) = facts(&server, Some(query())).await;
    assert_eq!(
        asked(&server),
        [
            "DescribeNatGateways vpc-id vpc-1 1000",
            "DescribeNetworkAcls association.subnet-id subnet-1 1000",
            "DescribeSecurityGroups group-id sg-1 sg-2 1000",
            "DescribeSubnets vpc-id vpc-1 1000",
            "DescribeVpcAttribute enableDnsHostnames vpc-1",
            "DescribeVpcAttribute enableDnsSupport vpc-1",
            "DescribeVpcBlockPublicAccessExclusions 100",
        ]
    );
    assert_eq!(requests.len(), server.requests.lock().unwrap().len(), "each is counted");
}

#[tokio::test]
async fn without_a_query_nothing_is_asked_about_gates() {
    let server = Ec2::new().start().await;
    assert_eq!(facts(&server, None).await.0.gates, None);
    assert_eq!(asked(&server), Vec::<String>::new());
}

/// EC2 holds all answers of the first wave back until all its requests have arrived: were one sent only after another's answer, none
/// would come.
#[tokio::test]
async fn gates_are_asked_for_together_with_the_routes() {
    let (ec2, first) = (Ec2::new(), Arc::new(Barrier::new(3 + 7)));
    let server = Server::plain(move |request| {
        let is_second = ["DescribeNetworkInterfaces", "GetManagedPrefixListEntries"]
            .iter()
            .any(|action| parameter(request, "Action").as_deref() == Some(*action));
        let held = if is_second { Vec::new() } else { vec![Step::Meet(first.clone())] };
        [held, ec2.answer(request)].concat()
    })
    .await;
    let (facts, _) = facts(&server, Some(query())).await;
    let GateFacts { security_groups, network_acls, subnets, exclusions, nat_gateways, dns } = *facts.gates.unwrap();
    let gaps = [
        facts.route_tables.gap(),
        facts.vpc_endpoints.gap(),
        security_groups.gap(),
        network_acls.gap(),
        subnets.gap(),
        exclusions.gap(),
        nat_gateways.gap(),
        dns.gap(),
    ];
    assert_eq!(gaps, [None; 8]);
}

fn read<T>(fact: &Observed<T>) -> Result<(), Gap> {
    fact.get().map(|_| ()).map_err(Clone::clone)
}

/// The fact that an action gives, or why there is none; and how many of the six facts are there.
fn fact_of(gates: GateFacts, action: &str) -> (Result<(), Gap>, usize) {
    let GateFacts { security_groups, network_acls, subnets, exclusions, nat_gateways, dns } = gates;
    let all = [
        ("DescribeSecurityGroups", read(&security_groups)),
        ("DescribeNetworkAcls", read(&network_acls)),
        ("DescribeSubnets", read(&subnets)),
        ("DescribeVpcBlockPublicAccessExclusions", read(&exclusions)),
        ("DescribeNatGateways", read(&nat_gateways)),
        ("DescribeVpcAttribute", read(&dns)),
    ];
    let there = all.iter().filter(|(_, fact)| fact.is_ok()).count();
    let action = action.split(' ').next().unwrap();
    let found = all.into_iter().find(|(of, _)| *of == action).unwrap();
    (found.1, there)
}

/// An action, what is replaced in its good answer and by what (everything, where it is empty), and a part of the gap's words.
type Bad = (&'static str, &'static str, &'static str, &'static str);

const GROUPS_ASKED: &str = "DescribeSecurityGroups";
const ACLS_ASKED: &str = "DescribeNetworkAcls";
const SUBNETS_ASKED: &str = "DescribeSubnets";
const EXCLUSIONS_ASKED: &str = "DescribeVpcBlockPublicAccessExclusions";
const NAT_ASKED: &str = "DescribeNatGateways";
const SUPPORT_ASKED: &str = "DescribeVpcAttribute enableDnsSupport";
const HOSTNAMES_ASKED: &str = "DescribeVpcAttribute enableDnsHostnames";

const BAD: &[Bad] = &[
    (GROUPS_ASKED, "", "", "ec2:DescribeSecurityGroups: the answer has no list"),
    (GROUPS_ASKED, "<groupId>sg-1</groupId>", "", "a security group: "),
    (GROUPS_ASKED, "<ipPermissionsEgress/>", "", "security group sg-2: no IpPermissionsEgress"),
    (GROUPS_ASKED, "<ipProtocol>tcp</ipProtocol>", "", "security group sg-1: "),
    (GROUPS_ASKED, "<fromPort>443</fromPort>", "", "security group sg-1: ports None to Some(8443)"),
    (GROUPS_ASKED, "<toPort>8443</toPort>", "", "security group sg-1: ports Some(443) to None"),
    (GROUPS_ASKED, "<fromPort>443</fromPort>", "<fromPort>-1</fromPort>", "ports Some(-1) to Some(8443)"),
    (GROUPS_ASKED, "<toPort>8443</toPort>", "<toPort>65536</toPort>", "ports Some(443) to Some(65536)"),
    (GROUPS_ASKED, "<toPort>8443</toPort>", "<toPort>442</toPort>", "ports Some(443) to Some(442)"),
    (GROUPS_ASKED, "<toPort>8443</toPort>", "<toPort>https</toPort>", ""),
    (GROUPS_ASKED, "10.0.0.0/16", "10.0.0.0/64", "security group sg-1: "),
    (GROUPS_ASKED, "<cidrIp>10.0.0.0/16</cidrIp>", "", "security group sg-1: "),
    (GROUPS_ASKED, "<cidrIpv6>2001:db8::/32</cidrIpv6>", "", "security group sg-1: "),
    (GROUPS_ASKED, "<prefixListId>pl-ddb</prefixListId>", "", "security group sg-1: "),
    (GROUPS_ASKED, "<groupId>sg-2</groupId></item></groups>", "</item></groups>", "security group sg-1: "),
    (ACLS_ASKED, "", "", "ec2:DescribeNetworkAcls: the answer has no list"),
    (ACLS_ASKED, "<networkAclId>acl-1</networkAclId><vpcId>", "<vpcId>", "a network ACL: "),
    (ACLS_ASKED, "entrySet", "otherSet", "network ACL acl-1: no Entries"),
    (ACLS_ASKED, "<egress>false</egress>", "", "network ACL acl-1: an entry without Egress"),
    (ACLS_ASKED, "<egress>false</egress>", "<egress>perhaps</egress>", ""),
    (ACLS_ASKED, "<protocol>6</protocol>", "", "network ACL acl-1: "),
    (ACLS_ASKED, "<ruleNumber>100</ruleNumber>", "", "network ACL acl-1: RuleNumber None"),
    (ACLS_ASKED, "<ruleNumber>100</ruleNumber>", "<ruleNumber>-1</ruleNumber>", "RuleNumber Some(-1)"),
    (ACLS_ASKED, "<ruleAction>allow</ruleAction>", "<ruleAction>maybe</ruleAction>", "RuleAction Some(\"maybe\")"),
    (ACLS_ASKED, "<ruleAction>allow</ruleAction>", "", "network ACL acl-1, rule 100: RuleAction None"),
    (ACLS_ASKED, "<cidrBlock>52.94.0.0/16</cidrBlock>", "", "network ACL acl-1, rule 100: "),
    (ACLS_ASKED, "52.94.0.0/16", "everywhere", "network ACL acl-1, rule 100: "),
    (ACLS_ASKED, "<portRange><from>443</from><to>444</to></portRange>", "", "rule 100: ports None to None"),
    (ACLS_ASKED, "<to>444</to>", "<to>442</to>", "rule 100: ports Some(443) to Some(442)"),
    (ACLS_ASKED, "<subnetId>subnet-3</subnetId>", "", "network ACL acl-1: "),
    (SUBNETS_ASKED, "", "", "ec2:DescribeSubnets: the answer has no list"),
    (SUBNETS_ASKED, "<subnetId>subnet-1</subnetId>", "", "a subnet: "),
    (SUBNETS_ASKED, "<vpcId>vpc-1</vpcId>", "", "subnet subnet-1: "),
    (EXCLUSIONS_ASKED, "", "", "ec2:DescribeVpcBlockPublicAccessExclusions: the answer has no list"),
    (EXCLUSIONS_ASKED, "<exclusionId>vpcbpa-exclude-1</exclusionId>", "", "an exclusion: "),
    (EXCLUSIONS_ASKED, "resourceArn", "otherArn", "exclusion vpcbpa-exclude-1: "),
    (EXCLUSIONS_ASKED, "internetGatewayExclusionMode", "otherMode", "exclusion vpcbpa-exclude-1: "),
    (EXCLUSIONS_ASKED, "<state>create-complete</state>", "<state/>", "exclusion vpcbpa-exclude-1: "),
    (NAT_ASKED, "", "", "ec2:DescribeNatGateways: the answer has no list"),
    (NAT_ASKED, "<natGatewayId>nat-1</natGatewayId>", "", "a NAT gateway: "),
    (NAT_ASKED, "<vpcId>vpc-1</vpcId>", "", "NAT gateway nat-1: "),
    (NAT_ASKED, "<state>available</state>", "", "NAT gateway nat-1: "),
    (SUPPORT_ASKED, "", "", "the attributes of vpc-1: no enableDnsSupport"),
    (SUPPORT_ASKED, "<value>true</value>", "", "the attributes of vpc-1: no enableDnsSupport"),
    (SUPPORT_ASKED, "<value>true</value>", "<value>yes</value>", ""),
    (SUPPORT_ASKED, "enableDnsSupport", "enableDnsHostnames", "the attributes of vpc-1: no enableDnsSupport"),
    (HOSTNAMES_ASKED, "", "", "the attributes of vpc-1: no enableDnsHostnames"),
    (HOSTNAMES_ASKED, "<value>false</value>", "<value/>", ""),
];

fn good_set(action: &str) -> &'static str {
    match action {
        GROUPS_ASKED => GROUPS,
        ACLS_ASKED => ACLS,
        SUBNETS_ASKED => SUBNETS,
        EXCLUSIONS_ASKED => EXCLUSIONS,
        NAT_ASKED => NAT_GATEWAYS,
        SUPPORT_ASKED => DNS_SUPPORT,
        HOSTNAMES_ASKED => DNS_HOSTNAMES,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_answer_about_a_gate_that_cannot_be_read_is_a_gap_of_that_gate_alone() {
    for &(action, from, to, words) in BAD {
        let set = if from.is_empty() { String::new() } else { good_set(action).replace(from, to) };
        assert_ne!(set, good_set(action), "{action}: {from}");
        let server = Ec2::new().with_set(action, &set).start().await;
        let (fact, there) = fact_of(gates(&server).await, action);
        let gap = fact.expect_err(from);
        assert_eq!((gap.reason(), there), ("malformed", 5), "{action}: {from}: {gap}");
        assert!(gap.to_string().contains(words), "{action}: {from}: {gap}");
    }
}

/// What is new or left out, and no error: it is judged as not known.
#[tokio::test]
async fn values_that_are_new_are_kept_as_they_are() {
    let server = Ec2::new()
        .with_set(SUBNETS_ASKED, &SUBNETS.replace("block-ingress", "block-sideways").replace("flexible", "new-type"))
        .with_set(
            NAT_ASKED,
            &NAT_GATEWAYS.replace("<connectivityType>public</connectivityType>", "").replace("pending", "asleep"),
        )
        .with_set(
            EXCLUSIONS_ASKED,
            &EXCLUSIONS.replace("create-complete", "create-in-doubt").replace("allow-egress", "allow-x"),
        )
        .start()
        .await;
    let gates = gates(&server).await;
    let subnet = &gates.subnets.get().unwrap()[0];
    assert_eq!(subnet.public_access, Some(PublicAccess::Other("block-sideways".into())));
    assert_eq!(subnet.firewall.as_deref(), Some("new-type"));
    let nat = &gates.nat_gateways.get().unwrap()[1];
    assert_eq!((nat.connectivity.as_deref(), nat.state.as_str()), (None, "asleep"));
    let exclusion = &gates.exclusions.get().unwrap()[0];
    assert_eq!((exclusion.mode.as_str(), exclusion.state.as_str()), ("allow-x", "create-in-doubt"));
}

#[tokio::test]
async fn a_connectivity_type_without_a_text_is_none() {
    let set = SUBNETS.replace(">flexible</networkFirewallConnectivityType>", "></networkFirewallConnectivityType>");
    let gates = gates(&Ec2::new().with_set(SUBNETS_ASKED, &set).start().await).await;
    assert_eq!(gates.subnets.get().unwrap()[0].firewall, None);
}

/// As AWS adds them where a VPC gets a range of IPv6.
#[tokio::test]
async fn rules_of_network_acls_for_ipv6_are_read() {
    let rule = |range: &str| {
        format!(
            "<entrySet><item><ruleNumber>101</ruleNumber><protocol>-1</protocol><ruleAction>allow</ruleAction>\
             <egress>false</egress><ipv6CidrBlock>{range}</ipv6CidrBlock></item>"
        )
    };
    let acls = async |range: &str| {
        let set = ACLS.replace("<entrySet>", &rule(range));
        gates(&Ec2::new().with_set(ACLS_ASKED, &set).start().await).await.network_acls
    };
    let read = acls("::/0").await;
    let rules: Vec<_> = read.get().unwrap()[0].ingress.iter().map(|rule| (rule.number, rule.range)).collect();
    assert_eq!(rules, [(100, nets(&["0.0.0.0/0"])[0]), (101, nets(&["::/0"])[0])]);
    assert_eq!(acls("::/129").await.gap().map(Gap::reason), Some("malformed"));
}

#[tokio::test]
async fn protocols_are_read_by_name_and_by_number() {
    for (protocol, rules) in [("6", 2), ("tcp", 2), ("17", 1), ("udp", 1), ("58", 1)] {
        let by = |set: &str, from: &str| {
            set.replace(from, &from.replace("tcp", protocol).replace(">6<", &format!(">{protocol}<")))
        };
        let server = Ec2::new()
            .with_set(GROUPS_ASKED, &by(GROUPS, "<ipProtocol>tcp</ipProtocol>"))
            .with_set(ACLS_ASKED, &by(ACLS, "<protocol>6</protocol>"))
            .start()
            .await;
        let gates = gates(&server).await;
        let found =
            (gates.security_groups.get().unwrap()[0].egress.len(), gates.network_acls.get().unwrap()[0].egress.len());
        assert_eq!(found, (rules, rules), "{protocol}");
    }
}

#[tokio::test]
async fn a_permission_that_is_missing_is_a_gap_of_its_gate_alone() {
    for action in [GROUPS_ASKED, ACLS_ASKED, SUBNETS_ASKED, EXCLUSIONS_ASKED, NAT_ASKED, SUPPORT_ASKED, HOSTNAMES_ASKED]
    {
        let server = Ec2::new().with(action, refusal(403, "UnauthorizedOperation")).start().await;
        let (facts, requests) = facts(&server, Some(query())).await;
        assert!(facts.route_tables.seen().is_some());
        let (fact, there) = fact_of(*facts.gates.unwrap(), action);
        let name = action.split(' ').next().unwrap();
        assert_eq!((fact, there), (Err(Gap::Denied { action: format!("ec2:{name}") }), 5));
        let refused = |request: &&Ec2Request| request.result != Ec2Result::Ok;
        assert_eq!(requests.iter().filter(refused).map(|request| request.operation).collect::<Vec<_>>(), [name]);
    }
}

#[tokio::test]
async fn without_known_groups_none_are_asked_for() {
    let mut interface = interface(&[]);
    let gap = Gap::NotFound { detail: "security-group-ids".into() };
    interface.security_groups = Observed::Unseen(gap);
    let server = Ec2::new().start().await;
    let gates = *facts(&server, Some(GateQuery::of(&[interface]))).await.0.gates.unwrap();
    let (fact, there) = fact_of(gates, GROUPS_ASKED);
    assert!(matches!(fact, Err(Gap::NotTried { .. })), "{fact:?}");
    assert_eq!(there, 5);
    assert!(!asked(&server).iter().any(|request| request.starts_with(GROUPS_ASKED)));
}

#[tokio::test]
async fn one_request_names_two_hundred_security_groups() {
    for (count, expected) in [(200, vec![200]), (201, vec![1, 200])] {
        let groups: Vec<String> = (0..count).map(|number| format!("sg-{number:04}")).collect();
        let server = Ec2::new().with_set(GROUPS_ASKED, "<securityGroupInfo/>").start().await;
        facts(&server, Some(GateQuery::of(&[interface(&groups)]))).await;
        let requests = server.requests.lock().unwrap();
        let of_groups = requests.iter().filter(|r| parameter(r, "Action").as_deref() == Some(GROUPS_ASKED));
        let mut named: Vec<_> = of_groups.map(|request| request.body.matches("=sg-").count()).collect();
        named.sort_unstable();
        assert_eq!(named, expected);
    }
}

#[tokio::test]
async fn the_dns_attributes_of_every_vpc_are_asked_for() {
    let mut other = interface(&["sg-1".to_owned()]);
    other.vpc = "vpc-2".into();
    let query = GateQuery::of(&[interface(&["sg-1".to_owned()]), other]);
    let server = Ec2::new().start().await;
    let config = config(&format!("http://{}", server.address), &Authority::new(), keys());
    let vpcs: [VpcId; 2] = ["vpc-1".into(), "vpc-2".into()];
    let deadline = Instant::now() + Duration::from_secs(10);
    let gates = vpcs_facts(&config, &vpcs, "us-east-1", Some(query), deadline).await.0.gates.unwrap();
    let known: Vec<&str> = gates.dns.get().unwrap().iter().map(|dns| dns.vpc.as_str()).collect();
    assert_eq!(known, ["vpc-1", "vpc-2"]);
    let of_vpcs = asked(&server).into_iter().filter(|request| request.starts_with("DescribeVpcAttribute")).count();
    assert_eq!(of_vpcs, 4);
}

/// Gates that were asked for are not missing from the report: each is unknown.
#[tokio::test]
async fn where_nothing_is_read_the_gates_are_gaps_too() {
    let server = Ec2::new().start().await;
    let config = config(&format!("http://{}", server.address), &Authority::new(), keys());
    let vpcs: Vec<VpcId> = (1..=9).map(|number| format!("vpc-{number}").into()).collect();
    let deadline = Instant::now() + Duration::from_secs(10);
    let (facts, _) = vpcs_facts(&config, &vpcs, "us-east-1", Some(query()), deadline).await;
    let (fact, there) = fact_of(*facts.gates.expect("gates, all unseen"), GROUPS_ASKED);
    assert_eq!((fact.as_ref().map_err(Gap::reason), there), (Err("over_limit"), 0));
}

#[tokio::test]
async fn subnets_on_two_pages_are_all_read() {
    let ec2 = Ec2::new();
    let server = Server::plain(move |request| {
        let page = |id, zone, more: &str| {
            let subnet =
                format!("<subnetId>{id}</subnetId><vpcId>vpc-1</vpcId><availabilityZone>{zone}</availabilityZone>");
            let firewall = "<networkFirewallConnectivityType>exclude</networkFirewallConnectivityType>";
            good(SUBNETS_ASKED, &format!("<subnetSet><item>{subnet}{firewall}</item></subnetSet>{more}"))
        };
        match (parameter(request, "Action").as_deref(), parameter(request, "NextToken").as_deref()) {
            (Some(SUBNETS_ASKED), None) => page("subnet-1", "us-east-1a", "<nextToken>b</nextToken>"),
            (Some(SUBNETS_ASKED), Some("b")) => page("subnet-2", "us-east-1b", ""),
            _ => ec2.answer(request),
        }
    })
    .await;
    let gates = gates(&server).await;
    let found: Vec<_> = gates.subnets.get().unwrap().iter().map(|s| (s.id.as_str(), s.firewall.as_deref())).collect();
    assert_eq!(found, [("subnet-1", Some("exclude")), ("subnet-2", Some("exclude"))]);
}
