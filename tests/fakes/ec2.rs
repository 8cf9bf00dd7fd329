//! EC2 as it answers when all is well, except for what a test replaces.

use super::{
    fixtures::{
        ACLS, DNS_HOSTNAMES, DNS_SUPPORT, ENDPOINTS, ENTRIES, EXCLUSIONS, GROUPS, INTERFACES, LISTS, NAT_GATEWAYS,
        SUBNETS, TABLES,
    },
    http::Request,
    server::{Server, Step, answer},
};
use std::collections::BTreeMap;

pub const XML: &str = "text/xml;charset=UTF-8";

/// EC2 as it answers when all is well, except for what a test replaces.
#[derive(Clone)]
pub struct Ec2 {
    answers: BTreeMap<&'static str, Vec<Step>>,
}

pub fn good(action: &str, set: &str) -> Vec<Step> {
    answer(200, XML, &document(action, set))
}

pub fn document(action: &str, set: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response \
         xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>R</requestId>{set}</{action}Response>"
    )
}

pub fn refusal(status: u16, code: &str) -> Vec<Step> {
    let body = format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>because</Message></Error></Errors>\
         <RequestID>R</RequestID></Response>"
    );
    answer(status, XML, &body)
}

impl Ec2 {
    pub fn new() -> Self {
        let sets = [
            ("DescribeRouteTables", TABLES),
            ("DescribeVpcEndpoints", ENDPOINTS),
            ("DescribePrefixLists", LISTS),
            ("GetManagedPrefixListEntries", ENTRIES),
            ("DescribeNetworkInterfaces", INTERFACES),
            ("DescribeSubnets", SUBNETS),
            ("DescribeSecurityGroups", GROUPS),
            ("DescribeNetworkAcls", ACLS),
            ("DescribeVpcBlockPublicAccessExclusions", EXCLUSIONS),
            ("DescribeNatGateways", NAT_GATEWAYS),
            ("DescribeVpcAttribute enableDnsSupport", DNS_SUPPORT),
            ("DescribeVpcAttribute enableDnsHostnames", DNS_HOSTNAMES),
        ];
        let ec2 = Self { answers: BTreeMap::new() };
        sets.into_iter().fold(ec2, |ec2, (action, set)| ec2.with_set(action, set))
    }

    pub fn with(mut self, action: &'static str, steps: Vec<Step>) -> Self {
        self.answers.insert(action, steps);
        self
    }

    /// The action may be followed by the attribute that is asked for.
    pub fn with_set(self, action: &'static str, set: &str) -> Self {
        self.with(action, good(action.split(' ').next().unwrap(), set))
    }

    pub async fn start(self) -> Server {
        Server::plain(move |request| self.answer(request)).await
    }

    pub fn answer(&self, request: &Request) -> Vec<Step> {
        let action = parameter(request, "Action").unwrap();
        let of_attribute = parameter(request, "Attribute").map(|attribute| format!("{action} {attribute}"));
        self.answers
            .get(of_attribute.as_deref().unwrap_or(&action))
            .cloned()
            .unwrap_or_else(|| refusal(400, "InvalidAction"))
    }
}

pub fn parameter(request: &Request, name: &str) -> Option<String> {
    url::form_urlencoded::parse(request.body.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into())
}
