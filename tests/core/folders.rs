//! Folders that people's own scripts and other tools wrote: what is not read is said, and nothing that is not known is on-net.

use onnet_core::{
    import::files,
    judge::audit,
    model::{Inventory, Outcome},
};
use std::fs;

const LISTS: &str = r#"{"PrefixLists": [{"PrefixListId": "pl-1", "PrefixListName": "com.amazonaws.us-east-1.dynamodb", "Cidrs": ["52.94.0.0/22"]}]}"#;
const SUBNETS: &str = r#"{"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "AvailabilityZone": "us-east-1a", "CidrBlock": "10.0.1.0/24"}]}"#;
const ENDPOINTS: &str = r#"{"VpcEndpoints": [{"VpcEndpointId": "vpce-1", "VpcEndpointType": "Gateway", "VpcId": "vpc-1",
    "ServiceName": "com.amazonaws.us-east-1.dynamodb", "State": "available", "RouteTableIds": ["rtb-1"]}]}"#;
const LOCAL: &str =
    r#"{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"}"#;
const TO_ENDPOINT: &str =
    r#"{"DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1", "Origin": "CreateRoute", "State": "active"}"#;
const MAIN: &str = r#"[{"Main": true, "RouteTableAssociationId": "rtbassoc-1", "RouteTableId": "rtb-1"}]"#;
/// A table of subnet-1 that leads nowhere, as a row.
const PRIVATE: &str = r#"{"RouteTableId": "rtb-2", "VpcId": "vpc-1", "Associations": [{"Main": false, "SubnetId": "subnet-1", "RouteTableId": "rtb-2"}],
    "Routes": [{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"},
      {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "active"}]}"#;

fn table(id: &str, associations: &str, routes: &[&str]) -> String {
    let routes = routes.join(", ");
    format!(r#"{{"RouteTableId": "{id}", "VpcId": "vpc-1", "Associations": {associations}, "Routes": [{routes}]}}"#)
}

fn tables(rows: &[&str]) -> String {
    format!(r#"{{"RouteTables": [{}]}}"#, rows.join(", "))
}

/// The files of a folder that is on-net, under names that others may replace.
fn on_net() -> Vec<(String, Vec<u8>)> {
    let main = tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT])]);
    let files = [("route-tables.json", main.as_str()), ("subnets.json", SUBNETS), ("vpc-endpoints.json", ENDPOINTS)];
    let files = files.into_iter().chain([("prefix-lists.json", LISTS)]);
    files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).collect()
}

/// Reads the folder with these files added or in the place of others.
fn read_bytes(more: &[(&str, &[u8])]) -> Result<Inventory, String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in on_net() {
        fs::write(dir.path().join(name), content).unwrap();
    }
    for (name, content) in more {
        fs::write(dir.path().join(name), content).unwrap();
    }
    files::read(dir.path(), Some("us-east-1"))
        .map_err(|error| error.to_string().replace(&dir.path().display().to_string(), "DIR"))
}

fn read(more: &[(&str, &str)]) -> Result<Inventory, String> {
    let more: Vec<_> = more.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    read_bytes(&more)
}

fn outcome(more: &[(&str, &str)]) -> Result<Outcome, String> {
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
        r#"{"SecurityGroups": [{"IpPermissions": [{"PrefixListIds": [{"PrefixListId": "pl-1"}]}]}]}"#,
        r#"{"RouteTable": {"RouteTableId": "rtb-9", "VpcId": "vpc-1", "Associations": [], "Routes": []}}"#,
        r#"{"Resources": {"R": {"Properties": {"RouteTableId": {"Ref": "T"}, "VpcId": "vpc-1"}}}}"#,
        r#"{"resources": [{"instances": [{"attributes": {"route_table_id": "rtb-1", "vpc_id": "vpc-1"}}]}]}"#,
        r#"{"Records": [{"vpcEndpointId": "vpce-1", "requestParameters": {}}]}"#,
        r#"[{"InstanceId": "i-1", "SubnetId": "subnet-1"}, {"NatGatewayId": "nat-1", "SubnetId": "subnet-1"}]"#,
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
    for whole in [r#""nextToken": """#, r#""nextToken": null"#, r#""IsTruncated": false"#] {
        assert_eq!(outcome(&[("route-tables.json", &with(whole))]), Ok(Outcome::OnNet), "{whole}");
    }
}
