//! Subnets.

use super::{
    super::super::{
        convert::{self, ConvertError},
        json::Text,
    },
    Checked, Ipv6Json, Row, all_equal, checked, exact, given, id_of_arn, null_as_no_items, same_list, same_or_absent,
    same_partition,
};
use crate::model::{Subnet, account_of_arn, is_account_id, region_of_arn, region_of_zone};
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error};

/// A subnet, and whether its range of IPv4 addresses is known.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct ListedSubnet {
    pub(in super::super) subnet: Subnet,
    pub(in super::super) whole: bool,
    /// The Region it is in, by its zone or its ARN.
    pub(in super::super) region: Option<String>,
    /// Whether the answer has the list of its IPv6 ranges.
    has_ipv6_list: bool,
    /// As the answer has them, if it has.
    ipv6_native: Option<bool>,
}

impl Row for ListedSubnet {
    fn id(&self) -> &str {
        self.subnet.id.as_str()
    }

    fn scope(&self) -> Option<&str> {
        Some(self.subnet.vpc.as_str())
    }

    fn merge(&mut self, other: &Self) -> Result<(), &'static str> {
        let (one, two) = (&mut self.subnet, &other.subnet);
        let of_family = |ranges: &[IpNet], is_ipv4| -> Vec<IpNet> {
            ranges.iter().filter(|range| range.addr().is_ipv4() == is_ipv4).copied().collect()
        };
        let lists = [(self.has_ipv6_list, one.without_ipv6), (other.has_ipv6_list, two.without_ipv6)];
        let [mut ipv4, mut ipv6] = [true, false].map(|is_ipv4| of_family(&one.cidrs, is_ipv4));
        let ipv4_agree = same_list(&mut self.whole, &mut ipv4, other.whole, &of_family(&two.cidrs, true));
        let other_ipv6 = of_family(&two.cidrs, false);
        let ipv6_agree = same_list(&mut self.has_ipv6_list, &mut ipv6, other.has_ipv6_list, &other_ipv6);
        one.cidrs = [ipv4, ipv6].concat();
        let native = same_or_absent(&mut self.ipv6_native, &other.ipv6_native);
        let dns64 = same_or_absent(&mut one.dns64, &two.dns64);
        one.ipv6_native = self.ipv6_native == Some(true);
        // Each list that is there must be empty: a range that is changing is in one alone.
        let mut lists = lists.into_iter().filter(|(has_list, _)| *has_list).map(|(_, is_empty)| is_empty).peekable();
        one.without_ipv6 = !one.ipv6_native && lists.peek().is_some() && lists.all(|is_empty| is_empty);
        all_equal([
            ("VpcId", one.vpc == two.vpc),
            ("OwnerId", same_or_absent(&mut one.owner, &two.owner)),
            ("AvailabilityZone", same_or_absent(&mut one.availability_zone, &two.availability_zone)),
            ("Ipv6Native", native),
            ("EnableDns64", dns64),
            ("AvailabilityZone", same_or_absent(&mut self.region, &other.region)),
            ("CidrBlock", ipv4_agree),
            ("Ipv6CidrBlockAssociationSet", ipv6_agree),
        ])
    }
}

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "PascalCase", expecting = "a subnet (an object)")]
struct SubnetJson<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    subnet_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    vpc_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    availability_zone: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    subnet_arn: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    owner_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    cidr_block: Option<Text<'a>>,
    ipv6_native: Option<bool>,
    enable_dns64: Option<bool>,
    /// `None` without the key; `null` is an empty list.
    #[serde(borrow, default, deserialize_with = "null_as_no_items")]
    ipv6_cidr_block_association_set: Option<Vec<Ipv6Json<'a>>>,
}
exact!(SubnetJson borrows);

checked!(ListedSubnet, SubnetJson<'_>, |json| {
    let whole = json.cidr_block.is_some() || json.ipv6_native == Some(true);
    let of_zone = json.availability_zone.as_deref().and_then(region_of_zone);
    let of_arn = json.subnet_arn.as_deref().and_then(region_of_arn);
    same_partition("the partition of SubnetArn", json.subnet_arn.as_deref())?;
    convert::same(("the Region of SubnetArn", of_arn), ("that of AvailabilityZone", of_zone))?;
    let id_of_arn = json.subnet_arn.as_deref().and_then(id_of_arn);
    convert::same(("the id in SubnetArn", id_of_arn), ("SubnetId", json.subnet_id.as_deref()))?;
    let owner_of_arn = json.subnet_arn.as_deref().and_then(account_of_arn);
    // AWS's own examples have an OwnerId of 13 digits, which is no account.
    let owner = json.owner_id.as_deref().filter(|owner| is_account_id(owner));
    convert::same(("the account of SubnetArn", owner_of_arn), ("OwnerId", owner))?;
    if let (Some(true), Some(block)) = (json.ipv6_native, json.cidr_block.as_deref()) {
        let (value, against) = ("true".to_owned(), block.to_owned());
        return Err(ConvertError::Contradiction { one: "Ipv6Native", value, other: "CidrBlock", against });
    }
    let region = of_zone.or(of_arn).map(str::to_owned);
    let ipv4 = json.cidr_block.as_deref().map(|block| convert::cidr("CidrBlock", block));
    let ipv6 = json.ipv6_cidr_block_association_set.iter().flatten().filter_map(Ipv6Json::in_force);
    let subnet = Subnet {
        id: convert::required("SubnetId", json.subnet_id.as_deref())?.into(),
        vpc: convert::required("VpcId", json.vpc_id.as_deref())?.into(),
        availability_zone: json.availability_zone.as_deref().map(str::to_owned),
        owner: json.owner_id.as_deref().or(owner_of_arn).map(Into::into),
        cidrs: ipv4
            .into_iter()
            .chain(ipv6.map(|block| convert::cidr("Ipv6CidrBlock", block)))
            .collect::<Result<_, _>>()?,
        ipv6_native: json.ipv6_native == Some(true),
        // Ranges in any state count: one may have been in effect a moment ago.
        without_ipv6: json.ipv6_native != Some(true)
            && json.ipv6_cidr_block_association_set.as_ref().is_some_and(Vec::is_empty),
        dns64: json.enable_dns64,
    };
    let has_ipv6_list = json.ipv6_cidr_block_association_set.is_some();
    Ok(ListedSubnet { subnet, whole, region, has_ipv6_list, ipv6_native: json.ipv6_native })
});
