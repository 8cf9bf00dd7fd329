use super::http;
use crate::fakes::{
    imds::*,
    server::{Server, Step, closed_port},
};
use aws_config::{imds::Client, provider_config::ProviderConfig};
use onnet::{
    model::{Gap, Instance},
    observe::imds::{ImdsError, instance},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{sync::Barrier, time::Instant};

fn client(address: SocketAddr) -> Client {
    Client::builder()
        .configure(&ProviderConfig::without_region().with_http_client(http()))
        .endpoint(format!("http://{address}"))
        .unwrap()
        .max_attempts(1)
        .build()
}

pub(crate) async fn look_at(address: SocketAddr) -> Result<Instance, ImdsError> {
    instance(&client(address), true).await
}

async fn look(script: Script) -> Result<Instance, ImdsError> {
    look_at(FakeImds::start(script).await.address).await
}

async fn gap(script: Script) -> Gap {
    look(script).await.unwrap_err().gap()
}

fn with(path: String, reply: Reply) -> Script {
    let mut script = plain();
    script.insert(path, reply);
    script
}

#[tokio::test]
async fn an_instance_is_read_whole() {
    let mut script = plain();
    script.extend([
        (of(MAC, "ipv6s"), text("2001:db8::10\n2001:db8::11")),
        (of(MAC, "subnet-ipv6-cidr-blocks"), text("2001:db8::/64")),
        (of(MAC, "public-ipv4s"), text("198.51.100.7")),
        (of(MAC, "ipv4-prefix"), text("172.31.16.64/28\n172.31.16.96/28")),
        (of(MAC, "ipv6-prefix"), text("2001:db8::/80")),
    ]);
    let seen = look(script).await.unwrap();
    assert_eq!(seen.id.as_str(), "i-0123456789abcdef0");
    assert_eq!(seen.region, "eu-west-1");
    assert_eq!(seen.availability_zone.seen().unwrap(), "eu-west-1b");
    let [interface] = seen.interfaces.as_slice() else { panic!("{:?}", seen.interfaces) };
    assert_eq!(interface.id.as_str(), "eni-00");
    assert_eq!(interface.mac.as_str(), MAC);
    assert_eq!(interface.subnet.as_str(), "subnet-00");
    assert_eq!(interface.vpc.as_str(), "vpc-0abc");
    assert_eq!(interface.owner.seen().unwrap().as_str(), "111122223333");
    assert_eq!(interface.security_groups.seen().unwrap(), &["sg-0a1b2c3d".into()]);
    assert_eq!(
        interface.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["172.31.16.10", "2001:db8::10", "2001:db8::11"]
    );
    let cidrs = interface.subnet_cidrs.seen().unwrap();
    assert_eq!(cidrs.iter().map(ToString::to_string).collect::<Vec<_>>(), ["172.31.16.0/20", "2001:db8::/64"]);
    let prefixes = interface.prefixes.seen().unwrap();
    assert_eq!(
        prefixes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["172.31.16.64/28", "172.31.16.96/28", "2001:db8::/80"]
    );
    let [public] = interface.public_addresses.seen().unwrap().as_slice() else { panic!("{interface:?}") };
    assert_eq!((public.public.to_string(), public.private.to_string()), ("198.51.100.7".into(), "172.31.16.10".into()));
}

#[tokio::test]
async fn no_public_address_is_seen_and_empty() {
    let seen = look(plain()).await.unwrap();
    assert_eq!(seen.interfaces[0].public_addresses.seen().unwrap(), &[]);
}

#[tokio::test]
async fn public_addresses_that_cannot_be_read_are_a_gap_and_never_none() {
    for (reply, reason) in
        [(Reply::Status(503), "throttled"), (Reply::Html, "malformed"), (Reply::Truncated, "unreachable")]
    {
        let seen = look(with(of(MAC, "public-ipv4s"), reply)).await.unwrap();
        assert_eq!(seen.interfaces[0].public_addresses.gap().unwrap().reason(), reason);
    }
}

#[tokio::test]
async fn prefixes_that_cannot_be_read_are_a_gap_of_their_own_and_never_none() {
    for item in ["ipv4-prefix", "ipv6-prefix"] {
        for (reply, reason) in [(Reply::Status(503), "throttled"), (Reply::Html, "malformed")] {
            let seen = look(with(of(MAC, item), reply)).await.unwrap();
            assert_eq!(seen.interfaces[0].prefixes.gap().unwrap().reason(), reason, "{item}");
            assert!(seen.interfaces[0].subnet_cidrs.seen().is_some());
        }
    }
    let seen = look(plain()).await.unwrap();
    assert_eq!(seen.interfaces[0].prefixes.seen().unwrap(), &[], "a 404 is how the service says that there are none");
}

#[tokio::test]
async fn an_owner_that_cannot_be_read_is_a_gap_of_its_own() {
    for (reply, reason) in
        [(Reply::Status(404), "not_found"), (Reply::Status(503), "throttled"), (text("amazon-elb"), "malformed")]
    {
        let seen = look(with(of(MAC, "owner-id"), reply)).await.unwrap();
        assert_eq!(seen.interfaces[0].owner.gap().unwrap().reason(), reason);
        assert!(seen.interfaces[0].subnet_cidrs.seen().is_some());
    }
}

#[tokio::test]
async fn security_groups_that_cannot_be_read_are_a_gap_of_their_own() {
    let too_many: Vec<String> = (0..257).map(|number| format!("sg-{number:08x}")).collect();
    for (reply, reason) in [
        (Reply::Status(404), "not_found"),
        (Reply::Status(503), "throttled"),
        (Reply::Html, "malformed"),
        (Reply::Bytes, "malformed"),
        (Reply::Truncated, "unreachable"),
        (text(""), "malformed"),
        (text("sg-0a1b2c3d\ndefault"), "malformed"),
        (text(&too_many.join("\n")), "over_limit"),
    ] {
        let seen = look(with(of(MAC, "security-group-ids"), reply)).await.unwrap();
        assert_eq!(seen.interfaces[0].security_groups.gap().unwrap().reason(), reason);
        assert!(seen.interfaces[0].owner.seen().is_some());
    }
}

#[tokio::test]
async fn every_security_group_is_read() {
    let groups: Vec<String> = (0..256).map(|number| format!("sg-{number:08x}")).collect();
    for groups in [&groups[..2], &groups] {
        let seen = look(with(of(MAC, "security-group-ids"), text(&groups.join("\n")))).await.unwrap();
        let read = seen.interfaces[0].security_groups.seen().unwrap();
        assert_eq!(read.iter().map(|group| group.as_str()).collect::<Vec<_>>(), groups);
    }
}

#[tokio::test]
async fn with_several_private_addresses_the_association_is_asked_for() {
    let mut script = plain();
    script.extend(interface(MAC, 0, "172.31.16.10\n172.31.16.11"));
    script.insert(of(MAC, "public-ipv4s"), text("198.51.100.7"));
    script.insert(of(MAC, "ipv4-associations/198.51.100.7"), text("172.31.16.11"));
    let seen = look(script).await.unwrap();
    assert_eq!(seen.interfaces[0].public_addresses.seen().unwrap()[0].private.to_string(), "172.31.16.11");
}

/// The service holds all answers of a wave back until all its requests have arrived. If one of them were sent only after
/// another's answer, the wave would not end.
#[tokio::test]
async fn two_interfaces_take_three_round_trips() {
    let mut script = plain();
    script.extend(interface(MAC, 1, "172.31.16.10"));
    script.extend(interface(MAC2, 0, "172.31.32.10"));
    for mac in [MAC, MAC2] {
        script.insert(of(mac, "public-ipv4s"), text("198.51.100.7"));
        script.insert(of(mac, "ipv6s"), text("2001:db8::10"));
        script.insert(of(mac, "subnet-ipv6-cidr-blocks"), text("2001:db8::/64"));
        script.insert(of(mac, "ipv4-prefix"), text("172.31.16.64/28"));
        script.insert(of(mac, "ipv6-prefix"), text("2001:db8::/80"));
    }
    script.insert(meta("network/interfaces/macs/"), text(&format!("{MAC}/\n{MAC2}/")));
    let (first, second) = (Arc::new(Barrier::new(4)), Arc::new(Barrier::new(26)));
    for (path, reply) in &mut script {
        let Reply::Text(text) = reply else { panic!("only texts here") };
        let wave = if path.contains(":00:") { &second } else { &first };
        if path != TOKEN {
            *reply = Reply::Together(wave.clone(), text.clone());
        }
    }
    let imds = FakeImds::start(script).await;
    let seen = instance(&client(imds.address), true).await.unwrap();

    let order: Vec<_> = seen.interfaces.iter().map(|interface| interface.mac.as_str()).collect();
    assert_eq!(order, [MAC2, MAC], "the primary interface comes first");
    let requests = imds.requests();
    assert_eq!(requests.len(), 1 + 4 + 26, "{requests:#?}");
    assert_eq!(requests.iter().filter(|request| request.starts_with("PUT")).count(), 1);
}

#[tokio::test]
async fn a_refused_token_names_the_switch_and_the_hop_limit() {
    for (status, reason) in [(401, "denied"), (403, "denied"), (404, "disabled")] {
        let gap = gap(with(TOKEN.to_owned(), Reply::Status(status))).await;
        assert_eq!(gap.reason(), reason, "{gap}");
        let words = gap.to_string();
        assert!(words.contains(&status.to_string()), "{words}");
        assert!(words.contains("disabled") && words.contains("hop limit"), "{words}");
        assert_eq!(gap.iam_action().filter(|action| action.starts_with("ec2:")), None);
    }
}

#[tokio::test]
async fn every_failure_has_its_reason_and_names_the_path() {
    let region = "placement/region";
    for (path, reply, reason) in [
        (TOKEN.to_owned(), Reply::Status(503), "throttled"),
        (TOKEN.to_owned(), Reply::Status(500), "failed"),
        (TOKEN.to_owned(), Reply::Status(302), "redirected"),
        (meta(region), Reply::Status(307), "redirected"),
        (meta(region), Reply::Status(403), "denied"),
        (meta(region), Reply::Status(404), "not_found"),
        (meta(region), Reply::Status(503), "throttled"),
        (meta(region), Reply::Status(500), "failed"),
        (meta(region), Reply::Html, "malformed"),
        (meta(region), Reply::Bytes, "malformed"),
        (meta(region), Reply::Truncated, "unreachable"),
        (meta(region), text(""), "malformed"),
        (meta("instance-id"), text("none"), "malformed"),
        (meta("network/interfaces/macs/"), Reply::Html, "malformed"),
        (meta("network/interfaces/macs/"), text(""), "malformed"),
        (of(MAC, "local-ipv4s"), Reply::Html, "malformed"),
        (of(MAC, "local-ipv4s"), Reply::Status(503), "throttled"),
        (of(MAC, "ipv6s"), Reply::Status(500), "failed"),
        (of(MAC, "subnet-id"), Reply::Status(404), "not_found"),
        (of(MAC, "subnet-id"), Reply::Html, "malformed"),
        (of(MAC, "device-number"), text("first"), "malformed"),
    ] {
        let gap = gap(with(path.clone(), reply)).await;
        assert_eq!(gap.reason(), reason, "{path}: {gap}");
        assert!(gap.to_string().contains(&path), "{path}: {gap}");
    }
}

#[tokio::test]
async fn a_token_that_is_a_web_page_is_malformed() {
    // A captive portal answers everything with its page, without the lifetime of a token.
    let page = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>";
    let portal = Server::plain(move |_| vec![Step::write(page), Step::Close]).await;
    let gap = instance(&client(portal.address), true).await.unwrap_err().gap();
    assert_eq!(gap.reason(), "malformed", "{gap}");
    assert!(gap.to_string().contains(TOKEN), "{gap}");
}

#[tokio::test]
async fn silence_ends_wherever_it_begins() {
    for path in [TOKEN.to_owned(), meta("network/interfaces/macs/"), of(MAC, "subnet-id")] {
        let started = Instant::now();
        let gap = gap(with(path.clone(), Reply::Silence)).await;
        assert_eq!(gap.reason(), "timed_out", "{path}: {gap}");
        assert!(started.elapsed() < Duration::from_secs(5), "{path}: {:?}", started.elapsed());
    }
}

/// Where the processor time is limited, an answer may be late although the service sent it at once.
/// At most this number of requests is sent before the first answer.
#[tokio::test]
async fn four_interfaces_and_eight_associations_are_asked_about_at_a_time() {
    let macs: Vec<String> = (1..=5).map(|number| format!("06:00:00:00:01:{number:02x}")).collect();
    let mut script = plain();
    script.insert(meta("network/interfaces/macs/"), text(&macs.join("\n")));
    for (number, mac) in (0..).zip(&macs) {
        script.extend(interface(mac, number, "172.31.16.10"));
        script.insert(of(mac, "subnet-id"), Reply::Silence);
    }
    let imds = FakeImds::start(script).await;
    assert_eq!(look_at(imds.address).await.unwrap_err().gap().reason(), "timed_out");
    let asked = macs.iter().filter(|mac| imds.requests().iter().any(|request| request.contains(mac.as_str())));
    assert_eq!(asked.count(), 4);

    let public: Vec<String> = (1..=9).map(|number| format!("198.51.100.{number}")).collect();
    let mut script = plain();
    script.extend(interface(MAC, 0, "172.31.16.10\n172.31.16.11"));
    script.insert(of(MAC, "public-ipv4s"), text(&public.join("\n")));
    script.extend(public.iter().map(|address| (of(MAC, &format!("ipv4-associations/{address}")), Reply::Silence)));
    let imds = FakeImds::start(script).await;
    assert_eq!(look_at(imds.address).await.unwrap_err().gap().reason(), "timed_out");
    let asked =
        public.iter().filter(|address| imds.requests().iter().any(|request| request.ends_with(address.as_str())));
    assert_eq!(asked.count(), 8);
}

#[tokio::test]
async fn an_attribute_that_is_late_once_does_not_lose_the_instance() {
    let late = Reply::SilenceFirst(Arc::default(), "subnet-00".to_owned());
    assert_eq!(look(with(of(MAC, "subnet-id"), late)).await.unwrap().interfaces[0].subnet.as_str(), "subnet-00");
}

#[tokio::test]
async fn a_refused_connection_is_unreachable_at_once() {
    let gap = instance(&client(closed_port()), true).await.unwrap_err().gap();
    assert_eq!(gap.reason(), "unreachable", "{gap}");
    assert!(gap.to_string().contains("refused"), "{gap}");
}

#[tokio::test]
async fn an_unknown_zone_does_not_lose_the_instance() {
    let seen = look(with(meta("placement/availability-zone"), Reply::Status(404))).await.unwrap();
    assert_eq!(seen.availability_zone.gap().unwrap().reason(), "not_found");
}
