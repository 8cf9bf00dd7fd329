//! The matrix of requests, decided by the lab's IAM engine and by `@cloud-copilot/iam-simulate`, a third-party program. Both have
//! to give the answers that were worked out by hand.

use crate::{
    Done, PATIENCE,
    lab::iam::{
        Kind, Policy,
        matrix::{self, Answer, Case},
    },
    tool,
};
use libtest_mimic::Failed;
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    process::{Command, Stdio},
};

pub(crate) fn matrix() -> Done {
    let cases = matrix::cases();
    let results = simulated(&cases)?;
    assert_eq!(results.len(), cases.len());
    let (mut allowed, mut different) = (Vec::new(), Vec::new());
    for (case, result) in cases.iter().zip(&results) {
        assert_eq!(result["error"], Value::Null, "{}", case.name);
        assert_eq!(result["ignored"], json!([]), "{}: each key of the request counts", case.name);
        let engine = matrix::answer_of(&case.decision());
        let simulator_differs = match case.not_simulated {
            None => !agrees(result, case.answer),
            // If it agrees, the exception is no longer needed.
            Some(_) => agrees(result, case.answer),
        };
        let shown =
            format!("{}\n  by hand {:?}, by the lab {engine:?}, by iam-simulate {result}", case.name, case.answer);
        let must_be_denied = case.answer.is_some();
        let simulator_allows = result["overall"] == "Allowed" && case.not_simulated.is_none();
        if must_be_denied && (engine.is_none() || simulator_allows) {
            allowed.push(shown);
        } else if engine != case.answer || simulator_differs {
            different.push(shown);
        }
    }
    assert!(allowed.is_empty(), "{} must be denied and are not:\n{}", allowed.len(), allowed.join("\n"));
    assert!(different.is_empty(), "{} decided otherwise:\n{}", different.len(), different.join("\n"));
    let exceptions = cases.iter().filter(|case| case.not_simulated.is_some()).count();
    assert!(cases.len() > 600 && exceptions < 30, "{} of {} not compared", exceptions, cases.len());
    Ok(())
}

/// Whether the evaluator gives this answer, by this type of policy.
fn agrees(result: &Value, answer: Answer) -> bool {
    let Some((kind, explicit)) = answer else { return result["overall"] == "Allowed" };
    let expected = if explicit { "ExplicitlyDenied" } else { "ImplicitlyDenied" };
    let by = match kind {
        Kind::Identity => "identity",
        Kind::Resource => "resource",
        Kind::Endpoint => "endpoint",
        Kind::Boundary => "boundary",
        Kind::Session => "session",
        Kind::ServiceControl => "service_control",
        Kind::ResourceControl => "resource_control",
    };
    // Between two accounts a table without a policy is not allowed either, and nothing was analysed.
    let by = &result[by];
    let is_by = by == expected || (kind == Kind::Resource && !explicit && by == "NotApplicable");
    result["overall"] == expected && is_by
}

/// What the evaluator answers, in one run of it.
fn simulated(cases: &[Case]) -> Result<Vec<Value>, Failed> {
    let directory = tempfile::tempdir()?;
    let asked = directory.path().join("simulations.json");
    fs::write(&asked, serde_json::to_vec(&cases.iter().map(simulation).collect::<Vec<_>>())?)?;
    let mut command = Command::new("node");
    command
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/simulate.cjs"))
        .env("NODE_PATH", tool("../npm/node_modules"))
        .stdin(File::open(asked)?)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ran = crate::lab::run(&mut command, PATIENCE)?;
    if ran.code == Some(0) { Ok(serde_json::from_str(&ran.stdout)?) } else { Err(ran.stderr.into()) }
}

/// A case in the evaluator's own form.
fn simulation(case: &Case) -> Value {
    let (policies, request) = (&case.policies, &case.request);
    let named =
        |number: usize, policy: &Policy| json!({ "name": format!("policy-{number}"), "policy": policy.document });
    let all = |policies: &[Policy]| -> Vec<Value> {
        policies.iter().enumerate().map(|(number, policy)| named(number, policy)).collect()
    };
    let level = |(number, policies): (usize, &Vec<Policy>)| json!({ "orgIdentifier": format!("ou-{number}"), "policies": all(policies) });
    let account = request.resource.split(':').nth(4).unwrap_or_default();
    let mut simulation = json!({
        "request": {
            "principal": request.principal,
            "action": request.action,
            "resource": { "resource": request.resource, "accountId": account },
            "contextVariables": request.context,
        },
        "identityPolicies": all(&policies.identity),
        "serviceControlPolicies": policies.service_control.iter().enumerate().map(level).collect::<Vec<_>>(),
        "resourceControlPolicies": [{ "orgIdentifier": "o-1", "policies": all(&policies.resource_control) }],
    });
    let table = request.resource.split("/index/").next().unwrap_or_default();
    if let Some(of_table) = policies.resource.get(table) {
        simulation["resourcePolicy"] = of_table.document.clone();
    }
    if let Some(boundary) = &policies.boundary {
        simulation["permissionBoundaryPolicies"] = json!([named(0, boundary)]);
    }
    if let Some(session) = &policies.session {
        simulation["sessionPolicy"] = session.document.clone();
    }
    if let Some(of_endpoint) = case.endpoint.and_then(|id| policies.endpoint.get(id)) {
        simulation["vpcEndpointPolicies"] = json!([named(0, of_endpoint)]);
    }
    simulation
}
