//! Certificates of service providers.

use std::time::Duration;

use ics_core::id::SpId;
use ics_core::party::CertificateRecord;
use ics_core::port::IssuedCertificate;
use ics_core::principal::{CertificateSerial, CertificateThumbprint};
use ics_core::time::Timestamp;

use super::{Faults, parse_hex};
use crate::error::Refusal;
use crate::wire::{CertificateStatusName, CertificateView, IssuedView, Revocation};

/// The longest a certificate is valid (CA/Browser baseline; TS 33.310 6.1.3c allows three years).
const MAX_DAYS: u16 = 397;
/// RFC 5280 4.1.2.2.
const MAX_SERIAL: usize = 20;
const DAY: Duration = Duration::from_secs(86_400);

/// Which certificate is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CertificateName<'a> {
    /// By serial number, of that SP if it says so.
    Serial(CertificateSerial, Option<SpId>),
    /// By SHA-256 of its DER.
    Fingerprint(CertificateThumbprint),
    /// Itself, PEM.
    Pem(&'a str),
}

/// How long a certificate is to hold.
pub(crate) fn certificate_validity(
    days: Option<u16>,
    default: Duration,
) -> Result<Duration, Refusal> {
    match days {
        None => Ok(default),
        Some(days) if (1..=MAX_DAYS).contains(&days) => Ok(DAY.saturating_mul(days.into())),
        Some(_) => Err(Refusal::incorrect("/validityDays", "must be 1 to 397")),
    }
}

/// How long an invitation stands.
pub(crate) fn invitation_lifetime(hours: Option<u16>) -> Result<Duration, Refusal> {
    match hours.unwrap_or(24) {
        hours @ 1..=720 => Ok(Duration::from_secs(3600).saturating_mul(hours.into())),
        _ => Err(Refusal::incorrect("/validHours", "must be 1 to 720")),
    }
}

/// Which certificate is to be revoked.
pub(crate) fn certificate_name(revocation: &Revocation) -> Result<CertificateName<'_>, Refusal> {
    let mut faults = Faults::default();
    let Revocation {
        serial,
        sp_id,
        fingerprint,
        certificate,
    } = revocation;
    if sp_id.is_some() && serial.is_none() {
        faults.add("/spId", "belongs to `serial`");
    }
    let sp = sp_id
        .as_deref()
        .and_then(|text| faults.take("/spId", SpId::parse(text)));
    let name = match (serial, fingerprint, certificate) {
        (Some(text), None, None) => {
            parse_serial(text, &mut faults).map(|serial| CertificateName::Serial(serial, sp))
        }
        (None, Some(text), None) => {
            parse_fingerprint(text, &mut faults).map(CertificateName::Fingerprint)
        }
        (None, None, Some(pem)) => Some(CertificateName::Pem(pem)),
        _ => {
            faults.add(
                "",
                "must have exactly one of `serial`, `fingerprint` and `certificate`",
            );
            None
        }
    };
    match name {
        Some(name) => faults.check().map(|()| name),
        None => Err(faults.refuse()),
    }
}

fn parse_serial(text: &str, faults: &mut Faults) -> Option<CertificateSerial> {
    // Tools print the number without the leading zero of its first byte too.
    let even = if text.len().is_multiple_of(2) || text.contains(':') {
        text.to_owned()
    } else {
        format!("0{text}")
    };
    let serial = parse_hex(&even).map(|bytes| CertificateSerial::from_der_integer(&bytes));
    let serial = serial.filter(|s| (1..=MAX_SERIAL).contains(&s.as_bytes().len()));
    if serial.is_none() {
        faults.add("/serial", "must be hexadecimal, 1 to 20 bytes, not zero");
    }
    serial
}

fn parse_fingerprint(text: &str, faults: &mut Faults) -> Option<CertificateThumbprint> {
    let bytes = parse_hex(text).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    if bytes.is_none() {
        faults.add("/fingerprint", "must be a SHA-256 in hexadecimal");
    }
    bytes.map(CertificateThumbprint)
}

/// A certificate as the operator sees it at `now`.
pub(crate) fn show_certificate(record: &CertificateRecord, now: Timestamp) -> CertificateView {
    CertificateView {
        sp_id: record.sp.to_string(),
        serial: record.serial.to_string(),
        fingerprint: record.thumbprint.map(show_fingerprint),
        status: if record.revoked.is_some() {
            CertificateStatusName::Revoked
        } else if record.not_after < now {
            CertificateStatusName::Expired
        } else {
            CertificateStatusName::Valid
        },
        // Revoked unseen: its end is not known.
        not_after: (record.not_after != Timestamp::MAX).then(|| record.not_after.to_rfc3339()),
        revoke_time: record.revoked.map(Timestamp::to_rfc3339),
    }
}

/// What the service provider gets.
pub(crate) fn show_issued(issued: &IssuedCertificate) -> IssuedView {
    IssuedView {
        certificate: issued.pem.clone(),
        serial: issued.serial.to_string(),
        fingerprint: show_fingerprint(issued.thumbprint),
        not_after: issued.not_after.to_rfc3339(),
    }
}

fn show_fingerprint(thumbprint: CertificateThumbprint) -> String {
    thumbprint
        .0
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
