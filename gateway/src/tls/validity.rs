//! How long a certificate holds, whoever it is of.

use std::path::Path;

use ics_core::time::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;

use super::credential::load_certificates;

/// From when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    /// Not before.
    pub(crate) not_before: Timestamp,
    /// Not after.
    pub(crate) not_after: Timestamp,
}

/// The validity of the first certificate in a PEM file.
pub(crate) fn read_validity(path: &Path) -> Option<Validity> {
    let chain = load_certificates(path).ok()?;
    let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
    let validity = certificate.validity();
    Some(Validity {
        not_before: at(validity.not_before),
        not_after: at(validity.not_after),
    })
}

fn at(time: ASN1Time) -> Timestamp {
    Timestamp::from_millis(time.timestamp().saturating_mul(1000))
}
