//! A real systemd, as PID 1 of a machine in the lab's instance, runs the unchanged shipped units.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod flood;
mod keys;
#[path = "../lab/mod.rs"]
mod lab;
#[allow(dead_code, reason = "each test boots in one of two ways")]
mod machine;
mod shared;

use lab::{Fault, Lab, Mode, Service, World, rights, world::MAIN_TABLE};
use libtest_mimic::{Arguments, Failed, Trial};
use machine::Machine;
use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};
use tokio::time::Instant;

const ONNET: &str = env!("CARGO_BIN_EXE_onnet");

type Done = Result<(), Failed>;
type Test = fn() -> Done;

fn main() -> ExitCode {
    if let Some(code) = flood::flood_if_asked() {
        return code;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let can_boot = can_boot();
    if let Err(why) = &can_boot {
        eprintln!("no machine with a systemd of its own, so what needs one is ignored: {why}");
    }
    if let Some(program) = std::env::var_os("ONNET_MEASURE") {
        if let Err(error) = can_boot.map_err(Failed::from).and_then(|()| flood::measure(Path::new(&program))) {
            eprintln!("{error:?}");
            return ExitCode::FAILURE;
        }
        return ExitCode::SUCCESS;
    }
    let has_analyze = Command::new("systemd-analyze").arg("--version").output().is_ok();
    if !has_analyze {
        eprintln!("no systemd-analyze, so what it checks is ignored");
    }
    let booted: Vec<(&str, Test)> = vec![
        ("it_is_ready_once_it_has_looked_and_ends_at_once", ready),
        ("it_runs_with_no_rights", no_rights),
        ("a_rule_by_users_it_cannot_see_is_named", hidden_users),
        ("what_changes_is_in_the_journal_with_its_priority", journal),
        ("it_is_restarted_when_it_hangs_and_when_it_crashes", restarts),
        ("the_socket_starts_it", socket),
        ("a_reload_keeps_the_last_good_settings", reload),
        ("the_gate_holds_an_application_back_and_lets_it_go", gate),
        ("an_unset_gate_fails_what_waits", gate_gives_up),
        ("a_gate_whose_check_is_killed_goes_on_waiting", gate_is_killed),
        ("a_key_of_a_group_is_renewed_by_a_reload", keys::of_a_group),
        ("a_key_of_root_is_renewed_by_a_restart_and_kept_by_a_reload", keys::of_root),
        ("the_largest_vpc_fits_into_its_memory_and_its_first_period", largest),
        ("a_key_that_signs_facts_is_handed_over_by_systemd", shared::signing_key),
        ("the_largest_vpc_is_published_and_read_within_its_memory", shared::largest),
        ("answers_without_end_fit_into_its_memory", hostile),
    ];
    let analyzed: Vec<(&str, Test)> = vec![("the_units_are_sound", verify), ("they_are_exposed_to_little", security)];
    let trial = |can_run: bool| {
        move |(name, test): (&str, Test)| Trial::test(name.to_owned(), test).with_ignored_flag(!can_run)
    };
    let trials = booted.into_iter().map(trial(can_boot.is_ok()));
    let trials = trials.chain(analyzed.into_iter().map(trial(has_analyze))).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn can_boot() -> Result<(), String> {
    // To mount cgroups and allocate users needs the real root, not that of a user namespace.
    if !nix::unistd::geteuid().is_root() {
        return Err("not root".into());
    }
    if !Path::new("/usr/lib/systemd/systemd").exists() {
        return Err("no systemd".into());
    }
    for program in ["nsenter", "unshare", "setpriv", "journalctl"] {
        let found = Command::new(program).arg("--version").output();
        found.map_err(|error| format!("{program}: {error}"))?;
    }
    rights::gain()
}

/// Short periods and a larger CPU quota: a debug build is several times slower than a release build.
const ENVIRONMENT: &str = "ONNET_IMDS_EVERY=500ms\nONNET_DNS_EVERY=300ms\nONNET_KERNEL_EVERY=300ms\nONNET_HEALTH_EVERY=300ms\n\
                           ONNET_LIST_TABLES_EVERY=500ms\nONNET_EC2_EVERY=500ms\nONNET_TIMEOUT=3s\nONNET_SPLAY=0s\n";
const QUOTA: &str = "[Service]\nCPUQuota=100%\nRestartSec=200ms\n";

fn boot(lab: &Lab, files: &[(&str, &str)]) -> Result<Machine, Failed> {
    let ours = [
        ("onnet/onnet.env", ENVIRONMENT),
        ("systemd/system/onnet.service.d/test.conf", QUOTA),
        ("systemd/system/onnet-check.service.d/test.conf", "[Service]\nCPUQuota=100%\n"),
    ];
    Ok(Machine::boot(lab, Path::new(ONNET), &[&ours, files].concat())?)
}

fn set_route(lab: &Lab, is_there: bool) {
    lab.edit(|world| {
        let endpoint = world.endpoints[0].id.clone();
        let table = [MAIN_TABLE.to_owned()];
        let (add, remove): (&[String], &[String]) = if is_there { (&table, &[]) } else { (&[], &table) };
        world.modify_endpoint(&endpoint, add, remove).unwrap();
    });
}

fn ready() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    lab.set_fault(Service::Imds, Some(Fault::Silence));
    let mut machine = boot(&lab, &[])?;
    machine.ctl(&["start", "--no-block", "onnet.service"])?;
    machine.wait_for("onnet.service", "StatusText", |text| text.starts_with("undetermined: "))?;
    assert_eq!(machine.property("onnet.service", "ActiveState")?, "activating", "it lacks metadata");

    lab.set_fault(Service::Imds, None);
    machine.wait_for("onnet.service", "ActiveState", |state| state == "active")?;
    let text = machine.property("onnet.service", "StatusText")?;
    assert!(text.starts_with("on_net: dynamodb.us-east-1.amazonaws.com goes through gateway endpoint vpce-"), "{text}");
    let shown = machine.systemctl(&["status", "onnet.service"])?.stdout;
    assert!(shown.contains(&text), "{shown}");

    let began = Instant::now();
    machine.ctl(&["stop", "onnet.service"])?;
    let took = began.elapsed();
    assert_eq!(machine.property("onnet.service", "Result")?, "success");
    assert_eq!(machine.property("onnet.service", "ActiveState")?, "inactive");
    // Within a second, as tests/lab/tests/daemon.rs requires; the time here includes the start of systemctl in the machine.
    assert!(took < Duration::from_secs(3), "it took {took:?} to stop");
    Ok(())
}

fn no_rights() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let machine = boot(&lab, &[])?;
    machine.ctl(&["start", "onnet.service"])?;
    let pid = machine.property("onnet.service", "MainPID")?;
    let status = machine.run("cat", &[&format!("/proc/{pid}/status")])?.stdout;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(|value| value.split_whitespace().next().unwrap_or("").to_owned())
    };
    for set in ["CapEff:", "CapPrm:", "CapBnd:", "CapAmb:", "CapInh:"] {
        assert_eq!(field(set).as_deref(), Some("0000000000000000"), "{set}\n{status}");
    }
    assert_eq!(field("NoNewPrivs:").as_deref(), Some("1"));
    assert_eq!(field("Seccomp:").as_deref(), Some("2"));
    let user: u32 = field("Uid:").unwrap().parse()?;
    assert!((61_184..=65_519).contains(&user), "{user} is not one of DynamicUser's");
    let limits = machine.run("cat", &[&format!("/proc/{pid}/limits")])?.stdout;
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    assert_eq!(machine.property("onnet.service", "OOMPolicy")?, "continue");
    Ok(())
}

/// The unit's `PrivateUsers=` hides the user of the rule; the rule and its effect are visible at once.
fn hidden_users() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let mut machine = boot(&lab, &[])?;
    machine.ctl(&["start", "onnet.service"])?;
    machine.wait_for("onnet.service", "StatusText", |text| text.starts_with("on_net: "))?;
    machine.run("ip", &["rule", "add", "pref", "1000", "uidrange", "1001-1001", "prohibit"])?;
    machine.wait_for("onnet.service", "StatusText", |text| text.starts_with("at_risk: "))?;
    let said = machine.run("onnet", &["status"])?.stdout;
    for part in ["policy-rule-may-divert", "uidrange (hidden) prohibited", "may send", "PrivateUsers="] {
        assert!(said.split_whitespace().collect::<Vec<_>>().join(" ").contains(part), "{part} in {said}");
    }
    machine.run("ip", &["rule", "del", "pref", "1000"])?;
    machine.wait_for("onnet.service", "StatusText", |text| text.starts_with("on_net: "))?;
    Ok(())
}

fn journal() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let mut machine = boot(&lab, &[])?;
    machine.ctl(&["start", "onnet.service"])?;
    let line = machine.wait_for_line("onnet.service", "to=on_net")?;
    assert_eq!(line["PRIORITY"], "6", "{line}");
    set_route(&lab, false);
    let line = machine.wait_for_line("onnet.service", "to=off_net")?;
    assert_eq!(line["PRIORITY"], "3", "{line}");
    let message = line["MESSAGE"].as_str().unwrap();
    for part in
        ["from=\"on_net\"", "leaves the VPC through internet gateway", "route_table=\"rtb-0a1b2c3d\"", "target=\"igw-"]
    {
        assert!(message.contains(part), "{part} in {message}");
    }
    machine.wait_for("onnet.service", "StatusText", |text| text.starts_with("off_net: "))?;
    Ok(())
}

fn restarts() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let watchdog = "[Service]\nWatchdogSec=2s\nTimeoutAbortSec=500ms\n";
    let mut machine = boot(&lab, &[("systemd/system/onnet.service.d/watchdog.conf", watchdog)])?;
    machine.ctl(&["start", "onnet.service"])?;
    for (count, signal) in ["SIGSTOP", "SIGKILL", "SIGABRT"].into_iter().enumerate() {
        let pid = machine.property("onnet.service", "MainPID")?;
        machine.ctl(&["kill", "--kill-who=main", &format!("--signal={signal}"), "onnet.service"])?;
        let again = (count + 1).to_string();
        machine.wait_for("onnet.service", "NRestarts", |restarts| restarts == again)?;
        machine.wait_for("onnet.service", "ActiveState", |state| state == "active")?;
        assert_ne!(machine.property("onnet.service", "MainPID")?, pid, "after {signal}");
    }
    machine.wait_for_line("onnet.service", "Watchdog timeout")?;
    // It notifies the watchdog: it runs for longer than the watchdog time.
    let since: u64 = machine.property("onnet.service", "ActiveEnterTimestampMonotonic")?.parse()?;
    machine.wait_until("it is up for three seconds", |machine| {
        let uptime = machine.run("cat", &["/proc/uptime"]).ok()?.stdout;
        let seconds: f64 = uptime.split_whitespace().next()?.parse().ok()?;
        (seconds - since as f64 / 1e6 > 3.0).then_some(())
    })?;
    assert_eq!(machine.property("onnet.service", "NRestarts")?, "3");
    Ok(())
}

fn socket() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let mut machine = boot(&lab, &[])?;
    machine.ctl(&["start", "onnet.socket"])?;
    assert_eq!(machine.property("onnet.service", "ActiveState")?, "inactive");
    // The first request starts it, and is answered once a report exists.
    machine.wait_until("a report", |machine| {
        let ran = machine.run("onnet", &["status", "--format", "nagios"]).ok()?;
        (ran.code == Some(0)).then_some(())
    })?;
    assert_eq!(machine.property("onnet.service", "TriggeredBy")?, "onnet.socket");
    machine.wait_for("onnet.service", "ActiveState", |state| state == "active")?;
    Ok(())
}

fn reload() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let environment = format!("{ENVIRONMENT}ONNET_WEB_CONFIG=/etc/onnet/web.yml\n");
    let files = [("onnet/onnet.env", environment.as_str()), ("onnet/web.yml", "basic_auth_users: {}\n")];
    let mut machine = boot(&lab, &files)?;
    machine.ctl(&["start", "onnet.service"])?;
    let pid = machine.property("onnet.service", "MainPID")?;
    machine.run("sh", &["-c", "echo 'tls_server_config: {cert_file: nowhere.pem}' > /etc/onnet/web.yml"])?;
    machine.ctl(&["reload", "onnet.service"])?;
    let line = machine.wait_for_line("onnet.service", "the last good one stays in force")?;
    assert_eq!(line["PRIORITY"], "3", "{line}");
    assert_eq!(machine.run("onnet", &["status", "--format", "nagios"])?.code, Some(0), "it answers as before");

    machine.run("sh", &["-c", "echo 'basic_auth_users: {}' > /etc/onnet/web.yml"])?;
    machine.ctl(&["reload", "onnet.service"])?;
    machine.wait_for_line("onnet.service", "the settings files were read again")?;
    assert_eq!(machine.property("onnet.service", "MainPID")?, pid);
    Ok(())
}

/// The first period of EC2.
const FIRST_PERIOD: Duration = Duration::from_secs(300);

/// The part of the unit's 64 MB that the largest VPC may use. A debug build has about 4 MiB more of its own file in memory.
fn margin() -> u64 {
    if is_release() { 56 << 20 } else { 60 << 20 }
}

/// Whether `ONNET_AGAINST` names a release build to measure.
fn is_release() -> bool {
    std::env::var_os("ONNET_AGAINST").is_some()
}

/// The binary that was built with these tests; `ONNET_AGAINST` names another one to measure.
fn attacked() -> PathBuf {
    std::env::var_os("ONNET_AGAINST").map_or_else(|| PathBuf::from(ONNET), PathBuf::from)
}

/// The peak memory of the daemon, which must not have been restarted.
fn peak_without_restart(machine: &Machine, what: &str) -> Result<u64, Failed> {
    let (peak, restarts) = (machine.peak("onnet.service")?, machine.property("onnet.service", "NRestarts")?);
    anstream::eprintln!("{what}: {:.1} MiB at most, {restarts} restarts", peak as f64 / f64::from(1 << 20));
    assert_eq!(restarts, "0");
    Ok(peak)
}

const ENDLESS: [Fault; 4] = [Fault::EndlessBody, Fault::EndlessHead, Fault::EndlessExtension, Fault::EndlessInterim];

fn hostile() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let files = [("onnet/onnet.env", ENVIRONMENT), ("systemd/system/onnet.service.d/test.conf", QUOTA)];
    let mut machine = Machine::boot(&lab, &attacked(), &files)?;
    machine.ctl(&["start", "onnet.service"])?;
    for service in [Service::Imds, Service::Ec2, Service::DynamoDb] {
        let asked = || lab.requests().iter().filter(|seen| seen.service == service).count();
        for fault in ENDLESS {
            lab.set_fault(service, Some(fault));
            let before = asked();
            machine.wait_until(fault.name(), |_| (asked() >= before + 3).then_some(()))?;
            lab.set_fault(service, None);
        }
    }
    machine.wait_for("onnet.service", "StatusText", |text| text.starts_with("on_net: "))?;
    let peak = peak_without_restart(&machine, "answers without end")?;
    assert!(peak < margin(), "{peak} bytes");
    Ok(())
}

/// The unchanged unit with its quota of 5 % and the default periods reaches its verdict within the period of EC2. A debug build,
/// which is several times slower, has several of these periods. The time is printed; `ONNET_AGAINST` measures a release build.
fn largest() -> Done {
    let lab = Lab::start(World::on_net().largest(), Mode::Namespaces)?;
    // A debug build needs several times the processor time; the unit's own quota is for what is shipped.
    let quota = if is_release() { "" } else { "[Service]\nCPUQuota=20%\n" };
    let files = [("onnet/onnet.env", "ONNET_SPLAY=0s\n"), ("systemd/system/onnet.service.d/test.conf", quota)];
    let mut machine = Machine::boot(&lab, &attacked(), &files)?;
    machine.patience = if is_release() { FIRST_PERIOD } else { FIRST_PERIOD * 3 };
    let began = Instant::now();
    machine.ctl(&["start", "--no-block", "onnet.service"])?;
    let found = machine.wait_for("onnet.service", "StatusText", |text| text.starts_with("on_net: "));
    let took = began.elapsed();
    let peak = peak_without_restart(&machine, &format!("the largest VPC, {took:.0?}"));
    found?;
    peak?;
    // The whole report is 40 MB. A debug build need not write it in time at 5 %.
    let _ = machine.run("onnet", &["status", "--timeout", "30s"])?;
    let peak = peak_without_restart(&machine, "with its report")?;
    // Much of a debug build's memory is its own file, as much of it as the kernel does not take back: the unit's limit counts.
    assert!(!is_release() || peak < margin(), "{peak} bytes");
    Ok(())
}

const APPLICATION: &str = "[Unit]\nRequires=onnet-check.service\nAfter=onnet-check.service\n\
                           [Service]\nType=exec\nExecStart=/usr/bin/sleep infinity\n";

fn gate() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    set_route(&lab, false);
    let mut machine = boot(&lab, &[("systemd/system/app.service", APPLICATION)])?;
    machine.ctl(&["start", "--no-block", "app.service"])?;
    machine.wait_for_line("onnet-check.service", "off_net, waiting: ")?;
    assert_eq!(machine.property("onnet-check.service", "ActiveState")?, "activating");
    assert_eq!(machine.property("app.service", "ActiveState")?, "inactive", "its path is wrong");
    set_route(&lab, true);
    machine.wait_for("app.service", "ActiveState", |state| state == "active")?;
    assert_eq!(machine.property("onnet-check.service", "ActiveState")?, "active");
    Ok(())
}

fn gate_gives_up() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    set_route(&lab, false);
    let once = "[Service]\nExecStart=\nExecStart=/usr/bin/onnet check --format nagios\n";
    let files = [("systemd/system/app.service", APPLICATION), ("systemd/system/onnet-check.service.d/once.conf", once)];
    let machine = boot(&lab, &files)?;
    let ran = machine.systemctl(&["start", "app.service"])?;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("dependency"), "{}", ran.stderr);
    assert_eq!(machine.property("app.service", "ActiveState")?, "inactive");
    assert_eq!(machine.property("onnet-check.service", "ExecMainStatus")?, "2", "off-net");
    Ok(())
}

/// The main process of a unit has one child.
fn child_of(machine: &Machine, unit: &str) -> Option<String> {
    let main = machine.property(unit, "MainPID").ok()?;
    let children = machine.run("cat", &[&format!("/proc/{main}/task/{main}/children")]).ok()?.stdout;
    Some(children.trim().to_owned()).filter(|child| !child.is_empty())
}

fn gate_is_killed() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    set_route(&lab, false);
    let mut machine = boot(&lab, &[("systemd/system/app.service", APPLICATION)])?;
    machine.ctl(&["start", "--no-block", "app.service"])?;
    assert_eq!(machine.property("onnet-check.service", "OOMPolicy")?, "continue");
    let mut before = String::new();
    for (signal, number) in [("-KILL", 9), ("-ABRT", 6)] {
        machine.wait_for_line("onnet-check.service", "off_net, waiting: ")?;
        let child = machine.wait_until("a check", |machine| {
            child_of(machine, "onnet-check.service").filter(|child| *child != before)
        })?;
        assert_eq!(machine.run("kill", &[signal, &child])?.code, Some(0), "{child}");
        before = child;
        machine.wait_for_line("onnet-check.service", &format!("killed by signal {number}; starting it again"))?;
        assert_eq!(machine.property("onnet-check.service", "ActiveState")?, "activating");
        assert_eq!(machine.property("app.service", "ActiveState")?, "inactive");
        let jobs = machine.systemctl(&["list-jobs", "--no-legend"])?.stdout;
        assert!(jobs.contains("app.service") && jobs.contains("waiting"), "{jobs}");
    }
    set_route(&lab, true);
    machine.wait_for("app.service", "ActiveState", |state| state == "active")?;
    assert_eq!(machine.property("onnet-check.service", "ActiveState")?, "active");

    // A stopped gate leaves no process.
    machine.ctl(&["stop", "app.service", "onnet-check.service"])?;
    set_route(&lab, false);
    machine.ctl(&["start", "--no-block", "onnet-check.service"])?;
    let child = machine.wait_until("a check", |machine| child_of(machine, "onnet-check.service"))?;
    let main = machine.property("onnet-check.service", "MainPID")?;
    machine.run("kill", &["-KILL", &main])?;
    machine.wait_until("the check ends with it", |machine| {
        let ran = machine.run("kill", &["-0", &child]).ok()?;
        (ran.code != Some(0)).then_some(())
    })?;
    Ok(())
}

const UNITS: [&str; 3] = ["onnet.service", "onnet.socket", "onnet-check.service"];

fn unit(name: &str) -> String {
    format!("{}/systemd/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn verify() -> Done {
    for name in UNITS {
        let ran = Command::new("systemd-analyze").args(["verify", "--man=no", &unit(name)]).output()?;
        let said = String::from_utf8_lossy(&ran.stderr);
        // It checks that the program exists, which the package installs.
        let about =
            said.lines().filter(|line| line.contains("onnet") && !line.contains("/usr/bin/onnet is not executable"));
        assert_eq!(about.collect::<Vec<_>>(), Vec::<&str>::new(), "{name}");
    }
    Ok(())
}

fn security() -> Done {
    for name in ["onnet.service", "onnet-check.service"] {
        let ran = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--threshold=11", "--no-pager", &unit(name)])
            .output()?;
        assert!(ran.status.success(), "{name} is exposed by more than 1.1:\n{}", String::from_utf8_lossy(&ran.stdout));
    }
    Ok(())
}
