//! Directories that scripts and other tools wrote: what is not read is reported, and unknown facts are never on-net.

use onnet_core::{
    import::files,
    judge::{audit, explain, explained_outcome},
    model::{Inventory, Outcome},
    present,
};
use std::{
    fs,
    net::IpAddr,
    path::Path,
    time::{Duration, SystemTime},
};

pub(crate) const LISTS: &str = r#"{"PrefixLists": [{"PrefixListId": "pl-1", "PrefixListName": "com.amazonaws.us-east-1.dynamodb", "Cidrs": ["52.94.0.0/22"]}]}"#;
pub(crate) const SUBNETS: &str = r#"{"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "AvailabilityZone": "us-east-1a", "CidrBlock": "10.0.1.0/24",
    "EnableDns64": false}]}"#;
pub(crate) const ENDPOINTS: &str = r#"{"VpcEndpoints": [{"VpcEndpointId": "vpce-1", "VpcEndpointType": "Gateway", "VpcId": "vpc-1",
    "ServiceName": "com.amazonaws.us-east-1.dynamodb", "State": "available", "RouteTableIds": ["rtb-1"]}]}"#;
pub(crate) const LOCAL: &str =
    r#"{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"}"#;
pub(crate) const TO_ENDPOINT: &str =
    r#"{"DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1", "Origin": "CreateRoute", "State": "active"}"#;
pub(crate) const NAT: &str =
    r#"{"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "Origin": "CreateRoute", "State": "active"}"#;
pub(crate) const MAIN: &str = r#"[{"Main": true, "RouteTableAssociationId": "rtbassoc-1", "RouteTableId": "rtb-1"}]"#;
/// A row of a table of subnet-1 without routes out of the VPC.
pub(crate) const PRIVATE: &str = r#"{"RouteTableId": "rtb-2", "VpcId": "vpc-1", "Associations": [{"Main": false, "SubnetId": "subnet-1", "RouteTableId": "rtb-2"}],
    "Routes": [{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"},
      {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "active"}]}"#;

pub(crate) fn table(id: &str, associations: &str, routes: &[&str]) -> String {
    let routes = routes.join(", ");
    format!(r#"{{"RouteTableId": "{id}", "VpcId": "vpc-1", "Associations": {associations}, "Routes": [{routes}]}}"#)
}

pub(crate) fn tables(rows: &[&str]) -> String {
    format!(r#"{{"RouteTables": [{}]}}"#, rows.join(", "))
}

/// The files of a directory that is on-net, by name, so that a test can replace them.
fn on_net() -> Vec<(String, Vec<u8>)> {
    let main = tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT])]);
    let files = [("route-tables.json", main.as_str()), ("subnets.json", SUBNETS), ("vpc-endpoints.json", ENDPOINTS)];
    let files = files.into_iter().chain([("prefix-lists.json", LISTS)]);
    files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).collect()
}

/// Reads the directory with these files added or replaced.
fn read_bytes(more: &[(&str, &[u8])]) -> Result<Inventory, String> {
    read_aged(more, &[])
}

/// The same where some files are older than the others.
fn read_aged(more: &[(&str, &[u8])], aged: &[(&str, Duration)]) -> Result<Inventory, String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in on_net() {
        fs::write(dir.path().join(name), content).unwrap();
    }
    for (name, content) in more {
        fs::write(dir.path().join(name), content).unwrap();
    }
    let newest = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    for file in fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        let age = aged.iter().find(|(name, _)| file.file_name() == *name).map_or(Duration::ZERO, |(_, age)| *age);
        fs::File::options().write(true).open(file.path()).unwrap().set_modified(newest - age).unwrap();
    }
    files::read(dir.path(), Some("us-east-1"))
        .map_err(|error| error.to_string().replace(&dir.path().display().to_string(), "DIR"))
}

pub(crate) fn read(more: &[(&str, &str)]) -> Result<Inventory, String> {
    let more: Vec<_> = more.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    read_bytes(&more)
}

/// The outcome where some files are older than the others.
pub(crate) fn outcome_at(more: &[(&str, &str)], aged: &[(&str, Duration)]) -> Result<Outcome, String> {
    let more: Vec<_> = more.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    read_aged(&more, aged).map(|inventory| audit(&inventory, None).outcome)
}

pub(crate) fn outcome(more: &[(&str, &str)]) -> Result<Outcome, String> {
    read(more).map(|inventory| audit(&inventory, None).outcome)
}

#[test]
fn the_folder_itself_is_on_net() {
    assert_eq!(outcome(&[]), Ok(Outcome::OnNet));
}

#[test]
fn rows_where_the_cli_does_not_write_them_are_never_skipped() {
    let camel = r#"{"routeTables": [{"routeTableId": "rtb-2", "vpcId": "vpc-1", "associations": [], "routes": []}]}"#;
    let snake = r#"{"route_tables": [{"route_table_id": "rtb-2", "associations": [], "routes": []}]}"#;
    let endpoint = r#"{"vpcEndpoints": [{"vpcEndpointId": "vpce-2", "vpcId": "vpc-1"}]}"#;
    let list = r#"{"prefixLists": [{"prefixListId": "pl-2", "cidrs": []}]}"#;
    let subnet = r#"{"SubnetId": "subnet-2", "CidrBlock": "10.0.2.0/24"}"#;
    let service = r#"{"vpc_endpoints": [{"vpc_endpoint_id": "vpce-2", "service_name": "x"}]}"#;
    let cases = [
        ("an object", PRIVATE.to_owned(), "a single object, as --query 'RouteTables[0]'"),
        ("PowerShell", format!(r#"{{"value": [{PRIVATE}], "Count": 1}}"#), "ConvertTo-Json of PowerShell"),
        ("camelCase", camel.to_owned(), "routeTables[0], with keys as SDKs"),
        ("snake_case", snake.to_owned(), "route_tables[0], with keys as SDKs"),
        ("an envelope", format!(r#"{{"result": {}}}"#, tables(&[PRIVATE])), "in result.RouteTables[0]"),
        ("by Region", format!(r#"{{"us-east-1": {}}}"#, tables(&[PRIVATE])), "in us-east-1.RouteTables[0]"),
        ("a later document", format!("{{\"RouteTables\": []}}\n{{\"Value\": [{PRIVATE}]}}"), "in Value[0]"),
        ("beside an answer", format!(r#"{{"RouteTables": [], "more": [{PRIVATE}]}}"#), "in more[0]"),
        ("created and associated", format!(r#"{{"RouteTable": {PRIVATE}}}"#), "in RouteTable"),
        ("lists", r#"[["rtb-2", "vpc-1"]]"#.to_owned(), "--query"),
        ("an endpoint", endpoint.to_owned(), "aws ec2 describe-vpc-endpoints"),
        ("a prefix list", list.to_owned(), "aws ec2 describe-prefix-lists"),
        ("a subnet", subnet.to_owned(), "aws ec2 describe-subnets"),
        ("before another thing", format!(r#"{{"more": [{PRIVATE}, {{"Name": "x"}}]}}"#), "in more[0]"),
        ("a service in snake_case", service.to_owned(), "aws ec2 describe-vpc-endpoints"),
    ];
    for (what, text, expected) in cases {
        let error = outcome(&[("more.json", &text)]).expect_err(what);
        assert!(error.contains("DIR/more.json") && error.contains(expected), "{what}: {error}");
    }
}

#[test]
fn references_to_rows_and_answers_of_other_commands_are_no_rows() {
    let others = [
        r#"{"Reservations": [{"Instances": [{"InstanceId": "i-1", "SubnetId": "subnet-1", "VpcId": "vpc-1"}]}]}"#,
        r#"{"NatGateways": [{"NatGatewayId": "nat-1", "SubnetId": "subnet-1", "VpcId": "vpc-1"}]}"#,
        r#"{"NatGateways": [{"NatGatewayId": "nat-1", "VpcId": "vpc-1", "RouteTableId": "rtb-9", "AvailabilityMode": "regional"}]}"#,
        r#"{"SecurityGroups": [{"IpPermissions": [{"PrefixListIds": [{"PrefixListId": "pl-1"}]}]}]}"#,
        r#"{"RouteTable": {"RouteTableId": "rtb-9", "VpcId": "vpc-1", "Associations": [], "Routes": []}}"#,
        r#"{"Resources": {"R": {"Properties": {"RouteTableId": {"Ref": "T"}, "VpcId": "vpc-1"}}}}"#,
        r#"{"resources": [{"instances": [{"attributes": {"route_table_id": "rtb-1", "vpc_id": "vpc-1"}}]}]}"#,
        r#"{"Records": [{"vpcEndpointId": "vpce-1", "requestParameters": {}}]}"#,
        r#"[{"InstanceId": "i-1", "SubnetId": "subnet-1"}, {"NatGatewayId": "nat-1", "SubnetId": "subnet-1"}]"#,
        r#"[{"SubnetId": "subnet-1", "LoadBalancerArn": "arn:aws:x"}]"#,
        r#"{"Changes": [{"before": "rtb-9", "routes": []}]}"#,
    ];
    for text in others {
        assert_eq!(outcome(&[("other.json", text)]), Ok(Outcome::OnNet), "{text}");
    }
}

#[test]
fn a_list_of_answers_is_read_as_the_answers() {
    let list = format!("[{}, {}]", tables(&[PRIVATE]), r#"{"Subnets": []}"#);
    assert_eq!(outcome(&[("more.json", &list)]), Ok(Outcome::OffNet));
    assert_eq!(outcome(&[("MORE.JSON", &list)]), Ok(Outcome::OffNet), "the extension in any case");
}

#[test]
fn a_listing_that_goes_on_is_cut_off_under_any_key() {
    let main = tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT])]);
    let with = |more: &str| main.replacen('{', &format!("{{{more}, "), 1);
    for token in [
        r#""NextToken": "x""#,
        r#""nextToken": "x""#,
        r#""next_token": "x""#,
        r#""Marker": "x""#,
        r#""IsTruncated": true"#,
        r#""IsTruncated": true, "Marker": "x""#,
        r#""NextMarker": "x""#,
    ] {
        let tables = with(token);
        assert_eq!(outcome(&[("route-tables.json", &tables)]), Ok(Outcome::Undetermined), "{token}");
        let entries = format!(r#"{{"Entries": [{{"Cidr": "52.94.0.0/22"}}], {token}}}"#);
        let lists = LISTS.replace(r#", "Cidrs": ["52.94.0.0/22"]"#, "");
        let files = [("pl-1.json", entries.as_str()), ("prefix-lists.json", &lists)];
        assert_eq!(outcome(&files), Ok(Outcome::Undetermined), "{token}");
    }
    for whole in [r#""nextToken": """#, r#""nextToken": null"#, r#""IsTruncated": false"#, r#""IsTruncated": null"#] {
        assert_eq!(outcome(&[("route-tables.json", &with(whole))]), Ok(Outcome::OnNet), "{whole}");
    }
}

#[test]
fn a_table_whose_associations_are_not_all_known_may_serve_any_subnet_of_its_vpc() {
    let explicit = r#"[{"Main": false, "SubnetId": "subnet-1"}]"#;
    let whole = |associations| table("rtb-1", associations, &[LOCAL, TO_ENDPOINT]);
    let trimmed = [
        PRIVATE.replace(r#""Associations": [{"Main": false, "SubnetId": "subnet-1", "RouteTableId": "rtb-2"}],"#, ""),
        PRIVATE.replace(r#""SubnetId": "subnet-1", "#, ""),
    ];
    for other in &trimmed {
        let with = |associations| outcome(&[("route-tables.json", &tables(&[&whole(associations), other]))]);
        assert_eq!(with(MAIN), Ok(Outcome::Undetermined), "{other}");
        assert_eq!(with(explicit), Ok(Outcome::OnNet), "an explicit association decides: {other}");
    }
    for none in
        [r#""Associations": null"#, r#""Associations": []"#, r#""Associations": [{"PublicIpv4Pool": "ipv4pool-1"}]"#]
    {
        let other = PRIVATE
            .replace(r#""Associations": [{"Main": false, "SubnetId": "subnet-1", "RouteTableId": "rtb-2"}]"#, none);
        let files = tables(&[&whole(MAIN), &other]);
        assert_eq!(outcome(&[("route-tables.json", &files)]), Ok(Outcome::OnNet), "{none}");
    }
    let both = tables(&[&trimmed[0]]);
    assert_eq!(
        outcome(&[("a.json", &both), ("b.json", &tables(&[PRIVATE]))]),
        Ok(Outcome::OffNet),
        "another file has them"
    );
}

#[test]
fn an_association_of_another_table_is_a_contradiction() {
    let main = tables(&[&table("rtb-1", &MAIN.replace("\"rtb-1\"", "\"rtb-7\""), &[LOCAL, TO_ENDPOINT])]);
    let error = outcome(&[("route-tables.json", &main)]).unwrap_err();
    assert!(error.contains("RouteTables[0]") && error.contains("an association of rtb-7 stands in rtb-1"), "{error}");
}

#[test]
fn routes_without_a_local_route_are_a_selection() {
    let default = r#"{"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "active"}"#;
    for routes in [&[TO_ENDPOINT][..], &[default], &[]] {
        for associations in [MAIN, r#"[{"Main": false, "SubnetId": "subnet-1"}]"#] {
            let tables = tables(&[&table("rtb-1", associations, routes)]);
            assert_eq!(outcome(&[("route-tables.json", &tables)]), Ok(Outcome::Undetermined), "{routes:?}");
        }
    }
}

#[test]
fn a_route_with_two_targets_leads_nowhere_that_is_known() {
    for other in [
        r#""NatGatewayId": "nat-1""#,
        r#""VpcEndpointId": "vpce-9""#,
        r#""CoreNetworkArn": "arn:aws:networkmanager::1:core-network/core-network-1""#,
        r#""QuantumGatewayId": "qgw-1""#,
        r#""QuantumArn": ["arn:q"]"#,
    ] {
        let route = TO_ENDPOINT.replace(r#""GatewayId""#, &format!(r#"{other}, "GatewayId""#));
        let tables = tables(&[&table("rtb-1", MAIN, &[LOCAL, &route])]);
        assert_eq!(outcome(&[("route-tables.json", &tables)]), Ok(Outcome::Undetermined), "{other}");
    }
    for one in
        [r#""InstanceOwnerId": "1""#, r#""QuantumGatewayId": null"#, r#""QuantumGatewayId": """#, r#""Note": "x""#]
    {
        let route = TO_ENDPOINT.replace(r#""GatewayId""#, &format!(r#"{one}, "GatewayId""#));
        let tables = tables(&[&table("rtb-1", MAIN, &[LOCAL, &route])]);
        assert_eq!(outcome(&[("route-tables.json", &tables)]), Ok(Outcome::OnNet), "{one}");
    }
    for (field, id) in [("NatGatewayId", "vpce-1"), ("TransitGatewayId", "vpce-1"), ("QuantumGatewayId", "qgw-1")] {
        let route = format!(r#"{{"DestinationCidrBlock": "52.94.0.0/22", "{field}": "{id}", "State": "active"}}"#);
        let tables = tables(&[&table("rtb-1", MAIN, &[LOCAL, &route])]);
        let audit = audit(
            &read(&[("route-tables.json", &tables), ("vpc-endpoints.json", r#"{"VpcEndpoints": []}"#)]).unwrap(),
            None,
        );
        assert_eq!(audit.outcome, Outcome::Undetermined, "{field}");
        assert!(audit.subnets[0].findings.iter().any(|finding| finding.message.contains(field)), "{field} {audit:?}");
    }
}

#[test]
fn a_subnet_without_its_range_may_hold_what_a_local_route_overlaps() {
    let wide = LOCAL.replace("10.0.0.0/16", "52.0.0.0/8");
    let tables_of = |wide: &str| tables(&[&table("rtb-1", MAIN, &[LOCAL, wide, TO_ENDPOINT])]);
    let address: IpAddr = "52.94.1.9".parse().unwrap();
    let explained = |files: &[(&str, &str)]| {
        let inventory = read(files).unwrap();
        let outcome = audit(&inventory, None).outcome;
        let reason = explain(&inventory, &"subnet-1".into(), address).unwrap().reason;
        (outcome, reason.contains("whether 52.94.1.9 lies in subnet-1 itself"))
    };
    for without in ["", r#", "CidrBlock": null"#, r#", "CidrBlock": """#] {
        let subnets = SUBNETS.replace(r#", "CidrBlock": "10.0.1.0/24""#, without);
        let files = [("route-tables.json", &*tables_of(&wide)), ("subnets.json", &subnets)];
        assert_eq!(explained(&files), (Outcome::Undetermined, true), "{without}");
        assert_eq!(explained(&[("subnets.json", &subnets)]), (Outcome::OnNet, false), "elsewhere it does not matter");
    }
    let known = [("route-tables.json", &*tables_of(&wide)), ("subnets.json", SUBNETS)];
    assert!(!explained(&known).1);
    let longer = tables(&[&table("rtb-1", MAIN, &[LOCAL, &wide, &NAT.replace("0.0.0.0/0", "52.94.0.0/16")])]);
    let nameless = SUBNETS.replace(r#", "CidrBlock": "10.0.1.0/24""#, "");
    let endpoints = ENDPOINTS.replace(r#"["rtb-1"]"#, "[]");
    for (subnets, expected) in [(SUBNETS, Outcome::OffNet), (&nameless, Outcome::Undetermined)] {
        let files = [("route-tables.json", &*longer), ("vpc-endpoints.json", &endpoints), ("subnets.json", subnets)];
        assert_eq!(outcome(&files), Ok(expected), "{subnets}");
    }
    let explicit = tables_of(&wide).replace(MAIN, r#"[{"Main": false, "SubnetId": "subnet-1"}]"#);
    let no_list = [("route-tables.json", &*explicit), ("subnets.json", "{}")];
    assert_eq!(explained(&no_list), (Outcome::Undetermined, true));
}

#[test]
fn entries_that_query_made_a_list_are_named() {
    let error = outcome(&[("pl-1.json", r#"[{"Cidr": "35.71.68.0/23"}]"#)]).unwrap_err();
    assert!(error.contains("DIR/pl-1.json") && error.contains("--query"), "{error}");
    assert_eq!(outcome(&[("ranges.json", r#"[{"Cidr": "35.71.68.0/23"}]"#)]), Ok(Outcome::OnNet));
}

#[test]
fn the_interfaces_of_an_endpoint_are_known_with_their_addresses_or_not_at_all() {
    let endpoint = |interfaces: &str| {
        format!(
            r#"{{"VpcEndpoints": [{{"VpcEndpointId": "vpce-2", "VpcEndpointType": "Interface", "VpcId": "vpc-1",
            "ServiceName": "com.amazonaws.us-east-1.dynamodb", "State": "available"{interfaces}}}]}}"#
        )
    };
    let interface =
        |id: &str, more: &str| format!(r#"{{"NetworkInterfaces": [{{"NetworkInterfaceId": "{id}"{more}}}]}}"#);
    let seen = |interfaces: &str, id: &str, more: &str| {
        let files = [("vpc-endpoints.json", endpoint(interfaces)), ("n.json", interface(id, more))];
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        let interfaces = read(&files).unwrap().facts.endpoint_interfaces;
        interfaces.get().map(|all| all.iter().map(|one| one.addresses.len()).sum::<usize>()).map_err(|gap| gap.reason())
    };
    let ids = r#", "NetworkInterfaceIds": ["eni-2"]"#;
    assert_eq!(seen(ids, "eni-2", r#", "PrivateIpAddress": "10.0.1.9""#), Ok(1));
    assert_eq!(seen(ids, "eni-2", r#", "PrivateIpAddress": "10.0.1.9", "VpcId": "vpc-1""#), Ok(1));
    assert_eq!(seen(ids, "eni-2", r#", "PrivateIpAddress": "10.0.1.9", "VpcId": "vpc-2""#), Err("conflicting"));
    assert_eq!(seen(ids, "eni-2", ""), Err("truncated"));
    assert_eq!(seen("", "eni-2", ""), Err("truncated"));
    assert_eq!(seen(r#", "NetworkInterfaceIds": []"#, "eni-2", ""), Err("truncated"));
    let of_another = r#", "Description": "VPC Endpoint Interface vpce-9", "PrivateIpAddress": "10.0.1.9""#;
    assert_eq!(seen(ids, "eni-2", of_another), Err("not_visible"));
}

#[test]
fn fields_of_one_row_that_contradict_each_other_are_named() {
    let arn = |region: &str, id: &str| format!(r#""PrefixListArn": "arn:aws:ec2:{region}:aws:prefix-list/{id}", "#);
    let list = |arn: &str| LISTS.replace(r#""PrefixListId""#, &format!(r#"{arn}"PrefixListId""#));
    let subnet = |arn: &str| SUBNETS.replace(r#""VpcId""#, &format!(r#""SubnetArn": "{arn}", "VpcId""#));
    let of_region = |region: &str| format!("arn:aws:ec2:{region}:111122223333:subnet/subnet-1");
    let service = |region: &str| ENDPOINTS.replace(r#""State""#, &format!(r#""ServiceRegion": "{region}", "State""#));
    let cases = [
        ("prefix-lists.json", list(&arn("eu-west-1", "pl-1")), list(&arn("us-east-1", "pl-1")), "PrefixListArn"),
        ("prefix-lists.json", list(&arn("us-east-1", "pl-2")), list(""), "PrefixListArn is pl-2"),
        ("subnets.json", subnet(&of_region("eu-west-1")), subnet(&of_region("us-east-1")), "SubnetArn is eu-west-1"),
        (
            "subnets.json",
            subnet("arn:aws:ec2:us-east-1:1:subnet/subnet-2"),
            SUBNETS.to_owned(),
            "SubnetArn is subnet-2",
        ),
        (
            "subnets.json",
            subnet("arn:aws-cn:ec2:us-east-1:111122223333:subnet/subnet-1"),
            subnet("arn:aws:ec2:us-east-1:111122223333:subnet/subnet-1"),
            "the partition of SubnetArn is aws-cn",
        ),
        (
            "prefix-lists.json",
            list(&arn("us-east-1", "pl-1").replace("arn:aws:", "arn:aws-us-gov:")),
            list(&arn("us-east-1", "pl-1")),
            "the partition of PrefixListArn is aws-us-gov",
        ),
        ("vpc-endpoints.json", service("eu-west-1"), service("us-east-1"), "ServiceRegion is eu-west-1"),
    ];
    for (file, contradiction, agreement, expected) in cases {
        let error = outcome(&[(file, &contradiction)]).unwrap_err();
        assert!(error.contains(file) && error.contains(expected), "{error}");
        assert_eq!(outcome(&[(file, &agreement)]), Ok(Outcome::OnNet), "{agreement}");
    }
    let family = |family: &str| {
        let row = format!(r#"{{"PrefixListId": "pl-1", "AddressFamily": "{family}"}}"#);
        outcome(&[("managed.json", &format!(r#"{{"PrefixLists": [{row}]}}"#))])
    };
    assert_eq!((family("IPv4"), family("IPv6")), (Ok(Outcome::OnNet), Ok(Outcome::Undetermined)));
}

/// The on-net directory with an interface endpoint of DynamoDB, and additional fields of its network interface and of other files.
fn with_interface_endpoint(interface: &str, others: &str) -> [(&'static str, String); 2] {
    let endpoint = ENDPOINTS.replace(
        "}]}",
        r#"}, {"VpcEndpointId": "vpce-2", "VpcEndpointType": "Interface", "VpcId": "vpc-1", "State": "available",
            "ServiceName": "com.amazonaws.us-east-1.dynamodb", "NetworkInterfaceIds": ["eni-2"]}]}"#,
    );
    let address = if interface.contains("PrivateIpAddress\"") { "" } else { r#", "PrivateIpAddress": "10.0.1.9""# };
    let interfaces =
        format!(r#"{{"NetworkInterfaces": [{{"NetworkInterfaceId": "eni-2"{interface}{address}}}{others}]}}"#);
    [("vpc-endpoints.json", endpoint), ("n.json", interfaces)]
}

/// The result of `explain` for the address of that network interface.
fn explained_interface(interface: &str, others: &str) -> (Outcome, String) {
    let files = with_interface_endpoint(interface, others);
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let inventory = match read(&files) {
        Ok(inventory) => inventory,
        Err(error) => return (Outcome::Undetermined, error),
    };
    let explained = explain(&inventory, &"subnet-1".into(), "10.0.1.9".parse().unwrap()).unwrap();
    (explained_outcome(&explained), explained.reason)
}

#[test]
fn a_network_interface_that_is_another_things_makes_no_address_on_net() {
    let whole = r#", "VpcId": "vpc-1", "SubnetId": "subnet-1", "AvailabilityZone": "us-east-1a", "InterfaceType": "vpc_endpoint",
        "Description": "VPC Endpoint Interface vpce-2", "Attachment": {"InstanceOwnerId": "amazon-aws"},
        "PrivateIpAddress": "10.0.1.9", "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.1.9"}]"#;
    let another = |more: &str| format!(r#", {{"NetworkInterfaceId": "eni-3", "PrivateIpAddress": "10.0.1.9"{more}}}"#);
    for (interface, others) in [
        ("", String::new()),
        (whole, String::new()),
        (r#", "InterfaceType": "interface""#, String::new()),
        ("", another(r#", "VpcId": "vpc-2""#)),
        ("", another(r#", "VpcId": "vpc-1""#).replace("10.0.1.9", "10.0.1.10")),
    ] {
        let (outcome, reason) = explained_interface(interface, &others);
        assert_eq!(outcome, Outcome::OnNet, "{interface} {others}: {reason}");
    }
    let second = r#", "PrivateIpAddress": "10.0.1.20", "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.1.20"}, {"PrivateIpAddress": "10.0.1.9"}]"#;
    let secondary = another(r#", "VpcId": "vpc-1""#).replace(r#", "PrivateIpAddress": "10.0.1.9""#, second);
    let outside = r#", "SubnetId": "subnet-1", "PrivateIpAddress": "10.0.7.9""#;
    for (interface, others, expected) in [
        (r#", "InterfaceType": "lambda""#, String::new(), "its InterfaceType is lambda"),
        (r#", "Attachment": {"InstanceId": "i-1"}"#, String::new(), "attached to i-1"),
        (r#", "Description": "VPC Endpoint Interface vpce-1""#, String::new(), "by its Description it is of vpce-1"),
        (r#", "VpcId": "vpc-2""#, String::new(), "eni-2, a network interface of vpce-2, is in vpc-2"),
        (outside, String::new(), "eni-2 of vpce-2 has 10.0.7.9 in subnet-1"),
        (
            r#", "PrivateIpAddress": "10.0.1.9", "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.1.8"}]"#,
            String::new(),
            "PrivateIpAddress is 10.0.1.9, but that in PrivateIpAddresses is 10.0.1.8",
        ),
        ("", another(r#", "VpcId": "vpc-1""#), "eni-3 has it too"),
        ("", another(""), "eni-3 has it too"),
        ("", secondary, "eni-3 has it too"),
    ] {
        let (outcome, reason) = explained_interface(interface, &others);
        assert_eq!(outcome, Outcome::Undetermined, "{interface} {others}: {reason}");
        assert!(reason.contains(expected), "{expected}: {reason}");
    }
    let elsewhere = r#"{"Subnets": [{"SubnetId": "subnet-9", "VpcId": "vpc-9", "AvailabilityZone": "us-east-1a", "CidrBlock": "10.0.1.0/24"}]}"#;
    let files = with_interface_endpoint(r#", "SubnetId": "subnet-9""#, "");
    let [endpoints, interfaces] = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let seen = read(&[endpoints, interfaces, ("s.json", elsewhere)]).unwrap().facts.endpoint_interfaces;
    assert_eq!(seen.gap().map(|gap| gap.reason()), Some("conflicting"));
}

#[test]
fn an_endpoint_has_what_its_type_has() {
    let of = |more: &str| ENDPOINTS.replace(r#""State""#, &format!(r#"{more}, "State""#));
    for (text, expected) in [
        (of(r#""NetworkInterfaceIds": ["eni-1"]"#), "VpcEndpointType is Gateway, but NetworkInterfaceIds is eni-1"),
        (ENDPOINTS.replace("Gateway", "Interface"), "VpcEndpointType is Interface, but RouteTableIds is rtb-1"),
    ] {
        let error = outcome(&[("vpc-endpoints.json", &text)]).unwrap_err();
        assert!(error.contains("VpcEndpoints[0]") && error.contains(expected), "{error}");
    }
    assert_eq!(outcome(&[("vpc-endpoints.json", &of(r#""NetworkInterfaceIds": []"#))]), Ok(Outcome::OnNet));
}

#[test]
fn listings_that_contradict_each_other_about_a_vpc_leave_its_subnets_open() {
    let (one, other) = ("111122223333", "999999999999");
    let owned = |text: &str, owner: &str| text.replace(r#""VpcId""#, &format!(r#""OwnerId": "{owner}", "VpcId""#));
    let main = tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT])]);
    let explicit = main.replace(MAIN, r#"[{"Main": false, "SubnetId": "subnet-1"}]"#);
    let vpcs = |owner: &str| {
        format!(
            r#"{{"Vpcs": [{{"VpcId": "vpc-1", "OwnerId": "{owner}"}}, {{"VpcId": "vpc-2", "OwnerId": "{other}"}}]}}"#
        )
    };
    let file = |name: &'static str, text: String| (name, text);
    let (of_subnets, of_tables, of_endpoints) = ("subnets.json", "route-tables.json", "vpc-endpoints.json");
    let interface = |zone: &str| {
        format!(
            r#"{{"NetworkInterfaces": [{{"NetworkInterfaceId": "eni-1", "VpcId": "vpc-1", "AvailabilityZone": "{zone}"}}]}}"#
        )
    };
    let second = |zone: &str| {
        SUBNETS.replace("}]}", &format!(r#"}}, {{"SubnetId": "subnet-2", "VpcId": "vpc-1", "AvailabilityZone": "{zone}", "CidrBlock": "10.0.2.0/24"}}]}}"#))
    };
    let zoneless = SUBNETS.replace(r#""AvailabilityZone": "us-east-1a", "#, "");
    let everywhere = [
        file(of_subnets, owned(SUBNETS, one)),
        file(of_tables, owned(&main, one)),
        file(of_endpoints, owned(ENDPOINTS, one)),
        file("v.json", vpcs(one)),
    ];
    let agreeing = [
        everywhere.to_vec(),
        vec![file(of_subnets, second("us-east-1b")), file("n.json", interface("us-east-1c"))],
        vec![file(of_subnets, second("us-east-1-bos-1a"))],
        vec![file("v.json", r#"{"Vpcs": ["vpc-1", {"VpcId": 7}, {"Name": "x"}, null]}"#.to_owned())],
        vec![file("v.json", r#"{"Vpcs": {"a": 1}}"#.to_owned())],
    ];
    let contradicting = [
        (
            vec![file(of_subnets, owned(SUBNETS, one)), file(of_tables, owned(&main, other))],
            "rtb-1 is of account 999999999999",
        ),
        (
            vec![file(of_subnets, owned(SUBNETS, one)), file(of_tables, owned(&explicit, other))],
            "rtb-1 is of account 999999999999",
        ),
        (
            vec![file(of_tables, owned(&main, one)), file(of_endpoints, owned(ENDPOINTS, other))],
            "vpce-1 is of account 999999999999",
        ),
        (vec![file(of_subnets, owned(SUBNETS, one)), file("v.json", vpcs(other))], "vpc-1 is of account 999999999999"),
        (vec![file("u.json", vpcs(one)), file("v.json", vpcs(other))], "vpc-1 is of account 999999999999"),
        (vec![file(of_subnets, second("eu-west-1a"))], "subnet-2 is of eu-west-1"),
        (vec![file("n.json", interface("eu-west-1a"))], "eni-1 is of eu-west-1"),
        (
            vec![file("n.json", interface("us-east-1a").replace("vpc-1", r#"vpc-2", "SubnetId": "subnet-1"#))],
            "eni-1, which is in subnet-1, is in vpc-2",
        ),
        (vec![file(of_endpoints, ENDPOINTS.replace("us-east-1", "eu-west-1"))], "vpce-1 is of eu-west-1"),
    ];
    let conclude = |files: &[(&str, String)]| {
        let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let inventory = read(&files).unwrap();
        let explained = explain(&inventory, &"subnet-1".into(), "52.94.0.10".parse().unwrap()).unwrap();
        (audit(&inventory, None).outcome, explained_outcome(&explained), explained.reason)
    };
    for files in agreeing {
        let (audited, explained, reason) = conclude(&files);
        assert_eq!((audited, explained), (Outcome::OnNet, Outcome::OnNet), "{files:?}: {reason}");
    }
    for (files, expected) in contradicting {
        let (audited, explained, reason) = conclude(&files);
        assert_eq!((audited, explained), (Outcome::Undetermined, Outcome::Undetermined), "{files:?}: {reason}");
        assert!(reason.contains(expected), "{expected}: {reason}");
    }
    // Only the zone of a network interface shows that the VPC is in another Region.
    let elsewhere = read(&[(of_subnets, &zoneless), ("n.json", &interface("eu-west-1a"))]).unwrap();
    assert_eq!((audit(&elsewhere, None).outcome, audit(&elsewhere, None).subnets.len()), (Outcome::Undetermined, 0));
}

#[test]
fn an_interface_endpoint_of_a_vpc_of_another_account_may_be_there_unseen() {
    let nat = r#"{"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "active"}"#;
    let main = tables(&[&table("rtb-1", MAIN, &[LOCAL, nat])]);
    let interface =
        r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "VpcId": "vpc-1", "OwnerId": "111122223333"}]}"#;
    let files = [
        ("route-tables.json", main.as_str()),
        ("vpc-endpoints.json", r#"{"VpcEndpoints": []}"#),
        ("n.json", interface),
    ];
    let explained = |more: (&'static str, &str)| {
        let inventory = read(&[files.as_slice(), &[more]].concat()).unwrap();
        explained_outcome(&explain(&inventory, &"subnet-1".into(), "10.0.1.9".parse().unwrap()).unwrap())
    };
    let vpcs = |owner: &str| format!(r#"{{"Vpcs": [{{"VpcId": "vpc-1", "OwnerId": "{owner}"}}]}}"#);
    let arn = |owner: &str| {
        SUBNETS
            .replace(r#""VpcId""#, &format!(r#""SubnetArn": "arn:aws:ec2:us-east-1:{owner}:subnet/subnet-1", "VpcId""#))
    };
    for (owner, expected) in [("111122223333", Outcome::OffNet), ("999999999999", Outcome::Undetermined)] {
        assert_eq!(explained(("v.json", &vpcs(owner))), expected);
        assert_eq!(explained(("subnets.json", &arn(owner))), expected);
    }
}

#[test]
fn an_endpoint_and_a_table_that_contradict_each_other_leave_the_list_open() {
    let second = |vpc: &str, service: &str| {
        let row = format!(
            r#"}}, {{"VpcEndpointId": "vpce-2", "VpcEndpointType": "Gateway", "VpcId": "{vpc}", "State": "available",
                "ServiceName": "com.amazonaws.us-east-1.{service}", "RouteTableIds": ["rtb-1"]}}]}}"#
        );
        ENDPOINTS.replace("}]}", &row)
    };
    let service = |service: &str| ENDPOINTS.replace("us-east-1.dynamodb", service);
    for (text, expected) in [
        (second("vpc-2", "dynamodb"), Outcome::Undetermined),
        (second("vpc-1", "dynamodb"), Outcome::Undetermined),
        (second("vpc-1", "s3"), Outcome::OnNet),
        (service("us-east-1.s3"), Outcome::OffNet),
    ] {
        assert_eq!(outcome(&[("vpc-endpoints.json", &text)]), Ok(expected), "{text}");
    }
    // A route to the endpoint of S3 for the list of S3 is right.
    let lists = LISTS.replace(
        "}]}",
        r#"}, {"PrefixListId": "pl-2", "PrefixListName": "com.amazonaws.us-east-1.s3", "Cidrs": ["54.231.0.0/16"]}]}"#,
    );
    let routes = [LOCAL, TO_ENDPOINT, &TO_ENDPOINT.replace("pl-1", "pl-2").replace("vpce-1", "vpce-2")];
    let files = [
        ("route-tables.json", &*tables(&[&table("rtb-1", MAIN, &routes)])),
        ("vpc-endpoints.json", &second("vpc-1", "s3")),
        ("prefix-lists.json", &lists),
    ];
    let explained = explain(&read(&files).unwrap(), &"subnet-1".into(), "54.231.0.1".parse().unwrap()).unwrap();
    assert_eq!(explained_outcome(&explained), Outcome::OffNet, "{}", explained.reason);
}

#[test]
fn a_route_to_a_gateway_endpoint_that_aws_did_not_set_is_a_contradiction() {
    for (origin, expected) in [
        (r#""Origin": "CreateRoute", "#, Outcome::OnNet),
        ("", Outcome::OnNet),
        (r#""Origin": "CreateRouteTable", "#, Outcome::Undetermined),
        (r#""Origin": "EnableVgwRoutePropagation", "#, Outcome::Undetermined),
        (r#""Origin": "Advertisement", "#, Outcome::Undetermined),
    ] {
        let route = TO_ENDPOINT.replace(r#""Origin": "CreateRoute", "#, origin);
        let tables = tables(&[&table("rtb-1", MAIN, &[LOCAL, &route])]);
        assert_eq!(outcome(&[("route-tables.json", &tables)]), Ok(expected), "{origin}");
    }
}

#[test]
fn a_local_route_whose_target_is_an_appliance_is_still_the_tables_own() {
    let replaced = LOCAL.replace(r#""GatewayId": "local""#, r#""NetworkInterfaceId": "eni-7""#);
    let tables = |local: &str| tables(&[&table("rtb-1", MAIN, &[local, TO_ENDPOINT])]);
    assert_eq!(outcome(&[("route-tables.json", &tables(&replaced))]), Ok(Outcome::OnNet));
    let static_route = replaced.replace("CreateRouteTable", "CreateRoute");
    assert_eq!(outcome(&[("route-tables.json", &tables(&static_route))]), Ok(Outcome::Undetermined));
}

#[test]
fn an_address_of_the_vpc_shows_the_route_that_wins_without_the_endpoints() {
    let inventory = read(&[("vpc-endpoints.json", "{}")]).unwrap();
    let explained = explain(&inventory, &"subnet-1".into(), "10.0.7.9".parse().unwrap()).unwrap();
    assert_eq!(explained_outcome(&explained), Outcome::Undetermined);
    let route = explained.route.as_ref().unwrap();
    assert_eq!(route.destination.to_string(), "10.0.0.0/16");
    let text = anstream::adapter::strip_str(&present::explanation(&explained)).to_string();
    assert!(text.contains("wins          10.0.0.0/16 → not known"), "{text}");
    let whole = explain(&read(&[]).unwrap(), &"subnet-1".into(), "10.0.7.9".parse().unwrap()).unwrap();
    assert_eq!((explained_outcome(&whole), whole.route), (Outcome::OffNet, explained.route));
}

#[test]
fn a_value_that_ec2_never_gives_is_an_error_with_its_place() {
    let main = tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT])]);
    let route = |route: &str| tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT, route])]);
    let to_nat = |field: &str, range: &str| {
        route(&format!(r#"{{"{field}": "{range}", "NatGatewayId": "nat-1", "State": "active"}}"#))
    };
    let associated = |fields: &str| main.replace(r#""Main": true"#, fields);
    let ranges = |text: &str| LISTS.replace(r#""52.94.0.0/22""#, text);
    let arn = |owner: &str| format!(r#""PrefixListArn": "arn:aws:ec2:us-east-1:{owner}:prefix-list/pl-1", "Cidrs""#);
    let arn_and_owner = LISTS.replace(r#""Cidrs""#, &format!(r#""OwnerId": "AWS", {}"#, arn("111122223333")));
    let subnet = |more: &str| SUBNETS.replace(r#""VpcId""#, &format!(r#"{more}, "VpcId""#));
    let of_another = r#""SubnetArn": "arn:aws:ec2:us-east-1:999999999999:subnet/subnet-1", "OwnerId": "111122223333""#;
    let cases = [
        ("route-tables.json", to_nat("DestinationCidrBlock", "52.94.1.7/23"), "RouteTables[0].Routes[2]: Destination"),
        ("route-tables.json", to_nat("DestinationCidrBlock", "2600::/16"), "DestinationCidrBlock is \"2600::/16\""),
        ("route-tables.json", to_nat("DestinationIpv6CidrBlock", "52.94.0.0/24"), "DestinationIpv6CidrBlock is"),
        (
            "route-tables.json",
            TO_ENDPOINT.replace("GatewayId", "gatewayId"),
            "gatewayId, where the AWS CLI writes GatewayId",
        ),
        (
            "route-tables.json",
            TO_ENDPOINT.replace(r#""GatewayId""#, r#""GatewayId": "igw-1", "GatewayId""#),
            "duplicate field",
        ),
        (
            "route-tables.json",
            associated(r#""SubnetId": "subnet-1", "GatewayId": "igw-1""#),
            "both GatewayId and SubnetId are set",
        ),
        ("route-tables.json", associated(r#""Main": true, "SubnetId": "subnet-1""#), "both SubnetId and Main are set"),
        ("route-tables.json", associated(r#""Main": true, "GatewayId": "igw-1""#), "both GatewayId and Main are set"),
        ("prefix-lists.json", ranges(r#""52.94.1.7/22""#), "EC2 writes 52.94.0.0/22"),
        ("prefix-lists.json", arn_and_owner, "the account of PrefixListArn is 111122223333, but OwnerId is aws"),
        ("subnets.json", SUBNETS.replace("10.0.1.0/24", "10.0.1.7/24"), "EC2 writes 10.0.1.0/24"),
        ("subnets.json", subnet(of_another), "the account of SubnetArn is 999999999999"),
    ];
    for (file, text, expected) in cases {
        let text = if text.starts_with(r#"{"Destination"#) { route(&text) } else { text };
        let error = outcome(&[(file, &text)]).expect_err(&text);
        assert!(error.contains(&format!("DIR/{file}")) && error.contains(expected), "{expected}: {error}");
    }
    let customers = LISTS.replace(r#""Cidrs""#, &arn("111122223333"));
    assert_eq!(outcome(&[("prefix-lists.json", &customers)]), Ok(Outcome::Undetermined), "a customer's by its ARN");
    assert_eq!(outcome(&[("prefix-lists.json", &LISTS.replace(r#""Cidrs""#, &arn("aws")))]), Ok(Outcome::OnNet));
    let both = ranges(r#""52.94.0.0/22", "2600:1f00::/40""#);
    assert_eq!(outcome(&[("prefix-lists.json", &both)]), Ok(Outcome::Undetermined), "ranges of both families");
    let odd = LISTS.replace(r#""Cidrs""#, r#""AddressFamily": "IPv5", "Cidrs""#);
    assert_eq!(outcome(&[("prefix-lists.json", &odd)]), Ok(Outcome::Undetermined));
}

#[test]
fn what_is_of_another_region_is_left_out() {
    let europe = |text: &str| {
        let text = ["vpc-1", "subnet-1", "rtb-1", "vpce-1"]
            .iter()
            .fold(text.to_owned(), |text, id| text.replace(&format!("\"{id}\""), &format!("\"{}9\"", id)));
        text.replace("us-east-1", "eu-west-1")
    };
    let subnets = europe(SUBNETS);
    // None of its routes leads to an endpoint: with the lists of us-east-1 it would be off-net.
    let default = r#"{"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "active"}"#;
    let tables = europe(&tables(&[&table("rtb-1", MAIN, &[LOCAL, default])]));
    let both = [("eu-subnets.json", subnets.as_str()), ("eu-tables.json", &tables)];
    let inventory = read(&both).unwrap();
    assert_eq!(audit(&inventory, None).outcome, Outcome::OnNet);
    let ids: Vec<_> = inventory.subnets.seen().unwrap().iter().map(|subnet| subnet.id.as_str()).collect();
    assert_eq!(ids, ["subnet-1"]);
    assert_eq!(inventory.left_out, ["vpc-19".into()].into());
    assert!(read(&[]).unwrap().left_out.is_empty());
    let alone = [("subnets.json", subnets.as_str()), ("route-tables.json", &tables)];
    let audit_of_none = audit(&read(&alone).unwrap(), None);
    assert_eq!((audit_of_none.outcome, audit_of_none.subnets.len()), (Outcome::Undetermined, 0));
    assert!(present::audit(&audit_of_none).contains("are of other Regions than us-east-1"), "{audit_of_none:#?}");
    assert!(
        !present::audit(&audit(&read(&[("subnets.json", r#"{"Subnets": []}"#)]).unwrap(), None))
            .contains("of other Regions")
    );
    let associated = tables.replace(r#"[{"Main": true"#, r#"[{"SubnetId": "subnet-19"}, {"Main": true"#);
    assert_eq!(outcome(&[("eu-subnets.json", subnets.as_str()), ("eu-tables.json", &associated)]), Ok(Outcome::OnNet));
    let without_zone = subnets.replace(r#""AvailabilityZone": "eu-west-1a", "#, "");
    let endpoints = europe(ENDPOINTS);
    let by_gateway = [("a.json", without_zone.as_str()), ("b.json", &tables), ("c.json", &endpoints)];
    assert_eq!(outcome(&by_gateway), Ok(Outcome::OnNet), "by a gateway endpoint's service");
}

#[test]
fn one_id_of_two_regions_lists_is_of_two_lists() {
    let others = LISTS.replace("us-east-1.dynamodb", "ap-southeast-1.s3").replace("52.94.0.0/22", "54.231.0.0/16");
    assert_eq!(outcome(&[("ap.json", &others)]), Ok(Outcome::OnNet));
}

#[test]
fn the_region_of_zones_counts_more_than_that_of_services() {
    let dir = tempfile::tempdir().unwrap();
    let region = |files: &[(&str, &str)]| {
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        files::read(dir.path(), None).map(|inventory| inventory.region).map_err(|error| error.to_string())
    };
    let crossing =
        ENDPOINTS.replace("Gateway", "Interface").replace("us-east-1", "eu-west-1").replace(r#"["rtb-1"]"#, "[]");
    let both = ENDPOINTS.replace("}]}", &format!("}}, {}", crossing.split_once('[').unwrap().1));
    assert_eq!(
        region(&[("e.json", &both.replacen("vpce-1", "vpce-0", 1)), ("s.json", SUBNETS)]).as_deref(),
        Ok("us-east-1")
    );
    let error = region(&[("l.json", &LISTS.replace("us-east-1", "eu-west-1"))]).unwrap_err();
    assert!(error.contains("us-east-1 in subnet-1") && error.contains("--region"), "{error}");
}

#[test]
fn what_other_tools_wrote_is_not_read_and_refuses_nothing() {
    let unrelated: [&[u8]; 23] = [
        b"",
        b"  \n",
        b"7",
        b"null",
        b"\"text\"",
        b"[]",
        b"[1]",
        b"[[\"x\"]]",
        b"[{}, 2]",
        b"\nAn error occurred (UnauthorizedOperation) when calling the DescribeInstances operation: no",
        b"Note: An error occurred when calling the DescribeSubnets operation, as the guide says",
        b"{\"a\": 1, // comment\n}",
        b"{\"a\": [1,],}",
        b"{\"a\": NaN}",
        b"{\"a\": ",
        b"\xef\xbb\xbf[1]",
        b"\x7fELF\x02\x01",
        b"\xff\xfe{\0\"\0a\0\"\0:\x001\0}\0",
        br#"{"Subnets": ["subnet-1"]}"#,
        br#"{"Subnets": {"a": 1}}"#,
        br#"{"Subnets": [{"SubnetIdentifier": "subnet-1", "SubnetStatus": "Active"}]}"#,
        br#"{"Entries": [{"EventId": "1"}], "FailedEntryCount": 0}"#,
        br#"{"Subnets": [null]}"#,
    ];
    for content in unrelated {
        let inventory = read_bytes(&[("zz.json", content)]);
        let inventory = inventory.unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(content)));
        assert_eq!(audit(&inventory, None).outcome, Outcome::OnNet, "{}", String::from_utf8_lossy(content));
        assert!(inventory.not_read.iter().all(|what| what.contains("zz.json")), "{:?}", inventory.not_read);
    }
    let text = read(&[("zz.json", "An error occurred")]).unwrap();
    assert_eq!(text.not_read.len(), 1);
}

/// What it should have listed may be what matters.
#[test]
fn what_a_command_of_ours_left_that_failed_is_an_error() {
    let denied = "\nAn error occurred (UnauthorizedOperation) when calling the DescribeRouteTables operation: no\n";
    let throttled = denied.replace("DescribeRouteTables", "GetManagedPrefixListEntries");
    let named = ["route-tables-b.json", "Subnets_2.json", "vpc-endpoints.json.json", "pl-02cd2c6b.json"];
    let newer = denied.replace("\nAn error", "\naws: [ERROR]: An error");
    let cases = [denied, &throttled, &newer].map(|text| ("zz.json", text, "failed: run that again")).into_iter();
    let empty = named.map(|name| (name, " \n", "it is empty: run the command"));
    // PowerShell writes UTF-16.
    let wide =
        |text: &str| [0xff, 0xfe].into_iter().chain(text.bytes().flat_map(|byte| [byte, 0])).collect::<Vec<u8>>();
    for (name, content, expected) in cases.chain(empty) {
        for content in [content.as_bytes(), &wide(content)] {
            let error = read_bytes(&[(name, content)]).expect_err(name);
            assert!(error.contains(name) && error.contains(expected), "{name}: {error}");
        }
    }
}

#[test]
fn what_could_be_ours_and_cannot_be_read_is_an_error() {
    let whole = tables(&[PRIVATE]);
    let ours = [
        whole[..whole.len() - 9].to_owned(),
        whole.replace("}]}", "},]}"),
        format!("{whole} // comment"),
        r#"{"Subnets": ["#.to_owned(),
        "RouteTables:\n- RouteTableId: rtb-2\n".to_owned(),
    ];
    for text in ours {
        let error = outcome(&[("zz.json", &text)]).expect_err(&text);
        assert!(error.contains("DIR/zz.json"), "{error}");
    }
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(whole.bytes().flat_map(|byte| [byte, 0])).collect();
    assert!(read_bytes(&[("zz.json", &wide)]).unwrap_err().contains("UTF-16"));
    assert!(outcome(&[("pl-1.json", "{\"a\": ")]).is_err(), "its name says whose entries it holds");
}

#[test]
fn null_and_empty_texts_are_absent() {
    let main = table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT]);
    let odd = main
        .replace(r#""Main": true"#, r#""Main": true, "SubnetId": "", "GatewayId": null"#)
        .replace(r#""Associations": ["#, r#""Associations": [{"Main": null, "SubnetId": "subnet-1"}, "#)
        .replace(
            r#""DestinationPrefixListId""#,
            r#""DestinationCidrBlock": "", "NatGatewayId": "", "DestinationPrefixListId""#,
        );
    let tables = format!(r#"{{"RouteTables": [{odd}], "Subnets": null}}"#);
    assert_eq!(outcome(&[("route-tables.json", &tables)]), Ok(Outcome::OnNet));
    let marked = format!("\u{feff}{}\n\u{feff}{}", r#"{"Subnets": []}"#, self::tables(&[PRIVATE]));
    assert_eq!(outcome(&[("appended.json", &marked)]), Ok(Outcome::OffNet), "a byte order mark before each document");
}

#[test]
fn what_is_beside_the_files_and_may_hold_output_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in on_net() {
        fs::write(dir.path().join(name), content).unwrap();
    }
    let listing = tables(&[PRIVATE]);
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(listing.bytes().flat_map(|byte| [byte, 0])).collect();
    let put = |name: &str, content: &[u8]| {
        fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
        fs::write(dir.path().join(name), content).unwrap();
    };
    let named = [
        ("vpc-2/route-tables.json", "vpc-2: *.json files in a directory below"),
        ("deep/a/b/more.json", "deep: *.json files in a directory below"),
        (".hidden-dir/more.json", ".hidden-dir: *.json files in a directory below"),
        ("tables.yaml", "tables.yaml: this is YAML"),
        ("tables.json.gz", "tables.json.gz: this is compressed"),
        ("more.txt", "more.txt: this looks like output"),
        ("more", "more: this looks like output"),
        ("more.jsonl", "more.jsonl: this looks like output"),
        ("more.json.bak", "more.json.bak: this looks like output"),
        (".more.json", ".more.json: this looks like output of the AWS CLI, and hidden"),
    ];
    for (name, _) in named {
        put(name, listing.as_bytes());
    }
    put("wide.out", &wide);
    let not_named = ["notes.txt", ".hidden.yaml", "docs/readme.md", ".git/config.json", "values.tfstate", "empty"];
    for (name, content) in not_named.iter().zip(["RouteTables", "", "", "{}", r#"{"subnets": []}"#, ""]) {
        put(name, content.as_bytes());
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere", dir.path().join("link.json")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("..", dir.path().join("docs/up")).unwrap();
    let inventory = files::read(dir.path(), Some("us-east-1")).unwrap();
    assert_eq!(audit(&inventory, None).outcome, Outcome::OnNet);
    let mut not_read: Vec<&str> = inventory.not_read.iter().map(String::as_str).collect();
    // Below docs is a link to the whole directory.
    not_read.retain(|what| !what.contains("/docs: "));
    for name in named.map(|(_, name)| name).into_iter().chain(["wide.out: this looks like output"]) {
        let name = format!("/{name}");
        assert_eq!(not_read.iter().filter(|what| what.contains(&name)).count(), 1, "{name}: {not_read:#?}");
    }
    assert_eq!(not_read.len(), named.len() + 1 + usize::from(cfg!(unix)), "{not_read:#?}");
}

#[test]
fn two_files_about_one_thing_agree_where_one_says_nothing() {
    let trimmed = ENDPOINTS.replace(r#""VpcEndpointType": "Gateway", "#, "").replace(r#""State": "available", "#, "");
    assert_eq!(outcome(&[("a.json", &trimmed)]), Ok(Outcome::OnNet));
    assert_eq!(outcome(&[("zz.json", &trimmed)]), Ok(Outcome::OnNet));
    for field in [r#", "RouteTableIds": ["rtb-1"]"#, r#""ServiceName": "com.amazonaws.us-east-1.dynamodb", "#] {
        let trimmed = ENDPOINTS.replace(field, "");
        assert_eq!(outcome(&[("a.json", &trimmed)]), Ok(Outcome::OnNet), "{field}");
        assert_eq!(outcome(&[("zz.json", &trimmed)]), Ok(Outcome::OnNet), "{field}");
        assert_eq!(outcome(&[("vpc-endpoints.json", &trimmed)]), Ok(Outcome::Undetermined), "{field}");
    }
    for (given, other, field) in [
        (r#"["rtb-1"]"#, "[]", "RouteTableIds"),
        (r#"["rtb-1"]"#, "null", "RouteTableIds"),
        ("us-east-1.dynamodb", "us-east-1.s3", "ServiceName"),
    ] {
        let error = outcome(&[("zz.json", &ENDPOINTS.replace(given, other))]).unwrap_err();
        assert!(
            error.contains(&format!("the {field} of vpce-1 differ between DIR/vpc-endpoints.json and DIR/zz.json")),
            "{error}"
        );
    }
    let interface = |more: &str| format!(r#"{{"NetworkInterfaces": [{{"NetworkInterfaceId": "eni-2"{more}}}]}}"#);
    let [endpoints, (_, whole)] = with_interface_endpoint(r#", "Description": "VPC Endpoint Interface vpce-2""#, "");
    let with = |file: &'static str, more: &str| {
        read(&[("vpc-endpoints.json", &endpoints.1), ("n.json", &whole), (file, &interface(more))])
    };
    for file in ["a.json", "zz.json"] {
        assert!(
            with(file, "").unwrap().facts.endpoint_interfaces.seen().is_some(),
            "one without addresses adds nothing"
        );
        let error = with(file, r#", "Description": "VPC Endpoint Interface vpce-7""#).unwrap_err();
        assert!(error.contains("the Description of eni-2 differ"), "{error}");
    }
    let other = ENDPOINTS.replace("available", "pending");
    assert!(
        outcome(&[("zz.json", &other)])
            .unwrap_err()
            .contains("the State of vpce-1 differ between DIR/vpc-endpoints.json")
    );
    let twice = tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT]), &table("rtb-1", MAIN, &[LOCAL])]);
    let error = outcome(&[("route-tables.json", &twice)]).unwrap_err();
    assert!(error.contains("the Routes of rtb-1 differ between two rows in DIR/route-tables.json"), "{error}");
}

#[test]
fn whose_a_prefix_list_is_is_said() {
    let owned = |owner: &str| {
        let lists = LISTS.replace(r#""Cidrs""#, &format!(r#""OwnerId": "{owner}", "Cidrs""#));
        read(&[("prefix-lists.json", &lists)]).unwrap().facts.service_prefix_lists
    };
    assert!(owned("AWS").seen().is_some() && owned("aws").seen().is_some());
    let gap = owned("111122223333").gap().unwrap().to_string();
    assert!(gap.contains("its owner is 111122223333"), "{gap}");
}

#[test]
fn a_row_under_another_name_for_its_id_is_a_row() {
    let error = outcome(&[("more.json", r#"[{"id": "rtb-2", "routes": []}]"#)]).unwrap_err();
    assert!(error.contains("DIR/more.json") && error.contains("RouteTableId"), "{error}");
    for other in [r#"[{"id": "i-2", "table": "rtb-2"}]"#, r#"[{"id": "subnet-2", "name": "x"}]"#] {
        assert_eq!(outcome(&[("more.json", other)]), Ok(Outcome::OnNet), "{other}");
    }
}

/// The text of an audit, and of explanations, of the on-net directory without this file, or with this content instead.
fn texts(dir: &Path, region: Option<&str>, file: &str, content: Option<&str>) -> Vec<String> {
    // The output of a command that was tried.
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir).unwrap();
    for (name, content) in on_net() {
        fs::write(dir.join(name), content).unwrap();
    }
    match content {
        Some(content) => fs::write(dir.join(file), content).unwrap(),
        None => fs::remove_file(dir.join(file)).unwrap(),
    }
    let inventory = files::read(dir, region).unwrap();
    let audit = audit(&inventory, None);
    let audit = if region.is_some() { audit.with_region_in_fixes() } else { audit };
    let mut texts = vec![present::audit(&audit)];
    for address in ["52.94.0.10", "10.0.7.9"] {
        let explained = explain(&inventory, &"subnet-1".into(), address.parse().unwrap());
        texts.extend(explained.iter().map(present::explanation));
    }
    texts.iter().map(|text| anstream::adapter::strip_str(text).to_string()).collect()
}

/// The arguments that a shell passes to `aws`, one on each line; empty if the command writes to a file.
fn words(command: &str) -> Vec<String> {
    let script = format!("aws() {{ printf '%s\\n' \"$@\"; }}; {command}");
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[cfg(unix)]
#[test]
fn commands_stand_on_lines_of_their_own_and_can_be_pasted() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary
        .path()
        .join("it's; a & \"folder\" of mine, with a name so long that no line of text would have room for it");
    let odd = "pl-1;x&'y'";
    let main = |routes: &[&str]| tables(&[&table("rtb-1", MAIN, routes)]);
    let of_odd_list = main(&[LOCAL, TO_ENDPOINT, &TO_ENDPOINT.replace("pl-1", odd).replace("vpce-1", "vpce-9")]);
    let of_odd_table =
        tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT]), &PRIVATE.replace("rtb-2", "rtb-2;x&'y'")]);
    let cut_off = LISTS.replacen('{', r#"{"NextToken": "x", "#, 1);
    let without_entries = LISTS.replace(r#", "Cidrs": ["52.94.0.0/22"]"#, "");
    let cases = [
        ("vpc-endpoints.json", None, "describe-vpc-endpoints", "vpc-endpoints.json"),
        ("route-tables.json", None, "describe-route-tables", "route-tables.json"),
        ("subnets.json", None, "describe-subnets", "subnets.json"),
        ("prefix-lists.json", Some(cut_off.as_str()), "describe-prefix-lists", "prefix-lists.json"),
        ("prefix-lists.json", Some(&without_entries), "get-managed-prefix-list-entries", "pl-1.json"),
        ("route-tables.json", Some(&of_odd_list), "get-managed-prefix-list-entries", "pl-1;x&'y'.json"),
        ("route-tables.json", Some(&of_odd_table), "modify-vpc-endpoint", ""),
    ];
    for region in [None, Some("us-east-1")] {
        for (file, content, command, written) in cases {
            let content = content.map(str::to_owned);
            for text in texts(&dir, region, file, content.as_deref()) {
                let commands: Vec<&str> = text.lines().filter(|line| line.contains("aws ec2")).collect();
                for line in &commands {
                    assert!(line.trim_start().starts_with("aws ec2 "), "{text}");
                    assert_eq!(commands.iter().filter(|other| other == &line).count(), 1, "reported once: {text}");
                    assert_eq!(line.matches(" --region us-east-1").count(), usize::from(region.is_some()), "{line}");
                    words(line);
                }
            }
            let audit = &texts(&dir, region, file, content.as_deref())[0];
            let line =
                audit.lines().find(|line| line.contains(command)).unwrap_or_else(|| panic!("{command}: {audit}"));
            let made = words(line);
            if written.is_empty() {
                assert!(made.iter().any(|word| word == "rtb-2;x&'y'"), "{line}");
            } else {
                assert_eq!(made, Vec::<String>::new(), "{line}");
                let file = fs::read_to_string(dir.join(written)).unwrap();
                assert!(file.starts_with(&format!("ec2\n{command}\n")), "{file}");
                assert!(!written.contains(odd) || file.lines().any(|word| word == odd), "{file}");
            }
        }
    }
    let rows = outcome(&[("more.json", PRIVATE)]).unwrap_err();
    assert!(rows.lines().any(|line| line == "  aws ec2 describe-route-tables > DIR/route-tables.json"), "{rows}");
}

#[test]
fn what_is_not_known_is_told_once() {
    let second = SUBNETS.replace(
        "}]}",
        r#"}, {"SubnetId": "subnet-2", "VpcId": "vpc-1", "CidrBlock": "10.0.2.0/24"}, {"SubnetId": "subnet-3", "VpcId": "vpc-2", "CidrBlock": "10.0.2.0/24"}]}"#,
    );
    let own = table("rtb-2", r#"[{"Main": false, "SubnetId": "subnet-2"}]"#, &[LOCAL, TO_ENDPOINT]);
    let of_second = table("rtb-3", &MAIN.replace("rtb-1", "rtb-3"), &[LOCAL, TO_ENDPOINT]).replace("vpc-1", "vpc-2");
    let main = tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT]), &own, &of_second]);
    let without_entries = LISTS.replace(r#", "Cidrs": ["52.94.0.0/22"]"#, "");
    for (gone, other, command) in [
        ("vpc-endpoints.json", None, "describe-vpc-endpoints"),
        ("route-tables.json", None, "describe-route-tables"),
        ("prefix-lists.json", None, "describe-prefix-lists"),
        ("prefix-lists.json", Some(without_entries.as_str()), "get-managed-prefix-list-entries"),
    ] {
        let mut files = vec![("subnets.json", second.as_str()), ("route-tables.json", &main)];
        files.retain(|(name, _)| *name != gone);
        files.push((gone, other.unwrap_or("{}")));
        let audit = audit(&read(&files).unwrap(), None);
        assert_eq!((audit.outcome, audit.subnets.len()), (Outcome::Undetermined, 3));
        let text = anstream::adapter::strip_str(&present::audit(&audit)).to_string();
        assert_eq!(text.matches(command).count(), 1, "{text}");
        assert_eq!(
            text.lines().filter(|line| line.starts_with("  warning") && line.ends_with("missing-fact")).count(),
            1,
            "{text}"
        );
    }
    // Different facts of one kind are all reported.
    let changing = main.replace(r#""Main": false"#, r#""Main": false, "AssociationState": {"State": "associating"}"#);
    let audit = audit(&read(&[("subnets.json", &second), ("route-tables.json", &changing)]).unwrap(), None);
    let text = anstream::adapter::strip_str(&present::audit(&audit)).to_string();
    assert!(text.contains("in subnet-2\n") && text.contains("rtb-2 is changing"), "{text}");
}

#[test]
fn a_command_asks_the_region_that_was_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("l.json"), LISTS).unwrap();
    let gap = |region| files::read(dir.path(), region).unwrap().subnets.gap().unwrap().to_string();
    assert!(gap(None).contains("aws ec2 describe-subnets > "), "{}", gap(None));
    assert!(gap(Some("eu-west-1")).contains("aws ec2 describe-subnets --region eu-west-1 > "));
    assert!(gap(Some("x; y")).contains("--region 'x; y' > "));
}

#[test]
fn what_a_shell_would_take_apart_is_quoted_and_a_file_is_no_directory() {
    let route = TO_ENDPOINT.replace("pl-1", "pl-2;x");
    let tables = tables(&[&table("rtb-1", MAIN, &[LOCAL, &route])]);
    let lists = read(&[("route-tables.json", &tables)]).unwrap().facts.prefix_lists;
    let gap = lists[&"pl-2;x".into()].gap().unwrap().to_string();
    assert!(gap.contains("--prefix-list-id 'pl-2;x' > "), "{gap}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = files::read(file.path(), None).unwrap_err().to_string();
    assert!(error.contains("name the directory that it is in") && !error.contains("aws ec2"), "{error}");
}

#[test]
fn what_is_of_another_type_than_the_cli_writes_says_what_to_save() {
    let changed = |from: &str, to: &str| tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT]).replace(from, to)]);
    let routes = format!("[{LOCAL}, {TO_ENDPOINT}]");
    let powershell = [
        (
            "an enum",
            changed(r#""Main": true"#, r#""AssociationState": {"State": {"Value": "associated"}}, "Main": true"#),
        ),
        ("rows at the depth", changed(LOCAL, r#""@{GatewayId=local}""#)),
        ("rows of the SDK", changed(LOCAL, r#""Amazon.EC2.Model.Route""#)),
        ("a list at the depth", changed(&routes, r#""@{GatewayId=local} @{GatewayId=vpce-1}""#)),
        ("an empty list at the depth", changed(MAIN, r#""", "Tags": "@{Key=Name}""#)),
        ("a list as Windows PowerShell has it", changed(MAIN, &format!(r#"{{"value": {MAIN}, "Count": 1}}"#))),
    ];
    for (what, text) in powershell {
        let error = outcome(&[("route-tables.json", &text)]).expect_err(what);
        assert!(
            error.contains("DIR/route-tables.json") && error.contains("ConvertTo-Json of PowerShell"),
            "{what}: {error}"
        );
    }
    let unrolled = MAIN.trim_start_matches('[').trim_end_matches(']');
    let others = [
        ("a number", r#"{"RouteTables": [7]}"#.to_owned()),
        ("a list of one item as the item", changed(MAIN, unrolled)),
        ("a range as a number", changed(r#""10.0.0.0/16""#, "10")),
        ("the list itself", r#"{"RouteTables": "rtb-1"}"#.to_owned()),
    ];
    for (what, text) in others {
        let error = outcome(&[("route-tables.json", &text)]).expect_err(what);
        assert!(error.contains("save the output of the aws command itself"), "{what}: {error}");
        assert!(error.contains("DIR/route-tables.json") && !error.contains("PowerShell"), "{what}: {error}");
    }
}

/// A whole folder in `region` whose list has the id of another Region's, with a route that diverts a range of it.
fn two_regions(entries: &[(&str, &str)]) -> Result<Outcome, String> {
    let dir = tempfile::tempdir().unwrap();
    let list = |region: &str, service: &str| {
        format!(
            r#"{{"PrefixLists": [{{"PrefixListId": "pl-1", "PrefixListName": "com.amazonaws.{region}.{service}",
              "PrefixListArn": "arn:aws:ec2:{region}:aws:prefix-list/pl-1", "OwnerId": "AWS"}}]}}"#
        )
    };
    let diverting = r#"{"DestinationCidrBlock": "52.94.5.0/24", "NatGatewayId": "nat-1", "Origin": "CreateRoute", "State": "active"}"#;
    let main = tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT, diverting])]);
    let (ours, theirs) = (list("us-east-1", "dynamodb"), list("ap-southeast-1", "s3"));
    let files = [
        ("route-tables.json", main.as_str()),
        ("subnets.json", SUBNETS),
        ("vpc-endpoints.json", ENDPOINTS),
        ("us-prefix-lists.json", &ours),
        ("ap-prefix-lists.json", &theirs),
    ];
    for (name, text) in files.iter().chain(entries) {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let inventory = files::read(dir.path(), Some("us-east-1")).map_err(|error| error.to_string())?;
    Ok(audit(&inventory, None).outcome)
}

#[test]
fn entries_are_of_the_region_that_their_files_name_has() {
    let of_s3 = r#"{"Entries": [{"Cidr": "54.231.0.0/16"}]}"#;
    let of_dynamodb = r#"{"Entries": [{"Cidr": "52.94.4.0/22"}]}"#;
    let theirs = ("ap-southeast-1-pl-1.json", of_s3);
    assert_eq!(two_regions(&[theirs]), Ok(Outcome::Undetermined), "they are the other Region's");
    assert_eq!(two_regions(&[("pl-1.json", of_s3)]), Ok(Outcome::Undetermined), "which Region's is not known");
    assert_eq!(two_regions(&[("pl-1.json", of_dynamodb)]), Ok(Outcome::Undetermined));
    assert_eq!(two_regions(&[("us-east-1_pl-1.json", of_dynamodb), theirs]), Ok(Outcome::AtRisk));
    assert_eq!(two_regions(&[("acme-prod-2-us-east-1-pl-1.json", of_dynamodb)]), Ok(Outcome::AtRisk));
    let s3 = r#"{"PrefixLists": [{"PrefixListId": "pl-1", "PrefixListName": "com.amazonaws.ap-southeast-1.s3"}]}"#;
    let whole = r#"{"Entries": [{"Cidr": "52.94.0.0/22"}]}"#;
    assert_eq!(outcome(&[("ap.json", s3), ("pl-1.json", whole)]), Ok(Outcome::OnNet), "as the other answer has them");
    // A word and a number is no Region.
    let lists = LISTS.replace(r#", "Cidrs": ["52.94.0.0/22"]"#, "");
    for name in ["acme-prod-2-pl-1.json", "pl-1-nov-28-final.json", "offices-east-2-pl-1.json", "us-east-1-pl-1.json"] {
        assert_eq!(outcome(&[("prefix-lists.json", &lists), (name, of_dynamodb)]), Ok(Outcome::OnNet), "{name}");
        let beyond = r#"{"Entries": [{"Cidr": "35.71.70.0/24"}]}"#;
        assert_eq!(outcome(&[(name, beyond)]), Ok(Outcome::Undetermined), "{name}: not those of the other answer");
    }
    let of_offices = [("eu-central-1-pl-2.json", of_dynamodb)];
    assert_eq!(with_customers_list("", &of_offices), Ok(Outcome::Undetermined), "ours may have others");
    assert_eq!(
        crate::folders::read(&[("pl-1.json", r#"{"Entries": [{"Cidr": "52.94.0.0/22"}]}"#)]).unwrap().not_read,
        [""; 0]
    );
    let read = read(&[("prefix-lists.json", &lists), ("eu-central-1-pl-1.json", of_dynamodb)]).unwrap();
    assert!(read.not_read.iter().any(|said| said.contains("eu-central-1")), "{:?}", read.not_read);
}

#[test]
fn subnets_that_others_name_and_no_listing_has_are_missing() {
    let associated = r#"[{"Main": false, "SubnetId": "subnet-2", "RouteTableId": "rtb-2"}]"#;
    let with_table = tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT]), &table("rtb-2", associated, &[LOCAL])]);
    assert_eq!(outcome(&[("route-tables.json", &with_table)]), Ok(Outcome::Undetermined));
    let interface = |subnet: &str| {
        format!(
            r#"{{"NetworkInterfaces": [{{"NetworkInterfaceId": "eni-1", "VpcId": "vpc-1", "SubnetId": "{subnet}",
              "PrivateIpAddresses": [{{"PrivateIpAddress": "10.0.1.9"}}]}}]}}"#
        )
    };
    assert_eq!(outcome(&[("eni.json", &interface("subnet-2"))]), Ok(Outcome::Undetermined));
    assert_eq!(outcome(&[("eni.json", &interface("subnet-1"))]), Ok(Outcome::OnNet));
    let gone = r#"[{"Main": true, "AssociationState": {"State": "associated"}},
      {"SubnetId": "subnet-2", "RouteTableId": "rtb-1", "AssociationState": {"State": "disassociated"}}]"#;
    let with_gone = tables(&[&table("rtb-1", gone, &[LOCAL, TO_ENDPOINT])]);
    assert_eq!(outcome(&[("route-tables.json", &with_gone)]), Ok(Outcome::OnNet), "it serves the subnet no more");
}

#[test]
fn a_range_of_the_vpc_without_a_local_route_is_a_contradiction() {
    let vpcs = |state: &str| {
        format!(
            r#"{{"Vpcs": [{{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16", "OwnerId": "111122223333", "CidrBlockAssociationSet": [
              {{"CidrBlock": "52.94.0.0/23", "CidrBlockState": {{"State": "{state}"}}}}]}}]}}"#
        )
    };
    assert_eq!(outcome(&[("vpcs.json", &vpcs("associated"))]), Ok(Outcome::Undetermined));
    assert_eq!(outcome(&[("vpcs.json", &vpcs("disassociated"))]), Ok(Outcome::OnNet));
    assert_eq!(outcome(&[("vpcs.json", &vpcs("hibernating"))]), Ok(Outcome::Undetermined), "it may be in effect");
    let stateless = vpcs("").replace(r#", "CidrBlockState": {"State": ""}"#, "");
    assert_eq!(outcome(&[("vpcs.json", &stateless)]), Ok(Outcome::Undetermined), "no word that it was given back");
    // A range that is not read would be compared with nothing.
    let unreadable = [
        (vpcs("associated").replace("52.94.0.0/23", "52.94.0.0/"), "expected a range"),
        (vpcs("associated").replace("10.0.0.0/16", "10.0.0.0-10.0.255.255"), "expected a range"),
        (vpcs("associated").replace("52.94.0.0/23", "52.94.0.0/23 "), "remove the spaces"),
        (vpcs("associated").replace("vpc-1", "vpc-1 "), "remove the spaces"),
        (vpcs("associated").replace(r#""52.94.0.0/23""#, "52"), "expected a string"),
        (r#"{"Vpcs": [{"VpcId": "vpc-1", "OwnerId": {}}]}"#.to_owned(), "expected a string"),
        (r#"{"Vpcs": [{"vpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}]}"#.to_owned(), "where the AWS CLI writes VpcId"),
        (r#"{"Vpcs": {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}}"#.to_owned(), "writes a list of them"),
        (r#"{"Vpcs": [[{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}]]}"#.to_owned(), "writes a list of them"),
        (vpcs(r#"associated", "State": "disassociated"#), "State is there twice"),
        (vpcs("associated").replace(r#""OwnerId""#, r#""CidrBlock": "10.9.0.0/16", "OwnerId""#), "is there twice"),
    ];
    for (text, expected) in unreadable {
        let error = outcome(&[("vpcs.json", &text)]).expect_err(&text);
        assert!(error.contains("DIR/vpcs.json") && error.contains("Vpcs") && error.contains(expected), "{error}");
    }
    let subnets =
        SUBNETS.replace("]}", r#", {"SubnetId": "subnet-2", "VpcId": "vpc-1", "CidrBlock": "52.94.1.0/24"}]}"#);
    assert_eq!(outcome(&[("subnets.json", &subnets)]), Ok(Outcome::Undetermined));
    let replaced = LOCAL
        .replace("10.0.0.0/16", "52.94.0.0/16")
        .replace(r#""GatewayId": "local""#, r#""NetworkInterfaceId": "eni-9""#);
    let main = tables(&[&table("rtb-1", MAIN, &[LOCAL, &replaced, TO_ENDPOINT])]);
    assert_eq!(outcome(&[("route-tables.json", &main)]), Ok(Outcome::Undetermined), "it was the local route");
}

#[test]
fn an_endpoint_that_is_not_available_is_explained_as_at_risk() {
    for (state, expected) in [
        ("available", Outcome::OnNet),
        ("pending", Outcome::AtRisk),
        ("deleting", Outcome::AtRisk),
        ("failed", Outcome::Undetermined),
    ] {
        let endpoints = ENDPOINTS.replace("available", state);
        let inventory = read(&[("vpc-endpoints.json", &endpoints)]).unwrap();
        let explained = explain(&inventory, &"subnet-1".into(), "52.94.0.10".parse().unwrap()).unwrap();
        assert_eq!(explained_outcome(&explained), expected, "{state}: {}", explained.reason);
        let audited = audit(&inventory, None).outcome;
        assert_eq!(audited, expected, "{state}");
    }
}

#[test]
fn a_part_of_the_entries_contradicts_the_other_answer_as_the_whole_does() {
    let entries = |entry: &str, more: &str| format!(r#"{{"Entries": [{{"Cidr": "{entry}"}}]{more}}}"#);
    for more in ["", r#", "NextToken": "x""#] {
        assert_eq!(outcome(&[("pl-1.json", &entries("35.71.70.0/24", more))]), Ok(Outcome::Undetermined), "{more}");
        assert_eq!(outcome(&[("pl-1.json", &entries("52.94.0.0/22", more))]), Ok(Outcome::OnNet), "{more}");
    }
}

/// A row of a customer's list.
fn customers_list(fields: &str) -> String {
    format!(
        r#"{{"PrefixLists": [{{"PrefixListId": "pl-2", "PrefixListName": "offices", "OwnerId": "111122223333"{fields}}}]}}"#
    )
}

/// The outcome with a route by that list to a NAT gateway, and more files.
fn with_customers_list(fields: &str, more: &[(&str, &str)]) -> Result<Outcome, String> {
    let to_nat =
        r#"{"DestinationPrefixListId": "pl-2", "NatGatewayId": "nat-1", "Origin": "CreateRoute", "State": "active"}"#;
    let main = tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT, to_nat])]);
    let list = customers_list(fields);
    outcome(&[&[("route-tables.json", main.as_str()), ("lists.json", list.as_str())], more].concat())
}

#[test]
fn a_prefix_list_that_is_changing_supports_nothing() {
    let entries = [("pl-2.json", r#"{"Entries": [{"Cidr": "192.0.2.0/24"}]}"#)];
    let with = |state: &str| with_customers_list(&format!(r#", "State": "{state}""#), &entries);
    assert_eq!(with("modify-complete"), Ok(Outcome::OnNet));
    assert_eq!(with("modify-in-progress"), Ok(Outcome::Undetermined));
    let [three, four] = [3, 4].map(|version| customers_list(&format!(r#", "Version": {version}"#)));
    let error = outcome(&[("one.json", &three), ("two.json", &four)]).unwrap_err();
    assert!(error.contains("Version"), "{error}");
}

#[test]
fn network_interfaces_of_another_region_are_left_out() {
    let interface = |id: &str, vpc: &str, subnet: &str, zone: &str| {
        format!(
            r#"{{"NetworkInterfaceId": "{id}", "VpcId": "{vpc}", "SubnetId": "{subnet}", "AvailabilityZone": "{zone}",
              "InterfaceType": "vpc_endpoint", "Description": "VPC Endpoint Interface vpce-9",
              "PrivateIpAddresses": [{{"PrivateIpAddress": "10.0.1.9"}}]}}"#
        )
    };
    let other = interface("eni-9", "vpc-9", "subnet-9", "eu-west-1a");
    let subnets = SUBNETS.replace(
        "]}",
        r#", {"SubnetId": "subnet-9", "VpcId": "vpc-9", "AvailabilityZone": "eu-west-1a", "CidrBlock": "10.0.1.0/24"}]}"#,
    );
    let interfaces = format!(r#"{{"NetworkInterfaces": [{other}]}}"#);
    assert_eq!(outcome(&[("subnets.json", &subnets), ("eni.json", &interfaces)]), Ok(Outcome::OnNet));
    let of_its_zone = interfaces.replace(r#""VpcId": "vpc-9", "#, "").replace("vpce-9", "");
    assert_eq!(outcome(&[("eni.json", &of_its_zone)]), Ok(Outcome::OnNet));
}

#[test]
fn a_list_that_is_not_read_cannot_win_for_the_other_address_family() {
    for (family, expected) in [
        (r#", "AddressFamily": "IPv6""#, Outcome::OnNet),
        (r#", "AddressFamily": "IPv4""#, Outcome::Undetermined),
        (r#", "AddressFamily": "IPv7""#, Outcome::Undetermined),
        ("", Outcome::Undetermined),
    ] {
        assert_eq!(with_customers_list(family, &[]), Ok(expected), "{family}");
    }
    let entries = [("pl-2.json", r#"{"Entries": [{"Cidr": "52.94.0.0/24"}]}"#)];
    let contradicted = with_customers_list(r#", "AddressFamily": "IPv6""#, &entries);
    assert_eq!(contradicted, Ok(Outcome::Undetermined), "its entries say IPv4");
    let beside = with_customers_list(r#", "AddressFamily": "IPv6", "Cidrs": ["52.94.0.0/24"]"#, &[]);
    assert_eq!(beside, Ok(Outcome::Undetermined), "its ranges say IPv4");
    for (family, expected) in [("IPv6", Outcome::OnNet), ("IPv7", Outcome::Undetermined)] {
        let fields = format!(r#", "AddressFamily": "{family}", "Cidrs": ["2600:1f70::/40"]"#);
        assert_eq!(with_customers_list(&fields, &[]), Ok(expected), "{family}");
    }
}

#[test]
fn text_in_windows_1252_is_read() {
    let main = tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT])]);
    let tagged = main.replacen(
        r#""VpcId""#,
        "\"Tags\": [{\"Key\": \"Stra\u{df}e\", \"Value\": \"M\u{fc}nchen\"}], \"VpcId\"",
        1,
    );
    let latin: Vec<u8> = tagged.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    assert!(std::str::from_utf8(&latin).is_err());
    let inventory = read_bytes(&[("route-tables.json", &latin)]).unwrap();
    assert_eq!(audit(&inventory, None).outcome, Outcome::OnNet);
    let unrelated = b"{\"NetworkAcls\": [{\"VpcId\": \"vpc-1\", \"Tags\": [{\"Key\": \"Stra\xdfe\"}]}]}";
    assert_eq!(audit(&read_bytes(&[("acls.json", unrelated)]).unwrap(), None).outcome, Outcome::OnNet);
}

#[test]
fn the_address_of_another_vpcs_endpoint_need_not_be_private() {
    let to = |destination: &str, target: &str| {
        format!(r#"{{{destination}, {target}, "Origin": "CreateRoute", "State": "active"}}"#)
    };
    let (pcx, tgw) = (r#""VpcPeeringConnectionId": "pcx-1""#, r#""TransitGatewayId": "tgw-1""#);
    let routes = [
        LOCAL.to_owned(),
        to(r#""DestinationCidrBlock": "192.0.2.0/24""#, pcx),
        to(r#""DestinationCidrBlock": "52.94.0.0/23""#, pcx),
        to(r#""DestinationCidrBlock": "0.0.0.0/0""#, tgw),
        to(r#""DestinationIpv6CidrBlock": "::/0""#, tgw),
        to(r#""DestinationIpv6CidrBlock": "64:ff9b::/96""#, r#""NatGatewayId": "nat-1""#),
    ];
    let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
    let main = tables(&[&table("rtb-1", MAIN, &routes)]);
    let lists = LISTS.replace(
        "]}]}",
        r#"]}, {"PrefixListId": "pl-6", "PrefixListName": "com.amazonaws.us-east-1.ipv6.dynamodb", "Cidrs": ["2600:1f70::/40"]}]}"#,
    );
    let other = r#", {"VpcEndpointId": "vpce-2", "VpcEndpointType": "Interface", "VpcId": "vpc-2", "State": "available",
        "ServiceName": "com.amazonaws.us-east-1.dynamodb", "NetworkInterfaceIds": ["eni-2"]}]}"#;
    let endpoints =
        format!("{}{other}", ENDPOINTS.replace("rtb-1", "").replace(r#"[""]"#, "[]").strip_suffix("]}").unwrap());
    let interfaces = r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-2", "VpcId": "vpc-2", "SubnetId": "subnet-2",
        "InterfaceType": "vpc_endpoint", "PrivateIpAddresses": [{"PrivateIpAddress": "203.0.113.50"}]}]}"#;
    let files = [
        ("route-tables.json", main.as_str()),
        ("vpc-endpoints.json", &endpoints),
        ("eni.json", interfaces),
        ("prefix-lists.json", &lists),
    ];
    let inventory = read(&files).unwrap();
    for (address, expected) in [
        ("203.0.113.50", Outcome::Undetermined),
        ("203.0.113.51", Outcome::OffNet),
        ("198.18.0.51", Outcome::Undetermined),
        ("192.0.2.9", Outcome::Undetermined),
        ("52.94.0.10", Outcome::OffNet),
        ("2600:1f14::77", Outcome::Undetermined),
        ("2600:1f70::1", Outcome::OffNet),
        ("64:ff9b::345e:a", Outcome::OffNet),
    ] {
        let explained = explain(&inventory, &"subnet-1".into(), address.parse().unwrap()).unwrap();
        assert_eq!(explained_outcome(&explained), expected, "{address}: {}", explained.reason);
    }
}

#[test]
fn whatever_a_folder_has_for_a_policy_it_is_read() {
    let with = |policy: &str| ENDPOINTS.replace(r#""State""#, &format!(r#""PolicyDocument": {policy}, "State""#));
    for policy in [r#""{}""#, r#"{"Statement": []}"#, "null", "7", r#""{""#] {
        assert_eq!(outcome(&[("vpc-endpoints.json", &with(policy))]), Ok(Outcome::OnNet), "{policy}");
    }
    let (one, two) = (with(r#""{\"Statement\": []}""#), with(r#""{}""#));
    assert_eq!(outcome(&[("vpc-endpoints.json", &one), ("more.json", &two)]), Ok(Outcome::OnNet));
    assert_eq!(with_customers_list(r#", "Version": "1""#, &[]), Ok(Outcome::Undetermined));
}

/// One of the two listings is older than the last change: the subnet is judged as if it had addresses of both families.
#[test]
fn a_network_interface_with_an_address_overrules_a_subnet_that_is_listed_without_the_family() {
    let subnet = |of: &str| format!(r#"{{"Subnets": [{{"SubnetId": "subnet-1", "VpcId": "vpc-1", {of}}}]}}"#);
    let interface = |of: &str| {
        format!(
            r#"{{"NetworkInterfaces": [{{"NetworkInterfaceId": "eni-9", "VpcId": "vpc-1", "SubnetId": "subnet-1", {of}}}]}}"#
        )
    };
    let ipv4 = interface(r#""PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.9"}]"#);
    let ipv6 = interface(r#""Ipv6Addresses": [{"Ipv6Address": "2600:1f14::9"}]"#);
    let listed = |subnet: &str, interface: &str| {
        let inventory = read(&[("subnets.json", subnet), ("network-interfaces.json", interface)]).unwrap();
        let subnet = &inventory.subnets.get().unwrap()[0];
        (subnet.without_ipv6, subnet.ipv6_native)
    };
    let ipv4_alone = subnet(r#""CidrBlock": "10.0.0.0/24", "Ipv6CidrBlockAssociationSet": []"#);
    assert_eq!(listed(&ipv4_alone, &ipv4), (true, false));
    assert_eq!(listed(&ipv4_alone, &ipv6), (false, false));
    let ipv6_alone = subnet(
        r#""Ipv6Native": true, "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "2600:1f14::/64",
        "Ipv6CidrBlockState": {"State": "associated"}}]"#,
    );
    assert_eq!(listed(&ipv6_alone, &ipv6), (false, true));
    assert_eq!(listed(&ipv6_alone, &ipv4), (false, false));
}
