//! Every fault of every service of the lab, and the result of `onnet check`: one named gap or failure, within the deadline, and
//! never `on_net` where a relevant fact is hidden.

#![allow(clippy::wildcard_enum_match_arm, reason = "a fault that the table leaves out has no expectation, and fails")]

use crate::{
    ONNET,
    lab::{Fault, Lab, Mode, Service, World},
};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::{path::Path, time::Duration};

const DEADLINE: Duration = Duration::from_secs(5);
/// Additional time to start the process and print the report, on a busy machine.
const SLACK: Duration = Duration::from_secs(3);

/// The required result of a fault.
struct Expected {
    outcome: &'static str,
    sign: Sign,
}

/// How the report names the fault.
enum Sign {
    /// It has no effect on the requests of `check`.
    None,
    /// The fact at this path of the snapshot is missing, for one of these reasons.
    Gap(&'static str, &'static [&'static str]),
    /// The probe ended with this result.
    Probe(&'static str),
    /// The report has this finding.
    Finding(&'static str),
}

const fn gap(outcome: &'static str, at: &'static str, reason: &'static [&'static str]) -> Option<Expected> {
    Some(Expected { outcome, sign: Sign::Gap(at, reason) })
}

const fn probe(outcome: &'static str, result: &'static str) -> Option<Expected> {
    Some(Expected { outcome, sign: Sign::Probe(result) })
}

/// The table. A pair without an entry fails.
fn expected(service: Service, fault: Fault) -> Option<Expected> {
    match service {
        Service::Imds => imds(fault),
        Service::Dns => dns(fault),
        Service::Ec2 => ec2(fault),
        // `check` does not use STS.
        Service::Sts => Some(Expected { outcome: "on_net", sign: Sign::None }),
        Service::DynamoDb => dynamodb(fault),
    }
}

/// Without metadata the VPC and the credentials of the instance are not known.
fn imds(fault: Fault) -> Option<Expected> {
    let unknown = |reason| gap("undetermined", "/instance", reason);
    match fault {
        Fault::Silence | Fault::SlowAnswer | Fault::SlowBody | Fault::HopLimit => unknown(&["timed_out"]),
        Fault::Refuse => unknown(&["unreachable"]),
        // The SDK requests another token and retries after a random pause: the deadline may come first.
        Fault::Unauthorized => unknown(&["denied", "timed_out"]),
        Fault::Forbidden | Fault::Disabled => unknown(&["denied"]),
        Fault::NotFound => unknown(&["disabled"]),
        Fault::Unavailable => unknown(&["throttled"]),
        Fault::Truncate => unknown(&["unreachable"]),
        Fault::Html => unknown(&["malformed"]),
        Fault::EndlessBody => unknown(&["over_limit"]),
        Fault::EndlessHead | Fault::EndlessExtension => unknown(&["unreachable"]),
        Fault::EndlessInterim | Fault::Drip => unknown(&["timed_out"]),
        _ => None,
    }
}

const IPV4: &str = "/resolutions/dynamodb.us-east-1.amazonaws.com/ipv4";

fn dns(fault: Fault) -> Option<Expected> {
    match fault {
        Fault::Silence | Fault::SlowAnswer => gap("undetermined", IPV4, &["timed_out"]),
        // The resolver is not notified of a closed UDP port.
        Fault::Refuse => gap("undetermined", IPV4, &["timed_out"]),
        Fault::Servfail => gap("undetermined", IPV4, &["failed"]),
        Fault::Nxdomain => gap("undetermined", IPV4, &["not_found"]),
        Fault::Nodata => Some(Expected { outcome: "undetermined", sign: Sign::Finding("name-not-resolved") }),
        Fault::CnameLoop => gap("undetermined", IPV4, &["malformed"]),
        Fault::Malformed => gap("undetermined", IPV4, &["malformed"]),
        Fault::SixtyAddresses | Fault::CutOff => Some(Expected { outcome: "on_net", sign: Sign::None }),
        Fault::CutOffForGood => gap("undetermined", IPV4, &["timed_out"]),
        _ => None,
    }
}

const TABLES: &str = "/vpc/route_tables";

fn ec2(fault: Fault) -> Option<Expected> {
    let unknown = |reason| gap("undetermined", TABLES, reason);
    match fault {
        Fault::Silence | Fault::TlsSilence | Fault::SlowTls | Fault::SlowAnswer | Fault::SlowBody => {
            unknown(&["timed_out"])
        }
        Fault::Refuse | Fault::Truncate => unknown(&["unreachable"]),
        Fault::WrongCertificate | Fault::ExpiredCertificate | Fault::UntrustedAuthority => unknown(&["unreachable"]),
        // Error pages without a code of EC2: the sender was not IAM.
        Fault::Unauthorized | Fault::Forbidden | Fault::NotFound | Fault::Unavailable => unknown(&["failed"]),
        Fault::Throttle => unknown(&["throttled"]),
        Fault::Denied => unknown(&["denied"]),
        Fault::BadCredentials => unknown(&["credentials"]),
        Fault::Html => unknown(&["malformed"]),
        Fault::Garbage => unknown(&["truncated"]),
        // Smaller pages are requested: on a busy machine the deadline may come first.
        Fault::EndlessBody => unknown(&["over_limit", "timed_out"]),
        Fault::EndlessHead | Fault::EndlessExtension => unknown(&["unreachable"]),
        Fault::EndlessInterim | Fault::Drip => unknown(&["timed_out"]),
        _ => None,
    }
}

/// The configuration is on-net all the time; with a probe that does not reach DynamoDB the outcome is at risk.
fn dynamodb(fault: Fault) -> Option<Expected> {
    match fault {
        Fault::Silence | Fault::SlowAnswer => probe("at_risk", "wait_timeout"),
        Fault::Refuse => probe("at_risk", "connect_refused"),
        Fault::TlsSilence | Fault::SlowTls => probe("at_risk", "tls_timeout"),
        Fault::SlowBody => probe("at_risk", "receive_timeout"),
        Fault::WrongCertificate | Fault::ExpiredCertificate | Fault::UntrustedAuthority => {
            probe("at_risk", "tls_certificate")
        }
        // Error pages without a code or request id of DynamoDB.
        Fault::Unauthorized | Fault::Forbidden | Fault::NotFound | Fault::Unavailable => {
            probe("at_risk", "unexpected_answer")
        }
        Fault::Throttle => probe("on_net", "throttled"),
        Fault::InternalError => probe("on_net", "http_5xx"),
        Fault::Validation => probe("on_net", "http_4xx"),
        Fault::Denied => probe("on_net", "access_denied"),
        // As the EC2 API has it, the endpoint's policy allows everything.
        Fault::EndpointPolicy => probe("undetermined", "access_denied"),
        Fault::BadCredentials => probe("on_net", "credentials"),
        Fault::Truncate => probe("at_risk", "connection_closed"),
        Fault::Html | Fault::Garbage | Fault::EndlessBody | Fault::EndlessInterim => {
            probe("at_risk", "unexpected_answer")
        }
        Fault::EndlessHead | Fault::EndlessExtension => probe("at_risk", "malformed"),
        Fault::Drip => probe("at_risk", "receive_timeout"),
        _ => None,
    }
}

pub(crate) fn trials(namespaces: bool) -> Vec<Trial> {
    let mode = if namespaces { Mode::Namespaces } else { Mode::Loopback };
    let pairs = Service::ALL.into_iter().flat_map(|service| service.faults().map(move |fault| (service, fault)));
    let trial = |(service, fault): (Service, Fault)| {
        let name = format!("{}::{}::{}", mode.name(), service.name(), fault.name());
        Trial::test(name, move || one_fault(mode, service, fault))
    };
    pairs.map(trial).collect()
}

fn one_fault(mode: Mode, service: Service, fault: Fault) -> Result<(), Failed> {
    let expected = expected(service, fault).ok_or("this fault has no expectation yet")?;
    let lab = Lab::start(World::on_net(), mode)?;
    lab.set_fault(service, Some(fault));

    let deadline = format!("{}s", DEADLINE.as_secs());
    let ran = lab.onnet(Path::new(ONNET), &["check", "--format", "json", "--timeout", &deadline])?;

    let report: Value = serde_json::from_str(&ran.stdout).map_err(|error| format!("{error}: {ran:?}"))?;
    assert!(ran.took < DEADLINE + SLACK, "took {:?}", ran.took);
    assert_eq!(report["outcome"], expected.outcome, "the outcome; the report is\n{}", brief(&report));
    match expected.sign {
        Sign::None => {}
        Sign::Gap(at, reason) => {
            let fact = report["snapshot"].pointer(at).ok_or_else(|| format!("the snapshot has no {at}"))?;
            let said = fact["unseen"]["reason"].as_str().unwrap_or("nothing");
            assert!(reason.contains(&said), "{at} is missing for {said} instead of {reason:?}: {fact}");
        }
        Sign::Probe(result) => {
            let results: Vec<&Value> =
                report["probes"].as_array().unwrap().iter().map(|probe| &probe["result"]).collect();
            assert_eq!(results, [result], "the probes' results: {}", report["probes"]);
        }
        Sign::Finding(code) => {
            let found = report["findings"].as_array().unwrap().iter().any(|finding| finding["code"] == code);
            assert!(found, "no finding {code}: {}", report["findings"]);
        }
    }
    Ok(())
}

/// The parts of the report that a reader needs first.
fn brief(report: &Value) -> String {
    let mut text = format!("{}\n", report["summary"]);
    for finding in report["findings"].as_array().into_iter().flatten() {
        text += &format!("  {} {}\n", finding["code"], finding["message"]);
    }
    text + &format!("  probes {}", report["probes"])
}
