//! What the endpoint of a trial has behind it: one device, the document it is to be sent next, and
//! an ear for what it says. Nothing is stored.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ics_channel::{DeviceService, RefusedAttempt};
use ics_core::device::{Channel, Channels, CredentialId, DeviceStatus, HostedDevice};
use ics_core::device_document::{
    Acknowledgement, AcknowledgementMeaning, DeviceDocument, DocumentState,
};
use ics_core::id::{DeviceId, MappingId, PskIdentity, ServiceUri, SpId};
use ics_core::port::{DeviceBell as _, PortFuture};
use ics_core::principal::DeviceIdentity;
use ics_core::sealed::{BlindIndex, Sealed};
use ics_core::service::{
    AwaitedPage, AwaitedPlace, ChannelError, DeviceClaim, DeviceRefusal, Failure, Given,
    OwnMapping, PreSharedKey, Unauthenticated,
};
use ics_core::time::Timestamp;
use ics_mqtt::Sessions;
use tokio::sync::{mpsc, watch};

/// What is heard of the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It is connected, and has subscribed to its document.
    Subscribed,
    /// It acknowledged.
    Acknowledged(Acknowledgement),
    /// Somebody else came.
    Stranger,
}

/// The service of a trial.
pub(super) struct Stand {
    device: DeviceId,
    pub(super) sessions: Arc<Sessions>,
    state: Mutex<State>,
    hear: mpsc::UnboundedSender<Word>,
    /// How often the line was cut.
    cuts: watch::Sender<u64>,
    /// How often a document was taken to be sent.
    sends: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// To be sent next.
    due: Option<DeviceDocument>,
    /// The newest that was sent: what a device that comes back gets.
    newest: DeviceDocument,
    /// An acknowledgement of this version gets no answer.
    deaf_to: Option<u64>,
}

impl Stand {
    pub(super) fn new(device: DeviceId, hear: mpsc::UnboundedSender<Word>) -> Self {
        Self {
            device,
            sessions: Arc::default(),
            state: Mutex::default(),
            hear,
            cuts: watch::Sender::new(0),
            sends: watch::Sender::new(0),
        }
    }

    /// Has a document sent, whatever its version; with `is_deaf` its acknowledgement is heard and
    /// not answered.
    pub(super) fn send(&self, document: DeviceDocument, is_deaf: bool) {
        let mut state = self.lock();
        state.deaf_to = is_deaf.then_some(document.version);
        state.due = Some(document);
        drop(state);
        self.sessions.ring(&self.device, None);
    }

    /// Breaks the device's connection.
    pub(super) fn cut(&self) {
        self.lock().deaf_to = None;
        self.cuts.send_modify(|cuts| *cuts = cuts.wrapping_add(1));
    }

    /// Whether a document was not sent yet.
    pub(super) fn is_due(&self) -> bool {
        self.lock().due.is_some()
    }

    /// Until the document that is due was sent.
    pub(super) async fn taken(&self) {
        let mut sends = self.sends.subscribe();
        while self.is_due() {
            if sends.changed().await.is_err() {
                return;
            }
        }
    }

    /// Tells when the line is cut.
    pub(super) fn cuts(&self) -> watch::Receiver<u64> {
        self.cuts.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, word: Word) {
        // The trial may be over.
        let _ = self.hear.send(word);
    }

    /// The device as the session shall see it: with a newer document while one is due, for that is
    /// what has one sent.
    fn show(&self, identity: &DeviceIdentity) -> HostedDevice {
        let version = match self.lock().due {
            Some(_) => DocumentState::HIGHEST_VERSION,
            None => 0,
        };
        HostedDevice {
            id: identity.device_id.clone(),
            iot_sp: identity.iot_sp.clone(),
            serial: Sealed::from_bytes(Vec::new()),
            serial_index: BlindIndex::from_bytes([0; 32]),
            vendor: None,
            model: None,
            owner: None,
            channels: Channels::NONE.with(Channel::Mqtt),
            credentials: Vec::new(),
            credentials_given: 0,
            pairing: Vec::new(),
            document: DocumentState {
                version,
                ..DocumentState::default()
            },
            status: DeviceStatus::Active,
            created: Timestamp::from_millis(0),
            updated: Timestamp::from_millis(0),
            version: 1,
        }
    }

    fn next_document(&self) -> DeviceDocument {
        let mut state = self.lock();
        let due = state.due.take();
        if let Some(newer) = due
            .as_ref()
            .filter(|due| due.version > state.newest.version)
        {
            state.newest = newer.clone();
        }
        let document = due.unwrap_or_else(|| state.newest.clone());
        drop(state);
        self.sends
            .send_modify(|sends| *sends = sends.wrapping_add(1));
        document
    }
}

impl DeviceService for Stand {
    fn authenticate<'a>(
        &'a self,
        claim: DeviceClaim<'a>,
        _: Timestamp,
    ) -> PortFuture<'a, Result<Arc<DeviceIdentity>, DeviceRefusal>> {
        Box::pin(async move {
            match claim {
                DeviceClaim::Certificate {
                    iot_sp, device_id, ..
                } if *device_id == self.device => Ok(Arc::new(DeviceIdentity {
                    iot_sp: SpId::clone(iot_sp),
                    device_id: device_id.clone(),
                    credential: CredentialId(1),
                    // The certificate's own end is watched beside.
                    not_after: Timestamp::from_millis(i64::MAX),
                })),
                DeviceClaim::Certificate { .. }
                | DeviceClaim::Password { .. }
                | DeviceClaim::PreSharedKey { .. }
                | DeviceClaim::Vouched { .. }
                | DeviceClaim::Kept { .. } => {
                    self.say(Word::Stranger);
                    Err(Unauthenticated::Unknown.into())
                }
            }
        })
    }

    fn find_key<'a>(
        &'a self,
        _: &'a PskIdentity,
        _: Timestamp,
    ) -> PortFuture<'a, Result<Option<PreSharedKey>, Failure>> {
        Box::pin(async { Ok(None) })
    }

    fn admit<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        _: Timestamp,
    ) -> PortFuture<'a, Result<HostedDevice, DeviceRefusal>> {
        Box::pin(async move { Ok(self.show(identity)) })
    }

    fn read_document<'a>(
        &'a self,
        _: &'a Arc<DeviceIdentity>,
        _: Timestamp,
    ) -> PortFuture<'a, Result<DeviceDocument, ChannelError>> {
        Box::pin(async move {
            self.say(Word::Subscribed);
            Ok(self.next_document())
        })
    }

    fn read_newer_document<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        _: u64,
        now: Timestamp,
    ) -> PortFuture<'a, Result<Option<DeviceDocument>, ChannelError>> {
        Box::pin(async move { self.read_document(identity, now).await.map(Some) })
    }

    fn acknowledge<'a>(
        &'a self,
        _: &'a Arc<DeviceIdentity>,
        acknowledgement: &'a Acknowledgement,
        _: Timestamp,
    ) -> PortFuture<'a, Result<AcknowledgementMeaning, ChannelError>> {
        Box::pin(async move {
            let is_deaf = self.lock().deaf_to == Some(acknowledgement.version);
            self.say(Word::Acknowledged(acknowledgement.clone()));
            if is_deaf {
                // Until the line is cut.
                std::future::pending::<()>().await;
            }
            Ok(AcknowledgementMeaning::Current)
        })
    }

    fn inquire<'a>(
        &'a self,
        _: &'a Arc<DeviceIdentity>,
        _: Option<&'a ServiceUri>,
        _: Timestamp,
    ) -> PortFuture<'a, Result<Vec<OwnMapping>, ChannelError>> {
        Box::pin(async { Err(ChannelError::NotFound) })
    }

    fn give_up<'a>(
        &'a self,
        _: &'a Arc<DeviceIdentity>,
        _: &'a Given,
        _: Timestamp,
    ) -> PortFuture<'a, Result<(), ChannelError>> {
        Box::pin(async { Err(ChannelError::NotFound) })
    }

    fn report<'a>(
        &'a self,
        _: &'a Arc<DeviceIdentity>,
        _: (MappingId, &'a [u8], bool),
        _: Timestamp,
    ) -> PortFuture<'a, Result<(), ChannelError>> {
        Box::pin(async { Err(ChannelError::NotFound) })
    }

    fn awaited<'a>(
        &'a self,
        _: Option<&'a AwaitedPlace>,
        _: usize,
    ) -> PortFuture<'a, Result<AwaitedPage, Failure>> {
        // Asked by broker mode alone.
        Box::pin(async { Ok((Vec::new(), None)) })
    }

    fn note_refused(&self, _: Option<&DeviceIdentity>, _: RefusedAttempt) {
        // The device under test hears it.
    }
}
