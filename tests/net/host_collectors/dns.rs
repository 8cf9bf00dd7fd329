use crate::{fakes::dns::*, over_limit::is_reported_of_name};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::RecordType,
};
use onnet::{
    model::Resolution,
    observe::dns::{Dns, HostsFile},
};
use std::{net::SocketAddr, path::Path, time::Duration};
use tokio::{net::UdpSocket, time::Instant};

const NAME: &str = "dynamodb.us-east-1.amazonaws.com";
const PATIENCE: Duration = Duration::from_millis(400);

fn no_hosts() -> HostsFile {
    HostsFile::at(Path::new("/nowhere/hosts"), Path::new("/nowhere/host.conf"))
}

async fn resolve(servers: &[SocketAddr], name: &str) -> Resolution {
    Dns::new(servers, PATIENCE, no_hosts()).unwrap().resolve(name).await.0
}

async fn resolve_with(
    answer: impl Fn(&Asked, Message) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> (Resolution, Vec<Asked>) {
    let server = FakeDns::start(answer).await;
    (resolve(&[server.address], NAME).await, server.asked())
}

/// One A record and no AAAA record, as DynamoDB's names have.
fn one_address(asked: &Asked, mut message: Message) -> Option<Vec<u8>> {
    if asked.family == RecordType::A {
        message.add_answer(record(NAME, 5, "52.94.0.10"));
    }
    bytes(message)
}

#[tokio::test]
async fn an_address_comes_with_its_ttl_and_the_other_family_is_seen_and_empty() {
    let (seen, _) = resolve_with(one_address).await;
    let ipv4 = seen.ipv4.seen().unwrap();
    assert_eq!((ipv4[0].address.to_string(), ipv4[0].ttl), ("52.94.0.10".to_owned(), 5));
    assert_eq!(seen.ipv6.seen().unwrap(), &[]);
    assert_eq!(seen.hosts_file.seen().unwrap(), &[] as &[std::net::IpAddr]);
}

#[tokio::test]
async fn one_absolute_query_a_family_and_never_the_search_list() {
    // NXDOMAIN makes a resolver use its search list, and a name of one label makes it start with the list.
    for name in [NAME, "dynamodb"] {
        let server = FakeDns::start(|_, message| code(message, ResponseCode::NXDomain)).await;
        resolve(&[server.address], name).await;
        let mut asked: Vec<_> = server.asked().into_iter().map(|asked| (asked.name, asked.family)).collect();
        asked.sort_by_key(|(_, family)| u16::from(*family));
        assert_eq!(asked, [(format!("{name}."), RecordType::A), (format!("{name}."), RecordType::AAAA)]);
    }
}

#[tokio::test]
async fn nothing_is_cached() {
    let server = FakeDns::start(one_address).await;
    let dns = Dns::new(&[server.address], PATIENCE, no_hosts()).unwrap();
    dns.resolve(NAME).await;
    dns.resolve(NAME).await;
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_not_found() {
    let (seen, _) = resolve_with(|_, message| code(message, ResponseCode::NXDomain)).await;
    assert_eq!(seen.ipv4.gap().unwrap().reason(), "not_found");
    assert!(seen.ipv4.gap().unwrap().to_string().contains(NAME));
    assert_eq!(seen.ipv6.gap().unwrap().reason(), "not_found");
}

#[tokio::test]
async fn the_families_are_apart() {
    let (seen, _) = resolve_with(|asked, message| {
        if asked.family == RecordType::A { one_address(asked, message) } else { code(message, ResponseCode::ServFail) }
    })
    .await;
    assert!(seen.ipv4.seen().is_some());
    assert_eq!(seen.ipv6.gap().unwrap().reason(), "failed");
}

#[tokio::test]
async fn an_error_code_is_a_failure_that_names_it() {
    for (answer, word) in [(ResponseCode::ServFail, "Server Failure"), (ResponseCode::Refused, "Refused")] {
        let (seen, asked) = resolve_with(move |_, message| code(message, answer)).await;
        let gap = seen.ipv4.gap().unwrap();
        assert_eq!(gap.reason(), "failed");
        assert!(gap.to_string().contains(word), "{gap}");
        assert_eq!(asked.len(), 2, "asked once a family: {asked:?}");
    }
}

#[tokio::test]
async fn silence_times_out_within_its_patience() {
    let started = Instant::now();
    let (seen, _) = resolve_with(|_, _| None).await;
    assert_eq!(seen.ipv4.gap().unwrap().reason(), "timed_out");
    assert!(started.elapsed() >= PATIENCE && started.elapsed() < 3 * PATIENCE, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let seen = resolve(&[address], NAME).await;
    let gap = seen.ipv4.gap().unwrap();
    // An unconnected UDP socket is not notified of the refusal, so it looks like silence.
    assert!(["unreachable", "timed_out"].contains(&gap.reason()), "{gap}");
}

#[tokio::test]
async fn a_packet_that_is_no_dns_is_malformed() {
    let (seen, _) = resolve_with(|_, message| {
        let mut bytes = message.to_vec().unwrap();
        bytes.truncate(14);
        Some(bytes)
    })
    .await;
    assert_eq!(seen.ipv4.gap().unwrap().reason(), "malformed");
}

#[tokio::test]
async fn a_cname_chain_is_kept_in_order() {
    let (seen, asked) = resolve_with(|asked, mut message| {
        message.add_answer(cname(NAME, "one.example"));
        message.add_answer(cname("one.example", "two.example"));
        if asked.family == RecordType::A {
            message.add_answer(record("two.example", 5, "52.94.0.10"));
        }
        bytes(message)
    })
    .await;
    assert_eq!(seen.cnames, ["one.example", "two.example"]);
    assert_eq!(seen.ipv4.seen().unwrap()[0].address.to_string(), "52.94.0.10");
    assert_eq!(seen.ipv6.seen().unwrap(), &[], "a chain to a name without such a record");
    assert_eq!(asked.len(), 2, "{asked:?}");
}

#[tokio::test]
async fn a_cname_loop_is_malformed_and_ends() {
    let (seen, asked) = resolve_with(|_, mut message| {
        message.add_answer(cname(NAME, "one.example"));
        message.add_answer(cname("one.example", NAME));
        bytes(message)
    })
    .await;
    let gap = seen.ipv4.gap().unwrap();
    assert_eq!(gap.reason(), "malformed");
    assert!(gap.to_string().contains("comes back"), "{gap}");
    assert_eq!(asked.len(), 2, "{asked:?}");
}

#[tokio::test]
async fn a_chain_to_a_name_that_does_not_exist_is_not_found() {
    let (seen, _) = resolve_with(|_, mut message| {
        message.add_answer(cname(NAME, "gone.example"));
        code(message, ResponseCode::NXDomain)
    })
    .await;
    let gap = seen.ipv4.gap().unwrap();
    assert_eq!(gap.reason(), "not_found");
    assert!(gap.to_string().contains("gone.example"), "{gap}");
}

#[tokio::test]
async fn another_names_address_in_the_answer_is_not_ours() {
    let (seen, _) = resolve_with(|_, mut message| {
        message.add_answer(record("other.example", 5, "198.51.100.1"));
        bytes(message)
    })
    .await;
    assert_eq!(seen.ipv4.seen().unwrap(), &[]);
}

#[tokio::test]
async fn sixty_addresses_come_by_tcp_and_all_of_them() {
    let (seen, asked) = resolve_with(|asked, mut message| {
        if asked.family == RecordType::A {
            if asked.tcp {
                message.add_answers((1..=60).map(|n| record(NAME, 5, &format!("52.94.0.{n}"))));
            } else {
                message.metadata.truncation = true;
            }
        }
        bytes(message)
    })
    .await;
    assert_eq!(seen.ipv4.seen().unwrap().len(), 60);
    assert_eq!(asked.iter().filter(|asked| asked.tcp).count(), 1, "{asked:?}");
}

#[tokio::test]
async fn the_second_server_is_asked_where_the_first_fails_and_only_there() {
    let good = FakeDns::start(one_address).await;
    let silent = FakeDns::start(|_, _| None).await;
    let failing = FakeDns::start(|_, message| code(message, ResponseCode::ServFail)).await;
    for first in [&silent, &failing] {
        let seen = resolve(&[first.address, good.address], NAME).await;
        assert_eq!(seen.ipv4.seen().unwrap()[0].address.to_string(), "52.94.0.10");
        assert_eq!(seen.servers, [first.address, good.address]);
    }
    let never = FakeDns::start(one_address).await;
    let unknowing = FakeDns::start(|_, message| code(message, ResponseCode::NXDomain)).await;
    let seen = resolve(&[unknowing.address, never.address], NAME).await;
    assert_eq!(seen.ipv4.gap().unwrap().reason(), "not_found");
    assert_eq!(never.asked(), []);
}

#[tokio::test]
async fn an_address_resolves_to_itself_without_a_query() {
    let server = FakeDns::start(one_address).await;
    let seen = resolve(&[server.address], "10.0.0.7").await;
    assert_eq!(seen.ipv4.seen().unwrap()[0].address.to_string(), "10.0.0.7");
    assert_eq!(seen.ipv6.seen().unwrap(), &[]);
    let seen = resolve(&[server.address], "2001:db8::7").await;
    assert_eq!(seen.ipv6.seen().unwrap()[0].address.to_string(), "2001:db8::7");
    assert_eq!(server.asked(), []);
}

#[tokio::test]
async fn an_invalid_name_is_malformed_without_a_query() {
    let server = FakeDns::start(one_address).await;
    for name in ["", "a..b", &"x".repeat(300)] {
        let seen = resolve(&[server.address], name).await;
        assert_eq!(seen.ipv4.gap().map(|gap| gap.reason()), Some("malformed"), "{name:?}");
    }
    assert_eq!(server.asked(), []);
}

/// An answer that fits only into TCP.
async fn resolve_long(answer: impl Fn(&Asked, &mut Message) + Send + Sync + 'static) -> Resolution {
    let server = FakeDns::start(move |asked, mut message| {
        if asked.tcp {
            answer(asked, &mut message);
        } else {
            message.metadata.truncation = true;
        }
        bytes(message)
    })
    .await;
    // The limits are tested, however long a busy machine takes for such an answer.
    let patience = std::time::Duration::from_secs(60);
    Dns::new(&[server.address], patience, no_hosts()).unwrap().resolve(NAME).await.0
}

/// A chain of this number of CNAMEs to an address.
fn chain_of(length: u16) -> impl Fn(&Asked, &mut Message) + Send + Sync + 'static {
    move |asked, message| {
        let name = |at: u16| if at == 0 { NAME.to_owned() } else { format!("{at}.") };
        message.add_answers((0..length).map(|at| cname(&name(at), &name(at + 1))));
        if asked.family == RecordType::A {
            message.add_answer(record(&name(length), 5, "52.94.0.10"));
        }
    }
}

#[tokio::test]
async fn sixteen_cnames_are_followed_and_no_more() {
    let seen = resolve_long(chain_of(16)).await;
    assert_eq!(seen.ipv4.seen().unwrap()[0].address.to_string(), "52.94.0.10");
    assert_eq!(seen.cnames.len(), 16);
    let seen = resolve_long(chain_of(17)).await;
    let gap = seen.ipv4.gap().cloned().unwrap();
    assert!(gap.to_string().contains(&format!("17 CNAMEs for {NAME}")), "{gap}");
    is_reported_of_name(NAME, seen, &gap);
}

/// Runs another task on this thread beside `work`. Returns how many turns that task had.
async fn turns_beside<T>(work: impl Future<Output = T>) -> (T, usize) {
    let mut turns = 0;
    let others = async {
        loop {
            turns += 1;
            tokio::task::yield_now().await;
        }
    };
    let result = tokio::select! {
        biased;
        () = others => unreachable!(),
        result = work => result,
    };
    (result, turns)
}

#[tokio::test]
async fn the_longest_answer_leaves_the_thread_to_others() {
    // 64 KiB of records, in the order with the highest cost.
    const RECORDS: u16 = 2_500;
    let (seen, turns) = turns_beside(resolve_long(chain_of(RECORDS))).await;
    assert_eq!(seen.ipv4.gap().unwrap().reason(), "over_limit");
    let records_compared = 2 * 17 * usize::from(RECORDS);
    assert!(turns >= records_compared / 1_024, "{turns} turns for {records_compared} records");
}

/// `10.0.0.1` and so on, all of `NAME`.
fn addresses_of(count: u16) -> impl Fn(&Asked, &mut Message) + Send + Sync + 'static {
    move |asked, message| {
        let address = |n: u16| match asked.family {
            RecordType::A => format!("10.0.{}.{}", n / 256, n % 256),
            _ => format!("2001:db8::{n:x}"),
        };
        message.add_answers((0..count).map(|n| record(NAME, 5, &address(n))));
    }
}

#[tokio::test]
async fn the_first_256_addresses_are_kept_and_a_gap_says_so() {
    let seen = resolve_long(addresses_of(128)).await;
    assert_eq!((seen.ipv4.seen().unwrap().len(), seen.ipv6.seen().unwrap().len()), (128, 128));
    assert_eq!(seen.left_out, None);
    let seen = resolve_long(addresses_of(129)).await;
    assert_eq!((seen.ipv4.seen().unwrap().len(), seen.ipv6.seen().unwrap().len()), (129, 127));
    assert_eq!(seen.ipv4.seen().unwrap()[128].address.to_string(), "10.0.0.128");
    let gap = seen.left_out.clone().unwrap();
    assert!(gap.to_string().contains("258 addresses of dynamodb"), "{gap}");
    is_reported_of_name(NAME, seen, &gap);
}

#[tokio::test]
async fn an_address_that_comes_twice_counts_once() {
    let (seen, _) = resolve_with(|asked, mut message| {
        if asked.family == RecordType::A {
            message.add_answers((0..20).map(|n| record(NAME, n, "52.94.0.10")));
        }
        bytes(message)
    })
    .await;
    assert_eq!(seen.ipv4.seen().unwrap().len(), 1);
}
