//! An instance metadata service that answers by a script.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Barrier,
};

pub(crate) const MAC: &str = "06:00:00:00:00:01";
pub(crate) const MAC2: &str = "06:00:00:00:00:02";

#[derive(Clone)]
pub(crate) enum Reply {
    Text(String),
    Status(u16),
    Html,
    /// Bytes that are no UTF-8.
    Bytes,
    Silence,
    /// Fewer bytes than announced, then the end.
    Truncated,
    /// Silence to the first request, and the text to every other one.
    SilenceFirst(Arc<AtomicBool>, String),
    /// The text, once so many requests wait for it together.
    Together(Arc<Barrier>, String),
}

pub(crate) fn text(text: &str) -> Reply {
    Reply::Text(text.to_owned())
}

/// The replies by path; `PUT` of the token by [`TOKEN`]. A path that is not here gets a 404.
pub(crate) type Script = HashMap<String, Reply>;

pub(crate) const TOKEN: &str = "/latest/api/token";

pub(crate) fn meta(path: &str) -> String {
    format!("/latest/meta-data/{path}")
}

pub(crate) fn of(mac: &str, attribute: &str) -> String {
    meta(&format!("network/interfaces/macs/{mac}/{attribute}"))
}

/// An instance with one interface and no public address.
pub(crate) fn plain() -> Script {
    let mut script: Script = [
        (TOKEN.to_owned(), text("a-token")),
        (meta("instance-id"), text("i-0123456789abcdef0")),
        (meta("placement/region"), text("eu-west-1")),
        (meta("placement/availability-zone"), text("eu-west-1b")),
        (meta("network/interfaces/macs/"), text(&format!("{MAC}/\n"))),
    ]
    .into();
    script.extend(interface(MAC, 0, "172.31.16.10"));
    script
}

pub(crate) fn interface(mac: &str, number: u32, addresses: &str) -> Script {
    [
        (of(mac, "device-number"), text(&number.to_string())),
        (of(mac, "interface-id"), text(&format!("eni-0{number}"))),
        (of(mac, "subnet-id"), text(&format!("subnet-0{number}"))),
        (of(mac, "vpc-id"), text("vpc-0abc")),
        (of(mac, "owner-id"), text("111122223333")),
        (of(mac, "local-ipv4s"), text(addresses)),
        (of(mac, "subnet-ipv4-cidr-block"), text("172.31.16.0/20")),
    ]
    .into()
}

pub(crate) struct FakeImds {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
}

impl FakeImds {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (script, written) = (Arc::new(script), log.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, script.clone(), written.clone()));
            }
        });
        Self { address, log }
    }

    /// The requests so far: `GET /path`.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Script>, log: Arc<Mutex<Vec<String>>>) {
    let mut buffer = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        let Ok(httparse::Status::Complete(length)) = request.parse(&buffer) else {
            match stream.read_buf(&mut buffer).await {
                Ok(1..) => continue,
                _ => return,
            }
        };
        let (method, path) = (request.method.unwrap().to_owned(), request.path.unwrap().to_owned());
        let token = request.headers.iter().find(|h| h.name.eq_ignore_ascii_case("x-aws-ec2-metadata-token"));
        let has_token = token.is_some_and(|token| token.value == b"a-token");
        buffer.drain(..length);
        log.lock().unwrap().push(format!("{method} {path}"));

        let is_token = method == "PUT" && path == TOKEN;
        let reply = match script.get(&path) {
            _ if !is_token && !has_token => Reply::Status(401),
            Some(reply) => reply.clone(),
            None => Reply::Status(404),
        };
        let (status, announced, body) = match reply {
            Reply::Text(text) => (200, text.len(), text.into_bytes()),
            Reply::Together(barrier, text) => {
                barrier.wait().await;
                (200, text.len(), text.into_bytes())
            }
            Reply::Status(status) => (status, 0, Vec::new()),
            Reply::Html => {
                let page = b"<html><body>Please log in</body></html>".to_vec();
                (200, page.len(), page)
            }
            Reply::Bytes => (200, 2, vec![0xff, 0xfe]),
            Reply::SilenceFirst(asked, text) => {
                if !asked.swap(true, Ordering::Relaxed) {
                    return std::future::pending().await;
                }
                (200, text.len(), text.into_bytes())
            }
            Reply::Silence => return std::future::pending().await,
            Reply::Truncated => (200, 100, b"eu".to_vec()),
        };
        let ttl = if is_token && status == 200 { "x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n" } else { "" };
        let head = format!("HTTP/1.1 {status} Scripted\r\n{ttl}content-length: {announced}\r\n\r\n");
        let written = stream.write_all(&[head.as_bytes(), &body].concat()).await;
        if written.is_err() || announced != body.len() {
            return;
        }
    }
}
