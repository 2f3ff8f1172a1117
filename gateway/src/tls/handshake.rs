//! Why a handshake failed, as a code for the decision log and for metrics.

use std::io;

use ics_vault::ProfileViolation;
use rustls::{CertificateError, Error};

use super::anchor::Refusal;

/// The code of a handshake that ended with `error`.
pub(crate) fn handshake_cause(error: &io::Error) -> &'static str {
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::NoCertificatesPresented) => "CERTIFICATE_MISSING",
        Some(Error::InvalidCertificate(refusal)) => certificate_cause(refusal),
        Some(Error::PeerIncompatible(_)) => "TLS_INCOMPATIBLE",
        // Plain HTTP, a scanner, a broken client.
        Some(Error::InvalidMessage(_) | Error::InappropriateMessage { .. }) => "NOT_TLS",
        // Its side refused us, or broke off.
        Some(Error::AlertReceived(_)) | None => "PEER_WENT_AWAY",
        Some(_) => "TLS_INCOMPATIBLE",
    }
}

/// The code of a refused client certificate.
pub(super) fn refusal_cause(refusal: Refusal) -> &'static str {
    match Error::from(refusal) {
        Error::InvalidCertificate(refusal) => certificate_cause(&refusal),
        _ => "CERTIFICATE_REFUSED",
    }
}

fn certificate_cause(refusal: &CertificateError) -> &'static str {
    match refusal {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "CERTIFICATE_EXPIRED"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "CERTIFICATE_NOT_YET_VALID"
        }
        CertificateError::Revoked => "CERTIFICATE_REVOKED",
        CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => "REVOCATION_LIST_EXPIRED",
        CertificateError::UnknownRevocationStatus => "CERTIFICATE_REVOCATION_UNKNOWN",
        CertificateError::UnknownIssuer => "CERTIFICATE_UNKNOWN_ISSUER",
        CertificateError::Other(other) => match other.0.downcast_ref::<Refusal>() {
            Some(Refusal::OutsideNamespace) => "CERTIFICATE_OUTSIDE_NAMESPACE",
            Some(Refusal::Profile(violation)) => profile_cause(*violation),
            _ => "CERTIFICATE_REFUSED",
        },
        _ => "CERTIFICATE_REFUSED",
    }
}

/// The code of what a certificate lacks of the profile (row T11).
const fn profile_cause(violation: ProfileViolation) -> &'static str {
    match violation {
        ProfileViolation::Unreadable => "CERTIFICATE_UNREADABLE",
        ProfileViolation::Identity => "CERTIFICATE_IDENTITY",
        ProfileViolation::Signature => "CERTIFICATE_SIGNATURE",
        ProfileViolation::Key => "CERTIFICATE_KEY",
        ProfileViolation::Authority => "CERTIFICATE_OF_AUTHORITY",
        ProfileViolation::KeyUsage => "CERTIFICATE_KEY_USAGE",
        ProfileViolation::ExtendedKeyUsage => "CERTIFICATE_EXTENDED_KEY_USAGE",
    }
}
