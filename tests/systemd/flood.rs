//! The effect of a flood on verdict and probes, under the shipped unit: `ONNET_MEASURE=PROGRAM cargo test --test systemd`, of TLS
//! handshakes, or with `ONNET_FLOOD=passwords` of wrong passwords, or with `ONNET_FLOOD=plain` of scrapes.

use super::{
    Done,
    lab::{Lab, Mode, World},
    machine::Machine,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use libtest_mimic::Failed;
use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::ring, pki_types::ServerName};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{Command, ExitCode, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

const PASSWORDS: &str = "passwords";
const PLAIN: &str = "plain";
const FLOOD: &str = "ONNET_TEST_FLOOD";
const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 10953);
/// With and without the flood by turns, so that what else the machine does falls on both.
const WINDOW: Duration = Duration::from_secs(25);
const TURNS: usize = 3;
const CLIENTS: usize = 16;

/// Runs the flood if this process was started for that. It ends with its parent.
pub(crate) fn flood_if_asked() -> Option<ExitCode> {
    let attack = match std::env::var_os(FLOOD)?.to_str() {
        Some(PASSWORDS) => guess,
        Some(PLAIN) => scrape,
        _ => handshake,
    };
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    // The handshake fails because the certificate is not trusted, which is after the server has signed.
                    if attack(&config).is_none() {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                }
            });
        }
    });
    Some(ExitCode::SUCCESS)
}

fn handshake(config: &Arc<ClientConfig>) -> Option<()> {
    let mut stream = TcpStream::connect_timeout(&ADDRESS, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let mut client = ClientConnection::new(Arc::clone(config), ServerName::try_from("localhost").ok()?).ok()?;
    client.complete_io(&mut stream).ok().map(|_| ())
}

/// Tries a new password.
fn guess(_: &Arc<ClientConfig>) -> Option<()> {
    let password = BASE64_STANDARD.encode(format!("alice:{}", fastrand::u64(..)));
    ask(&format!("Authorization: Basic {password}\r\n"))
}

fn scrape(_: &Arc<ClientConfig>) -> Option<()> {
    ask("")
}

fn ask(header: &str) -> Option<()> {
    let mut stream = TcpStream::connect_timeout(&ADDRESS, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    stream.write_all(format!("GET /metrics HTTP/1.0\r\n{header}\r\n").as_bytes()).ok()?;
    stream.read_to_end(&mut Vec::new()).ok().map(|_| ())
}

/// The number of probes so far, and their total time.
fn probes(machine: &mut Machine) -> Result<(f64, f64), Failed> {
    let scheme = if [PASSWORDS, PLAIN].contains(&attack().as_str()) { "http" } else { "https" };
    let url = format!("{scheme}://{ADDRESS}/metrics");
    let metrics = machine.wait_until("a scrape", |machine| {
        let ran = machine.run("curl", &["-sk", "-u", "alice:secret", "--max-time", "9", &url]).ok()?;
        ran.stdout.contains("onnet_probe_duration_seconds_sum").then_some(ran.stdout)
    })?;
    let value = |name: &str| {
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(&format!("onnet_probe_duration_seconds_{name}{{probe=\"health\"}} ")));
        line.and_then(|value| value.parse::<f64>().ok()).ok_or(format!("{name} in {metrics}"))
    };
    Ok((value("count")?, value("sum")?))
}

/// A time window: the number of probes, their total time, and the outcomes.
fn window(machine: &mut Machine, what: &str) -> Result<(f64, f64), Failed> {
    let before = probes(machine)?;
    let began = Instant::now();
    let mut outcomes: Vec<String> = Vec::new();
    while began.elapsed() < WINDOW {
        let text = machine.property("onnet.service", "StatusText")?;
        let outcome = text.split(':').next().unwrap_or_default().to_owned();
        if outcomes.last() != Some(&outcome) {
            outcomes.push(outcome);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    let after = probes(machine)?;
    let count = after.0 - before.0;
    println!("{what}: {count} probes, mean {:.2} ms, outcomes {outcomes:?}", (after.1 - before.1) / count * 1e3);
    Ok((count, after.1 - before.1))
}

/// The requested flood.
fn attack() -> String {
    std::env::var_os("ONNET_FLOOD").and_then(|attack| attack.into_string().ok()).unwrap_or_default()
}

/// Windows without and with a flood by turns, and how much longer probes take with it.
pub(crate) fn measure(program: &Path) -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let directory = tempfile::tempdir()?;
    let file = |name: &str| directory.path().join(name).display().to_string();
    let openssl = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:4096", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-keyout", &file("key"), "-out", &file("pem")])
        .output()?;
    assert!(openssl.status.success(), "{openssl:?}");
    let (key, certificate) = (std::fs::read_to_string(file("key"))?, std::fs::read_to_string(file("pem"))?);
    let web = match attack().as_str() {
        PASSWORDS => format!("basic_auth_users:\n  alice: {}\n", bcrypt::hash("secret", 10)?),
        PLAIN => String::new(),
        _ => "tls_server_config:\n  cert_file: tls.pem\n  key_file: tls.key\n".to_owned(),
    };
    let files = [
        ("onnet/onnet.env", "ONNET_WEB_CONFIG=/etc/onnet/web.yml\nONNET_HEALTH_EVERY=1s\nONNET_SPLAY=0s\n"),
        ("onnet/web.yml", web.as_str()),
        ("onnet/tls.pem", &certificate),
        ("onnet/tls.key", &key),
    ];
    let mut machine = Machine::boot(&lab, program, &files)?;
    machine.ctl(&["start", "--no-block", "onnet.service"])?;
    machine.wait_for("onnet.service", "StatusText", |text| text.starts_with("on_net: "))?;
    let (mut quiet, mut flooded) = ((0.0, 0.0), (0.0, 0.0));
    let add = |all: &mut (f64, f64), one: (f64, f64)| *all = (all.0 + one.0, all.1 + one.1);
    for _ in 0..TURNS {
        add(&mut quiet, window(&mut machine, "without the flood")?);
        let mut command = lab.command(Path::new("/proc/self/exe"))?;
        let mut flood = command.env(FLOOD, attack()).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let during = window(&mut machine, "with the flood");
        flood.kill()?;
        flood.wait()?;
        add(&mut flooded, during?);
    }
    let mean = |(count, time): (f64, f64)| time / count * 1e3;
    let (without, with) = (mean(quiet), mean(flooded));
    println!("mean without {without:.2} ms, with the flood {with:.2} ms: {:.2} times", with / without);
    println!("restarts: {}", machine.property("onnet.service", "NRestarts")?);
    Ok(())
}
