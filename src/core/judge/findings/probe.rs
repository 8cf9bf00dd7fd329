//! Probes: whether they were answered, and whether they confirm the configuration.

use super::{Draft, Rule, code, world::World};
use crate::{
    judge::{
        address::{Judged, probes_of},
        endpoint_policy::list_tables_denied,
        testimony::{Said, other_anchors},
    },
    model::{AddressReport, Probe, ProbeResult, Severity, Testimony, Verdict},
};

impl Rule for code::ProbeFailed {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let draft = |(report, probe): (&AddressReport, &Probe)| {
            let Probe { address, result, .. } = probe;
            if result.reached_service() {
                return answered_otherwise(*result).then(|| answered(probe, &format!("said {result}")));
            }
            let phase = probe.failed_in.map_or(String::new(), |phase| format!(" in phase {phase}"));
            let draft = Draft::new(format!("the probe of {address} failed{phase}: {result}{}", detail(probe)));
            let is_expected = matches!(report.verdict, Verdict::Dropped(_));
            Some(if is_expected { draft.severity(Severity::Info) } else { draft })
        };
        probes(world).filter_map(draft).collect()
    }
}

impl Rule for code::AccessDenied {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let denied = probes(world).filter(|(_, probe)| probe.result == ProbeResult::AccessDenied);
        let draft = |(_, probe): (&AddressReport, &Probe)| {
            let by_endpoint = matches!(probe.testimony, Some(Testimony::VpcEndpointPolicy { .. }));
            let policies = if by_endpoint { world.beside.policies } else { &[] };
            answered(probe, "denied the call").explained(&list_tables_denied(policies))
        };
        denied.map(draft).collect()
    }
}

impl Rule for code::EvidenceDisagrees {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let against = world.judged().filter_map(|judged| judged.against.clone());
        let overruled = world.judged().filter_map(|judged| judged.overruled.clone());
        against.chain(overruled).map(Draft::new).collect()
    }
}

impl Rule for code::TestimonyUnclear {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let unclear = world.judged().filter_map(|judged| {
            let Said::Unclear(why) = &judged.said else { return None };
            let address = judged.report.address;
            Some(Draft::new(format!("what DynamoDB says of requests to {address} decides nothing: {why}")))
        });
        unclear.collect()
    }
}

impl Rule for code::TrustAnchor {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let anchors = world.snapshot.into_iter().flat_map(other_anchors);
        let draft = |anchor: &str| {
            Draft::new(format!(
                "the server that answered for DynamoDB was verified by a certificate of {anchor}, which is not in the system's trust store: a proxy that inspects TLS could answer in DynamoDB's place"
            ))
        };
        anchors.map(draft).collect()
    }
}

impl Rule for code::CoverageUnknown {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let testified = world.judged().find(|judged| judged.is_testified_endpoint());
        let draft = |judged: &Judged<'_>| {
            Draft::new(format!(
                "DynamoDB says that requests to {} come through a VPC endpoint; where the rest of its prefix list goes was not seen, and the next DNS answer may be an address of it",
                judged.report.address
            ))
        };
        testified.map(draft).into_iter().collect()
    }
}

impl Rule for code::HopBeforeEndpoint {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let draft = |judged: &Judged<'_>| {
            let (address, hop) = (judged.report.address, judged.hop.as_ref()?);
            Some(Draft::new(format!(
                "{address} is routed to {hop}, and DynamoDB says that the request then came through an endpoint of this VPC: what {hop} does with packets is not known"
            )))
        };
        world.judged().filter_map(draft).collect()
    }
}

/// The probes of addresses in use.
pub(super) fn probes<'a>(world: &World<'a>) -> impl Iterator<Item = (&'a AddressReport, &'a Probe)> {
    let snapshot = world.snapshot;
    world.addresses().flat_map(move |report| {
        let probes = snapshot.into_iter().flat_map(|snapshot| probes_of(snapshot, report.address));
        probes.map(move |probe| (report, probe))
    })
}

/// DynamoDB answered, and not as it should.
pub(super) fn answered(probe: &Probe, said: &str) -> Draft {
    let message = format!("DynamoDB at {} answered and {said}: the path works{}", probe.address, detail(probe));
    Draft::new(message).severity(Severity::Info)
}

fn detail(probe: &Probe) -> String {
    probe.detail.as_deref().map_or(String::new(), |detail| format!(" ({detail})"))
}

/// Whether an answer has no finding of its own.
fn answered_otherwise(result: ProbeResult) -> bool {
    ![ProbeResult::Ok, ProbeResult::AccessDenied, ProbeResult::Credentials].contains(&result)
}
