//! What is said of an endpoint's policy, against an IAM engine that decides single requests: what is allowed is never denied, and what is
//! denied is never allowed.

use crate::{
    common::scenarios::base,
    iam::{Context, Decision, Policies, Policy, Request},
};
use fastrand::Rng;
use onnet_core::{
    judge::judge,
    model::{PolicyDecision, Snapshot},
};
use serde_json::{Map, Value, json};

/// Tables of one account and of either.
const TABLES: [&str; 3] = ["arn:aws:dynamodb:us-east-1:111122223333:table/orders", "orders", "audit"];

const ACTIONS: [&str; 4] = ["dynamodb:ListTables", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"];

/// Policies of one to three statements.
const POLICIES: usize = 4_000;

fn statement(rng: &mut Rng) -> Value {
    let mut statement = Map::new();
    let mut put = |key: &str, value: Value| statement.insert(key.to_owned(), value);
    put("Effect", json!(if rng.u8(..3) == 0 { "Deny" } else { "Allow" }));
    put("Principal", json!("*"));
    let pick = |rng: &mut Rng, all: &[&str]| all[rng.usize(..all.len())].to_owned();
    let some = |rng: &mut Rng, all: &[&str]| (0..=rng.usize(..2)).map(|_| pick(rng, all)).collect::<Vec<_>>();
    let actions = some(
        rng,
        &[
            "*",
            "dynamodb:*",
            "dynamodb:Get*",
            "DYNAMODB:putitem",
            "dynamodb:?uery",
            "s3:GetObject",
            "dynamodb:ListTables",
        ],
    );
    put(if rng.u8(..4) == 0 { "NotAction" } else { "Action" }, json!(actions));
    let resources = some(
        rng,
        &[
            "*",
            "arn:aws:dynamodb:*:*:table/*",
            "arn:*:dynamodb:us-east-1:*:*",
            "arn:aws:dynamodb:us-east-1:111122223333:table/orders",
            "arn:aws:dynamodb:*:111122223333:table/*",
            "arn:aws:dynamodb:eu-*:*:table/*",
            "arn:aws-cn:dynamodb:*:*:table/*",
            "arn:aws:s3:::bucket/*",
            "arn:aws:dynamodb:*:*:table/${aws:PrincipalAccount}",
            "arn:aws:dynamodb:*:*:table/o*",
        ],
    );
    put(if rng.u8(..4) == 0 { "NotResource" } else { "Resource" }, json!(resources));
    match rng.u8(..4) {
        0 => put("Condition", json!({ "StringEquals": { "aws:PrincipalAccount": "111122223333" } })),
        1 => put(
            "Condition",
            json!({ "StringLike": { "aws:PrincipalArn": ["*app*", "*web*"] }, "Null": { "aws:SourceVpce": "true" } }),
        ),
        _ => None,
    };
    Value::from(statement)
}

/// Requests from accounts, to tables: any, or the one that is named, which is the caller's unless it is named by its ARN.
fn requests(action: &str, table: Option<&str>) -> Vec<Request> {
    let mut requests = Vec::new();
    for account in ["111122223333", "444455556666"] {
        for table in table.map_or(vec!["orders", "audit", "*"], |table| vec![table]) {
            let principal = format!("arn:aws:sts::{account}:assumed-role/app/i-0a");
            let context =
                Context::default().with("aws:PrincipalAccount", account).with("aws:PrincipalArn", &*principal);
            let of_caller = format!("arn:aws:dynamodb:us-east-1:{account}:table/{table}");
            let resource = if table.starts_with("arn:") { table.to_owned() } else { of_caller };
            requests.push(Request { principal, action: action.to_owned(), resource, context });
        }
    }
    requests
}

#[test]
fn what_is_said_of_a_policy_holds_for_every_request() {
    let everything = Policy::inline(r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#).unwrap();
    // Of the table that is named by its ARN: a request from another account needs that beside the endpoint's policy.
    let anyone =
        Policy::inline(r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}"#)
            .unwrap();
    let mut rng = Rng::with_seed(7);
    let [mut allowed, mut denied, mut conditional] = [0; 3];
    for _ in 0..POLICIES {
        let statements: Vec<Value> = (0..rng.usize(1..4)).map(|_| statement(&mut rng)).collect();
        let document = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        let policies = Policies {
            identity: vec![everything.clone()],
            endpoint: [("vpce-0d".to_owned(), Policy::inline(&document).unwrap())].into(),
            resource: [(TABLES[0].to_owned(), anyone.clone())].into(),
            ..Policies::default()
        };
        let actions = ACTIONS.map(str::to_owned).to_vec();
        let tables = if rng.bool() { TABLES.map(str::to_owned).to_vec() } else { Vec::new() };
        let asked = if tables.is_empty() { ACTIONS.len() } else { 1 + (ACTIONS.len() - 1) * TABLES.len() };
        let mut world = Snapshot { actions, tables, ..base() };
        world.vpc.vpc_endpoints.seen_mut().unwrap()[0].policy = Some(document.clone());
        let report = judge(world);
        let [policy] = report.endpoint_policies.as_slice() else { panic!("{:?}", report.endpoint_policies) };
        assert_eq!(policy.actions.len(), asked);
        for action in &policy.actions {
            let decisions: Vec<bool> = requests(&action.action, action.table.as_deref())
                .iter()
                .map(|request| policies.decide(request, Some("vpce-0d")) == Decision::Allowed)
                .collect();
            let (all, any) = (decisions.iter().all(|is| *is), decisions.contains(&true));
            match &action.decision {
                PolicyDecision::Allowed => {
                    allowed += 1;
                    assert!(all, "{document}\n{action:?}");
                }
                PolicyDecision::Denied { .. } => {
                    denied += 1;
                    assert!(!any, "{document}\n{action:?}");
                }
                PolicyDecision::Conditional { .. } => conditional += 1,
                PolicyDecision::Unknown { because } => panic!("{document}: {because}"),
            }
        }
    }
    println!("{allowed} allowed, {denied} denied, {conditional} conditional");
    assert!(allowed.min(denied).min(conditional) > POLICIES / 10, "{allowed} {denied} {conditional}");
}
