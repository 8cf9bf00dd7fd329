//! How much of one answer is parsed in one turn of the main loop.

use crate::{
    cloud_collectors::{config, keys},
    fakes::{authority::Authority, ec2::Ec2, server::Server},
    host_collectors::allocated,
};
use onnet::observe::ec2::{vpc_facts, vpcs_facts};
use std::{fmt::Write as _, net::SocketAddr, time::Duration};
use tokio::time::Instant;

/// A server for EC2 with one table of this number of routes, on its own thread. It ends with the process.
fn serve(routes: usize) -> SocketAddr {
    let mut set = String::from(
        "<routeTableSet><item><routeTableId>rtb-1</routeTableId><vpcId>vpc-1</vpcId><associationSet/><routeSet>",
    );
    for route in 0..routes {
        let (b, c, d) = (route >> 12, (route >> 4) & 255, (route & 15) * 16);
        write!(
            set,
            "<item><destinationCidrBlock>10.{b}.{c}.{d}/28</destinationCidrBlock><natGatewayId>nat-0</natGatewayId>\
             <state>active</state><origin>CreateRoute</origin></item>"
        )
        .unwrap();
    }
    set += "</routeSet></item></routeTableSet>";
    let ec2 = Ec2::new().with_set("DescribeRouteTables", &set);
    Server::on_a_thread(move |request| ec2.answer(request))
}

/// The maximum number of bytes that this thread held in one turn beside `work`.
async fn held_in_a_turn<T>(work: impl Future<Output = T>) -> (T, isize) {
    let mut most = 0;
    let mut before = allocated::now();
    allocated::reset_peak();
    let others = async {
        loop {
            most = most.max(allocated::peak() - before);
            before = allocated::now();
            allocated::reset_peak();
            tokio::task::yield_now().await;
        }
    };
    let result = tokio::select! {
        biased;
        () = others => unreachable!(),
        result = work => result,
    };
    (result, most)
}

const ROUTES: usize = 10_000;

#[tokio::test]
async fn an_answer_of_ec2_is_parsed_on_another_thread() {
    let url = format!("http://{}", serve(ROUTES));
    let config = config(&url, &Authority::new(), keys());
    let (vpc, region, deadline) = ("vpc-1".into(), "us-east-1", Instant::now() + Duration::from_secs(30));

    let ((facts, _), most) =
        held_in_a_turn(vpcs_facts(&config, std::slice::from_ref(&vpc), region, None, deadline)).await;
    assert_eq!(facts.route_tables.get().unwrap()[0].routes.len(), ROUTES);
    assert!(most < 64 << 10, "{most} bytes in one turn");

    // Checks that the test would notice: on this thread, parsing takes megabytes.
    let (_, most) = held_in_a_turn(vpc_facts(&config, &vpc, region, deadline)).await;
    assert!(most > 1 << 20, "{most} bytes in one turn");
}
