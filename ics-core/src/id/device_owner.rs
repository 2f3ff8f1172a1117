//! Who owns a device, as its IoT SP knows them.

use alloc::string::String;
use core::fmt;

use super::{InvalidId, check_anonymous, check_length};

/// The user whose account at an IoT SP a device belongs to: the `sub` of that SP's OpenID provider
/// (OpenID Connect Core 2). Means nothing at another IoT SP.
///
/// 1 to 255 visible ASCII characters, compared as they are. In logs it is left out.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceOwner(String);

impl DeviceOwner {
    /// Reads a subject.
    ///
    /// # Errors
    /// [`InvalidId`]; [`InvalidId::Permanent`] for what looks like a permanent identifier.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        check_length(text, 1, 255)?;
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(InvalidId::Character);
        }
        check_anonymous(text)?;
        Ok(Self(text.into()))
    }

    /// The subject, to be hashed or compared.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DeviceOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceOwner(..)")
    }
}
