//! What stands beside the routes of the simulated VPC. Only the EC2 API and instance metadata tell of it: the lab's packets pass whatever it
//! says.

use std::net::Ipv4Addr;

pub const SECURITY_GROUP: &str = "sg-0a1b2c3d";
pub const NETWORK_ACL: &str = "acl-0a1b2c3d";

/// What lets packets through or stops them. In every world everything is open at first.
#[derive(Clone, Debug)]
pub struct Gates {
    pub security_groups: Vec<SecurityGroup>,
    /// The only network ACL: every subnet has it.
    pub acl: Vec<AclRule>,
    /// `InternetGatewayBlockMode` of every subnet.
    pub public_access: &'static str,
    pub exclusions: Vec<Exclusion>,
    pub nat_gateways: Vec<NatGateway>,
    /// `NetworkFirewallConnectivityType` of every subnet, where the VPC has an Automated Internet Firewall.
    pub connectivity: &'static str,
    pub dns_support: bool,
    pub dns_hostnames: bool,
}

/// A security group of the instance's network interfaces.
#[derive(Clone, Debug)]
pub struct SecurityGroup {
    pub id: &'static str,
    pub egress: Vec<EgressRule>,
}

/// A rule for what goes out.
#[derive(Clone, Copy, Debug)]
pub struct EgressRule {
    pub protocol: &'static str,
    /// None for all protocols.
    pub ports: Option<(u16, u16)>,
    pub to: To,
}

#[derive(Clone, Copy, Debug)]
pub enum To {
    Cidr(&'static str),
    Ipv6(&'static str),
    List(&'static str),
    Group(&'static str),
}

/// A rule of the network ACL.
#[derive(Clone, Copy, Debug)]
pub struct AclRule {
    pub number: u32,
    pub egress: bool,
    pub protocol: &'static str,
    pub action: &'static str,
    pub cidr: &'static str,
    /// None for all protocols.
    pub ports: Option<(u16, u16)>,
}

/// An exclusion from Block Public Access.
#[derive(Clone, Debug)]
pub struct Exclusion {
    pub id: &'static str,
    /// A subnet, or the VPC.
    pub resource: String,
    pub mode: &'static str,
    pub state: &'static str,
}

#[derive(Clone, Debug)]
pub struct NatGateway {
    pub id: String,
    pub subnet: String,
    pub state: &'static str,
    /// `public` or `private`.
    pub connectivity: &'static str,
    /// `zonal` or `regional`.
    pub availability: &'static str,
    /// Whether a proxy of Network Firewall is attached to it.
    pub has_proxy: bool,
    pub address: Ipv4Addr,
}

impl NatGateway {
    /// A public one in one zone.
    pub fn public(id: &str, subnet: &str, address: Ipv4Addr) -> Self {
        Self {
            id: id.to_owned(),
            subnet: subnet.to_owned(),
            state: "available",
            connectivity: "public",
            availability: "zonal",
            has_proxy: false,
            address,
        }
    }
}

impl AclRule {
    /// For TCP.
    pub fn tcp(number: u32, action: &'static str, cidr: &'static str, ports: (u16, u16)) -> Self {
        Self { number, egress: true, protocol: "6", action, cidr, ports: Some(ports) }
    }

    pub fn ingress(self) -> Self {
        Self { egress: false, ..self }
    }

    fn of_all(number: u32, action: &'static str) -> Self {
        Self { number, egress: true, protocol: "-1", action, cidr: "0.0.0.0/0", ports: None }
    }

    fn of_all_ipv6(number: u32, action: &'static str) -> Self {
        Self { cidr: "::/0", ..Self::of_all(number, action) }
    }
}

impl Gates {
    /// As AWS makes them with a VPC.
    pub fn open() -> Self {
        let everywhere = EgressRule { protocol: "-1", ports: None, to: To::Cidr("0.0.0.0/0") };
        // The second is that which no one can change: none else matches.
        let acl = [AclRule::of_all(100, "allow"), AclRule::of_all(32_767, "deny")];
        Self {
            security_groups: vec![SecurityGroup { id: SECURITY_GROUP, egress: vec![everywhere] }],
            acl: acl.into_iter().flat_map(|rule| [rule, rule.ingress()]).collect(),
            public_access: "off",
            exclusions: Vec::new(),
            nat_gateways: Vec::new(),
            connectivity: "flexible",
            dns_support: true,
            dns_hostnames: true,
        }
    }

    /// As AWS adds to them when a VPC gets a range of IPv6.
    pub fn open_for_ipv6(&mut self) {
        let everywhere = EgressRule { protocol: "-1", ports: None, to: To::Ipv6("::/0") };
        self.security_groups.iter_mut().for_each(|group| group.egress.push(everywhere));
        let acl = [AclRule::of_all_ipv6(101, "allow"), AclRule::of_all_ipv6(32_768, "deny")];
        self.acl.extend(acl.into_iter().flat_map(|rule| [rule, rule.ingress()]));
    }

    /// Whether an Automated Internet Firewall lets out network interfaces without a public address.
    pub fn firewall_lets_out(&self) -> bool {
        matches!(self.connectivity, "flexible" | "outbound-only")
    }
}
