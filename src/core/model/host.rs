//! What the instance knows of itself: its network interfaces, its names and addresses.

use super::{AccountId, Gap, InstanceId, InterfaceId, MacAddress, Observed, SecurityGroupId, SubnetId, VpcId, unique};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
};

/// The instance, as its metadata service describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Instance {
    /// `i-…`
    pub id: InstanceId,
    /// The Region it runs in.
    pub region: String,
    /// `us-east-1a`
    pub availability_zone: Observed<String>,
    /// Its network interfaces, primary first.
    pub interfaces: Vec<Interface>,
}

/// A network interface of the instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interface {
    /// `eni-…`
    pub id: InterfaceId,
    /// Its hardware address, which identifies the kernel's device.
    pub mac: MacAddress,
    /// The order of attachment; 0 is the primary one.
    pub device_number: u32,
    /// Its subnet, whose route table applies.
    pub subnet: SubnetId,
    /// The VPC of that subnet.
    pub vpc: VpcId,
    /// Its private addresses of both families.
    pub addresses: Vec<IpAddr>,
    /// The ranges of its subnet: no route table applies to traffic within them.
    #[schemars(with = "Observed<Vec<String>>")]
    pub subnet_cidrs: Observed<Vec<IpNet>>,
    /// The account that owns it. Another account may own its VPC, and then this one does not see that account's endpoints.
    #[serde(default = "not_asked::<AccountId>")]
    pub owner: Observed<AccountId>,
    /// Its security groups.
    #[serde(default = "not_asked::<Vec<SecurityGroupId>>")]
    pub security_groups: Observed<Vec<SecurityGroupId>>,
    /// The prefixes that are assigned to it: pods have addresses of these. Observed and empty where there is none.
    #[serde(default = "not_asked::<Vec<IpNet>>")]
    #[schemars(with = "Observed<Vec<String>>")]
    pub prefixes: Observed<Vec<IpNet>>,
    /// The public IPv4 addresses with their private addresses; observed and empty where there is none.
    pub public_addresses: Observed<Vec<PublicAddress>>,
}

fn not_asked<T>() -> Observed<T> {
    Observed::Unseen(Gap::NotTried { because: "it was not asked for when this was recorded".into() })
}

/// A public IPv4 address of a network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublicAddress {
    /// The public address.
    pub public: IpAddr,
    /// The private address.
    pub private: IpAddr,
}

/// How a hostname was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NameKind {
    /// `dynamodb.us-east-1.amazonaws.com`, or its FIPS or dual-stack form.
    Regional,
    /// `111122223333.ddb.us-east-1.amazonaws.com`: what SDKs use when the credentials carry an account id.
    AccountBased,
    /// An endpoint URL from the environment or the profile.
    Custom,
    /// `vpce-….dynamodb.us-east-1.vpce.amazonaws.com`: an interface endpoint's own name, given with `--hostname`.
    InterfaceEndpoint,
    /// A name of DynamoDB Streams, given with `--hostname`. No gateway endpoint serves it.
    Streams,
    /// A name of DynamoDB's vector search, given with `--hostname`. No gateway endpoint is known to serve it.
    VectorSearch,
    /// Any other name that was given with `--hostname`.
    Given,
}

impl NameKind {
    /// Whether it is the service's own name in a Region, not a custom endpoint's.
    pub fn is_of_region(self) -> bool {
        match self {
            Self::Regional | Self::AccountBased => true,
            Self::Custom | Self::InterfaceEndpoint | Self::Streams | Self::VectorSearch | Self::Given => false,
        }
    }

    /// Whether it is DynamoDB's itself: requests for tables can be sent to it. Streams and vector search have operations of their own.
    pub fn takes_table_requests(self) -> bool {
        match self {
            Self::Regional | Self::AccountBased | Self::Custom | Self::InterfaceEndpoint | Self::Given => true,
            Self::Streams | Self::VectorSearch => false,
        }
    }

    /// The kind of a name that a user gives. <https://docs.aws.amazon.com/general/latest/gr/ddb.html>
    pub fn of_given(hostname: &str) -> Self {
        let name = hostname.trim_end_matches('.').to_ascii_lowercase();
        let is_of_aws = is_name_of_aws(&name);
        let labels: Vec<&str> = name.split('.').collect();
        match labels.as_slice() {
            _ if !is_of_aws => Self::Given,
            ["dynamodb" | "dynamodb-fips", ..] => Self::Regional,
            [_, "ddb" | "ddb-fips", ..] => Self::AccountBased,
            ["streams", "dynamodb" | "dynamodb-fips", ..]
            | ["streams-dynamodb" | "streams-dynamodb-fips", ..]
            | [_, "streams-ddb" | "streams-ddb-fips", ..]
            | [_, "streams", "dynamodb", _, "vpce", ..] => Self::Streams,
            ["search-dynamodb" | "search-dynamodb-fips", ..] | [_, "search-ddb" | "search-ddb-fips", ..] => {
                Self::VectorSearch
            }
            [_, "dynamodb" | "dynamodb-fips", _, "vpce", ..] => Self::InterfaceEndpoint,
            [..] => Self::Given,
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Regional => "regional",
            Self::AccountBased => "account-based",
            Self::Custom => "endpoint URL",
            Self::InterfaceEndpoint => "interface endpoint",
            Self::Streams => "DynamoDB Streams",
            Self::VectorSearch => "DynamoDB vector search",
            Self::Given => "given",
        }
    }
}

/// What AWS's own names end with.
/// <https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json>
const OF_AWS: [&str; 14] = [
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".api.aws",
    ".api.amazonwebservices.com.cn",
    ".api.amazonwebservices.eu",
    ".c2s.ic.gov",
    ".api.aws.ic.gov",
    ".sc2s.sgov.gov",
    ".api.aws.scloud",
    ".cloud.adc-e.uk",
    ".api.cloud-aws.adc-e.uk",
    ".csp.hci.ic.gov",
    ".api.aws.hci.ic.gov",
];

/// Whether AWS's own names end so, in any partition.
pub fn is_name_of_aws(hostname: &str) -> bool {
    let name = hostname.trim_end_matches('.').to_ascii_lowercase();
    OF_AWS.iter().any(|suffix| name.ends_with(suffix))
}

impl ServiceName {
    /// Whether it counts towards the outcome: it is in use, and requests for tables can be sent to it.
    pub fn is_used(&self) -> bool {
        self.in_use && self.kind.takes_table_requests()
    }

    /// A name that a user gives: programs here use it, by HTTPS. Names that no gateway endpoint serves are judged apart.
    pub fn given(hostname: &str) -> Self {
        let kind = NameKind::of_given(hostname);
        let in_use = kind.takes_table_requests();
        let hostname = hostname.trim_end_matches('.').to_ascii_lowercase();
        Self { hostname, port: 443, tls: true, kind, in_use, chosen_by: Vec::new() }
    }
}

/// A hostname of DynamoDB.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ServiceName {
    /// The host, without scheme or port. May be an address, in a custom endpoint URL.
    pub hostname: String,
    /// The port, 443 unless a custom endpoint URL says otherwise.
    pub port: u16,
    /// Whether the URL is `https`.
    pub tls: bool,
    /// How it was chosen.
    pub kind: NameKind,
    /// Whether an AWS SDK with this environment would use it. The regional name is collected in any case.
    pub in_use: bool,
    /// The settings that chose it: variables, and keys of a profile. None for a name that SDKs use without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chosen_by: Vec<String>,
}

/// The resolution of a hostname.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resolution {
    /// The A records. Observed and empty: the name has none.
    pub ipv4: Observed<Vec<AddressRecord>>,
    /// The AAAA records. Observed and empty: the name has none.
    pub ipv6: Observed<Vec<AddressRecord>>,
    /// The names a CNAME chain led through, in order, without the first.
    pub cnames: Vec<String>,
    /// The name servers that were asked, in the order of the system's configuration.
    pub servers: Vec<SocketAddr>,
    /// The addresses `/etc/hosts` has for the name. Where there are any, applications use these.
    pub hosts_file: Observed<Vec<IpAddr>>,
    /// The addresses to which the C library resolves the name, with onnet's own environment, as for most programs. `null`
    /// where it was not called: another name server than the system's was given, or an older version wrote this.
    #[serde(default)]
    pub c_library: Option<Observed<Vec<IpAddr>>>,
    /// Why addresses of the name were left out, if any were.
    #[serde(default)]
    pub left_out: Option<Gap>,
}

impl Resolution {
    /// Nothing is known of the name, for one reason.
    pub fn unseen(gap: &Gap) -> Self {
        Self {
            ipv4: Observed::Unseen(gap.clone()),
            ipv6: Observed::Unseen(gap.clone()),
            cnames: Vec::new(),
            servers: Vec::new(),
            hosts_file: Observed::Unseen(gap.clone()),
            c_library: None,
            left_out: None,
        }
    }

    /// Whether a list of addresses by the name servers or the hosts file is not known.
    pub fn is_missing_addresses(&self) -> bool {
        let Self { ipv4, ipv6, hosts_file, c_library: _, cnames: _, servers: _, left_out: _ } = self;
        ipv4.seen().is_none() || ipv6.seen().is_none() || hosts_file.seen().is_none()
    }

    /// Every address that an application may get for the name; one that is in several places comes several times.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let records = [&self.ipv4, &self.ipv6].into_iter().filter_map(Observed::seen).flatten();
        let lists = [&self.hosts_file].into_iter().chain(&self.c_library).filter_map(Observed::seen).flatten();
        records.map(|record| record.address).chain(lists.copied())
    }
}

/// An address and its time to live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddressRecord {
    /// The address.
    pub address: IpAddr,
    /// The record's time to live in seconds.
    pub ttl: u32,
}

/// A setting of the AWS SDKs that is not used as written, because only other SDKs accept or ignore it. Without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IgnoredSetting {
    /// The variable, the key with its profile and file, or the file: `retry_mode of profile default in /root/.aws/config`.
    pub place: String,
    /// What is wrong with it, and what is used instead: `is "legacy"; standard is used`.
    pub detail: String,
    /// Whether its value is not known, so that other programs may use it.
    #[serde(default)]
    pub is_unread: bool,
}

impl fmt::Display for IgnoredSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.place, self.detail)
    }
}

/// A proxy variable of the environment, without user or password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProxyVariable {
    /// `HTTPS_PROXY`, in the case it was found in.
    pub variable: String,
    /// The proxy's host and port; `None` where the value cannot be read. It may hold a password, and is not repeated.
    #[serde(default)]
    pub proxy: Option<String>,
    /// The DynamoDB hostnames it applies to, whatever client is used: `NO_PROXY` exempts them for none.
    pub applies_to: Vec<String>,
    /// The hostnames that `NO_PROXY` exempts for some clients only, and the clients for which it does not.
    #[serde(default, deserialize_with = "unique")]
    pub applies_for: BTreeMap<String, Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_name_is_of_the_kind_that_it_looks_like() {
        let cases = [
            ("dynamodb.us-east-1.amazonaws.com", NameKind::Regional),
            ("DynamoDB.us-east-1.amazonaws.com.", NameKind::Regional),
            ("dynamodb-fips.us-east-1.api.aws", NameKind::Regional),
            ("dynamodb.cn-north-1.amazonaws.com.cn", NameKind::Regional),
            ("111122223333.ddb.us-east-1.amazonaws.com", NameKind::AccountBased),
            ("111122223333.ddb-fips.us-east-1.api.aws", NameKind::AccountBased),
            ("streams.dynamodb.us-east-1.amazonaws.com", NameKind::Streams),
            ("streams-dynamodb.us-east-1.api.aws", NameKind::Streams),
            ("111122223333.streams-ddb.us-east-1.amazonaws.com", NameKind::Streams),
            ("vpce-0a-1b.streams.dynamodb.us-east-1.vpce.amazonaws.com", NameKind::Streams),
            ("search-dynamodb.us-east-1.amazonaws.com", NameKind::VectorSearch),
            ("111122223333.search-ddb.us-east-1.api.aws", NameKind::VectorSearch),
            ("vpce-0a-1b.dynamodb.us-east-1.vpce.amazonaws.com", NameKind::InterfaceEndpoint),
            ("vpce-0a-1b-us-east-1a.dynamodb.us-east-1.vpce.amazonaws.com", NameKind::InterfaceEndpoint),
            ("streams.dynamodb.eusc-de-east-1.amazonaws.eu", NameKind::Streams),
            ("dynamodb.us-iso-east-1.c2s.ic.gov", NameKind::Regional),
            ("dynamodb.us-east-1.example.com", NameKind::Given),
            ("tables.corp.example", NameKind::Given),
            ("s3.us-east-1.amazonaws.com", NameKind::Given),
        ];
        for (name, kind) in cases {
            assert_eq!(NameKind::of_given(name), kind, "{name}");
        }
    }
}
