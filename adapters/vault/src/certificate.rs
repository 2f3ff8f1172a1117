//! What a certificate says: whom it names, its serial number, thumbprint and validity.
//!
//! Identity is exactly one SAN URI (`security.md` 1); the common name is decoration. Whether a
//! certificate is to be believed (chain, revocation, time) is decided elsewhere, never here.

use aws_lc_rs::digest;
use ics_core::id::{DeviceId, SpId};
use ics_core::principal::{CertificateSerial, CertificateThumbprint, IssuerName};
use ics_core::time::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use crate::profile::{ProfileViolation, check_client_profile};

/// Whom a certificate of this gateway's domain names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CertificateIdentity {
    /// `urn:ics:sp:<id>`: a service provider, on the T8 listener.
    Sp(SpId),
    /// `urn:ics:operator:<name>`: an engineer or system of the operator, on the operator's listener.
    Operator(SpId),
    /// `urn:ics:gateway:<name>`: the gateway itself, when it calls an SP.
    Gateway(SpId),
    /// `urn:ics:dev:<iot-sp>:<device>`: a hosted device, on a device channel.
    Device {
        /// Whose device.
        iot_sp: SpId,
        /// Its device ID.
        id: DeviceId,
    },
    /// `//<domain>/<cse-id>` or `//<domain>/<cse-id>/<ae-id>`: a CSE or an AE of another domain, by its
    /// absolute identifier (TS-0003 10.1: AE-ID and CSE-ID certificates).
    OneM2m(OneM2mName),
}

/// The absolute identifier of a CSE or an AE (TS-0001 7.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OneM2mName {
    uri: String,
    domain_end: usize,
    cse_end: usize,
}

impl OneM2mName {
    /// Reads `//<domain>/<cse-id>` with or without an AE-ID behind it.
    ///
    /// # Errors
    /// [`InvalidIdentity`].
    pub fn parse(uri: &str) -> Result<Self, InvalidIdentity> {
        let fits = |part: &str| {
            let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            (1..=128).contains(&part.len()) && part.chars().all(good)
        };
        let rest = uri.strip_prefix("//").ok_or(InvalidIdentity)?;
        let parts: Vec<&str> = rest.split('/').collect();
        let ([domain, cse] | [domain, cse, _]) = parts.as_slice() else {
            return Err(InvalidIdentity);
        };
        if !parts.iter().all(|part| fits(part)) {
            return Err(InvalidIdentity);
        }
        let domain_end = domain.len().saturating_add(2);
        Ok(Self {
            uri: uri.to_owned(),
            domain_end,
            cse_end: domain_end.saturating_add(1).saturating_add(cse.len()),
        })
    }

    /// As it stands in the certificate.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// `<domain>`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.uri.get(2..self.domain_end).unwrap_or_default()
    }

    /// `<cse-id>`, without its slash.
    #[must_use]
    pub fn cse_id(&self) -> &str {
        let from = self.domain_end.saturating_add(1);
        self.uri.get(from..self.cse_end).unwrap_or_default()
    }

    /// `/<cse-id>/<ae-id>`; `None` for a CSE.
    #[must_use]
    pub fn ae(&self) -> Option<&str> {
        let below = self.uri.len() > self.cse_end;
        below.then(|| self.uri.get(self.domain_end..)).flatten()
    }
}

/// The text is no URI of a certificate identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not `urn:ics:` with `sp:`, `operator:` or `gateway:` and a name, or `dev:` and two, nor an absolute CSE-ID or AE-ID"
)]
pub struct InvalidIdentity;

impl CertificateIdentity {
    /// Reads the SAN URI, byte by byte: no other spelling of it is taken.
    ///
    /// # Errors
    /// [`InvalidIdentity`].
    pub fn parse(uri: &str) -> Result<Self, InvalidIdentity> {
        if uri.starts_with("//") {
            return OneM2mName::parse(uri).map(Self::OneM2m);
        }
        let (kind, name) = uri
            .strip_prefix("urn:ics:")
            .and_then(|rest| rest.split_once(':'))
            .ok_or(InvalidIdentity)?;
        if kind == "dev" {
            let (iot_sp, id) = name.split_once(':').ok_or(InvalidIdentity)?;
            return Ok(Self::Device {
                iot_sp: SpId::parse(iot_sp).map_err(|_| InvalidIdentity)?,
                id: DeviceId::parse(id).map_err(|_| InvalidIdentity)?,
            });
        }
        let name = SpId::parse(name).map_err(|_| InvalidIdentity)?;
        match kind {
            "sp" => Ok(Self::Sp(name)),
            "operator" => Ok(Self::Operator(name)),
            "gateway" => Ok(Self::Gateway(name)),
            _ => Err(InvalidIdentity),
        }
    }

    /// The SAN URI.
    #[must_use]
    pub fn uri(&self) -> String {
        match self {
            Self::Sp(id) => format!("urn:ics:sp:{id}"),
            Self::Operator(name) => format!("urn:ics:operator:{name}"),
            Self::Gateway(name) => format!("urn:ics:gateway:{name}"),
            Self::Device { iot_sp, id } => format!("urn:ics:dev:{iot_sp}:{}", id.as_str()),
            Self::OneM2m(name) => name.uri().to_owned(),
        }
    }

    /// The name at the URI's end; also the common name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Sp(name) | Self::Operator(name) | Self::Gateway(name) => name.as_str(),
            Self::Device { id, .. } => id.as_str(),
            Self::OneM2m(name) => name.uri(),
        }
    }
}

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whom it names.
    pub identity: CertificateIdentity,
    /// Its serial number.
    pub serial: CertificateSerial,
    /// SHA-256 of its DER.
    pub thumbprint: CertificateThumbprint,
    /// Who signed it.
    pub issuer: IssuerName,
    /// First second it is valid.
    pub not_before: Timestamp,
    /// Last second it is valid.
    pub not_after: Timestamp,
}

/// Reads a certificate (DER) that names one of the gateway's identities, however good it is.
///
/// # Errors
/// [`ProfileViolation::Unreadable`] or [`ProfileViolation::Identity`].
pub fn read_certificate(der: &[u8]) -> Result<CertificateFacts, ProfileViolation> {
    facts_of(&parse_der(der)?, der)
}

/// Reads a client certificate (DER) and holds it against the profile (row T11), at enrolment and
/// at the handshake alike.
///
/// # Errors
/// [`ProfileViolation`], the first that is found.
pub fn check_client_certificate(der: &[u8]) -> Result<CertificateFacts, ProfileViolation> {
    let certificate = parse_der(der)?;
    check_client_profile(&certificate)?;
    facts_of(&certificate, der)
}

/// Whether `issuer` signed `certificate` (both DER), and is not itself: whoever stands behind a
/// certificate in a file is its chain then.
#[must_use]
pub fn is_issued_by(certificate: &[u8], issuer: &[u8]) -> bool {
    let (Ok(certificate), Ok(issuer)) = (parse_der(certificate), parse_der(issuer)) else {
        return false;
    };
    certificate.issuer().as_raw() == issuer.subject().as_raw()
        && certificate.subject().as_raw() != issuer.subject().as_raw()
        && certificate
            .verify_signature(Some(issuer.public_key()))
            .is_ok()
}

pub(crate) fn parse_der(der: &[u8]) -> Result<X509Certificate<'_>, ProfileViolation> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(ProfileViolation::Unreadable),
    }
}

pub(crate) fn thumbprint_of(der: &[u8]) -> CertificateThumbprint {
    CertificateThumbprint(sha256(der))
}

pub(crate) fn issuer_name_of(name: &[u8]) -> IssuerName {
    IssuerName(sha256(name))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out
        .iter_mut()
        .zip(digest::digest(&digest::SHA256, bytes).as_ref())
    {
        *to = *from;
    }
    out
}

pub(crate) fn timestamp_of(time: ASN1Time) -> Timestamp {
    Timestamp::from_millis(time.timestamp().saturating_mul(1000))
}

fn facts_of(
    certificate: &X509Certificate<'_>,
    der: &[u8],
) -> Result<CertificateFacts, ProfileViolation> {
    Ok(CertificateFacts {
        identity: identity_of(certificate)?,
        serial: CertificateSerial::from_der_integer(certificate.raw_serial()),
        thumbprint: thumbprint_of(der),
        issuer: issuer_name_of(certificate.issuer().as_raw()),
        not_before: timestamp_of(certificate.validity().not_before),
        not_after: timestamp_of(certificate.validity().not_after),
    })
}

fn identity_of(certificate: &X509Certificate<'_>) -> Result<CertificateIdentity, ProfileViolation> {
    let names = match certificate.subject_alternative_name() {
        Ok(Some(extension)) => &extension.value.general_names,
        _ => return Err(ProfileViolation::Identity),
    };
    let mut uris = names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    // RFC 5280 4.2.1.6 allows many; two identities in one certificate are none here.
    match (uris.next(), uris.next()) {
        (Some(uri), None) => {
            CertificateIdentity::parse(uri).map_err(|_| ProfileViolation::Identity)
        }
        _ => Err(ProfileViolation::Identity),
    }
}

#[cfg(test)]
mod tests;
