//! The composition root: every part is made here, once, and joined to the others.

mod parts;
mod running;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ics_core::port::{Clock, DirectorySource};
use rustls::ServerConfig;

use crate::ambient::SharedDirectory;
use crate::config::{AnchorSection, Config, OperatorSection, SecretFileError};
use crate::tls::{
    ClientVerifier, Credential, CredentialError, Namespace, ServerCredential, TrustAnchor,
    load_certificates, server_config,
};

pub(crate) use parts::Parts;
pub(crate) use running::Running;

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The store.
    #[error("{}", with_sources(.0))]
    Store(#[from] ics_store_redb::OpenError),
    /// What is in the store.
    #[error("the store's directory records cannot be read: {0}")]
    Directory(ics_core::port::StoreError),
    /// A certificate, or its key.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// A key file.
    #[error("key file `{}`: {source}", path.display())]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: SecretFileError,
    },
    /// A file with no key in it.
    #[error("`{}` holds no usable key: {reason}", path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A setting that one of the parts refuses.
    #[error("setting of {part} refused: {reason}")]
    Setting {
        /// Which part.
        part: &'static str,
        /// Why.
        reason: String,
    },
    /// TLS and provider do not fit.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// A listener cannot be opened.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// An error and everything behind it, on one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn read_key(path: &Path) -> Result<String, StartError> {
    let refuse = |source| StartError::KeyFile { path: path.into(), source };
    let bytes = crate::config::read_secret(path).map_err(refuse)?;
    String::from_utf8(bytes.to_vec())
        .map_err(|_| StartError::Key { path: path.into(), reason: "not a text file".into() })
}

/// TLS of the T8 listener: the anchors of the configuration, each with its namespace.
///
/// # Errors
/// [`StartError`].
fn t8_tls_with(
    config: &Config,
    directory: Arc<dyn DirectorySource>,
    clock: Arc<dyn Clock>,
) -> Result<ServerConfig, StartError> {
    let mut anchors = Vec::with_capacity(config.t8.anchor.len());
    for AnchorSection { certificate, namespace } in &config.t8.anchor {
        for certificate in load_certificates(certificate)? {
            anchors.push(TrustAnchor::new(certificate, namespace.clone())?);
        }
    }
    let credential = Credential::load(&config.t8.certificate, &config.t8.key)?;
    let verifier = Arc::new(ClientVerifier::new(anchors, Some(directory)));
    let credential = Arc::new(ServerCredential::new(credential)?);
    Ok(server_config(verifier, credential, clock, config.t8.tls12)?)
}

/// The same without a store behind it, for the bench's yardstick.
///
/// # Errors
/// [`StartError`].
pub(crate) fn t8_tls(config: &Config) -> Result<ServerConfig, StartError> {
    let directory = Arc::new(SharedDirectory::new(ics_core::directory::Directory::default()));
    t8_tls_with(config, directory, Arc::new(crate::ambient::SystemClock::new()))
}

/// TLS of the operator's listener: its own authority, its own names.
fn operator_tls(
    section: &OperatorSection,
    clock: Arc<dyn Clock>,
) -> Result<ServerConfig, StartError> {
    let mut anchors = Vec::new();
    for certificate in load_certificates(&section.anchor)? {
        anchors.push(TrustAnchor::new(certificate, Namespace::OPERATORS)?);
    }
    let credential = Credential::load(&section.certificate, &section.key)?;
    let verifier = Arc::new(ClientVerifier::new(anchors, None));
    let credential = Arc::new(ServerCredential::new(credential)?);
    Ok(server_config(verifier, credential, clock, false)?)
}
