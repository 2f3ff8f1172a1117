//! The Ed25519 key that signs callbacks (RFC 9421), and what its verifiers are told of it.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::port::Entropy;
use zeroize::Zeroizing;

use crate::pem::{self, InvalidKeyMaterial};

/// An Ed25519 key pair with its stable name.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: [u8; 32],
    id: String,
}

/// The members of the public key as a JWK (RFC 8037 2), with `kid`, `alg` and `use` (RFC 7517 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicJwk {
    /// Key type.
    pub kty: &'static str,
    /// Curve.
    pub crv: &'static str,
    /// The public key, base64url without padding.
    pub x: String,
    /// [`SigningKey::key_id`].
    pub kid: String,
    /// Algorithm.
    pub alg: &'static str,
    /// What it is for; named `use` on the wire.
    pub key_use: &'static str,
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// [`InvalidKeyMaterial::NoKey`] when the cryptographic provider refuses the seed.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, InvalidKeyMaterial> {
        let mut seed = Zeroizing::new([0; 32]);
        entropy.fill(seed.as_mut_slice());
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice());
        pair.map_err(|_| InvalidKeyMaterial::NoKey)
            .and_then(Self::from_pair)
    }

    /// Reads PKCS#8 PEM, version 1 (as OpenSSL writes it) or 2.
    ///
    /// # Errors
    /// [`InvalidKeyMaterial`] when there is no Ed25519 key in it.
    pub fn from_pem(text: &str) -> Result<Self, InvalidKeyMaterial> {
        let blocks = pem::read_blocks(text)?;
        let block = blocks.iter().find(|block| block.label == "PRIVATE KEY");
        let der = &block.ok_or(InvalidKeyMaterial::NoKey)?.der;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der);
        pair.map_err(|_| InvalidKeyMaterial::NoKey)
            .and_then(Self::from_pair)
    }

    /// The private key as PKCS#8 PEM, version 1.
    ///
    /// # Errors
    /// [`InvalidKeyMaterial::NoKey`] when the cryptographic provider fails to write it.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, InvalidKeyMaterial> {
        let der = self
            .pair
            .to_pkcs8v1()
            .map_err(|_| InvalidKeyMaterial::NoKey)?;
        Ok(pem::write_block("PRIVATE KEY", der.as_ref()))
    }

    /// The signature of `message` (RFC 8032, pure Ed25519).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        for (to, from) in signature.iter_mut().zip(self.pair.sign(message).as_ref()) {
            *to = *from;
        }
        signature
    }

    /// The public key, 32 bytes.
    #[must_use]
    pub const fn public_key(&self) -> &[u8; 32] {
        &self.public
    }

    /// The thumbprint of the public key (RFC 7638, base64url): the same for the same key, anywhere.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.id
    }

    /// The public key as a JWK.
    #[must_use]
    pub fn jwk(&self) -> PublicJwk {
        PublicJwk {
            kty: "OKP",
            crv: "Ed25519",
            x: URL_SAFE_NO_PAD.encode(self.public),
            kid: self.id.clone(),
            alg: "EdDSA",
            key_use: "sig",
        }
    }

    fn from_pair(pair: Ed25519KeyPair) -> Result<Self, InvalidKeyMaterial> {
        let public = <[u8; 32]>::try_from(pair.public_key().as_ref())
            .map_err(|_| InvalidKeyMaterial::NoKey)?;
        Ok(Self {
            pair,
            public,
            id: thumbprint_of(public),
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// RFC 7638 3 with RFC 8037 2: the required members in this order, without white space.
fn thumbprint_of(public: [u8; 32]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public);
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, jwk.as_bytes()))
}

#[cfg(test)]
mod tests;
