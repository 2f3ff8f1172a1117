//! Certificates with their keys, read from PEM files, and the one a listener shows.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use ics_vault::{InvalidList, is_issued_by};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::profile::provider;
use crate::config::{SecretFileError, read_secret};

/// A certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    /// The file has no certificate in it, or cannot be read.
    #[error("`{}` has no readable certificate in PEM form", .0.display())]
    Certificate(PathBuf),
    /// The key file cannot be read, or others may read it.
    #[error("key file `{}`: {source}", path.display())]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: SecretFileError,
    },
    /// The key file has no private key in it.
    #[error("`{}` has no readable private key in PEM form", .0.display())]
    Key(PathBuf),
    /// What was just made cannot be read.
    #[error("a certificate that was just made cannot be read")]
    Made,
    /// The certificate of an authority cannot be trusted as one.
    #[error("a trust anchor has no usable certificate")]
    Anchor,
    /// An HTTP client could not be made with it.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
    /// Certificate and key do not belong together.
    #[error(
        "certificate `{}` and key `{}` do not belong together",
        certificate.display(),
        key.display()
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The certificate, or the key, is of no kind that is used here.
    #[error(
        "certificate `{}` with key `{}` cannot be used: {source}",
        certificate.display(),
        key.display()
    )]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The certificate of an authority cannot be trusted as one.
    #[error("`{}` cannot be trusted as an authority: {reason}", path.display())]
    AnchorFile {
        /// Its file.
        path: PathBuf,
        /// Why.
        reason: Box<CredentialError>,
    },
    /// A list of revoked certificates is not taken.
    #[error("`{}` cannot be taken as the list of revoked certificates: {reason}", path.display())]
    List {
        /// Its file.
        path: PathBuf,
        /// Why.
        reason: InvalidList,
    },
    /// A list of one authority stands beside several.
    #[error(
        "`{}` has a list of revoked certificates beside it and so must hold one authority alone",
        .0.display()
    )]
    ListOfMany(PathBuf),
    /// The provider refuses it.
    #[error(transparent)]
    Refused(#[from] rustls::Error),
}

/// Reads all certificates of a PEM file; there is at least one.
///
/// # Errors
/// [`CredentialError::Certificate`].
pub(crate) fn load_certificates(
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, CredentialError> {
    let refuse = || CredentialError::Certificate(path.into());
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(|_| refuse())?
        .collect::<Result<_, _>>()
        .map_err(|_| refuse())?;
    if certificates.is_empty() {
        Err(refuse())
    } else {
        Ok(certificates)
    }
}

/// Reads the authorities of a PEM file; there is at least one. A certificate that issued the one before
/// it is the chain of that one: who trusts an issuing authority does not trust all its root may sign.
///
/// # Errors
/// [`CredentialError::Certificate`].
pub(crate) fn load_authorities(
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, CredentialError> {
    let mut authorities = Vec::new();
    let mut before: Option<CertificateDer<'static>> = None;
    for certificate in load_certificates(path)? {
        let is_chain = before.is_some_and(|before| is_issued_by(&before, &certificate));
        if !is_chain {
            authorities.push(certificate.clone());
        }
        before = Some(certificate);
    }
    Ok(authorities)
}

/// A certificate with its chain and private key.
pub(crate) struct Credential {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Credential {
    /// Reads both from PEM files. The key's must be readable by its owner alone.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Self, CredentialError> {
        let chain = load_certificates(certificate)?;
        let (certificate, key_file) = (certificate.to_owned(), key.to_owned());
        let pem = read_secret(key).map_err(|source| CredentialError::KeyFile {
            path: key.into(),
            source,
        })?;
        let key =
            PrivateKeyDer::from_pem_slice(&pem).map_err(|_| CredentialError::Key(key.into()))?;
        let loaded = Self { chain, key };
        match loaded.check() {
            Ok(()) => Ok(loaded),
            Err(rustls::Error::InconsistentKeys(_)) => Err(CredentialError::Mismatch {
                certificate,
                key: key_file,
            }),
            Err(source) => Err(CredentialError::Unusable {
                certificate,
                key: key_file,
                source,
            }),
        }
    }

    /// Takes both from PEM text that was just made.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub(crate) fn from_pem(certificate: &str, key: &str) -> Result<Self, CredentialError> {
        let refuse = || CredentialError::Made;
        let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
        let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(|_| refuse())?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| refuse())?;
        let made = Self { chain, key };
        made.check()?;
        Ok(made)
    }

    /// Whether the provider takes it.
    fn check(&self) -> Result<(), rustls::Error> {
        let key = self.key.clone_key();
        CertifiedKey::from_der(self.chain.clone(), key, &provider(true)).map(drop)
    }

    /// The same for DTLS: its key as PKCS#8, if it is ECDSA on P-256; else none of it, for the suites
    /// of constrained devices know no other.
    pub(crate) fn for_datagrams(self) -> ics_coap::ServerCredential {
        let key = EcdsaKeyPair::from_private_key_der(
            &ECDSA_P256_SHA256_ASN1_SIGNING,
            self.key.secret_der(),
        );
        let key = key.ok().and_then(|key| key.to_pkcs8v1().ok());
        let key = key.map(|key| Zeroizing::new(key.as_ref().to_vec()));
        ics_coap::ServerCredential {
            chain: self.chain,
            key: key.unwrap_or_default(),
        }
    }

    fn certified(self) -> Result<CertifiedKey, CredentialError> {
        Ok(CertifiedKey::from_der(
            self.chain,
            self.key,
            &provider(true),
        )?)
    }
}

/// The certificate a listener shows; replaced while connections come in.
pub(crate) struct ServerCredential(ArcSwap<CertifiedKey>);

impl ServerCredential {
    /// Shows this one.
    ///
    /// # Errors
    /// [`CredentialError::Refused`] when certificate and key do not belong together.
    pub(crate) fn new(credential: Credential) -> Result<Self, CredentialError> {
        Ok(Self(ArcSwap::from_pointee(credential.certified()?)))
    }

    /// Shows this one from the next handshake on.
    ///
    /// # Errors
    /// As [`ServerCredential::new`]; the old one is kept then.
    pub(crate) fn replace(&self, credential: Credential) -> Result<(), CredentialError> {
        self.0.store(Arc::new(credential.certified()?));
        Ok(())
    }
}

impl ResolvesServerCert for ServerCredential {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl fmt::Debug for ServerCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerCredential(..)")
    }
}
