//! HTTP/1.1 by hand, so that a script can cut, delay or withhold an answer at any byte.

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// A complete request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    /// Request line and headers, as sent.
    pub head: String,
    headers: Vec<(String, String)>,
    pub body: String,
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

    /// A web page, as a proxy, a captive portal or a load balancer answers with.
    pub fn page(status: u16) -> Self {
        let title = format!("{status} {}", reason(status));
        let page =
            format!("<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n");
        Self::new(status, "text/html", page)
    }

    /// Status line and headers, which announce a body of this length.
    pub fn head(&self, length: usize) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        head += &format!("content-type: {}\r\ncontent-length: {length}\r\n", self.content_type);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head + "\r\n"
    }

    /// Head and body, to be written at once as a server with a buffer does: two small segments cost a round trip.
    pub fn bytes(&self) -> Vec<u8> {
        [self.head(self.body.len()).as_bytes(), &self.body].concat()
    }
}

/// Reads one request; `None` where the client has closed the connection or does not speak HTTP.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<Request>> {
    const LONGEST: usize = 256 * 1024;
    // DynamoDB's largest item in base64, and one that is too large.
    const LONGEST_BODY: usize = 2 * 1024 * 1024;
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
                    head: text(&bytes[..head_len]),
                    headers: head.headers.iter().map(|one| (one.name.to_owned(), text(one.value))).collect(),
                    body: String::new(),
                };
                let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
                let mut body = bytes.split_off(head_len);
                while body.len() < length {
                    if body.len() > LONGEST_BODY || stream.read_buf(&mut body).await? == 0 {
                        return Ok(None);
                    }
                }
                request.body = text(&body);
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
