//! The sockets: who listens where, and the one place in which faults are put into HTTP and TLS.

use super::{
    dns, dynamodb, ec2,
    fakes::{
        dns::{datagrams, stream as queries},
        http::{Request, Response},
        server::{self, Step, perform},
    },
    faults::{Fault, Pace, Service, Switchboard},
    imds,
    netns::Forwarder,
    sts,
    tables::Tables,
    tls::Certificates,
    world::{Carrier, World},
};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream, UdpSocket},
    sync::oneshot,
    time::Instant,
};
use tokio_rustls::LazyConfigAcceptor;

/// What every service works on.
pub struct Shared {
    world: Mutex<World>,
    /// To be locked after the world.
    tables: Mutex<Tables>,
    pub switchboard: Switchboard,
    pub certificates: Certificates,
    pub forwarder: Option<Forwarder>,
}

impl Shared {
    pub fn new(world: World, certificates: Certificates, forwarder: Option<Forwarder>) -> Self {
        let tables = Mutex::new(Tables::new(&world.region, &world.account));
        Self { world: Mutex::new(world), tables, switchboard: Switchboard::new(), certificates, forwarder }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("nothing panics while it holds the lock")
    }

    pub fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().expect("nothing panics while it holds the lock")
    }

    /// Lets the kernel's forwarding follow the route tables.
    pub async fn settle(&self) -> io::Result<()> {
        if let Some(forwarder) = &self.forwarder {
            let world = self.world().clone();
            forwarder.follow(&world).await?;
        }
        Ok(())
    }
}

/// Which services answer on a TLS socket.
#[derive(Clone, Copy)]
pub enum Behind {
    /// This one, whatever name it is called by.
    Service(Service),
    /// The one the client names.
    AnyName,
}

/// Where a service listens.
#[derive(Clone, Copy)]
pub enum Door {
    Metadata,
    Dns,
    Tls(Behind),
}

impl Door {
    /// Whose faults close it.
    fn service(self) -> Service {
        match self {
            Self::Metadata => Service::Imds,
            Self::Dns => Service::Dns,
            Self::Tls(Behind::Service(service)) => service,
            Self::Tls(Behind::AnyName) => Service::DynamoDb,
        }
    }
}

/// Opens a door and serves it for as long as the runtime lives. Port 0 becomes the port that was free.
pub async fn open(shared: &Arc<Shared>, door: Door, at: SocketAddr) -> io::Result<SocketAddr> {
    let (ready, opened) = oneshot::channel();
    tokio::spawn(keep(shared.clone(), door, at, ready));
    opened.await.map_err(|_| io::Error::other(format!("{at} could not be served")))?
}

/// Serves while there is no `refuse`, closes the socket while there is, and opens it again.
async fn keep(shared: Arc<Shared>, door: Door, mut at: SocketAddr, ready: oneshot::Sender<io::Result<SocketAddr>>) {
    let service = door.service();
    let mut changed = shared.switchboard.watch();
    let mut ready = Some(ready);
    loop {
        let refusing = shared.switchboard.get(service) == Some(Fault::Refuse);
        if refusing {
            if changed.changed().await.is_err() {
                return;
            }
            continue;
        }
        let sockets = match bind(door, at).await {
            Ok(sockets) => sockets,
            Err(error) => {
                if let Some(ready) = ready.take() {
                    let told = io::Error::new(error.kind(), format!("cannot listen at {at}: {error}"));
                    let _ = ready.send(Err(told));
                }
                return;
            }
        };
        at = sockets.0.local_addr().unwrap_or(at);
        shared.switchboard.count_socket(service, true);
        if let Some(ready) = ready.take() {
            let _ = ready.send(Ok(at));
        }
        let (tcp, udp) = sockets;
        let serving = async {
            tokio::join!(accept(&shared, door, &tcp), async {
                if let Some(udp) = &udp {
                    datagrams(udp, &*shared).await;
                }
            })
        };
        let refused = async {
            while shared.switchboard.get(service) != Some(Fault::Refuse) {
                if changed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! { _ = serving => return, () = refused => {} }
        drop((tcp, udp));
        shared.switchboard.count_socket(service, false);
    }
}

async fn bind(door: Door, at: SocketAddr) -> io::Result<(TcpListener, Option<UdpSocket>)> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // One service listens at every address, others at one of them: the kernel prefers the more specific.
    socket.set_reuseport(at.port() != 0)?;
    if at.is_ipv6() {
        // Every IPv4 address has a socket of its own.
        socket2::SockRef::from(&socket).set_only_v6(true)?;
    }
    socket.bind(at)?;
    let tcp = socket.listen(128)?;
    let udp = match door {
        Door::Dns => Some(UdpSocket::bind(tcp.local_addr()?).await?),
        Door::Metadata | Door::Tls(_) => None,
    };
    Ok((tcp, udp))
}

async fn accept(shared: &Arc<Shared>, door: Door, listener: &TcpListener) {
    let serve = |stream, peer| {
        let shared = shared.clone();
        // A client that goes away is the client's affair.
        tokio::spawn(async move {
            let _ = serve(&shared, door, stream, peer).await;
        });
    };
    server::accept(listener, serve).await;
}

/// Who called, and by which address of ours.
#[derive(Clone, Copy)]
pub struct Call {
    pub from: IpAddr,
    pub to: IpAddr,
}

async fn serve(shared: &Shared, door: Door, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
    let call = Call { from: peer.ip(), to: stream.local_addr()?.ip() };
    match door {
        Door::Metadata => converse(shared, Service::Imds, call, stream).await,
        Door::Dns => queries(stream, shared).await,
        Door::Tls(behind) => shake_hands(shared, behind, call, stream).await,
    }
}

async fn shake_hands(shared: &Shared, behind: Behind, call: Call, stream: TcpStream) -> io::Result<()> {
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
    let service = match behind {
        Behind::Service(service) => service,
        Behind::AnyName => named(hello.client_hello().server_name().unwrap_or_default()),
    };
    if shared.forwarder.is_none() && is_dropped(&shared.world(), service, call.to) {
        return std::future::pending().await;
    }
    let fault = shared.switchboard.get(service);
    match fault {
        // Its own socket is closed, and the one that listens everywhere took the call.
        Some(Fault::Refuse) => return Ok(()),
        Some(Fault::TlsSilence) => std::future::pending().await,
        Some(Fault::SlowTls) => tokio::time::sleep(shared.switchboard.slowness()).await,
        _ => {}
    }
    shared.switchboard.linger("tls", shared.switchboard.pace(service).tls).await;
    let stream = hello.into_stream(shared.certificates.shown_under(fault)).await?;
    converse(shared, service, call, stream).await
}

/// The service a client means by a name.
fn named(name: &str) -> Service {
    match name.split('.').next() {
        Some("ec2" | "ec2-fips") => Service::Ec2,
        Some("sts") => Service::Sts,
        _ => Service::DynamoDb,
    }
}

/// Whether the VPC drops what the instance sends to a service: on loopback no kernel does it for us.
fn is_dropped(world: &World, service: Service, address: IpAddr) -> bool {
    let address = match service {
        Service::Ec2 => world.ec2_address.into(),
        Service::Sts => world.sts_address.into(),
        Service::DynamoDb | Service::Imds | Service::Dns => address,
    };
    world.carrier(&world.interfaces[world.default_interface], address) == Carrier::Nothing
}

/// Answers the requests of one connection, until the fault of the service changes.
async fn converse<S>(shared: &Shared, service: Service, call: Call, stream: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let began_under = shared.switchboard.get(service);
    let mut changed = shared.switchboard.watch();
    let changed = async {
        while shared.switchboard.get(service) == began_under {
            if changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    server::converse(stream, &Called { shared, service, call }, changed).await
}

/// A service, and how it was called.
struct Called<'a> {
    shared: &'a Shared,
    service: Service,
    call: Call,
}

impl server::Service for Called<'_> {
    async fn answer(&self, request: &Request, stream: &mut (impl AsyncWrite + Unpin + Send)) -> io::Result<bool> {
        let Self { shared, service, call } = *self;
        let switchboard = &shared.switchboard;
        switchboard.log(service, Some(call.from), label(service, request));
        let fault = switchboard.get(service);
        let lost = fault == Some(Fault::HopLimit) && request.method == "PUT";
        if fault == Some(Fault::Silence) || lost {
            std::future::pending::<()>().await;
        }
        let late = if fault == Some(Fault::SlowAnswer) { switchboard.slowness() } else { Duration::ZERO };
        let late = late + switchboard.answer_delay();
        if !late.is_zero() {
            tokio::time::sleep(late).await;
        }
        let pace = switchboard.pace(service);
        switchboard.linger("wait", pace.wait).await;
        let before = shared.world().generation;
        let response = answer(shared, service, call, request, fault);
        // Only then: while the kernel replaces routes it loses packets, even where it replaces them by their like.
        if shared.world().generation != before {
            shared.settle().await?;
        }
        let steps = steps(&response, fault, pace, switchboard.slowness());
        let began = Instant::now();
        let goes_on = perform(stream, steps).await?;
        switchboard.lingered("receive", began.elapsed());
        Ok(goes_on)
    }
}

/// How an answer is written under a fault.
fn steps(response: &Response, fault: Option<Fault>, pace: Pace, slowness: Duration) -> Vec<Step> {
    // 124 bytes.
    const CHUNK: &str = "7c\r\n<more>more more more more more more more more more more</more>\
                         <more>more more more more more more more more more more</more>\r\n";
    // Where only a timeout ends the answer, it does not have to be fast.
    const PAUSE: Duration = Duration::from_millis(1);
    let endless = |start: &str, tail, pause| vec![Step::write(start), Step::Repeat(tail, pause)];
    let body = &response.body;
    let head = || Step::write(response.head(body.len()));
    let late_body = |by| vec![head(), Step::Wait(by), Step::write(body.as_slice())];
    match fault {
        Some(Fault::Truncate) => vec![head(), Step::write(&body[..body.len() / 2]), Step::End],
        Some(Fault::SlowBody) => late_body(slowness),
        Some(Fault::EndlessHead) => endless("HTTP/1.1 200 OK\r\n", "x-more: y\r\n", PAUSE),
        Some(Fault::EndlessInterim) => endless("", "HTTP/1.1 100 Continue\r\n\r\n", PAUSE),
        Some(Fault::EndlessBody) => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";
            endless(head, CHUNK, Duration::ZERO)
        }
        Some(Fault::EndlessExtension) => {
            endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8", ";more=more", PAUSE)
        }
        Some(Fault::Drip) => {
            let drop = |byte| [Step::write([byte]), Step::Wait(Duration::from_millis(100))];
            response.bytes().into_iter().flat_map(drop).collect()
        }
        _ if !pace.receive.is_zero() => late_body(pace.receive),
        _ => vec![Step::Write(response.bytes())],
    }
}

fn answer(shared: &Shared, service: Service, call: Call, request: &Request, fault: Option<Fault>) -> Response {
    match fault {
        // Metadata gives tokens to everybody; it is the token that it may refuse.
        Some(Fault::Unauthorized) if request.path == imds::TOKEN_PATH => {}
        Some(Fault::Unauthorized) => return Response::page(401),
        Some(Fault::Forbidden | Fault::Disabled) => return Response::page(403),
        Some(Fault::NotFound) => return Response::page(404),
        Some(Fault::Unavailable) => return Response::page(503),
        Some(Fault::Html) => return Response::page(200),
        _ => {}
    }
    match service {
        Service::Imds => imds::answer(&shared.world().seen_by(call.from), request),
        Service::Ec2 => ec2::answer(shared, request, fault),
        Service::Sts => sts::answer(&shared.world().seen_by(call.from), request, fault),
        Service::DynamoDb => dynamodb::answer(shared, call, request, fault),
        Service::Dns => Response::page(404),
    }
}

/// The request in a word or two, for the log.
fn label(service: Service, request: &Request) -> String {
    match service {
        Service::Ec2 | Service::Sts => ec2::parameters(&request.body).get("Action").cloned().unwrap_or_default(),
        Service::DynamoDb => match request.header("x-amz-target").and_then(|target| target.rsplit('.').next()) {
            Some(action) => match dynamodb::table_name(&request.body) {
                Some(table) => format!("{action} {table}"),
                None => action.to_owned(),
            },
            None => format!("{} {}", request.method, request.path),
        },
        Service::Imds | Service::Dns => format!("{} {}", request.method, request.path),
    }
}
