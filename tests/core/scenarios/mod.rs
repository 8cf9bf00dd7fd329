//! The scenarios: small networks, each with the required conclusions.
//!
//! Each `*.yaml` file of this folder has the scenarios of one topic. A scenario changes the world of `base.yaml`, an
//! instance whose DynamoDB traffic goes through a gateway endpoint, and states what the report must have:
//!
//! ```yaml
//! static_slash_23_takes_half_of_an_entry:
//!   why: The address in use is in the other half. On-net today, not with the next DNS answer.
//!   source: https://docs.aws.amazon.com/vpc/latest/userguide/route-tables-priority.html   # optional
//!   routes: [52.94.2.0/23 -> nat-0b]
//!   expect:
//!     outcome: at_risk
//!     findings: [warning partly-diverted]
//!     addresses: [52.94.0.10 on-net via gateway_endpoint vpce-0d]
//! ```
//!
//! **The VPC**
//! - `routes`: changes to the table rtb-main. `DESTINATION -> TARGET` adds a route, or replaces the base world's route
//!   with this destination; `no DESTINATION` removes it. The prefix of the target's id determines its kind; others are
//!   `local`, a core network's ARN, and `FIELD=VALUE` for a field this build does not know. After the target:
//!   `propagated`, `advertised` (by a Route Server), `created_with_table`, `blackhole`, `undocumented STATE`, `stateless` (the API names no state).
//! - `tables`: all route tables, `{id, vpc, owner, associations, routes}`. A table of the base world keeps what is not given, and
//!   `routes` are changes to its own. Associations are `main`, `subnet-…` and `igw-…`, then `changing` or `gone`.
//! - `endpoints`: all VPC endpoints, `{id, type, vpc, service, state, owner, route_tables, interfaces, policy}`. An endpoint of the base
//!   world keeps what is not given; another is an available one for DynamoDB. Interfaces are `eni-… ADDRESS`.
//! - `endpoint_interfaces`, `dynamodb_lists`: the interfaces where `endpoints` does not give them; DynamoDB's list ids.
//! - `prefix_lists`: by id, `{name, entries}`.
//! - `gates`: what was read for `--gates`; `{}` lets everything through. `security_groups`: by id, rules like `443 -> pl-02cd2c6b`;
//!   `network_acls`: by id, `{subnets, out, in}` with rules like `100 allow 443 0.0.0.0/0`; `subnets`: by id, `{zone, public_access,
//!   firewall}`; `exclusions`: by id, `subnet-0a allow-egress create-complete`; `nat_gateways`: by id, `public available us-east-1a`, or
//!   `regional` instead of the zone, then its appliances, and another VPC; `dns`: by VPC, `support hostnames`.
//! - `shared`: the facts of the VPC come from a table, `{publisher, account, signed, period, subnets, refused}`.
//!
//! **The instance**
//! - `instance`, `{id, region, zone}`; `region`: the Region of the names.
//! - `interfaces`: all network interfaces, `{id, mac, number, subnet, vpc, owner, addresses, subnet_ranges, groups, public}`, where
//!   `public` maps private to public addresses. An interface of the base world keeps what is not given.
//! - `names`: all names that depend on no account, as `regional HOST` or `custom URL`, then `(not in use)`.
//! - `account_name`: `account_based HOST`, or `none`.
//! - `dns`: by name, the addresses, or `{ipv4, ipv6, hosts_file, c_library, cnames, servers}`. Where `c_library` is not
//!   given, it is what the hosts file has, else what the name servers answer.
//! - `devices`: by name, `{mac, kind, same_mac}`.
//! - `kernel`: by address, what `ip route get` prints (`via 172.31.16.1 dev ens5 src 172.31.16.10`), `local`, or
//!   `no route (DETAIL)`. Other addresses of `dns` get the route under `0.0.0.0/0` or `::/0`.
//!   Several next hops are joined by ` | `. `proto` and `encap` may follow.
//! - `kernel_paths`: the whole prefix list goes where `kernel` has all other addresses, except these prefixes, each with a
//!   route like those of `kernel`, or `null` where the kernel was not asked.
//! - `policies`: where rules send other programs' packets, `{rules, packets, ranges}`.
//! - `host_routes`: in snapshots of schema 1, instead of `kernel_paths`, as `ip route show` prints them (`52.94.0.0/16 via 172.31.16.1 dev ens5 table 254`).
//! - `proxies`: by variable, `{proxy, applies_to, applies_for}`. `assumed_interface`: what `--interface` names.
//!   `actions`: what `--action` names.
//! - `probes`: all probes, `{kind, hostname, address, local, result, phases, failed_in, detail, testimony, request_id}`.
//!   Each is the base world's probe with these changes.
//! - `statements`: what DynamoDB says of requests, as `QUESTION ANSWER`: the question is `vpc`, `from`, `endpoint` or `direct`, the
//!   answer `yes`, `no`, `endpoint_policy`, `table_exists`, `other_policy:KIND` or `failed:RESULT`. Then `about SUBJECT`, `at ADDRESS`,
//!   `from LOCAL`, `by CREDENTIALS`, `anchor SETTING` (`none` without TLS), `control unpaired`.
//!
//! **Everywhere**
//! - Instead of a fact, the reason why it is missing: `denied ec2:DescribeRouteTables`, `timed out 3s`,
//!   `not tried because …`, `redirected 307 REQUEST`, `conflicting ONE, but OTHER`, `over limit 41 pages, at most 40`, or
//!   a detail after `unreachable`, `throttled`, `malformed`, `truncated`, `failed`, `credentials`, `settings`,
//!   `disabled`, `untrusted` or `not found`. `null` in a map removes an entry of the base world.
//! - A value that AWS does not document must be marked: `state: undocumented hibernating`.
//! - `observed`: `30m ago` or `in 1h`, by the keys above and `zone`, `subnet_ranges`, `public` and `hosts_file`.
//! - `merge`: a JSON merge patch to the finished snapshot, for what the language cannot express.
//!
//! `expect` needs the `outcome`, the severity and code of every finding, and the verdict on every address. It may have
//! `proof`, `decided_by` (`52.94.0.10 of HOST`, `the proxy of HOST`, `the name HOST`, `nothing`), `coverage`
//! (`5 of 6 CIDRs, 6144 of 6656 addresses`), `gates` (`closed network_acl of subnet-0a: REASON`), `ranges` (some of its ranges), `fixes` (whole commands) and `mentions` (parts
//! of findings' messages). Write `?` for a line and let the failing test print the report's own.
//!
//! Only this module builds snapshots: a change to their schema changes these files and no scenario.

mod dns;
mod expect;
mod gates;
mod host;
mod paths;
mod statements;
mod vpc;
mod words;
mod world;

pub(crate) use expect::Expect;

use onnet_core::{
    judge::judge,
    model::{Report, Snapshot},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{collections::BTreeMap, fs, sync::OnceLock};
use world::{Changes, World};

/// A world, and the required conclusions.
#[derive(Clone)]
pub(crate) struct Scenario {
    pub(crate) world: Snapshot,
    pub(crate) expect: Expect,
}

impl Scenario {
    /// The scenario of this name.
    pub(crate) fn read(name: &str) -> Self {
        all().get(name).unwrap_or_else(|| panic!("no scenario is named {name}")).clone()
    }
}

/// The report on one of the scenarios.
pub(crate) fn scenario(name: &str) -> Report {
    judge(Scenario::read(name).world)
}

/// The world that the scenarios change.
pub(crate) fn base() -> Snapshot {
    static WORLD: OnceLock<Snapshot> = OnceLock::new();
    WORLD.get_or_init(|| read_base().and_then(World::finish).unwrap_or_else(|error| panic!("{error}"))).clone()
}

/// Every scenario by name.
pub(crate) fn all() -> &'static BTreeMap<String, Scenario> {
    static ALL: OnceLock<BTreeMap<String, Scenario>> = OnceLock::new();
    ALL.get_or_init(|| read_all().unwrap_or_else(|error| panic!("{error}")))
}

const BASE: &str = "base.yaml";

fn read_base() -> Result<World, String> {
    let changes: Changes =
        from_value(yaml(BASE, include_str!("base.yaml"))?).map_err(|error| format!("{BASE}: {error}"))?;
    changes.apply(World::unknown()).map_err(|error| format!("{BASE}: {error}"))
}

fn read_all() -> Result<BTreeMap<String, Scenario>, String> {
    let base = read_base()?;
    let mut all = BTreeMap::new();
    let folder = super::below_tests("core/scenarios");
    for entry in fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if file == BASE || path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
        for (name, scenario) in read_file(&base, &file, &text)? {
            if all.insert(name.clone(), scenario).is_some() {
                return Err(format!("{file}: {name}: another scenario has this name"));
            }
        }
    }
    Ok(all)
}

/// The scenarios of one file. An error names the file, the scenario and the key.
fn read_file(base: &World, file: &str, text: &str) -> Result<Vec<(String, Scenario)>, String> {
    let Value::Object(written) = yaml(file, text)? else { return Err(format!("{file}: expected scenarios by name")) };
    let read = |(name, written)| {
        let scenario = read_one(base, written).map_err(|error| format!("{file}: {name}: {error}"))?;
        Ok((name, scenario))
    };
    written.into_iter().map(read).collect()
}

/// [`read_file`] for tests of the language itself.
pub(crate) fn read_text(file: &str, text: &str) -> Result<Vec<(String, Scenario)>, String> {
    read_file(&read_base()?, file, text)
}

fn read_one(base: &World, written: Value) -> Result<Scenario, String> {
    let Value::Object(mut keys) = written else { return Err("expected `why`, changes, and `expect`".to_owned()) };
    for (key, needed) in [("why", true), ("source", false)] {
        match keys.remove(key) {
            Some(Value::String(text)) if !text.is_empty() => {}
            None if !needed => {}
            Some(_) | None => return Err(format!("{key}: expected a sentence or an address")),
        }
    }
    let expect = keys.remove("expect").ok_or("expect: missing")?;
    let expect = from_value(expect).map_err(|error| format!("expect: {error}"))?;
    let changes: Changes = from_value(Value::Object(keys))?;
    Ok(Scenario { world: changes.apply(base.clone())?.finish()?, expect })
}

fn yaml(file: &str, text: &str) -> Result<Value, String> {
    serde_saphyr::from_str(text).map_err(|error| format!("{file}: {error}"))
}

/// Reads a value; an error starts with the path of the key.
fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().to_string().as_str() {
        "." => error.inner().to_string(),
        path => format!("{path}: {}", error.inner()),
    })
}
