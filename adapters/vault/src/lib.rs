//! The vault: every key of the gateway, and what is done with it.
//!
//! | key | for | type |
//! |---|---|---|
//! | sealing keys (AES-256-GCM) | serial numbers at rest (Y.4462 3.2.3, rows Y3 and X2) | [`Keyring`], [`Vault`] |
//! | index key (HMAC-SHA-256) | finding a value without knowing it; pairwise device IDs | [`Keyring`], [`Vault`] |
//! | authority key (ECDSA P-256 or P-384) | the certificates SPs authenticate with (Y.4462 10.4) | [`Authority`] |
//! | signing key (Ed25519) | signatures on callbacks (RFC 9421) | [`SigningKey`] |
//!
//! Keys come in and go out as text; this crate opens no file, reads no clock, and logs nothing.
//! Key text is held in [`zeroize::Zeroizing`] and no type here shows a key by `Debug`. Nonces,
//! serial numbers and symmetric keys are made of an [`ics_core::port::Entropy`]; ECDSA keys and
//! signatures draw on the provider's own generator (aws-lc).
//!
//! ```
//! # use std::{sync::Arc, time::Duration};
//! # use ics_core::{id::SpId, port::{CertificateAuthority, Entropy, Sealer}, time::Timestamp};
//! # struct Provider;
//! # impl Entropy for Provider {
//! #     fn fill(&self, out: &mut [u8]) { aws_lc_rs::rand::fill(out).unwrap() }
//! # }
//! # let now = Timestamp::parse("2026-11-21T12:00:00Z")?;
//! # let year = Duration::from_secs(365 * 86_400);
//! use ics_vault::{Authority, Keyring, Vault, make_request};
//!
//! let entropy: Arc<dyn Entropy> = Arc::new(Provider);
//! let text = Keyring::generate(&*entropy).render(); // to a file, mode 0600
//! let vault = Vault::new(&Keyring::parse(&text)?, Arc::clone(&entropy))?;
//! let sealed = vault.seal(b"row 1", b"SN-0815")?;
//! assert_eq!(vault.open(b"row 1", &sealed)?, b"SN-0815");
//! assert!(vault.open(b"row 2", &sealed).is_err());
//!
//! let made = Authority::create("Example SP CA", year, now, &*entropy)?;
//! let authority = Authority::load(&made.certificate_pem, &made.key_pem, entropy)?;
//! let shop = SpId::parse("shop")?;
//! let request = make_request(&shop)?;
//! let issued = authority.issue(&shop, &request.request_pem, 7 * year / 365, now)?;
//! assert_eq!(authority.inspect(&issued.pem)?.0, shop);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod authority;
mod certificate;
mod ecdsa;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod keyring;
mod password;
mod pem;
mod profile;
mod request;
mod revocation_list;
mod seal;
mod signing_key;
mod verifying_key;

pub use authority::{Authority, InvalidServerName, IssuedKey, NewAuthority, ServerNames};
pub use certificate::{
    CertificateFacts, CertificateIdentity, InvalidIdentity, OneM2mName, check_client_certificate,
    is_issued_by, read_certificate,
};
pub use keyring::{Keyring, KeyringError};
pub use password::stretch_password;
pub use pem::InvalidKeyMaterial;
pub use profile::ProfileViolation;
pub use request::{CertificateRequest, make_request};
pub use revocation_list::{InvalidList, ListFacts, read_revocation_list};
pub use seal::Vault;
pub use signing_key::{PublicJwk, SigningKey};
pub use verifying_key::{Verifier, read_verifying_key};
