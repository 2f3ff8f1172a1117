//! Devices the gateway hosts, on behalf of their IoT SP (Y.4462 clause 6).

use ics_core::device::CredentialId;
use ics_core::id::{DeviceId, SpId};
use ics_core::party::PartyStatus;
use ics_core::reference_point::Role;
use ics_core::service::{DeviceError, Manager};

use super::{Caller, OperatorApi};
use crate::error::Refusal;
use crate::page::{cut_page, parse_limit, parse_token};
use crate::translate::{
    credential_order, device_terms, pairing_validity, parse_device, show_credential, show_device,
};
use crate::wire::{
    Confirmation, DeviceCredentialView, DeviceView, NewCredential, NewDevice, NewPairingCode, Page,
    PageQuery, PairingCodeView,
};

impl OperatorApi {
    pub(crate) async fn list_devices(
        &self,
        sp: &str,
        query: &PageQuery,
    ) -> Result<Page<DeviceView>, Refusal> {
        let limit = parse_limit(query.limit)?;
        let after: Option<DeviceId> = parse_token(query.page_token.as_deref())?;
        let sp = self.hosting_party(sp)?;
        // One more, to know whether there is another page.
        let range = (after.as_ref(), limit.saturating_add(1));
        let found = self
            .service()
            .list_devices(Manager::Operator(&sp), range, self.now());
        let devices = found.await.map_err(Refusal::of_device)?;
        Ok(cut_page(
            devices.into_iter(),
            limit,
            (
                |device| device.id.clone(),
                |device| show_device(device, &[]),
            ),
        ))
    }

    pub(crate) async fn show_device(&self, sp: &str, id: &str) -> Result<DeviceView, Refusal> {
        let (sp, id) = (self.hosting_party(sp)?, parse_device(id)?);
        let found = self
            .service()
            .read_device(Manager::Operator(&sp), &id, self.now());
        let device = found.await.map_err(Refusal::of_device)?;
        Ok(show_device(&device, &[]))
    }

    /// The answer alone tells the secrets of its credentials.
    pub(crate) async fn register_device(
        &self,
        caller: &Caller,
        sp: &str,
        new: &NewDevice,
    ) -> Result<DeviceView, Refusal> {
        let terms = device_terms(new)?;
        let sp = self.hosting_party(sp)?;
        let made = self
            .service()
            .register_device(Manager::Operator(&sp), &terms, self.now());
        let outcome = made.await.map_err(Refusal::of_device);
        let made = caller.note("device.register", sp.as_str(), outcome)?;
        Ok(show_device(&made.device, &made.credentials))
    }

    /// Ends its mappings for good; the device may still fetch its empty document.
    pub(crate) async fn unregister_device(
        &self,
        caller: &Caller,
        (sp, id): (&str, &str),
        confirmation: Confirmation,
    ) -> Result<DeviceView, Refusal> {
        let (sp, id) = (self.hosting_party(sp)?, parse_device(id)?);
        let manager = Manager::Operator(&sp);
        if !confirmation.confirm {
            let found = self.service().read_device(manager, &id, self.now()).await;
            let rows = found.map_err(Refusal::of_device)?.document.rows.len();
            return Err(Refusal::Unconfirmed { rows });
        }
        let gone = self.service().unregister_device(manager, &id, self.now());
        let outcome = gone.await.map_err(Refusal::of_device);
        let device = caller.note("device.unregister", sp.as_str(), outcome)?;
        Ok(show_device(&device, &[]))
    }

    /// The answer alone tells its secret.
    pub(crate) async fn add_credential(
        &self,
        caller: &Caller,
        (sp, id): (&str, &str),
        order: &NewCredential,
    ) -> Result<DeviceCredentialView, Refusal> {
        let order = credential_order(order)?;
        let (sp, id) = (self.hosting_party(sp)?, parse_device(id)?);
        let made = self
            .service()
            .add_credential(Manager::Operator(&sp), (&id, &order), self.now());
        let outcome = made.await.map_err(Refusal::of_device);
        let made = caller.note("device.credential.add", sp.as_str(), outcome)?;
        let issued = made.credentials.first();
        let credential = issued.and_then(|issued| made.device.credential(issued.id()));
        let credential = credential.ok_or(Refusal::Interrupted)?;
        Ok(show_credential(credential, &made.credentials))
    }

    /// The answer alone tells it.
    pub(crate) async fn mint_pairing_code(
        &self,
        caller: &Caller,
        (sp, id): (&str, &str),
        new: NewPairingCode,
    ) -> Result<PairingCodeView, Refusal> {
        let validity = pairing_validity(new)?;
        let (sp, id) = (self.hosting_party(sp)?, parse_device(id)?);
        let manager = Manager::Operator(&sp);
        let minted = self
            .service()
            .mint_pairing_code(manager, (&id, validity), self.now());
        let outcome = minted.await.map_err(Refusal::of_device);
        let (code, not_after) = caller.note("device.pairing-code", sp.as_str(), outcome)?;
        Ok(PairingCodeView {
            pairing_code: code.to_shown(),
            not_after: not_after.to_rfc3339(),
        })
    }

    /// Its sessions are closed. Revoking twice does no harm.
    pub(crate) async fn revoke_credential(
        &self,
        caller: &Caller,
        (sp, id, credential): (&str, &str, &str),
    ) -> Result<DeviceView, Refusal> {
        let (sp, id) = (self.hosting_party(sp)?, parse_device(id)?);
        let number = credential.parse::<u32>().ok();
        let number = number.filter(|number| number.to_string() == credential);
        let name = (&id, CredentialId(number.ok_or(Refusal::NoCredential)?));
        let revoked = self
            .service()
            .revoke_credential(Manager::Operator(&sp), name, self.now());
        let outcome = revoked.await.map_err(|error| match error {
            DeviceError::NotFound => Refusal::NoCredential,
            other => Refusal::of_device(other),
        });
        let device = caller.note("device.credential.revoke", sp.as_str(), outcome)?;
        Ok(show_device(&device, &[]))
    }

    /// The IoT SP of an id in a path, unless it was removed.
    fn hosting_party(&self, id: &str) -> Result<SpId, Refusal> {
        let party = self.find_party(id)?;
        if party.status == PartyStatus::Removed {
            return Err(Refusal::PartyRemoved);
        }
        if !party.has_role(Role::IotSp) {
            return Err(Refusal::WrongRole(""));
        }
        Ok(party.id.clone())
    }
}

#[cfg(test)]
mod tests;
