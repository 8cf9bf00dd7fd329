//! The AWS CLI's JSON, as far as we use it. Everything is checked while it is read, so that an error has a place.

mod endpoints;
mod exact;
mod interfaces;
mod nat_gateways;
mod prefix_lists;
mod subnets;
mod tables;
mod vpcs;

use super::super::{
    convert::{self, ConvertError},
    json::Text,
};
use crate::model::{partition_of, possible, region_of_arn, regions};
use exact::exact;
use serde::{Deserialize, Deserializer, de::Error};

pub(super) use endpoints::ListedEndpoint;
pub(super) use interfaces::ListedInterface;
pub(super) use nat_gateways::ListedNatGateway;
pub(super) use prefix_lists::{ListedPrefixList, Lists};
pub(super) use subnets::ListedSubnet;
pub(super) use tables::{ListedTable, ReadTable, Unclear};
pub(super) use vpcs::ListedVpc;

/// One of our types, read from the CLI's shape of it.
pub(super) struct Checked<T>(pub(super) T);

/// Reads `$raw`, turns it into `$ours` by `$convert`, and gives an error the place it was found at.
macro_rules! checked {
    ($ours:ty, $raw:ty, $convert:expr) => {
        impl<'de> Deserialize<'de> for Checked<$ours> {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let convert: fn($raw) -> Result<$ours, ConvertError> = $convert;
                convert(<$raw as Deserialize>::deserialize(from)?).map(Self).map_err(D::Error::custom)
            }
        }
    };
}
use checked;

/// A list, or `null`: what Go, jq and .NET write for an empty one. A row that is `null` is none that can be passed over.
fn null_as_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(items(from)?.unwrap_or_default())
}

/// A list, where there is one.
pub(super) fn items<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Vec<T>>, D::Error> {
    Option::deserialize(from)
}

/// A list, where there is the key.
fn null_as_no_items<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Vec<T>>, D::Error> {
    null_as_empty(from).map(Some)
}

fn null_as_false<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(false))
}

/// A text, unless it is empty: as some tools write what is absent.
fn any_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Text<'de>>, D::Error> {
    Ok(Option::<Text<'de>>::deserialize(from)?.filter(|text| !text.is_empty()))
}

/// A state. Empty it is not absent, but one that nobody knows.
fn state<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Text<'de>>, D::Error> {
    Option::<Text<'de>>::deserialize(from)?.map(unpadded).transpose()
}

/// The same of an id or a word of the API, which EC2 writes in printable ASCII without spaces. One that somebody changed matches nothing:
/// the association of `"subnet-0a "` would leave `subnet-0a` to the main route table.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Text<'de>>, D::Error> {
    any_text(from)?.map(unpadded).transpose()
}

fn unpadded<E: Error>(text: Text<'_>) -> Result<Text<'_>, E> {
    let bytes = text.as_bytes();
    let is_padded = bytes.first() == Some(&b' ') || bytes.last() == Some(&b' ');
    // A folder has millions of these: no comparison is made that the first letter decides.
    if !is_padded && bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        let begins = |kind: &[u8]| bytes.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind));
        let is_id = match bytes.first() {
            Some(b's' | b'S') => begins(b"subnet-"),
            Some(b'r' | b'R') => begins(b"rtb-"),
            Some(b'v' | b'V') => begins(b"vpc-") || begins(b"vpce-"),
            Some(b'p' | b'P') => begins(b"pl-"),
            Some(b'e' | b'E') => begins(b"eni-"),
            _ => false,
        };
        return if is_id { possible(&text).map(|()| text).map_err(E::custom) } else { Ok(text) };
    }
    Err(E::custom(match text.trim() {
        trimmed if trimmed.is_ascii() => format!("{:?}, where EC2 writes {trimmed:?}: remove the spaces", &*text),
        _ => {
            let other = text.chars().find(|c| !c.is_ascii_graphic()).unwrap_or_default();
            let code = u32::from(other);
            format!("{:?} has the character U+{code:04X}, which EC2 does not write: save the output again", &*text)
        }
    }))
}

/// A list of ids.
fn ids<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Text<'de>>>, D::Error> {
    let ids: Option<Vec<Text<'de>>> = null_as_no_items(from)?;
    ids.map(|ids| ids.into_iter().map(unpadded).collect()).transpose()
}

/// A row of a listing.
pub(super) trait Row: PartialEq {
    /// Its id.
    fn id(&self) -> &str;

    /// Under what it is known: its id, where that is the only one of its kind.
    fn key(&self) -> String {
        self.id().to_owned()
    }

    /// What a listing may be limited to: the row's VPC, or its Region where it is of none.
    fn scope(&self) -> Option<&str>;

    /// Whether it is one that every whole answer about its VPC has: the main route table.
    fn is_main(&self) -> bool {
        false
    }

    /// Takes in what another file has of the same thing. Two files that differ cannot both be right.
    ///
    /// # Errors
    /// The field that differs.
    fn merge(&mut self, other: &Self) -> Result<(), &'static str>;
}

/// Whether two lists have the same items: EC2 promises no order.
fn same_items<T: PartialEq>(one: &[T], other: &[T]) -> bool {
    let count = |items: &[T], item: &T| items.iter().filter(|other| *other == item).count();
    one == other || (one.len() == other.len() && one.iter().all(|item| count(one, item) == count(other, item)))
}

/// Whether a field that some answers leave out does not differ. The first takes it from the other.
fn same_or_absent<T: Clone + PartialEq>(one: &mut Option<T>, other: &Option<T>) -> bool {
    agree_or_absent(one, other, |one, other| one == other)
}

/// The same of a list, in any order.
fn same_items_or_absent<T: Clone + PartialEq>(one: &mut Option<Vec<T>>, other: &Option<Vec<T>>) -> bool {
    agree_or_absent(one, other, |one, other| same_items(one, other))
}

fn agree_or_absent<T: Clone>(one: &mut Option<T>, other: &Option<T>, agree: fn(&T, &T) -> bool) -> bool {
    let agree = one.as_ref().zip(other.as_ref()).is_none_or(|(one, other)| agree(one, other));
    *one = one.take().or_else(|| other.clone());
    agree
}

/// The same of a field that has a value of its own for what is left out.
fn same_unless<T: Clone + PartialEq>(one: &mut T, other: &T, is_absent: fn(&T) -> bool) -> bool {
    if is_absent(one) {
        one.clone_from(other);
    }
    is_absent(other) || one == other
}

/// The same of a list, in any order, and of whether it is there.
fn same_list<T: Clone + PartialEq>(has_one: &mut bool, one: &mut Vec<T>, has_other: bool, other: &[T]) -> bool {
    if !*has_one && has_other {
        *one = other.to_vec();
    }
    let agree = !(*has_one && has_other) || same_items(one, other);
    *has_one |= has_other;
    agree
}

/// The first field that differs, of fields with whether they are equal.
fn all_equal<const N: usize>(fields: [(&'static str, bool); N]) -> Result<(), &'static str> {
    fields.into_iter().find(|(_, equal)| !equal).map_or(Ok(()), |(field, _)| Err(field))
}

/// Compares the partition of an ARN with that of the Region in it, where that is known.
fn same_partition(field: &'static str, arn: Option<&str>) -> Result<(), ConvertError> {
    let partition = arn.and_then(|arn| arn.split(':').nth(1));
    let of_region = arn.and_then(region_of_arn).and_then(partition_of);
    convert::same((field, partition), ("that of the Region in it", of_region))
}

/// The Region that a name holds.
fn region_of_name(name: &str) -> Option<&str> {
    regions(std::iter::once(name)).into_keys().next()
}

/// The id at the end of an ARN.
fn id_of_arn(arn: &str) -> Option<&str> {
    arn.rsplit_once('/').map(|(_, id)| id)
}

fn unwrapped<T>(checked: Vec<Checked<T>>) -> Vec<T> {
    checked.into_iter().map(|Checked(value)| value).collect()
}

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "PascalCase", expecting = "a state (an object)")]
struct StateJson<'a> {
    #[serde(borrow, default, deserialize_with = "state")]
    state: Option<Text<'a>>,
}
exact!(StateJson borrows);

impl StateJson<'_> {
    /// The word; an object without one is not an absent state.
    fn word(&self) -> &str {
        self.state.as_deref().unwrap_or_default()
    }
}

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "PascalCase", expecting = "an IPv6 range's association (an object)")]
struct Ipv6Json<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    ipv6_cidr_block: Option<Text<'a>>,
    ipv6_cidr_block_state: Option<StateJson<'a>>,
}
exact!(Ipv6Json borrows);

impl Ipv6Json<'_> {
    /// Ranges that were given back stay listed for a while.
    fn in_force(&self) -> Option<&str> {
        in_force(self.ipv6_cidr_block.as_deref(), self.ipv6_cidr_block_state.as_ref())
    }
}

/// A range, unless its state says that it has gone, or never came.
fn may_be_in_force<'r>(range: Option<&'r str>, state: Option<&StateJson<'_>>) -> Option<&'r str> {
    range.filter(|_| convert::may_be_in_effect(state.map(StateJson::word)))
}

/// A range, unless its state says that it is not in effect.
fn in_force<'r>(range: Option<&'r str>, state: Option<&StateJson<'_>>) -> Option<&'r str> {
    range.filter(|_| convert::in_effect(state.map(StateJson::word)))
}
