//! Criterion's figures for decisions and renderings, as rows of the table.

use crate::{Bench, Row, Rows, process::PROCESSOR, rows::ratio};
use serde_json::Value;
use std::{
    error::Error,
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// A median with its confidence interval, in microseconds.
struct Estimate {
    median: f64,
    least: f64,
    most: f64,
}

impl Estimate {
    fn read(home: &Path, of: &str) -> Result<Self, Box<dyn Error>> {
        let estimates: Value = serde_json::from_slice(&fs::read(home.join(of).join("new/estimates.json"))?)?;
        let median = &estimates["median"];
        let of = |value: &Value| value.as_f64().map(|nanoseconds| nanoseconds / 1e3).ok_or("no estimate");
        let interval = &median["confidence_interval"];
        Ok(Self {
            median: of(&median["point_estimate"])?,
            least: of(&interval["lower_bound"])?,
            most: of(&interval["upper_bound"])?,
        })
    }

    fn shown(&self) -> String {
        let Self { median, least, most } = self;
        format!("{median:.2} µs ({least:.2} to {most:.2})")
    }
}

/// Decisions and renderings, measured by `benches/judge.rs`.
pub(crate) fn judged(bench: &mut Bench) -> Rows {
    let home = bench.options.csv.with_file_name("criterion");
    // Otherwise the results of an earlier run would be read as those of this run.
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    let mut command = Command::new("taskset");
    command.args(["-c", PROCESSOR]).arg(&bench.options.judge).arg("--bench").env("CRITERION_HOME", &home);
    if bench.options.quick {
        command.arg("--quick");
    }
    if !command.stdin(Stdio::null()).stdout(Stdio::null()).status()?.success() {
        return Err("the benchmark of the judge did not succeed".into());
    }
    let of = |of: &str| Estimate::read(&home, of);
    let (small, medium, largest) =
        (of("explain/onnet/10 routes")?, of("explain/onnet/100 routes")?, of("explain/onnet/largest")?);
    let (trie, built) = (of("explain/prefix-trie/largest")?, of("explain/prefix-trie is built/largest")?);
    let (metrics, page, json) = (of("render_samples")?, of("render_page")?, of("render_json")?);
    bench.keep("explain", "onnet", "µs", &[small.median, medium.median, largest.median])?;
    bench.keep("explain", "prefix-trie", "µs", &[trie.median, built.median])?;
    bench.keep("render", "onnet", "µs", &[metrics.median, page.median, json.median])?;
    Ok(vec![
        Row {
            what: "`explain`, a decision: 1,000 routes, 20 prefix lists of 1,000 entries",
            budget: "≤ 1/200 of what a prefix trie takes to build".into(),
            onnet: format!("{}: 1/{:.0}", largest.shown(), built.median / largest.median),
            met: largest.median * 200.0 <= built.median,
            beside: format!("prefix-trie: a look-up {}, after {:.0} µs to build it", trie.shown(), built.median),
        },
        Row {
            what: "… 10 routes, one list of 6 entries; 100 routes, two lists of 100",
            budget: "no faster than linear".into(),
            onnet: format!("{}; {}", small.shown(), medium.shown()),
            met: largest.median <= medium.median * 77.0 && medium.median <= small.median * 20.0,
            beside: "–".into(),
        },
        Row {
            what: "`/metrics`, what a report says as samples; the encoding is part of `scrape`",
            budget: "≤ 25 × a decision on the largest table".into(),
            onnet: format!("{}: {}", metrics.shown(), ratio(metrics.median, largest.median)),
            met: metrics.median <= 25.0 * largest.median,
            beside: format!("the status page {}, `/report.json` {}", page.shown(), json.shown()),
        },
    ])
}
