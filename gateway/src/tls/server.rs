//! The server side: what every listener of ours is built with.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ics_core::port::Clock;
use rustls::pki_types::UnixTime;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConfig};

use super::anchor::ClientVerifier;
use super::credential::{Credential, CredentialError, ServerCredential, load_certificates};
use super::profile::{provider, versions};

/// A configuration that demands a client certificate of every peer; TLS 1.3, or with `tls12`
/// also 1.2 with extended master secret (RFC 7627).
///
/// # Errors
/// [`rustls::Error`] when profile and provider do not fit.
pub(crate) fn server_config(
    verifier: Arc<ClientVerifier>,
    credential: Arc<ServerCredential>,
    clock: Arc<dyn Clock>,
    tls12: bool,
) -> Result<ServerConfig, rustls::Error> {
    let mut config =
        ServerConfig::builder_with_details(provider(tls12), Arc::new(ServiceTime(clock)))
            .with_protocol_versions(versions(tls12))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(credential);
    // A resumed session brings its peer back without asking the verifier, a revoked one too
    // (security.md 1): there is nothing to resume.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.require_ems = true;
    Ok(config)
}

/// A configuration for the receivers of a service provider, as the sandbox runs them: whoever
/// `root` certified may connect.
///
/// # Errors
/// [`CredentialError`].
pub(crate) fn callback_server_config(
    root: &Path,
    certificate: &Path,
    key: &Path,
) -> Result<ServerConfig, CredentialError> {
    let mut roots = RootCertStore::empty();
    for root in load_certificates(root)? {
        roots.add(root)?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider(false))
        .build()
        .map_err(|_| CredentialError::Anchor)?;
    let credential = ServerCredential::new(Credential::load(certificate, key)?)?;
    Ok(ServerConfig::builder_with_provider(provider(false))
        .with_protocol_versions(versions(false))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(credential)))
}

/// Certificates are checked against the same clock as everything else.
pub(super) struct ServiceTime(pub(super) Arc<dyn Clock>);

impl TimeProvider for ServiceTime {
    fn current_time(&self) -> Option<UnixTime> {
        current_time(self.0.as_ref())
    }
}

/// Now, as certificates are checked; none before 1970.
pub(super) fn current_time(clock: &dyn Clock) -> Option<UnixTime> {
    let millis = u64::try_from(clock.now().millis()).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_millis(millis)))
}

impl fmt::Debug for ServiceTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceTime(..)")
    }
}
