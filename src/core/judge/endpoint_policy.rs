//! Reads the policy of a VPC endpoint, as far as that is safe: what no caller can get through it, and what every caller can.
//!
//! Whatever is not known to match for every request makes the answer conditional, never allowed or denied.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>,
//! <https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html>

use super::{path::Reader, round::Named};
use crate::{
    import::distinct::Distinct,
    model::{EndpointPolicy, PolicyAction, PolicyCondition, PolicyDecision, Snapshot, VpcEndpoint, partition_of},
};
use serde_json::{Map, Value};
use std::str::Chars;

/// What a probe asks for.
pub(super) const LIST_TABLES: &str = "dynamodb:ListTables";

/// What the questions about the way of requests ask for.
pub(super) const DESCRIBE_TABLE: &str = "dynamodb:DescribeTable";

/// The actions on items that most programs use; of a transaction, each of its actions.
const ON_ITEMS: [&str; 10] = [
    DESCRIBE_TABLE,
    "dynamodb:GetItem",
    "dynamodb:BatchGetItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:ConditionCheckItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
];

fn is_on_items(action: &str) -> bool {
    ON_ITEMS.iter().any(|known| known.eq_ignore_ascii_case(action))
}

/// Of the actions on items, those that are on indexes too.
fn has_indexes(action: &str) -> bool {
    ["dynamodb:Query", "dynamodb:Scan"].iter().any(|known| known.eq_ignore_ascii_case(action))
}

/// Why nothing is said of a table: its requests do not go to this Region.
fn elsewhere(table: &str, region: &str) -> Option<PolicyDecision> {
    let [_, partition, _, of_table, _, resource] = parts_of_arn(table);
    let is_here =
        resource.is_empty() || (of_table == region && partition_of(region).is_none_or(|own| own == partition));
    let because = || format!("requests for it go to {of_table}, not through this endpoint");
    (!is_here).then(|| PolicyDecision::Unknown { because: because() })
}

/// What the policies of the endpoints that addresses in use go through say: of `ListTables`, and of the actions that the user named,
/// else of those that most programs use; of each on the tables that the user named, else on any.
pub(super) fn endpoint_policies(reader: &Reader<'_>, snapshot: &Snapshot, names: &[Named<'_>]) -> Vec<EndpointPolicy> {
    let (Ok(region), Some(endpoints)) = (reader.region, reader.facts.vpc_endpoints.seen()) else { return Vec::new() };
    let paths = names.iter().flat_map(Named::in_use).filter_map(|judged| judged.report.verdict.path());
    let used: Vec<&str> = paths.filter(|path| path.is_dynamodb_endpoint).map(|path| path.target.as_str()).collect();
    let mut actions = vec![LIST_TABLES];
    if snapshot.actions.is_empty() {
        actions.extend(ON_ITEMS);
    } else {
        actions.extend(snapshot.actions.iter().map(String::as_str).filter(|action| *action != LIST_TABLES));
    }
    let of = |endpoint: &VpcEndpoint| {
        let policy = match &endpoint.policy {
            Some(document) => Policy::read(document),
            None => Policy(Err("EC2's answer has no policy of it".to_owned())),
        };
        let decide = |action: &str, table: Option<&String>| PolicyAction {
            action: action.to_owned(),
            table: table.cloned(),
            decision: table.and_then(|table| elsewhere(table, region)).unwrap_or_else(|| {
                let table = table.map(String::as_str);
                policy.decide(&Asked { action, table, region })
            }),
        };
        let actions = actions.iter().flat_map(|action| {
            let tables = snapshot.tables.iter().filter(|_| is_on_items(action));
            let of_tables: Vec<_> = tables.map(|table| decide(action, Some(table))).collect();
            if of_tables.is_empty() { vec![decide(action, None)] } else { of_tables }
        });
        EndpointPolicy { endpoint: endpoint.id.clone(), actions: actions.collect() }
    };
    endpoints.iter().filter(|endpoint| used.contains(&endpoint.id.as_str())).map(of).collect()
}

/// Why an action is denied, in words.
pub(super) fn denied_by(statement: Option<&str>) -> String {
    statement.map_or_else(|| "no statement allows it".to_owned(), |statement| format!("{statement} denies it"))
}

/// What explains that an endpoint's policy denied `ListTables`, in words: what the policies in use say of it.
pub(super) fn list_tables_denied(policies: &[EndpointPolicy]) -> Vec<String> {
    let why = |policy: &EndpointPolicy| {
        let action = policy.actions.iter().find(|action| action.action == LIST_TABLES)?;
        let why = match &action.decision {
            PolicyDecision::Denied { statement } => denied_by(statement.as_deref()),
            PolicyDecision::Conditional { statements } => {
                let statements: Vec<String> = statements.iter().map(ToString::to_string).collect();
                statements.join("; ")
            }
            PolicyDecision::Allowed | PolicyDecision::Unknown { .. } => return None,
        };
        Some(format!("in the policy of {}, {why}", policy.endpoint))
    };
    policies.iter().filter_map(why).collect()
}

/// What a policy is asked about.
pub(super) struct Asked<'a> {
    /// An action of DynamoDB: `dynamodb:GetItem`.
    pub(super) action: &'a str,
    /// A table's name or ARN; `None` for any table.
    pub(super) table: Option<&'a str>,
    pub(super) region: &'a str,
}

/// A policy, or why it cannot be read.
pub(super) struct Policy(Result<Vec<Statement>, String>);

/// Whom, what or which requests an element of a statement matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Matches {
    None,
    Some,
    All,
}

#[derive(Debug)]
struct Statement {
    /// Its `Sid`, or its number.
    name: String,
    denies: bool,
    actions: Patterns,
    resources: Patterns,
    principals: Matches,
    conditions: Vec<String>,
}

/// The patterns of an element and of its negation.
#[derive(Debug)]
struct Patterns {
    patterns: Vec<String>,
    negated: bool,
}

impl Policy {
    /// Reads a document.
    pub(super) fn read(document: &str) -> Self {
        Self(read(document))
    }

    /// What it says of requests.
    pub(super) fn decide(&self, asked: &Asked<'_>) -> PolicyDecision {
        let statements = match &self.0 {
            Ok(statements) => statements,
            Err(because) => return PolicyDecision::Unknown { because: because.clone() },
        };
        let applying = |denies: bool| {
            let applies =
                move |statement: &&Statement| statement.denies == denies && statement.applies(asked) > Matches::None;
            statements.iter().filter(applies)
        };
        let always = |statement: &&Statement| statement.applies(asked) == Matches::All;
        if let Some(statement) = applying(true).find(always) {
            return PolicyDecision::Denied { statement: Some(statement.name.clone()) };
        }
        if applying(false).next().is_none() {
            return PolicyDecision::Denied { statement: None };
        }
        let is_allowed = applying(false).any(|statement| always(&statement));
        let denials = applying(true).map(|statement| statement.condition(asked));
        if !is_allowed {
            let allowances = applying(false).map(|statement| statement.condition(asked));
            return PolicyDecision::Conditional { statements: allowances.chain(denials).collect() };
        }
        match denials.collect::<Vec<_>>() {
            none if none.is_empty() => PolicyDecision::Allowed,
            statements => PolicyDecision::Conditional { statements },
        }
    }
}

impl Statement {
    /// Whether it applies to requests, for every caller, and every table that is not named.
    fn applies(&self, asked: &Asked<'_>) -> Matches {
        let of_conditions = if self.conditions.is_empty() { Matches::All } else { Matches::Some };
        let parts = [self.of_action(asked.action), self.of_resources(asked), self.principals, of_conditions];
        parts.into_iter().min().unwrap_or(Matches::None)
    }

    fn of_action(&self, action: &str) -> Matches {
        let action = action.to_ascii_lowercase();
        let named = self.actions.patterns.iter().any(|pattern| is_like(pattern, &action));
        if named != self.actions.negated { Matches::All } else { Matches::None }
    }

    /// Which tables of a Region it is about. An action on no table is about every resource: which of the other patterns match it, AWS
    /// does not say. <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>
    fn of_resources(&self, asked: &Asked<'_>) -> Matches {
        let is_on_tables = is_on_items(asked.action);
        let matches = |pattern: &String| match asked.table {
            Some(table) if is_on_tables => one_table(pattern, table, has_indexes(asked.action), asked.region),
            Some(_) | None => match tables(pattern, asked.region) {
                Matches::All if pattern != "*" && !is_on_tables => Matches::Some,
                matches @ (Matches::None | Matches::Some | Matches::All) => matches,
            },
        };
        let most = self.resources.patterns.iter().map(matches).max();
        match (most.unwrap_or(Matches::None), self.resources.negated) {
            (matches, false) => matches,
            (Matches::None, true) => Matches::All,
            (Matches::Some, true) => Matches::Some,
            (Matches::All, true) => Matches::None,
        }
    }

    fn condition(&self, asked: &Asked<'_>) -> PolicyCondition {
        let mut on = Vec::new();
        if self.principals != Matches::All {
            on.push("principal".to_owned());
        }
        if self.of_resources(asked) != Matches::All {
            on.push("resource".to_owned());
        }
        on.extend(self.conditions.iter().cloned());
        PolicyCondition { statement: self.name.clone(), denies: self.denies, on }
    }
}

/// Which tables of a Region a pattern of `Resource` matches.
fn tables(pattern: &str, region: &str) -> Matches {
    if pattern == "*" {
        return Matches::All;
    }
    let [arn, partition, service, in_region, account, resource] = parts_of_arn(pattern);
    if arn != "arn" || resource.is_empty() {
        // A wildcard in place of several parts may match any table.
        return if pattern.contains(['*', '?']) { Matches::Some } else { Matches::None };
    }
    let may_be = |part: &str, value: &str| is_like(part, value) || part.contains("${");
    let is_here = partition_of(region).is_none_or(|own| may_be(partition, own))
        && may_be(service, "dynamodb")
        // ARNs of global tables have none.
        && (in_region.is_empty() || may_be(in_region, region));
    let is_own = partition == "*" || partition_of(region).is_some_and(|own| is_like(partition, own));
    let is_every_table =
        is_own && !in_region.is_empty() && account == "*" && matches!(resource, "*" | "table*" | "table/*");
    match (is_here, is_every_table && !pattern.contains("${")) {
        (false, _) => Matches::None,
        (true, false) => Matches::Some,
        (true, true) => Matches::All,
    }
}

fn parts_of_arn(arn: &str) -> [&str; 6] {
    let mut parts = arn.splitn(6, ':');
    [(); 6].map(|()| parts.next().unwrap_or_default())
}

/// Whether a pattern of `Resource` matches a table, and for the actions that indexes have too, each of its indexes. By its name alone,
/// whose it is is not known.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/iam-policy-specific-table-indexes.html>
fn one_table(pattern: &str, table: &str, with_indexes: bool, region: &str) -> Matches {
    if pattern == "*" {
        return Matches::All;
    }
    // A variable may be any text, and has a colon of its own.
    if pattern.contains("${") {
        return Matches::Some;
    }
    let (own_partition, own_region, own_account, name) = match parts_of_arn(table) {
        // A name has no colon, and may be `arn`.
        [_, partition, _, region, account, resource] if !resource.is_empty() => {
            (Some(partition), region, Some(account), resource.to_owned())
        }
        [..] => (partition_of(region), region, None, format!("table/{table}")),
    };
    let [arn, partition, service, in_region, account, resource] = parts_of_arn(pattern);
    if arn != "arn" || resource.is_empty() {
        return if pattern.contains(['*', '?']) { Matches::Some } else { Matches::None };
    }
    let part = |pattern: &str, own: Option<&str>| match own {
        _ if pattern == "*" => Matches::All,
        Some(own) if is_like(pattern, own) => Matches::All,
        Some(_) => Matches::None,
        None => Matches::Some,
    };
    let parts = [
        part(partition, own_partition),
        part(service, Some("dynamodb")),
        part(in_region, Some(own_region)),
        part(account, own_account),
        match (part(resource, Some(&name)), any_index(resource, &name)) {
            (of_table, of_indexes) if !with_indexes || of_table == of_indexes => of_table,
            (_, _) => Matches::Some,
        },
    ];
    parts.into_iter().min().unwrap_or(Matches::None)
}

/// Whether a pattern matches the indexes of a table, whatever their names.
fn any_index(pattern: &str, table: &str) -> Matches {
    let indexes = format!("{table}/index/");
    // Of names that no pattern has, of one character and of several.
    let matched = ["\u{1}", "\u{1}\u{1}"].map(|name| is_like(pattern, &format!("{indexes}{name}")));
    let literal = pattern.split(['*', '?']).next().unwrap_or_default();
    if matched == [true, true] {
        Matches::All
    } else if literal.starts_with(&indexes) || (literal != pattern && indexes.starts_with(literal)) {
        Matches::Some
    } else {
        Matches::None
    }
}

/// Whether a text is like a pattern, in which `*` is any text and `?` any character.
fn is_like(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // What follows the last `*`, and the text from where it was tried: it is tried from each later character in turn.
    let mut last: Option<(Chars<'_>, Chars<'_>)> = None;
    loop {
        let (mut pattern_after, mut text_after) = (pattern.clone(), text.clone());
        match (pattern_after.next(), text_after.next()) {
            (Some('*'), _) => {
                last = Some((pattern_after.clone(), text.clone()));
                pattern = pattern_after;
            }
            (Some(one), Some(c)) if one == '?' || one == c => (pattern, text) = (pattern_after, text_after),
            (None, None) => return true,
            (Some(_) | None, _) => {
                let Some((after, from)) = &mut last else { return false };
                if from.next().is_none() {
                    return false;
                }
                (pattern, text) = (after.clone(), from.clone());
            }
        }
    }
}

fn read(document: &str) -> Result<Vec<Statement>, String> {
    let Distinct(value) =
        serde_json::from_str(document).map_err(|error| format!("it is not a JSON document: {error}"))?;
    let Value::Object(policy) = value else { return Err("it is not a JSON object".to_owned()) };
    for key in policy.keys() {
        if !["Version", "Id", "Statement"].contains(&key.as_str()) {
            return Err(format!("it has an element {key:?}"));
        }
    }
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        Some(_) | None => return Err("it has no Statement".to_owned()),
    };
    statements.iter().zip(1..).map(|(statement, number)| self::statement(statement, number)).collect()
}

fn statement(value: &Value, number: usize) -> Result<Statement, String> {
    const KEYS: [&str; 9] =
        ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    let Value::Object(statement) = value else { return Err(format!("statement {number} is not a JSON object")) };
    if let Some(key) = statement.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("statement {number} has an element {key:?}"));
    }
    let denies = match statement.get("Effect").and_then(Value::as_str) {
        Some("Allow") => false,
        Some("Deny") => true,
        Some(_) | None => return Err(format!("statement {number} has no Effect of Allow or Deny")),
    };
    let name = match statement.get("Sid").and_then(Value::as_str) {
        Some(sid) if !sid.is_empty() => format!("statement {sid:?}"),
        Some(_) | None => format!("statement {number}"),
    };
    let patterns = |element: &str| patterns(statement, element).map_err(|problem| format!("{name}: {problem}"));
    let (mut actions, resources) = (patterns("Action")?, patterns("Resource")?);
    // Names of actions are the same in either case.
    actions.patterns.iter_mut().for_each(|pattern| pattern.make_ascii_lowercase());
    let principals = principals(statement);
    let conditions = match statement.get("Condition") {
        None => Vec::new(),
        Some(Value::Object(operators)) => keys(operators),
        Some(_) => return Err(format!("{name}: its Condition is not a JSON object")),
    };
    Ok(Statement { name, denies, actions, resources, principals, conditions })
}

/// The keys of conditions; one without keys is always true.
fn keys(operators: &Map<String, Value>) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for operator in operators.values() {
        match operator {
            Value::Object(operator) => keys.extend(operator.keys().cloned()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                keys.push("a condition that onnet cannot read".to_owned());
            }
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

/// `Action` or `NotAction`, `Resource` or `NotResource`: one text or several.
fn patterns(statement: &Map<String, Value>, element: &str) -> Result<Patterns, String> {
    let negation = format!("Not{element}");
    let (value, negated) = match (statement.get(element), statement.get(&negation)) {
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        (Some(_), Some(_)) | (None, None) => return Err(format!("it needs one of {element} and {negation}")),
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let patterns = match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(several) => several.iter().map(text).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    };
    Ok(Patterns { patterns: patterns.ok_or_else(|| format!("its {element} is not a text"))?, negated })
}

/// Whom it is about. `"*"` and `{"AWS": "*"}` are everyone; whom a statement without a principal is about is not known.
fn principals(statement: &Map<String, Value>) -> Matches {
    let is_everyone = |value: &Value| match value {
        Value::String(one) => one == "*",
        Value::Array(several) => several.iter().any(|one| one.as_str() == Some("*")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    };
    match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(Value::Object(kinds)), None) => {
            let is_everyone = kinds.get("AWS").is_some_and(is_everyone) || kinds.get("*").is_some_and(is_everyone);
            if is_everyone { Matches::All } else { Matches::Some }
        }
        (Some(value), None) if is_everyone(value) => Matches::All,
        (Some(_), _) | (None, _) => Matches::Some,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGION: &str = "us-east-1";

    fn any(action: &str) -> Asked<'_> {
        Asked { action, table: None, region: REGION }
    }

    fn said(statements: &str, action: &str) -> String {
        said_on(statements, action, None)
    }

    fn said_on(statements: &str, action: &str, table: Option<&str>) -> String {
        let document = format!(r#"{{"Version": "2012-10-17", "Statement": {statements}}}"#);
        match Policy::read(&document).decide(&Asked { action, table, region: REGION }) {
            PolicyDecision::Allowed => "allowed".to_owned(),
            PolicyDecision::Denied { statement } => format!("denied by {}", statement.as_deref().unwrap_or("none")),
            PolicyDecision::Conditional { statements } => {
                statements.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            }
            PolicyDecision::Unknown { because } => format!("unknown: {because}"),
        }
    }

    fn allow(element: &str) -> String {
        let mut statement: Map<String, Value> =
            serde_json::from_str(r#"{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}"#)
                .unwrap_or_default();
        for (key, value) in serde_json::from_str::<Map<String, Value>>(&format!("{{{element}}}")).unwrap_or_default() {
            statement.retain(|known, _| key.trim_start_matches("Not") != known.as_str());
            statement.insert(key, value);
        }
        Value::from(statement).to_string()
    }

    #[test]
    fn a_resource_matches_all_tables_only_where_it_says_so() {
        for (pattern, region, expected) in [
            ("*", REGION, Matches::All),
            ("arn:aws:dynamodb:*:*:table/*", REGION, Matches::All),
            ("arn:*:dynamodb:*:*:table/*", REGION, Matches::All),
            ("arm:aws:dynamodb:*:*:table/*", REGION, Matches::Some),
            ("arm:aws:dynamodb:us-east-1:111122223333:table/t", REGION, Matches::None),
            ("arn:aws:dynamodb*", REGION, Matches::Some),
            ("arn:aws:dynamodb", REGION, Matches::None),
            ("arn:aws:dynamodb::*:global-table/*", REGION, Matches::Some),
            ("arn:aws:dynamodb::111122223333:*", REGION, Matches::Some),
            ("arn:aws:dynamodb::*:*", REGION, Matches::Some),
            ("arn:aws:sqs:us-east-1:*:*", REGION, Matches::None),
            ("arn:aws-cn:dynamodb:*:*:table/*", REGION, Matches::None),
            ("arn:aws:dynamodb:${aws:RequestedRegion}:*:table/*", REGION, Matches::Some),
            ("arn:aws:dynamodb:*:*:table/${aws:username}", REGION, Matches::Some),
            ("arn:aws:dynamodb:*:111122223333:table/*", REGION, Matches::Some),
            ("arn:aws:dynamodb:*:*:table/*", "moon-base-1", Matches::Some),
            ("arn:*:dynamodb:*:*:table/*", "moon-base-1", Matches::All),
        ] {
            assert_eq!(tables(pattern, region), expected, "{pattern} in {region}");
        }
    }

    #[test]
    fn a_table_is_matched_by_every_part_of_its_arn() {
        const ORDERS: &str = "arn:aws:dynamodb:us-east-1:111122223333:table/orders";
        for (pattern, of_arn, of_name) in [
            ("*", Matches::All, Matches::All),
            ("arn:aws:dynamodb:*:*:table/*", Matches::All, Matches::All),
            ("arn:aws:dynamodb:us-east-1:*:table/ord?rs", Matches::All, Matches::All),
            (ORDERS, Matches::All, Matches::Some),
            ("arn:aws:dynamodb:us-east-1:444455556666:table/orders", Matches::None, Matches::Some),
            ("arn:aws:dynamodb:us-east-1:444455556666:table/audit", Matches::None, Matches::None),
            ("arn:aws:dynamodb:us-west-2:*:table/orders", Matches::None, Matches::None),
            ("arn:aws-cn:dynamodb:*:*:table/*", Matches::None, Matches::None),
            ("arn:aws:s3:::orders", Matches::None, Matches::None),
            ("arn:aws:dynamodb:*:*:table/Orders", Matches::None, Matches::None),
            ("arn:aws:dynamodb:*:*:table/orders/index/*", Matches::None, Matches::None),
            ("arn:aws:dynamodb:*:*:table/${aws:PrincipalTag/team}", Matches::Some, Matches::Some),
            ("arn:aws:dynamodb:*:${aws:PrincipalAccount}:table/orders", Matches::Some, Matches::Some),
            ("arn:aws:dynamodb*", Matches::Some, Matches::Some),
            ("arn:aws:dynamodb", Matches::None, Matches::None),
        ] {
            assert_eq!(one_table(pattern, ORDERS, false, REGION), of_arn, "{pattern}");
            assert_eq!(one_table(pattern, "orders", false, REGION), of_name, "{pattern}, by name");
        }
        let everywhere = one_table("arn:aws:dynamodb:*:*:table/*", "orders", false, "moon-base-1");
        assert_eq!(everywhere, Matches::Some, "no partition");
        assert_eq!(one_table("arn:aws:dynamodb:*:*:table/arn", "arn", false, REGION), Matches::All, "a name");
    }

    #[test]
    fn a_query_is_on_a_table_or_on_any_of_its_indexes() {
        for (resource, expected) in [
            ("table/orders*", Matches::All),
            ("table/*", Matches::All),
            ("table/orders", Matches::Some),
            ("table/orders?*", Matches::Some),
            ("table/orders/index/*", Matches::Some),
            ("table/orders/index/by-date", Matches::Some),
            ("table/*/index/by-date", Matches::Some),
            ("table/audit/index/*", Matches::None),
            ("table/audit", Matches::None),
        ] {
            let pattern = format!("arn:aws:dynamodb:*:*:{resource}");
            assert_eq!(one_table(&pattern, "orders", true, REGION), expected, "{pattern}");
        }
    }

    #[test]
    fn of_a_table_in_another_region_nothing_is_said() {
        for (table, is_elsewhere) in [
            ("orders", false),
            ("arn:aws:dynamodb:us-east-1:111122223333:table/orders", false),
            ("arn:aws:dynamodb:us-west-2:111122223333:table/orders", true),
            ("arn:aws-cn:dynamodb:us-east-1:111122223333:table/orders", true),
        ] {
            assert_eq!(elsewhere(table, REGION).is_some(), is_elsewhere, "{table}");
        }
    }

    #[test]
    fn a_table_decides_what_any_table_leaves_open() {
        let orders = allow(r#""Resource": "arn:aws:dynamodb:*:*:table/orders""#);
        for (action, table, expected) in [
            ("dynamodb:GetItem", Some("orders"), "allowed"),
            ("dynamodb:GetItem", Some("audit"), "denied by none"),
            ("dynamodb:GetItem", None, "statement 1 allows by resource"),
            // No action on items: which tables it is about is not known.
            ("dynamodb:DescribeLimits", Some("orders"), "statement 1 allows by resource"),
        ] {
            assert_eq!(said_on(&orders, action, table), expected, "{action} {table:?}");
        }
        let all_but = format!(
            "[{}, {}]",
            allow(""),
            allow(r#""Effect": "Deny", "NotResource": "arn:aws:dynamodb:*:*:table/orders""#)
        );
        assert_eq!(said_on(&all_but, "dynamodb:GetItem", Some("orders")), "allowed");
        assert_eq!(said_on(&all_but, "dynamodb:GetItem", Some("audit")), "denied by statement 2");
    }

    #[test]
    fn what_cannot_be_read_of_a_policy_allows_and_denies_nothing_for_certain() {
        let of =
            |document: &str| matches!(Policy::read(document).decide(&any("GetItem")), PolicyDecision::Unknown { .. });
        let statement = allow("");
        assert!(!of(&format!(r#"{{"Version": "2012-10-17", "Id": "x", "Statement": [{statement}]}}"#)));
        assert!(of(&format!(r#"{{"Version": "2012-10-17", "Statements": [], "Statement": [{statement}]}}"#)));
        assert!(of(r#"["x"]"#));
        let twice = statement.replace(r#""Effect":"Allow""#, r#""Effect":"Deny","Effect":"Allow""#);
        assert!(of(&format!(r#"{{"Statement": [{twice}]}}"#)), "{twice}");
        let odd = said(&allow(r#""Condition": {"StringEquals": "x"}"#), "GetItem");
        assert!(odd.contains("a condition that onnet cannot read"), "{odd}");
    }

    #[test]
    fn only_what_holds_for_every_request_is_allowed_or_denied() {
        let deny = |element: &str| allow(&format!(r#""Effect": "Deny", {element}"#));
        for (statements, action, expected) in [
            (allow(""), "PutItem", "allowed"),
            ("[]".to_owned(), "PutItem", "denied by none"),
            (allow(r#""Action": ["dynamodb:Get*", "dynamodb:?atchGetItem"]"#), "BatchGetItem", "allowed"),
            (allow(r#""Action": "dynamodb:getitem""#), "GetItem", "allowed"),
            (allow(r#""Action": "dynamodb:Get*""#), "PutItem", "denied by none"),
            (allow(r#""NotAction": "dynamodb:Get*""#), "GetItem", "denied by none"),
            (allow(r#""NotAction": "dynamodb:Get*""#), "PutItem", "allowed"),
            (allow(r#""Action": "s3:*""#), "GetItem", "denied by none"),
            (allow(r#""Principal": {"AWS": "*"}"#), "GetItem", "allowed"),
            (allow(r#""Principal": {"AWS": ["111122223333"]}"#), "GetItem", "statement 1 allows by principal"),
            (allow(r#""NotPrincipal": {"AWS": "*"}"#), "GetItem", "statement 1 allows by principal"),
            (allow(r#""Resource": "arn:aws:dynamodb:*:*:table/*""#), "PutItem", "allowed"),
            (allow(r#""Resource": "arn:aws:dynamodb:*:*:table/*""#), "ListTables", "statement 1 allows by resource"),
            (
                allow(r#""Resource": "arn:aws:dynamodb:*:*:table/*""#),
                "DescribeLimits",
                "statement 1 allows by resource",
            ),
            (allow(r#""Resource": "arn:aws:dynamodb:us-east-1:*:*""#), "GetItem", "allowed"),
            (allow(r#""Resource": "arn:aws:dynamodb:eu-*:*:table/*""#), "GetItem", "denied by none"),
            (allow(r#""Resource": "arn:aws-cn:dynamodb:*:*:table/*""#), "GetItem", "denied by none"),
            (allow(r#""Resource": "arn:aws:s3:::bucket/*""#), "GetItem", "denied by none"),
            (
                allow(r#""Resource": "arn:aws:dynamodb:*:111122223333:table/*""#),
                "GetItem",
                "statement 1 allows by resource",
            ),
            (
                allow(r#""Resource": ["arn:aws:dynamodb:*:*:table/orders"]"#),
                "GetItem",
                "statement 1 allows by resource",
            ),
            (
                allow(r#""Resource": "arn:aws:dynamodb:*:*:table/${aws:PrincipalTag/team}*""#),
                "GetItem",
                "statement 1 allows by resource",
            ),
            (allow(r#""Resource": "arn:*""#), "GetItem", "statement 1 allows by resource"),
            (
                allow(r#""NotResource": "arn:aws:dynamodb:*:*:table/secret""#),
                "GetItem",
                "statement 1 allows by resource",
            ),
            (allow(r#""NotResource": "arn:aws:s3:::bucket""#), "GetItem", "allowed"),
            (allow(r#""NotResource": "*""#), "GetItem", "denied by none"),
            (
                allow(
                    r#""Sid": "Own", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}, "Bool": {"aws:SecureTransport": "true"}}"#,
                ),
                "GetItem",
                r#"statement "Own" allows by aws:PrincipalOrgID, aws:SecureTransport"#,
            ),
            (allow(r#""Condition": {}"#), "GetItem", "allowed"),
            (
                format!("[{}, {}]", allow(""), deny(r#""Sid": "No", "Action": "dynamodb:Delete*""#)),
                "DeleteItem",
                r#"denied by statement "No""#,
            ),
            (format!("[{}, {}]", allow(""), deny(r#""Action": "dynamodb:Delete*""#)), "GetItem", "allowed"),
            (
                format!("[{}, {}]", allow(""), deny(r#""Resource": "arn:aws:dynamodb:*:*:table/audit""#)),
                "GetItem",
                "statement 2 denies by resource",
            ),
            (
                format!(
                    "[{}, {}]",
                    allow(r#""Action": "dynamodb:Get*""#),
                    deny(r#""Principal": {"AWS": "111122223333"}"#)
                ),
                "PutItem",
                "denied by none",
            ),
        ] {
            assert_eq!(said(&statements, &format!("dynamodb:{action}")), expected, "{statements} {action}");
        }
    }

    #[test]
    fn what_cannot_be_read_decides_nothing() {
        for (statements, because) in [
            (allow(r#""Effect": "allow""#), "statement 1 has no Effect of Allow or Deny"),
            (allow(r#""Action": 7"#), "statement 1: its Action is not a text"),
            (allow(r#""Action": ["dynamodb:*", null]"#), "statement 1: its Action is not a text"),
            (allow(r#""Condition": "x""#), "statement 1: its Condition is not a JSON object"),
            (allow(r#""Only": "x""#), r#"statement 1 has an element "Only""#),
            (
                r#"{"Effect": "Allow", "Principal": "*", "Resource": "*"}"#.to_owned(),
                "statement 1: it needs one of Action and NotAction",
            ),
            ("7".to_owned(), "it has no Statement"),
            ("[7]".to_owned(), "statement 1 is not a JSON object"),
        ] {
            assert_eq!(said(&statements, LIST_TABLES), format!("unknown: {because}"), "{statements}");
        }
        for document in ["", "null", "[]", r#"{"Statement": []"#, r#"{"statement": []}"#] {
            let decision = Policy::read(document).decide(&any(LIST_TABLES));
            assert!(matches!(decision, PolicyDecision::Unknown { .. }), "{document}: {decision:?}");
        }
    }
}
