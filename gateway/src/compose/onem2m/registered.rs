//! The registration at the platform, as the operator's API sees it.

use std::sync::Arc;

use ics_core::port::PortFuture;
use ics_core::time::Timestamp;
use ics_onem2m::Cse;
use ics_onem2m::registration::Registration;
use ics_operator::CseRegistration;
use ics_operator::wire::RegistrationView;

use super::raise::Raised;

/// The registration, in the words of the operator's API.
pub(super) struct Registered {
    registration: Arc<Registration>,
    cse: Arc<Cse>,
    registrar: String,
    own_id: String,
}

impl Registered {
    /// None where the CSE has no registrar.
    pub(super) fn of(raised: &Raised) -> Option<Self> {
        Some(Self {
            registration: raised.registration.clone()?,
            cse: Arc::clone(&raised.cse),
            registrar: raised.registrar.clone(),
            own_id: raised.own_id.clone(),
        })
    }
}

impl CseRegistration for Registered {
    fn show(&self) -> RegistrationView {
        let status = self.registration.status();
        let (confirmed, expires) = status.confirmed.unzip();
        RegistrationView {
            registrar: format!("/{}", self.registrar),
            cse_id: self.own_id.clone(),
            wanted: status.wanted,
            registered: confirmed.is_some() && status.trouble.is_none(),
            confirmed: confirmed.map(Timestamp::to_rfc3339),
            expires: expires.map(Timestamp::to_rfc3339),
            trouble: status.trouble,
            refusing: self
                .cse
                .refusing()
                .iter()
                .map(ToString::to_string)
                .collect(),
        }
    }

    fn attach(&self) -> PortFuture<'_, Result<(), String>> {
        Box::pin(async { self.registration.attach().await.map_err(|e| e.to_string()) })
    }

    fn detach(&self) -> PortFuture<'_, Result<(), String>> {
        Box::pin(async { self.registration.detach().await.map_err(|e| e.to_string()) })
    }
}
