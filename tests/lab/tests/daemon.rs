//! `onnet run` in the lab: what it detects, how soon, what it reports, and how it ends.

use crate::{
    Done, ONNET, Test,
    lab::{
        self, Fault, Lab, Mode, Service, World,
        daemon::Daemon,
        world::{Destination, MAIN_TABLE, Target},
    },
    named,
};
use libtest_mimic::{Failed, Trial};
use nix::sys::signal::Signal;
use onnet::engine::replay;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, ExitCode, Stdio},
    time::Duration,
};
use tokio::time::Instant;

/// Runs the scrapers if this process was started for that.
pub(crate) fn scrape_if_asked() -> Option<ExitCode> {
    let address = std::env::var_os("ONNET_TEST_SCRAPE")?.into_string().ok()?;
    Some(match scrape(&address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}

pub(crate) fn trials(namespaces: bool) -> Vec<Trial> {
    let tests: [(&str, Test); 26] = [
        ("throttled_it_keeps_the_last_facts_until_they_are_too_old", throttled),
        ("a_route_that_goes_and_comes_back_is_reported_twice", a_route_that_goes_and_comes_back),
        ("a_local_change_brings_the_look_at_ec2_forward", a_local_change),
        ("a_local_change_of_routes_brings_the_look_at_ec2_forward", a_local_change_of_routes),
        ("a_failed_probe_brings_the_look_at_ec2_forward", a_failed_probe),
        ("a_stranger_among_the_addresses_brings_the_look_at_ec2_forward", a_stranger),
        ("an_attached_interface_brings_the_look_at_ec2_forward", an_attached_interface),
        ("an_address_of_the_prefix_list_does_not", a_familiar_address),
        ("facts_that_disagree_bring_the_look_at_ec2_forward", facts_that_disagree),
        ("a_silent_source_delays_no_other", a_silent_source),
        ("looks_at_one_source_never_overlap", no_overlap),
        ("stale_evidence_is_never_on_net", stale),
        ("undisturbed_it_says_nothing", undisturbed),
        ("it_starts_without_metadata_and_becomes_ready", starts_blind),
        ("it_starts_without_a_resolver_and_becomes_ready", starts_deaf),
        ("it_starts_without_a_network_and_becomes_ready", starts_cut_off),
        ("asleep_while_the_route_was_lost_it_wakes_to_the_truth", asleep),
        ("asked_while_it_sleeps_it_does_not_answer_from_old_evidence", asked_asleep),
        ("it_ends_at_once_whatever_is_under_way", ends_at_once),
        ("at_sighup_it_reads_the_settings_again_and_keeps_the_last_good_ones", rereads),
        ("a_log_that_cannot_be_written_stops_nothing", full_disk),
        ("a_recording_of_a_lost_route_replays_to_the_same_outcomes", recording_of_a_lost_route),
        ("a_recording_of_throttling_and_new_addresses_replays_to_the_same_outcomes", recording_of_throttling),
        ("a_recording_that_cannot_be_written_stops_nothing", recording_on_a_full_disk),
        ("thirty_two_scrapers_and_a_slow_one_disturb_nothing", scrapers),
        ("nothing_secret_is_logged", nothing_secret),
    ];
    named(tests, namespaces)
}

fn start(lab: &Lab, arguments: &[&str]) -> Result<Daemon, Failed> {
    Ok(Daemon::start(lab, Path::new(ONNET), arguments)?)
}

fn on_net() -> Result<Lab, Failed> {
    Ok(Lab::start(World::on_net(), Mode::Namespaces)?)
}

/// Removes the endpoint's route from the main table, as a Terraform run might.
fn dissociate(lab: &Lab) {
    lab.edit(|world| {
        let endpoint = world.endpoints[0].id.clone();
        world.modify_endpoint(&endpoint, &[], &[MAIN_TABLE.to_owned()]).unwrap();
    });
}

fn associate(lab: &Lab) {
    lab.edit(|world| {
        let endpoint = world.endpoints[0].id.clone();
        world.modify_endpoint(&endpoint, &[MAIN_TABLE.to_owned()], &[]).unwrap();
    });
}

/// `ip` in the instance.
fn ip(lab: &Lab, arguments: &str) -> Done {
    let mut command = lab.command(Path::new("ip"))?;
    let ran = lab::run(command.args(arguments.split(' ')).stderr(Stdio::piped()), lab::daemon::PATIENCE)?;
    assert_eq!(ran.code, Some(0), "ip {arguments}: {}", ran.stderr);
    Ok(())
}

/// The number of requests to a service.
fn asked(lab: &Lab, service: Service) -> usize {
    lab.requests().iter().filter(|seen| seen.service == service).count()
}

/// Waits until a service received `more` further requests.
fn wait_for_requests(lab: &Lab, service: Service, more: usize) -> Done {
    let until = Instant::now() + lab::daemon::PATIENCE;
    let enough = asked(lab, service) + more;
    while asked(lab, service) < enough {
        if Instant::now() > until {
            return Err(format!("{service:?} was asked {} times, not {enough}", asked(lab, service)).into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// An hour: no period ends within a test.
const NEVER: [&str; 2] = ["--ec2-every", "1h"];

fn a_route_that_goes_and_comes_back() -> Done {
    let lab = on_net()?;
    let daemon = start(&lab, &[])?;
    let (first, seen) = daemon.outcome(0, "on_net")?;
    assert_eq!(first["from"], "nothing");
    dissociate(&lab);
    let (change, seen) = daemon.outcome(seen, "off_net")?;
    assert_eq!(change["from"], "on_net");
    assert_eq!(change["level"], "ERROR");
    assert_eq!(change["route_table"], MAIN_TABLE);
    assert_eq!(change["path"], "internet_gateway");
    assert!(change["target"].as_str().unwrap().starts_with("igw-"), "{change}");
    assert!(change["why"].as_str().unwrap().contains("leaves the VPC through internet gateway"), "{change}");
    associate(&lab);
    let (change, _) = daemon.outcome(seen, "on_net")?;
    assert_eq!((&change["from"], &change["level"]), (&"off_net".into(), &"INFO".into()));
    Ok(())
}

/// Only the kernel's notification reports this change: no collected fact differs.
fn a_local_change() -> Done {
    noticed_after("addr add 172.31.16.77/32 dev ens5")
}

fn a_local_change_of_routes() -> Done {
    noticed_after("route add 203.0.113.0/24 dev ens5")
}

/// Checks that a missing route in the VPC is detected because of a change in the instance.
///
/// The daemon waits for at least 15 s after the last collection from EC2, and for 30 s after a second change. So each daemon has
/// only one change.
fn noticed_after(change: &str) -> Done {
    let lab = on_net()?;
    let daemon = start(&lab, &NEVER)?;
    let (_, seen) = daemon.outcome(0, "on_net")?;
    dissociate(&lab);
    ip(&lab, change)?;
    daemon.outcome(seen, "off_net")?;
    Ok(())
}

/// The API's answers contradict each other only the first time.
fn facts_that_disagree() -> Done {
    let lab = Lab::start(World::on_net().lagging(1), Mode::Namespaces)?;
    let daemon = start(&lab, &NEVER)?;
    let (first, seen) = daemon.outcome(0, "undetermined")?;
    assert!(first["why"].as_str().unwrap().contains("has no route to it"), "{first}");
    daemon.outcome(seen, "on_net")?;
    Ok(())
}

fn a_failed_probe() -> Done {
    let lab = on_net()?;
    let daemon = start(&lab, &[&NEVER[..], &["--timeout", "2s"]].concat())?;
    let (_, seen) = daemon.outcome(0, "on_net")?;
    let range: Destination = "52.94.0.0/22".parse().map(Destination::Cidr).unwrap();
    lab.edit(|world| world.create_route(MAIN_TABLE, range, Target::nat("nat-0a1b2c3d"))).map_err(|e| e.message)?;
    lab.edit(|world| {
        let table = world.route_tables.iter_mut().find(|table| table.id == MAIN_TABLE).unwrap();
        table.routes.last_mut().unwrap().state = "blackhole";
    });
    let (change, _) = daemon.outcome(seen, "dropped")?;
    assert_eq!(change["level"], "ERROR");
    Ok(())
}

fn a_stranger() -> Done {
    let lab = on_net()?;
    let daemon = start(&lab, &NEVER)?;
    let (_, seen) = daemon.outcome(0, "on_net")?;
    let before = asked(&lab, Service::Ec2);
    lab.edit(|world| world.dynamodb_addresses = vec!["198.51.100.7".parse().unwrap()]);
    daemon.outcome(seen, "off_net")?;
    wait_for_requests(&lab, Service::Ec2, 1)
        .or_else(|late| if asked(&lab, Service::Ec2) > before { Ok(()) } else { Err(late) })
}

fn an_attached_interface() -> Done {
    let lab = on_net()?;
    let daemon = start(&lab, &NEVER)?;
    daemon.outcome(0, "on_net")?;
    let before = asked(&lab, Service::Ec2);
    // Only metadata lists it: its device does not exist here.
    lab.edit(|world| {
        let mut second = world.interfaces[0].clone();
        second.id = "eni-0feedfeed".to_owned();
        second.mac[5] ^= 0xff;
        world.interfaces.push(second);
    });
    let until = Instant::now() + lab::daemon::PATIENCE;
    while asked(&lab, Service::Ec2) == before {
        assert!(Instant::now() < until, "EC2 is not asked again");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn a_familiar_address() -> Done {
    let lab = on_net()?;
    // While the lab's kernel replaces routes it loses packets, and a probe that fails brings the look forward, rightly.
    let daemon = start(&lab, &[&NEVER[..], &["--probe", "none"]].concat())?;
    daemon.outcome(0, "on_net")?;
    let before = asked(&lab, Service::Ec2);
    for last in 11..16 {
        lab.edit(|world| world.dynamodb_addresses = vec![format!("52.94.0.{last}").parse().unwrap()]);
        wait_for_requests(&lab, Service::Dns, 4)?;
    }
    assert_eq!(asked(&lab, Service::Ec2), before, "every answer of DynamoDB's is another one");
    assert_eq!(daemon.outcomes(), ["on_net"]);
    Ok(())
}

fn a_silent_source() -> Done {
    let lab = on_net()?;
    let daemon = start(&lab, &["--timeout", "4s"])?;
    daemon.outcome(0, "on_net")?;
    for silent in [Service::Ec2, Service::Imds, Service::DynamoDb] {
        lab.set_fault(silent, Some(Fault::Silence));
        let began = Instant::now();
        wait_for_requests(&lab, Service::Dns, 16)?;
        // Eight rounds of 300 ms. A source that waited for a silent one would be collected only every four seconds.
        assert!(began.elapsed() < Duration::from_secs(8), "{silent:?} is silent: {:?}", began.elapsed());
        lab.set_fault(silent, None);
    }
    Ok(())
}

fn no_overlap() -> Done {
    let lab = on_net()?;
    let late = Duration::from_millis(700);
    let daemon = start(&lab, &["--timeout", "5s"])?;
    daemon.outcome(0, "on_net")?;
    lab.delay_every_answer(late);
    wait_for_requests(&lab, Service::DynamoDb, 4)?;
    let from = lab.requests().len();
    wait_for_requests(&lab, Service::DynamoDb, 8)?;
    // A collection sends one request of each kind, so the next one follows the answer to the last.
    let mut requests = lab.requests().split_off(from);
    requests.retain(|seen| seen.service == Service::DynamoDb);
    let kinds: BTreeSet<&str> = requests.iter().map(|seen| seen.what.as_str()).collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    for kind in kinds {
        let at: Vec<Instant> = requests.iter().filter(|seen| seen.what == kind).map(|seen| seen.at).collect();
        assert!(at.len() > 1, "{kind}: {at:?}");
        for pair in at.windows(2) {
            assert!(pair[1] - pair[0] >= late, "{kind} twice within {:?}", pair[1] - pair[0]);
        }
    }
    Ok(())
}

fn throttled() -> Done {
    let lab = on_net()?;
    let daemon = start(&lab, &["--ec2-every", "2s"])?;
    let (_, seen) = daemon.outcome(0, "on_net")?;
    lab.set_fault(Service::Ec2, Some(Fault::Throttle));
    let (event, after) =
        daemon.event(seen, "throttled", |event| event["message"] == "source throttled; backing off")?;
    assert_eq!((&event["level"], &event["source"]), (&"WARN".into(), &"ec2".into()), "{event}");
    assert_eq!(daemon.outcomes(), ["on_net"], "what was seen before is kept");
    let (change, after) = daemon.outcome(after, "undetermined")?;
    assert!(change["why"].as_str().unwrap().contains("too old"), "{change}");
    lab.set_fault(Service::Ec2, None);
    daemon.outcome(after, "on_net")?;
    Ok(())
}

/// Whatever fails, three periods later the outcome is not on-net any more, and no wrong outcome was reported before.
fn stale() -> Done {
    for service in [Service::Imds, Service::Dns, Service::Ec2] {
        let lab = on_net()?;
        let daemon = start(&lab, &["--timeout", "1s"])?;
        let (_, seen) = daemon.outcome(0, "on_net")?;
        lab.set_fault(service, Some(Fault::Silence));
        let (_, seen) = daemon.outcome(seen, "undetermined").map_err(|error| format!("{service:?}: {error}"))?;
        lab.set_fault(service, None);
        daemon.outcome(seen, "on_net").map_err(|error| format!("{service:?}: {error}"))?;
        // A busy machine may miss the first deadlines.
        let outcomes = daemon.outcomes();
        let since_known: Vec<_> = outcomes.iter().skip_while(|outcome| *outcome == "undetermined").collect();
        assert_eq!(since_known, ["on_net", "undetermined", "on_net"], "{service:?}");
    }
    Ok(())
}

fn undisturbed() -> Done {
    let lab = on_net()?;
    let daemon = start(&lab, &[])?;
    daemon.outcome(0, "on_net")?;
    wait_for_requests(&lab, Service::Dns, 40)?;
    let messages: Vec<_> = daemon.events().iter().map(|event| event["message"].clone()).collect();
    assert_eq!(
        messages.iter().filter(|message| *message != "listening").collect::<Vec<_>>(),
        ["started", "outcome changed"]
    );
    // The children that call the C library: at most one that runs and one that was just killed.
    let pid = daemon.pid();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    assert!(children.split_whitespace().count() <= 2, "{children}");
    Ok(())
}

fn starts_blind() -> Done {
    let lab = on_net()?;
    lab.set_fault(Service::Imds, Some(Fault::Silence));
    let daemon = start(&lab, &["--timeout", "2s"])?;
    daemon.outcome(0, "undetermined")?;
    let notice = daemon.notice("STATUS", |text| text.contains("STATUS=undetermined"))?;
    assert!(!notice.contains("READY=1"), "{notice}");
    assert!(!daemon.notices().iter().any(|text| text.contains("READY=1")));
    lab.set_fault(Service::Imds, None);
    let notice = daemon.notice("READY", |text| text.contains("READY=1"))?;
    assert!(
        notice.contains("STATUS=on_net: dynamodb.us-east-1.amazonaws.com goes through gateway endpoint"),
        "{notice}"
    );
    daemon.notice("WATCHDOG", |text| text.contains("WATCHDOG=1"))?;
    Ok(())
}

fn starts_deaf() -> Done {
    let lab = on_net()?;
    lab.set_fault(Service::Dns, Some(Fault::Silence));
    let daemon = start(&lab, &["--timeout", "2s"])?;
    daemon.outcome(0, "undetermined")?;
    assert!(!daemon.notices().iter().any(|text| text.contains("READY=1")));
    lab.set_fault(Service::Dns, None);
    daemon.notice("READY", |text| text.contains("READY=1"))?;
    Ok(())
}

fn starts_cut_off() -> Done {
    let lab = on_net()?;
    ip(&lab, "link set ens5 down")?;
    let daemon = start(&lab, &["--timeout", "2s"])?;
    let (_, seen) = daemon.outcome(0, "undetermined")?;
    assert!(!daemon.notices().iter().any(|text| text.contains("READY=1")));
    ip(&lab, "link set ens5 up")?;
    ip(&lab, "route replace default via 172.31.16.1 dev ens5")?;
    daemon.notice("READY", |text| text.contains("READY=1"))?;
    // The kernel is asked about the prefix list once that is known, which may be after the first collection of every source.
    daemon.outcome(seen, "on_net")?;
    Ok(())
}

/// A suspended machine stops its processes but not its clock.
fn asleep() -> Done {
    let lab = on_net()?;
    let daemon = start(&lab, &["--timeout", "1s"])?;
    let (_, seen) = daemon.outcome(0, "on_net")?;
    daemon.signal(Signal::SIGSTOP)?;
    dissociate(&lab);
    // Longer than any fact is valid.
    let asleep = Instant::now();
    while asleep.elapsed() < Duration::from_secs(4) {
        std::thread::sleep(Duration::from_millis(100));
    }
    daemon.signal(Signal::SIGCONT)?;
    daemon.outcome(seen, "off_net")?;
    let outcomes = daemon.outcomes();
    assert!(outcomes.iter().filter(|outcome| *outcome == "on_net").count() == 1, "{outcomes:?}");
    Ok(())
}

/// A request that arrives during the suspend is answered first afterwards.
fn asked_asleep() -> Done {
    let lab = on_net()?;
    let daemon = start(&lab, &["--timeout", "1s"])?;
    let (_, seen) = daemon.outcome(0, "on_net")?;
    let ask = |path: &str| {
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/10953; printf 'GET {path} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3"
        );
        let mut command = lab.command(Path::new("bash"))?;
        command.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    };
    let answer = |child: Child| -> Result<String, Failed> {
        Ok(String::from_utf8_lossy(&child.wait_with_output()?.stdout).into_owned())
    };
    let paths = ["/metrics", "/report.json", "/"];
    for path in paths {
        assert!(answer(ask(path)?)?.starts_with("HTTP/1.1 200"), "{path}");
    }
    daemon.signal(Signal::SIGSTOP)?;
    while !daemon.is_stopped() {
        std::thread::sleep(Duration::from_millis(10));
    }
    for service in [Service::Imds, Service::Dns, Service::Ec2, Service::DynamoDb] {
        lab.set_fault(service, Some(Fault::Silence));
    }
    let asked = paths.map(ask);
    let asleep = Instant::now();
    while asleep.elapsed() < Duration::from_secs(4) {
        std::thread::sleep(Duration::from_millis(100));
    }
    daemon.signal(Signal::SIGCONT)?;
    let says = ["\nonnet_on_net 1\n", "\"outcome\": \"on_net\"", "<title>on-net"];
    for ((path, child), on_net) in paths.into_iter().zip(asked).zip(says) {
        let said = answer(child?)?;
        assert!(said.starts_with("HTTP/1.1 200") && !said.contains(on_net), "{path}: {said}");
    }
    daemon.outcome(seen, "undetermined")?;
    Ok(())
}

fn ends_at_once() -> Done {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let lab = on_net()?;
        let mut daemon = start(&lab, &[])?;
        daemon.outcome(0, "on_net")?;
        for service in Service::ALL {
            lab.set_fault(service, Some(Fault::Silence));
        }
        wait_for_requests(&lab, Service::Dns, 2)?;
        daemon.signal(signal)?;
        let (status, took) = daemon.end()?;
        assert_eq!(status.code(), Some(0), "{signal}");
        assert!(took < Duration::from_secs(4), "{signal}: {took:?}");
        assert!(daemon.notices().iter().any(|text| text.contains("STOPPING=1")));
    }
    Ok(())
}

fn rereads() -> Done {
    let lab = on_net()?;
    let bundle = lab.directory().join("bundle.pem");
    let good = std::fs::read(lab.ca_bundle())?;
    std::fs::write(&bundle, &good)?;
    let environment = [("AWS_CA_BUNDLE", bundle.to_str().unwrap())];
    let daemon = Daemon::start_with(&lab, Path::new(ONNET), &[], &environment)?;
    let (_, seen) = daemon.outcome(0, "on_net")?;

    std::fs::write(&bundle, "no certificate at all")?;
    daemon.signal(Signal::SIGHUP)?;
    let (event, seen) = daemon.event(seen, "an error", |event| event["level"] == "ERROR")?;
    assert!(event["gap"].as_str().unwrap().contains("bundle.pem"), "{event}");
    wait_for_requests(&lab, Service::DynamoDb, 6)?;
    assert_eq!(daemon.outcomes(), ["on_net"], "the last good ones are kept");

    std::fs::write(&bundle, &good)?;
    daemon.signal(Signal::SIGHUP)?;
    let (event, _) =
        daemon.event(seen, "read again", |event| event["message"] == "the settings files were read again")?;
    assert_eq!(event["level"], "INFO");
    wait_for_requests(&lab, Service::DynamoDb, 6)?;
    assert_eq!(daemon.outcomes(), ["on_net"]);
    Ok(())
}

fn full_disk() -> Done {
    let lab = on_net()?;
    let mut command = lab.command(Path::new(ONNET))?;
    command.args(["run", "--log", "onnet=debug", "--dns-every", "100ms"]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full")?;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(full).spawn()?;
    wait_for_requests(&lab, Service::Dns, 10)?;
    let until = Instant::now() + lab::daemon::PATIENCE;
    loop {
        let report = lab.onnet(Path::new(ONNET), &["status", "--format", "nagios"])?;
        if report.code == Some(0) {
            break;
        }
        assert!(Instant::now() < until, "{report:?}");
    }
    assert!(child.try_wait()?.is_none(), "it has ended");
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// Records a daemon with periods of a second while `change` changes the lab, and replays the recording.
fn recorded(name: &str, change: impl Fn(&Lab, &Daemon) -> Done) -> Done {
    let lab = on_net()?;
    let file = lab.directory().join(name);
    let file_name = file.to_str().unwrap();
    let mut arguments = vec!["--record", file_name, "--timeout", "1s"];
    for every in
        ["--imds-every", "--dns-every", "--kernel-every", "--health-every", "--list-tables-every", "--ec2-every"]
    {
        arguments.extend([every, "1s"]);
    }
    let mut daemon = start(&lab, &arguments)?;
    change(&lab, &daemon)?;
    daemon.signal(Signal::SIGTERM)?;
    daemon.end()?;

    let bytes = std::fs::read(&file)?;
    assert_eq!(std::fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    let text = String::from_utf8_lossy(&bytes);
    for secret in [lab::SECRET_KEY, lab::SESSION_TOKEN, lab::METADATA_TOKEN] {
        assert!(!text.contains(secret), "{secret} is in the recording");
    }
    let replay = replay(name, &bytes)?;
    assert!(replay.is_complete && replay.differing.is_empty(), "{:?}", replay.differing);
    let outcomes: Vec<_> = replay.changes.iter().map(|change| change.to.name()).collect();
    assert_eq!(outcomes, daemon.outcomes());

    let judged = lab.onnet(Path::new(ONNET), &["judge", file_name])?;
    assert_eq!(judged.code, Some(replay.last.outcome.exit_code().into()), "{judged:?}");
    let changes = judged.stdout.lines().filter(|line| line.starts_with("20"));
    assert_eq!(changes.count(), outcomes.len(), "{judged:?}");
    #[expect(clippy::disallowed_methods, reason = "the one setting of the tests")]
    if std::env::var("ONNET_BLESS").is_ok_and(|bless| bless == "1") {
        std::fs::write(Path::new("tests/recordings").join(name), &bytes)?;
    }
    Ok(())
}

fn recording_of_a_lost_route() -> Done {
    recorded("endpoint_route_lost_and_back.jsonl", |lab, daemon| {
        let (_, seen) = daemon.outcome(0, "on_net")?;
        dissociate(lab);
        let (_, seen) = daemon.outcome(seen, "off_net")?;
        associate(lab);
        daemon.outcome(seen, "on_net")?;
        Ok(())
    })
}

/// The tables are kept until they are too old, and send the new address to the internet gateway.
fn recording_of_throttling() -> Done {
    recorded("ec2_throttled_and_addresses_change.jsonl", |lab, daemon| {
        let (_, seen) = daemon.outcome(0, "on_net")?;
        lab.set_fault(Service::Ec2, Some(Fault::Throttle));
        lab.edit(|world| world.dynamodb_addresses = vec!["198.51.100.7".parse().unwrap()]);
        let (_, seen) = daemon.outcome(seen, "off_net")?;
        daemon.outcome(seen, "undetermined")?;
        Ok(())
    })
}

fn recording_on_a_full_disk() -> Done {
    let lab = on_net()?;
    let daemon = start(&lab, &["--record", "/dev/full"])?;
    let (_, seen) = daemon.outcome(0, "on_net")?;
    dissociate(&lab);
    daemon.outcome(seen, "off_net")?;
    let events = daemon.events();
    let ends = events.iter().filter(|event| event["message"] == "the recording cannot be written; it ends here");
    assert_eq!(ends.count(), 1, "{events:?}");
    Ok(())
}

fn scrapers() -> Done {
    let lab = on_net()?;
    let daemon = start(&lab, &[])?;
    daemon.outcome(0, "on_net")?;
    let before = daemon.resident()?;
    let mut command = lab.command(Path::new("/proc/self/exe"))?;
    command.env("ONNET_TEST_SCRAPE", "127.0.0.1:10953").stdin(Stdio::null());
    let asked = asked(&lab, Service::Dns);
    let ran = lab::run(command.stdout(Stdio::piped()).stderr(Stdio::piped()), lab::daemon::PATIENCE)?;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(self::asked(&lab, Service::Dns) > asked, "the rounds go on");
    let grown = daemon.resident()?.saturating_sub(before);
    assert!(grown < 16 << 20, "memory grew by {grown} bytes");
    assert_eq!(daemon.outcomes(), ["on_net"]);
    Ok(())
}

/// The scrapers in the instance: 32 that scrape five hundred times each, and one that reads a byte at a time. For each, the
/// counters increase and never decrease.
fn scrape(address: &str) -> std::io::Result<()> {
    use std::io::{Read, Write};
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut slow = std::net::TcpStream::connect(address)?;
    slow.write_all(request)?;
    slow.read_exact(&mut [0])?;
    std::thread::scope(|scope| {
        let scraper = || {
            let mut last = 0.0;
            for _ in 0..500 {
                let mut stream = std::net::TcpStream::connect(address)?;
                stream.write_all(request)?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer)?;
                let probes = answer.lines().find_map(|line| line.strip_prefix("onnet_probes_total{probe=\"health\"} "));
                let probes: f64 = probes.and_then(|count| count.parse().ok()).ok_or(std::io::ErrorKind::InvalidData)?;
                if probes < last {
                    return Err(std::io::Error::other(format!("{probes} probes after {last}")));
                }
                last = probes;
            }
            Ok(())
        };
        let scrapers: Vec<_> = (0..32).map(|_| scope.spawn(scraper)).collect();
        scrapers.into_iter().try_for_each(|scraper| scraper.join().unwrap())
    })?;
    slow.read_exact(&mut [0])
}

fn nothing_secret() -> Done {
    let lab = on_net()?;
    let daemon = start(&lab, &["--log", "onnet=trace,info"])?;
    daemon.outcome(0, "on_net")?;
    wait_for_requests(&lab, Service::DynamoDb, 8)?;
    let log = daemon.events().iter().map(ToString::to_string).collect::<String>();
    for secret in [lab::SECRET_KEY, lab::SESSION_TOKEN, lab::METADATA_TOKEN] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    Ok(())
}
