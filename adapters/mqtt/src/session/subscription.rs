//! What a device may subscribe to: its own subtree, wildcards inside it included. Anything else
//! (`$share`, `$SYS`, `#`, `+`, another device's, a prefix of its own) is refused alike.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::{End, Session, reason_of};
use crate::packet::{Answered, Filter, Reason, write_suback, write_unsuback};
use crate::topic::{DOCUMENT, DOCUMENT_CBOR, does_match, is_filter};
use ics_channel::RefusedAttempt;
use ics_core::service::DeviceRefusal;

/// A device has no use for more.
const MOST: usize = 16;
/// Nor for longer ones, under its prefix.
const LONGEST: usize = 256;

/// The filters of one session, under the device's prefix, with whether QoS 1.
#[derive(Default)]
pub(super) struct Subscriptions {
    filters: Vec<(Box<str>, bool)>,
}

impl Subscriptions {
    /// The greatest quality at which a topic under the prefix is subscribed: whether QoS 1.
    pub(super) fn quality_of(&self, own: &str) -> Option<bool> {
        let matching = self.filters.iter().filter(|(f, _)| does_match(f, own));
        matching.map(|(_, quality)| *quality).max()
    }

    fn add(&mut self, own: &str, at_least_once: bool) -> Answered {
        if !is_filter(own) {
            return Answered::Refused(Reason::TopicFilter);
        }
        if let Some((_, quality)) = self.filters.iter_mut().find(|(f, _)| **f == *own) {
            *quality = at_least_once;
        } else if self.filters.len() < MOST && own.len() <= LONGEST {
            self.filters.push((own.into(), at_least_once));
        } else {
            return Answered::Refused(Reason::Quota);
        }
        Answered::Granted(at_least_once)
    }

    fn remove(&mut self, own: &str) -> bool {
        let before = self.filters.len();
        self.filters.retain(|(filter, _)| **filter != *own);
        self.filters.len() < before
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin + Send> Session<'_, Io> {
    pub(super) async fn subscribe(&mut self, id: u16, filters: &[Filter<'_>]) -> Result<(), End> {
        let now = self.endpoint.clock.now();
        let answers: Vec<Answered> = match self.endpoint.service.admit(&self.identity, now).await {
            Ok(device) => {
                self.delivery.acknowledge(device.document.acknowledged);
                filters.iter().map(|filter| self.grant(filter)).collect()
            }
            Err(DeviceRefusal::Unauthenticated(why)) => return Err(End::Close(reason_of(why))),
            Err(DeviceRefusal::Failure(_)) => {
                vec![Answered::Refused(Reason::Unspecified); filters.len()]
            }
        };
        self.note_refused(&answers);
        write_suback(self.driver.outbox(), self.version, id, &answers);
        let granted = filters.iter().zip(&answers);
        let mut granted = granted.filter(|(_, answer)| matches!(answer, Answered::Granted(_)));
        let is_of_document = |filter: &Filter<'_>| {
            let own = self.subtree.own(filter.text).unwrap_or_default();
            does_match(own, DOCUMENT) || does_match(own, DOCUMENT_CBOR)
        };
        if granted.any(|(filter, _)| is_of_document(filter)) {
            self.delivery.want();
        } else {
            self.delivery.contact(Instant::now().into_std());
        }
        Ok(())
    }

    /// A line for the packet, not for each of its filters.
    fn note_refused(&self, answers: &[Answered]) {
        let refused = answers.iter().find_map(|answer| match answer {
            Answered::Refused(Reason::NotAuthorized) => Some(RefusedAttempt::SubscribeForeign),
            Answered::Refused(Reason::TopicFilter) => Some(RefusedAttempt::SubscribeMalformed),
            Answered::Refused(Reason::Quota) => Some(RefusedAttempt::SubscribeTooMuch),
            // The service failed.
            Answered::Refused(_) | Answered::Granted(_) => None,
        });
        if let Some(attempt) = refused {
            let service = &self.endpoint.service;
            service.note_refused(Some(&self.identity), attempt);
        }
    }

    fn grant(&mut self, filter: &Filter<'_>) -> Answered {
        match self.subtree.own(filter.text) {
            Some(own) => self.subscriptions.add(own, filter.is_at_least_once),
            None => Answered::Refused(Reason::NotAuthorized),
        }
    }

    pub(super) fn unsubscribe(&mut self, id: u16, filters: &[&str]) {
        let remove = |filter: &&str| {
            let own = self.subtree.own(filter);
            own.is_some_and(|own| self.subscriptions.remove(own))
        };
        let were: Vec<bool> = filters.iter().map(remove).collect();
        write_unsuback(self.driver.outbox(), self.version, id, &were);
    }
}
