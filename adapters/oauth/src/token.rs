//! An access token as its client holds it, and as this server knows it.

use core::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::port::Entropy;

/// An access token: 256 random bits as 43 characters of base64url. Seen once, by its client.
pub(crate) struct AccessToken(String);

impl AccessToken {
    /// How many characters a token has.
    pub(crate) const LENGTH: usize = 43;

    pub(crate) fn mint(entropy: &dyn Entropy) -> Self {
        let mut bits = [0; 32];
        entropy.fill(&mut bits);
        Self(URL_SAFE_NO_PAD.encode(bits))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(..)")
    }
}

/// SHA-256 of a token's text: what a table keeps, useless to whoever reads it.
///
/// Tables may compare it in variable time: whoever presents a text cannot steer its hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The hash of a presented token; `None` for what cannot be a token of this server.
    ///
    /// The text is hashed, not the bits: of the spellings that decode to the same bits only the
    /// one that was issued is the token.
    #[must_use]
    pub fn of(presented: &str) -> Option<Self> {
        if presented.len() != AccessToken::LENGTH {
            return None;
        }
        digest(&SHA256, presented.as_bytes())
            .as_ref()
            .try_into()
            .ok()
            .map(Self)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}
