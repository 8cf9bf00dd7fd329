//! A fleet: for people, and in one line for monitoring systems.

use super::{
    nagios::{plain, status},
    page::{INDENT, Page},
    words::{self, BOLD},
};
use crate::model::{Fleet, FleetGroup, FleetInstance, Outcome, grouped};
use std::collections::BTreeMap;

/// How many instances are listed that are not on-net; JSON has all.
const LISTED: usize = 50;

/// The fleet for people: how many, by subnet and route table, then every instance that is not on-net.
pub fn fleet(fleet: &Fleet) -> String {
    let page = &mut Page::default();
    page.styled(words::outcome_style(fleet.outcome), words::outcome(fleet.outcome)).to(INDENT);
    page.wrapped(INDENT, &sentence(fleet));
    for problem in &fleet.problems {
        page.gap().label("not read").wrapped(INDENT, problem);
    }
    if !fleet.groups.is_empty() {
        page.gap().styled(BOLD, "as the instances report").end();
    }
    for group in &fleet.groups {
        page.wrapped(2, &line(group));
    }
    let others: Vec<&FleetInstance> =
        fleet.instances.iter().filter(|instance| instance.counts_as != Outcome::OnNet).collect();
    for instance in others.iter().take(LISTED) {
        let FleetInstance { counts_as, because, reported } = instance;
        page.gap().styled(words::outcome_style(*counts_as), words::outcome(*counts_as)).to(INDENT);
        page.wrapped(INDENT, &format!("{} in {}", reported.instance, reported.vpc));
        page.to(INDENT).wrapped(INDENT, &format!("since {}: {}", reported.since, reported.summary));
        if let Some(because) = because {
            page.to(INDENT).wrapped(INDENT, because);
        }
    }
    if others.len() > LISTED {
        let more = grouped(u64::try_from(others.len() - LISTED).unwrap_or(u64::MAX));
        page.gap().wrapped(0, &format!("… and {more} more; --format json lists all"));
    }
    std::mem::take(page).finish()
}

/// `ONNET CRITICAL - 2 of 120 instances are off-net | …`
pub fn fleet_nagios(fleet: &Fleet) -> String {
    let count = |outcome: Outcome| fleet.outcomes.get(outcome.name()).copied().unwrap_or_default();
    let data: Vec<String> = Outcome::ALL.iter().map(|outcome| format!("{outcome}={}", count(*outcome))).collect();
    format!("ONNET {} - {} | {}\n", status(fleet.outcome), plain(&sentence(fleet)), data.join(" "))
}

fn sentence(fleet: &Fleet) -> String {
    let all = fleet.instances.len();
    let silent = fleet.instances.iter().filter(|instance| instance.because.is_some()).count();
    let mut text = match all {
        0 => format!("no instance reports in the table {}", fleet.table),
        1 => format!("1 instance: {}", counts(&fleet.outcomes)),
        _ => format!("{} instances: {}", grouped(u64::try_from(all).unwrap_or(u64::MAX)), counts(&fleet.outcomes)),
    };
    if silent > 0 {
        text.push_str(&format!("; {silent} reported nothing that counts for now"));
    }
    if !fleet.problems.is_empty() {
        text.push_str("; not all of the table could be read");
    }
    text
}

/// `2 off-net, 118 on-net`: worst first.
fn counts(outcomes: &BTreeMap<String, u64>) -> String {
    let worst_first = Outcome::ALL.iter().rev();
    let count = |outcome: &Outcome| {
        let count = outcomes.get(outcome.name())?;
        Some(format!("{} {}", grouped(*count), words::outcome(*outcome).to_lowercase()))
    };
    worst_first.filter_map(count).collect::<Vec<_>>().join(", ")
}

fn line(group: &FleetGroup) -> String {
    let known = |id: Option<&str>| id.unwrap_or("unknown").to_owned();
    let subnet = known(group.subnet.as_ref().map(|id| id.as_str()));
    let table = known(group.route_table.as_ref().map(|id| id.as_str()));
    format!("{}: {}, {subnet}, {table}: {}", group.account, group.vpc, counts(&group.outcomes))
}
