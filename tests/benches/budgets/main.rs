//! `tests/benches/run`: the budgets, each measured beside the programs that users would choose instead.
//!
//! The measured program has its own processor; the lab and the clients use the other. The programs run alternately. Raw
//! figures are written to a CSV file, medians to a table. A missed budget is shown in the table and is not a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss, reason = "a benchmark may panic")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into a list of figures")]

mod accuracy;
mod clients;
mod detour;
#[path = "../../common/facts_table.rs"]
mod facts_table;
mod failures;
mod fleet;
mod growth;
mod judged;
#[path = "../../lab/mod.rs"]
mod lab;
mod noise;
mod process;
mod rows;
#[path = "../spread.rs"]
mod spread;

use anstream::{eprintln, println};
use clap::{Parser, builder::PossibleValuesParser};
use lab::{Lab, Mode, World, rights};
use process::Running;
use spread::Spread;
use std::{
    error::Error,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

type Rows = Result<Vec<Row>, Box<dyn Error>>;

/// Measures onnet's budgets
#[derive(Debug, Parser)]
struct Options {
    /// The packaged binary
    #[arg(long, value_name = "FILE")]
    onnet: PathBuf,
    /// The benchmark of the judge
    #[arg(long, value_name = "FILE")]
    judge: PathBuf,
    /// The directory with the unpacked Debian packages of the other programs
    #[arg(long, value_name = "DIR")]
    peers: PathBuf,
    /// The directory of the AWS CLI
    #[arg(long, value_name = "DIR")]
    tools: PathBuf,
    /// The CSV file for the raw figures
    #[arg(long, value_name = "FILE")]
    csv: PathBuf,
    /// A tenth of the runs, to try the benchmark itself
    #[arg(long)]
    quick: bool,
    /// What cargo passes
    #[arg(long, hide = true)]
    bench: bool,
    /// Which rows; all by default
    #[arg(value_name = "ROW", value_parser = PossibleValuesParser::new(rows::ALL.map(|(name, _)| name)))]
    rows: Vec<String>,
}

/// A line of the table.
struct Row {
    what: &'static str,
    budget: String,
    onnet: String,
    met: bool,
    beside: String,
}

/// What all rows use.
struct Bench {
    options: Options,
    csv: fs::File,
}

impl Bench {
    fn lab(&self, mut world: World) -> Result<Lab, Box<dyn Error>> {
        // As large as EC2's own pages, so that paging is not measured.
        world.page_size = 1000;
        Lab::start(world, Mode::Namespaces)
    }

    fn onnet(&self) -> &str {
        self.options.onnet.to_str().expect("a path in UTF-8")
    }

    /// A daemon that sends only health probes, with this period.
    fn probing(&self, lab: &Lab, every: &str) -> io::Result<Running> {
        Running::start(lab, &[self.onnet(), "run", "--splay", "0s", "--probe", "health", "--health-every", every])
    }

    fn peer(&self, program: &str) -> String {
        self.options.peers.join(program).display().to_string()
    }

    /// The number of runs: `full`, or a tenth of it.
    fn times(&self, full: usize) -> usize {
        if self.options.quick { (full / 10).max(3) } else { full }
    }

    /// Writes raw figures to the CSV file.
    fn keep(&mut self, row: &str, who: &str, unit: &str, figures: &[f64]) -> Result<(), Box<dyn Error>> {
        for (run, figure) in figures.iter().enumerate() {
            writeln!(self.csv, "{row},{who},{run},{figure},{unit}")?;
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    if let Some(done) = clients::run_if_asked() {
        return done;
    }
    let options = Options::parse();
    // Before there is a second thread.
    if let Err(reason) = rights::gain() {
        eprintln!("the benchmark needs network namespaces, and there are none: {reason}");
        return ExitCode::FAILURE;
    }
    match measure(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether every row could be measured. After an error in one row, the others are still measured.
fn measure(options: Options) -> Result<bool, Box<dyn Error>> {
    let mut csv = fs::File::create(&options.csv)?;
    writeln!(csv, "row,who,run,figure,unit")?;
    let mut bench = Bench { options, csv };
    let mut measured = true;
    println!("| what | budget | onnet | met | beside |\n| --- | --- | --- | --- | --- |");
    for (name, row) in rows::ALL {
        if !bench.options.rows.is_empty() && !bench.options.rows.iter().any(|wanted| wanted == name) {
            continue;
        }
        match row(&mut bench) {
            Ok(rows) => {
                for Row { what, budget, onnet, met, beside } in rows {
                    println!("| {what} | {budget} | {onnet} | {} | {beside} |", if met { "yes" } else { "**no**" });
                }
            }
            Err(error) => {
                measured = false;
                println!("| {name} | | | **not measured** | {error} |");
            }
        }
    }
    Ok(measured)
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
}

fn size(path: &Path) -> Result<f64, Box<dyn Error>> {
    Ok(fs::metadata(path)?.len() as f64)
}
