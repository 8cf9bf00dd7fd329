//! Expressions: their words, the conditions, key conditions and updates made of them, and what these do to an item.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html>. Paths into maps and lists are not known, nor
//! `BETWEEN`, `IN`, `contains`, `size`, `ADD` and `DELETE`: they are errors.

use super::{
    Failure, Schema,
    number::Number,
    value::{self, Item},
};
use serde_json::{Value, json};
use std::{cell::RefCell, cmp::Ordering, collections::BTreeSet};

/// The words that name no attribute unless a placeholder stands for them.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html>
const RESERVED: &str = include_str!("reserved.txt");

/// `ExpressionAttributeNames` and `ExpressionAttributeValues`, and which of them an expression has used.
pub struct Placeholders {
    names: Item,
    values: Item,
    used: RefCell<BTreeSet<String>>,
}

impl Placeholders {
    pub fn new(names: Item, values: &Item) -> Result<Self, Failure> {
        Ok(Self { names, values: value::all_checked(values)?, used: RefCell::default() })
    }

    /// DynamoDB refuses placeholders that no expression uses.
    pub fn all_used(&self) -> Result<(), Failure> {
        let used = self.used.borrow();
        for (what, all) in [("Names", &self.names), ("Values", &self.values)] {
            if let Some(unused) = all.keys().find(|key| !used.contains(*key)) {
                let message =
                    format!("Value provided in ExpressionAttribute{what} unused in expressions: keys: {{{unused}}}");
                return Err(Failure::validation(message));
            }
        }
        Ok(())
    }

    fn resolve<'a>(&self, all: &'a Item, key: &str) -> Option<&'a Value> {
        self.used.borrow_mut().insert(key.to_owned());
        all.get(key)
    }
}

#[derive(Clone, Debug)]
pub enum Operand {
    Attribute(String),
    Value(Value),
    IfNotExists(String, Box<Operand>),
    /// A sum, or a difference.
    Sum(Box<Operand>, bool, Box<Operand>),
}

#[derive(Clone, Debug)]
pub enum Condition {
    Exists(String),
    BeginsWith(Operand, Operand),
    Compare(Operand, &'static str, Operand),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

impl Condition {
    /// Whether it holds for an item; for one that does not exist, as for one without attributes.
    pub fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Exists(name) => item.contains_key(name),
            Self::BeginsWith(value, start) => match (value.known(item), start.known(item)) {
                (Some(value), Some(start)) => value::begins_with(value, start),
                _ => false,
            },
            Self::Compare(left, by, right) => match (left.known(item), right.known(item)) {
                (Some(left), Some(right)) => is(left, by, right),
                // Nothing equals what is not there.
                _ => *by == "<>",
            },
            Self::Not(one) => !one.holds(item),
            Self::And(one, other) => one.holds(item) && other.holds(item),
            Self::Or(one, other) => one.holds(item) || other.holds(item),
        }
    }

    /// The conditions that `AND` joins.
    fn parts(self) -> Vec<Self> {
        match self {
            Self::And(one, other) => [one.parts(), other.parts()].concat(),
            other => vec![other],
        }
    }
}

fn is(left: &Value, by: &str, right: &Value) -> bool {
    let ordering = value::compare(left, right);
    match by {
        "=" => left == right,
        "<>" => left != right,
        "<" => ordering == Some(Ordering::Less),
        ">" => ordering == Some(Ordering::Greater),
        "<=" => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
        _ => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
    }
}

impl Operand {
    fn known<'a>(&'a self, item: &'a Item) -> Option<&'a Value> {
        match self {
            Self::Attribute(name) => item.get(name),
            Self::Value(value) => Some(value),
            Self::IfNotExists(..) | Self::Sum(..) => None,
        }
    }

    /// Its value for the item as it was before the update.
    fn value(&self, before: &Item) -> Result<Value, Failure> {
        match self {
            Self::Attribute(_) | Self::Value(_) => self.known(before).cloned().ok_or_else(|| {
                Failure::validation("The provided expression refers to an attribute that does not exist in the item")
            }),
            Self::IfNotExists(name, otherwise) => before.get(name).cloned().map_or_else(|| otherwise.value(before), Ok),
            Self::Sum(left, adds, right) => {
                let number = |operand: &Self| match value::typed(&operand.value(before)?) {
                    ("N", inner) => Ok(inner.as_str().and_then(Number::parse).expect("values are checked")),
                    _ => Err(Failure::validation("An operand in the update expression has an incorrect data type")),
                };
                let (left, right) = (number(left)?, number(right)?);
                let sum = left.plus(if *adds { right } else { right.negative() });
                let sum = sum.ok_or_else(|| {
                    Failure::validation(
                        "Number overflow. Attempting to store a number with magnitude larger than supported range",
                    )
                })?;
                Ok(json!({ "N": sum.text() }))
            }
        }
    }
}

/// What a query asks for: one partition, and a condition for the sort key.
#[derive(Debug)]
pub struct KeyCondition {
    pub partition: String,
    pub sort: Option<Condition>,
}

impl KeyCondition {
    pub fn of(condition: Condition, schema: &Schema) -> Result<Self, Failure> {
        let (mut partition, mut sort) = (None, None);
        for part in condition.parts() {
            match &part {
                Condition::Compare(Operand::Attribute(name), "=", Operand::Value(value))
                    if *name == schema.partition =>
                {
                    partition = Some(super::key_text(value).ok_or_else(|| {
                        Failure::validation("One or more parameter values were invalid: Condition parameter type does not match schema type")
                    })?);
                }
                Condition::Compare(Operand::Attribute(name), _, Operand::Value(_))
                | Condition::BeginsWith(Operand::Attribute(name), Operand::Value(_))
                    if Some(name) == schema.sort.as_ref() && sort.is_none() =>
                {
                    if matches!(part, Condition::Compare(_, "<>", _)) {
                        return Err(Failure::validation("Unsupported operator on KeyCondition: operator: <>"));
                    }
                    sort = Some(part);
                }
                _ => return Err(Failure::validation("Query key condition not supported")),
            }
        }
        let missing = || format!("Query condition missed key schema element: {}", schema.partition);
        Ok(Self { partition: partition.ok_or_else(|| Failure::validation(missing()))?, sort })
    }
}

/// What an update does.
#[derive(Debug, Default)]
pub struct Update {
    set: Vec<(String, Operand)>,
    remove: Vec<String>,
}

impl Update {
    /// The attributes that it changes.
    pub fn attributes(&self) -> impl Iterator<Item = &String> {
        self.set.iter().map(|(name, _)| name).chain(&self.remove)
    }

    pub fn apply(&self, before: &Item) -> Result<Item, Failure> {
        let mut item = before.clone();
        for (name, operand) in &self.set {
            item.insert(name.clone(), operand.value(before)?);
        }
        item.retain(|name, _| !self.remove.contains(name));
        Ok(item)
    }
}

/// Reads one expression.
pub struct Parser<'a> {
    /// `ConditionExpression`, for the messages.
    kind: &'static str,
    tokens: Vec<String>,
    at: usize,
    placeholders: &'a Placeholders,
}

impl<'a> Parser<'a> {
    pub fn new(kind: &'static str, text: &str, placeholders: &'a Placeholders) -> Result<Self, Failure> {
        let mut tokens = Vec::new();
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let length = match first {
                '#' | ':' => 1 + rest[1..].find(|c| !is_word(c)).unwrap_or(rest.len() - 1),
                '<' if rest.starts_with("<>") || rest.starts_with("<=") => 2,
                '>' if rest.starts_with(">=") => 2,
                '(' | ')' | ',' | '=' | '<' | '>' | '+' | '-' => 1,
                c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                other => {
                    let message = format!("Invalid {kind}: Syntax error; token: \"{other}\", near: \"{rest}\"");
                    return Err(Failure::validation(message));
                }
            };
            tokens.push(rest[..length].to_owned());
            rest = rest[length..].trim_start();
        }
        if tokens.is_empty() {
            return Err(Failure::validation(format!("Invalid {kind}: The expression can not be empty;")));
        }
        Ok(Self { kind, tokens, at: 0, placeholders })
    }

    pub fn condition(mut self) -> Result<Condition, Failure> {
        let condition = self.any_of()?;
        self.end(condition)
    }

    pub fn names(mut self) -> Result<Vec<String>, Failure> {
        let names = self.list(Self::attribute)?;
        self.end(names)
    }

    pub fn update(mut self) -> Result<Update, Failure> {
        let mut update = Update::default();
        while self.at < self.tokens.len() {
            if self.takes("SET") && update.set.is_empty() {
                update.set = self.list(|parser| {
                    let name = parser.attribute()?;
                    parser.needs("=")?;
                    Ok((name, parser.sum()?))
                })?;
            } else if self.takes("REMOVE") && update.remove.is_empty() {
                update.remove = self.list(Self::attribute)?;
            } else {
                return Err(self.unexpected());
            }
        }
        let names: Vec<&String> = update.attributes().collect();
        if names.iter().collect::<BTreeSet<_>>().len() < names.len() {
            return Err(
                self.invalid("Two document paths overlap with each other; must remove or rewrite one of these paths")
            );
        }
        Ok(update)
    }

    fn any_of(&mut self) -> Result<Condition, Failure> {
        let mut condition = self.all_of()?;
        while self.takes("OR") {
            condition = Condition::Or(Box::new(condition), Box::new(self.all_of()?));
        }
        Ok(condition)
    }

    fn all_of(&mut self) -> Result<Condition, Failure> {
        let mut condition = self.one()?;
        while self.takes("AND") {
            condition = Condition::And(Box::new(condition), Box::new(self.one()?));
        }
        Ok(condition)
    }

    fn one(&mut self) -> Result<Condition, Failure> {
        if self.takes("NOT") {
            return Ok(Condition::Not(Box::new(self.one()?)));
        }
        if self.takes("(") {
            let inside = self.any_of()?;
            self.needs(")")?;
            return Ok(inside);
        }
        let function = self.peek().to_owned();
        if self.tokens.get(self.at + 1).is_some_and(|next| next == "(") {
            self.at += 2;
            let condition = match function.as_str() {
                "attribute_exists" => Condition::Exists(self.attribute()?),
                "attribute_not_exists" => Condition::Not(Box::new(Condition::Exists(self.attribute()?))),
                "begins_with" => {
                    let value = self.operand()?;
                    self.needs(",")?;
                    Condition::BeginsWith(value, self.operand()?)
                }
                _ => return Err(self.invalid(&format!("Invalid function name; function: {function}"))),
            };
            self.needs(")")?;
            return Ok(condition);
        }
        let left = self.operand()?;
        let by = ["=", "<>", "<=", ">=", "<", ">"].into_iter().find(|by| self.takes(by));
        let by = by.ok_or_else(|| self.unexpected())?;
        Ok(Condition::Compare(left, by, self.operand()?))
    }

    fn sum(&mut self) -> Result<Operand, Failure> {
        let left = self.operand()?;
        let adds = match (self.takes("+"), self.peek()) {
            (true, _) => true,
            (false, "-") => {
                self.at += 1;
                false
            }
            (false, _) => return Ok(left),
        };
        Ok(Operand::Sum(Box::new(left), adds, Box::new(self.operand()?)))
    }

    fn operand(&mut self) -> Result<Operand, Failure> {
        let token = self.peek().to_owned();
        if token.starts_with(':') {
            self.at += 1;
            let value = self.placeholders.resolve(&self.placeholders.values, &token).cloned();
            let undefined =
                || format!("An expression attribute value used in expression is not defined; attribute value: {token}");
            return value.map(Operand::Value).ok_or_else(|| self.invalid(&undefined()));
        }
        if self.kind == "UpdateExpression" && token == "if_not_exists" {
            self.at += 1;
            self.needs("(")?;
            let name = self.attribute()?;
            self.needs(",")?;
            let otherwise = self.operand()?;
            self.needs(")")?;
            return Ok(Operand::IfNotExists(name, Box::new(otherwise)));
        }
        self.attribute().map(Operand::Attribute)
    }

    fn attribute(&mut self) -> Result<String, Failure> {
        let token = self.peek().to_owned();
        let is_reserved = || RESERVED.split_whitespace().any(|word| word.eq_ignore_ascii_case(&token));
        let name = match token.chars().next() {
            Some('#') => {
                let name = self.placeholders.resolve(&self.placeholders.names, &token).and_then(Value::as_str);
                let undefined = || {
                    let what = "An expression attribute name used in the document path is not defined";
                    self.invalid(&format!("{what}; attribute name: {token}"))
                };
                name.ok_or_else(undefined)?.to_owned()
            }
            Some(c) if c.is_ascii_alphabetic() && !is_reserved() => token,
            Some(c) if c.is_ascii_alphabetic() => {
                let what = "Attribute name is a reserved keyword";
                return Err(self.invalid(&format!("{what}; reserved keyword: {token}")));
            }
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(name)
    }

    fn list<T>(&mut self, read: impl Fn(&mut Self) -> Result<T, Failure>) -> Result<Vec<T>, Failure> {
        let mut all = vec![read(self)?];
        while self.takes(",") {
            all.push(read(self)?);
        }
        Ok(all)
    }

    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn takes(&mut self, wanted: &str) -> bool {
        let is = self.peek().eq_ignore_ascii_case(wanted);
        self.at += usize::from(is);
        is
    }

    fn needs(&mut self, wanted: &str) -> Result<(), Failure> {
        if self.takes(wanted) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn end<T>(&self, read: T) -> Result<T, Failure> {
        if self.at == self.tokens.len() { Ok(read) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> Failure {
        let token = if self.at < self.tokens.len() { self.peek() } else { "<EOF>" };
        let near = self.tokens[self.at.saturating_sub(1)..self.tokens.len().min(self.at + 2)].join(" ");
        self.invalid(&format!("Syntax error; token: \"{token}\", near: \"{near}\""))
    }

    fn invalid(&self, message: &str) -> Failure {
        Failure::validation(format!("Invalid {}: {message}", self.kind))
    }
}
