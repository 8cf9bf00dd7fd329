//! What a fleet comes to: an instance that stopped reporting, and what cannot be read, never make it better.

use crate::common::scenarios::base;
use onnet_core::{
    judge::{fleet, judge},
    model::{InstanceStatus, Outcome, STATUS_COUNTS, Timestamp},
    present,
};
use std::time::Duration;

fn status(number: u32, outcome: Outcome, reported_at: Timestamp) -> InstanceStatus {
    let report = judge(base());
    let own = InstanceStatus::of(&report, report.taken_at, reported_at).unwrap();
    InstanceStatus { instance: format!("arn:aws:ec2:us-east-1:111122223333:instance/i-{number}"), outcome, ..own }
}

fn now() -> Timestamp {
    base().taken_at
}

#[test]
fn a_fleet_counts_as_its_worst_instance_does() {
    let of = |outcomes: &[Outcome]| {
        let statuses = (0..).zip(outcomes).map(|(number, outcome)| status(number, *outcome, now()));
        fleet("t".to_owned(), Some(now()), statuses.collect::<Vec<_>>(), Vec::new()).outcome
    };
    assert_eq!(of(&[]), Outcome::Undetermined);
    for worst in Outcome::ALL {
        for other in Outcome::ALL.iter().filter(|other| *other <= worst) {
            assert_eq!((of(&[*worst, *other]), of(&[*other, *worst])), (*worst, *worst));
        }
    }
}

#[test]
fn nothing_that_is_old_from_the_future_or_unread_improves_a_fleet() {
    let second = Duration::from_secs(1);
    let (old, limit) = (now().minus(STATUS_COUNTS + second), now().minus(STATUS_COUNTS));
    let future = now().plus(Duration::from_secs(61));
    for outcome in Outcome::ALL.iter().copied() {
        let of = |at, read_at, problems: &[&str]| {
            let problems = problems.iter().map(|text| (*text).to_owned()).collect();
            fleet("t".to_owned(), read_at, [status(1, outcome, at)], problems).outcome
        };
        assert_eq!(of(limit, Some(now()), &[]), outcome);
        for (at, read_at, problems) in [
            (old, Some(now()), &[][..]),
            (future, Some(now()), &[]),
            (now(), None, &[]),
            (now(), Some(now()), &["a page"]),
        ] {
            assert_eq!(of(at, read_at, problems), outcome.max(Outcome::Undetermined), "{outcome}");
        }
    }
}

#[test]
fn the_latest_status_of_an_instance_counts() {
    let earlier = now().minus(Duration::from_secs(60));
    let (good, bad) = (status(1, Outcome::OnNet, earlier), status(1, Outcome::OffNet, now()));
    for statuses in [[good.clone(), bad.clone()], [bad, good]] {
        let fleet = fleet("t".to_owned(), Some(now()), statuses, Vec::new());
        assert_eq!((fleet.outcome, fleet.instances.len()), (Outcome::OffNet, 1));
    }
}

#[test]
fn off_net_comes_first_then_what_counts_no_more() {
    let old = now().minus(STATUS_COUNTS * 2);
    let statuses = [
        status(1, Outcome::OnNet, now()),
        status(2, Outcome::Undetermined, now()),
        status(3, Outcome::OnNet, old),
        status(4, Outcome::OffNet, now()),
        status(5, Outcome::OffNet, old),
    ];
    let fleet = fleet("onnet-facts".to_owned(), Some(now()), statuses, Vec::new());
    let order: Vec<&str> =
        fleet.instances.iter().map(|one| one.reported.instance.rsplit('-').next().unwrap()).collect();
    assert_eq!(order, ["5", "4", "3", "2", "1"]);
    let line = present::fleet_nagios(&fleet);
    let said =
        "ONNET CRITICAL - 5 instances: 2 off-net, 2 undetermined, 1 on-net; 2 reported nothing that counts for now |";
    assert!(line.starts_with(said), "{line}");
    let text = present::fleet(&fleet);
    assert!(text.contains("it has not reported since"), "{text}");
}

#[test]
fn a_status_says_what_the_report_says() {
    let report = judge(base());
    let status = InstanceStatus::of(&report, now(), now()).unwrap();
    assert_eq!(status.outcome, report.outcome);
    assert!(status.instance.starts_with("arn:aws:ec2:us-east-1:111122223333:instance/i-"), "{}", status.instance);
    assert_eq!(status.route_table.as_ref().map(|id| id.as_str()), Some("rtb-main"));
    let later = InstanceStatus { reported_at: now().plus(Duration::from_secs(9)), ..status.clone() };
    assert!(status.says_the_same(&later));
    assert!(!status.says_the_same(&InstanceStatus { outcome: Outcome::OffNet, ..later }));
}
