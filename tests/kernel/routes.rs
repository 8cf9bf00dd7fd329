//! The facts that the kernel collector returns for a known network.

use super::in_scratch_network;
use futures_util::TryStreamExt;
use netlink_packet_route::route::RouteType;
use onnet::{
    model::{KernelRoute, NextHop},
    observe::kernel::{Kernel, Wanted},
};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The network: `ens5` with 192.0.2.10/24 and 2001:db8::10/64, a default route, one in another table,
/// and one of each kind that rejects packets.
async fn furnish(handle: &Handle) {
    handle.link().add(LinkVeth::new("ens5", "peer").build()).execute().await.unwrap();
    let mut index = 0;
    for name in ["peer", "ens5"] {
        index = handle.link().get().match_name(name).execute().try_next().await.unwrap().unwrap().header.index;
        let mac = vec![6, 0, 0, 0, 0, 0x0a];
        handle.link().set(LinkUnspec::new_with_index(index).address(mac).up().build()).execute().await.unwrap();
    }
    for (own, length) in [("192.0.2.10", 24), ("2001:db8::10", 64)] {
        // Without duplicate address detection, which would delay the IPv6 address.
        let mut request = handle.address().add(index, address(own), length);
        request.message_mut().header.flags = netlink_packet_route::address::AddressHeaderFlags::Nodad;
        request.execute().await.unwrap();
    }
    let ipv4 = |destination: &str, length| {
        RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(destination.parse().unwrap(), length)
    };
    let ipv6 = |destination: &str, length| {
        RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(destination.parse().unwrap(), length)
    };
    for route in [
        ipv4("0.0.0.0", 0).gateway(Ipv4Addr::new(192, 0, 2, 1)).build(),
        ipv4("198.51.100.0", 24).gateway(Ipv4Addr::new(192, 0, 2, 2)).table_id(100).build(),
        ipv4("203.0.113.0", 26).kind(RouteType::BlackHole).build(),
        ipv4("203.0.113.64", 26).kind(RouteType::Unreachable).build(),
        ipv4("203.0.113.128", 26).kind(RouteType::Prohibit).build(),
        ipv6("2001:db8:1::", 48).gateway("2001:db8::1".parse().unwrap()).build(),
        ipv6("2001:db8:2::", 48).kind(RouteType::BlackHole).build(),
    ] {
        handle.route().add(route).execute().await.unwrap();
    }
}

/// The kernel uses an IPv6 address only some moments after it accepted it.
async fn settled(kernel: &Kernel) {
    let own = address("2001:db8::10");
    while kernel.route(own, 443).await.unwrap() != KernelRoute::Local {
        tokio::task::yield_now().await;
    }
}

/// Runs `test` in this network.
fn furnished<F: Future<Output = ()>>(test: impl FnOnce(Kernel) -> F + Send + 'static) {
    in_scratch_network(|handle| async move {
        furnish(&handle).await;
        let kernel = Kernel::open().unwrap();
        tokio::time::timeout(Duration::from_secs(10), settled(&kernel)).await.expect("an IPv6 address in use");
        test(kernel).await;
    });
}

pub(super) fn a_route_names_device_mac_source_and_gateway() {
    furnished(|kernel| async move {
        let route = kernel.route(address("52.94.0.10"), 443).await.unwrap();
        let KernelRoute::Via { hop: NextHop { device, gateway, .. }, source, .. } = route else { panic!("{route:?}") };
        assert_eq!(device.name.as_str(), "ens5");
        assert_eq!(device.mac.unwrap().as_str(), "06:00:00:00:00:0a");
        assert_eq!(device.kind.as_deref(), Some("veth"));
        assert_eq!(source, Some(address("192.0.2.10")));
        assert_eq!(gateway, Some(address("192.0.2.1")));

        let route = kernel.route(address("192.0.2.77"), 443).await.unwrap();
        assert!(route.hops().all(|hop| hop.gateway.is_none()), "on-link: {route:?}");
        let route = kernel.route(address("2001:db8:1::7"), 443).await.unwrap();
        let KernelRoute::Via { hop: NextHop { gateway, .. }, source, .. } = route else { panic!("{route:?}") };
        assert_eq!((source, gateway), (Some(address("2001:db8::10")), Some(address("2001:db8::1"))));
    });
}

pub(super) fn an_address_of_ours_is_local_in_either_family() {
    furnished(|kernel| async move {
        for own in ["192.0.2.10", "2001:db8::10"] {
            assert_eq!(kernel.route(address(own), 443).await.unwrap(), KernelRoute::Local, "{own}");
        }
    });
}

pub(super) fn no_route_is_a_fact_with_the_kernels_reason() {
    furnished(|kernel| async move {
        for (to, word) in [
            ("203.0.113.1", "blackhole"),
            ("203.0.113.65", "unreachable"),
            ("203.0.113.129", "prohibited"),
            ("2001:db8:2::1", "blackhole"),
            ("2001:db8:ffff::1", "no route"),
        ] {
            let route = kernel.route(address(to), 443).await.unwrap();
            assert_eq!(route, KernelRoute::NoRoute { detail: word.to_owned() }, "{to}");
        }
    });
}

pub(super) fn routes_and_paths_can_be_asked_for_all_at_once() {
    furnished(|kernel| async move {
        let destinations = (0..200u8).map(|last| kernel.route(Ipv4Addr::new(52, 94, 0, last).into(), 443));
        let wanted = Wanted { list: vec!["52.94.0.0/22".parse().unwrap()], addresses: [].into(), ports: [443].into() };
        let (routes, paths) = tokio::join!(futures_util::future::join_all(destinations), kernel.paths(&wanted));
        assert!(routes.iter().all(|route| matches!(route, Ok(KernelRoute::Via { .. }))), "{routes:?}");
        assert_eq!(paths.unwrap().ranges.len(), 1);
    });
}
