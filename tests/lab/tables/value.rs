//! Attribute values: which are valid, how large they are, and how they compare.

use super::{Failure, number::Number};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// Attributes by name, each in the form of the protocol: `{"S": "text"}`.
pub type Item = Map<String, Value>;

/// Checks a value, and brings it into the form in which equal values are the same JSON: numbers without zeros that say nothing,
/// sets sorted.
pub fn checked(value: &Value) -> Result<Value, Failure> {
    let one = value.as_object().and_then(|object| object.iter().next().filter(|_| object.len() == 1));
    let (kind, inner) = one.ok_or_else(|| {
        Failure::validation("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
    })?;
    let of_kind = || Failure::validation(format!("Supplied AttributeValue is not a {kind}: {inner}"));
    let inner = match kind.as_str() {
        "S" => inner.as_str().map(|_| inner.clone()).ok_or_else(of_kind)?,
        "N" => number(inner)?,
        "B" => bytes(inner).map(|_| inner.clone()).ok_or_else(of_kind)?,
        "BOOL" | "NULL" => inner.as_bool().map(|_| inner.clone()).ok_or_else(of_kind)?,
        "L" => inner.as_array().ok_or_else(of_kind)?.iter().map(checked).collect::<Result<Vec<_>, _>>()?.into(),
        "M" => all_checked(inner.as_object().ok_or_else(of_kind)?)?.into(),
        "SS" | "NS" | "BS" => {
            let elements = inner.as_array().filter(|elements| !elements.is_empty()).ok_or_else(|| {
                Failure::validation("One or more parameter values were invalid: An string set  may not be empty")
            })?;
            let element = |element: &Value| match kind.as_str() {
                "NS" => number(element),
                _ => element.as_str().map(|_| element.clone()).ok_or_else(of_kind),
            };
            let mut elements = elements.iter().map(element).collect::<Result<Vec<_>, _>>()?;
            elements.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            if elements.windows(2).any(|pair| pair[0] == pair[1]) {
                let message = "One or more parameter values were invalid: Input collection contains duplicates";
                return Err(Failure::validation(message));
            }
            elements.into()
        }
        _ => return Err(of_kind()),
    };
    Ok(json!({ kind: inner }))
}

/// The same for every attribute of an item.
pub fn all_checked(item: &Item) -> Result<Item, Failure> {
    item.iter().map(|(name, value)| Ok((name.clone(), checked(value)?))).collect()
}

fn number(inner: &Value) -> Result<Value, Failure> {
    let number = inner
        .as_str()
        .and_then(Number::parse)
        .ok_or_else(|| Failure::validation(format!("The parameter cannot be converted to a numeric value: {inner}")))?;
    Ok(number.text().into())
}

fn bytes(inner: &Value) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(inner.as_str()?).ok()
}

/// The type of a value, and what is in it.
pub fn typed(value: &Value) -> (&str, &Value) {
    let one = value.as_object().and_then(|object| object.iter().next());
    one.map_or(("", &Value::Null), |(kind, inner)| (kind.as_str(), inner))
}

/// How two values of the same ordered type compare: text, numbers, bytes.
pub fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (typed(left), typed(right)) {
        (("S", left), ("S", right)) => Some(left.as_str()?.cmp(right.as_str()?)),
        (("N", left), ("N", right)) => Some(Number::parse(left.as_str()?)?.compare(Number::parse(right.as_str()?)?)),
        (("B", left), ("B", right)) => Some(bytes(left)?.cmp(&bytes(right)?)),
        _ => None,
    }
}

/// Whether a value begins with another one.
pub fn begins_with(value: &Value, start: &Value) -> bool {
    match (typed(value), typed(start)) {
        (("S", value), ("S", start)) => {
            value.as_str().zip(start.as_str()).is_some_and(|(value, start)| value.starts_with(start))
        }
        (("B", value), ("B", start)) => {
            bytes(value).zip(bytes(start)).is_some_and(|(value, start)| value.starts_with(&start))
        }
        _ => false,
    }
}

/// The size of an item as the limits count it: names and values.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
pub fn size_of(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + size(value)).sum()
}

fn size(value: &Value) -> usize {
    let text = |value: &Value| value.as_str().map_or(0, str::len);
    // Two digits a byte, and one more.
    let digits = |value: &Value| {
        let digits = value.as_str().unwrap_or_default().trim_start_matches(['-', '0', '.']).trim_end_matches('0');
        digits.len().div_ceil(2) + 1
    };
    let elements = |value: &Value, of: &dyn Fn(&Value) -> usize| -> usize {
        value.as_array().map_or(0, |elements| elements.iter().map(of).sum())
    };
    match typed(value) {
        ("S", inner) => text(inner),
        ("N", inner) => digits(inner),
        ("B", inner) => bytes(inner).map_or(0, |bytes| bytes.len()),
        ("L", inner) => 3 + elements(inner, &|element| 1 + size(element)),
        ("M", inner) => 3 + inner.as_object().map_or(0, |map| map.len() + size_of(map)),
        ("SS", inner) => elements(inner, &text),
        ("NS", inner) => elements(inner, &digits),
        ("BS", inner) => elements(inner, &|element| bytes(element).map_or(0, |bytes| bytes.len())),
        _ => 1,
    }
}
