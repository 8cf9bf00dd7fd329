//! Policy documents: the parser, and which statements match a request.

use super::{
    Context, Request, Unreadable, Value, account,
    pattern::{Comparison, Pattern, Syntax},
};
use serde_json::{Map, Value as Json};

/// A policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Only managed policies have one. A denial may name it.
    pub arn: Option<String>,
    /// The JSON that it was read from, for the third-party evaluator.
    pub document: Json,
    statements: Vec<Statement>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

#[derive(Clone, Debug)]
struct Statement {
    effect: Effect,
    /// Whom it is about: the account ids and ARNs of a resource's policy. `None`: everybody.
    principals: Option<Vec<String>>,
    actions: List<Pattern>,
    resources: List<Resource>,
    conditions: Vec<Condition>,
}

/// The value of `Action` or `Resource`, or (`except`) of `NotAction` or `NotResource`.
#[derive(Clone, Debug)]
struct List<T> {
    except: bool,
    of: Vec<T>,
}

#[derive(Clone, Debug)]
enum Resource {
    Everything,
    /// The six parts of an ARN. A wildcard matches only within its part.
    Parts(Vec<Pattern>),
}

#[derive(Clone, Debug)]
struct Condition {
    set: Option<Set>,
    operator: Operator,
    if_exists: bool,
    key: String,
    values: Vec<Pattern>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    ForAllValues,
    ForAnyValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    /// Whether the key must be absent.
    Null { absent: bool },
    /// `StringEquals` and `StringLike`; they differ in their patterns.
    Matches,
    /// `StringNotEquals` and `StringNotLike`.
    Differs,
}

impl Policy {
    /// Reads an inline policy.
    ///
    /// # Errors
    /// If it has an element or an operator that this engine does not evaluate.
    pub fn inline(text: &str) -> Result<Self, Unreadable> {
        Self::read(text, false)
    }

    /// Reads a resource's policy, whose statements say whom they are about.
    ///
    /// # Errors
    /// As an inline one.
    pub fn of_resource(text: &str) -> Result<Self, Unreadable> {
        Self::read(text, true)
    }

    fn read(text: &str, of_resource: bool) -> Result<Self, Unreadable> {
        let whole: Json = serde_json::from_str(text).map_err(|error| Unreadable(error.to_string()))?;
        let document = object(&whole)?;
        known(document, &["Version", "Id", "Statement"])?;
        let variables = match document.get("Version").map(|version| version.as_str()) {
            Some(Some("2012-10-17")) => true,
            // A policy without a Version has the first one.
            Some(Some("2008-10-17")) | None => false,
            Some(other) => return Err(Unreadable(format!("a policy has no Version {other:?}"))),
        };
        let statements = match document.get("Statement") {
            Some(Json::Array(statements)) => statements.iter().collect(),
            Some(one @ Json::Object(_)) => vec![one],
            _ => return Err(Unreadable("a policy has statements".to_owned())),
        };
        let read = |one| Statement::read(object(one)?, variables, of_resource);
        let statements = statements.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { arn: None, statements, document: whole })
    }

    /// Reads a managed policy.
    ///
    /// # Errors
    /// As an inline one.
    pub fn managed(arn: &str, text: &str) -> Result<Self, Unreadable> {
        Ok(Self { arn: Some(arn.to_owned()), ..Self::inline(text)? })
    }

    /// Whether a statement with this effect matches the request.
    pub(super) fn has(&self, effect: Effect, request: &Request) -> bool {
        self.statements.iter().any(|statement| statement.effect == effect && statement.matches(request))
    }

    /// Whether an `Allow` statement matches that names the principal itself, not only its account: naming an account leaves the
    /// decision to that account's identity-based policies.
    pub(super) fn allows_by_name(&self, request: &Request) -> bool {
        let mut allowing = self.statements.iter().filter(|statement| statement.effect == Effect::Allow);
        allowing.any(|statement| statement.is_about(request, false) && statement.matches(request))
    }
}

impl Statement {
    fn read(statement: &Map<String, Json>, variables: bool, of_resource: bool) -> Result<Self, Unreadable> {
        known(
            statement,
            &["Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"],
        )?;
        let effect = match statement.get("Effect").and_then(Json::as_str) {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            other => return Err(Unreadable(format!("a statement has no Effect {other:?}"))),
        };
        let principals = match statement.get("Principal") {
            Some(Json::String(all)) if all == "*" => None,
            // Policies of gateway endpoints and RCPs allow no other value; the other types do not have the element.
            None if !of_resource => None,
            Some(Json::Object(named)) if of_resource => {
                known(named, &["AWS"])?;
                let principals = texts(named.get("AWS").unwrap_or(&Json::Null))?;
                (!principals.iter().any(|one| one == "*")).then_some(principals)
            }
            other => return Err(Unreadable(format!("a Principal is not {other:?} in this type of policy"))),
        };
        let action = |text: &str| {
            let syntax = Syntax { wildcards: true, variables: false };
            match text {
                "*" => Ok(Pattern::new(text, syntax)),
                _ if text.contains(':') => Ok(Pattern::new(&text.to_lowercase(), syntax)),
                _ => Err(Unreadable(format!("{text} names no service"))),
            }
        };
        let conditions = match statement.get("Condition") {
            None => Vec::new(),
            Some(conditions) => Condition::read_all(object(conditions)?, variables)?,
        };
        Ok(Self {
            effect,
            principals,
            actions: list(statement, "Action", action)?,
            resources: list(statement, "Resource", |text| Resource::read(text, variables))?,
            conditions,
        })
    }

    fn matches(&self, request: &Request) -> bool {
        let action = request.action.to_lowercase();
        self.is_about(request, true)
            && self.actions.contains(|pattern| pattern.compare(&action, &request.context))
            && self.resources.contains(|resource| resource.compare(&request.resource, &request.context))
            && self.conditions.iter().all(|condition| condition.holds(&request.context))
    }

    /// Whether it names the principal: the session, its role, or (`also_by_account`) the account.
    fn is_about(&self, request: &Request, also_by_account: bool) -> bool {
        let Some(principals) = &self.principals else { return true };
        let (session, account) = (&request.principal, account(&request.principal));
        let name = session.split('/').nth(1).unwrap_or_default();
        let role = format!("arn:aws:iam::{account}:role/{name}");
        let root = format!("arn:aws:iam::{account}:root");
        principals
            .iter()
            .any(|one| one == session || *one == role || (also_by_account && (one == account || *one == root)))
    }
}

impl<T> List<T> {
    /// A resource with a variable that has no value matches nothing. As an exception it is unknown: the statement does not match.
    fn contains(&self, compare: impl Fn(&T) -> Comparison) -> bool {
        let mut all = self.of.iter().map(compare);
        if self.except { all.all(|one| one == Comparison::Different) } else { all.any(|one| one == Comparison::Equal) }
    }
}

impl Resource {
    fn read(text: &str, variables: bool) -> Result<Self, Unreadable> {
        if text == "*" {
            return Ok(Self::Everything);
        }
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [first, .., _] = parts.as_slice() else { return Err(not_an_arn(text)) };
        if parts.len() != 6 || *first != "arn" || parts[..5].iter().any(|part| part.contains("${")) {
            return Err(not_an_arn(text));
        }
        let syntax = Syntax { wildcards: true, variables };
        Ok(Self::Parts(parts.into_iter().map(|part| Pattern::new(part, syntax)).collect()))
    }

    fn compare(&self, arn: &str, context: &Context) -> Comparison {
        let Self::Parts(patterns) = self else { return Comparison::Equal };
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let mut compared = patterns.iter().zip(&parts).map(|(pattern, part)| pattern.compare(part, context));
        // A part that differs decides, also if the variable of another part has no value.
        compared.find(|one| *one != Comparison::Equal).unwrap_or(Comparison::Equal)
    }
}

fn not_an_arn(text: &str) -> Unreadable {
    Unreadable(format!("{text} is not an ARN of six parts with variables in the last one only"))
}

impl Condition {
    fn read_all(conditions: &Map<String, Json>, variables: bool) -> Result<Vec<Self>, Unreadable> {
        let mut read = Vec::new();
        for (name, keys) in conditions {
            for (key, values) in object(keys)? {
                read.push(Self::read(name, key, &texts(values)?, variables)?);
            }
        }
        Ok(read)
    }

    fn read(name: &str, key: &str, values: &[String], variables: bool) -> Result<Self, Unreadable> {
        let (set, operator) = match name.split_once(':') {
            None => (None, name),
            Some(("ForAllValues", operator)) => (Some(Set::ForAllValues), operator),
            Some(("ForAnyValue", operator)) => (Some(Set::ForAnyValue), operator),
            Some(_) => return Err(Unreadable(format!("the lab does not know the operator {name}"))),
        };
        let (base, if_exists) = operator.strip_suffix("IfExists").map_or((operator, false), |base| (base, true));
        let (operator, wildcards) = match base {
            "Null" if set.is_none() && !if_exists => match values {
                [value] if value == "true" => (Operator::Null { absent: true }, false),
                [value] if value == "false" => (Operator::Null { absent: false }, false),
                other => return Err(Unreadable(format!("Null is true or false, not {other:?}"))),
            },
            "StringEquals" => (Operator::Matches, false),
            "StringLike" => (Operator::Matches, true),
            "StringNotEquals" => (Operator::Differs, false),
            "StringNotLike" => (Operator::Differs, true),
            _ => return Err(Unreadable(format!("the lab does not know the operator {name}"))),
        };
        let values = values.iter().map(|text| Pattern::new(text, Syntax { wildcards, variables })).collect();
        Ok(Self { set, operator, if_exists, key: key.to_owned(), values })
    }

    fn holds(&self, context: &Context) -> bool {
        let value = context.get(&self.key);
        let differs = match self.operator {
            Operator::Null { absent } => return value.is_none() == absent,
            Operator::Matches => false,
            Operator::Differs => true,
        };
        let Some(value) = value else {
            return match self.set {
                // It is true if the request has no values.
                Some(Set::ForAllValues) => true,
                Some(Set::ForAnyValue) => self.if_exists,
                None => self.if_exists || differs,
            };
        };
        let values = match value {
            Value::One(value) => std::slice::from_ref(value),
            Value::Many(values) => values,
        };
        // A variable without a value is null. Nothing equals null, so that inverted operators match.
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-no-value
        let holds_for = |value: &String| {
            let equal = self.values.iter().any(|pattern| pattern.compare(value, context) == Comparison::Equal);
            equal != differs
        };
        match self.set {
            Some(Set::ForAllValues) => values.iter().all(holds_for),
            Some(Set::ForAnyValue) => values.iter().any(holds_for),
            None if differs => values.iter().all(holds_for),
            None => values.iter().any(holds_for),
        }
    }
}

/// An element, or the one with `Not` before its name.
fn list<T>(
    statement: &Map<String, Json>,
    name: &str,
    read: impl Fn(&str) -> Result<T, Unreadable>,
) -> Result<List<T>, Unreadable> {
    let (except, values) = match (statement.get(name), statement.get(&format!("Not{name}"))) {
        (Some(values), None) => (false, values),
        (None, Some(values)) => (true, values),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Unreadable(format!("a statement has either {name} or Not{name}")));
        }
    };
    let of = texts(values)?.iter().map(|text| read(text)).collect::<Result<_, _>>()?;
    Ok(List { except, of })
}

fn texts(value: &Json) -> Result<Vec<String>, Unreadable> {
    match value {
        Json::String(text) => Ok(vec![text.clone()]),
        Json::Bool(is) => Ok(vec![is.to_string()]),
        Json::Array(values) => {
            let text = |value: &Json| match value {
                Json::String(text) => Ok(text.clone()),
                other => Err(Unreadable(format!("{other} is not a text"))),
            };
            values.iter().map(text).collect()
        }
        other => Err(Unreadable(format!("{other} is not a text"))),
    }
}

fn object(value: &Json) -> Result<&Map<String, Json>, Unreadable> {
    value.as_object().ok_or_else(|| Unreadable(format!("{value} is not an object")))
}

fn known(object: &Map<String, Json>, names: &[&str]) -> Result<(), Unreadable> {
    match object.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(other) => Err(Unreadable(format!("the lab does not know the element {other}"))),
    }
}
