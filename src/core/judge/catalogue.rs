//! Stub of the catalogue of findings.

use crate::model::{FindingCode, Severity};
use serde::Serialize;

/// What is known of a finding code without a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CatalogueEntry {
    /// The code.
    pub code: FindingCode,
    /// The highest severity with which it occurs.
    pub severity: Severity,
    /// What it means, in one line.
    pub meaning: &'static str,
    /// What it is concluded from.
    pub evidence: &'static str,
    /// What to do.
    pub fix: &'static str,
}

macro_rules! catalogue {
    ($($code:ident $severity:ident $meaning:literal;)*) => {
        &[$(CatalogueEntry {
            code: FindingCode::$code,
            severity: Severity::$severity,
            meaning: $meaning,
            evidence: "not catalogued yet",
            fix: "not catalogued yet",
        },)*]
    };
}

/// Every finding code.
pub fn catalogue() -> &'static [CatalogueEntry] {
    catalogue! {
        NoEndpoint Critical "the VPC has no DynamoDB gateway endpoint";
        EndpointNotAssociated Critical "the VPC has one, and the subnet's route table is not associated with it";
        EndpointNotAvailable Warning "the endpoint is not in state available";
        EndpointNotVisible Warning "the endpoint is not visible to this account (shared VPC), or belongs to another VPC";
        PartlyDiverted Critical "another route takes part or all of the prefix list from the endpoint";
        Blackhole Critical "the winning route's target is gone; packets are dropped, no other route is tried";
        NoRoute Critical "no route matches";
        NoPublicAddress Critical "the path is an internet gateway, and the source address has no public one";
        AddressNotInPrefixList Warning "the name resolves to an address no gateway endpoint carries";
        OverlappingPrefixLists Warning "two prefix lists with different targets overlap; AWS does not say which wins";
        UnknownRouteState Warning "a route is in a state AWS does not document";
        ProxyConfigured Critical "the environment sends DynamoDB's name to a proxy";
        ProxyUnreadable Warning "the environment names a proxy with a value that onnet cannot read, and that programs read differently";
        LeavesByTunnel Critical "the kernel sends it into a tunnel, or keeps it on this host";
        HostRouteDiverts Warning "a route of the kernel leads part of the prefix list to another device";
        HostsFileOverride Warning "/etc/hosts pins the name";
        CustomEndpoint Info "an endpoint URL replaces the regional name";
        OtherRegion Warning "SDKs here use another Region's DynamoDB";
        NameNotResolved Critical "the name has no address";
        MissingPermission Warning "a fact was denied; the message names the IAM action";
        NoCredentials Warning "there are none, or they are not accepted";
        SettingsInvalid Warning "a setting of the AWS SDKs cannot be used; the message names the variable or file, the key and the value";
        MetadataUnavailable Warning "instance metadata could not be read";
        Ec2Unreachable Warning "the EC2 API did not answer";
        MissingFact Warning "another fact is missing that could change the answer";
        StaleEvidence Warning "a fact is too old to support a verdict";
        ProbeFailed Warning "the timed request was not answered as it should be; the message names the phase";
        AccessDenied Info "DynamoDB answered and denied the call: the path works";
        EvidenceDisagrees Warning "packets or the service contradict the configuration";
    }
}
