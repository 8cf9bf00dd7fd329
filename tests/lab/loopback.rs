//! The world moved to 127.0.0.0/8, for machines without network namespaces.

use super::world::{Destination, World};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};

/// What loopback cannot simulate, in one line.
pub const CAVEAT: &str = "loopback: route tables decide what is answered, but forward no packets, and the kernel's own routes are not judged";

/// The first number of public addresses becomes 127: 52.94.0.10 becomes 127.94.0.10.
///
/// Where the only loopback address is 127.0.0.1 (macOS), DynamoDB has that address, and its range moves with it.
pub fn moved(mut world: World) -> World {
    let only_localhost = std::net::UdpSocket::bind((Ipv4Addr::new(127, 94, 0, 10), 0)).is_err();
    let second = |octet: u8| if only_localhost && octet == 94 { 0 } else { octet };
    let address = |address: Ipv4Addr| {
        let [_, b, c, d] = address.octets();
        Ipv4Addr::new(127, second(b), c, d)
    };
    let net = |net: IpNet| match net {
        IpNet::V4(v4) if v4.prefix_len() > 8 && !v4.addr().is_private() => {
            let moved = IpNet::new(IpAddr::V4(address(v4.addr())), v4.prefix_len());
            moved.expect("the length is that of an IPv4 range")
        }
        IpNet::V4(_) | IpNet::V6(_) => net,
    };
    for list in &mut world.prefix_lists {
        list.cidrs = list.cidrs.iter().map(|cidr| net(*cidr)).collect();
    }
    for route in world.route_tables.iter_mut().flat_map(|table| &mut table.routes) {
        if let Destination::Cidr(cidr) = &mut route.destination {
            *cidr = net(*cidr);
        }
    }
    for one in &mut world.dynamodb_addresses {
        if let IpAddr::V4(v4) = *one {
            *one = IpAddr::V4(if only_localhost { Ipv4Addr::LOCALHOST } else { address(v4) });
        }
    }
    world
}
