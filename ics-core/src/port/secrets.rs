//! The ports of the vault: sealing, blind indexes, the certificate authority.

use alloc::string::String;
use alloc::vec::Vec;

use super::PortFuture;
use crate::id::{DeviceId, SpId};
use crate::party::VerifyingKey;
use crate::principal::{CertificateSerial, CertificateThumbprint};
use crate::sealed::{BlindIndex, BlindIndexDomain, Sealed};
use crate::time::Timestamp;

/// A sealed value could not be opened, or a value could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SealError {
    /// Written under a key this vault does not hold.
    #[error("sealed under an unknown key")]
    UnknownKey,
    /// Altered, moved to another row, or no sealed value at all.
    #[error("sealed value does not open")]
    DoesNotOpen,
    /// The vault itself failed.
    #[error("vault unavailable")]
    Unavailable,
}

/// Keeps values secret at rest (row Y3, X2).
///
/// A seal that leaks shows a user's device to a thief of the disk; one that does not open loses
/// a pending mapping.
pub trait Sealer: Send + Sync {
    /// Encrypts `value`, bound to `context` (the row's id): moved elsewhere it does not open.
    ///
    /// # Errors
    /// [`SealError::Unavailable`].
    fn seal(&self, context: &[u8], value: &[u8]) -> Result<Sealed, SealError>;

    /// Opens what [`Sealer::seal`] made for the same context.
    ///
    /// # Errors
    /// [`SealError`].
    fn open(&self, context: &[u8], sealed: &Sealed) -> Result<Vec<u8>, SealError>;

    /// The keyed hash of `parts` in `domain`. Parts are framed: ("ab", "c") is not ("a", "bc").
    fn blind_index(&self, domain: BlindIndexDomain, parts: &[&[u8]]) -> BlindIndex;
}

/// A certificate as it was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// The certificate and its chain, PEM.
    pub pem: String,
    /// Its serial number.
    pub serial: CertificateSerial,
    /// SHA-256 of its DER.
    pub thumbprint: CertificateThumbprint,
    /// When it ends.
    pub not_after: Timestamp,
}

/// Why a certificate was not issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AuthorityError {
    /// The request is no PKCS#10 request, or its signature does not hold.
    #[error("certificate request not readable, or not signed by its own key")]
    BadRequest,
    /// The key is of a kind or size the profile does not allow (TS 33.310 6.1.3a).
    #[error("key not allowed: use P-256, P-384 or RSA of at least 2048 bits")]
    KeyNotAllowed,
    /// The authority's key is not at hand.
    #[error("certificate authority unavailable")]
    Unavailable,
}

/// A certificate that was taken back.
#[derive(Clone, Copy, Debug)]
pub struct Revoked<'a> {
    /// Its serial number.
    pub serial: &'a CertificateSerial,
    /// When.
    pub time: Timestamp,
}

/// Issues the certificates SPs authenticate with (Y.4462 10.4, TS 33.310 6.1.3a).
pub trait CertificateAuthority: Send + Sync {
    /// Issues a client certificate naming `urn:ics:sp:<sp>` for the public key of a PKCS#10
    /// request (PEM). Nothing but the key is taken from the request.
    ///
    /// # Errors
    /// [`AuthorityError`].
    fn issue(
        &self,
        sp: &SpId,
        request_pem: &str,
        validity: core::time::Duration,
        now: Timestamp,
    ) -> Result<IssuedCertificate, AuthorityError>;

    /// A list of revoked certificates (RFC 5280 5), DER, made at the first of `times` and to be replaced
    /// before the second.
    ///
    /// # Errors
    /// [`AuthorityError::Unavailable`].
    fn list_revoked(
        &self,
        revoked: &[Revoked<'_>],
        times: (Timestamp, Timestamp),
    ) -> Result<Vec<u8>, AuthorityError>;

    /// The serial number, thumbprint, SAN identity and end of a certificate (PEM), to revoke it.
    ///
    /// # Errors
    /// [`AuthorityError::BadRequest`] when it is no certificate naming an SP.
    fn inspect(&self, certificate_pem: &str) -> Result<(SpId, IssuedCertificate), AuthorityError>;
}

/// Checks signatures of others, and hashes what they sign.
///
/// A wrong "good" lets anybody speak for an SP; a wrong "bad" costs it a request.
pub trait SignatureVerifier: Send + Sync {
    /// Whether `signature` is one of `message` by the holder of `key`, in the form of JWS (RFC 7515).
    fn is_signed(&self, key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool;

    /// SHA-256.
    fn sha256(&self, bytes: &[u8]) -> [u8; 32];
}

/// Nothing was hashed: too many passwords wait for their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("password hasher unavailable")]
pub struct HasherUnavailable;

/// Stretches passwords that somebody chose, so that each guess at one costs.
pub trait PasswordHasher: Send + Sync {
    /// Argon2id (RFC 9106) of a password: the same for the same password and salt, at any time. May
    /// wait for its turn.
    ///
    /// # Errors
    /// [`HasherUnavailable`].
    fn hash<'a>(
        &'a self,
        password: &'a str,
        salt: [u8; 32],
    ) -> PortFuture<'a, Result<[u8; 32], HasherUnavailable>>;
}

/// Issues the certificates hosted devices prove themselves with. An authority of its own: what it
/// signed is nothing to the listeners of SPs and the operator.
pub trait DeviceAuthority: Send + Sync {
    /// Issues a client certificate naming `urn:ics:dev:<iot_sp>:<device>`, its common name the
    /// device ID, for the public key of a PKCS#10 request (PEM). Nothing but the key is taken from
    /// the request.
    ///
    /// # Errors
    /// [`AuthorityError`].
    fn issue_device(
        &self,
        device: (&SpId, &DeviceId),
        request_pem: &str,
        validity: core::time::Duration,
        now: Timestamp,
    ) -> Result<IssuedCertificate, AuthorityError>;
}
