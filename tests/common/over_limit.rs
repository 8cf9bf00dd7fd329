//! The required result of an exceeded limit, in every format.
#![allow(dead_code, reason = "not every test uses all of it")]

use onnet::{
    engine::metrics::{Counters, exposition},
    judge::judge,
    model::{BySource, Gap, History, Outcome, Resolution, SettingsStatus, Snapshot, Source, Status},
    present,
};

/// Checks that this gap, which is in `world`, prevents on-net, and that text, JSON and metrics name the limit and by how much it was
/// exceeded.
pub(crate) fn is_reported(world: Snapshot, source: Source, gap: &Gap) {
    let Gap::OverLimit { limit, allowed, found } = gap else { panic!("not a limit: {gap}") };
    let at = world.taken_at;
    let report = judge(world);
    assert_ne!(report.outcome, Outcome::OnNet, "{gap}");

    let text = anstream::adapter::strip_str(&present::text(&report)).to_string();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!("{found} {limit}, at most {allowed}")), "{gap}: {text}");

    let json = present::json(&report);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let written = serde_json::to_value(gap).unwrap();
    assert_eq!(written["reason"], "over_limit");
    assert!(holds(&json["snapshot"], &written) && holds(&json["findings"], &written["limit"]), "{gap}: {json:#}");

    let counters = Counters::new().unwrap();
    counters.gap(source, gap);
    let settings = SettingsStatus { successful: true, read_at: at };
    let status = Status {
        started_at: at,
        report: None,
        ready: false,
        sources: BySource::default(),
        history: History::default(),
        settings,
    };
    let metrics = exposition(&status, settings, &counters).unwrap();
    let line = format!("onnet_observation_gaps_total{{reason=\"over_limit\",source=\"{}\"}} 1\n", source.name());
    assert!(metrics.contains(&line), "{gap}: {metrics}");
}

/// The same for the addresses of a name, in a world that is otherwise on-net.
pub(crate) fn is_reported_of_name(name: &str, resolution: Resolution, gap: &Gap) {
    let mut world = crate::common::scenario("gateway_endpoint_carries_the_whole_list").snapshot;
    let known = world.resolutions.insert(name.to_owned(), resolution);
    assert!(known.is_some(), "{name}");
    is_reported(world, Source::Dns, gap);
}

/// Whether a document has this value, or a text that contains it.
fn holds(document: &serde_json::Value, part: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Object, String};
    match (document, part) {
        (String(text), String(part)) => text.contains(part.as_str()),
        (document, part) if document == part => true,
        (Array(items), _) => items.iter().any(|item| holds(item, part)),
        (Object(fields), _) => fields.values().any(|field| holds(field, part)),
        _ => false,
    }
}
