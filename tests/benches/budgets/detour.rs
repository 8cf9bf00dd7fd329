//! A longer path from the instance to DynamoDB. Not every kernel has `netem`, so packets are delayed in user space: they go to a
//! TUN device, and later through the instance's own device.

use nix::libc::{IFF_NO_PI, IFF_TUN, IPPROTO_RAW, c_short};
use serde_json::Value;
use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    error::Error,
    fs::{File, OpenOptions},
    io::Read,
    net::Ipv4Addr,
    os::fd::AsRawFd,
    process::Command,
    sync::mpsc,
    time::Duration,
};
use tokio::time::Instant;

const DEVICE: &str = "late0";

/// The device of the lab's instance.
const EGRESS_DEVICE: &[u8] = b"ens5";

/// `struct ifreq`, as far as a TUN device needs it.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: c_short,
    rest: [u8; 22],
}

nix::ioctl_write_ptr_bad!(tun_set_iff, 0x4004_54ca, Request);

/// Delays packets to `network` by `milliseconds` until this process is killed.
pub(crate) fn take(network: &str, milliseconds: &str) -> Result<Value, Box<dyn Error>> {
    let wait = Duration::from_millis(milliseconds.parse()?);
    let mut device = tun()?;
    ip(&["link", "set", DEVICE, "up"])?;
    ip(&["route", "add", network, "dev", DEVICE])?;
    let egress = Socket::new(Domain::IPV4, Type::RAW, Some(IPPROTO_RAW.into()))?;
    egress.bind_device(Some(EGRESS_DEVICE))?;
    anstream::println!("under way");

    let (hand_over, waiting) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || -> std::io::Result<()> {
        loop {
            let mut packet = vec![0; 65536];
            let length = device.read(&mut packet)?;
            packet.truncate(length);
            let _ = hand_over.send((Instant::now() + wait, packet)); // fails only if the receiver ended, and then this process ends too
        }
    });
    for (due, packet) in waiting {
        // The kernel's own packets, such as neighbour discovery, are not IPv4.
        let Some(destination) = packet.get(16..20).filter(|_| packet[0] >> 4 == 4) else { continue };
        let destination = Ipv4Addr::from([destination[0], destination[1], destination[2], destination[3]]);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        egress.send_to(&packet, &SockAddr::from(std::net::SocketAddrV4::new(destination, 0)))?;
    }
    Err("the TUN device does not exist any more".into())
}

fn tun() -> Result<File, Box<dyn Error>> {
    let device = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    let mut request = Request { name: [0; 16], flags: c_short::try_from(IFF_TUN | IFF_NO_PI)?, rest: [0; 22] };
    request.name[..DEVICE.len()].copy_from_slice(DEVICE.as_bytes());
    #[expect(unsafe_code, reason = "the kernel reads a struct ifreq, and the argument is one")]
    unsafe {
        tun_set_iff(device.as_raw_fd(), &raw const request)?;
    }
    Ok(device)
}

fn ip(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    if Command::new("ip").args(arguments).status()?.success() {
        Ok(())
    } else {
        Err(format!("ip {} failed", arguments.join(" ")).into())
    }
}
