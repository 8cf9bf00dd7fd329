//! `onnet status`: the binary with the server of a daemon, and with other servers.

use crate::{
    common::Scenario,
    fakes::{
        authority::Authority,
        server::{self, Step},
    },
    web::{Folder, Server, load, now, shift, unready},
};
use onnet::{
    judge,
    model::{MaxAge, Outcome, Report, Snapshot, Status, Timestamp},
    present,
    serve::{Limits, WebConfig},
};
use serde_json::Value;
use std::{process::Command, time::Duration};

struct Ran {
    code: i32,
    out: String,
    err: String,
}

/// Runs the binary beside the server, which has this thread.
async fn status(url: &str, more: &[&str]) -> Ran {
    let mut command = Command::new(crate::ONNET);
    command.args(["status", "--url", url]).args(more);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ONNET_")) {
        command.env_remove(name);
    }
    // Requests to the daemon do not use a proxy.
    command.env("http_proxy", "http://192.0.2.1:1").env("https_proxy", "http://192.0.2.1:1");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// A scenario's world, observed this long ago.
fn seen(name: &str, ago: Duration) -> Snapshot {
    let world = Scenario::read(name).world;
    let mut json = serde_json::to_value(&world).unwrap();
    let ended = world.taken_at.plus(world.took.as_duration());
    let later = now().since(ended).checked_sub(ago).unwrap();
    shift(&mut json, later);
    serde_json::from_value(json).unwrap()
}

fn publish(server: &Server, report: Report) {
    server.publisher.publish(Status { report: Some(report.into()), ready: true, ..unready() });
}

fn url(server: &Server) -> String {
    format!("http://{}", server.address)
}

const RECENT: Duration = Duration::from_secs(1);
const ON_NET: &str = "gateway_endpoint_carries_the_whole_list";

#[tokio::test]
async fn it_prints_and_ends_as_check_does() {
    let server = Server::start(WebConfig::none(), Limits::default());
    let cases = [
        (ON_NET, 0),
        ("static_slash_23_takes_half_of_an_entry", 1),
        ("no_endpoint_and_a_default_route_to_an_internet_gateway", 2),
        ("no_route_drops", 2),
        ("denied_route_tables_leave_everything_open", 3),
    ];
    for (name, code) in cases {
        let report = judge::judge(seen(name, RECENT));
        publish(&server, report.clone());
        let text = anstream::adapter::strip_str(&present::text(&report)).to_string();
        for (format, expected) in
            [("text", text), ("json", present::json(&report)), ("nagios", present::nagios(&report))]
        {
            let ran = status(&url(&server), &["--format", format]).await;
            assert_eq!((ran.code, ran.err.as_str()), (code, ""), "{name} {format}");
            assert_eq!(ran.out, expected, "{name} {format}");
        }
    }
    // With a path, as behind another server, no daemon answers here.
    let ran = status(&format!("{}/onnet/", url(&server)), &[]).await;
    assert!(ran.err.contains("is not onnet: it answers HTTP 404"), "{}", ran.err);
}

#[tokio::test]
async fn an_old_report_is_judged_again_and_never_on_net() {
    let server = Server::start(WebConfig::none(), Limits::default());
    let shortest = MaxAge::default().0.dns.as_duration();
    for (age, code) in
        [(shortest.checked_sub(Duration::from_secs(15)).unwrap(), 0), (shortest * 2, 3), (shortest * 100, 3)]
    {
        let report = judge::judge(seen(ON_NET, age));
        assert_eq!(report.outcome, Outcome::OnNet, "when it was judged");
        publish(&server, report);
        for format in ["text", "json", "nagios"] {
            let ran = status(&url(&server), &["--format", format]).await;
            assert_eq!((ran.code, ran.err.as_str()), (code, ""), "{age:?} {format}: {}", ran.out);
            assert_eq!(ran.out.contains("stale"), code == 3, "{age:?} {format}: {}", ran.out);
        }
    }
}

#[test]
fn a_report_holds_until_its_first_fact_is_too_old_and_none_from_the_future_does() {
    let report = judge::judge(Scenario::read(ON_NET).world);
    let ended = report.taken_at.plus(report.snapshot.took.as_duration());
    let shortest = MaxAge::default().0.dns.as_duration();
    let second = Duration::from_secs(1);
    assert_eq!(judge::as_of(report.clone(), ended), report);
    assert_eq!(judge::as_of(report.clone(), ended.plus(shortest)), report);
    for later in [shortest + second, shortest * 3, shortest * 1_000] {
        let again = judge::as_of(report.clone(), ended.plus(later));
        assert_eq!(again.outcome, Outcome::Undetermined, "{later:?}");
        assert_eq!(again.taken_at, ended.plus(later));
    }
    // Another clock: the age of its facts is not known.
    let earlier: Timestamp = serde_json::from_str("\"2020-01-01T00:00:00Z\"").unwrap();
    assert_eq!(judge::as_of(report, earlier).outcome, Outcome::Undetermined);
}

#[tokio::test]
async fn where_no_daemon_answers_it_says_what_to_do() {
    let url = format!("http://{}", server::closed_port());
    let ran = status(&url, &[]).await;
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    let expected = format!(
        "onnet: no daemon answers at {url}: connection refused; is onnet.service running? (systemctl status onnet)\n"
    );
    assert_eq!(ran.err, expected);
    // A monitoring system reads only the standard output.
    let ran = status(&url, &["--format", "nagios"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (3, ""));
    assert!(
        ran.out.starts_with("ONNET UNKNOWN - no daemon answers at ") && ran.out.lines().count() == 1,
        "{}",
        ran.out
    );
}

#[tokio::test]
async fn before_the_first_report_it_says_so() {
    let server = Server::start(WebConfig::none(), Limits::default());
    let ran = status(&url(&server), &[]).await;
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    assert!(ran.err.contains("is not ready: it has not finished its first round yet"), "{}", ran.err);
}

/// A server that sends this answer to every request, and keeps the connection open if required.
async fn fake(answer: &[u8], open: bool) -> server::Server {
    let steps = vec![Step::write(answer), if open { Step::Hang } else { Step::Close }];
    server::Server::plain(move |_| steps.clone()).await
}

#[tokio::test]
async fn what_is_no_onnet_is_not_taken_for_one() {
    let cases: [(&[u8], &str); 10] = [
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>welcome</html>", "not a JSON object"),
        (b"HTTP/1.1 200 OK\r\n\r\n{\"status\": \"ok\"}", "no `schema`"),
        (b"HTTP/1.1 200 OK\r\n\r\n{\"schema\": 1, \"outcome\": \"on_net\"}", "cannot be read"),
        (b"HTTP/1.1 200 OK\r\n\r\n{\"schema\": 2, \"outcome\": \"on_net\"}", "cannot be read"),
        (b"HTTP/1.1 200 OK\r\n\r\n{\"schema\": 99, \"outcome\": \"on_net\"}", "newer onnet"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "the file is empty"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n", "HTTP 302"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "HTTP 500"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "answers 503: ask again"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP"),
    ];
    for (answer, expected) in cases {
        let fake = fake(answer, false).await;
        let ran = status(&format!("http://{}", fake.address), &[]).await;
        assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{expected}");
        assert!(ran.err.starts_with("onnet: ") && ran.err.contains(expected), "{}lacks {expected}", ran.err);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
}

/// The package was upgraded, and the daemon not restarted yet.
#[tokio::test]
async fn the_report_of_a_daemon_of_schema_1_is_judged_here() {
    for (name, code, words) in [
        ("on_net_without_aaaa", 0, "goes through gateway endpoint vpce-0d"),
        ("tunnel_on_the_host", 2, "leaves the host through device wg0"),
        ("every_reason", 3, "cannot determine"),
    ] {
        let file = crate::common::below_tests(&format!("core/saved-1/{name}.json"));
        let mut report: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let taken_at: Timestamp = serde_json::from_value(report["taken_at"].clone()).unwrap();
        shift(&mut report, now().since(taken_at).checked_sub(RECENT).unwrap());
        let answer = format!("HTTP/1.1 200 OK\r\n\r\n{report}");
        let fake = fake(answer.as_bytes(), false).await;
        let url = format!("http://{}", fake.address);

        let ran = status(&url, &[]).await;
        assert_eq!(ran.code, code, "{}{}", ran.out, ran.err);
        let flowing = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flowing.contains(words), "{}", ran.out);
        let json = status(&url, &["--format", "json"]).await;
        let json: Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!((json["schema"].as_u64(), json["snapshot"]["schema"].as_u64()), (Some(2), Some(2)));
        assert_eq!(json["outcome"], report["outcome"]);
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"schema\""] {
        let fake = fake(answer, true).await;
        let ran = status(&format!("http://{}", fake.address), &["--timeout", "300ms"]).await;
        assert_eq!(ran.code, 3);
        assert!(ran.err.contains("within 300ms; does the daemon hang?"), "{}", ran.err);
    }
}

#[tokio::test]
async fn urls_that_are_none_are_named_and_not_repeated() {
    for url in ["nonsense", "", "ftp://127.0.0.1", "http://", "http://u:secret@127.0.0.1:99999"] {
        let ran = status(url, &[]).await;
        assert_eq!(ran.code, 3, "{url}");
        assert!(ran.err.contains("--url is not an http or https URL") && !ran.err.contains("secret"), "{}", ran.err);
    }
    for url in ["http://u:secret@127.0.0.1", "http://u:80/secret@127.0.0.1", "http://u:secret@secret@127.0.0.1"] {
        let ran = status(url, &[]).await;
        assert!(ran.err.contains("--password-file") && !ran.err.contains("secret"), "{}", ran.err);
    }
}

#[tokio::test]
async fn tls_certificates_and_passwords_are_given_in_files() {
    let (servers, clients) = (Authority::named("servers"), Authority::named("clients"));
    let (server, shown) = (servers.localhost(), clients.client("status"));
    let config = format!(
        "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  client_ca_file: clients.pem\n  client_auth_type: RequireAndVerifyClientCert\nbasic_auth_users:\n  alice: {}\n",
        bcrypt::hash("s3cret", 4).unwrap()
    );
    let folder = Folder::new(&[
        ("web.yml", &config),
        ("server.pem", &server.certificate),
        ("server.key", &server.key),
        ("clients.pem", &clients.pem),
        ("ca.pem", &servers.pem),
        ("client.pem", &shown.certificate),
        ("client.key", &shown.key),
        ("password", "s3cret\n"),
        ("wrong", "wr0ng"),
    ]);
    let server = Server::start(load(&folder.path("web.yml")), Limits::default());
    publish(&server, judge::judge(seen(ON_NET, RECENT)));
    let https = format!("https://localhost:{}", server.address.port());
    let path = |name: &str| folder.path(name).display().to_string();
    let (ca, cert, key) = (path("ca.pem"), path("client.pem"), path("client.key"));
    let (password, wrong) = (path("password"), path("wrong"));
    let with_certificate = ["--ca-file", &ca, "--cert-file", &cert, "--key-file", &key];
    let user = ["--user", "alice", "--password-file", &password];

    let ran = status(&https, &[&with_certificate[..], &user].concat()).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);

    let wrong_user = ["--user", "alice", "--password-file", &wrong];
    let no_ca = &with_certificate[2..];
    let other_ca = ["--ca-file", &cert];
    let missing = ["--ca-file", "/nowhere/ca.pem"];
    let (cert_of_device, key_of_device) = (["--cert-file", "/dev/zero"], ["--key-file", "/dev/zero"]);
    let (ca_of_device, user_of_device) =
        (["--ca-file", "/dev/zero"], ["--user", "alice", "--password-file", "/dev/zero"]);
    let large = folder.path("large");
    std::fs::File::create(&large).unwrap().set_len((256 << 10) + 1).unwrap();
    let large = large.display().to_string();
    let user_of_large = ["--user", "alice", "--password-file", &large];
    let cases: [(&str, &[&[&str]], &str); 13] = [
        (&https, &[&with_certificate], "asks for a user and a password: give --user NAME and --password-file FILE"),
        (&https, &[&with_certificate, &wrong_user], "does not let in the user \"alice\""),
        (&https, &[&with_certificate[..2], &user], "asks for a certificate: give --cert-file FILE and --key-file FILE"),
        (&https, &[no_ca, &user], "is not trusted"),
        (&https, &[&other_ca, no_ca, &user], "is not trusted"),
        (&https, &[&missing, &user], "--ca-file /nowhere/ca.pem: cannot be read: No such file"),
        (&https, &[&with_certificate, &["--user", "alice"]], "--password-file"),
        (&https, &[&ca_of_device, &user], "--ca-file /dev/zero: cannot be read: this is a device, not a regular file"),
        (
            &https,
            &[&with_certificate[..2], &cert_of_device, &with_certificate[4..]],
            "--cert-file /dev/zero: cannot be",
        ),
        (&https, &[&with_certificate[..4], &key_of_device], "--key-file /dev/zero: cannot be read: this is a device"),
        (&https, &[&with_certificate, &user_of_device], "--password-file /dev/zero: cannot be read: this is a device"),
        (&https, &[&with_certificate, &user_of_large], "large: cannot be read: this is larger than 262144 bytes"),
        (&https.replace("https", "http"), &[&user], "it speaks HTTPS; use https://"),
    ];
    for (url, arguments, expected) in cases {
        let ran = status(url, &arguments.concat()).await;
        assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{arguments:?}");
        assert!(ran.err.contains(expected), "{arguments:?}: {}lacks {expected}", ran.err);
        assert!(!ran.err.contains("s3cret") && !ran.err.contains("wr0ng"), "{}", ran.err);
    }
    let plain = Server::start(WebConfig::none(), Limits::default());
    let ran = status(&format!("https://localhost:{}", plain.address.port()), &["--ca-file", &ca]).await;
    assert!(ran.err.contains("it speaks no TLS; use http://"), "{}", ran.err);
}
