//! One visitor over all facts of a snapshot: what is kept, dated again, expired, counted or hidden goes through it.
//!
//! Everything that holds facts is destructured here without `..`: a new field does not compile until it has a line. A fact
//! within another fact (the ranges of a network interface's subnet) is visited after the one it is in, if that one is there.

use super::{
    Instance, Interface, InterfaceId, Observed, PrefixListId, ProbeAttempt, ProbeKind, Resolution, Snapshot, Source,
    SubnetId, VpcFacts,
};
use serde::Serialize;
use std::{fmt, net::IpAddr};

/// What a fact may be.
pub trait Fact: Clone + fmt::Debug + PartialEq + Serialize + 'static {}

impl<T: Clone + fmt::Debug + PartialEq + Serialize + 'static> Fact for T {}

/// What is done with each fact.
pub trait FactVisitor {
    /// Called once for each fact; what it makes of the fact is what is visited within it.
    fn fact<T: Fact>(&mut self, at: FactPath, fact: &mut Observed<T>);
}

/// Which fact. Its text is where the fact stands in a snapshot's JSON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "named as the fields they stand for")]
pub enum FactPath {
    Instance,
    AvailabilityZone,
    SubnetCidrs { interface: InterfaceId, subnet: SubnetId },
    PublicAddresses { interface: InterfaceId, subnet: SubnetId },
    Region,
    Names,
    AccountName,
    Ipv4(String),
    Ipv6(String),
    HostsFile(String),
    KernelRoute(IpAddr),
    HostRoutes,
    RouteTables,
    VpcEndpoints,
    EndpointInterfaces,
    ServicePrefixLists,
    PrefixList(PrefixListId),
    Probe { kind: ProbeKind, hostname: String, address: IpAddr },
}

impl FactPath {
    /// Where the fact comes from, and so how long it counts.
    pub fn source(&self) -> Source {
        match self {
            Self::Instance
            | Self::AvailabilityZone
            | Self::SubnetCidrs { .. }
            | Self::PublicAddresses { .. }
            | Self::Region
            | Self::Names
            | Self::AccountName => Source::Imds,
            Self::Ipv4(_) | Self::Ipv6(_) | Self::HostsFile(_) => Source::Dns,
            Self::KernelRoute(_) | Self::HostRoutes => Source::Kernel,
            Self::RouteTables
            | Self::VpcEndpoints
            | Self::EndpointInterfaces
            | Self::ServicePrefixLists
            | Self::PrefixList(_) => Source::Ec2,
            Self::Probe { kind, .. } => kind.source(),
        }
    }
}

impl fmt::Display for FactPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance => f.write_str("instance"),
            Self::AvailabilityZone => f.write_str("instance.availability_zone"),
            Self::SubnetCidrs { interface, .. } => write!(f, "instance.interfaces[{interface}].subnet_cidrs"),
            Self::PublicAddresses { interface, .. } => write!(f, "instance.interfaces[{interface}].public_addresses"),
            Self::Region => f.write_str("region"),
            Self::Names => f.write_str("names"),
            Self::AccountName => f.write_str("account_name"),
            Self::Ipv4(hostname) => write!(f, "resolutions[{hostname}].ipv4"),
            Self::Ipv6(hostname) => write!(f, "resolutions[{hostname}].ipv6"),
            Self::HostsFile(hostname) => write!(f, "resolutions[{hostname}].hosts_file"),
            Self::KernelRoute(address) => write!(f, "kernel_routes[{address}]"),
            Self::HostRoutes => f.write_str("host_routes"),
            Self::RouteTables => f.write_str("vpc.route_tables"),
            Self::VpcEndpoints => f.write_str("vpc.vpc_endpoints"),
            Self::EndpointInterfaces => f.write_str("vpc.endpoint_interfaces"),
            Self::ServicePrefixLists => f.write_str("vpc.service_prefix_lists"),
            Self::PrefixList(list) => write!(f, "vpc.prefix_lists[{list}]"),
            Self::Probe { kind, hostname, address } => write!(f, "probes[{} {hostname} {address}]", kind.name()),
        }
    }
}

impl Snapshot {
    /// Every fact of the snapshot.
    pub fn visit_facts(&mut self, visitor: &mut impl FactVisitor) {
        let Self {
            schema: _,
            version: _,
            taken_at: _,
            took: _,
            instance,
            region,
            names,
            account_name,
            resolutions,
            proxies: _,
            assumed_interface: _,
            kernel_routes,
            host_routes,
            vpc,
            probes,
            max_age: _,
        } = self;
        visit_instance(instance, visitor);
        visitor.fact(FactPath::Region, region);
        visitor.fact(FactPath::Names, names);
        visitor.fact(FactPath::AccountName, account_name);
        for (hostname, resolution) in resolutions {
            resolution.visit_facts(hostname, visitor);
        }
        for (address, route) in kernel_routes {
            visitor.fact(FactPath::KernelRoute(*address), route);
        }
        visitor.fact(FactPath::HostRoutes, host_routes);
        vpc.visit_facts(visitor);
        for attempt in probes {
            attempt.visit_facts(visitor);
        }
    }
}

/// The instance and the facts within it.
pub fn visit_instance(instance: &mut Observed<Instance>, visitor: &mut impl FactVisitor) {
    visitor.fact(FactPath::Instance, instance);
    let Observed::Seen { value: Instance { id: _, region: _, availability_zone, interfaces }, .. } = instance else {
        return;
    };
    visitor.fact(FactPath::AvailabilityZone, availability_zone);
    for interface in interfaces {
        let Interface { id, mac: _, device_number: _, subnet, vpc: _, addresses: _, subnet_cidrs, public_addresses } =
            interface;
        let (interface, subnet) = (id.clone(), subnet.clone());
        let path = FactPath::SubnetCidrs { interface: interface.clone(), subnet: subnet.clone() };
        visitor.fact(path, subnet_cidrs);
        visitor.fact(FactPath::PublicAddresses { interface, subnet }, public_addresses);
    }
}

impl Resolution {
    /// Every fact of what `hostname` resolves to.
    pub fn visit_facts(&mut self, hostname: &str, visitor: &mut impl FactVisitor) {
        let Self { ipv4, ipv6, cnames: _, servers: _, hosts_file } = self;
        visitor.fact(FactPath::Ipv4(hostname.to_owned()), ipv4);
        visitor.fact(FactPath::Ipv6(hostname.to_owned()), ipv6);
        visitor.fact(FactPath::HostsFile(hostname.to_owned()), hosts_file);
    }
}

impl VpcFacts {
    /// Every fact about the VPC.
    pub fn visit_facts(&mut self, visitor: &mut impl FactVisitor) {
        let Self { route_tables, vpc_endpoints, endpoint_interfaces, service_prefix_lists, prefix_lists } = self;
        visitor.fact(FactPath::RouteTables, route_tables);
        visitor.fact(FactPath::VpcEndpoints, vpc_endpoints);
        visitor.fact(FactPath::EndpointInterfaces, endpoint_interfaces);
        visitor.fact(FactPath::ServicePrefixLists, service_prefix_lists);
        for (id, list) in prefix_lists {
            visitor.fact(FactPath::PrefixList(id.clone()), list);
        }
    }
}

impl ProbeAttempt {
    /// The probe, or the reason there is none.
    pub fn visit_facts(&mut self, visitor: &mut impl FactVisitor) {
        let kind = self.kind();
        let Self { address, hostname, kind: _, probe } = self;
        visitor.fact(FactPath::Probe { kind, hostname: hostname.clone(), address: *address }, probe);
    }
}
