//! `cargo run --example lab`: the tutorial of AWS's page on DynamoDB endpoints, on a simulated instance.

#[path = "mod.rs"]
mod lab;

use anstream::{eprintln, println};
use anstyle::{AnsiColor, Style};
use clap::Parser;
use lab::{
    Fault, Lab, Mode, Service, World, client, loopback, rights,
    tutorial::{self, STEPS, Step},
};
use nix::sys::signal::{SigSet, Signal};
use std::{
    error::Error,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

/// Performs AWS's tutorial on DynamoDB endpoints on a simulated EC2 instance, and runs `onnet check` at every step.
///
/// Exits 0 if every result was right.
#[derive(Parser)]
#[command(
    name = "lab",
    after_help = "Examples:\n  cargo run --example lab\n  cargo run --example lab -- --step 3 --keep\n  cargo run --example lab -- --fault ec2=denied"
)]
struct Options {
    /// Show only this step, after the steps before it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    step: Option<u8>,
    /// Keep the lab running at the end and print how to enter it
    #[arg(long)]
    keep: bool,
    /// List the faults of every service
    #[arg(long)]
    list_faults: bool,
    /// Break a service and show the result of `onnet check`, at step 3 unless --step is given
    #[arg(long, value_name = "SERVICE=NAME", value_parser = parse_fault)]
    fault: Option<(Service, Fault)>,
    /// Use 127.0.0.0/8 and high ports instead of network namespaces
    #[arg(long)]
    loopback: bool,
    /// Run this onnet instead of building it
    #[arg(long, value_name = "PATH")]
    onnet: Option<PathBuf>,
}

fn parse_fault(text: &str) -> Result<(Service, Fault), String> {
    let all = || Service::ALL.into_iter().flat_map(|service| service.faults().map(move |fault| (service, fault)));
    let found = all().find(|(service, fault)| text == format!("{}={}", service.name(), fault.name()));
    found.ok_or_else(|| "no such fault; --list-faults lists all".to_owned())
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

fn main() -> ExitCode {
    if let Some(done) = client::run_if_asked() {
        return done;
    }
    let options = Options::parse();
    if options.list_faults {
        list_faults();
        return ExitCode::SUCCESS;
    }
    match walk(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{BAD}lab:{BAD:#} {error}");
            ExitCode::FAILURE
        }
    }
}

fn list_faults() {
    for service in Service::ALL {
        for fault in service.faults() {
            println!("{BOLD}{:<9}{BOLD:#} {:<20} {}", service.name(), fault.name(), fault.meaning());
        }
    }
}

/// Performs the steps. Returns whether every result was right.
fn walk(options: &Options) -> Result<bool, Box<dyn Error>> {
    let onnet = match &options.onnet {
        Some(path) => path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?,
        None => build_onnet()?,
    };
    // Before other threads start, which inherit the mask: one thread receives the signals.
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    signals.thread_block()?;
    let lab = start(options)?;
    clean_up_on(signals, lab.directory().to_owned(), options.keep);
    introduce(&lab);

    let only = options.step.or(options.fault.map(|_| 3)).map(usize::from);
    let mut right = true;
    let mut last_report = serde_json::Value::Null;
    for (step, number) in STEPS.iter().zip(1..=only.unwrap_or(STEPS.len())) {
        println!("\n{BOLD}{number}/{}  {}{BOLD:#}", STEPS.len(), step.title);
        let command = Step::perform(number, &lab).map_err(|refused| refused.message)?;
        if let Some(command) = &command {
            println!("{DIM}$ {command}{DIM:#}");
        }
        if only.is_some_and(|only| number < only) {
            continue;
        }
        if number == 3 && only.is_none() && !tutorial::offers(&last_report, command.as_deref().unwrap_or_default()) {
            println!("{BAD}✗ onnet did not print this fix{BAD:#}");
            right = false;
        }
        if let Some((service, fault)) = options.fault {
            lab.set_fault(service, Some(fault));
            println!("{DIM}# {} {}{DIM:#}", service.name(), fault.meaning());
        } else {
            println!("{DIM}$ aws dynamodb list-tables{DIM:#}\n{}", lab.list_tables()?);
        }
        let (code, report) = check(&lab, &onnet)?;
        last_report = report;
        if options.fault.is_none() {
            right &= verdict(step, code, &last_report);
        }
    }
    if options.keep {
        keep(&lab, &onnet)?;
    } else if options.fault.is_none() {
        conclude(right);
    }
    Ok(right)
}

fn start(options: &Options) -> Result<Lab, Box<dyn Error>> {
    if !options.loopback {
        let started = rights::gain().and_then(|()| {
            Lab::start(World::tutorial(), Mode::Namespaces).map_err(|error| format!("no network namespaces: {error}"))
        });
        match started {
            Ok(lab) => return Ok(lab),
            Err(reason) => println!("{DIM}No network namespaces here ({reason}): the lab runs on loopback{DIM:#}"),
        }
    }
    Lab::start(World::tutorial(), Mode::Loopback)
}

fn introduce(lab: &Lab) {
    let world = lab.world();
    let interface = &world.interfaces[0];
    println!(
        "{BOLD}A simulated EC2 instance{BOLD:#}: {}{} in {} ({}, {})",
        world.instance,
        interface.first_address().map(|address| format!(" at {address}")).unwrap_or_default(),
        interface.subnet,
        world.vpc,
        world.region
    );
    let how = match lab.mode() {
        Mode::Namespaces => {
            "two network namespaces: AWS's services at their default addresses, packets forwarded by the route table"
        }
        Mode::Loopback => loopback::CAVEAT,
    };
    println!("{DIM}{how}{DIM:#}");
}

/// Runs `onnet check`, which shows its text, and `onnet judge` on the saved snapshot of the same round, for the details.
fn check(lab: &Lab, onnet: &Path) -> Result<(Option<i32>, serde_json::Value), Box<dyn Error>> {
    let snapshot = lab.directory().join("snapshot.json");
    let path = snapshot.display().to_string();
    println!("{DIM}$ onnet check{DIM:#}");
    let shown = lab.show_onnet(onnet, &["check", "--save", &path])?;
    let judged = lab.onnet(onnet, &["judge", &path, "--format", "json"])?;
    let report = serde_json::from_str(&judged.stdout)
        .map_err(|error| format!("`onnet judge` printed no JSON ({error}): {}{}", judged.stdout, judged.stderr))?;
    Ok((shown.code, report))
}

fn verdict(step: &Step, code: Option<i32>, report: &serde_json::Value) -> bool {
    let differences = step.differences(code, report);
    if differences.is_empty() {
        println!("{GOOD}✓{GOOD:#} {} (exit code {}), as expected", step.outcome.replace('_', "-"), step.exit_code);
    } else {
        println!("{BAD}✗ {}{BAD:#}", differences.join("; "));
    }
    differences.is_empty()
}

fn conclude(right: bool) {
    if right {
        println!("\n{GOOD}list-tables succeeded at every step. Only onnet distinguished the paths.{GOOD:#}");
    } else {
        println!("\n{BAD}Not every step was right: see the lines with ✗.{BAD:#}");
    }
}

/// Prints how to enter the lab, and runs until interrupted.
fn keep(lab: &Lab, onnet: &Path) -> Result<(), Box<dyn Error>> {
    match lab.mode() {
        Mode::Namespaces => {
            // A process in the instance's namespaces that other programs can enter.
            let mut holder = lab.command(Path::new("sleep"))?;
            let holder = holder.arg("infinity").stdin(Stdio::null()).spawn()?;
            println!("\nThe lab runs until Ctrl-C. To enter the instance, in another terminal:\n");
            println!("  {BOLD}{} --target {} --net --mount bash{BOLD:#}", nsenter(), holder.id());
            println!(
                "  {BOLD}export AWS_REGION=us-east-1 AWS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt{BOLD:#}   # for the AWS CLI"
            );
            println!("  {BOLD}{} check{BOLD:#}", onnet.display());
        }
        Mode::Loopback => {
            println!("\nThe lab runs until Ctrl-C. To use it, in another terminal:\n");
            for (name, value) in lab.settings() {
                println!("  {BOLD}export {name}={value}{BOLD:#}");
            }
            println!("  {BOLD}{} check {}{BOLD:#}", onnet.display(), lab.options().join(" "));
        }
    }
    loop {
        std::thread::park();
    }
}

fn nsenter() -> &'static str {
    let mapped = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    // As root the lab has no user namespace: all ids are mapped.
    if mapped.split_whitespace().nth(2) == Some("1") { "nsenter --user --preserve-credentials" } else { "nsenter" }
}

/// Removes the temporary files when interrupted. Everything else ends with the process.
fn clean_up_on(signals: SigSet, directory: PathBuf, keeping: bool) {
    std::thread::spawn(move || {
        let signal = signals.wait();
        let _ = std::fs::remove_dir_all(&directory);
        let code = if keeping { 0 } else { 128 + signal.map_or(0, |signal| signal as i32) };
        #[expect(clippy::disallowed_methods, reason = "interrupted: what is to be cleaned up has been")]
        std::process::exit(code)
    });
}

/// Builds onnet with the profile of this example, if it is not up to date.
fn build_onnet() -> Result<PathBuf, Box<dyn Error>> {
    let here = std::env::current_exe()?;
    let profile = here.parent().and_then(Path::parent).ok_or("an example is in target/<profile>/examples")?;
    let onnet = profile.join("onnet");
    let Some(cargo) = std::env::var_os("CARGO") else {
        return if onnet.exists() {
            Ok(onnet)
        } else {
            Err(format!("no {}; use --onnet PATH", onnet.display()).into())
        };
    };
    let mut build = Command::new(cargo);
    // Together with the example, although it is built: dependencies then have the same features and are not rebuilt.
    build.args(["build", "--quiet", "--bin", "onnet", "--example", "lab"]);
    build.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    if let Some(target) = profile.parent() {
        build.arg("--target-dir").arg(target);
    }
    match build.status()?.success() {
        true => Ok(onnet),
        false => Err("onnet does not build".into()),
    }
}
