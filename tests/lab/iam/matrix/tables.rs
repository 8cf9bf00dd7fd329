//! Requests about items of a table that instances share: whose policies allow them, and by which key.

use super::super::{Context, Kind, Policy};
use super::{Answer, Case, NO, OWN_VPC, YES, allow, describe, role, statement};

const OWN_ACCOUNT: &str = "111122223333";
const OTHER_ACCOUNT: &str = "444455556666";
const OWN_INSTANCE: &str = "arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0";
const ROLE_ARN: &str = "arn:aws:iam::111122223333:role/onnet";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/onnet/i-0123456789abcdef0";
const FACTS: &str = "arn:aws:dynamodb:*:*:table/onnet-facts";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = tables_with_policies();
    cases.extend(leading_keys());
    cases
}

/// Tables with a policy of their own, in the account of the role and in another one.
fn tables_with_policies() -> Vec<Case> {
    let of_resource = |effect: &str, principal: &str| {
        let text = statement(effect, principal, "dynamodb:GetItem", FACTS);
        Policy::of_resource(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let named = |principal: &str| format!(r#"{{ "AWS": "{principal}" }}"#);
    let reads = allow("dynamodb:GetItem", FACTS);
    let nothing = allow("dynamodb:ListTables", "*");
    let no_resource = Some((Kind::Resource, false));
    let deny_resource = Some((Kind::Resource, true));
    let allows = |principal: &str| Some(of_resource("Allow", &named(principal)));
    // What the table's policy is; and the answers: for the own account's table without and with an identity-based policy, then for
    // the other account's.
    let rows: Vec<(&str, Option<Policy>, [Answer; 4])> = vec![
        ("no policy", None, [NO, YES, NO, no_resource]),
        ("the role", allows(ROLE_ARN), [YES, YES, NO, YES]),
        ("the session", allows(SESSION), [YES, YES, NO, YES]),
        // Naming an account leaves it to the policies of that account.
        ("the account", allows("arn:aws:iam::111122223333:root"), [NO, YES, NO, YES]),
        ("another role", allows("arn:aws:iam::111122223333:role/other"), [NO, YES, NO, no_resource]),
        ("another account", allows("arn:aws:iam::777788889999:root"), [NO, YES, NO, no_resource]),
        (
            "the role is denied",
            Some(of_resource("Deny", &named(ROLE_ARN))),
            [deny_resource, deny_resource, deny_resource, deny_resource],
        ),
    ];
    let mut cases = Vec::new();
    for (name, of_table, answers) in rows {
        let asked =
            [(OWN_ACCOUNT, &nothing), (OWN_ACCOUNT, &reads), (OTHER_ACCOUNT, &nothing), (OTHER_ACCOUNT, &reads)];
        for ((account, identity), answer) in asked.into_iter().zip(answers) {
            let table = format!("arn:aws:dynamodb:us-east-1:{account}:table/onnet-facts");
            let mut policies = role(&[identity]);
            policies.resource.extend(of_table.clone().map(|policy| (table.clone(), policy)));
            let mut request = describe("onnet-facts", Context::default());
            (request.action, request.resource) = ("dynamodb:GetItem".to_owned(), table);
            cases.push(Case {
                name: format!("a table's policy: {name}; table of {account}; {identity}"),
                policies,
                request,
                endpoint: None,
                answer,
                not_simulated: None,
            });
        }
    }
    cases
}

/// Rights by leading key, as a reader, a publisher and an instance have them in a table that they share.
fn leading_keys() -> Vec<Case> {
    let by_key = |actions: &str, key: &str, resource: &str| {
        format!(
            r#"{{ "Version": "2012-10-17", "Statement": {{ "Effect": "Allow", "Action": [{actions}], "Resource": "{resource}",
                "Condition": {{ "ForAllValues:StringEquals": {{ "dynamodb:LeadingKeys": "{key}" }},
                                "Null": {{ "dynamodb:LeadingKeys": "false" }} }} }} }}"#
        )
    };
    let reader = by_key(r#""dynamodb:GetItem""#, "${aws:Ec2InstanceSourceVpc}", FACTS);
    let own_status = by_key(r#""dynamodb:PutItem", "dynamodb:UpdateItem""#, "${ec2:SourceInstanceARN}", FACTS);
    let publisher = by_key(r#""dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem""#, OWN_VPC, FACTS);
    let fleet = allow("dynamodb:Query", &format!("{FACTS}/index/by-vpc"));
    let on_instance = || {
        let context = Context::default().with("aws:Ec2InstanceSourceVpc", OWN_VPC);
        context.with("ec2:SourceInstanceARN", OWN_INSTANCE)
    };
    let elsewhere = Context::default;
    let rows: Vec<(&str, &str, Context, &str, &str, Answer)> = vec![
        ("reader", &reader, on_instance(), "GetItem", OWN_VPC, YES),
        ("reader", &reader, on_instance(), "GetItem", "vpc-00000000", NO),
        ("reader", &reader, on_instance(), "GetItem", "", NO),
        ("reader", &reader, on_instance(), "PutItem", OWN_VPC, NO),
        ("reader", &reader, on_instance(), "Query", OWN_VPC, NO),
        ("reader", &reader, elsewhere(), "GetItem", OWN_VPC, NO),
        ("instance", &own_status, on_instance(), "UpdateItem", OWN_INSTANCE, YES),
        ("instance", &own_status, on_instance(), "PutItem", OWN_INSTANCE, YES),
        ("instance", &own_status, on_instance(), "GetItem", OWN_INSTANCE, NO),
        ("instance", &own_status, on_instance(), "PutItem", OWN_VPC, NO),
        (
            "instance",
            &own_status,
            on_instance(),
            "PutItem",
            "arn:aws:ec2:us-east-1:111122223333:instance/i-0fedcba9876543210",
            NO,
        ),
        ("instance", &own_status, elsewhere(), "PutItem", OWN_INSTANCE, NO),
        ("publisher", &publisher, elsewhere(), "PutItem", OWN_VPC, YES),
        ("publisher", &publisher, elsewhere(), "PutItem", "vpc-00000000", NO),
        ("publisher", &publisher, elsewhere(), "Scan", "", NO),
        ("fleet", &fleet, elsewhere(), "Query by-vpc", OWN_VPC, YES),
        ("fleet", &fleet, elsewhere(), "Query", OWN_VPC, NO),
        ("fleet", &fleet, elsewhere(), "Query other", OWN_VPC, NO),
    ];
    let mut cases = Vec::new();
    for (who, policy, context, what, key, answer) in rows {
        let context = if key.is_empty() { context } else { context.with_many("dynamodb:LeadingKeys", &[key]) };
        let mut request = describe("onnet-facts", context);
        let (action, index) = what.split_once(' ').unwrap_or((what, ""));
        request.action = format!("dynamodb:{action}");
        if !index.is_empty() {
            request.resource += &format!("/index/{index}");
        }
        cases.push(Case {
            name: format!("leading keys: {who}, {what} under {key:?}"),
            policies: role(&[policy]),
            request,
            endpoint: None,
            answer,
            not_simulated: None,
        });
    }
    cases
}
