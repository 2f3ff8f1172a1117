//! A service that keeps its devices in memory, for tests and fuzzing of the channels: what a session
//! asks of it is answered as the core answers, and a commit can be held back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ics_core::device::{
    Channel, Channels, CredentialId, CredentialKind, DeviceCredential, DeviceStatus, HostedDevice,
};
use ics_core::device_document::{
    Acknowledgement, AcknowledgementMeaning, DeviceDocument, DocumentEntry, DocumentState,
};
use ics_core::id::{DeviceId, MappingId, PskIdentity, ServiceUri, SpId};
use ics_core::port::{Clock, DeviceBell, PortFuture, StoreError};
use ics_core::principal::{CertificateThumbprint, DeviceIdentity};
use ics_core::sealed::{BlindIndex, Sealed};
use ics_core::service::{
    AwaitedPage, AwaitedPlace, ChannelError, DeviceClaim, DeviceRefusal, Failure, Given,
    OwnMapping, PreSharedKey, Unauthenticated,
};
use ics_core::time::Timestamp;
use tokio::sync::watch;

use crate::{DeviceService, RefusedAttempt};

/// A clock that is set.
pub struct SetClock(AtomicI64);

impl SetClock {
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.millis()))
    }

    pub fn set(&self, now: Timestamp) {
        self.0.store(now.millis(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// The service.
pub struct FakeService {
    bell: Arc<dyn DeviceBell>,
    state: Mutex<State>,
    held: watch::Sender<bool>,
    looks_held: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    devices: HashMap<DeviceId, (HostedDevice, Vec<DocumentEntry>)>,
    established: Vec<MappingId>,
    events: Vec<(MappingId, Vec<u8>, bool)>,
    is_third_party_down: bool,
    refused: Vec<(Option<DeviceId>, RefusedAttempt)>,
    /// How many passwords were looked at.
    looks: usize,
    /// How often a device was looked up.
    look_ups: usize,
    is_suspended: bool,
    is_down: bool,
}

/// What every certificate of its devices is.
pub const THUMBPRINT: CertificateThumbprint = CertificateThumbprint([7; 32]);

/// The password of a device.
pub fn password_of(device: &DeviceId) -> String {
    format!("password of {}", device.as_str())
}

/// The pre-shared key of a device.
pub fn key_of(device: &DeviceId) -> PreSharedKey {
    let mut key = [0x5a; 16];
    for (bits, byte) in key.iter_mut().zip(device.as_str().bytes().rev()) {
        *bits ^= byte;
    }
    PreSharedKey::from_bytes(key)
}

impl FakeService {
    pub fn new(bell: Arc<dyn DeviceBell>) -> Self {
        Self {
            bell,
            state: Mutex::default(),
            held: watch::Sender::new(false),
            looks_held: watch::Sender::new(false),
        }
    }

    pub fn register(&self, iot_sp: &SpId, id: &DeviceId, not_after: Timestamp) {
        let device = HostedDevice {
            id: id.clone(),
            iot_sp: iot_sp.clone(),
            serial: Sealed::from_bytes(Vec::new()),
            serial_index: BlindIndex::from_bytes([0; 32]),
            vendor: None,
            model: None,
            owner: None,
            channels: Channels::from_iter(Channel::ALL),
            credentials: vec![DeviceCredential {
                id: CredentialId(1),
                kind: CredentialKind::Certificate(THUMBPRINT),
                not_before: Timestamp::from_millis(0),
                not_after,
                revoked: None,
            }],
            credentials_given: 1,
            pairing: Vec::new(),
            document: DocumentState::default(),
            status: DeviceStatus::Active,
            created: Timestamp::from_millis(0),
            updated: Timestamp::from_millis(0),
            version: 1,
        };
        let mut state = self.lock();
        state.devices.insert(id.clone(), (device, Vec::new()));
    }

    /// Offers a row to the device.
    pub fn offer(&self, id: &DeviceId, entry: DocumentEntry) {
        self.change(id, |device, entries| {
            device.document = device.document.changed(&[entry.mapping], &[]);
            entries.push(entry);
        });
    }

    /// Changes the device, and rings.
    pub fn change(
        &self,
        id: &DeviceId,
        change: impl FnOnce(&mut HostedDevice, &mut Vec<DocumentEntry>),
    ) {
        if let Some((device, entries)) = self.lock().devices.get_mut(id) {
            change(device, entries);
        }
        self.bell.ring(id, None);
    }

    async fn commit(&self) {
        let mut held = self.held.subscribe();
        // The sender lives as long as this.
        let _ = held.wait_for(|held| !held).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(
        &self,
        identity: &DeviceIdentity,
        now: Timestamp,
    ) -> Result<(HostedDevice, Vec<DocumentEntry>), DeviceRefusal> {
        let mut state = self.lock();
        state.look_ups += 1;
        if state.is_down {
            return Err(Failure::Store(StoreError::Unavailable).into());
        }
        let found = state.devices.get(&identity.device_id);
        let (device, entries) = found.ok_or(Unauthenticated::Unknown)?;
        let credential = device.credential(identity.credential);
        let credential = credential.ok_or(Unauthenticated::Credential)?;
        if credential.revoked.is_some() {
            return Err(Unauthenticated::Revoked.into());
        }
        if !credential.holds(now) {
            return Err(Unauthenticated::Expired.into());
        }
        if state.is_suspended {
            return Err(Unauthenticated::SpNotServed.into());
        }
        Ok((device.clone(), entries.clone()))
    }

    fn find_active(
        &self,
        identity: &DeviceIdentity,
        now: Timestamp,
    ) -> Result<Vec<DocumentEntry>, ChannelError> {
        let (device, entries) = self.find(identity, now)?;
        if device.status == DeviceStatus::Active {
            Ok(entries)
        } else {
            Err(ChannelError::Unregistering)
        }
    }

    fn holds(&self, mapping: MappingId) -> bool {
        self.lock().established.contains(&mapping)
    }
}

impl FakeService {
    /// Lets no commit through, or all.
    pub fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// Lets no look at a password come to its end, or all.
    pub fn hold_looks(&self, held: bool) {
        self.looks_held.send_replace(held);
    }

    /// How many passwords were looked at.
    pub fn looks(&self) -> usize {
        self.lock().looks
    }

    /// How often a device was looked up.
    pub fn look_ups(&self) -> usize {
        self.lock().look_ups
    }

    /// Gives no answer, or answers again.
    pub fn be_down(&self, is_down: bool) {
        self.lock().is_down = is_down;
    }

    /// As many events wait as may.
    pub fn take_no_event(&self) {
        self.lock().is_third_party_down = true;
    }

    pub fn suspend(&self, iot_sp: &SpId) {
        self.lock().is_suspended = true;
        self.bell.recheck(iot_sp);
    }

    pub fn events(&self) -> Vec<(MappingId, Vec<u8>, bool)> {
        self.lock().events.clone()
    }

    /// What was refused since this was last asked, and of whom.
    pub fn take_refused(&self) -> Vec<(Option<DeviceId>, RefusedAttempt)> {
        std::mem::take(&mut self.lock().refused)
    }

    pub fn established(&self) -> Vec<MappingId> {
        self.lock().established.clone()
    }

    pub fn is_known(&self, id: &DeviceId) -> bool {
        self.lock().devices.contains_key(id)
    }
}

impl DeviceService for FakeService {
    fn authenticate<'a>(
        &'a self,
        claim: DeviceClaim<'a>,
        now: Timestamp,
    ) -> PortFuture<'a, Result<Arc<DeviceIdentity>, DeviceRefusal>> {
        Box::pin(async move {
            let (id, is_good) = match claim {
                DeviceClaim::Certificate {
                    device_id,
                    thumbprint,
                    ..
                } => (device_id, thumbprint == THUMBPRINT),
                DeviceClaim::Password {
                    device_id,
                    password,
                } => (device_id, password == password_of(device_id)),
                // Whoever did its handshake with the key has proven it.
                DeviceClaim::PreSharedKey { identity } => {
                    (&identity.device_id, identity.credential == CredentialId(1))
                }
                DeviceClaim::Vouched { device_id } | DeviceClaim::Kept { device_id } => {
                    (device_id, true)
                }
            };
            if matches!(claim, DeviceClaim::Password { .. }) {
                self.lock().looks += 1;
                // The sender lives as long as this.
                let _ = self.looks_held.subscribe().wait_for(|held| !held).await;
            }
            let known = self
                .lock()
                .devices
                .get(id)
                .map(|(device, _)| device.clone());
            let device = known.ok_or(Unauthenticated::Unknown)?;
            let credential = device.credentials.first().filter(|_| is_good);
            let credential = credential.ok_or(Unauthenticated::Credential)?;
            let identity = DeviceIdentity {
                iot_sp: device.iot_sp.clone(),
                device_id: id.clone(),
                credential: credential.id,
                not_after: credential.not_after,
            };
            self.find(&identity, now)?;
            Ok(Arc::new(identity))
        })
    }

    fn find_key<'a>(
        &'a self,
        identity: &'a PskIdentity,
        _: Timestamp,
    ) -> PortFuture<'a, Result<Option<PreSharedKey>, Failure>> {
        Box::pin(async move {
            let is_known = self.is_known(&identity.device_id);
            let is_own = is_known && identity.credential == CredentialId(1);
            Ok(is_own.then(|| key_of(&identity.device_id)))
        })
    }

    fn admit<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        now: Timestamp,
    ) -> PortFuture<'a, Result<HostedDevice, DeviceRefusal>> {
        Box::pin(async move { self.find(identity, now).map(|(device, _)| device) })
    }

    fn read_document<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        now: Timestamp,
    ) -> PortFuture<'a, Result<DeviceDocument, ChannelError>> {
        Box::pin(async move {
            let (device, entries) = self.find(identity, now)?;
            let version = device.document.version;
            Ok(DeviceDocument { version, entries })
        })
    }

    fn read_newer_document<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        known: u64,
        now: Timestamp,
    ) -> PortFuture<'a, Result<Option<DeviceDocument>, ChannelError>> {
        Box::pin(async move {
            let (device, entries) = self.find(identity, now)?;
            let version = device.document.version;
            Ok((version != known).then_some(DeviceDocument { version, entries }))
        })
    }

    fn acknowledge<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        acknowledgement: &'a Acknowledgement,
        now: Timestamp,
    ) -> PortFuture<'a, Result<AcknowledgementMeaning, ChannelError>> {
        Box::pin(async move {
            let (device, _) = self.find(identity, now)?;
            let meaning = device.document.meaning_of(acknowledgement);
            match meaning {
                AcknowledgementMeaning::NeverOffered => return Err(ChannelError::NeverOffered),
                AcknowledgementMeaning::Stale => return Ok(meaning),
                AcknowledgementMeaning::Current => {}
            }
            self.commit().await;
            let id = &identity.device_id;
            if device.status == DeviceStatus::Active {
                self.lock().established.extend(&device.document.rows);
                self.change(id, |device, _| {
                    device.document.acknowledged = acknowledgement.version;
                });
            } else {
                self.lock().devices.remove(id);
                self.bell.ring(id, None);
            }
            Ok(meaning)
        })
    }

    fn inquire<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        service_uri: Option<&'a ServiceUri>,
        now: Timestamp,
    ) -> PortFuture<'a, Result<Vec<OwnMapping>, ChannelError>> {
        Box::pin(async move {
            let mut own = Vec::new();
            for entry in self.find_active(identity, now)? {
                let is_meant = service_uri.is_none_or(|uri| *uri == entry.key.service_uri);
                if is_meant && self.holds(entry.mapping) {
                    own.push(OwnMapping {
                        mapping: entry.mapping,
                        key: entry.key,
                    });
                }
            }
            if own.is_empty() {
                return Err(ChannelError::NotFound);
            }
            Ok(own)
        })
    }

    fn give_up<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        given: &'a Given,
        now: Timestamp,
    ) -> PortFuture<'a, Result<(), ChannelError>> {
        Box::pin(async move {
            let entries = self.find_active(identity, now)?;
            let is_meant = |entry: &&DocumentEntry| match given {
                Given::Mapping(id) => entry.mapping == *id,
                Given::Key(key) => entry.key == *key,
            };
            let id = entries.iter().find(is_meant).map(|entry| entry.mapping);
            let id = id.ok_or(ChannelError::NotFound)?;
            self.commit().await;
            self.change(&identity.device_id, |device, entries| {
                device.document = device.document.changed(&[], &[id]);
                entries.retain(|entry| entry.mapping != id);
            });
            Ok(())
        })
    }

    fn report<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        (id, data, is_json): (MappingId, &'a [u8], bool),
        now: Timestamp,
    ) -> PortFuture<'a, Result<(), ChannelError>> {
        Box::pin(async move {
            let entries = self.find_active(identity, now)?;
            if !self.holds(id) || !entries.iter().any(|entry| entry.mapping == id) {
                return Err(ChannelError::NotFound);
            }
            self.commit().await;
            let mut state = self.lock();
            if state.is_third_party_down {
                return Err(ChannelError::TooManyEvents);
            }
            state.events.push((id, data.to_vec(), is_json));
            Ok(())
        })
    }

    fn awaited<'a>(
        &'a self,
        _: Option<&'a AwaitedPlace>,
        _: usize,
    ) -> PortFuture<'a, Result<AwaitedPage, Failure>> {
        Box::pin(async move {
            let state = self.lock();
            let devices = state.devices.values();
            let awaited = devices.filter(|(device, _)| device.is_awaited());
            Ok((awaited.map(|(device, _)| device.id.clone()).collect(), None))
        })
    }

    fn note_refused(&self, who: Option<&DeviceIdentity>, attempt: RefusedAttempt) {
        let who = who.map(|identity| identity.device_id.clone());
        let refused = &mut self.lock().refused;
        // The fuzzer never asks.
        if refused.len() < 1024 {
            refused.push((who, attempt));
        }
    }
}
