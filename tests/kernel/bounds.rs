//! Input above a limit becomes a gap, and the main loop gets its turns meanwhile.

use super::{
    judged::{self, check, codes, wanted},
    network::{in_network, ip},
    over_limit,
};
use futures_util::FutureExt as _;
use onnet::{
    model::{FindingCode, Gap, KernelPaths, Observed, Outcome, Source},
    observe::{
        kernel::{Changes, Kernel, Wanted},
        limits::KernelLimits,
    },
};
use std::{fmt::Write as _, time::Duration};

const IN_USE: &str = "52.94.0.1";

/// The facts that are collected within these limits, or the gap.
async fn collect(wanted: &Wanted, limits: KernelLimits) -> Result<usize, Gap> {
    let paths = Kernel::open().unwrap().paths_within(wanted, &limits, true).await;
    paths.map(|paths| paths.ranges.len()).map_err(|error| error.gap())
}

/// At the limit the fact is collected; one above it is a gap that names the limit and the excess, in every format.
async fn ends_at(wanted: &Wanted, at: KernelLimits, below: KernelLimits, words: &str) {
    assert!(collect(wanted, at).await.is_ok(), "{words}: {:?}", collect(wanted, at).await);
    let gap = collect(wanted, below).await.unwrap_err();
    let Gap::OverLimit { limit, allowed, found } = &gap else { panic!("{words}: {gap}") };
    assert!(limit.contains(words) && found > allowed, "{words}: {gap}");
    let in_use = IN_USE.parse().unwrap();
    let route = Kernel::open().unwrap().route(in_use, 443).await;
    let mut world = judged::snapshot(&judged::list(), in_use, route, Ok(KernelPaths::default()));
    world.kernel_paths = Observed::Unseen(gap.clone());
    over_limit::is_reported(world, Source::Kernel, &gap);
}

pub(super) fn each_limit_is_a_gap_that_names_it() {
    in_network(|_network| async {
        let mut commands = String::new();
        for host in (0..16).step_by(2) {
            writeln!(commands, "route add 52.94.2.{host}/32 via 172.31.16.1 dev ens5").unwrap();
        }
        commands += "
            nexthop add id 1 via 172.31.16.1 dev ens5
            nexthop add id 2 via 172.31.16.1 dev ens5
            nexthop add id 10 group 1/2
            route add 52.94.2.200/32 nhid 10
            rule add pref 1000 fwmark 1 lookup 100
            rule add pref 1001 fwmark 2 lookup 100
            rule add pref 1002 iif vA lookup 100";
        ip(&commands);
        std::fs::write("/proc/sys/net/ipv4/nexthop_compat_mode", "0").unwrap();
        let wanted = Wanted { list: vec!["52.94.2.0/24".parse().unwrap()], ..wanted("52.94.2.0".parse().unwrap()) };
        let all = KernelLimits::DEFAULT;
        // Eight prefixes and one more, with the ranges between and after them.
        let ranges = 18;
        ends_at(&wanted, KernelLimits { ranges, ..all }, KernelLimits { ranges: ranges - 1, ..all }, "ranges").await;
        // Once for onnet's own packets and once for each mark; and the next-hop object.
        let questions = 5 * 3 * ranges + 1;
        let below = KernelLimits { questions: questions - 1, ..all };
        ends_at(&wanted, KernelLimits { questions, ..all }, below, "questions").await;
        // The kernel's own rules count, too.
        ends_at(&wanted, KernelLimits { rules: 6, ..all }, KernelLimits { rules: 5, ..all }, "rules").await;
        ends_at(&wanted, KernelLimits { packets: 3, ..all }, KernelLimits { packets: 2, ..all }, "kinds of packets")
            .await;
        ends_at(&wanted, KernelLimits { marks: 2, ..all }, KernelLimits { marks: 1, ..all }, "firewall marks").await;
        // Nine, and the default routes of two tables.
        ends_at(&wanted, KernelLimits { routes: 11, ..all }, KernelLimits { routes: 10, ..all }, "routes").await;
        ends_at(&wanted, KernelLimits { next_hops: 2, ..all }, KernelLimits { next_hops: 1, ..all }, "next-hop group")
            .await;
        ends_at(&wanted, KernelLimits { devices: 4, ..all }, KernelLimits { devices: 3, ..all }, "devices").await;
        let policy_ranges = 3;
        let below = KernelLimits { policy_ranges: policy_ranges - 1, ..all };
        ends_at(&wanted, KernelLimits { policy_ranges, ..all }, below, "other programs").await;
    });
}

pub(super) fn what_is_too_much_is_never_on_net() {
    in_network(|_network| async {
        let mut commands = String::new();
        for mark in 1..=KernelLimits::DEFAULT.marks + 1 {
            writeln!(commands, "rule add pref {} fwmark {mark} lookup main", 1000 + mark).unwrap();
        }
        ip(&commands);
        let report = check(IN_USE).await;
        assert_eq!(report.outcome, Outcome::Undetermined, "{:#?}", report.findings);
        assert_eq!(codes(&report), [FindingCode::MissingFact]);
        let message = &report.findings[0].message;
        assert!(message.contains("65 firewall marks") && message.contains("at most 64"), "{message}");
    });
}

/// The number of turns of the loop during `work`.
async fn turns<T>(work: impl Future<Output = T>) -> (T, usize) {
    let mut count = 0;
    let counting = async {
        loop {
            tokio::task::yield_now().await;
            count += 1;
        }
    };
    let done = tokio::select! {
        biased;
        done = work => done,
        () = counting => unreachable!("it never ends"),
    };
    (done, count)
}

pub(super) fn a_full_routing_table_is_read_in_small_pieces_and_concerns_the_list_little() {
    /// The kernel returns at most this number of bytes at a time; a route takes more than 40.
    const PIECE: usize = 32 << 10;
    let routes: usize = if super::connect::setting("ONNET_FULL_TABLE").is_some() { 400_000 } else { 40_000 };
    in_network(move |_network| async move {
        let mut commands = String::from("rule add pref 1000 iif vA lookup 200\n");
        for route in 0..routes {
            let [_, _, high, low] = u32::try_from(route).unwrap().to_be_bytes();
            let block = 60 + route / 65_536;
            writeln!(commands, "route add {block}.{high}.{low}.0/24 via 10.99.0.2 dev vA table 200").unwrap();
        }
        // Some of the routes are within the list.
        commands += "route add 52.94.0.0/20 via 172.31.16.1 dev ens5 table 200\n";
        ip(&commands);
        let before = resident();
        let began = tokio::time::Instant::now();
        let kernel = Kernel::open().unwrap();
        let wanted = wanted(IN_USE.parse().unwrap());
        let (paths, count) = turns(kernel.paths(&wanted)).await;
        println!(
            "{routes} routes: {:?}, {count} turns, {} KiB more",
            began.elapsed(),
            resident().saturating_sub(before)
        );
        assert!(count > routes * 40 / PIECE, "the loop got {count} turns");
        let paths = paths.unwrap();
        assert_eq!(paths.policies, [], "table 200 leads to the router");
        let report = judged::report(IN_USE, Ok(paths)).await;
        judged::assert_on_net(&report, "a full routing table");
    });
}

pub(super) fn ten_thousand_rules_are_read() {
    in_network(|_network| async {
        let mut commands = String::new();
        for rule in 0..10_000_u32 {
            let [_, _, high, low] = rule.to_be_bytes();
            writeln!(commands, "rule add pref {} from 10.{high}.{low}.0/24 lookup 200", 1000 + rule).unwrap();
        }
        ip(&commands);
        let began = tokio::time::Instant::now();
        let report = check(IN_USE).await;
        println!("10,000 rules: {:?}", began.elapsed());
        judged::assert_on_net(&report, "rules by source");
    });
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

pub(super) fn a_flood_of_changes_is_a_handful_of_notifications() {
    in_network(|_network| async {
        tokio::time::pause();
        let mut changes = Changes::open().unwrap();
        assert!(changes.next().now_or_never().is_none(), "nothing has changed");
        let mut commands = String::new();
        for _ in 0..10_000 {
            commands += "route add 10.7.0.0/24 via 10.99.0.2 dev vA\nroute del 10.7.0.0/24 via 10.99.0.2 dev vA\n";
        }
        ip(&commands);
        let mut notices = 0;
        // Time is paused, and advances when no task can run: this waits until the kernel sends nothing more.
        while tokio::time::timeout(Duration::from_secs(60), changes.next()).await == Ok(Some(())) {
            notices += 1;
        }
        assert!((1..20).contains(&notices), "{notices} for 20,000 changes");

        for change in [
            "rule add pref 1000 lookup 200",
            "-6 rule add pref 1000 lookup 200",
            "addr add 10.98.0.1/24 dev vA",
            "link set ens6 down",
            "nexthop add id 1 via 172.31.16.1 dev ens5",
            "-6 route add 2001:db8:5::/48 via fe80::a2 dev vA",
        ] {
            ip(change);
            let notice = tokio::time::timeout(Duration::from_secs(60), changes.next()).await;
            assert_eq!(notice, Ok(Some(())), "{change}");
            while tokio::time::timeout(Duration::from_secs(60), changes.next()).await.is_ok() {}
        }
    });
}
