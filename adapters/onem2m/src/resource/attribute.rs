//! What values an attribute may have (TS-0004 6.3), and in which operations it may be there.

use serde_json::Value;

use crate::primitive::Refusal;
use crate::rsc::Rsc;
use crate::time;

use super::table::{CRITERIA, RULE};

/// The longest text, and the longest list.
const LONGEST: usize = 1024;
const MOST: usize = 64;
/// The most rules of an access control policy, all of its originators together.
const MOST_RULES: usize = 64;

/// Whether an attribute may be in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Mandatory,
    Optional,
    NotPermitted,
}

/// What values it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any JSON but null.
    Any,
    /// A text.
    Text,
    /// A name: unreserved characters of RFC 3986.
    Name,
    /// `true` or `false`.
    Flag,
    /// An integer, 0 or more.
    Number,
    /// An integer, 1 or more.
    Positive,
    /// One of these numbers.
    OneOf(&'static [u64]),
    /// An instant.
    Time,
    /// Texts.
    Texts,
    /// Texts, one at least.
    SomeTexts,
    /// Texts without needless white space.
    Labels,
    /// Media types of contents that are spoken here.
    Serializations,
    /// `type/subtype:encoding:security`.
    ContentInfo,
    /// Rules of an access control policy; with `true`, one at least.
    Rules(bool),
    /// What a subscription is about.
    Criteria,
    /// How many notifications are sent at once, or after which time.
    Batch,
    /// `null`: the CSE is to fill it in.
    Filled,
    /// Numbers, one at least.
    Numbers,
    /// On which types a rule holds.
    Details,
    /// Known, and not done here.
    NotDone,
}

/// One attribute of a type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) create: Presence,
    pub(crate) update: Presence,
}

impl Attribute {
    /// Holds `value` against the kind. Numbers may come as `2.0`; they leave as integers.
    pub(crate) fn read(&self, value: &Value) -> Result<Value, Refusal> {
        self.kind.read(self.name, value)
    }
}

impl Kind {
    fn read(self, name: &str, value: &Value) -> Result<Value, Refusal> {
        let is_good = match self {
            Self::NotDone => {
                return Err(Refusal::about(
                    Rsc::NotImplemented,
                    name,
                    "is not done here",
                ));
            }
            Self::Filled => return wrong(name, "must be null: it is filled in here"),
            Self::Number | Self::Positive | Self::OneOf(_) => return self.read_number(name, value),
            Self::Rules(some) => return read_rules(name, value, some),
            Self::Criteria => return read_members(name, value, CRITERIA),
            Self::Numbers => return read_numbers(name, value),
            Self::Details => return read_details(name, value),
            Self::Batch => return read_batch(name, value),
            Self::Any => !value.is_null(),
            Self::Text => value.as_str().is_some_and(is_text),
            Self::Name => value.as_str().is_some_and(is_name),
            Self::Flag => value.is_boolean(),
            Self::Time => value.as_str().and_then(time::parse).is_some(),
            Self::Texts => are(value, 0, is_text),
            Self::SomeTexts => are(value, 1, is_text),
            Self::Labels => are(value, 0, is_label),
            Self::Serializations => are(value, 0, is_serialization),
            Self::ContentInfo => value.as_str().is_some_and(is_content_info),
        };
        if is_good {
            Ok(value.clone())
        } else {
            wrong(name, "has a value of the wrong kind")
        }
    }

    fn read_number(self, name: &str, value: &Value) -> Result<Value, Refusal> {
        let number = whole_number(value).filter(|number| match self {
            Self::Positive => *number > 0,
            Self::OneOf(choices) => choices.contains(number),
            _ => true,
        });
        match number {
            Some(number) => Ok(number.into()),
            None => wrong(name, "has a value of the wrong kind"),
        }
    }
}

/// A number, also one that was written `2.0`; not below zero.
pub(crate) fn whole_number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let text = value.is_f64().then(|| value.to_string())?;
        text.strip_suffix(".0")?.parse().ok()
    })
}

fn wrong(name: &str, said: &str) -> Result<Value, Refusal> {
    Err(Refusal::about(Rsc::BadRequest, name, said))
}

fn are(value: &Value, least: usize, is_one: fn(&str) -> bool) -> bool {
    value.as_array().is_some_and(|list| {
        (least..=MOST).contains(&list.len())
            && list.iter().all(|one| one.as_str().is_some_and(is_one))
    })
}

fn is_text(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// A resource name (TS-0004 6.3.3): unreserved characters.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.chars().all(is_unreserved)
}

/// RFC 3986 2.3.
fn is_unreserved(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~')
}

/// An XML token: no white space but single blanks within.
fn is_label(text: &str) -> bool {
    is_text(text) && text.trim() == text && !text.contains("  ")
}

fn is_serialization(text: &str) -> bool {
    matches!(
        text,
        "application/json"
            | "application/cbor"
            | "application/xml"
            | "application/vnd.onem2m-res+json"
            | "application/vnd.onem2m-res+cbor"
            | "application/vnd.onem2m-res+xml"
    )
}

/// TS-0004 6.3.3 contentInfo: `text/plain:0`, `application/json:1:0`.
fn is_content_info(text: &str) -> bool {
    let mut parts = text.split(':');
    let media_type = parts.next().unwrap_or_default();
    let is_token = |text: &str| {
        let is_good = |c: char| c.is_ascii_alphanumeric() || "!#$&^_.+-".contains(c);
        (1..=127).contains(&text.len()) && text.chars().all(is_good)
    };
    let is_media_type = media_type
        .split_once('/')
        .is_some_and(|(ty, subtype)| is_token(ty) && is_token(subtype));
    let is_encoding = matches!(parts.next(), Some("0" | "1" | "2"));
    let is_security = matches!(parts.next(), None | Some("0" | "1" | "2" | "3" | "4" | "5"));
    is_media_type && is_encoding && is_security && parts.next().is_none()
}

fn read_members(
    name: &str,
    value: &Value,
    table: &'static [(&'static str, Kind)],
) -> Result<Value, Refusal> {
    let Some(members) = value.as_object() else {
        return wrong(name, "is no object");
    };
    let mut read = serde_json::Map::new();
    for (member, value) in members {
        let Some((known, kind)) = table.iter().find(|(known, _)| known == member) else {
            return wrong(name, "has a member that is not known");
        };
        read.insert(member.clone(), kind.read(known, value)?);
    }
    Ok(Value::Object(read))
}

fn read_numbers(name: &str, value: &Value) -> Result<Value, Refusal> {
    let list = value
        .as_array()
        .filter(|list| (1..=MOST).contains(&list.len()));
    let numbers = list.map(|list| list.iter().map(whole_number).collect::<Option<Vec<_>>>());
    match numbers.flatten() {
        Some(numbers) => Ok(numbers.into()),
        None => wrong(name, "is no list of numbers"),
    }
}

fn read_batch(name: &str, value: &Value) -> Result<Value, Refusal> {
    let table: &'static [(&'static str, Kind)] = &[("num", Kind::Positive), ("dur", Kind::Text)];
    let batch = read_members(name, value, table)?;
    let duration = batch.get("dur").and_then(Value::as_str);
    let is_duration = duration.is_none_or(|text| time::parse_duration(text).is_some());
    let has_member = batch.get("num").is_some() || duration.is_some();
    if is_duration && has_member {
        Ok(batch)
    } else {
        wrong(name, "has neither a number nor a duration")
    }
}

/// `{"acr":[{"acor":[..],"acop":63,"acod":[{"chty":[3]}]}]}` (TS-0004 6.3.5.15).
fn read_rules(name: &str, value: &Value, some: bool) -> Result<Value, Refusal> {
    let said = "is no set of access control rules";
    let Some(members) = value.as_object() else {
        return wrong(name, said);
    };
    let none = Vec::new();
    let rules = match members.get("acr") {
        Some(Value::Array(rules)) if members.len() == 1 => rules,
        None if members.is_empty() => &none,
        _ => return wrong(name, said),
    };
    if rules.len() > MOST_RULES || (some && rules.is_empty()) {
        return wrong(name, "must have one rule at least, and not too many");
    }
    let mut read = Vec::new();
    for rule in rules {
        let rule = read_members(name, rule, RULE)?;
        let has_both = rule.get("acor").is_some() && rule.get("acop").is_some();
        if !has_both || rule.get("acop").and_then(Value::as_u64) > Some(63) {
            return wrong(name, "has a rule without originators or operations");
        }
        read.push(rule);
    }
    if members.is_empty() {
        return Ok(value.clone());
    }
    Ok(serde_json::json!({ "acr": read }))
}

/// `[{"ty":3,"chty":[4]}]`: on which types a rule holds.
fn read_details(name: &str, value: &Value) -> Result<Value, Refusal> {
    let table: &'static [(&'static str, Kind)] = &[("ty", Kind::Number), ("chty", Kind::Numbers)];
    let Some(list) = value
        .as_array()
        .filter(|list| (1..=MOST).contains(&list.len()))
    else {
        return wrong(name, "is no list");
    };
    let read = list.iter().map(|one| {
        let one = read_members(name, one, table)?;
        if one.as_object().is_none_or(serde_json::Map::is_empty) {
            return wrong(name, "has an entry that says nothing");
        }
        Ok(one)
    });
    Ok(Value::Array(read.collect::<Result<_, _>>()?))
}
