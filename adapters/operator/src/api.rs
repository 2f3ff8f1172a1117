//! What each verb does: translate, ask the service, show. Nothing of HTTP.
//!
//! Every verb that changes something leaves one line in the log: who, what, on what, with which
//! outcome; ids of service providers and agreements only.

mod agreement;
mod certificate;
mod device;
mod extract;
mod job;
mod mapping;
mod onem2m;
mod outbox;
mod party;
mod policy;
mod status;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use ics_core::id::SpId;
use ics_core::party::Limits;
use ics_core::port::{CertificateAuthority, Clock, ClockWatch, PortFuture, StoreError};
use ics_core::principal::OperatorCertificate;
use ics_core::service::IcsService;
use ics_core::time::Timestamp;

use crate::error::Refusal;

pub use certificate::Invitations;
pub use extract::{Archive, ArchiveError, Extract};
pub use onem2m::CseRegistration;
pub use policy::Policies;

/// The operator-domain API.
pub struct OperatorApi {
    ports: Ports,
    settings: Settings,
    /// Backups and exports under way.
    extracting: Arc<AtomicUsize>,
}

/// What the API stands on.
pub struct Ports {
    /// The service.
    pub service: Arc<IcsService>,
    /// Issues certificates to service providers.
    pub authority: Arc<dyn CertificateAuthority>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether time can be believed.
    pub clocks: Arc<dyn ClockWatch>,
    /// The store's own counters.
    pub status: Arc<dyn StatusSource>,
    /// What the gateway knows of itself.
    pub observation: Arc<dyn Observation>,
    /// The store, as far as it can be written out.
    pub archive: Arc<dyn Archive>,
    /// The gateway's CSE at a platform, where one is configured.
    pub onem2m: Option<Arc<dyn CseRegistration>>,
    /// Enrolment, where it is served.
    pub invitations: Option<Arc<dyn Invitations>>,
    /// Who may do what.
    pub policies: Arc<dyn Policies>,
}

/// What the operator configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Version of the gateway.
    pub version: &'static str,
    /// When the gateway was started.
    pub started: Timestamp,
    /// Limits of a service provider that is onboarded without its own.
    pub default_limits: Limits,
    /// How long a certificate holds when the request does not say.
    pub certificate_validity: Duration,
}

/// What a store counts by itself, so that asking costs no walk.
pub trait StatusSource: Send + Sync {
    /// The counters as of now; `None` when the store keeps none.
    ///
    /// # Errors
    /// [`StoreError`].
    fn counts(&self) -> PortFuture<'_, Result<Option<StoreCounts>, StoreError>>;
}

/// What the gateway knows of itself beside its store.
pub trait Observation: Send + Sync {
    /// All metrics as OpenMetrics text.
    ///
    /// # Errors
    /// [`StoreError`] when what must be looked up for them cannot be.
    fn metrics(&self) -> PortFuture<'_, Result<String, StoreError>>;

    /// How the decision log is.
    fn decision_log(&self) -> DecisionLogReport;

    /// How the store is.
    fn store(&self) -> StoreReport;
}

/// How the decision log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecisionLogReport {
    /// Its last attempt to write failed.
    pub failing: bool,
    /// What changes something is refused while it fails.
    pub refuses: bool,
    /// Lines that were not kept since the start.
    pub lost: u64,
    /// How often since the start its file was found deleted, or shortened.
    pub taken_away: u64,
}

/// How the store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreReport {
    /// Its last transaction was not kept.
    pub failing: bool,
    /// Something met damage since the start.
    pub damaged: bool,
}

/// How much is in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Rows, tombstones included.
    pub mappings: u64,
    /// Rows that are no tombstones.
    pub live: u64,
    /// Rows that are established.
    pub established: u64,
    /// Notifications, dead letters included.
    pub outbox: u64,
    /// Hosted devices, those that are unregistering included.
    pub devices: u64,
}

impl OperatorApi {
    /// An API over these ports.
    #[must_use]
    pub fn new(ports: Ports, settings: Settings) -> Self {
        Self {
            ports,
            settings,
            extracting: Arc::default(),
        }
    }

    /// The operator behind a connection's certificate.
    pub(crate) fn admit(&self, peer: Option<&OperatorCertificate>) -> Result<Caller, Refusal> {
        let peer = peer.ok_or(Refusal::NoCertificate)?;
        // A connection does not outlive its certificate.
        if peer.not_after < self.now() {
            return Err(Refusal::CertificateExpired);
        }
        Ok(Caller(peer.name.clone()))
    }

    fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    fn service(&self) -> &IcsService {
        &self.ports.service
    }
}

/// The operator's engineer or system that was admitted.
#[derive(Clone, Debug)]
pub(crate) struct Caller(SpId);

impl Caller {
    /// Leaves the one line about a verb that changes something, and hands on its outcome.
    fn note<T>(
        &self,
        verb: &'static str,
        object: &str,
        outcome: Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let told = outcome.as_ref().err().map_or("DONE", Refusal::cause);
        tracing::info!(operator = %self.0, verb, object, outcome = told, "operator action");
        outcome
    }
}

#[cfg(test)]
mod tests;
