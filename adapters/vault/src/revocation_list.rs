//! Lists of revoked certificates (RFC 5280 5) that somebody else signed: read, and held against the
//! authority they must be of.
//!
//! A list that speaks of a part, changes another list, or lists for others is refused: whoever took
//! it for the whole would admit what was revoked.

use std::collections::BTreeSet;

use ics_core::principal::{CertificateSerial, IssuerName};
use ics_core::time::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::X509Extension;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::x509::X509Version;

use crate::certificate::{issuer_name_of, parse_der, timestamp_of};
use crate::pem;
use crate::profile::signature_is_allowed;

/// What a list says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFacts {
    /// As it was signed, DER.
    pub der: Vec<u8>,
    /// Who signed it.
    pub issuer: IssuerName,
    /// What it took back.
    pub serials: BTreeSet<CertificateSerial>,
    /// From when on it says nothing.
    pub ends: Timestamp,
}

/// Why a list is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidList {
    /// Neither one PEM block `X509 CRL` nor DER.
    #[error("not a readable list of revoked certificates, PEM or DER")]
    Unreadable,
    /// Version 1 has no extensions, and so no number.
    #[error("list must be of version 2 (RFC 5280 5.1.2.1)")]
    Version,
    /// The name, or the signature, is another authority's.
    #[error("list was not signed by the authority beside it")]
    Foreign,
    /// The authority's certificate does not let it sign lists.
    #[error("authority's key usage does not include cRLSign")]
    MayNotSign,
    /// Signed with SHA-1, or with something unheard of.
    #[error("list's signature must be ECDSA or RSA with SHA-256 or better")]
    Signature,
    /// It does not say when the next one comes.
    #[error("list must say when the next one is due (nextUpdate)")]
    NoEnd,
    /// A part, a change, or a list for others.
    #[error("list has a critical extension: one that is whole and of its own authority is needed")]
    Extension,
}

/// Reads a list, PEM or DER, of the authority whose certificate (DER) is `authority`. Whether it is over
/// is asked by whoever uses it.
///
/// # Errors
/// [`InvalidList`], the first that is found.
pub fn read_revocation_list(file: &[u8], authority: &[u8]) -> Result<ListFacts, InvalidList> {
    let der = der_of(file).ok_or(InvalidList::Unreadable)?;
    let Ok(([], list)) = CertificateRevocationList::from_der(&der) else {
        return Err(InvalidList::Unreadable);
    };
    let authority = parse_der(authority).map_err(|_| InvalidList::Foreign)?;
    check_signer(&list, &authority)?;
    if list.version() != Some(X509Version::V2) {
        return Err(InvalidList::Version);
    }
    let is_critical = |extension: &X509Extension<'_>| extension.critical;
    let of_entries = list
        .iter_revoked_certificates()
        .flat_map(|entry| entry.extensions());
    if list.extensions().iter().chain(of_entries).any(is_critical) {
        return Err(InvalidList::Extension);
    }
    let ends = list.next_update().ok_or(InvalidList::NoEnd)?;
    let serials = list
        .iter_revoked_certificates()
        .map(|entry| CertificateSerial::from_der_integer(entry.raw_serial()));
    Ok(ListFacts {
        issuer: issuer_name_of(list.issuer().as_raw()),
        serials: serials.collect(),
        ends: timestamp_of(ends),
        der: der.clone(),
    })
}

/// RFC 5280 6.3.3 (f), (g).
fn check_signer(
    list: &CertificateRevocationList<'_>,
    authority: &X509Certificate<'_>,
) -> Result<(), InvalidList> {
    if list.issuer().as_raw() != authority.subject().as_raw() {
        return Err(InvalidList::Foreign);
    }
    match authority.key_usage() {
        Ok(usage) if usage.as_ref().is_none_or(|usage| usage.value.crl_sign()) => {}
        _ => return Err(InvalidList::MayNotSign),
    }
    if !signature_is_allowed(&list.signature_algorithm) {
        return Err(InvalidList::Signature);
    }
    // X.690 11.2: a signature is whole bytes; the parser does not look.
    let is_whole = list.signature_value.unused_bits == 0;
    let holds = list.verify_signature(authority.public_key()).is_ok();
    (is_whole && holds)
        .then_some(())
        .ok_or(InvalidList::Foreign)
}

fn der_of(file: &[u8]) -> Option<Vec<u8>> {
    let text = core::str::from_utf8(file).ok();
    let Some(text) = text.filter(|text| text.contains("-----BEGIN ")) else {
        return Some(file.to_vec());
    };
    let blocks = pem::read_blocks(text).ok()?;
    match blocks.as_slice() {
        [block] if block.label == "X509 CRL" => Some(block.der.to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
