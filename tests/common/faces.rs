//! Text, Nagios line, JSON, picture, metrics and log event of one report, compared with what decided it.

use onnet_core::{
    model::{Decision, Outcome, Report, Verdict},
    present::{self, metrics::samples},
};

/// Text with each run of white space as one space.
fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unescaped(html: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")];
    entities.iter().fold(html.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}

/// The text of the status page's picture, in the order in which it is read.
pub(crate) fn picture(page: &str) -> String {
    let (_, after) = page.split_once("<figure class=\"picture\"").unwrap();
    let (picture, _) = after.split_once("<figcaption>").unwrap();
    let picture = picture.replace("<wbr>", "");
    let texts = picture.split('<').map(|part| part.split_once('>').map_or("", |(_, text)| text));
    unescaped(&flowing(&texts.collect::<Vec<_>>().join(" ")))
}

/// The labels of `onnet_route_info`, series by series.
fn route_info(report: &Report) -> Vec<Vec<(&'static str, String)>> {
    let (status, _) = crate::page::status(Some(report.clone()));
    let all = samples(&status, status.settings, ("version", Some("revision")));
    let series = all.into_iter().filter(|samples| samples.metric.name == "onnet_route_info").flat_map(|s| s.series);
    let owned = |(name, value): (&'static str, &str)| (name, value.to_owned());
    series.map(|series| series.labels.into_iter().map(owned).collect()).collect()
}

/// Every output of one report, compared with what decided it. Returns the differences.
pub(crate) fn disagreements(report: &Report) -> Vec<String> {
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
                // The host itself, the VPC's own route and no endpoint at all are named in words.
                let named = |face: &str| {
                    ["lo", "local", "none"].contains(&path.target.as_str()) || face.contains(path.target.as_str())
                };
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
