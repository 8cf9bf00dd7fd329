//! How strong the evidence of a round is.

use super::{
    address::{Judged, is_testified, probes_of},
    findings::contradiction,
    round::Round,
    testimony::Said,
};
use crate::model::ProofLevel;

/// The strongest level that every address in use supports. An address with contradictory evidence is merely inferred.
pub(super) fn proof(round: &Round<'_>) -> ProofLevel {
    round.in_use().map(|judged| level(round, judged)).min().unwrap_or(ProofLevel::Inferred)
}

fn level(round: &Round<'_>, judged: &Judged<'_>) -> ProofLevel {
    let address = judged.report.address;
    if contradiction(round.snapshot, judged).is_some() {
        return ProofLevel::Inferred;
    }
    match judged.said {
        Said::OwnEndpoint { .. } | Said::NoEndpoint => return ProofLevel::Proved,
        Said::Nothing | Said::OtherSource | Said::NoEndpointByIpv6 | Said::Unclear(_) => {}
    }
    if is_testified(round.snapshot, address) && !judged.report.verdict.is_off_net() {
        return ProofLevel::Proved;
    }
    let Some(egress) = &judged.egress else { return ProofLevel::Inferred };
    let mut answered = probes_of(round.snapshot, address).filter(|probe| probe.result.reached_service());
    let went_out_as_judged = answered.any(|probe| {
        let local = probe.local.map(|local| local.ip());
        local.is_some_and(|local| egress.source == Some(local) && egress.interface.addresses.contains(&local))
    });
    if went_out_as_judged { ProofLevel::Consistent } else { ProofLevel::Inferred }
}
