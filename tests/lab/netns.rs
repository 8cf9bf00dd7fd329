//! Two network namespaces, joined by a pair of virtual Ethernet devices: the instance, and AWS. Where the world has another
//! instance, a third one.
//!
//! A namespace exists as long as a process or a file descriptor refers to it. It has no name in the file system, so nothing
//! is left, not even after `kill -9`.

use super::world::{IPV6_METADATA, IPV6_RESOLVER, IPV6_ROUTER, Interface, METADATA, RESOLVER, World};
use futures_util::TryStreamExt as _;
use netlink_packet_route::{
    AddressFamily,
    address::AddressHeaderFlags,
    link::{LinkAttribute, State},
    route::{RouteProtocol, RouteScope, RouteType},
    rule::{RuleAction, RuleAttribute},
};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, setns, unshare},
    sys::{prctl, signal::Signal},
    unistd::{getegid, geteuid},
};
use rtnetlink::{Handle, IpVersion, LinkUnspec, LinkVeth, RouteMessageBuilder};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::CString,
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{ffi::OsStrExt as _, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const LOOPBACK: u32 = 1;
const MAIN_TABLE: u32 = 254;
const LOCAL_TABLE: u32 = 255;
/// The table for packets from the first interface of the instance; the second interface has the next table.
const FIRST_TABLE: u32 = 100;
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);
const MULTICAST: Ipv6Addr = Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0);

/// The namespace of the instance.
pub struct Instance {
    network: OwnedFd,
    /// The namespace of the other instance, in a world that has one.
    elsewhere: Option<OwnedFd>,
    /// The namespace of AWS, for programs that replace the lab's own services.
    aws: OwnedFd,
}

/// Creates the namespaces. The calling thread stays in that of AWS, where the services listen.
pub async fn build(world: &World) -> io::Result<(Instance, Forwarder)> {
    let (network, instance) = namespace()?;
    let elsewhere = world.elsewhere.as_ref().map(|_| namespace()).transpose()?;
    let (aws_network, aws) = namespace()?;

    for handle in [&instance, &aws].into_iter().chain(elsewhere.as_ref().map(|(_, handle)| handle)) {
        handle
            .link()
            .set(LinkUnspec::new_with_index(LOOPBACK).up().build())
            .execute()
            .await
            .map_err(io::Error::other)?;
    }
    for (number, interface) in world.interfaces.iter().enumerate() {
        let metric = 200 + u32::try_from(number).expect("an instance has few interfaces");
        let metric = if world.default_interface == number { 100 } else { metric };
        let link = Link { router: router_device(number), device: format!("ens{}", number + 5), metric, interface };
        join(world, &link, (&instance, &aws), &network).await.map_err(io::Error::other)?;
    }
    if let (Some(host), Some((network, handle))) = (&world.elsewhere, &elsewhere) {
        let router = router_device(world.interfaces.len());
        let link = Link { router, device: "ens5".to_owned(), metric: 100, interface: &host.interface };
        join(world, &link, (handle, &aws), network).await.map_err(io::Error::other)?;
    }
    let forwarder = Forwarder { aws, installed: tokio::sync::Mutex::default() };
    forwarder.prepare(world).await.map_err(io::Error::other)?;
    forwarder.follow(world).await?;
    let elsewhere = elsewhere.map(|(network, _)| network);
    Ok((Instance { network, elsewhere, aws: aws_network }, forwarder))
}

/// Moves this thread to a new namespace.
fn namespace() -> io::Result<(OwnedFd, Handle)> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    Ok((fs::File::open("/proc/thread-self/ns/net")?.into(), netlink()?))
}

/// A netlink socket of the current namespace of the thread. It stays there when the thread changes its namespace.
fn netlink() -> io::Result<Handle> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    tokio::spawn(connection);
    Ok(handle)
}

fn router_device(number: usize) -> String {
    format!("vpc{number}")
}

/// A network interface, and the devices at its two ends.
struct Link<'a> {
    router: String,
    device: String,
    /// Of the default route.
    metric: u32,
    interface: &'a Interface,
}

/// Connects the namespaces by one network interface: `ens5` (`ens6`, …) here, the router of the subnet there.
async fn join(
    world: &World,
    link: &Link<'_>,
    (instance, aws): (&Handle, &Handle),
    network: &OwnedFd,
) -> Result<(), rtnetlink::Error> {
    let Link { router, device, metric, interface } = link;
    let subnet = world.subnet(&interface.subnet).expect("every interface is in a subnet of the world");
    aws.link().add(LinkVeth::new(router, device).build()).execute().await?;
    let moved = LinkUnspec::new_with_name(device).setns_by_fd(network.as_raw_fd()).build();
    aws.link().set(moved).execute().await?;

    let router_index = index_of(aws, router).await?;
    for own in subnet.routers() {
        add_address(aws, router_index, own.addr(), own.prefix_len()).await?;
    }
    if interface.ipv6.is_some() {
        add_address(aws, router_index, IPV6_ROUTER.into(), 64).await?;
    }
    aws.link().set(LinkUnspec::new_with_index(router_index).up().build()).execute().await?;

    let index = index_of(instance, device).await?;
    let mac = interface.mac.to_vec();
    instance.link().set(LinkUnspec::new_with_index(index).address(mac).build()).execute().await?;
    let ipv4 = interface.address.map(IpAddr::V4).zip(subnet.cidr.map(|range| range.prefix_len()));
    let ipv6 = interface.ipv6.map(IpAddr::V6).zip(subnet.ipv6.map(|range| range.prefix_len()));
    for (address, length) in ipv4.into_iter().chain(ipv6) {
        add_address(instance, index, address, length).await?;
    }
    instance.link().set(LinkUnspec::new_with_index(index).up().build()).execute().await?;
    carries(aws, router).await?;
    carries(instance, device).await?;
    if ipv4.is_some() {
        let gateway = subnet.routers()[0].addr();
        let IpAddr::V4(gateway) = gateway else { unreachable!("the subnet has a range of IPv4, which comes first") };
        let default = RouteMessageBuilder::<Ipv4Addr>::new().gateway(gateway).priority(*metric).build();
        instance.route().add(default).execute().await?;
    }
    if ipv6.is_some() {
        // As if learned from the router's advertisement.
        let default = RouteMessageBuilder::<Ipv6Addr>::new().gateway(IPV6_ROUTER).output_interface(index);
        let default = default.priority(*metric).protocol(RouteProtocol::Ra).build();
        instance.route().add(default).execute().await?;
    }
    Ok(())
}

/// Adds an address that can be used at once: of IPv6 the kernel would first ask its neighbours whether one has it.
async fn add_address(handle: &Handle, index: u32, address: IpAddr, length: u8) -> Result<(), rtnetlink::Error> {
    let mut request = handle.address().add(index, address, length);
    if address.is_ipv6() {
        request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
    }
    request.execute().await
}

async fn index_of(handle: &Handle, device: &str) -> Result<u32, rtnetlink::Error> {
    let mut links = handle.link().get().match_name(device.to_owned()).execute();
    let link = links.try_next().await?.ok_or(rtnetlink::Error::RequestFailed)?;
    Ok(link.header.index)
}

/// Waits until a device sends: the kernel drops packets until one of its tasks has noticed that the other end is up.
async fn carries(handle: &Handle, device: &str) -> Result<(), rtnetlink::Error> {
    loop {
        let mut links = handle.link().get().match_name(device.to_owned()).execute();
        let link = links.try_next().await?.ok_or(rtnetlink::Error::RequestFailed)?;
        if link.attributes.contains(&LinkAttribute::OperState(State::Up)) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Makes the kernel of the AWS side forward the instance's packets according to the VPC's route tables.
pub struct Forwarder {
    aws: Handle,
    installed: tokio::sync::Mutex<BTreeSet<(u32, IpAddr, u8)>>,
}

impl Forwarder {
    /// Adds a routing table that has priority over all others for packets from the instance.
    ///
    /// Every address is local to the AWS side, so that a service can listen at any. But the `local` table, which the
    /// kernel reads first, is moved after the lab's tables, so that the route table of the subnet decides which
    /// addresses the instance reaches.
    async fn prepare(&self, world: &World) -> Result<(), rtnetlink::Error> {
        self.prepare_family(world, IpVersion::V4).await?;
        if !world.has_ipv6() {
            return Ok(());
        }
        // Neighbours find each other by these, whatever the route tables say.
        for (number, (range, length)) in (1..).zip([(LINK_LOCAL, 10), (MULTICAST, 8)]) {
            let rule = self.aws.rule().add().v6().destination_prefix(range, length).table_id(LOCAL_TABLE);
            rule.priority(number).action(RuleAction::ToTable).execute().await?;
        }
        // Where every address is local, a service can listen at any of IPv4's, but of IPv6's only at those of a device.
        for address in [IPV6_METADATA, IPV6_RESOLVER] {
            add_address(&self.aws, LOOPBACK, address.into(), 128).await?;
        }
        self.prepare_family(world, IpVersion::V6).await
    }

    async fn prepare_family(&self, world: &World, family: IpVersion) -> Result<(), rtnetlink::Error> {
        let (any, version) = match family {
            IpVersion::V4 => (IpAddr::from(Ipv4Addr::UNSPECIFIED), AddressFamily::Inet),
            IpVersion::V6 => (IpAddr::from(Ipv6Addr::UNSPECIFIED), AddressFamily::Inet6),
        };
        self.aws.route().add(local(any, 0, LOCAL_TABLE)).execute().await?;
        let rule = || {
            let mut rule = self.aws.rule().add();
            rule.message_mut().header.family = version;
            rule
        };
        for number in 0..world.all_interfaces().count() {
            let table = table_of(number);
            let rule = rule().input_interface(router_device(number)).table_id(table);
            rule.priority(table).action(RuleAction::ToTable).execute().await?;
        }
        // Replies use the subnets of the devices, before the table in which every address is local.
        for (table, priority) in [(MAIN_TABLE, 900), (LOCAL_TABLE, 1000)] {
            rule().table_id(table).priority(priority).action(RuleAction::ToTable).execute().await?;
        }
        let rules: Vec<_> = self.aws.rule().get(family).execute().try_collect().await?;
        let first = |attribute: &RuleAttribute| matches!(attribute, RuleAttribute::Priority(priority) if *priority > 0);
        for rule in rules.into_iter().filter(|rule| !rule.attributes.iter().any(first)) {
            self.aws.rule().del(rule).execute().await?;
        }
        Ok(())
    }

    /// Installs the forwarding for the present route tables.
    pub async fn follow(&self, world: &World) -> io::Result<()> {
        self.install(world).await.map_err(io::Error::other)
    }

    async fn install(&self, world: &World) -> Result<(), rtnetlink::Error> {
        let mut installed = self.installed.lock().await;
        let mut wanted = BTreeSet::new();
        // Interfaces whose subnets have the same route table have the same forwarding.
        let mut forwarding = BTreeMap::new();
        for (number, interface) in world.all_interfaces().enumerate() {
            let table = table_of(number);
            let mut always = vec![IpAddr::V4(METADATA), RESOLVER.into(), IPV6_METADATA.into(), IPV6_RESOLVER.into()];
            let routers = world.subnet(&interface.subnet).map(super::world::Subnet::routers);
            always.extend(routers.into_iter().flatten().map(|own| own.addr()));
            let mut ranges: Vec<(IpAddr, u8, bool)> =
                vec![(Ipv4Addr::UNSPECIFIED.into(), 0, false), (Ipv6Addr::UNSPECIFIED.into(), 0, false)];
            let alike = (world.table_of(&interface.subnet).map(|table| &table.id), interface.public.is_some());
            let forwarding = forwarding.entry(alike).or_insert_with(|| world.forwarding(interface));
            ranges.extend(forwarding.iter().map(|(range, up)| (range.network(), range.prefix_len(), *up)));
            ranges.extend(always.into_iter().map(|address| (address, if address.is_ipv4() { 32 } else { 128 }, true)));
            // Without IPv6 there is no rule that leads to the table.
            for (address, length, arrives) in ranges.into_iter().filter(|(of, ..)| of.is_ipv4() || world.has_ipv6()) {
                let route = if arrives { local(address, length, table) } else { blackhole(address, length, table) };
                self.aws.route().add(route).replace().execute().await?;
                wanted.insert((table, address, length));
            }
        }
        for (table, address, length) in installed.difference(&wanted) {
            self.aws.route().del(of_any_kind(*address, *length, *table)).execute().await?;
        }
        *installed = wanted;
        Ok(())
    }
}

fn table_of(interface: usize) -> u32 {
    FIRST_TABLE + u32::try_from(interface).expect("an instance has few interfaces")
}

type RouteMessage = netlink_packet_route::route::RouteMessage;

fn to(address: IpAddr, length: u8, table: u32) -> RouteMessageBuilder {
    let route = RouteMessageBuilder::<IpAddr>::new().destination_prefix(address, length);
    route.expect("the length is that of a range").table_id(table)
}

fn local(address: IpAddr, length: u8, table: u32) -> RouteMessage {
    let route = to(address, length, table);
    route.kind(RouteType::Local).scope(RouteScope::Host).output_interface(LOOPBACK).build()
}

fn blackhole(address: IpAddr, length: u8, table: u32) -> RouteMessage {
    to(address, length, table).kind(RouteType::BlackHole).build()
}

/// For deletion: a route of any kind.
fn of_any_kind(address: IpAddr, length: u8, table: u32) -> RouteMessage {
    to(address, length, table).kind(RouteType::Unspec).scope(RouteScope::NoWhere).build()
}

/// The files of the lab that replace the system's files for programs in the instance.
pub struct Files {
    pub resolv_conf: PathBuf,
    pub hosts: PathBuf,
    /// Names come only from the files above, not from a daemon outside the instance.
    pub nsswitch_conf: PathBuf,
    pub ca_bundle: PathBuf,
}

/// The paths of the trusted authorities, by distribution.
const CA_BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
];

impl Instance {
    /// Makes a command start on AWS's side. It ends with the thread that starts it.
    ///
    /// # Errors
    /// If the namespace cannot be passed on.
    pub fn hold_aws(&self, command: &mut Command) -> io::Result<()> {
        let network = self.aws.try_clone()?;
        let enter = move || {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            setns(&network, CloneFlags::CLONE_NEWNET)?;
            Ok(())
        };
        #[expect(unsafe_code, reason = "between fork and exec; `enter` makes system calls only and allocates nothing")]
        unsafe {
            command.pre_exec(enter);
        }
        Ok(())
    }

    /// Makes a command start in the instance, with its network and files. It ends with the thread that starts it.
    ///
    /// # Errors
    /// If the system's files cannot be distinguished.
    pub fn hold(&self, command: &mut Command, files: &Files) -> io::Result<()> {
        hold_in(&self.network, command, files)
    }

    /// The same in the other instance.
    ///
    /// # Errors
    /// If the world has none, or the system's files cannot be distinguished.
    pub fn hold_elsewhere(&self, command: &mut Command, files: &Files) -> io::Result<()> {
        let none = || io::Error::other("the world has no other instance");
        hold_in(self.elsewhere.as_ref().ok_or_else(none)?, command, files)
    }
}

fn hold_in(network: &OwnedFd, command: &mut Command, files: &Files) -> io::Result<()> {
    let network = network.try_clone()?;
    let over = mounts(files)?;
    let enter = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        setns(&network, CloneFlags::CLONE_NEWNET)?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        let nothing: Option<&std::ffi::CStr> = None;
        mount(nothing, c"/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
        for (ours, theirs) in &over {
            mount(Some(ours.as_c_str()), theirs.as_c_str(), nothing, MsFlags::MS_BIND, nothing)?;
        }
        Ok(())
    };
    #[expect(unsafe_code, reason = "between fork and exec; `enter` makes system calls only and allocates nothing")]
    unsafe {
        command.pre_exec(enter);
    }
    Ok(())
}

/// Pairs of the lab's file and the system's, with links resolved. A file that the system does not have is left out.
fn mounts(files: &Files) -> io::Result<Vec<(CString, CString)>> {
    let mut pairs = vec![
        (&files.resolv_conf, "/etc/resolv.conf"),
        (&files.hosts, "/etc/hosts"),
        (&files.nsswitch_conf, "/etc/nsswitch.conf"),
    ];
    pairs.extend(CA_BUNDLES.map(|bundle| (&files.ca_bundle, bundle)));
    let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other);
    let mut mounts = Vec::new();
    for (ours, theirs) in pairs {
        if let Ok(theirs) = fs::canonicalize(theirs) {
            mounts.push((text(ours)?, text(&theirs)?));
        }
    }
    Ok(mounts)
}

/// Whether the system has a bundle that the lab's can replace; if not, programs need `SSL_CERT_FILE`.
pub fn has_ca_bundle() -> bool {
    CA_BUNDLES.iter().any(|bundle| Path::new(bundle).exists())
}
