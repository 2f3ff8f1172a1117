//! RFC 8785, the JSON Canonicalization Scheme: one text for one value, so that who signs and who
//! checks hash the same bytes whatever lay between them did to blanks and order.

use serde_json::{Number, Value};

/// The canonical text of a value.
pub(crate) fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_text(out, text),
        Value::Array(values) => {
            out.push('[');
            for (n, value) in values.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_value(out, value);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            // RFC 8785 3.2.3: by UTF-16 code units, which is not the order of UTF-8.
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (n, (name, value)) in members.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_text(out, name);
                out.push(':');
                write_value(out, value);
            }
            out.push('}');
        }
    }
}

/// RFC 8785 3.2.2.2: what must be escaped, in its shortest form, and nothing else.
fn write_text(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            // Writing to a text does not fail.
            c if c < ' ' => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// RFC 8785 3.2.2.3: as ECMAScript writes the double that is nearest.
fn write_number(out: &mut String, number: &Number) {
    let double = number.as_f64().unwrap_or(f64::NAN);
    let scientific = write_shortest(double);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) if double != 0.0 => ("-", mantissa),
        _ => ("", mantissa.trim_start_matches('-')),
    };
    let digits = mantissa.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or(0);
    out.push_str(sign);
    place_point(out, &digits, exponent);
}

/// The fewest digits that read back as this double, and of those the nearest; of two that are as near,
/// the even one. `{:e}` finds how many they are, and of two as near the greater one.
fn write_shortest(double: f64) -> String {
    let shortest = format!("{double:e}");
    let mantissa = shortest
        .split_once('e')
        .map_or("", |(mantissa, _)| mantissa);
    let decimals = mantissa.split_once('.').map_or(0, |(_, rest)| rest.len());
    let nearest = format!("{double:.decimals$e}");
    if nearest.parse() == Ok(double) {
        nearest
    } else {
        shortest
    }
}

/// ECMA-262 Number::toString, for the decimal digits and the exponent of the first of them.
fn place_point(out: &mut String, digits: &str, exponent: i32) {
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    let point = exponent.saturating_add(1);
    let split = |at: i32| {
        let at = usize::try_from(at).unwrap_or(0);
        digits.split_at_checked(at).unwrap_or((digits, ""))
    };
    if count <= point && point <= 21 {
        out.push_str(digits);
        out.push_str(&zeros(point.saturating_sub(count)));
    } else if 0 < point && point <= 21 {
        let (whole, rest) = split(point);
        out.extend([whole, ".", rest]);
    } else if -6 < point && point <= 0 {
        out.extend(["0.", &zeros(point.saturating_neg()), digits]);
    } else {
        let (first, rest) = split(1);
        let dot = if rest.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { "-" } else { "+" };
        let exponent = exponent.unsigned_abs().to_string();
        out.extend([first, dot, rest, "e", sign, &exponent]);
    }
}

#[cfg(test)]
mod tests;
