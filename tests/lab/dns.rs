//! What the VPC's resolver answers.

use super::{
    fakes::dns::{Resolver, Transport},
    faults::{Fault, Service},
    services::Shared,
    world::{EC2_IPV6, STS_IPV6, World, by_nat64},
};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME},
    },
};
use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

const TTL: u32 = 5;

impl Resolver for Shared {
    async fn answer(&self, query: Message, by: Transport) -> Option<Vec<u8>> {
        let question = query.queries.first()?;
        self.switchboard.log(Service::Dns, None, format!("{} {}", question.query_type(), question.name()));
        let fault = self.switchboard.get(Service::Dns);
        let late = if fault == Some(Fault::SlowAnswer) { self.switchboard.slowness() } else { Duration::ZERO };
        let late = late + self.switchboard.answer_delay();
        if !late.is_zero() {
            tokio::time::sleep(late).await;
        }
        self.switchboard.linger("resolve", self.switchboard.pace(Service::DynamoDb).resolve).await;
        match fault {
            Some(Fault::Silence) => return std::future::pending().await,
            Some(Fault::CutOffForGood) if by == Transport::Stream => return std::future::pending().await,
            Some(Fault::Malformed) => return Some([&query.metadata.id.to_be_bytes(), [0xff; 38].as_slice()].concat()),
            _ => {}
        }
        let (code, records) = records(&mut self.world(), question.name(), question.query_type(), fault);
        let mut message = Message::response(query.metadata.id, query.metadata.op_code);
        message.metadata.recursion_desired = query.metadata.recursion_desired;
        message.metadata.recursion_available = true;
        message.metadata.response_code = code;
        message.add_query(question.clone());
        message.add_answers(records);
        let whole = message.to_vec().ok()?;
        let cut_off = matches!(fault, Some(Fault::CutOff | Fault::CutOffForGood));
        // Without EDNS a datagram holds 512 bytes.
        match by {
            Transport::Datagram if cut_off || whole.len() > usize::from(query.max_payload().max(512)) => {
                message.truncate().to_vec().ok()
            }
            Transport::Datagram | Transport::Stream => Some(whole),
        }
    }
}

fn records(world: &mut World, name: &Name, kind: RecordType, fault: Option<Fault>) -> (ResponseCode, Vec<Record>) {
    let given = dynamodb_records(world, name);
    let dynamodb = given.is_some();
    match fault {
        Some(Fault::Servfail) => return (ResponseCode::ServFail, Vec::new()),
        Some(Fault::Nxdomain) => return (ResponseCode::NXDomain, Vec::new()),
        Some(Fault::Nodata) => return (ResponseCode::NoError, Vec::new()),
        Some(Fault::CnameLoop) => return (ResponseCode::NoError, cname_loop(name)),
        Some(Fault::SixtyAddresses) if dynamodb && kind == RecordType::A => {
            let sixty: Vec<IpAddr> = sixty(world.dynamodb_addresses[0]).collect();
            return (ResponseCode::NoError, address_records(name, kind, &sixty));
        }
        _ => {}
    }
    let mut addresses: Vec<IpAddr> = if let Some([ipv4, ipv6]) = given {
        let addresses = match world.rotate {
            // One at a time, as DynamoDB's name servers answer; the next time, the next one.
            true => {
                let now = world.dynamodb_addresses[0];
                if kind == RecordType::A {
                    world.dynamodb_addresses.rotate_left(1);
                }
                vec![now]
            }
            false => world.dynamodb_addresses.clone(),
        };
        addresses.into_iter().filter(|address| if address.is_ipv4() { ipv4 } else { ipv6 }).collect()
    } else {
        match name.to_ascii().to_ascii_lowercase() {
            host if host == format!("ec2.{}.amazonaws.com.", world.region) => vec![world.ec2_address.into()],
            host if host == format!("sts.{}.amazonaws.com.", world.region) => vec![world.sts_address.into()],
            host if host == format!("ec2-fips.{}.amazonaws.com.", world.region) => vec![world.ec2_address.into()],
            host if host == format!("ec2-fips.{}.api.aws.", world.region) => vec![world.ec2_address.into()],
            host if host == "sts.amazonaws.com." => vec![world.sts_address.into()],
            host if host == format!("ec2.{}.api.aws.", world.region) => vec![world.ec2_address.into(), EC2_IPV6.into()],
            host if host == format!("sts.{}.api.aws.", world.region) => vec![world.sts_address.into(), STS_IPV6.into()],
            host => {
                let is_it = |name: &str| host.strip_suffix('.') == Some(name);
                let of_endpoint = world.further_names.iter().find(|(name, _)| is_it(name));
                let by_wildcard = world.wildcard.filter(|(domain, _)| host.ends_with(&format!(".{domain}.")));
                match of_endpoint.and_then(|(_, address)| *address).or(by_wildcard.map(|(_, address)| address)) {
                    Some(address) => vec![address.into()],
                    None => return (ResponseCode::NXDomain, Vec::new()),
                }
            }
        }
    };
    if world.dns64() && addresses.iter().all(IpAddr::is_ipv4) {
        let translated =
            |address: &IpAddr| if let IpAddr::V4(address) = address { Some(by_nat64(*address)) } else { None };
        addresses.extend(addresses.iter().filter_map(translated).map(IpAddr::V6).collect::<Vec<_>>());
    }
    (ResponseCode::NoError, address_records(name, kind, &addresses))
}

/// Whether a name of DynamoDB's has A records, and AAAA records.
fn dynamodb_records(world: &World, name: &Name) -> Option<[bool; 2]> {
    let name = name.to_ascii().to_ascii_lowercase();
    let name = name.trim_end_matches('.');
    let ipv4 = [world.dynamodb_host(), world.account_host(), world.streams_host()];
    let dual_stack = [world.dual_stack_host(), world.dual_stack_account_host()];
    let is_further = world.further_names.iter().any(|(further, address)| further == name && address.is_none());
    if is_further {
        return Some(world.records(false));
    }
    let is_dual_stack = dual_stack.iter().any(|host| host == name);
    (is_dual_stack || ipv4.iter().any(|host| host == name)).then(|| world.records(is_dual_stack))
}

/// Sixty neighbours of an address, itself first.
pub fn sixty(first: IpAddr) -> impl Iterator<Item = IpAddr> {
    let first = match first {
        IpAddr::V4(address) => u32::from(address),
        IpAddr::V6(_) => 0,
    };
    (0..60).map(move |offset| IpAddr::V4(Ipv4Addr::from(first + offset)))
}

fn address_records(name: &Name, kind: RecordType, addresses: &[IpAddr]) -> Vec<Record> {
    let of_kind = |address: &IpAddr| match (kind, address) {
        (RecordType::A, IpAddr::V4(address)) => Some(RData::A(A(*address))),
        (RecordType::AAAA, IpAddr::V6(address)) => Some(RData::AAAA(AAAA(*address))),
        _ => None,
    };
    addresses.iter().filter_map(of_kind).map(|data| Record::from_rdata(name.clone(), TTL, data)).collect()
}

fn cname_loop(name: &Name) -> Vec<Record> {
    let Ok(other) = Name::from_ascii("loop.example.com.") else { return Vec::new() };
    let cname = |from: &Name, to: &Name| Record::from_rdata(from.clone(), TTL, RData::CNAME(CNAME(to.clone())));
    vec![cname(name, &other), cname(&other, name)]
}
