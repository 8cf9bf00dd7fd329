//! Random rules and routes, as arguments of ip(8), for the prefix list and neighbouring ranges.

use fastrand::Rng;
use ipnet::IpNet;
use std::{fmt::Write as _, net::IpAddr};

const TABLES: [&str; 3] = ["main", "100", "200"];

fn pick<'a>(rng: &mut Rng, all: &[&'a str]) -> &'a str {
    all[rng.usize(0..all.len())]
}

pub(super) fn v4(rng: &mut Rng) -> IpAddr {
    IpAddr::from(if rng.bool() { [52, 94, 0, rng.u8(0..16)] } else { [52, 94, 2, rng.u8(..)] })
}

pub(super) fn v6(rng: &mut Rng) -> IpAddr {
    IpAddr::from([0x2600, 0x1f70, 0, 0, 0, 0, 0, rng.u16(0..16)])
}

fn prefix(rng: &mut Rng, is_ipv6: bool) -> String {
    let (address, length) = if is_ipv6 {
        (v6(rng), *rng.choice(&[0, 32, 64, 124, 125, 126, 127, 128]).unwrap())
    } else {
        (v4(rng), *rng.choice(&[0, 8, 16, 23, 24, 25, 26, 28, 29, 30, 31, 32]).unwrap())
    };
    IpNet::new(address, length).unwrap().trunc().to_string()
}

pub(super) fn route(rng: &mut Rng, number: usize) -> String {
    let is_ipv6 = rng.u8(0..3) == 0;
    let (family, destination) = (if is_ipv6 { "-6 " } else { "" }, prefix(rng, is_ipv6));
    let how = if is_ipv6 {
        pick(
            rng,
            &[
                "via fe80::1 dev ens5 proto ra",
                "via fe80::1 dev ens5 proto ra",
                "via fe80::99 dev ens5",
                "via fe80::a2 dev vA proto ra",
                "dev ens5",
                "dev vA",
                "proto ra nexthop via fe80::1 dev ens5 nexthop via fe80::a2 dev vA",
                "nhid 21",
                "nhid 22",
                "nhid 30",
                "from 2001:db8:16::/64 via fe80::a2 dev vA",
            ],
        )
    } else {
        pick(
            rng,
            &[
                "via 172.31.16.1 dev ens5",
                "via 172.31.16.1 dev ens5",
                "via 172.31.16.1 dev ens5",
                "via 172.31.16.1 dev ens5 src 172.31.16.50",
                "via 172.31.16.99 dev ens5",
                "via 10.99.0.2 dev vA",
                "via 172.31.32.1 dev ens6",
                "dev ens5",
                "dev vA",
                "via inet6 fe80::99 dev ens5",
                "nexthop via 172.31.16.1 dev ens5 nexthop via 10.99.0.2 dev vA",
                "nexthop via 172.31.16.1 dev ens5 weight 1 nexthop via 172.31.16.99 dev ens5 weight 3",
                "nhid 1",
                "nhid 2",
                "nhid 3",
                "nhid 10",
                "nhid 11",
                "encap seg6 mode encap segs 2001:db8:16::77 via 172.31.16.1 dev ens5",
                "tos 0x10 via 10.99.0.2 dev vA",
            ],
        )
    };
    let kind =
        if rng.u8(0..5) == 0 { pick(rng, &["blackhole", "unreachable", "prohibit", "throw", "local"]) } else { "" };
    let how = match kind {
        "" => how,
        "local" => "dev lo",
        _ => "",
    };
    let (table, metric) = (pick(rng, &TABLES), rng.usize(1..4) * 10 + number % 2);
    format!("{family}route append {kind} {destination} {how} table {table} metric {metric}")
}

pub(super) fn rule(rng: &mut Rng, number: usize) -> String {
    let is_ipv6 = rng.u8(0..3) == 0;
    let family = if is_ipv6 { "-6 " } else { "" };
    let priority = 1000 + number;
    let not = if rng.u8(0..6) == 0 { "not " } else { "" };
    let mut selectors = String::new();
    if rng.bool() {
        write!(selectors, " to {}", prefix(rng, is_ipv6)).unwrap();
    }
    if rng.u8(0..4) == 0 {
        let from =
            if is_ipv6 { "2001:db8:16::/64" } else { pick(rng, &["172.31.16.10", "172.31.0.0/16", "10.99.0.1"]) };
        write!(selectors, " from {from}").unwrap();
    }
    selectors += pick(
        rng,
        &[
            "",
            "",
            " fwmark 2",
            " fwmark 2/2",
            " fwmark 1/3",
            " uidrange 1001-1001",
            " uidrange 1000-2000",
            " uidrange 0-0",
            " ipproto udp",
            " ipproto tcp dport 443",
            " ipproto tcp dport 80-100",
            " ipproto tcp sport 40000-41000",
            " tos 0x10",
            " iif lo",
            " iif vA",
            " oif vA",
            " uidrange 1001-1001 fwmark 2",
        ],
    );
    let action = pick(
        rng,
        &[
            "lookup main",
            "lookup 100",
            "lookup 100",
            "lookup 200",
            "lookup 200",
            "lookup main suppress_prefixlength 0",
            "lookup 100 suppress_prefixlength 24",
            "goto 1004",
            "goto 32766",
            "nop",
            "blackhole",
            "unreachable",
            "prohibit",
        ],
    );
    format!("{family}rule add pref {priority} {not}{selectors} {action}").replace("  ", " ")
}
