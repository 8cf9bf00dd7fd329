//! The binary on the command line: exit codes, help, files, errors. No network.

use crate::common::{below_tests, report_json, scenario};
use onnet::{
    model::FindingCode,
    present::{self, Contract},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Command, Output, Stdio},
};

fn onnet(arguments: &[&str]) -> Command {
    let mut command = Command::new(crate::ONNET);
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ONNET_")) {
        command.env_remove(name);
    }
    command
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn ran(output: Output) -> Ran {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn run(arguments: &[&str]) -> Ran {
    ran(onnet(arguments).output().unwrap())
}

fn two_vpcs() -> String {
    below_tests("files/two_vpcs").display().to_string()
}

fn saved(name: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("round.json");
    fs::write(&file, present::json(&scenario(name).snapshot)).unwrap();
    let file = file.display().to_string();
    (dir, file)
}

#[test]
fn help_and_version_are_answers() {
    for flag in ["--help", "-h", "--version", "-V"] {
        let ran = run(&[flag]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{flag}");
        assert!(ran.out.contains("onnet"), "{flag}: {}", ran.out);
        assert!(!ran.out.contains('\u{1b}'), "{flag}: no colour into a pipe");
    }
    for command in ["check", "status", "judge", "explain", "explain-finding", "audit", "schema"] {
        assert_eq!(run(&[command, "--help"]).code, 0, "{command}");
    }
}

#[test]
fn help_opens_with_a_sentence_and_examples() {
    let help = run(&["--help"]).out;
    let lines: Vec<&str> = help.lines().filter(|line| !line.is_empty()).collect();
    assert!(lines[0].ends_with('.'), "{help}");
    let examples = help.find("Examples:").unwrap();
    assert!(examples < help.find("Usage:").unwrap(), "{help}");
    for promise in ["Exit codes", "Stable", "JSON"] {
        assert!(help.contains(promise), "{promise}: {help}");
    }
}

#[test]
fn usage_errors_are_code_3_and_say_what_is_wrong() {
    let cases: [(&[&str], &str); 15] = [
        (&[], "Usage"),
        (&["chekc"], "check"),
        (&["check", "--frmat", "json"], "--format"),
        (&["check", "--format", "xml"], "nagios"),
        (&["check", "--timeout", "soon"], "10s"),
        (&["check", "--resolver", "10.0.0.2"], "--resolver"),
        (&["explain"], "ADDRESS"),
        (&["explain", "52.94.0"], "52.94.0.10"),
        (&["judge"], "FILE"),
        (&["run", "--dns-evry", "3s"], "--dns-every"),
        (&["run", "--dns-every", "1ms"], "10ms or more"),
        (&["run", "--listen", "10953"], "127.0.0.1:10953"),
        (&["run", "--web-config", "/nowhere/web.yml"], "/nowhere/web.yml"),
        (&["run", "--listen", "192.0.2.1:10953"], "no interface of this host has this address"),
        (&["check", "--wait", "long"], "forever"),
    ];
    for (arguments, expected) in cases {
        let ran = run(arguments);
        assert_eq!(ran.code, 3, "{arguments:?}: {}", ran.err);
        assert_eq!(ran.out, "", "{arguments:?}");
        assert!(ran.err.contains(expected), "{arguments:?}: {}", ran.err);
        let unknown = ran.err.contains("unexpected argument");
        assert!(!(unknown && ran.err.contains("sets it too")), "no variable sets what there is not: {}", ran.err);
    }
}

#[test]
fn a_setting_may_come_from_its_variable() {
    let (_dir, file) = saved("no_route_drops");
    let ran = ran(onnet(&["judge", &file]).env("ONNET_FORMAT", "nagios").output().unwrap());
    assert!(ran.out.starts_with("ONNET CRITICAL - "), "{}", ran.out);
    let wrong = onnet(&["judge", &file]).env("ONNET_FORMAT", "xml").output().unwrap();
    assert_eq!(wrong.status.code(), Some(3));
}

#[test]
fn judge_answers_by_its_exit_code() {
    let cases = [
        ("gateway_endpoint_carries_the_whole_list", 0),
        ("static_slash_23_takes_half_of_an_entry", 1),
        ("no_endpoint_and_a_default_route_to_an_internet_gateway", 2),
        ("no_route_drops", 2),
        ("denied_route_tables_leave_everything_open", 3),
    ];
    for (name, code) in cases {
        let (_dir, file) = saved(name);
        for format in ["text", "json", "nagios"] {
            let ran = run(&["judge", &file, "--format", format]);
            assert_eq!(ran.code, code, "{name}: {}{}", ran.out, ran.err);
            assert_eq!(ran.err, "", "{name}");
        }
    }
}

#[test]
fn judge_takes_a_snapshot_or_a_report_from_a_file_or_a_pipe_to_the_same_report() {
    let (_dir, file) = saved("static_slash_23_takes_half_of_an_entry");
    let from_snapshot = run(&["judge", &file, "--format", "json"]);
    let report: Value = serde_json::from_str(&from_snapshot.out).unwrap();
    assert_eq!(report, report_json(&scenario("static_slash_23_takes_half_of_an_entry")));
    let mut child = onnet(&["judge", "-", "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(from_snapshot.out.as_bytes()).unwrap();
    assert_eq!(ran(child.wait_with_output().unwrap()).out, from_snapshot.out);
}

#[test]
fn judge_says_what_is_wrong_with_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("round.json");
    let mut newer = serde_json::to_value(scenario("no_route_drops").snapshot).unwrap();
    newer["schema"] = json!(99);
    let mut wrong = serde_json::to_value(scenario("no_route_drops").snapshot).unwrap();
    wrong["vpc"]["route_tables"]["seen"]["value"][0]["routes"][0]["destination"] = json!(7);
    let cases = [
        ("{\n  \"schema\": 1,\n  oops".to_owned(), vec!["round.json, line 3", "key must be a string"]),
        (newer.to_string(), vec!["schema 99", "newer onnet"]),
        (json!({"schema": 1, "snapshot": newer}).to_string(), vec!["schema 99"]),
        (wrong.to_string(), vec!["round.json", "vpc.route_tables"]),
        ("{}".to_owned(), vec!["neither a saved snapshot nor a report"]),
        ("[]".to_owned(), vec!["this is a list", "expected a saved snapshot or report"]),
        (String::new(), vec!["the file is empty"]),
    ];
    for (content, expected) in cases {
        fs::write(&file, &content).unwrap();
        let ran = run(&["judge", &file.display().to_string()]);
        assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{content}");
        assert!(ran.err.starts_with("onnet: "), "{}", ran.err);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
        assert!(expected.iter().all(|part| ran.err.contains(part)), "{}\nexpected {expected:?}", ran.err);
    }
    let gone = run(&["judge", "/no/such/file.json"]);
    assert_eq!(gone.code, 3);
    assert!(gone.err.contains("cannot read /no/such/file.json: No such file"), "{}", gone.err);
}

#[test]
fn explain_answers_by_its_exit_code() {
    let cases = [
        ("subnet-0a03", "52.94.0.10", 0),
        ("subnet-0a01", "52.94.0.10", 2),
        ("subnet-0a04", "52.94.0.10", 2),
        ("subnet-0b01", "52.94.0.10", 2),
    ];
    for (subnet, address, code) in cases {
        let ran = run(&["explain", address, "--subnet", subnet, "--from", &two_vpcs()]);
        assert_eq!(ran.code, code, "{subnet}: {}{}", ran.out, ran.err);
    }
}

#[test]
fn explain_refuses_an_address_that_no_route_table_applies_to() {
    let cases = [
        ("169.254.169.254", "an address of EC2's own services"),
        ("fd00:ec2::254", "an address of EC2's own services"),
        ("169.254.7.7", "a link-local address"),
        ("fe80::1", "a link-local address"),
        ("127.0.0.1", "a loopback address"),
        ("::1", "a loopback address"),
        ("224.0.0.1", "a multicast address"),
        ("ff02::1", "a multicast address"),
        ("0.0.0.0", "the unspecified address"),
        ("255.255.255.255", "the broadcast address"),
    ];
    for (address, what) in cases {
        let ran = run(&["explain", address, "--subnet", "subnet-0a01", "--from", &two_vpcs()]);
        assert_eq!(ran.code, 3, "{address}: {}", ran.out);
        assert!(
            ran.err.contains(&format!("{address} is {what}")) && ran.err.contains(": no route table applies"),
            "{}",
            ran.err
        );
    }
}

#[test]
fn explains_json_is_the_contract() {
    let ran = run(&["explain", "52.94.0.10", "--subnet", "subnet-0a03", "--from", &two_vpcs(), "--format", "json"]);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json["verdict"], "via");
    assert_eq!(json["path"], "gateway_endpoint");
    assert_eq!(json["target"], "vpce-0a");
    assert_eq!(json["association"], "explicit");
    assert_eq!(
        json["route"],
        json!({"destination": "pl-02cd2c6b", "prefix": "52.94.0.0/22", "origin": "CreateRoute", "state": "active"})
    );
}

#[test]
fn a_subnet_that_is_unknown_or_not_named_gets_the_known_ones_listed() {
    for subnet in [&["--subnet", "subnet-0zzz"][..], &[]] {
        let ran = run(&[&["explain", "52.94.0.10", "--from", &two_vpcs()], subnet].concat());
        assert_eq!(ran.code, 3);
        assert!(ran.err.contains("subnet-0a01, subnet-0a02") && ran.err.contains("subnet-0b02"), "{}", ran.err);
    }
}

#[test]
fn the_only_subnet_need_not_be_named() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["route-tables.json", "vpc-endpoints.json", "prefix-lists.json"] {
        fs::copy(Path::new(&two_vpcs()).join(file), dir.path().join(file)).unwrap();
    }
    let one = r#"{"Subnets": [{"SubnetId": "subnet-0a03", "VpcId": "vpc-0a", "CidrBlock": "10.0.3.0/24"}]}"#;
    fs::write(dir.path().join("subnets.json"), one).unwrap();
    let ran = run(&["explain", "52.94.0.10", "--from", &dir.path().display().to_string()]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("subnet-0a03"), "{}", ran.out);
}

#[test]
fn audit_answers_by_the_worst_subnet() {
    let ran = run(&["audit", "--from", &two_vpcs(), "--format", "json"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((json["schema"].as_u64(), json["region"].as_str()), (Some(2), Some("us-east-1")));
    assert_eq!(json["subnets"].as_array().unwrap().len(), 6);
    let one = run(&["audit", "--from", &two_vpcs(), "--vpc", "vpc-0b"]);
    assert!(!one.out.contains("vpc-0a"), "{}", one.out);
}

#[test]
fn a_directory_that_cannot_serve_says_why() {
    let empty = tempfile::tempdir().unwrap();
    let ran = run(&["audit", "--from", &empty.path().display().to_string()]);
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    assert_eq!(ran.err.matches("aws ec2 describe-").count(), 5, "{}", ran.err);
    fs::write(empty.path().join("bad.json"), "{\n\"RouteTables\": [\n}").unwrap();
    let ran = run(&["audit", "--from", &empty.path().display().to_string()]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("bad.json, line 3, column 1"), "{}", ran.err);
}

#[test]
fn what_is_not_judged_of_a_directory_is_said_on_standard_error() {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(two_vpcs()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    let folder = dir.path().display().to_string();
    let ran_as = |format: &str| run(&["audit", "--from", &folder, "--region", "us-east-1", "--format", format]);
    let before = ran_as("text");
    assert_eq!(before.err, "");
    fs::create_dir(dir.path().join("more")).unwrap();
    fs::write(dir.path().join("more/a.json"), "{}").unwrap();
    let row = |number: usize| {
        format!(
            r#"{{"SubnetId": "subnet-{number}", "VpcId": "vpc-{number}", "AvailabilityZone": "eu-west-1a", "CidrBlock": "10.0.0.0/24"}}"#
        )
    };
    for (vpcs, expected) in [
        (1, "left out: vpc-1 is not in us-east-1"),
        (2, "left out: vpc-1, vpc-2 are not in us-east-1"),
        (7, "left out: vpc-1, vpc-2, vpc-3, vpc-4, vpc-5 and 2 more are not in us-east-1"),
    ] {
        let rows = (1..=vpcs).map(row).collect::<Vec<_>>().join(", ");
        fs::write(dir.path().join("zz.json"), format!(r#"{{"Subnets": [{rows}]}}"#)).unwrap();
        for format in ["text", "json"] {
            let ran = ran_as(format);
            assert!(ran.err.lines().any(|line| line == format!("onnet: {expected}")), "{}", ran.err);
            assert!(ran.err.contains("more: *.json files in a directory below are not read"), "{}", ran.err);
            assert!(format == "json" || ran.out == before.out, "{}", ran.out);
        }
    }
}

#[test]
fn schemas_are_printed_for_every_document() {
    for contract in Contract::ALL {
        let ran = run(&["schema", contract.name()]);
        assert_eq!((ran.code, ran.out, ran.err.as_str()), (0, present::schema(contract), ""), "{}", contract.name());
    }
    assert_eq!(run(&["schema"]).out, run(&["schema", "report"]).out);
}

#[test]
fn every_finding_code_is_explained() {
    let table = run(&["explain-finding"]);
    assert_eq!((table.code, table.err.as_str()), (0, ""));
    assert_eq!(table.out.lines().count(), FindingCode::ALL.len(), "{}", table.out);
    let all: Value = serde_json::from_str(&run(&["explain-finding", "--format", "json"]).out).unwrap();
    assert_eq!(all["findings"].as_array().unwrap().len(), FindingCode::ALL.len());
    for code in FindingCode::ALL {
        let row = table.out.lines().find(|line| line.split_whitespace().next() == Some(code.name()));
        let one: Value = serde_json::from_str(&run(&["explain-finding", code.name(), "--format", "json"]).out).unwrap();
        let entry = &one["findings"][0];
        assert_eq!((&one["schema"], one["findings"].as_array().unwrap().len()), (&all["schema"], 1), "{code}");
        assert!(all["findings"].as_array().unwrap().contains(entry), "{code}");
        assert_eq!(entry["code"], code.name());
        let ran = run(&["explain-finding", code.name()]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{code}");
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
        for field in ["severity", "meaning", "evidence", "fix"] {
            let text = entry[field].as_str().unwrap();
            assert!(!text.is_empty() && words(&ran.out).contains(&words(text)), "{code} {field}: {}", ran.out);
        }
        let row = row.unwrap_or_else(|| panic!("no {code} in {}", table.out));
        assert!(row.contains(entry["severity"].as_str().unwrap()), "{code}: {row}");
        assert!(row.ends_with(entry["meaning"].as_str().unwrap()), "{code}: {row}");
    }
}

#[test]
fn an_unknown_finding_code_gets_the_nearest_one_suggested() {
    let ran = run(&["explain-finding", "endpoint-not-asociated"]);
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    assert!(ran.err.contains("similar value exists: 'endpoint-not-associated'"), "{}", ran.err);
}

#[test]
fn colour_is_for_terminals() {
    let (_dir, file) = saved("no_route_drops");
    assert!(!run(&["judge", &file]).out.contains('\u{1b}'));
    let forced = ran(onnet(&["judge", &file]).env("CLICOLOR_FORCE", "1").output().unwrap());
    assert!(forced.out.contains('\u{1b}'), "{}", forced.out);
}

#[test]
fn no_color_wins_over_forced_colour() {
    let (_dir, file) = saved("blackhole_does_not_fall_through");
    let output = |no_color: Option<&str>| {
        let mut judge = onnet(&["judge", &file]);
        judge.env("CLICOLOR_FORCE", "1").env_remove("NO_COLOR").envs(no_color.map(|value| ("NO_COLOR", value)));
        ran(judge.output().unwrap()).out
    };
    assert!(output(None).contains('\u{1b}'), "forced");
    assert!(!output(Some("1")).contains('\u{1b}'), "NO_COLOR");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    // More than a pipe holds, so that the writer still writes after the reader ended.
    let mut child = onnet(&["schema", "report"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 1]).unwrap();
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn a_log_filter_that_is_none_is_refused() {
    let (_dir, file) = saved("no_route_drops");
    let ran = run(&["judge", &file, "--log", "onnet=loud"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("onnet=debug"), "{}", ran.err);
}

#[test]
fn wrong_settings_say_what_is_expected_and_where_they_may_stand() {
    let cases = [
        (&["check", "--resolver", "127.0.0.1"][..], "an address and a port", "ONNET_RESOLVER"),
        (&["check", "--interface", "eth0"], "such as eni-", "ONNET_INTERFACE"),
        (&["check", "--timeout", "-1"], "a length of time", "ONNET_TIMEOUT"),
        (&["audit", "--region", "evil.example/?"], "such as us-east-1", "ONNET_REGION"),
        (
            &["audit", "--region", "us-east-1a"],
            "this is a zone of us-east-1; give the Region, us-east-1",
            "ONNET_REGION",
        ),
        (&["explain", "52.94.0.1", "--region", "us-west-2-lax-1a"], "this is a zone of us-west-2;", "ONNET_REGION"),
        (&["audit", "--format", "xml"], "text, json", "ONNET_FORMAT"),
    ];
    for (arguments, expected, variable) in cases {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{arguments:?}");
        assert!(ran.err.contains(expected) && ran.err.contains(variable), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn an_endpoint_url_that_is_none_is_named_and_not_repeated() {
    // An empty value counts as unset, as in other SDKs: tests/net/settings.
    for url in ["nonsense", "http://", "ftp://127.0.0.1", "http://user:secret@127.0.0.1:99999"] {
        let ran = ran(onnet(&["audit", "--region", "us-east-1"]).env("AWS_ENDPOINT_URL_EC2", url).output().unwrap());
        assert_eq!(ran.code, 3, "{url:?}: {}", ran.err);
        assert!(ran.err.contains("AWS_ENDPOINT_URL_EC2 contains no http or https URL"), "{url:?}: {}", ran.err);
        assert!(!ran.err.contains("secret"), "{}", ran.err);
    }
}

/// What the unit tests, the lab and the end-to-end run read.
fn policy(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/files/policy/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn the_policies_of_a_table_of_facts_are_printed_together_or_one_alone() {
    let arn = "arn:aws:dynamodb:us-east-1:444455556666:table/onnet-facts";
    let instance = "arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0";
    let by_name = &["--facts-table", "onnet-facts", "--partition", "aws"][..];
    let named = &["--vpc", "vpc-0bbc736e", "--vpc", "vpc-0a1b2c3d", "--instance", instance][..];
    let of_arn = &["--facts-table", arn, "--account", "111122223333,444455556666"][..];
    let cases: [(&[&[&str]], &str); 14] = [
        (&[by_name], "facts.txt"),
        (&[by_name, &["--format", "terraform"]], "facts.tf"),
        (&[by_name, &["--facts-role", "reader"]], "facts-reader.json"),
        (&[by_name, &["--facts-role", "spot-check"]], "facts-spot-check.json"),
        (&[by_name, &["--facts-role", "publisher"]], "facts-publisher.json"),
        (&[by_name, &["--facts-role", "fleet"]], "facts-fleet.json"),
        (&[by_name, &["--facts-role", "endpoint"]], "facts-endpoint.json"),
        (&[by_name, named, &["--facts-role", "reader"]], "facts-reader-named.json"),
        (&[by_name, named, &["--facts-role", "spot-check"]], "facts-spot-check-named.json"),
        (&[by_name, named, &["--facts-role", "publisher"]], "facts-publisher-named.json"),
        (&[of_arn, named], "facts-other-account.txt"),
        (&[of_arn, named, &["--format", "terraform"]], "facts-other-account.tf"),
        (&[of_arn, named, &["--facts-role", "table-policy"]], "facts-table.json"),
        // The account of the instance is known by its ARN.
        (&[&["--facts-table", arn], named], "facts-other-account.txt"),
    ];
    for (arguments, expected) in cases {
        let arguments = [&["policy"][..], &arguments.concat()].concat();
        let ran = run(&arguments);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{arguments:?}");
        assert_eq!(ran.out, policy(expected), "{arguments:?}");
    }
    for (format, expected) in [("json", "facts.txt"), ("terraform", "facts.tf")] {
        let arguments = [&["policy"][..], by_name, &["--facts-role", "table", "--format", format]].concat();
        let (whole, ran) = (policy(expected), run(&arguments));
        let table = whole.split_once('\n').unwrap().1.split("\n# ").next().unwrap();
        assert_eq!((ran.code, ran.out.as_str()), (0, table));
    }
    // What the ARN of the table says need not be said again.
    let arn = "arn:aws-cn:dynamodb:cn-north-1:444455556666:table/onnet-facts";
    let ran = run(&["policy", "--facts-table", arn, "--facts-role", "fleet"]);
    assert!(ran.out.contains(&format!("\"{arn}/index/by-vpc\"")), "{}", ran.out);
}

#[test]
fn policies_of_a_table_of_facts_are_refused_where_a_setting_is_wrong() {
    let arn = "arn:aws:dynamodb:us-east-1:444455556666:table/onnet-facts";
    let table = &["--facts-table", "onnet-facts", "--partition", "aws"][..];
    let cases: [(&[&[&str]], &str); 17] = [
        (&[&["--facts-table", "a"]], "expected the name of a table"),
        (&[&["--facts-table", "arn:aws:dynamodb:us-east-1:1111:table/facts"]], "expected the name of a table"),
        (&[&["--facts-table", "arn:gcp:dynamodb:us-east-1:111122223333:table/facts"]], "expected a partition"),
        (&[table, &["--guard"]], "cannot be used with"),
        (&[table, &["--endpoint-policy"]], "cannot be used with"),
        (&[table, &["--facts-role", "writer"]], "reader, spot-check, publisher, fleet, endpoint, table"),
        (&[&["--facts-role", "reader"]], "--facts-table <NAME|ARN>"),
        (&[&["--vpc", "vpc-0a"]], "--facts-table <NAME|ARN>"),
        (&[table, &["--vpc", "subnet-0a"]], "expected a VPC's id, such as vpc-"),
        (&[table, &["--vpc", "vpc-*"]], "expected a VPC's id, such as vpc-"),
        (&[table, &["--vpc", "vpc-0A"]], "expected a VPC's id, such as vpc-"),
        (&[table, &["--instance", "i-0a"]], "expected an instance's ARN, such as arn:aws:ec2:"),
        (&[table, &["--instance", "arn:aws:ec2:us-east-1:111122223333:instance/*"]], "expected an instance's ARN"),
        (&[table, &["--account", "111122223333"]], "--account needs the ARN of the table"),
        (&[&["--facts-table", arn, "--account", "1111"]], "twelve digits"),
        (&[&["--facts-table", arn, "--partition", "aws-cn"]], "have to be of the same"),
        (&[&["--facts-table", arn, "--facts-role", "table-policy"]], "no role of another account uses the table"),
    ];
    for (arguments, expected) in cases {
        let arguments = [&["policy"][..], &arguments.concat()].concat();
        let ran = run(&arguments);
        assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{arguments:?}");
        assert!(ran.err.contains(expected), "{arguments:?}: {}", ran.err);
        assert_eq!(ran.err.matches("error:").count().max(1), 1, "{arguments:?}: {}", ran.err);
    }
}

/// A directory with the link of the plugin, as packages install it.
#[cfg(unix)]
fn plugin() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("check_onnet");
    std::os::unix::fs::symlink(crate::ONNET, &link).unwrap();
    (directory, link)
}

/// Monitoring systems read only the standard output, and read code 0 as "OK".
#[cfg(unix)]
#[test]
fn the_plugins_every_answer_is_on_the_standard_output_and_only_a_good_path_is_0() {
    let (_directory, link) = plugin();
    let cases = [
        (vec!["--help"], "Usage: check_onnet [OPTIONS]"),
        (vec!["-V"], concat!("check_onnet ", env!("CARGO_PKG_VERSION"))),
        (
            vec!["--no-such-flag"],
            "ONNET UNKNOWN - unexpected argument '--no-such-flag' found; see check_onnet --help\n",
        ),
        (
            vec!["-t", "soon"],
            "ONNET UNKNOWN - invalid value 'soon' for '--timeout <SECONDS>': expected seconds, such as 9",
        ),
        (vec!["check"], "ONNET UNKNOWN - unexpected argument 'check' found"),
    ];
    for (arguments, expected) in cases {
        let ran = ran(Command::new(&link).args(&arguments).output().unwrap());
        assert_eq!(ran.code, 3, "{arguments:?}: {}", ran.out);
        assert!(ran.out.contains(expected), "{arguments:?}: {}", ran.out);
        assert_eq!(ran.err, "", "{arguments:?}");
    }
    let offline = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1"), ("AWS_EC2_METADATA_DISABLED", "false")];
    let plugin = |more: &[&str]| {
        let mut command = Command::new(&link);
        command.args(["--resolver", "127.0.0.1:1", "-t", "1"]).args(more).envs(offline).env("ONNET_FORMAT", "json");
        ran(command.output().unwrap())
    };
    let short = plugin(&[]);
    assert_eq!((short.code, short.out.lines().count(), short.err.as_str()), (3, 1, ""), "{}", short.out);
    assert!(short.out.starts_with("ONNET UNKNOWN - cannot determine the network path of DynamoDB"), "{}", short.out);
    let long = plugin(&["-v"]);
    assert!(long.out.contains("\nfindings\n"), "{}", long.out);
    assert!(!long.out.contains('|'), "what follows a | is performance data: {}", long.out);
}

#[test]
fn manual_pages_and_completions_are_generated_for_every_command() {
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("new");
    let ran = run(&["generate", below.to_str().unwrap()]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
    let help = run(&["--help"]).out;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"check") && !commands.contains(&"generate"), "{commands:?}");
    let read = |file: &str| fs::read_to_string(below.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let main_page = read("man1/onnet.1");
    for command in commands.into_iter().filter(|command| *command != "help") {
        assert!(read(&format!("man1/onnet-{command}.1")).contains("EXIT STATUS"), "{command}");
        assert!(main_page.contains(&format!("onnet\\-{}", command.replace('-', "\\-"))), "{command}");
        for completions in ["onnet.bash", "_onnet", "onnet.fish"] {
            assert!(read(&format!("completions/{completions}")).contains(command), "{completions}: {command}");
        }
    }
    assert!(read("man1/onnet-run.1").contains("ONNET_EC2_EVERY"), "variables are listed");
    assert!(read("man1/check_onnet.1").contains("check_nrpe"));
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = run(&["generate", file.to_str().unwrap()]);
    assert_eq!(refused.code, 3);
    assert!(refused.err.contains(&format!("cannot write {}", file.display())), "{}", refused.err);
}
