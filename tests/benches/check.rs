//! `cargo bench --bench check`: the time of one `onnet check` in the lab, and its requests with their times.
//!
//! It has no pass or fail: it prints figures to compare.
//!
//! # The fewest round trips
//!
//! Every answer of the lab's services can be delayed by the same time, except handshakes. The additional time of a run is
//! therefore the number of answers that had to come in sequence. At least four must:
//!
//! | after | can be requested | because it needs |
//! | --- | --- | --- |
//! | 0 answers | the metadata session token | nothing |
//! | 1 | Region, instance id, zone, hardware addresses, the role's name | the token |
//! | 2 | every attribute of every interface (with the VPC) | the hardware addresses |
//! | 2 | the role's credentials | its name |
//! | 2 | the addresses of DynamoDB's and EC2's names | the Region |
//! | 3 | route tables, endpoints, prefix lists | the VPC, credentials, EC2's address |
//! | 3 | the probe | credentials, DynamoDB's address |
//!
//! The longest chain is token, role, credentials, EC2 or probe. Hardware addresses taken from the kernel would make the VPC
//! known one answer earlier, but the chain would not be shorter, because of the credentials.
//!
//! A fifth answer is needed where the fourth shows that more is missing: the entries of customer-managed prefix lists, the
//! network interfaces of interface endpoints, another page. The same holds for an account-based name, which is known with
//! the credentials and then resolved and probed. Where the environment has the Region or credentials, three are enough.
//!
//! With `--witness` DynamoDB is asked after the probe, which has the process to itself: five answers in sequence, for all questions are sent
//! together. A sixth follows where an address for which the control was not asked (a second one, or with the local daemon's control) is
//! denied `vpc`.
//!
//! Connecting (one round trip) and TLS 1.3 (one more) are not delayed and not counted, for each of EC2's three parallel
//! connections and each probe.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark may panic")]

#[path = "../lab/mod.rs"]
mod lab;
mod spread;

use anstream::{eprintln, println};
use clap::Parser;
use lab::{
    Lab, Mode, World,
    faults::Seen,
    iam::{Policy, matrix::ROLE},
    rights,
};
use spread::Spread;
use std::{
    error::Error,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

/// The delay of every answer: none, and one that is much longer than everything else.
const DELAYS: [Duration; 2] = [Duration::ZERO, Duration::from_millis(50)];

const AWS: &str = "AWS CLI";

/// The requests of `check`, sent by the AWS CLI.
const AWS_CLI: &str = include_str!("check.sh");

/// Measures `onnet check` in the lab: wall time, processor time, sequential round trips.
#[derive(Parser)]
struct Options {
    /// How often to run each, in turn
    #[arg(long, value_name = "N", default_value_t = 15)]
    runs: usize,
    /// Measure another onnet beside this one
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// What cargo passes
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    // Before there is a second thread.
    if let Err(reason) = rights::gain() {
        eprintln!("SKIPPED: the benchmark needs network namespaces, and there are none: {reason}");
        return ExitCode::SUCCESS;
    }
    match measure(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<(), Box<dyn Error>> {
    let role = || Policy::inline(ROLE).expect("the policy that `onnet policy` prints");
    let lab = |world: World| {
        let mut world = world.with_role_policies([role()]);
        // As large as EC2's own pages, so that paging is not measured.
        world.page_size = 1000;
        Lab::start(world, Mode::Namespaces)
    };
    let endpoint = lab(World::on_net())?;
    let contestants = contestants(options);
    let runs = run(options, &endpoint, &contestants)?;
    print_table(&contestants, &runs);
    print_requests(&runs[0][1]);
    drop(endpoint);

    println!("\nwithout an endpoint, where the question after the others is asked too\n");
    let follow_up = [check("onnet check"), witness()];
    print_table(&follow_up, &run(options, &lab(World::tutorial())?, &follow_up)?);
    Ok(())
}

/// The runs of each contestant, in turn.
fn run(
    options: &Options,
    lab: &Lab,
    contestants: &[Contestant],
) -> Result<Vec<[Vec<Run>; DELAYS.len()]>, Box<dyn Error>> {
    // The first run of each fills the caches and is not counted.
    let mut runs: Vec<_> = contestants.iter().map(|_| [const { Vec::new() }; DELAYS.len()]).collect();
    for round in 0..=options.runs {
        for (contestant, runs) in contestants.iter().zip(&mut runs) {
            for (delay, runs) in DELAYS.into_iter().zip(runs) {
                lab.delay_every_answer(delay);
                let run = contestant.run(lab)?;
                if round > 0 {
                    runs.push(run);
                }
            }
        }
    }
    Ok(runs)
}

/// A program that sends the requests of `check`.
struct Contestant {
    name: &'static str,
    command: Vec<String>,
}

fn check(name: &'static str) -> Contestant {
    Contestant { name, command: vec![env!("CARGO_BIN_EXE_onnet").to_owned(), "check".to_owned()] }
}

fn witness() -> Contestant {
    let Contestant { mut command, .. } = check("");
    command.push("--witness".to_owned());
    Contestant { name: "… --witness", command }
}

fn contestants(options: &Options) -> Vec<Contestant> {
    let mut contestants = vec![check("onnet check"), witness()];
    if let Some(other) = &options.against {
        let command = vec![other.display().to_string(), "check".to_owned()];
        contestants.push(Contestant { name: "the other onnet", command });
    }
    let has =
        |program| Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok_and(|it| it.success());
    if has("aws") && has("curl") {
        contestants.push(Contestant { name: AWS, command: vec!["bash".into(), "-c".into(), AWS_CLI.into()] });
    } else {
        println!("no aws or no curl on the PATH: not measured against the AWS CLI");
    }
    contestants
}

/// One run: its times in milliseconds, and its requests.
struct Run {
    wall: f64,
    processor: f64,
    asked: Vec<Seen>,
}

impl Contestant {
    /// Runs the program in the instance, started and timed by a shell.
    fn run(&self, lab: &Lab) -> Result<Run, Box<dyn Error>> {
        const TIMED: &str = r#"TIMEFORMAT='%R %U %S'; time "$@" >/dev/null"#;
        let mut shell = lab.command(Path::new("bash"))?;
        shell.args(["-c", TIMED, "bash"]).args(&self.command).stdin(Stdio::null());
        if self.name == AWS {
            // It has certificates of its own.
            shell.env("AWS_CA_BUNDLE", lab.ca_bundle());
        }
        let before = lab.requests().len();
        let output = shell.output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = said.lines().last().unwrap_or_default();
        let seconds: Vec<f64> = last.split(' ').filter_map(|number| number.parse().ok()).collect();
        match seconds.as_slice() {
            // Off-net is an answer too.
            [wall, user, system] if output.status.code().is_some_and(|code| code <= 2) => {
                let asked = lab.requests().split_off(before);
                Ok(Run { wall: wall * 1e3, processor: (user + system) * 1e3, asked })
            }
            _ => Err(format!("{} did not succeed ({}): {said}", self.name, output.status).into()),
        }
    }
}

fn print_table(contestants: &[Contestant], runs: &[[Vec<Run>; DELAYS.len()]]) {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{} runs of each in turn, {processors} processors; median (least to most)\n", runs[0][0].len());
    println!("{:<16}{:>8}  {:<24}{:<24}{:>12}", "", "delay", "wall", "processor", "round trips");
    for (contestant, runs) in contestants.iter().zip(runs) {
        let walls = |at: usize| spread(&runs[at], |run| run.wall);
        // The difference, in delays: both times include the program's own work.
        let trips = (walls(1).median - walls(0).median) / (DELAYS[1].as_secs_f64() * 1e3);
        for (at, delay) in DELAYS.iter().enumerate() {
            let processor = spread(&runs[at], |run| run.processor);
            let trips = if at == 0 { String::new() } else { format!("{trips:.2}") };
            let name = if at == 0 { contestant.name } else { "" };
            let (wall, processor) = (walls(at).shown("ms", 0), processor.shown("ms", 0));
            println!("{name:<16}{:>8}  {wall:<24}{processor:<24}{trips:>12}", delay.as_millis());
        }
    }
    let against = contestants.iter().zip(runs).skip(1);
    for (other, others) in against {
        let ratio =
            |at: usize| spread(&others[at], |run| run.wall).median / spread(&runs[0][at], |run| run.wall).median;
        println!(
            "{} takes {:.1} times as long as onnet check, {:.1} times with the delay",
            other.name,
            ratio(0),
            ratio(1)
        );
    }
}

fn spread(runs: &[Run], of: impl Fn(&Run) -> f64) -> Spread {
    Spread::of(&runs.iter().map(of).collect::<Vec<_>>())
}

/// The requests of the fastest run, with their time after the first one, in delays.
fn print_requests(runs: &[Run]) {
    let delay = DELAYS[1];
    println!(
        "\nthe fastest onnet check with every answer {} ms late: its requests, and after how many delays\n",
        delay.as_millis()
    );
    let fastest = runs.iter().min_by(|one, other| one.wall.total_cmp(&other.wall));
    let asked = fastest.map_or(&[][..], |run| &run.asked);
    for request in asked {
        let after = request.at.duration_since(asked[0].at).as_secs_f64() / delay.as_secs_f64();
        println!("{after:>6.2}  {:<10}{}", request.service.name(), request.what);
    }
}
