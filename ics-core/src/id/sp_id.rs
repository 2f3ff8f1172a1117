//! The id of a service provider: scsAsId of T8, client_id of OAuth, tail of `urn:ics:sp:<id>`.

use alloc::string::String;
use core::fmt;

use super::{InvalidId, check_length};

/// A service provider's id: 2 to 63 of `a-z 0-9 - _ .`, starting with a letter.
///
/// It is no secret and names a company, so it may appear in URLs, logs and metrics.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpId(String);

impl SpId {
    /// Reads an SP id.
    ///
    /// # Errors
    /// [`InvalidId`] when length, first character or alphabet is not as above.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        check_length(text, 2, 63)?;
        let plain = text.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.')
        });
        if plain && text.starts_with(|c: char| c.is_ascii_lowercase()) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId::Character)
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
