//! The tutorial of AWS's page on DynamoDB endpoints, step by step, and the required result of `onnet check` at each step.

use super::{
    Lab,
    world::{Destination, INTERNET_GATEWAY, MAIN_TABLE, Refused, Target},
};

/// One step: a change, and the required result of onnet.
pub struct Step {
    pub title: &'static str,
    pub outcome: &'static str,
    pub exit_code: i32,
    /// A finding that must be among those reported.
    pub finding: Option<&'static str>,
}

pub const STEPS: [Step; 5] = [
    Step {
        title: "The VPC before the tutorial: an internet gateway, no endpoint",
        outcome: "off_net",
        exit_code: 2,
        finding: Some("no-endpoint"),
    },
    Step {
        title: "The tutorial creates the endpoint, and answers \"RouteTableIds\": []",
        outcome: "off_net",
        exit_code: 2,
        finding: Some("endpoint-not-associated"),
    },
    Step { title: "The fix that onnet printed", outcome: "on_net", exit_code: 0, finding: None },
    Step {
        title: "A more specific route takes part of the prefix list from the endpoint",
        outcome: "at_risk",
        exit_code: 1,
        finding: Some("partly-diverted"),
    },
    Step { title: "The endpoint is deleted", outcome: "off_net", exit_code: 2, finding: Some("no-endpoint") },
];

impl Step {
    /// Makes the change of the step with this number, counted from 1. Returns the AWS CLI command for it.
    ///
    /// # Errors
    /// The change that EC2 would refuse.
    pub fn perform(number: usize, lab: &Lab) -> Result<Option<String>, Refused> {
        lab.edit(|world| {
            let endpoint = world.endpoints.first().map(|endpoint| endpoint.id.clone()).unwrap_or_default();
            Ok(match number {
                1 => None,
                2 => {
                    let service = world.dynamodb_service();
                    world.create_endpoint("Gateway", &service, &[])?;
                    Some(format!("aws ec2 create-vpc-endpoint --vpc-id {} --service-name {service}", world.vpc))
                }
                3 => {
                    world.modify_endpoint(&endpoint, &[MAIN_TABLE.to_owned()], &[])?;
                    Some(association(&endpoint, MAIN_TABLE))
                }
                4 => {
                    let [first, ..] = world.prefix_lists.iter().find(|list| list.name.ends_with(".dynamodb")).map_or(&[][..], |list| &list.cidrs) else {
                        return Ok(None);
                    };
                    // The upper half of the list's first range. The address in use is in the lower one.
                    let half = first.subnets(first.prefix_len() + 1).ok().and_then(Iterator::last).unwrap_or(*first);
                    world.create_route(MAIN_TABLE, Destination::Cidr(half), Target::gateway(INTERNET_GATEWAY))?;
                    Some(format!(
                        "aws ec2 create-route --route-table-id {MAIN_TABLE} --destination-cidr-block {half} --gateway-id {INTERNET_GATEWAY}"
                    ))
                }
                _ => {
                    world.delete_endpoint(&endpoint)?;
                    Some(format!("aws ec2 delete-vpc-endpoints --vpc-endpoint-ids {endpoint}"))
                }
            })
        })
    }

    /// The differences between this step and the report; empty if there are none.
    pub fn differences(&self, exit_code: Option<i32>, report: &serde_json::Value) -> Vec<String> {
        let mut differences = Vec::new();
        if exit_code != Some(self.exit_code) {
            differences.push(format!("exit code {exit_code:?} instead of {}", self.exit_code));
        }
        if report["outcome"] != self.outcome {
            differences.push(format!("outcome {} instead of {}", report["outcome"], self.outcome));
        }
        let findings = report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(code) = self.finding
            && !findings.iter().any(|finding| finding["code"] == code)
        {
            let codes: Vec<&str> = findings.iter().filter_map(|finding| finding["code"].as_str()).collect();
            differences.push(format!("no finding {code}, but {codes:?}"));
        }
        differences
    }
}

/// The command that associates an endpoint with a route table, as in onnet's fix.
pub fn association(endpoint: &str, table: &str) -> String {
    format!("aws ec2 modify-vpc-endpoint --vpc-endpoint-id {endpoint} --add-route-table-ids {table}")
}

/// Whether a report has exactly this command as a fix.
pub fn offers(report: &serde_json::Value, fix: &str) -> bool {
    let findings = report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    findings.iter().any(|finding| finding["fix"].as_str().is_some_and(|text| text.contains(fix)))
}
