//! The unique transaction identifier (Y.4462 3.2.2): globally unique, anonymous, revocable.

use alloc::string::String;
use core::fmt;

use uuid::Uuid;

use super::permanent::is_anonymous;
use super::{InvalidId, check_anonymous, check_length, check_stored};

/// A UTI: an anonymous UUID (version 4 or 7) or an opaque text of 16 to 128 characters.
///
/// Administered by the third party SP that generated it; the key is (third party SP, UTI).
/// `urn:uuid:..`, upper and lower case of a UUID are one value: lower case without prefix.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uti(String);

impl Uti {
    /// The fewest characters of an opaque UTI.
    pub const MIN: usize = 16;
    /// The most characters of a UTI.
    pub const MAX: usize = 128;

    /// Reads a UTI and brings a UUID to its canonical form.
    ///
    /// # Errors
    /// [`InvalidId::NotAnonymous`] for UUIDs of versions 1, 2, 3, 5, 6, 8 and without version
    /// (Y.4462 wants "anonymous"; RFC 4122's time, MAC and name based ones are not),
    /// [`InvalidId::Permanent`] for what looks like a subscriber's or person's identifier,
    /// others for length and characters (visible ASCII without `@`).
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        if let Some(uuid) = parse_uuid(text) {
            // Y.4462 3.2.2 with RFC 9562: 4 is random, 7 tells a time only; the rest can be traced.
            return if is_anonymous(&uuid) {
                let mut text = Uuid::encode_buffer();
                Ok(Self((&*uuid.hyphenated().encode_lower(&mut text)).into()))
            } else {
                Err(InvalidId::NotAnonymous)
            };
        }
        check_anonymous(text)?;
        check_length(text, Self::MIN, Self::MAX)?;
        if text.bytes().all(|b| b.is_ascii_graphic() && b != b'@') {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId::Character)
        }
    }

    /// Takes back what [`Self::parse`] accepted before it was stored; for stores alone.
    ///
    /// Checks length and alphabet only: a value taken under older rules stays readable, and an
    /// inquiry does not pay for the full check on every row.
    ///
    /// # Errors
    /// [`InvalidId`] for what `parse` can never have accepted.
    pub fn from_store(text: &str) -> Result<Self, InvalidId> {
        check_stored(text, Self::MAX)?;
        Ok(Self(text.into()))
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The UUID in `text`, in any of the spellings of one: bare or hyphenated, any case, `urn:uuid:`.
fn parse_uuid(text: &str) -> Option<Uuid> {
    let bare = match text.get(..9) {
        Some(prefix) if prefix.eq_ignore_ascii_case("urn:uuid:") => text.get(9..)?,
        _ => text,
    };
    Uuid::try_parse(bare).ok()
}

impl fmt::Debug for Uti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Uti(..)")
    }
}
