//! Devices whose IoT service provider the gateway hosts, at the CSE itself (Y.4462 10.1 steps 4 to 6, 10.2;
//! channels.md): each registers an AE, and below it finds what the CSE keeps for it.
//!
//! | where | what |
//! |---|---|
//! | `doc` | the mapping document, as its one `<contentInstance>`, in JSON; its name is `v` and the version |
//! | `ack` | CREATE of a `<contentInstance>` whose `con` is the acknowledgement; nothing is kept |
//! | `ics/inq`, `ics/dmp` | its own pairs; one of them given up ([`crate::ics`]) |
//!
//! The document there is a projection of the store, laid anew after a start. A device learns of a version by
//! subscribing to `doc`; without a subscription its AE is notified, if it can be called; else it reads `la`.
//! What it has not acknowledged it is told of again, by the plan of all channels.

mod desk;

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use ics_channel::{DeviceService, Format, RefusedAttempt};
use ics_core::device::HostedDevice;
use ics_core::device_document::Acknowledgement;
use ics_core::id::{DeviceId, SpId};
use ics_core::port::{Clock, DeviceBell};
use ics_core::principal::DeviceIdentity;
use ics_core::service::{ChannelError, DeviceClaim, DeviceRefusal, Unauthenticated};
use ics_core::time::Timestamp;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::address::Address;
use crate::caller::{Originator, Standing};
use crate::ics::answer_unkept;
use crate::primitive::{Operation, Outcome, Refusal, Request};
use crate::resource::{Type, read_create};
use crate::rsc::Rsc;
use crate::time;
use crate::tree::{DocumentStanding, Issue, Tree};

use desk::{Desk, Next, Turn};

/// So many documents are looked after at once.
const AT_ONCE: usize = 64;

/// The devices that have an AE here.
pub(crate) struct Hosted {
    tree: Tree,
    service: Arc<dyn DeviceService>,
    clock: Arc<dyn Clock>,
    desk: Desk,
}

impl Hosted {
    pub(crate) fn new(tree: Tree, service: Arc<dyn DeviceService>, clock: Arc<dyn Clock>) -> Self {
        Self {
            tree,
            service,
            clock,
            desk: Desk::default(),
        }
    }

    /// Looks after the documents until it is dropped.
    pub(crate) async fn run(&self) {
        for device in self.tree.devices() {
            self.desk.want(&device);
        }
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < AT_ONCE
                && let Some(turn) = self.desk.take(Instant::now())
            {
                under_way.push(self.attend(turn));
            }
            tokio::select! {
                Some((turn, next)) = under_way.next(), if !under_way.is_empty() => {
                    self.desk.settle(turn, next);
                }
                () = self.desk.wait(), if under_way.len() < AT_ONCE => {}
            }
        }
    }

    /// What a device says it holds, where that is what the request is; else it is for the tree.
    pub(crate) async fn hear(
        &self,
        (who, address): (&Originator, &Address),
        request: &Request,
        now: Timestamp,
    ) -> Option<Outcome> {
        let Standing::Device(identity) = &who.standing else {
            return None;
        };
        let is_instance = request.operation == Operation::Create
            && request.resource_type == Some(Type::ContentInstance.number());
        if !is_instance {
            return None;
        }
        let of_device = self.tree.acknowledging(address, now).await?;
        if of_device != identity.device_id {
            let attempt = RefusedAttempt::RequestForeign;
            self.service.note_refused(Some(identity), attempt);
            return None;
        }
        Some(self.take_acknowledgement(identity, request, now).await)
    }

    async fn take_acknowledgement(
        &self,
        identity: &Arc<DeviceIdentity>,
        request: &Request,
        now: Timestamp,
    ) -> Outcome {
        let (acknowledgement, mut shown) = read_acknowledgement(request).inspect_err(|_| {
            let attempt = RefusedAttempt::RequestUnreadable;
            self.service.note_refused(Some(identity), attempt);
        })?;
        // An answer that is not given is refused before anything is done.
        answer_unkept(request, Type::ContentInstance.member(), Map::new())?;
        let taken = self.service.acknowledge(identity, &acknowledgement, now);
        taken.await.map_err(refusal_of)?;
        let now = time::format(now);
        let ty = Type::ContentInstance.number();
        for (name, value) in [
            ("ty", ty.into()),
            ("ct", now.clone().into()),
            ("et", now.into()),
        ] {
            shown.insert(name.into(), value);
        }
        answer_unkept(request, Type::ContentInstance.member(), shown)
    }

    /// A device was there, and did this.
    pub(crate) fn meet(&self, device: &DeviceId, operation: Operation) {
        // It may have come to be, or to be reachable, or to watch.
        if matches!(operation, Operation::Create | Operation::Update) {
            self.desk.want(device);
        }
        self.desk.meet(device);
    }

    /// Lays the newest version ready, and tells the device of it if it is owed.
    async fn attend(&self, mut turn: Turn) -> (Turn, Next) {
        let next = self.look_after(&mut turn).await;
        if next == Next::Later {
            turn.delivery.postpone(Instant::now().into_std());
        }
        (turn, next)
    }

    async fn look_after(&self, turn: &mut Turn) -> Next {
        let now = self.clock.now();
        let device = turn.device.clone();
        let Some(standing) = self.tree.document(&device, now).await else {
            return Next::Nothing;
        };
        let (identity, hosted) = match self.look_up(&device, now).await {
            Ok(found) => found,
            Err(DeviceRefusal::Unauthenticated(Unauthenticated::Unknown)) => {
                return self.end(&device, now).await;
            }
            Err(DeviceRefusal::Unauthenticated(_)) => return Next::Nothing,
            Err(DeviceRefusal::Failure(_)) => return Next::Later,
        };
        let is_owed = hosted.is_awaited();
        let is_new = standing.version.is_none_or(|v| v < hosted.document.version);
        if is_new && self.issue(&identity, is_owed, now).await.is_err() {
            return Next::Later;
        }
        if !is_owed {
            return Next::Nothing;
        }
        let instant = Instant::now().into_std();
        let delivery = &mut turn.delivery;
        delivery.learn(&hosted.document);
        if is_new || turn.is_first {
            delivery.want();
        } else if turn.is_met {
            delivery.contact(instant);
        }
        if !delivery.is_wanted() {
            return Next::Wait;
        }
        if !standing.is_watched && !standing.is_reachable {
            // It reads, or nobody does.
            return Next::Nothing;
        }
        self.tell((&device, &standing), is_new, now).await;
        let version = hosted.document.version;
        delivery.sent(version, Some(None), Instant::now().into_std());
        Next::Wait
    }

    async fn look_up(
        &self,
        device_id: &DeviceId,
        now: Timestamp,
    ) -> Result<(Arc<DeviceIdentity>, HostedDevice), DeviceRefusal> {
        let claim = DeviceClaim::Kept { device_id };
        let identity = self.service.authenticate(claim, now).await?;
        let hosted = self.service.admit(&identity, now).await?;
        Ok((identity, hosted))
    }

    async fn issue(
        &self,
        identity: &Arc<DeviceIdentity>,
        is_told: bool,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let document = self.service.read_document(identity, now).await;
        let document = document.map_err(refusal_of)?;
        let text = ics_channel::document::encode(&document, Format::Json);
        let issue = Issue {
            version: document.version,
            text: String::from_utf8_lossy(&text).into_owned(),
        };
        let issue = (&identity.device_id, &issue);
        self.tree
            .issue_document(issue, is_told, now)
            .await
            .map(drop)
    }

    /// Who watches was told of a new version as it was laid there.
    async fn tell(
        &self,
        (device, standing): (&DeviceId, &DocumentStanding),
        is_new: bool,
        now: Timestamp,
    ) {
        if standing.is_watched {
            if !is_new && self.tree.repeat_document(device, now).await.is_err() {
                tracing::debug!("a document was not told of again");
            }
            return;
        }
        if let Some(notice) = self.tree.document_notice(device, now).await {
            match self.tree.notify(&standing.ae, notice).await {
                Ok(response) if response.rsc.is_success() => {}
                Ok(response) => tracing::debug!(rsc = ?response.rsc, "the AE of a device refused"),
                Err(error) => tracing::debug!(%error, "the AE of a device was not reached"),
            }
        }
    }

    /// The device is no more: nothing of its document stays.
    async fn end(&self, device: &DeviceId, now: Timestamp) -> Next {
        match self.tree.end_device(device, now).await {
            Ok(_) => Next::Nothing,
            Err(_) => Next::Later,
        }
    }
}

impl DeviceBell for Hosted {
    fn ring(&self, id: &DeviceId, _: Option<&HostedDevice>) {
        if self.tree.has_device(id) {
            self.desk.want(id);
        }
    }

    fn recheck(&self, _: &SpId) {
        // One that is served again may have missed a version.
        for device in self.tree.devices() {
            self.desk.want(&device);
        }
    }
}

fn read_acknowledgement(
    request: &Request,
) -> Result<(Acknowledgement, Map<String, Value>), Refusal> {
    let attributes = read_create(Type::ContentInstance, request.content.as_ref())?;
    let text = attributes.get("con").and_then(Value::as_str);
    let parsed = text.map(|text| ics_channel::acknowledgement::parse(text.as_bytes()));
    let said = "is no acknowledgement: a text `{\"v\":7}` or `{\"v\":7,\"no\":[..]}`";
    match parsed {
        Some(Ok(acknowledgement)) => Ok((acknowledgement, attributes)),
        _ => Err(Refusal::about(Rsc::BadRequest, "con", said)),
    }
}

/// What it is on oneM2M that the service did not do for a device.
pub(crate) fn refusal_of(error: ChannelError) -> Refusal {
    match error {
        ChannelError::Refused(DeviceRefusal::Unauthenticated(_)) => Refusal::new(
            Rsc::OriginatorNotAuthenticated,
            "the originator is not the one that the connection proves",
        ),
        ChannelError::Refused(DeviceRefusal::Failure(failure)) => failure.into(),
        ChannelError::NeverOffered => Refusal::new(Rsc::Conflict, "that version was never offered"),
        ChannelError::NotFound => crate::ics::no_mapping(),
        ChannelError::Unregistering => Refusal::new(
            Rsc::OriginatorHasNoPrivilege,
            "the device is unregistering: it may read and acknowledge its document",
        ),
        ChannelError::TooManyEvents => Refusal::new(Rsc::InternalServerError, "come back later"),
    }
}

#[cfg(test)]
mod tests;
