//! VPCs, of which only the owners and the ranges matter.

use super::{
    super::super::{
        convert::{self, ConvertError},
        json::Text,
    },
    Checked, Ipv6Json, StateJson, checked, exact,
    exact::is_same_key,
    given, may_be_in_force, null_as_empty,
};
use crate::model::{AccountId, OwnRange, VpcId};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

/// A VPC.
pub(in super::super) struct ListedVpc {
    pub(in super::super) owner: Option<(VpcId, AccountId)>,
    /// The ranges that are in effect, or about to be.
    pub(in super::super) ranges: Vec<OwnRange>,
}

impl ListedVpc {
    /// Adds the rows of `DescribeVpcs` among what is at `place`. Another tool's list of VPCs may hold anything.
    ///
    /// # Errors
    /// If a row or the list is not as EC2 writes it: a range that was skipped would be compared with nothing.
    pub(in super::super) fn all(value: &Value, place: &str, rows: &mut Vec<Self>) -> Result<(), String> {
        match value {
            Value::Array(items) => {
                let mut items = items.iter().enumerate();
                items.try_for_each(|(number, item)| Self::all(item, &format!("{place}[{number}]"), rows))
            }
            Value::Object(fields) if fields.iter().any(is_vpcs_id) => {
                if !place.ends_with(']') || place.contains("][") {
                    return Err(format!("{place}: a VPC (an object), where the AWS CLI writes a list of them"));
                }
                // From text as all other rows: code for another source of rows would be a second copy of it.
                let Checked(vpc) = serde_json::from_slice(value.to_string().as_bytes())
                    .map_err(|error| format!("{place}: {error}"))?;
                rows.push(vpc);
                Ok(())
            }
            Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }
}

/// Whether this is the id of a VPC, however its key is spelled.
fn is_vpcs_id((key, value): (&String, &Value)) -> bool {
    is_same_key(key, "VpcId") && value.as_str().is_some_and(|id| id.trim().to_ascii_lowercase().starts_with("vpc-"))
}

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "PascalCase", expecting = "a VPC (an object)")]
struct VpcJson<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    vpc_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    owner_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    cidr_block: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "null_as_empty")]
    cidr_block_association_set: Vec<Ipv4Json<'a>>,
    #[serde(borrow, default, deserialize_with = "null_as_empty")]
    ipv6_cidr_block_association_set: Vec<Ipv6Json<'a>>,
}
exact!(VpcJson borrows);

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "PascalCase", expecting = "an IPv4 range's association (an object)")]
struct Ipv4Json<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    cidr_block: Option<Text<'a>>,
    cidr_block_state: Option<StateJson<'a>>,
}
exact!(Ipv4Json borrows);

checked!(ListedVpc, VpcJson<'_>, |json| {
    let id = convert::required("VpcId", json.vpc_id.as_deref())?;
    let listed = json.cidr_block_association_set.iter();
    let listed = listed.filter_map(|row| may_be_in_force(row.cidr_block.as_deref(), row.cidr_block_state.as_ref()));
    let ipv4 = json.cidr_block.as_deref().into_iter().chain(listed).map(|range| convert::cidr("CidrBlock", range));
    let ipv6 = json
        .ipv6_cidr_block_association_set
        .iter()
        .filter_map(|row| may_be_in_force(row.ipv6_cidr_block.as_deref(), row.ipv6_cidr_block_state.as_ref()));
    let own = |range| OwnRange { vpc: id.into(), of: id.to_owned(), range };
    Ok(ListedVpc {
        owner: json.owner_id.as_deref().map(|owner| (id.into(), owner.into())),
        ranges: ipv4
            .chain(ipv6.map(|range| convert::cidr("Ipv6CidrBlock", range)))
            .map(|range| range.map(own))
            .collect::<Result<_, _>>()?,
    })
});
