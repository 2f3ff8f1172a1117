//! Identifier schemes (Y.4462 11.1; rows Y66, Y67): forms by which an identifier says what it is.
//!
//! A shape is met by chance, a registered form is not: what has one is taken although its shape
//! alone would be refused. Never what *is* the identifier of a person or a subscription, whatever
//! a scheme says: see [`find_exact_identifier`].

mod built_in;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use regex::bytes::{Regex, RegexBuilder};

use super::permanent::find_exact_identifier;
use super::{DeviceId, InvalidId, PermanentIdentifier};

pub use built_in::BUILT_IN;
pub(super) use built_in::is_built_in;

/// A scheme that was added by configuration.
#[derive(Clone, Debug)]
struct Scheme {
    name: String,
    pattern: Regex,
}

/// The schemes identifiers are read by: those that are built in ([`BUILT_IN`]), and more.
#[derive(Clone, Debug, Default)]
pub struct IdentifierSchemes {
    added: Vec<Scheme>,
}

/// Why a scheme was not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidScheme {
    /// No name of a scheme.
    #[error("must be 1 to 32 lower-case letters, digits and hyphens, beginning with a letter")]
    Name,
    /// One of that name is registered, or built in.
    #[error("is the name of another scheme")]
    Taken,
    /// No regular expression, or none that is searched in linear time and little memory.
    #[error(
        "is no regular expression of 1 to 256 printable ASCII characters that needs linear time \
         (no look-around, no back-references)"
    )]
    Pattern,
    /// It has what identifies a person or a subscription.
    #[error("matches {0} too: name the fixed parts of the scheme")]
    Admits(PermanentIdentifier),
}

impl IdentifierSchemes {
    /// Registers one more; `pattern` is that of the whole identifier, whether it is anchored or not.
    ///
    /// # Errors
    /// [`InvalidScheme`].
    pub fn register(&mut self, name: &str, pattern: &str) -> Result<(), InvalidScheme> {
        let first = name.bytes().next().unwrap_or_default();
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.len() > 32 || !first.is_ascii_lowercase() || !name.bytes().all(allowed) {
            return Err(InvalidScheme::Name);
        }
        if BUILT_IN.contains(&name) || self.added.iter().any(|scheme| scheme.name == name) {
            return Err(InvalidScheme::Taken);
        }
        let pattern = whole_pattern(pattern).ok_or(InvalidScheme::Pattern)?;
        let probe = PROBES
            .iter()
            .find(|(probe, _)| pattern.is_match(probe.as_bytes()));
        if let Some((_, kind)) = probe {
            return Err(InvalidScheme::Admits(*kind));
        }
        self.added.push(Scheme {
            name: name.into(),
            pattern,
        });
        Ok(())
    }

    /// Reads a device ID by all schemes.
    ///
    /// # Errors
    /// As [`DeviceId::parse`].
    pub fn parse_device_id(&self, text: &str) -> Result<DeviceId, InvalidId> {
        match DeviceId::parse(text) {
            Err(InvalidId::Permanent(_)) if self.is_registered(text) => DeviceId::from_store(text),
            parsed => parsed,
        }
    }

    /// Whether `text` is an identifier of a scheme that was added, and not exactly one that no
    /// scheme lets through.
    fn is_registered(&self, text: &str) -> bool {
        let has_form = |scheme: &Scheme| scheme.pattern.is_match(text.as_bytes());
        self.added.iter().any(has_form) && find_exact_identifier(text).is_none()
    }
}

/// What a scheme must not match: what it would let through is an identifier, or everything.
const PROBES: [(&str, PermanentIdentifier); 14] = [
    ("262011234567890", PermanentIdentifier::Digits),
    ("26201123456789", PermanentIdentifier::Digits),
    ("310150123456789", PermanentIdentifier::Digits),
    ("490154203237518", PermanentIdentifier::Digits),
    ("4901542032375181", PermanentIdentifier::Digits),
    ("491701234567", PermanentIdentifier::Digits),
    ("12025550123", PermanentIdentifier::Digits),
    ("89490200001234567890", PermanentIdentifier::Digits),
    ("imsi-262011234567890", PermanentIdentifier::Subscription),
    ("imei-490154203237518", PermanentIdentifier::Subscription),
    ("msisdn-491701234567", PermanentIdentifier::Subscription),
    ("+491701234567", PermanentIdentifier::PhoneNumber),
    ("tel:+491701234567", PermanentIdentifier::PhoneNumber),
    ("jane.doe@mail.example", PermanentIdentifier::MailAddress),
];

/// A regular expression that matches whole texts, in linear time; its classes are those of ASCII.
pub(crate) fn whole_pattern(text: &str) -> Option<Regex> {
    let printable = |b: u8| matches!(b, b' '..=b'~');
    if text.is_empty() || text.len() > 256 || !text.bytes().all(printable) {
        return None;
    }
    let build = |pattern: &str| {
        RegexBuilder::new(pattern)
            .size_limit(1 << 20)
            .unicode(false)
            .build()
            .ok()
    };
    // By itself first: `a)|(?:.*` would leave the anchors behind.
    build(text)?;
    build(&format!("^(?:{text})$"))
}

#[cfg(test)]
mod tests;
