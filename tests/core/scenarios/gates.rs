//! The gates beside the routes. What a scenario does not give lets everything through.

use super::words::{Fact, id, observed, parse};
use onnet_core::model::{
    AclRule, EgressRule, GateFacts, NatGateway, NetworkAcl, Ports, PublicAccess, PublicAccessExclusion, SecurityGroup,
    SubnetGates, VpcDns,
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(super) struct GatesChange {
    security_groups: Option<Fact<BTreeMap<String, Vec<String>>>>,
    network_acls: Option<Fact<BTreeMap<String, AclText>>>,
    subnets: Option<Fact<BTreeMap<String, SubnetText>>>,
    exclusions: Option<Fact<BTreeMap<String, String>>>,
    nat_gateways: Option<Fact<BTreeMap<String, String>>>,
    dns: Option<Fact<BTreeMap<String, String>>>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct AclText {
    subnets: Vec<String>,
    out: Vec<String>,
    r#in: Vec<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SubnetText {
    vpc: Option<String>,
    zone: Option<String>,
    public_access: Option<String>,
    firewall: Option<String>,
}

impl GatesChange {
    pub(super) fn gates(self) -> Result<GateFacts, String> {
        let mut gates = open();
        if let Some(groups) = self.security_groups {
            gates.security_groups = groups.observed(|groups| groups.into_iter().map(group).collect())?;
        }
        if let Some(acls) = self.network_acls {
            gates.network_acls = acls.observed(|acls| acls.into_iter().map(acl).collect())?;
        }
        if let Some(subnets) = self.subnets {
            gates.subnets = subnets.observed(|subnets| subnets.into_iter().map(subnet).collect())?;
        }
        if let Some(exclusions) = self.exclusions {
            gates.exclusions = exclusions.observed(|all| all.into_iter().map(exclusion).collect())?;
        }
        if let Some(gateways) = self.nat_gateways {
            gates.nat_gateways = gateways.observed(|all| all.into_iter().map(nat_gateway).collect())?;
        }
        if let Some(dns) = self.dns {
            gates.dns = dns.observed(|all| Ok(all.into_iter().map(vpc_dns).collect()))?;
        }
        Ok(gates)
    }
}

/// Gates that let everything through.
fn open() -> GateFacts {
    let everywhere = || vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
    let all = |number| AclRule { number, allows: true, range: "0.0.0.0/0".parse().unwrap(), ports: Ports::ALL };
    let rule = EgressRule { ports: Ports::ALL, ranges: everywhere(), prefix_lists: Vec::new(), groups: Vec::new() };
    let acl = NetworkAcl {
        id: "acl-0a".into(),
        subnets: vec!["subnet-0a".into()],
        egress: vec![all(100)],
        ingress: vec![all(100)],
    };
    let off = |id: &str| SubnetGates {
        id: id.into(),
        vpc: "vpc-0a".into(),
        availability_zone: Some("us-east-1a".to_owned()),
        public_access: Some(PublicAccess::Off),
        firewall: None,
    };
    GateFacts {
        security_groups: observed(vec![SecurityGroup { id: "sg-0a".into(), egress: vec![rule] }]),
        network_acls: observed(vec![acl]),
        subnets: observed(["subnet-0a", "subnet-0e"].map(off).to_vec()),
        exclusions: observed(Vec::new()),
        nat_gateways: observed(Vec::new()),
        dns: observed(vec![VpcDns { vpc: "vpc-0a".into(), support: true, hostnames: true }]),
    }
}

/// `443`, `1024-65535`, `all`.
fn ports(text: &str) -> Result<Ports, String> {
    if text == "all" {
        return Ok(Ports::ALL);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Ok(Ports { first: parse(first)?, last: parse(last)? })
}

/// `443 -> pl-02cd2c6b`, `all -> 10.0.0.0/8`, `443 -> sg-0b`.
fn group((name, rules): (String, Vec<String>)) -> Result<SecurityGroup, String> {
    let rule = |text: &String| {
        let (of, to) = text.split_once(" -> ").ok_or_else(|| format!("{text:?}: expected `443 -> pl-02cd2c6b`"))?;
        let mut rule =
            EgressRule { ports: ports(of)?, ranges: Vec::new(), prefix_lists: Vec::new(), groups: Vec::new() };
        match to.split_once('-').map_or("", |(kind, _)| kind) {
            "pl" => rule.prefix_lists.push(to.into()),
            "sg" => rule.groups.push(to.into()),
            _ => rule.ranges.push(parse(to)?),
        }
        Ok::<_, String>(rule)
    };
    Ok(SecurityGroup { id: id("sg-", name)?, egress: rules.iter().map(rule).collect::<Result<_, _>>()? })
}

fn acl((name, AclText { subnets, out, r#in }): (String, AclText)) -> Result<NetworkAcl, String> {
    let rules = |rules: &[String]| rules.iter().map(|text| acl_rule(text)).collect::<Result<_, String>>();
    Ok(NetworkAcl {
        id: id("acl-", name)?,
        subnets: subnets.into_iter().map(|subnet| id("subnet-", subnet)).collect::<Result<_, _>>()?,
        egress: rules(&out)?,
        ingress: rules(&r#in)?,
    })
}

/// `100 allow 443 0.0.0.0/0`.
fn acl_rule(text: &str) -> Result<AclRule, String> {
    let words: Vec<&str> = text.split(' ').collect();
    let [number, action @ ("allow" | "deny"), of, range] = words[..] else {
        return Err(format!("{text:?}: expected `100 allow 443 0.0.0.0/0`"));
    };
    Ok(AclRule { number: parse(number)?, allows: action == "allow", range: parse(range)?, ports: ports(of)? })
}

fn subnet((name, text): (String, SubnetText)) -> Result<SubnetGates, String> {
    let mode = |mode| serde_json::from_value(Value::from(mode)).map_err(|error| error.to_string());
    Ok(SubnetGates {
        id: id("subnet-", name)?,
        vpc: text.vpc.map_or_else(|| Ok("vpc-0a".into()), |vpc| id("vpc-", vpc))?,
        availability_zone: text.zone,
        public_access: text.public_access.map(mode).transpose()?,
        firewall: text.firewall,
    })
}

/// `subnet-0a allow-egress create-complete`.
fn exclusion((id, text): (String, String)) -> Result<PublicAccessExclusion, String> {
    let words: Vec<&str> = text.split(' ').collect();
    let [resource, mode, state] = words[..] else {
        return Err(format!("{text:?}: expected `subnet-0a allow-egress create-complete`"));
    };
    let kind = resource.split('-').next().unwrap_or_default();
    let resource = format!("arn:aws:ec2:us-east-1:111122223333:{kind}/{resource}");
    Ok(PublicAccessExclusion { id, resource, mode: mode.to_owned(), state: state.to_owned() })
}

/// `public available us-east-1a`, `private available us-east-1a`, `public available regional`, then the kinds of its appliances. Another
/// VPC's `vpc-…` may stand anywhere.
fn nat_gateway((name, text): (String, String)) -> Result<NatGateway, String> {
    let (vpcs, words): (Vec<&str>, Vec<&str>) = text.split(' ').partition(|word| word.starts_with("vpc-"));
    let mut words = words.into_iter().map(str::to_owned);
    let (connectivity, state, zone) = (words.next(), words.next(), words.next());
    let is_regional = zone.as_deref() == Some("regional");
    Ok(NatGateway {
        id: id("nat-", name)?,
        vpc: vpcs.first().copied().unwrap_or("vpc-0a").into(),
        subnet: (!is_regional).then(|| "subnet-0e".into()),
        availability_zone: zone.filter(|_| !is_regional),
        state: state.unwrap_or_default(),
        connectivity,
        is_regional,
        appliances: words.collect(),
    })
}

/// `support hostnames`, or one of these, or `none`.
fn vpc_dns((name, text): (String, String)) -> VpcDns {
    let has = |word: &str| text.split(' ').any(|has| has == word);
    VpcDns { vpc: name.into(), support: has("support"), hostnames: has("hostnames") }
}
