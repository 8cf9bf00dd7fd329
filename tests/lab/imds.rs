//! The instance metadata service, version 2 only.

use super::{
    fakes::http::{Request, Response},
    world::{Interface, World},
};
use ipnet::IpNet;
use std::time::{Duration, SystemTime};

pub const TOKEN_PATH: &str = "/latest/api/token";
const TOKEN_TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
/// Any token would do; this one is not mistaken for a real one.
pub const METADATA_TOKEN: &str = "bGFiLXRva2VuLW5vdC1hLXNlY3JldA==";
/// It identifies the instance's own requests.
pub const ACCESS_KEY_ID: &str = "ASIAEXAMPLEONNETLAB0";
/// What the instance's role signs with. The lab does not check signatures.
pub const SECRET_KEY: &str = "not-a-secret-the-lab-does-not-check-it00";
pub const SESSION_TOKEN: &str = "not-a-secret-either";

pub fn answer(world: &World, request: &Request) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("PUT", TOKEN_PATH) => token(request),
        ("GET", path) => match request.header("x-aws-ec2-metadata-token") {
            Some(METADATA_TOKEN) => match item(world, path.trim_end_matches('/')) {
                Some(text) => Response::new(200, "text/plain", text),
                None => Response::page(404),
            },
            _ => Response::page(401),
        },
        _ => Response::page(403),
    }
}

fn token(request: &Request) -> Response {
    let ttl: Option<u32> = request.header(TOKEN_TTL).and_then(|text| text.parse().ok());
    match ttl {
        // A request that came through a proxy.
        _ if request.header("x-forwarded-for").is_some() => Response::page(403),
        Some(ttl @ 1..=21600) => Response::new(200, "text/plain", METADATA_TOKEN).with(TOKEN_TTL, ttl.to_string()),
        _ => Response::page(400),
    }
}

fn item(world: &World, path: &str) -> Option<String> {
    if path == "/latest/dynamic/instance-identity/document" {
        return Some(identity(world).to_string());
    }
    let path = path.strip_prefix("/latest/meta-data")?.trim_start_matches('/');
    let primary = &world.interfaces[0];
    let zone = format!("{}a", world.region);
    let text = match path {
        "instance-id" => world.instance.clone(),
        "mac" => primary.mac_text(),
        "local-ipv4" => primary.address?.to_string(),
        "ipv6" => primary.ipv6?.to_string(),
        "public-ipv4" => primary.public?.to_string(),
        "placement/region" => world.region.clone(),
        "placement/availability-zone" => zone,
        "placement/availability-zone-id" => "use1-az1".to_owned(),
        "services/domain" => "amazonaws.com".to_owned(),
        "services/partition" => "aws".to_owned(),
        "iam/info" => serde_json::json!({ "Code": "Success", "InstanceProfileArn": format!("arn:aws:iam::{}:instance-profile/{}", world.account, world.role) }).to_string(),
        "iam/security-credentials" => world.role.clone(),
        "network/interfaces/macs" => {
            world.interfaces.iter().map(|interface| format!("{}/", interface.mac_text())).collect::<Vec<_>>().join("\n")
        }
        _ => {
            if path.strip_prefix("iam/security-credentials/") == Some(&world.role) {
                return Some(credentials(world).to_string());
            }
            let (mac, item) = path.strip_prefix("network/interfaces/macs/")?.split_once('/').unwrap_or((path, ""));
            let mac = mac.strip_prefix("network/interfaces/macs/").unwrap_or(mac);
            let at = world.interfaces.iter().position(|interface| interface.mac_text() == mac)?;
            return of_interface(world, at, &world.interfaces[at], item);
        }
    };
    Some(text)
}

fn of_interface(world: &World, device_number: usize, interface: &Interface, item: &str) -> Option<String> {
    let mut items = vec![
        "device-number",
        "interface-id",
        "local-hostname",
        "mac",
        "owner-id",
        "security-group-ids",
        "subnet-id",
        "vpc-id",
        "vpc-ipv4-cidr-block",
        "vpc-ipv4-cidr-blocks",
    ];
    if interface.address.is_some() {
        items.extend(["local-ipv4s", "subnet-ipv4-cidr-block"]);
    }
    if interface.ipv6.is_some() {
        items.extend(["ipv6s", "subnet-ipv6-cidr-blocks", "vpc-ipv6-cidr-blocks"]);
    }
    if interface.public.is_some() {
        items.extend(["ipv4-associations/", "public-ipv4s"]);
    }
    if let Some(prefix) = interface.prefix {
        items.push(item_of_prefix(prefix));
    }
    items.sort_unstable();
    Some(match item {
        "" => items.join("\n"),
        "device-number" => device_number.to_string(),
        "interface-id" => interface.id.clone(),
        "ipv6s" => interface.ipv6?.to_string(),
        "local-hostname" => match interface.address {
            Some(address) => format!("ip-{}.ec2.internal", address.to_string().replace('.', "-")),
            None => format!("{}.ec2.internal", world.instance),
        },
        "local-ipv4s" => {
            interface.address?;
            interface.addresses().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
        "mac" => interface.mac_text(),
        "owner-id" => world.account.clone(),
        "security-group-ids" => world.gates.security_groups.iter().map(|group| group.id).collect::<Vec<_>>().join("\n"),
        "subnet-id" => interface.subnet.clone(),
        "subnet-ipv4-cidr-block" => world.subnet(&interface.subnet)?.cidr?.to_string(),
        "subnet-ipv6-cidr-blocks" => world.subnet(&interface.subnet)?.ipv6?.to_string(),
        "vpc-id" => world.vpc.clone(),
        "vpc-ipv4-cidr-block" | "vpc-ipv4-cidr-blocks" => world.vpc_cidr.to_string(),
        "vpc-ipv6-cidr-blocks" => world.vpc_ipv6?.to_string(),
        "ipv4-prefix" | "ipv6-prefix" => interface.prefix.filter(|prefix| item_of_prefix(*prefix) == item)?.to_string(),
        "public-ipv4s" => interface.public?.to_string(),
        "ipv4-associations" => interface.public?.to_string(),
        _ => {
            let public = item.strip_prefix("ipv4-associations/")?;
            interface.address.filter(|_| interface.public.is_some_and(|own| own.to_string() == public))?.to_string()
        }
    })
}

/// The item that has a prefix of this family.
fn item_of_prefix(prefix: IpNet) -> &'static str {
    match prefix {
        IpNet::V4(_) => "ipv4-prefix",
        IpNet::V6(_) => "ipv6-prefix",
    }
}

fn credentials(world: &World) -> serde_json::Value {
    let mut credentials = serde_json::json!({
        "Code": "Success",
        "Type": "AWS-HMAC",
        "LastUpdated": after(Duration::ZERO),
        "AccessKeyId": ACCESS_KEY_ID,
        "SecretAccessKey": SECRET_KEY,
        "Token": SESSION_TOKEN,
        "Expiration": after(Duration::from_secs(6 * 3600)),
    });
    if world.account_in_credentials {
        credentials["AccountId"] = world.account.clone().into();
    }
    credentials
}

fn identity(world: &World) -> serde_json::Value {
    serde_json::json!({
        "accountId": world.account,
        "architecture": "x86_64",
        "availabilityZone": format!("{}a", world.region),
        "imageId": "ami-0123456789abcdef0",
        "instanceId": world.instance,
        "instanceType": "t3.micro",
        "pendingTime": after(Duration::ZERO),
        "privateIp": world.interfaces[0].address,
        "region": world.region,
        "version": "2017-09-30",
    })
}

/// The time that long from now, as AWS writes it.
#[expect(clippy::disallowed_methods, reason = "credentials expire by the wall clock")]
pub fn after(later: Duration) -> String {
    humantime::format_rfc3339_seconds(SystemTime::now() + later).to_string()
}
