//! A domain to measure in: the sandbox's parties and certificates, without its receivers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ics_core::party::Agreement;
use ics_core::port::Clock;
use ics_core::service::IcsService;
use rustls::ClientConfig;

use super::plan::{Layout, Ports, loopback};
use super::{PartyFiles, SandboxError, absolute, make_domain, parties};
use crate::ambient::{SystemClock, SystemEntropy};
use crate::compose::Parts;
use crate::config::Config;
use crate::operator_client::{Endpoint, OperatorClient};
use crate::t8_client::T8Client;
use crate::tls::{Credential, client_config, load_certificates};

/// A domain in a directory of its own.
pub(crate) struct BenchDomain {
    layout: Layout,
    ports: Ports,
}

impl BenchDomain {
    /// Makes one below `directory`.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub(crate) fn create(directory: &Path) -> Result<Self, SandboxError> {
        let layout = Layout(absolute(directory)?);
        let ports = Ports::free(&SystemEntropy::default())
            .map_err(|error| SandboxError::Io("ports".into(), error))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        make_domain(&layout, ports, &clock)?;
        parties::make_credentials(&layout, &clock)?;
        let domain = Self { layout, ports };
        domain.open_to_load()?;
        Ok(domain)
    }

    /// What is measured is what devices cost, not what they are held back to; discovery without DTLS
    /// is measured, too.
    fn open_to_load(&self) -> Result<(), SandboxError> {
        let file = self.config();
        let named = |error| SandboxError::Io(file.display().to_string(), error);
        let mut text = std::fs::read_to_string(&file).map_err(named)?;
        for limit in [
            "#messages_at_once = 100",
            "#messages_per_second = 50",
            "#connects_at_once = 10",
            "#connects_per_second = 1",
            "#connects_at_once = 50",
            "#connects_per_second = 5",
        ] {
            let raised = limit.trim_start_matches('#').split(' ').next();
            let raised = format!("{} = 1000000", raised.unwrap_or_default());
            text = text.replace(limit, &raised);
        }
        let plain = format!("plain_listen = \"{}\"", self.plain_coap_address());
        text = text.replace("#   plain_listen = \"127.0.0.1:5683\"", &plain);
        std::fs::write(&file, text).map_err(named)
    }

    /// Where its devices connect.
    pub(crate) fn mqtt_address(&self) -> SocketAddr {
        loopback(self.ports.mqtt)
    }

    /// Where its devices come to over CoAP and DTLS.
    pub(crate) fn coap_address(&self) -> SocketAddr {
        loopback(self.ports.coap)
    }

    /// Where anybody may ask over CoAP what there is to ask for. Beyond 127.0.0.1 nobody else is.
    pub(crate) fn plain_coap_address(&self) -> SocketAddr {
        self.coap_address_at(2)
    }

    /// Where somebody else may listen for CoAP, and at the next port. Each has a `place`.
    pub(crate) fn spare_coap_address(&self, place: u8) -> SocketAddr {
        self.coap_address_at(place.saturating_add(3))
    }

    fn coap_address_at(&self, host: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, host], self.ports.coap))
    }

    /// A file of the domain.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.layout.of_domain(name)
    }

    /// A party's way to the running gateway.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub(crate) fn client(&self, sp: &str) -> Result<T8Client, SandboxError> {
        let files = PartyFiles::of(&self.layout, sp);
        Ok(T8Client::new(&self.ports.t8_url(), files.as_client())?)
    }

    /// TLS as a hosted device has it, with the certificate and key it was given (PEM).
    ///
    /// # Errors
    /// [`SandboxError`].
    pub(crate) fn device_tls(
        &self,
        certificate: &str,
        key: &str,
    ) -> Result<ClientConfig, SandboxError> {
        let credential = Credential::from_pem(certificate, key)?;
        let roots = load_certificates(&self.file("authority/sp-ca.pem"))?;
        Ok(client_config(roots, credential)?)
    }

    /// Its configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.layout.of_domain("gateway.toml")
    }

    /// The directory of its store.
    pub(crate) fn store(&self) -> PathBuf {
        self.layout.of_domain("store")
    }

    /// Where its parties may be notified: scheme, host and port.
    pub(crate) fn callback_url(&self) -> String {
        self.ports.callback_url()
    }

    /// The gateway's parts over its store, without listeners.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub(crate) async fn open_parts(&self) -> Result<Parts, SandboxError> {
        Ok(Parts::open(&Config::load(&self.config())?).await?)
    }

    /// Onboards the parties; answers the agreement that rows are made under.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub(crate) async fn onboard(
        &self,
        service: &Arc<IcsService>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<Agreement>, SandboxError> {
        parties::onboard(service, clock, (&self.layout, self.ports)).await?;
        let directory = service.directory();
        let agreement = directory
            .agreements()
            .find(|a| a.iot_sp.as_str() == "acme-iot" && a.third_party_sp.as_str() == "shop");
        agreement
            .cloned()
            .ok_or_else(|| SandboxError::Parties("the agreement is not there".into()))
    }

    /// A token for a party, from the running gateway.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub(crate) async fn fetch_token(&self, sp: &str) -> Result<String, SandboxError> {
        Ok(self.client(sp)?.fetch_token().await?)
    }

    /// The running gateway's operator API.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub(crate) fn operator(&self) -> Result<OperatorClient, SandboxError> {
        let config = Config::load(&self.config())?;
        Ok(OperatorClient::new(&Endpoint::of(&config))?)
    }

    /// TLS as a party's client has it.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub(crate) fn tls(&self, sp: &str) -> Result<ClientConfig, SandboxError> {
        let files = PartyFiles::of(&self.layout, sp);
        let credential = Credential::load(&files.certificate, &files.key)?;
        Ok(client_config(load_certificates(&files.root)?, credential)?)
    }
}
