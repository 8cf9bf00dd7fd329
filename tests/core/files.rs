//! `--from DIR` with real AWS CLI output, and with other files that are in the directory by mistake.

use crate::common::{below_tests, report_json, scenario};
use onnet_core::{
    import::{files, input, saved},
    judge::judge,
    model::{Destination, EndpointType, Gap, Inventory, Outcome, RouteState, Snapshot, Target, Verdict},
};
use proptest::prelude::*;
use serde_json::Value;
use std::{fs, path::Path};
use tempfile::TempDir;

fn directory(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

fn read(files: &[(&str, &str)]) -> Result<Inventory, String> {
    let dir = directory(files);
    let inventory = files::read(dir.path(), Some("us-east-1"));
    inventory.map_err(|error| error.to_string().replace(&dir.path().display().to_string(), "DIR"))
}

const TABLE: &str = r#"{"RouteTables": [{"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [], "Routes": [
  {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"},
  {"DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1", "Origin": "CreateRoute", "State": "active"}]}]}"#;

#[test]
fn the_clis_own_examples_are_understood() {
    let inventory = files::read(&below_tests("files/aws_cli_examples"), None).unwrap();
    assert_eq!(inventory.region, "us-east-1");
    let tables = inventory.facts.route_tables.get().unwrap();
    assert_eq!(tables.len(), 3);
    let nat = tables.iter().find(|table| table.id.as_str() == "rtb-09ba434c1bEXAMPLE").unwrap();
    assert_eq!(nat.routes[1].target, Target::NatGateway("nat-06c018cbd8EXAMPLE".into()));
    assert_eq!(nat.routes[1].state, RouteState::Blackhole);
    let endpoints = inventory.facts.vpc_endpoints.get().unwrap();
    let kinds: Vec<_> = endpoints.iter().map(|endpoint| endpoint.kind.clone()).collect();
    assert_eq!(kinds, [EndpointType::Gateway, EndpointType::Interface, EndpointType::GatewayLoadBalancer]);
    assert_eq!(inventory.subnets.get().unwrap().len(), 1);
}

#[test]
fn two_files_may_add_to_one_key_and_both_kinds_of_prefix_list_are_read() {
    let inventory = files::read(&below_tests("files/two_vpcs"), None).unwrap();
    assert_eq!(inventory.facts.route_tables.get().unwrap().len(), 5);
    let lists = &inventory.facts.prefix_lists;
    let sizes: Vec<_> = lists.iter().map(|(id, list)| (id.as_str(), list.get().unwrap().entries.len())).collect();
    assert_eq!(sizes, [("pl-02cd2c6b", 6), ("pl-0b1c2d3e", 1)]);
    assert_eq!(lists[&"pl-0b1c2d3e".into()].get().unwrap().name.as_deref(), Some("inspected"));
    assert_eq!(inventory.facts.service_prefix_lists.get().unwrap(), &["pl-02cd2c6b".into()]);
}

#[test]
fn what_no_file_has_is_a_gap_with_the_command_that_fills_it() {
    let inventory = read(&[("tables.json", TABLE)]).unwrap();
    let because = |gap: Option<&Gap>| match gap {
        Some(Gap::NotTried { because }) => because.clone(),
        other => panic!("{other:?}"),
    };
    let endpoints = because(inventory.facts.vpc_endpoints.gap());
    assert!(
        endpoints.contains("no VpcEndpoints in ")
            && endpoints.contains("aws ec2 describe-vpc-endpoints --region us-east-1 > "),
        "{endpoints}"
    );
    assert!(because(inventory.subnets.gap()).contains("aws ec2 describe-subnets --region us-east-1 > "));
    assert!(
        because(inventory.facts.service_prefix_lists.gap())
            .contains("aws ec2 describe-prefix-lists --region us-east-1 > ")
    );
    assert!(because(inventory.facts.endpoint_interfaces.gap()).contains("VpcEndpoints"));
    let list = because(inventory.facts.prefix_lists[&"pl-1".into()].gap());
    assert!(list.contains("get-managed-prefix-list-entries --region us-east-1 --prefix-list-id pl-1 > "), "{list}");
}

#[test]
fn an_empty_key_is_seen_and_empty_not_a_gap() {
    let inventory = read(&[("a.json", r#"{"VpcEndpoints": [], "Subnets": []}"#)]).unwrap();
    assert_eq!(inventory.facts.vpc_endpoints.get().unwrap(), &[]);
    assert_eq!(inventory.facts.endpoint_interfaces.get().unwrap(), &[]);
    assert_eq!(inventory.subnets.get().unwrap(), &[]);
}

#[test]
fn other_lists_do_not_hide_that_dynamodbs_is_missing() {
    let lists =
        r#"{"PrefixLists": [{"PrefixListId": "pl-9", "PrefixListName": "com.amazonaws.us-east-1.s3", "Cidrs": []}]}"#;
    let inventory = read(&[("lists.json", lists)]).unwrap();
    assert!(matches!(inventory.facts.service_prefix_lists.gap(), Some(Gap::NotFound { .. })));
}

#[test]
fn the_interfaces_of_a_dynamodb_interface_endpoint_must_be_there() {
    let endpoint = r#"{"VpcEndpoints": [{"VpcEndpointId": "vpce-1", "VpcEndpointType": "Interface", "VpcId": "vpc-1",
        "ServiceName": "com.amazonaws.us-east-1.dynamodb", "State": "available", "NetworkInterfaceIds": ["eni-1"]}]}"#;
    let without = read(&[("e.json", endpoint)]).unwrap();
    assert!(matches!(without.facts.endpoint_interfaces.gap(), Some(Gap::NotTried { .. })));
    let others = r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-2", "PrivateIpAddresses": []}]}"#;
    let other = read(&[("e.json", endpoint), ("n.json", others)]).unwrap();
    assert!(matches!(other.facts.endpoint_interfaces.gap(), Some(Gap::NotFound { .. })));
    let its = r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1",
        "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.9", "Primary": true}], "Ipv6Addresses": []}]}"#;
    let with = read(&[("e.json", endpoint), ("n.json", its)]).unwrap();
    let interfaces = with.facts.endpoint_interfaces.get().unwrap();
    assert_eq!(interfaces[0].addresses, ["10.0.0.9".parse::<std::net::IpAddr>().unwrap()]);
}

#[test]
fn a_listing_without_its_last_page_is_a_gap() {
    let first =
        r#"{"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/24"}], "NextToken": "x"}"#;
    let last = r#"{"Subnets": [{"SubnetId": "subnet-2", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24"}]}"#;
    let cut = read(&[("1.json", first)]).unwrap();
    let gap = cut.subnets.gap().unwrap();
    assert_eq!(gap.reason(), "truncated");
    assert!(
        gap.to_string().contains("NextToken")
            && gap.to_string().contains("aws ec2 describe-subnets --region us-east-1 > "),
        "{gap}"
    );
    assert_eq!(read(&[("1.json", first), ("2.json", last)]).unwrap().subnets.get().unwrap().len(), 2);

    let entries = r#"{"Entries": [{"Cidr": "52.94.0.0/22"}], "NextToken": "x"}"#;
    let cut = read(&[("t.json", TABLE), ("pl-1.json", entries)]).unwrap();
    assert_eq!(cut.facts.prefix_lists[&"pl-1".into()].gap().map(Gap::reason), Some("truncated"));
}

/// A page of subnets of one VPC.
fn subnets(vpc: &str, ids: &[&str], token: Option<&str>) -> String {
    let row = |id: &&str| format!(r#"{{"SubnetId": "{id}", "VpcId": "{vpc}", "CidrBlock": "10.0.0.0/24"}}"#);
    let rows: Vec<String> = ids.iter().map(row).collect();
    let token = token.map_or(String::new(), |token| format!(r#", "NextToken": "{token}""#));
    format!(r#"{{"Subnets": [{}]{token}}}"#, rows.join(", "))
}

/// The number of subnets in these files, or why it is not known.
fn subnets_of(files: &[(&str, String)]) -> Result<usize, String> {
    let files: Vec<(&str, &str)> = files.iter().map(|(name, content)| (*name, content.as_str())).collect();
    let subnets = read(&files).unwrap().subnets;
    subnets.get().map(Vec::len).map_err(ToString::to_string)
}

#[test]
fn the_pages_of_one_listing_are_numbered_and_the_last_ends_it() {
    let pages = [
        subnets("vpc-1", &["subnet-1"], Some("x")),
        subnets("vpc-1", &["subnet-2"], Some("y")),
        subnets("vpc-1", &["subnet-3"], None),
    ];
    let names = [
        ["s-1.json", "s-2.json", "s-3.json"],
        ["s.json", "s-2.json", "s-3.json"],
        ["s.json", "s (1).json", "s (2).json"],
        ["s_page00.json", "s_page01.json", "s_page02.json"],
        ["1.json", "2.json", "3.json"],
    ];
    for names in names {
        let files: Vec<(&str, String)> = names.into_iter().zip(pages.clone()).collect();
        assert_eq!(subnets_of(&files), Ok(3), "{names:?}");
    }
    for names in &names[..2] {
        let files: Vec<(&str, String)> = names.iter().copied().zip(pages.clone()).collect();
        for missing in 0..3 {
            let mut files = files.clone();
            files.remove(missing);
            let gap = subnets_of(&files).unwrap_err();
            assert!(gap.contains("cut off") && gap.contains("run: aws ec2 describe-subnets"), "{gap}");
        }
    }
    let copied = [("s-1.json", pages[0].clone()), ("s-2.json", pages[0].clone()), ("s-3.json", pages[2].clone())];
    assert!(subnets_of(&copied).unwrap_err().contains("NextToken"));
}

#[test]
fn a_listing_that_is_cut_off_is_not_ended_by_another_one() {
    let cut_off = || subnets("vpc-1", &["subnet-1"], Some("x"));
    let cases = [
        ("not numbered", vec![("b.json", cut_off()), ("a.json", subnets("vpc-1", &["subnet-2"], None))]),
        ("another VPC's", vec![("vpc-1.json", cut_off()), ("vpc-2.json", subnets("vpc-2", &["subnet-2"], None))]),
        (
            "the same VPC's, complete",
            vec![("s-1.json", cut_off()), ("s-2.json", subnets("vpc-1", &["subnet-1", "subnet-2"], None))],
        ),
        ("empty", vec![("s-1.json", cut_off()), ("s-2.json", subnets("vpc-1", &[], None))]),
        (
            "another Region's",
            vec![("s-us-west-1.json", cut_off()), ("s-us-west-2.json", subnets("vpc-1", &["subnet-2"], None))],
        ),
        (
            "one more than the last",
            vec![
                ("s-1.json", cut_off()),
                ("s-2.json", subnets("vpc-1", &["subnet-2"], None)),
                ("s-3.json", subnets("vpc-1", &["subnet-3"], None)),
            ],
        ),
        (
            "another one that is cut off",
            vec![("s-1.json", cut_off()), ("s-2.json", subnets("vpc-1", &["subnet-2"], Some("y")))],
        ),
    ];
    for (what, files) in cases {
        assert!(subnets_of(&files).unwrap_err().contains("cut off"), "{what}");
    }
    let beside = [
        ("vpc-2.json", subnets("vpc-2", &["subnet-9"], None)),
        ("vpc-1.json", subnets("vpc-1", &["subnet-8"], None)),
        ("s.json", cut_off()),
        ("s-2.json", subnets("vpc-1", &["subnet-2"], None)),
    ];
    assert_eq!(subnets_of(&beside), Ok(4), "complete ones beside it do no harm");
}

#[test]
fn an_empty_next_token_ends_a_listing() {
    let whole = subnets("vpc-1", &["subnet-1"], Some(""));
    assert_eq!(subnets_of(&[("s.json", whole)]), Ok(1));
    let null = r#"{"Subnets": [], "NextToken": null}"#.to_owned();
    assert_eq!(subnets_of(&[("s.json", null)]), Ok(0));
    let strange = r#"{"Subnets": [], "NextToken": {}}"#.to_owned();
    assert!(subnets_of(&[("s.json", strange)]).is_err());
}

#[test]
fn a_page_of_prefix_lists_that_is_missing_may_hold_another_of_dynamodbs() {
    let page = |token: &str, id: &str, name: &str, arn: &str| {
        format!(
            r#"{{"PrefixLists": [{{"PrefixListId": "{id}", "PrefixListName": "{name}", "PrefixListArn": "{arn}",
                 "Cidrs": ["52.94.0.0/22"]}}], "NextToken": "{token}"}}"#
        )
    };
    let first = page("x", "pl-1", "com.amazonaws.us-east-1.dynamodb", "");
    let first = first.replace(r#""PrefixListArn": "","#, "");
    let last = page("", "pl-2", "ours", "arn:aws:ec2:us-east-1:111122223333:prefix-list/pl-2");
    let cut = read(&[("p.json", &first)]).unwrap().facts;
    assert!(cut.service_prefix_lists.gap().unwrap().to_string().contains("p.json has a NextToken"));
    assert_eq!(
        read(&[("p-1.json", &first), ("p-2.json", &last)]).unwrap().facts.service_prefix_lists.get().unwrap().len(),
        1
    );
}

#[test]
fn the_entries_of_a_list_are_known_with_all_their_pages() {
    let page = |cidr: &str, token: &str| format!(r#"{{"Entries": [{{"Cidr": "{cidr}"}}], "NextToken": "{token}"}}"#);
    let (first, second) = (page("52.94.0.0/22", "x"), page("52.94.4.0/22", "y"));
    let (third, none) = (page("52.94.8.0/22", ""), r#"{"Entries": []}"#);
    let entries = |files: &[(&str, &str)]| {
        let inventory = read(&[&[("t.json", TABLE)], files].concat()).unwrap();
        inventory.facts.prefix_lists[&"pl-1".into()].get().map(|list| list.entries.len()).map_err(ToString::to_string)
    };
    let (a, b, c) = (("pl-1.json", &*first), ("pl-1.page2.json", &*second), ("pl-1.page3.json", &*third));
    assert_eq!(entries(&[a, b, c]), Ok(3));
    assert_eq!(entries(&[("page1-pl-1.json", &first), ("page2-pl-1.json", &third)]), Ok(2));
    assert_eq!(entries(&[a, ("pl-1-2.json", none)]), Ok(1), "the last page may be empty");
    for files in [&[a, b][..], &[a, c], &[b, c], &[a, ("other-pl-1.json", &*third)]] {
        assert!(entries(files).unwrap_err().contains("cut off"), "{files:?}");
    }
}

#[test]
fn a_list_named_by_a_route_takes_its_entries_from_the_file_named_by_it() {
    let entries = r#"{"Entries": [{"Cidr": "52.94.0.0/22", "Description": "x"}, {"Cidr": "2001:db8::/32"}]}"#;
    let inventory = read(&[("t.json", TABLE), ("entries-pl-1.json", entries)]).unwrap();
    let list = inventory.facts.prefix_lists[&"pl-1".into()].get().unwrap();
    assert_eq!((list.name.as_deref(), list.entries.len()), (None, 2));
    let error = read(&[("t.json", TABLE), ("entries.json", entries)]).unwrap_err();
    assert!(error.contains("DIR/entries.json") && error.contains("pl-….json"), "{error}");
}

#[test]
fn ipv6_ranges_of_a_subnet_count_while_they_are_associated() {
    let subnets = r#"{"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/24",
        "Ipv6CidrBlockAssociationSet": [
          {"Ipv6CidrBlock": "2001:db8:1::/64", "Ipv6CidrBlockState": {"State": "associated"}},
          {"Ipv6CidrBlock": "2001:db8:2::/64", "Ipv6CidrBlockState": {"State": "disassociated"}}]}]}"#;
    let inventory = read(&[("s.json", subnets)]).unwrap();
    let cidrs: Vec<String> = inventory.subnets.get().unwrap()[0].cidrs.iter().map(ToString::to_string).collect();
    assert_eq!(cidrs, ["10.0.0.0/24", "2001:db8:1::/64"]);
}

#[test]
fn escapes_and_unknown_keys_are_no_trouble() {
    let odd = r#"{"RouteTables": [{"RouteTableId": "rtb-\u0031", "VpcId": "vpc-1", "New": {"deep": [1, null]}, "Routes": [
        {"DestinationCidrBlock": "0.0.0.0\/0", "GatewayId": "igw-1", "OdbNetworkArn": null}]}], "Other": 7}"#;
    let inventory = read(&[("o.json", odd), ("package.json", r#"{"name": "x"}"#), ("notes.txt", "no")]).unwrap();
    let table = &inventory.facts.route_tables.get().unwrap()[0];
    assert_eq!(table.id.as_str(), "rtb-1");
    assert_eq!(table.routes[0].destination, Destination::Cidr("0.0.0.0/0".parse().unwrap()));
}

#[test]
fn mistakes_name_the_file_the_line_and_the_field() {
    let table = |route: &str| {
        format!(
            "{{\"RouteTables\": [\n {{\"RouteTableId\": \"rtb-1\", \"VpcId\": \"vpc-1\", \"Routes\": [\n  {route}\n ]}}\n]}}"
        )
    };
    let cases = [
        ("{\"RouteTables\": [\n", vec!["DIR/x.json, line 2, column 0", "EOF"]),
        ("{\"RouteTables\": {}}", vec!["line 1", "RouteTables", "expected a sequence"]),
        ("{\"RouteTables\": [7]}", vec!["RouteTables[0]", "expected a route table"]),
        ("", vec!["the file is empty"]),
        ("An error occurred (UnauthorizedOperation)", vec!["line 1", "not a JSON object, expected AWS CLI output"]),
        ("null", vec!["not a JSON object, expected AWS CLI output"]),
        ("{\"RouteTables\": [],}", vec!["column 20: trailing comma"]),
        (
            &table(r#"{"DestinationCidrBlock": 7}"#),
            vec!["line 3", "RouteTables[0].Routes[0].DestinationCidrBlock", "expected a string"],
        ),
        (
            &table(r#"{"DestinationCidrBlock": "10.0/16"}"#),
            vec![
                "RouteTables[0].Routes[0]: ",
                "DestinationCidrBlock is \"10.0/16\", expected a range such as 10.0.0.0/16",
            ],
        ),
        (&table("{}"), vec!["RouteTables[0].Routes[0]: ", "DestinationPrefixListId"]),
        (
            "{\"RouteTables\": [{\"VpcId\": \"vpc-1\", \"Routes\": []}]}",
            vec!["RouteTables[0]", "RouteTableId is missing"],
        ),
        ("{\"RouteTables\": [{\"RouteTableId\": \"rtb-1\", \"VpcId\": \"vpc-1\"}]}", vec!["Routes is missing"]),
        (
            "{\"PrefixLists\": [{\"PrefixListId\": \"pl-1\", \"Cidrs\": [\"x\"]}]}",
            vec!["PrefixLists[0].Cidrs[0]", "expected a range"],
        ),
    ];
    for (content, expected) in cases {
        let error = read(&[("x.json", content)]).unwrap_err();
        assert!(expected.iter().all(|part| error.contains(part)), "{content}\n{error}\nexpected {expected:?}");
        assert!(error.contains("DIR/x.json"), "{error}");
    }
    for utf_16 in [&b"\xff\xfe{\0}\0"[..], b"\xfe\xff\0{\0}", b"{\0}\0", b"\0{\0}"] {
        let dir = directory(&[]);
        fs::write(dir.path().join("p.json"), utf_16).unwrap();
        let error = files::read(dir.path(), None).unwrap_err().to_string();
        assert!(error.contains("UTF-16"), "{error}");
    }
}

#[test]
fn a_list_of_something_else_is_ignored_and_one_that_query_made_is_named() {
    let tables = |files: &[(&str, &str)]| read(files).unwrap().facts.route_tables.into_result().unwrap();
    let beside_another = tables(&[("t.json", TABLE), ("p.json", r#"[{"ParameterKey": "VpcId"}]"#)]);
    assert_eq!(beside_another, tables(&[("t.json", TABLE)]));
    let error = read(&[("t.json", TABLE), ("q.json", r#"[{"SubnetId": "subnet-1"}]"#)]).unwrap_err();
    assert!(error.contains("DIR/q.json") && error.contains("--query"), "{error}");
}

#[test]
fn two_listings_of_a_lists_entries_that_differ_support_nothing() {
    let listed = r#"{"PrefixLists": [{"PrefixListId": "pl-1", "PrefixListName": "com.amazonaws.us-east-1.dynamodb", "Cidrs": ["10.1.0.0/16", "10.2.0.0/16"]}]}"#;
    let entries = |second: &str| format!(r#"{{"Entries": [{{"Cidr": "{second}"}}, {{"Cidr": "10.1.0.0/16"}}]}}"#);
    let reason = |files: &[(&str, &str)]| {
        let lists = read(&[&[("t.json", TABLE)], files].concat()).unwrap().facts.prefix_lists;
        lists.into_values().next().unwrap().gap().map(Gap::reason)
    };
    let (same, other) = (entries("10.2.0.0/16"), entries("10.3.0.0/16"));
    assert_eq!(reason(&[("l.json", listed), ("entries-pl-1.json", &same)]), None);
    assert_eq!(reason(&[("l.json", listed), ("entries-pl-1.json", &other)]), Some("conflicting"));
    assert_eq!(reason(&[("old-pl-1.json", &other), ("new-pl-1.json", &same)]), Some("conflicting"));
    assert_eq!(reason(&[("old-pl-1.json", &same), ("new-pl-1.json", &same)]), None);
}

#[test]
fn audit_is_off_net_only_where_nothing_unknown_could_overturn_it() {
    let lists = r#"{"PrefixLists": [{"PrefixListId": "pl-1", "PrefixListName": "com.amazonaws.us-east-1.dynamodb", "Cidrs": ["52.94.0.0/22"]}]}"#;
    let rest =
        r#"{"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24"}], "VpcEndpoints": []}"#;
    let outcome = |state: &str| {
        let tables = format!(
            r#"{{"RouteTables": [{{"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{{"Main": true}}], "Routes": [
            {{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"}},
            {{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"}},
            {{"DestinationCidrBlock": "52.94.2.0/23", "GatewayId": "vpce-1", "State": "{state}"}}]}}]}}"#
        );
        let inventory = read(&[("t.json", &tables), ("l.json", lists), ("r.json", rest)]).unwrap();
        onnet_core::judge::audit(&inventory, None).outcome
    };
    assert_eq!(outcome("active"), Outcome::Undetermined, "vpce-1 is not visible, and may be DynamoDB's");
    assert_eq!(outcome("blackhole"), Outcome::OffNet);
}

/// An id that matches nothing must not leave a subnet to another route table.
#[test]
fn a_space_at_an_end_of_a_text_improves_no_verdict() {
    /// Every place of a text below `value`, as a JSON pointer.
    fn places(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::String(_) => found.push(at.to_owned()),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, item)| places(item, &format!("{at}/{index}"), found));
            }
            Value::Object(fields) => {
                fields.iter().for_each(|(key, field)| places(field, &format!("{at}/{key}"), found));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    let dir = below_tests("files/two_vpcs");
    let names = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: Vec<(String, String)> =
        names.map(|name| (name.clone(), fs::read_to_string(dir.join(name)).unwrap())).collect();
    let audited = |changed: Option<(&str, &str)>| {
        let content = |(name, text): &(String, String)| match changed {
            Some((of, changed)) if of == name => (name.clone(), changed.to_owned()),
            _ => (name.clone(), text.clone()),
        };
        let files: Vec<_> = files.iter().map(content).collect();
        let borrowed: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        Some(onnet_core::judge::audit(&read(&borrowed).ok()?, None).outcome)
    };
    let before = audited(None).unwrap();
    let mut refused = 0;
    for (name, text) in &files {
        let whole: Value = serde_json::from_str(text).unwrap();
        let mut found = Vec::new();
        places(&whole, "", &mut found);
        for place in found {
            let mut changed = whole.clone();
            let field = changed.pointer_mut(&place).unwrap();
            *field = format!("{} ", field.as_str().unwrap()).into();
            match audited(Some((name, &changed.to_string()))) {
                None => refused += 1,
                Some(after) => assert!(after == before || after == Outcome::Undetermined, "{name}{place}: {after:?}"),
            }
        }
    }
    assert!(refused > 40, "{refused} were refused");
    let table = TABLE.replace(r#""VpcId": "vpc-1""#, r#""VpcId": "vpc-1 ""#);
    let error = read(&[("t.json", &table)]).unwrap_err();
    assert!(
        error.contains(r#"RouteTables[0].VpcId: "vpc-1 ", where EC2 writes "vpc-1": remove the spaces"#),
        "{error}"
    );
}

#[test]
fn endpoints_of_another_accounts_vpc_do_not_show() {
    let files = |owner: &str, more: &[(&str, &str)]| {
        let table = TABLE
            .replace(r#""Associations": []"#, r#""Associations": [{"Main": true}]"#)
            .replace(r#""VpcId""#, &format!(r#""OwnerId": "{owner}", "VpcId""#));
        let subnet = r#"{"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24"},
            {"SubnetId": "subnet-2", "VpcId": "vpc-2", "CidrBlock": "10.0.1.0/24", "OwnerId": "111111111111"}]}"#;
        let inventory =
            read(&[&[("t.json", &*table), ("s.json", subnet), ("e.json", r#"{"VpcEndpoints": []}"#)], more].concat())
                .unwrap();
        let explained =
            onnet_core::judge::explain(&inventory, &"subnet-1".into(), "10.0.1.9".parse().unwrap()).unwrap();
        match explained.verdict {
            Verdict::Undetermined(missing) => missing[0].why.reason(),
            verdict => {
                if verdict.is_off_net() {
                    "off-net"
                } else {
                    "other"
                }
            }
        }
    };
    let interface =
        r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "VpcId": "vpc-1", "OwnerId": "111111111111"}]}"#;
    assert_eq!(files("111111111111", &[]), "off-net", "one account owns everything, and asked");
    assert_eq!(files("222222222222", &[]), "not_visible", "either may have asked");
    assert_eq!(files("222222222222", &[("i.json", interface)]), "not_visible");
    assert_eq!(files("222222222222", &[("i.json", &interface.replace('1', "2"))]), "off-net");
}

/// A customer may give a list any name; the API that returns the owner decides whose it is.
#[test]
fn a_customers_list_is_never_dynamodbs_by_its_name() {
    let list = |owner: &str| {
        format!(
            r#"{{"PrefixLists": [{{"PrefixListId": "pl-1", "PrefixListName": "com.amazonaws.us-east-1.dynamodb", "OwnerId": "{owner}"}}]}}"#
        )
    };
    let entries = r#"{"Entries": [{"Cidr": "10.1.0.0/16"}]}"#;
    let lists = |owner: &str| {
        let inventory = read(&[("t.json", TABLE), ("l.json", &list(owner)), ("entries-pl-1.json", entries)]).unwrap();
        inventory.facts.service_prefix_lists.get().map(Vec::len).map_err(Gap::reason)
    };
    assert_eq!(lists("AWS"), Ok(1));
    assert_eq!(lists("111111111111"), Err("conflicting"));
}

/// Go, jq and .NET write an empty list as null.
#[test]
fn a_list_that_is_null_is_empty() {
    let null = TABLE.replace(r#""Associations": []"#, r#""Associations": null"#);
    assert_ne!(null, TABLE);
    let tables = |text: &str| read(&[("t.json", text)]).unwrap().facts.route_tables.into_result().unwrap();
    assert_eq!(tables(&null), tables(TABLE));
    let subnet = r#"{"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/24", "Ipv6CidrBlockAssociationSet": null}]}"#;
    assert!(read(&[("s.json", subnet)]).unwrap().subnets.seen().is_some());
}

/// A VPC with a table for subnet-1 and a main table, of which one is in the files.
fn filtered(table: &str) -> Inventory {
    let tables = format!(
        r#"{{"RouteTables": [{{"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{table}], "Routes": [
          {{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"}},
          {{"DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1", "State": "active"}}]}}]}}"#
    );
    let endpoint = r#"{"VpcEndpoints": [{"VpcEndpointId": "vpce-1", "VpcEndpointType": "Gateway", "VpcId": "vpc-1",
        "ServiceName": "com.amazonaws.us-east-1.dynamodb", "State": "available", "RouteTableIds": ["rtb-1", "rtb-2"]}]}"#;
    let list = r#"{"PrefixLists": [{"PrefixListId": "pl-1", "PrefixListName": "com.amazonaws.us-east-1.dynamodb",
        "Cidrs": ["52.94.0.0/22"]}]}"#;
    let subnets = subnets("vpc-1", &["subnet-1", "subnet-2"], None);
    read(&[("t.json", &tables), ("e.json", endpoint), ("l.json", list), ("s.json", &subnets)]).unwrap()
}

#[test]
fn an_explicit_association_decides_whichever_other_tables_are_missing() {
    let outcomes = |table: &str| {
        let inventory = filtered(table);
        let audit = onnet_core::judge::audit(&inventory, None);
        let text = onnet_core::present::audit(&audit);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("rtb-2, which vpce-1 names, is in no file"), "{text}");
        ["subnet-1", "subnet-2"].map(|id| {
            let of_audit = audit.subnets.iter().find(|subnet| subnet.subnet.as_str() == id).unwrap().outcome;
            let explained = onnet_core::judge::explain(&inventory, &id.into(), "52.94.0.1".parse().unwrap()).unwrap();
            assert_eq!(explained.verdict.is_on_net(), of_audit == Outcome::OnNet, "{id}");
            of_audit
        })
    };
    let explicit = r#"{"SubnetId": "subnet-1", "AssociationState": {"State": "associated"}}"#;
    assert_eq!(outcomes(explicit), [Outcome::OnNet, Outcome::Undetermined]);
    let changing = explicit.replace("associated", "disassociating");
    assert_eq!(outcomes(&changing), [Outcome::Undetermined; 2]);
    assert_eq!(outcomes(r#"{"Main": true}"#), [Outcome::Undetermined; 2], "rtb-2 may serve either subnet");
}

#[test]
fn the_order_of_rows_is_no_difference() {
    let row = |routes: [&str; 2], associations: [&str; 2]| {
        let (routes, associations) = (routes.join(","), associations.join(","));
        format!(
            r#"{{"RouteTables": [{{"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{associations}], "Routes": [{routes}]}}]}}"#
        )
    };
    let (a, b) = (r#"{"Main": true}"#, r#"{"SubnetId": "subnet-1"}"#);
    let local = r#"{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"}"#;
    let nat = r#"{"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "active"}"#;
    let (one, other) = (row([local, nat], [a, b]), row([nat, local], [b, a]));
    let tables = read(&[("a.json", &one), ("b.json", &other)]).unwrap().facts.route_tables.into_result().unwrap();
    assert_eq!(tables.len(), 1);
    let twice = row([local, local], [a, b]);
    assert!(read(&[("a.json", &one), ("b.json", &twice)]).unwrap_err().contains("Routes of rtb-1 differ"));
    let moved = row([local, nat], [a, r#"{"SubnetId": "subnet-2"}"#]);
    assert!(read(&[("a.json", &one), ("b.json", &moved)]).unwrap_err().contains("Associations of rtb-1 differ"));
    let elsewhere = one.replace("vpc-1", "vpc-2");
    assert!(read(&[("a.json", &one), ("b.json", &elsewhere)]).unwrap_err().contains("VpcId of rtb-1 differ"));

    let list = |cidrs: &str| format!(r#"{{"PrefixLists": [{{"PrefixListId": "pl-1", "Cidrs": [{cidrs}]}}]}}"#);
    let (one, other) = (list(r#""52.94.0.0/22", "52.94.4.0/22""#), list(r#""52.94.4.0/22", "52.94.0.0/22""#));
    assert!(read(&[("a.json", &one), ("b.json", &other)]).is_ok());
    let error = read(&[("a.json", &one), ("b.json", &list(r#""52.94.4.0/22""#))]).unwrap_err();
    assert!(error.contains("Cidrs of pl-1 differ"), "{error}");

    let endpoint = |tables: &str, state: &str| {
        format!(
            r#"{{"VpcEndpoints": [{{"VpcEndpointId": "vpce-1", "VpcId": "vpc-1", "State": "{state}", "RouteTableIds": [{tables}]}}]}}"#
        )
    };
    let one = endpoint(r#""rtb-1", "rtb-2""#, "available");
    assert!(read(&[("a.json", &one), ("b.json", &endpoint(r#""rtb-2", "rtb-1""#, "available"))]).is_ok());
    let error = read(&[("a.json", &one), ("b.json", &endpoint(r#""rtb-2", "rtb-1""#, "deleted"))]).unwrap_err();
    assert!(error.contains("State of vpce-1 differ"), "{error}");
}

#[test]
fn several_documents_in_one_file_are_each_read() {
    let (one, two) = (subnets("vpc-1", &["subnet-1"], None), subnets("vpc-2", &["subnet-2"], None));
    for between in ["", "\n", "\r\n\n"] {
        assert_eq!(subnets_of(&[("s.json", format!("{one}{between}{two}\n"))]), Ok(2), "{between:?}");
    }
    let table = format!("{TABLE}\n{one}");
    let inventory = read(&[("all.json", &table)]).unwrap();
    assert_eq!((inventory.facts.route_tables.get().unwrap().len(), inventory.subnets.get().unwrap().len()), (1, 1));

    let cut_off = subnets("vpc-1", &["subnet-3"], Some("x"));
    for pages in [format!("{cut_off}{one}"), format!("{one}{cut_off}"), format!("{cut_off}{cut_off}")] {
        assert!(
            subnets_of(&[("s.json", pages)]).unwrap_err().contains("cut off"),
            "no document ends another's listing"
        );
    }
    let error = read(&[("s.json", &format!("{one}\n{{\"Subnets\": [7]}}"))]).unwrap_err();
    assert!(error.contains("line 2") && error.contains("Subnets[0]"), "{error}");
    assert!(read(&[("s.json", &format!("{one} trailing"))]).is_err());
    let entries = r#"{"Entries": [{"Cidr": "52.94.0.0/22"}]}"#;
    let error = read(&[("t.json", TABLE), ("pl-1.json", &format!("{entries}{entries}"))]).unwrap_err();
    assert!(error.contains("DIR/pl-1.json") && error.contains("Entries of several"), "{error}");
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    assert!(read(&[("t.json", &format!("\u{feff}{TABLE}"))]).is_ok());
}

#[test]
fn hidden_files_are_passed_over() {
    assert!(read(&[("t.json", TABLE), ("._t.json", "\0\u{5}\u{16}\u{7}"), (".#t.json", "")]).is_ok());
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_named_and_not_waited_for() {
    let dir = directory(&[("t.json", TABLE)]);
    std::os::unix::fs::symlink("/dev/null", dir.path().join("a.json")).unwrap();
    let error = files::read(dir.path(), Some("us-east-1")).unwrap_err();
    assert!(error.to_string().contains("a.json"), "{error}");
    assert!(
        std::error::Error::source(&error).unwrap().to_string().contains("a device, not a regular file"),
        "{error:?}"
    );
}

#[test]
fn an_audit_without_subnets_says_what_stands_in_the_way() {
    let audit = onnet_core::judge::audit(&read(&[("tables.json", TABLE)]).unwrap(), None);
    let text = onnet_core::present::audit(&audit);
    assert!(text.contains("no subnet could be judged"), "{text}");
    assert!(text.contains("the subnets could not be collected") && text.contains("describe-subnets"), "{text}");
}

#[test]
fn a_directory_with_nothing_to_read_says_how_to_fill_it() {
    for files in [&[][..], &[("package.json", "{}")], &[("route-tables.txt", TABLE)]] {
        let error = read(files).unwrap_err();
        for command in ["route-tables", "subnets", "vpc-endpoints", "prefix-lists", "network-interfaces"] {
            assert!(error.contains(&format!("aws ec2 describe-{command} > DIR/{command}.json")), "{error}");
        }
    }
    let error = files::read(Path::new("/no/such/directory"), None).unwrap_err().to_string();
    assert!(error.contains("/no/such/directory") && error.contains("aws ec2 describe-route-tables"), "{error}");
}

/// A subnet's own traffic uses no route table: `explain` says so of each address, and `audit` of the ranges.
#[test]
fn a_subnets_own_range_is_not_covered_by_its_route_table() {
    let folder = |table: &str, subnet: &str| {
        let routes =
            r#"{"DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1", "Origin": "CreateRoute", "State": "active"}"#;
        let local = |range: &str| {
            format!(
                r#"{{"DestinationCidrBlock": "{range}", "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"}}"#
            )
        };
        // The VPC has another range for the subnet, unless it lies in the first.
        let own = (table != "52.0.0.0/8").then(|| local(subnet));
        let locals = own.into_iter().chain([local(table)]).collect::<Vec<_>>().join(", ");
        let tables = format!(
            r#"{{"RouteTables": [{{"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{{"Main": true}}], "Routes": [{locals}, {routes}]}}]}}"#
        );
        let subnets =
            format!(r#"{{"Subnets": [{{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "{subnet}"}}]}}"#);
        let endpoints = r#"{"VpcEndpoints": [{"VpcEndpointId": "vpce-1", "VpcEndpointType": "Gateway", "VpcId": "vpc-1", "ServiceName": "com.amazonaws.us-east-1.dynamodb", "State": "available", "RouteTableIds": ["rtb-1"]}]}"#;
        let lists = r#"{"PrefixLists": [{"PrefixListId": "pl-1", "PrefixListName": "com.amazonaws.us-east-1.dynamodb", "Cidrs": ["52.94.0.0/22", "52.119.224.0/20"]}]}"#;
        read(&[("t.json", &tables), ("s.json", &subnets), ("e.json", endpoints), ("l.json", lists)]).unwrap()
    };
    let off_net = |inventory: &Inventory| {
        let audit = onnet_core::judge::audit(inventory, None);
        let ranges = audit.subnets[0].coverage.iter().filter(|range| !range.verdict.is_on_net());
        (audit.outcome, ranges.map(|range| range.cidr.to_string()).collect::<Vec<_>>(), audit)
    };
    let (outcome, ranges, _) = off_net(&folder("52.0.0.0/8", "52.94.1.0/24"));
    assert_eq!(
        (outcome, ranges.len()),
        (Outcome::Undetermined, 4),
        "AWS does not say whether a list counts within the VPC"
    );
    let (outcome, ranges, audit) = off_net(&folder("10.0.0.0/8", "52.94.1.0/24"));
    assert_eq!((outcome, ranges), (Outcome::AtRisk, vec!["52.94.1.0/24".to_owned()]));
    let codes: Vec<_> = audit.subnets[0].findings.iter().map(|finding| finding.code.name()).collect();
    assert_eq!(codes, ["partly-diverted"]);
    let (_, ranges, _) = off_net(&folder("10.0.0.0/8", "52.94.0.0/16"));
    assert_eq!(ranges, ["52.94.0.0/22"], "a range that holds an entry takes all of it");
    let (outcome, ranges, _) = off_net(&folder("10.0.0.0/8", "10.94.1.0/24"));
    assert_eq!((outcome, ranges), (Outcome::OnNet, vec![]));
}

#[test]
fn two_answers_about_one_prefix_list_that_differ_support_nothing() {
    let listed = r#"{"PrefixLists": [{"PrefixListId": "pl-1", "PrefixListName": "com.amazonaws.us-east-1.dynamodb", "Cidrs": ["10.1.0.0/16", "10.2.0.0/16"]}]}"#;
    let entries = |second: &str| format!(r#"{{"Entries": [{{"Cidr": "{second}"}}, {{"Cidr": "10.1.0.0/16"}}]}}"#);
    let list = |second: &str| {
        let files = [("t.json", TABLE), ("l.json", listed), ("entries-pl-1.json", &entries(second))];
        read(&files).unwrap().facts.prefix_lists.into_values().next().unwrap()
    };
    assert!(list("10.2.0.0/16").seen().is_some(), "the same in another order");
    assert_eq!(list("10.3.0.0/16").gap().map(Gap::reason), Some("conflicting"));
}

#[test]
fn files_that_contradict_each_other_are_named() {
    let other = TABLE.replace("vpce-1", "igw-1");
    assert!(read(&[("a.json", TABLE), ("b.json", TABLE)]).is_ok(), "the same twice is no contradiction");
    let error = read(&[("a.json", TABLE), ("b.json", &other)]).unwrap_err();
    assert!(["rtb-1", "DIR/a.json", "DIR/b.json"].iter().all(|part| error.contains(part)), "{error}");
}

#[test]
fn the_region_is_taken_from_names_or_asked_for() {
    let region = |files: &[(&str, &str)]| {
        let dir = directory(files);
        files::read(dir.path(), None).map(|inventory| inventory.region).map_err(|error| error.to_string())
    };
    let list = |id: &str, name: &str| {
        format!(r#"{{"PrefixLists": [{{"PrefixListId": "{id}", "PrefixListName": "{name}"}}]}}"#)
    };
    let east = list("pl-1", "com.amazonaws.us-east-1.dynamodb");
    let west = list("pl-2", "com.amazonaws.eu-west-1.s3");
    assert_eq!(region(&[("a.json", &east)]).as_deref(), Ok("us-east-1"));
    let several = region(&[("a.json", &east), ("b.json", &west)]).unwrap_err();
    assert!(["us-east-1", "eu-west-1", "--region"].iter().all(|part| several.contains(part)), "{several}");
    let none = region(&[("a.json", TABLE)]).unwrap_err();
    assert!(none.contains("--region"), "{none}");
}

fn corpus() -> Vec<(&'static str, Vec<u8>)> {
    let read = |path: &str| fs::read(below_tests(path)).unwrap();
    vec![
        ("route-tables.json", read("files/two_vpcs/route-tables.json")),
        ("vpc-endpoints.json", read("files/aws_cli_examples/describe-vpc-endpoints.json")),
        ("prefix-lists.json", read("files/two_vpcs/prefix-lists.json")),
        ("pl-1.json", read("files/two_vpcs/entries-pl-0b1c2d3e.json")),
        ("network-interfaces.json", read("files/aws_cli_examples/describe-network-interfaces.json")),
    ]
}

/// Overwrites, removes and repeats pieces, as a bad disk, editor or script does.
fn mutate(mut bytes: Vec<u8>, edits: &[(usize, u8, u8)]) -> Vec<u8> {
    for &(at, kind, byte) in edits {
        let at = at % (bytes.len().max(1));
        match kind % 4 {
            0 if !bytes.is_empty() => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 => drop(bytes.drain(at..(at + usize::from(byte)).min(bytes.len()))),
            _ => {
                let piece = bytes[at..(at + usize::from(byte)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

fn edits() -> impl Strategy<Value = Vec<(usize, u8, u8)>> {
    let json = proptest::sample::select(b"{}[]\",:0-9\\ntfe /".to_vec());
    proptest::collection::vec((any::<usize>(), any::<u8>(), prop_oneof![any::<u8>(), json]), 1..6)
}

/// `PROPTEST_CASES` sets more than the default, for a long run.
fn reads_without_panic(name: &str, bytes: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(name), bytes).unwrap();
    if let Ok(inventory) = files::read(dir.path(), Some("us-east-1")) {
        let audit = onnet_core::judge::audit(&inventory, None);
        assert!(onnet_core::present::audit(&audit).ends_with('\n'));
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_in_a_file_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        reads_without_panic("pl-1.json", &bytes);
    }

    #[test]
    fn mutated_cli_output_never_panics(which in 0_usize..5, edits in edits()) {
        let (name, bytes) = corpus().swap_remove(which);
        reads_without_panic(name, &mutate(bytes, &edits));
    }

    #[test]
    fn arbitrary_bytes_for_judge_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = saved::parse("x.json", &bytes);
    }

    #[test]
    fn a_mutated_report_for_judge_never_panics(edits in edits()) {
        let report = report_json(&scenario("static_slash_23_takes_half_of_an_entry")).to_string().into_bytes();
        if let Ok(snapshot) = saved::parse("x.json", &mutate(report, &edits)) {
            let report = onnet_core::judge::judge(snapshot);
            assert!(onnet_core::present::text(&report).ends_with('\n'));
            assert!(onnet_core::present::nagios(&report).ends_with('\n'));
        }
    }
}

#[cfg(unix)]
#[test]
fn a_snapshot_that_recorded_all_names_together_lacks_no_account_based_one() {
    let report = scenario("gateway_endpoint_carries_the_whole_list");
    let judged = |document: &serde_json::Value| judge(saved::parse("x", document.to_string().as_bytes()).unwrap());
    let mut snapshot = serde_json::to_value(&report.snapshot).unwrap();
    snapshot.as_object_mut().unwrap().remove("account_name").unwrap();
    let incomplete = saved::parse("x", snapshot.to_string().as_bytes()).unwrap_err();
    assert!(incomplete.to_string().starts_with("x has no `account_name`"), "this version records it: {incomplete}");
    snapshot["schema"] = serde_json::json!(1);
    assert_eq!(judged(&snapshot).outcome, Outcome::OnNet);
    let mut whole = report_json(&report);
    whole["schema"] = serde_json::json!(1);
    whole["snapshot"] = snapshot.clone();
    assert_eq!(judged(&whole).outcome, Outcome::OnNet);
    let unrecorded: Snapshot = serde_json::from_value(snapshot).unwrap();
    assert_eq!(judge(unrecorded).outcome, Outcome::Undetermined, "only a reader of files knows what wrote them");

    let gap = serde_json::json!({"unseen": {"reason": "timed_out", "after": 5.0}});
    let mut snapshot = serde_json::to_value(&report.snapshot).unwrap();
    snapshot["account_name"] = gap.clone();
    assert_eq!(judged(&snapshot).outcome, Outcome::Undetermined);
    whole["snapshot"]["account_name"] = gap;
    assert_eq!(judged(&whole).outcome, Outcome::Undetermined);
}

#[test]
fn a_round_is_saved_through_links_and_into_pipes_and_replaces_neither() {
    use std::{fs::File, io::Read, os::unix::fs::symlink};
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let snapshot = scenario("no_route_drops").snapshot;

    fs::write(path("kept.json"), "old").unwrap();
    symlink(path("kept.json"), path("link.json")).unwrap();
    saved::write(&path("link.json"), &snapshot).unwrap();
    assert!(fs::symlink_metadata(path("link.json")).unwrap().is_symlink());
    assert_eq!(saved::read(&path("kept.json")).unwrap(), snapshot);

    let (mut reader, writer) = std::io::pipe().unwrap();
    let pipe = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
    symlink(&pipe, path("pipe.json")).unwrap();
    let reading = std::thread::spawn(move || {
        let mut text = Vec::new();
        reader.read_to_end(&mut text).unwrap();
        text
    });
    saved::write(&path("pipe.json"), &snapshot).unwrap();
    drop(writer);
    assert_eq!(saved::parse("pipe", &reading.join().unwrap()).unwrap(), snapshot);
    assert!(File::open(path("pipe.json")).is_err() && fs::symlink_metadata(path("pipe.json")).unwrap().is_symlink());
}

#[cfg(unix)]
#[test]
fn pipes_sockets_devices_and_what_is_too_large_are_refused_by_name() {
    use std::os::unix::{fs::symlink, net::UnixListener};
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    assert!(std::process::Command::new("mkfifo").arg(path("fifo.json")).status().unwrap().success());
    let _socket = UnixListener::bind(path("socket.json")).unwrap();
    symlink("/dev/zero", path("device.json")).unwrap();
    fs::create_dir(path("directory.json")).unwrap();
    let large = fs::File::create(path("large.json")).unwrap();
    large.set_len(input::SAVED_FILE + 1).unwrap();
    for (name, kind) in [
        ("fifo.json", "a pipe, not a regular file"),
        ("socket.json", "a socket, not a regular file"),
        ("device.json", "a device, not a regular file"),
        ("directory.json", "a directory, not a regular file"),
        ("large.json", "larger than 1073741824 bytes"),
    ] {
        let error = saved::read(&path(name)).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.to_string().contains(name) && cause.contains(kind), "{name}: {error}: {cause}");
        if name != "directory.json" {
            let folder = tempfile::tempdir().unwrap();
            fs::rename(path(name), folder.path().join(name)).unwrap();
            let error = files::read(folder.path(), None).unwrap_err();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(error.to_string().contains(name) && cause.contains(kind), "{name}: {error}: {cause}");
        }
    }
}

#[test]
fn a_file_is_read_up_to_its_limit_and_no_byte_further() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    for (length, fits) in [(9, true), (10, true), (11, false)] {
        fs::write(&file, vec![b'x'; length]).unwrap();
        assert_eq!(input::read(&file, 10).is_ok(), fits, "{length}");
        // A file that grew after its size was read.
        assert_eq!(input::read_limited(&vec![b'x'; length][..], 10, &mut Vec::new()).is_ok(), fits, "{length}");
    }
    // A sparse file.
    for limit in [input::SAVED_FILE, input::LISTING_FILE] {
        for (length, fits) in [(limit, true), (limit + 1, false)] {
            fs::File::create(&file).unwrap().set_len(length).unwrap();
            assert_eq!(input::check(&file, limit).is_ok(), fits, "{length}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_saved_round_is_for_its_owner_alone_or_has_the_mode_of_the_file_before() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("round.json");
    let snapshot = scenario("no_route_drops").snapshot;
    let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o7777;
    saved::write(&file, &snapshot).unwrap();
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
    saved::write(&file, &snapshot).unwrap();
    assert_eq!(mode(), 0o664);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[cfg(unix)]
#[test]
fn another_users_link_is_not_written_through() {
    use std::os::unix::fs::{lchown, symlink};
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("ours"), "kept").unwrap();
    symlink(path("ours"), path("round.json")).unwrap();
    if lchown(path("round.json"), Some(65534), None).is_err() {
        return; // only root can create one
    }
    let error = saved::write(&path("round.json"), &scenario("no_route_drops").snapshot).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.to_string().contains("round.json") && cause.contains("another user's symbolic link"), "{cause}");
    assert_eq!(fs::read_to_string(path("ours")).unwrap(), "kept");
}

/// Route tables of another network decide there, and an interface endpoint may have the address.
#[test]
fn what_has_a_private_address_in_another_network_is_not_known() {
    let outcome = |field: &str, id: &str, address: &str, files: &[(&str, &str)]| {
        let route = format!(
            r#"{{"DestinationCidrBlock": "0.0.0.0/0", "{field}": "{id}", "Origin": "CreateRoute", "State": "active"}}"#
        );
        let table = TABLE
            .replace(r#""Associations": []"#, r#""Associations": [{"Main": true}]"#)
            .replace(r#"  {"DestinationPrefixListId""#, &format!(r#"  {route}, {{"DestinationPrefixListId""#));
        let subnet = r#"{"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24"}]}"#;
        let list = r#"{"PrefixLists": [{"PrefixListId": "pl-1", "PrefixListName": "com.amazonaws.us-east-1.dynamodb", "Cidrs": ["52.94.0.0/22"]}]}"#;
        let none = [("e.json", r#"{"VpcEndpoints": []}"#)];
        let files = if files.is_empty() { &none[..] } else { files };
        let inventory = read(&[&[("t.json", &*table), ("s.json", subnet), ("l.json", list)], files].concat()).unwrap();
        let explained = onnet_core::judge::explain(&inventory, &"subnet-1".into(), address.parse().unwrap()).unwrap();
        (onnet_core::judge::explained_outcome(&explained), explained.reason)
    };
    for (field, id) in [
        ("TransitGatewayId", "tgw-1"),
        ("GatewayId", "vgw-1"),
        ("NatGatewayId", "nat-1"),
        ("VpcPeeringConnectionId", "pcx-1"),
        ("NetworkInterfaceId", "eni-1"),
        ("LocalGatewayId", "lgw-1"),
        ("CoreNetworkArn", "arn:core"),
    ] {
        assert_eq!(outcome(field, id, "10.9.0.9", &[]).0, Outcome::Undetermined, "{field}");
        let of_public = if id == "pcx-1" { Outcome::Undetermined } else { Outcome::OffNet };
        assert_eq!(outcome(field, id, "198.51.100.9", &[]).0, of_public, "{field}: a public address");
    }
    assert_eq!(outcome("GatewayId", "igw-1", "10.9.0.9", &[]).0, Outcome::OffNet);
    let endpoint = r#"{"VpcEndpoints": [{"VpcEndpointId": "vpce-2", "VpcEndpointType": "Interface", "VpcId": "vpc-2", "State": "available",
        "ServiceName": "com.amazonaws.us-east-1.dynamodb", "NetworkInterfaceIds": ["eni-9"]}]}"#;
    let interface = r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-9", "VpcId": "vpc-2", "PrivateIpAddresses": [{"PrivateIpAddress": "10.9.0.9"}]}]}"#;
    let (_, reason) =
        outcome("VpcPeeringConnectionId", "pcx-1", "10.9.0.9", &[("e.json", endpoint), ("i.json", interface)]);
    assert!(reason.contains("vpce-2 of vpc-2 has the address"), "{reason}");
}

#[test]
fn a_fix_asks_the_region_that_was_named() {
    let table = TABLE.replace(r#""Associations": []"#, r#""Associations": [{"Main": true}]"#).replace(
        r#""DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1""#,
        r#""DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1""#,
    );
    let subnet = r#"{"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24"}]}"#;
    let list = r#"{"PrefixLists": [{"PrefixListId": "pl-1", "PrefixListName": "com.amazonaws.us-east-1.dynamodb", "Cidrs": ["52.94.0.0/22"]}]}"#;
    let none = ("e.json", r#"{"VpcEndpoints": []}"#);
    let inventory = read(&[("t.json", &table), ("s.json", subnet), ("l.json", list), none]).unwrap();
    let fix = |audit: onnet_core::model::Audit| audit.subnets[0].findings[0].fix.clone().unwrap();
    let audit = || onnet_core::judge::audit(&inventory, None);
    assert!(fix(audit()).ends_with("--route-table-ids rtb-1"), "{}", fix(audit()));
    assert!(fix(audit().with_region_in_fixes()).ends_with("--route-table-ids rtb-1 --region us-east-1"));
}
