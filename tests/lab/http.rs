//! HTTP/1.1 by hand, so that a fault can cut, delay or withhold an answer at any byte.

use std::{io, time::Duration};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A request, whole.
pub struct Request {
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// An answer.
pub struct Response {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type, headers: Vec::new(), body: body.into() }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A web page, as a proxy, a captive portal or a load balancer would put in the way.
    pub fn page(status: u16) -> Self {
        let title = format!("{status} {}", reason(status));
        let page =
            format!("<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n");
        Self::new(status, "text/html", page)
    }
}

/// How an answer is written.
pub enum Manner {
    Whole,
    /// Half of the body, then the end of the connection.
    Cut,
    /// The head at once, the body this much later.
    LateBody(Duration),
    /// Byte by byte.
    Drip,
    /// Something else instead, until the client closes the connection.
    Endless(Endless),
}

/// 124 bytes.
const CHUNK: &str = "7c\r\n<more>more more more more more more more more more more</more>\
                     <more>more more more more more more more more more more</more>\r\n";

/// An answer without end: how it begins, and what comes again and again.
pub struct Endless {
    start: &'static str,
    tail: &'static str,
    pause: Duration,
}

impl Endless {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";
    /// What only time ends does not have to be fast.
    const PAUSE: Duration = Duration::from_millis(1);

    pub const HEAD: Self = Self { start: "HTTP/1.1 200 OK\r\n", tail: "x-more: y\r\n", pause: Self::PAUSE };
    pub const INTERIM: Self = Self { start: "", tail: "HTTP/1.1 100 Continue\r\n\r\n", pause: Self::PAUSE };
    pub const BODY: Self = Self { start: Self::CHUNKED, tail: CHUNK, pause: Duration::ZERO };
    pub const EXTENSION: Self = Self {
        start: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8",
        tail: ";more=more",
        pause: Self::PAUSE,
    };
}

/// Reads one request; `None` where the client has closed the connection or does not speak HTTP.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<Request>> {
    const LONGEST: usize = 256 * 1024;
    let mut bytes = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Request::new(&mut headers);
        match head.parse(&bytes) {
            Err(_) => return Ok(None),
            Ok(httparse::Status::Complete(head_len)) => {
                let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
                let mut request = Request {
                    method: head.method.unwrap_or_default().to_owned(),
                    path: head.path.unwrap_or_default().to_owned(),
                    headers: head.headers.iter().map(|one| (one.name.to_owned(), text(one.value))).collect(),
                    body: Vec::new(),
                };
                let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
                let mut body = bytes.split_off(head_len);
                while body.len() < length {
                    if body.len() > LONGEST || stream.read_buf(&mut body).await? == 0 {
                        return Ok(None);
                    }
                }
                request.body = body;
                return Ok(Some(request));
            }
            Ok(httparse::Status::Partial) => {
                if bytes.len() > LONGEST || stream.read_buf(&mut bytes).await? == 0 {
                    return Ok(None);
                }
            }
        }
    }
}

/// Writes an answer. Whether the connection may be used again.
pub async fn write<S: AsyncWrite + Unpin>(stream: &mut S, response: Response, manner: Manner) -> io::Result<bool> {
    let mut head = format!("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
    head += &format!("content-type: {}\r\ncontent-length: {}\r\n", response.content_type, response.body.len());
    for (name, value) in &response.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    match manner {
        Manner::Whole => {
            // In one piece, as a server with a full buffer would: two small segments cost a round trip.
            let whole = [head.as_bytes(), &response.body].concat();
            stream.write_all(&whole).await?;
            stream.flush().await?;
            Ok(true)
        }
        Manner::Cut => {
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&response.body[..response.body.len() / 2]).await?;
            stream.shutdown().await?;
            Ok(false)
        }
        Manner::LateBody(by) => {
            stream.write_all(head.as_bytes()).await?;
            stream.flush().await?;
            tokio::time::sleep(by).await;
            stream.write_all(&response.body).await?;
            stream.flush().await?;
            Ok(true)
        }
        Manner::Drip => {
            for byte in [head.as_bytes(), &response.body].concat() {
                stream.write_all(&[byte]).await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(true)
        }
        Manner::Endless(Endless { start, tail, pause }) => {
            let size = if pause.is_zero() { 65_536 } else { 4_096 };
            let tail = tail.repeat(size / tail.len());
            stream.write_all(start.as_bytes()).await?;
            loop {
                stream.write_all(tail.as_bytes()).await?;
                stream.flush().await?;
                if pause.is_zero() {
                    tokio::task::yield_now().await;
                } else {
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}
