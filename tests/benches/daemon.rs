//! `cargo bench --bench daemon -- faults|flap|kill|attack|turns|soak`: the daemon's outcomes while its sources fail, and its memory
//! in a long run.
//!
//! Prints tables. Fails if on-net was reported wrongly, a recovery exceeded its deadline, or memory grew.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark may panic")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../lab/mod.rs"]
mod lab;
#[path = "turns.rs"]
mod turns;

use anstream::{eprintln, println};
use clap::{Parser, Subcommand};
use lab::{Fault, Lab, Mode, Service, World, daemon::Daemon, rights, world::MAIN_TABLE};
use std::{
    error::Error,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    sync::Mutex,
    time::Duration,
};
use tokio::time::Instant;

/// Every period of these runs unless another one is stated.
const PERIOD: Duration = Duration::from_secs(1);

/// The deadline of one collection in the runs with faults.
const TIMEOUT: &str = "1s";

/// How long a fact counts.
const KEPT: Duration = Duration::from_secs(3);

/// Additional time for one collection and for a busy machine.
const SLACK: Duration = Duration::from_millis(2500);

const PERIODS: [&str; 12] = [
    "--imds-every",
    "1s",
    "--dns-every",
    "1s",
    "--kernel-every",
    "1s",
    "--health-every",
    "1s",
    "--list-tables-every",
    "1s",
    "--ec2-every",
    "1s",
];

type Outcome = Result<(), Box<dyn Error>>;

#[derive(Debug, Parser)]
struct Options {
    /// Measure this binary [default: the one built with this bench].
    #[arg(long)]
    against: Option<PathBuf>,
    /// Cargo passes it to every benchmark, after all other arguments.
    #[arg(long, hide = true, global = true)]
    bench: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Every fault of every service, for several periods; meanwhile the route is removed.
    Faults {
        /// How many labs run at once.
        #[arg(long, default_value_t = 3)]
        labs: usize,
    },
    /// The route is removed and restored repeatedly, in the VPC and then on the host.
    Flap {
        /// How many seconds each of the two lasts.
        #[arg(long, default_value_t = 300)]
        seconds: u64,
    },
    /// The daemon is killed and restarted.
    Kill {
        /// How many times.
        #[arg(long, default_value_t = 20)]
        times: usize,
    },
    /// One hostile server after the other, at periods of 200 ms, and the memory afterwards.
    Attack {
        /// How many minutes it lasts.
        #[arg(long, default_value_t = 15)]
        minutes: u64,
        /// Only the faults of this service.
        #[arg(long)]
        service: Option<String>,
        /// Environment variables instead of those that the unit sets: `NAME=value`.
        #[arg(long)]
        environment: Vec<String>,
    },
    /// How long the largest inputs hold the thread of the main loop in one turn.
    Turns,
    /// Many rounds, and the memory during them.
    Soak {
        /// How many rounds.
        #[arg(long, default_value_t = 50_000)]
        rounds: usize,
        /// The period of every source, in milliseconds.
        #[arg(long, default_value_t = 20)]
        period: u64,
    },
}

fn main() -> ExitCode {
    lab::client::run_if_asked();
    let options = Options::parse();
    if let Err(why) = rights::gain() {
        eprintln!("no network namespaces: {why}");
        return ExitCode::FAILURE;
    }
    let binary = options.against.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_onnet")));
    let done = match options.what {
        What::Faults { labs } => faults(&binary, labs),
        What::Flap { seconds } => flap(&binary, Duration::from_secs(seconds)),
        What::Kill { times } => kill(&binary, times),
        What::Attack { minutes, service, environment } => attack(&binary, minutes, service.as_deref(), &environment),
        What::Turns => turns::run().map_err(Into::into),
        What::Soak { rounds, period } => soak(&binary, rounds, period),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The outcome that the daemon reports now.
fn now(daemon: &Daemon) -> String {
    daemon.outcomes().pop().unwrap_or_default()
}

/// The time until the daemon reports such an outcome.
fn until(daemon: &Daemon, patience: Duration, wanted: impl Fn(&str) -> bool) -> Option<Duration> {
    let began = Instant::now();
    while began.elapsed() < patience {
        if wanted(&now(daemon)) {
            return Some(began.elapsed());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

fn set_route(lab: &Lab, is_there: bool) {
    lab.edit(|world| {
        let endpoint = world.endpoints[0].id.clone();
        let table = [MAIN_TABLE.to_owned()];
        let has = world.endpoint(&endpoint).unwrap().route_tables.contains(&table[0]);
        if has != is_there {
            let (add, remove): (&[String], &[String]) = if is_there { (&table, &[]) } else { (&[], &table) };
            world.modify_endpoint(&endpoint, add, remove).unwrap();
        }
    });
}

struct Row {
    service: Service,
    fault: Fault,
    /// The outcome while the service fails and the route exists.
    during: String,
    /// The outcome three periods after the route was removed, while the service fails.
    route_lost: String,
    /// The time from the repair of the service until the missing route is reported.
    loss_reported: Option<Duration>,
    /// The time from the return of the route until on-net.
    back: Option<Duration>,
    problem: Option<String>,
}

/// A throttled source backs off for up to nine periods; all others recover within one.
fn may_take(service: Service, fault: Fault) -> Duration {
    let throttles = fault == Fault::Throttle || (fault == Fault::Unavailable && service == Service::Imds);
    PERIOD * if throttles { 10 } else { 1 } + SLACK
}

fn one(binary: &Path, service: Service, fault: Fault) -> Result<Row, Box<dyn Error>> {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let daemon = Daemon::start(&lab, binary, &[&PERIODS[..], &["--timeout", TIMEOUT]].concat())?;
    daemon.outcome(0, "on_net")?;

    lab.set_fault(service, Some(fault));
    std::thread::sleep(KEPT * 2);
    let during = now(&daemon);

    set_route(&lab, false);
    // A fact counts for three periods, and its collection may have started just before the route was removed.
    std::thread::sleep(KEPT + SLACK);
    let began = Instant::now();
    let mut problem = None;
    while began.elapsed() < KEPT {
        if now(&daemon) == "on_net" {
            problem = Some("on-net although the route is gone".to_owned());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let route_lost = now(&daemon);

    lab.set_fault(service, None);
    let patience = may_take(service, fault);
    let loss_reported = until(&daemon, patience, |outcome| outcome == "off_net");
    set_route(&lab, true);
    let back = until(&daemon, PERIOD + SLACK, |outcome| outcome == "on_net");
    if loss_reported.is_none() || back.is_none() {
        problem.get_or_insert(format!("no recovery within {patience:?}"));
    }
    Ok(Row { service, fault, during, route_lost, loss_reported, back, problem })
}

fn faults(binary: &Path, labs: usize) -> Outcome {
    let pairs = Service::ALL.into_iter().flat_map(|service| service.faults().map(move |fault| (service, fault)));
    let open: Mutex<Vec<_>> = Mutex::new(pairs.collect());
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..labs {
            scope.spawn(|| {
                while let Some((service, fault)) = { open.lock().unwrap().pop() } {
                    match one(binary, service, fault) {
                        Ok(row) => rows.lock().unwrap().push(row),
                        Err(error) => eprintln!("{}={}: {error}", service.name(), fault.name()),
                    }
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|row| (row.service, row.fault));
    let seconds = |took: Option<Duration>| took.map_or("–".to_owned(), |took| format!("{:.1} s", took.as_secs_f64()));
    println!(
        "| service | fault | while it lasts | route removed, fault lasts | repaired: loss reported after | route back: on-net after |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for row in &rows {
        let Row { service, fault, during, route_lost, loss_reported, back, .. } = row;
        let (loss_reported, back) = (seconds(*loss_reported), seconds(*back));
        println!("| {} | {} | {during} | {route_lost} | {loss_reported} | {back} |", service.name(), fault.name());
    }
    let problems: Vec<String> = rows
        .iter()
        .filter_map(|row| Some(format!("{}={}: {}", row.service.name(), row.fault.name(), row.problem.as_ref()?)))
        .collect();
    let expected: usize = Service::ALL.into_iter().map(|service| service.faults().count()).sum();
    match (problems.is_empty(), rows.len() == expected) {
        (true, true) => {
            println!("\n{expected} faults; no wrong on-net was reported, every recovery within its time");
            Ok(())
        }
        (true, false) => Err(format!("{} of {expected} faults were tried", rows.len()).into()),
        (false, _) => Err(problems.join("\n").into()),
    }
}

fn ip(lab: &Lab, arguments: &str) -> Outcome {
    let mut command = lab.command(Path::new("ip"))?;
    let ran = lab::run(command.args(arguments.split(' ')).stderr(Stdio::piped()), Duration::from_secs(10))?;
    if ran.code == Some(0) { Ok(()) } else { Err(format!("ip {arguments}: {}", ran.stderr).into()) }
}

fn flap(binary: &Path, length: Duration) -> Outcome {
    // In the VPC, where only EC2 reports the change.
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let daemon = Daemon::start(&lab, binary, &PERIODS)?;
    daemon.outcome(0, "on_net")?;
    let (began, mut flaps, mut lags) = (Instant::now(), 0, Vec::new());
    let mut is_there = true;
    while began.elapsed() < length {
        is_there = !is_there;
        set_route(&lab, is_there);
        let outcome = if is_there { "on_net" } else { "off_net" };
        let lag = until(&daemon, PERIOD + SLACK, |said| said == outcome)
            .ok_or_else(|| format!("{outcome} was not reported within a period, after {flaps} flaps"))?;
        lags.push(lag);
        flaps += 1;
        // Not synchronized with the periods.
        std::thread::sleep(Duration::from_millis(700 + 270 * (flaps % 7)));
    }
    lags.sort_unstable();
    println!(
        "VPC route: {flaps} flaps in {:?}, each reported; median after {:.2} s, the slowest after {:.2} s",
        length,
        lags[lags.len() / 2].as_secs_f64(),
        lags[lags.len() - 1].as_secs_f64()
    );
    drop(daemon);

    // On the host, where the kernel reports the change: the daemon backs off from the EC2 API.
    let daemon = Daemon::start(&lab, binary, &["--ec2-every", "5m"])?;
    set_route(&lab, true);
    daemon.outcome(0, "on_net")?;
    let asked = || lab.requests().iter().filter(|seen| seen.service == Service::Ec2).count();
    let (before, began, mut flaps) = (asked(), Instant::now(), 0);
    while began.elapsed() < length {
        for (command, outcome) in
            [("route add 52.94.0.0/23 dev lo", "off_net"), ("route del 52.94.0.0/23 dev lo", "on_net")]
        {
            ip(&lab, command)?;
            until(&daemon, SLACK, |said| said == outcome)
                .ok_or_else(|| format!("{outcome} was not reported in time"))?;
            flaps += 1;
            std::thread::sleep(Duration::from_millis(1300));
        }
    }
    println!(
        "host route: {flaps} flaps in {length:?}, each reported; the EC2 API was asked {} times meanwhile",
        asked() - before
    );
    Ok(())
}

fn kill(binary: &Path, times: usize) -> Outcome {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let mut took = Vec::new();
    for time in 0..times {
        let is_there = time % 2 == 0;
        set_route(&lab, is_there);
        let began = Instant::now();
        let mut daemon = Daemon::start(&lab, binary, &PERIODS)?;
        let outcome = if is_there { "on_net" } else { "off_net" };
        daemon.outcome(0, outcome)?;
        took.push(began.elapsed());
        if daemon.outcomes() != [outcome] {
            return Err(format!("{:?} was reported, not only {outcome}", daemon.outcomes()).into());
        }
        daemon.signal(nix::sys::signal::Signal::SIGKILL)?;
        daemon.end()?;
    }
    took.sort_unstable();
    let (median, slowest) = (took[took.len() / 2], took[took.len() - 1]);
    println!(
        "killed and started {times} times: the right outcome after {median:.0?} (median), {slowest:.0?} (slowest)"
    );
    Ok(())
}

/// [`PERIODS`] with `period` instead of each period.
fn every(period: &str) -> Vec<&str> {
    PERIODS.iter().map(|argument| if argument.starts_with("--") { *argument } else { period }).collect()
}

/// The private memory of the process, in MiB.
fn private(daemon: &Daemon) -> Result<f64, Box<dyn Error>> {
    let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", daemon.pid()))?;
    let lines = rollup.lines().filter(|line| line.starts_with("Private_Dirty:"));
    let kibibytes = lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    Ok(kibibytes.sum::<f64>() / 1024.0)
}

/// How long each server is hostile.
const PHASE: Duration = Duration::from_secs(2);

/// The growth allowed from the second third of the time to the last, in MiB.
const MORE: f64 = 0.5;

/// The variables that the shipped unit sets.
fn of_unit() -> Vec<String> {
    let unit = include_str!("../../systemd/onnet.service");
    unit.lines().filter_map(|line| line.strip_prefix("Environment=")).map(str::to_owned).collect()
}

fn attack(binary: &Path, minutes: u64, only: Option<&str>, environment: &[String]) -> Outcome {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let environment = if environment.is_empty() { of_unit() } else { environment.to_vec() };
    let environment: Vec<(&str, &str)> = environment.iter().filter_map(|variable| variable.split_once('=')).collect();
    let arguments = [&every("200ms")[..], &["--timeout", "1s"]].concat();
    let daemon = Daemon::start_with(&lab, binary, &arguments, &environment)?;
    daemon.outcome(0, "on_net")?;
    let services = Service::ALL.into_iter().filter(|service| only.is_none_or(|only| only == service.name()));
    let pairs: Vec<_> = services.flat_map(|service| service.faults().map(move |fault| (service, fault))).collect();
    println!("| minutes | phases | private memory, MiB |");
    println!("| --- | --- | --- |");
    let (began, mut phases, mut samples) = (Instant::now(), 0_usize, Vec::new());
    for minute in 0..=minutes {
        let until = Duration::from_secs(60 * minute);
        while began.elapsed() < until {
            let (service, fault) = pairs[phases % pairs.len()];
            lab.set_fault(service, Some(fault));
            std::thread::sleep(PHASE);
            lab.set_fault(service, None);
            phases += 1;
            daemon.signal(None).map_err(|_| format!("the daemon ended after {}={}", service.name(), fault.name()))?;
        }
        // Between two attacks, so that the memory of an answer in progress is not counted.
        std::thread::sleep(PHASE);
        let held = private(&daemon)?;
        println!("| {minute} | {phases} | {held:.1} |");
        samples.push(held);
    }
    let third = samples.len() / 3;
    let most = |samples: &[f64]| samples.iter().copied().fold(0.0, f64::max);
    let (second, last) = (most(&samples[third..third * 2]), most(&samples[third * 2..]));
    println!("\nat most {second:.1} MiB in the second third of the time, {last:.1} in the last");
    if last > second + MORE { Err("memory grew".into()) } else { Ok(()) }
}

/// The process may keep pages that it has used; their number must not grow by more than this factor.
const GROWTH: f64 = 1.05;

fn soak(binary: &Path, rounds: usize, period: u64) -> Outcome {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let period = format!("{period}ms");
    let daemon = Daemon::start(&lab, binary, &every(&period))?;
    daemon.outcome(0, "on_net")?;
    // A round for each time the name is resolved.
    let made =
        || lab.requests().iter().filter(|seen| seen.service == Service::Dns && seen.what.starts_with("A ")).count();
    let began = Instant::now();
    let mut samples = Vec::new();
    println!("| rounds | minutes | RSS, MiB |");
    println!("| --- | --- | --- |");
    for step in 1..=20 {
        while made() < rounds * step / 20 {
            std::thread::sleep(Duration::from_millis(500));
            daemon.signal(None).map_err(|_| "the daemon ended")?;
        }
        let resident = daemon.resident()? as f64 / f64::from(1 << 20);
        println!("| {} | {:.1} | {resident:.1} |", made(), began.elapsed().as_secs_f64() / 60.0);
        samples.push(resident);
    }
    if daemon.outcomes() != ["on_net"] {
        return Err(format!("the outcome changed: {:?}", daemon.outcomes()).into());
    }
    let mean = |samples: &[f64]| samples.iter().sum::<f64>() / f64::from(u32::try_from(samples.len()).unwrap());
    let (early, late) = (mean(&samples[5..10]), mean(&samples[15..20]));
    println!("\nmean RSS of the second quarter {early:.1} MiB, of the last {late:.1} MiB");
    if late > early * GROWTH { Err("memory grew".into()) } else { Ok(()) }
}
