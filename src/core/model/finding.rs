//! Problems: their codes, their severity, their fix.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; changes nothing.
    Info,
    /// Forbids on-net.
    Warning,
    /// Why traffic is off-net or dropped.
    Critical,
}

impl Severity {
    /// The severity as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

macro_rules! finding_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal,)*) => {
        /// The stable code of a finding: what alerts and scripts go by. The README's table is tested against it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum FindingCode {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)*
        }

        impl FindingCode {
            /// Every code, for tables that must be complete.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as text.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
        }
    };
}

finding_codes! {
    /// The VPC has no DynamoDB gateway endpoint.
    NoEndpoint = "no-endpoint",
    /// There is one, but the subnet's route table is not associated with it.
    EndpointNotAssociated = "endpoint-not-associated",
    /// The endpoint the route points at is not in state `available`.
    EndpointNotAvailable = "endpoint-not-available",
    /// The endpoint the route points at is not visible to this account, as in a shared VPC.
    EndpointNotVisible = "endpoint-not-visible",
    /// A more specific or equal route takes some or all of the prefix list away from the endpoint.
    PartlyDiverted = "partly-diverted",
    /// The winning route's target is gone.
    Blackhole = "blackhole",
    /// No route matches.
    NoRoute = "no-route",
    /// An internet gateway is the way and the source address has no public one.
    NoPublicAddress = "no-public-address",
    /// A name resolves to an address that is neither in DynamoDB's prefix list nor an endpoint's.
    AddressNotInPrefixList = "address-not-in-prefix-list",
    /// Two prefix lists in the table overlap and point at different targets.
    OverlappingPrefixLists = "overlapping-prefix-lists",
    /// A route is in a state whose meaning AWS does not document.
    UnknownRouteState = "unknown-route-state",
    /// The environment sends DynamoDB's name to a proxy.
    ProxyConfigured = "proxy-configured",
    /// The environment names a proxy with a value that onnet cannot read, and that programs read differently.
    ProxyUnreadable = "proxy-unreadable",
    /// The kernel sends the address into a tunnel, to itself, or out by a device that is no network interface.
    LeavesByTunnel = "leaves-by-tunnel",
    /// A route of the kernel takes part of the prefix list to another device.
    HostRouteDiverts = "host-route-diverts",
    /// `/etc/hosts` has its own addresses for the name.
    HostsFileOverride = "hosts-file-override",
    /// An endpoint URL from the environment or the profile replaces the regional name.
    CustomEndpoint = "custom-endpoint",
    /// The name is another Region's.
    OtherRegion = "other-region",
    /// The name does not resolve.
    NameNotResolved = "name-not-resolved",
    /// A fact was denied; the message names the IAM action.
    MissingPermission = "missing-permission",
    /// There are no credentials, or they are not accepted.
    NoCredentials = "no-credentials",
    /// The instance metadata service did not answer.
    MetadataUnavailable = "metadata-unavailable",
    /// A setting of the AWS SDKs, in the environment or in a profile, cannot be used; the message names it.
    SettingsInvalid = "settings-invalid",
    /// The EC2 API did not answer, as in a subnet whose only way out is the gateway endpoint.
    Ec2Unreachable = "ec2-unreachable",
    /// Another fact is missing that could change the answer.
    MissingFact = "missing-fact",
    /// A fact is too old to support a verdict.
    StaleEvidence = "stale-evidence",
    /// A probe got no answer from DynamoDB.
    ProbeFailed = "probe-failed",
    /// DynamoDB answered, and denied the call: the path works.
    AccessDenied = "access-denied",
    /// Packets or the service contradict what the configuration says.
    EvidenceDisagrees = "evidence-disagrees",
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A problem, with its fix where there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Its stable code.
    pub code: FindingCode,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence with the ids in it.
    pub message: String,
    /// The AWS CLI command (or setting) that mends it, with this instance's own ids.
    pub fix: Option<String>,
    /// What the fix does besides, such as dropping open connections.
    pub caution: Option<String>,
}
