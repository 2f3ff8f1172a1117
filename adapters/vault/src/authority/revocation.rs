//! The list of certificates an authority has taken back (RFC 5280 5).

use ics_core::port::{AuthorityError, Revoked};
use ics_core::time::Timestamp;
use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};

use super::Authority;
use super::template::{before, date_of};

impl Authority {
    /// Signs a list, DER. Its number is the second it was made in: a later list has a greater one.
    pub(super) fn sign_list(
        &self,
        revoked: &[Revoked<'_>],
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Vec<u8>, AuthorityError> {
        let number = u64::try_from(now.millis().div_euclid(1000));
        let number = number.map_err(|_| AuthorityError::Unavailable)?;
        let entries = revoked.iter().map(|revoked| {
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from_slice(revoked.serial.as_bytes()),
                revocation_time: date_of(revoked.time)?,
                reason_code: None,
                invalidity_date: None,
            })
        });
        let list = CertificateRevocationListParams {
            this_update: date_of(before(now))?,
            next_update: date_of(until)?,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: entries.collect::<Result<_, AuthorityError>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let signed = list.signed_by(&self.issuer);
        let signed = signed.map_err(|_| AuthorityError::Unavailable)?;
        Ok(signed.der().to_vec())
    }
}
