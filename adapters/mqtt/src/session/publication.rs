//! What a device publishes, acted upon and settled. PUBACK follows the durable commit; 3.1.1, which
//! has no reason in it, gets `/rejected` where there is a request to answer, or is closed.

use ics_channel::refusal::{Refusal, encode_done};
use ics_channel::{Format, acknowledgement, event, inquiry, revocation};
use ics_core::device_document::AcknowledgementMeaning;
use ics_core::service::{ChannelError, DeviceRefusal};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::{End, Session, reason_of};
use crate::packet::{Publication, Publish, Reason, Version, write_puback};
use crate::topic::Upward;

/// Why what was published was not done.
enum Fault {
    /// No device that is in order does this: a topic that is none, or is not its own.
    Stray(Reason),
    /// It was understood, and not done.
    Refused(Refusal),
    /// The session ends.
    End(End),
}

/// Where an answer goes: topics under the prefix.
struct Way<'a> {
    accepted: String,
    rejected: String,
    correlation_data: Option<&'a [u8]>,
    /// That of the question.
    format: Format,
}

impl<Io: AsyncRead + AsyncWrite + Unpin + Send> Session<'_, Io> {
    pub(super) async fn take_publication(&mut self, publish: &Publish<'_>) -> Result<(), End> {
        let done = self.act_upon(publish).await;
        // Whatever it said: it is there.
        self.delivery.contact(Instant::now());
        match done {
            Ok(()) => {
                self.settle(publish, Reason::Success);
                Ok(())
            }
            Err(Fault::Stray(reason)) => self.refuse(publish, reason),
            Err(Fault::Refused(refusal)) => self.settle_refused(publish, refusal),
            Err(Fault::End(end)) => Err(end),
        }
    }

    /// Refuses what is not to be repeated: in MQTT 5 by a reason, else by leaving.
    pub(super) fn refuse(&mut self, publish: &Publish<'_>, reason: Reason) -> Result<(), End> {
        if self.version == Version::V5 && publish.packet_id.is_some() {
            self.settle(publish, reason);
            Ok(())
        } else {
            Err(End::Close(reason))
        }
    }

    fn settle_refused(&mut self, publish: &Publish<'_>, refusal: Refusal) -> Result<(), End> {
        let reason = match refusal {
            Refusal::Payload => Reason::PayloadFormat,
            Refusal::Unregistering | Refusal::NoMapping => Reason::NotAuthorized,
            Refusal::NeverOffered => Reason::Unwilling,
            Refusal::TooMany => Reason::Quota,
            Refusal::Unavailable => Reason::Unspecified,
        };
        // What was refused for what is so now, not for what the device did wrong, is settled: a
        // 3.1.1 client would send it again after every reconnect, and be closed again.
        let is_over = matches!(refusal, Refusal::Unregistering | Refusal::NoMapping);
        match (self.version, publish.packet_id) {
            (_, None) => Ok(()),
            (Version::V3, Some(_)) if is_over => {
                self.settle(publish, Reason::Success);
                Ok(())
            }
            _ => self.refuse(publish, reason),
        }
    }

    fn settle(&mut self, publish: &Publish<'_>, reason: Reason) {
        if let Some(id) = publish.packet_id {
            write_puback(self.driver.outbox(), self.version, (id, reason));
        }
    }

    async fn act_upon(&mut self, publish: &Publish<'_>) -> Result<(), Fault> {
        let own = self.subtree.own(publish.topic);
        let own = own.ok_or(Fault::Stray(Reason::NotAuthorized))?;
        match Upward::read(own) {
            None => Err(Fault::Stray(Reason::TopicName)),
            Some(Upward::Presence) => self.take_presence().await,
            Some(Upward::Acknowledgement) => self.take_acknowledgement(publish.payload).await,
            Some(Upward::Event) => self.take_event(publish.payload).await,
            Some(Upward::Inquiry(request)) => {
                let way = self.way_of_answer(publish, own, request)?;
                self.take_inquiry(publish.payload, &way).await
            }
            Some(Upward::Revocation(request)) => {
                let way = request.map(|_| Way::beside(own, publish));
                self.take_revocation(publish.payload, way.as_ref()).await
            }
        }
    }

    /// The device is there; what it says of it is its own affair.
    async fn take_presence(&mut self) -> Result<(), Fault> {
        let now = self.endpoint.clock.now();
        match self.endpoint.service.admit(&self.identity, now).await {
            Ok(device) => {
                self.delivery.learn(&device.document);
                Ok(())
            }
            Err(DeviceRefusal::Unauthenticated(why)) => Err(Fault::End(End::Close(reason_of(why)))),
            Err(DeviceRefusal::Failure(_)) => Err(Fault::Refused(Refusal::Unavailable)),
        }
    }

    async fn take_acknowledgement(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let read = acknowledgement::parse(payload);
        let told = read.map_err(|_| Fault::Refused(Refusal::Payload))?;
        let now = self.endpoint.clock.now();
        let service = &self.endpoint.service;
        let meaning = service.acknowledge(&self.identity, &told, now).await;
        match meaning {
            // What it means besides, a ring tells.
            Ok(AcknowledgementMeaning::Current) => {
                self.delivery.acknowledge(told.version);
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(self.fault(error)),
        }
    }

    async fn take_event(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let read = event::parse(payload);
        let told = read.map_err(|_| Fault::Refused(Refusal::Payload))?;
        let now = self.endpoint.clock.now();
        let event = (told.mapping, told.data, told.is_json);
        let service = &self.endpoint.service;
        let reported = service.report(&self.identity, event, now).await;
        reported.map_err(|error| self.fault(error))
    }

    async fn take_inquiry(&mut self, payload: &[u8], way: &Way<'_>) -> Result<(), Fault> {
        let done = match inquiry::parse(payload) {
            Err(_) => Err(Refusal::Payload),
            Ok(asked) => {
                let now = self.endpoint.clock.now();
                let service_uri = asked.service_uri.as_ref();
                let service = &self.endpoint.service;
                let found = service.inquire(&self.identity, service_uri, now).await;
                self.refusal_of(found)?
            }
        };
        let device = &self.identity.device_id;
        let answer = done.map(|rows| inquiry::encode_answer(device, &rows, way.format));
        self.answer(way, answer);
        Ok(())
    }

    async fn take_revocation(
        &mut self,
        payload: &[u8],
        way: Option<&Way<'_>>,
    ) -> Result<(), Fault> {
        let done = match revocation::parse(payload) {
            Err(_) => Err(Refusal::Payload),
            Ok(given) => {
                let now = self.endpoint.clock.now();
                let service = &self.endpoint.service;
                let given = service.give_up(&self.identity, &given, now).await;
                self.refusal_of(given)?
            }
        };
        match way {
            Some(way) => {
                self.answer(way, done.map(|()| encode_done(way.format)));
                Ok(())
            }
            None => done.map_err(Fault::Refused),
        }
    }

    /// A refusal that can be answered; a session that ends is none.
    fn refusal_of<T>(&self, done: Result<T, ChannelError>) -> Result<Result<T, Refusal>, Fault> {
        match done {
            Ok(done) => Ok(Ok(done)),
            Err(error) => match self.end_or(error) {
                Ok(refusal) => Ok(Err(refusal)),
                Err(end) => Err(Fault::End(end)),
            },
        }
    }

    fn fault(&self, error: ChannelError) -> Fault {
        self.end_or(error).map_or_else(Fault::End, Fault::Refused)
    }

    /// Where the answer to an inquiry goes: beside the request, or where MQTT 5 says. A device
    /// chooses that only in its own subtree: else it would have us write to others.
    fn way_of_answer<'a>(
        &self,
        publish: &Publish<'a>,
        own: &str,
        request: Option<&str>,
    ) -> Result<Way<'a>, Fault> {
        let Some(topic) = publish.response_topic else {
            return match request {
                Some(_) => Ok(Way::beside(own, publish)),
                None => Err(Fault::Stray(Reason::TopicName)),
            };
        };
        let chosen = self.subtree.own_name(topic);
        let chosen = chosen.ok_or(Fault::Stray(Reason::NotAuthorized))?;
        Ok(Way {
            accepted: chosen.to_owned(),
            rejected: chosen.to_owned(),
            ..Way::beside(own, publish)
        })
    }

    /// Answers, if the device listens there.
    fn answer(&mut self, way: &Way<'_>, answer: Result<Vec<u8>, Refusal>) {
        let (own, payload) = match answer {
            Ok(payload) => (&way.accepted, payload),
            Err(refusal) => (&way.rejected, refusal.encode(way.format)),
        };
        let Some(at_least_once) = self.subscriptions.quality_of(own) else {
            return;
        };
        // One more than it takes at once goes at QoS 0: nothing waits, nothing piles up.
        let packet_id = at_least_once
            .then(|| self.window.open_beside_document())
            .flatten();
        let publication = Publication {
            topic: &self.subtree.name(own),
            packet_id,
            content_type: way.format.media_type(),
            correlation_data: way.correlation_data,
            payload: &payload,
        };
        self.publish(&publication);
    }
}

impl<'a> Way<'a> {
    fn beside(own: &str, publish: &Publish<'a>) -> Self {
        Self {
            accepted: format!("{own}/accepted"),
            rejected: format!("{own}/rejected"),
            correlation_data: publish.correlation_data,
            format: Format::of(publish.payload).unwrap_or_default(),
        }
    }
}
