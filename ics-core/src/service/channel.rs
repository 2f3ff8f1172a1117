//! The device channel: what a hosted device may do by itself, whatever protocol it speaks. It is
//! the arm of its IoT SP, so steps 5 to 7 of Y.4462 10.1 are done here in that SP's name, and
//! everything is asked of the decision point as if the SP had asked.

mod acknowledgement;
mod pre_shared_key;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{ATTEMPTS, Committed, Failure, IcsService};
use crate::device::{
    Channel, CredentialId, CredentialKind, DeviceCredential, DeviceStatus, HostedDevice,
};
use crate::device_document::{DeviceDocument, DocumentEntry};
use crate::hex::to_hex;
use crate::id::{DeviceId, MappingId, PskIdentity, ServiceUri, SpId};
use crate::mapping::{Mapping, MappingKey};
use crate::party::PartyStatus;
use crate::port::{DeviceRows, Selection};
use crate::principal::{CertificateThumbprint, DeviceIdentity, Principal};
use crate::procedure::access::authorize_inquiry;
use crate::procedure::hosting::{TooManyEvents, decide_event, place_before_room};
use crate::reference_point::ReferencePoint;
use crate::time::Timestamp;

pub use pre_shared_key::PreSharedKey;

/// How many rows a device is told of at most; more than it can hold.
const MOST: usize = 256;

/// What a device says it is, and shows for it.
#[derive(Clone, Copy)]
pub enum DeviceClaim<'a> {
    /// A certificate whose chain held and whose SAN URI names SP and device.
    Certificate {
        /// The IoT SP it names.
        iot_sp: &'a SpId,
        /// The device it names.
        device_id: &'a DeviceId,
        /// SHA-256 of the leaf.
        thumbprint: CertificateThumbprint,
    },
    /// A user name, which is the device ID, and a password.
    Password {
        /// The device.
        device_id: &'a DeviceId,
        /// The password.
        password: &'a str,
    },
    /// It holds the key of one of its credentials: a DTLS handshake that named it is whole.
    PreSharedKey {
        /// The name it gave.
        identity: &'a PskIdentity,
    },
    /// Who spoke for it vouches for the device: a broker, which lets nobody but the device itself,
    /// by its certificate, speak on its topics. Which of its certificates that was is not known.
    Vouched {
        /// The device.
        device_id: &'a DeviceId,
    },
    /// Nothing was shown: the gateway itself lays ready what the device, or nobody, comes for later
    /// and proves itself then. Any credential that holds will do.
    Kept {
        /// The device.
        device_id: &'a DeviceId,
    },
}

/// Why a device is not served. Told to nobody but the log: outside they all look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unauthenticated {
    /// No such device, or not of the SP the certificate names.
    #[error("device unknown")]
    Unknown,
    /// What it showed is none of its credentials.
    #[error("credential unknown")]
    Credential,
    /// The credential was revoked.
    #[error("credential revoked")]
    Revoked,
    /// The credential does not hold yet, or no longer.
    #[error("credential outside its validity")]
    Expired,
    /// It may not come over this channel.
    #[error("channel not open to the device")]
    Channel,
    /// Its IoT SP is suspended or was removed.
    #[error("IoT service provider not served")]
    SpNotServed,
}

/// Why a device was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceRefusal {
    /// It is not served.
    #[error(transparent)]
    Unauthenticated(#[from] Unauthenticated),
    /// The service failed.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// Why what a device asked for was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// It is not served, or no longer: the session ends.
    #[error(transparent)]
    Refused(#[from] DeviceRefusal),
    /// It acknowledged a version above the newest it was offered. Nothing was changed.
    #[error("version was never offered")]
    NeverOffered,
    /// No such row of the device, or none that holds: the constant answer.
    #[error("no mapping")]
    NotFound,
    /// The device is unregistering: it may fetch and acknowledge its document, and nothing else.
    #[error("device is unregistering")]
    Unregistering,
    /// As many events of the row wait for its third party as may. This one was not taken.
    #[error("as many events wait as may")]
    TooManyEvents,
}

impl From<Failure> for ChannelError {
    fn from(failure: Failure) -> Self {
        Self::Refused(DeviceRefusal::Failure(failure))
    }
}

/// Which of its rows a device gives up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// By the row's id.
    Mapping(MappingId),
    /// By service URI and UTI.
    Key(MappingKey),
}

/// A row as its own device sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnMapping {
    /// The row.
    pub mapping: MappingId,
    /// Service URI and UTI.
    pub key: MappingKey,
}

/// The credential a device has shown: one that holds, of those that are the same; where none does,
/// the newest, so that the reason is told.
fn shown_credential(
    device: &HostedDevice,
    shown: CredentialKind,
    now: Timestamp,
) -> Option<&DeviceCredential> {
    let same = device.credentials.iter().filter(|c| c.kind == shown);
    same.max_by_key(|c| (c.holds(now), c.id))
}

/// The certificate a device may have shown to whoever vouches for it: one that holds; where none
/// does, the newest, so that the reason is told.
fn vouched_credential(device: &HostedDevice, now: Timestamp) -> Option<&DeviceCredential> {
    let is_certificate = |c: &&DeviceCredential| matches!(c.kind, CredentialKind::Certificate(_));
    let certificates = device.credentials.iter().filter(is_certificate);
    certificates.max_by_key(|c| (c.holds(now), c.id))
}

/// The pre-shared key of that name.
fn keyed_credential(device: &HostedDevice, id: CredentialId) -> Option<&DeviceCredential> {
    let is_key = |c: &&DeviceCredential| matches!(c.kind, CredentialKind::PreSharedKey(_));
    device.credential(id).filter(is_key)
}

impl IcsService {
    /// Who a device is, if it may come over `channel`.
    ///
    /// # Errors
    /// [`DeviceRefusal`].
    pub async fn authenticate_device(
        &self,
        claim: DeviceClaim<'_>,
        channel: Channel,
        now: Timestamp,
    ) -> Result<Arc<DeviceIdentity>, DeviceRefusal> {
        let (DeviceClaim::Certificate { device_id, .. }
        | DeviceClaim::Password { device_id, .. }
        | DeviceClaim::PreSharedKey {
            identity: PskIdentity { device_id, .. },
        }
        | DeviceClaim::Vouched { device_id }
        | DeviceClaim::Kept { device_id }) = claim;
        let found = self.ports.store.load_device(device_id).await;
        let found = found.map_err(Failure::from)?;
        let password = match claim {
            DeviceClaim::Password { password, .. } => {
                // Before it is known whether there is such a device: its cost does not tell.
                let named = (device_id, found.as_ref());
                Some(self.recognise_password(named, password).await?)
            }
            _ => None,
        };
        let device = found.ok_or(Unauthenticated::Unknown)?;
        if let DeviceClaim::Certificate { iot_sp, .. } = claim
            && device.iot_sp != *iot_sp
        {
            return Err(Unauthenticated::Unknown.into());
        }
        let credential = match claim {
            DeviceClaim::Certificate { thumbprint, .. } => {
                let shown = CredentialKind::Certificate(thumbprint);
                shown_credential(&device, shown, now)
            }
            DeviceClaim::Password { .. } => {
                password.and_then(|shown| shown_credential(&device, shown, now))
            }
            DeviceClaim::PreSharedKey { identity } => {
                keyed_credential(&device, identity.credential)
            }
            DeviceClaim::Vouched { .. } => vouched_credential(&device, now),
            DeviceClaim::Kept { .. } => device
                .credentials
                .iter()
                .max_by_key(|c| (c.holds(now), c.id)),
        };
        let credential = credential.ok_or(Unauthenticated::Credential)?;
        let identity = Arc::new(DeviceIdentity {
            iot_sp: device.iot_sp.clone(),
            device_id: device.id.clone(),
            credential: credential.id,
            not_after: credential.not_after,
        });
        self.check_device(&identity, &device, (channel, now))?;
        Ok(identity)
    }

    /// What a device is called in logs: a keyed hash, cut to 64 bits. The same for the same device.
    #[must_use]
    pub fn device_pseudonym(&self, iot_sp: &SpId, device_id: &DeviceId) -> String {
        let index = self.device_index(iot_sp, device_id);
        let (bits, _) = index.as_bytes().split_at(8);
        to_hex(bits)
    }

    /// Whose device it is, and what it is called in logs; `None` where there is no such device, or
    /// the store does not say.
    pub async fn find_device_pseudonym(&self, device_id: &DeviceId) -> Option<(SpId, String)> {
        let found = self.ports.store.load_device(device_id).await;
        let iot_sp = found.ok().flatten()?.iot_sp;
        let pseudonym = self.device_pseudonym(&iot_sp, device_id);
        Some((iot_sp, pseudonym))
    }

    /// The device as it is, if it is still served: asked on every message.
    ///
    /// # Errors
    /// [`DeviceRefusal`].
    pub async fn admit_device(
        &self,
        identity: &DeviceIdentity,
        channel: Channel,
        now: Timestamp,
    ) -> Result<HostedDevice, DeviceRefusal> {
        let found = self.ports.store.load_device(&identity.device_id).await;
        let device = found
            .map_err(Failure::from)?
            .ok_or(Unauthenticated::Unknown)?;
        self.check_device(identity, &device, (channel, now))?;
        Ok(device)
    }

    fn check_device(
        &self,
        identity: &DeviceIdentity,
        device: &HostedDevice,
        (channel, now): (Channel, Timestamp),
    ) -> Result<(), Unauthenticated> {
        let credential = device
            .credential(identity.credential)
            .filter(|_| device.iot_sp == identity.iot_sp)
            .ok_or(Unauthenticated::Credential)?;
        if credential.revoked.is_some() {
            return Err(Unauthenticated::Revoked);
        }
        if !credential.holds(now) {
            return Err(Unauthenticated::Expired);
        }
        if !device.channels.contain(channel) {
            return Err(Unauthenticated::Channel);
        }
        let directory = self.directory();
        let party = directory.party(&device.iot_sp);
        if party.is_some_and(|party| party.status == PartyStatus::Active) {
            Ok(())
        } else {
            Err(Unauthenticated::SpNotServed)
        }
    }

    /// The newest version of what the device must hold (Y.4462 10.1 step 4).
    ///
    /// # Errors
    /// [`ChannelError`].
    pub async fn read_document(
        &self,
        (identity, channel): (&DeviceIdentity, Channel),
        now: Timestamp,
    ) -> Result<DeviceDocument, ChannelError> {
        for _ in 0..ATTEMPTS {
            let found = self.ports.store.load_device_rows(&identity.device_id).await;
            let DeviceRows { device, rows } = found
                .map_err(Failure::from)?
                .ok_or(DeviceRefusal::from(Unauthenticated::Unknown))?;
            self.check_device(identity, &device, (channel, now))
                .map_err(DeviceRefusal::from)?;
            // One behind a fence is gone: it is ended first, and the document follows.
            if self.settle_all(&rows, now).await? {
                continue;
            }
            let held = rows.into_iter().filter(Mapping::is_to_be_held);
            let entries = held.map(|row| {
                Ok(DocumentEntry {
                    e2e: self.open_e2e(&row)?,
                    mapping: row.id,
                    key: row.key,
                })
            });
            return Ok(DeviceDocument {
                version: device.document.version,
                entries: entries.collect::<Result<_, Failure>>()?,
            });
        }
        Err(Failure::Busy.into())
    }

    /// The newest version of the document; `None`: it is still the one that is `known`. What a
    /// version has in it does not change.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub async fn read_newer_document(
        &self,
        (identity, channel): (&DeviceIdentity, Channel),
        known: u64,
        now: Timestamp,
    ) -> Result<Option<DeviceDocument>, ChannelError> {
        let device = self.admit_device(identity, channel, now).await?;
        // Of what is behind a fence the document follows only once it is read.
        let may_be_fenced = self.directory().fences().next().is_some();
        if device.document.version == known && !may_be_fenced {
            return Ok(None);
        }
        let document = self.read_document((identity, channel), now).await?;
        Ok(Some(document))
    }

    /// The device's own rows that hold, of one service or all (Y.4462 10.3 case 1).
    ///
    /// # Errors
    /// [`ChannelError::NotFound`] where there is none: the constant answer of 11.1.
    pub async fn inquire_own(
        &self,
        (identity, channel): (&Arc<DeviceIdentity>, Channel),
        service_uri: Option<&ServiceUri>,
        now: Timestamp,
    ) -> Result<Vec<OwnMapping>, ChannelError> {
        self.admit_active(identity, channel, now).await?;
        let principal = identity.principal();
        let selection = Selection::Device {
            iot_sp: identity.iot_sp.clone(),
            device_id: identity.device_id.clone(),
        };
        let (rows, _) = self
            .collect(&selection, (None, MOST), |row| {
                service_uri.is_none_or(|uri| *uri == row.key.service_uri)
            })
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            if self.answers_own(&principal, &row, now) {
                found.push(OwnMapping {
                    mapping: row.id,
                    key: row.key,
                });
            }
        }
        if found.is_empty() {
            Err(ChannelError::NotFound)
        } else {
            Ok(found)
        }
    }

    /// The device says something to the service one of its rows maps it to (Appendix I.1). It is
    /// durable, and will be told to the third party, byte-exact, when this returns.
    ///
    /// # Errors
    /// [`ChannelError::NotFound`] for a row that is not established, is somebody else's, or whose
    /// third party named nowhere to be told; [`ChannelError::TooManyEvents`] until that third party
    /// has taken some of those that wait.
    pub async fn report_event(
        &self,
        (identity, channel): (&Arc<DeviceIdentity>, Channel),
        (id, data, is_json): (MappingId, &[u8], bool),
        now: Timestamp,
    ) -> Result<(), ChannelError> {
        self.admit_active(identity, channel, now).await?;
        let principal = identity.principal();
        for _ in 0..ATTEMPTS {
            let row = self.load(id).await?;
            let own = row.filter(|row| row.hosted.as_ref() == Some(&identity.device_id));
            let row = self.settle(own.ok_or(ChannelError::NotFound)?, now).await?;
            let listeners = self.listeners(&row);
            if !listeners.third_party_sp || !self.answers_own(&principal, &row, now) {
                return Err(ChannelError::NotFound);
            }
            let before_room = match place_before_room(&row, &self.knobs) {
                Some(place) => self.ports.store.load_entry(&place).await,
                None => Ok(None),
            };
            let before_room = before_room.map_err(Failure::from)?;
            let sealer = self.ports.sealer.as_ref();
            let sealed = sealer.seal(row.id.as_bytes(), data);
            let event = (sealed.map_err(Failure::from)?, is_json);
            let place = (listeners, before_room.as_ref());
            let change = decide_event(&row, event, place, (&self.knobs, now))
                .map_err(|TooManyEvents| ChannelError::TooManyEvents)?;
            if self.commit(change).await? == Committed::Yes {
                return Ok(());
            }
        }
        Err(Failure::Busy.into())
    }

    /// Whether the row is one its device may use now: established, not run out, under an agreement
    /// in force.
    fn answers_own(&self, principal: &Principal, row: &Mapping, now: Timestamp) -> bool {
        let directory = self.directory();
        let decision_point = self.ports.decision_point.as_ref();
        crate::correlation::Correlation::of(row).is_some_and(|found| {
            let asked = (&found, ReferencePoint::Ics8);
            let allowed = authorize_inquiry(decision_point, &directory, principal, asked, now);
            found.holds(now) && allowed.is_ok()
        })
    }

    async fn admit_active(
        &self,
        identity: &DeviceIdentity,
        channel: Channel,
        now: Timestamp,
    ) -> Result<HostedDevice, ChannelError> {
        let device = self.admit_device(identity, channel, now).await?;
        if device.status == DeviceStatus::Active {
            Ok(device)
        } else {
            Err(ChannelError::Unregistering)
        }
    }
}
