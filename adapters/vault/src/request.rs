//! Certificate requests (PKCS#10): making one, and taking the public key out of one.
//!
//! From a request nothing but the key is taken: a requester may write CA:TRUE and any name into it.

use ics_core::id::SpId;
use ics_core::port::AuthorityError;
use rcgen::{CertificateParams, DistinguishedName, DnType};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use crate::ecdsa::EcdsaKey;
use crate::pem;
use crate::profile::{key_is_allowed, signature_is_allowed};

/// The longest request that is read: one for RSA of 8192 bits has a quarter of it.
const MAX_REQUEST: usize = 16 * 1024;

/// A certificate request and the key it was made for.
pub struct CertificateRequest {
    /// PKCS#10, PEM.
    pub request_pem: String,
    /// The private key, PKCS#8 PEM.
    pub key_pem: Zeroizing<String>,
}

impl std::fmt::Debug for CertificateRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CertificateRequest(..)")
    }
}

/// Makes a P-256 key and a request for it with the common name `sp`.
///
/// # Errors
/// [`AuthorityError::Unavailable`] when the cryptographic provider fails.
pub fn make_request(sp: &SpId) -> Result<CertificateRequest, AuthorityError> {
    let key = EcdsaKey::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, sp.as_str());
    let request = params
        .serialize_request(&key)
        .map_err(|_| AuthorityError::Unavailable)?;
    let request_pem = pem::write_block("CERTIFICATE REQUEST", request.der());
    Ok(CertificateRequest {
        request_pem: request_pem.to_string(),
        key_pem: key.to_pem()?,
    })
}

/// The public key of a request (PEM) that is signed by it.
pub(crate) fn read_requested_key(
    request_pem: &str,
) -> Result<rcgen::SubjectPublicKeyInfo, AuthorityError> {
    if request_pem.len() > MAX_REQUEST {
        return Err(AuthorityError::BadRequest);
    }
    let blocks = pem::read_blocks(request_pem).map_err(|_| AuthorityError::BadRequest)?;
    let [block] = blocks.as_slice() else {
        return Err(AuthorityError::BadRequest);
    };
    if !matches!(
        block.label.as_str(),
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST"
    ) {
        return Err(AuthorityError::BadRequest);
    }
    let Ok(([], request)) = X509CertificationRequest::from_der(&block.der) else {
        return Err(AuthorityError::BadRequest);
    };
    let key = &request.certification_request_info.subject_pki;
    // TS 33.310 6.1.3a, before the signature: a weak key proves nothing.
    if !key_is_allowed(key) {
        return Err(AuthorityError::KeyNotAllowed);
    }
    // X.690 11.2: keys and signatures are whole bytes; the parser does not look.
    let whole_bytes =
        key.subject_public_key.unused_bits == 0 && request.signature_value.unused_bits == 0;
    // RFC 2986 3: the requester holds the private key.
    let signed =
        signature_is_allowed(&request.signature_algorithm) && request.verify_signature().is_ok();
    if !(whole_bytes && signed) {
        return Err(AuthorityError::BadRequest);
    }
    rcgen::SubjectPublicKeyInfo::from_der(key.raw).map_err(|_| AuthorityError::KeyNotAllowed)
}

#[cfg(test)]
mod tests;
