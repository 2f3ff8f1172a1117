//! The gateway's CSE at the platform: attach, detach, how it stands.

use ics_core::port::PortFuture;

use super::{Caller, OperatorApi};
use crate::error::Refusal;
use crate::wire::RegistrationView;

/// The registration of the gateway's CSE at a platform's.
pub trait CseRegistration: Send + Sync {
    /// How it stands.
    fn show(&self) -> RegistrationView;

    /// Registers, now and from now on.
    ///
    /// # Errors
    /// Why the platform did not take it, in words for the operator.
    fn attach(&self) -> PortFuture<'_, Result<(), String>>;

    /// Ends the registration.
    ///
    /// # Errors
    /// What is left at the platform, and why, in words for the operator.
    fn detach(&self) -> PortFuture<'_, Result<(), String>>;
}

impl OperatorApi {
    fn registration(&self) -> Result<&dyn CseRegistration, Refusal> {
        self.ports.onem2m.as_deref().ok_or(Refusal::NoPlatform)
    }

    /// How the gateway's CSE stands with the platform.
    pub(crate) fn show_registration(&self) -> Result<RegistrationView, Refusal> {
        Ok(self.registration()?.show())
    }

    /// Registers it.
    pub(crate) async fn attach(&self, caller: &Caller) -> Result<RegistrationView, Refusal> {
        let registration = self.registration()?;
        let done = registration.attach().await.map_err(Refusal::Platform);
        caller.note("onem2m attach", "registration", done)?;
        Ok(registration.show())
    }

    /// Ends the registration.
    pub(crate) async fn detach(&self, caller: &Caller) -> Result<RegistrationView, Refusal> {
        let registration = self.registration()?;
        let done = registration.detach().await.map_err(Refusal::Platform);
        caller.note("onem2m detach", "registration", done)?;
        Ok(registration.show())
    }
}
