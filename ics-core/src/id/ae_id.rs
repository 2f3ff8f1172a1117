//! The SP-relative AE-ID of oneM2M (TS-0001 7.2): which application of a platform a service provider
//! speaks as.

use alloc::string::String;
use core::fmt;

use super::{InvalidId, check_anonymous, check_length};

/// An SP-relative AE-ID, `/<cse-id>/<stem>`: the stem begins with `C` (given by the CSE) or `S` (given
/// by the M2M service provider).
///
/// It names software, not a device nor a user, so it may appear in logs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AeId(String);

impl AeId {
    /// The most bytes of an AE-ID.
    pub const MAX: usize = 128;

    /// Reads an AE-ID.
    ///
    /// # Errors
    /// [`InvalidId`] for length, characters, form, or the shape of a permanent identifier.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        check_length(text, 4, Self::MAX)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._/".contains(&b);
        if !text.bytes().all(plain) {
            return Err(InvalidId::Character);
        }
        let (cse, stem) = text
            .strip_prefix('/')
            .and_then(|path| path.split_once('/'))
            .ok_or(InvalidId::Form)?;
        let named = stem.strip_prefix(['C', 'S']);
        let named = named.is_some_and(|rest| !rest.is_empty() && !rest.contains('/'));
        // RFC 3986 5.2.4: in the path of a URI these would name another resource.
        if matches!(cse, "" | "." | "..") || !named {
            return Err(InvalidId::Form);
        }
        check_anonymous(cse)?;
        check_anonymous(stem)?;
        Ok(Self(text.into()))
    }

    /// The AE-ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The CSE it is registered with, without the slash.
    #[must_use]
    pub fn cse_id(&self) -> &str {
        let path = self.0.strip_prefix('/').unwrap_or(&self.0);
        path.split_once('/').map_or(path, |(cse, _)| cse)
    }
}

impl fmt::Debug for AeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
