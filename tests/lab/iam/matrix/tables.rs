//! Requests about tables with a policy of their own.

use super::super::{Context, Kind, Policy};
use super::{Answer, Case, NO, YES, allow, describe, role, statement};

const OWN_ACCOUNT: &str = "111122223333";
const OTHER_ACCOUNT: &str = "444455556666";
const ROLE_ARN: &str = "arn:aws:iam::111122223333:role/onnet";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/onnet/i-0123456789abcdef0";
const FACTS: &str = "arn:aws:dynamodb:*:*:table/onnet-facts";

/// Tables with a policy of their own, in the account of the role and in another one.
pub(super) fn cases() -> Vec<Case> {
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
