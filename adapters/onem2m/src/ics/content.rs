//! Reading contents: one member, its attributes by short name, and nothing that is not known. What
//! is refused names an attribute and never repeats a value.

use ics_core::id::{InvalidId, find_permanent_identifier};
use ics_core::time::Timestamp;
use serde_json::{Map, Value};

use crate::primitive::{Refusal, Request};
use crate::rsc::Rsc;
use crate::time;

/// The attributes of the one member of a content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'a>(&'a Map<String, Value>);

impl<'a> Attributes<'a> {
    /// Those of the member `name`, which must be the only one.
    pub(super) fn of(request: &'a Request, name: &'static str) -> Result<Self, Refusal> {
        let wrong = |said| Refusal::about(Rsc::BadRequest, "pc", said);
        let content = request.content.as_ref();
        let content = content.ok_or_else(|| wrong("is missing"))?;
        match content.get(name) {
            Some(Value::Object(members)) if content.len() == 1 => Ok(Self(members)),
            _ => Err(Refusal::about(
                Rsc::BadRequest,
                name,
                "must be the one member of the content, and an object",
            )),
        }
    }

    /// Refuses any attribute that is not of `known`.
    pub(super) fn allow(self, known: &[&str]) -> Result<Self, Refusal> {
        let mut names = self.0.keys().map(String::as_str);
        match names.find(|name| !known.contains(name)) {
            None => Ok(self),
            // A long name may be anything, an identifier too.
            Some(name) if is_short_name(name) => Err(Refusal::about(
                Rsc::BadRequest,
                name,
                "is not an attribute that is taken here",
            )),
            Some(_) => Err(Refusal::new(
                Rsc::BadRequest,
                "the content has an attribute that is not known",
            )),
        }
    }

    pub(super) fn has(self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A value as it came.
    pub(super) fn value(self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    /// The text of an attribute, if it is there.
    pub(super) fn text(self, name: &str) -> Result<Option<&'a str>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::about(Rsc::BadRequest, name, "must be a text")),
        }
    }

    /// A whole number; also one that was written `2.0`.
    pub(super) fn number(self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let number = value
            .as_u64()
            .or_else(|| crate::primitive::number(&value.to_string()));
        let wrong = || Refusal::about(Rsc::BadRequest, name, "must be a whole number");
        number.map(Some).ok_or_else(wrong)
    }

    /// An attribute as the core reads it, if it is there.
    pub(super) fn read<T>(
        self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, InvalidId>,
    ) -> Result<Option<T>, Refusal> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let refuse = |invalid| unacceptable(name, text, invalid);
        parse(text).map(Some).map_err(refuse)
    }

    /// One that must be there.
    pub(super) fn need<T>(
        self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, InvalidId>,
    ) -> Result<T, Refusal> {
        self.read(name, parse)?.ok_or_else(|| missing(name))
    }

    /// An instant of TS-0004, if it is there.
    pub(super) fn instant(self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        let wrong = || Refusal::about(Rsc::BadRequest, name, "must be a timestamp of TS-0004");
        let text = self.text(name)?;
        text.map(|text| time::parse(text).ok_or_else(wrong))
            .transpose()
    }
}

/// An attribute that cannot be done without.
pub(super) fn missing(name: &str) -> Refusal {
    Refusal::about(Rsc::BadRequest, name, "is missing")
}

/// Whether this can be the short name of an attribute.
fn is_short_name(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric());
    plain && name.len() <= 6 && name.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Well formed, and no identifier of its kind (A.5: 4102).
fn unacceptable(name: &str, text: &str, invalid: InvalidId) -> Refusal {
    // What is a permanent identifier is called one, though its form alone was refused.
    let invalid = match invalid {
        InvalidId::UriParts
        | InvalidId::Scheme
        | InvalidId::NotAnonymous
        | InvalidId::Permanent(_) => invalid,
        other => find_permanent_identifier(text).map_or(other, InvalidId::Permanent),
    };
    Refusal::about(Rsc::ContentsUnacceptable, name, &invalid.to_string())
}
