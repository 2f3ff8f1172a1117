//! Where issued tokens are kept: the port, and the table in memory.

mod memory;

use std::sync::Arc;
use std::time::Duration;

use ics_core::id::{ConsentId, SpId};
use ics_core::principal::CertificateThumbprint;
use ics_core::reference_point::Scopes;
use ics_core::time::Timestamp;

pub use memory::MemoryTokenTable;

use crate::token::TokenHash;

/// How far the times of two requests that run at once may differ.
const CLOCK_SKEW: Duration = Duration::from_secs(1);

/// What a token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenGrant {
    /// The client.
    pub sp: SpId,
    /// The certificate it was issued to and works with (RFC 8705 `x5t#S256`).
    pub thumbprint: CertificateThumbprint,
    /// What it opens.
    pub scopes: Scopes,
    /// The consent it was issued for, if it was issued for one.
    pub consent: Option<ConsentId>,
    /// When it was issued.
    pub issued: Timestamp,
    /// First instant it no longer works.
    pub expires: Timestamp,
}

impl TokenGrant {
    /// Whether it is not over at `now`. One from the future was issued by a clock that has been set
    /// back since: it would live longer than any token may.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires && self.issued <= now.plus(CLOCK_SKEW)
    }
}

/// Keeps tokens by the hash of their text.
///
/// Asked on every request of every client. A lost token costs its client one more request for
/// a token; a token found after it was removed opens the service to whoever was shut out.
pub trait TokenTable: Send + Sync {
    /// Keeps a token that was just issued. May drop tokens that are over at `grant.issued`, and
    /// the oldest of the same client; never a live one of another client.
    fn insert(&self, hash: TokenHash, grant: TokenGrant);

    /// What `sp` was granted under that hash; it may be over.
    fn find(&self, sp: &SpId, hash: &TokenHash) -> Option<Arc<TokenGrant>>;

    /// What anybody was granted under that hash; it may be over.
    fn find_of_any(&self, hash: &TokenHash) -> Option<Arc<TokenGrant>>;

    /// Drops a token of `sp`. Returns whether there was one.
    fn remove(&self, sp: &SpId, hash: &TokenHash) -> bool;

    /// Drops all tokens of `sp`. Returns how many.
    fn remove_of_sp(&self, sp: &SpId) -> usize;

    /// Drops all tokens bound to a certificate. Returns how many.
    fn remove_of_certificate(&self, thumbprint: &CertificateThumbprint) -> usize;

    /// Drops all tokens issued for a consent. Returns how many.
    fn remove_of_consent(&self, consent: ConsentId) -> usize;
}

#[cfg(test)]
mod tests;
