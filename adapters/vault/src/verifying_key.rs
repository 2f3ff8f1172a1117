//! Keys of others, and what they signed (RFC 7515; RFC 7518 3.4, RFC 8037).

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use ics_core::party::{SignatureAlgorithm, VerifyingKey};
use ics_core::port::SignatureVerifier;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::pem::{self, InvalidKeyMaterial};

/// Checks signatures with the cryptographic provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Verifier;

impl SignatureVerifier for Verifier {
    fn is_signed(&self, key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
        let verified = match key.algorithm() {
            SignatureAlgorithm::Es256 => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.point())
                    .verify(message, signature)
            }
            SignatureAlgorithm::EdDsa => {
                UnparsedPublicKey::new(&ED25519, key.point()).verify(message, signature)
            }
        };
        verified.is_ok()
    }

    fn sha256(&self, bytes: &[u8]) -> [u8; 32] {
        let mut hash = [0; 32];
        let digest = digest::digest(&digest::SHA256, bytes);
        for (to, from) in hash.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        hash
    }
}

/// Reads a public key, PEM (`openssl pkey -pubout`): P-256 or Ed25519.
///
/// # Errors
/// [`InvalidKeyMaterial`] when there is none of these in it.
pub fn read_verifying_key(text: &str) -> Result<VerifyingKey, InvalidKeyMaterial> {
    let blocks = pem::read_blocks(text)?;
    let block = blocks.iter().find(|block| block.label == "PUBLIC KEY");
    let der = &block.ok_or(InvalidKeyMaterial::NoPublicKey)?.der;
    let Ok(([], info)) = SubjectPublicKeyInfo::from_der(der) else {
        return Err(InvalidKeyMaterial::NoPublicKey);
    };
    let point = info.subject_public_key.data.to_vec();
    let parameters = info.algorithm.parameters.as_ref();
    let curve = parameters.and_then(|parameters| parameters.as_oid().ok());
    let algorithm = if info.algorithm.algorithm == oid::OID_SIG_ED25519 {
        SignatureAlgorithm::EdDsa
    } else if curve.is_some_and(|curve| curve == oid::OID_EC_P256) {
        SignatureAlgorithm::Es256
    } else {
        return Err(InvalidKeyMaterial::NoPublicKey);
    };
    VerifyingKey::new(algorithm, point).ok_or(InvalidKeyMaterial::NoPublicKey)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    };

    use super::*;

    #[test]
    fn a_signature_holds_for_its_message_and_its_key_alone() {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref().to_vec();
        let key = VerifyingKey::new(SignatureAlgorithm::Es256, point).unwrap();
        let signature = pair.sign(&random, b"message").unwrap();
        assert_eq!(signature.as_ref().len(), 64, "r and s, as in JWS");
        assert!(Verifier.is_signed(&key, b"message", signature.as_ref()));
        assert!(!Verifier.is_signed(&key, b"another", signature.as_ref()));
        let pair = Ed25519KeyPair::generate().unwrap();
        let point = pair.public_key().as_ref().to_vec();
        let other = VerifyingKey::new(SignatureAlgorithm::EdDsa, point).unwrap();
        assert!(!Verifier.is_signed(&other, b"message", signature.as_ref()));
        let signature = pair.sign(b"message");
        assert!(Verifier.is_signed(&other, b"message", signature.as_ref()));
        assert!(!Verifier.is_signed(&other, b"message", b""));
    }

    #[test]
    fn public_keys_of_openssl_are_read_and_other_kinds_are_not() {
        // openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | openssl pkey -pubout
        let p256 = "-----BEGIN PUBLIC KEY-----\n\
            MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYWnm/eplO9BFtXszMRQNL5UtKG1A\n\
            Qw5UsnkrQKwcNCIZmANX8rsFMA3xF0kzuRDP1hDnZVAY3nZTGLHlVpNTOQ==\n\
            -----END PUBLIC KEY-----\n";
        // openssl genpkey -algorithm ED25519 | openssl pkey -pubout (RFC 8410 10.1)
        let ed25519 = "-----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
            -----END PUBLIC KEY-----\n";
        let algorithm = |pem| read_verifying_key(pem).map(|key| key.algorithm());
        assert_eq!(algorithm(p256), Ok(SignatureAlgorithm::Es256));
        assert_eq!(algorithm(ed25519), Ok(SignatureAlgorithm::EdDsa));
        for pem in [
            "",
            &ed25519.replace("BQYDK2Vw", "BQYDK2Vu"),
            &p256.replace("PUBLIC", "PRIVATE"),
        ] {
            assert!(algorithm(pem).is_err(), "{pem}");
        }
    }
}
