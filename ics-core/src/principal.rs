//! Who is on the other end, how we know, or the reason why we do not.

use alloc::sync::Arc;
use core::fmt;

use alloc::vec::Vec;

use crate::device::CredentialId;
use crate::id::{ConsentId, DeviceId, SpId};
use crate::reference_point::{ReferencePoint, Scopes};
use crate::time::Timestamp;

/// SHA-256 of a certificate's DER: what tokens are bound to (RFC 8705 `x5t#S256`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateThumbprint(pub [u8; 32]);

impl fmt::Debug for CertificateThumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// The serial number of a certificate: its big-endian bytes without leading zeros.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateSerial(Vec<u8>);

impl CertificateSerial {
    /// Takes the bytes of a DER INTEGER; leading zeros are dropped.
    #[must_use]
    pub fn from_der_integer(bytes: &[u8]) -> Self {
        Self(bytes.iter().copied().skip_while(|b| *b == 0).collect())
    }

    /// The bytes without leading zeros.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for CertificateSerial {
    /// Lower-case hexadecimal, as `openssl x509 -serial` tells it (in upper case).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for CertificateSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a verified client certificate says of the peer of one connection.
///
/// Made by the TLS layer from a chain that held, whose one SAN URI lies in the anchor's
/// permitted namespace; kept beside the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The SP named by the SAN URI `urn:ics:sp:<id>`.
    pub sp: SpId,
    /// SHA-256 of the leaf.
    pub thumbprint: CertificateThumbprint,
    /// Its serial number.
    pub serial: CertificateSerial,
    /// Who signed it; `None` where nobody's list of revoked certificates is asked.
    pub issuer: Option<IssuerName>,
    /// When it ends: a connection does not outlive its certificate.
    pub not_after: Timestamp,
}

/// The name of an authority: SHA-256 of its DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IssuerName(pub [u8; 32]);

/// What a verified client certificate says of a caller on the operator's own listener.
///
/// Another authority, another namespace (`urn:ics:operator:<name>`): an SP's certificate is
/// never one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorCertificate {
    /// The operator's engineer or system, as the SAN URI names it.
    pub name: SpId,
    /// SHA-256 of the leaf.
    pub thumbprint: CertificateThumbprint,
    /// When it ends.
    pub not_after: Timestamp,
}

/// Who asks: an SP that proved itself by certificate and token, or a device the gateway hosts for
/// one, which speaks on its behalf of what is its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who.
    pub sp: SpId,
    /// How that is known.
    pub proof: Proof,
    /// What is open to it.
    pub scopes: Scopes,
    /// The consent its token was issued for: then a mapping on that consent, and nothing else, is
    /// open to it.
    pub consent: Option<ConsentId>,
}

/// How it is known who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The certificate of this connection, which the token is bound to.
    Certificate(Arc<PeerCertificate>),
    /// The credential of a hosted device.
    Device(Arc<DeviceIdentity>),
    /// A request that the SP signed with the key the operator registered for it: its CSE handed it
    /// on, and vouches for nobody.
    Signature(SpId),
    /// The code of an invitation, once.
    Invitation(SpId),
    /// What a peer in a sandbox says it is, or who wrote into a mailbox at a platform.
    Claim(SpId),
}

impl Proof {
    /// The SP the proof names.
    #[must_use]
    pub fn sp(&self) -> &SpId {
        match self {
            Self::Certificate(certificate) => &certificate.sp,
            Self::Device(identity) => &identity.iot_sp,
            Self::Signature(sp) | Self::Invitation(sp) | Self::Claim(sp) => sp,
        }
    }

    /// How, in a word for logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "certificate",
            Self::Device(_) => "credential",
            Self::Signature(_) => "signature",
            Self::Invitation(_) => "invitation",
            Self::Claim(_) => "claim",
        }
    }
}

/// A hosted device that proved itself on a device channel. Bound once for a session; asked again
/// on every message ([`crate::service::IcsService::admit_device`]).
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// Whose device.
    pub iot_sp: SpId,
    /// Its own ID.
    pub device_id: DeviceId,
    /// The credential it showed.
    pub credential: CredentialId,
    /// When that ends: no session outlives it.
    pub not_after: Timestamp,
}

impl DeviceIdentity {
    /// The device as a caller of the service: as its IoT SP's delegate it may establish, give up
    /// and ask for its own rows (channels.md "Role").
    #[must_use]
    pub fn principal(self: &Arc<Self>) -> Principal {
        let scopes = [
            ReferencePoint::Ics2,
            ReferencePoint::Ics4,
            ReferencePoint::Ics8,
        ];
        Principal {
            sp: self.iot_sp.clone(),
            proof: Proof::Device(Arc::clone(self)),
            scopes: scopes.into_iter().fold(Scopes::NONE, Scopes::with),
            consent: None,
        }
    }
}

impl fmt::Debug for DeviceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceIdentity(a device of {})", self.iot_sp)
    }
}

/// Why nobody was authenticated. Told to the peer as one of RFC 6750's two errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AuthenticationFailure {
    /// No client certificate was verified on this connection.
    #[error("no client certificate")]
    NoCertificate,
    /// The certificate was revoked.
    #[error("client certificate revoked")]
    CertificateRevoked,
    /// The list of its authority is over: whether it was revoked is not known.
    #[error("no current list of revoked certificates of its authority")]
    RevocationUnknown,
    /// The certificate ended while the connection was open.
    #[error("client certificate expired")]
    CertificateExpired,
    /// The certificate names no party that is served (unknown, suspended, removed).
    #[error("service provider not served")]
    PartyNotServed,
    /// No bearer token came.
    #[error("no access token")]
    NoToken,
    /// The token is unknown, over, revoked, or bound to another certificate.
    #[error("access token not valid")]
    InvalidToken,
}
