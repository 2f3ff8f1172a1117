//! One connection to the broker, served to its end: messages of many devices at once, those of one
//! in order, each settled once what it asked for is durable; documents as they are owed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use ics_channel::{DeviceService, Format, Meter, RefusedAttempt, Taken};
use ics_core::id::DeviceId;
use ics_core::port::{Clock, PortFuture, StoreError};
use ics_core::principal::DeviceIdentity;
use ics_core::service::{AwaitedPlace, ChannelError, DeviceClaim, DeviceRefusal, Failure};
use ics_core::time::Timestamp;
use tokio::time::{Instant, sleep};

use super::Broker;
use super::awaited::{Awaited, Due, Outcome};
use super::intake::{Intake, Turn};
use super::link::{
    Ack, Greeting, Incoming, LONGEST_PACKET, LinkError, Listener, Outgoing, Receipt, Speaker,
    open as connect,
};
use crate::conversation::{Answer, Contact, Conversation, Fault, Said};
use crate::topic::{DOCUMENT, DOCUMENT_CBOR, Subtree, device_of};

/// What devices publish, shared among all gateways of the operator.
const FILTERS: [&str; 7] = [
    "$share/ics/ics/v1/d/+/inq",
    "$share/ics/ics/v1/d/+/inq/+",
    "$share/ics/ics/v1/d/+/doc/ack",
    "$share/ics/ics/v1/d/+/rev",
    "$share/ics/ics/v1/d/+/rev/+",
    "$share/ics/ics/v1/d/+/evt",
    "$share/ics/ics/v1/d/+/st",
];

/// So many documents are on their way at once.
const MOST_SENDING: usize = 64;
/// How many devices a look at the store takes.
const PAGE: usize = 256;
/// A message that the service could not attend to is tried again after this.
const AGAIN: Duration = Duration::from_secs(1);
/// And so often, unless the store as a whole gives no answer: then until it does.
const MOST_TRIES: u32 = 5;
/// How long what is under way may take when the gateway stops.
const DRAIN: Duration = Duration::from_secs(5);

/// A connection whose subscriptions stand.
pub(super) struct Connection {
    speaker: Speaker,
    listener: Listener,
    intake: Intake<Message, Ack>,
    meter: Meter,
}

/// What a device said.
struct Message {
    incoming: Incoming,
    /// It is more than the device may say: only that it was said is told.
    is_excess: bool,
}

/// What acts upon a message or sends a document: shared by all of them.
#[derive(Clone)]
struct Errand {
    service: Arc<dyn DeviceService>,
    clock: Arc<dyn Clock>,
    awaited: Arc<Awaited>,
    speaker: Speaker,
}

type Acting = FuturesUnordered<PortFuture<'static, (Option<u64>, DeviceId)>>;
type Sending = FuturesUnordered<PortFuture<'static, (Due, Outcome)>>;

/// Connects and subscribes; tells whether the broker knew the session.
pub(super) async fn open(broker: &Broker) -> Result<(Connection, bool), LinkError> {
    let greeting = Greeting {
        client_id: broker.settings.client_id.clone(),
        user_name: None,
        session: Some(broker.settings.session_expiry),
        longest_packet: LONGEST_PACKET,
    };
    let (speaker, listener, is_known) = connect(&greeting, &broker.ways.of_gateway()).await?;
    // Also in a session that is known: an older gateway may have subscribed to less.
    let granted = speaker.subscribe(&FILTERS.map(ToOwned::to_owned)).await?;
    if let Some(at) = granted.iter().position(|granted| !granted) {
        let filter = FILTERS.get(at).copied().unwrap_or_default();
        return Err(LinkError::NotSubscribed(filter.to_owned()));
    }
    let connection = Connection {
        speaker,
        listener,
        intake: Intake::new(),
        meter: Meter::new(broker.settings.messages),
    };
    Ok((connection, is_known))
}

impl Connection {
    /// Serves until it breaks, and tells why; or until `shutdown` is over.
    pub(super) async fn serve(
        mut self,
        broker: &Broker,
        is_walk_owed: &mut bool,
        mut shutdown: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Option<LinkError> {
        let errand = Errand {
            service: Arc::clone(&broker.service),
            clock: Arc::clone(&broker.clock),
            awaited: Arc::clone(&broker.awaited),
            speaker: self.speaker.clone(),
        };
        let mut acting = Acting::new();
        let mut sending = Sending::new();
        let mut walk = std::pin::pin!(walk(&errand));
        loop {
            while sending.len() < MOST_SENDING
                && let Some(due) = errand.awaited.take(Instant::now())
            {
                sending.push(Box::pin(errand.clone().send(due)));
            }
            let has_room = sending.len() < MOST_SENDING;
            tokio::select! {
                () = shutdown.as_mut() => break,
                incoming = self.listener.next() => match incoming {
                    Some(incoming) => self.take(incoming, &errand, &acting),
                    None => {
                        lose(&errand, sending).await;
                        return Some(self.listener.end().await);
                    }
                },
                Some((number, device)) = acting.next(), if !acting.is_empty() => {
                    self.finish((number, device), &errand, &acting);
                }
                Some((due, outcome)) = sending.next(), if !sending.is_empty() => {
                    errand.awaited.settle(&due, outcome, Instant::now());
                }
                () = errand.awaited.wait(), if has_room => {}
                // A connection that breaks before leaves it to the next.
                () = walk.as_mut(), if *is_walk_owed => *is_walk_owed = false,
            }
            if let Err(error) = self.settle().await {
                lose(&errand, sending).await;
                return Some(error);
            }
        }
        self.drain(&errand, acting).await;
        lose(&errand, sending).await;
        None
    }

    fn take(&mut self, mut incoming: Incoming, errand: &Errand, acting: &Acting) {
        let ack = incoming.ack.take();
        let device = device_of(&incoming.topic).filter(|_| !incoming.is_own);
        let now = errand.clock.now();
        let Some(device) = device else {
            self.intake.ignore(ack);
            return;
        };
        // More than it may say is not heard: there is no way to tell a device to be quiet.
        let is_excess = match self.meter.take(&device, now) {
            Taken::Within => false,
            Taken::Beyond { is_news: true } => true,
            Taken::Beyond { is_news: false } => {
                self.intake.ignore(ack);
                return;
            }
        };
        let message = Message {
            incoming,
            is_excess,
        };
        if let Some(turn) = self.intake.take(device, message, ack) {
            acting.push(Box::pin(errand.clone().attend(turn)));
        }
    }

    fn finish(
        &mut self,
        (number, device): (Option<u64>, DeviceId),
        errand: &Errand,
        acting: &Acting,
    ) {
        if let Some(turn) = self.intake.finish(number, device) {
            acting.push(Box::pin(errand.clone().attend(turn)));
        }
    }

    async fn settle(&mut self) -> Result<(), LinkError> {
        while let Some(ack) = self.intake.settle() {
            self.speaker.acknowledge(ack).await?;
        }
        Ok(())
    }

    /// Ends what is under way, settles it, and takes leave; what is not settled comes again, to
    /// this gateway or another.
    async fn drain(mut self, errand: &Errand, mut acting: Acting) {
        let drained = async {
            while !self.intake.is_idle() {
                let Some((number, device)) = acting.next().await else {
                    break;
                };
                self.finish((number, device), errand, &acting);
                if self.settle().await.is_err() {
                    break;
                }
            }
        };
        // What takes longer is done again.
        let _ = tokio::time::timeout(DRAIN, drained).await;
        self.speaker.leave().await;
        let _ = tokio::time::timeout(DRAIN, self.listener.end()).await;
    }
}

/// Documents on their way when the connection broke go out on the next.
async fn lose(errand: &Errand, mut sending: Sending) {
    while let Some((due, outcome)) = sending.next().await {
        errand.awaited.settle(&due, outcome, Instant::now());
    }
}

/// Looks through all hosted devices for those that are owed a document.
async fn walk(errand: &Errand) {
    let mut place: Option<AwaitedPlace> = None;
    loop {
        if errand.awaited.backlog() > PAGE {
            sleep(AGAIN).await;
            continue;
        }
        match errand.service.awaited(place.as_ref(), PAGE).await {
            Ok((devices, next)) => {
                for device in devices {
                    errand.awaited.want(&device, false);
                }
                if next.is_none() {
                    return;
                }
                place = next;
                tokio::task::yield_now().await;
            }
            Err(error) => {
                tracing::warn!(%error, "hosted devices not looked through: again");
                sleep(AGAIN).await;
            }
        }
    }
}

impl Errand {
    /// Acts upon a message until something has come of it.
    async fn attend(self, turn: Turn<Message>) -> (Option<u64>, DeviceId) {
        let Turn {
            number,
            device,
            message,
        } = turn;
        if message.is_excess {
            self.note_excess(&device).await;
            return (number, device);
        }
        let message = message.incoming;
        let mut tries = 0;
        while let Err(failure) = self.act_upon(&device, &message).await {
            tries += 1;
            let is_down = matches!(failure, Failure::Store(StoreError::Unavailable));
            // Nobody waits to hear of a message of QoS 0.
            if number.is_none() || (!is_down && tries >= MOST_TRIES) {
                tracing::error!(error = %failure, "message of a device is lost");
                break;
            }
            sleep(AGAIN).await;
        }
        (number, device)
    }

    /// Tells whose device says too much; of one that is unknown the service tells by itself.
    async fn note_excess(&self, device: &DeviceId) {
        let claim = DeviceClaim::Vouched { device_id: device };
        let found = self.service.authenticate(claim, self.clock.now()).await;
        if let Ok(identity) = found {
            let attempt = RefusedAttempt::TooFast;
            self.service.note_refused(Some(&identity), attempt);
        }
    }

    async fn act_upon(&self, device: &DeviceId, message: &Incoming) -> Result<(), Failure> {
        let claim = DeviceClaim::Vouched { device_id: device };
        let identity = match self.service.authenticate(claim, self.clock.now()).await {
            Ok(identity) => identity,
            Err(DeviceRefusal::Failure(failure)) => return Err(failure),
            Err(DeviceRefusal::Unauthenticated(why)) => {
                tracing::debug!(%why, "message of a device that is not served");
                return Ok(());
            }
        };
        let subtree = Subtree::of(device);
        let conversation = Conversation {
            service: self.service.as_ref(),
            clock: self.clock.as_ref(),
            identity: &identity,
            subtree: &subtree,
        };
        let done = conversation.act_upon(Said {
            topic: &message.topic,
            payload: &message.payload,
            response_topic: message.response_topic.as_deref(),
            correlation_data: message.correlation_data.as_deref(),
        });
        match done.await {
            Ok(done) => {
                match done.contact {
                    Contact::Presence(_) => self.awaited.greet(device),
                    // A ring tells of it.
                    Contact::Acknowledged(_) => {}
                    Contact::Other => self.awaited.contact(&identity, Instant::now()),
                }
                if let Some(answer) = done.answer {
                    self.answer(&subtree, answer).await;
                }
                Ok(())
            }
            Err(Fault::Failed(failure)) => Err(failure),
            Err(fault) => {
                tracing::debug!(iot_sp = %identity.iot_sp, ?fault, "message of a device not acted upon");
                Ok(())
            }
        }
    }

    /// Answers; when this returns, the broker has it, or the connection is gone and the question
    /// will come again.
    async fn answer(&self, subtree: &Subtree, answer: Answer) {
        let message = Outgoing {
            topic: subtree.name(&answer.own),
            payload: answer.payload,
            content_type: Some(answer.format.media_type()),
            correlation_data: answer.correlation_data,
            expiry: None,
        };
        note_refusal(&self.speaker.publish(message).await);
    }

    /// Who a device is by now, and whether it is owed its document.
    async fn look_at(
        &self,
        due: &Due,
        now: Timestamp,
    ) -> Result<(Arc<DeviceIdentity>, bool), DeviceRefusal> {
        // One look for a device that was just heard of, and is owed nothing, as most are.
        if let Some(identity) = &due.heard
            && let Ok(hosted) = self.service.admit(identity, now).await
        {
            return Ok((Arc::clone(identity), hosted.is_awaited()));
        }
        let claim = DeviceClaim::Vouched {
            device_id: &due.device,
        };
        let identity = self.service.authenticate(claim, now).await?;
        let hosted = self.service.admit(&identity, now).await?;
        Ok((identity, hosted.is_awaited()))
    }

    /// Sends a device the newest version of its document.
    async fn send(self, due: Due) -> (Due, Outcome) {
        let outcome = self.send_document(&due).await;
        (due, outcome)
    }

    async fn send_document(&self, due: &Due) -> Outcome {
        let device = &due.device;
        let now = self.clock.now();
        let (identity, is_awaited) = match self.look_at(due, now).await {
            Ok(found) => found,
            Err(refusal) => return outcome_of(refusal.into()),
        };
        if !is_awaited && !due.is_forced {
            return Outcome::Nothing;
        }
        let document = match self.service.read_document(&identity, now).await {
            Ok(document) => document,
            Err(error) => return outcome_of(error),
        };
        let subtree = Subtree::of(device);
        // Which of the two it subscribes to is the broker's knowledge.
        for (own, format) in [(DOCUMENT, Format::Json), (DOCUMENT_CBOR, Format::Cbor)] {
            let message = Outgoing {
                topic: subtree.name(own),
                payload: ics_channel::document::encode(&document, format),
                content_type: Some(format.media_type()),
                correlation_data: None,
                expiry: due.expiry(document.version),
            };
            let receipt = self.speaker.publish(message).await;
            note_refusal(&receipt);
            if receipt.is_err() {
                return Outcome::Lost;
            }
        }
        if is_awaited {
            Outcome::Sent(document.version)
        } else {
            Outcome::Nothing
        }
    }
}

fn outcome_of(error: ChannelError) -> Outcome {
    match error {
        ChannelError::Refused(DeviceRefusal::Failure(_)) => Outcome::Failed,
        _ => Outcome::Nothing,
    }
}

fn note_refusal(receipt: &Result<Receipt, LinkError>) {
    match receipt {
        Ok(Receipt::Taken) | Err(_) => {}
        Ok(Receipt::NotAuthorized) => {
            tracing::warn!("the broker does not let the gateway publish to a device");
        }
        Ok(Receipt::Refused) => tracing::warn!("the broker refuses a message to a device"),
    }
}
