//! The core's conclusions about this host's kernel, in a VPC whose endpoint carries the whole list.

use ipnet::IpNet;
use onnet::{
    judge::judge,
    model::{
        Destination, FindingCode, InstanceId, Interface, KernelPaths, KernelRoute, Observed, Outcome, Report, Route,
        Snapshot,
    },
    observe::kernel::{Kernel, KernelError, Wanted},
};
use std::{collections::BTreeMap, net::IpAddr};

/// DynamoDB's list here.
pub(super) const LIST: [&str; 3] = ["52.94.0.0/28", "52.94.2.0/24", "2600:1f70::/124"];

pub(super) fn list() -> Vec<IpNet> {
    LIST.iter().map(|entry| entry.parse().unwrap()).collect()
}

/// The questions to the kernel where this address is in use.
pub(super) fn wanted(in_use: IpAddr) -> Wanted {
    Wanted { list: list(), addresses: [in_use].into(), ports: [443].into() }
}

/// Asks the kernel of this network namespace and judges its answers, with this address in use.
pub(super) async fn check(in_use: &str) -> Report {
    let in_use = in_use.parse().unwrap();
    let kernel = Kernel::open().unwrap();
    let route = kernel.route(in_use, 443).await;
    let paths = kernel.paths(&wanted(in_use)).await;
    judge(snapshot(&list(), in_use, route, paths))
}

/// The same with the kernel's paths for the whole list collected before.
pub(super) async fn report(in_use: &str, paths: Result<KernelPaths, KernelError>) -> Report {
    let in_use = in_use.parse().unwrap();
    let route = Kernel::open().unwrap().route(in_use, 443).await;
    judge(snapshot(&list(), in_use, route, paths))
}

/// A snapshot with these answers of the kernel.
pub(super) fn snapshot(
    list: &[IpNet],
    in_use: IpAddr,
    route: Result<KernelRoute, KernelError>,
    paths: Result<KernelPaths, KernelError>,
) -> Snapshot {
    let mut world: Snapshot = crate::common::scenarios::base();
    let at = world.taken_at;
    fn observed<T>(at: onnet::model::Timestamp, result: Result<T, KernelError>) -> Observed<T> {
        match result {
            Ok(value) => Observed::Seen { value, at, took: Default::default() },
            Err(error) => Observed::Unseen(error.gap()),
        }
    }
    let seen = |route| observed(at, route);
    world.kernel_routes = BTreeMap::from([(in_use, seen(route))]);
    world.kernel_paths = observed(at, paths);
    world.host_routes = None;
    world.probes.clear();

    let Observed::Seen { value: instance, .. } = &mut world.instance else { panic!("an instance") };
    let first = &mut instance.interfaces[0];
    first.addresses.push("2001:db8:16::10".parse().unwrap());
    let cidrs = vec!["172.31.16.0/20".parse().unwrap(), "2001:db8:16::/64".parse().unwrap()];
    first.subnet_cidrs = Observed::Seen { value: cidrs, at, took: Default::default() };
    let second = Interface {
        id: "eni-0b".into(),
        mac: "06:00:00:00:00:20".into(),
        device_number: 1,
        subnet: "subnet-0b".into(),
        addresses: vec!["172.31.32.10".parse().unwrap()],
        subnet_cidrs: Observed::Seen { value: vec!["172.31.32.0/20".parse().unwrap()], at, took: Default::default() },
        ..first.clone()
    };
    instance.interfaces.push(second);
    instance.id = InstanceId::from("i-0a");

    let Observed::Seen { value: tables, .. } = &mut world.vpc.route_tables else { panic!("route tables") };
    let local = tables[0].routes.iter().find(|route| route.is_local()).unwrap().clone();
    tables[0].routes.push(Route { destination: Destination::Cidr("2001:db8::/32".parse().unwrap()), ..local });

    for read in world.vpc.prefix_lists.values_mut() {
        let Observed::Seen { value, .. } = read else { panic!("a list") };
        value.entries = list.to_vec().into();
    }
    assert!(
        world.vpc.route_tables.seen().unwrap()[0]
            .routes
            .iter()
            .any(|r| matches!(r.destination, Destination::PrefixList(_)))
    );
    let resolution = world.resolutions.values_mut().next().unwrap();
    let (Observed::Seen { value: v4, .. }, Observed::Seen { value: v6, .. }) =
        (&mut resolution.ipv4, &mut resolution.ipv6)
    else {
        panic!("addresses")
    };
    let mut record = v4.pop().unwrap();
    record.address = in_use;
    if in_use.is_ipv4() {
        v4.push(record)
    } else {
        v6.push(record)
    }
    resolution.c_library = Some(Observed::Seen { value: vec![in_use], at, took: Default::default() });
    world
}

/// The core's conclusion about the kernel alone: no finding, it diverts part of the list, or a rule may divert other programs.
pub(super) fn codes(report: &Report) -> Vec<FindingCode> {
    let mut codes: Vec<_> = report.findings.iter().map(|finding| finding.code).collect();
    codes.dedup();
    codes
}

pub(super) fn assert_on_net(report: &Report, why: &str) {
    let details = || format!("{why}: {}\n{:#?}\n{}", report.summary, report.findings, super::network::show());
    assert_eq!((report.outcome, codes(report)), (Outcome::OnNet, Vec::new()), "{}", details());
}
