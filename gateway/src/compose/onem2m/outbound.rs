//! How the CSE calls others.

use std::sync::Arc;

use ics_onem2m::client::{HttpOutbound, Reach};
use ics_onem2m::outbound::{Outbound, Outbounds};
use reqwest::Client;

use super::broker::BrokerLine;
use super::setting;
use crate::compose::StartError;
use crate::config::{Config, OneM2mSection, RegistrarSection};
use crate::http_client::{ClientFiles, Waits, mutual_tls_client};
use crate::tls::CredentialError;

/// The registrar over the line, where there is one; who is called by a point of access, by its scheme.
pub(super) fn join(http: HttpOutbound, line: Option<&BrokerLine>) -> Arc<dyn Outbound> {
    match line {
        None => Arc::new(http),
        Some(line) => Arc::new(Outbounds {
            http: Arc::new(http),
            mqtt: Arc::clone(&line.outbound) as _,
            is_registrar_on_mqtt: true,
        }),
    }
}

/// HTTP: the registrar with what it is to be shown, and believes it alone.
///
/// # Errors
/// [`StartError`].
pub(super) fn over_http(
    section: &OneM2mSection,
    config: &Config,
) -> Result<HttpOutbound, StartError> {
    let reach = Reach::Pinned(section.notify_origins.clone());
    let registrar = section.registrar.as_ref().and_then(RegistrarSection::http);
    let client = match &registrar {
        Some(registrar) => client(
            ClientFiles {
                certificate: registrar.certificate,
                key: registrar.key,
                root: registrar.anchor,
            },
            config,
        )?,
        None => own_client(config)?,
    };
    let url = registrar.as_ref().map(|registrar| registrar.url.as_str());
    HttpOutbound::new(client, url, reach).map_err(setting)
}

/// A client that shows what the gateway shows to service providers, and believes whom they do.
///
/// # Errors
/// [`CredentialError`].
pub(super) fn own_client(config: &Config) -> Result<Client, CredentialError> {
    let files = ClientFiles {
        certificate: &config.notify.certificate,
        key: &config.notify.key,
        root: &config.authority.certificate,
    };
    client(files, config)
}

fn client(files: ClientFiles<'_>, config: &Config) -> Result<Client, CredentialError> {
    let waits = Waits {
        connection: config.notify.connect_timeout,
        answer: config.notify.total_timeout,
    };
    mutual_tls_client(files, waits)
}
