//! Rules by user as a unit with `PrivateUsers=` sees them: in a user namespace without most users.

use super::network::{in_network, ip};
use nix::sched::{CloneFlags, unshare};
use std::{
    fs,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

/// The argument with which this program only judges its own network.
const JUDGE: &str = "ONNET_TEST_JUDGE";

/// Prints the outcome and the findings, if the argument asks for them.
pub(super) fn judged_here() -> Option<ExitCode> {
    std::env::var_os(JUDGE)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime.block_on(super::judged::check("52.94.0.1"));
    println!("{}", report.outcome);
    report.findings.iter().for_each(|finding| println!("{} {}", finding.code, finding.message));
    Some(ExitCode::SUCCESS)
}

/// The output of this program in a user namespace that has only user 0.
fn judged_in_user_namespace() -> String {
    let map_own_user = || {
        unshare(CloneFlags::CLONE_NEWUSER)?;
        fs::write("/proc/self/uid_map", "0 0 1")
    };
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(JUDGE, "1");
    #[expect(unsafe_code, reason = "between fork and exec; the test has one thread more, which holds no lock there")]
    unsafe {
        command.pre_exec(map_own_user);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub(super) fn users_that_the_user_namespace_hides_are_unknown_and_said_to_be() {
    let world = |commands: &'static str, expected: &'static str, words: &'static [&'static str]| {
        in_network(move |_network| async move {
            ip(commands);
            let said = judged_in_user_namespace();
            assert!(said.starts_with(expected), "{commands}: {said}");
            assert!(words.iter().all(|word| said.contains(word)), "{commands}: {words:?}: {said}");
        });
    };
    let hidden = &["policy-rule-may-divert", "uidrange (hidden) lookup 100", "may send", "PrivateUsers=", "vA"];
    world("", "on_net\n", &[]);
    world("rule add pref 1000 uidrange 1001-1001 lookup 100", "at_risk\n", hidden);
    world("rule add pref 1000 uidrange 1-999 lookup 100", "at_risk\n", hidden);
    world("rule add pref 1000 uidrange 0-0 lookup 100", "undetermined\n", &["device vA"]);
    world("rule add pref 1000 uidrange 1001-1001 lookup main", "on_net\n", &[]);
    world("rule add pref 1000 uidrange 1001-1001 lookup 200", "on_net\n", &[]);
    world("rule add pref 1000 uidrange 1001-1001 prohibit", "at_risk\n", &["nowhere (prohibited)"]);
    world("rule add pref 1000 not uidrange 1001-1001 lookup main\nrule add pref 1001 lookup 100", "at_risk\n", &["vA"]);
    world(
        "route add default via 172.31.16.1 dev ens5 table 200
         route add throw 52.94.2.0/24 table 200
         rule add pref 1000 uidrange 1001-1001 lookup 200",
        "on_net\n",
        &[],
    );
    world(
        "route add default via 10.99.0.2 dev vA table 200
         rule add pref 1000 uidrange 1001-1001 lookup 200 suppress_prefixlength 0",
        "on_net\n",
        &[],
    );
    world(
        "rule add pref 1000 uidrange 1001-1001 goto 1002\nrule add pref 1001 lookup main\nrule add pref 1002 lookup 100",
        "at_risk\n",
        &["goto 1002"],
    );
    world("rule add pref 40000 uidrange 1001-1001 lookup 100", "on_net\n", &[]);
    // Whether onnet's own packets are among those of a hidden range is not known: those of other programs may not match the rule.
    world(
        "route add default via 172.31.16.1 dev ens5 table 200
         rule add pref 1000 uidrange 0-0 lookup 200
         rule add pref 1001 tos 0x10 unreachable",
        "at_risk\n",
        &["uidrange 0-0 lookup 200", "may send", "nowhere (unreachable)"],
    );
    world(
        "route add default via 172.31.16.1 dev ens5 table 200
         rule add pref 1000 uidrange 0-1001 lookup 200
         route replace default via 10.99.0.2 dev vA",
        "at_risk\n",
        &["uidrange (hidden) lookup 200", "vA"],
    );
    // A connection has no source address yet when a rule by source is evaluated.
    world(
        "rule add pref 1000 uidrange 0-0 goto 32766
         rule add pref 1001 not from 172.31.16.10 lookup 100",
        "at_risk\n",
        &["goto 32766", "vA"],
    );
    world(
        "route add default via 172.31.16.1 dev ens5 table 200
         rule add pref 900 from 172.31.16.10 lookup 200
         rule add pref 1000 uidrange 1001-1001 lookup 100",
        "at_risk\n",
        &["uidrange (hidden) lookup 100", "vA"],
    );
}
