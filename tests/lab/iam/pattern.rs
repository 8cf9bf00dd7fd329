//! Strings of a policy with wildcards and variables, which are compared with strings of the request.

use super::Context;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// `?`
    One,
    /// `*`
    Any,
    Variable {
        key: String,
        default: Option<String>,
    },
}

/// One such string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Token>);

/// What has a special meaning in the string.
#[derive(Clone, Copy, Debug)]
pub struct Syntax {
    pub wildcards: bool,
    /// Only under Version 2012-10-17. Otherwise `${…}` is literal.
    pub variables: bool,
}

/// The result of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    Different,
    /// A variable has no value in this request.
    Unresolved,
}

impl Pattern {
    pub fn new(text: &str, syntax: Syntax) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let variable = if syntax.variables { variable(rest) } else { None };
            let (token, length) = match (first, variable) {
                (_, Some(variable)) => variable,
                ('*', None) if syntax.wildcards => (Token::Any, 1),
                ('?', None) if syntax.wildcards => (Token::One, 1),
                (other, None) => (Token::Literal(other), other.len_utf8()),
            };
            tokens.push(token);
            rest = &rest[length..];
        }
        Self(tokens)
    }

    pub fn compare(&self, text: &str, context: &Context) -> Comparison {
        let mut resolved = Vec::new();
        for token in &self.0 {
            match token {
                Token::Literal(_) | Token::One | Token::Any => resolved.push(token.clone()),
                // `*` and `?` in a value are literal.
                Token::Variable { key, default } => match context.variable(key).or(default.as_deref()) {
                    Some(value) => resolved.extend(value.chars().map(Token::Literal)),
                    None => return Comparison::Unresolved,
                },
            }
        }
        let text: Vec<char> = text.chars().collect();
        if matches(&resolved, &text) { Comparison::Equal } else { Comparison::Different }
    }
}

/// The variable at the start of a text, and its length: `${key}`, `${key, 'default'}`, or a character that would be a
/// wildcard otherwise: `${*}`, `${?}`, `${$}`.
fn variable(text: &str) -> Option<(Token, usize)> {
    let inside = text.strip_prefix("${")?.split_once('}')?.0;
    let token = match inside {
        "*" | "?" | "$" => Token::Literal(inside.chars().next()?),
        _ => {
            let (key, default) = inside.split_once(',').map_or((inside, None), |(key, rest)| (key, Some(rest.trim())));
            let default = default.map(|quoted| quoted.trim_matches('\'').to_owned());
            Token::Variable { key: key.trim().to_owned(), default }
        }
    };
    Some((token, inside.len() + "${}".len()))
}

fn matches(tokens: &[Token], text: &[char]) -> bool {
    match (tokens, text) {
        ([], []) => true,
        ([Token::Any, rest @ ..], _) => {
            matches(rest, text) || text.split_first().is_some_and(|(_, after)| matches(tokens, after))
        }
        ([Token::One, rest @ ..], [_, after @ ..]) => matches(rest, after),
        ([Token::Literal(wanted), rest @ ..], [first, after @ ..]) => wanted == first && matches(rest, after),
        ([Token::Variable { .. }, ..], _) => unreachable!("variables are resolved before"),
        ([], _) | (_, []) => false,
    }
}
