//! Whole rounds. A round reads its settings from the environment, so each runs in its own process.

use crate::fakes::{
    dns::{FakeDns, bytes, record},
    imds::{FakeImds, Reply, TOKEN, plain},
};
use hickory_proto::rr::RecordType;
use onnet::model::{Report, Snapshot};
use std::net::SocketAddr;

/// One round of the binary, in an environment that has only `variables`.
async fn round(imds: SocketAddr, variables: &[(&str, &str)]) -> Snapshot {
    let output = tokio::process::Command::new(crate::ONNET)
        .args(["check", "--format", "json", "--probe", "health", "--timeout", "3s"])
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{imds}"))
        .envs(variables.iter().copied())
        .output()
        .await
        .unwrap();
    let report: Result<Report, _> = serde_json::from_slice(&output.stdout);
    report.unwrap_or_else(|error| panic!("{error}: {output:?}")).snapshot
}

/// Outside EC2 a round must report that within two seconds.
fn assert_within_two_seconds(seen: &Snapshot) {
    assert!(seen.took.as_secs_f64() < 2.0, "{}", seen.took);
}

async fn silent_imds() -> FakeImds {
    FakeImds::start([(TOKEN.to_owned(), Reply::Silence)].into()).await
}

/// DynamoDB at an address of this host without a listener.
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
    let seen = round(imds.address, &[]).await;
    assert_eq!(seen.instance.gap().unwrap().reason(), "timed_out");
    assert_eq!(seen.region.gap().unwrap().reason(), "timed_out");
    assert_eq!(seen.names.gap().unwrap().reason(), "not_tried");
    assert_eq!(seen.vpc.route_tables.gap().unwrap().reason(), "not_tried");
    // Neither the prefix list nor an address is known.
    assert_eq!(seen.kernel_paths.gap().unwrap().reason(), "not_tried");
    assert_within_two_seconds(&seen);
}

#[tokio::test]
async fn off_ec2_with_a_region_the_names_are_still_looked_at() {
    let (imds, dns) = (silent_imds().await, dns().await);
    let resolver = dns.address.to_string();
    let seen = round(imds.address, &[("AWS_REGION", "us-east-1"), ("ONNET_RESOLVER", &resolver)]).await;
    assert_eq!(seen.instance.gap().unwrap().reason(), "timed_out");
    assert_eq!(seen.region.seen().unwrap(), "us-east-1");
    let name = "dynamodb.us-east-1.amazonaws.com";
    assert_eq!(seen.names.seen().unwrap()[0].hostname, name);
    assert_eq!(seen.resolutions[name].ipv4.seen().unwrap()[0].address.to_string(), "127.0.0.2");
    // The routes to instance metadata and the name server were asked for, too.
    assert_eq!(seen.kernel_routes.len(), 3);
    assert_eq!(seen.probes.len(), 1);
    assert_within_two_seconds(&seen);
}

#[tokio::test]
async fn on_ec2_the_region_comes_from_instance_metadata() {
    let (imds, dns) = (FakeImds::start(plain()).await, dns().await);
    let resolver = dns.address.to_string();
    let proxy = ("https_proxy", "http://user:secret@proxy.example:3128");
    let seen = round(imds.address, &[("ONNET_RESOLVER", &resolver), proxy]).await;
    assert_eq!(seen.instance.seen().unwrap().id.as_str(), "i-0123456789abcdef0");
    assert_eq!(seen.region.seen().unwrap(), "eu-west-1");
    assert_eq!(seen.names.seen().unwrap()[0].hostname, "dynamodb.eu-west-1.amazonaws.com");
    assert_eq!(seen.vpc.route_tables.gap().unwrap().reason(), "credentials", "there is no role here");
    assert_eq!(seen.account_name.gap().unwrap().reason(), "credentials");
    assert_eq!(seen.proxies[0].proxy.as_deref(), Some("proxy.example:3128"));
    assert_eq!(seen.proxies[0].applies_to, ["dynamodb.eu-west-1.amazonaws.com"]);
}

#[tokio::test]
async fn an_account_id_in_the_credentials_adds_a_name_and_nothing_is_asked_twice() {
    let (imds, dns) = (FakeImds::start(plain()).await, dns().await);
    let resolver = dns.address.to_string();
    let seen = round(
        imds.address,
        &[
            ("ONNET_RESOLVER", &resolver),
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI"),
            ("AWS_ACCOUNT_ID", "111122223333"),
        ],
    )
    .await;
    let names: Vec<_> = seen.all_names().map(|name| name.hostname.as_str()).collect();
    assert_eq!(names, ["111122223333.ddb.eu-west-1.amazonaws.com", "dynamodb.eu-west-1.amazonaws.com"]);
    let chosen_by = &seen.all_names().next().unwrap().chosen_by;
    assert!(chosen_by.iter().any(|place| place == "AWS_ACCOUNT_ID"), "{chosen_by:?}");
    assert_eq!(seen.resolutions.len(), 2);
    assert_eq!(dns.asked().len(), 4, "{:?}", dns.asked());
    let text = serde_json::to_string(&seen).unwrap();
    assert!(!text.contains("wJalr") && !text.contains("AKIA"), "{text}");
}

#[tokio::test]
async fn credentials_that_hang_leave_the_account_based_name_open() {
    let (imds, dns) = (FakeImds::start(plain()).await, dns().await);
    let resolver = dns.address.to_string();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config");
    std::fs::write(&config, "[default]\ncredential_process = /bin/sleep 60\n").unwrap();
    let config = config.display().to_string();
    let seen = round(imds.address, &[("ONNET_RESOLVER", &resolver), ("AWS_CONFIG_FILE", &config)]).await;
    assert_eq!(seen.names.seen().unwrap()[0].hostname, "dynamodb.eu-west-1.amazonaws.com");
    assert_eq!(seen.resolutions.len(), 1);
    assert_eq!(seen.account_name.gap().unwrap().reason(), "timed_out");
}

#[tokio::test]
async fn metadata_that_are_switched_off_here_are_not_asked() {
    let imds = silent_imds().await;
    let seen = round(imds.address, &[("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_REGION", "us-east-1")]).await;
    assert_eq!(seen.instance.gap().unwrap().reason(), "disabled");
    assert_eq!(imds.requests(), [] as [String; 0]);
}
