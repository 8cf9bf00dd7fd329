//! A plugin's line, parsed by the grammar of the [guidelines](https://www.monitoring-plugins.org/doc/guidelines.html) and of
//! [Icinga](https://icinga.com/docs/icinga-2/latest/doc/05-service-monitoring/#performance-data-metrics), independent of
//! onnet's code.

/// A parsed line.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) text: String,
    values: Vec<Value>,
}

#[derive(Debug)]
struct Value {
    label: String,
    value: f64,
    unit: String,
}

impl Line {
    /// A value and its unit.
    pub(crate) fn value(&self, label: &str) -> Option<(f64, &str)> {
        self.values.iter().find(|value| value.label == label).map(|value| (value.value, value.unit.as_str()))
    }
}

/// The first line, `TEXT | PERFDATA`.
///
/// # Errors
/// The violation of the grammar.
pub(crate) fn read(output: &str) -> Result<Line, String> {
    let line = output.lines().next().ok_or("no output")?;
    let (text, data) = line.split_once('|').ok_or("no performance data")?;
    if data.contains('|') {
        return Err("a second |".into());
    }
    let mut values: Vec<Value> = Vec::new();
    let mut rest = data.trim();
    while !rest.is_empty() {
        let (label, after) = label(rest)?;
        let (field, after) = after.split_once(' ').unwrap_or((after, ""));
        rest = after.trim_start();
        let value = value(label, field)?;
        // Some tools keep only this number of characters of a label.
        let beginning = |label: &str| label.chars().take(19).collect::<String>();
        if values.iter().any(|other| beginning(&other.label) == beginning(&value.label)) {
            return Err(format!("{} is there twice", value.label));
        }
        values.push(value);
    }
    Ok(Line { text: text.trim().to_owned(), values })
}

/// `label=` or `'label with spaces'=`, in which `''` is a quote; and the rest.
fn label(text: &str) -> Result<(String, &str), String> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let end = quoted.find("'=").ok_or_else(|| format!("no end of the label in {text}"))?;
        return Ok((quoted[..end].replace("''", "'"), &quoted[end + 2..]));
    }
    let (label, rest) = text.split_once('=').ok_or_else(|| format!("no = in {text}"))?;
    if label.is_empty() || label.contains([' ', '\'']) {
        return Err(format!("{label:?} is no label"));
    }
    Ok((label.to_owned(), rest))
}

/// `value[unit];[warn];[crit];[min];[max]`.
fn value(label: String, field: &str) -> Result<Value, String> {
    let mut parts = field.split(';');
    let measured = parts.next().unwrap_or_default();
    let end = measured.find(|c: char| !matches!(c, '0'..='9' | '.' | '-')).unwrap_or(measured.len());
    let unit = &measured[end..];
    let number = |text: &str| text.parse::<f64>().map_err(|_| format!("{text:?} in {field:?} is no number"));
    if !["", "s", "ms", "us", "%", "B", "KB", "MB", "TB", "c"].contains(&unit) {
        return Err(format!("{unit:?} is no unit"));
    }
    let parts: Vec<&str> = parts.collect();
    if parts.len() > 4 {
        return Err(format!("too many fields in {field}"));
    }
    for (at, part) in parts.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
        // Thresholds are ranges, [@][start:][end]; minimum and maximum are numbers.
        let bounds: Vec<&str> = if at < 2 { part.trim_start_matches('@').split(':').collect() } else { vec![part] };
        if bounds.len() > 2 {
            return Err(format!("{part} is no range"));
        }
        for bound in bounds.iter().filter(|bound| !bound.is_empty() && **bound != "~") {
            number(bound)?;
        }
    }
    let value = measured[..end].parse().map_err(|_| format!("{measured:?} begins with no number"))?;
    let limit = |at: usize| parts.get(at).and_then(|part| part.parse::<f64>().ok());
    if limit(2).is_some_and(|least| value < least) || limit(3).is_some_and(|greatest| value > greatest) {
        return Err(format!("{label} is outside of its own limits: {field}"));
    }
    Ok(Value { label, value, unit: unit.to_owned() })
}
