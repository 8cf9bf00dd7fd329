//! Gates against a simple reference: every address of a small prefix list, one by one.

use crate::common::scenarios::base;
use fastrand::Rng;
use ipnet::{IpNet, Ipv4Net};
use onnet_core::{
    judge::judge,
    model::{
        AclRule, EgressRule, Gap, GateFacts, GateKind, GateState, NetworkAcl, Observed, Ports, SecurityGroup, Snapshot,
    },
};
use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

const WORLDS: usize = 2_000;

/// What Linux uses by default.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32_768..=60_999;

fn list() -> IpNet {
    "52.94.0.0/24".parse().unwrap()
}

fn addresses() -> impl Iterator<Item = IpAddr> {
    (0..=255).map(|last| IpAddr::from(Ipv4Addr::new(52, 94, 0, last)))
}

/// A range that has all of the list, none of it or a part.
fn range(rng: &mut Rng) -> IpNet {
    let address = Ipv4Addr::new(52, 94, rng.u8(..2), rng.u8(..));
    IpNet::from(Ipv4Net::new(address, rng.u8(20..29)).unwrap()).trunc()
}

/// Ports around those that requests and answers use.
fn ports(rng: &mut Rng) -> Ports {
    let edges = [0, 442, 443, 444, 32_767, 32_768, 50_000, 60_999, 61_000, u16::MAX];
    let mut edge = || edges[rng.usize(..edges.len())];
    let (one, other) = (edge(), edge());
    Ports { first: one.min(other), last: one.max(other) }
}

/// The world with one range in DynamoDB's list, and these gates; no probe says otherwise.
fn world(group: SecurityGroup, acl: NetworkAcl) -> Snapshot {
    let mut world = base();
    let at = world.taken_at;
    let took = Duration::ZERO.into();
    world.probes.clear();
    let list = world.vpc.prefix_lists.values_mut().find_map(Observed::seen_mut).unwrap();
    list.entries = vec![self::list()].into();
    let mut gates = GateFacts::unseen(&Gap::not_yet());
    gates.security_groups = Observed::Seen { value: vec![group], at, took };
    gates.network_acls = Observed::Seen { value: vec![acl], at, took };
    world.vpc.gates = Some(Box::new(gates));
    world
}

fn state(snapshot: Snapshot, kind: GateKind) -> GateState {
    let report = judge(snapshot);
    let gate = report.gates.iter().find(|gate| gate.gate == kind);
    gate.unwrap_or_else(|| panic!("{:?}", report.gates)).state
}

fn open_group() -> SecurityGroup {
    let rule = EgressRule {
        ports: Ports::ALL,
        ranges: vec!["0.0.0.0/0".parse().unwrap()],
        prefix_lists: Vec::new(),
        groups: Vec::new(),
    };
    SecurityGroup { id: "sg-0a".into(), egress: vec![rule] }
}

fn acl(egress: Vec<AclRule>, ingress: Vec<AclRule>) -> NetworkAcl {
    NetworkAcl { id: "acl-0a".into(), subnets: vec!["subnet-0a".into()], egress, ingress }
}

fn open_rule() -> AclRule {
    AclRule { number: 32_000, allows: true, range: "0.0.0.0/0".parse().unwrap(), ports: Ports::ALL }
}

#[test]
fn a_security_group_is_open_where_every_address_is_let_out() {
    let mut rng = Rng::with_seed(3);
    let mut open = 0;
    for _ in 0..WORLDS {
        let rule = |rng: &mut Rng| EgressRule {
            ports: ports(rng),
            ranges: (0..rng.usize(..6)).map(|_| range(rng)).collect(),
            prefix_lists: Vec::new(),
            groups: Vec::new(),
        };
        let egress: Vec<EgressRule> = (0..rng.usize(..12)).map(|_| rule(&mut rng)).collect();
        let lets_out = |address: IpAddr| {
            let of_443 = egress.iter().filter(|rule| (rule.ports.first..=rule.ports.last).contains(&443));
            of_443.flat_map(|rule| &rule.ranges).any(|range| range.contains(&address))
        };
        let expected = if addresses().all(lets_out) { GateState::Open } else { GateState::Closed };
        open += usize::from(expected == GateState::Open);
        let group = SecurityGroup { id: "sg-0a".into(), egress: egress.clone() };
        let world = world(group, acl(vec![open_rule()], vec![open_rule()]));
        assert_eq!(state(world, GateKind::SecurityGroup), expected, "{egress:?}");
    }
    assert!(open > WORLDS / 10 && open < WORLDS * 9 / 10, "{open} of {WORLDS} are open");
}

#[test]
fn a_network_acl_is_open_where_every_request_and_every_answer_is_allowed() {
    let mut rng = Rng::with_seed(4);
    let mut open = 0;
    for _ in 0..WORLDS {
        let rules = |rng: &mut Rng| {
            let rule = |number, rng: &mut Rng| AclRule {
                number,
                allows: rng.u8(..4) > 0,
                range: range(rng),
                ports: if rng.bool() { Ports::ALL } else { ports(rng) },
            };
            let mut rules: Vec<AclRule> = (1..rng.u32(1..8)).map(|number| rule(number, rng)).collect();
            rules.extend(rng.bool().then(open_rule));
            rules
        };
        let (egress, ingress) = (rules(&mut rng), rules(&mut rng));
        let allows = |rules: &[AclRule], address: IpAddr, port: u16| {
            let first = rules
                .iter()
                .find(|rule| rule.range.contains(&address) && (rule.ports.first..=rule.ports.last).contains(&port));
            first.is_some_and(|rule| rule.allows)
        };
        // Where the rules change from one port to the next.
        let answers = [32_768, 49_999, 50_000, 50_001, 60_998, 60_999];
        assert!(answers.iter().all(|port| EPHEMERAL.contains(port)));
        let passes =
            |address| allows(&egress, address, 443) && answers.iter().all(|port| allows(&ingress, address, *port));
        let expected = if addresses().all(passes) { GateState::Open } else { GateState::Closed };
        open += usize::from(expected == GateState::Open);
        let world = world(open_group(), acl(egress.clone(), ingress.clone()));
        assert_eq!(state(world, GateKind::NetworkAcl), expected, "{egress:?}\n{ingress:?}");
    }
    assert!(open > WORLDS / 10 && open < WORLDS * 9 / 10, "{open} of {WORLDS} are open");
}

#[test]
fn an_id_that_a_shell_would_run_is_one_word_of_a_command() {
    let hostile = "a-0a;touch$IFS/tmp/x";
    let mut world = world(
        SecurityGroup { id: hostile.into(), egress: Vec::new() },
        NetworkAcl { id: hostile.into(), ..acl(Vec::new(), Vec::new()) },
    );
    let Observed::Seen { value: instance, .. } = &mut world.instance else { panic!("no instance") };
    if let Observed::Seen { value: groups, .. } = &mut instance.interfaces[0].security_groups {
        *groups = vec![hostile.into()];
    }
    let report = judge(world);
    let fixes: Vec<&String> = report.gates.iter().filter_map(|gate| gate.fix.as_ref()).collect();
    assert_eq!(fixes.len(), 2, "{:?}", report.gates);
    for fix in fixes {
        let words = shlex::split(fix).unwrap();
        assert!(words.iter().any(|word| word == hostile), "{fix}");
    }
}
