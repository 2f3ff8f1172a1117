//! What we show and whom we believe, replaced while associations stand.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use ics_channel::DeviceCertificate;
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::crypto_provider::{SignatureScheme, default_provider};
use rtc_shared::error::Error;
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use zeroize::Zeroizing;

use super::provider::ChosenCookies;

/// The suites we speak, the cheapest for a constrained device first.
const SUITES: [CipherSuiteId; 4] = [
    CipherSuiteId::Tls_Psk_With_Aes_128_Ccm_8,
    CipherSuiteId::Tls_Psk_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Ccm_8,
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
];

/// How long a flight waits for its answer. More than the second of RFC 6347 4.2.4.1: constrained
/// networks have round trips of seconds (RFC 7925 11), and rtc-dtls gives up after seven.
pub(crate) const RETRANSMIT: Duration = Duration::from_secs(2);

/// What we show.
pub struct ServerCredential {
    /// The chain, the leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key: ECDSA on P-256, PKCS#8 in DER.
    pub key: Zeroizing<Vec<u8>>,
}

/// Judges the chain (leaf first) of a device that holds the key of its leaf: chain, anchor,
/// namespace, validity, SAN. Asked once in a handshake.
pub type Verify = Arc<dyn Fn(&[CertificateDer<'_>]) -> Option<DeviceCertificate> + Send + Sync>;

/// A credential that cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnusableCredential {
    /// There is no certificate.
    #[error("the chain is empty")]
    NoCertificate,
    /// The first certificate is not one.
    #[error("the first certificate cannot be read")]
    Certificate,
    /// The key is not one, or of another kind.
    #[error("the key is not ECDSA on P-256 in PKCS#8")]
    Key,
    /// They do not belong together.
    #[error("the key is not that of the first certificate")]
    OtherKey,
    /// DTLS refused them.
    #[error("the credential cannot be shown: {0}")]
    Refused(String),
}

/// What we show and whom we believe. It may be replaced at any time: associations that stand, and
/// handshakes that have begun, go on with what they began with.
pub struct Trust(Mutex<Arc<HandshakeConfig>>);

impl Trust {
    /// Shows `credential`, believes whom `verify` does.
    ///
    /// # Errors
    /// [`UnusableCredential`]
    pub fn new(credential: ServerCredential, verify: Verify) -> Result<Self, UnusableCredential> {
        configure(credential, verify).map(|config| Self(Mutex::new(config)))
    }

    /// From now on another.
    ///
    /// # Errors
    /// [`UnusableCredential`]: the one before stays.
    pub fn replace(
        &self,
        credential: ServerCredential,
        verify: Verify,
    ) -> Result<(), UnusableCredential> {
        let config = configure(credential, verify)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// What is shown now. Another is another `Arc`.
    pub(crate) fn config(&self) -> Arc<HandshakeConfig> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trust(..)")
    }
}

/// What a handshake is told and finds out while it reads one datagram.
#[derive(Default)]
pub(crate) struct Findings {
    /// The key of the identity it shows.
    pub(crate) key: Option<Zeroizing<Vec<u8>>>,
    /// Whose certificate it showed.
    pub(crate) device: Option<DeviceCertificate>,
}

thread_local! {
    /// Those of the handshake that reads on this thread, now.
    static FINDINGS: RefCell<Findings> = RefCell::default();
}

impl Findings {
    /// Runs `read`, in which one handshake reads one datagram; what it found out.
    pub(crate) fn of<T>(self, read: impl FnOnce() -> T) -> (T, Option<DeviceCertificate>) {
        FINDINGS.set(self);
        let read = read();
        (read, FINDINGS.take().device)
    }
}

fn configure(
    credential: ServerCredential,
    verify: Verify,
) -> Result<Arc<HandshakeConfig>, UnusableCredential> {
    let provider = default_provider().map_err(refused)?;
    check(&credential)?;
    let key = provider
        .crypto()
        .import_signing_key(SignatureScheme::EcdsaP256Sha256, &credential.key)
        .map_err(|_| UnusableCredential::Key)?;
    let certificate = Certificate::from_signing_key(credential.chain, key);
    let key_of = |_: &[u8]| {
        let key = FINDINGS.with_borrow_mut(|findings| findings.key.take());
        key.map(|key| key.to_vec()).ok_or_else(no_key)
    };
    let config = ConfigBuilder::default()
        .with_crypto_provider(Arc::new(ChosenCookies(provider)))
        .with_certificates(vec![certificate])
        .with_cipher_suites(SUITES.to_vec())
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        .with_verify_peer_certificate(Some(Arc::new(move |chain, _| judge(&verify, chain))))
        .with_extended_master_secret(ExtendedMasterSecretType::Request)
        .with_flight_interval(RETRANSMIT)
        .with_psk(Some(Arc::new(key_of)))
        .with_insecure_skip_verify(true)
        .build(false, None)
        .map_err(refused)?;
    Ok(Arc::new(config))
}

fn check(credential: &ServerCredential) -> Result<(), UnusableCredential> {
    let leaf = credential.chain.first();
    let leaf = leaf.ok_or(UnusableCredential::NoCertificate)?;
    let leaf = ParsedCertificate::try_from(leaf).map_err(|_| UnusableCredential::Certificate)?;
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &credential.key);
    let key = key.map_err(|_| UnusableCredential::Key)?;
    // The point is the last of a SubjectPublicKeyInfo (RFC 5480 2).
    let public = leaf.subject_public_key_info();
    let is_its = public.ends_with(key.public_key().as_ref());
    is_its.then_some(()).ok_or(UnusableCredential::OtherKey)
}

/// rtc-dtls asks again when the last message comes: what was found out is not found out twice.
fn judge(verify: &Verify, chain: &[Vec<u8>]) -> Result<(), Error> {
    FINDINGS.with_borrow_mut(|findings| {
        if findings.device.is_none() {
            let chain = chain.iter().map(|der| CertificateDer::from(&der[..]));
            findings.device = verify(&chain.collect::<Vec<_>>());
        }
        let is_believed = findings.device.is_some();
        is_believed
            .then_some(())
            .ok_or(Error::ErrInvalidCertificate)
    })
}

fn no_key() -> Error {
    Error::Other("no key was looked up".to_owned())
}

fn refused(error: impl std::fmt::Display) -> UnusableCredential {
    UnusableCredential::Refused(error.to_string())
}

#[cfg(test)]
mod tests;
