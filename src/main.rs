//! The `onnet` command: parse, look, judge, print. The exit code is the answer.

mod cli;
mod daemon;
mod generate;
mod live;
mod log;
mod plugin;
mod status;

use clap::{
    Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};
use cli::{Cli, Command, Document, Format, ReportFormat};
use onnet::{
    import::{files, saved},
    judge,
    model::{Explanation, Inventory, Outcome, Report, SubnetId, Verdict},
    observe::seen::chain,
    present,
};
use std::{
    cell::RefCell,
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

/// An error of ours, as the Nagios guidelines have it: unknown.
const ERROR: u8 = 3;

fn main() -> ExitCode {
    // A panic, be it a library's, is an error like any other. By itself it would end in a code, or in a signal, that
    // monitoring systems do not know.
    std::panic::set_hook(Box::new(|panic| {
        complain(&format!("this is a defect, please report it: {panic}"));
        #[expect(
            clippy::disallowed_methods,
            reason = "a panic has no way back to main, and aborts in a release build"
        )]
        std::process::exit(ERROR.into());
    }));
    if plugin::is_called(std::env::args_os().next().as_deref()) {
        return plugin::main();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let done = log::start(&cli).and_then(|()| run(cli.command)).and_then(|(text, code)| {
        print(&text)?;
        Ok(code)
    });
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&chain(&*error));
            ExitCode::from(ERROR)
        }
    }
}

/// What to print, and the exit code.
type Answer = Result<(String, u8), Box<dyn Error>>;

fn run(command: Command) -> Answer {
    match command {
        Command::Check(check) => {
            let last = RefCell::new(String::new());
            let waiting = |report: &Report| {
                let line = format!("{}, waiting: {}", report.outcome, report.summary);
                if *last.borrow() != line {
                    complain(&line);
                    last.replace(line);
                }
            };
            let judged = blocking(live::check(&check.look, check.timeout.timeout, check.wait, waiting))?;
            let saved = check.save.as_deref().map_or(Ok(()), |file| saved::write(file, &judged.snapshot));
            let (text, code) = report(&judged, check.format);
            if let Err(error) = saved {
                // The report is not lost with the file.
                print(&text)?;
                return Err(error.into());
            }
            Ok((text, code))
        }
        Command::Run(run) => {
            blocking(daemon::run(&run))??;
            Ok((String::new(), 0))
        }
        Command::Status(what) => status::status(&what),
        Command::Judge(what) => Ok(report(&judge::judge(saved::read(&what.file)?), what.format)),
        Command::Explain(what) => explain(&what),
        Command::Audit(what) => audit(&what),
        Command::Schema { contract: Document(contract) } => Ok((present::schema(contract), 0)),
        Command::Generate { directory } => {
            generate::generate(&directory)?;
            Ok((String::new(), 0))
        }
    }
}

fn report(report: &Report, format: ReportFormat) -> (String, u8) {
    let text = match format {
        ReportFormat::Text => present::text(report),
        ReportFormat::Json => present::json(report),
        ReportFormat::Nagios => present::nagios(report),
    };
    (text, report.outcome.exit_code())
}

fn explain(what: &cli::Explain) -> Answer {
    let cli::From { from, region, timeout } = &what.from;
    let (subnet, inventory) = match from {
        Some(dir) => {
            let inventory = files::read(dir, region.as_deref())?;
            (the_subnet(what.subnet.as_ref(), &inventory)?, inventory)
        }
        None => blocking(live::subnet_and_inventory(region.as_deref(), what.subnet.as_ref(), timeout.timeout))??,
    };
    let explanation = judge::explain(&inventory, &subnet, what.address)?;
    let text = match what.format {
        Format::Text => present::explanation(&explanation),
        Format::Json => present::json(&explanation),
    };
    Ok((text, explained(&explanation).exit_code()))
}

/// The one that was named, or the only one there is.
fn the_subnet(named: Option<&SubnetId>, inventory: &Inventory) -> Result<SubnetId, Box<dyn Error>> {
    if let Some(subnet) = named {
        return Ok(subnet.clone());
    }
    match inventory.subnets.get() {
        Ok(subnets) => match subnets.as_slice() {
            [only] => Ok(only.id.clone()),
            [] => Err("there is no subnet in the files; say which one with --subnet ID".into()),
            several => {
                let known: Vec<SubnetId> = several.iter().map(|subnet| subnet.id.clone()).collect();
                Err(format!("say which subnet with --subnet ID; {}", judge::known_subnets(&known)).into())
            }
        },
        Err(gap) => Err(format!("say which subnet with --subnet ID; the subnets are not known ({gap})").into()),
    }
}

/// Any DynamoDB endpoint is good; a service's endpoint that is not DynamoDB's is not.
fn explained(explanation: &Explanation) -> Outcome {
    match &explanation.verdict {
        Verdict::Via(path) if path.is_dynamodb_endpoint => Outcome::OnNet,
        Verdict::Via(_) => Outcome::OffNet,
        Verdict::Dropped(_) => Outcome::Dropped,
        Verdict::Ambiguous(_) | Verdict::Undetermined(_) => Outcome::Undetermined,
    }
}

fn audit(what: &cli::Audit) -> Answer {
    let cli::From { from, region, timeout } = &what.from;
    let inventory = match from {
        Some(dir) => files::read(dir, region.as_deref())?,
        None => blocking(live::inventory(region.as_deref(), what.vpc.as_ref(), timeout.timeout))??,
    };
    let audit = judge::audit(&inventory, what.vpc.as_ref());
    let text = match what.format {
        Format::Text => present::audit(&audit),
        Format::Json => present::json(&audit),
    };
    Ok((text, audit.outcome.exit_code()))
}

/// Runs what needs the network. One thread will do: it waits most of the time.
fn blocking<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    // A lookup of a name by the C library blocks a thread and cannot be called off: it is not waited for.
    runtime.shutdown_background();
    Ok(done)
}

/// Prints, with colour if the reader can see it. A reader who has seen enough is no error.
fn print(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => {
            done.map_err(|error| io::Error::new(error.kind(), format!("cannot write to the standard output: {error}")))
        }
    }
}

/// Help and version are answers; anything else about the command line is an error of code 3.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return match print(&error.render().ansi().to_string()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(ERROR),
        };
    }
    let text = error.render().ansi().to_string().replacen("error:", "onnet:", 1) + &variable_of(error);
    let _ = anstream::stderr().write_all(text.as_bytes()); // there is nobody left to tell
    ExitCode::from(ERROR)
}

/// A wrong value may stand in a variable where nobody looks for it.
fn variable_of(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::UnknownArgument {
        return String::new();
    }
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) if flag.starts_with("--") => {
            let name = flag.trim_start_matches("--").split(' ').next().unwrap_or(flag).to_uppercase().replace('-', "_");
            format!("The variable ONNET_{name} sets it too, where the command line does not.\n")
        }
        _ => String::new(),
    }
}

fn complain(problem: &str) {
    let lines: Vec<_> = problem.lines().map(present::sanitized).collect();
    let _ = writeln!(anstream::stderr(), "onnet: {}", lines.join("\n")); // there is nobody left to tell
}
