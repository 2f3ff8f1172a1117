//! What a device says, acted upon: the same whether it came over a connection of its own or through
//! a broker. Whoever calls carries the answer back, and settles the message.

use std::sync::Arc;

use ics_channel::refusal::{Refusal, encode_done};
use ics_channel::{
    DeviceService, Format, RefusedAttempt, acknowledgement, event, inquiry, revocation,
};
use ics_core::device_document::{AcknowledgementMeaning, DocumentState};
use ics_core::port::Clock;
use ics_core::principal::DeviceIdentity;
use ics_core::service::{ChannelError, DeviceRefusal, Failure, Unauthenticated};

use crate::packet::Reason;
use crate::topic::{Subtree, Upward};

/// A message of a device.
#[derive(Clone, Copy)]
pub(crate) struct Said<'a> {
    /// Its whole topic.
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    /// MQTT 5: where the device wants its answer.
    pub(crate) response_topic: Option<&'a str>,
    /// MQTT 5: goes back with the answer.
    pub(crate) correlation_data: Option<&'a [u8]>,
}

/// What came of it.
pub(crate) struct Done {
    pub(crate) contact: Contact,
    pub(crate) answer: Option<Answer>,
}

/// What is known of the device's document by what it said.
pub(crate) enum Contact {
    /// It is there, and its document is so.
    Presence(DocumentState),
    /// It holds the newest version, this one.
    Acknowledged(u64),
    /// Nothing but that it is there.
    Other,
}

/// What the device is told.
pub(crate) struct Answer {
    /// Under its prefix.
    pub(crate) own: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) format: Format,
    pub(crate) correlation_data: Option<Vec<u8>>,
    /// Where it says no: why.
    pub(crate) refusal: Option<Refusal>,
}

/// Why it was not done.
#[derive(Debug)]
pub(crate) enum Fault {
    /// No device that is in order does this: a topic that is none, or is not its own.
    Stray(Reason),
    /// It was understood, and not done.
    Refused(Refusal),
    /// The service failed: again, later.
    Failed(Failure),
    /// The device is not served any more.
    Unserved(Unauthenticated),
}

/// Where an answer goes: topics under the prefix.
struct Way<'a> {
    accepted: String,
    rejected: String,
    correlation_data: Option<&'a [u8]>,
    /// That of the question.
    format: Format,
}

/// One device, and what it may be told by.
#[derive(Clone, Copy)]
pub(crate) struct Conversation<'a> {
    pub(crate) service: &'a dyn DeviceService,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) identity: &'a Arc<DeviceIdentity>,
    pub(crate) subtree: &'a Subtree,
}

impl Conversation<'_> {
    /// Does what the device asks for. What is answered is durable.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) async fn act_upon(&self, said: Said<'_>) -> Result<Done, Fault> {
        let outcome = self.take(said).await;
        if let Some(attempt) = refused_attempt(&outcome) {
            self.service.note_refused(Some(self.identity), attempt);
        }
        outcome
    }

    async fn take(&self, said: Said<'_>) -> Result<Done, Fault> {
        let own = self.subtree.own(said.topic);
        let own = own.ok_or(Fault::Stray(Reason::NotAuthorized))?;
        match Upward::read(own) {
            None => Err(Fault::Stray(Reason::TopicName)),
            Some(Upward::Presence) => self.take_presence().await,
            Some(Upward::Acknowledgement) => self.take_acknowledgement(said.payload).await,
            Some(Upward::Event) => self.take_event(said.payload).await,
            Some(Upward::Inquiry(request)) => {
                let way = self.way_of_answer(said, own, request)?;
                self.take_inquiry(said.payload, way).await
            }
            Some(Upward::Revocation(request)) => {
                let way = request.map(|_| Way::beside(own, said));
                self.take_revocation(said.payload, way).await
            }
        }
    }

    /// The device is there; what it says of it is its own affair.
    async fn take_presence(&self) -> Result<Done, Fault> {
        let now = self.clock.now();
        match self.service.admit(self.identity, now).await {
            Ok(device) => Ok(Done::by(Contact::Presence(device.document))),
            Err(refusal) => Err(fault(refusal.into())),
        }
    }

    async fn take_acknowledgement(&self, payload: &[u8]) -> Result<Done, Fault> {
        let read = acknowledgement::parse(payload);
        let told = read.map_err(|_| Fault::Refused(Refusal::Payload))?;
        let now = self.clock.now();
        let meaning = self.service.acknowledge(self.identity, &told, now).await;
        match meaning.map_err(fault)? {
            // What it means besides, a ring tells.
            AcknowledgementMeaning::Current => Ok(Done::by(Contact::Acknowledged(told.version))),
            _ => Ok(Done::by(Contact::Other)),
        }
    }

    async fn take_event(&self, payload: &[u8]) -> Result<Done, Fault> {
        let read = event::parse(payload);
        let told = read.map_err(|_| Fault::Refused(Refusal::Payload))?;
        let now = self.clock.now();
        let event = (told.mapping, told.data, told.is_json);
        let reported = self.service.report(self.identity, event, now).await;
        reported.map_err(fault)?;
        Ok(Done::by(Contact::Other))
    }

    async fn take_inquiry(&self, payload: &[u8], way: Way<'_>) -> Result<Done, Fault> {
        let done = match inquiry::parse(payload) {
            Err(_) => Err(Refusal::Payload),
            Ok(asked) => {
                let now = self.clock.now();
                let service_uri = asked.service_uri.as_ref();
                let found = self.service.inquire(self.identity, service_uri, now).await;
                refusal_of(found)?
            }
        };
        let device = &self.identity.device_id;
        let format = way.format;
        Ok(way.answer(done.map(|rows| inquiry::encode_answer(device, &rows, format))))
    }

    async fn take_revocation(&self, payload: &[u8], way: Option<Way<'_>>) -> Result<Done, Fault> {
        let given = revocation::parse(payload).map_err(|_| Refusal::Payload);
        let now = self.clock.now();
        let Some(way) = way else {
            let given = given.map_err(Fault::Refused)?;
            let done = self.service.give_up(self.identity, &given, now).await;
            done.map_err(fault)?;
            return Ok(Done::by(Contact::Other));
        };
        let done = match given {
            Err(refusal) => Err(refusal),
            Ok(given) => refusal_of(self.service.give_up(self.identity, &given, now).await)?,
        };
        let format = way.format;
        Ok(way.answer(done.map(|()| encode_done(format))))
    }

    /// Where the answer to an inquiry goes: beside the request, or where MQTT 5 says. A device
    /// chooses that only in its own subtree: else it would have us write to others.
    fn way_of_answer<'a>(
        &self,
        said: Said<'a>,
        own: &str,
        request: Option<&str>,
    ) -> Result<Way<'a>, Fault> {
        let Some(topic) = said.response_topic else {
            return match request {
                Some(_) => Ok(Way::beside(own, said)),
                None => Err(Fault::Stray(Reason::TopicName)),
            };
        };
        let chosen = self.subtree.own_name(topic);
        let chosen = chosen.ok_or(Fault::Stray(Reason::NotAuthorized))?;
        Ok(Way {
            accepted: chosen.to_owned(),
            rejected: chosen.to_owned(),
            ..Way::beside(own, said)
        })
    }
}

/// What a call that failed means.
fn fault(error: ChannelError) -> Fault {
    match error {
        ChannelError::Refused(DeviceRefusal::Failure(failure)) => Fault::Failed(failure),
        error => Refusal::of(error).map_or_else(Fault::Unserved, Fault::Refused),
    }
}

/// What was refused here, that the service does not know of.
fn refused_attempt(outcome: &Result<Done, Fault>) -> Option<RefusedAttempt> {
    let answered = |done: &Done| done.answer.as_ref().and_then(|answer| answer.refusal);
    let refusal = match outcome {
        Err(Fault::Stray(Reason::NotAuthorized)) => return Some(RefusedAttempt::PublishForeign),
        Err(Fault::Stray(_)) => return Some(RefusedAttempt::PublishUnknown),
        Err(Fault::Refused(refusal)) => Some(*refusal),
        Ok(done) => answered(done),
        Err(Fault::Failed(_) | Fault::Unserved(_)) => None,
    };
    (refusal == Some(Refusal::Payload)).then_some(RefusedAttempt::PublishUnreadable)
}

/// A refusal that can be answered; a device that is not served gets none.
fn refusal_of<T>(done: Result<T, ChannelError>) -> Result<Result<T, Refusal>, Fault> {
    match done {
        Ok(done) => Ok(Ok(done)),
        Err(error) => match Refusal::of(error) {
            Ok(refusal) => Ok(Err(refusal)),
            Err(why) => Err(Fault::Unserved(why)),
        },
    }
}

impl Done {
    const fn by(contact: Contact) -> Self {
        Self {
            contact,
            answer: None,
        }
    }
}

impl<'a> Way<'a> {
    fn beside(own: &str, said: Said<'a>) -> Self {
        Self {
            accepted: format!("{own}/accepted"),
            rejected: format!("{own}/rejected"),
            correlation_data: said.correlation_data,
            format: Format::of(said.payload).unwrap_or_default(),
        }
    }

    fn answer(self, told: Result<Vec<u8>, Refusal>) -> Done {
        let (own, payload, refusal) = match told {
            Ok(payload) => (self.accepted, payload, None),
            Err(refusal) => {
                let payload = refusal.encode(self.format);
                (self.rejected, payload, Some(refusal))
            }
        };
        Done {
            contact: Contact::Other,
            answer: Some(Answer {
                own,
                payload,
                format: self.format,
                correlation_data: self.correlation_data.map(<[u8]>::to_vec),
                refusal,
            }),
        }
    }
}
