//! What a device publishes, settled. PUBACK follows the durable commit; 3.1.1, which has no reason in
//! it, gets `/rejected` where there is a request to answer, or is closed. A refusal that the device
//! does not hear as an answer is told like one that has none.

use ics_channel::refusal::Refusal;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::{End, Session, reason_of};
use crate::conversation::{Answer, Contact, Conversation, Done, Fault, Said};
use crate::packet::{Publication, Publish, Reason, Version, write_puback};

impl<Io: AsyncRead + AsyncWrite + Unpin + Send> Session<'_, Io> {
    pub(super) async fn take_publication(&mut self, publish: &Publish<'_>) -> Result<(), End> {
        let conversation = Conversation {
            service: self.endpoint.service.as_ref(),
            clock: self.endpoint.clock.as_ref(),
            identity: &self.identity,
            subtree: &self.subtree,
        };
        let done = conversation.act_upon(Said {
            topic: publish.topic,
            payload: publish.payload,
            response_topic: publish.response_topic,
            correlation_data: publish.correlation_data,
        });
        let untold = done.await.map(|done| self.take_in(done));
        // Whatever it said: it is there.
        self.delivery.contact(Instant::now().into_std());
        match untold {
            Ok(None) => {
                self.settle(publish, Reason::Success);
                Ok(())
            }
            Ok(Some(refusal)) => self.settle_refused(publish, refusal),
            Err(Fault::Stray(reason)) => self.refuse(publish, reason),
            Err(Fault::Refused(refusal)) => self.settle_refused(publish, refusal),
            Err(Fault::Failed(_)) => self.settle_refused(publish, Refusal::Unavailable),
            Err(Fault::Unserved(why)) => Err(End::Close(reason_of(why))),
        }
    }

    /// Answers; gives back a refusal that the device does not hear as an answer.
    fn take_in(&mut self, done: Done) -> Option<Refusal> {
        match done.contact {
            Contact::Presence(document) => self.delivery.learn(&document),
            Contact::Acknowledged(version) => self.delivery.acknowledge(version),
            Contact::Other => {}
        }
        let answer = done.answer?;
        let is_told = self.answer(&answer);
        answer.refusal.filter(|_| !is_told)
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
        // 3.1.1 client would send it again after every reconnect, and be closed again before it
        // could say anything else.
        let is_over = matches!(
            refusal,
            Refusal::Unregistering | Refusal::NoMapping | Refusal::TooMany
        );
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

    /// Answers; `false` when the device does not listen there, or takes nothing of this length.
    fn answer(&mut self, answer: &Answer) -> bool {
        let Some(at_least_once) = self.subscriptions.quality_of(&answer.own) else {
            return false;
        };
        // One more than it takes at once goes at QoS 0: nothing waits, nothing piles up.
        let packet_id = at_least_once
            .then(|| self.window.open_beside_document())
            .flatten();
        let publication = Publication {
            topic: &self.subtree.name(&answer.own),
            packet_id,
            content_type: answer.format.media_type(),
            correlation_data: answer.correlation_data.as_deref(),
            payload: &answer.payload,
        };
        self.publish(&publication)
    }
}
