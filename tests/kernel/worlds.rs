//! Worlds in the language of ip(8), and the required conclusion for each.

use super::{
    judged::{assert_on_net, check, codes, wanted},
    network::{in_network, ip, ip_where_possible, show, try_ip},
};
use onnet::{
    model::{FindingCode, Outcome, Report},
    observe::kernel::{Kernel, Wanted},
};

/// An address of the list that no world changes.
const IN_USE: &str = "52.94.0.1";

/// Sets up a world and judges it.
fn world(commands: &'static str, expect: impl Fn(&Report) + Send + 'static) {
    in_network(move |_network| async move {
        ip(commands);
        expect(&check(IN_USE).await);
    });
}

fn mentions(report: &Report, code: FindingCode, words: &[&str]) {
    let found: Vec<_> = report.findings.iter().filter(|finding| finding.code == code).collect();
    let says = |word: &&str| found.iter().any(|finding| finding.message.contains(*word));
    assert!(!found.is_empty() && words.iter().all(says), "{code} with {words:?}: {:#?}", report.findings);
}

/// Part of the list goes elsewhere.
fn diverts(commands: &'static str, words: &'static [&'static str]) {
    world(commands, move |report| {
        assert_eq!(report.outcome, Outcome::AtRisk, "{commands}: {:#?}", report.findings);
        assert_eq!(codes(report), [FindingCode::HostRouteDiverts], "{commands}: {:#?}", report.findings);
        mentions(report, FindingCode::HostRouteDiverts, words);
    });
}

/// Another program's packets may go elsewhere.
fn may_divert(commands: &'static str, words: &'static [&'static str]) {
    world(commands, move |report| {
        assert_eq!(report.outcome, Outcome::AtRisk, "{commands}: {:#?}", report.findings);
        assert_eq!(codes(report), [FindingCode::PolicyRuleMayDivert], "{commands}: {:#?}", report.findings);
        mentions(report, FindingCode::PolicyRuleMayDivert, words);
    });
}

fn harmless(commands: &'static str) {
    world(commands, move |report| assert_on_net(report, commands));
}

pub(super) fn a_plain_host_is_on_net() {
    harmless("");
}

pub(super) fn an_ipv6_route_beyond_the_links_is_found_in_any_table() {
    const WITHOUT: &str = "-6 route flush default
                           -6 route flush table 100
                           -6 addr flush scope global";
    for (commands, expected) in [
        ("", false),
        ("-6 route add unreachable default metric 4294967295\n-6 route add blackhole 2600::/12", false),
        ("-6 addr add 2001:db8:16::10/128 dev ens5 nodad\n-6 route flush 2001:db8:16::10 table main", false),
        ("-6 route add default via fe80::1 dev ens5", true),
        ("-6 route add default dev vA table 52", true),
        ("-6 route add 64:ff9b::/96 dev vA", true),
        ("-6 route add fd00:1::/64 dev vA table 77", true),
        ("-6 route add local 2600:1f70::/48 dev lo", true),
        ("tuntap add dev tun7 mode tun\nlink set tun7 up\n-6 route add 2000::/3 dev tun7", true),
    ] {
        in_network(move |_network| async move {
            ip(WITHOUT);
            ip_where_possible(commands);
            let of_ipv4 =
                Wanted { list: vec!["52.94.0.0/28".parse().unwrap()], ports: [443].into(), ..Wanted::default() };
            for wanted in [of_ipv4, wanted(IN_USE.parse().unwrap())] {
                let paths = Kernel::open().unwrap().paths(&wanted).await.unwrap();
                assert_eq!(paths.has_ipv6_route, Some(expected), "{commands}\n{}", show());
            }
        });
    }
}

pub(super) fn an_inverted_rule_by_destination_diverts_what_it_does_not_name() {
    diverts("rule add pref 1000 not to 52.94.0.0/23 lookup 100", &["52.94.2.0/24", "table 100", "device vA"]);
}

pub(super) fn a_vrf_diverts_what_is_bound_to_it() {
    // The kernel adds this rule with the first VRF and leaves it there.
    harmless("rule add pref 1000 l3mdev\n-6 rule add pref 1000 l3mdev");
    const WITH_VRF: &str = "link add blue type vrf table 77
                            link set blue up
                            route add default via 10.99.0.2 dev vA table 77";
    in_network(|_network| async move {
        if let Err(error) = try_ip(WITH_VRF) {
            println!("not tested: this kernel has no VRF ({error})");
            return;
        }
        let report = check(IN_USE).await;
        assert_eq!(codes(&report), [FindingCode::PolicyRuleMayDivert], "{:#?}", report.findings);
        mentions(&report, FindingCode::PolicyRuleMayDivert, &["oif blue lookup 77", "device vA"]);
    });
}

pub(super) fn a_throw_route_in_a_policy_table_gives_the_next_table_its_turn() {
    diverts(
        "route add default via 172.31.16.1 dev ens5 table 200
         route add throw 52.94.2.0/25 table 200
         rule add pref 1000 lookup 200
         route replace default via 10.99.0.2 dev vA",
        &["52.94.2.0/25", "vA"],
    );
}

pub(super) fn a_local_route_keeps_part_of_the_list_here() {
    diverts("route add local 52.94.2.0/24 dev lo", &["52.94.2.0/24", "this host itself"]);
}

pub(super) fn an_address_that_aws_did_not_assign_is_no_source() {
    diverts("route add 52.94.2.0/24 via 172.31.16.1 dev ens5 src 172.31.16.50", &["52.94.2.0/24", "from 172.31.16.50"]);
}

pub(super) fn an_on_link_route_reaches_no_host() {
    diverts("route add 52.94.2.0/24 dev ens5", &["52.94.2.0/24", "device ens5"]);
}

pub(super) fn an_ipv6_next_hop_is_not_the_router_of_ipv4() {
    diverts("route add 52.94.2.0/24 via inet6 fe80::99 dev ens5", &["52.94.2.0/24", "fe80::99"]);
    diverts("route add 52.94.2.0/24 via inet6 fe80::1 dev ens5", &["fe80::1"]);
}

pub(super) fn another_host_of_the_subnet_is_not_the_router() {
    diverts("route add 52.94.2.0/24 via 172.31.16.99 dev ens5", &["next hop 172.31.16.99"]);
    diverts("-6 route add 2600:1f70::/124 via fe80::99 dev ens5", &["next hop fe80::99"]);
    diverts("-6 route add 2600:1f70::/124 via 2001:db8:16::99 dev ens5", &["2001:db8:16::99"]);
}

pub(super) fn a_host_that_the_router_redirects_to_is_not_the_router() {
    in_network(|network| async move {
        let address = IN_USE.parse().unwrap();
        network.redirect(address, "172.31.16.99".parse().unwrap());
        let report = check(IN_USE).await;
        assert_ne!(report.outcome, Outcome::OnNet, "{}", show());
        let says = |finding: &onnet::model::Finding| finding.message.contains("172.31.16.99");
        assert!(report.findings.iter().any(says), "{:#?}\n{}", report.findings, show());
    });
}

pub(super) fn a_tunnel_and_a_blackhole_divert_what_they_take() {
    diverts(
        "tuntap add dev tun7 mode tun
         link set tun7 up
         route add 52.94.2.0/25 dev tun7
         route add blackhole 52.94.2.128/25",
        &["tun7", "nowhere (blackhole)", "52.94.2.0/25", "52.94.2.128/25"],
    );
}

pub(super) fn every_next_hop_of_a_multipath_route_counts() {
    diverts(
        "route add 52.94.2.0/24 nexthop via 172.31.16.1 dev ens5 nexthop via 10.99.0.2 dev vA",
        &["52.94.2.0/24", "vA", "ens5"],
    );
    diverts("-6 route add 2600:1f70::/124 proto ra nexthop via fe80::1 dev ens5 nexthop via fe80::a2 dev vA", &["vA"]);
    harmless(
        "route add 52.94.2.0/24 nexthop via 172.31.16.1 dev ens5 weight 1 nexthop via 172.31.16.1 dev ens5 weight 2",
    );
}

pub(super) fn ipv6_takes_turns_among_routes_of_one_metric() {
    diverts(
        "-6 route add 2600:1f70::/124 via fe80::1 dev ens5 proto ra metric 50
         -6 route append 2600:1f70::/124 via fe80::a2 dev vA proto ra metric 50",
        &["vA"],
    );
}

pub(super) fn an_encapsulation_sends_packets_elsewhere() {
    diverts("route add 52.94.2.0/24 encap seg6 mode encap segs 2001:db8:16::77 via 172.31.16.1 dev ens5", &["seg6"]);
}

pub(super) fn next_hop_objects_are_followed() {
    let objects = "
        nexthop add id 1 via 172.31.16.1 dev ens5
        nexthop add id 2 via 10.99.0.2 dev vA
        nexthop add id 3 blackhole
        nexthop add id 10 group 1/2";
    let world = |route: &'static str, compatible: &'static str, expect: fn(&Report)| {
        in_network(move |_network| async move {
            std::fs::write("/proc/sys/net/ipv4/nexthop_compat_mode", compatible).unwrap();
            ip(objects);
            ip(route);
            expect(&check(IN_USE).await);
        });
    };
    for compatible in ["1", "0"] {
        world("route add 52.94.2.0/24 nhid 1", compatible, |report| assert_on_net(report, "the router"));
        world("route add 10.5.0.0/16 nhid 10", compatible, |report| assert_on_net(report, "an unrelated route"));
        world("route add 52.94.2.0/24 nhid 2", compatible, |report| {
            mentions(report, FindingCode::HostRouteDiverts, &["vA"])
        });
        world("route add 52.94.2.0/24 nhid 10", compatible, |report| {
            mentions(report, FindingCode::HostRouteDiverts, &["vA", "ens5"]);
        });
        world("route add 52.94.2.0/24 nhid 3", compatible, |report| {
            mentions(report, FindingCode::HostRouteDiverts, &["nowhere"]);
        });
        world("rule add pref 1000 iif vA lookup 300\nroute add default nhid 2 table 300", compatible, |report| {
            mentions(report, FindingCode::PolicyRuleMayDivert, &["vA"]);
        });
    }
}

pub(super) fn routes_that_are_not_in_effect_are_no_alarm() {
    harmless(
        "route add default via 172.31.16.1 dev ens5 table 200
         rule add pref 1000 from 172.31.16.10 lookup 200
         route add 52.94.2.0/24 via 172.31.16.99 dev ens5",
    );
    harmless("route add 52.94.2.0/24 via 10.99.0.2 dev vA table 200");
    harmless("route add 52.94.2.0/24 via 172.31.16.1 dev ens5\nroute add 52.94.2.0/24 via 10.99.0.2 dev vA metric 500");
    harmless("rule add pref 1000 to 52.94.2.0/24 dport 80 lookup 100\nrule add pref 1001 ipproto udp lookup 100");
    harmless("rule add pref 1000 iif nosuch0 lookup 100");
}

pub(super) fn a_second_network_interface_is_not_the_judged_one() {
    diverts("route add 52.94.2.0/24 via 172.31.32.1 dev ens6", &["ens6"]);
}

pub(super) fn what_covers_the_whole_list_is_more_than_a_part() {
    world("route replace default via 10.99.0.2 dev vA", |report| {
        assert!(matches!(report.outcome, Outcome::Undetermined | Outcome::OffNet), "{:#?}", report.findings);
    });
    world("rule add pref 1000 dport 443 lookup 100", |report| {
        assert!(matches!(report.outcome, Outcome::Undetermined | Outcome::OffNet), "{:#?}", report.findings);
    });
}

pub(super) fn a_virtual_device_with_the_interfaces_address_is_not_the_interface() {
    for kind in ["macvlan mode passthru", "bridge", "ifb"] {
        let link = if kind.starts_with("macvlan") { "link ens5 " } else { "" };
        let commands = format!(
            "link add {link}name virt0 address 06:00:00:00:00:10 type {kind}
             link set virt0 up
             route add 52.94.2.0/24 via 172.31.16.1 dev virt0 onlink src 172.31.16.10"
        );
        in_network(move |_network| async move {
            // A kernel without such devices cannot be tested.
            if try_ip(&commands).is_err() {
                return eprintln!("no {kind} here");
            }
            let report = check(IN_USE).await;
            assert_eq!(report.outcome, Outcome::AtRisk, "{kind}: {:#?}", report.findings);
            mentions(&report, FindingCode::HostRouteDiverts, &["virt0"]);
        });
    }
    world("link set vA address 06:00:00:00:00:10", |report| {
        assert_eq!(report.outcome, Outcome::Undetermined, "{:#?}", report.findings);
        mentions(report, FindingCode::FactsDisagree, &["vA has it too"]);
    });
}

// Rules that match properties of other programs' packets.

pub(super) fn rules_by_user_may_divert() {
    may_divert(
        "rule add pref 1000 uidrange 1001-1001 lookup 100",
        &["1000: from all uidrange 1001-1001 lookup 100", "user 1001", "vA", "eni-0a"],
    );
    may_divert("rule add pref 1000 not uidrange 0-0 lookup 100", &["user 1"]);
    harmless("rule add pref 1000 uidrange 1001-1001 lookup main");
    harmless("rule add pref 1000 uidrange 1001-1001 lookup 200");
    harmless(
        "route add default via 172.31.16.1 dev ens5 table 200
         rule add pref 1000 uidrange 1001-1001 lookup 200",
    );
    may_divert("rule add pref 1000 uidrange 1001-1001 prohibit", &["nowhere (prohibited)"]);
    harmless("rule add pref 1000 to 10.0.0.0/8 uidrange 1001-1001 lookup 100");
    harmless("rule add pref 40000 uidrange 1001-1001 lookup 100");
}

pub(super) fn rules_by_mark_tos_and_source_port_may_divert() {
    may_divert("rule add pref 1000 fwmark 2 lookup 100", &["mark 0x2", "vA"]);
    may_divert("rule add pref 1000 fwmark 2 lookup main\nrule add pref 1001 fwmark 2/2 lookup 100", &["mark 0x3"]);
    may_divert("rule add pref 1000 tos 0x10 lookup 100", &["type of service 0x10"]);
    may_divert("rule add pref 1000 ipproto tcp sport 40000-50000 lookup 100", &["source port 40000"]);
    may_divert("-6 rule add pref 1000 fwmark 2 lookup 100", &["mark 0x2", "2600:1f70::"]);
    may_divert("route add 52.94.2.0/24 tos 0x10 via 10.99.0.2 dev vA", &["type of service 0x10"]);
    may_divert(
        "rule add pref 1000 fwmark 1 goto 1002\nrule add pref 1001 lookup main\nrule add pref 1002 uidrange 1001-1001 lookup 100
         route add default via 172.31.16.1 dev ens5 table 300",
        &["user 1001", "mark 0x1"],
    );
    harmless("rule add pref 1000 fwmark 2 lookup main");
}

pub(super) fn rules_by_device_may_divert() {
    may_divert("rule add pref 1000 iif vA lookup 100", &["iif vA lookup 100", "forwarded from device vA"]);
    may_divert("rule add pref 1000 oif ens6 lookup 100", &["bound to device ens6"]);
    harmless("rule add pref 1000 iif vA lookup main");
    harmless("rule add pref 1000 iif vA lookup 100 suppress_prefixlength 0");
    harmless("rule add pref 1000 iif lo lookup main");
    // Forwarded packets do not match a rule for the host's own packets.
    may_divert(
        "route add default via 172.31.16.1 dev ens5 table 200
         rule add pref 900 iif lo lookup 200
         route replace default via 10.99.0.2 dev vA",
        &["iif lo lookup 200", "forwarded for other hosts", "vA"],
    );
    may_divert("rule add pref 900 not iif lo lookup 100", &["not from all iif lo lookup 100", "vA"]);
    // Its source address is not the one that an earlier rule matches.
    may_divert(
        "route add default via 172.31.16.1 dev ens5 table 200
         rule add pref 900 from 172.31.16.10 lookup 200
         rule add pref 1000 iif vA lookup 100",
        &["iif vA lookup 100"],
    );
    harmless("rule add pref 40000 iif vA lookup 100");
    may_divert(
        "rule add pref 1000 not iif vA lookup main\nrule add pref 1001 lookup 100",
        &["not from all iif vA lookup main"],
    );
}

// The rules and routes of real agents.

pub(super) fn the_vpc_cni_of_amazon_is_no_alarm() {
    harmless(
        "link add eni1 type veth peer name pod1
         link add eni2 type veth peer name pod2
         link set eni1 up
         link set eni2 up
         route add 172.31.16.101 dev eni1
         route add 172.31.32.101 dev eni2
         route add default via 172.31.32.1 dev ens6 table 2
         route add 172.31.32.1 dev ens6 table 2
         rule add pref 512 to 172.31.16.101 lookup main
         rule add pref 512 to 172.31.32.101 lookup main
         rule add pref 1024 fwmark 0x80/0x80 lookup main
         rule add pref 1536 from 172.31.32.101 lookup 2",
    );
    // Security groups for pods: the pods use branch interfaces, which instance metadata does not list.
    may_divert(
        "route add default via 10.99.0.2 dev vA table 101
         rule add pref 10 iif vA lookup 101",
        &["10: from all iif vA lookup 101"],
    );
}

pub(super) fn amazons_ec2_net_utils_is_no_alarm() {
    harmless(
        "route add default via 172.31.32.1 dev ens6 metric 522
         route add default via 172.31.16.1 dev ens5 metric 512
         route del default via 172.31.16.1 dev ens5 metric 0
         route add default via 172.31.16.1 dev ens5 table 10001
         route add 172.31.16.0/20 dev ens5 table 10001
         route add default via 172.31.32.1 dev ens6 table 10002
         route add 172.31.32.0/20 dev ens6 table 10002
         rule add pref 10001 from 172.31.16.10 lookup 10001
         rule add pref 10002 from 172.31.32.10 lookup 10002",
    );
}

const TAILSCALE: &str = "
    tuntap add dev tailscale0 mode tun
    link set tailscale0 up
    addr add 100.101.102.103/32 dev tailscale0
    rule add pref 5210 fwmark 0x80000/0xff0000 lookup main
    rule add pref 5230 fwmark 0x80000/0xff0000 lookup default
    rule add pref 5250 fwmark 0x80000/0xff0000 unreachable
    rule add pref 5270 lookup 52
    -6 rule add pref 5210 fwmark 0x80000/0xff0000 lookup main
    -6 rule add pref 5230 fwmark 0x80000/0xff0000 lookup default
    -6 rule add pref 5250 fwmark 0x80000/0xff0000 unreachable
    -6 rule add pref 5270 lookup 52
    route add 100.100.100.100 dev tailscale0 table 52
    route add 100.70.1.2 dev tailscale0 table 52
    ";

pub(super) fn tailscale_is_an_alarm_only_with_an_exit_node_or_such_routes() {
    harmless(TAILSCALE);
    in_network(|_network| async {
        ip(TAILSCALE);
        ip("route add 52.94.2.0/23 dev tailscale0 table 52");
        let report = check(IN_USE).await;
        assert_eq!(report.outcome, Outcome::AtRisk, "{:#?}", report.findings);
        mentions(&report, FindingCode::HostRouteDiverts, &["tailscale0", "52.94.2.0/24"]);
    });
    in_network(|_network| async {
        ip(TAILSCALE);
        ip("route add default dev tailscale0 table 52\nroute add throw 172.31.16.0/20 table 52");
        let report = check(IN_USE).await;
        assert_eq!(report.outcome, Outcome::OffNet, "{:#?}", report.findings);
        assert!(report.summary.contains("tailscale0"), "{}", report.summary);
    });
}

pub(super) fn wg_quick_is_an_alarm_where_its_peers_get_everything() {
    const WG: &str = "
        tuntap add dev wg0 mode tun
        link set wg0 up
        addr add 10.8.0.2/32 dev wg0
        ";
    in_network(|_network| async {
        ip(WG);
        ip("route add 10.8.0.0/24 dev wg0");
        assert_on_net(&check(IN_USE).await, "a split tunnel");
    });
    in_network(|_network| async {
        ip(WG);
        ip("route add default dev wg0 table 51820
            rule add pref 32765 not fwmark 51820 table 51820
            rule add pref 32764 table main suppress_prefixlength 0");
        let report = check(IN_USE).await;
        assert_eq!(report.outcome, Outcome::OffNet, "{:#?}", report.findings);
        assert!(report.summary.contains("wg0"), "{}", report.summary);
    });
    // Routes split by mark: only packets without the mark go to the VPC's router.
    may_divert(
        "route add default via 172.31.16.1 dev ens5 table 51820
         rule add pref 32765 not fwmark 51820 table 51820
         rule add pref 32764 table main suppress_prefixlength 0
         route replace default via 10.99.0.2 dev vA",
        &["not from all fwmark 0xca6c lookup 51820", "mark 0xca6c", "vA"],
    );
}
