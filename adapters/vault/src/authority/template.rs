//! What every certificate starts from: name, validity, serial number, key identifiers.

use std::time::Duration;

use ics_core::port::{AuthorityError, Entropy};
use ics_core::time::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, SerialNumber};
use time::OffsetDateTime;

/// Certificates start this much before they are made: clocks differ.
const BACKDATED: Duration = Duration::from_secs(300);

/// A certificate with name, validity, serial number and key identifiers, and nothing it may do.
pub(super) fn blank_certificate(
    common_name: &str,
    (from, until): (Timestamp, Timestamp),
    entropy: &dyn Entropy,
) -> Result<CertificateParams, AuthorityError> {
    let mut serial = [0; 16];
    entropy.fill(&mut serial);
    let mut params = CertificateParams::default();
    // RFC 5280 4.1.2.2: positive, at most 20 octets, unique; 128 random bits are.
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = date_of(from)?;
    params.not_after = date_of(until)?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// When a certificate made at `now` starts.
pub(super) fn before(now: Timestamp) -> Timestamp {
    let backdated = i64::try_from(BACKDATED.as_millis()).unwrap_or(0);
    Timestamp::from_millis(now.millis().saturating_sub(backdated))
}

/// Whole seconds: X.509 tells no smaller ones.
pub(super) fn date_of(time: Timestamp) -> Result<OffsetDateTime, AuthorityError> {
    OffsetDateTime::from_unix_timestamp(time.millis() / 1000)
        .map_err(|_| AuthorityError::Unavailable)
}
