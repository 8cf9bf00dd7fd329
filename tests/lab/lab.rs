//! A running lab: start it, change its world, break its services, run onnet in its instance.

use super::{
    client, dns,
    faults::{DateField, Fault, Pace, Seen, Service},
    loopback,
    netns::{self, Files, Instance},
    services::{self, Behind, Door, Shared},
    tables::{Table, Tables},
    tls::Certificates,
    world::{IPV6_METADATA, IPV6_RESOLVER, METADATA, RESOLVER, World},
};
use std::{
    collections::BTreeMap,
    error::Error,
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, MutexGuard, mpsc},
    thread::JoinHandle,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{sync::oneshot, time::Instant};

/// Longer than any deadline of onnet's own: only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the lab's services are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// At their default addresses, in network namespaces.
    Namespaces,
    /// On 127.0.0.0/8 and high ports.
    Loopback,
}

impl Mode {
    pub const ALL: [Self; 2] = [Self::Namespaces, Self::Loopback];

    pub fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Loopback => "loopback",
        }
    }
}

enum Network {
    Namespaces(Instance),
    Loopback(Sockets),
}

/// Where the services listen on loopback.
#[derive(Clone, Copy)]
struct Sockets {
    imds: SocketAddr,
    dns: SocketAddr,
    ec2: SocketAddr,
    sts: SocketAddr,
    /// The same on every one of DynamoDB's addresses.
    dynamodb_port: u16,
}

/// A running lab. Dropping it takes everything down.
pub struct Lab {
    shared: Arc<Shared>,
    network: Network,
    files: Files,
    directory: TempDir,
    runtime: tokio::runtime::Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a program printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    /// `None` if it was killed.
    pub code: Option<i32>,
    pub took: Duration,
}

type Started = (Arc<Shared>, Network, tokio::runtime::Handle);

impl Lab {
    /// Starts a lab with this world.
    ///
    /// # Errors
    /// If the namespaces cannot be made or an address not be listened at.
    pub fn start(world: World, mode: Mode) -> Result<Self, Box<dyn Error>> {
        let directory = tempfile::Builder::new().prefix("onnet-lab-").tempdir()?;
        let world = if mode == Mode::Loopback { loopback::moved(world) } else { world };
        let names = ["ec2", "sts", "dynamodb", "streams.dynamodb"]
            .map(|service| format!("{service}.{}.amazonaws.com", world.region));
        let more = [world.account_host(), "sts.amazonaws.com".to_owned(), Ipv4Addr::LOCALHOST.to_string()];
        let dual_stack = ["ec2", "sts", "dynamodb"].map(|service| format!("{service}.{}.api.aws", world.region));
        let fips = ["amazonaws.com", "api.aws"].map(|suffix| format!("ec2-fips.{}.{suffix}", world.region));
        let further = world.further_names.iter().map(|(name, _)| name);
        let names = names.iter().chain(&more).chain(&dual_stack).chain(&fips).chain(further).map(String::as_str);
        let certificates = Certificates::new(&names.chain([&*world.dual_stack_account_host()]).collect::<Vec<_>>());
        let files = write_files(directory.path(), &world, &certificates.authority.pem)?;
        fs::write(directory.path().join("stranger.pem"), &certificates.stranger.pem)?;
        fs::write(directory.path().join("server.pem"), &certificates.good.certificate)?;
        fs::write(directory.path().join("server.key"), &certificates.good.key)?;

        let (ready, started) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("aws".to_owned())
            .spawn(move || run_services(world, certificates, mode, &ready, stopped))?;
        let (shared, network, runtime) = started.recv()??;
        Ok(Self { shared, network, files, directory, runtime, stop: Some(stop), thread: Some(thread) })
    }

    pub fn mode(&self) -> Mode {
        match self.network {
            Network::Namespaces(_) => Mode::Namespaces,
            Network::Loopback(_) => Mode::Loopback,
        }
    }

    /// The world as it is.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }

    /// Changes the world, and returns when the kernel forwards accordingly.
    pub fn edit<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let changed = change(&mut self.world());
        let (done, settled) = mpsc::channel();
        let shared = self.shared.clone();
        self.runtime.spawn(async move { done.send(shared.settle().await) });
        settled.recv().expect("the services run as long as the lab").expect("the kernel takes the lab's routes");
        changed
    }

    /// Breaks a service, or fixes it.
    pub fn set_fault(&self, service: Service, fault: Option<Fault>) {
        self.shared.switchboard.set(service, fault);
    }

    /// Lets the EC2 API deny one action: `DescribeRouteTables`.
    pub fn deny(&self, action: &str) {
        self.shared.switchboard.deny(action);
    }

    /// Lets the EC2 API allow it again.
    pub fn allow(&self, action: &str) {
        self.shared.switchboard.allow(action);
    }

    /// How late the slow faults are; far beyond any deadline unless set.
    pub fn set_slowness(&self, slowness: Duration) {
        self.shared.switchboard.set_slowness(slowness);
    }

    /// Delays every answer (of DNS, and of HTTP on every service) by the same time. Handshakes are not delayed.
    pub fn delay_every_answer(&self, by: Duration) {
        self.shared.switchboard.delay_every_answer(by);
    }

    /// Delays the phases of requests to DynamoDB, each by a time of its own.
    pub fn set_pace(&self, pace: Pace) {
        self.shared.switchboard.set_pace(pace);
    }

    /// What DynamoDB's answers say of the time.
    pub fn set_date_field(&self, field: DateField) {
        self.shared.switchboard.set_date_field(field);
    }

    /// Creates a table, and returns its ARN.
    pub fn create_table(&self, table: Table) -> String {
        let (arn, policy) = self.tables().create(table);
        self.world().policies.resource.extend(policy.map(|policy| (arn.clone(), policy)));
        arn
    }

    /// DynamoDB's tables. No request is answered until the guard is dropped.
    pub fn tables(&self) -> MutexGuard<'_, Tables> {
        self.shared.tables()
    }

    /// How often each operation was asked of a table, whatever the answers were.
    pub fn requests_to_table(&self, name: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for seen in self.requests().iter().filter(|seen| seen.service == Service::DynamoDb) {
            if let Some((operation, table)) = seen.what.split_once(' ')
                && table == name
            {
                *counts.entry(operation.to_owned()).or_default() += 1;
            }
        }
        counts
    }

    /// How long each phase was kept waiting so far.
    pub fn lingered(&self) -> BTreeMap<&'static str, Vec<Duration>> {
        self.shared.switchboard.all_lingered()
    }

    /// What the services have been asked so far.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.switchboard.seen()
    }

    /// The lab's certificate authority, as a file.
    pub fn ca_bundle(&self) -> &Path {
        &self.files.ca_bundle
    }

    /// A directory that goes away with the lab.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A command that starts in the instance, with an environment as bare as a service manager's.
    ///
    /// # Errors
    /// If the system's files cannot be distinguished.
    pub fn command(&self, program: &Path) -> io::Result<Command> {
        let mut command = self.bare(program);
        if let Network::Namespaces(instance) = &self.network {
            instance.hold(&mut command, &self.files)?;
        }
        Ok(command)
    }

    /// A command that starts in the other instance ([`World::with_elsewhere`]), with the same environment.
    ///
    /// # Errors
    /// If the world has no other instance, or without namespaces.
    pub fn elsewhere(&self, program: &Path) -> io::Result<Command> {
        let mut command = self.bare(program);
        match &self.network {
            Network::Namespaces(instance) => instance.hold_elsewhere(&mut command, &self.files)?,
            Network::Loopback(_) => return Err(io::Error::other("on loopback there is one instance")),
        }
        Ok(command)
    }

    fn bare(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let kept = ["PATH", "TERM"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.env_clear().envs(kept).env("HOME", self.directory.path()).envs(self.settings());
        command
    }

    /// A command that starts on AWS's side, in place of a service of the lab's that was told to refuse.
    ///
    /// # Errors
    /// Without namespaces.
    pub fn aws_command(&self, program: &Path) -> io::Result<Command> {
        let mut command = Command::new(program);
        match &self.network {
            Network::Namespaces(instance) => instance.hold_aws(&mut command)?,
            Network::Loopback(_) => return Err(io::Error::other("on loopback there are no sides")),
        }
        Ok(command)
    }

    /// The settings by which standard tools find the lab. In namespaces none are needed.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let bundle = || self.files.ca_bundle.display().to_string();
        match &self.network {
            Network::Namespaces(_) if netns::has_ca_bundle() => Vec::new(),
            Network::Namespaces(_) => vec![("SSL_CERT_FILE", bundle())],
            Network::Loopback(sockets) => {
                let dynamodb = format!("https://{}:{}", self.world().dynamodb_host(), sockets.dynamodb_port);
                vec![
                    ("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{}", sockets.imds)),
                    ("AWS_ENDPOINT_URL_EC2", format!("https://{}", sockets.ec2)),
                    ("AWS_ENDPOINT_URL_STS", format!("https://{}", sockets.sts)),
                    ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb),
                    ("AWS_CA_BUNDLE", bundle()),
                ]
            }
        }
    }

    /// The options by which `onnet check` finds the rest on loopback.
    pub fn options(&self) -> Vec<String> {
        match &self.network {
            Network::Namespaces(_) => Vec::new(),
            Network::Loopback(sockets) => {
                let world = self.world();
                let interface = &world.interfaces[world.default_interface];
                vec!["--interface".into(), interface.id.clone(), "--resolver".into(), sockets.dns.to_string()]
            }
        }
    }

    /// The port DynamoDB is at.
    pub fn dynamodb_port(&self) -> u16 {
        match &self.network {
            Network::Namespaces(_) => 443,
            Network::Loopback(sockets) => sockets.dynamodb_port,
        }
    }

    /// Runs onnet in the instance. `check` gets the options it needs on loopback.
    ///
    /// Again where it missed metadata that no one broke: they get a second by the product's design, whatever `--timeout`
    /// says, and a machine that holds onnet or the lab up for longer tells nothing of either.
    ///
    /// # Errors
    /// If it cannot be started or does not end.
    pub fn onnet(&self, binary: &Path, arguments: &[&str]) -> io::Result<Ran> {
        self.onnet_with(binary, arguments, &[])
    }

    /// The same with further environment variables.
    ///
    /// # Errors
    /// If it cannot be started or does not end.
    pub fn onnet_with(&self, binary: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> io::Result<Ran> {
        let run = || {
            let mut command = self.onnet_command(binary, arguments)?;
            command.envs(environment.iter().copied());
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            run(&mut command, PATIENCE)
        };
        let mut ran = run()?;
        let broken = self.shared.switchboard.get(Service::Imds).is_some();
        for _ in 0..3 {
            if broken || !ran.stdout.contains("\"metadata-unavailable\"") || !ran.stdout.contains("timed_out") {
                break;
            }
            anstream::eprintln!(
                "the machine was too busy for instance metadata; once more: onnet {}",
                arguments.join(" ")
            );
            ran = run()?;
        }
        Ok(ran)
    }

    /// Runs onnet in the instance, printing to where we print.
    ///
    /// # Errors
    /// If it cannot be started or does not end.
    pub fn show_onnet(&self, binary: &Path, arguments: &[&str]) -> io::Result<Ran> {
        let mut command = self.onnet_command(binary, arguments)?;
        command.stdin(Stdio::null());
        run(&mut command, PATIENCE)
    }

    /// `aws dynamodb list-tables`, asked by a client of the lab's own. The caller's `main` must begin with
    /// [`super::client::run_if_asked`].
    ///
    /// # Errors
    /// If it cannot be started or gets no answer.
    pub fn list_tables(&self) -> io::Result<String> {
        self.ask_dynamodb("ListTables", "{}")?.map_err(io::Error::other)
    }

    /// Sends one request to DynamoDB from the instance, with the same client: the body of the answer or of the error.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn ask_dynamodb(&self, operation: &str, body: &str) -> io::Result<Result<String, String>> {
        self.ask_dynamodb_by(self.command(&this_program()?)?, operation, body)
    }

    /// The same from the other instance.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn ask_dynamodb_elsewhere(&self, operation: &str, body: &str) -> io::Result<Result<String, String>> {
        self.ask_dynamodb_by(self.elsewhere(&this_program()?)?, operation, body)
    }

    fn ask_dynamodb_by(&self, mut command: Command, operation: &str, body: &str) -> io::Result<Result<String, String>> {
        let host = self.world().dynamodb_host();
        command.args([client::DYNAMODB, &host, &self.dynamodb_port().to_string()]).arg(self.ca_bundle());
        command.args([operation, body]);
        if self.mode() == Mode::Loopback {
            command.arg(self.world().dynamodb_addresses[0].to_string());
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let ran = run(&mut command, Duration::from_secs(10))?;
        Ok(match ran.code {
            Some(0) => Ok(ran.stdout.trim().to_owned()),
            _ => Err(ran.stderr),
        })
    }

    fn onnet_command(&self, binary: &Path, arguments: &[&str]) -> io::Result<Command> {
        let mut command = self.command(binary)?;
        command.args(arguments);
        if arguments.first() == Some(&"check") {
            command.args(self.options());
        }
        Ok(command)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Not by its path: cargo unlinks and links it again when it builds onnet.
fn this_program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok(PathBuf::from("/proc/self/exe")) } else { std::env::current_exe() }
}

/// Runs a command to its end, or kills it. It is started by this very thread, with which it dies.
pub fn run(command: &mut Command, patience: Duration) -> io::Result<Ran> {
    let begun = Instant::now();
    let child = command.spawn()?;
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    let output = match ended.recv_timeout(patience) {
        Ok(output) => output?,
        Err(_) => {
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL)?;
            let message = format!("{} did not end within {patience:?}", command.get_program().display());
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
    };
    Ok(Ran {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code(),
        took: begun.elapsed(),
    })
}

fn write_files(directory: &Path, world: &World, authority: &str) -> io::Result<Files> {
    let write = |name: &str, text: &str| -> io::Result<PathBuf> {
        let path = directory.join(name);
        fs::write(&path, text)?;
        Ok(path)
    };
    let resolver = if world.has_ipv6_alone() { IpAddr::V6(IPV6_RESOLVER) } else { RESOLVER.into() };
    Ok(Files {
        resolv_conf: write("resolv.conf", &format!("nameserver {resolver}\n{}", world.resolver_options))?,
        hosts: write("hosts", "127.0.0.1 localhost\n")?,
        nsswitch_conf: write("nsswitch.conf", "hosts: files dns\n")?,
        ca_bundle: write("ca.pem", authority)?,
    })
}

/// The AWS side, on a thread of its own: a namespace belongs to a thread.
fn run_services(
    world: World,
    certificates: Certificates,
    mode: Mode,
    ready: &mpsc::Sender<io::Result<Started>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return ready.send(Err(error)).unwrap_or_default(),
    };
    runtime.block_on(async {
        let started = match mode {
            Mode::Namespaces => in_namespaces(world, certificates).await,
            Mode::Loopback => on_loopback(world, certificates).await,
        };
        let started = started.map(|(shared, network)| (shared, network, tokio::runtime::Handle::current()));
        let running = started.is_ok();
        if ready.send(started).is_ok() && running {
            let _ = stopped.await;
        }
    });
    runtime.shutdown_background();
}

async fn in_namespaces(world: World, certificates: Certificates) -> io::Result<(Arc<Shared>, Network)> {
    let (instance, forwarder) = netns::build(&world).await?;
    let (ec2, sts, has_ipv6) = (world.ec2_address, world.sts_address, world.has_ipv6());
    let shared = Arc::new(Shared::new(world, certificates, Some(forwarder)));
    let doors: [(Door, IpAddr, u16); 8] = [
        (Door::Metadata, METADATA.into(), 80),
        (Door::Dns, RESOLVER.into(), 53),
        (Door::Tls(Behind::Service(Service::Ec2)), ec2.into(), 443),
        (Door::Tls(Behind::Service(Service::Sts)), sts.into(), 443),
        (Door::Tls(Behind::AnyName), Ipv4Addr::UNSPECIFIED.into(), 443),
        (Door::Metadata, IPV6_METADATA.into(), 80),
        (Door::Dns, IPV6_RESOLVER.into(), 53),
        (Door::Tls(Behind::AnyName), Ipv6Addr::UNSPECIFIED.into(), 443),
    ];
    for (door, address, port) in doors.into_iter().filter(|(_, address, _)| address.is_ipv4() || has_ipv6) {
        services::open(&shared, door, (address, port).into()).await?;
    }
    Ok((shared, Network::Namespaces(instance)))
}

async fn on_loopback(world: World, certificates: Certificates) -> io::Result<(Arc<Shared>, Network)> {
    let addresses = world.dynamodb_addresses.clone();
    let shared = Arc::new(Shared::new(world, certificates, None));
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let imds = services::open(&shared, Door::Metadata, any).await?;
    let dns = services::open(&shared, Door::Dns, any).await?;
    let ec2 = services::open(&shared, Door::Tls(Behind::Service(Service::Ec2)), any).await?;
    let sts = services::open(&shared, Door::Tls(Behind::Service(Service::Sts)), any).await?;
    let door = Door::Tls(Behind::Service(Service::DynamoDb));
    let mut dynamodb_port = 0;
    for address in addresses.iter().filter(|address| address.is_ipv4()) {
        dynamodb_port = services::open(&shared, door, (*address, dynamodb_port).into()).await?.port();
    }
    // Where the system has them, the sixty that DNS may be told to answer with. No listening at 0.0.0.0: others would see.
    let neighbours = addresses.first().into_iter().flat_map(|first| dns::sixty(*first));
    for address in neighbours.filter(|address| address.is_loopback() && !addresses.contains(address)) {
        let _ = services::open(&shared, door, (address, dynamodb_port).into()).await;
    }
    Ok((shared, Network::Loopback(Sockets { imds, dns, ec2, sts, dynamodb_port })))
}
