//! What changes of a hosted device while it is hosted: its registration, its pairing codes.

use core::time::Duration;

use super::{DeviceError, DeviceTerms, Manager};
use crate::change::Change;
use crate::device::{Channels, DeviceStatus, HostedDevice, PairingTicket};
use crate::id::{DeviceId, PairingCode};
use crate::mapping::{Attribute, Mapping};
use crate::procedure::hosting::decide_amended_device;
use crate::sealed::{BlindIndex, BlindIndexDomain};
use crate::service::{ATTEMPTS, Committed, Failure, IcsService};
use crate::time::Timestamp;

/// What is to be replaced of a registration; `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceAmendment {
    /// Its maker, or none.
    pub vendor: Option<Option<Attribute>>,
    /// Its model, or none.
    pub model: Option<Option<Attribute>>,
    /// Pseudonym of the user who owns it, or none.
    pub owner: Option<Option<Attribute>>,
    /// Over which protocols it may come.
    pub channels: Option<Channels>,
}

impl DeviceAmendment {
    fn applied_to(&self, device: &HostedDevice) -> HostedDevice {
        let replaced = |wanted: &Option<Option<Attribute>>, held: &Option<Attribute>| {
            wanted.as_ref().unwrap_or(held).clone()
        };
        HostedDevice {
            vendor: replaced(&self.vendor, &device.vendor),
            model: replaced(&self.model, &device.model),
            owner: replaced(&self.owner, &device.owner),
            channels: self.channels.unwrap_or(device.channels),
            ..device.clone()
        }
    }
}

impl IcsService {
    /// Replaces what may be replaced of a registration.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub async fn amend_device(
        &self,
        manager: Manager<'_>,
        (id, amendment): (&DeviceId, &DeviceAmendment),
        now: Timestamp,
    ) -> Result<HostedDevice, DeviceError> {
        for _ in 0..ATTEMPTS {
            let before = self.read_device(manager, id, now).await?;
            if before.status != DeviceStatus::Active {
                return Err(DeviceError::Unregistering);
            }
            let after = amendment.applied_to(&before);
            if after.channels.is_empty() {
                return Err(DeviceError::Credentials);
            }
            if after == before {
                return Ok(before);
            }
            let moved = if after.owner == before.owner {
                Change::default()
            } else {
                self.move_rows(&before, self.registered_owner(&after))
                    .await?
            };
            let change = decide_amended_device(&before, after, now).join(moved);
            if self.commit(change).await? == Committed::Yes {
                return self.read_device(manager, id, now).await;
            }
        }
        Err(Failure::Busy.into())
    }

    /// The established rows of a device go with it to its new owner: who owned it sees them no more.
    async fn move_rows(
        &self,
        device: &HostedDevice,
        owner: Option<BlindIndex>,
    ) -> Result<Change, Failure> {
        let rows = self.rows_of_serial(device).await?;
        let own = |row: &&Mapping| row.hosted.as_ref() == Some(&device.id);
        let mut change = Change::default();
        for row in rows.iter().filter(own) {
            if let Some(next) = row.with_owner(owner) {
                change.put_mapping(Some(row), next);
            }
        }
        Ok(change)
    }

    /// Makes a one-time pairing code: a mapping request that carries it is one of somebody who has
    /// the device at hand. Told this once; of more than four that wait the oldest goes.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub async fn mint_pairing_code(
        &self,
        manager: Manager<'_>,
        (id, validity): (&DeviceId, Duration),
        now: Timestamp,
    ) -> Result<(PairingCode, Timestamp), DeviceError> {
        if !DeviceTerms::PAIRING_VALIDITY.contains(&validity) {
            return Err(DeviceError::ValidityOutOfRange);
        }
        let mut random = [0; 12];
        self.ports.entropy.fill(&mut random);
        let code = PairingCode::mint(random);
        let ticket = PairingTicket {
            index: self.pairing_index(id.as_str(), &code),
            not_after: now.plus(validity),
        };
        for _ in 0..ATTEMPTS {
            let before = self.read_device(manager, id, now).await?;
            if before.status != DeviceStatus::Active {
                return Err(DeviceError::Unregistering);
            }
            let mut after = before.clone();
            after.pairing = before.with_pairing_code(ticket, now);
            let change = decide_amended_device(&before, after, now);
            if self.commit(change).await? == Committed::Yes {
                return Ok((code, ticket.not_after));
            }
        }
        Err(Failure::Busy.into())
    }

    pub(in crate::service) fn pairing_index(&self, device: &str, code: &PairingCode) -> BlindIndex {
        let parts = [device.as_bytes(), code.expose().as_bytes()];
        self.ports
            .sealer
            .blind_index(BlindIndexDomain::PairingCode, &parts)
    }
}
