//! Rows of a folder, as they come: each field as EC2 writes it or refused, and each fact that two answers have compared.

use crate::folders::{ENDPOINTS, LISTS, LOCAL, MAIN, NAT, PRIVATE, SUBNETS, TO_ENDPOINT, outcome, read, table, tables};
use onnet_core::{
    judge::{explain, explained_outcome},
    model::{Inventory, Observed, Outcome, WithoutEndpoint},
};

fn explained(inventory: &Inventory, address: &str) -> Outcome {
    let explanation = explain(inventory, &"subnet-1".into(), address.parse().unwrap()).unwrap();
    explained_outcome(&explanation)
}

/// A folder in which the subnet's own table has gone, so that the main one with the endpoint serves it; `association` is its
/// association.
fn disassociated(association: &str) -> Result<Outcome, String> {
    let main = r#"[{"Main": true, "AssociationState": {"State": "associated"}}]"#;
    let main = table("rtb-1", main, &[LOCAL, TO_ENDPOINT]);
    let own = PRIVATE.replace(r#"{"Main": false, "SubnetId": "subnet-1", "RouteTableId": "rtb-2"}"#, association);
    outcome(&[("route-tables.json", &tables(&[&main, &own]))])
}

#[test]
fn an_object_is_read_from_an_object_with_the_keys_of_the_cli() {
    let of = |state: &str| format!(r#"{{"Main": false, "SubnetId": "subnet-1", "RouteTableId": "rtb-2", {state}}}"#);
    assert_eq!(disassociated(&of(r#""AssociationState": {"State": "associated"}"#)), Ok(Outcome::OffNet));
    assert_eq!(disassociated(&of(r#""AssociationState": {"State": "disassociated"}"#)), Ok(Outcome::OnNet));
    let refused = [
        (of(r#""AssociationState": {"state": "disassociated"}"#), "state, where the AWS CLI writes State"),
        (of(r#""associationState": {"State": "associated"}"#), "associationState, where the AWS CLI writes"),
        (of(r#""association_state": {}"#), "association_state, where the AWS CLI writes AssociationState"),
        (of(r#""AssociationState": []"#), "invalid type: sequence, expected a state (an object)"),
        (of(r#""AssociationState": ["disassociated"]"#), "invalid type: sequence"),
        (r#"[false, "rtb-2", null, "subnet-1", null, ["associated"]]"#.to_owned(), "invalid type: sequence"),
    ];
    for (association, expected) in refused {
        let error = disassociated(&association).expect_err(&association);
        assert!(error.contains("DIR/route-tables.json") && error.contains(expected), "{association}: {error}");
    }
    let rows = [
        ("subnets.json", r#"{"Subnets": [["subnet-1", "vpc-1"]]}"#.to_owned()),
        ("subnets.json", SUBNETS.replace("CidrBlock", "cidrBlock")),
        ("vpc-endpoints.json", ENDPOINTS.replace("State", "state")),
        ("vpc-endpoints.json", ENDPOINTS.replace(r#""State""#, r#""lastError": {"Message": "x"}, "State""#)),
        ("prefix-lists.json", LISTS.replace("Cidrs", "cidrs")),
        ("pl-1.json", r#"{"Entries": [["52.94.0.0/22"]]}"#.to_owned()),
        ("eni.json", r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "subnetId": "subnet-1"}]}"#.to_owned()),
        ("vpcs.json", r#"{"Vpcs": [{"VpcId": "vpc-1", "cidr_block": "10.0.0.0/16"}]}"#.to_owned()),
    ];
    for (name, text) in rows {
        let error = outcome(&[(name, &text)]).expect_err(&text);
        assert!(error.contains(&format!("DIR/{name}")), "{text}: {error}");
    }
}

/// Without its state, an association that has gone would be in effect; and one in effect would be passed over.
#[test]
fn an_association_without_a_state_counts_only_where_no_other_has_one() {
    let own = |state: &str| format!(r#"{{"SubnetId": "subnet-1", "RouteTableId": "rtb-2"{state}}}"#);
    let states =
        ["", r#", "AssociationState": null"#, r#", "AssociationState": {}"#, r#", "AssociationState": {"State": ""}"#];
    for state in states {
        assert_eq!(disassociated(&own(state)), Ok(Outcome::Undetermined), "{state:?} of its own");
    }

    let main = |state: &str| {
        let main = table("rtb-1", &format!(r#"[{{"Main": true{state}}}]"#), &[LOCAL, TO_ENDPOINT]);
        outcome(&[("route-tables.json", &tables(&[&main]))])
    };
    assert_eq!(main(states[0]), Ok(Outcome::OnNet), "as in older answers");
    assert_eq!(main(states[1]), Ok(Outcome::OnNet));
    assert_eq!(main(states[2]), Ok(Outcome::Undetermined));
    assert_eq!(main(states[3]), Ok(Outcome::Undetermined));
}

/// Of a subnet under another name than its id, the association would be passed over, and the main route table serve it.
#[test]
fn an_association_with_what_is_no_id_leaves_the_vpc_open() {
    let own = |fields: &str| {
        let association =
            format!(r#"{{{fields}, "RouteTableId": "rtb-2", "AssociationState": {{"State": "associated"}}}}"#);
        disassociated(&association)
    };
    assert_eq!(own(r#""SubnetId": "subnet-1""#), Ok(Outcome::OffNet));
    for id in [
        "null",
        "None",
        "$null",
        "x",
        "0",
        "subnet_1",
        "subnet1",
        "subnet-",
        "[subnet-1]",
        "subnet-1,",
        "arn:aws:ec2:us-east-1:1:subnet/subnet-1",
    ] {
        let said = own(&format!(r#""SubnetId": "{id}""#));
        assert!(matches!(said, Ok(Outcome::Undetermined) | Err(_)), "{id}: {said:?}");
    }
    for fields in
        [r#""SubnetId": "", "GatewayId": "x""#, r#""PublicIpv4Pool": "x""#, r#""Main": true, "PublicIpv4Pool": "x""#]
    {
        let said = own(fields);
        assert!(matches!(said, Ok(Outcome::Undetermined) | Err(_)), "{fields}: {said:?}");
    }
    for fields in [r#""GatewayId": "igw-1""#, r#""GatewayId": "vgw-1""#, r#""PublicIpv4Pool": "ipv4pool-ec2-1""#] {
        assert_eq!(own(fields), Ok(Outcome::OnNet), "{fields}");
        // One with a state shows that states are in the answer, whatever the table serves by it.
        for (state, said) in
            [("", Outcome::OnNet), (r#", "AssociationState": {"State": "associated"}"#, Outcome::Undetermined)]
        {
            let edge = format!(r#"{{{fields}, "RouteTableId": "rtb-2"{state}}}"#);
            let edge = PRIVATE.replace(r#"{"Main": false, "SubnetId": "subnet-1", "RouteTableId": "rtb-2"}"#, &edge);
            let main = table("rtb-1", r#"[{"Main": true}]"#, &[LOCAL, TO_ENDPOINT]);
            assert_eq!(outcome(&[("route-tables.json", &tables(&[&main, &edge]))]), Ok(said), "{fields}{state}");
        }
    }
}

#[test]
fn one_table_with_states_and_without_is_one_table() {
    let with = |state: &str| {
        let state = format!(r#""AssociationState": {{"State": "{state}"}}"#);
        PRIVATE.replace(r#""RouteTableId": "rtb-2"}]"#, &format!(r#""RouteTableId": "rtb-2", {state}}}]"#))
    };
    let of = |one: &str, other: &str| outcome(&[("a.json", &tables(&[one])), ("b.json", &tables(&[other]))]);
    for (one, other) in [(PRIVATE, &*with("associated")), (&*with("associated"), PRIVATE)] {
        assert_eq!(of(one, other), Ok(Outcome::OffNet), "{one}\n{other}");
    }
    for (one, other) in [(PRIVATE, &*with("associating")), (&*with("associating"), PRIVATE)] {
        assert_eq!(of(one, other), Ok(Outcome::Undetermined), "{one}\n{other}");
    }
    let error = of(&with("disassociated"), &with("associated")).unwrap_err();
    assert!(error.contains("Associations"), "{error}");
    let twice = PRIVATE.replace("[{", r#"[{"Main": false, "SubnetId": "subnet-1", "RouteTableId": "rtb-2"}, {"#);
    assert!(of(&twice, &with("associated")).is_err(), "{twice}");
}

#[test]
fn an_id_that_ec2_cannot_have_written_is_refused() {
    for id in [
        "subnet-1\\u200b",
        "subnet-1\\u0000",
        "\\ufeffsubnet-1",
        "subnet\\u20101",
        "sub\\u00adnet-1",
        "SUBNET-1",
        " subnet-1",
    ] {
        let own = PRIVATE.replace("subnet-1", id);
        let error = outcome(&[("more.json", &tables(&[&own]))]).expect_err(id);
        assert!(error.contains("SubnetId: "), "{id}: {error}");
        // A proposal that leaves out what looks like a letter would name another subnet.
        assert!(!error.contains(r#"writes "subnet-""#), "{id}: {error}");
    }
    let example = PRIVATE.replace("rtb-2", "rtb-09ba434c1bEXAMPLE");
    assert_eq!(outcome(&[("more.json", &tables(&[&example]))]), Ok(Outcome::OffNet), "as in AWS's own examples");
}

#[test]
fn a_row_that_is_null_is_none_that_can_be_passed_over() {
    let main = |routes: &[&str], associations: &str| tables(&[&table("rtb-1", associations, routes)]);
    let cases = [
        ("route-tables.json", main(&[LOCAL, TO_ENDPOINT, "null"], MAIN)),
        ("route-tables.json", main(&[LOCAL, TO_ENDPOINT], r#"[{"Main": true}, null]"#)),
        ("more.json", tables(&["null"])),
        ("subnets.json", SUBNETS.replace("]}", ", null]}")),
        ("vpc-endpoints.json", r#"{"VpcEndpoints": [null]}"#.to_owned()),
        ("pl-9.json", r#"{"Entries": [null]}"#.to_owned()),
        ("eni.json", r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-9"}, null]}"#.to_owned()),
    ];
    for (name, text) in cases {
        let error = outcome(&[(name, &text)]).expect_err(&text);
        assert!(error.contains("invalid type: null"), "{error}");
    }
}

#[test]
fn lists_that_overlap_put_an_explanation_at_risk() {
    let other = r#"{"DestinationPrefixListId": "pl-2", "TransitGatewayId": "tgw-1", "Origin": "CreateRoute", "State": "active"}"#;
    let main = tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT, other])]);
    let ours = r#"]}, {"PrefixListId": "pl-2", "PrefixListName": "ours", "OwnerId": "111122223333", "Cidrs": ["52.94.0.0/16"]}]}"#;
    let lists = LISTS.replace("]}]}", ours);
    let folder = read(&[("route-tables.json", main.as_str()), ("prefix-lists.json", lists.as_str())]).unwrap();
    let explanation = explain(&folder, &"subnet-1".into(), "52.94.0.10".parse().unwrap()).unwrap();
    assert_eq!(explained_outcome(&explanation), Outcome::AtRisk);
    assert!(explanation.reason.contains("pl-2 has the address too and leads elsewhere"), "{}", explanation.reason);
    assert_eq!(onnet_core::judge::audit(&folder, None).outcome, Outcome::AtRisk);
}

#[test]
fn a_list_without_a_name_may_be_another_of_dynamodbs() {
    let with = |fields: &str| {
        let row = format!(r#"]}}, {{"PrefixListId": "pl-6", {fields} "Cidrs": ["2600:1f70::/40"]}}]}}"#);
        outcome(&[("prefix-lists.json", &LISTS.replace("]}]}", &row))])
    };
    assert_eq!(with(r#""PrefixListName": "com.amazonaws.us-east-1.s3","#), Ok(Outcome::OnNet));
    assert_eq!(with(r#""OwnerId": "111122223333","#), Ok(Outcome::OnNet), "a customer's");
    assert_eq!(with(r#""PrefixListName": "Offices","#), Ok(Outcome::OnNet));
    for name in [
        "",
        r#""PrefixListName": null,"#,
        r#""PrefixListName": "","#,
        r#""PrefixListName": "  ","#,
        r#""PrefixListName": " cn.com.amazonaws.us-east-1.dynamodb","#,
        r#""PrefixListName": " com.amazonaws.us-east-1.ipv6.dynamodb","#,
        r#""PrefixListName": "COM.AMAZONAWS.US-EAST-1.IPV6.DYNAMODB","#,
    ] {
        assert_eq!(with(name), Ok(Outcome::Undetermined), "{name}");
    }
}

#[test]
fn an_endpoint_that_is_gone_carries_nothing_that_is_routed_to_it() {
    for (state, expected) in [
        ("available", Outcome::OnNet),
        ("Available", Outcome::OnNet),
        ("pending", Outcome::AtRisk),
        ("pendingAcceptance", Outcome::AtRisk),
        ("deleting", Outcome::AtRisk),
        ("partial", Outcome::AtRisk),
        ("deleted", Outcome::Undetermined),
        ("rejected", Outcome::Undetermined),
        ("failed", Outcome::Undetermined),
        ("expired", Outcome::Undetermined),
        ("hibernating", Outcome::Undetermined),
        ("", Outcome::Undetermined),
    ] {
        let endpoints = ENDPOINTS.replace(r#""available""#, &format!(r#""{state}""#));
        assert_eq!(outcome(&[("vpc-endpoints.json", &endpoints)]), Ok(expected), "{state:?}");
    }
}

#[test]
fn the_state_of_another_endpoint_says_nothing_of_the_one_that_is_routed_to() {
    let other = |state: &str| {
        let other = ENDPOINTS.replace("vpce-1", "vpce-0").replace(r#"["rtb-1"]"#, "[]").replace("available", state);
        read(&[("vpc-endpoints.json", ENDPOINTS), ("more.json", &other)]).unwrap()
    };
    assert_eq!(explained(&other("deleting"), "52.94.0.10"), Outcome::OnNet);
    let deleting = ENDPOINTS.replace("available", "deleting");
    let available = ENDPOINTS.replace("vpce-1", "vpce-0").replace(r#"["rtb-1"]"#, "[]");
    let files = [("vpc-endpoints.json", deleting.as_str()), ("more.json", &available)];
    assert_eq!(explained(&read(&files).unwrap(), "52.94.0.10"), Outcome::AtRisk);
    // A table that it served may have gone with it.
    let gone =
        |state: &str| ENDPOINTS.replace("vpce-1", "vpce-2").replace("rtb-1", "rtb-9").replace("available", state);
    assert_eq!(outcome(&[("more.json", &gone("deleted"))]), Ok(Outcome::OnNet));
    assert_eq!(outcome(&[("more.json", &gone("available"))]), Ok(Outcome::Undetermined));
}

#[test]
fn a_subnet_that_nothing_names_is_unknown() {
    let without_list = r#"{"RouteTables": []}"#;
    let explicit = table("rtb-1", r#"[{"SubnetId": "subnet-1"}]"#, &[LOCAL, TO_ENDPOINT]);
    let with_explicit = tables(&[&explicit]);
    for more in [("more.json", without_list), ("subnets.json", "{}")] {
        let files = [("route-tables.json", with_explicit.as_str()), more];
        let inventory = read(&files).unwrap();
        assert!(explain(&inventory, &"subnet-1".into(), "52.94.0.10".parse().unwrap()).is_ok());
        let error = explain(&inventory, &"subnet-9".into(), "52.94.0.10".parse().unwrap()).unwrap_err();
        assert_eq!(error.known.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["subnet-1"]);
    }
}

#[test]
fn no_route_table_applies_to_what_stays_on_the_host_or_its_link() {
    for (address, expected) in [
        ("52.94.0.10", None),
        ("10.0.0.1", None),
        ("2600:1f70::1", None),
        ("169.254.169.254", Some("an address of EC2's own services on the instance")),
        ("fd00:ec2::253", Some("an address of EC2's own services on the instance")),
        ("fd00:ec3::253", None),
        ("169.254.1.1", Some("a link-local address")),
        ("fe80::1", Some("a link-local address")),
        ("0.0.0.0", Some("the unspecified address")),
        ("127.0.0.1", Some("a loopback address")),
        ("224.0.0.1", Some("a multicast address")),
        ("255.255.255.255", Some("the broadcast address")),
    ] {
        assert_eq!(onnet_core::judge::not_routed(address.parse().unwrap()), expected, "{address}");
    }
}

#[test]
fn an_audit_of_one_vpc_is_of_its_subnets_and_of_what_they_lack() {
    let subnets = SUBNETS.replace(
        "]}",
        r#", {"SubnetId": "subnet-0", "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/24"},
            {"SubnetId": "subnet-2", "VpcId": "vpc-2", "CidrBlock": "10.0.2.0/24"}]}"#,
    );
    let main = table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT]);
    let other = table("rtb-2", r#"[{"Main": true}, {"SubnetId": "subnet-9"}]"#, &[LOCAL]).replace("vpc-1", "vpc-2");
    let own = PRIVATE.replace("rtb-2", "rtb-3");
    let of = |vpc: Option<&str>, rows: &[&str]| {
        let inventory = read(&[("subnets.json", &subnets), ("route-tables.json", &tables(rows))]).unwrap();
        let audit = onnet_core::judge::audit(&inventory, vpc.map(Into::into).as_ref());
        let subnets =
            audit.subnets.iter().map(|one| format!("{} {}", one.subnet, one.outcome.name())).collect::<Vec<_>>();
        (audit.outcome, subnets.join(", "), onnet_core::present::audit(&audit))
    };
    let (outcome, subnets_of_one, text) = of(Some("vpc-1"), &[&main, &other]);
    assert_eq!((outcome, &*subnets_of_one), (Outcome::OnNet, "subnet-0 on_net, subnet-1 on_net"), "{text}");
    assert_eq!(of(Some("vpc-1"), &[&main, &own]).1, "subnet-1 off_net, subnet-0 on_net", "the worst first");
    let (outcome, all, text) = of(None, &[&main, &other]);
    assert_eq!(outcome, Outcome::Dropped);
    assert!(all.starts_with("subnet-0 on_net, subnet-1 on_net, subnet-2 "), "{all}");
    assert!(text.contains("subnet-9, which is not among them"), "{text}");
    let (outcome, none, text) = of(Some("vpc-9"), &[&main]);
    assert_eq!((outcome, &*none), (Outcome::Undetermined, ""));
    assert!(text.contains("a subnet of vpc-9"), "{text}");
}

/// What is missing of them is missing of the interfaces of endpoints, which an explanation of a DynamoDB endpoint's address needs.
#[test]
fn endpoints_that_are_not_dynamodbs_or_have_gone_lack_nothing() {
    let of = |more: &str| {
        let ours = r#"{"VpcEndpoints": [{"VpcEndpointId": "vpce-2", "VpcEndpointType": "Interface", "VpcId": "vpc-1", "State": "available",
            "ServiceName": "com.amazonaws.us-east-1.dynamodb", "NetworkInterfaceIds": ["eni-2"]}]}"#;
        let interfaces = r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-2", "VpcId": "vpc-1", "SubnetId": "subnet-2", "PrivateIpAddress": "10.0.9.9"}]}"#;
        let subnets =
            SUBNETS.replace("]}", r#", {"SubnetId": "subnet-2", "OwnerId": "111122223333", "VpcId": "vpc-1"}]}"#);
        let more = format!(r#"{{"VpcEndpoints": [{{"VpcEndpointId": "vpce-3", "VpcId": "vpc-1", {more}}}]}}"#);
        let files = [("ours.json", ours), ("eni.json", interfaces), ("subnets.json", &subnets), ("more.json", &more)];
        explained(&read(&files).unwrap(), "10.0.9.9")
    };
    let service = |service: &str| format!(r#""ServiceName": "com.amazonaws.us-east-1.{service}", "#);
    let interface = r#""VpcEndpointType": "Interface""#;
    let without = r#", "NetworkInterfaceIds": []"#;
    let unlisted = r#", "NetworkInterfaceIds": ["eni-9"]"#;
    let state = |state: &str| format!(r#", "State": "{state}""#);
    for (more, expected) in [
        (format!("{}{interface}{without}{}", service("ecr.api"), state("available")), Outcome::OnNet),
        (format!("{}{interface}{without}{}", service("dynamodb"), state("available")), Outcome::Undetermined),
        (format!("{}{interface}{without}{}", service("dynamodb"), state("deleting")), Outcome::OnNet),
        (format!("{}{interface}{unlisted}{}", service("ecr.api"), state("available")), Outcome::OnNet),
        (format!("{}{interface}{unlisted}{}", service("dynamodb"), state("available")), Outcome::Undetermined),
        (format!(r#""VpcEndpointType": "GatewayLoadBalancer"{unlisted}{}"#, state("available")), Outcome::OnNet),
        (format!("{interface}{unlisted}{}", state("available")), Outcome::Undetermined),
        (
            format!(r#"{}{interface}, "OwnerId": "999999999999"{}"#, service("ecr.api"), state("available")),
            Outcome::OnNet,
        ),
        (
            format!(r#""ServiceName": "com.amazonaws.eu-west-1.ecr.api", {interface}{}"#, state("available")),
            Outcome::OnNet,
        ),
    ] {
        assert_eq!(of(&more), expected, "{more}");
    }
}

#[test]
fn a_row_of_a_list_that_query_made_is_known_by_one_key() {
    for row in [
        r#"{"RouteTableId": "rtb-2", "Name": "x"}"#,
        r#"{"RouteTableId": "rtb-2", "GatewayId": "igw-1"}"#,
        r#"{"VpcEndpointId": "vpce-2", "Name": "x"}"#,
        r#"{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"}"#,
        r#"{"SubnetId": "subnet-2", "VpcId": "vpc-1", "SubnetArn": "arn:aws:x"}"#,
    ] {
        let error = outcome(&[("more.json", &format!("[{row}]"))]).expect_err(row);
        assert!(error.contains("as the AWS CLI writes it with --query"), "{row}: {error}");
    }
    assert_eq!(outcome(&[("pl-9.json", r#"[{"Name": "x"}]"#)]), Ok(Outcome::OnNet), "it is no entry");
}

#[test]
fn a_row_of_ours_below_vpcs_is_not_passed_over() {
    let vpcs = r#"{"Vpcs": [{"VpcId": "vpc-1", "Subnets": [{"SubnetId": "subnet-2", "VpcId": "vpc-1", "CidrBlock": "10.0.2.0/24"}]}]}"#;
    let error = outcome(&[("vpcs.json", vpcs)]).unwrap_err();
    assert!(error.contains("DIR/vpcs.json") && error.contains("Subnets"), "{error}");
}

/// The second row of the table has an association that names nothing: it may be a subnet's.
#[test]
fn an_association_without_a_name_in_one_of_two_rows_leaves_the_vpc_open() {
    let row = |more: &str| tables(&[&table("rtb-1", &MAIN.replace(']', &format!("{more}]")), &[LOCAL, TO_ENDPOINT])]);
    let of = |one: &str, two: &str| outcome(&[("route-tables.json", &row(one)), ("more.json", &row(two))]);
    assert_eq!(of("", ""), Ok(Outcome::OnNet));
    assert_eq!(of("", ", {}"), Ok(Outcome::Undetermined));
    assert_eq!(of(", {}", ""), Ok(Outcome::Undetermined));
    assert_eq!(of(r#", {"GatewayId": "igw-1"}"#, r#", {"GatewayId": "igw-1"}"#), Ok(Outcome::OnNet));
    let without = row("").replace(&format!(r#""Associations": {MAIN}, "#), "");
    for file in ["more.json", "zz.json"] {
        assert_eq!(outcome(&[(file, &without)]), Ok(Outcome::OnNet), "{file}: the other row has them all");
    }
}

#[test]
fn a_route_of_an_origin_that_is_not_known_may_lose_to_a_list() {
    let route = |origin: &str| {
        format!(
            r#"{{"DestinationCidrBlock": "52.94.0.0/22", "NatGatewayId": "nat-1", "Origin": "{origin}", "State": "active"}}"#
        )
    };
    let of = |origin: &str| {
        let main = tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT, &route(origin)])]);
        outcome(&[("route-tables.json", &main)])
    };
    assert_eq!(of("CreateRoute"), Ok(Outcome::OffNet));
    assert_eq!(of("Teleportation"), Ok(Outcome::Undetermined));
}

#[test]
fn only_a_gateway_endpoint_has_route_tables() {
    let inspecting = ENDPOINTS.replace(r#""Gateway""#, r#""GatewayLoadBalancer""#);
    let error = outcome(&[("vpc-endpoints.json", &inspecting)]).unwrap_err();
    assert!(error.contains("VpcEndpointType is GatewayLoadBalancer, but RouteTableIds is rtb-1"), "{error}");
}

#[test]
fn an_endpoints_network_interface_is_in_one_of_its_subnets() {
    let of = |subnets: &str| {
        let endpoints = format!(
            r#"{{"VpcEndpoints": [{{"VpcEndpointId": "vpce-2", "VpcEndpointType": "Interface", "VpcId": "vpc-1", "State": "available",
            "ServiceName": "com.amazonaws.us-east-1.dynamodb", {subnets} "NetworkInterfaceIds": ["eni-2"]}}]}}"#
        );
        let interfaces = r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-2", "VpcId": "vpc-1", "SubnetId": "subnet-1", "PrivateIpAddress": "10.0.1.9"}]}"#;
        explained(&read(&[("more.json", &endpoints), ("eni.json", interfaces)]).unwrap(), "10.0.1.9")
    };
    assert_eq!(of(""), Outcome::OnNet);
    assert_eq!(of(r#""SubnetIds": ["subnet-9", "subnet-1"],"#), Outcome::OnNet);
    assert_eq!(of(r#""SubnetIds": ["subnet-9"],"#), Outcome::Undetermined);
    assert_eq!(of(r#""SubnetIds": [],"#), Outcome::Undetermined);
}

#[test]
fn an_endpoint_that_has_an_address_is_an_interface_endpoint() {
    let of = |kind: &str, service: &str, interface: &str| {
        let endpoints = format!(
            r#"{{"VpcEndpoints": [{{"VpcEndpointId": "vpce-2", {kind} "VpcId": "vpc-1", "State": "available",
            "ServiceName": "{service}", "NetworkInterfaceIds": ["eni-2"]}}]}}"#
        );
        let interfaces = format!(
            r#"{{"NetworkInterfaces": [{{"NetworkInterfaceId": "eni-2", "VpcId": "vpc-1", "PrivateIpAddress": "10.0.9.9"{interface}}}]}}"#
        );
        explained(&read(&[("more.json", &endpoints), ("eni.json", &interfaces)]).unwrap(), "10.0.9.9")
    };
    let (ours, other) = ("com.amazonaws.us-east-1.dynamodb", "com.amazonaws.us-east-1.ecr.api");
    let kind = |kind: &str| format!(r#""VpcEndpointType": "{kind}","#);
    assert_eq!(of(&kind("Interface"), ours, ""), Outcome::OnNet);
    let attached = r#", "Attachment": {"InstanceId": "i-1"}"#;
    assert_eq!(of(&kind("Interface"), ours, attached), Outcome::Undetermined);
    assert_eq!(of("", ours, ""), Outcome::Undetermined, "of no type");
    assert_eq!(of("", ours, attached), Outcome::Undetermined);
    for another in ["GatewayLoadBalancer", "Resource", "ServiceNetwork", "Tunnel", "Direct"] {
        assert_eq!(of(&kind(another), ours, ""), Outcome::Undetermined, "{another}");
    }
    assert_eq!(of(&kind("Interface"), other, ""), Outcome::OffNet, "another service's");
    let gateway = ENDPOINTS.replace(r#""VpcEndpointType": "Gateway", "#, "");
    let untyped = read(&[("vpc-endpoints.json", &gateway)]).unwrap();
    assert_eq!(explained(&untyped, "10.0.9.9"), Outcome::OffNet, "of no type, and in route tables alone");
}

/// AWS adds the routes to a gateway endpoint, for the prefix list of its service.
#[test]
fn another_list_does_not_lead_to_dynamodbs_endpoint() {
    let by = |list: &str| TO_ENDPOINT.replace("pl-1", list);
    let folder = |routes: &[&str], more: &[(&str, &str)]| {
        let main = tables(&[&table("rtb-1", MAIN, &[&[LOCAL], routes].concat())]);
        read(&[&[("route-tables.json", main.as_str())], more].concat()).unwrap()
    };
    let half = r#"{"Entries": [{"Cidr": "52.94.0.0/23"}]}"#;
    let nameless = folder(&[TO_ENDPOINT, &by("pl-9")], &[("pl-9.json", half)]);
    assert_eq!(explained(&nameless, "52.94.0.10"), Outcome::Undetermined);
    let owned = r#"{"PrefixLists": [{"PrefixListId": "pl-9", "PrefixListName": "com.amazonaws.us-east-1.dynamodb", "OwnerId": "111122223333"}]}"#;
    let customers = folder(&[&by("pl-9")], &[("pl-9.json", half), ("managed.json", owned)]);
    assert_eq!(explained(&customers, "52.94.0.10"), Outcome::Undetermined);
    let list_unknown = folder(&[&by("pl-9")], &[("pl-9.json", half), ("prefix-lists.json", r#"{"PrefixLists": []}"#)]);
    assert_eq!(explained(&list_unknown, "52.94.0.10"), Outcome::OnNet, "what leads to DynamoDB's endpoint is its list");
    let named = [("pl-9.json", half), ("prefix-lists.json", owned)];
    assert_eq!(explained(&folder(&[&by("pl-9")], &named), "52.94.0.10"), Outcome::Undetermined, "a customer's alone");
    let shorter = half.replace("/23", "/16");
    let beside = folder(&[TO_ENDPOINT, &by("pl-9")], &[("pl-9.json", &shorter), ("managed.json", owned)]);
    assert_eq!(explained(&beside, "52.94.0.10"), Outcome::Undetermined, "one of the two answers is wrong");
    let unread = folder(&[TO_ENDPOINT, &by("pl-9")], &[("managed.json", owned)]);
    assert_eq!(explained(&unread, "52.94.0.10"), Outcome::Undetermined, "whatever its entries are");
}

#[test]
fn a_range_of_a_subnet_without_a_local_route_is_a_contradiction() {
    let second = |cidr: &str| {
        SUBNETS.replace("]}", &format!(r#", {{"SubnetId": "subnet-2", "VpcId": "vpc-1", "CidrBlock": "{cidr}"}}]}}"#))
    };
    assert_eq!(outcome(&[("subnets.json", &second("10.0.2.0/24"))]), Ok(Outcome::OnNet));
    assert_eq!(outcome(&[("subnets.json", &second("100.64.1.0/24"))]), Ok(Outcome::Undetermined));
    let replaced = LOCAL.replace(r#""GatewayId": "local""#, r#""NetworkInterfaceId": "eni-9""#);
    let main = tables(&[&table("rtb-1", MAIN, &[&replaced, TO_ENDPOINT])]);
    assert_eq!(outcome(&[("route-tables.json", &main)]), Ok(Outcome::OnNet), "its target was replaced");
    let own = SUBNETS.replace("10.0.1.0/24", "100.64.1.0/24");
    assert_eq!(explained(&read(&[("subnets.json", &own)]).unwrap(), "52.94.0.10"), Outcome::Undetermined);
}

#[test]
fn subnets_without_ipv4_or_with_dns64_do_not_send_the_list_as_it_is() {
    let local6 =
        LOCAL.replace("DestinationCidrBlock", "DestinationIpv6CidrBlock").replace("10.0.0.0/16", "2600:1f18::/56");
    let nat64 = r#"{"DestinationIpv6CidrBlock": "64:ff9b::/96", "NatGatewayId": "nat-1", "Origin": "CreateRoute", "State": "active"}"#;
    let with_nat64 = tables(&[&table("rtb-1", MAIN, &[LOCAL, &local6, TO_ENDPOINT, nat64])]);
    let without = tables(&[&table("rtb-1", MAIN, &[LOCAL, &local6, TO_ENDPOINT])]);
    let range = r#""Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "2600:1f18::/64", "Ipv6CidrBlockState": {"State": "associated"}}]"#;
    let subnet = |ipv4: &str, dns64: bool| {
        format!(
            r#"{{"Subnets": [{{"SubnetId": "subnet-1", "VpcId": "vpc-1", {ipv4}, {range}, "EnableDns64": {dns64}}}]}}"#
        )
    };
    let (only6, both) = (r#""Ipv6Native": true"#, r#""CidrBlock": "10.0.1.0/24""#);
    for (ipv4, dns64, routes, expected) in [
        (both, false, &with_nat64, Outcome::OnNet),
        (both, true, &with_nat64, Outcome::AtRisk),
        (both, true, &without, Outcome::AtRisk),
        (only6, true, &with_nat64, Outcome::OffNet),
        (only6, true, &without, Outcome::Dropped),
        (only6, false, &with_nat64, Outcome::Undetermined),
        // Without the range, the subnet may hold part of the list; that improves nothing.
        (r#""OwnerId": "111122223333""#, true, &with_nat64, Outcome::AtRisk),
        (r#""OwnerId": "111122223333""#, false, &with_nat64, Outcome::OnNet),
    ] {
        let files = [("route-tables.json", routes.as_str()), ("subnets.json", &subnet(ipv4, dns64))];
        assert_eq!(outcome(&files), Ok(expected), "{ipv4} {dns64} {routes}");
    }
    let inventory = read(&[("route-tables.json", &with_nat64), ("subnets.json", &subnet(both, true))]).unwrap();
    let text = onnet_core::present::audit(&onnet_core::judge::audit(&inventory, None));
    assert!(text.contains("EnableDns64") && !text.contains("delete-route"), "{text}");
    let older = subnet(both, true).replace(r#", "EnableDns64": true"#, "");
    let both_answers =
        [("route-tables.json", with_nat64.as_str()), ("subnets.json", &subnet(both, true)), ("older.json", &older)];
    assert_eq!(outcome(&both_answers), Ok(Outcome::AtRisk), "the older answer has no such key");
    let inventory = read(&[("route-tables.json", &with_nat64), ("subnets.json", &subnet(only6, true))]).unwrap();
    assert_eq!(explained(&inventory, "52.94.0.10"), Outcome::Undetermined, "it has no IPv4 address");
    assert_eq!(explained(&inventory, "64:ff9b::345e:a"), Outcome::OffNet);
    let older = subnet(only6, true).replace(r#""Ipv6Native": true, "#, "");
    let both_answers =
        [("route-tables.json", with_nat64.as_str()), ("subnets.json", &subnet(only6, true)), ("older.json", &older)];
    assert_eq!(outcome(&both_answers), Ok(Outcome::OffNet), "the older answer does not say that it is IPv6-only");
    let owned = subnet(both, false).replace(r#""VpcId""#, r#""OwnerId": "111122223333", "VpcId""#);
    let both_answers =
        [("route-tables.json", with_nat64.as_str()), ("subnets.json", &subnet(both, false)), ("owned.json", &owned)];
    assert_eq!(outcome(&both_answers), Ok(Outcome::OnNet), "neither answer has DNS64");
}

/// EC2 always says whether DNS64 is on; files of older programs, or of a `--query`, may not.
#[test]
fn dns64_that_is_not_listed_is_open_where_there_may_be_ipv6() {
    let local6 =
        LOCAL.replace("DestinationCidrBlock", "DestinationIpv6CidrBlock").replace("10.0.0.0/16", "2600:1f18::/56");
    let to = |destination: &str, target: &str| {
        format!(
            r#"{{"DestinationIpv6CidrBlock": "{destination}", {target}, "Origin": "CreateRoute", "State": "active"}}"#
        )
    };
    let (nat, gateway) = (r#""NatGatewayId": "nat-1""#, r#""EgressOnlyInternetGatewayId": "eigw-1""#);
    let (transit, internet) = (r#""TransitGatewayId": "tgw-1""#, r#""GatewayId": "igw-1""#);
    let range = r#""Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "2600:1f18::/64", "Ipv6CidrBlockState": {"State": "associated"}}]"#;
    let subnets = |fields: &str| format!(r#"{{"Subnets": [{{"SubnetId": "subnet-1", "VpcId": "vpc-1", {fields}}}]}}"#);
    let (only6, both) =
        (r#""Ipv6Native": true, "#.to_owned() + range, r#""CidrBlock": "10.0.1.0/24", "#.to_owned() + range);
    let ipv4 = r#""CidrBlock": "10.0.1.0/24""#;
    let native = r#""Ipv6Native": true, "Ipv6CidrBlockAssociationSet": []"#;
    let without_ipv6 = format!(r#"{ipv4}, "Ipv6CidrBlockAssociationSet": []"#);
    let dual_stack = |more: &[String]| {
        let more: Vec<&str> =
            [LOCAL, &local6, TO_ENDPOINT].into_iter().chain(more.iter().map(String::as_str)).collect();
        tables(&[&table("rtb-1", MAIN, &more)])
    };
    let nat64 = to("64:ff9b::/96", nat);
    let said = |routes: &str, fields: &str| {
        let inventory = read(&[("route-tables.json", routes), ("subnets.json", &subnets(fields))]).unwrap();
        let audit = onnet_core::judge::audit(&inventory, None);
        let named = onnet_core::present::audit(&audit).contains("EnableDns64");
        (audit.outcome, named)
    };
    let (open, on_net) = ((Outcome::Undetermined, true), (Outcome::OnNet, false));
    for (what, routes, fields, expected) in [
        ("a route for it", dual_stack(std::slice::from_ref(&nat64)), &both, open),
        ("for a part of it", dual_stack(&[to("64:ff9b::345e:0/112", nat)]), &both, open),
        ("of any target", dual_stack(&[to("64:ff9b::/96", internet)]), &both, open),
        ("a wider one to a NAT gateway", dual_stack(&[to("::/0", nat)]), &both, open),
        ("or into another network, which may translate", dual_stack(&[to("::/0", transit)]), &both, open),
        ("a wider one to what does not translate", dual_stack(&[to("::/0", gateway)]), &both, open),
        ("one that is not in effect", dual_stack(&[to("::/0", internet).replace("active", "filtered")]), &both, open),
        ("for another range", dual_stack(&[to("64:ff9b:1::/48", nat)]), &both, open),
        ("no route", dual_stack(&[]), &both, open),
        ("an IPv6-only subnet", dual_stack(std::slice::from_ref(&nat64)), &only6, open),
        ("one without its list", dual_stack(std::slice::from_ref(&nat64)), &native.to_owned(), open),
        ("in a table without IPv6", tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT])]), &native.to_owned(), open),
        ("a subnet whose IPv6 ranges are not listed", dual_stack(std::slice::from_ref(&nat64)), &ipv4.to_owned(), open),
        ("one without IPv6", dual_stack(std::slice::from_ref(&nat64)), &without_ipv6, open),
        ("one that has null", dual_stack(std::slice::from_ref(&nat64)), &without_ipv6.replace("[]", "null"), open),
        (
            "a table without the local route of IPv6",
            tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT, &nat64])]),
            &ipv4.to_owned(),
            open,
        ),
        ("a VPC without IPv6", tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT])]), &ipv4.to_owned(), on_net),
    ] {
        assert_eq!(said(&routes, fields), expected, "{what}");
        for (dns64, outcome) in [("false", Outcome::OnNet), ("true", Outcome::AtRisk)] {
            let fields = format!(r#"{fields}, "EnableDns64": {dns64}"#);
            let listed = said(&routes, &fields).0;
            let is_open = dns64 == "true" && listed == Outcome::Undetermined;
            assert!(fields.contains("Ipv6Native") || is_open || listed == outcome, "{what}, {dns64}: {listed:?}");
        }
    }
    // What leads elsewhere without DNS64 does so with it.
    let by_nat = tables(&[&table("rtb-1", MAIN, &[LOCAL, &local6, NAT, &nat64])]);
    let none = ("vpc-endpoints.json", r#"{"VpcEndpoints": []}"#);
    let files = [("route-tables.json", by_nat.as_str()), ("subnets.json", &subnets(&both)), none];
    assert_eq!(outcome(&files), Ok(Outcome::OffNet));
    // Another answer about the same subnet has it.
    let (routes, subnet) = (dual_stack(&[nat64]), subnets(&both));
    for (dns64, expected) in [("false", Outcome::OnNet), ("true", Outcome::AtRisk)] {
        let newer = subnets(&format!(r#"{both}, "EnableDns64": {dns64}"#));
        let files = [("route-tables.json", routes.as_str()), ("subnets.json", &subnet), ("newer.json", &newer)];
        assert_eq!(outcome(&files), Ok(expected), "{dns64}");
    }
    // What would take over for the IPv4 ranges is not what NAT64 would do.
    let inventory = read(&[("route-tables.json", &routes), ("subnets.json", &subnet)]).unwrap();
    let audit = onnet_core::judge::audit(&inventory, None);
    assert_eq!(audit.subnets[0].without_endpoint, Some(WithoutEndpoint::Closed), "{audit:#?}");
}

/// Its IPv6 goes to the endpoint, and its IPv4, if it has any, to a NAT gateway.
#[test]
fn a_subnet_of_ipv6_alone_with_a_cidr_block_contradicts_itself() {
    let local6 =
        LOCAL.replace("DestinationCidrBlock", "DestinationIpv6CidrBlock").replace("10.0.0.0/16", "2600:1f18::/56");
    let tables = tables(&[&table("rtb-1", MAIN, &[LOCAL, &local6, NAT, &TO_ENDPOINT.replace("pl-1", "pl-6")])]);
    let lists = LISTS.replace(
        "]}]}",
        r#"]}, {"PrefixListId": "pl-6", "PrefixListName": "com.amazonaws.us-east-1.ipv6.dynamodb", "Cidrs": ["2600:1f70::/40"]}]}"#,
    );
    let subnets = |more: &str| SUBNETS.replace(r#""CidrBlock""#, &format!(r#"{more} "CidrBlock""#));
    let of = |subnets: &str| {
        read(&[("route-tables.json", &tables), ("prefix-lists.json", &lists), ("subnets.json", subnets)])
    };
    let audited = |inventory: &Inventory| onnet_core::judge::audit(inventory, None).outcome;
    let mut inventory = of(&subnets(r#""Ipv6Native": false,"#)).unwrap();
    assert_eq!(audited(&inventory), Outcome::AtRisk);
    let error = of(&subnets(r#""Ipv6Native": true,"#)).map(|inventory| audited(&inventory)).unwrap_err();
    assert!(error.contains("Ipv6Native is true, but CidrBlock is 10.0.1.0/24"), "{error}");
    // EC2's own answer contradicts itself.
    if let Observed::Seen { value, .. } = &mut inventory.subnets {
        value.iter_mut().for_each(|subnet| subnet.ipv6_native = true);
    }
    assert_eq!(audited(&inventory), Outcome::Undetermined);
    assert_eq!(explained(&inventory, "52.94.0.10"), Outcome::Undetermined);
}

/// Every Region has a list of IPv4: one of IPv6 alone is a part of what there is.
#[test]
fn the_list_of_ipv6_alone_is_not_all_of_dynamodbs() {
    let local6 =
        LOCAL.replace("DestinationCidrBlock", "DestinationIpv6CidrBlock").replace("10.0.0.0/16", "2600:1f18::/56");
    let to_endpoint6 = TO_ENDPOINT.replace("pl-1", "pl-6");
    let list6 = r#"{"PrefixListId": "pl-6", "PrefixListName": "com.amazonaws.us-east-1.ipv6.dynamodb", "Cidrs": ["2600:1f70::/40"]}"#;
    let tables = tables(&[&table("rtb-1", MAIN, &[LOCAL, &local6, NAT, &to_endpoint6, TO_ENDPOINT])]);
    let both = LISTS.replace("]}]}", &format!("]}}, {list6}]}}"));
    let alone = format!(r#"{{"PrefixLists": [{list6}]}}"#);
    let of_a_customer = LISTS.replace("]}]}", &format!(r#"], "OwnerId": "111122223333"}}, {list6}]}}"#));
    for (lists, expected) in
        [(&both, Outcome::OnNet), (&alone, Outcome::Undetermined), (&of_a_customer, Outcome::Undetermined)]
    {
        let files = [("route-tables.json", tables.as_str()), ("prefix-lists.json", lists.as_str())];
        assert_eq!(outcome(&files), Ok(expected), "{lists}");
    }
    // The name alone says nothing: of a list without IPv4 ranges, some are missing.
    let emptied = both.replace("52.94.0.0/22", "2600:1f71::/40");
    let files = [("route-tables.json", tables.as_str()), ("prefix-lists.json", emptied.as_str())];
    assert_eq!(outcome(&files), Ok(Outcome::Undetermined));
}

/// AWS has not published the name of DynamoDB's IPv6 list: what leads to its gateway endpoint shows it, for every table.
#[test]
fn the_ipv6_list_is_known_by_its_route() {
    let local6 =
        LOCAL.replace("DestinationCidrBlock", "DestinationIpv6CidrBlock").replace("10.0.0.0/16", "2600:1f18::/56");
    let to_endpoint6 = TO_ENDPOINT.replace("pl-1", "pl-6");
    let routes = [LOCAL, &local6, TO_ENDPOINT, &to_endpoint6];
    let whole = tables(&[&table("rtb-1", MAIN, &routes)]);
    let of = |lists: &str, more: &[(&str, &str)]| {
        let files = [&[("route-tables.json", whole.as_str()), ("prefix-lists.json", lists)], more].concat();
        let inventory = read(&files).unwrap();
        let lists = inventory.facts.service_prefix_lists.seen().map_or(0, Vec::len);
        (onnet_core::judge::audit(&inventory, None).outcome, lists)
    };
    let named = |name: &str, more: &str| {
        LISTS.replace(
            "]}]}",
            &format!(
                r#"]}}, {{"PrefixListId": "pl-6", "PrefixListName": "{name}", {more} "Cidrs": ["2600:1f70::/40"]}}]}}"#
            ),
        )
    };
    let by_name = "com.amazonaws.us-east-1.ipv6.dynamodb";
    assert_eq!(of(&named(by_name, ""), &[]), (Outcome::OnNet, 2));
    assert_eq!(of(&named("com.amazonaws.us-east-1.dynamodb-ipv6", ""), &[]), (Outcome::OnNet, 2));
    let entries = r#"{"Entries": [{"Cidr": "2600:1f70::/40"}]}"#;
    assert_eq!(of(LISTS, &[("pl-6.json", entries)]), (Outcome::OnNet, 2), "without a name");
    assert_eq!(of(LISTS, &[]), (Outcome::Undetermined, 2), "its entries are in no file");
    // A list of another service's name leads to DynamoDB's endpoint: facts disagree, and that is said.
    assert_eq!(of(&named("com.amazonaws.us-east-1.ipv6.s3", ""), &[]), (Outcome::Undetermined, 2));
    assert_eq!(
        of(&named("com.amazonaws.us-east-1.dynamodb-ipv6", r#""OwnerId": "111122223333","#), &[]),
        (Outcome::Undetermined, 0)
    );
    let ipv4 = r#"{"Entries": [{"Cidr": "52.94.0.0/22"}]}"#;
    assert_eq!(of(LISTS, &[("pl-6.json", ipv4)]), (Outcome::Undetermined, 2), "a second one of IPv4");
    // Whatever the state and the origin of the route are, and where only the name says whose the list is.
    for (change, expected) in [
        ((r#""State": "active""#, r#""State": "blackhole""#), Outcome::Undetermined),
        ((r#""State": "active""#, r#""State": "filtered""#), Outcome::Undetermined),
        ((r#""Origin": "CreateRoute""#, r#""Origin": "Advertisement""#), Outcome::Undetermined),
    ] {
        let route = to_endpoint6.replace(change.0, change.1);
        assert_ne!(route, to_endpoint6);
        let whole = tables(&[&table("rtb-1", MAIN, &[LOCAL, &local6, TO_ENDPOINT, &route])]);
        let lists = named("com.amazonaws.us-east-1.dynamodb-ipv6", "");
        let files = [("route-tables.json", whole.as_str()), ("prefix-lists.json", &lists)];
        assert_eq!(outcome(&files), Ok(expected), "{route}");
    }
    let without = tables(&[&table("rtb-1", MAIN, &[LOCAL, &local6, TO_ENDPOINT])]);
    let lists = named("com.amazonaws.us-east-1.dynamodb-ipv6", "");
    let files = [("route-tables.json", without.as_str()), ("prefix-lists.json", &lists)];
    assert_eq!(outcome(&files), Ok(Outcome::AtRisk), "no route leads it anywhere");
    // Another subnet's table, which does not lead it to the endpoint, is judged by it too.
    let other = table(
        "rtb-2",
        r#"[{"Main": false, "SubnetId": "subnet-1", "RouteTableId": "rtb-2"}]"#,
        &[LOCAL, &local6, TO_ENDPOINT],
    );
    let two = tables(&[&table("rtb-1", MAIN, &routes), &other]);
    let endpoints = ENDPOINTS.replace(r#"["rtb-1"]"#, r#"["rtb-1", "rtb-2"]"#);
    let files = [("route-tables.json", two.as_str()), ("pl-6.json", entries), ("vpc-endpoints.json", &endpoints)];
    assert_eq!(outcome(&files), Ok(Outcome::AtRisk));
}

#[test]
fn a_list_that_is_not_settled_supports_nothing() {
    let of = |state: &str| {
        outcome(&[("prefix-lists.json", &LISTS.replace(r#""Cidrs""#, &format!(r#""State": "{state}", "Cidrs""#)))])
    };
    for state in ["create-complete", "modify-complete", "restore-complete"] {
        assert_eq!(of(state), Ok(Outcome::OnNet), "{state}");
    }
    assert_eq!(of("MODIFY-COMPLETE"), Ok(Outcome::OnNet));
    let others =
        ["modify-in-progress", "create-failed", "modify-failed", "delete-complete", "delete-failed", "asleep", ""];
    for state in others {
        assert_eq!(of(state), Ok(Outcome::Undetermined), "{state:?}");
    }
}

/// `DescribeManagedPrefixLists` has the state of every list, `DescribePrefixLists` of none.
#[test]
fn a_managed_list_without_a_state_is_settled_only_where_no_other_has_one() {
    let of = |managed: &str, others: &str| {
        let another = format!(r#", {{"PrefixListId": "pl-9", "PrefixListName": "office", "OwnerId": "1"{others}}}]"#);
        let lists =
            LISTS.replace(r#""Cidrs""#, &format!(r#"{managed}"Cidrs""#)).replace("}]}", &format!("}}{another}}}"));
        outcome(&[("prefix-lists.json", &lists)])
    };
    let state = r#", "State": "create-complete""#;
    let keys = [
        r#""OwnerId": "AWS", "#,
        r#""AddressFamily": "IPv4", "#,
        r#""Version": 1, "#,
        r#""Version": "x", "#,
        r#""MaxEntries": 6, "#,
    ];
    for managed in keys {
        assert_eq!(of(managed, ""), Ok(Outcome::OnNet), "{managed}");
        assert_eq!(of(managed, state), Ok(Outcome::Undetermined), "{managed}");
    }
    assert_eq!(of("", state), Ok(Outcome::OnNet), "DescribePrefixLists beside the other API");
}

#[test]
fn what_is_empty_or_left_out_of_a_row_does_not_take_it_away() {
    let own = r#"{"Main": false, "SubnetId": "", "PublicIpv4Pool": "", "RouteTableId": "rtb-2"}"#;
    assert_eq!(disassociated(own), Ok(Outcome::Undetermined), "an association that names nothing");
    let of = |vpc: &str| {
        format!(r#"{{"NetworkInterfaces": [{{"NetworkInterfaceId": "eni-9", "SubnetId": "subnet-9"{vpc}}}]}}"#)
    };
    for vpc in [r#", "VpcId": "vpc-1""#, ""] {
        assert_eq!(outcome(&[("eni.json", &of(vpc))]), Ok(Outcome::Undetermined), "{vpc}: subnet-9 is not listed");
    }
}

#[test]
fn entries_are_another_regions_by_every_name_of_a_region() {
    let nameless = LISTS.replace(r#", "Cidrs": ["52.94.0.0/22"]"#, "");
    for region in
        ["us-west-2", "US-WEST-2", "us-iso-west-1", "us-isob-east-1", "eu-isoe-west-1", "eusc-de-east-1", "cn-north-1"]
    {
        let name = format!("{region}-pl-1.json");
        let files = [("prefix-lists.json", nameless.as_str()), (&name, r#"{"Entries": [{"Cidr": "52.94.0.0/22"}]}"#)];
        assert_eq!(outcome(&files), Ok(Outcome::Undetermined), "{region}");
    }
}

/// The same row in two files, of which one has another value: which one is newer is not known.
#[test]
fn two_rows_of_one_thing_are_compared_field_by_field() {
    let subnet = r#"{"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "AvailabilityZone": "us-east-1a", "CidrBlock": "10.0.1.0/24",
        "OwnerId": "111122223333", "Ipv6Native": false, "EnableDns64": false,
        "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "2001:db8::/64"}]}]}"#;
    let list = r#"{"PrefixLists": [{"PrefixListId": "pl-9", "PrefixListName": "ours", "AddressFamily": "IPv4", "OwnerId": "111122223333",
        "State": "create-complete", "Version": 1, "Cidrs": ["10.9.0.0/16"]}]}"#;
    let interface = r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-9", "VpcId": "vpc-1", "SubnetId": "subnet-1",
        "OwnerId": "111122223333", "AvailabilityZone": "us-east-1a", "Description": "VPC Endpoint Interface vpce-9",
        "InterfaceType": "interface", "Attachment": {"InstanceId": "i-1"}, "PrivateIpAddress": "10.0.1.9"}]}"#;
    let endpoint = r#"{"VpcEndpoints": [{"VpcEndpointId": "vpce-9", "VpcEndpointType": "Interface", "VpcId": "vpc-1", "State": "available",
        "ServiceName": "com.amazonaws.us-east-1.ecr.api", "ServiceRegion": "us-east-1", "OwnerId": "111122223333", "IpAddressType": "ipv4",
        "NetworkInterfaceIds": ["eni-9"], "SubnetIds": ["subnet-1"], "FailureReason": "x"}]}"#;
    let table = r#"{"RouteTables": [{"RouteTableId": "rtb-9", "VpcId": "vpc-1", "OwnerId": "111122223333", "Associations": [],
        "Routes": [{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"}]}]}"#;
    let without_ipv4 = subnet.replace(r#""CidrBlock": "10.0.1.0/24","#, "");
    let cases = [
        (subnet, "vpc-1", "vpc-2", "VpcId"),
        (subnet, "us-east-1a", "us-east-1b", "AvailabilityZone"),
        (subnet, "10.0.1.0/24", "10.0.2.0/24", "CidrBlock"),
        (subnet, "2001:db8::/64", "2001:db8:9::/64", "Ipv6CidrBlockAssociationSet"),
        (subnet, "111122223333", "999999999999", "OwnerId"),
        (&without_ipv4, r#""Ipv6Native": false"#, r#""Ipv6Native": true"#, "Ipv6Native"),
        (subnet, r#""EnableDns64": false"#, r#""EnableDns64": true"#, "EnableDns64"),
        (list, "ours", "theirs", "PrefixListName"),
        (list, "IPv4", "IPv6", "AddressFamily"),
        (list, "111122223333", "999999999999", "OwnerId"),
        (list, "create-complete", "modify-complete", "State"),
        (list, r#""Version": 1"#, r#""Version": 2"#, "Version"),
        (list, "10.9.0.0/16", "10.8.0.0/16", "Cidrs"),
        (interface, "vpc-1", "vpc-2", "VpcId"),
        (interface, "subnet-1", "subnet-2", "SubnetId"),
        (interface, "111122223333", "999999999999", "OwnerId"),
        (interface, "us-east-1a", "eu-west-1a", "AvailabilityZone"),
        (interface, "vpce-9", "vpce-8", "Description"),
        (interface, r#""interface""#, r#""vpc_endpoint""#, "InterfaceType"),
        (interface, "i-1", "i-2", "Attachment"),
        (interface, "10.0.1.9", "10.0.1.8", "PrivateIpAddresses and Ipv6Addresses"),
        (endpoint, "vpc-1", "vpc-2", "VpcId"),
        (endpoint, "111122223333", "999999999999", "OwnerId"),
        (endpoint, r#""VpcEndpointType": "Interface""#, r#""VpcEndpointType": "Resource""#, "VpcEndpointType"),
        (endpoint, "available", "deleting", "State"),
        (endpoint, "ecr.api", "ecr.dkr", "ServiceName"),
        (endpoint, "eni-9", "eni-8", "NetworkInterfaceIds"),
        (endpoint, "subnet-1", "subnet-2", "SubnetIds"),
        (endpoint, "ipv4", "dualstack", "IpAddressType"),
        (endpoint, r#""FailureReason": "x""#, r#""FailureReason": "y""#, "LastError and FailureReason"),
        (table, "vpc-1", "vpc-2", "VpcId"),
        (table, "111122223333", "999999999999", "OwnerId"),
        (table, r#""Associations": []"#, r#""Associations": [{"SubnetId": "subnet-9"}]"#, "Associations"),
        (table, "10.0.0.0/16", "10.1.0.0/16", "Routes"),
    ];
    let other = endpoint.replace("com.amazonaws.us-east-1.ecr.api", "com.example.service");
    let cases = cases.into_iter().chain([(
        other.as_str(),
        r#""ServiceRegion": "us-east-1""#,
        r#""ServiceRegion": "eu-west-1""#,
        "ServiceRegion",
    )]);
    for (row, from, to, field) in cases {
        assert!(row.contains(from), "{from} in {row}");
        let error = outcome(&[("one.json", row), ("two.json", &row.replace(from, to))]).expect_err(field);
        assert!(error.contains(&format!("the {field} of ")) && error.contains("differ"), "{field}: {error}");
    }
}

/// A subnet without IPv6 has no use for the ranges of DynamoDB's IPv6 list, wherever packets to them would go.
#[test]
fn the_ipv6_list_counts_where_there_may_be_ipv6() {
    let lists = LISTS.replace(
        "]}]}",
        r#"]}, {"PrefixListId": "pl-6", "PrefixListName": "com.amazonaws.us-east-1.ipv6.dynamodb", "Cidrs": ["2600:1f70::/40"]}]}"#,
    );
    assert_ne!(lists, LISTS);
    let of = |fields: &str| {
        let subnets = format!(
            r#"{{"Subnets": [{{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24"{fields}}}]}}"#
        );
        outcome(&[("prefix-lists.json", &lists), ("subnets.json", &subnets)])
    };
    let ranges = |state: &str| {
        let range = r#"{"Ipv6CidrBlock": "2600:1f18::/64", "Ipv6CidrBlockState": {"State": "STATE"}}"#;
        format!(r#", "EnableDns64": false, "Ipv6CidrBlockAssociationSet": [{}]"#, range.replace("STATE", state))
    };
    let without = r#", "Ipv6CidrBlockAssociationSet": []"#;
    assert_eq!(of(without), Ok(Outcome::OnNet));
    assert_eq!(of(&format!(r#"{without}, "EnableDns64": false, "Ipv6Native": false"#)), Ok(Outcome::OnNet));
    for fields in ["", r#", "Ipv6Native": false"#, &ranges("associating"), &ranges("disassociating")] {
        assert_eq!(of(fields), Ok(Outcome::AtRisk), "{fields}");
    }
    assert_ne!(of(&ranges("associated")), Ok(Outcome::OnNet));
    // The same subnet in two files, of which one leaves the list out, or has a range that is changing.
    let subnets = |more: &str| SUBNETS.replace(r#""VpcId": "vpc-1""#, &format!(r#""VpcId": "vpc-1"{more}"#));
    let changing = ranges("associating").replace(r#", "EnableDns64": false"#, "");
    for (files, expected) in [
        ([without, ""], Outcome::OnNet),
        (["", without], Outcome::OnNet),
        ([without, &changing], Outcome::AtRisk),
        ([&changing, without], Outcome::AtRisk),
    ] {
        let [one, other] = files.map(subnets);
        let files = [("prefix-lists.json", lists.as_str()), ("subnets.json", &one), ("more.json", &other)];
        assert_eq!(outcome(&files), Ok(expected), "{one} {other}");
    }
}

/// What is in a subnet shows that there is one.
#[test]
fn a_subnet_that_anything_is_in_and_that_is_not_listed_leaves_the_audit_open() {
    let nat = |fields: &str| format!(r#"{{"NatGateways": [{{"NatGatewayId": "nat-1", {fields}}}]}}"#);
    let endpoint = |subnet: &str| {
        ENDPOINTS.replace(
            "]}]}",
            &format!(
                r#"]}}, {{"VpcEndpointId": "vpce-9", "VpcEndpointType": "Interface", "VpcId": "vpc-1", "State": "available",
                    "ServiceName": "com.amazonaws.us-east-1.ecr.api", "SubnetIds": ["{subnet}"], "NetworkInterfaceIds": []}}]}}"#
            ),
        )
    };
    for (what, name, content, expected) in [
        ("a NAT gateway", "nat.json", nat(r#""SubnetId": "subnet-9", "VpcId": "vpc-1""#), Outcome::Undetermined),
        ("of no VPC", "nat.json", nat(r#""SubnetId": "subnet-9""#), Outcome::Undetermined),
        ("in a subnet that is listed", "nat.json", nat(r#""SubnetId": "subnet-1", "VpcId": "vpc-1""#), Outcome::OnNet),
        ("deleted", "nat.json", nat(r#""SubnetId": "subnet-9", "VpcId": "vpc-1", "State": "deleted""#), Outcome::OnNet),
        ("another tool's", "nat.json", r#"{"NatGateways": {"SubnetId": 7}}"#.to_owned(), Outcome::OnNet),
        ("an endpoint", "vpc-endpoints.json", endpoint("subnet-9"), Outcome::Undetermined),
        ("in a subnet that is listed", "vpc-endpoints.json", endpoint("subnet-1"), Outcome::OnNet),
    ] {
        assert_eq!(outcome(&[(name, &content)]), Ok(expected), "{what}");
    }
}

#[test]
fn a_table_that_only_an_endpoint_names_may_serve_a_subnet_unless_the_endpoint_was_deleted() {
    for (state, expected) in [
        ("available", Outcome::Undetermined),
        ("deleting", Outcome::Undetermined),
        ("rejected", Outcome::Undetermined),
        ("deleted", Outcome::OnNet),
    ] {
        let other = format!(
            r#"]}}, {{"VpcEndpointId": "vpce-9", "VpcEndpointType": "Gateway", "VpcId": "vpc-1", "State": "{state}",
                "ServiceName": "com.amazonaws.us-east-1.s3", "RouteTableIds": ["rtb-9"]}}]}}"#
        );
        let endpoints = ENDPOINTS.replace("]}]}", &other);
        assert_eq!(outcome(&[("vpc-endpoints.json", &endpoints)]), Ok(expected), "{state}");
    }
}

/// A local route is about to win.
#[test]
fn a_range_of_the_vpc_within_the_list_counts_from_when_it_is_being_associated() {
    for (state, expected) in [
        ("associating", Outcome::Undetermined),
        ("associated", Outcome::Undetermined),
        ("disassociating", Outcome::Undetermined),
        ("disassociated", Outcome::OnNet),
        ("failed", Outcome::OnNet),
    ] {
        let range = format!(r#"{{"CidrBlock": "52.94.0.0/24", "CidrBlockState": {{"State": "{state}"}}}}"#);
        let vpcs = format!(
            r#"{{"Vpcs": [{{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16", "CidrBlockAssociationSet": [{range}]}}]}}"#
        );
        assert_eq!(outcome(&[("vpcs.json", &vpcs)]), Ok(expected), "{state}");
    }
}

/// FIPS has interface endpoints alone.
#[test]
fn a_gateway_endpoint_of_the_fips_service_carries_nothing_for_certain() {
    let fips = ENDPOINTS.replace("us-east-1.dynamodb", "us-east-1.dynamodb-fips");
    assert_ne!(outcome(&[("vpc-endpoints.json", &fips)]), Ok(Outcome::OnNet));
    assert_eq!(explained(&read(&[("vpc-endpoints.json", &fips)]).unwrap(), "52.94.0.10"), Outcome::Undetermined);
}
