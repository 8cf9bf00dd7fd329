//! Listings of a folder: whole, cut off, in pages, and of two times.

use crate::folders::{
    ENDPOINTS, LISTS, LOCAL, MAIN, NAT, SUBNETS, TO_ENDPOINT, outcome, outcome_at, read, table, tables,
};
use onnet_core::{
    judge::{audit, explain, explained_outcome},
    model::Outcome,
};
use std::time::Duration;

fn main_with_endpoint() -> String {
    tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT])])
}

#[test]
fn a_listing_that_is_cut_off_supports_nothing() {
    let listings = [
        ("route-tables.json", main_with_endpoint()),
        ("subnets.json", SUBNETS.to_owned()),
        ("vpc-endpoints.json", ENDPOINTS.to_owned()),
        ("prefix-lists.json", LISTS.to_owned()),
    ];
    for (name, text) in listings {
        let end = text.rfind('}').unwrap();
        let cut_off = format!(r#"{}, "NextToken": "x"}}"#, &text[..end]);
        assert_eq!(outcome(&[(name, &text)]), Ok(Outcome::OnNet), "{name}");
        assert_eq!(outcome(&[(name, &cut_off)]), Ok(Outcome::Undetermined), "{name}");
    }
}

#[test]
fn pages_with_one_token_are_not_one_listing() {
    let page = |id: &str, association: &str, token: &str| {
        let row = table(id, association, &[LOCAL, TO_ENDPOINT]);
        format!(r#"{{"RouteTables": [{row}]{token}}}"#)
    };
    let endpoints = ENDPOINTS.replace(r#"["rtb-1"]"#, r#"["rtb-1", "rtb-2", "rtb-3"]"#);
    let of = |second: &str| {
        let (first, last) = (page("rtb-1", MAIN, r#", "NextToken": "x""#), page("rtb-3", "[]", ""));
        let second = page("rtb-2", "[]", &format!(r#", "NextToken": "{second}""#));
        outcome(&[
            ("vpc-endpoints.json", &endpoints),
            ("route-tables.json", &first),
            ("route-tables-2.json", &second),
            ("route-tables-3.json", &last),
        ])
    };
    assert_eq!(of("y"), Ok(Outcome::OnNet));
    assert_eq!(of("x"), Ok(Outcome::Undetermined));
}

#[test]
fn a_listing_that_comes_twice_in_one_document_is_refused() {
    let nothing = [("route-tables.json", "RouteTables", main_with_endpoint())];
    let others = [("subnets.json", "Subnets", SUBNETS), ("vpc-endpoints.json", "VpcEndpoints", ENDPOINTS)];
    let others = others.into_iter().chain([("prefix-lists.json", "PrefixLists", LISTS)]);
    let others = others.map(|(name, key, text)| (name, key, text.to_owned()));
    for (name, key, text) in nothing.into_iter().chain(others) {
        let end = text.rfind('}').unwrap();
        let twice = format!(r#"{}, "{key}": []}}"#, &text[..end]);
        let error = outcome(&[(name, &twice)]).expect_err(&twice);
        assert!(error.contains(&format!("duplicate field `{key}`")), "{error}");
    }
}

#[test]
fn a_table_without_a_local_route_is_a_selection_of_its_routes() {
    let selection = tables(&[&table("rtb-1", MAIN, &[TO_ENDPOINT])]);
    let nameless = SUBNETS.replace(r#", "CidrBlock": "10.0.1.0/24""#, "");
    for subnets in [SUBNETS, &nameless] {
        let folder = read(&[("route-tables.json", &selection), ("subnets.json", subnets)]).unwrap();
        assert_eq!(audit(&folder, None).outcome, Outcome::Undetermined, "{subnets}");
        let explanation = explain(&folder, &"subnet-1".into(), "52.94.0.10".parse().unwrap()).unwrap();
        assert_eq!(explained_outcome(&explanation), Outcome::Undetermined, "{subnets}");
    }
}

/// Another subnet of the VPC has a range of the prefix list: there is a local route for it that these tables have not.
#[test]
fn a_range_of_another_subnet_without_a_local_route_is_a_contradiction() {
    let subnets =
        SUBNETS.replace("]}", r#", {"SubnetId": "subnet-2", "VpcId": "vpc-1", "CidrBlock": "52.94.1.0/24"}]}"#);
    let folder = read(&[("subnets.json", &subnets)]).unwrap();
    let audit = audit(&folder, None);
    let one = audit.subnets.iter().find(|subnet| subnet.subnet == "subnet-1".into()).unwrap();
    assert_eq!(one.outcome, Outcome::Undetermined, "{one:#?}");
}

/// Two complete answers, of which one is older: what is in one alone may have gone.
#[test]
fn complete_answers_of_two_times_are_compared() {
    let nameless = LISTS.replace(r#", "Cidrs": ["52.94.0.0/22"]"#, "");
    let entries = |cidr: &str, token: &str| format!(r#"{{"Entries": [{{"Cidr": "{cidr}"}}]{token}}}"#);
    let (whole, part) = (entries("52.94.0.0/22", ""), entries("52.94.0.0/24", ""));
    let of_lists = |files: &[(&str, &str)]| outcome(&[&[("prefix-lists.json", nameless.as_str())], files].concat());
    assert_eq!(of_lists(&[("pl-1.json", &whole)]), Ok(Outcome::OnNet));
    assert_eq!(of_lists(&[("pl-1.json", &whole), ("pl-1 (1).json", &whole)]), Ok(Outcome::OnNet), "the same twice");
    assert_eq!(of_lists(&[("pl-1.json", &whole), ("pl-1 (1).json", &part)]), Ok(Outcome::Undetermined));
    let first = entries("52.94.0.0/22", r#", "NextToken": "x""#);
    assert_eq!(of_lists(&[("pl-1.json", &first), ("pl-1-2.json", &part)]), Ok(Outcome::OnNet), "pages");

    let main = table("rtb-1", MAIN, &[LOCAL, NAT]);
    let own = table("rtb-2", r#"[{"SubnetId": "subnet-1"}]"#, &[LOCAL, TO_ENDPOINT]);
    let endpoints = ENDPOINTS.replace("rtb-1", "rtb-2");
    let of_tables = |new: &[&str], copy: &str, old: &[&str]| {
        outcome(&[("vpc-endpoints.json", &endpoints), ("route-tables.json", &tables(new)), (copy, &tables(old))])
    };
    for copy in ["route-tables (1).json", "route-tables-old.json", "before.json"] {
        assert_eq!(of_tables(&[&main], copy, &[&main, &own]), Ok(Outcome::Undetermined), "{copy}");
        assert_eq!(of_tables(&[&main, &own], copy, &[&main, &own]), Ok(Outcome::OnNet), "{copy}");
        assert_eq!(of_tables(&[&own], copy, &[&main]), Ok(Outcome::OnNet), "{copy}: by two filters");
        // As a participant of a shared VPC sees them: what is in both answers is there.
        let other = table("rtb-3", r#"[{"SubnetId": "subnet-1"}]"#, &[LOCAL, NAT]);
        assert_eq!(of_tables(&[&main, &own], copy, &[&own]), Ok(Outcome::OnNet), "{copy}: explicit and in both");
        assert_eq!(of_tables(&[&main, &other], copy, &[&main]), Ok(Outcome::Undetermined), "{copy}: in one");
    }
}

/// The route tables may be as old as the answer that still has the endpoint.
#[test]
fn an_endpoint_that_one_of_two_complete_answers_has_not_may_have_gone() {
    let other = |id: &str, service: &str| {
        ENDPOINTS.replace("vpce-1", id).replace("dynamodb", service).replace(r#""rtb-1""#, "")
    };
    let (s3, ssm) = (other("vpce-2", "s3"), other("vpce-3", "ssm"));
    let (row, end) = (r#"{"VpcEndpoints": ["#, "]}");
    let bare = |text: &str| text.strip_prefix(row).and_then(|text| text.strip_suffix(end)).unwrap().to_owned();
    let both = |one: &str, more: &str| format!("{row}{}, {}{end}", bare(one), bare(more));
    let of = |new: &str, copy: &str, old: &str| outcome(&[("vpc-endpoints.json", new), (copy, old)]);
    for copy in ["vpc-endpoints (1).json", "vpc-endpoints-old.json", "before.json"] {
        assert_eq!(of(&s3, copy, &both(ENDPOINTS, &s3)), Ok(Outcome::Undetermined), "{copy}");
        assert_eq!(of(&both(ENDPOINTS, &s3), copy, &s3), Ok(Outcome::Undetermined), "{copy}");
        assert_eq!(of(&both(ENDPOINTS, &s3), copy, &both(ENDPOINTS, &s3)), Ok(Outcome::OnNet), "{copy}: the same");
        assert_eq!(of(&both(ENDPOINTS, &s3), copy, ENDPOINTS), Ok(Outcome::OnNet), "{copy}: another service's");
        assert_eq!(of(ENDPOINTS, copy, &both(&s3, &ssm)), Ok(Outcome::OnNet), "{copy}: by two filters");
    }
}

/// The table of a subnet may be among those that one of the answers has not.
#[test]
fn a_subnet_without_a_table_of_its_own_is_open_where_answers_differ() {
    let main = table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT]);
    let other = table("rtb-2", r#"[{"SubnetId": "subnet-9"}]"#, &[LOCAL, NAT]);
    let of = |old: &[&str]| {
        let files = read(&[("route-tables.json", &tables(&[&main])), ("before.json", &tables(old))]).unwrap();
        let audit = audit(&files, None);
        audit.subnets.iter().find(|subnet| subnet.subnet == "subnet-1".into()).unwrap().outcome
    };
    assert_eq!(of(&[&main]), Outcome::OnNet);
    assert_eq!(of(&[&main, &other]), Outcome::Undetermined);
}

/// Parts of one answer by two filters are on-net, and answers of two times are not: each whole one has the main table.
#[test]
fn answers_that_share_no_table_are_parts_or_of_two_times() {
    let own = table("rtb-2", r#"[{"SubnetId": "subnet-1"}]"#, &[LOCAL, TO_ENDPOINT]);
    let old_main =
        table("rtb-3", MAIN, &[LOCAL, NAT]).replace(r#""RouteTableId": "rtb-1""#, r#""RouteTableId": "rtb-3""#);
    let (new, endpoints) = (tables(&[&table("rtb-1", MAIN, &[LOCAL, NAT])]), ENDPOINTS.replace("rtb-1", "rtb-2"));
    let files = |old: &[&str]| {
        let old = tables(old);
        [("vpc-endpoints.json", endpoints.clone()), ("route-tables.json", new.clone()), ("before.json", old)]
    };
    let audited = |old: &[&str], apart: u64| {
        let files = files(old);
        let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        outcome_at(&files, &[("before.json", Duration::from_secs(apart))])
    };
    assert_eq!(audited(&[&own], 0), Ok(Outcome::OnNet));
    assert_eq!(audited(&[&own], 3_600), Ok(Outcome::OnNet));
    assert_eq!(audited(&[&own], 3_602), Ok(Outcome::Undetermined));
    assert_eq!(audited(&[&own, &old_main], 0), Ok(Outcome::Undetermined), "both have a main table");
}

/// What says nothing of the endpoint may be newer than what has it.
#[test]
fn an_endpoint_is_open_where_an_answer_of_another_time_has_not_got_it() {
    let s3 = ENDPOINTS.replace("vpce-1", "vpce-2").replace("dynamodb", "s3").replace(r#""rtb-1""#, "");
    for other in [s3.as_str(), r#"{"VpcEndpoints": []}"#] {
        // The second has the name of a copy.
        for copy in ["more.json", "vpc-endpoints (1).json"] {
            for (name, hours, expected) in [
                (copy, 0, Outcome::OnNet),
                (copy, 2, Outcome::Undetermined),
                ("vpc-endpoints.json", 2, Outcome::Undetermined),
            ] {
                let age = [(name, Duration::from_secs(hours * 3_600))];
                assert_eq!(outcome_at(&[(copy, other)], &age), Ok(expected), "{other} {copy} {name} {hours}");
            }
        }
    }
}

/// The time of a listing is that of its first page, and answers about different VPCs are no answers of two times.
#[test]
fn pages_of_one_listing_and_answers_about_two_vpcs_may_be_far_apart() {
    let end = |text: String, more: &str| text.replace("]}]}", &format!("]}}]{more}}}"));
    let first = end(main_with_endpoint(), r#", "NextToken": "x""#);
    let rest = tables(&[&table("rtb-2", "[]", &[LOCAL, NAT])]);
    let whole = tables(&[&table("rtb-1", MAIN, &[LOCAL, TO_ENDPOINT]), &table("rtb-2", "[]", &[LOCAL, NAT])]);
    let pages = [("route-tables.json", first.as_str()), ("route-tables-2.json", &rest)];
    let old = |name| [(name, Duration::from_secs(7_200))];
    assert_eq!(outcome_at(&pages, &old("route-tables.json")), Ok(Outcome::OnNet));
    let before = [pages.as_slice(), &[("before.json", &whole)]].concat();
    assert_eq!(outcome_at(&before, &old("before.json")), Ok(Outcome::OnNet), "the same two hours before");
    let other = main_with_endpoint().replace("vpc-1", "vpc-2").replace("rtb-1", "rtb-9").replace("vpce-1", "vpce-9");
    assert_eq!(outcome_at(&[("other.json", &other)], &old("other.json")), Ok(Outcome::OnNet));
}

/// Many small answers about one VPC are compared in a time that grows with their number.
#[test]
fn many_answers_about_one_vpc_are_each_compared_with_a_few() {
    let rows: Vec<String> =
        (2..5_000).map(|number| tables(&[&table(&format!("rtb-{number}"), r#"[{"Main": true}]"#, &[LOCAL])])).collect();
    assert_eq!(outcome(&[("more.json", &rows.join("\n"))]), Ok(Outcome::Undetermined));
}
