//! The loops of a name server, over UDP and over TCP, and a name server whose answers a function makes.

use super::server::accept;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hickory_proto::{
    op::{Message, OpCode, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME},
    },
};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
};

/// How a query was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Datagram,
    Stream,
}

/// What answers queries.
pub trait Resolver: Sync {
    /// The bytes of the answer, or `None` for no answer.
    fn answer(&self, query: Message, by: Transport) -> impl Future<Output = Option<Vec<u8>>> + Send;
}

/// Answers datagrams, all at the same time, so that a late answer does not delay others. What is not a query gets no answer.
pub async fn datagrams(socket: &UdpSocket, resolver: &impl Resolver) {
    let mut pending = FuturesUnordered::new();
    let mut buffer = [0; 4096];
    loop {
        tokio::select! {
            Ok((length, peer)) = socket.recv_from(&mut buffer) => {
                let Ok(query) = Message::from_vec(&buffer[..length]) else { continue };
                pending.push(async move {
                    if let Some(answer) = resolver.answer(query, Transport::Datagram).await {
                        let _ = socket.send_to(&answer, peer).await;
                    }
                });
            }
            Some(()) = pending.next() => {}
        }
    }
}

/// Answers the queries of one connection. What is not a query ends the connection.
pub async fn stream(mut stream: TcpStream, resolver: &impl Resolver) -> io::Result<()> {
    loop {
        let mut query = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut query).await?;
        let query = Message::from_vec(&query).map_err(io::Error::other)?;
        if let Some(answer) = resolver.answer(query, Transport::Stream).await {
            let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
            stream.write_all(&[length.to_be_bytes().as_slice(), &answer].concat()).await?;
        }
    }
}

/// A query as it was received.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub name: String,
    pub family: RecordType,
    pub tcp: bool,
}

/// Makes the bytes of an answer, or `None` for no answer, from an empty answer to the query.
type Answer = dyn Fn(&Asked, Message) -> Option<Vec<u8>> + Send + Sync;

/// The function that answers, and the queries so far.
struct Script {
    answer: Box<Answer>,
    log: Mutex<Vec<Asked>>,
}

/// Serves until it is dropped.
pub struct FakeDns {
    pub address: SocketAddr,
    script: Arc<Script>,
    _tasks: JoinSet<()>,
}

impl FakeDns {
    pub async fn start(answer: impl Fn(&Asked, Message) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let (udp, tcp) = sockets().await;
        let address = udp.local_addr().unwrap();
        let script = Arc::new(Script { answer: Box::new(answer), log: Mutex::default() });
        let mut tasks = JoinSet::new();
        let (by_udp, by_tcp) = (script.clone(), script.clone());
        tasks.spawn(async move { datagrams(&udp, &*by_udp).await });
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            let serve = |connection, _| {
                let script = by_tcp.clone();
                connections.spawn(async move { stream(connection, &*script).await });
            };
            accept(&tcp, serve).await;
        });
        Self { address, script, _tasks: tasks }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.script.log.lock().unwrap().clone()
    }
}

impl Resolver for Script {
    async fn answer(&self, message: Message, by: Transport) -> Option<Vec<u8>> {
        let query = message.queries[0].clone();
        let asked = Asked { name: query.name().to_string(), family: query.query_type(), tcp: by == Transport::Stream };
        self.log.lock().unwrap().push(asked.clone());
        let mut empty = Message::response(message.metadata.id, OpCode::Query);
        empty.add_query(query);
        (self.answer)(&asked, empty)
    }
}

/// UDP and TCP on one port.
async fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

pub fn bytes(message: Message) -> Option<Vec<u8>> {
    Some(message.to_vec().unwrap())
}

pub fn code(mut message: Message, code: ResponseCode) -> Option<Vec<u8>> {
    message.metadata.response_code = code;
    bytes(message)
}

/// An A or AAAA record, as the address has it.
pub fn record(name: &str, ttl: u32, address: &str) -> Record {
    let data = match address.parse().unwrap() {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    };
    Record::from_rdata(Name::from_str(name).unwrap(), ttl, data)
}

pub fn cname(name: &str, target: &str) -> Record {
    let target = RData::CNAME(CNAME(Name::from_str(target).unwrap()));
    Record::from_rdata(Name::from_str(name).unwrap(), 60, target)
}
