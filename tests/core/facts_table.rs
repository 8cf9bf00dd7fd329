//! Shared facts: what a publisher writes and a reader takes from it, for every scenario, and what is taken away of it.

use crate::common::scenarios::{self, base};
use onnet_core::{
    import::{
        facts_table::{Contents, Digest, Expected, FACTS_SCHEMA, Head, contents},
        spot_check::{Ec2Answer, leave_out},
    },
    judge::judge,
    model::{
        AccountId, Fact, FactPath, FactVisitor, Gap, Observed, Outcome, SharedFacts, Snapshot, Source, SubnetId,
        Timestamp, VpcFacts,
    },
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

type Chunks = BTreeMap<Digest, Vec<u8>>;

/// Whether an outcome with less is one that less must not come to. From best to worst is from less to greater.
fn is_improvement(before: Outcome, after: Outcome) -> bool {
    after < before && after != Outcome::Undetermined
}

/// What a publisher makes of the facts of a world; names of chunks are numbers here.
fn published(world: &Snapshot) -> (Head, Chunks) {
    let mut chunks = Chunks::new();
    let contents = contents(&world.vpc, |bytes| {
        let name = format!("{:04}", chunks.len());
        chunks.insert(name.clone(), bytes);
        Ok(name)
    });
    (head(contents), chunks)
}

fn head(contents: Contents) -> Head {
    Head {
        schema: FACTS_SCHEMA,
        version: "0.1.0".to_owned(),
        vpc: "vpc-0a".into(),
        region: "us-east-1".to_owned(),
        account: "111122223333".into(),
        publisher: "i-0p".to_owned(),
        observed_at: base().taken_at,
        period: Source::Ec2.period().into(),
        contents,
    }
}

fn subnets(world: &Snapshot) -> BTreeSet<SubnetId> {
    let instance = world.instance.seen();
    instance.into_iter().flat_map(|instance| &instance.interfaces).map(|one| one.subnet.clone()).collect()
}

fn read(world: &Snapshot, head: &Head, chunks: &Chunks) -> Result<VpcFacts, Gap> {
    let own = BTreeSet::from([AccountId::from("111122223333")]);
    let chunk = |digest: &Digest| {
        let missing = || Gap::NotFound { detail: format!("chunk {digest}") };
        chunks.get(digest).map(Vec::as_slice).ok_or_else(missing)
    };
    head.facts(&subnets(world), &own, (world.taken_at, Default::default()), chunk)
}

/// The world as a reader sees it that trusts the publisher.
fn shared(world: &Snapshot, head: &Head, chunks: &Chunks) -> Snapshot {
    let vpc = match read(world, head, chunks) {
        Ok(facts) => {
            let observers = BTreeMap::from([(head.vpc.clone(), head.observer(Some("a key".to_owned())))]);
            let subnets = subnets(world);
            let shared = SharedFacts { table: "onnet-facts".to_owned(), observers, subnets, own: false, refused: None };
            VpcFacts { shared: Some(Box::new(shared)), ..facts }
        }
        Err(gap) => VpcFacts::not_shared("onnet-facts", &gap),
    };
    Snapshot { vpc, ..world.clone() }
}

/// Scenarios whose facts can be published: of one VPC, observed now.
fn worlds() -> Vec<(&'static str, Snapshot)> {
    let of_one_vpc = |world: &Snapshot| {
        let facts = &world.vpc;
        let of_tables = facts.route_tables.seen().into_iter().flatten().map(|table| &table.vpc);
        let of_endpoints = facts.vpc_endpoints.seen().into_iter().flatten().map(|endpoint| &endpoint.vpc);
        let interfaces = world.instance.seen().into_iter().flat_map(|instance| &instance.interfaces);
        let all = of_tables.chain(of_endpoints).chain(interfaces.map(|interface| &interface.vpc));
        all.into_iter().all(|vpc| vpc.as_str() == "vpc-0a") && facts.shared.is_none() && facts.gates.is_none()
    };
    let worlds = scenarios::all().iter().map(|(name, scenario)| (name.as_str(), scenario.world.clone()));
    worlds.filter(|(_, world)| of_one_vpc(world)).collect()
}

fn is_recent(world: &Snapshot) -> bool {
    let is_now = |at: Option<Timestamp>| at.is_none_or(|at| at == world.taken_at);
    fn dated<T>(fact: &Observed<T>) -> Option<Timestamp> {
        match fact {
            Observed::Seen { at, .. } => Some(*at),
            Observed::Unseen(_) => None,
        }
    }
    let facts = &world.vpc;
    is_now(dated(&facts.route_tables))
        && is_now(dated(&facts.vpc_endpoints))
        && is_now(dated(&facts.endpoint_interfaces))
        && is_now(dated(&facts.service_prefix_lists))
        && facts.prefix_lists.values().all(|list| is_now(dated(list)))
}

/// What a reader concludes is what the publisher's own instance would, or less: through JSON, chunks and the choice of tables.
#[test]
fn a_reader_concludes_what_whoever_asks_ec2_does_or_less() {
    let (mut same, mut less) = (0, 0);
    for (name, world) in worlds().into_iter().filter(|(_, world)| is_recent(world)) {
        let (head, chunks) = published(&world);
        let head = Head::read(&serde_json::to_vec(&head).unwrap()).unwrap();
        let (own, other) = (judge(world.clone()).outcome, judge(shared(&world, &head, &chunks)).outcome);
        assert!(!is_improvement(own, other), "{name}: {own} became {other}");
        if own == other {
            same += 1;
        } else {
            less += 1;
        }
    }
    println!("{same} the same, {less} undetermined or worse");
    assert!(same > 300 && less < same / 10, "{same} the same, {less} less");
}

/// Each chunk and each listing taken away, cut off or exchanged for another one, one at a time.
#[test]
fn nothing_that_is_taken_away_from_shared_facts_improves_an_outcome() {
    let mut edits = 0;
    for (name, world) in worlds().into_iter().filter(|(_, world)| is_recent(world)) {
        let (head, chunks) = published(&world);
        let report = judge(shared(&world, &head, &chunks));
        // Where two facts disagree, the one that remains may speak alone; without the tables DynamoDB's answers do.
        let testified = report.outcome == Outcome::Undetermined && !world.statements.is_empty();
        if report.has_contradiction() || testified {
            continue;
        }
        let before = report.outcome;
        let mut check = |what: &str, head: &Head, chunks: &Chunks| {
            let after = judge(shared(&world, head, chunks)).outcome;
            assert!(!is_improvement(before, after), "{name}: {before} became {after} without {what}");
            edits += 1;
        };
        for (digest, bytes) in &chunks {
            let mut fewer = chunks.clone();
            fewer.remove(digest);
            check(digest, &head, &fewer);
            fewer.insert(digest.clone(), bytes[..bytes.len() / 2].to_vec());
            check(digest, &head, &fewer);
        }
        let json = serde_json::to_value(&head.contents).unwrap();
        let missing = json!({ "missing": { "reason": "throttled", "detail": "by EC2" } });
        for listing in ["route_tables", "vpc_endpoints", "endpoint_interfaces", "service_prefix_lists"] {
            let mut edited = json.clone();
            edited[listing] = missing.clone();
            check(listing, &self::head(serde_json::from_value(edited).unwrap()), &chunks);
        }
        for list in json["prefix_lists"].as_object().unwrap().keys() {
            let mut edited = json.clone();
            edited["prefix_lists"].as_object_mut().unwrap().remove(list);
            check(list, &self::head(serde_json::from_value(edited).unwrap()), &chunks);
        }
    }
    assert!(edits > 3_000, "{edits}");
}

fn asked(world: &Snapshot) -> Ec2Answer {
    let (head, _) = published(world);
    Ec2Answer::new(&world.vpc, &head, &subnets(world), &BTreeSet::from([AccountId::from("111122223333")])).unwrap()
}

/// EC2 lists the same things in another order.
#[test]
fn what_was_shared_as_ec2_says_is_not_in_dispute() {
    for (name, world) in worlds().into_iter().filter(|(_, world)| is_recent(world)) {
        let (head, chunks) = published(&world);
        let Ok(shared) = read(&world, &head, &chunks) else { continue };
        let mut reversed = world.clone();
        if let Some(tables) = reversed.vpc.route_tables.seen_mut() {
            tables.reverse();
            tables.iter_mut().for_each(|table| table.associations.reverse());
        }
        if let Some(endpoints) = reversed.vpc.vpc_endpoints.seen_mut() {
            endpoints.reverse();
        }
        for world in [world, reversed] {
            let comparison = asked(&world).compare(&shared);
            assert_eq!((comparison.contradicted, comparison.missing), Default::default(), "{name}");
        }
    }
}

/// A publisher says of each world that it is the base, where all is well, and EC2 says what it is.
#[test]
fn what_is_shared_otherwise_than_ec2_says_never_improves_an_outcome() {
    let (lie, chunks) = published(&base());
    let mut caught = BTreeMap::<Outcome, u32>::new();
    for (name, world) in worlds().into_iter().filter(|(_, world)| is_recent(world)) {
        let truth = judge(world.clone());
        // What EC2 does not say either cannot be compared, and of what disagrees one part may speak alone.
        let mut gaps = Gaps(0);
        world.vpc.clone().visit_facts(&mut gaps);
        if gaps.0 > 0 || truth.has_contradiction() {
            continue;
        }
        let mut believed = shared(&world, &lie, &chunks);
        let disputed = asked(&world).compare(&believed.vpc).contradicted;
        leave_out(&disputed, "i-0p", &mut believed.vpc);
        let report = judge(believed);
        assert!(!is_improvement(truth.outcome, report.outcome), "{name}: {} {disputed:?}", report.outcome);
        if !disputed.is_empty() {
            assert!(report.has_contradiction() || report.outcome != Outcome::OnNet, "{name}: {disputed:?}");
            *caught.entry(truth.outcome).or_default() += 1;
        }
    }
    println!("{caught:?}");
    assert!(caught.get(&Outcome::OffNet).is_some_and(|count| *count > 40), "{caught:?}");
}

struct Gaps(u32);

impl FactVisitor for Gaps {
    fn fact<T: Fact>(&mut self, _: FactPath, fact: &mut Observed<T>) {
        self.0 += u32::from(fact.gap().is_some());
    }
}

/// What EC2 said once alone is not in dispute: it may have changed since.
#[test]
fn what_changed_between_two_answers_is_not_in_dispute() {
    let (head, chunks) = published(&base());
    let facts = read(&base(), &head, &chunks).unwrap();
    let mut changed = base();
    changed.vpc.vpc_endpoints.seen_mut().unwrap().clear();
    let [before, after] = [asked(&changed), asked(&base())];
    let endpoints = || BTreeSet::from([FactPath::VpcEndpoints]);
    assert_eq!(before.compare(&facts).contradicted, endpoints());
    assert_eq!(before.and(&after).compare(&facts).contradicted, BTreeSet::new());
    assert_eq!(before.and(&before).compare(&facts).contradicted, endpoints());
    // What is not shared is not as EC2 says either.
    let without = VpcFacts { vpc_endpoints: Observed::Unseen(Gap::not_yet()), ..facts };
    let comparison = after.compare(&without);
    assert_eq!((comparison.contradicted, comparison.missing), (BTreeSet::new(), endpoints()));
}

/// A reader that may read a list's entries alone does not know its name.
#[test]
fn the_name_of_a_list_is_not_in_dispute_and_its_entries_are() {
    let (head, chunks) = published(&base());
    let facts = read(&base(), &head, &chunks).unwrap();
    let mut other = base();
    let list = other.vpc.prefix_lists.values_mut().next().unwrap().seen_mut().unwrap();
    list.name = None;
    let id = list.id.clone();
    assert_eq!(asked(&other).compare(&facts).contradicted, BTreeSet::new());
    other.vpc.prefix_lists.get_mut(&id).unwrap().seen_mut().unwrap().entries.pop();
    assert_eq!(asked(&other).compare(&facts).contradicted, BTreeSet::from([FactPath::PrefixList(id)]));
}

/// The tables that one chunk has are not another's, and an empty listing is not a missing one.
#[test]
fn a_chunk_of_something_else_is_not_used() {
    let world = base();
    let (head, chunks) = published(&world);
    let entries = serde_json::to_value(&head.contents).unwrap();
    let digest = |pointer: &str| entries.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
    let table = digest("/route_tables/complete/0/chunk");
    let list = entries["prefix_lists"].as_object().unwrap().values().next().unwrap()["complete"].as_str().unwrap();
    for (one, other) in [(table.as_str(), list), (list, &table)] {
        let mut swapped = chunks.clone();
        swapped.insert(one.to_owned(), chunks[other].clone());
        assert_ne!(judge(shared(&world, &head, &swapped)).outcome, Outcome::OnNet, "{one} is {other}");
    }
    let mut renamed = chunks.clone();
    let text = String::from_utf8(chunks[&table].clone()).unwrap().replace("rtb-main", "rtb-0the");
    renamed.insert(table, text.into_bytes());
    let gap = read(&world, &head, &renamed).unwrap().route_tables.gap().cloned();
    assert_eq!(gap.map(|gap| gap.reason()), Some("untrusted"));
}

#[test]
fn a_head_counts_for_three_periods_of_its_own_and_of_the_readers() {
    let (head, _) = published(&base());
    let age = |head: &Head, after: i64, period: u64, newest: Option<Timestamp>| {
        let by = Duration::from_secs(after.unsigned_abs());
        let now = if after < 0 { head.observed_at.minus(by) } else { head.observed_at.plus(by) };
        let period = Duration::from_secs(period);
        head.age(&Expected { vpc: &head.vpc, region: "us-east-1", now, period, newest }).map_err(|gap| gap.reason())
    };
    let second = Duration::from_secs(1);
    assert_eq!(age(&head, 900, 300, None), Ok(Duration::from_secs(900)));
    assert_eq!(age(&head, 901, 300, None), Err("stale"));
    assert_eq!(age(&head, 181, 60, None), Err("stale"), "the reader's own period is shorter");
    assert_eq!(age(&head, 901, 86_400, None), Err("stale"), "the publisher's own period is shorter");
    assert_eq!(age(&head, -5, 300, None), Ok(Duration::ZERO));
    assert_eq!(age(&head, -6, 300, None), Err("untrusted"));
    assert_eq!(age(&head, 0, 300, Some(head.observed_at)), Ok(Duration::ZERO));
    assert_eq!(age(&head, 0, 300, Some(head.observed_at.plus(second))), Err("untrusted"));
    for period in [0, 86_401] {
        let head = Head { period: Duration::from_secs(period).into(), ..head.clone() };
        assert_eq!(age(&head, 0, 300, None), Err("malformed"), "{period}");
    }
}

/// Whichever subnet asks, it gets its own table, the main one, and no other; where states are mixed, all.
#[test]
fn a_reader_needs_its_own_subnets_tables() {
    let mut world = base();
    let tables = world.vpc.route_tables.seen_mut().unwrap();
    let association = |subnet: &str, state: &str| json!({ "with": { "subnet": subnet }, "state": state });
    for (id, subnet) in [("rtb-a", "subnet-a"), ("rtb-b", "subnet-b")] {
        let mut table = serde_json::to_value(&tables[0]).unwrap();
        table["id"] = json!(id);
        table["associations"] = json!([association(subnet, "associated")]);
        tables.push(serde_json::from_value(table).unwrap());
    }
    let wanted = |world: &Snapshot, subnet: &str| {
        let (head, chunks) = published(world);
        let of = BTreeSet::from([SubnetId::from(subnet)]);
        let own = BTreeSet::from([AccountId::from("111122223333")]);
        let chunk = |digest: &Digest| Ok(chunks[digest].as_slice());
        let facts = head.facts(&of, &own, (world.taken_at, Default::default()), chunk).unwrap();
        let ids: Vec<String> = facts.route_tables.seen().unwrap().iter().map(|table| table.id.to_string()).collect();
        assert_eq!(head.wanted(&of).len(), ids.len() + 3, "the endpoints, their interfaces, and one list");
        ids
    };
    assert_eq!(wanted(&world, "subnet-a"), ["rtb-main", "rtb-a"]);
    assert_eq!(wanted(&world, "subnet-0c"), ["rtb-main"]);
    let tables = world.vpc.route_tables.seen_mut().unwrap();
    let mut table = serde_json::to_value(&tables[2]).unwrap();
    table["associations"] = json!([association("subnet-b", "absent")]);
    tables[2] = serde_json::from_value(table).unwrap();
    assert_eq!(wanted(&world, "subnet-a"), ["rtb-main", "rtb-a", "rtb-b"]);
}
