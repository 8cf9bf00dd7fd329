//! Recordings of the lab, replayed: `tests/recordings`, written by `ONNET_BLESS=1 cargo test --test lab recording`.

use crate::common::below_tests;
use onnet::{
    engine::{Event, Line, Replay, ReplayError, Reported, is_recording, replay},
    model::{Outcome, OutcomeChange, SCHEMA, Seconds, Timestamp},
};
use std::fs;

fn recordings() -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(below_tests("recordings")).unwrap();
    let read = |file: fs::DirEntry| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap());
    let recordings: Vec<_> = files.map(|file| read(file.unwrap())).collect();
    assert!(recordings.len() >= 2, "{} recordings", recordings.len());
    recordings
}

fn replayed(bytes: &[u8]) -> Replay {
    replay("the recording", bytes).unwrap()
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

fn read(line: &[u8]) -> Line {
    serde_json::from_slice(line).unwrap()
}

/// The outcome at a moment; `None` before the first report.
fn at(changes: &[OutcomeChange], moment: Timestamp) -> Option<Outcome> {
    changes.iter().take_while(|change| change.at <= moment).last().map(|change| change.to)
}

/// Whether `without`, the outcome of fewer facts, is not better than `with`.
fn is_no_better(without: Option<Outcome>, with: Option<Outcome>) -> bool {
    match (without, with) {
        (None | Some(Outcome::Undetermined), _) => true,
        (Some(_), None | Some(Outcome::Undetermined)) => false,
        (Some(without), Some(with)) => without >= with,
    }
}

#[test]
fn a_recording_replays_to_the_outcomes_it_recorded() {
    for (name, bytes) in recordings() {
        assert!(is_recording(&bytes), "{name}");
        let replay = replayed(&bytes);
        assert_eq!(replay.differing, [], "{name}");
        assert!(replay.is_complete, "{name}");
        let mut recorded: Vec<Outcome> = Vec::new();
        for line in lines(&bytes) {
            if let Event::Report(report) = read(line).event {
                recorded.push(report.outcome);
            }
        }
        assert!(recorded.len() > 2, "{name}");
        assert_eq!(recorded.last(), Some(&replay.last.outcome), "{name}");
        recorded.dedup();
        assert_eq!(replay.changes.iter().map(|change| change.to).collect::<Vec<_>>(), recorded, "{name}");
    }
}

#[test]
fn without_any_one_line_no_outcome_is_better_at_any_moment() {
    for (name, bytes) in recordings() {
        let whole = replayed(&bytes);
        let lines = lines(&bytes);
        for missing in 0..lines.len() {
            let without = [&lines[..missing], &lines[missing + 1..]].concat().concat();
            if missing == 0 {
                assert!(!is_recording(&without), "{name}: without its settings it does not count as a recording");
                continue;
            }
            let without = replayed(&without);
            for moment in whole.changes.iter().chain(&without.changes).map(|change| change.at) {
                let (less, all) = (at(&without.changes, moment), at(&whole.changes, moment));
                assert!(is_no_better(less, all), "{name} without line {missing}: {less:?} in place of {all:?}");
            }
            assert!(
                is_no_better(Some(without.last.outcome), Some(whole.last.outcome)),
                "{name} without line {missing}"
            );
        }
    }
}

#[test]
fn a_recording_that_breaks_off_is_replayed_up_to_there() {
    let (name, bytes) = recordings().swap_remove(0);
    let lines = lines(&bytes);
    let whole = replayed(&bytes);
    let without_last = replayed(&lines[..lines.len() - 1].concat());
    assert!(!without_last.is_complete);
    assert_eq!(without_last.changes, whole.changes, "{name}");
    // What the line would have said is not known.
    let last = bytes.len() - lines[lines.len() - 1].len();
    for end in last + 1..bytes.len() - 1 {
        let cut = replayed(&bytes[..end]);
        assert!(!cut.is_complete, "{name} cut at {end}");
        assert_eq!(cut.last.outcome, Outcome::Undetermined, "{name} cut at {end}");
        assert_eq!(cut.changes[..whole.changes.len()], whole.changes, "{name} cut at {end}");
    }
    // In the middle of any other line, too: what came after the last report that is whole may be another outcome, and no better one.
    for line in 1..lines.len() {
        let cut = replayed(&[lines[..line].concat(), lines[line][..lines[line].len() / 2].to_vec()].concat());
        let mut reports =
            lines[..line].iter().map(|line| read(line)).filter(|line| matches!(line.event, Event::Report(_)));
        let last = reports.next_back().map(|report| report.wall);
        let as_recorded = whole.changes.iter().filter(|change| last.is_some_and(|last| change.at <= last)).count();
        assert_eq!(cut.changes[..as_recorded], whole.changes[..as_recorded], "{name} cut in line {line}");
        assert!(cut.changes.len() <= as_recorded + 1, "{name} cut in line {line}: {:?}", cut.changes);
        let recorded = whole.changes[..as_recorded].last().map(|change| change.to);
        assert!(is_no_better(Some(cut.last.outcome), recorded), "{name} cut in line {line}: {}", cut.last.outcome);
    }
}

/// The daemon makes no report while collections are going on, and ends without one.
#[test]
fn facts_after_the_last_report_make_the_outcome_worse_and_never_better() {
    let mut worse = 0;
    for (name, bytes) in recordings() {
        let lines = lines(&bytes);
        let is_report = |line: &&[u8]| matches!(read(line).event, Event::Report(_));
        let reports: Vec<usize> = (0..lines.len()).filter(|line| is_report(&lines[*line])).collect();
        for pair in reports.windows(2) {
            // All facts of a round without its report.
            let cut = replayed(&lines[..pair[1]].concat());
            let outcome = |line: usize| match read(lines[line]).event {
                Event::Report(report) => report.outcome,
                other => panic!("{other:?}"),
            };
            let (before, after) = (outcome(pair[0]), outcome(pair[1]));
            assert!(is_no_better(Some(cut.last.outcome), Some(before)), "{name} up to line {}", pair[1]);
            assert!(
                is_no_better(Some(cut.last.outcome), Some(after)),
                "{name} up to line {}: {}",
                pair[1],
                cut.last.outcome
            );
            worse += usize::from(after > before && cut.last.outcome == after);
        }
        let without_report = replayed(&lines[..reports[0]].concat());
        assert_eq!(without_report.last.outcome, Outcome::Undetermined, "{name}: no line has the proxies");
    }
    assert!(worse > 0);
}

#[test]
fn lines_in_another_order_or_twice_conclude_nothing() {
    let (name, bytes) = recordings().swap_remove(0);
    let lines = lines(&bytes);
    for line in 1..lines.len() - 1 {
        let mut swapped = lines.clone();
        swapped.swap(line, line + 1);
        assert_eq!(replayed(&swapped.concat()).last.outcome, Outcome::Undetermined, "{name}: line {line} swapped");
        let mut twice = lines.clone();
        twice.insert(line, lines[line]);
        assert_eq!(replayed(&twice.concat()).last.outcome, Outcome::Undetermined, "{name}: line {line} twice");
    }
}

#[test]
fn a_line_that_cannot_be_read_is_named() {
    let (_, bytes) = recordings().swap_remove(0);
    let mut lines = lines(&bytes);
    lines[3] = b"{\"seq\": 3}\n";
    let Err(error) = replay("r.jsonl", &lines.concat()) else { panic!("no error") };
    assert_eq!(error.to_string(), "line 4 of r.jsonl is not a line of a recording");
}

#[test]
fn a_recording_of_a_newer_onnet_is_refused() {
    let (_, bytes) = recordings().swap_remove(0);
    let newer = String::from_utf8(bytes).unwrap().replacen(
        &format!("\"schema\":{SCHEMA}"),
        &format!("\"schema\":{}", SCHEMA + 1),
        1,
    );
    assert!(matches!(replay("r.jsonl", newer.as_bytes()), Err(ReplayError::Newer { .. })));
}

#[test]
fn other_files_are_not_taken_for_recordings() {
    for other in ["", "{}", "{\"schema\": 1}\n", "{\"event\": {\"end\": null}}", "\u{0}", "[]"] {
        assert!(!is_recording(other.as_bytes()), "{other}");
    }
}

#[test]
fn a_line_without_a_key_is_refused_by_its_name() {
    fn drop_left_out(value: &mut serde_json::Value) -> bool {
        match value {
            serde_json::Value::Object(fields) => {
                fields.remove("left_out").is_some() || fields.values_mut().any(drop_left_out)
            }
            serde_json::Value::Array(items) => items.iter_mut().any(drop_left_out),
            _ => false,
        }
    }
    for (name, bytes) in recordings() {
        let mut refused = 0;
        let lines = lines(&bytes);
        for (at, line) in lines.iter().enumerate() {
            let mut without: serde_json::Value = serde_json::from_slice(line).unwrap();
            if !drop_left_out(&mut without) {
                continue;
            }
            let without = format!("{without}\n");
            let changed = [lines[..at].concat(), without.into_bytes(), lines[at + 1..].concat()].concat();
            match replay("the recording", &changed) {
                Err(ReplayError::Incomplete { line, key, .. }) => {
                    assert!(line == at + 1 && key.ends_with("left_out"), "{name}: {key} of line {line}");
                    refused += 1;
                }
                other => panic!("{name} without a key of line {}: {other:?}", at + 1),
            }
        }
        assert!(refused > 1, "{name}: {refused}");
    }
}

/// The replay of a recording in which each report is changed.
fn with_reports(bytes: &[u8], change: impl Fn(&mut Reported)) -> Replay {
    let changed = lines(bytes).into_iter().map(read).map(|mut line| {
        if let Event::Report(report) = &mut line.event {
            change(report);
        }
        serde_json::to_string(&line).unwrap() + "\n"
    });
    replayed(changed.collect::<String>().as_bytes())
}

/// A fact that the daemon had is not in the file any more, or has another age there.
#[test]
fn a_report_that_does_not_fit_its_line_or_what_was_concluded_from_it_concludes_nothing() {
    let mut good = 0;
    for (name, bytes) in recordings() {
        let whole = replayed(&bytes);
        good += usize::from(whole.changes.iter().any(|change| change.to == Outcome::OnNet));
        let worse = with_reports(&bytes, |report| report.outcome = Outcome::OffNet);
        let is_none = |change: &OutcomeChange| matches!(change.to, Outcome::Undetermined | Outcome::OffNet);
        assert!(worse.changes.iter().all(is_none), "{name}: {:?}", worse.changes);
        let earlier = with_reports(&bytes, |report| report.took = Seconds::default());
        assert_eq!(earlier.last.outcome, Outcome::Undetermined, "{name}");
        assert_eq!(with_reports(&bytes, |_| {}).changes, whole.changes, "{name}");
    }
    assert!(good > 0);
}
