//! What stands beside the routes: security groups, the network ACL, Block Public Access, NAT gateways, the attributes of the VPC.

use super::{
    super::{
        gates::{AclRule, EgressRule, Exclusion, NETWORK_ACL, NatGateway, SecurityGroup, To},
        world::{Refused, World},
    },
    Form, leaf, list,
};

pub(super) fn describe_security_groups(world: &World, call: &Form<'_>) -> Result<String, Refused> {
    let values = |group: &SecurityGroup, filter: &str| {
        Some(vec![match filter {
            "vpc-id" => world.vpc.clone(),
            "group-id" => group.id.to_owned(),
            _ => return None,
        }])
    };
    let found = call.select(&world.gates.security_groups, ("GroupId", "group-id"), values, &["vpc-id", "group-id"])?;
    call.page(world, "securityGroupInfo", &found, |group| {
        let arn = format!("arn:aws:ec2:{}:{}:security-group/{}", world.region, world.account, group.id);
        leaf("ownerId", &world.account)
            + &leaf("groupId", group.id)
            + &leaf("groupName", "default")
            + &leaf("groupDescription", "default VPC security group")
            + &leaf("vpcId", &world.vpc)
            + "<ipPermissions/>"
            + &list("ipPermissionsEgress", &group.egress, egress_rule)
            + "<tagSet/>"
            + &leaf("securityGroupArn", &arn)
    })
}

fn egress_rule(EgressRule { protocol, ports, to }: &EgressRule) -> String {
    let ports = ports.map(|(from, to)| leaf("fromPort", &from.to_string()) + &leaf("toPort", &to.to_string()));
    let one = |of: &To, set: &str| {
        let item = match (of, set) {
            (To::Group(id), "groups") => leaf("groupId", id),
            (To::Cidr(cidr), "ipRanges") => leaf("cidrIp", cidr),
            (To::Ipv6(cidr), "ipv6Ranges") => leaf("cidrIpv6", cidr),
            (To::List(id), "prefixListIds") => leaf("prefixListId", id),
            _ => return format!("<{set}/>"),
        };
        list(set, &[item], Clone::clone)
    };
    let sets = ["groups", "ipRanges", "ipv6Ranges", "prefixListIds"].map(|set| one(to, set));
    leaf("ipProtocol", protocol) + &ports.unwrap_or_default() + &sets.concat()
}

pub(super) fn describe_network_acls(world: &World, call: &Form<'_>) -> Result<String, Refused> {
    let acls = [&world.gates.acl];
    let values = |_: &&Vec<AclRule>, filter: &str| {
        Some(match filter {
            "vpc-id" => vec![world.vpc.clone()],
            "network-acl-id" => vec![NETWORK_ACL.to_owned()],
            "association.subnet-id" => world.subnets.iter().map(|subnet| subnet.id.clone()).collect(),
            _ => return None,
        })
    };
    let known = ["vpc-id", "network-acl-id", "association.subnet-id"];
    let found = call.select(&acls, ("NetworkAclId", "network-acl-id"), values, &known)?;
    call.page(world, "networkAclSet", &found, |rules| {
        let associations = list("associationSet", &world.subnets, |subnet| {
            leaf("networkAclAssociationId", &subnet.id.replace("subnet-", "aclassoc-"))
                + &leaf("networkAclId", NETWORK_ACL)
                + &leaf("subnetId", &subnet.id)
        });
        leaf("networkAclId", NETWORK_ACL)
            + &leaf("vpcId", &world.vpc)
            + &leaf("ownerId", &world.account)
            + &leaf("default", "true")
            + &list("entrySet", rules, acl_rule)
            + &associations
            + "<tagSet/>"
    })
}

fn acl_rule(rule: &AclRule) -> String {
    let AclRule { number, egress, protocol, action, cidr, ports } = rule;
    let ports = ports.map(|(from, to)| {
        format!("<portRange>{}{}</portRange>", leaf("from", &from.to_string()), leaf("to", &to.to_string()))
    });
    let field = if cidr.contains(':') { "ipv6CidrBlock" } else { "cidrBlock" };
    leaf("ruleNumber", &number.to_string())
        + &leaf("protocol", protocol)
        + &leaf("ruleAction", action)
        + &leaf("egress", &egress.to_string())
        + &leaf(field, cidr)
        + &ports.unwrap_or_default()
}

pub(super) fn describe_exclusions(world: &World, call: &Form<'_>) -> Result<String, Refused> {
    let values = |one: &Exclusion, filter: &str| {
        Some(vec![match filter {
            "resource-arn" => exclusion_arn(world, one),
            "state" => one.state.to_owned(),
            "exclusion-id" => one.id.to_owned(),
            _ => return None,
        }])
    };
    let found =
        call.select(&world.gates.exclusions, ("ExclusionId", "exclusion-id"), values, &["resource-arn", "state"])?;
    call.page(world, "vpcBlockPublicAccessExclusionSet", &found, |one| {
        leaf("exclusionId", one.id)
            + &leaf("internetGatewayExclusionMode", one.mode)
            + &leaf("resourceArn", &exclusion_arn(world, one))
            + &leaf("state", one.state)
            + &leaf("creationTimestamp", "2026-01-01T00:00:00.000Z")
            + "<tagSet/>"
    })
}

fn exclusion_arn(world: &World, Exclusion { resource, .. }: &Exclusion) -> String {
    let kind = resource.split('-').next().unwrap_or_default();
    format!("arn:aws:ec2:{}:{}:{kind}/{resource}", world.region, world.account)
}

pub(super) fn describe_nat_gateways(world: &World, call: &Form<'_>) -> Result<String, Refused> {
    let values = |nat: &NatGateway, filter: &str| {
        Some(vec![match filter {
            "vpc-id" => world.vpc.clone(),
            "nat-gateway-id" => nat.id.clone(),
            "subnet-id" => nat.subnet.clone(),
            "state" => nat.state.to_owned(),
            _ => return None,
        }])
    };
    let known = ["vpc-id", "nat-gateway-id", "subnet-id", "state"];
    let found = call.select(&world.gates.nat_gateways, ("NatGatewayId", "nat-gateway-id"), values, &known)?;
    call.page(world, "natGatewaySet", &found, |nat| {
        let is_regional = nat.availability == "regional";
        let public = if nat.connectivity == "public" { leaf("publicIp", "203.0.113.77") } else { String::new() };
        let address = leaf("networkInterfaceId", "eni-0a7c7c7c")
            + &leaf("privateIp", &nat.address.to_string())
            + &public
            + &leaf("isPrimary", "true")
            + &leaf("status", "succeeded");
        let proxy = "<attachedApplianceSet><item><type>network-firewall-proxy</type>\
                     <attachmentState>attached</attachmentState></item></attachedApplianceSet>";
        leaf("natGatewayId", &nat.id)
            + &if is_regional { String::new() } else { leaf("subnetId", &nat.subnet) }
            + &leaf("vpcId", &world.vpc)
            + &leaf("state", nat.state)
            + &leaf("createTime", "2026-01-01T00:00:00.000Z")
            + &list("natGatewayAddressSet", &[address], Clone::clone)
            + &leaf("connectivityType", nat.connectivity)
            + &leaf("availabilityMode", nat.availability)
            + if nat.has_proxy { proxy } else { "" }
            + "<tagSet/>"
    })
}

pub(super) fn describe_vpc_attribute(world: &World, call: &Form<'_>) -> Result<String, Refused> {
    let (vpc, attribute) = (call.required("VpcId")?, call.required("Attribute")?);
    if vpc != world.vpc {
        let message = format!("The vpc ID '{vpc}' does not exist");
        return Err(Refused { code: "InvalidVpcID.NotFound", message });
    }
    let value = match attribute {
        "enableDnsSupport" => world.gates.dns_support,
        "enableDnsHostnames" => world.gates.dns_hostnames,
        _ => {
            let message = format!("Value ({attribute}) for parameter attribute is invalid. Unknown attribute.");
            return Err(Refused { code: "InvalidParameterValue", message });
        }
    };
    Ok(leaf("vpcId", vpc) + &format!("<{attribute}>{}</{attribute}>", leaf("value", &value.to_string())))
}
