//! All facts of one round. The only way into `judge`.

use super::{
    FactVisitor, Gap, GateFacts, HostRoute, IgnoredSetting, Instance, Interface, InterfaceId, KernelPaths, KernelRoute,
    MaxAge, NatRates, Observed, PrefixListId, Probe, ProbeKind, ProxyVariable, Question, Resolution, SCHEMA, Seconds,
    ServiceName, Source, SubnetId, Timestamp, VpcFacts, WitnessAttempt, unique::unique,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, net::IpAddr};

/// All facts of one round. It has no field for credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// The schema version, [`crate::model::SCHEMA`], when it was written.
    pub schema: u32,
    /// The version of onnet that wrote it.
    pub version: String,
    /// The start of the round.
    pub taken_at: Timestamp,
    /// The duration.
    pub took: Seconds,
    /// The instance, from its metadata service.
    pub instance: Observed<Instance>,
    /// The Region of the names, which the SDK chooses.
    pub region: Observed<String>,
    /// The names to judge that depend on no account, the one an SDK would use first.
    pub names: Observed<Vec<ServiceName>>,
    /// The name that SDKs form from the account id of the credentials, and use before the others. Observed and none: they
    /// form none, because of the settings or because the credentials have no account id. While it is missing, the names in use
    /// are not all known.
    #[serde(default = "not_recorded")]
    pub account_name: Observed<Option<ServiceName>>,
    /// The resolution of each name.
    #[serde(deserialize_with = "unique")]
    pub resolutions: BTreeMap<String, Resolution>,
    /// Proxies that the environment names.
    pub proxies: Vec<ProxyVariable>,
    /// Settings of the AWS SDKs that are not used as written.
    #[serde(default)]
    pub ignored_settings: Vec<IgnoredSetting>,
    /// The actions of `--action`, which programs here use: `dynamodb:PutItem`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<String>,
    /// The tables of `--table`, which programs here use: a name, or an ARN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// What NAT gateways cost, by `--nat-usd-per-gb` and `--nat-usd-per-hour`.
    #[serde(default, skip_serializing_if = "NatRates::are_list_prices")]
    pub nat_rates: NatRates,
    /// The network interface of `--interface`, which is judged instead of the kernel's choice.
    pub assumed_interface: Option<InterfaceId>,
    /// The kernel's routes to each address in use, and to the servers that onnet itself needs: instance metadata and the name
    /// servers.
    #[serde(deserialize_with = "unique")]
    pub kernel_routes: BTreeMap<IpAddr, Observed<KernelRoute>>,
    /// The kernel's routes for all addresses of DynamoDB's prefix lists.
    #[serde(default = "not_collected")]
    pub kernel_paths: Observed<KernelPaths>,
    /// Only in snapshots of schema 1, instead of [`Self::kernel_paths`]: the kernel's more specific routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_routes: Option<Observed<Vec<HostRoute>>>,
    /// The facts that EC2 has about the VPC.
    pub vpc: VpcFacts,
    /// The timed requests: for each address and kind one entry, or the reason why there is none.
    pub probes: Vec<ProbeAttempt>,
    /// What DynamoDB said of the way that requests came, where it was asked (`--witness`).
    #[serde(default)]
    pub statements: Vec<WitnessAttempt>,
    /// How old a fact may be before it supports no verdict.
    pub max_age: MaxAge,
}

impl Snapshot {
    /// Nothing is known yet.
    pub fn unknown(assumed_interface: Option<InterfaceId>, max_age: MaxAge) -> Self {
        fn needs<T>(what: &str) -> Observed<T> {
            Observed::Unseen(Gap::NotTried { because: format!("the {what} is not known") })
        }

        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            taken_at: std::time::UNIX_EPOCH.into(),
            took: Seconds::default(),
            instance: Observed::Unseen(Gap::not_yet()),
            region: Observed::Unseen(Gap::not_yet()),
            names: needs("Region"),
            account_name: needs("Region"),
            resolutions: BTreeMap::new(),
            proxies: Vec::new(),
            ignored_settings: Vec::new(),
            actions: Vec::new(),
            tables: Vec::new(),
            nat_rates: NatRates::LIST_PRICES,
            assumed_interface,
            kernel_routes: BTreeMap::new(),
            kernel_paths: Observed::Unseen(Gap::not_yet()),
            host_routes: None,
            vpc: VpcFacts::unseen(&Gap::NotTried { because: "the VPC is not known".to_owned() }),
            probes: Vec::new(),
            statements: Vec::new(),
            max_age,
        }
    }

    /// Every name that is known, the one an SDK would use first: the account-based name, where there is one, before those
    /// that depend on no account.
    pub fn all_names(&self) -> impl Iterator<Item = &ServiceName> {
        let account_name = self.account_name.seen().and_then(Option::as_ref);
        let is_other = move |name: &&ServiceName| account_name.is_none_or(|first| first.hostname != name.hostname);
        account_name.into_iter().chain(self.names.seen().into_iter().flatten().filter(is_other))
    }
}

fn not_recorded() -> Observed<Option<ServiceName>> {
    Observed::Unseen(Gap::NotTried { because: "the snapshot does not record it".to_owned() })
}

/// What the kernel does with the prefix list, in a snapshot of schema 1.
pub(crate) fn not_collected() -> Observed<KernelPaths> {
    Observed::Unseen(Gap::NotTried { because: "the snapshot does not record them".to_owned() })
}

/// A probe, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeAttempt {
    /// The address.
    pub address: IpAddr,
    /// The name.
    pub hostname: String,
    /// The kind of request; absent where probes are disabled, and in files of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ProbeKind>,
    /// The result.
    pub probe: Observed<Probe>,
}

impl ProbeAttempt {
    /// Which request it was, or would have been: where nothing says so, the one that is made by default.
    pub fn kind(&self) -> ProbeKind {
        self.probe.seen().map(|probe| probe.kind).or(self.kind).unwrap_or(ProbeKind::ListTables)
    }
}

/// Which fact. Its text is where the fact stands in a snapshot's JSON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "named as the fields they stand for")]
pub enum FactPath {
    Instance,
    AvailabilityZone,
    SubnetCidrs { interface: InterfaceId, subnet: SubnetId },
    Owner { interface: InterfaceId, subnet: SubnetId },
    PublicAddresses { interface: InterfaceId, subnet: SubnetId },
    InterfacePrefixes { interface: InterfaceId, subnet: SubnetId },
    InterfaceGroups { interface: InterfaceId, subnet: SubnetId },
    Region,
    Names,
    AccountName,
    Ipv4(String),
    Ipv6(String),
    HostsFile(String),
    CLibrary(String),
    KernelRoute(IpAddr),
    KernelPaths,
    HostRoutes,
    RouteTables,
    VpcEndpoints,
    EndpointInterfaces,
    ServicePrefixLists,
    PrefixList(PrefixListId),
    SecurityGroups,
    NetworkAcls,
    SubnetGates,
    PublicAccessExclusions,
    NatGateways,
    VpcDns,
    Probe { kind: ProbeKind, hostname: String, address: IpAddr },
    Statement { question: Question, hostname: String, address: IpAddr },
}

impl FactPath {
    /// Whether it is about a gate beside the routes: no verdict waits for it.
    pub fn is_of_gates(&self) -> bool {
        matches!(
            self,
            Self::InterfaceGroups { .. }
                | Self::SecurityGroups
                | Self::NetworkAcls
                | Self::SubnetGates
                | Self::PublicAccessExclusions
                | Self::NatGateways
                | Self::VpcDns
        )
    }

    /// Where the fact comes from, and so how long it counts.
    pub fn source(&self) -> Source {
        match self {
            Self::Instance
            | Self::AvailabilityZone
            | Self::SubnetCidrs { .. }
            | Self::Owner { .. }
            | Self::PublicAddresses { .. }
            | Self::InterfacePrefixes { .. }
            | Self::InterfaceGroups { .. }
            | Self::Region
            | Self::Names
            | Self::AccountName => Source::Imds,
            Self::Ipv4(_) | Self::Ipv6(_) | Self::HostsFile(_) | Self::CLibrary(_) => Source::Dns,
            Self::KernelRoute(_) | Self::KernelPaths | Self::HostRoutes => Source::Kernel,
            Self::RouteTables
            | Self::VpcEndpoints
            | Self::EndpointInterfaces
            | Self::ServicePrefixLists
            | Self::PrefixList(_)
            | Self::SecurityGroups
            | Self::NetworkAcls
            | Self::SubnetGates
            | Self::PublicAccessExclusions
            | Self::NatGateways
            | Self::VpcDns => Source::Ec2,
            Self::Probe { kind, .. } => kind.source(),
            Self::Statement { .. } => Source::Witness,
        }
    }
}

impl fmt::Display for FactPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance => f.write_str("instance"),
            Self::AvailabilityZone => f.write_str("instance.availability_zone"),
            Self::SubnetCidrs { interface, .. } => write!(f, "instance.interfaces[{interface}].subnet_cidrs"),
            Self::Owner { interface, .. } => write!(f, "instance.interfaces[{interface}].owner"),
            Self::PublicAddresses { interface, .. } => write!(f, "instance.interfaces[{interface}].public_addresses"),
            Self::InterfacePrefixes { interface, .. } => write!(f, "instance.interfaces[{interface}].prefixes"),
            Self::InterfaceGroups { interface, .. } => write!(f, "instance.interfaces[{interface}].security_groups"),
            Self::Region => f.write_str("region"),
            Self::Names => f.write_str("names"),
            Self::AccountName => f.write_str("account_name"),
            Self::Ipv4(hostname) => write!(f, "resolutions[{hostname}].ipv4"),
            Self::Ipv6(hostname) => write!(f, "resolutions[{hostname}].ipv6"),
            Self::HostsFile(hostname) => write!(f, "resolutions[{hostname}].hosts_file"),
            Self::CLibrary(hostname) => write!(f, "resolutions[{hostname}].c_library"),
            Self::KernelRoute(address) => write!(f, "kernel_routes[{address}]"),
            Self::KernelPaths => f.write_str("kernel_paths"),
            Self::HostRoutes => f.write_str("host_routes"),
            Self::RouteTables => f.write_str("vpc.route_tables"),
            Self::VpcEndpoints => f.write_str("vpc.vpc_endpoints"),
            Self::EndpointInterfaces => f.write_str("vpc.endpoint_interfaces"),
            Self::ServicePrefixLists => f.write_str("vpc.service_prefix_lists"),
            Self::PrefixList(list) => write!(f, "vpc.prefix_lists[{list}]"),
            Self::SecurityGroups => f.write_str("vpc.gates.security_groups"),
            Self::NetworkAcls => f.write_str("vpc.gates.network_acls"),
            Self::SubnetGates => f.write_str("vpc.gates.subnets"),
            Self::PublicAccessExclusions => f.write_str("vpc.gates.exclusions"),
            Self::NatGateways => f.write_str("vpc.gates.nat_gateways"),
            Self::VpcDns => f.write_str("vpc.gates.dns"),
            Self::Probe { kind, hostname, address } => write!(f, "probes[{} {hostname} {address}]", kind.name()),
            Self::Statement { question, hostname, address } => write!(f, "statements[{question} {hostname} {address}]"),
        }
    }
}

impl Snapshot {
    /// Every fact of the snapshot. A fact within another fact (the ranges of a network interface's subnet) is visited after
    /// the one it is in, if that one is there.
    ///
    /// Everything that holds facts is destructured without `..`: a new field does not compile until it has a line.
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
            ignored_settings: _,
            actions: _,
            tables: _,
            nat_rates: _,
            assumed_interface: _,
            kernel_routes,
            kernel_paths,
            host_routes,
            vpc,
            probes,
            statements,
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
        visitor.fact(FactPath::KernelPaths, kernel_paths);
        if let Some(routes) = host_routes {
            visitor.fact(FactPath::HostRoutes, routes);
        }
        vpc.visit_facts(visitor);
        for attempt in probes {
            attempt.visit_facts(visitor);
        }
        for attempt in statements {
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
        let Interface {
            id,
            mac: _,
            device_number: _,
            subnet,
            vpc: _,
            addresses: _,
            subnet_cidrs,
            owner,
            security_groups,
            prefixes,
            public_addresses,
        } = interface;
        let (interface, subnet) = (id.clone(), subnet.clone());
        let path = FactPath::SubnetCidrs { interface: interface.clone(), subnet: subnet.clone() };
        visitor.fact(path, subnet_cidrs);
        visitor.fact(FactPath::Owner { interface: interface.clone(), subnet: subnet.clone() }, owner);
        let path = FactPath::InterfaceGroups { interface: interface.clone(), subnet: subnet.clone() };
        visitor.fact(path, security_groups);
        let path = FactPath::InterfacePrefixes { interface: interface.clone(), subnet: subnet.clone() };
        visitor.fact(path, prefixes);
        visitor.fact(FactPath::PublicAddresses { interface, subnet }, public_addresses);
    }
}

impl Resolution {
    /// Every fact of what `hostname` resolves to.
    pub fn visit_facts(&mut self, hostname: &str, visitor: &mut impl FactVisitor) {
        let Self { ipv4, ipv6, cnames: _, servers: _, hosts_file, c_library, left_out: _ } = self;
        visitor.fact(FactPath::Ipv4(hostname.to_owned()), ipv4);
        visitor.fact(FactPath::Ipv6(hostname.to_owned()), ipv6);
        visitor.fact(FactPath::HostsFile(hostname.to_owned()), hosts_file);
        if let Some(addresses) = c_library {
            visitor.fact(FactPath::CLibrary(hostname.to_owned()), addresses);
        }
    }
}

impl VpcFacts {
    /// Every fact about the VPC.
    pub fn visit_facts(&mut self, visitor: &mut impl FactVisitor) {
        let Self {
            route_tables,
            vpc_endpoints,
            endpoint_interfaces,
            service_prefix_lists,
            prefix_lists,
            gates,
            shared: _,
        } = self;
        visitor.fact(FactPath::RouteTables, route_tables);
        visitor.fact(FactPath::VpcEndpoints, vpc_endpoints);
        visitor.fact(FactPath::EndpointInterfaces, endpoint_interfaces);
        visitor.fact(FactPath::ServicePrefixLists, service_prefix_lists);
        for (id, list) in prefix_lists {
            visitor.fact(FactPath::PrefixList(id.clone()), list);
        }
        if let Some(gates) = gates {
            gates.visit_facts(visitor);
        }
    }
}

impl GateFacts {
    /// Every fact about the gates beside the routes.
    fn visit_facts(&mut self, visitor: &mut impl FactVisitor) {
        let Self { security_groups, network_acls, subnets, exclusions, nat_gateways, dns } = self;
        visitor.fact(FactPath::SecurityGroups, security_groups);
        visitor.fact(FactPath::NetworkAcls, network_acls);
        visitor.fact(FactPath::SubnetGates, subnets);
        visitor.fact(FactPath::PublicAccessExclusions, exclusions);
        visitor.fact(FactPath::NatGateways, nat_gateways);
        visitor.fact(FactPath::VpcDns, dns);
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

impl WitnessAttempt {
    /// The answer, or the reason there is none.
    pub fn visit_facts(&mut self, visitor: &mut impl FactVisitor) {
        let Self { question, address, hostname, statement } = self;
        let path = FactPath::Statement { question: *question, hostname: hostname.clone(), address: *address };
        visitor.fact(path, statement);
    }
}
