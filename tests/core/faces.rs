//! Text, Nagios line, JSON, picture, metrics and log event name the same name, address and path.

use crate::common::scenarios::{self, Scenario, scenario};
use onnet_core::{
    judge::judge,
    model::{Decision, EndpointType, IdleEndpoint, IdleReason, LostBy, Observed, Outcome, Report, Snapshot, Verdict},
    present::{self, metrics::samples},
};

/// Every scenario, also with its names and its addresses in the opposite order.
fn worlds() -> Vec<(String, Snapshot)> {
    let worlds = |(name, scenario): (&String, &Scenario)| {
        [(name.clone(), scenario.world.clone()), (format!("{name}, reversed"), reversed(&scenario.world))]
    };
    scenarios::all().iter().flat_map(worlds).collect()
}

fn reversed(world: &Snapshot) -> Snapshot {
    let mut world = world.clone();
    if let Observed::Seen { value, .. } = &mut world.names {
        value.reverse();
    }
    for resolution in world.resolutions.values_mut() {
        for records in [&mut resolution.ipv4, &mut resolution.ipv6] {
            if let Observed::Seen { value, .. } = records {
                value.reverse();
            }
        }
    }
    world
}

/// Text with each run of white space as one blank.
fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unescaped(html: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")];
    entities.iter().fold(html.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}

/// What the picture of the status page says to those who do not see it.
fn picture(page: &str) -> String {
    let (_, after) = page.split_once("<desc id=\"told-wide\">").unwrap();
    unescaped(after.split_once("</desc>").unwrap().0)
}

/// The labels of `onnet_route_info`, series by series.
fn route_info(report: &Report) -> Vec<Vec<(&'static str, String)>> {
    let (status, _) = crate::page::status(Some(report.clone()));
    let all = samples(&status, status.settings, ("version", Some("revision")));
    let series = all.into_iter().filter(|samples| samples.metric.name == "onnet_route_info").flat_map(|s| s.series);
    let owned = |(name, value): (&'static str, &str)| (name, value.to_owned());
    series.map(|series| series.labels.into_iter().map(owned).collect()).collect()
}

/// What a person or a program reads of one report, held against what decided it.
fn disagreements(report: &Report) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut expect = |is: bool, what: String| {
        if !is {
            wrong.push(what);
        }
    };
    let (status, now) = crate::page::status(Some(report.clone()));
    let picture = picture(&present::status_page(&status, now));
    let event = present::outcome_changed(None, report);
    let routes = route_info(report);
    let plain = anstream::adapter::strip_str(&present::text(report)).to_string();
    let text = flowing(&plain);
    let nagios = present::nagios(report);
    let decision = report.decided_by.as_ref();
    let address = decision.and_then(Decision::address);

    expect(text.contains(&flowing(&report.summary)), format!("the text lacks the summary:\n{text}"));
    expect(nagios.contains(&report.summary), format!("the Nagios line lacks the summary: {nagios}"));
    expect((event.to, event.why) == (report.outcome, report.summary.as_str()), format!("{event:?}"));
    expect(event.hostname == decision.map(Decision::hostname), format!("{event:?}"));
    expect(event.address == address, format!("{event:?}"));

    // The metric is the event's fields, and is absent without a subnet. A field that is not known is not a label.
    let fields = event.subnet.zip(event.path).map(|(subnet, path)| {
        let labels = [
            ("subnet", Some(subnet)),
            ("route_table", event.route_table),
            ("path", Some(path)),
            ("target", event.target),
        ];
        labels.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned()))).collect::<Vec<_>>()
    });
    expect(routes == Vec::from_iter(fields), format!("onnet_route_info is {routes:?}, the event {event:?}"));

    let Some(decision) = decision else { return wrong };
    let name = decision.hostname();
    expect(report.hostname.as_deref() == Some(name), format!("hostname is {:?}", report.hostname));
    expect(report.summary.contains(name), format!("the summary lacks {name}"));
    expect(picture.contains(name), format!("the picture lacks {name}: {picture}"));
    if let Some(address) = address {
        let word = address.to_string();
        let has_word = |text: &str| text.split([' ', ',']).any(|part| part.trim_end_matches('.') == word);
        expect(has_word(&picture), format!("the picture is not of {address}: {picture}"));
        let in_use = report.deciding_address().is_some_and(|address| address.in_use);
        expect(in_use, format!("{address} is not in use"));
    }
    match (decision, report.deciding_address()) {
        (Decision::Address { address, .. }, Some(decided)) => {
            let path = decided.verdict.path();
            expect(event.target == path.map(|path| path.target.as_str()), format!("{event:?}"));
            let interface = decided.trace.interface().map(|step| step.subnet.as_str());
            expect(event.subnet.is_none() || event.subnet == interface, format!("{event:?}, but {interface:?}"));
            let table = decided.trace.table().map(|(table, _)| table.as_str());
            expect(event.route_table == table, format!("{event:?}, but {table:?}"));
            if let Some(path) = path {
                // The host itself and the VPC's own route are named in words.
                let named =
                    |face: &str| ["lo", "local"].contains(&path.target.as_str()) || face.contains(path.target.as_str());
                expect(named(&picture), format!("the picture lacks {path}: {picture}"));
                let in_summary = matches!(report.outcome, Outcome::OnNet | Outcome::OffNet);
                expect(named(&report.summary) || !in_summary, format!("the summary lacks {path}"));
            }
            let as_outcome = match report.outcome {
                Outcome::OnNet => decided.verdict.is_on_net(),
                Outcome::OffNet => decided.verdict.is_off_net(),
                Outcome::Dropped => matches!(decided.verdict, Verdict::Dropped(_)),
                Outcome::AtRisk => !decided.verdict.is_off_net(),
                Outcome::Undetermined => true,
            };
            expect(as_outcome, format!("{} is decided by {:?}", report.outcome, decided.verdict));
            let groups =
                plain.split("\naddress ").skip(1).filter(|group| !group.contains("(not the name applications"));
            let groups: Vec<&str> = groups.collect();
            let marked: Vec<_> = groups.iter().filter(|group| group.contains("(decides the outcome)")).collect();
            expect(marked.len() == usize::from(groups.len() > 1), format!("{} are marked in\n{plain}", marked.len()));
            let right = marked.iter().all(|group| group.contains(&address.to_string()) && group.contains(name));
            expect(right, format!("the text marks {marked:?}"));
        }
        (Decision::Proxy { proxy, .. }, _) => {
            expect(report.outcome == Outcome::OffNet, format!("a proxy decides {}", report.outcome));
            for face in [&report.summary, &picture] {
                expect(face.contains(&proxy.proxy) && face.contains(&proxy.variable), format!("no proxy: {face}"));
            }
            expect(event.path == Some("proxy"), format!("{event:?}"));
        }
        (Decision::Name { .. }, _) => {
            expect(report.outcome == Outcome::Undetermined, format!("a name decides {}", report.outcome));
            expect(event.path.is_none() && event.target.is_none(), format!("{event:?}"));
        }
        (Decision::Address { .. }, None) => expect(false, format!("{decision:?} is not among the addresses")),
    }
    wrong
}

#[test]
fn no_face_disagrees_with_another() {
    let mut failures = Vec::new();
    for (name, world) in worlds() {
        let report = judge(world);
        let wrong = disagreements(&report);
        if !wrong.is_empty() {
            let decision = &report.decided_by;
            failures.push(format!("{name}: {}\n  {decision:?}\n  {}\n", report.summary, wrong.join("\n  ")));
        }
    }
    assert!(failures.is_empty(), "{} worlds\n{}", failures.len(), failures.join("\n"));
}

/// The decision and the sentence on a scenario, and on the same in the opposite order.
fn decided(name: &str) -> [(Option<Decision>, String); 2] {
    let world = Scenario::read(name).world;
    [world.clone(), reversed(&world)].map(|world| {
        let report = judge(world);
        (report.decided_by, report.summary)
    })
}

#[test]
fn the_worst_standing_decides_whatever_the_order() {
    for (name, sentence) in [
        ("two_addresses_through_two_gateways", " leaves the VPC by internet gateway igw-0a, not by a VPC endpoint"),
        ("two_addresses_one_of_them_off_net", " leaves the VPC by NAT gateway nat-0b, not by a VPC endpoint"),
        ("two_addresses_one_of_them_dropped", " eni-gone is gone; others leave by gateway endpoint vpce-0d"),
        ("tunnel_for_one_of_two_addresses", " wg0, which is no network interface of the instance"),
        ("proxy_variable_sends_the_second_name_elsewhere", " by HTTPS_PROXY, not to a VPC endpoint"),
        ("name_in_use_without_addresses_beside_one_that_is_on_net", " leaves: it has no addresses"),
    ] {
        let [one, other] = decided(name);
        assert_eq!(one, other, "{name}");
        assert!(one.1.ends_with(sentence), "{name}: {}", one.1);
    }
    let [one, other] = decided("two_addresses_alike");
    assert_ne!(one, other, "among equals the order decides");
}

#[test]
fn a_path_that_leaves_no_subnet_is_not_placed_in_the_subnet_of_another_address() {
    let instance = scenario("tunnel_for_one_of_two_addresses").instance.unwrap();
    assert_eq!((instance.subnet, instance.route_table), (None, None));
}

#[test]
fn where_no_name_is_known_nothing_decides() {
    let report = scenario("not_on_ec2");
    assert_eq!((report.outcome, &report.decided_by), (Outcome::Undetermined, &None));
}

#[test]
fn the_endpoint_beside_the_path_is_named_with_the_reason_why_traffic_does_not_take_it() {
    let idle = |reason| Some(IdleEndpoint::Idle { id: "vpce-0d".into(), kind: EndpointType::Gateway, reason });
    for (name, expected) in [
        ("gateway_endpoint_carries_the_whole_list", None),
        ("denied_route_tables_leave_everything_open", None),
        ("no_endpoint_and_a_default_route_to_an_internet_gateway", Some(IdleEndpoint::Absent)),
        ("endpoint_without_route_tables_carries_nothing", idle(IdleReason::NotAssociated)),
        ("two_addresses_one_of_them_off_net", idle(IdleReason::Lost(LostBy::ShorterPrefix))),
        ("kernel_without_a_route", idle(IdleReason::NotTaken)),
        ("proxy_variable_sends_the_name_elsewhere", idle(IdleReason::Proxy)),
    ] {
        let report = scenario(name);
        assert_eq!(report.idle_endpoint, expected, "{}", report.summary);
        let (status, now) = crate::page::status(Some(report));
        let picture = picture(&present::status_page(&status, now));
        let drawn = picture.contains("vpce-0d") || picture.contains("the VPC has none for DynamoDB");
        assert!(drawn || expected.is_none(), "{picture}");
    }
}
