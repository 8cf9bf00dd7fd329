//! The kernel collector in temporary network namespaces, and the kernel as an oracle for our longest prefix match.
//!
//! Where namespaces are not available, these tests are listed as ignored and the reason is printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]
#![cfg_attr(not(target_os = "linux"), allow(unused, reason = "there is nothing to test here"))]

#[cfg(target_os = "linux")]
mod bounds;
#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod connect;
#[cfg(target_os = "linux")]
mod judged;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod oracle;
#[cfg(target_os = "linux")]
#[path = "../common/over_limit.rs"]
mod over_limit;
#[cfg(target_os = "linux")]
mod random;
#[path = "../lab/rights.rs"]
mod rights;
#[cfg(target_os = "linux")]
mod routes;
#[cfg(target_os = "linux")]
mod users;
#[cfg(target_os = "linux")]
mod worlds;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if let Some(judged) = users::judged_here() {
        return judged;
    }
    let arguments = Arguments::from_args();
    // Before libtest-mimic starts threads.
    let rights = rights::gain();
    if let Err(reason) = &rights {
        eprintln!("no network namespaces, so these tests are listed as ignored: {reason}");
    }
    let trial = |(name, test): (&str, fn())| {
        let test = move || {
            test();
            Ok(())
        };
        Trial::test(name, test).with_ignored_flag(rights.is_err())
    };
    libtest_mimic::run(&arguments, TESTS.iter().copied().map(trial).collect()).exit_code()
}

#[cfg(not(target_os = "linux"))]
const TESTS: [(&str, fn()); 0] = [];

macro_rules! tests {
    ($($module:ident::$test:ident,)*) => { [$((concat!(stringify!($module), "::", stringify!($test)), $module::$test)),*] };
}

#[cfg(target_os = "linux")]
const TESTS: &[(&str, fn())] = &tests![
    bounds::a_flood_of_changes_is_a_handful_of_notifications,
    bounds::a_full_routing_table_is_read_in_small_pieces_and_concerns_the_list_little,
    bounds::each_limit_is_a_gap_that_names_it,
    bounds::ten_thousand_rules_are_read,
    bounds::what_is_too_much_is_never_on_net,
    connect::the_core_says_on_net_only_where_connections_go_to_the_router,
    oracle::longest_prefix_match_agrees_with_the_kernel,
    routes::a_route_names_device_mac_source_and_gateway,
    routes::an_address_of_ours_is_local_in_either_family,
    routes::no_route_is_a_fact_with_the_kernels_reason,
    routes::routes_and_paths_can_be_asked_for_all_at_once,
    users::users_that_the_user_namespace_hides_are_unknown_and_said_to_be,
    worlds::a_host_that_the_router_redirects_to_is_not_the_router,
    worlds::a_plain_host_is_on_net,
    worlds::an_ipv6_route_beyond_the_links_is_found_in_any_table,
    worlds::a_vrf_diverts_what_is_bound_to_it,
    worlds::an_inverted_rule_by_destination_diverts_what_it_does_not_name,
    worlds::a_throw_route_in_a_policy_table_gives_the_next_table_its_turn,
    worlds::a_local_route_keeps_part_of_the_list_here,
    worlds::an_address_that_aws_did_not_assign_is_no_source,
    worlds::an_on_link_route_reaches_no_host,
    worlds::an_ipv6_next_hop_is_not_the_router_of_ipv4,
    worlds::another_host_of_the_subnet_is_not_the_router,
    worlds::a_tunnel_and_a_blackhole_divert_what_they_take,
    worlds::every_next_hop_of_a_multipath_route_counts,
    worlds::ipv6_takes_turns_among_routes_of_one_metric,
    worlds::an_encapsulation_sends_packets_elsewhere,
    worlds::next_hop_objects_are_followed,
    worlds::routes_that_are_not_in_effect_are_no_alarm,
    worlds::a_second_network_interface_is_not_the_judged_one,
    worlds::a_virtual_device_with_the_interfaces_address_is_not_the_interface,
    worlds::what_covers_the_whole_list_is_more_than_a_part,
    worlds::rules_by_user_may_divert,
    worlds::rules_by_mark_tos_and_source_port_may_divert,
    worlds::rules_by_device_may_divert,
    worlds::the_vpc_cni_of_amazon_is_no_alarm,
    worlds::amazons_ec2_net_utils_is_no_alarm,
    worlds::tailscale_is_an_alarm_only_with_an_exit_node_or_such_routes,
    worlds::wg_quick_is_an_alarm_where_its_peers_get_everything,
];

/// Runs `test` in its own network namespace, with a function that configures it.
#[cfg(target_os = "linux")]
fn in_scratch_network<F: Future<Output = ()>>(test: impl FnOnce(rtnetlink::Handle) -> F + Send + 'static) {
    // A namespace belongs to a thread, and so do the sockets it opens.
    let thread = std::thread::spawn(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection().unwrap();
            let connection = tokio::spawn(connection);
            test(handle).await;
            connection.abort();
        });
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
