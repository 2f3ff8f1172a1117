//! The client side: callbacks to service providers, and the CLI's calls to the operator API.

use std::sync::Arc;

use ics_core::port::Clock;
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

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
