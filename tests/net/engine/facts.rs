//! The facts that are kept between collections.

use crate::common::{Scenario, scenarios};
use onnet::{
    engine::{Answer, Changed, Facts, ProbeChoice, Scope, Step},
    judge::judge,
    model::{
        Fact, FactPath, FactVisitor, Gap, Instance, Interface, NatRates, Observed, Outcome, PrefixListId, ProbeKind,
        Report, Resolution, Seconds, Snapshot, Source, Timestamp, VpcFacts,
    },
    observe::kernel::Wanted,
};
use std::{net::IpAddr, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);

fn base() -> Snapshot {
    Scenario::read("gateway_endpoint_carries_the_whole_list").world
}

/// The answers of the collections of `source` in `world`.
fn answers(world: &Snapshot, source: Source) -> Vec<Answer> {
    let of_kind = |kind| {
        let probes = world.probes.iter().filter(move |attempt| attempt.kind() == kind);
        probes.cloned().map(Answer::Probe).collect()
    };
    match source {
        Source::Imds => vec![
            Answer::Instance(world.instance.clone()),
            Answer::Region(world.region.clone()),
            Answer::Names { names: world.names.clone(), by_account: true },
            Answer::AccountName(world.account_name.clone()),
        ],
        Source::Dns => {
            let resolution = |(hostname, found): (&String, &Resolution)| {
                let hostname = hostname.clone();
                let of_c_library = found.c_library.clone();
                let of_c_library =
                    of_c_library.map(|addresses| Answer::CLibrary { hostname: hostname.clone(), addresses });
                let resolution = Resolution { c_library: None, ..found.clone() };
                [Some(Answer::Resolution { hostname, resolution, took: None }), of_c_library].into_iter().flatten()
            };
            world.resolutions.iter().flat_map(resolution).collect()
        }
        Source::Kernel => {
            let routes = world.kernel_routes.iter().map(|(to, route)| Answer::KernelRoute(*to, route.clone()));
            let wanted = Wanted::new(&world.vpc, world.all_names(), world.kernel_routes.keys());
            let paths = Answer::KernelPaths { wanted, paths: world.kernel_paths.clone() };
            routes.chain([paths]).collect()
        }
        Source::Health => of_kind(ProbeKind::Health),
        Source::ListTables => of_kind(ProbeKind::ListTables),
        Source::Ec2 => vec![vpc(world.vpc.clone())],
        Source::Witness => world.statements.iter().cloned().map(Answer::Statement).collect(),
    }
}

fn vpc(facts: VpcFacts) -> Answer {
    Answer::Vpc { facts: Box::new(facts), requests: Vec::new() }
}

/// Adds all answers of `source`, and returns what changed.
fn take(facts: &mut Facts, world: &Snapshot, source: Source) -> Changed {
    take_all(facts, answers(world, source))
}

fn take_all(facts: &mut Facts, answers: Vec<Answer>) -> Changed {
    let mut all = Changed::default();
    for answer in answers {
        let changed = facts.take(answer);
        all.instance |= changed.instance;
        all.names |= changed.names;
        all.addresses |= changed.addresses;
        all.strangers |= changed.strangers;
        all.routes |= changed.routes;
        all.probe_failed |= changed.probe_failed;
        all.vpc |= changed.vpc;
        all.credentials |= changed.credentials;
    }
    all
}

fn nothing_known(world: &Snapshot) -> Facts {
    let mut facts = Facts::new(Scope {
        probe: ProbeChoice::ListTables,
        both_probes: true,
        interface: world.assumed_interface.clone(),
        c_library: world.resolutions.values().any(|resolution| resolution.c_library.is_some()),
        gates: false,
        witness: false,
        actions: Vec::new(),
        tables: Vec::new(),
        nat_rates: NatRates::LIST_PRICES,
        witness_every: Seconds::default(),
        max_age: world.max_age,
    });
    facts.set_ignored_settings(world.ignored_settings.clone());
    facts
}

/// The facts after every source of `world` was collected.
fn known(world: &Snapshot) -> Facts {
    let mut facts = nothing_known(world);
    for &source in Source::ALL {
        take(&mut facts, world, source);
    }
    facts
}

/// The report that is made `later` than the world was observed.
fn judged(facts: &Facts, world: &Snapshot, later: Duration) -> Report {
    judge(facts.snapshot(world.taken_at.plus(later), world.took, world.proxies.clone()))
}

fn timed_out() -> Gap {
    Gap::TimedOut { after: Seconds::from(Duration::from_secs(3)) }
}

fn denied() -> Gap {
    Gap::Denied { action: "ec2:DescribeRouteTables".to_owned() }
}

fn without_tables(world: &Snapshot, gap: &Gap) -> VpcFacts {
    VpcFacts { route_tables: Observed::Unseen(gap.clone()), ..world.vpc.clone() }
}

/// The same world, observed again `later`.
fn observed_later(world: &Snapshot, later: Duration) -> Snapshot {
    struct Later(Duration);
    impl FactVisitor for Later {
        fn fact<T: Fact>(&mut self, _: FactPath, fact: &mut Observed<T>) {
            if let Observed::Seen { at, .. } = fact {
                *at = at.plus(self.0);
            }
        }
    }
    let mut world = world.clone();
    world.visit_facts(&mut Later(later));
    world
}

#[test]
fn answers_taken_in_one_by_one_make_the_snapshot_they_came_from() {
    let mut compared = 0;
    // What schema 1 has instead of the kernel's paths is not collected.
    // And one question is asked once, and the account-based name comes with the others.
    const NOT_COLLECTED: [&str; 2] = ["two_answers_to_one_question_are_unclear", "account_based_name_alone_is_known"];
    let is_collected = |(name, scenario): &(&String, &Scenario)| {
        scenario.world.host_routes.is_none() && !NOT_COLLECTED.contains(&name.as_str())
    };
    for (name, Scenario { world, .. }) in scenarios::all().iter().filter(is_collected) {
        let (whole, taken_in) = (judge(world.clone()), judged(&known(world), world, Duration::ZERO));
        assert_eq!(taken_in.outcome, whole.outcome, "{name}: {} / {}", taken_in.summary, whole.summary);
        assert_eq!(taken_in.summary, whole.summary, "{name}");
        assert_eq!(taken_in.proof, whole.proof, "{name}");
        assert_eq!(taken_in.addresses, whole.addresses, "{name}");
        compared += 1;
    }
    assert!(compared > 100, "{compared} scenarios");
}

#[test]
fn nothing_is_known_before_the_first_collection() {
    let world = base();
    let report = judged(&nothing_known(&world), &world, Duration::ZERO);
    assert_eq!(report.outcome, Outcome::Undetermined, "{}", report.summary);
}

#[test]
fn every_source_must_have_been_collected_from_for_on_net() {
    let world = base();
    assert_eq!(judged(&known(&world), &world, Duration::ZERO).outcome, Outcome::OnNet);
    for left_out in [Source::Imds, Source::Dns, Source::Kernel, Source::Ec2] {
        let mut facts = nothing_known(&world);
        for source in Source::ALL.iter().copied().filter(|source| *source != left_out) {
            take(&mut facts, &world, source);
        }
        let report = judged(&facts, &world, Duration::ZERO);
        assert_eq!(report.outcome, Outcome::Undetermined, "without {left_out}: {}", report.summary);
    }
}

#[test]
fn a_passing_failure_leaves_what_was_known_until_it_is_too_old() {
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
        let mut facts = known(&world);
        facts.take(vpc(without_tables(&world, &gap)));
        assert_eq!(judged(&facts, &world, Duration::ZERO).outcome, Outcome::OnNet, "{gap}");
        // Everything else is fresh 16 minutes later; the route tables are not.
        let late = observed_later(&world, 16 * MINUTE);
        for source in [Source::Imds, Source::Dns, Source::Kernel] {
            take(&mut facts, &late, source);
        }
        facts.take(vpc(without_tables(&late, &gap)));
        let report = judged(&facts, &world, 16 * MINUTE);
        assert_eq!(report.outcome, Outcome::Undetermined, "{gap}: {}", report.summary);
        assert!(report.summary.contains("too old"), "{}", report.summary);
    }
}

#[test]
fn what_was_not_asked_for_is_not_forgotten_where_the_reason_passes() {
    let world = base();
    let mut facts = known(&world);
    let not_tried = Gap::NotTried { because: "the Region is not known".to_owned() };
    let changed = take_all(
        &mut facts,
        vec![
            Answer::Instance(Observed::Unseen(timed_out())),
            Answer::Region(Observed::Unseen(timed_out())),
            Answer::Names { names: Observed::Unseen(not_tried.clone()), by_account: false },
            Answer::AccountName(Observed::Unseen(not_tried)),
        ],
    );
    assert_eq!(changed, Changed::default());
    assert_eq!(judged(&facts, &world, Duration::ZERO).outcome, Outcome::OnNet);
    assert_eq!(judged(&facts, &world, 4 * MINUTE).outcome, Outcome::Undetermined, "not for longer than it counts");
}

#[test]
fn a_refusal_is_an_answer_and_replaces_what_was_known() {
    let world = base();
    let mut facts = known(&world);
    facts.take(vpc(without_tables(&world, &denied())));
    let report = judged(&facts, &world, Duration::ZERO);
    assert_eq!(report.outcome, Outcome::Undetermined);
    assert!(report.summary.contains("ec2:DescribeRouteTables"), "{}", report.summary);
}

#[test]
fn a_name_that_no_longer_exists_has_no_addresses() {
    let world = base();
    let mut facts = known(&world);
    for hostname in world.resolutions.keys() {
        let gone = Gap::NotFound { detail: "NXDOMAIN".to_owned() };
        let resolution = Resolution::unseen(&gone);
        facts.take(Answer::Resolution { hostname: hostname.clone(), resolution, took: None });
        facts.take(Answer::CLibrary { hostname: hostname.clone(), addresses: Observed::Unseen(gone) });
    }
    assert!(facts.destinations().is_empty());
    assert_eq!(judged(&facts, &world, Duration::ZERO).outcome, Outcome::Undetermined);
}

#[test]
fn what_the_c_library_has_is_missing_until_it_answered() {
    let world = base();
    let mut facts = nothing_known(&world);
    let of_c_library = |answer: &Answer| matches!(answer, Answer::CLibrary { .. });
    for &source in Source::ALL {
        let answers = answers(&world, source).into_iter().filter(|answer| !of_c_library(answer));
        take_all(&mut facts, answers.collect());
    }
    let report = judged(&facts, &world, Duration::ZERO);
    assert_eq!(report.outcome, Outcome::Undetermined, "{}", report.summary);
    assert!(report.summary.contains("C library"), "{}", report.summary);
    take(&mut facts, &world, Source::Dns);
    assert_eq!(judged(&facts, &world, Duration::ZERO).outcome, Outcome::OnNet);
    // The name servers' next answer keeps the addresses of the C library.
    let resolutions = answers(&world, Source::Dns).into_iter().filter(|answer| !of_c_library(answer));
    take_all(&mut facts, resolutions.collect());
    assert_eq!(judged(&facts, &world, Duration::ZERO).outcome, Outcome::OnNet);
}

#[test]
fn a_prefix_list_is_forgotten_only_where_it_is_known_which_are_named() {
    let world = base();
    let mut facts = known(&world);
    let lists = facts.vpc().prefix_lists.len();
    assert!(lists > 0);
    let mut unlisted = without_tables(&world, &timed_out());
    unlisted.prefix_lists.clear();
    facts.take(vpc(unlisted));
    assert_eq!(facts.vpc().prefix_lists.len(), lists);
    let mut unlisted = world.vpc.clone();
    unlisted.prefix_lists.clear();
    facts.take(vpc(unlisted));
    assert!(facts.vpc().prefix_lists.is_empty());
}

#[test]
fn a_list_that_a_route_shows_stays_while_the_routes_or_the_endpoints_are_missing() {
    let mut world = base();
    let by_route: PrefixListId = "pl-06".into();
    let named = world.vpc.service_prefix_lists.clone();
    world.vpc.service_prefix_lists.seen_mut().unwrap().push(by_route.clone());
    let is_known = |facts: &Facts| facts.vpc().service_prefix_lists.seen().unwrap().contains(&by_route);
    let unseen = |edit: fn(&mut VpcFacts, Gap)| {
        let mut facts = VpcFacts { service_prefix_lists: named.clone(), ..world.vpc.clone() };
        edit(&mut facts, timed_out());
        facts
    };
    let answers: [(&str, VpcFacts, bool); 3] = [
        ("the route tables", unseen(|facts, gap| facts.route_tables = Observed::Unseen(gap)), true),
        ("the endpoints", unseen(|facts, gap| facts.vpc_endpoints = Observed::Unseen(gap)), true),
        ("nothing is missing", unseen(|_, _| {}), false),
    ];
    for (missing, answer, stays) in answers {
        let mut facts = known(&world);
        assert!(is_known(&facts));
        facts.take(vpc(answer.clone()));
        facts.take(vpc(answer));
        assert_eq!(is_known(&facts), stays, "{missing}");
        let lists = facts.vpc().service_prefix_lists.seen().unwrap();
        assert_eq!(lists.len(), named.seen().unwrap().len() + usize::from(stays), "{missing}: {lists:?}");
    }
}

#[test]
fn a_change_is_distinguished_from_the_same_again() {
    let world = base();
    let mut facts = known(&world);
    // The same answer at another time is not a change.
    let again = observed_later(&world, MINUTE);
    for source in [Source::Imds, Source::Dns, Source::Kernel] {
        assert_eq!(take(&mut facts, &again, source), Changed::default(), "{source}");
    }

    let edited = |from: &str, to: &str| -> Snapshot {
        serde_json::from_str(&serde_json::to_string(&world).unwrap().replace(from, to)).unwrap()
    };
    let other = edited("52.94.0.10", "52.94.0.11");
    let in_the_list = Changed { addresses: true, ..Changed::default() };
    assert_eq!(take(&mut facts, &other, Source::Dns), in_the_list, "EC2 knows nothing new about such an address");
    take(&mut facts, &other, Source::Kernel);
    let stranger = edited("52.94.0.10", "198.51.100.7");
    let stranger_came = Changed { addresses: true, strangers: true, ..Changed::default() };
    assert_eq!(take(&mut facts, &stranger, Source::Dns), stranger_came);

    let mut facts = known(&world);
    let rerouted = edited("ens5", "ens6");
    assert_eq!(take(&mut facts, &rerouted, Source::Kernel), Changed { routes: true, ..Changed::default() });

    let mut attached = world.clone();
    if let Observed::Seen { value, .. } = &mut attached.instance {
        value.interfaces.push(value.interfaces[0].clone());
    }
    assert_eq!(take(&mut facts, &attached, Source::Imds), Changed { instance: true, ..Changed::default() });
}

/// The base world, but its SDKs also use an account-based name, which `/etc/hosts` pins to an address that is off-net.
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

/// The answers of instance metadata and the settings where the account-based name cannot be determined.
fn unnamed(world: &Snapshot, gap: &Gap) -> Vec<Answer> {
    let mut answers = answers(world, Source::Imds);
    answers.retain(|answer| !matches!(answer, Answer::AccountName(_) | Answer::Names { .. }));
    answers.push(Answer::Names { names: world.names.clone(), by_account: true });
    answers.push(Answer::AccountName(Observed::Unseen(gap.clone())));
    answers
}

#[test]
fn an_account_based_name_that_cannot_be_made_again_is_kept_while_it_is_fresh_and_then_missing() {
    let world = with_a_pinned_account_name();
    for gap in [timed_out(), Gap::Credentials { detail: "none".to_owned() }] {
        let mut facts = known(&world);
        assert_eq!(judged(&facts, &world, Duration::ZERO).outcome, Outcome::OffNet);
        assert_eq!(take_all(&mut facts, unnamed(&world, &gap)), Changed::default(), "{gap}");
        assert_eq!(judged(&facts, &world, Duration::ZERO).outcome, Outcome::OffNet, "{gap}");

        let late = observed_later(&world, 4 * MINUTE);
        take_all(&mut facts, unnamed(&late, &gap));
        take(&mut facts, &late, Source::Dns);
        take(&mut facts, &late, Source::Kernel);
        let report = judged(&facts, &world, 4 * MINUTE);
        assert_eq!(report.outcome, Outcome::Undetermined, "{gap}: {}", report.summary);
        assert!(report.summary.contains("account-based"), "{}", report.summary);
    }
    let mut facts = known(&world);
    facts.take(Answer::Region(world.region.clone().map(|_| "eu-west-1".to_owned())));
    facts.take(Answer::Names { names: world.names.clone(), by_account: true });
    facts.take(Answer::AccountName(Observed::Unseen(timed_out())));
    assert_eq!(facts.names().count(), 1, "a name of another Region is not kept");
    assert_eq!(judged(&facts, &world, Duration::ZERO).outcome, Outcome::Undetermined);
}

#[test]
fn names_without_what_the_credentials_add_are_not_all_names() {
    let world = base();
    assert_eq!(judged(&known(&world), &world, Duration::ZERO).outcome, Outcome::OnNet);
    let mut facts = nothing_known(&world);
    take_all(&mut facts, unnamed(&world, &timed_out()));
    for source in [Source::Dns, Source::Kernel, Source::Ec2] {
        take(&mut facts, &world, source);
    }
    assert_eq!(judged(&facts, &world, Duration::ZERO).outcome, Outcome::Undetermined);
}

#[test]
fn settings_that_no_longer_make_an_account_based_name_end_it() {
    let world = with_a_pinned_account_name();
    let mut facts = known(&world);
    let changed = facts.take(Answer::Names { names: world.names.clone(), by_account: false });
    assert_eq!(changed, Changed { names: true, ..Changed::default() });
    assert_eq!(judged(&facts, &world, Duration::ZERO).outcome, Outcome::OnNet);
}

#[test]
fn a_hosts_file_that_can_no_longer_be_read_may_pin_anything() {
    let world = base();
    let mut facts = known(&world);
    let unread = |world: &Snapshot| {
        let resolution = |(hostname, found): (&String, &Resolution)| {
            let hosts_file = Observed::Unseen(Gap::Failed { detail: "/etc/hosts: I/O error".to_owned() });
            let resolution = Resolution { hosts_file, ..found.clone() };
            Answer::Resolution { hostname: hostname.clone(), resolution, took: None }
        };
        world.resolutions.iter().map(resolution).collect::<Vec<_>>()
    };
    take_all(&mut facts, unread(&world));
    assert_eq!(judged(&facts, &world, Duration::ZERO).outcome, Outcome::OnNet);
    let late = observed_later(&world, MINUTE);
    take(&mut facts, &late, Source::Imds);
    take_all(&mut facts, unread(&late));
    take(&mut facts, &late, Source::Kernel);
    let report = judged(&facts, &world, MINUTE);
    assert_eq!(report.outcome, Outcome::Undetermined, "{}", report.summary);
    assert!(report.summary.contains("/etc/hosts"), "{}", report.summary);
}

#[test]
fn addresses_that_were_left_out_stay_so_while_one_family_is_kept() {
    let world = base();
    let mut facts = known(&world);
    let (hostname, found) = world.resolutions.iter().next().unwrap();
    let limit = format!("addresses of {hostname}");
    let left_out = Some(Gap::OverLimit { limit, allowed: 256, found: 300 });
    let mut take = |resolution| {
        facts.take(Answer::Resolution { hostname: hostname.clone(), resolution, took: None });
        judged(&facts, &world, Duration::ZERO).outcome
    };
    assert_eq!(take(Resolution { left_out, ..found.clone() }), Outcome::Undetermined);
    let silent = Observed::Unseen(Gap::TimedOut { after: MINUTE.into() });
    assert_eq!(take(Resolution { ipv4: silent, ..found.clone() }), Outcome::Undetermined);
    assert_eq!(take(found.clone()), Outcome::OnNet);
}

#[test]
fn a_clock_that_is_set_makes_no_fact_older_or_younger() {
    let world = base();
    let hour = Duration::from_secs(3600);
    let back = Timestamp::minus(world.taken_at, hour);
    let mut facts = known(&world);
    facts.restamp(Step::Back(hour));
    let mut set_back = world.clone();
    set_back.taken_at = back;
    assert_eq!(judged(&facts, &set_back, Duration::ZERO).outcome, Outcome::OnNet);
    assert_eq!(judged(&facts, &set_back, 16 * MINUTE).outcome, Outcome::Undetermined, "it grows old as before");
    facts.restamp(Step::Ahead(hour));
    assert_eq!(judged(&facts, &world, Duration::ZERO).outcome, Outcome::OnNet);
    assert_eq!(
        facts.snapshot(world.taken_at, world.took, Vec::new()).instance,
        world.instance,
        "the facts within it as well"
    );
}

/// The instance of `world`, changed.
fn instance(world: &Snapshot, edit: impl FnOnce(&mut Instance)) -> Answer {
    let mut instance = world.instance.clone();
    if let Observed::Seen { value, .. } = &mut instance {
        edit(value);
    }
    Answer::Instance(instance)
}

#[test]
fn a_fact_within_the_instance_is_kept_and_grows_old_like_any_other() {
    let world = base();
    let lose = |interface: &mut Interface| interface.subnet_cidrs = Observed::Unseen(timed_out());
    let mut facts = known(&world);
    facts.take(instance(&world, |instance| instance.interfaces.iter_mut().for_each(lose)));
    let kept = facts.snapshot(world.taken_at, world.took, Vec::new()).instance;
    assert_eq!(kept, world.instance);
    assert_eq!(judged(&facts, &world, Duration::ZERO).outcome, Outcome::OnNet);

    let late = observed_later(&world, 4 * MINUTE);
    facts.take(instance(&late, |instance| instance.interfaces.iter_mut().for_each(lose)));
    let subnet_cidrs = |facts: &Facts| facts.instance().unwrap().interfaces[0].subnet_cidrs.clone();
    let Observed::Seen { at, .. } = subnet_cidrs(&facts) else { panic!("not kept") };
    assert!(at < world.taken_at.plus(MINUTE), "with its own age: {at}");
    let others = answers(&late, Source::Imds).into_iter().filter(|answer| !matches!(answer, Answer::Instance(_)));
    take_all(&mut facts, others.collect());
    take(&mut facts, &late, Source::Dns);
    take(&mut facts, &late, Source::Kernel);
    let report = judged(&facts, &world, 4 * MINUTE);
    assert_eq!(report.outcome, Outcome::Undetermined, "{}", report.summary);
    assert!(report.summary.contains("172.31.16.1, the next hop") && report.summary.contains("too old"), "{report:#?}");

    facts.take(instance(&late, |instance| {
        instance.interfaces[0].subnet = "subnet-0other".into();
        lose(&mut instance.interfaces[0]);
    }));
    assert_eq!(
        subnet_cidrs(&facts).gap(),
        Some(&timed_out()),
        "the range of another subnet says nothing about this one"
    );
}
