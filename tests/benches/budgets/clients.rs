//! The clients that must run in the lab's instance: this program again, with its role as the first argument.

use crate::{detour, spread::quantile};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    error::Error,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::net::UnixDatagram,
    process::{Child, Command, ExitCode, Stdio},
    sync::mpsc,
    time::Duration,
};
use tokio::time::Instant;

type Done = Result<Value, Box<dyn Error>>;

/// The roles.
pub(crate) const STARTED: &str = "__started";
pub(crate) const READY: &str = "__ready";
pub(crate) const GET: &str = "__get";
pub(crate) const LOAD: &str = "__load";
pub(crate) const RUN: &str = "__run";
pub(crate) const PROBES: &str = "__probes";
pub(crate) const CONNECT: &str = "__connect";
pub(crate) const DETOUR: &str = "__detour";

/// The deadline of every operation.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs as a client if the first argument is a role. Prints the result as JSON.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [STARTED, port, path, program @ ..] => started(port, path, program),
        [READY, program @ ..] => ready(program),
        [GET, port, path] => get(port, path).map(Value::String),
        [LOAD, port, path, rate, connections, seconds] => load(port, path, rate, connections, seconds),
        [RUN, program @ ..] => run(program),
        [CONNECT, address, times] => connect(address, times),
        [DETOUR, network, milliseconds] => detour::take(network, milliseconds),
        [PROBES, port, path, connections, rounds] => probes(port, path, connections, rounds),
        _ => return None,
    };
    Some(match done {
        Ok(value) => {
            anstream::println!("{value}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            anstream::eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}

fn command(program: &[&str]) -> Result<Command, Box<dyn Error>> {
    let (name, arguments) = program.split_first().ok_or("no program")?;
    let mut command = Command::new(name);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

fn end(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// The time from the start of a program to its first answer with status 200, in milliseconds.
fn started(port: &str, path: &str, program: &[&str]) -> Done {
    let began = Instant::now();
    let child = command(program)?.spawn()?;
    let answered = loop {
        match get(port, path) {
            Ok(_) => break Ok(began.elapsed()),
            Err(error) if began.elapsed() > PATIENCE => break Err(error),
            Err(_) => std::thread::sleep(Duration::from_micros(200)),
        }
    };
    end(child);
    Ok(json!(answered?.as_secs_f64() * 1e3))
}

/// The time from the start of a program until it reports READY to systemd, in milliseconds.
fn ready(program: &[&str]) -> Done {
    let directory = tempfile::tempdir()?;
    let socket = directory.path().join("notify");
    let notices = UnixDatagram::bind(&socket)?;
    notices.set_read_timeout(Some(PATIENCE))?;
    let began = Instant::now();
    let child = command(program)?.env("NOTIFY_SOCKET", &socket).spawn()?;
    let mut buffer = [0; 4096];
    let ready = loop {
        match notices.recv(&mut buffer) {
            Ok(length) if String::from_utf8_lossy(&buffer[..length]).contains("READY=1") => break Ok(began.elapsed()),
            Ok(_) => {}
            Err(error) => break Err(error),
        }
    };
    end(child);
    Ok(json!(ready?.as_secs_f64() * 1e3))
}

fn get(port: &str, path: &str) -> Result<String, Box<dyn Error>> {
    let mut connection = Connection::open(port)?;
    Ok(String::from_utf8(connection.get(path)?)?)
}

/// A persistent connection.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(port: &str) -> Result<Self, Box<dyn Error>> {
        let stream = TcpStream::connect(("127.0.0.1", port.parse()?))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// The body of an answer with status 200, however it is framed.
    fn get(&mut self, path: &str) -> Result<Vec<u8>, Box<dyn Error>> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes())?;
        let status = self.line()?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let header = self.line()?.to_lowercase();
            match header.split_once(':') {
                None => break,
                Some(("content-length", value)) => length = value.trim().parse()?,
                Some(("transfer-encoding", value)) => chunked = value.trim() == "chunked",
                Some(_) => {}
            }
        }
        let mut body = Vec::new();
        if chunked {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16)?;
                let start = body.len();
                body.resize(start + size, 0);
                self.0.read_exact(&mut body[start..])?;
                self.line()?;
                if size == 0 {
                    break;
                }
            }
        } else {
            body.resize(length, 0);
            self.0.read_exact(&mut body)?;
        }
        if status.contains(" 200 ") { Ok(body) } else { Err(status.into()) }
    }

    fn line(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err("the connection was closed".into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// `rate` requests a second over `connections` connections. Latencies are in milliseconds from the time when each request was due.
fn load(port: &str, path: &str, rate: &str, connections: &str, seconds: &str) -> Done {
    let (rate, connections, seconds): (f64, u32, f64) = (rate.parse()?, connections.parse()?, seconds.parse()?);
    let period = Duration::from_secs_f64(f64::from(connections) / rate);
    let (report, reports) = mpsc::channel();
    let began = Instant::now();
    for number in 0..connections {
        let (report, port, path) = (report.clone(), port.to_owned(), path.to_owned());
        std::thread::spawn(move || {
            let (mut latencies, mut errors) = (Vec::new(), 0_u64);
            let mut connection = None;
            let mut due = began + period * number / connections;
            while due.duration_since(began).as_secs_f64() < seconds {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let reused = connection.take().map_or_else(|| Connection::open(&port), Ok);
                match reused.and_then(|mut open| open.get(&path).map(|_| open)) {
                    Ok(open) => {
                        latencies.push(due.elapsed().as_secs_f64() * 1e3);
                        connection = Some(open);
                    }
                    Err(_) => errors += 1,
                }
                due += period;
            }
            report.send((latencies, errors))
        });
    }
    drop(report);
    let (mut latencies, mut errors) = (Vec::new(), 0);
    for (some, failed) in reports {
        latencies.extend(some);
        errors += failed;
    }
    latencies.sort_by(f64::total_cmp);
    let [p50, p99] = [0.5, 0.99].map(|part| quantile(&latencies, part));
    Ok(json!({ "answers": latencies.len(), "errors": errors, "p50": p50, "p99": p99 }))
}

/// Runs a program: wall and processor time in milliseconds, peak memory in bytes, exit code and output.
fn run(program: &[&str]) -> Done {
    let began = Instant::now();
    let output = command(program)?.stdout(Stdio::piped()).output()?;
    let wall = began.elapsed();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let milliseconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 * 1e3 + time.tv_usec() as f64 / 1e3;
    Ok(json!({
        "wall": wall.as_secs_f64() * 1e3,
        "processor": milliseconds(usage.user_time()) + milliseconds(usage.system_time()),
        "memory": usage.max_rss() * 1024,
        "code": output.status.code(),
        "output": String::from_utf8_lossy(&output.stdout),
    }))
}

/// Requests probes from blackbox_exporter, `connections` at once, and collects the phases it reports, in milliseconds.
fn probes(port: &str, path: &str, connections: &str, rounds: &str) -> Done {
    let (connections, rounds): (usize, usize) = (connections.parse()?, rounds.parse()?);
    let mut phases: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for _ in 0..rounds {
        let (port, path) = (port.to_owned(), path.to_owned());
        let bodies = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..connections).map(|_| scope.spawn(|| get(&port, &path).ok())).collect();
            asked.into_iter().filter_map(|thread| thread.join().ok().flatten()).collect::<Vec<String>>()
        });
        for line in bodies.iter().flat_map(|body| body.lines()) {
            let (name, value) = line.rsplit_once(' ').unwrap_or((line, ""));
            let phase =
                name.strip_prefix("probe_http_duration_seconds{phase=\"").map(|rest| rest.trim_end_matches("\"}"));
            let phase = phase.or(match name {
                "probe_duration_seconds" => Some("total"),
                "probe_dns_lookup_time_seconds" => Some("lookup"),
                "probe_success" => Some("success"),
                _ => None,
            });
            let unit = if phase == Some("success") { 1.0 } else { 1e3 };
            if let (Some(phase), Ok(seconds)) = (phase, value.parse::<f64>()) {
                phases.entry(phase.to_owned()).or_default().push(seconds * unit);
            }
        }
    }
    Ok(json!(phases))
}

/// The time that the kernel takes to connect, measured `times` times, in milliseconds.
fn connect(address: &str, times: &str) -> Done {
    let took: Result<Vec<f64>, Box<dyn Error>> = (0..times.parse()?)
        .map(|_: usize| {
            let began = Instant::now();
            let _connected = TcpStream::connect((address, 443))?;
            Ok(began.elapsed().as_secs_f64() * 1e3)
        })
        .collect();
    Ok(json!(took?))
}
