//! A name server that answers by a function.

use hickory_proto::{
    op::{Message, OpCode, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME},
    },
};
use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
};

/// A query as it came in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) family: RecordType,
    pub(crate) tcp: bool,
}

/// The answer's bytes, or silence. The message is an empty answer to the query, to be filled.
pub(crate) type Answer = dyn Fn(&Asked, Message) -> Option<Vec<u8>> + Send + Sync;

pub(crate) struct FakeDns {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Vec<Asked>>>,
}

impl FakeDns {
    pub(crate) async fn start(answer: impl Fn(&Asked, Message) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let (udp, tcp) = sockets().await;
        let address = udp.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Answer> = Arc::new(answer);

        let (by_udp, asked) = (answer.clone(), log.clone());
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
                if let Some(bytes) = handle(&buffer[..length], false, &*by_udp, &asked) {
                    udp.send_to(&bytes, from).await.unwrap();
                }
            }
        });
        let asked = log.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let (answer, asked) = (answer.clone(), asked.clone());
                tokio::spawn(async move {
                    while let Ok(length) = stream.read_u16().await {
                        let mut query = vec![0; length.into()];
                        stream.read_exact(&mut query).await.unwrap();
                        if let Some(bytes) = handle(&query, true, &*answer, &asked) {
                            stream.write_u16(bytes.len().try_into().unwrap()).await.unwrap();
                            stream.write_all(&bytes).await.unwrap();
                        }
                    }
                });
            }
        });
        Self { address, log }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
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

fn handle(query: &[u8], tcp: bool, answer: &Answer, log: &Mutex<Vec<Asked>>) -> Option<Vec<u8>> {
    let message = Message::from_vec(query).unwrap();
    let query = message.queries[0].clone();
    let asked = Asked { name: query.name().to_string(), family: query.query_type(), tcp };
    log.lock().unwrap().push(asked.clone());
    let mut empty = Message::response(message.metadata.id, OpCode::Query);
    empty.add_query(query);
    answer(&asked, empty)
}

pub(crate) fn bytes(message: Message) -> Option<Vec<u8>> {
    Some(message.to_vec().unwrap())
}

pub(crate) fn code(mut message: Message, code: ResponseCode) -> Option<Vec<u8>> {
    message.metadata.response_code = code;
    bytes(message)
}

/// An A or AAAA record, as the address has it.
pub(crate) fn record(name: &str, ttl: u32, address: &str) -> Record {
    let data = match address.parse().unwrap() {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    };
    Record::from_rdata(Name::from_str(name).unwrap(), ttl, data)
}

pub(crate) fn cname(name: &str, target: &str) -> Record {
    let target = RData::CNAME(CNAME(Name::from_str(target).unwrap()));
    Record::from_rdata(Name::from_str(name).unwrap(), 60, target)
}
