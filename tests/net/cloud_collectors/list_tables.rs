//! The signed probe.

use super::DELAY;
use crate::fakes::{
    authority::Authority,
    http::Request,
    server::{Server, Step, answer, closed_port, head},
};
use aws_credential_types::Credentials;
use onnet::{
    model::{NameKind, Phase, Probe, ProbeResult, Seconds, ServiceName, Testimony},
    observe::{probe::Prober, tls::Roots},
};
use std::{net::SocketAddr, time::Duration};
use tokio::time::Instant;

pub(crate) const NAME: &str = "dynamodb.us-east-1.amazonaws.com";
const JSON: &str = "application/x-amz-json-1.0";
const TABLES: &str = r#"{"TableNames":["orders"]}"#;

pub(crate) fn name(address: SocketAddr, tls: bool) -> ServiceName {
    ServiceName {
        hostname: NAME.into(),
        port: address.port(),
        tls,
        kind: NameKind::Regional,
        in_use: true,
        chosen_by: Vec::new(),
    }
}

pub(crate) fn prober(authority: &Authority) -> Prober {
    Prober::trusting(&Roots::usable(vec![authority.certificate()]).unwrap(), "us-east-1").unwrap()
}

fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", None, None, "test")
}

async fn probe_within(authority: &Authority, address: SocketAddr, tls: bool, time: Duration) -> Probe {
    let deadline = Instant::now() + time;
    prober(authority).list_tables(&credentials(), &name(address, tls), address.ip(), deadline).await
}

async fn probe(authority: &Authority, address: SocketAddr, tls: bool) -> Probe {
    probe_within(authority, address, tls, Duration::from_secs(10)).await
}

/// A probe of a TLS server that runs `before` on the bare connection and then `script`.
async fn probe_tls(before: Vec<Step>, script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Probe {
    let authority = Authority::new();
    let server = Server::tls(authority.identity(NAME), before, script).await;
    let probe = probe(&authority, server.address, true).await;
    assert_adds_up(&probe);
    probe
}

async fn probe_answering(status: u16, body: &'static str) -> Probe {
    probe_tls(vec![], move |_| answer(status, JSON, body)).await
}

/// Phases are disjoint, their sum is the total, and only the phases up to the failed one have a time.
pub(crate) fn assert_adds_up(probe: &Probe) {
    assert_eq!(Seconds::from(probe.phases.sum()), probe.total, "{probe:#?}");
    if let Some(failed) = probe.failed_in {
        let last = probe.phases.reached().last().map(|(phase, _)| phase);
        assert_eq!(last, Some(failed), "{probe:#?}");
    }
}

/// The delay is in `phase`, and in no other phase.
pub(crate) fn assert_delay_is_in(probe: &Probe, phase: Phase) {
    assert_eq!(probe.result, ProbeResult::Ok, "{probe:#?}");
    for (other, took) in probe.phases.reached() {
        if other == phase {
            assert!(took.as_duration() >= DELAY - Duration::from_millis(5), "{other} is too short: {probe:#?}");
        } else {
            assert!(took.as_duration() < DELAY, "{other} has swallowed the delay: {probe:#?}");
        }
    }
}

fn assert_fails(probe: &Probe, result: ProbeResult, phase: Phase) {
    assert_eq!((probe.result, probe.failed_in), (result, Some(phase)), "{probe:#?}");
    assert_adds_up(probe);
}

#[tokio::test]
async fn a_list_of_tables_is_ok_and_every_phase_is_there() {
    let authority = Authority::new();
    let server = Server::tls(authority.identity(NAME), vec![], |_| answer(200, JSON, TABLES)).await;
    let began = Instant::now();
    let probe = probe(&authority, server.address, true).await;
    let wall = began.elapsed();

    assert_eq!(probe.result, ProbeResult::Ok, "{probe:#?}");
    assert_adds_up(&probe);
    let reached: Vec<Phase> = probe.phases.reached().map(|(phase, _)| phase).collect();
    assert_eq!(reached, Phase::ALL[1..], "{probe:#?}");
    assert!(probe.total.as_duration() <= wall + Duration::from_millis(2), "{probe:#?} in {wall:?}");
    assert_eq!(probe.request_id.as_deref(), Some("REQ1"));
    assert_eq!(probe.local.unwrap().ip(), server.address.ip());

    let requests = server.requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 1, "one request, no retry");
    let head = requests[0].head.to_ascii_lowercase();
    assert!(head.starts_with("post / http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {NAME}:{}\r\n", server.address.port())), "{head}");
    assert!(head.contains("x-amz-target: dynamodb_20120810.listtables"), "{head}");
    assert!(head.contains("signedheaders=") && head.contains("host"), "{head}");
    assert_eq!(requests[0].body, r#"{"Limit":1}"#);
}

#[tokio::test]
async fn a_name_without_tls_has_no_tls_phase() {
    let server = Server::plain(|_| answer(200, JSON, TABLES)).await;
    let probe = probe(&Authority::new(), server.address, false).await;
    assert_eq!(probe.result, ProbeResult::Ok, "{probe:#?}");
    assert_eq!(probe.phases.tls, None);
    assert_adds_up(&probe);
}

#[tokio::test]
async fn a_slow_handshake_is_in_the_tls_phase() {
    assert_delay_is_in(&probe_tls(vec![Step::Wait(DELAY)], |_| answer(200, JSON, TABLES)).await, Phase::Tls);
}

#[tokio::test]
async fn a_slow_service_is_in_the_wait_phase() {
    let script = |_: &Request| [vec![Step::Wait(DELAY)], answer(200, JSON, TABLES)].concat();
    assert_delay_is_in(&probe_tls(vec![], script).await, Phase::Wait);
}

#[tokio::test]
async fn a_slow_body_is_in_the_receive_phase() {
    let script = |_: &Request| {
        let (first, rest) = TABLES.split_at(5);
        let head = Step::write(head(200, JSON, TABLES.len()) + first);
        vec![head, Step::Wait(DELAY), Step::write(rest)]
    };
    assert_delay_is_in(&probe_tls(vec![], script).await, Phase::Receive);
}

/// A full backlog drops the first SYN; the kernel sends the second after a second.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_lost_syn_is_in_the_connect_phase() {
    let (listener, _fillers) = full_backlog().await;
    let address = listener.local_addr().unwrap();
    let serve = async {
        tokio::time::sleep(DELAY).await;
        Server::at(listener, |_| answer(200, JSON, TABLES))
    };
    let authority = Authority::new();
    let (_server, probe) = tokio::join!(serve, probe(&authority, address, false));
    assert_delay_is_in(&probe, Phase::Connect);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_answer_to_the_syn_is_a_connect_timeout() {
    let (listener, _fillers) = full_backlog().await;
    let probe = probe_within(&Authority::new(), listener.local_addr().unwrap(), false, DELAY).await;
    assert_fails(&probe, ProbeResult::ConnectTimeout, Phase::Connect);
    let longest = probe.phases.reached().max_by_key(|(_, took)| took.as_duration());
    assert_eq!(longest.map(|(phase, _)| phase), Some(Phase::Connect), "{probe:#?}");
}

#[cfg(target_os = "linux")]
async fn full_backlog() -> (tokio::net::TcpListener, Vec<tokio::net::TcpStream>) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut fillers = Vec::new();
    while let Ok(filler) =
        tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address)).await
    {
        fillers.push(filler.unwrap());
    }
    (listener, fillers)
}

#[tokio::test]
async fn a_refused_connection_is_told_at_once() {
    let probe = probe(&Authority::new(), closed_port(), true).await;
    assert_fails(&probe, ProbeResult::ConnectRefused, Phase::Connect);
    assert_eq!(probe.local, None);
}

#[tokio::test]
async fn silence_before_the_handshake_is_a_tls_timeout() {
    let authority = Authority::new();
    let server = Server::tls(authority.identity(NAME), vec![Step::Hang], |_| vec![]).await;
    let probe = probe_within(&authority, server.address, true, DELAY).await;
    assert_fails(&probe, ProbeResult::TlsTimeout, Phase::Tls);
    assert!(probe.local.is_some(), "the connection was there: {probe:#?}");
}

#[tokio::test]
async fn every_phase_has_three_seconds_whatever_the_deadline() {
    let authority = Authority::new();
    let server = Server::tls(authority.identity(NAME), vec![Step::Hang], |_| vec![]).await;
    let probe = probe_within(&authority, server.address, true, Duration::from_secs(60)).await;
    assert_fails(&probe, ProbeResult::TlsTimeout, Phase::Tls);
    assert!(probe.phases.tls.unwrap().as_duration() >= Duration::from_secs(3), "{probe:#?}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let server = Server::tls(authority.identity("example.com"), vec![], |_| answer(200, JSON, TABLES)).await;
    let probe = probe(&authority, server.address, true).await;
    assert_fails(&probe, ProbeResult::TlsCertificate, Phase::Tls);
    assert!(server.requests.lock().unwrap().is_empty(), "credentials went to a stranger");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let server = Server::tls(Authority::new().identity(NAME), vec![], |_| answer(200, JSON, TABLES)).await;
    let probe = probe(&Authority::new(), server.address, true).await;
    assert_fails(&probe, ProbeResult::TlsCertificate, Phase::Tls);
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let server = Server::tls(authority.expired_server(&[NAME]).config(), vec![], |_| answer(200, JSON, TABLES)).await;
    let probe = probe(&authority, server.address, true).await;
    assert_fails(&probe, ProbeResult::TlsCertificate, Phase::Tls);
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_fails_the_handshake() {
    let probe = probe_tls(vec![Step::write("SSH-2.0-OpenSSH_9.6\r\n"), Step::Hang], |_| vec![]).await;
    assert_fails(&probe, ProbeResult::TlsFailed, Phase::Tls);
}

#[tokio::test]
async fn a_connection_closed_in_the_handshake_is_told_as_such() {
    let probe = probe_tls(vec![Step::Close], |_| vec![]).await;
    assert_fails(&probe, ProbeResult::ConnectionClosed, Phase::Tls);
}

#[tokio::test]
async fn no_answer_is_a_wait_timeout() {
    let probe = probe_tls(vec![], |_| vec![Step::Hang]).await;
    assert_fails(&probe, ProbeResult::WaitTimeout, Phase::Wait);
}

#[tokio::test]
async fn a_connection_closed_instead_of_an_answer_is_told_as_such() {
    let probe = probe_tls(vec![], |_| vec![Step::Close]).await;
    assert_fails(&probe, ProbeResult::ConnectionClosed, Phase::Wait);
}

#[tokio::test]
async fn a_body_that_stalls_is_a_receive_timeout() {
    let probe = probe_tls(vec![], |_| vec![Step::write(head(200, JSON, 99) + "{"), Step::Hang]).await;
    assert_fails(&probe, ProbeResult::ReceiveTimeout, Phase::Receive);
}

#[tokio::test]
async fn a_head_that_stalls_is_a_receive_timeout() {
    let probe = probe_tls(vec![], |_| vec![Step::write("HTTP/1.1 200 OK\r\nx-a"), Step::Hang]).await;
    assert_fails(&probe, ProbeResult::ReceiveTimeout, Phase::Receive);
}

#[tokio::test]
async fn a_body_cut_short_is_a_closed_connection() {
    let probe = probe_tls(vec![], |_| vec![Step::write(head(200, JSON, 99) + "{"), Step::Close]).await;
    assert_fails(&probe, ProbeResult::ConnectionClosed, Phase::Receive);
}

#[tokio::test]
async fn what_is_not_http_is_malformed() {
    let probe = probe_tls(vec![], |_| vec![Step::write("220 mail ready\r\n\r\n"), Step::Hang]).await;
    assert_fails(&probe, ProbeResult::Malformed, Phase::Receive);
}

#[tokio::test]
async fn an_answer_is_read_up_to_the_limit_and_no_further() {
    for (length, expected) in [(1 << 20, ProbeResult::Ok), ((1 << 20) + 1, ProbeResult::UnexpectedAnswer)] {
        let body = TABLES.to_owned() + &" ".repeat(length - TABLES.len());
        let probe = probe_tls(vec![], move |_| answer(200, JSON, &body)).await;
        assert_eq!(probe.result, expected, "{length}: {probe:#?}");
    }
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let endless = |_: &Request| {
        let head = head(200, JSON, 3 << 20);
        vec![Step::write(head), Step::write(" ".repeat(3 << 20)), Step::Hang]
    };
    assert_fails(&probe_tls(vec![], endless).await, ProbeResult::UnexpectedAnswer, Phase::Receive);
}

#[tokio::test]
async fn sixteen_interim_answers_are_passed_over_and_no_more() {
    let interim = |count| Step::write("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(count));
    let before = |count| probe_tls(vec![], move |_| [vec![interim(count)], answer(200, JSON, TABLES)].concat());
    assert_eq!(before(16).await.result, ProbeResult::Ok);
    let probe = before(17).await;
    assert_eq!(probe.result, ProbeResult::UnexpectedAnswer, "{probe:#?}");
    assert!(probe.detail.as_deref().is_some_and(|detail| detail.contains("16 interim answers")), "{probe:#?}");
    let endless = move |_: &Request| vec![interim(100_000), Step::Hang];
    assert_eq!(probe_tls(vec![], endless).await.result, ProbeResult::UnexpectedAnswer);
}

#[tokio::test]
async fn a_success_that_is_no_list_of_tables_is_unexpected() {
    for body in ["<html>Welcome</html>", "{}", r#"{"Tables":[]}"#, ""] {
        let probe = probe_answering(200, body).await;
        assert_eq!((probe.result, probe.failed_in), (ProbeResult::UnexpectedAnswer, None), "{body:?}: {probe:#?}");
    }
}

#[tokio::test]
async fn a_redirect_is_unexpected() {
    assert_eq!(probe_answering(302, "").await.result, ProbeResult::UnexpectedAnswer);
}

#[tokio::test]
async fn statuses_and_codes_have_their_results() {
    let said = |code: &str| format!(r#"{{"__type":"com.amazon.coral.service#{code}","message":"because"}}"#).leak();
    for (status, code, expected) in [
        (400, "AccessDeniedException", ProbeResult::AccessDenied),
        (400, "UnrecognizedClientException", ProbeResult::Credentials),
        (400, "InvalidSignatureException", ProbeResult::Credentials),
        (400, "ExpiredTokenException", ProbeResult::Credentials),
        (400, "MissingAuthenticationTokenException", ProbeResult::Credentials),
        (400, "IncompleteSignatureException", ProbeResult::Credentials),
        (400, "ThrottlingException", ProbeResult::Throttled),
        (400, "ProvisionedThroughputExceededException", ProbeResult::Throttled),
        (400, "ValidationException", ProbeResult::Http4xx),
        (500, "InternalServerError", ProbeResult::Http5xx),
        (500, "AccessDeniedException", ProbeResult::Http5xx),
        (503, "ThrottlingException", ProbeResult::Throttled),
    ] {
        let probe = probe_answering(status, said(code)).await;
        assert_eq!((probe.result, probe.failed_in), (expected, None), "{status} {code}: {probe:#?}");
        assert_eq!(probe.request_id.as_deref(), Some("REQ1"));
        assert!(probe.detail.as_ref().unwrap().contains(code), "{probe:#?}");
        assert_eq!(probe.testimony, None);
    }
    assert_eq!(probe_answering(500, "<html>").await.result, ProbeResult::Http5xx);
    assert_eq!(probe_answering(403, "<html>").await.result, ProbeResult::Http4xx);
}

#[tokio::test]
async fn a_denial_in_xml_is_a_denial() {
    let xml = "<ErrorResponse><Errors><Error><Code>AccessDenied</Code><Message>User may not</Message></Error>\
               </Errors></ErrorResponse>";
    let probe = probe_answering(403, xml).await;
    assert_eq!(probe.result, ProbeResult::AccessDenied, "{probe:#?}");
    assert_eq!(probe.detail.as_deref(), Some("AccessDenied: User may not"));
}

const BY_ENDPOINT_POLICY: &str = "User: arn:aws:sts::111122223333:assumed-role/app/i-0 is not authorized to perform: \
    dynamodb:ListTables on resource: arn:aws:dynamodb:us-east-1:111122223333:table/* because no VPC endpoint policy \
    allows the dynamodb:ListTables action";

fn denial(message: &str) -> String {
    format!(r#"{{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"{message}"}}"#)
}

#[tokio::test]
async fn only_a_refusal_by_an_endpoint_policy_is_testimony() {
    let explicit = "not authorized with an explicit deny in a VPC endpoint policy: arn:x";
    for (message, testifies) in [
        (BY_ENDPOINT_POLICY, true),
        (explicit, true),
        ("not authorized because no identity-based policy allows the dynamodb:ListTables action", false),
        ("not authorized because no session policy allows the dynamodb:ListTables action", false),
        ("not authorized with an explicit deny in a service control policy", false),
    ] {
        let probe = probe_tls(vec![], move |_| answer(400, JSON, &denial(message))).await;
        assert_eq!(probe.result, ProbeResult::AccessDenied);
        let expected = testifies.then(|| Testimony::VpcEndpointPolicy { message: message.to_owned() });
        assert_eq!(probe.testimony, expected, "{message}");
    }
}

#[tokio::test]
async fn who_has_shown_no_certificate_testifies_nothing() {
    let server = Server::plain(|_| answer(400, JSON, &denial(BY_ENDPOINT_POLICY))).await;
    let probe = probe(&Authority::new(), server.address, false).await;
    assert_eq!((probe.result, probe.testimony), (ProbeResult::AccessDenied, None));
}

#[tokio::test]
async fn no_probe_shows_a_credential() {
    for status in [200, 400, 500] {
        let probe = probe_answering(status, "AKIDEXAMPLE?").await;
        let text = serde_json::to_string(&probe).unwrap();
        assert!(!text.contains("wJalrXUtnFEMI") && !text.contains("AKIDEXAMPLE"), "{text}");
    }
}
