//! The devices the gateway hosts for an IoT SP: registered, looked at, given credentials, given up
//! (Y.4462 clause 6: the IoT SP manages its devices; here it has them managed).

mod amendment;
mod credential;

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use core::time::Duration;

pub use amendment::DeviceAmendment;
pub use credential::{ChosenPassword, InvalidPassword, IssuedCredential, NewCredential};

use super::demapping::Ending;
use super::turn::give_way;
use super::{ATTEMPTS, Committed, Failure, IcsService};
use crate::device::{Channels, CredentialId, DeviceStatus, HostedDevice};
use crate::device_document::DocumentState;
use crate::id::{DeviceId, DeviceSerialNumber, MappingId, SpId};
use crate::mapping::{Attribute, DemappingCause, EndedBy, Mapping};
use crate::party::{Party, PartyStatus};
use crate::port::{AuthorityError, Denied, Selection};
use crate::principal::Principal;
use crate::procedure::demapping::Demapping;
use crate::procedure::hosting::{
    decide_amended_device, decide_forgetting, decide_offer, decide_registration,
    decide_unregistration,
};
use crate::reference_point::{ReferencePoint, Role};
use crate::sealed::BlindIndexDomain;
use crate::time::Timestamp;

/// How many rows or devices one look takes.
const PAGE: usize = 256;

/// A device as its IoT SP wants it hosted, parsed.
#[derive(Clone, Debug)]
pub struct DeviceTerms {
    /// What its maker printed on it.
    pub serial: DeviceSerialNumber,
    /// Its maker.
    pub vendor: Option<Attribute>,
    /// Its model.
    pub model: Option<Attribute>,
    /// Pseudonym of the user who owns it.
    pub owner: Option<Attribute>,
    /// Over which protocols it may come.
    pub channels: Channels,
    /// How it shall prove itself.
    pub credentials: Vec<NewCredential>,
}

impl DeviceTerms {
    /// The longest a credential may hold.
    pub const LONGEST_VALIDITY: Duration = Duration::from_secs(10 * 366 * 24 * 3600);
    /// How long a pairing code may hold.
    pub const PAIRING_VALIDITY: RangeInclusive<Duration> =
        Duration::from_secs(60)..=Duration::from_secs(30 * 24 * 3600);
}

/// A device as it was registered, with the credentials just made.
pub struct RegisteredDevice {
    /// The device.
    pub device: HostedDevice,
    /// They, in the order they were asked for.
    pub credentials: Vec<IssuedCredential>,
}

/// Hosted devices that are owed their document, and where to go on; `None` at the end.
pub type AwaitedPage = (Vec<DeviceId>, Option<AwaitedPlace>);

/// How far a walk over all hosted devices came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwaitedPlace {
    iot_sp: SpId,
    /// Its device that was looked at last; `None` when all were.
    device: Option<DeviceId>,
}

/// For whom a device is managed.
#[derive(Clone, Copy, Debug)]
pub enum Manager<'a> {
    /// The IoT SP itself.
    Party(&'a Principal),
    /// The operator, on behalf of this IoT SP.
    Operator(&'a SpId),
}

/// Why a device was not registered, seen or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// Not permitted by role or scope.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// No such device of that IoT SP: those of others look the same.
    #[error("device not found")]
    NotFound,
    /// The IoT SP was not granted the serial number.
    #[error("serial number not granted")]
    SerialNotGranted,
    /// A device of that serial number is registered.
    #[error("serial number registered")]
    SerialRegistered,
    /// The device is unregistering.
    #[error("device is unregistering")]
    Unregistering,
    /// No channel, or no credential, or more than a device may have.
    #[error("neither without channel nor without credential, at most 8 of those")]
    Credentials,
    /// A validity outside what is allowed.
    #[error("validity out of range")]
    ValidityOutOfRange,
    /// A chosen password, and none are taken here.
    #[error("chosen passwords are not taken")]
    PasswordNotTaken,
    /// The certificate was not issued.
    #[error(transparent)]
    Certificate(#[from] AuthorityError),
    /// The service failed.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl IcsService {
    /// Takes a device on. Rows that wait for its serial number are offered to it.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub async fn register_device(
        &self,
        manager: Manager<'_>,
        terms: &DeviceTerms,
        now: Timestamp,
    ) -> Result<RegisteredDevice, DeviceError> {
        let party = self.managed_party(manager, now)?;
        let granted = |namespace: &crate::party::SerialNamespace| {
            namespace.holds(&terms.serial, terms.vendor.as_ref())
        };
        if !party.serial_namespaces.iter().any(granted) {
            return Err(DeviceError::SerialNotGranted);
        }
        if terms.channels.is_empty() || terms.credentials.is_empty() {
            return Err(DeviceError::Credentials);
        }
        let mut random = [0; 16];
        self.ports.entropy.fill(&mut random);
        let id = DeviceId::mint(random);
        let serial = terms.serial.expose().as_bytes();
        let sealer = self.ports.sealer.as_ref();
        let sealed = sealer.seal(id.as_str().as_bytes(), serial);
        let mut device = HostedDevice {
            iot_sp: party.id.clone(),
            serial: sealed.map_err(Failure::from)?,
            serial_index: sealer.blind_index(BlindIndexDomain::Serial, &[serial]),
            vendor: terms.vendor.clone(),
            model: terms.model.clone(),
            owner: terms.owner.clone(),
            channels: terms.channels,
            credentials: Vec::new(),
            credentials_given: 0,
            pairing: Vec::new(),
            document: DocumentState::beginning(now),
            status: DeviceStatus::Active,
            created: now,
            updated: now,
            version: 1,
            id,
        };
        let store = self.ports.store.as_ref();
        let known = store.find_device(&device.iot_sp, device.serial_index).await;
        if known.map_err(Failure::from)?.is_some() {
            return Err(DeviceError::SerialRegistered);
        }
        let mut credentials = Vec::with_capacity(terms.credentials.len());
        for wanted in &terms.credentials {
            credentials.push(self.issue_credential(&mut device, wanted, now).await?);
        }
        let change = decide_registration(device.clone());
        if self.commit(change).await? == Committed::Overtaken {
            return Err(DeviceError::SerialRegistered);
        }
        // It is hosted, and what is told once must reach its owner whatever comes now: a row that
        // could not be offered is when the device next acknowledges, or runs out.
        let _ = self.offer_waiting(&device, now).await;
        Ok(RegisteredDevice {
            device,
            credentials,
        })
    }

    /// One hosted device.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub async fn read_device(
        &self,
        manager: Manager<'_>,
        id: &DeviceId,
        now: Timestamp,
    ) -> Result<HostedDevice, DeviceError> {
        let party = self.managed_party(manager, now)?;
        let found = self.ports.store.load_device(id).await;
        let found = found.map_err(Failure::from)?;
        let own = found.filter(|device| device.iot_sp == party.id);
        own.ok_or(DeviceError::NotFound)
    }

    /// At most `limit` hosted devices, in the order of their IDs, after `after`.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub async fn list_devices(
        &self,
        manager: Manager<'_>,
        (after, limit): (Option<&DeviceId>, usize),
        now: Timestamp,
    ) -> Result<Vec<HostedDevice>, DeviceError> {
        let party = self.managed_party(manager, now)?;
        let page = self
            .ports
            .store
            .walk_devices(&party.id, after, limit)
            .await
            .map_err(Failure::from)?;
        Ok(page)
    }

    /// What the maker printed on a hosted device, for its own IoT SP.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn open_device_serial(&self, device: &HostedDevice) -> Result<DeviceSerialNumber, Failure> {
        let context = device.id.as_str().as_bytes();
        let bytes = self.ports.sealer.open(context, &device.serial)?;
        let text = core::str::from_utf8(&bytes).ok();
        text.and_then(|text| DeviceSerialNumber::parse(text).ok())
            .ok_or(Failure::Seal(crate::port::SealError::DoesNotOpen))
    }

    /// Gives a device one more credential: the old one holds until it ends or is revoked. Answers
    /// the device as it is then, and that credential alone.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub async fn add_credential(
        &self,
        manager: Manager<'_>,
        (id, wanted): (&DeviceId, &NewCredential),
        now: Timestamp,
    ) -> Result<RegisteredDevice, DeviceError> {
        for _ in 0..ATTEMPTS {
            let before = self.read_device(manager, id, now).await?;
            if before.status != DeviceStatus::Active {
                return Err(DeviceError::Unregistering);
            }
            let mut after = before.clone();
            // One that is over is nobody's concern once its place is wanted.
            if after.credentials.len() >= HostedDevice::MOST_CREDENTIALS {
                after.credentials.retain(|c| c.holds(now));
            }
            let issued = self.issue_credential(&mut after, wanted, now).await?;
            let change = decide_amended_device(&before, after.clone(), now);
            if self.commit(change).await? == Committed::Yes {
                return Ok(RegisteredDevice {
                    device: after,
                    credentials: Vec::from([issued]),
                });
            }
        }
        Err(Failure::Busy.into())
    }

    /// Revokes a credential of a device; idempotent. A session under it is closed.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub async fn revoke_credential(
        &self,
        manager: Manager<'_>,
        (id, credential): (&DeviceId, CredentialId),
        now: Timestamp,
    ) -> Result<HostedDevice, DeviceError> {
        for _ in 0..ATTEMPTS {
            let before = self.read_device(manager, id, now).await?;
            let mut after = before.clone();
            let mut named = after.credentials.iter_mut();
            let named = named.find(|c| c.id == credential);
            let named = named.ok_or(DeviceError::NotFound)?;
            if named.revoked.is_some() {
                return Ok(before);
            }
            named.revoked = Some(now);
            let change = decide_amended_device(&before, after.clone(), now);
            if self.commit(change).await? == Committed::Yes {
                return Ok(after);
            }
        }
        Err(Failure::Busy.into())
    }

    /// Gives a device up: all its rows are ended (DEVICE_UNREGISTERED) and its ID is dead, in one
    /// transaction. It may still come for its empty document. Idempotent.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub async fn unregister_device(
        &self,
        manager: Manager<'_>,
        id: &DeviceId,
        now: Timestamp,
    ) -> Result<HostedDevice, DeviceError> {
        let demapping = Demapping {
            cause: DemappingCause::DeviceUnregistered,
            sub_cause: None,
            by: EndedBy::Party(Role::IotSp),
        };
        let ending = Ending {
            demapping: &demapping,
            told: &|_| true,
            fence: None,
        };
        for _ in 0..ATTEMPTS {
            let device = self.read_device(manager, id, now).await?;
            if device.status != DeviceStatus::Active {
                return Ok(device);
            }
            let own = |row: &Mapping| row.hosted.as_ref() == Some(id);
            let rows: BTreeSet<MappingId> = self
                .rows_of_serial(&device)
                .await?
                .iter()
                .filter(|row| own(row))
                .map(|row| row.id)
                .collect();
            let index = self.device_index(&device.iot_sp, id);
            let change = self.decide_end(&rows, ending, now).await?;
            let change = change.join(decide_unregistration(&device, index, &self.knobs, now));
            if self.commit(change).await? == Committed::Yes {
                return self.read_device(manager, id, now).await;
            }
        }
        Err(Failure::Busy.into())
    }

    /// Forgets unregistered devices that did not come any more; tells how many.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn sweep_devices(&self, now: Timestamp) -> Result<usize, Failure> {
        let mut forgotten = 0_usize;
        loop {
            let page = self.ports.store.due_devices(now, PAGE).await?;
            let is_last = page.len() < PAGE;
            for device in page {
                if let Some(change) = decide_forgetting(&device, now)
                    && self.commit(change).await? == Committed::Yes
                {
                    forgotten = forgotten.saturating_add(1);
                }
            }
            if is_last {
                return Ok(forgotten);
            }
            give_way().await;
        }
    }

    /// Of at most `limit` hosted devices after `after`, those that have yet to acknowledge their
    /// newest document; and where to go on, if there is more.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn awaited_devices(
        &self,
        after: Option<&AwaitedPlace>,
        limit: usize,
    ) -> Result<AwaitedPage, Failure> {
        let directory = self.directory();
        let mut parties = directory.parties().map(|party| &party.id);
        let (iot_sp, place) = match after {
            None => (parties.next(), None),
            Some(AwaitedPlace { iot_sp, device }) => {
                let is_next = |id: &&SpId| match device {
                    Some(_) => *id >= iot_sp,
                    None => *id > iot_sp,
                };
                let found = parties.find(is_next);
                // A party that went away meanwhile took its place along.
                let is_there = found == Some(iot_sp);
                (found, device.as_ref().filter(|_| is_there))
            }
        };
        let Some(iot_sp) = iot_sp else {
            return Ok((Vec::new(), None));
        };
        let store = &self.ports.store;
        let devices = store.walk_devices(iot_sp, place, limit).await?;
        let last = devices.last().filter(|_| devices.len() >= limit);
        let next = AwaitedPlace {
            iot_sp: iot_sp.clone(),
            device: last.map(|device| device.id.clone()),
        };
        let awaited = devices.into_iter().filter(HostedDevice::is_awaited);
        Ok((awaited.map(|device| device.id).collect(), Some(next)))
    }

    /// Offers a device the rows that wait for it, as far as it has room.
    pub(super) async fn offer_waiting(
        &self,
        device: &HostedDevice,
        now: Timestamp,
    ) -> Result<(), Failure> {
        for row in self.rows_of_serial(device).await? {
            let row = self.settle(row, now).await?;
            if self.is_for_confirmation(&row) {
                continue;
            }
            for _ in 0..ATTEMPTS {
                // As it is by now: each row that is offered changes it.
                let Some(device) = self.ports.store.load_device(&device.id).await? else {
                    return Ok(());
                };
                let Some(row) = self.load(row.id).await? else {
                    break;
                };
                let facts = self.row_facts(&row).await?;
                let Ok((_, change)) = decide_offer(&row, &device, facts.push.as_ref()) else {
                    break;
                };
                if self.commit(change).await? == Committed::Yes {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Whether the row's IoT SP has to confirm it before its device learns of it.
    pub(super) fn is_for_confirmation(&self, row: &Mapping) -> bool {
        let directory = self.directory();
        directory
            .agreement(&row.agreement)
            .is_some_and(|agreement| {
                agreement.consent_mode == crate::party::ConsentMode::IotSpConfirm
            })
    }

    pub(super) async fn rows_of_serial(
        &self,
        device: &HostedDevice,
    ) -> Result<Vec<Mapping>, Failure> {
        let selection = Selection::Serial {
            iot_sp: device.iot_sp.clone(),
            serial: device.serial_index,
        };
        let mut rows = Vec::new();
        let mut cursor = None;
        loop {
            let store = self.ports.store.as_ref();
            let page = store.walk(&selection, cursor.as_ref(), PAGE).await?;
            rows.extend(page.mappings);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(rows);
            }
            give_way().await;
        }
    }

    /// The IoT SP whose devices `manager` manages, if it is served.
    fn managed_party(&self, manager: Manager<'_>, now: Timestamp) -> Result<Arc<Party>, Denied> {
        let point = ReferencePoint::Ics2;
        let (directory, sp) = match manager {
            Manager::Party(principal) => (self.admit(principal, point, now)?, &principal.sp),
            Manager::Operator(sp) => (self.directory(), sp),
        };
        let party = directory.party(sp).filter(|party| {
            party.has_role(Role::IotSp)
                && match manager {
                    Manager::Party(_) => party.status == PartyStatus::Active,
                    Manager::Operator(_) => party.status != PartyStatus::Removed,
                }
        });
        party.cloned().ok_or(Denied::Role(point.role()))
    }
}
