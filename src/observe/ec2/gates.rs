//! What EC2 knows of the gates beside the routes: one wave of calls, each with its gap where it fails. Asked for with `--gates` only.

use super::{
    calls::{Ec2, by_filters, filter, of_vpcs},
    convert::{cidr, given, malformed, required},
    listing::{Listed, texts},
    observed,
};
use crate::{
    model::{
        AclRule, EgressRule, Gap, GateFacts, Interface, NatGateway, NetworkAcl, Observed, Ports, PublicAccess,
        PublicAccessExclusion, SecurityGroup, SecurityGroupId, SubnetGates, SubnetId, VpcDns, VpcId,
    },
    observe::limits::{LARGE_PAGE_SIZES, PAGE_SIZES},
};
use aws_sdk_ec2::{
    operation::{
        describe_nat_gateways::DescribeNatGatewaysOutput, describe_network_acls::DescribeNetworkAclsOutput,
        describe_security_groups::DescribeSecurityGroupsOutput, describe_subnets::DescribeSubnetsOutput,
        describe_vpc_block_public_access_exclusions::DescribeVpcBlockPublicAccessExclusionsOutput,
    },
    types::{self, Filter, VpcAttributeName},
};
use futures_util::future::try_join_all;
use std::collections::BTreeSet;

/// Whose gates to ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GateQuery {
    /// Those that are known.
    groups: BTreeSet<SecurityGroupId>,
    subnets: BTreeSet<SubnetId>,
    vpcs: BTreeSet<VpcId>,
}

impl GateQuery {
    /// Those of the network interfaces.
    pub fn of(interfaces: &[Interface]) -> Self {
        Self {
            groups: interfaces.iter().filter_map(|one| one.security_groups.seen()).flatten().cloned().collect(),
            subnets: interfaces.iter().map(|one| one.subnet.clone()).collect(),
            vpcs: interfaces.iter().map(|one| one.vpc.clone()).collect(),
        }
    }
}

/// What EC2 knows of them.
pub(super) async fn gates(ec2: &Ec2, GateQuery { groups, subnets, vpcs }: &GateQuery) -> GateFacts {
    let vpcs: Vec<VpcId> = vpcs.iter().cloned().collect();
    let of_groups = async {
        if groups.is_empty() {
            let because = "the security groups of the network interfaces are not known".to_owned();
            return Observed::Unseen(Gap::NotTried { because });
        }
        observed(ec2.security_groups(groups)).await
    };
    let (security_groups, network_acls, subnets, exclusions, nat_gateways, dns) = tokio::join!(
        of_groups,
        observed(ec2.network_acls(subnets)),
        observed(ec2.subnet_gates(&vpcs)),
        observed(ec2.exclusions()),
        observed(ec2.nat_gateways(&vpcs)),
        observed(try_join_all(vpcs.iter().map(|vpc| ec2.vpc_dns(vpc)))),
    );
    GateFacts { security_groups, network_acls, subnets, exclusions, nat_gateways, dns }
}

impl Ec2 {
    async fn security_groups(&self, ids: &BTreeSet<SecurityGroupId>) -> Result<Vec<SecurityGroup>, Gap> {
        by_filters("group-id", ids, async |filter| self.some_security_groups(filter).await).await
    }

    async fn some_security_groups(&self, of_ids: Filter) -> Result<Vec<SecurityGroup>, Gap> {
        let ask = |token, size| {
            let call = self.client().describe_security_groups().filters(of_ids.clone()).max_results(size);
            call.set_next_token(token).send()
        };
        let parts = |page: DescribeSecurityGroupsOutput| (page.security_groups, page.next_token);
        self.all(self.operation("ec2:DescribeSecurityGroups", LARGE_PAGE_SIZES), ask, parts, security_group).await
    }

    async fn network_acls(&self, subnets: &BTreeSet<SubnetId>) -> Result<Vec<NetworkAcl>, Gap> {
        let of_subnets = filter("association.subnet-id", subnets.iter().map(ToString::to_string).collect());
        let ask = |token, size| {
            let call = self.client().describe_network_acls().filters(of_subnets.clone()).max_results(size);
            call.set_next_token(token).send()
        };
        let parts = |page: DescribeNetworkAclsOutput| (page.network_acls, page.next_token);
        self.all(self.operation("ec2:DescribeNetworkAcls", LARGE_PAGE_SIZES), ask, parts, network_acl).await
    }

    /// All of the VPCs': NAT gateways are in other subnets than the instance.
    async fn subnet_gates(&self, vpcs: &[VpcId]) -> Result<Vec<SubnetGates>, Gap> {
        let ask = |token, size| {
            let call = self.client().describe_subnets().set_filters(of_vpcs(vpcs)).max_results(size);
            call.set_next_token(token).send()
        };
        let parts = |page: DescribeSubnetsOutput| (page.subnets, page.next_token);
        let subnet = |from: &types::Subnet| subnet_gates(from, |id| self.unmodelled().connectivity_of(id));
        self.all(self.operation("ec2:DescribeSubnets", LARGE_PAGE_SIZES), ask, parts, subnet).await
    }

    async fn exclusions(&self) -> Result<Vec<PublicAccessExclusion>, Gap> {
        let ask = |token, size| {
            let call = self.client().describe_vpc_block_public_access_exclusions().max_results(size);
            call.set_next_token(token).send()
        };
        let parts = |page: DescribeVpcBlockPublicAccessExclusionsOutput| {
            (page.vpc_block_public_access_exclusions, page.next_token)
        };
        let operation = self.operation("ec2:DescribeVpcBlockPublicAccessExclusions", PAGE_SIZES);
        self.all(operation, ask, parts, exclusion).await
    }

    async fn nat_gateways(&self, vpcs: &[VpcId]) -> Result<Vec<NatGateway>, Gap> {
        let ask = |token, size| {
            let call = self.client().describe_nat_gateways().set_filter(of_vpcs(vpcs)).max_results(size);
            call.set_next_token(token).send()
        };
        let parts = |page: DescribeNatGatewaysOutput| (page.nat_gateways, page.next_token);
        self.all(self.operation("ec2:DescribeNatGateways", LARGE_PAGE_SIZES), ask, parts, nat_gateway).await
    }

    /// Two requests: one answer has one attribute.
    async fn vpc_dns(&self, vpc: &VpcId) -> Result<VpcDns, Gap> {
        let attribute = |name| {
            let call = self.client().describe_vpc_attribute().vpc_id(vpc.as_str()).attribute(name);
            self.one("ec2:DescribeVpcAttribute", call.send())
        };
        let (support, hostnames) = tokio::try_join!(
            attribute(VpcAttributeName::EnableDnsSupport),
            attribute(VpcAttributeName::EnableDnsHostnames),
        )?;
        let value = |of: Option<&types::AttributeBooleanValue>, name: &str| {
            let value = of.and_then(types::AttributeBooleanValue::value);
            value.ok_or_else(|| malformed(&format!("the attributes of {vpc}"), &format!("no {name}")))
        };
        Ok(VpcDns {
            vpc: vpc.clone(),
            support: value(support.enable_dns_support(), "enableDnsSupport")?,
            hostnames: value(hostnames.enable_dns_hostnames(), "enableDnsHostnames")?,
        })
    }
}

/// Whether a rule is about TCP: of another protocol it is left out. `tcp` and `-1`, which is all, are names; others are numbers.
fn is_tcp(protocol: &str) -> bool {
    matches!(protocol, "tcp" | "6" | "-1")
}

/// The ports of a rule for TCP; a rule for all protocols has none.
fn ports(protocol: &str, first: Option<i32>, last: Option<i32>, place: &str) -> Result<Ports, Gap> {
    if protocol == "-1" {
        return Ok(Ports::ALL);
    }
    let port = |port: Option<i32>| port.and_then(|port| u16::try_from(port).ok());
    match (port(first), port(last)) {
        (Some(first), Some(last)) if first <= last => Ok(Ports { first, last }),
        _ => Err(malformed(place, &format!("ports {first:?} to {last:?}"))),
    }
}

fn security_group(from: &types::SecurityGroup) -> Result<SecurityGroup, Gap> {
    let id = required(from.group_id(), "a security group", "GroupId")?;
    let place = format!("security group {id}");
    // None would be another kind of answer: a group without rules has an empty list.
    let rules = from.ip_permissions_egress.as_ref().ok_or_else(|| malformed(&place, "no IpPermissionsEgress"))?;
    let egress = rules.iter().filter_map(|rule| egress_rule(rule, &place).transpose()).collect::<Result<_, _>>()?;
    Ok(SecurityGroup { id: id.into(), egress })
}

fn egress_rule(from: &types::IpPermission, place: &str) -> Result<Option<EgressRule>, Gap> {
    let protocol = required(from.ip_protocol(), place, "IpProtocol")?;
    if !is_tcp(protocol) {
        return Ok(None);
    }
    let ipv4 = from.ip_ranges().iter().map(|range| cidr(range.cidr_ip().unwrap_or_default(), place, "CidrIp"));
    let ipv6 = from.ipv6_ranges().iter().map(|range| cidr(range.cidr_ipv6().unwrap_or_default(), place, "CidrIpv6"));
    let lists = from.prefix_list_ids().iter().map(|list| required(list.prefix_list_id(), place, "PrefixListId"));
    let groups = from.user_id_group_pairs().iter().map(|pair| required(pair.group_id(), place, "GroupId"));
    Ok(Some(EgressRule {
        ports: ports(protocol, from.from_port(), from.to_port(), place)?,
        ranges: ipv4.chain(ipv6).collect::<Result<_, _>>()?,
        prefix_lists: lists.map(|id| id.map(Into::into)).collect::<Result<_, _>>()?,
        groups: groups.map(|id| id.map(Into::into)).collect::<Result<_, _>>()?,
    }))
}

fn network_acl(from: &types::NetworkAcl) -> Result<NetworkAcl, Gap> {
    let id = required(from.network_acl_id(), "a network ACL", "NetworkAclId")?;
    let place = format!("network ACL {id}");
    let entries = from.entries.as_ref().ok_or_else(|| malformed(&place, "no Entries"))?;
    let rules = |egress: bool| {
        let of_direction = entries.iter().filter(|entry| entry.egress() == Some(egress));
        let rules = of_direction.filter_map(|entry| acl_rule(entry, &place).transpose());
        let mut rules = rules.collect::<Result<Vec<AclRule>, Gap>>()?;
        rules.sort_by_key(|rule| rule.number);
        Ok::<_, Gap>(rules)
    };
    if entries.iter().any(|entry| entry.egress().is_none()) {
        return Err(malformed(&place, "an entry without Egress"));
    }
    let subnets = from.associations().iter().map(|association| required(association.subnet_id(), &place, "SubnetId"));
    Ok(NetworkAcl {
        subnets: subnets.map(|id| id.map(Into::into)).collect::<Result<_, _>>()?,
        egress: rules(true)?,
        ingress: rules(false)?,
        id: id.into(),
    })
}

fn acl_rule(from: &types::NetworkAclEntry, place: &str) -> Result<Option<AclRule>, Gap> {
    let protocol = required(from.protocol(), place, "Protocol")?;
    if !is_tcp(protocol) {
        return Ok(None);
    }
    let number = from.rule_number().and_then(|number| u32::try_from(number).ok());
    let number = number.ok_or_else(|| malformed(place, &format!("RuleNumber {:?}", from.rule_number())))?;
    let place = format!("{place}, rule {number}");
    let range = match (given(from.cidr_block()), given(from.ipv6_cidr_block())) {
        (Some(range), None) => cidr(range, &place, "CidrBlock")?,
        (None, Some(range)) => cidr(range, &place, "Ipv6CidrBlock")?,
        (ipv4, ipv6) => return Err(malformed(&place, &format!("CidrBlock {ipv4:?} and Ipv6CidrBlock {ipv6:?}"))),
    };
    let of = from.port_range();
    Ok(Some(AclRule {
        number,
        allows: match from.rule_action().map(types::RuleAction::as_str) {
            Some("allow") => true,
            Some("deny") => false,
            other => return Err(malformed(&place, &format!("RuleAction {other:?}"))),
        },
        range,
        ports: ports(protocol, of.and_then(|of| of.from()), of.and_then(|of| of.to()), &place)?,
    }))
}

fn subnet_gates(from: &types::Subnet, connectivity: impl Fn(&str) -> Option<String>) -> Result<SubnetGates, Gap> {
    let id = required(from.subnet_id(), "a subnet", "SubnetId")?;
    let mode = from.block_public_access_states().and_then(|states| states.internet_gateway_block_mode());
    let mode = given(mode.map(types::BlockPublicAccessMode::as_str));
    Ok(SubnetGates {
        vpc: required(from.vpc_id(), &format!("subnet {id}"), "VpcId")?.into(),
        availability_zone: given(from.availability_zone()).map(str::to_owned),
        public_access: mode.map(|mode| match mode {
            "off" => PublicAccess::Off,
            "block-bidirectional" => PublicAccess::BlockBidirectional,
            "block-ingress" => PublicAccess::BlockIngress,
            other => PublicAccess::Other(other.to_owned()),
        }),
        firewall: connectivity(id).filter(|treatment| !treatment.is_empty()),
        id: id.into(),
    })
}

fn exclusion(from: &types::VpcBlockPublicAccessExclusion) -> Result<PublicAccessExclusion, Gap> {
    let id = required(from.exclusion_id(), "an exclusion", "ExclusionId")?;
    let place = format!("exclusion {id}");
    let mode = from.internet_gateway_exclusion_mode().map(types::InternetGatewayExclusionMode::as_str);
    let state = from.state().map(types::VpcBlockPublicAccessExclusionState::as_str);
    Ok(PublicAccessExclusion {
        resource: required(from.resource_arn(), &place, "ResourceArn")?.to_owned(),
        mode: required(mode, &place, "InternetGatewayExclusionMode")?.to_owned(),
        state: required(state, &place, "State")?.to_owned(),
        id: id.to_owned(),
    })
}

fn nat_gateway(from: &types::NatGateway) -> Result<NatGateway, Gap> {
    let id = required(from.nat_gateway_id(), "a NAT gateway", "NatGatewayId")?;
    let place = format!("NAT gateway {id}");
    let mode = from.availability_mode().map(types::AvailabilityMode::as_str);
    let zone = from.nat_gateway_addresses().iter().find_map(|address| given(address.availability_zone()));
    let is_regional = mode == Some("regional");
    Ok(NatGateway {
        vpc: required(from.vpc_id(), &place, "VpcId")?.into(),
        subnet: given(from.subnet_id()).map(Into::into),
        availability_zone: zone.filter(|_| !is_regional).map(str::to_owned),
        state: required(from.state().map(types::NatGatewayState::as_str), &place, "State")?.to_owned(),
        connectivity: given(from.connectivity_type().map(types::ConnectivityType::as_str)).map(str::to_owned),
        is_regional,
        appliances: from
            .attached_appliances()
            .iter()
            .map(|appliance| appliance.r#type().map_or("of an unnamed kind", types::NatGatewayApplianceType::as_str))
            .map(str::to_owned)
            .collect(),
        id: id.into(),
    })
}

impl Listed for SecurityGroup {
    fn id(&self) -> String {
        self.id.to_string()
    }

    fn heap(&self) -> usize {
        let Self { id, egress } = self;
        let of_rule = |EgressRule { ports: _, ranges, prefix_lists, groups }: &EgressRule| {
            let lists = prefix_lists.iter().map(crate::model::PrefixListId::as_str);
            size_of_val(&ranges[..])
                + size_of_val(&prefix_lists[..])
                + size_of_val(&groups[..])
                + texts(lists.chain(groups.iter().map(SecurityGroupId::as_str)))
        };
        size_of_val(&egress[..]) + egress.iter().map(of_rule).sum::<usize>() + texts([id.as_str()])
    }
}

impl Listed for NetworkAcl {
    fn id(&self) -> String {
        self.id.to_string()
    }

    fn heap(&self) -> usize {
        let Self { id, subnets, egress, ingress } = self;
        let subnets_heap = size_of_val(&subnets[..]) + texts(subnets.iter().map(SubnetId::as_str));
        size_of_val(&egress[..]) + size_of_val(&ingress[..]) + subnets_heap + texts([id.as_str()])
    }
}

impl Listed for SubnetGates {
    fn id(&self) -> String {
        self.id.to_string()
    }

    fn heap(&self) -> usize {
        let Self { id, vpc, availability_zone, public_access, firewall } = self;
        let mode = match public_access {
            Some(PublicAccess::Other(mode)) => mode,
            Some(PublicAccess::Off | PublicAccess::BlockBidirectional | PublicAccess::BlockIngress) | None => "",
        };
        let optional = [availability_zone, firewall].map(|text| text.as_deref().unwrap_or_default());
        texts([id.as_str(), vpc.as_str(), mode].into_iter().chain(optional))
    }
}

impl Listed for PublicAccessExclusion {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn heap(&self) -> usize {
        let Self { id, resource, mode, state } = self;
        texts([id.as_str(), resource, mode, state])
    }
}

impl Listed for NatGateway {
    fn id(&self) -> String {
        self.id.to_string()
    }

    fn heap(&self) -> usize {
        let Self { id, vpc, subnet, availability_zone, state, connectivity, is_regional: _, appliances } = self;
        let optional = [availability_zone, connectivity].map(|text| text.as_deref().unwrap_or_default());
        let subnet = subnet.as_ref().map_or("", SubnetId::as_str);
        size_of_val(&appliances[..])
            + texts([id.as_str(), vpc.as_str(), subnet, state].into_iter().chain(optional))
            + texts(appliances.iter().map(String::as_str))
    }
}
