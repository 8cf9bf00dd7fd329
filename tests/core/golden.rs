//! Compares the outputs with files. `ONNET_BLESS=1` rewrites them; read the difference.

use crate::common::{below_tests, golden, scenario};
use onnet_core::{
    import::files,
    judge,
    model::{Inventory, VpcId},
    present,
};

const REPORTS: [&str; 15] = [
    "gateway_endpoint_carries_the_whole_list",
    "no_endpoint_and_a_default_route_to_an_internet_gateway",
    "endpoint_without_route_tables_carries_nothing",
    "static_slash_23_takes_half_of_an_entry",
    "blackhole_does_not_fall_through",
    "no_route_drops",
    "equal_entries_of_two_lists_tie",
    "denied_route_tables_leave_everything_open",
    "interface_endpoint_found_by_its_address",
    "not_on_ec2",
    "settings_that_no_sdk_takes",
    "probe_that_times_out_forbids_on_net",
    "proxy_variable_sends_the_name_elsewhere",
    "the_service_testifies_where_the_ec2_api_is_out_of_reach",
    "two_addresses_one_of_them_off_net",
];

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn all(checks: impl Iterator<Item = Result<(), String>>) {
    let wrong: Vec<String> = checks.filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn two_vpcs() -> Inventory {
    files::read(&below_tests("files/two_vpcs"), None).unwrap()
}

#[test]
fn a_report_for_people() {
    all(REPORTS.iter().map(|name| golden(&format!("golden/text/{name}.txt"), &plain(&present::text(&scenario(name))))));
}

#[test]
fn network_interfaces_for_people() {
    let rows =
        |name: &str| plain(&present::interfaces(&scenario(name))).split_whitespace().collect::<Vec<_>>().join(" ");
    let of_prefixes = rows("ipv6_prefixes_where_the_host_has_no_ipv6");
    for row in [
        "off-net eni-0a 2600:1f18:0:0:1::/80 subnet-0a → rtb-main: through egress-only internet gateway eigw-0a",
        "off-net eni-0b 2600:1f18:0:1:1::/80 subnet-0b → rtb-main: through egress-only internet gateway eigw-0a",
        "undetermined eni-0c subnet-0b → rtb-main: it has no address and no prefix",
    ] {
        assert!(of_prefixes.contains(row), "{row}\n{of_prefixes}");
    }
    let of_one_family = rows("prefixes_of_the_interface_in_use");
    let row = "undetermined eni-0a 2600:1f18::/80 subnet-0a → rtb-main: DynamoDB's prefix list has no IPv6 range";
    assert!(of_one_family.contains(row), "{row}\n{of_one_family}");
}

#[test]
fn a_report_for_nagios() {
    let lines: Vec<String> =
        REPORTS.iter().map(|name| format!("{name}\n  {}", present::nagios(&scenario(name)))).collect();
    golden("golden/nagios.txt", &lines.concat()).unwrap_or_else(|wrong| panic!("{wrong}"));
}

#[test]
fn a_report_for_programs() {
    let json = present::json(&scenario(REPORTS[0]));
    golden("golden/report.json", &json).unwrap_or_else(|wrong| panic!("{wrong}"));
}

#[test]
fn an_explanation() {
    let cases = [
        ("on_net", "subnet-0a03", "52.94.0.10"),
        ("longer_static_route", "subnet-0a04", "52.94.0.10"),
        ("internet_gateway", "subnet-0a01", "52.94.0.10"),
        ("blackhole", "subnet-0b01", "52.94.0.10"),
        ("no_route", "subnet-0b02", "192.0.2.1"),
        ("local", "subnet-0a01", "10.0.3.7"),
        ("no_ipv6", "subnet-0a01", "2001:db8::1"),
    ];
    let inventory = two_vpcs();
    all(cases.iter().flat_map(|(name, subnet, address)| {
        let explanation = judge::explain(&inventory, &(*subnet).into(), address.parse().unwrap()).unwrap();
        [
            golden(&format!("golden/explain/{name}.txt"), &plain(&present::explanation(&explanation))),
            golden(&format!("golden/explain/{name}.json"), &present::json(&explanation)),
        ]
    }));
}

#[test]
fn an_audit() {
    let audit = judge::audit(&two_vpcs(), None);
    let one = judge::audit(&two_vpcs(), Some(&VpcId::from("vpc-0b")));
    all([
        golden("golden/audit/two_vpcs.txt", &plain(&present::audit(&audit))),
        golden("golden/audit/two_vpcs.json", &present::json(&audit)),
        golden("golden/audit/one_vpc.txt", &plain(&present::audit(&one))),
    ]
    .into_iter());
}

#[test]
fn text_fits_and_every_fix_stands_on_its_own_line() {
    for name in REPORTS {
        let report = scenario(name);
        let text = plain(&present::text(&report));
        for fix in report.findings.iter().filter_map(|finding| finding.fix.as_deref()) {
            assert!(text.lines().any(|line| line.trim() == fix), "{name}: {fix}\n{text}");
        }
        let is_fix = |line: &str| report.findings.iter().any(|f| f.fix.as_deref() == Some(line.trim()));
        for line in text.lines().filter(|line| !is_fix(line)) {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
    }
}

#[test]
fn nagios_gets_one_line_whatever_is_in_the_summary() {
    let mut report = scenario(REPORTS[0]);
    report.summary = "a | b\nc \u{1b}[2J".to_owned();
    let line = present::nagios(&report);
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    assert_eq!(line.matches('|').count(), 1, "{line}");
    assert!(!line.contains('\u{1b}'), "{line}");
}

#[test]
fn nothing_in_a_report_steers_the_terminal() {
    let mut report = scenario("endpoint_without_route_tables_carries_nothing");
    report.summary = "\u{1b}]0;title\u{7}".to_owned();
    for finding in &mut report.findings {
        finding.message = "\u{1b}[2J\u{202e}".to_owned();
        finding.fix = Some("\u{1b}[1A rm".to_owned());
    }
    for address in &mut report.addresses {
        address.hostname = "\u{9b}31m".to_owned();
    }
    let text = plain(&present::text(&report));
    assert!(text.contains("\\u{1b}[2J\\u{202e}"), "{text}");
    assert!(!text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text}");
}

#[test]
fn no_text_says_the_internet() {
    for name in REPORTS {
        let text = present::text(&scenario(name)).to_lowercase();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace("internet gateway", "");
        assert!(!text.contains("internet"), "{name}: {text}");
    }
}
