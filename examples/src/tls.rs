//! TLS of a device or of a proxy that dials for it: certificates from PEM files.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Believes servers under the authority in `root`, and shows the certificate with its key.
///
/// # Errors
/// [`io::Error`] when a file cannot be read, or holds something else.
pub fn device_tls(root: &Path, certificate: &Path, key: &Path) -> io::Result<Arc<ClientConfig>> {
    let read = |file| -> Result<Vec<_>, _> { CertificateDer::pem_file_iter(file)?.collect() };
    let mut roots = RootCertStore::empty();
    for authority in read(root).map_err(io::Error::other)? {
        roots.add(authority).map_err(io::Error::other)?;
    }
    let chain = read(certificate).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(io::Error::other)?;
    Ok(Arc::new(config))
}

/// Dials a gateway: TCP, then TLS.
///
/// # Errors
/// [`io::Error`] of either, or that the host is none.
pub async fn dial(
    address: (String, u16),
    tls: Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(address.0.clone()).map_err(io::Error::other)?;
    let socket = TcpStream::connect(address).await?;
    // Small packets, each waited for.
    socket.set_nodelay(true)?;
    TlsConnector::from(tls).connect(name, socket).await
}
