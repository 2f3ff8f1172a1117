//! A CSE as it is planned, and as it stands.

use std::sync::Arc;
use std::time::Duration;

use ics_onem2m::address::Names;
use ics_onem2m::mailbox::MailboxSettings;
use ics_onem2m::outbound::Outbound;
use ics_onem2m::registration::{Registrar, Registration};
use ics_onem2m::{Cse, Settings};

use super::{hosted, setting};
use crate::compose::{Parts, StartError};
use crate::telemetry::Telemetry;

/// What a CSE is to be.
pub(super) struct Plan {
    /// What it is called.
    pub(super) names: Names,
    /// Where it is reached over HTTP, if anywhere.
    pub(super) own: Option<String>,
    /// Where it is reached over the broker of its registrar, if that is on one.
    pub(super) on_broker: Option<String>,
    /// The originator that may do everything.
    pub(super) admin: Option<String>,
    /// CSE-ID, without its slash, and name of the CSEBase of its registrar.
    pub(super) registrar: Option<(String, String)>,
    /// Name and AE-ID it has there, where it is no CSE to it but an AE.
    pub(super) mailbox: Option<(String, String)>,
    /// How often the registration there is renewed.
    pub(super) refresh: Duration,
}

/// A CSE that stands.
pub(super) struct Raised {
    /// It.
    pub(super) cse: Arc<Cse>,
    /// Its registration, where it has a registrar.
    pub(super) registration: Option<Arc<Registration>>,
    /// The CSE-ID of that, without its slash; empty where there is none.
    pub(super) registrar: String,
    /// What it is to that, SP-relative: its CSE-ID, or its AE-ID there.
    pub(super) own_id: String,
}

impl Plan {
    /// Opens it with what is in the store.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) async fn raise(
        self,
        (parts, telemetry): (&Parts, &Telemetry),
        outbound: Arc<dyn Outbound>,
    ) -> Result<Raised, StartError> {
        let settings = Settings {
            names: self.names.clone(),
            points_of_access: self.own.iter().chain(&self.on_broker).cloned().collect(),
            admin: self.admin.clone(),
            registrar: self.registrar.as_ref().map(|(cse_id, _)| cse_id.clone()),
            mailbox: self.mailbox(),
        };
        let own_id = match &settings.mailbox {
            None => format!("/{}", self.names.cse_id),
            Some(own) => format!("/{}/{}", own.registrar.cse_id, own.ae_id),
        };
        let ports = ics_onem2m::Ports {
            service: Arc::clone(&parts.service),
            devices: hosted::service(parts, telemetry),
            limiter: Arc::clone(&parts.limiter),
            sealer: Arc::clone(&parts.sealer),
            verifier: Arc::clone(&parts.verifier),
            outbound,
            clock: Arc::clone(&parts.clock),
            entropy: Arc::clone(&parts.entropy),
        };
        let cse = Cse::open(settings, ports).await.map_err(setting)?;
        let registration = match self.registrar() {
            Some(registrar) => Some(cse.registration(registrar).await.map_err(setting)?),
            None => None,
        };
        Ok(Raised {
            cse,
            registration: registration.map(Arc::new),
            registrar: self.registrar.map(|(cse_id, _)| cse_id).unwrap_or_default(),
            own_id,
        })
    }

    fn mailbox(&self) -> Option<MailboxSettings> {
        let (ae_name, ae_id) = self.mailbox.clone()?;
        Some(MailboxSettings {
            registrar: self.registrar()?,
            ae_name,
            ae_id,
        })
    }

    /// The registrar is to come over its broker, where it is on one.
    fn registrar(&self) -> Option<Registrar> {
        let (cse_id, cse_name) = self.registrar.clone()?;
        let point = self.on_broker.as_ref().or(self.own.as_ref());
        Some(Registrar {
            cse_id,
            cse_name,
            names: self.names.clone(),
            points_of_access: point.into_iter().cloned().collect(),
            refresh: self.refresh,
        })
    }
}
