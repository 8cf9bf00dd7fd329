//! What can be said of one address or range: its path, or why there is none.

use super::{InternetGatewayId, Missing, Path, PathKind, TargetId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why packets are dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Drop {
    /// No route of the VPC matches.
    NoRoute,
    /// The winning route's target is gone. It does not fall through to the next.
    Blackhole {
        /// The missing target.
        target: TargetId,
    },
    /// The path is an internet gateway, but the source address has no public IPv4 address.
    NoPublicAddress {
        /// The gateway.
        target: InternetGatewayId,
    },
    /// The instance's own kernel has no route.
    NoKernelRoute {
        /// The kernel's reason.
        detail: String,
    },
}

/// What the evidence supports about one address or range. Never a guess.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "VerdictJson", into = "VerdictJson")]
#[schemars(with = "VerdictJson")]
pub enum Verdict {
    /// One route wins.
    Via(Path),
    /// Packets go nowhere.
    Dropped(Drop),
    /// Routes tie and AWS does not say which wins.
    Ambiguous(Vec<Path>),
    /// A fact is missing that could change the answer.
    Undetermined(Vec<Missing>),
}

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute => f.write_str("no route matches"),
            Self::Blackhole { target } => write!(f, "the winning route is a blackhole: {target} is gone"),
            Self::NoPublicAddress { target } => {
                write!(f, "internet gateway {target} is the path, but the source address has no public IPv4 address")
            }
            Self::NoKernelRoute { detail } => write!(f, "the instance's own kernel has no route: {detail}"),
        }
    }
}

impl Verdict {
    /// The verdict as a label: `via`, `dropped`, `ambiguous`, `undetermined`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Via(_) => "via",
            Self::Dropped(_) => "dropped",
            Self::Ambiguous(_) => "ambiguous",
            Self::Undetermined(_) => "undetermined",
        }
    }

    /// The path, where one route wins.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Via(path) => Some(path),
            Self::Dropped(_) | Self::Ambiguous(_) | Self::Undetermined(_) => None,
        }
    }

    /// Whether traffic is carried by a DynamoDB VPC endpoint.
    pub fn is_on_net(&self) -> bool {
        self.path().is_some_and(|path| path.is_dynamodb_endpoint)
    }

    /// Whether traffic goes through something that is not a DynamoDB VPC endpoint.
    pub fn is_off_net(&self) -> bool {
        self.path().is_some_and(|path| !path.is_dynamodb_endpoint)
    }
}

/// A verdict as the JSON contracts have it: flat, with the path and target beside it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Verdict")]
struct VerdictJson {
    /// The verdict.
    verdict: VerdictKind,
    /// The kind of the path; null unless the verdict is `via`.
    path: Option<PathKind>,
    /// The id of the target of the winning route, also of a blackhole; null if there is none.
    target: Option<String>,
    /// Whether that is a VPC endpoint of the Region's DynamoDB service.
    #[serde(default)]
    is_dynamodb_endpoint: bool,
    /// The service of the endpoint, if the path is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    /// The API's field, for path `other`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Why packets are dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dropped: Option<Drop>,
    /// The paths that tie.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tied: Vec<Path>,
    /// The facts that are missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    missing: Vec<Missing>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum VerdictKind {
    Via,
    Dropped,
    Ambiguous,
    Undetermined,
}

impl From<Verdict> for VerdictJson {
    fn from(verdict: Verdict) -> Self {
        let blank = |kind| Self {
            verdict: kind,
            path: None,
            target: None,
            is_dynamodb_endpoint: false,
            service: None,
            field: None,
            dropped: None,
            tied: Vec::new(),
            missing: Vec::new(),
        };
        match verdict {
            Verdict::Via(path) => Self {
                path: Some(path.kind()),
                field: path.target.field().map(str::to_owned),
                target: Some(path.target.to_string()),
                is_dynamodb_endpoint: path.is_dynamodb_endpoint,
                service: path.service,
                ..blank(VerdictKind::Via)
            },
            Verdict::Dropped(drop) => {
                let target = match &drop {
                    Drop::Blackhole { target } => Some(target.to_string()),
                    Drop::NoPublicAddress { target } => Some(target.to_string()),
                    Drop::NoRoute | Drop::NoKernelRoute { .. } => None,
                };
                Self { target, dropped: Some(drop), ..blank(VerdictKind::Dropped) }
            }
            Verdict::Ambiguous(tied) => Self { tied, ..blank(VerdictKind::Ambiguous) },
            Verdict::Undetermined(missing) => Self { missing, ..blank(VerdictKind::Undetermined) },
        }
    }
}

impl From<VerdictJson> for Verdict {
    fn from(json: VerdictJson) -> Self {
        let target = json.path.zip(json.target).and_then(|(kind, target)| kind.target(target, json.field));
        match (json.verdict, target, json.dropped) {
            (VerdictKind::Via, Some(target), _) => {
                let (service, is_dynamodb_endpoint) = (json.service, json.is_dynamodb_endpoint);
                Self::Via(Path { target, service, is_dynamodb_endpoint })
            }
            (VerdictKind::Dropped, _, Some(drop)) => Self::Dropped(drop),
            (VerdictKind::Ambiguous, ..) => Self::Ambiguous(json.tied),
            // Also a `via` without a path and a `dropped` without a reason: fail closed.
            (VerdictKind::Via | VerdictKind::Dropped | VerdictKind::Undetermined, ..) => {
                Self::Undetermined(json.missing)
            }
        }
    }
}
