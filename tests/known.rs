//! What the daemon keeps between its looks, held against what one round would have seen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod common;

use common::{Scenario, scenarios};
use onnet::{
    engine::{Changed, Known, Step},
    judge::judge,
    model::{Gap, Observed, Outcome, ProbeKind, Report, Seconds, Snapshot, Timestamp, VpcFacts},
    observe::{
        Settings,
        sources::{Identity, KernelRoutes, Resolved},
    },
};
use std::{collections::BTreeMap, net::IpAddr, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);

fn base() -> Snapshot {
    Scenario::read("gateway_endpoint_carries_the_whole_list").world
}

fn identity(world: &Snapshot) -> Identity {
    Identity {
        instance: world.instance.clone(),
        region: world.region.clone(),
        names: world.names.clone(),
        account_name: world.account_name.clone(),
    }
}

fn kernel(world: &Snapshot) -> KernelRoutes {
    KernelRoutes { routes: world.kernel_routes.clone(), host_routes: world.host_routes.clone() }
}

fn resolved(world: &Snapshot) -> BTreeMap<String, Resolved> {
    world.resolutions.iter().map(|(name, found)| (name.clone(), (found.clone(), None))).collect()
}

/// What is known after a look at every source of `world`.
fn known(world: &Snapshot) -> Known {
    let mut known = Known::default();
    known.identity(identity(world));
    known.addresses(resolved(world));
    known.kernel(kernel(world));
    known.vpc(world.vpc.clone());
    let is_health = |probe: &Observed<onnet::model::Probe>| probe.seen().is_some_and(|p| p.kind == ProbeKind::Health);
    let (health, list_tables) = world.probes.iter().cloned().partition(|attempt| is_health(&attempt.probe));
    known.health(health);
    known.list_tables(list_tables);
    known
}

/// What is concluded of it `later` than the world was seen.
fn judged(known: &Known, world: &Snapshot, later: Duration) -> Report {
    let settings = Settings { interface: world.assumed_interface.clone(), ..Settings::default() };
    let mut snapshot = known.snapshot(world.taken_at.plus(later), world.took, world.max_age, &settings);
    // The environment is the test's own.
    snapshot.proxies.clone_from(&world.proxies);
    judge(snapshot)
}

fn timed_out() -> Gap {
    Gap::TimedOut { after: Seconds::from(Duration::from_secs(3)) }
}

fn denied() -> Gap {
    Gap::Denied { action: "ec2:DescribeRouteTables".to_owned() }
}

fn nothing_of_the_vpc(world: &Snapshot, gap: &Gap) -> VpcFacts {
    VpcFacts { route_tables: Observed::Unseen(gap.clone()), ..world.vpc.clone() }
}

#[test]
fn source_by_source_the_daemon_concludes_what_one_round_concludes() {
    let mut compared = 0;
    for (name, Scenario { world, .. }) in scenarios::all() {
        // Facts of names that are not looked at, and of addresses that are not answered, never reach the daemon's round.
        let (check, daemon) = (judge(world.clone()), judged(&known(world), world, Duration::ZERO));
        assert_eq!(daemon.outcome, check.outcome, "{name}: {} / {}", daemon.summary, check.summary);
        assert_eq!(daemon.summary, check.summary, "{name}");
        assert_eq!(daemon.proof, check.proof, "{name}");
        assert_eq!(daemon.addresses, check.addresses, "{name}");
        compared += 1;
    }
    assert!(compared > 100, "{compared} scenarios");
}

#[test]
fn nothing_is_known_before_the_first_look() {
    let world = base();
    let report = judged(&Known::default(), &world, Duration::ZERO);
    assert_eq!(report.outcome, Outcome::Undetermined, "{}", report.summary);
}

#[test]
fn every_source_must_have_been_seen_for_on_net() {
    let world = base();
    assert_eq!(judged(&known(&world), &world, Duration::ZERO).outcome, Outcome::OnNet);
    for left_out in ["imds", "dns", "kernel", "ec2"] {
        let mut known = Known::default();
        if left_out != "imds" {
            known.identity(identity(&world));
        }
        if left_out != "dns" {
            known.addresses(resolved(&world));
        }
        if left_out != "kernel" {
            known.kernel(kernel(&world));
        }
        if left_out != "ec2" {
            known.vpc(world.vpc.clone());
        }
        let report = judged(&known, &world, Duration::ZERO);
        assert_eq!(report.outcome, Outcome::Undetermined, "without {left_out}: {}", report.summary);
    }
}

#[test]
fn a_passing_failure_leaves_what_was_seen_until_it_is_too_old() {
    let world = base();
    let passing = [
        timed_out(),
        Gap::Throttled { detail: "RequestLimitExceeded".to_owned() },
        Gap::Unreachable { detail: "connection refused".to_owned() },
        Gap::Malformed { detail: "no answer of EC2's".to_owned() },
        Gap::Truncated { detail: "half an answer".to_owned() },
        Gap::OverLimit { limit: "pages".to_owned(), allowed: 100, found: 101 },
        Gap::Redirected { request: "ec2:DescribeRouteTables".to_owned(), status: 302 },
        Gap::Failed { detail: "InternalError".to_owned() },
    ];
    for gap in passing {
        let mut known = known(&world);
        known.vpc(nothing_of_the_vpc(&world, &gap));
        assert_eq!(judged(&known, &world, Duration::ZERO).outcome, Outcome::OnNet, "{gap}");
        // Everything else is fresh 15 minutes later; the route tables are not.
        let mut late = world.clone();
        restamp(&mut late, 16 * MINUTE);
        known.identity(identity(&late));
        known.addresses(resolved(&late));
        known.kernel(kernel(&late));
        known.vpc(nothing_of_the_vpc(&late, &gap));
        let report = judged(&known, &world, 16 * MINUTE);
        assert_eq!(report.outcome, Outcome::Undetermined, "{gap}: {}", report.summary);
        assert!(report.summary.contains("too old"), "{}", report.summary);
    }
}

/// The world as it would be seen again `later`.
fn restamp(world: &mut Snapshot, later: Duration) {
    fn move_one<T>(fact: &mut Observed<T>, later: Duration) {
        if let Observed::Seen { at, .. } = fact {
            *at = at.plus(later);
        }
    }
    move_one(&mut world.instance, later);
    if let Observed::Seen { value, .. } = &mut world.instance {
        move_one(&mut value.availability_zone, later);
        for interface in &mut value.interfaces {
            move_one(&mut interface.subnet_cidrs, later);
            move_one(&mut interface.public_addresses, later);
        }
    }
    move_one(&mut world.region, later);
    move_one(&mut world.names, later);
    move_one(&mut world.account_name, later);
    for resolution in world.resolutions.values_mut() {
        move_one(&mut resolution.ipv4, later);
        move_one(&mut resolution.ipv6, later);
        move_one(&mut resolution.hosts_file, later);
    }
    world.kernel_routes.values_mut().for_each(|route| move_one(route, later));
    move_one(&mut world.host_routes, later);
    move_one(&mut world.vpc.vpc_endpoints, later);
    move_one(&mut world.vpc.endpoint_interfaces, later);
    move_one(&mut world.vpc.service_prefix_lists, later);
    world.vpc.prefix_lists.values_mut().for_each(|list| move_one(list, later));
}

/// The identity of a world whose instance lacks a fact of its network interface.
fn without(world: &Snapshot, lose: fn(&mut onnet::model::Interface)) -> Identity {
    let mut identity = identity(world);
    if let Observed::Seen { value, .. } = &mut identity.instance {
        value.interfaces.iter_mut().for_each(lose);
    }
    identity
}

#[test]
fn a_fact_within_the_instance_is_kept_and_grows_old_like_any_other() {
    let world = base();
    let lose = |interface: &mut onnet::model::Interface| interface.subnet_cidrs = Observed::Unseen(timed_out());
    let mut known = known(&world);
    assert_eq!(known.identity(without(&world, lose)), Changed::default());
    assert_eq!(judged(&known, &world, Duration::ZERO).outcome, Outcome::OnNet);

    let mut late = world.clone();
    restamp(&mut late, 4 * MINUTE);
    known.identity(without(&late, lose));
    known.addresses(resolved(&late));
    known.kernel(kernel(&late));
    let report = judged(&known, &world, 4 * MINUTE);
    assert_eq!(report.outcome, Outcome::Undetermined, "{}", report.summary);
    assert!(report.summary.contains("172.31.16.1, the next hop") && report.summary.contains("too old"), "{report:#?}");

    let mut moved = identity(&world);
    if let Observed::Seen { value, .. } = &mut moved.instance {
        value.interfaces[0].subnet = "subnet-0other".into();
        lose(&mut value.interfaces[0]);
    }
    known.identity(moved);
    let gap = known.instance().unwrap().interfaces[0].subnet_cidrs.gap();
    assert_eq!(gap, Some(&timed_out()), "the range of another subnet says nothing of this one's");
}

#[test]
fn a_hosts_file_that_cannot_be_read_any_more_may_pin_anything() {
    let world = base();
    let mut known = known(&world);
    let unread = |world: &Snapshot| {
        let mut unread = resolved(world);
        for (resolution, _) in unread.values_mut() {
            resolution.hosts_file = Observed::Unseen(Gap::Failed { detail: "/etc/hosts: I/O error".to_owned() });
        }
        unread
    };
    known.addresses(unread(&world));
    assert_eq!(judged(&known, &world, Duration::ZERO).outcome, Outcome::OnNet);
    let mut late = world.clone();
    restamp(&mut late, MINUTE);
    known.identity(identity(&late));
    known.addresses(unread(&late));
    known.kernel(kernel(&late));
    let report = judged(&known, &world, MINUTE);
    assert_eq!(report.outcome, Outcome::Undetermined, "{}", report.summary);
    assert!(report.summary.contains("/etc/hosts"), "{}", report.summary);
}

/// The base world whose SDKs use an account-based name too, which `/etc/hosts` pins to an address that is off-net.
fn with_a_pinned_account_name() -> Snapshot {
    let mut world = base();
    let mut name = world.names.seen().unwrap()[0].clone();
    let mut resolution = world.resolutions[&name.hostname].clone();
    let elsewhere: IpAddr = "198.51.100.9".parse().unwrap();
    name.hostname = "111122223333.ddb.us-east-1.amazonaws.com".to_owned();
    resolution.hosts_file = resolution.hosts_file.map(|_| vec![elsewhere]);
    let route = world.kernel_routes.values().next().unwrap().clone();
    world.kernel_routes.insert(elsewhere, route);
    world.resolutions.insert(name.hostname.clone(), resolution);
    world.account_name = world.account_name.map(|_| Some(name));
    world
}

#[test]
fn an_account_based_name_that_cannot_be_made_again_is_kept_while_it_is_fresh_and_then_missing() {
    let world = with_a_pinned_account_name();
    for gap in [timed_out(), Gap::Credentials { detail: "none".to_owned() }] {
        let mut known = known(&world);
        assert_eq!(judged(&known, &world, Duration::ZERO).outcome, Outcome::OffNet);
        let unnamed = |world: &Snapshot| Identity { account_name: Observed::Unseen(gap.clone()), ..identity(world) };
        assert_eq!(known.identity(unnamed(&world)), Changed::default(), "{gap}");
        assert_eq!(judged(&known, &world, Duration::ZERO).outcome, Outcome::OffNet, "{gap}");

        let mut late = world.clone();
        restamp(&mut late, 4 * MINUTE);
        known.identity(unnamed(&late));
        known.addresses(resolved(&late));
        known.kernel(kernel(&late));
        let report = judged(&known, &world, 4 * MINUTE);
        assert_eq!(report.outcome, Outcome::Undetermined, "{gap}: {}", report.summary);
        assert!(report.summary.contains("account-based"), "{}", report.summary);
    }
    let mut known = known(&world);
    let mut moved = Identity { account_name: Observed::Unseen(timed_out()), ..identity(&world) };
    moved.region = moved.region.map(|_| "eu-west-1".to_owned());
    known.identity(moved);
    assert_eq!(known.names().unwrap().len(), 1, "a name of another Region is not kept");
    assert_eq!(judged(&known, &world, Duration::ZERO).outcome, Outcome::Undetermined);
}

#[test]
fn names_without_what_the_credentials_add_are_not_all_names() {
    let world = base();
    let mut fresh = Known::default();
    fresh.identity(Identity { account_name: Observed::Unseen(timed_out()), ..identity(&world) });
    fresh.addresses(resolved(&world));
    fresh.kernel(kernel(&world));
    fresh.vpc(world.vpc.clone());
    assert_eq!(judged(&known(&world), &world, Duration::ZERO).outcome, Outcome::OnNet);
    assert_eq!(judged(&fresh, &world, Duration::ZERO).outcome, Outcome::Undetermined);
}

#[test]
fn what_was_not_asked_for_is_not_forgotten_where_the_reason_passes() {
    let world = base();
    let mut known = known(&world);
    let silent = Identity {
        instance: Observed::Unseen(timed_out()),
        region: Observed::Unseen(timed_out()),
        names: Observed::Unseen(Gap::NotTried { because: "the Region is not known".to_owned() }),
        account_name: Observed::Unseen(Gap::NotTried { because: "the Region is not known".to_owned() }),
    };
    assert_eq!(known.identity(silent), Changed::default());
    assert_eq!(judged(&known, &world, Duration::ZERO).outcome, Outcome::OnNet);
    assert_eq!(judged(&known, &world, 4 * MINUTE).outcome, Outcome::Undetermined, "not for longer than it counts");
}

#[test]
fn a_refusal_is_an_answer_and_replaces_what_was_seen() {
    let world = base();
    let mut known = known(&world);
    known.vpc(nothing_of_the_vpc(&world, &denied()));
    let report = judged(&known, &world, Duration::ZERO);
    assert_eq!(report.outcome, Outcome::Undetermined);
    assert!(report.summary.contains("ec2:DescribeRouteTables"), "{}", report.summary);
}

#[test]
fn a_name_that_is_gone_has_no_addresses_any_more() {
    let world = base();
    let mut known = known(&world);
    let mut found = world.resolutions.clone();
    for resolution in found.values_mut() {
        let gone = Gap::NotFound { detail: "NXDOMAIN".to_owned() };
        (resolution.ipv4, resolution.ipv6) = (Observed::Unseen(gone.clone()), Observed::Unseen(gone));
    }
    known.addresses(found.into_iter().map(|(name, found)| (name, (found, None))).collect());
    assert!(known.destinations().is_empty());
    assert_eq!(judged(&known, &world, Duration::ZERO).outcome, Outcome::Undetermined);
}

#[test]
fn a_prefix_list_is_forgotten_only_where_it_is_known_which_are_named() {
    let world = base();
    let mut known = known(&world);
    let lists = known.vpc_facts().prefix_lists.len();
    assert!(lists > 0);
    let mut seen = nothing_of_the_vpc(&world, &timed_out());
    seen.prefix_lists.clear();
    known.vpc(seen);
    assert_eq!(known.vpc_facts().prefix_lists.len(), lists);
    let mut seen = world.vpc.clone();
    seen.prefix_lists.clear();
    known.vpc(seen);
    assert!(known.vpc_facts().prefix_lists.is_empty());
}

#[test]
fn a_change_is_told_from_the_same_again() {
    let world = base();
    let mut known = known(&world);
    assert_eq!(known.identity(identity(&world)), Changed::default());
    assert_eq!(known.addresses(resolved(&world)), Changed::default());
    assert_eq!(known.kernel(kernel(&world)), Changed::default());
    let mut later = world.clone();
    restamp(&mut later, MINUTE);
    assert_eq!(known.identity(identity(&later)), Changed::default(), "only the times differ");

    let mut other = world.clone();
    let renamed = |text: &str| text.replace("52.94.0.10", "52.94.0.11").replace("ens5", "ens6");
    other = serde_json::from_str(&renamed(&serde_json::to_string(&other).unwrap())).unwrap();
    let in_the_list = Changed { addresses: true, ..Changed::default() };
    assert_eq!(known.addresses(resolved(&other)), in_the_list, "an address the prefix list holds is no news to EC2");
    known.kernel(kernel(&other));
    let stranger: Snapshot =
        serde_json::from_str(&serde_json::to_string(&world).unwrap().replace("52.94.0.10", "198.51.100.7")).unwrap();
    let stranger_came = Changed { addresses: true, strangers: true, ..Changed::default() };
    assert_eq!(known.addresses(resolved(&stranger)), stranger_came);

    let mut known = self::known(&world);
    let device = serde_json::to_string(&world).unwrap().replace("ens5", "ens6");
    let rerouted: Snapshot = serde_json::from_str(&device).unwrap();
    assert_eq!(known.kernel(kernel(&rerouted)), Changed { routes: true, ..Changed::default() });

    let mut attached = identity(&world);
    if let Observed::Seen { value, .. } = &mut attached.instance {
        value.interfaces.push(value.interfaces[0].clone());
    }
    assert_eq!(known.identity(attached), Changed { instance: true, ..Changed::default() });
}

#[test]
fn a_clock_that_is_set_ages_nothing_and_rejuvenates_nothing() {
    let world = base();
    let hour = Duration::from_secs(3600);
    let back = Timestamp::minus(world.taken_at, hour);
    let mut known = known(&world);
    known.restamp(Step::Back(hour));
    let mut set_back = world.clone();
    set_back.taken_at = back;
    assert_eq!(judged(&known, &set_back, Duration::ZERO).outcome, Outcome::OnNet);
    assert_eq!(judged(&known, &set_back, 16 * MINUTE).outcome, Outcome::Undetermined, "it grows old as before");
    known.restamp(Step::Ahead(hour));
    assert_eq!(judged(&known, &world, Duration::ZERO).outcome, Outcome::OnNet);
}
