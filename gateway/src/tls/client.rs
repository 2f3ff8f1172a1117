//! The client side: callbacks to service providers, and the CLI's calls to the operator API.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ics_core::port::Clock;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::credential::{Credential, CredentialError};
use super::profile::{provider, versions};
use super::server::ServiceTime;

/// A configuration that shows `credential` and believes servers under `roots` alone. TLS 1.3.
///
/// # Errors
/// [`CredentialError`] when a root is no certificate, or certificate and key do not fit.
pub(crate) fn client_config(
    roots: Vec<CertificateDer<'static>>,
    credential: Credential,
) -> Result<ClientConfig, CredentialError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root)?;
    }
    let mut config = ClientConfig::builder_with_provider(provider(false))
        .with_protocol_versions(versions(false))?
        .with_root_certificates(store)
        .with_client_auth_cert(credential.chain, credential.key)?;
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// `config` with certificates of servers checked by `clock`: a wall clock that is not believed shuts
/// no callback out.
pub(crate) fn by_clock(mut config: ClientConfig, clock: Arc<dyn Clock>) -> ClientConfig {
    config.time_provider = Arc::new(ServiceTime(clock));
    config
}

/// The certificate that is served at `address`, by whoever holds its key; `None` when what is there
/// ends the handshake before it shows one. Nothing is sent.
///
/// # Errors
/// When nobody takes the connection.
pub(crate) async fn served_certificate(
    address: SocketAddr,
) -> io::Result<Option<CertificateDer<'static>>> {
    let stream = TcpStream::connect(address).await?;
    let seen = Arc::new(Looker::default());
    let builder = ClientConfig::builder_with_provider(provider(false));
    let Ok(builder) = builder.with_protocol_versions(versions(false)) else {
        return Ok(None);
    };
    let config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&seen) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let name = ServerName::IpAddress(address.ip().into());
    // Whether it takes us without a certificate of our own is not the question.
    let _ = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await;
    let proven = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(proven.proven.then(|| proven.certificate.clone()).flatten())
}

/// Believes nobody and everybody: it looks at the certificate, and whether its key is there.
#[derive(Debug, Default)]
struct Looker(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    certificate: Option<CertificateDer<'static>>,
    proven: bool,
}

impl Looker {
    fn prove(
        &self,
        verified: Result<HandshakeSignatureValid, rustls::Error>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.proven = verified.is_ok();
        verified
    }
}

impl ServerCertVerifier for Looker {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.certificate = Some(end_entity.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider(false).signature_verification_algorithms;
        self.prove(verify_tls12_signature(
            message,
            certificate,
            signature,
            &algorithms,
        ))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider(false).signature_verification_algorithms;
        self.prove(verify_tls13_signature(
            message,
            certificate,
            signature,
            &algorithms,
        ))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider(false)
            .signature_verification_algorithms
            .supported_schemes()
    }
}
