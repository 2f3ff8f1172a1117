//! HTTP as a client with a certificate of its own: TLS of this gateway's profile, no redirects, no
//! proxies, one authority believed.

use std::path::Path;
use std::time::Duration;

use reqwest::Client;

use crate::tls::{Credential, CredentialError, client_config, load_certificates};

/// Where a client's certificate, key and root lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientFiles<'a> {
    /// Certificate chain, PEM.
    pub(crate) certificate: &'a Path,
    /// Key, PEM, mode 0600.
    pub(crate) key: &'a Path,
    /// The authority that servers are checked against, PEM.
    pub(crate) root: &'a Path,
}

/// How long to wait: for a connection, and for the answer, connection included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    /// For a connection, TLS included.
    pub(crate) connection: Duration,
    /// For the whole answer.
    pub(crate) answer: Duration,
}

/// A client that shows the certificate of `files` to whomever it calls.
///
/// # Errors
/// [`CredentialError`].
pub(crate) fn mutual_tls_client(
    files: ClientFiles<'_>,
    waits: Waits,
) -> Result<Client, CredentialError> {
    let tls = client_config(
        load_certificates(files.root)?,
        Credential::load(files.certificate, files.key)?,
    )?;
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tcp_nodelay(true)
        .connect_timeout(waits.connection)
        .timeout(waits.answer)
        .build()
        .map_err(CredentialError::Client)
}
