//! Requests to the table of shared facts, with the policies that `onnet policy --facts-table` prints: whose items each may read and
//! write, by the leading key.

use super::super::{Context, Kind, Policies, Policy};
use super::{Answer, Case, DIRECT, NO, OWN, OWN_VPC, Path, YES, allow, describe, policy, role};

/// As `onnet policy --facts-table onnet-facts` prints them.
const READER: &str = include_str!("../../../files/policy/facts-reader.json");
const SPOT_CHECK: &str = include_str!("../../../files/policy/facts-spot-check.json");
const PUBLISHER: &str = include_str!("../../../files/policy/facts-publisher.json");
const FLEET: &str = include_str!("../../../files/policy/facts-fleet.json");
const ENDPOINT: &str = include_str!("../../../files/policy/facts-endpoint.json");
/// With `--vpc` of [`OWN_VPC`] and [`SECOND_VPC`], and `--instance` of [`OWN_INSTANCE`].
const NAMED_READER: &str = include_str!("../../../files/policy/facts-reader-named.json");
const NAMED_SPOT_CHECK: &str = include_str!("../../../files/policy/facts-spot-check-named.json");
const NAMED_PUBLISHER: &str = include_str!("../../../files/policy/facts-publisher-named.json");
/// With these too, of a table of 444455556666 that roles of 111122223333 use.
const TABLE: &str = include_str!("../../../files/policy/facts-table.json");

const OWN_ACCOUNT: &str = "111122223333";
const OTHER_ACCOUNT: &str = "444455556666";
const SECOND_VPC: &str = "vpc-0a1b2c3d";
const OTHER_VPC: &str = "vpc-00000000";
const OWN_INSTANCE: &str = "arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0";
const OTHER_INSTANCE: &str = "arn:aws:ec2:us-east-1:111122223333:instance/i-0fedcba9876543210";
/// The keys of spot checks.
const OWN_SPOT_CHECK: &str = "spot-check.vpc-0bbc736e";
const SECOND_SPOT_CHECK: &str = "spot-check.vpc-0a1b2c3d";
const OTHER_SPOT_CHECK: &str = "spot-check.vpc-00000000";
/// A request that has no leading key.
const NO_KEY: &str = "";

/// Whose credentials these are.
#[derive(Clone, Copy, Debug)]
enum By {
    Instance,
    /// As of ECS, IRSA or CI: they name neither a VPC nor an instance.
    Elsewhere,
}

/// One request of a table: who asks, for what, under which key.
type Row = (By, &'static str, &'static str, Answer);

const NOT_BY_TABLE: Answer = Some((Kind::Resource, false));
const NOT_BY_ENDPOINT: Answer = Some((Kind::Endpoint, false));

pub(super) fn cases() -> Vec<Case> {
    let of_roles: [(&str, &[&str], Vec<Row>); 9] = [
        ("reader", &[READER], reader()),
        ("spot checks", &[SPOT_CHECK], spot_check()),
        ("reader with spot checks", &[READER, SPOT_CHECK], reader_with_spot_checks()),
        ("spot checks with --vpc", &[NAMED_SPOT_CHECK], named_spot_check()),
        ("publisher", &[PUBLISHER], publisher()),
        ("fleet reader", &[FLEET], fleet()),
        ("reader with --vpc and --instance", &[NAMED_READER], named_reader()),
        ("publisher with --vpc", &[NAMED_PUBLISHER], named_publisher()),
        ("reader and publisher", &[READER, PUBLISHER], both()),
    ];
    let mut cases = Vec::new();
    for (name, texts, rows) in of_roles {
        let policies = role(texts);
        cases.extend(rows.into_iter().map(|row| case(name, &policies, OWN_ACCOUNT, DIRECT, row)));
    }
    cases.extend(other_accounts_table());
    cases.extend(endpoints());
    cases
}

fn reader() -> Vec<Row> {
    use By::{Elsewhere, Instance};
    vec![
        (Instance, "GetItem", OWN_VPC, YES),
        (Instance, "GetItem", OTHER_VPC, NO),
        (Instance, "GetItem", OWN_INSTANCE, NO),
        (Instance, "GetItem", NO_KEY, NO),
        // The head, and any chunk.
        (Instance, "PutItem", OWN_VPC, NO),
        (Instance, "UpdateItem", OWN_VPC, NO),
        (Instance, "DeleteItem", OWN_VPC, NO),
        (Instance, "PutItem", OWN_INSTANCE, YES),
        (Instance, "PutItem", OTHER_INSTANCE, NO),
        (Instance, "PutItem", NO_KEY, NO),
        (Instance, "UpdateItem", OWN_INSTANCE, NO),
        (Instance, "DeleteItem", OWN_INSTANCE, NO),
        (Instance, "BatchGetItem", OWN_VPC, NO),
        (Instance, "BatchWriteItem", OWN_INSTANCE, NO),
        (Instance, "Query", OWN_VPC, NO),
        (Instance, "Scan", NO_KEY, NO),
        (Instance, "Query by-vpc", OWN_VPC, NO),
        (Instance, "Scan by-vpc", NO_KEY, NO),
        (Elsewhere, "GetItem", OWN_VPC, NO),
        (Elsewhere, "GetItem", NO_KEY, NO),
        // The variable by its name is nobody's key.
        (Elsewhere, "GetItem", "${aws:Ec2InstanceSourceVpc}", NO),
        (Elsewhere, "PutItem", OWN_INSTANCE, NO),
        (Elsewhere, "PutItem", NO_KEY, NO),
    ]
}

fn spot_check() -> Vec<Row> {
    use By::{Elsewhere, Instance};
    vec![
        (Instance, "GetItem", OWN_SPOT_CHECK, YES),
        (Instance, "UpdateItem", OWN_SPOT_CHECK, YES),
        (Instance, "PutItem", OWN_SPOT_CHECK, NO),
        (Instance, "DeleteItem", OWN_SPOT_CHECK, NO),
        (Instance, "GetItem", OTHER_SPOT_CHECK, NO),
        (Instance, "UpdateItem", OTHER_SPOT_CHECK, NO),
        // The facts themselves.
        (Instance, "GetItem", OWN_VPC, NO),
        (Instance, "UpdateItem", OWN_VPC, NO),
        (Instance, "UpdateItem", OTHER_VPC, NO),
        (Instance, "UpdateItem", NO_KEY, NO),
        (Elsewhere, "UpdateItem", OWN_SPOT_CHECK, NO),
        (Elsewhere, "UpdateItem", "spot-check.", NO),
    ]
}

fn reader_with_spot_checks() -> Vec<Row> {
    let taken = |(_, what, key, _): &Row| (*what, *key) == ("GetItem", OWN_VPC);
    spot_check().into_iter().filter(|row| !taken(row)).chain(reader()).collect()
}

fn named_spot_check() -> Vec<Row> {
    let mut rows = Vec::new();
    for by in [By::Instance, By::Elsewhere] {
        rows.extend([
            (by, "GetItem", OWN_SPOT_CHECK, YES),
            (by, "UpdateItem", SECOND_SPOT_CHECK, YES),
            (by, "UpdateItem", OTHER_SPOT_CHECK, NO),
            (by, "UpdateItem", OWN_VPC, NO),
            (by, "UpdateItem", NO_KEY, NO),
        ]);
    }
    rows
}

fn publisher() -> Vec<Row> {
    use By::{Elsewhere, Instance};
    vec![
        (Instance, "GetItem", OWN_VPC, YES),
        (Instance, "PutItem", OWN_VPC, YES),
        (Instance, "UpdateItem", OWN_VPC, YES),
        (Instance, "GetItem", OTHER_VPC, NO),
        (Instance, "PutItem", OTHER_VPC, NO),
        (Instance, "UpdateItem", OTHER_VPC, NO),
        (Instance, "PutItem", NO_KEY, NO),
        (Instance, "UpdateItem", NO_KEY, NO),
        (Instance, "PutItem", OWN_INSTANCE, NO),
        (Instance, "DeleteItem", OWN_VPC, NO),
        (Instance, "BatchWriteItem", OWN_VPC, NO),
        (Instance, "Query", OWN_VPC, NO),
        (Instance, "Scan", NO_KEY, NO),
        (Elsewhere, "PutItem", OWN_VPC, NO),
        (Elsewhere, "UpdateItem", OWN_VPC, NO),
        (Elsewhere, "GetItem", NO_KEY, NO),
    ]
}

fn both() -> Vec<Row> {
    vec![
        (By::Instance, "UpdateItem", OWN_VPC, YES),
        (By::Instance, "PutItem", OWN_INSTANCE, YES),
        (By::Instance, "PutItem", OTHER_INSTANCE, NO),
        (By::Instance, "UpdateItem", OTHER_VPC, NO),
    ]
}

fn fleet() -> Vec<Row> {
    let mut rows = Vec::new();
    for by in [By::Instance, By::Elsewhere] {
        rows.extend([
            (by, "Query by-vpc", OWN_VPC, YES),
            (by, "Query by-vpc", OTHER_VPC, YES),
            (by, "Scan by-vpc", NO_KEY, YES),
            (by, "Query", OWN_VPC, NO),
            (by, "Scan", NO_KEY, NO),
            (by, "Query other", OWN_VPC, NO),
            (by, "Scan other", NO_KEY, NO),
            (by, "GetItem", OWN_VPC, NO),
            (by, "PutItem", OWN_INSTANCE, NO),
            (by, "UpdateItem", OWN_VPC, NO),
        ]);
    }
    rows
}

fn named_reader() -> Vec<Row> {
    let mut rows = Vec::new();
    for by in [By::Instance, By::Elsewhere] {
        rows.extend([
            (by, "GetItem", OWN_VPC, YES),
            (by, "GetItem", SECOND_VPC, YES),
            (by, "GetItem", OTHER_VPC, NO),
            (by, "GetItem", NO_KEY, NO),
            (by, "PutItem", OWN_VPC, NO),
            (by, "PutItem", OWN_INSTANCE, YES),
            (by, "PutItem", OTHER_INSTANCE, NO),
            (by, "Scan", NO_KEY, NO),
        ]);
    }
    rows
}

fn named_publisher() -> Vec<Row> {
    let mut rows = Vec::new();
    for by in [By::Instance, By::Elsewhere] {
        rows.extend([
            (by, "GetItem", OWN_VPC, YES),
            (by, "PutItem", SECOND_VPC, YES),
            (by, "UpdateItem", SECOND_VPC, YES),
            (by, "PutItem", OTHER_VPC, NO),
            (by, "UpdateItem", OTHER_VPC, NO),
            (by, "UpdateItem", NO_KEY, NO),
            (by, "PutItem", OWN_INSTANCE, NO),
            (by, "Scan", NO_KEY, NO),
        ]);
    }
    rows
}

/// Between two accounts the role's policy and the table's have to allow the request.
fn other_accounts_table() -> Vec<Case> {
    use By::{Elsewhere, Instance};
    let of_table = Policy::of_resource(TABLE).unwrap_or_else(|error| panic!("{error}: {TABLE}"));
    let table = format!("arn:aws:dynamodb:us-east-1:{OTHER_ACCOUNT}:table/onnet-facts");
    let with_table = |texts: &[&str]| {
        let mut policies = role(texts);
        policies.resource.insert(table.clone(), of_table.clone());
        policies
    };
    let broad = allow("dynamodb:*", "*");
    let everything: Vec<Row> = vec![
        (Instance, "GetItem", OWN_VPC, YES),
        (Instance, "UpdateItem", SECOND_VPC, YES),
        (Instance, "UpdateItem", OTHER_VPC, NOT_BY_TABLE),
        (Instance, "UpdateItem", NO_KEY, NOT_BY_TABLE),
        (Instance, "PutItem", OWN_INSTANCE, YES),
        (Instance, "PutItem", OTHER_INSTANCE, NOT_BY_TABLE),
        (Instance, "UpdateItem", OWN_INSTANCE, NOT_BY_TABLE),
        (Instance, "UpdateItem", OWN_SPOT_CHECK, YES),
        (Instance, "PutItem", OWN_SPOT_CHECK, NOT_BY_TABLE),
        (Instance, "UpdateItem", OTHER_SPOT_CHECK, NOT_BY_TABLE),
        (Instance, "DeleteItem", OWN_VPC, NOT_BY_TABLE),
        (Instance, "Query by-vpc", OTHER_VPC, YES),
        (Instance, "Query", OWN_VPC, NOT_BY_TABLE),
        (Instance, "Scan by-vpc", NO_KEY, YES),
        (Instance, "Scan", NO_KEY, NOT_BY_TABLE),
        (Elsewhere, "PutItem", OWN_VPC, YES),
        (Elsewhere, "PutItem", OTHER_VPC, NOT_BY_TABLE),
        (Elsewhere, "PutItem", OWN_INSTANCE, YES),
        (Elsewhere, "PutItem", OTHER_INSTANCE, NOT_BY_TABLE),
    ];
    let of_roles: [(&str, Policies, Vec<Row>); 8] = [
        (
            "another account's table, without a policy",
            role(&[READER]),
            vec![(Instance, "GetItem", OWN_VPC, NOT_BY_TABLE)],
        ),
        ("another account's table; reader", with_table(&[READER]), reader()),
        ("another account's table; spot checks", with_table(&[SPOT_CHECK]), spot_check()),
        ("another account's table; publisher", with_table(&[PUBLISHER]), publisher()),
        ("another account's table; fleet reader", with_table(&[FLEET]), fleet()),
        ("another account's table; publisher with --vpc", with_table(&[NAMED_PUBLISHER]), named_publisher()),
        ("another account's table; dynamodb:*", with_table(&[&broad]), everything),
        ("another account's table; no policy", with_table(&[]), vec![(Instance, "GetItem", OWN_VPC, NO)]),
    ];
    let mut cases = Vec::new();
    for (name, policies, rows) in of_roles {
        cases.extend(rows.into_iter().map(|row| case(name, &policies, OTHER_ACCOUNT, DIRECT, row)));
    }
    cases
}

/// What comes through an endpoint whose policy allows no more.
fn endpoints() -> Vec<Case> {
    let through = |texts: &[&str]| {
        let mut policies = role(texts);
        let (endpoint, ..) = OWN.endpoint.unwrap();
        policies.endpoint.insert(endpoint.to_owned(), policy(ENDPOINT));
        policies
    };
    let broad = allow("dynamodb:*", "*");
    let everything = vec![
        (By::Instance, "GetItem", OTHER_VPC, YES),
        (By::Instance, "UpdateItem", OTHER_VPC, YES),
        (By::Instance, "Scan by-vpc", NO_KEY, YES),
        (By::Instance, "Scan", NO_KEY, NOT_BY_ENDPOINT),
        (By::Instance, "Query", OWN_VPC, NOT_BY_ENDPOINT),
        (By::Instance, "DeleteItem", OWN_VPC, NOT_BY_ENDPOINT),
        (By::Instance, "DescribeTable", NO_KEY, NOT_BY_ENDPOINT),
    ];
    let allowed = |rows: Vec<Row>| rows.into_iter().filter(|(.., answer)| *answer == YES).collect();
    let of_roles: [(&str, Policies, Vec<Row>); 5] = [
        ("onnet's endpoint policy; reader", through(&[READER]), allowed(reader())),
        ("onnet's endpoint policy; spot checks", through(&[SPOT_CHECK]), allowed(spot_check())),
        ("onnet's endpoint policy; publisher", through(&[PUBLISHER]), allowed(publisher())),
        ("onnet's endpoint policy; fleet reader", through(&[FLEET]), allowed(fleet())),
        ("onnet's endpoint policy; dynamodb:*", through(&[&broad]), everything),
    ];
    let mut cases = Vec::new();
    for (name, policies, rows) in of_roles {
        cases.extend(rows.into_iter().map(|row| case(name, &policies, OWN_ACCOUNT, OWN, row)));
    }
    cases
}

fn case(name: &str, policies: &Policies, account: &str, path: Path, (by, what, key, answer): Row) -> Case {
    let mut context = match by {
        By::Instance => {
            Context::default().with("aws:Ec2InstanceSourceVpc", OWN_VPC).with("ec2:SourceInstanceARN", OWN_INSTANCE)
        }
        By::Elsewhere => Context::default(),
    };
    if let Some((endpoint, vpc, source)) = path.endpoint {
        context = context.with("aws:SourceVpce", endpoint).with("aws:SourceVpc", vpc).with("aws:VpcSourceIp", source);
    }
    if key != NO_KEY {
        context = context.with_many("dynamodb:LeadingKeys", &[key]);
    }
    let mut request = describe("onnet-facts", context);
    let (action, index) = what.split_once(' ').unwrap_or((what, ""));
    request.action = format!("dynamodb:{action}");
    request.resource = request.resource.replace(OWN_ACCOUNT, account);
    if !index.is_empty() {
        request.resource += &format!("/index/{index}");
    }
    Case {
        name: format!("shared facts: {name}; {by:?}, {what} under {key:?}; {}", path.name),
        policies: policies.clone(),
        request,
        endpoint: path.endpoint.map(|(id, ..)| id),
        answer,
        not_simulated: None,
    }
}
