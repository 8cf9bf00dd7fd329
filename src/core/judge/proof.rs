//! How strong the evidence of a round is.

use super::{
    address::{Judged, is_testified, probes_of},
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
    if judged.against.is_some() {
        return ProofLevel::Inferred;
    }
    let verdict = &judged.report.verdict;
    // It is about onnet's own requests, which no proxy carries.
    let is_proved = judged.report.trace.proxy.is_none()
        && match judged.said {
            Said::OwnEndpoint { .. } => verdict.is_on_net(),
            Said::NoEndpoint => verdict.is_off_net(),
            Said::Nothing
            | Said::OtherSource
            | Said::NoEndpointByControl
            | Said::OwnEndpointByIpv6
            | Said::Unclear(_) => false,
        };
    if is_proved {
        return ProofLevel::Proved;
    }
    // Who else may write them is not known here; neither a probe nor a denial says anything of the rest of the way.
    if round.snapshot.vpc.shared.as_ref().is_some_and(|shared| !shared.own) {
        return ProofLevel::Inferred;
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
