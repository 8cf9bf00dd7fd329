//! The finding codes, and what can be said of each without a report.
//!
//! To add a finding, add its row here and its rule in one file of `judge/findings/`: the compiler asks for the rule, and
//! the tests for a scenario.

use super::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Passes every row to a macro.
macro_rules! finding_catalogue {
    ($callback:ident) => {
        $callback! {
            // Endpoints
            NoEndpoint = "no-endpoint" Critical {
                meaning: "the VPC has no DynamoDB gateway endpoint",
                evidence: "the route table of the subnet, and DescribeVpcEndpoints",
                fix: "create a gateway endpoint for DynamoDB and associate it with the route table; the finding has the command",
            }
            EndpointNotAssociated = "endpoint-not-associated" Critical {
                meaning: "the VPC has a DynamoDB gateway endpoint, but it is not associated with the subnet's route table",
                evidence: "the route table of the subnet, and the route tables that DescribeVpcEndpoints lists for the endpoint",
                fix: "associate the endpoint with the route table; the finding has the command",
            }
            EndpointNotAvailable = "endpoint-not-available" Warning {
                meaning: "traffic is routed to an endpoint that is not in state available",
                evidence: "the endpoint's State in DescribeVpcEndpoints",
                fix: "wait if the endpoint is pending; accept it if it waits for acceptance; otherwise create another one",
            }
            EndpointPolicyDenies = "endpoint-policy-denies" Info {
                meaning: "the policy of the endpoint in use would deny an action that programs here use (--action)",
                evidence: "the endpoint's PolicyDocument in DescribeVpcEndpoints: no statement allows the action to anyone, or one denies it to all",
                fix: "allow the action in the endpoint's policy",
            }
            GateClosed = "gate-closed" Info {
                meaning: "a security group, network ACL, Block Public Access, NAT gateway or DNS attribute stops requests (--gates)",
                evidence: "what EC2 says of the gate, for every address in use and all of the prefix list; no address concerned answered a probe",
                fix: "open the gate; the finding has the command where one can open it",
            }
            EndpointNotVisible = "endpoint-not-visible" Warning {
                meaning: "onnet cannot read the endpoint: it belongs to another account (shared VPC), or may be in another VPC",
                evidence: "a route to an endpoint that DescribeVpcEndpoints does not list, or a private address routed out of the VPC",
                fix: "run onnet audit in the account that owns the endpoint, or ask its owner for type, service and state",
            }
            // Routes of the VPC
            PartlyDiverted = "partly-diverted" Critical {
                meaning: "another route takes part or all of the prefix list, or the address of an interface endpoint, away \
                          from the endpoint",
                evidence: "every range of the prefix list against all routes of the subnet's route table and all their prefix lists",
                fix: "remove the route or make it less specific; the finding has the command if one can remove it",
            }
            Blackhole = "blackhole" Critical {
                meaning: "the winning route is a blackhole: its target is gone, packets are dropped, no other route is tried",
                evidence: "the route's State in DescribeRouteTables",
                fix: "remove the route or give it another target; the finding has the command if one can remove it",
            }
            NoRoute = "no-route" Critical {
                meaning: "no route matches, so packets are dropped",
                evidence: "the route table of the subnet, or the kernel's answer for the address",
                fix: "associate a DynamoDB gateway endpoint with the route table; in the kernel, restore the default route",
            }
            NoPublicAddress = "no-public-address" Critical {
                meaning: "the route leads to an internet gateway, but the source address has no public IPv4 address",
                evidence: "the winning route, and the public addresses in instance metadata",
                fix: "associate a DynamoDB gateway endpoint with the route table, or assign a public IPv4 address",
            }
            OverlappingPrefixLists = "overlapping-prefix-lists" Warning {
                meaning: "prefix lists with different targets overlap; for equal entries AWS does not say which wins",
                evidence: "the entries of all prefix lists in the route table",
                fix: "remove the overlapping entries from the customer-managed prefix list",
            }
            UnknownRouteState = "unknown-route-state" Warning {
                meaning: "a route is in a state that AWS does not document",
                evidence: "the route's State in DescribeRouteTables",
                fix: "replace the route, or ask AWS Support what the state means",
            }
            // Missing facts
            MissingPermission = "missing-permission" Warning {
                meaning: "access to a fact was denied; the message names the IAM action",
                evidence: "the error of the request",
                fix: "grant the action to the IAM role that onnet uses",
            }
            NoCredentials = "no-credentials" Warning {
                meaning: "AWS credentials are missing or not accepted",
                evidence: "the AWS SDK's search for credentials, or the error of EC2 or DynamoDB",
                fix: "attach an IAM role to the instance or configure credentials; check the clock",
            }
            SettingsInvalid = "settings-invalid" Warning {
                meaning: "a setting of the AWS SDKs cannot be used; the message names the variable or file, the key and the value",
                evidence: "the environment and the profile files",
                fix: "correct or remove the setting",
            }
            SettingIgnored = "setting-ignored" Warning {
                meaning: "a setting of the AWS SDKs is not used as written (info: its value is known; warning: its file cannot be read)",
                evidence: "the environment and the profile files",
                fix: "correct or remove the setting, or let onnet read the file",
            }
            MetadataUnavailable = "metadata-unavailable" Warning {
                meaning: "instance metadata could not be read",
                evidence: "the error of the request to the instance metadata service",
                fix: "enable IMDSv2, with hop limit 2 for containers; without an instance, use onnet audit or onnet explain",
            }
            Ec2Unreachable = "ec2-unreachable" Warning {
                meaning: "the EC2 API did not answer; normal in a subnet whose only path out is the gateway endpoint",
                evidence: "the error of DescribeRouteTables",
                fix: "create an interface endpoint for EC2, or run onnet audit where the EC2 API can be reached",
            }
            MissingFact = "missing-fact" Warning {
                meaning: "another fact is missing that could change the verdict",
                evidence: "the reason why the fact is missing, which the message has",
                fix: "restore what the message says is missing, and check again",
            }
            FactsDisagree = "facts-disagree" Warning {
                meaning: "two readings of configuration contradict each other; which one is right is not known",
                evidence: "both facts, which the message has",
                fix: "check again in a minute, for EC2 is eventually consistent; with files, keep those of one moment",
            }
            StaleEvidence = "stale-evidence" Warning {
                meaning: "a fact is too old to support a verdict",
                evidence: "the time of the fact, which may be three periods of its source ago",
                fix: "restore the source: the status page and onnet_observation_up show which one fails",
            }
            // Facts that others share
            FactsUntrusted = "facts-untrusted" Warning {
                meaning: "facts that others share in a table are not used: unsigned, altered, of another VPC, or older than those before",
                evidence: "the items of the table of --facts-table, their signature and the keys of --facts-trust",
                fix: "check who writes to the table; give readers the public key of the publisher's --facts-sign-key",
            }
            FactsUnsigned = "facts-unsigned" Warning {
                meaning: "the route tables come from a table that others write to, unsigned, and DynamoDB did not confirm the path",
                evidence: "the head of the VPC's facts in the table of --facts-table, and DynamoDB's answers (--witness)",
                fix: "sign them (onnet publish --facts-sign-key) and give readers the key (--facts-trust), or use --witness",
            }
            // Names
            HostsFileOverride = "hosts-file-override" Warning {
                meaning: "/etc/hosts has addresses for a name in use, whatever DNS says",
                evidence: "/etc/hosts",
                fix: "remove the name from /etc/hosts",
            }
            CustomEndpoint = "custom-endpoint" Warning {
                meaning: "an endpoint URL replaces the regional name",
                evidence: "the environment and the profile, as the AWS SDK reads them",
                fix: "none if it is intended; otherwise remove the endpoint URL",
            }
            NameNotServed = "name-not-served" Info {
                meaning: "a name of DynamoDB Streams or vector search was given, which no gateway endpoint is known to serve",
                evidence: "the name, and the routes of its addresses",
                fix: "none for gateway endpoints; Streams has interface endpoints (com.amazonaws.<region>.dynamodb-streams)",
            }
            OtherRegion = "other-region" Warning {
                meaning: "SDKs on this instance use DynamoDB of another Region; an endpoint serves its own Region only",
                evidence: "the Region that the AWS SDK chooses, and the Region in instance metadata",
                fix: "set AWS_REGION or the profile's region to the instance's Region, if DynamoDB there is meant",
            }
            NameNotResolved = "name-not-resolved" Critical {
                meaning: "a name in use has no address",
                evidence: "the answers of the name servers to the A and AAAA queries",
                fix: "correct the endpoint URL, or the name's DNS records",
            }
            ResolutionDiffers = "resolution-differs" Warning {
                meaning: "the C library, and so most programs, resolve a name in use to other addresses than the name servers have",
                evidence: "getaddrinfo in onnet's own environment, against the A and AAAA answers and /etc/hosts",
                fix: "check search and options in /etc/resolv.conf, hosts in /etc/nsswitch.conf, RES_OPTIONS and LOCALDOMAIN",
            }
            AddressNotInPrefixList = "address-not-in-prefix-list" Warning {
                meaning: "a name in use resolves to an address that no gateway endpoint carries and no interface endpoint has",
                evidence: "the name's addresses, DynamoDB's prefix list, and the network interfaces of interface endpoints",
                fix: "correct the DNS record, the hosts file or the endpoint URL that gives the address",
            }
            // The host
            ProxyConfigured = "proxy-configured" Critical {
                meaning: "the environment sends requests to DynamoDB through a proxy (warning: only some clients use it; info: DynamoDB is exempt)",
                evidence: "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY in onnet's environment",
                fix: "add the name to NO_PROXY where applications get their environment; the finding has the line",
            }
            ProxyUnreadable = "proxy-unreadable" Warning {
                meaning: "a proxy variable has a value that onnet cannot read; some programs may use it (info: DynamoDB is exempt)",
                evidence: "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY in onnet's environment",
                fix: "correct the variable, or add the name to NO_PROXY; the finding has the line",
            }
            LeavesByTunnel = "leaves-by-tunnel" Critical {
                meaning: "the kernel sends packets into a tunnel, through a device that is not a network interface of the \
                          instance, or to the host itself",
                evidence: "the kernel's route to the address, and its device's kind and hardware address",
                fix: "exclude DynamoDB's prefix list from the VPN or tunnel",
            }
            HostRouteDiverts = "host-route-diverts" Warning {
                meaning: "the kernel sends part of the prefix list elsewhere than to the VPC's router, or nowhere",
                evidence: "the kernel's answers for every range of the prefix list that its rules and routes distinguish",
                fix: "remove the route or rule, or exclude DynamoDB's prefix list from what installs it",
            }
            PolicyRuleMayDivert = "policy-rule-may-divert" Warning {
                meaning: "a rule of the kernel sends packets of another user, mark, type of service, port or device elsewhere",
                evidence: "the kernel's answers for such packets; where it cannot be asked, its rules and tables",
                fix: "remove the rule, or give its table the routes of the main one for DynamoDB's prefix list",
            }
            OtherInterfaceOffNet = "other-interface-off-net" Info {
                meaning: "another network interface of the instance, or another address of it, would not use an endpoint",
                evidence: "the route tables of the subnets of the instance's network interfaces, and their public addresses",
                fix: "associate the endpoint with the route table of that subnet, if programs or pods send from these addresses",
            }
            // Probes
            ProbeFailed = "probe-failed" Warning {
                meaning: "a probe was not answered as it should be; the message names the phase",
                evidence: "the probe's result and error",
                fix: "check what the phase depends on: for connect, security groups and network ACLs; for tls, interception",
            }
            AccessDenied = "access-denied" Info {
                meaning: "DynamoDB answered and denied the call, so the path works",
                evidence: "the answer to ListTables",
                fix: "none; grant dynamodb:ListTables to the IAM role if the probe is to be answered",
            }
            EvidenceDisagrees = "evidence-disagrees" Warning {
                meaning: "a probe or DynamoDB itself contradicts the configuration",
                evidence: "the probe's answer, its local address, and what DynamoDB said, against the routes and the endpoint's policy",
                fix: "check for what the routes do not show, such as a NAT gateway whose own subnet uses an endpoint; a changed policy takes minutes",
            }
            // DynamoDB as witness
            TestimonyUnclear = "testimony-unclear" Warning {
                meaning: "DynamoDB was asked how requests come, and its answers decide nothing",
                evidence: "its answers to DescribeTable on tables named onnet-witness.…, which IAM policies turn into yes and no",
                fix: "attach the policy that onnet policy prints to the role, with --guard where the role allows dynamodb:*",
            }
            CoverageUnknown = "coverage-unknown" Warning {
                meaning: "DynamoDB says that requests come through a VPC endpoint, but the routes of its other addresses were not seen",
                evidence: "DynamoDB's answers, and the route tables and prefix lists that could not be read",
                fix: "let onnet read the route tables: through an interface endpoint for EC2, or run onnet audit elsewhere",
            }
            HopBeforeEndpoint = "hop-before-endpoint" Warning {
                meaning: "the route leads to an appliance or another network, and DynamoDB says that requests then come through an endpoint",
                evidence: "the winning route, and DynamoDB's answers",
                fix: "associate the endpoint with the route table of this subnet, if no appliance is meant to be in the path",
            }
            TrustAnchor = "trust-anchor" Warning {
                meaning: "DynamoDB's answers were verified by a certificate that is not in the system's trust store",
                evidence: "the certificate authority that verified the server, and AWS_CA_BUNDLE or the profile's ca_bundle",
                fix: "exclude DynamoDB from TLS inspection, or ask without AWS_CA_BUNDLE",
            }
        }
    };
}
pub(crate) use finding_catalogue;

/// The document that `onnet explain-finding` prints: one code, or all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FindingCatalogue {
    /// The schema version of this document. Other versions may have other names.
    pub schema: u32,
    /// Sorted by code.
    pub findings: Vec<CatalogueEntry>,
}

/// The explanation of a finding code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CatalogueEntry {
    /// The code.
    pub code: FindingCode,
    /// The highest severity with which it occurs.
    pub severity: Severity,
    /// The meaning.
    pub meaning: &'static str,
    /// The evidence.
    pub evidence: &'static str,
    /// The fix, as far as it is the same for every report.
    pub fix: &'static str,
}

macro_rules! codes {
    ($($variant:ident = $name:literal $severity:ident {
        meaning: $meaning:literal, evidence: $evidence:literal, fix: $fix:literal,
    })*) => {
        /// The stable code of a finding, for alerts and scripts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum FindingCode {
            $(#[doc = $meaning] #[serde(rename = $name)] $variant,)*
        }

        impl FindingCode {
            /// Every code, in the catalogue's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as text.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its row of the catalogue.
            pub const fn entry(self) -> CatalogueEntry {
                match self {
                    $(Self::$variant => CatalogueEntry {
                        code: self,
                        severity: Severity::$severity,
                        meaning: $meaning,
                        evidence: $evidence,
                        fix: $fix,
                    },)*
                }
            }
        }

        /// Every finding code, with what it means, what it is concluded from, and what to do.
        pub fn catalogue() -> &'static [CatalogueEntry] {
            const { &[$(FindingCode::$variant.entry(),)*] }
        }
    };
}
finding_catalogue!(codes);

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FindingCode {
    /// Whether it is about what is not known, or contradicts itself, and not about what was observed.
    pub fn is_gap(self) -> bool {
        match self {
            Self::EndpointNotVisible
            | Self::UnknownRouteState
            | Self::MissingPermission
            | Self::NoCredentials
            | Self::SettingsInvalid
            | Self::SettingIgnored
            | Self::MetadataUnavailable
            | Self::Ec2Unreachable
            | Self::MissingFact
            | Self::FactsDisagree
            | Self::StaleEvidence
            | Self::FactsUntrusted
            | Self::FactsUnsigned
            | Self::ProxyUnreadable
            | Self::EvidenceDisagrees
            | Self::TestimonyUnclear
            | Self::CoverageUnknown
            | Self::HopBeforeEndpoint
            | Self::TrustAnchor => true,
            Self::NoEndpoint
            | Self::EndpointNotAssociated
            | Self::EndpointNotAvailable
            | Self::EndpointPolicyDenies
            | Self::GateClosed
            | Self::PartlyDiverted
            | Self::Blackhole
            | Self::NoRoute
            | Self::NoPublicAddress
            | Self::OverlappingPrefixLists
            | Self::HostsFileOverride
            | Self::CustomEndpoint
            | Self::NameNotServed
            | Self::OtherRegion
            | Self::NameNotResolved
            | Self::ResolutionDiffers
            | Self::AddressNotInPrefixList
            | Self::ProxyConfigured
            | Self::LeavesByTunnel
            | Self::HostRouteDiverts
            | Self::PolicyRuleMayDivert
            | Self::OtherInterfaceOffNet
            | Self::ProbeFailed
            | Self::AccessDenied => false,
        }
    }
}
