//! Short forms: one line of text for a reason, a route, an association, a moment.

use onnet_core::model::{
    AssociatedWith, Association, AssociationState, Destination, EndpointState, EndpointType, Gap, Observed, Origin,
    Route, RouteState, Seconds, Target, Timestamp,
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;
use std::{net::IpAddr, str::FromStr, time::Duration};

/// The time at which every round begins.
pub(super) fn taken_at() -> Timestamp {
    serde_json::from_value(Value::from("2026-11-22T09:00:00Z")).unwrap_or_else(|error| panic!("{error}"))
}

/// A fact that was observed at the start of the round.
pub(super) fn observed<T>(value: T) -> Observed<T> {
    Observed::Seen { value, at: taken_at(), took: Duration::from_millis(10).into() }
}

/// A fact, or why it is missing.
#[derive(Clone)]
pub(super) enum Fact<T> {
    Is(T),
    Gap(Gap),
}

impl<T> Fact<T> {
    /// The fact of the snapshot.
    pub(super) fn observed<U>(self, convert: impl FnOnce(T) -> Result<U, String>) -> Result<Observed<U>, String> {
        Ok(match self {
            Self::Is(value) => observed(convert(value)?),
            Self::Gap(gap) => Observed::Unseen(gap),
        })
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Fact<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        let gap = value.as_str().map_or(Ok(None), gap).map_err(serde::de::Error::custom)?;
        gap.map_or_else(|| super::from_value(value).map(Self::Is), |gap| Ok(Self::Gap(gap)))
            .map_err(serde::de::Error::custom)
    }
}

/// The reason that `text` gives for a missing fact; `None` if it is not one.
fn gap(text: &str) -> Result<Option<Gap>, String> {
    let after = |word: &str| text.strip_prefix(word).filter(|rest| rest.is_empty() || rest.starts_with(' '));
    let detail = |rest: &str| match rest.trim() {
        "" => Err(format!("{text:?}: what follows?")),
        detail => Ok(detail.to_owned()),
    };
    Ok(Some(if let Some(rest) = after("denied") {
        Gap::Denied { action: detail(rest)? }
    } else if let Some(rest) = after("timed out") {
        Gap::TimedOut { after: duration(rest)? }
    } else if let Some(rest) = after("unreachable") {
        Gap::Unreachable { detail: detail(rest)? }
    } else if let Some(rest) = after("throttled") {
        Gap::Throttled { detail: detail(rest)? }
    } else if let Some(rest) = after("malformed") {
        Gap::Malformed { detail: detail(rest)? }
    } else if let Some(rest) = after("truncated") {
        Gap::Truncated { detail: detail(rest)? }
    } else if let Some(rest) = after("over limit") {
        over_limit(rest)?
    } else if let Some(rest) = after("redirected") {
        let (status, request) =
            rest.trim().split_once(' ').ok_or_else(|| format!("{text:?}: expected `307 REQUEST`"))?;
        Gap::Redirected { request: request.to_owned(), status: parse(status)? }
    } else if let Some(rest) = after("conflicting") {
        let (one, other) =
            rest.trim().split_once(", but ").ok_or_else(|| format!("{text:?}: expected `ONE, but OTHER`"))?;
        Gap::Conflicting { one: one.to_owned(), other: other.to_owned() }
    } else if let Some(rest) = after("failed") {
        Gap::Failed { detail: detail(rest)? }
    } else if let Some(rest) = after("credentials") {
        Gap::Credentials { detail: detail(rest)? }
    } else if let Some(rest) = after("settings") {
        Gap::Settings { detail: detail(rest)? }
    } else if let Some(rest) = after("disabled") {
        Gap::Disabled { detail: detail(rest)? }
    } else if let Some(rest) = after("not found") {
        Gap::NotFound { detail: detail(rest)? }
    } else if let Some(rest) = after("untrusted") {
        Gap::Untrusted { detail: detail(rest)? }
    } else if let Some(rest) = after("not tried because") {
        Gap::NotTried { because: detail(rest)? }
    } else {
        return Ok(None);
    }))
}

/// `41 pages of ec2:DescribeRouteTables, at most 40`.
fn over_limit(text: &str) -> Result<Gap, String> {
    let read = |text: &str| {
        let (what, allowed) = text.split_once(", at most ")?;
        let (found, limit) = what.split_once(' ')?;
        Some(Gap::OverLimit { limit: limit.to_owned(), allowed: allowed.parse().ok()?, found: found.parse().ok()? })
    };
    read(text.trim()).ok_or_else(|| format!("{text:?}: expected `41 pages of ec2:DescribeRouteTables, at most 40`"))
}

/// A typing error in a reason must not count as a name.
pub(super) fn word(text: String) -> Result<String, String> {
    if text.contains(' ') { Err(format!("{text:?}: neither a name nor a reason")) } else { Ok(text) }
}

/// An id of this kind.
pub(super) fn id<T: From<String>>(kind: &str, text: String) -> Result<T, String> {
    if text.starts_with(kind) && !text.contains(' ') {
        Ok(text.into())
    } else {
        Err(format!("{text:?}: expected `{kind}…`"))
    }
}

pub(super) fn duration(text: &str) -> Result<Seconds, String> {
    humantime::parse_duration(text.trim()).map(Seconds::from).map_err(|error| format!("{text:?}: {error}"))
}

/// `30m ago` or `in 1h`.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Moment(pub(super) Timestamp);

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(ago) = text.strip_suffix(" ago") {
            return Ok(Self(taken_at().minus(duration(ago)?.as_duration())));
        }
        let later = text.strip_prefix("in ").ok_or_else(|| format!("{text:?}: expected `30m ago` or `in 1h`"))?;
        Ok(Self(taken_at().plus(duration(later)?.as_duration())))
    }
}

/// Reads a field that has a documented set of values; any other value must be marked: `undocumented asleep`.
fn documented<T: DeserializeOwned>(text: &str, is_other: fn(&T) -> bool) -> Result<T, String> {
    let marked = text.strip_prefix("undocumented ");
    let word = marked.unwrap_or(text);
    let value = serde_json::from_value(Value::from(word)).map_err(|error| format!("{word:?}: {error}"))?;
    match (is_other(&value), marked.is_some()) {
        (true, false) => Err(format!("{word:?}: AWS documents no such value; if it is meant, `undocumented {word}`")),
        (false, true) => Err(format!("{word:?}: not undocumented")),
        (true, true) | (false, false) => Ok(value),
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct TypeText(pub(super) EndpointType);

impl TryFrom<String> for TypeText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        documented(&text, |kind| matches!(kind, EndpointType::Other(_))).map(Self)
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct StateText(pub(super) EndpointState);

impl TryFrom<String> for StateText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        documented(&text, |state| matches!(state, EndpointState::Other(_))).map(Self)
    }
}

/// `main`, `subnet-0a changing`, `igw-0a`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct AssociationText(pub(super) Association);

impl TryFrom<String> for AssociationText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (with, state) = text.split_once(' ').unwrap_or((&text, "associated"));
        let with = match with.split_once('-').map_or(with, |(kind, _)| kind) {
            "main" => AssociatedWith::Main,
            "subnet" => AssociatedWith::Subnet(with.into()),
            "igw" | "vgw" => AssociatedWith::Gateway(with.to_owned()),
            "ipv4pool" => AssociatedWith::PublicIpv4Pool(with.to_owned()),
            _ => return Err(format!("{text:?}: expected `main`, a subnet, a gateway, or a pool")),
        };
        let state = documented(state, |state| matches!(state, AssociationState::Other(_)))?;
        Ok(Self(Association { with, state }))
    }
}

/// `eni-0e 172.31.48.9`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct InterfaceText(pub(super) onnet_core::model::EndpointInterface);

impl TryFrom<String> for InterfaceText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut words = text.split(' ');
        let id = id("eni-", words.next().unwrap_or_default().to_owned())?;
        let addresses = words.map(parse).collect::<Result<_, _>>()?;
        Ok(Self(onnet_core::model::EndpointInterface { id, addresses }))
    }
}

/// A change to the routes of a table.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) enum RouteChange {
    Set(Route),
    Remove(Destination),
}

impl TryFrom<String> for RouteChange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = |error| format!("{text:?}: {error}");
        if let Some(gone) = text.strip_prefix("no ") {
            return destination(gone).map(Self::Remove).map_err(wrong);
        }
        let (from, to) = text
            .split_once(" -> ")
            .or_else(|| text.split_once(" → "))
            .ok_or_else(|| wrong("expected `DESTINATION -> TARGET` or `no DESTINATION`".to_owned()))?;
        let (to, rest) = to.split_once(' ').unwrap_or((to, ""));
        let target = target(to).map_err(wrong)?;
        let origin = if target == Target::Local { Origin::CreateRouteTable } else { Origin::CreateRoute };
        let destination = destination(from).map_err(wrong)?;
        let mut route = Route { destination, target, origin, state: RouteState::Active, family: None };
        let mut words = rest.split(' ').filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            match word {
                "propagated" => route.origin = Origin::EnableVgwRoutePropagation,
                "advertised" => route.origin = Origin::Advertisement,
                "created_with_table" => route.origin = Origin::CreateRouteTable,
                "blackhole" => route.state = RouteState::Blackhole,
                "filtered" => route.state = RouteState::Filtered,
                "stateless" => route.state = RouteState::Absent,
                "undocumented" => {
                    let state = format!("undocumented {}", words.next().unwrap_or_default());
                    route.state = documented(&state, |state| matches!(state, RouteState::Other(_))).map_err(wrong)?;
                }
                _ => return Err(wrong(format!("{word:?}: expected `propagated`, `blackhole`, …"))),
            }
        }
        Ok(Self::Set(route))
    }
}

fn destination(text: &str) -> Result<Destination, String> {
    if text.starts_with("pl-") { Ok(Destination::PrefixList(text.into())) } else { parse(text).map(Destination::Cidr) }
}

fn target(text: &str) -> Result<Target, String> {
    if let Some((field, value)) = text.split_once('=') {
        return Ok(Target::Other { field: field.to_owned(), value: value.to_owned() });
    }
    if text.starts_with("arn:") && text.contains(":core-network/") {
        return Ok(Target::CoreNetwork(text.into()));
    }
    Ok(match text.split_once('-').map_or(text, |(kind, _)| kind) {
        "local" => Target::Local,
        "vpce" => Target::VpcEndpoint(text.into()),
        "igw" => Target::InternetGateway(text.into()),
        "eigw" => Target::EgressOnlyInternetGateway(text.into()),
        "nat" => Target::NatGateway(text.into()),
        "tgw" => Target::TransitGateway(text.into()),
        "vgw" => Target::VirtualPrivateGateway(text.into()),
        "pcx" => Target::PeeringConnection(text.into()),
        "eni" => Target::NetworkInterface(text.into()),
        "i" => Target::Instance(text.into()),
        "lgw" => Target::LocalGateway(text.into()),
        "cagw" => Target::CarrierGateway(text.into()),
        _ => return Err(format!("{text:?} is not a target")),
    })
}

/// Reads a word; an error names it.
pub(super) fn parse<T: FromStr<Err: std::fmt::Display>>(word: &str) -> Result<T, String> {
    word.parse().map_err(|error| format!("{word:?}: {error}"))
}

/// `via 172.31.16.1 dev ens5 src 172.31.16.10 table 254`: words with a value each, as `ip route` prints them.
#[derive(Default)]
pub(super) struct IpRoute<'a> {
    pub(super) dev: Option<&'a str>,
    pub(super) via: Option<IpAddr>,
    pub(super) src: Option<IpAddr>,
    pub(super) table: Option<u32>,
    pub(super) proto: Option<&'a str>,
    pub(super) encap: Option<&'a str>,
}

impl<'a> IpRoute<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, String> {
        let mut route = Self::default();
        let mut words = text.split(' ').filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{text:?}: nothing follows {word}"))?;
            match word {
                "dev" => route.dev = Some(value),
                "via" => route.via = Some(parse(value)?),
                "src" => route.src = Some(parse(value)?),
                "table" => route.table = Some(parse(value)?),
                "proto" => route.proto = Some(value),
                "encap" => route.encap = Some(value),
                _ => {
                    let known = "`via`, `dev`, `src`, `table`, `proto` or `encap`";
                    return Err(format!("{text:?}: {word:?} is not {known}"));
                }
            }
        }
        Ok(route)
    }
}
