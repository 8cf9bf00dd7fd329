//! The status page as text: its content in every state, and that it escapes text from outside.

use crate::common::scenario;
use onnet_core::{
    model::{Report, Source, Status, SubnetId, Timestamp, VpcId},
    present::status_page,
};
use std::time::Duration;

fn page_of(report: Option<Report>) -> String {
    let (status, now) = crate::page::status(report);
    status_page(&status, now)
}

fn page_with(name: &str, change: impl FnOnce(&mut Status, &mut Timestamp)) -> String {
    let (mut status, mut now) = crate::page::status(Some(scenario(name)));
    change(&mut status, &mut now);
    status_page(&status, now)
}

const ON_NET: &str = "gateway_endpoint_carries_the_whole_list";

#[test]
fn every_state_brings_all_it_needs_and_nothing_from_elsewhere() {
    for (name, page) in crate::page::pages() {
        assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{name}");
        assert_eq!(page.matches("<h1").count(), 1, "{name}");
        assert!(page.contains("<meta http-equiv=\"refresh\""), "{name}");
        assert!(page.contains("name=\"viewport\""), "{name}");
        for foreign in
            ["<script", "<link rel=\"stylesheet", "@import", "src=", " onload", " onclick", "javascript:", "url("]
        {
            assert!(!page.contains(foreign), "{name} has {foreign}");
        }
        // The name of SVG's namespace is not an address that a browser opens.
        let elsewhere = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!elsewhere.contains("http://") && !elsewhere.contains("https://"), "{name}");
        assert!(
            !page.contains("the internet,") && !page.contains("over the internet"),
            "{name}: AWS says it is not so"
        );
    }
}

#[test]
fn the_answer_comes_first_then_the_path_then_what_to_do() {
    for (name, world) in crate::page::STATES {
        let Some(world) = world else { continue };
        let report = scenario(world);
        let page = page_of(Some(report.clone()));
        let at = |what: &str| page.find(what).unwrap_or_else(|| panic!("{name}: no {what}"));
        let places =
            [at("id=\"answer\""), at("id=\"path\""), at("id=\"do\""), at("id=\"changes\""), at("id=\"sources\"")];
        assert!(places.is_sorted(), "{name}: {places:?}");
        for finding in &report.findings {
            assert!(page.contains(&format!("<code>{}</code>", finding.code)), "{name}: {}", finding.code);
        }
        if let Some(instance) = &report.instance {
            let ids = [
                Some(instance.id.as_str()),
                instance.vpc.as_ref().map(VpcId::as_str),
                instance.subnet.as_ref().map(SubnetId::as_str),
            ];
            for id in ids.into_iter().flatten() {
                assert!(page.contains(id), "{name}: {id}");
            }
        }
    }
}

#[test]
fn the_picture_reads_from_the_instance_to_dynamodb() {
    for (world, text) in [
        (
            "endpoint_without_route_tables_carries_nothing",
            "Instance i-0a ens5 172.31.16.10 eni-0a Subnet subnet-0a VPC vpc-0a Region us-east-1 \
             Route table rtb-main the VPC's main route table 0.0.0.0/0 → igw-0a \
             Gateway endpoint vpce-0d no association with this route table \
             Internet gateway igw-0a taken DynamoDB dynamodb.us-east-1.amazonaws.com 52.94.0.10",
        ),
        (
            "no_route_drops",
            "Instance i-0a ens5 172.31.16.10 eni-0a Subnet subnet-0a VPC vpc-0a Region us-east-1 \
             Route table rtb-main the VPC's main route table no route matches 52.94.0.10 \
             VPC endpoint absent: the VPC has none for DynamoDB \
             dropped DynamoDB dynamodb.us-east-1.amazonaws.com 52.94.0.10",
        ),
    ] {
        assert_eq!(crate::shown::picture(&page_of(Some(scenario(world)))), text);
    }
}

#[test]
fn what_comes_from_outside_stays_text() {
    let hostile = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}'\"&";
    for (name, world) in crate::page::STATES {
        let Some(world) = world else { continue };
        let json = serde_json::to_string(&scenario(world)).unwrap();
        // An id is of printable ASCII, or the report is not read.
        let of_ids = hostile.replace(['\u{202e}', ' '], "");
        let [hostile, of_ids] = [hostile, &of_ids].map(|text| serde_json::to_string(text).unwrap());
        let mut json = json;
        for id in ["vpce-0d", "igw-0a", "rtb-main", "i-0a", "subnet-0a", "vpc-0a", "nat-gone"] {
            json = json.replace(id, of_ids.trim_matches('"'));
        }
        for text in ["ens5", "proxy.corp:3128", "us-east-1"] {
            json = json.replace(text, hostile.trim_matches('"'));
        }
        let report: Report = serde_json::from_str(&json).unwrap();
        let page = page_of(Some(report));
        for broken_out in ["<script", "<img", "</title><s", "\u{202e}"] {
            assert!(!page.contains(broken_out), "{name} lets {broken_out} through");
        }
        assert_eq!(page.contains("&lt;script&gt;"), name != "not-on-ec2", "{name}: the ids are in it");
    }
}

#[test]
fn a_report_that_is_old_says_so() {
    let page = page_with(ON_NET, |_, now| *now = now.plus(Duration::from_secs(600)));
    assert!(page.contains("This is 10 min old."), "{page}");
    assert!(!page_with(ON_NET, |_, _| ()).contains("role=\"alert\""));
}

#[test]
fn a_throttled_source_says_until_when_it_is_backed_off() {
    let page = page_with(ON_NET, |status, now| {
        let ec2 = status.sources[Source::Ec2].as_mut().unwrap();
        ec2.backing_off_until = Some(now.plus(Duration::from_secs(300)));
    });
    assert!(page.contains("throttled, backed off until"), "{page}");
}

#[test]
fn in_the_first_moments_it_says_what_it_waits_for() {
    let page = page_of(None);
    for source in ["instance metadata", "name servers", "kernel routes", "EC2 API"] {
        assert!(page.contains(source), "{source}");
    }
    assert!(page.contains("<title>starting · onnet</title>"), "{page}");
}
