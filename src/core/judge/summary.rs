//! The answer in one sentence, about what decided it.

use super::{
    address::{Judged, off_net_words, then_an_endpoint},
    egress::{detour_of_metadata, silent_servers},
    outcome::{About, Standing, Subject},
    round::{Round, hostname_missing},
};
use crate::model::{AddressReport, Drop, Gap, METADATA_V4, Missing, Outcome, Severity, Verdict};
use std::{borrow::Cow, net::IpAddr};

/// The answer in one sentence.
pub(super) fn summary(round: &Round<'_>, outcome: Outcome, decided: Option<&Subject<'_, '_>>) -> String {
    let sentence = decided.filter(|_| outcome != Outcome::Undetermined).and_then(|decided| match &decided.about {
        About::Address(judged) => of_address(round, outcome, decided.standing, judged),
        About::Proxied(named, step) => Some(format!(
            "{} is sent to the proxy {} by {}, not to a VPC endpoint",
            named.name.hostname, step.proxy, step.variable
        )),
        About::Unresolved(_) => None,
    });
    sentence.unwrap_or_else(|| undetermined(round, decided))
}

fn of_address(round: &Round<'_>, outcome: Outcome, standing: Standing, judged: &Judged<'_>) -> Option<String> {
    let report = &judged.report;
    let name = &report.hostname;
    match (standing, &report.verdict) {
        (Standing::OffNet, Verdict::Via(path)) => {
            let testified = then_an_endpoint(round.snapshot, report.address, &judged.said);
            Some(off_net_words(name, path, testified))
        }
        (Standing::Dropped, Verdict::Dropped(drop)) if outcome == Outcome::Dropped => {
            Some(format!("{name} cannot be reached: {drop}"))
        }
        (Standing::Dropped, Verdict::Dropped(drop)) => Some(one_dropped(round, report, drop)),
        (Standing::OnNet, Verdict::Via(path)) => {
            Some(format!("{name} goes through {path}{}", warnings(round, outcome)))
        }
        (Standing::OffNet | Standing::Dropped | Standing::OnNet | Standing::Unknown, _) => None,
    }
}

/// One of several addresses is dropped: the others are on-net.
fn one_dropped(round: &Round<'_>, report: &AddressReport, drop: &Drop) -> String {
    let AddressReport { address, hostname, .. } = report;
    let on_net = |judged: &&Judged<'_>| judged.report.verdict.is_on_net();
    let of_name = round.in_use().filter(on_net).find(|judged| judged.report.hostname == *hostname);
    let path = of_name.and_then(|judged| judged.report.verdict.path());
    let Some(others) = path else {
        return format!("packets to {hostname} ({address}) are dropped: {drop}; other names go through a VPC endpoint");
    };
    format!("packets to {address}, one of the addresses of {hostname}, are dropped: {drop}; others go through {others}")
}

fn warnings(round: &Round<'_>, outcome: Outcome) -> String {
    let warnings = round.findings.iter().filter(|finding| finding.severity >= Severity::Warning).count();
    match (outcome, warnings) {
        (Outcome::AtRisk, 0) => ", but part of the prefix list is not carried by an endpoint".to_owned(),
        (Outcome::AtRisk, 1) => ", but there is 1 warning".to_owned(),
        (Outcome::AtRisk, n) => format!(", but there are {n} warnings"),
        (Outcome::OnNet | Outcome::Undetermined | Outcome::Dropped | Outcome::OffNet, _) => String::new(),
    }
}

/// What is not known, and why.
fn undetermined(round: &Round<'_>, decided: Option<&Subject<'_, '_>>) -> String {
    let name = match decided {
        Some(decided) => decided.hostname(),
        None => round.names.first().map_or("DynamoDB", |named| &named.name.hostname),
    };
    let instance = round.snapshot.instance.gap();
    if let Some(gap @ Gap::Settings { .. }) = instance {
        return format!("cannot determine the network path of {name}: {gap}");
    }
    if let Some(gap) = instance {
        let why = gap.reason().replace('_', " ");
        if let Some(detour) = detour_of_metadata(round.snapshot, METADATA_V4.into()) {
            return format!(
                "cannot determine the network path of {name}: instance metadata could not be read ({why}), because the \
                 kernel sends packets to {METADATA_V4} {detour}"
            );
        }
        return format!(
            "cannot determine the network path of {name}: instance metadata could not be read ({why}); is this an EC2 instance?"
        );
    }
    match doubt(round, decided) {
        Doubt::Missing(missing) => match silent_server(round, decided) {
            Some((server, detour)) => format!(
                "cannot determine the network path of {name} without {missing}: the kernel sends packets to the name server \
                 {server} {detour}"
            ),
            None => format!("cannot determine the network path of {name} without {missing}"),
        },
        Doubt::Other(why) => format!("cannot determine the network path of {name}: {why}"),
    }
}

/// Where the name that decides does not resolve: a name server that packets do not reach.
fn silent_server(round: &Round<'_>, decided: Option<&Subject<'_, '_>>) -> Option<(IpAddr, String)> {
    let About::Unresolved(named) = &decided?.about else { return None };
    silent_servers(round.snapshot, round.snapshot.resolutions.get(&named.name.hostname)?).next()
}

/// Why the outcome is undetermined.
enum Doubt<'r> {
    Missing(Cow<'r, Missing>),
    Other(Cow<'r, str>),
}

fn doubt<'r>(round: &'r Round<'_>, decided: Option<&Subject<'r, '_>>) -> Doubt<'r> {
    let (missing, otherwise) = match decided.map(|decided| (decided.standing, &decided.about)) {
        Some((Standing::Unknown, About::Address(judged))) => {
            let missing = match &judged.report.verdict {
                Verdict::Undetermined(missing) => missing.first(),
                Verdict::Via(_) | Verdict::Dropped(_) | Verdict::Ambiguous(_) => None,
            };
            if let (Some(against), None) = (&judged.against, missing) {
                return Doubt::Other(Cow::Borrowed(against));
            }
            (missing, judged.report.reason.as_str())
        }
        Some((_, About::Unresolved(named))) => (named.missing.first(), "it has no addresses"),
        Some((_, About::Address(_) | About::Proxied(..))) => {
            (round.missing.first(), "no route table of an address in use is known")
        }
        None => match hostname_missing(round.snapshot) {
            Some(missing) => return Doubt::Missing(Cow::Owned(missing)),
            None => (None, "no name in use is known"),
        },
    };
    missing.map_or(Doubt::Other(Cow::Borrowed(otherwise)), |missing| Doubt::Missing(Cow::Borrowed(missing)))
}
