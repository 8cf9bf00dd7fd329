//! An instance metadata service that answers as a script says.

use super::{
    http::{Request, Response},
    server::{Server, Step},
};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Barrier;

pub const MAC: &str = "06:00:00:00:00:01";
pub const MAC2: &str = "06:00:00:00:00:02";

#[derive(Clone)]
pub enum Reply {
    Text(String),
    Status(u16),
    Html,
    /// Bytes that are not UTF-8.
    Bytes,
    Silence,
    /// Fewer bytes than announced, then the end.
    Truncated,
    /// Silence to the first request, and the text to every other one.
    SilenceFirst(Arc<AtomicBool>, String),
    /// The text, once so many requests wait for it together.
    Together(Arc<Barrier>, String),
}

pub fn text(text: &str) -> Reply {
    Reply::Text(text.to_owned())
}

/// The replies by path; `PUT` of the token by [`TOKEN`]. A path that is not here gets a 404.
pub type Script = HashMap<String, Reply>;

pub const TOKEN: &str = "/latest/api/token";

pub fn meta(path: &str) -> String {
    format!("/latest/meta-data/{path}")
}

pub fn of(mac: &str, attribute: &str) -> String {
    meta(&format!("network/interfaces/macs/{mac}/{attribute}"))
}

/// An instance with one interface and no public address.
pub fn plain() -> Script {
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

pub fn interface(mac: &str, number: u32, addresses: &str) -> Script {
    [
        (of(mac, "device-number"), text(&number.to_string())),
        (of(mac, "interface-id"), text(&format!("eni-0{number}"))),
        (of(mac, "subnet-id"), text(&format!("subnet-0{number}"))),
        (of(mac, "vpc-id"), text("vpc-0abc")),
        (of(mac, "owner-id"), text("111122223333")),
        (of(mac, "local-ipv4s"), text(addresses)),
        (of(mac, "subnet-ipv4-cidr-block"), text("172.31.16.0/20")),
        (of(mac, "security-group-ids"), text("sg-0a1b2c3d")),
    ]
    .into()
}

/// Serves until it is dropped.
pub struct FakeImds {
    pub address: SocketAddr,
    server: Server,
}

impl FakeImds {
    pub async fn start(script: Script) -> Self {
        let server = Server::plain(move |request| answer(&script, request)).await;
        Self { address: server.address, server }
    }

    /// The requests so far: `GET /path`.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.server.requests.lock().unwrap();
        requests.iter().map(|request| format!("{} {}", request.method, request.path)).collect()
    }
}

fn answer(script: &Script, request: &Request) -> Vec<Step> {
    let is_token = request.method == "PUT" && request.path == TOKEN;
    let has_token = request.header("x-aws-ec2-metadata-token") == Some("a-token");
    if !is_token && !has_token {
        return vec![status(401)];
    }
    // Always as text, also a web page: the content type alone must not show the error.
    let text = |text: &[u8]| {
        let answer = Response::new(200, "text/plain", text);
        if is_token { answer.with("x-aws-ec2-metadata-token-ttl-seconds", "21600") } else { answer }
    };
    let whole = |body: &[u8]| Step::Write(text(body).bytes());
    match script.get(&request.path) {
        None => vec![status(404)],
        Some(Reply::Status(code)) => vec![status(*code)],
        Some(Reply::Text(body)) => vec![whole(body.as_bytes())],
        Some(Reply::Html) => vec![whole(b"<html><body>Please log in</body></html>")],
        Some(Reply::Bytes) => vec![whole(&[0xff, 0xfe])],
        Some(Reply::Silence) => vec![Step::Hang],
        Some(Reply::Truncated) => vec![Step::write(text(b"").head(100) + "eu"), Step::Close],
        Some(Reply::SilenceFirst(asked, _)) if !asked.swap(true, Ordering::Relaxed) => vec![Step::Hang],
        Some(Reply::SilenceFirst(_, body)) => vec![whole(body.as_bytes())],
        Some(Reply::Together(barrier, body)) => vec![Step::Meet(barrier.clone()), whole(body.as_bytes())],
    }
}

fn status(status: u16) -> Step {
    Step::Write(Response::new(status, "text/plain", "").bytes())
}
