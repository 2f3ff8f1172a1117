//! ECDSA keys of authorities and certificates: P-256 with SHA-256, P-384 with SHA-384.
//!
//! The private key lives in the provider's memory alone (rcgen's own key pair would keep a copy).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use ics_core::port::AuthorityError;
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, SignatureAlgorithm};
use zeroize::Zeroizing;

use crate::pem::{self, InvalidKeyMaterial};

/// A key pair that signs certificates or requests.
pub(crate) struct EcdsaKey {
    key: EcdsaKeyPair,
    algorithm: &'static SignatureAlgorithm,
}

impl EcdsaKey {
    /// A new P-256 key.
    pub(crate) fn generate() -> Result<Self, AuthorityError> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .map_err(|_| AuthorityError::Unavailable)?;
        Ok(Self {
            key,
            algorithm: &PKCS_ECDSA_P256_SHA256,
        })
    }

    /// Reads the first private key of `text`: PKCS#8 or SEC 1, not encrypted.
    pub(crate) fn from_pem(text: &str) -> Result<Self, InvalidKeyMaterial> {
        let blocks = pem::read_blocks(text)?;
        let block = blocks
            .iter()
            .find(|block| matches!(block.label.as_str(), "PRIVATE KEY" | "EC PRIVATE KEY"))
            .ok_or(InvalidKeyMaterial::NoKey)?;
        let p256 = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, &block.der);
        if let Ok(key) = p256 {
            return Ok(Self {
                key,
                algorithm: &PKCS_ECDSA_P256_SHA256,
            });
        }
        EcdsaKeyPair::from_private_key_der(&ECDSA_P384_SHA384_ASN1_SIGNING, &block.der)
            .map(|key| Self {
                key,
                algorithm: &PKCS_ECDSA_P384_SHA384,
            })
            .map_err(|_| InvalidKeyMaterial::NoKey)
    }

    /// The private key as PKCS#8 PEM.
    pub(crate) fn to_pem(&self) -> Result<Zeroizing<String>, AuthorityError> {
        let der = self
            .key
            .to_pkcs8v1()
            .map_err(|_| AuthorityError::Unavailable)?;
        Ok(pem::write_block("PRIVATE KEY", der.as_ref()))
    }
}

impl rcgen::PublicKeyData for EcdsaKey {
    fn der_bytes(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

impl rcgen::SigningKey for EcdsaKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self.key.sign(&SystemRandom::new(), message);
        signature
            .map(|s| s.as_ref().to_vec())
            .map_err(|_| rcgen::Error::RingUnspecified)
    }
}
