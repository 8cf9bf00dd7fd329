//! Prefix lists and their entries.

use super::{
    super::super::{
        convert::{self, ConvertError},
        json::Text,
    },
    Checked, Row, all_equal, any_text, checked, exact, given, id_of_arn, region_of_name, same_items, same_or_absent,
    same_partition, state,
};
use crate::model::{Gap, ListFamily, PrefixListId, account_of_arn, region_of_arn};
use ipnet::IpNet;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny},
};
use serde_json::Value;

/// What a file says of prefix lists alone.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct Lists {
    prefix_lists: Option<Vec<Checked<ListedPrefixList>>>,
    entries: Option<Vec<Checked<IpNet>>>,
}

impl Lists {
    /// Every range of every list.
    pub(in super::super) fn ranges(self) -> impl Iterator<Item = IpNet> {
        let of_lists = self.prefix_lists.into_iter().flatten().filter_map(|Checked(list)| list.cidrs).flatten();
        of_lists.chain(self.entries.into_iter().flatten().map(|Checked(range)| range))
    }
}

/// A prefix list of either API: `DescribePrefixLists` has the ranges, `DescribeManagedPrefixLists` has not.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct ListedPrefixList {
    pub(in super::super) id: PrefixListId,
    pub(in super::super) name: Option<String>,
    pub(in super::super) cidrs: Option<Vec<IpNet>>,
    /// `AWS`, or a customer's account; one of the two APIs has it.
    pub(in super::super) owner: Option<String>,
    pub(in super::super) region: Option<String>,
    /// `IPv4` or `IPv6`.
    family: Option<String>,
    /// `create-complete`, `modify-in-progress`, …
    state: Option<String>,
    /// A customer's list has another with each change.
    version: Option<u64>,
    /// Whether a row of it is of `DescribeManagedPrefixLists`, which has the state of every list: by a key that the other API does not have.
    is_managed: bool,
}

impl ListedPrefixList {
    /// Whether AWS owns it, as far as that is known.
    pub(in super::super) fn is_of_aws(&self) -> bool {
        self.owner.as_deref().is_none_or(|owner| owner.eq_ignore_ascii_case("AWS"))
    }

    /// Why it may be another of DynamoDB's lists: EC2 names each, and those of AWS in lower case.
    pub(in super::super) fn unclear_name(&self) -> Option<Gap> {
        let id = &self.id;
        let Some(name) = self.name.as_deref().filter(|name| !name.trim().is_empty()) else {
            let detail = format!("{id} has no PrefixListName: it may be another of DynamoDB's");
            return self.is_of_aws().then_some(Gap::Truncated { detail });
        };
        let plain = name.trim().to_ascii_lowercase();
        let is_unclear =
            plain != name && (plain.starts_with("com.amazonaws.") || plain.starts_with("cn.com.amazonaws."));
        is_unclear.then(|| Gap::Malformed { detail: format!("{id} is named {name:?}, where EC2 writes {plain:?}") })
    }

    /// Its address family, where it is one that is known.
    pub(in super::super) fn family(&self) -> Option<ListFamily> {
        let is = |word: &str| self.family.as_deref().is_some_and(|family| family.eq_ignore_ascii_case(word));
        is("IPv4").then_some(ListFamily::Ipv4).or_else(|| is("IPv6").then_some(ListFamily::Ipv6))
    }

    /// Whether it has a state.
    pub(in super::super) fn has_state(&self) -> bool {
        self.state.is_some()
    }

    /// Why its entries may be others, now or in a moment. `states`: whether other lists have one.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ManagedPrefixList.html>
    pub(in super::super) fn changing(&self, states: bool) -> Option<Gap> {
        let Some(state) = self.state.as_deref().map(str::to_ascii_lowercase) else {
            let detail = format!("{} has no State, and other prefix lists have", self.id);
            return (states && self.is_managed).then_some(Gap::Truncated { detail });
        };
        match state.as_str() {
            "create-complete" | "modify-complete" | "restore-complete" => None,
            _ if state.ends_with("-in-progress") => {
                Some(Gap::Changing { what: format!("{}, whose state is {state}", self.id) })
            }
            "create-failed" | "modify-failed" | "restore-failed" | "delete-failed" | "delete-complete" => {
                let detail = format!("the state of {} is {state}: which entries are in effect is not known", self.id);
                Some(Gap::NotFound { detail })
            }
            other => {
                Some(Gap::UndocumentedValue { field: format!("the State of {}", self.id), value: other.to_owned() })
            }
        }
    }

    /// Why these cannot be its ranges: a list has those of one family, and it may say which.
    pub(in super::super) fn of_another_family(&self, ranges: &[IpNet]) -> Option<Gap> {
        let id = &self.id;
        let ipv6 = match self.family.as_deref() {
            Some(family) if family.eq_ignore_ascii_case("IPv4") => Some(false),
            Some(family) if family.eq_ignore_ascii_case("IPv6") => Some(true),
            Some(other) => {
                let field = format!("the AddressFamily of {id}");
                return Some(Gap::UndocumentedValue { field, value: other.to_owned() });
            }
            None => None,
        };
        let is_ipv6 = |range: &IpNet| matches!(range, IpNet::V6(_));
        let first = ranges.first()?;
        if let Some(ipv6) = ipv6.filter(|ipv6| is_ipv6(first) != *ipv6) {
            let one = format!("the AddressFamily of {id} is {}", if ipv6 { "IPv6" } else { "IPv4" });
            return Some(Gap::Conflicting { one, other: format!("it has the range {first}") });
        }
        let other = ranges.iter().find(|range| is_ipv6(range) != is_ipv6(first))?;
        let one = format!("{id} has the range {first}");
        Some(Gap::Conflicting { one, other: format!("it has {other}, and a list is of one address family") })
    }
}

impl Row for ListedPrefixList {
    fn id(&self) -> &str {
        self.id.as_str()
    }

    /// AWS gives one id to lists of different services in different Regions.
    fn key(&self) -> String {
        self.region.as_ref().map_or_else(|| self.id.to_string(), |region| format!("{} of {region}", self.id))
    }

    fn scope(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The two APIs give different facts of one prefix list: one its ranges, the other only its name.
    fn merge(&mut self, other: &Self) -> Result<(), &'static str> {
        let names = self.name.as_ref().zip(other.name.as_ref());
        let cidrs = self.cidrs.as_ref().zip(other.cidrs.as_ref());
        let owners = self.owner.as_ref().zip(other.owner.as_ref());
        let regions = self.region.as_ref().zip(other.region.as_ref());
        all_equal([
            ("PrefixListName", names.is_none_or(|(one, other)| one == other)),
            ("Cidrs", cidrs.is_none_or(|(one, other)| same_items(one, other))),
            ("OwnerId", owners.is_none_or(|(one, other)| one.eq_ignore_ascii_case(other))),
            ("Region", regions.is_none_or(|(one, other)| one == other)),
            ("AddressFamily", same_or_absent(&mut self.family, &other.family)),
            ("State", same_or_absent(&mut self.state, &other.state)),
            ("Version", same_or_absent(&mut self.version, &other.version)),
        ])?;
        self.is_managed |= other.is_managed;
        self.name = self.name.take().or_else(|| other.name.clone());
        self.cidrs = self.cidrs.take().or_else(|| other.cidrs.clone());
        self.owner = self.owner.take().or_else(|| other.owner.clone());
        self.region = self.region.take().or_else(|| other.region.clone());
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "PascalCase", expecting = "a prefix list (an object)")]
struct PrefixListJson<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    prefix_list_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "any_text")]
    prefix_list_name: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    prefix_list_arn: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    owner_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    address_family: Option<Text<'a>>,
    cidrs: Option<Vec<CidrJson>>,
    #[serde(borrow, default, deserialize_with = "state")]
    state: Option<Text<'a>>,
    #[serde(default)]
    version: Option<Value>,
    #[serde(default)]
    max_entries: Option<IgnoredAny>,
    #[serde(default)]
    state_message: Option<IgnoredAny>,
}
exact!(PrefixListJson borrows);

impl PrefixListJson<'_> {
    /// The Region, by the ARN (`arn:aws:ec2:us-east-1:aws:prefix-list/pl-…`) and by the name.
    fn region(&self) -> Result<Option<String>, ConvertError> {
        let of_arn = self.prefix_list_arn.as_deref().and_then(region_of_arn);
        let of_name = self.prefix_list_name.as_deref().and_then(region_of_name);
        same_partition("the partition of PrefixListArn", self.prefix_list_arn.as_deref())?;
        convert::same(("the Region of PrefixListArn", of_arn), ("that of PrefixListName", of_name))?;
        let id_of_arn = self.prefix_list_arn.as_deref().and_then(id_of_arn);
        convert::same(("the id in PrefixListArn", id_of_arn), ("PrefixListId", self.prefix_list_id.as_deref()))?;
        Ok(of_arn.or(of_name).map(str::to_owned))
    }

    /// The owner, by `OwnerId` and by the ARN, which has it in lower case.
    fn owner(&self) -> Result<Option<String>, ConvertError> {
        let of_arn = self.prefix_list_arn.as_deref().and_then(account_of_arn).map(str::to_ascii_lowercase);
        let owner = self.owner_id.as_deref().map(str::to_ascii_lowercase);
        convert::same(("the account of PrefixListArn", of_arn.as_deref()), ("OwnerId", owner.as_deref()))?;
        Ok(self.owner_id.as_deref().map(str::to_owned).or(of_arn))
    }
}

checked!(ListedPrefixList, PrefixListJson<'_>, |json| {
    Ok(ListedPrefixList {
        region: json.region()?,
        family: json.address_family.as_deref().map(str::to_owned),
        state: json.state.as_deref().map(str::to_owned),
        is_managed: json.owner_id.is_some()
            || json.address_family.is_some()
            || json.prefix_list_arn.is_some()
            || json.version.is_some()
            || json.max_entries.is_some()
            || json.state_message.is_some(),
        version: json.version.as_ref().and_then(|version| version.as_u64().or_else(|| version.as_str()?.parse().ok())),
        owner: json.owner()?,
        id: convert::required("PrefixListId", json.prefix_list_id.as_deref())?.into(),
        name: json.prefix_list_name.as_deref().map(str::to_owned),
        // None at all are none that were given: every list of AWS's has some.
        cidrs: json
            .cidrs
            .filter(|cidrs| !cidrs.is_empty())
            .map(|cidrs| cidrs.into_iter().map(|CidrJson(cidr)| cidr).collect()),
    })
});

/// A bare range, as `DescribePrefixLists` has them.
struct CidrJson(IpNet);

impl<'de> Deserialize<'de> for CidrJson {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(from)?;
        convert::cidr("Cidrs", &text).map(Self).map_err(D::Error::custom)
    }
}

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "PascalCase", expecting = "a prefix list's entry (an object)")]
struct EntryJson<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    cidr: Option<Text<'a>>,
}
exact!(EntryJson borrows);

checked!(IpNet, EntryJson<'_>, |json| convert::cidr("Cidr", convert::required("Cidr", json.cidr.as_deref())?));
