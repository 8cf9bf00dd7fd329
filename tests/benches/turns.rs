//! The processor time of one turn on the main loop's thread, for the largest inputs.

use crate::{
    common::scenario,
    lab::fakes::server::{Server, answer},
};
use anstream::println;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use onnet::{
    judge::judge,
    model::{Destination, Observed, Origin, Route, RouteState, RouteTable, Snapshot, Target},
    observe::{
        aws::{Lookups, Proxies, control_plane},
        ec2::{vpc_facts, vpcs_facts},
        tls::Roots,
    },
    present,
};
use rustix::time::{ClockId, clock_gettime};
use std::{fmt::Write as _, net::SocketAddr, time::Duration};
use tokio::time::Instant;

/// The longest turn that is accepted.
const MOST: Duration = Duration::from_millis(20);

/// The processor time of this thread so far.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

/// The longest turn of `work` while another task is always ready to run.
async fn longest_turn<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let mut longest = Duration::ZERO;
    let others = async {
        let mut before = spent();
        loop {
            tokio::task::yield_now().await;
            let now = spent();
            longest = longest.max(now - before);
            before = now;
        }
    };
    let value = tokio::select! {
        biased;
        () = others => unreachable!(),
        value = work => value,
    };
    (value, longest)
}

fn once<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = spent();
    let value = work();
    (value, spent() - before)
}

fn config(address: SocketAddr) -> SdkConfig {
    let keys = Credentials::new("AKIDEXAMPLE", "not-a-secret", None, None, "bench");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://{address}"))
        .http_client(control_plane(&Roots::load(None).unwrap(), Proxies::None, Lookups::default()).unwrap())
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .build()
}

/// Route tables that fill the largest answer allowed.
fn route_tables() -> String {
    let mut xml =
        "<DescribeRouteTablesResponse><routeTableSet><item><routeTableId>rtb-1</routeTableId><vpcId>vpc-1</vpcId>\
                   <routeSet>"
            .to_owned();
    for n in 0_u32.. {
        if xml.len() > (2 << 20) - 400 {
            break;
        }
        let (b, c, d) = (n >> 12, (n >> 4) & 255, (n & 15) * 16);
        let ids = "<natGatewayId>nat-0123456789abcdef0</natGatewayId><state>active</state><origin>CreateRoute</origin>";
        write!(xml, "<item><destinationCidrBlock>10.{b}.{c}.{d}/28</destinationCidrBlock>{ids}</item>").unwrap();
    }
    xml + "</routeSet></item></routeTableSet></DescribeRouteTablesResponse>"
}

/// An on-net world in a VPC of 200 route tables with 500 routes each.
fn largest() -> Snapshot {
    let mut world = scenario("gateway_endpoint_carries_the_whole_list").snapshot;
    let Observed::Seen { value: tables, .. } = &mut world.vpc.route_tables else { panic!("the tables are known") };
    let route = |table: usize, n: usize| Route {
        destination: Destination::Cidr(format!("10.{}.{}.0/24", n / 256, n % 256).parse().unwrap()),
        target: Target::NatGateway(format!("nat-{table:017x}").into()),
        origin: Origin::CreateRoute,
        state: RouteState::Active,
        family: None,
    };
    for number in tables.len()..200 {
        let (id, vpc) = (format!("rtb-{number:017x}").into(), tables[0].vpc.clone());
        tables.push(RouteTable {
            id,
            vpc,
            owner: None,
            associations: Vec::new(),
            routes: Vec::new().into(),
            firewalled: Vec::new(),
        });
    }
    for (number, table) in tables.iter_mut().enumerate() {
        let more = (table.routes.len()..500).map(|n| route(number, n));
        table.routes.extend(more);
    }
    world
}

/// Prints the table.
pub(crate) fn run() -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let xml = route_tables();
    let config = config(Server::on_a_thread(move |_| answer(200, "text/xml", &xml)));
    let soon = || Instant::now() + Duration::from_secs(60);
    let vpcs = ["vpc-1".into()];
    let ask = vpcs_facts(&config, &vpcs, "us-east-1", None, soon());
    let ((facts, _), ec2) = runtime.block_on(longest_turn(ask));
    let (_, on_the_loop) = runtime.block_on(longest_turn(vpc_facts(&config, &vpcs[0], "us-east-1", soon())));
    let routes = facts.route_tables.seen().map_or(0, |tables| tables[0].routes.len());
    let world = largest();
    let (copy, copied) = once(|| world.clone());
    let (report, judged) = once(|| judge(copy));
    let (_, rendered) = once(|| present::json_within(&report, 512 << 10));
    let (_, text) = once(|| present::text(&report));
    println!("| in one turn | longest, ms | relative |");
    println!("| --- | --- | --- |");
    let rows = [
        (format!("an answer of EC2 with 2 MiB, {routes} routes, is received"), ec2),
        ("a snapshot of the largest VPC is copied".to_owned(), copied),
        ("the largest VPC is judged".to_owned(), judged),
        ("its report is rendered, up to 512 KiB".to_owned(), rendered),
        ("its report is rendered as text".to_owned(), text),
    ];
    for (what, took) in &rows {
        let part = took.as_secs_f64() / on_the_loop.as_secs_f64() * 1e2;
        println!("| {what} | {:.1} | {part:.1} % |", took.as_secs_f64() * 1e3);
    }
    println!("\nrelative to parsing the answer of EC2 on the loop's thread: {:.1} ms", on_the_loop.as_secs_f64() * 1e3);
    match rows.iter().find(|(_, took)| *took > MOST) {
        Some((what, _)) => Err(format!("longer than {MOST:?}: {what}")),
        None => Ok(()),
    }
}
