//! TLS for the harness's own client and server: certificates from PEM files, TLS 1.3.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

fn chain(file: &Path) -> Vec<CertificateDer<'static>> {
    let certificates = CertificateDer::pem_file_iter(file).expect("a PEM file");
    certificates
        .map(|certificate| certificate.expect("a certificate"))
        .collect()
}

fn key(file: &Path) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(file).expect("a private key")
}

fn roots(file: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for root in chain(file) {
        roots.add(root).expect("an authority");
    }
    roots
}

/// A client that believes servers under `root` and shows a certificate.
pub(crate) fn client(root: &Path, certificate: &Path, private_key: &Path) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots(root))
        .with_client_auth_cert(chain(certificate), key(private_key));
    Arc::new(config.expect("a certificate and its key"))
}

/// A server that demands a client certificate under `root`.
pub(crate) fn server(root: &Path, certificate: &Path, private_key: &Path) -> Arc<ServerConfig> {
    let provider = Arc::new(default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots(root).into(), provider.clone())
            .build()
            .expect("an authority");
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .expect("TLS 1.3")
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(certificate), key(private_key));
    Arc::new(config.expect("a certificate and its key"))
}
