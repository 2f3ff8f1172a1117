//! Trust anchors, each with the names it may give, and the verifier that tries them in turn.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ics_core::port::DirectorySource;
use ics_core::principal::AuthenticationFailure;
use ics_core::time::Timestamp;
use ics_vault::{CertificateFacts, ProfileViolation, check_client_certificate};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use super::credential::CredentialError;
use super::namespace::Namespace;
use super::peer::peer_certificate;
use super::profile::{provider, signatures};

/// One authority, and the names it may give.
pub(crate) struct TrustAnchor {
    chain: Arc<dyn ClientCertVerifier>,
    namespace: Namespace,
}

impl TrustAnchor {
    /// Trusts `certificate` for the names in `namespace`.
    ///
    /// # Errors
    /// [`CredentialError`] when it is no certificate.
    pub(crate) fn new(
        certificate: CertificateDer<'static>,
        namespace: Namespace,
    ) -> Result<Self, CredentialError> {
        Self::build(certificate, namespace, None)
    }

    /// The same, but for what the authority's own list (DER, read by the vault) takes back. Whoever it
    /// certified as an authority has no list here: what that one signed is refused, and everything is once
    /// the list is over.
    ///
    /// # Errors
    /// [`CredentialError`] when it is no certificate, or the list cannot be used.
    pub(crate) fn listed(
        certificate: CertificateDer<'static>,
        namespace: Namespace,
        list: Vec<u8>,
    ) -> Result<Self, CredentialError> {
        Self::build(certificate, namespace, Some(list.into()))
    }

    fn build(
        certificate: CertificateDer<'static>,
        namespace: Namespace,
        list: Option<CertificateRevocationListDer<'static>>,
    ) -> Result<Self, CredentialError> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate)?;
        let mut chain =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider(true))
                .clear_root_hint_subjects();
        if let Some(list) = list {
            chain = chain.with_crls([list]).enforce_revocation_expiration();
        }
        let chain = chain.build().map_err(|_| CredentialError::Anchor)?;
        Ok(Self { chain, namespace })
    }
}

/// Why a client certificate is refused: told to the log by name, to the peer as an alert.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// No anchor's chain holds.
    #[error(transparent)]
    Chain(Error),
    /// It is not of the profile (row T11).
    #[error(transparent)]
    Profile(#[from] ProfileViolation),
    /// Its authority may not speak for that name.
    #[error("name outside the namespace of its authority")]
    OutsideNamespace,
    /// It was revoked.
    #[error("certificate revoked")]
    Revoked,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Chain(error) => error,
            Refusal::Revoked => Self::InvalidCertificate(CertificateError::Revoked),
            Refusal::Profile(_) | Refusal::OutsideNamespace => {
                Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
            }
        }
    }
}

/// Decides in the handshake whether a client certificate is taken.
///
/// The anchors can be replaced while connections come in; a handshake sees the old set or the
/// new one. Revocation is looked up in the directory as of now, here and again on every request.
pub(crate) struct ClientVerifier {
    anchors: ArcSwap<Vec<TrustAnchor>>,
    directory: Option<Arc<dyn DirectorySource>>,
    is_optional: bool,
}

impl ClientVerifier {
    /// A verifier for these anchors; with a directory, certificates revoked there are refused.
    pub(crate) fn new(
        anchors: Vec<TrustAnchor>,
        directory: Option<Arc<dyn DirectorySource>>,
    ) -> Self {
        Self {
            anchors: ArcSwap::from_pointee(anchors),
            directory,
            is_optional: false,
        }
    }

    /// This verifier, which lets peers in that show no certificate at all: they prove themselves
    /// by what they say next.
    pub(crate) const fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// Trusts these anchors, and no others, from the next handshake on.
    pub(crate) fn replace_anchors(&self, anchors: Vec<TrustAnchor>) {
        self.anchors.store(Arc::new(anchors));
    }

    /// Profile, then chain and namespace under one anchor after the other, then revocation.
    pub(super) fn check(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let facts = check_client_certificate(leaf)?;
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let mut refusal = Refusal::Chain(unknown.clone());
        for anchor in self.anchors.load().iter() {
            // The chain under this anchor alone: a name is good only from its own authority.
            match anchor.chain.verify_client_cert(leaf, intermediates, now) {
                Ok(_) if anchor.namespace.holds(&facts.identity) => {
                    return self.check_revocation(facts, now);
                }
                Ok(_) => refusal = Refusal::OutsideNamespace,
                // That another anchor's chain does not hold says less than that this one's does.
                Err(error) if error != unknown && matches!(refusal, Refusal::Chain(_)) => {
                    refusal = Refusal::Chain(error);
                }
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    fn check_revocation(&self, facts: CertificateFacts, now: UnixTime) -> Result<(), Refusal> {
        let Some((directory, peer)) = self.directory.as_ref().zip(peer_certificate(facts)) else {
            return Ok(());
        };
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let now = Timestamp::from_millis(seconds.saturating_mul(1000));
        match directory.snapshot().admit(&peer, now) {
            Err(AuthenticationFailure::CertificateRevoked) => Err(Refusal::Revoked),
            // Everything else is asked on every request, where the peer can be told.
            _ => Ok(()),
        }
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        !self.is_optional
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // No hints: clients send the one certificate they have, and strangers learn no names.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.check(end_entity, intermediates, now) {
            Ok(()) => Ok(ClientCertVerified::assertion()),
            Err(refusal) => {
                tracing::info!(reason = %refusal, "client certificate refused");
                Err(refusal.into())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &signatures())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &signatures())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        signatures().supported_schemes()
    }
}

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespaces: Vec<String> = self
            .anchors
            .load()
            .iter()
            .map(|a| a.namespace.to_string())
            .collect();
        f.debug_struct("ClientVerifier")
            .field("namespaces", &namespaces)
            .finish_non_exhaustive()
    }
}
