//! A host and what its devices are connected to, in two network namespaces.
//!
//! ```text
//!   ens5 172.31.16.10/20, .50  ──  the VPC's router (172.31.16.1, fe80::1) and another host (.99, fe80::99)
//!   ens6 172.31.32.10/20       ──  the router of another subnet (172.31.32.1)
//!   vA   10.99.0.1/24          ──  a host elsewhere (10.99.0.2, fe80::a2)
//! ```
//!
//! Neighbours have fixed hardware addresses, so a packet shows its recipient.

use nix::{
    sched::{CloneFlags, unshare},
    sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvfrom, sendto, socket},
    unistd::gettid,
};
use std::{
    collections::BTreeMap,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
    process::{Command, Stdio},
    rc::Rc,
    sync::mpsc,
    thread,
};

pub(super) const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(super) const OTHER_ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 2];

const SET_UP: &str = "
link set lo up
link set ens5 address 06:00:00:00:00:10
link set ens6 address 06:00:00:00:00:20
link set vA address 06:00:00:00:00:a1
link set ens5 up
link set ens6 up
link set vA up
addr add 172.31.16.10/20 dev ens5
addr add 172.31.16.50/20 dev ens5
addr add 172.31.32.10/20 dev ens6
addr add 10.99.0.1/24 dev vA
-6 addr add 2001:db8:16::10/64 dev ens5 nodad
-6 addr add 2001:db8:99::1/64 dev vA nodad
neigh add 172.31.16.1 lladdr 02:00:00:00:00:01 dev ens5 nud permanent
neigh add 172.31.16.99 lladdr 02:00:00:00:00:99 dev ens5 nud permanent
neigh add 172.31.32.1 lladdr 02:00:00:00:00:02 dev ens6 nud permanent
neigh add 10.99.0.2 lladdr 02:00:00:00:00:a2 dev vA nud permanent
-6 neigh add fe80::1 lladdr 02:00:00:00:00:01 dev ens5 nud permanent
-6 neigh add fe80::99 lladdr 02:00:00:00:00:99 dev ens5 nud permanent
-6 neigh add fe80::a2 lladdr 02:00:00:00:00:a2 dev vA nud permanent
route add default via 172.31.16.1 dev ens5
-6 route add default via fe80::1 dev ens5 proto ra
route add default via 10.99.0.2 dev vA table 100
-6 route add default via fe80::a2 dev vA table 100
";

/// A packet that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// The device that sent it.
    pub(super) device: String,
    /// The recipient; all ones for a query for the owner of an address.
    pub(super) to: [u8; 6],
    pub(super) packet: Packet,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    Tcp {
        from: IpAddr,
        to: IpAddr,
    },
    /// ARP or neighbour discovery.
    WhoHas(IpAddr),
    /// IPv6 with a routing header.
    Wrapped,
    Other,
}

/// The host's network; the calling thread is in it.
pub(super) struct Network {
    outside: OwnedFd,
    devices: BTreeMap<usize, String>,
}

/// Runs `test` in its own network.
pub(super) fn in_network<F: Future<Output = ()>>(test: impl FnOnce(Rc<Network>) -> F + Send + 'static) {
    let thread = thread::spawn(|| {
        // The namespace and its connections end with the last reference.
        let network = Rc::new(Network::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test(Rc::clone(&network)));
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

impl Network {
    fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        for (device, outside) in [("ens5", "r5"), ("ens6", "r6"), ("vA", "rA")] {
            ip(&format!("link add {device} type veth peer name {outside}"));
        }
        let (tell, told) = mpsc::channel();
        let (moved, wait) = mpsc::channel::<()>();
        // The other namespace lives as long as its socket.
        let outside = thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            tell.send(gettid()).unwrap();
            wait.recv().unwrap();
            ip("link set r5 up\nlink set r6 up\nlink set rA up");
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).unwrap();
            let devices = [("r5", "ens5"), ("r6", "ens6"), ("rA", "vA")];
            let index = |name: &str| usize::try_from(nix::net::if_::if_nametoindex(name).unwrap()).unwrap();
            let devices = devices.map(|(outside, device)| (index(outside), device.to_owned()));
            (socket, devices.into_iter().collect())
        });
        let task = told.recv().unwrap();
        for device in ["r5", "r6", "rA"] {
            ip(&format!("link set {device} netns {task}"));
        }
        moved.send(()).unwrap();
        let (outside, devices) = outside.join().unwrap();
        ip(SET_UP);
        Self { outside, devices }
    }

    /// The packets that were sent since the last call.
    pub(super) fn sent(&self) -> Vec<Frame> {
        /// `PACKET_OUTGOING`: it goes in, not out.
        const OUTGOING: u8 = 4;
        let (mut frames, mut buffer) = (Vec::new(), [0; 2048]);
        while let Ok((length, Some(from))) = recvfrom::<LinkAddr>(self.outside.as_raw_fd(), &mut buffer) {
            if from.pkttype() != OUTGOING
                && let Some(device) = self.devices.get(&from.ifindex())
            {
                let bytes = &buffer[..length.min(buffer.len())];
                let packet = packet(bytes);
                frames.push(Frame { device: device.clone(), to: bytes[..6].try_into().unwrap(), packet });
            }
        }
        frames
    }

    /// The VPC's router answers a packet to `destination` with an ICMP redirect to `gateway`.
    pub(super) fn redirect(&self, destination: Ipv4Addr, gateway: Ipv4Addr) {
        const REDIRECT_FOR_HOST: [u8; 4] = [5, 1, 0, 0];
        let sender = UdpSocket::bind("0.0.0.0:0").unwrap();
        sender.connect((destination, 9)).unwrap();
        sender.send(b"a").unwrap();
        let mut buffer = [0; 2048];
        let (frame, from) = loop {
            assert!(self.wait(), "no packet to {destination} was sent");
            let (length, from) = recvfrom::<LinkAddr>(self.outside.as_raw_fd(), &mut buffer).unwrap();
            if buffer[12..14] == [8, 0] && buffer[30..34] == destination.octets() {
                break (&buffer[..length], from.unwrap());
            }
        };
        // It contains the header of what was sent, and 8 bytes more.
        let mut icmp = [&REDIRECT_FOR_HOST[..], &gateway.octets(), &frame[14..42]].concat();
        let sum = checksum(&icmp);
        icmp[2..4].copy_from_slice(&sum);
        let length = u8::try_from(20 + icmp.len()).unwrap();
        let mut header =
            [&[0x45, 0, 0, length, 0, 0, 0, 0, 64, 1, 0, 0][..], &[172, 31, 16, 1], &frame[26..30]].concat();
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum);
        let redirect = [&frame[6..12], &ROUTER, &[8, 0], &header, &icmp].concat();
        sendto(self.outside.as_raw_fd(), &redirect, &from, MsgFlags::empty()).unwrap();
        self.wait();
    }

    /// Waits a moment for packets.
    pub(super) fn wait(&self) -> bool {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        use std::os::fd::AsFd as _;
        let mut poll_on = [PollFd::new(self.outside.as_fd(), PollFlags::POLLIN)];
        poll(&mut poll_on, PollTimeout::from(100_u8)).unwrap() > 0
    }
}

/// The Internet checksum of RFC 1071.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0)));
    let sum = words.fold(0, |sum, word| {
        let sum = sum + word;
        (sum & 0xffff) + (sum >> 16)
    });
    (!u16::try_from(sum).unwrap()).to_be_bytes()
}

fn packet(frame: &[u8]) -> Packet {
    let v4 = |at: usize| IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(&frame[at..at + 4]).unwrap()));
    let v6 = |at: usize| IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(&frame[at..at + 16]).unwrap()));
    match (&frame[12..14], frame.get(23), frame.get(20), frame.get(54)) {
        ([8, 0], Some(6), ..) => Packet::Tcp { from: v4(26), to: v4(30) },
        ([8, 6], ..) => Packet::WhoHas(v4(38)),
        ([0x86, 0xdd], _, Some(6), _) => Packet::Tcp { from: v6(22), to: v6(38) },
        ([0x86, 0xdd], _, Some(58), Some(135)) => Packet::WhoHas(v6(62)),
        ([0x86, 0xdd], _, Some(43), _) => Packet::Wrapped,
        _ => Packet::Other,
    }
}

/// Runs commands of ip(8) in the network namespace of this thread. A line that starts with `-6` is for IPv6.
pub(super) fn ip(commands: &str) {
    assert_eq!(run(commands, &[]), Ok(()), "{commands}");
}

/// The same for commands that may be rejected.
pub(super) fn try_ip(commands: &str) -> Result<(), String> {
    run(commands, &[])
}

/// The same for commands that may be rejected, each separately.
pub(super) fn ip_where_possible(commands: &str) {
    let _ = run(commands, &["-force"]);
}

fn run(commands: &str, options: &[&str]) -> Result<(), String> {
    let lines: Vec<_> = commands.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let is_ipv6 = |line: &str| line.starts_with("-6 ");
    for batch in lines.chunk_by(|one, next| is_ipv6(one) == is_ipv6(next)) {
        let family = is_ipv6(batch[0]).then_some("-6");
        let text: Vec<_> = batch.iter().map(|line| line.trim_start_matches("-6 ")).collect();
        let mut child = Command::new("ip")
            .args(family)
            .args(options)
            .args(["-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.join("\n").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        if !output.status.success() && options.is_empty() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
    }
    Ok(())
}

/// The output of ip(8) for this network, for messages.
pub(super) fn show() -> String {
    let show = |arguments: &[&str]| {
        let output = Command::new("ip").args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    [show(&["rule"]), show(&["-6", "rule"]), show(&["route", "show", "table", "all"])].concat()
}
