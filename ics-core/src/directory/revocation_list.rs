//! What an authority of a service provider's own has taken back (RFC 5280 5), as it was read last.
//!
//! Held against every certificate that names the same issuer, on new and on open connections: a
//! list that is over says nothing, so nobody of that authority is admitted by it.

use alloc::collections::BTreeSet;

use crate::id::SpId;
use crate::principal::{AuthenticationFailure, CertificateSerial, IssuerName, PeerCertificate};
use crate::time::Timestamp;

/// A list, whose signature held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationList {
    /// Whose list.
    pub issuer: IssuerName,
    /// Of whom that authority may speak; `None`: of everybody.
    pub sp: Option<SpId>,
    /// What it took back.
    pub serials: BTreeSet<CertificateSerial>,
    /// From when on it says nothing.
    pub ends: Timestamp,
}

impl RevocationList {
    /// Whether it lets `peer` pass at `now`.
    ///
    /// # Errors
    /// [`AuthenticationFailure`] when the certificate is listed, or the list is over.
    pub(super) fn check(
        &self,
        peer: &PeerCertificate,
        now: Timestamp,
    ) -> Result<(), AuthenticationFailure> {
        let is_theirs = self.sp.as_ref().is_none_or(|sp| *sp == peer.sp);
        if !is_theirs || peer.issuer != Some(self.issuer) {
            return Ok(());
        }
        if self.serials.contains(&peer.serial) {
            return Err(AuthenticationFailure::CertificateRevoked);
        }
        // RFC 5280 5.1.2.5: a newer list should be there, and may have named it.
        if self.ends <= now {
            return Err(AuthenticationFailure::RevocationUnknown);
        }
        Ok(())
    }
}
