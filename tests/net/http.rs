//! The daemon's answers over HTTP, and that no client delays the answers to others. Real sockets.

use crate::{
    common::scenario,
    web::{Answer, PATIENCE, Server, closed_after, local, unready, until},
};
use onnet::{
    engine::metrics::Counters,
    model::{Report, Seconds, Source, SourceStatus, Status},
    present,
    serve::{Limits, Listeners, WebConfig},
};
use std::{
    collections::BTreeSet,
    net::TcpListener,
    os::fd::OwnedFd,
    process::{Command, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};

/// Short enough for a test, and long enough for a busy machine.
fn short() -> Limits {
    Limits {
        handshake: Duration::from_millis(800),
        head: Duration::from_millis(800),
        idle: Duration::from_secs(15),
        answer: Duration::from_millis(1500),
        ..Limits::default()
    }
}

fn with_report() -> Status {
    Status { report: Some(scenario("gateway_endpoint_carries_the_whole_list").into()), ready: true, ..unready() }
}

#[tokio::test]
async fn every_route_answers() {
    let server = Server::start(WebConfig::none(), Limits::default());
    server.publisher.publish(with_report());
    let report = present::json(&scenario("gateway_endpoint_carries_the_whole_list"));
    let cases = [
        ("/", "text/html; charset=utf-8", "<title>on-net · onnet"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "\nonnet_ready 1\n"),
        ("/report.json", "application/json", report.as_str()),
        ("/-/healthy", "text/plain; charset=utf-8", "onnet is healthy\n"),
        ("/-/ready", "text/plain; charset=utf-8", "onnet is ready\n"),
    ];
    for (path, content_type, part) in cases {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        // The page has the age of the report, and the metrics have the resource use of the process.
        let varies = ["/", "/metrics"].contains(&path);
        let expected = if varies { answer.body.contains(part) } else { answer.body == part };
        assert!(expected, "{path}: expected {part:?}, got {}", answer.body);
        assert_eq!(answer.header("content-type"), Some(content_type), "{path}");
        for (name, value) in
            [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"), ("cache-control", "no-store")]
        {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"), "{path}");
        assert_eq!(answer.header("server"), None);

        let head = server.ask("HEAD", path, "").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        let length: usize = head.header("content-length").unwrap().parse().unwrap();
        assert!(length == answer.body.len() || (varies && length > part.len()), "{path}: {length}");

        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"] {
            let refused = server.ask(method, path, "Content-Length: 0\r\n").await;
            assert_eq!(refused.status, 405, "{method} {path}");
            assert_eq!(refused.header("allow"), Some("get,head"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn other_paths_are_not_found_and_the_known_ones_named() {
    let server = Server::start(WebConfig::none(), Limits::default());
    for path in ["/favicon.ico", "/metrics/", "/report", "/-/reload", "//", "/..%2f..%2fetc/passwd"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("/report.json") && !answer.body.contains("passwd"), "{}", answer.body);
    }
}

#[tokio::test]
async fn before_the_first_report_it_is_healthy_and_not_ready() {
    let server = Server::start(WebConfig::none(), Limits::default());
    let source = |up| SourceStatus {
        every: Seconds::from(Duration::from_secs(15)),
        up,
        last_seen: None,
        gaps: Vec::new(),
        backing_off_until: None,
    };
    let sources = [(Source::Dns, source(Some(true))), (Source::Ec2, source(None))];
    server.publisher.publish(Status { sources: sources.into_iter().collect(), ..unready() });
    assert_eq!(server.get("/-/healthy").await.status, 200);
    assert_eq!(server.get("/").await.status, 200);
    assert!(server.get("/metrics").await.body.contains("\nonnet_ready 0\n"));
    let ready = server.get("/-/ready").await;
    assert_eq!(ready.status, 503);
    assert!(ready.body.ends_with("started: ec2\n"), "{}", ready.body);
    let report = server.get("/report.json").await;
    assert_eq!((report.status, report.header("content-type")), (503, Some("application/json")));
    let error: serde_json::Value = serde_json::from_str(&report.body).unwrap();
    assert_eq!(error["error"], "not ready");

    server.publisher.publish(with_report());
    assert_eq!(server.get("/-/ready").await.status, 200);
    assert_eq!(server.get("/report.json").await.status, 200);
}

/// The number of reports that the metrics count.
async fn reports(server: &Server) -> u64 {
    let metrics = server.get("/metrics").await.body;
    let count = metrics.lines().find_map(|line| line.strip_prefix("onnet_reports_total "));
    count.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

#[tokio::test]
async fn a_rendering_is_shared_for_a_second_and_a_new_status_is_rendered_at_once() {
    let server = Server::start(WebConfig::none(), Limits::default());
    let started = Instant::now();
    let mut rendered = BTreeSet::new();
    for _ in 0..50 {
        server.counters.reported();
        rendered.insert(reports(&server).await);
    }
    let most = 2 + usize::try_from(started.elapsed().as_secs()).unwrap();
    assert!((1..=most).contains(&rendered.len()), "{rendered:?} in {:?}", started.elapsed());
    server.publisher.publish(with_report());
    assert_eq!(reports(&server).await, 50);
    server.counters.reported();
    until("rendered again after a second", async || reports(&server).await == 51).await;
}

#[tokio::test]
async fn a_connection_is_kept_and_pipelined_requests_are_answered_in_order() {
    let server = Server::start(WebConfig::none(), Limits::default());
    let mut stream = server.connect().await;
    let first = "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(format!("{first}{first}").as_bytes()).await.unwrap();
    let mut bytes = vec![0; 4096];
    let mut seen = String::new();
    while seen.matches("onnet is healthy").count() < 2 {
        let n = stream.read(&mut bytes).await.unwrap();
        assert!(n > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..n]));
    }
    stream.write_all(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.status, 404);
}

#[tokio::test]
async fn neither_idle_nor_slow_clients_keep_others_waiting() {
    let server = Server::start(WebConfig::none(), short());
    server.publisher.publish(with_report());
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(server.connect().await);
    }
    // One byte at a time, which is progress, without an end.
    let mut slow = server.connect().await;
    let slow = tokio::spawn(async move {
        let started = Instant::now();
        for byte in b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ".iter().chain(std::iter::repeat(&b'x')) {
            if slow.write_all(&[*byte]).await.is_err() || started.elapsed() > PATIENCE {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        started.elapsed()
    });
    for _ in 0..20 {
        let started = Instant::now();
        assert_eq!(server.get("/report.json").await.status, 200);
        assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
    }
    let ended = slow.await.unwrap();
    assert!(ended < PATIENCE, "the slow one was ended after {ended:?}");
    // Idle connections stay open, and can still send requests.
    let last = idle.last_mut().unwrap();
    last.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    assert_eq!(Answer::read(last).await.status, 200);
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_ended() {
    let limits = Limits { idle: Duration::from_millis(300), ..short() };
    let server = Server::start(WebConfig::none(), limits);
    let silent = closed_after(server.connect().await).await;
    assert!(silent > Duration::from_millis(200) && silent < Duration::from_secs(5), "{silent:?}");
    let mut kept = server.connect().await;
    kept.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let idle = closed_after(kept).await;
    assert!(idle > Duration::from_millis(200) && idle < Duration::from_secs(5), "{idle:?}");
}

/// More than the kernel buffers for a client that does not read.
const LARGE: usize = 8 << 20;

/// A status whose `/report.json` is [`LARGE`].
fn large() -> Status {
    let summary = "x".repeat(LARGE);
    let report = Report { summary, ..scenario("gateway_endpoint_carries_the_whole_list") };
    Status { report: Some(report.into()), ready: true, ..unready() }
}

const GET_LARGE: &[u8] = b"GET /report.json HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn a_client_that_reads_a_byte_at_a_time_is_ended_and_delays_no_other() {
    // A slow machine needs longer to render the report than the short limits of a head allow.
    let limits = Limits { answer: Duration::from_secs(4), head: PATIENCE, handshake: PATIENCE, ..short() };
    let server = Server::start(WebConfig::none(), limits);
    server.publisher.publish(large());
    let mut slow = server.connect().await;
    slow.write_all(GET_LARGE).await.unwrap();
    slow.readable().await.unwrap();
    let started = Instant::now();
    let slow = tokio::spawn(async move {
        let mut read = 0_usize;
        // One byte at a time until well after the limit, then what the kernel has buffered.
        while started.elapsed() < Duration::from_secs(6) {
            if slow.read_u8().await.is_err() {
                return read;
            }
            read += 1;
            sleep(Duration::from_millis(50)).await;
        }
        let mut rest = Vec::new();
        let _ = slow.read_to_end(&mut rest).await; // it ends with an error, or early
        read + rest.len()
    });
    for _ in 0..20 {
        let started = Instant::now();
        assert_eq!(server.get("/metrics").await.status, 200);
        assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
    }
    let read = slow.await.unwrap();
    assert!(read < LARGE, "the whole answer was sent to a client that does not read it");
    // A client that reads gets the whole answer.
    let server = Server::start(WebConfig::none(), Limits { answer: PATIENCE, head: PATIENCE, ..short() });
    server.publisher.publish(large());
    assert!(server.get("/report.json").await.body.len() > LARGE);
}

#[tokio::test]
async fn large_heads_are_refused() {
    let server = Server::start(WebConfig::none(), short());
    let large = format!("X: {}\r\n", "x".repeat(100_000));
    let many = "X: x\r\n".repeat(100);
    for headers in [&large, &many] {
        let mut stream = server.connect().await;
        let request = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        let _ = stream.write_all(request.as_bytes()).await; // it may be closed before all was sent
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await; // or reset after the answer
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let head = |length: usize, fields: usize| {
        let start = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
        let more = "X: x\r\n".repeat(fields - 3);
        format!("{start}{more}X: {}\r\n\r\n", "x".repeat(length - start.len() - more.len() - 7))
    };
    for (length, fields, status) in [(16_384, 3, 200), (16_385, 3, 431), (1_000, 64, 200), (1_000, 65, 431)] {
        let mut stream = server.connect().await;
        let head = head(length, fields);
        assert_eq!((head.len(), head.matches("\r\n").count()), (length, fields + 2));
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(Answer::read(&mut stream).await.status, status, "{length} bytes, {fields} fields");
    }
    for garbage in ["\r\n\r\n\r\n", "\u{16}\u{3}\u{1}", "GET\r\n\r\n", "SSH-2.0-x\r\n\r\n"] {
        let mut stream = server.connect().await;
        stream.write_all(garbage.as_bytes()).await.unwrap();
        closed_after(stream).await;
    }
    assert_eq!(server.get("/metrics").await.status, 200);
}

#[tokio::test]
async fn a_body_that_never_arrives_delays_no_other() {
    let server = Server::start(WebConfig::none(), short());
    let mut stream = server.connect().await;
    stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nx").await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.status, 200);
}

#[tokio::test]
async fn where_all_places_are_taken_an_idle_one_makes_room() {
    let limits = Limits { connections: 20, ..short() };
    let server = Server::start(WebConfig::none(), limits);
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(server.connect().await);
    }
    for _ in 0..5 {
        assert_eq!(server.get("/-/healthy").await.status, 200);
    }
    // The oldest connection was closed first.
    closed_after(idle.remove(0)).await;
    let newest = idle.last_mut().unwrap();
    newest.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    assert_eq!(Answer::read(newest).await.status, 200);
}

#[tokio::test]
async fn it_ends_within_a_second_whatever_clients_do() {
    let server = Server::start(WebConfig::none(), Limits::default());
    server.publisher.publish(large());
    let idle = server.connect().await;
    let mut half = server.connect().await;
    half.write_all(b"GET / HT").await.unwrap();
    let mut unread = server.connect().await;
    unread.write_all(GET_LARGE).await.unwrap();
    unread.readable().await.unwrap();
    let address = server.address;
    let took = server.stop().await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(closed_after(idle).await < Duration::from_secs(1));
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the socket still listens");
}

#[tokio::test]
async fn an_open_answer_is_finished_before_the_end() {
    let server = Server::start(WebConfig::none(), Limits { linger: crate::web::PATIENCE, ..Limits::default() });
    server.publisher.publish(large());
    let mut stream = server.connect().await;
    stream.write_all(GET_LARGE).await.unwrap();
    stream.readable().await.unwrap();
    let (took, answer) = tokio::join!(server.stop(), Answer::read(&mut stream));
    assert!(answer.body.len() > LARGE && answer.body.ends_with("}\n"), "{} in {took:?}", answer.body.len());
}

#[test]
fn an_address_that_cannot_be_had_is_named_with_what_to_do() {
    let taken = TcpListener::bind(local(0)).unwrap();
    let address = taken.local_addr().unwrap();
    let error = Listeners::bind(&[local(0), address]).unwrap_err().to_string();
    assert!(error.contains(&address.to_string()) && error.contains("already") && error.contains("--listen"), "{error}");
    let elsewhere = Listeners::bind(&["192.0.2.1:10953".parse().unwrap()]).unwrap_err().to_string();
    assert!(elsewhere.contains("192.0.2.1:10953") && elsewhere.contains("no interface"), "{elsewhere}");
}

/// This program again, started as systemd does: with the socket as file descriptor 3.
fn activated(socket: impl Into<OwnedFd>) -> Command {
    let mut command = Command::new("sh");
    let this = std::env::current_exe().unwrap();
    command
        .args(["-c", "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\""])
        .arg(this)
        .args(["--exact", "http::the_child_of_the_test_of_socket_activation", "--nocapture"])
        .env("ONNET_TEST_ACTIVATED", "1")
        .stdin(Stdio::from(socket.into()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Does nothing unless it was started by the test below.
#[test]
fn the_child_of_the_test_of_socket_activation() {
    if std::env::var_os("ONNET_TEST_ACTIVATED").is_none() {
        return;
    }
    let listeners = match Listeners::from_systemd() {
        Ok(listeners) => listeners.expect("LISTEN_FDS to be understood"),
        Err(error) => {
            println!("refused: {error}");
            return;
        }
    };
    assert!(std::env::var_os("LISTEN_FDS").is_none() && std::env::var_os("LISTEN_PID").is_none());
    assert!(Listeners::from_systemd().unwrap().is_none(), "a socket is handed over once");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_publisher, published) = onnet::engine::publishing(large());
    let counters = Counters::new().unwrap();
    let forever = std::future::pending();
    runtime
        .block_on(onnet::serve::serve(listeners, published, counters, WebConfig::none(), Limits::default(), forever))
        .unwrap();
}

#[tokio::test]
async fn a_socket_of_systemds_is_served() {
    let socket = TcpListener::bind(local(0)).unwrap();
    let address = socket.local_addr().unwrap();
    let mut child = activated(socket).spawn().unwrap();
    // The kernel accepts for the listening socket: no connection is refused before the child has started.
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let answer = Answer::read(&mut stream).await;
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(answer.body, "onnet is healthy\n", "{output:?}");
}

#[tokio::test]
async fn a_socket_of_systemds_that_cannot_be_served_is_refused() {
    let socket = std::net::UdpSocket::bind(local(0)).unwrap();
    let output = activated(socket).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("refused: the socket number 1 that systemd passed is not a listening TCP socket"),
        "{output:?}"
    );
}

#[tokio::test]
async fn clients_that_read_nothing_take_no_memory_and_no_descriptors_from_others() {
    let socket = TcpListener::bind(local(0)).unwrap();
    let address = socket.local_addr().unwrap();
    let mut child = activated(socket).spawn().unwrap();
    let proc = std::path::PathBuf::from(format!("/proc/{}", child.id()));
    let most_resident = || {
        let memory = std::fs::read_to_string(proc.join("status")).unwrap();
        let most = memory.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        most.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
    };
    let mut first = tokio::net::TcpStream::connect(address).await.unwrap();
    first.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    assert_eq!(Answer::read(&mut first).await.status, 200);
    let before = most_resident();
    let mut unread = Vec::new();
    for n in 0..400 {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let large = "x".repeat(if n % 2 == 0 { 100_000 } else { 10 });
        // Either the head does not end, or it ends and the client reads nothing.
        let end = if n % 2 == 0 { "" } else { "\r\n\r\n" };
        let _ = stream.try_write(format!("GET /report.json HTTP/1.1\r\nHost: localhost\r\nX: {large}{end}").as_bytes());
        let _ = stream.write(b"").await;
        unread.push(stream);
    }
    // Another client is served at the same time.
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(address).await.unwrap();
    other.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let answer = Answer::read(&mut other).await;
    let taken = most_resident() - before;
    let descriptors = std::fs::read_dir(proc.join("fd")).unwrap().count();
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(answer.status, 200, "{output:?}");
    assert!(descriptors < Limits::default().connections + 20, "{descriptors} descriptors");
    // The answer has 8 MB, and all clients share one copy.
    assert!(taken < 35_000, "{taken} kB above {before} kB");
}

#[test]
fn without_systemd_there_is_no_socket_of_its() {
    assert!(Listeners::from_systemd().unwrap().is_none());
}

#[tokio::test]
async fn a_name_that_is_not_known_is_refused_and_every_request_says_once_whom_it_is_for() {
    let server = Server::start(WebConfig::none(), short());
    server.publisher.publish(with_report());
    let port = server.address.port();
    let cases = [
        (format!("Host: 127.0.0.1:{port}\r\n"), 200, "onnet_ready"),
        ("Host: 10.1.2.3\r\n".to_owned(), 200, "onnet_ready"),
        ("host: LOCALHOST\r\n".to_owned(), 200, "onnet_ready"),
        (
            format!("Host: evil.example:{port}\r\n"),
            421,
            "does not answer to the name evil.example; to have it do so, start it with --allowed-host\n",
        ),
        (String::new(), 400, "this one has none"),
        ("Host: localhost\r\nHost: localhost\r\n".to_owned(), 400, "this one has several"),
        ("Host:\r\n".to_owned(), 400, "not a name or an address"),
    ];
    for (host, status, part) in cases {
        let mut stream = server.connect().await;
        let request = format!("GET /metrics HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = Answer::read(&mut stream).await;
        assert_eq!(answer.status, status, "{host}");
        assert!(answer.body.contains(part), "{host}: {}", answer.body);
    }
}
