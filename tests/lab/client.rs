//! The smallest client that does what `aws dynamodb list-tables` and `describe-table` do: independent of onnet, run in the
//! instance.

use super::imds::ACCESS_KEY_ID;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::{
    error::Error,
    io::{Read as _, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

/// The first argument by which a program of the lab becomes this client.
pub const DYNAMODB: &str = "__dynamodb";

/// Becomes the client if that is what this process was started for. To be called first in `main`.
pub fn run_if_asked() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [first, host, port, bundle, operation, body, address @ ..] = arguments.as_slice() else { return None };
    if first != DYNAMODB {
        return None;
    }
    Some(match ask(host, port, bundle, address.first(), operation, body) {
        Ok(answer) => {
            anstream::println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            anstream::eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}

fn ask(
    host: &str,
    port: &str,
    bundle: &str,
    address: Option<&String>,
    operation: &str,
    body: &str,
) -> Result<String, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(bundle)? {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let place = format!("{}:{port}", address.map_or(host, String::as_str));
    let place = place.to_socket_addrs()?.next().ok_or("the name has no address")?;
    let patience = Duration::from_secs(3);
    let socket = TcpStream::connect_timeout(&place, patience)?;
    socket.set_read_timeout(Some(patience))?;
    let session = ClientConnection::new(Arc::new(config), ServerName::try_from(host.to_owned())?)?;
    let mut stream = StreamOwned::new(session, socket);
    // The lab looks for a signature and does not verify it.
    let credential = format!("{ACCESS_KEY_ID}/20260101/us-east-1/dynamodb/aws4_request");
    let length = body.len();
    write!(
        stream,
        "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {length}\r\n\
         x-amz-target: DynamoDB_20120810.{operation}\r\nauthorization: AWS4-HMAC-SHA256 Credential={credential}, \
         SignedHeaders=host, Signature=0\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let length = stream.read(&mut chunk)?;
        answer.extend_from_slice(&chunk[..length]);
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut headers);
        if let httparse::Status::Complete(head_len) = head.parse(&answer)? {
            let wanted = head.headers.iter().find(|header| header.name == "content-length");
            let wanted: usize =
                wanted.map(|header| String::from_utf8_lossy(header.value).parse()).transpose()?.unwrap_or(0);
            if answer.len() >= head_len + wanted {
                let body = String::from_utf8_lossy(&answer[head_len..]).into_owned();
                return if head.code == Some(200) { Ok(body) } else { Err(body.into()) };
            }
        }
        if length == 0 {
            return Err("the answer was cut".into());
        }
    }
}
