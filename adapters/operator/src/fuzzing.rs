//! For `tests/fuzz` alone, behind the feature `fuzzing`.

use std::num::NonZeroU32;

use ics_core::id::{AgreementId, DeviceId, JobId, SpId};
use ics_core::outbox::OutboxKey;
use ics_core::party::Limits;
use ics_core::port::Cursor;
use ics_core::principal::CertificateSerial;
use ics_core::service::{AgreementTerms, PartyTerms};
use ics_core::time::Timestamp;

use crate::page::{Keyset, parse_token, render_token};
use crate::translate::{CertificateName, agreement_terms, certificate_name, party_terms};
use crate::wire::{NewAgreement, NewParty, Revocation};

/// What a service provider is onboarded with.
#[must_use]
pub fn read_party(new: &NewParty) -> Option<PartyTerms> {
    let limits = Limits {
        requests_per_second: NonZeroU32::MIN,
        failed_mappings_per_day: NonZeroU32::MIN,
    };
    party_terms(new, limits).ok()
}

/// What two service providers agree on.
#[must_use]
pub fn read_agreement(new: &NewAgreement, now: Timestamp) -> Option<AgreementTerms> {
    agreement_terms(new, now).ok()
}

/// The bytes that name the certificate to be revoked.
#[must_use]
pub fn read_revocation(revocation: &Revocation) -> Option<Vec<u8>> {
    Some(match certificate_name(revocation).ok()? {
        CertificateName::Serial(serial, _) => serial.as_bytes().to_vec(),
        CertificateName::Fingerprint(thumbprint) => thumbprint.0.to_vec(),
        CertificateName::Pem(text) => text.as_bytes().to_vec(),
    })
}

/// A token of each kind of list, read and rendered again; `None` where it is refused.
#[must_use]
pub fn render_tokens(token: &str) -> Vec<Option<String>> {
    fn again<K: Keyset>(token: &str) -> Option<String> {
        let key = parse_token::<K>(Some(token)).ok()??;
        Some(render_token(&key))
    }
    vec![
        again::<SpId>(token),
        again::<AgreementId>(token),
        again::<JobId>(token),
        again::<DeviceId>(token),
        again::<CertificateSerial>(token),
        again::<Cursor>(token),
        again::<OutboxKey>(token),
    ]
}
