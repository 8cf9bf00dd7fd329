//! The tests, the longest first.

mod daemon;
mod dist;
mod faults;
mod gates;
mod iam;
mod ipv6;
mod lives;
mod metrics;
mod odd;
mod prometheus;
mod sdk;
mod shared;
mod tables;
mod tutorial;
mod web_config;
mod witness;
mod worlds;

pub(crate) use daemon::scrape_if_asked;

use libtest_mimic::Trial;

/// All tests for which this machine has what they need.
pub(crate) fn trials(namespaces: bool) -> Vec<Trial> {
    [
        prometheus::trials(namespaces),
        daemon::trials(namespaces),
        tutorial::trials(namespaces),
        faults::trials(namespaces),
        worlds::trials(namespaces),
        gates::trials(namespaces),
        lives::trials(namespaces),
        ipv6::trials(namespaces),
        odd::trials(namespaces),
        web_config::trials(),
        dist::trials(),
        iam::trials(namespaces),
        shared::trials(namespaces),
        tables::trials(namespaces),
        witness::trials(namespaces),
        metrics::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
