//! Which keys, signatures and certificates are good enough (row T11; TS 33.310 6.1.3a, 6.1.4a).
//!
//! SHA-256 and up; RSA from 2048 bits, P-256 or P-384; keyUsage digitalSignature; EKU clientAuth;
//! no authority's certificate. Each refusal has a name.

use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry as oid;
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// Why a client certificate is refused. Carries nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ProfileViolation {
    /// No X.509 certificate, or one with bytes behind it.
    #[error("not a readable certificate")]
    Unreadable,
    /// Not exactly one SAN URI, or none of the gateway's namespaces.
    #[error(
        "subject alternative name must have exactly one URI, `urn:ics:..` or an absolute CSE-ID or AE-ID"
    )]
    Identity,
    /// Signed with SHA-1, or with something unheard of.
    #[error("signature must be ECDSA or RSA with SHA-256 or better")]
    Signature,
    /// A key of another kind or too small.
    #[error("key must be P-256, P-384 or RSA of at least 2048 bits")]
    Key,
    /// CA:TRUE.
    #[error("certificate must not be one of an authority")]
    Authority,
    /// keyUsage absent or without digitalSignature.
    #[error("key usage must include digitalSignature")]
    KeyUsage,
    /// extendedKeyUsage absent or without clientAuth.
    #[error("extended key usage must include clientAuth")]
    ExtendedKeyUsage,
}

/// Holds a client certificate against the profile, all but its identity.
pub(crate) fn check_client_profile(
    certificate: &X509Certificate<'_>,
) -> Result<(), ProfileViolation> {
    // TS 33.310 6.1.1: SHA-256 or better, on the certificate itself.
    if !signature_is_allowed(&certificate.signature_algorithm) {
        return Err(ProfileViolation::Signature);
    }
    // TS 33.310 6.1.1: RSA of at least 2048 bits, or a NIST curve of at least 256.
    if !key_is_allowed(certificate.public_key()) {
        return Err(ProfileViolation::Key);
    }
    // RFC 5280 4.2.1.9: an authority's key signs certificates, not handshakes.
    match certificate.basic_constraints() {
        Ok(constraints) if constraints.as_ref().is_none_or(|c| !c.value.ca) => {}
        _ => return Err(ProfileViolation::Authority),
    }
    // TS 33.310 6.1.3a: digitalSignature and clientAuth.
    match certificate.key_usage() {
        Ok(Some(usage)) if usage.value.digital_signature() => {}
        _ => return Err(ProfileViolation::KeyUsage),
    }
    match certificate.extended_key_usage() {
        Ok(Some(usage)) if usage.value.client_auth => Ok(()),
        _ => Err(ProfileViolation::ExtendedKeyUsage),
    }
}

/// P-256, P-384, or RSA of 2048 to 8192 bits with a public exponent of at least 65537.
pub(crate) fn key_is_allowed(key: &SubjectPublicKeyInfo<'_>) -> bool {
    match key.parsed() {
        Ok(PublicKey::EC(point)) => {
            let curve = key
                .algorithm
                .parameters
                .as_ref()
                .and_then(|p| p.as_oid().ok());
            // Uncompressed points alone: 4, then two coordinates.
            curve.is_some_and(|curve| match point.data() {
                [4, coordinates @ ..] if curve == oid::OID_EC_P256 => coordinates.len() == 64,
                [4, coordinates @ ..] if curve == oid::OID_NIST_EC_P384 => coordinates.len() == 96,
                _ => false,
            })
        }
        Ok(PublicKey::RSA(rsa)) => {
            (2048..=8192).contains(&bits_of(rsa.modulus))
                && rsa
                    .try_exponent()
                    .is_ok_and(|exponent| exponent >= 65_537 && exponent % 2 == 1)
        }
        _ => false,
    }
}

/// ECDSA or RSA, with SHA-256, SHA-384 or SHA-512.
pub(crate) fn signature_is_allowed(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    let plain = [
        oid::OID_SIG_ECDSA_WITH_SHA256,
        oid::OID_SIG_ECDSA_WITH_SHA384,
        oid::OID_SIG_ECDSA_WITH_SHA512,
        oid::OID_PKCS1_SHA256WITHRSA,
        oid::OID_PKCS1_SHA384WITHRSA,
        oid::OID_PKCS1_SHA512WITHRSA,
    ];
    let strong = [
        oid::OID_NIST_HASH_SHA256,
        oid::OID_NIST_HASH_SHA384,
        oid::OID_NIST_HASH_SHA512,
    ];
    if algorithm.algorithm == oid::OID_PKCS1_RSASSAPSS {
        // RFC 4055 3.1: without parameters it is SHA-1.
        let parameters = algorithm.parameters.as_ref().map(RsaSsaPssParams::try_from);
        return parameters
            .is_some_and(|p| p.is_ok_and(|p| strong.contains(p.hash_algorithm_oid())));
    }
    plain.contains(&algorithm.algorithm)
}

/// Length in bits of a big-endian number.
fn bits_of(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let significant = number.len().saturating_sub(zeros).saturating_mul(8);
    let top = number.get(zeros).map_or(0, |byte| byte.leading_zeros());
    significant.saturating_sub(usize::try_from(top).unwrap_or(0))
}
