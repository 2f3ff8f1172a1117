//! A domain to measure in: the sandbox's parties and certificates, without its receivers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ics_core::party::Agreement;
use ics_core::port::Clock;
use ics_core::service::IcsService;
use rustls::ClientConfig;

use super::plan::{Layout, Ports, loopback};
use super::{PartyFiles, SandboxError, absolute, make_domain, parties};
use crate::ambient::SystemClock;
use crate::t8_client::T8Client;
use crate::tls::{Credential, CredentialError, client_config, load_certificates};

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
        let ports = Ports::free().map_err(|error| SandboxError::Io("ports".into(), error))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        make_domain(&layout, ports, &clock)?;
        parties::make_credentials(&layout, &clock)?;
        Ok(Self { layout, ports })
    }

    /// Its configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.layout.of_domain("gateway.toml")
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
        parties::onboard(service, clock, self.ports).await?;
        let directory = service.directory();
        let agreement = directory
            .agreements()
            .find(|a| a.iot_sp.as_str() == "acme-iot" && a.third_party_sp.as_str() == "shop");
        agreement
            .cloned()
            .ok_or_else(|| SandboxError::Certificates("the agreement is not there".into()))
    }

    /// A client that acts as a party.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub(crate) fn client(&self, sp: &str) -> Result<T8Client, CredentialError> {
        let root = format!("https://{}", loopback(self.ports.t8));
        T8Client::new(&root, PartyFiles::of(&self.layout, sp).as_client())
    }

    /// TLS as a party's client has it.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub(crate) fn tls(&self, sp: &str) -> Result<ClientConfig, CredentialError> {
        let files = PartyFiles::of(&self.layout, sp);
        let credential = Credential::load(&files.certificate, &files.key)?;
        client_config(load_certificates(&files.root)?, credential)
    }
}
