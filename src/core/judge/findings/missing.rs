//! Facts that are missing. One finding for each reason, not one for each fact: an API that does not answer makes many facts
//! missing.

use super::{
    Draft, Rule, code,
    probe::{answered, probes},
    world::World,
};
use crate::{
    judge::{address::Judged, egress::detour_of_metadata, round::Named, testimony::Said},
    model::{
        FindingCode, Gap, IgnoredSetting, METADATA_V4, Missing, Observed, ProbeResult, Resolution, Severity, Snapshot,
        Verdict, VpcFacts,
    },
};
use std::collections::BTreeSet;

/// A missing fact that is worth a finding.
pub(super) struct Lack<'a> {
    what: String,
    why: &'a Gap,
    severity: Severity,
}

impl<'a> Lack<'a> {
    pub(super) fn of(missing: &'a Missing, severity: Severity) -> Self {
        Self { what: missing.what.clone(), why: &missing.why, severity }
    }
}

impl Rule for code::MissingPermission {
    fn find(world: &World<'_>) -> Vec<Draft> {
        lacks(world, FindingCode::MissingPermission)
    }
}

impl Rule for code::NoCredentials {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let refused = probes(world).filter(|(_, probe)| probe.result == ProbeResult::Credentials);
        let refused = refused.map(|(_, probe)| answered(probe, "does not accept the credentials"));
        lacks(world, FindingCode::NoCredentials).into_iter().chain(refused).collect()
    }
}

impl Rule for code::SettingsInvalid {
    fn find(world: &World<'_>) -> Vec<Draft> {
        lacks(world, FindingCode::SettingsInvalid)
    }
}

impl Rule for code::SettingIgnored {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let draft = |setting: &IgnoredSetting| {
            let draft = Draft::new(setting.to_string());
            if setting.is_unread { draft } else { draft.severity(Severity::Info) }
        };
        world.snapshot.iter().flat_map(|snapshot| &snapshot.ignored_settings).map(draft).collect()
    }
}

impl Rule for code::MetadataUnavailable {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let (address, snapshot) = (METADATA_V4.into(), world.snapshot);
        let draft = |gap: &Gap| match snapshot.and_then(|snapshot| detour_of_metadata(snapshot, address)) {
            Some(detour) => Draft::new(format!(
                "the instance metadata service could not be read ({gap}): the kernel sends packets to {address} {detour}. \
                 Exclude {address} from the VPN or exit node, or remove the route or rule that takes it"
            )),
            None => Draft::new(format!(
                "the instance metadata service could not be read ({gap}). Is this an EC2 instance? Then enable IMDSv2, with \
                 hop limit 2 for containers. If it is not: onnet explain --from DIR and onnet audit --from DIR need no \
                 instance"
            )),
        };
        world.snapshot.and_then(metadata_unavailable).map(draft).into_iter().collect()
    }
}

impl Rule for code::Ec2Unreachable {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let draft = |gap: &Gap| {
            let draft = Draft::new(format!(
                "the EC2 API could not be reached ({gap}), so the route tables are not known. This is normal if the \
                 subnet's only path out is the DynamoDB gateway endpoint: create an interface endpoint for EC2, so \
                 that onnet can read the routes"
            ));
            // Where nothing depends on them, as with the name of an endpoint in the own subnet.
            let needs_list = world.names_in_use().any(|named| named.name.kind.is_of_region());
            if world.is_missing_facts || needs_list { draft } else { draft.severity(Severity::Info) }
        };
        world.snapshot.and_then(ec2_unreachable).map(draft).into_iter().collect()
    }
}

impl Rule for code::MissingFact {
    fn find(world: &World<'_>) -> Vec<Draft> {
        lacks(world, FindingCode::MissingFact)
    }
}

impl Rule for code::FactsDisagree {
    fn find(world: &World<'_>) -> Vec<Draft> {
        lacks(world, FindingCode::FactsDisagree)
    }
}

impl Rule for code::StaleEvidence {
    fn find(world: &World<'_>) -> Vec<Draft> {
        lacks(world, FindingCode::StaleEvidence)
    }
}

impl Rule for code::FactsUntrusted {
    fn find(world: &World<'_>) -> Vec<Draft> {
        // For one reason: that each fact is missing says nothing more.
        let lacks: Vec<Draft> = lacks(world, FindingCode::FactsUntrusted).into_iter().take(1).collect();
        let shared = world.snapshot.and_then(|snapshot| snapshot.vpc.shared.as_deref());
        // Facts that were read before may still stand.
        let refused = shared.and_then(|shared| Some((&shared.table, shared.refused.as_ref()?)));
        let refused = refused.filter(|(_, gap)| lacks.is_empty() && matches!(gap, Gap::Untrusted { .. }));
        let draft = refused.map(|(table, gap)| {
            Draft::new(format!("what the table {table} has now is not used, and the facts read before grow old: {gap}"))
        });
        lacks.into_iter().chain(draft).collect()
    }
}

impl Rule for code::FactsUnsigned {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let Some(shared) = world.snapshot.and_then(|snapshot| snapshot.vpc.shared.as_deref()) else {
            return Vec::new();
        };
        let is_confirmed = |judged: &Judged<'_>| matches!(judged.said, Said::OwnEndpoint { .. });
        let is_open =
            || world.names_in_use().any(|named| !named.in_use().all(is_confirmed) || named.in_use().next().is_none());
        let facts = world.snapshot.map(|snapshot| &snapshot.vpc);
        let has_any = facts.is_some_and(|facts| {
            facts.route_tables.seen().is_some()
                || facts.vpc_endpoints.seen().is_some()
                || facts.endpoint_interfaces.seen().is_some()
        });
        if facts.is_none_or(VpcFacts::are_signed) || !has_any || !is_open() {
            return Vec::new();
        }
        let publishers: BTreeSet<&str> =
            shared.observers.values().map(|observer| observer.publisher.as_str()).collect();
        let publishers = publishers.into_iter().collect::<Vec<_>>().join(", ");
        let publishers = if publishers.is_empty() { "a publisher that is not known" } else { &publishers };
        vec![Draft::new(format!(
            "the route tables come from the table {}, where {publishers} put them, without a signature that is checked: anyone who may \
             write to the table may have made them up, and DynamoDB did not confirm the path of every address in use (--witness). \
             Sign them (--facts-sign-key) and give the key to readers (--facts-trust)",
            shared.table
        ))]
    }
}

/// The missing facts whose reason has this code.
fn lacks(world: &World<'_>, code: FindingCode) -> Vec<Draft> {
    let draft = |Lack { what, why, severity }: &Lack<'_>| {
        let (of_reason, message) = finding_of(what, why);
        let draft = Draft::new(message).severity(*severity);
        (of_reason == code).then(|| match why.command() {
            Some(command) => draft.fix(command, None),
            None => draft,
        })
    };
    world.lacks.iter().filter_map(draft).collect()
}

fn finding_of(what: &str, gap: &Gap) -> (FindingCode, String) {
    match gap {
        Gap::Denied { action } => match gap.iam_action() {
            Some(action) => (
                FindingCode::MissingPermission,
                format!("not authorized to read {what}: grant {action} to onnet's IAM role"),
            ),
            None => (FindingCode::MissingPermission, format!("not authorized to read {what}: {action}")),
        },
        Gap::Credentials { .. } => {
            (FindingCode::NoCredentials, format!("{what} cannot be read without credentials that are accepted ({gap})"))
        }
        Gap::Stale { .. } => (FindingCode::StaleEvidence, format!("{what} no longer supports a verdict: {gap}")),
        Gap::Untrusted { .. } => (
            FindingCode::FactsUntrusted,
            format!("{what}: the facts that others share are not used: {}", gap.without_command()),
        ),
        Gap::Conflicting { .. } => (FindingCode::FactsDisagree, format!("{what} is not known: {gap}")),
        // The same for every fact: it is reported once.
        Gap::Settings { .. } => (FindingCode::SettingsInvalid, gap.to_string()),
        Gap::TimedOut { .. }
        | Gap::Unreachable { .. }
        | Gap::Throttled { .. }
        | Gap::Malformed { .. }
        | Gap::Truncated { .. }
        | Gap::OverLimit { .. }
        | Gap::Failed { .. }
        | Gap::Redirected { .. }
        | Gap::Disabled { .. }
        | Gap::NotFound { .. }
        | Gap::NotVisible { .. }
        | Gap::Changing { .. }
        | Gap::UndocumentedValue { .. }
        | Gap::SpoofedSource { .. }
        | Gap::OtherHost { .. }
        | Gap::NotTried { .. } => {
            (FindingCode::MissingFact, format!("{what} could not be collected: {}", gap.without_command()))
        }
    }
}

/// Why the instance is not known, where that is not for a setting.
fn metadata_unavailable(snapshot: &Snapshot) -> Option<&Gap> {
    snapshot.instance.gap().filter(|gap| !matches!(gap, Gap::Settings { .. }))
}

/// Why the route tables are not known, where the EC2 API did not answer.
fn ec2_unreachable(snapshot: &Snapshot) -> Option<&Gap> {
    // A reader of what others share asks DynamoDB.
    let is_asked = snapshot.vpc.shared.is_none();
    snapshot
        .vpc
        .route_tables
        .gap()
        .filter(|gap| is_asked && matches!(gap, Gap::TimedOut { .. } | Gap::Unreachable { .. }))
}

/// The missing facts of a round that are worth a finding.
pub(super) fn lacks_of_round<'a>(snapshot: &'a Snapshot, names: &[Named<'_>], missing: &'a [Missing]) -> Vec<Lack<'a>> {
    let mut lacks = unexplained(snapshot, missing);
    lacks.extend(permissions(snapshot, &lacks));
    lacks.extend(refused(snapshot, &lacks));
    lacks.extend(probes_not_made(snapshot, names));
    lacks
}

/// What the outcome lacks and no other finding explains.
fn unexplained<'a>(snapshot: &'a Snapshot, missing: &'a [Missing]) -> Vec<Lack<'a>> {
    let reasons: Vec<&Gap> = metadata_unavailable(snapshot).into_iter().chain(ec2_unreachable(snapshot)).collect();
    let settings = snapshot.instance.gap().filter(|gap| matches!(gap, Gap::Settings { .. }));
    // There is nothing: `name-not-resolved`, or `resolution-differs` where only the C library has nothing.
    let absent = |gap: &&Gap| matches!(gap, Gap::NotFound { .. });
    let of_c_library = |resolution: &'a Resolution| resolution.c_library.as_ref().and_then(Observed::gap);
    let gaps = |of: &'a Resolution| [of.ipv4.gap(), of.ipv6.gap(), of_c_library(of)];
    let records = snapshot.resolutions.values().flat_map(gaps).flatten();
    let explained: Vec<&Gap> = reasons.iter().copied().chain(records.filter(absent)).collect();
    let lack = |why| Lack { what: "the instance".to_owned(), why, severity: Severity::Warning };
    let mut lacks: Vec<Lack<'a>> = settings.map(lack).into_iter().collect();
    for fact in missing.iter().filter(|fact| !explained.contains(&&fact.why)) {
        // A gap that only says "because of another gap" adds nothing to the finding of that other gap.
        let follows = matches!(fact.why, Gap::NotTried { .. }) && !(reasons.is_empty() && lacks.is_empty());
        if !follows {
            lacks.push(Lack::of(fact, Severity::Warning));
        }
    }
    lacks
}

/// Why shared facts are not used, where that changes nothing yet and no other finding says it.
fn refused<'a>(snapshot: &'a Snapshot, known: &[Lack<'_>]) -> Option<Lack<'a>> {
    let shared = snapshot.vpc.shared.as_deref()?;
    let why = shared.refused.as_ref().filter(|gap| !matches!(gap, Gap::Untrusted { .. }))?;
    let is_known = known.iter().any(|lack| lack.why == why);
    let what = format!("what the table {} has of the VPC", shared.table);
    (!is_known).then_some(Lack { what, why, severity: Severity::Info })
}

/// Permissions that are missing without changing the outcome, unless they are among `known`.
fn permissions<'a>(snapshot: &'a Snapshot, known: &[Lack<'_>]) -> Vec<Lack<'a>> {
    let facts = &snapshot.vpc;
    let facts = [
        ("the route tables", facts.route_tables.gap()),
        ("the VPC endpoints", facts.vpc_endpoints.gap()),
        ("the network interfaces of interface endpoints", facts.endpoint_interfaces.gap()),
        ("DynamoDB's prefix list", facts.service_prefix_lists.gap()),
    ];
    let mut actions: Vec<&str> = known.iter().filter_map(|lack| lack.why.iam_action()).collect();
    let mut lacks = Vec::new();
    for (what, why) in facts.into_iter().filter_map(|(what, gap)| Some((what, gap?))) {
        if let Some(action) = why.iam_action().filter(|action| !actions.contains(action)) {
            actions.push(action);
            lacks.push(Lack { what: what.to_owned(), why, severity: Severity::Info });
        }
    }
    lacks
}

/// Probes of addresses in use that were asked for and have no result. One that did not come back may have failed, so it
/// counts like one that did.
fn probes_not_made<'a>(snapshot: &'a Snapshot, names: &[Named<'_>]) -> Vec<Lack<'a>> {
    let mut lacks = Vec::new();
    for judged in names.iter().flat_map(Named::in_use) {
        let address = judged.report.address;
        let expected_to_fail = matches!(judged.report.verdict, Verdict::Dropped(_));
        let attempts = || snapshot.probes.iter().filter(|attempt| attempt.address == address);
        let any_made = attempts().any(|attempt| attempt.probe.seen().is_some());
        for why in attempts().filter_map(|attempt| attempt.probe.gap()) {
            // One that was not asked for is not missed.
            if matches!(why, Gap::NotTried { .. }) {
                continue;
            }
            let is_replaced = any_made
                && matches!(
                    why,
                    Gap::Denied { .. } | Gap::Credentials { .. } | Gap::Disabled { .. } | Gap::NotFound { .. }
                );
            // A stale one was answered: a stale failure is a gap of another kind. Any other may have failed.
            let is_harmless = expected_to_fail || is_replaced || matches!(why, Gap::Stale { .. });
            let severity = if is_harmless { Severity::Info } else { Severity::Warning };
            lacks.push(Lack { what: format!("a probe of {address}"), why, severity });
        }
    }
    lacks
}
