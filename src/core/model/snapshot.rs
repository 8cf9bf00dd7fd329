//! Everything one round saw. The only way into `judge`.

use super::{
    Gap, HostRoute, Instance, InterfaceId, KernelRoute, MaxAge, Observed, Probe, ProbeKind, ProxyVariable, Resolution,
    Seconds, ServiceName, Timestamp, VpcFacts,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr};

/// Everything one round saw. Holds no credentials: there is no field for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// [`crate::model::SCHEMA`] when it was written.
    pub schema: u32,
    /// The onnet that wrote it.
    pub version: String,
    /// When the round began.
    pub taken_at: Timestamp,
    /// How long it took.
    pub took: Seconds,
    /// The instance, from its metadata service.
    pub instance: Observed<Instance>,
    /// The Region the names were made for: the SDK's choice.
    pub region: Observed<String>,
    /// The names to judge that depend on no account, the one an SDK would use first.
    pub names: Observed<Vec<ServiceName>>,
    /// The name that SDKs make of the account id in the credentials found here, and use before the others. Seen and none:
    /// they make none, be it by the settings or because the credentials have no account id. Without it the names in use
    /// are not all known.
    #[serde(default = "not_recorded")]
    pub account_name: Observed<Option<ServiceName>>,
    /// What each name resolves to.
    pub resolutions: BTreeMap<String, Resolution>,
    /// Proxies that the environment names.
    pub proxies: Vec<ProxyVariable>,
    /// Judge as if traffic left by this network interface, whatever the kernel says (`--interface`).
    pub assumed_interface: Option<InterfaceId>,
    /// What the kernel would do with each address.
    pub kernel_routes: BTreeMap<IpAddr, Observed<KernelRoute>>,
    /// The kernel's routes that are more specific than a default route.
    pub host_routes: Observed<Vec<HostRoute>>,
    /// What EC2 knows of the VPC.
    pub vpc: VpcFacts,
    /// The requests that were timed; one entry for each address and kind, or the reason there is none.
    pub probes: Vec<ProbeAttempt>,
    /// How old a fact may be before it supports no verdict.
    pub max_age: MaxAge,
}

impl Snapshot {
    /// Every name that is known, the one an SDK would use first.
    pub fn all_names(&self) -> impl Iterator<Item = &ServiceName> {
        all_names(&self.names, &self.account_name)
    }
}

/// The account-based name, where there is one, before those that depend on no account.
pub fn all_names<'n>(
    names: &'n Observed<Vec<ServiceName>>,
    account_name: &'n Observed<Option<ServiceName>>,
) -> impl Iterator<Item = &'n ServiceName> {
    let account_name = account_name.seen().and_then(Option::as_ref);
    let is_other = move |name: &&ServiceName| account_name.is_none_or(|first| first.hostname != name.hostname);
    account_name.into_iter().chain(names.seen().into_iter().flatten().filter(is_other))
}

fn not_recorded() -> Observed<Option<ServiceName>> {
    Observed::Unseen(Gap::NotTried { because: "the snapshot does not record it".to_owned() })
}

/// A probe that was made, or the reason it was not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeAttempt {
    /// The address it was for.
    pub address: IpAddr,
    /// The name it was for.
    pub hostname: String,
    /// Which request; absent where probes are switched off, and in what older versions wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ProbeKind>,
    /// The result.
    pub probe: Observed<Probe>,
}

impl ProbeAttempt {
    /// Which request it was, or would have been: where nothing says so, the one that is made by default.
    pub fn kind(&self) -> ProbeKind {
        self.probe.seen().map(|probe| probe.kind).or(self.kind).unwrap_or(ProbeKind::ListTables)
    }
}
