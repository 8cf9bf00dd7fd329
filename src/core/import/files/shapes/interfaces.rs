//! Network interfaces.

use super::{
    super::super::{
        convert::{self, ConvertError},
        json::Text,
    },
    Checked, Row, all_equal, any_text, checked, exact, given, null_as_empty, same_list, same_or_absent,
};
use crate::model::{AccountId, EndpointInterface, region_of_zone};
use serde::{Deserialize, Deserializer, de::Error};
use std::net::IpAddr;

/// A network interface, and what it says of itself besides.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct ListedInterface {
    pub(in super::super) interface: EndpointInterface,
    pub(in super::super) owner: Option<AccountId>,
    pub(in super::super) vpc: Option<String>,
    pub(in super::super) subnet: Option<String>,
    /// The Region of its zone.
    pub(in super::super) region: Option<String>,
    /// The endpoint that it is of, as EC2 describes it.
    pub(in super::super) endpoint: Option<String>,
    /// `InterfaceType`
    pub(in super::super) kind: Option<String>,
    /// The instance that it is attached to.
    pub(in super::super) instance: Option<String>,
    has_addresses: bool,
}

impl Row for ListedInterface {
    fn id(&self) -> &str {
        self.interface.id.as_str()
    }

    fn scope(&self) -> Option<&str> {
        self.vpc.as_deref()
    }

    fn merge(&mut self, other: &Self) -> Result<(), &'static str> {
        let addresses = same_list(
            &mut self.has_addresses,
            &mut self.interface.addresses,
            other.has_addresses,
            &other.interface.addresses,
        );
        all_equal([
            ("VpcId", same_or_absent(&mut self.vpc, &other.vpc)),
            ("SubnetId", same_or_absent(&mut self.subnet, &other.subnet)),
            ("OwnerId", same_or_absent(&mut self.owner, &other.owner)),
            ("AvailabilityZone", same_or_absent(&mut self.region, &other.region)),
            ("Description", same_or_absent(&mut self.endpoint, &other.endpoint)),
            ("InterfaceType", same_or_absent(&mut self.kind, &other.kind)),
            ("Attachment", same_or_absent(&mut self.instance, &other.instance)),
            ("PrivateIpAddresses and Ipv6Addresses", addresses),
        ])
    }
}

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "PascalCase", expecting = "a network interface (an object)")]
struct NetworkInterfaceJson<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    network_interface_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    vpc_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    owner_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    subnet_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    availability_zone: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "any_text")]
    description: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    interface_type: Option<Text<'a>>,
    #[serde(borrow)]
    attachment: Option<AttachmentJson<'a>>,
    private_ip_address: Option<IpAddr>,
    #[serde(default, deserialize_with = "null_as_empty")]
    private_ip_addresses: Vec<PrivateAddressJson>,
    #[serde(default, deserialize_with = "null_as_empty")]
    ipv6_addresses: Vec<Ipv6AddressJson>,
}
exact!(NetworkInterfaceJson borrows);

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "PascalCase", expecting = "an attachment (an object)")]
struct AttachmentJson<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    instance_id: Option<Text<'a>>,
}
exact!(AttachmentJson borrows);

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "PascalCase", expecting = "a private address (an object)")]
struct PrivateAddressJson {
    private_ip_address: Option<IpAddr>,
}
exact!(PrivateAddressJson);

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "PascalCase", expecting = "an IPv6 address (an object)")]
struct Ipv6AddressJson {
    ipv6_address: Option<IpAddr>,
}
exact!(Ipv6AddressJson);

checked!(ListedInterface, NetworkInterfaceJson<'_>, |json| {
    let ipv4 = json.private_ip_addresses.iter().filter_map(|address| address.private_ip_address);
    let ipv6 = json.ipv6_addresses.iter().filter_map(|address| address.ipv6_address);
    let mut addresses: Vec<IpAddr> = ipv4.collect();
    if let Some((primary, first)) = json.private_ip_address.zip(addresses.first())
        && !addresses.contains(&primary)
    {
        let (value, against) = (primary.to_string(), first.to_string());
        let (one, other) = ("PrivateIpAddress", "that in PrivateIpAddresses");
        return Err(ConvertError::Contradiction { one, value, other, against });
    }
    // The first of them, where somebody left the list out.
    addresses.extend(json.private_ip_address.filter(|primary| !addresses.contains(primary)));
    addresses.extend(ipv6);
    let of_endpoint = |text: &Text<'_>| text.strip_prefix("VPC Endpoint Interface ").map(str::to_owned);
    let owned = |text: &Option<Text<'_>>| text.as_deref().map(str::to_owned);
    Ok(ListedInterface {
        has_addresses: !addresses.is_empty(),
        interface: EndpointInterface {
            id: convert::required("NetworkInterfaceId", json.network_interface_id.as_deref())?.into(),
            addresses,
        },
        endpoint: json.description.as_ref().and_then(of_endpoint),
        region: json.availability_zone.as_deref().and_then(region_of_zone).map(str::to_owned),
        instance: json.attachment.as_ref().and_then(|attachment| owned(&attachment.instance_id)),
        kind: owned(&json.interface_type),
        subnet: owned(&json.subnet_id),
        vpc: owned(&json.vpc_id),
        owner: json.owner_id.as_deref().map(Into::into),
    })
});
