//! The instance's metadata service, version 2 only, by the AWS SDK's client.
//!
//! Three round trips, or four: the session token; what the instance is and which interfaces it has; every attribute of
//! every interface; and, only where an interface has several private addresses and a public one, which belongs to which.

use super::{
    aws::{TooLong, find_cause, is_timeout},
    limits::{ASSOCIATIONS_AT_A_TIME, INTERFACE_VALUES, INTERFACES_AT_A_TIME, NETWORK_INTERFACES, over},
    seen::{Stopwatch, chain},
};
use crate::model::{Gap, Instance, Interface, MacAddress, Observed, PublicAddress, is_account_id};
use aws_config::imds::{Client, client::error as sdk};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{orchestrator::HttpResponse, result::SdkError},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use ipnet::IpNet;
use std::{error::Error, net::IpAddr, str::FromStr, time::Duration};
use tokio::time::{sleep, timeout};

/// How long one answer may take, the token's included when there is none yet.
///
/// Shorter than the second that the SDK's client allows for connecting and for reading, because that client hides its
/// own timeouts in an opaque error. Silence is how a hop limit of 1 shows in a container, so it must be distinguished.
const ANSWER: Duration = Duration::from_millis(950);

/// How long the first answers together may take: off EC2 everything must end within two seconds.
const FIRST: Duration = Duration::from_millis(1800);

/// How long the answers about the network interfaces may take, and what each of these adds. The service is there by then: what
/// makes answers late is their number, where the processor time is limited.
const INTERFACES: Duration = FIRST;
const EACH_INTERFACE: Duration = Duration::from_millis(500);

/// Between two requests for the same.
const PAUSE: Duration = Duration::from_millis(100);

const TOKEN: &str = "/latest/api/token";

/// Why the instance is not known.
#[derive(Debug, thiserror::Error)]
pub enum ImdsError {
    /// No answer: not EC2, or a container behind a hop limit of 1.
    #[error("instance metadata did not answer {path} within {after:?} (a container needs a hop limit of 2)")]
    Silent {
        /// What was asked for.
        path: String,
        /// How long we waited.
        after: Duration,
    },
    /// No connection, or one that broke.
    #[error("instance metadata cannot be reached for {path}")]
    Unreachable {
        /// What was asked for.
        path: String,
        /// How it failed.
        #[source]
        cause: BoxError,
    },
    /// Answered with more than any answer holds.
    #[error("instance metadata answers {path} without an end")]
    TooLong {
        /// What was asked for.
        path: String,
        /// How long an answer may be.
        #[source]
        cause: TooLong,
    },
    /// Answered with more values than are accepted.
    #[error("instance metadata answers {path} with {found} values, more than {allowed}")]
    TooMany {
        /// What was asked for.
        path: String,
        /// How many values are accepted.
        allowed: usize,
        /// How many there are.
        found: usize,
    },
    /// Answered with an error status.
    #[error("instance metadata answered {path} with HTTP {status}")]
    Status {
        /// What was asked for.
        path: String,
        /// The HTTP status.
        status: u16,
    },
    /// Answered with something else than was asked for.
    #[error("instance metadata answered {path} with {found}, not with {expected}")]
    Malformed {
        /// What was asked for.
        path: String,
        /// What should have come.
        expected: &'static str,
        /// The beginning of the answer.
        found: String,
    },
}

impl ImdsError {
    /// The error as the reason for a missing fact.
    pub fn gap(&self) -> Gap {
        const OFF: &str = "instance metadata is disabled, or not available to this user or container (hop limit 1)";
        let detail = || chain(self);
        match self {
            Self::Silent { after, .. } => Gap::TimedOut { after: (*after).into() },
            Self::Unreachable { .. } => Gap::Unreachable { detail: detail() },
            Self::TooLong { path, cause } => cause.gap(path),
            Self::TooMany { path, allowed, found } => over(format!("values in the answer to {path}"), *allowed, *found),
            Self::Malformed { .. } => Gap::Malformed { detail: detail() },
            Self::Status { path, status: status @ (401 | 403) } => {
                Gap::Denied { action: format!("{path} (HTTP {status}): {OFF}") }
            }
            Self::Status { path, status: 404 } if path == TOKEN => {
                Gap::Disabled { detail: format!("{path} (HTTP 404): {OFF}") }
            }
            Self::Status { path, status: 404 } => Gap::NotFound { detail: path.clone() },
            Self::Status { path, status: status @ 300..=399 } => {
                Gap::Redirected { request: path.clone(), status: *status }
            }
            Self::Status { status: 429 | 503, .. } => Gap::Throttled { detail: detail() },
            Self::Status { .. } => Gap::Failed { detail: detail() },
        }
    }

    /// What the SDK's error means. A refused token comes as a cause of the request that wanted it.
    pub(super) fn new(path: &str, error: sdk::ImdsError) -> Self {
        if let sdk::ImdsError::ErrorResponse(answer) = &error {
            return Self::Status { path: path.to_owned(), status: answer.response().status().as_u16() };
        }
        if let Some(cause) = find_cause::<TooLong>(&error) {
            return Self::TooLong { path: path.to_owned(), cause: *cause };
        }
        // Of the two limits, that of the SDK's client may be the first on a busy machine.
        if is_timeout(&error) {
            return Self::Silent { path: path.to_owned(), after: ANSWER };
        }
        let cause = error.source();
        if let Some(SdkError::ServiceError(token)) =
            cause.and_then(|cause| cause.downcast_ref::<SdkError<sdk::TokenError, HttpResponse>>())
        {
            let (path, status) = (TOKEN.to_owned(), token.raw().status());
            return if status.is_success() {
                Self::Malformed { path, expected: "a session token", found: chain(&error) }
            } else {
                Self::Status { path, status: status.as_u16() }
            };
        }
        // The one failure of the SDK's that has neither an answer nor a connection's error to show.
        if cause.is_some_and(|cause| cause.to_string().contains("invalid UTF-8")) {
            return Self::Malformed { path: path.to_owned(), expected: "text", found: "bytes".to_owned() };
        }
        Self::Unreachable { path: path.to_owned(), cause: error.into() }
    }
}

/// The partition of the instance's Region: `aws`, `aws-cn`, `aws-us-gov`.
///
/// # Errors
/// If instance metadata does not answer, or has no such entry.
pub async fn partition(imds: &Client) -> Result<String, ImdsError> {
    Metadata { imds, again: false }.get("/latest/meta-data/services/partition").await
}

/// The instance, its network interfaces and their addresses. Ends within two seconds where nothing answers, and in a time that
/// grows with the number of interfaces where something does. `with_groups`: also their security groups.
pub async fn instance(imds: &Client, with_groups: bool) -> Result<Instance, ImdsError> {
    let imds = &Metadata { imds, again: false };
    let (macs, instance) = within(FIRST, identity(imds)).await?;
    let number = u32::try_from(macs.len()).unwrap_or(u32::MAX);
    let imds = &Metadata { again: true, ..*imds };
    let interfaces =
        stream::iter(macs).map(|mac| interface(imds, mac, with_groups)).buffered(INTERFACES_AT_A_TIME).try_collect();
    let mut interfaces: Vec<Interface> = within(INTERFACES + EACH_INTERFACE.saturating_mul(number), interfaces).await?;
    interfaces.sort_by_key(|interface| interface.device_number);
    Ok(Instance { interfaces, ..instance })
}

const MACS: &str = "/latest/meta-data/network/interfaces/macs/";

async fn within<T>(time: Duration, work: impl Future<Output = Result<T, ImdsError>>) -> Result<T, ImdsError> {
    let late = |_| Err(ImdsError::Silent { path: MACS.to_owned(), after: time });
    timeout(time, work).await.unwrap_or_else(late)
}

/// The hardware addresses of the network interfaces, and the instance without these.
async fn identity(imds: &Metadata<'_>) -> Result<(Vec<MacAddress>, Instance), ImdsError> {
    let availability_zone = async {
        let watch = Stopwatch::start();
        let zone = one(imds, "/latest/meta-data/placement/availability-zone", "a zone", is_word).await;
        Ok(watch.observed(zone.map_err(|error| error.gap())))
    };
    let mac = |line: &str| mac_address(line.trim_end_matches('/'));
    let (macs, id, region, availability_zone) = tokio::try_join!(
        some(imds, MACS, "hardware addresses", NETWORK_INTERFACES, mac),
        one(imds, "/latest/meta-data/instance-id", "an instance id", |text| is_id(text, "i-")),
        one(imds, "/latest/meta-data/placement/region", "a Region", is_word),
        availability_zone,
    )?;
    Ok((macs, Instance { id: id.into(), region, availability_zone, interfaces: Vec::new() }))
}

async fn interface(imds: &Metadata<'_>, mac: MacAddress, with_groups: bool) -> Result<Interface, ImdsError> {
    let at = |attribute: &str| format!("{MACS}{mac}/{attribute}");
    let watch = Stopwatch::start();

    let (number, id, subnet, vpc) = (at("device-number"), at("interface-id"), at("subnet-id"), at("vpc-id"));
    let (ipv4, ipv6, owner, groups) = (at("local-ipv4s"), at("ipv6s"), at("owner-id"), at("security-group-ids"));
    let (cidrs4, cidrs6, public) = (at("subnet-ipv4-cidr-block"), at("subnet-ipv6-cidr-blocks"), at("public-ipv4s"));
    let (prefix4, prefix6) = (at("ipv4-prefix"), at("ipv6-prefix"));
    let ranges = async |ipv4: &str, ipv6: &str, expected| {
        let both = tokio::try_join!(any(imds, ipv4, expected, parsed), any(imds, ipv6, expected, parsed));
        let ranges: Result<Vec<IpNet>, ImdsError> = both.map(|(ipv4, ipv6)| [ipv4, ipv6].concat());
        Ok(watch.observed(ranges.map_err(|error| error.gap())))
    };
    let owner = async {
        let account = one(imds, &owner, "an account", is_account).await;
        Ok(watch.observed(account.map(Into::into).map_err(|error| error.gap())))
    };
    let groups = async {
        if !with_groups {
            return Ok(Observed::Unseen(Gap::NotTried { because: "gates were not asked for".to_owned() }));
        }
        let groups = some(imds, &groups, "security groups", INTERFACE_VALUES, |text| is_id(text, "sg-")).await;
        let groups = groups.map(|groups| groups.into_iter().map(Into::into).collect());
        Ok(watch.observed(groups.map_err(|error| error.gap())))
    };
    let public = async { Ok(any(imds, &public, "addresses", parsed::<IpAddr>).await) };

    let (device_number, id, subnet, vpc, ipv4, ipv6, subnet_cidrs, owner, security_groups, prefixes, public) = tokio::try_join!(
        one(imds, &number, "a number", parsed::<u32>),
        one(imds, &id, "a network interface's id", |text| is_id(text, "eni-")),
        one(imds, &subnet, "a subnet's id", |text| is_id(text, "subnet-")),
        one(imds, &vpc, "a VPC's id", |text| is_id(text, "vpc-")),
        any(imds, &ipv4, "addresses", parsed::<IpAddr>),
        any(imds, &ipv6, "addresses", parsed::<IpAddr>),
        ranges(&cidrs4, &cidrs6, "CIDR blocks"),
        owner,
        groups,
        ranges(&prefix4, &prefix6, "prefixes"),
        public,
    )?;
    let public_addresses = match public {
        Ok(public) => associations(imds, &mac, &public, &ipv4).await,
        Err(error) => Err(error),
    };
    Ok(Interface {
        public_addresses: watch.observed(public_addresses.map_err(|error| error.gap())),
        id: id.into(),
        mac,
        device_number,
        subnet: subnet.into(),
        vpc: vpc.into(),
        addresses: [ipv4, ipv6].concat(),
        subnet_cidrs,
        owner,
        security_groups,
        prefixes,
    })
}

/// Which private address each public one stands for. Asked only where it does not follow.
async fn associations(
    imds: &Metadata<'_>,
    mac: &MacAddress,
    public: &[IpAddr],
    private: &[IpAddr],
) -> Result<Vec<PublicAddress>, ImdsError> {
    if let [private] = *private {
        return Ok(public.iter().map(|&public| PublicAddress { public, private }).collect());
    }
    let asked = public.iter().copied().map(|public| async move {
        let path = format!("{MACS}{mac}/ipv4-associations/{public}");
        let private = one(imds, &path, "an address", parsed).await?;
        Ok(PublicAddress { public, private })
    });
    stream::iter(asked).buffered(ASSOCIATIONS_AT_A_TIME).try_collect().await
}

/// One value.
async fn one<T>(
    imds: &Metadata<'_>,
    path: &str,
    expected: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, ImdsError> {
    let text = imds.get(path).await?;
    read(text.trim()).ok_or_else(|| malformed(path, expected, &text))
}

/// One value a line, at least one, and no more than are accepted.
async fn some<T>(
    imds: &Metadata<'_>,
    path: &str,
    expected: &'static str,
    allowed: usize,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, ImdsError> {
    let text = imds.get(path).await?;
    let found = text.lines().count();
    if found > allowed {
        return Err(ImdsError::TooMany { path: path.to_owned(), allowed, found });
    }
    let values: Option<Vec<T>> = text.lines().map(|line| read(line.trim())).collect();
    values.filter(|values| !values.is_empty()).ok_or_else(|| malformed(path, expected, &text))
}

/// One value a line. A 404 is how the service says that there is none.
async fn any<T>(
    imds: &Metadata<'_>,
    path: &str,
    expected: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, ImdsError> {
    match some(imds, path, expected, INTERFACE_VALUES, read).await {
        Err(ImdsError::Status { path: refused, status: 404 }) if refused == path => Ok(Vec::new()),
        result => result,
    }
}

/// Who is asked.
#[derive(Clone, Copy)]
struct Metadata<'c> {
    imds: &'c Client,
    /// Again where an answer is late: the service is known to answer, and the time that all answers have ends it.
    again: bool,
}

impl Metadata<'_> {
    async fn get(&self, path: &str) -> Result<String, ImdsError> {
        loop {
            match self.get_once(path).await {
                Err(ImdsError::Silent { .. }) if self.again => sleep(PAUSE).await,
                result => return result,
            }
        }
    }

    async fn get_once(&self, path: &str) -> Result<String, ImdsError> {
        // Boxed: the SDK's futures take kilobytes each, and dozens of them would overflow a thread's stack.
        match timeout(ANSWER, Box::pin(self.imds.get(path))).await {
            Ok(Ok(text)) => Ok(text.into()),
            Ok(Err(error)) => Err(ImdsError::new(path, error)),
            Err(_) => Err(ImdsError::Silent { path: path.to_owned(), after: ANSWER }),
        }
    }
}

fn malformed(path: &str, expected: &'static str, found: &str) -> ImdsError {
    let beginning: String = found.chars().take(60).collect();
    ImdsError::Malformed { path: path.to_owned(), expected, found: format!("{beginning:?}") }
}

fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// `us-east-1a`, `us-gov-west-1`: no space, no markup.
fn is_word(text: &str) -> Option<String> {
    let is_word = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_word.then(|| text.to_owned())
}

/// An id of AWS's: `eni-0123abcd`.
fn is_id(text: &str, prefix: &str) -> Option<String> {
    is_word(text).filter(|id| id.len() > prefix.len() && id.starts_with(prefix))
}

fn is_account(text: &str) -> Option<String> {
    is_account_id(text).then(|| text.to_owned())
}

fn mac_address(text: &str) -> Option<MacAddress> {
    let bytes: Vec<&str> = text.split(':').collect();
    let is_byte = |byte: &&str| byte.len() == 2 && byte.chars().all(|c| c.is_ascii_hexdigit());
    (bytes.len() == 6 && bytes.iter().all(is_byte)).then(|| MacAddress::from(text))
}
