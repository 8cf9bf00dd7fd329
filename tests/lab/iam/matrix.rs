//! Requests whose answers were worked out by hand, from AWS's documentation, for onnet's own policies (`tests/files/policy`) and
//! for each element of a policy. Two evaluators have to give these answers: the lab's, and in the end-to-end run a third-party one.

mod facts;
mod tables;

use super::{Context, Decision, Denial, Kind, Policies, Policy, Request};

/// One request.
pub struct Case {
    pub name: String,
    pub policies: Policies,
    pub request: Request,
    /// The endpoint that it came through.
    pub endpoint: Option<&'static str>,
    pub answer: Answer,
    /// Where the third-party evaluator gives another answer: what it does not implement.
    pub not_simulated: Option<&'static str>,
}

impl Case {
    /// The decision of the lab's engine.
    pub fn decision(&self) -> Decision {
        self.policies.decide(&self.request, self.endpoint)
    }
}

/// `None`: allowed. Otherwise the type of policy that denies, and whether by a `Deny` statement.
pub type Answer = Option<(Kind, bool)>;

/// A decision in this form.
pub fn answer_of(decision: &Decision) -> Answer {
    match decision {
        Decision::Allowed => None,
        Decision::Denied(Denial { by, explicit, .. }) => Some((*by, *explicit)),
    }
}

const YES: Answer = None;
/// No identity-based policy allows it.
const NO: Answer = Some((Kind::Identity, false));
const DENY: Answer = Some((Kind::Identity, true));

const OWN_VPC: &str = "vpc-0bbc736e";
const OWN_ENDPOINT: &str = "vpce-0a1b2c3d";
const OWN_ADDRESS: &str = "172.31.16.10";

/// onnet's own policies.
pub const ROLE: &str = include_str!("../../files/policy/role.json");
pub const GUARD: &str = include_str!("../../files/policy/guard.json");
pub const ENDPOINT_POLICY: &str = include_str!("../../files/policy/endpoint-policy.json");

/// How a request comes to DynamoDB.
#[derive(Clone, Copy, Debug)]
struct Path {
    name: &'static str,
    /// The endpoint, its VPC, and the source address of the request at the endpoint.
    endpoint: Option<(&'static str, &'static str, &'static str)>,
}

const OWN: Path = Path { name: "own endpoint", endpoint: Some((OWN_ENDPOINT, OWN_VPC, OWN_ADDRESS)) };
const NAT: Path = Path { name: "NAT, then own endpoint", endpoint: Some((OWN_ENDPOINT, OWN_VPC, "172.31.32.5")) };
const DIRECT: Path = Path { name: "no endpoint", endpoint: None };
const OTHER: Path =
    Path { name: "NAT in another VPC, its endpoint", endpoint: Some(("vpce-0e", "vpc-0e", "10.9.0.5")) };
/// A peering connection or a transit gateway keeps the source address, and leads to an interface endpoint.
const PEER: Path =
    Path { name: "another VPC's interface endpoint", endpoint: Some(("vpce-0e", "vpc-0e", OWN_ADDRESS)) };

/// The questions, in the order of the answers below.
const QUESTIONS: [&str; 5] = [
    "onnet-witness.vpc.vpc-0bbc736e",
    "onnet-witness.from.172.31.16.10",
    "onnet-witness.direct",
    "onnet-witness.endpoint.vpce-0a1b2c3d",
    "onnet-witness.vpc.vpc-00000000",
];

type Rows = Vec<(Path, [Answer; 5])>;

/// The role's policy without the guard.
fn row_by_row() -> Rows {
    vec![
        (OWN, [YES, YES, NO, YES, NO]),
        (NAT, [YES, NO, NO, YES, NO]),
        (DIRECT, [NO, NO, YES, NO, NO]),
        (OTHER, [NO, NO, NO, NO, NO]),
        (PEER, [NO, YES, NO, NO, NO]),
    ]
}

fn everywhere(answers: [Answer; 5]) -> Rows {
    [OWN, NAT, DIRECT, OTHER, PEER].map(|path| (path, answers)).to_vec()
}

/// Every case.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, policies, rows) in of_identity().into_iter().chain(of_other_types()) {
        for (path, answers) in rows {
            for (table, answer) in QUESTIONS.into_iter().zip(answers) {
                cases.push(question(name, &policies, path, table, answer, true));
            }
        }
    }
    cases.extend(without_instance_keys());
    cases.extend(elements());
    cases.extend(tables::cases());
    cases.extend(facts::cases());
    cases
}

fn question(name: &str, policies: &Policies, path: Path, table: &str, answer: Answer, on_instance: bool) -> Case {
    let mut context = Context::default();
    if let Some((endpoint, vpc, source)) = path.endpoint {
        context = context.with("aws:SourceVpce", endpoint).with("aws:SourceVpc", vpc).with("aws:VpcSourceIp", source);
    }
    if on_instance {
        context =
            context.with("aws:Ec2InstanceSourceVpc", OWN_VPC).with("aws:Ec2InstanceSourcePrivateIPv4", OWN_ADDRESS);
    }
    let literal = name.starts_with(LITERAL) && resolved(path, table);
    Case {
        name: format!("{name}; {}; {table}", path.name),
        policies: policies.clone(),
        request: describe(table, context),
        endpoint: path.endpoint.map(|(id, ..)| id),
        answer,
        not_simulated: literal.then_some("variables are literal except under Version 2012-10-17"),
    }
}

/// Whether the policy would allow the request if its variables were resolved.
fn resolved(path: Path, table: &str) -> bool {
    row_by_row().iter().any(|(of, answers)| {
        let at = QUESTIONS.iter().position(|question| *question == table);
        of.name == path.name && at.is_some_and(|at| answers[at] == YES && table != "onnet-witness.direct")
    })
}

fn describe(table: &str, context: Context) -> Request {
    Request {
        principal: "arn:aws:sts::111122223333:assumed-role/onnet/i-0123456789abcdef0".to_owned(),
        action: "dynamodb:DescribeTable".to_owned(),
        resource: format!("arn:aws:dynamodb:us-east-1:111122223333:table/{table}"),
        context,
    }
}

fn policy(text: &str) -> Policy {
    Policy::inline(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The role's policies, and none of another type.
fn role(texts: &[&str]) -> Policies {
    Policies { identity: texts.iter().map(|text| policy(text)).collect(), ..Policies::default() }
}

/// A policy of one statement.
fn allow(action: &str, resource: &str) -> String {
    statement("Allow", "", action, resource)
}

fn statement(effect: &str, principal: &str, action: &str, resource: &str) -> String {
    let principal = if principal.is_empty() { String::new() } else { format!(r#""Principal": {principal},"#) };
    format!(
        r#"{{ "Version": "2012-10-17", "Statement": {{ "Effect": "{effect}", {principal} "Action": "{action}",
            "Resource": "{resource}" }} }}"#
    )
}

const LITERAL: &str = "the role's policy as of";
const WITNESS: &str = "arn:aws:dynamodb:*:*:table/onnet-witness.*";

fn of_identity() -> Vec<(&'static str, Policies, Rows)> {
    let broad = allow("dynamodb:*", "*");
    let every_table = allow("dynamodb:DescribeTable", "arn:aws:dynamodb:*:*:table/*");
    let every_witness = allow("dynamodb:Describe*", WITNESS);
    let table = |name: &str| allow("dynamodb:DescribeTable", &format!("arn:aws:dynamodb:*:*:table/{name}"));
    let ids = QUESTIONS[..4].iter().map(|name| table(name)).collect::<Vec<_>>();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let of_2008 = ROLE.replace("2012-10-17", "2008-10-17");
    let no_version = ROLE.replace("  \"Version\": \"2012-10-17\",\n", "");
    // The guard denies the questions about the VPC and the source address that the path does not allow; `endpoint` has
    // no guard.
    let guarded = |endpoint: Answer| -> Rows {
        vec![
            (OWN, [YES, YES, DENY, YES, endpoint]),
            (NAT, [YES, DENY, DENY, YES, endpoint]),
            (DIRECT, [DENY, DENY, YES, endpoint, DENY]),
            (OTHER, [DENY, DENY, DENY, endpoint, DENY]),
            (PEER, [DENY, YES, DENY, endpoint, DENY]),
        ]
    };
    let literal: Rows =
        row_by_row().into_iter().map(|(path, [.., direct, _, _])| (path, [NO, NO, direct, NO, NO])).collect();
    vec![
        ("the role's policy", role(&[ROLE]), row_by_row()),
        ("the role's policy and the guard", role(&[ROLE, GUARD]), guarded(NO)),
        ("dynamodb:*", role(&[ROLE, &broad]), everywhere([YES; 5])),
        ("dynamodb:* and the guard", role(&[ROLE, &broad, GUARD]), guarded(YES)),
        ("every table", role(&[ROLE, &every_table]), everywhere([YES; 5])),
        ("every table and the guard", role(&[ROLE, &every_table, GUARD]), guarded(YES)),
        ("every witness", role(&[ROLE, &every_witness]), everywhere([YES; 5])),
        ("ids in place of variables", role(&ids), everywhere([YES, YES, YES, YES, NO])),
        ("ids in place of variables and the guard", role(&[&ids, [GUARD].as_slice()].concat()), guarded_ids()),
        ("the role's policy as of 2008-10-17", role(&[&of_2008]), literal.clone()),
        ("the role's policy as of no Version", role(&[&no_version]), literal),
        ("the policy is not installed", role(&[&allow("dynamodb:ListTables", "*")]), everywhere([NO; 5])),
    ]
}

fn guarded_ids() -> Rows {
    vec![
        (OWN, [YES, YES, DENY, YES, NO]),
        (NAT, [YES, DENY, DENY, YES, NO]),
        (DIRECT, [DENY, DENY, YES, YES, DENY]),
        (OTHER, [DENY, DENY, DENY, YES, DENY]),
        (PEER, [DENY, YES, DENY, YES, DENY]),
    ]
}

/// Policies of the other types, each beside the role's policy.
fn of_other_types() -> Vec<(&'static str, Policies, Rows)> {
    let with = |change: &dyn Fn(&mut Policies)| {
        let mut policies = role(&[ROLE]);
        change(&mut policies);
        policies
    };
    let everything = || policy(&allow("*", "*"));
    let nothing_of_dynamodb = || policy(&allow("ec2:Describe*", "*"));
    let denies = |principal: &str| policy(&statement("Deny", principal, "dynamodb:Describe*", WITNESS));
    let at_endpoint = |policy: &Policy| {
        let policy = policy.clone();
        with(&move |policies: &mut Policies| {
            policies.endpoint.insert(OWN_ENDPOINT.to_owned(), policy.clone());
        })
    };
    let no = |kind| Some((kind, false));
    let deny = |kind| Some((kind, true));
    // Types that come after the identity-based policies are named only where these allow the request.
    let instead_of_yes = |answer: Answer| -> Rows {
        row_by_row().into_iter().map(|(path, row)| (path, row.map(|of| if of == YES { answer } else { of }))).collect()
    };
    // An endpoint's policy applies to what comes through it.
    let through_own = |answer: Answer| -> Rows {
        let mut rows = row_by_row();
        rows[0].1 = [answer; 5];
        rows[1].1 = [answer; 5];
        rows
    };
    let restrictive = allow("dynamodb:*Item", "arn:aws:dynamodb:*:*:table/Music").replacen(
        "\"Action\"",
        "\"Principal\": \"*\", \"Action\"",
        1,
    );
    vec![
        (
            "a boundary that allows it",
            with(&|policies| policies.boundary = Some(policy(&allow("dynamodb:*", "*")))),
            row_by_row(),
        ),
        (
            "a boundary that does not",
            with(&|policies| policies.boundary = Some(nothing_of_dynamodb())),
            instead_of_yes(no(Kind::Boundary)),
        ),
        (
            "a boundary that denies it",
            with(&|policies| policies.boundary = Some(denies(""))),
            everywhere([deny(Kind::Boundary); 5]),
        ),
        (
            "a session policy that allows it",
            with(&|policies| policies.session = Some(policy(&allow("dynamodb:Describe*", WITNESS)))),
            row_by_row(),
        ),
        (
            "a session policy that does not",
            with(&|policies| policies.session = Some(policy(&allow("dynamodb:ListTables", "*")))),
            instead_of_yes(no(Kind::Session)),
        ),
        (
            "a session policy that denies it",
            with(&|policies| policies.session = Some(denies(""))),
            everywhere([deny(Kind::Session); 5]),
        ),
        (
            "SCPs that allow it at each level",
            with(&|policies| {
                policies.service_control = vec![vec![everything()], vec![nothing_of_dynamodb(), everything()]]
            }),
            row_by_row(),
        ),
        (
            "an SCP that does not, at one level",
            with(&|policies| policies.service_control = vec![vec![everything()], vec![nothing_of_dynamodb()]]),
            everywhere([no(Kind::ServiceControl); 5]),
        ),
        (
            "an SCP that denies it",
            with(&|policies| policies.service_control = vec![vec![everything(), denies("")]]),
            everywhere([deny(Kind::ServiceControl); 5]),
        ),
        (
            "an RCP that denies it",
            with(&|policies| policies.resource_control = vec![denies("\"*\"")]),
            everywhere([deny(Kind::ResourceControl); 5]),
        ),
        ("an endpoint policy with onnet's statements", at_endpoint(&policy(ENDPOINT_POLICY)), row_by_row()),
        ("a restrictive endpoint policy", at_endpoint(&policy(&restrictive)), through_own(no(Kind::Endpoint))),
        ("an endpoint policy that denies it", at_endpoint(&denies("\"*\"")), through_own(deny(Kind::Endpoint))),
    ]
}

/// Credentials that are not from an instance do not have the keys that the guard compares with: it then denies both questions.
fn without_instance_keys() -> Vec<Case> {
    let broad = allow("dynamodb:*", "*");
    let guarded = role(&[ROLE, &broad, GUARD]);
    let rows = [
        (OWN, [DENY, DENY, DENY, YES, DENY]),
        (NAT, [DENY, DENY, DENY, YES, DENY]),
        (DIRECT, [DENY, DENY, YES, YES, DENY]),
        (OTHER, [DENY, DENY, DENY, YES, DENY]),
        (PEER, [DENY, DENY, DENY, YES, DENY]),
    ];
    let name = "dynamodb:* and the guard, credentials that are not an instance's";
    let mut cases = Vec::new();
    for (path, answers) in rows {
        for (table, answer) in QUESTIONS.into_iter().zip(answers) {
            cases.push(question(name, &guarded, path, table, answer, false));
        }
    }
    cases
}

/// The elements of a policy, each by itself: a statement without its effect, and what the request has.
fn elements() -> Vec<Case> {
    let through = || Context::default().with("aws:SourceVpc", OWN_VPC).with("aws:SourceVpce", OWN_ENDPOINT);
    let none = Context::default;
    let keys = |keys: &[&str]| Context::default().with_many("dynamodb:LeadingKeys", keys);
    let music = "\"Action\": \"dynamodb:DescribeTable\", \"Resource\": \"arn:aws:dynamodb:*:*:table/Music\"";
    let items = "\"Action\": \"dynamodb:PutItem\", \"Resource\": \"*\"";
    let condition = |element: &str| format!("{music}, \"Condition\": {{ {element} }}");
    let of_items = |element: &str| format!("{items}, \"Condition\": {{ {element} }}");
    let resource = |resource: &str| format!("\"Action\": \"dynamodb:DescribeTable\", \"Resource\": {resource}");
    let action = |action: &str| format!("{action}, \"Resource\": \"*\"");
    // The statement, the request's context, and whether the statement matches it: DescribeTable of Music, or PutItem.
    let table: Vec<(String, Context, bool)> = vec![
        (action(r#""Action": "*""#), none(), true),
        (action(r#""Action": "dynamodb:*""#), none(), true),
        (action(r#""Action": "dynamodb:Describe*""#), none(), true),
        (action(r#""Action": "dynamodb:?escribeTabl?""#), none(), true),
        (action(r#""Action": "dynamodb:DescribeTabl""#), none(), false),
        (action(r#""Action": "DynamoDB:describetable""#), none(), true),
        (action(r#""Action": ["dynamodb:GetItem", "dynamodb:DescribeTable"]"#), none(), true),
        (action(r#""NotAction": "dynamodb:GetItem""#), none(), true),
        (action(r#""NotAction": "dynamodb:Describe*""#), none(), false),
        (action(r#""NotAction": ["dynamodb:GetItem", "dynamodb:DescribeTable"]"#), none(), false),
        (resource(r#""arn:aws:dynamodb:us-east-1:111122223333:table/Music""#), none(), true),
        (resource(r#""arn:aws:dynamodb:us-east-1:111122223333:table/music""#), none(), false),
        (resource(r#""arn:aws:dynamodb:us-east-1:111122223333:table/Mus?c""#), none(), true),
        (resource(r#""arn:aws:dynamodb:us-east-1:111122223333:table/M*""#), none(), true),
        (resource(r#""arn:aws:dynamodb:us-*:*:table/*""#), none(), true),
        (resource(r#""arn:aws:dynamodb:eu-*:*:table/*""#), none(), false),
        (resource(r#""arn:aws:dynamodb:*:999999999999:table/*""#), none(), false),
        (resource(r#"["arn:aws:dynamodb:*:*:table/Other", "arn:aws:dynamodb:*:*:table/Music"]"#), none(), true),
        (resource(r#""arn:aws:dynamodb:*:*:table/${aws:SourceVpc}""#), none(), false),
        (resource(r#""arn:aws:dynamodb:*:*:table/${aws:SourceVpc}""#), none().with("aws:SourceVpc", "Music"), true),
        (resource(r#""arn:aws:dynamodb:*:*:table/M${AWS:sourcevpc}""#), none().with("aws:SourceVpc", "usic"), true),
        (resource(r#""arn:aws:dynamodb:*:*:table/${aws:SourceVpc}""#), none().with("aws:SourceVpc", "M*"), false),
        (resource(r#""arn:aws:dynamodb:*:*:table/${aws:SourceVpc, 'Music'}""#), none(), true),
        (
            resource(r#"["arn:aws:dynamodb:*:*:table/${aws:SourceVpc}", "arn:aws:dynamodb:*:*:table/Music"]"#),
            none(),
            true,
        ),
        (r#""Action": "*", "NotResource": "arn:aws:dynamodb:*:*:table/Other""#.to_owned(), none(), true),
        (r#""Action": "*", "NotResource": "arn:aws:dynamodb:*:*:table/M*""#.to_owned(), none(), false),
        (r#""Action": "*", "NotResource": "arn:aws:dynamodb:*:*:table/${aws:SourceVpc}""#.to_owned(), none(), false),
        (condition(r#""Null": { "aws:SourceVpce": "true" }"#), none(), true),
        (condition(r#""Null": { "aws:SourceVpce": "true" }"#), through(), false),
        (condition(r#""Null": { "aws:SourceVpce": "false" }"#), none(), false),
        (condition(r#""Null": { "aws:SourceVpce": false }"#), through(), true),
        (condition(r#""StringEquals": { "aws:SourceVpce": "vpce-0a1b2c3d" }"#), through(), true),
        (condition(r#""StringEquals": { "aws:SourceVpce": "VPCE-0A1B2C3D" }"#), through(), false),
        (condition(r#""StringEquals": { "AWS:sourcevpce": "vpce-0a1b2c3d" }"#), through(), true),
        (condition(r#""StringEquals": { "aws:SourceVpce": "vpce-*" }"#), through(), false),
        (condition(r#""StringEquals": { "aws:SourceVpce": ["vpce-1", "vpce-0a1b2c3d"] }"#), through(), true),
        (condition(r#""StringEquals": { "aws:SourceVpce": "vpce-0a1b2c3d" }"#), none(), false),
        (
            condition(r#""StringEquals": { "aws:SourceVpce": "vpce-0a1b2c3d", "aws:SourceVpc": "vpc-1" }"#),
            through(),
            false,
        ),
        (condition(r#""StringEquals": { "aws:SourceVpc": "${aws:Ec2InstanceSourceVpc}" }"#), through(), false),
        (
            condition(r#""StringEquals": { "aws:SourceVpc": "${aws:Ec2InstanceSourceVpc}" }"#),
            through().with("aws:Ec2InstanceSourceVpc", OWN_VPC),
            true,
        ),
        (
            condition(r#""StringEquals": { "aws:SourceVpc": ["${aws:Ec2InstanceSourceVpc}", "vpc-0bbc736e"] }"#),
            through(),
            true,
        ),
        (condition(r#""StringNotEquals": { "aws:SourceVpc": "vpc-1" }"#), through(), true),
        (condition(r#""StringNotEquals": { "aws:SourceVpc": "vpc-1" }"#), none(), true),
        (condition(r#""StringNotEquals": { "aws:SourceVpc": "vpc-0bbc736e" }"#), through(), false),
        (condition(r#""StringNotEquals": { "aws:SourceVpc": ["vpc-1", "vpc-0bbc736e"] }"#), through(), false),
        (condition(r#""StringNotEquals": { "aws:SourceVpc": "${aws:Ec2InstanceSourceVpc}" }"#), through(), true),
        (
            condition(r#""StringNotLike": { "aws:SourceVpc": ["vpc-1", "${aws:Ec2InstanceSourceVpc}"] }"#),
            through(),
            true,
        ),
        (
            condition(r#""StringNotEquals": { "aws:SourceVpc": "${aws:Ec2InstanceSourceVpc}" }"#),
            through().with("aws:Ec2InstanceSourceVpc", OWN_VPC),
            false,
        ),
        (
            condition(r#""StringNotEquals": { "aws:SourceVpc": "${aws:Ec2InstanceSourceVpc}" }"#),
            through().with("aws:Ec2InstanceSourceVpc", "vpc-1"),
            true,
        ),
        (condition(r#""StringLike": { "aws:SourceVpce": "vpce-0a??2c3*" }"#), through(), true),
        (condition(r#""StringLike": { "aws:SourceVpce": "vpce-0b*" }"#), through(), false),
        (condition(r#""StringLike": { "aws:SourceVpce": "${*}" }"#), through(), false),
        (condition(r#""StringNotLike": { "aws:SourceVpce": "vpce-0b*" }"#), through(), true),
        (condition(r#""StringNotLike": { "aws:SourceVpce": "vpce-0a*" }"#), through(), false),
        (condition(r#""StringEqualsIfExists": { "aws:SourceVpc": "vpc-0bbc736e" }"#), none(), true),
        (condition(r#""StringEqualsIfExists": { "aws:SourceVpc": "vpc-0bbc736e" }"#), through(), true),
        (condition(r#""StringEqualsIfExists": { "aws:SourceVpc": "vpc-1" }"#), through(), false),
        (condition(r#""StringLikeIfExists": { "aws:SourceVpc": "vpc-1*" }"#), through(), false),
        (condition(r#""StringNotEqualsIfExists": { "aws:SourceVpc": "vpc-0bbc736e" }"#), none(), true),
        (condition(r#""StringNotLikeIfExists": { "aws:SourceVpc": "vpc-0bb*" }"#), through(), false),
        (of_items(r#""ForAllValues:StringEquals": { "dynamodb:LeadingKeys": ["a", "b"] }"#), keys(&["a"]), true),
        (of_items(r#""ForAllValues:StringEquals": { "dynamodb:LeadingKeys": ["a", "b"] }"#), keys(&["b", "a"]), true),
        (of_items(r#""ForAllValues:StringEquals": { "dynamodb:LeadingKeys": "a" }"#), keys(&["a", "b"]), false),
        (of_items(r#""ForAllValues:StringEquals": { "dynamodb:LeadingKeys": "a" }"#), none(), true),
        (
            of_items(
                r#""ForAllValues:StringEquals": { "dynamodb:LeadingKeys": "a" }, "Null": { "dynamodb:LeadingKeys": "false" }"#,
            ),
            none(),
            false,
        ),
        (
            of_items(r#""ForAllValues:StringEquals": { "dynamodb:LeadingKeys": "${aws:SourceVpc}" }"#),
            keys(&[OWN_VPC]).with("aws:SourceVpc", OWN_VPC),
            true,
        ),
        (
            of_items(r#""ForAllValues:StringEquals": { "dynamodb:LeadingKeys": "${aws:SourceVpc}" }"#),
            keys(&[OWN_VPC]),
            false,
        ),
        (of_items(r#""ForAllValues:StringLike": { "dynamodb:LeadingKeys": "a*" }"#), keys(&["ab", "ac"]), true),
        (of_items(r#""ForAllValues:StringNotEquals": { "dynamodb:LeadingKeys": "a" }"#), keys(&["b", "c"]), true),
        (of_items(r#""ForAllValues:StringNotEquals": { "dynamodb:LeadingKeys": "a" }"#), keys(&["b", "a"]), false),
        (of_items(r#""ForAnyValue:StringEquals": { "dynamodb:LeadingKeys": "a" }"#), keys(&["a", "b"]), true),
        (of_items(r#""ForAnyValue:StringEquals": { "dynamodb:LeadingKeys": "a" }"#), keys(&["b"]), false),
        (of_items(r#""ForAnyValue:StringEquals": { "dynamodb:LeadingKeys": "a" }"#), none(), false),
        (of_items(r#""ForAnyValue:StringNotLike": { "dynamodb:LeadingKeys": "a*" }"#), keys(&["ab", "b"]), true),
        (of_items(r#""ForAnyValue:StringNotLike": { "dynamodb:LeadingKeys": "a*" }"#), keys(&["ab"]), false),
    ];
    let mut cases = Vec::new();
    for (number, (statement, context, matches)) in table.into_iter().enumerate() {
        let mut request = describe("Music", context);
        if statement.starts_with(items) {
            "dynamodb:PutItem".clone_into(&mut request.action);
        }
        let of = |effect: &str| {
            format!(r#"{{ "Version": "2012-10-17", "Statement": [{{ "Effect": "{effect}", {statement} }}] }}"#)
        };
        let inverted = statement.contains("StringNot") && statement.contains("${aws:Ec2InstanceSourceVpc}");
        let null = inverted && request.context.get("aws:Ec2InstanceSourceVpc").is_none();
        // Where it allows, it is the only statement; where it denies, everything else is allowed.
        for (effect, policies, answer) in [
            ("Allow", role(&[&of("Allow")]), if matches { YES } else { NO }),
            ("Deny", role(&[&allow("*", "*"), &of("Deny")]), if matches { DENY } else { YES }),
        ] {
            cases.push(Case {
                name: format!("element {number}: {effect} {statement}"),
                policies,
                request: request.clone(),
                endpoint: None,
                answer,
                not_simulated: null.then_some("an inverted operator matches a variable without value"),
            });
        }
    }
    cases
}
