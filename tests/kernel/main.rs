//! The kernel collector in scratch network namespaces, and the kernel as an oracle for our longest prefix match.
//!
//! Where namespaces are not to be had, these tests are listed as ignored and the reason is printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]
#![cfg_attr(not(target_os = "linux"), allow(unused, reason = "there is nothing to test here"))]

#[cfg(target_os = "linux")]
mod oracle;
#[path = "../lab/rights.rs"]
mod rights;
#[cfg(target_os = "linux")]
mod routes;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
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
const TESTS: [(&str, fn()); 6] = tests![
    oracle::longest_prefix_match_agrees_with_the_kernel,
    routes::a_route_names_device_mac_source_and_gateway,
    routes::an_address_of_ours_is_local_in_either_family,
    routes::no_route_is_a_fact_with_the_kernels_reason,
    routes::host_routes_are_those_of_every_table_that_are_more_specific_than_a_default,
    routes::routes_and_devices_can_be_asked_for_all_at_once,
];

/// Runs `test` in a network namespace of its own, with a way to furnish it.
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
