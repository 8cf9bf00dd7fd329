//! The rows of the table, one function each.

use crate::{
    Bench, Row, Rows, Spread,
    accuracy::accuracy,
    clients::{GET, LOAD, READY, RUN, STARTED},
    failures::failures,
    fleet::fleet,
    growth::{audit, growth},
    judged::judged,
    lab::{Fault, Lab, Service, World},
    mebibytes,
    noise::noise,
    process::{Running, part},
    size,
};
use serde_json::Value;
use std::{error::Error, fs, time::Duration};
use tokio::time::Instant;

type Measure = fn(&mut Bench) -> Rows;

pub(crate) const ALL: [(&str, Measure); 14] = [
    ("size", binary_size),
    ("start", start),
    ("check", check),
    ("idle", idle),
    ("flight", memory_in_flight),
    ("probe", probe),
    ("accuracy", accuracy),
    ("noise", noise),
    ("failures", failures),
    ("scrape", scrape),
    ("audit", audit),
    ("judge", judged),
    ("growth", growth),
    ("fleet", fleet),
];

pub(crate) const NAME: &str = "dynamodb.us-east-1.amazonaws.com";
pub(crate) const ONNET_PORT: &str = "10953";
pub(crate) const BLACKBOX_PORT: &str = "9115";
const NODE_PORT: &str = "9100";
pub(crate) const PROBE_PATH: &str = "/probe?module=get&target=https://dynamodb.us-east-1.amazonaws.com/";

/// blackbox_exporter, configured for what onnet does: GET over TLS 1.3, HTTP/1.1, IPv4, a new connection each time.
pub(crate) struct Blackbox(Vec<String>);

impl Blackbox {
    pub(crate) fn new(bench: &Bench, lab: &Lab) -> Result<Self, Box<dyn Error>> {
        let file = lab.directory().join("blackbox.yml");
        let module =
            "modules:\n  get:\n    prober: http\n    timeout: 5s\n    http:\n      preferred_ip_protocol: ip4\n";
        fs::write(&file, module)?;
        Ok(Self(vec![
            bench.peer("usr/bin/prometheus-blackbox-exporter"),
            format!("--config.file={}", file.display()),
            format!("--web.listen-address=127.0.0.1:{BLACKBOX_PORT}"),
        ]))
    }

    pub(crate) fn words(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

pub(crate) fn number(value: &Value) -> Result<f64, Box<dyn Error>> {
    value.as_f64().ok_or_else(|| format!("{value} is not a number").into())
}

pub(crate) fn wait_for(lab: &Lab, port: &str, path: &str) -> Result<String, Box<dyn Error>> {
    for _ in 0..400 {
        if let Ok(body) = part(lab, false, &[GET, port, path]) {
            return Ok(body.as_str().unwrap_or_default().to_owned());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(format!("no answer at port {port}").into())
}

/// The ratio to another figure of the same run. It varies less between machines than the figure itself.
pub(crate) fn ratio(ours: f64, theirs: f64) -> String {
    format!("{:.2} ×", ours / theirs)
}

fn binary_size(bench: &mut Bench) -> Rows {
    let (ours, theirs) =
        (size(&bench.options.onnet)?, size(&bench.options.peers.join("usr/bin/prometheus-blackbox-exporter"))?);
    bench.keep("size", "onnet", "B", &[ours])?;
    bench.keep("size", "blackbox_exporter", "B", &[theirs])?;
    Ok(vec![Row {
        what: "stripped binary",
        budget: "≤ 10 MB".into(),
        onnet: format!("{:.2} MB", ours / 1e6),
        met: ours <= 10e6,
        beside: format!("blackbox_exporter {:.2} MB", theirs / 1e6),
    }])
}

fn start(bench: &mut Bench) -> Rows {
    let lab = bench.lab(World::on_net())?;
    let blackbox = Blackbox::new(bench, &lab)?;
    let onnet = bench.onnet().to_owned();
    let run = [onnet.as_str(), "run", "--splay", "0s"];
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..bench.times(30) {
        ours.push(number(&part(&lab, true, &[&[STARTED, ONNET_PORT, "/metrics"], &run[..]].concat())?)?);
        theirs.push(number(&part(
            &lab,
            true,
            &[&[STARTED, BLACKBOX_PORT, "/metrics"], &blackbox.words()[..]].concat(),
        )?)?);
    }
    lab.delay_every_answer(Duration::from_millis(1));
    let mut ready = Vec::new();
    for _ in 0..bench.times(30) {
        ready.push(number(&part(&lab, true, &[&[READY], &run[..]].concat())?)?);
    }
    bench.keep("start", "onnet", "ms", &ours)?;
    bench.keep("start", "blackbox_exporter", "ms", &theirs)?;
    bench.keep("ready", "onnet", "ms", &ready)?;
    let (ours, theirs, ready) = (Spread::of(&ours), Spread::of(&theirs), Spread::of(&ready));
    Ok(vec![
        Row {
            what: "start → first `/metrics`",
            budget: "no longer than blackbox_exporter".into(),
            onnet: format!("{}: {}", ours.shown("ms", 1), ratio(ours.median, theirs.median)),
            met: ours.median <= theirs.median,
            beside: format!("blackbox_exporter {}", theirs.shown("ms", 1)),
        },
        Row {
            what: "start → READY, every answer 1 ms late",
            budget: "≤ 16 × blackbox_exporter's start".into(),
            onnet: format!("{}: {}", ready.shown("ms", 1), ratio(ready.median, theirs.median)),
            met: ready.median <= 16.0 * theirs.median,
            beside: "–".into(),
        },
    ])
}

/// The requests of `check`, sent by the AWS CLI.
const AWS_CLI: &str = include_str!("../check.sh");

/// The delay of every answer. At least four answers must come in sequence (see `benches/check.rs`).
const LATE: Duration = Duration::from_millis(50);
const LEAST: f64 = 4.0 * 50.0;

fn check(bench: &mut Bench) -> Rows {
    let lab = bench.lab(World::on_net())?;
    let onnet = bench.onnet().to_owned();
    let aws = format!("export PATH={}:$PATH\n{AWS_CLI}", bench.options.tools.display());
    let (mut wall, mut processor, mut late) = (Vec::new(), Vec::new(), Vec::new());
    let (mut cli, mut cli_processor) = (Vec::new(), Vec::new());
    let times = bench.times(60);
    for run in 0..times {
        let ran = part(&lab, true, &[RUN, &onnet, "check"])?;
        wall.push(number(&ran["wall"])?);
        processor.push(number(&ran["processor"])?);
        lab.delay_every_answer(LATE);
        late.push(number(&part(&lab, true, &[RUN, &onnet, "check"])?["wall"])?);
        lab.delay_every_answer(Duration::ZERO);
        if run % 10 == 0 {
            let ran = part(&lab, true, &[RUN, "bash", "-c", &aws])?;
            if ran["code"] != 0 {
                return Err(format!("the AWS CLI did not succeed: {ran}").into());
            }
            cli.push(number(&ran["wall"])?);
            cli_processor.push(number(&ran["processor"])?);
        }
    }
    bench.keep("check wall", "onnet", "ms", &wall)?;
    bench.keep("check processor", "onnet", "ms", &processor)?;
    bench.keep("check wall, 50 ms late", "onnet", "ms", &late)?;
    bench.keep("check wall", "AWS CLI", "ms", &cli)?;
    bench.keep("check processor", "AWS CLI", "ms", &cli_processor)?;
    let [wall, processor, late, cli, cli_processor] =
        [wall, processor, late, cli, cli_processor].map(|figures| Spread::of(&figures));
    Ok(vec![
        Row {
            what: "`onnet check`, all answers instant: wall",
            budget: "≤ 1/30 of the AWS CLI's".into(),
            onnet: format!("{}: 1/{:.0}", wall.shown("ms", 1), cli.median / wall.median),
            met: wall.median * 30.0 <= cli.median,
            beside: format!("AWS CLI {}", cli.shown("ms", 0)),
        },
        Row {
            what: "… processor",
            budget: "≤ 1/30 of the AWS CLI's".into(),
            onnet: format!("{}: 1/{:.0}", processor.shown("ms", 1), cli_processor.median / processor.median),
            met: processor.median * 30.0 <= cli_processor.median,
            beside: format!("AWS CLI {}", cli_processor.shown("ms", 0)),
        },
        Row {
            what: "`onnet check`, every answer 50 ms late",
            budget: format!("≤ {:.0} ms: 4 answers in sequence, and 10 %", LEAST * 1.1),
            onnet: late.shown("ms", 1),
            met: late.median <= LEAST * 1.1,
            beside: "–".into(),
        },
    ])
}

/// Ten minutes of the same work for all programs: a scrape every 15 s.
fn idle(bench: &mut Bench) -> Rows {
    let lab = bench.lab(World::on_net())?;
    let blackbox = Blackbox::new(bench, &lab)?;
    let node = bench.peer("usr/bin/prometheus-node-exporter");
    let programs = [
        ("onnet", ONNET_PORT, "/metrics", Running::start(&lab, &[bench.onnet(), "run", "--splay", "0s"])?),
        ("blackbox_exporter", BLACKBOX_PORT, PROBE_PATH, Running::start(&lab, &blackbox.words())?),
        (
            "node_exporter",
            NODE_PORT,
            "/metrics",
            Running::start(&lab, &[&node, &format!("--web.listen-address=127.0.0.1:{NODE_PORT}")])?,
        ),
    ];
    wait_for(&lab, ONNET_PORT, "/-/ready")?;
    for (_, port, path, _) in &programs {
        wait_for(&lab, port, path)?;
    }
    let before: Vec<f64> = programs.iter().map(|(.., running)| running.processor()).collect::<Result<_, _>>()?;
    let began = Instant::now();
    for _ in 0..bench.times(40) {
        std::thread::sleep(Duration::from_secs(15));
        for (_, port, path, _) in &programs {
            wait_for(&lab, port, path)?;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let (mut rss, mut used) = (Vec::new(), Vec::new());
    for ((who, .., running), before) in programs.iter().zip(before) {
        rss.push(running.memory("VmRSS")?);
        used.push((running.processor()? - before) / seconds * 100.0);
        bench.keep("memory", who, "B", &rss[rss.len() - 1..])?;
        bench.keep("processor", who, "% of a core", &used[used.len() - 1..])?;
    }
    let anonymous = programs[0].3.memory("RssAnon")?;
    Ok(vec![
        Row {
            what: "RSS of the daemon, idle after 10 minutes",
            budget: "≤ 12 MiB".into(),
            onnet: format!("{} ({} of it anonymous)", mebibytes(rss[0]), mebibytes(anonymous)),
            met: rss[0] <= 12.0 * f64::from(1 << 20),
            beside: format!("blackbox_exporter {}, node_exporter {}", mebibytes(rss[1]), mebibytes(rss[2])),
        },
        Row {
            what: "processor time of the daemon with default periods, scraped every 15 s",
            budget: "≤ 2 × node_exporter's".into(),
            onnet: format!("{:.3} %: {}", used[0], ratio(used[0], used[2])),
            met: used[0] <= 2.0 * used[2],
            beside: format!("blackbox_exporter, one probe a scrape: {:.3} %; node_exporter: {:.3} %", used[1], used[2]),
        },
    ])
}

/// A world in which the name has `count` addresses.
pub(crate) fn with_addresses(count: u8) -> World {
    let addresses: Vec<String> = (0..count).map(|n| format!("52.94.0.{}", 10 + n)).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let mut world = World::on_net().with_addresses(&addresses);
    world.rotate = false;
    world
}

fn memory_in_flight(bench: &mut Bench) -> Rows {
    let lab = bench.lab(with_addresses(32))?;
    let blackbox = Blackbox::new(bench, &lab)?;
    // Long enough for all probes to be in flight at once, although each starts 20 ms after the one before.
    lab.set_slowness(Duration::from_millis(1500));
    lab.set_fault(Service::DynamoDb, Some(Fault::SlowAnswer));
    let ours = bench.probing(&lab, "2s")?;
    std::thread::sleep(Duration::from_secs(bench.times(60) as u64));
    let most = ours.memory("VmHWM")?;
    let metrics = wait_for(&lab, ONNET_PORT, "/metrics")?;
    drop(ours);
    let theirs = Running::start(&lab, &blackbox.words())?;
    wait_for(&lab, BLACKBOX_PORT, "/metrics")?;
    let seconds = bench.times(60).to_string();
    part(&lab, false, &[LOAD, BLACKBOX_PORT, PROBE_PATH, "16", "32", &seconds])?;
    let beside = theirs.memory("VmHWM")?;
    let probes = metrics.lines().find(|line| line.starts_with("onnet_probes_total{probe=\"health\""));
    bench.keep("flight", "onnet", "B", &[most])?;
    bench.keep("flight", "blackbox_exporter", "B", &[beside])?;
    Ok(vec![Row {
        what: "RSS with 32 probes in flight, at most",
        budget: "≤ 24 MiB".into(),
        onnet: format!("{} (`{}`)", mebibytes(most), probes.unwrap_or("no probes")),
        met: most <= 24.0 * f64::from(1 << 20) && probes.is_some(),
        beside: format!("blackbox_exporter {}", mebibytes(beside)),
    }])
}

/// The value of a series.
fn series(metrics: &str, name: &str) -> f64 {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0.0)
}

/// A rate of probes: one at a time, each over its own connection.
struct Pace {
    row: &'static str,
    what: &'static str,
    every: &'static str,
    a_second: &'static str,
}

const PACES: [Pace; 2] = [
    Pace {
        row: "probe",
        what: "processor time for each cold TLS probe, one after the other (100 a second)",
        every: "10ms",
        a_second: "100",
    },
    Pace {
        row: "probe, paced",
        what: "… at 20 a second: the processor's caches go cold in between",
        every: "50ms",
        a_second: "20",
    },
];

fn probe(bench: &mut Bench) -> Rows {
    const COUNT: &str = "onnet_probes_total{probe=\"health\"}";
    let lab = bench.lab(World::on_net())?;
    let blackbox = Blackbox::new(bench, &lab)?;
    let url = format!("https://{NAME}/");
    let check_http = bench.peer("usr/lib/nagios/plugins/check_http");
    let seconds = Duration::from_secs(bench.times(100) as u64 / 5);
    let count = |lab: &Lab| Ok::<f64, Box<dyn Error>>(series(&wait_for(lab, ONNET_PORT, "/metrics")?, COUNT));
    let (mut ours, mut theirs) = ([const { Vec::new() }; PACES.len()], [const { Vec::new() }; PACES.len()]);
    let (mut curl, mut plugin) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        for (at, Pace { every, a_second, .. }) in PACES.iter().enumerate() {
            let running = bench.probing(&lab, every)?;
            wait_for(&lab, ONNET_PORT, "/-/ready")?;
            let (probes, used) = (count(&lab)?, running.processor()?);
            std::thread::sleep(seconds);
            let (used, probes) = (running.processor()? - used, count(&lab)? - probes);
            ours[at].push(used / probes * 1e3);
            drop(running);

            let running = Running::start(&lab, &blackbox.words())?;
            wait_for(&lab, BLACKBOX_PORT, "/metrics")?;
            let used = running.processor()?;
            let duration = seconds.as_secs().to_string();
            let loaded = part(&lab, false, &[LOAD, BLACKBOX_PORT, PROBE_PATH, a_second, "1", &duration])?;
            theirs[at].push((running.processor()? - used) / number(&loaded["answers"])? * 1e3);
        }
        for _ in 0..bench.times(20) {
            for (figures, program) in [
                (&mut curl, &["curl", "-sf", "--http1.1", "-o", "/dev/null", url.as_str()][..]),
                (&mut plugin, &[check_http.as_str(), "-H", NAME, "-S", "-u", "/"][..]),
            ] {
                let ran = part(&lab, true, &[&[RUN], program].concat())?;
                if ran["code"] != 0 {
                    return Err(format!("{program:?} did not succeed: {ran}").into());
                }
                figures.push(number(&ran["processor"])?);
            }
        }
    }
    bench.keep("probe", "curl", "ms", &curl)?;
    bench.keep("probe", "check_http", "ms", &plugin)?;
    let (curl, plugin) = (Spread::of(&curl), Spread::of(&plugin));
    let mut rows = Vec::new();
    for (at, Pace { row, what, .. }) in PACES.into_iter().enumerate() {
        bench.keep(row, "onnet", "ms", &ours[at])?;
        bench.keep(row, "blackbox_exporter", "ms", &theirs[at])?;
        let (ours, theirs) = (Spread::of(&ours[at]), Spread::of(&theirs[at]));
        let programs = format!(", curl {}, check_http {}", curl.shown("ms", 1), plugin.shown("ms", 1));
        rows.push(Row {
            what,
            budget: "≤ 0.6 × blackbox_exporter's".into(),
            onnet: format!("{}: {}", ours.shown("ms", 2), ratio(ours.median, theirs.median)),
            met: ours.median <= 0.6 * theirs.median,
            beside: format!(
                "blackbox_exporter {}{}",
                theirs.shown("ms", 2),
                if at == 0 { programs.as_str() } else { "" }
            ),
        });
    }
    Ok(rows)
}

fn scrape(bench: &mut Bench) -> Rows {
    let lab = bench.lab(World::on_net())?;
    let ours = Running::start(&lab, &[bench.onnet(), "run", "--splay", "0s"])?;
    let node = bench.peer("usr/bin/prometheus-node-exporter");
    let node = Running::start(&lab, &[&node, &format!("--web.listen-address=127.0.0.1:{NODE_PORT}")])?;
    wait_for(&lab, ONNET_PORT, "/-/ready")?;
    wait_for(&lab, NODE_PORT, "/metrics")?;
    let seconds = bench.times(30).to_string();
    // On one connection: the time of an answer without other requests.
    let calm = part(&lab, false, &[LOAD, ONNET_PORT, "/metrics", "50", "1", &seconds])?;
    let bare = part(&lab, false, &[LOAD, ONNET_PORT, "/-/healthy", "50", "1", &seconds])?;
    let calm_beside = part(&lab, false, &[LOAD, NODE_PORT, "/metrics", "50", "1", &seconds])?;
    let before = ours.memory("VmRSS")?;
    let loaded = part(&lab, false, &[LOAD, ONNET_PORT, "/metrics", "1000", "8", &seconds])?;
    let after = ours.memory("VmRSS")?;
    let beside_before = node.memory("VmRSS")?;
    let loaded_beside = part(&lab, false, &[LOAD, NODE_PORT, "/metrics", "1000", "8", &seconds])?;
    let beside_after = node.memory("VmRSS")?;
    let p99 = number(&calm["p99"])?;
    let loaded_p99 = number(&loaded["p99"])?;
    bench.keep("scrape p99, 50 a second", "onnet", "ms", &[p99])?;
    bench.keep("scrape p99, 1,000 a second", "onnet", "ms", &[loaded_p99])?;
    bench.keep("scrape memory", "onnet", "B", &[before, after])?;
    let theirs = number(&calm_beside["p99"])?;
    bench.keep("scrape p99, 50 a second", "node_exporter", "ms", &[theirs])?;
    let load = |loaded: &Value, before: f64, after: f64| {
        let (answers, errors, p99) =
            (&loaded["answers"], &loaded["errors"], loaded["p99"].as_f64().unwrap_or(f64::NAN));
        let (before, after) = (mebibytes(before), mebibytes(after));
        format!("{answers} answers, {errors} errors, p99 {p99:.1} ms, RSS {before} → {after}")
    };
    Ok(vec![
        Row {
            what: "`/metrics`, whole answer, p99 at 50 a second",
            budget: "≤ 0.1 × node_exporter's".into(),
            onnet: format!("{p99:.2} ms (median {:.2}): {}", number(&calm["p50"])?, ratio(p99, theirs)),
            met: p99 <= 0.1 * theirs,
            beside: format!(
                "node_exporter {theirs:.2} ms; onnet's `/-/healthy`, which renders nothing: {:.2} ms (median {:.2})",
                number(&bare["p99"])?,
                number(&bare["p50"])?
            ),
        },
        Row {
            what: "1,000 scrapes a second for 30 s",
            budget: "p99 no longer than at 50 a second, RSS unchanged".into(),
            onnet: format!("{}: {} in p99", load(&loaded, before, after), ratio(loaded_p99, p99)),
            met: loaded_p99 <= p99 && after <= before * 1.05 && loaded["errors"] == 0,
            beside: format!("node_exporter: {}", load(&loaded_beside, beside_before, beside_after)),
        },
    ])
}
