//! The oracle: compares the path of a real `connect` with the conclusion of the core, in random worlds of rules and routes.
//!
//! Packets are counted at the other end of each device. `ONNET_ORACLE_WORLDS` sets the number of worlds (the default takes some
//! seconds), `ONNET_ORACLE_SEED` the first of their seeds.

use super::{
    judged::{list, snapshot, wanted},
    network::{Frame, Network, OTHER_ROUTER, Packet, ROUTER, in_network, ip, ip_where_possible, show},
    random::{route, rule, v4, v6},
};
use fastrand::Rng;
use ipnet::IpNet;
use nix::{
    errno::Errno,
    sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt, socket, sockopt::Mark},
    unistd::{Uid, setfsuid},
};
use onnet::{
    judge::judge,
    model::{FindingCode, KernelPaths, KernelRange, Outcome, Report},
    observe::{
        kernel::{Kernel, KernelError},
        limits::KernelLimits,
    },
};
use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    os::fd::AsRawFd as _,
};

/// The number of worlds in `cargo test`.
const WORLDS: u64 = 40;

/// The number of connections in each world, for each family.
const CONNECTIONS: usize = 24;

/// The user and the mark of the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sender {
    user: u32,
    mark: u32,
    tos: u8,
    source_port: u16,
}

const OWN: Sender = Sender { user: 0, mark: 0, tos: 0, source_port: 0 };

/// The source ports of the rules.
const PORTS: std::ops::RangeInclusive<u16> = 40000..=41000;

/// The core's conclusion for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// On-net for all programs.
    OnNet,
    /// On-net for onnet itself; a rule may divert others.
    OnNetForOwn,
    NotOnNet,
}

#[derive(Debug, Default)]
struct Tally {
    comparisons: usize,
    on_net: usize,
    on_net_and_right: usize,
    /// Paths that were right although the core did not conclude it, for onnet's own packets and for others'.
    careful: usize,
    careful_for_others: usize,
    gaps: usize,
}

pub(super) fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "settings of this test")]
    std::env::var(name).ok()?.parse().ok()
}

pub(super) fn the_core_says_on_net_only_where_connections_go_to_the_router() {
    let worlds = setting("ONNET_ORACLE_WORLDS").unwrap_or(WORLDS);
    let first = setting("ONNET_ORACLE_SEED").unwrap_or(1);
    in_network(move |network| async move {
        let mut tally = Tally::default();
        for seed in first..first + worlds {
            let mut rng = Rng::with_seed(seed);
            let world = World::random(&mut rng);
            world.make();
            world.compare(&network, &mut rng, seed, &mut tally).await;
            world.unmake();
        }
        println!("{worlds} worlds: {tally:?}");
        assert_eq!(tally.on_net, tally.on_net_and_right);
        assert!(tally.on_net > tally.comparisons / 10, "too seldom on-net to mean anything: {tally:?}");
        assert!(tally.careful * 20 < tally.comparisons, "too careful: {tally:?}");
    });
}

/// Rules and routes as arguments of ip(8).
struct World {
    rules: Vec<String>,
    routes: Vec<String>,
}

impl World {
    fn random(rng: &mut Rng) -> Self {
        let routes = (0..rng.usize(0..9)).map(|number| route(rng, number)).collect();
        let rules = (0..rng.usize(0..6)).map(|number| rule(rng, number)).collect();
        Self { rules, routes }
    }

    fn make(&self) {
        ip(OBJECTS);
        // The kernel rejects invalid commands.
        ip_where_possible(&[self.routes.join("\n"), self.rules.join("\n")].join("\n"));
    }

    fn unmake(&self) {
        let mut clean = String::new();
        for family in ["", "-6 "] {
            for table in ["100", "200"] {
                writeln!(clean, "{family}route flush table {table}").unwrap();
            }
            writeln!(clean, "{family}route flush table main proto boot").unwrap();
            writeln!(clean, "{family}route flush table main proto ra").unwrap();
            writeln!(clean, "{family}route flush table local proto boot").unwrap();
            writeln!(clean, "{family}route flush cache").unwrap();
        }
        for rule in &self.rules {
            let (family, rest) = rule.strip_prefix("-6 ").map_or(("", rule.as_str()), |rest| ("-6 ", rest));
            writeln!(clean, "{family}rule del pref {}", rest.split(' ').nth(3).unwrap()).unwrap();
        }
        // A missing rule cannot be removed.
        ip_where_possible(&clean);
        ip("nexthop flush");
        ip(DEFAULTS);
    }

    async fn compare(&self, network: &Network, rng: &mut Rng, seed: u64, tally: &mut Tally) {
        let kernel = Kernel::open().unwrap();
        let wanted = wanted("198.51.100.7".parse().unwrap());
        // Once as a program that sees all users, and once in its own user namespace.
        let paths = kernel.paths_within(&wanted, &KernelLimits::DEFAULT, true).await;
        let with_hidden_users = kernel.paths_within(&wanted, &KernelLimits::DEFAULT, false).await;
        tally.gaps += usize::from(paths.is_err()) + usize::from(with_hidden_users.is_err());
        for _ in 0..CONNECTIONS {
            for to in [v4(rng), v6(rng)] {
                let sender = sender(rng);
                let paths = if rng.bool() { &paths } else { &with_hidden_users };
                let verdict = verdict(&kernel, to, paths).await;
                let (source_port, is_right) = goes_to_the_router(network, to, sender);
                // The kernel may choose a port that a rule matches.
                let is_own = sender == OWN && !PORTS.contains(&source_port);
                let says = match verdict {
                    Verdict::OnNet => true,
                    Verdict::OnNetForOwn => is_own,
                    Verdict::NotOnNet => false,
                };
                tally.comparisons += 1;
                tally.on_net += usize::from(says);
                tally.on_net_and_right += usize::from(says && is_right.is_ok());
                if is_right.is_ok() && verdict == Verdict::NotOnNet {
                    tally.careful += usize::from(is_own);
                }
                tally.careful_for_others += usize::from(is_right.is_ok() && verdict == Verdict::OnNetForOwn && !is_own);
                if let (true, Err(went)) = (says, &is_right) {
                    panic!(
                        "seed {seed}: {to} by {sender:?} is {verdict:?}, and went {went}\n{}\n{}\n{paths:#?}",
                        self.routes.iter().chain(&self.rules).fold(String::new(), |all, line| all + "\n" + line),
                        show()
                    );
                }
            }
        }
    }
}

const OBJECTS: &str = "
nexthop add id 1 via 172.31.16.1 dev ens5
nexthop add id 2 via 10.99.0.2 dev vA
nexthop add id 3 blackhole
nexthop add id 4 via 172.31.16.1 dev ens5
nexthop add id 10 group 1/2
nexthop add id 11 group 1/4
-6 nexthop add id 21 via fe80::1 dev ens5
-6 nexthop add id 22 via fe80::a2 dev vA
nexthop add id 30 group 21/22
";

const DEFAULTS: &str = "
route replace default via 172.31.16.1 dev ens5
-6 route replace default via fe80::1 dev ens5 proto ra
route replace default via 10.99.0.2 dev vA table 100
-6 route replace default via fe80::a2 dev vA table 100
";

fn sender(rng: &mut Rng) -> Sender {
    if rng.bool() {
        return OWN;
    }
    Sender {
        user: *rng.choice(&[0, 0, 1001, 1500, 3000]).unwrap(),
        mark: *rng.choice(&[0, 0, 1, 2, 3, 5]).unwrap(),
        tos: *rng.choice(&[0, 0, 0, 0x10]).unwrap(),
        source_port: *rng.choice(&[0, 0, 0, 40500]).unwrap(),
    }
}

/// DynamoDB's list has IPv4 ranges in every Region: here one that goes to the router.
fn beside_ipv4(mut paths: KernelPaths, list: &mut Vec<IpNet>) -> KernelPaths {
    let ipv4: IpAddr = [52, 94, 255, 1].into();
    let base = crate::common::scenarios::base();
    let to_router = base.kernel_paths.seen().and_then(|paths| paths.ranges.first()).unwrap();
    paths.ranges.push(KernelRange { first: ipv4, last: ipv4, ..to_router.clone() });
    paths.ranges.sort_by_key(|range| range.first);
    list.push(ipv4.into());
    paths
}

async fn verdict(kernel: &Kernel, to: IpAddr, paths: &Result<KernelPaths, KernelError>) -> Verdict {
    let paths = match paths {
        Ok(paths) => Ok(paths.clone()),
        Err(_) => return Verdict::NotOnNet,
    };
    // The address is in use, and the whole list counts: every path must be right.
    let mut only = vec![IpNet::from(to)];
    let paths = if to.is_ipv6() { paths.map(|paths| beside_ipv4(paths, &mut only)) } else { paths };
    let report: Report = judge(snapshot(&only, to, kernel.route(to, 443).await, paths));
    assert!(list().iter().any(|entry| entry.contains(&to)));
    let may_divert = |report: &Report| {
        report.outcome == Outcome::AtRisk
            && report.findings.iter().all(|finding| finding.code == FindingCode::PolicyRuleMayDivert)
    };
    match report.outcome {
        Outcome::OnNet => Verdict::OnNet,
        _ if may_divert(&report) => Verdict::OnNetForOwn,
        _ => Verdict::NotOnNet,
    }
}

/// Connects. Returns the source port, and the other destinations of the packets if they were not sent from an assigned address to the router.
fn goes_to_the_router(network: &Network, to: IpAddr, sender: Sender) -> (u16, Result<(), String>) {
    network.sent();
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    setfsuid(Uid::from_raw(sender.user));
    let opened = socket(family, SockType::Stream, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC, None);
    setfsuid(Uid::from_raw(0));
    let opened = opened.unwrap();
    setsockopt(&opened, Mark, &sender.mark).unwrap();
    if sender.tos != 0 {
        let socket = socket2::SockRef::from(&opened);
        if to.is_ipv4() {
            socket.set_tos_v4(sender.tos.into()).unwrap()
        } else {
            socket.set_tclass_v6(sender.tos.into()).unwrap()
        }
    }
    if sender.source_port != 0 {
        let socket = socket2::SockRef::from(&opened);
        socket.set_reuse_address(true).unwrap();
        let any: SocketAddr =
            if to.is_ipv4() { ([0; 4], sender.source_port).into() } else { ([0_u8; 16], sender.source_port).into() };
        socket.bind(&any.into()).unwrap();
    }
    let connected = connect(opened.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(to, 443)));
    let local = socket2::SockRef::from(&opened).local_addr().unwrap().as_socket().unwrap();
    let went = match connected {
        Ok(()) => Err("to this host".to_owned()),
        Err(Errno::EINPROGRESS) => went_to_the_router(network, to),
        Err(errno) => Err(format!("nowhere: {errno}")),
    };
    (local.port(), went)
}

fn went_to_the_router(network: &Network, to: IpAddr) -> Result<(), String> {
    let ours = |frame: &Frame| match frame.packet {
        Packet::Tcp { to: other, .. } => other == to,
        Packet::WhoHas(other) => other == to,
        Packet::Wrapped => true,
        // The host's own neighbour discovery may occur at any time.
        Packet::Other => false,
    };
    let frame = loop {
        if let Some(frame) = network.sent().into_iter().find(ours) {
            break frame;
        }
        if !network.wait() {
            return Err("nowhere, or to this host".to_owned());
        }
    };
    // Both subnets use the route table with the endpoint.
    let assigned: &[&str] = match (frame.device.as_str(), frame.to) {
        ("ens5", ROUTER) => &["172.31.16.10", "2001:db8:16::10"],
        ("ens6", OTHER_ROUTER) => &["172.31.32.10"],
        _ => &[],
    };
    let is_assigned = |from: IpAddr| assigned.iter().any(|address| address.parse() == Ok(from));
    let is_right = matches!(frame.packet, Packet::Tcp { from, .. } if is_assigned(from));
    if is_right { Ok(()) } else { Err(format!("{frame:?}")) }
}
