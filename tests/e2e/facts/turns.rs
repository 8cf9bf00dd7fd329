//! Many publishers at once, and publishers that are killed at any moment.

use super::stand_in::{Item, Kind, Site, text, version};
use crate::Done;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::{join_all, try_join_all};
use libtest_mimic::Failed;
use onnet::observe::facts_table::{FactsSettings, FactsTable, Once, Role};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

const ROUNDS: u32 = 20;
const PUBLISHERS: usize = 50;

/// Of so many publishers that begin at once exactly one publishes, in every round.
pub(super) async fn races(kind: Kind) -> Done {
    let site = Site::start(kind).await?;
    let vpc = "vpc-race";
    let (mut steps, mut lost, mut others) = (Vec::<Duration>::new(), 0, 0);
    for round in 0..ROUNDS {
        let begun = Instant::now();
        site.vpcs.set(vpc, round);
        // A free lease and one that somebody holds; all at the same time, and within the time that this takes.
        if round % 2 == 0 {
            site.delete_head(vpc).await;
        } else {
            site.is_overdue(vpc).await;
        }
        // In every other pair of rounds they begin one after the other, and half of them when one has published.
        let is_spread = round % 4 > 1;
        let spread = if is_spread { steps[0] } else { Duration::ZERO };
        let one_has = watch::Sender::new(false);
        let names: Vec<String> = (0..PUBLISHERS).map(|number| format!("publisher-{round}-{number}")).collect();
        let published = join_all(names.iter().enumerate().map(async |(number, name)| {
            if is_spread && number % 2 == 1 {
                // Where none does, all are compared with none below.
                let _ = timeout(Duration::from_secs(60), one_has.subscribe().wait_for(|has| *has)).await;
            } else {
                sleep(spread.mul_f64(fastrand::f64())).await;
            }
            let once = site.publish(name, vpc).await;
            if matches!(once, Ok(Once::Published { .. })) {
                one_has.send_replace(true);
            }
            once
        }))
        .await;
        let won = names.iter().zip(&published).filter(|(_, once)| matches!(once, Ok(Once::Published { .. })));
        let won: Vec<&String> = won.map(|(name, _)| name).collect();
        assert_eq!(won.len(), 1, "round {round}: {won:?} of {published:#?}");
        for once in &published {
            match once {
                Ok(Once::Published { tables, incomplete, .. }) => assert_eq!((*tables, &incomplete[..]), (3, &[][..])),
                Ok(Once::Others { publisher }) => {
                    others += 1;
                    assert_eq!(publisher, won[0], "round {round}");
                }
                Err(gap) => {
                    lost += 1;
                    assert!(gap.to_string().contains("another publisher took over"), "round {round}: {gap}");
                }
            }
        }
        assert_eq!(&site.whole(vpc).await?, won[0], "round {round}");
        assert_eq!(version(&site.read(vpc).await), Ok(round), "round {round}");
        steps.push(begun.elapsed());
    }
    let longest = steps.iter().max().copied().unwrap_or_default();
    anstream::eprintln!(
        "{kind:?}: {ROUNDS} rounds of {PUBLISHERS}: {lost} lost the lease, {others} found fresh facts; the longest took {longest:?}"
    );
    assert!(lost > 0 && others > 0, "both were tried");
    Ok(())
}

/// Of so many readers that want a spot check at once exactly one asks EC2, and each day again.
pub(super) async fn spot_checks(kind: Kind) -> Done {
    let site = Site::start(kind).await?;
    let vpc = "vpc-spot";
    // moto answers one request at a time.
    let count = if kind == Kind::Dynalite { PUBLISHERS } else { 10 };
    assert!(matches!(site.publish("first", vpc).await, Ok(Once::Published { .. })));
    let (pk, sk) = ("spot-check.vpc-spot", "every.86400000");
    let taken = || site.item(pk, sk);
    for round in 0..ROUNDS / 2 {
        // What no day has, and the day before.
        if round % 2 == 1 {
            let earlier = AttributeValue::N("1".to_owned());
            site.set(pk, sk, vec![("number", earlier)]).await;
        } else if round > 0 {
            site.remove(pk, sk, "number").await;
        }
        let readers = (0..count).map(|_| {
            let every = Some(Duration::from_secs(86_400));
            Arc::new(FactsTable::new(FactsSettings { spot_check_every: every, ..site.settings(Role::Read) }))
        });
        let names: Vec<String> = (0..count).map(|number| format!("reader-{round}-{number}")).collect();
        let read = readers.zip(&names).map(|(table, name)| {
            let site = &site;
            async move { (name, site.facts_and_requests(&table, name, vpc).await) }
        });
        let mut asked = Vec::new();
        for (name, (facts, requests)) in join_all(read).await {
            assert_eq!(version(&facts), Ok(0), "round {round}");
            if !requests.is_empty() {
                asked.push(name);
            }
        }
        let reader = taken().await.and_then(|item| item.get("reader")?.as_s().ok().cloned());
        assert_eq!(asked, reader.iter().collect::<Vec<_>>(), "round {round}");
    }
    Ok(())
}

/// A publisher was killed while it held the lease, or gave it back: the facts are those of another one.
pub(super) async fn named(kind: Kind) -> Done {
    let site = Site::start(kind).await?;
    let vpc = "vpc-named";
    let fresh = Ok(Once::Others { publisher: "first".to_owned() });
    assert!(matches!(site.publish("first", vpc).await, Ok(Once::Published { .. })));
    site.set(vpc, "head", vec![("publisher", text("dead"))]).await;
    assert_eq!(site.publish("second", vpc).await, fresh);
    site.remove(vpc, "head", "publisher").await;
    assert_eq!(site.publish("second", vpc).await, fresh);
    site.set(vpc, "head", vec![("publisher", text("dead"))]).await;
    assert!(matches!(site.publish("first", vpc).await, Ok(Once::Published { .. })));
    site.is_overdue(vpc).await;
    assert!(matches!(site.publish("second", vpc).await, Ok(Once::Published { .. })));
    Ok(())
}

/// How a publisher is run and killed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Victim {
    /// A task that is dropped.
    Task,
    /// A process that gets SIGKILL.
    Process,
}

/// How far a publisher came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    /// It had not taken the lease.
    Nowhere,
    /// It held the lease, and had written some chunks or none.
    Between,
    /// The head was in the table.
    ToTheEnd,
}

/// After every kill readers get whole facts of one version, and the next publisher publishes.
pub(super) async fn kills(kind: Kind, victim: Victim, workers: u32, each: u32) -> Done {
    let site = Site::start(kind).await?;
    let begun = Instant::now();
    let workers = (0..workers).map(|number| worker(&site, victim, number, each));
    let mut came = BTreeMap::<Came, u32>::new();
    let mut again = 0;
    for (of_worker, twice) in try_join_all(workers).await? {
        of_worker.into_iter().for_each(|(how, count)| *came.entry(how).or_default() += count);
        again += twice;
    }
    let kills: u32 = came.values().sum();
    anstream::eprintln!(
        "{kind:?}, {victim:?}: {kills} kills in {:?}: {came:?}; {again} of the next publishers took two attempts",
        begun.elapsed()
    );
    assert!([Came::Nowhere, Came::Between].iter().all(|how| came.contains_key(how)), "kills at every stage: {came:?}");
    Ok(())
}

async fn worker(site: &Site, victim: Victim, number: u32, each: u32) -> Result<(BTreeMap<Came, u32>, u32), Failed> {
    let vpc = format!("vpc-dead{number}");
    let mut came = BTreeMap::new();
    let mut again = 0;
    site.vpcs.set(&vpc, 0);
    let begun = Instant::now();
    match victim {
        Victim::Task => assert!(matches!(site.publish("first", &vpc).await, Ok(Once::Published { .. }))),
        Victim::Process => assert!(site.publisher("first", &vpc).spawn()?.wait().await?.success()),
    }
    let mut usual = begun.elapsed();
    let mut turn = 0;
    while came.values().sum::<u32>() < each {
        turn += 1;
        site.is_overdue(&vpc).await;
        let before = site.head(&vpc).await.ok_or("a head")?;
        site.vpcs.set(&vpc, turn);
        let after = usual.mul_f64(fastrand::f64() * 1.2);
        let begun = Instant::now();
        let finished = match victim {
            Victim::Task => timeout(after, site.publish("victim", &vpc)).await.is_ok(),
            Victim::Process => {
                let mut child = site.publisher("victim", &vpc).spawn()?;
                let finished = timeout(after, child.wait()).await.is_ok();
                child.kill().await?;
                finished
            }
        };
        // As long as a turn takes with this worker's share of the processor.
        usual = if finished { begun.elapsed() } else { usual.mul_f64(1.01) };
        // What was under way may still arrive.
        let how = how_far(&before, &site.head(&vpc).await.ok_or("a head")?);
        if !finished {
            *came.entry(how).or_default() += 1;
        }

        let now = version(&site.read(&vpc).await);
        let allowed = if how == Came::ToTheEnd { turn..=turn } else { turn - 1..=turn };
        assert!(now.as_ref().is_ok_and(|now| allowed.contains(now)), "turn {turn}, {how:?}: {now:?}");

        let next = async {
            for attempt in 0..3 {
                match site.publish("next", &vpc).await {
                    Ok(Once::Published { .. }) => return Ok(attempt),
                    Ok(Once::Others { publisher }) => {
                        assert_eq!(publisher, "victim", "turn {turn}, {how:?}");
                        return Ok(attempt);
                    }
                    // What was under way arrived now.
                    Err(gap) if gap.to_string().contains("took over") => {}
                    Err(gap) => return Err(format!("turn {turn}, {how:?}: {gap}")),
                }
            }
            Err(format!("turn {turn}, {how:?}: nobody publishes any more"))
        };
        let (meanwhile, next) =
            tokio::join!(async { if turn % 4 == 0 { Some(site.read(&vpc).await) } else { None } }, next);
        again += u32::from(next? > 0);
        let meanwhile = meanwhile.map_or(Ok(turn), |facts| version(&facts));
        assert!(meanwhile.as_ref().is_ok_and(|now| allowed.contains(now)), "turn {turn}, {how:?}: {meanwhile:?}");
        assert_eq!(version(&site.read(&vpc).await), Ok(turn), "{how:?}");
    }
    site.whole(&vpc).await?;
    Ok((came, again))
}

fn how_far(before: &Item, after: &Item) -> Came {
    let counter = |item: &Item| -> Option<u64> { item.get("counter").and_then(|n| n.as_n().ok())?.parse().ok() };
    let is_victims = after.get("publisher") == Some(&AttributeValue::S("victim".to_owned()));
    match counter(after).zip(counter(before)).map(|(after, before)| after - before) {
        Some(0) => Came::Nowhere,
        Some(1) if is_victims => Came::Between,
        Some(2) if is_victims => Came::ToTheEnd,
        _ => unreachable!("nobody else publishes: {before:?} {after:?}"),
    }
}
