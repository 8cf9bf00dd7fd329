//! Whole rounds. What a round looks at comes from the environment, so each runs in a process of its own.

use crate::{
    fake_dns::{FakeDns, bytes, record},
    fake_imds::{FakeImds, Reply, TOKEN, plain},
};
use hickory_proto::rr::RecordType;
use onnet::{
    model::Snapshot,
    observe::{ProbeChoice, Settings, observe},
};
use std::{net::SocketAddr, time::Duration};
use tokio::time::Instant;

const RESOLVER: &str = "ONNET_TEST_RESOLVER";

/// Not a test: the process the others start. It prints the snapshot of one round.
#[tokio::test]
#[ignore = "started by the other tests of this file"]
async fn one_round() {
    #[expect(clippy::disallowed_methods, reason = "a setting of this test's")]
    let resolver = std::env::var(RESOLVER).ok().map(|address| address.parse().unwrap());
    let settings =
        Settings { resolver, probe: ProbeChoice::Health, timeout: Duration::from_secs(3), ..Settings::default() };
    println!("\n{}", serde_json::to_string(&observe(&settings).await).unwrap());
}

/// One round in an environment with nothing in it but `variables`.
async fn round(imds: SocketAddr, variables: &[(&str, &str)]) -> (Snapshot, Duration) {
    let started = Instant::now();
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "round::one_round", "--ignored", "--nocapture"])
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{imds}"))
        .envs(variables.iter().copied())
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let json = text.lines().find(|line| line.starts_with('{'));
    let json = json.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)));
    (serde_json::from_str(json).unwrap(), started.elapsed())
}

async fn silent_imds() -> FakeImds {
    FakeImds::start([(TOKEN.to_owned(), Reply::Silence)].into()).await
}

/// DynamoDB at an address of this host where nobody listens.
async fn dns() -> FakeDns {
    FakeDns::start(|asked, mut message| {
        if asked.family == RecordType::A {
            message.add_answer(record(&asked.name, 5, "127.0.0.2"));
        }
        bytes(message)
    })
    .await
}

#[tokio::test]
async fn off_ec2_without_a_region_a_round_ends_within_two_seconds() {
    let imds = silent_imds().await;
    let (seen, took) = round(imds.address, &[]).await;
    assert_eq!(seen.instance.gap().unwrap().reason(), "timed_out");
    assert_eq!(seen.region.gap().unwrap().reason(), "timed_out");
    assert_eq!(seen.names.gap().unwrap().reason(), "not_tried");
    assert_eq!(seen.vpc.route_tables.gap().unwrap().reason(), "not_tried");
    assert_eq!(seen.host_routes.gap(), None);
    assert!(took < Duration::from_secs(2), "{took:?}, of which the round {:?}", seen.took);
}

#[tokio::test]
async fn off_ec2_with_a_region_the_names_are_still_looked_at() {
    let (imds, dns) = (silent_imds().await, dns().await);
    let resolver = dns.address.to_string();
    let (seen, took) = round(imds.address, &[("AWS_REGION", "us-east-1"), (RESOLVER, &resolver)]).await;
    assert_eq!(seen.instance.gap().unwrap().reason(), "timed_out");
    assert_eq!(seen.region.seen().unwrap(), "us-east-1");
    let name = "dynamodb.us-east-1.amazonaws.com";
    assert_eq!(seen.names.seen().unwrap()[0].hostname, name);
    assert_eq!(seen.resolutions[name].ipv4.seen().unwrap()[0].address.to_string(), "127.0.0.2");
    assert_eq!(seen.kernel_routes.len(), 1);
    assert_eq!(seen.probes.len(), 1);
    assert!(took < Duration::from_secs(2), "{took:?}, of which the round {:?}", seen.took);
}

#[tokio::test]
async fn on_ec2_the_region_comes_from_instance_metadata() {
    let (imds, dns) = (FakeImds::start(plain()).await, dns().await);
    let resolver = dns.address.to_string();
    let proxy = ("https_proxy", "http://user:secret@proxy.example:3128");
    let (seen, _) = round(imds.address, &[(RESOLVER, &resolver), proxy]).await;
    assert_eq!(seen.instance.seen().unwrap().id.as_str(), "i-0123456789abcdef0");
    assert_eq!(seen.region.seen().unwrap(), "eu-west-1");
    assert_eq!(seen.names.seen().unwrap()[0].hostname, "dynamodb.eu-west-1.amazonaws.com");
    assert_eq!(seen.vpc.route_tables.gap().unwrap().reason(), "credentials", "there is no role here");
    assert_eq!(seen.proxies[0].proxy, "proxy.example:3128");
    assert_eq!(seen.proxies[0].applies_to, ["dynamodb.eu-west-1.amazonaws.com"]);
}

#[tokio::test]
async fn an_account_id_in_the_credentials_adds_a_name_and_nothing_is_asked_twice() {
    let (imds, dns) = (FakeImds::start(plain()).await, dns().await);
    let resolver = dns.address.to_string();
    let (seen, _) = round(
        imds.address,
        &[
            (RESOLVER, &resolver),
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI"),
            ("AWS_ACCOUNT_ID", "111122223333"),
        ],
    )
    .await;
    let names: Vec<_> = seen.names.seen().unwrap().iter().map(|name| name.hostname.as_str()).collect();
    assert_eq!(names, ["111122223333.ddb.eu-west-1.amazonaws.com", "dynamodb.eu-west-1.amazonaws.com"]);
    assert_eq!(seen.resolutions.len(), 2);
    assert_eq!(dns.asked().len(), 4, "{:?}", dns.asked());
    let text = serde_json::to_string(&seen).unwrap();
    assert!(!text.contains("wJalr") && !text.contains("AKIA"), "{text}");
}

#[tokio::test]
async fn metadata_that_are_switched_off_here_are_not_asked() {
    let imds = silent_imds().await;
    let (seen, _) = round(imds.address, &[("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_REGION", "us-east-1")]).await;
    assert_eq!(seen.instance.gap().unwrap().reason(), "disabled");
    assert_eq!(imds.requests(), [] as [String; 0]);
}
