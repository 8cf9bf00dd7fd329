//! The unsigned probe.

use super::{
    DELAY,
    list_tables::{NAME, assert_adds_up, assert_delay_is_in, name, prober},
};
use crate::fakes::{
    authority::Authority,
    http::Request,
    server::{Server, Step, answer, closed_port, head},
};
use onnet::model::{Phase, Probe, ProbeResult};
use std::{net::SocketAddr, time::Duration};
use tokio::time::Instant;

const TEXT: &str = "text/plain";
const HEALTHY: &str = "healthy: dynamodb.us-east-1.amazonaws.com ";

async fn probe_within(authority: &Authority, address: SocketAddr, tls: bool, time: Duration) -> Probe {
    let probe = prober(authority).health(&name(address, tls), address.ip(), Instant::now() + time).await;
    assert_adds_up(&probe);
    probe
}

async fn probe_tls(before: Vec<Step>, script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Probe {
    let authority = Authority::new();
    let server = Server::tls(authority.identity(NAME), before, script).await;
    probe_within(&authority, server.address, true, Duration::from_secs(10)).await
}

fn assert_ends(probe: &Probe, result: ProbeResult, phase: Option<Phase>) {
    assert_eq!((probe.result, probe.failed_in), (result, phase), "{probe:#?}");
}

#[tokio::test]
async fn the_healthy_page_is_ok() {
    let authority = Authority::new();
    let server = Server::tls(authority.identity(NAME), vec![], |_| answer(200, TEXT, HEALTHY)).await;
    let probe = probe_within(&authority, server.address, true, Duration::from_secs(10)).await;

    assert_ends(&probe, ProbeResult::Ok, None);
    let reached: Vec<Phase> = probe.phases.reached().map(|(phase, _)| phase).collect();
    assert_eq!(reached, [Phase::Connect, Phase::Tls, Phase::Wait, Phase::Receive]);
    assert_eq!(probe.local.unwrap().ip(), server.address.ip());
    assert_eq!(probe.request_id.as_deref(), Some("REQ1"));

    let requests = server.requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 1);
    let head = requests[0].head.to_ascii_lowercase();
    assert!(head.starts_with("get / http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {NAME}:{}\r\n", server.address.port())), "{head}");
    assert!(!head.contains("authorization"), "{head}");
}

#[tokio::test]
async fn a_name_without_tls_has_no_tls_phase() {
    let server = Server::plain(|_| answer(200, TEXT, HEALTHY)).await;
    let probe = probe_within(&Authority::new(), server.address, false, Duration::from_secs(10)).await;
    assert_ends(&probe, ProbeResult::Ok, None);
    assert_eq!(probe.phases.tls, None);
}

#[tokio::test]
async fn a_delay_is_found_in_its_phase() {
    let good = || answer(200, TEXT, HEALTHY);
    assert_delay_is_in(&probe_tls(vec![Step::Wait(DELAY)], move |_| good()).await, Phase::Tls);
    let slow = move |_: &Request| [vec![Step::Wait(DELAY)], good()].concat();
    assert_delay_is_in(&probe_tls(vec![], slow).await, Phase::Wait);
    let trickle =
        |_: &Request| vec![Step::write(head(200, TEXT, HEALTHY.len())), Step::Wait(DELAY), Step::write(HEALTHY)];
    assert_delay_is_in(&probe_tls(vec![], trickle).await, Phase::Receive);
}

#[tokio::test]
async fn a_broken_way_has_its_reason_and_phase() {
    let refused = probe_within(&Authority::new(), closed_port(), true, Duration::from_secs(10)).await;
    assert_ends(&refused, ProbeResult::ConnectRefused, Some(Phase::Connect));

    let authority = Authority::new();
    let silent = Server::tls(authority.identity(NAME), vec![Step::Hang], |_| vec![]).await;
    let silent = probe_within(&authority, silent.address, true, DELAY).await;
    assert_ends(&silent, ProbeResult::TlsTimeout, Some(Phase::Tls));

    let stranger = Server::tls(Authority::new().identity(NAME), vec![], |_| vec![]).await;
    let stranger = probe_within(&authority, stranger.address, true, Duration::from_secs(10)).await;
    assert_ends(&stranger, ProbeResult::TlsCertificate, Some(Phase::Tls));

    let mute = Server::tls(authority.identity(NAME), vec![], |_| vec![Step::Hang]).await;
    let mute = probe_within(&authority, mute.address, true, Duration::from_secs(1)).await;
    assert_ends(&mute, ProbeResult::WaitTimeout, Some(Phase::Wait));

    let closed = probe_tls(vec![], |_| vec![Step::Close]).await;
    assert_ends(&closed, ProbeResult::ConnectionClosed, Some(Phase::Wait));

    let cut = probe_tls(vec![], |_| vec![Step::write(head(200, TEXT, 99) + "heal"), Step::Close]).await;
    assert_ends(&cut, ProbeResult::ConnectionClosed, Some(Phase::Receive));

    let garbage = probe_tls(vec![], |_| vec![Step::write("220 mail ready\r\n\r\n"), Step::Hang]).await;
    assert_ends(&garbage, ProbeResult::Malformed, Some(Phase::Wait));
}

#[tokio::test]
async fn answers_have_their_results() {
    for (status, body, expected) in [
        (200, "<html>Welcome</html>", ProbeResult::UnexpectedAnswer),
        (200, "", ProbeResult::UnexpectedAnswer),
        (302, HEALTHY, ProbeResult::UnexpectedAnswer),
        (404, "", ProbeResult::Http4xx),
        (503, HEALTHY, ProbeResult::Http5xx),
    ] {
        let probe = probe_tls(vec![], move |_| answer(status, TEXT, body)).await;
        assert_ends(&probe, expected, None);
    }
    for (length, expected) in [(1 << 20, ProbeResult::Ok), ((1 << 20) + 1, ProbeResult::UnexpectedAnswer)] {
        let body = HEALTHY.to_owned() + &" ".repeat(length - HEALTHY.len());
        let probe = probe_tls(vec![], move |_| answer(200, TEXT, &body)).await;
        assert_ends(&probe, expected, None);
    }
    let endless = probe_tls(vec![], |_| {
        vec![Step::write(head(200, TEXT, 3 << 20)), Step::write("healthy: ".repeat(1 << 18)), Step::Hang]
    });
    assert_ends(&endless.await, ProbeResult::UnexpectedAnswer, None);
}
