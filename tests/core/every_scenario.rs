//! Compares the report of every scenario with its expectation, and checks what holds for all of them.

use crate::common::scenarios::{self, Scenario};
use onnet_core::{
    judge::judge,
    model::{
        CoverageRange, EndpointType, FindingCode, Gap, Observed, Outcome, PathKind, ProbeResult, ProofLevel, Report,
        Route, Severity, Target, Verdict, VpcEndpoint, WithoutEndpoint,
    },
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Every scenario: its name, the report on its world, and what is expected.
fn scenarios() -> impl Iterator<Item = (&'static str, Report, &'static Scenario)> {
    let all = scenarios::all();
    assert!(all.len() > 100, "only {} scenarios found", all.len());
    all.iter().map(|(name, scenario)| (name.as_str(), judge(scenario.world.clone()), scenario))
}

#[test]
fn every_scenario_is_judged_as_expected() {
    let mut failures = Vec::new();
    for (name, report, scenario) in scenarios() {
        let found = scenario.expect.differences(&report);
        if !found.is_empty() {
            failures.push(format!("{name}:\n    {}\n    {}", found.join("\n    "), report.summary));
        }
    }
    assert!(failures.is_empty(), "{} scenarios failed\n{}", failures.len(), failures.join("\n"));
}

/// Finds a scenario whose changes have no effect, or that was copied and not edited.
#[test]
fn no_two_scenarios_have_the_same_world() {
    let all: Vec<_> = scenarios::all().iter().collect();
    for (n, (name, scenario)) in all.iter().enumerate() {
        let same = all.iter().skip(n + 1).find(|(_, other)| other.world == scenario.world);
        assert_eq!(same.map(|(other, _)| other), None, "the world of {name}");
    }
}

#[test]
fn a_report_and_its_snapshot_survive_json() {
    for (name, report, _) in scenarios() {
        let text = serde_json::to_string(&report).unwrap();
        let back: Report = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(back, report, "{name}");
        assert_eq!(judge(back.snapshot), report, "{name}: judged again");
    }
}

#[test]
fn on_net_is_said_only_where_every_address_and_range_is_on_net_and_nothing_warns() {
    let mut on_net = 0;
    for (name, report, _) in scenarios() {
        if report.outcome.exit_code() != 0 {
            continue;
        }
        on_net += 1;
        assert!(report.addresses.iter().any(|address| address.in_use), "{name}");
        assert!(report.addresses.iter().filter(|a| a.in_use).all(|a| a.verdict.is_on_net()), "{name}");
        assert!(report.coverage.iter().all(|range| range.verdict.is_on_net()), "{name}");
        assert!(report.findings.iter().all(|finding| finding.severity == Severity::Info), "{name}");
    }
    assert!(on_net > 5, "only {on_net} scenarios are on-net");
}

#[test]
fn no_finding_is_worse_than_its_catalogue_entry_and_each_code_occurs_at_its_worst() {
    let mut worst: BTreeMap<FindingCode, Severity> = BTreeMap::new();
    for (name, report, _) in scenarios() {
        for finding in &report.findings {
            assert!(finding.severity <= finding.code.entry().severity, "{name}: {finding:?}");
            let known = worst.entry(finding.code).or_insert(finding.severity);
            *known = finding.severity.max(*known);
        }
    }
    let catalogued: BTreeMap<_, _> = FindingCode::ALL.iter().map(|code| (*code, code.entry().severity)).collect();
    assert_eq!(worst, catalogued);
}

#[test]
fn credentials_that_dynamodb_does_not_accept_show_a_working_path() {
    let mut world = scenarios::base();
    let Observed::Seen { value: probe, .. } = &mut world.probes[0].probe else { panic!("{:?}", world.probes) };
    probe.result = ProbeResult::Credentials;
    let report = judge(world);
    let findings: Vec<_> = report.findings.iter().map(|finding| (finding.code, finding.severity)).collect();
    assert_eq!(findings, [(FindingCode::NoCredentials, Severity::Info)]);
    assert_eq!(report.outcome, Outcome::OnNet);
}

#[test]
fn whatever_is_not_on_net_has_a_finding_that_says_why() {
    for (name, report, _) in scenarios() {
        let worst = report.findings.iter().map(|finding| finding.severity).max();
        let explained = worst >= Some(Severity::Warning);
        assert!(explained || report.outcome.exit_code() == 0, "{name}: {}", report.summary);
    }
}

/// Creating or associating an endpoint drops open connections: users must know that before the outage.
#[test]
fn every_fix_that_changes_dynamodbs_route_says_what_it_does_to_open_connections() {
    let mut fixes = 0;
    for (name, report, _) in scenarios() {
        let changes = |fix: &str| fix.contains("vpc-endpoint") || fix.contains("delete-route");
        for finding in report.findings.iter().filter(|f| f.fix.as_deref().is_some_and(changes)) {
            fixes += 1;
            assert!(finding.caution.is_some(), "{name}: {finding:?}");
            let by_endpoint = finding.fix.as_deref().is_some_and(|fix| fix.contains("vpc-endpoint"));
            let warns = finding.caution.as_deref().is_some_and(|caution| caution.contains("open DynamoDB connections"));
            assert!(warns || !by_endpoint, "{name}: {finding:?}");
        }
    }
    assert!(fixes > 10, "only {fixes} such fixes");
}

/// These words would be wrong: AWS states that traffic through an internet or NAT gateway stays on its network.
#[test]
fn no_sentence_claims_that_traffic_crosses_the_internet() {
    for (name, report, _) in scenarios() {
        let sentences = report.findings.iter().map(|finding| &finding.message);
        let sentences = sentences.chain(report.addresses.iter().map(|address| &address.reason));
        for sentence in sentences.chain([&report.summary]) {
            let without = sentence.replace("internet gateway", "");
            assert!(!without.contains("internet"), "{name}: {sentence}");
        }
    }
}

#[test]
fn an_interface_is_on_net_where_all_of_the_list_is() {
    let mut on_net = 0;
    for (name, report, _) in scenarios() {
        for one in &report.interfaces {
            let whole = one.coverage_summary.is_some_and(|summary| {
                (summary.cidrs, summary.addresses) == (summary.cidrs_on_net, summary.addresses_on_net)
            });
            assert!(whole || one.outcome != Outcome::OnNet, "{name}: {one:?}");
            on_net += usize::from(one.outcome == Outcome::OnNet);
        }
    }
    assert!(on_net > 100, "{on_net}");
}

/// The oracle deletes DynamoDB's gateway endpoints and the routes to them, and judges that world.
#[test]
fn what_takes_over_is_what_the_same_vpc_does_without_its_endpoints() {
    let (mut open, mut closed) = (0, 0);
    for (name, report, scenario) in scenarios() {
        let Some(answer) = &report.without_endpoint else {
            let is_proxied = report.addresses.iter().any(|address| address.in_use && address.trace.proxy.is_some());
            assert!(is_proxied || !report.coverage.iter().any(|range| range.verdict.is_on_net()), "{name}");
            continue;
        };
        let mut world = scenario.world.clone();
        let mut gone = Vec::new();
        if let Observed::Seen { value, .. } = &mut world.vpc.vpc_endpoints {
            let goes = |endpoint: &mut VpcEndpoint| {
                let service = endpoint.service.as_deref();
                endpoint.kind == EndpointType::Gateway && service.is_some_and(|name| name.ends_with(".dynamodb"))
            };
            gone.extend(value.extract_if(.., goes).map(|endpoint| endpoint.id));
        }
        if let Observed::Seen { value, .. } = &mut world.vpc.route_tables {
            for table in value {
                let stays = |route: &Route| !matches!(&route.target, Target::VpcEndpoint(id) if gone.contains(id));
                table.routes = table.routes.iter().filter(|route| stays(route)).cloned().collect::<Vec<_>>().into();
            }
        }
        let after = judge(world);
        // A custom endpoint needs the whole list only where a gateway endpoint carries it.
        if after.coverage.is_empty() {
            continue;
        }
        // What endpoints carry now, or may carry.
        let was_carried = |range: &CoverageRange| {
            let counts = |verdict: &Verdict| {
                verdict.is_on_net() || matches!(verdict, Verdict::Undetermined(_) | Verdict::Ambiguous(_))
            };
            let covers =
                |before: &CoverageRange| before.route_table == range.route_table && before.cidr.contains(&range.cidr);
            report.coverage.iter().any(|before| covers(before) && counts(&before.verdict))
        };
        let ranges = || after.coverage.iter().filter(|range| was_carried(range)).map(|range| &range.verdict);
        match answer {
            WithoutEndpoint::Open { paths } => {
                let ways = |verdict: &Verdict| match verdict {
                    Verdict::Via(path) => vec![path.clone()],
                    Verdict::Ambiguous(paths) => paths.clone(),
                    Verdict::Dropped(_) | Verdict::Undetermined(_) => Vec::new(),
                };
                let ways: BTreeSet<String> = ranges().flat_map(ways).map(|path| path.to_string()).collect();
                assert_eq!(ways, paths.iter().map(ToString::to_string).collect(), "{name}");
                open += 1;
            }
            WithoutEndpoint::Closed => {
                let is_dropped = |verdict: &Verdict| match verdict {
                    Verdict::Dropped(_) => true,
                    Verdict::Ambiguous(paths) => paths.iter().all(|path| path.kind() == PathKind::Blackhole),
                    Verdict::Via(_) | Verdict::Undetermined(_) => false,
                };
                assert!(ranges().all(is_dropped), "{name}: {ways:?}", ways = ranges().collect::<Vec<_>>());
                closed += 1;
            }
            WithoutEndpoint::Unknown { missing } => assert!(!missing.is_empty(), "{name}"),
        }
    }
    assert!(open > 20 && closed > 5, "{open} fail open, {closed} fail closed");
}

// ── The language ────────────────────────────────────────────────────────────────────────────────────────────────────

const EXPECT: &str = "expect: {outcome: on_net, findings: [], addresses: []}";

/// The error of a scenario with these keys.
fn error(keys: &str) -> String {
    match scenarios::read_text("routes.yaml", &format!("s:\n  why: It matters.\n  {keys}\n")) {
        Ok(_) => panic!("no error in {keys}"),
        Err(error) => error,
    }
}

#[test]
fn a_typing_error_is_named_with_its_file_scenario_and_key() {
    let cases = [
        ("routs: [52.94.2.0/23 -> nat-0b]", "unknown field `routs`"),
        ("routes: [52.94.2.0/23 > nat-0b]", "routes[0]: \"52.94.2.0/23 > nat-0b\": expected"),
        ("routes: [52.94.2.0/33 -> nat-0b]", "routes[0]: \"52.94.2.0/33 -> nat-0b\": \"52.94.2.0/33\": invalid"),
        ("routes: [52.94.2.0/23 -> nta-0b]", "\"nta-0b\" is not a target"),
        ("routes: [52.94.2.0/23 -> nat-0b blackhol]", "\"blackhol\": expected"),
        ("routes: [pl-02cd2c6b -> vpce-0d]", "routes: pl-02cd2c6b: the base world has this route"),
        ("routes: [no 10.0.0.0/8]", "routes: 10.0.0.0/8: there is no such route to remove"),
        ("routes: [no 0.0.0.0/0]\n  tables: timed out 3s", "routes: `tables` is given"),
        ("tables: denid ec2:DescribeRouteTables", "tables: invalid type: string"),
        ("tables: denied", "tables: \"denied\": what follows?"),
        ("tables: timed out 3 parsecs", "tables: \" 3 parsecs\""),
        ("tables: [{id: rtb-b, subnets: [subnet-0a]}]", "tables: [0].subnets: unknown field `subnets`"),
        ("tables: [{id: rtb-b, associations: [subnet-0a chaning]}]", "\"chaning\": AWS documents no such value"),
        ("endpoints: [{id: vpce-0e}]", "endpoints: vpce-0e: the base world has no such endpoint"),
        ("endpoints: [{id: vpce-0d, state: deletting}]", "[0].state: \"deletting\": AWS documents no such value"),
        ("endpoints: [{id: vpce-0d, state: undocumented deleted}]", "\"deleted\": not undocumented"),
        ("endpoints: [{id: vpce-0d, route_tables: [rt-main]}]", "endpoints: \"rt-main\": expected `rtb-…`"),
        ("prefix_lists: {pl-0c: null}", "prefix_lists: pl-0c: the base world has no such list"),
        ("region: timd out 1s", "region: \"timd out 1s\": neither a name nor a reason"),
        ("interfaces: [{id: eni-0b}]", "interfaces: eni-0b: mac: missing"),
        ("names: [regionl dynamodb.us-east-1.amazonaws.com]", "names: [0]: unknown variant `regionl`"),
        ("dns: {dynamodb.us-east-1.amazon.com: []}", "dns: dynamodb.us-east-1.amazon.com: not one of `names`"),
        ("dns: {dynamodb.us-east-1.amazonaws.com: {ip4: []}}", "unknown field `ip4`"),
        ("kernel: {52.94.0.1o: local}", "kernel.52.94.0.1o: \"52.94.0.1o\": invalid"),
        ("kernel: {52.94.0.11: local}", "kernel: 52.94.0.11: no name has this address"),
        ("kernel: {52.94.0.10: dev ens7}", "kernel: 52.94.0.10: no device ens7"),
        ("host_routes: [52.94.0.0/16]", "host_routes: \"52.94.0.0/16\": a route has a device"),
        ("probes: [{result: okay}]", "probes[0].result: unknown variant `okay`"),
        ("observed: {table: 30m ago}", "observed: table: unknown variant `table`"),
        ("observed: {tables: 30m}", "observed.tables: \"30m\": expected `30m ago`"),
        (
            "observed: {hosts_file: 30m ago}\n  dns: {dynamodb.us-east-1.amazonaws.com: null}",
            "no such fact is observed",
        ),
        ("merge: {vpc: {route_table: []}}", "merge: sets what a snapshot does not have"),
    ];
    for (keys, expected) in cases {
        let error = error(&format!("{keys}\n  {EXPECT}"));
        assert!(error.starts_with("routes.yaml: s: ") && error.contains(expected), "{keys}: {error}");
    }
    assert!(error("why: Twice.\n  expect: {}").contains("routes.yaml"), "{}", error("why: Twice.\n  expect: {}"));
}

#[test]
fn a_scenario_that_expects_nothing_is_an_error() {
    let cases = [
        ("routes: []", "s: expect: missing"),
        ("expect: {}", "s: expect: missing field `outcome`"),
        ("expect: {outcome: on_net}", "s: expect: missing field `findings`"),
        ("expect: {outcome: on_net, findings: []}", "s: expect: missing field `addresses`"),
        ("expect: {outcome: on-net, findings: [], addresses: []}", "s: expect: outcome: unknown variant `on-net`"),
        ("expect: {outcome: on_net, findings: [no-endpoint], addresses: []}", "s: expect: findings[0]: "),
        ("expect: {outcome: on_net, findings: [critical no-endpont], addresses: []}", "unknown variant `no-endpont`"),
        ("expect: {outcome: on_net, findings: [], addresses: [], fix: []}", "s: expect: fix: unknown field `fix`"),
    ];
    for (keys, expected) in cases {
        let error = error(keys);
        assert!(error.contains(expected), "{keys}: {error}");
    }
    let without_why = scenarios::read_text("routes.yaml", &format!("s:\n  {EXPECT}")).err().unwrap();
    assert!(without_why.contains("s: why: "), "{without_why}");
}

#[test]
fn an_expectation_that_does_not_hold_is_reported() {
    let cases = [
        "outcome: at_risk, findings: [], addresses: [52.94.0.10 on-net via gateway_endpoint vpce-0d]",
        "outcome: on_net, findings: [critical no-route], addresses: [52.94.0.10 on-net via gateway_endpoint vpce-0d]",
        "outcome: on_net, findings: [], addresses: [52.94.0.10 on-net via gateway_endpoint vpce-0e]",
        "outcome: on_net, findings: [], addresses: [52.94.0.10 off-net via gateway_endpoint vpce-0d]",
        "outcome: on_net, findings: [], addresses: []",
    ];
    let more = [
        "proof: proved",
        "coverage: 5 of 6 CIDRs",
        "without_endpoint: closed",
        "interfaces: [?]",
        "names: [?]",
        "ranges: [?]",
        "fixes: [?]",
        "mentions: [?]",
    ];
    let right = "outcome: on_net, findings: [], addresses: [52.94.0.10 on-net via gateway_endpoint vpce-0d]";
    let more = more.iter().map(|more| format!("{right}, {more}"));
    for (expect, differences) in
        cases.iter().map(ToString::to_string).chain(more).map(|case| (case, 1)).chain([(right.to_owned(), 0)])
    {
        let read = scenarios::read_text("t.yaml", &format!("s:\n  why: It matters.\n  expect: {{{expect}}}")).unwrap();
        let (_, scenario) = &read[0];
        let found = scenario.expect.differences(&judge(scenario.world.clone()));
        assert_eq!(found.len(), differences, "{expect}: {found:?}");
    }
}

#[test]
fn every_reason_that_a_collection_may_end_with_can_be_written() {
    let written = [
        "denied ec2:DescribeRouteTables",
        "timed out 3s",
        "unreachable connection refused",
        "throttled RequestLimitExceeded",
        "malformed an unfinished string",
        "truncated the answer has a NextToken",
        "over limit 41 pages of ec2:DescribeRouteTables, at most 40",
        "failed InternalError",
        "redirected 307 GET /latest/meta-data",
        "credentials ExpiredToken",
        "settings AWS_RETRY_MODE is unknown",
        "disabled kernel routes are read on Linux only",
        "not found NXDOMAIN",
        "conflicting rtb-main is listed twice, but with different routes",
        "untrusted they are not signed",
        "not tried because the VPC is not known",
    ];
    let reasons = written.map(|gap| {
        let text = format!("s:\n  why: It matters.\n  tables: \"{gap}\"\n  {EXPECT}");
        let (_, scenario) = scenarios::read_text("t.yaml", &text).unwrap().remove(0);
        scenario.world.vpc.route_tables.gap().unwrap().reason()
    });
    let collected = Gap::REASONS.iter().filter(|reason| !Gap::CONCLUDED.contains(reason));
    assert_eq!(reasons.iter().collect::<BTreeSet<_>>(), collected.collect());
}

#[test]
fn what_the_language_cannot_say_is_merged() {
    let text = format!("s:\n  why: It matters.\n  merge: {{max_age: {{ec2: 60}}, proxies: []}}\n  {EXPECT}");
    let (_, scenario) = scenarios::read_text("t.yaml", &text).unwrap().remove(0);
    let mut expected = serde_json::to_value(scenarios::base()).unwrap();
    expected["max_age"]["ec2"] = json!(60.0);
    assert_eq!(serde_json::to_value(&scenario.world).unwrap(), expected);
}

#[test]
fn at_risk_traffic_is_known_to_be_on_net_only_where_no_fact_is_missing() {
    for (name, known) in [
        ("static_slash_23_takes_half_of_an_entry", Some(true)),
        ("kernel_route_takes_part_of_the_list_into_a_tunnel", Some(true)),
        ("hosted_zone_to_the_own_subnet_while_the_kernel_was_not_asked_about_the_list", None),
        ("shorter_entry_of_another_list_is_a_warning", Some(true)),
        ("proxy_variable_that_cannot_be_read_is_a_risk", None),
    ] {
        let report = judge(Scenario::read(name).world);
        assert_eq!((report.outcome, report.is_on_net()), (Outcome::AtRisk, known), "{name}");
    }
}

#[test]
fn a_probe_of_another_address_or_name_than_it_was_made_for_corroborates_nothing() {
    let proof = |edit: fn(&mut onnet_core::model::Probe)| {
        let mut world = scenarios::base();
        for attempt in &mut world.probes {
            if let Observed::Seen { value, .. } = &mut attempt.probe {
                edit(value);
            }
        }
        judge(world).proof
    };
    assert_eq!(proof(|_| {}), ProofLevel::Consistent);
    assert_eq!(proof(|probe| probe.address = "52.94.0.11".parse().unwrap()), ProofLevel::Inferred);
    assert_eq!(proof(|probe| probe.hostname = "elsewhere.example".into()), ProofLevel::Inferred);
}

/// Its requests are others than those for tables: what carries them says nothing of DynamoDB's.
#[test]
fn a_name_of_another_service_counts_in_no_snapshot() {
    use onnet_core::model::NameKind;
    for kind in [NameKind::Streams, NameKind::VectorSearch] {
        let mut world = scenarios::base();
        if let Observed::Seen { value: names, .. } = &mut world.names {
            names.iter_mut().for_each(|name| name.kind = kind);
        }
        let report = judge(world);
        assert_eq!(report.outcome, Outcome::Undetermined, "{kind:?}: {}", report.summary);
        assert!(report.names.iter().all(|name| !name.in_use), "{kind:?}");
    }
}
