//! onnet's own server on a free port, and clients that send single bytes.
#![allow(dead_code, reason = "not every test uses all of it")]

use onnet::{
    engine::{Publisher, metrics::Counters, publishing},
    model::{BySource, History, SettingsStatus, Status, Timestamp},
    serve::{Limits, Listeners, ServeError, WebConfig, serve},
};
use serde_json::Value;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

/// The longest time that a test waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server in the runtime of the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) publisher: Publisher,
    pub(crate) counters: Counters,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), ServeError>>,
}

#[expect(clippy::disallowed_methods, reason = "the moment a status was made")]
pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

/// The status before anything was collected.
pub(crate) fn unready() -> Status {
    Status {
        started_at: now(),
        report: None,
        ready: false,
        sources: BySource::default(),
        history: History::default(),
        settings: SettingsStatus { successful: true, read_at: now() },
    }
}

/// Moves every timestamp in `json` (a report or a snapshot) to a later time.
pub(crate) fn shift(json: &mut Value, later: Duration) {
    match json {
        Value::String(text) => {
            if let Ok(at) = serde_json::from_value::<Timestamp>(Value::String(text.clone())) {
                *text = at.plus(later).to_string();
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| shift(value, later)),
        Value::Object(map) => map.values_mut().for_each(|value| shift(value, later)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

impl Server {
    pub(crate) fn start(web: WebConfig, limits: Limits) -> Self {
        let listeners = Listeners::bind(&[local(0)]).unwrap();
        let address = listeners.addresses()[0];
        let (publisher, published) = publishing(unready());
        let counters = Counters::new().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listeners, published, counters.clone(), web, limits, async {
            let _ = stopped.await;
        }));
        Self { address, publisher, counters, stop: Some(stop), task }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    /// One request on its own connection.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        let mut stream = self.connect().await;
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Answer::read(&mut stream).await
    }

    /// Stops the server and returns how long that took.
    pub(crate) async fn stop(mut self) -> Duration {
        let started = Instant::now();
        self.stop.take().unwrap().send(()).unwrap();
        timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
        started.elapsed()
    }
}

/// An answer, read to the end of the connection.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an end of the answer").unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let head = head.to_lowercase();
        let is_chunked = head.contains("\r\ntransfer-encoding: chunked");
        let body = if is_chunked { unchunked(body) } else { body.to_owned() };
        Self { status, head, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// The chunks of a body, joined.
fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    loop {
        let (length, rest) = body.split_once("\r\n").expect("the length of a chunk");
        let length = usize::from_str_radix(length, 16).expect("a hexadecimal number");
        if length == 0 {
            return whole;
        }
        whole += &rest[..length];
        body = &rest[length + 2..];
    }
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "it never came to pass: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The time until the server closes the connection.
pub(crate) async fn closed_after(mut stream: TcpStream) -> Duration {
    let started = Instant::now();
    let mut bytes = [0; 4096];
    let end = async { while matches!(stream.read(&mut bytes).await, Ok(n) if n > 0) {} };
    timeout(PATIENCE, end).await.expect("the server to close the connection");
    started.elapsed()
}

/// A directory whose files can be replaced as by a rotation.
pub(crate) struct Folder(pub(crate) tempfile::TempDir);

impl Folder {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, content) in files {
            folder.put(name, content);
        }
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, content: &str) {
        let beside = self.path(&format!(".{name}.new"));
        fs::write(&beside, content).unwrap();
        fs::rename(beside, self.path(name)).unwrap();
    }
}

pub(crate) fn load(file: &Path) -> WebConfig {
    WebConfig::load(file).unwrap_or_else(|error| panic!("{error}"))
}
