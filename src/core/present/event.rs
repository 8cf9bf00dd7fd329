//! What the log says of a changed outcome.

use super::words;
use crate::model::{Decision, Outcome, Report};
use std::net::IpAddr;

/// The fields of the event `outcome changed`. A field that is `None` is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeChanged<'r> {
    /// The outcome before, `nothing` at the start.
    pub from: &'static str,
    /// The outcome now.
    pub to: Outcome,
    /// The answer in one sentence.
    pub why: &'r str,
    /// The proof level.
    pub proof: &'static str,
    /// The name that decided.
    pub hostname: Option<&'r str>,
    /// The address that decided.
    pub address: Option<IpAddr>,
    /// The subnet it leaves.
    pub subnet: Option<&'r str>,
    /// The route table of that subnet.
    pub route_table: Option<&'r str>,
    /// The path it takes, as in `onnet_route_info`.
    pub path: Option<&'static str>,
    /// The id of what the path leads to.
    pub target: Option<&'r str>,
}

/// The event for `report`, where the outcome was `from` before.
pub fn outcome_changed(from: Option<Outcome>, report: &Report) -> OutcomeChanged<'_> {
    let place = report.instance.as_ref();
    let decided = report.decided_by.as_ref();
    let route = deciding_route(report);
    OutcomeChanged {
        from: from.map_or("nothing", Outcome::name),
        to: report.outcome,
        why: &report.summary,
        proof: report.proof.name(),
        hostname: decided.map(Decision::hostname),
        address: decided.and_then(Decision::address),
        subnet: place.and_then(|place| Some(place.subnet.as_ref()?.as_str())),
        route_table: place.and_then(|place| Some(place.route_table.as_ref()?.as_str())),
        path: route.map(|(path, _)| path),
        target: route.and_then(|(_, target)| target),
    }
}

/// The path that decided the outcome, as a label, and the id of what it leads to. `None` where no path decided.
pub(super) fn deciding_route(report: &Report) -> Option<(&'static str, Option<&str>)> {
    match report.decided_by.as_ref()? {
        Decision::Address { .. } => {
            let verdict = &report.deciding_address()?.verdict;
            Some((words::path_label(verdict), verdict.path().map(|path| path.target.as_str())))
        }
        Decision::Proxy { .. } => Some((words::PROXY, None)),
        Decision::Name { .. } => None,
    }
}
