//! The IAM policies by which DynamoDB can say how a request came.
//!
//! Variables in `Resource` need Version 2012-10-17; with an older one they are literal. A variable has no value where the request
//! did not come through a VPC endpoint, and the statement does not match then.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>

mod facts;

pub use facts::{FactsPiece, FactsRights, TableHome, facts_json, facts_pieces, facts_terraform};

use crate::model::WITNESS_TABLE;
use serde::{Serialize, Serializer};
use std::{collections::BTreeMap, fmt::Write};

/// Which policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// What the role of the instance is allowed.
    Role,
    /// What a role is denied that allows `dynamodb:*`.
    Guard,
    /// What the policy of a VPC endpoint allows.
    Endpoint,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    version: &'static str,
    statement: Vec<Statement>,
}

impl Document {
    fn of(statement: Vec<Statement>) -> Self {
        Self { version: "2012-10-17", statement }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: &'static str,
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Principal>,
    #[serde(serialize_with = "one_or_more")]
    action: Vec<&'static str>,
    resource: String,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "by_operator")]
    condition: Vec<Condition>,
}

/// Whom a statement of a resource's policy is about.
enum Principal {
    Anyone,
    /// ARNs.
    Named(Vec<String>),
}

impl Serialize for Principal {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Anyone => to.serialize_str("*"),
            Self::Named(arns) => to.collect_map([("AWS", OneOrMore(arns))]),
        }
    }
}

/// One key, and the values that it may have. No two of a statement have the same operator.
struct Condition {
    operator: &'static str,
    key: &'static str,
    values: Vec<String>,
}

fn by_operator<S: Serializer>(conditions: &[Condition], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(conditions.iter().map(|Condition { operator, key, values }| {
        let values = BTreeMap::from([(*key, OneOrMore(values))]);
        (*operator, values)
    }))
}

/// A list of one is written as its value.
struct OneOrMore<'a, T>(&'a [T]);

impl<T: Serialize> Serialize for OneOrMore<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [one] => one.serialize(to),
            more => more.serialize(to),
        }
    }
}

fn one_or_more<S: Serializer>(values: &[&'static str], to: S) -> Result<S::Ok, S::Error> {
    OneOrMore(values).serialize(to)
}

const DESCRIBE_TABLE: &str = "dynamodb:DescribeTable";

fn document(kind: PolicyKind, partition: &str) -> Document {
    let table = |name: &str| format!("arn:{partition}:dynamodb:*:*:table/{WITNESS_TABLE}.{name}");
    let statement =
        |sid, effect, name: &str, condition: Option<(&'static str, &'static str, &'static str)>| Statement {
            sid,
            effect,
            principal: None,
            action: vec![DESCRIBE_TABLE],
            resource: table(name),
            condition: condition
                .map(|(operator, key, value)| Condition { operator, key, values: vec![value.to_owned()] })
                .into_iter()
                .collect(),
        };
    let allow = |sid, name, condition| statement(sid, "Allow", name, condition);
    let deny = |sid, name, condition| statement(sid, "Deny", name, Some(condition));
    let statement = match kind {
        PolicyKind::Role => vec![
            allow("OnnetWitnessVpc", "vpc.${aws:SourceVpc}", None),
            allow("OnnetWitnessEndpoint", "endpoint.${aws:SourceVpce}", None),
            allow("OnnetWitnessFrom", "from.${aws:VpcSourceIp}", None),
            allow("OnnetWitnessDirect", "direct", Some(("Null", "aws:SourceVpce", "true"))),
        ],
        // An inverted condition matches too where its key is absent, so the last two of each pair are for credentials that are
        // not an instance's.
        PolicyKind::Guard => vec![
            deny("OnnetWitnessGuardVpc", "vpc.*", ("StringNotEquals", "aws:SourceVpc", "${aws:Ec2InstanceSourceVpc}")),
            deny("OnnetWitnessGuardVpcOutsideEc2", "vpc.*", ("Null", "aws:Ec2InstanceSourceVpc", "true")),
            deny(
                "OnnetWitnessGuardFrom",
                "from.*",
                ("StringNotEquals", "aws:VpcSourceIp", "${aws:Ec2InstanceSourcePrivateIPv4}"),
            ),
            deny("OnnetWitnessGuardFromOutsideEc2", "from.*", ("Null", "aws:Ec2InstanceSourcePrivateIPv4", "true")),
            deny("OnnetWitnessGuardDirect", "direct", ("Null", "aws:SourceVpce", "false")),
        ],
        PolicyKind::Endpoint => {
            let of_anyone = |sid, action, resource| Statement {
                sid,
                effect: "Allow",
                principal: Some(Principal::Anyone),
                action: vec![action],
                resource,
                condition: Vec::new(),
            };
            vec![
                of_anyone("OnnetWitness", DESCRIBE_TABLE, table("*")),
                of_anyone("OnnetProbe", "dynamodb:ListTables", "*".to_owned()),
            ]
        }
    };
    Document::of(statement)
}

/// The policy as the AWS CLI takes it.
pub fn policy_json(kind: PolicyKind, partition: &str) -> String {
    super::json(&document(kind, partition))
}

/// The policy as a data source of Terraform's AWS provider, which writes variables of IAM with `&`.
/// <https://registry.terraform.io/providers/hashicorp/aws/latest/docs/data-sources/iam_policy_document>
pub fn policy_terraform(kind: PolicyKind, partition: &str) -> String {
    let name = match kind {
        PolicyKind::Role => "onnet_witness",
        PolicyKind::Guard => "onnet_witness_guard",
        PolicyKind::Endpoint => "onnet_witness_endpoint",
    };
    data_source(name, document(kind, partition))
}

fn data_source(name: &str, document: Document) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace("${", "&{"));
    let list =
        |texts: &mut dyn Iterator<Item = &str>| format!("[{}]", texts.map(quoted).collect::<Vec<_>>().join(", "));
    let Document { version, statement } = document;
    let mut text = format!("data \"aws_iam_policy_document\" \"{name}\" {{\n  version = \"{version}\"\n");
    for Statement { sid, effect, principal, action, resource, condition } in statement {
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "\n  statement {{\n    sid       = \"{sid}\"\n    effect    = \"{effect}\"\n    actions   = {}\n    \
             resources = [{}]\n",
            list(&mut action.into_iter()),
            quoted(&resource)
        );
        if let Some(principal) = principal {
            let (kind, names) = match principal {
                Principal::Anyone => ("*", vec!["*".to_owned()]),
                Principal::Named(arns) => ("AWS", arns),
            };
            let _ = write!(
                text,
                "    principals {{\n      type        = \"{kind}\"\n      identifiers = {}\n    }}\n",
                list(&mut names.iter().map(String::as_str))
            );
        }
        for Condition { operator, key, values } in condition {
            let _ = write!(
                text,
                "    condition {{\n      test     = \"{operator}\"\n      variable = \"{key}\"\n      values   = {}\n    }}\n",
                list(&mut values.iter().map(String::as_str))
            );
        }
        text.push_str("  }\n");
    }
    text.push_str("}\n");
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use serde_json::Value;

    const KINDS: [PolicyKind; 3] = [PolicyKind::Role, PolicyKind::Guard, PolicyKind::Endpoint];

    /// The files that the end-to-end run asks an independent evaluator about.
    #[test]
    fn the_policies_are_those_that_were_evaluated() {
        let files = [
            include_str!("../../../tests/files/policy/role.json"),
            include_str!("../../../tests/files/policy/guard.json"),
            include_str!("../../../tests/files/policy/endpoint-policy.json"),
        ];
        for (kind, file) in KINDS.into_iter().zip(files) {
            assert_eq!(policy_json(kind, "aws"), file, "{kind:?}");
        }
    }

    #[test]
    fn no_policy_names_a_vpc_or_an_address_and_each_has_the_version_with_variables() {
        for kind in KINDS {
            let policy: Value = serde_json::from_str(&policy_json(kind, "aws-cn")).unwrap();
            assert_eq!(policy["Version"], "2012-10-17");
            for statement in policy["Statement"].as_array().unwrap() {
                let resource = statement["Resource"].as_str().unwrap();
                assert!(
                    resource == "*" || resource.starts_with("arn:aws-cn:dynamodb:*:*:table/onnet-witness."),
                    "{resource}"
                );
                assert!(!resource.contains("vpc-") && !resource.contains("', '"), "{resource}");
            }
        }
    }

    /// An unquoted `${…}` would be Terraform's own.
    #[test]
    fn terraform_gets_the_same_statements_with_its_own_spelling_of_variables() {
        for kind in KINDS {
            let (json, text) = (policy_json(kind, "aws"), policy_terraform(kind, "aws"));
            assert!(!text.contains("${"), "{text}");
            let policy: Value = serde_json::from_str(&json).unwrap();
            let statements = policy["Statement"].as_array().unwrap();
            assert_eq!(text.matches("  statement {").count(), statements.len());
            for statement in statements {
                let quoted = |field: &str| statement[field].to_string().replace("${", "&{");
                assert!(text.contains(&format!("sid       = {}", quoted("Sid"))), "{text}");
                assert!(text.contains(&format!("effect    = {}", quoted("Effect"))), "{text}");
                assert!(text.contains(&format!("resources = [{}]", quoted("Resource"))), "{text}");
            }
            assert_eq!(text.matches("condition {").count(), json.matches("\"Condition\"").count());
        }
    }
}
