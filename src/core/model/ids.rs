//! A type for every identifier, so that a subnet cannot be passed for a VPC.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use std::fmt;

/// Whether it is the id of an account: twelve digits.
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether AWS can have written an id. One that somebody changed matches nothing: an association with `"subnet-0a "` or `"subnet-0A"` leaves
/// `subnet-0a` to the main route table.
///
/// # Errors
/// What it is.
pub(crate) fn possible(id: &str) -> Result<(), String> {
    let (kind, number) = id.split_once('-').unwrap_or_default();
    let is_upper = |text: &str| text.bytes().any(|byte| byte.is_ascii_uppercase());
    // As in AWS's own examples.
    let is_example = number.strip_suffix("EXAMPLE").is_some_and(|number| !is_upper(number));
    let is_of_kind =
        kind.bytes().all(|byte| byte.is_ascii_alphabetic()) && number.bytes().all(|b| b.is_ascii_alphanumeric());
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        Err(format!("{id:?} is not an id of AWS"))
    } else if is_of_kind && (is_upper(kind) || is_upper(number) && !is_example) {
        Err(format!("{id:?} is not an id of AWS, which are in lower case"))
    } else {
        Ok(())
    }
}

/// No condition: the name may be one that AWS did not give.
#[expect(clippy::unnecessary_wraps, reason = "as of the other check")]
fn any(_: &str) -> Result<(), String> {
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        id!($(#[$doc])* $name, possible);
    };
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let id: Box<str> = Deserialize::deserialize(from)?;
                $check(&id).map(|()| Self(id)).map_err(D::Error::custom)
            }
        }

        impl $name {
            /// The id as AWS writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.into())
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id.into())
            }
        }
    };
}

id!(
    /// An EC2 instance, `i-…`.
    InstanceId
);
id!(
    /// A network interface, `eni-…`.
    InterfaceId
);
id!(
    /// A subnet, `subnet-…`.
    SubnetId
);
id!(
    /// A VPC, `vpc-…`.
    VpcId
);
id!(
    /// A route table, `rtb-…`.
    RouteTableId
);
id!(
    /// A prefix list, `pl-…`. Unique within one Region only: the same id names another service's list elsewhere.
    PrefixListId
);
id!(
    /// A VPC endpoint of any type, `vpce-…`.
    VpcEndpointId
);

id!(
    /// An internet gateway, `igw-…`.
    InternetGatewayId
);
id!(
    /// An egress-only internet gateway, `eigw-…`.
    EgressOnlyInternetGatewayId
);
id!(
    /// A NAT gateway, `nat-…`.
    NatGatewayId
);
id!(
    /// A transit gateway, `tgw-…`.
    TransitGatewayId
);
id!(
    /// A virtual private gateway, `vgw-…`.
    VirtualPrivateGatewayId
);
id!(
    /// A peering connection, `pcx-…`.
    PeeringConnectionId
);
id!(
    /// A local gateway, `lgw-…`.
    LocalGatewayId
);
id!(
    /// A carrier gateway, `cagw-…`.
    CarrierGatewayId
);
id!(
    /// A security group, `sg-…`.
    SecurityGroupId
);
id!(
    /// A network ACL, `acl-…`.
    NetworkAclId
);
id!(
    /// An AWS account, twelve digits.
    AccountId
);
id!(
    /// The ARN of a Cloud WAN core network.
    CoreNetworkArn
);
id!(
    /// The target of a route of any kind: an id or an ARN.
    TargetId,
    any
);
id!(
    /// A network device of the kernel, by its name: `ens5`.
    DeviceName,
    any
);

impl DeviceName {
    /// The host itself.
    pub fn loopback() -> Self {
        Self("lo".into())
    }

    /// Whether it is the host itself.
    pub fn is_loopback(&self) -> bool {
        *self == Self::loopback()
    }
}

/// A hardware address, lower case with colons: `06:00:00:00:00:01`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String")]
pub struct MacAddress(String);

impl MacAddress {
    /// The address of six bytes, as the kernel gives it.
    pub fn from_bytes(bytes: [u8; 6]) -> Self {
        let hex: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
        Self(hex.join(":"))
    }

    /// The address in lower case with colons.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for MacAddress {
    fn from(text: String) -> Self {
        Self(text.to_ascii_lowercase())
    }
}

impl From<&str> for MacAddress {
    fn from(text: &str) -> Self {
        Self(text.to_ascii_lowercase())
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
