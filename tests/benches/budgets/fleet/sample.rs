//! A small fleet that shares facts by real HTTP, with dynalite as the table, beside the same fleet on a simulated clock.

use super::{
    agents::{Fleet, Roles, Shape},
    cloud::{Clock, Cloud, Ec2, TABLE},
    log::{Log, SharedLog},
    shared::on_a_clock,
};
use crate::{
    Bench, Row, Rows, facts_table,
    lab::fakes::{
        authority::Authority,
        server::{Server, Step, closed_port},
    },
};
use aws_sdk_dynamodb::Client;
use onnet::{
    model::PERIODS_KEPT,
    observe::{
        aws::{Lookups, Proxies, control_plane},
        tls::Roots,
    },
};
use std::{
    error::Error,
    ops::Range,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::Duration,
};
use tokio::{
    runtime::Builder,
    task::LocalSet,
    time::{Instant, sleep},
};

const SHAPE: Shape = Shape {
    vpcs: 4,
    in_each: 25,
    roles: Roles::OnePublisher,
    period: Duration::from_secs(4),
    splay: Duration::from_secs(4),
};

/// The time that is not counted, and the time that is, in periods.
const SETTLED: u32 = 3;
const OBSERVED: u32 = 12;

/// What DynamoDB and EC2 were asked for, for each instance and period.
struct Requests {
    of_dynamodb: [f64; 3],
    of_ec2: f64,
    stale: f64,
}

impl Requests {
    fn of(log: &mut Log, during: &Range<Duration>) -> Self {
        let periods = (during.end - during.start).as_secs_f64() / SHAPE.period.as_secs_f64();
        let a_round = |count: usize| count as f64 / periods / SHAPE.instances() as f64;
        let of_dynamodb = ["GetItem", "UpdateItem", "PutItem"]
            .map(|operation| a_round(log.during(during).filter(|request| request.operation == operation).count()));
        let of_ec2 = a_round(log.during(during).filter(|request| request.is_to_ec2()).count());
        Self { of_dynamodb, of_ec2, stale: log.stale(during, |_| true) }
    }

    fn all(&self) -> f64 {
        self.of_dynamodb.iter().sum::<f64>() + self.of_ec2
    }

    fn shown(&self) -> String {
        let [gets, updates, puts] = self.of_dynamodb;
        format!("{gets:.3} GetItem, {updates:.3} UpdateItem, {puts:.3} PutItem, {:.3} of EC2", self.of_ec2)
    }
}

/// The requests of both fleets.
pub(super) fn sample(bench: &mut Bench) -> Rows {
    let simulated = on_a_clock(async {
        let clock = Clock::start();
        let log = SharedLog::new(SHAPE.instances(), SHAPE.period * PERIODS_KEPT);
        let config = Cloud::config(log.of(Cloud::new(SHAPE.vpcs(), clock).client(), clock));
        observe(Fleet::boot(SHAPE, clock, config, log)).await
    });
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let real = LocalSet::new().block_on(&runtime, by_http(bench))?;
    bench.keep("fleet", "sample, simulated", "requests for an instance and period", &[simulated.all()])?;
    bench.keep("fleet", "sample, by HTTP", "requests for an instance and period", &[real.all()])?;
    let ratio = real.all() / simulated.all();
    Ok(vec![Row {
        what: "… 100 instances of 4 VPCs by HTTP, with dynalite as the table: requests for an instance and period",
        budget: "as many as simulated, within 2 %; evidence never too old".into(),
        onnet: format!("{}: {ratio:.3} ×", real.shown()),
        met: (ratio - 1.0).abs() <= 0.02 && real.stale == 0.0,
        beside: format!("simulated: {}", simulated.shown()),
    }])
}

async fn observe(mut fleet: Fleet) -> Requests {
    sleep(SHAPE.period * SETTLED).await;
    let from = fleet.clock.now();
    sleep(SHAPE.period * OBSERVED).await;
    let requests = Requests::of(&mut fleet.log.open(), &(from..fleet.clock.now()));
    fleet.kill_all();
    requests
}

async fn by_http(bench: &Bench) -> Result<Requests, Box<dyn Error>> {
    let dynalite = Dynalite::start(&bench.options.tools)?;
    let clock = Clock::start();
    let ec2 = Mutex::new(Ec2::new(SHAPE.vpcs()));
    let ec2 = Server::on_a_thread(move |request| {
        let answer = ec2.lock().unwrap().answer(&request.body, clock.now());
        vec![Step::Write(answer.bytes())]
    });
    // Nothing is asked over TLS.
    let roots = Roots::usable(vec![Authority::new().certificate()]).ok_or("no usable certificate")?;
    let client = control_plane(&roots, Proxies::None, Lookups::default())?;
    let (dynamodb, ec2) = (format!("http://{}", dynalite.address), format!("http://{ec2}"));
    let table = Client::new(&facts_table::config(client.clone(), &dynamodb, &ec2));
    let until = Instant::now() + Duration::from_secs(30);
    while let Err(error) = table.list_tables().send().await {
        if Instant::now() > until {
            return Err(format!("dynalite does not answer: {error:?}").into());
        }
        sleep(Duration::from_millis(50)).await;
    }
    facts_table::create(&table, TABLE).await?;
    let log = SharedLog::new(SHAPE.instances(), SHAPE.period * PERIODS_KEPT);
    let config = facts_table::config(log.of(client, clock), &dynamodb, &ec2);
    Ok(observe(Fleet::boot(SHAPE, clock, config, log)).await)
}

/// The program, which ends with this value.
struct Dynalite {
    child: Child,
    address: std::net::SocketAddr,
}

impl Dynalite {
    /// Starts what is installed beside these tools.
    fn start(tools: &Path) -> Result<Self, Box<dyn Error>> {
        let script = tools.join("../npm/node_modules/dynalite/cli.js");
        let address = closed_port();
        let port = address.port().to_string();
        let mut command = Command::new("node");
        command.arg(script).args(["--host", "127.0.0.1", "--port", &port, "--createTableMs", "0"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Self { child, address })
    }
}

impl Drop for Dynalite {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}
