//! `/metrics`: compares the exposition with files and with the table of `dist/doc/metrics.md`, and checks it with `promtool`.

use crate::{
    Done, Test,
    common::{golden, scenario},
    is_installed, named,
};
use libtest_mimic::Trial;
use onnet::{
    engine::{
        Periods,
        metrics::{Counters, exposition},
    },
    model::{
        Ec2Request, Ec2Result, Gap, History, Outcome, Report, Seconds, SettingsStatus, Source, SourceStatus, Status,
        Timestamp,
    },
    present::metrics::Metric,
};
use std::{
    collections::BTreeSet,
    io::Write,
    process::{Command, Stdio},
};

pub(crate) fn trials() -> Vec<Trial> {
    let tests: [(&str, Test); 7] = [
        ("metrics::a_round_that_found_much", a_round),
        ("metrics::the_first_moments", first_moments),
        ("metrics::what_is_not_known_is_absent", absence),
        ("metrics::on_net_is_absent_where_it_is_not_known_of_all_traffic", on_net),
        ("metrics::a_scrape_changes_nothing", twice),
        ("metrics::the_page_of_metrics_lists_every_metric", documented),
        ("metrics::no_label_clashes_with_those_of_targets", labels),
    ];
    let with_promtool: [(&str, Test); 1] = [("metrics::promtool_finds_nothing_to_complain_of", promtool)];
    [named(tests, true), named(with_promtool, is_installed("promtool"))].into_iter().flatten().collect()
}

fn at(text: &str) -> Timestamp {
    serde_json::from_value(text.into()).unwrap()
}

fn status(report: Option<Report>) -> Status {
    let periods = Periods::default();
    let source = |source| {
        let status = SourceStatus {
            every: Seconds::from(periods.of(source)),
            up: report.as_ref().map(|_| source != Source::Ec2),
            last_seen: report.as_ref().map(|_| at("2026-11-22T09:53:49Z")),
            gaps: Vec::new(),
            backing_off_until: (report.is_some() && source == Source::Ec2).then(|| at("2026-11-22T10:00:00Z")),
        };
        (source, status)
    };
    Status {
        started_at: at("2026-11-22T09:00:00Z"),
        ready: report.is_some(),
        sources: Source::ALL.iter().copied().map(source).collect(),
        history: History::default(),
        settings: SettingsStatus { successful: true, read_at: at("2026-11-22T09:00:00Z") },
        report: report.map(Into::into),
    }
}

/// Counters after at least one event of each kind.
fn counters(report: &Report) -> Counters {
    let counters = Counters::new().unwrap();
    for probe in &report.probes {
        counters.probe(probe);
        counters.probe(probe);
    }
    counters.gap(Source::Ec2, &Gap::Throttled { detail: "RequestLimitExceeded".into() });
    counters.ec2_request(&Ec2Request { operation: "DescribeRouteTables", result: Ec2Result::Throttled });
    counters.ec2_request(&Ec2Request { operation: "DescribePrefixLists", result: Ec2Result::Ok });
    counters.reported();
    counters.outcome_changed();
    counters
}

/// The exposition without the metrics of this process and this build.
fn stable(text: &str) -> String {
    let own = |line: &&str| !line.contains("process_") || line.contains("process_start_time_seconds");
    let text: String = text.lines().filter(own).flat_map(|line| [line, "\n"]).collect();
    text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

fn exposed(report: Option<Report>, counters: &Counters) -> String {
    let status = status(report);
    exposition(&status, status.settings, counters).unwrap()
}

fn a_round() -> Done {
    let report = scenario("static_slash_23_takes_half_of_an_entry");
    let text = exposed(Some(report.clone()), &counters(&report));
    Ok(golden("golden/metrics.txt", &stable(&text))?)
}

fn first_moments() -> Done {
    let text = exposed(None, &Counters::new().unwrap());
    Ok(golden("golden/metrics_at_the_start.txt", &stable(&text))?)
}

fn absence() -> Done {
    let text = exposed(Some(scenario("denied_route_tables_leave_everything_open")), &Counters::new().unwrap());
    for absent in ["onnet_on_net ", "onnet_prefix_list_covered_ratio", "onnet_prefix_list_addresses"] {
        assert!(!text.contains(absent), "{absent} is there in\n{text}");
    }
    assert!(text.contains("onnet_outcome{outcome=\"undetermined\"} 1\n"), "{text}");
    let text = exposed(Some(scenario("not_on_ec2")), &Counters::new().unwrap());
    assert!(!text.contains("onnet_route_info"), "{text}");
    Ok(())
}

fn on_net() -> Done {
    for name in crate::common::scenarios::all().keys() {
        let report = scenario(name);
        let text = exposed(Some(report.clone()), &Counters::new().unwrap());
        let value = text.lines().find_map(|line| line.strip_prefix("onnet_on_net "));
        let allowed = match report.outcome {
            Outcome::OnNet => &[Some("1")][..],
            Outcome::AtRisk => &[Some("1"), None],
            Outcome::OffNet | Outcome::Dropped => &[Some("0")],
            Outcome::Undetermined => &[None],
        };
        assert!(allowed.contains(&value), "{name}: {value:?}");
        assert_eq!(value, report.is_on_net().map(|is| if is { "1" } else { "0" }), "{name}");
        let set: Vec<&str> =
            text.lines().filter(|line| line.starts_with("onnet_outcome{") && line.ends_with(" 1")).collect();
        assert_eq!(set, [format!("onnet_outcome{{outcome=\"{}\"}} 1", report.outcome)], "{name}");
    }
    Ok(())
}

fn twice() -> Done {
    let report = scenario("gateway_endpoint_carries_the_whole_list");
    let counters = counters(&report);
    let first = stable(&exposed(Some(report.clone()), &counters));
    for _ in 0..3 {
        assert_eq!(stable(&exposed(Some(report.clone()), &counters)), first);
    }
    counters.probe(&report.probes[0]);
    assert_ne!(stable(&exposed(Some(report), &counters)), first);
    Ok(())
}

fn documented() -> Done {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/dist/doc/metrics.md"))?;
    let (_, section) = text.split_once("\n## Metrics\n").ok_or("no section")?;
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let listed: BTreeSet<String> = rows
        .skip(2)
        .map(|row| {
            let mut cells = row.trim_matches('|').split(" | ").map(str::trim);
            let name = cells.next().unwrap().trim_matches('`').to_owned();
            let kind = cells.next().unwrap().to_owned();
            format!("{name} {kind}")
        })
        .collect();
    let expected: BTreeSet<String> = Metric::ALL
        .iter()
        .map(|metric| {
            let labels =
                if metric.labels.is_empty() { String::new() } else { format!("{{{}}}", metric.labels.join(",")) };
            format!("{}{labels} {}", metric.name, metric.kind)
        })
        .collect();
    assert_eq!(listed, expected);
    Ok(())
}

fn labels() -> Done {
    const OF_TARGETS: [&str; 9] = ["region", "zone", "az", "cluster", "type", "service", "env", "instance", "job"];
    for metric in Metric::ALL {
        for label in metric.labels {
            assert!(!OF_TARGETS.contains(label), "{} has the label {label}", metric.name);
        }
    }
    Ok(())
}

fn promtool() -> Done {
    let report = scenario("static_slash_23_takes_half_of_an_entry");
    for text in [exposed(Some(report.clone()), &counters(&report)), exposed(None, &Counters::new().unwrap())] {
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        promtool.stdin.take().unwrap().write_all(text.as_bytes())?;
        let said = promtool.wait_with_output()?;
        let words = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
        // It reports the standard names of the process metrics, too.
        let ours: Vec<&str> = words.lines().filter(|line| !line.starts_with("process_")).collect();
        assert!(ours.is_empty(), "{ours:#?}");
    }
    Ok(())
}
